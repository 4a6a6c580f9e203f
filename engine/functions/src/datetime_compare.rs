//! Comparison of dates and times, across types too, and OVERLAPS.

use crate::args::{DateArg, FromDatum, TimeArg, TimestampArg, TimestampTzArg, builtins};
use crate::calendar::{POSTGRES_EPOCH_JDATE, USECS_PER_DAY};
use crate::compare::generic as op;
use crate::timestamp::{EARLY, LATE};
use crate::{CallContext, Datum, Interval, TimeTz, compare, date, types};
use redoubt_error::PgResult;
use std::cmp::Ordering;

/// A `timestamp` or `timestamptz`, for functions that do not care which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AnyTimestamp(pub(crate) i64);

impl<'a> FromDatum<'a> for AnyTimestamp {
    #[inline]
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        match datum {
            Datum::Timestamp(value) | Datum::TimestampTz(value) => Ok(AnyTimestamp(*value)),
            other => Err(other.mismatch("timestamp")),
        }
    }
}

/// Julian day of 294277-01-01, the first beyond timestamps.
const TIMESTAMP_END_JULIAN: i32 = 109_203_528;

/// The start of a date as a timestamp; dates beyond the range of timestamps count as infinite.
pub(crate) fn date_as_timestamp(days: i32) -> i64 {
    match days {
        date::EARLY => EARLY,
        date::LATE => LATE,
        _ if days >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE => LATE,
        _ => i64::from(days) * USECS_PER_DAY,
    }
}

/// True for a finite date that no timestamp can hold.
pub(crate) fn exceeds_timestamp(days: i32) -> bool {
    !date::is_infinite(days) && days >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE
}

/// Orders a moment that no timestamp can hold, before the first or behind the last, and a timestamp: only
/// an infinity is further out.
fn beyond_timestamps(is_before: bool, other: i64) -> Ordering {
    match (is_before, other) {
        (true, EARLY) => Ordering::Greater,
        (true, _) => Ordering::Less,
        (false, LATE) => Ordering::Less,
        (false, _) => Ordering::Greater,
    }
}

/// Orders a date and a timestamp. A finite date too large for a timestamp is still less than
/// infinity.
fn date_vs_timestamp(days: i32, other: i64) -> Ordering {
    if exceeds_timestamp(days) {
        return beyond_timestamps(false, other);
    }
    date_as_timestamp(days).cmp(&other)
}

/// As above for a moment: the date starts at midnight in the session's zone.
fn date_vs_timestamptz(ctx: &CallContext<'_>, days: i32, other: i64) -> Ordering {
    if exceeds_timestamp(days) {
        return beyond_timestamps(false, other);
    }
    let start = date_as_timestamp(days);
    if date::is_infinite(days) {
        return start.cmp(&other);
    }
    timestamp_vs_timestamptz(ctx, start, other)
}

fn timestamp_vs_timestamptz(ctx: &CallContext<'_>, local: i64, other: i64) -> Ordering {
    match crate::timestamp::local_to_utc(local, &ctx.env.settings().timezone) {
        Ok(moment) => moment.cmp(&other),
        // Only the very ends of the range can leave it.
        Err(_) => beyond_timestamps(local < 0, other),
    }
}

/// Defines the comparisons of one pair of types out of their order.
macro_rules! comparisons {
    ($($a:ty, $b:ty, $order:expr => $eq:ident $ne:ident $lt:ident $le:ident $gt:ident $ge:ident $cmp:ident;)*) => {$(
        fn $eq(ctx: &CallContext<'_>, a: $a, b: $b) -> bool {
            $order(ctx, a, b).is_eq()
        }
        fn $ne(ctx: &CallContext<'_>, a: $a, b: $b) -> bool {
            $order(ctx, a, b).is_ne()
        }
        fn $lt(ctx: &CallContext<'_>, a: $a, b: $b) -> bool {
            $order(ctx, a, b).is_lt()
        }
        fn $le(ctx: &CallContext<'_>, a: $a, b: $b) -> bool {
            $order(ctx, a, b).is_le()
        }
        fn $gt(ctx: &CallContext<'_>, a: $a, b: $b) -> bool {
            $order(ctx, a, b).is_gt()
        }
        fn $ge(ctx: &CallContext<'_>, a: $a, b: $b) -> bool {
            $order(ctx, a, b).is_ge()
        }
        fn $cmp(ctx: &CallContext<'_>, a: $a, b: $b) -> i32 {
            $order(ctx, a, b) as i32
        }
    )*};
}

