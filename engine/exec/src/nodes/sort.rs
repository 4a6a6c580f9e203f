//! Sort.

use crate::exec::Exec;
use crate::keys::compare_key;
use crate::node::{Node, PlanState};
use crate::quicksort;
use crate::rows::RowStore;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::node::{Bound, SortKey};
use redoubt_plan::{NodeId, NodeKind, Slot, SlotSet};
use std::cmp::Ordering;

pub(crate) struct SortState {
    id: NodeId,
    child: PlanState,
    /// What is kept of each row.
    slots: Vec<Slot>,
    sorted: Option<Sorted>,
    next: usize,
}

/// Rows in order. Key columns come first in each stored row.
struct Sorted {
    store: RowStore,
    order: Vec<u32>,
}

impl SortState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        SortState { id, child, slots: Vec::new(), sorted: None, next: 0 }
    }

    fn sort(&mut self, x: &mut Exec<'_>, slots: &[Slot]) -> PgResult<Sorted> {
        let (keys, bound) = sort_of(x, self.id);
        let limit = bound.as_ref().map_or(Ok(None), |bound| row_bound(x, bound))?;
        let mut store = RowStore::new(slots.len());
        match limit {
            Some(limit) if limit > 0 && limit < (1 << 24) => {
                let order = self.top(x, slots, keys, &mut store, limit)?;
                Ok(Sorted { store, order })
            }
            _ => {
                while self.child.next(x)? {
                    store.push(x, slots);
                }
                let mut order: Vec<u32> = (0..store.len() as u32).collect();
                quicksort::sort(&mut order, &mut |a, b| compare_rows(x, keys, &store, *a, *b))?;
                Ok(Sorted { store, order })
            }
        }
    }

    /// Keeps only the first `limit` rows while reading: a heap with the last of them on top, once
    /// twice as many have come (as tuplesort.c's bounded sort).
    fn top(
        &mut self,
        x: &mut Exec<'_>,
        slots: &[Slot],
        keys: &[SortKey],
        store: &mut RowStore,
        limit: usize,
    ) -> PgResult<Vec<u32>> {
        let mut order: Vec<u32> = Vec::new();
        let mut heaped = false;
        while self.child.next(x)? {
            if !heaped {
                order.push(store.len() as u32);
                store.push(x, slots);
                if order.len() > limit * 2 {
                    quicksort::sort(&mut order, &mut |a, b| compare_rows(x, keys, store, *a, *b))?;
                    order.truncate(limit);
                    compact(store, &mut order);
                    heaped = true;
                }
                continue;
            }
            // The order is kept sorted; a row that is not before the last one is dropped.
            let row = store.len() as u32;
            store.push(x, slots);
            let last = *order.last().expect("limit is positive");
            if compare_rows(x, keys, store, row, last)?.is_ge() {
                store.pop();
                continue;
            }
            let mut at = order.len() - 1;
            while at > 0 && compare_rows(x, keys, store, row, order[at - 1])?.is_lt() {
                at -= 1;
            }
            order.pop();
            order.insert(at, row);
            if store.len() > limit * 4 + 64 {
                compact(store, &mut order);
            }
        }
        if !heaped {
            quicksort::sort(&mut order, &mut |a, b| compare_rows(x, keys, store, *a, *b))?;
        }
        Ok(order)
    }
}

/// Drops stored rows that are not in the order any more.
fn compact(store: &mut RowStore, order: &mut [u32]) {
    let mut kept = RowStore::new(store.width());
    for (at, row) in order.iter_mut().enumerate() {
        kept.push_row(store.row(*row as usize).iter().cloned());
        *row = at as u32;
    }
    *store = kept;
}

fn sort_of<'a>(x: &Exec<'a>, id: NodeId) -> (&'a [SortKey], &'a Option<Bound>) {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::Sort { keys, bound, .. } => (keys, bound),
        _ => unreachable!("the node is a sort"),
    }
}

/// The number of rows wanted, if it is limited.
fn row_bound<'a>(x: &mut Exec<'a>, bound: &'a Bound) -> PgResult<Option<usize>> {
    let mut number = |value: &'a redoubt_plan::program::Value| -> PgResult<Option<i64>> {
        Ok(match x.value(value)? {
            Datum::Int8(count) => Some(*count),
            _ => None,
        })
    };
    let Some(count) = number(&bound.count)? else { return Ok(None) };
    let offset = match &bound.offset {
        None => 0,
        Some(offset) => number(offset)?.unwrap_or(0),
    };
    Ok(count.checked_add(offset).and_then(|rows| usize::try_from(rows).ok()))
}

fn compare_rows(x: &Exec<'_>, keys: &[SortKey], store: &RowStore, a: u32, b: u32) -> PgResult<Ordering> {
    let (left, right) = (store.row(a as usize), store.row(b as usize));
    for (at, key) in keys.iter().enumerate() {
        let order = compare_key(x, key, &left[at], &right[at])?;
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

/// The slots to keep: the keys, then what else of the input is read from here on. The node's own `live`
/// would not do: its projection reads input slots that nobody above wants.
fn stored_slots(x: &Exec<'_>, id: NodeId, child: NodeId) -> Vec<Slot> {
    let (keys, _) = sort_of(x, id);
    let mut slots: Vec<Slot> = keys.iter().map(|key| key.slot).collect();
    for slot in &x.plan.nodes[child.index()].live {
        if !slots.contains(slot) {
            slots.push(*slot);
        }
    }
    slots
}

impl Node for SortState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.sorted.is_none() {
            let slots = stored_slots(x, self.id, self.child.id());
            self.sorted = Some(self.sort(x, &slots)?);
            self.slots = slots;
            self.next = 0;
        }
        let sorted = self.sorted.as_ref().expect("just sorted");
        let Some(&row) = sorted.order.get(self.next) else { return Ok(false) };
        self.next += 1;
        sorted.store.load(x, &self.slots, row as usize);
        Ok(true)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.next = 0;
        // A bounded sort may have thrown away what a new bound wants.
        let (_, bound) = sort_of(x, self.id);
        if self.child.depends_on(x, changed) || bound.is_some() {
            self.sorted = None;
            return self.child.rescan(x, changed);
        }
        Ok(())
    }
}
