//! The second stage of reading dates and times: giving fields their meaning.

use crate::calendar::{CivilTime, USECS_PER_DAY, days_in_month, from_julian, to_julian};
use crate::datetime_number::{self as number, NumberContext, time_overflows};
use crate::datetime_scan::{
    DateWord, Field, FieldKind, Refusal, Special, Unit, date_word, fraction, fractional_second, leading_int,
};
use crate::datetime_zone::{current_time, numeric_zone, west_of, west_of_abbreviation};
use crate::timezone::Zone;
use crate::timezone_abbreviations::{Meaning, lookup};
use crate::{DateOrder, Env};
use std::sync::Arc;

/// Which fields have been seen.
pub(crate) mod seen {
    pub(crate) const YEAR: u32 = 1;
    pub(crate) const MONTH: u32 = 1 << 1;
    pub(crate) const DAY: u32 = 1 << 2;
    pub(crate) const HOUR: u32 = 1 << 3;
    pub(crate) const MINUTE: u32 = 1 << 4;
    pub(crate) const SECOND: u32 = 1 << 5;
    pub(crate) const SUBSECOND: u32 = 1 << 6;
    pub(crate) const DAY_OF_YEAR: u32 = 1 << 7;
    pub(crate) const ZONE: u32 = 1 << 8;
    pub(crate) const DAYLIGHT: u32 = 1 << 9;
    pub(crate) const DAYLIGHT_MODIFIER: u32 = 1 << 10;
    pub(crate) const WEEKDAY: u32 = 1 << 11;
    pub(crate) const MERIDIAN: u32 = 1 << 12;
    pub(crate) const ERA: u32 = 1 << 13;
    pub(crate) const SPECIAL: u32 = 1 << 14;
    pub(crate) const DATE: u32 = YEAR | MONTH | DAY;
    pub(crate) const SECONDS: u32 = SECOND | SUBSECOND;
    pub(crate) const TIME: u32 = HOUR | MINUTE | SECONDS;
}

/// What a text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A date and time, in the fields.
    Civil,
    Epoch,
    Early,
    Late,
}

/// A decoded date and time.
pub(crate) struct Decoded {
    pub(crate) kind: Kind,
    pub(crate) civil: CivilTime,
    /// Seconds west of UTC.
    pub(crate) west_s: i32,
}

/// A zone that is resolved when the date is known.
enum PendingZone {
    None,
    Named(Arc<Zone>),
    Abbreviation(String, Arc<Zone>),
}

/// The state of decoding one text.
struct Decoder<'a> {
    env: &'a dyn Env,
    order: DateOrder,
    fields: Vec<Field>,
    mask: u32,
    civil: CivilTime,
    day_of_year: i32,
    is_julian: bool,
    two_digit_year: bool,
    is_bc: bool,
    is_pm: Option<bool>,
    has_text_month: bool,
    /// A label that gives the next number its meaning (`y2001m02d04`, `T` before a time).
    label: Option<Unit>,
    west_s: i32,
    pending_zone: PendingZone,
    kind: Kind,
    /// Only a time is wanted, as for `time` and `timetz`.
    time_only: bool,
}

/// Decodes a date with an optional time and zone.
///
/// # Errors
/// Why the fields make no date and time.
pub(crate) fn decode_datetime(fields: Vec<Field>, env: &dyn Env) -> Result<Decoded, Refusal> {
    let mut decoder = Decoder::new(fields, env, false);
    decoder.run()?;
    decoder.finish_date()?;
    decoder.apply_meridian()?;
    if decoder.kind == Kind::Civil {
        if decoder.mask & seen::DATE != seen::DATE {
            return Err(Refusal::BadFormat);
        }
        decoder.resolve_zone(decoder.civil)?;
    }
    Ok(Decoded { kind: decoder.kind, civil: decoder.civil, west_s: decoder.west_s })
}

/// Decodes a time of day with an optional zone (and a date, when the zone needs one).
///
/// # Errors
/// Why the fields make no time.
pub(crate) fn decode_time(fields: Vec<Field>, env: &dyn Env) -> Result<Decoded, Refusal> {
    let mut decoder = Decoder::new(fields, env, true);
    decoder.run()?;
    decoder.finish_date()?;
    decoder.apply_meridian()?;
    if time_overflows(&decoder.civil) {
        return Err(Refusal::FieldOverflow);
    }
    if decoder.mask & seen::TIME != seen::TIME {
        return Err(Refusal::BadFormat);
    }
    decoder.resolve_time_zone()?;
    Ok(Decoded { kind: Kind::Civil, civil: decoder.civil, west_s: decoder.west_s })
}

