//! Arithmetic of `interval`, and of timestamps with intervals; aggregates over intervals.

use crate::args::builtins;
use crate::calendar::{CivilTime, USECS_PER_DAY, USECS_PER_SEC, days_in_month};
use crate::datetime_compare::AnyTimestamp;
use crate::datetime_zone::west_of;
use crate::integer_ops::{division_by_zero, invalid_frame_offset};
use crate::interval::out_of_range;
use crate::timestamp::{checked, from_civil, from_local, is_infinite, to_civil, to_local};
use crate::timezone::Zone;
use crate::{ArrayValue, CallContext, Datum, Interval, types};
use redoubt_error::{PgError, PgResult, code};

const DAYS_PER_MONTH: i32 = 30;

/// `a + b`, field by field.
///
/// # Errors
/// `22008` when a field overflows.
pub(crate) fn add(a: Interval, b: Interval) -> PgResult<Interval> {
    let sum = || {
        Some(Interval {
            months: a.months.checked_add(b.months)?,
            days: a.days.checked_add(b.days)?,
            usecs: a.usecs.checked_add(b.usecs)?,
        })
    };
    sum().ok_or_else(out_of_range)
}

/// `a - b`, field by field.
///
/// # Errors
/// As [`add`].
pub(crate) fn sub(a: Interval, b: Interval) -> PgResult<Interval> {
    let difference = || {
        Some(Interval {
            months: a.months.checked_sub(b.months)?,
            days: a.days.checked_sub(b.days)?,
            usecs: a.usecs.checked_sub(b.usecs)?,
        })
    };
    difference().ok_or_else(out_of_range)
}

/// The negation.
///
/// # Errors
/// As [`add`].
pub(crate) fn negate(a: Interval) -> PgResult<Interval> {
    sub(Interval::default(), a)
}

/// Rounds to microseconds, to hide the noise of binary fractions.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

fn to_i32(value: f64) -> PgResult<i32> {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&value) { Ok(value as i32) } else { Err(out_of_range()) }
}

/// Scales every field; fractions of months become days, fractions of days become time.
fn scale(a: Interval, by: impl Fn(f64) -> f64) -> PgResult<Interval> {
    let months = to_i32(by(f64::from(a.months)))?;
    let days = to_i32(by(f64::from(a.days)))?;
    let month_days = rounded((by(f64::from(a.months)) - f64::from(months)) * f64::from(DAYS_PER_MONTH));
    let mut seconds = rounded(
        (by(f64::from(a.days)) - f64::from(days) + month_days - f64::from(month_days as i32)) * 86_400.0,
    );
    let mut days = days;
    if seconds.abs() >= 86_400.0 {
        let whole = (seconds / 86_400.0) as i32;
        days = days.checked_add(whole).ok_or_else(out_of_range)?;
        seconds -= f64::from(whole) * 86_400.0;
    }
    days = days.checked_add(month_days as i32).ok_or_else(out_of_range)?;
    let usecs = (by(a.usecs as f64) + seconds * USECS_PER_SEC as f64).round_ties_even();
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&usecs) {
        return Err(out_of_range());
    }
    Ok(Interval { months, days, usecs: usecs as i64 })
}

fn mul(a: Interval, factor: f64) -> PgResult<Interval> {
    scale(a, |value| value * factor)
}

fn mul_reversed(factor: f64, a: Interval) -> PgResult<Interval> {
    mul(a, factor)
}

fn div(a: Interval, divisor: f64) -> PgResult<Interval> {
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    scale(a, |value| value / divisor)
}

/// Makes days and time agree in sign by moving a day between them.
fn align_days(a: &mut Interval) {
    if a.days > 0 && a.usecs < 0 {
        a.usecs += USECS_PER_DAY;
        a.days -= 1;
    } else if a.days < 0 && a.usecs > 0 {
        a.usecs -= USECS_PER_DAY;
        a.days += 1;
    }
}

/// Turns whole days of time into days.
///
/// # Errors
/// `22008`.
pub(crate) fn justify_hours(mut a: Interval) -> PgResult<Interval> {
    let whole = a.usecs / USECS_PER_DAY;
    a.usecs -= whole * USECS_PER_DAY;
    a.days = a.days.checked_add(whole as i32).ok_or_else(out_of_range)?;
    align_days(&mut a);
    Ok(a)
}

/// Turns 30 days into a month.
fn justify_days(mut a: Interval) -> PgResult<Interval> {
    let whole = a.days / DAYS_PER_MONTH;
    a.days -= whole * DAYS_PER_MONTH;
    a.months = a.months.checked_add(whole).ok_or_else(out_of_range)?;
    if a.months > 0 && a.days < 0 {
        a.days += DAYS_PER_MONTH;
        a.months -= 1;
    } else if a.months < 0 && a.days > 0 {
        a.days -= DAYS_PER_MONTH;
        a.months += 1;
    }
    Ok(a)
}

