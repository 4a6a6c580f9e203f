//! How values lie in Arrow arrays.
//!
//! Types stay in the plan: an array's Arrow type only says how its values are laid out. What Arrow and
//! PostgreSQL agree on lies as Arrow has it; a date or timestamp is the number that PostgreSQL stores,
//! and everything else (`numeric`, `interval`, ...) is the heap's own bytes, taken apart by those who
//! compute with it.

use arrow::array::*;
use arrow::datatypes::DataType;
use redoubt_access::value::{self, Values};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, types};
use std::sync::Arc;

/// The layout of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Repr {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Oid,
    Date,
    Timestamp,
    TimestampTz,
    Uuid,
    Text,
    Bytea,
    /// Any other value in its stored form, tag included.
    Encoded,
}

impl Repr {
    /// The layout of a type's values; `None` for types that are left to the row executor.
    pub(crate) fn of_type(type_oid: Oid) -> Option<Repr> {
        Some(match type_oid {
            types::BOOL => Repr::Bool,
            types::INT2 => Repr::Int2,
            types::INT4 => Repr::Int4,
            types::INT8 => Repr::Int8,
            types::FLOAT4 => Repr::Float4,
            types::FLOAT8 => Repr::Float8,
            types::OID => Repr::Oid,
            types::DATE => Repr::Date,
            types::TIMESTAMP => Repr::Timestamp,
            types::TIMESTAMPTZ => Repr::TimestampTz,
            types::UUID => Repr::Uuid,
            types::TEXT | types::VARCHAR | types::BPCHAR | types::NAME => Repr::Text,
            types::BYTEA => Repr::Bytea,
            types::NUMERIC | types::INTERVAL | types::TIME | types::TIMETZ | types::CHAR => Repr::Encoded,
            _ => return None,
        })
    }

    /// The layout of a value; `None` for NULL, which fits all of them.
    pub(crate) fn of_datum(datum: &Datum) -> Option<Repr> {
        Some(match datum {
            Datum::Null => return None,
            Datum::Bool(_) => Repr::Bool,
            Datum::Int2(_) => Repr::Int2,
            Datum::Int4(_) => Repr::Int4,
            Datum::Int8(_) => Repr::Int8,
            Datum::Float4(_) => Repr::Float4,
            Datum::Float8(_) => Repr::Float8,
            Datum::Oid(_) => Repr::Oid,
            Datum::Date(_) => Repr::Date,
            Datum::Timestamp(_) => Repr::Timestamp,
            Datum::TimestampTz(_) => Repr::TimestampTz,
            Datum::Uuid(_) => Repr::Uuid,
            Datum::Text(_) => Repr::Text,
            Datum::Bytea(_) => Repr::Bytea,
            _ => Repr::Encoded,
        })
    }

    /// The Arrow type. Offsets have 64 bits, so that no concatenation of batches can overflow them.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Repr::Bool => DataType::Boolean,
            Repr::Int2 => DataType::Int16,
            Repr::Int4 | Repr::Date => DataType::Int32,
            Repr::Int8 | Repr::Timestamp | Repr::TimestampTz => DataType::Int64,
            Repr::Float4 => DataType::Float32,
            Repr::Float8 => DataType::Float64,
            Repr::Oid => DataType::UInt32,
            Repr::Uuid => DataType::FixedSizeBinary(16),
            Repr::Text => DataType::LargeUtf8,
            Repr::Bytea | Repr::Encoded => DataType::LargeBinary,
        }
    }

    /// Whether equal values are always the same bytes, so that Arrow groups and joins as PostgreSQL does,
    /// and Arrow's order is PostgreSQL's. Not so for floats (zeros, NaN) and stored forms.
    pub(crate) fn is_identity(self) -> bool {
        !matches!(self, Repr::Float4 | Repr::Float8 | Repr::Encoded)
    }
}

/// Collects values into an array.
pub(crate) enum Collector {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Oid(UInt32Builder),
    Uuid(FixedSizeBinaryBuilder),
    Text(LargeStringBuilder),
    Bytea(LargeBinaryBuilder),
    Encoded(LargeBinaryBuilder, Vec<u8>),
}

