//! Operators and conversions of `float4` and `float8`.

use crate::args::builtins;
use crate::compare::cmp_float;
use crate::float_math as math;
use crate::integer_ops::{division_by_zero, invalid_frame_offset, out_of_range};
use crate::{CallContext, random::Prng};
use redoubt_error::{PgError, PgResult, code};

/// `22003`: a finite computation left the range.
#[cold]
pub(crate) fn overflow() -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

/// `22003`: a computation vanished.
#[cold]
pub(crate) fn underflow() -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

/// The two widths.
pub(crate) trait Float: Copy + Into<f64> + PartialEq {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn neg(self) -> Self;
    fn is_inf(self) -> bool {
        self.into().is_infinite()
    }
    fn is_zero(self) -> bool {
        self.into() == 0.0
    }
}

macro_rules! float {
    ($type:ty) => {
        impl Float for $type {
            #[inline]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline]
            fn sub(self, other: Self) -> Self {
                self - other
            }
            #[inline]
            fn mul(self, other: Self) -> Self {
                self * other
            }
            #[inline]
            fn div(self, other: Self) -> Self {
                self / other
            }
            #[inline]
            fn neg(self) -> Self {
                -self
            }
        }
    };
}

float!(f32);
float!(f64);

/// `a + b` in the wider type, with PostgreSQL's overflow check.
#[inline]
pub(crate) fn add<A: Into<R>, B: Into<R>, R: Float>(a: A, b: B) -> PgResult<R> {
    let (a, b) = (a.into(), b.into());
    let sum = a.add(b);
    if sum.is_inf() && !a.is_inf() && !b.is_inf() { Err(overflow()) } else { Ok(sum) }
}

#[inline]
pub(crate) fn sub<A: Into<R>, B: Into<R>, R: Float>(a: A, b: B) -> PgResult<R> {
    let (a, b) = (a.into(), b.into());
    let difference = a.sub(b);
    if difference.is_inf() && !a.is_inf() && !b.is_inf() { Err(overflow()) } else { Ok(difference) }
}

#[inline]
pub(crate) fn mul<A: Into<R>, B: Into<R>, R: Float>(a: A, b: B) -> PgResult<R> {
    let (a, b) = (a.into(), b.into());
    let product = a.mul(b);
    if product.is_inf() && !a.is_inf() && !b.is_inf() {
        return Err(overflow());
    }
    if product.is_zero() && !a.is_zero() && !b.is_zero() {
        return Err(underflow());
    }
    Ok(product)
}

#[inline]
pub(crate) fn div<A: Into<R>, B: Into<R>, R: Float>(a: A, b: B) -> PgResult<R> {
    let (a, b) = (a.into(), b.into());
    if b.is_zero() && !a.into().is_nan() {
        return Err(division_by_zero());
    }
    let quotient = a.div(b);
    if quotient.is_inf() && !a.is_inf() {
        return Err(overflow());
    }
    if quotient.is_zero() && !a.is_zero() && !b.is_inf() {
        return Err(underflow());
    }
    Ok(quotient)
}

fn neg<T: Float>(a: T) -> T {
    a.neg()
}

fn plus<T>(a: T) -> T {
    a
}

fn abs4(a: f32) -> f32 {
    a.abs()
}

fn abs8(a: f64) -> f64 {
    a.abs()
}

fn eq<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> bool {
    cmp_float(a.into(), b.into()).is_eq()
}

fn ne<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> bool {
    cmp_float(a.into(), b.into()).is_ne()
}

fn lt<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> bool {
    cmp_float(a.into(), b.into()).is_lt()
}

fn le<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> bool {
    cmp_float(a.into(), b.into()).is_le()
}

fn gt<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> bool {
    cmp_float(a.into(), b.into()).is_gt()
}

fn ge<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> bool {
    cmp_float(a.into(), b.into()).is_ge()
}

fn order<A: Into<f64>, B: Into<f64>>(a: A, b: B) -> i32 {
    cmp_float(a.into(), b.into()) as i32
}

fn larger<T: Float>(a: T, b: T) -> T {
    if gt(a, b) { a } else { b }
}

fn smaller<T: Float>(a: T, b: T) -> T {
    if lt(a, b) { a } else { b }
}

