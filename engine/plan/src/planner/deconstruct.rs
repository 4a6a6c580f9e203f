//! The join tree taken apart: every condition is put at the lowest place where it may be tested,
//! and outer joins are noted with the freedom they leave.
//!
//! After `deconstruct_jointree`, `distribute_qual_to_rels` and `make_outerjoininfo` in PostgreSQL's
//! src/backend/optimizer/plan/initsplan.c; the identities behind `min_left` and `min_right` are
//! explained in src/backend/optimizer/README, "Valid OUTER JOIN Optimizations".

use super::clause::{Clause, operator_of};
use super::inspect;
use super::level::{JoinTree, LevelPlanner, SpecialJoin};
use super::relset::RelSet;
use crate::join::JoinType;
use redoubt_analyze::query::{Expr, LockStrength};
use redoubt_error::{PgError, PgResult, code};
use std::cell::Cell;
use std::rc::Rc;

/// What is joined in any order that the special joins allow.
#[derive(Debug)]
pub(crate) enum JoinItem {
    Rel(usize),
    /// Joined on its own first.
    List(Vec<JoinItem>),
}

/// What recursion over the join tree brings up.
struct Scope {
    rels: RelSet,
    /// Relations below that are only inner joined.
    inner_joined: RelSet,
    items: Vec<JoinItem>,
}

/// Where a condition stands.
struct Place<'s> {
    scope: &'s RelSet,
    /// For an outer join's own condition: the relations it needs before it can be done.
    outer_scope: Option<&'s RelSet>,
    /// The side of the outer join that is preserved.
    preserved: Option<&'s RelSet>,
    below_outer: bool,
}

impl LevelPlanner<'_, '_> {
    /// Distributes all conditions and returns what is to be joined.
    pub(crate) fn deconstruct(&mut self, tree: JoinTree) -> PgResult<Vec<JoinItem>> {
        let scope = self.deconstruct_node(tree, false)?;
        for clause in self.implied_restrictions()? {
            self.place_clause(clause);
        }
        Ok(scope.items)
    }

    fn deconstruct_node(&mut self, tree: JoinTree, below_outer: bool) -> PgResult<Scope> {
        match tree {
            JoinTree::Rel(range) => Ok(Scope {
                rels: RelSet::single(range),
                inner_joined: RelSet::new(),
                items: vec![JoinItem::Rel(range)],
            }),
            JoinTree::From { items, quals } => self.deconstruct_from(items, quals, below_outer),
            JoinTree::Join { join, left, right, quals } => {
                self.deconstruct_join(join, *left, *right, quals, below_outer)
            }
        }
    }

    fn deconstruct_from(
        &mut self,
        items: Vec<JoinTree>,
        quals: Vec<Expr>,
        below_outer: bool,
    ) -> PgResult<Scope> {
        let mut scope = Scope { rels: RelSet::new(), inner_joined: RelSet::new(), items: Vec::new() };
        let single = items.len() == 1;
        for item in items {
            let inner = self.deconstruct_node(item, below_outer)?;
            scope.rels.add(&inner.rels);
            scope.inner_joined = inner.inner_joined;
            self.append_items(&mut scope.items, inner.items, self.builder.ctx.settings.from_collapse_limit);
        }
        if !single {
            scope.inner_joined = scope.rels.clone();
        }
        for qual in quals {
            let place = Place { scope: &scope.rels, outer_scope: None, preserved: None, below_outer };
            self.distribute(qual, &place)?;
        }
        Ok(scope)
    }

    /// Merges a sub-list into its parent's unless that gets too long for an exhaustive search.
    fn append_items(&self, into: &mut Vec<JoinItem>, mut items: Vec<JoinItem>, limit: usize) {
        if items.len() <= 1 || into.len() + items.len() <= limit {
            into.append(&mut items);
        } else {
            into.push(JoinItem::List(items));
        }
    }

