//! Catalog rows on pages: heaps and btrees under a transaction.

use crate::ddl::{ObjectAddress, class};
use crate::invalidation::keys_of_row;
use crate::nodes::{NODES_PER_DATABASE, system_node};
use crate::page_index;
use crate::store::{RowId, Store, Visit, WriteStore};
use crate::system::{SystemCatalog, SystemIndex, system_catalog};
use crate::view::{Catalog, CatalogView, SessionCatalog};
use redoubt_access::{
    Direction, Engine, Heap, HeapScan, IndexKind, InsertOptions, TableId, Tid, TmResult, UpdateOptions,
    deform, form_tuple,
};
use redoubt_buffer::RelNode;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid};
use redoubt_txn::{CommandId, LockMode, LockTag, LockWait, Snapshot, Txn};
use std::sync::Arc;

/// The catalogs of a session's database on pages, as one snapshot and its transaction see them.
///
/// All that the transaction itself has written is seen, whatever the snapshot's command: a catalog is never
/// read in the middle of a change to itself.
pub struct PageStore<'a> {
    engine: &'a Engine,
    catalog: &'a Catalog,
    session: &'a SessionCatalog,
    txn: &'a Txn,
    snapshot: Snapshot,
}

impl<'a> PageStore<'a> {
    /// The catalogs at a snapshot.
    ///
    /// On a writer that is one taken when the statement starts, under REPEATABLE READ too
    /// ([`Txn::latest_snapshot`]): a transaction that changes catalogs builds on what others have committed,
    /// and would see its own rows without theirs through an older one. For DDL it is taken after the
    /// statement's locks.
    pub fn new(
        engine: &'a Engine,
        catalog: &'a Catalog,
        session: &'a SessionCatalog,
        txn: &'a Txn,
        snapshot: &Snapshot,
    ) -> Self {
        PageStore { engine, catalog, session, txn, snapshot: snapshot.at_command(CommandId::MAX) }
    }

    /// The engine below.
    pub fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// The transaction.
    pub fn txn(&self) -> &'a Txn {
        self.txn
    }

    /// The session's part of the caches.
    pub fn session(&self) -> &'a SessionCatalog {
        self.session
    }

    /// What the whole instance has read from the catalogs.
    pub fn catalog(&self) -> &'a Catalog {
        self.catalog
    }

    /// What is seen.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The table that an index or constraint belongs to: whoever uses that relies on it, and has locked it alone.
    fn table_of(&self, object: ObjectAddress) -> PgResult<Option<Oid>> {
        let view = self.view();
        Ok(match object.class {
            class::RELATION => view.index_by_oid(object.object)?.map(|index| index.table),
            class::CONSTRAINT => view.constraint_by_oid(object.object)?.map(|row| row.conrelid),
            _ => None,
        }
        .filter(|table| *table != 0))
    }

    fn heap(&self, catalog: &SystemCatalog) -> PgResult<Arc<Heap>> {
        open_catalog(self.engine, self.session.database(), catalog)
    }

    /// Notes what the change of these rows makes void, and lets the next call see it.
    fn changed(&self, catalog: &SystemCatalog, rows: &[&[Datum]]) -> PgResult<()> {
        self.txn.advance_command()?;
        for row in rows {
            self.session.note_change(keys_of_row(catalog.oid, row)?);
        }
        Ok(())
    }

    /// So many consecutive OIDs; the first is returned.
    pub(crate) fn allocate_database_oid(&self) -> PgResult<Oid> {
        self.catalog.oids().allocate(self.engine.space(), NODES_PER_DATABASE)
    }

    /// Overwrites a row where it lies, for everybody at once and for good: for statistics, which no transaction
    /// owns. The cached answers about it go too. Returns false, having done nothing, when the new row does not fit
    /// the page.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn overwrite(&self, catalog: &'static SystemCatalog, id: RowId, row: &[Datum]) -> PgResult<bool> {
        let mut tuple = Vec::new();
        form_tuple(&catalog.desc, row, &mut tuple)?;
        let pending = self.session.begin_overwrite(keys_of_row(catalog.oid, row)?);
        if !self.heap(catalog)?.update_in_place(Tid::new(id.block, id.slot), &tuple)? {
            return Ok(false);
        }
        // Whoever looks from now on sees it: there is no snapshot to wait for.
        pending.committed(self.snapshot.lsn());
        // What this transaction answers itself is as old.
        self.session.note_change([]);
        Ok(true)
    }
}

/// The table that holds a catalog in a database.
pub(crate) fn open_catalog(engine: &Engine, database: Oid, catalog: &SystemCatalog) -> PgResult<Arc<Heap>> {
    let database = if catalog.shared { 0 } else { database };
    let table = TableId { database, relation: catalog.oid };
    engine.heap(system_node(database, catalog.oid), table)
}

/// Visits the rows of a catalog in a database that a snapshot sees.
pub(crate) fn scan_heap(
    heap: Arc<Heap>,
    catalog: &SystemCatalog,
    snapshot: &Snapshot,
    visit: &mut Visit<'_>,
) -> PgResult<()> {
    let mut scan = HeapScan::new(heap, snapshot.clone());
    let mut row = Vec::with_capacity(catalog.desc.len());
    while let Some((tid, tuple)) = scan.next(Direction::Forward)? {
        row.clear();
        deform(tuple, &catalog.desc, catalog.desc.len(), &mut row)?;
        visit(row_id(tid), &row)?;
    }
    Ok(())
}

