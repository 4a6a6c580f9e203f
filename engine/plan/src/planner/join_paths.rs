//! Ways to join two sets of relations: nested loops, hash joins, merge joins.
//!
//! After `add_paths_to_joinrel` (PostgreSQL's src/backend/optimizer/path/joinpath.c).

mod merge;

use super::clause::Clause;
use super::cost::{self, Cost, clamp_rows};
use super::equivalence::strip_relabel;
use super::join_cost::{self, HashCosting, JoinCosting, MergeCosting};
use super::join_size::MatchFactors;
use super::joining::LegalJoin;
use super::level::{BaseKind, JoinRel, LevelPlanner, SpecialJoin};
use super::order::DISABLE_COST;
use super::path::{self, JoinPath, Path, PathKey, PathKind, SortItem};
use super::relset::RelSet;
use crate::equal;
use crate::join::JoinType;
use crate::walk;
use redoubt_analyze::query::Expr;
use redoubt_error::PgResult;
use std::rc::Rc;

/// One ordered pair of inputs to be joined.
struct Pair<'s> {
    join: JoinType,
    outer: &'s RelSet,
    inner: &'s RelSet,
    outer_paths: Vec<Rc<Path>>,
    inner_paths: Vec<Rc<Path>>,
    /// Conditions tested while matching.
    clauses: Vec<Rc<Clause>>,
    /// Conditions tested after null extension.
    filter: Vec<Rc<Clause>>,
    rows: f64,
    width: i32,
    single_match: bool,
    factors: Option<MatchFactors>,
}

impl LevelPlanner<'_, '_> {
    /// Adds every way to join two sets to their join relation.
    pub(crate) fn add_join_paths(
        &mut self,
        left: &RelSet,
        right: &RelSet,
        legal: &LegalJoin,
    ) -> PgResult<()> {
        let joined = left.union(right);
        let (left, right) = if legal.reversed { (right, left) } else { (left, right) };
        let join = legal.special.as_ref().map_or(JoinType::Inner, |special| special.join);
        let clauses = self.clauses_between(left, right)?;
        if !self.join_rels.contains_key(&joined) {
            let (left_rel, right_rel) = (&self.join_rels[left], &self.join_rels[right]);
            let input_rows = (left_rel.rows, right_rel.rows);
            let width = left_rel.width + right_rel.width;
            let rows = self.join_rows(join, input_rows, (left, right), &clauses)?;
            self.join_rels.insert(joined.clone(), JoinRel { rows, width, paths: Vec::new() });
        }
        match join {
            JoinType::Inner => {
                self.add_pair(left, right, JoinType::Inner, &clauses)?;
                self.add_pair(right, left, JoinType::Inner, &clauses)
            }
            JoinType::Left => {
                self.add_pair(left, right, JoinType::Left, &clauses)?;
                self.add_pair(right, left, JoinType::Right, &clauses)
            }
            JoinType::Full => {
                self.add_pair(left, right, JoinType::Full, &clauses)?;
                self.add_pair(right, left, JoinType::Full, &clauses)
            }
            JoinType::Semi => {
                let special = legal.special.as_ref().expect("a semi join is special");
                self.add_semi_paths(left, right, special, &clauses)
            }
            _ => self.add_pair(left, right, join, &clauses),
        }
    }

    /// A semi join as such, and as an inner join with the right side made unique.
    fn add_semi_paths(
        &mut self,
        left: &RelSet,
        right: &RelSet,
        special: &SpecialJoin,
        clauses: &[Rc<Clause>],
    ) -> PgResult<()> {
        if special.min_left.is_subset_of(left) && special.min_right.is_subset_of(right) {
            self.add_pair(left, right, JoinType::Semi, clauses)?;
        }
        if special.right != *right {
            return Ok(());
        }
        let Some(unique) = self.unique_path(right, special)? else { return Ok(()) };
        let left_paths = self.join_rels[left].paths.clone();
        let unique = vec![unique];
        self.add_pair_of(left, right, JoinType::Inner, clauses, left_paths.clone(), unique.clone())?;
        self.add_pair_of(right, left, JoinType::Inner, clauses, unique, left_paths)
    }

