//! HashJoin: the inner input in a hash table, probed by the outer rows.
//!
//! Rows of one bucket are met in the reverse of the order in which they came, as in PostgreSQL.

use super::nested_loop::null_slots;
use crate::exec::Exec;
use crate::keys::{equal_values, hash_keys};
use crate::node::{Node, PlanState};
use crate::rows::RowStore;
use hashbrown::HashTable;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::join::{HashJoin, JoinType};
use redoubt_plan::{NodeId, NodeKind, SlotSet};

const NONE: u32 = u32::MAX;

pub(crate) struct HashJoinState {
    id: NodeId,
    outer: PlanState,
    inner: PlanState,
    table: Option<Table>,
    /// The outer slots hold a row; the next candidate in its chain.
    open: bool,
    candidate: u32,
    hash: u64,
    keys: Vec<Datum>,
    matched: bool,
    /// The outer input is used up: unmatched inner rows are delivered from here.
    unmatched: Option<usize>,
}

struct Table {
    /// Hash and the newest row with it.
    heads: HashTable<(u64, u32)>,
    /// Per row, the next older one with the same hash.
    older: Vec<u32>,
    rows: RowStore,
    keys: RowStore,
    matched: Vec<bool>,
}

impl HashJoinState {
    pub(crate) fn new(id: NodeId, outer: PlanState, inner: PlanState) -> Self {
        HashJoinState {
            id,
            outer,
            inner,
            table: None,
            open: false,
            candidate: NONE,
            hash: 0,
            keys: Vec::new(),
            matched: false,
            unmatched: None,
        }
    }

    fn build(&mut self, x: &mut Exec<'_>) -> PgResult<()> {
        let node = hash_join(x, self.id);
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        let keeps_unmatched = matches!(node.join, JoinType::Right | JoinType::Full);
        let mut table = Table {
            heads: HashTable::new(),
            older: Vec::new(),
            rows: RowStore::new(slots.len()),
            keys: RowStore::new(node.keys.len()),
            matched: Vec::new(),
        };
        while self.inner.next(x)? {
            x.ctx.check_for_interrupts()?;
            let mut keys = Vec::with_capacity(node.keys.len());
            for key in &node.keys {
                keys.push(x.value(&key.inner)?.clone());
            }
            let has_null = keys.iter().any(Datum::is_null);
            // NULL equals nothing; the row only counts if it comes out unmatched.
            if has_null && !keeps_unmatched {
                continue;
            }
            let row = table.rows.len() as u32;
            table.rows.push(x, slots);
            table.matched.push(false);
            table.older.push(NONE);
            if !has_null {
                let hash = hash_keys(node.keys.iter().map(|key| key.inner_type).zip(&keys));
                match table.heads.find_mut(hash, |(known, _)| *known == hash) {
                    Some((_, head)) => table.older[row as usize] = std::mem::replace(head, row),
                    None => {
                        table.heads.insert_unique(hash, (hash, row), |(hash, _)| *hash);
                    }
                }
            }
            table.keys.push_row(keys);
        }
        self.table = Some(table);
        Ok(())
    }

    /// Fetches an outer row and looks its chain up; false at the end.
    fn next_outer(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if !self.outer.next(x)? {
            return Ok(false);
        }
        let node = hash_join(x, self.id);
        (self.open, self.matched, self.candidate) = (true, false, NONE);
        self.keys.clear();
        for key in &node.keys {
            let value = x.value(&key.outer)?.clone();
            self.keys.push(value);
        }
        if !self.keys.iter().any(Datum::is_null) {
            let hash = hash_keys(node.keys.iter().map(|key| key.outer_type).zip(&self.keys));
            let table = self.table.as_ref().expect("built");
            self.hash = hash;
            self.candidate =
                table.heads.find(hash, |(known, _)| *known == hash).map_or(NONE, |(_, row)| *row);
        }
        Ok(true)
    }

    /// The next inner row that matches the outer row, loaded into its slots.
    fn next_match(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = hash_join(x, self.id);
        let table = self.table.as_mut().expect("built");
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        'candidates: while self.candidate != NONE {
            let row = self.candidate as usize;
            self.candidate = table.older[row];
            for (key, (left, right)) in node.keys.iter().zip(self.keys.iter().zip(table.keys.row(row))) {
                if !equal_values(x, &key.equality, left, right)? {
                    continue 'candidates;
                }
            }
            table.rows.load(x, slots, row);
            if let Some(condition) = &node.condition {
                if !x.run(&condition.program)? {
                    x.ctx.check_for_interrupts()?;
                    x.note(self.id, |stats| stats.join_filtered += 1);
                    continue;
                }
            }
            table.matched[row] = true;
            return Ok(true);
        }
        Ok(false)
    }

    fn next_unmatched(&mut self, x: &mut Exec<'_>, mut row: usize) -> PgResult<bool> {
        let table = self.table.as_ref().expect("built");
        while row < table.rows.len() && table.matched[row] {
            row += 1;
        }
        self.unmatched = Some(row + 1);
        if row >= table.rows.len() {
            return Ok(false);
        }
        null_slots(x, self.outer.id());
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        table.rows.load(x, slots, row);
        Ok(true)
    }
}

fn hash_join<'a>(x: &Exec<'a>, id: NodeId) -> &'a HashJoin {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::HashJoin(node) => node,
        _ => unreachable!("the node is a hash join"),
    }
}

impl Node for HashJoinState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = hash_join(x, self.id);
        if self.table.is_none() {
            self.build(x)?;
            let empty = self.table.as_ref().is_some_and(|table| table.rows.len() == 0);
            if empty && matches!(node.join, JoinType::Inner | JoinType::Semi | JoinType::Right) {
                self.unmatched = Some(0);
            }
        }
        if let Some(row) = self.unmatched {
            return self.next_unmatched(x, row);
        }
        loop {
            if !self.open && !self.next_outer(x)? {
                if matches!(node.join, JoinType::Right | JoinType::Full) {
                    return self.next_unmatched(x, 0);
                }
                return Ok(false);
            }
            if self.next_match(x)? {
                self.matched = true;
                if node.join == JoinType::Anti {
                    self.open = false;
                    continue;
                }
                if node.single_match || node.join == JoinType::Semi {
                    self.open = false;
                }
                return Ok(true);
            }
            self.open = false;
            if !self.matched && matches!(node.join, JoinType::Left | JoinType::Full | JoinType::Anti) {
                null_slots(x, self.inner.id());
                return Ok(true);
            }
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        (self.open, self.candidate, self.unmatched) = (false, NONE, None);
        let depends = self.inner.depends_on(x, changed);
        match &mut self.table {
            Some(table) if !depends => {
                table.matched.iter_mut().for_each(|matched| *matched = false);
                let node = hash_join(x, self.id);
                if table.rows.len() == 0
                    && matches!(node.join, JoinType::Inner | JoinType::Semi | JoinType::Right)
                {
                    self.unmatched = Some(0);
                }
            }
            Some(_) => {
                self.table = None;
                self.inner.rescan(x, changed)?;
            }
            None => {}
        }
        self.outer.rescan(x, changed)
    }
}
