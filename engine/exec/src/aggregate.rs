//! Aggregation: plain, over sorted input, and by hashing.

use crate::arrays::hash;
use crate::execution::{Cx, Execution};
use crate::simple::compare_keys;
use crate::state::{SavedRow, State};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{AggState, Datum};
use redoubt_plan::aggregate::{AggCall, AggStrategy, Aggregation, FinalFunction, Finalizer, Transition};
use redoubt_plan::node::{GroupKey, NodeId};
use rustc_hash::FxHashMap;

/// Groups found so far, or the one being read.
pub(crate) struct AggregateState {
    groups: Vec<Group>,
    /// The next group to deliver, once all are known.
    next: usize,
    /// Sorted input: the first row of the next group is in the frame.
    pending: bool,
    finished: bool,
}

/// One group.
struct Group {
    keys: SavedRow,
    calls: Vec<CallState>,
}

/// One call's state in one group.
struct CallState {
    state: AggState,
    /// A strict function without initial value starts from the first argument.
    started: bool,
    /// DISTINCT or ORDER BY: the inputs, kept to be sorted at the end.
    inputs: Vec<SavedRow>,
}

impl Execution {
    pub(crate) fn next_aggregate(&mut self, cx: &Cx<'_>, id: NodeId, node: &Aggregation) -> PgResult<bool> {
        if node.sets.is_some() {
            return Err(PgError::unsupported("GROUPING SETS"));
        }
        let mut state = match self.take(id) {
            State::Aggregate(state) => state,
            _ => Box::new(AggregateState { groups: Vec::new(), next: 0, pending: false, finished: false }),
        };
        let result = match node.strategy {
            AggStrategy::Plain => self.plain(cx, node, &mut state),
            AggStrategy::Sorted => self.sorted(cx, node, &mut state),
            AggStrategy::Hashed | AggStrategy::Mixed => self.hashed(cx, node, &mut state),
        };
        self.put(id, State::Aggregate(state));
        result
    }

    fn plain(&mut self, cx: &Cx<'_>, node: &Aggregation, state: &mut AggregateState) -> PgResult<bool> {
        if std::mem::replace(&mut state.finished, true) {
            return Ok(false);
        }
        let mut group = new_group(node, Box::default());
        while self.next_row(cx, node.child)? {
            self.accumulate(cx, node, &mut group)?;
        }
        self.deliver(cx, node, &mut group)?;
        Ok(true)
    }

    fn sorted(&mut self, cx: &Cx<'_>, node: &Aggregation, state: &mut AggregateState) -> PgResult<bool> {
        if state.finished {
            return Ok(false);
        }
        if !state.pending && !self.next_row(cx, node.child)? {
            state.finished = true;
            return Ok(false);
        }
        let mut group = new_group(node, self.key_values(&node.keys));
        self.accumulate(cx, node, &mut group)?;
        state.pending = false;
        loop {
            if !self.next_row(cx, node.child)? {
                state.finished = true;
                break;
            }
            if !self.same_keys(cx, &node.keys, &group.keys)? {
                state.pending = true;
                break;
            }
            self.accumulate(cx, node, &mut group)?;
        }
        // The next group's first row stays in the input's slots; results have slots of their own.
        let live = &cx.plan.nodes[node.child.index()].live;
        let waiting = state.pending.then(|| self.save(live));
        self.deliver(cx, node, &mut group)?;
        if let Some(waiting) = waiting {
            self.restore(live, &waiting);
        }
        Ok(true)
    }

    fn hashed(&mut self, cx: &Cx<'_>, node: &Aggregation, state: &mut AggregateState) -> PgResult<bool> {
        if !state.finished {
            let mut buckets: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
            while self.next_row(cx, node.child)? {
                let at = self.find_group(cx, node, &mut state.groups, &mut buckets)?;
                self.accumulate(cx, node, &mut state.groups[at])?;
            }
            state.finished = true;
        }
        let Some(group) = state.groups.get_mut(state.next) else { return Ok(false) };
        state.next += 1;
        self.deliver(cx, node, group)?;
        Ok(true)
    }

    fn find_group(
        &mut self,
        cx: &Cx<'_>,
        node: &Aggregation,
        groups: &mut Vec<Group>,
        buckets: &mut FxHashMap<u64, Vec<u32>>,
    ) -> PgResult<usize> {
        let bucket = buckets.entry(self.hash_keys(&node.keys)).or_default();
        for &at in bucket.iter() {
            if self.same_keys(cx, &node.keys, &groups[at as usize].keys)? {
                return Ok(at as usize);
            }
        }
        bucket.push(groups.len() as u32);
        groups.push(new_group(node, self.key_values(&node.keys)));
        Ok(groups.len() - 1)
    }

    /// A hash of the current row's keys; NULLs are keys like any other.
    pub(crate) fn hash_keys(&self, keys: &[GroupKey]) -> u64 {
        keys.iter().fold(0, |all: u64, key| {
            let value = &self.frame[key.slot.index()];
            let one = if value.is_null() { 1 } else { hash(key.equality.type_oid, value) };
            all.rotate_left(5) ^ one
        })
    }

    fn accumulate(&mut self, cx: &Cx<'_>, node: &Aggregation, group: &mut Group) -> PgResult<()> {
        for (call, state) in node.calls.iter().zip(&mut group.calls) {
            if let Some(filter) = &call.filter {
                self.run(cx, &filter.program)?;
                if !self.is_true(filter.slot) {
                    continue;
                }
            }
            self.run(cx, &call.program)?;
            if call.distinct.is_some() || !call.order.is_empty() {
                state.inputs.push(self.save(&call.inputs));
            } else {
                self.transition(cx, call, state)?;
            }
        }
        Ok(())
    }

