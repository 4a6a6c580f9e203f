//! Statements that are carried out, not planned.

use crate::access::Access;
use crate::block::{Action, Control};
use crate::client::Client;
use crate::plan_cache::StatementCache;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{
    DiscardTarget, ObjectType, SetAction, SetStatement, SetValue, TransactionModes, TransactionStatement,
    UtilityStatement,
};

impl Session {
    /// Runs a utility statement of a message's text and gives its command tag.
    pub(crate) fn run_utility(
        &mut self,
        utility: &UtilityStatement,
        text: &str,
        client: &mut dyn Client,
    ) -> PgResult<String> {
        if let UtilityStatement::Transaction(statement) = utility {
            return self.transaction_statement(statement, client);
        }
        self.block.check_not_failed()?;
        match utility {
            UtilityStatement::Copy(copy) => {
                let tag = self.copy(copy, client)?;
                self.txn().advance_command()?;
                return Ok(tag);
            }
            UtilityStatement::CreateTableAs(create) => {
                let tag = self.create_table_as(create)?;
                self.txn().advance_command()?;
                return Ok(tag);
            }
            UtilityStatement::Set(set) => self.set(set)?,
            UtilityStatement::Show { name } => self.show(name.as_deref(), client)?,
            UtilityStatement::Explain(explain) => self.explain(explain, client)?,
            UtilityStatement::CreateTable(create) => self.create_table(create)?,
            UtilityStatement::CreateIndex(create) => self.create_index(create)?,
            UtilityStatement::Truncate { relations, restart_identity, behavior } => {
                self.truncate(relations, *restart_identity, *behavior)?;
            }
            UtilityStatement::AlterTable(alter) => self.alter_table(alter)?,
            UtilityStatement::CreateSchema(create) => self.create_schema(create, client)?,
            UtilityStatement::ReassignOwned { roles, new_role } => self.reassign_owned(roles, new_role)?,
            UtilityStatement::DropOwned { roles, behavior } => self.drop_owned(roles, *behavior)?,
            UtilityStatement::CreateRole { kind, name, options } => self.create_role(*kind, name, options)?,
            UtilityStatement::AlterRole { role, options } => self.alter_role(role, options)?,
            UtilityStatement::DropRole { roles, if_exists } => self.drop_roles(roles, *if_exists)?,
            UtilityStatement::GrantRole(grant) => self.grant_role(grant)?,
            UtilityStatement::AlterGroup { group, add, members } => self.alter_group(group, *add, members)?,
            UtilityStatement::Grant(grant) => self.grant(grant)?,
            UtilityStatement::AlterDefaultPrivileges(alter) => self.alter_default_privileges(alter)?,
            UtilityStatement::CreateView(create) => self.create_view(create)?,
            UtilityStatement::RefreshMaterializedView { concurrently, name, with_data } => {
                self.refresh_materialized_view(name, *concurrently, *with_data)?;
            }
            UtilityStatement::Reindex { kind, options, name } => {
                self.reindex(*kind, options, name.as_ref())?;
            }
            UtilityStatement::Comment { object, target, text } => {
                self.comment_on(*object, target, text.as_deref())?;
            }
            UtilityStatement::CreateSequence(create) => self.create_sequence(create)?,
            UtilityStatement::AlterSequence(alter) => self.alter_sequence(alter)?,
            UtilityStatement::Drop(drop) => self.drop_objects(drop)?,
            UtilityStatement::Checkpoint => self.checkpoint()?,
            UtilityStatement::Vacuum(vacuum) => self.vacuum(vacuum, client)?,
            UtilityStatement::Rename(rename) if rename.object == ObjectType::Database => {
                self.rename_database(rename.target.name.last(), &rename.new_name)?;
            }
            UtilityStatement::CreateFunction(create) => self.create_function(create)?,
            UtilityStatement::Call(call) => self.call_procedure(call)?,
            UtilityStatement::AlterFunction(alter) => self.alter_function(alter)?,
            UtilityStatement::Rename(rename) if is_function(rename.object) => {
                self.rename_function(rename.object, &rename.target, &rename.new_name)?;
            }
            UtilityStatement::AlterOwner { object, target, new_owner } if is_function(*object) => {
                self.alter_function_owner(*object, target, new_owner)?;
            }
            UtilityStatement::AlterObjectSchema { object, target, new_schema, .. }
                if is_function(*object) =>
            {
                self.move_function(*object, target, new_schema)?;
            }
            UtilityStatement::CreateType(create) => self.create_type(create)?,
            UtilityStatement::AlterEnum(alter) => self.alter_enum(alter)?,
            UtilityStatement::CreateDomain(create) => self.create_domain(create)?,
            UtilityStatement::AlterDomain { name, command } => self.alter_domain(name, command)?,
            UtilityStatement::Rename(rename) if is_type(rename.relation_kind) => {
                self.rename_in_type(rename)?
            }
            UtilityStatement::AlterOwner { object, target, new_owner } if is_type(*object) => {
                self.alter_type_owner(*object, &target.name, new_owner)?;
            }
            UtilityStatement::AlterObjectSchema { object, target, new_schema, .. } if is_type(*object) => {
                self.move_type(*object, &target.name, new_schema)?;
            }
            UtilityStatement::CreateDatabase { name, options } => self.create_database(name, options)?,
            UtilityStatement::AlterDatabase { name, options } => self.alter_database(name, options)?,
            UtilityStatement::AlterDatabaseSet { name, setting } => self.alter_database_set(name, setting)?,
            UtilityStatement::AlterRoleSet { role, database, setting } => {
                self.alter_role_set(role.as_ref(), database.as_ref(), setting)?;
            }
            UtilityStatement::DropDatabase { name, if_exists, force } => {
                self.drop_database(name, *if_exists, *force)?;
            }
            UtilityStatement::AlterOwner { object: ObjectType::Database, target, new_owner } => {
                self.alter_database_owner(target.name.last(), new_owner)?;
            }
            UtilityStatement::Rename(rename) => self.rename(rename)?,
            UtilityStatement::AlterObjectSchema { object, target, if_exists, new_schema } => {
                self.set_schema(*object, target, *if_exists, new_schema.as_str())?;
            }
            UtilityStatement::AlterOwner { object, target, new_owner } => {
                self.alter_owner(*object, target, new_owner)?;
            }
            UtilityStatement::Discard(DiscardTarget::Sequences) => self.sequences.borrow_mut().discard(),
            UtilityStatement::Discard(DiscardTarget::Plans) => self.statements = StatementCache::default(),
            UtilityStatement::Discard(DiscardTarget::Temp) => {
                self.ensure_transaction()?;
                self.discard_temporary()?;
            }
            UtilityStatement::Discard(DiscardTarget::All) => self.discard_all()?,
            UtilityStatement::Prepare { name, types, statement } => {
                self.prepare_named(name, types, statement, text)?;
            }
            UtilityStatement::Execute(execute) => {
                let tag = self.execute_named(execute, client)?;
                self.txn().advance_command()?;
                return Ok(tag);
            }
            UtilityStatement::Deallocate { name } => {
                self.deallocate(name.as_ref())?;
                return Ok(if name.is_none() { "DEALLOCATE ALL" } else { "DEALLOCATE" }.to_string());
            }
            UtilityStatement::DeclareCursor(declare) => self.declare_cursor(declare, text)?,
            UtilityStatement::Fetch(fetch) => return self.fetch_cursor(fetch, client),
            UtilityStatement::ClosePortal { name } => {
                self.close_cursor(name.as_ref())?;
                return Ok(if name.is_none() { "CLOSE CURSOR ALL" } else { "CLOSE CURSOR" }.to_string());
            }
            UtilityStatement::Listen { channel } => self.listen(channel.as_str())?,
            UtilityStatement::Unlisten { channel } => {
                self.unlisten(channel.as_ref().map(|name| name.as_str()))?
            }
            UtilityStatement::Notify { channel, payload } => {
                self.notify(channel.as_str(), payload.as_deref().unwrap_or(""))?;
            }
            UtilityStatement::Lock { relations, mode, nowait } => {
                self.lock_named_tables(relations, *mode, *nowait)?
            }
            UtilityStatement::NotYet { what } => return Err(PgError::unsupported(what)),
            other => return Err(PgError::unsupported(other.tag())),
        }
        if self.txn.is_some() {
            self.txn().advance_command()?;
        }
        Ok(utility.tag())
    }

