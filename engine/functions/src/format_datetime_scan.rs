//! `to_timestamp(text, picture)` and `to_date`: text read by a picture
//! (PostgreSQL's src/backend/utils/adt/formatting.c, `DCH_from_char` and `do_to_timestamp`).

mod civil;

use crate::args::{DateArg, TimestampTzArg, builtins};
use crate::calendar::{CivilTime, days_in_month, iso_week_to_julian};
use crate::datetime_zone::west_of;
use crate::format_datetime::{DAYS, MONTHS, ROMAN_MONTHS};
use crate::format_picture::{Field, FieldPiece, Piece, cached_datetime_pieces, is_separator};
use crate::{CallContext, date, timestamp};
use civil::{set_clock, set_day_of_year, set_year};
use redoubt_error::{PgError, PgResult, code};

/// What the text said, field by field; 0 is unsaid.
#[derive(Default)]
struct Read {
    hour: i32,
    pm: bool,
    /// An hour of twelve was read.
    twelve: bool,
    minute: i32,
    second: i32,
    seconds_of_day: i32,
    /// 1 is Sunday, also for ISO's numbering.
    day_of_week: i32,
    day: i32,
    day_of_year: i32,
    month: i32,
    millis: i32,
    micros: i32,
    year: i32,
    bc: bool,
    week: i32,
    week_of_month: i32,
    century: i32,
    julian: i32,
    /// How many digits the year field had.
    year_digits: u32,
    zone_sign: i32,
    zone_hours: i32,
    zone_minutes: i32,
    /// Digits of FFn, which the result is rounded to.
    precision: Option<u32>,
    convention: Convention,
}

/// The calendar that fields belong to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Convention {
    #[default]
    None,
    Gregorian,
    IsoWeek,
}

#[cold]
fn bad_format(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_DATETIME_FORMAT, message.into())
}

const UNFIXED_HINT: &str = "If your source string is not fixed-width, try using the \"FM\" modifier.";

/// The text while it is read.
struct Scanner<'a> {
    rest: &'a str,
    /// The character just passed, for the sign of a zone that was taken for a separator.
    before: Option<char>,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.before = Some(c);
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip_blanks(&mut self) -> i32 {
        let mut skipped = 0;
        while self.peek().is_some_and(is_blank) {
            self.next();
            skipped += 1;
        }
        skipped
    }

    fn advance(&mut self, bytes: usize) {
        self.before = self.rest[..bytes].chars().next_back().or(self.before);
        self.rest = &self.rest[bytes..];
    }

    /// An integer of up to `len` digits; says how many bytes it took. `slurp` takes all digits there are.
    fn integer(&mut self, len: usize, slurp: bool, name: &str) -> PgResult<(i32, usize)> {
        let before = self.rest.len();
        let whole = self.rest;
        self.skip_blanks();
        let copy: String = self.rest.chars().take(len).collect();
        let copy = &copy[..copy.len().min(self.rest.len())];
        let value = if slurp {
            let (value, used) = leading_integer(self.rest);
            if used == 0 {
                self.rest = whole;
            } else {
                self.advance(used);
            }
            value
        } else {
            let remain = self.rest.len();
            if remain < len {
                let message = format!("source string too short for \"{name}\" formatting field");
                return Err(bad_format(message)
                    .detail(format!("Field requires {len} characters, but only {remain} remain."))
                    .hint(UNFIXED_HINT));
            }
            let (value, used) = leading_integer(copy);
            if used > 0 && used < len {
                return Err(bad_format(format!("invalid value \"{copy}\" for \"{name}\""))
                    .detail(format!("Field requires {len} characters, but only {used} could be parsed."))
                    .hint(UNFIXED_HINT));
            }
            self.advance(used);
            value
        };
        let used = before - self.rest.len();
        if used == 0
            || (value.is_some_and(|value| value == 0)
                && !whole[..used].contains(|c: char| c.is_ascii_digit()))
        {
            return Err(bad_format(format!("invalid value \"{copy}\" for \"{name}\""))
                .detail("Value must be an integer."));
        }
        match value.and_then(|value| i32::try_from(value).ok()) {
            Some(value) => Ok((value, used)),
            None => {
                let message = format!("value for \"{name}\" in source string is out of range");
                Err(PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, message).detail(format!(
                    "Value must be in the range {} to {}.",
                    i32::MIN,
                    i32::MAX
                )))
            }
        }
    }

    /// One of some words, in any case: its position.
    fn word(&mut self, words: &[&str], name: &str) -> PgResult<usize> {
        let matches =
            |word: &&str| self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if let Some(at) = words.iter().position(|word| matches(&word)) {
            self.advance(words[at].len());
            return Ok(at);
        }
        let shown = self.rest.split(is_blank).next().unwrap_or_default();
        Err(bad_format(format!("invalid value \"{shown}\" for \"{name}\""))
            .detail("The given value did not match any of the allowed values for this field."))
    }
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// C's `strtol`: blanks, a sign, digits. `None` is beyond 64 bits.
fn leading_integer(text: &str) -> (Option<i64>, usize) {
    let bytes = text.as_bytes();
    let mut at = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let negative = bytes.get(at) == Some(&b'-');
    if matches!(bytes.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return (Some(0), 0);
    }
    let value = text[at..at + digits].parse::<i64>().ok();
    (value.map(|value| if negative { -value } else { value }), at + digits)
}

