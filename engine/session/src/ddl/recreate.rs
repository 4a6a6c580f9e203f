//! Constraints and indexes that must be made again because a column under them changes its type, or that another
//! table is to have too: kept as the statements that make them (PostgreSQL's `ATPostAlterTypeCleanup`).

use super::stored_text::definition_of_constraint;
use super::stored_text::definition_of_index;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Behavior, Ddl, ObjectAddress, class};
use redoubt_catalog::names::quote_identifier;
use redoubt_catalog::rows::{PgConstraint, PgDescription};
use redoubt_catalog::{Index, index_oids};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid};
use redoubt_sql::tree::{
    AlterTableCommand, CreateIndex, DefElem, DefValue, Ident, ObjectName, StatementKind, TableConstraint,
    TableConstraintKind, UtilityStatement,
};
use redoubt_txn::LockMode;
use std::sync::Arc;

/// What is to be made again.
#[derive(Default)]
pub(super) struct Recreated {
    constraints: Vec<(PgConstraint, TableConstraint, Option<Arc<str>>)>,
    indexes: Vec<(CreateIndex, Option<Arc<str>>)>,
    addresses: Vec<ObjectAddress>,
}

impl Recreated {
    /// Takes a constraint.
    pub(super) fn add_constraint(&mut self, access: &Access<'_>, oid: Oid) -> PgResult<()> {
        let address = ObjectAddress::new(class::CONSTRAINT, oid);
        if self.addresses.contains(&address) {
            return Ok(());
        }
        let row = access.catalog().constraint_by_oid(oid)?;
        let row =
            row.ok_or_else(|| PgError::internal(format!("cache lookup failed for constraint {oid}")))?;
        let constraint = parsed_constraint(access, &row)?;
        self.constraints.push(((*row).clone(), constraint, comment_on(access, address)?));
        self.addresses.push(address);
        Ok(())
    }

    /// Takes an index that is no constraint's.
    pub(super) fn add_index(&mut self, access: &Access<'_>, index: &Index) -> PgResult<()> {
        let address = ObjectAddress::relation(index.oid);
        if self.addresses.contains(&address) {
            return Ok(());
        }
        self.indexes.push((parsed_index(access, index)?, comment_on(access, address)?));
        self.addresses.push(address);
        Ok(())
    }

    /// Drops them all.
    pub(super) fn drop_all(&self, session: &Session) -> PgResult<()> {
        let access = Access::current(session)?;
        for (row, ..) in &self.constraints {
            session.lock_relation(&access, row.conrelid, LockMode::AccessExclusive)?;
        }
        Ddl::new(access.store(), &access.path).drop_objects(&self.addresses, Behavior::Restrict)?;
        Ok(())
    }

    /// Makes them all again: keys first, then what needs them.
    pub(super) fn make_all(mut self, session: &Session) -> PgResult<()> {
        self.constraints.sort_by_key(|(row, ..)| match row.contype {
            'p' | 'u' => 0,
            'f' => 2,
            _ => 1,
        });
        for (row, constraint, comment) in &self.constraints {
            session.add_constraint(row.conrelid, constraint)?;
            let access = Access::current(session)?;
            let ddl = Ddl::new(access.store(), &access.path);
            if let (Some(text), Some(made)) = (comment, ddl.find_constraint(row.conrelid, 0, &row.conname)?) {
                ddl.set_comment(ObjectAddress::new(class::CONSTRAINT, made.oid), Some(text))?;
            }
        }
        for (create, comment) in &self.indexes {
            let made = session.make_index(create)?;
            if let (Some(text), Some(oid)) = (comment, made) {
                let access = Access::current(session)?;
                let ddl = Ddl::new(access.store(), &access.path);
                ddl.set_comment(ObjectAddress::relation(oid), Some(text))?;
            }
        }
        Ok(())
    }
}

/// A constraint as ADD CONSTRAINT would say it, under its own name.
pub(super) fn parsed_constraint(access: &Access<'_>, row: &PgConstraint) -> PgResult<TableConstraint> {
    let text = definition_of_constraint(access, row)?;
    let name = quote_identifier(&row.conname);
    let statement = parsed(&format!("ALTER TABLE t ADD CONSTRAINT {name} {text}"))?;
    let UtilityStatement::AlterTable(alter) = statement else { return Err(unreadable(&text)) };
    let Some(AlterTableCommand::AddConstraint(mut constraint)) = alter.commands.into_iter().next() else {
        return Err(unreadable(&text));
    };
    if let TableConstraintKind::Unique { index, .. } | TableConstraintKind::PrimaryKey { index, .. } =
        &mut constraint.kind
        && let Some(found) = access.catalog().index_by_oid(row.conindid)?
    {
        index.options = found.options.iter().map(|option| option_of(option)).collect();
    }
    Ok(constraint)
}

/// An index as CREATE INDEX would say it, under its own name.
pub(super) fn parsed_index(access: &Access<'_>, index: &Index) -> PgResult<CreateIndex> {
    let text = definition_of_index(access, index)?;
    match parsed(&text)? {
        UtilityStatement::CreateIndex(create) => Ok(create),
        _ => Err(unreadable(&text)),
    }
}

fn parsed(text: &str) -> PgResult<UtilityStatement> {
    let statement = redoubt_sql::parse(text)?.pop().ok_or_else(|| unreadable(text))?;
    match statement.kind {
        StatementKind::Utility(utility) => Ok(*utility),
        _ => Err(unreadable(text)),
    }
}

fn unreadable(text: &str) -> PgError {
    PgError::internal(format!("a definition cannot be read back: {text}"))
}

/// `name=value` as an option of a statement.
fn option_of(text: &str) -> DefElem {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let name = Ident { name: name.into(), pos: 0 };
    DefElem { namespace: None, name, value: Some(DefValue::String(value.into())), pos: 0 }
}

/// A name that no text has, of a relation that is there.
pub(super) fn name_of(schema: &str, relation: &str) -> ObjectName {
    let part = |name: &str| Ident { name: name.into(), pos: 0 };
    ObjectName { parts: vec![part(schema), part(relation)] }
}

/// The comment on an object.
pub(super) fn comment_on(access: &Access<'_>, object: ObjectAddress) -> PgResult<Option<Arc<str>>> {
    let key = [Datum::Oid(object.object), Datum::Oid(object.class), Datum::Int4(object.sub)];
    let rows = access.catalog().probe::<PgDescription>(index_oids::DESCRIPTION_OBJECT, &key)?;
    Ok(rows.into_iter().next().map(|row| row.description))
}