    /// DISCARD ALL: the session is as it was when it began.
    fn discard_all(&mut self) -> PgResult<()> {
        self.block.check_outside("DISCARD ALL")?;
        self.close_cursor(None)?;
        self.set_session_authorization(None, false)?;
        let level = self.setting_level();
        self.settings.reset_all(level, self.facts.superuser);
        self.apply_timeouts();
        self.deallocate(None)?;
        self.unlisten(None)?;
        self.statements = StatementCache::default();
        self.sequences.borrow_mut().discard();
        self.facts.instance.engine.txns().locks().release_session(&self.facts.backend);
        self.ensure_transaction()?;
        self.discard_temporary()
    }

    fn transaction_statement(
        &mut self,
        statement: &TransactionStatement,
        client: &mut dyn Client,
    ) -> PgResult<String> {
        let (control, modes) = match statement {
            TransactionStatement::Begin(modes) => (Control::Begin { start: false }, Some(modes)),
            TransactionStatement::Start(modes) => (Control::Begin { start: true }, Some(modes)),
            TransactionStatement::Commit { chain } => (Control::Commit { chain: *chain }, None),
            TransactionStatement::Rollback { chain } => (Control::Rollback { chain: *chain }, None),
            TransactionStatement::Savepoint(name) => (Control::Savepoint(name.as_str()), None),
            TransactionStatement::Release(name) => (Control::Release(name.as_str()), None),
            TransactionStatement::RollbackTo(name) => (Control::RollbackTo(name.as_str()), None),
            TransactionStatement::PrepareTransaction(_)
            | TransactionStatement::CommitPrepared(_)
            | TransactionStatement::RollbackPrepared(_) => {
                return Err(PgError::unsupported("two-phase commit"));
            }
        };
        let isolation = self.settings.text(Parameter::TransactionIsolation).to_string();
        let outcome = self.block.control(control)?;
        self.notices.borrow_mut().extend(outcome.warning);
        match outcome.action {
            Action::Nothing => {}
            Action::Start => self.ensure_transaction()?,
            Action::Commit { chain } => {
                self.commit(client)?;
                self.chain(chain, &isolation)?;
            }
            Action::Abort { chain } => {
                self.abort();
                self.chain(chain, &isolation)?;
            }
            Action::Push(_) => {
                self.facts.said.borrow_mut().push();
                self.txn().begin_sub()?;
            }
            Action::Release(level) => {
                while self.txn().nesting() as usize > level {
                    self.txn().commit_sub();
                }
                self.release_cursors(level - 1);
                self.facts.said.borrow_mut().release(level);
                self.settings.end_level(level as u32 + 1, true);
                self.apply_role();
            }
            Action::RollbackTo(level) => {
                while self.txn().nesting() as usize > level {
                    self.txn().abort_sub();
                }
                self.drop_cursors(level);
                self.facts.said.borrow_mut().roll_back(level);
                self.catalog.rolled_back_to_savepoint();
                self.settings.end_level(level as u32 + 1, false);
                self.apply_role();
                self.txn().begin_sub()?;
            }
        }
        if let Some(modes) = modes {
            self.set_modes(modes, true)?;
        }
        Ok(outcome.tag.to_string())
    }