/// Both, with all fields of one sign in the end.
fn justify_interval(mut a: Interval) -> PgResult<Interval> {
    let carry_months = |a: &mut Interval| {
        let whole = a.days / DAYS_PER_MONTH;
        a.days -= whole * DAYS_PER_MONTH;
        a.months = a.months.checked_add(whole).ok_or_else(out_of_range)?;
        Ok(())
    };
    // Days first where the time will add to them, so that they do not overflow.
    if (a.days > 0 && a.usecs > 0) || (a.days < 0 && a.usecs < 0) {
        carry_months(&mut a)?;
    }
    let whole = a.usecs / USECS_PER_DAY;
    a.usecs -= whole * USECS_PER_DAY;
    a.days = a.days.checked_add(whole as i32).ok_or_else(out_of_range)?;
    carry_months(&mut a)?;
    if a.months > 0 && (a.days < 0 || (a.days == 0 && a.usecs < 0)) {
        a.days += DAYS_PER_MONTH;
        a.months -= 1;
    } else if a.months < 0 && (a.days > 0 || (a.days == 0 && a.usecs > 0)) {
        a.days -= DAYS_PER_MONTH;
        a.months += 1;
    }
    align_days(&mut a);
    Ok(a)
}

/// Adds months and keeps the day within its month.
fn add_months(civil: &mut CivilTime, months: i32) -> PgResult<()> {
    let total = i64::from(civil.month) - 1 + i64::from(months);
    let year = i64::from(civil.year) + total.div_euclid(12);
    civil.year = i32::try_from(year).map_err(|_| crate::timestamp::out_of_range())?;
    civil.month = total.rem_euclid(12) as i32 + 1;
    civil.day = civil.day.min(days_in_month(civil.year, civil.month));
    Ok(())
}

/// Adds days, going through the Julian day, which must not become negative.
fn add_days(civil: &mut CivilTime, days: i32) -> PgResult<()> {
    let julian = civil.julian().checked_add(days).filter(|julian| *julian >= 0);
    civil.set_date(julian.ok_or_else(crate::timestamp::out_of_range)?);
    Ok(())
}

/// `timestamp + interval`.
///
/// # Errors
/// `22008`.
pub(crate) fn timestamp_plus(value: i64, span: Interval) -> PgResult<i64> {
    if is_infinite(value) {
        return Ok(value);
    }
    let mut value = value;
    if span.months != 0 {
        let mut civil = to_civil(value);
        add_months(&mut civil, span.months)?;
        value = from_civil(&civil).ok_or_else(crate::timestamp::out_of_range)?;
    }
    if span.days != 0 {
        let mut civil = to_civil(value);
        add_days(&mut civil, span.days)?;
        value = from_civil(&civil).ok_or_else(crate::timestamp::out_of_range)?;
    }
    checked(value.checked_add(span.usecs))
}

/// `timestamptz + interval`: months and days are added in local time.
///
/// # Errors
/// `22008`.
pub(crate) fn timestamptz_plus(value: i64, span: Interval, zone: &Zone) -> PgResult<i64> {
    if is_infinite(value) {
        return Ok(value);
    }
    let mut value = value;
    let resolve = |civil: &CivilTime| {
        from_local(civil, west_of(zone, civil)).ok_or_else(crate::timestamp::out_of_range)
    };
    if span.months != 0 {
        let (mut civil, _) = to_local(value, zone);
        add_months(&mut civil, span.months)?;
        value = resolve(&civil)?;
    }
    if span.days != 0 {
        let (mut civil, _) = to_local(value, zone);
        add_days(&mut civil, span.days)?;
        value = resolve(&civil)?;
    }
    checked(value.checked_add(span.usecs))
}

/// The negation as PostgreSQL applies it to spans: without a check, because fields that overflow
/// leave the range of timestamps anyway.
pub(crate) fn flipped(span: Interval) -> Interval {
    Interval {
        months: span.months.wrapping_neg(),
        days: span.days.wrapping_neg(),
        usecs: span.usecs.wrapping_neg(),
    }
}

fn timestamp_pl(value: crate::args::TimestampArg, span: Interval) -> PgResult<Datum> {
    timestamp_plus(value.0, span).map(Datum::Timestamp)
}

fn timestamp_mi(value: crate::args::TimestampArg, span: Interval) -> PgResult<Datum> {
    timestamp_plus(value.0, flipped(span)).map(Datum::Timestamp)
}

fn timestamptz_pl(
    ctx: &CallContext<'_>,
    value: crate::args::TimestampTzArg,
    span: Interval,
) -> PgResult<Datum> {
    timestamptz_plus(value.0, span, &ctx.env.settings().timezone).map(Datum::TimestampTz)
}

fn timestamptz_mi(
    ctx: &CallContext<'_>,
    value: crate::args::TimestampTzArg,
    span: Interval,
) -> PgResult<Datum> {
    timestamptz_plus(value.0, flipped(span), &ctx.env.settings().timezone).map(Datum::TimestampTz)
}

