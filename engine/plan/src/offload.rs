//! Giving a subtree of a plan to another executor.
//!
//! The row executor runs every plan. Where another one is better at a subtree, an
//! [`NodeKind::Offload`] node is put above it: what the subtree computes is still what the plan says,
//! node by node and slot by slot; only who computes it changes.

use crate::node::{NodeId, NodeKind, Plan, PlanNode};
use crate::planner::children;
use crate::program::Program;

impl Plan {
    /// Hands the subtree under `child` to the named executor. The new node delivers what `child` did.
    pub fn offload(&mut self, child: NodeId, executor: &'static str) {
        let top = &self.nodes[child.index()];
        let node = PlanNode {
            kind: NodeKind::Offload { child, executor },
            filter: None,
            project: Program::default(),
            init_plans: Vec::new(),
            live: top.live.clone(),
            external: top.external.clone(),
            estimate: top.estimate,
            output: top.output.clone(),
        };
        let offload = NodeId(self.nodes.len() as u32);
        let parent = self.nodes.iter().position(|node| children(&node.kind).contains(&child));
        self.nodes.push(node);
        match parent {
            Some(parent) => replace_child(&mut self.nodes[parent].kind, child, offload),
            None => {
                assert_eq!(self.root, child, "a node without parent is the plan's root");
                self.root = offload;
            }
        }
    }

    /// Nodes that run their subtrees elsewhere.
    pub fn offloaded(&self) -> impl Iterator<Item = (NodeId, &'static str)> + '_ {
        self.nodes.iter().filter_map(|node| match node.kind {
            NodeKind::Offload { child, executor } => Some((child, executor)),
            _ => None,
        })
    }
}

fn replace_child(kind: &mut NodeKind, old: NodeId, new: NodeId) {
    let replace = |child: &mut NodeId| {
        if *child == old {
            *child = new;
        }
    };
    match kind {
        NodeKind::Result { child: Some(child), .. }
        | NodeKind::Hash(child)
        | NodeKind::Material(child)
        | NodeKind::SubqueryScan { child, .. }
        | NodeKind::Sort { child, .. }
        | NodeKind::Unique { child, .. }
        | NodeKind::Group { child, .. } => replace(child),
        NodeKind::ProjectSet(node) => replace(&mut node.child),
        NodeKind::Limit(node) => replace(&mut node.child),
        NodeKind::Aggregate(node) => replace(&mut node.child),
        NodeKind::Window(node) => replace(&mut node.child),
        NodeKind::SetOp(node) => replace(&mut node.child),
        NodeKind::LockRows(node) => replace(&mut node.child),
        NodeKind::ModifyTable(node) => replace(&mut node.child),
        NodeKind::Append(nodes) => nodes.iter_mut().for_each(replace),
        NodeKind::NestedLoop(node) => [&mut node.outer, &mut node.inner].into_iter().for_each(replace),
        NodeKind::MergeJoin(node) => [&mut node.outer, &mut node.inner].into_iter().for_each(replace),
        NodeKind::HashJoin(node) => [&mut node.outer, &mut node.inner].into_iter().for_each(replace),
        NodeKind::RecursiveUnion(node) => [&mut node.start, &mut node.step].into_iter().for_each(replace),
        _ => unreachable!("only nodes with inputs have this child"),
    }
}
