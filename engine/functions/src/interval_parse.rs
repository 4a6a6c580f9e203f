//! Reading intervals: PostgreSQL's liberal form, the SQL standard's and ISO 8601's.

use crate::calendar::{USECS_PER_DAY, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC};
use crate::datetime_number::clock_time;
use crate::datetime_scan::{Field, FieldKind, Refusal, Unit, UnitWord, fraction, leading_int, unit_word};
use crate::type_modifiers::{INTERVAL_FULL_RANGE, field};
use crate::{Interval, IntervalStyle};

/// Fields accumulated while reading; years and months are kept apart so that each may overflow.
#[derive(Default)]
struct Parts {
    usecs: i64,
    days: i32,
    months: i32,
    years: i32,
}

impl Parts {
    /// Adds `value + fraction` units of this many microseconds.
    fn add_usecs(&mut self, value: i64, fraction: f64, unit_us: i64) -> Result<(), Refusal> {
        self.usecs = value
            .checked_mul(unit_us)
            .and_then(|usecs| self.usecs.checked_add(usecs))
            .ok_or(Refusal::FieldOverflow)?;
        self.add_fraction_us(fraction, unit_us)
    }

    fn add_fraction_us(&mut self, fraction: f64, unit_us: i64) -> Result<(), Refusal> {
        if fraction == 0.0 {
            return Ok(());
        }
        let scaled = fraction * unit_us as f64;
        let whole = scaled as i64;
        // Half a microsecond and more rounds up.
        let rest = scaled - whole as f64;
        let rounding = if rest > 0.5 { 1 } else { -i64::from(rest < -0.5) };
        self.usecs = self.usecs.checked_add(whole + rounding).ok_or(Refusal::FieldOverflow)?;
        Ok(())
    }

    fn add_days(&mut self, value: i64, unit_days: i32) -> Result<(), Refusal> {
        let days = i32::try_from(value)
            .ok()
            .and_then(|value| value.checked_mul(unit_days))
            .and_then(|days| self.days.checked_add(days));
        self.days = days.ok_or(Refusal::FieldOverflow)?;
        Ok(())
    }

    /// Adds a fraction of a unit of days: whole days, and the rest in microseconds.
    fn add_fraction_days(&mut self, fraction: f64, unit_days: i32) -> Result<(), Refusal> {
        if fraction == 0.0 {
            return Ok(());
        }
        let days = fraction * f64::from(unit_days);
        let whole = days as i32;
        self.days = self.days.checked_add(whole).ok_or(Refusal::FieldOverflow)?;
        self.add_fraction_us(days - f64::from(whole), USECS_PER_DAY)
    }

    fn add_months(&mut self, value: i64) -> Result<(), Refusal> {
        let months = i32::try_from(value).ok().and_then(|value| self.months.checked_add(value));
        self.months = months.ok_or(Refusal::FieldOverflow)?;
        Ok(())
    }

    fn add_years(&mut self, value: i64, unit_years: i32) -> Result<(), Refusal> {
        let years = i32::try_from(value)
            .ok()
            .and_then(|value| value.checked_mul(unit_years))
            .and_then(|years| self.years.checked_add(years));
        self.years = years.ok_or(Refusal::FieldOverflow)?;
        Ok(())
    }

    /// Adds a fraction of a unit of years, rounded to months.
    fn add_fraction_years(&mut self, fraction: f64, unit_years: i32) -> Result<(), Refusal> {
        let months = (fraction * f64::from(unit_years) * 12.0).round_ties_even();
        self.months = self.months.checked_add(months as i32).ok_or(Refusal::FieldOverflow)?;
        Ok(())
    }

    fn negate(&mut self) -> Result<(), Refusal> {
        let overflow = Refusal::FieldOverflow;
        self.usecs = self.usecs.checked_neg().ok_or(overflow.clone())?;
        self.days = self.days.checked_neg().ok_or(overflow.clone())?;
        self.months = self.months.checked_neg().ok_or(overflow.clone())?;
        self.years = self.years.checked_neg().ok_or(overflow)?;
        Ok(())
    }

    /// `None` when years and months together overflow.
    fn finish(&self) -> Option<Interval> {
        let months = i64::from(self.years) * 12 + i64::from(self.months);
        Some(Interval { months: i32::try_from(months).ok()?, days: self.days, usecs: self.usecs })
    }
}

