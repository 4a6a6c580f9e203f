//! `extract` and `date_part`, `date_trunc` and `date_bin`.

use crate::args::{DateArg, TimeArg, TimestampArg, TimestampTzArg, builtins};
use crate::calendar::{
    CivilTime, POSTGRES_EPOCH_JDATE, UNIX_EPOCH_JDATE, USECS_PER_DAY, USECS_PER_SEC, day_of_week,
    day_of_year, iso_week, iso_week_to_julian,
};
use crate::datetime_compare::AnyTimestamp;
use crate::datetime_scan::{DateWord, Special, Unit, UnitWord, date_word, unit_word};
use crate::datetime_zone::west_of;
use crate::interval::Fields;
use crate::numeric::Numeric;
use crate::text::truncate_name;
use crate::timestamp::{
    UNIX_TO_POSTGRES_EPOCH_S, checked, from_civil, from_local, is_infinite, out_of_range, to_civil, to_local,
};
use crate::timezone::Zone;
use crate::{CallContext, Datum, Interval, TimeTz, date};
use redoubt_error::{PgError, PgResult, code};

/// An extracted field.
enum Part {
    Integer(i64),
    /// Microseconds, shown in units of `10^-scale` seconds or what the unit is.
    Scaled(i64, i32),
    /// Days, and microseconds of the day.
    Julian(i64, i64),
    /// Seconds in microseconds, possibly beyond 64 bits, and the double that PostgreSQL computes.
    Epoch(i128, f64),
    Infinite(bool),
    Null,
}

impl Part {
    fn numeric(self) -> PgResult<Datum> {
        Ok(Datum::numeric(match self {
            Part::Integer(value) => Numeric::from(value),
            Part::Scaled(usecs, scale) => Numeric::from_units(i128::from(usecs), scale),
            Part::Epoch(usecs, _) => Numeric::from_units(usecs, 6),
            Part::Julian(days, usecs) => {
                let fraction = Numeric::from(usecs).divide(&Numeric::from(USECS_PER_DAY))?;
                Numeric::from(days).plus(&fraction)?
            }
            Part::Infinite(negative) => Numeric::infinity(negative),
            Part::Null => return Ok(Datum::Null),
        }))
    }

    fn float(self) -> Datum {
        Datum::Float8(match self {
            Part::Integer(value) => value as f64,
            Part::Scaled(usecs, scale) => usecs as f64 / 10f64.powi(scale),
            Part::Epoch(_, seconds) => seconds,
            Part::Julian(days, usecs) => days as f64 + usecs as f64 / 1e6 / 86_400.0,
            Part::Infinite(negative) => {
                if negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                }
            }
            Part::Null => return Datum::Null,
        })
    }
}

/// A unit's name in lower case and what it means, if anything.
fn named_unit(name: &str) -> (String, Option<Unit>) {
    let lower = truncate_name(name).to_ascii_lowercase();
    let unit = match unit_word(&lower) {
        Some(UnitWord::Unit(unit)) => Some(unit),
        Some(_) => None,
        None => match date_word(&lower) {
            Some(DateWord::Unit(unit)) => Some(unit),
            Some(DateWord::Special(Special::Epoch)) => Some(Unit::Epoch),
            _ => None,
        },
    };
    (lower, unit)
}

/// A unit's name for truncation, where only units of intervals count.
fn trunc_unit(name: &str) -> (String, Option<Unit>) {
    let lower = truncate_name(name).to_ascii_lowercase();
    let unit = match unit_word(&lower) {
        Some(UnitWord::Unit(unit)) => Some(unit),
        _ => None,
    };
    (lower, unit)
}

/// A special word (`infinity`, `now`) is known to dates and timestamps, but never supported.
fn is_special_word(lower: &str) -> bool {
    unit_word(lower).is_none() && matches!(date_word(lower), Some(DateWord::Special(_)))
}

fn unknown(unit: &str, type_name: &str) -> PgError {
    if is_special_word(unit) && (type_name.starts_with("timestamp") || type_name == "date") {
        return unsupported(unit, type_name);
    }
    PgError::new(
        code::INVALID_PARAMETER_VALUE,
        format!("unit \"{unit}\" not recognized for type {type_name}"),
    )
}

