//! Foreign keys.

use super::CatalogFacts;
use crate::facts::{ForeignAction, ForeignKey};
use redoubt_catalog::Relation;
use redoubt_catalog::rows::PgConstraint;
use redoubt_error::{PgError, PgResult};
use std::sync::Arc;

impl CatalogFacts<'_> {
    /// The foreign keys of any table that refer to this one, in order of OID.
    pub(super) fn referencing(&self, relation: &Relation) -> PgResult<Vec<Arc<ForeignKey>>> {
        // Each has triggers on the table referred to, as in PostgreSQL.
        let mut constraints: Vec<_> = relation
            .triggers
            .iter()
            .filter(|trigger| trigger.tgisinternal)
            .map(|trigger| trigger.tgconstraint)
            .collect();
        constraints.sort_unstable();
        constraints.dedup();
        let mut keys = Vec::new();
        for oid in constraints.into_iter().filter(|oid| *oid != 0) {
            let Some(constraint) = self.view.constraint_by_oid(oid)? else { continue };
            if constraint.contype == 'f' && constraint.confrelid == relation.oid {
                keys.push(Arc::new(self.foreign_key(&constraint)?));
            }
        }
        Ok(keys)
    }

    pub(super) fn foreign_key(&self, row: &PgConstraint) -> PgResult<ForeignKey> {
        let table = self.relation(row.conrelid)?;
        let referenced = self.relation(row.confrelid)?;
        let index = self.view.index_by_oid(row.conindid)?.ok_or_else(|| {
            PgError::internal(format!("foreign key {} has no index on the table it refers to", row.conname))
        })?;
        Ok(ForeignKey {
            oid: row.oid,
            name: row.conname.clone(),
            table: row.conrelid,
            table_name: table.name.clone(),
            table_schema: self.schema_name(table.namespace)?,
            columns: row.conkey.clone().unwrap_or_default(),
            referenced: row.confrelid,
            referenced_name: referenced.name.clone(),
            referenced_schema: self.schema_name(referenced.namespace)?,
            referenced_columns: row.confkey.clone().unwrap_or_default(),
            referenced_desc: referenced.desc.clone(),
            desc: table.desc.clone(),
            index: Arc::new(self.index_facts(&referenced, &index)?),
            equalities: row.conpfeqop.clone().unwrap_or_default(),
            on_delete: action(row.confdeltype),
            on_update: action(row.confupdtype),
            delete_set_columns: row.confdelsetcols.clone().unwrap_or_default(),
            match_full: row.confmatchtype == 'f',
            deferrable: row.condeferrable,
            initially_deferred: row.condeferred,
        })
    }
}

fn action(code: char) -> ForeignAction {
    match code {
        'r' => ForeignAction::Restrict,
        'c' => ForeignAction::Cascade,
        'n' => ForeignAction::SetNull,
        'd' => ForeignAction::SetDefault,
        _ => ForeignAction::NoAction,
    }
}
