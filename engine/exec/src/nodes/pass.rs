//! Nodes that only pass rows on.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_plan::SlotSet;

/// A node that adds nothing but a filter: SubqueryScan, Hash.
pub(crate) struct PassState {
    child: PlanState,
}

impl PassState {
    pub(crate) fn new(child: PlanState) -> Self {
        PassState { child }
    }
}

impl Node for PassState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        self.child.next(x)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.child.rescan(x, changed)
    }
}
