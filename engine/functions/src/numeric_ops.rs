//! SQL functions and casts of `numeric`.

use crate::args::builtins;
use crate::compare::generic as op;
use crate::float::{general_string, parse_float4, parse_float8};
use crate::float_math::check_bucket_count;
use crate::integer_ops::{invalid_frame_offset, out_of_range};
use crate::numeric::{DEC_DIGITS, Kind, MAX_STORED_SCALE, MAX_WEIGHT, Numeric, format_overflow};
use crate::numeric_io::parse;
use crate::{CallContext, Datum};
use redoubt_error::{PgError, PgResult, code};
use std::sync::Arc;

fn plus(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    a.plus(b)
}

fn minus(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    a.minus(b)
}

fn times(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    a.times(b)
}

fn divide(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    a.divide(b)
}

fn divide_truncating(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    a.divide_truncating(b)
}

fn remainder(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    a.remainder(b)
}

fn negate(a: &Numeric) -> Numeric {
    a.clone().negated()
}

fn identity(a: &Datum) -> Datum {
    a.clone()
}

fn abs(a: &Numeric) -> Numeric {
    a.clone().abs()
}

fn increment(a: &Numeric) -> PgResult<Numeric> {
    a.plus(&Numeric::one())
}

fn sign(a: &Numeric) -> Numeric {
    if a.is_nan() { Numeric::nan() } else { Numeric::from(a.signum()) }
}

fn larger(a: &Arc<Numeric>, b: &Arc<Numeric>) -> Datum {
    Datum::Numeric(if a > b { a.clone() } else { b.clone() })
}

fn smaller(a: &Arc<Numeric>, b: &Arc<Numeric>) -> Datum {
    Datum::Numeric(if a < b { a.clone() } else { b.clone() })
}

/// The least integer that is not less.
pub(crate) fn ceil(a: &Numeric) -> Numeric {
    let whole = a.clone().truncated(0);
    if a.is_finite() && a.kind == Kind::Positive && *a != whole {
        whole.add_finite(&Numeric::one())
    } else {
        whole
    }
}

/// The greatest integer that is not greater.
pub(crate) fn floor(a: &Numeric) -> Numeric {
    let whole = a.clone().truncated(0);
    if a.is_finite() && a.kind == Kind::Negative && *a != whole {
        whole.sub_finite(&Numeric::one())
    } else {
        whole
    }
}

/// Scales beyond these make no difference to any number that can be stored.
fn clamp_scale(scale: i32) -> i32 {
    scale.clamp(-(MAX_WEIGHT + 1) * DEC_DIGITS - 1, MAX_STORED_SCALE)
}

fn round(a: &Numeric, scale: i32) -> PgResult<Numeric> {
    if !a.is_finite() {
        return Ok(a.clone());
    }
    let scale = clamp_scale(scale);
    a.clone().rounded(scale).with_dscale(scale.max(0)).checked()
}

fn trunc(a: &Numeric, scale: i32) -> PgResult<Numeric> {
    if !a.is_finite() {
        return Ok(a.clone());
    }
    let scale = clamp_scale(scale);
    a.clone().truncated(scale).with_dscale(scale.max(0)).checked()
}

fn sqrt(a: &Numeric) -> PgResult<Numeric> {
    a.sqrt()
}

fn exp(a: &Numeric) -> PgResult<Numeric> {
    a.exp()
}

fn ln(a: &Numeric) -> PgResult<Numeric> {
    a.ln()
}

fn log(base: &Numeric, value: &Numeric) -> PgResult<Numeric> {
    Numeric::log(base, value)
}

fn power(base: &Numeric, exponent: &Numeric) -> PgResult<Numeric> {
    base.power(exponent)
}

fn gcd(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    if !a.is_finite() || !b.is_finite() {
        return Ok(Numeric::nan());
    }
    gcd_finite(a, b)
}

fn gcd_finite(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    let dscale = a.dscale.max(b.dscale);
    let (mut x, mut y) = (a.clone().abs(), b.clone().abs());
    while !y.is_zero() {
        let rest = x.rem_finite(&y)?;
        (x, y) = (y, rest);
    }
    Ok(x.with_dscale(dscale))
}