fn unsupported(unit: &str, type_name: &str) -> PgError {
    PgError::new(code::FEATURE_NOT_SUPPORTED, format!("unit \"{unit}\" not supported for type {type_name}"))
}

const TIMESTAMP: &str = "timestamp without time zone";
const TIMESTAMPTZ: &str = "timestamp with time zone";

/// Years are shown without a year zero.
fn shown_year(year: i32) -> i64 {
    i64::from(if year > 0 { year } else { year - 1 })
}

/// Fields that a date alone has.
fn date_field(unit: Unit, civil: &CivilTime) -> Option<i64> {
    let year = i64::from(civil.year);
    Some(match unit {
        Unit::Day => civil.day.into(),
        Unit::Month => civil.month.into(),
        Unit::Quarter => i64::from((civil.month - 1) / 3 + 1),
        Unit::Week => iso_week(civil.year, civil.month, civil.day).1.into(),
        Unit::Year => shown_year(civil.year),
        Unit::Decade => year.div_euclid(10),
        Unit::Century => {
            if year > 0 {
                (year + 99) / 100
            } else {
                -((100 - year) / 100)
            }
        }
        Unit::Millennium => {
            if year > 0 {
                (year + 999) / 1000
            } else {
                -((1000 - year) / 1000)
            }
        }
        Unit::IsoYear => shown_year(iso_week(civil.year, civil.month, civil.day).0),
        Unit::DayOfWeek => day_of_week(civil.julian()).into(),
        Unit::IsoDayOfWeek => match day_of_week(civil.julian()) {
            0 => 7,
            day => day.into(),
        },
        Unit::DayOfYear => day_of_year(civil.year, civil.month, civil.day).into(),
        _ => return None,
    })
}

/// Fields that a time of day has.
fn time_field(unit: Unit, civil: &CivilTime) -> Option<Part> {
    let usecs = i64::from(civil.second) * USECS_PER_SEC + i64::from(civil.usec);
    Some(match unit {
        Unit::Microsecond => Part::Integer(usecs),
        Unit::Millisecond => Part::Scaled(usecs, 3),
        Unit::Second => Part::Scaled(usecs, 6),
        Unit::Minute => Part::Integer(civil.minute.into()),
        Unit::Hour => Part::Integer(civil.hour.into()),
        _ => return None,
    })
}

/// Fields of a zone displacement.
fn zone_field(unit: Unit, west_s: i32) -> Option<Part> {
    let east_s = i64::from(-west_s);
    Some(Part::Integer(match unit {
        Unit::Zone => east_s,
        Unit::ZoneHour => east_s / 3600,
        Unit::ZoneMinute => east_s / 60 % 60,
        _ => return None,
    }))
}

/// Fields of infinity: those that grow with time are infinite, those that repeat are NULL.
fn infinite_field(unit: Unit, negative: bool) -> Option<Part> {
    Some(match unit {
        Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::Julian
        | Unit::IsoYear
        | Unit::Epoch => Part::Infinite(negative),
        Unit::Time => return None,
        _ => Part::Null,
    })
}

fn timestamp_fields(name: &str, value: i64, zone: Option<&Zone>) -> PgResult<Part> {
    let type_name = if zone.is_some() { TIMESTAMPTZ } else { TIMESTAMP };
    let (lower, unit) = named_unit(name);
    let Some(unit) = unit else { return Err(unknown(&lower, type_name)) };
    let missing = || unsupported(&lower, type_name);
    if is_infinite(value) {
        return infinite_field(unit, value < 0).ok_or_else(missing);
    }
    if unit == Unit::Epoch {
        let usecs = i128::from(value) + i128::from(UNIX_TO_POSTGRES_EPOCH_S * USECS_PER_SEC);
        return Ok(Part::Epoch(usecs, usecs as f64 / 1e6));
    }
    let (civil, west_s) = match zone {
        Some(zone) => {
            let (civil, west_s) = to_local(value, zone);
            (civil, Some(west_s))
        }
        None => (to_civil(value), None),
    };
    if unit == Unit::Julian {
        return Ok(Part::Julian(civil.julian().into(), civil.time_us()));
    }
    date_field(unit, &civil)
        .map(Part::Integer)
        .or_else(|| time_field(unit, &civil))
        .or_else(|| west_s.and_then(|west_s| zone_field(unit, west_s)))
        .ok_or_else(missing)
}

