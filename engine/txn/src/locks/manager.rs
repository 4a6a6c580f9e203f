//! The shared lock table.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use redoubt_buffer::{Lsn, blocking};
use redoubt_error::{PgError, PgResult, code};
use rustc_hash::{FxHashMap, FxHasher};

use crate::backend::{Backend, Backends};
use crate::locks::deadlock::find_deadlock;
use crate::locks::held::Released;
use crate::locks::shard::{Lock, start_waiting};
use crate::locks::{LockLife, LockMode, LockOutcome, LockTag, LockWait};
use crate::manager::Inner;
use crate::table::XidState;
use crate::xid::Xid;

const SHARDS: usize = 64;
/// Counters of strong locks, by hash of the tag; sharing one costs a detour, never a mistake.
const STRONG_SLOTS: usize = 1024;

pub(super) type Shard = FxHashMap<LockTag, Lock>;

/// The heavyweight locks of one instance.
pub struct LockManager {
    shards: Box<[Mutex<Shard>]>,
    backends: Arc<Backends>,
    strong: Box<[StrongSlot]>,
    /// Backends waiting, or about to, for a transaction to end.
    transaction_waits: AtomicUsize,
    last_commit: AtomicU64,
}

#[derive(Default)]
struct StrongSlot {
    /// Strong locks held or wanted: while there are any, weak ones go through the shared table.
    count: AtomicU32,
    /// The highest commit that released a strong lock: whoever locks after it depends on it.
    released_lsn: AtomicU64,
}

/// One row of `pg_locks`.
#[derive(Clone, Debug)]
pub struct LockInfo {
    /// What is locked.
    pub tag: LockTag,
    /// How.
    pub mode: LockMode,
    /// Whether it is held; otherwise it is waited for.
    pub granted: bool,
    /// Whether it is with the backend only.
    pub fast_path: bool,
    /// Whose it is.
    pub backend: Arc<Backend>,
}

