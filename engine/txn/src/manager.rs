//! The transaction manager: numbers, commits, snapshots, horizons.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use redoubt_buffer::{Ceiling, Fate, Lsn, Space};
use redoubt_error::{PgError, PgResult, code};

use crate::backend::{Backend, BackendId, Backends};
use crate::locks::LockManager;
use crate::rowlocks::RowLocks;
use crate::snapshot::{Horizon, Shared, Snapshot};
use crate::status::{StatusLog, StatusMissing};
use crate::table::{CommitTable, XidState};
use crate::transaction::{Isolation, Txn};
use crate::xid::{CommandId, Xid};

/// Numbers that are made safe to use by one record; so many are lost in a crash.
const CEILING_STEP: u64 = 8192;
/// How far a snapshot moves the settled mark at most, so that none pays for all.
const SETTLE_STEPS: usize = 1024;
/// Between the Unix epoch and PostgreSQL's, 2000-01-01.
const POSTGRES_EPOCH: Duration = Duration::from_secs(946_684_800);

/// Everything about transactions of one volume. Cheap to clone.
#[derive(Clone)]
pub struct TxnManager {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) space: Arc<Space>,
    pub(crate) status: StatusLog,
    pub(crate) table: CommitTable,
    pub(crate) backends: Arc<Backends>,
    pub(crate) locks: LockManager,
    pub(crate) row_locks: RowLocks,
    /// Held while a number is given out.
    assigning: Mutex<()>,
    next_xid: AtomicU64,
    /// All transactions below have failed, or committed at or below what VDL was at some time.
    settled: AtomicU64,
    settling: Mutex<()>,
}

impl TxnManager {
    /// Opens the transactions of a volume. Whatever was running when it was last used has failed.
    ///
    /// # Errors
    /// What the volume says.
    pub fn open(space: Arc<Space>) -> PgResult<Self> {
        let status = StatusLog::open(&space)?;
        let next = Xid::new(space.ceiling(Ceiling::Xid));
        let backends = Arc::<Backends>::default();
        Ok(Self {
            inner: Arc::new(Inner {
                space,
                status,
                table: CommitTable::new(next),
                locks: LockManager::new(backends.clone()),
                backends,
                row_locks: RowLocks::default(),
                assigning: Mutex::new(()),
                next_xid: AtomicU64::new(next.get()),
                settled: AtomicU64::new(next.get()),
                settling: Mutex::new(()),
            }),
        })
    }

    /// Registers a connection under the process id that its client is told.
    pub fn connect(&self, pid: i32) -> Arc<Backend> {
        self.inner.backends.add(pid)
    }

    /// Ends a connection. Its transaction has ended before; session-level locks go here.
    ///
    /// # Panics
    /// When it has a transaction or a snapshot still.
    pub fn disconnect(&self, backend: &Arc<Backend>) {
        assert!(backend.top_xid().is_none(), "a connection ends after its transaction");
        assert!(backend.snapshots.lock().is_empty(), "a connection ends after its snapshots");
        self.inner.locks.release_session(backend);
        self.inner.backends.remove(backend);
    }

    /// All connections, for the activity views.
    pub fn backends(&self) -> Vec<Arc<Backend>> {
        let mut all = Vec::new();
        self.inner.backends.for_each(|backend| all.push(backend.clone()));
        all
    }

    /// Starts a transaction. It has no number until it asks for one.
    pub fn begin(&self, backend: &Arc<Backend>, isolation: Isolation) -> Txn {
        Txn::new(self.clone(), backend.clone(), isolation)
    }

    /// The heavyweight locks.
    pub fn locks(&self) -> &LockManager {
        &self.inner.locks
    }

    /// The row locks.
    pub fn row_locks(&self) -> &RowLocks {
        &self.inner.row_locks
    }

    /// The space allocator underneath.
    pub fn space(&self) -> &Arc<Space> {
        &self.inner.space
    }

    /// The number that will be given out next.
    pub fn next_xid(&self) -> Xid {
        Xid::new(self.inner.next_xid.load(Ordering::Acquire))
    }

    /// The last commit's position, durable or not.
    pub fn last_commit(&self) -> Lsn {
        self.inner.locks.last_commit()
    }

    /// A snapshot of what is durable now, for `backend` at `command`. Waits until what the connection has
    /// built on is durable.
    ///
    /// # Errors
    /// When this instance is fenced.
    pub fn take_snapshot(&self, backend: &Arc<Backend>, command: CommandId) -> PgResult<Snapshot> {
        let inner = &self.inner;
        inner.space.pool().wait_durable(backend.dependency())?;
        let shared = {
            // Registered under the same lock that a horizon looks under: it either finds this snapshot or was
            // computed from values that are not above ours.
            let mut kept = backend.snapshots.lock();
            // In this order: what was settled before VDL was read committed at or below it, and what was not
            // given out when VDL was read commits above it.
            let xmin = Xid::new(inner.settled.load(Ordering::Acquire));
            let lsn = inner.space.pool().vdl();
            let xmax = self.next_xid();
            let directory = inner.table.directory();
            kept.push((lsn, xmin));
            Shared { txns: inner.clone(), backend: backend.clone(), lsn, xmin, xmax, directory }
        };
        inner.settle(shared.lsn, shared.xmax);
        Ok(Snapshot::new(shared, command))
    }

    /// What nobody needs any more. The answer stays right for ever; a later one may allow more.
    pub fn horizon(&self) -> Horizon {
        let inner = &self.inner;
        let mut xmin = Xid::new(inner.settled.load(Ordering::Acquire));
        let mut lsn = inner.space.pool().vdl();
        let directory = inner.table.directory();
        inner.backends.for_each(|backend| {
            for &(kept_lsn, kept_xmin) in backend.snapshots.lock().iter() {
                lsn = lsn.min(kept_lsn);
                xmin = xmin.min(kept_xmin);
            }
        });
        Horizon { txns: inner.clone(), lsn, xmin, directory }
    }

