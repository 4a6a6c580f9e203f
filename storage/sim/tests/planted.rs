//! Every planted bug is caught by a named range of seeds: what the clean seeds prove is worth something only then.

use std::ops::Range;

use redoubt_protocol::Planted;
use redoubt_sim::{FlushBug, Options, Trace, Wrong, run};

/// The seeds that `tests/clean.rs` finds nothing in.
const SEEDS: Range<u64> = 0..40;

/// Whether a seed of the range fails with this wrong on purpose. None of these ranges holds a seed that fails without.
fn is_caught(wrong: Wrong, mut seeds: Range<u64>) -> bool {
    let options = Options { wrong, ..Options::default() };
    seeds.any(|seed| run(seed, &options, Trace::Off).failure.is_some())
}

#[test]
fn wrong_machines_are_caught() {
    let cases: &[(Planted, Range<u64>)] = &[
        (Planted::SclOverGaps, SEEDS),
        (Planted::AckBeforeFlush, SEEDS),
        (Planted::VolatileEpoch, SEEDS),
        (Planted::RecoverMinimum, SEEDS),
        (Planted::HistoryMerged, SEEDS),
        (Planted::HistoryForgotten, SEEDS),
        (Planted::StaleGossipTaken, SEEDS),
        (Planted::VoidOnlySeen, SEEDS),
        (Planted::ReadsBehind, SEEDS),
        (Planted::VdlIgnoresCpl, SEEDS),
    ];
    for (planted, seeds) in cases {
        let wrong = Wrong { planted: *planted, flush: FlushBug::None };
        assert!(is_caught(wrong, seeds.clone()), "{planted:?} is not caught by seeds {seeds:?}");
    }
}

#[test]
fn wrong_flushes_are_caught() {
    for (flush, seeds) in [(FlushBug::NeverFlushed, SEEDS), (FlushBug::ErrorSwallowed, SEEDS)] {
        let wrong = Wrong { planted: Planted::None, flush };
        assert!(is_caught(wrong, seeds.clone()), "{flush:?} is not caught by seeds {seeds:?}");
    }
}
