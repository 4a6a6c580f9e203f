//! Conversions between datums and the Rust types that scalar cores take and return, and the
//! macro that turns plain typed functions into registry entries.

use crate::numeric::Numeric;
use crate::{ArrayValue, Datum, Interval, Oid, RecordValue, TimeTz};
use redoubt_error::{PgError, PgResult};
use std::sync::Arc;

/// A Rust view of an argument.
pub(crate) trait FromDatum<'a>: Sized {
    fn from_datum(datum: &'a Datum) -> PgResult<Self>;
}

/// A Rust result that becomes a datum.
pub(crate) trait IntoDatum {
    fn into_datum(self) -> PgResult<Datum>;
}

/// `oid` as an argument or result, to tell it from other integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OidArg(pub Oid);
/// `"char"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CharArg(pub u8);
/// `date`, days since 2000-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DateArg(pub i32);
/// `time`, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeArg(pub i64);
/// `timestamp`, microseconds since 2000-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimestampArg(pub i64);
/// `timestamptz`, microseconds since 2000-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimestampTzArg(pub i64);
/// `pg_lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LsnArg(pub u64);
/// `xid8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Xid8Arg(pub u64);
/// `uuid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UuidArg(pub [u8; 16]);

macro_rules! by_value {
    ($($type:ty: $variant:ident, $kind:literal;)*) => {$(
        impl<'a> FromDatum<'a> for $type {
            #[inline]
            fn from_datum(datum: &'a Datum) -> PgResult<Self> {
                match datum {
                    Datum::$variant(value) => Ok(*value),
                    other => Err(other.mismatch($kind)),
                }
            }
        }
        impl IntoDatum for $type {
            #[inline]
            fn into_datum(self) -> PgResult<Datum> {
                Ok(Datum::$variant(self))
            }
        }
    )*};
}

macro_rules! by_newtype {
    ($($type:ident: $variant:ident, $kind:literal;)*) => {$(
        impl<'a> FromDatum<'a> for $type {
            #[inline]
            fn from_datum(datum: &'a Datum) -> PgResult<Self> {
                match datum {
                    Datum::$variant(value) => Ok($type(*value)),
                    other => Err(other.mismatch($kind)),
                }
            }
        }
        impl IntoDatum for $type {
            #[inline]
            fn into_datum(self) -> PgResult<Datum> {
                Ok(Datum::$variant(self.0))
            }
        }
    )*};
}

by_value! {
    bool: Bool, "bool";
    i16: Int2, "int2";
    i32: Int4, "int4";
    i64: Int8, "int8";
    f32: Float4, "float4";
    f64: Float8, "float8";
    TimeTz: TimeTz, "timetz";
    Interval: Interval, "interval";
    [u8; 6]: Macaddr, "macaddr";
    [u8; 8]: Macaddr8, "macaddr8";
    crate::Inet: Inet, "inet";
}

by_newtype! {
    OidArg: Oid, "oid";
    CharArg: Char, "\"char\"";
    DateArg: Date, "date";
    TimeArg: Time, "time";
    TimestampArg: Timestamp, "timestamp";
    TimestampTzArg: TimestampTz, "timestamptz";
    LsnArg: Lsn, "pg_lsn";
    Xid8Arg: Xid8, "xid8";
    UuidArg: Uuid, "uuid";
}

macro_rules! by_reference {
    ($($target:ty: $variant:ident, $kind:literal;)*) => {$(
        impl<'a> FromDatum<'a> for &'a $target {
            #[inline]
            fn from_datum(datum: &'a Datum) -> PgResult<Self> {
                match datum {
                    Datum::$variant(value) => Ok(value),
                    other => Err(other.mismatch($kind)),
                }
            }
        }
    )*};
}

by_reference! {
    str: Text, "text";
    Arc<str>: Text, "text";
    [u8]: Bytea, "bytea";
    Numeric: Numeric, "numeric";
    Arc<Numeric>: Numeric, "numeric";
    ArrayValue: Array, "array";
    Arc<ArrayValue>: Array, "array";
    RecordValue: Record, "record";
    crate::BitString: Bit, "bit";
    crate::Jsonb: Jsonb, "jsonb";
    crate::JsonPath: JsonPath, "jsonpath";
}

impl<'a> FromDatum<'a> for &'a Datum {
    #[inline]
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        Ok(datum)
    }
}

impl<'a, T: FromDatum<'a>> FromDatum<'a> for Option<T> {
    #[inline]
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        if datum.is_null() { Ok(None) } else { T::from_datum(datum).map(Some) }
    }
}

macro_rules! converted {
    ($($type:ty: $value:ident => $datum:expr;)*) => {$(
        impl IntoDatum for $type {
            #[inline]
            fn into_datum(self) -> PgResult<Datum> {
                let $value = self;
                Ok($datum)
            }
        }
    )*};
}