fn order_date_ts(_: &CallContext<'_>, a: DateArg, b: TimestampArg) -> Ordering {
    date_vs_timestamp(a.0, b.0)
}

fn order_ts_date(_: &CallContext<'_>, a: TimestampArg, b: DateArg) -> Ordering {
    date_vs_timestamp(b.0, a.0).reverse()
}

fn order_date_tz(ctx: &CallContext<'_>, a: DateArg, b: TimestampTzArg) -> Ordering {
    date_vs_timestamptz(ctx, a.0, b.0)
}

fn order_tz_date(ctx: &CallContext<'_>, a: TimestampTzArg, b: DateArg) -> Ordering {
    date_vs_timestamptz(ctx, b.0, a.0).reverse()
}

fn order_ts_tz(ctx: &CallContext<'_>, a: TimestampArg, b: TimestampTzArg) -> Ordering {
    timestamp_vs_timestamptz(ctx, a.0, b.0)
}

fn order_tz_ts(ctx: &CallContext<'_>, a: TimestampTzArg, b: TimestampArg) -> Ordering {
    timestamp_vs_timestamptz(ctx, b.0, a.0).reverse()
}

fn order_timetz(_: &CallContext<'_>, a: TimeTz, b: TimeTz) -> Ordering {
    a.sort_key().cmp(&b.sort_key())
}

fn order_interval(_: &CallContext<'_>, a: Interval, b: Interval) -> Ordering {
    a.sort_key().cmp(&b.sort_key())
}

comparisons! {
    DateArg, TimestampArg, order_date_ts => date_eq_ts date_ne_ts date_lt_ts date_le_ts date_gt_ts date_ge_ts date_cmp_ts;
    TimestampArg, DateArg, order_ts_date => ts_eq_date ts_ne_date ts_lt_date ts_le_date ts_gt_date ts_ge_date ts_cmp_date;
    DateArg, TimestampTzArg, order_date_tz => date_eq_tz date_ne_tz date_lt_tz date_le_tz date_gt_tz date_ge_tz date_cmp_tz;
    TimestampTzArg, DateArg, order_tz_date => tz_eq_date tz_ne_date tz_lt_date tz_le_date tz_gt_date tz_ge_date tz_cmp_date;
    TimestampArg, TimestampTzArg, order_ts_tz => ts_eq_tz ts_ne_tz ts_lt_tz ts_le_tz ts_gt_tz ts_ge_tz ts_cmp_tz;
    TimestampTzArg, TimestampArg, order_tz_ts => tz_eq_ts tz_ne_ts tz_lt_ts tz_le_ts tz_gt_ts tz_ge_ts tz_cmp_ts;
    TimeTz, TimeTz, order_timetz => timetz_eq timetz_ne timetz_lt timetz_le timetz_gt timetz_ge timetz_cmp;
    Interval, Interval, order_interval => interval_eq interval_ne interval_lt interval_le interval_gt interval_ge interval_cmp;
}

fn timestamp_larger(a: &Datum, b: &Datum) -> PgResult<Datum> {
    Ok(if AnyTimestamp::from_datum(a)? > AnyTimestamp::from_datum(b)? { a.clone() } else { b.clone() })
}

fn timestamp_smaller(a: &Datum, b: &Datum) -> PgResult<Datum> {
    Ok(if AnyTimestamp::from_datum(a)? < AnyTimestamp::from_datum(b)? { a.clone() } else { b.clone() })
}

fn timetz_larger(a: TimeTz, b: TimeTz) -> TimeTz {
    if a.sort_key() > b.sort_key() { a } else { b }
}

fn timetz_smaller(a: TimeTz, b: TimeTz) -> TimeTz {
    if a.sort_key() < b.sort_key() { a } else { b }
}

fn interval_larger(a: Interval, b: Interval) -> Interval {
    if a.sort_key() > b.sort_key() { a } else { b }
}

fn interval_smaller(a: Interval, b: Interval) -> Interval {
    if a.sort_key() < b.sort_key() { a } else { b }
}

