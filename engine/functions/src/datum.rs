//! SQL values.

use crate::numeric::Numeric;
use crate::{ArrayValue, Geometry, Inet, JsonPath, Jsonb, Oid, RecordValue, TsQuery, TsVector};
use redoubt_error::{PgError, PgResult};
use std::sync::Arc;

/// One SQL value. 24 bytes; cloning never copies a long payload.
///
/// The variant does not name the SQL type completely: `text`, `varchar`, `bpchar`, `name` and
/// others share [`Datum::Text`]. Whoever holds a datum knows its type from its plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Datum {
    /// SQL NULL of any type.
    Null,
    /// The value of a function that returns `void`; prints as an empty string.
    Void,
    /// `bool`
    Bool(bool),
    /// `"char"`: one byte.
    Char(u8),
    /// `int2`
    Int2(i16),
    /// `int4`
    Int4(i32),
    /// `int8`
    Int8(i64),
    /// `float4`
    Float4(f32),
    /// `float8`
    Float8(f64),
    /// `oid`, `xid`, `cid` and the `reg*` types.
    Oid(Oid),
    /// `xid8`
    Xid8(u64),
    /// `tid`
    Tid(TidValue),
    /// `pg_lsn`
    Lsn(u64),
    /// `date`: days since 2000-01-01; `i32::MIN` and `i32::MAX` are the infinities.
    Date(i32),
    /// `time`: microseconds since midnight, at most 24:00:00.
    Time(i64),
    /// `timetz`
    TimeTz(TimeTz),
    /// `timestamp`: microseconds since 2000-01-01 00:00; `i64::MIN` and `i64::MAX` are the infinities.
    Timestamp(i64),
    /// `timestamptz`: as `timestamp`, in UTC.
    TimestampTz(i64),
    /// `interval`
    Interval(Interval),
    /// `uuid`
    Uuid([u8; 16]),
    /// `macaddr`
    Macaddr([u8; 6]),
    /// `macaddr8`
    Macaddr8([u8; 8]),
    /// `inet` and `cidr`
    Inet(Inet),
    /// A value of an enum type. It carries its sort position so that comparing needs no catalog.
    Enum(EnumValue),
    /// `numeric`
    Numeric(Arc<Numeric>),
    /// `text`, `varchar`, `bpchar` (blank padded), `name`, `unknown`, `cstring`, `json`, `xml`.
    Text(Arc<str>),
    /// `bytea`
    Bytea(Arc<[u8]>),
    /// `bit` and `varbit`
    Bit(Arc<BitString>),
    /// `jsonb`
    Jsonb(Arc<Jsonb>),
    /// `jsonpath`
    JsonPath(Arc<JsonPath>),
    /// `point`, `lseg`, `line`, `box`, `path`, `polygon` and `circle`
    Geometry(Arc<Geometry>),
    /// `tsvector`
    TsVector(Arc<TsVector>),
    /// `tsquery`
    TsQuery(Arc<TsQuery>),
    /// Any array, `oidvector` and `int2vector`.
    Array(Arc<ArrayValue>),
    /// Any composite value, `record` included.
    Record(Arc<RecordValue>),
}

/// `tid`: a heap position. The slot counts from 1; (0,0) is invalid but representable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TidValue {
    /// Block number.
    pub block: u32,
    /// Line pointer in the block.
    pub slot: u16,
}

/// `timetz`: local time of day and zone displacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeTz {
    /// Microseconds since local midnight.
    pub time_us: i64,
    /// Seconds WEST of UTC, as PostgreSQL stores it (the opposite of ISO 8601's sign).
    pub zone_s: i32,
}

/// `interval`: three independent fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Months (years are 12 of them).
    pub months: i32,
    /// Days (weeks are 7 of them).
    pub days: i32,
    /// Microseconds.
    pub usecs: i64,
}

/// A member of an enum type.
#[derive(Clone, Copy, Debug)]
pub struct EnumValue {
    /// OID of the `pg_enum` row.
    pub oid: Oid,
    /// `enumsortorder`.
    pub sort: f32,
}

/// `bit` and `varbit`: bits in big-endian order, unused low bits of the last byte zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitString {
    /// Number of bits.
    pub len_bits: u32,
    /// The bits, most significant first.
    pub bytes: Box<[u8]>,
}

impl Datum {
    /// True for SQL NULL.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// A text datum.
    pub fn text(value: impl Into<Arc<str>>) -> Self {
        Datum::Text(value.into())
    }

    /// A numeric datum.
    pub fn numeric(value: Numeric) -> Self {
        Datum::Numeric(Arc::new(value))
    }

    /// Bytes of memory besides the datum's own 24, roughly: a payload that several datums share counts with each.
    #[inline]
    pub fn payload_bytes(&self) -> usize {
        /// Reference counts and what the allocator needs.
        const SHARED: usize = 24;
        match self {
            Datum::Numeric(_) => SHARED + size_of::<Numeric>(),
            Datum::Text(value) => SHARED + value.len(),
            Datum::Bytea(value) => SHARED + value.len(),
            Datum::Bit(value) => SHARED + size_of::<BitString>() + value.bytes.len(),
            Datum::Array(value) => SHARED + size_of::<ArrayValue>() + nested_bytes(&value.elems),
            Datum::Record(value) => SHARED + size_of::<RecordValue>() + nested_bytes(&value.fields),
            Datum::Jsonb(value) => SHARED + jsonb_bytes(value),
            // Short ones, as they come; a polygon of many points is rare.
            Datum::Geometry(_) => SHARED + size_of::<Geometry>(),
            Datum::JsonPath(_) => SHARED + size_of::<JsonPath>(),
            _ => 0,
        }
    }

