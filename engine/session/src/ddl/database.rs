//! CREATE and DROP DATABASE (PostgreSQL's src/backend/commands/dbcommands.c).
//!
//! Who connects to a database holds its lock (`RowExclusive`) until it stands in the register of sessions; who
//! copies it (`Share`) or drops it (`AccessExclusive`) looks into the register with the lock in hand. So nobody comes
//! in between.

use super::database_options::{DatabaseOptions, NewDatabaseOptions};
use super::role::denied;
use crate::access::Access;
use crate::functions::check_may_signal;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewDatabase, class};
use redoubt_catalog::rows::PgDatabase;
use redoubt_catalog::{copy_database, drop_database_storage};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{DefElem, Ident, RoleSpec};
use redoubt_txn::{Interrupt, LockMode, LockTag, LockWait};
use std::sync::Arc;
use std::time::Duration;

/// How long others are given to leave a database before the statement fails (`CountOtherDBBackends`).
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock of a database.
pub(crate) fn database_lock(database: Oid) -> LockTag {
    LockTag::Object { database: 0, class: class::DATABASE, object: database, sub: 0 }
}

pub(crate) fn no_database(name: &str) -> PgError {
    PgError::new(code::UNDEFINED_DATABASE, format!("database \"{name}\" does not exist"))
}

impl Session {
    pub(crate) fn create_database(&mut self, name: &Ident, options: &[DefElem]) -> PgResult<()> {
        self.block.check_outside("CREATE DATABASE")?;
        let options = NewDatabaseOptions::read(options)?;
        self.ensure_transaction()?;
        let (owner, template) = {
            let access = Access::current(self)?;
            let owner = match &options.owner {
                Some(owner) => self.role_named(&access, owner)?,
                None => self.facts.user_oid,
            };
            if !self.may_create_databases(&access)? {
                return Err(denied("permission denied to create database".into()));
            }
            self.check_member_of(&access, owner)?;
            (owner, self.lock_template(options.template.as_deref().unwrap_or("template1"))?)
        };
        options.check_against(&template)?;
        if Access::current(self)?.catalog().database_by_name(name.as_str())?.is_some() {
            let message = format!("database \"{}\" already exists", name.name);
            return Err(PgError::new(code::DUPLICATE_DATABASE, message));
        }
        self.wait_until_left(template.oid, || {
            format!("source database \"{}\" is being accessed by other users", template.datname)
        })?;
        // Whoever was there has left, but his last commit may not be durable, and so not seen, yet.
        self.facts.backend.depend_on(self.facts.instance.engine.txns().last_commit());
        let access = Access::current(self)?;
        let oid = Ddl::new(access.store(), &access.path).create_database(&NewDatabase {
            name: name.as_str().into(),
            owner,
            template: template.oid,
            connection_limit: options.changes.connection_limit.unwrap_or(-1),
            is_template: options.changes.is_template.unwrap_or(false),
            allow_connections: options.changes.allow_connections.unwrap_or(true),
        })?;
        redoubt_buffer::blocking(|| copy_database(access.store(), template.oid, oid))
    }

    /// The template's row, its lock held so that nobody connects to it or drops it.
    fn lock_template(&self, name: &str) -> PgResult<Arc<PgDatabase>> {
        let missing = || {
            let message = format!("template database \"{name}\" does not exist");
            PgError::new(code::UNDEFINED_DATABASE, message)
        };
        let row = self.lock_database(name, LockMode::Share)?.ok_or_else(missing)?;
        let access = Access::current(self)?;
        let catalog = access.catalog();
        if !row.datistemplate
            && !self.facts.superuser
            && !catalog.has_privileges_of(self.facts.user_oid, row.datdba)?
        {
            return Err(denied(format!("permission denied to copy database \"{name}\"")));
        }
        Ok(row)
    }

    /// A database by its name, locked; looked up again when the lock is held.
    pub(crate) fn lock_database(&self, name: &str, mode: LockMode) -> PgResult<Option<Arc<PgDatabase>>> {
        let mut locked = 0;
        loop {
            let access = Access::current(self)?;
            let Some(row) = access.catalog().database_by_name(name)? else { return Ok(None) };
            if row.oid == locked {
                return Ok(Some(row));
            }
            self.txn().lock(database_lock(row.oid), mode, LockWait::Block)?;
            locked = row.oid;
        }
    }

    /// Waits for a while until no other session is connected to a database; `message` is what to say if some stay.
    pub(crate) fn wait_until_left(&self, database: Oid, message: impl FnOnce() -> String) -> PgResult<()> {
        let own = self.process_id();
        let left = redoubt_buffer::blocking(|| {
            self.facts
                .instance
                .wait_until_left(database, own, PATIENCE, &mut || self.facts.backend.check_for_interrupts())
        })?;
        if left == 0 {
            return Ok(());
        }
        let detail = match left {
            1 => "There is 1 other session using the database.".to_string(),
            many => format!("There are {many} other sessions using the database."),
        };
        Err(PgError::new(code::OBJECT_IN_USE, message()).detail(detail))
    }

