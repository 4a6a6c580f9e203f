//! What names can see: the namespace of each query level, and the columns found in it
//! (PostgreSQL's src/backend/parser/parse_relation.c).

use crate::analyzer::{Analyzer, Level, Place};
use crate::query::{ColumnType, Expr, Perms, Position, RangeTblEntry, RteKind, Var};
use crate::visit;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// The part of a query level that names are looked up in.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// What FROM has contributed so far.
    pub items: Vec<NsItem>,
    /// A LATERAL item is being analyzed: items to its left are visible.
    pub lateral_active: bool,
    /// The range-table index of the target of INSERT, UPDATE or DELETE.
    pub target: Option<usize>,
    /// WITH names that are not analyzed yet, for a hint.
    pub future_ctes: Vec<Arc<str>>,
    /// Queries of WITH RECURSIVE that are still to be analyzed, but visible already.
    pub pending_ctes: Vec<ast::Cte>,
    /// WITH queries of this level that are being analyzed and may refer to themselves, each because
    /// the one before refers to it.
    pub recursive: Vec<crate::cte::Recursion>,
    /// This level is such a query: its set operation has a recursive term.
    pub parent_cte: bool,
    /// Why a recursive reference may not stand here.
    pub blocked: Option<&'static str>,
    /// Window definitions as written, in step with the level's windows to be.
    pub window_specs: Vec<ast::WindowSpec>,
    /// Arguments of GROUPING calls of this level; see `agg.rs`.
    pub grouping_calls: Vec<crate::agg::GroupingCall>,
    /// How messages name the window frame being analyzed: `window ROWS` and so on.
    pub frame_words: &'static str,
}

/// One name that columns can be qualified by, or a join's merged columns.
#[derive(Clone, Debug)]
pub(crate) struct NsItem {
    /// The alias, or the relation's name.
    pub name: Arc<str>,
    /// Range-table index at its level.
    pub rt: usize,
    /// The relation, if it can be named with its schema: a relation without alias.
    pub relid: Oid,
    /// The columns.
    pub columns: NsColumns,
    /// The type of a whole row: a composite type or RECORD.
    pub row_type: Oid,
    /// The name can qualify columns.
    pub rel_visible: bool,
    /// Columns can be named without it.
    pub cols_visible: bool,
    /// Visible to LATERAL items only.
    pub lateral_only: bool,
    /// Whether LATERAL references are legal.
    pub lateral_ok: bool,
}

/// Where an item's columns come from.
#[derive(Clone, Debug)]
pub(crate) enum NsColumns {
    /// They are the range-table entry's.
    Entry,
    /// Names and values: a join's columns stand for those of its sides.
    Values(Arc<[(Arc<str>, Expr)]>),
}

/// A column that a name stands for.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// Levels up from the innermost.
    up: usize,
    /// Index of the item in that level's scope.
    item: usize,
    column: Column,
}

#[derive(Clone, Copy, Debug)]
enum Column {
    /// Index from 0.
    User(usize),
    /// Attribute number below 0.
    System(i16),
}

/// System columns: name, attribute number, type.
const SYSTEM_COLUMNS: [(&str, i16, Oid); 6] = [
    ("ctid", -1, types::TID),
    ("xmin", -2, types::XID),
    ("cmin", -3, types::CID),
    ("xmax", -4, types::XID),
    ("cmax", -5, types::CID),
    ("tableoid", TABLEOID, types::OID),
];
const TABLEOID: i16 = -6;

/// The attribute number of a system column, below 0.
pub(crate) fn system_attno(name: &str) -> Option<i16> {
    SYSTEM_COLUMNS.iter().find(|(known, _, _)| *known == name).map(|(_, attno, _)| *attno)
}

/// The name of a system column.
pub(crate) fn system_name(attno: i16) -> &'static str {
    SYSTEM_COLUMNS.iter().find(|(_, known, _)| *known == attno).map_or("?", |(name, _, _)| name)
}

impl NsItem {
    /// An item whose columns are its range-table entry's; fully visible.
    pub fn of_entry(name: Arc<str>, rt: usize, row_type: Oid) -> NsItem {
        NsItem {
            name,
            rt,
            relid: 0,
            columns: NsColumns::Entry,
            row_type,
            rel_visible: true,
            cols_visible: true,
            lateral_only: false,
            lateral_ok: true,
        }
    }
}

