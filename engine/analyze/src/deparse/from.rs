//! FROM (ruleutils.c's `get_from_clause_item`).

use super::joins::join_columns;
use super::query::own_names;
use super::{INDENT, INDENT_JOIN, INDENT_LIST, Printer};
use crate::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Oid, types};
use std::sync::Arc;

impl Printer<'_> {
    pub(super) fn print_from(&mut self, query: &Query) -> PgResult<()> {
        let items: Vec<&FromItem> = query
            .jointree
            .items
            .iter()
            .filter(|item| !matches!(item, FromItem::Rte(rt) if !query.rtable[*rt].in_from_clause))
            .collect();
        for (index, item) in items.iter().enumerate() {
            if index == 0 {
                self.keyword(" FROM ", -INDENT, INDENT, 2);
                self.print_item(item, query)?;
                continue;
            }
            self.text(", ");
            let printed = self.aside(|p| p.print_item(item, query))?;
            if printed.starts_with('\n') {
                self.out.truncate(self.out.trim_end_matches(' ').len());
            } else {
                self.keyword("", -INDENT, INDENT, INDENT_LIST);
            }
            self.text(&printed);
        }
        Ok(())
    }

    fn print_item(&mut self, item: &FromItem, query: &Query) -> PgResult<()> {
        match item {
            FromItem::Rte(rt) => self.print_entry(*rt, query),
            FromItem::Join { kind, left, right, quals, rt, using } => {
                let entry = &query.rtable[*rt];
                let alias = self.scopes.last().and_then(|scope| scope.entries[*rt].0.clone());
                let outer = !self.context.pretty || alias.is_some();
                if outer {
                    self.text("(");
                }
                // Inside, its parts still go by their own names.
                let hidden = alias.as_ref().map(|_| self.enter_join(left, right, query));
                self.print_item(left, query)?;
                let word = match (kind, quals) {
                    (JoinKind::Inner, None) => " CROSS JOIN ",
                    (JoinKind::Inner, Some(_)) => " JOIN ",
                    (JoinKind::Left, _) => " LEFT JOIN ",
                    (JoinKind::Right, _) => " RIGHT JOIN ",
                    (JoinKind::Full, _) => " FULL JOIN ",
                };
                self.keyword(word, -INDENT, INDENT, INDENT_JOIN);
                let inner = self.context.pretty && self.needs_parens(right);
                if inner {
                    self.text("(");
                }
                self.print_item(right, query)?;
                if inner {
                    self.text(")");
                }
                self.join_condition(*kind, using, quals.as_ref())?;
                self.leave_join(hidden);
                if outer {
                    self.text(")");
                }
                if let Some(alias) = alias {
                    self.text(" ");
                    self.ident(&alias);
                    let own: Vec<Arc<str>> =
                        join_columns(item, query).into_iter().map(|(name, _)| name).collect();
                    self.column_aliases(&entry.column_names, &own)?;
                }
                Ok(())
            }
        }
    }

    /// A join on the right side, unless its alias brings parentheses along.
    fn needs_parens(&self, item: &FromItem) -> bool {
        match item {
            FromItem::Rte(_) => false,
            FromItem::Join { rt, .. } => {
                self.scopes.last().is_none_or(|scope| scope.entries[*rt].0.is_none())
            }
        }
    }

    fn join_condition(&mut self, kind: JoinKind, using: &[Arc<str>], quals: Option<&Expr>) -> PgResult<()> {
        if !using.is_empty() {
            self.text(" USING (");
            self.list(using, |p, name| {
                p.ident(name);
                Ok(())
            })?;
            self.text(")");
            return Ok(());
        }
        match quals {
            Some(quals) => {
                self.text(" ON ");
                self.open();
                self.expr(quals, false)?;
                self.close();
            }
            None if kind != JoinKind::Inner => self.text(" ON TRUE"),
            None => {}
        }
        Ok(())
    }

    fn print_entry(&mut self, rt: usize, query: &Query) -> PgResult<()> {
        let entry = &query.rtable[rt];
        let scope = self.scopes.last().ok_or_else(|| PgError::internal("FROM outside of a query"))?;
        let name = scope.entries[rt].0.clone().unwrap_or_default();
        if entry.lateral {
            self.text("LATERAL ");
        }
        match &entry.kind {
            RteKind::Relation { relid, desc, .. } => {
                let names = desc.attrs.iter().map(|attribute| attribute.name.clone()).collect();
                self.print_relation(*relid, &name, &entry.column_names, names)?;
                entry.sample.as_ref().map_or(Ok(()), |sample| self.print_sample(sample))
            }
            RteKind::Subquery(_) if entry.perms_relid != 0 => {
                // A view goes by its name, whatever its query is now.
                let view = self.context.catalog.relation_by_oid(entry.perms_relid)?;
                let view = view.ok_or_else(|| PgError::internal("a view in FROM has gone"))?;
                let live = view.desc.attrs.iter().filter(|attribute| !attribute.dropped);
                let names = live.map(|attribute| attribute.name.clone()).collect();
                self.print_relation(view.oid, &name, &entry.column_names, names)
            }
            RteKind::Subquery(inner) => {
                self.text("(");
                self.query(inner, None, true)?;
                self.text(") ");
                self.ident(&name);
                self.column_aliases(&entry.column_names, &own_names(inner))
            }
            RteKind::Function { functions, with_ordinality } => {
                self.functions(functions, *with_ordinality, entry, &name)
            }
            RteKind::Values(rows) => {
                self.text("(");
                self.values(rows)?;
                self.text(") ");
                self.ident(&name);
                let own: Vec<Arc<str>> =
                    (1..=entry.column_names.len()).map(|number| format!("column{number}").into()).collect();
                self.column_aliases(&entry.column_names, &own)
            }
            RteKind::Cte { name: cte, levels_up, index, .. } => {
                self.ident(cte);
                if name != **cte {
                    self.text(" ");
                    self.ident(&name);
                }
                let level = self.scopes.len().checked_sub(1 + levels_up);
                let own = level.and_then(|level| self.scopes[level].ctes.get(*index)).cloned();
                self.column_aliases(&entry.column_names, &own.map(|(_, own)| own).unwrap_or_default())
            }
            RteKind::Join | RteKind::Excluded => Err(PgError::internal("not an item of FROM")),
        }
    }

    /// A relation, its alias if it has one, and the names that its columns have here if they are not their own.
    fn print_relation(
        &mut self,
        relid: Oid,
        alias: &str,
        names: &[Arc<str>],
        own_names: Vec<Arc<str>>,
    ) -> PgResult<()> {
        let (printed, own) = self.relation_name(relid)?;
        self.text(&printed);
        let renamed = names.len() != own_names.len()
            || names.iter().zip(&own_names).any(|(name, own)| !name.is_empty() && name != own);
        if *alias != *own || renamed {
            self.text(" ");
            self.ident(alias);
        }
        self.column_aliases(names, &own_names)
    }

    fn print_sample(&mut self, sample: &TableSample) -> PgResult<()> {
        self.text(" TABLESAMPLE ");
        self.text(sample.method.name());
        for (word, arg) in [" (", " REPEATABLE ("].into_iter().zip(&sample.args) {
            self.text(word);
            self.expr(arg, false)?;
            self.text(")");
        }
        Ok(())
    }

    /// Column names behind an alias, if they are not the columns' own. Dropped columns have none.
    fn column_aliases(&mut self, names: &[Arc<str>], own: &[Arc<str>]) -> PgResult<()> {
        if own.len() == names.len() && names.iter().zip(own).all(|(name, own)| name.is_empty() || name == own)
        {
            return Ok(());
        }
        self.text("(");
        let live: Vec<&Arc<str>> = names.iter().filter(|name| !name.is_empty()).collect();
        self.list(&live, |p, name| {
            p.ident(name);
            Ok(())
        })?;
        self.text(")");
        Ok(())
    }

    fn functions(
        &mut self,
        functions: &[RangeFunction],
        with_ordinality: bool,
        entry: &RangeTblEntry,
        name: &str,
    ) -> PgResult<()> {
        let defined: Vec<bool> =
            functions.iter().map(|function| self.needs_definitions(function)).collect::<PgResult<_>>()?;
        let single = functions.len() == 1 && !(defined[0] && with_ordinality);
        if single {
            self.function_in_from(&functions[0].call)?;
        } else {
            self.text("ROWS FROM(");
            let mut first = 0;
            for (index, (function, defined)) in functions.iter().zip(&defined).enumerate() {
                if index > 0 {
                    self.text(", ");
                }
                self.function_in_from(&function.call)?;
                let last = first + function.columns.len();
                if *defined {
                    self.text(" AS ");
                    self.definitions(&entry.column_names[first..last], &function.columns)?;
                }
                first = last;
            }
            self.text(")");
        }
        if with_ordinality {
            self.text(" WITH ORDINALITY");
        }
        self.text(" ");
        self.ident(name);
        if single && defined[0] {
            return self.definitions(&entry.column_names, &functions[0].columns);
        }
        // What a function calls its columns may change with the function.
        self.column_aliases(&entry.column_names, &[])
    }

    fn function_in_from(&mut self, call: &Expr) -> PgResult<()> {
        let is_call = match call {
            Expr::Call(call) => matches!(call.form, CallForm::Function | CallForm::SqlSyntax),
            call => matches!(
                call,
                Expr::Coalesce { .. } | Expr::MinMax { .. } | Expr::NullIf { .. } | Expr::SqlValue { .. }
            ),
        };
        if is_call {
            return self.expr(call, true);
        }
        self.text("CAST(");
        self.expr(call, false)?;
        self.text(" AS ");
        self.type_name(call.ty().type_oid, call.ty().typmod)?;
        self.text(")");
        Ok(())
    }

    /// A function that returns RECORD and does not say which needs its columns defined.
    fn needs_definitions(&self, function: &RangeFunction) -> PgResult<bool> {
        let Expr::Call(call) = &function.call else { return Ok(false) };
        if call.ty.type_oid != types::RECORD {
            return Ok(false);
        }
        Ok(self.proc(call.proc_oid)?.proallargtypes.is_none())
    }

    fn definitions(&mut self, names: &[Arc<str>], columns: &[ColumnType]) -> PgResult<()> {
        self.text("(");
        for (index, (name, ty)) in names.iter().zip(columns).enumerate() {
            if index > 0 {
                self.text(", ");
            }
            self.ident(name);
            self.text(" ");
            self.type_name(ty.type_oid, ty.typmod)?;
        }
        self.text(")");
        Ok(())
    }
}
