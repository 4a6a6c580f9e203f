//! The system catalogs' indexes on pages.

use crate::index_key::{index_key, index_prefix};
use crate::pages::{PageStore, open_catalog, scan_heap};
use crate::store::Visit;
use crate::system::{SystemCatalog, SystemIndex};
use redoubt_access::Tid;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;

/// Visits the rows that a snapshot sees whose first index columns equal `key`.
pub(crate) fn probe(
    store: &PageStore<'_>,
    catalog: &'static SystemCatalog,
    index: &SystemIndex,
    key: &[Datum],
    visit: &mut Visit<'_>,
) -> PgResult<()> {
    let prefix = index_prefix(catalog, index, key)?;
    let heap = open_catalog(store.engine(), store.session().database(), catalog)?;
    scan_heap(heap, catalog, store.snapshot(), &mut |id, row| {
        if index_key(catalog, index, row)?.starts_with(&prefix) { visit(id, row) } else { Ok(()) }
    })
}

/// Adds a new row version to all indexes of its catalog.
pub(crate) fn insert(
    store: &PageStore<'_>,
    catalog: &'static SystemCatalog,
    row: &[Datum],
    _tid: Tid,
) -> PgResult<()> {
    for index in catalog.indexes.iter().filter(|index| index.unique) {
        let key: Vec<Datum> = index.key.iter().map(|column| row[*column].clone()).collect();
        let mut count = 0;
        probe(store, catalog, index, &key, &mut |_, _| {
            count += 1;
            Ok(())
        })?;
        if count > 1 {
            return Err(duplicate_key(index));
        }
    }
    Ok(())
}

/// Whether an index of the catalog must have a new entry after this change.
pub(crate) fn keys_differ(catalog: &SystemCatalog, old: &[Datum], new: &[Datum]) -> PgResult<bool> {
    for index in &catalog.indexes {
        if index_key(catalog, index, old)? != index_key(catalog, index, new)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn duplicate_key(index: &SystemIndex) -> PgError {
    PgError::new(
        code::UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{}\"", index.name),
    )
    .constraint(&*index.name)
}
