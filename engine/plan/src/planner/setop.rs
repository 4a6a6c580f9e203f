//! UNION, INTERSECT and EXCEPT.
//!
//! All inputs of an operation write the same result columns, those of the leftmost leaf, which the
//! target list and ORDER BY refer to. After PostgreSQL's src/backend/optimizer/prep/prepunion.c.

use super::cost::{self, AggregateCosts, Cost, clamp_rows};
use super::level::LevelPlanner;
use super::order::DISABLE_COST;
use super::path::{self, Path, PathKey, PathKind, SortItem};
use super::relset::RelSet;
use crate::aggregate::AggStrategy;
use crate::builder::Builder;
use crate::node::{NodeId, NodeKind, RecursiveUnion, SetOperationNode};
use crate::planner::level::{Level, PlannedLevel};
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// Plans a level that is a tree of set operations.
    pub(crate) fn plan_set_operation(&mut self) -> PgResult<PlannedLevel> {
        self.builder.fold_query(&mut self.query)?;
        let tree = self.query.set_operation.take().expect("checked by the caller");
        let result = leftmost(&tree);
        self.locals.insert(result);
        self.from.insert(result);
        let path = self.set_path(&tree, result)?;
        let mut paths = vec![path];
        if !self.query.sort.is_empty() {
            let every = vec![true; self.query.target_list.len()];
            let early: Vec<usize> = (0..every.len())
                .filter(|&at| !matches!(self.query.target_list[at].expr, Expr::Var(_)))
                .collect();
            paths = self.compute_at(paths, &early)?;
            paths = self.plan_sort(paths)?;
        }
        let paths = self.plan_end(paths)?;
        Ok(self.finish_level(paths))
    }

    fn set_path(&mut self, tree: &SetOperation, result: usize) -> PgResult<Rc<Path>> {
        match tree {
            SetOperation::Leaf(range) => self.set_leaf(*range, result),
            SetOperation::Node { op: SetOp::Union, all, keys, .. } => {
                let mut leaves = Vec::new();
                union_children(tree, *all, &mut leaves);
                let children: Vec<Rc<Path>> =
                    leaves.into_iter().map(|leaf| self.set_path(leaf, result)).collect::<PgResult<_>>()?;
                let appended = self.append(children, result);
                if *all { Ok(appended) } else { self.distinct_rows(appended, keys, result) }
            }
            SetOperation::Node { op, all, left, right, keys, .. } => {
                let left = self.set_path(left, result)?;
                let right = self.set_path(right, result)?;
                self.set_node(*op, *all, (left, right), keys, result)
            }
        }
    }

    fn set_leaf(&mut self, range: usize, result: usize) -> PgResult<Rc<Path>> {
        let local = self.builder.local_index[range];
        let RteKind::Subquery(query) = &mut self.query.rtable[local].kind else {
            return Err(PgError::internal("a leaf of a set operation is a subquery"));
        };
        let query = std::mem::replace(&mut **query, super::base::empty_query());
        let planned = self.builder.plan_level(query, 0.0)?;
        let sub = path::cheapest_total(&planned.paths)
            .cloned()
            .ok_or_else(|| PgError::internal("failed to find a path for a subquery"))?;
        Ok(Rc::new(Path {
            relids: RelSet::single(result),
            outer: RelSet::new(),
            rows: sub.rows,
            startup: sub.startup,
            total: sub.total,
            width: sub.width,
            order: Vec::new(),
            kind: PathKind::SetLeaf { level: planned.level, sub, range, result },
        }))
    }

    fn append(&self, children: Vec<Rc<Path>>, result: usize) -> Rc<Path> {
        let rows: f64 = children.iter().map(|child| child.rows).sum();
        let run: f64 = children.iter().map(|child| child.total).sum();
        let settings = self.builder.ctx.settings;
        Rc::new(Path {
            relids: RelSet::single(result),
            outer: RelSet::new(),
            rows,
            startup: children.first().map_or(0.0, |child| child.startup),
            // PostgreSQL's APPEND_CPU_COST_MULTIPLIER is a half.
            total: run + 0.5 * settings.cpu_tuple_cost * rows,
            width: children.iter().map(|child| child.width).max().unwrap_or(0),
            order: Vec::new(),
            kind: PathKind::Append { children },
        })
    }

    /// The result columns as keys.
    fn set_keys(&mut self, keys: &[SortGroup], result: usize) -> Vec<(SortGroup, Expr)> {
        keys.iter()
            .map(|key| {
                let ty = self.builder.ranges[result].columns[key.target];
                (*key, crate::builder::column_var(result, key.target as i16 + 1, ty))
            })
            .collect()
    }

    /// The keys as an order, if all can be sorted by.
    fn set_order(&mut self, keys: &[(SortGroup, Expr)]) -> PgResult<Option<Vec<PathKey>>> {
        let mut order = Vec::with_capacity(keys.len());
        for (key, expr) in keys {
            match self.path_key(expr, key)? {
                Some(path_key) => self.push_key(&mut order, path_key),
                None => return Ok(None),
            }
        }
        Ok(Some(order))
    }

    fn set_hashable(&self, keys: &[(SortGroup, Expr)]) -> PgResult<bool> {
        for (key, _) in keys {
            let operator = self.builder.ctx.catalog.operator(key.eq_operator)?;
            if !operator.is_some_and(|facts| facts.can_hash) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// UNION: duplicates removed, by hashing or by sorting, whichever is cheaper.
    fn distinct_rows(&mut self, sub: Rc<Path>, keys: &[SortGroup], result: usize) -> PgResult<Rc<Path>> {
        let keys = self.set_keys(keys, result);
        let order = self.set_order(&keys)?;
        let hashable = self.set_hashable(&keys)?;
        let groups = sub.rows;
        let settings = self.builder.ctx.settings;
        let mut candidates = Vec::new();
        if hashable {
            let costs = AggregateCosts { transition: Cost::default(), finals: Cost::default() };
            let input = (&*sub, f64::from(sub.width));
            let mut cost =
                cost::aggregate_cost(settings, AggStrategy::Hashed, &costs, keys.len(), groups, input);
            if !settings.enable_hashagg {
                cost.startup += DISABLE_COST;
                cost.total += DISABLE_COST;
            }
            candidates.push(Rc::new(Path {
                relids: sub.relids.clone(),
                outer: RelSet::new(),
                rows: groups,
                startup: cost.startup,
                total: cost.total,
                width: sub.width,
                order: Vec::new(),
                kind: PathKind::Distinct { sub: sub.clone(), keys: items(&keys), carried: Vec::new() },
            }));
        }
        if let Some(order) = order {
            let sorted = self.sorted(&sub, &order, 0.0)?;
            let unique_keys = self.sort_items(&order, &sorted.relids)?;
            let total = sorted.total + settings.cpu_operator_cost * sorted.rows * keys.len() as f64;
            candidates.push(Rc::new(Path {
                relids: sub.relids.clone(),
                outer: RelSet::new(),
                rows: groups,
                startup: sorted.startup,
                total,
                width: sub.width,
                order,
                kind: PathKind::Unique { sub: sorted, keys: unique_keys },
            }));
        }
        path::cheapest_total(&candidates).cloned().ok_or_else(|| cannot_implement("UNION"))
    }

    /// INTERSECT or EXCEPT over both inputs, appended and told apart by a flag.
    fn set_node(
        &mut self,
        op: SetOp,
        all: bool,
        (left, right): (Rc<Path>, Rc<Path>),
        keys: &[SortGroup],
        result: usize,
    ) -> PgResult<Rc<Path>> {
        let flag_type = ColumnType { type_oid: redoubt_functions::types::INT4, typmod: -1, collation: 0 };
        let flag_expr = Expr::Const { value: Datum::Int4(0), ty: flag_type };
        let flag = self.new_computed_range(vec![flag_expr])?;
        let (left_rows, right_rows) = (left.rows, right.rows);
        let mark =
            |sub: Rc<Path>, value: i32| {
                super::finish::over(&sub, sub.startup, sub.total, sub.rows, Vec::new(), |sub| {
                    PathKind::Flag { sub, range: flag, value }
                })
            };
        // The smaller input goes first for INTERSECT, so that its groups are what is kept.
        let children = if op == SetOp::Intersect && right_rows < left_rows {
            vec![mark(right, 0), mark(left, 1)]
        } else {
            vec![mark(left, 0), mark(right, 1)]
        };
        let appended = self.append(children, result);
        let keys = self.set_keys(keys, result);
        let order = self.set_order(&keys)?;
        let groups = if op == SetOp::Except { left_rows } else { left_rows.min(right_rows) };
        let settings = self.builder.ctx.settings;
        let per_row = settings.cpu_operator_cost * appended.rows * keys.len() as f64;
        let node = |sub: Rc<Path>, hashed: bool, keys: Vec<SortItem>, order: Vec<PathKey>| {
            let startup = if hashed { sub.total + per_row } else { sub.startup };
            let total = sub.total + per_row;
            super::finish::over(&sub, startup, total, clamp_rows(groups), order, |sub| PathKind::SetOp {
                sub,
                op,
                all,
                hashed,
                keys,
                flag,
            })
        };
        let mut candidates = Vec::new();
        if self.set_hashable(&keys)? && (settings.enable_hashagg || order.is_none()) {
            candidates.push(node(appended.clone(), true, items(&keys), Vec::new()));
        }
        if let Some(order) = order {
            let sorted = self.sorted(&appended, &order, 0.0)?;
            let keys = self.sort_items(&order, &sorted.relids)?;
            candidates.push(node(sorted, false, keys, order));
        }
        let name = if op == SetOp::Except { "EXCEPT" } else { "INTERSECT" };
        path::cheapest_total(&candidates).cloned().ok_or_else(|| cannot_implement(name))
    }

    /// A recursive UNION: the query of a recursive WITH.
    pub(crate) fn plan_recursive_union(&mut self, cte: usize) -> PgResult<PlannedLevel> {
        self.builder.fold_query(&mut self.query)?;
        let Some(SetOperation::Node { op: SetOp::Union, all, left, right, keys, columns }) =
            self.query.set_operation.take()
        else {
            return Err(PgError::internal("a recursive query is a UNION"));
        };
        let tree_result = leftmost(&left);
        self.locals.insert(tree_result);
        let start = self.set_path(&left, tree_result)?;
        self.builder.ctes[cte].rows = start.rows;
        self.builder.ctes[cte].width = start.width;
        let step = self.set_path(&right, tree_result)?;
        let distinct = if all {
            None
        } else {
            let keys = self.set_keys(&keys, tree_result);
            if !self.set_hashable(&keys)? {
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "could not implement recursive UNION")
                    .detail("All column datatypes must be hashable."));
            }
            Some(items(&keys))
        };
        let rows = start.rows + 10.0 * step.rows;
        let total = start.total + 10.0 * step.total + self.builder.ctx.settings.cpu_tuple_cost * rows;
        let path = Rc::new(Path {
            relids: RelSet::single(tree_result),
            outer: RelSet::new(),
            rows,
            startup: start.startup,
            total,
            width: start.width,
            order: Vec::new(),
            kind: PathKind::RecursiveUnion {
                start,
                step,
                cte,
                result: tree_result,
                columns: columns.len(),
                distinct,
            },
        });
        Ok(self.finish_level(vec![path]))
    }
}