/// Units seen, to refuse doubles.
mod unit_seen {
    pub(super) const SECOND: u32 = 1;
    pub(super) const SUBSECOND: u32 = 1 << 1;
    pub(super) const MILLISECOND: u32 = 1 << 2;
    pub(super) const MICROSECOND: u32 = 1 << 3;
    pub(super) const MINUTE: u32 = 1 << 4;
    pub(super) const HOUR: u32 = 1 << 5;
    pub(super) const DAY: u32 = 1 << 6;
    pub(super) const WEEK: u32 = 1 << 7;
    pub(super) const MONTH: u32 = 1 << 8;
    pub(super) const YEAR: u32 = 1 << 9;
    pub(super) const DECADE: u32 = 1 << 10;
    pub(super) const CENTURY: u32 = 1 << 11;
    pub(super) const MILLENNIUM: u32 = 1 << 12;
    /// A fractional second sets all of these.
    pub(super) const ALL_SECONDS: u32 = SECOND | SUBSECOND | MILLISECOND | MICROSECOND;
    pub(super) const TIME: u32 = HOUR | MINUTE | ALL_SECONDS;
}

/// An interval, or `None` when its months overflow.
pub(crate) type Parsed = Result<Option<Interval>, Refusal>;

/// Interprets fields from the right, so that units come before their values. `range` is the
/// type modifier's field restriction, which gives a bare number its unit.
pub(crate) fn decode(fields: &[Field], range: i32, style: IntervalStyle) -> Parsed {
    let mut parts = Parts::default();
    let mut mask = 0;
    let mut unit: Option<Unit> = None;
    let mut ago = false;
    let force_negative = starts_all_negative(fields, style);
    for field in fields.iter().rev() {
        let new = match field.kind {
            FieldKind::Time => {
                add_clock(&mut parts, &field.text, range, false, force_negative)?;
                unit = Some(Unit::Day);
                unit_seen::TIME
            }
            // A signed time, or else a signed number.
            FieldKind::Signed
                if field.text.contains(':') && clock_time(&field.text[1..], minutes_first(range)).is_ok() =>
            {
                add_clock(&mut parts, &field.text[1..], range, field.text.starts_with('-'), force_negative)?;
                unit = Some(Unit::Day);
                unit_seen::TIME
            }
            FieldKind::Signed | FieldKind::Date | FieldKind::Number => {
                let current = unit.unwrap_or_else(|| default_unit(range));
                let (new, next) = add_number(&mut parts, &field.text, current, force_negative)?;
                unit = Some(next);
                new
            }
            FieldKind::Word | FieldKind::SignedWord => match word(&field.text)? {
                None => continue,
                Some(UnitWord::Ago) => {
                    ago = true;
                    unit = Some(Unit::Zone);
                    0
                }
                Some(UnitWord::Unit(named)) => {
                    unit = Some(named);
                    0
                }
                Some(UnitWord::Ignore) => continue,
            },
        };
        if new & mask != 0 {
            return Err(Refusal::BadFormat);
        }
        mask |= new;
    }
    if mask == 0 {
        return Err(Refusal::BadFormat);
    }
    if ago {
        parts.negate()?;
    }
    Ok(parts.finish())
}

/// A unit's name; `None` for a filler.
fn word(text: &str) -> Result<Option<UnitWord>, Refusal> {
    match unit_word(text) {
        Some(UnitWord::Ignore) => Ok(None),
        Some(word) => Ok(Some(word)),
        None => Err(Refusal::BadFormat),
    }
}

/// In the SQL standard's style a leading minus applies to all fields, unless others have signs.
fn starts_all_negative(fields: &[Field], style: IntervalStyle) -> bool {
    let [first, rest @ ..] = fields else { return false };
    style == IntervalStyle::SqlStandard
        && first.text.starts_with('-')
        && !rest.iter().any(|field| field.text.starts_with(['-', '+']))
}

fn minutes_first(range: i32) -> bool {
    range == field::MINUTE | field::SECOND
}

/// The unit of a number that has none.
fn default_unit(range: i32) -> Unit {
    if range == INTERVAL_FULL_RANGE || range & field::SECOND != 0 {
        Unit::Second
    } else if range & field::MINUTE != 0 {
        Unit::Minute
    } else if range & field::HOUR != 0 {
        Unit::Hour
    } else if range & field::DAY != 0 {
        Unit::Day
    } else if range & field::MONTH != 0 {
        Unit::Month
    } else if range & field::YEAR != 0 {
        Unit::Year
    } else {
        Unit::Second
    }
}

fn add_clock(
    parts: &mut Parts,
    text: &str,
    range: i32,
    negative: bool,
    force_negative: bool,
) -> Result<(), Refusal> {
    let time = clock_time(text, minutes_first(range))?;
    let small = i64::from(time.minute) * USECS_PER_MINUTE
        + i64::from(time.second) * USECS_PER_SEC
        + i64::from(time.usec);
    let usecs = time
        .hour
        .checked_mul(USECS_PER_HOUR)
        .and_then(|usecs| usecs.checked_add(small))
        .ok_or(Refusal::FieldOverflow)?;
    // The clock's time replaces what fractions of days have left so far.
    parts.usecs = if negative || (force_negative && usecs > 0) { -usecs } else { usecs };
    Ok(())
}

