//! INSERT (PostgreSQL's transformInsertStmt, and what its rewriter does for defaults, identity and
//! generated columns).

use crate::analyzer::{Analyzer, Place};
use crate::assign::{Column, assignment, column_type};
use crate::from::Ranged;
use crate::query::{CommandType, Expr, FromExpr, FromItem, Perms, Position, Query, RteKind, TargetEntry};
use crate::scope::var;
use crate::select::uneven_values;
use crate::target::Targets;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// Where the rows come from, after analysis.
struct Source {
    /// One value per column, with where it was written.
    values: Vec<(Expr, usize)>,
    /// The FROM item that the values refer to.
    item: Option<FromItem>,
    /// The VALUES entry, if there is one.
    values_rt: Option<usize>,
}

impl Analyzer<'_> {
    pub(crate) fn insert(&mut self, raw: &ast::Insert) -> PgResult<Query> {
        if let Some(with) = &raw.with {
            self.with_clause(with)?;
        }
        let updates = raw.on_conflict.as_ref().is_some_and(|conflict| conflict.update.is_some());
        let perms = if updates { Perms::INSERT.with(Perms::UPDATE) } else { Perms::INSERT };
        let (relation, target) = self.target_table(&raw.relation, perms, false)?;
        let columns = self.insert_columns(&raw.columns, &relation)?;
        let source = self.insert_source(raw, &relation, &columns)?;
        let assigned: Vec<TargetEntry> =
            columns.iter().zip(source.values).map(|(column, (value, _))| assignment(column, value)).collect();
        let entry = &mut self.level().rtable[target.rt];
        entry.modified_columns.extend(assigned.iter().map(|entry| entry.target_attno));
        let view = match relation.kind {
            'v' if raw.on_conflict.is_some() => return Err(PgError::unsupported("ON CONFLICT on a view")),
            'v' => Some(self.view_target(&relation, CommandType::Insert)?),
            _ => None,
        };
        let (assigned, base) = match &view {
            Some(view) => {
                let assigned = self.base_assignments(&relation, view, assigned, CommandType::Insert)?;
                (assigned, view.base.clone())
            }
            None => (assigned, relation.clone()),
        };
        let target_list = self.complete_row(assigned, &base, raw.overriding_system, source.values_rt)?;
        // What follows sees the table alone.
        let rt = target.rt;
        self.level().scope.items = vec![target];
        let on_conflict = match &raw.on_conflict {
            Some(conflict) => Some(self.on_conflict(conflict, &relation, rt)?),
            None => None,
        };
        let returning = self.returning(&raw.returning)?;
        let mut query = self.finish_level(CommandType::Insert, Targets::default());
        query.jointree = FromExpr { items: source.item.into_iter().collect(), quals: None };
        query.target_list = target_list;
        query.result_relation = Some(rt);
        query.on_conflict = on_conflict;
        query.returning = returning;
        if let Some(view) = view {
            self.replace_view(&mut query, rt, view)?;
        }
        Ok(query)
    }

    /// The columns named, or all of them (`checkInsertTargets`).
    fn insert_columns(&mut self, raw: &[ast::AssignTarget], relation: &Relation) -> PgResult<Vec<Column>> {
        if raw.is_empty() {
            let all = relation.desc.attrs.iter().enumerate().filter(|(_, attribute)| !attribute.dropped);
            return Ok(all
                .map(|(index, attribute)| Column {
                    attno: (index + 1) as i16,
                    name: attribute.name.clone(),
                    position: 0,
                })
                .collect());
        }
        let mut columns: Vec<Column> = Vec::with_capacity(raw.len());
        for target in raw {
            let column = match relation.desc.position(&target.column.name) {
                Some(_) => self.target_column(relation, &target.column)?,
                // INSERT does not tell system columns from others.
                None => {
                    let message = format!(
                        "column \"{}\" of relation \"{}\" does not exist",
                        target.column.name, relation.name
                    );
                    return Err(PgError::new(code::UNDEFINED_COLUMN, message).at(Some(target.column.pos)));
                }
            };
            refuse_path(target)?;
            if columns.iter().any(|other| other.attno == column.attno) {
                let message = format!("column \"{}\" specified more than once", column.name);
                return Err(PgError::new(code::DUPLICATE_COLUMN, message).at(Some(column.position)));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn insert_source(
        &mut self,
        raw: &ast::Insert,
        relation: &Relation,
        columns: &[Column],
    ) -> PgResult<Source> {
        let Some(query) = &raw.source else {
            return Ok(Source { values: Vec::new(), item: None, values_rt: None });
        };
        let named = !raw.columns.is_empty();
        let plain = query.with.is_none()
            && query.order_by.is_empty()
            && query.limit.is_empty()
            && query.locking.is_empty();
        match &query.body {
            ast::QueryBody::Values { rows, .. } if plain && rows.len() == 1 => {
                let row = self.expression_row(&rows[0], Place::SingleValues, true)?;
                let values = self.insert_row(row, relation, columns, named)?;
                Ok(Source { values, item: None, values_rt: None })
            }
            ast::QueryBody::Values { rows, .. } if plain => self.insert_rows(rows, relation, columns, named),
            _ => self.insert_query(query, relation, columns, named),
        }
    }

    /// Checks the number of a row's values and casts them (`transformInsertRow`).
    fn insert_row(
        &mut self,
        row: Vec<(Expr, usize)>,
        relation: &Relation,
        columns: &[Column],
        named: bool,
    ) -> PgResult<Vec<(Expr, usize)>> {
        if let Some((_, position)) = row.get(columns.len()) {
            let message = "INSERT has more expressions than target columns";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(*position)));
        }
        if named && row.len() < columns.len() {
            let message = "INSERT has more target columns than expressions";
            let error = PgError::new(code::SYNTAX_ERROR, message).at(Some(columns[row.len()].position));
            let parenthesised = match row.as_slice() {
                [(Expr::Row { fields, .. }, _)] => fields.len() == columns.len(),
                [(Expr::Var(column), _)] if column.type_oid == types::RECORD => {
                    self.row_width(column) == Some(columns.len())
                }
                _ => false,
            };
            return Err(if parenthesised {
                error.hint(
                    "The insertion source is a row expression containing the same number of columns expected \
                     by the INSERT. Did you accidentally use extra parentheses?",
                )
            } else {
                error
            });
        }
        let mut values = Vec::with_capacity(row.len());
        for ((value, position), column) in row.into_iter().zip(columns) {
            values.push((self.assign(value, relation, column, position)?, position));
        }
        Ok(values)
    }

    /// How many fields the row has that a subquery's column is.
    fn row_width(&mut self, column: &crate::query::Var) -> Option<usize> {
        let RteKind::Subquery(query) = &self.level().rtable[column.rt].kind else { return None };
        match &query.target_list.get(column.attno as usize - 1)?.expr {
            Expr::Row { fields, .. } => Some(fields.len()),
            _ => None,
        }
    }

    /// Several rows of VALUES become a table of values, already cast to the columns' types.
    fn insert_rows(
        &mut self,
        rows: &[Vec<ast::Expr>],
        relation: &Relation,
        columns: &[Column],
        named: bool,
    ) -> PgResult<Source> {
        let mut lists: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        let mut width = None;
        for raw in rows {
            let row = self.expression_row(raw, Place::Values, true)?;
            if *width.get_or_insert(row.len()) != row.len() {
                return Err(uneven_values(row.first().map_or(0, |(_, position)| *position)));
            }
            let values = self.insert_row(row, relation, columns, named)?;
            lists.push(values.into_iter().map(|(value, _)| value).collect());
        }
        let used = &columns[..width.unwrap_or(0)];
        let attributes: Vec<&Attribute> =
            used.iter().map(|column| &relation.desc.attrs[column.attno as usize - 1]).collect();
        let types = attributes.iter().map(|attribute| column_type(attribute)).collect();
        let names = (1..=used.len()).map(|n| format!("column{n}").into()).collect();
        let item = self.add_entry(RteKind::Values(lists), &Arc::from("*VALUES*"), names, types, None)?;
        let values = self.entry_vars(item.rt).into_iter().map(|value| (value, 0)).collect();
        Ok(Source { values, item: Some(FromItem::Rte(item.rt)), values_rt: Some(item.rt) })
    }

    /// INSERT ... SELECT: the query becomes a subquery.
    fn insert_query(
        &mut self,
        query: &ast::Query,
        relation: &Relation,
        columns: &[Column],
        named: bool,
    ) -> PgResult<Source> {
        let select = self.analyze_subquery(query, false)?;
        let shown: Vec<Expr> =
            select.target_list.iter().filter(|entry| !entry.junk).map(|entry| entry.expr.clone()).collect();
        let item = self.add_subquery(select, &Arc::from("*SELECT*"), None, false)?;
        let mut row = Vec::with_capacity(shown.len());
        for (index, value) in shown.into_iter().enumerate() {
            let position = crate::setop::target_position(query, &value, index);
            // A literal or parameter of unknown type is taken over, so that the column decides
            // what it is; anything else is a column of the subquery.
            let is_open = value.ty().type_oid == types::UNKNOWN
                && matches!(value, Expr::Const { .. } | Expr::Param { .. });
            let value = if is_open {
                value
            } else {
                Expr::Var(var(item.rt, (index + 1) as i16, value.ty(), 0, Position::at(position)))
            };
            row.push((value, position));
        }
        let values = self.insert_row(row, relation, columns, named)?;
        Ok(Source { values, item: Some(Ranged::of(item).item), values_rt: None })
    }

    /// Puts the assignments in the table's order, with defaults where nothing is assigned
    /// (`rewriteTargetListIU`).
    fn complete_row(
        &mut self,
        assigned: Vec<TargetEntry>,
        relation: &Relation,
        overriding_system: Option<bool>,
        values_rt: Option<usize>,
    ) -> PgResult<Vec<TargetEntry>> {
        let mut row = Vec::with_capacity(relation.desc.len());
        for (index, attribute) in relation.desc.attrs.iter().enumerate() {
            if attribute.dropped {
                continue;
            }
            let attno = (index + 1) as i16;
            let given = assigned.iter().find(|entry| entry.target_attno == attno);
            let values_column = given.and_then(|entry| match (&entry.expr, values_rt) {
                (Expr::Var(var), Some(rt)) if var.rt == rt => Some(var.attno as usize - 1),
                _ => None,
            });
            let mut defaults = given.is_none_or(|entry| matches!(entry.expr, Expr::SetToDefault(_)));
            if !defaults && (attribute.identity != 0 || attribute.generated != 0) {
                defaults = match (attribute.identity, overriding_system) {
                    (b'a' | b'd', Some(false)) => true,
                    (b'd', _) | (b'a', Some(true)) => false,
                    _ => {
                        if !self.only_defaults(values_rt, values_column) {
                            return Err(not_default(attribute));
                        }
                        true
                    }
                };
            }
            // A generated column is computed when the row is stored.
            let value = if attribute.generated != 0 {
                None
            } else if defaults {
                self.column_default(relation, attno)?
            } else {
                given.map(|entry| entry.expr.clone())
            };
            if let (Some(rt), Some(column)) = (values_rt, values_column) {
                self.fill_defaults(relation, attno, rt, column, defaults)?;
            }
            if let Some(value) = value {
                let column = Column { attno, name: attribute.name.clone(), position: 0 };
                row.push(assignment(&column, value));
            }
        }
        Ok(row)
    }

    fn value_rows(&mut self, rt: usize) -> &mut Vec<Vec<Expr>> {
        let RteKind::Values(rows) = &mut self.level().rtable[rt].kind else {
            unreachable!("it was added as a VALUES entry")
        };
        rows
    }

    /// Whether a column of VALUES says DEFAULT in every row.
    fn only_defaults(&mut self, rt: Option<usize>, column: Option<usize>) -> bool {
        let (Some(rt), Some(column)) = (rt, column) else { return false };
        self.value_rows(rt).iter().all(|row| matches!(row[column], Expr::SetToDefault(_)))
    }

    /// Replaces DEFAULT in a column of VALUES (`rewriteValuesRTE`); in one that is not used it is
    /// just taken away.
    fn fill_defaults(
        &mut self,
        relation: &Relation,
        attno: i16,
        rt: usize,
        column: usize,
        unused: bool,
    ) -> PgResult<()> {
        let attribute = &relation.desc.attrs[attno as usize - 1];
        let is_default = |row: &Vec<Expr>| matches!(row[column], Expr::SetToDefault(_));
        if !self.value_rows(rt).iter().any(is_default) {
            return Ok(());
        }
        let default = if unused { None } else { self.column_default(relation, attno)? };
        let default = default.unwrap_or_else(|| Self::null_of(attribute));
        for row in self.value_rows(rt).iter_mut().filter(|row| is_default(row)) {
            row[column] = default.clone();
        }
        Ok(())
    }
}

/// Elements and fields of columns cannot be assigned to yet.
pub(crate) fn refuse_path(target: &ast::AssignTarget) -> PgResult<()> {
    let what = match target.path.first() {
        None => return Ok(()),
        Some(ast::Indirection::Index(_) | ast::Indirection::Slice(..)) => "assignment to an array element",
        Some(_) => "assignment to a field of a composite column",
    };
    Err(PgError::unsupported(what).at(Some(target.column.pos)))
}

fn not_default(attribute: &Attribute) -> PgError {
    let name = &attribute.name;
    let error = PgError::new(
        code::GENERATED_ALWAYS,
        format!("cannot insert a non-DEFAULT value into column \"{name}\""),
    );
    if attribute.generated != 0 {
        return error.detail(format!("Column \"{name}\" is a generated column."));
    }
    error
        .detail(format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS."))
        .hint("Use OVERRIDING SYSTEM VALUE to override.")
}
