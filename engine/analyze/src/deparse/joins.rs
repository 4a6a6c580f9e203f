//! Columns of joins. The tree refers to what a join is made of; in the text an alias hides that, and
//! a column that USING merged out of both sides of a full join has no other name.

use super::Printer;
use super::names::JoinColumn;
use crate::query::*;
use std::sync::Arc;

/// Names of relations by range-table index.
type Entries = [(Option<String>, Vec<Arc<str>>)];

/// The columns of a FROM item as the text has them: name and value.
pub(super) fn join_columns(item: &FromItem, query: &Query) -> Vec<(Arc<str>, Expr)> {
    match item {
        FromItem::Rte(rt) => {
            let entry = &query.rtable[*rt];
            let live = entry.column_names.iter().zip(&entry.columns).enumerate();
            live.filter(|(_, (name, _))| !name.is_empty())
                .map(|(index, (name, ty))| (name.clone(), column(*rt, index, *ty)))
                .collect()
        }
        FromItem::Join { kind, left, right, using, rt, .. } => {
            let (mut left, mut right) = (named_columns(left, query), named_columns(right, query));
            let types = &query.rtable[*rt].columns;
            let mut columns = Vec::with_capacity(left.len() + right.len());
            for (index, name) in using.iter().enumerate() {
                let (Some(l), Some(r)) = (take(&mut left, name), take(&mut right, name)) else { continue };
                let value = match kind {
                    JoinKind::Inner | JoinKind::Left => l,
                    JoinKind::Right => r,
                    JoinKind::Full => Expr::Coalesce { args: vec![l, r], ty: types[index] },
                };
                columns.push((name.clone(), value));
            }
            columns.append(&mut left);
            columns.append(&mut right);
            columns
        }
    }
}

/// The same under the names that an alias gives them.
fn named_columns(item: &FromItem, query: &Query) -> Vec<(Arc<str>, Expr)> {
    let mut columns = join_columns(item, query);
    if let FromItem::Join { rt, .. } = item {
        for ((name, _), alias) in columns.iter_mut().zip(&query.rtable[*rt].column_names) {
            *name = alias.clone();
        }
    }
    columns
}

fn column(rt: usize, index: usize, ty: ColumnType) -> Expr {
    Expr::Var(Var {
        rt,
        attno: i16::try_from(index + 1).unwrap_or(i16::MAX),
        type_oid: ty.type_oid,
        typmod: ty.typmod,
        collation: ty.collation,
        levels_up: 0,
        position: Position::default(),
    })
}

fn take(columns: &mut Vec<(Arc<str>, Expr)>, name: &Arc<str>) -> Option<Expr> {
    let index = columns.iter().position(|(column, _)| column == name)?;
    Some(columns.remove(index).1)
}

/// The columns of joins that an item shows under names of their own.
pub(super) fn visible(item: &FromItem, query: &Query, entries: &Entries) -> Vec<JoinColumn> {
    let FromItem::Join { left, right, rt, using, .. } = item else { return Vec::new() };
    if let Some(alias) = &entries[*rt].0 {
        return named_columns(item, query)
            .into_iter()
            .map(|(name, value)| JoinColumn { value, relation: Some(alias.clone()), name })
            .collect();
    }
    let mut columns = visible(left, query, entries);
    columns.extend(visible(right, query, entries));
    for (name, value) in join_columns(item, query).into_iter().take(using.len()) {
        if !matches!(value, Expr::Var(_)) {
            columns.push(JoinColumn { value, relation: None, name });
        }
    }
    columns
}

impl Printer<'_> {
    /// The join's column that an expression goes by, if it does.
    pub(super) fn join_column(&self, expr: &Expr) -> Option<JoinColumn> {
        if !matches!(expr, Expr::Var(_) | Expr::Coalesce { .. }) {
            return None;
        }
        self.scopes
            .iter()
            .rev()
            .enumerate()
            .find_map(|(levels, scope)| {
                scope.join_columns.iter().find(|c| same_value(&c.value, expr, levels))
            })
            .cloned()
    }

    pub(super) fn print_join_column(&mut self, column: &JoinColumn) {
        if let Some(relation) = &column.relation {
            self.ident(relation);
            self.text(".");
        }
        self.ident(&column.name);
    }

    /// Inside an aliased join only the joins within it hide anything.
    pub(super) fn enter_join(&mut self, left: &FromItem, right: &FromItem, query: &Query) -> Vec<JoinColumn> {
        let Some(scope) = self.scopes.last_mut() else { return Vec::new() };
        let mut inner = visible(left, query, &scope.entries);
        inner.extend(visible(right, query, &scope.entries));
        std::mem::replace(&mut scope.join_columns, inner)
    }

    pub(super) fn leave_join(&mut self, hidden: Option<Vec<JoinColumn>>) {
        if let (Some(hidden), Some(scope)) = (hidden, self.scopes.last_mut()) {
            scope.join_columns = hidden;
        }
    }
}

/// Whether an expression, seen from `levels` queries further in, is the join's column. The casts to the
/// merged column's type are no part of the question.
fn same_value(column: &Expr, expr: &Expr, levels: usize) -> bool {
    match (column, expr) {
        (Expr::Var(own), Expr::Var(var)) => {
            (own.rt, own.attno) == (var.rt, var.attno) && var.levels_up == own.levels_up + levels
        }
        (Expr::Coalesce { args: own, .. }, Expr::Coalesce { args, .. }) => {
            own.len() == args.len()
                && own.iter().zip(args).all(|(own, arg)| same_value(own, uncast(arg), levels))
        }
        _ => false,
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Relabel { arg, explicit: false, .. } | Expr::CoerceViaIo { arg, explicit: false, .. } => {
            uncast(arg)
        }
        Expr::Call(call) if call.form == CallForm::ImplicitCast => uncast(&call.args[0]),
        expr => expr,
    }
}
