//! Updates: a new version of a row, on the same page if it fits, and what becomes of the old one.
//!
//! When no indexed column changes and the page has room, the new version is heap-only: index entries keep pointing
//! to the root of the chain, and none is added (HOT). Room is made by pruning if need be.

use redoubt_buffer::{BlockNo, Latched, Mtr};
use redoubt_error::PgResult;
use redoubt_page::{Op, PatchTarget};
use redoubt_txn::{LockWait, RowLockMode, Txn, Xid};

use crate::heap::Heap;
use crate::heap::fetch::FetchBuf;
use crate::heap::insert::{InsertOptions, OP_BYTES, check_size};
use crate::heap::modify::{RowQueue, Stop, TmResult, check, no_such_row};
use crate::heap::overflow::INLINE_BYTES;
use crate::heap::page::{free_slot, has_room, note_prunable, prune_hint, tuple};
use crate::heap::prune::{PRUNING_BYTES, Pruning, is_worthwhile};
use crate::tuple::{AT_XMAX, Tid, encode_end, mask, stamp_new};

/// What the caller knows about an update.
#[derive(Clone, Copy, Debug)]
pub struct UpdateOptions {
    /// A column that other tables may refer to changes: a column of a unique index that is neither partial nor on
    /// expressions. Then the update excludes FOR KEY SHARE.
    pub key_changed: bool,
    /// A column that some index needs changes, so that index entries for the new version must be made.
    pub indexed_changed: bool,
    /// How to find room on another page.
    pub insert: InsertOptions,
}

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// [`TmResult::Ok`], or why nothing was done.
    pub result: TmResult,
    /// The new version's place.
    pub tid: Tid,
    /// Whether the indexes stay as they are. If not, entries for `tid` go into all of them.
    pub hot: bool,
}

/// Where the new version can go.
enum Place {
    /// To the old one's page; it fits, perhaps after pruning.
    Same,
    /// To this block.
    Other(BlockNo),
}

impl Heap {
    /// Replaces the row version at `tid` by `row`, made by [`crate::form_tuple`], waiting (or not) for those who are
    /// changing or have locked it. Fills in the new row's header.
    ///
    /// # Errors
    /// `54000` when the row is longer than a page holds; deadlock, `lock_timeout` or an interrupt while waiting;
    /// what the volume says.
    pub fn update(
        &self,
        txn: &Txn,
        tid: Tid,
        row: &mut [u8],
        options: UpdateOptions,
        wait: LockWait,
    ) -> PgResult<Updated> {
        let xid = txn.xid()?;
        // A version's values never change, so the old ones can be looked at before the row is ours.
        let mut old = FetchBuf::default();
        let has_old =
            (row.len() > INLINE_BYTES || self.has_external(tid)?) && self.fetch_short(tid, &mut old)?;
        let shortened = self.shorten(txn, row, has_old.then(|| old.bytes()))?;
        let mut short = shortened.row;
        let row = short.as_deref_mut().unwrap_or(row);
        check_size(row)?;
        let mode = if options.key_changed { RowLockMode::Update } else { RowLockMode::NoKeyUpdate };
        let mut queue = RowQueue::new(self, txn, tid, mode);
        let mut update = Update { heap: self, txn, tid, xid, mode, options };
        let mut place = Place::Same;
        let outcome = self.drive(&mut queue, wait, || match place {
            Place::Same => match update.on_same_page(row)? {
                Some(done) => Ok(done),
                None => {
                    place = Place::Other(self.block_with_room(txn, row.len(), options.insert, tid.block)?);
                    Err(Stop::Again)
                }
            },
            Place::Other(block) => match update.on_other_page(row, block)? {
                Some(done) => Ok(done),
                None => {
                    place = Place::Other(self.block_with_room(txn, row.len(), options.insert, tid.block)?);
                    Err(Stop::Again)
                }
            },
        })?;
        match outcome {
            Ok(updated) => {
                self.end_external(txn, &shortened.left_behind)?;
                Ok(updated)
            }
            Err(result) => {
                self.end_external(txn, &shortened.made)?;
                Ok(Updated { result, tid: Tid::INVALID, hot: false })
            }
        }
    }

    /// Whether the version at `tid` refers to values elsewhere.
    fn has_external(&self, tid: Tid) -> PgResult<bool> {
        let pin = self.pin(tid.block)?;
        let page = pin.read();
        Ok(tuple(&page, tid.slot).is_some_and(|row| row.has(mask::EXTERNAL)))
    }
}

/// One update under way.
struct Update<'a> {
    heap: &'a Heap,
    txn: &'a Txn,
    tid: Tid,
    xid: Xid,
    mode: RowLockMode,
    options: UpdateOptions,
}

