//! Structural equality of expressions: PostgreSQL's `equal()` as the planner needs it.
//!
//! Positions, names and how a call was written do not count: `a + b` is `int4pl(a, b)`.

use redoubt_analyze::query::*;
use redoubt_functions::{Datum, Oid, compare};

/// Whether two expressions are the same, so that one's value may stand for the other's. Subqueries
/// are the same if they are copies of one that was written once.
pub(crate) fn same(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Const { value: a, ty: ta }, Expr::Const { value: b, ty: tb }) => {
            ta == tb && same_datum(ta.type_oid, a, b)
        }
        (Expr::Var(a), Expr::Var(b)) => a.rt == b.rt && a.attno == b.attno && a.levels_up == b.levels_up,
        (Expr::Param { number: a, ty: ta }, Expr::Param { number: b, ty: tb }) => a == b && ta == tb,
        (Expr::Call(a), Expr::Call(b)) => same_call(a, b),
        (Expr::Relabel { arg: a, ty: ta, .. }, Expr::Relabel { arg: b, ty: tb, .. })
        | (Expr::CoerceViaIo { arg: a, ty: ta, .. }, Expr::CoerceViaIo { arg: b, ty: tb, .. }) => {
            ta == tb && same(a, b)
        }
        (
            Expr::ArrayCoerce { arg: a, element: ea, ty: ta },
            Expr::ArrayCoerce { arg: b, element: eb, ty: tb },
        ) => ta == tb && same(a, b) && same(ea, eb),
        (Expr::And(a), Expr::And(b)) | (Expr::Or(a), Expr::Or(b)) => same_all(a, b),
        (Expr::Not(a), Expr::Not(b)) => same(a, b),
        (Expr::IsNull { arg: a, negated: na, row: ra }, Expr::IsNull { arg: b, negated: nb, row: rb }) => {
            na == nb && ra == rb && same(a, b)
        }
        (
            Expr::BooleanTest { arg: a, value: va, negated: na },
            Expr::BooleanTest { arg: b, value: vb, negated: nb },
        ) => va == vb && na == nb && same(a, b),
        (Expr::Distinct { equality: a, negated: na }, Expr::Distinct { equality: b, negated: nb }) => {
            na == nb && same_call(a, b)
        }
        (Expr::NullIf { equality: a, .. }, Expr::NullIf { equality: b, .. }) => same_call(a, b),
        (Expr::Case { .. }, Expr::Case { .. }) => same_case(a, b),
        (Expr::CaseTest(a), Expr::CaseTest(b)) => a == b,
        (Expr::Collate { arg: a, collation: ca }, Expr::Collate { arg: b, collation: cb }) => {
            ca == cb && same(a, b)
        }
        _ => same_uncommon(a, b),
    }
}

