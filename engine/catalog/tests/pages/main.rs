//! The catalogs on pages of a volume in memory: bootstrap, visibility of DDL, caches, databases, crashes.

mod bootstrap;
mod caches;
mod databases;
mod visibility;

use redoubt_access::Engine;
use redoubt_buffer::MemVolume;
use redoubt_catalog::ddl::*;
use redoubt_catalog::{Catalog, PageStore, Relation, SessionCatalog, bootstrap};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Oid, types as t};
use redoubt_txn::{Backend, Isolation, Snapshot, Txn};
use std::sync::Arc;

const SUPERUSER: Oid = 10;
const PUBLIC: Oid = 2200;
const PATH: &[Oid] = &[PUBLIC];

/// An instance: engine and caches.
struct Server {
    engine: Arc<Engine>,
    volume: MemVolume,
    catalog: Arc<Catalog>,
}

impl Server {
    /// Over a new volume, bootstrapped.
    fn new() -> Server {
        let (engine, volume) = Engine::in_memory().unwrap();
        bootstrap(&engine).unwrap();
        Server { engine, volume, catalog: Catalog::new() }
    }

    /// Over what is left of this one's volume after a crash now.
    fn crash(&self) -> Server {
        let last = *self.volume.cpls().last().unwrap();
        Server::open(self.volume.crashed_at(last))
    }

    fn open(volume: MemVolume) -> Server {
        let engine = Engine::open(Arc::new(volume.clone()), 1024, 1).unwrap();
        bootstrap(&engine).unwrap();
        Server { engine, volume, catalog: Catalog::new() }
    }

    fn connect(&self, database: Oid) -> Session<'_> {
        let backend = self.engine.txns().connect(0);
        Session { server: self, backend, catalog: self.catalog.session(database), txn: None }
    }
}

/// A connection, as the session layer will drive it.
struct Session<'s> {
    server: &'s Server,
    backend: Arc<Backend>,
    catalog: SessionCatalog,
    txn: Option<Txn>,
}

impl Session<'_> {
    fn begin(&mut self, isolation: Isolation) {
        self.txn = Some(self.server.engine.txns().begin(&self.backend, isolation));
    }

    fn txn(&self) -> &Txn {
        self.txn.as_ref().expect("a transaction is open")
    }

    fn store(&self, snapshot: &Snapshot) -> PageStore<'_> {
        PageStore::new(&self.server.engine, &self.server.catalog, &self.catalog, self.txn(), snapshot)
    }

    /// Runs a statement that reads.
    fn read<R>(&self, statement: impl FnOnce(&PageStore<'_>) -> R) -> R {
        let snapshot = self.txn().statement_snapshot().unwrap();
        statement(&self.store(&snapshot))
    }

    /// Runs a statement that changes the catalogs.
    fn change<R>(&self, statement: impl FnOnce(&Ddl<'_>) -> R) -> R {
        let snapshot = self.txn().latest_snapshot().unwrap();
        statement(&Ddl::new(&self.store(&snapshot), PATH))
    }

    fn commit(&mut self) {
        let txn = self.txn.take().unwrap();
        let pending = self.catalog.begin_commit();
        let lsn = txn.commit().unwrap();
        if let Some(pending) = pending {
            pending.committed(lsn);
        }
        self.catalog.transaction_ended();
    }

    fn abort(&mut self) {
        self.txn.take().unwrap().abort();
        self.catalog.transaction_ended();
    }

    /// A whole transaction of one statement.
    fn run<R>(&mut self, statement: impl FnOnce(&Ddl<'_>) -> R) -> R {
        self.begin(Isolation::ReadCommitted);
        let result = self.change(statement);
        self.commit();
        result
    }

    /// A whole transaction whose one statement fails.
    fn run_failing<R>(&mut self, statement: impl FnOnce(&Ddl<'_>) -> PgResult<R>) -> PgError {
        self.begin(Isolation::ReadCommitted);
        let result = self.change(statement);
        self.abort();
        match result {
            Ok(_) => panic!("the statement should have failed"),
            Err(error) => error,
        }
    }

    /// The table of this name in `public`, as a statement in a transaction of its own or the open one sees it.
    fn table(&mut self, name: &str) -> Option<Arc<Relation>> {
        let own = self.txn.is_none();
        if own {
            self.begin(Isolation::ReadCommitted);
        }
        let found = self.read(|store| {
            use redoubt_catalog::WriteStore;
            store.view().relation_by_name(PUBLIC, name).unwrap()
        });
        if own {
            self.abort();
        }
        found
    }
}

/// `CREATE TABLE name (a int, b text)`.
fn table(name: &str) -> NewRelation {
    let columns = vec![NewColumn::new("a", t::INT4, -1, 0), NewColumn::new("b", t::TEXT, -1, 100)];
    NewRelation { columns, ..NewRelation::new('r', PUBLIC, name, SUPERUSER) }
}

/// Every index of every catalog leads to exactly the rows that its catalog shows.
fn assert_indexes_agree(store: &PageStore<'_>) {
    use redoubt_catalog::Store;
    for catalog in redoubt_catalog::system_catalogs() {
        let mut expect = Vec::new();
        let collect = |rows: &mut Vec<String>, id, row: &[_]| {
            rows.push(format!("{id:?} {row:?}"));
            Ok(())
        };
        store.scan(catalog, &mut |id, row| collect(&mut expect, id, row)).unwrap();
        expect.sort();
        for index in &catalog.indexes {
            let mut found = Vec::new();
            store.probe(index, &[], &mut |id, row| collect(&mut found, id, row)).unwrap();
            found.sort();
            assert!(found == expect, "{} and {} differ", index.name, catalog.name);
        }
    }
}

fn create(ddl: &Ddl<'_>, name: &str) -> Oid {
    ddl.create_relation(&table(name)).unwrap()
}

fn drop_table(ddl: &Ddl<'_>, oid: Oid) {
    ddl.drop_objects(&[ObjectAddress::relation(oid)], Behavior::Cascade).unwrap();
}
