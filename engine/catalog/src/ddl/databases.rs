//! Databases and settings of databases and roles: rows only; [`crate::copy_database`] makes the pages.

use super::{Ddl, ObjectAddress, class};
use crate::acl::Acl;
use crate::index_oids as index;
use crate::rows::{PgDatabase, PgDbRoleSetting, PgShdepend};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// A database to be made.
#[derive(Clone, Debug)]
pub struct NewDatabase {
    /// Its name.
    pub name: Arc<str>,
    /// Its owner.
    pub owner: Oid,
    /// The database it starts as a copy of.
    pub template: Oid,
    /// CONNECTION LIMIT, -1 for none.
    pub connection_limit: i32,
    /// IS_TEMPLATE.
    pub is_template: bool,
    /// ALLOW_CONNECTIONS.
    pub allow_connections: bool,
}

impl Ddl<'_> {
    /// Adds a database's row and returns its OID.
    ///
    /// # Errors
    /// `42P04` when there is one of that name.
    pub fn create_database(&self, new: &NewDatabase) -> PgResult<Oid> {
        self.check_database_name(&new.name)?;
        let (_, template) = self.find_oid::<PgDatabase>(index::DATABASE_OID, new.template)?;
        let oid = self.store.allocate_database_oid()?;
        self.insert(&PgDatabase {
            oid,
            datname: new.name.clone(),
            datdba: new.owner,
            datistemplate: new.is_template,
            datallowconn: new.allow_connections,
            datconnlimit: new.connection_limit,
            datacl: None,
            ..template
        })?;
        self.record_owner(ObjectAddress::new(class::DATABASE, oid), new.owner)?;
        for (_, row) in self.find::<PgShdepend>(index::SHDEPEND_DEPENDER, &[Datum::Oid(new.template)])? {
            self.insert(&PgShdepend { dbid: oid, ..row })?;
        }
        Ok(oid)
    }

    fn check_database_name(&self, name: &str) -> PgResult<()> {
        if self.view().database_by_name(name)?.is_some() {
            return Err(PgError::new(
                code::DUPLICATE_DATABASE,
                format!("database \"{name}\" already exists"),
            ));
        }
        Ok(())
    }

    /// Changes a database's row.
    ///
    /// # Errors
    /// `XX000` when there is no such database; those of writing pages.
    pub fn change_database(&self, oid: Oid, edit: impl FnOnce(&mut PgDatabase)) -> PgResult<()> {
        self.change(index::DATABASE_OID, oid, edit)
    }

    /// Renames a database.
    ///
    /// # Errors
    /// `42P04` when there is one of the new name.
    pub fn rename_database(&self, oid: Oid, name: &str) -> PgResult<()> {
        self.check_database_name(name)?;
        self.change_database(oid, |row| row.datname = name.into())
    }

    /// Gives a database to another role.
    ///
    /// # Errors
    /// `XX000` when there is no such database; those of writing pages.
    pub fn change_database_owner(&self, oid: Oid, owner: Oid) -> PgResult<()> {
        self.change_database(oid, |row| {
            row.datacl = row.datacl.as_ref().map(|acl| acl.with_owner(row.datdba, owner));
            row.datdba = owner;
        })?;
        self.change_owner_note(ObjectAddress::new(class::DATABASE, oid), owner)
    }

    /// Sets a database's privileges (NULL: the default).
    ///
    /// # Errors
    /// `XX000` when there is no such database; those of writing pages.
    pub fn set_database_acl(&self, oid: Oid, acl: Option<Acl>) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgDatabase>(index::DATABASE_OID, oid)?;
        let roles = acl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
        self.change_database(oid, |row| row.datacl = acl)?;
        self.record_acl_roles(ObjectAddress::new(class::DATABASE, oid), old.datdba, &roles)
    }

    /// Removes a database's row, its settings, and what it noted about roles. Its pages are the caller's
    /// to drop.
    ///
    /// # Errors
    /// `42809` for a template, `55006` for the session's own.
    pub fn drop_database(&self, oid: Oid) -> PgResult<()> {
        let (id, row) = self.find_oid::<PgDatabase>(index::DATABASE_OID, oid)?;
        if oid == self.view().database() {
            return Err(PgError::new(code::OBJECT_IN_USE, "cannot drop the currently open database"));
        }
        if row.datistemplate {
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, "cannot drop a template database"));
        }
        self.remove_all::<PgDbRoleSetting>(index::DB_ROLE_SETTING, &[Datum::Oid(oid)])?;
        self.remove_all::<PgShdepend>(index::SHDEPEND_DEPENDER, &[Datum::Oid(oid)])?;
        let address = ObjectAddress::new(class::DATABASE, oid);
        self.forget_roles(address, None)?;
        self.set_comment(address, None)?;
        self.remove(id, &row)
    }

    /// Sets what ALTER DATABASE or ALTER ROLE ... SET keeps (0 for all databases or all roles): `name=value`
    /// texts, none of which removes the row.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn set_settings(&self, database: Oid, role: Oid, settings: &[Arc<str>]) -> PgResult<()> {
        let key = [Datum::Oid(database), Datum::Oid(role)];
        self.remove_all::<PgDbRoleSetting>(index::DB_ROLE_SETTING, &key)?;
        if settings.is_empty() {
            return Ok(());
        }
        let setconfig = Some(settings.to_vec());
        self.insert(&PgDbRoleSetting { setdatabase: database, setrole: role, setconfig })?;
        Ok(())
    }
}
