//! Views and rewrite rules.

use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::index_oids as index;
use crate::rows::PgRewrite;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};

/// The rule that makes a relation a view.
const RETURN_RULE: &str = "_RETURN";

impl Ddl<'_> {
    /// Sets a view's (or materialised view's) query, as canonical SQL text, with everything that it
    /// refers to.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn set_view_query(&self, view: Oid, query: &str, referenced: &[ObjectAddress]) -> PgResult<()> {
        let key = [Datum::Oid(view), Datum::text(RETURN_RULE)];
        if let Some((id, old)) = self.find::<PgRewrite>(index::REWRITE_EV_CLASS, &key)?.pop() {
            let rule = ObjectAddress::new(class::REWRITE, old.oid);
            self.update(id, &old, &PgRewrite { ev_action: query.into(), ..old.clone() })?;
            self.forget_dependencies(rule, Some(DependencyKind::Normal), None)?;
            return self.record_dependencies(rule, referenced, DependencyKind::Normal);
        }
        self.create_rule(
            &PgRewrite {
                oid: 0,
                rulename: RETURN_RULE.into(),
                ev_class: view,
                ev_type: '1',
                ev_enabled: 'O',
                is_instead: true,
                ev_qual: "<>".into(),
                ev_action: query.into(),
            },
            referenced,
        )?;
        Ok(())
    }

    /// Adds a rewrite rule (its `oid` is filled in) and returns its OID.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn create_rule(&self, rule: &PgRewrite, referenced: &[ObjectAddress]) -> PgResult<Oid> {
        let oid = self.allocate_oid()?;
        self.insert(&PgRewrite { oid, ..rule.clone() })?;
        let address = ObjectAddress::new(class::REWRITE, oid);
        let kind =
            if &*rule.rulename == RETURN_RULE { DependencyKind::Internal } else { DependencyKind::Auto };
        self.record_dependency(address, ObjectAddress::relation(rule.ev_class), kind)?;
        self.record_dependencies(address, referenced, DependencyKind::Normal)?;
        self.change_relation(rule.ev_class, |row| row.relhasrules = true)?;
        Ok(oid)
    }
}
