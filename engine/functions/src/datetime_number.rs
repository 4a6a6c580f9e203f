//! Numbers in dates and times: which field a bare number is depends on those before it.

use crate::DateOrder;
use crate::calendar::{CivilTime, USECS_PER_DAY};
use crate::datetime_decode::seen;
use crate::datetime_scan::{Refusal, fractional_second, leading_int};

/// What is known when a number is looked at.
#[derive(Clone, Copy)]
pub(crate) struct NumberContext {
    pub(crate) mask: u32,
    pub(crate) has_text_month: bool,
    pub(crate) order: DateOrder,
}

/// The parts of a delimited date: runs of digits or letters.
///
/// # Errors
/// `BadFormat` when the text ends with a delimiter.
pub(crate) fn date_parts(text: &str) -> Result<Vec<&str>, Refusal> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let Some(first) = rest.chars().next() else { return Err(Refusal::BadFormat) };
        let same = |c: char| {
            if first.is_ascii_digit() { c.is_ascii_digit() } else { c.is_ascii_alphabetic() }
        };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        parts.push(&rest[..end]);
        // One delimiter goes with the part, so that a trailing one is no error by itself.
        let tail = &rest[end..];
        rest = tail.strip_prefix(|_: char| true).unwrap_or("");
    }
    Ok(parts)
}

/// Interprets a number as the next field of a date (or as a time, when the date is complete).
/// Returns the fields that it set.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn single(
    text: &str,
    context: NumberContext,
    civil: &mut CivilTime,
    day_of_year: &mut i32,
    two_digit_year: &mut bool,
) -> Result<u32, Refusal> {
    let (value, rest) = leading_int::<i32>(text)?;
    if rest.len() == text.len() {
        return Err(Refusal::BadFormat);
    }
    if rest.starts_with('.') {
        // More than two digits before the point: run together, or a year and its day.
        if text.len() - rest.len() > 2 {
            return run_together(text, context.mask | seen::DATE, civil, two_digit_year);
        }
        civil.usec = fractional_second(rest)?;
    } else if !rest.is_empty() {
        return Err(Refusal::BadFormat);
    }
    let len = text.len();
    let date = context.mask & seen::DATE;
    if len == 3 && date == seen::YEAR && (1..=366).contains(&value) {
        *day_of_year = value;
        return Ok(seen::DAY_OF_YEAR | seen::MONTH | seen::DAY);
    }
    let field = match date {
        0 if len >= 3 || context.order == DateOrder::Ymd => seen::YEAR,
        0 if context.order == DateOrder::Dmy => seen::DAY,
        0 => seen::MONTH,
        seen::YEAR => seen::MONTH,
        seen::MONTH if context.has_text_month && (len >= 3 || context.order == DateOrder::Ymd) => seen::YEAR,
        seen::MONTH => seen::DAY,
        DATE_WITHOUT_DAY if context.has_text_month && len >= 3 && *two_digit_year => {
            // What was taken for the year was the day.
            civil.day = civil.year;
            civil.year = value;
            *two_digit_year = false;
            return Ok(seen::DAY);
        }
        DATE_WITHOUT_DAY => seen::DAY,
        seen::DAY => seen::MONTH,
        DATE_WITHOUT_YEAR => seen::YEAR,
        seen::DATE => return run_together(text, context.mask, civil, two_digit_year),
        _ => return Err(Refusal::BadFormat),
    };
    match field {
        seen::YEAR => {
            civil.year = value;
            *two_digit_year = len <= 2;
        }
        seen::MONTH => civil.month = value,
        _ => civil.day = value,
    }
    Ok(field)
}

const DATE_WITHOUT_DAY: u32 = seen::YEAR | seen::MONTH;
const DATE_WITHOUT_YEAR: u32 = seen::MONTH | seen::DAY;

