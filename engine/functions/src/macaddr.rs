//! `macaddr` and `macaddr8`.

use crate::args::{FromDatum, IntoDatum, builtins};
use crate::compare::generic as op;
use crate::io::{TypeIo, invalid_syntax};
use crate::text::is_c_space;
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, code};

/// Six bytes as an argument or result.
type Mac = [u8; 6];
/// Eight bytes as an argument or result.
type Mac8 = [u8; 8];

/// `macaddr`
pub(crate) static MACADDR_IO: TypeIo = TypeIo {
    input: |text, _, _| parse(text)?.into_datum(),
    output: |datum, _, out| {
        write(&Mac::from_datum(datum)?, out);
        Ok(())
    },
    recv: |bytes, _, _| match Mac::try_from(bytes) {
        Ok(value) => value.into_datum(),
        Err(_) => Err(crate::integer::wrong_length(bytes.len(), 6)),
    },
    send: |datum, _, out| {
        out.extend(Mac::from_datum(datum)?);
        Ok(())
    },
};

/// `macaddr8`
pub(crate) static MACADDR8_IO: TypeIo = TypeIo {
    input: |text, _, _| parse8(text).ok_or_else(|| invalid_syntax("macaddr8", text))?.into_datum(),
    output: |datum, _, out| {
        write(&Mac8::from_datum(datum)?, out);
        Ok(())
    },
    recv: receive8,
    send: |datum, _, out| {
        out.extend(Mac8::from_datum(datum)?);
        Ok(())
    },
};

fn receive8(bytes: &[u8], _: i32, _: &dyn Env) -> PgResult<Datum> {
    if let Ok(short) = Mac::try_from(bytes) {
        return widen(short).into_datum();
    }
    match Mac8::try_from(bytes) {
        Ok(value) => value.into_datum(),
        Err(_) => Err(crate::integer::wrong_length(bytes.len(), 8)),
    }
}

fn write(bytes: &[u8], out: &mut Vec<u8>) {
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            out.push(b':');
        }
        crate::encoding::hex_encode(&[*byte], out);
    }
}

/// The notations of a `macaddr`: how many digits a number may have, and what stands between two numbers.
const NOTATIONS: [(usize, [&str; 5]); 7] = [
    (usize::MAX, [":"; 5]),
    (usize::MAX, ["-"; 5]),
    (2, ["", "", ":", "", ""]),
    (2, ["", "", "-", "", ""]),
    (2, ["", ".", "", ".", ""]),
    (2, ["", "-", "", "-", ""]),
    (2, [""; 5]),
];

fn parse(text: &str) -> PgResult<Mac> {
    let found = NOTATIONS.iter().find_map(|(width, between)| scan(text, *width, between));
    let numbers = found.ok_or_else(|| invalid_syntax("macaddr", text))?;
    let mut value = Mac::default();
    for (byte, number) in value.iter_mut().zip(numbers) {
        *byte = u8::try_from(number).map_err(|_| {
            let message = format!("invalid octet value in \"macaddr\" value: \"{text}\"");
            PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message)
        })?;
    }
    Ok(value)
}

/// Six hexadecimal numbers, each after optional blanks, and nothing behind them but blanks.
fn scan(text: &str, width: usize, between: &[&str; 5]) -> Option<[u32; 6]> {
    let mut rest = text;
    let mut numbers = [0; 6];
    for (at, number) in numbers.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(between[at - 1])?;
        }
        rest = rest.trim_start_matches(is_c_space);
        let len = rest.bytes().take(width).take_while(u8::is_ascii_hexdigit).count();
        // More digits than any byte has still make a number, of which the low bits are kept.
        *number = match &rest[..len] {
            "" => return None,
            digits => digits.bytes().fold(0_u32, |number, digit| {
                number.wrapping_mul(16).wrapping_add(char::from(digit).to_digit(16).unwrap_or(0))
            }),
        };
        rest = &rest[len..];
    }
    rest.chars().all(is_c_space).then_some(numbers)
}

/// Pairs of digits, with one kind of separator or none; six pairs are widened to eight.
fn parse8(text: &str) -> Option<Mac8> {
    let mut rest = text.trim_start_matches(is_c_space);
    let mut bytes = Vec::with_capacity(8);
    let mut separator = None;
    while rest.len() >= 2 {
        let pair = rest.get(..2)?;
        if bytes.len() == 8 || !pair.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
        rest = &rest[2..];
        if let Some(found) = rest.chars().next().filter(|c| matches!(c, ':' | '-' | '.')) {
            if *separator.get_or_insert(found) != found {
                return None;
            }
            rest = &rest[1..];
        }
        if matches!(bytes.len(), 6 | 8) && rest.starts_with(is_c_space) {
            rest = rest.trim_start_matches(is_c_space);
            if !rest.is_empty() {
                return None;
            }
        }
    }
    match bytes.len() {
        6 => Some(widen(bytes.try_into().ok()?)),
        _ => bytes.try_into().ok(),
    }
}