    fn deconstruct_join(
        &mut self,
        join: JoinType,
        left: JoinTree,
        right: JoinTree,
        quals: Vec<Expr>,
        below_outer: bool,
    ) -> PgResult<Scope> {
        let (left_below, right_below) = match join {
            JoinType::Inner | JoinType::Semi => (below_outer, below_outer),
            JoinType::Left | JoinType::Anti => (below_outer, true),
            JoinType::Full => (true, true),
            JoinType::Right => unreachable!("right joins were turned around"),
        };
        let left = self.deconstruct_node(left, left_below)?;
        let right = self.deconstruct_node(right, right_below)?;
        let rels = left.rels.union(&right.rels);
        let inner_joined = match join {
            JoinType::Inner => rels.clone(),
            JoinType::Full => RelSet::new(),
            _ => left.inner_joined.union(&right.inner_joined),
        };
        match join {
            JoinType::Left | JoinType::Anti => self.nullable.add(&right.rels),
            JoinType::Full => self.nullable.add(&rels),
            _ => {}
        }
        if join == JoinType::Inner {
            for qual in quals {
                let place = Place { scope: &rels, outer_scope: None, preserved: None, below_outer };
                self.distribute(qual, &place)?;
            }
        } else {
            self.special_join(join, &left.rels, &right.rels, &inner_joined, quals, below_outer)?;
        }
        let mut items = Vec::new();
        if join == JoinType::Full {
            // Neither side mixes with anything outside.
            let (left, right) = (as_item(left.items), as_item(right.items));
            items.push(JoinItem::List(vec![left, right]));
        } else {
            let limit = self.builder.ctx.settings.join_collapse_limit;
            self.append_items(&mut items, left.items, limit);
            self.append_items(&mut items, right.items, limit);
        }
        Ok(Scope { rels, inner_joined, items })
    }

    fn special_join(
        &mut self,
        join: JoinType,
        left: &RelSet,
        right: &RelSet,
        inner_joined: &RelSet,
        quals: Vec<Expr>,
        below_outer: bool,
    ) -> PgResult<()> {
        let info = self.special_join_info(join, left, right, inner_joined, &quals)?;
        let scope = left.union(right);
        let needed = info.min_left.union(&info.min_right);
        // A semi join's condition is distributed like an inner join's.
        let outer_scope = (join != JoinType::Semi).then_some(&needed);
        let preserved = match join {
            JoinType::Left | JoinType::Anti => Some(left),
            JoinType::Full => Some(&scope),
            _ => None,
        };
        for qual in quals {
            self.distribute(qual, &Place { scope: &scope, outer_scope, preserved, below_outer })?;
        }
        self.special.push(info);
        Ok(())
    }

    fn special_join_info(
        &self,
        join: JoinType,
        left: &RelSet,
        right: &RelSet,
        inner_joined: &RelSet,
        quals: &[Expr],
    ) -> PgResult<SpecialJoin> {
        self.check_row_marks(join, left, right)?;
        let mut info = SpecialJoin {
            min_left: left.clone(),
            min_right: right.clone(),
            left: left.clone(),
            right: right.clone(),
            join,
            left_strict: false,
            delay_upper: false,
            semi_keys: None,
        };
        if join == JoinType::Full {
            return Ok(info);
        }
        if join == JoinType::Semi {
            info.semi_keys = self.semi_keys(quals, right)?;
        }
        let mentioned = quals.iter().fold(RelSet::new(), |set, qual| set.union(&self.local_relids(qual)));
        let strict: RelSet = mentioned
            .iter()
            .filter(|&rel| quals.iter().any(|qual| inspect::rejects_nulls(qual, &|var| var.rt == rel)))
            .collect();
        info.left_strict = strict.overlaps(left);
        info.min_left = mentioned.intersection(left);
        info.min_right = mentioned.union(inner_joined).intersection(right);
        self.widen_minimum(&mut info, &mentioned, &strict);
        if info.min_left.is_empty() {
            info.min_left = left.clone();
        }
        if info.min_right.is_empty() {
            info.min_right = right.clone();
        }
        Ok(info)
    }

