//! Result: one row, or the child's rows, under a condition that is tested once.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct ResultState {
    id: NodeId,
    child: Option<PlanState>,
    /// The condition has been tested and holds.
    open: bool,
    done: bool,
}

impl ResultState {
    pub(crate) fn new(id: NodeId, child: Option<PlanState>) -> Self {
        ResultState { id, child, open: false, done: false }
    }
}

impl Node for ResultState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.done {
            return Ok(false);
        }
        if !self.open {
            let NodeKind::Result { once, .. } = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
            if let Some(condition) = once {
                if !x.run(&condition.program)? {
                    self.done = true;
                    return Ok(false);
                }
            }
            self.open = true;
        }
        match &mut self.child {
            Some(child) => child.next(x),
            None => {
                self.done = true;
                Ok(true)
            }
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        (self.open, self.done) = (false, false);
        self.child.as_mut().map_or(Ok(()), |child| child.rescan(x, changed))
    }
}
