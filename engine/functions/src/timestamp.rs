//! `timestamp` and `timestamptz`: formats, ranges, conversions to and from local time.
//!
//! Their operators are in `timestamp_ops`.

use crate::args::{FromDatum, TimestampArg, TimestampTzArg};
use crate::binary::BinaryReader;
use crate::calendar::{
    CivilTime, POSTGRES_EPOCH_JDATE, SECS_PER_DAY, UNIX_EPOCH_JDATE, USECS_PER_DAY, USECS_PER_SEC,
    is_valid_julian,
};
use crate::datetime_decode::{Kind, decode_datetime};
use crate::datetime_format::{self as format, ShownZone, Style};
use crate::datetime_scan::{Refusal, split_fields};
use crate::io::TypeIo;
use crate::timezone::Zone;
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, code};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds from 1970-01-01 to 2000-01-01.
pub(crate) const UNIX_TO_POSTGRES_EPOCH_S: i64 = 946_684_800;

/// `-infinity` and `infinity`.
pub(crate) const EARLY: i64 = i64::MIN;
pub(crate) const LATE: i64 = i64::MAX;

/// The first valid timestamp, 4714-11-24 BC.
const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000;
/// One past the last valid timestamp, 294277-01-01.
const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;

/// Bytes that fields of an input may take together.
const INPUT_BUFFER: usize = 153;

/// `timestamp`.
pub(crate) static TIMESTAMP_IO: TypeIo = TypeIo {
    input: |text, typmod, env| {
        let value = parse(text, "timestamp", false, env)?;
        apply_precision(value, typmod).map(Datum::Timestamp)
    },
    output: |datum, env, out| {
        let value = TimestampArg::from_datum(datum)?.0;
        if !write_infinity(value, out) {
            let settings = env.settings();
            let style = Style { format: settings.date_format, order: settings.date_order };
            format::timestamp(&to_civil(value), None, style, out);
        }
        Ok(())
    },
    recv: |bytes, typmod, _| receive(bytes, typmod).map(Datum::Timestamp),
    send: |datum, _, out| {
        out.extend_from_slice(&TimestampArg::from_datum(datum)?.0.to_be_bytes());
        Ok(())
    },
};

/// `timestamptz`.
pub(crate) static TIMESTAMPTZ_IO: TypeIo = TypeIo {
    input: |text, typmod, env| {
        let value = parse(text, "timestamp with time zone", true, env)?;
        apply_precision(value, typmod).map(Datum::TimestampTz)
    },
    output: |datum, env, out| {
        write_with_zone(TimestampTzArg::from_datum(datum)?.0, env, out);
        Ok(())
    },
    recv: |bytes, typmod, _| receive(bytes, typmod).map(Datum::TimestampTz),
    send: |datum, _, out| {
        out.extend_from_slice(&TimestampTzArg::from_datum(datum)?.0.to_be_bytes());
        Ok(())
    },
};

/// Appends a `timestamptz` in the session's zone and style.
pub(crate) fn write_with_zone(value: i64, env: &dyn Env, out: &mut Vec<u8>) {
    if write_infinity(value, out) {
        return;
    }
    let settings = env.settings();
    let style = Style { format: settings.date_format, order: settings.date_order };
    let kind = settings.timezone.at(unix_of(value));
    let civil = to_civil(value.saturating_add(i64::from(kind.offset_s) * USECS_PER_SEC));
    let shown = ShownZone { west_s: -kind.offset_s, abbreviation: Some(&kind.abbreviation) };
    format::timestamp(&civil, Some(shown), style, out);
}

fn write_infinity(value: i64, out: &mut Vec<u8>) -> bool {
    let word: &[u8] = match value {
        EARLY => b"-infinity",
        LATE => b"infinity",
        _ => return false,
    };
    out.extend_from_slice(word);
    true
}

/// The wall clock in microseconds since 2000-01-01 UTC.
pub fn now_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros());
    since_1970 as i64 - UNIX_TO_POSTGRES_EPOCH_S * USECS_PER_SEC
}

/// `22008`: beyond what a timestamp can hold.
#[cold]
pub(crate) fn out_of_range() -> PgError {
    PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range")
}

/// True for the infinities.
pub(crate) fn is_infinite(value: i64) -> bool {
    value == EARLY || value == LATE
}

/// A finite timestamp in range.
pub(crate) fn is_valid(value: i64) -> bool {
    (MIN_TIMESTAMP..END_TIMESTAMP).contains(&value)
}

/// Checks a computed timestamp.
///
/// # Errors
/// `22008`.
pub(crate) fn checked(value: Option<i64>) -> PgResult<i64> {
    value.filter(|value| is_valid(*value)).ok_or_else(out_of_range)
}

/// Breaks a finite timestamp into fields.
pub(crate) fn to_civil(value: i64) -> CivilTime {
    let days = value.div_euclid(USECS_PER_DAY);
    let mut civil = CivilTime::default();
    civil.set_date((days + i64::from(POSTGRES_EPOCH_JDATE)) as i32);
    civil.set_time(value.rem_euclid(USECS_PER_DAY));
    civil
}

