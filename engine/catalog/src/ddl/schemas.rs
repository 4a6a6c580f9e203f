//! Schemas.

use super::{Ddl, ObjectAddress, class};
use crate::acl::{Acl, AclObject};
use crate::index_oids as index;
use crate::rows::PgNamespace;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;

impl Ddl<'_> {
    /// Makes a schema and returns its OID. Temporary schemas, which the system makes itself, may have
    /// reserved names.
    ///
    /// # Errors
    /// `42P06` when there is one of that name, `42939` when the name is reserved.
    pub fn create_schema(&self, name: &str, owner: Oid, is_temporary: bool) -> PgResult<Oid> {
        self.check_schema_name(name, is_temporary)?;
        let oid = self.allocate_oid()?;
        let acl = match is_temporary {
            true => None,
            false => self.acl_of_new('n', AclObject::Schema, owner, 0)?,
        };
        let roles = acl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
        self.insert(&PgNamespace { oid, nspname: name.into(), nspowner: owner, nspacl: acl })?;
        let address = ObjectAddress::new(class::NAMESPACE, oid);
        self.record_owner(address, owner)?;
        self.record_acl_roles(address, owner, &roles)?;
        Ok(oid)
    }

    fn check_schema_name(&self, name: &str, may_be_reserved: bool) -> PgResult<()> {
        if !may_be_reserved && name.starts_with("pg_") {
            return Err(PgError::new(code::RESERVED_NAME, format!("unacceptable schema name \"{name}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.view().namespace_by_name(name)?.is_some() {
            return Err(PgError::new(code::DUPLICATE_SCHEMA, format!("schema \"{name}\" already exists")));
        }
        Ok(())
    }

    /// Renames a schema.
    ///
    /// # Errors
    /// As for [`Ddl::create_schema`].
    pub fn rename_schema(&self, oid: Oid, name: &str) -> PgResult<()> {
        self.check_schema_name(name, false)?;
        self.change::<PgNamespace>(index::NAMESPACE_OID, oid, |row| row.nspname = name.into())
    }

    /// Gives a schema to another role.
    ///
    /// # Errors
    /// `XX000` when there is no such schema; those of writing pages.
    pub fn change_schema_owner(&self, oid: Oid, owner: Oid) -> PgResult<()> {
        self.change::<PgNamespace>(index::NAMESPACE_OID, oid, |row| {
            row.nspacl = row.nspacl.as_ref().map(|acl| acl.with_owner(row.nspowner, owner));
            row.nspowner = owner;
        })?;
        self.change_owner_note(ObjectAddress::new(class::NAMESPACE, oid), owner)
    }

    /// Sets a schema's privileges (NULL: the default).
    ///
    /// # Errors
    /// `XX000` when there is no such schema; those of writing pages.
    pub fn set_schema_acl(&self, oid: Oid, acl: Option<Acl>) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgNamespace>(index::NAMESPACE_OID, oid)?;
        let roles = acl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
        self.change::<PgNamespace>(index::NAMESPACE_OID, oid, |row| row.nspacl = acl)?;
        self.record_acl_roles(ObjectAddress::new(class::NAMESPACE, oid), old.nspowner, &roles)
    }
}
