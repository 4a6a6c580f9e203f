//! One transaction: its numbers, its commands, its subtransactions, its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use redoubt_buffer::Lsn;
use redoubt_error::{PgError, PgResult, code};

use crate::backend::Backend;
use crate::locks::{LockLife, LockMode, LockOutcome, LockTag, LockWait};
use crate::manager::{TxnManager, too_many_subtransactions};
use crate::snapshot::Snapshot;
use crate::status::{StatusMissing, fits_one_commit};
use crate::table::XidState;
use crate::xid::{CommandId, Xid};

/// How much a transaction sees of others that commit while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what had committed when it started. READ UNCOMMITTED is the same.
    ReadCommitted,
    /// All statements see what had committed when the first started.
    RepeatableRead,
}

/// A subtransaction's number within its transaction; the transaction itself is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubId(pub u32);

impl SubId {
    /// The transaction itself.
    pub const TOP: Self = Self(1);
}

/// A running transaction. One thread drives it; it may be shared with those that look at it. Dropping it
/// without an end aborts it.
pub struct Txn {
    txns: TxnManager,
    backend: Arc<Backend>,
    isolation: Isolation,
    /// The number of the innermost subtransaction, 0 while it has none.
    current: AtomicU64,
    /// Open levels, for those who need only that.
    depth: AtomicU32,
    command: AtomicU32,
    command_used: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// The transaction and its open subtransactions, outermost first; empty when it has ended.
    levels: Vec<Level>,
    next_sub: u32,
    /// The one snapshot of a repeatable-read transaction.
    snapshot: Option<Snapshot>,
}

struct Level {
    sub: SubId,
    xid: Option<Xid>,
    /// Numbers of its subtransactions that have ended well.
    committed: Vec<Xid>,
}

impl Txn {
    pub(crate) fn new(txns: TxnManager, backend: Arc<Backend>, isolation: Isolation) -> Self {
        backend.next_local_xid();
        let top = Level { sub: SubId::TOP, xid: None, committed: Vec::new() };
        Self {
            txns,
            backend,
            isolation,
            current: AtomicU64::new(0),
            depth: AtomicU32::new(1),
            command: AtomicU32::new(0),
            command_used: AtomicBool::new(false),
            state: Mutex::new(State { levels: vec![top], next_sub: 2, snapshot: None }),
        }
    }

    /// The manager that it belongs to.
    pub fn manager(&self) -> &TxnManager {
        &self.txns
    }

    /// The connection that runs it.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Its isolation level.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The number of the innermost subtransaction, given out now if need be. Enclosing ones get theirs first, so
    /// that a child's number is above its parent's.
    ///
    /// # Errors
    /// What the volume says, or `54000` when there are too many subtransactions.
    #[inline]
    pub fn xid(&self) -> PgResult<Xid> {
        match self.current.load(Ordering::Relaxed) {
            0 => self.assign(),
            xid => Ok(Xid::new(xid)),
        }
    }

    /// The number of the innermost subtransaction, if it has one.
    pub fn xid_if_assigned(&self) -> Option<Xid> {
        let xid = Xid::new(self.current.load(Ordering::Relaxed));
        xid.is_valid().then_some(xid)
    }

    /// The number of the whole transaction, if it has one.
    pub fn top_xid(&self) -> Option<Xid> {
        self.backend.top_xid()
    }

    #[cold]
    fn assign(&self) -> PgResult<Xid> {
        let mut state = self.state.lock();
        let inner = &self.txns.inner;
        let mut innermost = Xid::INVALID;
        for level in &mut state.levels {
            innermost = match level.xid {
                Some(xid) => xid,
                None => {
                    let top = self.backend.top_xid();
                    if top.is_some_and(|top| !fits_one_commit(top, self.txns.next_xid())) {
                        return Err(too_many_subtransactions());
                    }
                    let xid = inner.assign(self.backend.id())?;
                    if top.is_none() {
                        self.backend.top_xid.store(xid.get(), Ordering::Release);
                    }
                    level.xid = Some(xid);
                    xid
                }
            };
        }
        assert!(innermost.is_valid(), "an ended transaction has no number to give");
        self.current.store(innermost.get(), Ordering::Relaxed);
        Ok(innermost)
    }

    /// Whether `xid` is this transaction or one of its living subtransactions.
    pub fn is_own(&self, xid: Xid) -> bool {
        let running = XidState::Running(self.backend.id());
        self.backend.top_xid().is_some_and(|top| xid >= top)
            && self.txns.inner.table.state(xid) == Some(running)
    }

