//! Questions about expressions.

use crate::walk;
use redoubt_analyze::query::*;
use redoubt_functions::{Datum, Oid};

/// Whether evaluating it twice may give two answers. Aggregates and window functions are judged
/// by their arguments.
pub(crate) fn is_volatile(expr: &Expr) -> bool {
    has_volatility(expr, |volatility| volatility == 'v')
}

fn has_volatility(expr: &Expr, test: impl Fn(char) -> bool) -> bool {
    walk::any(expr, &mut |node, _| match node {
        Expr::Call(call) => test(call.volatility),
        Expr::Distinct { equality: call, .. } | Expr::NullIf { equality: call, .. } => test(call.volatility),
        Expr::ScalarArrayOp { call, .. } => test(call.volatility),
        _ => false,
    })
}

/// Whether a set-returning call stands in it (not inside a subquery).
pub(crate) fn returns_set(expr: &Expr) -> bool {
    walk::any(expr, &mut |node, depth| depth == 0 && matches!(node, Expr::Call(call) if call.returns_set))
}

/// Whether it holds an aggregate of this level.
pub(crate) fn has_aggregate(expr: &Expr) -> bool {
    walk::any(expr, &mut |node, depth| matches!(node, Expr::Aggregate(agg) if agg.levels_up == depth))
}

/// Whether it holds a window function of this level.
pub(crate) fn has_window(expr: &Expr) -> bool {
    walk::any(expr, &mut |node, depth| depth == 0 && matches!(node, Expr::WindowFunc(_)))
}

/// Calls `f` on every column reference, those in subqueries included.
pub(crate) fn each_var(expr: &Expr, f: &mut dyn FnMut(&Var)) {
    walk::visit(expr, 0, &mut |node, _| {
        if let Expr::Var(var) = node {
            f(var);
        }
        true
    });
}

/// Replaces column references by what `f` makes of them, in subqueries too.
pub(crate) fn replace_vars(expr: &mut Expr, f: &mut dyn FnMut(&Var) -> Option<Expr>) {
    walk::rewrite(expr, 0, &mut |node, _| {
        let Expr::Var(var) = node else { return true };
        match f(var) {
            Some(replacement) => {
                *node = replacement;
                false
            }
            None => false,
        }
    });
}

/// `anyelement` and its kin.
pub(crate) fn is_polymorphic(type_oid: Oid) -> bool {
    matches!(type_oid, 2276 | 2277 | 2283 | 2776 | 3500 | 3831 | 4537 | 5077..=5080 | 2249)
}

/// A boolean constant.
pub(crate) fn constant_bool(expr: &Expr) -> Option<Option<bool>> {
    match expr {
        Expr::Const { value: Datum::Bool(value), .. } => Some(Some(*value)),
        Expr::Const { value: Datum::Null, .. } => Some(None),
        _ => None,
    }
}

/// Whether the expression is NULL (or, as a condition, not true) whenever the columns for which
/// `of_interest` holds are all NULL: PostgreSQL's strictness analysis, for the shapes it knows.
pub(crate) fn is_strict_for(expr: &Expr, of_interest: &dyn Fn(&Var) -> bool) -> bool {
    match expr {
        Expr::Var(var) => of_interest(var),
        Expr::Call(call) => call.strict && call.args.iter().any(|arg| is_strict_for(arg, of_interest)),
        Expr::Relabel { arg, .. }
        | Expr::CoerceViaIo { arg, .. }
        | Expr::Collate { arg, .. }
        | Expr::ArrayCoerce { arg, .. }
        | Expr::Not(arg) => is_strict_for(arg, of_interest),
        Expr::ScalarArrayOp { call, any } => {
            // `x op ALL (empty array)` is true even for a NULL x.
            call.strict
                && (*any || is_non_empty_array(&call.args[1]))
                && is_strict_for(&call.args[0], of_interest)
        }
        _ => false,
    }
}

fn is_non_empty_array(expr: &Expr) -> bool {
    match expr {
        Expr::Const { value: Datum::Array(array), .. } => !array.elems.is_empty(),
        Expr::Array { elements, multidim, .. } => !multidim && !elements.is_empty(),
        _ => false,
    }
}

/// Whether a condition is not true whenever the columns of interest are all NULL
/// (`find_nonnullable_rels` for one set of columns).
pub(crate) fn rejects_nulls(expr: &Expr, of_interest: &dyn Fn(&Var) -> bool) -> bool {
    match expr {
        Expr::And(args) => args.iter().any(|arg| rejects_nulls(arg, of_interest)),
        Expr::Or(args) => args.iter().all(|arg| rejects_nulls(arg, of_interest)),
        Expr::IsNull { arg, negated: true, row: false } => is_strict_for(arg, of_interest),
        Expr::BooleanTest { arg, value: Some(_), negated: false } => is_strict_for(arg, of_interest),
        Expr::BooleanTest { arg, value: None, negated: true } => is_strict_for(arg, of_interest),
        other => is_strict_for(other, of_interest),
    }
}
