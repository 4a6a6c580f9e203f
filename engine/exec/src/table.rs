//! Reading table rows into the frame.

use crate::context::OpenTable;
use crate::exec::Exec;
use redoubt_access::{Tid, TupleRef};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, RecordValue, TidValue, TupleDesc};
use redoubt_plan::range::RangeKind;
use redoubt_plan::scan::ScanColumns;
use redoubt_plan::{NodeId, NodeKind, Slot};
use std::sync::Arc;

/// A table open for reading.
pub(crate) struct TableReader {
    pub table: OpenTable,
    /// Its columns as the plan knows them.
    pub desc: TupleDesc,
}

impl TableReader {
    /// Opens the table that a range-table entry stands for.
    pub(crate) fn open(x: &Exec<'_>, range: usize) -> PgResult<Self> {
        let RangeKind::Relation { relid, desc, .. } = &x.plan.ranges[range].kind else {
            return Err(PgError::internal("a table scan needs a table"));
        };
        let table = x.ctx.storage.relations.open(*relid)?;
        Ok(TableReader { table, desc: desc.clone() })
    }

    /// Writes the columns that are wanted of a row into their slots.
    #[inline]
    pub(crate) fn deliver(
        &self,
        scan: &ScanColumns,
        tid: Tid,
        tuple: TupleRef<'_>,
        frame: &mut [Datum],
    ) -> PgResult<()> {
        deform_into(tuple, &self.desc, &scan.columns, frame)?;
        for &(attno, slot) in &scan.system {
            frame[slot.index()] = system_column(attno, scan.relid, tid, tuple);
        }
        if let Some(slot) = scan.whole_row {
            frame[slot.index()] = self.whole_row(tuple, scan.row_type)?;
        }
        Ok(())
    }

    fn whole_row(&self, tuple: TupleRef<'_>, type_oid: Oid) -> PgResult<Datum> {
        let desc = &self.desc;
        let mut fields = Vec::with_capacity(desc.len());
        redoubt_access::deform(tuple, desc, desc.len(), &mut fields)?;
        Ok(Datum::Record(Arc::new(RecordValue { type_oid, desc: desc.clone(), fields: fields.into() })))
    }
}

/// Reads columns (ascending by attribute number) of a row into slots.
#[inline]
pub(crate) fn deform_into(
    tuple: TupleRef<'_>,
    desc: &TupleDesc,
    columns: &[(i16, Slot)],
    frame: &mut [Datum],
) -> PgResult<()> {
    let mut values = tuple.values();
    let stored = tuple.natts();
    let mut next = 0;
    for &(attno, slot) in columns {
        let wanted = attno as usize - 1;
        while next < wanted.min(stored) {
            values.skip()?;
            next += 1;
        }
        let attr = &desc.attrs[wanted];
        frame[slot.index()] = if attr.dropped {
            Datum::Null
        } else if wanted < stored {
            next = wanted + 1;
            values.read()?
        } else {
            attr.missing.clone().unwrap_or(Datum::Null)
        };
    }
    Ok(())
}

/// The value of a system column.
pub(crate) fn system_column(attno: i16, relid: Oid, tid: Tid, tuple: TupleRef<'_>) -> Datum {
    let stamps = tuple.stamps();
    match attno {
        -1 => Datum::Tid(TidValue { block: tid.block, slot: tid.slot }),
        // The type xid has 32 bits; clients see the low half, as of any transaction of that epoch.
        -2 => Datum::Oid(stamps.xmin.get() as u32),
        -3 => Datum::Oid(stamps.cmin.get()),
        -4 => Datum::Oid(stamps.xmax.get() as u32),
        -5 => Datum::Oid(stamps.cmax.get()),
        -6 => Datum::Oid(relid),
        other => unreachable!("no system column {other}"),
    }
}

/// Delivers a given version of a row as a scan node would.
pub(crate) fn deliver_row(x: &mut Exec<'_>, id: NodeId, tid: Tid, bytes: &[u8]) -> PgResult<bool> {
    let plan = x.plan;
    let scan = match &plan.nodes[id.index()].kind {
        NodeKind::SeqScan(node) => &node.scan,
        NodeKind::IndexScan(node) => &node.scan,
        NodeKind::BitmapHeapScan(node) => &node.scan,
        NodeKind::TidScan(node) => &node.scan,
        _ => return Err(PgError::internal("only a table scan delivers a table's row")),
    };
    let reader = TableReader::open(x, scan.range)?;
    let tuple = TupleRef::new(bytes).ok_or_else(|| PgError::internal("a row version without a header"))?;
    reader.deliver(scan, tid, tuple, &mut x.frame)?;
    Ok(true)
}