    /// Checkpoints are what this design does without: there is nothing to flush, but still not everybody may ask.
    fn checkpoint(&mut self) -> PgResult<()> {
        /// `pg_authid.oid` of `pg_checkpoint`.
        const PG_CHECKPOINT: Oid = 4544;
        self.ensure_transaction()?;
        if Access::current(self)?.catalog().has_privileges_of(self.facts.user_oid, PG_CHECKPOINT)? {
            return Ok(());
        }
        let message = "must be superuser or have privileges of pg_checkpoint to do CHECKPOINT";
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }

    fn chain(&mut self, chain: bool, isolation: &str) -> PgResult<()> {
        if chain { self.start_transaction(isolation) } else { Ok(()) }
    }

    /// BEGIN's and SET TRANSACTION's modes.
    fn set_modes(&mut self, modes: &TransactionModes, beginning: bool) -> PgResult<()> {
        if let Some(level) = modes.isolation
            && level.as_str() != self.settings.text(Parameter::TransactionIsolation)
        {
            // A transaction that has done nothing yet can be replaced by one of another level.
            if self.txn.as_ref().is_some_and(|txn| txn.xid_if_assigned().is_some() || txn.nesting() > 1)
                || (!beginning && self.block.depth() > 0)
            {
                return Err(PgError::new(
                    code::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                ));
            }
            if let Some(txn) = self.txn.take() {
                txn.abort();
            }
            self.start_transaction(level.as_str())?;
        }
        if let Some(read_only) = modes.read_only {
            self.settings.set_fact(Parameter::TransactionReadOnly, if read_only { "on" } else { "off" });
        }
        if let Some(deferrable) = modes.deferrable {
            self.settings.set_fact(Parameter::TransactionDeferrable, if deferrable { "on" } else { "off" });
        }
        Ok(())
    }

