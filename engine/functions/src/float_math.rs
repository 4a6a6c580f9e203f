//! Mathematical functions of `float8`, with PostgreSQL's domain and range errors.

use crate::float_ops::{div, mul, overflow, underflow};
use redoubt_error::{PgError, PgResult, code};
use std::f64::consts::PI;

const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

#[cold]
fn input_out_of_range() -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

#[cold]
fn bad_power(message: &str) -> PgError {
    PgError::new(code::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

/// Fails when a finite argument gave an infinite result.
fn not_infinite(result: f64) -> PgResult<f64> {
    if result.is_infinite() { Err(overflow()) } else { Ok(result) }
}

pub(crate) fn pi() -> f64 {
    PI
}

pub(crate) fn ceil(x: f64) -> f64 {
    x.ceil()
}

pub(crate) fn floor(x: f64) -> f64 {
    x.floor()
}

pub(crate) fn round(x: f64) -> f64 {
    x.round_ties_even()
}

pub(crate) fn trunc(x: f64) -> f64 {
    x.trunc()
}

pub(crate) fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

pub(crate) fn sqrt(x: f64) -> PgResult<f64> {
    if x < 0.0 {
        return Err(bad_power("cannot take square root of a negative number"));
    }
    Ok(x.sqrt())
}

pub(crate) fn cbrt(x: f64) -> f64 {
    x.cbrt()
}

pub(crate) fn exp(x: f64) -> PgResult<f64> {
    if x.is_nan() || x.is_infinite() {
        return Ok(x.exp());
    }
    let result = x.exp();
    if result == 0.0 {
        return Err(underflow());
    }
    not_infinite(result)
}

fn check_log_argument(x: f64) -> PgResult<()> {
    let message = if x == 0.0 {
        "cannot take logarithm of zero"
    } else if x < 0.0 {
        "cannot take logarithm of a negative number"
    } else {
        return Ok(());
    };
    Err(PgError::new(code::INVALID_ARGUMENT_FOR_LOG, message))
}

pub(crate) fn ln(x: f64) -> PgResult<f64> {
    check_log_argument(x)?;
    Ok(x.ln())
}

pub(crate) fn log10(x: f64) -> PgResult<f64> {
    check_log_argument(x)?;
    Ok(x.log10())
}

/// POSIX `pow`, with PostgreSQL's errors where the result is undefined or complex.
pub(crate) fn pow(x: f64, y: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(if y == 0.0 { 1.0 } else { f64::NAN });
    }
    if y.is_nan() {
        return Ok(if x == 1.0 { 1.0 } else { f64::NAN });
    }
    if x == 0.0 && y < 0.0 {
        return Err(bad_power("zero raised to a negative power is undefined"));
    }
    if x < 0.0 && y.floor() != y {
        return Err(bad_power("a negative number raised to a non-integer power yields a complex result"));
    }
    let result = x.powf(y);
    if x.is_infinite() || y.is_infinite() {
        return Ok(result);
    }
    if result == 0.0 && x != 0.0 {
        return Err(underflow());
    }
    not_infinite(result)
}

pub(crate) fn acos(x: f64) -> PgResult<f64> {
    if x.abs() > 1.0 { Err(input_out_of_range()) } else { Ok(x.acos()) }
}

pub(crate) fn asin(x: f64) -> PgResult<f64> {
    if x.abs() > 1.0 { Err(input_out_of_range()) } else { Ok(x.asin()) }
}

pub(crate) fn atan(x: f64) -> f64 {
    x.atan()
}

pub(crate) fn atan2(y: f64, x: f64) -> f64 {
    y.atan2(x)
}

pub(crate) fn cos(x: f64) -> PgResult<f64> {
    if x.is_infinite() { Err(input_out_of_range()) } else { Ok(x.cos()) }
}

pub(crate) fn sin(x: f64) -> PgResult<f64> {
    if x.is_infinite() { Err(input_out_of_range()) } else { Ok(x.sin()) }
}

pub(crate) fn tan(x: f64) -> PgResult<f64> {
    if x.is_infinite() { Err(input_out_of_range()) } else { Ok(x.tan()) }
}

pub(crate) fn cot(x: f64) -> PgResult<f64> {
    if x.is_infinite() { Err(input_out_of_range()) } else { Ok(1.0 / x.tan()) }
}

/// Leaves the range towards infinity without an error, as PostgreSQL's.
pub(crate) fn sinh(x: f64) -> f64 {
    x.sinh()
}

/// As [`sinh`].
pub(crate) fn cosh(x: f64) -> f64 {
    x.cosh()
}

pub(crate) fn tanh(x: f64) -> f64 {
    x.tanh()
}

// The standard library computes inverse hyperbolic functions with formulas of its own, which
// differ from the C library's in the last digit; these follow the C library's (fdlibm's) method.

pub(crate) fn asinh(x: f64) -> f64 {
    libm::asinh(x)
}

pub(crate) fn acosh(x: f64) -> PgResult<f64> {
    if x < 1.0 { Err(input_out_of_range()) } else { Ok(libm::acosh(x)) }
}

pub(crate) fn atanh(x: f64) -> PgResult<f64> {
    if x.abs() > 1.0 {
        return Err(input_out_of_range());
    }
    if x.abs() == 1.0 {
        return Ok(f64::INFINITY.copysign(x));
    }
    Ok(libm::atanh(x))
}

pub(crate) fn degrees(x: f64) -> PgResult<f64> {
    div::<f64, f64, f64>(x, RADIANS_PER_DEGREE)
}

pub(crate) fn radians(x: f64) -> PgResult<f64> {
    mul::<f64, f64, f64>(x, RADIANS_PER_DEGREE)
}

/// Hides a constant from the optimiser, so that the same library call computes both sides of the
/// exact-value corrections below.
fn opaque(x: f64) -> f64 {
    std::hint::black_box(x)
}

/// `asin` in degrees for 0 to 1, exact at 0, 0.5 and 1.
fn asind_q1(x: f64) -> f64 {
    if x <= 0.5 {
        (x.asin() / opaque(0.5).asin()) * 30.0
    } else {
        90.0 - (x.acos() / opaque(0.5).acos()) * 60.0
    }
}

/// `acos` in degrees for 0 to 1, exact at 0, 0.5 and 1.
fn acosd_q1(x: f64) -> f64 {
    if x <= 0.5 {
        90.0 - (x.asin() / opaque(0.5).asin()) * 30.0
    } else {
        (x.acos() / opaque(0.5).acos()) * 60.0
    }
}

pub(crate) fn acosd(x: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(x);
    }
    if x.abs() > 1.0 {
        return Err(input_out_of_range());
    }
    Ok(if x >= 0.0 { acosd_q1(x) } else { 90.0 + asind_q1(-x) })
}