pub(crate) fn row_id(tid: Tid) -> RowId {
    RowId { block: tid.block, slot: tid.slot }
}

impl Store for PageStore<'_> {
    fn scan(&self, catalog: &'static SystemCatalog, visit: &mut Visit<'_>) -> PgResult<()> {
        scan_heap(self.heap(catalog)?, catalog, &self.snapshot, visit)
    }

    fn probe(&self, index: &'static SystemIndex, key: &[Datum], visit: &mut Visit<'_>) -> PgResult<()> {
        let catalog = system_catalog(index.catalog).expect("an index has its catalog");
        page_index::probe(self, catalog, index, key, visit)
    }
}

impl WriteStore for PageStore<'_> {
    fn view(&self) -> CatalogView<'_> {
        self.session.view_of(self, self.snapshot.lsn())
    }

    fn insert(&self, catalog: &'static SystemCatalog, row: &[Datum]) -> PgResult<RowId> {
        let mut tuple = Vec::new();
        form_tuple(&catalog.desc, row, &mut tuple)?;
        let heap = self.heap(catalog)?;
        let tid = heap.insert(self.txn, &mut tuple, InsertOptions::default())?;
        page_index::insert(self, catalog, &heap, row, tid)?;
        self.changed(catalog, &[row])?;
        Ok(row_id(tid))
    }

    fn update(
        &self,
        catalog: &'static SystemCatalog,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> PgResult<RowId> {
        let mut tuple = Vec::new();
        form_tuple(&catalog.desc, new, &mut tuple)?;
        let indexed_changed = page_index::keys_differ(catalog, old, new)?;
        let options = UpdateOptions { key_changed: true, indexed_changed, insert: InsertOptions::default() };
        let heap = self.heap(catalog)?;
        let tid = Tid::new(id.block, id.slot);
        let updated = heap.update(self.txn, tid, &mut tuple, options, LockWait::Block)?;
        check_result(updated.result)?;
        if !updated.hot {
            page_index::insert(self, catalog, &heap, new, updated.tid)?;
        }
        self.changed(catalog, &[old, new])?;
        Ok(row_id(updated.tid))
    }

    fn overwrite(
        &self,
        catalog: &'static SystemCatalog,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> PgResult<()> {
        if PageStore::overwrite(self, catalog, id, new)? {
            return Ok(());
        }
        // Numbers that have grown take more bytes: where the page has none left, the row moves.
        self.update(catalog, id, old, new).map(|_| ())
    }

    fn delete(&self, catalog: &'static SystemCatalog, id: RowId, old: &[Datum]) -> PgResult<()> {
        let tid = Tid::new(id.block, id.slot);
        check_result(self.heap(catalog)?.delete(self.txn, tid, LockWait::Block)?)?;
        self.changed(catalog, &[old])
    }

    fn allocate_oid(&self) -> PgResult<Oid> {
        self.catalog.oids().allocate(self.engine.space(), 1)
    }

    fn allocate_database_oid(&self) -> PgResult<Oid> {
        PageStore::allocate_database_oid(self)
    }

    fn create_storage(&self, node: RelNode, relation: Oid, kind: Option<IndexKind>) -> PgResult<()> {
        let creator = self.txn.xid()?;
        match kind {
            Some(IndexKind::BTree) => self.engine.create_btree(node, creator).map(|_| ()),
            Some(IndexKind::Gist) => self.engine.create_gist(node, creator).map(|_| ()),
            None => {
                let table = TableId { database: self.session.database(), relation };
                self.engine.create_heap(node, table, creator).map(|_| ())
            }
        }
    }

    fn drop_storage(&self, node: RelNode) -> PgResult<()> {
        self.engine.drop_storage(node, self.txn.xid()?)
    }

    fn lock_for_drop(&self, object: ObjectAddress) -> PgResult<()> {
        let database = self.session.database();
        if let Some(table) = self.table_of(object)? {
            let tag = LockTag::Relation { database, relation: table };
            self.txn.lock(tag, LockMode::AccessExclusive, LockWait::Block)?;
        }
        let tag = if object.class == class::RELATION {
            LockTag::Relation { database, relation: object.object }
        } else {
            let shared = system_catalog(object.class).is_some_and(|catalog| catalog.shared);
            let database = if shared { 0 } else { database };
            LockTag::Object { database, class: object.class, object: object.object, sub: 0 }
        };
        self.txn.lock(tag, LockMode::AccessExclusive, LockWait::Block)?;
        Ok(())
    }
}

/// Whether a row was changed; another transaction's change in between is no way to go on.
fn check_result(result: TmResult) -> PgResult<()> {
    match result {
        TmResult::Ok => Ok(()),
        TmResult::SelfModified { .. } => Err(PgError::internal("tuple already updated by self")),
        TmResult::Updated { .. } => Err(PgError::internal("tuple concurrently updated")),
        TmResult::Deleted { .. } => Err(PgError::internal("tuple concurrently deleted")),
        TmResult::Invisible | TmResult::WouldBlock => {
            Err(PgError::internal(format!("unexpected result of changing a catalog row: {result:?}")))
        }
    }
}
