//! DataFusion as a second executor, for aggregates and joins over many rows.
//!
//! This is the only crate that knows DataFusion and Arrow. The planner's plan stays what says what a
//! statement computes; [`offload_parts`] and [`offload_all`] put a node above the parts that run here, and
//! [`DataFusion`] runs them when the row executor comes to that node. See `README.md`.

mod accumulate;
mod accumulate_numeric;
mod aggregate;
mod choose;
mod error;
mod evaluate;
mod flow;
mod heap_scan;
mod kernels;
mod predicate;
mod program_exec;
mod repr;
mod run;
mod transition;
mod translate;
mod verified;

pub use choose::{COST_FACTOR, NAME, offload_all, offload_parts};
pub use run::DataFusion;
