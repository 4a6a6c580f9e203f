//! Whether two expressions are the same, as PostgreSQL's `equal()` has it: used to match GROUP BY
//! keys, DISTINCT and ORDER BY items. Positions do not count.

use crate::query::{Aggregate, Call, Expr, OrderKey, SubLink};
use redoubt_functions::Datum;

/// Same structure, same types, same constants.
pub fn same_expr(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Const { value: x, ty: s }, Expr::Const { value: y, ty: t }) => s == t && same_datum(x, y),
        (Expr::Var(x), Expr::Var(y)) => x == y,
        (Expr::Param { number: x, ty: s }, Expr::Param { number: y, ty: t }) => x == y && s == t,
        (Expr::Call(x), Expr::Call(y)) => same_call(x, y),
        (Expr::Relabel { arg: x, ty: s, .. }, Expr::Relabel { arg: y, ty: t, .. })
        | (Expr::CoerceViaIo { arg: x, ty: s, .. }, Expr::CoerceViaIo { arg: y, ty: t, .. }) => {
            s == t && same_expr(x, y)
        }
        (
            Expr::ArrayCoerce { arg: x, element: ex, ty: s },
            Expr::ArrayCoerce { arg: y, element: ey, ty: t },
        ) => s == t && same_expr(x, y) && same_expr(ex, ey),
        (Expr::And(x), Expr::And(y)) | (Expr::Or(x), Expr::Or(y)) => same_list(x, y),
        (Expr::Not(x), Expr::Not(y)) => same_expr(x, y),
        (Expr::IsNull { arg: x, negated: n, row: r }, Expr::IsNull { arg: y, negated: m, row: q }) => {
            n == m && r == q && same_expr(x, y)
        }
        (
            Expr::BooleanTest { arg: x, value: v, negated: n },
            Expr::BooleanTest { arg: y, value: w, negated: m },
        ) => v == w && n == m && same_expr(x, y),
        (Expr::Distinct { equality: x, negated: n }, Expr::Distinct { equality: y, negated: m }) => {
            n == m && same_call(x, y)
        }
        (Expr::NullIf { equality: x, .. }, Expr::NullIf { equality: y, .. }) => same_call(x, y),
        (
            Expr::Case { arg: x, whens: wx, otherwise: ox, ty: s },
            Expr::Case { arg: y, whens: wy, otherwise: oy, ty: t },
        ) => {
            s == t
                && same_option(x.as_deref(), y.as_deref())
                && wx.len() == wy.len()
                && wx.iter().zip(wy).all(|(p, q)| same_expr(&p.0, &q.0) && same_expr(&p.1, &q.1))
                && same_expr(ox, oy)
        }
        (Expr::CaseTest(x), Expr::CaseTest(y)) => x == y,
        (Expr::Coalesce { args: x, ty: s }, Expr::Coalesce { args: y, ty: t }) => s == t && same_list(x, y),
        (Expr::MinMax { greatest: g, args: x, ty: s }, Expr::MinMax { greatest: h, args: y, ty: t }) => {
            g == h && s == t && same_list(x, y)
        }
        (Expr::ScalarArrayOp { call: x, any: a }, Expr::ScalarArrayOp { call: y, any: b }) => {
            a == b && same_call(x, y)
        }
        (Expr::Array { elements: x, ty: s, .. }, Expr::Array { elements: y, ty: t, .. })
        | (Expr::Row { fields: x, ty: s }, Expr::Row { fields: y, ty: t }) => s == t && same_list(x, y),
        (Expr::RowCompare { calls: x, op: o, .. }, Expr::RowCompare { calls: y, op: p, .. }) => {
            o == p && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_call(x, y))
        }
        (Expr::FieldSelect { arg: x, field: f, .. }, Expr::FieldSelect { arg: y, field: g, .. }) => {
            f == g && same_expr(x, y)
        }
        (Expr::Subscript { arg: x, indexes: i, .. }, Expr::Subscript { arg: y, indexes: j, .. }) => {
            same_expr(x, y)
                && i.len() == j.len()
                && i.iter().zip(j).all(|(p, q)| {
                    same_option(p.0.as_ref(), q.0.as_ref()) && same_option(p.1.as_ref(), q.1.as_ref())
                })
        }
        (Expr::Aggregate(x), Expr::Aggregate(y)) => same_aggregate(x, y),
        (Expr::Grouping { keys: x, levels_up: l }, Expr::Grouping { keys: y, levels_up: m }) => {
            x == y && l == m
        }
        (Expr::SubLink(x), Expr::SubLink(y)) => same_sublink(x, y),
        (Expr::SqlValue { function: x, ty: s }, Expr::SqlValue { function: y, ty: t }) => x == y && s == t,
        (Expr::Collate { arg: x, collation: c }, Expr::Collate { arg: y, collation: d }) => {
            c == d && same_expr(x, y)
        }
        (Expr::WindowFunc(x), Expr::WindowFunc(y)) => {
            x.proc_oid == y.proc_oid
                && x.window == y.window
                && same_list(&x.args, &y.args)
                && same_option(x.filter.as_ref(), y.filter.as_ref())
        }
        _ => false,
    }
}

