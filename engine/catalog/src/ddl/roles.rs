//! Roles and their memberships.

use super::{Ddl, ObjectAddress, class};
use crate::index_oids as index;
use crate::rows::{PgAuthMembers, PgAuthid, PgDbRoleSetting, PgShdepend};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// A role to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// Its row; `oid` is filled in.
    pub row: PgAuthid,
}

impl NewRole {
    /// A role that may nothing, not even log in.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        NewRole {
            row: PgAuthid {
                oid: 0,
                rolname: name.into(),
                rolsuper: false,
                rolinherit: true,
                rolcreaterole: false,
                rolcreatedb: false,
                rolcanlogin: false,
                rolreplication: false,
                rolbypassrls: false,
                rolconnlimit: -1,
                rolpassword: None,
                rolvaliduntil: None,
            },
        }
    }
}

impl Ddl<'_> {
    /// Makes a role and returns its OID.
    ///
    /// # Errors
    /// `42710` when there is one of that name, `42939` when the name is reserved.
    pub fn create_role(&self, new: &NewRole) -> PgResult<Oid> {
        self.check_role_name(&new.row.rolname)?;
        let oid = self.allocate_oid()?;
        self.insert(&PgAuthid { oid, ..new.row.clone() })?;
        Ok(oid)
    }

    fn check_role_name(&self, name: &str) -> PgResult<()> {
        if name.starts_with("pg_") {
            return Err(PgError::new(code::RESERVED_NAME, format!("role name \"{name}\" is reserved"))
                .detail("Role names starting with \"pg_\" are reserved."));
        }
        if matches!(name, "public" | "none") {
            return Err(PgError::new(code::RESERVED_NAME, format!("role name \"{name}\" is reserved")));
        }
        if self.view().role_by_name(name)?.is_some() {
            return Err(PgError::new(code::DUPLICATE_OBJECT, format!("role \"{name}\" already exists")));
        }
        Ok(())
    }

    /// Changes a role's row.
    ///
    /// # Errors
    /// `XX000` when there is no such role; those of writing pages.
    pub fn change_role(&self, oid: Oid, edit: impl FnOnce(&mut PgAuthid)) -> PgResult<()> {
        self.change(index::AUTHID_OID, oid, edit)
    }

    /// Renames a role.
    ///
    /// # Errors
    /// As for [`Ddl::create_role`].
    pub fn rename_role(&self, oid: Oid, name: &str) -> PgResult<()> {
        self.check_role_name(name)?;
        self.change_role(oid, |row| row.rolname = name.into())
    }

    /// Makes `member` a member of `role`, or changes the terms on which it is one.
    ///
    /// # Errors
    /// `0LP01` when `role` is a member of `member`.
    pub fn grant_role(&self, role: Oid, member: Oid, grantor: Oid, admin_option: bool) -> PgResult<()> {
        let name = |oid| -> PgResult<String> {
            Ok(self.view().role_by_oid(oid)?.map_or_else(String::new, |row| row.rolname.to_string()))
        };
        if self.view().roles_of(role, false)?.contains(&member) {
            return Err(PgError::new(
                code::INVALID_GRANT_OPERATION,
                format!("role \"{}\" is a member of role \"{}\"", name(role)?, name(member)?),
            ));
        }
        let row = PgAuthMembers { roleid: role, member, grantor, admin_option };
        let key = [Datum::Oid(role), Datum::Oid(member)];
        match self.find::<PgAuthMembers>(index::AUTH_MEMBERS_ROLE, &key)?.pop() {
            Some((id, old)) => self.update(id, &old, &row),
            None => self.insert(&row).map(|_| ()),
        }
    }

    /// Ends a membership, or only its admin option. False when there was none.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn revoke_role(&self, role: Oid, member: Oid, only_admin_option: bool) -> PgResult<bool> {
        let key = [Datum::Oid(role), Datum::Oid(member)];
        let Some((id, old)) = self.find::<PgAuthMembers>(index::AUTH_MEMBERS_ROLE, &key)?.pop() else {
            return Ok(false);
        };
        if only_admin_option {
            self.update(id, &old, &PgAuthMembers { admin_option: false, ..old.clone() })?;
        } else {
            self.remove(id, &old)?;
        }
        Ok(true)
    }

    /// Removes a role, its memberships and its settings.
    ///
    /// # Errors
    /// `2BP01` when something belongs to it or names it in its privileges.
    pub fn drop_role(&self, oid: Oid) -> PgResult<()> {
        let (id, row) = self.find_oid::<PgAuthid>(index::AUTHID_OID, oid)?;
        if ObjectAddress::new(class::ROLE, oid).is_pinned() {
            return Err(PgError::new(
                code::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop role {} because it is required by the database system", row.rolname),
            ));
        }
        let details = self.role_dependents(oid)?;
        if !details.is_empty() {
            return Err(PgError::new(
                code::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("role \"{}\" cannot be dropped because some objects depend on it", row.rolname),
            )
            .detail(details.join("\n")));
        }
        self.remove_all::<PgAuthMembers>(index::AUTH_MEMBERS_ROLE, &[Datum::Oid(oid)])?;
        self.remove_all::<PgAuthMembers>(index::AUTH_MEMBERS_MEMBER, &[Datum::Oid(oid)])?;
        for (id, setting) in crate::store::scan_rows::<PgDbRoleSetting>(self.store)? {
            if setting.setrole == oid {
                self.remove(id, &setting)?;
            }
        }
        self.set_comment(ObjectAddress::new(class::ROLE, oid), None)?;
        self.remove(id, &row)
    }

    /// One line for each object that needs a role, in order of object, and one for each other database.
    fn role_dependents(&self, role: Oid) -> PgResult<Vec<String>> {
        let key = [Datum::Oid(class::ROLE), Datum::Oid(role)];
        let mut rows: Vec<PgShdepend> =
            self.find(index::SHDEPEND_REFERENCE, &key)?.into_iter().map(|(_, row)| row).collect();
        rows.sort_by_key(|row| (row.dbid, row.classid, row.objid, row.objsubid));
        let here = self.view().database();
        let (own, elsewhere): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.dbid == here || row.dbid == 0);
        let mut lines = Vec::new();
        for row in own {
            let object = ObjectAddress { class: row.classid, object: row.objid, sub: row.objsubid };
            let object = self.describe(object)?;
            lines.push(match row.deptype {
                'o' => format!("owner of {object}"),
                'a' => format!("privileges for {object}"),
                'r' => format!("target of {object}"),
                _ => object,
            });
        }
        for database in elsewhere.chunk_by(|a, b| a.dbid == b.dbid) {
            let name = self.view().database_by_oid(database[0].dbid)?;
            let name = name.map_or_else(String::new, |row| row.datname.to_string());
            let objects = if database.len() == 1 { "object" } else { "objects" };
            lines.push(format!("{} {objects} in database {name}", database.len()));
        }
        Ok(lines)
    }
}
