//! Joins in FROM: ON, USING and NATURAL, and the columns that a join shows.

use crate::analyzer::{Analyzer, Place};
use crate::coerce::Coercion;
use crate::from::{Ranged, set_lateral};
use crate::query::{Expr, FromItem, JoinKind, Position, RteKind};
use crate::scope::{NsColumns, NsItem, live_columns, var};
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// Names and values of columns, in order.
type Columns = Vec<(Arc<str>, Expr)>;

impl Analyzer<'_> {
    pub(crate) fn range_join(&mut self, join: &ast::Join) -> PgResult<Ranged> {
        let mut left =
            self.join_side(&join.left, matches!(join.kind, ast::JoinKind::Right | ast::JoinKind::Full))?;
        // The right side sees the left one if it is LATERAL and the join works that way round.
        let lateral_ok = matches!(join.kind, ast::JoinKind::Inner | ast::JoinKind::Left);
        set_lateral(&mut left.names, true, lateral_ok);
        let before = self.level().scope.items.len();
        let visible = left.names.clone();
        self.level().scope.items.extend(visible);
        let right =
            self.join_side(&join.right, matches!(join.kind, ast::JoinKind::Left | ast::JoinKind::Full))?;
        self.level().scope.items.truncate(before);
        Self::check_conflicts(&left.names, &right.names)?;
        let (left_columns, right_columns) = (self.columns_of(&left.top), self.columns_of(&right.top));
        let mut names = left.names;
        names.extend(right.names);
        set_lateral(&mut names, false, true);

        let using: Vec<ast::Ident> =
            if join.natural { common_names(&left_columns, &right_columns) } else { join.using.clone() };
        let (columns, quals) = if using.is_empty() {
            let quals = match &join.on {
                Some(on) => Some(self.join_condition(on, &names)?),
                None => None,
            };
            let mut columns = left_columns;
            columns.extend(right_columns);
            (columns, quals)
        } else {
            self.merge_columns(join, &using, left_columns, right_columns)?
        };
        let merged = using.len();
        let top = self.add_join(join, columns)?;
        if let Some(alias) = &join.using_alias {
            let item = self.using_alias(alias, &top, merged);
            Self::check_conflicts(&names, std::slice::from_ref(&item))?;
            names.push(item);
        }
        if join.alias.is_some() {
            names.clear();
        } else {
            names.iter_mut().for_each(|item| item.cols_visible = false);
        }
        names.push(top.clone());
        let item = FromItem::Join {
            kind: match join.kind {
                ast::JoinKind::Inner => JoinKind::Inner,
                ast::JoinKind::Left => JoinKind::Left,
                ast::JoinKind::Right => JoinKind::Right,
                ast::JoinKind::Full => JoinKind::Full,
            },
            left: Box::new(left.item),
            right: Box::new(right.item),
            quals,
            rt: top.rt,
            using: using.iter().map(|column| column.name.clone()).collect(),
        };
        Ok(Ranged { item, top, names })
    }

    /// One side; a recursive reference may not stand where the join adds rows of nulls.
    fn join_side(&mut self, raw: &ast::TableRef, nullable: bool) -> PgResult<Ranged> {
        let before = self.level().scope.blocked;
        if nullable {
            self.level().scope.blocked = before.or(Some("an outer join"));
        }
        let side = self.range_item(raw);
        self.level().scope.blocked = before;
        side
    }

    /// The columns of one side of a join.
    fn columns_of(&mut self, item: &NsItem) -> Columns {
        match &item.columns {
            NsColumns::Values(values) => values.to_vec(),
            NsColumns::Entry => {
                let entry = &self.level().rtable[item.rt];
                live_columns(entry)
                    .map(|(index, name, ty)| {
                        let var = var(item.rt, (index + 1) as i16, ty, 0, Position::default());
                        (name.clone(), Expr::Var(var))
                    })
                    .collect()
            }
        }
    }

    /// ON sees the two sides only, and outer queries (`transformJoinOnClause`).
    fn join_condition(&mut self, on: &ast::Expr, names: &[NsItem]) -> PgResult<Expr> {
        let hidden = std::mem::replace(&mut self.level().scope.items, names.to_vec());
        let result = self.expr(on, Place::JoinOn);
        self.level().scope.items = hidden;
        self.coerce_to_boolean(result?, "JOIN/ON", on.location())
    }

    /// USING: each pair of columns is compared and shown once.
    fn merge_columns(
        &mut self,
        join: &ast::Join,
        using: &[ast::Ident],
        mut left: Columns,
        mut right: Columns,
    ) -> PgResult<(Columns, Option<Expr>)> {
        for (index, name) in using.iter().enumerate() {
            if using[..index].contains(name) {
                let message = format!(
                    "column name \"{name}\" appears more than once in USING clause",
                    name = name.name
                );
                return Err(PgError::new(code::DUPLICATE_COLUMN, message));
            }
        }
        let mut merged = Columns::new();
        let mut tests = Vec::with_capacity(using.len());
        for name in using {
            let l = take_column(&mut left, &name.name, "left")?;
            let r = take_column(&mut right, &name.name, "right")?;
            let (l, r) = (self.outer_value(l, 0, join.pos), self.outer_value(r, 0, join.pos));
            merged.push((name.name.clone(), self.merged_column(join.kind, l.clone(), r.clone(), name.pos)?));
            let before = self.level().place.replace(Place::JoinUsing);
            let test = self.make_op(&ast::OpName::bare("="), Some(l), r, name.pos, (name.pos, name.pos));
            self.level().place = before;
            tests.push(self.coerce_to_boolean(test?, "JOIN/USING", name.pos)?);
        }
        merged.append(&mut left);
        merged.append(&mut right);
        let quals = if tests.len() == 1 { tests.pop() } else { Some(Expr::And(tests)) };
        Ok((merged, quals))
    }

    /// The value of a merged column (`buildMergedJoinVar`).
    fn merged_column(
        &mut self,
        kind: ast::JoinKind,
        left: Expr,
        right: Expr,
        position: usize,
    ) -> PgResult<Expr> {
        // PostgreSQL points nowhere here.
        let common = self
            .select_common_type(&[(&left, position), (&right, position)], "JOIN/USING")
            .map_err(crate::view::without_position)?;
        let sides = [left, right];
        let typmod = Self::common_typmod(&sides, common);
        let [left, right] = sides;
        let (left_is_plain, right_is_plain) = (left.ty().type_oid == common, right.ty().type_oid == common);
        let left = self.coerce_side(left, common, typmod, position)?;
        let right = self.coerce_side(right, common, typmod, position)?;
        Ok(match kind {
            // Either side does; one that needs no cast is cheaper.
            ast::JoinKind::Inner if !left_is_plain && right_is_plain => right,
            ast::JoinKind::Inner | ast::JoinKind::Left => left,
            ast::JoinKind::Right => right,
            ast::JoinKind::Full => {
                let ty = left.ty();
                Expr::Coalesce { args: vec![left, right], ty }
            }
        })
    }

    fn coerce_side(&mut self, side: Expr, common: u32, typmod: i32, position: usize) -> PgResult<Expr> {
        if side.ty().type_oid != common {
            return self.coerce(side, common, typmod, Coercion::Implicit, false, Some(position));
        }
        if side.ty().typmod != typmod {
            // The value is as it was, its type says less about it.
            let ty = crate::query::ColumnType { typmod, ..side.ty() };
            return Ok(Expr::Relabel { arg: Box::new(side), ty, explicit: false });
        }
        Ok(side)
    }

    /// The join's own entry. Its name is visible only if it was given one.
    fn add_join(&mut self, join: &ast::Join, mut columns: Columns) -> PgResult<NsItem> {
        let alias = join.alias.as_ref();
        let name: Arc<str> = alias.map_or_else(|| "unnamed_join".into(), |alias| alias.name.name.clone());
        if let Some(alias) = alias {
            if alias.columns.len() > columns.len() {
                let message = format!(
                    "join expression \"{name}\" has {} columns available but {} columns specified",
                    columns.len(),
                    alias.columns.len()
                );
                return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message));
            }
            for ((column, _), alias) in columns.iter_mut().zip(&alias.columns) {
                *column = alias.name.clone();
            }
        }
        let types = columns.iter().map(|(_, value)| value.ty()).collect();
        let names = columns.iter().map(|(column, _)| column.clone()).collect();
        let mut item = self.add_entry(RteKind::Join, &name, names, types, None)?;
        item.columns = NsColumns::Values(columns.into());
        item.rel_visible = alias.is_some();
        Ok(item)
    }

    /// `USING (...) AS alias` names the merged columns only.
    fn using_alias(&mut self, alias: &ast::Ident, top: &NsItem, merged: usize) -> NsItem {
        let NsColumns::Values(columns) = &top.columns else { unreachable!("a join has values for columns") };
        NsItem {
            name: alias.name.clone(),
            columns: NsColumns::Values(columns[..merged].into()),
            rel_visible: true,
            cols_visible: false,
            ..top.clone()
        }
    }
}

/// The columns that NATURAL joins by: names that both sides have, in the left side's order.
fn common_names(left: &Columns, right: &Columns) -> Vec<ast::Ident> {
    let mut names: Vec<ast::Ident> = Vec::new();
    for (name, _) in left {
        if right.iter().any(|(other, _)| other == name) {
            names.push(ast::Ident { name: name.clone(), pos: 0 });
        }
    }
    names
}

/// Takes the one column of this name out of a side.
fn take_column(columns: &mut Columns, name: &Arc<str>, side: &str) -> PgResult<Expr> {
    let mut found =
        columns.iter().enumerate().filter(|(_, (column, _))| column == name).map(|(index, _)| index);
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(columns.remove(index).1),
        (Some(_), Some(_)) => {
            let message = format!("common column name \"{name}\" appears more than once in {side} table");
            Err(PgError::new(code::AMBIGUOUS_COLUMN, message))
        }
        _ => {
            let message =
                format!("column \"{name}\" specified in USING clause does not exist in {side} table");
            Err(PgError::new(code::UNDEFINED_COLUMN, message))
        }
    }
}
