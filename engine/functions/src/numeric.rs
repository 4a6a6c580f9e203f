//! `numeric`: arbitrary precision decimals with a display scale, NaN and infinities.
//!
//! This module holds the value and its order; formats are in `numeric_io`, the rules of
//! arithmetic in `numeric_arith`, roots and logarithms in `numeric_math`, SQL functions in
//! `numeric_ops`.

use redoubt_error::{PgError, PgResult, code};
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Base of the digits.
pub(crate) const BASE: i32 = 10_000;

/// Decimal digits in one digit.
pub(crate) const DEC_DIGITS: i32 = 4;

/// The greatest number of decimals that a result keeps (`NUMERIC_DSCALE_MAX`).
pub(crate) const MAX_STORED_SCALE: i32 = 16_383;

/// The greatest weight of a first digit (`NUMERIC_WEIGHT_MAX`).
pub(crate) const MAX_WEIGHT: i32 = 32_767;

/// The greatest precision and scale that can be declared, and the greatest scale that division
/// and other inexact functions choose by themselves.
pub(crate) const MAX_PRECISION: i32 = 1000;

/// Inexact functions give at least that many significant digits.
pub(crate) const MIN_SIGNIFICANT_DIGITS: i32 = 16;

/// Base-10000 digits, most significant first, each 0 to 9999.
pub(crate) type Digits = SmallVec<[i16; 8]>;

/// What kind of number it is, in PostgreSQL's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    NegInf,
    /// Below zero.
    Negative,
    /// Zero or above.
    Positive,
    PosInf,
    /// Greater than everything.
    NaN,
}

/// A `numeric` value.
///
/// Digits carry neither leading nor trailing zeros; zero has none at all. The value is
/// `sum(digits[i] * 10000^(weight - i))`.
#[derive(Clone, Debug)]
pub struct Numeric {
    pub(crate) kind: Kind,
    /// Decimal digits shown after the point. Only intermediate results have a negative one.
    pub(crate) dscale: i32,
    /// Power of 10000 of the first digit.
    pub(crate) weight: i32,
    pub(crate) digits: Digits,
}

/// `22003` for a number that does not fit PostgreSQL's storage format.
#[cold]
pub(crate) fn format_overflow() -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

impl Numeric {
    /// Zero without decimals.
    pub fn zero() -> Self {
        Numeric { kind: Kind::Positive, dscale: 0, weight: 0, digits: Digits::new() }
    }

    /// Zero that shows `dscale` decimals.
    pub(crate) fn zero_with_scale(dscale: i32) -> Self {
        Numeric { dscale, ..Self::zero() }
    }

    /// One.
    pub(crate) fn one() -> Self {
        Numeric::from(1)
    }

    /// Not a number.
    pub fn nan() -> Self {
        Numeric { kind: Kind::NaN, ..Self::zero() }
    }

    /// Infinity, positive or negative.
    pub fn infinity(negative: bool) -> Self {
        Numeric { kind: if negative { Kind::NegInf } else { Kind::PosInf }, ..Self::zero() }
    }

