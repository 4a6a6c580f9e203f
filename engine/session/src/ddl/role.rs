//! CREATE, ALTER and DROP ROLE (PostgreSQL's src/backend/commands/user.c).

use crate::access::Access;
use crate::scram::stored_password;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewRole};
use redoubt_catalog::rows::PgAuthid;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, io, types};
use redoubt_sql::tree::{RoleKind, RoleOption, RoleOptionKind as Kind, RoleSpec};
use std::mem::discriminant;
use std::sync::Arc;

/// `pg_authid.oid` of the bootstrap superuser.
const BOOTSTRAP_SUPERUSER: Oid = 10;

impl Session {
    pub(crate) fn create_role(
        &mut self,
        kind: RoleKind,
        name: &RoleSpec,
        options: &[RoleOption],
    ) -> PgResult<()> {
        check_once(options)?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let name = match name {
            RoleSpec::Name(name) => name.as_str(),
            RoleSpec::Public => return Err(reserved("public")),
            other => {
                let message = format!("{} cannot be used as a role name here", words(other));
                return Err(PgError::new(code::RESERVED_NAME, message));
            }
        };
        let mut new = NewRole::new(name);
        new.row.rolcanlogin = kind == RoleKind::User;
        self.apply_role_options(&access, &mut new.row, options)?;
        let row = &new.row;
        let superuser_for = [
            (row.rolsuper, "superusers"),
            (row.rolreplication, "replication users"),
            (row.rolbypassrls, "bypassrls users"),
        ];
        if let Some((_, what)) = superuser_for.iter().find(|(asked, _)| *asked)
            && !self.facts.superuser
        {
            return Err(denied(format!("must be superuser to create {what}")));
        }
        if !self.may_create_roles(&access)? {
            return Err(denied("permission denied to create role".into()));
        }
        let oid = Ddl::new(access.store(), &access.path).create_role(&new)?;
        let grantor = self.facts.user_oid;
        for option in options {
            let access = Access::current(self)?;
            match &option.kind {
                Kind::InRole(roles) => {
                    for role in roles {
                        let role = self.role_oid(&access, role)?;
                        self.add_member(&access, role, oid, grantor, false)?;
                    }
                }
                Kind::RoleMembers(members) | Kind::Admin(members) => {
                    let admin = matches!(option.kind, Kind::Admin(_));
                    for member in members {
                        let member = self.role_oid(&access, member)?;
                        self.add_member(&access, oid, member, grantor, admin)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn alter_role(&mut self, role: &RoleSpec, options: &[RoleOption]) -> PgResult<()> {
        check_once(options)?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        if let RoleSpec::Name(name) = role
            && name.as_str().starts_with("pg_")
        {
            return Err(reserved(name.as_str()).detail("Cannot alter reserved roles."));
        }
        let oid = self.role_oid(&access, role)?;
        let old = self.role_row(&access, oid)?;
        let says = |test: fn(&Kind) -> bool| options.iter().any(|option| test(&option.kind));
        let superuser = self.facts.superuser;
        if (old.rolsuper || says(|kind| matches!(kind, Kind::Superuser(_)))) && !superuser {
            let message = "must be superuser to alter superuser roles or change superuser attribute";
            return Err(denied(message.into()));
        }
        if (old.rolreplication || says(|kind| matches!(kind, Kind::Replication(_)))) && !superuser {
            let message = "must be superuser to alter replication roles or change replication attribute";
            return Err(denied(message.into()));
        }
        if says(|kind| matches!(kind, Kind::BypassRls(_))) && !superuser {
            return Err(denied("must be superuser to change bypassrls attribute".into()));
        }
        let own_password = oid == self.facts.user_oid
            && options.iter().all(|option| matches!(option.kind, Kind::Password(_)));
        if !self.may_create_roles(&access)? && !own_password {
            return Err(denied("permission denied".into()));
        }
        let mut new = (*old).clone();
        self.apply_role_options(&access, &mut new, options)?;
        if oid == BOOTSTRAP_SUPERUSER && !new.rolsuper {
            return Err(PgError::new(
                code::FEATURE_NOT_SUPPORTED,
                "permission denied: bootstrap user must be superuser",
            ));
        }
        Ddl::new(access.store(), &access.path).change_role(oid, |row| *row = new)?;
        self.refresh_role()
    }

    /// Sets what the options say in a role's row; memberships are the caller's.
    fn apply_role_options(
        &self,
        access: &Access<'_>,
        row: &mut PgAuthid,
        options: &[RoleOption],
    ) -> PgResult<()> {
        for option in options {
            match &option.kind {
                Kind::Password(password) => row.rolpassword = self.password(password.as_deref())?,
                Kind::Superuser(on) => row.rolsuper = *on,
                Kind::CreateDb(on) => row.rolcreatedb = *on,
                Kind::CreateRole(on) => row.rolcreaterole = *on,
                Kind::Inherit(on) => row.rolinherit = *on,
                Kind::Login(on) => row.rolcanlogin = *on,
                Kind::Replication(on) => row.rolreplication = *on,
                Kind::BypassRls(on) => row.rolbypassrls = *on,
                Kind::ConnectionLimit(limit) if *limit < -1 => {
                    let message = format!("invalid connection limit: {limit}");
                    return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
                }
                Kind::ConnectionLimit(limit) => row.rolconnlimit = *limit,
                Kind::ValidUntil(text) => {
                    let value = io::input(types::TIMESTAMPTZ, -1, text, &access.env())?;
                    row.rolvaliduntil = match value {
                        Datum::TimestampTz(at) => Some(at),
                        _ => None,
                    };
                }
                Kind::SysId(_) => {
                    self.note(code::SUCCESSFUL_COMPLETION, "SYSID can no longer be specified".into());
                }
                Kind::InRole(_) | Kind::RoleMembers(_) | Kind::Admin(_) => {}
            }
        }
        Ok(())
    }

    fn password(&self, text: Option<&str>) -> PgResult<Option<Arc<str>>> {
        match text {
            None => Ok(None),
            Some("") => {
                let message = "empty string is not a valid password, clearing password";
                self.note(code::SUCCESSFUL_COMPLETION, message.into());
                Ok(None)
            }
            Some(text) => Ok(Some(stored_password(text)?.into())),
        }
    }

    pub(crate) fn drop_roles(&mut self, roles: &[RoleSpec], if_exists: bool) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        if !self.may_create_roles(&access)? {
            return Err(denied("permission denied to drop role".into()));
        }
        for role in roles {
            let RoleSpec::Name(name) = role else {
                return Err(PgError::new(
                    code::INVALID_PARAMETER_VALUE,
                    "cannot use special role specifier in DROP ROLE",
                ));
            };
            let access = Access::current(self)?;
            let Some(row) = access.catalog().role_by_name(name.as_str())? else {
                let message = format!("role \"{}\" does not exist", name.name);
                if !if_exists {
                    return Err(PgError::new(code::UNDEFINED_OBJECT, message));
                }
                self.note(code::SUCCESSFUL_COMPLETION, format!("{message}, skipping"));
                continue;
            };
            if row.oid == self.facts.user_oid {
                return Err(PgError::new(code::OBJECT_IN_USE, "current user cannot be dropped"));
            }
            if row.oid == self.facts.session_user_oid || row.oid == self.facts.login_oid {
                return Err(PgError::new(code::OBJECT_IN_USE, "session user cannot be dropped"));
            }
            if row.rolsuper && !self.facts.superuser {
                return Err(denied("must be superuser to drop superusers".into()));
            }
            Ddl::new(access.store(), &access.path).drop_role(row.oid)?;
            self.txn().advance_command()?;
        }
        Ok(())
    }

    /// ALTER ROLE ... RENAME TO.
    pub(crate) fn rename_role(&self, access: &Access<'_>, name: &str, new_name: &str) -> PgResult<()> {
        let row = access.catalog().role_by_name(name)?;
        let row = row.ok_or_else(|| undefined(name))?;
        if row.oid == self.facts.session_user_oid {
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "session user cannot be renamed"));
        }
        if row.oid == self.facts.user_oid {
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "current user cannot be renamed"));
        }
        if name.starts_with("pg_") {
            return Err(reserved(name).detail("Role names starting with \"pg_\" are reserved."));
        }
        if row.rolsuper && !self.facts.superuser {
            return Err(denied("must be superuser to rename superusers".into()));
        }
        if !self.may_create_roles(access)? {
            return Err(denied("permission denied to rename role".into()));
        }
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.rename_role(row.oid, new_name)?;
        // An MD5 hash has the name in it.
        if row.rolpassword.as_deref().is_some_and(crate::scram::is_md5) {
            ddl.change_role(row.oid, |row| row.rolpassword = None)?;
            self.note(code::SUCCESSFUL_COMPLETION, "MD5 password cleared because of role rename".into());
        }
        Ok(())
    }

