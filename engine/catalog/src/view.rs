//! The catalogs as one statement sees them.

mod access;
mod cluster;
mod functions;
mod privileges;
mod relations;
mod types;

pub use access::{BTREE, GIST, HASH, SortOperators};
pub use types::Type;

use crate::cache::{Answer, DatabaseCache, Key, KeyRef, Pending};
use crate::oids::OidAllocator;
use crate::rows::CatalogRow;
use crate::store::{Store, probe_list, scan_rows};
use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};
use redoubt_page::Lsn;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the whole instance has read from the catalogs: one per server, shared by its sessions.
#[derive(Debug, Default)]
pub struct Catalog {
    shared: Arc<DatabaseCache>,
    databases: RwLock<FxHashMap<Oid, Arc<DatabaseCache>>>,
    oids: OidAllocator,
}

impl Catalog {
    /// Nothing read yet.
    pub fn new() -> Arc<Catalog> {
        Arc::default()
    }

    /// A session's part, for sessions of this database.
    pub fn session(&self, database: Oid) -> SessionCatalog {
        let known = self.databases.read().get(&database).cloned();
        let own = known.unwrap_or_else(|| self.databases.write().entry(database).or_default().clone());
        SessionCatalog { database, own, shared: self.shared.clone(), local: LocalCatalog::default() }
    }

    pub(crate) fn oids(&self) -> &OidAllocator {
        &self.oids
    }

    /// Forgets a database that has been dropped.
    pub fn forget_database(&self, database: Oid) {
        self.databases.write().remove(&database);
    }
}

/// One session's way to the catalogs: the shared caches, and what its own transaction changed.
#[derive(Debug)]
pub struct SessionCatalog {
    database: Oid,
    own: Arc<DatabaseCache>,
    shared: Arc<DatabaseCache>,
    local: LocalCatalog,
}

impl SessionCatalog {
    /// The session's database.
    pub fn database(&self) -> Oid {
        self.database
    }

    /// The catalogs as `store` has them; `snapshot` is the LSN of the store's snapshot.
    pub fn view_of<'a>(&'a self, store: &'a dyn Store, snapshot: Lsn) -> CatalogView<'a> {
        CatalogView { session: self, store, snapshot }
    }

    /// Notes that the transaction changed rows that these questions depend on, or that what it sees
    /// of its own changes is another set than before (rule 1 in `cache.rs`).
    pub fn note_change(&self, keys: impl IntoIterator<Item = Key>) {
        let mut local = self.local.state.lock();
        local.answers.clear();
        local.keys.extend(keys);
        self.local.touched.store(!local.keys.is_empty(), Ordering::Release);
    }

    /// Part of the transaction was rolled back: what it sees of itself is no longer what it saw.
    pub fn rolled_back_to_savepoint(&self) {
        self.note_change([]);
    }

    /// Whether the current transaction changed catalogs.
    pub fn has_changes(&self) -> bool {
        self.local.is_touched()
    }

    /// The first half of committing: call it before the commit record is appended, tell the result
    /// [`Pending::committed`] when the LSN is known, and then call [`SessionCatalog::transaction_ended`].
    /// `None` when the transaction changed no catalog.
    pub fn begin_commit(&self) -> Option<Pending> {
        if !self.local.is_touched() {
            return None;
        }
        let keys = self.local.state.lock().keys.iter().cloned().collect();
        Some(Pending::begin(keys, self.own.clone(), self.shared.clone()))
    }

    /// As [`SessionCatalog::begin_commit`], for a change that no transaction owns.
    pub(crate) fn begin_overwrite(&self, keys: Vec<Key>) -> Pending {
        Pending::begin(keys, self.own.clone(), self.shared.clone())
    }

    /// The transaction is over, one way or the other.
    pub fn transaction_ended(&self) {
        if self.local.is_touched() {
            let mut local = self.local.state.lock();
            local.keys.clear();
            local.answers.clear();
            self.local.touched.store(false, Ordering::Release);
        }
    }
}

/// Which questions the current transaction must answer itself, and the answers it found.
#[derive(Debug, Default)]
struct LocalCatalog {
    touched: AtomicBool,
    state: Mutex<LocalState>,
}

#[derive(Debug, Default)]
struct LocalState {
    keys: HashSet<Key, FxBuildHasher>,
    answers: HashMap<Key, Answer, FxBuildHasher>,
}

impl LocalCatalog {
    fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Acquire)
    }
}

