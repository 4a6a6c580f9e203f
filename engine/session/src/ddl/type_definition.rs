//! CREATE TYPE, ALTER TYPE of enums, and what all types have in common: names, owners, schemas.

use super::dependent_texts::DependentTexts;
use super::stored_text::with_analysis;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::{resolve_collation, resolve_type_name};
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::ddl::{Ddl, NewColumn, NewEnumLabel, NewRelation, ObjectAddress};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{
    AlterEnum, ColumnDef, CreateType, Ident, ObjectName, ObjectType, Persistence, Rename, RoleSpec,
};

impl Session {
    pub(crate) fn create_type(&mut self, create: &CreateType) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        match create {
            CreateType::Enum { name, labels } => {
                let place = self.place_for(&access, name, Persistence::Permanent)?;
                let ddl = Ddl::new(access.store(), &access.path);
                ddl.create_enum(place.namespace, &place.name, self.facts.user_oid, labels).map(|_| ())
            }
            CreateType::Composite { name, columns } => self.create_composite(&access, name, columns),
            CreateType::Range { .. } => Err(PgError::unsupported("CREATE TYPE ... AS RANGE")),
            CreateType::Base { options: None, .. } => Err(PgError::unsupported("shell types")),
            CreateType::Base { .. } => Err(PgError::unsupported("CREATE TYPE of a base type")),
        }
    }

    fn create_composite(
        &self,
        access: &Access<'_>,
        name: &ObjectName,
        columns: &[ColumnDef],
    ) -> PgResult<()> {
        let place = self.place_for(access, name, Persistence::Permanent)?;
        let catalog = access.catalog();
        if let Some(found) = catalog.type_by_name(place.namespace, &place.name)?
            && found.row.typelem == 0
        {
            let message = format!("type \"{}\" already exists", place.name);
            return Err(PgError::new(code::DUPLICATE_OBJECT, message));
        }
        let mut relation = NewRelation::new('c', place.namespace, &*place.name, self.facts.user_oid);
        for column in columns {
            relation.columns.push(self.attribute(access, column)?);
        }
        Ddl::new(access.store(), &access.path).create_relation(&relation).map(|_| ())
    }

    /// An attribute of a composite type.
    fn attribute(&self, access: &Access<'_>, column: &ColumnDef) -> PgResult<NewColumn> {
        let type_name = column.type_name.as_ref();
        let type_name = type_name.ok_or_else(|| PgError::internal("an attribute has a type"))?;
        let (oid, typmod) =
            with_analysis(access, |context| resolve_type_name(type_name, context)).map_err(unplaced)?;
        let mut collation = access.catalog().type_info_must(oid)?.collation;
        if let Some(name) = &column.collation {
            if collation == 0 {
                let shown = access.catalog().format_type(oid, None, &access.path)?;
                let message = format!("collations are not supported by type {shown}");
                return Err(PgError::new(code::DATATYPE_MISMATCH, message).at(Some(name.pos())));
            }
            collation = with_analysis(access, |context| resolve_collation(name, context))?;
        }
        let mut new = NewColumn::new(column.name.as_str(), oid, typmod, collation);
        new.dimensions = type_name.array_bounds.len() as i32;
        Ok(new)
    }

    pub(crate) fn alter_enum(&mut self, alter: &AlterEnum) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let name = match alter {
            AlterEnum::AddValue { name, .. } | AlterEnum::RenameValue { name, .. } => name,
        };
        let address = self.find_type_object(&access, ObjectType::Type, name)?;
        let found = access.catalog().type_must(address.object)?;
        if found.row.typtype != 'e' {
            let shown = access.catalog().format_type(address.object, None, &access.path)?;
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("{shown} is not an enum")));
        }
        self.check_object_owner(&access, address, false)?;
        let ddl = Ddl::new(access.store(), &access.path);
        match alter {
            AlterEnum::RenameValue { old, new, .. } => {
                // Texts have constants of the type in them, by their labels.
                let texts = DependentTexts::naming(&access, &[address])?;
                ddl.rename_enum_label(address.object, old, new)?;
                texts.write(&access, None)
            }
            AlterEnum::AddValue { if_not_exists, label, neighbour, .. } => {
                if *if_not_exists && access.catalog().enum_by_label(address.object, label)?.is_some() {
                    let message = format!("enum label \"{label}\" already exists, skipping");
                    self.note(code::DUPLICATE_OBJECT, message);
                    return Ok(());
                }
                let place = match neighbour {
                    None => NewEnumLabel::Last,
                    Some((neighbour, false)) => NewEnumLabel::Before(neighbour),
                    Some((neighbour, true)) => NewEnumLabel::After(neighbour),
                };
                ddl.add_enum_label(address.object, label, place)
            }
        }
    }

    /// The type that ALTER TYPE or ALTER DOMAIN names, which the current role owns. The row type of a table is
    /// changed with the table.
    fn own_type(&self, access: &Access<'_>, object: ObjectType, name: &ObjectName) -> PgResult<Oid> {
        let address = self.find_type_object(access, object, name)?;
        self.check_object_owner(access, address, false)?;
        let catalog = access.catalog();
        let found = catalog.type_must(address.object)?;
        let shown = catalog.format_type(address.object, None, &access.path)?;
        let refuse =
            |message: String, hint: String| Err(PgError::new(code::WRONG_OBJECT_TYPE, message).hint(hint));
        if found.row.typelem != 0 && found.row.typlen == -1 {
            let element = catalog.type_must(found.row.typelem)?;
            if element.row.typarray == address.object {
                let element = catalog.format_type(found.row.typelem, None, &access.path)?;
                let hint = format!("You can alter type {element}, which will alter the array type as well.");
                return refuse(format!("cannot alter array type {shown}"), hint);
            }
        }
        if found.row.typrelid != 0 {
            let relation = access.relation(found.row.typrelid)?;
            if relation.kind != 'c' {
                let message = format!("{shown} is a table's row type");
                return refuse(message, "Use ALTER TABLE instead.".into());
            }
        }
        Ok(address.object)
    }

    /// ALTER TYPE and ALTER DOMAIN ... RENAME.
    pub(crate) fn rename_in_type(&mut self, rename: &Rename) -> PgResult<()> {
        let name = &rename.target.name;
        match (rename.object, &rename.subname) {
            (ObjectType::Column, Some(old)) => self.rename_attribute(name, old, &rename.new_name),
            (ObjectType::DomainConstraint, Some(old)) => {
                self.rename_domain_constraint(name, old.as_str(), rename.new_name.as_str())
            }
            (object, _) => self.rename_type(object, name, &rename.new_name),
        }
    }

    /// ALTER TYPE and ALTER DOMAIN ... RENAME TO.
    fn rename_type(&mut self, object: ObjectType, name: &ObjectName, new: &Ident) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let oid = self.own_type(&access, object, name)?;
        let texts = DependentTexts::naming(&access, &[ObjectAddress::type_(oid)])?;
        Ddl::new(access.store(), &access.path).rename_type(oid, new.as_str())?;
        texts.write(&access, None)
    }

    /// ALTER TYPE and ALTER DOMAIN ... OWNER TO.
    pub(crate) fn alter_type_owner(
        &mut self,
        object: ObjectType,
        name: &ObjectName,
        owner: &RoleSpec,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let owner = self.role_oid(&access, owner)?;
        let oid = self.own_type(&access, object, name)?;
        let found = access.catalog().type_must(oid)?;
        if found.row.typowner == owner {
            return Ok(());
        }
        self.check_member_of(&access, owner)?;
        self.check_owner_may_create(&access, owner, found.row.typnamespace)?;
        Ddl::new(access.store(), &access.path).change_type_owner(oid, owner)
    }

    /// Who is given an object must be one who could have made it.
    pub(crate) fn check_owner_may_create(
        &self,
        access: &Access<'_>,
        owner: Oid,
        schema: Oid,
    ) -> PgResult<()> {
        if self.facts.superuser {
            return Ok(());
        }
        let catalog = access.catalog();
        let Some(row) = catalog.namespace_by_oid(schema)? else { return Ok(()) };
        let held = catalog.privileges(owner, AclObject::Schema, row.nspowner, row.nspacl.as_ref())?;
        if held.contains(Privileges::CREATE) {
            return Ok(());
        }
        let message = format!("permission denied for schema {}", row.nspname);
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }

    /// ALTER TYPE and ALTER DOMAIN ... SET SCHEMA.
    pub(crate) fn move_type(
        &mut self,
        object: ObjectType,
        name: &ObjectName,
        schema: &Ident,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let oid = self.own_type(&access, object, name)?;
        let schema = access.schema_named(schema.as_str())?;
        access.check_may_create_in(schema)?;
        let found = access.catalog().type_must(oid)?;
        if found.row.typnamespace == schema {
            return Ok(());
        }
        let ddl = Ddl::new(access.store(), &access.path);
        let texts = DependentTexts::naming(&access, &[ObjectAddress::type_(oid)])?;
        ddl.move_type(oid, schema)?;
        texts.write(&access, None)
    }

    /// ALTER TYPE ... RENAME ATTRIBUTE.
    fn rename_attribute(&mut self, name: &ObjectName, old: &Ident, new: &Ident) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let oid = self.own_type(&access, ObjectType::Type, name)?;
        let found = access.catalog().type_must(oid)?;
        let relation = access.relation(found.row.typrelid)?;
        let Some(at) = relation.desc.position(old.as_str()) else {
            let message = format!("column \"{}\" does not exist", old.name);
            return Err(PgError::new(code::UNDEFINED_COLUMN, message));
        };
        if relation.desc.position(new.as_str()).is_some() {
            let message = format!("column \"{}\" of relation \"{}\" already exists", new.name, relation.name);
            return Err(PgError::new(code::DUPLICATE_COLUMN, message));
        }
        let ddl = Ddl::new(access.store(), &access.path);
        let texts = DependentTexts::naming_relation(&access, &relation)?;
        ddl.rename_column(relation.oid, at as i16 + 1, new.as_str())?;
        texts.write(&access, Some(&relation))
    }
}

/// The same error without a position: PostgreSQL tells none for the parts of types.
pub(super) fn unplaced(error: PgError) -> PgError {
    let fields = error.fields();
    let mut plain = PgError::new(fields.code, fields.message.clone());
    if let Some(detail) = &fields.detail {
        plain = plain.detail(detail.clone());
    }
    if let Some(hint) = &fields.hint {
        plain = plain.hint(hint.clone());
    }
    plain
}
