//! Window functions: a partition at a time, its rows kept while each gets its results.

mod frame;
mod functions;

use crate::aggregates::CallState;
use crate::exec::Exec;
use crate::keys::same_key;
use crate::node::{Node, PlanState};
use crate::spill::Reservation;
use crate::spill::tuple_store::TupleStore;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use redoubt_plan::node::GroupKey;
use redoubt_plan::window::{Bound, WindowFunction, Windowing};
use redoubt_plan::{NodeId, NodeKind, Slot, SlotSet};

pub(crate) struct WindowState {
    id: NodeId,
    child: PlanState,
    /// What is kept of each row.
    slots: Vec<Slot>,
    partition: Option<Partition>,
    /// The first row of the next partition.
    pending: Option<Vec<Datum>>,
    input_done: bool,
    /// The frame's offsets, computed once.
    offsets: Option<(Datum, Datum)>,
}

/// The rows of one partition.
pub(crate) struct Partition {
    rows: TupleStore,
    /// Per row, the number of its peer group.
    group_of: Vec<u32>,
    /// Per peer group, its first row; then the number of rows.
    group_starts: Vec<usize>,
    /// The row to deliver next.
    next: usize,
    /// Where the frame of the row before was: frames of RANGE only move forward.
    frame: (usize, usize),
    aggregates: Vec<Option<Running>>,
    /// The aggregates' states and the numbers of peer groups.
    held: Reservation,
    /// NTILE's argument, taken from the first row.
    ntile: Vec<Option<i64>>,
}

/// An aggregate that goes along with the frame.
struct Running {
    state: CallState,
    /// The rows it has taken in.
    from: usize,
    upto: usize,
}

impl Partition {
    fn len(&self) -> usize {
        self.rows.len()
    }

    /// The peers of a row, from and to before.
    fn peers(&self, row: usize) -> (usize, usize) {
        let group = self.group_of[row] as usize;
        (self.group_starts[group], self.group_starts[group + 1])
    }
}

impl WindowState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        WindowState {
            id,
            child,
            slots: Vec::new(),
            partition: None,
            pending: None,
            input_done: false,
            offsets: None,
        }
    }

    /// Reads the next partition; false if there is none.
    fn read_partition(&mut self, x: &mut Exec<'_>, node: &Windowing) -> PgResult<bool> {
        if self.slots.is_empty() {
            self.slots = kept_slots(x, node, self.child.id());
        }
        let work = &x.ctx.storage.work;
        let mut rows = TupleStore::new(work, self.slots.len());
        let mut held = work.reserve();
        let first = match self.pending.take() {
            Some(row) => row,
            None => {
                if self.input_done || !self.child.next(x)? {
                    self.input_done = true;
                    return Ok(false);
                }
                self.slots.iter().map(|slot| x.get(*slot).clone()).collect()
            }
        };
        rows.push_row(work, first.iter().cloned())?;
        // Without ORDER BY all rows are peers.
        let (mut group_of, mut group_starts) = (vec![0], vec![0]);
        let mut last = first.clone();
        while !self.input_done {
            x.ctx.check_for_interrupts()?;
            if !self.child.next(x)? {
                self.input_done = true;
                break;
            }
            let row: Vec<Datum> = self.slots.iter().map(|slot| x.get(*slot).clone()).collect();
            if !self.same(x, &node.partition, &first, &row)? {
                self.pending = Some(row);
                break;
            }
            if !self.same(x, &node.order, &last, &row)? {
                group_starts.push(rows.len());
            }
            group_of.push(group_starts.len() as u32 - 1);
            held.add(size_of::<u32>() + size_of::<usize>())?;
            rows.push_row(work, row.iter().cloned())?;
            last = row;
        }
        group_starts.push(rows.len());
        self.partition = Some(Partition {
            rows,
            group_of,
            group_starts,
            next: 0,
            frame: (0, 0),
            aggregates: node.calls.iter().map(|_| None).collect(),
            held,
            ntile: vec![None; node.calls.len()],
        });
        Ok(true)
    }

    fn same(&self, x: &Exec<'_>, keys: &[GroupKey], left: &[Datum], right: &[Datum]) -> PgResult<bool> {
        for key in keys {
            let at = self.slots.iter().position(|slot| *slot == key.slot).expect("keys are kept");
            if !same_key(x, &key.equality, &left[at], &right[at])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn compute_offsets<'a>(&mut self, x: &mut Exec<'a>, node: &'a Windowing) -> PgResult<()> {
        if self.offsets.is_some() {
            return Ok(());
        }
        let start = offset(x, &node.frame.start, "starting")?;
        let end = offset(x, &node.frame.end, "ending")?;
        self.offsets = Some((start, end));
        Ok(())
    }
}

/// A bound's offset; NULL if it has none.
fn offset<'a>(x: &mut Exec<'a>, bound: &'a Bound, which: &str) -> PgResult<Datum> {
    let (Bound::Preceding(value) | Bound::Following(value)) = bound else { return Ok(Datum::Null) };
    let value = x.value(value)?.clone();
    let negative = match &value {
        Datum::Null => {
            let message = format!("frame {which} offset must not be null");
            return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, message));
        }
        Datum::Int8(value) => *value < 0,
        // RANGE offsets of other types are checked by `in_range`.
        _ => false,
    };
    if negative {
        let message = format!("frame {which} offset must not be negative");
        return Err(PgError::new(code::INVALID_PRECEDING_OR_FOLLOWING_SIZE, message));
    }
    Ok(value)
}

/// The child's live slots, and those of the keys.
fn kept_slots(x: &Exec<'_>, node: &Windowing, child: NodeId) -> Vec<Slot> {
    let mut slots: Vec<Slot> = x.plan.nodes[child.index()].live.to_vec();
    for key in node.partition.iter().chain(&node.order) {
        if !slots.contains(&key.slot) {
            slots.push(key.slot);
        }
    }
    // A node must keep something even if nobody reads its input.
    slots
}

fn windowing<'a>(x: &Exec<'a>, id: NodeId) -> &'a Windowing {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::Window(node) => node,
        _ => unreachable!("the node is a window node"),
    }
}

impl Node for WindowState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = windowing(x, self.id);
        self.compute_offsets(x, node)?;
        if self.partition.as_ref().is_none_or(|partition| partition.next >= partition.len())
            && !self.read_partition(x, node)?
        {
            self.partition = None;
            return Ok(false);
        }
        let mut partition = self.partition.take().expect("a partition was read");
        let offsets = self.offsets.clone().expect("computed");
        let row = partition.next;
        partition.next += 1;
        let cx = functions::Window { node, slots: &self.slots, offsets: &offsets };
        let needs_frame = node.calls.iter().any(|call| functions::looks_at_frame(&call.function));
        let frame = if needs_frame { cx.frame(x, &mut partition, row)? } else { (0, 0) };
        let mut results = Vec::with_capacity(node.calls.len());
        for (at, call) in node.calls.iter().enumerate() {
            results.push(match &call.function {
                WindowFunction::Aggregate(aggregate) => {
                    cx.aggregate(x, &mut partition, at, aggregate, row, frame)?
                }
                WindowFunction::Builtin { .. } => {
                    cx.builtin(x, &mut partition, at, &call.function, row, frame)?
                }
            });
        }
        partition.rows.load(x, &self.slots, row)?;
        for (call, value) in node.calls.iter().zip(results) {
            x.set(call.out, value);
        }
        self.partition = Some(partition);
        Ok(true)
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        (self.partition, self.pending, self.input_done, self.offsets) = (None, None, false, None);
        self.child.rescan(x, changed)
    }
}
