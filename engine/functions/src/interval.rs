//! `interval`: formats and type modifiers. Its operators are in `interval_ops`.

use crate::args::FromDatum;
use crate::binary::BinaryReader;
use crate::calendar::{USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC};
use crate::datetime_format::{padded, seconds};
use crate::datetime_scan::{Refusal, split_fields};
use crate::interval_parse::{decode, decode_iso};
use crate::io::TypeIo;
use crate::timestamp::round_usecs;
use crate::type_modifiers::{
    INTERVAL_FULL_PRECISION, INTERVAL_FULL_RANGE, field, interval_precision, interval_range, is_valid_range,
};
use crate::{Datum, Env, Interval, IntervalStyle};
use redoubt_error::{PgError, PgResult, code};

/// Bytes that fields of an input may take together.
const INPUT_BUFFER: usize = 256;

/// `interval`.
pub(crate) static INTERVAL_IO: TypeIo = TypeIo {
    input: |text, typmod, env| coerce(parse(text, typmod, env)?, typmod).map(Datum::Interval),
    output: |datum, env, out| {
        write(&Interval::from_datum(datum)?, env.settings().interval_style, out);
        Ok(())
    },
    recv: |bytes, typmod, _| {
        let mut reader = BinaryReader::new(bytes);
        let usecs = reader.i64()?;
        let days = reader.i32()?;
        let months = reader.i32()?;
        reader.finish()?;
        coerce(Interval { months, days, usecs }, typmod).map(Datum::Interval)
    },
    send: |datum, _, out| {
        let value = Interval::from_datum(datum)?;
        out.extend_from_slice(&value.usecs.to_be_bytes());
        out.extend_from_slice(&value.days.to_be_bytes());
        out.extend_from_slice(&value.months.to_be_bytes());
        Ok(())
    },
};

/// `22008`.
#[cold]
pub(crate) fn out_of_range() -> PgError {
    PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, "interval out of range")
}

fn parse(text: &str, typmod: i32, env: &dyn Env) -> PgResult<Interval> {
    let range = if typmod >= 0 { interval_range(typmod) } else { INTERVAL_FULL_RANGE };
    let style = env.settings().interval_style;
    let parsed = split_fields(text, INPUT_BUFFER).and_then(|fields| decode(&fields, range, style));
    let parsed = match parsed {
        Err(Refusal::BadFormat) => decode_iso(text),
        decided => decided,
    };
    match parsed {
        Ok(interval) => interval.ok_or_else(out_of_range),
        Err(Refusal::FieldOverflow) => Err(Refusal::IntervalOverflow.report(text, "interval")),
        Err(refusal) => Err(refusal.report(text, "interval")),
    }
}

/// Applies a type modifier: drops fields below the restriction's last one, rounds seconds.
///
/// # Errors
/// `XX000` and `22023` for a type modifier that cannot be.
pub(crate) fn coerce(mut value: Interval, typmod: i32) -> PgResult<Interval> {
    if typmod < 0 {
        return Ok(value);
    }
    let range = interval_range(typmod);
    let truncate = |usecs: i64, unit: i64| usecs / unit * unit;
    if !is_valid_range(range) {
        return Err(PgError::internal(format!("unrecognized interval typmod: {typmod}")));
    }
    if range != INTERVAL_FULL_RANGE {
        if range & (field::YEAR | field::MONTH) != 0 {
            value.days = 0;
            value.usecs = 0;
            if range & field::MONTH == 0 {
                value.months = value.months / 12 * 12;
            }
        } else if range == field::DAY {
            value.usecs = 0;
        } else if range & field::SECOND == 0 && range & field::MINUTE != 0 {
            value.usecs = truncate(value.usecs, USECS_PER_MINUTE);
        } else if range & field::SECOND == 0 && range & field::HOUR != 0 {
            value.usecs = truncate(value.usecs, USECS_PER_HOUR);
        }
    }
    let precision = interval_precision(typmod);
    if precision != INTERVAL_FULL_PRECISION {
        if precision > 6 {
            return Err(PgError::new(
                code::INVALID_PARAMETER_VALUE,
                format!("interval({precision}) precision must be between 0 and 6"),
            ));
        }
        value.usecs = round_usecs(value.usecs, precision);
    }
    Ok(value)
}

/// An interval's fields, each with its own sign.
pub(crate) struct Fields {
    pub(crate) years: i32,
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) hours: i64,
    pub(crate) minutes: i32,
    pub(crate) seconds: i32,
    pub(crate) usecs: i32,
}

impl Fields {
    pub(crate) fn of(value: &Interval) -> Self {
        Fields {
            years: value.months / 12,
            months: value.months % 12,
            days: value.days,
            hours: value.usecs / USECS_PER_HOUR,
            minutes: (value.usecs / USECS_PER_MINUTE % 60) as i32,
            seconds: (value.usecs / USECS_PER_SEC % 60) as i32,
            usecs: (value.usecs % USECS_PER_SEC) as i32,
        }
    }

    fn has_time(&self) -> bool {
        self.hours != 0 || self.minutes != 0 || self.seconds != 0 || self.usecs != 0
    }

    /// All fields in order of size.
    fn values(&self) -> [i64; 7] {
        [
            self.years.into(),
            self.months.into(),
            self.days.into(),
            self.hours,
            self.minutes.into(),
            self.seconds.into(),
            self.usecs.into(),
        ]
    }

    fn time_is_negative(&self) -> bool {
        self.hours < 0 || self.minutes < 0 || self.seconds < 0 || self.usecs < 0
    }
}

