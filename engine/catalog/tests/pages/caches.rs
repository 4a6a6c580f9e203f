//! Cached answers: when they cost nothing, and that they are always those of the pages.

use super::*;
use redoubt_catalog::rows::PgClass;
use redoubt_catalog::{POSTGRES, WriteStore};

#[test]
fn a_known_name_costs_no_page() {
    let server = Server::new();
    let mut a = server.connect(POSTGRES);
    a.run(|ddl| create(ddl, "t"));
    let mut b = server.connect(POSTGRES);
    b.begin(Isolation::ReadCommitted);
    b.read(|store| {
        let view = store.view();
        let look = || {
            let table = view.relation_in_path(&[11, PUBLIC], "t").unwrap().unwrap();
            view.procs_by_name("lower").unwrap();
            view.operators_by_name("=").unwrap();
            view.role_by_name("postgres").unwrap();
            table
        };
        let first = look();
        let fetched = with_empty_pool(&server);
        let second = look();
        assert_eq!(server.engine.pool().stats().pages_fetched, fetched);
        assert!(Arc::ptr_eq(&first, &second));
        assert!(view.is_current(&first).unwrap());
    });
    b.abort();
    // Another session of the database finds what the first one read.
    let mut c = server.connect(POSTGRES);
    c.begin(Isolation::ReadCommitted);
    let snapshot = c.txn().statement_snapshot().unwrap();
    let fetched = with_empty_pool(&server);
    c.store(&snapshot).view().procs_by_name("lower").unwrap();
    assert_eq!(server.engine.pool().stats().pages_fetched, fetched);
    c.store(&snapshot).view().procs_by_name("upper").unwrap();
    assert_ne!(server.engine.pool().stats().pages_fetched, fetched, "a new question does read");
}

/// Empties the pool, so that looking at any page must fetch it, and tells how many were fetched so far.
fn with_empty_pool(server: &Server) -> u64 {
    server.engine.pool().drop_unpinned();
    server.engine.pool().stats().pages_fetched
}

#[test]
fn versions_tell_when_plans_are_out_of_date() {
    let server = Server::new();
    let (mut a, mut b) = (server.connect(POSTGRES), server.connect(POSTGRES));
    let version = |session: &mut Session<'_>| {
        session.begin(Isolation::ReadCommitted);
        let version = session.read(|store| store.view().version());
        session.abort();
        version
    };
    let first = version(&mut b);
    assert!(first.is_some());
    assert_eq!(version(&mut b), first);
    a.begin(Isolation::ReadCommitted);
    let oid = a.change(|ddl| create(ddl, "t"));
    assert_eq!(a.read(|store| store.view().version()), None, "its own changes are nobody else's");
    assert_eq!(version(&mut b), first);
    b.begin(Isolation::RepeatableRead);
    b.read(|store| assert_eq!(store.view().version(), first));
    a.commit();
    b.read(|store| assert_eq!(store.view().version(), None, "an old snapshot keeps to itself"));
    b.abort();
    let second = version(&mut b);
    assert!(second > first);
    a.begin(Isolation::ReadCommitted);
    a.change(|ddl| drop_table(ddl, oid));
    a.abort();
    assert_eq!(version(&mut b), second, "nothing happened");
}

/// What a session must find under each name: read from all pages, with no cache.
fn truth(store: &PageStore<'_>) -> Vec<(String, Oid, i16)> {
    let mut rows: Vec<_> = store
        .view()
        .scan::<PgClass>()
        .unwrap()
        .into_iter()
        .filter(|row| row.oid >= 16384)
        .map(|row| (row.relname.to_string(), row.oid, row.relnatts))
        .collect();
    rows.sort();
    rows
}

