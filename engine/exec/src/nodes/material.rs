//! Material: keeps its input's rows, so that a rescan need not compute them again.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use crate::spill::tuple_store::TupleStore;
use redoubt_error::PgResult;
use redoubt_plan::SlotSet;

pub(crate) struct MaterialState {
    child: PlanState,
    store: TupleStore,
    next: usize,
    complete: bool,
}

impl MaterialState {
    pub(crate) fn new(child: PlanState) -> Self {
        MaterialState { child, store: TupleStore::default(), next: 0, complete: false }
    }
}

impl Node for MaterialState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let slots = &x.plan.nodes[self.child.id().index()].live;
        if self.next < self.store.len() {
            self.store.load(x, slots, self.next)?;
            self.next += 1;
            return Ok(true);
        }
        if self.complete || !self.child.next(x)? {
            self.complete = true;
            return Ok(false);
        }
        if self.store.len() == 0 {
            self.store = TupleStore::new(&x.ctx.storage.work, slots.len());
        }
        self.store.push(x, slots)?;
        self.next += 1;
        Ok(true)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.next = 0;
        if self.child.depends_on(x, changed) {
            self.store.clear();
            self.complete = false;
            return self.child.rescan(x, changed);
        }
        Ok(())
    }
}
