//! Operators and functions of `int2`, `int4`, `int8`, `oid` and `xid8`.

use crate::Datum;
use crate::args::{OidArg, Xid8Arg, builtins};
use crate::compare::generic as op;
use redoubt_error::{PgError, PgResult, code};
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// `22012`.
#[cold]
pub(crate) fn division_by_zero() -> PgError {
    PgError::new(code::DIVISION_BY_ZERO, "division by zero")
}

/// `22003` for an integer type.
#[cold]
pub(crate) fn out_of_range(type_name: &str) -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{type_name} out of range"))
}

/// What the three integer types have in common.
pub(crate) trait Integer: Copy + Ord + Into<i64> + TryFrom<i64> {
    const NAME: &'static str;
    const ZERO: Self;
    const MINUS_ONE: Self;
    fn add(self, other: Self) -> Option<Self>;
    fn sub(self, other: Self) -> Option<Self>;
    fn mul(self, other: Self) -> Option<Self>;
    fn div(self, other: Self) -> Option<Self>;
    fn rem(self, other: Self) -> Option<Self>;
    fn shl(self, by: i32) -> Self;
    fn shr(self, by: i32) -> Self;

    /// The error for a result that does not fit.
    #[cold]
    fn overflow() -> PgError {
        out_of_range(Self::NAME)
    }
}

