//! ALTER DEFAULT PRIVILEGES.

use super::acl_update::{add, remove};
use super::privilege_names::wanted_privileges;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::acl::{Acl, AclItem, AclObject, Privileges};
use redoubt_catalog::ddl::{Ddl, same_items};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{AlterDefaultPrivileges, DropBehavior, ObjectType, RoleSpec};

impl Session {
    /// Changes the privileges that objects will get which the roles make from now on.
    pub(crate) fn alter_default_privileges(&mut self, alter: &AlterDefaultPrivileges) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let invalid = |message: &str| PgError::new(code::INVALID_GRANT_OPERATION, message);
        let grant = &alter.action;
        let (letter, kind) = match grant.object {
            ObjectType::Table => ('r', AclObject::Table),
            ObjectType::Sequence => ('S', AclObject::Sequence),
            ObjectType::Schema => ('n', AclObject::Schema),
            ObjectType::Function | ObjectType::Routine => ('f', AclObject::Function),
            other => {
                let what = format!("ALTER DEFAULT PRIVILEGES ON {}S", other.tag_words());
                return Err(PgError::unsupported(what));
            }
        };
        if letter == 'n' && !alter.schemas.is_empty() {
            return Err(invalid("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS"));
        }
        let wanted = wanted_privileges(grant)?;
        if !wanted.columns.is_empty() {
            return Err(invalid("default privileges cannot be set for columns"));
        }
        let privileges = if wanted.all { kind.all() } else { wanted.privileges };
        if !kind.all().contains(privileges) {
            return Err(invalid("invalid privilege type USAGE for relation"));
        }
        let mut grantees = Vec::with_capacity(grant.grantees.len());
        for grantee in &grant.grantees {
            grantees.push(match grantee {
                RoleSpec::Public => 0,
                role => self.role_oid(&access, role)?,
            });
        }
        let mut roles = Vec::new();
        for role in &alter.roles {
            let role = self.role_oid(&access, role)?;
            self.check_may_become(&access, role)?;
            roles.push(role);
        }
        if roles.is_empty() {
            roles.push(self.facts.user_oid);
        }
        let mut schemas = Vec::new();
        for schema in &alter.schemas {
            schemas.push(access.schema_named(schema.as_str())?);
        }
        if schemas.is_empty() {
            schemas.push(0);
        }
        for role in roles {
            for schema in &schemas {
                let access = Access::current(self)?;
                let ddl = Ddl::new(access.store(), &access.path);
                let default = match schema {
                    0 => Acl::default_for(kind, role),
                    _ => Acl(Vec::new().into()),
                };
                let known = ddl.find_default_acl(role, *schema, letter)?;
                let old = known.map_or_else(|| default.clone(), |(_, row)| row.defaclacl);
                let new = changed(&old, role, privileges, &grantees, alter)?;
                let kept = (!same_items(&new, &default)).then_some(new);
                ddl.set_default_acl(role, *schema, letter, kept)?;
            }
        }
        Ok(())
    }
}

/// The list after the change; the role that will own the objects is who grants.
fn changed(
    old: &Acl,
    role: Oid,
    privileges: Privileges,
    grantees: &[Oid],
    alter: &AlterDefaultPrivileges,
) -> PgResult<Acl> {
    let grant = &alter.action;
    let mut items = old.0.to_vec();
    for grantee in grantees {
        if grant.is_grant && grant.grant_option && *grantee == 0 {
            let message = "grant options can only be granted to roles";
            return Err(PgError::new(code::INVALID_GRANT_OPERATION, message));
        }
        let only = |yes: bool| if yes { privileges } else { Privileges::NONE };
        let item = AclItem {
            grantee: *grantee,
            grantor: role,
            privileges: only(grant.is_grant || !grant.grant_option),
            grant_options: only(!grant.is_grant || grant.grant_option),
        };
        match grant.is_grant {
            true => add(&mut items, item, role)?,
            false => remove(&mut items, item, role, grant.behavior == DropBehavior::Cascade)?,
        }
    }
    items.sort_by_key(|item| (item.grantee, item.grantor));
    Ok(Acl(items.into()))
}
