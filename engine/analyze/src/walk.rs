//! Visiting the parts of an expression.

use crate::query::{Expr, FrameBound, OrderKey};

/// Calls `visit` on the expression and all below it, parents first. Subqueries are not entered;
/// their tests' left sides are.
pub fn walk<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    visit(expr);
    children(expr, &mut |child| walk(child, visit));
}

/// Calls `visit` on the direct children of an expression.
pub fn children<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    match expr {
        Expr::Const { .. }
        | Expr::Var(_)
        | Expr::Param { .. }
        | Expr::CaseTest(_)
        | Expr::Grouping { .. }
        | Expr::SqlValue { .. }
        | Expr::SetToDefault(_) => {}
        Expr::Call(call) => call.args.iter().for_each(visit),
        Expr::Distinct { equality: call, .. }
        | Expr::NullIf { equality: call, .. }
        | Expr::ScalarArrayOp { call, .. } => call.args.iter().for_each(visit),
        Expr::Relabel { arg, .. }
        | Expr::CoerceViaIo { arg, .. }
        | Expr::Not(arg)
        | Expr::IsNull { arg, .. }
        | Expr::BooleanTest { arg, .. }
        | Expr::FieldSelect { arg, .. }
        | Expr::Collate { arg, .. } => visit(arg),
        Expr::ArrayCoerce { arg, element, .. } => {
            visit(arg);
            visit(element);
        }
        Expr::And(args) | Expr::Or(args) => args.iter().for_each(visit),
        Expr::Coalesce { args, .. } | Expr::MinMax { args, .. } => args.iter().for_each(visit),
        Expr::Array { elements, .. } => elements.iter().for_each(visit),
        Expr::Row { fields, .. } => fields.iter().for_each(visit),
        Expr::Case { arg, whens, otherwise, .. } => {
            arg.iter().for_each(|arg| visit(arg));
            for (condition, result) in whens {
                visit(condition);
                visit(result);
            }
            visit(otherwise);
        }
        Expr::RowCompare { calls, .. } => calls.iter().flat_map(|call| &call.args).for_each(visit),
        Expr::Subscript { arg, indexes, .. } => {
            visit(arg);
            for (lower, upper) in indexes {
                lower.iter().chain(upper).for_each(&mut *visit);
            }
        }
        Expr::Aggregate(aggregate) => {
            aggregate.args.iter().for_each(&mut *visit);
            keys(&aggregate.order_by, visit);
            aggregate.filter.iter().for_each(visit);
        }
        Expr::WindowFunc(call) => {
            call.args.iter().for_each(&mut *visit);
            call.filter.iter().for_each(visit);
        }
        Expr::SubLink(link) => link.tests.iter().for_each(|test| visit(&test.left)),
    }
}

fn keys<'e>(keys: &'e [OrderKey], visit: &mut dyn FnMut(&'e Expr)) {
    keys.iter().for_each(|key| visit(&key.expr));
}

/// The offset of a frame bound, if it has one.
pub fn frame_offset(bound: &FrameBound) -> Option<&Expr> {
    match bound {
        FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
        _ => None,
    }
}
