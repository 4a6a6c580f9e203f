//! Operators over whole arrays, where Arrow's kernels and PostgreSQL agree, or where a loop of our own is
//! much faster than a call per row. Everything else is computed by the row executor's function.

use crate::evaluate::Column;
use crate::repr::{Collector, Reader, Repr, repeat};
use arrow::array::{Array, ArrayRef, BooleanArray, Datum as ArrowDatum, Float64Array};
use arrow::compute::kernels::{cmp, numeric};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, compare};
use redoubt_plan::program::{Comparison, FastOp};
use std::sync::Arc;

/// An operand as Arrow's kernels want it: an array, or one value for all rows.
struct Operand {
    array: ArrayRef,
    same: bool,
}

impl ArrowDatum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (&*self.array, self.same)
    }
}

/// Applies a strict binary operator to operands of `rows` rows each.
pub(crate) fn apply(op: FastOp, left: &Column, right: &Column, rows: usize) -> PgResult<Column> {
    if let (Column::Same(left), Column::Same(right)) = (left, right) {
        return Ok(Column::Same(redoubt_exec::apply_fast(op, left, right)?));
    }
    let is_null = |column: &Column| matches!(column, Column::Same(Datum::Null));
    if is_null(left) || is_null(right) {
        return Ok(Column::Same(Datum::Null));
    }
    match op {
        FastOp::Int(comparison) => match (integers(left)?, integers(right)?) {
            (Some(left), Some(right)) => compared(comparison, &left, &right),
            _ => by_rows(op, left, right, rows),
        },
        FastOp::Text(comparison) => natively(op, comparison, Repr::Text, left, right, rows),
        FastOp::Oid(comparison) => natively(op, comparison, Repr::Oid, left, right, rows),
        FastOp::Date(comparison) => natively(op, comparison, Repr::Date, left, right, rows),
        FastOp::Bool(comparison) => natively(op, comparison, Repr::Bool, left, right, rows),
        FastOp::Timestamp(comparison) => {
            let repr =
                if layout(left) == Some(Repr::Timestamp) { Repr::Timestamp } else { Repr::TimestampTz };
            natively(op, comparison, repr, left, right, rows)
        }
        FastOp::Float(comparison) => floats(comparison, left, right, rows)
            .map_or_else(|| by_rows(op, left, right, rows), |array| Ok(Column::Each(Repr::Bool, array))),
        FastOp::Int4Add | FastOp::Int4Sub | FastOp::Int4Mul => {
            if layout(left) != Some(Repr::Int4) || layout(right) != Some(Repr::Int4) {
                return by_rows(op, left, right, rows);
            }
            let (left, right) = (operand(left, Repr::Int4)?, operand(right, Repr::Int4)?);
            Ok(Column::Each(Repr::Int4, arithmetic(op, &left, &right, "integer")?))
        }
        FastOp::Int8Add | FastOp::Int8Sub | FastOp::Int8Mul => match (integers(left)?, integers(right)?) {
            (Some(left), Some(right)) => {
                Ok(Column::Each(Repr::Int8, arithmetic(op, &left, &right, "bigint")?))
            }
            _ => by_rows(op, left, right, rows),
        },
    }
}

/// Calls of two arguments that are computed here; `None` for all others, and when a row needs the function's
/// own judgement (an overflow, a zero divisor).
pub(crate) fn call(proc_oid: Oid, operands: &[Column; 2], rows: usize) -> PgResult<Option<Column>> {
    const FLOAT8_MUL: Oid = 216;
    const FLOAT8_DIV: Oid = 217;
    const FLOAT8_PL: Oid = 218;
    const FLOAT8_MI: Oid = 219;
    let ordinary = |value: f64, left: f64, right: f64| {
        value.is_finite() || left.is_infinite() || right.is_infinite() || value.is_nan()
    };
    let compute: fn(f64, f64) -> f64 = match proc_oid {
        FLOAT8_MUL => |left, right| left * right,
        FLOAT8_DIV => |left, right| left / right,
        FLOAT8_PL => |left, right| left + right,
        FLOAT8_MI => |left, right| left - right,
        _ => return Ok(None),
    };
    let scales = matches!(proc_oid, FLOAT8_MUL | FLOAT8_DIV);
    let (Some(left), Some(right)) = (doubles(&operands[0]), doubles(&operands[1])) else { return Ok(None) };
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        values.push(match (left.get(row), right.get(row)) {
            (Some(left), Some(right)) => {
                let value = compute(left, right);
                let underflow = scales && value == 0.0 && left != 0.0;
                if !ordinary(value, left, right) || underflow || (proc_oid == FLOAT8_DIV && right == 0.0) {
                    return Ok(None);
                }
                Some(value)
            }
            _ => None,
        });
    }
    Ok(Some(Column::Each(Repr::Float8, Arc::new(Float64Array::from(values)))))
}

fn layout(column: &Column) -> Option<Repr> {
    match column {
        Column::Same(datum) => Repr::of_datum(datum),
        Column::Each(repr, _) => Some(*repr),
    }
}

