//! Functions of timestamps: current time, zones, ages, series, making values from fields.

use crate::args::{DateArg, TimeArg, TimestampArg, TimestampTzArg, arg, builtins};
use crate::calendar::{CivilTime, USECS_PER_DAY, USECS_PER_SEC, days_in_month, is_valid_julian};
use crate::datetime_scan::Refusal;
use crate::datetime_zone::{numeric_zone, west_of, west_of_abbreviation};
use crate::float::general_string;
use crate::interval_ops::{timestamp_plus, timestamptz_plus};
use crate::series::zero_step;
use crate::set_returning::{Family, Rows};
use crate::timestamp::{
    self, EARLY, LATE, UNIX_TO_POSTGRES_EPOCH_S, apply_precision, from_civil, is_infinite, out_of_range,
    to_civil, to_local, unix_of, utc_to_local,
};
use crate::timezone::Zone;
use crate::timezone_abbreviations::{Meaning, lookup};
use crate::{Attribute, CallContext, Datum, Interval, RecordValue, TimeTz, TupleDesc, date, types};
use redoubt_error::{PgError, PgResult, code};
use std::sync::Arc;

fn now(ctx: &CallContext<'_>) -> TimestampTzArg {
    TimestampTzArg(ctx.env.transaction_timestamp_us())
}

fn statement_timestamp(ctx: &CallContext<'_>) -> TimestampTzArg {
    TimestampTzArg(ctx.env.statement_timestamp_us())
}

fn clock_timestamp(ctx: &CallContext<'_>) -> TimestampTzArg {
    TimestampTzArg(ctx.env.clock_timestamp_us())
}

/// `timeofday()`: the wall clock in words.
fn timeofday(ctx: &CallContext<'_>) -> String {
    let value = ctx.env.clock_timestamp_us();
    let zone = ctx.env.settings().timezone.clone();
    let (civil, _) = to_local(value, &zone);
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!(
        "{} {} {:02} {:02}:{:02}:{:02}.{:06} {} {}",
        DAYS[crate::calendar::day_of_week(civil.julian()) as usize],
        MONTHS[(civil.month - 1) as usize],
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        civil.usec,
        civil.year,
        zone.at(unix_of(value)).abbreviation
    )
}

fn timestamp_timestamptz(ctx: &CallContext<'_>, value: TimestampArg) -> PgResult<TimestampTzArg> {
    timestamp::local_to_utc(value.0, &ctx.env.settings().timezone).map(TimestampTzArg)
}

fn timestamptz_timestamp(ctx: &CallContext<'_>, value: TimestampTzArg) -> PgResult<TimestampArg> {
    if is_infinite(value.0) {
        return Ok(TimestampArg(value.0));
    }
    utc_to_local(value.0, &ctx.env.settings().timezone).map(TimestampArg)
}

/// Cast functions that apply a type modifier.
fn timestamp_scale(value: TimestampArg, typmod: i32) -> PgResult<TimestampArg> {
    apply_precision(value.0, typmod).map(TimestampArg)
}

fn timestamptz_scale(value: TimestampTzArg, typmod: i32) -> PgResult<TimestampTzArg> {
    apply_precision(value.0, typmod).map(TimestampTzArg)
}

/// What a zone's name or abbreviation stands for.
enum NamedZone {
    /// Seconds east of UTC.
    Fixed(i32),
    Abbreviation(String, Arc<Zone>),
    Zone(Arc<Zone>),
}

/// Zone names are cut to this many bytes.
const MAX_ZONE_NAME: usize = 255;

