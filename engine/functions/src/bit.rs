//! `bit` and `varbit`: formats, casts, operators.

use crate::args::{FromDatum, builtins};
use crate::binary::{BinaryReader, incorrect};
use crate::integer_ops::out_of_range;
use crate::io::TypeIo;
use crate::{BitString, Datum};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;

/// The most bits of a bit string (PostgreSQL's `VARBITMAXLEN`).
const MAX_BITS: usize = i32::MAX as usize - 8;

/// `bit`: exactly as long as its modifier says.
pub(crate) static BIT_IO: TypeIo = TypeIo {
    input: |text, typmod, _| {
        let value = parse(text)?;
        check_exact(&value, typmod)?;
        Ok(datum(value))
    },
    output,
    recv: |bytes, typmod, _| {
        let value = receive(bytes)?;
        check_exact(&value, typmod)?;
        Ok(datum(value))
    },
    send,
};

/// `varbit`: at most as long as its modifier says.
pub(crate) static VARBIT_IO: TypeIo = TypeIo {
    input: |text, typmod, _| {
        let value = parse(text)?;
        check_longest(&value, typmod)?;
        Ok(datum(value))
    },
    output,
    recv: |bytes, typmod, _| {
        let value = receive(bytes)?;
        check_longest(&value, typmod)?;
        Ok(datum(value))
    },
    send,
};

fn datum(value: BitString) -> Datum {
    Datum::Bit(value.into())
}

fn output(datum: &Datum, _: &dyn crate::Env, out: &mut Vec<u8>) -> PgResult<()> {
    let bits = <&BitString>::from_datum(datum)?;
    out.extend((0..bits.len()).map(|at| if bits.get(at) { b'1' } else { b'0' }));
    Ok(())
}

fn send(datum: &Datum, _: &dyn crate::Env, out: &mut Vec<u8>) -> PgResult<()> {
    let bits = <&BitString>::from_datum(datum)?;
    out.extend_from_slice(&bits.len_bits.to_be_bytes());
    out.extend_from_slice(&bits.bytes);
    Ok(())
}

fn receive(bytes: &[u8]) -> PgResult<BitString> {
    let mut reader = BinaryReader::new(bytes);
    let len = usize::try_from(reader.i32()?).ok().filter(|len| *len <= MAX_BITS).ok_or_else(|| {
        PgError::new(code::INVALID_BINARY_REPRESENTATION, "invalid length in external bit string")
    })?;
    let value = reader.take(len.div_ceil(8))?.to_vec();
    if reader.remaining() > 0 {
        return Err(incorrect());
    }
    Ok(BitString::from_bytes(value, len))
}

fn too_long() -> PgError {
    let message = format!("bit string length exceeds the maximum allowed ({MAX_BITS})");
    PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message)
}

/// Binary digits, with or without a leading `b`, or hexadecimal ones behind an `x`.
fn parse(text: &str) -> PgResult<BitString> {
    let bad = |digit: char, kind: &str| {
        let message = format!("\"{digit}\" is not a valid {kind} digit");
        PgError::new(code::INVALID_TEXT_REPRESENTATION, message)
    };
    if let Some(digits) = text.strip_prefix(['x', 'X']) {
        if digits.len() > MAX_BITS / 4 {
            return Err(too_long());
        }
        let mut bytes = vec![0; digits.len().div_ceil(2)];
        for (at, digit) in digits.chars().enumerate() {
            let value = digit.to_digit(16).ok_or_else(|| bad(digit, "hexadecimal"))? as u8;
            bytes[at / 2] |= if at % 2 == 0 { value << 4 } else { value };
        }
        return Ok(BitString::from_bytes(bytes, digits.len() * 4));
    }
    let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
    let mut bytes = vec![0; digits.len().div_ceil(8)];
    for (at, digit) in digits.chars().enumerate() {
        match digit {
            '1' => bytes[at / 8] |= 0x80 >> (at % 8),
            '0' => {}
            _ => return Err(bad(digit, "binary")),
        }
    }
    Ok(BitString::from_bytes(bytes, digits.len()))
}

