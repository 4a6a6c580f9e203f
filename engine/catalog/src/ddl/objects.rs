//! Objects of the many kinds that need no more than a row and its dependencies: operators, casts, operator
//! classes, collations, policies, extensions, text search objects, servers, publications.

use super::describe::{Named, named_class, object_row};
use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::acl::Acl;
use crate::rows::{CatalogRow, Field};
use crate::system::{SystemCatalog, system_catalog};
use crate::view::CatalogView;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};

/// What a new object belongs to and needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectTies<'a> {
    /// Its schema, 0 if its kind has none.
    pub namespace: Oid,
    /// Its owner, 0 if its kind has none.
    pub owner: Oid,
    /// Objects that it needs: they cannot be dropped before it.
    pub needs: &'a [ObjectAddress],
    /// Objects that it goes with.
    pub goes_with: &'a [ObjectAddress],
    /// The object that it is a part of.
    pub part_of: Option<ObjectAddress>,
}

impl Ddl<'_> {
    /// Adds an object's row, whose OID is `oid`, and notes its ties.
    ///
    /// # Errors
    /// `23505` when a unique index forbids the row; those of writing pages.
    pub fn create_object<R: CatalogRow>(&self, row: &R, oid: Oid, ties: &ObjectTies<'_>) -> PgResult<()> {
        self.insert(row)?;
        let address = ObjectAddress::new(R::CATALOG.oid, oid);
        let schema = ObjectAddress::new(class::NAMESPACE, ties.namespace);
        self.record_dependency(address, schema, DependencyKind::Normal)?;
        self.record_dependencies(address, ties.needs, DependencyKind::Normal)?;
        self.record_dependencies(address, ties.goes_with, DependencyKind::Auto)?;
        if let Some(whole) = ties.part_of {
            self.record_dependency(address, whole, DependencyKind::Internal)?;
        }
        if ties.owner == 0 { Ok(()) } else { self.record_owner(address, ties.owner) }
    }

    /// Renames an object of a kind that has a name and perhaps a schema; relations, columns, constraints,
    /// types, schemas, roles and databases have methods of their own.
    ///
    /// # Errors
    /// `42710` (`42723` for functions) when there is one of the new name; `XX000` when there is no such object.
    pub fn rename_object(&self, object: ObjectAddress, name: &str) -> PgResult<()> {
        let (catalog, named) = self.named(object)?;
        let row = self.row_of(object)?;
        let schema = named.schema.map(|column| row[catalog.column(column)].as_oid()).transpose()?;
        self.check_object_name(catalog, named, &row, name, schema)?;
        self.set_object_column(object, named.name, Datum::text(name))
    }

    /// Moves an object of such a kind to another schema.
    ///
    /// # Errors
    /// As for [`Ddl::rename_object`].
    pub fn move_object(&self, object: ObjectAddress, namespace: Oid) -> PgResult<()> {
        let (catalog, named) = self.named(object)?;
        let row = self.row_of(object)?;
        let Some(column) = named.schema else {
            return Err(PgError::internal(format!("{} objects have no schema", named.word)));
        };
        let name = row[catalog.column(named.name)].as_str()?.to_string();
        self.check_object_name(catalog, named, &row, &name, Some(namespace))?;
        let old = row[catalog.column(column)].as_oid()?;
        self.set_object_column(object, column, Datum::Oid(namespace))?;
        let schema = |oid| ObjectAddress::new(class::NAMESPACE, oid);
        self.move_dependency(object, schema(old), schema(namespace))
    }

    /// Gives an object of such a kind to another role, with its privileges if it has any.
    ///
    /// # Errors
    /// `XX000` when there is no such object, or its kind has no owner.
    pub fn change_object_owner(&self, object: ObjectAddress, owner: Oid) -> PgResult<()> {
        let (catalog, _) = self.named(object)?;
        let row = self.row_of(object)?;
        let find = |suffix: &str| {
            catalog.columns.columns.iter().map(|(name, _)| *name).find(|name| name.ends_with(suffix))
        };
        let Some(column) = find("owner") else {
            return Err(PgError::internal(format!("objects of {} have no owner", catalog.name)));
        };
        let old = row[catalog.column(column)].as_oid()?;
        if let Some(acl_column) = find("acl")
            && let Some(acl) = Option::<Acl>::from_datum(&row[catalog.column(acl_column)])?
        {
            let acl = acl.with_owner(old, owner);
            let type_oid = catalog.columns.columns[catalog.column(acl_column)].1;
            self.set_object_column(object, acl_column, acl.to_datum(type_oid))?;
            self.record_acl_roles(object, owner, &super::relations::acl_roles(&acl))?;
        }
        self.set_object_column(object, column, Datum::Oid(owner))?;
        self.change_owner_note(object, owner)
    }

    /// Sets the privileges on an object of such a kind (NULL: the default).
    ///
    /// # Errors
    /// `XX000` when there is no such object, or its kind has none.
    pub fn set_object_acl(&self, object: ObjectAddress, acl: Option<Acl>) -> PgResult<()> {
        let (catalog, _) = self.named(object)?;
        let column = catalog.columns.columns.iter().find(|(name, _)| name.ends_with("acl"));
        let Some((column, type_oid)) = column else {
            return Err(PgError::internal(format!("objects of {} have no privileges", catalog.name)));
        };
        let owner = catalog.columns.columns.iter().position(|(name, _)| name.ends_with("owner"));
        let row = self.row_of(object)?;
        let owner = owner.map(|at| row[at].as_oid()).transpose()?.unwrap_or(0);
        let roles = acl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
        self.set_object_column(object, column, acl.to_datum(*type_oid))?;
        self.record_acl_roles(object, owner, &roles)
    }

    /// Changes one column of an object's row.
    ///
    /// # Errors
    /// `XX000` when there is no such object; those of writing pages.
    ///
    /// # Panics
    /// If its catalog has no column of that name.
    pub fn set_object_column(&self, object: ObjectAddress, column: &str, value: Datum) -> PgResult<()> {
        let (catalog, _) = self.named(object)?;
        let (id, old) = object_row(self.store, object)?.ok_or_else(|| lost(object))?;
        let mut new = old.clone();
        new[catalog.column(column)] = value;
        self.store.update(catalog, id, &old, &new)?;
        Ok(())
    }

    fn named(&self, object: ObjectAddress) -> PgResult<(&'static SystemCatalog, &'static Named)> {
        let catalog = system_catalog(object.class);
        catalog
            .zip(named_class(object.class))
            .ok_or_else(|| PgError::internal(format!("unrecognized object class: {}", object.class)))
    }

    fn row_of(&self, object: ObjectAddress) -> PgResult<Vec<Datum>> {
        Ok(object_row(self.store, object)?.ok_or_else(|| lost(object))?.1)
    }

    /// Whether another object of the kind has the name in the schema.
    fn check_object_name(
        &self,
        catalog: &'static SystemCatalog,
        named: &Named,
        row: &[Datum],
        name: &str,
        schema: Option<Oid>,
    ) -> PgResult<()> {
        if catalog.oid == class::PROC {
            return self.check_function_name(row, name, schema.unwrap_or(0));
        }
        let mut taken = false;
        self.store.scan(catalog, &mut |_, other| {
            let same_schema = match (named.schema, schema) {
                (Some(column), Some(schema)) => other[catalog.column(column)].as_oid()? == schema,
                _ => true,
            };
            // Operator classes of different access methods may share a name.
            let same_method = match named.class {
                class::OPCLASS | class::OPFAMILY => other[1].as_oid()? == row[1].as_oid()?,
                _ => true,
            };
            taken |= same_schema && same_method && other[catalog.column(named.name)].as_str()? == name;
            Ok(())
        })?;
        if !taken {
            return Ok(());
        }
        let place = match schema {
            Some(oid) => {
                let schema = self.view().namespace_by_oid(oid)?;
                schema.map_or_else(String::new, |row| format!(" in schema \"{}\"", row.nspname))
            }
            None => String::new(),
        };
        Err(PgError::new(code::DUPLICATE_OBJECT, format!("{} \"{name}\" already exists{place}", named.word)))
    }

    fn check_function_name(&self, row: &[Datum], name: &str, schema: Oid) -> PgResult<()> {
        let row = crate::rows::PgProc::from_datums(row)?;
        if self.find_function(schema, name, &row.proargtypes)?.is_none() {
            return Ok(());
        }
        let view = self.view();
        let types = view.type_list(&row.proargtypes, self.path)?.replace(',', ", ");
        let schema = view.namespace_by_oid(schema)?;
        let schema = schema.map_or_else(String::new, |row| row.nspname.to_string());
        Err(PgError::new(
            code::DUPLICATE_FUNCTION,
            format!("function {name}({types}) already exists in schema \"{schema}\""),
        ))
    }
}

