//! What all databases share: roles, databases, tablespaces.

use super::CatalogView;
use crate::cache::{KeyRef, Lookup};
use crate::index_oids as index;
use crate::rows::{PgAuthMembers, PgAuthid, PgDatabase, PgTablespace};
use crate::store::probe_one;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// `pg_authid.oid` of `pg_database_owner`, whose one member is the owner of the session's database.
const DATABASE_OWNER: Oid = 6171;

impl CatalogView<'_> {
    /// The role with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn role_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgAuthid>>> {
        self.row(KeyRef::oid(Lookup::RoleByOid, oid), index::AUTHID_OID, &[Datum::Oid(oid)])
    }

    /// The role with this name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn role_by_name(&self, name: &str) -> PgResult<Option<Arc<PgAuthid>>> {
        let oid = self.oid(KeyRef::name(Lookup::RoleByName, 0, name), |store| {
            let row: Option<PgAuthid> = probe_one(store, index::AUTHID_NAME, &[Datum::text(name)])?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.role_by_oid(oid))
    }

    /// The roles that this one is a direct member of.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn memberships_of(&self, member: Oid) -> PgResult<Arc<Vec<Arc<PgAuthMembers>>>> {
        let key = KeyRef::oid(Lookup::MembershipsByMember, member);
        self.list(key, index::AUTH_MEMBERS_MEMBER, &[Datum::Oid(member)])
    }

    /// The role and every role it is a member of, directly or not. `only_inherited` leaves out what
    /// roles marked NOINHERIT must SET ROLE for.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn roles_of(&self, role: Oid, only_inherited: bool) -> PgResult<Vec<Oid>> {
        let mut roles = vec![role];
        let mut next = 0;
        let owner = self.database_by_oid(self.database())?.map_or(0, |row| row.datdba);
        while let Some(&member) = roles.get(next) {
            next += 1;
            if only_inherited && !self.role_by_oid(member)?.is_some_and(|row| row.rolinherit) {
                continue;
            }
            for membership in self.memberships_of(member)?.iter() {
                if !roles.contains(&membership.roleid) {
                    roles.push(membership.roleid);
                }
            }
            if member == owner && !roles.contains(&DATABASE_OWNER) {
                roles.push(DATABASE_OWNER);
            }
        }
        Ok(roles)
    }

    /// The database with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn database_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgDatabase>>> {
        self.row(KeyRef::oid(Lookup::DatabaseByOid, oid), index::DATABASE_OID, &[Datum::Oid(oid)])
    }

    /// The database with this name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn database_by_name(&self, name: &str) -> PgResult<Option<Arc<PgDatabase>>> {
        let oid = self.oid(KeyRef::name(Lookup::DatabaseByName, 0, name), |store| {
            let row: Option<PgDatabase> = probe_one(store, index::DATABASE_NAME, &[Datum::text(name)])?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.database_by_oid(oid))
    }

    /// The tablespace with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn tablespace_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgTablespace>>> {
        self.row(KeyRef::oid(Lookup::TablespaceByOid, oid), index::TABLESPACE_OID, &[Datum::Oid(oid)])
    }

    /// The tablespace with this name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn tablespace_by_name(&self, name: &str) -> PgResult<Option<Arc<PgTablespace>>> {
        let oid = self.oid(KeyRef::name(Lookup::TablespaceByName, 0, name), |store| {
            let row: Option<PgTablespace> = probe_one(store, index::TABLESPACE_NAME, &[Datum::text(name)])?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.tablespace_by_oid(oid))
    }
}
