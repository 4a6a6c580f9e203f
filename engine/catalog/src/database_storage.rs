//! The pages of whole databases: copying a template's, and giving up a dropped database's.

use crate::nodes::{node_of, system_node};
use crate::pages::{PageStore, open_catalog, scan_heap};
use crate::relation::has_storage;
use crate::rows::{CatalogRow, PgClass};
use crate::store::{WriteStore, catalog_of};
use crate::system::{is_system_relation, system_catalogs};
use redoubt_access::Engine;
use redoubt_buffer::{Access, PinnedPage, RelKey, RelNode};
use redoubt_error::PgResult;
use redoubt_functions::Oid;
use redoubt_page::{Op, Page};
use redoubt_txn::{Snapshot, Txn};
use std::collections::HashSet;

/// Makes the storage of a new database: a copy of all that the template has. Nobody may be connected to
/// the template meanwhile. `store` is a session's of any database.
///
/// # Errors
/// Those of reading and writing pages.
pub fn copy_database(store: &PageStore<'_>, template: Oid, database: Oid) -> PgResult<()> {
    let (engine, txn) = (store.engine(), store.txn());
    copy_system_relations(engine, txn, template, database)?;
    let session = store.catalog().session(database);
    let target = PageStore::new(engine, store.catalog(), &session, txn, store.snapshot());
    let catalog = catalog_of::<PgClass>();
    let forks = engine.space().relation_keys();
    for (row, node) in user_relations(engine, template, store.snapshot())? {
        let copy = RelNode(store.allocate_oid()?);
        copy_relation(engine, txn, &forks, node, copy)?;
        let found = crate::store::probe_rows::<PgClass>(
            &target,
            crate::index_oids::CLASS_OID,
            &[redoubt_functions::Datum::Oid(row.oid)],
        )?;
        for (id, old) in found {
            let new = PgClass { relfilenode: copy.0, ..old.clone() };
            target.update(catalog, id, &old.to_datums(), &new.to_datums())?;
        }
    }
    Ok(())
}

/// Gives up the storage of a dropped database.
///
/// # Errors
/// Those of reading and writing pages.
pub fn drop_database_storage(store: &PageStore<'_>, database: Oid) -> PgResult<()> {
    for (_, node) in user_relations(store.engine(), database, store.snapshot())? {
        store.drop_storage(node)?;
    }
    for relation in unshared_system_relations() {
        store.drop_storage(system_node(database, relation))?;
    }
    Ok(())
}

/// How many pages the relations of a database have that are its own. What is dropped meanwhile may be counted or not.
///
/// # Errors
/// Those of reading pages.
pub fn database_pages(store: &PageStore<'_>, database: Oid) -> PgResult<i64> {
    let engine = store.engine();
    let space = engine.space();
    let mut nodes: HashSet<RelNode> =
        unshared_system_relations().map(|relation| system_node(database, relation)).collect();
    nodes.extend(user_relations(engine, database, store.snapshot())?.into_iter().map(|(_, node)| node));
    let mut pages = 0;
    for key in space.relation_keys().into_iter().filter(|key| nodes.contains(&key.node)) {
        if let Some(relation) = space.relation(key)? {
            pages += i64::from(space.nblocks(&relation));
        }
    }
    Ok(pages)
}

/// The relations of a database that have storage and are not part of the system, with their storage.
fn user_relations(engine: &Engine, database: Oid, snapshot: &Snapshot) -> PgResult<Vec<(PgClass, RelNode)>> {
    let catalog = catalog_of::<PgClass>();
    let heap = open_catalog(engine, database, catalog)?;
    let mut relations = Vec::new();
    scan_heap(heap, catalog, snapshot, &mut |_, row| {
        let row = PgClass::from_datums(row)?;
        let node = node_of(&row, database);
        if has_storage(row.relkind) && !row.relisshared && !is_system_relation(row.oid) {
            relations.push((row, node));
        }
        Ok(())
    })?;
    Ok(relations)
}

fn unshared_system_relations() -> impl Iterator<Item = Oid> {
    let unshared = system_catalogs().iter().filter(|catalog| !catalog.shared);
    unshared
        .flat_map(|catalog| std::iter::once(catalog.oid).chain(catalog.indexes.iter().map(|index| index.oid)))
}

/// Copies the system relations of one database for another.
pub(crate) fn copy_system_relations(engine: &Engine, txn: &Txn, from: Oid, to: Oid) -> PgResult<()> {
    let forks = engine.space().relation_keys();
    for relation in unshared_system_relations() {
        copy_relation(engine, txn, &forks, system_node(from, relation), system_node(to, relation))?;
    }
    Ok(())
}

/// Copies all forks of a relation, page by page. Pages refer to each other by block, so copies need no change.
fn copy_relation(engine: &Engine, txn: &Txn, forks: &[RelKey], from: RelNode, to: RelNode) -> PgResult<()> {
    let space = engine.space();
    for key in forks.iter().copied().filter(|key| key.node == from) {
        let source = space.existing_relation(key)?;
        let target = space.create_relation(RelKey { node: to, fork: key.fork }, txn.xid()?.get())?;
        for block in 0..space.nblocks(&source) {
            let page = space.pin_for(&source, block, Access::Once)?.read().clone();
            let (at, pin) = space.extend(&target, page.kind(), page.special())?;
            assert_eq!(at, block, "nobody else extends a new relation");
            copy_items(engine, &page, &pin)?;
        }
    }
    Ok(())
}

/// Puts a page's items, at their slots, on a page that is new.
fn copy_items(engine: &Engine, from: &Page, to: &PinnedPage) -> PgResult<()> {
    /// What an operation takes beside its item.
    const OP_BYTES: usize = 16;
    let slots = from.slot_count();
    if slots == 0 {
        return Ok(());
    }
    let bytes = (0..slots).map(|slot| from.item(slot).map_or(0, <[u8]>::len) + 2 * OP_BYTES).sum();
    let mut mtr = engine.pool().begin_mtr(1, bytes)?;
    let page = mtr.latch(to);
    for slot in 0..slots {
        let bytes = from.item(slot).unwrap_or_default();
        mtr.change(page, &Op::InsertItem { slot, bytes, shift: false });
    }
    // Unused slots between used ones were filled for the moment, so that the next could follow.
    for slot in (0..slots).filter(|slot| from.item(*slot).is_none()) {
        mtr.change(page, &Op::DeleteItem { slot, shift: false });
    }
    mtr.commit();
    Ok(())
}
