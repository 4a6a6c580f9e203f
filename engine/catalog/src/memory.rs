//! Catalogs without pages: the facts in memory, and what is added to them.
//!
//! For everything that needs the catalogs but no volume: tests of the analyzer and the planner, tools,
//! and the check of the page store. One user at a time, no transactions; a change is final at once.

use crate::ddl::ObjectAddress;
use crate::facts;
use crate::index_key::{index_key, index_prefix};
use crate::invalidation::keys_of_row;
use crate::nodes::POSTGRES;
use crate::page_index::duplicate_key;
use crate::store::{RowId, Store, Visit, WriteStore};
use crate::system::{SystemCatalog, SystemIndex, system_catalogs};
use crate::view::{Catalog, CatalogView, SessionCatalog};
use parking_lot::{Mutex, RwLock};
use redoubt_access::IndexKind;
use redoubt_buffer::RelNode;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid};
use redoubt_page::Lsn;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first OID for users' objects.
pub const FIRST_NORMAL_OID: Oid = 16384;

/// A set of catalogs in memory.
#[derive(Debug)]
pub struct MemoryStore {
    tables: RwLock<FxHashMap<Oid, Table>>,
    next_oid: AtomicU32,
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<u32, Vec<Datum>>,
    next: u32,
    /// Per index: encoded key and row number.
    indexes: FxHashMap<Oid, BTreeMap<(Vec<u8>, u32), ()>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// The catalogs of a new database.
    pub fn new() -> MemoryStore {
        let store = MemoryStore { tables: RwLock::default(), next_oid: AtomicU32::new(FIRST_NORMAL_OID) };
        for catalog in system_catalogs() {
            for row in facts::rows(catalog.columns) {
                store.add(catalog, &row).expect("the facts violate no unique index");
            }
        }
        store
    }

    fn add(&self, catalog: &'static SystemCatalog, row: &[Datum]) -> PgResult<u32> {
        let mut tables = self.tables.write();
        let table = tables.entry(catalog.oid).or_default();
        let number = table.next;
        let mut keys = Vec::with_capacity(catalog.indexes.len());
        for index in &catalog.indexes {
            let key = index_key(catalog, index, row)?;
            if index.unique && table.find(index.oid, &key).next().is_some() {
                return Err(duplicate_key(catalog, index, row));
            }
            keys.push((index.oid, key));
        }
        for (index, key) in keys {
            table.indexes.entry(index).or_default().insert((key, number), ());
        }
        table.rows.insert(number, row.to_vec());
        table.next += 1;
        Ok(number)
    }

    fn remove(&self, catalog: &'static SystemCatalog, id: RowId) -> PgResult<()> {
        let mut tables = self.tables.write();
        let table = tables.entry(catalog.oid).or_default();
        let row = table.rows.remove(&id.block).ok_or_else(|| PgError::internal("tuple already updated"))?;
        for index in &catalog.indexes {
            let key = index_key(catalog, index, &row)?;
            table.indexes.entry(index.oid).or_default().remove(&(key, id.block));
        }
        Ok(())
    }
}

impl Table {
    fn find<'a>(&'a self, index: Oid, prefix: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        let entries = self.indexes.get(&index).into_iter();
        entries
            .flat_map(move |entries| entries.range((prefix.to_vec(), 0)..))
            .take_while(move |((key, _), ())| key.starts_with(prefix))
            .map(|((_, number), ())| *number)
    }
}

fn row_id(number: u32) -> RowId {
    RowId { block: number, slot: 1 }
}

impl Store for MemoryStore {
    fn scan(&self, catalog: &'static SystemCatalog, visit: &mut Visit<'_>) -> PgResult<()> {
        let rows = self.tables.read().get(&catalog.oid).map(|table| table.rows.clone()).unwrap_or_default();
        rows.iter().try_for_each(|(number, row)| visit(row_id(*number), row))
    }

    fn probe(&self, index: &'static SystemIndex, key: &[Datum], visit: &mut Visit<'_>) -> PgResult<()> {
        let catalog = crate::system::system_catalog(index.catalog).expect("an index has its catalog");
        let prefix = index_prefix(catalog, index, key)?;
        let found: Vec<(u32, Vec<Datum>)> = match self.tables.read().get(&index.catalog) {
            Some(table) => table.find(index.oid, &prefix).map(|n| (n, table.rows[&n].clone())).collect(),
            None => Vec::new(),
        };
        found.iter().try_for_each(|(number, row)| visit(row_id(*number), row))
    }
}