/// The catalogs at one snapshot, through the caches. Make one for each statement.
///
/// A lookup that has been answered before reads no page and allocates nothing. All lookups fail
/// only as reading pages fails; "no such object" is `None`, and the error is the caller's.
#[derive(Clone, Copy)]
pub struct CatalogView<'a> {
    session: &'a SessionCatalog,
    store: &'a dyn Store,
    snapshot: Lsn,
}

impl<'a> CatalogView<'a> {
    /// The database whose catalogs these are.
    pub fn database(&self) -> Oid {
        self.session.database
    }

    /// Names the state of the catalogs: plans made under equal versions are good for each other.
    /// `None` when this transaction or a commit under way has changes of its own, so that nothing may
    /// be kept for others or taken from them.
    pub fn version(&self) -> Option<Lsn> {
        if self.session.local.is_touched() {
            return None;
        }
        let own = self.session.own.version(self.snapshot)?;
        Some(own.max(self.session.shared.version(self.snapshot)?))
    }

    /// The rows below the caches.
    pub fn store(&self) -> &'a dyn Store {
        self.store
    }

    /// All rows of a catalog, read from its pages.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn scan<R: CatalogRow>(&self) -> PgResult<Vec<R>> {
        Ok(scan_rows(self.store)?.into_iter().map(|(_, row)| row).collect())
    }

    /// The rows whose leading columns in a system index equal `key`, read from pages: for catalogs
    /// that no lookup below covers.
    ///
    /// # Errors
    /// Those of reading pages.
    ///
    /// # Panics
    /// If the catalog has no index with that OID.
    pub fn probe<R: CatalogRow>(&self, index: Oid, key: &[Datum]) -> PgResult<Vec<R>> {
        probe_list(self.store, index, key)
    }

    fn answer(&self, key: KeyRef<'_>, load: impl FnOnce(&dyn Store) -> PgResult<Answer>) -> PgResult<Answer> {
        let local = &self.session.local;
        if local.is_touched() {
            let state = local.state.lock();
            if state.keys.contains(&key) {
                if let Some(answer) = state.answers.get(&key) {
                    return Ok(answer.clone());
                }
                drop(state);
                let answer = load(self.store)?;
                local.state.lock().answers.insert(key.to_key(), answer.clone());
                return Ok(answer);
            }
        }
        let cache = if key.lookup.is_shared() { &self.session.shared } else { &self.session.own };
        if let Some(answer) = cache.get(&key, self.snapshot) {
            return Ok(answer);
        }
        let answer = load(self.store)?;
        cache.put(&key, self.snapshot, answer.clone());
        Ok(answer)
    }

    /// The object that a question is about.
    fn object<T: Any + Send + Sync>(
        &self,
        key: KeyRef<'_>,
        load: impl FnOnce(&dyn Store) -> PgResult<Option<T>>,
    ) -> PgResult<Option<Arc<T>>> {
        let answer = self.answer(key, |store| {
            Ok(match load(store)? {
                Some(object) => Answer::Object(Arc::new(object)),
                None => Answer::Absent,
            })
        })?;
        match answer {
            Answer::Absent => Ok(None),
            Answer::Object(object) => Ok(Some(object.downcast().expect("a lookup has one type of answer"))),
            Answer::Oid(_) => unreachable!("a lookup of objects was answered by an OID"),
        }
    }

    /// All rows that a question is about.
    fn list<R: CatalogRow + Any + Send + Sync>(
        &self,
        key: KeyRef<'_>,
        index: Oid,
        columns: &[Datum],
    ) -> PgResult<Arc<Vec<Arc<R>>>> {
        let found = self.object(key, |store| {
            let rows: Vec<R> = probe_list(store, index, columns)?;
            Ok(Some(rows.into_iter().map(Arc::new).collect::<Vec<Arc<R>>>()))
        })?;
        Ok(found.expect("a list is never absent"))
    }

    /// The one row that a question is about.
    fn row<R: CatalogRow + Any + Send + Sync>(
        &self,
        key: KeyRef<'_>,
        index: Oid,
        columns: &[Datum],
    ) -> PgResult<Option<Arc<R>>> {
        self.object(key, |store| crate::store::probe_one(store, index, columns))
    }

    /// The OID that a name stands for.
    fn oid(
        &self,
        key: KeyRef<'_>,
        load: impl FnOnce(&dyn Store) -> PgResult<Option<Oid>>,
    ) -> PgResult<Option<Oid>> {
        let answer = self.answer(key, |store| Ok(load(store)?.map_or(Answer::Absent, Answer::Oid)))?;
        match answer {
            Answer::Absent => Ok(None),
            Answer::Oid(oid) => Ok(Some(oid)),
            Answer::Object(_) => unreachable!("a lookup of OIDs was answered by an object"),
        }
    }
}