    /// The variant's name, for internal error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Datum::Null => "null",
            Datum::Void => "void",
            Datum::Bool(_) => "bool",
            Datum::Char(_) => "\"char\"",
            Datum::Int2(_) => "int2",
            Datum::Int4(_) => "int4",
            Datum::Int8(_) => "int8",
            Datum::Float4(_) => "float4",
            Datum::Float8(_) => "float8",
            Datum::Oid(_) => "oid",
            Datum::Xid8(_) => "xid8",
            Datum::Tid(_) => "tid",
            Datum::Lsn(_) => "pg_lsn",
            Datum::Date(_) => "date",
            Datum::Time(_) => "time",
            Datum::TimeTz(_) => "timetz",
            Datum::Timestamp(_) => "timestamp",
            Datum::TimestampTz(_) => "timestamptz",
            Datum::Interval(_) => "interval",
            Datum::Uuid(_) => "uuid",
            Datum::Macaddr(_) => "macaddr",
            Datum::Macaddr8(_) => "macaddr8",
            Datum::Inet(_) => "inet",
            Datum::Enum(_) => "enum",
            Datum::Numeric(_) => "numeric",
            Datum::Text(_) => "text",
            Datum::Bytea(_) => "bytea",
            Datum::Bit(_) => "bit",
            Datum::Jsonb(_) => "jsonb",
            Datum::JsonPath(_) => "jsonpath",
            Datum::Geometry(_) => "geometry",
            Datum::TsVector(_) => "tsvector",
            Datum::TsQuery(_) => "tsquery",
            Datum::Array(_) => "array",
            Datum::Record(_) => "record",
        }
    }

    /// The error for a datum whose variant is not what its type promises.
    #[cold]
    pub fn mismatch(&self, expected: &'static str) -> PgError {
        PgError::internal(format!("expected a datum of kind {expected}, found {}", self.kind()))
    }
}

fn jsonb_bytes(value: &Jsonb) -> usize {
    /// What the allocator needs.
    const ALLOCATION: usize = 16;
    size_of::<Jsonb>()
        + match value {
            Jsonb::String(text) => ALLOCATION + text.len(),
            Jsonb::Array(items) => items.iter().map(jsonb_bytes).sum(),
            Jsonb::Object(members) => {
                members.iter().map(|(key, value)| 2 * ALLOCATION + key.len() + jsonb_bytes(value)).sum()
            }
            Jsonb::Null | Jsonb::Bool(_) | Jsonb::Number(_) => 0,
        }
}

fn nested_bytes(values: &[Datum]) -> usize {
    values.iter().map(|value| size_of::<Datum>() + value.payload_bytes()).sum()
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        impl Datum {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// `XX000` when the variant is another one, which only a wrong plan can cause.
                #[inline]
                pub fn $name(&self) -> PgResult<$type> {
                    match self {
                        Datum::$variant(value) => Ok(value.clone()),
                        other => Err(other.mismatch(stringify!($name))),
                    }
                }
            )*
        }
    };
}

accessors! {
    /// The boolean inside.
    as_bool: Bool -> bool;
    /// The byte inside a `"char"`.
    as_char: Char -> u8;
    /// The `int2` inside.
    as_int2: Int2 -> i16;
    /// The `int4` inside.
    as_int4: Int4 -> i32;
    /// The `int8` inside.
    as_int8: Int8 -> i64;
    /// The `float4` inside.
    as_float4: Float4 -> f32;
    /// The `float8` inside.
    as_float8: Float8 -> f64;
    /// The `oid` (or `xid`, `cid`, `reg*`) inside.
    as_oid: Oid -> Oid;
    /// The shared array inside.
    as_array: Array -> Arc<ArrayValue>;
    /// The shared record inside.
    as_record: Record -> Arc<RecordValue>;
}

impl Datum {
    /// The string inside.
    ///
    /// # Errors
    /// `XX000` when the datum is not a string.
    #[inline]
    pub fn as_str(&self) -> PgResult<&str> {
        match self {
            Datum::Text(value) => Ok(value),
            other => Err(other.mismatch("text")),
        }
    }

    /// The bytes inside a `bytea`.
    ///
    /// # Errors
    /// `XX000` when the datum is not a `bytea`.
    #[inline]
    pub fn as_bytes(&self) -> PgResult<&[u8]> {
        match self {
            Datum::Bytea(value) => Ok(value),
            other => Err(other.mismatch("bytea")),
        }
    }

    /// The number inside a `numeric`.
    ///
    /// # Errors
    /// `XX000` when the datum is not a `numeric`.
    #[inline]
    pub fn as_numeric(&self) -> PgResult<&Numeric> {
        match self {
            Datum::Numeric(value) => Ok(value),
            other => Err(other.mismatch("numeric")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datum_is_24_bytes() {
        assert_eq!(size_of::<Datum>(), 24);
        assert_eq!(size_of::<Option<Datum>>(), 24);
    }
}
