//! `bytea`: formats, operators, `encode` and `decode`, digests.

use crate::args::builtins;
use crate::encoding::{decode, encode, hex_decode, hex_encode};
use crate::io::TypeIo;
use crate::string_ops::substring_range;
use crate::{ByteaOutput, Datum};
use md5::Md5;
use redoubt_error::{PgError, PgResult, code};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// `bytea`.
pub(crate) static BYTEA_IO: TypeIo = TypeIo {
    input: |text, _, _| parse(text).map(|bytes| Datum::Bytea(bytes.into())),
    output: |datum, env, out| {
        let bytes = datum.as_bytes()?;
        match env.settings().bytea_output {
            ByteaOutput::Hex => {
                out.extend_from_slice(b"\\x");
                hex_encode(bytes, out);
            }
            ByteaOutput::Escape => write_escaped(bytes, out),
        }
        Ok(())
    },
    recv: |bytes, _, _| Ok(Datum::Bytea(bytes.into())),
    send: |datum, _, out| {
        out.extend_from_slice(datum.as_bytes()?);
        Ok(())
    },
};

#[cold]
fn malformed() -> PgError {
    PgError::new(code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea")
}

/// Reads the hexadecimal form (`\x...`) or the traditional escaped one.
fn parse(text: &str) -> PgResult<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => hex_decode(digits),
        None => unescape(text.as_bytes()),
    }
}

/// `\\` is a backslash, `\ooo` an octal byte.
pub(crate) fn unescape(text: &[u8]) -> PgResult<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        match *tail {
            [b'\\', ..] => {
                out.push(b'\\');
                rest = &tail[1..];
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = &tail[3..];
            }
            _ => return Err(malformed()),
        }
    }
    Ok(out)
}

/// Backslashes doubled, bytes that are not printable ASCII in octal.
fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7E => out.push(byte),
            _ => out.extend([b'\\', b'0' + (byte >> 6), b'0' + ((byte >> 3) & 7), b'0' + (byte & 7)]),
        }
    }
}

fn difference(a: &[u8], b: &[u8]) -> i32 {
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((x, y)) => i32::from(*x) - i32::from(*y),
        None => a.len().cmp(&b.len()) as i32,
    }
}

fn concat(a: &[u8], b: &[u8]) -> PgResult<Vec<u8>> {
    crate::text::check_allocation(a.len() + b.len() + 4)?;
    Ok([a, b].concat())
}

fn length(bytes: &[u8]) -> i32 {
    bytes.len() as i32
}

fn slice(bytes: &[u8], start: i32, length: Option<i32>) -> PgResult<&[u8]> {
    let (first, end) = substring_range(start, length)?;
    let end = end.map_or(bytes.len(), |end| end.min(bytes.len()));
    Ok(bytes.get(first.min(end)..end).unwrap_or(&[]))
}

fn substr(bytes: &[u8], start: i32, length: i32) -> PgResult<&[u8]> {
    slice(bytes, start, Some(length))
}

fn substr_to_end(bytes: &[u8], start: i32) -> PgResult<&[u8]> {
    slice(bytes, start, None)
}

fn overlay(bytes: &[u8], replacement: &[u8], start: i32, length: i32) -> PgResult<Vec<u8>> {
    if start <= 0 {
        return Err(PgError::new(code::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let resume = start.checked_add(length).ok_or_else(|| crate::integer_ops::out_of_range("integer"))?;
    Ok([slice(bytes, 1, Some(start - 1))?, replacement, slice(bytes, resume, None)?].concat())
}

fn overlay_same_length(bytes: &[u8], replacement: &[u8], start: i32) -> PgResult<Vec<u8>> {
    overlay(bytes, replacement, start, length(replacement))
}

fn position(bytes: &[u8], part: &[u8]) -> i32 {
    memchr::memmem::find(bytes, part).map_or(0, |at| at as i32 + 1)
}

fn trim_start<'a>(bytes: &'a [u8], set: &[u8]) -> &'a [u8] {
    let count = bytes.iter().take_while(|byte| set.contains(byte)).count();
    &bytes[count..]
}

fn trim_end<'a>(bytes: &'a [u8], set: &[u8]) -> &'a [u8] {
    let count = bytes.iter().rev().take_while(|byte| set.contains(byte)).count();
    &bytes[..bytes.len() - count]
}

