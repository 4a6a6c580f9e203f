//! What ALTER TABLE says of a relation as a whole or of how a column is treated: storage parameters, statistics
//! targets, persistence; VALIDATE CONSTRAINT and DROP EXPRESSION.

use super::alter_column::column_number;
use super::move_object::owned_sequences;
use super::storage_options::{index_options, table_options, without};
use super::view::view_options;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Behavior, Ddl, DependencyKind, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{DefElem, Ident};

/// The largest statistics target (PostgreSQL's `MAX_STATISTICS_TARGET`).
const MAX_STATISTICS_TARGET: i32 = 10_000;

impl Session {
    /// VALIDATE CONSTRAINT: the rows that are there are checked now.
    pub(super) fn validate_constraint(&self, table: Oid, name: &Ident) -> PgResult<()> {
        let relation = self.current(table)?;
        let found = relation.constraints.iter().find(|row| *row.conname == *name.name);
        let Some(constraint) = found else {
            let message =
                format!("constraint \"{}\" of relation \"{}\" does not exist", name.name, relation.name);
            return Err(PgError::new(code::UNDEFINED_OBJECT, message));
        };
        if !matches!(constraint.contype, 'c' | 'f') {
            let message = format!(
                "constraint \"{}\" of relation \"{}\" is not a foreign key or check constraint",
                name.name, relation.name
            );
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        if constraint.convalidated {
            return Ok(());
        }
        match (&constraint.conbin, constraint.contype) {
            (Some(condition), 'c') => {
                self.check_rows_satisfy(&relation, name.as_str(), condition)?;
            }
            _ => self.check_references(constraint.oid)?,
        }
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_constraint(constraint.oid, |row| row.convalidated = true)
    }

    /// DROP EXPRESSION: a generated column keeps its values and becomes an ordinary one.
    pub(super) fn drop_expression(&self, table: Oid, name: &Ident, if_exists: bool) -> PgResult<()> {
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        if relation.attributes[attnum as usize - 1].attgenerated == '\0' {
            let message = format!(
                "column \"{}\" of relation \"{}\" is not a stored generated column",
                name.name, relation.name
            );
            if !if_exists {
                return Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
            }
            self.note(code::SUCCESSFUL_COMPLETION, format!("{message}, skipping"));
            return Ok(());
        }
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        if let Some(expression) = relation.default_of(attnum) {
            let expression = ObjectAddress::new(class::ATTRDEF, expression.oid);
            // The expression is a part of its column until now, and could not be dropped alone.
            ddl.forget_dependencies(expression, Some(DependencyKind::Internal), None)?;
            ddl.drop_objects(&[expression], Behavior::Restrict)?;
        }
        ddl.change_column(table, attnum, |row| row.attgenerated = '\0')
    }

    /// SET STATISTICS, by name or for an index's column by number.
    pub(super) fn set_statistics_target(
        &self,
        table: Oid,
        name: Option<&Ident>,
        number: Option<i32>,
        target: i32,
    ) -> PgResult<()> {
        let relation = self.current(table)?;
        let is_index = matches!(relation.kind, 'i' | 'I');
        if !is_index && name.is_none() {
            let message = "cannot refer to non-index column by number";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        let invalid = |message: String| PgError::new(code::INVALID_PARAMETER_VALUE, message);
        if target < -1 {
            return Err(invalid(format!("statistics target {target} is too low")));
        }
        if target > MAX_STATISTICS_TARGET {
            let message = format!("lowering statistics target to {MAX_STATISTICS_TARGET}");
            let warning = PgError::report(Severity::Warning, code::INVALID_PARAMETER_VALUE, message);
            self.notices.borrow_mut().push(warning);
        }
        let attnum = match (name, number) {
            (Some(name), _) => column_number(&relation, name)?,
            (None, number) => number.unwrap_or(0) as i16,
        };
        if attnum as usize > relation.attributes.len() {
            let message = format!("column number {attnum} of relation \"{}\" does not exist", relation.name);
            return Err(PgError::new(code::UNDEFINED_COLUMN, message));
        }
        let access = Access::current(self)?;
        if is_index {
            let index = access.catalog().index_by_oid(table)?;
            let column = index.as_ref().map(|index| &index.columns[attnum as usize - 1]);
            let is_key = index.as_ref().is_some_and(|index| attnum as usize <= index.key_columns);
            let shown = &relation.attributes[attnum as usize - 1].attname;
            let refuse = |what: &str, index: &str| {
                let message =
                    format!("cannot alter statistics on {what}column \"{shown}\" of index \"{index}\"");
                PgError::new(code::FEATURE_NOT_SUPPORTED, message)
            };
            if !is_key {
                return Err(refuse("included ", &relation.name));
            }
            if column.is_some_and(|column| column.attnum != 0) {
                return Err(refuse("non-expression ", &relation.name)
                    .hint("Alter statistics on table column instead."));
            }
        }
        let target = target.min(MAX_STATISTICS_TARGET);
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_column(table, attnum, |row| row.attstattarget = target)
    }

    /// SET (...) and RESET (...).
    pub(super) fn set_relation_options(
        &self,
        relation: Oid,
        options: &[DefElem],
        reset: bool,
    ) -> PgResult<()> {
        let relation = self.current(relation)?;
        let access = Access::current(self)?;
        let before = relation.class.reloptions.as_deref();
        let after = match (reset, relation.kind) {
            (true, _) => {
                if options.iter().any(|option| option.value.is_some()) {
                    let message = "RESET must not include values for parameters";
                    return Err(PgError::new(code::SYNTAX_ERROR, message));
                }
                without(before, options)
            }
            (false, 'i' | 'I') => index_options(relation.class.relam, before, options)?,
            (false, 'v') => {
                let checked = checks_rows(options);
                if checked {
                    self.check_updatable(&access, &relation)?;
                }
                let mut all = without(before, options).unwrap_or_default();
                all.extend(view_options(options, None)?);
                Some(all)
            }
            (false, _) => table_options(before, options)?,
        };
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_relation(relation.oid, |row| row.reloptions = after)
    }

    /// A view that checks the rows that are changed through it must be one that can be changed through.
    fn check_updatable(&self, access: &Access<'_>, view: &Relation) -> PgResult<()> {
        let query = super::stored_text::read_query(access, view)?;
        match redoubt_analyze::not_updatable(&query) {
            None => Ok(()),
            Some(reason) => {
                let message = "WITH CHECK OPTION is supported only on automatically updatable views";
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).hint(reason))
            }
        }
    }

