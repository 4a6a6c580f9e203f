//! What comes above the joins: grouping, window functions, set-returning targets, DISTINCT, ORDER BY,
//! LIMIT, row locks.
//!
//! Expressions move up in stages. Whatever a stage computes becomes columns of a computed range,
//! and the target list refers to those from then on.

use super::cost::{self, clamp_rows};
use super::inspect;
use super::level::LevelPlanner;
use super::path::{self, Path, PathKey, PathKind};
use super::relset::RelSet;
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// Everything from grouping to LIMIT over the joined rows.
    pub(crate) fn plan_above_joins(&mut self, mut paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        if self.query.has_aggs || !self.query.group_by.is_empty() || self.query.grouping_sets.is_some() {
            paths = self.plan_grouping(paths)?;
        }
        if !self.query.windows.is_empty() {
            paths = self.plan_windows(paths)?;
        }
        let sort_columns = self.sort_columns();
        let srfs_first = self.target_sets(&sort_columns);
        if srfs_first {
            paths = self.plan_target_sets(paths)?;
        }
        paths = self.compute_targets(paths, &sort_columns)?;
        if let Some(distinct) = self.query.distinct.clone() {
            paths = self.plan_distinct(paths, &distinct)?;
        }
        if !self.query.sort.is_empty() {
            paths = self.plan_sort(paths)?;
        }
        if !srfs_first && self.query.has_target_srfs {
            paths = self.plan_target_sets(paths)?;
        }
        self.plan_end(paths)
    }

    /// Row locks and LIMIT.
    pub(crate) fn plan_end(&mut self, mut paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        if !self.query.row_marks.is_empty() {
            self.builder.writes = true;
            self.builder.rechecks = true;
            let tuple = self.builder.ctx.settings.cpu_tuple_cost;
            paths = paths
                .into_iter()
                .map(|sub| {
                    let (startup, total) = (sub.startup, sub.total + tuple * sub.rows);
                    // Waiting for a lock may show newer values: the order is not certain any more.
                    over(&sub, startup, total, sub.rows, Vec::new(), |sub| PathKind::LockRows { sub })
                })
                .collect();
        }
        if self.query.limit_count.is_some() || self.query.limit_offset.is_some() {
            paths = paths.into_iter().map(|sub| self.limit(sub)).collect::<PgResult<_>>()?;
        }
        Ok(paths)
    }

    /// Targets that ORDER BY or DISTINCT look at.
    fn sort_columns(&self) -> Vec<bool> {
        let mut wanted = vec![false; self.query.target_list.len()];
        let distinct = match &self.query.distinct {
            Some(Distinct::All(keys) | Distinct::On(keys)) => &keys[..],
            None => &[],
        };
        for key in self.query.sort.iter().chain(distinct) {
            wanted[key.target] = true;
        }
        wanted
    }

    /// Whether set-returning targets must be expanded before sorting: some key depends on them, or
    /// there is nothing to sort.
    fn target_sets(&self, sort_columns: &[bool]) -> bool {
        let targets = &self.query.target_list;
        self.query.has_target_srfs
            && (self.query.sort.is_empty() && self.query.distinct.is_none()
                || targets
                    .iter()
                    .zip(sort_columns)
                    .any(|(entry, key)| *key && inspect::returns_set(&entry.expr)))
    }

    /// Computes, below DISTINCT and ORDER BY, the targets that must be or may be computed there
    /// (`make_sort_input_target`): keys always, others unless they are volatile, or LIMIT makes it
    /// worth waiting with dear ones.
    fn compute_targets(&mut self, paths: Vec<Rc<Path>>, sort_columns: &[bool]) -> PgResult<Vec<Rc<Path>>> {
        if self.query.sort.is_empty() && self.query.distinct.is_none() {
            return Ok(paths);
        }
        let limited = self.query.limit_count.is_some() || self.fraction > 0.0;
        let dear = 10.0 * self.builder.ctx.settings.cpu_operator_cost;
        let mut early = Vec::new();
        for (index, entry) in self.query.target_list.iter().enumerate() {
            if matches!(entry.expr, Expr::Var(_) | Expr::Const { .. } | Expr::Param { .. }) {
                continue;
            }
            let postponed = inspect::returns_set(&entry.expr)
                || inspect::is_volatile(&entry.expr)
                || limited && self.expr_cost(&entry.expr)?.total > dear;
            if sort_columns[index] || !postponed {
                early.push(index);
            }
        }
        self.compute_at(paths, &early)
    }

    /// Computes these targets over each path and makes the target list refer to the results.
    pub(crate) fn compute_at(&mut self, paths: Vec<Rc<Path>>, targets: &[usize]) -> PgResult<Vec<Rc<Path>>> {
        if targets.is_empty() {
            return Ok(paths);
        }
        let values: Vec<Expr> = targets.iter().map(|&at| self.query.target_list[at].expr.clone()).collect();
        let (paths, range) = self.compute(paths, values)?;
        for (index, &at) in targets.iter().enumerate() {
            self.query.target_list[at].expr = self.builder.computed_var(range, index);
        }
        Ok(paths)
    }

    /// Computes values over each path's rows.
    pub(crate) fn compute(
        &mut self,
        paths: Vec<Rc<Path>>,
        values: Vec<Expr>,
    ) -> PgResult<(Vec<Rc<Path>>, usize)> {
        let cost = self.exprs_cost(&values)?;
        let width: i32 = values.iter().map(|value| cost::type_width(value.ty())).sum();
        let range = self.new_computed_range(values)?;
        let paths = paths
            .into_iter()
            .map(|sub| {
                Rc::new(Path {
                    relids: sub.relids.union(&RelSet::single(range)),
                    outer: sub.outer.clone(),
                    rows: sub.rows,
                    startup: sub.startup + cost.startup,
                    total: sub.total + cost.startup + cost.total * sub.rows,
                    width: sub.width + width,
                    order: sub.order.clone(),
                    kind: PathKind::Compute { sub, range },
                })
            })
            .collect();
        Ok((paths, range))
    }

    /// Expands set-returning calls in the target list; nested ones level by level.
    fn plan_target_sets(&mut self, mut paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        loop {
            let mut calls: Vec<Expr> = Vec::new();
            for entry in &self.query.target_list {
                check_unconditional(&entry.expr)?;
                innermost_sets(&entry.expr, &mut calls);
            }
            if calls.is_empty() {
                return Ok(paths);
            }
            let mut rows = 1.0_f64;
            for call in &calls {
                rows = rows.max(self.set_rows(call)?);
            }
            // A call that is not found again would be planned for ever.
            assert!(calls.iter().all(|call| crate::equal::same(call, call)), "an expression equals itself");
            let cost = self.exprs_cost(&calls)?;
            let range = self.new_computed_range(calls.clone())?;
            for at in 0..self.query.target_list.len() {
                let mut expr = self.query.target_list[at].expr.clone();
                self.replace_computed(&mut expr, &calls, range);
                self.query.target_list[at].expr = expr;
            }
            let tuple = self.builder.ctx.settings.cpu_tuple_cost;
            paths = paths
                .into_iter()
                .map(|sub| {
                    let total_rows = sub.rows * rows;
                    let total = sub.total
                        + cost.startup
                        + (cost.total + tuple) * sub.rows
                        + (total_rows - sub.rows) * tuple / 2.0;
                    Rc::new(Path {
                        relids: sub.relids.union(&RelSet::single(range)),
                        outer: sub.outer.clone(),
                        rows: total_rows,
                        startup: sub.startup + cost.startup,
                        total,
                        width: sub.width,
                        order: sub.order.clone(),
                        kind: PathKind::ProjectSet { sub, range },
                    })
                })
                .collect();
        }
    }

    /// Replaces each expression of `values` inside `expr` by the column of `range` that stands
    /// for it.
    pub(crate) fn replace_computed(&self, expr: &mut Expr, values: &[Expr], range: usize) {
        walk::rewrite(expr, 0, &mut |node, _| match values
            .iter()
            .position(|value| crate::equal::same(value, node))
        {
            Some(index) => {
                *node = self.builder.computed_var(range, index);
                false
            }
            None => true,
        });
    }

    fn plan_distinct(&mut self, paths: Vec<Rc<Path>>, distinct: &Distinct) -> PgResult<Vec<Rc<Path>>> {
        let (keys, on) = match distinct {
            Distinct::All(keys) => (keys.clone(), false),
            Distinct::On(keys) => (keys.clone(), true),
        };
        let targets = self.query.target_list.clone();
        let exprs: Vec<Expr> = keys.iter().map(|key| targets[key.target].expr.clone()).collect();
        let Some(input) = path::cheapest_total(&paths).cloned() else { return Ok(paths) };
        let groups = self.estimate_groups(&exprs, input.rows)?;
        let mut result = Vec::new();
        if let Some(order) = self.order_of(&keys, &targets)? {
            // DISTINCT ON keeps the first row in ORDER BY's order; plain DISTINCT only profits.
            let sort = self.query.sort.clone();
            let full = match self.order_of(&sort, &targets)? {
                Some(wanted) if on || wanted.len() > order.len() => extend_order(&wanted, &order),
                Some(wanted) => extend_order(&wanted, &order),
                None => order.clone(),
            };
            for path in &paths {
                let presorted = path::order_satisfies(&path.order, if on { &full } else { &order });
                if !presorted && !Rc::ptr_eq(path, &input) {
                    continue;
                }
                let sorted = if presorted { path.clone() } else { self.sorted(path, &full, 0.0)? };
                let unique = self.unique(&sorted, &order, groups)?;
                self.add(&mut result, unique);
            }
        }
        if !on && self.hashable(&keys, &targets)? {
            let path = self.hashed_distinct(&input, &keys, &exprs, groups)?;
            self.add(&mut result, path);
        }
        if result.is_empty() {
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "could not implement DISTINCT")
                .detail("Some of the datatypes only support hashing, while others only support sorting."));
        }
        Ok(result)
    }

    fn unique(&self, sub: &Rc<Path>, order: &[PathKey], groups: f64) -> PgResult<Path> {
        let operator = self.builder.ctx.settings.cpu_operator_cost;
        let keys = self.sort_items(order, &sub.relids)?;
        Ok(Path {
            relids: sub.relids.clone(),
            outer: sub.outer.clone(),
            rows: if order.is_empty() { 1.0 } else { groups },
            startup: sub.startup,
            total: sub.total + operator * sub.rows * order.len() as f64,
            width: sub.width,
            order: sub.order.clone(),
            kind: PathKind::Unique { sub: sub.clone(), keys },
        })
    }

    pub(crate) fn plan_sort(&mut self, paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        let (keys, targets) = (self.query.sort.clone(), self.query.target_list.clone());
        let order = self.order_of(&keys, &targets)?.unwrap_or_default();
        let limit = self.sort_limit();
        let Some(cheapest) = path::cheapest_total(&paths).cloned() else { return Ok(paths) };
        let mut result = Vec::new();
        for path in &paths {
            let presorted = path::order_satisfies(&path.order, &order);
            if presorted || Rc::ptr_eq(path, &cheapest) {
                let sorted = self.sorted(path, &order, limit)?;
                path::add_path(&mut result, sorted, self.fraction > 0.0);
            }
        }
        Ok(result)
    }

    fn limit(&mut self, sub: Rc<Path>) -> PgResult<Rc<Path>> {
        let (offset, count) = (self.query.limit_offset.clone(), self.query.limit_count.clone());
        let rows = |expr: &Option<Expr>, rows: f64| match expr {
            None => None,
            Some(Expr::Const { value: Datum::Int8(value), .. }) => Some((*value).max(0) as f64),
            Some(Expr::Const { value: Datum::Null, .. }) => None,
            Some(_) => Some(clamp_rows(rows * 0.10)),
        };
        let (mut startup, mut total, mut left) = (sub.startup, sub.total, sub.rows);
        let run = sub.total - sub.startup;
        if let Some(skipped) = rows(&offset, left) {
            let skipped = skipped.min(sub.rows);
            if sub.rows > 0.0 {
                startup += run * skipped / sub.rows;
            }
            left = (left - skipped).max(1.0);
        }
        if let Some(count) = rows(&count, left) {
            let count = count.min(left);
            if sub.rows > 0.0 {
                total = startup + run * count / sub.rows;
            }
            left = count.max(1.0);
        }
        let ties = if self.query.with_ties {
            let (keys, targets) = (self.query.sort.clone(), self.query.target_list.clone());
            let order = self.order_of(&keys, &targets)?.unwrap_or_default();
            self.sort_items(&order, &sub.relids)?
        } else {
            Vec::new()
        };
        let with_ties = self.query.with_ties;
        let order = sub.order.clone();
        Ok(over(&sub, startup, total, left, order, |sub| PathKind::Limit {
            sub,
            offset,
            count,
            ties,
            with_ties,
        }))
    }
}

