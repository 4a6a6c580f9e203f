//! The inputs of a node.

use redoubt_plan::node::{NodeId, NodeKind};

/// The nodes directly below.
pub(crate) fn of(kind: &NodeKind) -> Vec<NodeId> {
    match kind {
        NodeKind::Result { child, .. } => child.iter().copied().collect(),
        NodeKind::ProjectSet(node) => vec![node.child],
        NodeKind::SubqueryScan { child, .. }
        | NodeKind::Hash(child)
        | NodeKind::Material(child)
        | NodeKind::Sort { child, .. }
        | NodeKind::Unique { child, .. }
        | NodeKind::Group { child, .. } => vec![*child],
        NodeKind::NestedLoop(node) => vec![node.outer, node.inner],
        NodeKind::HashJoin(node) => vec![node.outer, node.inner],
        NodeKind::MergeJoin(node) => vec![node.outer, node.inner],
        NodeKind::Limit(node) => vec![node.child],
        NodeKind::Aggregate(node) => vec![node.child],
        NodeKind::Window(node) => vec![node.child],
        NodeKind::SetOp(node) => vec![node.child],
        NodeKind::RecursiveUnion(node) => vec![node.start, node.step],
        NodeKind::LockRows(node) => vec![node.child],
        NodeKind::ModifyTable(node) => vec![node.child],
        NodeKind::BitmapHeapScan(node) => vec![node.bitmap],
        NodeKind::Append(children) | NodeKind::BitmapAnd(children) | NodeKind::BitmapOr(children) => children.clone(),
        NodeKind::MergeAppend { children, .. } => children.clone(),
        NodeKind::SeqScan(_)
        | NodeKind::IndexScan(_)
        | NodeKind::BitmapIndexScan(_)
        | NodeKind::TidScan(_)
        | NodeKind::FunctionScan(_)
        | NodeKind::ValuesScan(_)
        | NodeKind::CteScan(_)
        | NodeKind::WorkTableScan(_) => Vec::new(),
    }
}