/// Rounds half to even, then checks the integer's range.
fn to_integer<T: Into<f64>>(value: T, min: f64, end: f64, type_name: &str) -> PgResult<i64> {
    let rounded = value.into().round_ties_even();
    if rounded >= min && rounded < end { Ok(rounded as i64) } else { Err(out_of_range(type_name)) }
}

fn to_int2<T: Into<f64>>(value: T) -> PgResult<i16> {
    to_integer(value, -32_768.0, 32_768.0, "smallint").map(|value| value as i16)
}

fn to_int4<T: Into<f64>>(value: T) -> PgResult<i32> {
    to_integer(value, -2_147_483_648.0, 2_147_483_648.0, "integer").map(|value| value as i32)
}

fn to_int8<T: Into<f64>>(value: T) -> PgResult<i64> {
    to_integer(value, -9_223_372_036_854_775_808.0, 9_223_372_036_854_775_808.0, "bigint")
}

fn widen<A: Into<f64>>(value: A) -> f64 {
    value.into()
}

pub(crate) fn float8_to_float4(value: f64) -> PgResult<f32> {
    let narrow = value as f32;
    if narrow.is_infinite() && !value.is_infinite() {
        return Err(overflow());
    }
    if narrow == 0.0 && value != 0.0 {
        return Err(underflow());
    }
    Ok(narrow)
}

fn int2_to_float4(value: i16) -> f32 {
    f32::from(value)
}

fn int4_to_float4(value: i32) -> f32 {
    value as f32
}

fn int8_to_float4(value: i64) -> f32 {
    value as f32
}

fn int8_to_float8(value: i64) -> f64 {
    value as f64
}

/// Window frame test for RANGE with an offset.
fn in_range<T: Into<f64>>(value: T, base: T, offset: f64, sub: bool, less: bool) -> PgResult<bool> {
    let (value, base) = (value.into(), base.into());
    if offset.is_nan() || offset < 0.0 {
        return Err(invalid_frame_offset());
    }
    if value.is_nan() {
        return Ok(base.is_nan() || !less);
    }
    if base.is_nan() {
        return Ok(less);
    }
    // An infinite offset from the infinity on the other side reaches everything.
    if offset.is_infinite() && base.is_infinite() && (if sub { base > 0.0 } else { base < 0.0 }) {
        return Ok(true);
    }
    let bound = if sub { base - offset } else { base + offset };
    Ok(if less { value <= bound } else { value >= bound })
}

fn random(ctx: &CallContext<'_>) -> f64 {
    let mut value = 0.0;
    ctx.env.with_random(&mut |prng| value = prng.next_f64());
    value
}

fn setseed(ctx: &CallContext<'_>, seed: f64) -> PgResult<()> {
    if !(-1.0..=1.0).contains(&seed) {
        let shown = crate::float::general_string(seed, 6);
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!("setseed parameter {shown} is out of allowed range [-1,1]"),
        ));
    }
    ctx.env.with_random(&mut |prng| *prng = Prng::from_double(seed));
    Ok(())
}

