//! IndexScan: rows in the order of a B-tree, within the range that the conditions leave; of a hash index, those that
//! have the hash code that is looked for; of a GiST index, those that a search comes to.
//!
//! Equalities on leading columns, then a range on the next, bound what is read; what other
//! conditions ask is tested on the rows. Lists of values are read one after the other.

mod only;
mod search;

pub(super) use search::search_conditions;

use crate::exec::Exec;
use crate::index_key::{encode_column, hash_code, key_type};
use crate::node::Node;
use crate::table::TableReader;
use only::IndexOnly;
use redoubt_access::{BTreeScan, Direction, FetchBuf, GistSearch, KeyRange};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid, ScalarFn, types};
use redoubt_plan::explain::NodeDetail;
use redoubt_plan::facts::{IndexColumn, IndexFacts, IndexForm};
use redoubt_plan::scan::{IndexCondition, IndexScan, IndexTest};
use redoubt_plan::{NodeId, NodeKind, SlotSet};
use std::ops::Bound;

pub(crate) struct IndexScanState {
    id: NodeId,
    table: Option<TableReader>,
    scan: Option<BTreeScan>,
    /// In place of a scan, in an index that is searched.
    search: Option<GistSearch>,
    /// Ranges still to be read, the next one last.
    ranges: Vec<KeyRange>,
    started: bool,
    buf: FetchBuf,
    only: Option<IndexOnly>,
}

impl IndexScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        IndexScanState {
            id,
            table: None,
            scan: None,
            search: None,
            ranges: Vec::new(),
            started: false,
            buf: FetchBuf::default(),
            only: None,
        }
    }

    fn open_table(&mut self, x: &Exec<'_>, node: &IndexScan) -> PgResult<()> {
        if self.table.is_none() {
            self.table = Some(TableReader::open(x, node.scan.range)?);
            self.only = IndexOnly::new(node);
        }
        Ok(())
    }

    /// Computes the ranges and goes to the first.
    fn start<'a>(&mut self, x: &mut Exec<'a>, node: &'a IndexScan) -> PgResult<()> {
        self.open_table(x, node)?;
        if let Some(only) = &mut self.only {
            only.forget();
        }
        self.ranges = ranges(x, &node.index, &node.conditions)?;
        if node.backward {
            self.ranges.reverse();
        }
        self.ranges.reverse();
        self.started = true;
        self.next_range(x, node)?;
        Ok(())
    }

    /// Goes to the next range; false when there is none.
    fn next_range(&mut self, x: &Exec<'_>, node: &IndexScan) -> PgResult<bool> {
        let Some(range) = self.ranges.pop() else {
            self.scan = None;
            return Ok(false);
        };
        match &mut self.scan {
            Some(scan) => scan.rescan(range),
            None => self.scan = Some(BTreeScan::new(x.ctx.storage.open_index(node.index.storage)?, range)),
        }
        Ok(true)
    }

    fn note(&self, x: &mut Exec<'_>) {
        if let Some(only) = &self.only {
            let fetches = only.heap_fetches;
            x.note(self.id, |stats| stats.detail = Some(NodeDetail::HeapFetches(fetches)));
        }
    }
}

impl Node for IndexScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::IndexScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if let IndexForm::Searched(columns) = &node.index.form {
            return self.next_found(x, node, columns);
        }
        if !self.started {
            self.start(x, node)?;
        }
        let direction = if node.backward { Direction::Backward } else { Direction::Forward };
        while let Some(scan) = &mut self.scan {
            x.ctx.check_for_interrupts()?;
            let table = self.table.as_ref().expect("opened at the start");
            let heap = &table.table.heap;
            let marks = if self.only.is_some() { heap.visibility_marks() } else { 0 };
            if !scan.advance(direction)? {
                if !self.next_range(x, node)? {
                    self.note(x);
                    return Ok(false);
                }
                continue;
            }
            let entry = scan.entry();
            let delivered = match &mut self.only {
                Some(only) => {
                    only.entry_read(scan.leaf_read(), marks);
                    only.deliver(heap, &node.index, &entry, &mut x.frame)?
                }
                None => false,
            };
            if !delivered {
                let found = heap.fetch_from_index(entry.tid, &x.ctx.storage.snapshot, &mut self.buf)?;
                let Some(tid) = found else { continue };
                table.deliver(&node.scan, tid, self.buf.tuple(), &mut x.frame)?;
            }
            // The entry may be another version's, and not every condition bounds the range.
            if x.run(&node.recheck.program)? {
                if x.meter.is_some() {
                    self.note(x);
                }
                return Ok(true);
            }
            x.note(self.id, |stats| stats.recheck_filtered += 1);
        }
        Ok(false)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        self.started = false;
        Ok(())
    }
}