fn named_zone(name: &str) -> PgResult<NamedZone> {
    let name = &name[..name.floor_char_boundary(MAX_ZONE_NAME.min(name.len()))];
    let lower = name.to_ascii_lowercase();
    match lookup(lower.get(..10).unwrap_or(&lower)) {
        Some(Meaning::Fixed(offset_s, _)) => return Ok(NamedZone::Fixed(offset_s)),
        Some(Meaning::Dynamic(zone)) => {
            if let Some(zone) = Zone::load(zone) {
                return Ok(NamedZone::Abbreviation(lower.to_ascii_uppercase(), zone));
            }
        }
        None => {}
    }
    Zone::load(name).map(NamedZone::Zone).ok_or_else(|| {
        PgError::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized"))
    })
}

/// A zone given by name or abbreviation, for functions that work in it. An abbreviation stands
/// for its zone, or for its one offset.
///
/// # Errors
/// `22023` when there is none.
pub(crate) fn zone_by_name(name: &str) -> PgResult<Arc<Zone>> {
    Ok(match named_zone(name)? {
        NamedZone::Fixed(offset_s) => Zone::fixed(offset_s),
        NamedZone::Abbreviation(_, zone) | NamedZone::Zone(zone) => zone,
    })
}

impl NamedZone {
    /// Seconds west of UTC at a local time.
    fn west_at_local(&self, local: &CivilTime) -> i32 {
        match self {
            NamedZone::Fixed(offset_s) => -offset_s,
            NamedZone::Abbreviation(name, zone) => west_of_abbreviation(name, zone, local),
            NamedZone::Zone(zone) => west_of(zone, local),
        }
    }

    /// Seconds west of UTC at a moment.
    fn west_at(&self, value: i64) -> i32 {
        let unix_s = unix_of(value);
        match self {
            NamedZone::Fixed(offset_s) => -offset_s,
            NamedZone::Abbreviation(name, zone) => match zone.interpret(name, unix_s) {
                Some(kind) => -kind.offset_s,
                None => {
                    let (local, _) = to_local(value, zone);
                    west_of(zone, &local)
                }
            },
            NamedZone::Zone(zone) => -zone.at(unix_s).offset_s,
        }
    }
}

fn shifted(value: i64, west_s: i32) -> PgResult<i64> {
    timestamp::checked(value.checked_add(i64::from(west_s) * USECS_PER_SEC))
}

/// `timestamp AT TIME ZONE name`.
fn timestamp_zone(zone: &str, value: TimestampArg) -> PgResult<TimestampTzArg> {
    if is_infinite(value.0) {
        return Ok(TimestampTzArg(value.0));
    }
    let zone = named_zone(zone)?;
    shifted(value.0, zone.west_at_local(&to_civil(value.0))).map(TimestampTzArg)
}

/// `timestamptz AT TIME ZONE name`.
fn timestamptz_zone(zone: &str, value: TimestampTzArg) -> PgResult<TimestampArg> {
    if is_infinite(value.0) {
        return Ok(TimestampArg(value.0));
    }
    let zone = named_zone(zone)?;
    shifted(value.0, -zone.west_at(value.0)).map(TimestampArg)
}

/// `timetz AT TIME ZONE name`: the zone's offset now counts.
fn timetz_zone(ctx: &CallContext<'_>, zone: &str, time: TimeTz) -> PgResult<TimeTz> {
    let zone_s = named_zone(zone)?.west_at(ctx.env.transaction_timestamp_us());
    Ok(moved(time, zone_s))
}

fn moved(time: TimeTz, zone_s: i32) -> TimeTz {
    let shift_us = i64::from(time.zone_s - zone_s) * USECS_PER_SEC;
    TimeTz { time_us: (time.time_us + shift_us).rem_euclid(USECS_PER_DAY), zone_s }
}

/// The offset that an interval stands for, in seconds east.
fn interval_zone(ctx: &CallContext<'_>, zone: Interval) -> PgResult<i32> {
    if zone.months != 0 || zone.days != 0 {
        let mut text = Vec::new();
        crate::interval::write(&zone, ctx.env.settings().interval_style, &mut text);
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!(
                "interval time zone \"{}\" must not include months or days",
                String::from_utf8_lossy(&text)
            ),
        ));
    }
    Ok((zone.usecs / USECS_PER_SEC) as i32)
}