fn check_exact(value: &BitString, typmod: i32) -> PgResult<()> {
    if typmod <= 0 || value.len() == typmod as usize {
        return Ok(());
    }
    let message = format!("bit string length {} does not match type bit({typmod})", value.len());
    Err(PgError::new(code::STRING_DATA_LENGTH_MISMATCH, message))
}

fn check_longest(value: &BitString, typmod: i32) -> PgResult<()> {
    if typmod <= 0 || value.len() <= typmod as usize {
        return Ok(());
    }
    let message = format!("bit string too long for type bit varying({typmod})");
    Err(PgError::new(code::STRING_DATA_RIGHT_TRUNCATION, message))
}

impl BitString {
    /// Takes the first `len` bits of the bytes.
    fn from_bytes(mut bytes: Vec<u8>, len: usize) -> Self {
        bytes.resize(len.div_ceil(8), 0);
        if !len.is_multiple_of(8)
            && let Some(last) = bytes.last_mut()
        {
            *last &= 0xFF << (8 - len % 8);
        }
        BitString { len_bits: len as u32, bytes: bytes.into() }
    }

    fn from_bits(len: usize, bit: impl Fn(usize) -> bool) -> Self {
        let mut bytes = vec![0; len.div_ceil(8)];
        for at in (0..len).filter(|at| bit(*at)) {
            bytes[at / 8] |= 0x80 >> (at % 8);
        }
        BitString { len_bits: len as u32, bytes: bytes.into() }
    }

    fn len(&self) -> usize {
        self.len_bits as usize
    }

    /// The bit at a position counted from the left, from 0; beyond the end it is 0.
    fn get(&self, at: usize) -> bool {
        self.bytes.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0)
    }

    fn order(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes).then(self.len_bits.cmp(&other.len_bits))
    }
}

fn cmp(a: &BitString, b: &BitString) -> i32 {
    a.order(b) as i32
}

fn eq(a: &BitString, b: &BitString) -> bool {
    a == b
}

fn ne(a: &BitString, b: &BitString) -> bool {
    a != b
}

fn lt(a: &BitString, b: &BitString) -> bool {
    a.order(b).is_lt()
}

fn le(a: &BitString, b: &BitString) -> bool {
    a.order(b).is_le()
}

fn gt(a: &BitString, b: &BitString) -> bool {
    a.order(b).is_gt()
}

fn ge(a: &BitString, b: &BitString) -> bool {
    a.order(b).is_ge()
}

/// The cast to a length: an explicit one cuts or pads.
fn to_bit(value: &BitString, typmod: i32, explicit: bool) -> PgResult<BitString> {
    if typmod <= 0 || typmod as usize > MAX_BITS {
        return Ok(value.clone());
    }
    if !explicit {
        check_exact(value, typmod)?;
    }
    Ok(BitString::from_bytes(value.bytes.to_vec(), typmod as usize))
}

fn to_varbit(value: &BitString, typmod: i32, explicit: bool) -> PgResult<BitString> {
    if typmod <= 0 || typmod as usize >= value.len() {
        return Ok(value.clone());
    }
    if !explicit {
        check_longest(value, typmod)?;
    }
    Ok(BitString::from_bytes(value.bytes.to_vec(), typmod as usize))
}

fn concat(a: &BitString, b: &BitString) -> PgResult<BitString> {
    let len = a.len() + b.len();
    if len > MAX_BITS {
        return Err(too_long());
    }
    if a.len().is_multiple_of(8) {
        return Ok(BitString::from_bytes([&*a.bytes, &*b.bytes].concat(), len));
    }
    Ok(BitString::from_bits(len, |at| if at < a.len() { a.get(at) } else { b.get(at - a.len()) }))
}

/// Bits from `start` on (counted from 1, maybe before the first), to the end when there is no length.
fn slice(value: &BitString, start: i32, length: Option<i32>) -> PgResult<BitString> {
    if length.is_some_and(|length| length < 0) {
        return Err(negative_length());
    }
    let len = value.len() as i64;
    let end = length.map_or(len + 1, |length| (i64::from(start) + i64::from(length)).min(len + 1));
    let first = i64::from(start).max(1);
    let count = usize::try_from(end - first).unwrap_or(0);
    Ok(BitString::from_bits(count, |at| value.get(at + first as usize - 1)))
}

