//! Text forms of dates and times in the four date styles.

use crate::calendar::{CivilTime, day_of_week};
use crate::{DateFormat, DateOrder};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Zone abbreviations are cut to this length.
const MAX_ABBREVIATION: usize = 10;

/// How to print.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) format: DateFormat,
    pub(crate) order: DateOrder,
}

/// A zone to print: seconds west of UTC, and its abbreviation when there is one.
#[derive(Clone, Copy)]
pub(crate) struct ShownZone<'a> {
    pub(crate) west_s: i32,
    pub(crate) abbreviation: Option<&'a str>,
}

/// Appends a number with at least `width` digits.
pub(crate) fn padded(value: i32, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits.as_bytes());
}

/// Appends seconds, with a fraction when there is one. Signs are dropped.
pub(crate) fn seconds(second: i32, usec: i32, pad: bool, out: &mut Vec<u8>) {
    padded(second, if pad { 2 } else { 1 }, out);
    let mut usec = usec.unsigned_abs();
    if usec == 0 {
        return;
    }
    out.push(b'.');
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (usec % 10) as u8;
        usec /= 10;
    }
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |at| at + 1);
    out.extend_from_slice(&digits[..end]);
}

fn clock(civil: &CivilTime, out: &mut Vec<u8>) {
    padded(civil.hour, 2, out);
    out.push(b':');
    padded(civil.minute, 2, out);
    out.push(b':');
    seconds(civil.second, civil.usec, true, out);
}

/// The year as it is shown: years before 1 AD count from 1 BC.
fn year(civil: &CivilTime, out: &mut Vec<u8>) {
    padded(if civil.year > 0 { civil.year } else { 1 - civil.year }, 4, out);
}

fn era(civil: &CivilTime, out: &mut Vec<u8>) {
    if civil.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// Day and month in the style's order, separated.
fn day_and_month(civil: &CivilTime, order: DateOrder, separator: u8, out: &mut Vec<u8>) {
    let (first, second) =
        if order == DateOrder::Dmy { (civil.day, civil.month) } else { (civil.month, civil.day) };
    padded(first, 2, out);
    out.push(separator);
    padded(second, 2, out);
}

/// Appends a numeric zone: `+05:30`.
pub(crate) fn zone(west_s: i32, out: &mut Vec<u8>) {
    let total = west_s.abs();
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60);
    out.push(if west_s <= 0 { b'+' } else { b'-' });
    padded(hours, 2, out);
    if minutes != 0 || rest != 0 {
        out.push(b':');
        padded(minutes, 2, out);
    }
    if rest != 0 {
        out.push(b':');
        padded(rest, 2, out);
    }
}

fn abbreviation(name: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(&name.as_bytes()[..name.floor_char_boundary(MAX_ABBREVIATION.min(name.len()))]);
}

/// Appends a date.
pub(crate) fn date(civil: &CivilTime, style: Style, out: &mut Vec<u8>) {
    match style.format {
        DateFormat::Iso => {
            year(civil, out);
            out.push(b'-');
            day_and_month(civil, DateOrder::Ymd, b'-', out);
        }
        DateFormat::Sql => {
            day_and_month(civil, style.order, b'/', out);
            out.push(b'/');
            year(civil, out);
        }
        DateFormat::German => {
            day_and_month(civil, DateOrder::Dmy, b'.', out);
            out.push(b'.');
            year(civil, out);
        }
        DateFormat::Postgres => {
            day_and_month(civil, style.order, b'-', out);
            out.push(b'-');
            year(civil, out);
        }
    }
    era(civil, out);
}

/// Appends a time of day, with its zone when there is one.
pub(crate) fn time(civil: &CivilTime, west_s: Option<i32>, out: &mut Vec<u8>) {
    clock(civil, out);
    if let Some(west_s) = west_s {
        zone(west_s, out);
    }
}

/// Appends a date and time, with its zone when there is one.
pub(crate) fn timestamp(civil: &CivilTime, shown: Option<ShownZone<'_>>, style: Style, out: &mut Vec<u8>) {
    match style.format {
        DateFormat::Iso => {
            year(civil, out);
            out.push(b'-');
            day_and_month(civil, DateOrder::Ymd, b'-', out);
            out.push(b' ');
            clock(civil, out);
            if let Some(shown) = shown {
                zone(shown.west_s, out);
            }
        }
        DateFormat::Sql | DateFormat::German => {
            if style.format == DateFormat::Sql {
                day_and_month(civil, style.order, b'/', out);
                out.push(b'/');
            } else {
                day_and_month(civil, DateOrder::Dmy, b'.', out);
                out.push(b'.');
            }
            year(civil, out);
            out.push(b' ');
            clock(civil, out);
            match shown {
                Some(ShownZone { abbreviation: Some(name), .. }) => abbreviation(name, out),
                Some(shown) => zone(shown.west_s, out),
                None => {}
            }
        }
        DateFormat::Postgres => {
            out.extend_from_slice(WEEKDAYS[day_of_week(civil.julian()) as usize].as_bytes());
            out.push(b' ');
            let month = MONTHS[(civil.month - 1).clamp(0, 11) as usize].as_bytes();
            if style.order == DateOrder::Dmy {
                padded(civil.day, 2, out);
                out.push(b' ');
                out.extend_from_slice(month);
            } else {
                out.extend_from_slice(month);
                out.push(b' ');
                padded(civil.day, 2, out);
            }
            out.push(b' ');
            clock(civil, out);
            out.push(b' ');
            year(civil, out);
            match shown {
                Some(ShownZone { abbreviation: Some(name), .. }) => abbreviation(name, out),
                Some(shown) => {
                    // Set apart, or it would read as part of the year.
                    out.push(b' ');
                    zone(shown.west_s, out);
                }
                None => {}
            }
        }
    }
    era(civil, out);
}