/// Adds a number of a unit. Returns the unit seen, and the unit of the number to its left.
fn add_number(
    parts: &mut Parts,
    text: &str,
    unit: Unit,
    force_negative: bool,
) -> Result<(u32, Unit), Refusal> {
    let (mut value, rest) = leading_int::<i64>(text)?;
    let mut part = 0.0;
    let mut unit = unit;
    if let Some(months) = rest.strip_prefix('-') {
        // The SQL standard's years-months.
        let (months, tail) = leading_int::<i32>(months)?;
        if !(0..12).contains(&months) {
            return Err(Refusal::FieldOverflow);
        }
        if !tail.is_empty() {
            return Err(Refusal::BadFormat);
        }
        unit = Unit::Month;
        let months = if text.starts_with('-') { -months } else { months };
        value = value
            .checked_mul(12)
            .and_then(|value| value.checked_add(i64::from(months)))
            .ok_or(Refusal::FieldOverflow)?;
    } else if rest.starts_with('.') {
        part = fraction(rest)?;
        if text.starts_with('-') {
            part = -part;
        }
    } else if !rest.is_empty() {
        return Err(Refusal::BadFormat);
    }
    if force_negative {
        value = -value.abs();
        part = -part.abs();
    }
    let seen = match unit {
        Unit::Microsecond => {
            parts.add_usecs(value, part, 1)?;
            unit_seen::MICROSECOND
        }
        Unit::Millisecond => {
            parts.add_usecs(value, part, 1000)?;
            unit_seen::MILLISECOND
        }
        Unit::Second => {
            parts.add_usecs(value, part, USECS_PER_SEC)?;
            if part == 0.0 { unit_seen::SECOND } else { unit_seen::ALL_SECONDS }
        }
        Unit::Minute => {
            parts.add_usecs(value, part, USECS_PER_MINUTE)?;
            unit_seen::MINUTE
        }
        Unit::Hour => {
            parts.add_usecs(value, part, USECS_PER_HOUR)?;
            return Ok((unit_seen::HOUR, Unit::Day));
        }
        Unit::Day => {
            parts.add_days(value, 1)?;
            parts.add_fraction_us(part, USECS_PER_DAY)?;
            unit_seen::DAY
        }
        Unit::Week => {
            parts.add_days(value, 7)?;
            parts.add_fraction_days(part, 7)?;
            unit_seen::WEEK
        }
        Unit::Month => {
            parts.add_months(value)?;
            parts.add_fraction_days(part, 30)?;
            unit_seen::MONTH
        }
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => {
            let (years, seen) = match unit {
                Unit::Year => (1, unit_seen::YEAR),
                Unit::Decade => (10, unit_seen::DECADE),
                Unit::Century => (100, unit_seen::CENTURY),
                _ => (1000, unit_seen::MILLENNIUM),
            };
            parts.add_years(value, years)?;
            parts.add_fraction_years(part, years)?;
            seen
        }
        _ => return Err(Refusal::BadFormat),
    };
    Ok((seen, unit))
}

/// A number in ISO 8601's form: whole part, fraction, what follows.
fn iso_number(text: &str) -> Result<(i64, f64, &str), Refusal> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        return Err(Refusal::BadFormat);
    }
    let sign = usize::from(text.starts_with('-'));
    let whole = text[sign..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| at + sign);
    let mut end = whole;
    if text[end..].starts_with('.') {
        end += 1 + text[end + 1..].bytes().take_while(u8::is_ascii_digit).count();
    }
    // An exponent is read, too, as C's strtod does.
    if text[end..].starts_with(['e', 'E']) {
        let tail = &text[end + 1..];
        let sign = usize::from(tail.starts_with(['+', '-']));
        let digits = tail[sign..].bytes().take_while(u8::is_ascii_digit).count();
        end += if digits > 0 { 1 + sign + digits } else { 0 };
    }
    let value: f64 = text[..end].parse().map_err(|_| Refusal::BadFormat)?;
    if !(-1e15..=1e15).contains(&value) {
        return Err(Refusal::FieldOverflow);
    }
    Ok((value.trunc() as i64, value.fract(), &text[end..]))
}