/// Sets a field that may be named twice only with the same value.
fn set(field: &mut i32, value: i32, name: &str) -> PgResult<()> {
    if *field != 0 && *field != value {
        return Err(bad_format(format!("conflicting values for \"{name}\" field in formatting string"))
            .detail("This value contradicts a previous setting for the same field type."));
    }
    *field = value;
    Ok(())
}

/// Two or three digits of a year mean the one nearest to 2020.
fn near_2020(year: i32) -> i32 {
    match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        100..=519 => year + 2000,
        520..=999 => year + 1000,
        _ => year,
    }
}

impl Read {
    fn text(text: &str, pieces: &[Piece]) -> PgResult<Read> {
        let mut read = Read::default();
        let mut scanner = Scanner { rest: text, before: None };
        let mut exact = false;
        // Blanks of the text beyond those of the picture: they may stand for literals to come.
        let mut extra = 0;
        for (at, piece) in pieces.iter().enumerate() {
            if scanner.rest.is_empty() {
                break;
            }
            let field = match piece {
                Piece::Field(field) => Some(field),
                _ => None,
            };
            let switches = field.is_some_and(|field| field.field == Field::Fx);
            if !exact && !switches && (field.is_some() || at == 0) {
                extra += scanner.skip_blanks();
            }
            match piece {
                Piece::Space(_) | Piece::Separator(_) if exact => {
                    scanner.next();
                }
                Piece::Space(_) | Piece::Separator(_) => {
                    extra -= 1;
                    if scanner.peek().is_some_and(|c| is_blank(c) || is_separator(c)) {
                        scanner.next();
                        extra += 1;
                    }
                }
                Piece::Literal(_) if !exact && extra > 0 => extra -= 1,
                Piece::Literal(_) => {
                    scanner.next();
                }
                Piece::Field(_) if switches => exact = true,
                Piece::Field(piece) => {
                    read.check_convention(piece)?;
                    let slurp = piece.fill || next_is_no_digit(piece, pieces.get(at + 1));
                    read.field(piece, &mut scanner, slurp, extra)?;
                    if !exact {
                        extra = scanner.skip_blanks();
                    }
                }
            }
        }
        Ok(read)
    }

