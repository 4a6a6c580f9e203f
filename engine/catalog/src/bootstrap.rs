//! Making the catalogs of a new volume: the facts into `template1`, and copies of it for `template0` and
//! `postgres`.

use crate::database_storage::copy_system_relations;
use crate::facts;
use crate::nodes::{POSTGRES, TEMPLATE0, TEMPLATE1, system_node};
use crate::page_index;
use crate::system::{SystemCatalog, system_catalogs};
use redoubt_access::{Engine, InsertOptions, TableId, form_tuple};
use redoubt_buffer::{Register, RelKey};
use redoubt_error::{PgError, PgResult, code};
use redoubt_txn::{Isolation, Txn};

/// Which facts the catalogs of a volume were made from. To be raised whenever the facts, the row format of a
/// catalog or the storage numbers change: a volume with another one is not opened.
pub const CATALOG_VERSION: u64 = 2;

/// Makes the catalogs if the volume has none yet; otherwise checks that they are of this version.
///
/// It is one transaction: after a crash there is all of it or nothing, and nothing of the nothing stays.
///
/// # Errors
/// `XX001` when the catalogs are of another version; those of reading and writing pages.
pub fn bootstrap(engine: &Engine) -> PgResult<()> {
    match engine.space().register(Register::CatalogVersion) {
        CATALOG_VERSION => return Ok(()),
        0 => {}
        other => {
            return Err(PgError::new(
                code::DATA_CORRUPTED,
                format!("the catalogs are of version {other}, this program needs {CATALOG_VERSION}"),
            ));
        }
    }
    engine.sweep_storage()?;
    // What an unfinished bootstrap made has just gone, so whatever is here is whole: only the version was not
    // written any more.
    let pg_class = RelKey::main(system_node(TEMPLATE1, 1259));
    if engine.space().relation(pg_class)?.is_none() {
        let backend = engine.txns().connect(0);
        let txn = engine.txns().begin(&backend, Isolation::ReadCommitted);
        let made = write_catalogs(engine, &txn);
        let end = made.and_then(|()| txn.commit());
        drop(txn);
        engine.txns().disconnect(&backend);
        end?;
    }
    engine.space().set_register(Register::CatalogVersion, CATALOG_VERSION)
}

fn write_catalogs(engine: &Engine, txn: &Txn) -> PgResult<()> {
    for catalog in system_catalogs() {
        write_catalog(engine, txn, catalog)?;
    }
    copy_system_relations(engine, txn, TEMPLATE1, TEMPLATE0)?;
    copy_system_relations(engine, txn, TEMPLATE1, POSTGRES)
}

fn write_catalog(engine: &Engine, txn: &Txn, catalog: &'static SystemCatalog) -> PgResult<()> {
    let database = if catalog.shared { 0 } else { TEMPLATE1 };
    let table = TableId { database, relation: catalog.oid };
    let heap = engine.create_heap(system_node(database, catalog.oid), table, txn.xid()?)?;
    let rows = facts::rows(catalog.columns);
    let mut tuples = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut tuple = Vec::new();
        form_tuple(&catalog.desc, row, &mut tuple)?;
        tuples.push(tuple);
    }
    let mut tids = Vec::with_capacity(rows.len());
    heap.multi_insert(txn, &mut tuples, InsertOptions::default(), &mut tids)?;
    page_index::build(engine, database, catalog, &rows, &tids, txn.xid()?)
}
