//! Expressions kept as text in the catalogs, read back.

use redoubt_error::{PgError, PgResult};
use redoubt_sql::tree as ast;

/// Parses a comma-separated list of expressions.
pub(crate) fn parse_expressions(text: &str) -> PgResult<Vec<ast::Expr>> {
    let damaged = || PgError::internal(format!("stored expression is not an expression: {text}"));
    let statements = redoubt_sql::parse(&format!("SELECT {text}"))?;
    let [ast::Statement { kind: ast::StatementKind::Query(query), .. }] = statements.as_slice() else {
        return Err(damaged());
    };
    match &query.body {
        ast::QueryBody::Select(select) => {
            Ok(select.targets.iter().map(|target| target.expr.clone()).collect())
        }
        _ => Err(damaged()),
    }
}