fn timestamp_izone(ctx: &CallContext<'_>, zone: Interval, value: TimestampArg) -> PgResult<TimestampTzArg> {
    if is_infinite(value.0) {
        return Ok(TimestampTzArg(value.0));
    }
    shifted(value.0, interval_zone(ctx, zone)?.wrapping_neg()).map(TimestampTzArg)
}

fn timestamptz_izone(ctx: &CallContext<'_>, zone: Interval, value: TimestampTzArg) -> PgResult<TimestampArg> {
    if is_infinite(value.0) {
        return Ok(TimestampArg(value.0));
    }
    shifted(value.0, interval_zone(ctx, zone)?).map(TimestampArg)
}

fn timetz_izone(ctx: &CallContext<'_>, zone: Interval, time: TimeTz) -> PgResult<TimeTz> {
    let zone_s = interval_zone(ctx, zone)?.wrapping_neg();
    let shift_us = i64::from(time.zone_s.wrapping_sub(zone_s)) * USECS_PER_SEC;
    Ok(TimeTz { time_us: (time.time_us + shift_us).rem_euclid(USECS_PER_DAY), zone_s })
}

/// `age`: the difference in years, months, days and time, as people count it.
fn symbolic_age(a: &CivilTime, b: &CivilTime, a_is_earlier: bool) -> Interval {
    let (later, earlier) = if a_is_earlier { (b, a) } else { (a, b) };
    let mut usecs = later.time_us() - earlier.time_us();
    let mut days = later.day - earlier.day;
    let mut months = (later.year - earlier.year) * 12 + later.month - earlier.month;
    if usecs < 0 {
        usecs += USECS_PER_DAY;
        days -= 1;
    }
    // Borrowed days are those of the earlier moment's month.
    while days < 0 {
        days += days_in_month(earlier.year, earlier.month);
        months -= 1;
    }
    if a_is_earlier {
        Interval { months: -months, days: -days, usecs: -usecs }
    } else {
        Interval { months, days, usecs }
    }
}

fn timestamp_age(a: TimestampArg, b: TimestampArg) -> PgResult<Interval> {
    if is_infinite(a.0) || is_infinite(b.0) {
        return Err(out_of_range());
    }
    Ok(symbolic_age(&to_civil(a.0), &to_civil(b.0), a.0 < b.0))
}

fn timestamptz_age(ctx: &CallContext<'_>, a: TimestampTzArg, b: TimestampTzArg) -> PgResult<Interval> {
    if is_infinite(a.0) || is_infinite(b.0) {
        return Err(out_of_range());
    }
    let zone = &ctx.env.settings().timezone;
    let ((first, _), (second, _)) = (to_local(a.0, zone), to_local(b.0, zone));
    Ok(symbolic_age(&first, &second, a.0 < b.0))
}

/// `to_timestamp(float8)`: Unix seconds.
fn from_unix(seconds: f64) -> PgResult<TimestampTzArg> {
    let bad = |message: String| PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, message);
    if seconds.is_nan() {
        return Err(bad("timestamp cannot be NaN".to_owned()));
    }
    if seconds.is_infinite() {
        return Ok(TimestampTzArg(if seconds < 0.0 { EARLY } else { LATE }));
    }
    let usecs = ((seconds - UNIX_TO_POSTGRES_EPOCH_S as f64) * USECS_PER_SEC as f64).round_ties_even();
    let value = if usecs.abs() < 9.2e18 { Some(usecs as i64) } else { None };
    timestamp::checked(value)
        .map(TimestampTzArg)
        .map_err(|_| bad(format!("timestamp out of range: \"{}\"", general_string(seconds, 6))))
}

/// Checks year, month and day given as numbers; negative years are BC.
fn checked_date(year: i32, month: i32, day: i32) -> Option<CivilTime> {
    let civil_year = match year {
        0 => return None,
        1.. => year,
        _ => year.checked_neg()?.checked_sub(1)?.checked_neg()?,
    };
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(civil_year, month);
    valid.then_some(CivilTime { year: civil_year, month, day, ..Default::default() })
}

