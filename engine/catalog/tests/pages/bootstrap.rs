//! What bootstrap writes is what the facts say, in every database, whenever it is interrupted.

use super::*;
use redoubt_catalog::rows::CATALOGS;
use redoubt_catalog::{MemoryCatalog, POSTGRES, Store, TEMPLATE0, TEMPLATE1, system_catalog};
use std::time::{Duration, Instant};

/// All rows of all catalogs, one line each, sorted.
fn contents(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    for catalog in CATALOGS {
        let catalog = system_catalog(catalog.oid).unwrap();
        store
            .scan(catalog, &mut |_, row| {
                lines.push(format!("{} {row:?}", catalog.name));
                Ok(())
            })
            .unwrap();
    }
    lines.sort();
    lines
}

fn assert_is_like_new(server: &Server) {
    let expect = contents(&MemoryCatalog::new());
    for database in [TEMPLATE1, TEMPLATE0, POSTGRES] {
        let mut session = server.connect(database);
        session.begin(Isolation::ReadCommitted);
        session.read(|store| {
            let found = contents(store);
            assert_eq!(found.len(), expect.len());
            for (found, expect) in found.iter().zip(&expect) {
                assert_eq!(found, expect);
            }
            assert_indexes_agree(store);
        });
        session.abort();
    }
}

#[test]
fn every_database_has_the_facts() {
    let started = Instant::now();
    let server = Server::new();
    let (elapsed, log_bytes) = (started.elapsed(), server.volume.log_bytes());
    println!("bootstrap took {elapsed:?} and {log_bytes} bytes of log");
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    assert_is_like_new(&server);
    server.volume.assert_pool_matches(server.engine.pool());
}

#[test]
fn the_log_alone_rebuilds_them() {
    let server = Server::new();
    assert_is_like_new(&server.crash());
}

#[test]
fn an_interrupted_bootstrap_starts_over() {
    let (engine, volume) = Engine::in_memory().unwrap();
    bootstrap(&engine).unwrap();
    let cpls = volume.cpls();
    let whole = cpls.len();
    // In the middle of the rows, in the middle of the copies, before the commit, before the version.
    for at in [whole / 5, whole / 2, whole - 3, whole - 2] {
        assert_is_like_new(&Server::open(volume.crashed_at(cpls[at])));
    }
}

#[test]
fn another_version_is_refused() {
    let (engine, _) = Engine::in_memory().unwrap();
    bootstrap(&engine).unwrap();
    let register = redoubt_buffer::Register::CatalogVersion;
    engine.space().set_register(register, redoubt_catalog::CATALOG_VERSION + 1).unwrap();
    let error = bootstrap(&engine).unwrap_err();
    assert!(error.message().starts_with("the catalogs are of version"), "{error}");
}
