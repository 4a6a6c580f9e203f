//! Aggregates by the row executor's own transition and final functions.
//!
//! Rows are taken in as they come, so these plans read their tables in one partition: what depends on the
//! order of rows (float sums, `array_agg`) comes out as in the row executor. Their states have no form
//! outside this process, so they can be neither merged nor spilled; memory that runs out is an error.

use crate::accumulate::{emit, passes};
use crate::error::to_datafusion;
use crate::evaluate::Surroundings;
use crate::repr::{Collector, Reader, Repr};
use arrow::array::{ArrayRef, BooleanArray};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::aggregate::AggState;
use redoubt_functions::{CallContext, Datum, key};
use redoubt_plan::aggregate::{AggCall, FinalFunction, Transition};
use redoubt_plan::program::SiteId;
use redoubt_plan::{NodeId, NodeKind};
use std::collections::HashSet;
use std::sync::Arc;

/// One group's state of one call.
struct State {
    state: AggState,
    /// No row has been taken in yet and there is no initial value.
    blank: bool,
    /// DISTINCT: the keys of the arguments that have been taken in.
    seen: HashSet<Box<[u8]>>,
}

/// The states of a call.
pub(crate) struct Transitions {
    around: Arc<Surroundings>,
    node: NodeId,
    at: usize,
    args: Vec<Repr>,
    result: Repr,
    states: Vec<State>,
    /// About what the states hold outside themselves.
    bytes: usize,
}

/// A guess of what a state of its own takes, since none can be asked.
const STATE_BYTES: usize = 160;

impl Transitions {
    pub(crate) fn new(
        around: Arc<Surroundings>,
        node: NodeId,
        at: usize,
        args: Vec<Repr>,
        result: Repr,
    ) -> PgResult<Self> {
        let transitions = Transitions { around, node, at, args, result, states: Vec::new(), bytes: 0 };
        transitions.call()?;
        Ok(transitions)
    }

    fn call(&self) -> PgResult<&AggCall> {
        call_of(&self.around, self.node, self.at)
    }

    fn grow(&mut self, total: usize) -> PgResult<()> {
        let (initial, blank) = {
            let call = self.call()?;
            (call.initial.clone(), call.initial.is_null())
        };
        while self.states.len() < total {
            let state = AggState::Value(initial.clone());
            self.states.push(State { state, blank, seen: HashSet::new() });
        }
        Ok(())
    }

    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> PgResult<()> {
        let around = self.around.clone();
        let call = call_of(&around, self.node, self.at)?;
        let count = usize::from(call.count);
        let readers: Vec<Reader<'_>> = values
            .iter()
            .take(count)
            .zip(&self.args)
            .map(|(array, repr)| Reader::new(*repr, array))
            .collect();
        let context = context(&around, call.transition_site);
        // The state goes before the arguments of an ordinary function.
        let mut args = vec![Datum::Null; count + 1];
        let mut scratch = Vec::new();
        for (row, &group) in groups.iter().enumerate() {
            if !passes(filter, row) {
                continue;
            }
            for (arg, reader) in args[1..].iter_mut().zip(&readers) {
                *arg = reader.get(row)?;
            }
            if call.strict && args[1..].iter().any(Datum::is_null) {
                continue;
            }
            let state = &mut self.states[group];
            if let Some(distinct) = &call.distinct {
                scratch.clear();
                for (equality, arg) in distinct.iter().zip(&args[1..]) {
                    key::encode(equality.type_oid, arg, false, false, &mut scratch)?;
                }
                if state.seen.contains(&*scratch) {
                    continue;
                }
                self.bytes += scratch.len() + 48;
                state.seen.insert(scratch.clone().into());
            }
            if let Some(Datum::Text(text)) = args.get(1) {
                self.bytes += text.len();
            }
            take_in(call, &context, state, &mut args)?;
        }
        Ok(())
    }

    fn finish(&mut self, to: EmitTo) -> PgResult<ArrayRef> {
        let states = emit(&mut self.states, to);
        let around = self.around.clone();
        let call = call_of(&around, self.node, self.at)?;
        let mut collector = Collector::new(self.result, states.len());
        for mut state in states {
            collector.push(&result(&around, call, &mut state.state)?)?;
        }
        Ok(collector.finish())
    }
}

fn call_of(around: &Surroundings, node: NodeId, at: usize) -> PgResult<&AggCall> {
    match &around.plan.nodes[node.index()].kind {
        NodeKind::Aggregate(aggregation) => Ok(&aggregation.calls[at]),
        _ => Err(PgError::internal("an aggregate call of a node that is no aggregate")),
    }
}

fn context(around: &Surroundings, site: SiteId) -> CallContext<'_> {
    let site = &around.plan.call_sites[site.0 as usize];
    CallContext {
        collation: site.collation,
        arg_types: &site.arg_types,
        result_type: site.result_type,
        variadic: site.variadic,
        ..CallContext::new(&around.env)
    }
}

/// One row into a state; strictness as the row executor has it.
fn take_in(call: &AggCall, context: &CallContext<'_>, state: &mut State, args: &mut [Datum]) -> PgResult<()> {
    if call.strict {
        if state.blank {
            state.blank = false;
            state.state = AggState::Value(args[1].clone());
            return Ok(());
        }
        if state.state.is_null() {
            return Ok(());
        }
    }
    state.blank = false;
    match call.transition {
        Transition::State(function) => function(context, &mut state.state, &args[1..]),
        Transition::Scalar(function) => {
            let AggState::Value(value) = &mut state.state else {
                return Err(PgError::internal("an ordinary transition function got an internal state"));
            };
            args[0] = std::mem::replace(value, Datum::Null);
            *value = function(context, args)?;
            Ok(())
        }
    }
}

fn result(around: &Surroundings, call: &AggCall, state: &mut AggState) -> PgResult<Datum> {
    let Some(finalizer) = &call.finalizer else {
        return match state {
            AggState::Value(value) => Ok(value.clone()),
            AggState::Internal(_) => {
                Err(PgError::internal("an aggregate without final function has an internal state"))
            }
        };
    };
    if finalizer.strict && state.is_null() {
        return Ok(Datum::Null);
    }
    let count = usize::from(finalizer.count);
    let context = context(around, finalizer.site);
    match finalizer.function {
        FinalFunction::State(function) => function(&context, state, &vec![Datum::Null; count]),
        FinalFunction::Scalar(function) => {
            let AggState::Value(value) = state else {
                return Err(PgError::internal("an ordinary final function got an internal state"));
            };
            let mut args = vec![Datum::Null; count + 1];
            args[0] = value.clone();
            function(&context, &args)
        }
    }
}

impl GroupsAccumulator for Transitions {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total).map_err(to_datafusion)?;
        self.update(values, groups, filter).map_err(to_datafusion)
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        self.finish(to).map_err(to_datafusion)
    }

    fn state(&mut self, _: EmitTo) -> Result<Vec<ArrayRef>> {
        Err(no_parts())
    }

    fn merge_batch(&mut self, _: &[ArrayRef], _: &[usize], _: usize) -> Result<()> {
        Err(no_parts())
    }

    fn convert_to_state(&self, _: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        Err(no_parts())
    }

    fn size(&self) -> usize {
        self.states.len() * (size_of::<State>() + STATE_BYTES) + self.bytes
    }
}

/// DataFusion asks for a state's parts here only to spill groups that do not fit in memory.
fn no_parts() -> datafusion_common::DataFusionError {
    datafusion_common::DataFusionError::ResourcesExhausted(
        "The groups of an aggregate whose state cannot be spilled do not fit in memory.".into(),
    )
}
