//! CREATE SCHEMA, alone or with the statements that make what is in it.

use crate::access::Access;
use crate::client::Client;
use crate::session::Session;
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{CreateSchema, ObjectName, RoleSpec, StatementKind, UtilityStatement};
use std::sync::Arc;

impl Session {
    /// Makes a schema and what is said to be in it.
    pub(crate) fn create_schema(&mut self, create: &CreateSchema, client: &mut dyn Client) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let owner = match &create.authorization {
            Some(role) => self.role_oid(&access, role)?,
            None => self.facts.user_oid,
        };
        let name: Arc<str> = match (&create.name, &create.authorization) {
            (Some(name), _) => name.name.clone(),
            (None, Some(RoleSpec::Name(role))) => role.name.clone(),
            (None, _) => self.role_name(&access, owner)?,
        };
        self.check_may_create_in_database(&access)?;
        self.check_may_become(&access, owner)?;
        if create.if_not_exists && access.catalog().namespace_by_name(&name)?.is_some() {
            self.note(code::DUPLICATE_SCHEMA, format!("schema \"{name}\" already exists, skipping"));
            return Ok(());
        }
        let schema = Ddl::new(access.store(), &access.path).create_schema(&name, owner, false)?;
        drop(access);
        if create.elements.is_empty() {
            return Ok(());
        }
        self.create_elements(create, schema, &name, owner, client)
    }

    /// Runs the statements inside, as the schema's owner and with the schema first in the search path.
    fn create_elements(
        &mut self,
        create: &CreateSchema,
        schema: Oid,
        name: &str,
        owner: Oid,
        client: &mut dyn Client,
    ) -> PgResult<()> {
        let mut elements = Vec::with_capacity(create.elements.len());
        for element in &create.elements {
            let StatementKind::Utility(utility) = &element.kind else {
                return Err(PgError::internal("an element of a schema is a utility statement"));
            };
            check_schema_of(utility, name)?;
            elements.push(&**utility);
        }
        // What others refer to comes first.
        elements.sort_by_key(|utility| match utility {
            UtilityStatement::CreateSequence(_) => 0,
            UtilityStatement::CreateTable(_) => 1,
            UtilityStatement::CreateView(_) => 2,
            UtilityStatement::CreateIndex(_) => 3,
            UtilityStatement::Grant(_) => 5,
            _ => 4,
        });
        self.txn().advance_command()?;
        let outer = self.schema_in_making.replace(Some(schema));
        let result = self.as_user(owner, |session| {
            // No element is of a kind that keeps its text.
            elements.iter().try_for_each(|utility| session.run_utility(utility, "", client).map(|_| ()))
        });
        self.schema_in_making.set(outer);
        result
    }

    /// Whether the current role has a privilege in the session's database.
    pub(crate) fn may_in_database(&self, access: &Access<'_>, privilege: Privileges) -> PgResult<bool> {
        if self.facts.superuser {
            return Ok(true);
        }
        let catalog = access.catalog();
        let Some(row) = catalog.database_by_oid(self.facts.database)? else { return Ok(true) };
        let held =
            catalog.privileges(self.facts.user_oid, AclObject::Database, row.datdba, row.datacl.as_ref())?;
        Ok(held.contains(privilege))
    }

    /// Whether the current role may make schemas in the database.
    pub(super) fn check_may_create_in_database(&self, access: &Access<'_>) -> PgResult<()> {
        if self.may_in_database(access, Privileges::CREATE)? {
            return Ok(());
        }
        let message = format!("permission denied for database {}", self.facts.database_name);
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }
}

/// An element that names a schema must name this one.
fn check_schema_of(utility: &UtilityStatement, name: &str) -> PgResult<()> {
    let said: Option<&ObjectName> = match utility {
        UtilityStatement::CreateSequence(create) => Some(&create.name),
        UtilityStatement::CreateTable(create) => Some(&create.name),
        UtilityStatement::CreateView(create) => Some(&create.name),
        UtilityStatement::CreateIndex(create) => Some(&create.relation.name),
        _ => None,
    };
    let Some(schema) = said.and_then(|said| said.schema()) else { return Ok(()) };
    if schema.as_str() == name {
        return Ok(());
    }
    let message =
        format!("CREATE specifies a schema ({}) different from the one being created ({name})", schema.name);
    Err(PgError::new(code::INVALID_SCHEMA_DEFINITION, message))
}