fn date_finite(a: DateArg) -> bool {
    !date::is_infinite(a.0)
}

fn timestamp_finite(a: AnyTimestamp) -> bool {
    !crate::timestamp::is_infinite(a.0)
}

fn interval_finite(_: Interval) -> bool {
    true
}

/// SQL's OVERLAPS: two periods, each given by its ends in any order, NULL for unknown.
fn overlaps(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let [start1, end1, start2, end2] = args else {
        return Err(redoubt_error::PgError::internal("overlaps takes four arguments"));
    };
    let order = |a: &Datum, b: &Datum| compare::cmp(types::TIMESTAMP, a, b);
    // The known ends of a period in order: (first, second), where the second may be NULL.
    let normalized = |start: &Datum, end: &Datum| match (start.is_null(), end.is_null()) {
        (true, true) => None,
        (true, false) => Some((end.clone(), Datum::Null)),
        (false, false) if order(start, end).is_gt() => Some((end.clone(), start.clone())),
        _ => Some((start.clone(), end.clone())),
    };
    let (Some(first), Some(second)) = (normalized(start1, end1), normalized(start2, end2)) else {
        return Ok(Datum::Null);
    };
    let (earlier, later) = match order(&first.0, &second.0) {
        // Periods that start together overlap, unless an end is not known.
        Ordering::Equal => {
            let known = !first.1.is_null() && !second.1.is_null();
            return Ok(if known { Datum::Bool(true) } else { Datum::Null });
        }
        Ordering::Less => (first, second),
        Ordering::Greater => (second, first),
    };
    if earlier.1.is_null() {
        return Ok(Datum::Null);
    }
    if order(&later.0, &earlier.1).is_lt() {
        return Ok(Datum::Bool(true));
    }
    // It ends before the other starts; but an unknown end of that might have come before.
    Ok(if later.1.is_null() { Datum::Null } else { Datum::Bool(false) })
}

