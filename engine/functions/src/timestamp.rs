//! `timestamp` and `timestamptz`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds from 1970-01-01 to 2000-01-01.
pub(crate) const UNIX_TO_POSTGRES_EPOCH_S: i64 = 946_684_800;

/// The wall clock in microseconds since 2000-01-01 UTC.
pub fn now_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros());
    since_1970 as i64 - UNIX_TO_POSTGRES_EPOCH_S * 1_000_000
}
