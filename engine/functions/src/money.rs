//! `money`: a number of cents in 64 bits, written with a dollar sign. `lc_monetary` is C.

use crate::args::{FromDatum, IntoDatum, builtins};
use crate::binary::BinaryReader;
use crate::compare::generic as op;
use crate::float_ops;
use crate::integer::value_out_of_range;
use crate::integer_ops::{division_by_zero, out_of_range};
use crate::io::{TypeIo, invalid_syntax};
use crate::numeric::Numeric;
use crate::text::is_c_space;
use redoubt_error::PgResult;

/// Digits behind the decimal point.
const FRACTION_DIGITS: u32 = 2;
const CENTS: i64 = 100;

/// `money`; its values are those of `int8`.
pub(crate) static MONEY_IO: TypeIo = TypeIo {
    input: |text, _, _| parse(text)?.into_datum(),
    output: |datum, _, out| {
        out.extend_from_slice(shown(i64::from_datum(datum)?).as_bytes());
        Ok(())
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let value = reader.i64()?;
        reader.finish()?;
        value.into_datum()
    },
    send: |datum, _, out| {
        out.extend_from_slice(&i64::from_datum(datum)?.to_be_bytes());
        Ok(())
    },
};

fn shown(value: i64) -> String {
    let digits = format!("{:03}", value.unsigned_abs());
    let (whole, cents) = digits.split_at(digits.len() - FRACTION_DIGITS as usize);
    let mut out = String::from(if value < 0 { "-$" } else { "$" });
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out.push('.');
    out + cents
}

/// `[$][-]###[,]###[.##]`; parentheses and a sign behind the digits mean a negative amount too.
fn parse(text: &str) -> PgResult<i64> {
    let overflow = || value_out_of_range(text, "money");
    let spaces_and_symbol = |text: &'_ str| -> usize {
        let rest = text.trim_start_matches(is_c_space);
        let rest = rest.strip_prefix('$').unwrap_or(rest);
        text.len() - rest.trim_start_matches(is_c_space).len()
    };
    let mut rest = &text[spaces_and_symbol(text)..];
    let mut negative = rest.starts_with(['-', '(']);
    if negative || rest.starts_with('+') {
        rest = &rest[1..];
    }
    rest = &rest[spaces_and_symbol(rest)..];
    // The value is built as a negative number, of which there is one more.
    let mut value = 0_i64;
    let mut decimals = None;
    let mut bytes = rest.bytes();
    let mut next = bytes.next();
    while let Some(byte) = next {
        match byte {
            b'0'..=b'9' if decimals.is_none_or(|count| count < FRACTION_DIGITS) => {
                let digit = i64::from(byte - b'0');
                value =
                    value.checked_mul(10).and_then(|value| value.checked_sub(digit)).ok_or_else(overflow)?;
                decimals = decimals.map(|count| count + 1);
            }
            b'.' if decimals.is_none() => decimals = Some(0),
            b',' => {}
            _ => break,
        }
        next = bytes.next();
    }
    if matches!(next, Some(b'5'..=b'9')) {
        value = value.checked_sub(1).ok_or_else(overflow)?;
    }
    for _ in decimals.unwrap_or(0)..FRACTION_DIGITS {
        value = value.checked_mul(10).ok_or_else(overflow)?;
    }
    while matches!(next, Some(b'0'..=b'9')) {
        next = bytes.next();
    }
    while let Some(byte) = next {
        match byte {
            b'-' => negative = true,
            b')' | b'+' | b'$' => {}
            _ if is_c_space(char::from(byte)) => {}
            _ => return Err(invalid_syntax("money", text)),
        }
        next = bytes.next();
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or_else(overflow) }
}

fn add(a: i64, b: i64) -> PgResult<i64> {
    a.checked_add(b).ok_or_else(|| out_of_range("money"))
}

fn subtract(a: i64, b: i64) -> PgResult<i64> {
    a.checked_sub(b).ok_or_else(|| out_of_range("money"))
}

/// A product or quotient, rounded to the even neighbour.
fn rounded(value: f64) -> PgResult<i64> {
    let value = value.round_ties_even();
    // The upper bound is the power of two just beyond the greatest integer.
    if value >= i64::MIN as f64 && value < -(i64::MIN as f64) {
        return Ok(value as i64);
    }
    Err(out_of_range("money"))
}

fn times_float(a: i64, b: f64) -> PgResult<i64> {
    rounded(float_ops::mul(a as f64, b)?)
}

fn float_times(a: f64, b: i64) -> PgResult<i64> {
    times_float(b, a)
}

fn divided_by_float(a: i64, b: f64) -> PgResult<i64> {
    rounded(float_ops::div(a as f64, b)?)
}

fn times_float4(a: i64, b: f32) -> PgResult<i64> {
    times_float(a, b.into())
}

fn float4_times(a: f32, b: i64) -> PgResult<i64> {
    times_float(b, a.into())
}

fn divided_by_float4(a: i64, b: f32) -> PgResult<i64> {
    divided_by_float(a, b.into())
}

fn times<T: Into<i64>>(a: i64, b: T) -> PgResult<i64> {
    a.checked_mul(b.into()).ok_or_else(|| out_of_range("money"))
}

fn times_reversed<T: Into<i64>>(a: T, b: i64) -> PgResult<i64> {
    times(b, a)
}

/// Integer division drops the fraction of a cent.
fn divided<T: Into<i64>>(a: i64, b: T) -> PgResult<i64> {
    match b.into() {
        0 => Err(division_by_zero()),
        b => a.checked_div(b).ok_or_else(|| out_of_range("money")),
    }
}