builtins! {
    "overlaps_time" = overlaps;
    "overlaps_timetz" = overlaps;
    "overlaps_timestamp" = overlaps;
    "timestamp_larger" = timestamp_larger: 2;
    "timestamp_smaller" = timestamp_smaller: 2;
    "timetz_larger" = timetz_larger: 2;
    "timetz_smaller" = timetz_smaller: 2;
    "interval_larger" = interval_larger: 2;
    "interval_smaller" = interval_smaller: 2;
    "date_larger" = op::larger::<DateArg>: 2;
    "date_smaller" = op::smaller::<DateArg>: 2;
    "time_larger" = op::larger::<TimeArg>: 2;
    "time_smaller" = op::smaller::<TimeArg>: 2;
    "date_finite" = date_finite: 1;
    "timestamp_finite" = timestamp_finite: 1;
    "interval_finite" = interval_finite: 1;
    "date_eq" = op::eq::<DateArg>: 2;
    "date_ne" = op::ne::<DateArg>: 2;
    "date_lt" = op::lt::<DateArg>: 2;
    "date_le" = op::le::<DateArg>: 2;
    "date_gt" = op::gt::<DateArg>: 2;
    "date_ge" = op::ge::<DateArg>: 2;
    "date_cmp" = op::cmp::<DateArg>: 2;
    "time_eq" = op::eq::<TimeArg>: 2;
    "time_ne" = op::ne::<TimeArg>: 2;
    "time_lt" = op::lt::<TimeArg>: 2;
    "time_le" = op::le::<TimeArg>: 2;
    "time_gt" = op::gt::<TimeArg>: 2;
    "time_ge" = op::ge::<TimeArg>: 2;
    "time_cmp" = op::cmp::<TimeArg>: 2;
    "timestamp_eq" = op::eq::<AnyTimestamp>: 2;
    "timestamp_ne" = op::ne::<AnyTimestamp>: 2;
    "timestamp_lt" = op::lt::<AnyTimestamp>: 2;
    "timestamp_le" = op::le::<AnyTimestamp>: 2;
    "timestamp_gt" = op::gt::<AnyTimestamp>: 2;
    "timestamp_ge" = op::ge::<AnyTimestamp>: 2;
    "timestamp_cmp" = op::cmp::<AnyTimestamp>: 2;
    "timetz_eq" = timetz_eq: (ctx, 2);
    "timetz_ne" = timetz_ne: (ctx, 2);
    "timetz_lt" = timetz_lt: (ctx, 2);
    "timetz_le" = timetz_le: (ctx, 2);
    "timetz_gt" = timetz_gt: (ctx, 2);
    "timetz_ge" = timetz_ge: (ctx, 2);
    "timetz_cmp" = timetz_cmp: (ctx, 2);
    "interval_eq" = interval_eq: (ctx, 2);
    "interval_ne" = interval_ne: (ctx, 2);
    "interval_lt" = interval_lt: (ctx, 2);
    "interval_le" = interval_le: (ctx, 2);
    "interval_gt" = interval_gt: (ctx, 2);
    "interval_ge" = interval_ge: (ctx, 2);
    "interval_cmp" = interval_cmp: (ctx, 2);
    "date_eq_timestamp" = date_eq_ts: (ctx, 2);
    "date_ne_timestamp" = date_ne_ts: (ctx, 2);
    "date_lt_timestamp" = date_lt_ts: (ctx, 2);
    "date_le_timestamp" = date_le_ts: (ctx, 2);
    "date_gt_timestamp" = date_gt_ts: (ctx, 2);
    "date_ge_timestamp" = date_ge_ts: (ctx, 2);
    "date_cmp_timestamp" = date_cmp_ts: (ctx, 2);
    "timestamp_eq_date" = ts_eq_date: (ctx, 2);
    "timestamp_ne_date" = ts_ne_date: (ctx, 2);
    "timestamp_lt_date" = ts_lt_date: (ctx, 2);
    "timestamp_le_date" = ts_le_date: (ctx, 2);
    "timestamp_gt_date" = ts_gt_date: (ctx, 2);
    "timestamp_ge_date" = ts_ge_date: (ctx, 2);
    "timestamp_cmp_date" = ts_cmp_date: (ctx, 2);
    "date_eq_timestamptz" = date_eq_tz: (ctx, 2);
    "date_ne_timestamptz" = date_ne_tz: (ctx, 2);
    "date_lt_timestamptz" = date_lt_tz: (ctx, 2);
    "date_le_timestamptz" = date_le_tz: (ctx, 2);
    "date_gt_timestamptz" = date_gt_tz: (ctx, 2);
    "date_ge_timestamptz" = date_ge_tz: (ctx, 2);
    "date_cmp_timestamptz" = date_cmp_tz: (ctx, 2);
    "timestamptz_eq_date" = tz_eq_date: (ctx, 2);
    "timestamptz_ne_date" = tz_ne_date: (ctx, 2);
    "timestamptz_lt_date" = tz_lt_date: (ctx, 2);
    "timestamptz_le_date" = tz_le_date: (ctx, 2);
    "timestamptz_gt_date" = tz_gt_date: (ctx, 2);
    "timestamptz_ge_date" = tz_ge_date: (ctx, 2);
    "timestamptz_cmp_date" = tz_cmp_date: (ctx, 2);
    "timestamp_eq_timestamptz" = ts_eq_tz: (ctx, 2);
    "timestamp_ne_timestamptz" = ts_ne_tz: (ctx, 2);
    "timestamp_lt_timestamptz" = ts_lt_tz: (ctx, 2);
    "timestamp_le_timestamptz" = ts_le_tz: (ctx, 2);
    "timestamp_gt_timestamptz" = ts_gt_tz: (ctx, 2);
    "timestamp_ge_timestamptz" = ts_ge_tz: (ctx, 2);
    "timestamp_cmp_timestamptz" = ts_cmp_tz: (ctx, 2);
    "timestamptz_eq_timestamp" = tz_eq_ts: (ctx, 2);
    "timestamptz_ne_timestamp" = tz_ne_ts: (ctx, 2);
    "timestamptz_lt_timestamp" = tz_lt_ts: (ctx, 2);
    "timestamptz_le_timestamp" = tz_le_ts: (ctx, 2);
    "timestamptz_gt_timestamp" = tz_gt_ts: (ctx, 2);
    "timestamptz_ge_timestamp" = tz_ge_ts: (ctx, 2);
    "timestamptz_cmp_timestamp" = tz_cmp_ts: (ctx, 2);
}
