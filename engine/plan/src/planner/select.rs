//! A SELECT level from its FROM list to its paths.

use super::base::empty_query;
use super::level::{JoinTree, Level, LevelPlanner, PlannedLevel};
use super::path::{Path, PathKind};
use super::relset::RelSet;
use super::{inspect, prepare};
use crate::builder::Builder;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use std::collections::HashMap;
use std::rc::Rc;

impl<'p, 'a> LevelPlanner<'p, 'a> {
    pub(crate) fn new(builder: &'p mut Builder<'a>, query: Query, fraction: f64) -> Self {
        LevelPlanner {
            builder,
            query,
            fraction,
            bases: HashMap::new(),
            locals: RelSet::new(),
            from: RelSet::new(),
            nullable: RelSet::new(),
            special: Vec::new(),
            classes: Vec::new(),
            constants: Vec::new(),
            wanted_order: Vec::new(),
            clause_count: 0,
            join_rels: HashMap::new(),
        }
    }

    /// Plans a level that is no set operation.
    pub(crate) fn plan_select(&mut self) -> PgResult<PlannedLevel> {
        self.builder.fold_query(&mut self.query)?;
        super::prepare::empty_having(&mut self.query);
        self.limit_fraction();
        let tree = self.prepare_tree()?;
        let paths = self.plan_from(tree)?;
        let paths = self.plan_above_joins(paths)?;
        Ok(self.finish_level(paths))
    }

    /// Scans and joins: everything up to WHERE.
    pub(crate) fn plan_from(&mut self, tree: JoinTree) -> PgResult<Vec<Rc<Path>>> {
        self.from = tree.relids();
        for range in self.from.iter().collect::<Vec<_>>() {
            self.add_base(range)?;
        }
        let items = self.deconstruct(tree)?;
        self.wanted_order = self.order_wanted()?;
        let paths = if items.is_empty() { vec![self.empty_result()?] } else { self.plan_joins(items)? };
        if self.constants.is_empty() || self.from.is_empty() {
            return Ok(paths);
        }
        let conditions = std::mem::take(&mut self.constants);
        let cost = self.exprs_cost(&conditions)?;
        // What is false for all rows need not look at any.
        let never = |condition: &Expr| matches!(inspect::constant_bool(condition), Some(value) if value != Some(true));
        if conditions.iter().any(never) {
            self.constants = vec![crate::planner::fold::bool_const(false)];
            let mut empty = self.empty_result()?;
            let path = Rc::get_mut(&mut empty).expect("the path was just made");
            (path.relids, path.rows, path.total) = (paths[0].relids.clone(), 0.0, 0.0);
            path.startup = 0.0;
            path.width = paths[0].width;
            return Ok(vec![empty]);
        }
        Ok(paths.into_iter().map(|sub| gate(sub, conditions.clone(), cost.startup + cost.total)).collect())
    }

    /// No FROM: one row, if the conditions hold.
    fn empty_result(&mut self) -> PgResult<Rc<Path>> {
        let conditions = std::mem::take(&mut self.constants);
        let cost = self.exprs_cost(&conditions)?;
        let startup = cost.startup + cost.total;
        Ok(Rc::new(Path {
            kind: PathKind::Result { conditions },
            relids: RelSet::new(),
            outer: RelSet::new(),
            rows: 1.0,
            startup,
            total: startup + self.builder.ctx.settings.cpu_tuple_cost,
            width: 0,
            order: Vec::new(),
        }))
    }

    /// Narrows the expected fraction of rows by LIMIT (`preprocess_limit`).
    fn limit_fraction(&mut self) {
        let number = |expr: &Option<Expr>| match expr {
            None => Some(None),
            Some(Expr::Const { value: Datum::Int8(value), .. }) => Some(Some(*value)),
            Some(Expr::Const { value: Datum::Null, .. }) => Some(None),
            Some(_) => None,
        };
        let query = &self.query;
        if query.limit_count.is_none() && query.limit_offset.is_none() {
            return;
        }
        let count = number(&query.limit_count);
        let offset = number(&query.limit_offset).map(|offset| offset.map_or(0.0, |n| n.max(0) as f64));
        let wanted = match (count, offset) {
            // An expression: expect a tenth of the rows.
            (None, _) => Some(0.10),
            (Some(Some(count)), Some(offset)) => Some((count.max(1) as f64) + offset),
            (Some(Some(_)), None) => Some(0.10),
            (Some(None), _) => None,
        };
        if let Some(wanted) = wanted {
            self.fraction = combine_fractions(self.fraction, wanted);
        }
    }