    /// Whether the current role is a superuser or has CREATEROLE.
    pub(crate) fn may_create_roles(&self, access: &Access<'_>) -> PgResult<bool> {
        let row = access.catalog().role_by_oid(self.facts.user_oid)?;
        Ok(row.is_some_and(|row| row.rolsuper || row.rolcreaterole))
    }

    /// The role that a statement names.
    ///
    /// # Errors
    /// `42704` when there is none, as for PUBLIC, which is none.
    pub(crate) fn role_oid(&self, access: &Access<'_>, role: &RoleSpec) -> PgResult<Oid> {
        match role {
            RoleSpec::Name(name) => self.role_named(access, name.as_str()),
            RoleSpec::CurrentRole | RoleSpec::CurrentUser => Ok(self.facts.user_oid),
            RoleSpec::SessionUser => Ok(self.facts.session_user_oid),
            RoleSpec::Public => Err(undefined("public")),
        }
    }

    /// The role of a name.
    pub(crate) fn role_named(&self, access: &Access<'_>, name: &str) -> PgResult<Oid> {
        let row = access.catalog().role_by_name(name)?;
        row.map(|row| row.oid).ok_or_else(|| undefined(name))
    }

    pub(crate) fn role_row(&self, access: &Access<'_>, oid: Oid) -> PgResult<Arc<PgAuthid>> {
        let row = access.catalog().role_by_oid(oid)?;
        row.ok_or_else(|| PgError::internal(format!("cache lookup failed for role {oid}")))
    }

