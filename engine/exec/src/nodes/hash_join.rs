//! HashJoin: the inner input in a hash table, probed by the outer rows.
//!
//! Rows of one bucket are met in the reverse of the order in which they came, as in PostgreSQL. What does not fit
//! into memory is divided into parts, see [`batches`].

mod batches;
mod table;

use super::nested_loop::null_slots;
use crate::exec::Exec;
use crate::keys::{equal_values, hash_keys};
use crate::node::{Node, PlanState};
use batches::{Batches, Side};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::explain::NodeDetail;
use redoubt_plan::join::{HashJoin, JoinType};
use redoubt_plan::{NodeId, NodeKind, SlotSet};
use table::{NONE, Table};

pub(crate) struct HashJoinState {
    id: NodeId,
    outer: PlanState,
    inner: PlanState,
    table: Option<Table>,
    /// The parts, once the inner rows did not fit into memory.
    batches: Option<Box<Batches>>,
    /// The outer slots hold a row; the next candidate in its chain.
    open: bool,
    candidate: u32,
    keys: Vec<Datum>,
    matched: bool,
    /// The outer input is used up: unmatched inner rows are delivered from here.
    unmatched: Option<usize>,
}

impl HashJoinState {
    pub(crate) fn new(id: NodeId, outer: PlanState, inner: PlanState) -> Self {
        HashJoinState {
            id,
            outer,
            inner,
            table: None,
            batches: None,
            open: false,
            candidate: NONE,
            keys: Vec::new(),
            matched: false,
            unmatched: None,
        }
    }

    fn new_table(&self, x: &Exec<'_>) -> Table {
        let width = x.plan.nodes[self.inner.id().index()].live.len();
        Table::new(&x.ctx.storage.work, hash_join(x, self.id).keys.len(), width)
    }

    /// Reads the inner input: into the table, and what does not fit into the parts.
    fn build(&mut self, x: &mut Exec<'_>) -> PgResult<()> {
        let node = hash_join(x, self.id);
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        let keeps_unmatched = matches!(node.join, JoinType::Right | JoinType::Full);
        self.table = Some(self.new_table(x));
        let mut keys = Vec::with_capacity(node.keys.len());
        let mut rows = 0_u64;
        while self.inner.next(x)? {
            x.ctx.check_for_interrupts()?;
            keys.clear();
            for key in &node.keys {
                keys.push(x.value(&key.inner)?.clone());
            }
            let mut hash = hash_keys(node.keys.iter().map(|key| key.inner_type).zip(&keys));
            if keys.iter().any(Datum::is_null) {
                // NULL equals nothing; the row only counts if it comes out unmatched, of whichever part.
                if !keeps_unmatched {
                    continue;
                }
                hash = hash_keys(std::iter::once((20, &Datum::Int8(rows as i64))));
            }
            rows += 1;
            let values = slots.iter().map(|slot| x.frame[slot.index()].clone());
            self.keep_inner(x, hash, keys.drain(..), values)?;
        }
        self.note_table(x);
        Ok(())
    }

    /// Keeps an inner row in the table or, if it is of a later part, in the file.
    fn keep_inner(
        &mut self,
        x: &Exec<'_>,
        hash: u64,
        keys: impl IntoIterator<Item = Datum>,
        values: impl IntoIterator<Item = Datum>,
    ) -> PgResult<()> {
        let table = self.table.as_mut().expect("being built");
        if let Some(batches) = &mut self.batches
            && !batches.is_current(hash)
        {
            let row: Vec<Datum> = keys.into_iter().chain(values).collect();
            return batches.put(Side::Inner, hash, &row);
        }
        table.insert(hash, keys, values)?;
        if table.bytes() > x.ctx.storage.work.hash_bytes { self.divide(x) } else { Ok(()) }
    }

    /// The table is too large: doubles the parts, and writes out what is of a later one now.
    #[cold]
    fn divide(&mut self, x: &Exec<'_>) -> PgResult<()> {
        let work = &x.ctx.storage.work;
        let table = self.table.as_mut().expect("being built");
        let batches = match &mut self.batches {
            Some(batches) => batches,
            None => self.batches.insert(Box::new(Batches::new(work)?)),
        };
        if !batches.grows || table.bytes() < batches.worth_bytes() {
            return Ok(());
        }
        batches.double()?;
        let fresh = Table::new(work, table.keys.width(), table.rows.width());
        let full = std::mem::replace(table, fresh);
        full.each_row(|hash, keys, values| {
            if batches.is_current(hash) {
                table.insert(hash, keys.iter().cloned(), values.iter().cloned())
            } else {
                batches.put(Side::Inner, hash, keys.iter().chain(values))
            }
        })?;
        batches.grows = table.len() > 0 && table.len() < full.len();
        Ok(())
    }

    /// Goes to the next part: fills the table with its inner rows. False if there is none.
    fn next_batch(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let fresh = self.new_table(x);
        let Some(batches) = &mut self.batches else { return Ok(false) };
        if !batches.advance()? {
            return Ok(false);
        }
        self.table = Some(fresh);
        let mut rows = batches.take_inner();
        let (keys, width) =
            (hash_join(x, self.id).keys.len(), x.plan.nodes[self.inner.id().index()].live.len());
        while let Some(row) = self.batches.as_mut().expect("just used").next_inner(&mut rows, keys, width)? {
            x.ctx.check_for_interrupts()?;
            self.keep_inner(x, row.hash, row.keys, row.values)?;
        }
        (self.unmatched, self.open) = (None, false);
        self.note_table(x);
        Ok(true)
    }

