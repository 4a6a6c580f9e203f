//! Who the current user is: SET ROLE and SET SESSION AUTHORIZATION.
//!
//! Both are settings (`role`, `session_authorization`), so that savepoints and rollback bring back the old
//! ones. The settings hold names; what each name stood for when it was chosen is remembered here, as a role
//! may have been renamed when a rollback returns to it.

use crate::access::Access;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What SET ROLE calls no role.
const NONE: &str = "none";

/// A role as it was when it was chosen.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    oid: Oid,
    superuser: bool,
}

/// The roles that the session has been, by name.
#[derive(Debug, Default)]
pub(crate) struct ChosenRoles {
    by_name: FxHashMap<Arc<str>, Chosen>,
    /// The settings that the session's facts come from.
    applied: Option<(String, String)>,
}

impl Session {
    /// SET ROLE, or RESET ROLE without a name.
    pub(crate) fn set_role(&mut self, name: Option<&str>, local: bool) -> PgResult<()> {
        let name = name.filter(|name| *name != NONE);
        if let Some(name) = name {
            self.ensure_transaction()?;
            let chosen = self.look_up(name)?;
            let access = Access::current(self)?;
            if !access.catalog().is_member_of(self.facts.session_user_oid, chosen.oid)? {
                let message = format!("permission denied to set role \"{name}\"");
                return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
            }
            self.roles.by_name.insert(name.into(), chosen);
        }
        let level = self.setting_level();
        self.settings.set("role", Some(name.unwrap_or(NONE)), local, level, true)?;
        self.apply_role();
        Ok(())
    }

    /// SET SESSION AUTHORIZATION, or DEFAULT without a name. It ends what SET ROLE began.
    pub(crate) fn set_session_authorization(&mut self, name: Option<&str>, local: bool) -> PgResult<()> {
        if let Some(name) = name {
            self.ensure_transaction()?;
            let chosen = self.look_up(name)?;
            if chosen.oid != self.facts.login_oid && !self.facts.login_superuser {
                return Err(PgError::new(
                    code::INSUFFICIENT_PRIVILEGE,
                    "permission denied to set session authorization",
                ));
            }
            self.roles.by_name.insert(name.into(), chosen);
        }
        let level = self.setting_level();
        self.settings.set("session_authorization", name, local, level, true)?;
        self.settings.set("role", Some(NONE), local, level, true)?;
        self.apply_role();
        Ok(())
    }

    fn look_up(&self, name: &str) -> PgResult<Chosen> {
        let access = Access::current(self)?;
        let row = access.catalog().role_by_name(name)?;
        let row = row.ok_or_else(|| {
            PgError::new(code::INVALID_PARAMETER_VALUE, format!("role \"{name}\" does not exist"))
        })?;
        Ok(Chosen { oid: row.oid, superuser: row.rolsuper })
    }

    /// Makes the facts follow the settings, after a change of them or its undoing.
    pub(crate) fn apply_role(&mut self) {
        let session_user = self.settings.text(Parameter::SessionAuthorization);
        let role = self.settings.text(Parameter::Role);
        let known = match &self.roles.applied {
            Some((known_user, known_role)) => known_user == session_user && known_role == role,
            // Nothing was ever chosen.
            None => self.roles.by_name.is_empty(),
        };
        if known {
            return;
        }
        let (session_user, role) = (session_user.to_string(), role.to_string());
        let login = Chosen { oid: self.facts.login_oid, superuser: self.facts.login_superuser };
        let chosen = |name: &str| self.roles.by_name.get(name).copied();
        let user = chosen(&session_user).unwrap_or(login);
        let current = chosen(&role).filter(|_| role != NONE);
        self.facts.session_user = session_user.as_str().into();
        self.facts.session_user_oid = user.oid;
        self.facts.current_user = match current {
            Some(_) => role.as_str().into(),
            None => self.facts.session_user.clone(),
        };
        let current = current.unwrap_or(user);
        self.facts.user_oid = current.oid;
        self.facts.superuser = current.superuser;
        self.settings.set_fact(Parameter::IsSuperuser, if current.superuser { "on" } else { "off" });
        self.roles.applied = Some((session_user, role));
    }

    /// Does something as another user: what it calls is called with that one's privileges.
    pub(crate) fn as_user<T>(
        &mut self,
        user: Oid,
        f: impl FnOnce(&mut Session) -> PgResult<T>,
    ) -> PgResult<T> {
        if user == self.facts.user_oid {
            return f(self);
        }
        let access = Access::current(self)?;
        let name = self.role_name(&access, user)?;
        let superuser = access.catalog().is_superuser(user)?;
        drop(access);
        let before = (self.facts.user_oid, self.facts.current_user.clone(), self.facts.superuser);
        (self.facts.user_oid, self.facts.current_user, self.facts.superuser) = (user, name, superuser);
        let result = f(self);
        (self.facts.user_oid, self.facts.current_user, self.facts.superuser) = before;
        result
    }

    /// Looks again whether the current user is a superuser: a statement may have changed that.
    pub(crate) fn refresh_role(&mut self) -> PgResult<()> {
        let access = Access::current(self)?;
        let superuser = access.catalog().is_superuser(self.facts.user_oid)?;
        drop(access);
        self.facts.superuser = superuser;
        Ok(())
    }
}