    /// A role's name, for messages.
    pub(crate) fn role_name(&self, access: &Access<'_>, oid: Oid) -> PgResult<Arc<str>> {
        Ok(self.role_row(access, oid)?.rolname.clone())
    }
}

/// Each option may be said once; PASSWORD and its opposites are one option.
fn check_once(options: &[RoleOption]) -> PgResult<()> {
    for (at, option) in options.iter().enumerate() {
        if options[..at].iter().any(|other| discriminant(&other.kind) == discriminant(&option.kind)) {
            let message = "conflicting or redundant options";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos)));
        }
    }
    Ok(())
}

fn words(role: &RoleSpec) -> &'static str {
    match role {
        RoleSpec::CurrentRole => "CURRENT_ROLE",
        RoleSpec::CurrentUser => "CURRENT_USER",
        RoleSpec::SessionUser => "SESSION_USER",
        RoleSpec::Public | RoleSpec::Name(_) => "PUBLIC",
    }
}

fn undefined(name: &str) -> PgError {
    PgError::new(code::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"))
}

fn reserved(name: &str) -> PgError {
    PgError::new(code::RESERVED_NAME, format!("role name \"{name}\" is reserved"))
}

pub(crate) fn denied(message: String) -> PgError {
    PgError::new(code::INSUFFICIENT_PRIVILEGE, message)
}
