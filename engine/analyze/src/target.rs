//! Output columns: expressions, `*`, and the names columns get
//! (PostgreSQL's src/backend/parser/parse_target.c).

use crate::analyzer::{Analyzer, Place};
use crate::query::{Expr, Position, RteKind, SubLinkKind, TargetEntry};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// The most columns that a result can have.
const MAX_COLUMNS: usize = 1664;

/// The name of a column that nothing gives a name to.
const NAMELESS: &str = "?column?";

/// A target list, with where each entry was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    pub entries: Vec<TargetEntry>,
    /// Byte offsets, in step with the entries.
    pub positions: Vec<usize>,
}

impl Targets {
    pub fn push(&mut self, name: Arc<str>, expr: Expr, junk: bool, position: usize) -> usize {
        self.entries.push(TargetEntry { expr, name, junk, target_attno: 0, origin: (0, 0) });
        self.positions.push(position);
        self.entries.len() - 1
    }
}

impl Analyzer<'_> {
    /// Analyzes output columns (`transformTargetList`).
    pub(crate) fn target_list(&mut self, raw: &[ast::Target], place: Place) -> PgResult<Targets> {
        let mut targets = Targets::default();
        for target in raw {
            match &target.expr {
                ast::Expr::Column(column) if column.star => {
                    let columns = self.expand_star(column)?;
                    columns.into_iter().for_each(|(name, value)| {
                        targets.push(name, value, false, column.pos);
                    });
                }
                ast::Expr::Indirection { arg, path } if ends_in_star(path) => {
                    for (name, value) in self.expand_composite(arg, path, place)? {
                        targets.push(name, value, false, target.expr.location());
                    }
                }
                expr => {
                    let value = self.expr(expr, place)?;
                    let name = match &target.alias {
                        Some(alias) => alias.name.clone(),
                        None => column_name(expr, &value),
                    };
                    targets.push(name, value, false, expr.location());
                }
            }
        }
        if targets.entries.len() > MAX_COLUMNS {
            let message = format!("target lists can have at most {MAX_COLUMNS} entries");
            return Err(PgError::new(code::TOO_MANY_COLUMNS, message));
        }
        Ok(targets)
    }

    /// The columns of `*`, `t.*` or `s.t.*` (`ExpandColumnRefStar`).
    pub(crate) fn expand_star(&mut self, column: &ast::ColumnRef) -> PgResult<Vec<(Arc<str>, Expr)>> {
        if let Some((up, item)) = self.star_item(column)? {
            return Ok(self.expand_item(up, item, column.pos));
        }
        let items = &self.level().scope.items;
        let visible: Vec<usize> = (0..items.len()).filter(|index| items[*index].cols_visible).collect();
        if visible.is_empty() {
            let message = "SELECT * with no tables specified is not valid";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(column.pos)));
        }
        Ok(visible.into_iter().flat_map(|item| self.expand_item(0, item, column.pos)).collect())
    }

    /// `t.*` as fields of a row.
    pub(crate) fn expand_row_star(&mut self, column: &ast::ColumnRef) -> PgResult<Vec<Expr>> {
        Ok(self.expand_star(column)?.into_iter().map(|(_, value)| value).collect())
    }

    /// The fields of `(composite).*` (`ExpandIndirectionStar`, `ExpandRowReference`).
    pub(crate) fn expand_composite(
        &mut self,
        arg: &ast::Expr,
        path: &[ast::Indirection],
        place: Place,
    ) -> PgResult<Vec<(Arc<str>, Expr)>> {
        let before = &path[..path.len() - 1];
        let value = if before.is_empty() {
            self.expr(arg, place)?
        } else {
            let inner = ast::Expr::Indirection { arg: Box::new(arg.clone()), path: before.to_vec() };
            self.expr(&inner, place)?
        };
        // The whole row of a FROM item: its columns themselves.
        if let Expr::Var(var) = &value
            && var.attno == 0
        {
            let scope = &self.level_up(var.levels_up).scope;
            let (up, rt) = (var.levels_up, var.rt);
            if let Some(item) = scope.items.iter().position(|item| item.rt == rt) {
                return Ok(self.expand_item(up, item, arg.location()));
            }
        }
        let ty = value.ty();
        if ty.type_oid == types::RECORD {
            if let Expr::Row { fields, .. } = value {
                let named = fields.into_iter().enumerate();
                return Ok(named.map(|(index, field)| (format!("f{}", index + 1).into(), field)).collect());
            }
            let Some(fields) = self.record_fields(&value)? else {
                let message = "record type has not been registered";
                return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
            };
            let named = fields.into_iter().enumerate();
            return Ok(named
                .map(|(index, (name, ty))| {
                    let arg = Box::new(value.clone());
                    (name, Expr::FieldSelect { arg, field: index as i16 + 1, ty })
                })
                .collect());
        }
        if !self.is_composite(ty.type_oid)? {
            let message = format!("type {} is not composite", self.type_name(ty.type_oid)?);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        let desc = self.catalog.composite_desc(ty.type_oid)?;
        let mut fields = Vec::with_capacity(desc.len());
        for attribute in desc.attrs.iter().filter(|attribute| !attribute.dropped) {
            let field = self.field_of(value.clone(), &attribute.name)?;
            let field = field.ok_or_else(|| PgError::internal("a composite type lost a field"))?;
            fields.push((attribute.name.clone(), field));
        }
        Ok(fields)
    }

    /// A row of expressions: `*` is expanded, and DEFAULT is let through where it is allowed
    /// (`transformExpressionList`). Each comes with where it was written.
    pub(crate) fn expression_row(
        &mut self,
        raw: &[ast::Expr],
        place: Place,
        allow_default: bool,
    ) -> PgResult<Vec<(Expr, usize)>> {
        let mut row = Vec::with_capacity(raw.len());
        for expr in raw {
            match expr {
                ast::Expr::Column(column) if column.star => {
                    row.extend(self.expand_row_star(column)?.into_iter().map(|value| (value, column.pos)));
                }
                ast::Expr::Indirection { arg, path } if ends_in_star(path) => {
                    let fields = self.expand_composite(arg, path, place)?;
                    row.extend(fields.into_iter().map(|(_, value)| (value, expr.location())));
                }
                ast::Expr::Default { pos } if allow_default => {
                    row.push((Expr::SetToDefault(self.plain_type(types::UNKNOWN)?), *pos));
                }
                expr => row.push((self.expr(expr, place)?, expr.location())),
            }
        }
        Ok(row)
    }

    /// Output columns whose type is still unknown become text (`resolveTargetListUnknowns`).
    pub(crate) fn resolve_unknown_targets(&mut self, targets: &mut Targets) -> PgResult<()> {
        for (entry, position) in targets.entries.iter_mut().zip(&targets.positions) {
            if entry.expr.ty().type_oid == types::UNKNOWN || matches!(entry.expr, Expr::Row { .. }) {
                entry.expr = self.resolve_unknown(entry.expr.clone(), Some(*position))?;
            }
        }
        Ok(())
    }

    /// Notes which output columns are plain columns of tables (`markTargetListOrigins`).
    pub(crate) fn mark_origins(&self, targets: &mut Targets) {
        for entry in &mut targets.entries {
            if let Expr::Var(var) = &entry.expr {
                entry.origin = self.origin_of(var.rt, var.attno, var.levels_up);
            }
        }
    }

    fn origin_of(&self, rt: usize, attno: i16, up: usize) -> (Oid, i16) {
        let entry = &self.level_up(up).rtable[rt];
        let of_query = |query: &crate::query::Query| {
            let mut shown = query.target_list.iter().filter(|entry| !entry.junk);
            attno.checked_sub(1).and_then(|index| shown.nth(index as usize)).map_or((0, 0), |e| e.origin)
        };
        match &entry.kind {
            RteKind::Relation { relid, .. } => (*relid, attno),
            // A view's columns are its own, whatever they come from.
            RteKind::Subquery(_) if entry.perms_relid != 0 => (entry.perms_relid, attno),
            RteKind::Subquery(query) if attno > 0 => of_query(query),
            RteKind::Cte { levels_up, index, self_reference: false, .. } if attno > 0 => {
                match self.level_up(up + levels_up).ctes.get(*index) {
                    Some(cte) => of_query(&cte.query),
                    None => (0, 0),
                }
            }
            _ => (0, 0),
        }
    }

    /// A function in column notation, `row.f` for `f(row)`; `None` when there is no such function.
    pub(crate) fn call_on_row(
        &mut self,
        name: &Arc<str>,
        row: Expr,
        position: usize,
    ) -> PgResult<Option<Expr>> {
        let Expr::Var(var) = &row else { return Ok(None) };
        let relation = self.level_up(var.levels_up).rtable[var.rt].alias.clone();
        let ident = |name: Arc<str>| ast::Ident { name, pos: position };
        let whole = ast::ColumnRef { parts: vec![ident(relation)], star: true, pos: position };
        let mut call = ast::FuncCall::system(name, vec![ast::Expr::Column(whole)], position);
        call.name = ast::ObjectName { parts: vec![ident(name.clone())] };
        call.sql_syntax = false;
        match self.func_call(&call) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == code::UNDEFINED_FUNCTION => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a path behind an expression ends in `.*`.
fn ends_in_star(path: &[ast::Indirection]) -> bool {
    matches!(path.last(), Some(ast::Indirection::Star))
}

/// The name of an output column without AS (`FigureColname`).
pub(crate) fn column_name(raw: &ast::Expr, value: &Expr) -> Arc<str> {
    match figure_name(raw, value) {
        Some((name, _)) => name,
        None => NAMELESS.into(),
    }
}

/// What a column of an index over an expression is called, if the expression suggests a name
/// (`FigureIndexColname`).
pub fn index_column_name(raw: &ast::Expr, value: &Expr) -> Option<Arc<str>> {
    figure_name(raw, value).map(|(name, _)| name)
}

/// A name, and whether it is a good one: a weak one gives way to what stands around it.
fn figure_name(raw: &ast::Expr, value: &Expr) -> Option<(Arc<str>, bool)> {
    let strong = |name: &str| Some((Arc::from(name), true));
    match raw {
        ast::Expr::Column(column) => column.parts.last().map(|part| (part.name.clone(), true)),
        ast::Expr::Indirection { arg, path } => {
            let field = path.iter().rev().find_map(|step| match step {
                ast::Indirection::Field(name) => Some(name.name.clone()),
                _ => None,
            });
            field.map(|name| (name, true)).or_else(|| figure_name(arg, value))
        }
        ast::Expr::Call(call) => Some((call.name.last().name.clone(), true)),
        ast::Expr::NullIf { .. } => strong("nullif"),
        ast::Expr::Cast { arg, type_name, .. } => match figure_name(arg, value) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name.name.last().name.clone(), false)),
        },
        ast::Expr::Collate { arg, .. } => figure_name(arg, value),
        ast::Expr::Grouping { .. } => strong("grouping"),
        ast::Expr::SubLink(link) => match link.kind {
            ast::SubLinkKind::Exists => strong("exists"),
            ast::SubLinkKind::Array => strong("array"),
            ast::SubLinkKind::Scalar => subquery_column(value).map(|name| (name, true)),
            _ => None,
        },
        ast::Expr::Case(case) => {
            let otherwise = case.otherwise.as_ref().and_then(|otherwise| {
                let value = if let Expr::Case { otherwise, .. } = value { otherwise } else { value };
                figure_name(otherwise, value)
            });
            match otherwise {
                Some((name, true)) => Some((name, true)),
                _ => Some(("case".into(), false)),
            }
        }
        ast::Expr::Array { .. } => strong("array"),
        ast::Expr::Row { .. } => strong("row"),
        ast::Expr::Coalesce { .. } => strong("coalesce"),
        ast::Expr::MinMax { greatest: true, .. } => strong("greatest"),
        ast::Expr::MinMax { greatest: false, .. } => strong("least"),
        ast::Expr::SqlValue { function, .. } => strong(match function {
            ast::SqlValue::CurrentDate => "current_date",
            ast::SqlValue::CurrentTime => "current_time",
            ast::SqlValue::CurrentTimestamp => "current_timestamp",
            ast::SqlValue::LocalTime => "localtime",
            ast::SqlValue::LocalTimestamp => "localtimestamp",
            ast::SqlValue::CurrentRole => "current_role",
            ast::SqlValue::CurrentUser => "current_user",
            ast::SqlValue::User => "user",
            ast::SqlValue::SessionUser => "session_user",
            ast::SqlValue::CurrentCatalog => "current_catalog",
            ast::SqlValue::CurrentSchema => "current_schema",
        }),
        _ => None,
    }
}

