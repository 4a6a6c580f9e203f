//! Subqueries in expressions.
//!
//! They are planned when the expression around them is compiled, after every rewriting of that
//! expression, so that the outer columns in them are the ones that its node delivers.

use super::path;
use super::relset::RelSet;
use crate::builder::Builder;
use crate::node::NodeId;
use crate::program::Value;
use crate::slot::{Slot, SlotSet};
use crate::subplan::{HashedKey, SubPlan, SubPlanId, SubPlanKind};
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};

impl Builder<'_> {
    /// Plans a subquery in an expression.
    pub(crate) fn plan_sublink(&mut self, link: &SubLink) -> PgResult<SubPlanId> {
        // The expression may be compiled more than once: as a join's key and in its filter, say. Pulling up moves
        // range-table entries, of this plan's copy of the query; the next one starts from what the query says.
        let mut inside = RelSet::new();
        own_ranges(&link.query, &mut inside);
        let places: Vec<(usize, usize)> =
            inside.iter().map(|range| (range, self.local_index[range])).collect();
        self.trails.push(Vec::new());
        let planned = self.plan_sublink_level(link);
        self.trails.pop();
        places.into_iter().for_each(|(range, place)| self.local_index[range] = place);
        let id = planned?;
        self.trails.last_mut().expect("there is always a level").push(id);
        Ok(id)
    }

    fn plan_sublink_level(&mut self, link: &SubLink) -> PgResult<SubPlanId> {
        let mut query = link.query.clone();
        let fraction = match link.kind {
            SubLinkKind::Exists => {
                simplify_exists(&mut query);
                1.0
            }
            SubLinkKind::Any | SubLinkKind::All => 0.5,
            SubLinkKind::Expr | SubLinkKind::Array | SubLinkKind::RowCompare => 0.0,
        };
        let outside = outer_columns(&link.query).len();
        let correlated = outside > 0;
        self.param_numbers += outside;
        let planned = self.plan_level(query, fraction)?;
        let hashed = link.kind == SubLinkKind::Any && !correlated && self.hashable_tests(&link.tests)?;
        let best = if hashed {
            path::cheapest_total(&planned.paths)
        } else {
            path::cheapest_fractional(&planned.paths, fraction)
        };
        let path = best.cloned().ok_or_else(|| PgError::internal("failed to find a path for a subquery"))?;
        let root = self.create(&planned.level, &path)?;
        let columns = self.output_slots(root, &planned)?;
        let kind = self.sublink_kind(link, root, &columns, hashed)?;
        // Subqueries inside it have got their numbers before.
        self.subplan_numbers += 1;
        let number = self.subplan_numbers;
        let param = self.param_numbers;
        self.param_numbers += usize::from(!correlated);
        let simple = matches!(link.kind, SubLinkKind::Exists | SubLinkKind::Expr | SubLinkKind::Array);
        self.subplans.push(SubPlan {
            root,
            kind,
            external: SlotSet::new(),
            init: simple && !correlated,
            number,
            param,
            columns,
            tests: link.tests.iter().map(|test| Expr::Call(Box::new(test.call.clone()))).collect(),
        });
        Ok(SubPlanId(self.subplans.len() as u32 - 1))
    }

    fn sublink_kind(
        &mut self,
        link: &SubLink,
        root: NodeId,
        columns: &[Slot],
        hashed: bool,
    ) -> PgResult<SubPlanKind> {
        Ok(match link.kind {
            SubLinkKind::Exists => SubPlanKind::Exists,
            SubLinkKind::Expr => SubPlanKind::Scalar,
            SubLinkKind::Array => {
                let info = self.ctx.env.type_info(link.ty.type_oid)?;
                let element_type = info.map_or(0, |info| info.elem);
                let column = link.query.target_list.iter().find(|entry| !entry.junk);
                let multidim = column.is_some_and(|entry| entry.expr.ty().type_oid == link.ty.type_oid);
                SubPlanKind::Array { element_type, multidim }
            }
            SubLinkKind::Any | SubLinkKind::All | SubLinkKind::RowCompare => {
                self.compared_kind(link, root, columns, hashed)?
            }
        })
    }

    fn compared_kind(
        &mut self,
        link: &SubLink,
        root: NodeId,
        columns: &[Slot],
        hashed: bool,
    ) -> PgResult<SubPlanKind> {
        // The left sides are computed once per evaluation; the comparisons read their slots.
        let lefts: Vec<Expr> = link.tests.iter().map(|test| test.left.clone()).collect();
        let range = self.computed_range(lefts.clone());
        let left_slots: Vec<Slot> =
            (0..lefts.len()).map(|index| self.column(range, index as i16 + 1)).collect();
        let left = self.compile_all_into(lefts.iter().zip(left_slots.iter().copied()))?;
        let mut conditions = Vec::with_capacity(link.tests.len());
        for (index, test) in link.tests.iter().enumerate() {
            let mut call = test.call.clone();
            call.args[0] = self.computed_var(range, index);
            conditions.push(call);
        }
        if hashed {
            let keys = self.hashed_keys(&conditions, root, &left_slots, columns)?;
            let test = self.keys_test(conditions, &keys)?;
            return Ok(SubPlanKind::HashedAny { left, keys, test, unknown_is_false: false });
        }
        let or = conditions.len() > 1 && all_inequalities(&conditions);
        if conditions.len() > 1 && !or && !all_equalities(&conditions) {
            return Err(PgError::unsupported("ordering comparison of a row with a subquery"));
        }
        let test = self.row_test(&conditions, columns, or)?;
        Ok(match link.kind {
            SubLinkKind::RowCompare => SubPlanKind::RowCompare { left, test },
            kind => SubPlanKind::Quantified { any: kind == SubLinkKind::Any, left, test },
        })
    }

    /// Compiles the comparison of the left sides with one row of the subquery.
    fn row_test(&mut self, conditions: &[Call], columns: &[Slot], or: bool) -> PgResult<Value> {
        let mut calls = Vec::with_capacity(conditions.len());
        for (call, &column) in conditions.iter().zip(columns) {
            let mut expr = Expr::Call(Box::new(call.clone()));
            let ty = case_test_type(&expr);
            let range = self.computed_range(vec![Expr::CaseTest(ty)]);
            self.columns.insert((range, 1), column);
            let var = self.computed_var(range, 0);
            walk::rewrite(&mut expr, 0, &mut |node, _| {
                if matches!(node, Expr::CaseTest(_)) {
                    *node = var.clone();
                    return false;
                }
                true
            });
            calls.push(expr);
        }
        let test = match calls.len() {
            1 => calls.remove(0),
            _ if or => Expr::Or(calls),
            _ => Expr::And(calls),
        };
        self.compile(&test)
    }

    /// Compiles the comparison of the left sides with the keys of one row of the hash table, which are what the
    /// operators compare: the subquery's columns after their casts.
    fn keys_test(&mut self, conditions: Vec<Call>, keys: &[HashedKey]) -> PgResult<Value> {
        let mut calls = Vec::with_capacity(conditions.len());
        for (mut call, key) in conditions.into_iter().zip(keys) {
            let range = self.computed_range(vec![Expr::CaseTest(call.args[1].ty())]);
            self.columns.insert((range, 1), key.right);
            call.args[1] = self.computed_var(range, 0);
            calls.push(Expr::Call(Box::new(call)));
        }
        let test = if calls.len() == 1 { calls.remove(0) } else { Expr::And(calls) };
        self.compile(&test)
    }

    fn hashed_keys(
        &mut self,
        conditions: &[Call],
        root: NodeId,
        lefts: &[Slot],
        columns: &[Slot],
    ) -> PgResult<Vec<HashedKey>> {
        let mut keys = Vec::with_capacity(conditions.len());
        for ((call, &left), &column) in conditions.iter().zip(lefts).zip(columns) {
            let CallForm::Operator { oid, .. } = call.form else {
                return Err(PgError::internal("a subquery comparison is an operator"));
            };
            let right = self.compile_with_test(&call.args[1], column)?;
            self.node_mut(root).project.append(right.program);
            let (left_type, right_type) = (call.args[0].ty().type_oid, call.args[1].ty().type_oid);
            let equality = self.key_equality(oid, left_type, right_type)?;
            keys.push(HashedKey { left, right: right.slot, equality });
        }
        Ok(keys)
    }

    /// Whether the comparisons can be answered by a hash table: hashable, strict operators.
    fn hashable_tests(&self, tests: &[SubLinkTest]) -> PgResult<bool> {
        for test in tests {
            let CallForm::Operator { oid, .. } = test.call.form else { return Ok(false) };
            let hashable = self.ctx.catalog.operator(oid)?.is_some_and(|facts| facts.can_hash);
            if !hashable || !test.call.strict {
                return Ok(false);
            }
        }
        Ok(!tests.is_empty())
    }
}

