//! Voided ranges.

use alloc::vec::Vec;
use redoubt_page::VolumeEpoch;

use super::lsn;
use super::rng::Rng;
use crate::history::{History, HistoryError, VoidedRange};

fn epoch(raw: u64) -> VolumeEpoch {
    VolumeEpoch::new(raw)
}

fn range(after: u64, upto: u64, by: u64) -> VoidedRange {
    VoidedRange { after: lsn(after), upto: lsn(upto), epoch: epoch(by) }
}

#[test]
fn ranges_are_checked() {
    let table = [
        (5, alloc::vec![], Ok(())),
        (5, alloc::vec![range(10, 20, 2), range(30, 40, 5)], Ok(())),
        (5, alloc::vec![range(10, 10, 2)], Err(HistoryError::EmptyRange)),
        (5, alloc::vec![range(20, 10, 2)], Err(HistoryError::EmptyRange)),
        (5, alloc::vec![range(10, 20, 6)], Err(HistoryError::EpochOutOfOrder)),
        (5, alloc::vec![range(10, 20, 3), range(30, 40, 3)], Err(HistoryError::EpochOutOfOrder)),
        (5, alloc::vec![range(10, 20, 2), range(20, 40, 3)], Err(HistoryError::OutOfOrder)),
        (5, alloc::vec![range(30, 40, 2), range(10, 20, 3)], Err(HistoryError::OutOfOrder)),
    ];
    for (by, ranges, expected) in table {
        assert_eq!(History::from_ranges(epoch(by), ranges.clone()).map(|_| ()), expected, "{ranges:?}");
    }
}

#[test]
fn what_is_void() {
    let history =
        History::from_ranges(epoch(5), alloc::vec![range(10, 20, 2), range(30, 40, 5)]).expect("a history");
    assert_eq!(history.end(), lsn(40));
    // LSN, voided, the highest live one at or below.
    let table = [
        (0, false, 0),
        (10, false, 10),
        (11, true, 10),
        (20, true, 10),
        (21, false, 21),
        (30, false, 30),
        (31, true, 30),
        (40, true, 30),
        (41, false, 41),
    ];
    for (number, voided, clipped) in table {
        assert_eq!(history.is_voided(lsn(number)), voided, "{number}");
        assert_eq!(history.clipped(lsn(number)), lsn(clipped), "{number}");
    }
}

#[test]
fn histories_are_extended() {
    let history =
        History::from_ranges(epoch(3), alloc::vec![range(10, 20, 2), range(30, 40, 3)]).expect("a history");
    let table = [
        (4, 45, 60, Ok(alloc::vec![range(10, 20, 2), range(30, 40, 3), range(45, 60, 4)])),
        // Nothing was written since the last recovery: one range takes the place of the other.
        (4, 30, 60, Ok(alloc::vec![range(10, 20, 2), range(30, 60, 4)])),
        // Back to an older point: all that came later goes.
        (9, 5, 60, Ok(alloc::vec![range(5, 60, 9)])),
        (4, 25, 60, Ok(alloc::vec![range(10, 20, 2), range(25, 60, 4)])),
        (3, 45, 60, Err(HistoryError::NotAnExtension)),
        (4, 25, 39, Err(HistoryError::NotAnExtension)),
        (4, 60, 60, Err(HistoryError::EmptyRange)),
        (4, 35, 60, Err(HistoryError::StartsInVoid)),
        (4, 40, 60, Err(HistoryError::StartsInVoid)),
    ];
    for (by, after, upto, expected) in table {
        let extended = history.extended(epoch(by), lsn(after), lsn(upto));
        assert_eq!(extended.map(|h| h.ranges().to_vec()), expected, "{by} {after} {upto}");
    }
}

/// Random extensions against a set of dead numbers.
#[test]
fn extensions_agree_with_a_model() {
    let mut rng = Rng::new(3);
    for _ in 0..300 {
        let mut history = History::new(epoch(1));
        let mut dead = [false; 400];
        for by in 2..12 {
            let end = history.end().get();
            let live: Vec<u64> = (0..=end + 20).filter(|n| !dead[*n as usize]).collect();
            let after = live[rng.below(live.len())];
            let upto = end.max(after) + 1 + rng.below(20) as u64;
            history = history.extended(epoch(by), lsn(after), lsn(upto)).expect("an extension");
            (after + 1..=upto).for_each(|n| dead[n as usize] = true);
            for number in 0..=upto + 5 {
                assert_eq!(history.is_voided(lsn(number)), dead[number as usize], "{number} {history:?}");
                let first = rng.below(400) as u64;
                let found = (first..=number).find(|n| dead[*n as usize]).map(lsn);
                assert_eq!(history.first_voided_in(lsn(first), lsn(number)), found, "{first}..{number}");
                assert_eq!(history.voids_any(lsn(first), lsn(number)), found.is_some());
            }
        }
    }
}
