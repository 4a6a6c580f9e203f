//! ALTER TABLE.

use crate::access::Access;
use crate::session::Session;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{AlterTable, AlterTableCommand, ObjectType, TableConstraintKind};
use redoubt_txn::LockMode;

impl Session {
    /// Carries out the actions of ALTER TABLE on a table.
    pub(crate) fn alter_table(&mut self, alter: &AlterTable) -> PgResult<()> {
        if alter.object != ObjectType::Table {
            return Err(PgError::unsupported(format!("ALTER {}", alter.object.tag_words())));
        }
        self.ensure_transaction()?;
        let mode = alter.commands.iter().map(lock_for).max().unwrap_or(LockMode::AccessExclusive);
        let Some(table) = self.lock_by_name(&alter.relation.name, mode, alter.if_exists)? else {
            let message =
                format!("relation \"{}\" does not exist, skipping", alter.relation.name.last().name);
            self.note(code::SUCCESSFUL_COMPLETION, message);
            return Ok(());
        };
        let access = Access::current(self)?;
        self.check_owner(&access, &table)?;
        for command in &alter.commands {
            match command {
                AlterTableCommand::AddConstraint(constraint) => {
                    self.add_constraint(table.oid, constraint)?;
                }
                AlterTableCommand::AddColumn { if_not_exists, column } => {
                    self.add_table_column(table.oid, column, *if_not_exists)?;
                }
                AlterTableCommand::DropColumn { if_exists, name, behavior } => {
                    self.drop_column(table.oid, name, *if_exists, *behavior)?;
                }
                AlterTableCommand::DropConstraint { name, if_exists, behavior } => {
                    self.drop_constraint(table.oid, name, *if_exists, *behavior)?;
                }
                AlterTableCommand::SetDefault { name, expr } => {
                    self.set_column_default(table.oid, name, Some(expr))?;
                }
                AlterTableCommand::DropDefault { name } => {
                    self.set_column_default(table.oid, name, None)?;
                }
                AlterTableCommand::SetNotNull { name } => {
                    self.set_column_not_null(table.oid, name, true)?;
                }
                AlterTableCommand::DropNotNull { name } => {
                    self.set_column_not_null(table.oid, name, false)?;
                }
                _ => return Err(PgError::unsupported("this form of ALTER TABLE")),
            }
        }
        Ok(())
    }
}

/// The lock that an action needs (PostgreSQL's `AlterTableGetLockLevel`).
fn lock_for(command: &AlterTableCommand) -> LockMode {
    match command {
        AlterTableCommand::AddConstraint(constraint)
            if matches!(constraint.kind, TableConstraintKind::ForeignKey { .. }) =>
        {
            LockMode::ShareRowExclusive
        }
        _ => LockMode::AccessExclusive,
    }
}
