//! REINDEX: indexes are made again from their tables, and take their own places when the transaction commits.

use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::ObjectAddress;
use redoubt_catalog::rows::PgClass;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{DefElem, ObjectName, ReindexKind};
use redoubt_txn::LockMode;

/// Objects with lower OIDs came with the system.
const FIRST_NORMAL_OID: Oid = 16384;

impl Session {
    /// REINDEX INDEX, TABLE and SCHEMA.
    pub(crate) fn reindex(
        &mut self,
        kind: ReindexKind,
        options: &[DefElem],
        name: Option<&ObjectName>,
    ) -> PgResult<()> {
        if let Some(option) = options.first() {
            return Err(PgError::unsupported(format!("REINDEX ({})", option.name.as_str().to_uppercase())));
        }
        let name = name.ok_or_else(|| PgError::internal("REINDEX names something"))?;
        match kind {
            ReindexKind::Index => {
                self.ensure_transaction()?;
                self.reindex_index(name)
            }
            ReindexKind::Table => {
                self.ensure_transaction()?;
                let table = self.lock_existing(name, LockMode::Share)?;
                if !matches!(table.kind, 'r' | 'm') {
                    let message = format!("\"{}\" is not a table or materialized view", table.name);
                    return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
                }
                let access = Access::current(self)?;
                self.check_object_owner(&access, ObjectAddress::relation(table.oid), false)?;
                self.reindex_table(&table)
            }
            ReindexKind::Schema => {
                self.block.check_outside("REINDEX SCHEMA")?;
                self.ensure_transaction()?;
                self.reindex_schema(name)
            }
            ReindexKind::System => Err(PgError::unsupported("REINDEX SYSTEM")),
            ReindexKind::Database => Err(PgError::unsupported("REINDEX DATABASE")),
        }
    }

    fn reindex_index(&self, name: &ObjectName) -> PgResult<()> {
        let access = Access::current(self)?;
        let seen = access.relation_named(name)?;
        let Some(index) = access.catalog().index_by_oid(seen.oid)? else {
            let message = format!("\"{}\" is not an index", seen.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        };
        self.check_object_owner(&access, ObjectAddress::relation(seen.oid), false)?;
        refuse_system(&seen)?;
        // Whoever uses an index has locked its table alone.
        self.lock_relation(&access, index.table, LockMode::AccessExclusive)?;
        let found = self.lock_existing(name, LockMode::AccessExclusive)?;
        if found.oid != seen.oid {
            let message = format!("relation \"{}\" was replaced while it was waited for", seen.name);
            return Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        self.rebuild_index(index.table, index.oid)
    }

    fn reindex_table(&self, table: &Relation) -> PgResult<()> {
        refuse_system(table)?;
        let access = Access::current(self)?;
        // The trees that readers are in are about to go.
        self.lock_relation(&access, table.oid, LockMode::AccessExclusive)?;
        self.check_not_in_use(table, "REINDEX")?;
        let table = Access::current(self)?.relation(table.oid)?;
        if table.indexes.is_empty() {
            self.note(
                code::SUCCESSFUL_COMPLETION,
                format!("table \"{}\" has no indexes to reindex", table.name),
            );
            return Ok(());
        }
        self.rebuild_indexes(table.oid)
    }

    fn reindex_schema(&self, name: &ObjectName) -> PgResult<()> {
        let access = Access::current(self)?;
        let schema = access.schema_named(name.last().as_str())?;
        let address = ObjectAddress::new(redoubt_catalog::ddl::class::NAMESPACE, schema);
        self.check_object_owner(&access, address, false)?;
        let mut classes = access.catalog().scan::<PgClass>()?;
        classes.retain(|class| class.relnamespace == schema && matches!(class.relkind, 'r' | 'm'));
        classes.sort_by_key(|class| class.oid);
        drop(access);
        for class in classes {
            let access = Access::current(self)?;
            let Some(table) = access.catalog().relation_by_oid(class.oid)? else { continue };
            if table.indexes.is_empty() {
                continue;
            }
            self.reindex_table(&table)?;
        }
        Ok(())
    }
}

/// The trees of system catalogs are found by number, before there is a catalog to look into.
fn refuse_system(relation: &Relation) -> PgResult<()> {
    if relation.oid >= FIRST_NORMAL_OID {
        return Ok(());
    }
    Err(PgError::unsupported("REINDEX of system catalogs"))
}
