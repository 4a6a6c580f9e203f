//! Nodes that pass rows through: Result, Values, Limit, Unique, Append, Material, Sort.

use crate::execution::{Cx, Execution};
use crate::state::{SavedRow, State};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, compare};
use redoubt_plan::node::{Bound, Filter, GroupKey, Limit, NodeId, SortKey};
use redoubt_plan::program::Value;
use redoubt_plan::scan::{ValuesRow, ValuesScan};
use std::cmp::Ordering;

impl Execution {
    /// One row, or the child's, if the condition holds; it is tested once.
    pub(crate) fn next_result(
        &mut self,
        cx: &Cx<'_>,
        id: NodeId,
        child: Option<NodeId>,
        once: Option<&Filter>,
    ) -> PgResult<bool> {
        if let State::Fresh = self.states[id.index()] {
            let holds = match once {
                Some(filter) => self.run(cx, &filter.program)?,
                None => true,
            };
            self.put(id, if holds { State::Next(0) } else { State::Done });
        }
        match (&self.states[id.index()], child) {
            (State::Done, _) => Ok(false),
            (_, Some(child)) => self.next_row(cx, child),
            (_, None) => {
                self.put(id, State::Done);
                Ok(true)
            }
        }
    }

    pub(crate) fn next_values_scan(&mut self, cx: &Cx<'_>, id: NodeId, node: &ValuesScan) -> PgResult<bool> {
        let at = match self.states[id.index()] {
            State::Next(at) => at,
            _ => 0,
        };
        let Some(row) = node.rows.get(at) else { return Ok(false) };
        self.put(id, State::Next(at + 1));
        match row {
            ValuesRow::Constant(values) => {
                for ((_, slot), value) in node.columns.iter().zip(values) {
                    self.frame[slot.index()] = value.clone();
                }
            }
            ValuesRow::Computed(program) => {
                self.run(cx, program)?;
            }
        }
        Ok(true)
    }

    pub(crate) fn next_append(&mut self, cx: &Cx<'_>, id: NodeId, children: &[NodeId]) -> PgResult<bool> {
        let mut at = match self.states[id.index()] {
            State::Next(at) => at,
            _ => 0,
        };
        while let Some(child) = children.get(at) {
            if self.next_row(cx, *child)? {
                self.put(id, State::Next(at));
                return Ok(true);
            }
            at += 1;
        }
        self.put(id, State::Next(at));
        Ok(false)
    }

    pub(crate) fn next_limit(&mut self, cx: &Cx<'_>, id: NodeId, node: &Limit) -> PgResult<bool> {
        let (mut delivered, count, mut last) = match self.take(id) {
            State::Limit { delivered, count, last } => (delivered, count, last),
            _ => {
                let (count, offset) = self.limit_bounds(cx, node.count.as_ref(), node.offset.as_ref())?;
                for _ in 0..offset {
                    if !self.next_row(cx, node.child)? {
                        self.put(id, State::Limit { delivered: 0, count: Some(0), last: None });
                        return Ok(false);
                    }
                }
                (0, count, None)
            }
        };
        let full = count.is_some_and(|count| delivered >= count);
        let more = match (&node.ties, full) {
            (_, false) => self.next_row(cx, node.child)?,
            (Some(ties), true) if count != Some(0) => {
                self.next_row(cx, node.child)? && self.is_tie(cx, ties, last.as_deref())?
            }
            _ => false,
        };
        if more {
            delivered += 1;
            if let Some(ties) = &node.ties
                && count == Some(delivered)
            {
                last = Some(self.key_values(ties));
            }
        }
        // After the end nothing more is asked of the child: a tie that was not one is consumed.
        let count = if more { count } else { Some(0) };
        self.put(id, State::Limit { delivered, count, last });
        Ok(more)
    }

    fn is_tie(&mut self, cx: &Cx<'_>, keys: &[GroupKey], last: Option<&[Datum]>) -> PgResult<bool> {
        match last {
            Some(last) => self.same_keys(cx, keys, last),
            None => Ok(false),
        }
    }

