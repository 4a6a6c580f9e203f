//! What has been read from the catalogs, shared by all sessions of a database.
//!
//! An entry is the answer to one lookup (a [`Key`]), present or absent, as of every snapshot from the
//! entry's `from` on. The rules that keep this true, numbered so that code can cite them:
//!
//! 1. A transaction that changes catalog rows notes the keys of the old and new rows
//!    ([`crate::invalidation`]). Until it ends it answers those keys itself, from pages.
//! 2. Before its commit record is appended, its keys are *pending* here, and their entries gone. No
//!    snapshot can include the commit before that.
//! 3. When the commit's LSN is known, it is noted as the key's last change, and the key is no
//!    longer pending. An abort only does the latter.
//! 4. A reader may use an entry when its snapshot is at or after the entry's `from`.
//! 5. What a reader has read from pages with a snapshot becomes an entry only if the key is not
//!    pending and its last change is not after the snapshot; that change is the entry's `from`.
//!
//! Last changes are forgotten a shard at a time: the shard's *floor* then stands for every key
//! without a note of its own, which is never lower than the truth.

use hashbrown::{Equivalent, HashMap};
use parking_lot::RwLock;
use redoubt_functions::Oid;
use redoubt_page::Lsn;
use rustc_hash::{FxBuildHasher, FxHasher};
use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The kinds of question that are cached; each has one kind of key and one kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The variants say it.
pub enum Lookup {
    NamespaceByOid,
    NamespaceByName,
    RelationByOid,
    RelationByName,
    IndexByOid,
    ConstraintByOid,
    ChildrenByParent,
    TypeByOid,
    TypeByName,
    DomainConstraints,
    EnumByType,
    EnumByOid,
    RangeByType,
    RangeByMultirange,
    CollationByOid,
    CollationsByName,
    CastByTypes,
    ProcByOid,
    ProcsByName,
    AggregateByProc,
    OperatorByOid,
    OperatorsByName,
    OpclassByOid,
    OpclassesByMethod,
    OpfamilyByOid,
    AmopsByFamily,
    AmopsByOperator,
    AmprocsByFamily,
    MethodByOid,
    MethodByName,
    LanguageByOid,
    LanguageByName,
    TsConfigByOid,
    TsConfigByName,
    TsDictByOid,
    TsDictByName,
    RoleByOid,
    RoleByName,
    MembershipsByMember,
    DatabaseByOid,
    DatabaseByName,
    TablespaceByOid,
    TablespaceByName,
}

impl Lookup {
    /// Whether the answer lies in a catalog that all databases share.
    pub fn is_shared(self) -> bool {
        matches!(
            self,
            Lookup::RoleByOid
                | Lookup::RoleByName
                | Lookup::MembershipsByMember
                | Lookup::DatabaseByOid
                | Lookup::DatabaseByName
                | Lookup::TablespaceByOid
                | Lookup::TablespaceByName
        )
    }
}

/// One question: a lookup and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    lookup: Lookup,
    first: Oid,
    second: Oid,
    name: Option<Arc<str>>,
}

/// A [`Key`] whose name is borrowed, so that asking allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    /// The question.
    pub lookup: Lookup,
    /// The first OID asked for (the schema, when there is a name), or 0.
    pub first: Oid,
    /// The second, or 0.
    pub second: Oid,
    /// The name asked for.
    pub name: Option<&'a str>,
}

impl<'a> KeyRef<'a> {
    /// A question about one OID.
    pub fn oid(lookup: Lookup, oid: Oid) -> Self {
        KeyRef { lookup, first: oid, second: 0, name: None }
    }

    /// A question about two OIDs.
    pub fn pair(lookup: Lookup, first: Oid, second: Oid) -> Self {
        KeyRef { lookup, first, second, name: None }
    }

    /// A question about a name in a schema (0 where schemas do not matter).
    pub fn name(lookup: Lookup, schema: Oid, name: &'a str) -> Self {
        KeyRef { lookup, first: schema, second: 0, name: Some(name) }
    }

    /// The key that owns its name.
    pub fn to_key(self) -> Key {
        Key { lookup: self.lookup, first: self.first, second: self.second, name: self.name.map(Arc::from) }
    }

    fn hash_code(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Key {
    /// The same question, borrowed.
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { lookup: self.lookup, first: self.first, second: self.second, name: self.name.as_deref() }
    }

    /// What is asked.
    pub fn lookup(&self) -> Lookup {
        self.lookup
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.first) << 32 | u64::from(self.second));
        state.write_u8(self.lookup as u8);
        if let Some(name) = self.name {
            state.write(name.as_bytes());
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.lookup == key.lookup
            && self.first == key.first
            && self.second == key.second
            && self.name == key.name.as_deref()
    }
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// There is no such object.
    Absent,
    /// Its OID; the object itself is asked for by that.
    Oid(Oid),
    /// The object, of the lookup's type.
    Object(Arc<dyn Any + Send + Sync>),
}

