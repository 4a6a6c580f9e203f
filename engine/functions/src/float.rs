//! `float4` and `float8`: text and binary formats.
//!
//! With `extra_float_digits` above zero, output is the shortest decimal that reads back as the
//! same number; otherwise it is C's `%g` with that many digits fewer.

use crate::Datum;
use crate::float_shortest::{Decimal, shortest_f32, shortest_f64};
use crate::io::{TypeIo, invalid_syntax};
use crate::text::is_c_space;
use redoubt_error::{PgError, PgResult, code};

/// `float4`.
pub(crate) static FLOAT4_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_float4(text).map(Datum::Float4),
    output: |datum, env, out| {
        write_float4(datum.as_float4()?, env.settings().extra_float_digits, out);
        Ok(())
    },
    recv: |bytes, _, _| match bytes.try_into() {
        Ok(array) => Ok(Datum::Float4(f32::from_be_bytes(array))),
        Err(_) => Err(crate::integer::wrong_length(bytes.len(), 4)),
    },
    send: |datum, _, out| {
        out.extend_from_slice(&datum.as_float4()?.to_be_bytes());
        Ok(())
    },
};

/// `float8`.
pub(crate) static FLOAT8_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_float8(text, "double precision").map(Datum::Float8),
    output: |datum, env, out| {
        write_float8(datum.as_float8()?, env.settings().extra_float_digits, out);
        Ok(())
    },
    recv: |bytes, _, _| match bytes.try_into() {
        Ok(array) => Ok(Datum::Float8(f64::from_be_bytes(array))),
        Err(_) => Err(crate::integer::wrong_length(bytes.len(), 8)),
    },
    send: |datum, _, out| {
        out.extend_from_slice(&datum.as_float8()?.to_be_bytes());
        Ok(())
    },
};

/// What a number's text turns out to be.
enum Literal<'a> {
    /// Decimal digits that Rust's parser takes as they are.
    Decimal(&'a str),
    /// Hexadecimal: mantissa bits and power of two.
    Hex {
        mantissa: u128,
        exponent: i64,
    },
    Infinity,
    NaN,
}

/// Splits a leading number off as C's `strtod` does: what it is, whether it is negative, and how
/// many bytes it takes.
fn scan_number(text: &str) -> Option<(Literal<'_>, bool, usize)> {
    let bytes = text.as_bytes();
    let (negative, start) = match bytes.first()? {
        b'-' => (true, 1),
        b'+' => (false, 1),
        _ => (false, 0),
    };
    let body = &text[start..];
    let has_prefix = |word: &str| {
        body.len() >= word.len() && body.as_bytes()[..word.len()].eq_ignore_ascii_case(word.as_bytes())
    };
    for (word, is_nan) in [("infinity", false), ("inf", false), ("nan", true)] {
        if has_prefix(word) {
            let mut end = start + word.len();
            if is_nan {
                end += nan_payload_len(&body.as_bytes()[word.len()..]);
            }
            return Some((if is_nan { Literal::NaN } else { Literal::Infinity }, negative, end));
        }
    }
    if has_prefix("0x")
        && let Some((literal, len)) = scan_hex(&body.as_bytes()[2..])
    {
        return Some((literal, negative, start + 2 + len));
    }
    let len = scan_decimal(body.as_bytes())?;
    Some((Literal::Decimal(&body[..len]), negative, start + len))
}

/// `nan(chars)` may carry a payload, which is ignored.
fn nan_payload_len(rest: &[u8]) -> usize {
    if rest.first() != Some(&b'(') {
        return 0;
    }
    let inner = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if rest.get(1 + inner) == Some(&b')') { inner + 2 } else { 0 }
}

/// Length of digits, point, digits and exponent, with at least one digit.
fn scan_decimal(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut end = whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    Some(end + exponent_len(&bytes[end..], b'e'))
}

