//! Subqueries in expressions (PostgreSQL's transformSubLink).

use crate::analyzer::{Analyzer, Place};
use crate::query::{ColumnType, Expr, Query, SubLink, SubLinkKind, SubLinkTest, TargetEntry};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    pub(crate) fn sublink(&mut self, link: &ast::SubLink) -> PgResult<Expr> {
        self.check_sublink_place(link.pos)?;
        match &link.kind {
            ast::SubLinkKind::Exists => {
                let query = self.sub_query(&link.query)?;
                self.finish(SubLinkKind::Exists, query, Vec::new(), self.plain_type(types::BOOL)?)
            }
            ast::SubLinkKind::Scalar => {
                let query = self.sub_query(&link.query)?;
                let ty = self.only_column(&query, link.pos)?;
                self.finish(SubLinkKind::Expr, query, Vec::new(), ty)
            }
            ast::SubLinkKind::Array => {
                let query = self.sub_query(&link.query)?;
                let element = self.only_column(&query, link.pos)?;
                // An array that has no array type over it grows a dimension.
                let array = match self.catalog.array_type(element.type_oid)? {
                    None if self.type_info(element.type_oid)?.is_array() => Some(element.type_oid),
                    array => array,
                };
                let Some(array) = array else {
                    return Err(PgError::new(
                        code::UNDEFINED_OBJECT,
                        format!(
                            "could not find array type for data type {}",
                            self.type_name(element.type_oid)?
                        ),
                    )
                    .at(Some(link.pos)));
                };
                let ty = ColumnType { typmod: element.typmod, ..self.plain_type(array)? };
                self.finish(SubLinkKind::Array, query, Vec::new(), ty)
            }
            ast::SubLinkKind::Any { test, op, .. } => self.quantified(SubLinkKind::Any, test, op, link),
            ast::SubLinkKind::All { test, op } => self.quantified(SubLinkKind::All, test, op, link),
        }
    }

    /// `(a, b) op (SELECT c, d ...)`: one row.
    pub(crate) fn row_compare_sublink(
        &mut self,
        op: &ast::OpName,
        test: &ast::Expr,
        link: &ast::SubLink,
        position: usize,
    ) -> PgResult<Expr> {
        self.check_sublink_place(link.pos)?;
        if !matches!(&*op.symbol, "=" | "<>") || !op.schema.is_empty() {
            return Err(PgError::unsupported(format!("row comparison {} with a subquery", op.symbol))
                .at(Some(position)));
        }
        self.quantified(SubLinkKind::RowCompare, test, op, link)
    }

    fn quantified(
        &mut self,
        kind: SubLinkKind,
        test: &ast::Expr,
        op: &ast::OpName,
        link: &ast::SubLink,
    ) -> PgResult<Expr> {
        let place = self.place();
        let raw: Vec<&ast::Expr> = match test {
            ast::Expr::Row { fields, .. } => fields.iter().collect(),
            other => vec![other],
        };
        let mut left = Vec::with_capacity(raw.len());
        for field in &raw {
            left.push((self.expr(field, place)?, field.location()));
        }
        let query = self.sub_query(&link.query)?;
        let columns: Vec<&TargetEntry> = query.target_list.iter().filter(|entry| !entry.junk).collect();
        let refuse = |message: &str| Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(link.pos)));
        if left.len() < columns.len() {
            return refuse("subquery has too many columns");
        }
        if left.len() > columns.len() {
            return refuse("subquery has too few columns");
        }
        if left.len() > 1 && !matches!(&*op.symbol, "=" | "<>") {
            return Err(PgError::unsupported(format!("row comparison {} with a subquery", op.symbol))
                .at(Some(link.pos)));
        }
        let types: Vec<ColumnType> = columns.iter().map(|column| column.expr.ty()).collect();
        let mut tests = Vec::with_capacity(left.len());
        for ((left, position), ty) in left.into_iter().zip(types) {
            let column = Expr::CaseTest(ty);
            let call = self.boolean_call(op, left, column, link.pos, (position, link.pos))?;
            tests.push(SubLinkTest { left: call.args[0].clone(), call });
        }
        self.finish(kind, query, tests, self.plain_type(types::BOOL)?)
    }

    fn finish(
        &self,
        kind: SubLinkKind,
        query: Query,
        tests: Vec<SubLinkTest>,
        ty: ColumnType,
    ) -> PgResult<Expr> {
        Ok(Expr::SubLink(Box::new(SubLink { kind, query, tests, ty })))
    }

    fn only_column(&self, query: &Query, position: usize) -> PgResult<ColumnType> {
        let mut columns = query.target_list.iter().filter(|entry| !entry.junk);
        match (columns.next(), columns.next()) {
            (Some(column), None) => Ok(column.expr.ty()),
            _ => {
                Err(PgError::new(code::SYNTAX_ERROR, "subquery must return only one column")
                    .at(Some(position)))
            }
        }
    }

    fn check_sublink_place(&self, position: usize) -> PgResult<()> {
        let place = match self.place() {
            Place::CheckConstraint => "check constraint",
            Place::ColumnDefault => "DEFAULT expression",
            Place::GeneratedColumn => "column generation expression",
            Place::IndexExpression => "index expression",
            Place::IndexPredicate => "index predicate",
            Place::AlterTransform => "transform expression",
            Place::ExecuteParameter => "EXECUTE parameter",
            Place::CopyWhere => "COPY FROM WHERE condition",
            Place::CallArgument => "CALL argument",
            _ => return Ok(()),
        };
        let message = match self.place() {
            Place::CopyWhere => "cannot use subquery in COPY FROM WHERE condition".to_string(),
            _ => format!("cannot use subquery in {place}"),
        };
        Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(position)))
    }

    /// Set-returning functions are allowed in few places (`check_srf_call_placement`).
    pub(crate) fn note_set_returning(&mut self, position: usize) -> PgResult<()> {
        let place = match self.place() {
            Place::SelectTarget
            | Place::OrderBy
            | Place::GroupBy
            | Place::DistinctOn
            | Place::SingleValues
            | Place::InsertTarget => {
                self.levels.last_mut().expect("inside a level").has_target_srfs = true;
                return Ok(());
            }
            Place::FromFunction | Place::Other => return Ok(()),
            Place::Where => "WHERE",
            Place::Having => "HAVING",
            Place::Filter => "FILTER",
            Place::Limit => "LIMIT",
            Place::Offset => "OFFSET",
            Place::Returning => "RETURNING",
            Place::Values => "VALUES",
            Place::UpdateSource => "UPDATE",
            Place::JoinOn | Place::JoinUsing | Place::FromSubselect => "JOIN conditions",
            Place::WindowPartition | Place::WindowOrder | Place::WindowFrame => "window definitions",
            Place::CheckConstraint => "check constraints",
            Place::ColumnDefault => "DEFAULT expressions",
            Place::GeneratedColumn => "column generation expressions",
            Place::IndexExpression => "index expressions",
            Place::IndexPredicate => "index predicates",
            Place::AlterTransform => "transform expressions",
            Place::ExecuteParameter => "EXECUTE parameters",
            Place::CallArgument => "CALL arguments",
            Place::CopyWhere => "COPY FROM WHERE conditions",
        };
        Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            format!("set-returning functions are not allowed in {place}"),
        )
        .at(Some(position)))
    }
}
