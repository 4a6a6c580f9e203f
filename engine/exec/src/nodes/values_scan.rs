//! ValuesScan.

use crate::exec::Exec;
use crate::node::Node;
use redoubt_error::PgResult;
use redoubt_plan::scan::ValuesRow;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct ValuesScanState {
    id: NodeId,
    next: usize,
}

impl ValuesScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        ValuesScanState { id, next: 0 }
    }
}

impl Node for ValuesScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::ValuesScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        let Some(row) = node.rows.get(self.next) else { return Ok(false) };
        self.next += 1;
        match row {
            ValuesRow::Constant(values) => {
                for (value, &(_, slot)) in values.iter().zip(&node.columns) {
                    x.frame[slot.index()] = value.clone();
                }
            }
            ValuesRow::Computed(program) => {
                x.run(program)?;
            }
        }
        Ok(true)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        self.next = 0;
        Ok(())
    }
}
