//! Nodes at run time.

use crate::exec::Exec;
use crate::nodes;
use redoubt_error::PgResult;
use redoubt_plan::{NodeId, NodeKind, Plan, SlotSet};

/// The state of one node. Rows are not passed: a node that answers true has written its row's
/// columns into their slots.
pub(crate) trait Node: Send {
    /// Delivers the next row, before filter and projection; false at the end.
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool>;

    /// Starts over. `changed` are the slots that have other values than the last time.
    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()>;
}

/// A node with its filter and projection.
pub(crate) struct PlanState {
    id: NodeId,
    filtered: bool,
    projected: bool,
    node: Box<dyn Node>,
}

impl PlanState {
    /// The state of a node and, in it, of its children, before the first row.
    pub(crate) fn new(plan: &Plan, id: NodeId) -> PlanState {
        let node = &plan.nodes[id.index()];
        PlanState {
            id,
            filtered: node.filter.is_some(),
            projected: !node.project.steps.is_empty(),
            node: build(plan, id),
        }
    }

    /// The node's number.
    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// Delivers the next row that passes the filter, with its projection computed.
    #[inline]
    pub(crate) fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        loop {
            if !self.node.next(x)? {
                return Ok(false);
            }
            if self.filtered {
                let filter = x.plan.nodes[self.id.index()].filter.as_ref().expect("filtered nodes have one");
                if !x.run(&filter.program)? {
                    x.ctx.check_for_interrupts()?;
                    continue;
                }
            }
            if self.projected {
                x.run(&x.plan.nodes[self.id.index()].project)?;
            }
            return Ok(true);
        }
    }

    /// Starts over.
    pub(crate) fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        let plan = x.plan;
        for init_plan in &plan.nodes[self.id.index()].init_plans {
            if plan.subplans[init_plan.index()].external.intersects(changed) {
                x.subplans[init_plan.index()] = None;
            }
        }
        self.node.rescan(x, changed)
    }

    /// Whether the node's rows depend on any of these slots.
    pub(crate) fn depends_on(&self, x: &Exec<'_>, changed: &SlotSet) -> bool {
        x.plan.nodes[self.id.index()].external.intersects(changed)
    }
}

fn build(plan: &Plan, id: NodeId) -> Box<dyn Node> {
    let child = |id: NodeId| PlanState::new(plan, id);
    match &plan.nodes[id.index()].kind {
        NodeKind::Result { child: inner, .. } => {
            Box::new(nodes::result::ResultState::new(id, inner.map(child)))
        }
        NodeKind::ProjectSet(node) => {
            Box::new(nodes::project_set::ProjectSetState::new(id, child(node.child), node.calls.len()))
        }
        NodeKind::SeqScan(_) => Box::new(nodes::seq_scan::SeqScanState::new(id)),
        NodeKind::SubqueryScan { child: inner, .. } | NodeKind::Hash(inner) => {
            Box::new(nodes::pass::PassState::new(child(*inner)))
        }
        NodeKind::FunctionScan(node) => {
            Box::new(nodes::function_scan::FunctionScanState::new(id, node.functions.len()))
        }
        NodeKind::ValuesScan(_) => Box::new(nodes::values_scan::ValuesScanState::new(id)),
        NodeKind::CteScan(_) => Box::new(nodes::cte_scan::CteScanState::new(id)),
        NodeKind::WorkTableScan(_) => Box::new(nodes::cte_scan::WorkTableScanState::new(id)),
        NodeKind::NestedLoop(node) => {
            Box::new(nodes::nested_loop::NestedLoopState::new(id, child(node.outer), child(node.inner)))
        }
        NodeKind::HashJoin(node) => {
            Box::new(nodes::hash_join::HashJoinState::new(id, child(node.outer), child(node.inner)))
        }
        NodeKind::MergeJoin(node) => {
            Box::new(nodes::merge_join::MergeJoinState::new(id, child(node.outer), child(node.inner)))
        }
        NodeKind::Material(inner) => Box::new(nodes::material::MaterialState::new(child(*inner))),
        NodeKind::Sort { child: inner, .. } => Box::new(nodes::sort::SortState::new(id, child(*inner))),
        NodeKind::Limit(node) => Box::new(nodes::limit::LimitState::new(id, child(node.child))),
        NodeKind::Unique { child: inner, .. } | NodeKind::Group { child: inner, .. } => {
            Box::new(nodes::unique::UniqueState::new(id, child(*inner)))
        }
        NodeKind::Aggregate(node) => nodes::aggregate::build(plan, id, node, child(node.child)),
        NodeKind::Append(children) => {
            Box::new(nodes::append::AppendState::new(children.iter().map(|id| child(*id)).collect()))
        }
        NodeKind::SetOp(node) => {
            Box::new(nodes::set_operation::SetOperationState::new(id, child(node.child)))
        }
        NodeKind::RecursiveUnion(node) => Box::new(nodes::recursive_union::RecursiveUnionState::new(
            id,
            child(node.start),
            child(node.step),
        )),
        NodeKind::ModifyTable(node) => Box::new(nodes::modify::ModifyTableState::new(id, child(node.child))),
        NodeKind::IndexScan(_)
        | NodeKind::BitmapHeapScan(_)
        | NodeKind::BitmapIndexScan(_)
        | NodeKind::BitmapAnd(_)
        | NodeKind::BitmapOr(_)
        | NodeKind::TidScan(_)
        | NodeKind::Window(_)
        | NodeKind::MergeAppend { .. }
        | NodeKind::LockRows(_) => Box::new(nodes::pass::UnsupportedState),
    }
}