#[derive(Debug)]
struct Entry {
    from: Lsn,
    answer: Answer,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Key, Entry, FxBuildHasher>,
    /// When a key last changed; keys without a note changed at or before `floor`.
    changed: HashMap<Key, Lsn, FxBuildHasher>,
    /// How many committing transactions hold the key.
    pending: HashMap<Key, u32, FxBuildHasher>,
    floor: Lsn,
}

impl Shard {
    fn last_change(&self, key: &KeyRef<'_>) -> Lsn {
        self.changed.get(key).map_or(self.floor, |lsn| (*lsn).max(self.floor))
    }
}

const SHARDS: usize = 16;
/// Entries per shard beyond which the shard is emptied: a bound on memory, not a working set.
const MAX_ENTRIES: usize = 16 * 1024;
/// Notes of changes per shard beyond which they are folded into the floor.
const MAX_CHANGES: usize = 4 * 1024;

/// The answers for one database; database 0 has the shared catalogs'.
#[derive(Debug, Default)]
pub struct DatabaseCache {
    shards: [RwLock<Shard>; SHARDS],
    /// The highest LSN of a commit that changed the catalogs.
    last_change: AtomicU64,
    /// How many such commits are under way.
    committing: AtomicU64,
}

impl DatabaseCache {
    fn shard(&self, key: &KeyRef<'_>) -> &RwLock<Shard> {
        // The map uses the low and the very top bits, so these are independent of its buckets.
        &self.shards[(key.hash_code() >> 40) as usize % SHARDS]
    }

    /// The cached answer, if it holds for a snapshot at `snapshot` (rule 4).
    pub fn get(&self, key: &KeyRef<'_>, snapshot: Lsn) -> Option<Answer> {
        let shard = self.shard(key).read();
        let entry = shard.entries.get(key)?;
        (entry.from <= snapshot).then(|| entry.answer.clone())
    }

    /// Keeps what was read from pages at `snapshot`, if rule 5 allows.
    pub fn put(&self, key: &KeyRef<'_>, snapshot: Lsn, answer: Answer) {
        let mut shard = self.shard(key).write();
        let from = shard.last_change(key);
        if shard.pending.contains_key(key) || from > snapshot {
            return;
        }
        if shard.entries.len() >= MAX_ENTRIES {
            shard.entries.clear();
        }
        shard.entries.insert(key.to_key(), Entry { from, answer });
    }

    /// Rule 2.
    fn begin(&self, key: &Key) {
        let mut shard = self.shard(&key.as_ref()).write();
        *shard.pending.entry(key.clone()).or_insert(0) += 1;
        shard.entries.remove(key);
    }

    /// Rule 3.
    fn end(&self, key: &Key, committed: Option<Lsn>) {
        let mut shard = self.shard(&key.as_ref()).write();
        let count = shard.pending.get_mut(key).expect("an ending key is pending");
        *count -= 1;
        if *count == 0 {
            shard.pending.remove(key);
        }
        let Some(lsn) = committed else { return };
        if shard.changed.len() >= MAX_CHANGES {
            let highest = shard.changed.values().copied().max().unwrap_or(Lsn::ZERO);
            shard.floor = shard.floor.max(highest);
            shard.changed.clear();
        }
        let last = shard.changed.entry(key.clone()).or_insert(lsn);
        *last = (*last).max(lsn);
    }

    /// The last change of these catalogs, if it is known and a snapshot at `snapshot` includes it:
    /// two snapshots with equal answers see the same catalogs. `None` while a change commits.
    pub fn version(&self, snapshot: Lsn) -> Option<Lsn> {
        // In this order: who sees no commit under way sees the last change of all that a snapshot
        // can include (rule 2).
        if self.committing.load(Ordering::Acquire) != 0 {
            return None;
        }
        let last = Lsn::new(self.last_change.load(Ordering::Acquire));
        (last <= snapshot).then_some(last)
    }

    /// Forgets everything read so far; true answers are read again.
    pub fn clear(&self) {
        for shard in &self.shards {
            shard.write().entries.clear();
        }
    }
}

/// The keys of a transaction about to commit, pending in the caches of its database and of the
/// cluster. Dropping it without [`Pending::committed`] means that the transaction aborted.
#[derive(Debug)]
#[must_use = "keys stay pending until the transaction's end is told"]
pub struct Pending {
    keys: Vec<Key>,
    own: Arc<DatabaseCache>,
    shared: Arc<DatabaseCache>,
    commit: Option<Lsn>,
}