    fn check_convention(&mut self, piece: &FieldPiece) -> PgResult<()> {
        use Field::*;
        let convention = match piece.field {
            Id | Iddd | Iw | Iyyy | Iyy | Iy | I => Convention::IsoWeek,
            Ddd | Dd | D | Mm | Month | Mon | Rm | Ww | W | Q | YCommaYyy | Yyyy | Yyy | Yy | Y => {
                Convention::Gregorian
            }
            _ => return Ok(()),
        };
        if self.convention == Convention::None {
            self.convention = convention;
        } else if self.convention != convention {
            return Err(bad_format("invalid combination of date conventions")
                .hint("Do not mix Gregorian and ISO week date conventions in a formatting template."));
        }
        Ok(())
    }

    fn field(&mut self, piece: &FieldPiece, s: &mut Scanner<'_>, slurp: bool, extra: i32) -> PgResult<()> {
        let name = piece.name;
        let mut number = |len: usize| s.integer(len, slurp, name);
        match piece.field {
            Field::Fx => {}
            Field::AmDots | Field::Am => {
                let dots = piece.field == Field::AmDots;
                let words: &[&str] = if dots { &["a.m.", "p.m."] } else { &["am", "pm"] };
                self.pm = s.word(words, name)? == 1;
                self.twelve = true;
                return Ok(());
            }
            Field::AdDots | Field::Ad => {
                let dots = piece.field == Field::AdDots;
                let words: &[&str] = if dots { &["a.d.", "b.c."] } else { &["ad", "bc"] };
                self.bc = s.word(words, name)? == 1;
                return Ok(());
            }
            Field::Month => {
                let at = s.word(&MONTHS, name)?;
                return set(&mut self.month, at as i32 + 1, name);
            }
            Field::Mon => {
                let at = s.word(&MONTHS.map(|month| &month[..3]), name)?;
                return set(&mut self.month, at as i32 + 1, name);
            }
            Field::Day => {
                let at = s.word(&DAYS, name)?;
                return set(&mut self.day_of_week, at as i32 + 1, name);
            }
            Field::Dy => {
                let at = s.word(&DAYS.map(|day| &day[..3]), name)?;
                return set(&mut self.day_of_week, at as i32 + 1, name);
            }
            Field::Rm => {
                let at = s.word(&ROMAN_MONTHS, name)?;
                return set(&mut self.month, 12 - at as i32, name);
            }
            Field::Tz | Field::Of => {
                let message = format!("formatting field \"{name}\" is only supported in to_char");
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
            }
            Field::Tzh => return self.zone_hours(s, slurp, name, extra),
            Field::Tzm => {
                if self.zone_sign == 0 {
                    self.zone_sign = 1;
                }
                set(&mut self.zone_minutes, number(2)?.0, name)?;
            }
            Field::YCommaYyy => return self.year_with_comma(s, name),
            Field::Hh12 => {
                set(&mut self.hour, number(2)?.0, name)?;
                self.twelve = true;
            }
            Field::Hh24 => set(&mut self.hour, number(2)?.0, name)?,
            Field::Mi => set(&mut self.minute, number(2)?.0, name)?,
            Field::Ss => set(&mut self.second, number(2)?.0, name)?,
            Field::Ms => {
                let (value, digits) = number(3)?;
                set(&mut self.millis, value, name)?;
                self.millis *= if digits == 1 {
                    100
                } else if digits == 2 {
                    10
                } else {
                    1
                };
            }
            Field::Us | Field::Ff(_) => {
                let len = match piece.field {
                    Field::Ff(digits) => {
                        self.precision = Some(digits);
                        digits as usize
                    }
                    _ => 6,
                };
                let (value, digits) = number(len)?;
                set(&mut self.micros, value, name)?;
                self.micros = self.micros.saturating_mul(10_i32.pow(6_usize.saturating_sub(digits) as u32));
            }
            Field::Ssss => set(&mut self.seconds_of_day, number(name.len())?.0, name)?,
            Field::Mm => set(&mut self.month, number(2)?.0, name)?,
            Field::Ddd => set(&mut self.day_of_year, number(3)?.0, name)?,
            Field::Iddd => set(&mut self.day_of_year, number(3)?.0, name)?,
            Field::Dd => set(&mut self.day, number(2)?.0, name)?,
            Field::D => set(&mut self.day_of_week, number(1)?.0, name)?,
            Field::Id => {
                set(&mut self.day_of_week, number(1)?.0, name)?;
                // Sunday is 1 here.
                self.day_of_week = if self.day_of_week >= 7 { 1 } else { self.day_of_week + 1 };
            }
            Field::Ww | Field::Iw => set(&mut self.week, number(2)?.0, name)?,
            // Which day of the quarter it would be is unsaid.
            Field::Q => {
                number(1)?;
            }
            Field::Cc => set(&mut self.century, number(2)?.0, name)?,
            Field::Yyyy | Field::Iyyy => {
                set(&mut self.year, number(4)?.0, name)?;
                self.year_digits = 4;
            }
            Field::Yyy | Field::Iyy | Field::Yy | Field::Iy | Field::Y | Field::I => {
                let len = name.len() as u32;
                let (value, used) = number(len as usize)?;
                set(&mut self.year, value, name)?;
                if used < 4 {
                    self.year = near_2020(self.year);
                }
                self.year_digits = len;
            }
            Field::W => set(&mut self.week_of_month, number(1)?.0, name)?,
            Field::J => set(&mut self.julian, number(1)?.0, name)?,
        }
        if piece.ordinal.is_some() {
            s.next();
            s.next();
        }
        Ok(())
    }