builtins! {
    "float4eq" = eq::<f32, f32>: 2;
    "float4ne" = ne::<f32, f32>: 2;
    "float4lt" = lt::<f32, f32>: 2;
    "float4le" = le::<f32, f32>: 2;
    "float4gt" = gt::<f32, f32>: 2;
    "float4ge" = ge::<f32, f32>: 2;
    "btfloat4cmp" = order::<f32, f32>: 2;
    "float4pl" = add::<f32, f32, f32>: 2;
    "float4mi" = sub::<f32, f32, f32>: 2;
    "float4mul" = mul::<f32, f32, f32>: 2;
    "float4div" = div::<f32, f32, f32>: 2;
    "float48eq" = eq::<f32, f64>: 2;
    "float48ne" = ne::<f32, f64>: 2;
    "float48lt" = lt::<f32, f64>: 2;
    "float48le" = le::<f32, f64>: 2;
    "float48gt" = gt::<f32, f64>: 2;
    "float48ge" = ge::<f32, f64>: 2;
    "btfloat48cmp" = order::<f32, f64>: 2;
    "float48pl" = add::<f32, f64, f64>: 2;
    "float48mi" = sub::<f32, f64, f64>: 2;
    "float48mul" = mul::<f32, f64, f64>: 2;
    "float48div" = div::<f32, f64, f64>: 2;
    "float84eq" = eq::<f64, f32>: 2;
    "float84ne" = ne::<f64, f32>: 2;
    "float84lt" = lt::<f64, f32>: 2;
    "float84le" = le::<f64, f32>: 2;
    "float84gt" = gt::<f64, f32>: 2;
    "float84ge" = ge::<f64, f32>: 2;
    "btfloat84cmp" = order::<f64, f32>: 2;
    "float84pl" = add::<f64, f32, f64>: 2;
    "float84mi" = sub::<f64, f32, f64>: 2;
    "float84mul" = mul::<f64, f32, f64>: 2;
    "float84div" = div::<f64, f32, f64>: 2;
    "float8eq" = eq::<f64, f64>: 2;
    "float8ne" = ne::<f64, f64>: 2;
    "float8lt" = lt::<f64, f64>: 2;
    "float8le" = le::<f64, f64>: 2;
    "float8gt" = gt::<f64, f64>: 2;
    "float8ge" = ge::<f64, f64>: 2;
    "btfloat8cmp" = order::<f64, f64>: 2;
    "float8pl" = add::<f64, f64, f64>: 2;
    "float8mi" = sub::<f64, f64, f64>: 2;
    "float8mul" = mul::<f64, f64, f64>: 2;
    "float8div" = div::<f64, f64, f64>: 2;
    "float4um" = neg::<f32>: 1;
    "float4up" = plus::<f32>: 1;
    "float4abs" = abs4: 1;
    "float4larger" = larger::<f32>: 2;
    "float4smaller" = smaller::<f32>: 2;
    "in_range_float4_float8" = in_range::<f32>: 5;
    "float8um" = neg::<f64>: 1;
    "float8up" = plus::<f64>: 1;
    "float8abs" = abs8: 1;
    "float8larger" = larger::<f64>: 2;
    "float8smaller" = smaller::<f64>: 2;
    "in_range_float8_float8" = in_range::<f64>: 5;
    "dtoi2" = to_int2::<f64>: 1;
    "ftoi2" = to_int2::<f32>: 1;
    "dtoi4" = to_int4::<f64>: 1;
    "ftoi4" = to_int4::<f32>: 1;
    "dtoi8" = to_int8::<f64>: 1;
    "ftoi8" = to_int8::<f32>: 1;
    "ftod" = widen::<f32>: 1;
    "dtof" = float8_to_float4: 1;
    "i2tod" = widen::<i16>: 1;
    "i4tod" = widen::<i32>: 1;
    "i8tod" = int8_to_float8: 1;
    "i2tof" = int2_to_float4: 1;
    "i4tof" = int4_to_float4: 1;
    "i8tof" = int8_to_float4: 1;
    "drandom" = random: (ctx, 0);
    "setseed" = setseed: (ctx, 1);
    "dacos" = math::acos: 1;
    "dacosd" = math::acosd: 1;
    "dacosh" = math::acosh: 1;
    "dasin" = math::asin: 1;
    "dasind" = math::asind: 1;
    "dasinh" = math::asinh: 1;
    "datan" = math::atan: 1;
    "datan2" = math::atan2: 2;
    "datan2d" = math::atan2d: 2;
    "datand" = math::atand: 1;
    "datanh" = math::atanh: 1;
    "dcbrt" = math::cbrt: 1;
    "dceil" = math::ceil: 1;
    "dcos" = math::cos: 1;
    "dcosd" = math::cosd: 1;
    "dcosh" = math::cosh: 1;
    "dcot" = math::cot: 1;
    "dcotd" = math::cotd: 1;
    "degrees" = math::degrees: 1;
    "dexp" = math::exp: 1;
    "dfloor" = math::floor: 1;
    "dlog1" = math::ln: 1;
    "dlog10" = math::log10: 1;
    "dpi" = math::pi: 0;
    "dpow" = math::pow: 2;
    "dround" = math::round: 1;
    "dsign" = math::sign: 1;
    "dsin" = math::sin: 1;
    "dsind" = math::sind: 1;
    "dsinh" = math::sinh: 1;
    "dsqrt" = math::sqrt: 1;
    "dtan" = math::tan: 1;
    "dtand" = math::tand: 1;
    "dtanh" = math::tanh: 1;
    "dtrunc" = math::trunc: 1;
    "radians" = math::radians: 1;
    "width_bucket_float8" = math::width_bucket: 4;
}
