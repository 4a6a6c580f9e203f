//! Types: row types, array types, enums, domains and ranges.

use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::acl::Acl;
use crate::index_oids as index;
use crate::rows::{PgClass, PgEnum, PgRange, PgType};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// OIDs of the I/O functions that whole kinds of type share.
mod io {
    pub(super) const ARRAY: [u32; 4] = [750, 751, 2400, 2401];
    pub(super) const RECORD: [u32; 4] = [2290, 2291, 2402, 2403];
    pub(super) const ENUM: [u32; 4] = [3506, 3507, 3532, 3533];
    pub(super) const RANGE: [u32; 4] = [3834, 3835, 3836, 3837];
    pub(super) const MULTIRANGE: [u32; 4] = [4231, 4232, 4233, 4234];
    pub(super) const DOMAIN_IN: u32 = 2597;
    pub(super) const DOMAIN_RECV: u32 = 2598;
    pub(super) const ARRAY_TYPANALYZE: u32 = 3816;
    pub(super) const RANGE_TYPANALYZE: u32 = 3916;
    pub(super) const MULTIRANGE_TYPANALYZE: u32 = 4242;
    pub(super) const ARRAY_SUBSCRIPT: u32 = 6179;
}

/// A domain to be made; its constraints follow.
#[derive(Clone, Debug)]
pub struct NewDomain {
    /// Its name.
    pub name: Arc<str>,
    /// Its schema.
    pub namespace: Oid,
    /// Its owner.
    pub owner: Oid,
    /// The type under it.
    pub base: Oid,
    /// That type's modifier, or -1.
    pub typmod: i32,
    /// Declared number of dimensions of an array.
    pub dimensions: i32,
    /// Collation; 0 if the type has none.
    pub collation: Oid,
    /// NOT NULL.
    pub not_null: bool,
    /// DEFAULT, as canonical SQL text.
    pub default: Option<Arc<str>>,
}

