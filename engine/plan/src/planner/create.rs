//! The chosen path made a plan: nodes with compiled expressions.
//!
//! Children are made before parents and outer inputs before inner ones, so that a column has its
//! slot by the time something above refers to it.

mod aggregate;
mod index;
mod join;
mod scan;
mod window;

use super::clause::Clause;
use super::level::Level;
use super::path::{Path, PathKind, SortItem};
use crate::builder::Builder;
use crate::node::*;
use crate::program::SiteId;
use crate::slot::Slot;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;
use std::rc::Rc;

impl Builder<'_> {
    /// Makes a path of a level a subtree of the plan.
    pub(crate) fn create(&mut self, level: &Level, path: &Path) -> PgResult<NodeId> {
        let id = self.create_node(level, path)?;
        // A projection is part of the node that it is computed on.
        if !matches!(path.kind, PathKind::Compute { .. }) {
            self.nodes[id.index()].estimate =
                Estimate { startup: path.startup, total: path.total, rows: path.rows, width: path.width };
        }
        Ok(id)
    }

    fn create_node(&mut self, level: &Level, path: &Path) -> PgResult<NodeId> {
        match &path.kind {
            PathKind::Result { conditions } => {
                let once = self.filter(conditions)?;
                Ok(self.node(NodeKind::Result { child: None, once }))
            }
            PathKind::Gate { sub, conditions } => {
                let child = Some(self.create(level, sub)?);
                let once = self.filter(conditions)?;
                Ok(self.node(NodeKind::Result { child, once }))
            }
            PathKind::SeqScan { .. }
            | PathKind::IndexScan { .. }
            | PathKind::BitmapHeap { .. }
            | PathKind::TidScan { .. }
            | PathKind::Subquery { .. }
            | PathKind::Function { .. }
            | PathKind::Values { .. }
            | PathKind::Cte { .. } => self.create_scan(level, path),
            PathKind::NestLoop(_) | PathKind::Merge { .. } | PathKind::Hash { .. } => {
                self.create_join(level, path)
            }
            PathKind::Material(sub) => {
                let child = self.create(level, sub)?;
                Ok(self.node(NodeKind::Material(child)))
            }
            PathKind::Compute { sub, range } => self.create_compute(level, sub, *range),
            PathKind::ProjectSet { sub, range } => self.create_project_set(level, sub, *range),
            PathKind::Sort { sub, keys, bounded } => {
                let child = self.create(level, sub)?;
                let keys = self.sort_keys(child, keys)?;
                let _ = bounded;
                Ok(self.node(NodeKind::Sort { child, keys, bound: None }))
            }
            PathKind::Unique { sub, keys } => {
                let child = self.create(level, sub)?;
                let keys = self.group_keys(child, keys)?;
                Ok(self.node(NodeKind::Unique { child, keys }))
            }
            PathKind::Distinct { .. } | PathKind::Aggregate { .. } | PathKind::Group { .. } => {
                self.create_aggregate(level, path)
            }
            PathKind::Window { sub, spec } => self.create_window(level, sub, spec),
            PathKind::Limit { sub, offset, count, ties, with_ties } => {
                self.create_limit(level, sub, (offset, count), with_ties.then_some(ties))
            }
            PathKind::Append { .. }
            | PathKind::SetOp { .. }
            | PathKind::SetLeaf { .. }
            | PathKind::Flag { .. }
            | PathKind::RecursiveUnion { .. } => self.create_set_operation(level, path),
            PathKind::LockRows { sub } => {
                let child = self.create(level, sub)?;
                self.create_lock_rows(level, child)
            }
        }
    }

    /// Computes expressions on a node's rows, into these slots.
    pub(crate) fn project(&mut self, node: NodeId, outputs: &[(Expr, Slot)]) -> PgResult<()> {
        let wanted = outputs.iter().filter(|(expr, slot)| match expr {
            Expr::Var(var) => self.columns.get(&(var.rt, var.attno)) != Some(slot),
            _ => true,
        });
        let wanted: Vec<(Expr, Slot)> = wanted.cloned().collect();
        let program = self.compile_all_into(wanted.iter().map(|(expr, slot)| (expr, *slot)))?;
        self.nodes[node.index()].project.append(program);
        Ok(())
    }

    fn create_compute(&mut self, level: &Level, sub: &Path, range: usize) -> PgResult<NodeId> {
        let child = self.create(level, sub)?;
        let crate::range::RangeKind::Computed(exprs) = self.ranges[range].kind.clone() else {
            return Err(PgError::internal("a projection computes a computed range"));
        };
        let outputs: Vec<(Expr, Slot)> = exprs
            .into_iter()
            .enumerate()
            .map(|(index, expr)| (expr, self.column(range, index as i16 + 1)))
            .collect();
        let mark = self.trail_mark();
        self.project(child, &outputs)?;
        let mut exprs: Vec<Expr> = outputs.into_iter().map(|(expr, _)| expr).collect();
        self.name_subplans(&mut exprs, mark);
        self.ranges[range].kind = crate::range::RangeKind::Computed(exprs);
        Ok(child)
    }

    fn create_project_set(&mut self, level: &Level, sub: &Path, range: usize) -> PgResult<NodeId> {
        let child = self.create(level, sub)?;
        let crate::range::RangeKind::Computed(exprs) = self.ranges[range].kind.clone() else {
            return Err(PgError::internal("a projection computes a computed range"));
        };
        let mut calls = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            let out = self.column(range, index as i16 + 1);
            calls.push(self.set_call(expr, out)?);
        }
        Ok(self.node(NodeKind::ProjectSet(ProjectSet { child, calls })))
    }

    fn create_limit(
        &mut self,
        level: &Level,
        sub: &Path,
        (offset, count): (&Option<Expr>, &Option<Expr>),
        ties: Option<&Vec<SortItem>>,
    ) -> PgResult<NodeId> {
        let child = self.create(level, sub)?;
        let ties = ties.map(|keys| self.group_keys(child, keys)).transpose()?;
        let offset = offset.as_ref().map(|expr| self.compile(expr)).transpose()?;
        let count = count.as_ref().map(|expr| self.compile(expr)).transpose()?;
        // A sort right below need not keep more rows than will be taken.
        if let (NodeKind::Sort { bound, .. }, Some(count), None) =
            (&mut self.nodes[child.index()].kind, &count, &ties)
        {
            *bound = Some(Bound { count: count.clone(), offset: offset.clone() });
        }
        Ok(self.node(NodeKind::Limit(Limit { child, offset, count, ties })))
    }

    /// The slot of an expression over a node's rows: a column's own, else one that the node
    /// computes.
    pub(crate) fn input_slot(&mut self, node: NodeId, expr: &Expr) -> PgResult<Slot> {
        match super::equivalence::strip_relabel(expr) {
            Expr::Var(var) => Ok(self.column(var.rt, var.attno)),
            _ => {
                let value = self.compile(expr)?;
                self.nodes[node.index()].project.append(value.program);
                Ok(value.slot)
            }
        }
    }

    pub(crate) fn sort_keys(&mut self, child: NodeId, items: &[SortItem]) -> PgResult<Vec<SortKey>> {
        items
            .iter()
            .map(|item| {
                let slot = self.input_slot(child, &item.expr)?;
                Ok(SortKey {
                    slot,
                    type_oid: item.expr.ty().type_oid,
                    descending: item.descending,
                    nulls_first: item.nulls_first,
                    less: self.special_less(item)?,
                    expr: item.expr.clone(),
                    operator: item.operator,
                })
            })
            .collect()
    }

    /// The comparison function of a sort by another operator class than the type's default.
    fn special_less(&mut self, item: &SortItem) -> PgResult<Option<(redoubt_functions::ScalarFn, SiteId)>> {
        let type_oid = item.expr.ty().type_oid;
        let catalog = self.ctx.catalog;
        let family = catalog.default_btree_family(type_oid)?;
        let members = catalog.btree_members(item.operator)?;
        let Some(member) = members.first() else { return Ok(None) };
        if members.iter().any(|member| member.family == family) || is_c_text_family(member.family) {
            return Ok(None);
        }
        let operator = catalog.btree_operator(member.family, 1, member.left_type, member.left_type)?;
        let function = self.operator_function(operator)?;
        let site = self.site(crate::program::CallSite {
            arg_types: [type_oid, type_oid].into(),
            result_type: redoubt_functions::types::BOOL,
            result_desc: None,
            collation: item.expr.ty().collation,
            variadic: false,
            proc_oid: 0,
            name: "".into(),
        });
        Ok(Some((function, site)))
    }

    /// The implementation of an operator.
    pub(crate) fn operator_function(&mut self, operator: Oid) -> PgResult<redoubt_functions::ScalarFn> {
        let catalog = self.ctx.catalog;
        let facts = catalog
            .operator(operator)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for operator {operator}")))?;
        let proc = catalog.proc(facts.proc_oid)?.ok_or_else(|| {
            PgError::internal(format!("cache lookup failed for function {}", facts.proc_oid))
        })?;
        catalog
            .function(proc.symbol())
            .ok_or_else(|| PgError::unsupported(format!("operator {}", facts.name)))
    }

    pub(crate) fn group_keys(&mut self, child: NodeId, items: &[SortItem]) -> PgResult<Vec<GroupKey>> {
        items
            .iter()
            .map(|item| {
                let slot = self.input_slot(child, &item.expr)?;
                let equality = KeyEquality { type_oid: item.expr.ty().type_oid, function: None };
                Ok(GroupKey { slot, equality, expr: item.expr.clone() })
            })
            .collect()
    }

    /// The conditions of some clauses in the order to test them: cheap ones first, as
    /// `order_qual_clauses`, and otherwise as written.
    pub(crate) fn clause_filter(&mut self, clauses: &[Rc<Clause>]) -> PgResult<Option<Filter>> {
        let mut exprs = Vec::with_capacity(clauses.len());
        for clause in clauses {
            exprs.push((self.expr_cost(&clause.expr)?.total, clause.expr.clone()));
        }
        exprs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let exprs: Vec<Expr> = exprs.into_iter().map(|(_, expr)| expr).collect();
        self.filter(&exprs)
    }
}

/// `text_pattern_ops` and `bpchar_pattern_ops` order as the C collation does, and so does everything.
fn is_c_text_family(family: Oid) -> bool {
    matches!(family, 2095 | 2097)
}