    /// The right side of a semi join without duplicates (`create_unique_path`).
    fn unique_path(&mut self, right: &RelSet, special: &SpecialJoin) -> PgResult<Option<Rc<Path>>> {
        let Some(keys) = &special.semi_keys else { return Ok(None) };
        let Some(sub) = path::cheapest_total(&self.join_rels[right].paths).cloned() else { return Ok(None) };
        for (operator, _) in keys {
            let hashable = self.builder.ctx.catalog.operator(*operator)?.is_some_and(|facts| facts.can_hash);
            if !hashable {
                return Ok(None);
            }
        }
        let exprs: Vec<Expr> = keys.iter().map(|(_, expr)| expr.clone()).collect();
        let carried = key_columns(&exprs, right);
        let groups = self.estimate_groups(&exprs, sub.rows)?;
        let items: Vec<SortItem> = keys
            .iter()
            .map(|(operator, expr)| SortItem {
                expr: expr.clone(),
                descending: false,
                nulls_first: false,
                operator: *operator,
            })
            .collect();
        let settings = self.builder.ctx.settings;
        let costs = cost::AggregateCosts { transition: Cost::default(), finals: Cost::default() };
        let input = (&*sub, f64::from(sub.width));
        let strategy = crate::aggregate::AggStrategy::Hashed;
        let cost = cost::aggregate_cost(settings, strategy, &costs, items.len(), groups, input);
        let disabled = if settings.enable_hashagg { 0.0 } else { DISABLE_COST };
        Ok(Some(Rc::new(Path {
            relids: sub.relids.clone(),
            outer: sub.outer.clone(),
            rows: groups,
            startup: cost.startup + disabled,
            total: cost.total + disabled,
            width: sub.width,
            order: Vec::new(),
            kind: PathKind::Distinct { sub, keys: items, carried },
        })))
    }

    /// The clauses that become testable when these two sets are joined.
    fn clauses_between(&mut self, left: &RelSet, right: &RelSet) -> PgResult<Vec<Rc<Clause>>> {
        let joined = left.union(right);
        let mut clauses: Vec<Rc<Clause>> = Vec::new();
        for clause in self.outward_clauses(left).into_iter().chain(self.outward_clauses(right)) {
            if clause.required.is_subset_of(&joined)
                && !clauses.iter().any(|known| known.serial == clause.serial)
            {
                clauses.push(clause);
            }
        }
        clauses.extend(self.implied_join_clauses(left, right)?);
        Ok(clauses)
    }

    fn add_pair(
        &mut self,
        outer: &RelSet,
        inner: &RelSet,
        join: JoinType,
        clauses: &[Rc<Clause>],
    ) -> PgResult<()> {
        let outer_paths = self.join_rels[outer].paths.clone();
        let inner_paths = self.join_rels[inner].paths.clone();
        self.add_pair_of(outer, inner, join, clauses, outer_paths, inner_paths)
    }

