//! `numeric`: text and binary formats, type modifiers, conversions from and to other types.

use crate::binary::BinaryReader;
use crate::io::{TypeIo, invalid_syntax};
use crate::numeric::{
    BASE, DEC_DIGITS, Digits, Kind, MAX_PRECISION, MAX_STORED_SCALE, Numeric, format_overflow,
};
use crate::text::is_c_space;
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, code};

/// `numeric`.
pub(crate) static NUMERIC_IO: TypeIo = TypeIo {
    input: |text, typmod, _| Ok(Datum::numeric(parse(text)?.coerced(typmod)?)),
    output,
    recv: |bytes, typmod, _| Ok(Datum::numeric(receive(bytes)?.coerced(typmod)?)),
    send,
};

const SIGN_NEGATIVE: u16 = 0x4000;
const SIGN_NAN: u16 = 0xC000;
const SIGN_POS_INF: u16 = 0xD000;
const SIGN_NEG_INF: u16 = 0xF000;

fn output(datum: &Datum, _env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    datum.as_numeric()?.write(out);
    Ok(())
}

fn send(datum: &Datum, _env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let value = datum.as_numeric()?;
    let sign = match value.kind {
        Kind::Positive => 0,
        Kind::Negative => SIGN_NEGATIVE,
        Kind::NaN => SIGN_NAN,
        Kind::PosInf => SIGN_POS_INF,
        Kind::NegInf => SIGN_NEG_INF,
    };
    out.extend_from_slice(&(value.digits.len() as u16).to_be_bytes());
    out.extend_from_slice(&(value.weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    // Infinities carry the scale field's maximum in PostgreSQL's binary form.
    let dscale = if value.is_infinite() { 0x20 } else { value.dscale as u16 };
    out.extend_from_slice(&dscale.to_be_bytes());
    for digit in &value.digits {
        out.extend_from_slice(&digit.to_be_bytes());
    }
    Ok(())
}

fn receive(bytes: &[u8]) -> PgResult<Numeric> {
    let malformed = |what: &str| {
        PgError::new(
            code::INVALID_BINARY_REPRESENTATION,
            format!("invalid {what} in external \"numeric\" value"),
        )
    };
    let mut reader = BinaryReader::new(bytes);
    let count = reader.i16()? as u16;
    let weight = i32::from(reader.i16()?);
    let sign = reader.i16()? as u16;
    let dscale = reader.i16()? as u16;
    let special = match sign {
        0 | SIGN_NEGATIVE => None,
        SIGN_NAN => Some(Numeric::nan()),
        SIGN_POS_INF => Some(Numeric::infinity(false)),
        SIGN_NEG_INF => Some(Numeric::infinity(true)),
        _ => return Err(malformed("sign")),
    };
    if i32::from(dscale) > MAX_STORED_SCALE {
        return Err(malformed("scale"));
    }
    let mut digits = Digits::with_capacity(usize::from(count).min(reader.remaining() / 2));
    for _ in 0..count {
        let digit = reader.i16()?;
        if !(0..BASE as i16).contains(&digit) {
            return Err(malformed("digit"));
        }
        digits.push(digit);
    }
    reader.finish()?;
    if let Some(special) = special {
        return Ok(special);
    }
    let value = Numeric::from_parts(sign == SIGN_NEGATIVE, weight, i32::from(dscale), digits);
    value.truncated(i32::from(dscale)).checked()
}

/// Parses a number, or `NaN`, `Infinity`, `inf` with a sign, between blanks.
///
/// # Errors
/// `22P02` for malformed text, `22003` when it does not fit the storage format.
pub(crate) fn parse(text: &str) -> PgResult<Numeric> {
    let trimmed = text.trim_matches(is_c_space);
    let (negative, body) = match trimmed.as_bytes() {
        [b'-', ..] => (true, &trimmed[1..]),
        [b'+', ..] => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    if body.eq_ignore_ascii_case("infinity") || body.eq_ignore_ascii_case("inf") {
        return Ok(Numeric::infinity(negative));
    }
    if trimmed.eq_ignore_ascii_case("nan") {
        return Ok(Numeric::nan());
    }
    parse_digits(body.as_bytes(), negative, text)
}

/// Digits with at most one point and an optional exponent.
fn parse_digits(body: &[u8], negative: bool, text: &str) -> PgResult<Numeric> {
    let malformed = || invalid_syntax("numeric", text);
    let end = body.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(body.len());
    let (mantissa, suffix) = body.split_at(end);
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(end);
    let fraction = mantissa.get(point + 1..).unwrap_or(&[]);
    let starts_with_digit = mantissa.iter().find(|byte| **byte != b'.').is_some();
    if !starts_with_digit || fraction.contains(&b'.') {
        return Err(malformed());
    }
    let exponent = parse_exponent(suffix).map_err(|fault| match fault {
        Exponent::Malformed => malformed(),
        Exponent::TooLarge => format_overflow(),
    })?;
    let dscale = (fraction.len() as i64 - i64::from(exponent)).max(0);
    // Decimal weight of the first digit given, then its place within a base-10000 digit.
    let dweight = point as i64 - 1 + i64::from(exponent);
    let weight = dweight.div_euclid(4);
    let mut place = 3 - dweight.rem_euclid(4) as u32;
    let mut digits = Digits::with_capacity(mantissa.len() / 4 + 2);
    let mut digit = 0i16;
    for byte in mantissa.iter().filter(|byte| **byte != b'.') {
        digit = digit * 10 + i16::from(byte - b'0');
        place += 1;
        if place == 4 {
            digits.push(digit);
            (digit, place) = (0, 0);
        }
    }
    if place > 0 {
        digits.push(digit * 10i16.pow(4 - place));
    }
    let limit = |value: i64| i32::try_from(value).map_err(|_| format_overflow());
    Numeric::from_parts(negative, limit(weight)?, limit(dscale)?, digits).checked()
}

/// Why an exponent was refused.
enum Exponent {
    Malformed,
    TooLarge,
}

/// `e` with an optionally signed integer, or nothing at all.
fn parse_exponent(suffix: &[u8]) -> Result<i32, Exponent> {
    let [b'e' | b'E', rest @ ..] = suffix else {
        return if suffix.is_empty() { Ok(0) } else { Err(Exponent::Malformed) };
    };
    // C's strtol, which reads the exponent, skips blanks before it.
    let rest = rest.trim_ascii_start();
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let run = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if run == 0 {
        return Err(Exponent::Malformed);
    }
    let magnitude = digits[..run]
        .iter()
        .try_fold(0i64, |value, digit| {
            let value = value * 10 + i64::from(digit - b'0');
            (value < 1 << 40).then_some(value)
        })
        .unwrap_or(1 << 40);
    if magnitude >= i64::from(i32::MAX / 2) {
        return Err(Exponent::TooLarge);
    }
    if run != digits.len() {
        return Err(Exponent::Malformed);
    }
    Ok(if negative { -(magnitude as i32) } else { magnitude as i32 })
}

/// A declared precision and scale packed into a type modifier.
pub(crate) fn pack_typmod(precision: i32, scale: i32) -> i32 {
    ((precision << 16) | (scale & 0x7FF)) + 4
}

/// Precision and scale of a type modifier, or `None` when nothing is declared.
pub(crate) fn unpack_typmod(typmod: i32) -> Option<(i32, i32)> {
    if typmod < 4 {
        return None;
    }
    let packed = typmod - 4;
    Some(((packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024))
}

impl Numeric {
    /// Applies `numeric(precision, scale)`: rounds to the scale and checks the precision.
    ///
    /// # Errors
    /// `22003` when the number does not fit.
    pub(crate) fn coerced(self, typmod: i32) -> PgResult<Self> {
        let Some((precision, scale)) = unpack_typmod(typmod) else { return Ok(self) };
        let overflow = |detail: String| {
            PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail)
        };
        if self.is_infinite() {
            return Err(overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            )));
        }
        if self.is_nan() {
            return Ok(self);
        }
        let rounded = self.rounded(scale).with_dscale(scale.max(0));
        let max_digits = precision - scale;
        if !rounded.digits.is_empty() && rounded.whole_digits() > max_digits {
            let limit = if max_digits == 0 { "1".to_owned() } else { format!("10^{max_digits}") };
            return Err(overflow(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
            )));
        }
        Ok(rounded)
    }

    /// Decimal digits before the point, counted from the first that is not zero; negative for
    /// small fractions.
    fn whole_digits(&self) -> i32 {
        let first = self.digits.first().copied().unwrap_or(0);
        let leading = match first {
            0..10 => 3,
            10..100 => 2,
            100..1000 => 1,
            _ => 0,
        };
        (self.weight + 1) * DEC_DIGITS - leading
    }

    /// Appends the text form, with exactly `dscale` decimals.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self.kind {
            Kind::NaN => return out.extend_from_slice(b"NaN"),
            Kind::PosInf => return out.extend_from_slice(b"Infinity"),
            Kind::NegInf => return out.extend_from_slice(b"-Infinity"),
            Kind::Negative => out.push(b'-'),
            Kind::Positive => {}
        }
        let digit = |weight: i32| {
            usize::try_from(self.weight - weight)
                .ok()
                .and_then(|at| self.digits.get(at))
                .copied()
                .unwrap_or(0)
        };
        if self.weight < 0 || self.digits.is_empty() {
            out.push(b'0');
        } else {
            crate::integer::write_int(i64::from(digit(self.weight)), out);
            for weight in (0..self.weight).rev() {
                push_digit(digit(weight), 4, out);
            }
        }
        if self.dscale > 0 {
            out.push(b'.');
            let (mut weight, mut left) = (-1, self.dscale);
            while left > 0 {
                push_digit(digit(weight), left.min(DEC_DIGITS), out);
                weight -= 1;
                left -= DEC_DIGITS;
            }
        }
    }

    /// The nearest double, going through text as PostgreSQL does; infinite when out of range.
    pub(crate) fn to_f64_lossy(&self) -> f64 {
        match self.kind {
            Kind::NaN => f64::NAN,
            Kind::PosInf => f64::INFINITY,
            Kind::NegInf => f64::NEG_INFINITY,
            _ => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).map_err(|_| std::fmt::Error)?)
    }
}

