//! Index-only scans: rows from entries whose blocks everybody sees all of.
//!
//! The map of such blocks is looked at after the entry was read. In between, vacuum may have removed the entry and its
//! row and marked the block. So an answer counts only if no block of the table was marked since the leaf
//! was read ([`redoubt_access::Heap::visibility_marks`]); PostgreSQL keeps vacuum off by a pin on the leaf instead.

use crate::index_key::decode_entry;
use redoubt_access::{Heap, IndexEntry};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::Slot;
use redoubt_plan::facts::IndexFacts;
use redoubt_plan::scan::IndexScan;

/// The state of an index-only scan.
pub(super) struct IndexOnly {
    /// Index columns and where they are wanted.
    columns: Vec<(usize, Slot)>,
    /// Columns to be read of an entry.
    width: usize,
    values: Vec<Datum>,
    /// The leaf that entries come from, and the table's marks before it was read.
    leaf: u64,
    marks: u64,
    /// What was found of the block looked at last; good for the leaf.
    known: Option<(u32, bool)>,
    /// Rows that had to be looked up in the table.
    pub heap_fetches: u64,
}

impl IndexOnly {
    /// For a scan that is to read the index alone; nothing if it wants what no index has.
    pub(super) fn new(node: &IndexScan) -> Option<Self> {
        if !node.index_only || !node.scan.system.is_empty() || node.scan.whole_row.is_some() {
            return None;
        }
        let place = |attno: i16| node.index.columns.iter().position(|column| column.attno == attno);
        let columns = node.scan.columns.iter().map(|&(attno, slot)| Some((place(attno)?, slot)));
        let columns: Vec<(usize, Slot)> = columns.collect::<Option<_>>()?;
        let width = columns.iter().map(|(at, _)| at + 1).max().unwrap_or(0);
        Some(IndexOnly {
            columns,
            width,
            values: Vec::new(),
            leaf: u64::MAX,
            marks: 0,
            known: None,
            heap_fetches: 0,
        })
    }

    /// The scan starts over, and numbers leaves anew.
    pub(super) fn forget(&mut self) {
        (self.leaf, self.known) = (u64::MAX, None);
    }

    /// An entry was read, of this leaf; `marks` are the table's from before that.
    pub(super) fn entry_read(&mut self, leaf: u64, marks: u64) {
        if self.leaf != leaf {
            (self.leaf, self.marks, self.known) = (leaf, marks, None);
        }
    }

    /// Writes the row's columns into their slots; false if it has to be looked up in the table.
    pub(super) fn deliver(
        &mut self,
        heap: &Heap,
        index: &IndexFacts,
        entry: &IndexEntry<'_>,
        frame: &mut [Datum],
    ) -> PgResult<bool> {
        let block = entry.tid.block;
        let visible = match self.known {
            Some((known, visible)) if known == block => visible,
            _ => {
                let visible = heap.is_all_visible(block)? && heap.visibility_marks() == self.marks;
                self.known = Some((block, visible));
                visible
            }
        };
        if !visible || !decode_entry(index, self.width, entry, &mut self.values)? {
            self.heap_fetches += 1;
            return Ok(false);
        }
        for (at, slot) in &self.columns {
            frame[slot.index()] = self.values[*at].clone();
        }
        Ok(true)
    }
}
