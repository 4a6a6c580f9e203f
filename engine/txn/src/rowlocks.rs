//! Row locks (`SELECT FOR UPDATE` and its kin), in memory.
//!
//! They die with the writer, as the transactions that have them do, so nothing is written for them. A row
//! being updated or deleted is not here: its page says so. Whoever locks a row looks at both under the page's latch,
//! shared; whoever updates it, exclusive; so neither misses the other. Nobody waits here: the answer to
//! a conflict is whom to wait for.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use redoubt_buffer::RelNode;
use rustc_hash::{FxHashMap, FxHasher};

use crate::backend::{Backend, BackendId};
use crate::manager::Inner;
use crate::table::XidState;
use crate::transaction::Txn;
use crate::xid::Xid;

const SHARDS: usize = 64;

type Shard = FxHashMap<RowKey, Vec<Holder>>;

/// How a row is locked, weakest first. Each covers those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowLockMode {
    /// FOR KEY SHARE, and the foreign key's side of an insertion: the key stays.
    KeyShare,
    /// FOR SHARE: the row stays.
    Share,
    /// FOR NO KEY UPDATE, and an update that leaves the key alone.
    NoKeyUpdate,
    /// FOR UPDATE, deletion, and an update of the key.
    Update,
}

impl RowLockMode {
    /// The documentation's table "Conflicting Row-Level Locks".
    pub const fn conflicts_with(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Update, _)
                | (_, Self::Update)
                | (Self::NoKeyUpdate, Self::Share | Self::NoKeyUpdate)
                | (Self::Share, Self::NoKeyUpdate)
        )
    }
}

/// A row version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// The table's storage.
    pub node: RelNode,
    /// The block.
    pub block: u32,
    /// The slot.
    pub slot: u16,
}

/// The row locks of one instance.
pub struct RowLocks {
    shards: Box<[Mutex<Shard>]>,
    /// Locked rows in all shards; while there are none, looking costs one load.
    rows: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Holder {
    xid: Xid,
    backend: BackendId,
    mode: RowLockMode,
}

/// One row lock of a backend, to be released with the (sub)transaction at this depth.
pub(crate) struct HeldRowLock {
    depth: u32,
    key: RowKey,
    xid: Xid,
}

impl Default for RowLocks {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), rows: AtomicUsize::new(0) }
    }
}

impl RowLocks {
    /// Locks a row version for `txn`, whose number is `xid`, unless running transactions of others stand in the way;
    /// then those are the answer. The caller has the row's page latched, at least shared.
    pub fn try_lock(&self, txn: &Txn, xid: Xid, key: RowKey, mode: RowLockMode) -> Vec<Xid> {
        let inner = &txn.manager().inner;
        let own = txn.backend().id();
        let mut shard = self.shard(key);
        let is_new = !shard.contains_key(&key);
        let holders = shard.entry(key).or_default();
        holders.retain(|holder| inner.is_running(holder.xid));
        let others = |holder: &&Holder| holder.backend != own && holder.mode.conflicts_with(mode);
        let in_the_way: Vec<Xid> = holders.iter().filter(others).map(|holder| holder.xid).collect();
        let is_held = holders.iter().any(|holder| holder.backend == own && holder.mode >= mode);
        if in_the_way.is_empty() && !is_held {
            holders.push(Holder { xid, backend: own, mode });
            let held = HeldRowLock { depth: txn.nesting(), key, xid };
            txn.backend().row_locks.lock().push(held);
        }
        let is_empty = holders.is_empty();
        self.count(&mut shard, key, is_new, is_empty);
        in_the_way
    }

    /// The running transactions of others that have the row version locked in a conflicting mode. The caller
    /// has the row's page latched exclusively.
    pub fn in_the_way(&self, txn: &Txn, key: RowKey, mode: RowLockMode) -> Vec<Xid> {
        if self.rows.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let (inner, own) = (&txn.manager().inner, txn.backend().id());
        let shard = self.shard(key);
        let Some(holders) = shard.get(&key) else { return Vec::new() };
        let others = |holder: &&Holder| {
            holder.backend != own && holder.mode.conflicts_with(mode) && inner.is_running(holder.xid)
        };
        holders.iter().filter(others).map(|holder| holder.xid).collect()
    }