/// `timestamp - timestamp`, in days and time.
fn difference(a: AnyTimestamp, b: AnyTimestamp) -> PgResult<Interval> {
    if is_infinite(a.0) || is_infinite(b.0) {
        return Err(PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite timestamps"));
    }
    let usecs = a.0.checked_sub(b.0).ok_or_else(out_of_range)?;
    justify_hours(Interval { usecs, ..Default::default() })
}

/// Window frame test with an interval: the bound is computed by `shift`.
pub(crate) fn in_range(
    value: i64,
    offset: Interval,
    less: bool,
    shift: impl FnOnce() -> PgResult<i64>,
) -> PgResult<bool> {
    if offset.sort_key() < 0 {
        return Err(invalid_frame_offset());
    }
    let bound = shift()?;
    Ok(if less { value <= bound } else { value >= bound })
}

fn directed(offset: Interval, sub: bool) -> Interval {
    if sub { flipped(offset) } else { offset }
}

fn in_range_timestamp(
    value: crate::args::TimestampArg,
    base: crate::args::TimestampArg,
    offset: Interval,
    sub: bool,
    less: bool,
) -> PgResult<bool> {
    in_range(value.0, offset, less, || timestamp_plus(base.0, directed(offset, sub)))
}

fn in_range_timestamptz(
    ctx: &CallContext<'_>,
    value: crate::args::TimestampTzArg,
    base: crate::args::TimestampTzArg,
    offset: Interval,
    sub: bool,
    less: bool,
) -> PgResult<bool> {
    let zone = ctx.env.settings().timezone.clone();
    in_range(value.0, offset, less, || timestamptz_plus(base.0, directed(offset, sub), &zone))
}

fn in_range_interval(
    value: Interval,
    base: Interval,
    offset: Interval,
    sub_: bool,
    less: bool,
) -> PgResult<bool> {
    if offset.sort_key() < 0 {
        return Err(invalid_frame_offset());
    }
    let bound = if sub_ { sub(base, offset)? } else { add(base, offset)? }.sort_key();
    Ok(if less { value.sort_key() <= bound } else { value.sort_key() >= bound })
}

/// Cast function `interval(interval, int4)`: applies a type modifier.
fn coerce(a: Interval, typmod: i32) -> PgResult<Interval> {
    crate::interval::coerce(a, typmod)
}

/// `avg(interval)`: the sum, and the count kept as the microseconds of another interval.
fn pair(state: &Datum) -> PgResult<(Interval, Interval)> {
    match state {
        Datum::Array(array) => match array.elems[..] {
            [Datum::Interval(sum), Datum::Interval(count)] => Ok((sum, count)),
            _ => Err(PgError::internal("expected 2-element interval array")),
        },
        _ => Err(PgError::internal("expected 2-element interval array")),
    }
}

fn pair_datum(sum: Interval, count: Interval) -> Datum {
    let elems = vec![Datum::Interval(sum), Datum::Interval(count)];
    Datum::Array(ArrayValue::from_elems(types::INTERVAL, elems).into())
}

fn accum(state: &Datum, value: Interval) -> PgResult<Datum> {
    let (sum, mut count) = pair(state)?;
    count.usecs += 1;
    Ok(pair_datum(add(sum, value)?, count))
}

fn accum_inverse(state: &Datum, value: Interval) -> PgResult<Datum> {
    let (sum, mut count) = pair(state)?;
    count.usecs -= 1;
    Ok(pair_datum(sub(sum, value)?, count))
}

fn combine(a: &Datum, b: &Datum) -> PgResult<Datum> {
    let ((sum1, count1), (sum2, count2)) = (pair(a)?, pair(b)?);
    Ok(pair_datum(add(sum1, sum2)?, add(count1, count2)?))
}

fn average(state: &Datum) -> PgResult<Option<Interval>> {
    let (sum, count) = pair(state)?;
    if count.usecs == 0 { Ok(None) } else { div(sum, count.usecs as f64).map(Some) }
}

builtins! {
    "interval_pl" = add: 2;
    "interval_mi" = sub: 2;
    "interval_um" = negate: 1;
    "interval_mul" = mul: 2;
    "mul_d_interval" = mul_reversed: 2;
    "interval_div" = div: 2;
    "interval_justify_hours" = justify_hours: 1;
    "interval_justify_days" = justify_days: 1;
    "interval_justify_interval" = justify_interval: 1;
    "interval_scale" = coerce: 2;
    "timestamp_pl_interval" = timestamp_pl: 2;
    "timestamp_mi_interval" = timestamp_mi: 2;
    "timestamptz_pl_interval" = timestamptz_pl: (ctx, 2);
    "timestamptz_mi_interval" = timestamptz_mi: (ctx, 2);
    "timestamp_mi" = difference: 2;
    "in_range_timestamp_interval" = in_range_timestamp: 5;
    "in_range_timestamptz_interval" = in_range_timestamptz: (ctx, 5);
    "in_range_interval_interval" = in_range_interval: 5;
    "interval_accum" = accum: 2;
    "interval_accum_inv" = accum_inverse: 2;
    "interval_combine" = combine: 2;
    "interval_avg" = average: 1;
}
