//! UNION, INTERSECT and EXCEPT (PostgreSQL's transformSetOperationStmt).
//!
//! All leaves of a tree have the types of its result: where a leaf's own differ, the cast is in the
//! leaf, around it, or around a whole inner operation, so that whoever executes the tree casts
//! nothing.

use crate::analyzer::{Analyzer, Place};
use crate::coerce::Coercion;
use crate::query::{
    ColumnType, CommandType, Expr, FromExpr, FromItem, Position, Query, RteKind, SetOp, SetOperation,
    SortGroup, TargetEntry,
};
use crate::scope::{NsColumns, NsItem, var};
use crate::target::Targets;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// One analyzed input of a set operation.
struct Input {
    tree: SetOperation,
    /// Output columns: types, and where each was written.
    columns: Vec<(ColumnType, usize)>,
}

impl Analyzer<'_> {
    pub(crate) fn set_operation_query(
        &mut self,
        query: &ast::Query,
        operation: &ast::SetOperation,
        lenient: bool,
    ) -> PgResult<Query> {
        let locking = query.locking.first();
        if let Some(locking) = locking.filter(|_| !lenient) {
            return Err(locking_refused(locking));
        }
        let Input { tree, columns } = self.set_operation(operation, true)?;
        if let Some(locking) = locking {
            return Err(locking_refused(locking));
        }
        let first = leftmost(&tree);
        let RteKind::Subquery(leaf) = &self.level().rtable[first].kind else {
            unreachable!("leaves of set operations are subqueries")
        };
        let names: Vec<Arc<str>> =
            leaf.target_list.iter().filter(|entry| !entry.junk).map(|entry| entry.name.clone()).collect();
        let mut targets = Targets::default();
        for (index, ((ty, position), name)) in columns.iter().zip(names).enumerate() {
            let column = var(first, (index + 1) as i16, *ty, 0, Position::at(*position));
            targets.push(name, Expr::Var(column), false, *position);
        }
        let sort = self.set_operation_sort(query, &mut targets)?;
        let (limit_offset, limit_count) = self.limits(&query.limit)?;
        let mut result = self.finish_level(CommandType::Select, targets);
        result.sort = sort;
        result.limit_offset = limit_offset;
        result.limit_count = limit_count;
        result.with_ties = query.limit.with_ties;
        result.set_operation = Some(tree);
        Ok(result)
    }

    /// ORDER BY of a set operation can name result columns only.
    fn set_operation_sort(&mut self, query: &ast::Query, targets: &mut Targets) -> PgResult<Vec<SortGroup>> {
        let visible = targets.entries.len();
        let columns: Arc<[(Arc<str>, Expr)]> =
            targets.entries.iter().map(|entry| (entry.name.clone(), entry.expr.clone())).collect();
        let mut item = NsItem::of_entry("".into(), 0, types::RECORD);
        item.columns = NsColumns::Values(columns);
        item.rel_visible = false;
        self.level().scope.items = vec![item];
        let sort = self.sort_clause(&query.order_by, targets, Place::OrderBy)?;
        self.level().scope.items.clear();
        if let Some(position) = targets.positions.get(visible) {
            let message = "invalid UNION/INTERSECT/EXCEPT ORDER BY clause";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message)
                .detail("Only result column names can be used, not expressions or functions.")
                .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
                .at(Some(*position)));
        }
        Ok(sort)
    }

    fn set_operation(&mut self, operation: &ast::SetOperation, is_top: bool) -> PgResult<Input> {
        let context = operation.op.as_str();
        let before = self.level().scope.blocked;
        self.block_recursion(operation, false);
        let left = self.set_input(&operation.left)?;
        let recursive = is_top && self.level().scope.parent_cte;
        if recursive {
            self.recursive_columns(&operation.left, &left.tree, &left.columns)?;
        }
        self.block_recursion(operation, true);
        let right = self.set_input(&operation.right)?;
        self.level().scope.blocked = before;
        if left.columns.len() != right.columns.len() {
            let message = format!("each {context} query must have the same number of columns");
            let position = right.columns.first().map_or(operation.right.pos, |(_, position)| *position);
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(position)));
        }
        let mut columns = Vec::with_capacity(left.columns.len());
        let mut keys = Vec::new();
        for (index, ((left_type, left_at), (right_type, right_at))) in
            left.columns.iter().zip(&right.columns).enumerate()
        {
            let (l, r) = (Expr::SetToDefault(*left_type), Expr::SetToDefault(*right_type));
            let common = self.select_common_type(&[(&l, *left_at), (&r, *right_at)], context)?;
            for (side, at) in [(&l, *left_at), (&r, *right_at)] {
                if side.ty().type_oid != types::UNKNOWN {
                    self.coerce_to_common(side.clone(), common, context, at)?;
                }
            }
            let mut ty = self.plain_type(common)?;
            ty.typmod = Self::common_typmod(&[l, r], common);
            // The more telling of both sides is where later messages point.
            let at = if left_type.type_oid == common || right_type.type_oid != common {
                left_at
            } else {
                right_at
            };
            columns.push((ty, *at));
            if operation.op != ast::SetOperator::Union || !operation.all {
                keys.push(self.set_key(ty, index, *at)?);
            }
        }
        let types: Vec<ColumnType> = columns.iter().map(|(ty, _)| *ty).collect();
        let op = match operation.op {
            ast::SetOperator::Union => SetOp::Union,
            ast::SetOperator::Intersect => SetOp::Intersect,
            ast::SetOperator::Except => SetOp::Except,
        };
        let union_of_sets = op == SetOp::Union && !operation.all;
        let left_tree = self.coerce_input(left.tree, &operation.left, &columns, context, union_of_sets)?;
        let right_tree = self.coerce_input(right.tree, &operation.right, &columns, context, union_of_sets)?;
        let tree = SetOperation::Node {
            op,
            all: operation.all,
            left: Box::new(left_tree),
            right: Box::new(right_tree),
            columns: types,
            keys,
        };
        Ok(Input { tree, columns })
    }

    fn set_key(&self, ty: ColumnType, index: usize, position: usize) -> PgResult<SortGroup> {
        let operators = self.catalog.sort_operators(ty.type_oid)?;
        if operators.equal == 0 {
            let message =
                format!("could not identify an equality operator for type {}", self.type_name(ty.type_oid)?);
            return Err(PgError::new(code::UNDEFINED_FUNCTION, message).at(Some(position)));
        }
        Ok(SortGroup {
            target: index,
            descending: false,
            nulls_first: false,
            sort_operator: operators.less,
            eq_operator: operators.equal,
        })
    }

    /// A side of a set operation: another operation, or a query of its own.
    fn set_input(&mut self, query: &ast::Query) -> PgResult<Input> {
        if let ast::QueryBody::Select(select) = &query.body
            && let Some(into) = &select.into
        {
            let message = "INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(into.name.pos())));
        }
        if let Some(locking) = query.locking.first() {
            return Err(locking_refused(locking));
        }
        match inner_operation(query) {
            Some(operation) => self.set_operation(operation, false),
            None => self.set_leaf(query),
        }
    }

    fn set_leaf(&mut self, query: &ast::Query) -> PgResult<Input> {
        let leaf = self.analyze_subquery(query, false)?;
        let shown = leaf.target_list.iter().filter(|entry| !entry.junk).enumerate();
        let columns = shown
            .map(|(index, entry)| (entry.expr.ty(), target_position(query, &entry.expr, index)))
            .collect();
        let rt = self.add_leaf(leaf)?;
        Ok(Input { tree: SetOperation::Leaf(rt), columns })
    }

    fn add_leaf(&mut self, leaf: Query) -> PgResult<usize> {
        let name: Arc<str> = format!("*SELECT* {}", self.level().rtable.len() + 1).into();
        let item = self.add_subquery(leaf, &name, None, false)?;
        self.level().rtable[item.rt].in_from_clause = false;
        Ok(item.rt)
    }

    /// Gives an input the result's types.
    fn coerce_input(
        &mut self,
        tree: SetOperation,
        raw: &ast::Query,
        columns: &[(ColumnType, usize)],
        context: &str,
        union_of_sets: bool,
    ) -> PgResult<SetOperation> {
        match tree {
            SetOperation::Leaf(rt) => {
                self.coerce_leaf(rt, raw, columns, context)?;
                Ok(SetOperation::Leaf(rt))
            }
            SetOperation::Node { columns: ref own, .. }
                if own.iter().zip(columns).all(|(own, (ty, _))| own.type_oid == ty.type_oid) =>
            {
                Ok(self.with_columns(tree, columns))
            }
            // A cast of a concatenation is a concatenation of casts; and equal rows that a cast
            // makes are dropped further up anyway when that is a UNION, too.
            SetOperation::Node { op: SetOp::Union, all, left, right, .. } if all || union_of_sets => {
                let Some(inner) = inner_operation(raw) else {
                    unreachable!("a node comes from an operation")
                };
                let left = self.coerce_input(*left, &inner.left, columns, context, !all)?;
                let right = self.coerce_input(*right, &inner.right, columns, context, !all)?;
                let mut keys = Vec::new();
                if !all {
                    for (index, (ty, at)) in columns.iter().enumerate() {
                        keys.push(self.set_key(*ty, index, *at)?);
                    }
                }
                let types = columns.iter().map(|(ty, _)| *ty).collect();
                Ok(SetOperation::Node {
                    op: SetOp::Union,
                    all,
                    left: Box::new(left),
                    right: Box::new(right),
                    columns: types,
                    keys,
                })
            }
            // Otherwise the operation becomes a subquery, so that its result can be cast.
            SetOperation::Node { .. } => {
                let query = self.analyze_subquery(raw, false)?;
                let rt = self.add_leaf(query)?;
                self.coerce_leaf(rt, raw, columns, context)?;
                Ok(SetOperation::Leaf(rt))
            }
        }
    }

    /// The same operation with the result's type modifiers.
    fn with_columns(&self, tree: SetOperation, columns: &[(ColumnType, usize)]) -> SetOperation {
        match tree {
            SetOperation::Node { op, all, left, right, keys, .. } => {
                let columns = columns.iter().map(|(ty, _)| *ty).collect();
                SetOperation::Node { op, all, left, right, columns, keys }
            }
            leaf => leaf,
        }
    }

    /// Casts the output columns of a leaf. A leaf in which the uncast values are sorted, grouped or
    /// told apart is wrapped.
    fn coerce_leaf(
        &mut self,
        rt: usize,
        raw: &ast::Query,
        columns: &[(ColumnType, usize)],
        context: &str,
    ) -> PgResult<()> {
        let RteKind::Subquery(leaf) = &mut self.level().rtable[rt].kind else {
            unreachable!("leaves of set operations are subqueries")
        };
        let own: Vec<ColumnType> =
            leaf.target_list.iter().filter(|entry| !entry.junk).map(|entry| entry.expr.ty()).collect();
        if own.iter().zip(columns).all(|(own, (ty, _))| own.type_oid == ty.type_oid) {
            return Ok(());
        }
        let mut leaf = std::mem::replace(&mut **leaf, placeholder());
        let plain = leaf.set_operation.is_none()
            && leaf.sort.is_empty()
            && leaf.group_by.is_empty()
            && leaf.distinct.is_none()
            && leaf.windows.is_empty()
            && !leaf.has_target_srfs;
        let literals =
            leaf.target_list.iter().filter(|entry| !entry.junk).zip(columns).all(|(entry, (ty, _))| {
                let own = entry.expr.ty().type_oid;
                own == ty.type_oid || own == types::UNKNOWN
            });
        if !plain && !literals {
            leaf = wrap(leaf);
        }
        let shown = leaf.target_list.iter_mut().filter(|entry| !entry.junk);
        let mut types = Vec::with_capacity(columns.len());
        for (index, (entry, (ty, _))) in shown.zip(columns).enumerate() {
            let value = entry.expr.clone();
            let at = target_position(raw, &value, index);
            entry.expr = if value.ty().type_oid == types::UNKNOWN {
                self.coerce(value, ty.type_oid, -1, Coercion::Implicit, false, Some(at))?
            } else {
                self.coerce_to_common(value, ty.type_oid, context, at)?
            };
            types.push(entry.expr.ty());
        }
        let entry = &mut self.level().rtable[rt];
        entry.columns = types;
        entry.kind = RteKind::Subquery(Box::new(leaf));
        Ok(())
    }
}