/// Interprets digits run together: `yyyymmdd`, `yymmdd`, `hhmmss`, `hhmm`, with a fraction.
/// Returns the fields that it set.
///
/// # Errors
/// `BadFormat` when the number of digits fits nothing.
pub(crate) fn run_together(
    text: &str,
    mask: u32,
    civil: &mut CivilTime,
    two_digit_year: &mut bool,
) -> Result<u32, Refusal> {
    let mut digits = text;
    if let Some(point) = text.find('.') {
        let fraction = &text[point..];
        // What follows the fraction is not looked at.
        let end = fraction[1..].find(|c: char| !c.is_ascii_digit()).map_or(fraction.len(), |at| at + 1);
        civil.usec = fractional_second(&fraction[..end])?;
        digits = &text[..point];
    } else if mask & seen::DATE != seen::DATE && digits.len() >= 6 {
        let (year, rest) = digits.split_at(digits.len() - 4);
        civil.day = small(&rest[2..]);
        civil.month = small(&rest[..2]);
        civil.year = small(year);
        if year.len() == 2 {
            *two_digit_year = true;
        }
        return Ok(seen::DATE);
    }
    if mask & seen::TIME != seen::TIME {
        if digits.len() == 6 {
            civil.second = small(&digits[4..]);
        } else if digits.len() == 4 {
            civil.second = 0;
        } else {
            return Err(Refusal::BadFormat);
        }
        civil.minute = small(&digits[2..4]);
        civil.hour = small(&digits[..2]);
        return Ok(seen::TIME);
    }
    Err(Refusal::BadFormat)
}

/// C's `atoi`, for digits that should be few.
fn small(digits: &str) -> i32 {
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse::<i64>().unwrap_or(0) as i32
}

/// A time of day or an amount of time written with colons.
pub(crate) struct ClockTime {
    pub(crate) hour: i64,
    pub(crate) minute: i32,
    pub(crate) second: i32,
    pub(crate) usec: i32,
}

/// Reads `hh:mm`, `hh:mm:ss.ffffff` or `mm:ss.fff`. Two fields are minutes and seconds when
/// `minutes_first`, or when a fraction follows.
///
/// # Errors
/// `BadFormat`, or `FieldOverflow` for minutes and seconds out of range.
pub(crate) fn clock_time(text: &str, minutes_first: bool) -> Result<ClockTime, Refusal> {
    let (first, rest) = leading_int::<i64>(text)?;
    let rest = rest.strip_prefix(':').ok_or(Refusal::BadFormat)?;
    let (second, rest) = leading_int::<i32>(rest)?;
    let small = |value: i64| i32::try_from(value).map_err(|_| Refusal::FieldOverflow);
    let time = if rest.is_empty() && !minutes_first {
        ClockTime { hour: first, minute: second, second: 0, usec: 0 }
    } else if rest.is_empty() {
        ClockTime { hour: 0, minute: small(first)?, second, usec: 0 }
    } else if rest.starts_with('.') {
        ClockTime { hour: 0, minute: small(first)?, second, usec: fractional_second(rest)? }
    } else {
        let rest = rest.strip_prefix(':').ok_or(Refusal::BadFormat)?;
        let (third, rest) = leading_int::<i32>(rest)?;
        let usec = match rest {
            "" => 0,
            _ if rest.starts_with('.') => fractional_second(rest)?,
            _ => return Err(Refusal::BadFormat),
        };
        ClockTime { hour: first, minute: second, second: third, usec }
    };
    let in_range = time.hour >= 0
        && (0..60).contains(&time.minute)
        && (0..=60).contains(&time.second)
        && (0..=1_000_000).contains(&time.usec);
    if in_range { Ok(time) } else { Err(Refusal::FieldOverflow) }
}

/// True when a time of day has a field out of range or lies beyond 24:00:00.
pub(crate) fn time_overflows(civil: &CivilTime) -> bool {
    !(0..=24).contains(&civil.hour)
        || !(0..60).contains(&civil.minute)
        || !(0..=60).contains(&civil.second)
        || !(0..=1_000_000).contains(&civil.usec)
        || civil.time_us() > USECS_PER_DAY
}
