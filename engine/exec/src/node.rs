//! Nodes at run time.

use crate::exec::Exec;
use crate::nodes;
use crate::recheck::Candidate;
use crate::table::deliver_row;
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
    /// The FROM item that a scan stands for.
    range: Option<usize>,
    /// While a row is checked again: the item's one row has been delivered.
    delivered: bool,
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
            range: range_of(&node.kind),
            delivered: false,
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
        if x.meter.is_some() { self.next_measured(x) } else { self.next_row(x) }
    }

    #[cold]
    fn next_measured(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let started = x.meter.as_mut().and_then(|meter| meter.start());
        let found = self.next_row(x)?;
        if let Some(meter) = &mut x.meter {
            meter.stop(self.id, started, found);
        }
        Ok(found)
    }

    #[inline]
    fn next_row(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        loop {
            let candidate = x.candidates.is_some() && self.has_candidate(x);
            let found = if candidate { self.next_candidate(x)? } else { self.node.next(x)? };
            if !found {
                return Ok(false);
            }
            if self.filtered {
                let filter = x.plan.nodes[self.id.index()].filter.as_ref().expect("filtered nodes have one");
                if !x.run(&filter.program)? {
                    x.ctx.check_for_interrupts()?;
                    x.note(self.id, |stats| stats.filtered += 1);
                    continue;
                }
            }
            if self.projected {
                x.run(&x.plan.nodes[self.id.index()].project)?;
            }
            return Ok(true);
        }
    }

    #[cold]
    fn has_candidate(&self, x: &Exec<'_>) -> bool {
        let Some(range) = self.range else { return false };
        x.candidates.as_ref().is_some_and(|candidates| candidates.contains_key(&range))
    }

    /// Delivers the one row that stands for this scan while a row is checked again.
    #[cold]
    fn next_candidate(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if std::mem::replace(&mut self.delivered, true) {
            return Ok(false);
        }
        let range = self.range.expect("only scans have candidates");
        let candidates = x.candidates.take().expect("a row is being checked again");
        let result = match &candidates[&range] {
            Candidate::Nothing => Ok(false),
            Candidate::Values(values) => {
                for (slot, value) in values {
                    x.set(*slot, value.clone());
                }
                Ok(true)
            }
            Candidate::Row { tid, bytes } => deliver_row(x, self.id, *tid, bytes),
        };
        x.candidates = Some(candidates);
        if !result? {
            return Ok(false);
        }
        // Index conditions are no part of the filter.
        match &x.plan.nodes[self.id.index()].kind {
            NodeKind::IndexScan(node) => x.run(&node.recheck.program),
            NodeKind::BitmapHeapScan(node) => x.run(&node.recheck.program),
            _ => Ok(true),
        }
    }

    /// Starts over.
    pub(crate) fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.delivered = false;
        if let Some(meter) = &mut x.meter {
            meter.end_loop(self.id);
        }
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

/// The FROM item that a scan node stands for.
fn range_of(kind: &NodeKind) -> Option<usize> {
    match kind {
        NodeKind::SeqScan(node) => Some(node.scan.range),
        NodeKind::IndexScan(node) => Some(node.scan.range),
        NodeKind::BitmapHeapScan(node) => Some(node.scan.range),
        NodeKind::TidScan(node) => Some(node.scan.range),
        NodeKind::SubqueryScan { range, .. } => Some(*range),
        NodeKind::FunctionScan(node) => Some(node.range),
        NodeKind::ValuesScan(node) => Some(node.range),
        NodeKind::CteScan(node) | NodeKind::WorkTableScan(node) => Some(node.range),
        _ => None,
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
        NodeKind::LockRows(node) => Box::new(nodes::lock_rows::LockRowsState::new(id, child(node.child))),
        NodeKind::IndexScan(_) => Box::new(nodes::index_scan::IndexScanState::new(id)),
        NodeKind::Window(node) => Box::new(nodes::window::WindowState::new(id, child(node.child))),
        NodeKind::Offload { .. } => Box::new(nodes::offload::OffloadState::new(id)),
        NodeKind::TidScan(_) => Box::new(nodes::tid_scan::TidScanState::new(id)),
        NodeKind::BitmapHeapScan(_) => Box::new(nodes::bitmap_scan::BitmapScanState::new(id)),
        NodeKind::BitmapIndexScan(_) | NodeKind::BitmapAnd(_) | NodeKind::BitmapOr(_) => {
            unreachable!("bitmaps are made by the scan above them")
        }
    }
}
