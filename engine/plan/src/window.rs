//! Window functions.

use crate::aggregate::AggCall;
use crate::node::{GroupKey, NodeId, SortKey};
use crate::program::{Program, SiteId, Value};
use crate::slot::Slot;
use redoubt_analyze::query::{Expr, FrameExclude, FrameMode};
use redoubt_functions::{Oid, ScalarFn};

/// A window node: all functions over one window definition.
#[derive(Debug)]
pub struct Windowing {
    /// Input, sorted by partition and order.
    pub child: NodeId,
    /// PARTITION BY.
    pub partition: Vec<GroupKey>,
    /// ORDER BY: rows equal by these are peers.
    pub order: Vec<GroupKey>,
    /// ORDER BY with directions, for RANGE with offset.
    pub order_keys: Vec<SortKey>,
    /// Frame.
    pub frame: Frame,
    /// Functions.
    pub calls: Vec<WindowCall>,
}

/// A frame.
#[derive(Debug)]
pub struct Frame {
    /// ROWS, RANGE, GROUPS.
    pub mode: FrameMode,
    /// Start.
    pub start: Bound,
    /// End.
    pub end: Bound,
    /// EXCLUDE.
    pub exclude: FrameExclude,
    /// RANGE with an offset: the order key plus or minus an offset, by `in_range`.
    pub in_range: Option<InRange>,
}

/// One end of a frame.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Bound {
    UnboundedPreceding,
    Preceding(Value),
    CurrentRow,
    Following(Value),
    UnboundedFollowing,
}

/// The `in_range` support function of the order key's operator class.
#[derive(Debug)]
pub struct InRange {
    /// `in_range(value, base, offset, subtract, less)` for the frame's start, if that has an offset.
    pub start: Option<(ScalarFn, SiteId)>,
    /// The same for its end.
    pub end: Option<(ScalarFn, SiteId)>,
    /// Five consecutive slots for the arguments.
    pub args: Slot,
}

/// One window function call.
#[derive(Debug)]
pub struct WindowCall {
    /// What it computes.
    pub function: WindowFunction,
    /// The result.
    pub out: Slot,
    /// The result's type.
    pub result_type: Oid,
    /// The call, for EXPLAIN.
    pub expr: Expr,
}

/// The built-in window functions, and aggregates.
#[derive(Debug)]
pub enum WindowFunction {
    /// An aggregate over the frame; `inverse` takes rows out again.
    Aggregate(Box<AggCall>),
    /// A function that looks at the partition.
    Builtin {
        /// Which.
        kind: BuiltinWindow,
        /// Computes the arguments for a row.
        program: Program,
        /// First argument.
        args: Slot,
        /// Number of arguments.
        count: u16,
    },
}

/// Window functions proper (pg_proc's `window_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BuiltinWindow {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile,
    Lag,
    Lead,
    FirstValue,
    LastValue,
    NthValue,
}