    /// The rows that a sort under the LIMIT must deliver, 0 for all.
    pub(crate) fn sort_limit(&self) -> f64 {
        let number = |expr: &Expr| match expr {
            Expr::Const { value: Datum::Int8(value), .. } => Some(*value as f64),
            _ => None,
        };
        let Some(count) = self.query.limit_count.as_ref().and_then(number) else { return 0.0 };
        match &self.query.limit_offset {
            None => count,
            Some(offset) => number(offset).map_or(0.0, |offset| count + offset),
        }
    }

    /// The order that the steps above the joins could use: grouping, else windows, else DISTINCT,
    /// else ORDER BY.
    fn order_wanted(&mut self) -> PgResult<Vec<super::path::PathKey>> {
        let targets = self.query.target_list.clone();
        let query = &self.query;
        let keys = if query.has_aggs || !query.group_by.is_empty() {
            if query.grouping_sets.is_some() { Vec::new() } else { query.group_by.clone() }
        } else if let Some(window) = query.windows.first() {
            window.partition_by.iter().chain(&window.order_by).copied().collect()
        } else {
            match &query.distinct {
                Some(Distinct::All(keys) | Distinct::On(keys)) if query.sort.len() < keys.len() => {
                    keys.clone()
                }
                _ => query.sort.clone(),
            }
        };
        let usable = keys.iter().all(|key| {
            let expr = &targets[key.target].expr;
            !inspect::has_aggregate(expr) && !inspect::has_window(expr) && !inspect::returns_set(expr)
        });
        if !usable {
            return Ok(Vec::new());
        }
        Ok(self.order_of(&keys, &targets)?.unwrap_or_default())
    }

    /// Packs what later steps need of the level.
    pub(crate) fn finish_level(&mut self, paths: Vec<Rc<Path>>) -> PlannedLevel {
        let query = std::mem::replace(&mut self.query, empty_query());
        let level = Level {
            rtable: query.rtable,
            targets: query.target_list,
            returning: query.returning,
            classes: std::mem::take(&mut self.classes),
            row_marks: query.row_marks,
            from: self.from.clone(),
            locals: self.locals.clone(),
        };
        PlannedLevel { level: Rc::new(level), paths }
    }

    /// Simplifies FROM and WHERE: pull-ups, outer joins that need not be.
    pub(crate) fn prepare_tree(&mut self) -> PgResult<JoinTree> {
        let jointree = std::mem::take(&mut self.query.jointree);
        let tree = prepare::join_tree(jointree);
        let mut tree = self.pull_up(tree)?;
        self.locals = tree.relids();
        prepare::reduce_outer_joins(&mut tree);
        Ok(tree)
    }
}

/// A condition tested once before a path runs.
fn gate(sub: Rc<Path>, conditions: Vec<Expr>, cost: f64) -> Rc<Path> {
    Rc::new(Path {
        relids: sub.relids.clone(),
        outer: sub.outer.clone(),
        rows: sub.rows,
        startup: sub.startup + cost,
        total: sub.total + cost,
        width: sub.width,
        order: sub.order.clone(),
        kind: PathKind::Gate { sub, conditions },
    })
}

/// The stricter of two expectations, where a share and a count cannot be compared exactly.
fn combine_fractions(outer: f64, limit: f64) -> f64 {
    if outer >= 1.0 {
        if limit >= 1.0 { outer.min(limit) } else { outer }
    } else if outer > 0.0 {
        if limit >= 1.0 { limit } else { outer.min(limit) }
    } else {
        limit
    }
}