fn ratio(a: i64, b: i64) -> PgResult<f64> {
    if b == 0 { Err(division_by_zero()) } else { Ok(a as f64 / b as f64) }
}

fn from_integer<T: Into<i64>>(value: T) -> PgResult<i64> {
    value.into().checked_mul(CENTS).ok_or_else(|| out_of_range("bigint"))
}

fn to_numeric(value: i64) -> Numeric {
    Numeric::from_units(value.into(), FRACTION_DIGITS as i32)
}

fn from_numeric(value: &Numeric) -> PgResult<i64> {
    let product = value.times(&Numeric::from(CENTS))?;
    let cast = crate::builtin("numeric_int8").ok_or_else(|| out_of_range("bigint"))?;
    i64::from_datum(&cast(&crate::CallContext::new(&crate::PlainEnv::default()), &[product.into_datum()?])?)
}

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number below 1000 in words.
fn words_below_1000(value: u64) -> String {
    let (hundreds, rest) = ((value / 100) as usize, (value % 100) as usize);
    let tail = match rest {
        0..20 => SMALL[rest].to_owned(),
        _ if rest % 10 == 0 => TENS[rest / 10].to_owned(),
        _ => format!("{} {}", TENS[rest / 10], SMALL[rest % 10]),
    };
    match (hundreds, rest) {
        (0, _) => tail,
        (_, 0) => format!("{} hundred", SMALL[hundreds]),
        (_, 1..20) => format!("{} hundred and {tail}", SMALL[hundreds]),
        _ => format!("{} hundred {tail}", SMALL[hundreds]),
    }
}

fn words(value: i64) -> String {
    const GROUPS: [(u64, &str); 6] = [
        (100_000_000_000_000_000, " quadrillion "),
        (100_000_000_000_000, " trillion "),
        (100_000_000_000, " billion "),
        (100_000_000, " million "),
        (100_000, " thousand "),
        (100, ""),
    ];
    let cents = value.unsigned_abs();
    let mut amount = String::new();
    for (unit, name) in GROUPS {
        let group = cents / unit % 1000;
        if group != 0 {
            amount.push_str(&words_below_1000(group));
            amount.push_str(name);
        }
    }
    if amount.is_empty() {
        amount.push_str("zero");
    }
    let dollars = if cents / 100 == 1 { "dollar" } else { "dollars" };
    let rest = cents % 100;
    let unit = if rest == 1 { "cent" } else { "cents" };
    let sign = if value < 0 { "minus " } else { "" };
    let mut all = format!("{sign}{amount} {dollars} and {} {unit}", words_below_1000(rest));
    all[..1].make_ascii_uppercase();
    all
}

builtins! {
    "cash_cmp" = op::cmp::<i64>: 2;
    "cash_eq" = op::eq::<i64>: 2;
    "cash_ne" = op::ne::<i64>: 2;
    "cash_lt" = op::lt::<i64>: 2;
    "cash_le" = op::le::<i64>: 2;
    "cash_gt" = op::gt::<i64>: 2;
    "cash_ge" = op::ge::<i64>: 2;
    "cashlarger" = op::larger::<i64>: 2;
    "cashsmaller" = op::smaller::<i64>: 2;
    "cash_pl" = add: 2;
    "cash_mi" = subtract: 2;
    "cash_mul_flt8" = times_float: 2;
    "flt8_mul_cash" = float_times: 2;
    "cash_div_flt8" = divided_by_float: 2;
    "cash_mul_flt4" = times_float4: 2;
    "flt4_mul_cash" = float4_times: 2;
    "cash_div_flt4" = divided_by_float4: 2;
    "cash_mul_int8" = times::<i64>: 2;
    "int8_mul_cash" = times_reversed::<i64>: 2;
    "cash_div_int8" = divided::<i64>: 2;
    "cash_mul_int4" = times::<i32>: 2;
    "int4_mul_cash" = times_reversed::<i32>: 2;
    "cash_div_int4" = divided::<i32>: 2;
    "cash_mul_int2" = times::<i16>: 2;
    "int2_mul_cash" = times_reversed::<i16>: 2;
    "cash_div_int2" = divided::<i16>: 2;
    "cash_div_cash" = ratio: 2;
    "cash_words" = words: 1;
    "cash_numeric" = to_numeric: 1;
    "numeric_cash" = from_numeric: 1;
    "int4_cash" = from_integer::<i32>: 1;
    "int8_cash" = from_integer::<i64>: 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms() {
        for (text, expected) in [
            ("1234567890", "$1,234,567,890.00"),
            ("$123.451", "$123.45"),
            ("$123.455", "$123.46"),
            ("-12,345.6", "-$12,345.60"),
            ("(1)", "-$1.00"),
            ("$ 3-", "-$3.00"),
            (".5", "$0.50"),
            ("92233720368547758.07", "$92,233,720,368,547,758.07"),
            ("-92233720368547758.08", "-$92,233,720,368,547,758.08"),
        ] {
            assert_eq!(shown(parse(text).unwrap()), expected, "{text}");
        }
        for text in ["92233720368547758.08", "\\x0001", "1 2x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn in_words() {
        for (cents, expected) in [
            (0, "Zero dollars and zero cents"),
            (123, "One dollar and twenty three cents"),
            (100_00, "One hundred dollars and zero cents"),
            (-110_01, "Minus one hundred and ten dollars and one cent"),
            (120_00, "One hundred twenty dollars and zero cents"),
        ] {
            assert_eq!(words(cents), expected);
        }
    }
}