macro_rules! integer {
    ($type:ty, $name:literal) => {
        impl Integer for $type {
            const NAME: &'static str = $name;
            const ZERO: Self = 0;
            const MINUS_ONE: Self = -1;
            #[inline]
            fn add(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
            #[inline]
            fn sub(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
            }
            #[inline]
            fn mul(self, other: Self) -> Option<Self> {
                self.checked_mul(other)
            }
            #[inline]
            fn div(self, other: Self) -> Option<Self> {
                self.checked_div(other)
            }
            #[inline]
            fn rem(self, other: Self) -> Option<Self> {
                self.checked_rem(other)
            }
            /// x86 shifts `int2` as `int`, then truncates, and takes the count modulo the width.
            #[inline]
            fn shl(self, by: i32) -> Self {
                if size_of::<Self>() == 8 {
                    (self as i64).wrapping_shl(by as u32) as $type
                } else {
                    (self as i32).wrapping_shl(by as u32) as $type
                }
            }
            #[inline]
            fn shr(self, by: i32) -> Self {
                if size_of::<Self>() == 8 {
                    (self as i64).wrapping_shr(by as u32) as $type
                } else {
                    (self as i32).wrapping_shr(by as u32) as $type
                }
            }
        }
    };
}

integer!(i16, "smallint");
integer!(i32, "integer");
integer!(i64, "bigint");

/// `a + b` in the result type `R`, the wider of the two.
#[inline]
fn add<A: Into<R>, B: Into<R>, R: Integer>(a: A, b: B) -> PgResult<R> {
    a.into().add(b.into()).ok_or_else(R::overflow)
}

#[inline]
fn sub<A: Into<R>, B: Into<R>, R: Integer>(a: A, b: B) -> PgResult<R> {
    a.into().sub(b.into()).ok_or_else(R::overflow)
}

#[inline]
fn mul<A: Into<R>, B: Into<R>, R: Integer>(a: A, b: B) -> PgResult<R> {
    a.into().mul(b.into()).ok_or_else(R::overflow)
}

#[inline]
fn div<A: Into<R>, B: Into<R>, R: Integer>(a: A, b: B) -> PgResult<R> {
    let divisor = b.into();
    if divisor == R::ZERO {
        return Err(division_by_zero());
    }
    a.into().div(divisor).ok_or_else(R::overflow)
}

/// The remainder has the dividend's sign; the least value modulo -1 is 0.
#[inline]
fn rem<T: Integer>(a: T, b: T) -> PgResult<T> {
    if b == T::ZERO {
        return Err(division_by_zero());
    }
    if b == T::MINUS_ONE {
        return Ok(T::ZERO);
    }
    a.rem(b).ok_or_else(T::overflow)
}

fn neg<T: Integer>(a: T) -> PgResult<T> {
    T::ZERO.sub(a).ok_or_else(T::overflow)
}

fn abs<T: Integer>(a: T) -> PgResult<T> {
    if a < T::ZERO { neg(a) } else { Ok(a) }
}

fn plus<T>(a: T) -> T {
    a
}

fn inc<T: Integer>(a: T) -> PgResult<T> {
    a.sub(T::MINUS_ONE).ok_or_else(T::overflow)
}

fn dec<T: Integer>(a: T) -> PgResult<T> {
    a.add(T::MINUS_ONE).ok_or_else(T::overflow)
}

/// `count(x)`'s transition: the second argument has been checked by strictness.
fn inc_any(a: i64, _: &Datum) -> PgResult<i64> {
    inc(a)
}

fn dec_any(a: i64, _: &Datum) -> PgResult<i64> {
    dec(a)
}

fn bit_and<T: BitAnd<Output = T>>(a: T, b: T) -> T {
    a & b
}

fn bit_or<T: BitOr<Output = T>>(a: T, b: T) -> T {
    a | b
}

fn bit_xor<T: BitXor<Output = T>>(a: T, b: T) -> T {
    a ^ b
}

fn bit_not<T: Not<Output = T>>(a: T) -> T {
    !a
}

fn shl<T: Integer>(a: T, by: i32) -> T {
    a.shl(by)
}

fn shr<T: Integer>(a: T, by: i32) -> T {
    a.shr(by)
}

/// Conversion to a narrower type.
fn narrow<A: Into<i64>, R: Integer>(a: A) -> PgResult<R> {
    R::try_from(a.into()).map_err(|_| R::overflow())
}

/// Conversion to a wider type.
fn widen<A: Into<R>, R>(a: A) -> R {
    a.into()
}

/// Euclid's algorithm on magnitudes; only the magnitude of the least value overflows.
fn gcd<T: Integer>(a: T, b: T) -> PgResult<T> {
    let magnitude = unsigned_gcd(a.into().unsigned_abs(), b.into().unsigned_abs());
    i64::try_from(magnitude).ok().and_then(|value| T::try_from(value).ok()).ok_or_else(T::overflow)
}

fn unsigned_gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm<T: Integer>(a: T, b: T) -> PgResult<T> {
    let (x, y) = (a.into().unsigned_abs(), b.into().unsigned_abs());
    if x == 0 || y == 0 {
        return Ok(T::ZERO);
    }
    let product = u128::from(x / unsigned_gcd(x, y)) * u128::from(y);
    i64::try_from(product).ok().and_then(|value| T::try_from(value).ok()).ok_or_else(T::overflow)
}

/// Window frame test for RANGE with an offset: is `value` within `offset` of `base`?
fn in_range<T: Into<i64>, O: Into<i64>>(
    value: T,
    base: T,
    offset: O,
    sub: bool,
    less: bool,
) -> PgResult<bool> {
    let (value, base, offset) =
        (i128::from(value.into()), i128::from(base.into()), i128::from(offset.into()));
    if offset < 0 {
        return Err(invalid_frame_offset());
    }
    // 128 bits cannot overflow, and saturating at the type's limits compares the same way.
    let bound = if sub { base - offset } else { base + offset };
    Ok(if less { value <= bound } else { value >= bound })
}

/// `22013` for a negative RANGE offset.
#[cold]
pub(crate) fn invalid_frame_offset() -> PgError {
    PgError::new(
        code::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
        "invalid preceding or following size in window function",
    )
}

/// The difference, as PostgreSQL returns it, not just its sign.
fn int2_cmp(a: i16, b: i16) -> i32 {
    i32::from(a) - i32::from(b)
}

fn oid_to_int8(value: OidArg) -> i64 {
    i64::from(value.0)
}

fn int8_to_oid(value: i64) -> PgResult<OidArg> {
    u32::try_from(value).map(OidArg).map_err(|_| out_of_range("OID"))
}

/// `xid = xid`, and `xid = int4`, which share one symbol.
fn xid_eq(a: OidArg, b: &Datum) -> PgResult<bool> {
    match *b {
        Datum::Oid(b) => Ok(a.0 == b),
        Datum::Int4(b) => Ok(a.0 == b as u32),
        ref other => Err(other.mismatch("xid")),
    }
}

fn xid_ne(a: OidArg, b: &Datum) -> PgResult<bool> {
    xid_eq(a, b).map(|equal| !equal)
}

fn xid8_to_xid(value: Xid8Arg) -> OidArg {
    OidArg(value.0 as u32)
}

builtins! {
    "int2eq" = op::eq::<i16>: 2;
    "int2ne" = op::ne::<i16>: 2;
    "int2lt" = op::lt::<i16>: 2;
    "int2le" = op::le::<i16>: 2;
    "int2gt" = op::gt::<i16>: 2;
    "int2ge" = op::ge::<i16>: 2;
    "btint2cmp" = int2_cmp: 2;
    "int2pl" = add::<i16, i16, i16>: 2;
    "int2mi" = sub::<i16, i16, i16>: 2;
    "int2mul" = mul::<i16, i16, i16>: 2;
    "int2div" = div::<i16, i16, i16>: 2;
    "int24eq" = op::eq_as::<i16, i32, i32>: 2;
    "int24ne" = op::ne_as::<i16, i32, i32>: 2;
    "int24lt" = op::lt_as::<i16, i32, i32>: 2;
    "int24le" = op::le_as::<i16, i32, i32>: 2;
    "int24gt" = op::gt_as::<i16, i32, i32>: 2;
    "int24ge" = op::ge_as::<i16, i32, i32>: 2;
    "btint24cmp" = op::cmp_as::<i16, i32, i32>: 2;
    "int24pl" = add::<i16, i32, i32>: 2;
    "int24mi" = sub::<i16, i32, i32>: 2;
    "int24mul" = mul::<i16, i32, i32>: 2;
    "int24div" = div::<i16, i32, i32>: 2;
    "int28eq" = op::eq_as::<i16, i64, i64>: 2;
    "int28ne" = op::ne_as::<i16, i64, i64>: 2;
    "int28lt" = op::lt_as::<i16, i64, i64>: 2;
    "int28le" = op::le_as::<i16, i64, i64>: 2;
    "int28gt" = op::gt_as::<i16, i64, i64>: 2;
    "int28ge" = op::ge_as::<i16, i64, i64>: 2;
    "btint28cmp" = op::cmp_as::<i16, i64, i64>: 2;
    "int28pl" = add::<i16, i64, i64>: 2;
    "int28mi" = sub::<i16, i64, i64>: 2;
    "int28mul" = mul::<i16, i64, i64>: 2;
    "int28div" = div::<i16, i64, i64>: 2;
    "int42eq" = op::eq_as::<i32, i16, i32>: 2;
    "int42ne" = op::ne_as::<i32, i16, i32>: 2;
    "int42lt" = op::lt_as::<i32, i16, i32>: 2;
    "int42le" = op::le_as::<i32, i16, i32>: 2;
    "int42gt" = op::gt_as::<i32, i16, i32>: 2;
    "int42ge" = op::ge_as::<i32, i16, i32>: 2;
    "btint42cmp" = op::cmp_as::<i32, i16, i32>: 2;
    "int42pl" = add::<i32, i16, i32>: 2;
    "int42mi" = sub::<i32, i16, i32>: 2;
    "int42mul" = mul::<i32, i16, i32>: 2;
    "int42div" = div::<i32, i16, i32>: 2;
    "int4eq" = op::eq::<i32>: 2;
    "int4ne" = op::ne::<i32>: 2;
    "int4lt" = op::lt::<i32>: 2;
    "int4le" = op::le::<i32>: 2;
    "int4gt" = op::gt::<i32>: 2;
    "int4ge" = op::ge::<i32>: 2;
    "btint4cmp" = op::cmp::<i32>: 2;
    "int4pl" = add::<i32, i32, i32>: 2;
    "int4mi" = sub::<i32, i32, i32>: 2;
    "int4mul" = mul::<i32, i32, i32>: 2;
    "int4div" = div::<i32, i32, i32>: 2;
    "int48eq" = op::eq_as::<i32, i64, i64>: 2;
    "int48ne" = op::ne_as::<i32, i64, i64>: 2;
    "int48lt" = op::lt_as::<i32, i64, i64>: 2;
    "int48le" = op::le_as::<i32, i64, i64>: 2;
    "int48gt" = op::gt_as::<i32, i64, i64>: 2;
    "int48ge" = op::ge_as::<i32, i64, i64>: 2;
    "btint48cmp" = op::cmp_as::<i32, i64, i64>: 2;
    "int48pl" = add::<i32, i64, i64>: 2;
    "int48mi" = sub::<i32, i64, i64>: 2;
    "int48mul" = mul::<i32, i64, i64>: 2;
    "int48div" = div::<i32, i64, i64>: 2;
    "int82eq" = op::eq_as::<i64, i16, i64>: 2;
    "int82ne" = op::ne_as::<i64, i16, i64>: 2;
    "int82lt" = op::lt_as::<i64, i16, i64>: 2;
    "int82le" = op::le_as::<i64, i16, i64>: 2;
    "int82gt" = op::gt_as::<i64, i16, i64>: 2;
    "int82ge" = op::ge_as::<i64, i16, i64>: 2;
    "btint82cmp" = op::cmp_as::<i64, i16, i64>: 2;
    "int82pl" = add::<i64, i16, i64>: 2;
    "int82mi" = sub::<i64, i16, i64>: 2;
    "int82mul" = mul::<i64, i16, i64>: 2;
    "int82div" = div::<i64, i16, i64>: 2;
    "int84eq" = op::eq_as::<i64, i32, i64>: 2;
    "int84ne" = op::ne_as::<i64, i32, i64>: 2;
    "int84lt" = op::lt_as::<i64, i32, i64>: 2;
    "int84le" = op::le_as::<i64, i32, i64>: 2;
    "int84gt" = op::gt_as::<i64, i32, i64>: 2;
    "int84ge" = op::ge_as::<i64, i32, i64>: 2;
    "btint84cmp" = op::cmp_as::<i64, i32, i64>: 2;
    "int84pl" = add::<i64, i32, i64>: 2;
    "int84mi" = sub::<i64, i32, i64>: 2;
    "int84mul" = mul::<i64, i32, i64>: 2;
    "int84div" = div::<i64, i32, i64>: 2;
    "int8eq" = op::eq::<i64>: 2;
    "int8ne" = op::ne::<i64>: 2;
    "int8lt" = op::lt::<i64>: 2;
    "int8le" = op::le::<i64>: 2;
    "int8gt" = op::gt::<i64>: 2;
    "int8ge" = op::ge::<i64>: 2;
    "btint8cmp" = op::cmp::<i64>: 2;
    "int8pl" = add::<i64, i64, i64>: 2;
    "int8mi" = sub::<i64, i64, i64>: 2;
    "int8mul" = mul::<i64, i64, i64>: 2;
    "int8div" = div::<i64, i64, i64>: 2;
    "int2mod" = rem::<i16>: 2;
    "int2um" = neg::<i16>: 1;
    "int2abs" = abs::<i16>: 1;
    "int2up" = plus::<i16>: 1;
    "int2and" = bit_and::<i16>: 2;
    "int2or" = bit_or::<i16>: 2;
    "int2xor" = bit_xor::<i16>: 2;
    "int2not" = bit_not::<i16>: 1;
    "int2shl" = shl::<i16>: 2;
    "int2shr" = shr::<i16>: 2;
    "int2larger" = op::larger::<i16>: 2;
    "int2smaller" = op::smaller::<i16>: 2;
    "int4mod" = rem::<i32>: 2;
    "int4um" = neg::<i32>: 1;
    "int4abs" = abs::<i32>: 1;
    "int4up" = plus::<i32>: 1;
    "int4and" = bit_and::<i32>: 2;
    "int4or" = bit_or::<i32>: 2;
    "int4xor" = bit_xor::<i32>: 2;
    "int4not" = bit_not::<i32>: 1;
    "int4shl" = shl::<i32>: 2;
    "int4shr" = shr::<i32>: 2;
    "int4larger" = op::larger::<i32>: 2;
    "int4smaller" = op::smaller::<i32>: 2;
    "int4gcd" = gcd::<i32>: 2;
    "int4lcm" = lcm::<i32>: 2;
    "int4inc" = inc::<i32>: 1;
    "int8mod" = rem::<i64>: 2;
    "int8um" = neg::<i64>: 1;
    "int8abs" = abs::<i64>: 1;
    "int8up" = plus::<i64>: 1;
    "int8and" = bit_and::<i64>: 2;
    "int8or" = bit_or::<i64>: 2;
    "int8xor" = bit_xor::<i64>: 2;
    "int8not" = bit_not::<i64>: 1;
    "int8shl" = shl::<i64>: 2;
    "int8shr" = shr::<i64>: 2;
    "int8larger" = op::larger::<i64>: 2;
    "int8smaller" = op::smaller::<i64>: 2;
    "int8gcd" = gcd::<i64>: 2;
    "int8lcm" = lcm::<i64>: 2;
    "int8inc" = inc::<i64>: 1;
    "int8dec" = dec::<i64>: 1;
    "int8inc_any" = inc_any: 2;
    "int8dec_any" = dec_any: 2;
    "i2toi4" = widen::<i16, i32>: 1;
    "i4toi2" = narrow::<i32, i16>: 1;
    "int28" = widen::<i16, i64>: 1;
    "int48" = widen::<i32, i64>: 1;
    "int82" = narrow::<i64, i16>: 1;
    "int84" = narrow::<i64, i32>: 1;
    "in_range_int2_int2" = in_range::<i16, i16>: 5;
    "in_range_int2_int4" = in_range::<i16, i32>: 5;
    "in_range_int2_int8" = in_range::<i16, i64>: 5;
    "in_range_int4_int2" = in_range::<i32, i16>: 5;
    "in_range_int4_int4" = in_range::<i32, i32>: 5;
    "in_range_int4_int8" = in_range::<i32, i64>: 5;
    "in_range_int8_int8" = in_range::<i64, i64>: 5;
    "oideq" = op::eq::<OidArg>: 2;
    "oidne" = op::ne::<OidArg>: 2;
    "oidlt" = op::lt::<OidArg>: 2;
    "oidle" = op::le::<OidArg>: 2;
    "oidgt" = op::gt::<OidArg>: 2;
    "oidge" = op::ge::<OidArg>: 2;
    "xid8eq" = op::eq::<Xid8Arg>: 2;
    "xid8ne" = op::ne::<Xid8Arg>: 2;
    "xid8lt" = op::lt::<Xid8Arg>: 2;
    "xid8le" = op::le::<Xid8Arg>: 2;
    "xid8gt" = op::gt::<Xid8Arg>: 2;
    "xid8ge" = op::ge::<Xid8Arg>: 2;
    "btoidcmp" = op::cmp::<OidArg>: 2;
    "oidlarger" = op::larger::<OidArg>: 2;
    "oidsmaller" = op::smaller::<OidArg>: 2;
    "xid8cmp" = op::cmp::<Xid8Arg>: 2;
    "xid8_larger" = op::larger::<Xid8Arg>: 2;
    "xid8_smaller" = op::smaller::<Xid8Arg>: 2;
    "oidtoi8" = oid_to_int8: 1;
    "i8tooid" = int8_to_oid: 1;
    "xideq" = xid_eq: 2;
    "xidneq" = xid_ne: 2;
    "cideq" = op::eq::<OidArg>: 2;
    "xid8toxid" = xid8_to_xid: 1;
}