/// The timestamp of a date and time; `None` when it is out of range.
pub(crate) fn from_civil(civil: &CivilTime) -> Option<i64> {
    if !is_valid_julian(civil.year, civil.month) {
        return None;
    }
    let days = i64::from(civil.julian()) - i64::from(POSTGRES_EPOCH_JDATE);
    let value = days.checked_mul(USECS_PER_DAY)?.checked_add(civil.time_us())?;
    is_valid(value).then_some(value)
}

/// As [`from_civil`] for a local time: the result is in UTC.
pub(crate) fn from_local(civil: &CivilTime, west_s: i32) -> Option<i64> {
    if !is_valid_julian(civil.year, civil.month) {
        return None;
    }
    let days = i64::from(civil.julian()) - i64::from(POSTGRES_EPOCH_JDATE);
    let local = days.checked_mul(USECS_PER_DAY)?.checked_add(civil.time_us())?;
    let value = local.checked_add(i64::from(west_s) * USECS_PER_SEC)?;
    is_valid(value).then_some(value)
}

/// Unix seconds of a `timestamptz`, rounded down.
pub(crate) fn unix_of(value: i64) -> i64 {
    value.div_euclid(USECS_PER_SEC) + UNIX_TO_POSTGRES_EPOCH_S
}

/// Unix seconds of a date and time read as UTC.
pub(crate) fn unix_seconds(civil: &CivilTime) -> i64 {
    let days = i64::from(civil.julian()) - i64::from(UNIX_EPOCH_JDATE);
    days * SECS_PER_DAY
        + i64::from(civil.hour) * 3600
        + i64::from(civil.minute) * 60
        + i64::from(civil.second)
}

/// A `timestamptz` in a zone: local fields, and seconds west of UTC.
pub(crate) fn to_local(value: i64, zone: &Zone) -> (CivilTime, i32) {
    let offset_s = zone.at(unix_of(value)).offset_s;
    (to_civil(value.saturating_add(i64::from(offset_s) * USECS_PER_SEC)), -offset_s)
}

/// The moment a local timestamp (without zone) denotes in a zone.
///
/// # Errors
/// `22008`.
pub(crate) fn local_to_utc(value: i64, zone: &Zone) -> PgResult<i64> {
    if is_infinite(value) {
        return Ok(value);
    }
    let civil = to_civil(value);
    let west_s = crate::datetime_zone::west_of(zone, &civil);
    checked(value.checked_add(i64::from(west_s) * USECS_PER_SEC))
}

/// The local timestamp (without zone) of a moment in a zone.
///
/// # Errors
/// `22008`.
pub(crate) fn utc_to_local(value: i64, zone: &Zone) -> PgResult<i64> {
    if is_infinite(value) {
        return Ok(value);
    }
    let offset_s = zone.at(unix_of(value)).offset_s;
    checked(value.checked_add(i64::from(offset_s) * USECS_PER_SEC))
}

/// Parses text; a zone in it counts only `with_zone`.
///
/// # Errors
/// `22007`, `22008`, `22009`.
pub(crate) fn parse(text: &str, type_name: &str, with_zone: bool, env: &dyn Env) -> PgResult<i64> {
    let report = |refusal: Refusal| refusal.report(text, type_name);
    let fields = split_fields(text, INPUT_BUFFER).map_err(report)?;
    let decoded = decode_datetime(fields, env).map_err(report)?;
    let value = match decoded.kind {
        Kind::Early => return Ok(EARLY),
        Kind::Late => return Ok(LATE),
        Kind::Epoch => return Ok(-UNIX_TO_POSTGRES_EPOCH_S * USECS_PER_SEC),
        Kind::Civil if with_zone => from_local(&decoded.civil, decoded.west_s),
        Kind::Civil => from_civil(&decoded.civil),
    };
    value.ok_or_else(|| {
        PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, format!("timestamp out of range: \"{text}\""))
    })
}

/// Rounds microseconds to a number of decimals.
pub(crate) fn round_usecs(value: i64, decimals: i32) -> i64 {
    let scale = 10i64.pow((6 - decimals.clamp(0, 6)) as u32);
    let half = scale / 2;
    if value >= 0 {
        value.saturating_add(half) / scale * scale
    } else {
        -(value.saturating_neg().saturating_add(half) / scale * scale)
    }
}

/// Applies `timestamp(n)`.
///
/// # Errors
/// `22023` for a type modifier that cannot be.
pub(crate) fn apply_precision(value: i64, typmod: i32) -> PgResult<i64> {
    if is_infinite(value) || typmod == -1 || typmod == 6 {
        return Ok(value);
    }
    if !(0..=6).contains(&typmod) {
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!("timestamp({typmod}) precision must be between 0 and 6"),
        ));
    }
    Ok(round_usecs(value, typmod))
}

fn receive(bytes: &[u8], typmod: i32) -> PgResult<i64> {
    let mut reader = BinaryReader::new(bytes);
    let value = reader.i64()?;
    reader.finish()?;
    if !is_infinite(value) && !is_valid(value) {
        return Err(out_of_range());
    }
    apply_precision(value, typmod)
}