converted! {
    Datum: value => value;
    &str: value => Datum::Text(value.into());
    String: value => Datum::Text(value.into());
    Arc<str>: value => Datum::Text(value);
    Vec<u8>: value => Datum::Bytea(value.into());
    &[u8]: value => Datum::Bytea(value.into());
    Arc<[u8]>: value => Datum::Bytea(value);
    Numeric: value => Datum::Numeric(Arc::new(value));
    ArrayValue: value => Datum::Array(Arc::new(value));
    Arc<ArrayValue>: value => Datum::Array(value);
    crate::Jsonb: value => Datum::Jsonb(Arc::new(value));
    crate::BitString: value => Datum::Bit(Arc::new(value));
    (): _value => Datum::Void;
}

impl<T: IntoDatum> IntoDatum for Option<T> {
    #[inline]
    fn into_datum(self) -> PgResult<Datum> {
        self.map_or(Ok(Datum::Null), T::into_datum)
    }
}

impl<T: IntoDatum> IntoDatum for PgResult<T> {
    #[inline]
    fn into_datum(self) -> PgResult<Datum> {
        self?.into_datum()
    }
}

/// Reads argument `index`.
#[inline]
pub(crate) fn arg<'a, T: FromDatum<'a>>(args: &'a [Datum], index: usize) -> PgResult<T> {
    match args.get(index) {
        Some(datum) => T::from_datum(datum),
        None => Err(missing(index)),
    }
}

#[cold]
fn missing(index: usize) -> PgError {
    PgError::internal(format!("function called without argument {}", index + 1))
}

/// Builds a family's table of [`crate::ScalarFn`]s out of plain typed functions.
///
/// Each line is `"prosrc" = function(argument count)`, or `= function(ctx, argument count)` when
/// the core takes the call context first, or `= function` when it is a `ScalarFn` itself.
macro_rules! builtins {
    ($($name:literal = $function:path $(: $arity:tt)?;)*) => {
        /// This family's functions by `pg_proc.prosrc`.
        pub(crate) static BUILTINS: &[(&str, crate::ScalarFn)] = &[
            $(($name, builtins!(@wrap $function $(, $arity)?)),)*
        ];
    };
    (@wrap $f:path) => { $f };
    (@wrap $f:path, 0) => { |_, _| crate::args::IntoDatum::into_datum($f()) };
    (@wrap $f:path, 1) => {
        |_, a| crate::args::IntoDatum::into_datum($f(crate::args::arg(a, 0)?))
    };
    (@wrap $f:path, 2) => {
        |_, a| crate::args::IntoDatum::into_datum($f(crate::args::arg(a, 0)?, crate::args::arg(a, 1)?))
    };
    (@wrap $f:path, 3) => {
        |_, a| crate::args::IntoDatum::into_datum($f(
            crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
        ))
    };
    (@wrap $f:path, 4) => {
        |_, a| crate::args::IntoDatum::into_datum($f(
            crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
            crate::args::arg(a, 3)?,
        ))
    };
    (@wrap $f:path, 5) => {
        |_, a| crate::args::IntoDatum::into_datum($f(
            crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
            crate::args::arg(a, 3)?, crate::args::arg(a, 4)?,
        ))
    };
    (@wrap $f:path, 6) => {
        |_, a| crate::args::IntoDatum::into_datum($f(
            crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
            crate::args::arg(a, 3)?, crate::args::arg(a, 4)?, crate::args::arg(a, 5)?,
        ))
    };
    (@wrap $f:path, (ctx, 0)) => { |c, _| crate::args::IntoDatum::into_datum($f(c)) };
    (@wrap $f:path, (ctx, 1)) => {
        |c, a| crate::args::IntoDatum::into_datum($f(c, crate::args::arg(a, 0)?))
    };
    (@wrap $f:path, (ctx, 2)) => {
        |c, a| crate::args::IntoDatum::into_datum($f(c, crate::args::arg(a, 0)?, crate::args::arg(a, 1)?))
    };
    (@wrap $f:path, (ctx, 3)) => {
        |c, a| crate::args::IntoDatum::into_datum($f(
            c, crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
        ))
    };
    (@wrap $f:path, (ctx, 4)) => {
        |c, a| crate::args::IntoDatum::into_datum($f(
            c, crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
            crate::args::arg(a, 3)?,
        ))
    };
    (@wrap $f:path, (ctx, 5)) => {
        |c, a| crate::args::IntoDatum::into_datum($f(
            c, crate::args::arg(a, 0)?, crate::args::arg(a, 1)?, crate::args::arg(a, 2)?,
            crate::args::arg(a, 3)?, crate::args::arg(a, 4)?,
        ))
    };
}
pub(crate) use builtins;
