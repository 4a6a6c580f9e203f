//! Shortest decimals of floats, by PostgreSQL's rule.
//!
//! Rust's formatter finds the shortest decimal that rounds to the float when halfway cases round
//! to even. PostgreSQL (after Ryu, U. Adams, PLDI 2018) also wants it strictly inside the
//! interval of decimals that belong to the float, because not every `strtod` rounds that way, and
//! prefers an even last digit when two decimals are equally near. The two rules differ only where a decimal
//! hits a bound or a midpoint exactly, which is found out with integer arithmetic.

/// A decimal: digits without leading zero, and the power of ten of the first digit.
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    pub(crate) digits: [u8; 40],
    pub(crate) len: usize,
    pub(crate) exponent: i32,
}

/// Room for any float in Rust's scientific notation.
struct Scratch {
    bytes: [u8; 64],
    len: usize,
}

impl std::fmt::Write for Scratch {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let end = self.len + part.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl Decimal {
    /// Reads Rust's `d.ddde-n`, of at most 40 digits.
    pub(crate) fn parse(formatted: std::fmt::Arguments<'_>) -> Self {
        let mut scratch = Scratch { bytes: [0; 64], len: 0 };
        std::fmt::write(&mut scratch, formatted).expect("the formatted float fits");
        let text = &scratch.bytes[..scratch.len];
        let mut decimal = Decimal { negative: false, digits: [0; 40], len: 0, exponent: 0 };
        let mut bytes = text.iter();
        for &byte in bytes.by_ref() {
            match byte {
                b'-' => decimal.negative = true,
                b'.' => {}
                b'e' => break,
                digit => {
                    decimal.digits[decimal.len] = digit;
                    decimal.len += 1;
                }
            }
        }
        let (mut magnitude, mut negative) = (0i32, false);
        for &byte in bytes {
            match byte {
                b'-' => negative = true,
                digit => magnitude = magnitude * 10 + i32::from(digit - b'0'),
            }
        }
        decimal.exponent = if negative { -magnitude } else { magnitude };
        decimal
    }

    /// The first `len` digits as an integer, and the power of ten it is to be scaled by.
    fn integer(&self, len: usize) -> (u64, i32) {
        let value = self.digits[..len].iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        (value, self.exponent - (len as i32 - 1))
    }

    /// Replaces the digits by those of `value * 10^scale`, less trailing zeros.
    fn set_integer(&mut self, value: u64, scale: i32) {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(value).as_bytes();
        self.exponent = scale + text.len() as i32 - 1;
        let kept = text.len() - text.iter().rev().take_while(|digit| **digit == b'0').count();
        self.digits[..kept].copy_from_slice(&text[..kept]);
        self.len = kept;
    }
}

/// A positive float `mantissa * 2^exponent`, and whether the float below is half as far away as
/// the one above.
struct Binary {
    mantissa: u64,
    exponent: i32,
    lower_is_closer: bool,
}

impl Binary {
    fn of_f64(value: f64) -> Self {
        let bits = value.to_bits();
        Self::new(bits & ((1 << 52) - 1), ((bits >> 52) & 0x7FF) as i32, 52, 1075)
    }

    fn of_f32(value: f32) -> Self {
        let bits = value.to_bits();
        Self::new(u64::from(bits & ((1 << 23) - 1)), ((bits >> 23) & 0xFF) as i32, 23, 150)
    }

    fn new(fraction: u64, biased: i32, fraction_bits: u32, bias: i32) -> Self {
        Binary {
            mantissa: if biased == 0 { fraction } else { fraction | (1 << fraction_bits) },
            exponent: biased.max(1) - bias,
            lower_is_closer: fraction == 0 && biased > 1,
        }
    }

    /// True when `decimal * 10^scale` is exactly a bound between this float and a neighbour.
    fn is_bound(&self, decimal: u64, scale: i32) -> bool {
        if equal(decimal, scale, 2 * self.mantissa + 1, self.exponent - 1) {
            return true;
        }
        if self.lower_is_closer {
            equal(decimal, scale, 4 * self.mantissa - 1, self.exponent - 2)
        } else {
            equal(decimal, scale, 2 * self.mantissa - 1, self.exponent - 1)
        }
    }

    /// True when this float is exactly `twice * 10^scale / 2`.
    fn is_half_of(&self, twice: u64, scale: i32) -> bool {
        equal(twice, scale, self.mantissa, self.exponent + 1)
    }
}

/// `decimal * 10^scale == mantissa * 2^exponent`. Both integers are below 2^60; then equality is
/// impossible for larger scales, because a power of five would have to divide one of them.
fn equal(decimal: u64, scale: i32, mantissa: u64, exponent: i32) -> bool {
    if scale.abs() > 27 || decimal == 0 || mantissa == 0 {
        return false;
    }
    let fives = 5u128.pow(scale.unsigned_abs());
    let (left, right) = if scale >= 0 {
        (u128::from(decimal) * fives, u128::from(mantissa))
    } else {
        (u128::from(decimal), u128::from(mantissa) * fives)
    };
    let odd = |value: u128| value >> value.trailing_zeros();
    odd(left) == odd(right)
        && left.trailing_zeros() as i32 + scale == right.trailing_zeros() as i32 + exponent
}

/// The shortest decimal of a finite, non-zero `float8`.
pub(crate) fn shortest_f64(value: f64) -> Decimal {
    let magnitude = value.abs();
    let mut decimal = Decimal::parse(format_args!("{value:e}"));
    adjust(
        &mut decimal,
        &Binary::of_f64(magnitude),
        17,
        |digits, scale| format!("{digits}e{scale}").parse::<f64>() == Ok(magnitude),
        || Decimal::parse(format_args!("{magnitude:.35e}")),
    );
    decimal
}

/// The shortest decimal of a finite, non-zero `float4`.
pub(crate) fn shortest_f32(value: f32) -> Decimal {
    let magnitude = value.abs();
    let mut decimal = Decimal::parse(format_args!("{value:e}"));
    adjust(
        &mut decimal,
        &Binary::of_f32(magnitude),
        9,
        |digits, scale| format!("{digits}e{scale}").parse::<f32>() == Ok(magnitude),
        || Decimal::parse(format_args!("{magnitude:.35e}")),
    );
    decimal
}

/// Turns Rust's shortest decimal into PostgreSQL's where the two rules differ.
fn adjust(
    decimal: &mut Decimal,
    binary: &Binary,
    most_digits: usize,
    reads_back: impl Fn(u64, i32) -> bool,
    expansion: impl Fn() -> Decimal,
) {
    let (digits, scale) = decimal.integer(decimal.len);
    let is_inside = |digits: u64, scale: i32| reads_back(digits, scale) && !binary.is_bound(digits, scale);
    if binary.is_bound(digits, scale) {
        let exact = expansion();
        for len in decimal.len..=most_digits {
            let (below, scale) = exact.integer(len);
            let (low, high) = (is_inside(below, scale), is_inside(below + 1, scale));
            if low || high {
                // Up when only that is inside, or nearer, or equally near and even.
                let upper_half = exact.digits[len] >= b'5';
                let tie = binary.is_half_of(2 * below + 1, scale);
                let up = high && (!low || if tie { below % 2 == 1 } else { upper_half });
                decimal.set_integer(below + u64::from(up), scale);
                return;
            }
        }
        return;
    }
    let other = if binary.is_half_of(2 * digits + 1, scale) {
        digits + 1
    } else if binary.is_half_of(2 * digits - 1, scale) {
        digits - 1
    } else {
        return;
    };
    if other % 2 == 0 && is_inside(other, scale) {
        decimal.set_integer(other, scale);
    }
}