fn lcm(a: &Numeric, b: &Numeric) -> PgResult<Numeric> {
    if !a.is_finite() || !b.is_finite() {
        return Ok(Numeric::nan());
    }
    let dscale = a.dscale.max(b.dscale);
    if a.is_zero() || b.is_zero() {
        return Ok(Numeric::zero_with_scale(dscale));
    }
    let quotient = a.div_finite(&gcd_finite(a, b)?, 0, false)?;
    b.mul_finite(&quotient).abs().with_dscale(dscale).checked()
}

/// The largest factorial that fits the storage format.
const MAX_FACTORIAL: i64 = 32_177;

fn factorial(ctx: &CallContext<'_>, n: i64) -> PgResult<Numeric> {
    if n < 0 {
        return Err(PgError::new(
            code::NUMERIC_VALUE_OUT_OF_RANGE,
            "factorial of a negative number is undefined",
        ));
    }
    if n > MAX_FACTORIAL {
        return Err(format_overflow());
    }
    let mut product = Numeric::one();
    for factor in 2..=n {
        ctx.env.check_interrupts()?;
        product = product.mul_finite(&Numeric::from(factor));
    }
    product.checked()
}

fn scale(a: &Numeric) -> Option<i32> {
    a.is_finite().then_some(a.dscale)
}

fn min_scale(a: &Numeric) -> Option<i32> {
    a.is_finite().then(|| a.min_scale())
}

fn trim_scale(a: &Numeric) -> Numeric {
    if a.is_finite() { a.clone().with_dscale(a.min_scale()) } else { a.clone() }
}

/// Cast function `numeric(numeric, int4)`: applies a type modifier.
fn coerce(a: &Numeric, typmod: i32) -> PgResult<Numeric> {
    a.clone().coerced(typmod)
}

fn int2_to_numeric(a: i16) -> Numeric {
    Numeric::from(i64::from(a))
}

fn int4_to_numeric(a: i32) -> Numeric {
    Numeric::from(a)
}

fn int8_to_numeric(a: i64) -> Numeric {
    Numeric::from(a)
}