/// The name of the column of a scalar subquery, through the casts around it.
fn subquery_column(value: &Expr) -> Option<Arc<str>> {
    match value {
        Expr::SubLink(link) if link.kind == SubLinkKind::Expr => {
            link.query.target_list.iter().find(|entry| !entry.junk).map(|entry| entry.name.clone())
        }
        Expr::Relabel { arg, .. }
        | Expr::CoerceViaIo { arg, .. }
        | Expr::ArrayCoerce { arg, .. }
        | Expr::Collate { arg, .. }
        | Expr::FieldSelect { arg, .. }
        | Expr::Subscript { arg, .. } => subquery_column(arg),
        Expr::Call(call) => call.args.first().and_then(subquery_column),
        _ => None,
    }
}

/// The position of the first reference in an expression that has one.
pub(crate) fn first_position(expr: &Expr, test: &dyn Fn(&Expr, usize) -> bool) -> Option<usize> {
    let mut found: Option<Position> = None;
    crate::visit::visit(expr, 0, &mut |node, depth| {
        if found.is_none() && test(node, depth) {
            found = Some(match node {
                Expr::Var(var) => var.position,
                Expr::Aggregate(aggregate) => aggregate.position.map_or(Position::default(), Position::at),
                Expr::WindowFunc(function) => function.position.map_or(Position::default(), Position::at),
                Expr::Call(call) => call.position.map_or(Position::default(), Position::at),
                _ => Position::default(),
            });
        }
        found.is_none()
    });
    found.and_then(Position::offset)
}
