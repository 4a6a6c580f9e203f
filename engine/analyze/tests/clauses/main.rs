//! Statements against a small schema: their columns, parameters and errors are those of PostgreSQL,
//! and their trees are as expected.
//!
//! `cases/*.txt` holds statements with PostgreSQL's answers. With `REDOUBT_REFERENCE` set to a
//! server's address (`host:port`, user `postgres`, trusted), the answers are asked for anew and the
//! files rewritten; then they must agree all the same.

mod client;
mod definitions;
mod dml_trees;
mod env;
mod print;
mod printed;
mod recorded;
mod schema;
mod system_views;
mod trees;

use env::CatalogEnv;
use redoubt_analyze::query::Query;
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement};
use redoubt_catalog::MemoryCatalog;
use redoubt_error::PgResult;
use redoubt_functions::{PlainEnv, Settings};

/// Parses and analyzes one statement.
pub fn analyze(catalog: &MemoryCatalog, sql: &str) -> PgResult<(Query, Params)> {
    let path = [schema::PG_CATALOG, schema::PUBLIC];
    let env = CatalogEnv { catalog, path: &path, plain: PlainEnv::new(Settings::default(), 0) };
    let statements = redoubt_sql::parse(sql)?;
    let statement = statements[0].kind.as_dml().expect("a statement that is planned");
    let params = Params::variable(Vec::new());
    analyze_statement(&statement, AnalyzeContext { catalog: catalog.view(), env: &env, path: &path, params })
}
