//! Privileges that objects get when they are made: ALTER DEFAULT PRIVILEGES (`pg_default_acl`).

use super::{Behavior, Ddl, ObjectAddress, ObjectTies, class};
use crate::acl::{Acl, AclItem, AclObject};
use crate::rows::PgDefaultAcl;
use crate::store::RowId;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};

/// `pg_default_acl_role_nsp_obj_index`.
const ROLE_SCHEMA_KIND: Oid = 827;

impl Ddl<'_> {
    /// What a role has set for the objects of a kind (`pg_default_acl.defaclobjtype`) that it makes in a schema, or
    /// with schema 0 in all of them.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn find_default_acl(
        &self,
        role: Oid,
        schema: Oid,
        letter: char,
    ) -> PgResult<Option<(RowId, PgDefaultAcl)>> {
        let rows = self.find::<PgDefaultAcl>(ROLE_SCHEMA_KIND, &[Datum::Oid(role), Datum::Oid(schema)])?;
        Ok(rows.into_iter().find(|(_, row)| row.defaclobjtype == letter))
    }

    /// Sets or removes what [`Ddl::find_default_acl`] finds.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn set_default_acl(&self, role: Oid, schema: Oid, letter: char, acl: Option<Acl>) -> PgResult<()> {
        let known = self.find_default_acl(role, schema, letter)?;
        let address = |oid| ObjectAddress::new(class::DEFAULT_ACL, oid);
        match (known, acl) {
            (None, None) => Ok(()),
            (Some((_, row)), None) => {
                self.drop_objects(&[address(row.oid)], Behavior::Restrict)?;
                Ok(())
            }
            (Some((id, old)), Some(acl)) => {
                let roles = super::relations::acl_roles(&acl);
                self.update(id, &old, &PgDefaultAcl { defaclacl: acl, ..old.clone() })?;
                self.record_acl_roles(address(old.oid), role, &roles)
            }
            (None, Some(acl)) => {
                let oid = self.allocate_oid()?;
                let roles = super::relations::acl_roles(&acl);
                let row = PgDefaultAcl {
                    oid,
                    defaclrole: role,
                    defaclnamespace: schema,
                    defaclobjtype: letter,
                    defaclacl: acl,
                };
                let schema = [ObjectAddress::new(class::NAMESPACE, schema)];
                let goes_with: &[ObjectAddress] = if schema[0].object == 0 { &[] } else { &schema };
                self.create_object(
                    &row,
                    oid,
                    &ObjectTies { owner: role, goes_with, ..ObjectTies::default() },
                )?;
                self.record_acl_roles(address(oid), role, &roles)
            }
        }
    }

    /// The privileges of a new object: those set for all schemas and those set for its own, together. `None` is the
    /// kind's default.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn acl_of_new(
        &self,
        letter: char,
        kind: AclObject,
        owner: Oid,
        schema: Oid,
    ) -> PgResult<Option<Acl>> {
        let everywhere = self.find_default_acl(owner, 0, letter)?;
        let here = match schema {
            0 => None,
            schema => self.find_default_acl(owner, schema, letter)?,
        };
        if everywhere.is_none() && here.is_none() {
            return Ok(None);
        }
        let default = Acl::default_for(kind, owner);
        let base = everywhere.map_or_else(|| default.clone(), |(_, row)| row.defaclacl);
        let mut items: Vec<AclItem> = base.0.to_vec();
        for item in here.iter().flat_map(|(_, row)| row.defaclacl.0.iter()) {
            match items
                .iter_mut()
                .find(|known| (known.grantee, known.grantor) == (item.grantee, item.grantor))
            {
                Some(known) => {
                    known.privileges = known.privileges.union(item.privileges);
                    known.grant_options = known.grant_options.union(item.grant_options);
                }
                None => items.push(*item),
            }
        }
        items.sort_by_key(|item| (item.grantee, item.grantor));
        Ok(Some(Acl(items.into())).filter(|acl| !same_items(acl, &default)))
    }
}

/// Whether two lists say the same, in whatever order.
pub fn same_items(a: &Acl, b: &Acl) -> bool {
    a.0.len() == b.0.len() && a.0.iter().all(|item| b.0.contains(item))
}
