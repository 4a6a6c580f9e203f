//! ALTER FUNCTION, PROCEDURE and ROUTINE.

use super::dependent_texts::DependentTexts;
use super::function_options::FunctionOptions;
use super::function_parameters::type_names;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{AlterFunction, Ident, ObjectRef, ObjectType, RoleSpec};
use std::sync::Arc;

impl Session {
    /// The function that a statement names, which the current role owns.
    fn own_function(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        target: &ObjectRef,
    ) -> PgResult<Arc<PgProc>> {
        let address = self.find_object(access, object, target)?;
        let row = access.catalog().proc_by_oid(address.object)?;
        let row = row.ok_or_else(|| PgError::internal("a function that was found is there"))?;
        self.check_object_owner(access, address, false)?;
        Ok(row)
    }

    pub(crate) fn alter_function(&mut self, alter: &AlterFunction) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let row = self.own_function(&access, alter.object, &alter.target)?;
        if row.prokind == 'a' {
            let message = format!("\"{}\" is an aggregate function", row.proname);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        let options = FunctionOptions::read(&alter.options, row.prokind == 'p')?;
        let mut new = (*row).clone();
        options.apply(self, &mut new)?;
        if new.prosecdef {
            return Err(PgError::unsupported("SECURITY DEFINER"));
        }
        Ddl::new(access.store(), &access.path).change_function(row.oid, |row| *row = new)
    }

    /// Whether the schema has another function of this name and these arguments.
    fn check_free(&self, access: &Access<'_>, row: &PgProc, schema: Oid, name: &str) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        if ddl.find_function(schema, name, &row.proargtypes)?.is_none() {
            return Ok(());
        }
        let catalog = access.catalog();
        let namespace = catalog.namespace_by_oid(schema)?;
        let message = format!(
            "function {name}({}) already exists in schema \"{}\"",
            type_names(access, &row.proargtypes, ", ")?,
            namespace.map_or_else(String::new, |namespace| namespace.nspname.to_string())
        );
        Err(PgError::new(code::DUPLICATE_FUNCTION, message))
    }

    pub(crate) fn rename_function(
        &mut self,
        object: ObjectType,
        target: &ObjectRef,
        new: &Ident,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let row = self.own_function(&access, object, target)?;
        self.check_free(&access, &row, row.pronamespace, new.as_str())?;
        access.check_may_create_in(row.pronamespace)?;
        let ddl = Ddl::new(access.store(), &access.path);
        let texts = DependentTexts::naming(&access, &[ObjectAddress::new(class::PROC, row.oid)])?;
        ddl.change_function(row.oid, |row| row.proname = new.name.clone())?;
        texts.write(&access, None)
    }

    pub(crate) fn alter_function_owner(
        &mut self,
        object: ObjectType,
        target: &ObjectRef,
        owner: &RoleSpec,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let owner = self.role_oid(&access, owner)?;
        let row = self.own_function(&access, object, target)?;
        if row.proowner == owner {
            return Ok(());
        }
        self.check_member_of(&access, owner)?;
        self.check_owner_may_create(&access, owner, row.pronamespace)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_function(row.oid, |row| {
            row.proacl = row.proacl.as_ref().map(|acl| acl.with_owner(row.proowner, owner));
            row.proowner = owner;
        })?;
        ddl.change_owner_note(ObjectAddress::new(class::PROC, row.oid), owner)
    }

    pub(crate) fn move_function(
        &mut self,
        object: ObjectType,
        target: &ObjectRef,
        schema: &Ident,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let row = self.own_function(&access, object, target)?;
        let schema = access.schema_named(schema.as_str())?;
        access.check_may_create_in(schema)?;
        if row.pronamespace == schema {
            return Ok(());
        }
        self.check_free(&access, &row, schema, &row.proname)?;
        let ddl = Ddl::new(access.store(), &access.path);
        let texts = DependentTexts::naming(&access, &[ObjectAddress::new(class::PROC, row.oid)])?;
        ddl.change_function(row.oid, |row| row.pronamespace = schema)?;
        texts.write(&access, None)?;
        let namespace = |oid| ObjectAddress::new(class::NAMESPACE, oid);
        ddl.move_dependency(
            ObjectAddress::new(class::PROC, row.oid),
            namespace(row.pronamespace),
            namespace(schema),
        )
    }
}
