//! The rules of arithmetic on `numeric`, with PostgreSQL's result scales.
//!
//! Methods ending in `_finite` take finite numbers only and do not check the storage limits; the
//! others are complete SQL operations.

use crate::integer_ops::division_by_zero;
use crate::numeric::{
    BASE, DEC_DIGITS, Digits, Kind, MAX_PRECISION, MAX_STORED_SCALE, MIN_SIGNIFICANT_DIGITS, Numeric,
};
use redoubt_error::PgResult;
use smallvec::{SmallVec, smallvec};
use std::cmp::Ordering;

impl Numeric {
    /// `self + other`; opposite infinities give NaN.
    ///
    /// # Errors
    /// `22003` when the result does not fit the storage format.
    pub fn plus(&self, other: &Self) -> PgResult<Self> {
        if self.is_finite() && other.is_finite() {
            return self.add_finite(other).checked();
        }
        Ok(match (self.kind, other.kind) {
            (Kind::NaN, _) | (_, Kind::NaN) => Self::nan(),
            (Kind::PosInf, Kind::NegInf) | (Kind::NegInf, Kind::PosInf) => Self::nan(),
            (Kind::PosInf, _) | (_, Kind::PosInf) => Self::infinity(false),
            _ => Self::infinity(true),
        })
    }

    /// `self - other`; equal infinities give NaN.
    ///
    /// # Errors
    /// `22003` when the result does not fit the storage format.
    pub fn minus(&self, other: &Self) -> PgResult<Self> {
        if self.is_finite() && other.is_finite() {
            return self.sub_finite(other).checked();
        }
        self.plus(&other.clone().negated())
    }

    /// `self * other`; zero times infinity gives NaN.
    ///
    /// # Errors
    /// `22003` when the result does not fit the storage format.
    pub fn times(&self, other: &Self) -> PgResult<Self> {
        if self.is_finite() && other.is_finite() {
            let product = self.mul_finite(other);
            if product.dscale > MAX_STORED_SCALE {
                return product.rounded(MAX_STORED_SCALE).checked();
            }
            return product.checked();
        }
        if self.is_nan() || other.is_nan() {
            return Ok(Self::nan());
        }
        Ok(match self.signum() * other.signum() {
            0 => Self::nan(),
            sign => Self::infinity(sign < 0),
        })
    }

    /// The result of dividing when an operand is not finite, or the error for a zero divisor.
    fn special_quotient(&self, other: &Self) -> PgResult<Self> {
        if self.is_nan() || other.is_nan() {
            return Ok(Self::nan());
        }
        if self.is_infinite() {
            if other.is_infinite() {
                return Ok(Self::nan());
            }
            return match other.signum() {
                0 => Err(division_by_zero()),
                sign => Ok(Self::infinity(self.signum() * sign < 0)),
            };
        }
        Ok(Self::zero())
    }

    /// `self / other`, at the scale that [`Numeric::quotient_scale`] chooses.
    ///
    /// # Errors
    /// `22012`, or `22003` when the result does not fit the storage format.
    pub fn divide(&self, other: &Self) -> PgResult<Self> {
        if !self.is_finite() || !other.is_finite() {
            return self.special_quotient(other);
        }
        self.div_finite(other, self.quotient_scale(other), true)?.checked()
    }

    /// The integer part of `self / other`.
    ///
    /// # Errors
    /// As [`Numeric::divide`].
    pub fn divide_truncating(&self, other: &Self) -> PgResult<Self> {
        if !self.is_finite() || !other.is_finite() {
            return self.special_quotient(other);
        }
        self.div_finite(other, 0, false)?.checked()
    }

    /// The remainder of truncating division; it has the dividend's sign.
    ///
    /// # Errors
    /// As [`Numeric::divide`].
    pub fn remainder(&self, other: &Self) -> PgResult<Self> {
        if !self.is_finite() || !other.is_finite() {
            if self.is_nan() || other.is_nan() {
                return Ok(Self::nan());
            }
            if self.is_infinite() {
                return if other.is_zero() { Err(division_by_zero()) } else { Ok(Self::nan()) };
            }
            return Ok(self.clone());
        }
        self.rem_finite(other)?.checked()
    }

    pub(crate) fn rem_finite(&self, other: &Self) -> PgResult<Self> {
        let quotient = self.div_finite(other, 0, false)?;
        let product = other.mul_finite(&quotient).rounded(other.dscale);
        Ok(self.sub_finite(&product))
    }

    /// The scale of a quotient: at least 16 significant digits, as far as the operands' first
    /// digits tell, and not less than either operand's scale.
    pub(crate) fn quotient_scale(&self, other: &Self) -> i32 {
        let first = |value: &Self| value.digits.first().copied().unwrap_or(0);
        let mut weight = self.weight - other.weight;
        if first(self) <= first(other) {
            weight -= 1;
        }
        (MIN_SIGNIFICANT_DIGITS - weight * DEC_DIGITS)
            .max(self.dscale)
            .max(other.dscale)
            .clamp(0, MAX_PRECISION)
    }

