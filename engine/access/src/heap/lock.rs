//! Row locks: `SELECT FOR UPDATE` and its kin, foreign keys, and the re-check after waiting.

use redoubt_error::PgResult;
use redoubt_txn::{LockWait, RowLockMode, Txn, Xid};

use crate::heap::Heap;
use crate::heap::fetch::FetchBuf;
use crate::heap::modify::{RowQueue, Stop, TmResult, check, no_such_row};
use crate::heap::page::tuple;
use crate::tuple::Tid;

/// What came of locking a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedRow {
    /// [`TmResult::Ok`], or why it was not locked.
    pub result: TmResult,
    /// The version that was locked, or that stood in the way.
    pub tid: Tid,
    /// Whether that is a later version than the one asked for.
    pub moved: bool,
}

impl Heap {
    /// Locks the row version at `tid` and copies it into `buf`, waiting (or not) for those in the way.
    ///
    /// # Errors
    /// Deadlock, `lock_timeout` or an interrupt while waiting; what the volume says.
    pub fn lock_tuple(
        &self,
        txn: &Txn,
        tid: Tid,
        mode: RowLockMode,
        wait: LockWait,
        buf: &mut FetchBuf,
    ) -> PgResult<TmResult> {
        let xid = txn.xid()?;
        let mut queue = RowQueue::new(self, txn, tid, mode);
        let outcome = self.drive(&mut queue, wait, || {
            let successor = self.try_lock(txn, tid, xid, mode, buf)?;
            // Somebody is replacing it without touching its key: the lock has to hold for what follows, too.
            match successor {
                Some((next, maker)) => self.lock_successors(txn, next, maker, xid, mode),
                None => Ok(()),
            }
        })?;
        if outcome.is_ok() {
            self.complete(buf.bytes_mut())?;
        }
        Ok(outcome.err().unwrap_or(TmResult::Ok))
    }

    /// As [`Heap::lock_tuple`], but goes on to the version that replaced it, and so on, until one is locked or the row
    /// turns out to be deleted. `buf` then has that version. For READ COMMITTED's re-check.
    ///
    /// # Errors
    /// As [`Heap::lock_tuple`].
    pub fn lock_latest(
        &self,
        txn: &Txn,
        tid: Tid,
        mode: RowLockMode,
        wait: LockWait,
        buf: &mut FetchBuf,
    ) -> PgResult<LockedRow> {
        let mut at = tid;
        loop {
            let result = self.lock_tuple(txn, at, mode, wait, buf)?;
            let TmResult::Updated { ctid, xmax } = result else {
                return Ok(LockedRow { result, tid: at, moved: at != tid });
            };
            // The successor may be gone, with its slot used again: then it was deleted long since.
            if !self.fetch_short(ctid, buf)? || buf.tuple().xmin() != xmax {
                let result = TmResult::Deleted { xmax };
                return Ok(LockedRow { result, tid: at, moved: at != tid });
            }
            at = ctid;
        }
    }

    /// Locks the version if nothing stands in the way; returns its successor, with its maker, when a running
    /// transaction has replaced it compatibly.
    fn try_lock(
        &self,
        txn: &Txn,
        tid: Tid,
        xid: Xid,
        mode: RowLockMode,
        buf: &mut FetchBuf,
    ) -> Result<Option<(Tid, Xid)>, Stop> {
        let pin = self.pin(tid.block)?;
        let page = pin.read();
        let row = tuple(&page, tid.slot).ok_or_else(|| no_such_row(tid))?;
        let keys_only = mode == RowLockMode::KeyShare;
        check(txn, row, txn.command(), |keys_updated| keys_only && !keys_updated)?;
        let busy = self.txns.row_locks().try_lock(txn, xid, self.row_key(tid), mode);
        if !busy.is_empty() {
            return Err(Stop::Busy(busy));
        }
        buf.fill(row);
        let replaced = row.xmax().is_valid() && row.ctid().is_valid();
        Ok((replaced && keys_only).then(|| (row.ctid(), row.xmax())))
    }

    /// Locks the versions that follow a locked one for FOR KEY SHARE, as far as they are compatible with it.
    fn lock_successors(
        &self,
        txn: &Txn,
        mut tid: Tid,
        mut maker: Xid,
        xid: Xid,
        mode: RowLockMode,
    ) -> Result<(), Stop> {
        loop {
            let pin = self.pin(tid.block)?;
            let page = pin.read();
            let Some(row) = tuple(&page, tid.slot).filter(|row| row.xmin() == maker) else { return Ok(()) };
            let state = txn.state_of(maker)?;
            if state == redoubt_txn::XidState::Aborted {
                return Ok(());
            }
            let busy = self.txns.row_locks().try_lock(txn, xid, self.row_key(tid), mode);
            if !busy.is_empty() {
                return Err(Stop::Busy(busy));
            }
            let (ctid, xmax) = (row.ctid(), row.xmax());
            if !xmax.is_valid() || !ctid.is_valid() {
                return Ok(());
            }
            (tid, maker) = (ctid, xmax);
        }
    }
}
