//! One connection as the transaction layer sees it: its snapshots, its locks, what it waits for.
//!
//! PostgreSQL has a process for each and a `PGPROC` in shared memory; here it is one object behind an `Arc`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use redoubt_buffer::Lsn;
use redoubt_error::PgResult;

use crate::interrupts::Interrupts;
use crate::locks::{HeldLocks, LockMode, LockTag};
use crate::rowlocks::HeldRowLock;
use crate::xid::Xid;

/// A connection's number, reused after it has ended.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(u32);

impl BackendId {
    /// Wraps the bare number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// One connection. Made by [`crate::TxnManager::connect`].
pub struct Backend {
    id: BackendId,
    pid: i32,
    interrupts: Arc<Interrupts>,
    /// What each live snapshot needs kept: its position, and the transaction below which it asks nothing.
    pub(crate) snapshots: Mutex<Vec<(Lsn, Xid)>>,
    /// The highest commit that this connection has built on; see [`Backend::dependency`].
    dependency: AtomicU64,
    /// The number of the current transaction, or of the last one: the second half of the virtual transaction id.
    local_xid: AtomicU32,
    /// The current transaction's number, 0 while it has none.
    pub(crate) top_xid: AtomicU64,
    deadlock_timeout_ms: AtomicU64,
    lock_timeout_ms: AtomicU64,
    pub(crate) held: Mutex<HeldLocks>,
    pub(crate) granted: AtomicBool,
    /// Changed only under the lock of the shard that has the tag.
    pub(crate) waiting_for: Mutex<Option<(LockTag, LockMode)>>,
    pub(crate) row_locks: Mutex<Vec<HeldRowLock>>,
}

impl Backend {
    fn new(id: BackendId, pid: i32) -> Self {
        Self {
            id,
            pid,
            interrupts: Arc::default(),
            snapshots: Mutex::default(),
            dependency: AtomicU64::new(0),
            local_xid: AtomicU32::new(0),
            top_xid: AtomicU64::new(0),
            deadlock_timeout_ms: AtomicU64::new(1000),
            lock_timeout_ms: AtomicU64::new(0),
            held: Mutex::default(),
            granted: AtomicBool::new(false),
            waiting_for: Mutex::new(None),
            row_locks: Mutex::default(),
        }
    }

    /// Its number among the connections.
    pub fn id(&self) -> BackendId {
        self.id
    }

    /// The process id that clients are told.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its interrupts; a clone of the `Arc` may go to whoever raises them.
    pub fn interrupts(&self) -> &Arc<Interrupts> {
        &self.interrupts
    }

    /// Returns the error that a pending interrupt demands. One load when there is none.
    ///
    /// # Errors
    /// See [`Interrupts::check`].
    #[inline]
    pub fn check_for_interrupts(&self) -> PgResult<()> {
        self.interrupts.check()
    }

    /// The lock that it waits for, if it waits for one.
    pub fn waits_for(&self) -> Option<LockTag> {
        self.waiting_for.lock().map(|(tag, _)| tag)
    }

    /// The position that must be durable before anything that this connection has seen or done may be told to
    /// its client, other than a bare command tag inside a transaction block (engine.md, "Visibility order").
    pub fn dependency(&self) -> Lsn {
        Lsn::new(self.dependency.load(Ordering::Relaxed))
    }

    /// Remembers that this connection has built on the commit at `lsn`.
    pub fn depend_on(&self, lsn: Lsn) {
        self.dependency.fetch_max(lsn.get(), Ordering::Relaxed);
    }

    /// The current transaction's number in this backend: `pg_locks.virtualxid` is `id/local`.
    pub fn local_xid(&self) -> u32 {
        self.local_xid.load(Ordering::Relaxed)
    }

    pub(crate) fn next_local_xid(&self) {
        self.local_xid.fetch_add(1, Ordering::Relaxed);
    }

    /// The current transaction's number, once it has one.
    pub fn top_xid(&self) -> Option<Xid> {
        let xid = Xid::new(self.top_xid.load(Ordering::Acquire));
        xid.is_valid().then_some(xid)
    }

    /// The oldest transaction that its snapshots may ask about (`pg_stat_activity.backend_xmin`).
    pub fn xmin(&self) -> Option<Xid> {
        self.snapshots.lock().iter().map(|&(_, xmin)| xmin).min()
    }

    /// Sets `deadlock_timeout`.
    pub fn set_deadlock_timeout(&self, timeout: Duration) {
        self.deadlock_timeout_ms.store(millis(timeout), Ordering::Relaxed);
    }

    /// Sets `lock_timeout`; zero switches it off.
    pub fn set_lock_timeout(&self, timeout: Duration) {
        self.lock_timeout_ms.store(millis(timeout), Ordering::Relaxed);
    }

    pub(crate) fn deadlock_timeout(&self) -> Duration {
        Duration::from_millis(self.deadlock_timeout_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn lock_timeout(&self) -> Option<Duration> {
        match self.lock_timeout_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(Duration::from_millis(ms)),
        }
    }
}

fn millis(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backend({}, pid {})", self.id.0, self.pid)
    }
}

/// All connections.
#[derive(Default)]
pub(crate) struct Backends {
    slots: RwLock<Vec<Option<Arc<Backend>>>>,
}

impl Backends {
    pub(crate) fn add(&self, pid: i32) -> Arc<Backend> {
        let mut slots = self.slots.write();
        let place = slots.iter().position(Option::is_none).unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        let id = BackendId(u32::try_from(place).expect("there are fewer than 2^32 connections"));
        let backend = Arc::new(Backend::new(id, pid));
        slots[place] = Some(backend.clone());
        backend
    }

    pub(crate) fn remove(&self, backend: &Backend) {
        let mut slots = self.slots.write();
        let old = slots[backend.id.0 as usize].take();
        assert!(old.is_some_and(|old| std::ptr::eq(&*old, backend)), "a connection ends once");
    }

    pub(crate) fn find(&self, id: BackendId) -> Option<Arc<Backend>> {
        self.slots.read().get(id.0 as usize)?.clone()
    }

    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<Backend>)) {
        self.slots.read().iter().flatten().for_each(&mut visit);
    }
}