    /// The strongest lock that `txn` has on a row version.
    pub fn held_by(&self, txn: &Txn, key: RowKey) -> Option<RowLockMode> {
        if self.rows.load(Ordering::Acquire) == 0 {
            return None;
        }
        let shard = self.shard(key);
        let own = shard.get(&key)?.iter().filter(|holder| holder.backend == txn.backend().id());
        own.map(|holder| holder.mode).max()
    }

    /// A row version was replaced by another: what others hold on it they hold on its successor too. The
    /// caller has both pages latched exclusively.
    pub fn carry_over(&self, txn: &Txn, from: RowKey, to: RowKey) {
        if self.rows.load(Ordering::Acquire) == 0 {
            return;
        }
        let inner = &txn.manager().inner;
        let holders: Vec<Holder> = self.shard(from).get(&from).cloned().unwrap_or_default();
        for holder in holders.into_iter().filter(|holder| holder.backend != txn.backend().id()) {
            let Some(backend) = inner.backends.find(holder.backend) else { continue };
            {
                let mut shard = self.shard(to);
                let is_new = !shard.contains_key(&to);
                shard.entry(to).or_default().push(holder);
                self.count(&mut shard, to, is_new, false);
            }
            // At depth 1 it may outlive the subtransaction that locked the row; the end of its number is
            // what counts, so that delays nobody.
            backend.row_locks.lock().push(HeldRowLock { depth: 1, key: to, xid: holder.xid });
            if !inner.is_running(holder.xid) {
                // It ended meanwhile and may have seen its list without this entry.
                self.remove(to, holder.xid);
            }
        }
    }

    /// How many row versions are locked.
    pub fn len(&self) -> usize {
        self.rows.load(Ordering::Acquire)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Releases what (sub)transactions deeper than `depth` had; the table knows their end already, or it is
    /// about to be told by the caller.
    pub(crate) fn release_above(&self, backend: &Backend, depth: u32, _inner: &Inner) {
        loop {
            let released: Vec<HeldRowLock> = {
                let mut held = backend.row_locks.lock();
                held.extract_if(.., |held| held.depth > depth).collect()
            };
            if released.is_empty() {
                return;
            }
            released.iter().for_each(|held| self.remove(held.key, held.xid));
        }
    }

    pub(crate) fn adopt_by_parent(&self, backend: &Backend, depth: u32) {
        backend.row_locks.lock().iter_mut().for_each(|held| held.depth = held.depth.min(depth));
    }

    fn remove(&self, key: RowKey, xid: Xid) {
        let mut shard = self.shard(key);
        let Some(holders) = shard.get_mut(&key) else { return };
        holders.retain(|holder| holder.xid != xid);
        let is_empty = holders.is_empty();
        self.count(&mut shard, key, false, is_empty);
    }

    /// Keeps the count of rows, and drops an entry without holders.
    fn count(&self, shard: &mut MutexGuard<'_, Shard>, key: RowKey, is_new: bool, is_empty: bool) {
        if is_empty {
            shard.remove(&key);
        }
        match (is_new, is_empty) {
            (true, false) => drop(self.rows.fetch_add(1, Ordering::AcqRel)),
            (false, true) => drop(self.rows.fetch_sub(1, Ordering::AcqRel)),
            _ => (),
        }
    }

    fn shard(&self, key: RowKey) -> MutexGuard<'_, Shard> {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(key);
        self.shards[(hash >> 32) as usize % SHARDS].lock()
    }
}

impl Inner {
    fn is_running(&self, xid: Xid) -> bool {
        matches!(self.table.state(xid), Some(XidState::Running(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::RowLockMode::{KeyShare, NoKeyUpdate, Share, Update};

    #[test]
    fn conflicts_are_the_documented_ones() {
        for (mode, row) in [(KeyShare, "   x"), (Share, "  xx"), (NoKeyUpdate, " xxx"), (Update, "xxxx")] {
            let others = [KeyShare, Share, NoKeyUpdate, Update];
            let found: String =
                others.map(|other| if mode.conflicts_with(other) { 'x' } else { ' ' }).iter().collect();
            assert_eq!(found, row, "{mode:?}");
        }
    }
}
