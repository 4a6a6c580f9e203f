//! Rows as they are sorted.

use super::external_sort::Sortable;
use super::row_format::RowFormat;
use super::work::row_bytes;
use crate::exec::Exec;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::Slot;

/// A row of some sort; all rows of one sort have the same width.
pub(crate) struct SortedRow(pub Box<[Datum]>);

/// How the rows of a sort look in its file.
#[derive(Default)]
pub(crate) struct SortedRows {
    format: RowFormat,
    width: usize,
}

impl SortedRow {
    /// The current values of these slots.
    pub(crate) fn of(x: &Exec<'_>, slots: &[Slot]) -> Self {
        SortedRow(slots.iter().map(|slot| x.get(*slot).clone()).collect())
    }

    /// Writes the row back into its slots.
    pub(crate) fn load(&self, x: &mut Exec<'_>, slots: &[Slot]) {
        for (slot, value) in slots.iter().zip(&self.0) {
            x.frame[slot.index()] = value.clone();
        }
    }
}

impl Sortable for SortedRow {
    type Format = SortedRows;

    fn write(&self, format: &mut SortedRows, out: &mut Vec<u8>) -> PgResult<()> {
        format.width = self.0.len();
        format.format.write(&self.0, out)
    }

    fn read(format: &SortedRows, bytes: &[u8]) -> PgResult<Self> {
        let mut row = Vec::with_capacity(format.width);
        format.format.read(bytes, format.width, &mut row)?;
        Ok(SortedRow(row.into()))
    }

    fn bytes(&self) -> usize {
        /// What the allocator needs.
        const ALLOCATION: usize = 16;
        ALLOCATION + row_bytes(&self.0)
    }
}