fn extract_timestamp(name: &str, value: TimestampArg) -> PgResult<Datum> {
    timestamp_fields(name, value.0, None)?.numeric()
}

fn timestamp_part(name: &str, value: TimestampArg) -> PgResult<Datum> {
    timestamp_fields(name, value.0, None).map(Part::float)
}

fn extract_timestamptz(ctx: &CallContext<'_>, name: &str, value: TimestampTzArg) -> PgResult<Datum> {
    timestamp_fields(name, value.0, Some(&ctx.env.settings().timezone))?.numeric()
}

fn timestamptz_part(ctx: &CallContext<'_>, name: &str, value: TimestampTzArg) -> PgResult<Datum> {
    timestamp_fields(name, value.0, Some(&ctx.env.settings().timezone)).map(Part::float)
}

fn extract_date(name: &str, value: DateArg) -> PgResult<Datum> {
    let (lower, unit) = named_unit(name);
    let Some(unit) = unit else { return Err(unknown(&lower, "date")) };
    let missing = || unsupported(&lower, "date");
    let is_date_unit =
        date_field(unit, &CivilTime { year: 1, month: 1, day: 1, ..Default::default() }).is_some();
    if !is_date_unit && !matches!(unit, Unit::Julian | Unit::Epoch) {
        return Err(missing());
    }
    if date::is_infinite(value.0) {
        return infinite_field(unit, value.0 < 0).ok_or_else(missing)?.numeric();
    }
    let days = i64::from(value.0) + i64::from(POSTGRES_EPOCH_JDATE);
    let part = match unit {
        Unit::Julian => days,
        Unit::Epoch => (days - i64::from(UNIX_EPOCH_JDATE)) * 86_400,
        _ => date_field(unit, &date::to_civil(value.0)).ok_or_else(missing)?,
    };
    Part::Integer(part).numeric()
}

fn time_fields(name: &str, time_us: i64, west_s: Option<i32>) -> PgResult<Part> {
    let type_name = if west_s.is_some() { "time with time zone" } else { "time without time zone" };
    let (lower, unit) = named_unit(name);
    let Some(unit) = unit else { return Err(unknown(&lower, type_name)) };
    if unit == Unit::Epoch {
        let west_s = i64::from(west_s.unwrap_or(0));
        let usecs = i128::from(time_us + west_s * USECS_PER_SEC);
        return Ok(Part::Epoch(usecs, time_us as f64 / 1e6 + west_s as f64));
    }
    time_field(unit, &date::clock(time_us))
        .or_else(|| west_s.and_then(|west_s| zone_field(unit, west_s)))
        .ok_or_else(|| unsupported(&lower, type_name))
}

fn extract_time(name: &str, value: TimeArg) -> PgResult<Datum> {
    time_fields(name, value.0, None)?.numeric()
}

fn time_part(name: &str, value: TimeArg) -> PgResult<Datum> {
    time_fields(name, value.0, None).map(Part::float)
}

fn extract_timetz(name: &str, value: TimeTz) -> PgResult<Datum> {
    time_fields(name, value.time_us, Some(value.zone_s))?.numeric()
}

fn timetz_part(name: &str, value: TimeTz) -> PgResult<Datum> {
    time_fields(name, value.time_us, Some(value.zone_s)).map(Part::float)
}