/// Where a new label of an enum goes.
#[derive(Clone, Copy, Debug)]
pub enum NewEnumLabel<'a> {
    /// At the end.
    Last,
    /// Before an existing one.
    Before(&'a str),
    /// After an existing one.
    After(&'a str),
}

/// The row of a composite type, without its relation and array type.
pub(super) fn composite_row(oid: Oid, name: &str, namespace: Oid, owner: Oid) -> PgType {
    PgType { typcategory: 'C', typtype: 'c', ..plain_row(oid, name, namespace, owner, io::RECORD) }
}

/// A row of a variable-length type aligned to eight bytes, to be completed.
fn plain_row(oid: Oid, name: &str, namespace: Oid, owner: Oid, io: [Oid; 4]) -> PgType {
    PgType {
        oid,
        typname: name.into(),
        typnamespace: namespace,
        typowner: owner,
        typlen: -1,
        typbyval: false,
        typtype: 'b',
        typcategory: 'U',
        typispreferred: false,
        typisdefined: true,
        typdelim: ',',
        typrelid: 0,
        typsubscript: 0,
        typelem: 0,
        typarray: 0,
        typinput: io[0],
        typoutput: io[1],
        typreceive: io[2],
        typsend: io[3],
        typmodin: 0,
        typmodout: 0,
        typanalyze: 0,
        typalign: 'd',
        typstorage: 'x',
        typnotnull: false,
        typbasetype: 0,
        typtypmod: -1,
        typndims: 0,
        typcollation: 0,
        typdefaultbin: None,
        typdefault: None,
        typacl: None,
    }
}

impl Ddl<'_> {
    /// Whether a type of this name can be made. An array type that merely stands in the way is renamed.
    fn check_type_name(&self, namespace: Oid, name: &str) -> PgResult<()> {
        let Some(found) = self.view().type_by_name(namespace, name)? else { return Ok(()) };
        if self.move_array_type_away(&found.row)? {
            return Ok(());
        }
        Err(PgError::new(code::DUPLICATE_OBJECT, format!("type \"{name}\" already exists")))
    }

    /// Adds a type's row and notes its schema and owner.
    fn insert_type(&self, row: &PgType) -> PgResult<()> {
        self.insert(row)?;
        let address = ObjectAddress::type_(row.oid);
        let schema = ObjectAddress::new(class::NAMESPACE, row.typnamespace);
        self.record_dependency(address, schema, DependencyKind::Normal)?;
        self.record_owner(address, row.typowner)
    }

    /// Makes the array type over a new type.
    pub(super) fn create_array_type(&self, oid: Oid, element: &PgType) -> PgResult<()> {
        let name = self.array_type_name(element.typnamespace, &element.typname)?;
        let align = if element.typalign == 'd' { 'd' } else { 'i' };
        self.insert(&PgType {
            typcategory: 'A',
            typelem: element.oid,
            typdelim: element.typdelim,
            typalign: align,
            typsubscript: io::ARRAY_SUBSCRIPT,
            typanalyze: io::ARRAY_TYPANALYZE,
            typcollation: element.typcollation,
            typmodin: element.typmodin,
            typmodout: element.typmodout,
            ..plain_row(oid, &name, element.typnamespace, element.typowner, io::ARRAY)
        })?;
        self.record_dependency(
            ObjectAddress::type_(oid),
            ObjectAddress::type_(element.oid),
            DependencyKind::Internal,
        )
    }

    /// The element's name after as many underscores as it takes to be free.
    fn array_type_name(&self, namespace: Oid, element: &str) -> PgResult<String> {
        for underscores in 1..super::MAX_NAME_BYTES {
            let long = format!("{}{element}", "_".repeat(underscores));
            let name = super::truncate_name(&long);
            if self.view().type_by_name(namespace, name)?.is_none() {
                return Ok(name.to_string());
            }
        }
        Err(PgError::new(
            code::DUPLICATE_OBJECT,
            format!("could not form array type name for type \"{element}\""),
        ))
    }

    /// Renames a type that was only made to be some other's array type. False for all others.
    pub(super) fn move_array_type_away(&self, row: &PgType) -> PgResult<bool> {
        let view = self.view();
        let is_made = row.typelem != 0
            && view.type_by_oid(row.typelem)?.is_some_and(|element| element.typarray == row.oid);
        if !is_made {
            return Ok(false);
        }
        let name = self.array_type_name(row.typnamespace, &row.typname)?;
        self.change::<PgType>(index::TYPE_OID, row.oid, |row| row.typname = name.into())?;
        Ok(true)
    }

    /// Makes an enum type and returns its OID.
    ///
    /// # Errors
    /// `42710` when there is a type of that name, `42602` for labels that are too long, `23505` for
    /// one that comes twice.
    pub fn create_enum<S: AsRef<str>>(
        &self,
        namespace: Oid,
        name: &str,
        owner: Oid,
        labels: &[S],
    ) -> PgResult<Oid> {
        self.check_type_name(namespace, name)?;
        let (array, oid) = (self.allocate_oid()?, self.allocate_oid()?);
        let row = PgType {
            typlen: 4,
            typbyval: true,
            typtype: 'e',
            typcategory: 'E',
            typarray: array,
            typalign: 'i',
            typstorage: 'p',
            ..plain_row(oid, name, namespace, owner, io::ENUM)
        };
        self.insert_type(&row)?;
        self.create_array_type(array, &row)?;
        for (at, label) in labels.iter().enumerate() {
            self.insert_label(oid, label.as_ref(), at as f32 + 1.0)?;
        }
        Ok(oid)
    }

    fn insert_label(&self, type_oid: Oid, label: &str, position: f32) -> PgResult<()> {
        if label.len() > super::MAX_NAME_BYTES {
            return Err(PgError::new(code::INVALID_NAME, format!("invalid enum label \"{label}\""))
                .detail(format!("Labels must be {} bytes or less.", super::MAX_NAME_BYTES)));
        }
        let oid = self.allocate_oid()?;
        self.insert(&PgEnum { oid, enumtypid: type_oid, enumsortorder: position, enumlabel: label.into() })?;
        Ok(())
    }

    /// Adds a label to an enum type.
    ///
    /// # Errors
    /// `42710` when it is there already, `22023` when the neighbour is not.
    pub fn add_enum_label(&self, type_oid: Oid, label: &str, place: NewEnumLabel<'_>) -> PgResult<()> {
        let members = self.view().enum_members(type_oid)?;
        if members.iter().any(|member| &*member.enumlabel == label) {
            return Err(PgError::new(
                code::DUPLICATE_OBJECT,
                format!("enum label \"{label}\" already exists"),
            ));
        }
        let find = |neighbour: &str| {
            let at = members.iter().position(|member| &*member.enumlabel == neighbour);
            at.ok_or_else(|| {
                PgError::new(
                    code::INVALID_PARAMETER_VALUE,
                    format!("\"{neighbour}\" is not an existing enum label"),
                )
            })
        };
        // The new label goes before the member at this index.
        let at = match place {
            NewEnumLabel::Last => members.len(),
            NewEnumLabel::Before(neighbour) => find(neighbour)?,
            NewEnumLabel::After(neighbour) => find(neighbour)? + 1,
        };
        let order = |at: usize| members[at].enumsortorder;
        let position = match (at.checked_sub(1), members.get(at)) {
            (None, None) => 1.0,
            (None, Some(first)) => first.enumsortorder - 1.0,
            (Some(last), None) => order(last) + 1.0,
            (Some(before), Some(after)) => {
                let middle = (order(before) + after.enumsortorder) / 2.0;
                if middle == order(before) || middle == after.enumsortorder {
                    // Values are stored with their places: those of old rows cannot move.
                    return Err(PgError::unsupported("a label between two that have no number between them"));
                }
                middle
            }
        };
        self.insert_label(type_oid, label, position)
    }

    /// Renames a label of an enum type.
    ///
    /// # Errors
    /// `22023` when it is not there, `42710` when the new one is.
    pub fn rename_enum_label(&self, type_oid: Oid, from: &str, to: &str) -> PgResult<()> {
        let rows = self.find::<PgEnum>(index::ENUM_TYPE, &[Datum::Oid(type_oid)])?;
        let Some((id, row)) = rows.iter().find(|(_, row)| &*row.enumlabel == from) else {
            return Err(PgError::new(
                code::INVALID_PARAMETER_VALUE,
                format!("\"{from}\" is not an existing enum label"),
            ));
        };
        if rows.iter().any(|(_, row)| &*row.enumlabel == to) {
            return Err(PgError::new(code::DUPLICATE_OBJECT, format!("enum label \"{to}\" already exists")));
        }
        self.update(*id, row, &PgEnum { enumlabel: to.into(), ..row.clone() })
    }

    /// Makes a domain and returns its OID.
    ///
    /// # Errors
    /// `42710` when there is a type of that name.
    pub fn create_domain(&self, new: &NewDomain, referenced: &[ObjectAddress]) -> PgResult<Oid> {
        self.check_type_name(new.namespace, &new.name)?;
        let base = self.view().type_must(new.base)?;
        let (array, oid) = (self.allocate_oid()?, self.allocate_oid()?);
        let io = [io::DOMAIN_IN, base.typoutput, io::DOMAIN_RECV, base.typsend];
        let row = PgType {
            typlen: base.typlen,
            typbyval: base.typbyval,
            typtype: 'd',
            typcategory: base.typcategory,
            typdelim: base.typdelim,
            typarray: array,
            typanalyze: base.typanalyze,
            typalign: base.typalign,
            typstorage: base.typstorage,
            typnotnull: new.not_null,
            typbasetype: new.base,
            typtypmod: new.typmod,
            typndims: new.dimensions,
            typcollation: new.collation,
            typdefaultbin: new.default.clone(),
            typdefault: new.default.clone(),
            ..plain_row(oid, &new.name, new.namespace, new.owner, io)
        };
        self.insert_type(&row)?;
        let address = ObjectAddress::type_(oid);
        self.record_dependency(address, ObjectAddress::type_(new.base), DependencyKind::Normal)?;
        if new.collation != base.typcollation {
            let collation = ObjectAddress::new(class::COLLATION, new.collation);
            self.record_dependency(address, collation, DependencyKind::Normal)?;
        }
        self.record_dependencies(address, referenced, DependencyKind::Normal)?;
        self.create_array_type(array, &row)?;
        Ok(oid)
    }

    /// Sets or removes the default of a domain, canonical SQL text that refers to these objects.
    ///
    /// # Errors
    /// `XX000` when there is no such type; those of writing pages.
    pub fn set_domain_default(
        &self,
        oid: Oid,
        default: Option<Arc<str>>,
        referenced: &[ObjectAddress],
    ) -> PgResult<()> {
        let address = ObjectAddress::type_(oid);
        // What a domain needs beside its base type, its collation and its schema, its default needs.
        for class in [class::PROC, class::OPERATOR, class::RELATION] {
            self.forget_dependencies(address, Some(DependencyKind::Normal), Some(class))?;
        }
        self.change_type(oid, |row| {
            row.typdefaultbin = default.clone();
            row.typdefault = default;
        })?;
        self.record_dependencies(address, referenced, DependencyKind::Normal)
    }

    /// Makes a range type, its multirange and both array types, and returns its OID. Constructor functions
    /// are the caller's to add.
    ///
    /// # Errors
    /// `42710` when there is a type of one of the names.
    pub fn create_range(
        &self,
        namespace: Oid,
        name: &str,
        multirange_name: &str,
        owner: Oid,
        range: &PgRange,
    ) -> PgResult<Oid> {
        self.check_type_name(namespace, name)?;
        let subtype = self.view().type_must(range.rngsubtype)?;
        let align = if subtype.typalign == 'd' { 'd' } else { 'i' };
        let kind = |oid, name: &str, typtype, io, analyze| PgType {
            typtype,
            typcategory: 'R',
            typalign: align,
            typanalyze: analyze,
            ..plain_row(oid, name, namespace, owner, io)
        };
        let (array, multirange) = (self.allocate_oid()?, self.allocate_oid()?);
        let (multirange_array, oid) = (self.allocate_oid()?, self.allocate_oid()?);
        let mut row = kind(oid, name, 'r', io::RANGE, io::RANGE_TYPANALYZE);
        row.typarray = array;
        self.insert_type(&row)?;
        self.check_type_name(namespace, multirange_name)?;
        let mut multi = kind(multirange, multirange_name, 'm', io::MULTIRANGE, io::MULTIRANGE_TYPANALYZE);
        multi.typarray = multirange_array;
        self.insert_type(&multi)?;
        let address = ObjectAddress::type_(oid);
        self.record_dependency(ObjectAddress::type_(multirange), address, DependencyKind::Internal)?;
        self.insert(&PgRange { rngtypid: oid, rngmultitypid: multirange, ..range.clone() })?;
        let referenced = [
            ObjectAddress::type_(range.rngsubtype),
            ObjectAddress::new(class::OPCLASS, range.rngsubopc),
            ObjectAddress::new(class::COLLATION, range.rngcollation),
            ObjectAddress::new(class::PROC, range.rngcanonical),
            ObjectAddress::new(class::PROC, range.rngsubdiff),
        ];
        self.record_dependencies(address, &referenced, DependencyKind::Normal)?;
        self.create_array_type(array, &row)?;
        self.create_array_type(multirange_array, &multi)?;
        Ok(oid)
    }

    /// Changes a type's row.
    ///
    /// # Errors
    /// `XX000` when there is no such type; those of writing pages.
    pub fn change_type(&self, oid: Oid, edit: impl FnOnce(&mut PgType)) -> PgResult<()> {
        self.change(index::TYPE_OID, oid, edit)
    }

    /// Renames a type, with its array type, and the relation of a composite one.
    ///
    /// # Errors
    /// `42710` when there is a type of the new name.
    pub fn rename_type(&self, oid: Oid, name: &str) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgType>(index::TYPE_OID, oid)?;
        // A type may take the name that its own array type has, which has moved away then.
        let mut array_moved = false;
        if *old.typname != *name {
            let taken = self.view().type_by_name(old.typnamespace, name)?.map(|found| found.row.oid);
            array_moved = old.typarray != 0 && taken == Some(old.typarray);
            self.check_type_name(old.typnamespace, name)?;
        }
        self.change_type(oid, |row| row.typname = name.into())?;
        if old.typarray != 0 && !array_moved {
            let array = self.array_type_name(old.typnamespace, name)?;
            self.change_type(old.typarray, |row| row.typname = array.into())?;
        }
        if old.typrelid != 0 {
            let relation = self.view().relation_by_oid(old.typrelid)?;
            if relation.is_some_and(|relation| *relation.name != *name) {
                self.change::<PgClass>(index::CLASS_OID, old.typrelid, |row| row.relname = name.into())?;
            }
        }
        Ok(())
    }

    /// Moves a type, its array type, and a composite type's relation to another schema.
    ///
    /// # Errors
    /// `42710` when that schema has a type of the name.
    pub fn move_type(&self, oid: Oid, namespace: Oid) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgType>(index::TYPE_OID, oid)?;
        self.move_type_rows(oid, namespace)?;
        if old.typrelid != 0 {
            self.change_relation(old.typrelid, |row| row.relnamespace = namespace)?;
        }
        let schema = |oid| ObjectAddress::new(class::NAMESPACE, oid);
        self.move_dependency(ObjectAddress::type_(oid), schema(old.typnamespace), schema(namespace))
    }

    /// The rows of a type and its array type.
    pub(super) fn move_type_rows(&self, oid: Oid, namespace: Oid) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgType>(index::TYPE_OID, oid)?;
        if self.view().type_by_name(namespace, &old.typname)?.is_some() {
            let schema = self.view().namespace_by_oid(namespace)?;
            let schema = schema.map_or_else(String::new, |schema| schema.nspname.to_string());
            return Err(PgError::new(
                code::DUPLICATE_OBJECT,
                format!("type \"{}\" already exists in schema \"{schema}\"", old.typname),
            ));
        }
        self.change_type(oid, |row| row.typnamespace = namespace)?;
        if old.typarray != 0 {
            self.move_type_rows(old.typarray, namespace)?;
        }
        Ok(())
    }

    /// Gives a type, its array type, and a composite type's relation to another role.
    ///
    /// # Errors
    /// `XX000` when there is no such type; those of writing pages.
    pub fn change_type_owner(&self, oid: Oid, owner: Oid) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgType>(index::TYPE_OID, oid)?;
        self.change_type_owner_rows(oid, owner)?;
        if old.typrelid != 0 {
            self.change_relation(old.typrelid, |row| row.relowner = owner)?;
        }
        self.change_owner_note(ObjectAddress::type_(oid), owner)
    }

    pub(super) fn change_type_owner_rows(&self, oid: Oid, owner: Oid) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgType>(index::TYPE_OID, oid)?;
        let acl = old.typacl.as_ref().map(|acl| acl.with_owner(old.typowner, owner));
        self.change_type(oid, |row| {
            row.typowner = owner;
            row.typacl = acl;
        })?;
        if old.typarray != 0 {
            self.change_type(old.typarray, |row| row.typowner = owner)?;
        }
        Ok(())
    }

    /// Sets a type's privileges (NULL: the default).
    ///
    /// # Errors
    /// `XX000` when there is no such type; those of writing pages.
    pub fn set_type_acl(&self, oid: Oid, acl: Option<Acl>) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgType>(index::TYPE_OID, oid)?;
        let roles = acl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
        self.change_type(oid, |row| row.typacl = acl)?;
        self.record_acl_roles(ObjectAddress::type_(oid), old.typowner, &roles)
    }
}
