//! Zones in dates and times: numeric displacements, and the offset of a zone at a local time.

use crate::Env;
use crate::calendar::CivilTime;
use crate::datetime_scan::{Refusal, leading_int};
use crate::timezone::Zone;

/// The transaction's time in the session's zone, and that zone's offset.
pub(crate) fn current_time(env: &dyn Env) -> (CivilTime, i32) {
    crate::timestamp::to_local(env.transaction_timestamp_us(), &env.settings().timezone)
}

/// Seconds west of UTC of a zone at a local time.
pub(crate) fn west_of(zone: &Zone, moment: &CivilTime) -> i32 {
    if !crate::calendar::is_valid_julian(moment.year, moment.month) {
        return 0;
    }
    -zone.offset_at_local(crate::timestamp::unix_seconds(moment)).offset_s
}

/// Seconds west of UTC of an abbreviation whose meaning in a zone depends on the moment.
pub(crate) fn west_of_abbreviation(abbreviation: &str, zone: &Zone, moment: &CivilTime) -> i32 {
    let west_s = west_of(zone, moment);
    let unix_s = crate::timestamp::unix_seconds(moment) + i64::from(west_s);
    zone.interpret(abbreviation, unix_s).map_or(west_s, |kind| -kind.offset_s)
}

/// `+hh`, `+hhmm`, `+hh:mm`, `+hh:mm:ss` as seconds west of UTC.
///
/// # Errors
/// `ZoneOverflow` beyond 15:59:59, `BadFormat` for anything else.
pub(crate) fn numeric_zone(text: &str) -> Result<i32, Refusal> {
    let Some(digits) = text.strip_prefix(['+', '-']) else { return Err(Refusal::BadFormat) };
    let overflow = |_| Refusal::ZoneOverflow;
    let (mut hours, mut rest) = leading_int::<i32>(digits).map_err(overflow)?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(tail) = rest.strip_prefix(':') {
        (minutes, rest) = leading_int(tail).map_err(overflow)?;
        if let Some(tail) = rest.strip_prefix(':') {
            (seconds, rest) = leading_int(tail).map_err(overflow)?;
        }
    } else if rest.is_empty() && text.len() > 3 {
        (hours, minutes) = (hours / 100, hours % 100);
    }
    if !(0..=15).contains(&hours) || !(0..60).contains(&minutes) || !(0..60).contains(&seconds) {
        return Err(Refusal::ZoneOverflow);
    }
    if !rest.is_empty() {
        return Err(Refusal::BadFormat);
    }
    let east_s = (hours * 60 + minutes) * 60 + seconds;
    Ok(if text.starts_with('-') { east_s } else { -east_s })
}