fn interval_fields(name: &str, value: &Interval) -> PgResult<Part> {
    let (lower, unit) = named_unit(name);
    let Some(unit) = unit else { return Err(unknown(&lower, "interval")) };
    let fields = Fields::of(value);
    let usecs = i64::from(fields.seconds) * USECS_PER_SEC + i64::from(fields.usecs);
    Ok(match unit {
        Unit::Microsecond => Part::Integer(usecs),
        Unit::Millisecond => Part::Scaled(usecs, 3),
        Unit::Second => Part::Scaled(usecs, 6),
        Unit::Minute => Part::Integer(fields.minutes.into()),
        Unit::Hour => Part::Integer(fields.hours),
        Unit::Day => Part::Integer(fields.days.into()),
        Unit::Month => Part::Integer(fields.months.into()),
        Unit::Quarter => Part::Integer(i64::from(fields.months / 3 + 1)),
        Unit::Year => Part::Integer(fields.years.into()),
        Unit::Decade => Part::Integer(i64::from(fields.years / 10)),
        Unit::Century => Part::Integer(i64::from(fields.years / 100)),
        Unit::Millennium => Part::Integer(i64::from(fields.years / 1000)),
        Unit::Epoch => {
            // A year is 365.25 days, a month 30; counted in quarters of days.
            let quarters = i128::from(fields.years) * 1461
                + i128::from(fields.months) * 120
                + i128::from(fields.days) * 4;
            let seconds = value.usecs as f64 / 1e6
                + 365.25 * 86_400.0 * f64::from(fields.years)
                + 30.0 * 86_400.0 * f64::from(fields.months)
                + 86_400.0 * f64::from(fields.days);
            Part::Epoch(quarters * i128::from(USECS_PER_DAY / 4) + i128::from(value.usecs), seconds)
        }
        _ => return Err(unsupported(&lower, "interval")),
    })
}

fn extract_interval(name: &str, value: Interval) -> PgResult<Datum> {
    interval_fields(name, &value)?.numeric()
}

fn interval_part(name: &str, value: Interval) -> PgResult<Datum> {
    interval_fields(name, &value).map(Part::float)
}

/// Clears what is below a unit. Returns false for units that cannot be truncated to, and tells
/// whether a local time has to be resolved anew.
fn truncate(civil: &mut CivilTime, unit: Unit) -> Option<bool> {
    let midnight = |civil: &mut CivilTime| civil.set_time(0);
    let year_start = |civil: &mut CivilTime, year: i32| {
        (civil.year, civil.month, civil.day) = (year, 1, 1);
    };
    let time_us = civil.time_us();
    let floor = |unit_us: i64| time_us / unit_us * unit_us;
    match unit {
        Unit::Microsecond => return Some(false),
        Unit::Millisecond => civil.set_time(floor(1000)),
        Unit::Second => civil.set_time(floor(USECS_PER_SEC)),
        Unit::Minute => civil.set_time(floor(60 * USECS_PER_SEC)),
        Unit::Hour => civil.set_time(floor(3600 * USECS_PER_SEC)),
        Unit::Day => {}
        Unit::Week => {
            let (year, week) = iso_week(civil.year, civil.month, civil.day);
            civil.set_date(iso_week_to_julian(year, week));
        }
        Unit::Month => civil.day = 1,
        Unit::Quarter => (civil.month, civil.day) = ((civil.month - 1) / 3 * 3 + 1, 1),
        Unit::Year => year_start(civil, civil.year),
        Unit::Decade => year_start(civil, civil.year.div_euclid(10) * 10),
        Unit::Century => year_start(civil, (civil.year - 1).div_euclid(100) * 100 + 1),
        Unit::Millennium => year_start(civil, (civil.year - 1).div_euclid(1000) * 1000 + 1),
        _ => return None,
    }
    if matches!(unit, Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour) {
        return Some(false);
    }
    midnight(civil);
    Some(true)
}

fn timestamp_trunc(name: &str, value: TimestampArg) -> PgResult<TimestampArg> {
    if is_infinite(value.0) {
        return Ok(value);
    }
    let (lower, unit) = trunc_unit(name);
    let Some(unit) = unit else {
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!("unit \"{lower}\" not recognized for type {TIMESTAMP}"),
        ));
    };
    let mut civil = to_civil(value.0);
    truncate(&mut civil, unit).ok_or_else(|| unsupported(&lower, TIMESTAMP))?;
    from_civil(&civil).map(TimestampArg).ok_or_else(out_of_range)
}

fn trunc_in_zone(name: &str, value: i64, zone: &Zone) -> PgResult<TimestampTzArg> {
    if is_infinite(value) {
        return Ok(TimestampTzArg(value));
    }
    let (lower, unit) = trunc_unit(name);
    let Some(unit) = unit else {
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!("unit \"{lower}\" not recognized for type {TIMESTAMPTZ}"),
        ));
    };
    let (mut civil, mut west_s) = to_local(value, zone);
    if truncate(&mut civil, unit).ok_or_else(|| unsupported(&lower, TIMESTAMPTZ))? {
        west_s = west_of(zone, &civil);
    }
    from_local(&civil, west_s).map(TimestampTzArg).ok_or_else(out_of_range)
}

