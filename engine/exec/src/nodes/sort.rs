//! Sort.

use crate::exec::Exec;
use crate::keys::compare_key;
use crate::node::{Node, PlanState};
use crate::spill::ExternalSort;
use crate::spill::external_sort::TopItems;
use crate::spill::sorted_row::SortedRow;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::explain::NodeDetail;
use redoubt_plan::node::{Bound, SortKey};
use redoubt_plan::{NodeId, NodeKind, Slot, SlotSet};
use std::cmp::Ordering;

pub(crate) struct SortState {
    id: NodeId,
    child: PlanState,
    /// What is kept of each row: the keys come first.
    slots: Vec<Slot>,
    sorted: Option<ExternalSort<SortedRow>>,
}

impl SortState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        SortState { id, child, slots: Vec::new(), sorted: None }
    }

    fn sort(&mut self, x: &mut Exec<'_>, slots: &[Slot]) -> PgResult<ExternalSort<SortedRow>> {
        let (keys, bound) = sort_of(x, self.id);
        let wanted = bound.as_ref().map_or(Ok(None), |bound| row_bound(x, bound))?.filter(|rows| *rows > 0);
        let work = &x.ctx.storage.work;
        let mut sort = ExternalSort::new(work, work.sort_bytes);
        let mut top: Option<TopItems<SortedRow>> = None;
        while self.child.next(x)? {
            let row = SortedRow::of(x, slots);
            let mut compare = |a: &SortedRow, b: &SortedRow| compare_rows(x, keys, a, b);
            if let Some(top) = &mut top {
                top.push(&mut sort, row, &mut compare)?;
                continue;
            }
            sort.push(row, &mut compare)?;
            // Rows that cannot come out any more are not kept (as tuplesort.c's bounded sort).
            if let (Some(wanted), Some(rows)) = (wanted, sort.in_memory())
                && (rows > wanted.saturating_mul(2) || rows > wanted && sort.is_full())
            {
                top = Some(TopItems::of(&mut sort, wanted, &mut compare)?);
            }
        }
        let mut compare = |a: &SortedRow, b: &SortedRow| compare_rows(x, keys, a, b);
        let in_heap = top.is_some();
        match top {
            Some(top) => top.finish(&mut sort, &mut compare)?,
            None => sort.finish(&mut compare)?,
        }
        let detail = match sort.disk_kib() {
            Some(kib) => NodeDetail::Sort { method: "external merge", kib, disk: true },
            None => {
                let method = if in_heap { "top-N heapsort" } else { "quicksort" };
                NodeDetail::Sort { method, kib: sort.memory_kib(), disk: false }
            }
        };
        x.note(self.id, |stats| stats.detail = Some(detail));
        Ok(sort)
    }
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

fn compare_rows(x: &Exec<'_>, keys: &[SortKey], left: &SortedRow, right: &SortedRow) -> PgResult<Ordering> {
    for (key, (left, right)) in keys.iter().zip(left.0.iter().zip(&right.0)) {
        let order = compare_key(x, key, left, right)?;
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
        }
        let (keys, _) = sort_of(x, self.id);
        let sorted = self.sorted.as_mut().expect("just sorted");
        let Some(row) = sorted.next(&mut |a, b| compare_rows(x, keys, a, b))? else { return Ok(false) };
        row.load(x, &self.slots);
        Ok(true)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        // A bounded sort may have thrown away what a new bound wants.
        let (keys, bound) = sort_of(x, self.id);
        if self.child.depends_on(x, changed) || bound.is_some() {
            self.sorted = None;
            return self.child.rescan(x, changed);
        }
        match &mut self.sorted {
            Some(sorted) => sorted.rewind(&mut |a, b| compare_rows(x, keys, a, b)),
            None => Ok(()),
        }
    }
}