fn make_date(year: i32, month: i32, day: i32) -> PgResult<DateArg> {
    let shown = |year: i32| format!("{year}-{month:02}-{day:02}");
    let civil = checked_date(year, month, day).ok_or_else(|| {
        // A year BC has become its astronomical number by the time the message is made.
        let year = if year < 0 && year != i32::MIN { year + 1 } else { year };
        PgError::new(code::DATETIME_FIELD_OVERFLOW, format!("date field value out of range: {}", shown(year)))
    })?;
    date::from_civil(&civil).map(DateArg).ok_or_else(|| {
        PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, format!("date out of range: {}", shown(civil.year)))
    })
}

/// A time of day given as numbers, or `None` when it is out of range.
fn checked_time(hour: i32, minute: i32, seconds: f64) -> Option<i64> {
    if seconds.is_nan() || !(0..=24).contains(&hour) || !(0..60).contains(&minute) {
        return None;
    }
    let usecs = (seconds * USECS_PER_SEC as f64).round_ties_even();
    if !(0.0..=60e6).contains(&usecs) {
        return None;
    }
    let total = (i64::from(hour) * 60 + i64::from(minute)) * 60 * USECS_PER_SEC + usecs as i64;
    (total <= USECS_PER_DAY).then_some(total)
}

/// C's `%02g`.
fn padded_general(seconds: f64) -> String {
    let text = general_string(seconds, 6);
    if text.len() >= 2 {
        return text;
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("0{text}") } else { text }
}

#[cold]
fn bad_time(hour: i32, minute: i32, seconds: f64) -> PgError {
    PgError::new(
        code::DATETIME_FIELD_OVERFLOW,
        format!("time field value out of range: {hour}:{minute:02}:{}", padded_general(seconds)),
    )
}

fn make_time(hour: i32, minute: i32, seconds: f64) -> PgResult<TimeArg> {
    checked_time(hour, minute, seconds).map(TimeArg).ok_or_else(|| bad_time(hour, minute, seconds))
}

fn made_civil(year: i32, month: i32, day: i32, hour: i32, minute: i32, seconds: f64) -> PgResult<CivilTime> {
    let shown = || format!("{year}-{month:02}-{day:02}");
    let mut civil = checked_date(year, month, day).ok_or_else(|| {
        PgError::new(code::DATETIME_FIELD_OVERFLOW, format!("date field value out of range: {}", shown()))
    })?;
    if !is_valid_julian(civil.year, civil.month) {
        return Err(PgError::new(
            code::DATETIME_VALUE_OUT_OF_RANGE,
            format!("date out of range: {}", shown()),
        ));
    }
    civil.set_time(checked_time(hour, minute, seconds).ok_or_else(|| bad_time(hour, minute, seconds))?);
    if from_civil(&civil).is_none() {
        return Err(PgError::new(
            code::DATETIME_VALUE_OUT_OF_RANGE,
            format!("timestamp out of range: {} {hour}:{minute:02}:{}", shown(), padded_general(seconds)),
        ));
    }
    Ok(civil)
}

fn make_timestamp(
    year: i32,
    month: i32,
    day: i32,
    hour: i32,
    minute: i32,
    seconds: f64,
) -> PgResult<TimestampArg> {
    let civil = made_civil(year, month, day, hour, minute, seconds)?;
    from_civil(&civil).map(TimestampArg).ok_or_else(out_of_range)
}

fn make_timestamptz(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let local = make_timestamp(
        arg(args, 0)?,
        arg(args, 1)?,
        arg(args, 2)?,
        arg(args, 3)?,
        arg(args, 4)?,
        arg(args, 5)?,
    )?;
    timestamp::local_to_utc(local.0, &ctx.env.settings().timezone).map(Datum::TimestampTz)
}