pub(crate) fn asind(x: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(x);
    }
    if x.abs() > 1.0 {
        return Err(input_out_of_range());
    }
    Ok(if x >= 0.0 { asind_q1(x) } else { -asind_q1(-x) })
}

pub(crate) fn atand(x: f64) -> f64 {
    (x.atan() / opaque(1.0).atan()) * 45.0
}

pub(crate) fn atan2d(y: f64, x: f64) -> f64 {
    (y.atan2(x) / opaque(1.0).atan()) * 45.0
}

/// `sin` of 0 to 30 degrees, exact at both ends.
fn sind_0_to_30(x: f64) -> f64 {
    (x * RADIANS_PER_DEGREE).sin() / opaque(30.0 * RADIANS_PER_DEGREE).sin() / 2.0
}

/// `cos` of 0 to 60 degrees, exact at both ends.
fn cosd_0_to_60(x: f64) -> f64 {
    let one_minus_cos = 1.0 - (x * RADIANS_PER_DEGREE).cos();
    1.0 - one_minus_cos / (1.0 - opaque(60.0 * RADIANS_PER_DEGREE).cos()) / 2.0
}

fn sind_q1(x: f64) -> f64 {
    if x <= 30.0 { sind_0_to_30(x) } else { cosd_0_to_60(90.0 - x) }
}

