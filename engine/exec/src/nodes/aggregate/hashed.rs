//! Groups in a hash table; one table per grouping set. Groups come out in the order in which their
//! first rows came in, as long as they fit into memory.
//!
//! Once the tables are full no new group is made. Rows of groups that are not there are kept in files, divided by
//! the hashes of their keys, and aggregated when the groups in memory have come out (PostgreSQL's nodeAgg.c).

use super::aggregation;
use super::spilled::{Part, Spilled};
use crate::aggregates::{CallState, new_states};
use crate::exec::Exec;
use crate::keys::{hash_keys, same_key};
use crate::node::{Node, PlanState};
use crate::spill::{Reservation, row_bytes};
use hashbrown::HashTable;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::aggregate::Aggregation;
use redoubt_plan::explain::NodeDetail;
use redoubt_plan::{NodeId, SlotSet};

pub(crate) struct HashedState {
    id: NodeId,
    child: PlanState,
    tables: Option<Vec<Table>>,
    /// The table and group to deliver next.
    at: (usize, usize),
    held: Option<Reservation>,
    /// Rows of groups that found no room.
    spilled: Option<Box<Spilled>>,
    /// The most bytes held, and how many parts were aggregated.
    peak: usize,
    parts: u64,
}

/// The groups of one grouping set.
#[derive(Default)]
struct Table {
    index: HashTable<(u64, u32)>,
    groups: Vec<Group>,
}

struct Group {
    keys: Box<[Datum]>,
    carried: Box<[Datum]>,
    states: Box<[CallState]>,
}

/// What became of a row.
enum Found {
    /// It belongs to this group.
    Group(usize),
    /// Its group, of this hash, has no room.
    NoRoom(u64),
}

impl HashedState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        HashedState { id, child, tables: None, at: (0, 0), held: None, spilled: None, peak: 0, parts: 1 }
    }

    /// Aggregates the input.
    fn build(&mut self, x: &mut Exec<'_>) -> PgResult<()> {
        let node = aggregation(x, self.id);
        let sets = node.sets.as_ref().map_or(1, |sets| sets.sets.len());
        self.tables = Some((0..sets).map(|_| Table::default()).collect());
        self.held = Some(x.ctx.storage.work.reserve());
        (self.at, self.peak, self.parts) = ((0, 0), 0, 1);
        while self.child.next(x)? {
            for set in 0..sets {
                self.take_in(x, node, set, 0)?;
            }
            x.ctx.check_for_interrupts()?;
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.close_parts()?;
        }
        // A set without keys has its one group even over no rows.
        if let Some(sets) = &node.sets {
            let tables = self.tables.as_mut().expect("just made");
            for (members, table) in sets.sets.iter().zip(tables) {
                if table.groups.is_empty() && !members.contains(&true) {
                    table.groups.push(Group {
                        keys: Box::default(),
                        carried: Box::default(),
                        states: new_states(&node.calls, x),
                    });
                }
            }
        }
        self.note(x);
        Ok(())
    }

    /// Takes the current row into its group of one set; or keeps it, if the group has no room.
    fn take_in<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a Aggregation,
        set: usize,
        depth: u32,
    ) -> PgResult<()> {
        let members = node.sets.as_ref().map(|sets| &sets.sets[set][..]);
        let held = self.held.as_mut().expect("set before rows come");
        let table = &mut self.tables.as_mut().expect("set before rows come")[set];
        let work = &x.ctx.storage.work;
        // One group always has room: every pass gets on.
        let room = held.bytes() <= work.hash_bytes || table.groups.is_empty() || !Spilled::can_divide(depth);
        match table.find_or_add(x, node, members, room, held)? {
            Found::Group(group) => {
                for (call, state) in node.calls.iter().zip(table.groups[group].states.iter_mut()) {
                    x.accumulate(call, state, held)?;
                }
                Ok(())
            }
            Found::NoRoom(hash) => {
                let child = self.child.id();
                let spilled = match &mut self.spilled {
                    Some(spilled) => spilled,
                    None => self.spilled.insert(Box::new(Spilled::new(work, x, child)?)),
                };
                spilled.put(x, set, depth, hash)
            }
        }
    }

    /// Aggregates the next of the parts that were kept; false if there is none.
    fn next_part(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let Some(mut part) = self.spilled.as_mut().and_then(|spilled| spilled.next_part()) else {
            return Ok(false);
        };
        let node = aggregation(x, self.id);
        let tables = self.tables.as_mut().expect("built");
        tables.iter_mut().for_each(|table| *table = Table::default());
        self.held.as_mut().expect("built").clear();
        self.at = (part.set, 0);
        self.parts += 1;
        let Part { set, depth, .. } = part;
        while self.spilled.as_mut().expect("parts are there").load(x, &mut part)? {
            x.ctx.check_for_interrupts()?;
            self.take_in(x, node, set, depth + 1)?;
        }
        self.spilled.as_mut().expect("parts are there").close_parts()?;
        self.note(x);
        Ok(true)
    }

    fn note(&mut self, x: &mut Exec<'_>) {
        self.peak = self.peak.max(self.held.as_ref().map_or(0, Reservation::bytes));
        let (batches, kib) = (self.parts, (self.peak as u64).div_ceil(1024));
        let disk_kib = self.spilled.as_ref().map_or(0, |spilled| spilled.disk_kib());
        x.note(self.id, |stats| stats.detail = Some(NodeDetail::Groups { batches, kib, disk_kib }));
    }
}

impl Table {
    /// The current row's group, made if it is the first of it and there is room.
    fn find_or_add(
        &mut self,
        x: &Exec<'_>,
        node: &Aggregation,
        members: Option<&[bool]>,
        room: bool,
        held: &mut Reservation,
    ) -> PgResult<Found> {
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
        if let Some(error) = failure {
            return Err(error);
        }
        if let Some(&(_, group)) = found {
            return Ok(Found::Group(group as usize));
        }
        if !room {
            return Ok(Found::NoRoom(hash));
        }
        let group = Group {
            keys: keys().map(|key| x.get(key.slot).clone()).collect(),
            carried: node.carried.iter().map(|(from, _)| x.get(*from).clone()).collect(),
            states: new_states(&node.calls, x),
        };
        held.add(group.bytes())?;
        let at = self.groups.len();
        self.groups.push(group);
        self.index.insert_unique(hash, (hash, at as u32), |&(hash, _)| hash);
        Ok(Found::Group(at))
    }
}

impl Group {
    /// Bytes of memory before its first row.
    fn bytes(&self) -> usize {
        /// The group itself, its place in the table, and what three allocations need.
        const FIXED: usize = size_of::<Group>() + 18 + 3 * 16;
        FIXED + row_bytes(&self.keys) + row_bytes(&self.carried) + size_of_val(&*self.states)
    }
}

impl Node for HashedState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.tables.is_none() {
            self.build(x)?;
        }
        let node = aggregation(x, self.id);
        loop {
            let tables = self.tables.as_mut().expect("just built");
            let Some(table) = tables.get_mut(self.at.0) else {
                if self.next_part(x)? {
                    continue;
                }
                return Ok(false);
            };
            let set = self.at.0;
            let Some(group) = table.groups.get_mut(self.at.1) else {
                self.at = (self.at.0 + 1, 0);
                continue;
            };
            self.at.1 += 1;
            deliver(x, node, set, group)?;
            return Ok(true);
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        // The states are used up by finishing them, so the groups are formed anew.
        (self.tables, self.held, self.spilled) = (None, None, None);
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
