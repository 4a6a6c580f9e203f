//! SetOp: INTERSECT and EXCEPT, by counting each row on both sides.

use crate::exec::Exec;
use crate::keys::{hash_keys, same_key};
use crate::node::{Node, PlanState};
use hashbrown::HashTable;
use redoubt_analyze::query::SetOp;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::node::SetOperationNode;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct SetOperationState {
    id: NodeId,
    child: PlanState,
    groups: Option<Vec<Group>>,
    at: usize,
    /// How often the group at `at` is still to be delivered.
    copies: u64,
}

/// A row and how often each side has it.
struct Group {
    keys: Box<[Datum]>,
    counts: [u64; 2],
}

impl SetOperationState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        SetOperationState { id, child, groups: None, at: 0, copies: 0 }
    }

    /// Counts all rows. Sorted input stays in order, since groups are numbered as they come.
    fn count(&mut self, x: &mut Exec<'_>) -> PgResult<Vec<Group>> {
        let node = set_operation(x, self.id);
        let mut index: HashTable<(u64, u32)> = HashTable::new();
        let mut groups: Vec<Group> = Vec::new();
        while self.child.next(x)? {
            x.ctx.check_for_interrupts()?;
            let side = usize::from(matches!(x.get(node.flag), Datum::Int4(1)));
            let hash = hash_keys(node.keys.iter().map(|key| (key.equality.type_oid, x.get(key.slot))));
            let mut failure = None;
            let found = index.find(hash, |&(known, group)| {
                known == hash
                    && node.keys.iter().zip(&groups[group as usize].keys).all(|(key, value)| {
                        same_key(x, &key.equality, x.get(key.slot), value).unwrap_or_else(|error| {
                            failure.get_or_insert(error);
                            false
                        })
                    })
            });
            if let Some(&(_, group)) = found {
                groups[group as usize].counts[side] += 1;
                continue;
            }
            if let Some(error) = failure {
                return Err(error);
            }
            // A row that the left side does not have cannot come out.
            if side == 1 {
                continue;
            }
            index.insert_unique(hash, (hash, groups.len() as u32), |(hash, _)| *hash);
            let keys = node.keys.iter().map(|key| x.get(key.slot).clone()).collect();
            groups.push(Group { keys, counts: [1, 0] });
        }
        Ok(groups)
    }
}

fn set_operation<'a>(x: &Exec<'a>, id: NodeId) -> &'a SetOperationNode {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::SetOp(node) => node,
        _ => unreachable!("the node is a set operation"),
    }
}

/// How often a row comes out.
fn copies(node: &SetOperationNode, [left, right]: [u64; 2]) -> u64 {
    match (node.op, node.all) {
        (SetOp::Intersect, true) => left.min(right),
        (SetOp::Intersect, false) => u64::from(left > 0 && right > 0),
        (_, true) => left.saturating_sub(right),
        (_, false) => u64::from(left > 0 && right == 0),
    }
}

impl Node for SetOperationState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = set_operation(x, self.id);
        if self.groups.is_none() {
            let groups = self.count(x)?;
            self.copies = groups.first().map_or(0, |group| copies(node, group.counts));
            (self.groups, self.at) = (Some(groups), 0);
        }
        let groups = self.groups.as_ref().expect("just counted");
        while self.at < groups.len() {
            if self.copies == 0 {
                self.at += 1;
                self.copies = groups.get(self.at).map_or(0, |group| copies(node, group.counts));
                continue;
            }
            self.copies -= 1;
            for (key, value) in node.keys.iter().zip(&groups[self.at].keys) {
                x.set(key.slot, value.clone());
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.groups = None;
        self.child.rescan(x, changed)
    }
}