/// A path over another with the same relations.
pub(crate) fn over(
    sub: &Rc<Path>,
    startup: f64,
    total: f64,
    rows: f64,
    order: Vec<PathKey>,
    kind: impl FnOnce(Rc<Path>) -> PathKind,
) -> Rc<Path> {
    Rc::new(Path {
        kind: kind(sub.clone()),
        relids: sub.relids.clone(),
        outer: sub.outer.clone(),
        rows,
        startup,
        total,
        width: sub.width,
        order,
    })
}

/// `wanted`, followed by the keys of `order` that are not in it.
fn extend_order(wanted: &[PathKey], order: &[PathKey]) -> Vec<PathKey> {
    let mut result = wanted.to_vec();
    for key in order {
        if !result.iter().any(|known| known.class == key.class) {
            result.push(*key);
        }
    }
    result
}

/// What returns a set must be called for every row.
fn check_unconditional(expr: &Expr) -> PgResult<()> {
    let mut found = None;
    walk::visit(expr, 0, &mut |node, depth| {
        let what = match node {
            Expr::Case { .. } => "CASE",
            Expr::Coalesce { .. } => "COALESCE",
            _ => return depth == 0 && found.is_none(),
        };
        walk::visit(node, depth, &mut |inner, depth| {
            if let Expr::Call(call) = inner
                && call.returns_set
                && depth == 0
            {
                found = Some((what, call.position));
            }
            found.is_none()
        });
        false
    });
    match found {
        None => Ok(()),
        Some((what, position)) => Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            format!("set-returning functions are not allowed in {what}"),
        )
        .hint("You might be able to move the set-returning function into a LATERAL FROM item.")
        .at(position)),
    }
}

/// Set-returning calls without a set-returning call among their arguments.
fn innermost_sets(expr: &Expr, calls: &mut Vec<Expr>) {
    walk::visit(expr, 0, &mut |node, depth| {
        if depth > 0 {
            return false;
        }
        if let Expr::Call(call) = node {
            if call.returns_set && !call.args.iter().any(inspect::returns_set) {
                if inspect::is_volatile(node) || !calls.iter().any(|known| crate::equal::same(known, node)) {
                    calls.push(node.clone());
                }
                return false;
            }
        }
        true
    });
}
