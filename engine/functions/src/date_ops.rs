//! Operators and casts of `date`, `time` and `timetz`.

use crate::args::{DateArg, TimeArg, TimestampArg, TimestampTzArg, builtins};
use crate::calendar::{USECS_PER_DAY, USECS_PER_SEC};
use crate::date::{self, apply_precision, from_civil, is_infinite, is_valid, out_of_range};
use crate::datetime_compare::{date_as_timestamp, exceeds_timestamp};
use crate::integer_ops::invalid_frame_offset;
use crate::interval_ops::{flipped, in_range, timestamp_plus};
use crate::timestamp::{local_to_utc, to_civil, to_local};
use crate::{CallContext, Interval, TimeTz};
use redoubt_error::{PgError, PgResult, code};

fn plus_days(date: DateArg, days: i32) -> PgResult<DateArg> {
    if is_infinite(date.0) {
        return Ok(date);
    }
    date.0.checked_add(days).filter(|sum| is_valid(*sum)).map(DateArg).ok_or_else(out_of_range)
}

fn minus_days(date: DateArg, days: i32) -> PgResult<DateArg> {
    if is_infinite(date.0) {
        return Ok(date);
    }
    date.0.checked_sub(days).filter(|difference| is_valid(*difference)).map(DateArg).ok_or_else(out_of_range)
}

fn minus(a: DateArg, b: DateArg) -> PgResult<i32> {
    if is_infinite(a.0) || is_infinite(b.0) {
        return Err(PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite dates"));
    }
    Ok(a.0.wrapping_sub(b.0))
}

#[cold]
fn not_a_timestamp() -> PgError {
    PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "date out of range for timestamp")
}

/// Midnight of a date as a timestamp.
///
/// # Errors
/// `22008`.
pub(crate) fn to_timestamp(days: i32) -> PgResult<i64> {
    if exceeds_timestamp(days) { Err(not_a_timestamp()) } else { Ok(date_as_timestamp(days)) }
}

/// Midnight of a date in the session's zone.
///
/// # Errors
/// `22008`.
pub(crate) fn to_timestamptz(ctx: &CallContext<'_>, days: i32) -> PgResult<i64> {
    let midnight = to_timestamp(days)?;
    local_to_utc(midnight, &ctx.env.settings().timezone).map_err(|_| not_a_timestamp())
}

fn date_timestamp(date: DateArg) -> PgResult<TimestampArg> {
    to_timestamp(date.0).map(TimestampArg)
}

fn date_timestamptz(ctx: &CallContext<'_>, date: DateArg) -> PgResult<TimestampTzArg> {
    to_timestamptz(ctx, date.0).map(TimestampTzArg)
}

fn date_pl_interval(date: DateArg, span: Interval) -> PgResult<TimestampArg> {
    timestamp_plus(to_timestamp(date.0)?, span).map(TimestampArg)
}

fn date_mi_interval(date: DateArg, span: Interval) -> PgResult<TimestampArg> {
    timestamp_plus(to_timestamp(date.0)?, flipped(span)).map(TimestampArg)
}

/// The date part of a timestamp.
fn date_of(value: i64) -> PgResult<DateArg> {
    match value {
        crate::timestamp::EARLY => Ok(DateArg(date::EARLY)),
        crate::timestamp::LATE => Ok(DateArg(date::LATE)),
        _ => from_civil(&to_civil(value)).map(DateArg).ok_or_else(crate::timestamp::out_of_range),
    }
}

fn timestamp_date(value: TimestampArg) -> PgResult<DateArg> {
    date_of(value.0)
}

fn timestamptz_date(ctx: &CallContext<'_>, value: TimestampTzArg) -> PgResult<DateArg> {
    if crate::timestamp::is_infinite(value.0) {
        return date_of(value.0);
    }
    let (civil, _) = to_local(value.0, &ctx.env.settings().timezone);
    from_civil(&civil).map(DateArg).ok_or_else(crate::timestamp::out_of_range)
}

fn timestamp_time(value: TimestampArg) -> Option<TimeArg> {
    (!crate::timestamp::is_infinite(value.0)).then(|| TimeArg(value.0.rem_euclid(USECS_PER_DAY)))
}

fn timestamptz_time(ctx: &CallContext<'_>, value: TimestampTzArg) -> Option<TimeArg> {
    timestamptz_timetz(ctx, value).map(|local| TimeArg(local.time_us))
}

fn timestamptz_timetz(ctx: &CallContext<'_>, value: TimestampTzArg) -> Option<TimeTz> {
    if crate::timestamp::is_infinite(value.0) {
        return None;
    }
    let (civil, zone_s) = to_local(value.0, &ctx.env.settings().timezone);
    Some(TimeTz { time_us: civil.time_us(), zone_s })
}

fn time_timetz(ctx: &CallContext<'_>, time: TimeArg) -> TimeTz {
    let (mut moment, _) = crate::datetime_zone::current_time(ctx.env);
    moment.set_time(time.0);
    let zone_s = crate::datetime_zone::west_of(&ctx.env.settings().timezone, &moment);
    TimeTz { time_us: time.0, zone_s }
}

fn timetz_time(time: TimeTz) -> TimeArg {
    TimeArg(time.time_us)
}

fn time_interval(time: TimeArg) -> Interval {
    Interval { usecs: time.0, ..Default::default() }
}

fn interval_time(span: Interval) -> TimeArg {
    TimeArg(span.usecs.rem_euclid(USECS_PER_DAY))
}

