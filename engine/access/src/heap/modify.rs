//! What stands in the way of changing or locking a row version, and waiting for it.

use redoubt_error::{PgError, PgResult, code};
use redoubt_txn::{
    CommandId, LockMode, LockOutcome, LockTag, LockWait, RowKey, RowLockMode, StatusMissing, Txn, Xid,
    XidState,
};

use crate::heap::Heap;
use crate::tuple::{Tid, TupleRef, mask};

/// What came of changing or locking a row version; PostgreSQL's `TM_Result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TmResult {
    /// Done.
    Ok,
    /// This command cannot see it.
    Invisible,
    /// An earlier or the same command of this transaction has deleted or replaced it.
    SelfModified {
        /// By which command.
        cmax: CommandId,
    },
    /// A committed transaction has replaced it.
    Updated {
        /// The version that followed.
        ctid: Tid,
        /// Who.
        xmax: Xid,
    },
    /// A committed transaction has deleted it.
    Deleted {
        /// Who.
        xmax: Xid,
    },
    /// Somebody else is at it, and waiting was not asked for.
    WouldBlock,
}

/// Why an attempt under latches ended without success. By then the latches are released.
#[derive(Debug)]
pub(super) enum Stop {
    /// These transactions have to end first.
    Busy(Vec<Xid>),
    /// Nothing will help.
    Never(TmResult),
    /// The page changed between two looks; try again.
    Again,
    /// A status page has to be loaded first.
    Status(StatusMissing),
    /// An error for the caller.
    Failed(PgError),
}

impl From<StatusMissing> for Stop {
    fn from(missing: StatusMissing) -> Self {
        Self::Status(missing)
    }
}

impl From<PgError> for Stop {
    fn from(error: PgError) -> Self {
        Self::Failed(error)
    }
}

/// Looks at a row version as `HeapTupleSatisfiesUpdate` does; succeeds when nothing stands in the way.
/// `compatible` says whether a running transaction that has deleted it or changed its key (`true`), or replaced it
/// without touching the key (`false`), leaves it free for the purpose.
pub(super) fn check(
    txn: &Txn,
    tuple: TupleRef<'_>,
    command: CommandId,
    compatible: impl Fn(bool) -> bool,
) -> Result<(), Stop> {
    let stamps = tuple.stamps();
    let own = txn.backend().id();
    match txn.state_of(stamps.xmin)? {
        XidState::Committed(_) => txn.depend_on(stamps.xmin),
        XidState::Running(backend) if backend == own && stamps.cmin < command => (),
        XidState::Running(_) | XidState::Aborted => return Err(Stop::Never(TmResult::Invisible)),
    }
    if !stamps.xmax.is_valid() {
        return Ok(());
    }
    match txn.state_of(stamps.xmax)? {
        XidState::Aborted => Ok(()),
        XidState::Running(backend) if backend == own && stamps.cmax >= command => {
            Err(Stop::Never(TmResult::SelfModified { cmax: stamps.cmax }))
        }
        XidState::Running(backend) if backend == own => Err(Stop::Never(TmResult::Invisible)),
        XidState::Running(_) if compatible(tuple.has(mask::KEYS_UPDATED)) => Ok(()),
        XidState::Running(_) => Err(Stop::Busy(vec![stamps.xmax])),
        XidState::Committed(_) => {
            txn.depend_on(stamps.xmax);
            let xmax = stamps.xmax;
            Err(Stop::Never(match tuple.ctid() {
                ctid if ctid.is_valid() => TmResult::Updated { ctid, xmax },
                _ => TmResult::Deleted { xmax },
            }))
        }
    }
}

/// Queueing for one row: whoever has waited gets it before whoever comes later, because all of them hold or
/// queue for the row's heavyweight lock while they wait for transactions (PostgreSQL's `README.tuplock`).
pub(super) struct RowQueue<'a> {
    heap: &'a Heap,
    txn: &'a Txn,
    tag: LockTag,
    mode: LockMode,
    is_acquired: bool,
}

impl<'a> RowQueue<'a> {
    pub(super) fn new(heap: &'a Heap, txn: &'a Txn, tid: Tid, mode: RowLockMode) -> Self {
        let (database, relation) = (heap.table.database, heap.table.relation);
        let tag = LockTag::Tuple { database, relation, block: tid.block, slot: tid.slot };
        let mode = match mode {
            RowLockMode::KeyShare => LockMode::AccessShare,
            RowLockMode::Share => LockMode::RowShare,
            RowLockMode::NoKeyUpdate => LockMode::Exclusive,
            RowLockMode::Update => LockMode::AccessExclusive,
        };
        Self { heap, txn, tag, mode, is_acquired: false }
    }

    /// Waits until `busy` have ended; false when the caller does not want to wait.
    pub(super) fn wait(&mut self, busy: &[Xid], wait: LockWait) -> PgResult<bool> {
        if wait == LockWait::NoWait {
            return Ok(false);
        }
        if !self.is_acquired {
            let outcome = self.txn.lock(self.tag, self.mode, LockWait::Block)?;
            self.is_acquired = outcome == LockOutcome::Acquired;
        }
        for &xid in busy {
            self.txn.wait_for(xid)?;
        }
        Ok(true)
    }
}

impl Drop for RowQueue<'_> {
    fn drop(&mut self) {
        if self.is_acquired {
            let backend = self.txn.backend();
            self.heap.txns.locks().release_early(backend, self.tag, self.mode);
        }
    }
}

impl Heap {
    /// Repeats `attempt` until it succeeds or cannot, waiting in between for whom it has to wait. The inner result
    /// says why it cannot.
    pub(super) fn drive<T>(
        &self,
        queue: &mut RowQueue<'_>,
        wait: LockWait,
        mut attempt: impl FnMut() -> Result<T, Stop>,
    ) -> PgResult<Result<T, TmResult>> {
        loop {
            match attempt() {
                Ok(value) => return Ok(Ok(value)),
                Err(Stop::Never(result)) => return Ok(Err(result)),
                Err(Stop::Again) => (),
                Err(Stop::Status(missing)) => self.txns.load_status(missing)?,
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Busy(busy)) => {
                    if !queue.wait(&busy, wait)? {
                        return Ok(Err(TmResult::WouldBlock));
                    }
                }
            }
        }
    }

    pub(super) fn row_key(&self, tid: Tid) -> RowKey {
        RowKey { node: self.node(), block: tid.block, slot: tid.slot }
    }
}

/// `XX001`: something points to a row that is not there.
pub(super) fn no_such_row(tid: Tid) -> Stop {
    Stop::Failed(PgError::new(code::DATA_CORRUPTED, format!("there is no row at {tid}")))
}
