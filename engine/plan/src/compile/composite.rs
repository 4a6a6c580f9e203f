//! Rows and subscripts.

use super::Compiler;
use crate::program::{MakeRow, Program, RowCompare, RowCompareColumn, Step, SubscriptOp};
use crate::slot::Slot;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::{Attribute, TupleDesc, types};

impl Compiler<'_, '_> {
    pub(super) fn row(&mut self, fields: &[Expr], ty: ColumnType, target: Option<Slot>) -> PgResult<Slot> {
        let (args, _) = self.args(fields)?;
        let desc = if ty.type_oid == types::RECORD {
            anonymous_desc(fields.iter().map(Expr::ty))
        } else {
            self.builder.ctx.env.composite_desc(ty.type_oid)?
        };
        let (count, type_oid) = (fields.len() as u32, ty.type_oid);
        self.unary(target, |out| Step::MakeRow(Box::new(MakeRow { args, count, type_oid, desc, out })))
    }

    pub(super) fn row_compare(
        &mut self,
        calls: &[Call],
        equalities: &[Call],
        op: RowCompareOp,
        target: Option<Slot>,
    ) -> PgResult<Slot> {
        let mut columns = Vec::with_capacity(calls.len());
        for (call, equality) in calls.iter().zip(equalities) {
            let outside = std::mem::take(&mut self.steps);
            let args = self.args(&call.args);
            let operands = Program { steps: std::mem::replace(&mut self.steps, outside).into() };
            columns.push(RowCompareColumn {
                operands,
                args: args?.0,
                equal: self.required(equality)?,
                equal_site: self.site(equality),
                compare: self.required(call)?,
                compare_site: self.site(call),
            });
        }
        let or_equal = matches!(op, RowCompareOp::LessEqual | RowCompareOp::GreaterEqual);
        let columns = columns.into();
        self.unary(target, |out| Step::RowCompare(Box::new(RowCompare { columns, or_equal, out })))
    }

    pub(super) fn subscript(
        &mut self,
        arg: &Expr,
        indexes: &[(Option<Expr>, Option<Expr>)],
        slice: bool,
        ty: ColumnType,
        target: Option<Slot>,
    ) -> PgResult<Slot> {
        let container_type = arg.ty().type_oid;
        let container = self.value(arg, None)?;
        let mut slots = Vec::with_capacity(indexes.len());
        for (lower, upper) in indexes {
            let lower = lower.as_ref().map(|expr| self.value(expr, None)).transpose()?;
            let upper = upper.as_ref().map(|expr| self.value(expr, None)).transpose()?;
            slots.push((lower, upper));
        }
        let indexes = slots.into();
        self.unary(target, |out| {
            Step::Subscript(Box::new(SubscriptOp { container, container_type, ty, indexes, slice, out }))
        })
    }
}

/// The descriptor of an anonymous record: columns f1, f2, ...
pub(crate) fn anonymous_desc(columns: impl Iterator<Item = ColumnType>) -> TupleDesc {
    let attrs: Vec<Attribute> = columns
        .enumerate()
        .map(|(index, ty)| {
            let mut attr = Attribute::new(format!("f{}", index + 1), ty.type_oid).with_typmod(ty.typmod);
            attr.collation = ty.collation;
            attr
        })
        .collect();
    TupleDesc::new(attrs)
}