    /// Sum of finite numbers; the larger of the two scales.
    pub(crate) fn add_finite(&self, other: &Self) -> Self {
        let dscale = self.dscale.max(other.dscale);
        if self.kind == other.kind {
            return add_magnitudes(self, other, self.kind == Kind::Negative, dscale);
        }
        match self.cmp_abs(other) {
            Ordering::Equal => Self::zero_with_scale(dscale),
            Ordering::Greater => sub_magnitudes(self, other, self.kind == Kind::Negative, dscale),
            Ordering::Less => sub_magnitudes(other, self, other.kind == Kind::Negative, dscale),
        }
    }

    /// Difference of finite numbers; the larger of the two scales.
    pub(crate) fn sub_finite(&self, other: &Self) -> Self {
        let dscale = self.dscale.max(other.dscale);
        if self.kind != other.kind {
            return add_magnitudes(self, other, self.kind == Kind::Negative, dscale);
        }
        match self.cmp_abs(other) {
            Ordering::Equal => Self::zero_with_scale(dscale),
            Ordering::Greater => sub_magnitudes(self, other, self.kind == Kind::Negative, dscale),
            Ordering::Less => sub_magnitudes(other, self, self.kind == Kind::Positive, dscale),
        }
    }

    /// Exact product of finite numbers; the sum of the two scales.
    pub(crate) fn mul_finite(&self, other: &Self) -> Self {
        let dscale = self.dscale + other.dscale;
        if self.digits.is_empty() || other.digits.is_empty() {
            return Self::zero_with_scale(dscale);
        }
        // Products are below 10^8, so that 64 bits take any number of them without carrying.
        let mut sums: SmallVec<[u64; 16]> = smallvec![0; self.digits.len() + other.digits.len()];
        for (i, &a) in self.digits.iter().enumerate() {
            if a != 0 {
                let row = &mut sums[i + 1..i + 1 + other.digits.len()];
                for (sum, &b) in row.iter_mut().zip(&other.digits) {
                    *sum += a as u64 * b as u64;
                }
            }
        }
        let mut carry = 0u64;
        let mut digits: Digits = smallvec![0; sums.len()];
        for (digit, &sum) in digits.iter_mut().zip(&sums).rev() {
            let total = sum + carry;
            *digit = (total % BASE as u64) as i16;
            carry = total / BASE as u64;
        }
        debug_assert_eq!(carry, 0);
        Self::from_parts(self.kind != other.kind, self.weight + other.weight + 1, dscale, digits)
    }

    /// Product rounded to `scale` decimals.
    pub(crate) fn mul_rounded(&self, other: &Self, scale: i32) -> Self {
        let product = self.mul_finite(other);
        if product.dscale > scale { product.rounded(scale) } else { product.with_dscale(scale) }
    }

    /// Quotient of finite numbers, rounded (or truncated) to `scale` decimals.
    ///
    /// # Errors
    /// `22012`.
    pub(crate) fn div_finite(&self, other: &Self, scale: i32, round: bool) -> PgResult<Self> {
        if other.digits.is_empty() {
            return Err(division_by_zero());
        }
        if self.digits.is_empty() {
            return Ok(Self::zero_with_scale(scale));
        }
        // One decimal beyond the scale decides the rounding, because a quotient truncated there
        // rounds half away from zero like the exact one.
        let weight = self.weight - other.weight;
        let fraction_digits = scale.div_euclid(DEC_DIGITS) + 1;
        let count = weight + fraction_digits + 1;
        if count <= 0 {
            return Ok(Self::zero_with_scale(scale));
        }
        let digits = divide_digits(&self.digits, &other.digits, count as usize);
        let mut quotient = Self::from_parts(self.kind != other.kind, weight, scale, digits);
        quotient = if round { quotient.rounded(scale) } else { quotient.truncated(scale) };
        Ok(quotient)
    }

    /// Quotient by a small positive integer, truncated near `scale` decimals; for series.
    pub(crate) fn div_small(&self, divisor: u32, scale: i32) -> Self {
        let count = self.weight + scale.div_euclid(DEC_DIGITS) + 2;
        if self.digits.is_empty() || count <= 0 {
            return Self::zero_with_scale(scale);
        }
        let mut rest = 0u64;
        let mut digits = Digits::with_capacity(count as usize);
        for at in 0..count as usize {
            let value = rest * BASE as u64 + self.digits.get(at).copied().unwrap_or(0) as u64;
            digits.push((value / u64::from(divisor)) as i16);
            rest = value % u64::from(divisor);
        }
        Self::from_parts(self.kind == Kind::Negative, self.weight, scale, digits).rounded(scale)
    }
}

/// Power of 10000 of the last digit.
fn last_weight(value: &Numeric) -> i32 {
    value.weight - value.digits.len() as i32 + 1
}

