//! Where pretty printing may leave parentheses out (ruleutils.c's `isSimpleNode`).

use super::Printer;
use crate::query::{CallForm, Expr};

/// How much the parent holds its operands apart.
#[derive(PartialEq, Eq)]
enum Parent {
    /// An operator.
    Operator,
    /// AND, OR, NOT.
    Boolean,
    /// Commas, brackets or keywords separate the operands.
    Separating,
    /// A cast, or a call in SQL's own syntax.
    Cast,
    /// A field selection.
    Field,
    /// Anything else.
    Other,
}

fn parent_kind(expr: &Expr) -> Parent {
    match expr {
        Expr::Call(call) => match call.form {
            CallForm::Operator { .. } => Parent::Operator,
            CallForm::Function => Parent::Separating,
            CallForm::ExplicitCast | CallForm::ImplicitCast | CallForm::SqlSyntax => Parent::Cast,
        },
        Expr::And(_) | Expr::Or(_) | Expr::Not(_) => Parent::Boolean,
        Expr::Subscript { .. }
        | Expr::Array { .. }
        | Expr::Row { .. }
        | Expr::Coalesce { .. }
        | Expr::MinMax { .. }
        | Expr::NullIf { .. }
        | Expr::Aggregate(_)
        | Expr::Grouping { .. }
        | Expr::WindowFunc(_)
        | Expr::Case { .. } => Parent::Separating,
        Expr::FieldSelect { .. } => Parent::Field,
        _ => Parent::Other,
    }
}

/// The symbol of a binary operator of one character.
fn simple_operator(expr: &Expr) -> Option<char> {
    let Expr::Call(call) = expr else { return None };
    let CallForm::Operator { symbol, .. } = &call.form else { return None };
    let mut chars = symbol.chars();
    match (call.args.len(), chars.next(), chars.next()) {
        (2, Some(symbol), None) => Some(symbol),
        _ => None,
    }
}

impl Printer<'_> {
    /// Whether `expr` needs no parentheses as an operand of `parent`.
    pub(super) fn is_simple(&self, expr: &Expr, parent: &Expr) -> bool {
        match expr {
            Expr::Const { .. }
            | Expr::Var(_)
            | Expr::Param { .. }
            | Expr::CaseTest(_)
            | Expr::SetToDefault(_) => true,
            Expr::Subscript { .. }
            | Expr::Array { .. }
            | Expr::Row { .. }
            | Expr::Coalesce { .. }
            | Expr::MinMax { .. }
            | Expr::SqlValue { .. }
            | Expr::NullIf { .. }
            | Expr::Aggregate(_)
            | Expr::Grouping { .. }
            | Expr::WindowFunc(_)
            | Expr::Case { .. } => true,
            Expr::Call(call) => match call.form {
                CallForm::Operator { .. } => operator_is_simple(expr, parent),
                _ => true,
            },
            Expr::FieldSelect { .. } => parent_kind(parent) != Parent::Field,
            Expr::Relabel { arg, .. } | Expr::CoerceViaIo { arg, .. } | Expr::ArrayCoerce { arg, .. } => {
                self.is_simple(arg, expr)
            }
            Expr::SubLink(_) | Expr::IsNull { .. } | Expr::BooleanTest { .. } | Expr::Distinct { .. } => {
                test_is_simple(parent)
            }
            Expr::And(_) | Expr::Not(_) => match parent_kind(parent) {
                Parent::Boolean => matches!(parent, Expr::And(_) | Expr::Or(_)),
                kind => kind == Parent::Separating,
            },
            Expr::Or(_) => match parent_kind(parent) {
                Parent::Boolean => matches!(parent, Expr::Or(_)),
                kind => kind == Parent::Separating,
            },
            Expr::ScalarArrayOp { .. } | Expr::RowCompare { .. } | Expr::Collate { .. } => false,
        }
    }
}

fn test_is_simple(parent: &Expr) -> bool {
    matches!(parent_kind(parent), Parent::Boolean | Parent::Separating)
}

/// Only the arithmetic operators' precedence is relied upon.
fn operator_is_simple(expr: &Expr, parent: &Expr) -> bool {
    if parent_kind(parent) != Parent::Operator {
        return test_is_simple(parent);
    }
    let (low, high) = (['+', '-'], ['*', '/', '%']);
    let (Some(own), Some(outer)) = (simple_operator(expr), simple_operator(parent)) else { return false };
    let known = |op: char| low.contains(&op) || high.contains(&op);
    if !known(own) || !known(outer) {
        return false;
    }
    match (high.contains(&own), high.contains(&outer)) {
        (true, false) => true,
        (false, true) => false,
        // The same precedence: only on the left.
        _ => matches!(parent, Expr::Call(call) if std::ptr::eq(&call.args[0], expr)),
    }
}
