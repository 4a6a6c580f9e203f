//! Join nodes.

use crate::builder::Builder;
use crate::join::*;
use crate::node::{Estimate, KeyEquality, NodeId, NodeKind, SortKey};
use crate::planner::clause::Clause;
use crate::planner::cost::sort_cost;
use crate::planner::level::Level;
use crate::planner::path::{JoinPath, Path, PathKey, PathKind};
use crate::program::{CallSite, SiteId};
use crate::slot::SlotSet;
use redoubt_analyze::query::Expr;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::ScalarFn;
use std::rc::Rc;

impl Builder<'_> {
    pub(super) fn create_join(&mut self, level: &Level, path: &Path) -> PgResult<NodeId> {
        match &path.kind {
            PathKind::NestLoop(join) => self.create_nested_loop(level, join),
            PathKind::Hash { join, keys } => self.create_hash_join(level, join, keys),
            PathKind::Merge { join, keys, order, sort_outer, sort_inner, materialize } => {
                self.create_merge_join(level, join, keys, order, (*sort_outer, *sort_inner, *materialize))
            }
            other => Err(PgError::internal(format!("not a join: {other:?}"))),
        }
    }

    fn create_nested_loop(&mut self, level: &Level, join: &JoinPath) -> PgResult<NodeId> {
        let outer = self.create(level, &join.outer)?;
        let inner = self.create(level, &join.inner)?;
        let condition = self.clause_filter(&join.clauses)?;
        let id = self.node(NodeKind::NestedLoop(NestedLoop {
            outer,
            inner,
            join: join.join,
            condition,
            single_match: join.single_match,
            params: SlotSet::new(),
        }));
        self.node_mut(id).filter = self.clause_filter(&join.filter)?;
        Ok(id)
    }

    fn create_hash_join(&mut self, level: &Level, join: &JoinPath, keys: &[Rc<Clause>]) -> PgResult<NodeId> {
        let outer = self.create(level, &join.outer)?;
        let inner = self.create(level, &join.inner)?;
        let hash = self.node(NodeKind::Hash(inner));
        let estimate = self.nodes[inner.index()].estimate;
        self.nodes[hash.index()].estimate = Estimate { startup: estimate.total, ..estimate };
        let mut hash_keys = Vec::with_capacity(keys.len());
        for clause in keys {
            let (outer_expr, inner_expr) = key_sides(clause, join)?;
            let equality = clause.equality.as_ref().expect("hash keys are equalities");
            let (outer_type, inner_type) = (outer_expr.ty().type_oid, inner_expr.ty().type_oid);
            // The operator takes its operands as they were written; the outer one comes first here.
            let operator = match clause.joins(&join.outer.relids, &join.inner.relids) {
                Some(false) if outer_type != inner_type => {
                    self.ctx.catalog.operator(equality.operator)?.map_or(0, |facts| facts.commutator)
                }
                _ => equality.operator,
            };
            hash_keys.push(HashKey {
                outer: self.compile(outer_expr)?,
                inner: self.compile(inner_expr)?,
                equality: self.key_equality(operator, outer_type, inner_type)?,
                outer_type,
                inner_type,
            });
        }
        let condition = self.clause_filter(&join.clauses)?;
        let id = self.node(NodeKind::HashJoin(HashJoin {
            outer,
            inner: hash,
            join: join.join,
            keys: hash_keys,
            exprs: keys.iter().map(|clause| outer_first(clause, join)).collect(),
            condition,
            single_match: join.single_match,
        }));
        self.node_mut(id).filter = self.clause_filter(&join.filter)?;
        Ok(id)
    }

    fn create_merge_join(
        &mut self,
        level: &Level,
        join: &JoinPath,
        keys: &[Rc<Clause>],
        order: &[PathKey],
        (sort_outer, sort_inner, materialize): (bool, bool, bool),
    ) -> PgResult<NodeId> {
        let mut outer = self.create(level, &join.outer)?;
        let mut inner_keys = Vec::with_capacity(keys.len());
        let mut outer_keys = Vec::with_capacity(keys.len());
        for clause in keys {
            let (outer_expr, inner_expr) = key_sides(clause, join)?;
            outer_keys.push(outer_expr.clone());
            inner_keys.push(inner_expr.clone());
        }
        if sort_outer {
            outer = self.sort_by(outer, &outer_keys, order)?;
        }
        let mut inner = self.create(level, &join.inner)?;
        if sort_inner {
            inner = self.sort_by(inner, &inner_keys, order)?;
        }
        if materialize {
            let child = inner;
            inner = self.node(NodeKind::Material(child));
            self.nodes[inner.index()].estimate = self.nodes[child.index()].estimate;
        }
        let mut merge_keys = Vec::with_capacity(keys.len());
        for ((outer_expr, inner_expr), key) in outer_keys.iter().zip(&inner_keys).zip(order) {
            merge_keys.push(MergeKey {
                outer: self.compile(outer_expr)?,
                inner: self.compile(inner_expr)?,
                outer_type: outer_expr.ty().type_oid,
                inner_type: inner_expr.ty().type_oid,
                descending: key.descending,
                nulls_first: key.nulls_first,
            });
        }
        let condition = self.clause_filter(&join.clauses)?;
        let id = self.node(NodeKind::MergeJoin(MergeJoin {
            outer,
            inner,
            join: join.join,
            keys: merge_keys,
            exprs: keys.iter().map(|clause| outer_first(clause, join)).collect(),
            condition,
            single_match: join.single_match,
        }));
        self.node_mut(id).filter = self.clause_filter(&join.filter)?;
        Ok(id)
    }

    fn sort_by(&mut self, child: NodeId, exprs: &[Expr], order: &[PathKey]) -> PgResult<NodeId> {
        let mut keys: Vec<SortKey> = Vec::with_capacity(exprs.len());
        for (expr, key) in exprs.iter().zip(order) {
            let slot = self.input_slot(child, expr)?;
            if keys.iter().any(|known| known.slot == slot) {
                continue;
            }
            keys.push(SortKey {
                slot,
                type_oid: expr.ty().type_oid,
                descending: key.descending,
                nulls_first: key.nulls_first,
                less: None,
                expr: expr.clone(),
                operator: 0,
            });
        }
        let id = self.node(NodeKind::Sort { child, keys, bound: None });
        let input = self.nodes[child.index()].estimate;
        let cost = sort_cost(self.ctx.settings, input.rows, input.width, 0.0);
        self.nodes[id.index()].estimate =
            Estimate { startup: input.total + cost.startup, total: input.total + cost.total, ..input };
        Ok(id)
    }

    /// How two key values compare: by their type, or by the operator if the types differ.
    pub(crate) fn key_equality(
        &mut self,
        operator: redoubt_functions::Oid,
        left: redoubt_functions::Oid,
        right: redoubt_functions::Oid,
    ) -> PgResult<KeyEquality> {
        if left == right {
            return Ok(KeyEquality { type_oid: left, function: None });
        }
        let function: (ScalarFn, SiteId) = (
            self.operator_function(operator)?,
            self.site(CallSite {
                arg_types: [left, right].into(),
                result_type: redoubt_functions::types::BOOL,
                result_desc: None,
                collation: redoubt_functions::builtin_type(left).map_or(0, |info| info.collation),
                variadic: false,
                proc_oid: 0,
                name: "".into(),
            }),
        );
        Ok(KeyEquality { type_oid: left, function: Some(function) })
    }
}

/// A join key with its outer operand on the left, as EXPLAIN shows it.
fn outer_first(clause: &Clause, join: &JoinPath) -> Expr {
    let mut expr = clause.expr.clone();
    if clause.joins(&join.outer.relids, &join.inner.relids) == Some(false)
        && let Expr::Call(call) = &mut expr
    {
        call.args.swap(0, 1);
    }
    expr
}

/// The outer and the inner operand of a join key.
fn key_sides<'c>(clause: &'c Clause, join: &JoinPath) -> PgResult<(&'c Expr, &'c Expr)> {
    let (left, right) =
        clause.sides().ok_or_else(|| PgError::internal("a join key is not a binary operator"))?;
    match clause.joins(&join.outer.relids, &join.inner.relids) {
        Some(true) => Ok((left, right)),
        Some(false) => Ok((right, left)),
        None => Err(PgError::internal("a join key does not join its inputs")),
    }
}