    /// A sign may have been taken for a separator before the field.
    fn zone_hours(&mut self, s: &mut Scanner<'_>, slurp: bool, name: &str, extra: i32) -> PgResult<()> {
        match s.peek() {
            Some(c @ ('+' | '-' | ' ')) => {
                self.zone_sign = if c == '-' { -1 } else { 1 };
                s.next();
            }
            _ => self.zone_sign = if extra > 0 && s.before == Some('-') { -1 } else { 1 },
        }
        set(&mut self.zone_hours, s.integer(2, slurp, name)?.0, name)
    }

    fn year_with_comma(&mut self, s: &mut Scanner<'_>, name: &str) -> PgResult<()> {
        let invalid = || bad_format(format!("invalid input string for \"{name}\""));
        let (thousands, used) = leading_integer(s.rest);
        let rest = s.rest[used..].strip_prefix(',').filter(|_| used > 0).ok_or_else(invalid)?;
        let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(invalid());
        }
        let small: i32 = rest[..digits].parse().map_err(|_| invalid())?;
        let year =
            thousands.and_then(|value| i32::try_from(value).ok()).and_then(|value| value.checked_mul(1000));
        let year = year.and_then(|value| value.checked_add(small)).ok_or_else(invalid)?;
        set(&mut self.year, year, name)?;
        self.year_digits = 4;
        s.advance(used + 1 + digits);
        Ok(())
    }
}

/// Whether digits of a field end by themselves, because what follows in the picture is no number.
fn next_is_no_digit(piece: &FieldPiece, next: Option<&Piece>) -> bool {
    if piece.ordinal.is_some() {
        return true;
    }
    match next {
        None => true,
        Some(Piece::Field(next)) => !next.digits,
        Some(Piece::Space(c) | Piece::Separator(c) | Piece::Literal(c)) => !c.is_ascii_digit(),
    }
}

/// What the fields come to.
struct Moment {
    civil: CivilTime,
    east_s: Option<i32>,
    precision: Option<u32>,
}