fn timestamptz_trunc(ctx: &CallContext<'_>, name: &str, value: TimestampTzArg) -> PgResult<TimestampTzArg> {
    trunc_in_zone(name, value.0, &ctx.env.settings().timezone)
}

fn timestamptz_trunc_zone(name: &str, value: TimestampTzArg, zone: &str) -> PgResult<TimestampTzArg> {
    if is_infinite(value.0) {
        return Ok(value);
    }
    let zone = crate::timestamp_ops::zone_by_name(zone)?;
    trunc_in_zone(name, value.0, &zone)
}

fn interval_trunc(name: &str, value: Interval) -> PgResult<Interval> {
    let (lower, unit) = trunc_unit(name);
    let Some(unit) = unit else {
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!("unit \"{lower}\" not recognized for type interval"),
        ));
    };
    let months =
        |unit_months: i32| Interval { months: value.months / unit_months * unit_months, days: 0, usecs: 0 };
    let time = |unit_us: i64| Interval { usecs: value.usecs / unit_us * unit_us, ..value };
    Ok(match unit {
        Unit::Millennium => months(12_000),
        Unit::Century => months(1200),
        Unit::Decade => months(120),
        Unit::Year => months(12),
        Unit::Quarter => months(3),
        Unit::Month => months(1),
        Unit::Day => Interval { usecs: 0, ..value },
        Unit::Hour => time(3600 * USECS_PER_SEC),
        Unit::Minute => time(60 * USECS_PER_SEC),
        Unit::Second => time(USECS_PER_SEC),
        Unit::Millisecond => time(1000),
        Unit::Microsecond => value,
        Unit::Week => {
            return Err(unsupported(&lower, "interval").detail("Months usually have fractional weeks."));
        }
        _ => return Err(unsupported(&lower, "interval")),
    })
}

/// `date_bin(stride, timestamp, origin)`: the start of the bin that holds the timestamp.
fn bin(stride: Interval, value: AnyTimestamp, origin: AnyTimestamp) -> PgResult<i64> {
    let bad = |message: &str| PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, message);
    if is_infinite(value.0) {
        return Ok(value.0);
    }
    if is_infinite(origin.0) {
        return Err(bad("origin out of range"));
    }
    if stride.months != 0 {
        return Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let stride_us = i64::from(stride.days)
        .checked_mul(USECS_PER_DAY)
        .and_then(|days| days.checked_add(stride.usecs))
        .ok_or_else(crate::interval::out_of_range)?;
    if stride_us <= 0 {
        return Err(bad("stride must be greater than zero"));
    }
    let distance = value.0.checked_sub(origin.0).ok_or_else(crate::interval::out_of_range)?;
    let start = origin.0 + (distance - distance % stride_us);
    if distance % stride_us < 0 { checked(start.checked_sub(stride_us)) } else { Ok(start) }
}

fn timestamp_bin(stride: Interval, value: AnyTimestamp, origin: AnyTimestamp) -> PgResult<TimestampArg> {
    bin(stride, value, origin).map(TimestampArg)
}

fn timestamptz_bin(stride: Interval, value: AnyTimestamp, origin: AnyTimestamp) -> PgResult<TimestampTzArg> {
    bin(stride, value, origin).map(TimestampTzArg)
}

builtins! {
    "extract_date" = extract_date: 2;
    "extract_time" = extract_time: 2;
    "extract_timetz" = extract_timetz: 2;
    "extract_timestamp" = extract_timestamp: 2;
    "extract_timestamptz" = extract_timestamptz: (ctx, 2);
    "extract_interval" = extract_interval: 2;
    "time_part" = time_part: 2;
    "timetz_part" = timetz_part: 2;
    "timestamp_part" = timestamp_part: 2;
    "timestamptz_part" = timestamptz_part: (ctx, 2);
    "interval_part" = interval_part: 2;
    "timestamp_trunc" = timestamp_trunc: 2;
    "timestamptz_trunc" = timestamptz_trunc: (ctx, 2);
    "timestamptz_trunc_zone" = timestamptz_trunc_zone: 3;
    "interval_trunc" = interval_trunc: 2;
    "timestamp_bin" = timestamp_bin: 3;
    "timestamptz_bin" = timestamptz_bin: 3;
}
