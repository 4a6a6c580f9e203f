//! DROP: the names are found by kind, the objects and what hangs on them go by the dependencies of the
//! catalogs.

use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Behavior, Ddl, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, SqlState, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{Drop, DropBehavior, ObjectRef};
use redoubt_txn::LockMode;

/// Objects with lower OIDs came with the system.
const FIRST_NORMAL_OID: Oid = 16384;

impl Session {
    pub(crate) fn drop_objects(&mut self, drop: &Drop) -> PgResult<()> {
        if drop.concurrently {
            return Err(PgError::unsupported("DROP INDEX CONCURRENTLY"));
        }
        self.ensure_transaction()?;
        let mut addresses = Vec::with_capacity(drop.targets.len());
        for target in &drop.targets {
            match self.find_and_lock(drop, target) {
                Ok(address) => addresses.push(address),
                Err(error) if drop.if_exists && is_missing(error.code()) => {
                    self.note(code::SUCCESSFUL_COMPLETION, format!("{}, skipping", error.message()));
                }
                Err(error) => return Err(error),
            }
        }
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        let dropped = ddl.drop_objects(&addresses, behavior_of(drop.behavior))?;
        self.notices.borrow_mut().extend(dropped.notices);
        Ok(())
    }

    /// The object, locked if it is a relation. What the name means may have changed while the lock was waited for: it
    /// is looked up again.
    fn find_and_lock(&self, drop: &Drop, target: &ObjectRef) -> PgResult<ObjectAddress> {
        let mut locked = None;
        loop {
            let access = Access::current(self)?;
            let address = self.find_object(&access, drop.object, target)?;
            if address.class != class::RELATION {
                self.check_may_drop(&access, address)?;
                return Ok(address);
            }
            if locked == Some(address) {
                if let Some(relation) = access.catalog().relation_by_oid(address.object)? {
                    self.check_not_in_use(&relation, &format!("DROP {}", drop.object.tag_words()))?;
                }
                return Ok(address);
            }
            self.check_may_drop(&access, address)?;
            // Whoever uses a table uses its indexes, and locks the table alone.
            if let Some(index) = access.catalog().index_by_oid(address.object)? {
                self.lock_relation(&access, index.table, LockMode::AccessExclusive)?;
            }
            self.lock_relation(&access, address.object, LockMode::AccessExclusive)?;
            locked = Some(address);
        }
    }

    /// The owner of an object, or of its schema, may drop it.
    fn check_may_drop(&self, access: &Access<'_>, address: ObjectAddress) -> PgResult<()> {
        if address.class == class::RELATION && address.object < FIRST_NORMAL_OID {
            let relation = access.catalog().relation_by_oid(address.object)?;
            let name = relation.map_or_else(String::new, |relation| relation.name.to_string());
            let message = format!("permission denied: \"{name}\" is a system catalog");
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
        }
        self.check_object_owner(access, address, true)
    }
}

/// CASCADE or RESTRICT.
pub(super) fn behavior_of(behavior: DropBehavior) -> Behavior {
    match behavior {
        DropBehavior::Restrict => Behavior::Restrict,
        DropBehavior::Cascade => Behavior::Cascade,
    }
}

/// Errors that IF EXISTS turns into notices.
fn is_missing(code: SqlState) -> bool {
    [
        code::UNDEFINED_TABLE,
        code::UNDEFINED_OBJECT,
        code::UNDEFINED_FUNCTION,
        code::INVALID_SCHEMA_NAME,
        code::UNDEFINED_SCHEMA,
    ]
    .contains(&code)
}
