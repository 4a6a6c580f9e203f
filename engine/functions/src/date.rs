//! `date`, `time` and `timetz`: formats.

use crate::args::{DateArg, FromDatum, TimeArg};
use crate::binary::BinaryReader;
use crate::calendar::{
    CivilTime, DATE_END_JULIAN, POSTGRES_EPOCH_JDATE, UNIX_EPOCH_JDATE, USECS_PER_DAY, is_valid_julian,
};
use crate::datetime_decode::{Decoded, Kind, decode_datetime, decode_time};
use crate::datetime_format::{self as format, Style};
use crate::datetime_scan::{Refusal, split_fields};
use crate::io::TypeIo;
use crate::timestamp::round_usecs;
use crate::{Datum, Env, TimeTz};
use redoubt_error::{PgError, PgResult, code};

/// `-infinity` and `infinity`.
pub(crate) const EARLY: i32 = i32::MIN;
pub(crate) const LATE: i32 = i32::MAX;

/// Bytes that fields of an input may take together.
const INPUT_BUFFER: usize = 129;

/// Zone displacements are below 16 hours.
const MAX_ZONE_S: i32 = 16 * 3600;

/// `date`.
pub(crate) static DATE_IO: TypeIo = TypeIo {
    input: |text, _, env| parse(text, env).map(Datum::Date),
    output: |datum, env, out| {
        match DateArg::from_datum(datum)?.0 {
            EARLY => out.extend_from_slice(b"-infinity"),
            LATE => out.extend_from_slice(b"infinity"),
            days => {
                let settings = env.settings();
                let style = Style { format: settings.date_format, order: settings.date_order };
                format::date(&to_civil(days), style, out);
            }
        }
        Ok(())
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let days = reader.i32()?;
        reader.finish()?;
        if !is_infinite(days) && !is_valid(days) {
            return Err(out_of_range());
        }
        Ok(Datum::Date(days))
    },
    send: |datum, _, out| {
        out.extend_from_slice(&DateArg::from_datum(datum)?.0.to_be_bytes());
        Ok(())
    },
};

/// `time`.
pub(crate) static TIME_IO: TypeIo = TypeIo {
    input: |text, typmod, env| {
        let decoded = decode(text, "time", env)?;
        Ok(Datum::Time(apply_precision(decoded.civil.time_us(), typmod)))
    },
    output: |datum, _, out| {
        format::time(&clock(TimeArg::from_datum(datum)?.0), None, out);
        Ok(())
    },
    recv: |bytes, typmod, _| {
        let mut reader = BinaryReader::new(bytes);
        let time_us = reader.i64()?;
        reader.finish()?;
        check_time(time_us)?;
        Ok(Datum::Time(apply_precision(time_us, typmod)))
    },
    send: |datum, _, out| {
        out.extend_from_slice(&TimeArg::from_datum(datum)?.0.to_be_bytes());
        Ok(())
    },
};

/// `timetz`.
pub(crate) static TIMETZ_IO: TypeIo = TypeIo {
    input: |text, typmod, env| {
        let decoded = decode(text, "time with time zone", env)?;
        let time_us = apply_precision(decoded.civil.time_us(), typmod);
        Ok(Datum::TimeTz(TimeTz { time_us, zone_s: decoded.west_s }))
    },
    output: |datum, _, out| {
        let value = TimeTz::from_datum(datum)?;
        format::time(&clock(value.time_us), Some(value.zone_s), out);
        Ok(())
    },
    recv: |bytes, typmod, _| {
        let mut reader = BinaryReader::new(bytes);
        let (time_us, zone_s) = (reader.i64()?, reader.i32()?);
        reader.finish()?;
        check_time(time_us)?;
        if zone_s <= -MAX_ZONE_S || zone_s >= MAX_ZONE_S {
            return Err(PgError::new(
                code::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                "time zone displacement out of range",
            ));
        }
        Ok(Datum::TimeTz(TimeTz { time_us: apply_precision(time_us, typmod), zone_s }))
    },
    send: |datum, _, out| {
        let value = TimeTz::from_datum(datum)?;
        out.extend_from_slice(&value.time_us.to_be_bytes());
        out.extend_from_slice(&value.zone_s.to_be_bytes());
        Ok(())
    },
};

/// `22008`.
#[cold]
pub(crate) fn out_of_range() -> PgError {
    PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "date out of range")
}

fn check_time(time_us: i64) -> PgResult<()> {
    if (0..=USECS_PER_DAY).contains(&time_us) {
        return Ok(());
    }
    Err(PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "time out of range"))
}

/// True for the infinities.
pub(crate) fn is_infinite(days: i32) -> bool {
    days == EARLY || days == LATE
}

/// A finite date in range.
pub(crate) fn is_valid(days: i32) -> bool {
    (-POSTGRES_EPOCH_JDATE..DATE_END_JULIAN - POSTGRES_EPOCH_JDATE).contains(&days)
}

/// Breaks a finite date into fields.
pub(crate) fn to_civil(days: i32) -> CivilTime {
    let mut civil = CivilTime::default();
    civil.set_date(days.wrapping_add(POSTGRES_EPOCH_JDATE));
    civil
}

/// The date of year, month and day; `None` when it is out of range.
pub(crate) fn from_civil(civil: &CivilTime) -> Option<i32> {
    if !is_valid_julian(civil.year, civil.month) {
        return None;
    }
    let days = civil.julian().wrapping_sub(POSTGRES_EPOCH_JDATE);
    is_valid(days).then_some(days)
}

/// Fields of a time of day.
pub(crate) fn clock(time_us: i64) -> CivilTime {
    let mut civil = CivilTime::default();
    civil.set_time(time_us);
    civil
}

fn parse(text: &str, env: &dyn Env) -> PgResult<i32> {
    let report = |refusal: Refusal| refusal.report(text, "date");
    let fields = split_fields(text, INPUT_BUFFER).map_err(report)?;
    let decoded = decode_datetime(fields, env).map_err(report)?;
    match decoded.kind {
        Kind::Early => return Ok(EARLY),
        Kind::Late => return Ok(LATE),
        Kind::Epoch => return Ok(UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE),
        Kind::Civil => {}
    }
    from_civil(&decoded.civil).ok_or_else(|| {
        PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, format!("date out of range: \"{text}\""))
    })
}

fn decode(text: &str, type_name: &str, env: &dyn Env) -> PgResult<Decoded> {
    let report = |refusal: Refusal| refusal.report(text, type_name);
    let fields = split_fields(text, INPUT_BUFFER).map_err(report)?;
    decode_time(fields, env).map_err(report)
}

/// Applies `time(n)`.
pub(crate) fn apply_precision(time_us: i64, typmod: i32) -> i64 {
    if (0..=6).contains(&typmod) { round_usecs(time_us, typmod) } else { time_us }
}
