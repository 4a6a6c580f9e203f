//! Who is a member of which role: GRANT and REVOKE of roles, ALTER GROUP.

use super::role::denied;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{DropBehavior, GrantRole, RoleSpec};

/// `pg_authid.oid` of `pg_database_owner`, whose member is whoever owns the database.
const DATABASE_OWNER: Oid = 6171;

impl Session {
    pub(crate) fn grant_role(&mut self, grant: &GrantRole) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let grantor = match &grant.granted_by {
            Some(role) => self.role_oid(&access, role)?,
            None => self.facts.user_oid,
        };
        let mut members = Vec::with_capacity(grant.grantees.len());
        for grantee in &grant.grantees {
            members.push(self.role_oid(&access, grantee)?);
        }
        for role in &grant.roles {
            let role = self.role_named(&access, role.as_str())?;
            for member in &members {
                let access = Access::current(self)?;
                if grant.is_grant {
                    self.add_member(&access, role, *member, grantor, grant.admin_option)?;
                } else {
                    self.remove_member(&access, role, *member, grant.admin_option, grant.behavior)?;
                }
                self.txn().advance_command()?;
            }
        }
        self.refresh_role()
    }

    /// ALTER GROUP ... ADD USER and DROP USER.
    pub(crate) fn alter_group(&mut self, group: &RoleSpec, add: bool, members: &[RoleSpec]) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let group = self.role_oid(&access, group)?;
        if !self.may_create_roles(&access)? {
            return Err(denied("permission denied".into()));
        }
        for member in members {
            let access = Access::current(self)?;
            let member = self.role_oid(&access, member)?;
            if add {
                self.add_member(&access, group, member, self.facts.user_oid, false)?;
            } else {
                self.remove_member(&access, group, member, false, DropBehavior::Restrict)?;
            }
            self.txn().advance_command()?;
        }
        Ok(())
    }

    /// Makes `member` a member of `role`.
    pub(super) fn add_member(
        &self,
        access: &Access<'_>,
        role: Oid,
        member: Oid,
        grantor: Oid,
        admin: bool,
    ) -> PgResult<()> {
        self.check_may_administer(access, role)?;
        if grantor != self.facts.user_oid && !self.facts.superuser {
            return Err(denied("must be superuser to set grantor".into()));
        }
        let name = self.role_name(access, role)?;
        let member_name = self.role_name(access, member)?;
        if role == DATABASE_OWNER {
            let message = format!("role \"{name}\" cannot have explicit members");
            return Err(PgError::new(code::INVALID_GRANT_OPERATION, message));
        }
        if member == DATABASE_OWNER {
            let message = format!("role \"{member_name}\" cannot be a member of any role");
            return Err(PgError::new(code::INVALID_GRANT_OPERATION, message));
        }
        let known = access.catalog().memberships_of(member)?;
        if known.iter().any(|row| row.roleid == role && (!admin || row.admin_option)) {
            self.note(
                code::SUCCESSFUL_COMPLETION,
                format!("role \"{member_name}\" is already a member of role \"{name}\""),
            );
            return Ok(());
        }
        Ddl::new(access.store(), &access.path).grant_role(role, member, grantor, admin)
    }

    fn remove_member(
        &self,
        access: &Access<'_>,
        role: Oid,
        member: Oid,
        only_admin: bool,
        _: DropBehavior,
    ) -> PgResult<()> {
        self.check_may_administer(access, role)?;
        let removed = Ddl::new(access.store(), &access.path).revoke_role(role, member, only_admin)?;
        if !removed {
            let (name, member) = (self.role_name(access, role)?, self.role_name(access, member)?);
            let message = format!("role \"{member}\" is not a member of role \"{name}\"");
            self.notices.borrow_mut().push(PgError::report(Severity::Warning, code::WARNING, message));
        }
        Ok(())
    }

    /// Superusers give out superuser roles; others need CREATEROLE or the role's admin option.
    fn check_may_administer(&self, access: &Access<'_>, role: Oid) -> PgResult<()> {
        if self.facts.superuser {
            return Ok(());
        }
        if access.catalog().is_superuser(role)? {
            return Err(denied("must be superuser to alter superusers".into()));
        }
        if self.may_create_roles(access)? || self.is_admin_of(access, role)? {
            return Ok(());
        }
        let name = self.role_name(access, role)?;
        Err(denied(format!("must have admin option on role \"{name}\"")))
    }

    /// Whether the current role, or one that it inherits from, may give the role on.
    fn is_admin_of(&self, access: &Access<'_>, role: Oid) -> PgResult<bool> {
        let catalog = access.catalog();
        for own in catalog.roles_of(self.facts.user_oid, false)? {
            if catalog.memberships_of(own)?.iter().any(|row| row.roleid == role && row.admin_option) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