/// The first `count` decimal digits of a base-10000 digit.
fn push_digit(digit: i16, count: i32, out: &mut Vec<u8>) {
    let mut unit = 1000;
    for _ in 0..count {
        out.push(b'0' + (digit / unit % 10) as u8);
        unit /= 10;
    }
}

/// `numeric(precision, scale)` as a type modifier.
///
/// # Errors
/// `22023`.
pub(crate) fn typmod_in(modifiers: &[i32]) -> PgResult<i32> {
    let bad = |message: String| PgError::new(code::INVALID_PARAMETER_VALUE, message);
    let (precision, scale) = match *modifiers {
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return Err(bad("invalid NUMERIC type modifier".to_owned())),
    };
    if !(1..=MAX_PRECISION).contains(&precision) {
        return Err(bad(format!("NUMERIC precision {precision} must be between 1 and {MAX_PRECISION}")));
    }
    if !(-MAX_PRECISION..=MAX_PRECISION).contains(&scale) {
        return Err(bad(format!(
            "NUMERIC scale {scale} must be between -{MAX_PRECISION} and {MAX_PRECISION}"
        )));
    }
    Ok(pack_typmod(precision, scale))
}

/// The text of a type modifier: `(10,2)`.
pub(crate) fn typmod_out(typmod: i32) -> String {
    unpack_typmod(typmod).map_or_else(String::new, |(precision, scale)| format!("({precision},{scale})"))
}