    /// SET LOGGED and SET UNLOGGED. All that a table holds is in the log either way, which is the database; what
    /// changes is what the catalogs say and which tables may refer to each other.
    pub(super) fn set_persistence(&self, table: Oid, persistence: char) -> PgResult<()> {
        let relation = self.current(table)?;
        let word = if persistence == 'p' { "logged" } else { "unlogged" };
        if relation.persistence == 't' {
            let message =
                format!("cannot change logged status of table \"{}\" because it is temporary", relation.name);
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        if relation.persistence == persistence {
            return Ok(());
        }
        let access = Access::current(self)?;
        let catalog = access.catalog();
        let own = relation.foreign_keys().map(|row| (row.confrelid, "references"));
        let mut others: Vec<(Oid, &str)> = own.collect();
        for trigger in relation.triggers.iter().filter(|trigger| trigger.tgconstraint != 0) {
            if let Some(row) = catalog.constraint_by_oid(trigger.tgconstraint)?
                && row.contype == 'f'
                && row.conrelid != table
            {
                others.push((row.conrelid, "is referenced by"));
            }
        }
        for (oid, how) in others {
            let other = access.relation(oid)?;
            // A permanent table refers to permanent ones only.
            let clash = match (persistence, how) {
                ('p', "references") => other.persistence != 'p',
                ('u', "references") => false,
                ('u', _) => other.persistence == 'p',
                _ => false,
            };
            if clash && oid != table {
                let status = if other.persistence == 'p' { "logged" } else { "unlogged" };
                let message = format!(
                    "could not change table \"{}\" to {word} because it references {status} table \"{}\"",
                    relation.name, other.name
                );
                return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message)
                    .table(self.schema_of(&relation)?, &*relation.name));
            }
        }
        let ddl = Ddl::new(access.store(), &access.path);
        let sequences = owned_sequences(&access, &ddl, &relation)?;
        for oid in std::iter::once(&relation.oid).chain(&relation.indexes).chain(&sequences) {
            ddl.change_relation(*oid, |row| row.relpersistence = persistence)?;
        }
        Ok(())
    }
}

/// Whether options ask for a check option.
fn checks_rows(options: &[DefElem]) -> bool {
    options.iter().any(|option| option.name.as_str() == "check_option")
}
