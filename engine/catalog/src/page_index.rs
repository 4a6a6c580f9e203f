//! The system catalogs' indexes on pages: btrees, kept in step with their catalogs.

use crate::index_key::{index_key, index_prefix};
use crate::nodes::system_node;
use crate::pages::{PageStore, open_catalog, row_id};
use crate::store::Visit;
use crate::system::{SystemCatalog, SystemIndex};
use redoubt_access::{
    BTree, BTreeScan, BulkBuilder, Direction, Engine, FetchBuf, Heap, Inserted, KeyRange, Tid, Unique, deform,
};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, PlainEnv, io};
use redoubt_txn::Xid;
use std::sync::Arc;

/// The btree of an index in a database.
fn open_index(
    engine: &Engine,
    database: Oid,
    catalog: &SystemCatalog,
    index: &SystemIndex,
) -> PgResult<Arc<BTree>> {
    engine.btree(system_node(if catalog.shared { 0 } else { database }, index.oid))
}

/// Visits the rows that a snapshot sees whose first index columns equal `key`, in the index's order.
pub(crate) fn probe(
    store: &PageStore<'_>,
    catalog: &'static SystemCatalog,
    index: &SystemIndex,
    key: &[Datum],
    visit: &mut Visit<'_>,
) -> PgResult<()> {
    let database = store.session().database();
    let heap = open_catalog(store.engine(), database, catalog)?;
    let tree = open_index(store.engine(), database, catalog, index)?;
    let mut scan = BTreeScan::new(tree, KeyRange::prefix(&index_prefix(catalog, index, key)?));
    let mut buf = FetchBuf::default();
    let mut row = Vec::with_capacity(catalog.desc.len());
    while let Some(entry) = scan.next(Direction::Forward)? {
        // An entry stays as long as any version of its row may be seen: most lead to nothing we see.
        let Some(tid) = heap.fetch_from_index(entry.tid, store.snapshot(), &mut buf)? else { continue };
        row.clear();
        deform(buf.tuple(), &catalog.desc, catalog.desc.len(), &mut row)?;
        visit(row_id(tid), &row)?;
    }
    Ok(())
}

/// Makes the indexes of a new catalog from its rows and their places.
pub(crate) fn build(
    engine: &Engine,
    database: Oid,
    catalog: &SystemCatalog,
    rows: &[Vec<Datum>],
    tids: &[Tid],
    creator: Xid,
) -> PgResult<()> {
    for index in &catalog.indexes {
        let node = system_node(if catalog.shared { 0 } else { database }, index.oid);
        let tree = engine.create_btree(node, creator)?;
        let mut entries = Vec::with_capacity(rows.len());
        for (row, tid) in rows.iter().zip(tids) {
            entries.push((index_key(catalog, index, row)?, *tid));
        }
        entries.sort_unstable();
        let mut builder = BulkBuilder::new(tree, None)?;
        for (key, tid) in &entries {
            builder.add(key, *tid, &[])?;
        }
        builder.finish()?;
    }
    Ok(())
}

/// Adds a new row version to all indexes of its catalog.
pub(crate) fn insert(
    store: &PageStore<'_>,
    catalog: &'static SystemCatalog,
    heap: &Heap,
    row: &[Datum],
    tid: Tid,
) -> PgResult<()> {
    for index in &catalog.indexes {
        let tree = open_index(store.engine(), store.session().database(), catalog, index)?;
        let key = index_key(catalog, index, row)?;
        if !index.unique {
            tree.insert(&key, tid, &[])?;
            continue;
        }
        match tree.insert_unique(store.txn(), heap, &key, tid, &[], Unique::Immediate)? {
            Inserted::Done => {}
            Inserted::Conflict(_) | Inserted::PerhapsDuplicate => {
                return Err(duplicate_key(catalog, index, row));
            }
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

/// `23505` for a row whose key another has.
pub(crate) fn duplicate_key(catalog: &SystemCatalog, index: &SystemIndex, row: &[Datum]) -> PgError {
    let env = PlainEnv::default();
    let columns = || index.key.iter().map(|column| (catalog.columns.columns[*column], &row[*column]));
    let names: Vec<&str> = columns().map(|((name, _), _)| name).collect();
    let values: PgResult<Vec<String>> =
        columns().map(|((_, type_oid), value)| io::output_string(value, type_oid, &env)).collect();
    let error = PgError::new(
        code::UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{}\"", index.name),
    )
    .table("pg_catalog", catalog.name)
    .constraint(&*index.name);
    match values {
        Ok(values) => {
            error.detail(format!("Key ({})=({}) already exists.", names.join(", "), values.join(", ")))
        }
        Err(_) => error,
    }
}
