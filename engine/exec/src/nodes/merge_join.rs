//! MergeJoin: two inputs sorted by the keys.
//!
//! Inner rows with equal keys are gathered into a group, which is gone through for each outer row
//! with those keys; nothing is read twice. A row with a NULL key matches nothing.

use super::nested_loop::null_slots;
use crate::exec::Exec;
use crate::node::{Node, PlanState};
use crate::rows::RowStore;
use crate::spill::tuple_store::TupleStore;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, compare};
use redoubt_plan::join::{JoinType, MergeJoin, MergeKey};
use redoubt_plan::{NodeId, NodeKind, SlotSet};
use std::cmp::Ordering;

pub(crate) struct MergeJoinState {
    id: NodeId,
    outer: PlanState,
    inner: PlanState,
    phase: Phase,
    outer_keys: Vec<Datum>,
    /// The outer row, kept while unmatched inner rows are delivered in between.
    outer_row: RowStore,
    matched: bool,
    /// The next inner row, read ahead.
    ahead: Option<Row>,
    inner_done: bool,
    /// Inner rows with equal keys, and those keys.
    group: TupleStore,
    group_keys: Vec<Datum>,
    group_matched: Vec<bool>,
    /// Where in the group the outer row is, or where its unmatched rows are being delivered.
    at: usize,
}

struct Row {
    keys: Vec<Datum>,
    values: Vec<Datum>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Fetch an outer row.
    NextOuter,
    /// The group has the outer row's keys.
    Group,
    /// Deliver the group's unmatched rows, then seek.
    FlushGroup,
    /// Move the inner side up to the outer row.
    Seek,
    /// The outer side is used up: deliver what is left of the inner one.
    Drain,
}

impl MergeJoinState {
    pub(crate) fn new(id: NodeId, outer: PlanState, inner: PlanState) -> Self {
        MergeJoinState {
            id,
            outer,
            inner,
            phase: Phase::NextOuter,
            outer_keys: Vec::new(),
            outer_row: RowStore::default(),
            matched: false,
            ahead: None,
            inner_done: false,
            group: TupleStore::default(),
            group_keys: Vec::new(),
            group_matched: Vec::new(),
            at: 0,
        }
    }

    /// Reads an inner row ahead, if none is.
    fn fill_ahead(&mut self, x: &mut Exec<'_>) -> PgResult<()> {
        if self.ahead.is_some() || self.inner_done {
            return Ok(());
        }
        if !self.inner.next(x)? {
            self.inner_done = true;
            return Ok(());
        }
        let node = merge_join(x, self.id);
        let mut keys = Vec::with_capacity(node.keys.len());
        for key in &node.keys {
            keys.push(x.value(&key.inner)?.clone());
        }
        let slots = &x.plan.nodes[self.inner.id().index()].live;
        let values = slots.iter().map(|slot| x.get(*slot).clone()).collect();
        self.ahead = Some(Row { keys, values });
        Ok(())
    }

    /// Fetches an outer row and decides what to do with it; false at the end.
    fn next_outer(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if !self.outer.next(x)? {
            return Ok(false);
        }
        let node = merge_join(x, self.id);
        self.matched = false;
        self.outer_keys.clear();
        for key in &node.keys {
            let value = x.value(&key.outer)?.clone();
            self.outer_keys.push(value);
        }
        if fills_inner(node.join) {
            let slots = &x.plan.nodes[self.outer.id().index()].live;
            self.outer_row = RowStore::new(slots.len());
            self.outer_row.push(x, slots);
        }
        let same = self.group.len() > 0
            && !self.outer_keys.iter().any(Datum::is_null)
            && compare_keys(&node.keys, &self.outer_keys, &self.group_keys).is_eq();
        self.at = 0;
        self.phase = if same { Phase::Group } else { Phase::FlushGroup };
        Ok(true)
    }

    /// The next row of the group that matches the outer row.
    fn next_in_group(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = merge_join(x, self.id);
        while self.at < self.group.len() {
            let at = self.at;
            self.at += 1;
            let slots = &x.plan.nodes[self.inner.id().index()].live;
            self.group.load(x, slots, at)?;
            if let Some(condition) = &node.condition {
                if !x.run(&condition.program)? {
                    continue;
                }
            }
            self.group_matched[at] = true;
            return Ok(true);
        }
        Ok(false)
    }

    /// The next inner row of the finished group that matched nothing, if such rows are wanted.
    fn next_flushed(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = merge_join(x, self.id);
        while fills_inner(node.join) && self.at < self.group.len() {
            let at = self.at;
            self.at += 1;
            if !self.group_matched[at] {
                null_slots(x, self.outer.id());
                let slots = &x.plan.nodes[self.inner.id().index()].live;
                self.group.load(x, slots, at)?;
                return Ok(true);
            }
        }
        self.group.clear();
        self.group_matched.clear();
        Ok(false)
    }

    /// Brings the inner side up to the outer row. True if a row is to be delivered on the way.
    fn seek(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = merge_join(x, self.id);
        let outer_null = self.outer_keys.iter().any(Datum::is_null);
        while !outer_null {
            x.ctx.check_for_interrupts()?;
            self.fill_ahead(x)?;
            let Some(ahead) = &self.ahead else { break };
            let inner_null = ahead.keys.iter().any(Datum::is_null);
            let order = compare_keys(&node.keys, &self.outer_keys, &ahead.keys);
            if !inner_null && order.is_eq() {
                self.gather(x)?;
                (self.phase, self.at) = (Phase::Group, 0);
                self.restore_outer(x);
                return Ok(false);
            }
            if !inner_null && order.is_lt() {
                break;
            }
            let row = self.ahead.take().expect("read ahead");
            if fills_inner(node.join) {
                null_slots(x, self.outer.id());
                load(x, self.inner.id(), &row.values);
                return Ok(true);
            }
        }
        self.phase = Phase::NextOuter;
        if fills_outer(node.join) {
            self.restore_outer(x);
            null_slots(x, self.inner.id());
            return Ok(true);
        }
        Ok(false)
    }

