//! Operators that are computed in place. Each does what its function in the library does; a test
//! holds them together.

use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, compare};
use redoubt_plan::program::{Comparison, FastOp};
use std::cmp::Ordering;

/// Applies a strict binary operator.
///
/// # Errors
/// `22003` when the result is out of range.
#[inline]
pub fn apply(op: FastOp, left: &Datum, right: &Datum) -> PgResult<Datum> {
    if left.is_null() || right.is_null() {
        return Ok(Datum::Null);
    }
    match op {
        FastOp::Int(comparison) => Ok(compared(comparison, int(left)?.cmp(&int(right)?))),
        FastOp::Int4Add => int4(left, right, i32::checked_add),
        FastOp::Int4Sub => int4(left, right, i32::checked_sub),
        FastOp::Int4Mul => int4(left, right, i32::checked_mul),
        FastOp::Int8Add => int8(left, right, i64::checked_add),
        FastOp::Int8Sub => int8(left, right, i64::checked_sub),
        FastOp::Int8Mul => int8(left, right, i64::checked_mul),
        _ => apply_other(op, left, right),
    }
}

fn apply_other(op: FastOp, left: &Datum, right: &Datum) -> PgResult<Datum> {
    Ok(match (op, left, right) {
        (FastOp::Text(comparison), Datum::Text(left), Datum::Text(right)) => match comparison {
            Comparison::Eq => Datum::Bool(left == right),
            Comparison::Ne => Datum::Bool(left != right),
            _ => compared(comparison, left.as_bytes().cmp(right.as_bytes())),
        },
        (FastOp::Oid(comparison), Datum::Oid(left), Datum::Oid(right)) => {
            compared(comparison, left.cmp(right))
        }
        (FastOp::Date(comparison), Datum::Date(left), Datum::Date(right)) => {
            compared(comparison, left.cmp(right))
        }
        (FastOp::Timestamp(comparison), Datum::Timestamp(left), Datum::Timestamp(right))
        | (FastOp::Timestamp(comparison), Datum::TimestampTz(left), Datum::TimestampTz(right)) => {
            compared(comparison, left.cmp(right))
        }
        (FastOp::Float(comparison), Datum::Float8(left), Datum::Float8(right)) => {
            compared(comparison, compare::cmp_float(*left, *right))
        }
        (FastOp::Bool(comparison), Datum::Bool(left), Datum::Bool(right)) => {
            compared(comparison, left.cmp(right))
        }
        (_, left, _) => return Err(left.mismatch("an operand of a fast operator")),
    })
}

#[inline]
fn compared(comparison: Comparison, order: Ordering) -> Datum {
    Datum::Bool(match comparison {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    })
}

/// An integer of any width.
#[inline]
fn int(value: &Datum) -> PgResult<i64> {
    match value {
        Datum::Int4(value) => Ok(i64::from(*value)),
        Datum::Int8(value) => Ok(*value),
        Datum::Int2(value) => Ok(i64::from(*value)),
        other => Err(other.mismatch("an integer")),
    }
}

#[inline]
fn int4(left: &Datum, right: &Datum, op: fn(i32, i32) -> Option<i32>) -> PgResult<Datum> {
    let (Datum::Int4(left), Datum::Int4(right)) = (left, right) else {
        return Err(left.mismatch("int4"));
    };
    op(*left, *right).map(Datum::Int4).ok_or_else(|| out_of_range("integer"))
}

#[inline]
fn int8(left: &Datum, right: &Datum, op: fn(i64, i64) -> Option<i64>) -> PgResult<Datum> {
    op(int(left)?, int(right)?).map(Datum::Int8).ok_or_else(|| out_of_range("bigint"))
}

#[cold]
fn out_of_range(what: &str) -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{what} out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_functions::{CallContext, PlainEnv, builtin, types};

    /// The functions with a step of their own, by OID and C symbol, over samples of these kinds.
    const COVERED: &[(u32, &str, Kind, Kind)] = &[
        (65, "int4eq", Kind::Int4, Kind::Int4),
        (66, "int4lt", Kind::Int4, Kind::Int4),
        (144, "int4ne", Kind::Int4, Kind::Int4),
        (147, "int4gt", Kind::Int4, Kind::Int4),
        (149, "int4le", Kind::Int4, Kind::Int4),
        (150, "int4ge", Kind::Int4, Kind::Int4),
        (177, "int4pl", Kind::Int4, Kind::Int4),
        (181, "int4mi", Kind::Int4, Kind::Int4),
        (141, "int4mul", Kind::Int4, Kind::Int4),
        (463, "int8pl", Kind::Int8, Kind::Int8),
        (464, "int8mi", Kind::Int8, Kind::Int8),
        (465, "int8mul", Kind::Int8, Kind::Int8),
        (467, "int8eq", Kind::Int8, Kind::Int8),
        (1274, "int84pl", Kind::Int8, Kind::Int4),
        (1278, "int48pl", Kind::Int4, Kind::Int8),
        (1275, "int84mi", Kind::Int8, Kind::Int4),
        (1280, "int48mul", Kind::Int4, Kind::Int8),
        (852, "int48eq", Kind::Int4, Kind::Int8),
        (1852, "int28lt", Kind::Int2, Kind::Int8),
        (63, "int2eq", Kind::Int2, Kind::Int2),
        (67, "texteq", Kind::Text, Kind::Text),
        (740, "text_lt", Kind::Text, Kind::Text),
        (743, "text_ge", Kind::Text, Kind::Text),
        (84, "boolne", Kind::Bool, Kind::Bool),
    ];

    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Int2,
        Int4,
        Int8,
        Text,
        Bool,
    }

    fn samples(kind: Kind) -> (u32, Vec<Datum>) {
        match kind {
            Kind::Int2 => (types::INT2, [-5, 0, 7, i16::MAX].map(Datum::Int2).into()),
            Kind::Int4 => (types::INT4, [i32::MIN, -1, 0, 1, 7, i32::MAX].map(Datum::Int4).into()),
            Kind::Int8 => (types::INT8, [i64::MIN, -1, 0, 7, 1 << 40, i64::MAX].map(Datum::Int8).into()),
            Kind::Text => (types::TEXT, ["", "a", "ab", "é", "b"].map(Datum::text).into()),
            Kind::Bool => (types::BOOL, vec![Datum::Bool(false), Datum::Bool(true)]),
        }
    }

    #[test]
    fn fast_operators_are_their_functions() {
        let env = PlainEnv::default();
        for &(oid, symbol, left_kind, right_kind) in COVERED {
            let op = FastOp::of_function(oid).unwrap_or_else(|| panic!("{symbol} has a step"));
            let Some(function) = builtin(symbol) else { panic!("{symbol} is built in") };
            let ((left_type, lefts), (right_type, rights)) = (samples(left_kind), samples(right_kind));
            let types = [left_type, right_type];
            let mut context = CallContext::new(&env).with_types(&types, types::BOOL);
            context.collation = 100;
            for left in &lefts {
                for right in &rights {
                    let fast = apply(op, left, right).map_err(|error| error.message().to_owned());
                    let slow = function(&context, &[left.clone(), right.clone()])
                        .map_err(|error| error.message().to_owned());
                    assert_eq!(format!("{fast:?}"), format!("{slow:?}"), "{symbol}({left:?}, {right:?})");
                }
                assert!(apply(op, left, &Datum::Null).unwrap().is_null());
            }
        }
    }
}
