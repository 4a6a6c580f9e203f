//! What the catalogs keep as text about objects that are to be renamed or moved: it is read while the old names
//! still hold, and written again under the new ones, in the same transaction.
//!
//! Why texts and not trees: docs/decisions/0010-stored-text-is-rewritten.md.

use super::stored_text::{canonical, canonical_query, read_expression, read_query, shape_of};
use crate::access::Access;
use redoubt_analyze::query::{Expr, Query};
use redoubt_analyze::rename_in_query;
use redoubt_catalog::ddl::{Ddl, ObjectAddress, class};
use redoubt_catalog::rows::{
    PgAttrdef, PgConstraint, PgDepend, PgPolicy, PgRewrite, PgStatisticExt, PgTrigger,
};
use redoubt_catalog::{Relation, index_oids, join_expressions, split_expressions};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;
use std::collections::HashSet;
use std::sync::Arc;

/// Texts as the trees that they meant when they were read.
pub(crate) struct DependentTexts(Vec<Dependent>);

enum Dependent {
    View { view: Oid, rule: Oid, query: Box<Query> },
    Default { oid: Oid, table: Oid, expr: Expr },
    Check { oid: Oid, table: Oid, expr: Expr },
    Index { oid: Oid, table: Oid, expressions: Vec<Expr>, predicate: Option<Expr> },
}

/// Finding them, by the dependencies of the catalogs.
struct Search<'a> {
    access: &'a Access<'a>,
    ddl: Ddl<'a>,
    /// Objects whose names may be in texts, and how many of them have been looked at.
    named: Vec<ObjectAddress>,
    known: HashSet<ObjectAddress>,
    /// Holders of texts that have been looked at.
    read: HashSet<ObjectAddress>,
    found: Vec<Dependent>,
}

impl DependentTexts {
    /// Reads every text that may name one of the objects. Call it before the change, under its locks.
    ///
    /// # Errors
    /// `0A000` for texts of a kind that cannot be written again; those of reading them.
    pub(crate) fn naming(access: &Access<'_>, objects: &[ObjectAddress]) -> PgResult<DependentTexts> {
        let ddl = Ddl::new(access.store(), &access.path);
        let mut search = Search {
            access,
            ddl,
            named: Vec::new(),
            known: HashSet::new(),
            read: HashSet::new(),
            found: Vec::new(),
        };
        objects.iter().for_each(|object| search.add(*object));
        let mut done = 0;
        while let Some(object) = search.named.get(done).copied() {
            done += 1;
            for row in ddl.dependents_of(object)? {
                search.take(&row)?;
            }
        }
        Ok(DependentTexts(search.found))
    }

    /// As [`DependentTexts::naming`] for a relation, whose row type shares its name.
    pub(crate) fn naming_relation(access: &Access<'_>, relation: &Relation) -> PgResult<DependentTexts> {
        let mut objects = vec![ObjectAddress::relation(relation.oid)];
        if relation.class.reltype != 0 {
            objects.push(ObjectAddress::type_(relation.class.reltype));
        }
        DependentTexts::naming(access, &objects)
    }