    fn set(&mut self, set: &SetStatement) -> PgResult<()> {
        match &set.action {
            SetAction::Value { name, values } => {
                let text = self.setting_text(name, values)?;
                self.change_setting(name, Some(&text), set.local)
            }
            SetAction::Default { name } | SetAction::Reset { name } => {
                self.change_setting(name, None, set.local)
            }
            SetAction::ResetAll => {
                let level = self.setting_level();
                self.settings.reset_all(level, self.facts.superuser);
                self.apply_timeouts();
                Ok(())
            }
            SetAction::Transaction(modes) => {
                if self.block.status() == b'I' {
                    let message = "SET TRANSACTION can only be used in transaction blocks";
                    let warning =
                        PgError::report(Severity::Warning, code::NO_ACTIVE_SQL_TRANSACTION, message);
                    self.notices.borrow_mut().push(warning);
                    return Ok(());
                }
                self.set_modes(modes, false)
            }
            SetAction::SessionCharacteristics(modes) => self.set_characteristics(modes),
            SetAction::FromCurrent { .. } => Err(PgError::unsupported("SET ... FROM CURRENT")),
            SetAction::TransactionSnapshot(_) => Err(PgError::unsupported("SET TRANSACTION SNAPSHOT")),
        }
    }

    /// Several values are a list; identifiers in `search_path` are quoted where they must be.
    pub(crate) fn setting_text(&self, name: &str, values: &[SetValue]) -> PgResult<String> {
        if values.iter().any(|value| matches!(value, SetValue::Interval { .. })) {
            return Err(PgError::unsupported(format!("setting {name} to an interval")));
        }
        let list = matches!(Parameter::by_name(name), Some(Parameter::SearchPath | Parameter::DateStyle));
        if values.len() > 1 && !list {
            return Err(PgError::new(
                code::INVALID_PARAMETER_VALUE,
                format!("SET {name} takes only one argument"),
            ));
        }
        let texts: Vec<String> = values
            .iter()
            .map(|value| match Parameter::by_name(name) {
                Some(Parameter::SearchPath) => redoubt_catalog::names::quote_identifier(&value.text()),
                _ => value.text(),
            })
            .collect();
        Ok(texts.join(", "))
    }

    pub(crate) fn setting_level(&self) -> u32 {
        if self.block.status() == b'I' { 0 } else { self.block.depth() as u32 + 1 }
    }

    fn change_setting(&mut self, name: &str, text: Option<&str>, local: bool) -> PgResult<()> {
        match (Parameter::by_name(name), text) {
            (Some(Parameter::TransactionIsolation), Some(level)) => {
                let isolation = match level {
                    "repeatable read" => redoubt_sql::tree::IsolationLevel::RepeatableRead,
                    "read committed" => redoubt_sql::tree::IsolationLevel::ReadCommitted,
                    "read uncommitted" => redoubt_sql::tree::IsolationLevel::ReadUncommitted,
                    _ => redoubt_sql::tree::IsolationLevel::Serializable,
                };
                let modes = TransactionModes { isolation: Some(isolation), ..TransactionModes::default() };
                return self.set_modes(&modes, false);
            }
            _ => {}
        }
        if local && self.block.status() == b'I' {
            let message = "SET LOCAL can only be used in transaction blocks";
            let warning = PgError::report(Severity::Warning, code::NO_ACTIVE_SQL_TRANSACTION, message);
            self.notices.borrow_mut().push(warning);
        }
        match Parameter::by_name(name) {
            Some(Parameter::Role) => return self.set_role(text, local),
            Some(Parameter::SessionAuthorization) => return self.set_session_authorization(text, local),
            _ => {}
        }
        let level = self.setting_level();
        self.settings.set(name, text, local, level, self.facts.superuser)?;
        self.apply_timeouts();
        Ok(())
    }

    fn set_characteristics(&mut self, modes: &TransactionModes) -> PgResult<()> {
        let on_off = |on: bool| if on { "on" } else { "off" };
        if let Some(level) = modes.isolation {
            self.change_setting("default_transaction_isolation", Some(level.as_str()), false)?;
        }
        if let Some(read_only) = modes.read_only {
            self.change_setting("default_transaction_read_only", Some(on_off(read_only)), false)?;
        }
        if let Some(deferrable) = modes.deferrable {
            self.change_setting("default_transaction_deferrable", Some(on_off(deferrable)), false)?;
        }
        Ok(())
    }
}

fn is_function(object: ObjectType) -> bool {
    matches!(
        object,
        ObjectType::Function | ObjectType::Procedure | ObjectType::Routine | ObjectType::Aggregate
    )
}

fn is_type(object: ObjectType) -> bool {
    matches!(object, ObjectType::Type | ObjectType::Domain)
}

/// What Describe tells of a utility statement: SHOW returns rows.
pub(crate) fn describe(utility: &UtilityStatement, client: &mut dyn Client) {
    match utility {
        UtilityStatement::Show { name } => client.row_description(&crate::show::columns(name.as_deref())),
        UtilityStatement::Explain(explain) => client.row_description(&crate::explain::columns(explain)),
        _ => client.no_data(),
    }
}
