//! The proleptic Gregorian calendar by Julian day numbers.

/// Julian day of 2000-01-01, day 0 of `date`.
pub(crate) const POSTGRES_EPOCH_JDATE: i32 = 2_451_545;

/// Julian day of 1970-01-01.
pub(crate) const UNIX_EPOCH_JDATE: i32 = 2_440_588;

/// One past the last Julian day that `date` can hold, 5874898-01-01.
pub(crate) const DATE_END_JULIAN: i32 = 2_147_483_494;

/// Microseconds in common units.
pub(crate) const USECS_PER_SEC: i64 = 1_000_000;
pub(crate) const USECS_PER_MINUTE: i64 = 60 * USECS_PER_SEC;
pub(crate) const USECS_PER_HOUR: i64 = 60 * USECS_PER_MINUTE;
pub(crate) const USECS_PER_DAY: i64 = 24 * USECS_PER_HOUR;
/// Seconds in a day.
pub(crate) const SECS_PER_DAY: i64 = 86_400;

/// A broken-down date and time. Years count astronomically: 0 is 1 BC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CivilTime {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
    pub(crate) usec: i32,
}

impl CivilTime {
    /// Microseconds since midnight.
    pub(crate) fn time_us(&self) -> i64 {
        i64::from(self.hour) * USECS_PER_HOUR
            + i64::from(self.minute) * USECS_PER_MINUTE
            + i64::from(self.second) * USECS_PER_SEC
            + i64::from(self.usec)
    }

    /// Sets hours, minutes, seconds and microseconds.
    pub(crate) fn set_time(&mut self, time_us: i64) {
        self.hour = (time_us / USECS_PER_HOUR) as i32;
        self.minute = (time_us / USECS_PER_MINUTE % 60) as i32;
        self.second = (time_us / USECS_PER_SEC % 60) as i32;
        self.usec = (time_us % USECS_PER_SEC) as i32;
    }

    /// Sets year, month and day from a Julian day.
    pub(crate) fn set_date(&mut self, julian: i32) {
        (self.year, self.month, self.day) = from_julian(julian);
    }

    /// The date's Julian day.
    pub(crate) fn julian(&self) -> i32 {
        to_julian(self.year, self.month, self.day)
    }
}

/// True for dates that the Julian day functions handle: from 4714-11 BC to 5874898-06 AD.
pub(crate) fn is_valid_julian(year: i32, month: i32) -> bool {
    (year > -4713 || (year == -4713 && month >= 11)) && (year < 5_874_898 || (year == 5_874_898 && month < 6))
}

/// Julian day of a date. The month may be any; the result wraps around for years out of range.
pub(crate) fn to_julian(year: i32, month: i32, day: i32) -> i32 {
    // Years start in March, so that leap days come last; counted in 64 bits from far enough back
    // to stay positive.
    let (year, month) = if month > 2 {
        (i64::from(year), i64::from(month) + 1)
    } else {
        (i64::from(year) - 1, i64::from(month) + 13)
    };
    let year = year + 4800;
    let century = year.div_euclid(100);
    let days = year * 365 - 32_167 + year.div_euclid(4) - century + century.div_euclid(4);
    (days + 7834 * month / 256 + i64::from(day)) as i32
}

/// The date of a Julian day. Sums wrap around in 32 bits, so that the few days before day 0 that
/// local time can reach come out right, too.
pub(crate) fn from_julian(julian: i32) -> (i32, i32, i32) {
    let mut julian = i64::from((julian as u32).wrapping_add(32_044));
    let quad = julian / 146_097;
    let extra = (julian - quad * 146_097) * 4 + 3;
    julian += 60 + quad * 3 + extra / 146_097;
    let quad = julian / 1461;
    julian -= quad * 1461;
    let years = julian * 4 / 1461;
    let day_of_year = if years != 0 { (julian + 305) % 365 } else { (julian + 306) % 366 } + 123;
    let year = years + quad * 4 - 4800;
    let month_index = day_of_year * 2141 / 65_536;
    let day = day_of_year - 7834 * month_index / 256;
    let month = (month_index + 10) % 12 + 1;
    (year as i32, month as i32, day as i32)
}

/// Leap years of the Gregorian calendar.
pub(crate) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month; the month must be 1 to 12.
pub(crate) fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 => 28 + i32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day of the week of a Julian day, Sunday 0.
pub(crate) fn day_of_week(julian: i32) -> i32 {
    (julian + 1).rem_euclid(7)
}

/// Day of the year, from 1.
pub(crate) fn day_of_year(year: i32, month: i32, day: i32) -> i32 {
    to_julian(year, month, day) - to_julian(year, 1, 1) + 1
}

/// Julian day of the Monday that starts an ISO week.
pub(crate) fn iso_week_to_julian(year: i32, week: i32) -> i32 {
    let fourth = to_julian(year, 1, 4);
    (week - 1) * 7 + (fourth - monday_distance(fourth))
}

/// Days since the last Monday.
fn monday_distance(julian: i32) -> i32 {
    julian.rem_euclid(7)
}

/// The ISO 8601 week of a date, and the year that it belongs to.
pub(crate) fn iso_week(year: i32, month: i32, day: i32) -> (i32, i32) {
    let julian = to_julian(year, month, day);
    let starts = |year: i32| iso_week_to_julian(year, 1);
    let iso_year = if julian < starts(year) {
        year - 1
    } else if julian >= starts(year + 1) {
        year + 1
    } else {
        year
    };
    (iso_year, (julian - starts(iso_year)) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn julian_days_round_trip() {
        assert_eq!(to_julian(2000, 1, 1), POSTGRES_EPOCH_JDATE);
        assert_eq!(to_julian(1970, 1, 1), UNIX_EPOCH_JDATE);
        assert_eq!(to_julian(-4713, 11, 24), 0);
        assert_eq!(to_julian(5_874_898, 1, 1), DATE_END_JULIAN);
        for julian in (0..DATE_END_JULIAN).step_by(9973) {
            let (year, month, day) = from_julian(julian);
            assert_eq!(to_julian(year, month, day), julian, "{year}-{month}-{day}");
            assert!((1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month));
        }
    }

    #[test]
    fn weeks() {
        assert_eq!(day_of_week(to_julian(2024, 2, 29)), 4);
        assert_eq!(iso_week(2005, 1, 1), (2004, 53));
        assert_eq!(iso_week(2008, 12, 29), (2009, 1));
        assert_eq!(iso_week(2024, 7, 1), (2024, 27));
    }
}