/// Length of an exponent with at least one digit, or 0.
fn exponent_len(bytes: &[u8], letter: u8) -> usize {
    if bytes.first().map(u8::to_ascii_lowercase) != Some(letter) {
        return 0;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    let digits = bytes[1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { 0 } else { 1 + sign + digits }
}

/// Hexadecimal digits with an optional binary exponent, after `0x`. Bits beyond 120 are folded
/// into a sticky bit, which is all that rounding needs.
fn scan_hex(bytes: &[u8]) -> Option<(Literal<'static>, usize)> {
    let (mut mantissa, mut exponent, mut at) = (0u128, 0i64, 0usize);
    let (mut seen_point, mut seen_digit) = (false, false);
    while let Some(&byte) = bytes.get(at) {
        if byte == b'.' && !seen_point {
            seen_point = true;
        } else if let Some(digit) = (byte as char).to_digit(16) {
            seen_digit = true;
            if mantissa >> 120 == 0 {
                mantissa = (mantissa << 4) | u128::from(digit);
                exponent -= if seen_point { 4 } else { 0 };
            } else {
                mantissa |= u128::from(digit != 0);
                exponent += if seen_point { 0 } else { 4 };
            }
        } else {
            break;
        }
        at += 1;
    }
    if !seen_digit {
        return None;
    }
    let suffix = exponent_len(&bytes[at..], b'p');
    if suffix > 0 {
        let digits = std::str::from_utf8(&bytes[at + 1..at + suffix]).ok()?;
        let shift = digits.parse::<i64>().unwrap_or(if digits.starts_with('-') { -1 << 40 } else { 1 << 40 });
        exponent = exponent.saturating_add(shift);
    }
    Some((Literal::Hex { mantissa, exponent }, at + suffix))
}

/// Rounds `mantissa * 2^exponent` to `bits` of precision, half to even, with the smallest
/// representable power of two given. The result is exact as a double.
fn hex_value(mantissa: u128, exponent: i64, bits: u32, min_exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let width = i64::from(128 - mantissa.leading_zeros());
    let exponent = exponent.clamp(-100_000, 100_000);
    let drop = (width - i64::from(bits)).max(min_exponent - exponent).max(0);
    if drop > 127 {
        return 0.0;
    }
    let kept = mantissa >> drop;
    let lost = mantissa & ((1u128 << drop) - 1);
    let half = if drop == 0 { 1 } else { 1u128 << (drop - 1) };
    let rounded = kept + u128::from(lost > half || (drop > 0 && lost == half && kept & 1 == 1));
    // The power is applied in two steps, because one of them may leave the range on its own.
    let power = (exponent + drop) as i32;
    rounded as f64 * 2f64.powi(power / 2) * 2f64.powi(power - power / 2)
}

/// `22003`, quoting the number itself.
#[cold]
fn out_of_range(number: &str, type_name: &str) -> PgError {
    PgError::new(
        code::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("\"{number}\" is out of range for type {type_name}"),
    )
}

/// Shared by both widths: `decimal` parses Rust-style digits.
fn parse_float<F: Copy + PartialEq + Into<f64>>(
    text: &str,
    type_name: &str,
    decimal: impl Fn(&str) -> Option<F>,
    from_f64: impl Fn(f64) -> F,
    hex_shape: (u32, i64),
) -> PgResult<F> {
    let number = text.trim_start_matches(is_c_space);
    let Some((literal, negative, len)) = scan_number(number) else {
        return Err(invalid_syntax(type_name, text));
    };
    // The error quotes only the number for float8, but everything that follows for float4.
    let quoted = |len: usize| if type_name == "real" { number } else { &number[..len] };
    let magnitude = match literal {
        Literal::Infinity => from_f64(f64::INFINITY),
        Literal::NaN => from_f64(f64::NAN),
        Literal::Hex { mantissa, exponent } => {
            let value = from_f64(hex_value(mantissa, exponent, hex_shape.0, hex_shape.1));
            if value.into().is_infinite() || (value.into() == 0.0 && mantissa != 0) {
                return Err(out_of_range(quoted(len), type_name));
            }
            value
        }
        Literal::Decimal(digits) => {
            let value = decimal(digits).ok_or_else(|| invalid_syntax(type_name, text))?;
            let mantissa = digits.split(['e', 'E']).next().unwrap_or("");
            let is_zero = !mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
            if value.into().is_infinite() || (value.into() == 0.0 && !is_zero) {
                return Err(out_of_range(quoted(len), type_name));
            }
            value
        }
    };
    if !number[len..].chars().all(is_c_space) {
        return Err(invalid_syntax(type_name, text));
    }
    Ok(if negative { from_f64(-magnitude.into()) } else { magnitude })
}

/// Parses a `float8` as PostgreSQL's input function does.
///
/// # Errors
/// `22P02` for malformed text, `22003` for overflow and underflow to zero.
pub(crate) fn parse_float8(text: &str, type_name: &str) -> PgResult<f64> {
    parse_float(text, type_name, |digits| digits.parse().ok(), |value| value, (53, -1074))
}

/// Reads the `float8` at the start of a text, and the blanks around it; answers what follows.
///
/// # Errors
/// `22003` as [`parse_float8`]; `None` when no number starts there.
pub(crate) fn parse_float8_prefix(text: &str) -> PgResult<Option<(f64, &str)>> {
    let number = text.trim_start_matches(is_c_space);
    let Some((_, _, len)) = scan_number(number) else { return Ok(None) };
    let value = parse_float8(&number[..len], "double precision")?;
    Ok(Some((value, number[len..].trim_start_matches(is_c_space))))
}

/// Parses a `float4`; rounds once, from the text.
///
/// # Errors
/// As [`parse_float8`].
pub(crate) fn parse_float4(text: &str) -> PgResult<f32> {
    parse_float(text, "real", |digits| digits.parse().ok(), |value| value as f32, (24, -149))
}

/// Appends a `float8` as the output function prints it.
pub(crate) fn write_float8(value: f64, extra_float_digits: i32, out: &mut Vec<u8>) {
    if write_special(value, out) {
        return;
    }
    if extra_float_digits > 0 {
        write_scientific(&shortest_f64(value), 15, out);
    } else {
        write_general(value, 15 + extra_float_digits, out);
    }
}

/// Appends a `float4` as the output function prints it.
pub(crate) fn write_float4(value: f32, extra_float_digits: i32, out: &mut Vec<u8>) {
    if write_special(f64::from(value), out) {
        return;
    }
    if extra_float_digits > 0 {
        write_scientific(&shortest_f32(value), 6, out);
    } else {
        write_general(f64::from(value), 6 + extra_float_digits, out);
    }
}

/// NaN, infinities and zeros.
fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    let word: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value.is_infinite() {
        if value > 0.0 { b"Infinity" } else { b"-Infinity" }
    } else if value == 0.0 {
        if value.is_sign_negative() { b"-0" } else { b"0" }
    } else {
        return false;
    };
    out.extend_from_slice(word);
    true
}

/// Prints digits as PostgreSQL does: fixed notation for exponents from -4 to below
/// `fixed_limit`, otherwise scientific with at least two exponent digits.
fn write_scientific(number: &Decimal, fixed_limit: i32, out: &mut Vec<u8>) {
    let digits = &number.digits[..number.len];
    let exponent = number.exponent;
    if number.negative {
        out.push(b'-');
    }
    if exponent < -4 || exponent >= fixed_limit {
        write_exponential(digits, exponent, out);
    } else {
        write_fixed(digits, exponent, out);
    }
}

fn write_fixed(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.extend_from_slice(digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.resize(out.len() + whole - digits.len(), b'0');
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_exponential(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.push(b'e');
    out.push(if exponent < 0 { b'-' } else { b'+' });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    crate::integer::write_int(i64::from(exponent.abs()), out);
}

/// C's `%.{precision}g`.
pub(crate) fn write_general(value: f64, precision: i32, out: &mut Vec<u8>) {
    let precision = precision.max(1);
    let mut number = Decimal::parse(format_args!("{value:.*e}", (precision - 1) as usize));
    while number.len > 1 && number.digits[number.len - 1] == b'0' {
        number.len -= 1;
    }
    write_scientific(&number, precision, out);
}

/// The text of a `float8` with shortest output, for messages and conversions.
pub(crate) fn general_string(value: f64, precision: i32) -> String {
    let mut out = Vec::new();
    if !write_special(value, &mut out) {
        write_general(value, precision, &mut out);
    }
    String::from_utf8_lossy(&out).into_owned()
}
