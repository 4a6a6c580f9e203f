//! Where catalog rows are kept: the interface that lookups and DDL see.

use crate::ddl::ObjectAddress;
use crate::rows::CatalogRow;
use crate::system::{SystemCatalog, SystemIndex, system_catalog};
use crate::view::CatalogView;
use redoubt_access::IndexKind;
use redoubt_buffer::RelNode;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid, TidValue};

/// Where a row is. Only its store can read it.
pub type RowId = TidValue;

/// Called for each row.
pub type Visit<'a> = dyn FnMut(RowId, &[Datum]) -> PgResult<()> + 'a;

/// Catalog rows as one snapshot sees them.
pub trait Store {
    /// Visits every visible row of a catalog, in physical order.
    ///
    /// # Errors
    /// Those of reading pages, and the visitor's.
    fn scan(&self, catalog: &'static SystemCatalog, visit: &mut Visit<'_>) -> PgResult<()>;

    /// Visits every visible row whose first index columns equal `key`, which may be shorter than the
    /// index's key.
    ///
    /// # Errors
    /// Those of reading pages, and the visitor's.
    fn probe(&self, index: &'static SystemIndex, key: &[Datum], visit: &mut Visit<'_>) -> PgResult<()>;
}

/// A store whose rows can be changed, and what else DDL needs of the engine. Each change is visible to
/// the next call.
pub trait WriteStore: Store {
    /// The catalogs with all changes so far.
    fn view(&self) -> CatalogView<'_>;

    /// Adds a row.
    ///
    /// # Errors
    /// `23505` when a unique index has the key; those of writing pages.
    fn insert(&self, catalog: &'static SystemCatalog, row: &[Datum]) -> PgResult<RowId>;

    /// Replaces a row.
    ///
    /// # Errors
    /// As for [`WriteStore::insert`]; `XX000` when another transaction changed the row.
    fn update(
        &self,
        catalog: &'static SystemCatalog,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> PgResult<RowId>;

    /// Replaces a row where it lies, for everybody and for good, whatever becomes of the transaction: for statistics
    /// and hints, which several transactions may change at once. A row that no longer fits its page is changed as by
    /// [`WriteStore::update`].
    ///
    /// # Errors
    /// Those of writing pages.
    fn overwrite(
        &self,
        catalog: &'static SystemCatalog,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> PgResult<()> {
        self.update(catalog, id, old, new).map(|_| ())
    }

    /// Removes a row.
    ///
    /// # Errors
    /// `XX000` when another transaction changed the row; those of writing pages.
    fn delete(&self, catalog: &'static SystemCatalog, id: RowId, old: &[Datum]) -> PgResult<()>;

    /// An OID, and a relfilenode, that nothing ever had.
    ///
    /// # Errors
    /// `54000` when there are none left; those of writing pages.
    fn allocate_oid(&self) -> PgResult<Oid>;

    /// As [`WriteStore::allocate_oid`], for a database: OIDs behind it are kept free for the numbers of its
    /// system relations' storage.
    ///
    /// # Errors
    /// As for [`WriteStore::allocate_oid`].
    fn allocate_database_oid(&self) -> PgResult<Oid>;

    /// Makes the empty storage of a relation, which goes if the transaction aborts: an index of this kind, or a heap.
    ///
    /// # Errors
    /// Those of writing pages.
    fn create_storage(&self, node: RelNode, relation: Oid, kind: Option<IndexKind>) -> PgResult<()>;

    /// Gives up a relation's storage, which stays if the transaction aborts.
    ///
    /// # Errors
    /// Those of writing pages.
    fn drop_storage(&self, node: RelNode) -> PgResult<()>;

    /// Locks an object that is about to be dropped against everybody else.
    ///
    /// # Errors
    /// Those of waiting for locks.
    fn lock_for_drop(&self, object: ObjectAddress) -> PgResult<()>;
}

/// The system catalog of a row type.
pub(crate) fn catalog_of<R: CatalogRow>() -> &'static SystemCatalog {
    system_catalog(R::CATALOG.oid).expect("every row type has its catalog")
}

/// All rows of a catalog.
pub(crate) fn scan_rows<R: CatalogRow>(store: &dyn Store) -> PgResult<Vec<(RowId, R)>> {
    let mut rows = Vec::new();
    store.scan(catalog_of::<R>(), &mut |id, row| {
        rows.push((id, R::from_datums(row)?));
        Ok(())
    })?;
    Ok(rows)
}

/// The rows with these leading index columns.
pub(crate) fn probe_rows<R: CatalogRow>(
    store: &dyn Store,
    index: u32,
    key: &[Datum],
) -> PgResult<Vec<(RowId, R)>> {
    let mut rows = Vec::new();
    store.probe(catalog_of::<R>().index_of(index), key, &mut |id, row| {
        rows.push((id, R::from_datums(row)?));
        Ok(())
    })?;
    Ok(rows)
}

/// The rows with these leading index columns, without their places.
pub(crate) fn probe_list<R: CatalogRow>(store: &dyn Store, index: u32, key: &[Datum]) -> PgResult<Vec<R>> {
    Ok(probe_rows(store, index, key)?.into_iter().map(|(_, row)| row).collect())
}

/// The one row with this key, if there is one.
pub(crate) fn probe_one<R: CatalogRow>(store: &dyn Store, index: u32, key: &[Datum]) -> PgResult<Option<R>> {
    Ok(probe_rows(store, index, key)?.pop().map(|(_, row)| row))
}