/// Decodes ISO 8601: `P1Y2M3DT4H5M6S`, `P0001-02-03T04:05:06`, `P00010203T040506`.
pub(crate) fn decode_iso(text: &str) -> Parsed {
    let mut parts = Parts::default();
    let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Refusal::BadFormat)?;
    let mut in_date = true;
    let mut has_field = false;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            (in_date, has_field, rest) = (false, false, tail);
            continue;
        }
        let start = rest;
        let (value, part, tail) = iso_number(rest)?;
        let digits = start.trim_start_matches('-').bytes().take_while(u8::is_ascii_digit).count();
        let unit = tail.chars().next();
        let after = unit.map_or("", |unit| &tail[unit.len_utf8()..]);
        let alternative = match (in_date, unit) {
            (true, Some('Y')) => {
                parts.add_years(value, 1)?;
                parts.add_fraction_years(part, 1)?;
                None
            }
            (true, Some('M')) => {
                parts.add_months(value)?;
                parts.add_fraction_days(part, 30)?;
                None
            }
            (true, Some('W')) => {
                parts.add_days(value, 7)?;
                parts.add_fraction_days(part, 7)?;
                None
            }
            (true, Some('D')) => {
                parts.add_days(value, 1)?;
                parts.add_fraction_us(part, USECS_PER_DAY)?;
                None
            }
            (true, Some('T' | '-') | None) => {
                Some(iso_date(&mut parts, value, part, digits, unit, after, has_field)?)
            }
            (false, Some('H')) => {
                parts.add_usecs(value, part, USECS_PER_HOUR)?;
                None
            }
            (false, Some('M')) => {
                parts.add_usecs(value, part, USECS_PER_MINUTE)?;
                None
            }
            (false, Some('S')) => {
                parts.add_usecs(value, part, USECS_PER_SEC)?;
                None
            }
            (false, Some(':') | None) => {
                iso_time(&mut parts, value, part, digits, unit, after, has_field)?;
                return Ok(parts.finish());
            }
            _ => return Err(Refusal::BadFormat),
        };
        match alternative {
            Some("") => return Ok(parts.finish()),
            Some(time) => (in_date, has_field, rest) = (false, false, time),
            None => (has_field, rest) = (true, after),
        }
    }
    Ok(parts.finish())
}

/// The alternative forms of a date. Returns what follows the `T`, or nothing at the end.
fn iso_date<'a>(
    parts: &mut Parts,
    value: i64,
    part: f64,
    digits: usize,
    unit: Option<char>,
    after: &'a str,
    has_field: bool,
) -> Result<&'a str, Refusal> {
    if unit != Some('-') && digits == 8 && !has_field {
        parts.add_years(value / 10_000, 1)?;
        parts.add_months(value / 100 % 100)?;
        parts.add_days(value % 100, 1)?;
        parts.add_fraction_us(part, USECS_PER_DAY)?;
        return Ok(after);
    }
    if has_field {
        return Err(Refusal::BadFormat);
    }
    parts.add_years(value, 1)?;
    parts.add_fraction_years(part, 1)?;
    if unit != Some('-') {
        return Ok(after);
    }
    let (value, part, rest) = iso_number(after)?;
    parts.add_months(value)?;
    parts.add_fraction_days(part, 30)?;
    if rest.is_empty() {
        return Ok("");
    }
    if let Some(time) = rest.strip_prefix('T') {
        return Ok(time);
    }
    let rest = rest.strip_prefix('-').ok_or(Refusal::BadFormat)?;
    let (value, part, rest) = iso_number(rest)?;
    parts.add_days(value, 1)?;
    parts.add_fraction_us(part, USECS_PER_DAY)?;
    match rest.strip_prefix('T') {
        Some(time) => Ok(time),
        None if rest.is_empty() => Ok(""),
        None => Err(Refusal::BadFormat),
    }
}

/// The alternative forms of a time, which end the text.
fn iso_time(
    parts: &mut Parts,
    value: i64,
    part: f64,
    digits: usize,
    unit: Option<char>,
    after: &str,
    has_field: bool,
) -> Result<(), Refusal> {
    if unit.is_none() && digits == 6 && !has_field {
        parts.add_usecs(value / 10_000, 0.0, USECS_PER_HOUR)?;
        parts.add_usecs(value / 100 % 100, 0.0, USECS_PER_MINUTE)?;
        parts.add_usecs(value % 100, 0.0, USECS_PER_SEC)?;
        return parts.add_fraction_us(part, 1);
    }
    if has_field {
        return Err(Refusal::BadFormat);
    }
    parts.add_usecs(value, part, USECS_PER_HOUR)?;
    if unit.is_none() {
        return Ok(());
    }
    let (value, part, rest) = iso_number(after)?;
    parts.add_usecs(value, part, USECS_PER_MINUTE)?;
    if rest.is_empty() {
        return Ok(());
    }
    let rest = rest.strip_prefix(':').ok_or(Refusal::BadFormat)?;
    let (value, part, rest) = iso_number(rest)?;
    parts.add_usecs(value, part, USECS_PER_SEC)?;
    if rest.is_empty() { Ok(()) } else { Err(Refusal::BadFormat) }
}