fn make_timestamptz_at(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let local = make_timestamp(
        arg(args, 0)?,
        arg(args, 1)?,
        arg(args, 2)?,
        arg(args, 3)?,
        arg(args, 4)?,
        arg(args, 5)?,
    )?;
    let zone: &str = arg(args, 6)?;
    let bad = |message: String| PgError::new(code::INVALID_PARAMETER_VALUE, message);
    if zone.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad(format!("invalid input syntax for type numeric time zone: \"{zone}\""))
            .hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    }
    let west_s = match numeric_zone(zone) {
        Ok(west_s) => west_s,
        Err(Refusal::ZoneOverflow) => return Err(bad(format!("numeric time zone \"{zone}\" out of range"))),
        Err(_) => named_zone(zone)?.west_at_local(&to_civil(local.0)),
    };
    shifted(local.0, west_s).map(Datum::TimestampTz)
}

fn make_interval(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let field = |at: usize| arg::<i32>(args, at);
    let seconds: f64 = arg(args, 6)?;
    if !seconds.is_finite() {
        return Err(crate::interval::out_of_range());
    }
    // Fields wrap around when they overflow, as PostgreSQL 15's do.
    let usecs = (seconds * USECS_PER_SEC as f64).round_ties_even();
    let time_us = i64::from(field(4)?)
        .wrapping_mul(3600 * USECS_PER_SEC)
        .wrapping_add(i64::from(field(5)?) * 60 * USECS_PER_SEC);
    let usecs = if usecs.abs() < 9.2e18 { usecs as i64 } else { i64::MIN };
    Ok(Datum::Interval(Interval {
        months: field(0)?.wrapping_mul(12).wrapping_add(field(1)?),
        days: field(2)?.wrapping_mul(7).wrapping_add(field(3)?),
        usecs: time_us.wrapping_add(usecs),
    }))
}

/// Timestamps from start to stop.
struct Series {
    next: i64,
    stop: i64,
    step: Interval,
    ascending: bool,
    /// The session's zone, for `timestamptz`.
    zone: Option<Arc<Zone>>,
    done: bool,
}

impl Iterator for Series {
    type Item = PgResult<Datum>;

    fn next(&mut self) -> Option<Self::Item> {
        let past = if self.ascending { self.next > self.stop } else { self.next < self.stop };
        if self.done || past {
            return None;
        }
        let value = self.next;
        let following = match &self.zone {
            Some(zone) => timestamptz_plus(value, self.step, zone),
            None => timestamp_plus(value, self.step),
        };
        match following {
            Ok(next) => self.next = next,
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        }
        Some(Ok(if self.zone.is_some() { Datum::TimestampTz(value) } else { Datum::Timestamp(value) }))
    }
}

fn series(start: i64, stop: i64, step: Interval, zone: Option<Arc<Zone>>) -> PgResult<Rows> {
    let sign = step.sort_key().signum();
    if sign == 0 {
        return Err(zero_step());
    }
    Ok(Box::new(Series { next: start, stop, step, ascending: sign > 0, zone, done: false }))
}

fn series_timestamp(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    series(arg::<TimestampArg>(args, 0)?.0, arg::<TimestampArg>(args, 1)?.0, arg(args, 2)?, None)
}

fn series_timestamptz(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let zone = ctx.env.settings().timezone.clone();
    series(arg::<TimestampTzArg>(args, 0)?.0, arg::<TimestampTzArg>(args, 1)?.0, arg(args, 2)?, Some(zone))
}

/// Columns of the views over zones.
fn zone_columns(columns: &[(&str, crate::Oid)]) -> TupleDesc {
    TupleDesc::new(columns.iter().map(|(name, oid)| Attribute::new(*name, *oid)).collect::<Vec<_>>())
}

fn zone_row(desc: &TupleDesc, fields: Vec<Datum>) -> Datum {
    Datum::Record(RecordValue { type_oid: types::RECORD, desc: desc.clone(), fields: fields.into() }.into())
}