impl Builder<'_> {
    pub(super) fn create_set_operation(&mut self, level: &Level, path: &Path) -> PgResult<NodeId> {
        match &path.kind {
            PathKind::SetLeaf { level, sub, range, result } => {
                let child = self.create(level, sub)?;
                self.set_leaf_columns(child, level, *result)?;
                let _ = range;
                Ok(child)
            }
            PathKind::Flag { sub, range, value } => {
                let child = self.create(level, sub)?;
                let slot = self.column(*range, 1);
                let ty = self.ranges[*range].columns[0];
                let flag = Expr::Const { value: Datum::Int4(*value), ty };
                self.project(child, &[(flag, slot)])?;
                Ok(child)
            }
            PathKind::Append { children } => {
                let children =
                    children.iter().map(|child| self.create(level, child)).collect::<PgResult<_>>()?;
                Ok(self.node(NodeKind::Append(children)))
            }
            PathKind::SetOp { sub, op, all, hashed, keys, flag } => {
                let child = self.create(level, sub)?;
                let keys = self.group_keys(child, keys)?;
                let flag = self.column(*flag, 1);
                Ok(self.node(NodeKind::SetOp(SetOperationNode {
                    child,
                    op: *op,
                    all: *all,
                    hashed: *hashed,
                    flag,
                    keys,
                })))
            }
            PathKind::RecursiveUnion { start, step, cte, result, columns, distinct } => {
                let start = self.create(level, start)?;
                let step = self.create(level, step)?;
                let columns = (1..=*columns as i16).map(|attno| self.column(*result, attno)).collect();
                let distinct = distinct.as_ref().map(|keys| self.group_keys(start, keys)).transpose()?;
                let work = self.work_slot(*cte);
                Ok(self.node(NodeKind::RecursiveUnion(RecursiveUnion {
                    start,
                    step,
                    cte: *cte,
                    work,
                    columns,
                    distinct,
                })))
            }
            other => Err(PgError::internal(format!("not a set operation: {other:?}"))),
        }
    }

    /// Computes a leaf's visible columns into the operation's result columns.
    fn set_leaf_columns(&mut self, child: NodeId, level: &Level, result: usize) -> PgResult<()> {
        let outputs: Vec<_> = level
            .targets
            .iter()
            .filter(|entry| !entry.junk)
            .enumerate()
            .map(|(index, entry)| (entry.expr.clone(), self.column(result, index as i16 + 1)))
            .collect();
        self.project(child, &outputs)
    }
}

fn leftmost(tree: &SetOperation) -> usize {
    match tree {
        SetOperation::Leaf(range) => *range,
        SetOperation::Node { left, .. } => leftmost(left),
    }
}

/// The inputs of a UNION, with those of nested UNIONs that it can absorb.
fn union_children<'t>(tree: &'t SetOperation, all: bool, leaves: &mut Vec<&'t SetOperation>) {
    match tree {
        SetOperation::Node { op: SetOp::Union, all: inner_all, left, right, .. } if !all || *inner_all => {
            union_children(left, all, leaves);
            union_children(right, all, leaves);
        }
        other => leaves.push(other),
    }
}

fn items(keys: &[(SortGroup, Expr)]) -> Vec<SortItem> {
    keys.iter()
        .map(|(key, expr)| SortItem {
            expr: expr.clone(),
            descending: key.descending,
            nulls_first: key.nulls_first,
            operator: key.eq_operator,
        })
        .collect()
}

fn cannot_implement(operation: &str) -> PgError {
    PgError::new(code::FEATURE_NOT_SUPPORTED, format!("could not implement {operation}"))
        .detail("Some of the datatypes only support hashing, while others only support sorting.")
}