/// One end of a range on one column.
#[derive(Clone)]
struct End {
    value: Datum,
    inclusive: bool,
}

/// What the conditions leave of one column.
#[derive(Default)]
struct ColumnRange {
    /// Equal to one of these values (NULL for IS NULL).
    points: Option<Vec<Datum>>,
    low: Option<End>,
    high: Option<End>,
    not_null: bool,
    /// No value satisfies the conditions.
    empty: bool,
}

/// The ranges of the index that can hold rows, in the index's order.
pub(super) fn ranges<'a>(
    x: &mut Exec<'a>,
    index: &IndexFacts,
    conditions: &'a [IndexCondition],
) -> PgResult<Vec<KeyRange>> {
    if let IndexForm::Hashed(functions) = &index.form {
        return hashed_ranges(x, functions, &index.columns[0], conditions);
    }
    let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
    for (at, column) in index.columns[..index.key_columns].iter().enumerate() {
        let mut range = ColumnRange::default();
        for condition in conditions.iter().filter(|condition| condition.column == at) {
            restrict(x, column, condition, &mut range)?;
        }
        if range.empty {
            return Ok(Vec::new());
        }
        match range.points.take() {
            Some(points) => {
                let mut next = Vec::with_capacity(prefixes.len() * points.len());
                for prefix in &prefixes {
                    for point in &points {
                        let mut key = prefix.clone();
                        encode_column(column, point, &mut key)?;
                        next.push(key);
                    }
                }
                next.sort_unstable();
                next.dedup();
                prefixes = next;
            }
            None => return prefixes.iter().map(|prefix| bounded(prefix, column, &range)).collect(),
        }
    }
    Ok(prefixes.iter().map(|prefix| KeyRange::prefix(prefix)).collect())
}

/// The hash codes that rows can have: those that all conditions leave.
fn hashed_ranges<'a>(
    x: &mut Exec<'a>,
    functions: &[(Oid, ScalarFn)],
    column: &IndexColumn,
    conditions: &'a [IndexCondition],
) -> PgResult<Vec<KeyRange>> {
    let mut left: Option<Vec<u32>> = None;
    for condition in conditions {
        let (type_oid, values) = match &condition.test {
            IndexTest::Compare { value, type_oid, .. } => (*type_oid, vec![x.value(value)?.clone()]),
            IndexTest::AnyOf { array, type_oid } => match x.value(array)? {
                Datum::Array(array) => (*type_oid, array.elems.to_vec()),
                _ => (*type_oid, Vec::new()),
            },
            // Of a hash index nothing else is asked.
            IndexTest::IsNull | IndexTest::NotNull => continue,
        };
        let values = values.iter().filter(|value| !value.is_null());
        let codes = values.map(|value| hash_code(functions, column, (type_oid, value), x.ctx.env));
        let mut codes: Vec<u32> = codes.collect::<PgResult<_>>()?;
        codes.retain(|code| left.as_ref().is_none_or(|left| left.contains(code)));
        left = Some(codes);
    }
    let mut codes = left.unwrap_or_default();
    codes.sort_unstable();
    codes.dedup();
    Ok(codes.iter().map(|code| KeyRange::prefix(&code.to_be_bytes())).collect())
}

/// The range of one column behind a prefix.
fn bounded(prefix: &[u8], column: &IndexColumn, range: &ColumnRange) -> PgResult<KeyRange> {
    // In a descending column the greater values come first.
    let (first, last) = if column.descending { (&range.high, &range.low) } else { (&range.low, &range.high) };
    let restricted = first.is_some() || last.is_some() || range.not_null;
    if !restricted {
        return Ok(KeyRange::prefix(prefix));
    }
    let encode = |value: &Datum| -> PgResult<Vec<u8>> {
        let mut key = prefix.to_vec();
        encode_column(column, value, &mut key)?;
        Ok(key)
    };
    let end = |end: &Option<End>| -> PgResult<Option<(Vec<u8>, bool)>> {
        end.as_ref().map(|end| Ok((encode(&end.value)?, end.inclusive))).transpose()
    };
    // NULLs lie at one end, and no comparison is true for them.
    let nulls = encode(&Datum::Null)?;
    let low = match end(first)? {
        Some(low) => Some(low),
        None if column.nulls_first => Some((nulls.clone(), false)),
        None => None,
    };
    let high = match end(last)? {
        Some(high) => Some(high),
        None if !column.nulls_first => Some((nulls, false)),
        None => None,
    };
    let bound = |end: &'_ Option<(Vec<u8>, bool)>| match end {
        None => Bound::Included(prefix.to_vec()),
        Some((key, true)) => Bound::Included(key.clone()),
        Some((key, false)) => Bound::Excluded(key.clone()),
    };
    let (low, high) = (bound(&low), bound(&high));
    Ok(KeyRange::new(low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice)))
}

