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
    /// Rows that did not satisfy the index conditions any more, over all loops.
    pub recheck_filtered: u64,
    /// What only this kind of node has.
    pub detail: Option<NodeDetail>,
}

/// Measurements that only some kinds of nodes have. Sizes are in kibibytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NodeDetail {
    /// Sort: the method, and the memory or disk space that it took.
    Sort {
        /// PostgreSQL's name of it.
        method: &'static str,
        /// Space taken.
        kib: u64,
        /// On disk, as opposed to in memory.
        disk: bool,
    },
    /// Hash: its table.
    Hash {
        /// Buckets.
        buckets: u64,
        /// Parts that it was divided into; 1 if all was in memory.
        batches: u64,
        /// Space taken.
        kib: u64,
    },
    /// A hashed aggregate.
    Groups {
        /// Parts that it was divided into; 1 if all was in memory.
        batches: u64,
        /// Memory taken.
        kib: u64,
        /// Disk space taken.
        disk_kib: u64,
    },
    /// An index-only scan: how often it had to look at the table.
    HeapFetches(u64),
    /// A bitmap scan: pages whose rows were known, and pages of which all rows were read.
    HeapBlocks {
        /// Rows known.
        exact: u64,
        /// All rows read.
        lossy: u64,
    },
    /// INSERT ... ON CONFLICT.
    Conflicts {
        /// Rows inserted.
        inserted: u64,
        /// Rows that met an existing one.
        conflicting: u64,
    },
}

/// What EXPLAIN ANALYZE has measured.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// Per node of the plan.
    pub nodes: Vec<NodeStats>,
    /// Milliseconds of execution.
    pub execution_ms: f64,
}

/// What an explanation tells besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What running it took, with ANALYZE.
    pub measured: Option<&'a Measurements>,
    /// How long planning took.
    pub planning_ms: Option<f64>,
    /// Settings to show, by name.
    pub settings: &'a [(&'static str, String)],
}

/// The lines of an explanation; JSON is one line with line breaks in it, as one row of the result.
///
/// # Errors
/// Those of reading names from the catalogs and of printing constants.
pub fn explain(
    plan: &Plan,
    options: &ExplainOptions,
    report: &Report<'_>,
    context: &ExplainContext<'_>,
) -> PgResult<Vec<String>> {
    let names = names::Names::new(plan, context)?;
    let explainer = properties::Explainer { plan, options, measured: report.measured, context, names };
    let root = explainer.root()?;
    let measured = report.measured;
    let summary = properties::Summary {
        planning_ms: report.planning_ms.filter(|_| options.summary),
        execution_ms: measured.map(|measured| measured.execution_ms).filter(|_| options.summary),
        analyzed: measured.is_some(),
        settings: report.settings,
    };
    Ok(match options.format {
        ExplainFormat::Text => text::write(&root, &summary),
        ExplainFormat::Json => vec![json::write(&root, &summary)],
    })
}