    /// LIMIT and OFFSET as numbers; negative ones are refused.
    pub(crate) fn limit_bounds(
        &mut self,
        cx: &Cx<'_>,
        count: Option<&Value>,
        offset: Option<&Value>,
    ) -> PgResult<(Option<u64>, u64)> {
        let offset = match offset {
            None => 0,
            Some(value) => match self.value(cx, value)? {
                Datum::Null => 0,
                value => u64::try_from(value.as_int8()?).map_err(|_| {
                    PgError::new(code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET must not be negative")
                })?,
            },
        };
        let count = match count {
            None => None,
            Some(value) => match self.value(cx, value)? {
                Datum::Null => None,
                value => Some(u64::try_from(value.as_int8()?).map_err(|_| {
                    PgError::new(code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative")
                })?),
            },
        };
        Ok((count, offset))
    }

    /// Drops rows whose keys equal the row before's.
    pub(crate) fn next_unique(
        &mut self,
        cx: &Cx<'_>,
        id: NodeId,
        child: NodeId,
        keys: &[GroupKey],
    ) -> PgResult<bool> {
        let last = match self.take(id) {
            State::Keys(last) => Some(last),
            _ => None,
        };
        while self.next_row(cx, child)? {
            let duplicate = match &last {
                Some(last) => self.same_keys(cx, keys, last)?,
                None => false,
            };
            if !duplicate {
                self.put(id, State::Keys(self.key_values(keys)));
                return Ok(true);
            }
        }
        if let Some(last) = last {
            self.put(id, State::Keys(last));
        }
        Ok(false)
    }

    pub(crate) fn key_values(&self, keys: &[GroupKey]) -> SavedRow {
        keys.iter().map(|key| self.frame[key.slot.index()].clone()).collect()
    }

    pub(crate) fn same_keys(&self, cx: &Cx<'_>, keys: &[GroupKey], values: &[Datum]) -> PgResult<bool> {
        for (key, value) in keys.iter().zip(values) {
            if !Execution::keys_equal(cx, &key.equality, &self.frame[key.slot.index()], value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps the child's rows while they pass, and delivers them again after a rewind.
    pub(crate) fn next_material(&mut self, cx: &Cx<'_>, id: NodeId, child: NodeId) -> PgResult<bool> {
        let live = &cx.plan.nodes[child.index()].live;
        let (mut rows, next, mut complete) = match self.take(id) {
            State::Rows { rows, next, complete } => (rows, next, complete),
            _ => (Vec::new(), 0, false),
        };
        let mut more = next < rows.len();
        if more {
            self.restore(live, &rows[next]);
        } else if !complete {
            more = self.next_row(cx, child)?;
            complete = !more;
            if more {
                rows.push(self.save(live));
            }
        }
        self.put(id, State::Rows { rows, next: next + usize::from(more), complete });
        Ok(more)
    }

    /// Reads everything, sorts it, and delivers it. With a bound only the first rows are kept.
    pub(crate) fn next_sort(
        &mut self,
        cx: &Cx<'_>,
        id: NodeId,
        child: NodeId,
        keys: &[SortKey],
        bound: Option<&Bound>,
    ) -> PgResult<bool> {
        let live = &cx.plan.nodes[child.index()].live;
        if let State::Fresh = self.states[id.index()] {
            let wanted = match bound {
                Some(bound) => {
                    let (count, offset) = self.limit_bounds(cx, Some(&bound.count), bound.offset.as_ref())?;
                    count.map(|count| count.saturating_add(offset) as usize)
                }
                None => None,
            };
            let rows = self.sorted_rows(cx, child, keys, wanted)?;
            self.put(id, State::Rows { rows, next: 0, complete: true });
        }
        let State::Rows { mut rows, next, complete } = self.take(id) else {
            unreachable!("a sort keeps rows");
        };
        let more = match rows.get_mut(next) {
            Some(row) => {
                self.restore(live, row);
                true
            }
            None => false,
        };
        self.put(id, State::Rows { rows, next: next + usize::from(more), complete });
        Ok(more)
    }

    /// The child's rows in order. Equal rows keep the order they came in.
    pub(crate) fn sorted_rows(
        &mut self,
        cx: &Cx<'_>,
        child: NodeId,
        keys: &[SortKey],
        wanted: Option<usize>,
    ) -> PgResult<Vec<SavedRow>> {
        let live = &cx.plan.nodes[child.index()].live;
        let mut rows: Vec<(SavedRow, SavedRow)> = Vec::new();
        let mut error = None;
        let mut sort = |rows: &mut Vec<(SavedRow, SavedRow)>| {
            rows.sort_by(|left, right| compare_keys(cx, keys, &left.0, &right.0, &mut error));
            match error.take() {
                Some(error) => Err(error),
                None => Ok(()),
            }
        };
        /// A bounded sort lets this many more rows than wanted gather before it drops the rest.
        const SLACK: usize = 1024;
        while self.next_row(cx, child)? {
            let key = keys.iter().map(|key| self.frame[key.slot.index()].clone()).collect();
            rows.push((key, self.save(live)));
            if let Some(wanted) = wanted
                && rows.len() >= wanted.saturating_mul(2).saturating_add(SLACK)
            {
                sort(&mut rows)?;
                rows.truncate(wanted);
            }
        }
        sort(&mut rows)?;
        if let Some(wanted) = wanted {
            rows.truncate(wanted);
        }
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

/// Compares sort keys. A comparison function that fails makes its error known and calls the rows
/// equal, which ends the sort soon.
pub(crate) fn compare_keys(
    cx: &Cx<'_>,
    keys: &[SortKey],
    left: &[Datum],
    right: &[Datum],
    error: &mut Option<PgError>,
) -> Ordering {
    for (index, key) in keys.iter().enumerate() {
        let (a, b) = (&left[index], &right[index]);
        let order = match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => if key.nulls_first { Ordering::Less } else { Ordering::Greater },
            (false, true) => if key.nulls_first { Ordering::Greater } else { Ordering::Less },
            (false, false) => {
                let order = match key.less {
                    None => compare::cmp(key.type_oid, a, b),
                    Some((less, site)) => {
                        let mut is_less = |a: &Datum, b: &Datum| {
                            let result = less(&cx.call_context(site), &[a.clone(), b.clone()]);
                            match result {
                                Ok(value) => matches!(value, Datum::Bool(true)),
                                Err(failed) => {
                                    error.get_or_insert(failed);
                                    false
                                }
                            }
                        };
                        if is_less(a, b) {
                            Ordering::Less
                        } else if is_less(b, a) {
                            Ordering::Greater
                        } else {
                            Ordering::Equal
                        }
                    }
                };
                if key.descending { order.reverse() } else { order }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
