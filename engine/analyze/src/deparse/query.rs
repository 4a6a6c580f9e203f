//! SELECT (ruleutils.c's `get_select_query_def`).

use super::{INDENT, INDENT_LIST, Printer};
use crate::query::*;
use redoubt_error::{PgError, PgResult};
use std::sync::Arc;

impl Printer<'_> {
    /// Prints a query. `columns` renames its output; `names_matter` says whether anyone refers to
    /// the output columns by name.
    pub(super) fn query(
        &mut self,
        query: &Query,
        columns: Option<&[Arc<str>]>,
        names_matter: bool,
    ) -> PgResult<()> {
        if query.command != CommandType::Select {
            return Err(PgError::unsupported("printing a statement that changes data"));
        }
        let scope = self.scope_of(query);
        let (indent, prefix, in_group_by) = (self.indent, self.prefix, self.in_group_by);
        self.prefix = true;
        self.in_group_by = false;
        self.scopes.push(scope);
        let result = self.select(query, columns, names_matter);
        self.scopes.pop();
        (self.indent, self.prefix, self.in_group_by) = (indent, prefix, in_group_by);
        result
    }

    fn select(&mut self, query: &Query, columns: Option<&[Arc<str>]>, names_matter: bool) -> PgResult<()> {
        self.with_clause(query)?;
        let by_number = match &query.set_operation {
            Some(operation) => {
                self.set_operation(operation, query, columns, names_matter)?;
                true
            }
            None => {
                self.basic_select(query, columns, names_matter)?;
                false
            }
        };
        if !query.sort.is_empty() {
            self.keyword(" ORDER BY ", -INDENT, INDENT, 1);
            self.list(&query.sort, |p, key| {
                let expr = &query.target_list[key.target].expr;
                p.sort_key(query, key, by_number)?;
                p.sort_direction(expr.ty().type_oid, key.sort_operator, key.nulls_first)
            })?;
        }
        self.limits(query)?;
        self.row_marks(query);
        Ok(())
    }

    fn limits(&mut self, query: &Query) -> PgResult<()> {
        if let Some(offset) = &query.limit_offset {
            self.keyword(" OFFSET ", -INDENT, INDENT, 0);
            self.expr(offset, false)?;
        }
        let Some(count) = &query.limit_count else { return Ok(()) };
        if query.with_ties {
            self.keyword(" FETCH FIRST ", -INDENT, INDENT, 0);
            self.text("(");
            self.expr(count, false)?;
            self.text(") ROWS WITH TIES");
            return Ok(());
        }
        self.keyword(" LIMIT ", -INDENT, INDENT, 0);
        match count {
            Expr::Const { value, .. } if value.is_null() => {
                self.text("ALL");
                Ok(())
            }
            count => self.expr(count, false),
        }
    }

    fn row_marks(&mut self, query: &Query) {
        let names: Vec<Option<String>> = match self.scopes.last() {
            Some(scope) => scope.entries.iter().map(|(name, _)| name.clone()).collect(),
            None => return,
        };
        for mark in &query.row_marks {
            let word = match mark.strength {
                LockStrength::KeyShare => " FOR KEY SHARE",
                LockStrength::Share => " FOR SHARE",
                LockStrength::NoKeyUpdate => " FOR NO KEY UPDATE",
                LockStrength::Update => " FOR UPDATE",
            };
            self.keyword(word, -INDENT, INDENT, 0);
            if let Some(Some(name)) = names.get(mark.rt) {
                self.text(" OF ");
                self.ident(name);
            }
            self.text(match mark.wait {
                LockWait::Block => "",
                LockWait::Error => " NOWAIT",
                LockWait::Skip => " SKIP LOCKED",
            });
        }
    }

    fn basic_select(
        &mut self,
        query: &Query,
        columns: Option<&[Arc<str>]>,
        names_matter: bool,
    ) -> PgResult<()> {
        self.indent += INDENT;
        self.text(" ");
        if let Some(rows) = values_alone(query, columns) {
            return self.values(rows);
        }
        self.text("SELECT");
        match &query.distinct {
            None => {}
            Some(Distinct::All(_)) => self.text(" DISTINCT"),
            Some(Distinct::On(keys)) => {
                self.text(" DISTINCT ON (");
                self.list(keys, |p, key| p.sort_key(query, key, false))?;
                self.text(")");
            }
        }
        self.target_list(&query.target_list, columns, names_matter)?;
        self.print_from(query)?;
        if let Some(condition) = &query.jointree.quals {
            self.keyword(" WHERE ", -INDENT, INDENT, 1);
            self.expr(condition, false)?;
        }
        self.group_by(query)?;
        if let Some(having) = &query.having {
            self.keyword(" HAVING ", -INDENT, INDENT, 0);
            self.expr(having, false)?;
        }
        let mut separator = None;
        for window in &query.windows {
            let Some(name) = &window.name else { continue };
            match separator {
                None => self.keyword(" WINDOW ", -INDENT, INDENT, 1),
                Some(separator) => self.text(separator),
            }
            separator = Some(", ");
            self.ident(name);
            self.text(" AS ");
            self.window_specification(window)?;
        }
        Ok(())
    }

    fn group_by(&mut self, query: &Query) -> PgResult<()> {
        if query.group_by.is_empty() && query.grouping_sets.is_none() {
            return Ok(());
        }
        self.keyword(" GROUP BY ", -INDENT, INDENT, 1);
        self.in_group_by = true;
        match &query.grouping_sets {
            None => self.list(&query.group_by, |p, key| p.sort_key(query, key, false))?,
            Some(sets) => {
                self.text("GROUPING SETS (");
                self.list(sets, |p, set| {
                    p.text("(");
                    p.list(set, |p, key| p.sort_key(query, &query.group_by[*key], false))?;
                    p.text(")");
                    Ok(())
                })?;
                self.text(")");
            }
        }
        self.in_group_by = false;
        Ok(())
    }

    /// A key of ORDER BY, GROUP BY or DISTINCT ON.
    fn sort_key(&mut self, query: &Query, key: &SortGroup, by_number: bool) -> PgResult<()> {
        if by_number {
            self.text(&(key.target + 1).to_string());
            return Ok(());
        }
        self.sort_value(&query.target_list[key.target].expr)
    }

    fn target_list(
        &mut self,
        targets: &[TargetEntry],
        columns: Option<&[Arc<str>]>,
        names_matter: bool,
    ) -> PgResult<()> {
        let mut separator = " ";
        for (index, target) in targets.iter().filter(|target| !target.junk).enumerate() {
            self.text(separator);
            separator = ", ";
            let name = columns.and_then(|columns| columns.get(index)).unwrap_or(&target.name);
            let printed = self.aside(|p| {
                let own = match &target.expr {
                    Expr::Var(var) => p.variable(var, true)?,
                    expr => {
                        p.expr(expr, true)?;
                        let merged = p.join_column(expr).map(|column| column.name.to_string());
                        // Nobody need see the name that an expression has for want of another.
                        merged.or_else(|| (!names_matter).then(|| "?column?".to_string()))
                    }
                };
                if own.as_deref() != Some(&**name) {
                    p.text(" AS ");
                    p.ident(name);
                }
                Ok(())
            })?;
            let own_line = printed.starts_with('\n');
            if own_line {
                self.out.truncate(self.out.trim_end_matches(' ').len());
            } else if index > 0 {
                self.keyword("", -INDENT, INDENT, INDENT_LIST);
            }
            self.text(&printed);
        }
        Ok(())
    }

    pub(super) fn values(&mut self, rows: &[Vec<Expr>]) -> PgResult<()> {
        self.text("VALUES ");
        self.list(rows, |p, row| {
            p.text("(");
            for (index, value) in row.iter().enumerate() {
                if index > 0 {
                    p.text(",");
                }
                p.top_level(value, false)?;
            }
            p.text(")");
            Ok(())
        })
    }

    fn set_operation(
        &mut self,
        operation: &SetOperation,
        query: &Query,
        columns: Option<&[Arc<str>]>,
        names_matter: bool,
    ) -> PgResult<()> {
        let SetOperation::Node { op, all, left, right, .. } = operation else {
            return self.set_operand(operation, query, columns, names_matter);
        };
        // Parentheses show where the operation changes.
        let left_parens = match &**left {
            SetOperation::Node { op: inner, all: inner_all, .. } => (inner, inner_all) != (op, all),
            SetOperation::Leaf(_) => false,
        };
        let mut inner_indent = 0;
        if left_parens {
            self.text("(");
            inner_indent = INDENT;
            self.keyword("", inner_indent, 0, 0);
        }
        self.set_operation(left, query, columns, names_matter)?;
        if left_parens {
            self.keyword(") ", -inner_indent, 0, 0);
        } else {
            self.keyword("", -inner_indent, 0, 0);
        }
        self.text(match op {
            SetOp::Union => "UNION ",
            SetOp::Intersect => "INTERSECT ",
            SetOp::Except => "EXCEPT ",
        });
        if *all {
            self.text("ALL ");
        }
        let right_parens = matches!(**right, SetOperation::Node { .. });
        let inner_indent = if right_parens { INDENT } else { 0 };
        if right_parens {
            self.text("(");
        }
        self.keyword("", inner_indent, 0, 0);
        self.set_operation(right, query, columns, false)?;
        self.indent -= inner_indent;
        if right_parens {
            self.keyword(")", 0, 0, 0);
        }
        Ok(())
    }

    fn set_operand(
        &mut self,
        leaf: &SetOperation,
        query: &Query,
        columns: Option<&[Arc<str>]>,
        names_matter: bool,
    ) -> PgResult<()> {
        let damaged = || PgError::internal("a set operation's operand is a subquery");
        let SetOperation::Leaf(rt) = leaf else { return Err(damaged()) };
        let RteKind::Subquery(inner) = &query.rtable.get(*rt).ok_or_else(damaged)?.kind else {
            return Err(damaged());
        };
        let parens = !inner.ctes.is_empty()
            || !inner.sort.is_empty()
            || !inner.row_marks.is_empty()
            || inner.limit_offset.is_some()
            || inner.limit_count.is_some()
            || inner.set_operation.is_some();
        if parens {
            self.text("(");
        }
        self.query(inner, columns, names_matter)?;
        if parens {
            self.text(")");
        }
        Ok(())
    }

    fn with_clause(&mut self, query: &Query) -> PgResult<()> {
        if query.ctes.is_empty() {
            return Ok(());
        }
        self.indent += INDENT;
        self.text(" ");
        let recursive = query.ctes.iter().any(|cte| cte.recursive);
        let mut separator = if recursive { "WITH RECURSIVE " } else { "WITH " };
        for cte in &query.ctes {
            self.text(separator);
            separator = ", ";
            self.ident(&cte.name);
            if own_names(&cte.query) != cte.column_names {
                self.text("(");
                self.list(&cte.column_names, |p, name| {
                    p.ident(name);
                    Ok(())
                })?;
                self.text(")");
            }
            self.text(match cte.materialized {
                None => " AS (",
                Some(true) => " AS MATERIALIZED (",
                Some(false) => " AS NOT MATERIALIZED (",
            });
            self.keyword("", 0, 0, 0);
            self.query(&cte.query, None, true)?;
            self.keyword("", 0, 0, 0);
            self.text(")");
        }
        self.indent -= INDENT;
        self.keyword("", 0, 0, 0);
        Ok(())
    }
}

/// The names of a query's output columns.
pub(super) fn own_names(query: &Query) -> Vec<Arc<str>> {
    query.target_list.iter().filter(|target| !target.junk).map(|target| target.name.clone()).collect()
}

/// The lists of a query that is VALUES and nothing else.
fn values_alone<'q>(query: &'q Query, columns: Option<&[Arc<str>]>) -> Option<&'q [Vec<Expr>]> {
    let [entry] = query.rtable.as_slice() else { return None };
    let RteKind::Values(rows) = &entry.kind else { return None };
    let plain = entry.in_from_clause
        && query.jointree.quals.is_none()
        && query.distinct.is_none()
        && query.group_by.is_empty()
        && query.having.is_none()
        && !query.has_aggs
        && query.windows.is_empty()
        && query.target_list.len() == entry.column_names.len();
    let same = query.target_list.iter().enumerate().all(|(index, target)| {
        let name = columns.and_then(|columns| columns.get(index)).unwrap_or(&target.name);
        matches!(&target.expr, Expr::Var(var) if var.attno as usize == index + 1 && var.levels_up == 0)
            && *name == entry.column_names[index]
    });
    (plain && same).then_some(rows)
}
