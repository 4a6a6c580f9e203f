//! What FROM items are called in an explanation: their aliases, made different from each other.

use super::ExplainContext;
use crate::node::{NodeKind, Plan};
use crate::range::RangeKind;
use redoubt_error::PgResult;
use std::collections::HashSet;
use std::sync::Arc;

/// Names of the plan's range-table entries.
pub(super) struct Names {
    /// Per entry; empty for one that does not occur.
    pub aliases: Vec<String>,
    /// Columns are shown with their relation's name, except in a scan's own conditions.
    pub prefix: bool,
}

/// What a scan of a table is of.
pub(super) struct TableName {
    pub schema: Arc<str>,
    pub name: Arc<str>,
}

impl Names {
    pub(super) fn new(plan: &Plan, _: &ExplainContext<'_>) -> PgResult<Names> {
        let mut used: HashSet<usize> = HashSet::new();
        for node in &plan.nodes {
            used.extend(range_of(&node.kind));
        }
        let mut taken: HashSet<String> = HashSet::new();
        let mut aliases = Vec::with_capacity(plan.ranges.len());
        let mut entries = 0;
        for (index, range) in plan.ranges.iter().enumerate() {
            let shown =
                !matches!(range.kind, RangeKind::Computed(_) | RangeKind::NewRow | RangeKind::SubPlan(_));
            entries += usize::from(shown);
            let mut name = range.alias.to_string();
            if used.contains(&index) {
                let mut number = 0;
                while !taken.insert(name.clone()) {
                    number += 1;
                    name = format!("{}_{number}", range.alias);
                }
            }
            aliases.push(name);
        }
        Ok(Names { aliases, prefix: entries > 1 })
    }
}

/// The range-table entry that a node reads or changes.
pub(super) fn range_of(kind: &NodeKind) -> Option<usize> {
    match kind {
        NodeKind::SeqScan(node) => Some(node.scan.range),
        NodeKind::IndexScan(node) => Some(node.scan.range),
        NodeKind::BitmapHeapScan(node) => Some(node.scan.range),
        NodeKind::TidScan(node) => Some(node.scan.range),
        NodeKind::SubqueryScan { range, .. } => Some(*range),
        NodeKind::FunctionScan(node) => Some(node.range),
        NodeKind::ValuesScan(node) => Some(node.range),
        NodeKind::CteScan(node) | NodeKind::WorkTableScan(node) => Some(node.range),
        NodeKind::ModifyTable(node) => Some(node.range),
        _ => None,
    }
}

/// The table behind a range-table entry.
pub(super) fn table_name(
    plan: &Plan,
    range: usize,
    context: &ExplainContext<'_>,
) -> PgResult<Option<TableName>> {
    let RangeKind::Relation { relid, .. } = plan.ranges[range].kind else { return Ok(None) };
    let Some(relation) = context.catalog.relation_by_oid(relid)? else { return Ok(None) };
    let schema = context.catalog.namespace_by_oid(relation.namespace)?;
    let schema = schema.map_or_else(|| "".into(), |schema| schema.nspname.clone());
    Ok(Some(TableName { schema, name: relation.name.clone() }))
}
