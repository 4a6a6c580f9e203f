//! Names and types resolved by PostgreSQL's rules: statement in, typed query tree out.
//!
//! [`analyze_statement`] takes a raw tree of `redoubt_sql` and answers with a [`query::Query`] in which
//! nothing is left to be looked up by name. [`analyze_default`] and its kin do the same for the
//! expressions of DDL. PostgreSQL's src/backend/parser is the reference
//! for rules, messages and positions.

mod agg;
mod analyzer;
mod assign;
mod candidate;
mod coerce;
mod common_type;
mod conflict;
mod cte;
mod default_expr;
mod delete;
mod deparse;
mod domain;
mod equal;
mod expr;
mod expr_array;
mod expr_row;
mod expr_sublink;
mod from;
mod from_function;
mod func;
mod func_match;
mod generic;
mod group;
mod group_by;
mod insert;
mod join;
mod locking;
mod oper;
mod params;
pub mod query;
mod query_expr;
mod record;
mod references;
mod relation;
mod renamed;
mod routine;
mod sample;
mod scope;
mod select;
mod setop;
mod statement;
mod suggest;
mod target;
mod text;
mod typename;
mod updatable_view;
mod update;
mod variables;
mod view;
pub mod visit;
pub mod walk;
mod window;

pub use analyzer::{Analyzer, Place};
pub use coerce::{Coercion, is_polymorphic};
pub use default_expr::{
    TableShape, analyze_check, analyze_column_default, analyze_condition, analyze_default,
    analyze_default_as, analyze_expression, analyze_generated, analyze_index_expression,
    analyze_index_predicate, analyze_transform, is_immutable,
};
pub use deparse::{DeparseContext, deparse_expr, deparse_query};
pub use domain::domain_shape;
pub use equal::same_expr;
pub use params::Params;
pub use references::{References, references_of, references_of_query};
pub use renamed::rename_in_query;
pub use routine::{analyze_call, coerce_results, output_types};
pub use statement::{AnalyzeContext, analyze_statement, resolve_collation, resolve_type_name};
pub use target::index_column_name;
pub use updatable_view::{is_updatable_view, not_updatable};
pub use variables::{VariableName, VariableNames};
pub use view::without_position;
