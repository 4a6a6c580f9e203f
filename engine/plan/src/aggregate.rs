//! Aggregation.

use crate::node::{GroupKey, KeyEquality, NodeId, SortKey};
use crate::program::{Program, SiteId, Value};
use crate::slot::Slot;
use redoubt_analyze::query::Expr;
use redoubt_functions::{Datum, FinalFn, Oid, ScalarFn, TransFn};

/// How groups are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggStrategy {
    /// One group over all rows, even if there are none.
    Plain,
    /// Input is sorted by the keys.
    Sorted,
    /// A hash table of groups.
    Hashed,
    /// Grouping sets, some sorted and some hashed.
    Mixed,
}

/// An aggregate node.
#[derive(Debug)]
pub struct Aggregation {
    /// Input.
    pub child: NodeId,
    /// Strategy.
    pub strategy: AggStrategy,
    /// All grouping keys.
    pub keys: Vec<GroupKey>,
    /// Where the group's value of each key goes: the input's slots hold another row by then.
    pub key_outs: Vec<Slot>,
    /// Columns that depend on the keys: taken from a group's first row, to where they go.
    pub carried: Vec<(Slot, Slot)>,
    /// The aggregate calls; equal calls are made once.
    pub calls: Vec<AggCall>,
    /// Grouping sets, if there are any.
    pub sets: Option<GroupingSets>,
    /// Estimated number of groups, to size the hash table.
    pub groups: f64,
}

/// Grouping sets: each delivers its groups in turn.
#[derive(Debug)]
pub struct GroupingSets {
    /// Per set, which keys it groups by.
    pub sets: Vec<Box<[bool]>>,
    /// Rounds over the input that are sorted; each serves sets that are prefixes of its order.
    pub sorted: Vec<SortedRound>,
    /// Sets that are hashed, all in the first round.
    pub hashed: Vec<usize>,
    /// GROUPING() calls: key numbers, most significant first, and where the bit mask goes.
    pub groupings: Vec<(Box<[usize]>, Slot)>,
}

/// One sorted pass over the input.
#[derive(Debug)]
pub struct SortedRound {
    /// The order; empty in the first round if the input comes in it already.
    pub sort: Vec<SortKey>,
    /// Key numbers in that order.
    pub keys: Vec<usize>,
    /// Sets by number and how many of the keys they use, most keys first.
    pub sets: Vec<(usize, usize)>,
}

/// One aggregate call.
#[derive(Debug)]
pub struct AggCall {
    /// Computes FILTER; rows for which it is not true do not count.
    pub filter: Option<Value>,
    /// Computes the arguments and the sort keys.
    pub program: Program,
    /// The slot before the first argument; the transition state goes there when the transition
    /// function is an ordinary one.
    pub args: Slot,
    /// Number of aggregated arguments, sort keys that are no arguments not included.
    pub count: u16,
    /// Transition function.
    pub transition: Transition,
    /// Skip rows with NULL arguments, and start from the first argument if there is no initial value.
    pub strict: bool,
    /// The initial state.
    pub initial: Datum,
    /// The state's type.
    pub state_type: Oid,
    /// Call site of the transition function: its `arg_types` include the state's.
    pub transition_site: SiteId,
    /// Final function.
    pub finalizer: Option<Finalizer>,
    /// DISTINCT: per argument, how equality is decided.
    pub distinct: Option<Vec<KeyEquality>>,
    /// ORDER BY inside the call, or the order that DISTINCT needs.
    pub order: Vec<SortKey>,
    /// All slots that must be kept per row when the input is sorted first.
    pub inputs: Box<[Slot]>,
    /// The result.
    pub out: Slot,
    /// The result's type.
    pub result_type: Oid,
    /// The call, for EXPLAIN.
    pub expr: Expr,
}

/// A transition function.
#[derive(Clone, Copy, Debug)]
pub enum Transition {
    /// Updates a state of its own.
    State(TransFn),
    /// An ordinary function of the state and the arguments.
    Scalar(ScalarFn),
}

/// A final function.
#[derive(Debug)]
pub struct Finalizer {
    /// The function.
    pub function: FinalFunction,
    /// Not called on a NULL state.
    pub strict: bool,
    /// Computes the direct arguments of an ordered-set aggregate.
    pub direct: Program,
    /// State slot for an ordinary function; direct arguments and dummy NULLs follow.
    pub args: Slot,
    /// Direct arguments and dummy NULLs.
    pub count: u16,
    /// Call site.
    pub site: SiteId,
}

/// The two kinds of final function.
#[derive(Clone, Copy, Debug)]
pub enum FinalFunction {
    /// Reads a state of its own.
    State(FinalFn),
    /// An ordinary function of the state.
    Scalar(ScalarFn),
}
