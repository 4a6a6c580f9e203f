//! Who may do what: privileges of a role on an object, with what it inherits.

use super::CatalogView;
use crate::acl::{Acl, AclObject, Privileges};
use crate::relation::Relation;
use redoubt_error::PgResult;
use redoubt_functions::Oid;

/// The predefined roles that may read, and write, everything.
const READ_ALL_DATA: Oid = 6181;
const WRITE_ALL_DATA: Oid = 6182;

impl CatalogView<'_> {
    /// Whether the role is a superuser.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn is_superuser(&self, role: Oid) -> PgResult<bool> {
        Ok(self.role_by_oid(role)?.is_some_and(|row| row.rolsuper))
    }

    /// Whether `role` has all that `of` has: it is the same, or inherits from it, or is a superuser.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn has_privileges_of(&self, role: Oid, of: Oid) -> PgResult<bool> {
        Ok(role == of || self.is_superuser(role)? || self.roles_of(role, true)?.contains(&of))
    }

    /// Whether `role` may SET ROLE to `of`, or is a superuser.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn is_member_of(&self, role: Oid, of: Oid) -> PgResult<bool> {
        Ok(role == of || self.is_superuser(role)? || self.roles_of(role, false)?.contains(&of))
    }

    /// What a role may do with an object: all for superusers, else what the list (or its default) grants it
    /// and the roles that it inherits from.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn privileges(
        &self,
        role: Oid,
        kind: AclObject,
        owner: Oid,
        acl: Option<&Acl>,
    ) -> PgResult<Privileges> {
        if self.is_superuser(role)? {
            return Ok(kind.all());
        }
        let default;
        let acl = match acl {
            Some(acl) => acl,
            None if role == owner => return Ok(kind.all()),
            None => {
                default = Acl::default_for(kind, owner);
                &default
            }
        };
        let roles = self.roles_of(role, true)?;
        Ok(acl.privileges(|grantee| roles.contains(&grantee)))
    }

    /// What a role may do with a table, view or sequence as a whole. System catalogs are written by nobody
    /// but superusers.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn privileges_on_relation(&self, role: Oid, relation: &Relation) -> PgResult<Privileges> {
        let kind = if relation.kind == 'S' { AclObject::Sequence } else { AclObject::Table };
        let acl = relation.class.relacl.as_ref();
        let mut held = self.privileges(role, kind, relation.owner, acl)?;
        let read = Privileges::SELECT;
        let write = Privileges::INSERT.union(Privileges::UPDATE).union(Privileges::DELETE);
        if !held.contains(read) && self.has_privileges_of(role, READ_ALL_DATA)? {
            held = held.union(read);
        }
        if !held.contains(write) && self.has_privileges_of(role, WRITE_ALL_DATA)? {
            held = held.union(write);
        }
        let is_catalog = relation.namespace == crate::ddl::PG_CATALOG
            && relation.oid < crate::memory::FIRST_NORMAL_OID
            && relation.kind != 'v';
        if is_catalog && !self.is_superuser(role)? {
            held = held.intersection(read.union(Privileges::REFERENCES).union(Privileges::TRIGGER));
        }
        Ok(held)
    }

    /// What a role may do with one column, beyond what it may with the table.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn privileges_on_column(&self, role: Oid, relation: &Relation, attnum: i16) -> PgResult<Privileges> {
        let column = usize::try_from(attnum - 1).ok().and_then(|at| relation.attributes.get(at));
        let Some(acl) = column.and_then(|column| column.attacl.as_ref()) else {
            return Ok(Privileges::NONE);
        };
        self.privileges(role, AclObject::Column, relation.owner, Some(acl))
    }
}
