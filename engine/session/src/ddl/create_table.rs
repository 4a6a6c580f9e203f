//! CREATE TABLE.

use super::key_constraint::settle_keys;
use super::like::AfterLike;
use super::new_column::Constraints;
use super::storage_options::table_options;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewRelation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{CreateTable, OnCommit, TableElement};

impl Session {
    /// Makes a table with its constraints and indexes.
    pub(crate) fn create_table(&mut self, create: &CreateTable) -> PgResult<()> {
        refuse_unbuilt(create)?;
        super::check_tablespace(create.tablespace.as_ref())?;
        super::check_access_method(create.access_method.as_ref())?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let position = Some(create.name.pos());
        let place =
            self.place_for(&access, &create.name, create.persistence).map_err(|error| error.at(position))?;
        if create.if_not_exists && access.catalog().relation_oid(place.namespace, &place.name)?.is_some() {
            self.note(code::DUPLICATE_TABLE, format!("relation \"{}\" already exists, skipping", place.name));
            return Ok(());
        }
        let (mut constraints, mut after) = (Constraints::default(), AfterLike::default());
        let mut columns = Vec::with_capacity(create.elements.len());
        for element in &create.elements {
            match element {
                TableElement::Column(column) => {
                    let at = columns.len();
                    columns.push(self.new_column(&access, column, at, &place.name, &mut constraints)?);
                }
                TableElement::Constraint(constraint) => constraints.take(constraint)?,
                TableElement::Like(like) => {
                    self.take_like(like, &mut columns, &mut constraints, &mut after)?;
                }
            }
        }
        let mut relation = NewRelation::new('r', place.namespace, &*place.name, self.facts.user_oid);
        relation.columns = columns;
        relation.options = table_options(None, &create.options)?;
        relation.persistence = place.persistence;
        if create.on_commit != OnCommit::None && place.persistence != 't' {
            let message = "ON COMMIT can only be used on temporary tables";
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        let table = Ddl::new(access.store(), &access.path).create_relation(&relation)?;
        self.temporary.at_commit(table, create.on_commit);
        self.add_parts(table, &place.name, constraints)?;
        self.finish_like(table, after)
    }

    /// Gives a new, empty table what its definition says beyond its columns.
    fn add_parts(&self, table: Oid, name: &str, constraints: Constraints) -> PgResult<()> {
        self.add_serials(table, &constraints.serials)?;
        self.add_identities(table, &constraints.identities)?;
        self.add_defaults(table, &constraints.defaults)?;
        self.add_checks(table, &constraints.checks, false)?;
        for key in settle_keys(constraints.keys, name)? {
            self.add_key(table, &key, false)?;
        }
        for key in &constraints.foreign_keys {
            self.add_foreign_key(table, key, false)?;
        }
        Ok(())
    }
}

/// What CREATE TABLE does not do yet, by name.
fn refuse_unbuilt(create: &CreateTable) -> PgResult<()> {
    let unbuilt = [
        (!create.inherits.is_empty(), "table inheritance"),
        (create.partition_of.is_some() || create.partition_by.is_some(), "partitioned tables"),
        (create.of_type.is_some(), "typed tables"),
    ];
    match unbuilt.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(PgError::unsupported(what)),
        None => Ok(()),
    }
}
