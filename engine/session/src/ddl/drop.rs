//! DROP of objects that have names in schemas, and of schemas.

use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Behavior, Ddl, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{Drop, DropBehavior, ObjectRef, ObjectType};
use redoubt_txn::LockMode;

impl Session {
    pub(crate) fn drop_objects(&mut self, drop: &Drop) -> PgResult<()> {
        if drop.concurrently {
            return Err(PgError::unsupported("DROP INDEX CONCURRENTLY"));
        }
        if !matches!(drop.object, ObjectType::Table | ObjectType::Schema) {
            return Err(PgError::unsupported(format!("DROP {}", drop.object.tag_words())));
        }
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let mut addresses = Vec::with_capacity(drop.targets.len());
        for target in &drop.targets {
            let found = match drop.object {
                ObjectType::Schema => self.find_schema(&access, target)?,
                _ => self.find_table(&access, target)?,
            };
            match found {
                Some(address) => addresses.push(address),
                None => self.missing(drop, target)?,
            }
        }
        // The name is looked up again under the lock: what it meant may have gone meanwhile.
        let access = Access::current(self)?;
        let behavior = match drop.behavior {
            DropBehavior::Restrict => Behavior::Restrict,
            DropBehavior::Cascade => Behavior::Cascade,
        };
        let dropped = Ddl::new(access.store(), &access.path).drop_objects(&addresses, behavior)?;
        self.notices.borrow_mut().extend(dropped.notices);
        Ok(())
    }

    fn find_schema(&self, access: &Access<'_>, target: &ObjectRef) -> PgResult<Option<ObjectAddress>> {
        let row = access.catalog().namespace_by_name(target.name.last().as_str())?;
        Ok(row.map(|row| ObjectAddress::new(class::NAMESPACE, row.oid)))
    }

    fn find_table(&self, access: &Access<'_>, target: &ObjectRef) -> PgResult<Option<ObjectAddress>> {
        let name = target.name.last().as_str();
        let catalog = access.catalog();
        let relation = match target.name.schema() {
            None => catalog.relation_in_path(&access.path, name)?,
            Some(schema) => match catalog.namespace_by_name(schema.as_str())? {
                Some(namespace) => catalog.relation_by_name(namespace.oid, name)?,
                None => None,
            },
        };
        let Some(relation) = relation else { return Ok(None) };
        if relation.kind != 'r' {
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a table")));
        }
        const FIRST_NORMAL_OID: Oid = 16384;
        if relation.oid < FIRST_NORMAL_OID {
            let message = format!("permission denied: \"{name}\" is a system catalog");
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
        }
        self.lock_relation(access, relation.oid, LockMode::AccessExclusive)?;
        Ok(Some(ObjectAddress::relation(relation.oid)))
    }

    /// A name that stands for nothing: an error, or with IF EXISTS a notice.
    fn missing(&self, drop: &Drop, target: &ObjectRef) -> PgResult<()> {
        let name = target.name.last().as_str();
        let (code, message) = match drop.object {
            ObjectType::Schema => (code::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")),
            _ => (code::UNDEFINED_TABLE, format!("table \"{name}\" does not exist")),
        };
        if drop.if_exists {
            self.note(code::SUCCESSFUL_COMPLETION, format!("{message}, skipping"));
            return Ok(());
        }
        Err(PgError::new(code, message))
    }
}
