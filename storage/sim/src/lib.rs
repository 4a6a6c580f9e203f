//! The storage tier under one seed: the real nodes on disks that forget, tear and rot, writers that are killed and
//! overtaken, a network that loses, repeats and reorders, and checkers that ask nobody. See the README.

mod checks;
mod compute;
mod disk;
mod faults;
mod host;
mod network;
mod party;
mod rng;
mod run;
mod scripts;
mod setup;
mod strikes;
mod trace;
mod truth;
mod world;

pub use disk::FlushBug;
pub use faults::{Coverage, Fault, FaultPlan, MUST_HAPPEN};
pub use run::{Options, Outcome, Wrong, run, shrink};
pub use scripts::Script;
pub use trace::Trace;
