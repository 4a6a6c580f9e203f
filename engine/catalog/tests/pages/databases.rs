//! Databases do not see each other; a new one is a copy of its template.

use super::*;
use redoubt_catalog::{POSTGRES, TEMPLATE1, copy_database, drop_database_storage};

fn new_database(name: &str, template: Oid) -> NewDatabase {
    NewDatabase {
        name: name.into(),
        owner: SUPERUSER,
        template,
        connection_limit: -1,
        is_template: false,
        allow_connections: true,
    }
}

fn create_database(session: &mut Session<'_>, name: &str, template: Oid) -> Oid {
    session.begin(Isolation::ReadCommitted);
    let snapshot = session.txn().latest_snapshot().unwrap();
    let store = session.store(&snapshot);
    let oid = Ddl::new(&store, PATH).create_database(&new_database(name, template)).unwrap();
    copy_database(&store, template, oid).unwrap();
    session.commit();
    oid
}

#[test]
fn databases_are_apart() {
    let server = Server::new();
    let (mut one, mut two) = (server.connect(POSTGRES), server.connect(TEMPLATE1));
    one.run(|ddl| create(ddl, "t"));
    assert!(one.table("t").is_some() && two.table("t").is_none());
    let role = one.run(|ddl| ddl.create_role(&NewRole::new("shared")).unwrap());
    two.begin(Isolation::ReadCommitted);
    two.read(|store| {
        use redoubt_catalog::WriteStore;
        assert_eq!(store.view().role_by_name("shared").unwrap().unwrap().oid, role);
    });
}

#[test]
fn a_new_database_is_a_copy_with_pages_of_its_own() {
    let server = Server::new();
    let mut postgres = server.connect(POSTGRES);
    let table = postgres.run(|ddl| create(ddl, "t"));
    let oid = create_database(&mut postgres, "d", POSTGRES);
    let mut d = server.connect(oid);
    let (old, new) = (postgres.table("t").unwrap(), d.table("t").unwrap());
    assert_eq!((old.oid, new.oid), (table, table));
    assert_ne!(old.node, new.node);
    postgres.run(|ddl| drop_table(ddl, table));
    d.run(|ddl| {
        create(ddl, "own");
    });
    assert!(postgres.table("t").is_none() && postgres.table("own").is_none());
    assert!(d.table("t").is_some() && d.table("own").is_some());

    let after = server.crash();
    let mut d = after.connect(oid);
    assert!(d.table("t").is_some() && d.table("own").is_some());
}

#[test]
fn an_aborted_or_dropped_database_gives_its_pages_back() {
    let server = Server::new();
    let relations = || server.engine.space().relation_keys().len();
    let before = relations();
    let mut postgres = server.connect(POSTGRES);
    postgres.begin(Isolation::ReadCommitted);
    let snapshot = postgres.txn().latest_snapshot().unwrap();
    let store = postgres.store(&snapshot);
    let oid = Ddl::new(&store, PATH).create_database(&new_database("d", TEMPLATE1)).unwrap();
    copy_database(&store, TEMPLATE1, oid).unwrap();
    drop(store);
    drop(snapshot);
    postgres.abort();
    server.engine.sweep_storage().unwrap();
    assert_eq!(relations(), before);

    let oid = create_database(&mut postgres, "d", TEMPLATE1);
    assert!(relations() > before);
    postgres.begin(Isolation::ReadCommitted);
    let snapshot = postgres.txn().latest_snapshot().unwrap();
    let store = postgres.store(&snapshot);
    Ddl::new(&store, PATH).drop_database(oid).unwrap();
    drop_database_storage(&store, oid).unwrap();
    // As long as a snapshot from before the drop is held, the pages stay.
    drop(store);
    drop(snapshot);
    postgres.commit();
    server.engine.sweep_storage().unwrap();
    assert_eq!(relations(), before);
}
