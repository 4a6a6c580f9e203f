//! Nodes that only pass rows on.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_error::{PgError, PgResult};
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

/// A node whose kind cannot be executed yet.
pub(crate) struct UnsupportedState;

impl Node for UnsupportedState {
    fn next(&mut self, _: &mut Exec<'_>) -> PgResult<bool> {
        Err(PgError::unsupported("this kind of plan node"))
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        Ok(())
    }
}
