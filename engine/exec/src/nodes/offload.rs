//! Offload: a subtree that another executor runs.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use crate::offload::OffloadedRows;
use redoubt_error::{PgError, PgResult};
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct OffloadState {
    id: NodeId,
    rows: Option<Rows>,
    delivered: bool,
    done: bool,
}

/// Who runs the subtree.
enum Rows {
    /// The other executor.
    There(Box<dyn OffloadedRows>),
    /// The subtree's own nodes, because the other one could not.
    Here(PlanState),
}

impl OffloadState {
    pub(crate) fn new(id: NodeId) -> Self {
        OffloadState { id, rows: None, delivered: false, done: false }
    }

    fn child(&self, x: &Exec<'_>) -> NodeId {
        let NodeKind::Offload { child, .. } = x.plan.nodes[self.id.index()].kind else { unreachable!() };
        child
    }

    fn start(&mut self, x: &Exec<'_>) -> PgResult<()> {
        let (Some(executor), Some(plan)) = (x.ctx.storage.offload, x.shared_plan) else {
            return Err(PgError::internal("a plan has a part for an executor that is not there"));
        };
        self.rows = Some(Rows::There(executor.start(plan, self.child(x), x.ctx, &x.frame)?));
        Ok(())
    }

    /// The next row; false at the end.
    fn step(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let child = self.child(x);
        let there = match self.rows.as_mut().expect("it has been started") {
            Rows::Here(node) => return node.next(x),
            Rows::There(rows) => rows,
        };
        let error = match there.next(&mut x.frame) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let may = x.ctx.storage.offload.is_some_and(|executor| executor.may_run_by_rows(&error));
        if self.delivered || !may {
            return Err(error);
        }
        // The other executor ends first, and gives back what it holds.
        self.rows = None;
        let mut node = PlanState::new(x.plan, child);
        let found = node.next(x);
        self.rows = Some(Rows::Here(node));
        found
    }
}

impl Node for OffloadState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.done {
            return Ok(false);
        }
        if self.rows.is_none() {
            self.start(x)?;
        }
        let found = self.step(x)?;
        self.delivered |= found;
        self.done = !found;
        if let (false, Some(meter), Some(Rows::There(rows))) = (found, &mut x.meter, &self.rows) {
            rows.measured(&mut |node, stats| meter.set(node, stats));
        }
        Ok(found)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        (self.rows, self.delivered, self.done) = (None, false, false);
        Ok(())
    }
}
