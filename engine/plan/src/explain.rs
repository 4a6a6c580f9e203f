//! EXPLAIN: plans as PostgreSQL shows them (src/backend/commands/explain.c).
//!
//! A plan first becomes a tree of properties, which the formats then write: text as psql users know it,
//! and JSON.

mod expr;
mod json;
mod names;
mod properties;
mod text;

use crate::node::Plan;
use redoubt_catalog::CatalogView;
use redoubt_error::PgResult;
use redoubt_functions::{Env, Oid};

/// What EXPLAIN shows.
#[derive(Clone, Copy, Debug)]
pub struct ExplainOptions {
    /// Output columns and qualified names.
    pub verbose: bool,
    /// Estimates.
    pub costs: bool,
    /// Times of nodes, with ANALYZE.
    pub timing: bool,
    /// Times of planning and execution.
    pub summary: bool,
    /// The format.
    pub format: ExplainFormat,
}

/// How the plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainFormat {
    /// Indented text.
    Text,
    /// JSON.
    Json,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        ExplainOptions {
            verbose: false,
            costs: true,
            timing: true,
            summary: false,
            format: ExplainFormat::Text,
        }
    }
}

/// What printing a plan works with.
pub struct ExplainContext<'a> {
    /// Catalogs, for names.
    pub catalog: CatalogView<'a>,
    /// Session, for constants.
    pub env: &'a dyn Env,
    /// The search path.
    pub path: &'a [Oid],
}

/// What was measured of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeStats {
    /// Milliseconds to the first row, over all loops.
    pub startup_ms: f64,
    /// Milliseconds to the last row, over all loops.
    pub total_ms: f64,
    /// Rows delivered, over all loops.
    pub rows: u64,
    /// How often the node was started.
    pub loops: u64,
    /// Rows that the filter dropped, over all loops.
    pub filtered: u64,
    /// Rows that the join condition dropped, over all loops.
    pub join_filtered: u64,
}

/// What EXPLAIN ANALYZE has measured.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// Per node of the plan.
    pub nodes: Vec<NodeStats>,
    /// Milliseconds of execution.
    pub execution_ms: f64,
}

/// The lines of an explanation; JSON is one line with line breaks in it, as one row of the result.
///
/// # Errors
/// Those of reading names from the catalogs and of printing constants.
pub fn explain(
    plan: &Plan,
    options: &ExplainOptions,
    measured: Option<&Measurements>,
    planning_ms: Option<f64>,
    context: &ExplainContext<'_>,
) -> PgResult<Vec<String>> {
    let names = names::Names::new(plan, context)?;
    let explainer = properties::Explainer { plan, options, measured, context, names };
    let root = explainer.root()?;
    let summary = properties::Summary {
        planning_ms: planning_ms.filter(|_| options.summary),
        execution_ms: measured.map(|measured| measured.execution_ms).filter(|_| options.summary),
    };
    Ok(match options.format {
        ExplainFormat::Text => text::write(&root, &summary),
        ExplainFormat::Json => vec![json::write(&root, &summary)],
    })
}