fn negative_length() -> PgError {
    PgError::new(code::SUBSTRING_ERROR, "negative substring length not allowed")
}

fn substring(value: &BitString, start: i32, length: i32) -> PgResult<BitString> {
    slice(value, start, Some(length))
}

fn substring_to_end(value: &BitString, start: i32) -> PgResult<BitString> {
    slice(value, start, None)
}

fn overlay(value: &BitString, new: &BitString, start: i32, length: i32) -> PgResult<BitString> {
    if start <= 0 {
        return Err(negative_length());
    }
    let behind = start.checked_add(length).ok_or_else(|| out_of_range("integer"))?;
    let head = slice(value, 1, Some(start - 1))?;
    concat(&concat(&head, new)?, &slice(value, behind, None)?)
}

fn overlay_own_length(value: &BitString, new: &BitString, start: i32) -> PgResult<BitString> {
    overlay(value, new, start, new.len() as i32)
}

fn length(value: &BitString) -> i32 {
    value.len() as i32
}

fn octet_length(value: &BitString) -> i32 {
    value.bytes.len() as i32
}

fn count(value: &BitString) -> i64 {
    value.bytes.iter().map(|byte| i64::from(byte.count_ones())).sum()
}

fn combine(a: &BitString, b: &BitString, verb: &str, with: fn(u8, u8) -> u8) -> PgResult<BitString> {
    if a.len() != b.len() {
        let message = format!("cannot {verb} bit strings of different sizes");
        return Err(PgError::new(code::STRING_DATA_LENGTH_MISMATCH, message));
    }
    let bytes = a.bytes.iter().zip(&b.bytes).map(|(a, b)| with(*a, *b)).collect();
    Ok(BitString { len_bits: a.len_bits, bytes })
}

fn and(a: &BitString, b: &BitString) -> PgResult<BitString> {
    combine(a, b, "AND", |a, b| a & b)
}

fn or(a: &BitString, b: &BitString) -> PgResult<BitString> {
    combine(a, b, "OR", |a, b| a | b)
}

fn xor(a: &BitString, b: &BitString) -> PgResult<BitString> {
    combine(a, b, "XOR", |a, b| a ^ b)
}

fn not(value: &BitString) -> BitString {
    BitString::from_bytes(value.bytes.iter().map(|byte| !byte).collect(), value.len())
}

/// Shifts to the left, to the right when negative.
fn shifted(value: &BitString, by: i64) -> BitString {
    BitString::from_bits(value.len(), |at| usize::try_from(at as i64 + by).is_ok_and(|from| value.get(from)))
}

fn shift_left(value: &BitString, by: i32) -> BitString {
    shifted(value, by.into())
}

fn shift_right(value: &BitString, by: i32) -> BitString {
    shifted(value, -i64::from(by))
}

/// Where one bit string starts in another, from 1; 0 when nowhere.
fn position(value: &BitString, part: &BitString) -> i32 {
    if value.len_bits == 0 || part.len() > value.len() {
        return 0;
    }
    let starts_at = |start: &usize| (0..part.len()).all(|at| value.get(start + at) == part.get(at));
    (0..=value.len() - part.len()).find(starts_at).map_or(0, |start| start as i32 + 1)
}

fn index(value: &BitString, at: i32) -> PgResult<usize> {
    usize::try_from(at).ok().filter(|at| *at < value.len()).ok_or_else(|| {
        let message = format!("bit index {at} out of valid range (0..{})", i64::from(value.len_bits) - 1);
        PgError::new(code::ARRAY_SUBSCRIPT_ERROR, message)
    })
}

fn get_bit(value: &BitString, at: i32) -> PgResult<i32> {
    Ok(value.get(index(value, at)?).into())
}

fn set_bit(value: &BitString, at: i32, bit: i32) -> PgResult<BitString> {
    let at = index(value, at)?;
    let mut changed = value.clone();
    let mask = 0x80 >> (at % 8);
    match bit {
        0 => changed.bytes[at / 8] &= !mask,
        1 => changed.bytes[at / 8] |= mask,
        _ => return Err(PgError::new(code::INVALID_PARAMETER_VALUE, "new bit must be 0 or 1")),
    }
    Ok(changed)
}

