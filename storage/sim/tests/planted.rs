//! Every planted bug is caught by a named range of seeds: what the clean seeds prove is worth something only then.

use std::ops::Range;

use redoubt_protocol::Planted;
use redoubt_sim::{FlushBug, Options, Trace, Wrong, run};

/// Whether a seed of the range fails with this wrong on purpose. None of these ranges holds a seed that fails without.
fn is_caught(wrong: Wrong, mut seeds: Range<u64>) -> bool {
    let options = Options { wrong, ..Options::default() };
    seeds.any(|seed| run(seed, &options, Trace::Off).failure.is_some())
}

#[test]
fn wrong_machines_are_caught() {
    let cases: &[(Planted, Range<u64>)] = &[
        (Planted::AckAtReadQuorum, 1..2),
        (Planted::SclOverGaps, 0..1),
        (Planted::AckBeforeFlush, 14..15),
        (Planted::VolatileEpoch, 0..1),
        (Planted::RecoverMinimum, 0..1),
        (Planted::HistoryMerged, 0..1),
        (Planted::HistoryForgotten, 0..1),
        (Planted::StaleGossipTaken, 6..7),
        (Planted::VoidOnlySeen, 0..1),
        (Planted::ReadsBehind, 0..1),
        (Planted::VdlIgnoresCpl, 0..1),
    ];
    for (planted, seeds) in cases {
        let wrong = Wrong { planted: *planted, flush: FlushBug::None };
        assert!(is_caught(wrong, seeds.clone()), "{planted:?} is not caught by seeds {seeds:?}");
    }
}

#[test]
fn wrong_flushes_are_caught() {
    for (flush, seeds) in [(FlushBug::NeverFlushed, 0..1), (FlushBug::ErrorSwallowed, 9..10)] {
        let wrong = Wrong { planted: Planted::None, flush };
        assert!(is_caught(wrong, seeds.clone()), "{flush:?} is not caught by seeds {seeds:?}");
    }
}

#[test]
fn the_same_seeds_are_clean_with_nothing_planted() {
    for seed in [0, 1, 6, 9, 14] {
        let failure = run(seed, &Options::default(), Trace::Off).failure;
        assert_eq!(failure, None, "seed {seed}");
    }
}
