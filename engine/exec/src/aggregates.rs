//! Aggregate calls at run time: states, transitions, results.

use crate::exec::Exec;
use crate::interpret::is_true;
use crate::keys::{compare_key, same_key};
use crate::quicksort;
use crate::rows::RowStore;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{AggState, Datum};
use redoubt_plan::aggregate::{AggCall, FinalFunction, Finalizer, Transition};
use redoubt_plan::node::KeyEquality;
use std::cmp::Ordering;

/// One call's state within one group.
pub(crate) struct CallState {
    state: AggState,
    /// No row has been taken in yet and there is no initial value.
    blank: bool,
    /// Rows waiting to be sorted, for DISTINCT and ORDER BY.
    waiting: Option<RowStore>,
}

impl CallState {
    pub(crate) fn new(call: &AggCall) -> Self {
        CallState {
            state: AggState::Value(call.initial.clone()),
            blank: call.initial.is_null(),
            waiting: (!call.order.is_empty()).then(|| RowStore::new(call.inputs.len())),
        }
    }
}

/// The states of all calls for a new group.
pub(crate) fn new_states(calls: &[AggCall]) -> Box<[CallState]> {
    calls.iter().map(CallState::new).collect()
}

impl<'a> Exec<'a> {
    /// Takes the current row into a call's state.
    #[inline]
    pub(crate) fn accumulate(&mut self, call: &'a AggCall, state: &mut CallState) -> PgResult<()> {
        if let Some(filter) = &call.filter {
            if !is_true(self.value(filter)?) {
                return Ok(());
            }
        }
        self.run(&call.program)?;
        if let Some(waiting) = &mut state.waiting {
            // A strict transition would skip the row anyway; DISTINCT and ORDER BY need not see it.
            if call.strict && self.has_null_argument(call) {
                return Ok(());
            }
            waiting.push(self, &call.inputs);
            return Ok(());
        }
        self.transition(call, state)
    }

    /// The calls' arguments are already computed: takes them into the state.
    pub(crate) fn transition(&mut self, call: &'a AggCall, state: &mut CallState) -> PgResult<()> {
        let first = call.args.index() + 1;
        if call.strict {
            if self.has_null_argument(call) {
                return Ok(());
            }
            if state.blank {
                // The first value is the state.
                state.blank = false;
                state.state = AggState::Value(self.frame[first].clone());
                return Ok(());
            }
            if state.state.is_null() {
                return Ok(());
            }
        }
        state.blank = false;
        let context = self.call_context(call.transition_site);
        match call.transition {
            Transition::State(function) => {
                let args = &self.frame[first..first + usize::from(call.count)];
                function(&context, &mut state.state, args)
            }
            Transition::Scalar(function) => {
                let AggState::Value(value) = &mut state.state else {
                    return Err(PgError::internal("an ordinary transition function got an internal state"));
                };
                self.frame[first - 1] = std::mem::replace(value, Datum::Null);
                let args = &self.frame[first - 1..first + usize::from(call.count)];
                *value = function(&context, args)?;
                Ok(())
            }
        }
    }

    fn has_null_argument(&self, call: &AggCall) -> bool {
        let first = call.args.index() + 1;
        self.frame[first..first + usize::from(call.count)].iter().any(Datum::is_null)
    }

    /// Computes a call's result into its slot.
    pub(crate) fn finish_call(&mut self, call: &'a AggCall, state: &mut CallState) -> PgResult<()> {
        if let Some(waiting) = state.waiting.take() {
            self.take_sorted(call, state, &waiting)?;
        }
        let value = self.result(call, state)?;
        self.set(call.out, value);
        Ok(())
    }

    /// The result of the state as it is; the state stays usable.
    pub(crate) fn result(&mut self, call: &'a AggCall, state: &mut CallState) -> PgResult<Datum> {
        match &call.finalizer {
            Some(finalizer) => self.finalize(finalizer, state),
            None => match &state.state {
                AggState::Value(value) => Ok(value.clone()),
                AggState::Internal(_) => {
                    Err(PgError::internal("an aggregate without final function has an internal state"))
                }
            },
        }
    }

    fn finalize(&mut self, finalizer: &'a Finalizer, state: &mut CallState) -> PgResult<Datum> {
        self.run(&finalizer.direct)?;
        if finalizer.strict && state.state.is_null() {
            return Ok(Datum::Null);
        }
        let first = finalizer.args.index() + 1;
        let count = usize::from(finalizer.count);
        let context = self.call_context(finalizer.site);
        match finalizer.function {
            FinalFunction::State(function) => {
                function(&context, &mut state.state, &self.frame[first..first + count])
            }
            FinalFunction::Scalar(function) => {
                let AggState::Value(value) = &state.state else {
                    return Err(PgError::internal("an ordinary final function got an internal state"));
                };
                self.frame[first - 1] = value.clone();
                function(&context, &self.frame[first - 1..first + count])
            }
        }
    }

    /// Takes in the rows that waited, sorted, each distinct one once if that is asked.
    fn take_sorted(&mut self, call: &'a AggCall, state: &mut CallState, rows: &RowStore) -> PgResult<()> {
        let position = |slot| call.inputs.iter().position(|input| *input == slot).expect("keys are inputs");
        let keys: Vec<usize> = call.order.iter().map(|key| position(key.slot)).collect();
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        quicksort::sort(&mut order, &mut |a, b| {
            let (left, right) = (rows.row(*a as usize), rows.row(*b as usize));
            for (key, &at) in call.order.iter().zip(&keys) {
                let order = compare_key(self, key, &left[at], &right[at])?;
                if order.is_ne() {
                    return Ok(order);
                }
            }
            Ok(Ordering::Equal)
        })?;
        let mut previous: Option<u32> = None;
        for row in order {
            if let (Some(equalities), Some(previous)) = (&call.distinct, previous) {
                if self.same_arguments(equalities, rows.row(previous as usize), rows.row(row as usize))? {
                    continue;
                }
            }
            previous = Some(row);
            rows.load(self, &call.inputs, row as usize);
            self.transition(call, state)?;
            self.ctx.check_for_interrupts()?;
        }
        Ok(())
    }

    /// Arguments come first among the inputs.
    fn same_arguments(&self, equalities: &[KeyEquality], left: &[Datum], right: &[Datum]) -> PgResult<bool> {
        for (equality, (left, right)) in equalities.iter().zip(left.iter().zip(right)) {
            if !same_key(self, equality, left, right)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
