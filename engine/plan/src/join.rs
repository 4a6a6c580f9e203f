//! Joins.

use crate::node::{Filter, KeyEquality, NodeId};
use crate::program::Value;
use crate::slot::SlotSet;
use redoubt_analyze::query::Expr;
use redoubt_functions::Oid;

/// Kinds of join that nodes perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinType {
    /// Matching pairs.
    Inner,
    /// Outer rows without match come with NULLs.
    Left,
    /// Inner rows without match come with NULLs; hash and merge joins only.
    Right,
    /// Both.
    Full,
    /// Outer rows with a match, once.
    Semi,
    /// Outer rows without match.
    Anti,
}

/// For each outer row, the inner rows.
#[derive(Debug)]
pub struct NestedLoop {
    /// Outer input.
    pub outer: NodeId,
    /// Inner input, rescanned for each outer row.
    pub inner: NodeId,
    /// Kind.
    pub join: JoinType,
    /// The join condition; the node's filter is what is tested after null extension.
    pub condition: Option<Filter>,
    /// At most one inner row can match: the search stops at the first.
    pub single_match: bool,
    /// Outer slots that the inner input reads.
    pub params: SlotSet,
}

/// One column of a hash join's key.
#[derive(Debug)]
pub struct HashKey {
    /// The outer side.
    pub outer: Value,
    /// The inner side.
    pub inner: Value,
    /// How they compare. Values of both sides hash alike if they are equal.
    pub equality: KeyEquality,
    /// The outer side's type, to hash by.
    pub outer_type: Oid,
    /// The inner side's type, to hash by.
    pub inner_type: Oid,
}

/// Probes a hash table of the inner input.
#[derive(Debug)]
pub struct HashJoin {
    /// Outer input.
    pub outer: NodeId,
    /// The `Hash` node over the inner input.
    pub inner: NodeId,
    /// Kind.
    pub join: JoinType,
    /// Keys.
    pub keys: Vec<HashKey>,
    /// The keys as expressions, for EXPLAIN.
    pub exprs: Vec<Expr>,
    /// What else must hold for a pair to match.
    pub condition: Option<Filter>,
    /// At most one inner row can match.
    pub single_match: bool,
}

/// One column of a merge join's key.
#[derive(Debug)]
pub struct MergeKey {
    /// The outer side.
    pub outer: Value,
    /// The inner side.
    pub inner: Value,
    /// The outer side's type.
    pub outer_type: Oid,
    /// The inner side's type.
    pub inner_type: Oid,
    /// Both inputs are descending.
    pub descending: bool,
    /// Both have NULLs first.
    pub nulls_first: bool,
}

/// Joins two inputs that are sorted by the keys.
#[derive(Debug)]
pub struct MergeJoin {
    /// Outer input.
    pub outer: NodeId,
    /// Inner input.
    pub inner: NodeId,
    /// Kind.
    pub join: JoinType,
    /// Keys.
    pub keys: Vec<MergeKey>,
    /// The keys as expressions, for EXPLAIN.
    pub exprs: Vec<Expr>,
    /// What else must hold for a pair to match.
    pub condition: Option<Filter>,
    /// At most one inner row can match.
    pub single_match: bool,
}
