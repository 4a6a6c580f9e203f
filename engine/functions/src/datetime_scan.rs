//! The first stage of reading dates, times and intervals: splitting text into fields, and the
//! words that fields may be.
//!
//! The rules are those of PostgreSQL's `datetime.c`, whose liberal input format is defined by what
//! it accepts.

use crate::text::is_c_space;
use redoubt_error::{PgError, code};

/// Why a date, time or interval was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not the syntax of any form.
    BadFormat,
    /// A field is out of range.
    FieldOverflow,
    /// The month or the day is: perhaps they were swapped.
    MonthOrDayOverflow,
    /// An interval field is out of range.
    IntervalOverflow,
    /// A numeric zone is out of range.
    ZoneOverflow,
    /// No such time zone.
    UnknownZone(String),
}

impl Refusal {
    /// The error to report for an input text.
    pub(crate) fn report(self, text: &str, type_name: &str) -> PgError {
        match self {
            Refusal::BadFormat => PgError::new(
                code::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Refusal::FieldOverflow => PgError::new(
                code::DATETIME_FIELD_OVERFLOW,
                format!("date/time field value out of range: \"{text}\""),
            ),
            Refusal::MonthOrDayOverflow => Refusal::FieldOverflow
                .report(text, type_name)
                .hint("Perhaps you need a different \"datestyle\" setting."),
            Refusal::IntervalOverflow => PgError::new(
                code::INTERVAL_FIELD_OVERFLOW,
                format!("interval field value out of range: \"{text}\""),
            ),
            Refusal::ZoneOverflow => PgError::new(
                code::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Refusal::UnknownZone(zone) => {
                PgError::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{zone}\" not recognized"))
            }
        }
    }
}

/// What a field looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// Digits, perhaps with a decimal point.
    Number,
    /// Digits and delimiters, or text with punctuation: a date or a zone name.
    Date,
    /// Digits and colons.
    Time,
    /// Letters.
    Word,
    /// A sign and letters.
    SignedWord,
    /// A sign and digits: a numeric zone, or a signed number.
    Signed,
}

/// One field, in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) kind: FieldKind,
    pub(crate) text: String,
}

/// The most fields that are looked at.
const MAX_FIELDS: usize = 25;

/// Splits an input into fields.
///
/// # Errors
/// `BadFormat` for characters that cannot be, too many fields, or fields that together do not fit
/// into `buffer_len` bytes.
pub(crate) fn split_fields(text: &str, buffer_len: usize) -> Result<Vec<Field>, Refusal> {
    let mut scanner = Scanner { rest: text.as_bytes(), used: 0, buffer_len };
    let mut fields: Vec<Field> = Vec::new();
    loop {
        while scanner.rest.first().is_some_and(|byte| is_c_space(char::from(*byte))) {
            scanner.rest = &scanner.rest[1..];
        }
        let Some(&first) = scanner.rest.first() else { return Ok(fields) };
        if fields.len() >= MAX_FIELDS {
            return Err(Refusal::BadFormat);
        }
        let mut field = String::new();
        let kind = if first.is_ascii_digit() {
            scanner.number_or_date(&mut field)?
        } else if first == b'.' {
            scanner.push(&mut field)?;
            scanner.push_while(&mut field, |byte| byte.is_ascii_digit())?;
            FieldKind::Number
        } else if first.is_ascii_alphabetic() {
            scanner.word(&mut field)?
        } else if first == b'+' || first == b'-' {
            scanner.signed(&mut field)?
        } else if first.is_ascii_punctuation() {
            scanner.rest = &scanner.rest[1..];
            continue;
        } else {
            return Err(Refusal::BadFormat);
        };
        scanner.used += 1;
        fields.push(Field { kind, text: field });
    }
}