/// Narrows a column's range by one condition.
fn restrict<'a>(
    x: &mut Exec<'a>,
    column: &IndexColumn,
    condition: &'a IndexCondition,
    range: &mut ColumnRange,
) -> PgResult<()> {
    match &condition.test {
        IndexTest::IsNull => keep_points(range, vec![Datum::Null], column),
        IndexTest::NotNull => range.not_null = true,
        IndexTest::AnyOf { array, .. } => {
            let values = match x.value(array)? {
                Datum::Array(array) => array.elems.clone(),
                _ => Vec::new(),
            };
            let points = values.into_iter().filter_map(|value| match fit(column, value, 3) {
                Fitted::Value(value) => Some(value),
                _ => None,
            });
            let points = points.collect();
            keep_points(range, points, column);
        }
        IndexTest::Compare { strategy, value, .. } => {
            let value = x.value(value)?.clone();
            match fit(column, value, *strategy) {
                Fitted::Nothing => range.empty = true,
                Fitted::Everything => range.not_null = true,
                Fitted::Value(value) => narrow(range, column, *strategy, value),
            }
        }
    }
    Ok(())
}

fn keep_points(range: &mut ColumnRange, mut points: Vec<Datum>, column: &IndexColumn) {
    let same = |a: &Datum, b: &Datum| match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => redoubt_functions::compare::eq(key_type(column), a, b),
        _ => false,
    };
    if let Some(known) = &range.points {
        points.retain(|point| known.iter().any(|other| same(point, other)));
    }
    range.empty |= points.is_empty();
    range.points = Some(points);
}

/// Takes a comparison into the range. The looser of two ends is dropped.
fn narrow(range: &mut ColumnRange, column: &IndexColumn, strategy: u8, value: Datum) {
    let tighter = |old: &Option<End>, inclusive: bool, above: bool| {
        old.as_ref().is_none_or(|old| {
            let order = redoubt_functions::compare::cmp(key_type(column), &value, &old.value);
            let order = if above { order } else { order.reverse() };
            order.is_gt() || order.is_eq() && !inclusive
        })
    };
    match strategy {
        1 | 2 => {
            if tighter(&range.high, strategy == 2, false) {
                range.high = Some(End { value, inclusive: strategy == 2 });
            }
        }
        4 | 5 => {
            if tighter(&range.low, strategy == 4, true) {
                range.low = Some(End { value, inclusive: strategy == 4 });
            }
        }
        _ => keep_points(range, vec![value], column),
    }
}

/// A comparison value made one of the column's type.
enum Fitted {
    Value(Datum),
    /// The comparison is true for no value.
    Nothing,
    /// The comparison is true for every value but NULL.
    Everything,
}

/// Integers of other widths are brought to the column's, or found to be beyond all its values.
fn fit(column: &IndexColumn, value: Datum, strategy: u8) -> Fitted {
    if value.is_null() {
        return Fitted::Nothing;
    }
    let wide = match value {
        Datum::Int2(value) => i64::from(value),
        Datum::Int4(value) => i64::from(value),
        Datum::Int8(value) => value,
        other => return Fitted::Value(other),
    };
    let (low, high) = match integer_range(key_type(column)) {
        Some(range) => range,
        None => return Fitted::Value(value),
    };
    if wide < low {
        return if matches!(strategy, 4 | 5) { Fitted::Everything } else { Fitted::Nothing };
    }
    if wide > high {
        return if matches!(strategy, 1 | 2) { Fitted::Everything } else { Fitted::Nothing };
    }
    Fitted::Value(match key_type(column) {
        types::INT2 => Datum::Int2(wide as i16),
        types::INT4 => Datum::Int4(wide as i32),
        _ => Datum::Int8(wide),
    })
}

fn integer_range(type_oid: Oid) -> Option<(i64, i64)> {
    match type_oid {
        types::INT2 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        types::INT4 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        types::INT8 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}