impl CatalogView<'_> {
    /// The object of a class whose objects have names: in a schema, or without one the first along `path`. Says too
    /// what messages call such an object.
    ///
    /// # Errors
    /// Those of reading pages; `XX000` for a class whose objects have no names.
    pub fn object_named(
        &self,
        class: Oid,
        schema: Option<Oid>,
        path: &[Oid],
        name: &str,
    ) -> PgResult<(Option<Oid>, &'static str)> {
        let (Some(catalog), Some(named)) = (system_catalog(class), named_class(class)) else {
            return Err(PgError::internal(format!("objects of class {class} have no names")));
        };
        let mut found: Option<(usize, Oid)> = None;
        self.store().scan(catalog, &mut |_, row| {
            if row[catalog.column(named.name)].as_str()? != name {
                return Ok(());
            }
            let place = match named.schema {
                None => Some(0),
                Some(column) => {
                    let own = row[catalog.column(column)].as_oid()?;
                    match schema {
                        Some(wanted) => (own == wanted).then_some(0),
                        None => path.iter().position(|oid| *oid == own),
                    }
                }
            };
            if let Some(place) = place
                && found.is_none_or(|(before, _)| place < before)
            {
                found = Some((place, row[catalog.column("oid")].as_oid()?));
            }
            Ok(())
        })?;
        Ok((found.map(|(_, oid)| oid), named.word))
    }

    /// The owner of an object, if its kind has owners.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn object_owner(&self, object: ObjectAddress) -> PgResult<Option<Oid>> {
        let Some(catalog) = system_catalog(object.class) else { return Ok(None) };
        let column = catalog.columns.columns.iter().position(|(name, _)| name.ends_with("owner"));
        let Some(column) = column else { return Ok(None) };
        object_row(self.store(), object)?.map(|(_, row)| row[column].as_oid()).transpose()
    }
}

fn lost(object: ObjectAddress) -> PgError {
    PgError::internal(format!("cache lookup failed for object {} of class {}", object.object, object.class))
}
