//! Memory-comparable keys: byte strings whose order is the values' B-tree order.
//!
//! A key starts with a marker that places NULLs, followed by the value. Each value's encoding is
//! self-delimiting, so that the keys of several columns are simply concatenated, and a descending
//! column stores the complement of every byte of its value. Indexes compare keys with `memcmp`
//! and never see types.

use crate::text::bpchar_key;
use crate::{Datum, Oid, types};
use redoubt_error::{PgError, PgResult, code};

const NULL_FIRST: u8 = 0x00;
const NOT_NULL: u8 = 0x01;
const NULL_LAST: u8 = 0x02;

/// Ends an array's elements; sorts before any element's marker.
const ARRAY_END: u8 = 0x00;
const ELEM: u8 = 0x01;
const ELEM_NULL: u8 = 0x02;

/// Appends the key of one column.
///
/// # Errors
/// `42883` when the type has no default B-tree order.
///
/// # Panics
/// When `datum` is not of the type.
pub fn encode(
    type_oid: Oid,
    datum: &Datum,
    descending: bool,
    nulls_first: bool,
    out: &mut Vec<u8>,
) -> PgResult<()> {
    if datum.is_null() {
        out.push(if nulls_first { NULL_FIRST } else { NULL_LAST });
        return Ok(());
    }
    out.push(NOT_NULL);
    let start = out.len();
    encode_value(type_oid, datum, out)?;
    if descending {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
    Ok(())
}

/// Appends a value that is not NULL.
fn encode_value(type_oid: Oid, datum: &Datum, out: &mut Vec<u8>) -> PgResult<()> {
    match datum {
        Datum::Bool(value) => out.push(u8::from(*value)),
        Datum::Char(value) => out.push(*value),
        Datum::Int2(value) => out.extend_from_slice(&(*value as u16 ^ 0x8000).to_be_bytes()),
        Datum::Int4(value) | Datum::Date(value) => {
            out.extend_from_slice(&(*value as u32 ^ 0x8000_0000).to_be_bytes());
        }
        Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::TimestampTz(value) => {
            out.extend_from_slice(&flip64(*value).to_be_bytes());
        }
        Datum::Float4(value) => encode_float(f64::from(*value), out),
        Datum::Float8(value) => encode_float(*value, out),
        Datum::Oid(value) => out.extend_from_slice(&value.to_be_bytes()),
        Datum::Xid8(value) | Datum::Lsn(value) => out.extend_from_slice(&value.to_be_bytes()),
        Datum::Tid(value) => {
            out.extend_from_slice(&value.block.to_be_bytes());
            out.extend_from_slice(&value.slot.to_be_bytes());
        }
        Datum::TimeTz(value) => {
            let (utc_us, zone_s) = value.sort_key();
            out.extend_from_slice(&flip64(utc_us).to_be_bytes());
            out.extend_from_slice(&(zone_s as u32 ^ 0x8000_0000).to_be_bytes());
        }
        Datum::Interval(value) => {
            out.extend_from_slice(&(value.sort_key() as u128 ^ (1 << 127)).to_be_bytes());
        }
        Datum::Uuid(value) => out.extend_from_slice(value),
        Datum::Macaddr(value) => out.extend_from_slice(value),
        Datum::Macaddr8(value) => out.extend_from_slice(value),
        Datum::Inet(value) => value.encode_key(out),
        Datum::Enum(value) => {
            encode_float(f64::from(value.sort), out);
            out.extend_from_slice(&value.oid.to_be_bytes());
        }
        Datum::Numeric(value) => value.encode_key(out),
        Datum::Text(value) => encode_text(type_oid, value, out)?,
        Datum::Bytea(value) => encode_bytes(value, out),
        Datum::Bit(value) => {
            encode_bytes(&value.bytes, out);
            out.extend_from_slice(&value.len_bits.to_be_bytes());
        }
        Datum::Jsonb(value) => value.encode_key(out),
        Datum::TsVector(value) => value.encode_key(out),
        Datum::TsQuery(value) => value.encode_key(out),
        Datum::Array(value) => encode_array(type_oid, value, out)?,
        Datum::Record(value) => {
            for (attr, field) in value.desc.attrs.iter().zip(&value.fields) {
                if !attr.dropped {
                    encode(attr.type_oid, field, false, false, out)?;
                }
            }
        }
        Datum::JsonPath(_) | Datum::Geometry(_) => return Err(no_order(type_oid)),
        Datum::Null | Datum::Void => panic!("a {} has no key", datum.kind()),
    }
    Ok(())
}

/// Whether the values of a type can be had back from their keys as they were: [`decode`] does it.
pub fn is_reversible(type_oid: Oid) -> bool {
    matches!(
        type_oid,
        types::BOOL
            | types::CHAR
            | types::INT2
            | types::INT4
            | types::INT8
            | types::OID
            | types::TEXT
            | types::VARCHAR
            | types::NAME
            | types::BYTEA
            | types::DATE
            | types::TIME
            | types::TIMESTAMP
            | types::TIMESTAMPTZ
            | types::UUID
    )
}

/// Reads one column of a key that [`encode`] wrote, of a [reversible](is_reversible) type.
///
/// # Errors
/// `XX002` for bytes that are no such key.
pub fn decode(type_oid: Oid, descending: bool, key: &mut &[u8]) -> PgResult<Datum> {
    let [marker] = take(key)?;
    if marker != NOT_NULL {
        return Ok(Datum::Null);
    }
    let flip = if descending { 0xff } else { 0 };
    let mut number = |bytes: usize| -> PgResult<u64> {
        let (taken, rest) = key.split_at_checked(bytes).ok_or_else(damaged)?;
        *key = rest;
        Ok(taken.iter().fold(0, |number, byte| number << 8 | u64::from(byte ^ flip)))
    };
    let unflip64 = |number: u64| (number ^ (1 << 63)) as i64;
    Ok(match type_oid {
        types::BOOL => Datum::Bool(number(1)? != 0),
        types::CHAR => Datum::Char(number(1)? as u8),
        types::INT2 => Datum::Int2((number(2)? as u16 ^ 0x8000) as i16),
        types::INT4 => Datum::Int4((number(4)? as u32 ^ 0x8000_0000) as i32),
        types::DATE => Datum::Date((number(4)? as u32 ^ 0x8000_0000) as i32),
        types::OID => Datum::Oid(number(4)? as u32),
        types::INT8 => Datum::Int8(unflip64(number(8)?)),
        types::TIME => Datum::Time(unflip64(number(8)?)),
        types::TIMESTAMP => Datum::Timestamp(unflip64(number(8)?)),
        types::TIMESTAMPTZ => Datum::TimestampTz(unflip64(number(8)?)),
        types::UUID => {
            let halves = [number(8)?, number(8)?];
            Datum::Uuid(((u128::from(halves[0]) << 64) | u128::from(halves[1])).to_be_bytes())
        }
        types::TEXT | types::VARCHAR | types::NAME => {
            let end = key.iter().position(|byte| byte ^ flip == 0).ok_or_else(damaged)?;
            let bytes: Vec<u8> = key[..end].iter().map(|byte| byte ^ flip).collect();
            *key = &key[end + 1..];
            Datum::text(String::from_utf8(bytes).map_err(|_| damaged())?)
        }
        types::BYTEA => {
            let mut bytes = Vec::new();
            loop {
                let [byte] = take(key)?;
                if byte ^ flip == 0 {
                    let [next] = take(key)?;
                    if next ^ flip == 0 {
                        break;
                    }
                }
                bytes.push(byte ^ flip);
            }
            Datum::Bytea(bytes.into())
        }
        other => return Err(PgError::internal(format!("keys of type {other} cannot be turned back"))),
    })
}

fn take<const N: usize>(key: &mut &[u8]) -> PgResult<[u8; N]> {
    let (taken, rest) = key.split_first_chunk().ok_or_else(damaged)?;
    *key = rest;
    Ok(*taken)
}

#[cold]
fn damaged() -> PgError {
    PgError::new(code::INDEX_CORRUPTED, "an index key is damaged")
}

fn flip64(value: i64) -> u64 {
    value as u64 ^ (1 << 63)
}

/// IEEE order made unsigned: negatives complemented, positives with the sign bit set. Both zeros
/// share a key; every NaN has the greatest.
fn encode_float(value: f64, out: &mut Vec<u8>) {
    let bits = if value.is_nan() {
        u64::MAX
    } else {
        let bits = if value == 0.0 { 0 } else { value.to_bits() };
        if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
    };
    out.extend_from_slice(&bits.to_be_bytes());
}

/// Text holds no zero bytes, so one ends it.
fn encode_text(type_oid: Oid, value: &str, out: &mut Vec<u8>) -> PgResult<()> {
    if matches!(type_oid, types::JSON | types::XML) {
        return Err(no_order(type_oid));
    }
    let value = if type_oid == types::BPCHAR { bpchar_key(value) } else { value };
    out.extend_from_slice(value.as_bytes());
    out.push(0);
    Ok(())
}

/// Zero bytes are followed by 0xFF; a zero followed by a zero ends the value.
fn encode_bytes(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// Arrays: elements, then number of dimensions, lengths and lower bounds, as `array_cmp`.
/// An `oidvector` compares its length first.
fn encode_array(type_oid: Oid, array: &crate::ArrayValue, out: &mut Vec<u8>) -> PgResult<()> {
    if type_oid == types::OIDVECTOR {
        out.extend_from_slice(&(array.elems.len() as u32).to_be_bytes());
    }
    for elem in &array.elems {
        if elem.is_null() {
            out.push(ELEM_NULL);
        } else {
            out.push(ELEM);
            encode_value(array.elem_type, elem, out)?;
        }
    }
    out.push(ARRAY_END);
    out.push(array.ndim() as u8);
    for dim in &array.dims {
        out.extend_from_slice(&(dim.len as u32).to_be_bytes());
    }
    for dim in &array.dims {
        out.extend_from_slice(&(dim.lower as u32 ^ 0x8000_0000).to_be_bytes());
    }
    Ok(())
}

fn no_order(type_oid: Oid) -> PgError {
    let name = crate::builtin_type(type_oid).map_or("unknown", |info| &info.name);
    PgError::new(
        code::UNDEFINED_FUNCTION,
        format!("could not identify a comparison function for type {name}"),
    )
}
