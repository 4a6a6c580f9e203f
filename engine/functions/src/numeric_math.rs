//! Roots, exponentials, logarithms and powers of `numeric`.
//!
//! PostgreSQL fixes the scale of each result; digits are computed with a few to spare and then
//! rounded, so that they agree with its own unless the exact value lies within about 10^-8 units
//! of a rounding boundary.

use crate::integer_ops::division_by_zero;
use crate::numeric::{
    DEC_DIGITS, Digits, Kind, MAX_PRECISION, MAX_WEIGHT, MIN_SIGNIFICANT_DIGITS, Numeric, format_overflow,
};
use redoubt_error::{PgError, PgResult, code};
use std::f64::consts::{LN_10, LOG10_2, LOG10_E};

/// Spare digits in intermediate results.
const GUARD_DIGITS: i32 = 10;

/// Exponentials beyond this argument overflow or vanish (three times `NUMERIC_MAX_RESULT_SCALE`).
const MAX_EXP_ARGUMENT: f64 = 6000.0;

fn bad_power(message: &str) -> PgError {
    PgError::new(code::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

fn bad_log(message: &str) -> PgError {
    PgError::new(code::INVALID_ARGUMENT_FOR_LOG, message)
}

/// Clamps a computed result scale.
fn result_scale(wanted: i32, operand_scale: i32) -> i32 {
    wanted.max(operand_scale).clamp(0, MAX_PRECISION)
}

/// `10^-scale`.
fn unit(scale: i32) -> Numeric {
    let weight = (-scale).div_euclid(DEC_DIGITS);
    let digit = 10i16.pow((-scale).rem_euclid(DEC_DIGITS) as u32);
    Numeric { kind: Kind::Positive, dscale: scale.max(0), weight, digits: Digits::from_slice(&[digit]) }
}

/// `log10` of a positive number, approximately, whatever its size.
fn approximate_log10(value: &Numeric) -> f64 {
    let mut mantissa = 0.0;
    let mut exponent = value.weight * DEC_DIGITS + DEC_DIGITS;
    for &digit in value.digits.iter().take(5) {
        mantissa = mantissa * 10_000.0 + f64::from(digit);
        exponent -= DEC_DIGITS;
    }
    f64::log10(mantissa) + f64::from(exponent)
}

impl Numeric {
    /// The square root.
    ///
    /// # Errors
    /// `2201F` for negative numbers.
    pub(crate) fn sqrt(&self) -> PgResult<Self> {
        if self.signum() < 0 {
            return Err(bad_power("cannot take square root of a negative number"));
        }
        if !self.is_finite() {
            return Ok(self.clone());
        }
        let weight = (self.weight + 1) * DEC_DIGITS / 2 - 1;
        self.sqrt_rounded(result_scale(MIN_SIGNIFICANT_DIGITS - weight, self.dscale)).checked()
    }

    /// The square root of a finite number that is not negative, rounded to `scale` decimals.
    pub(crate) fn sqrt_rounded(&self, scale: i32) -> Self {
        if self.digits.is_empty() {
            return Self::zero_with_scale(scale.max(0));
        }
        // Newton's iteration from a double, doubling the precision each time.
        let scale_needed = scale + 2;
        let estimate = approximate_log10(self) / 2.0;
        let whole = estimate.floor() as i32;
        let leading = (10f64.powf(estimate - f64::from(whole)) * 1e12).round() as i64;
        let mut root = Numeric::from(leading).mul_finite(&unit(12 - whole)).with_dscale(0);
        let target = scale_needed + whole + 2;
        let mut correct = 11;
        loop {
            correct = (correct * 2 - 2).min(target.max(4));
            let step_scale = correct - whole + 3;
            let quotient = self.div_finite(&root, step_scale, true).expect("the estimate is not zero");
            root = root.add_finite(&quotient).mul_finite(&half()).rounded(step_scale);
            if correct >= target {
                break;
            }
        }
        // The exact root truncated there decides the rounding.
        let ulp = unit(scale_needed);
        root = root.truncated(scale_needed);
        while root.mul_finite(&root).cmp_abs(self).is_gt() {
            root = root.sub_finite(&ulp);
        }
        loop {
            let next = root.add_finite(&ulp);
            if next.mul_finite(&next).cmp_abs(self).is_gt() {
                break;
            }
            root = next;
        }
        root.rounded(scale)
    }

    /// `e` to the power of this number.
    ///
    /// # Errors
    /// `22003` when the result does not fit the storage format.
    pub(crate) fn exp(&self) -> PgResult<Self> {
        match self.kind {
            Kind::NegInf => return Ok(Self::zero()),
            Kind::PosInf | Kind::NaN => return Ok(self.clone()),
            _ => {}
        }
        let limit = f64::from(2 * MAX_PRECISION);
        let digits = (self.to_f64_lossy() * LOG10_E).clamp(-limit, limit);
        self.exp_rounded(result_scale(MIN_SIGNIFICANT_DIGITS - digits as i32, self.dscale))?.checked()
    }

    /// The exponential rounded to `scale` decimals.
    fn exp_rounded(&self, scale: i32) -> PgResult<Self> {
        let approximate = self.to_f64_lossy();
        if approximate.abs() >= MAX_EXP_ARGUMENT {
            return if approximate > 0.0 { Err(format_overflow()) } else { Ok(Self::zero_with_scale(scale)) };
        }
        let weight = (approximate * LOG10_E) as i32;
        // Halving the argument until it is small; squaring the result as often loses digits.
        let mut halvings = 0;
        let mut size = approximate.abs();
        while size > 0.01 {
            size /= 2.0;
            halvings += 1;
        }
        let lost = (f64::from(halvings) * LOG10_2) as i32;
        let significant = (1 + weight + scale + lost).max(0) + GUARD_DIGITS;
        let mut x = self.clone();
        let mut left = halvings;
        while left > 0 {
            let step = left.min(16);
            x = x.div_small(1 << step, x.dscale.max(significant) + 20);
            left -= step;
        }
        let mut result = Self::one().add_finite(&x);
        let mut term = x.clone();
        for n in 2.. {
            term = term.mul_rounded(&x, significant + 2).div_small(n, significant + 2);
            if term.digits.is_empty() {
                break;
            }
            result = result.add_finite(&term);
        }
        for _ in 0..halvings {
            let kept = significant + 2 - result.weight * 2 * DEC_DIGITS;
            result = result.mul_rounded(&result, kept.max(0));
        }
        Ok(result.rounded(scale))
    }

    /// The natural logarithm.
    ///
    /// # Errors
    /// `2201E` for numbers that are not positive.
    pub(crate) fn ln(&self) -> PgResult<Self> {
        if self.is_finite() {
            let scale = result_scale(MIN_SIGNIFICANT_DIGITS - self.ln_weight(), self.dscale);
            return self.ln_rounded(scale)?.checked();
        }
        if self.kind == Kind::NegInf {
            return Err(bad_log("cannot take logarithm of a negative number"));
        }
        Ok(self.clone())
    }

    /// The power of ten of the logarithm's first digit, estimated; 0 for invalid arguments.
    fn ln_weight(&self) -> i32 {
        if self.kind != Kind::Positive || self.digits.is_empty() {
            return 0;
        }
        let (low, high) = near_one();
        if *self >= low && *self <= high {
            let distance = self.sub_finite(&Self::one());
            return match distance.digits.first() {
                Some(&digit) => distance.weight * DEC_DIGITS + f64::from(digit).log10() as i32,
                None => 0,
            };
        }
        let mut digits = f64::from(self.digits[0]);
        let mut weight = self.weight * DEC_DIGITS;
        if let Some(&second) = self.digits.get(1) {
            digits = digits * 10_000.0 + f64::from(second);
            weight -= DEC_DIGITS;
        }
        (digits.ln() + f64::from(weight) * LN_10).abs().log10() as i32
    }

    /// The natural logarithm rounded to `scale` decimals.
    fn ln_rounded(&self, scale: i32) -> PgResult<Self> {
        if self.is_zero() {
            return Err(bad_log("cannot take logarithm of zero"));
        }
        if self.kind == Kind::Negative {
            return Err(bad_log("cannot take logarithm of a negative number"));
        }
        // Square roots bring the argument near one; each doubles what the logarithm is
        // multiplied by in the end.
        let (low, high) = near_one();
        let mut x = self.clone();
        let mut roots = 0;
        while x <= low || x >= high {
            x = x.sqrt_rounded(scale - x.weight * DEC_DIGITS / 2 + GUARD_DIGITS + 4);
            roots += 1;
        }
        let kept = scale + (f64::from(roots + 1) * LOG10_2) as i32 + GUARD_DIGITS;
        // ln x = 2 artanh z = 2 (z + z^3/3 + z^5/5 + ...) with z = (x - 1) / (x + 1).
        let z = x.sub_finite(&Self::one()).div_finite(&x.add_finite(&Self::one()), kept, true)?;
        let square = z.mul_rounded(&z, kept);
        let mut sum = z.clone();
        let mut power = z;
        for n in (3..).step_by(2) {
            power = power.mul_rounded(&square, kept);
            let term = power.div_small(n, kept);
            if term.digits.is_empty() {
                break;
            }
            sum = sum.add_finite(&term);
        }
        let mut factor = Numeric::from(2);
        for _ in 0..roots {
            factor = factor.mul_finite(&Numeric::from(2));
        }
        Ok(sum.mul_finite(&factor).rounded(scale))
    }

    /// The logarithm of `self` in the given base.
    ///
    /// # Errors
    /// `2201E` for arguments that are not positive, `22012` for base one.
    pub(crate) fn log(base: &Self, value: &Self) -> PgResult<Self> {
        if !base.is_finite() || !value.is_finite() {
            if base.is_nan() || value.is_nan() {
                return Ok(Self::nan());
            }
            if base.signum() < 0 || value.signum() < 0 {
                return Err(bad_log("cannot take logarithm of a negative number"));
            }
            if base.signum() == 0 || value.signum() == 0 {
                return Err(bad_log("cannot take logarithm of zero"));
            }
            return Ok(match (base.kind, value.kind) {
                (Kind::PosInf, Kind::PosInf) => Self::nan(),
                (Kind::PosInf, _) => Self::zero(),
                _ => Self::infinity(false),
            });
        }
        let (base_weight, value_weight) = (base.ln_weight(), value.ln_weight());
        let weight = value_weight - base_weight;
        let scale = result_scale(MIN_SIGNIFICANT_DIGITS - weight, base.dscale.max(value.dscale));
        let ln_base = base.ln_rounded((scale + weight - base_weight + GUARD_DIGITS).max(0))?;
        let ln_value = value.ln_rounded((scale + weight - value_weight + GUARD_DIGITS).max(0))?;
        ln_value.div_finite(&ln_base, scale, true)?.checked()
    }

    /// `self` to the power of `exponent`.
    ///
    /// # Errors
    /// `2201F` where the result is undefined or complex, `22003` when it does not fit.
    pub(crate) fn power(&self, exponent: &Self) -> PgResult<Self> {
        if !self.is_finite() || !exponent.is_finite() {
            return self.power_special(exponent);
        }
        if self.is_zero() && exponent.signum() < 0 {
            return Err(bad_power("zero raised to a negative power is undefined"));
        }
        if exponent.is_integral()
            && let Some(integer) = exponent.to_i64().and_then(|value| i32::try_from(value).ok())
        {
            let scale = result_scale(MIN_SIGNIFICANT_DIGITS, self.dscale);
            return self.power_integer(integer, scale)?.checked();
        }
        if self.is_zero() {
            return Ok(Self::zero_with_scale(MIN_SIGNIFICANT_DIGITS));
        }
        self.power_fraction(exponent)?.checked()
    }

    /// Powers where an operand is NaN or infinite, by the rules of POSIX `pow`.
    fn power_special(&self, exponent: &Self) -> PgResult<Self> {
        let is_one = *self == Self::one();
        if self.is_nan() {
            return Ok(if exponent.is_zero() { Self::one() } else { Self::nan() });
        }
        if exponent.is_nan() {
            return Ok(if is_one { Self::one() } else { Self::nan() });
        }
        let (sign, exponent_sign) = (self.signum(), exponent.signum());
        if sign == 0 && exponent_sign < 0 {
            return Err(bad_power("zero raised to a negative power is undefined"));
        }
        // Infinite exponents count as (even) integers.
        if sign < 0 && exponent.is_finite() && !exponent.is_integral() {
            return Err(bad_power("a negative number raised to a non-integer power yields a complex result"));
        }
        if is_one || exponent_sign == 0 {
            return Ok(Self::one());
        }
        if sign == 0 {
            return Ok(Self::zero());
        }
        if exponent.is_infinite() {
            let magnitude = self.clone().abs();
            if magnitude == Self::one() {
                return Ok(Self::one());
            }
            let grows = (magnitude > Self::one()) == (exponent_sign > 0);
            return Ok(if grows { Self::infinity(false) } else { Self::zero() });
        }
        if exponent_sign < 0 {
            return Ok(Self::zero());
        }
        Ok(Self::infinity(sign < 0 && exponent.is_odd()))
    }

    /// An integer power by repeated squaring, rounded to `scale` decimals.
    fn power_integer(&self, exponent: i32, scale: i32) -> PgResult<Self> {
        match exponent {
            0 => return Ok(Self::one().with_dscale(scale)),
            1 => return Ok(self.clone().rounded(scale)),
            -1 => return Self::one().div_finite(self, scale, true),
            2 => return Ok(self.mul_rounded(self, scale)),
            _ => {}
        }
        if self.digits.is_empty() {
            return if exponent < 0 { Err(division_by_zero()) } else { Ok(Self::zero_with_scale(scale)) };
        }
        let weight = f64::from(exponent) * approximate_log10(self);
        if weight > f64::from(3 * MAX_WEIGHT * DEC_DIGITS) {
            return Err(format_overflow());
        }
        if weight + 1.0 < f64::from(-scale) || weight + 1.0 < f64::from(-MAX_PRECISION) {
            return Ok(Self::zero_with_scale(scale));
        }
        // As many significant digits as the result has, and some for the errors of the way.
        let significant = 1 + scale + weight as i32 + f64::from(exponent).abs().ln() as i32 + GUARD_DIGITS;
        let mut bits = exponent.unsigned_abs();
        let mut square = self.clone();
        let mut result = if bits & 1 == 1 { self.clone() } else { Self::one() };
        let multiply = |a: &Self, b: &Self| {
            let kept = (significant - (a.weight + b.weight) * DEC_DIGITS).min(a.dscale + b.dscale).max(0);
            a.mul_rounded(b, kept)
        };
        bits >>= 1;
        while bits > 0 {
            square = multiply(&square, &square);
            if bits & 1 == 1 {
                result = multiply(&square, &result);
            }
            bits >>= 1;
            if square.weight > MAX_WEIGHT || result.weight > MAX_WEIGHT {
                return if exponent > 0 { Err(format_overflow()) } else { Ok(Self::zero_with_scale(scale)) };
            }
        }
        if exponent < 0 { Self::one().div_finite(&result, scale, true) } else { Ok(result.rounded(scale)) }
    }

    /// A power with an exponent that is no small integer: `e^(exponent * ln(self))`.
    fn power_fraction(&self, exponent: &Self) -> PgResult<Self> {
        let negative = self.kind == Kind::Negative;
        if negative && !exponent.is_integral() {
            return Err(bad_power("a negative number raised to a non-integer power yields a complex result"));
        }
        let base = self.clone().abs();
        let ln_weight = base.ln_weight();
        let rough_scale = (8 - ln_weight).max(0);
        let rough = base.ln_rounded(rough_scale)?.mul_rounded(exponent, rough_scale).to_f64_lossy();
        if rough.abs() > MAX_EXP_ARGUMENT * 1.003_333 {
            return if rough > 0.0 {
                Err(format_overflow())
            } else {
                Ok(Self::zero_with_scale(MAX_PRECISION))
            };
        }
        let weight = (rough * LOG10_E) as i32;
        let scale = result_scale(MIN_SIGNIFICANT_DIGITS - weight, self.dscale.max(exponent.dscale));
        let significant = (scale + weight).max(0);
        let kept = (significant - ln_weight + GUARD_DIGITS + 4).max(0);
        let argument = base.ln_rounded(kept)?.mul_rounded(exponent, kept);
        let result = argument.exp_rounded(scale)?;
        Ok(if negative && exponent.is_odd() { result.negated() } else { result })
    }
}

/// 0.9 and 1.1.
fn near_one() -> (Numeric, Numeric) {
    let tenth = |tenths: i64| Numeric::from(tenths).mul_finite(&unit(1));
    (tenth(9), tenth(11))
}

fn half() -> Numeric {
    Numeric::from(5).mul_finite(&unit(1))
}