fn trim<'a>(bytes: &'a [u8], set: &[u8]) -> &'a [u8] {
    trim_end(trim_start(bytes, set), set)
}

/// `2202E` for a position outside the value.
fn check_index(index: i64, len: i64) -> PgResult<usize> {
    if index < 0 || index >= len {
        return Err(PgError::new(
            code::ARRAY_SUBSCRIPT_ERROR,
            format!("index {index} out of valid range, 0..{}", len - 1),
        ));
    }
    Ok(index as usize)
}

fn get_byte(bytes: &[u8], index: i32) -> PgResult<i32> {
    let at = check_index(i64::from(index), bytes.len() as i64)?;
    Ok(i32::from(bytes[at]))
}

fn set_byte(bytes: &[u8], index: i32, value: i32) -> PgResult<Vec<u8>> {
    let at = check_index(i64::from(index), bytes.len() as i64)?;
    let mut out = bytes.to_vec();
    out[at] = value as u8;
    Ok(out)
}

fn get_bit(bytes: &[u8], index: i64) -> PgResult<i32> {
    let at = check_index(index, bytes.len() as i64 * 8)?;
    Ok(i32::from(bytes[at / 8] >> (at % 8) & 1))
}

fn set_bit(bytes: &[u8], index: i64, value: i32) -> PgResult<Vec<u8>> {
    let at = check_index(index, bytes.len() as i64 * 8)?;
    if !(0..=1).contains(&value) {
        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, "new bit must be 0 or 1"));
    }
    let mut out = bytes.to_vec();
    let mask = 1 << (at % 8);
    out[at / 8] = if value == 1 { out[at / 8] | mask } else { out[at / 8] & !mask };
    Ok(out)
}

fn bit_count(bytes: &[u8]) -> i64 {
    bytes.iter().map(|byte| i64::from(byte.count_ones())).sum()
}

fn hex_digest(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(32);
    hex_encode(&Md5::digest(bytes), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn md5_text(text: &str) -> String {
    hex_digest(text.as_bytes())
}

fn sha224(bytes: &[u8]) -> Vec<u8> {
    Sha224::digest(bytes).to_vec()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn sha384(bytes: &[u8]) -> Vec<u8> {
    Sha384::digest(bytes).to_vec()
}

fn sha512(bytes: &[u8]) -> Vec<u8> {
    Sha512::digest(bytes).to_vec()
}

fn eq(a: &[u8], b: &[u8]) -> bool {
    a == b
}

fn ne(a: &[u8], b: &[u8]) -> bool {
    a != b
}

fn lt(a: &[u8], b: &[u8]) -> bool {
    a < b
}

fn le(a: &[u8], b: &[u8]) -> bool {
    a <= b
}

fn gt(a: &[u8], b: &[u8]) -> bool {
    a > b
}

fn ge(a: &[u8], b: &[u8]) -> bool {
    a >= b
}

builtins! {
    "byteaeq" = eq: 2;
    "byteane" = ne: 2;
    "bytealt" = lt: 2;
    "byteale" = le: 2;
    "byteagt" = gt: 2;
    "byteage" = ge: 2;
    "byteacmp" = difference: 2;
    "byteacat" = concat: 2;
    "byteaoctetlen" = length: 1;
    "bytea_substr" = substr: 3;
    "bytea_substr_no_len" = substr_to_end: 2;
    "byteaoverlay" = overlay: 4;
    "byteaoverlay_no_len" = overlay_same_length: 3;
    "byteapos" = position: 2;
    "bytealtrim" = trim_start: 2;
    "byteartrim" = trim_end: 2;
    "byteatrim" = trim: 2;
    "byteaGetByte" = get_byte: 2;
    "byteaSetByte" = set_byte: 3;
    "byteaGetBit" = get_bit: 2;
    "byteaSetBit" = set_bit: 3;
    "bytea_bit_count" = bit_count: 1;
    "binary_encode" = encode: 2;
    "binary_decode" = decode: 2;
    "md5_text" = md5_text: 1;
    "md5_bytea" = hex_digest: 1;
    "sha224_bytea" = sha224: 1;
    "sha256_bytea" = sha256: 1;
    "sha384_bytea" = sha384: 1;
    "sha512_bytea" = sha512: 1;
}
