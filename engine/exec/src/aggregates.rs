//! Aggregate calls at run time: states, transitions, results.

use crate::exec::Exec;
use crate::interpret::is_true;
use crate::keys::{compare_key, same_key};
use crate::spill::sorted_row::SortedRow;
use crate::spill::{ExternalSort, Reservation};
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
    waiting: Option<Box<ExternalSort<SortedRow>>>,
    /// Bytes that the state has grown by and that are taken from a reservation.
    grown: usize,
}

impl CallState {
    pub(crate) fn new(call: &AggCall, x: &Exec<'_>) -> Self {
        let work = &x.ctx.storage.work;
        CallState {
            state: AggState::Value(call.initial.clone()),
            blank: call.initial.is_null(),
            waiting: (!call.order.is_empty()).then(|| Box::new(ExternalSort::new(work, work.sort_bytes))),
            grown: 0,
        }
    }
}

impl CallState {
    /// The state is not needed any more: gives back what it has grown by.
    pub(crate) fn release(self, held: &mut Reservation) -> PgResult<()> {
        held.set(held.bytes() - self.grown)
    }
}

/// The states of all calls for a new group.
pub(crate) fn new_states(calls: &[AggCall], x: &Exec<'_>) -> Box<[CallState]> {
    calls.iter().map(|call| CallState::new(call, x)).collect()
}

impl<'a> Exec<'a> {
    /// Takes the current row into a call's state. What the state grows by is taken from `held`.
    #[inline]
    pub(crate) fn accumulate(
        &mut self,
        call: &'a AggCall,
        state: &mut CallState,
        held: &mut Reservation,
    ) -> PgResult<()> {
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
            let row = SortedRow::of(self, &call.inputs);
            return waiting.push(row, &mut |a, b| self.compare_waiting(call, a, b));
        }
        self.transition(call, state)?;
        let grown = state.state.grown_bytes();
        if grown != state.grown {
            held.set(held.bytes() + grown - state.grown)?;
            state.grown = grown;
        }
        Ok(())
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
        if let Some(mut waiting) = state.waiting.take() {
            self.take_sorted(call, state, &mut waiting)?;
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

    /// The order of rows that wait, by the call's keys.
    fn compare_waiting(&self, call: &AggCall, left: &SortedRow, right: &SortedRow) -> PgResult<Ordering> {
        for key in &call.order {
            let at = call.inputs.iter().position(|input| *input == key.slot).expect("keys are inputs");
            let order = compare_key(self, key, &left.0[at], &right.0[at])?;
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }

    /// Takes in the rows that waited, sorted, each distinct one once if that is asked.
    fn take_sorted(
        &mut self,
        call: &'a AggCall,
        state: &mut CallState,
        rows: &mut ExternalSort<SortedRow>,
    ) -> PgResult<()> {
        rows.finish(&mut |a, b| self.compare_waiting(call, a, b))?;
        let mut held = self.ctx.storage.work.reserve();
        let mut previous: Option<Box<[Datum]>> = None;
        while let Some(row) = rows.next(&mut |a, b| self.compare_waiting(call, a, b))? {
            if let Some(equalities) = &call.distinct {
                if let Some(previous) = &previous
                    && self.same_arguments(equalities, previous, &row.0)?
                {
                    continue;
                }
                previous = Some(row.0.clone());
            }
            row.load(self, &call.inputs);
            self.transition(call, state)?;
            held.set(state.state.grown_bytes())?;
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