/// `date + time`.
fn datetime(date: DateArg, time: TimeArg) -> PgResult<TimestampArg> {
    let midnight = to_timestamp(date.0)?;
    if crate::timestamp::is_infinite(midnight) {
        return Ok(TimestampArg(midnight));
    }
    crate::timestamp::checked(midnight.checked_add(time.0)).map(TimestampArg)
}

/// `date + timetz`.
fn datetimetz(date: DateArg, time: TimeTz) -> PgResult<TimestampTzArg> {
    match date.0 {
        date::EARLY => return Ok(TimestampTzArg(crate::timestamp::EARLY)),
        date::LATE => return Ok(TimestampTzArg(crate::timestamp::LATE)),
        days if exceeds_timestamp(days) => return Err(not_a_timestamp()),
        _ => {}
    }
    let value = i64::from(date.0) * USECS_PER_DAY + time.time_us + i64::from(time.zone_s) * USECS_PER_SEC;
    if crate::timestamp::is_valid(value) { Ok(TimestampTzArg(value)) } else { Err(not_a_timestamp()) }
}

/// Time of day wraps around midnight.
fn time_pl_interval(time: TimeArg, span: Interval) -> TimeArg {
    TimeArg(time.0.wrapping_add(span.usecs).rem_euclid(USECS_PER_DAY))
}

fn time_mi_interval(time: TimeArg, span: Interval) -> TimeArg {
    TimeArg(time.0.wrapping_sub(span.usecs).rem_euclid(USECS_PER_DAY))
}

fn time_mi_time(a: TimeArg, b: TimeArg) -> Interval {
    Interval { usecs: a.0 - b.0, ..Default::default() }
}

fn timetz_pl_interval(time: TimeTz, span: Interval) -> TimeTz {
    TimeTz { time_us: time.time_us.wrapping_add(span.usecs).rem_euclid(USECS_PER_DAY), ..time }
}

fn timetz_mi_interval(time: TimeTz, span: Interval) -> TimeTz {
    TimeTz { time_us: time.time_us.wrapping_sub(span.usecs).rem_euclid(USECS_PER_DAY), ..time }
}

/// Cast functions that apply a type modifier.
fn time_scale(time: TimeArg, typmod: i32) -> TimeArg {
    TimeArg(apply_precision(time.0, typmod))
}

fn timetz_scale(time: TimeTz, typmod: i32) -> TimeTz {
    TimeTz { time_us: apply_precision(time.time_us, typmod), ..time }
}

fn in_range_date(value: DateArg, base: DateArg, offset: Interval, sub: bool, less: bool) -> PgResult<bool> {
    let span = if sub { flipped(offset) } else { offset };
    let (value, base) = (to_timestamp(value.0)?, to_timestamp(base.0)?);
    in_range(value, offset, less, || timestamp_plus(base, span))
}

/// Only the time of the offset counts, and it does not wrap around midnight.
fn time_bound(base_us: i64, offset: Interval, sub: bool) -> PgResult<i64> {
    if offset.usecs < 0 {
        return Err(invalid_frame_offset());
    }
    Ok(if sub { base_us.saturating_sub(offset.usecs) } else { base_us.saturating_add(offset.usecs) })
}

fn in_range_time(value: TimeArg, base: TimeArg, offset: Interval, sub: bool, less: bool) -> PgResult<bool> {
    let bound = time_bound(base.0, offset, sub)?;
    Ok(if less { value.0 <= bound } else { value.0 >= bound })
}

fn in_range_timetz(value: TimeTz, base: TimeTz, offset: Interval, sub: bool, less: bool) -> PgResult<bool> {
    let bound = TimeTz { time_us: time_bound(base.time_us, offset, sub)?, zone_s: base.zone_s };
    let (value, bound) = (wide_key(value), wide_key(bound));
    Ok(if less { value <= bound } else { value >= bound })
}

/// As the sort key, for bounds far outside a day.
fn wide_key(time: TimeTz) -> (i128, i32) {
    (i128::from(time.time_us) + i128::from(time.zone_s) * i128::from(USECS_PER_SEC), time.zone_s)
}

builtins! {
    "date_pli" = plus_days: 2;
    "date_mii" = minus_days: 2;
    "date_mi" = minus: 2;
    "date_pl_interval" = date_pl_interval: 2;
    "date_mi_interval" = date_mi_interval: 2;
    "date_timestamp" = date_timestamp: 1;
    "date_timestamptz" = date_timestamptz: (ctx, 1);
    "timestamp_date" = timestamp_date: 1;
    "timestamptz_date" = timestamptz_date: (ctx, 1);
    "timestamp_time" = timestamp_time: 1;
    "timestamptz_time" = timestamptz_time: (ctx, 1);
    "timestamptz_timetz" = timestamptz_timetz: (ctx, 1);
    "time_timetz" = time_timetz: (ctx, 1);
    "timetz_time" = timetz_time: 1;
    "time_interval" = time_interval: 1;
    "interval_time" = interval_time: 1;
    "datetime_timestamp" = datetime: 2;
    "datetimetz_timestamptz" = datetimetz: 2;
    "time_pl_interval" = time_pl_interval: 2;
    "time_mi_interval" = time_mi_interval: 2;
    "time_mi_time" = time_mi_time: 2;
    "timetz_pl_interval" = timetz_pl_interval: 2;
    "timetz_mi_interval" = timetz_mi_interval: 2;
    "time_scale" = time_scale: 2;
    "timetz_scale" = timetz_scale: 2;
    "in_range_date_interval" = in_range_date: 5;
    "in_range_time_interval" = in_range_time: 5;
    "in_range_timetz_interval" = in_range_timetz: 5;
}