    /// The command that is running.
    pub fn command(&self) -> CommandId {
        CommandId::new(self.command.load(Ordering::Relaxed))
    }

    /// The command that is running, to be written into a row: the next [`Txn::advance_command`] will count.
    pub fn command_for_write(&self) -> CommandId {
        self.command_used.store(true, Ordering::Relaxed);
        self.command()
    }

    /// Ends the command: snapshots taken from now on see what it did. Costs nothing if it wrote nothing.
    ///
    /// # Errors
    /// `54000` after 2^32 - 2 commands.
    pub fn advance_command(&self) -> PgResult<()> {
        if !self.command_used.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let next = self.command.load(Ordering::Relaxed) + 1;
        if next == u32::MAX {
            let message = "cannot have more than 2^32-2 commands in a transaction";
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        self.command.store(next, Ordering::Relaxed);
        Ok(())
    }

    /// The snapshot for a statement that starts now: a new one, or the transaction's own under repeatable read.
    /// Waits until what the connection has built on is durable.
    ///
    /// # Errors
    /// When this instance is fenced.
    pub fn statement_snapshot(&self) -> PgResult<Snapshot> {
        let command = self.command();
        if self.isolation == Isolation::ReadCommitted {
            return self.txns.take_snapshot(&self.backend, command);
        }
        if let Some(snapshot) = &self.state.lock().snapshot {
            return Ok(snapshot.at_command(command));
        }
        let snapshot = self.txns.take_snapshot(&self.backend, command)?;
        self.state.lock().snapshot = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// Makes the transaction see through `snapshot` (`SET TRANSACTION SNAPSHOT`, parallel workers).
    pub fn adopt_snapshot(&self, snapshot: Snapshot) {
        self.state.lock().snapshot = Some(snapshot);
    }

    /// A snapshot of what is durable now, whatever the isolation level: for catalog look-ups and
    /// constraint checks, which must see the latest.
    ///
    /// # Errors
    /// When this instance is fenced.
    pub fn latest_snapshot(&self) -> PgResult<Snapshot> {
        self.txns.take_snapshot(&self.backend, self.command())
    }

    /// The innermost subtransaction.
    pub fn current_sub(&self) -> SubId {
        self.state.lock().levels.last().map_or(SubId::TOP, |level| level.sub)
    }

    /// How deep subtransactions are nested; 1 is the transaction itself.
    pub fn nesting(&self) -> u32 {
        self.depth.load(Ordering::Relaxed)
    }

    /// Acquires a heavyweight lock to the end of the innermost subtransaction. Not to be called under a latch.
    ///
    /// # Errors
    /// Deadlock (`40P01`), `lock_timeout` (`55P03`), or an interrupt.
    pub fn lock(&self, tag: LockTag, mode: LockMode, wait: LockWait) -> PgResult<LockOutcome> {
        let life = LockLife::Transaction { depth: self.nesting() };
        self.txns.inner.locks.acquire(&self.backend, tag, mode, life, wait)
    }

    /// Waits until `xid` has finished; at once when it has. Not to be called under a latch. What it then
    /// finds committed, the caller passes to [`Txn::depend_on`] if it builds on it.
    ///
    /// # Errors
    /// Deadlock (`40P01`), `lock_timeout` (`55P03`), or an interrupt.
    pub fn wait_for(&self, xid: Xid) -> PgResult<()> {
        self.txns.wait_for(&self.backend, xid)
    }

    /// Remembers that this connection builds on what `xid` has committed, if that is not durable yet.
    #[inline]
    pub fn depend_on(&self, xid: Xid) {
        self.txns.depend_on(&self.backend, xid);
    }

    /// What has become of a transaction by now.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`TxnManager::load_status`].
    #[inline]
    pub fn state_of(&self, xid: Xid) -> Result<XidState, StatusMissing> {
        self.txns.state(xid)
    }

    /// Starts a subtransaction inside the innermost one.
    ///
    /// # Errors
    /// `54000` after 2^32 - 2 of them.
    pub fn begin_sub(&self) -> PgResult<SubId> {
        let mut state = self.state.lock();
        assert!(!state.levels.is_empty(), "the transaction has ended");
        let sub = SubId(state.next_sub);
        state.next_sub = state.next_sub.checked_add(1).ok_or_else(|| {
            let message = "cannot have more than 2^32-1 subtransactions in a transaction";
            PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message)
        })?;
        state.levels.push(Level { sub, xid: None, committed: Vec::new() });
        self.depth.fetch_add(1, Ordering::Relaxed);
        self.current.store(0, Ordering::Relaxed);
        Ok(sub)
    }

    /// Ends the innermost subtransaction well: what it did and holds becomes its parent's.
    ///
    /// # Panics
    /// When there is none.
    pub fn commit_sub(&self) {
        let mut state = self.state.lock();
        assert!(state.levels.len() > 1, "there is no subtransaction to end");
        let ended = state.levels.pop().expect("the length was checked");
        self.depth.fetch_sub(1, Ordering::Relaxed);
        let depth = state.levels.len();
        let parent = state.levels.last_mut().expect("the length was checked");
        parent.committed.extend(ended.xid);
        parent.committed.extend(ended.committed);
        self.current.store(parent.xid.map_or(0, Xid::get), Ordering::Relaxed);
        drop(state);
        self.txns.inner.locks.adopt_by_parent(&self.backend, depth as u32);
        self.txns.inner.row_locks.adopt_by_parent(&self.backend, depth as u32);
    }

    /// Ends the innermost subtransaction with nothing done: what it wrote has failed, what it locked is free.
    ///
    /// # Panics
    /// When there is none.
    pub fn abort_sub(&self) {
        let mut state = self.state.lock();
        assert!(state.levels.len() > 1, "there is no subtransaction to end");
        let ended = state.levels.pop().expect("the length was checked");
        self.depth.fetch_sub(1, Ordering::Relaxed);
        let depth = state.levels.len();
        let parent = state.levels.last().expect("the length was checked");
        self.current.store(parent.xid.map_or(0, Xid::get), Ordering::Relaxed);
        drop(state);
        let inner = &self.txns.inner;
        let failed: Vec<Xid> = ended.xid.into_iter().chain(ended.committed).collect();
        failed.iter().for_each(|&xid| inner.table.set_aborted(xid));
        inner.row_locks.release_above(&self.backend, depth as u32, inner);
        inner.locks.release_above(&self.backend, depth as u32);
        inner.locks.transactions_ended(&failed);
    }

    /// Commits, and returns the position that must be durable before the client may be told: its own commit
    /// record, or for a transaction that wrote nothing what it has built on. Waits for neither. Subtransactions
    /// still open end well.
    ///
    /// # Errors
    /// When nothing could be written; the transaction has then failed.
    pub fn commit(&self) -> PgResult<Lsn> {
        while self.nesting() > 1 {
            self.commit_sub();
        }
        let mut ended = self.end();
        let top = ended.pop().expect("a transaction ends once");
        let Some(xid) = top.xid else {
            assert!(top.committed.is_empty(), "a subtransaction has a number only after its parent");
            self.release(&[], Lsn::ZERO);
            return Ok(self.backend.dependency());
        };
        let mut xids = top.committed;
        xids.push(xid);
        xids.sort_unstable();
        match self.txns.inner.commit(&xids) {
            Ok(lsn) => {
                self.backend.depend_on(lsn);
                self.release(&xids, lsn);
                Ok(lsn)
            }
            Err(error) => {
                xids.iter().for_each(|&xid| self.txns.inner.table.set_aborted(xid));
                self.release(&xids, Lsn::ZERO);
                Err(error)
            }
        }
    }

    /// Ends the transaction with nothing done. Instant, and needs no record: what has no commit has failed.
    pub fn abort(&self) {
        let ended = self.end();
        let xids: Vec<Xid> =
            ended.into_iter().flat_map(|level| level.xid.into_iter().chain(level.committed)).collect();
        xids.iter().for_each(|&xid| self.txns.inner.table.set_aborted(xid));
        self.release(&xids, Lsn::ZERO);
    }

    /// Whether it has neither committed nor aborted.
    pub fn is_active(&self) -> bool {
        !self.state.lock().levels.is_empty()
    }

    /// Takes the levels away, so that there is one end.
    fn end(&self) -> Vec<Level> {
        let mut state = self.state.lock();
        assert!(!state.levels.is_empty(), "a transaction ends once");
        self.current.store(0, Ordering::Relaxed);
        let snapshot = state.snapshot.take();
        let levels = std::mem::take(&mut state.levels);
        drop(state);
        drop(snapshot);
        levels
    }

    /// Releases everything, after the table knows the end. `lsn` is the commit's, or zero.
    fn release(&self, xids: &[Xid], lsn: Lsn) {
        let inner = &self.txns.inner;
        self.backend.top_xid.store(0, Ordering::Release);
        inner.row_locks.release_above(&self.backend, 0, inner);
        inner.locks.release_transaction(&self.backend, lsn);
        inner.locks.transactions_ended(xids);
    }
}

impl Drop for Txn {
    fn drop(&mut self) {
        if self.is_active() {
            self.abort();
        }
    }
}