/// The low `typmod` bits of an integer, its sign extended to the left.
fn from_integer(value: i64, typmod: i32) -> BitString {
    let len = if typmod <= 0 || typmod as usize > MAX_BITS { 1 } else { typmod as usize };
    BitString::from_bits(len, |at| value >> (len - 1 - at).min(63) & 1 == 1)
}

fn from_int4(value: i32, typmod: i32) -> BitString {
    from_integer(value.into(), typmod)
}

fn to_integer(value: &BitString, width: usize, type_name: &str) -> PgResult<u64> {
    if value.len() > width {
        return Err(out_of_range(type_name));
    }
    Ok((0..value.len()).fold(0, |sum, at| sum << 1 | u64::from(value.get(at))))
}

fn to_int4(value: &BitString) -> PgResult<i32> {
    to_integer(value, 32, "integer").map(|value| value as i32)
}

fn to_int8(value: &BitString) -> PgResult<i64> {
    to_integer(value, 64, "bigint").map(|value| value as i64)
}

builtins! {
    "bitcmp" = cmp: 2;
    "biteq" = eq: 2;
    "bitne" = ne: 2;
    "bitlt" = lt: 2;
    "bitle" = le: 2;
    "bitgt" = gt: 2;
    "bitge" = ge: 2;
    "bit" = to_bit: 3;
    "varbit" = to_varbit: 3;
    "bitcat" = concat: 2;
    "bitsubstr" = substring: 3;
    "bitsubstr_no_len" = substring_to_end: 2;
    "bitoverlay" = overlay: 4;
    "bitoverlay_no_len" = overlay_own_length: 3;
    "bitlength" = length: 1;
    "bitoctetlength" = octet_length: 1;
    "bit_bit_count" = count: 1;
    "bit_and" = and: 2;
    "bit_or" = or: 2;
    "bitxor" = xor: 2;
    "bitnot" = not: 1;
    "bitshiftleft" = shift_left: 2;
    "bitshiftright" = shift_right: 2;
    "bitposition" = position: 2;
    "bitgetbit" = get_bit: 2;
    "bitsetbit" = set_bit: 3;
    "bitfromint4" = from_int4: 2;
    "bitfromint8" = from_integer: 2;
    "bittoint4" = to_int4: 1;
    "bittoint8" = to_int8: 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &BitString) -> String {
        (0..value.len()).map(|at| if value.get(at) { '1' } else { '0' }).collect()
    }

    fn bits(text: &str) -> BitString {
        parse(text).unwrap()
    }

    #[test]
    fn operators() {
        for (found, expected) in [
            (bits("x0fA"), "000011111010"),
            (concat(&bits("101"), &bits("0110")).unwrap(), "1010110"),
            (substring(&bits("0101011"), 3, 4).unwrap(), "0101"),
            (substring(&bits("0101011"), -2, 5).unwrap(), "01"),
            (overlay(&bits("0101011100"), &bits("001"), 4, 5).unwrap(), "01000100"),
            (not(&bits("10110")), "01001"),
            (shift_left(&bits("1000110001"), 3), "0110001000"),
            (shift_right(&bits("1000110001"), 3), "0001000110"),
            (shift_left(&bits("1000110001"), -3), "0001000110"),
            (from_integer(-1, 10), "1111111111"),
            (from_integer(44, 3), "100"),
            (from_integer(44, 70), &format!("{:070b}", 44)),
            (set_bit(&bits("0101"), 0, 1).unwrap(), "1101"),
        ] {
            assert_eq!(text(&found), expected);
        }
        assert_eq!(position(&bits("0101011"), &bits("11")), 6);
        assert_eq!(position(&bits("0101011"), &bits("")), 1);
        assert_eq!(to_int4(&bits("11111111111111111111111111111111")).unwrap(), -1);
        assert!(to_int4(&bits("111111111111111111111111111111111")).is_err());
        assert!(parse("b012").is_err());
    }
}
