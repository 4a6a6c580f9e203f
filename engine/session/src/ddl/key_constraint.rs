//! PRIMARY KEY and UNIQUE: a constraint and the index that enforces it.

use super::create_index::{check_column_count, new_index};
use super::index_columns::IndexColumns;
use super::storage_options::index_options;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewConstraint, NewIndex};
use redoubt_catalog::{BTREE, Index, Relation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{ConstraintAttributes, Ident, IndexConstraint};
use std::sync::Arc;

/// PRIMARY KEY or UNIQUE as a statement says it.
#[derive(Clone, Debug)]
pub(crate) struct KeySpec {
    /// CONSTRAINT name.
    pub name: Option<Arc<str>>,
    /// PRIMARY KEY.
    pub primary: bool,
    /// The key's columns.
    pub columns: Vec<Ident>,
    /// How the index is to be.
    pub index: IndexConstraint,
    /// DEFERRABLE and the like.
    pub attributes: ConstraintAttributes,
    /// Where it is in the statement.
    pub pos: usize,
}

impl KeySpec {
    fn word(&self) -> &'static str {
        if self.primary { "primary key" } else { "unique" }
    }

    /// Whether two ask for the same index, so that one will do.
    fn is_same_index(&self, other: &KeySpec) -> bool {
        let names = |columns: &[Ident]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        names(&self.columns) == names(&other.columns)
            && names(&self.index.include) == names(&other.index.include)
            && self.index.nulls_not_distinct == other.index.nulls_not_distinct
            && self.attributes.deferrable == other.attributes.deferrable
            && self.attributes.initially_deferred == other.attributes.initially_deferred
    }
}

/// Brings the primary key to the front, and drops what asks for an index that there is going to be anyway.
///
/// # Errors
/// `42P16` for two primary keys.
pub(crate) fn settle_keys(specs: Vec<KeySpec>, table: &str) -> PgResult<Vec<KeySpec>> {
    let mut settled: Vec<KeySpec> = Vec::with_capacity(specs.len());
    let (primary, others): (Vec<KeySpec>, Vec<KeySpec>) = specs.into_iter().partition(|spec| spec.primary);
    if let Some(second) = primary.get(1) {
        let message = format!("multiple primary keys for table \"{table}\" are not allowed");
        return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message).at(Some(second.pos)));
    }
    settled.extend(primary);
    for spec in others {
        match settled.iter_mut().find(|known| known.is_same_index(&spec)) {
            Some(known) if known.name.is_none() => known.name = spec.name,
            // Two that are both named are two constraints only if the names differ from each other.
            Some(known) if spec.name.is_none() || spec.name == known.name => {}
            _ => settled.push(spec),
        }
    }
    Ok(settled)
}

impl Session {
    /// Adds a key to a table that the transaction has locked. With `fill` its rows are indexed.
    pub(crate) fn add_key(&self, table: Oid, spec: &KeySpec, fill: bool) -> PgResult<()> {
        if spec.attributes.initially_deferred == Some(true) {
            return Err(PgError::unsupported("INITIALLY DEFERRED unique constraints"));
        }
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        super::create_index::check_indexable(&relation)?;
        super::check_tablespace(spec.index.tablespace.as_ref())?;
        if spec.primary && relation.primary_key.is_some() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", relation.name);
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        if spec.index.existing_index.is_some() {
            return self.adopt_index(&access, &relation, spec);
        }
        check_key_columns(&relation, spec, fill)?;
        let nullable = match spec.primary {
            true => self.require_values(&access, &relation, &spec.columns)?,
            false => Vec::new(),
        };
        // NOT NULL has changed the table's description.
        let relation = access.relation(table)?;
        let (name, new) = key_index(&access, &relation, spec)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.check_relation_name(relation.namespace, &name)?;
        let constraint = ddl.create_constraint(&NewConstraint {
            columns: new.columns[..new.key_columns].iter().map(|column| column.attnum).collect(),
            deferrable: spec.attributes.deferrable == Some(true),
            ..NewConstraint::new(if spec.primary { 'p' } else { 'u' }, relation.namespace, table, name)
        })?;
        let index = ddl.create_index(&new, Some(constraint))?;
        ddl.set_constraint_index(constraint, index)?;
        if fill {
            self.build_index(table, index)?;
            nullable.iter().try_for_each(|column| self.check_no_nulls(&relation, column))?;
        }
        Ok(())
    }

    /// Makes the columns of a primary key NOT NULL, and gives those that were not.
    fn require_values(
        &self,
        access: &Access<'_>,
        table: &Relation,
        columns: &[Ident],
    ) -> PgResult<Vec<Arc<str>>> {
        let ddl = Ddl::new(access.store(), &access.path);
        let mut changed = Vec::new();
        for column in columns {
            let at = table.desc.position(column.as_str()).expect("the columns were checked");
            if !table.desc.attrs[at].not_null {
                changed.push(column.name.clone());
                ddl.change_column(table.oid, at as i16 + 1, |row| row.attnotnull = true)?;
            }
        }
        Ok(changed)
    }

