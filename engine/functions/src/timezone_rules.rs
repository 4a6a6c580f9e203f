//! POSIX time zone specifications: `CET-1CEST,M3.5.0,M10.5.0/3`.

use crate::calendar::{UNIX_EPOCH_JDATE, day_of_week, days_in_month, is_leap, to_julian};
use crate::timezone::LocalKind;

/// What POSIX means when a zone has daylight saving time but no rule: that of the United States.
const DEFAULT_RULE: &str = "M3.2.0,M11.1.0";

/// A parsed specification.
pub(crate) struct PosixZone {
    pub(crate) standard: LocalKind,
    pub(crate) daylight: Option<Daylight>,
}

/// Daylight saving time and when it is in force.
pub(crate) struct Daylight {
    pub(crate) kind: LocalKind,
    start: Rule,
    end: Rule,
}

/// A day of the year and a time of that day.
struct Rule {
    day: RuleDay,
    /// Seconds after local midnight; may be negative or beyond a day.
    time_s: i32,
}

enum RuleDay {
    /// `Jn`: day 1 to 365, February 29 not counted.
    WithoutLeapDay(i32),
    /// `n`: day 0 to 365.
    ZeroBased(i32),
    /// `Mm.w.d`: weekday `d` of week `w` in month `m`; week 5 is the last.
    Weekday { month: i32, week: i32, day: i32 },
}

/// Reads a specification from the left.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(tail) => {
                self.rest = tail;
                true
            }
            None => false,
        }
    }

    /// A zone's abbreviation: letters and the like, or anything in angle brackets.
    fn name(&mut self) -> Option<&'a str> {
        if self.eat('<') {
            let (name, tail) = self.rest.split_once('>')?;
            self.rest = tail;
            return Some(name);
        }
        let end = self
            .rest
            .find(|c: char| c.is_ascii_digit() || matches!(c, ',' | '-' | '+'))
            .unwrap_or(self.rest.len());
        let (name, tail) = self.rest.split_at(end);
        self.rest = tail;
        Some(name)
    }

    fn number(&mut self, min: i32, max: i32) -> Option<i32> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let value = self.rest[..end].parse().ok()?;
        self.rest = &self.rest[end..];
        (min..=max).contains(&value).then_some(value)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds; hours up to a week, as RFC 8536 extends POSIX.
    fn signed_time(&mut self) -> Option<i32> {
        let negative = self.eat('-');
        if !negative {
            self.eat('+');
        }
        let mut seconds = self.number(0, 24 * 7 - 1)? * 3600;
        if self.eat(':') {
            seconds += self.number(0, 59)? * 60;
            if self.eat(':') {
                seconds += self.number(0, 60)?;
            }
        }
        Some(if negative { -seconds } else { seconds })
    }

    fn rule(&mut self) -> Option<Rule> {
        let day = if self.eat('J') {
            RuleDay::WithoutLeapDay(self.number(1, 365)?)
        } else if self.eat('M') {
            let month = self.number(1, 12)?;
            let week = if self.eat('.') { self.number(1, 5)? } else { return None };
            let day = if self.eat('.') { self.number(0, 6)? } else { return None };
            RuleDay::Weekday { month, week, day }
        } else {
            RuleDay::ZeroBased(self.number(0, 365)?)
        };
        let time_s = if self.eat('/') { self.signed_time()? } else { 2 * 3600 };
        Some(Rule { day, time_s })
    }
}

impl PosixZone {
    /// Parses a specification; `None` when it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let name = reader.name()?;
        // POSIX counts offsets west of Greenwich.
        let west_s = reader.signed_time()?;
        let standard = LocalKind { offset_s: -west_s, is_dst: false, abbreviation: name.into() };
        if reader.rest.is_empty() {
            return Some(PosixZone { standard, daylight: None });
        }
        let name = reader.name().filter(|name| !name.is_empty())?;
        let offset_s = if reader.rest.is_empty() || reader.rest.starts_with([',', ';']) {
            3600 - west_s
        } else {
            -reader.signed_time()?
        };
        if reader.rest.is_empty() {
            reader.rest = DEFAULT_RULE;
        } else if !reader.eat(',') && !reader.eat(';') {
            return None;
        }
        let start = reader.rule()?;
        if !reader.eat(',') {
            return None;
        }
        let end = reader.rule()?;
        if !reader.rest.is_empty() {
            return None;
        }
        let kind = LocalKind { offset_s, is_dst: true, abbreviation: name.into() };
        Some(PosixZone { standard, daylight: Some(Daylight { kind, start, end }) })
    }

    /// Unix times at which daylight saving time starts and ends in a year.
    pub(crate) fn transitions(&self, daylight: &Daylight, year: i32) -> (i64, i64) {
        let start = daylight.start.local_s(year) - i64::from(self.standard.offset_s);
        let end = daylight.end.local_s(year) - i64::from(daylight.kind.offset_s);
        (start, end)
    }

    /// Daylight saving time that never ends: each end coincides with the next start, or comes
    /// after it.
    pub(crate) fn is_perpetual_dst(&self) -> bool {
        let Some(daylight) = &self.daylight else { return false };
        let (start, end) = self.transitions(daylight, 2001);
        let (next_start, _) = self.transitions(daylight, 2002);
        start <= end && end >= next_start
    }
}

impl Rule {
    /// Seconds since 1970 of the rule's moment in a year, in local time read as UTC.
    fn local_s(&self, year: i32) -> i64 {
        let january = to_julian(year, 1, 1);
        let julian = match self.day {
            RuleDay::WithoutLeapDay(day) => january + day - 1 + i32::from(is_leap(year) && day >= 60),
            RuleDay::ZeroBased(day) => january + day,
            RuleDay::Weekday { month, week, day } => {
                let first = to_julian(year, month, 1);
                let mut in_month = (day - day_of_week(first)).rem_euclid(7) + (week - 1) * 7;
                if in_month >= days_in_month(year, month) {
                    in_month -= 7;
                }
                first + in_month
            }
        };
        i64::from(julian - UNIX_EPOCH_JDATE) * 86_400 + i64::from(self.time_s)
    }
}
