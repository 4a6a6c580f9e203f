//! SeqScan.

use crate::exec::Exec;
use crate::node::Node;
use crate::nodes::sample::Sampling;
use crate::table::TableReader;
use redoubt_access::{Direction, HeapScan};
use redoubt_error::PgResult;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct SeqScanState {
    id: NodeId,
    open: Option<(TableReader, HeapScan)>,
    /// TABLESAMPLE, once its arguments are known.
    sampling: Option<Sampling>,
}

impl SeqScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        SeqScanState { id, open: None, sampling: None }
    }
}

impl Node for SeqScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::SeqScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if self.open.is_none() {
            let reader = TableReader::open(x, node.scan.range)?;
            let scan = HeapScan::new(reader.table.heap.clone(), x.ctx.storage.snapshot.clone());
            self.open = Some((reader, scan));
        }
        let (reader, scan) = self.open.as_mut().expect("just opened");
        if let Some(sample) = &node.sample {
            if self.sampling.is_none() {
                self.sampling = Some(Sampling::start(x, sample)?);
            }
        }
        while let Some((tid, tuple)) = scan.next(Direction::Forward)? {
            if self.sampling.as_ref().is_none_or(|sampling| sampling.chooses(tid)) {
                reader.deliver(&node.scan, tid, tuple, &mut x.frame)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        self.sampling = None;
        if let Some((_, scan)) = &mut self.open {
            scan.rewind();
        }
        Ok(())
    }
}