fn number(value: i64, out: &mut Vec<u8>) {
    crate::integer::write_int(value, out);
}

/// Appends `hh:mm:ss.ffffff` without signs.
fn clock(fields: &Fields, hour_width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let hours = buffer.format(fields.hours.unsigned_abs());
    out.resize(out.len() + hour_width.saturating_sub(hours.len()), b'0');
    out.extend_from_slice(hours.as_bytes());
    out.push(b':');
    padded(fields.minutes, 2, out);
    out.push(b':');
    seconds(fields.seconds, fields.usecs, true, out);
}

/// Appends the text form in a style.
pub(crate) fn write(value: &Interval, style: IntervalStyle, out: &mut Vec<u8>) {
    let fields = Fields::of(value);
    match style {
        IntervalStyle::Postgres => write_postgres(&fields, out),
        IntervalStyle::PostgresVerbose => write_verbose(&fields, out),
        IntervalStyle::SqlStandard => write_sql_standard(&fields, out),
        IntervalStyle::Iso8601 => write_iso8601(&fields, out),
    }
}

/// `1 year 2 mons -3 days +04:05:06`: a sign is shown after a negative field.
fn write_postgres(fields: &Fields, out: &mut Vec<u8>) {
    let (mut is_first, mut after_negative) = (true, false);
    for (value, unit) in [(fields.years, "year"), (fields.months, "mon"), (fields.days, "day")] {
        if value == 0 {
            continue;
        }
        if !is_first {
            out.push(b' ');
        }
        if after_negative && value > 0 {
            out.push(b'+');
        }
        number(value.into(), out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        (is_first, after_negative) = (false, value < 0);
    }
    if is_first || fields.has_time() {
        if !is_first {
            out.push(b' ');
        }
        if fields.time_is_negative() {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        clock(fields, 2, out);
    }
}

/// `@ 1 year 2 mons ago`: the first field's sign decides about the "ago".
fn write_verbose(fields: &Fields, out: &mut Vec<u8>) {
    out.push(b'@');
    let (mut is_zero, mut is_ago) = (true, false);
    let units = [
        (i64::from(fields.years), "year"),
        (fields.months.into(), "mon"),
        (fields.days.into(), "day"),
        (fields.hours, "hour"),
        (fields.minutes.into(), "min"),
    ];
    for (value, unit) in units {
        if value == 0 {
            continue;
        }
        if is_zero {
            is_ago = value < 0;
        }
        let shown = if is_ago { -value } else { value };
        is_zero = false;
        out.push(b' ');
        number(shown, out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if shown != 1 {
            out.push(b's');
        }
    }
    if fields.seconds != 0 || fields.usecs != 0 {
        out.push(b' ');
        let negative = fields.seconds < 0 || fields.usecs < 0;
        if negative && is_zero {
            is_ago = true;
        } else if negative != is_ago {
            out.push(b'-');
        }
        seconds(fields.seconds, fields.usecs, false, out);
        out.extend_from_slice(b" sec");
        if fields.seconds.abs() != 1 || fields.usecs != 0 {
            out.push(b's');
        }
        is_zero = false;
    }
    if is_zero {
        out.extend_from_slice(b" 0");
    }
    if is_ago {
        out.extend_from_slice(b" ago");
    }
}

/// The standard's literal where it has one: fields of one sign, and not both months and days.
fn write_sql_standard(fields: &Fields, out: &mut Vec<u8>) {
    let values = fields.values();
    let (has_negative, has_positive) = (values.iter().any(|v| *v < 0), values.iter().any(|v| *v > 0));
    let has_months = fields.years != 0 || fields.months != 0;
    let has_time = fields.days != 0 || fields.has_time();
    if !has_negative && !has_positive {
        out.push(b'0');
    } else if (has_negative && has_positive) || (has_months && has_time) {
        let sign = |negative: bool| if negative { b'-' } else { b'+' };
        out.push(sign(fields.years < 0 || fields.months < 0));
        number(i64::from(fields.years).abs(), out);
        out.push(b'-');
        number(i64::from(fields.months).abs(), out);
        out.extend([b' ', sign(fields.days < 0)]);
        number(i64::from(fields.days).abs(), out);
        out.extend([b' ', sign(fields.time_is_negative())]);
        clock(fields, 1, out);
    } else {
        if has_negative {
            out.push(b'-');
        }
        if has_months {
            number(i64::from(fields.years).abs(), out);
            out.push(b'-');
            number(i64::from(fields.months).abs(), out);
            return;
        }
        if fields.days != 0 {
            number(i64::from(fields.days).abs(), out);
            out.push(b' ');
        }
        clock(fields, 1, out);
    }
}

fn write_iso8601(fields: &Fields, out: &mut Vec<u8>) {
    if fields.values() == [0; 7] {
        return out.extend_from_slice(b"PT0S");
    }
    let part = |value: i64, unit: u8, out: &mut Vec<u8>| {
        if value != 0 {
            number(value, out);
            out.push(unit);
        }
    };
    out.push(b'P');
    part(fields.years.into(), b'Y', out);
    part(fields.months.into(), b'M', out);
    part(fields.days.into(), b'D', out);
    if !fields.has_time() {
        return;
    }
    out.push(b'T');
    part(fields.hours, b'H', out);
    part(fields.minutes.into(), b'M', out);
    if fields.seconds != 0 || fields.usecs != 0 {
        if fields.seconds < 0 || fields.usecs < 0 {
            out.push(b'-');
        }
        seconds(fields.seconds, fields.usecs, false, out);
        out.push(b'S');
    }
}