impl<'a> Decoder<'a> {
    fn new(fields: Vec<Field>, env: &'a dyn Env, time_only: bool) -> Self {
        Decoder {
            env,
            order: env.settings().date_order,
            fields,
            mask: 0,
            civil: CivilTime::default(),
            day_of_year: 0,
            is_julian: false,
            two_digit_year: false,
            is_bc: false,
            is_pm: None,
            has_text_month: false,
            label: None,
            west_s: 0,
            pending_zone: PendingZone::None,
            kind: Kind::Civil,
            time_only,
        }
    }

    fn run(&mut self) -> Result<(), Refusal> {
        for at in 0..self.fields.len() {
            let text = self.fields[at].text.clone();
            let Some(new) = (match self.fields[at].kind {
                FieldKind::Date if self.time_only => Some(self.date_field_of_time(at, &text)?),
                FieldKind::Date => Some(self.date_field(&text)?),
                FieldKind::Time => Some(self.time_field(&text)?),
                FieldKind::Signed => {
                    self.west_s = numeric_zone(&text)?;
                    Some(seen::ZONE)
                }
                FieldKind::Number => Some(self.number_field(at, &text)?),
                FieldKind::Word | FieldKind::SignedWord => self.word_field(at, &text)?,
            }) else {
                continue;
            };
            if new & self.mask != 0 {
                return Err(Refusal::BadFormat);
            }
            self.mask |= new;
        }
        Ok(())
    }

    /// A number without delimiters: date or time run together.
    fn number_run(&mut self, text: &str, mask: u32) -> Result<u32, Refusal> {
        number::run_together(text, mask, &mut self.civil, &mut self.two_digit_year)
    }

    /// A field with delimiters: a date, or after one a zone name or a time with a zone.
    fn date_field(&mut self, text: &str) -> Result<u32, Refusal> {
        if self.label == Some(Unit::Julian) {
            let (julian, zone) = leading_int::<i32>(text)?;
            if julian < 0 {
                return Err(Refusal::FieldOverflow);
            }
            self.civil.set_date(julian);
            self.is_julian = true;
            self.west_s = numeric_zone(zone)?;
            self.label = None;
            return Ok(seen::DATE | seen::TIME | seen::ZONE);
        }
        let has_day = self.mask & (seen::MONTH | seen::DAY) == seen::MONTH | seen::DAY;
        if self.label.is_none() && !has_day {
            return self.plain_date(text);
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) || self.label.is_some() {
            if self.label.take().is_some_and(|label| label != Unit::Time) {
                return Err(Refusal::BadFormat);
            }
            if self.mask & seen::TIME == seen::TIME {
                return Err(Refusal::BadFormat);
            }
            return self.time_with_zone(text, self.mask);
        }
        self.named_zone(text)
    }

    /// As [`Self::date_field`] where a time is wanted: a date is accepted only where it leads.
    fn date_field_of_time(&mut self, at: usize, text: &str) -> Result<u32, Refusal> {
        let kind = |at: usize| self.fields.get(at).map(|field| field.kind);
        let count = self.fields.len();
        if at == 0
            && count >= 2
            && (kind(count - 1) == Some(FieldKind::Date) || kind(1) == Some(FieldKind::Time))
        {
            return self.plain_date(text);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            self.fields[at].kind = FieldKind::Signed;
            return self.named_zone(text);
        }
        if self.mask & seen::TIME == seen::TIME {
            return Err(Refusal::BadFormat);
        }
        self.fields[at].kind = FieldKind::Time;
        self.time_with_zone(text, self.mask | seen::DATE)
    }

    /// `hhmmss-zz`.
    fn time_with_zone(&mut self, text: &str, mask: u32) -> Result<u32, Refusal> {
        let at = text.find('-').ok_or(Refusal::BadFormat)?;
        self.west_s = numeric_zone(&text[at..])?;
        Ok(self.number_run(&text[..at], mask)? | seen::ZONE)
    }

    fn named_zone(&mut self, text: &str) -> Result<u32, Refusal> {
        let zone = Zone::load(text).ok_or_else(|| Refusal::UnknownZone(text.to_owned()))?;
        self.pending_zone = PendingZone::Named(zone);
        Ok(seen::ZONE)
    }

