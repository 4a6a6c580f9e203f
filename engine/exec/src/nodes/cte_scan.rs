//! CteScan and WorkTableScan.

use crate::exec::Exec;
use crate::node::Node;
use redoubt_error::PgResult;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct CteScanState {
    id: NodeId,
    next: usize,
}

impl CteScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        CteScanState { id, next: 0 }
    }
}

impl Node for CteScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::CteScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if !x.fetch_cte(node.cte, self.next)? {
            return Ok(false);
        }
        let state = x.ctes[node.cte].as_mut().expect("just fetched");
        let row = state.store.row(self.next)?;
        for &(column, slot) in &node.columns {
            x.frame[slot.index()] = row[column].clone();
        }
        self.next += 1;
        Ok(true)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        let NodeKind::CteScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        self.next = 0;
        x.restart_cte(node.cte, changed)
    }
}

pub(crate) struct WorkTableScanState {
    id: NodeId,
    next: usize,
}

impl WorkTableScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        WorkTableScanState { id, next: 0 }
    }
}

impl Node for WorkTableScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::WorkTableScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        let table = &mut x.work_tables[node.cte];
        if self.next >= table.len() {
            return Ok(false);
        }
        let row = table.row(self.next)?;
        for &(column, slot) in &node.columns {
            x.frame[slot.index()] = row[column].clone();
        }
        self.next += 1;
        Ok(true)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        self.next = 0;
        Ok(())
    }
}
