//! TABLESAMPLE (PostgreSQL's `transformRangeTableSample` in src/backend/parser/parse_clause.c).

use crate::analyzer::{Analyzer, Place};
use crate::query::{Expr, RteKind, SampleMethod, TableSample};
use crate::visit;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    /// The sampling of the FROM item that was added last, which stands at `position`.
    ///
    /// # Errors
    /// PostgreSQL's; `0A000` for arguments that read columns.
    pub(crate) fn table_sample(&mut self, raw: &ast::TableSample, position: usize) -> PgResult<TableSample> {
        let entry = self.level().rtable.last();
        if !entry
            .is_some_and(|entry| matches!(entry.kind, RteKind::Relation { relkind: 'r' | 'm' | 'p', .. }))
        {
            let message = "TABLESAMPLE clause can only be applied to tables and materialized views";
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message).at(Some(position)));
        }
        let name = &raw.method.last().name;
        let in_catalog = raw.method.schema().is_none_or(|schema| &*schema.name == "pg_catalog");
        let method = match &**name {
            "bernoulli" if in_catalog => SampleMethod::Bernoulli,
            "system" if in_catalog => SampleMethod::System,
            _ => {
                let message = format!("tablesample method {name} does not exist");
                return Err(PgError::new(code::UNDEFINED_OBJECT, message).at(Some(raw.method.pos())));
            }
        };
        let [percent] = raw.args.as_slice() else {
            let message =
                format!("tablesample method {} requires 1 argument, not {}", method.name(), raw.args.len());
            return Err(PgError::new(code::INVALID_TABLESAMPLE_ARGUMENT, message).at(Some(raw.pos)));
        };
        let mut args = vec![self.sample_argument(percent, types::FLOAT4, "TABLESAMPLE")?];
        if let Some(seed) = &raw.repeatable {
            args.push(self.sample_argument(seed, types::FLOAT8, "REPEATABLE")?);
        }
        Ok(TableSample { method, args })
    }

    fn sample_argument(&mut self, raw: &ast::Expr, type_oid: u32, construct: &str) -> PgResult<Expr> {
        let expr = self.expr(raw, Place::FromFunction)?;
        let reads = |node: &Expr| matches!(node, Expr::Var(_) | Expr::SubLink(_));
        if visit::any(&expr, &mut |node, _| reads(node)) {
            let feature = format!("{construct} of columns and subqueries");
            return Err(PgError::unsupported(feature).at(Some(raw.location())));
        }
        self.coerce_to_specific(expr, type_oid, construct, raw.location())
    }
}
