//! `uuid`, `pg_lsn` and `tid`.

use crate::args::{FromDatum, IntoDatum, LsnArg, UuidArg, builtins};
use crate::binary::BinaryReader;
use crate::compare::generic as op;
use crate::io::{TypeIo, invalid_syntax};
use crate::numeric::Numeric;
use crate::{Datum, TidValue};
use redoubt_error::{PgError, PgResult, code};

/// `uuid`.
pub(crate) static UUID_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_uuid(text).map(Datum::Uuid).ok_or_else(|| invalid_syntax("uuid", text)),
    output: |datum, _, out| {
        let UuidArg(bytes) = UuidArg::from_datum(datum)?;
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            crate::encoding::hex_encode(&[*byte], out);
        }
        Ok(())
    },
    recv: |bytes, _, _| match bytes.try_into() {
        Ok(array) => Ok(Datum::Uuid(array)),
        Err(_) => Err(crate::integer::wrong_length(bytes.len(), 16)),
    },
    send: |datum, _, out| {
        out.extend_from_slice(&UuidArg::from_datum(datum)?.0);
        Ok(())
    },
};

/// 32 digits, optionally in braces, with optional hyphens after every four digits.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let mut rest = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}')?,
        None => text,
    }
    .as_bytes();
    let mut value = [0; 16];
    for (at, byte) in value.iter_mut().enumerate() {
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        *byte = digit(*high)? << 4 | digit(*low)?;
        rest = match tail {
            [b'-', after @ ..] if at % 2 == 1 && at < 15 => after,
            _ => tail,
        };
    }
    rest.is_empty().then_some(value)
}

/// A random UUID (version 4, RFC 4122).
fn gen_random_uuid() -> PgResult<UuidArg> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| PgError::internal("could not generate random values"))?;
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    Ok(UuidArg(bytes))
}

fn uuid_cmp(a: UuidArg, b: UuidArg) -> i32 {
    match a.0.iter().zip(&b.0).find(|(x, y)| x != y) {
        Some((x, y)) => i32::from(*x) - i32::from(*y),
        None => 0,
    }
}

/// `pg_lsn`: two hexadecimal halves.
pub(crate) static LSN_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_lsn(text).map(Datum::Lsn).ok_or_else(|| invalid_syntax("pg_lsn", text)),
    output: |datum, _, out| {
        let LsnArg(lsn) = LsnArg::from_datum(datum)?;
        out.extend_from_slice(format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF).as_bytes());
        Ok(())
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let value = reader.i64()? as u64;
        reader.finish()?;
        Ok(Datum::Lsn(value))
    },
    send: |datum, _, out| {
        out.extend_from_slice(&LsnArg::from_datum(datum)?.0.to_be_bytes());
        Ok(())
    },
};

fn parse_lsn(text: &str) -> Option<u64> {
    let half = |digits: &str| {
        let valid = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if valid { u64::from_str_radix(digits, 16).ok() } else { None }
    };
    let (high, low) = text.split_once('/')?;
    Some(half(high)? << 32 | half(low)?)
}

fn lsn_number(lsn: LsnArg) -> Numeric {
    Numeric::from(i128::from(lsn.0))
}

/// The number of bytes between two positions.
fn lsn_minus(a: LsnArg, b: LsnArg) -> Numeric {
    Numeric::from(i128::from(a.0) - i128::from(b.0))
}

fn number_to_lsn(number: &Numeric) -> PgResult<LsnArg> {
    let what = if number.is_nan() {
        "NaN"
    } else if number.is_infinite() {
        "infinity"
    } else {
        let value = number.to_i128().and_then(|value| u64::try_from(value).ok());
        return value
            .map(LsnArg)
            .ok_or_else(|| PgError::new(code::INVALID_PARAMETER_VALUE, "pg_lsn out of range"));
    };
    Err(PgError::new(code::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to pg_lsn")))
}

fn lsn_plus_bytes(lsn: LsnArg, bytes: &Numeric) -> PgResult<LsnArg> {
    if bytes.is_nan() {
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "cannot add NaN to pg_lsn"));
    }
    number_to_lsn(&lsn_number(lsn).plus(bytes)?)
}