    fn number_context(&self, mask: u32, has_text_month: bool) -> NumberContext {
        NumberContext { mask, has_text_month, order: self.order }
    }

    /// A number alone, by what has been seen so far.
    fn single_number(&mut self, text: &str, context: NumberContext) -> Result<u32, Refusal> {
        number::single(text, context, &mut self.civil, &mut self.day_of_year, &mut self.two_digit_year)
    }

    /// A date whose parts are delimited: `1999-01-08`, `8-jan-99`.
    fn plain_date(&mut self, text: &str) -> Result<u32, Refusal> {
        let mut parts = number::date_parts(text)?;
        let mut mask = self.mask;
        let mut added = 0;
        let mut has_text_month = false;
        // The month by name first, because it leaves less to guess.
        for part in &mut parts {
            if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                match date_word(part) {
                    Some(DateWord::Ignore) => {}
                    Some(DateWord::Month(month)) => {
                        self.civil.month = month;
                        has_text_month = true;
                        if mask & seen::MONTH != 0 {
                            return Err(Refusal::BadFormat);
                        }
                        mask |= seen::MONTH;
                        added |= seen::MONTH;
                        *part = "";
                    }
                    _ => return Err(Refusal::BadFormat),
                }
            }
        }
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let new = self.single_number(part, self.number_context(mask, has_text_month))?;
            if mask & new != 0 {
                return Err(Refusal::BadFormat);
            }
            mask |= new;
            added |= new;
        }
        if mask & !(seen::DAY_OF_YEAR | seen::ZONE) != seen::DATE {
            return Err(Refusal::BadFormat);
        }
        Ok(added)
    }

    fn time_field(&mut self, text: &str) -> Result<u32, Refusal> {
        if self.label.is_some() && !self.time_only && self.label.take() != Some(Unit::Time) {
            return Err(Refusal::BadFormat);
        }
        let time = number::clock_time(text, false)?;
        self.civil.hour = i32::try_from(time.hour).map_err(|_| Refusal::FieldOverflow)?;
        self.civil.minute = time.minute;
        self.civil.second = time.second;
        self.civil.usec = time.usec;
        if !self.time_only && time_overflows(&self.civil) {
            return Err(Refusal::FieldOverflow);
        }
        Ok(seen::TIME)
    }

    fn number_field(&mut self, at: usize, text: &str) -> Result<u32, Refusal> {
        if let Some(label) = self.label.take() {
            let new = self.labelled_number(label, text)?;
            self.kind = Kind::Civil;
            return Ok(new);
        }
        let point = text.find('.');
        if self.time_only {
            return self.number_of_time(at, text, point);
        }
        match point {
            Some(_) if self.mask & seen::DATE == 0 => self.plain_date(text),
            Some(point) if point > 2 => self.number_run(text, self.mask),
            _ if text.len() >= 6 && (self.mask & seen::DATE == 0 || self.mask & seen::TIME == 0) => {
                self.number_run(text, self.mask)
            }
            _ => self.single_number(text, self.number_context(self.mask, self.has_text_month)),
        }
    }

    fn number_of_time(&mut self, at: usize, text: &str, point: Option<usize>) -> Result<u32, Refusal> {
        let mask = self.mask | seen::DATE;
        let count = self.fields.len();
        match point {
            Some(_) if at == 0 && count >= 2 && self.fields[count - 1].kind == FieldKind::Date => {
                self.plain_date(text)
            }
            Some(point) if point > 2 => self.number_run(text, mask),
            Some(_) => Err(Refusal::BadFormat),
            None if text.len() > 4 => self.number_run(text, mask),
            None => self.single_number(text, self.number_context(mask, false)),
        }
    }

    /// A number after a label.
    fn labelled_number(&mut self, label: Unit, text: &str) -> Result<u32, Refusal> {
        let (value, rest) = leading_int::<i32>(text)?;
        let decimal = rest.starts_with('.');
        if decimal && !matches!(label, Unit::Julian | Unit::Time | Unit::Second)
            || !decimal && !rest.is_empty()
        {
            return Err(Refusal::BadFormat);
        }
        Ok(match label {
            Unit::Year => {
                self.civil.year = value;
                seen::YEAR
            }
            // After a month and an hour, "m" means minutes.
            Unit::Month if self.mask & seen::MONTH != 0 && self.mask & seen::HOUR != 0 => {
                self.civil.minute = value;
                seen::MINUTE
            }
            Unit::Month => {
                self.civil.month = value;
                seen::MONTH
            }
            Unit::Day => {
                self.civil.day = value;
                seen::DAY
            }
            Unit::Hour => {
                self.civil.hour = value;
                seen::HOUR
            }
            Unit::Minute => {
                self.civil.minute = value;
                seen::MINUTE
            }
            Unit::Second => {
                self.civil.second = value;
                if decimal {
                    self.civil.usec = fractional_second(rest)?;
                    seen::SECONDS
                } else {
                    seen::SECOND
                }
            }
            Unit::Julian => {
                if value < 0 {
                    return Err(Refusal::FieldOverflow);
                }
                self.civil.set_date(value);
                self.is_julian = true;
                if decimal {
                    self.civil.set_time((fraction(rest)? * USECS_PER_DAY as f64) as i64);
                    seen::DATE | seen::TIME
                } else {
                    seen::DATE
                }
            }
            Unit::Time => {
                let new = self.number_run(text, self.mask | seen::DATE)?;
                if new != seen::TIME {
                    return Err(Refusal::BadFormat);
                }
                new
            }
            _ => return Err(Refusal::BadFormat),
        })
    }

    /// A word: zone abbreviations take precedence over other words. `None` for filler words.
    fn word_field(&mut self, at: usize, text: &str) -> Result<Option<u32>, Refusal> {
        let abbreviation = text.get(..10).unwrap_or(text);
        if let Some(meaning) = lookup(abbreviation) {
            return self.abbreviation(text, meaning).map(Some);
        }
        let Some(word) = date_word(text) else {
            let zone = Zone::load(text).ok_or(Refusal::BadFormat)?;
            self.pending_zone = PendingZone::Named(zone);
            return Ok(Some(seen::ZONE));
        };
        Ok(Some(match word {
            DateWord::Ignore => return Ok(None),
            DateWord::Special(special) => self.special(special)?,
            DateWord::Month(_) | DateWord::Weekday if self.time_only => return Err(Refusal::BadFormat),
            DateWord::Month(month) => self.month_name(month),
            DateWord::Weekday => seen::WEEKDAY,
            DateWord::DaylightModifier(seconds) => {
                self.west_s -= seconds;
                seen::DAYLIGHT_MODIFIER | seen::DAYLIGHT
            }
            DateWord::Meridian(is_pm) => {
                self.is_pm = Some(is_pm);
                seen::MERIDIAN
            }
            DateWord::Era(is_bc) => {
                self.is_bc = is_bc;
                seen::ERA
            }
            DateWord::Unit(unit) => {
                self.label = Some(unit);
                0
            }
            DateWord::IsoTime => {
                let dated = self.time_only || self.mask & seen::DATE == seen::DATE;
                let next = self.fields.get(at + 1).map(|field| field.kind);
                if !dated || !matches!(next, Some(FieldKind::Number | FieldKind::Time | FieldKind::Date)) {
                    return Err(Refusal::BadFormat);
                }
                self.label = Some(Unit::Time);
                0
            }
        }))
    }

    fn abbreviation(&mut self, text: &str, meaning: Meaning) -> Result<u32, Refusal> {
        match meaning {
            Meaning::Fixed(offset_s, is_dst) => {
                self.west_s = -offset_s;
                Ok(seen::ZONE | if is_dst { seen::DAYLIGHT } else { 0 })
            }
            Meaning::Dynamic(zone) => {
                let zone = Zone::load(zone).ok_or_else(|| Refusal::UnknownZone(zone.to_owned()))?;
                self.pending_zone = PendingZone::Abbreviation(text.to_ascii_uppercase(), zone);
                Ok(seen::ZONE)
            }
        }
    }

    /// A month by name may turn an earlier number, taken for the month, into the day.
    fn month_name(&mut self, month: i32) -> u32 {
        let was_day = self.mask & seen::MONTH != 0
            && !self.has_text_month
            && self.mask & seen::DAY == 0
            && (1..=31).contains(&self.civil.month);
        let new = if was_day {
            self.civil.day = self.civil.month;
            seen::DAY
        } else {
            seen::MONTH
        };
        self.has_text_month = true;
        self.civil.month = month;
        new
    }

    fn special(&mut self, special: Special) -> Result<u32, Refusal> {
        let (now, west_s) = current_time(self.env);
        match special {
            Special::Now => {
                if self.time_only {
                    self.civil.set_time(now.time_us());
                    return Ok(seen::TIME);
                }
                self.kind = Kind::Civil;
                self.civil = now;
                self.west_s = west_s;
                return Ok(seen::DATE | seen::TIME | seen::ZONE);
            }
            Special::Zulu => {
                self.kind = Kind::Civil;
                self.civil.set_time(0);
                self.west_s = 0;
                return Ok(seen::TIME | seen::ZONE);
            }
            _ if self.time_only => return Err(Refusal::BadFormat),
            Special::Today => self.civil.set_date(now.julian()),
            Special::Tomorrow => self.civil.set_date(now.julian() + 1),
            Special::Yesterday => self.civil.set_date(now.julian() - 1),
            Special::Epoch => self.kind = Kind::Epoch,
            Special::Early => self.kind = Kind::Early,
            Special::Late => self.kind = Kind::Late,
        }
        if matches!(special, Special::Epoch | Special::Early | Special::Late) {
            return Ok(seen::SPECIAL);
        }
        self.kind = Kind::Civil;
        Ok(seen::DATE)
    }

    /// Completes and checks year, month and day.
    fn finish_date(&mut self) -> Result<(), Refusal> {
        let civil = &mut self.civil;
        if self.mask & seen::YEAR != 0 && !self.is_julian {
            if self.is_bc {
                if civil.year <= 0 {
                    return Err(Refusal::FieldOverflow);
                }
                civil.year = 1 - civil.year;
            } else if self.two_digit_year {
                civil.year += match civil.year {
                    0..70 => 2000,
                    70..100 => 1900,
                    _ => 0,
                };
            } else if civil.year <= 0 {
                return Err(Refusal::FieldOverflow);
            }
        }
        if self.mask & seen::DAY_OF_YEAR != 0 {
            let julian = to_julian(civil.year, 1, 1) + self.day_of_year - 1;
            (civil.year, civil.month, civil.day) = from_julian(julian);
        }
        if self.mask & seen::MONTH != 0 && !(1..=12).contains(&civil.month)
            || self.mask & seen::DAY != 0 && !(1..=31).contains(&civil.day)
        {
            return Err(Refusal::MonthOrDayOverflow);
        }
        if self.mask & seen::DATE == seen::DATE && civil.day > days_in_month(civil.year, civil.month) {
            return Err(Refusal::FieldOverflow);
        }
        Ok(())
    }

    fn apply_meridian(&mut self) -> Result<(), Refusal> {
        let Some(is_pm) = self.is_pm else { return Ok(()) };
        match self.civil.hour {
            13.. => return Err(Refusal::FieldOverflow),
            12 if !is_pm => self.civil.hour = 0,
            12 => {}
            _ if is_pm => self.civil.hour += 12,
            _ => {}
        }
        Ok(())
    }

    /// Finds the offset of a zone that depends on the moment, or of the session's zone.
    fn resolve_zone(&mut self, moment: CivilTime) -> Result<(), Refusal> {
        let modified = self.mask & seen::DAYLIGHT_MODIFIER != 0;
        match &self.pending_zone {
            PendingZone::None if self.mask & seen::ZONE != 0 => return Ok(()),
            _ if modified => return Err(Refusal::BadFormat),
            PendingZone::None => self.west_s = west_of(&self.env.settings().timezone, &moment),
            PendingZone::Named(zone) => self.west_s = west_of(zone, &moment),
            PendingZone::Abbreviation(abbreviation, zone) => {
                self.west_s = west_of_abbreviation(abbreviation, zone, &moment);
            }
        }
        Ok(())
    }

    /// As [`Self::resolve_zone`] for a time without a date: today's offset counts, and a zone
    /// by name needs a date unless it has only ever had one offset.
    fn resolve_time_zone(&mut self) -> Result<(), Refusal> {
        let has_date = self.mask & seen::DATE == seen::DATE;
        if let PendingZone::Named(zone) = &self.pending_zone
            && self.mask & seen::DAYLIGHT_MODIFIER == 0
        {
            if let Some(offset_s) = zone.constant_offset_s() {
                self.west_s = -offset_s;
                return Ok(());
            }
            if !has_date {
                return Err(Refusal::BadFormat);
            }
        }
        let mut moment = self.civil;
        if self.mask & seen::DATE == 0 {
            let (now, _) = current_time(self.env);
            moment.set_date(now.julian());
        } else if !has_date
            && (self.mask & seen::ZONE == 0 || !matches!(self.pending_zone, PendingZone::None))
        {
            return Err(Refusal::BadFormat);
        }
        self.resolve_zone(moment)
    }
}
