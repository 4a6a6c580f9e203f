//! Operators computed in place: the common comparisons and integer arithmetic, without a call.

use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, compare::cmp_float};
use redoubt_plan::program::{Comparison, FastOp};
use std::cmp::Ordering;

/// Computes a fast operator. All are strict.
#[inline]
pub(crate) fn compute(op: FastOp, left: &Datum, right: &Datum) -> PgResult<Datum> {
    if left.is_null() || right.is_null() {
        return Ok(Datum::Null);
    }
    match op {
        FastOp::Int(comparison) => Ok(test(comparison, integer(left)?.cmp(&integer(right)?))),
        FastOp::Int4Add => int4(left.as_int4()?.checked_add(right.as_int4()?)),
        FastOp::Int4Sub => int4(left.as_int4()?.checked_sub(right.as_int4()?)),
        FastOp::Int4Mul => int4(left.as_int4()?.checked_mul(right.as_int4()?)),
        FastOp::Int8Add => int8(integer(left)?.checked_add(integer(right)?)),
        FastOp::Int8Sub => int8(integer(left)?.checked_sub(integer(right)?)),
        FastOp::Int8Mul => int8(integer(left)?.checked_mul(integer(right)?)),
        FastOp::Float(comparison) => Ok(test(comparison, cmp_float(left.as_float8()?, right.as_float8()?))),
        FastOp::Text(comparison) => {
            Ok(test(comparison, left.as_str()?.as_bytes().cmp(right.as_str()?.as_bytes())))
        }
        FastOp::Oid(comparison) => Ok(test(comparison, left.as_oid()?.cmp(&right.as_oid()?))),
        FastOp::Bool(comparison) => Ok(test(comparison, left.as_bool()?.cmp(&right.as_bool()?))),
        FastOp::Date(comparison) => match (left, right) {
            (Datum::Date(left), Datum::Date(right)) => Ok(test(comparison, left.cmp(right))),
            _ => Err(left.mismatch("date")),
        },
        FastOp::Timestamp(comparison) => Ok(test(comparison, timestamp(left)?.cmp(&timestamp(right)?))),
    }
}

#[inline]
fn test(comparison: Comparison, order: Ordering) -> Datum {
    Datum::Bool(match comparison {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    })
}

#[inline]
fn integer(datum: &Datum) -> PgResult<i64> {
    match datum {
        Datum::Int4(value) => Ok(i64::from(*value)),
        Datum::Int8(value) => Ok(*value),
        Datum::Int2(value) => Ok(i64::from(*value)),
        other => Err(other.mismatch("integer")),
    }
}

fn timestamp(datum: &Datum) -> PgResult<i64> {
    match datum {
        Datum::Timestamp(value) | Datum::TimestampTz(value) => Ok(*value),
        other => Err(other.mismatch("timestamp")),
    }
}

#[inline]
fn int4(value: Option<i32>) -> PgResult<Datum> {
    value.map(Datum::Int4).ok_or_else(|| out_of_range("integer"))
}

#[inline]
fn int8(value: Option<i64>) -> PgResult<Datum> {
    value.map(Datum::Int8).ok_or_else(|| out_of_range("bigint"))
}

#[cold]
fn out_of_range(type_name: &str) -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{type_name} out of range"))
}