impl LockManager {
    pub(crate) fn new(backends: Arc<Backends>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            backends,
            strong: (0..STRONG_SLOTS).map(|_| StrongSlot::default()).collect(),
            transaction_waits: AtomicUsize::new(0),
            last_commit: AtomicU64::new(0),
        }
    }

    pub(crate) fn last_commit(&self) -> Lsn {
        Lsn::new(self.last_commit.load(Ordering::Acquire))
    }

    pub(crate) fn note_commit(&self, lsn: Lsn) {
        self.last_commit.fetch_max(lsn.get(), Ordering::AcqRel);
    }

    /// Acquires a lock. Not to be called under a latch.
    ///
    /// # Errors
    /// Deadlock (`40P01`), `lock_timeout` (`55P03`), or an interrupt.
    pub fn acquire(
        &self,
        backend: &Arc<Backend>,
        tag: LockTag,
        mode: LockMode,
        life: LockLife,
        wait: LockWait,
    ) -> PgResult<LockOutcome> {
        {
            let mut held = backend.held.lock();
            if held.acquire_again(tag, mode, life) {
                return Ok(LockOutcome::AlreadyHeld);
            }
            let is_fast = mode.is_weak() && tag.has_fast_path();
            if is_fast && self.strong_slot(tag).count.load(Ordering::SeqCst) == 0 {
                held.acquired(tag, mode, life, false);
                drop(held);
                self.inherit_dependency(backend, tag, mode);
                return Ok(LockOutcome::Acquired);
            }
        }
        let outcome = self.acquire_shared(backend, tag, mode, life, wait);
        if matches!(outcome, Ok(LockOutcome::Acquired)) {
            self.inherit_dependency(backend, tag, mode);
        }
        outcome
    }

    fn acquire_shared(
        &self,
        backend: &Arc<Backend>,
        tag: LockTag,
        mode: LockMode,
        life: LockLife,
        wait: LockWait,
    ) -> PgResult<LockOutcome> {
        let is_strong = mode.is_strong() && tag.has_fast_path();
        if is_strong {
            self.strong_slot(tag).count.fetch_add(1, Ordering::SeqCst);
        }
        let granted = {
            let mut shard = self.shard(tag);
            let lock = shard.entry(tag).or_default();
            if is_strong {
                // Whoever takes a weak lock from now on sees the count; whoever took one before shows it here.
                self.backends.for_each(|other| {
                    other.held.lock().share_weak(tag).iter().for_each(|weak| lock.grant(other, weak));
                });
            }
            let granted = lock.join_queue(backend, mode);
            if !granted && wait == LockWait::Block {
                start_waiting(backend, tag, mode);
            }
            if !granted && wait == LockWait::NoWait {
                lock.leave_queue(backend);
                if lock.is_unused() {
                    shard.remove(&tag);
                }
            }
            if granted {
                backend.held.lock().acquired(tag, mode, life, true);
            }
            granted
        };
        if granted {
            return Ok(LockOutcome::Acquired);
        }
        let waited = match wait {
            LockWait::NoWait => Ok(false),
            LockWait::Block => self.wait(backend, tag).map(|()| true),
        };
        match waited {
            Ok(true) => {
                backend.held.lock().acquired(tag, mode, life, true);
                Ok(LockOutcome::Acquired)
            }
            not_granted => {
                if is_strong {
                    self.strong_slot(tag).count.fetch_sub(1, Ordering::SeqCst);
                }
                not_granted.map(|_| LockOutcome::NotAvailable)
            }
        }
    }

    /// Waits until the backend, which is in the queue of `tag`, has got the lock.
    fn wait(&self, backend: &Arc<Backend>, tag: LockTag) -> PgResult<()> {
        let start = Instant::now();
        let give_up = backend.lock_timeout().map(|timeout| start + timeout);
        let mut look = Some(start + backend.deadlock_timeout());
        let failure = blocking(|| {
            loop {
                let until = [look, give_up].into_iter().flatten().min();
                if backend.interrupts().wait(until, || backend.granted.load(Ordering::SeqCst)) {
                    return None;
                }
                if let Err(interrupt) = backend.check_for_interrupts() {
                    return Some(interrupt);
                }
                let now = Instant::now();
                if give_up.is_some_and(|at| at <= now) {
                    let message = "canceling statement due to lock timeout";
                    return Some(PgError::new(code::LOCK_NOT_AVAILABLE, message));
                }
                if look.is_some_and(|at| at <= now) {
                    look = None;
                    if let Some(deadlock) = find_deadlock(&mut self.all_shards(), backend) {
                        return Some(deadlock);
                    }
                }
            }
        });
        let Some(failure) = failure else { return Ok(()) };
        let mut shard = self.shard(tag);
        let left = shard.get_mut(&tag).is_some_and(|lock| lock.leave_queue(backend));
        // A transaction's lock on itself is in the table only for those who wait for it.
        let for_waiters = matches!(tag, LockTag::Transaction(_));
        if shard.get(&tag).is_some_and(|lock| lock.is_unused() || for_waiters && lock.queue.is_empty()) {
            shard.remove(&tag);
        }
        // Out of the queue already means that the lock was granted while we gave up; then we have it.
        if left { Err(failure) } else { Ok(()) }
    }

    /// Waits until a transaction has ended. Its lock on itself gets into the table only now, by us.
    pub(crate) fn wait_for_transaction(
        &self,
        inner: &Inner,
        backend: &Arc<Backend>,
        xid: Xid,
    ) -> PgResult<()> {
        let tag = LockTag::Transaction(xid);
        self.transaction_waits.fetch_add(1, Ordering::SeqCst);
        // Either the ending transaction sees our count, or we see its end.
        fence(Ordering::SeqCst);
        let waits = {
            let mut shard = self.shard(tag);
            match inner.table.state(xid) {
                Some(XidState::Running(owner)) if owner != backend.id() => match inner.backends.find(owner) {
                    Some(owner) => {
                        let lock = shard.entry(tag).or_default();
                        lock.grant(&owner, LockMode::Exclusive);
                        let granted = lock.join_queue(backend, LockMode::Share);
                        assert!(!granted, "a running transaction has itself locked");
                        start_waiting(backend, tag, LockMode::Share);
                        true
                    }
                    None => false,
                },
                Some(XidState::Running(_)) => panic!("a transaction waits for itself"),
                _ => false,
            }
        };
        let result = if waits { self.wait(backend, tag) } else { Ok(()) };
        self.transaction_waits.fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// Wakes whoever waits for these transactions, whose end the table knows already.
    pub(crate) fn transactions_ended(&self, xids: &[Xid]) {
        fence(Ordering::SeqCst);
        if self.transaction_waits.load(Ordering::SeqCst) == 0 {
            return;
        }
        for &xid in xids {
            let tag = LockTag::Transaction(xid);
            if let Some(lock) = self.shard(tag).remove(&tag) {
                lock.dissolve();
            }
        }
    }

    /// Releases one acquisition of a session-level lock. Returns whether the session had it.
    pub fn release_one(&self, backend: &Arc<Backend>, tag: LockTag, mode: LockMode) -> bool {
        let Some(released) = backend.held.lock().release_session(tag, mode) else { return false };
        self.give_back(backend, tag, mode, released, backend.dependency());
        true
    }

    /// Releases a lock before its transaction's end; for locks that order queues (on rows) or that turned out to
    /// be on the wrong thing. Only for what answered [`LockOutcome::Acquired`].
    pub fn release_early(&self, backend: &Arc<Backend>, tag: LockTag, mode: LockMode) {
        let released = backend.held.lock().release_early(tag, mode);
        let released = released.expect("what is released early was acquired by this transaction");
        self.give_back(backend, tag, mode, released, Lsn::ZERO);
    }

    /// Releases all that the session holds beyond transactions (`pg_advisory_unlock_all`).
    pub fn release_session(&self, backend: &Arc<Backend>) {
        let locks = backend.held.lock().session_locks();
        for (tag, mode, count) in locks {
            (0..count).for_each(|_| assert!(self.release_one(backend, tag, mode)));
        }
    }

    /// Releases what was held to the end of (sub)transactions deeper than `depth`, which have failed.
    pub(crate) fn release_above(&self, backend: &Arc<Backend>, depth: u32) {
        self.release_all_above(backend, depth, Lsn::ZERO);
    }

    /// Releases all that the transaction held, after its commit at `lsn` was appended, or its failure (zero).
    pub(crate) fn release_transaction(&self, backend: &Arc<Backend>, lsn: Lsn) {
        self.release_all_above(backend, 0, lsn);
    }

    fn release_all_above(&self, backend: &Arc<Backend>, depth: u32, lsn: Lsn) {
        loop {
            let popped = backend.held.lock().pop_above(depth);
            let Some((tag, mode, released)) = popped else { return };
            self.give_back(backend, tag, mode, released, lsn);
        }
    }

    pub(crate) fn adopt_by_parent(&self, backend: &Backend, depth: u32) {
        backend.held.lock().adopt_by_parent(depth);
    }

    /// The shared part of a release.
    fn give_back(&self, backend: &Backend, tag: LockTag, mode: LockMode, released: Released, lsn: Lsn) {
        if released == Released::Held {
            return;
        }
        let slot = self.strong_slot(tag);
        if !mode.is_weak() && lsn > Lsn::ZERO {
            // Before the lock goes, so that whoever gets it finds it.
            slot.released_lsn.fetch_max(lsn.get(), Ordering::AcqRel);
        }
        if released == Released::Shared {
            let mut shard = self.shard(tag);
            let lock = shard.get_mut(&tag).expect("a shared lock is in the table");
            lock.release(backend, mode);
            if lock.is_unused() {
                shard.remove(&tag);
            }
        }
        if mode.is_strong() && tag.has_fast_path() {
            slot.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Locks are released when a commit is appended, not when it is durable: whoever gets one depends on
    /// the commits that released it. A strong lock may follow many weak ones, so it depends on all there are.
    fn inherit_dependency(&self, backend: &Backend, tag: LockTag, mode: LockMode) {
        let released = self.strong_slot(tag).released_lsn.load(Ordering::Acquire);
        backend.depend_on(Lsn::new(released));
        if mode.is_strong() {
            backend.depend_on(self.last_commit());
        }
    }

    /// The strongest mode in which `backend` has `tag`.
    pub fn strongest_held(&self, backend: &Backend, tag: LockTag) -> Option<LockMode> {
        backend.held.lock().strongest(tag)
    }

    /// The backends whose end would let `backend` go on (`pg_blocking_pids`): holders first, then those
    /// ahead in the queue.
    pub fn blockers(&self, backend: &Backend) -> Vec<Arc<Backend>> {
        let Some((tag, mode)) = *backend.waiting_for.lock() else { return Vec::new() };
        let shard = self.shard(tag);
        let Some(lock) = shard.get(&tag) else { return Vec::new() };
        let mut found: Vec<_> = lock.in_the_way(backend, mode).cloned().collect();
        let ahead = lock.queue.iter().take_while(|waiter| !std::ptr::eq(&*waiter.backend, backend));
        found.extend(ahead.filter(|w| w.mode.conflicts_with(mode)).map(|waiter| waiter.backend.clone()));
        found
    }

    /// Everything held and waited for, for `pg_locks`. Transactions' locks on themselves are included.
    pub fn list(&self) -> Vec<LockInfo> {
        let mut list = Vec::new();
        for shard in self.all_shards() {
            for (&tag, lock) in shard.iter().filter(|(tag, _)| !matches!(tag, LockTag::Transaction(_))) {
                list.extend(lock.holders().map(|(backend, mode)| held(tag, mode, backend, false)));
            }
            for (&tag, lock) in shard.iter() {
                let waits = lock.queue.iter().map(|waiter| LockInfo {
                    granted: false,
                    ..held(tag, waiter.mode, &waiter.backend, false)
                });
                list.extend(waits);
            }
        }
        self.backends.for_each(|backend| {
            let fast = backend.held.lock().fast_path();
            list.extend(fast.into_iter().map(|(tag, mode)| held(tag, mode, backend, true)));
            if let Some(xid) = backend.top_xid() {
                list.push(held(LockTag::Transaction(xid), LockMode::Exclusive, backend, false));
            }
        });
        list
    }

    fn strong_slot(&self, tag: LockTag) -> &StrongSlot {
        &self.strong[hash(tag) as usize % STRONG_SLOTS]
    }

    fn shard(&self, tag: LockTag) -> MutexGuard<'_, Shard> {
        self.shards[(hash(tag) >> 32) as usize % SHARDS].lock()
    }

    /// All shards, in order; README, rule 4.
    fn all_shards(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock()).collect()
    }
}

fn held(tag: LockTag, mode: LockMode, backend: &Arc<Backend>, fast_path: bool) -> LockInfo {
    LockInfo { tag, mode, granted: true, fast_path, backend: backend.clone() }
}

fn hash(tag: LockTag) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(tag)
}
