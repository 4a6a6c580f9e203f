//! Indexes: the relation, its columns and its `pg_index` row.

use super::relations::class_row;
use super::{Ddl, DependencyKind, NewColumn, NewRelation, ObjectAddress, class};
use crate::index_methods::IndexMethod;
use crate::index_oids as index;
use crate::relation::Relation;
use crate::relation::join_expressions;
use crate::rows::PgIndex;
use crate::view::{BTREE, HASH};
use redoubt_access::IndexKind;
use redoubt_buffer::RelNode;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types as t};
use std::sync::Arc;

/// An index to be made. It starts empty: entries for rows that are there already are the caller's to add.
#[derive(Clone, Debug)]
pub struct NewIndex {
    /// Its name.
    pub name: Arc<str>,
    /// The table.
    pub table: Oid,
    /// The access method.
    pub method: Oid,
    /// Tablespace, 0 for the database's.
    pub tablespace: Oid,
    /// Key columns first, then included ones.
    pub columns: Vec<NewIndexColumn>,
    /// How many are key columns.
    pub key_columns: usize,
    /// UNIQUE.
    pub unique: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// The primary key's.
    pub primary: bool,
    /// An exclusion constraint's.
    pub exclusion: bool,
    /// Checked at once, not at commit.
    pub immediate: bool,
    /// Good for queries; not yet, while it is built concurrently.
    pub valid: bool,
    /// Maintained by writers; not yet, while it is built concurrently.
    pub ready: bool,
    /// A partial index's condition, as canonical SQL text.
    pub predicate: Option<Arc<str>>,
    /// `reloptions`.
    pub options: Option<Vec<Arc<str>>>,
    /// Columns that expressions and the condition refer to.
    pub expression_columns: Vec<i16>,
    /// Other objects that they refer to.
    pub referenced: Vec<ObjectAddress>,
}

/// A column of an index to be made.
#[derive(Clone, Debug)]
pub struct NewIndexColumn {
    /// Its name in the index.
    pub name: Arc<str>,
    /// The table's attribute number, 0 for an expression.
    pub attnum: i16,
    /// The expression, as canonical SQL text, its type and type modifier.
    pub expression: Option<(Arc<str>, Oid, i32)>,
    /// Operator class; 0 for an included column.
    pub opclass: Oid,
    /// Collation; 0 if the type has none.
    pub collation: Oid,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}