fn locking_refused(locking: &ast::Locking) -> PgError {
    let message = format!("{} is not allowed with UNION/INTERSECT/EXCEPT", locking.strength.as_str());
    PgError::new(code::FEATURE_NOT_SUPPORTED, message)
}

/// An operation that has no clauses of its own is part of the tree above it.
pub(crate) fn inner_operation(query: &ast::Query) -> Option<&ast::SetOperation> {
    match &query.body {
        ast::QueryBody::SetOp(operation)
            if query.with.is_none() && query.order_by.is_empty() && query.limit.is_empty() =>
        {
            Some(operation)
        }
        _ => None,
    }
}

fn leftmost(tree: &SetOperation) -> usize {
    match tree {
        SetOperation::Leaf(rt) => *rt,
        SetOperation::Node { left, .. } => leftmost(left),
    }
}

/// Where an output column was written; for columns of `*`, where the query starts.
pub(crate) fn target_position(query: &ast::Query, value: &Expr, index: usize) -> usize {
    if let Expr::Var(var) = value
        && let Some(offset) = var.position.offset()
    {
        return offset;
    }
    match &query.body {
        ast::QueryBody::Select(select) => {
            let has_star = select
                .targets
                .iter()
                .any(|target| matches!(&target.expr, ast::Expr::Column(column) if column.star));
            let target = if has_star { None } else { select.targets.get(index) };
            target.map_or(select.pos, |target| target.expr.location())
        }
        ast::QueryBody::Values { rows, pos } => {
            rows.first().and_then(|row| row.get(index)).map_or(*pos, ast::Expr::location)
        }
        ast::QueryBody::SetOp(operation) => target_position(&operation.left, value, index),
    }
}

