//! Who connects, and to what: looked up before there is a session.

use crate::ddl::database_lock;
use crate::instance::{Instance, Registration};
use crate::scram::{ITERATIONS, KEY_BYTES, Verifier};
use crate::settings::{Settings, Source};
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::rows::{PgDatabase, PgDbRoleSetting};
use redoubt_catalog::{CatalogView, PageStore, index_oids as index};
use redoubt_error::{PgError, PgResult, Severity, SqlState, code};
use redoubt_functions::{Datum, Oid, timestamp};
use redoubt_txn::{Backend, Isolation, LockMode, LockWait, Txn};
use std::sync::Arc;

/// A database that the shared catalogs can be read through before the session's own is known.
const TEMPLATE1: Oid = 1;

/// What was found.
pub(crate) struct Found {
    pub database: Oid,
    pub user: Oid,
    pub superuser: bool,
    /// What ALTER DATABASE and ALTER ROLE ... SET keep for them, the weakest first.
    kept: Vec<(Source, Vec<Arc<str>>)>,
}

impl Found {
    /// Sets what is kept for the database and the role. What is no longer good is left out, with a warning.
    pub(crate) fn apply_kept(&self, settings: &mut Settings) -> Vec<PgError> {
        let mut warnings = Vec::new();
        for (source, assignments) in &self.kept {
            for assignment in assignments {
                let Some((name, value)) = assignment.split_once('=') else { continue };
                if let Err(error) = settings.set_base(name, value, *source) {
                    warnings.push(PgError::report(
                        Severity::Warning,
                        error.code(),
                        error.message().to_string(),
                    ));
                }
            }
        }
        warnings
    }
}

fn fatal(code: SqlState, message: String) -> PgError {
    PgError::report(Severity::Fatal, code, message)
}

/// Finds user and database in the shared catalogs, and enters them into the session's row in the register.
pub(crate) fn find(
    instance: &Instance,
    backend: &Arc<Backend>,
    registration: &Registration,
    user: &str,
    database: &str,
) -> PgResult<Found> {
    let txn = instance.engine.txns().begin(backend, Isolation::ReadCommitted);
    let role = with_catalog(instance, &txn, |catalog| catalog.role_by_name(user))?.ok_or_else(|| {
        fatal(code::INVALID_AUTHORIZATION_SPECIFICATION, format!("role \"{user}\" does not exist"))
    })?;
    if !role.rolcanlogin {
        return Err(fatal(
            code::INVALID_AUTHORIZATION_SPECIFICATION,
            format!("role \"{user}\" is not permitted to log in"),
        ));
    }
    let no_database = || fatal(code::UNDEFINED_DATABASE, format!("database \"{database}\" does not exist"));
    let look = || with_catalog(instance, &txn, |catalog| catalog.database_by_name(database));
    let seen = look()?.ok_or_else(no_database)?;
    // Whoever copies or drops the database has this lock; looked at again, the database is there to stay.
    txn.lock(database_lock(seen.oid), LockMode::RowExclusive, LockWait::Block)?;
    let row = look()?
        .filter(|row| row.oid == seen.oid)
        .ok_or_else(|| no_database().detail("It seems to have just been dropped or renamed."))?;
    {
        let mut activity = registration.activity.lock();
        (activity.database, activity.user) = (row.oid, role.oid);
    }
    if !row.datallowconn {
        return Err(fatal(
            code::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("database \"{database}\" is not currently accepting connections"),
        ));
    }
    if !role.rolsuper {
        check_limits(instance, &txn, &row, role.oid, user, role.rolconnlimit)?;
    }
    let kept = with_catalog(instance, &txn, |catalog| kept_settings(catalog, row.oid, role.oid))?;
    Ok(Found { database: row.oid, user: role.oid, superuser: role.rolsuper, kept })
}

/// What keeps ordinary users out: the privilege to connect, and how many may.
fn check_limits(
    instance: &Instance,
    txn: &Txn,
    row: &PgDatabase,
    role: Oid,
    user: &str,
    role_limit: i32,
) -> PgResult<()> {
    let name = &row.datname;
    let held = with_catalog(instance, txn, |catalog| {
        catalog.privileges(role, AclObject::Database, row.datdba, row.datacl.as_ref())
    })?;
    if !held.contains(Privileges::CONNECT) {
        let message = format!("permission denied for database \"{name}\"");
        return Err(
            fatal(code::INSUFFICIENT_PRIVILEGE, message).detail("User does not have CONNECT privilege.")
        );
    }
    let (there, own) = instance.count_sessions(row.oid, role);
    let over = |limit: i32, count: usize| usize::try_from(limit).is_ok_and(|limit| count > limit);
    if over(row.datconnlimit, there) {
        let message = format!("too many connections for database \"{name}\"");
        return Err(fatal(code::TOO_MANY_CONNECTIONS, message));
    }
    if over(role_limit, own) {
        let message = format!("too many connections for role \"{user}\"");
        return Err(fatal(code::TOO_MANY_CONNECTIONS, message));
    }
    Ok(())
}

