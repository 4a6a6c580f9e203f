//! Window functions: one node per window definition, over input sorted for it.

use super::cost;
use super::inspect;
use super::level::LevelPlanner;
use super::path::{self, Path, PathKind, SortItem, WindowSpec};
use super::relset::RelSet;
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// Computes all window functions; afterwards the target list refers to their results.
    pub(crate) fn plan_windows(&mut self, mut paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        paths = self.compute_window_keys(paths)?;
        for window in self.active_windows() {
            paths = self.plan_window(paths, window)?;
        }
        Ok(paths)
    }

    /// Keys that are no plain columns are computed below all windows.
    fn compute_window_keys(&mut self, paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        let mut early: Vec<usize> = Vec::new();
        for window in &self.query.windows {
            for key in window.partition_by.iter().chain(&window.order_by) {
                let plain = matches!(self.query.target_list[key.target].expr, Expr::Var(_));
                if !plain && !early.contains(&key.target) {
                    early.push(key.target);
                }
            }
        }
        early.retain(|&at| !inspect::has_window(&self.query.target_list[at].expr));
        self.compute_at(paths, &early)
    }

    /// Windows that some function uses, in the order to compute them: those with more keys first,
    /// so that their sorts serve windows whose keys are a prefix (`select_active_windows`).
    fn active_windows(&self) -> Vec<usize> {
        let mut active: Vec<usize> = Vec::new();
        for entry in &self.query.target_list {
            walk::visit(&entry.expr, 0, &mut |node, depth| {
                if let Expr::WindowFunc(function) = node {
                    if depth == 0 && !active.contains(&function.window) {
                        active.push(function.window);
                    }
                }
                depth == 0
            });
        }
        active.sort_unstable();
        let keys = |window: &usize| {
            let window = &self.query.windows[*window];
            let all = window.partition_by.iter().chain(&window.order_by);
            all.map(|key| (key.target, key.sort_operator, key.nulls_first)).collect::<Vec<_>>()
        };
        // A list that another one begins with comes after it; otherwise later targets come first.
        active.sort_by(|a, b| {
            let (a, b) = (keys(a), keys(b));
            for (left, right) in a.iter().zip(&b) {
                let order = right.cmp(left);
                if order.is_ne() {
                    return order;
                }
            }
            b.len().cmp(&a.len())
        });
        active
    }

    fn plan_window(&mut self, paths: Vec<Rc<Path>>, window: usize) -> PgResult<Vec<Rc<Path>>> {
        let definition = self.query.windows[window].clone();
        let targets = self.query.target_list.clone();
        let keys: Vec<SortGroup> =
            definition.partition_by.iter().chain(&definition.order_by).copied().collect();
        let order = self.order_of(&keys, &targets)?.ok_or_else(|| {
            PgError::new(
                redoubt_error::code::FEATURE_NOT_SUPPORTED,
                "could not implement window PARTITION BY",
            )
            .detail("Window partitioning columns must be of sortable datatypes.")
        })?;
        let calls = self.window_calls(window);
        let outputs: Vec<Expr> = calls.iter().map(|call| Expr::WindowFunc(Box::new(call.clone()))).collect();
        let item = |key: &SortGroup| SortItem {
            expr: targets[key.target].expr.clone(),
            descending: key.descending,
            nulls_first: key.nulls_first,
            operator: key.sort_operator,
        };
        let (partition, ordering): (Vec<SortItem>, Vec<SortItem>) = (
            definition.partition_by.iter().map(item).collect(),
            definition.order_by.iter().map(item).collect(),
        );
        let range = self.new_computed_range(outputs.clone())?;
        for at in 0..self.query.target_list.len() {
            let mut expr = self.query.target_list[at].expr.clone();
            self.replace_computed(&mut expr, &outputs, range);
            self.query.target_list[at].expr = expr;
        }
        let spec = Rc::new(WindowSpec { range, partition, order: ordering, frame: definition.frame, calls });
        let Some(cheapest) = path::cheapest_total(&paths).cloned() else { return Ok(paths) };
        let mut result = Vec::new();
        for path in &paths {
            let presorted = path::order_satisfies(&path.order, &order);
            if presorted || Rc::ptr_eq(path, &cheapest) {
                let sorted = self.sorted(path, &order, 0.0)?;
                let windowed = self.window_path(&sorted, &spec)?;
                self.add(&mut result, windowed);
            }
        }
        Ok(result)
    }

    /// The functions over one window, each once.
    fn window_calls(&self, window: usize) -> Vec<WindowFunc> {
        let mut calls: Vec<WindowFunc> = Vec::new();
        for entry in &self.query.target_list {
            walk::visit(&entry.expr, 0, &mut |node, depth| {
                if let Expr::WindowFunc(function) = node {
                    let known = calls
                        .iter()
                        .any(|call| crate::equal::same(&Expr::WindowFunc(Box::new(call.clone())), node));
                    if depth == 0 && function.window == window && !known {
                        calls.push((**function).clone());
                    }
                }
                depth == 0
            });
        }
        calls
    }

    fn window_path(&self, sub: &Rc<Path>, spec: &Rc<WindowSpec>) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let mut per_row = settings.cpu_operator_cost * (spec.partition.len() + spec.order.len()) as f64;
        for call in &spec.calls {
            let args = self.exprs_cost(call.args.iter().chain(&call.filter))?;
            per_row += settings.cpu_operator_cost + args.total;
        }
        per_row += settings.cpu_tuple_cost;
        let width: i32 = spec.calls.iter().map(|call| cost::type_width(call.ty)).sum();
        Ok(Path {
            relids: sub.relids.union(&RelSet::single(spec.range)),
            outer: sub.outer.clone(),
            rows: sub.rows,
            startup: sub.startup,
            total: sub.total + per_row * sub.rows,
            width: sub.width + width,
            order: sub.order.clone(),
            kind: PathKind::Window { sub: sub.clone(), spec: spec.clone() },
        })
    }
}
