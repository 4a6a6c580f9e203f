//! Aggregate nodes: plain, over sorted input, and hashed.

mod hashed;
mod sorted;
mod spilled;

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use redoubt_plan::aggregate::{AggStrategy, Aggregation};
use redoubt_plan::{NodeId, NodeKind, Plan};

/// The state of an aggregate node.
pub(crate) fn build(_: &Plan, id: NodeId, node: &Aggregation, child: PlanState) -> Box<dyn Node> {
    match node.strategy {
        AggStrategy::Plain | AggStrategy::Sorted => Box::new(sorted::SortedState::new(id, child)),
        AggStrategy::Hashed | AggStrategy::Mixed => Box::new(hashed::HashedState::new(id, child)),
    }
}

/// The node's part of the plan.
fn aggregation<'a>(x: &Exec<'a>, id: NodeId) -> &'a Aggregation {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::Aggregate(node) => node,
        _ => unreachable!("the node is an aggregate"),
    }
}