    /// What an outer join makes up of NULLs cannot be locked.
    fn check_row_marks(&self, join: JoinType, left: &RelSet, right: &RelSet) -> PgResult<()> {
        let outer = matches!(join, JoinType::Left | JoinType::Full);
        for mark in &self.query.row_marks {
            let nullable = right.contains(mark.rt) || join == JoinType::Full && left.contains(mark.rt);
            if outer && nullable {
                let words = match mark.strength {
                    LockStrength::KeyShare => "FOR KEY SHARE",
                    LockStrength::Share => "FOR SHARE",
                    LockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
                    LockStrength::Update => "FOR UPDATE",
                };
                let message = format!("{words} cannot be applied to the nullable side of an outer join");
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
            }
        }
        Ok(())
    }

    /// Adds the relations of lower outer joins that this join does not commute with.
    fn widen_minimum(&self, info: &mut SpecialJoin, mentioned: &RelSet, strict: &RelSet) {
        let semi_or_anti = |join| matches!(join, JoinType::Semi | JoinType::Anti);
        for other in &self.special {
            let all = other.left.union(&other.right);
            if other.join == JoinType::Full {
                if info.left.overlaps(&all) {
                    info.min_left.add(&all);
                }
                if info.right.overlaps(&all) {
                    info.min_right.add(&all);
                }
                continue;
            }
            if info.left.overlaps(&other.right)
                && mentioned.overlaps(&other.right)
                && (semi_or_anti(info.join) || !strict.overlaps(&other.min_right))
            {
                info.min_left.add(&all);
            }
            if info.right.overlaps(&other.right)
                && (mentioned.overlaps(&other.right)
                    || !mentioned.overlaps(&other.min_left)
                    || semi_or_anti(info.join)
                    || semi_or_anti(other.join)
                    || !other.left_strict
                    || other.delay_upper)
            {
                info.min_right.add(&all);
            }
        }
    }

    /// The right-side expressions of a semi join whose conditions are all equalities: made unique
    /// over them, the right side can be inner joined.
    fn semi_keys(
        &self,
        quals: &[Expr],
        right: &RelSet,
    ) -> PgResult<Option<Vec<(redoubt_functions::Oid, Expr)>>> {
        let mut keys = Vec::new();
        for qual in quals {
            let relids = self.local_relids(qual);
            if !relids.overlaps(right) || relids.is_subset_of(right) {
                continue;
            }
            let Some((call, operator)) = operator_of(qual) else { return Ok(None) };
            let (a, b) = (self.local_relids(&call.args[0]), self.local_relids(&call.args[1]));
            let (expr, operator) = if b.is_subset_of(right) && !b.is_empty() && !a.overlaps(right) {
                (&call.args[1], operator)
            } else if a.is_subset_of(right) && !a.is_empty() && !b.overlaps(right) {
                let commuted = self.builder.ctx.catalog.operator(operator)?.map_or(0, |op| op.commutator);
                (&call.args[0], commuted)
            } else {
                return Ok(None);
            };
            if operator == 0 || self.equality_of(call, operator)?.is_none() || inspect::is_volatile(qual) {
                return Ok(None);
            }
            keys.push((operator, expr.clone()));
        }
        Ok((!keys.is_empty()).then_some(keys))
    }

