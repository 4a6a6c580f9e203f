//! `int2`, `int4`, `int8`, `oid`, `xid`, `cid` and `xid8`: text and binary formats.
//!
//! Their operators are in [`crate::integer_ops`].

use crate::binary::BinaryReader;
use crate::io::{TypeIo, invalid_syntax};
use crate::text::is_c_space;
use crate::{Datum, Oid};
use redoubt_error::{PgError, PgResult, code};

macro_rules! integer_io {
    ($(#[$doc:meta])* $io:ident, $variant:ident, $type:ty, $name:literal) => {
        $(#[$doc])*
        pub(crate) static $io: TypeIo = TypeIo {
            input: |text, _, _| {
                let wide = parse_signed(text, $name)?;
                <$type>::try_from(wide).map(Datum::$variant).map_err(|_| value_out_of_range(text, $name))
            },
            output: |datum, _, out| match datum {
                Datum::$variant(value) => {
                    write_int(i64::from(*value), out);
                    Ok(())
                }
                other => Err(other.mismatch($name)),
            },
            recv: |bytes, _, _| match bytes.try_into() {
                Ok(array) => Ok(Datum::$variant(<$type>::from_be_bytes(array))),
                Err(_) => Err(wrong_length(bytes.len(), size_of::<$type>())),
            },
            send: |datum, _, out| match datum {
                Datum::$variant(value) => {
                    out.extend_from_slice(&value.to_be_bytes());
                    Ok(())
                }
                other => Err(other.mismatch($name)),
            },
        };
    };
}

integer_io!(/** `int2`. */ INT2_IO, Int2, i16, "smallint");
integer_io!(/** `int4`. */ INT4_IO, Int4, i32, "integer");
integer_io!(/** `int8`. */ INT8_IO, Int8, i64, "bigint");

/// `oid`.
pub(crate) static OID_IO: TypeIo = oid_like(|text, _, _| parse_oid(text).map(Datum::Oid));
/// `xid`, the low 32 bits of a transaction id.
pub(crate) static XID_IO: TypeIo = oid_like(|text, _, _| Ok(Datum::Oid(lenient_unsigned(text) as u32)));
/// `cid`.
pub(crate) static CID_IO: TypeIo = oid_like(|text, _, _| Ok(Datum::Oid(lenient_unsigned(text) as u32)));

/// The formats that `oid`, `xid` and `cid` share; only their input functions differ.
const fn oid_like(input: fn(&str, i32, &dyn crate::Env) -> PgResult<Datum>) -> TypeIo {
    TypeIo {
        input,
        output: |datum, _, out| {
            write_uint(u64::from(datum.as_oid()?), out);
            Ok(())
        },
        recv: |bytes, _, _| match bytes.try_into() {
            Ok(array) => Ok(Datum::Oid(u32::from_be_bytes(array))),
            Err(_) => Err(wrong_length(bytes.len(), 4)),
        },
        send: |datum, _, out| {
            out.extend_from_slice(&datum.as_oid()?.to_be_bytes());
            Ok(())
        },
    }
}

/// `xid8`, a whole transaction id.
pub(crate) static XID8_IO: TypeIo = TypeIo {
    input: |text, _, _| Ok(Datum::Xid8(lenient_unsigned(text))),
    output: |datum, _, out| match datum {
        Datum::Xid8(value) => {
            write_uint(*value, out);
            Ok(())
        }
        other => Err(other.mismatch("xid8")),
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let value = reader.i64()? as u64;
        reader.finish()?;
        Ok(Datum::Xid8(value))
    },
    send: |datum, _, out| match datum {
        Datum::Xid8(value) => {
            out.extend_from_slice(&value.to_be_bytes());
            Ok(())
        }
        other => Err(other.mismatch("xid8")),
    },
};

/// Too short and too long binary values have errors of their own.
#[cold]
pub(crate) fn wrong_length(found: usize, expected: usize) -> PgError {
    if found < expected { crate::binary::insufficient() } else { crate::binary::incorrect() }
}

/// Appends a decimal integer.
#[inline]
pub(crate) fn write_int(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned decimal integer.
#[inline]
pub(crate) fn write_uint(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `22003`, as the input functions say it.
#[cold]
pub(crate) fn value_out_of_range(text: &str, type_name: &str) -> PgError {
    PgError::new(
        code::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// Parses an optionally signed decimal integer between blanks, wide enough for `int8`.
///
/// # Errors
/// `22P02` for anything else, `22003` when it does not fit in 64 bits.
pub(crate) fn parse_signed(text: &str, type_name: &str) -> PgResult<i64> {
    let bytes = text.trim_matches(is_c_space).as_bytes();
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(overflow_before_garbage(digits, text, type_name));
    }
    // Accumulated negatively, because the negative range is the larger one.
    let mut value = 0i64;
    for digit in digits {
        value = value
            .checked_mul(10)
            .and_then(|tens| tens.checked_sub(i64::from(digit - b'0')))
            .ok_or_else(|| value_out_of_range(text, type_name))?;
    }
    if negative {
        return Ok(value);
    }
    value.checked_neg().ok_or_else(|| value_out_of_range(text, type_name))
}

/// PostgreSQL reads from the left, so that an overflow is reported before trailing garbage.
#[cold]
fn overflow_before_garbage(digits: &[u8], text: &str, type_name: &str) -> PgError {
    let limit_digits: u128 = match type_name {
        "smallint" => 32768,
        "integer" => 2_147_483_648,
        _ => 9_223_372_036_854_775_808,
    };
    let mut value = 0u128;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = value * 10 + u128::from(digit - b'0');
        if value > limit_digits {
            return value_out_of_range(text, type_name);
        }
    }
    invalid_syntax(type_name, text)
}

/// Parses an `oid`: like C's `strtoul`, so that negative numbers wrap around.
///
/// # Errors
/// `22P02` for anything but an integer between blanks, `22003` when it does not fit in 32 bits.
pub(crate) fn parse_oid(text: &str) -> PgResult<Oid> {
    let trimmed = text.trim_matches(is_c_space);
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let run = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if run == 0 {
        return Err(invalid_syntax("oid", text));
    }
    let out_of_range = || value_out_of_range(text, "oid");
    let magnitude = std::str::from_utf8(&digits[..run])
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok())
        .ok_or_else(out_of_range)?;
    if run != digits.len() {
        return Err(invalid_syntax("oid", text));
    }
    // A value is fine when it is the same number as a signed or as an unsigned 32-bit integer.
    let wide = if negative { magnitude.wrapping_neg() } else { magnitude };
    let narrow = wide as u32;
    if wide == u64::from(narrow) || wide as i64 == i64::from(narrow as i32) {
        Ok(narrow)
    } else {
        Err(out_of_range())
    }
}

/// Parses a transaction id as C's `strtoul` with base 0 does: leading blanks, a sign, decimal,
/// `0x` or octal digits; what follows is ignored, and so is the lack of any digits.
fn lenient_unsigned(text: &str) -> u64 {
    let trimmed = text.trim_start_matches(is_c_space);
    let (negative, body) = match trimmed.as_bytes() {
        [b'-', ..] => (true, &trimmed[1..]),
        [b'+', ..] => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (radix, digits) = match body.as_bytes() {
        [b'0', b'x' | b'X', c, ..] if c.is_ascii_hexdigit() => (16, &body[2..]),
        [b'0', ..] => (8, body),
        _ => (10, body),
    };
    let mut value = 0u64;
    for digit in digits.chars().map_while(|c| c.to_digit(radix)) {
        match value.checked_mul(u64::from(radix)).and_then(|v| v.checked_add(u64::from(digit))) {
            Some(next) => value = next,
            None => return u64::MAX,
        }
    }
    if negative { value.wrapping_neg() } else { value }
}
