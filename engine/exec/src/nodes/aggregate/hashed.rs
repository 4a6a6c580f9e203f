//! Groups in a hash table; one table per grouping set. Groups come out in the order in which their
//! first rows came in.

use super::aggregation;
use crate::aggregates::{CallState, new_states};
use crate::exec::Exec;
use crate::keys::{hash_keys, same_key};
use crate::node::{Node, PlanState};
use hashbrown::HashTable;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::aggregate::Aggregation;
use redoubt_plan::{NodeId, SlotSet};

pub(crate) struct HashedState {
    id: NodeId,
    child: PlanState,
    tables: Option<Vec<Table>>,
    /// The table and group to deliver next.
    at: (usize, usize),
}

/// The groups of one grouping set.
struct Table {
    index: HashTable<(u64, u32)>,
    groups: Vec<Group>,
}

struct Group {
    keys: Box<[Datum]>,
    carried: Box<[Datum]>,
    states: Box<[CallState]>,
}

impl HashedState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        HashedState { id, child, tables: None, at: (0, 0) }
    }

    fn build(&mut self, x: &mut Exec<'_>) -> PgResult<Vec<Table>> {
        let node = aggregation(x, self.id);
        let sets = node.sets.as_ref().map_or(1, |sets| sets.sets.len());
        let mut tables: Vec<Table> =
            (0..sets).map(|_| Table { index: HashTable::new(), groups: Vec::new() }).collect();
        while self.child.next(x)? {
            for (set, table) in tables.iter_mut().enumerate() {
                let members = node.sets.as_ref().map(|sets| &sets.sets[set][..]);
                let group = table.find_or_add(x, node, members)?;
                for (call, state) in node.calls.iter().zip(table.groups[group].states.iter_mut()) {
                    x.accumulate(call, state)?;
                }
            }
            x.ctx.check_for_interrupts()?;
        }
        // A set without keys has its one group even over no rows.
        if let Some(sets) = &node.sets {
            for (members, table) in sets.sets.iter().zip(&mut tables) {
                if table.groups.is_empty() && !members.contains(&true) {
                    table.groups.push(Group {
                        keys: Box::default(),
                        carried: Box::default(),
                        states: new_states(&node.calls),
                    });
                }
            }
        }
        Ok(tables)
    }
}

impl Table {
    /// The current row's group, made if it is the first of it.
    fn find_or_add(&mut self, x: &Exec<'_>, node: &Aggregation, members: Option<&[bool]>) -> PgResult<usize> {
        let in_set = |at: usize| members.is_none_or(|members| members[at]);
        let keys = || node.keys.iter().enumerate().filter(|(at, _)| in_set(*at)).map(|(_, key)| key);
        let hash = hash_keys(keys().map(|key| (key.equality.type_oid, x.get(key.slot))));
        let mut failure = None;
        let groups = &self.groups;
        let found = self.index.find(hash, |&(known, group)| {
            known == hash
                && keys().zip(&groups[group as usize].keys).all(|(key, value)| {
                    same_key(x, &key.equality, x.get(key.slot), value).unwrap_or_else(|error| {
                        failure.get_or_insert(error);
                        false
                    })
                })
        });
        if let Some(&(_, group)) = found {
            return failure.map_or(Ok(group as usize), Err);
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let group = self.groups.len();
        self.groups.push(Group {
            keys: keys().map(|key| x.get(key.slot).clone()).collect(),
            carried: node.carried.iter().map(|(from, _)| x.get(*from).clone()).collect(),
            states: new_states(&node.calls),
        });
        self.index.insert_unique(hash, (hash, group as u32), |&(hash, _)| hash);
        Ok(group)
    }
}

impl Node for HashedState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.tables.is_none() {
            self.tables = Some(self.build(x)?);
            self.at = (0, 0);
        }
        let node = aggregation(x, self.id);
        let tables = self.tables.as_mut().expect("just built");
        while let Some(table) = tables.get_mut(self.at.0) {
            let set = self.at.0;
            let Some(group) = table.groups.get_mut(self.at.1) else {
                self.at = (self.at.0 + 1, 0);
                continue;
            };
            self.at.1 += 1;
            deliver(x, node, set, group)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        // The states are used up by finishing them, so the groups are formed anew.
        self.tables = None;
        self.child.rescan(x, changed)
    }
}

/// Writes a group's keys and results to their slots.
fn deliver<'a>(x: &mut Exec<'a>, node: &'a Aggregation, set: usize, group: &mut Group) -> PgResult<()> {
    let members = node.sets.as_ref().map(|sets| &sets.sets[set]);
    let mut values = group.keys.iter();
    for (at, slot) in node.key_outs.iter().enumerate() {
        let in_set = members.is_none_or(|members| members[at]);
        let value = if in_set { values.next().cloned().unwrap_or(Datum::Null) } else { Datum::Null };
        x.set(*slot, value);
    }
    for (at, (_, slot)) in node.carried.iter().enumerate() {
        x.set(*slot, group.carried.get(at).cloned().unwrap_or(Datum::Null));
    }
    if let (Some(sets), Some(members)) = (&node.sets, members) {
        for (keys, slot) in &sets.groupings {
            let mask = keys.iter().fold(0, |mask, &key| mask << 1 | i32::from(!members[key]));
            x.set(*slot, Datum::Int4(mask));
        }
    }
    for (call, state) in node.calls.iter().zip(group.states.iter_mut()) {
        x.finish_call(call, state)?;
    }
    Ok(())
}
