//! ALTER DATABASE and ALTER ROLE ... SET and RESET: what a session starts with (PostgreSQL's `pg_db_role_setting.c`).

use super::database::no_database;
use super::role::denied;
use crate::access::Access;
use crate::session::Session;
use crate::settings::{Parameter, Source};
use redoubt_catalog::ddl::Ddl;
use redoubt_catalog::index_oids as index;
use redoubt_catalog::rows::PgDbRoleSetting;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};
use redoubt_sql::tree::{Ident, RoleSpec, SetAction, SetStatement};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    pub(crate) fn alter_database_set(&mut self, name: &Ident, setting: &SetStatement) -> PgResult<()> {
        self.ensure_transaction()?;
        // Held against those who drop the database meanwhile.
        let row = self.lock_database(name.as_str(), LockMode::AccessShare)?;
        let row = row.ok_or_else(|| no_database(name.as_str()))?;
        let access = Access::current(self)?;
        self.check_database_owner(&access, &row)?;
        self.keep_setting(&access, row.oid, 0, setting)
    }

    pub(crate) fn alter_role_set(
        &mut self,
        role: Option<&RoleSpec>,
        database: Option<&Ident>,
        setting: &SetStatement,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let role = {
            let access = Access::current(self)?;
            let oid = role.map(|role| self.role_oid(&access, role)).transpose()?;
            if let Some(oid) = oid {
                self.check_may_set_for_role(&access, oid)?;
            }
            oid
        };
        let database = match database {
            None => None,
            Some(name) => {
                let row = self.lock_database(name.as_str(), LockMode::AccessShare)?;
                Some(row.ok_or_else(|| no_database(name.as_str()))?)
            }
        };
        let access = Access::current(self)?;
        if role.is_none() {
            match &database {
                Some(row) => self.check_database_owner(&access, row)?,
                None if !self.facts.superuser => {
                    return Err(denied("must be superuser to alter settings globally".into()));
                }
                None => {}
            }
        }
        self.keep_setting(&access, database.map_or(0, |row| row.oid), role.unwrap_or(0), setting)
    }

    fn check_may_set_for_role(&self, access: &Access<'_>, role: Oid) -> PgResult<()> {
        let row = self.role_row(access, role)?;
        if row.rolsuper {
            return match self.facts.superuser {
                true => Ok(()),
                false => Err(denied("must be superuser to alter superusers".into())),
            };
        }
        if !self.may_create_roles(access)? && role != self.facts.user_oid {
            return Err(denied("permission denied".into()));
        }
        Ok(())
    }

    /// Changes the list of `name=value` kept for a database and a role (0 for all).
    fn keep_setting(
        &self,
        access: &Access<'_>,
        database: Oid,
        role: Oid,
        setting: &SetStatement,
    ) -> PgResult<()> {
        let key = [Datum::Oid(database), Datum::Oid(role)];
        let rows: Vec<PgDbRoleSetting> = access.catalog().probe(index::DB_ROLE_SETTING, &key)?;
        let kept = rows.into_iter().find_map(|row| row.setconfig).unwrap_or_default();
        let kept = self.changed_settings_list(kept, setting)?;
        Ddl::new(access.store(), &access.path).set_settings(database, role, &kept)
    }

    /// A list of `name=value` after SET or RESET, as `pg_db_role_setting` and `pg_proc.proconfig` keep them.
    pub(crate) fn changed_settings_list(
        &self,
        mut list: Vec<Arc<str>>,
        setting: &SetStatement,
    ) -> PgResult<Vec<Arc<str>>> {
        let (name, value) = match &setting.action {
            SetAction::Value { name, values } => (name, Some(self.setting_text(name, values)?)),
            SetAction::FromCurrent { name } => (name, Some(self.settings.show(name)?)),
            SetAction::Default { name } | SetAction::Reset { name } => (name, None),
            SetAction::ResetAll => {
                // What only a superuser may set only a superuser may take away.
                let stays = |assignment: &Arc<str>| {
                    let name = assignment.split_once('=').map_or(&**assignment, |(name, _)| name);
                    self.settings.check_may_set(name, self.facts.superuser).is_err()
                };
                list.retain(stays);
                return Ok(list);
            }
            SetAction::Transaction(_) => {
                return Err(PgError::unsupported("SET TRANSACTION for later sessions"));
            }
            SetAction::SessionCharacteristics(_) => {
                return Err(PgError::unsupported("SET SESSION CHARACTERISTICS for later sessions"));
            }
            SetAction::TransactionSnapshot(_) => {
                let message = "SET TRANSACTION SNAPSHOT cannot be kept";
                return Err(PgError::new(code::SYNTAX_ERROR, message));
            }
        };
        self.settings.check_may_set(name, self.facts.superuser)?;
        let known = Parameter::by_name(name);
        if matches!(known, Some(Parameter::Role | Parameter::SessionAuthorization)) {
            return Err(PgError::unsupported(format!("keeping the setting {name}")));
        }
        if let Some(value) = &value {
            self.settings.clone().set_base(name, value, Source::Database)?;
        }
        let name = known.map_or(name.as_str(), |parameter| parameter.definition().name);
        let is_it = |assignment: &Arc<str>| {
            assignment.split_once('=').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let at = list.iter().position(is_it);
        match (at, value) {
            (Some(at), Some(value)) => list[at] = format!("{name}={value}").into(),
            (None, Some(value)) => list.push(format!("{name}={value}").into()),
            (Some(at), None) => drop(list.remove(at)),
            (None, None) => {}
        }
        Ok(list)
    }
}
