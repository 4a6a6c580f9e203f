//! What the statement layer makes of text: trees, errors, limits.

mod errors;
mod expressions;
mod limits;
mod literals;
mod normalised;
mod print;
mod queries;
mod utility;

use redoubt_sql::tree::{QueryBody, StatementKind};

/// The printed tree of an expression, or its error.
fn expr(text: &str) -> String {
    let statements = match redoubt_sql::parse(&format!("SELECT {text}")) {
        Ok(statements) => statements,
        Err(error) => return format!("ERROR: {}", error.message()),
    };
    let StatementKind::Query(query) = &statements[0].kind else { panic!("not a query: {text}") };
    let QueryBody::Select(select) = &query.body else { panic!("not a SELECT: {text}") };
    select.targets.iter().map(print::target).collect::<Vec<_>>().join(", ")
}
