//! Columns: `pg_attribute` rows and defaults.

use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::acl::Acl;
use crate::index_oids as index;
use crate::relation::missing_value;
use crate::rows::{PgAttrdef, PgAttribute, PgClass};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, types as t};
use std::sync::Arc;

/// The most columns a table may have (PostgreSQL's `MaxHeapAttributeNumber`).
const MAX_COLUMNS: usize = 1600;

/// Name, type, length in bytes, by value, alignment of the system columns -1, -2, ...
const SYSTEM_COLUMNS: [(&str, Oid, i16, bool, char); 6] = [
    ("ctid", t::TID, 6, false, 's'),
    ("xmin", t::XID, 4, true, 'i'),
    ("cmin", t::CID, 4, true, 'i'),
    ("xmax", t::XID, 4, true, 'i'),
    ("cmax", t::CID, 4, true, 'i'),
    ("tableoid", t::OID, 4, true, 'i'),
];

/// The type and attribute number of a system column.
pub fn system_column(name: &str) -> Option<(i16, Oid)> {
    let at = SYSTEM_COLUMNS.iter().position(|column| column.0 == name)?;
    Some((-(at as i16) - 1, SYSTEM_COLUMNS[at].1))
}

/// A column to be made.
#[derive(Clone, Debug)]
pub struct NewColumn {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub type_oid: Oid,
    /// Type modifier, -1 for none.
    pub typmod: i32,
    /// Collation; 0 if the type has none.
    pub collation: Oid,
    /// Declared number of dimensions of an array.
    pub dimensions: i32,
    /// NOT NULL.
    pub not_null: bool,
    /// `attidentity`: `a`, `d` or NUL.
    pub identity: char,
    /// `attgenerated`: `s` or NUL.
    pub generated: char,
    /// STORAGE, if not the type's own.
    pub storage: Option<char>,
    /// `attcompression`, or NUL.
    pub compression: char,
    /// Defined here, not only inherited.
    pub is_local: bool,
    /// How many parents have it.
    pub inherited_count: i32,
    /// `attstattarget`.
    pub statistics_target: i32,
    /// `attoptions`.
    pub options: Option<Vec<Arc<str>>>,
    /// The value that rows older than the column show; NULL if none.
    pub missing: Option<Datum>,
}

impl NewColumn {
    /// A plain, nullable column.
    pub fn new(name: impl Into<Arc<str>>, type_oid: Oid, typmod: i32, collation: Oid) -> Self {
        NewColumn {
            name: name.into(),
            type_oid,
            typmod,
            collation,
            dimensions: 0,
            not_null: false,
            identity: '\0',
            generated: '\0',
            storage: None,
            compression: '\0',
            is_local: true,
            inherited_count: 0,
            statistics_target: -1,
            options: None,
            missing: None,
        }
    }

    /// The same column, NOT NULL.
    pub fn not_null(mut self) -> Self {
        self.not_null = true;
        self
    }
}

