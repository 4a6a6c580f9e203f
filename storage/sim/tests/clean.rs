//! Seeds in which nothing is wrong on purpose: nothing may be found, and every fault must really have happened.

use redoubt_sim::{Coverage, MUST_HAPPEN, Options, Trace, run};

/// Seeds above the first forty that found something once, with the shapes that seeds had then: a page of an older
/// version, logs that stood still, and an SCL that may fall because a history was taken back.
const FOUND_SOMETHING_ONCE: [u64; 4] = [40, 54, 96, 142];

#[test]
fn forty_seeds_and_more_find_nothing_and_have_every_fault() {
    let mut total = Coverage::default();
    for seed in (0..40).chain(FOUND_SOMETHING_ONCE) {
        let outcome = run(seed, &Options::default(), Trace::Off);
        assert!(outcome.failure.is_none(), "make sim SEED={seed}: {}", outcome.failure.unwrap_or_default());
        total.merge(&outcome.coverage);
    }
    let absent: Vec<&str> = MUST_HAPPEN.iter().copied().filter(|what| total.count(what) == 0).collect();
    assert!(absent.is_empty(), "never happened: {absent:?}");
}

#[test]
fn a_seed_is_the_same_run_again() {
    for seed in [3, 8] {
        let [first, again] = [(); 2].map(|()| run(seed, &Options::default(), Trace::keep(100_000)));
        assert_eq!(first.events, again.events, "seed {seed}");
        assert!(first.trace == again.trace, "seed {seed} did not say the same");
    }
}