fn operand(column: &Column, repr: Repr) -> PgResult<Operand> {
    Ok(match column {
        Column::Same(datum) => Operand { array: repeat(repr, datum, 1)?, same: true },
        Column::Each(_, array) => Operand { array: array.clone(), same: false },
    })
}

/// An operand as 64-bit integers, if it is one of the integer types.
fn integers(column: &Column) -> PgResult<Option<Operand>> {
    let repr = match layout(column) {
        Some(repr @ (Repr::Int2 | Repr::Int4 | Repr::Int8)) => repr,
        _ => return Ok(None),
    };
    let mut operand = operand(column, repr)?;
    if repr != Repr::Int8 {
        operand.array = arrow::compute::cast(&operand.array, &DataType::Int64).map_err(failed)?;
    }
    Ok(Some(operand))
}

/// A comparison of two operands of one layout that Arrow orders as PostgreSQL does.
fn natively(
    op: FastOp,
    comparison: Comparison,
    repr: Repr,
    left: &Column,
    right: &Column,
    rows: usize,
) -> PgResult<Column> {
    if layout(left) != Some(repr) || layout(right) != Some(repr) {
        return by_rows(op, left, right, rows);
    }
    compared(comparison, &operand(left, repr)?, &operand(right, repr)?)
}

fn compared(comparison: Comparison, left: &Operand, right: &Operand) -> PgResult<Column> {
    let result = match comparison {
        Comparison::Eq => cmp::eq(left, right),
        Comparison::Ne => cmp::neq(left, right),
        Comparison::Lt => cmp::lt(left, right),
        Comparison::Le => cmp::lt_eq(left, right),
        Comparison::Gt => cmp::gt(left, right),
        Comparison::Ge => cmp::gt_eq(left, right),
    };
    Ok(Column::Each(Repr::Bool, Arc::new(result.map_err(failed)?)))
}

fn arithmetic(op: FastOp, left: &Operand, right: &Operand, type_name: &str) -> PgResult<ArrayRef> {
    let result = match op {
        FastOp::Int4Add | FastOp::Int8Add => numeric::add(left, right),
        FastOp::Int4Sub | FastOp::Int8Sub => numeric::sub(left, right),
        _ => numeric::mul(left, right),
    };
    result.map_err(|error| match error {
        ArrowError::ArithmeticOverflow(_) => {
            PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{type_name} out of range"))
        }
        other => failed(other),
    })
}

enum Doubles<'a> {
    Same(f64),
    Each(&'a Float64Array),
}

