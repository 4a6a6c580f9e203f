//! Insertion: finding a page with room, and putting rows there.

use redoubt_buffer::{BlockNo, Latched, Mtr, PinnedPage};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{MAX_ITEM_BYTES, Op, PAGE_BYTES};
use redoubt_txn::Txn;

use crate::heap::page::{SPECIAL_BYTES, free_slot, has_room};
use crate::heap::{Heap, MAX_TUPLE_BYTES};
use crate::tuple::{Tid, stamp_new};

/// How to insert.
#[derive(Clone, Copy, Debug)]
pub struct InsertOptions {
    /// How full insertions make a page, in percent; the rest is kept for updates.
    pub fillfactor: u8,
}

impl Default for InsertOptions {
    fn default() -> Self {
        Self { fillfactor: 100 }
    }
}

impl InsertOptions {
    fn reserve_bytes(self) -> usize {
        PAGE_BYTES * (100 - usize::from(self.fillfactor.clamp(10, 100))) / 100
    }
}

/// Room for an operation's own bytes beside the tuple's.
pub(super) const OP_BYTES: usize = 16;

/// A latched page with room for a row.
pub(super) struct Roomy<'p> {
    pub(super) mtr: Mtr<'p>,
    pub(super) page: Latched,
    pub(super) block: BlockNo,
}

impl Heap {
    /// Inserts a row made by [`crate::form_tuple`] and returns its place. Fills in the row's header.
    ///
    /// # Errors
    /// `54000` when it is longer than a page holds, or what the volume says.
    pub fn insert(&self, txn: &Txn, tuple: &mut [u8], options: InsertOptions) -> PgResult<Tid> {
        check_size(tuple)?;
        stamp_new(tuple, txn.xid()?, txn.command_for_write(), 0);
        let mut roomy = self.page_with_room(txn, tuple.len(), options, 1)?;
        let slot = free_slot(roomy.mtr.page(roomy.page));
        roomy.mtr.change(roomy.page, &Op::InsertItem { slot: slot - 1, bytes: tuple, shift: false });
        roomy.mtr.commit();
        Ok(Tid::new(roomy.block, slot))
    }

    /// Inserts many rows, as many per mini-transaction as a page takes, and appends their places to `tids`.
    ///
    /// # Errors
    /// As [`Heap::insert`]; the rows inserted before stay, as rows of a transaction that will fail.
    pub fn multi_insert(
        &self,
        txn: &Txn,
        tuples: &mut [Vec<u8>],
        options: InsertOptions,
        tids: &mut Vec<Tid>,
    ) -> PgResult<()> {
        let (xid, command) = (txn.xid()?, txn.command_for_write());
        for tuple in tuples.iter_mut() {
            check_size(tuple)?;
            stamp_new(tuple, xid, command, 0);
        }
        let reserve = options.reserve_bytes();
        let mut rest = &*tuples;
        while let Some(first) = rest.first() {
            let mut roomy = self.page_with_room(txn, first.len(), options, rest.len())?;
            let mut bytes_left = MULTI_INSERT_BYTES;
            while let Some((tuple, behind)) = rest.split_first() {
                let page = roomy.mtr.page(roomy.page);
                if !has_room(page, tuple.len(), reserve) || bytes_left < tuple.len() + OP_BYTES {
                    break;
                }
                bytes_left -= tuple.len() + OP_BYTES;
                let slot = free_slot(page);
                roomy.mtr.change(roomy.page, &Op::InsertItem { slot: slot - 1, bytes: tuple, shift: false });
                tids.push(Tid::new(roomy.block, slot));
                rest = behind;
            }
            roomy.mtr.commit();
        }
        Ok(())
    }

    /// Finds and latches a page where a row of `len` bytes fits, in an MTR with a budget for `rows` of them:
    /// the page that this connection used last, or the last page, or a new one.
    fn page_with_room(
        &self,
        txn: &Txn,
        len: usize,
        options: InsertOptions,
        rows: usize,
    ) -> PgResult<Roomy<'_>> {
        let backend = txn.backend().id().get();
        let (reserve, budget) = (options.reserve_bytes(), budget_bytes(len, rows));
        let last = self.nblocks().checked_sub(1);
        if let Some(block) = self.target(backend).or(last) {
            let pin = self.pin(block)?;
            if let Some(roomy) = self.try_page(&pin, block, len, reserve, budget)? {
                return Ok(roomy);
            }
        }
        loop {
            let (block, pin) = self.extend()?;
            self.set_target(backend, block);
            // Others may have found the new page, and filled it, before us.
            if let Some(roomy) = self.try_page(&pin, block, len, reserve, budget)? {
                return Ok(roomy);
            }
        }
    }

    fn try_page(
        &self,
        pin: &PinnedPage,
        block: BlockNo,
        len: usize,
        reserve: usize,
        budget_bytes: usize,
    ) -> PgResult<Option<Roomy<'_>>> {
        let mut mtr = self.pool().begin_mtr(1, budget_bytes)?;
        let page = mtr.latch(pin);
        let has_room = has_room(mtr.page(page), len, reserve);
        Ok(has_room.then_some(Roomy { mtr, page, block }))
    }
}

/// A page's worth of small rows, whose operations take more than the rows alone.
const MULTI_INSERT_BYTES: usize = 2 * PAGE_BYTES;

fn budget_bytes(len: usize, rows: usize) -> usize {
    if rows == 1 { len + OP_BYTES } else { MULTI_INSERT_BYTES }
}

/// `54000` for a row that no page holds.
pub(super) fn check_size(tuple: &[u8]) -> PgResult<()> {
    const { assert!(MAX_TUPLE_BYTES + SPECIAL_BYTES == MAX_ITEM_BYTES) };
    if tuple.len() <= MAX_TUPLE_BYTES {
        return Ok(());
    }
    let message = format!("row is too big: size {}, maximum size {MAX_TUPLE_BYTES}", tuple.len());
    Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message))
}
