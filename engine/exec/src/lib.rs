//! The row executor: plans into rows.
//!
//! A synchronous, demand-pulled tree of nodes over one frame of slots. [`Execution`] runs one plan
//! once; it can be set aside between rows and resumed, as cursors need. What it works with comes in
//! an [`ExecContext`] at every call.

mod aggregates;
mod bitmap;
mod constraints;
mod context;
mod cte;
mod exec;
mod index_key;
mod instrument;
mod interpret;
mod keys;
mod node;
mod nodes;
mod offload;
mod quicksort;
mod recheck;
mod referential;
mod row_evaluator;
mod rows;
mod set_call;
mod spill;
mod subplan;
mod table;

pub use context::{ExecContext, OpenTable, Relations, Storage};
pub use exec::Execution;
pub use index_key::{encode_key, encode_payload};
pub use interpret::apply_fast;
pub use nodes::modify::{Feed, RowSource};
pub use offload::{Offload, OffloadedRows};
pub use row_evaluator::RowEvaluator;
pub use spill::{Account, ExternalSort, Sortable, Work, WorkSpace};
