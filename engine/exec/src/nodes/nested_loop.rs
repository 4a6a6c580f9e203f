//! NestedLoop.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::join::JoinType;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct NestedLoopState {
    id: NodeId,
    outer: PlanState,
    inner: PlanState,
    /// The outer slots hold a row whose inner rows are being read.
    open: bool,
    matched: bool,
    /// The inner input has been read before and must start over.
    used: bool,
    /// What changed outside since the inner input last started.
    changed: SlotSet,
}

impl NestedLoopState {
    pub(crate) fn new(id: NodeId, outer: PlanState, inner: PlanState) -> Self {
        NestedLoopState {
            id,
            outer,
            inner,
            open: false,
            matched: false,
            used: false,
            changed: SlotSet::new(),
        }
    }
}

impl Node for NestedLoopState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::NestedLoop(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        loop {
            if !self.open {
                if !self.outer.next(x)? {
                    return Ok(false);
                }
                (self.open, self.matched) = (true, false);
                if self.used {
                    self.changed.union_with(&node.params);
                    self.inner.rescan(x, &self.changed)?;
                    self.changed = SlotSet::new();
                }
                self.used = true;
            }
            if !self.inner.next(x)? {
                self.open = false;
                if !self.matched && matches!(node.join, JoinType::Left | JoinType::Anti) {
                    null_slots(x, self.inner.id());
                    return Ok(true);
                }
                continue;
            }
            if let Some(condition) = &node.condition {
                if !x.run(&condition.program)? {
                    x.ctx.check_for_interrupts()?;
                    x.note(self.id, |stats| stats.join_filtered += 1);
                    continue;
                }
            }
            self.matched = true;
            if node.join == JoinType::Anti {
                self.open = false;
                continue;
            }
            if node.single_match || node.join == JoinType::Semi {
                self.open = false;
            }
            return Ok(true);
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.open = false;
        self.changed.union_with(changed);
        self.outer.rescan(x, changed)
    }
}

/// Makes all columns that a node delivers NULL: its side of an outer join has no match.
pub(crate) fn null_slots(x: &mut Exec<'_>, id: NodeId) {
    for slot in &x.plan.nodes[id.index()].live {
        x.frame[slot.index()] = Datum::Null;
    }
}
