//! Insertion: finding a page with room, and putting rows there.

use redoubt_buffer::{BlockNo, Latched, Mtr};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{MAX_ITEM_BYTES, Op, PAGE_BYTES, SLOT_BYTES};
use redoubt_txn::Txn;

use crate::heap::page::{SPECIAL_BYTES, free_slot, has_room};
use crate::heap::visibility_map::ChangeTarget;
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
struct Roomy<'p> {
    mtr: Mtr<'p>,
    page: Latched,
    target: ChangeTarget,
    block: BlockNo,
}

impl Roomy<'_> {
    fn put(&mut self, row: &[u8]) -> Tid {
        let slot = free_slot(self.mtr.page(self.page));
        self.mtr.change(self.page, &Op::InsertItem { slot: slot - 1, bytes: row, shift: false });
        Tid::new(self.block, slot)
    }

    fn commit(mut self) {
        self.target.changed(&mut self.mtr, self.page);
        self.mtr.commit();
    }
}

impl Heap {
    /// Inserts a row made by [`crate::form_tuple`] and returns its place. Fills in the row's header.
    ///
    /// # Errors
    /// `54000` when it is longer than a page holds, or what the volume says.
    pub fn insert(&self, txn: &Txn, tuple: &mut [u8], options: InsertOptions) -> PgResult<Tid> {
        stamp_new(tuple, txn.xid()?, txn.command_for_write(), 0);
        let shortened = self.shorten(txn, tuple, None)?;
        let stored = shortened.row.as_deref().unwrap_or(tuple);
        check_size(stored)?;
        let mut roomy = self.page_with_room(txn, stored.len(), options, 1)?;
        let tid = roomy.put(stored);
        roomy.commit();
        Ok(tid)
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
            stamp_new(tuple, xid, command, 0);
            if let Some(short) = self.shorten(txn, tuple, None)?.row {
                *tuple = short;
            }
            check_size(tuple)?;
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
                tids.push(roomy.put(tuple));
                rest = behind;
            }
            roomy.commit();
        }
        Ok(())
    }

    /// Finds and latches a page where a row of `len` bytes fits, in an MTR with a budget for `rows` of them.
    fn page_with_room(
        &self,
        txn: &Txn,
        len: usize,
        options: InsertOptions,
        rows: usize,
    ) -> PgResult<Roomy<'_>> {
        let reserve = options.reserve_bytes();
        let mut tried = None;
        loop {
            let block = self.candidate(txn, len, options, tried)?;
            let target = self.pin_for_change(block)?;
            let mut mtr = self.pool().begin_mtr(2, budget_bytes(len, rows))?;
            let page = match target.latch(&mut mtr) {
                Ok(page) => page,
                Err(_) => continue,
            };
            if has_room(mtr.page(page), len, reserve) {
                return Ok(Roomy { mtr, page, target, block });
            }
            tried = Some((block, mtr.page(page).reclaimable_free_bytes()));
        }
    }

    /// A block other than `except` with room for a row of `len` bytes, as far as anybody knows.
    pub(super) fn block_with_room(
        &self,
        txn: &Txn,
        len: usize,
        options: InsertOptions,
        except: BlockNo,
    ) -> PgResult<BlockNo> {
        let mut tried = None;
        loop {
            let block = self.candidate(txn, len, options, tried)?;
            let pin = self.pin(block)?;
            let page = pin.read();
            if block != except && has_room(&page, len, options.reserve_bytes()) {
                return Ok(block);
            }
            // The old version's own block is known to be full.
            let free = if block == except { 0 } else { page.reclaimable_free_bytes() };
            tried = Some((block, free));
        }
    }

    /// The next block to try, after one that had too little room (with what it had): what this connection used
    /// last; what the free-space map knows; the last block; a new one. The order is PostgreSQL's, and so is the
    /// order of rows that follows from it.
    fn candidate(
        &self,
        txn: &Txn,
        len: usize,
        options: InsertOptions,
        tried: Option<(BlockNo, usize)>,
    ) -> PgResult<BlockNo> {
        let backend = txn.backend().id().get();
        let wanted = len + SLOT_BYTES + options.reserve_bytes();
        let known = match tried {
            None => {
                let target = match self.target(backend) {
                    Some(block) => Some(block),
                    None => {
                        self.load_free_space()?;
                        self.free.find(wanted)
                    }
                };
                target.filter(|&block| block < self.nblocks()).or_else(|| self.nblocks().checked_sub(1))
            }
            Some((block, free)) => {
                let neighbour = self.free.record_and_find(block, free, wanted);
                neighbour.filter(|&other| other != block && other < self.nblocks())
            }
        };
        let block = match known {
            Some(block) => block,
            None => self.extend()?.0,
        };
        self.set_target(backend, block);
        Ok(block)
    }
}

/// Clearing the block's flag and its bit in the map.
const FLAG_BYTES: usize = 32;
/// A page's worth of small rows, whose operations take more than the rows alone.
const MULTI_INSERT_BYTES: usize = 2 * PAGE_BYTES;

fn budget_bytes(len: usize, rows: usize) -> usize {
    if rows == 1 { len + OP_BYTES + FLAG_BYTES } else { MULTI_INSERT_BYTES + FLAG_BYTES }
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
