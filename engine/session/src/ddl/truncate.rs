//! TRUNCATE: new, empty storage in the place of the old, which stays if the transaction fails
//! (PostgreSQL's `ExecuteTruncate`).

use super::lookup::check_not_system;
use super::move_object::owned_sequences;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::acl::Privileges;
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{DropBehavior, RelationName};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    /// Empties tables.
    pub(crate) fn truncate(
        &mut self,
        relations: &[RelationName],
        restart_identity: bool,
        behavior: DropBehavior,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        let mut tables: Vec<Arc<Relation>> = Vec::with_capacity(relations.len());
        for relation in relations {
            // Whoever may not empty a table does not wait for it either.
            let access = Access::current(self)?;
            self.check_may_truncate(&access, &*access.relation_named(&relation.name)?)?;
            let table = self.lock_existing(&relation.name, LockMode::AccessExclusive)?;
            if tables.iter().any(|known| known.oid == table.oid) {
                continue;
            }
            self.check_truncatable(&table)?;
            tables.push(table);
        }
        match behavior {
            DropBehavior::Cascade => self.add_referencing(&mut tables)?,
            DropBehavior::Restrict => self.refuse_referencing(&tables)?,
        }
        for table in &tables {
            self.empty(table.oid)?;
            if restart_identity {
                self.restart_sequences_of(table)?;
            }
        }
        Ok(())
    }

    /// RESTART IDENTITY: the sequences of a table's columns begin again, unless the transaction fails.
    fn restart_sequences_of(&self, table: &Relation) -> PgResult<()> {
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        for sequence in owned_sequences(&access, &ddl, table)? {
            let address = redoubt_catalog::ddl::ObjectAddress::relation(sequence);
            self.check_object_owner(&access, address, false)?;
            self.lock_relation(&access, sequence, LockMode::AccessExclusive)?;
            self.restart_sequence(&access, &*access.relation(sequence)?)?;
        }
        Ok(())
    }

    fn check_may_truncate(&self, access: &Access<'_>, table: &Relation) -> PgResult<()> {
        match table.kind {
            'r' => {}
            'p' => return Err(PgError::unsupported("TRUNCATE of partitioned tables")),
            _ => {
                let message = format!("\"{}\" is not a table", table.name);
                return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
            }
        }
        check_not_system(table)?;
        let catalog = access.catalog();
        let held = catalog.privileges_on_relation(self.facts.user_oid, table)?;
        if !self.facts.superuser && held.intersection(Privileges::TRUNCATE).is_empty() {
            let message = format!("permission denied for table {}", table.name);
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
        }
        Ok(())
    }

    fn check_truncatable(&self, table: &Relation) -> PgResult<()> {
        let access = Access::current(self)?;
        self.check_may_truncate(&access, table)?;
        if table.persistence == 't' && access.own_temporary_schema() != Some(table.namespace) {
            let message = "cannot truncate temporary tables of other sessions";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        self.check_not_in_use(table, "TRUNCATE")
    }

    /// CASCADE: whatever refers to a table is emptied too.
    fn add_referencing(&self, tables: &mut Vec<Arc<Relation>>) -> PgResult<()> {
        let mut done = 0;
        while done < tables.len() {
            let access = Access::current(self)?;
            let mut referencing = self.referencing(&access, &tables[done])?;
            done += 1;
            referencing.retain(|oid| tables.iter().all(|table| table.oid != *oid));
            for oid in referencing {
                self.lock_relation(&access, oid, LockMode::AccessExclusive)?;
                let table = Access::current(self)?.relation(oid)?;
                let message = format!("truncate cascades to table \"{}\"", table.name);
                self.note(code::SUCCESSFUL_COMPLETION, message);
                self.check_truncatable(&table)?;
                tables.push(table);
            }
        }
        Ok(())
    }

    /// RESTRICT: what refers to a table must be emptied by the same statement.
    fn refuse_referencing(&self, tables: &[Arc<Relation>]) -> PgResult<()> {
        let access = Access::current(self)?;
        for table in tables {
            for oid in self.referencing(&access, table)? {
                if tables.iter().any(|known| known.oid == oid) {
                    continue;
                }
                let other = access.relation(oid)?;
                let message = "cannot truncate a table referenced in a foreign key constraint";
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message)
                    .detail(format!("Table \"{}\" references \"{}\".", other.name, table.name))
                    .hint(format!(
                        "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                        other.name
                    )));
            }
        }
        Ok(())
    }

    /// The tables with foreign keys to a table, in order of OID.
    pub(crate) fn referencing(&self, access: &Access<'_>, table: &Relation) -> PgResult<Vec<Oid>> {
        let mut found = Vec::new();
        let table = access.relation(table.oid)?;
        for trigger in table.triggers.iter().filter(|trigger| trigger.tgconstraint != 0) {
            let constraint = access.catalog().constraint_by_oid(trigger.tgconstraint)?;
            if let Some(row) = constraint
                && row.contype == 'f'
                && row.confrelid == table.oid
            {
                found.push(row.conrelid);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Gives a table and its indexes new, empty storage.
    pub(crate) fn empty(&self, table: Oid) -> PgResult<()> {
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.replace_storage(table)?;
        for index in &relation.indexes {
            ddl.replace_storage(*index)?;
            // Nothing is in it, so nothing is missing for older snapshots; they see the table empty as well.
            ddl.change_index(*index, |row| row.indcheckxmin = false)?;
        }
        Ok(())
    }

    /// No portal of the session may be reading a table that is about to change under it.
    pub(crate) fn check_not_in_use(&self, table: &Relation, statement: &str) -> PgResult<()> {
        if self.portals.values().all(|portal| !portal.reads(table.oid)) {
            return Ok(());
        }
        let message = format!(
            "cannot {statement} \"{}\" because it is being used by active queries in this session",
            table.name
        );
        Err(PgError::new(code::OBJECT_IN_USE, message))
    }
}
