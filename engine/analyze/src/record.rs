//! The fields of values of type RECORD, which only the expression that makes them knows
//! (PostgreSQL's expandRecordVariable).

use crate::analyzer::Analyzer;
use crate::query::{ColumnType, Cte, Expr, Query, RangeTblEntry, RteKind, Var};
use redoubt_error::PgResult;
use redoubt_functions::types;
use std::sync::Arc;

/// Field names and types.
pub(crate) type Fields = Vec<(Arc<str>, ColumnType)>;

/// Where an expression stands: in a finished subquery of a level, or of a subquery in it, and so
/// on, innermost last; or, with no such query, in the level itself.
#[derive(Clone)]
struct Place<'q> {
    queries: Vec<&'q Query>,
    /// The level, counted from the innermost.
    up: usize,
}

impl Analyzer<'_> {
    /// The fields of a record, if they are known.
    pub(crate) fn record_fields(&self, expr: &Expr) -> PgResult<Option<Fields>> {
        self.fields_at(&Place { queries: Vec::new(), up: 0 }, expr)
    }

    fn fields_at(&self, place: &Place<'_>, expr: &Expr) -> PgResult<Option<Fields>> {
        match expr {
            Expr::Row { fields, ty } if ty.type_oid == types::RECORD => {
                let named = fields.iter().enumerate();
                Ok(Some(named.map(|(index, field)| (format!("f{}", index + 1).into(), field.ty())).collect()))
            }
            Expr::Var(var) if var.type_oid == types::RECORD => self.fields_of_var(place, var),
            Expr::Call(call) if call.ty.type_oid == types::RECORD => {
                let proc = self.proc_must(call.proc_oid)?;
                let outputs = self.output_columns(&proc, &call.arg_types)?;
                Ok(outputs.map(|(names, columns)| names.into_iter().zip(columns).collect()))
            }
            _ => Ok(None),
        }
    }

    fn fields_of_var(&self, place: &Place<'_>, var: &Var) -> PgResult<Option<Fields>> {
        let owner = self.outer(place, var.levels_up);
        let entry = &self.entries(&owner)[var.rt];
        if var.attno == 0 {
            return Ok(Some(entry.column_names.iter().cloned().zip(entry.columns.iter().copied()).collect()));
        }
        if var.attno < 0 {
            return Ok(None);
        }
        match &entry.kind {
            RteKind::Subquery(query) => {
                let mut inner = owner.clone();
                inner.queries.push(query);
                self.fields_of_column(&inner, query, var.attno)
            }
            RteKind::Cte { levels_up, index, self_reference: false, .. } => {
                let mut inner = self.outer(&owner, *levels_up);
                let Some(cte) = self.ctes(&inner).get(*index) else { return Ok(None) };
                inner.queries.push(&cte.query);
                self.fields_of_column(&inner, &cte.query, var.attno)
            }
            _ => Ok(None),
        }
    }

    fn fields_of_column(&self, place: &Place<'_>, query: &Query, attno: i16) -> PgResult<Option<Fields>> {
        let mut shown = query.target_list.iter().filter(|entry| !entry.junk);
        match shown.nth(attno as usize - 1) {
            Some(entry) => self.fields_at(place, &entry.expr),
            None => Ok(None),
        }
    }

    /// The place that many levels further out.
    fn outer<'q>(&self, place: &Place<'q>, by: usize) -> Place<'q> {
        let kept = place.queries.len().saturating_sub(by);
        let beyond = by - (place.queries.len() - kept);
        Place { queries: place.queries[..kept].to_vec(), up: place.up + beyond }
    }

    fn entries<'q>(&'q self, place: &Place<'q>) -> &'q [RangeTblEntry] {
        match place.queries.last() {
            Some(query) => &query.rtable,
            None => &self.level_up(place.up).rtable,
        }
    }

    fn ctes<'q>(&'q self, place: &Place<'q>) -> &'q [Cte] {
        match place.queries.last() {
            Some(query) => &query.ctes,
            None => &self.level_up(place.up).ctes,
        }
    }
}