/// Random DDL in three interleaved sessions, some of them holding an old snapshot and only reading; after each step every session's lookups are compared with the
/// pages that its own snapshot shows.
#[test]
fn lookups_always_agree_with_the_pages() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let server = Server::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut sessions = [POSTGRES; 3].map(|database| server.connect(database));
    // Which session has changed a table since it began: nobody else may then, as locks would see to.
    let mut busy: Option<usize> = None;
    for step in 0..400 {
        let me = draw(3) as usize;
        let session = &mut sessions[me];
        if session.txn.is_none() {
            let repeatable = draw(2) == 0;
            session.begin(if repeatable { Isolation::RepeatableRead } else { Isolation::ReadCommitted });
        } else if draw(3) == 0 {
            if draw(3) == 0 {
                session.abort()
            } else {
                session.commit()
            }
            busy = busy.filter(|owner| *owner != me);
        } else if session.txn().isolation() == Isolation::ReadCommitted
            && busy.is_none_or(|owner| owner == me)
        {
            busy = Some(me);
            let name = NAMES[draw(4) as usize];
            let other = NAMES[draw(4) as usize];
            let what = draw(3);
            session.change(|ddl| {
                let known = ddl.view().relation_by_name(PUBLIC, name).unwrap();
                match known {
                    None => {
                        create(ddl, name);
                    }
                    Some(known) if what == 0 => drop_table(ddl, known.oid),
                    Some(known) if what == 1 => {
                        let column = format!("c{}", known.desc.len());
                        ddl.add_column(known.oid, &NewColumn::new(column, t::INT4, -1, 0)).unwrap();
                    }
                    // The name may be taken.
                    Some(known) => drop(ddl.rename_relation(known.oid, other)),
                }
            });
        }
        for session in sessions.iter().filter(|session| session.txn.is_some()) {
            session.read(|store| {
                if step % 100 == 99 {
                    assert_indexes_agree(store);
                }
                let view = store.view();
                let truth = truth(store);
                for name in NAMES {
                    let expect = truth.iter().find(|row| row.0 == name);
                    let found = view.relation_by_name(PUBLIC, name).unwrap();
                    let found = found.map(|found| (name.to_string(), found.oid, found.desc.len() as i16));
                    assert_eq!(found.as_ref(), expect);
                }
            });
        }
    }
}

/// While one thread changes a table again and again, others compare what the cache says with what the pages say
/// at the very same snapshot.
#[test]
fn lookups_agree_with_the_pages_under_concurrency() {
    use std::sync::atomic::{AtomicBool, Ordering};
    const CHANGES: usize = 60;
    let server = Server::new();
    let oid = server.connect(POSTGRES).run(|ddl| create(ddl, "t"));
    let done = AtomicBool::new(false);
    let compare = |session: &mut Session<'_>| {
        session.begin(Isolation::ReadCommitted);
        let columns = session.read(|store| {
            let found = store.view().relation_by_oid(oid).unwrap().unwrap();
            let truth = truth(store);
            assert_eq!((&*found.name, found.desc.len() as i16), (&*truth[0].0, truth[0].2));
            found.desc.len()
        });
        session.abort();
        columns
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = server.connect(POSTGRES);
            for n in 0..CHANGES {
                writer.run(|ddl| {
                    ddl.add_column(oid, &NewColumn::new(format!("c{n}"), t::INT4, -1, 0)).unwrap();
                    ddl.rename_relation(oid, &format!("t{n}")).unwrap();
                });
                assert_eq!(compare(&mut writer), 3 + n, "who has committed sees it");
            }
            done.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = server.connect(POSTGRES);
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let columns = compare(&mut reader);
                    assert!(columns >= last, "a later snapshot never sees less");
                    last = columns;
                }
            });
        }
    });
}

#[test]
fn sizes_are_noted_at_once_and_for_good() {
    let server = Server::new();
    let mut a = server.connect(POSTGRES);
    a.run(|ddl| create(ddl, "t"));
    let table = a.table("t").unwrap();
    a.begin(Isolation::ReadCommitted);
    a.read(|store| store.set_relation_size(table.oid, 10, 500.0, 3).unwrap());
    a.abort();
    let sizes = |table: &Relation| (table.class.relpages, table.class.reltuples, table.class.relallvisible);
    assert_eq!(sizes(&a.table("t").unwrap()), (10, 500.0, 3));
    let after = server.crash();
    assert_eq!(sizes(&after.connect(POSTGRES).table("t").unwrap()), (10, 500.0, 3));
}