fn same_list(a: &[Expr], b: &[Expr]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_expr(a, b))
}

fn same_option(a: Option<&Expr>, b: Option<&Expr>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_expr(a, b),
        _ => false,
    }
}

fn same_call(a: &Call, b: &Call) -> bool {
    a.proc_oid == b.proc_oid
        && a.ty == b.ty
        && a.input_collation == b.input_collation
        && same_list(&a.args, &b.args)
}

fn same_aggregate(a: &Aggregate, b: &Aggregate) -> bool {
    let same_key = |(x, y): (&OrderKey, &OrderKey)| {
        x.descending == y.descending && x.nulls_first == y.nulls_first && same_expr(&x.expr, &y.expr)
    };
    a.proc_oid == b.proc_oid
        && a.star == b.star
        && a.distinct == b.distinct
        && a.levels_up == b.levels_up
        && same_list(&a.args, &b.args)
        && a.order_by.len() == b.order_by.len()
        && a.order_by.iter().zip(&b.order_by).all(same_key)
        && same_option(a.filter.as_ref(), b.filter.as_ref())
}

/// Subqueries are taken to be different: comparing whole queries is rarely worth it, and a false
/// "different" only means an error or a second evaluation, never a wrong result.
fn same_sublink(_: &SubLink, _: &SubLink) -> bool {
    false
}

/// In every respect, so that 1.0 and 1.00 are different constants.
fn same_datum(a: &Datum, b: &Datum) -> bool {
    use Datum::*;
    match (a, b) {
        (Null, Null) | (Void, Void) => true,
        (Bool(a), Bool(b)) => a == b,
        (Char(a), Char(b)) => a == b,
        (Int2(a), Int2(b)) => a == b,
        (Int4(a), Int4(b)) | (Date(a), Date(b)) => a == b,
        (Int8(a), Int8(b)) | (Time(a), Time(b)) => a == b,
        (Timestamp(a), Timestamp(b)) | (TimestampTz(a), TimestampTz(b)) => a == b,
        (Float4(a), Float4(b)) => a.to_bits() == b.to_bits(),
        (Float8(a), Float8(b)) => a.to_bits() == b.to_bits(),
        (Oid(a), Oid(b)) => a == b,
        (Xid8(a), Xid8(b)) | (Lsn(a), Lsn(b)) => a == b,
        (Tid(a), Tid(b)) => a == b,
        (TimeTz(a), TimeTz(b)) => a == b,
        (Interval(a), Interval(b)) => a == b,
        (Uuid(a), Uuid(b)) => a == b,
        (Enum(a), Enum(b)) => a.oid == b.oid,
        // The text shows the scale, too.
        (Numeric(a), Numeric(b)) => a.to_string() == b.to_string(),
        (Text(a), Text(b)) => a == b,
        (Bytea(a), Bytea(b)) => a == b,
        (Bit(a), Bit(b)) => a == b,
        (Array(a), Array(b)) => {
            a.dims == b.dims
                && a.elem_type == b.elem_type
                && a.elems.len() == b.elems.len()
                && a.elems.iter().zip(b.elems.iter()).all(|(a, b)| same_datum(a, b))
        }
        _ => false,
    }
}