    /// Writes the texts again, under the names of now. `before` is the relation that has been renamed, or whose
    /// column has, as it was.
    ///
    /// # Errors
    /// Those of writing pages.
    pub(crate) fn write(self, access: &Access<'_>, before: Option<&Relation>) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        let after = before.map(|before| access.relation(before.oid)).transpose()?;
        for dependent in self.0 {
            match dependent {
                Dependent::View { view, rule, mut query } => {
                    if let (Some(before), Some(after)) = (before, &after) {
                        rename_in_query(&mut query, before, after);
                    }
                    let view = access.relation(view)?;
                    let live = view.desc.attrs.iter().filter(|attribute| !attribute.dropped);
                    let names: Vec<Arc<str>> = live.map(|attribute| attribute.name.clone()).collect();
                    let text = canonical_query(access, &query, &names)?;
                    ddl.change::<PgRewrite>(index_oids::REWRITE_OID, rule, |row| row.ev_action = text)?;
                }
                Dependent::Default { oid, table, expr } => {
                    let text = printed(access, &expr, table)?;
                    ddl.change::<PgAttrdef>(index_oids::ATTRDEF_OID, oid, |row| row.adbin = text)?;
                }
                Dependent::Check { oid, table, expr } => {
                    let text = printed(access, &expr, table)?;
                    ddl.change_constraint(oid, |row| row.conbin = Some(text))?;
                }
                Dependent::Index { oid, table, expressions, predicate } => {
                    let print = |expr: &Expr| printed(access, expr, table);
                    let texts = expressions.iter().map(print).collect::<PgResult<Vec<_>>>()?;
                    let predicate = predicate.as_ref().map(print).transpose()?;
                    ddl.change_index(oid, |row| {
                        row.indexprs = (!texts.is_empty()).then(|| join_expressions(&texts).into());
                        row.indpred = predicate;
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn printed(access: &Access<'_>, expr: &Expr, table: Oid) -> PgResult<Arc<str>> {
    canonical(access, expr, Some(&shape_of(&*access.relation(table)?)))
}

impl Search<'_> {
    fn add(&mut self, object: ObjectAddress) {
        if self.known.insert(object) {
            self.named.push(object);
        }
    }

    /// Looks at one object that depends on a named one.
    fn take(&mut self, row: &PgDepend) -> PgResult<()> {
        let object = ObjectAddress::new(row.classid, row.objid);
        match row.classid {
            // The row type of a relation, an array, a domain: their names follow, or texts reach through them.
            class::TYPE => {
                let found = self.access.catalog().type_by_oid(row.objid)?;
                refuse(found.is_some_and(|found| found.typdefaultbin.is_some()), "a domain's default")?;
                self.add(object);
            }
            // A column whose type it is: its fields are named in texts about that table.
            class::RELATION if row.objsubid != 0 => self.add(object),
            _ if !self.read.insert(object) => {}
            class::RELATION => self.take_index(row.objid)?,
            class::REWRITE => self.take_rule(row.objid)?,
            class::ATTRDEF => {
                let (_, default) = self.ddl.find_oid::<PgAttrdef>(index_oids::ATTRDEF_OID, row.objid)?;
                let expr = self.read(&default.adbin, default.adrelid)?;
                self.found.push(Dependent::Default { oid: default.oid, table: default.adrelid, expr });
            }
            class::CONSTRAINT => self.take_constraint(row.objid)?,
            class::TRIGGER => {
                let (_, trigger) = self.ddl.find_oid::<PgTrigger>(index_oids::TRIGGER_OID, row.objid)?;
                refuse(trigger.tgqual.is_some(), "a trigger's WHEN")?;
            }
            class::POLICY => {
                let (_, policy) = self.ddl.find_oid::<PgPolicy>(index_oids::POLICY_OID, row.objid)?;
                refuse(policy.polqual.is_some() || policy.polwithcheck.is_some(), "a row security policy")?;
            }
            class::STATISTIC_EXT => {
                let rows = self.access.catalog().scan::<PgStatisticExt>()?;
                let found = rows.iter().find(|other| other.oid == row.objid);
                refuse(found.is_some_and(|found| found.stxexprs.is_some()), "extended statistics")?;
            }
            class::PROC => {
                let function = self.access.catalog().proc_by_oid(row.objid)?;
                let function = function.as_ref();
                refuse(function.is_some_and(|row| row.prosqlbody.is_some()), "a function's body")?;
                refuse(function.is_some_and(|row| row.proargdefaults.is_some()), "a function's defaults")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn read(&self, text: &str, table: Oid) -> PgResult<Expr> {
        read_expression(self.access, text, &*self.access.relation(table)?)
    }

    fn take_index(&mut self, oid: Oid) -> PgResult<()> {
        let Some(index) = self.access.catalog().index_by_oid(oid)? else { return Ok(()) };
        let texts = index.row.indexprs.as_deref().map(split_expressions).unwrap_or_default();
        let read = |text: &Arc<str>| self.read(text, index.table);
        let expressions = texts.iter().map(read).collect::<PgResult<Vec<_>>>()?;
        let predicate = index.row.indpred.as_ref().map(read).transpose()?;
        if !expressions.is_empty() || predicate.is_some() {
            self.found.push(Dependent::Index { oid, table: index.table, expressions, predicate });
        }
        Ok(())
    }

    fn take_rule(&mut self, oid: Oid) -> PgResult<()> {
        let (_, rule) = self.ddl.find_oid::<PgRewrite>(index_oids::REWRITE_OID, oid)?;
        let relation = self.access.relation(rule.ev_class)?;
        refuse(rule.ev_type != '1' || !matches!(relation.kind, 'v' | 'm'), "a rewrite rule")?;
        let query = Box::new(read_query(self.access, &relation)?);
        self.found.push(Dependent::View { view: relation.oid, rule: oid, query });
        Ok(())
    }

    fn take_constraint(&mut self, oid: Oid) -> PgResult<()> {
        let (_, row) = self.ddl.find_oid::<PgConstraint>(index_oids::CONSTRAINT_OID, oid)?;
        let Some(text) = row.conbin.as_ref().filter(|_| row.contype == 'c') else { return Ok(()) };
        refuse(row.conrelid == 0, "a domain's constraint")?;
        let expr = self.read(text, row.conrelid)?;
        self.found.push(Dependent::Check { oid, table: row.conrelid, expr });
        Ok(())
    }
}

/// What holds names in a form that is not written again.
fn refuse(is_there: bool, what: &str) -> PgResult<()> {
    if is_there { Err(PgError::unsupported(format!("renaming what {what} refers to"))) } else { Ok(()) }
}