/// NaN and infinities are not integers.
fn require_finite(a: &Numeric, type_name: &str) -> PgResult<()> {
    let what = match a.kind {
        Kind::NaN => "NaN",
        Kind::PosInf | Kind::NegInf => "infinity",
        _ => return Ok(()),
    };
    Err(PgError::new(code::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to {type_name}")))
}

fn to_int<T: TryFrom<i64>>(a: &Numeric, type_name: &str) -> PgResult<T> {
    require_finite(a, type_name)?;
    a.to_i64().and_then(|value| T::try_from(value).ok()).ok_or_else(|| out_of_range(type_name))
}

fn to_int2(a: &Numeric) -> PgResult<i16> {
    to_int(a, "smallint")
}

fn to_int4(a: &Numeric) -> PgResult<i32> {
    to_int(a, "integer")
}

fn to_int8(a: &Numeric) -> PgResult<i64> {
    to_int(a, "bigint")
}

fn to_float8(a: &Numeric) -> PgResult<f64> {
    if a.is_finite() { parse_float8(&a.to_string(), "double precision") } else { Ok(a.to_f64_lossy()) }
}

fn to_float4(a: &Numeric) -> PgResult<f32> {
    if a.is_finite() { parse_float4(&a.to_string()) } else { Ok(a.to_f64_lossy() as f32) }
}

fn float8_to_numeric(a: f64) -> PgResult<Numeric> {
    from_float(a, 15)
}

fn float4_to_numeric(a: f32) -> PgResult<Numeric> {
    from_float(f64::from(a), 6)
}

/// Floats convert through text with only the digits that are certain.
fn from_float(a: f64, digits: i32) -> PgResult<Numeric> {
    if a.is_nan() {
        Ok(Numeric::nan())
    } else if a.is_infinite() {
        Ok(Numeric::infinity(a < 0.0))
    } else {
        parse(&general_string(a, digits))
    }
}

/// Which of `count` equal buckets between the bounds holds the operand; 0 below, `count + 1` above.
fn width_bucket(operand: &Numeric, low: &Numeric, high: &Numeric, count: i32) -> PgResult<i32> {
    let bad = |message: &str| PgError::new(code::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, message);
    check_bucket_count(count)?;
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bad("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bad("lower and upper bounds must be finite"));
    }
    let ascending = match low.cmp(high) {
        std::cmp::Ordering::Equal => return Err(bad("lower bound cannot equal upper bound")),
        order => order.is_lt(),
    };
    let (below, above) =
        if ascending { (operand < low, operand >= high) } else { (operand > low, operand <= high) };
    if below {
        return Ok(0);
    }
    if above {
        return count.checked_add(1).ok_or_else(|| out_of_range("integer"));
    }
    // The operand lies between the bounds, so that all of this is finite and positive.
    let (offset, width) = if ascending {
        (operand.sub_finite(low), high.sub_finite(low))
    } else {
        (low.sub_finite(operand), low.sub_finite(high))
    };
    let scaled = offset.mul_finite(&Numeric::from(count));
    let quotient = scaled.div_finite(&width, scaled.quotient_scale(&width), true)?;
    let bucket = floor(&quotient.add_finite(&Numeric::one()));
    bucket.to_i64().and_then(|value| i32::try_from(value).ok()).ok_or_else(|| out_of_range("integer"))
}

/// Window frame test for RANGE with an offset.
fn in_range(value: &Numeric, base: &Numeric, offset: &Numeric, sub: bool, less: bool) -> PgResult<bool> {
    if offset.is_nan() || offset.signum() < 0 {
        return Err(invalid_frame_offset());
    }
    if value.is_nan() {
        return Ok(base.is_nan() || !less);
    }
    if base.is_nan() {
        return Ok(less);
    }
    let bound = if sub { base.minus(offset)? } else { base.plus(offset)? };
    // Opposite infinities: the offset reaches everything.
    if bound.is_nan() {
        return Ok(true);
    }
    Ok(if less { *value <= bound } else { *value >= bound })
}

builtins! {
    "numeric_eq" = op::eq::<&Numeric>: 2;
    "numeric_ne" = op::ne::<&Numeric>: 2;
    "numeric_lt" = op::lt::<&Numeric>: 2;
    "numeric_le" = op::le::<&Numeric>: 2;
    "numeric_gt" = op::gt::<&Numeric>: 2;
    "numeric_ge" = op::ge::<&Numeric>: 2;
    "numeric_cmp" = op::cmp::<&Numeric>: 2;
    "numeric_larger" = larger: 2;
    "numeric_smaller" = smaller: 2;
    "numeric_add" = plus: 2;
    "numeric_sub" = minus: 2;
    "numeric_mul" = times: 2;
    "numeric_div" = divide: 2;
    "numeric_div_trunc" = divide_truncating: 2;
    "numeric_mod" = remainder: 2;
    "numeric_uminus" = negate: 1;
    "numeric_uplus" = identity: 1;
    "numeric_abs" = abs: 1;
    "numeric_inc" = increment: 1;
    "numeric_sign" = sign: 1;
    "numeric_ceil" = ceil: 1;
    "numeric_floor" = floor: 1;
    "numeric_round" = round: 2;
    "numeric_trunc" = trunc: 2;
    "numeric_sqrt" = sqrt: 1;
    "numeric_exp" = exp: 1;
    "numeric_ln" = ln: 1;
    "numeric_log" = log: 2;
    "numeric_power" = power: 2;
    "numeric_gcd" = gcd: 2;
    "numeric_lcm" = lcm: 2;
    "numeric_fac" = factorial: (ctx, 1);
    "numeric_scale" = scale: 1;
    "numeric_min_scale" = min_scale: 1;
    "numeric_trim_scale" = trim_scale: 1;
    "numeric" = coerce: 2;
    "int2_numeric" = int2_to_numeric: 1;
    "int4_numeric" = int4_to_numeric: 1;
    "int8_numeric" = int8_to_numeric: 1;
    "numeric_int2" = to_int2: 1;
    "numeric_int4" = to_int4: 1;
    "numeric_int8" = to_int8: 1;
    "numeric_float8" = to_float8: 1;
    "numeric_float4" = to_float4: 1;
    "float8_numeric" = float8_to_numeric: 1;
    "float4_numeric" = float4_to_numeric: 1;
    "width_bucket_numeric" = width_bucket: 4;
    "in_range_numeric_numeric" = in_range: 5;
}
