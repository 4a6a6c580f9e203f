//! SELECT and VALUES (PostgreSQL's transformSelectStmt and transformValuesClause).

use crate::analyzer::{Analyzer, Level, Place};
use crate::query::{CommandType, Expr, FromExpr, Position, Query, RteKind};
use crate::scope::var;
use crate::target::Targets;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree as ast;
use std::sync::Arc;

impl Analyzer<'_> {
    /// A subquery of an expression.
    pub(crate) fn sub_query(&mut self, query: &ast::Query) -> PgResult<Query> {
        self.in_level(|analyzer| {
            analyzer.level().scope.blocked = Some("a subquery");
            analyzer.query(query, true)
        })
    }

    /// A query at a level of its own. `resolve_unknowns` makes text of output columns whose type is
    /// still unknown; whoever casts the columns to types of its own leaves them.
    pub(crate) fn analyze_subquery(&mut self, query: &ast::Query, resolve_unknowns: bool) -> PgResult<Query> {
        self.in_level(|analyzer| analyzer.query(query, resolve_unknowns))
    }

    /// Does something at a new innermost level.
    pub(crate) fn in_level<T>(&mut self, f: impl FnOnce(&mut Self) -> PgResult<T>) -> PgResult<T> {
        self.levels.push(Level::default());
        let result = f(self);
        self.levels.pop();
        result
    }

    /// A query at the level that has just been opened.
    pub(crate) fn query(&mut self, query: &ast::Query, resolve_unknowns: bool) -> PgResult<Query> {
        if let Some(with) = &query.with {
            self.with_clause(with)?;
        }
        self.query_without_with(query, resolve_unknowns, false)
    }

    /// The same after its WITH clause; `lenient` leaves locking clauses to a later check.
    pub(crate) fn query_without_with(
        &mut self,
        query: &ast::Query,
        resolve_unknowns: bool,
        lenient: bool,
    ) -> PgResult<Query> {
        match &query.body {
            ast::QueryBody::Select(select) => self.select(query, select, resolve_unknowns),
            ast::QueryBody::Values { rows, pos } => self.values(query, rows, *pos),
            ast::QueryBody::SetOp(operation) => self.set_operation_query(query, operation, lenient),
        }
    }

    fn select(
        &mut self,
        query: &ast::Query,
        select: &ast::Select,
        resolve_unknowns: bool,
    ) -> PgResult<Query> {
        if let Some(into) = &select.into {
            let message = "SELECT ... INTO is not allowed here";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(into.name.pos())));
        }
        self.level().scope.window_specs = select.windows.clone();
        let items = self.range_list(&select.from)?;
        let mut targets = self.target_list(&select.targets, Place::SelectTarget)?;
        self.mark_origins(&mut targets);
        let quals = self.condition(select.where_clause.as_ref(), Place::Where, "WHERE")?;
        let having = self.condition(select.having.as_ref(), Place::Having, "HAVING")?;
        // ORDER BY first: grouping and DISTINCT take over its operators.
        let sort = self.sort_clause(&query.order_by, &mut targets, Place::OrderBy)?;
        let (group_by, grouping_sets) = self.group_clause(select, &mut targets, &sort)?;
        let distinct = match &select.distinct {
            None => None,
            Some(ast::Distinct::All) => Some(self.distinct_clause(&mut targets, &sort)?),
            Some(ast::Distinct::On(exprs)) => Some(self.distinct_on_clause(exprs, &mut targets, &sort)?),
        };
        let (limit_offset, limit_count) = self.limits(&query.limit)?;
        self.window_clauses(&mut targets)?;
        if resolve_unknowns {
            self.resolve_unknown_targets(&mut targets)?;
        }
        let mut result = self.finish_level(CommandType::Select, targets);
        result.jointree = FromExpr { items, quals };
        result.having = having;
        result.sort = sort;
        result.group_by = group_by;
        result.grouping_sets = grouping_sets;
        result.distinct = distinct;
        result.limit_offset = limit_offset;
        result.limit_count = limit_count;
        result.with_ties = query.limit.with_ties;
        self.merge_windows(&mut result)?;
        for locking in &query.locking {
            self.locking_clause(&mut result, locking)?;
        }
        self.check_grouping(&mut result)?;
        Ok(result)
    }

    /// OFFSET and LIMIT.
    pub(crate) fn limits(&mut self, limit: &ast::Limit) -> PgResult<(Option<Expr>, Option<Expr>)> {
        let offset = self.limit_clause(limit.offset.as_ref(), Place::Offset, false)?;
        let count = self.limit_clause(limit.count.as_ref(), Place::Limit, limit.with_ties)?;
        Ok((offset, count))
    }

    /// VALUES by itself: every column has the common type of its values.
    fn values(&mut self, query: &ast::Query, rows: &[Vec<ast::Expr>], position: usize) -> PgResult<Query> {
        let mut analyzed: Vec<Vec<(Expr, usize)>> = Vec::with_capacity(rows.len());
        for raw in rows {
            let row = self.expression_row(raw, Place::Values, false)?;
            if analyzed.first().is_some_and(|first| first.len() != row.len()) {
                let at = row.first().map_or(position, |(_, position)| *position);
                return Err(uneven_values(at));
            }
            analyzed.push(row);
        }
        let width = analyzed.first().map_or(0, Vec::len);
        let mut columns = Vec::with_capacity(width);
        let mut coerced: Vec<Vec<Expr>> = analyzed.iter().map(|_| Vec::with_capacity(width)).collect();
        for column in 0..width {
            let inputs: Vec<(&Expr, usize)> =
                analyzed.iter().map(|row| (&row[column].0, row[column].1)).collect();
            let common = self.select_common_type(&inputs, "VALUES")?;
            for (row, out) in analyzed.iter().zip(&mut coerced) {
                let (expr, position) = row[column].clone();
                out.push(self.coerce_to_common(expr, common, "VALUES", position)?);
            }
            let values: Vec<Expr> = coerced.iter().map(|row| row[column].clone()).collect();
            let mut ty = self.plain_type(common)?;
            ty.typmod = Self::common_typmod(&values, common);
            columns.push(ty);
        }
        let names = (1..=width).map(|n| format!("column{n}").into()).collect();
        let lateral = coerced.iter().flatten().any(is_outer_of_level);
        let item = self.add_entry(RteKind::Values(coerced), &Arc::from("*VALUES*"), names, columns, None)?;
        self.level().rtable[item.rt].lateral = lateral;
        let from = crate::from::Ranged::of(item);
        self.level().scope.items.extend(from.names);
        let mut targets = Targets::default();
        for (name, value) in self.expand_item(0, 0, position) {
            targets.push(name, value, false, position);
        }
        let sort = self.sort_clause(&query.order_by, &mut targets, Place::OrderBy)?;
        let (limit_offset, limit_count) = self.limits(&query.limit)?;
        if let Some(locking) = query.locking.first() {
            let message = format!("{} cannot be applied to VALUES", locking.strength.as_str());
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        let mut result = self.finish_level(CommandType::Select, targets);
        result.jointree = FromExpr { items: vec![from.item], quals: None };
        result.sort = sort;
        result.limit_offset = limit_offset;
        result.limit_count = limit_count;
        result.with_ties = query.limit.with_ties;
        self.check_grouping(&mut result)?;
        Ok(result)
    }

    /// A query with what the level has gathered: range table, WITH queries, windows and flags.
    pub(crate) fn finish_level(&mut self, command: CommandType, targets: Targets) -> Query {
        let level = self.level();
        Query {
            command,
            rtable: std::mem::take(&mut level.rtable),
            jointree: FromExpr::default(),
            target_list: targets.entries,
            result_relation: None,
            on_conflict: None,
            returning: Vec::new(),
            group_by: Vec::new(),
            grouping_sets: None,
            having: None,
            has_aggs: level.has_aggs,
            windows: std::mem::take(&mut level.windows),
            has_target_srfs: level.has_target_srfs,
            distinct: None,
            sort: Vec::new(),
            limit_offset: None,
            limit_count: None,
            with_ties: false,
            row_marks: Vec::new(),
            ctes: std::mem::take(&mut level.ctes),
            set_operation: None,
            constraint_deps: Vec::new(),
        }
    }

    /// References to all columns of an entry, in order, as an outer list of expressions.
    pub(crate) fn entry_vars(&mut self, rt: usize) -> Vec<Expr> {
        let entry = &self.level().rtable[rt];
        let columns = entry.columns.iter().enumerate();
        columns.map(|(i, ty)| Expr::Var(var(rt, (i + 1) as i16, *ty, 0, Position::default()))).collect()
    }
}

/// Rows of VALUES must have one length.
pub(crate) fn uneven_values(position: usize) -> PgError {
    PgError::new(code::SYNTAX_ERROR, "VALUES lists must all be the same length").at(Some(position))
}

/// Whether an expression of a VALUES list refers to columns of the query it is in.
fn is_outer_of_level(expr: &Expr) -> bool {
    crate::group::contains(expr, &|node, depth| matches!(node, Expr::Var(var) if var.levels_up == depth))
}