    /// USING INDEX: an index that is there already becomes the constraint's.
    fn adopt_index(&self, access: &Access<'_>, table: &Relation, spec: &KeySpec) -> PgResult<()> {
        let wanted = spec.index.existing_index.as_ref().expect("the caller has looked");
        let index = usable_index(access, table, wanted, spec)?;
        let ddl = Ddl::new(access.store(), &access.path);
        let columns: Vec<Ident> = index.columns[..index.key_columns]
            .iter()
            .map(|column| Ident { name: table.desc.attrs[column.attnum as usize - 1].name.clone(), pos: 0 })
            .collect();
        if spec.primary {
            let nullable = self.require_values(access, table, &columns)?;
            nullable.iter().try_for_each(|column| self.check_no_nulls(table, column))?;
        }
        let name = match &spec.name {
            Some(name) if *name != index.name => {
                let message = format!(
                    "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{}\" to \"{name}\"",
                    index.name
                );
                self.note(code::SUCCESSFUL_COMPLETION, message);
                ddl.rename_relation(index.oid, name)?;
                name.clone()
            }
            _ => index.name.clone(),
        };
        let deferrable = spec.attributes.deferrable == Some(true);
        let constraint = ddl.create_constraint(&NewConstraint {
            columns: index.columns[..index.key_columns].iter().map(|column| column.attnum).collect(),
            index: index.oid,
            deferrable,
            ..NewConstraint::new(if spec.primary { 'p' } else { 'u' }, table.namespace, table.oid, name)
        })?;
        ddl.give_index_to_constraint(index.oid, constraint)?;
        ddl.change_index(index.oid, |row| {
            row.indisprimary = spec.primary;
            row.indimmediate = !deferrable;
        })
    }
}

/// In ALTER TABLE (`altering`) nobody says where a missing column is named.
fn check_key_columns(table: &Relation, spec: &KeySpec, altering: bool) -> PgResult<()> {
    check_column_count(spec.columns.len() + spec.index.include.len())?;
    for (at, column) in spec.columns.iter().chain(&spec.index.include).enumerate() {
        let is_system = redoubt_catalog::ddl::system_column(column.as_str()).is_some();
        if table.desc.position(column.as_str()).is_none() && !is_system {
            let message = format!("column \"{}\" named in key does not exist", column.name);
            return Err(PgError::new(code::UNDEFINED_COLUMN, message).at((!altering).then_some(spec.pos)));
        }
        if at < spec.columns.len() && spec.columns[..at].contains(column) {
            let message = format!("column \"{}\" appears twice in {} constraint", column.name, spec.word());
            return Err(PgError::new(code::DUPLICATE_COLUMN, message).at(Some(spec.pos)));
        }
    }
    Ok(())
}

/// The constraint's name, and its index.
fn key_index(access: &Access<'_>, table: &Relation, spec: &KeySpec) -> PgResult<(String, NewIndex)> {
    let names = |columns: &[Ident]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let columns =
        IndexColumns::of_constraint(access, table, &names(&spec.columns), &names(&spec.index.include))?;
    let catalog = access.catalog();
    let name = match (&spec.name, spec.primary) {
        (Some(name), _) => name.to_string(),
        (None, true) => catalog.choose_relation_name(&table.name, None, "pkey", table.namespace, true)?,
        (None, false) => {
            let addition = columns.name_addition();
            catalog.choose_relation_name(&table.name, Some(&addition), "key", table.namespace, true)?
        }
    };
    let new = NewIndex {
        unique: true,
        primary: spec.primary,
        nulls_not_distinct: spec.index.nulls_not_distinct,
        immediate: spec.attributes.deferrable != Some(true),
        options: index_options(BTREE, None, &spec.index.options)?,
        ..new_index(name.clone(), table.oid, columns)
    };
    Ok((name, new))
}

/// The index that USING INDEX names, if a constraint can have it.
fn usable_index(
    access: &Access<'_>,
    table: &Relation,
    wanted: &Ident,
    spec: &KeySpec,
) -> PgResult<Arc<Index>> {
    let catalog = access.catalog();
    let name = wanted.as_str();
    let index = match catalog.relation_oid(table.namespace, name)? {
        Some(oid) => catalog.index_by_oid(oid)?,
        None => None,
    };
    let Some(index) = index else {
        let message = format!("index \"{name}\" does not exist");
        return Err(PgError::new(code::UNDEFINED_OBJECT, message).at(Some(spec.pos)));
    };
    let refuse = |code, message: String| Err(PgError::new(code, message).at(Some(spec.pos)));
    let wrong = code::WRONG_OBJECT_TYPE;
    let ddl = Ddl::new(access.store(), &access.path);
    if ddl.constraint_of_index(index.oid)?.is_some() {
        let message = format!("index \"{name}\" is already associated with a constraint");
        return refuse(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
    }
    if index.table != table.oid {
        let message = format!("index \"{name}\" does not belong to table \"{}\"", table.name);
        return refuse(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
    }
    if !index.row.indisvalid {
        return refuse(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("index \"{name}\" is not valid"));
    }
    let detail = "Cannot create a primary key or unique constraint using such an index.";
    let because = |message: String| Err(PgError::new(wrong, message).detail(detail).at(Some(spec.pos)));
    if !index.row.indisunique {
        return because(format!("\"{name}\" is not a unique index"));
    }
    if index.columns.iter().any(|column| column.expression.is_some()) {
        return because(format!("index \"{name}\" contains expressions"));
    }
    if index.predicate.is_some() {
        return because(format!("\"{name}\" is a partial index"));
    }
    if index.method != BTREE {
        return refuse(wrong, format!("index \"{name}\" is not a btree"));
    }
    for (at, column) in index.columns[..index.key_columns].iter().enumerate() {
        let default = catalog.default_opclass(BTREE, column.type_oid)?;
        let own = table.desc.attrs[column.attnum as usize - 1].collation;
        let plain = default.is_some_and(|class| class.oid == column.opclass)
            && column.collation == own
            && !column.descending
            && !column.nulls_first;
        if !plain {
            return because(format!(
                "index \"{name}\" column number {} does not have default sorting behavior",
                at + 1
            ));
        }
    }
    Ok(index)
}