fn add_magnitudes(a: &Numeric, b: &Numeric, negative: bool, dscale: i32) -> Numeric {
    let negative = |value: &Numeric| negative && !value.digits.is_empty();
    if a.digits.is_empty() || b.digits.is_empty() {
        let value = if a.digits.is_empty() { b } else { a };
        let kind = if negative(value) { Kind::Negative } else { Kind::Positive };
        return Numeric { kind, dscale, weight: value.weight, digits: value.digits.clone() };
    }
    let weight = a.weight.max(b.weight) + 1;
    let last = last_weight(a).min(last_weight(b));
    let mut digits: Digits = smallvec![0; (weight - last + 1) as usize];
    let start = (weight - a.weight) as usize;
    digits[start..start + a.digits.len()].copy_from_slice(&a.digits);
    let start = (weight - b.weight) as usize;
    for (digit, &other) in digits[start..start + b.digits.len()].iter_mut().zip(&b.digits) {
        *digit += other;
    }
    for at in (1..digits.len()).rev() {
        if i32::from(digits[at]) >= BASE {
            digits[at] -= BASE as i16;
            digits[at - 1] += 1;
        }
    }
    Numeric::from_parts(negative(a), weight, dscale, digits)
}

/// `|a| - |b|`, where the first is greater.
fn sub_magnitudes(a: &Numeric, b: &Numeric, negative: bool, dscale: i32) -> Numeric {
    if b.digits.is_empty() {
        let kind = if negative { Kind::Negative } else { Kind::Positive };
        return Numeric { kind, dscale, weight: a.weight, digits: a.digits.clone() };
    }
    let last = last_weight(a).min(last_weight(b));
    let mut digits: Digits = smallvec![0; (a.weight - last + 1) as usize];
    digits[..a.digits.len()].copy_from_slice(&a.digits);
    let start = (a.weight - b.weight) as usize;
    for (digit, &other) in digits[start..start + b.digits.len()].iter_mut().zip(&b.digits) {
        *digit -= other;
    }
    for at in (1..digits.len()).rev() {
        if digits[at] < 0 {
            digits[at] += BASE as i16;
            digits[at - 1] -= 1;
        }
    }
    Numeric::from_parts(negative, a.weight, dscale, digits)
}

/// The first `count` base-10000 digits of `a / b`, where both are read as fractions with the
/// point after their first digit. (D. Knuth, The Art of Computer Programming, 4.3.1, algorithm D.)
fn divide_digits(a: &[i16], b: &[i16], count: usize) -> Digits {
    let len = b.len();
    if len == 1 {
        let divisor = b[0] as u32;
        let mut rest = 0u32;
        return (0..count)
            .map(|at| {
                let value = rest * BASE as u32 + a.get(at).copied().unwrap_or(0) as u32;
                rest = value % divisor;
                (value / divisor) as i16
            })
            .collect();
    }
    // Scaling both makes the divisor's first digit large enough for good estimates.
    let scale = BASE / (i32::from(b[0]) + 1);
    let divisor: SmallVec<[i32; 16]> = scaled(b.iter().copied(), b.len(), scale)[1..].into();
    let total = len + count - 1;
    let padded = a.iter().copied().chain(std::iter::repeat(0)).take(total);
    let mut rest = scaled(padded, total, scale);
    let mut quotient = Digits::with_capacity(count);
    for at in 0..count {
        let top = rest[at] * BASE + rest[at + 1];
        let mut estimate = (top / divisor[0]).min(BASE - 1);
        let next = rest.get(at + 2).copied().unwrap_or(0);
        while i64::from(estimate) * i64::from(divisor[1])
            > i64::from(top - estimate * divisor[0]) * i64::from(BASE) + i64::from(next)
        {
            estimate -= 1;
        }
        if subtract_multiple(&mut rest[at..=at + len], &divisor, estimate) {
            estimate -= 1;
            add_back(&mut rest[at..=at + len], &divisor);
        }
        quotient.push(estimate as i16);
    }
    quotient
}

/// `digits * factor` with room for one more digit in front.
fn scaled(digits: impl Iterator<Item = i16>, len: usize, factor: i32) -> SmallVec<[i32; 32]> {
    let mut out: SmallVec<[i32; 32]> = smallvec![0; len + 1];
    for (slot, digit) in out[1..].iter_mut().zip(digits) {
        *slot = i32::from(digit) * factor;
    }
    for at in (1..=len).rev() {
        out[at - 1] += out[at] / BASE;
        out[at] %= BASE;
    }
    out
}

/// Subtracts `factor * divisor` in place; true when the result would be negative.
fn subtract_multiple(rest: &mut [i32], divisor: &[i32], factor: i32) -> bool {
    let mut borrow = 0;
    for at in (0..divisor.len()).rev() {
        let value = rest[at + 1] - factor * divisor[at] - borrow;
        borrow = -value.div_euclid(BASE);
        rest[at + 1] = value.rem_euclid(BASE);
    }
    rest[0] -= borrow;
    rest[0] < 0
}

fn add_back(rest: &mut [i32], divisor: &[i32]) {
    let mut carry = 0;
    for at in (0..divisor.len()).rev() {
        let value = rest[at + 1] + divisor[at] + carry;
        carry = value / BASE;
        rest[at + 1] = value % BASE;
    }
    rest[0] += carry;
}
