//! Orders: ORDER BY and grouping lists as canonical path keys, and sorting paths by them.

use super::cost;
use super::level::LevelPlanner;
use super::path::{Path, PathKey, PathKind, SortItem, order_satisfies};
use super::relset::RelSet;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// The canonical order of a list of keys over these targets, redundant keys dropped; `None`
    /// if one of them cannot be sorted by.
    pub(crate) fn order_of(
        &mut self,
        keys: &[SortGroup],
        targets: &[TargetEntry],
    ) -> PgResult<Option<Vec<PathKey>>> {
        let mut order = Vec::with_capacity(keys.len());
        for key in keys {
            let expr = targets[key.target].expr.clone();
            match self.path_key(&expr, key)? {
                Some(path_key) => self.push_key(&mut order, path_key),
                None => return Ok(None),
            }
        }
        Ok(Some(order))
    }

    /// Adds a key unless it is redundant: a constant's, or an earlier key's class.
    pub(crate) fn push_key(&self, order: &mut Vec<PathKey>, key: PathKey) {
        let redundant =
            self.class_is_constant(key.class) || order.iter().any(|known| known.class == key.class);
        if !redundant {
            order.push(key);
        }
    }

    /// The canonical key of one sort item; `None` if its type has no B-tree order.
    pub(crate) fn path_key(&mut self, expr: &Expr, key: &SortGroup) -> PgResult<Option<PathKey>> {
        if key.sort_operator == 0 {
            return Ok(None);
        }
        let members = self.builder.ctx.catalog.btree_members(key.sort_operator)?;
        let Some(member) = members.iter().find(|member| matches!(member.strategy, 1 | 5)) else {
            return Err(PgError::internal(format!(
                "operator {} is not a valid ordering operator",
                key.sort_operator
            )));
        };
        let class = self.class_for_sort(expr, member.family, expr.ty().collation)?;
        let class = self.canonical_class(class);
        Ok(Some(PathKey {
            class,
            family: member.family,
            descending: key.descending,
            nulls_first: key.nulls_first,
        }))
    }

    /// The keys as something to sort these relations' rows by.
    pub(crate) fn sort_items(&self, order: &[PathKey], relids: &RelSet) -> PgResult<Vec<SortItem>> {
        order
            .iter()
            .map(|key| {
                let class = &self.classes[self.canonical_class(key.class)];
                // The member added last is the one computed nearest to the sort.
                let member = class
                    .members
                    .iter()
                    .rev()
                    .find(|member| {
                        member.relids.is_subset_of(relids) && self.is_computed_column(&member.expr)
                    })
                    .or_else(|| class.member_within(relids))
                    .ok_or_else(|| PgError::internal("could not find pathkey item to sort"))?;
                let strategy = if key.descending { 5 } else { 1 };
                let catalog = self.builder.ctx.catalog;
                let operator =
                    catalog.btree_operator(key.family, strategy, member.type_oid, member.type_oid)?;
                Ok(SortItem {
                    expr: member.expr.clone(),
                    descending: key.descending,
                    nulls_first: key.nulls_first,
                    operator,
                })
            })
            .collect()
    }

    fn is_computed_column(&self, expr: &Expr) -> bool {
        use crate::range::RangeKind;
        matches!(expr, Expr::Var(var) if matches!(self.builder.ranges[var.rt].kind, RangeKind::Computed(_)))
    }

    /// The path in this order: itself if it is, or sorted. `limit` rows are wanted, 0 for all.
    pub(crate) fn sorted(&self, sub: &Rc<Path>, order: &[PathKey], limit: f64) -> PgResult<Rc<Path>> {
        if order_satisfies(&sub.order, order) {
            return Ok(sub.clone());
        }
        let settings = self.builder.ctx.settings;
        let mut cost = cost::sort_cost(settings, sub.rows, sub.width, limit);
        if !settings.enable_sort {
            cost.startup += DISABLE_COST;
            cost.total += DISABLE_COST;
        }
        Ok(Rc::new(Path {
            kind: PathKind::Sort {
                sub: sub.clone(),
                keys: self.sort_items(order, &sub.relids)?,
                bounded: limit > 0.0,
            },
            relids: sub.relids.clone(),
            outer: sub.outer.clone(),
            rows: sub.rows,
            startup: sub.total + cost.startup,
            total: sub.total + cost.total,
            width: sub.width,
            order: order.to_vec(),
        }))
    }

    /// Makes values that inner nodes compute into columns of a new range, replaces the expressions
    /// they stand for in `exprs`, and tells the equivalence classes.
    pub(crate) fn new_computed_range(&mut self, values: Vec<Expr>) -> PgResult<usize> {
        let range = self.builder.computed_range(values.clone());
        self.locals.insert(range);
        for (index, value) in values.iter().enumerate() {
            let var = self.builder.computed_var(range, index);
            self.add_alias_member(value, var);
        }
        Ok(range)
    }

    /// Where `expr` is a member of a class, `alias` becomes one too.
    fn add_alias_member(&mut self, expr: &Expr, alias: Expr) {
        let stripped = super::equivalence::strip_relabel(expr);
        let relids = self.local_relids(&alias);
        for class in &mut self.classes {
            let Some(member) = class.members.iter().find(|member| crate::equal::same(&member.expr, stripped))
            else {
                continue;
            };
            let type_oid = member.type_oid;
            class.relids.add(&relids);
            class.members.push(super::equivalence::Member {
                expr: alias.clone(),
                relids: relids.clone(),
                constant: false,
                type_oid,
            });
        }
    }
}

/// What a method that is switched off costs (PostgreSQL's `disable_cost`).
pub(crate) const DISABLE_COST: f64 = 1.0e10;
