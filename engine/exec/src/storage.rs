//! Tables under a statement's snapshot: opening them, reading them row by row into the frame.

use crate::execution::{Cx, Execution};
use crate::state::State;
use redoubt_access::{Direction, Engine, Heap, HeapScan, Tid, TupleRef, deform_needed};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, RecordValue, TidValue, TupleDesc};
use redoubt_plan::node::NodeId;
use redoubt_plan::range::RangeKind;
use redoubt_plan::scan::{IndexScan, ScanColumns, SeqScan, TidScan};
use redoubt_txn::{Snapshot, Txn};
use std::sync::Arc;

/// What a statement may do to tables, and as which transaction.
pub struct Storage<'a> {
    /// Pool, space, open tables.
    pub engine: &'a Arc<Engine>,
    /// The transaction.
    pub txn: &'a Txn,
    /// What the statement sees.
    pub snapshot: Snapshot,
    /// Tables by OID.
    pub relations: &'a dyn Relations,
}

/// Opens tables by `pg_class.oid`.
pub trait Relations {
    /// The table's storage and name.
    ///
    /// # Errors
    /// `XX000` when there is no such table, which the statement's lock forbids; those of reading pages.
    fn open(&self, relid: Oid) -> PgResult<OpenTable>;
}

/// An open table.
#[derive(Clone)]
pub struct OpenTable {
    /// Its rows.
    pub heap: Arc<Heap>,
    /// Its name, for messages.
    pub name: Arc<str>,
    /// Its schema's name, for messages.
    pub schema: Arc<str>,
    /// How full insertions make a page, in percent.
    pub fillfactor: u8,
}

/// A sequential scan in progress.
pub(crate) struct TableCursor {
    scan: HeapScan,
    desc: TupleDesc,
    /// Which columns are made, up to the last one needed.
    needed: Vec<bool>,
    row: Vec<Datum>,
}

/// An index scan in progress.
pub(crate) struct IndexCursor {}

impl Execution {
    pub(crate) fn next_seq_scan(&mut self, cx: &Cx<'_>, id: NodeId, node: &SeqScan) -> PgResult<bool> {
        let mut cursor = match self.take(id) {
            State::Table(cursor) => cursor,
            State::Done => {
                self.put(id, State::Done);
                return Ok(false);
            }
            _ => Box::new(open_cursor(cx, &node.scan)?),
        };
        let more = match cursor.scan.next(Direction::Forward)? {
            Some((tid, tuple)) => {
                cursor.row.clear();
                deform_needed(tuple, &cursor.desc, &cursor.needed, &mut cursor.row)?;
                self.write_row(&node.scan, &cursor.desc, tid, tuple, &cursor.row)?;
                true
            }
            None => false,
        };
        self.put(id, if more { State::Table(cursor) } else { State::Done });
        Ok(more)
    }

    /// Puts a row's columns where the plan wants them.
    pub(crate) fn write_row(
        &mut self,
        scan: &ScanColumns,
        desc: &TupleDesc,
        tid: Tid,
        tuple: TupleRef<'_>,
        row: &[Datum],
    ) -> PgResult<()> {
        for (attno, slot) in &scan.columns {
            self.frame[slot.index()] = row[*attno as usize - 1].clone();
        }
        for (attno, slot) in &scan.system {
            self.frame[slot.index()] = system_column(*attno, scan.relid, tid, tuple)?;
        }
        if let Some(slot) = scan.whole_row {
            let fields = row.iter().cloned().collect();
            let record = RecordValue { type_oid: redoubt_functions::types::RECORD, desc: desc.clone(), fields };
            self.frame[slot.index()] = Datum::Record(Arc::new(record));
        }
        Ok(())
    }

    pub(crate) fn next_index_scan(&mut self, _: &Cx<'_>, _: NodeId, _: &IndexScan) -> PgResult<bool> {
        Err(PgError::unsupported("index scan"))
    }

    pub(crate) fn next_tid_scan(&mut self, _: &Cx<'_>, _: NodeId, _: &TidScan) -> PgResult<bool> {
        Err(PgError::unsupported("TID scan"))
    }
}

fn open_cursor(cx: &Cx<'_>, scan: &ScanColumns) -> PgResult<TableCursor> {
    let RangeKind::Relation { desc, .. } = &cx.plan.ranges[scan.range].kind else {
        return Err(PgError::internal("a table scan needs a table"));
    };
    let table = cx.storage.relations.open(scan.relid)?;
    let last = if scan.whole_row.is_some() {
        desc.len()
    } else {
        scan.columns.last().map_or(0, |(attno, _)| *attno as usize)
    };
    let mut needed = vec![scan.whole_row.is_some(); last];
    for (attno, _) in &scan.columns {
        needed[*attno as usize - 1] = true;
    }
    Ok(TableCursor {
        scan: HeapScan::new(table.heap, cx.storage.snapshot.clone()),
        desc: desc.clone(),
        row: Vec::with_capacity(last),
        needed,
    })
}

/// PostgreSQL's system columns. Transaction ids are 64 bits here; what is shown are the low 32, as
/// the type `xid` has it.
pub(crate) fn system_column(attno: i16, relid: Oid, tid: Tid, tuple: TupleRef<'_>) -> PgResult<Datum> {
    let stamps = tuple.stamps();
    Ok(match attno {
        -1 => Datum::Tid(TidValue { block: tid.block, slot: tid.slot }),
        -2 => Datum::Oid(stamps.xmin.get() as u32),
        -3 => Datum::Oid(stamps.cmin.get()),
        -4 => Datum::Oid(stamps.xmax.get() as u32),
        -5 => Datum::Oid(stamps.cmax.get()),
        -6 => Datum::Oid(relid),
        other => return Err(PgError::internal(format!("invalid system attribute number {other}"))),
    })
}
