//! ALTER ... SET SCHEMA and ALTER ... OWNER TO (PostgreSQL's `AlterTableNamespace` and `ATExecChangeOwner`).

use super::dependent_texts::DependentTexts;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::acl::Privileges;
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{ObjectRef, ObjectType, RoleSpec};
use redoubt_txn::LockMode;

impl Session {
    /// ALTER ... SET SCHEMA.
    pub(crate) fn set_schema(
        &mut self,
        object: ObjectType,
        target: &ObjectRef,
        if_exists: bool,
        new_schema: &str,
    ) -> PgResult<()> {
        use ObjectType as O;
        self.ensure_transaction()?;
        if !matches!(object, O::Table | O::View | O::MaterializedView | O::Sequence | O::Index) {
            return Err(PgError::unsupported(format!("ALTER {} SET SCHEMA", object.tag_words())));
        }
        let found = self.relation_to_alter(&target.name, object, LockMode::AccessExclusive, if_exists)?;
        let Some(relation) = found else { return Ok(()) };
        let access = Access::current(self)?;
        if matches!(relation.kind, 'i' | 'I') {
            let message = format!("cannot change schema of index \"{}\"", relation.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message)
                .hint("Change the schema of the table instead."));
        }
        if let Some(table) = self.table_of_sequence(&access, &relation)? {
            return Err(linked("cannot move an owned sequence into another schema", &relation, &table));
        }
        let schema = access.schema_named(new_schema)?;
        access.check_may_create_in(schema)?;
        if access.is_temporary_schema(schema)? || access.is_temporary_schema(relation.namespace)? {
            let message = "cannot move objects into or out of temporary schemas";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        if schema == relation.namespace {
            return Ok(());
        }
        self.move_relation(&access, &relation, schema)
    }

    /// A relation with all that lies in its schema because of it: indexes, constraints, owned sequences.
    fn move_relation(&self, access: &Access<'_>, relation: &Relation, schema: Oid) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        let sequences = owned_sequences(access, &ddl, relation)?;
        let mut named =
            vec![ObjectAddress::relation(relation.oid), ObjectAddress::type_(relation.class.reltype)];
        named.extend(sequences.iter().map(|oid| ObjectAddress::relation(*oid)));
        named.retain(|object| object.object != 0);
        let texts = DependentTexts::naming(access, &named)?;
        ddl.move_relation(relation.oid, schema)?;
        for oid in relation.indexes.iter().chain(&sequences) {
            ddl.move_relation(*oid, schema)?;
        }
        for constraint in &relation.constraints {
            ddl.change_constraint(constraint.oid, |row| row.connamespace = schema)?;
        }
        texts.write(access, None)
    }

    /// ALTER ... OWNER TO, of what ALTER TABLE's grammar does not cover.
    pub(crate) fn alter_owner(
        &mut self,
        object: ObjectType,
        target: &ObjectRef,
        new_owner: &RoleSpec,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        if object != ObjectType::Schema {
            return Err(PgError::unsupported(format!("ALTER {} OWNER TO", object.tag_words())));
        }
        let access = Access::current(self)?;
        let oid = access.schema_named(target.name.last().as_str())?;
        let owner = self.role_oid(&access, new_owner)?;
        let current = access.catalog().namespace_by_oid(oid)?.map(|row| row.nspowner);
        if current == Some(owner) {
            return Ok(());
        }
        self.check_object_owner(&access, ObjectAddress::new(class::NAMESPACE, oid), false)?;
        self.check_may_become(&access, owner)?;
        self.check_may_create_in_database(&access)?;
        Ddl::new(access.store(), &access.path).change_schema_owner(oid, owner)
    }

    /// OWNER TO of a relation that is locked and the current role's.
    pub(crate) fn change_owner(&self, relation: Oid, new_owner: &RoleSpec) -> PgResult<()> {
        let access = Access::current(self)?;
        let relation = access.relation(relation)?;
        let owner = self.role_oid(&access, new_owner)?;
        if matches!(relation.kind, 'i' | 'I') {
            if relation.owner != owner {
                let message = format!("cannot change owner of index \"{}\"", relation.name);
                let warning = PgError::report(Severity::Warning, code::WRONG_OBJECT_TYPE, message);
                let hint = "Change the ownership of the index's table, instead.";
                self.notices.borrow_mut().push(warning.hint(hint));
            }
            return Ok(());
        }
        if relation.owner == owner {
            return Ok(());
        }
        if let Some(table) = self.table_of_sequence(&access, &relation)? {
            let message = format!("cannot change owner of sequence \"{}\"", relation.name);
            return Err(linked(&message, &relation, &table));
        }
        if !self.facts.superuser {
            self.check_may_become(&access, owner)?;
            // The new owner could have made it there.
            let schema = access.catalog().namespace_by_oid(relation.namespace)?;
            let schema = schema.ok_or_else(|| PgError::internal("a relation's schema has gone"))?;
            if !access.role_may_in_schema(owner, &schema, Privileges::CREATE)? {
                let message = format!("permission denied for schema {}", schema.nspname);
                return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
            }
        }
        self.give_relation(&access, &relation, owner)
    }

    /// Gives a relation, its indexes and its columns' sequences to a role.
    pub(super) fn give_relation(&self, access: &Access<'_>, relation: &Relation, owner: Oid) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_relation_owner(relation.oid, owner)?;
        for sequence in owned_sequences(access, &ddl, relation)? {
            ddl.change_relation_owner(sequence, owner)?;
        }
        Ok(())
    }

    pub(super) fn check_may_become(&self, access: &Access<'_>, role: Oid) -> PgResult<()> {
        if access.catalog().is_member_of(self.facts.user_oid, role)? {
            return Ok(());
        }
        let name = self.role_name(access, role)?;
        let message = format!("must be member of role \"{name}\"");
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }

    /// The table whose column a sequence belongs to.
    fn table_of_sequence(
        &self,
        access: &Access<'_>,
        sequence: &Relation,
    ) -> PgResult<Option<std::sync::Arc<Relation>>> {
        if sequence.kind != 'S' {
            return Ok(None);
        }
        let ddl = Ddl::new(access.store(), &access.path);
        let rows = ddl.dependencies_of(ObjectAddress::relation(sequence.oid))?;
        let owned =
            rows.iter().find(|row| row.refclassid == class::RELATION && matches!(row.deptype, 'a' | 'i'));
        owned.map(|row| access.relation(row.refobjid)).transpose()
    }
}

fn linked(message: &str, sequence: &Relation, table: &Relation) -> PgError {
    let detail = format!("Sequence \"{}\" is linked to table \"{}\".", sequence.name, table.name);
    PgError::new(code::FEATURE_NOT_SUPPORTED, message).detail(detail)
}

/// The sequences that belong to columns of a table.
pub(super) fn owned_sequences(access: &Access<'_>, ddl: &Ddl<'_>, table: &Relation) -> PgResult<Vec<Oid>> {
    let mut found = Vec::new();
    for row in ddl.dependents_of(ObjectAddress::relation(table.oid))? {
        let is_owned = row.classid == class::RELATION
            && row.objsubid == 0
            && row.refobjsubid != 0
            && matches!(row.deptype, 'a' | 'i');
        if is_owned && access.catalog().relation_by_oid(row.objid)?.is_some_and(|other| other.kind == 'S') {
            found.push(row.objid);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