    fn add_pair_of(
        &mut self,
        outer: &RelSet,
        inner: &RelSet,
        join: JoinType,
        clauses: &[Rc<Clause>],
        outer_paths: Vec<Rc<Path>>,
        inner_paths: Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let joined = outer.union(inner);
        let rel = &self.join_rels[&joined];
        let (rows, width) = (rel.rows, rel.width);
        let outer_join = !matches!(join, JoinType::Inner | JoinType::Semi);
        // An outer join's own conditions decide what matches; others filter its result.
        let (own, filter): (Vec<_>, Vec<_>) =
            clauses.iter().cloned().partition(|clause| !outer_join || !clause.pushed_down);
        let unique = matches!(join, JoinType::Inner | JoinType::Left | JoinType::Full | JoinType::Right)
            && self.is_unique_for(inner, outer, &own)?;
        let single_match = unique && join != JoinType::Right && join != JoinType::Full;
        let factors = if single_match || matches!(join, JoinType::Semi | JoinType::Anti) {
            let inner_rows = self.join_rels[inner].rows;
            Some(self.match_factors(join, (outer, inner), inner_rows, clauses)?)
        } else {
            None
        };
        let pair = Pair {
            join,
            outer,
            inner,
            outer_paths,
            inner_paths,
            clauses: own,
            filter,
            rows,
            width,
            single_match,
            factors,
        };
        let mut found = Vec::new();
        self.merge_with_sorts(&pair, &mut found)?;
        self.nested_loops(&pair, &mut found)?;
        self.hash_joins(&pair, &mut found)?;
        let startup_counts = self.fraction > 0.0;
        let rel = self.join_rels.get_mut(&joined).expect("made before its paths");
        for path in found {
            path::add_path(&mut rel.paths, path, startup_counts);
        }
        Ok(())
    }

    /// Whether at most one row of `inner` can match: it is a table with a unique index all of whose
    /// columns are compared (`innerrel_is_unique`).
    fn is_unique_for(&self, inner: &RelSet, outer: &RelSet, clauses: &[Rc<Clause>]) -> PgResult<bool> {
        let Some(range) = inner.singleton() else { return Ok(false) };
        let base = &self.bases[&range];
        if !matches!(base.kind, BaseKind::Table { .. }) {
            return Ok(false);
        }
        let compared = |attno: i16| {
            clauses.iter().chain(&base.restrictions).any(|clause| {
                let Some(equality) = &clause.equality else { return false };
                let Some((left, right)) = clause.sides() else { return false };
                let is_column = |expr: &Expr| {
                    matches!(super::equivalence::strip_relabel(expr), Expr::Var(var) if var.rt == range && var.attno == attno)
                };
                !equality.families.is_empty()
                    && ((is_column(left) && clause.right.is_subset_of(outer))
                        || (is_column(right) && clause.left.is_subset_of(outer)))
            })
        };
        Ok(base.indexes.iter().any(|index| {
            index.unique
                && index.immediate
                && index.valid
                && index.predicate.is_none()
                && index.columns[..index.key_columns]
                    .iter()
                    .all(|column| column.attno != 0 && compared(column.attno))
        }))
    }

    fn join_path(
        &self,
        pair: &Pair<'_>,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        clauses: Vec<Rc<Clause>>,
    ) -> JoinPath {
        JoinPath {
            outer: outer.clone(),
            inner: inner.clone(),
            join: pair.join,
            clauses,
            filter: pair.filter.clone(),
            single_match: pair.single_match,
        }
    }

    fn nested_loops(&self, pair: &Pair<'_>, found: &mut Vec<Rc<Path>>) -> PgResult<()> {
        if matches!(pair.join, JoinType::Right | JoinType::Full) {
            return Ok(());
        }
        let settings = self.builder.ctx.settings;
        let material = path::cheapest_total(&pair.inner_paths)
            .filter(|inner| settings.enable_material && !keeps_rows(inner))
            .map(|inner| materialised(settings, inner));
        for outer in pair.outer_paths.iter().filter(|outer| !outer.outer.overlaps(pair.inner)) {
            for inner in pair.inner_paths.iter().chain(&material) {
                self.nested_loop(pair, outer, inner, found)?;
            }
        }
        Ok(())
    }

