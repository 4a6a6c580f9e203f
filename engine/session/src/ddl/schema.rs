//! CREATE SCHEMA.

use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::CreateSchema;

impl Session {
    pub(crate) fn create_schema(&mut self, create: &CreateSchema) -> PgResult<()> {
        if !create.elements.is_empty() {
            return Err(PgError::unsupported("CREATE SCHEMA with elements"));
        }
        if create.authorization.is_some() {
            return Err(PgError::unsupported("CREATE SCHEMA AUTHORIZATION"));
        }
        let name =
            create.name.as_ref().ok_or_else(|| PgError::unsupported("CREATE SCHEMA without a name"))?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        self.check_may_create_in_database(&access)?;
        if create.if_not_exists && access.catalog().namespace_by_name(name.as_str())?.is_some() {
            self.note(code::DUPLICATE_SCHEMA, format!("schema \"{}\" already exists, skipping", name.name));
            return Ok(());
        }
        Ddl::new(access.store(), &access.path).create_schema(name.as_str(), self.facts.user_oid, false)?;
        Ok(())
    }

    /// Whether the current role may make schemas in the database.
    pub(super) fn check_may_create_in_database(&self, access: &Access<'_>) -> PgResult<()> {
        if self.facts.superuser {
            return Ok(());
        }
        let catalog = access.catalog();
        let Some(row) = catalog.database_by_oid(self.facts.database)? else { return Ok(()) };
        let held =
            catalog.privileges(self.facts.user_oid, AclObject::Database, row.datdba, row.datacl.as_ref())?;
        if held.contains(Privileges::CREATE) {
            return Ok(());
        }
        let message = format!("permission denied for database {}", row.datname);
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }
}
