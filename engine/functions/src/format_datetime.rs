//! `to_char` of timestamps and intervals.

use crate::args::{TimestampArg, TimestampTzArg, builtins};
use crate::calendar::{day_of_week, day_of_year, iso_week, iso_week_to_julian};
use crate::format_picture::{Case, Field, FieldPiece, Piece, cached_datetime_pieces, ordinal_ending};
use crate::interval::Fields;
use crate::timestamp::{is_infinite, to_civil, to_local, unix_of};
use crate::{CallContext, Datum, Interval};
use redoubt_error::{PgError, PgResult, code};
use std::fmt::Write;

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(crate) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Months in Roman numerals, the last first.
pub(crate) const ROMAN_MONTHS: [&str; 12] =
    ["XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"];

/// What is shown: fields of a moment or of an interval.
struct Shown {
    /// Astronomical for moments: 0 is 1 BC.
    year: i32,
    month: i32,
    day: i32,
    hour: i64,
    minute: i32,
    second: i32,
    usec: i32,
    /// From 1; for an interval its days, roughly.
    day_of_year: i32,
    /// 0 is Sunday.
    day_of_week: i32,
    interval: bool,
    zone: Option<ShownZone>,
}

struct ShownZone {
    abbreviation: String,
    east_s: i32,
}

#[cold]
fn not_for_intervals() -> PgError {
    PgError::new(code::INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
        .hint("Intervals are not tied to specific calendar dates.")
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_ascii_uppercase(),
        Case::Lower => text.to_ascii_lowercase(),
        Case::Title => text.to_string(),
    }
}

impl Shown {
    fn show(&self, picture: &str) -> PgResult<Datum> {
        let mut out = String::with_capacity(picture.len() * 2);
        for piece in cached_datetime_pieces(picture).iter() {
            match piece {
                Piece::Space(c) | Piece::Separator(c) | Piece::Literal(c) => out.push(*c),
                Piece::Field(field) => self.field(field, &mut out)?,
            }
        }
        Ok(Datum::text(out))
    }

    /// A number, zero-padded to a width unless FM says otherwise, with its ordinal ending.
    fn number(piece: &FieldPiece, value: i64, width: usize, out: &mut String) {
        let start = out.len();
        // The sign takes one more place.
        let width = if piece.fill {
            0
        } else if value < 0 {
            width + 1
        } else {
            width
        };
        write!(out, "{value:0width$}").expect("a String takes all writes");
        if let Some(case) = piece.ordinal {
            let ending = ordinal_ending(&out[start..], case);
            out.push_str(ending);
        }
    }

    fn calendar_only(&self) -> PgResult<()> {
        if self.interval { Err(not_for_intervals()) } else { Ok(()) }
    }

    /// The year as people count, without a year 0; the era is another field.
    fn common_year(&self, year: i32) -> i64 {
        let year = i64::from(year);
        if self.interval || year > 0 { year } else { 1 - year }
    }

    fn padded(piece: &FieldPiece, text: &str, width: usize, out: &mut String) {
        let width = if piece.fill || piece.localized { 0 } else { width };
        write!(out, "{text:<width$}").expect("a String takes all writes");
    }