fn lsn_minus_bytes(lsn: LsnArg, bytes: &Numeric) -> PgResult<LsnArg> {
    if bytes.is_nan() {
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "cannot subtract NaN from pg_lsn"));
    }
    number_to_lsn(&lsn_number(lsn).minus(bytes)?)
}

/// `tid`: block and line pointer.
pub(crate) static TID_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_tid(text).map(Datum::Tid).ok_or_else(|| invalid_syntax("tid", text)),
    output: |datum, _, out| {
        let TidValue { block, slot } = TidValue::from_datum(datum)?;
        out.extend_from_slice(format!("({block},{slot})").as_bytes());
        Ok(())
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let value = TidValue { block: reader.u32()?, slot: reader.i16()? as u16 };
        reader.finish()?;
        Ok(Datum::Tid(value))
    },
    send: |datum, _, out| {
        let TidValue { block, slot } = TidValue::from_datum(datum)?;
        out.extend_from_slice(&block.to_be_bytes());
        out.extend_from_slice(&slot.to_be_bytes());
        Ok(())
    },
};

/// `(block,slot)`. What precedes the parenthesis and follows the closing one is ignored, missing
/// digits read as zero, and a negative block wraps around, as in PostgreSQL.
fn parse_tid(text: &str) -> Option<TidValue> {
    let (_, inner) = text.split_once('(')?;
    let (block, slot) = inner.split_once(',')?;
    let (slot, _) = slot.split_once(')')?;
    let number = |text: &str| match text.trim_start_matches(crate::text::is_c_space) {
        "" => Some(0),
        digits => digits.parse::<i64>().ok(),
    };
    let block = number(block)?;
    let block = u32::try_from(block).ok().or_else(|| i32::try_from(block).ok().map(|block| block as u32))?;
    let slot = u16::try_from(number(slot)?).ok()?;
    Some(TidValue { block, slot })
}

impl<'a> FromDatum<'a> for TidValue {
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        match datum {
            Datum::Tid(value) => Ok(*value),
            other => Err(other.mismatch("tid")),
        }
    }
}

impl IntoDatum for TidValue {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Datum::Tid(self))
    }
}

builtins! {
    "gen_random_uuid" = gen_random_uuid: 0;
    "uuid_eq" = op::eq::<UuidArg>: 2;
    "uuid_ne" = op::ne::<UuidArg>: 2;
    "uuid_lt" = op::lt::<UuidArg>: 2;
    "uuid_le" = op::le::<UuidArg>: 2;
    "uuid_gt" = op::gt::<UuidArg>: 2;
    "uuid_ge" = op::ge::<UuidArg>: 2;
    "uuid_cmp" = uuid_cmp: 2;
    "pg_lsn_eq" = op::eq::<LsnArg>: 2;
    "pg_lsn_ne" = op::ne::<LsnArg>: 2;
    "pg_lsn_lt" = op::lt::<LsnArg>: 2;
    "pg_lsn_le" = op::le::<LsnArg>: 2;
    "pg_lsn_gt" = op::gt::<LsnArg>: 2;
    "pg_lsn_ge" = op::ge::<LsnArg>: 2;
    "pg_lsn_cmp" = op::cmp::<LsnArg>: 2;
    "pg_lsn_larger" = op::larger::<LsnArg>: 2;
    "pg_lsn_smaller" = op::smaller::<LsnArg>: 2;
    "pg_lsn_mi" = lsn_minus: 2;
    "pg_wal_lsn_diff" = lsn_minus: 2;
    "pg_lsn_pli" = lsn_plus_bytes: 2;
    "pg_lsn_mii" = lsn_minus_bytes: 2;
    "numeric_pg_lsn" = number_to_lsn: 1;
    "tideq" = op::eq::<TidValue>: 2;
    "tidne" = op::ne::<TidValue>: 2;
    "tidlt" = op::lt::<TidValue>: 2;
    "tidle" = op::le::<TidValue>: 2;
    "tidgt" = op::gt::<TidValue>: 2;
    "tidge" = op::ge::<TidValue>: 2;
    "bttidcmp" = op::cmp::<TidValue>: 2;
    "tidlarger" = op::larger::<TidValue>: 2;
    "tidsmaller" = op::smaller::<TidValue>: 2;
}