    fn nested_loop(
        &self,
        pair: &Pair<'_>,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        found: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let needed = outer.outer.union(&inner.outer.difference(pair.outer));
        // What an inner path needs from relations further out can only be met further up: that is
        // worth keeping for lateral references and where part of the need is met here.
        let partly_met = inner.outer.overlaps(pair.outer);
        let lateral = self.lateral_of(&pair.outer.union(pair.inner));
        if !needed.is_empty() && !partly_met && !needed.is_subset_of(&lateral) && outer.outer.is_empty() {
            return Ok(());
        }
        let tested = tested_inside(inner);
        let clauses: Vec<Rc<Clause>> = pair
            .clauses
            .iter()
            .filter(|clause| !tested.iter().any(|inside| Rc::ptr_eq(inside, clause)))
            .cloned()
            .collect();
        let quals = self.exprs_cost(clauses.iter().chain(&pair.filter).map(|clause| &clause.expr))?;
        let settings = self.builder.ctx.settings;
        let indexed = clauses.is_empty() && !inner.outer.is_empty();
        let costing = JoinCosting { settings, quals, single: pair.factors, indexed };
        let mut cost = join_cost::nested_loop(&costing, outer, inner);
        if !settings.enable_nestloop {
            cost.startup += DISABLE_COST;
            cost.total += DISABLE_COST;
        }
        let order = if pair.join == JoinType::Full { Vec::new() } else { outer.order.clone() };
        let rows = if needed.is_empty() { pair.rows } else { self.rows_under(pair, outer, inner)? };
        found.push(Rc::new(Path {
            relids: pair.outer.union(pair.inner),
            outer: needed,
            rows,
            startup: cost.startup,
            total: cost.total,
            width: pair.width,
            order,
            kind: PathKind::NestLoop(self.join_path(pair, outer, inner, clauses)),
        }));
        Ok(())
    }

    /// Rows of a join whose inputs are narrowed by outer relations.
    fn rows_under(&self, pair: &Pair<'_>, outer: &Path, inner: &Path) -> PgResult<f64> {
        let rows = (outer.rows, inner.rows);
        let tested = tested_inside(inner);
        let clauses: Vec<Rc<Clause>> = pair
            .clauses
            .iter()
            .chain(&pair.filter)
            .filter(|clause| !tested.iter().any(|inside| Rc::ptr_eq(inside, clause)))
            .cloned()
            .collect();
        Ok(self.join_rows(pair.join, rows, (pair.outer, pair.inner), &clauses)?.min(pair.rows))
    }

    fn hash_joins(&self, pair: &Pair<'_>, found: &mut Vec<Rc<Path>>) -> PgResult<()> {
        let keys: Vec<Rc<Clause>> = pair
            .clauses
            .iter()
            .filter(|clause| {
                clause.joins(pair.outer, pair.inner).is_some()
                    && clause.equality.as_ref().is_some_and(|equality| equality.hashable)
            })
            .cloned()
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let Some(inner) = path::cheapest_total(&pair.inner_paths) else { return Ok(()) };
        let mut outers: Vec<&Rc<Path>> = Vec::new();
        outers.extend(path::cheapest_total(&pair.outer_paths));
        if self.fraction > 0.0 {
            outers.extend(path::cheapest_startup(&pair.outer_paths));
        }
        outers.dedup_by(|a, b| Rc::ptr_eq(a, b));
        for outer in outers {
            self.hash_join(pair, outer, inner, &keys, found)?;
        }
        Ok(())
    }

    fn hash_join(
        &self,
        pair: &Pair<'_>,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &[Rc<Clause>],
        found: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let settings = self.builder.ctx.settings;
        let rest = without(&pair.clauses, keys);
        let quals = self.exprs_cost(rest.iter().chain(&pair.filter).map(|clause| &clause.expr))?;
        let key_cost = self.exprs_cost(keys.iter().map(|clause| &clause.expr))?.total;
        let hash = HashCosting {
            keys: keys.len() as f64,
            key_cost,
            inner_distinct: self.inner_distinct(pair, keys)?,
            key_matches: self.key_matches(outer, inner, keys)?,
            anti: pair.join == JoinType::Anti,
        };
        let costing = JoinCosting { settings, quals, single: pair.factors, indexed: false };
        let mut cost = join_cost::hash_join(&costing, &hash, outer, inner);
        if !settings.enable_hashjoin {
            cost.startup += DISABLE_COST;
            cost.total += DISABLE_COST;
        }
        found.push(Rc::new(Path {
            relids: pair.outer.union(pair.inner),
            outer: outer.outer.union(&inner.outer),
            rows: pair.rows,
            startup: cost.startup,
            total: cost.total,
            width: pair.width,
            order: Vec::new(),
            kind: PathKind::Hash { join: self.join_path(pair, outer, inner, rest), keys: keys.to_vec() },
        }));
        Ok(())
    }