fn widen(mac: Mac) -> Mac8 {
    [mac[0], mac[1], mac[2], 0xFF, 0xFE, mac[3], mac[4], mac[5]]
}

fn narrow(mac: Mac8) -> PgResult<Mac> {
    if mac[3..5] == [0xFF, 0xFE] {
        return Ok([mac[0], mac[1], mac[2], mac[5], mac[6], mac[7]]);
    }
    let message = "macaddr8 data out of range to convert to macaddr";
    Err(PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message).hint(
        "Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example \
         xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.",
    ))
}

fn not<const N: usize>(mac: [u8; N]) -> [u8; N] {
    mac.map(|byte| !byte)
}

fn and<const N: usize>(a: [u8; N], b: [u8; N]) -> [u8; N] {
    std::array::from_fn(|at| a[at] & b[at])
}

fn or<const N: usize>(a: [u8; N], b: [u8; N]) -> [u8; N] {
    std::array::from_fn(|at| a[at] | b[at])
}

/// Keeps the manufacturer's three bytes.
fn trunc<const N: usize>(mac: [u8; N]) -> [u8; N] {
    std::array::from_fn(|at| if at < 3 { mac[at] } else { 0 })
}

/// Sets the bit that marks a modified EUI-64.
fn set7bit(mut mac: Mac8) -> Mac8 {
    mac[0] |= 0x02;
    mac
}

builtins! {
    "macaddr_cmp" = op::cmp::<Mac>: 2;
    "macaddr_eq" = op::eq::<Mac>: 2;
    "macaddr_ne" = op::ne::<Mac>: 2;
    "macaddr_lt" = op::lt::<Mac>: 2;
    "macaddr_le" = op::le::<Mac>: 2;
    "macaddr_gt" = op::gt::<Mac>: 2;
    "macaddr_ge" = op::ge::<Mac>: 2;
    "macaddr_not" = not::<6>: 1;
    "macaddr_and" = and::<6>: 2;
    "macaddr_or" = or::<6>: 2;
    "macaddr_trunc" = trunc::<6>: 1;
    "macaddrtomacaddr8" = widen: 1;
    "macaddr8_cmp" = op::cmp::<Mac8>: 2;
    "macaddr8_eq" = op::eq::<Mac8>: 2;
    "macaddr8_ne" = op::ne::<Mac8>: 2;
    "macaddr8_lt" = op::lt::<Mac8>: 2;
    "macaddr8_le" = op::le::<Mac8>: 2;
    "macaddr8_gt" = op::gt::<Mac8>: 2;
    "macaddr8_ge" = op::ge::<Mac8>: 2;
    "macaddr8_not" = not::<8>: 1;
    "macaddr8_and" = and::<8>: 2;
    "macaddr8_or" = or::<8>: 2;
    "macaddr8_trunc" = trunc::<8>: 1;
    "macaddr8_set7bit" = set7bit: 1;
    "macaddr8tomacaddr" = narrow: 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations() {
        for text in [
            "08:00:2b:01:02:03",
            "08-00-2b-01-02-03",
            "08002b:010203",
            "08002b-010203",
            "0800.2b01.0203",
            "0800-2b01-0203",
            "08002b010203",
            " 8:0:2b:1:2:3 ",
        ] {
            assert_eq!(parse(text).unwrap(), [8, 0, 0x2b, 1, 2, 3], "{text}");
        }
        for text in ["0800:2b01:0203", "not even close", "08:00:2b:01:02:03:04", "108:00:2b:01:02:03"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn notations_of_eight() {
        let wide = [8, 0, 0x2b, 0xff, 0xfe, 1, 2, 3];
        for text in
            ["08:00:2b:01:02:03   ", "    08:00:2b:ff:fe:01:02:03", "08002b:010203", "0800.2bff.fe01.0203"]
        {
            assert_eq!(parse8(text), Some(wide), "{text}");
        }
        for text in [
            "123    08:00:2b:01:02:03",
            "08:00:2b:01.02:03:04:05",
            "08:00:2b:01:02:03:04:05:06",
            "08:00:2b:01:02:0",
            "z8002b010203",
        ] {
            assert_eq!(parse8(text), None, "{text}");
        }
    }
}
