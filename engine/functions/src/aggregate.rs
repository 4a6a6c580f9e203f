//! Aggregates' transition and final functions.
//!
//! An aggregate is what `pg_aggregate` says: `aggtransfn` folds rows into a state, `aggfinalfn`
//! turns the state into the result. Functions whose state is an ordinary value (`int4larger`,
//! `int8inc`, any SQL function) are [`crate::builtin`]s and the executor calls them as such;
//! this module holds those that work on a state of their own, or faster in place.

use crate::{CallContext, Datum};
use redoubt_error::PgResult;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// The state of an aggregate whose transition type is `internal`, or that is kept unpacked.
pub trait InternalState: Send {
    /// Self, for the family's own functions to downcast.
    fn as_any_mut(&mut self) -> &mut dyn std::any::Any;

    /// A copy, for window frames and ordered-set functions that go on accumulating.
    fn copy(&self) -> Box<dyn InternalState>;
}

/// An aggregate's running state.
pub enum AggState {
    /// An SQL value; NULL before the first row unless `agginitval` says otherwise.
    Value(Datum),
    /// A state of the family's own. It stands for a non-NULL value.
    Internal(Box<dyn InternalState>),
}

impl AggState {
    /// True while the state is SQL NULL, which strictness looks at.
    pub fn is_null(&self) -> bool {
        matches!(self, AggState::Value(Datum::Null))
    }
}

impl Clone for AggState {
    fn clone(&self) -> Self {
        match self {
            AggState::Value(datum) => AggState::Value(datum.clone()),
            AggState::Internal(state) => AggState::Internal(state.copy()),
        }
    }
}

/// Folds one row (the aggregate's arguments, without the state) into the state.
pub type TransFn = fn(&CallContext<'_>, &mut AggState, &[Datum]) -> PgResult<()>;

/// Turns the state into the result, leaving the state usable. `args` are the direct arguments.
pub type FinalFn = fn(&CallContext<'_>, &mut AggState, &[Datum]) -> PgResult<Datum>;

/// Merges a second state into the first (`aggcombinefn`).
pub type CombineFn = fn(&CallContext<'_>, &mut AggState, &AggState) -> PgResult<()>;

/// One family's transition functions.
pub(crate) type Transitions = &'static [(&'static str, TransFn)];
/// One family's final functions.
pub(crate) type Finals = &'static [(&'static str, FinalFn)];

static TRANSITIONS: &[Transitions] = &[];
static FINALS: &[Finals] = &[];

static TRANSITION_BY_NAME: LazyLock<FxHashMap<&'static str, TransFn>> =
    LazyLock::new(|| TRANSITIONS.iter().copied().flatten().copied().collect());
static FINAL_BY_NAME: LazyLock<FxHashMap<&'static str, FinalFn>> =
    LazyLock::new(|| FINALS.iter().copied().flatten().copied().collect());

/// Looks a transition function (or an inverse one, `aggminvtransfn`) up by `pg_proc.prosrc`.
///
/// `None` means that it is an ordinary function of the state: look it up with
/// [`crate::builtin`] and pass the state as its first argument.
pub fn transition(prosrc: &str) -> Option<TransFn> {
    TRANSITION_BY_NAME.get(prosrc).copied()
}

/// Looks a final function up by `pg_proc.prosrc`; `None` as for [`transition`].
pub fn final_function(prosrc: &str) -> Option<FinalFn> {
    FINAL_BY_NAME.get(prosrc).copied()
}