/// The catalogs of a database `postgres` in memory, with a session that changes and reads them.
#[derive(Debug)]
pub struct MemoryCatalog {
    store: MemoryStore,
    session: SessionCatalog,
    changes: Mutex<u64>,
    _catalog: Arc<Catalog>,
}

impl Default for MemoryCatalog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCatalog {
    /// The catalogs of a new database.
    pub fn new() -> MemoryCatalog {
        let catalog = Catalog::new();
        let session = catalog.session(POSTGRES);
        MemoryCatalog { store: MemoryStore::new(), session, changes: Mutex::new(0), _catalog: catalog }
    }

    /// The catalogs as they are now.
    pub fn view(&self) -> CatalogView<'_> {
        self.session.view_of(&self.store, Lsn::new(*self.changes.lock()))
    }

    fn changed(&self, catalog: &SystemCatalog, rows: &[&[Datum]]) -> PgResult<()> {
        for row in rows {
            self.session.note_change(keys_of_row(catalog.oid, row)?);
        }
        let mut changes = self.changes.lock();
        *changes += 1;
        if let Some(pending) = self.session.begin_commit() {
            pending.committed(Lsn::new(*changes));
        }
        self.session.transaction_ended();
        Ok(())
    }
}

impl Store for MemoryCatalog {
    fn scan(&self, catalog: &'static SystemCatalog, visit: &mut Visit<'_>) -> PgResult<()> {
        self.store.scan(catalog, visit)
    }

    fn probe(&self, index: &'static SystemIndex, key: &[Datum], visit: &mut Visit<'_>) -> PgResult<()> {
        self.store.probe(index, key, visit)
    }
}

impl WriteStore for MemoryCatalog {
    fn insert(&self, catalog: &'static SystemCatalog, row: &[Datum]) -> PgResult<RowId> {
        let number = self.store.add(catalog, row)?;
        self.changed(catalog, &[row])?;
        Ok(row_id(number))
    }

    fn update(
        &self,
        catalog: &'static SystemCatalog,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> PgResult<RowId> {
        self.store.remove(catalog, id)?;
        let number = self.store.add(catalog, new)?;
        self.changed(catalog, &[old, new])?;
        Ok(row_id(number))
    }

    fn delete(&self, catalog: &'static SystemCatalog, id: RowId, old: &[Datum]) -> PgResult<()> {
        self.store.remove(catalog, id)?;
        self.changed(catalog, &[old])
    }

    fn view(&self) -> CatalogView<'_> {
        MemoryCatalog::view(self)
    }

    fn allocate_oid(&self) -> PgResult<Oid> {
        Ok(self.store.next_oid.fetch_add(1, Ordering::Relaxed))
    }

    fn allocate_database_oid(&self) -> PgResult<Oid> {
        self.allocate_oid()
    }

    /// Nothing: there are no pages.
    fn create_storage(&self, _node: RelNode, _relation: Oid, _kind: Option<IndexKind>) -> PgResult<()> {
        Ok(())
    }

    /// Nothing: there are no pages.
    fn drop_storage(&self, _node: RelNode) -> PgResult<()> {
        Ok(())
    }

    /// Nothing: there is one user.
    fn lock_for_drop(&self, _object: ObjectAddress) -> PgResult<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{CatalogRow, PgDatabase};
    use crate::store::catalog_of;
    use redoubt_error::code;

    #[test]
    fn the_databases_of_the_facts_are_there() {
        let catalog = MemoryCatalog::new();
        let names: Vec<_> = catalog.view().scan::<PgDatabase>().unwrap();
        assert_eq!(
            names.iter().map(|row| &*row.datname).collect::<Vec<_>>(),
            ["template1", "template0", "postgres"]
        );
        assert_eq!(catalog.view().database(), POSTGRES);
    }

    #[test]
    fn unique_indexes_refuse_a_second_row() {
        let catalog = MemoryCatalog::new();
        let row = catalog.view().database_by_name("postgres").unwrap().unwrap();
        let error = catalog.insert(catalog_of::<PgDatabase>(), &row.to_datums()).unwrap_err();
        assert_eq!(error.code(), code::UNIQUE_VIOLATION);
    }
}
