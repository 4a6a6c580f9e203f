//! SetOp: INTERSECT and EXCEPT, by counting each row on both sides: group by group where the input is sorted,
//! in a hash table otherwise.

use crate::exec::Exec;
use crate::keys::{hash_keys, same_key};
use crate::node::{Node, PlanState};
use crate::spill::{Reservation, row_bytes};
use hashbrown::HashTable;
use redoubt_analyze::query::SetOp;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::node::SetOperationNode;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct SetOperationState {
    id: NodeId,
    child: PlanState,
    /// Hashed: all groups, with what they take.
    groups: Option<(Vec<Group>, Reservation)>,
    at: usize,
    /// How often the group at `at` is still to be delivered.
    copies: u64,
    /// Sorted: the first row of the next group, with its side.
    pending: Option<(Box<[Datum]>, usize)>,
    done: bool,
    /// Sorted: the group being delivered.
    group: Option<Group>,
}

/// A row and how often each side has it.
struct Group {
    keys: Box<[Datum]>,
    counts: [u64; 2],
}

impl SetOperationState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        SetOperationState {
            id,
            child,
            groups: None,
            at: 0,
            copies: 0,
            pending: None,
            done: false,
            group: None,
        }
    }

    /// The current row's keys, and its side.
    fn row(&self, x: &Exec<'_>, node: &SetOperationNode) -> (Box<[Datum]>, usize) {
        let keys = node.keys.iter().map(|key| x.get(key.slot).clone()).collect();
        (keys, usize::from(matches!(x.get(node.flag), Datum::Int4(1))))
    }

    /// Counts the rows of the next group of sorted input; nothing at the end.
    fn next_group(&mut self, x: &mut Exec<'_>) -> PgResult<Option<Group>> {
        let node = set_operation(x, self.id);
        let (keys, side) = match self.pending.take() {
            Some(row) => row,
            None => {
                self.done = self.done || !self.child.next(x)?;
                if self.done {
                    return Ok(None);
                }
                self.row(x, node)
            }
        };
        let mut group = Group { keys, counts: [0, 0] };
        group.counts[side] = 1;
        while self.child.next(x)? {
            x.ctx.check_for_interrupts()?;
            for (key, value) in node.keys.iter().zip(&group.keys) {
                if !same_key(x, &key.equality, x.get(key.slot), value)? {
                    self.pending = Some(self.row(x, node));
                    return Ok(Some(group));
                }
            }
            group.counts[usize::from(matches!(x.get(node.flag), Datum::Int4(1)))] += 1;
        }
        self.done = true;
        Ok(Some(group))
    }

    /// Delivers from sorted input.
    fn next_sorted(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = set_operation(x, self.id);
        while self.copies == 0 {
            self.group = self.next_group(x)?;
            let Some(group) = &self.group else { return Ok(false) };
            self.copies = copies(node, group.counts);
        }
        self.copies -= 1;
        let group = self.group.as_ref().expect("it has copies");
        for (key, value) in node.keys.iter().zip(&group.keys) {
            x.frame[key.slot.index()] = value.clone();
        }
        Ok(true)
    }

    /// Counts all rows in a hash table. The planner hashes what it expects to fit; it has to stay in memory.
    fn count(&mut self, x: &mut Exec<'_>) -> PgResult<(Vec<Group>, Reservation)> {
        let node = set_operation(x, self.id);
        let mut index: HashTable<(u64, u32)> = HashTable::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut held = x.ctx.storage.work.reserve();
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
            let keys: Box<[Datum]> = node.keys.iter().map(|key| x.get(key.slot).clone()).collect();
            held.add(row_bytes(&keys) + size_of::<Group>() + 2 * size_of::<(u64, u32)>())?;
            groups.push(Group { keys, counts: [1, 0] });
        }
        Ok((groups, held))
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
        if !node.hashed {
            return self.next_sorted(x);
        }
        if self.groups.is_none() {
            let groups = self.count(x)?;
            self.copies = groups.0.first().map_or(0, |group| copies(node, group.counts));
            (self.groups, self.at) = (Some(groups), 0);
        }
        let (groups, _) = self.groups.as_ref().expect("just counted");
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
        (self.groups, self.pending, self.group) = (None, None, None);
        (self.copies, self.done) = (0, false);
        self.child.rescan(x, changed)
    }
}
