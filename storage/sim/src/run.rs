//! One seed from beginning to end, and what came of it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::disk::FlushBug;
use crate::faults::{Coverage, Fault, FaultPlan};
use crate::scripts::Script;
use crate::trace::Trace;
use crate::world::World;

/// How long faults go on.
const FAULTS_US: u64 = 1_000_000;

/// What is wrong with the machines on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// A wrong variant of the protocol's machines.
    #[cfg(feature = "planted-bugs")]
    pub planted: redoubt_protocol::Planted,
    /// A mistake about flushes in every node.
    pub flush: FlushBug,
}

/// What a run is made of, besides its seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Faults that are left out.
    pub without: Vec<Fault>,
    /// What is wrong on purpose.
    pub wrong: Wrong,
    /// What happens, when it is told by a script.
    pub script: Option<Script>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The faults it had.
    pub plan: FaultPlan,
    /// What happened, counted.
    pub coverage: Coverage,
    /// Events handled.
    pub events: u64,
    /// The newest lines of the trace, when they were kept.
    pub trace: Vec<String>,
    /// What was found to be wrong.
    pub failure: Option<String>,
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics of simulated runs kept instead of printed.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_ours = LAST_PANIC.with(|last| last.borrow().is_some());
            if !is_ours {
                return usual(info);
            }
            let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
            let text = info.payload_as_str().unwrap_or("a panic without words");
            LAST_PANIC.with(|last| *last.borrow_mut() = Some(format!("{text}{place}")));
        }));
    });
}

/// Runs a seed.
pub fn run(seed: u64, options: &Options, trace: Trace) -> Outcome {
    keep_panics();
    let plan = match options.script {
        Some(_) => FaultPlan::scripted(seed),
        None => FaultPlan::draw(seed, &options.without),
    };
    let mut world = World::new(seed, plan.clone(), options.wrong.flush, trace);
    #[cfg(feature = "planted-bugs")]
    world.plant(options.wrong.planted);
    LAST_PANIC.with(|last| *last.borrow_mut() = Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(|| {
        world.make_cluster();
        world.begin();
        match options.script {
            Some(script) => world.play(script),
            None => world.run_until(FAULTS_US),
        }
        world.heal();
    }));
    let panic = LAST_PANIC.with(|last| last.borrow_mut().take());
    world.count_hosts();
    Outcome {
        seed,
        plan,
        coverage: world.coverage.clone(),
        events: world.handled,
        trace: world.trace.kept(),
        failure: result.err().map(|_| panic.unwrap_or_default()),
    }
}

/// Leaves out one kind of fault after the other for as long as the seed still fails, and returns those that can
/// all be left out.
pub fn shrink(seed: u64, options: &Options) -> Vec<Fault> {
    let mut without = options.without.clone();
    let plan = FaultPlan::draw(seed, &without);
    for fault in plan.present().collect::<Vec<_>>() {
        let mut fewer = without.clone();
        fewer.push(fault);
        let attempt = Options { without: fewer.clone(), ..options.clone() };
        if run(seed, &attempt, Trace::Off).failure.is_some() {
            without = fewer;
        }
    }
    without
}
