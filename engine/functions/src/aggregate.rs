//! Aggregates' transition and final functions.
//!
//! An aggregate is what `pg_aggregate` says: `aggtransfn` folds rows into a state, `aggfinalfn`
//! turns the state into the result. Functions whose state is an ordinary value (`int4larger`, any
//! SQL function) are [`crate::builtin`]s and the executor calls them as such; this module finds
//! those that work on a state of their own, or faster in place.
//!
//! Strictness is the executor's business here too: a strict transition function must not be
//! called for a row with a NULL argument; while the state is NULL it is skipped in favour of
//! taking the first argument as the state.

use crate::{CallContext, Datum};
use redoubt_error::PgResult;
use rustc_hash::FxHashMap;
use std::any::Any;
use std::sync::LazyLock;

/// The state of an aggregate whose transition type is `internal`, or that is kept unpacked.
pub trait InternalState: Any + Send {
    /// A copy, for window frames and ordered-set functions that go on accumulating.
    fn copy(&self) -> Box<dyn InternalState>;

    /// The state as an SQL value, when its declared transition type is one (`float8[]`).
    fn to_datum(&self) -> Option<Datum> {
        None
    }

    /// Bytes of memory that grow with the rows taken in; 0 for states of a fixed size. Cheap: asked after
    /// every row.
    fn grown_bytes(&self) -> usize {
        0
    }
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

    /// The state as an SQL value, for final functions that are not in this module and for
    /// aggregates without one. `None` for states that only their own functions understand.
    pub fn to_datum(&self) -> Option<Datum> {
        match self {
            AggState::Value(datum) => Some(datum.clone()),
            AggState::Internal(state) => state.to_datum(),
        }
    }

    /// Bytes of memory that the state has besides its own, and that grow with the rows taken in.
    #[inline]
    pub fn grown_bytes(&self) -> usize {
        match self {
            AggState::Internal(state) => state.grown_bytes(),
            // Arrays that functions of values build up; counting every element would take a look at each.
            AggState::Value(Datum::Array(array)) => array.elems.len() * size_of::<Datum>(),
            AggState::Value(Datum::Text(text)) => text.len(),
            AggState::Value(_) => 0,
        }
    }

    /// The family's own state inside, if it is of this type.
    pub(crate) fn get<T: InternalState>(&self) -> Option<&T> {
        match self {
            AggState::Internal(state) => (&**state as &dyn Any).downcast_ref(),
            AggState::Value(_) => None,
        }
    }

    /// The family's own state inside; made from the SQL value by `make` when it is not there yet.
    pub(crate) fn get_or_make<T: InternalState>(
        &mut self,
        make: impl FnOnce(&Datum) -> PgResult<T>,
    ) -> PgResult<&mut T> {
        if let AggState::Value(datum) = self {
            let made = make(datum)?;
            *self = AggState::Internal(Box::new(made));
        }
        match self {
            AggState::Internal(state) => (&mut **state as &mut dyn Any)
                .downcast_mut()
                .ok_or_else(|| redoubt_error::PgError::internal("aggregate state of another function")),
            AggState::Value(_) => unreachable!("the state was just made"),
        }
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

/// Folds one row (the aggregate's arguments, without the state) into the state. The context's
/// argument types are those of the arguments alone. An inverse transition that cannot undo a row
/// sets the state to NULL, and the executor starts the frame over.
pub type TransFn = fn(&CallContext<'_>, &mut AggState, &[Datum]) -> PgResult<()>;

/// Turns the state into the result, leaving the state usable. `args` are the direct arguments of
/// an ordered-set aggregate.
pub type FinalFn = fn(&CallContext<'_>, &AggState, &[Datum]) -> PgResult<Datum>;

/// Merges a second state into the first (`aggcombinefn`).
pub type CombineFn = fn(&CallContext<'_>, &mut AggState, &AggState) -> PgResult<()>;

/// One family's functions by symbol.
pub(crate) type Transitions = &'static [(&'static str, TransFn)];
/// As [`Transitions`].
pub(crate) type Finals = &'static [(&'static str, FinalFn)];
/// As [`Transitions`].
pub(crate) type Combines = &'static [(&'static str, CombineFn)];

static TRANSITIONS: LazyLock<FxHashMap<&'static str, TransFn>> = LazyLock::new(|| {
    let families: [Transitions; 5] = [
        crate::aggregate_simple::TRANSITIONS,
        crate::aggregate_numeric::TRANSITIONS,
        crate::aggregate_float::TRANSITIONS,
        crate::aggregate_collect::TRANSITIONS,
        crate::json_build::TRANSITIONS,
    ];
    families.into_iter().flatten().copied().collect()
});

static FINALS: LazyLock<FxHashMap<&'static str, FinalFn>> = LazyLock::new(|| {
    let families: [Finals; 5] = [
        crate::aggregate_simple::FINALS,
        crate::aggregate_numeric::FINALS,
        crate::aggregate_float::FINALS,
        crate::aggregate_collect::FINALS,
        crate::json_build::FINALS,
    ];
    families.into_iter().flatten().copied().collect()
});

static COMBINES: LazyLock<FxHashMap<&'static str, CombineFn>> = LazyLock::new(|| {
    let families: [Combines; 2] = [crate::aggregate_numeric::COMBINES, crate::aggregate_float::COMBINES];
    families.into_iter().flatten().copied().collect()
});

/// Looks a transition function (or an inverse one, `aggminvtransfn`) up by `pg_proc.prosrc`.
///
/// `None` means that it is an ordinary function of the state: look it up with
/// [`crate::builtin`] and pass the state as its first argument.
pub fn transition(prosrc: &str) -> Option<TransFn> {
    TRANSITIONS.get(prosrc).copied()
}

/// Looks a final function up by `pg_proc.prosrc`; `None` as for [`transition`].
pub fn final_function(prosrc: &str) -> Option<FinalFn> {
    FINALS.get(prosrc).copied()
}

/// Looks a combine function up by `pg_proc.prosrc`; `None` as for [`transition`].
pub fn combine(prosrc: &str) -> Option<CombineFn> {
    COMBINES.get(prosrc).copied()
}