impl Analyzer<'_> {
    /// The query level being analyzed.
    pub(crate) fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("analysis happens at some level")
    }

    /// The level that many levels up, and its index.
    pub(crate) fn level_up(&self, up: usize) -> &Level {
        &self.levels[self.levels.len() - 1 - up]
    }

    fn level_up_mut(&mut self, up: usize) -> &mut Level {
        let index = self.levels.len() - 1 - up;
        &mut self.levels[index]
    }

    /// The value of a column reference (`transformColumnRef`); `*` after a name is the whole row.
    pub(crate) fn resolve_column(&mut self, column: &ast::ColumnRef) -> PgResult<Expr> {
        match self.params.names() {
            None => self.plain_column(column),
            Some(names) => self.column_or_variable(column, &names),
        }
    }

    pub(crate) fn plain_column(&mut self, column: &ast::ColumnRef) -> PgResult<Expr> {
        if self.place() == Place::ColumnDefault {
            let message = "cannot use column reference in DEFAULT expression";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(column.pos)));
        }
        if column.star {
            return match self.star_item(column)? {
                Some((up, item)) => self.whole_row(up, item, column.pos),
                None => {
                    Err(PgError::new(code::SYNTAX_ERROR, "row expansion via \"*\" is not supported here")
                        .at(Some(column.pos)))
                }
            };
        }
        if let [name] = column.parts.as_slice() {
            return self.resolve_bare(&name.name, column.pos);
        }
        let (last, qualifiers) = column.parts.split_last().expect("a column reference has parts");
        let (up, item) = self.qualified_item(qualifiers, column)?;
        let name = &last.name;
        let relation = self.level_up(up).scope.items[item].name.clone();
        if let Some(found) = self.scan_item(up, item, name, column.pos)? {
            return self.column_value(found, column.pos);
        }
        // `t.f` may be the function f applied to the row.
        let row = self.whole_row(up, item, column.pos)?;
        match self.call_on_row(name, row, column.pos)? {
            Some(value) => Ok(value),
            None => Err(self.missing_column(Some(&relation), name, column.pos)),
        }
    }

    fn resolve_bare(&mut self, name: &str, position: usize) -> PgResult<Expr> {
        if let Some(found) = self.find_bare(name, position, false)? {
            return self.column_value(found, position);
        }
        // An unqualified name may also be that of a table: the whole row.
        if let Some((up, item)) = self.find_relation_name(None, name, position)? {
            return self.whole_row(up, item, position);
        }
        Err(self.missing_column(None, name, position))
    }

    /// Whether a bare name is a column of this level's FROM (GROUP BY prefers those).
    pub(crate) fn is_from_column(&self, name: &str, position: usize) -> PgResult<bool> {
        Ok(self.find_bare(name, position, true)?.is_some())
    }

    /// A column by its bare name, innermost level first (`colNameToVar`).
    fn find_bare(&self, name: &str, position: usize, local_only: bool) -> PgResult<Option<Found>> {
        let levels = if local_only { 1 } else { self.levels.len() };
        for up in 0..levels {
            let scope = &self.level_up(up).scope;
            let mut result = None;
            for (index, item) in scope.items.iter().enumerate() {
                if !item.cols_visible || (item.lateral_only && !scope.lateral_active) {
                    continue;
                }
                let Some(found) = self.scan_item(up, index, name, position)? else { continue };
                if result.is_some() {
                    return Err(ambiguous_column(name, position));
                }
                self.check_lateral(up, item, position)?;
                result = Some(found);
            }
            if result.is_some() {
                return Ok(result);
            }
        }
        Ok(None)
    }

    /// A column of one item (`scanNSItemForColumn`).
    fn scan_item(&self, up: usize, index: usize, name: &str, position: usize) -> PgResult<Option<Found>> {
        let level = self.level_up(up);
        let item = &level.scope.items[index];
        let entry = &level.rtable[item.rt];
        let mut matches = match &item.columns {
            NsColumns::Entry => {
                entry.column_names.iter().enumerate().filter(|(_, c)| &***c == name).collect()
            }
            NsColumns::Values(values) => {
                let names = values.iter().map(|(column, _)| column).enumerate();
                names.filter(|(_, column)| &***column == name).collect::<Vec<_>>()
            }
        };
        if matches.len() > 1 {
            return Err(ambiguous_column(name, position));
        }
        if let Some((column, _)) = matches.pop() {
            return Ok(Some(Found { up, item: index, column: Column::User(column) }));
        }
        let has_system_columns = matches!(entry.kind, RteKind::Relation { relkind, .. } if relkind != 'c');
        let Some(attno) = system_attno(name).filter(|_| has_system_columns) else { return Ok(None) };
        if attno != TABLEOID {
            let refuse = |message: String| {
                Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(Some(position)))
            };
            match level.place {
                Some(Place::CheckConstraint) => {
                    return refuse(format!(
                        "system column \"{name}\" reference in check constraint is invalid"
                    ));
                }
                Some(Place::GeneratedColumn) => {
                    return refuse(format!(
                        "cannot use system column \"{name}\" in column generation expression"
                    ));
                }
                _ => {}
            }
        }
        Ok(Some(Found { up, item: index, column: Column::System(attno) }))
    }

    /// The item that qualifiers name: `t`, `s.t` or `db.s.t`.
    fn qualified_item(
        &mut self,
        qualifiers: &[ast::Ident],
        column: &ast::ColumnRef,
    ) -> PgResult<(usize, usize)> {
        let (schema, relation) = match qualifiers {
            [relation] => (None, relation),
            [schema, relation] => (Some(schema), relation),
            [database, schema, relation] => {
                if !self.is_current_database(&database.name)? {
                    let message =
                        format!("cross-database references are not implemented: {}", dotted(column));
                    return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(column.pos)));
                }
                (Some(schema), relation)
            }
            _ => {
                let message = format!("improper qualified name (too many dotted names): {}", dotted(column));
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(column.pos)));
            }
        };
        let found = self.find_relation_name(schema.map(|s| &*s.name), &relation.name, column.pos)?;
        match found {
            Some(found) => Ok(found),
            None => Err(self.missing_entry(schema.map(|s| &*s.name), &relation.name, column.pos)?),
        }
    }

    /// The item before `.*`; `None` for a bare star.
    pub(crate) fn star_item(&mut self, column: &ast::ColumnRef) -> PgResult<Option<(usize, usize)>> {
        if column.parts.is_empty() {
            return Ok(None);
        }
        self.qualified_item(&column.parts, column).map(Some)
    }

    /// Whether this is the name of the session's database.
    pub(crate) fn is_current_database(&self, name: &str) -> PgResult<bool> {
        let current = self.catalog.database_by_oid(self.catalog.database())?;
        Ok(current.is_some_and(|database| &*database.datname == name))
    }

    /// The item with this name, innermost level first (`refnameNamespaceItem`).
    pub(crate) fn find_relation_name(
        &self,
        schema: Option<&str>,
        name: &str,
        position: usize,
    ) -> PgResult<Option<(usize, usize)>> {
        let relid = match schema {
            None => 0,
            Some(schema) => {
                let Some(namespace) = self.namespace_named(schema)? else { return Ok(None) };
                let Some(relid) = self.catalog.relation_oid(namespace, name)? else { return Ok(None) };
                relid
            }
        };
        for up in 0..self.levels.len() {
            let scope = &self.level_up(up).scope;
            let mut result = None;
            for (index, item) in scope.items.iter().enumerate() {
                if !item.rel_visible || (item.lateral_only && !scope.lateral_active) {
                    continue;
                }
                if if relid == 0 { &*item.name != name } else { item.relid != relid } {
                    continue;
                }
                if result.is_some() {
                    let named = if relid == 0 { format!("\"{name}\"") } else { relid.to_string() };
                    let message = format!("table reference {named} is ambiguous");
                    return Err(PgError::new(code::AMBIGUOUS_ALIAS, message).at(Some(position)));
                }
                self.check_lateral(up, item, position)?;
                result = Some((up, index));
            }
            if result.is_some() {
                return Ok(result);
            }
        }
        Ok(None)
    }

    /// A LATERAL reference must not cross a join that could not be carried out that way.
    fn check_lateral(&self, up: usize, item: &NsItem, position: usize) -> PgResult<()> {
        if !item.lateral_only || item.lateral_ok {
            return Ok(());
        }
        let name = &item.name;
        let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
        let error = PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(Some(position));
        Err(if self.level_up(up).scope.target == Some(item.rt) {
            error.hint(unreachable_hint(name))
        } else {
            error.detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
        })
    }

    fn column_value(&mut self, found: Found, position: usize) -> PgResult<Expr> {
        let Found { up, item, column } = found;
        let level = self.level_up(up);
        let rt = level.scope.items[item].rt;
        let (attno, ty) = match column {
            Column::System(attno) => (attno, system_type(attno)),
            Column::User(index) => {
                if let NsColumns::Values(values) = &level.scope.items[item].columns {
                    let value = values[index].1.clone();
                    return Ok(self.outer_value(value, up, position));
                }
                ((index + 1) as i16, level.rtable[rt].columns[index])
            }
        };
        self.mark_selected(up, rt, attno);
        Ok(Expr::Var(var(rt, attno, ty, up, Position::at(position))))
    }

    /// A value of an outer level, as an inner level sees it.
    pub(crate) fn outer_value(&mut self, mut value: Expr, up: usize, position: usize) -> Expr {
        let mut seen = Vec::new();
        visit::rewrite(&mut value, 0, &mut |node, depth| {
            if let Expr::Var(var) = node
                && var.levels_up >= depth
            {
                var.levels_up += up;
                var.position = Position::at(position);
                seen.push((var.levels_up - depth, var.rt, var.attno));
            }
            true
        });
        for (up, rt, attno) in seen {
            self.mark_selected(up, rt, attno);
        }
        value
    }

    /// The whole row of an item (`transformWholeRowRef`).
    pub(crate) fn whole_row(&mut self, up: usize, item: usize, position: usize) -> PgResult<Expr> {
        let found = self.level_up(up).scope.items[item].clone();
        if let NsColumns::Values(values) = &found.columns {
            let values: Vec<Expr> = values.iter().map(|(_, value)| value.clone()).collect();
            let fields = values.into_iter().map(|value| self.outer_value(value, up, position)).collect();
            return Ok(Expr::Row { fields, ty: self.plain_type(types::RECORD)? });
        }
        let entry = &self.level_up(up).rtable[found.rt];
        // A function that returns one plain value stands for that value.
        if let RteKind::Function { functions, with_ordinality: false } = &entry.kind
            && functions.len() == 1
            && found.row_type == 0
        {
            let ty = entry.columns[0];
            return Ok(Expr::Var(var(found.rt, 1, ty, up, Position::at(position))));
        }
        if found.row_type == 0 {
            let message = format!("relation \"{}\" does not have a composite type", found.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        self.mark_selected(up, found.rt, 0);
        let ty = ColumnType { type_oid: found.row_type, typmod: -1, collation: 0 };
        Ok(Expr::Var(var(found.rt, 0, ty, up, Position::at(position))))
    }

    /// Names and values of all columns of an item, as `*` gives them (`expandNSItemVars`).
    pub(crate) fn expand_item(&mut self, up: usize, item: usize, position: usize) -> Vec<(Arc<str>, Expr)> {
        let found = self.level_up(up).scope.items[item].clone();
        if let NsColumns::Values(values) = &found.columns {
            let values = values.to_vec();
            return values
                .into_iter()
                .map(|(name, value)| (name, self.outer_value(value, up, position)))
                .collect();
        }
        let entry = &self.level_up(up).rtable[found.rt];
        let columns: Vec<(Arc<str>, Expr)> = live_columns(entry)
            .map(|(index, name, ty)| {
                let var = var(found.rt, (index + 1) as i16, ty, up, Position::at(position));
                (name.clone(), Expr::Var(var))
            })
            .collect();
        for (_, value) in &columns {
            if let Expr::Var(var) = value {
                self.mark_selected(up, var.rt, var.attno);
            }
        }
        columns
    }

    /// Notes that a column is read, for the check of privileges (`markVarForSelectPriv`).
    pub(crate) fn mark_selected(&mut self, up: usize, rt: usize, attno: i16) {
        let level = self.level_up_mut(up);
        let rt = match level.rtable[rt].kind {
            // Reading `excluded` takes the privilege to read the target.
            RteKind::Excluded => level.scope.target.unwrap_or(rt),
            _ => rt,
        };
        let entry = &mut level.rtable[rt];
        if entry.perms_relid != 0 {
            entry.required_perms = entry.required_perms.with(Perms::SELECT);
            if !entry.selected_columns.contains(&attno) {
                entry.selected_columns.push(attno);
            }
        }
    }
}

/// The columns of an entry that are not dropped: index, name and type.
pub(crate) fn live_columns(entry: &RangeTblEntry) -> impl Iterator<Item = (usize, &Arc<str>, ColumnType)> {
    let columns = entry.column_names.iter().zip(&entry.columns).enumerate();
    columns.filter(|(_, (name, _))| !name.is_empty()).map(|(index, (name, ty))| (index, name, *ty))
}

/// A reference to a column.
pub(crate) fn var(rt: usize, attno: i16, ty: ColumnType, levels_up: usize, position: Position) -> Var {
    Var { rt, attno, type_oid: ty.type_oid, typmod: ty.typmod, collation: ty.collation, levels_up, position }
}

fn system_type(attno: i16) -> ColumnType {
    let found = SYSTEM_COLUMNS.iter().find(|(_, known, _)| *known == attno);
    let (_, _, type_oid) = found.expect("a system column's number");
    ColumnType { type_oid: *type_oid, typmod: -1, collation: 0 }
}

/// The hint when something is there but out of reach.
pub(crate) fn unreachable_hint(name: &str) -> String {
    format!(
        "There is an entry for table \"{name}\", but it cannot be referenced from this part of the query."
    )
}

fn ambiguous_column(name: &str, position: usize) -> PgError {
    PgError::new(code::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous"))
        .at(Some(position))
}

fn dotted(column: &ast::ColumnRef) -> String {
    let mut parts: Vec<&str> = column.parts.iter().map(ast::Ident::as_str).collect();
    if column.star {
        parts.push("*");
    }
    parts.join(".")
}