impl Ddl<'_> {
    /// Whether these may be the columns of a relation.
    ///
    /// # Errors
    /// `54011` for too many, `42701` for names that collide, `42P16` for types that are none.
    pub(super) fn check_columns(&self, kind: char, columns: &[NewColumn]) -> PgResult<()> {
        if columns.len() > MAX_COLUMNS {
            return Err(too_many_columns());
        }
        for (at, column) in columns.iter().enumerate() {
            if !matches!(kind, 'v' | 'c') && system_column(&column.name).is_some() {
                return Err(system_column_conflict(&column.name));
            }
            if columns[..at].iter().any(|other| other.name == column.name) {
                return Err(PgError::new(
                    code::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
            self.check_column_type(column)?;
        }
        Ok(())
    }

    fn check_column_type(&self, column: &NewColumn) -> PgResult<()> {
        let info = self.view().type_info_must(column.type_oid)?;
        if info.typtype == 'p' {
            return Err(PgError::new(
                code::INVALID_TABLE_DEFINITION,
                format!(
                    "column \"{}\" has pseudo-type {}",
                    column.name,
                    self.view().format_type(column.type_oid, None, self.path)?
                ),
            ));
        }
        if info.collation != 0 && column.collation == 0 {
            return Err(PgError::new(
                code::INVALID_TABLE_DEFINITION,
                format!(
                    "no collation was derived for column \"{}\" with collatable type {}",
                    column.name,
                    self.view().format_type(column.type_oid, None, self.path)?
                ),
            )
            .hint("Use the COLLATE clause to set the collation explicitly."));
        }
        Ok(())
    }

    /// Adds the `pg_attribute` rows of a new relation, with those of its system columns.
    pub(super) fn insert_columns(&self, relation: Oid, kind: char, columns: &[NewColumn]) -> PgResult<()> {
        for (at, column) in columns.iter().enumerate() {
            self.insert_column(relation, at as i16 + 1, column)?;
        }
        if matches!(kind, 'v' | 'c' | 'i' | 'I') {
            return Ok(());
        }
        for (at, (name, type_oid, len, by_value, align)) in SYSTEM_COLUMNS.iter().enumerate().rev() {
            self.insert(&PgAttribute {
                attlen: *len,
                attbyval: *by_value,
                attalign: *align,
                attnotnull: true,
                attstattarget: 0,
                attnum: -(at as i16) - 1,
                ..self.attribute_row(relation, 0, &NewColumn::new(*name, *type_oid, -1, 0))?
            })?;
        }
        Ok(())
    }

    fn insert_column(&self, relation: Oid, attnum: i16, column: &NewColumn) -> PgResult<()> {
        self.insert(&self.attribute_row(relation, attnum, column)?)?;
        let address = ObjectAddress::column(relation, attnum);
        let on = |referenced| self.record_dependency(address, referenced, DependencyKind::Normal);
        on(ObjectAddress::type_(column.type_oid))?;
        on(ObjectAddress::new(class::COLLATION, column.collation))
    }

    /// The `pg_attribute` row of a column.
    pub(super) fn attribute_row(
        &self,
        relation: Oid,
        attnum: i16,
        column: &NewColumn,
    ) -> PgResult<PgAttribute> {
        let info = self.view().type_info_must(column.type_oid)?;
        Ok(PgAttribute {
            attrelid: relation,
            attname: column.name.clone(),
            atttypid: column.type_oid,
            attstattarget: column.statistics_target,
            attlen: info.len,
            attnum,
            attndims: column.dimensions,
            attcacheoff: -1,
            atttypmod: column.typmod,
            attbyval: info.byval,
            attalign: info.align,
            attstorage: column.storage.unwrap_or(info.storage),
            attcompression: column.compression,
            attnotnull: column.not_null,
            atthasdef: false,
            atthasmissing: column.missing.is_some(),
            attidentity: column.identity,
            attgenerated: column.generated,
            attisdropped: false,
            attislocal: column.is_local,
            attinhcount: column.inherited_count,
            attcollation: column.collation,
            attacl: None,
            attoptions: column.options.clone(),
            attfdwoptions: None,
            attmissingval: match &column.missing {
                Some(value) => missing_value(column.type_oid, value.clone()),
                None => Datum::Null,
            },
        })
    }

    /// Adds a column at the end of a relation and returns its number. Rows that are there already show
    /// `missing`.
    ///
    /// # Errors
    /// `42701` when there is a column of that name, `54011` for too many, `42P16` for types that are
    /// none.
    pub fn add_column(&self, relation: Oid, column: &NewColumn) -> PgResult<i16> {
        let (_, class) = self.find_oid::<PgClass>(index::CLASS_OID, relation)?;
        self.check_new_column_name(relation, &class, &column.name)?;
        self.check_column_type(column)?;
        let attnum = class.relnatts + 1;
        if attnum as usize > MAX_COLUMNS {
            return Err(too_many_columns());
        }
        self.insert_column(relation, attnum, column)?;
        self.change_relation(relation, |row| row.relnatts = attnum)?;
        Ok(attnum)
    }

    fn check_new_column_name(&self, relation: Oid, class: &PgClass, name: &str) -> PgResult<()> {
        if !matches!(class.relkind, 'v' | 'c') && system_column(name).is_some() {
            return Err(system_column_conflict(name));
        }
        let known = self.view().relation_by_oid(relation)?;
        if known.is_some_and(|known| known.desc.position(name).is_some()) {
            return Err(PgError::new(
                code::DUPLICATE_COLUMN,
                format!("column \"{name}\" of relation \"{}\" already exists", class.relname),
            ));
        }
        Ok(())
    }

    /// Changes a column's `pg_attribute` row.
    ///
    /// # Errors
    /// `XX000` when there is no such column; those of writing pages.
    pub fn change_column(
        &self,
        relation: Oid,
        attnum: i16,
        edit: impl FnOnce(&mut PgAttribute),
    ) -> PgResult<()> {
        let key = [Datum::Oid(relation), Datum::Int2(attnum)];
        let (id, old) = self.find::<PgAttribute>(index::ATTRIBUTE_ATTNUM, &key)?.pop().ok_or_else(|| {
            PgError::internal(format!("cache lookup failed for attribute {attnum} of relation {relation}"))
        })?;
        let mut new = old.clone();
        edit(&mut new);
        self.update(id, &old, &new)
    }

    /// Renames a column.
    ///
    /// # Errors
    /// `42701` when there is a column of the new name.
    pub fn rename_column(&self, relation: Oid, attnum: i16, name: &str) -> PgResult<()> {
        let (_, class) = self.find_oid::<PgClass>(index::CLASS_OID, relation)?;
        self.check_new_column_name(relation, &class, name)?;
        self.change_column(relation, attnum, |row| row.attname = name.into())
    }

    /// Gives a column another type; whoever calls it rewrites the rows, and makes again what depends on the
    /// column.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn change_column_type(&self, relation: Oid, attnum: i16, column: &NewColumn) -> PgResult<()> {
        self.check_column_type(column)?;
        let fresh = self.attribute_row(relation, attnum, column)?;
        self.change_column(relation, attnum, |row| {
            row.atttypid = fresh.atttypid;
            row.atttypmod = fresh.atttypmod;
            row.attcollation = fresh.attcollation;
            row.attndims = fresh.attndims;
            row.attlen = fresh.attlen;
            row.attbyval = fresh.attbyval;
            row.attalign = fresh.attalign;
            row.attstorage = fresh.attstorage;
            row.attcompression = '\0';
            row.atthasmissing = false;
            row.attmissingval = Datum::Null;
        })?;
        let address = ObjectAddress::column(relation, attnum);
        self.forget_dependencies(address, Some(DependencyKind::Normal), Some(class::TYPE))?;
        self.forget_dependencies(address, Some(DependencyKind::Normal), Some(class::COLLATION))?;
        self.record_dependency(address, ObjectAddress::type_(column.type_oid), DependencyKind::Normal)?;
        let collation = ObjectAddress::new(class::COLLATION, column.collation);
        self.record_dependency(address, collation, DependencyKind::Normal)
    }

    /// Sets a column's privileges (NULL: none of its own).
    ///
    /// # Errors
    /// `XX000` when there is no such column; those of writing pages.
    pub fn set_column_acl(&self, relation: Oid, attnum: i16, acl: Option<Acl>) -> PgResult<()> {
        let (_, class) = self.find_oid::<PgClass>(index::CLASS_OID, relation)?;
        let roles = acl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
        self.change_column(relation, attnum, |row| row.attacl = acl)?;
        self.record_acl_roles(ObjectAddress::column(relation, attnum), class.relowner, &roles)
    }

    /// Marks a column as dropped: the slot stays. [`Ddl::drop_objects`] calls it after what depends on
    /// the column has gone.
    pub(super) fn remove_column(&self, relation: Oid, attnum: i16) -> PgResult<()> {
        self.change_column(relation, attnum, |row| {
            row.attisdropped = true;
            row.atttypid = 0;
            row.attnotnull = false;
            row.attstattarget = 0;
            row.attgenerated = '\0';
            row.attidentity = '\0';
            row.attname = format!("........pg.dropped.{attnum}........").into();
            row.atthasmissing = false;
            row.attmissingval = Datum::Null;
            row.attacl = None;
            row.attoptions = None;
            row.attfdwoptions = None;
        })
    }

    /// Gives a column a default or a generation expression, which depends on `referenced`. A default that
    /// is there already must be dropped first. Returns the OID of the `pg_attrdef` row.
    ///
    /// # Errors
    /// `XX000` when there is no such column; those of writing pages.
    pub fn add_default(
        &self,
        relation: Oid,
        attnum: i16,
        expression: &str,
        referenced: &[ObjectAddress],
    ) -> PgResult<Oid> {
        let oid = self.allocate_oid()?;
        self.insert(&PgAttrdef { oid, adrelid: relation, adnum: attnum, adbin: expression.into() })?;
        let mut generated = false;
        self.change_column(relation, attnum, |row| {
            row.atthasdef = true;
            generated = row.attgenerated != '\0';
        })?;
        let default = ObjectAddress::new(class::ATTRDEF, oid);
        let kind = if generated { DependencyKind::Internal } else { DependencyKind::Auto };
        self.record_dependency(default, ObjectAddress::column(relation, attnum), kind)?;
        self.record_dependencies(default, referenced, DependencyKind::Normal)?;
        Ok(oid)
    }

    /// Removes a `pg_attrdef` row, and the column's mark that it has one.
    pub(super) fn remove_default_row(&self, oid: Oid) -> PgResult<()> {
        let (id, row) = self.find_oid::<PgAttrdef>(index::ATTRDEF_OID, oid)?;
        self.remove(id, &row)?;
        self.change_column(row.adrelid, row.adnum, |column| column.atthasdef = false)
    }
}

fn too_many_columns() -> PgError {
    PgError::new(code::TOO_MANY_COLUMNS, format!("tables can have at most {MAX_COLUMNS} columns"))
}

fn system_column_conflict(name: &str) -> PgError {
    PgError::new(
        code::DUPLICATE_COLUMN,
        format!("column name \"{name}\" conflicts with a system column name"),
    )
}
