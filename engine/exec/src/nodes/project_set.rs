//! ProjectSet: set-returning functions in the target list, in lock step.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Rows};
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct ProjectSetState {
    id: NodeId,
    child: PlanState,
    /// The rows of each call for the current input row; `None` when used up.
    rows: Vec<Option<Rows>>,
    active: bool,
}

impl ProjectSetState {
    pub(crate) fn new(id: NodeId, child: PlanState, calls: usize) -> Self {
        let mut rows = Vec::new();
        rows.resize_with(calls, || None);
        ProjectSetState { id, child, rows, active: false }
    }
}

impl Node for ProjectSetState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::ProjectSet(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        loop {
            x.ctx.check_for_interrupts()?;
            if !self.active {
                if !self.child.next(x)? {
                    return Ok(false);
                }
                for (rows, call) in self.rows.iter_mut().zip(&node.calls) {
                    *rows = Some(x.start_set(call)?);
                }
                self.active = true;
            }
            let mut any = false;
            for (rows, call) in self.rows.iter_mut().zip(&node.calls) {
                let value = match rows.as_mut().and_then(Iterator::next) {
                    Some(value) => {
                        any = true;
                        value?
                    }
                    None => {
                        *rows = None;
                        Datum::Null
                    }
                };
                x.set(call.out, value);
            }
            if any {
                return Ok(true);
            }
            self.active = false;
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.rows.iter_mut().for_each(|rows| *rows = None);
        self.active = false;
        self.child.rescan(x, changed)
    }
}