impl Collector {
    pub(crate) fn new(repr: Repr, rows: usize) -> Collector {
        match repr {
            Repr::Bool => Collector::Bool(BooleanBuilder::with_capacity(rows)),
            Repr::Int2 => Collector::Int2(Int16Builder::with_capacity(rows)),
            Repr::Int4 | Repr::Date => Collector::Int4(Int32Builder::with_capacity(rows)),
            Repr::Int8 | Repr::Timestamp | Repr::TimestampTz => {
                Collector::Int8(Int64Builder::with_capacity(rows))
            }
            Repr::Float4 => Collector::Float4(Float32Builder::with_capacity(rows)),
            Repr::Float8 => Collector::Float8(Float64Builder::with_capacity(rows)),
            Repr::Oid => Collector::Oid(UInt32Builder::with_capacity(rows)),
            Repr::Uuid => Collector::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, 16)),
            Repr::Text => Collector::Text(LargeStringBuilder::with_capacity(rows, rows * 8)),
            Repr::Bytea => Collector::Bytea(LargeBinaryBuilder::with_capacity(rows, rows * 8)),
            Repr::Encoded => {
                Collector::Encoded(LargeBinaryBuilder::with_capacity(rows, rows * 8), Vec::new())
            }
        }
    }

    /// Appends a value.
    ///
    /// # Errors
    /// `XX000` when it is not of the column's kind.
    pub(crate) fn push(&mut self, datum: &Datum) -> PgResult<()> {
        match (&mut *self, datum) {
            (_, Datum::Null) => self.push_null(),
            (Collector::Bool(to), Datum::Bool(value)) => to.append_value(*value),
            (Collector::Int2(to), Datum::Int2(value)) => to.append_value(*value),
            (Collector::Int4(to), Datum::Int4(value) | Datum::Date(value)) => to.append_value(*value),
            (Collector::Int8(to), Datum::Int8(value)) => to.append_value(*value),
            (Collector::Int8(to), Datum::Timestamp(value) | Datum::TimestampTz(value)) => {
                to.append_value(*value)
            }
            (Collector::Float4(to), Datum::Float4(value)) => to.append_value(*value),
            (Collector::Float8(to), Datum::Float8(value)) => to.append_value(*value),
            (Collector::Oid(to), Datum::Oid(value)) => to.append_value(*value),
            (Collector::Uuid(to), Datum::Uuid(value)) => {
                to.append_value(value).map_err(|error| PgError::internal(error.to_string()))?
            }
            (Collector::Text(to), Datum::Text(value)) => to.append_value(value),
            (Collector::Bytea(to), Datum::Bytea(value)) => to.append_value(value),
            (Collector::Encoded(to, scratch), datum) => {
                scratch.clear();
                value::encode(datum, scratch)?;
                to.append_value(&scratch);
            }
            (_, other) => return Err(other.mismatch("its column's type")),
        }
        Ok(())
    }

    pub(crate) fn push_null(&mut self) {
        match self {
            Collector::Bool(to) => to.append_null(),
            Collector::Int2(to) => to.append_null(),
            Collector::Int4(to) => to.append_null(),
            Collector::Int8(to) => to.append_null(),
            Collector::Float4(to) => to.append_null(),
            Collector::Float8(to) => to.append_null(),
            Collector::Oid(to) => to.append_null(),
            Collector::Uuid(to) => to.append_null(),
            Collector::Text(to) => to.append_null(),
            Collector::Bytea(to) | Collector::Encoded(to, _) => to.append_null(),
        }
    }

    /// Appends the next stored value of a row, without making a datum of what has parts.
    ///
    /// # Errors
    /// `XX001` when the bytes are damaged.
    #[inline]
    pub(crate) fn push_stored(&mut self, values: &mut Values<'_>) -> PgResult<()> {
        match self {
            Collector::Text(to) => to.append_option(values.read_text()?),
            Collector::Encoded(to, _) => to.append_option(values.read_raw()?),
            _ => self.push(&values.read()?)?,
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Collector::Bool(mut to) => Arc::new(to.finish()),
            Collector::Int2(mut to) => Arc::new(to.finish()),
            Collector::Int4(mut to) => Arc::new(to.finish()),
            Collector::Int8(mut to) => Arc::new(to.finish()),
            Collector::Float4(mut to) => Arc::new(to.finish()),
            Collector::Float8(mut to) => Arc::new(to.finish()),
            Collector::Oid(mut to) => Arc::new(to.finish()),
            Collector::Uuid(mut to) => Arc::new(to.finish()),
            Collector::Text(mut to) => Arc::new(to.finish()),
            Collector::Bytea(mut to) | Collector::Encoded(mut to, _) => Arc::new(to.finish()),
        }
    }
}