struct Scanner<'a> {
    rest: &'a [u8],
    used: usize,
    buffer_len: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    /// Moves one character to the field.
    fn push(&mut self, field: &mut String) -> Result<(), Refusal> {
        if self.used + 1 >= self.buffer_len {
            return Err(Refusal::BadFormat);
        }
        self.used += 1;
        field.push(char::from(self.peek().to_ascii_lowercase()));
        self.rest = &self.rest[1..];
        Ok(())
    }

    fn push_while(&mut self, field: &mut String, accept: impl Fn(u8) -> bool) -> Result<(), Refusal> {
        while !self.rest.is_empty() && accept(self.peek()) {
            self.push(field)?;
        }
        Ok(())
    }

    fn number_or_date(&mut self, field: &mut String) -> Result<FieldKind, Refusal> {
        self.push_while(field, |byte| byte.is_ascii_digit())?;
        let delim = self.peek();
        match delim {
            b':' => {
                self.push_while(field, |byte| byte.is_ascii_digit() || byte == b':' || byte == b'.')?;
                Ok(FieldKind::Time)
            }
            b'-' | b'/' | b'.' => {
                self.push(field)?;
                if !self.peek().is_ascii_digit() {
                    // A month by name.
                    self.push_while(field, |byte| byte.is_ascii_alphanumeric() || byte == delim)?;
                    return Ok(FieldKind::Date);
                }
                self.push_while(field, |byte| byte.is_ascii_digit())?;
                if self.peek() == delim {
                    self.push_while(field, |byte| byte.is_ascii_digit() || byte == delim)?;
                    return Ok(FieldKind::Date);
                }
                Ok(if delim == b'.' { FieldKind::Number } else { FieldKind::Date })
            }
            _ => Ok(FieldKind::Number),
        }
    }

    fn word(&mut self, field: &mut String) -> Result<FieldKind, Refusal> {
        self.push_while(field, |byte| byte.is_ascii_alphabetic())?;
        // Zone names hold punctuation and digits; but a date keyword followed by a digit or a
        // plus sign is no zone.
        let continues = match self.peek() {
            b'-' | b'/' | b'.' => true,
            b'+' => date_word(field).is_none(),
            byte => byte.is_ascii_digit() && date_word(field).is_none(),
        };
        if !continues {
            return Ok(FieldKind::Word);
        }
        self.push(field)?;
        self.push_while(field, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
        })?;
        Ok(FieldKind::Date)
    }

    fn signed(&mut self, field: &mut String) -> Result<FieldKind, Refusal> {
        self.push(field)?;
        while is_c_space(char::from(self.peek())) {
            self.rest = &self.rest[1..];
        }
        if self.peek().is_ascii_digit() {
            self.push_while(field, |byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'-'))?;
            Ok(FieldKind::Signed)
        } else if self.peek().is_ascii_alphabetic() {
            self.push_while(field, |byte| byte.is_ascii_alphabetic())?;
            Ok(FieldKind::SignedWord)
        } else {
            Err(Refusal::BadFormat)
        }
    }
}

/// A unit of time, of a field or to extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Julian,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Zone,
    ZoneHour,
    ZoneMinute,
    Epoch,
    /// The label `t` before an ISO time.
    Time,
}

/// A special moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// `-infinity`
    Early,
    /// `infinity`
    Late,
    Epoch,
    Now,
    Today,
    Tomorrow,
    Yesterday,
    /// `allballs`: midnight UTC.
    Zulu,
}

/// What a word means in a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateWord {
    Month(i32),
    Weekday,
    /// `pm` when true.
    Meridian(bool),
    /// `bc` when true.
    Era(bool),
    Unit(Unit),
    IsoTime,
    Special(Special),
    /// Daylight saving time in addition to a zone, seconds.
    DaylightModifier(i32),
    Ignore,
}

/// Words are compared in their first ten characters.
const TOKEN_LEN: usize = 10;

fn token(word: &str) -> &str {
    word.get(..TOKEN_LEN).unwrap_or(word)
}