impl Ddl<'_> {
    /// Makes an index and returns its OID. With a `constraint` it is that constraint's part, and depends
    /// on nothing else.
    ///
    /// # Errors
    /// `42P07` when the table's schema has a relation of that name; `0A000` for access methods other than
    /// btree, hash and gist; those of writing pages.
    pub fn create_index(&self, new: &NewIndex, constraint: Option<Oid>) -> PgResult<Oid> {
        let table = self.view().relation_by_oid(new.table)?.ok_or_else(|| {
            PgError::new(code::UNDEFINED_TABLE, format!("relation with OID {} does not exist", new.table))
        })?;
        self.check_relation_name(table.namespace, &new.name)?;
        let partitioned = table.kind == 'p';
        let oid = self.allocate_oid()?;
        let columns = self.index_columns(new, &table)?;
        let relation = NewRelation {
            persistence: table.persistence,
            method: new.method,
            tablespace: new.tablespace,
            columns,
            options: new.options.clone(),
            ..NewRelation::new(
                if partitioned { 'I' } else { 'i' },
                table.namespace,
                new.name.clone(),
                table.owner,
            )
        };
        if !partitioned {
            let kind = self.index_kind(new.method)?;
            self.store.create_storage(RelNode(oid), oid, Some(kind))?;
        }
        self.insert(&class_row(&relation, oid, 0))?;
        for (at, column) in relation.columns.iter().enumerate() {
            self.insert(&self.attribute_row(oid, at as i16 + 1, column)?)?;
        }
        self.insert(&index_row(new, oid))?;
        if !table.class.relhasindex {
            // Only a hint, and indexes may be made side by side.
            self.note_in_relation(table.oid, |row| row.relhasindex = true)?;
        }
        match constraint {
            Some(constraint) => self.record_dependency(
                ObjectAddress::relation(oid),
                ObjectAddress::new(class::CONSTRAINT, constraint),
                DependencyKind::Internal,
            )?,
            None => self.record_column_dependencies(new, oid)?,
        }
        self.record_index_dependencies(new, oid)?;
        Ok(oid)
    }

    /// How an access method's entries lie on pages.
    pub(super) fn index_kind(&self, method: Oid) -> PgResult<IndexKind> {
        if let Some(kind) = IndexMethod::by_oid(method).and_then(IndexMethod::kind) {
            return Ok(kind);
        }
        let row = self.view().access_method_by_oid(method)?;
        let name = row.map_or_else(|| method.to_string(), |row| row.amname.to_string());
        Err(PgError::unsupported(format!("index access method \"{name}\"")))
    }

    /// The columns that an index stores: a class may store something else than the column's type, and a hash index
    /// has hash codes.
    fn index_columns(&self, new: &NewIndex, table: &Relation) -> PgResult<Vec<NewColumn>> {
        let view = self.view();
        let mut columns = Vec::with_capacity(new.columns.len());
        for (at, column) in new.columns.iter().enumerate() {
            let is_key = at < new.key_columns;
            let mut made = match &column.expression {
                Some((_, type_oid, typmod)) => NewColumn::new(column.name.clone(), *type_oid, *typmod, 0),
                None => {
                    let row = table.attributes.get(column.attnum as usize - 1).ok_or_else(|| {
                        PgError::internal(format!("table has no attribute {}", column.attnum))
                    })?;
                    let mut made = NewColumn::new(column.name.clone(), row.atttypid, row.atttypmod, 0);
                    made.dimensions = row.attndims;
                    made.storage = Some(row.attstorage);
                    made.compression = row.attcompression;
                    made
                }
            };
            made.collation = if is_key { column.collation } else { 0 };
            if is_key && let Some(class) = view.opclass_by_oid(column.opclass)? {
                let key_type = match class.opckeytype {
                    _ if new.method == HASH => t::INT4,
                    t::ANYELEMENT if class.opcintype == t::ANYARRAY => {
                        view.array_element(made.type_oid)?.unwrap_or(made.type_oid)
                    }
                    0 => made.type_oid,
                    other => other,
                };
                if key_type != made.type_oid {
                    made = NewColumn { typmod: -1, storage: None, type_oid: key_type, ..made };
                }
            }
            columns.push(made);
        }
        Ok(columns)
    }

    fn record_column_dependencies(&self, new: &NewIndex, oid: Oid) -> PgResult<()> {
        let address = ObjectAddress::relation(oid);
        let own = new.columns.iter().map(|column| column.attnum).filter(|attnum| *attnum != 0);
        let columns: Vec<ObjectAddress> = own
            .chain(new.expression_columns.iter().copied())
            .map(|attnum| ObjectAddress::column(new.table, attnum))
            .collect();
        if columns.is_empty() {
            return self.record_dependency(address, ObjectAddress::relation(new.table), DependencyKind::Auto);
        }
        self.record_dependencies(address, &columns, DependencyKind::Auto)
    }

    fn record_index_dependencies(&self, new: &NewIndex, oid: Oid) -> PgResult<()> {
        let mut referenced = new.referenced.clone();
        referenced.push(ObjectAddress::new(class::ACCESS_METHOD, new.method));
        for column in &new.columns {
            referenced.push(ObjectAddress::new(class::COLLATION, column.collation));
            referenced.push(ObjectAddress::new(class::OPCLASS, column.opclass));
        }
        self.record_dependencies(ObjectAddress::relation(oid), &referenced, DependencyKind::Normal)
    }

    /// Changes an index's `pg_index` row.
    ///
    /// # Errors
    /// `XX000` when there is no such index; those of writing pages.
    pub fn change_index(&self, oid: Oid, edit: impl FnOnce(&mut PgIndex)) -> PgResult<()> {
        self.change(index::INDEX_INDEXRELID, oid, edit)
    }

    /// Makes an index that is there already a part of a constraint, which takes over what it depends on.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn give_index_to_constraint(&self, index: Oid, constraint: Oid) -> PgResult<()> {
        let address = ObjectAddress::relation(index);
        self.forget_dependencies(address, Some(DependencyKind::Auto), Some(class::RELATION))?;
        let owner = ObjectAddress::new(class::CONSTRAINT, constraint);
        self.record_dependency(address, owner, DependencyKind::Internal)
    }

    /// The constraint that an index enforces, if it is one's part.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn constraint_of_index(&self, oid: Oid) -> PgResult<Option<Oid>> {
        let rows = self.dependencies_of(ObjectAddress::relation(oid))?;
        let found = rows.iter().find(|row| row.refclassid == class::CONSTRAINT && row.deptype == 'i');
        Ok(found.map(|row| row.refobjid))
    }
}

fn index_row(new: &NewIndex, oid: Oid) -> PgIndex {
    let key = || new.columns[..new.key_columns].iter();
    let expressions: Vec<&Arc<str>> =
        new.columns.iter().filter_map(|column| Some(&column.expression.as_ref()?.0)).collect();
    PgIndex {
        indexrelid: oid,
        indrelid: new.table,
        indnatts: new.columns.len() as i16,
        indnkeyatts: new.key_columns as i16,
        indisunique: new.unique,
        indnullsnotdistinct: new.nulls_not_distinct,
        indisprimary: new.primary,
        indisexclusion: new.exclusion,
        indimmediate: new.immediate,
        indisclustered: false,
        indisvalid: new.valid,
        indcheckxmin: false,
        indisready: new.ready,
        indislive: true,
        indisreplident: false,
        indkey: new.columns.iter().map(|column| column.attnum).collect(),
        indcollation: key().map(|column| column.collation).collect(),
        indclass: key().map(|column| column.opclass).collect(),
        indoption: key()
            .map(|column| i16::from(column.descending) | i16::from(column.nulls_first) << 1)
            .collect(),
        indexprs: (!expressions.is_empty()).then(|| join_expressions(&expressions).into()),
        indpred: new.predicate.clone(),
    }
}

impl NewIndex {
    /// A plain index over columns of a table, a btree unless the caller says otherwise.
    pub fn btree(name: impl Into<Arc<str>>, table: Oid, columns: Vec<NewIndexColumn>) -> Self {
        NewIndex {
            name: name.into(),
            table,
            method: BTREE,
            tablespace: 0,
            key_columns: columns.len(),
            columns,
            unique: false,
            nulls_not_distinct: false,
            primary: false,
            exclusion: false,
            immediate: true,
            valid: true,
            ready: true,
            predicate: None,
            options: None,
            expression_columns: Vec::new(),
            referenced: Vec::new(),
        }
    }
}
