//! The way in: a whole statement.

use crate::analyzer::Analyzer;
use crate::params::Params;
use crate::query::Query;
use redoubt_catalog::CatalogView;
use redoubt_error::PgResult;
use redoubt_functions::{Env, Oid};
use redoubt_sql::tree::DmlStatement;

/// What a statement is analyzed against.
pub struct AnalyzeContext<'a> {
    /// The catalogs at the statement's snapshot.
    pub catalog: CatalogView<'a>,
    /// The session, for literals' input functions and for names in messages.
    pub env: &'a dyn Env,
    /// Schemas searched for unqualified names, `pg_catalog` included at its place.
    pub path: &'a [Oid],
    /// The types of `$1`, `$2`, ...: fixed, or to be found out.
    pub params: Params,
}

impl<'a> AnalyzeContext<'a> {
    /// An analyzer outside of any query.
    pub(crate) fn analyzer(self) -> Analyzer<'a> {
        Analyzer {
            catalog: self.catalog,
            env: self.env,
            path: self.path,
            params: self.params,
            levels: Vec::new(),
            views: Vec::new(),
        }
    }
}

/// Analyzes a statement, and says which types its parameters have.
///
/// # Errors
/// PostgreSQL's, with positions in the statement's text; `0A000` names what is not built.
pub fn analyze_statement(stmt: &DmlStatement, context: AnalyzeContext<'_>) -> PgResult<(Query, Params)> {
    let mut analyzer = context.analyzer();
    let query = analyzer.in_level(|analyzer| match stmt {
        DmlStatement::Select(query) => analyzer.query(query, true),
        DmlStatement::Insert(insert) => analyzer.insert(insert),
        DmlStatement::Update(update) => analyzer.update(update),
        DmlStatement::Delete(delete) => analyzer.delete(delete),
    })?;
    analyzer.params.check_settled()?;
    Ok((query, analyzer.params))
}

/// The type that a statement names, and its modifier (-1 if none).
///
/// # Errors
/// `42704` when there is no such type; those of its modifier.
pub fn resolve_type_name(
    name: &redoubt_sql::tree::TypeName,
    context: AnalyzeContext<'_>,
) -> PgResult<(Oid, i32)> {
    context.analyzer().resolve_type_name(name)
}

/// The collation that a statement names.
///
/// # Errors
/// `42704` when there is no such collation, `0A000` when it is not one that orders by code point.
pub fn resolve_collation(name: &redoubt_sql::tree::ObjectName, context: AnalyzeContext<'_>) -> PgResult<Oid> {
    context.analyzer().resolve_collation(name, name.pos())
}
