//! Deletion, and taking back an insertion.

use redoubt_error::PgResult;
use redoubt_page::{Op, PatchTarget};
use redoubt_txn::{LockWait, RowLockMode, Txn, Xid};

use crate::heap::Heap;
use crate::heap::modify::{RowQueue, Stop, TmResult, check, no_such_row};
use crate::heap::overflow::{Reference, references_of};
use crate::heap::page::{note_prunable, tuple};
use crate::tuple::{AT_XMAX, Tid, encode_end, mask};

impl Heap {
    /// Deletes the row version at `tid`, waiting (or not) for those who are changing or have locked it.
    ///
    /// # Errors
    /// Deadlock, `lock_timeout` or an interrupt while waiting; what the volume says.
    pub fn delete(&self, txn: &Txn, tid: Tid, wait: LockWait) -> PgResult<TmResult> {
        let xid = txn.xid()?;
        let mut queue = RowQueue::new(self, txn, tid, RowLockMode::Update);
        match self.drive(&mut queue, wait, || self.try_delete(txn, tid, xid))? {
            Ok(references) => {
                self.end_external(txn, &references)?;
                Ok(TmResult::Ok)
            }
            Err(result) => Ok(result),
        }
    }

    /// Deletes the row version if nothing stands in the way; returns what it referred to.
    fn try_delete(&self, txn: &Txn, tid: Tid, xid: Xid) -> Result<Vec<Reference>, Stop> {
        let target = self.pin_for_change(tid.block)?;
        let mut mtr = self.pool().begin_mtr(2, 128)?;
        let page = target.latch(&mut mtr)?;
        let old = tuple(mtr.page(page), tid.slot).ok_or_else(|| no_such_row(tid))?;
        check(txn, old, txn.command(), |_| false)?;
        let busy = self.txns.row_locks().in_the_way(txn, self.row_key(tid), RowLockMode::Update);
        if !busy.is_empty() {
            return Err(Stop::Busy(busy));
        }
        let references = references_of(old)?;
        let infomask = old.infomask() & !mask::HOT_UPDATED | mask::KEYS_UPDATED;
        let end = encode_end(xid, txn.command_for_write(), Tid::INVALID, infomask);
        let slot = PatchTarget::Slot(tid.slot - 1);
        mtr.change(page, &Op::PatchBytes { target: slot, offset: AT_XMAX, bytes: &end });
        note_prunable(&mut mtr, page, xid);
        target.changed(&mut mtr, page);
        mtr.commit();
        Ok(references)
    }

    /// Takes back an insertion that this transaction has made and nobody else can have built on
    /// (`INSERT ... ON CONFLICT` that lost the race): the row version is dead to everybody at once.
    ///
    /// # Errors
    /// What the volume says.
    pub fn retract(&self, txn: &Txn, tid: Tid) -> PgResult<()> {
        let pin = self.pin(tid.block)?;
        let mut mtr = self.pool().begin_mtr(1, 64)?;
        let page = mtr.latch(&pin);
        let own = tuple(mtr.page(page), tid.slot).filter(|tuple| txn.is_own(tuple.xmin()));
        let own = own.expect("only an own insertion is taken back");
        let references = references_of(own)?;
        let op = Op::PatchBytes { target: PatchTarget::Slot(tid.slot - 1), offset: 0, bytes: &[0; 8] };
        mtr.change(page, &op);
        mtr.commit();
        self.end_external(txn, &references)
    }
}