/// `SELECT * FROM (query)`.
pub(crate) fn wrap(query: Query) -> Query {
    let shown: Vec<(Arc<str>, ColumnType)> = query
        .target_list
        .iter()
        .filter(|entry| !entry.junk)
        .map(|entry| (entry.name.clone(), entry.expr.ty()))
        .collect();
    let mut outer = placeholder();
    let target = |(index, (name, ty)): (usize, &(Arc<str>, ColumnType))| TargetEntry {
        expr: Expr::Var(var(0, (index + 1) as i16, *ty, 0, Position::default())),
        name: name.clone(),
        junk: false,
        target_attno: 0,
        origin: (0, 0),
    };
    outer.target_list = shown.iter().enumerate().map(target).collect();
    outer.jointree.items.push(FromItem::Rte(0));
    outer.rtable.push(crate::query::RangeTblEntry {
        kind: RteKind::Subquery(Box::new(raise_levels(query))),
        alias: "*SELECT*".into(),
        column_names: shown.iter().map(|(name, _)| name.clone()).collect(),
        columns: shown.iter().map(|(_, ty)| *ty).collect(),
        lateral: false,
        security_barrier: false,
        in_from_clause: true,
        required_perms: Default::default(),
        selected_columns: Vec::new(),
        modified_columns: Vec::new(),
        perms_relid: 0,
        check_as_user: 0,
        sample: None,
    });
    outer
}

/// The query moved one level further down: references to what is around it go one level further up.
fn raise_levels(mut query: Query) -> Query {
    crate::visit::shift_outer_levels(&mut query, 1);
    query
}

/// A query without anything.
fn placeholder() -> Query {
    Query {
        command: CommandType::Select,
        rtable: Vec::new(),
        jointree: FromExpr::default(),
        target_list: Vec::new(),
        result_relation: None,
        on_conflict: None,
        returning: Vec::new(),
        group_by: Vec::new(),
        grouping_sets: None,
        having: None,
        has_aggs: false,
        windows: Vec::new(),
        has_target_srfs: false,
        distinct: None,
        sort: Vec::new(),
        limit_offset: None,
        limit_count: None,
        with_ties: false,
        row_marks: Vec::new(),
        ctes: Vec::new(),
        set_operation: None,
        constraint_deps: Vec::new(),
    }
}