    fn gather(&mut self, x: &mut Exec<'_>) -> PgResult<()> {
        let node = merge_join(x, self.id);
        let work = &x.ctx.storage.work;
        let width = x.plan.nodes[self.inner.id().index()].live.len();
        self.group = TupleStore::new(work, width);
        let mut first = true;
        while let Some(row) = self.ahead.take() {
            self.group.push_row(work, row.values)?;
            if std::mem::take(&mut first) {
                self.group_keys = row.keys;
            }
            self.group_matched.push(false);
            self.fill_ahead(x)?;
            let same = self.ahead.as_ref().is_some_and(|ahead| {
                !ahead.keys.iter().any(Datum::is_null)
                    && node
                        .keys
                        .iter()
                        .zip(self.group_keys.iter().zip(&ahead.keys))
                        .all(|(key, (first, next))| compare::cmp(key.inner_type, first, next).is_eq())
            });
            if !same {
                break;
            }
        }
        Ok(())
    }

    /// Puts the outer row back after unmatched inner rows were delivered in its place.
    fn restore_outer(&self, x: &mut Exec<'_>) {
        if self.outer_row.len() == 1 {
            let slots = &x.plan.nodes[self.outer.id().index()].live;
            self.outer_row.load(x, slots, 0);
        }
    }

    fn drain(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        self.fill_ahead(x)?;
        match self.ahead.take() {
            Some(row) => {
                null_slots(x, self.outer.id());
                load(x, self.inner.id(), &row.values);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

fn merge_join<'a>(x: &Exec<'a>, id: NodeId) -> &'a MergeJoin {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::MergeJoin(node) => node,
        _ => unreachable!("the node is a merge join"),
    }
}

fn fills_inner(join: JoinType) -> bool {
    matches!(join, JoinType::Right | JoinType::Full)
}

fn fills_outer(join: JoinType) -> bool {
    matches!(join, JoinType::Left | JoinType::Full | JoinType::Anti)
}

fn load(x: &mut Exec<'_>, id: NodeId, values: &[Datum]) {
    for (slot, value) in x.plan.nodes[id.index()].live.iter().zip(values) {
        x.frame[slot.index()] = value.clone();
    }
}

/// Compares an outer row's keys with an inner row's, in the order of the inputs.
fn compare_keys(keys: &[MergeKey], outer: &[Datum], inner: &[Datum]) -> Ordering {
    for (key, (outer, inner)) in keys.iter().zip(outer.iter().zip(inner)) {
        let order = match (outer.is_null(), inner.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => return if key.nulls_first { Ordering::Less } else { Ordering::Greater },
            (false, true) => return if key.nulls_first { Ordering::Greater } else { Ordering::Less },
            (false, false) => {
                let order = compare_mixed(key.inner_type, outer, inner);
                if key.descending { order.reverse() } else { order }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Compares values of one operator family: of one type, or numbers of two widths.
fn compare_mixed(type_oid: u32, left: &Datum, right: &Datum) -> Ordering {
    let int = |value: &Datum| match value {
        Datum::Int2(value) => Some(i64::from(*value)),
        Datum::Int4(value) => Some(i64::from(*value)),
        Datum::Int8(value) => Some(*value),
        _ => None,
    };
    let float = |value: &Datum| match value {
        Datum::Float4(value) => Some(f64::from(*value)),
        Datum::Float8(value) => Some(*value),
        _ => None,
    };
    if let (Some(left), Some(right)) = (int(left), int(right)) {
        return left.cmp(&right);
    }
    if let (Some(left), Some(right)) = (float(left), float(right)) {
        return compare::cmp_float(left, right);
    }
    compare::cmp(type_oid, left, right)
}

impl Node for MergeJoinState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let node = merge_join(x, self.id);
        loop {
            match self.phase {
                Phase::NextOuter => {
                    if !self.next_outer(x)? {
                        if !fills_inner(node.join) {
                            return Ok(false);
                        }
                        (self.phase, self.at) = (Phase::Drain, 0);
                    }
                }
                Phase::Group => {
                    if self.next_in_group(x)? {
                        self.matched = true;
                        if node.join == JoinType::Anti {
                            self.phase = Phase::NextOuter;
                            continue;
                        }
                        if node.single_match || node.join == JoinType::Semi {
                            self.phase = Phase::NextOuter;
                        }
                        return Ok(true);
                    }
                    self.phase = Phase::NextOuter;
                    if !self.matched && fills_outer(node.join) {
                        null_slots(x, self.inner.id());
                        return Ok(true);
                    }
                }
                Phase::FlushGroup => {
                    if self.next_flushed(x)? {
                        return Ok(true);
                    }
                    self.phase = Phase::Seek;
                }
                Phase::Seek => {
                    if self.seek(x)? {
                        return Ok(true);
                    }
                }
                Phase::Drain => {
                    if self.next_flushed(x)? {
                        return Ok(true);
                    }
                    return self.drain(x);
                }
            }
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.phase = Phase::NextOuter;
        (self.ahead, self.inner_done) = (None, false);
        self.group.clear();
        self.group_matched.clear();
        self.outer.rescan(x, changed)?;
        self.inner.rescan(x, changed)
    }
}