    /// Folds the arguments that are in the frame into the state.
    fn transition(&mut self, cx: &Cx<'_>, call: &AggCall, state: &mut CallState) -> PgResult<()> {
        let first = call.args.index() + 1;
        let args = first..first + call.count as usize;
        if call.strict {
            if self.frame[args.clone()].iter().any(Datum::is_null) {
                return Ok(());
            }
            if !state.started && state.state.is_null() && call.initial.is_null() {
                // PostgreSQL's rule: without an initial value the first argument is the state.
                state.started = true;
                state.state = AggState::Value(self.frame[first].clone());
                return Ok(());
            }
            if state.started && state.state.is_null() {
                // A strict function does not come back from a NULL state.
                return Ok(());
            }
        }
        state.started = true;
        match call.transition {
            Transition::State(function) => {
                function(&cx.call_context(call.transition_site), &mut state.state, &self.frame[args])
            }
            Transition::Scalar(function) => {
                let AggState::Value(value) = std::mem::replace(&mut state.state, AggState::Value(Datum::Null)) else {
                    return Err(PgError::internal("an ordinary transition function was given an internal state"));
                };
                self.frame[call.args.index()] = value;
                let all = &self.frame[call.args.index()..args.end];
                state.state = AggState::Value(function(&cx.call_context(call.transition_site), all)?);
                Ok(())
            }
        }
    }

    /// Feeds kept inputs in order, duplicates dropped.
    fn feed_sorted(&mut self, cx: &Cx<'_>, call: &AggCall, state: &mut CallState) -> PgResult<()> {
        let mut inputs = std::mem::take(&mut state.inputs);
        let place = |slot| call.inputs.iter().position(|input| *input == slot).expect("sort keys are kept inputs");
        let places: Vec<usize> = call.order.iter().map(|key| place(key.slot)).collect();
        let mut error = None;
        let key_of = |row: &SavedRow| -> SavedRow { places.iter().map(|at| row[*at].clone()).collect() };
        inputs.sort_by(|left, right| compare_keys(cx, &call.order, &key_of(left), &key_of(right), &mut error));
        if let Some(error) = error {
            return Err(error);
        }
        let mut last: Option<SavedRow> = None;
        for input in inputs {
            self.restore(&call.inputs, &input);
            if let Some(distinct) = &call.distinct {
                let first = call.args.index() + 1;
                let values: SavedRow = self.frame[first..first + call.count as usize].iter().cloned().collect();
                let mut duplicate = last.is_some();
                if let Some(last) = &last {
                    for (equality, (a, b)) in distinct.iter().zip(last.iter().zip(&values)) {
                        duplicate &= Execution::keys_equal(cx, equality, a, b)?;
                    }
                }
                if duplicate {
                    continue;
                }
                last = Some(values);
            }
            self.transition(cx, call, state)?;
        }
        Ok(())
    }

    /// Writes the group's keys and results to their slots.
    fn deliver(&mut self, cx: &Cx<'_>, node: &Aggregation, group: &mut Group) -> PgResult<()> {
        for (call, state) in node.calls.iter().zip(&mut group.calls) {
            if call.distinct.is_some() || !call.order.is_empty() {
                self.feed_sorted(cx, call, state)?;
            }
            let value = match &call.finalizer {
                Some(finalizer) => self.finalize(cx, finalizer, state)?,
                None => match &state.state {
                    AggState::Value(value) => value.clone(),
                    AggState::Internal(_) => {
                        return Err(PgError::internal("an aggregate with an internal state needs a final function"));
                    }
                },
            };
            self.frame[call.out.index()] = value;
        }
        for (slot, value) in node.key_outs.iter().zip(&group.keys) {
            self.frame[slot.index()] = value.clone();
        }
        Ok(())
    }

    fn finalize(&mut self, cx: &Cx<'_>, finalizer: &Finalizer, state: &mut CallState) -> PgResult<Datum> {
        if finalizer.strict && state.state.is_null() {
            return Ok(Datum::Null);
        }
        self.run(cx, &finalizer.direct)?;
        let first = finalizer.args.index();
        let context = cx.call_context(finalizer.site);
        match finalizer.function {
            FinalFunction::State(function) => {
                function(&context, &mut state.state, &self.frame[first + 1..first + 1 + finalizer.count as usize])
            }
            FinalFunction::Scalar(function) => {
                let AggState::Value(value) = &state.state else {
                    return Err(PgError::internal("an ordinary final function was given an internal state"));
                };
                self.frame[first] = value.clone();
                function(&context, &self.frame[first..first + 1 + finalizer.count as usize])
            }
        }
    }
}

fn new_group(node: &Aggregation, keys: SavedRow) -> Group {
    let calls = node
        .calls
        .iter()
        .map(|call| CallState {
            state: AggState::Value(call.initial.clone()),
            started: !call.initial.is_null(),
            inputs: Vec::new(),
        })
        .collect();
    Group { keys, calls }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_functions::compare;

    #[test]
    fn equal_numbers_of_one_type_hash_alike() {
        let (a, b) = (Datum::Float8(0.0), Datum::Float8(-0.0));
        assert!(compare::eq(redoubt_functions::types::FLOAT8, &a, &b));
        assert_eq!(hash(redoubt_functions::types::FLOAT8, &a), hash(redoubt_functions::types::FLOAT8, &b));
    }
}
