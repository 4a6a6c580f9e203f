//! Functions that PostgreSQL defines in SQL and its planner replaces by their bodies.

use crate::builder::Builder;
use redoubt_analyze::query::{Call, CallForm, ColumnType, Expr};
use redoubt_error::PgResult;
use redoubt_functions::{Oid, is_string_type, types};

/// `pg_proc.oid` of `textanycat` and `anytextcat`.
const TEXT_ANY: Oid = 2003;
const ANY_TEXT: Oid = 2004;
/// `pg_proc.oid` of `textcat`, and its operator's.
const TEXT_CAT: Oid = 1258;
const TEXT_CAT_OPERATOR: Oid = 654;

impl Builder<'_> {
    /// `text || any` and `any || text`: the other operand is cast to text, and both are concatenated.
    pub(super) fn inline_concatenation(&self, expr: &Expr) -> PgResult<Option<Expr>> {
        let Expr::Call(call) = expr else { return Ok(None) };
        let cast = match call.proc_oid {
            TEXT_ANY => 1,
            ANY_TEXT => 0,
            _ => return Ok(None),
        };
        let mut args = call.args.clone();
        args[cast] = self.as_text(&args[cast])?;
        Ok(Some(Expr::Call(Box::new(Call {
            proc_oid: TEXT_CAT,
            function: self.ctx.catalog.function("textcat"),
            name: "textcat".into(),
            strict: true,
            volatility: 'i',
            args,
            arg_types: vec![types::TEXT, types::TEXT],
            form: CallForm::Operator { oid: TEXT_CAT_OPERATOR, symbol: "||".into() },
            ..(**call).clone()
        }))))
    }

    /// An explicit cast to text (`pg_cast`).
    fn as_text(&self, expr: &Expr) -> PgResult<Expr> {
        let collation = match expr.ty().collation {
            0 => 100,
            collation => collation,
        };
        let ty = ColumnType { type_oid: types::TEXT, typmod: -1, collation };
        let from = expr.ty().type_oid;
        let arg = Box::new(expr.clone());
        let (proc_oid, source) = match from {
            types::TEXT => return Ok(expr.clone()),
            types::BOOL => (2971, "booltext"),
            types::BPCHAR => (401, "rtrim1"),
            types::NAME => (406, "name_text"),
            types::CHAR => (946, "char_text"),
            types::INET | types::CIDR => (730, "network_show"),
            _ if is_string_type(from) => return Ok(Expr::Relabel { arg, ty, explicit: true }),
            _ => return Ok(Expr::CoerceViaIo { arg, ty, explicit: true }),
        };
        Ok(Expr::Call(Box::new(Call {
            proc_oid,
            function: self.ctx.catalog.function(source),
            name: "text".into(),
            strict: true,
            volatility: 'i',
            returns_set: false,
            variadic: false,
            args: vec![*arg],
            arg_types: vec![from],
            ty,
            input_collation: expr.ty().collation,
            form: CallForm::ExplicitCast,
            position: None,
        })))
    }
}