impl Pending {
    /// Makes keys pending (rule 2). Call it before the commit record is appended.
    pub fn begin(keys: Vec<Key>, own: Arc<DatabaseCache>, shared: Arc<DatabaseCache>) -> Pending {
        let pending = Pending { keys, own, shared, commit: None };
        pending.shared.committing.fetch_add(1, Ordering::AcqRel);
        pending.own.committing.fetch_add(1, Ordering::AcqRel);
        for key in &pending.keys {
            pending.cache(key).begin(key);
        }
        pending
    }

    fn cache(&self, key: &Key) -> &DatabaseCache {
        if key.lookup.is_shared() { &self.shared } else { &self.own }
    }

    /// The transaction committed at this LSN.
    pub fn committed(mut self, lsn: Lsn) {
        self.commit = Some(lsn);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for key in &self.keys {
            self.cache(key).end(key, self.commit);
        }
        let touched = |shared| self.keys.iter().any(|key| key.lookup.is_shared() == shared);
        for (cache, touched) in [(&self.shared, touched(true)), (&self.own, touched(false))] {
            if let Some(lsn) = self.commit.filter(|_| touched) {
                cache.last_change.fetch_max(lsn.get(), Ordering::AcqRel);
            }
            cache.committing.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsn(n: u64) -> Lsn {
        Lsn::new(n)
    }

    fn found(cache: &DatabaseCache, key: &KeyRef<'_>, snapshot: u64) -> Option<Oid> {
        match cache.get(key, lsn(snapshot))? {
            Answer::Oid(oid) => Some(oid),
            other => panic!("unexpected {other:?}"),
        }
    }

    fn caches() -> (Arc<DatabaseCache>, Arc<DatabaseCache>) {
        Default::default()
    }

    #[test]
    fn an_entry_serves_snapshots_from_its_change_on() {
        let (own, shared) = caches();
        let key = KeyRef::name(Lookup::RelationByName, 2200, "t");
        own.put(&key, lsn(5), Answer::Oid(1));
        assert_eq!(found(&own, &key, 1), Some(1), "nothing ever changed");

        assert_eq!(own.version(lsn(9)), Some(lsn(0)));
        let pending = Pending::begin(vec![key.to_key()], own.clone(), shared.clone());
        assert_eq!(found(&own, &key, 9), None);
        own.put(&key, lsn(9), Answer::Oid(1));
        assert_eq!(found(&own, &key, 9), None, "a pending key is not kept");
        assert_eq!(own.version(lsn(9)), None, "a change is under way");
        pending.committed(lsn(10));
        assert_eq!((own.version(lsn(9)), own.version(lsn(11))), (None, Some(lsn(10))));
        assert_eq!(shared.version(lsn(9)), Some(lsn(0)));

        own.put(&key, lsn(9), Answer::Oid(1));
        assert_eq!(found(&own, &key, 9), None, "an older reader's answer is not kept");
        own.put(&key, lsn(12), Answer::Oid(2));
        assert_eq!(found(&own, &key, 10), Some(2));
        assert_eq!(found(&own, &key, 9), None, "nor does an older reader get the new answer");
    }

    #[test]
    fn an_abort_changes_nothing_but_the_entry() {
        let (own, shared) = caches();
        let key = KeyRef::oid(Lookup::RoleByOid, 10);
        shared.put(&key, lsn(5), Answer::Oid(1));
        drop(Pending::begin(vec![key.to_key()], own.clone(), shared.clone()));
        assert_eq!((own.version(lsn(0)), shared.version(lsn(0))), (Some(lsn(0)), Some(lsn(0))));
        shared.put(&key, lsn(1), Answer::Oid(1));
        assert_eq!(found(&shared, &key, 1), Some(1));
    }

    #[test]
    fn forgotten_changes_raise_the_floor() {
        let (own, shared) = caches();
        let change = |n: u64| {
            let key = KeyRef::oid(Lookup::TypeByOid, n as Oid).to_key();
            Pending::begin(vec![key], own.clone(), shared.clone()).committed(lsn(n));
        };
        (1..=200_000).for_each(change);
        for n in [1, 1000, 199_999] {
            let key = KeyRef::oid(Lookup::TypeByOid, n);
            own.put(&key, lsn(u64::from(n) - 1), Answer::Oid(n));
            assert_eq!(found(&own, &key, 200_000), None, "{n} changed after that snapshot");
            own.put(&key, lsn(200_000), Answer::Oid(n));
            assert_eq!(found(&own, &key, 200_000), Some(n));
        }
    }
}
