//! ALTER TABLE ... ADD CONSTRAINT.

use super::new_column::Constraints;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::Ddl;
use redoubt_error::PgResult;
use redoubt_functions::Oid;
use redoubt_sql::tree::TableConstraint;

impl Session {
    /// Adds a constraint to a table that the transaction has locked; its rows must obey it.
    pub(crate) fn add_constraint(&self, table: Oid, constraint: &TableConstraint) -> PgResult<()> {
        let mut constraints = Constraints::default();
        constraints.take(constraint)?;
        if let Some(name) = &constraint.name {
            let access = Access::current(self)?;
            Ddl::new(access.store(), &access.path).check_constraint_name(table, 0, name.as_str())?;
        }
        self.add_checks(table, &constraints.checks, true)?;
        for key in &constraints.keys {
            self.add_key(table, key, true)?;
        }
        for key in &constraints.foreign_keys {
            self.add_foreign_key(table, key, true)?;
        }
        Ok(())
    }
}
