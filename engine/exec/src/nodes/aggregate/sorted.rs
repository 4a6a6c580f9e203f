//! Groups that come one after the other; or one group of all rows.

use super::aggregation;
use crate::aggregates::new_states;
use crate::exec::Exec;
use crate::keys::same_key;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::aggregate::{AggStrategy, Aggregation};
use redoubt_plan::{NodeId, SlotSet};

pub(crate) struct SortedState {
    id: NodeId,
    child: PlanState,
    /// The first row of the next group, as the input delivered it: finishing a group's calls and what is
    /// computed on it write the input's slots.
    pending: Option<Vec<Datum>>,
    done: bool,
}

impl SortedState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        SortedState { id, child, pending: None, done: false }
    }
}

impl Node for SortedState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.done {
            return Ok(false);
        }
        let node = aggregation(x, self.id);
        let plain = node.strategy == AggStrategy::Plain;
        let mut found = true;
        match self.pending.take() {
            Some(row) => x.write_live(self.child.id(), row),
            None => found = self.child.next(x)?,
        }
        if !found {
            self.done = true;
            if !plain {
                return Ok(false);
            }
        }
        let keys: Vec<Datum> = node.keys.iter().map(|key| x.get(key.slot).clone()).collect();
        let carried: Vec<Datum> = node.carried.iter().map(|(from, _)| x.get(*from).clone()).collect();
        let mut states = new_states(&node.calls, x);
        let mut held = x.ctx.storage.work.reserve();
        while found {
            for (call, state) in node.calls.iter().zip(states.iter_mut()) {
                x.accumulate(call, state, &mut held)?;
            }
            x.ctx.check_for_interrupts()?;
            if !self.child.next(x)? {
                (found, self.done) = (false, true);
            } else if !same_group(x, node, &keys)? {
                self.pending = Some(x.read_live(self.child.id()));
                break;
            }
        }
        for (slot, value) in node.key_outs.iter().zip(keys) {
            x.set(*slot, value);
        }
        for ((_, slot), value) in node.carried.iter().zip(carried) {
            x.set(*slot, value);
        }
        for (call, state) in node.calls.iter().zip(states.iter_mut()) {
            x.finish_call(call, state)?;
        }
        Ok(true)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        (self.pending, self.done) = (None, false);
        self.child.rescan(x, changed)
    }
}

/// Whether the current input row belongs to the group with these keys.
fn same_group(x: &Exec<'_>, node: &Aggregation, keys: &[Datum]) -> PgResult<bool> {
    for (key, value) in node.keys.iter().zip(keys) {
        if !same_key(x, &key.equality, x.get(key.slot), value)? {
            return Ok(false);
        }
    }
    Ok(true)
}
