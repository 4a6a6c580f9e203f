//! Who sees a change of the catalogs, and when.

use super::*;
use redoubt_catalog::{POSTGRES, WriteStore};
use redoubt_error::code;

#[test]
fn others_see_a_table_after_its_commit() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    assert!(b.table("t").is_none(), "this answer is cached now");
    a.begin(Isolation::ReadCommitted);
    let oid = a.change(|ddl| create(ddl, "t"));
    assert_eq!(a.table("t").unwrap().oid, oid, "its own transaction sees it");
    assert!(b.table("t").is_none());
    b.begin(Isolation::RepeatableRead);
    assert!(b.table("t").is_none());
    a.commit();
    assert!(b.table("t").is_none(), "an older snapshot still does not");
    b.abort();
    assert_eq!(b.table("t").unwrap().oid, oid);
    assert_eq!(a.table("t").unwrap().oid, oid);
}

#[test]
fn an_aborted_table_leaves_no_trace() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    a.begin(Isolation::ReadCommitted);
    let oid = a.change(|ddl| create(ddl, "t"));
    let node = a.table("t").unwrap().node;
    a.abort();
    assert!(a.table("t").is_none() && b.table("t").is_none());
    assert_eq!(server.engine.sweep_storage().unwrap(), 1);
    let key = redoubt_buffer::RelKey::main(node);
    assert!(server.engine.space().relation(key).unwrap().is_none());
    let again = a.run(|ddl| create(ddl, "t"));
    assert_ne!(again, oid, "no OID is given out twice");
}

#[test]
fn a_savepoint_takes_its_changes_back() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    a.begin(Isolation::ReadCommitted);
    let kept = a.change(|ddl| create(ddl, "kept"));
    a.txn().begin_sub().unwrap();
    a.change(|ddl| {
        create(ddl, "gone");
        ddl.rename_relation(kept, "renamed").unwrap();
    });
    assert!(a.table("gone").is_some() && a.table("renamed").is_some() && a.table("kept").is_none());
    a.txn().abort_sub();
    a.catalog.rolled_back_to_savepoint();
    assert!(a.table("gone").is_none() && a.table("renamed").is_none() && a.table("kept").is_some());
    a.commit();
    assert!(b.table("gone").is_none() && b.table("kept").is_some());
}

#[test]
fn a_drop_is_seen_like_a_creation() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    let oid = a.run(|ddl| create(ddl, "t"));
    assert!(b.table("t").is_some());
    a.begin(Isolation::ReadCommitted);
    a.change(|ddl| drop_table(ddl, oid));
    assert!(a.table("t").is_none() && b.table("t").is_some());
    a.abort();
    assert!(a.table("t").is_some() && b.table("t").is_some());
    a.run(|ddl| drop_table(ddl, oid));
    assert!(a.table("t").is_none() && b.table("t").is_none());
}

#[test]
fn changes_of_a_row_follow_each_other_in_one_transaction() {
    let server = Server::new();
    let mut a = server.connect(POSTGRES);
    a.begin(Isolation::ReadCommitted);
    let oid = a.change(|ddl| create(ddl, "t"));
    for n in 0..20 {
        a.change(|ddl| {
            ddl.rename_relation(oid, &format!("t{n}")).unwrap();
            ddl.add_column(oid, &NewColumn::new(format!("c{n}"), t::INT4, -1, 0)).unwrap();
        });
        assert_eq!(a.table(&format!("t{n}")).unwrap().desc.len(), 3 + n);
    }
    a.commit();
    let mut b = server.connect(POSTGRES);
    assert_eq!(b.table("t19").unwrap().desc.len(), 22);
    assert!(b.table("t18").is_none());
}

#[test]
fn two_changes_of_one_row_do_not_mix() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    let oid = a.run(|ddl| create(ddl, "t"));
    b.begin(Isolation::ReadCommitted);
    let snapshot = b.txn().latest_snapshot().unwrap();
    a.run(|ddl| ddl.rename_relation(oid, "a").unwrap());
    // Without the table's lock, b works from what it saw before.
    let error = Ddl::new(&b.store(&snapshot), PATH).rename_relation(oid, "b").unwrap_err();
    assert_eq!((error.code(), error.message()), (code::INTERNAL_ERROR, "tuple concurrently updated"));
    b.abort();
    assert!(b.table("a").is_some());
}

#[test]
fn a_crash_keeps_what_was_committed() {
    let server = Server::new();
    let mut a = server.connect(POSTGRES);
    let oid = a.run(|ddl| create(ddl, "kept"));
    a.begin(Isolation::ReadCommitted);
    a.change(|ddl| create(ddl, "lost"));
    let after = server.crash();
    let mut b = after.connect(POSTGRES);
    assert_eq!(b.table("kept").unwrap().oid, oid);
    assert!(b.table("lost").is_none());
    let next = b.run(|ddl| create(ddl, "lost"));
    assert!(next > oid + 6, "OIDs of the crashed transaction are not given out again");
    b.begin(Isolation::ReadCommitted);
    b.read(|store| assert_eq!(store.view().relation_by_oid(oid).unwrap().unwrap().desc.len(), 2));
}

#[test]
fn the_second_of_two_tables_of_one_name_fails() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    b.begin(Isolation::ReadCommitted);
    let snapshot = b.txn().latest_snapshot().unwrap();
    a.run(|ddl| create(ddl, "t"));
    // What b knows is from before, so only the unique index can stop it.
    let error = Ddl::new(&b.store(&snapshot), PATH).create_relation(&table("t")).unwrap_err();
    assert_eq!(error.code(), code::UNIQUE_VIOLATION);
    assert_eq!(
        error.message(),
        "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\""
    );
    assert_eq!(
        error.fields().detail.as_deref(),
        Some("Key (typname, typnamespace)=(t, 2200) already exists.")
    );
    b.abort();
    let error = b.run_failing(|ddl| ddl.create_relation(&table("t")));
    assert_eq!(error.message(), "relation \"t\" already exists");
}

#[test]
fn a_crash_anywhere_leaves_the_catalogs_whole() {
    let server = Server::new();
    let before = server.volume.cpls().len();
    let mut a = server.connect(POSTGRES);
    let mut oids = Vec::new();
    for n in 0..12 {
        oids.push(a.run(|ddl| create(ddl, &format!("table_with_a_long_name_so_that_pages_fill_{n}"))));
        if n % 3 == 2 {
            a.run(|ddl| drop_table(ddl, oids[n - 1]));
        }
        a.begin(Isolation::ReadCommitted);
        a.change(|ddl| create(ddl, "gone"));
        a.abort();
    }
    let cpls = server.volume.cpls();
    for at in (before..cpls.len()).step_by((cpls.len() - before) / 25) {
        let after = Server::open(server.volume.crashed_at(cpls[at]));
        after.engine.sweep_storage().unwrap();
        let mut b = after.connect(POSTGRES);
        b.begin(Isolation::ReadCommitted);
        b.read(|store| {
            assert_indexes_agree(store);
            let view = store.view();
            let tables: Vec<redoubt_catalog::rows::PgClass> = view.scan().unwrap();
            for row in tables.iter().filter(|row| row.oid >= 16384) {
                let table = view.relation_by_name(PUBLIC, &row.relname).unwrap().unwrap();
                assert_eq!((table.oid, table.desc.len()), (row.oid, 2));
                let key = redoubt_buffer::RelKey::main(table.node);
                assert!(after.engine.space().relation(key).unwrap().is_some(), "a table has its storage");
            }
        });
    }
}
