//! Fields that were read, as parts of a calendar day and its time.

use super::{Read, bad_format};
use crate::calendar::{CivilTime, days_in_month};
use redoubt_error::PgResult;

pub(super) fn set_clock(read: &Read, civil: &mut CivilTime) -> PgResult<()> {
    if read.seconds_of_day != 0 {
        civil.hour = read.seconds_of_day / 3600;
        civil.minute = read.seconds_of_day / 60 % 60;
        civil.second = read.seconds_of_day % 60;
    }
    for (field, value) in
        [(&mut civil.second, read.second), (&mut civil.minute, read.minute), (&mut civil.hour, read.hour)]
    {
        if value != 0 {
            *field = value;
        }
    }
    if read.twelve {
        if !(1..=12).contains(&civil.hour) {
            let message = format!("hour \"{}\" is invalid for the 12-hour clock", civil.hour);
            return Err(bad_format(message).hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if read.pm && civil.hour < 12 {
            civil.hour += 12;
        } else if !read.pm && civil.hour == 12 {
            civil.hour = 0;
        }
    }
    Ok(())
}

/// The year; with a century before it, two digits are a year of that century (the 21st is 2001 to 2100).
pub(super) fn set_year(read: &Read, civil: &mut CivilTime) {
    let century = if read.bc { -read.century } else { read.century };
    if read.year != 0 {
        if read.century != 0 && read.year_digits <= 2 {
            let year = read.year % 100;
            civil.year = match (year, century >= 0) {
                (0, true) => century * 100,
                (0, false) => century * 100 + 1,
                (year, true) => year + (century - 1) * 100,
                (year, false) => (century + 1) * 100 - year + 1,
            };
        } else {
            civil.year = if read.bc { -read.year } else { read.year };
            // There is no year 0.
            if civil.year < 0 {
                civil.year += 1;
            }
        }
    } else if read.century != 0 {
        civil.year = if century >= 0 { (century - 1) * 100 + 1 } else { century * 100 + 1 };
    }
}

pub(super) fn set_day_of_year(civil: &mut CivilTime, day_of_year: i32) {
    let mut left = day_of_year;
    let mut month = 1;
    while month < 12 && left > days_in_month(civil.year, month) {
        left -= days_in_month(civil.year, month);
        month += 1;
    }
    // A month or a day that was said stays.
    if civil.month <= 1 {
        civil.month = month;
    }
    if civil.day <= 1 {
        civil.day = left;
    }
}