fn offset(seconds: i32) -> Datum {
    Datum::Interval(Interval { usecs: i64::from(seconds) * USECS_PER_SEC, ..Default::default() })
}

/// `pg_timezone_names`: every zone and what it observes now.
fn timezone_names(ctx: &CallContext<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc = zone_columns(&[
        ("name", types::TEXT),
        ("abbrev", types::TEXT),
        ("utc_offset", types::INTERVAL),
        ("is_dst", types::BOOL),
    ]);
    let now_s = unix_of(ctx.env.transaction_timestamp_us());
    let row = move |name: &'static str| {
        let zone = Zone::load(name)?;
        let kind = zone.at(now_s);
        let fields = vec![
            Datum::text(zone.name()),
            Datum::text(kind.abbreviation.clone()),
            offset(kind.offset_s),
            Datum::Bool(kind.is_dst),
        ];
        Some(Ok(zone_row(&desc, fields)))
    };
    Ok(Box::new(Zone::names().filter_map(row)))
}

/// `pg_timezone_abbrevs`: every abbreviation that input accepts and what it means now.
fn timezone_abbrevs(ctx: &CallContext<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc =
        zone_columns(&[("abbrev", types::TEXT), ("utc_offset", types::INTERVAL), ("is_dst", types::BOOL)]);
    let now_s = unix_of(ctx.env.transaction_timestamp_us());
    let row = move |(name, meaning): &'static (&'static str, Meaning)| {
        let name = name.to_ascii_uppercase();
        let (offset_s, is_dst) = match meaning {
            Meaning::Fixed(offset_s, is_dst) => (*offset_s, *is_dst),
            Meaning::Dynamic(zone) => {
                let zone = Zone::load(zone)?;
                let kind = zone.interpret(&name, now_s).unwrap_or_else(|| zone.at(now_s));
                (kind.offset_s, kind.is_dst)
            }
        };
        Some(Ok(zone_row(&desc, vec![Datum::text(name), offset(offset_s), Datum::Bool(is_dst)])))
    };
    Ok(Box::new(crate::timezone_abbreviations::all().iter().filter_map(row)))
}

pub(crate) static SET_RETURNING: Family = &[
    ("generate_series_timestamp", series_timestamp),
    ("generate_series_timestamptz", series_timestamptz),
    ("pg_timezone_names", timezone_names),
    ("pg_timezone_abbrevs", timezone_abbrevs),
];

builtins! {
    "now" = now: (ctx, 0);
    "statement_timestamp" = statement_timestamp: (ctx, 0);
    "clock_timestamp" = clock_timestamp: (ctx, 0);
    "timeofday" = timeofday: (ctx, 0);
    "timestamp_timestamptz" = timestamp_timestamptz: (ctx, 1);
    "timestamptz_timestamp" = timestamptz_timestamp: (ctx, 1);
    "timestamp_scale" = timestamp_scale: 2;
    "timestamptz_scale" = timestamptz_scale: 2;
    "timestamp_zone" = timestamp_zone: 2;
    "timestamptz_zone" = timestamptz_zone: 2;
    "timetz_zone" = timetz_zone: (ctx, 2);
    "timestamp_izone" = timestamp_izone: (ctx, 2);
    "timestamptz_izone" = timestamptz_izone: (ctx, 2);
    "timetz_izone" = timetz_izone: (ctx, 2);
    "timestamp_age" = timestamp_age: 2;
    "timestamptz_age" = timestamptz_age: (ctx, 2);
    "float8_timestamptz" = from_unix: 1;
    "make_date" = make_date: 3;
    "make_time" = make_time: 3;
    "make_timestamp" = make_timestamp: 6;
    "make_timestamptz" = make_timestamptz;
    "make_timestamptz_at_timezone" = make_timestamptz_at;
    "make_interval" = make_interval;
}