/// Looks up a word of a date or time, in lower case.
pub(crate) fn date_word(word: &str) -> Option<DateWord> {
    use DateWord::*;
    Some(match token(word) {
        "-infinity" => Special(self::Special::Early),
        "infinity" => Special(self::Special::Late),
        "epoch" => Special(self::Special::Epoch),
        "now" => Special(self::Special::Now),
        "today" => Special(self::Special::Today),
        "tomorrow" => Special(self::Special::Tomorrow),
        "yesterday" => Special(self::Special::Yesterday),
        "allballs" => Special(self::Special::Zulu),
        "ad" => Era(false),
        "bc" => Era(true),
        "am" => Meridian(false),
        "pm" => Meridian(true),
        "at" | "on" => Ignore,
        "jan" | "january" => Month(1),
        "feb" | "february" => Month(2),
        "mar" | "march" => Month(3),
        "apr" | "april" => Month(4),
        "may" => Month(5),
        "jun" | "june" => Month(6),
        "jul" | "july" => Month(7),
        "aug" | "august" => Month(8),
        "sep" | "sept" | "september" => Month(9),
        "oct" | "october" => Month(10),
        "nov" | "november" => Month(11),
        "dec" | "december" => Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday"
        | "thu" | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => Weekday,
        "dst" => DaylightModifier(3600),
        "t" => IsoTime,
        "y" => Unit(self::Unit::Year),
        "m" => Unit(self::Unit::Month),
        "d" => Unit(self::Unit::Day),
        "h" => Unit(self::Unit::Hour),
        "mm" => Unit(self::Unit::Minute),
        "s" => Unit(self::Unit::Second),
        "j" | "jd" | "julian" => Unit(self::Unit::Julian),
        "dow" => Unit(self::Unit::DayOfWeek),
        "isodow" => Unit(self::Unit::IsoDayOfWeek),
        "doy" => Unit(self::Unit::DayOfYear),
        "isoyear" => Unit(self::Unit::IsoYear),
        _ => return None,
    })
}

/// What a word means in an interval or as a unit name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitWord {
    Unit(Unit),
    /// `ago` negates everything.
    Ago,
    Ignore,
}

/// Looks up a unit's name, in lower case.
pub(crate) fn unit_word(word: &str) -> Option<UnitWord> {
    use Unit::*;
    let unit = match token(word) {
        "@" => return Some(UnitWord::Ignore),
        "ago" => return Some(UnitWord::Ago),
        "us" | "usec" | "usecs" | "useconds" | "microsecon" => Microsecond,
        "ms" | "msec" | "msecs" | "mseconds" | "millisecon" => Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Hour,
        "d" | "day" | "days" => Day,
        "w" | "week" | "weeks" => Week,
        "mon" | "mons" | "month" | "months" => Month,
        "qtr" | "quarter" => Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Year,
        "dec" | "decs" | "decade" | "decades" => Decade,
        "c" | "cent" | "century" | "centuries" => Century,
        "mil" | "mils" | "millennia" | "millennium" => Millennium,
        "timezone" => Zone,
        "timezone_h" => ZoneHour,
        "timezone_m" => ZoneMinute,
        _ => return None,
    };
    Some(UnitWord::Unit(unit))
}

/// Reads a leading integer as C's `strtol` does: a sign and digits. Returns the value and the
/// rest; no digits read as zero and leave the text as it is.
///
/// # Errors
/// `FieldOverflow` when the number does not fit.
pub(crate) fn leading_int<T: TryFrom<i64>>(text: &str) -> Result<(T, &str), Refusal> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return Ok((T::try_from(0).map_err(|_| Refusal::FieldOverflow)?, text));
    }
    let mut value = 0i64;
    let negative = text.starts_with('-');
    for digit in digits[..end].bytes() {
        let digit = i64::from(digit - b'0');
        value = value
            .checked_mul(10)
            .and_then(|tens| if negative { tens.checked_sub(digit) } else { tens.checked_add(digit) })
            .ok_or(Refusal::FieldOverflow)?;
    }
    Ok((T::try_from(value).map_err(|_| Refusal::FieldOverflow)?, &digits[end..]))
}

/// Reads a fraction, from its decimal point to the end of the text.
///
/// # Errors
/// `BadFormat` when something else follows.
pub(crate) fn fraction(text: &str) -> Result<f64, Refusal> {
    if text == "." {
        return Ok(0.0);
    }
    if !text[1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::BadFormat);
    }
    text.parse().map_err(|_| Refusal::BadFormat)
}

/// A fraction of a second in microseconds.
///
/// # Errors
/// As [`fraction`].
pub(crate) fn fractional_second(text: &str) -> Result<i32, Refusal> {
    Ok((fraction(text)? * 1_000_000.0).round_ties_even() as i32)
}