impl Update<'_> {
    /// Tries to put the new version beside the old one; nothing when there is no room.
    fn on_same_page(&mut self, row: &mut [u8]) -> Result<Option<Updated>, Stop> {
        let heap = self.heap;
        let target = heap.pin_for_change(self.tid.block)?;
        // Without room, what pruning takes is reserved as well; it is not worth reserving every time.
        let (fits, may_prune) = {
            let page = target.pin.read();
            (has_room(&page, row.len(), 0), prune_hint(&page).is_some())
        };
        let horizon = (!fits && may_prune).then(|| heap.txns.horizon());
        let pruning_bytes = if horizon.is_some() { PRUNING_BYTES } else { 0 };
        let mut mtr = heap.pool().begin_mtr(2, row.len() + pruning_bytes + 256)?;
        let page = target.latch(&mut mtr)?;
        self.check(&mtr, page)?;
        if !has_room(mtr.page(page), row.len(), 0) {
            let Some(horizon) = horizon else {
                // It was full when it was looked at, or it has been filled since.
                return if fits { Err(Stop::Again) } else { Ok(None) };
            };
            if !is_worthwhile(mtr.page(page), &horizon)? {
                return Ok(None);
            }
            Pruning::plan(mtr.page(page), &horizon)?.apply(&mut mtr, page);
            if !has_room(mtr.page(page), row.len(), 0) {
                if mtr.is_changed() {
                    target.changed(&mut mtr, page);
                    mtr.commit();
                }
                return Ok(None);
            }
        }
        let hot = !self.options.indexed_changed;
        let infomask = mask::UPDATED | if hot { mask::HEAP_ONLY } else { 0 };
        stamp_new(row, self.xid, self.txn.command_for_write(), infomask);
        let slot = free_slot(mtr.page(page));
        mtr.change(page, &Op::InsertItem { slot: slot - 1, bytes: row, shift: false });
        let tid = Tid::new(self.tid.block, slot);
        self.end_old(&mut mtr, page, tid, hot);
        target.changed(&mut mtr, page);
        mtr.commit();
        Ok(Some(Updated { result: TmResult::Ok, tid, hot }))
    }

    /// Tries to put the new version on `block`; nothing when it has no room any more.
    fn on_other_page(&mut self, row: &mut [u8], block: BlockNo) -> Result<Option<Updated>, Stop> {
        let heap = self.heap;
        let (old, new) = (heap.pin_for_change(self.tid.block)?, heap.pin_for_change(block)?);
        let mut mtr = heap.pool().begin_mtr(4, row.len() + OP_BYTES + 256)?;
        // In ascending order, so that two updates in opposite directions do not wait for each other.
        let (old_page, new_page) = if self.tid.block < block {
            let old_page = old.latch(&mut mtr)?;
            (old_page, new.latch(&mut mtr)?)
        } else {
            let new_page = new.latch(&mut mtr)?;
            (old.latch(&mut mtr)?, new_page)
        };
        self.check(&mtr, old_page)?;
        if !has_room(mtr.page(new_page), row.len(), 0) {
            return Ok(None);
        }
        stamp_new(row, self.xid, self.txn.command_for_write(), mask::UPDATED);
        let slot = free_slot(mtr.page(new_page));
        mtr.change(new_page, &Op::InsertItem { slot: slot - 1, bytes: row, shift: false });
        let tid = Tid::new(block, slot);
        self.end_old(&mut mtr, old_page, tid, false);
        // The map pages, too, in ascending order.
        if self.tid.block < block {
            old.changed(&mut mtr, old_page);
            new.changed(&mut mtr, new_page);
        } else {
            new.changed(&mut mtr, new_page);
            old.changed(&mut mtr, old_page);
        }
        mtr.commit();
        Ok(Some(Updated { result: TmResult::Ok, tid, hot: false }))
    }

    /// Succeeds when nothing stands in the way of replacing the old version.
    fn check(&self, mtr: &Mtr<'_>, page: Latched) -> Result<(), Stop> {
        let old = tuple(mtr.page(page), self.tid.slot).ok_or_else(|| no_such_row(self.tid))?;
        check(self.txn, old, self.txn.command(), |_| false)?;
        let key = self.heap.row_key(self.tid);
        let busy = self.heap.txns.row_locks().in_the_way(self.txn, key, self.mode);
        if busy.is_empty() { Ok(()) } else { Err(Stop::Busy(busy)) }
    }

    /// Writes into the old version who replaced it by what.
    fn end_old(&self, mtr: &mut Mtr<'_>, page: Latched, new: Tid, hot: bool) {
        let old = tuple(mtr.page(page), self.tid.slot).expect("the row was checked under this latch");
        let mut infomask = old.infomask() & !(mask::HOT_UPDATED | mask::KEYS_UPDATED);
        if hot {
            infomask |= mask::HOT_UPDATED;
        }
        if self.options.key_changed {
            infomask |= mask::KEYS_UPDATED;
        }
        let end = encode_end(self.xid, self.txn.command(), new, infomask);
        let slot = PatchTarget::Slot(self.tid.slot - 1);
        mtr.change(page, &Op::PatchBytes { target: slot, offset: AT_XMAX, bytes: &end });
        note_prunable(mtr, page, self.xid);
        let heap = self.heap;
        heap.txns.row_locks().carry_over(self.txn, heap.row_key(self.tid), heap.row_key(new));
    }
}
