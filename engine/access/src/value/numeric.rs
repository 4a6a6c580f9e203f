//! `numeric` in few bytes: PostgreSQL's binary form with its header of eight bytes cut to two where that will do.
//!
//! ```text
//! u8      low 3 bits: sign; high 5 bits: display scale, or 31: a u16 with it follows
//! i8      weight, or -128: an i16 with it follows
//! u16...  digits to base 10000, as in the binary form
//! ```

use std::sync::LazyLock;

use redoubt_error::PgResult;
use redoubt_functions::{Datum, PlainEnv, io, types};

use crate::value::damaged;

/// The binary form's header: digits, weight, sign, display scale; 2 bytes each, big endian.
const HEADER_BYTES: usize = 8;
/// The sign field's values, in the order in which the stored form numbers them.
const SIGNS: [u16; 5] = [0x0000, 0x4000, 0xC000, 0xD000, 0xF000];
const LONG_SCALE: u8 = 31;
const LONG_WEIGHT: i8 = i8::MIN;

/// Numbers ask nothing of their environment, but the functions take one.
static ENV: LazyLock<PlainEnv> = LazyLock::new(PlainEnv::default);

/// Appends the stored form of a `numeric`.
pub(super) fn encode(datum: &Datum, out: &mut Vec<u8>) -> PgResult<()> {
    let start = out.len();
    io::send(datum, types::NUMERIC, &*ENV, out)?;
    let field = |at: usize| u16::from_be_bytes([out[start + at], out[start + at + 1]]);
    let (weight, sign, scale) = (field(2).cast_signed(), field(4), field(6));
    let sign = SIGNS.iter().position(|&known| known == sign).ok_or_else(|| damaged("a sign"))? as u8;
    let mut header = Vec::with_capacity(6);
    match u8::try_from(scale) {
        Ok(scale) if scale < LONG_SCALE => header.push(scale << 3 | sign),
        _ => {
            header.push(LONG_SCALE << 3 | sign);
            header.extend(scale.to_be_bytes());
        }
    }
    match i8::try_from(weight) {
        Ok(weight) if weight != LONG_WEIGHT => header.push(weight.cast_unsigned()),
        _ => {
            header.push(LONG_WEIGHT.cast_unsigned());
            header.extend(weight.to_be_bytes());
        }
    }
    out.splice(start..start + HEADER_BYTES, header);
    Ok(())
}

/// Reads a stored `numeric`.
pub(super) fn decode(bytes: &[u8]) -> PgResult<Datum> {
    let mut rest = bytes;
    let first = byte(&mut rest)?;
    let sign = *SIGNS.get(usize::from(first & 7)).ok_or_else(|| damaged("a sign"))?;
    let scale = match first >> 3 {
        LONG_SCALE => word(&mut rest)?,
        scale => u16::from(scale),
    };
    let weight = match byte(&mut rest)?.cast_signed() {
        LONG_WEIGHT => word(&mut rest)?.cast_signed(),
        weight => i16::from(weight),
    };
    let digits = u16::try_from(rest.len() / 2).map_err(|_| damaged("too many digits"))?;
    let mut whole = Vec::with_capacity(HEADER_BYTES + rest.len());
    whole.extend(digits.to_be_bytes());
    whole.extend(weight.to_be_bytes());
    whole.extend(sign.to_be_bytes());
    whole.extend(scale.to_be_bytes());
    whole.extend_from_slice(rest);
    io::recv(types::NUMERIC, -1, &whole, &*ENV).map_err(|_| damaged("a number"))
}

fn byte(rest: &mut &[u8]) -> PgResult<u8> {
    let (&first, behind) = rest.split_first().ok_or_else(|| damaged("it ends too early"))?;
    *rest = behind;
    Ok(first)
}

fn word(rest: &mut &[u8]) -> PgResult<u16> {
    Ok(u16::from_be_bytes([byte(rest)?, byte(rest)?]))
}

/// A stored `numeric` as a whole number of `10^-scale` and that scale, if it is finite and so small that sums
/// of it stay exact in 128 bits for long: at most 18 decimals, and below `10^20`.
pub(super) fn units(bytes: &[u8]) -> Option<(i128, u32)> {
    let mut rest = bytes;
    let first = byte(&mut rest).ok()?;
    let negative = match SIGNS.get(usize::from(first & 7))? {
        0x0000 => false,
        0x4000 => true,
        _ => return None,
    };
    let scale = u32::from(first >> 3);
    let weight = i32::from(byte(&mut rest).ok()?.cast_signed());
    if scale > 18 || !(-5..=4).contains(&weight) || rest.len() > 2 * 10 {
        return None;
    }
    let mut value = 0i128;
    for digit in rest.chunks_exact(2) {
        let digit = i128::from(u16::from_be_bytes([digit[0], digit[1]]));
        value = value.checked_mul(10_000)?.checked_add(digit)?;
    }
    // The last digit stands for 10000^last.
    let last = weight - (rest.len() / 2) as i32 + 1;
    let shift = last * 4 + scale as i32;
    let units = match shift {
        0.. => value.checked_mul(10i128.checked_pow(shift as u32)?)?,
        // Below the scale there are only zeros.
        _ => value / 10i128.checked_pow(shift.unsigned_abs())?,
    };
    Some((if negative { -units } else { units }, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_number() {
        let check = |text: &str, expect: Option<(i128, u32)>| {
            let datum = io::input(types::NUMERIC, -1, text, &*ENV).unwrap();
            let mut bytes = Vec::new();
            encode(&datum, &mut bytes).unwrap();
            assert_eq!(units(&bytes), expect, "{text}");
        };
        check("0", Some((0, 0)));
        check("0.000", Some((0, 3)));
        check("1.50", Some((150, 2)));
        check("-1.5", Some((-15, 1)));
        check("10000", Some((10_000, 0)));
        check("120000000.00", Some((12_000_000_000, 2)));
        check("-99999999999999999999.5", Some((-999_999_999_999_999_999_995, 1)));
        check("0.000000000000000001", Some((1, 18)));
        check("-0.00012", Some((-12, 5)));
        check("0.0000000000000000001", None);
        check("100000000000000000000", None);
        check("1e300", None);
        check("NaN", None);
        check("-Infinity", None);
    }
}