    fn field(&self, piece: &FieldPiece, out: &mut String) -> PgResult<()> {
        let int = i64::from;
        match piece.field {
            Field::AmDots | Field::Am => {
                let dots = piece.field == Field::AmDots;
                let text = match (self.hour % 24 >= 12, dots) {
                    (true, true) => "P.M.",
                    (false, true) => "A.M.",
                    (true, false) => "PM",
                    (false, false) => "AM",
                };
                out.push_str(&cased(text, piece.case));
            }
            Field::AdDots | Field::Ad => {
                self.calendar_only()?;
                let dots = piece.field == Field::AdDots;
                let text = match (self.year <= 0, dots) {
                    (true, true) => "B.C.",
                    (false, true) => "A.D.",
                    (true, false) => "BC",
                    (false, false) => "AD",
                };
                out.push_str(&cased(text, piece.case));
            }
            Field::Hh12 => {
                let hour = if self.hour % 12 == 0 { 12 } else { self.hour % 12 };
                // The width is chosen by the sign of the full hour.
                Self::number_as(piece, hour, if self.hour >= 0 { 2 } else { 3 }, out);
            }
            Field::Hh24 => Self::number(piece, self.hour, 2, out),
            Field::Mi => Self::number(piece, int(self.minute), 2, out),
            Field::Ss => Self::number(piece, int(self.second), 2, out),
            Field::Ff(digits) => {
                let value = self.usec / 10_i32.pow(6 - digits);
                Self::fraction(piece, value, digits as usize, out);
            }
            Field::Ms => Self::fraction(piece, self.usec / 1000, 3, out),
            Field::Us => Self::fraction(piece, self.usec, 6, out),
            Field::Ssss => {
                let seconds = self.hour * 3600 + int(self.minute) * 60 + int(self.second);
                Self::number_as(piece, seconds, 0, out);
            }
            Field::Tz | Field::Tzh | Field::Tzm | Field::Of => self.zone_field(piece, out)?,
            Field::Month | Field::Mon => {
                self.calendar_only()?;
                let name = MONTHS[(self.month - 1) as usize];
                let short = piece.field == Field::Mon;
                let name = cased(if short { &name[..3] } else { name }, piece.case);
                if short { out.push_str(&name) } else { Self::padded(piece, &name, 9, out) }
            }
            Field::Day | Field::Dy => {
                self.calendar_only()?;
                let name = DAYS[self.day_of_week as usize];
                let short = piece.field == Field::Dy;
                let name = cased(if short { &name[..3] } else { name }, piece.case);
                if short { out.push_str(&name) } else { Self::padded(piece, &name, 9, out) }
            }
            Field::Mm => Self::number(piece, int(self.month), 2, out),
            Field::Ddd => Self::number_as(piece, int(self.day_of_year), 3, out),
            Field::Dd => Self::number_as(piece, int(self.day), 2, out),
            Field::Ww => Self::number_as(piece, int((self.day_of_year - 1) / 7 + 1), 2, out),
            Field::W => Self::number_as(piece, int((self.day - 1) / 7 + 1), 0, out),
            Field::D => {
                self.calendar_only()?;
                Self::number_as(piece, int(self.day_of_week + 1), 0, out);
            }
            Field::Id => {
                self.calendar_only()?;
                Self::number_as(piece, int(if self.day_of_week == 0 { 7 } else { self.day_of_week }), 0, out);
            }
            Field::Iddd => Self::number_as(piece, int(self.iso()?.2), 3, out),
            Field::Iw => Self::number_as(piece, int(self.iso()?.1), 2, out),
            Field::Q => {
                if self.month != 0 {
                    Self::number_as(piece, int((self.month - 1) / 3 + 1), 0, out);
                }
            }
            Field::Cc => {
                let century = match self.year {
                    year if self.interval => year / 100,
                    // The 20th century began in 1901, and the first one BC in 1 BC.
                    year if year > 0 => (year - 1) / 100 + 1,
                    year => year / 100 - 1,
                };
                let width = if (-99..=99).contains(&century) { 2 } else { 0 };
                Self::number(piece, int(century), width, out);
            }
            Field::YCommaYyy => {
                let year = self.common_year(self.year);
                let text = format!("{},{:03}", year / 1000, year % 1000);
                out.push_str(&text);
                if let Some(case) = piece.ordinal {
                    out.push_str(ordinal_ending(&text, case));
                }
            }
            Field::Yyyy => Self::number(piece, self.common_year(self.year), 4, out),
            Field::Yyy => Self::number(piece, self.common_year(self.year) % 1000, 3, out),
            Field::Yy => Self::number(piece, self.common_year(self.year) % 100, 2, out),
            Field::Y => Self::number(piece, self.common_year(self.year) % 10, 1, out),
            Field::Iyyy => Self::number(piece, self.common_year(self.iso()?.0), 4, out),
            Field::Iyy => Self::number(piece, self.common_year(self.iso()?.0) % 1000, 3, out),
            Field::Iy => Self::number(piece, self.common_year(self.iso()?.0) % 100, 2, out),
            Field::I => Self::number(piece, self.common_year(self.iso()?.0) % 10, 1, out),
            Field::Rm => self.roman_month(piece, out),
            Field::J => {
                let julian = crate::calendar::to_julian(self.year, self.month, self.day);
                Self::number_as(piece, int(julian), 0, out);
            }
            Field::Fx => {}
        }
        Ok(())
    }

    /// As [`Shown::number`], with a width that a sign is part of.
    fn number_as(piece: &FieldPiece, value: i64, width: usize, out: &mut String) {
        let start = out.len();
        let width = if piece.fill { 0 } else { width };
        write!(out, "{value:0width$}").expect("a String takes all writes");
        if let Some(case) = piece.ordinal {
            let ending = ordinal_ending(&out[start..], case);
            out.push_str(ending);
        }
    }