/// An EXISTS subquery only needs to know whether there is a row: its targets and order do not
/// matter (`simplify_EXISTS_query`).
pub(crate) fn simplify_exists(query: &mut Query) {
    let plain = query.command == CommandType::Select
        && query.set_operation.is_none()
        && !query.has_aggs
        && query.grouping_sets.is_none()
        && query.windows.is_empty()
        && !query.has_target_srfs
        && query.having.is_none()
        && query.limit_offset.is_none()
        && query.row_marks.is_empty()
        && !query.target_list.iter().any(|entry| super::inspect::is_volatile(&entry.expr));
    if !plain {
        return;
    }
    use redoubt_functions::Datum;
    match &query.limit_count {
        None | Some(Expr::Const { value: Datum::Null, .. }) => query.limit_count = None,
        Some(Expr::Const { value: Datum::Int8(count), .. }) if *count > 0 => query.limit_count = None,
        Some(_) => return,
    }
    query.target_list.clear();
    query.group_by.clear();
    query.distinct = None;
    query.sort.clear();
}

/// Range-table entries outside of the query that it refers to.
pub(crate) fn outer_ranges(query: &Query) -> RelSet {
    let mut inside = RelSet::new();
    own_ranges(query, &mut inside);
    let mut outside = RelSet::new();
    walk::visit_query(query, 0, &mut |expr, _| {
        if let Expr::Var(var) = expr {
            if !inside.contains(var.rt) {
                outside.insert(var.rt);
            }
        }
        true
    });
    outside
}

