//! TidScan: rows by ctid, in ctid order, each once.

use crate::exec::Exec;
use crate::node::Node;
use crate::table::TableReader;
use redoubt_access::{FetchBuf, Tid};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::scan::TidScan;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct TidScanState {
    id: NodeId,
    table: Option<TableReader>,
    places: Option<Vec<Tid>>,
    next: usize,
    buf: FetchBuf,
}

impl TidScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        TidScanState { id, table: None, places: None, next: 0, buf: FetchBuf::default() }
    }

    fn places<'a>(&self, x: &mut Exec<'a>, node: &'a TidScan) -> PgResult<Vec<Tid>> {
        let mut places = Vec::new();
        let mut add = |value: &Datum| {
            if let Datum::Tid(place) = value {
                places.push(Tid::new(place.block, place.slot));
            }
        };
        for (value, is_array) in &node.tids {
            match x.value(value)? {
                Datum::Array(array) if *is_array => array.elems.iter().for_each(&mut add),
                value => add(value),
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}

impl Node for TidScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::TidScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if self.table.is_none() {
            self.table = Some(TableReader::open(x, node.scan.range)?);
        }
        if self.places.is_none() {
            self.places = Some(self.places(x, node)?);
            self.next = 0;
        }
        let (table, places) = (self.table.as_ref().expect("open"), self.places.as_ref().expect("computed"));
        while let Some(&tid) = places.get(self.next) {
            self.next += 1;
            if tid.is_valid() && table.table.heap.fetch(tid, &x.ctx.storage.snapshot, &mut self.buf)? {
                table.deliver(&node.scan, tid, self.buf.tuple(), &mut x.frame)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        self.places = None;
        Ok(())
    }
}
