//! ALTER TABLE, and what ALTER INDEX, VIEW, SEQUENCE and MATERIALIZED VIEW share with it.

use super::alter_actions::{check_kind, described, lock_of, pass_of};
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{AlterTable, AlterTableCommand, ObjectType};
use redoubt_txn::LockMode;

impl Session {
    /// Carries out the actions of ALTER TABLE on a relation.
    pub(crate) fn alter_table(&mut self, alter: &AlterTable) -> PgResult<()> {
        if matches!(alter.object, ObjectType::Type | ObjectType::ForeignTable) {
            return Err(PgError::unsupported(format!("ALTER {}", alter.object.tag_words())));
        }
        self.ensure_transaction()?;
        let mode = alter.commands.iter().map(lock_of).max().unwrap_or(LockMode::AccessExclusive);
        let found = self.relation_to_alter(&alter.relation.name, alter.object, mode, alter.if_exists)?;
        let Some(relation) = found else { return Ok(()) };
        if alter.object == ObjectType::Index && !matches!(relation.kind, 'i' | 'I') {
            let message = format!("\"{}\" is not an index", relation.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        self.check_not_in_use(&relation, "ALTER TABLE")?;
        alter.commands.iter().try_for_each(|command| check_kind(command, &relation))?;
        let mut commands: Vec<&AlterTableCommand> = alter.commands.iter().collect();
        commands.sort_by_key(|command| pass_of(command));
        for command in commands {
            self.alter_one(&relation, command)?;
        }
        Ok(())
    }

    fn alter_one(&self, relation: &Relation, command: &AlterTableCommand) -> PgResult<()> {
        use AlterTableCommand as C;
        let oid = relation.oid;
        match command {
            C::AddConstraint(constraint) => self.add_constraint(oid, constraint),
            C::AddColumn { if_not_exists, column } => self.add_table_column(oid, column, *if_not_exists),
            C::DropColumn { if_exists, name, behavior } => self.drop_column(oid, name, *if_exists, *behavior),
            C::DropConstraint { name, if_exists, behavior } => {
                self.drop_constraint(oid, name, *if_exists, *behavior)
            }
            C::ValidateConstraint { name } => self.validate_constraint(oid, name),
            C::SetDefault { name, expr } => self.set_column_default(oid, name, Some(expr)),
            C::DropDefault { name } => self.set_column_default(oid, name, None),
            C::SetNotNull { name } => self.set_column_not_null(oid, name, true),
            C::DropNotNull { name } => self.set_column_not_null(oid, name, false),
            C::DropExpression { name, if_exists } => self.drop_expression(oid, name, *if_exists),
            C::SetStatistics { name, number, target } => {
                self.set_statistics_target(oid, name.as_ref(), *number, *target)
            }
            C::AddIdentity { name, always, options } => self.add_identity(oid, name, *always, options),
            C::SetIdentity { name, always, options } => self.set_identity(oid, name, *always, options),
            C::DropIdentity { name, if_exists } => self.drop_identity(oid, name, *if_exists),
            C::AlterType { name, type_name, collation, using } => {
                self.alter_column_type(oid, name, type_name, collation.as_ref(), using.as_ref())
            }
            C::OwnerTo(role) => self.change_owner(oid, role),
            C::SetOptions(options) => self.set_relation_options(oid, options, false),
            C::ResetOptions(options) => self.set_relation_options(oid, options, true),
            // There are no OIDs in rows to be without.
            C::SetWithoutOids => Ok(()),
            C::SetTablespace(name) => super::check_tablespace(Some(name)),
            C::SetAccessMethod(name) if name.as_str() == "heap" => Ok(()),
            C::SetLogged => self.set_persistence(oid, 'p'),
            C::SetUnlogged => self.set_persistence(oid, 'u'),
            other => Err(PgError::unsupported(format!("ALTER TABLE ... {}", described(other).0))),
        }
    }

    /// A relation as it is now.
    pub(super) fn current(&self, relation: redoubt_functions::Oid) -> PgResult<std::sync::Arc<Relation>> {
        Access::current(self)?.relation(relation)
    }
}
