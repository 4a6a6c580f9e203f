//! Changing a row where it lies, outside of all transactions: everybody sees the new values at once, and nothing takes
//! them back. For statistics in catalogs (PostgreSQL's `heap_inplace_update`) and for sequences.

use redoubt_buffer::Lsn;
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::Op;

use crate::heap::Heap;
use crate::heap::page::tuple;
use crate::tuple::{HEADER_BYTES, Tid, TupleRef};

/// The header up to here stays; the number of columns is the new row's.
const KEPT_BYTES: usize = HEADER_BYTES - 2;

impl Heap {
    /// Replaces a row's values by those of `row`, made by [`crate::form_tuple`]. Returns false, having done nothing, when
    /// there is no row or the new one does not fit the page.
    ///
    /// # Errors
    /// What the volume says.
    pub fn update_in_place(&self, tid: Tid, row: &[u8]) -> PgResult<bool> {
        let pin = self.pin(tid.block)?;
        let mut mtr = self.pool().begin_mtr(1, row.len() + 64)?;
        let page = mtr.latch(&pin);
        let Some(old) = tuple(mtr.page(page), tid.slot) else { return Ok(false) };
        if row.len() > mtr.page(page).reclaimable_free_bytes() + old.bytes().len() {
            return Ok(false);
        }
        let new = [&old.bytes()[..KEPT_BYTES], &row[KEPT_BYTES..]].concat();
        mtr.change(page, &Op::ReplaceItem { slot: tid.slot - 1, bytes: &new });
        mtr.commit();
        Ok(true)
    }

    /// Reads a row and writes what `change` makes of it, with nobody else in between: `change` returns the new row,
    /// made by [`crate::form_tuple`] and at most `max_bytes` long, or nothing to leave it. The answer is the position
    /// of the change in the log (for [`redoubt_txn::Backend::depend_on`]: a client must not be told of what a crash
    /// could take back), or nothing if there was none. `change` runs under the page's latch: it must be short, and
    /// wait for nothing.
    ///
    /// # Errors
    /// `XX001` when there is no row; `54000` when the new one does not fit the page; what `change` or the volume says.
    pub fn modify_in_place(
        &self,
        tid: Tid,
        max_bytes: usize,
        change: impl FnOnce(TupleRef<'_>) -> PgResult<Option<Vec<u8>>>,
    ) -> PgResult<Option<Lsn>> {
        let pin = self.pin(tid.block)?;
        let mut mtr = self.pool().begin_mtr(1, max_bytes + 64)?;
        let page = mtr.latch(&pin);
        let old = tuple(mtr.page(page), tid.slot)
            .ok_or_else(|| PgError::new(code::DATA_CORRUPTED, format!("there is no row at {tid}")))?;
        let Some(row) = change(old)? else { return Ok(None) };
        let room = mtr.page(page).reclaimable_free_bytes() + old.bytes().len();
        if row.len() > room.min(max_bytes) {
            let message = format!("row is too big: size {}, maximum size {}", row.len(), room.min(max_bytes));
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let new = [&old.bytes()[..KEPT_BYTES], &row[KEPT_BYTES..]].concat();
        mtr.change(page, &Op::ReplaceItem { slot: tid.slot - 1, bytes: &new });
        Ok(Some(mtr.commit()))
    }
}
