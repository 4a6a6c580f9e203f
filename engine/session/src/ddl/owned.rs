//! REASSIGN OWNED and DROP OWNED: what roles own in this database, and what they have been granted
//! (PostgreSQL's `shdepReassignOwned` and `shdepDropOwned`).

use super::drop::behavior_of;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::acl::{Acl, AclItem};
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_catalog::index_oids;
use redoubt_catalog::rows::{PgDefaultAcl, PgShdepend};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};
use redoubt_sql::tree::{DropBehavior, RoleSpec};

/// `pg_default_acl_oid_index`.
const DEFAULT_ACL_OID: Oid = 828;
/// `pg_shdepend.deptype` of the owner.
const OWNER: char = 'o';
/// `pg_shdepend.deptype` of a role in privileges.
const ACL: char = 'a';

impl Session {
    /// REASSIGN OWNED.
    pub(crate) fn reassign_owned(&mut self, roles: &[RoleSpec], new_role: &RoleSpec) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let roles = self.roles_to_act_for(&access, roles, "reassign")?;
        let new_owner = self.role_oid(&access, new_role)?;
        if !access.catalog().has_privileges_of(self.facts.user_oid, new_owner)? {
            return Err(denied("reassign"));
        }
        for role in roles {
            let owned = self.shared_dependents(&access, role, OWNER)?;
            // Default privileges stay with the role that makes objects; DROP OWNED is what takes them away.
            for row in owned.iter().filter(|row| object_of(row).class != class::DEFAULT_ACL) {
                self.give_object(&access, object_of(row), new_owner)?;
            }
        }
        Ok(())
    }

    /// DROP OWNED: the roles' privileges are revoked, and what they own is dropped.
    pub(crate) fn drop_owned(&mut self, roles: &[RoleSpec], behavior: DropBehavior) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let roles = self.roles_to_act_for(&access, roles, "drop")?;
        let mut dropped = Vec::new();
        for role in roles {
            for row in self.shared_dependents(&access, role, ACL)? {
                self.revoke_all(&access, object_of(&row), role)?;
            }
            let owned = self.shared_dependents(&access, role, OWNER)?;
            dropped.extend(owned.iter().map(object_of).filter(|object| object.class != class::DATABASE));
        }
        let ddl = Ddl::new(access.store(), &access.path);
        let done = ddl.drop_objects(&dropped, behavior_of(behavior))?;
        self.notices.borrow_mut().extend(done.notices);
        Ok(())
    }

    fn roles_to_act_for(&self, access: &Access<'_>, roles: &[RoleSpec], verb: &str) -> PgResult<Vec<Oid>> {
        let mut found = Vec::with_capacity(roles.len());
        for role in roles {
            let oid = self.role_oid(access, role)?;
            if !access.catalog().has_privileges_of(self.facts.user_oid, oid)? {
                return Err(denied(verb));
            }
            let address = ObjectAddress::new(class::ROLE, oid);
            if address.is_pinned() {
                let described = access.catalog().describe_object(address, &access.path)?;
                let (verb, objects) = match verb {
                    "drop" => ("drop", "objects owned by"),
                    _ => ("reassign ownership of", "objects owned by"),
                };
                let message = format!(
                    "cannot {verb} {objects} {described} because they are required by the database system"
                );
                return Err(PgError::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message));
            }
            found.push(oid);
        }
        Ok(found)
    }

    /// What depends on a role in this database, or in none.
    fn shared_dependents(&self, access: &Access<'_>, role: Oid, kind: char) -> PgResult<Vec<PgShdepend>> {
        let key = [Datum::Oid(class::ROLE), Datum::Oid(role)];
        let mut rows = access.catalog().probe::<PgShdepend>(index_oids::SHDEPEND_REFERENCE, &key)?;
        rows.retain(|row| row.deptype == kind && (row.dbid == self.facts.database || row.dbid == 0));
        Ok(rows)
    }

    fn give_object(&self, access: &Access<'_>, object: ObjectAddress, owner: Oid) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        match object.class {
            class::RELATION => {
                // A column's sequence may have gone along with its table already.
                let relation = access.relation(object.object)?;
                if relation.owner == owner { Ok(()) } else { self.give_relation(access, &relation, owner) }
            }
            class::NAMESPACE => ddl.change_schema_owner(object.object, owner),
            class::TYPE => ddl.change_type_owner(object.object, owner),
            class::DATABASE => Err(PgError::unsupported("REASSIGN OWNED of a database")),
            _ => ddl.change_object_owner(object, owner),
        }
    }

    /// Takes a role out of an object's privileges, as who has them and as who gave them.
    fn revoke_all(&self, access: &Access<'_>, object: ObjectAddress, role: Oid) -> PgResult<()> {
        let without = |acl: &Acl| -> Option<Acl> {
            let items: Vec<AclItem> =
                acl.0.iter().filter(|item| item.grantee != role && item.grantor != role).copied().collect();
            Some(Acl(items.into()))
        };
        let ddl = Ddl::new(access.store(), &access.path);
        match object.class {
            class::RELATION => {
                let relation = access.relation(object.object)?;
                if object.sub == 0 {
                    return ddl
                        .set_relation_acl(relation.oid, relation.class.relacl.as_ref().and_then(without));
                }
                let column = &relation.attributes[object.sub as usize - 1];
                let left = column.attacl.as_ref().and_then(without).filter(|acl| !acl.0.is_empty());
                ddl.set_column_acl(relation.oid, column.attnum, left)
            }
            class::NAMESPACE => {
                let row = access.catalog().namespace_by_oid(object.object)?;
                ddl.set_schema_acl(object.object, row.and_then(|row| row.nspacl.as_ref().and_then(without)))
            }
            class::DATABASE => {
                let row = access.catalog().database_by_oid(object.object)?;
                let acl = row.and_then(|row| row.datacl.as_ref().and_then(without));
                ddl.set_object_acl(object, acl)
            }
            class::TYPE => {
                let row = access.catalog().type_by_oid(object.object)?;
                ddl.set_type_acl(object.object, row.and_then(|row| row.row.typacl.as_ref().and_then(without)))
            }
            class::PROC => {
                let row = access.catalog().proc_by_oid(object.object)?;
                ddl.set_object_acl(object, row.and_then(|row| row.proacl.as_ref().and_then(without)))
            }
            class::DEFAULT_ACL => {
                let (_, row) = ddl.find_oid::<PgDefaultAcl>(DEFAULT_ACL_OID, object.object)?;
                let left = without(&row.defaclacl).filter(|acl| !acl.0.is_empty());
                ddl.set_default_acl(row.defaclrole, row.defaclnamespace, row.defaclobjtype, left)
            }
            _ => {
                let described = access.catalog().describe_object(object, &access.path)?;
                Err(PgError::unsupported(format!("DROP OWNED BY a role with privileges on {described}")))
            }
        }
    }
}

fn object_of(row: &PgShdepend) -> ObjectAddress {
    ObjectAddress { class: row.classid, object: row.objid, sub: row.objsubid }
}

fn denied(verb: &str) -> PgError {
    PgError::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied to {verb} objects"))
}