/// The settings kept for everybody, a database, a role, and a role in a database, in this order.
fn kept_settings(
    catalog: CatalogView<'_>,
    database: Oid,
    role: Oid,
) -> PgResult<Vec<(Source, Vec<Arc<str>>)>> {
    let places = [
        (0, 0, Source::Global),
        (database, 0, Source::Database),
        (0, role, Source::User),
        (database, role, Source::DatabaseUser),
    ];
    let mut kept = Vec::new();
    for (database, role, source) in places {
        let key = [Datum::Oid(database), Datum::Oid(role)];
        let rows: Vec<PgDbRoleSetting> = catalog.probe(index::DB_ROLE_SETTING, &key)?;
        kept.extend(rows.into_iter().filter_map(|row| row.setconfig).map(|config| (source, config)));
    }
    Ok(kept)
}

/// Reads the shared catalogs as of now.
fn with_catalog<R>(
    instance: &Instance,
    txn: &Txn,
    read: impl FnOnce(CatalogView<'_>) -> PgResult<R>,
) -> PgResult<R> {
    let snapshot = txn.statement_snapshot()?;
    let session = instance.catalog.session(TEMPLATE1);
    let store = PageStore::new(&instance.engine, &instance.catalog, &session, txn, &snapshot);
    read(session.view_of(&store, snapshot.lsn()))
}

/// What a client must prove to know, to log in as somebody.
pub struct LoginSecret {
    /// What its proof is checked against.
    pub verifier: Verifier,
    /// Why no proof is good enough, in words for the log: the client must not learn it.
    pub doomed: Option<&'static str>,
}

impl Instance {
    /// What a client must prove to know. For a user without a valid password, or no user at all, it is a made-up
    /// secret that nobody can prove to know, the same each time, so that the two cannot be told apart.
    ///
    /// # Errors
    /// Those of reading the catalogs.
    pub fn login_secret(&self, user: &str) -> PgResult<LoginSecret> {
        let role = read_shared(self, |catalog| catalog.role_by_name(user))?;
        let doomed = |reason| Ok(LoginSecret { verifier: self.mock_verifier(user), doomed: Some(reason) });
        let Some(role) = role else { return doomed("the role does not exist") };
        let Some(stored) = &role.rolpassword else { return doomed("the role has no password") };
        let Some(verifier) = Verifier::parse(stored) else {
            return doomed("the role's password is not a SCRAM-SHA-256 verifier");
        };
        let expired = role.rolvaliduntil.is_some_and(|until_us| until_us < timestamp::now_us());
        Ok(LoginSecret { verifier, doomed: expired.then_some("the role's password has expired") })
    }

    fn mock_verifier(&self, user: &str) -> Verifier {
        let salt =
            crate::scram::hmac(&self.mock_key, &[user.as_bytes()])[..crate::scram::SALT_BYTES].to_vec();
        let (stored_key, server_key) = ([0; KEY_BYTES], [0; KEY_BYTES]);
        Verifier { iterations: ITERATIONS, salt, stored_key, server_key }
    }
}

/// The name of a database, by the shared catalogs; `None` if there is none that takes connections.
pub(crate) fn database_name(instance: &Instance, database: Oid) -> PgResult<Option<Arc<str>>> {
    let row = read_shared(instance, |catalog| catalog.database_by_oid(database))?;
    Ok(row.filter(|row| row.datallowconn).map(|row| row.datname.clone()))
}

/// Reads the shared catalogs where there is no session.
fn read_shared<T>(instance: &Instance, read: impl FnOnce(CatalogView<'_>) -> PgResult<T>) -> PgResult<T> {
    let backend = instance.engine.txns().connect(0);
    let result = (|| {
        let txn = instance.engine.txns().begin(&backend, Isolation::ReadCommitted);
        with_catalog(instance, &txn, read)
    })();
    instance.engine.txns().disconnect(&backend);
    result
}

/// The name of a role, and those of all databases that take connections.
pub(crate) fn databases(instance: &Instance, role: Oid) -> PgResult<(Arc<str>, Vec<Arc<str>>)> {
    read_shared(instance, |catalog| {
        let role: Arc<str> = catalog.role_by_oid(role)?.map_or_else(|| "".into(), |row| row.rolname.clone());
        let rows = catalog.scan::<PgDatabase>()?;
        Ok((role, rows.into_iter().filter(|row| row.datallowconn).map(|row| row.datname).collect()))
    })
}
