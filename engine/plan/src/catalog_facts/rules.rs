//! What changing a table's rows must obey.

use super::CatalogFacts;
use crate::facts::TableRules;
use redoubt_analyze::{analyze_check, analyze_generated};
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult};
use std::sync::Arc;

impl CatalogFacts<'_> {
    pub(super) fn rules_of(&self, relation: &Relation) -> PgResult<TableRules> {
        let shape = self.shape(relation);
        let mut rules = TableRules {
            desc: relation.desc.clone(),
            indexes: Vec::new(),
            checks: Vec::new(),
            generated: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
        };
        for index in self.view.indexes_of(relation)? {
            rules.indexes.push(Arc::new(self.index_facts(relation, &index)?));
        }
        for check in relation.checks() {
            let text = check.conbin.as_deref().unwrap_or_default();
            let raw = redoubt_sql::parse_expression(text)?;
            rules.checks.push((check.conname.clone(), analyze_check(&raw, &shape, self.analysis())?));
        }
        for (at, attribute) in relation.desc.attrs.iter().enumerate() {
            if attribute.generated == 0 || attribute.dropped {
                continue;
            }
            let attno = at as i16 + 1;
            let default = relation.default_of(attno).ok_or_else(|| {
                PgError::internal(format!("generated column {} has no expression", attribute.name))
            })?;
            let raw = redoubt_sql::parse_expression(&default.expression)?;
            rules.generated.push((attno, analyze_generated(&raw, attribute, &shape, self.analysis())?));
        }
        self.refuse_triggers(relation)?;
        for constraint in relation.foreign_keys() {
            rules.foreign_keys.push(Arc::new(self.foreign_key(constraint)?));
        }
        rules.referenced_by = self.referencing(relation)?;
        Ok(rules)
    }

    pub(super) fn schema_name(&self, oid: redoubt_functions::Oid) -> PgResult<Arc<str>> {
        Ok(self.view.namespace_by_oid(oid)?.map_or_else(|| "".into(), |row| row.nspname.clone()))
    }

    /// Triggers, rules and policies that would change what DML does must not be passed over.
    fn refuse_triggers(&self, relation: &Relation) -> PgResult<()> {
        let fires = relation.triggers.iter().any(|trigger| !trigger.tgisinternal && trigger.tgenabled != 'D');
        if fires {
            return Err(PgError::unsupported(format!(
                "changing table \"{}\", which has triggers",
                relation.name
            )));
        }
        if !relation.rules.is_empty() {
            return Err(PgError::unsupported(format!(
                "changing table \"{}\", which has rules",
                relation.name
            )));
        }
        Ok(())
    }
}