/// The columns from outside that the query refers to, each once.
pub(crate) fn outer_columns(query: &Query) -> Vec<Expr> {
    let outside = outer_ranges(query);
    let mut known: Vec<(usize, i16)> = Vec::new();
    let mut columns = Vec::new();
    walk::visit_query(query, 0, &mut |expr, _| {
        if let Expr::Var(var) = expr {
            let column = (var.rt, var.attno);
            if outside.contains(var.rt) && !known.contains(&column) {
                known.push(column);
                columns.push(expr.clone());
            }
        }
        true
    });
    columns
}

/// All range-table entries of a query and of the queries in it.
fn own_ranges(query: &Query, into: &mut RelSet) {
    fn from_item(item: &FromItem, into: &mut RelSet) {
        match item {
            FromItem::Rte(range) => into.insert(*range),
            FromItem::Join { left, right, rt, .. } => {
                into.insert(*rt);
                from_item(left, into);
                from_item(right, into);
            }
        }
    }
    fn set_operation(tree: &SetOperation, into: &mut RelSet) {
        match tree {
            SetOperation::Leaf(range) => into.insert(*range),
            SetOperation::Node { left, right, .. } => {
                set_operation(left, into);
                set_operation(right, into);
            }
        }
    }
    query.jointree.items.iter().for_each(|item| from_item(item, into));
    query.result_relation.iter().for_each(|range| into.insert(*range));
    if let Some(tree) = &query.set_operation {
        set_operation(tree, into);
    }
    for entry in &query.rtable {
        if let RteKind::Subquery(inner) = &entry.kind {
            own_ranges(inner, into);
        }
    }
    walk::visit_query(query, 0, &mut |expr, depth| {
        if let Expr::SubLink(link) = expr {
            if depth == 0 {
                own_ranges(&link.query, into);
            }
        }
        depth == 0
    });
}

fn case_test_type(expr: &Expr) -> ColumnType {
    let mut found = BOOL_TYPE;
    walk::visit(expr, 0, &mut |node, _| {
        if let Expr::CaseTest(ty) = node {
            found = *ty;
        }
        true
    });
    found
}

fn symbol(call: &Call) -> &str {
    match &call.form {
        CallForm::Operator { symbol, .. } => symbol,
        _ => "",
    }
}

fn all_equalities(calls: &[Call]) -> bool {
    calls.iter().all(|call| symbol(call) == "=")
}

fn all_inequalities(calls: &[Call]) -> bool {
    calls.iter().all(|call| symbol(call) == "<>")
}
