//! Expressions and queries as the catalogs keep them: SQL text in which every name is qualified unless it is in
//! `pg_catalog`, and every constant is written as no setting can read it otherwise.

use crate::access::Access;
use crate::env::StatementEnv;
use redoubt_analyze::query::{Expr, Query};
use redoubt_analyze::{
    AnalyzeContext, DeparseContext, Params, Place, TableShape, analyze_expression, analyze_generated,
    analyze_statement, deparse_expr, deparse_query,
};
use redoubt_catalog::ddl::PG_CATALOG;
use redoubt_catalog::rows::PgConstraint;
use redoubt_catalog::{Index, Relation};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Attribute, Oid};
use std::sync::Arc;

/// The search path of stored texts.
const PATH: &[Oid] = &[PG_CATALOG];

/// A table's shape for the analysis of expressions about it.
pub(crate) fn shape_of(table: &Relation) -> TableShape {
    TableShape {
        name: table.name.clone(),
        relid: table.oid,
        desc: table.desc.clone(),
        row_type: table.class.reltype,
    }
}

/// Constants are printed by this: names of `reg*` constants are qualified too, and dates, intervals and floats are
/// as the default settings print them, which every setting reads alike.
fn printing<'a>(access: &'a Access<'_>) -> StatementEnv<'a> {
    let mut env = access.env();
    env.path = PATH;
    env.formats = Arc::default();
    env
}

/// An expression as the catalogs keep it.
pub(crate) fn canonical(access: &Access<'_>, expr: &Expr, table: Option<&TableShape>) -> PgResult<Arc<str>> {
    let env = printing(access);
    let context = DeparseContext { catalog: access.catalog(), env: &env, path: PATH, pretty: false };
    Ok(deparse_expr(expr, table, context)?.into())
}

/// A view's query as the catalogs keep it; `columns` are the names of its output columns.
pub(crate) fn canonical_query(
    access: &Access<'_>,
    query: &Query,
    columns: &[Arc<str>],
) -> PgResult<Arc<str>> {
    let env = printing(access);
    let context = DeparseContext { catalog: access.catalog(), env: &env, path: PATH, pretty: false };
    Ok(deparse_query(query, Some(columns), context)?.into())
}

/// Calls `analyze` with what a statement's expressions are analyzed against.
pub(crate) fn with_analysis<T>(
    access: &Access<'_>,
    analyze: impl FnOnce(AnalyzeContext<'_>) -> PgResult<T>,
) -> PgResult<T> {
    analysis_under(access, &access.path, analyze)
}

fn analysis_under<T>(
    access: &Access<'_>,
    path: &[Oid],
    analyze: impl FnOnce(AnalyzeContext<'_>) -> PgResult<T>,
) -> PgResult<T> {
    let env = access.env();
    let params = Params::fixed(Vec::new());
    analyze(AnalyzeContext { catalog: access.catalog(), env: &env, path, params })
}

/// Reads an expression that is kept about a table.
pub(crate) fn read_expression(access: &Access<'_>, text: &str, table: &Relation) -> PgResult<Expr> {
    let raw = redoubt_sql::parse_expression(text)?;
    let shape = shape_of(table);
    let path = [PG_CATALOG, table.namespace];
    analysis_under(access, &path, |context| analyze_expression(&raw, Place::Other, Some(&shape), context))
}

/// Reads the expression that a generated column is kept with, cast to the column's type.
pub(crate) fn read_generated(
    access: &Access<'_>,
    text: &str,
    column: &Attribute,
    table: &Relation,
) -> PgResult<Expr> {
    let raw = redoubt_sql::parse_expression(text)?;
    let path = [PG_CATALOG, table.namespace];
    analysis_under(access, &path, |context| analyze_generated(&raw, column, &shape_of(table), context))
}

/// Reads the query that a view is kept as.
pub(crate) fn read_query(access: &Access<'_>, view: &Relation) -> PgResult<Query> {
    let damaged = || PgError::internal(format!("view \"{}\" has no query", view.name));
    let statements = redoubt_sql::parse(view.view_definition().ok_or_else(damaged)?)?;
    let [statement] = statements.as_slice() else { return Err(damaged()) };
    let dml = statement.kind.as_dml().ok_or_else(damaged)?;
    let path = [PG_CATALOG, view.namespace];
    Ok(analysis_under(access, &path, |context| analyze_statement(&dml, context))?.0)
}

/// A constraint as ALTER TABLE ... ADD would say it; every name is qualified.
pub(crate) fn definition_of_constraint(access: &Access<'_>, row: &PgConstraint) -> PgResult<String> {
    let env = printing(access);
    let context = DeparseContext { catalog: access.catalog(), env: &env, path: PATH, pretty: false };
    context.constraint_definition(row)
}

/// An index as the statement that makes it; every name is qualified.
pub(crate) fn definition_of_index(access: &Access<'_>, index: &Index) -> PgResult<String> {
    let env = printing(access);
    let context = DeparseContext { catalog: access.catalog(), env: &env, path: PATH, pretty: false };
    context.index_definition(index)
}