    /// Puts one condition where it belongs.
    fn distribute(&mut self, qual: Expr, place: &Place<'_>) -> PgResult<()> {
        let mentioned = self.local_relids(&qual);
        let mut required = mentioned.clone();
        let volatile = inspect::is_volatile(&qual);
        let mut constant = false;
        if mentioned.is_empty() {
            if let Some(outer_scope) = place.outer_scope {
                required = outer_scope.clone();
            } else if volatile || place.below_outer {
                required = place.scope.clone();
            } else {
                self.constants.push(qual);
                return Ok(());
            }
            constant = !volatile;
        }
        let own = match (place.outer_scope, place.preserved) {
            (Some(scope), Some(preserved)) if mentioned.overlaps(preserved) || mentioned.is_empty() => {
                Some(scope)
            }
            _ => None,
        };
        let (delayed, maybe_equivalence) = match own {
            Some(scope) => {
                required = scope.clone();
                (self.outer_join_delay(&mut required, false), false)
            }
            None => {
                let delayed = self.outer_join_delay(&mut required, true);
                (delayed, !delayed && !constant)
            }
        };
        let preserved = own.and(place.preserved).cloned().unwrap_or_default();
        let mut clause = self.make_clause(qual, own.is_none(), delayed, Some(required), preserved)?;
        clause.constant = constant;
        let clause = Rc::new(clause);
        if maybe_equivalence && self.absorb_equality(&clause)? {
            return Ok(());
        }
        self.place_clause(clause);
        Ok(())
    }

    /// Adds the outer joins below that must be done before a condition over `required` is tested;
    /// says whether there are any.
    fn outer_join_delay(&mut self, required: &mut RelSet, pushed_down: bool) -> bool {
        let mut delayed = false;
        loop {
            let mut grown = false;
            for join in &mut self.special {
                let needs = required.overlaps(&join.min_right)
                    || (join.join == JoinType::Full && required.overlaps(&join.min_left));
                if !needs || join.join == JoinType::Semi {
                    continue;
                }
                let all = join.min_left.union(&join.min_right);
                delayed = true;
                if !all.is_subset_of(required) {
                    required.add(&all);
                    grown = true;
                }
                if pushed_down && join.join != JoinType::Full && required.overlaps(&join.min_left) {
                    join.delay_upper = true;
                }
            }
            if !grown {
                return delayed;
            }
        }
    }

    /// Attaches a clause to its relation, or to all relations that it joins.
    pub(crate) fn place_clause(&mut self, clause: Rc<Clause>) {
        match clause.required.singleton() {
            Some(rel) => {
                if let Some(base) = self.bases.get_mut(&rel) {
                    if !base.restrictions.iter().any(|known| Rc::ptr_eq(known, &clause)) {
                        base.restrictions.push(clause);
                    }
                }
            }
            None => {
                for rel in clause.required.iter() {
                    if let Some(base) = self.bases.get_mut(&rel) {
                        base.join_clauses.push(clause.clone());
                    }
                }
            }
        }
    }

    /// Makes a clause with all that the join search asks of it.
    pub(crate) fn make_clause(
        &mut self,
        expr: Expr,
        pushed_down: bool,
        delayed: bool,
        required: Option<RelSet>,
        outer_relids: RelSet,
    ) -> PgResult<Clause> {
        let relids = self.local_relids(&expr);
        let (mut left, mut right, mut equality) = (RelSet::new(), RelSet::new(), None);
        if let Some((call, operator)) = operator_of(&expr) {
            left = self.local_relids(&call.args[0]);
            right = self.local_relids(&call.args[1]);
            if !inspect::is_volatile(&expr) {
                equality = self.equality_of(call, operator)?;
            }
        }
        self.clause_count += 1;
        Ok(Clause {
            required: required.unwrap_or_else(|| relids.clone()),
            relids,
            left,
            right,
            pushed_down,
            delayed,
            outer_relids,
            constant: false,
            equality,
            class: None,
            selectivity: Cell::new(-1.0),
            serial: self.clause_count,
            expr,
        })
    }

    /// The relations of this level that an expression mentions, in its subqueries too.
    pub(crate) fn local_relids(&self, expr: &Expr) -> RelSet {
        let mut set = RelSet::new();
        inspect::each_var(expr, &mut |var| {
            if self.locals.contains(var.rt) {
                set.insert(var.rt);
            }
        });
        set
    }
}

fn as_item(mut items: Vec<JoinItem>) -> JoinItem {
    if items.len() == 1 { items.remove(0) } else { JoinItem::List(items) }
}