    /// What has become of a transaction by now.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`TxnManager::load_status`].
    pub fn state(&self, xid: Xid) -> Result<XidState, StatusMissing> {
        if !xid.is_normal() {
            return Ok(if xid.is_valid() { XidState::Committed(Lsn::ZERO) } else { XidState::Aborted });
        }
        match self.inner.table.state(xid) {
            Some(state) => Ok(state),
            None if xid >= self.next_xid() => Ok(XidState::Aborted),
            None if self.inner.status.has_committed(&self.inner.space, xid)? => {
                Ok(XidState::Committed(Lsn::ZERO))
            }
            None => Ok(XidState::Aborted),
        }
    }

    /// As [`TxnManager::state`], loading status pages; not to be called under a latch.
    ///
    /// # Errors
    /// What the volume says.
    pub fn state_blocking(&self, xid: Xid) -> PgResult<XidState> {
        loop {
            match self.state(xid) {
                Ok(state) => return Ok(state),
                Err(missing) => self.load_status(missing)?,
            }
        }
    }

    /// Brings the missing status page into memory. To be called without a latch; then the caller looks again.
    ///
    /// # Errors
    /// What the volume says.
    pub fn load_status(&self, missing: StatusMissing) -> PgResult<()> {
        self.inner.status.load(&self.inner.space, missing.xid).map(drop)
    }

    /// Frees relations that belong to nobody any more. Returns how many.
    ///
    /// # Errors
    /// What the volume says.
    pub fn sweep_relations(&self) -> PgResult<usize> {
        let horizon = self.horizon();
        self.inner.space.sweep(&mut |creator| {
            let xid = Xid::new(creator);
            Ok(match self.state_blocking(xid)? {
                XidState::Running(_) => Fate::Unsettled,
                XidState::Aborted => Fate::Aborted,
                XidState::Committed(_) => {
                    let settled = loop {
                        match horizon.all_see(xid) {
                            Ok(settled) => break settled,
                            Err(missing) => self.load_status(missing)?,
                        }
                    };
                    if settled { Fate::Settled } else { Fate::Unsettled }
                }
            })
        })
    }

    /// When the last transaction on the status page of `xid` committed, in microseconds since 2000-01-01.
    ///
    /// # Errors
    /// What the volume says.
    pub fn last_commit_time_us(&self, xid: Xid) -> PgResult<i64> {
        self.inner.status.last_commit_time_us(&self.inner.space, xid)
    }

    /// Waits until `xid` has finished; at once when it has. Not to be called under a latch.
    ///
    /// # Errors
    /// Deadlock (`40P01`), `lock_timeout` (`55P03`), or an interrupt.
    pub fn wait_for(&self, backend: &Arc<Backend>, xid: Xid) -> PgResult<()> {
        self.inner.locks.wait_for_transaction(&self.inner, backend, xid)
    }

    /// Remembers that `backend` builds on what `xid` has committed, if that is not durable yet.
    pub fn depend_on(&self, backend: &Backend, xid: Xid) {
        if let Some(XidState::Committed(lsn)) = self.inner.table.state(xid)
            && lsn > self.inner.space.pool().vdl()
        {
            backend.depend_on(lsn);
        }
    }
}

impl Inner {
    /// Gives out the next number to a transaction or subtransaction of `backend`.
    pub(crate) fn assign(&self, backend: BackendId) -> PgResult<Xid> {
        let _turn = self.assigning.lock();
        let xid = Xid::new(self.next_xid.load(Ordering::Relaxed));
        if xid.get() >= self.space.ceiling(Ceiling::Xid) {
            self.space.raise_ceiling(Ceiling::Xid, xid.get() + CEILING_STEP)?;
        }
        self.status.ensure_page(&self.space, xid)?;
        self.table.make_room(xid, Xid::new(self.settled.load(Ordering::Acquire)));
        self.table.set_running(xid, backend);
        // A snapshot that sees the number as given out finds its state in the table.
        self.next_xid.store(xid.get() + 1, Ordering::Release);
        Ok(xid)
    }

    /// Commits `xids` (sorted): their status bits, one record, and the table told before it can be durable.
    pub(crate) fn commit(&self, xids: &[Xid]) -> PgResult<Lsn> {
        let lsn = self.status.commit(&self.space, xids, now_us(), |lsn| {
            xids.iter().for_each(|&xid| self.table.set_committed(xid, lsn));
        })?;
        self.locks.note_commit(lsn);
        Ok(lsn)
    }

    /// Moves the settled mark over transactions that have failed, or committed at or below `vdl`.
    fn settle(&self, vdl: Lsn, next: Xid) {
        let Some(_turn) = self.settling.try_lock() else { return };
        let mut settled = Xid::new(self.settled.load(Ordering::Relaxed));
        for _ in 0..SETTLE_STEPS {
            let is_settled = settled < next
                && match self.table.state(settled) {
                    Some(XidState::Running(_)) => false,
                    Some(XidState::Committed(lsn)) => lsn <= vdl,
                    Some(XidState::Aborted) | None => true,
                };
            if !is_settled {
                break;
            }
            settled = Xid::new(settled.get() + 1);
        }
        self.settled.store(settled.get(), Ordering::Release);
    }
}

/// `54000`, for a transaction whose commit would not fit one mini-transaction.
pub(crate) fn too_many_subtransactions() -> PgError {
    PgError::new(code::PROGRAM_LIMIT_EXCEEDED, "too many subtransactions in one transaction")
}

/// The time in microseconds since 2000-01-01, as PostgreSQL counts.
fn now_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH + POSTGRES_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
