//! INTERSECT and EXCEPT: both inputs come appended, told apart by a flag; groups are counted.

use crate::execution::{Cx, Execution};
use crate::state::{SavedRow, State};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::node::{NodeId, SetOperationNode};
use redoubt_analyze::query::SetOp;
use rustc_hash::FxHashMap;

/// Groups in order of appearance.
pub(crate) struct SetOpState {
    groups: Vec<Group>,
    /// The next group, and how often it has been delivered.
    next: usize,
    delivered: u64,
}

struct Group {
    keys: SavedRow,
    row: SavedRow,
    left: u64,
    right: u64,
}

impl Group {
    /// How often a row comes out (SQL:2016, 7.17).
    fn copies(&self, node: &SetOperationNode) -> u64 {
        match (node.op, node.all) {
            (SetOp::Intersect, true) => self.left.min(self.right),
            (SetOp::Intersect, false) => u64::from(self.left > 0 && self.right > 0),
            (SetOp::Except, true) => self.left.saturating_sub(self.right),
            (SetOp::Except, false) => u64::from(self.left > 0 && self.right == 0),
            (SetOp::Union, _) => unreachable!("UNION is an Append with duplicates dropped"),
        }
    }
}

impl Execution {
    pub(crate) fn next_set_op(&mut self, cx: &Cx<'_>, id: NodeId, node: &SetOperationNode) -> PgResult<bool> {
        let live = &cx.plan.nodes[node.child.index()].live;
        let mut state = match self.take(id) {
            State::SetOp(state) => state,
            _ => Box::new(SetOpState { groups: self.count_groups(cx, node)?, next: 0, delivered: 0 }),
        };
        let mut more = false;
        while let Some(group) = state.groups.get(state.next) {
            if state.delivered < group.copies(node) {
                state.delivered += 1;
                self.restore(live, &group.row);
                more = true;
                break;
            }
            state.next += 1;
            state.delivered = 0;
        }
        self.put(id, State::SetOp(state));
        Ok(more)
    }

    fn count_groups(&mut self, cx: &Cx<'_>, node: &SetOperationNode) -> PgResult<Vec<Group>> {
        let live = &cx.plan.nodes[node.child.index()].live;
        let mut groups: Vec<Group> = Vec::new();
        let mut buckets: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
        while self.next_row(cx, node.child)? {
            let bucket = buckets.entry(self.hash_keys(&node.keys)).or_default();
            let mut found = None;
            for &at in bucket.iter() {
                if self.same_keys(cx, &node.keys, &groups[at as usize].keys)? {
                    found = Some(at as usize);
                    break;
                }
            }
            let at = found.unwrap_or_else(|| {
                bucket.push(groups.len() as u32);
                groups.push(Group { keys: self.key_values(&node.keys), row: self.save(live), left: 0, right: 0 });
                groups.len() - 1
            });
            match &self.frame[node.flag.index()] {
                Datum::Int4(0) => groups[at].left += 1,
                _ => groups[at].right += 1,
            }
        }
        Ok(groups)
    }
}
