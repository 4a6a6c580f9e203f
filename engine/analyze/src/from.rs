//! FROM: tables, subqueries, functions and joins, and what each makes visible
//! (PostgreSQL's src/backend/parser/parse_clause.c).

use crate::analyzer::{Analyzer, Place};
use crate::query::{FromItem, Perms};
use crate::scope::NsItem;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree as ast;

/// One item of FROM, analyzed.
pub(crate) struct Ranged {
    /// Its place in the join tree.
    pub item: FromItem,
    /// Its columns.
    pub top: NsItem,
    /// Everything that it makes visible, `top` included.
    pub names: Vec<NsItem>,
}

impl Ranged {
    pub fn of(item: NsItem) -> Ranged {
        Ranged { item: FromItem::Rte(item.rt), names: vec![item.clone()], top: item }
    }
}

impl Analyzer<'_> {
    /// Adds a FROM list to the scope, and gives its join tree (`transformFromClause`).
    pub(crate) fn range_list(&mut self, list: &[ast::TableRef]) -> PgResult<Vec<FromItem>> {
        let mut items = Vec::with_capacity(list.len());
        for raw in list {
            let Ranged { item, mut names, .. } = self.range_item(raw)?;
            Self::check_conflicts(&self.level().scope.items, &names)?;
            // What follows sees it in LATERAL items only.
            set_lateral(&mut names, true, true);
            self.level().scope.items.append(&mut names);
            items.push(item);
        }
        set_lateral(&mut self.level().scope.items, false, true);
        Ok(items)
    }

    pub(crate) fn range_item(&mut self, raw: &ast::TableRef) -> PgResult<Ranged> {
        match raw {
            ast::TableRef::Relation { relation, sample } => {
                let item = self.range_relation(relation)?;
                if let Some(sample) = sample {
                    let sample = self.table_sample(sample, relation.name.pos())?;
                    let entry = self.level().rtable.last_mut().expect("the relation was just added");
                    entry.sample = Some(Box::new(sample));
                }
                Ok(Ranged::of(item))
            }
            ast::TableRef::Subquery { lateral, query, alias, pos } => {
                self.range_subquery(*lateral, query, alias.as_ref(), *pos).map(Ranged::of)
            }
            ast::TableRef::Function(function) => self.range_function(function).map(Ranged::of),
            ast::TableRef::Join(join) => self.range_join(join),
        }
    }

    fn range_relation(&mut self, name: &ast::RelationName) -> PgResult<NsItem> {
        let alias = name.alias.as_ref();
        if name.name.parts.len() == 1
            && let Some(item) = self.range_cte(name.name.last(), alias)?
        {
            return Ok(item);
        }
        let relation = self.open_relation(&name.name)?;
        if relation.kind == 'v' {
            return self.range_view(&relation, alias);
        }
        self.refuse_children(&relation, name.inherit, name.name.pos())?;
        self.add_relation(&relation, alias, Perms::SELECT)
    }

    /// Tables whose rows are partly in other tables are not built; their own rows alone would be
    /// a wrong answer.
    pub(crate) fn refuse_children(
        &self,
        relation: &Relation,
        inherit: bool,
        position: usize,
    ) -> PgResult<()> {
        let what = match relation.kind {
            'p' => "a partitioned table",
            'f' => "a foreign table",
            _ if relation.class.relrowsecurity => "a table with row-level security",
            _ if inherit
                && relation.class.relhassubclass
                && !self.catalog.children_of(relation.oid)?.is_empty() =>
            {
                "a table with inheritance children"
            }
            _ => return Ok(()),
        };
        Err(PgError::unsupported(format!("access to {what}")).at(Some(position)))
    }

    fn range_subquery(
        &mut self,
        lateral: bool,
        query: &ast::Query,
        alias: Option<&ast::Alias>,
        position: usize,
    ) -> PgResult<NsItem> {
        let Some(alias) = alias else {
            return Err(PgError::new(code::SYNTAX_ERROR, "subquery in FROM must have an alias")
                .hint("For example, FROM (SELECT ...) [AS] foo.")
                .at(Some(position)));
        };
        let query = self.at_lateral(lateral, Place::FromSubselect, |a| a.analyze_subquery(query, true))?;
        self.add_subquery(query, &alias.name.name, Some(alias), lateral)
    }

    /// Does something at a place of FROM, where items to the left are visible or not.
    pub(crate) fn at_lateral<T>(
        &mut self,
        lateral: bool,
        place: Place,
        f: impl FnOnce(&mut Self) -> PgResult<T>,
    ) -> PgResult<T> {
        let level = self.level();
        let before = (level.place.replace(place), level.scope.lateral_active);
        level.scope.lateral_active = lateral;
        let result = f(self);
        let level = self.level();
        (level.place, level.scope.lateral_active) = before;
        result
    }
}

/// Marks what items to the right may see.
pub(crate) fn set_lateral(items: &mut [NsItem], lateral_only: bool, lateral_ok: bool) {
    for item in items {
        item.lateral_only = lateral_only;
        item.lateral_ok = lateral_ok;
    }
}
