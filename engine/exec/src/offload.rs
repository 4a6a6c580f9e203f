//! The seam to another executor that runs subtrees of plans.
//!
//! This crate knows of the other one only that it takes a subtree and a frame and delivers rows into
//! the frame's slots, as the subtree's own nodes would.

use crate::context::ExecContext;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Datum;
use redoubt_plan::explain::NodeStats;
use redoubt_plan::{NodeId, Plan};
use std::sync::Arc;

/// An executor of subtrees.
pub trait Offload {
    /// Starts the subtree under a node; `frame` has the values of what it reads from outside.
    ///
    /// # Errors
    /// `0A000` for a subtree that it cannot run; those of opening tables.
    fn start(
        &self,
        plan: &Arc<Plan>,
        node: NodeId,
        ctx: &ExecContext<'_>,
        frame: &[Datum],
    ) -> PgResult<Box<dyn OffloadedRows>>;

    /// Whether the row executor may run a subtree that has ended with this error before its first row.
    fn may_run_by_rows(&self, error: &PgError) -> bool;
}

/// The rows of a subtree that runs elsewhere. Dropping it ends the work.
pub trait OffloadedRows: Send {
    /// Writes the next row into the slots that the subtree's top node delivers; false at the end.
    ///
    /// # Errors
    /// Those of the statement, cancelling included.
    fn next(&mut self, frame: &mut [Datum]) -> PgResult<bool>;

    /// Tells what the subtree's nodes have done; called once, after the last row.
    fn measured(&self, tell: &mut dyn FnMut(NodeId, NodeStats));
}