    /// Parts of a second are padded whatever FM says.
    fn fraction(piece: &FieldPiece, value: i32, digits: usize, out: &mut String) {
        Self::number_as(&FieldPiece { fill: false, ..*piece }, i64::from(value), digits, out);
    }

    /// Year, week and day of year by ISO's week numbering.
    fn iso(&self) -> PgResult<(i32, i32, i32)> {
        self.calendar_only()?;
        let (year, week) = iso_week(self.year, self.month, self.day);
        let julian = crate::calendar::to_julian(self.year, self.month, self.day);
        Ok((year, week, julian - iso_week_to_julian(year, 1) + 1))
    }

    fn zone_field(&self, piece: &FieldPiece, out: &mut String) -> PgResult<()> {
        self.calendar_only()?;
        let east_s = self.zone.as_ref().map_or(0, |zone| zone.east_s);
        let sign = if east_s >= 0 { '+' } else { '-' };
        let (hours, minutes) = (east_s.abs() / 3600, east_s.abs() / 60 % 60);
        match piece.field {
            Field::Tz => {
                if let Some(zone) = &self.zone {
                    out.push_str(&cased(
                        &zone.abbreviation,
                        if piece.case == Case::Lower { Case::Lower } else { Case::Title },
                    ));
                }
            }
            Field::Tzh => write!(out, "{sign}{hours:02}").expect("a String takes all writes"),
            Field::Tzm => write!(out, "{minutes:02}").expect("a String takes all writes"),
            _ => {
                let width = if piece.fill { 0 } else { 2 };
                write!(out, "{sign}{hours:0width$}").expect("a String takes all writes");
                if minutes != 0 {
                    write!(out, ":{minutes:02}").expect("a String takes all writes");
                }
            }
        }
        Ok(())
    }

    fn roman_month(&self, piece: &FieldPiece, out: &mut String) {
        // An interval without months has none to show, except that whole years end in a December.
        if self.month == 0 && self.year == 0 {
            return;
        }
        let at = match self.month {
            0 if self.year >= 0 => 0,
            0 => 11,
            month if month < 0 => -(month + 1),
            month => 12 - month,
        };
        let text = cased(ROMAN_MONTHS[at as usize], piece.case);
        let width = if piece.fill { 0 } else { 4 };
        write!(out, "{text:<width$}").expect("a String takes all writes");
    }
}

fn of_civil(civil: &crate::calendar::CivilTime, zone: Option<ShownZone>) -> Shown {
    Shown {
        year: civil.year,
        month: civil.month,
        day: civil.day,
        hour: i64::from(civil.hour),
        minute: civil.minute,
        second: civil.second,
        usec: civil.usec,
        day_of_year: day_of_year(civil.year, civil.month, civil.day),
        day_of_week: day_of_week(civil.julian()),
        interval: false,
        zone,
    }
}

fn timestamp(value: TimestampArg, picture: &str) -> PgResult<Datum> {
    if picture.is_empty() || is_infinite(value.0) {
        return Ok(Datum::Null);
    }
    of_civil(&to_civil(value.0), None).show(picture)
}

fn timestamptz(ctx: &CallContext<'_>, value: TimestampTzArg, picture: &str) -> PgResult<Datum> {
    if picture.is_empty() || is_infinite(value.0) {
        return Ok(Datum::Null);
    }
    let settings = ctx.env.settings();
    let zone = &settings.timezone;
    let (civil, west_s) = to_local(value.0, zone);
    let abbreviation = zone.at(unix_of(value.0)).abbreviation.to_string();
    of_civil(&civil, Some(ShownZone { abbreviation, east_s: -west_s })).show(picture)
}

fn interval(value: Interval, picture: &str) -> PgResult<Datum> {
    if picture.is_empty() {
        return Ok(Datum::Null);
    }
    let fields = Fields::of(&value);
    let day_of_year =
        fields.years.wrapping_mul(12).wrapping_add(fields.months).wrapping_mul(30).wrapping_add(fields.days);
    Shown {
        year: fields.years,
        month: fields.months,
        day: fields.days,
        hour: fields.hours,
        minute: fields.minutes,
        second: fields.seconds,
        usec: fields.usecs,
        day_of_year,
        day_of_week: 0,
        interval: true,
        zone: None,
    }
    .show(picture)
}

builtins! {
    "timestamp_to_char" = timestamp: 2;
    "timestamptz_to_char" = timestamptz: (ctx, 2);
    "interval_to_char" = interval: 2;
}
