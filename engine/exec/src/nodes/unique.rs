//! Unique and Group: of adjacent rows with equal keys, the first.

use crate::exec::Exec;
use crate::keys::same_key;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct UniqueState {
    id: NodeId,
    child: PlanState,
    /// The keys of the row delivered last.
    last: Option<Vec<Datum>>,
}

impl UniqueState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        UniqueState { id, child, last: None }
    }
}

impl Node for UniqueState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let keys = match &x.plan.nodes[self.id.index()].kind {
            NodeKind::Unique { keys, .. } | NodeKind::Group { keys, .. } => keys,
            _ => unreachable!(),
        };
        while self.child.next(x)? {
            let Some(last) = &mut self.last else {
                self.last = Some(keys.iter().map(|key| x.get(key.slot).clone()).collect());
                return Ok(true);
            };
            for (key, value) in keys.iter().zip(last.iter()) {
                if !same_key(x, &key.equality, x.get(key.slot), value)? {
                    for (key, value) in keys.iter().zip(last.iter_mut()) {
                        *value = x.get(key.slot).clone();
                    }
                    return Ok(true);
                }
            }
            x.ctx.check_for_interrupts()?;
        }
        Ok(false)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.last = None;
        self.child.rescan(x, changed)
    }
}