    /// True for zero, whatever its scale.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty() && self.is_finite()
    }

    /// Neither NaN nor infinite.
    pub fn is_finite(&self) -> bool {
        matches!(self.kind, Kind::Negative | Kind::Positive)
    }

    /// Not a number.
    pub fn is_nan(&self) -> bool {
        self.kind == Kind::NaN
    }

    /// Infinite, positive or negative.
    pub fn is_infinite(&self) -> bool {
        matches!(self.kind, Kind::NegInf | Kind::PosInf)
    }

    /// -1, 0 or 1; 0 for NaN.
    pub(crate) fn signum(&self) -> i32 {
        match self.kind {
            Kind::NegInf | Kind::Negative => -1,
            Kind::Positive if self.digits.is_empty() => 0,
            Kind::Positive | Kind::PosInf => 1,
            Kind::NaN => 0,
        }
    }

    /// Without fractional digits other than zeros.
    pub(crate) fn is_integral(&self) -> bool {
        self.is_finite() && self.digits.len() as i32 <= self.weight + 1
    }

    /// An odd integer; only meaningful when [`Numeric::is_integral`].
    pub(crate) fn is_odd(&self) -> bool {
        self.digits.len() as i32 == self.weight + 1 && self.digits.last().is_some_and(|digit| digit & 1 == 1)
    }

    /// The negation. NaN stays NaN.
    pub fn negated(mut self) -> Self {
        self.kind = match self.kind {
            Kind::NegInf => Kind::PosInf,
            Kind::PosInf => Kind::NegInf,
            Kind::Positive if !self.digits.is_empty() => Kind::Negative,
            Kind::Negative => Kind::Positive,
            same => same,
        };
        self
    }

    /// The absolute value.
    pub fn abs(self) -> Self {
        if matches!(self.kind, Kind::NegInf | Kind::Negative) { self.negated() } else { self }
    }

    /// The same value showing another number of decimals; digits are not touched.
    pub(crate) fn with_dscale(mut self, dscale: i32) -> Self {
        self.dscale = dscale;
        self
    }

    /// A finite number out of raw digits, which may have zeros at both ends.
    pub(crate) fn from_parts(negative: bool, weight: i32, dscale: i32, digits: Digits) -> Self {
        let mut value = Numeric { kind: Kind::Positive, dscale, weight, digits };
        value.strip();
        if negative && !value.digits.is_empty() {
            value.kind = Kind::Negative;
        }
        value
    }

    /// Removes zeros at both ends and brings zero into its one form.
    pub(crate) fn strip(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        if leading > 0 {
            self.digits.drain(..leading);
            self.weight -= leading as i32;
        }
        if self.digits.is_empty() {
            self.weight = 0;
            if self.kind == Kind::Negative {
                self.kind = Kind::Positive;
            }
        }
    }

    /// Checks a result against the limits of PostgreSQL's storage format.
    ///
    /// # Errors
    /// `22003` when it is too large or has too many decimals.
    pub(crate) fn checked(self) -> PgResult<Self> {
        if self.weight > MAX_WEIGHT || self.weight < -MAX_WEIGHT - 1 || self.dscale > MAX_STORED_SCALE {
            return Err(format_overflow());
        }
        Ok(self)
    }

    /// Rounds half away from zero to `scale` decimals, which may be negative.
    pub(crate) fn rounded(mut self, scale: i32) -> Self {
        self.cut(scale, true);
        self
    }

    /// Truncates towards zero to `scale` decimals, which may be negative.
    pub(crate) fn truncated(mut self, scale: i32) -> Self {
        self.cut(scale, false);
        self
    }

    /// Drops decimals beyond `scale` and sets the display scale.
    fn cut(&mut self, scale: i32, round: bool) {
        if !self.is_finite() {
            return;
        }
        self.dscale = scale;
        let kept = (i64::from(self.weight) + 1) * i64::from(DEC_DIGITS) + i64::from(scale);
        if kept < 0 || self.digits.is_empty() {
            self.digits.clear();
            self.strip();
            return;
        }
        let (whole, part) = ((kept / 4) as usize, (kept % 4) as u32);
        if whole >= self.digits.len() {
            return;
        }
        let unit = 10i32.pow(4 - part);
        let digit = i32::from(self.digits[whole]);
        let carries = round && digit % unit >= unit / 2;
        self.digits.truncate(whole);
        if part > 0 {
            let mut last = digit - digit % unit;
            if carries {
                last += unit;
            }
            // May be 10000; the carry loop below mends it.
            self.digits.push(last as i16);
            if last == BASE {
                self.digits.pop();
                self.digits.push(0);
                self.increment(whole);
            }
        } else if carries {
            self.increment(whole);
        }
        self.strip();
    }

    /// Adds one to the digit before position `end`, carrying as far as needed.
    fn increment(&mut self, end: usize) {
        for digit in self.digits[..end].iter_mut().rev() {
            if i32::from(*digit) + 1 < BASE {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
        self.weight += 1;
    }

    /// The number of decimals needed to show every digit that is not zero.
    pub(crate) fn min_scale(&self) -> i32 {
        let Some(&last) = self.digits.last() else { return 0 };
        let scale = (self.digits.len() as i32 - 1 - self.weight) * DEC_DIGITS;
        if scale <= 0 {
            return 0;
        }
        let zeros = if last % 1000 == 0 {
            3
        } else if last % 100 == 0 {
            2
        } else {
            i32::from(last % 10 == 0)
        };
        scale - zeros
    }

    /// Compares magnitudes of finite numbers.
    pub(crate) fn cmp_abs(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits)),
        }
    }

    /// Appends the memory-comparable key: class, weight, digits one higher, and a zero to end
    /// them; all of it complemented for negative numbers.
    pub(crate) fn encode_key(&self, out: &mut Vec<u8>) {
        let class = match self.kind {
            Kind::NegInf => 1,
            Kind::Negative => 2,
            Kind::Positive if self.digits.is_empty() => 3,
            Kind::Positive => 4,
            Kind::PosInf => 5,
            Kind::NaN => 6,
        };
        out.push(class);
        if !matches!(class, 2 | 4) {
            return;
        }
        let start = out.len();
        out.extend_from_slice(&(self.weight as u32 ^ 0x8000_0000).to_be_bytes());
        for digit in &self.digits {
            out.extend_from_slice(&(*digit as u16 + 1).to_be_bytes());
        }
        out.extend_from_slice(&[0, 0]);
        if class == 2 {
            for byte in &mut out[start..] {
                *byte = !*byte;
            }
        }
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Self::from_u128(value < 0, u128::from(value.unsigned_abs()))
    }
}

