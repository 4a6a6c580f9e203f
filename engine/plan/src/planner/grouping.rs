//! GROUP BY, aggregates and HAVING.

use super::cost::{self, AggregateCosts, Cost, clamp_rows};
use super::inspect;
use super::level::LevelPlanner;
use super::path::{self, AggregateSpec, Path, PathKey, PathKind, SortItem};
use super::relset::RelSet;
use crate::aggregate::AggStrategy;
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult, code};
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// Grouping over the joined rows. Afterwards the query's expressions refer to the groups.
    pub(crate) fn plan_grouping(&mut self, mut paths: Vec<Rc<Path>>) -> PgResult<Vec<Rc<Path>>> {
        let group_by = self.group_clause();
        let keys: Vec<Expr> =
            group_by.iter().map(|key| self.query.target_list[key.target].expr.clone()).collect();
        // Keys that are no plain columns are computed below the grouping.
        let computed: Vec<Expr> = keys.iter().filter(|key| !matches!(key, Expr::Var(_))).cloned().collect();
        let mut inputs = keys.clone();
        if !computed.is_empty() {
            let (with_keys, range) = self.compute(paths, computed.clone())?;
            paths = with_keys;
            for input in &mut inputs {
                if let Some(at) = computed.iter().position(|value| crate::equal::same(value, input)) {
                    *input = self.builder.computed_var(range, at);
                }
            }
        }
        let order = {
            let targets = self.query.target_list.clone();
            self.order_of(&group_by, &targets)?
        };
        let rows = path::cheapest_total(&paths).map_or(1.0, |path| path.rows);
        let groups = self.group_count(&keys, rows)?;
        let spec = Rc::new(self.group_spec(&group_by, &keys, inputs, groups)?);
        let result = self.group_paths(paths, &spec, order.as_deref())?;
        if result.is_empty() {
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "could not implement GROUP BY")
                .detail("Some of the datatypes only support hashing, while others only support sorting."));
        }
        Ok(result)
    }

    /// GROUP BY without duplicates, in ORDER BY's order as far as that is possible
    /// (`preprocess_groupclause`).
    fn group_clause(&self) -> Vec<SortGroup> {
        let group_by = &self.query.group_by;
        if self.query.grouping_sets.is_some() {
            return group_by.clone();
        }
        let mut result: Vec<SortGroup> = Vec::new();
        for sort in &self.query.sort {
            match group_by.iter().find(|key| key.target == sort.target && key.eq_operator == sort.eq_operator)
            {
                // The sort's direction serves both.
                Some(_) if sort.sort_operator != 0 => result.push(*sort),
                _ => break,
            }
        }
        for key in group_by {
            if !result.iter().any(|known| known.target == key.target) {
                result.push(*key);
            }
        }
        result
    }

    fn group_count(&self, keys: &[Expr], rows: f64) -> PgResult<f64> {
        match &self.query.grouping_sets {
            None if keys.is_empty() => Ok(1.0),
            None => self.estimate_groups(keys, rows),
            Some(sets) => {
                let mut sum = 0.0;
                for set in sets {
                    let keys: Vec<Expr> = set.iter().map(|&at| keys[at].clone()).collect();
                    sum += if keys.is_empty() { 1.0 } else { self.estimate_groups(&keys, rows)? };
                }
                Ok(sum)
            }
        }
    }

    /// Gathers what the grouping computes, makes its outputs columns, and replaces them in the
    /// target list, HAVING and the window definitions.
    fn group_spec(
        &mut self,
        group_by: &[SortGroup],
        keys: &[Expr],
        inputs: Vec<Expr>,
        groups: f64,
    ) -> PgResult<AggregateSpec> {
        let (mut calls, mut groupings) = (Vec::new(), Vec::new());
        self.each_upper_expr(&mut |expr| collect_calls(expr, &mut calls, &mut groupings));
        let carried = self.carried_columns(keys, &calls);
        let mut outputs: Vec<Expr> = keys.to_vec();
        outputs.extend(carried.iter().cloned());
        outputs.extend(calls.iter().map(|call| Expr::Aggregate(Box::new(call.clone()))));
        outputs.extend(groupings.iter().map(|keys| Expr::Grouping { keys: keys.clone(), levels_up: 0 }));
        let range = self.new_computed_range(outputs.clone())?;
        self.replace_upper(&outputs, range);
        let mut having = Vec::new();
        if let Some(condition) = self.query.having.take() {
            super::common_conjuncts::canonical_conjuncts(condition, &mut having);
        }
        let items = group_by
            .iter()
            .zip(inputs)
            .map(|(key, expr)| SortItem {
                expr,
                descending: key.descending,
                nulls_first: key.nulls_first,
                operator: key.eq_operator,
            })
            .collect();
        Ok(AggregateSpec {
            range,
            keys: items,
            carried,
            calls,
            sets: self.query.grouping_sets.clone(),
            groupings,
            having,
            groups,
        })
    }

    /// Calls `f` on every expression that is evaluated above the grouping.
    fn each_upper_expr(&self, f: &mut dyn FnMut(&Expr)) {
        self.query.target_list.iter().for_each(|entry| f(&entry.expr));
        self.query.having.iter().for_each(&mut *f);
        for window in &self.query.windows {
            for bound in [&window.frame.start, &window.frame.end] {
                if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                    f(offset);
                }
            }
        }
    }

    /// Replaces, everywhere above the grouping, what it computes by its output columns.
    fn replace_upper(&mut self, outputs: &[Expr], range: usize) {
        let mut query = std::mem::replace(&mut self.query, super::base::empty_query());
        for entry in &mut query.target_list {
            self.replace_grouped(&mut entry.expr, outputs, range);
        }
        if let Some(having) = &mut query.having {
            self.replace_grouped(having, outputs, range);
        }
        for window in &mut query.windows {
            for bound in [&mut window.frame.start, &mut window.frame.end] {
                if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                    self.replace_grouped(offset, outputs, range);
                }
            }
        }
        self.query = query;
    }

    fn replace_grouped(&self, expr: &mut Expr, outputs: &[Expr], range: usize) {
        walk::rewrite(expr, 0, &mut |node, depth| {
            let found = match &*node {
                // Inside a subquery an aggregate of this level counts its levels.
                Expr::Aggregate(aggregate) if aggregate.levels_up == depth => {
                    let mut own = (**aggregate).clone();
                    own.levels_up = 0;
                    outputs.iter().position(|output| {
                        crate::equal::same(output, &Expr::Aggregate(Box::new(own.clone())))
                    })
                }
                Expr::Grouping { keys, levels_up } if *levels_up == depth => {
                    let own = Expr::Grouping { keys: keys.clone(), levels_up: 0 };
                    outputs.iter().position(|output| crate::equal::same(output, &own))
                }
                Expr::Aggregate(_) | Expr::Grouping { .. } | Expr::Const { .. } => None,
                other => outputs.iter().position(|output| crate::equal::same(output, other)),
            };
            match found {
                Some(index) => {
                    *node = self.builder.computed_var(range, index);
                    false
                }
                None => true,
            }
        });
    }

    /// Columns used above the grouping that are no keys: they depend on a grouped primary key.
    fn carried_columns(&self, keys: &[Expr], calls: &[Aggregate]) -> Vec<Expr> {
        let mut carried: Vec<Expr> = Vec::new();
        let _ = calls;
        self.each_upper_expr(&mut |expr| {
            walk::visit(expr, 0, &mut |node, depth| {
                if matches!(node, Expr::Aggregate(aggregate) if aggregate.levels_up == depth) {
                    return false;
                }
                if keys.iter().any(|key| crate::equal::same(key, node)) {
                    return false;
                }
                if let Expr::Var(var) = node {
                    let known = carried.iter().any(|known| crate::equal::same(known, node));
                    if self.locals.contains(var.rt) && !known {
                        carried.push(node.clone());
                    }
                }
                true
            });
        });
        carried
    }

    fn group_paths(
        &mut self,
        paths: Vec<Rc<Path>>,
        spec: &Rc<AggregateSpec>,
        order: Option<&[PathKey]>,
    ) -> PgResult<Vec<Rc<Path>>> {
        let Some(cheapest) = path::cheapest_total(&paths).cloned() else { return Ok(paths) };
        let costs = self.aggregate_costs(spec)?;
        let mut result = Vec::new();
        if spec.sets.is_some() {
            let path = self.aggregate_path(&cheapest, spec, AggStrategy::Mixed, &costs, Vec::new())?;
            self.add(&mut result, path);
            return Ok(result);
        }
        if spec.keys.is_empty() {
            let path = self.aggregate_path(&cheapest, spec, AggStrategy::Plain, &costs, Vec::new())?;
            self.add(&mut result, path);
            return Ok(result);
        }
        if let Some(order) = order {
            for path in &paths {
                let presorted = path::order_satisfies(&path.order, order);
                if !presorted && !Rc::ptr_eq(path, &cheapest) {
                    continue;
                }
                let input = self.sorted(path, order, 0.0)?;
                let kept = input.order.clone();
                let path = self.aggregate_path(&input, spec, AggStrategy::Sorted, &costs, kept)?;
                self.add(&mut result, path);
            }
        }
        let ordered_input = spec.calls.iter().any(|call| call.distinct || !call.order_by.is_empty());
        if !ordered_input && self.keys_hashable(&spec.keys)? {
            let path = self.aggregate_path(&cheapest, spec, AggStrategy::Hashed, &costs, Vec::new())?;
            self.add(&mut result, path);
        }
        Ok(result)
    }

    fn aggregate_path(
        &self,
        sub: &Rc<Path>,
        spec: &Rc<AggregateSpec>,
        strategy: AggStrategy,
        costs: &AggregateCosts,
        order: Vec<PathKey>,
    ) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let groups = if strategy == AggStrategy::Plain { 1.0 } else { spec.groups };
        let input = (&**sub, f64::from(sub.width));
        let mut cost = cost::aggregate_cost(settings, strategy, costs, spec.keys.len(), groups, input);
        if strategy == AggStrategy::Hashed && !settings.enable_hashagg {
            cost.startup += super::order::DISABLE_COST;
            cost.total += super::order::DISABLE_COST;
        }
        let having = self.exprs_cost(&spec.having)?;
        let selectivity = spec
            .having
            .iter()
            .try_fold(1.0, |product, condition| Ok::<f64, PgError>(product * self.selectivity(condition)?))?;
        let grouped = spec.calls.is_empty() && strategy == AggStrategy::Sorted && spec.groupings.is_empty();
        let kind = if grouped {
            PathKind::Group { sub: sub.clone(), spec: spec.clone() }
        } else {
            PathKind::Aggregate { sub: sub.clone(), spec: spec.clone(), strategy }
        };
        let width = self.builder.ranges[spec.range].columns.iter().map(|ty| cost::type_width(*ty)).sum();
        Ok(Path {
            kind,
            relids: RelSet::single(spec.range),
            outer: sub.outer.clone(),
            rows: clamp_rows(groups * selectivity),
            startup: cost.startup + having.startup,
            total: cost.total + having.startup + having.total * groups,
            width,
            order,
        })
    }

    fn aggregate_costs(&self, spec: &AggregateSpec) -> PgResult<AggregateCosts> {
        let operator = self.builder.ctx.settings.cpu_operator_cost;
        let mut costs = AggregateCosts { transition: Cost::default(), finals: Cost::default() };
        for call in &spec.calls {
            costs.transition.total += operator;
            let args = self.exprs_cost(call.args.iter().chain(&call.filter))?;
            costs.transition.startup += args.startup;
            costs.transition.total += args.total;
            let facts = self.builder.ctx.catalog.aggregate(call.proc_oid)?;
            if facts.is_some_and(|facts| facts.finalizer.is_some()) {
                costs.finals.total += operator;
            }
        }
        Ok(costs)
    }

    /// Whether all keys can be hashed.
    pub(crate) fn hashable(&self, keys: &[SortGroup], targets: &[TargetEntry]) -> PgResult<bool> {
        for key in keys {
            if !self.can_hash(key.eq_operator, targets[key.target].expr.ty().type_oid)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn keys_hashable(&self, keys: &[SortItem]) -> PgResult<bool> {
        for key in keys {
            if !self.can_hash(key.operator, key.expr.ty().type_oid)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn can_hash(&self, operator: redoubt_functions::Oid, type_oid: redoubt_functions::Oid) -> PgResult<bool> {
        let catalog = self.builder.ctx.catalog;
        Ok(catalog.operator(operator)?.is_some_and(|facts| facts.can_hash)
            && catalog.is_hashable(type_oid)?)
    }

    /// DISTINCT by a hash table: an aggregation without aggregates.
    pub(crate) fn hashed_distinct(
        &mut self,
        sub: &Rc<Path>,
        keys: &[SortGroup],
        exprs: &[Expr],
        groups: f64,
    ) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let costs = AggregateCosts { transition: Cost::default(), finals: Cost::default() };
        let input = (&**sub, f64::from(sub.width));
        let mut cost = cost::aggregate_cost(settings, AggStrategy::Hashed, &costs, keys.len(), groups, input);
        if !settings.enable_hashagg {
            cost.startup += super::order::DISABLE_COST;
            cost.total += super::order::DISABLE_COST;
        }
        let keys = keys
            .iter()
            .zip(exprs)
            .map(|(key, expr)| SortItem {
                expr: expr.clone(),
                descending: false,
                nulls_first: false,
                operator: key.eq_operator,
            })
            .collect();
        Ok(Path {
            kind: PathKind::Distinct { sub: sub.clone(), keys, carried: Vec::new() },
            relids: sub.relids.clone(),
            outer: sub.outer.clone(),
            rows: groups,
            startup: cost.startup,
            total: cost.total,
            width: sub.width,
            order: Vec::new(),
        })
    }

    /// How many groups these expressions form over `rows` rows (`estimate_num_groups`).
    pub(crate) fn estimate_groups(&self, exprs: &[Expr], rows: f64) -> PgResult<f64> {
        let mut columns: Vec<Var> = Vec::new();
        let mut factor: f64 = 1.0;
        for expr in exprs {
            if expr.ty().type_oid == redoubt_functions::types::BOOL && !matches!(expr, Expr::Var(_)) {
                factor *= 2.0;
                continue;
            }
            let expr = self.underlying(expr);
            inspect::each_var(&expr, &mut |var| {
                if !columns.iter().any(|known| known.rt == var.rt && known.attno == var.attno) {
                    columns.push(*var);
                }
            });
        }
        if columns.is_empty() {
            return Ok(clamp_rows(factor.min(rows.max(1.0))));
        }
        let mut total = factor;
        let relations: RelSet = columns.iter().map(|var| var.rt).collect();
        for relation in relations.iter() {
            let of_relation: Vec<&Var> = columns.iter().filter(|var| var.rt == relation).collect();
            let mut distinct = 1.0;
            for var in &of_relation {
                distinct *= self.distinct_values(&Expr::Var(**var))?.0;
            }
            if let Some(base) = self.bases.get(&relation) {
                distinct = restrict_distinct(distinct, of_relation.len(), base.tuples, base.rows);
            }
            total *= distinct;
        }
        Ok(clamp_rows(total.min(rows)))
    }

    /// The expression behind a computed column, down to base columns.
    fn underlying(&self, expr: &Expr) -> Expr {
        let mut result = expr.clone();
        for _ in 0..8 {
            let mut changed = false;
            inspect::replace_vars(&mut result, &mut |var| match &self.builder.ranges[var.rt].kind {
                crate::range::RangeKind::Computed(exprs) => {
                    changed = true;
                    exprs.get(var.attno as usize - 1).cloned()
                }
                _ => None,
            });
            if !changed {
                break;
            }
        }
        result
    }
}

/// Distinct combinations left when `rows` of `tuples` rows pass the restrictions.
fn restrict_distinct(mut distinct: f64, columns: usize, tuples: f64, rows: f64) -> f64 {
    if tuples <= 0.0 {
        return distinct;
    }
    let ceiling = if columns > 1 { (tuples * 0.1).max(1.0) } else { tuples };
    if columns > 1 && distinct > ceiling {
        distinct = ceiling;
    }
    distinct = distinct.min(tuples);
    if distinct > 0.0 && rows < tuples {
        distinct *= 1.0 - ((tuples - rows) / tuples).powf(tuples / distinct);
    }
    clamp_rows(distinct)
}

/// Gathers the aggregate calls and GROUPING()s of this level, each once.
fn collect_calls(expr: &Expr, calls: &mut Vec<Aggregate>, groupings: &mut Vec<Vec<usize>>) {
    walk::visit(expr, 0, &mut |node, depth| match node {
        Expr::Aggregate(aggregate) if aggregate.levels_up == depth => {
            let mut own = (**aggregate).clone();
            own.levels_up = 0;
            let volatile = own.args.iter().any(inspect::is_volatile);
            if volatile || !calls.iter().any(|known| crate::equal::same_aggregate(known, &own)) {
                calls.push(own);
            }
            false
        }
        Expr::Grouping { keys, levels_up } if *levels_up == depth => {
            if !groupings.contains(keys) {
                groupings.push(keys.clone());
            }
            false
        }
        _ => true,
    });
}