    pub(crate) fn drop_database(&mut self, name: &Ident, if_exists: bool, force: bool) -> PgResult<()> {
        self.block.check_outside("DROP DATABASE")?;
        self.ensure_transaction()?;
        let Some(row) = self.lock_database(name.as_str(), LockMode::AccessExclusive)? else {
            if !if_exists {
                return Err(no_database(name.as_str()));
            }
            let message = format!("database \"{}\" does not exist, skipping", name.name);
            self.note(code::SUCCESSFUL_COMPLETION, message);
            return Ok(());
        };
        {
            let access = Access::current(self)?;
            self.check_database_owner(&access, &row)?;
        }
        if row.datistemplate {
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, "cannot drop a template database"));
        }
        if row.oid == self.facts.database {
            return Err(PgError::new(code::OBJECT_IN_USE, "cannot drop the currently open database"));
        }
        if force {
            self.end_sessions_of(row.oid)?;
        }
        self.wait_until_left(row.oid, || {
            format!("database \"{}\" is being accessed by other users", name.name)
        })?;
        self.facts.backend.depend_on(self.facts.instance.engine.txns().last_commit());
        let access = Access::current(self)?;
        Ddl::new(access.store(), &access.path).drop_database(row.oid)?;
        redoubt_buffer::blocking(|| drop_database_storage(access.store(), row.oid))
    }

    /// DROP DATABASE ... (FORCE): asks every other session of the database to end, if all of them may be.
    fn end_sessions_of(&self, database: Oid) -> PgResult<()> {
        let access = Access::current(self)?;
        let env = access.env();
        let mut others = Vec::new();
        for (pid, activity) in self.facts.instance.activities() {
            if activity.database == database && pid != self.process_id() {
                check_may_signal(&env, activity.user, Interrupt::Terminate)?;
                others.push(pid);
            }
        }
        for pid in others {
            self.facts.instance.interrupt(pid, Interrupt::Terminate, None);
        }
        Ok(())
    }

    /// ALTER DATABASE ... with options.
    pub(crate) fn alter_database(&mut self, name: &Ident, options: &[DefElem]) -> PgResult<()> {
        let options = DatabaseOptions::read(options)?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let row = access.catalog().database_by_name(name.as_str())?;
        let row = row.ok_or_else(|| no_database(name.as_str()))?;
        self.check_database_owner(&access, &row)?;
        if row.oid == self.facts.database && options.allow_connections == Some(false) {
            let message = "cannot disallow connections for current database";
            return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
        }
        Ddl::new(access.store(), &access.path).change_database(row.oid, |row| {
            row.datistemplate = options.is_template.unwrap_or(row.datistemplate);
            row.datallowconn = options.allow_connections.unwrap_or(row.datallowconn);
            row.datconnlimit = options.connection_limit.unwrap_or(row.datconnlimit);
        })
    }

    pub(crate) fn rename_database(&mut self, name: &Ident, new_name: &Ident) -> PgResult<()> {
        self.ensure_transaction()?;
        let row = self.lock_database(name.as_str(), LockMode::AccessExclusive)?;
        let row = row.ok_or_else(|| no_database(name.as_str()))?;
        let access = Access::current(self)?;
        self.check_database_owner(&access, &row)?;
        if !self.may_create_databases(&access)? {
            return Err(denied("permission denied to rename database".into()));
        }
        if access.catalog().database_by_name(new_name.as_str())?.is_some() {
            let message = format!("database \"{}\" already exists", new_name.name);
            return Err(PgError::new(code::DUPLICATE_DATABASE, message));
        }
        if row.oid == self.facts.database {
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "current database cannot be renamed"));
        }
        self.wait_until_left(row.oid, || {
            format!("database \"{}\" is being accessed by other users", name.name)
        })?;
        Ddl::new(access.store(), &access.path).rename_database(row.oid, new_name.as_str())
    }

    pub(crate) fn alter_database_owner(&mut self, name: &Ident, owner: &RoleSpec) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let owner = self.role_oid(&access, owner)?;
        let row = access.catalog().database_by_name(name.as_str())?;
        let row = row.ok_or_else(|| no_database(name.as_str()))?;
        if row.datdba == owner {
            return Ok(());
        }
        self.check_database_owner(&access, &row)?;
        self.check_member_of(&access, owner)?;
        if !self.may_create_databases(&access)? {
            return Err(denied("permission denied to change owner of database".into()));
        }
        Ddl::new(access.store(), &access.path).change_database_owner(row.oid, owner)
    }

    pub(crate) fn check_database_owner(&self, access: &Access<'_>, row: &PgDatabase) -> PgResult<()> {
        if self.facts.superuser || access.catalog().has_privileges_of(self.facts.user_oid, row.datdba)? {
            return Ok(());
        }
        Err(denied(format!("must be owner of database {}", row.datname)))
    }

    /// Whether the current role is a superuser or has CREATEDB.
    fn may_create_databases(&self, access: &Access<'_>) -> PgResult<bool> {
        let row = access.catalog().role_by_oid(self.facts.user_oid)?;
        Ok(row.is_some_and(|row| row.rolsuper || row.rolcreatedb))
    }

    /// Only to a role that one is a member of can things be given.
    pub(crate) fn check_member_of(&self, access: &Access<'_>, role: Oid) -> PgResult<()> {
        if self.facts.superuser || access.catalog().is_member_of(self.facts.user_oid, role)? {
            return Ok(());
        }
        Err(denied(format!("must be member of role \"{}\"", self.role_name(access, role)?)))
    }
}