impl From<i32> for Numeric {
    fn from(value: i32) -> Self {
        Numeric::from(i64::from(value))
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Self {
        Self::from_u128(value < 0, value.unsigned_abs())
    }
}

impl Numeric {
    fn from_u128(negative: bool, mut rest: u128) -> Self {
        let mut digits = Digits::new();
        // Most numbers fit a machine word, which divides much faster.
        while rest > u128::from(u64::MAX) {
            digits.push((rest % BASE as u128) as i16);
            rest /= BASE as u128;
        }
        let mut rest = rest as u64;
        while rest != 0 {
            digits.push((rest % BASE as u64) as i16);
            rest /= BASE as u64;
        }
        digits.reverse();
        let weight = digits.len() as i32 - 1;
        Self::from_parts(negative, weight, 0, digits)
    }

    /// The value rounded to an integer, if it fits.
    pub(crate) fn to_i128(&self) -> Option<i128> {
        if !self.is_finite() {
            return None;
        }
        let rounded = self.clone().rounded(0);
        if rounded.weight > 10 {
            return None;
        }
        let mut value = 0i128;
        for at in 0..=rounded.weight {
            let digit = rounded.digits.get(at as usize).copied().unwrap_or(0);
            value = value.checked_mul(BASE as i128)?.checked_add(i128::from(digit))?;
        }
        if rounded.digits.is_empty() {
            return Some(0);
        }
        Some(if rounded.kind == Kind::Negative { -value } else { value })
    }

    /// The value rounded to an integer, if it fits in 64 bits.
    pub(crate) fn to_i64(&self) -> Option<i64> {
        self.to_i128().and_then(|value| i64::try_from(value).ok())
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// PostgreSQL's order: -Infinity, finite numbers, Infinity, NaN. Scale does not matter.
impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| match self.kind {
            Kind::Positive => self.cmp_abs(other),
            Kind::Negative => other.cmp_abs(self),
            _ => Ordering::Equal,
        })
    }
}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        if !self.digits.is_empty() {
            self.weight.hash(state);
            self.digits.hash(state);
        }
    }
}

impl Numeric {
    /// The number as a count of `10^-scale` with `scale` its display scale, when both are small.
    pub(crate) fn to_units(&self) -> Option<(i128, i32)> {
        let last_weight = self.weight - self.digits.len() as i32 + 1;
        if !(0..=24).contains(&self.dscale) || self.digits.len() > 6 || self.weight > 5 || last_weight < -6 {
            return None;
        }
        let whole = self.digits.iter().fold(0i128, |value, digit| value * BASE as i128 + i128::from(*digit));
        let shift = last_weight * DEC_DIGITS + self.dscale;
        let units = if shift >= 0 {
            whole.checked_mul(10i128.checked_pow(shift as u32)?)?
        } else {
            // The digits below the scale are zeros.
            whole / 10i128.pow(shift.unsigned_abs())
        };
        Some((if self.kind == Kind::Negative { -units } else { units }, self.dscale))
    }

    /// `units * 10^-scale`, showing `scale` decimals.
    pub(crate) fn from_units(units: i128, scale: i32) -> Self {
        // Shift by powers of ten to a whole number of base-10000 digits.
        let padding = (-scale).rem_euclid(DEC_DIGITS);
        let factor = 10i128.pow(padding as u32);
        let weight_shift = (scale + padding) / DEC_DIGITS;
        let mut value = match units.checked_mul(factor) {
            Some(units) => Numeric::from(units),
            None => Numeric::from(units).mul_finite(&Numeric::from(factor)),
        };
        if !value.digits.is_empty() {
            value.weight -= weight_shift;
        }
        value.dscale = scale;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_round_trip() {
        for text in
            ["0", "0.00", "1", "-1.5", "123456789.123456789", "10000", "0.0001", "-99999999.0000", "1e20"]
        {
            let number = crate::numeric_io::parse(text).unwrap();
            let (units, scale) = number.to_units().unwrap();
            let back = Numeric::from_units(units, scale);
            assert_eq!(back.to_string(), number.to_string());
            assert_eq!(back, number);
        }
        assert_eq!(Numeric::from_units(i128::MAX, 3).to_string(), "170141183460469231731687303715884105.727");
    }
}