impl Doubles<'_> {
    #[inline]
    fn get(&self, row: usize) -> Option<f64> {
        match self {
            Doubles::Same(value) => Some(*value),
            Doubles::Each(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

fn doubles(column: &Column) -> Option<Doubles<'_>> {
    match column {
        Column::Same(Datum::Float8(value)) => Some(Doubles::Same(*value)),
        Column::Each(Repr::Float8, array) => array.as_any().downcast_ref().map(Doubles::Each),
        _ => None,
    }
}

/// Floats compare as PostgreSQL's do: Arrow would tell the zeros apart.
fn floats(comparison: Comparison, left: &Column, right: &Column, rows: usize) -> Option<ArrayRef> {
    let (left, right) = (doubles(left)?, doubles(right)?);
    let holds = |left: f64, right: f64| {
        let order = compare::cmp_float(left, right);
        match comparison {
            Comparison::Eq => order.is_eq(),
            Comparison::Ne => order.is_ne(),
            Comparison::Lt => order.is_lt(),
            Comparison::Le => order.is_le(),
            Comparison::Gt => order.is_gt(),
            Comparison::Ge => order.is_ge(),
        }
    };
    let values: BooleanArray = (0..rows).map(|row| Some(holds(left.get(row)?, right.get(row)?))).collect();
    Some(Arc::new(values))
}

/// The row executor's own code, a row at a time.
fn by_rows(op: FastOp, left: &Column, right: &Column, rows: usize) -> PgResult<Column> {
    let repr = match op {
        FastOp::Int4Add | FastOp::Int4Sub | FastOp::Int4Mul => Repr::Int4,
        FastOp::Int8Add | FastOp::Int8Sub | FastOp::Int8Mul => Repr::Int8,
        _ => Repr::Bool,
    };
    let read = |column: &Column, row: usize| match column {
        Column::Same(datum) => Ok(datum.clone()),
        Column::Each(repr, array) => Reader::new(*repr, array).get(row),
    };
    let mut collector = Collector::new(repr, rows);
    for row in 0..rows {
        collector.push(&redoubt_exec::apply_fast(op, &read(left, row)?, &read(right, row)?)?)?;
    }
    Ok(Column::Each(repr, collector.finish()))
}

fn failed(error: ArrowError) -> PgError {
    PgError::internal(format!("Arrow: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice;

    fn column(repr: Repr, values: &[Datum]) -> Column {
        let mut collector = Collector::new(repr, values.len());
        values.iter().for_each(|value| collector.push(value).unwrap());
        Column::Each(repr, collector.finish())
    }

    fn value(column: &Column, row: usize) -> Datum {
        match column {
            Column::Same(datum) => datum.clone(),
            Column::Each(repr, array) => Reader::new(*repr, array).get(row).unwrap(),
        }
    }

    fn samples(repr: Repr) -> Vec<Datum> {
        let mut values = match repr {
            Repr::Bool => [false, true].map(Datum::Bool).to_vec(),
            Repr::Int2 => [i16::MIN, -1, 0, 7, i16::MAX].map(Datum::Int2).to_vec(),
            Repr::Int4 => [i32::MIN, -1, 0, 7, 65_536, i32::MAX].map(Datum::Int4).to_vec(),
            Repr::Int8 => [i64::MIN, -1, 0, 7, 1 << 40, i64::MAX].map(Datum::Int8).to_vec(),
            Repr::Float8 => {
                [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 5e-324, f64::MAX, f64::INFINITY, f64::NAN, -f64::NAN]
                    .map(Datum::Float8)
                    .to_vec()
            }
            Repr::Oid => [0, 1, u32::MAX].map(Datum::Oid).to_vec(),
            Repr::Date => [i32::MIN, -1, 0, i32::MAX].map(Datum::Date).to_vec(),
            Repr::Timestamp => [i64::MIN, 0, i64::MAX].map(Datum::Timestamp).to_vec(),
            Repr::TimestampTz => [i64::MIN, 0, i64::MAX].map(Datum::TimestampTz).to_vec(),
            _ => ["", " ", "A", "a", "a ", "é", "\u{10ffff}"].map(Datum::text).to_vec(),
        };
        values.push(Datum::Null);
        values
    }

    fn check(op: FastOp, left: Repr, right: Repr) {
        for one in samples(left) {
            for other in samples(right) {
                let expected = redoubt_exec::apply_fast(op, &one, &other);
                let (ones, others) =
                    (column(left, slice::from_ref(&one)), column(right, slice::from_ref(&other)));
                let same = |datum: &Datum| Column::Same(datum.clone());
                for (l, r) in [(&ones, &others), (&same(&one), &others), (&ones, &same(&other))] {
                    let got = apply(op, l, r, 1).map(|column| value(&column, 0));
                    let text = |result: &PgResult<Datum>| match result {
                        Ok(datum) => format!("{datum:?}"),
                        Err(error) => error.message().to_string(),
                    };
                    assert_eq!(text(&got), text(&expected), "{op:?} of {one:?} and {other:?}");
                }
            }
        }
    }

    const COMPARISONS: [Comparison; 6] =
        [Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];

    #[test]
    fn kernels_do_what_the_row_executor_does() {
        for comparison in COMPARISONS {
            for left in [Repr::Int2, Repr::Int4, Repr::Int8] {
                for right in [Repr::Int2, Repr::Int4, Repr::Int8] {
                    check(FastOp::Int(comparison), left, right);
                }
            }
            check(FastOp::Float(comparison), Repr::Float8, Repr::Float8);
            check(FastOp::Text(comparison), Repr::Text, Repr::Text);
            check(FastOp::Oid(comparison), Repr::Oid, Repr::Oid);
            check(FastOp::Date(comparison), Repr::Date, Repr::Date);
            check(FastOp::Timestamp(comparison), Repr::Timestamp, Repr::Timestamp);
            check(FastOp::Timestamp(comparison), Repr::TimestampTz, Repr::TimestampTz);
            check(FastOp::Bool(comparison), Repr::Bool, Repr::Bool);
        }
        for op in [FastOp::Int4Add, FastOp::Int4Sub, FastOp::Int4Mul] {
            check(op, Repr::Int4, Repr::Int4);
        }
        for op in [FastOp::Int8Add, FastOp::Int8Sub, FastOp::Int8Mul] {
            check(op, Repr::Int8, Repr::Int8);
            check(op, Repr::Int8, Repr::Int4);
            check(op, Repr::Int4, Repr::Int8);
        }
    }

    #[test]
    fn float_arithmetic_leaves_errors_to_the_functions() {
        let both = |left: f64, right: f64| {
            [column(Repr::Float8, &[Datum::Float8(left)]), column(Repr::Float8, &[Datum::Float8(right)])]
        };
        let got =
            |oid, left, right| call(oid, &both(left, right), 1).unwrap().map(|column| value(&column, 0));
        assert!(matches!(got(218, 1.0, 2.0), Some(Datum::Float8(3.0))));
        assert!(got(216, 1e200, 1e200).is_none(), "overflow");
        assert!(got(216, 1e-200, 1e-200).is_none(), "underflow");
        assert!(got(217, 1.0, 0.0).is_none(), "division by zero");
        assert!(matches!(got(216, f64::INFINITY, 2.0), Some(Datum::Float8(f64::INFINITY))));
    }
}
