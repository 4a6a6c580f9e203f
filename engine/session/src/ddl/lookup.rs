//! Finding and locking the relations that a statement is about.

use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::ObjectAddress;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::ObjectName;
use redoubt_txn::LockMode;
use std::sync::Arc;

/// Objects below belong to the system.
pub(crate) const FIRST_NORMAL_OID: Oid = 16384;

impl Session {
    /// The relation of this name, locked; nothing if there is none and that is `allowed`. The name is looked up again
    /// once the lock is held: what it meant may have gone meanwhile.
    pub(crate) fn lock_by_name(
        &self,
        name: &ObjectName,
        mode: LockMode,
        allowed: bool,
    ) -> PgResult<Option<Arc<Relation>>> {
        let mut locked = 0;
        loop {
            let access = Access::current(self)?;
            let found = match allowed {
                true => access.find_relation(name)?,
                false => Some(access.relation_named(name)?),
            };
            let Some(found) = found else { return Ok(None) };
            if found.oid == locked {
                return Ok(Some(found));
            }
            self.lock_relation(&access, found.oid, mode)?;
            locked = found.oid;
        }
    }

    /// As [`Session::lock_by_name`], for a relation that must be there.
    pub(crate) fn lock_existing(&self, name: &ObjectName, mode: LockMode) -> PgResult<Arc<Relation>> {
        let found = self.lock_by_name(name, mode, false)?;
        found.ok_or_else(|| PgError::internal("a relation that must exist was not found"))
    }

    /// Only its owner may change a relation, and nobody a system catalog.
    pub(crate) fn check_owner(&self, access: &Access<'_>, relation: &Relation) -> PgResult<()> {
        self.check_object_owner(access, ObjectAddress::relation(relation.oid), false)?;
        check_not_system(relation)
    }
}

/// System catalogs are changed by nobody.
pub(crate) fn check_not_system(relation: &Relation) -> PgResult<()> {
    if relation.oid >= FIRST_NORMAL_OID {
        return Ok(());
    }
    let message = format!("permission denied: \"{}\" is a system catalog", relation.name);
    Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
}