/// Reads values out of an array.
pub(crate) enum Reader<'a> {
    Bool(&'a BooleanArray),
    Int2(&'a Int16Array),
    Int4(&'a Int32Array),
    Int8(&'a Int64Array),
    Float4(&'a Float32Array),
    Float8(&'a Float64Array),
    Oid(&'a UInt32Array),
    Date(&'a Int32Array),
    Timestamp(&'a Int64Array),
    TimestampTz(&'a Int64Array),
    Uuid(&'a FixedSizeBinaryArray),
    Text(&'a LargeStringArray),
    Bytea(&'a LargeBinaryArray),
    Encoded(&'a LargeBinaryArray),
}

fn typed<A: Array + 'static>(array: &dyn Array) -> &A {
    array.as_any().downcast_ref().expect("a column's array is laid out as its plan says")
}

impl<'a> Reader<'a> {
    pub(crate) fn new(repr: Repr, array: &'a dyn Array) -> Reader<'a> {
        match repr {
            Repr::Bool => Reader::Bool(typed(array)),
            Repr::Int2 => Reader::Int2(typed(array)),
            Repr::Int4 => Reader::Int4(typed(array)),
            Repr::Int8 => Reader::Int8(typed(array)),
            Repr::Float4 => Reader::Float4(typed(array)),
            Repr::Float8 => Reader::Float8(typed(array)),
            Repr::Oid => Reader::Oid(typed(array)),
            Repr::Date => Reader::Date(typed(array)),
            Repr::Timestamp => Reader::Timestamp(typed(array)),
            Repr::TimestampTz => Reader::TimestampTz(typed(array)),
            Repr::Uuid => Reader::Uuid(typed(array)),
            Repr::Text => Reader::Text(typed(array)),
            Repr::Bytea => Reader::Bytea(typed(array)),
            Repr::Encoded => Reader::Encoded(typed(array)),
        }
    }

    /// The value in a row.
    ///
    /// # Errors
    /// `XX001` when a stored form is damaged.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> PgResult<Datum> {
        macro_rules! read {
            ($array:expr, $value:ident => $made:expr) => {
                if $array.is_null(row) {
                    Datum::Null
                } else {
                    let $value = $array.value(row);
                    $made
                }
            };
        }
        Ok(match self {
            Reader::Bool(array) => read!(array, value => Datum::Bool(value)),
            Reader::Int2(array) => read!(array, value => Datum::Int2(value)),
            Reader::Int4(array) => read!(array, value => Datum::Int4(value)),
            Reader::Int8(array) => read!(array, value => Datum::Int8(value)),
            Reader::Float4(array) => read!(array, value => Datum::Float4(value)),
            Reader::Float8(array) => read!(array, value => Datum::Float8(value)),
            Reader::Oid(array) => read!(array, value => Datum::Oid(value)),
            Reader::Date(array) => read!(array, value => Datum::Date(value)),
            Reader::Timestamp(array) => read!(array, value => Datum::Timestamp(value)),
            Reader::TimestampTz(array) => read!(array, value => Datum::TimestampTz(value)),
            Reader::Uuid(array) => read!(array, value => {
                Datum::Uuid(value.try_into().expect("a uuid has 16 bytes"))
            }),
            Reader::Text(array) => read!(array, value => Datum::text(value)),
            Reader::Bytea(array) => read!(array, value => Datum::Bytea(value.into())),
            Reader::Encoded(array) => read!(array, value => Values::new(value).read()?),
        })
    }
}

/// An array of one value, repeated.
pub(crate) fn repeat(repr: Repr, datum: &Datum, rows: usize) -> PgResult<ArrayRef> {
    if datum.is_null() {
        return Ok(new_null_array(&repr.data_type(), rows));
    }
    let mut collector = Collector::new(repr, rows);
    for _ in 0..rows {
        collector.push(datum)?;
    }
    Ok(collector.finish())
}