fn cosd_q1(x: f64) -> f64 {
    if x <= 60.0 { cosd_0_to_60(x) } else { sind_0_to_30(90.0 - x) }
}

pub(crate) fn cosd(x: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(x);
    }
    if x.is_infinite() {
        return Err(input_out_of_range());
    }
    let (mut x, mut sign) = ((x % 360.0).abs(), 1.0);
    if x > 180.0 {
        x = 360.0 - x;
    }
    if x > 90.0 {
        x = 180.0 - x;
        sign = -sign;
    }
    Ok(sign * cosd_q1(x))
}

pub(crate) fn sind(x: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(x);
    }
    if x.is_infinite() {
        return Err(input_out_of_range());
    }
    let (mut x, mut sign) = (x % 360.0, 1.0);
    if x < 0.0 {
        x = -x;
        sign = -sign;
    }
    if x > 180.0 {
        x = 360.0 - x;
        sign = -sign;
    }
    if x > 90.0 {
        x = 180.0 - x;
    }
    Ok(sign * sind_q1(x))
}

/// Folds an angle into 0 to 90 degrees for tangent and cotangent, with the result's sign.
fn fold_tangent(x: f64) -> (f64, f64) {
    let (mut x, mut sign) = (x % 360.0, 1.0);
    if x < 0.0 {
        x = -x;
        sign = -sign;
    }
    if x > 180.0 {
        x = 360.0 - x;
        sign = -sign;
    }
    if x > 90.0 {
        x = 180.0 - x;
        sign = -sign;
    }
    (x, sign)
}

pub(crate) fn tand(x: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(x);
    }
    if x.is_infinite() {
        return Err(input_out_of_range());
    }
    let (x, sign) = fold_tangent(x);
    let tan_45 = sind_q1(opaque(45.0)) / cosd_q1(opaque(45.0));
    let result = sign * ((sind_q1(x) / cosd_q1(x)) / tan_45);
    // Never a minus zero.
    Ok(if result == 0.0 { 0.0 } else { result })
}

pub(crate) fn cotd(x: f64) -> PgResult<f64> {
    if x.is_nan() {
        return Ok(x);
    }
    if x.is_infinite() {
        return Err(input_out_of_range());
    }
    let (x, sign) = fold_tangent(x);
    let cot_45 = cosd_q1(opaque(45.0)) / sind_q1(opaque(45.0));
    let result = sign * ((cosd_q1(x) / sind_q1(x)) / cot_45);
    Ok(if result == 0.0 { 0.0 } else { result })
}

/// Which of `count` equal buckets between the bounds holds the operand; 0 below, `count + 1` above.
pub(crate) fn width_bucket(operand: f64, low: f64, high: f64, count: i32) -> PgResult<i32> {
    let bad = |message: &str| PgError::new(code::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, message);
    check_bucket_count(count)?;
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bad("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bad("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(bad("lower bound cannot equal upper bound"));
    }
    // Descending bounds mirror the axis.
    let (below, above) =
        if low < high { (operand < low, operand >= high) } else { (operand > low, operand <= high) };
    if below {
        return Ok(0);
    }
    if above {
        return count.checked_add(1).ok_or_else(|| crate::integer_ops::out_of_range("integer"));
    }
    let scaled = f64::from(count) * (operand - low) / (high - low);
    if scaled.is_finite() {
        return Ok((scaled + 1.0) as i32);
    }
    // Bounds so far apart that their distance, or its multiple, is not a finite number.
    let fraction = (operand / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    Ok((f64::from(count) * fraction + 1.0) as i32)
}

/// `2201G` unless there is at least one bucket.
pub(crate) fn check_bucket_count(count: i32) -> PgResult<()> {
    if count <= 0 {
        return Err(PgError::new(
            code::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
            "count must be greater than zero",
        ));
    }
    Ok(())
}
