//! ALTER ... RENAME of relations, their columns and constraints, and of schemas (PostgreSQL's `RenameRelation`,
//! `renameatt`, `RenameConstraint`, `RenameSchema`).

use super::dependent_texts::DependentTexts;
use super::object_names::not_for;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class, system_column};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{ObjectName, ObjectType, Rename};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    /// ALTER ... RENAME.
    pub(crate) fn rename(&mut self, rename: &Rename) -> PgResult<()> {
        use ObjectType as O;
        self.ensure_transaction()?;
        match rename.object {
            O::Role => {
                let access = Access::current(self)?;
                self.rename_role(&access, rename.target.name.last().as_str(), rename.new_name.as_str())
            }
            O::Table | O::View | O::MaterializedView | O::Index | O::Sequence => self.rename_relation(rename),
            O::Column if rename.relation_kind != O::Type => self.rename_column(rename),
            O::TableConstraint => self.rename_constraint(rename),
            O::Schema => self.rename_schema(rename.target.name.last().as_str(), rename.new_name.as_str()),
            other => Err(PgError::unsupported(format!("ALTER {} RENAME", other.tag_words()))),
        }
    }

    fn rename_relation(&self, rename: &Rename) -> PgResult<()> {
        // An index is read by number: whoever uses it need not be kept out.
        let mode = match rename.object {
            ObjectType::Index => LockMode::ShareUpdateExclusive,
            _ => LockMode::AccessExclusive,
        };
        let name = &rename.target.name;
        let Some(relation) = self.relation_to_alter(name, rename.object, mode, rename.if_exists)? else {
            return Ok(());
        };
        let access = Access::current(self)?;
        access.check_may_create_in(relation.namespace)?;
        let texts = DependentTexts::naming_relation(&access, &relation)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.rename_relation(relation.oid, rename.new_name.as_str())?;
        texts.write(&access, Some(&relation))
    }

    fn rename_column(&self, rename: &Rename) -> PgResult<()> {
        let old = rename.subname.as_ref().expect("a column has a name");
        let mode = LockMode::AccessExclusive;
        let found =
            self.relation_to_alter(&rename.target.name, rename.relation_kind, mode, rename.if_exists)?;
        let Some(relation) = found else { return Ok(()) };
        if !matches!(relation.kind, 'r' | 'v' | 'm' | 'c' | 'i' | 'I' | 'f' | 'p') {
            let message = format!("cannot rename columns of relation \"{}\"", relation.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message).detail(not_for(relation.kind)));
        }
        let Some(at) = relation.attributes.iter().position(|a| !a.attisdropped && *a.attname == *old.name)
        else {
            if system_column(old.as_str()).is_some() && !matches!(relation.kind, 'v' | 'i') {
                let message = format!("cannot rename system column \"{}\"", old.name);
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
            }
            let message = format!("column \"{}\" does not exist", old.name);
            return Err(PgError::new(code::UNDEFINED_COLUMN, message));
        };
        if relation.attributes[at].attinhcount > 0 {
            let message = format!("cannot rename inherited column \"{}\"", old.name);
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        let access = Access::current(self)?;
        if !access.catalog().children_of(relation.oid)?.is_empty() {
            return Err(PgError::unsupported("renaming columns that other tables inherit"));
        }
        let texts = DependentTexts::naming_relation(&access, &relation)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.rename_column(relation.oid, at as i16 + 1, rename.new_name.as_str())?;
        texts.write(&access, Some(&relation))
    }

    fn rename_constraint(&self, rename: &Rename) -> PgResult<()> {
        let old = rename.subname.as_ref().expect("a constraint has a name");
        let name = &rename.target.name;
        let found =
            self.relation_to_alter(name, ObjectType::Table, LockMode::AccessExclusive, rename.if_exists)?;
        let Some(relation) = found else { return Ok(()) };
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        let Some(constraint) = ddl.find_constraint(relation.oid, 0, old.as_str())? else {
            let message =
                format!("constraint \"{}\" for table \"{}\" does not exist", old.name, relation.name);
            return Err(PgError::new(code::UNDEFINED_OBJECT, message));
        };
        if constraint.coninhcount > 0 {
            let message = format!("cannot rename inherited constraint \"{}\"", old.name);
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        ddl.rename_constraint(constraint.oid, rename.new_name.as_str())
    }

    fn rename_schema(&self, name: &str, new_name: &str) -> PgResult<()> {
        let access = Access::current(self)?;
        let oid = access.schema_named(name)?;
        let ddl = Ddl::new(access.store(), &access.path);
        if access.catalog().namespace_by_name(new_name)?.is_some() {
            let message = format!("schema \"{new_name}\" already exists");
            return Err(PgError::new(code::DUPLICATE_SCHEMA, message));
        }
        self.check_object_owner(&access, ObjectAddress::new(class::NAMESPACE, oid), false)?;
        self.check_may_create_in_database(&access)?;
        let texts = DependentTexts::naming(&access, &objects_in(&access, &ddl, oid)?)?;
        ddl.rename_schema(oid, new_name)?;
        texts.write(&access, None)
    }

    /// The relation that an ALTER names: locked, of the kind that the statement says, and the current role's.
    /// Nothing, with a notice, if it is not there and that is `allowed`.
    ///
    /// # Errors
    /// `42P01`, `42809`, `42501`.
    pub(crate) fn relation_to_alter(
        &self,
        name: &ObjectName,
        object: ObjectType,
        mode: LockMode,
        allowed: bool,
    ) -> PgResult<Option<Arc<Relation>>> {
        // Who may not change it does not get to wait for it, nor to make others wait.
        let access = Access::current(self)?;
        if let Some(seen) = access.find_relation(name)? {
            self.check_alterable(&access, &seen, object)?;
        }
        drop(access);
        let Some(relation) = self.lock_by_name(name, mode, allowed)? else {
            let message = format!("relation \"{}\" does not exist, skipping", name.last().name);
            self.note(code::SUCCESSFUL_COMPLETION, message);
            return Ok(None);
        };
        let access = Access::current(self)?;
        self.check_alterable(&access, &relation, object)?;
        Ok(Some(relation))
    }

    fn check_alterable(&self, access: &Access<'_>, relation: &Relation, object: ObjectType) -> PgResult<()> {
        self.check_owner(access, relation)?;
        let wanted = match object {
            ObjectType::Sequence => Some(("a sequence", &['S'] as &[char])),
            ObjectType::View => Some(("a view", &['v'] as &[char])),
            ObjectType::MaterializedView => Some(("a materialized view", &['m'] as &[char])),
            ObjectType::ForeignTable => Some(("a foreign table", &['f'] as &[char])),
            _ => None,
        };
        let wrong = |message: String| PgError::new(code::WRONG_OBJECT_TYPE, message);
        if let Some((what, kinds)) = wanted
            && !kinds.contains(&relation.kind)
        {
            return Err(wrong(format!("\"{}\" is not {what}", relation.name)));
        }
        if relation.kind == 'c' {
            let message = format!("\"{}\" is a composite type", relation.name);
            return Err(wrong(message).hint("Use ALTER TYPE instead."));
        }
        Ok(())
    }
}

/// Everything in a schema that texts can name.
pub(super) fn objects_in(access: &Access<'_>, ddl: &Ddl<'_>, schema: Oid) -> PgResult<Vec<ObjectAddress>> {
    let mut objects = Vec::new();
    for row in ddl.dependents_of(ObjectAddress::new(class::NAMESPACE, schema))? {
        objects.push(ObjectAddress::new(row.classid, row.objid));
    }
    // Pinned objects note no schema, and indexes and row types follow their tables.
    for row in access.catalog().scan::<redoubt_catalog::rows::PgClass>()? {
        if row.relnamespace == schema {
            objects.push(ObjectAddress::relation(row.oid));
        }
    }
    Ok(objects)
}
