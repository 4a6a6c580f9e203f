//! Who connects, and to what: looked up before there is a session.

use crate::instance::Instance;
use redoubt_catalog::PageStore;
use redoubt_catalog::rows::PgDatabase;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_txn::{Backend, Isolation};
use std::sync::Arc;

/// A database that the shared catalogs can be read through before the session's own is known.
const TEMPLATE1: Oid = 1;

/// What was found.
pub(crate) struct Found {
    pub database: Oid,
    pub user: Oid,
    pub superuser: bool,
}

/// Finds user and database in the shared catalogs.
pub(crate) fn find(
    instance: &Instance,
    backend: &Arc<Backend>,
    user: &str,
    database: &str,
) -> PgResult<Found> {
    let txn = instance.engine.txns().begin(backend, Isolation::ReadCommitted);
    let snapshot = txn.statement_snapshot()?;
    let session = instance.catalog.session(TEMPLATE1);
    let store = PageStore::new(&instance.engine, &instance.catalog, &session, &txn, &snapshot);
    let catalog = session.view_of(&store, snapshot.lsn());
    let fatal = |code, message: String| PgError::report(Severity::Fatal, code, message);

    let role = catalog.role_by_name(user)?.ok_or_else(|| {
        fatal(code::INVALID_AUTHORIZATION_SPECIFICATION, format!("role \"{user}\" does not exist"))
    })?;
    if !role.rolcanlogin {
        return Err(fatal(
            code::INVALID_AUTHORIZATION_SPECIFICATION,
            format!("role \"{user}\" is not permitted to log in"),
        ));
    }
    let row = catalog.database_by_name(database)?.ok_or_else(|| {
        fatal(code::INVALID_CATALOG_NAME, format!("database \"{database}\" does not exist"))
    })?;
    if !row.datallowconn {
        return Err(fatal(
            code::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("database \"{database}\" is not currently accepting connections"),
        ));
    }
    Ok(Found { database: row.oid, user: role.oid, superuser: role.rolsuper })
}

/// The name of a database, by the shared catalogs; `None` if there is none that takes connections.
pub(crate) fn database_name(instance: &Instance, database: Oid) -> PgResult<Option<Arc<str>>> {
    let backend = instance.engine.txns().connect(0);
    let name = (|| {
        let txn = instance.engine.txns().begin(&backend, Isolation::ReadCommitted);
        let snapshot = txn.statement_snapshot()?;
        let session = instance.catalog.session(TEMPLATE1);
        let store = PageStore::new(&instance.engine, &instance.catalog, &session, &txn, &snapshot);
        let row = session.view_of(&store, snapshot.lsn()).database_by_oid(database)?;
        Ok(row.filter(|row| row.datallowconn).map(|row| row.datname.clone()))
    })();
    instance.engine.txns().disconnect(&backend);
    name
}

/// The names of all databases that take connections.
pub(crate) fn databases(instance: &Instance) -> PgResult<Vec<Arc<str>>> {
    let backend = instance.engine.txns().connect(0);
    let names = (|| {
        let txn = instance.engine.txns().begin(&backend, Isolation::ReadCommitted);
        let snapshot = txn.statement_snapshot()?;
        let session = instance.catalog.session(TEMPLATE1);
        let store = PageStore::new(&instance.engine, &instance.catalog, &session, &txn, &snapshot);
        let rows = session.view_of(&store, snapshot.lsn()).scan::<PgDatabase>()?;
        Ok(rows.into_iter().filter(|row| row.datallowconn).map(|row| row.datname).collect())
    })();
    instance.engine.txns().disconnect(&backend);
    names
}