    /// Distinct values of the best inner key, if known.
    fn inner_distinct(&self, pair: &Pair<'_>, keys: &[Rc<Clause>]) -> PgResult<Option<f64>> {
        let mut best: Option<f64> = None;
        for clause in keys {
            let Some((left, right)) = clause.sides() else { continue };
            let inner = if clause.joins(pair.outer, pair.inner) == Some(true) { right } else { left };
            let known = self.column_facts(inner)?.is_some_and(|facts| {
                facts.unique || facts.is_bool || facts.stats.is_some() || facts.tuples < 200.0
            });
            if known {
                let distinct = self.distinct_values(inner)?.0;
                best = Some(best.map_or(distinct, |known: f64| known.max(distinct)));
            }
        }
        Ok(best)
    }

    fn key_matches(&self, outer: &Path, inner: &Path, keys: &[Rc<Clause>]) -> PgResult<f64> {
        let mut matches = outer.rows * inner.rows;
        for clause in keys {
            matches *= self.clause_selectivity(clause)?;
        }
        Ok(clamp_rows(matches))
    }
}

/// Integers compare across widths, and so do floats.
fn is_number(type_oid: redoubt_functions::Oid) -> bool {
    use redoubt_functions::types;
    matches!(type_oid, types::INT2 | types::INT4 | types::INT8)
}

fn without(clauses: &[Rc<Clause>], keys: &[Rc<Clause>]) -> Vec<Rc<Clause>> {
    clauses.iter().filter(|clause| !keys.iter().any(|key| Rc::ptr_eq(key, clause))).cloned().collect()
}

/// Join clauses that a path over outer rows tests itself.
fn tested_inside(path: &Path) -> Vec<Rc<Clause>> {
    match &path.kind {
        PathKind::IndexScan { conditions, filter, .. } => conditions
            .iter()
            .map(|condition| condition.clause.clone())
            .chain(filter.iter().cloned())
            .collect(),
        PathKind::BitmapHeap { filter, bitmap, .. } => {
            let mut all = filter.clone();
            bitmap.clauses(&mut all);
            all
        }
        PathKind::SeqScan { clauses, .. }
        | PathKind::Subquery { clauses, .. }
        | PathKind::Function { clauses, .. }
        | PathKind::Values { clauses, .. }
        | PathKind::Cte { clauses, .. } => clauses.clone(),
        PathKind::Material(sub) => tested_inside(sub),
        _ => Vec::new(),
    }
}

/// The columns of keys that are computed: the join's conditions compute the keys again from them.
fn key_columns(keys: &[Expr], ranges: &RelSet) -> Vec<Expr> {
    let mut columns: Vec<Expr> = Vec::new();
    for key in keys.iter().filter(|key| !matches!(strip_relabel(key), Expr::Var(_))) {
        walk::visit(key, 0, &mut |node, _| {
            let own = matches!(node, Expr::Var(var) if ranges.contains(var.rt));
            if own && !columns.iter().any(|known| equal::same(known, node)) {
                columns.push(node.clone());
            }
            true
        });
    }
    columns
}

/// Whether reading the path again costs no more than reading kept rows.
fn keeps_rows(path: &Path) -> bool {
    matches!(
        path.kind,
        PathKind::Material(_)
            | PathKind::Cte { .. }
            | PathKind::Sort { .. }
            | PathKind::Function { .. }
            | PathKind::Values { .. }
    )
}

fn materialised(settings: &crate::facts::PlannerSettings, sub: &Rc<Path>) -> Rc<Path> {
    let cost = cost::material_cost(settings, sub);
    super::finish::over(sub, cost.startup, cost.total, sub.rows, sub.order.clone(), PathKind::Material)
}