fn same_uncommon(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Coalesce { args: a, ty: ta }, Expr::Coalesce { args: b, ty: tb }) => {
            ta == tb && same_all(a, b)
        }
        (Expr::MinMax { args: a, ty: ta, greatest: ga }, Expr::MinMax { args: b, ty: tb, greatest: gb }) => {
            ga == gb && ta == tb && same_all(a, b)
        }
        (Expr::ScalarArrayOp { call: a, any: x }, Expr::ScalarArrayOp { call: b, any: y }) => {
            x == y && same_call(a, b)
        }
        (
            Expr::Array { elements: a, ty: ta, multidim: ma, .. },
            Expr::Array { elements: b, ty: tb, multidim: mb, .. },
        ) => ta == tb && ma == mb && same_all(a, b),
        (Expr::Row { fields: a, ty: ta }, Expr::Row { fields: b, ty: tb }) => ta == tb && same_all(a, b),
        (Expr::RowCompare { calls: a, op: oa, .. }, Expr::RowCompare { calls: b, op: ob, .. }) => {
            oa == ob && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_call(a, b))
        }
        (Expr::FieldSelect { arg: a, field: fa, .. }, Expr::FieldSelect { arg: b, field: fb, .. }) => {
            fa == fb && same(a, b)
        }
        (
            Expr::Subscript { arg: a, indexes: ia, slice: sa, .. },
            Expr::Subscript { arg: b, indexes: ib, slice: sb, .. },
        ) => {
            sa == sb
                && same(a, b)
                && ia.len() == ib.len()
                && ia.iter().zip(ib).all(|(a, b)| same_option(&a.0, &b.0) && same_option(&a.1, &b.1))
        }
        (Expr::Aggregate(a), Expr::Aggregate(b)) => same_aggregate(a, b),
        (Expr::Grouping { keys: a, levels_up: la }, Expr::Grouping { keys: b, levels_up: lb }) => {
            a == b && la == lb
        }
        (Expr::WindowFunc(a), Expr::WindowFunc(b)) => {
            a.proc_oid == b.proc_oid
                && a.window == b.window
                && a.star == b.star
                && same_all(&a.args, &b.args)
                && same_option(&a.filter, &b.filter)
        }
        (Expr::SqlValue { function: a, ty: ta }, Expr::SqlValue { function: b, ty: tb }) => {
            a == b && ta == tb
        }
        // Their positions are a part of what is compared here.
        (Expr::SubLink(a), Expr::SubLink(b)) => format!("{a:?}") == format!("{b:?}"),
        _ => false,
    }
}

fn same_case(a: &Expr, b: &Expr) -> bool {
    let (
        Expr::Case { arg: a, whens: wa, otherwise: oa, ty: ta },
        Expr::Case { arg: b, whens: wb, otherwise: ob, ty: tb },
    ) = (a, b)
    else {
        return false;
    };
    let same_args = match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    };
    same_args
        && ta == tb
        && wa.len() == wb.len()
        && wa.iter().zip(wb).all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
        && same(oa, ob)
}

/// Whether two calls are of one function with the same arguments.
pub(crate) fn same_call(a: &Call, b: &Call) -> bool {
    a.proc_oid == b.proc_oid
        && a.ty.type_oid == b.ty.type_oid
        && a.input_collation == b.input_collation
        && same_all(&a.args, &b.args)
}

/// Whether two aggregate calls compute the same.
pub(crate) fn same_aggregate(a: &Aggregate, b: &Aggregate) -> bool {
    a.proc_oid == b.proc_oid
        && a.star == b.star
        && a.distinct == b.distinct
        && a.levels_up == b.levels_up
        && a.input_collation == b.input_collation
        && a.arg_types == b.arg_types
        && same_all(&a.args, &b.args)
        && same_option(&a.filter, &b.filter)
        && a.order_by.len() == b.order_by.len()
        && a.order_by.iter().zip(&b.order_by).all(|(a, b)| {
            a.sort_operator == b.sort_operator && a.nulls_first == b.nulls_first && same(&a.expr, &b.expr)
        })
}

/// Whether two lists are the same, in order.
pub(crate) fn same_all(a: &[Expr], b: &[Expr]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn same_option(a: &Option<Expr>, b: &Option<Expr>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    }
}

/// Whether two constants are the same value in every respect: stricter than SQL equality, which
/// takes 1.0 and 1.00 for equal.
fn same_datum(type_oid: Oid, a: &Datum, b: &Datum) -> bool {
    use Datum::*;
    match (a, b) {
        (Null, Null) => true,
        (Null, _) | (_, Null) => false,
        (Text(a), Text(b)) => a == b,
        (Float4(a), Float4(b)) => a.to_bits() == b.to_bits(),
        (Float8(a), Float8(b)) => a.to_bits() == b.to_bits(),
        (Interval(a), Interval(b)) => a == b,
        (Numeric(_), Numeric(_)) | (Array(_), Array(_)) | (Record(_), Record(_)) => {
            format!("{a:?}") == format!("{b:?}")
        }
        _ if std::mem::discriminant(a) != std::mem::discriminant(b) => false,
        _ => compare::eq(type_oid, a, b),
    }
}
