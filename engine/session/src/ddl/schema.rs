//! CREATE SCHEMA.

use crate::access::Access;
use crate::session::Session;
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
        if create.if_not_exists && access.catalog().namespace_by_name(name.as_str())?.is_some() {
            self.note(code::DUPLICATE_SCHEMA, format!("schema \"{}\" already exists, skipping", name.name));
            return Ok(());
        }
        Ddl::new(access.store(), &access.path).create_schema(name.as_str(), self.facts.user_oid, false)?;
        Ok(())
    }
}
