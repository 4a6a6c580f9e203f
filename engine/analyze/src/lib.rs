//! Names and types resolved by PostgreSQL's rules: statement in, typed query tree out.

pub mod query;
mod query_expr;
