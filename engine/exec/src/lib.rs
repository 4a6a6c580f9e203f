//! The row executor: plans into rows.
//!
//! | to | call |
//! |---|---|
//! | start a plan | [`Execution::new`] with the parameters' values |
//! | get a row | [`Execution::next`], then [`Execution::row`] |
//! | know how many rows were changed | [`Execution::processed`] |
//!
//! Rows never move: every column lives in a slot of the statement's frame (redoubt-plan, `slot`), a
//! scan writes it there, and whatever reads it, on any level, reads it there. A node is asked for
//! its next row and answers whether there is one. Nodes that hold rows back save the slots that are
//! read above them and restore them when they deliver.

mod aggregate;
mod arrays;
mod composite;
mod cte;
mod execution;
mod fast;
mod hash_join;
mod interpret;
mod join;
mod merge_append;
mod modify;
mod project_set;
mod scan_function;
mod set_op;
mod simple;
mod state;
mod storage;
mod subplan;

pub use execution::{ExecContext, Execution};
pub use storage::{OpenTable, Relations, Storage};