/// Puts the fields together.
fn moment(text: &str, picture: &str) -> PgResult<Moment> {
    let read = Read::text(text, &cached_datetime_pieces(picture))?;
    let out_of_range = || {
        let message = format!("date/time field value out of range: \"{text}\"");
        PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, message)
    };
    let mut civil = CivilTime { month: 1, day: 1, ..CivilTime::default() };
    set_clock(&read, &mut civil)?;
    set_year(&read, &mut civil);
    let mut said = read.year != 0 || read.century != 0 || read.month != 0 || read.day != 0;
    if read.julian != 0 {
        civil.set_date(read.julian);
        said = true;
    }
    let mut day_of_year = read.day_of_year;
    let mut day = read.day;
    let iso = read.convention == Convention::IsoWeek;
    if read.week != 0 && iso {
        // The day of the week counts from Monday there.
        let weekday = if read.day_of_week > 1 {
            read.day_of_week - 2
        } else if read.day_of_week == 1 {
            6
        } else {
            0
        };
        civil.set_date(iso_week_to_julian(civil.year, read.week) + weekday);
        said = true;
    } else if read.week != 0 {
        day_of_year =
            read.week.checked_sub(1).and_then(|weeks| weeks.checked_mul(7)).ok_or_else(out_of_range)? + 1;
    }
    if read.week_of_month != 0 {
        day = read
            .week_of_month
            .checked_sub(1)
            .and_then(|weeks| weeks.checked_mul(7))
            .ok_or_else(out_of_range)?
            + 1;
        said = true;
    }
    if day != 0 {
        civil.day = day;
    }
    if read.month != 0 {
        civil.month = read.month;
    }
    if day_of_year != 0 && (civil.month <= 1 || civil.day <= 1) {
        if civil.year == 0 && !read.bc {
            return Err(bad_format("cannot calculate day of year without year information"));
        }
        if iso {
            civil.set_date(iso_week_to_julian(civil.year, 1) - 1 + day_of_year);
        } else {
            set_day_of_year(&mut civil, day_of_year);
        }
        said = true;
    }
    if said {
        let valid_month = (1..=12).contains(&civil.month);
        if !valid_month || civil.day < 1 || civil.day > days_in_month(civil.year, civil.month) {
            return Err(out_of_range());
        }
    }
    let micros = i64::from(read.millis) * 1000 + i64::from(read.micros);
    let fits = (0..24).contains(&civil.hour)
        && (0..60).contains(&civil.minute)
        && (0..60).contains(&civil.second)
        && (0..1_000_000).contains(&micros);
    if !fits {
        return Err(out_of_range());
    }
    civil.usec = micros as i32;
    Ok(Moment { civil, east_s: zone(&read, text)?, precision: read.precision })
}

fn zone(read: &Read, text: &str) -> PgResult<Option<i32>> {
    const MAX_HOURS: i32 = 15;
    if read.zone_sign == 0 {
        return Ok(None);
    }
    if !(0..=MAX_HOURS).contains(&read.zone_hours) || !(0..60).contains(&read.zone_minutes) {
        let message = format!("time zone displacement out of range: \"{text}\"");
        return Err(PgError::new(code::INVALID_TIME_ZONE_DISPLACEMENT_VALUE, message));
    }
    Ok(Some(read.zone_sign * (read.zone_hours * 3600 + read.zone_minutes * 60)))
}

fn to_timestamp(ctx: &CallContext<'_>, text: &str, picture: &str) -> PgResult<TimestampTzArg> {
    let read = moment(text, picture)?;
    let west_s = match read.east_s {
        Some(east_s) => -east_s,
        None => west_of(&ctx.env.settings().timezone, &read.civil),
    };
    let value = timestamp::from_local(&read.civil, west_s).ok_or_else(timestamp::out_of_range)?;
    match read.precision {
        Some(digits) => timestamp::apply_precision(value, digits as i32).map(TimestampTzArg),
        None => Ok(TimestampTzArg(value)),
    }
}

fn to_date(text: &str, picture: &str) -> PgResult<DateArg> {
    let read = moment(text, picture)?;
    let out_of_range =
        || PgError::new(code::DATETIME_VALUE_OUT_OF_RANGE, format!("date out of range: \"{text}\""));
    date::from_civil(&read.civil).map(DateArg).ok_or_else(out_of_range)
}

builtins! {
    "to_timestamp" = to_timestamp: (ctx, 2);
    "to_date" = to_date: 2;
}