    fn note_table(&self, x: &mut Exec<'_>) {
        let table = self.table.as_ref().expect("built");
        let (buckets, kib) = (table.buckets() as u64, (table.bytes() as u64).div_ceil(1024));
        let batches = self.batches.as_ref().map_or(1, |batches| batches.count() as u64);
        x.note(self.inner.id(), |stats| {
            let (buckets, kib) = match stats.detail {
                Some(NodeDetail::Hash { buckets: old, kib: most, .. }) => (old.max(buckets), most.max(kib)),
                _ => (buckets, kib),
            };
            stats.detail = Some(NodeDetail::Hash { buckets, batches, kib });
        });
    }

    /// Fetches an outer row of the current part and looks its chain up; false at the end.
    fn next_outer(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let hash = loop {
            let first = self.batches.as_ref().is_none_or(|batches| batches.is_first());
            let fetched = if first { self.fetch_outer(x)? } else { self.fetch_kept(x)? };
            let Some(hash) = fetched else { return Ok(false) };
            let Some(batches) = &mut self.batches else { break hash };
            let Some(known) = hash else { break hash };
            if batches.is_current(known) {
                break hash;
            }
            let slots = &x.plan.nodes[self.outer.id().index()].live;
            let values = slots.iter().map(|slot| &x.frame[slot.index()]);
            batches.put(Side::Outer, known, self.keys.iter().chain(values))?;
            x.ctx.check_for_interrupts()?;
        };
        (self.open, self.matched) = (true, false);
        self.candidate = hash.map_or(NONE, |hash| self.table.as_ref().expect("built").find(hash));
        Ok(true)
    }

    /// The outer input's next row and the hash of its keys, none if one is NULL. Nothing at the end.
    fn fetch_outer(&mut self, x: &mut Exec<'_>) -> PgResult<Option<Option<u64>>> {
        if !self.outer.next(x)? {
            return Ok(None);
        }
        let node = hash_join(x, self.id);
        self.keys.clear();
        for key in &node.keys {
            let value = x.value(&key.outer)?.clone();
            self.keys.push(value);
        }
        if self.keys.iter().any(Datum::is_null) {
            return Ok(Some(None));
        }
        Ok(Some(Some(hash_keys(node.keys.iter().map(|key| key.outer_type).zip(&self.keys)))))
    }

    /// As [`Self::fetch_outer`], of the rows kept for the current part.
    fn fetch_kept(&mut self, x: &mut Exec<'_>) -> PgResult<Option<Option<u64>>> {
        let slots = &x.plan.nodes[self.outer.id().index()].live;
        let batches = self.batches.as_mut().expect("rows were kept");
        let keys = hash_join(x, self.id).keys.len();
        let Some(row) = batches.next_outer(keys, slots.len())? else { return Ok(None) };
        for (slot, value) in slots.iter().zip(row.values) {
            x.frame[slot.index()] = value;
        }
        self.keys = row.keys;
        Ok(Some(Some(row.hash)))
    }

    /// The next inner row that matches the outer row, loaded into its slots.
    fn next_match(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = hash_join(x, self.id);
        let table = self.table.as_mut().expect("built");
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        'candidates: while self.candidate != NONE {
            let row = self.candidate as usize;
            self.candidate = table.older(row);
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

    /// The next inner row of the current part that nothing matched, from `row` on.
    fn next_unmatched(&mut self, x: &mut Exec<'_>, mut row: usize) -> bool {
        let table = self.table.as_ref().expect("built");
        while row < table.len() && table.matched[row] {
            row += 1;
        }
        self.unmatched = Some(row + 1);
        if row >= table.len() {
            return false;
        }
        null_slots(x, self.outer.id());
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        table.rows.load(x, slots, row);
        true
    }

    /// Whether an empty table says that there is nothing to deliver, whatever the outer rows are.
    fn is_over(&self, join: JoinType) -> bool {
        let empty = self.table.as_ref().is_some_and(|table| table.len() == 0);
        empty && self.batches.is_none() && matches!(join, JoinType::Inner | JoinType::Semi | JoinType::Right)
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
            if self.is_over(node.join) {
                self.unmatched = Some(0);
            }
        }
        let fills_inner = matches!(node.join, JoinType::Right | JoinType::Full);
        loop {
            if let Some(row) = self.unmatched {
                if self.next_unmatched(x, row) {
                    return Ok(true);
                }
                if !self.next_batch(x)? {
                    return Ok(false);
                }
            }
            if !self.open && !self.next_outer(x)? {
                // Only these joins want the rows that nothing matched; the others are done with the part.
                let rows = self.table.as_ref().map_or(0, Table::len);
                self.unmatched = Some(if fills_inner { 0 } else { rows });
                continue;
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
            // The table still holds all inner rows.
            Some(table) if !depends && self.batches.is_none() => {
                table.matched.iter_mut().for_each(|matched| *matched = false);
                if self.is_over(hash_join(x, self.id).join) {
                    self.unmatched = Some(0);
                }
            }
            Some(_) => {
                (self.table, self.batches) = (None, None);
                self.inner.rescan(x, changed)?;
            }
            None => {}
        }
        self.outer.rescan(x, changed)
    }
}
