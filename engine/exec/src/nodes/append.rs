//! Append: the rows of each child in turn.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_plan::SlotSet;

pub(crate) struct AppendState {
    children: Vec<PlanState>,
    current: usize,
}

impl AppendState {
    pub(crate) fn new(children: Vec<PlanState>) -> Self {
        AppendState { children, current: 0 }
    }
}

impl Node for AppendState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        while let Some(child) = self.children.get_mut(self.current) {
            if child.next(x)? {
                return Ok(true);
            }
            self.current += 1;
        }
        Ok(false)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.current = 0;
        self.children.iter_mut().try_for_each(|child| child.rescan(x, changed))
    }
}
