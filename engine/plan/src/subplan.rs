//! Subqueries in expressions, and WITH queries.

use crate::node::{KeyEquality, NodeId};
use crate::program::{Program, Value};
use crate::slot::{Slot, SlotSet};
use redoubt_analyze::query::{CommandType, Expr};
use std::sync::Arc;

/// The number of a subquery in `Plan::subplans`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubPlanId(pub u32);

impl SubPlanId {
    /// The index into `Plan::subplans`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A subquery in an expression.
#[derive(Debug)]
pub struct SubPlan {
    /// Its top node.
    pub root: NodeId,
    /// What is asked of it.
    pub kind: SubPlanKind,
    /// Slots it reads that are written outside: what makes it correlated.
    pub external: SlotSet,
    /// Evaluated once and remembered until one of `external` changes: an init plan.
    pub init: bool,
    /// How EXPLAIN names it: `SubPlan 1`, `InitPlan 1`.
    pub number: usize,
    /// The number that EXPLAIN shows an init plan's value by (`$0`).
    pub param: usize,
    /// The output columns of the subquery.
    pub columns: Vec<Slot>,
    /// The comparisons, for EXPLAIN.
    pub tests: Vec<Expr>,
}

/// What is asked of a subquery.
#[derive(Debug)]
pub enum SubPlanKind {
    /// EXISTS.
    Exists,
    /// The single value of the single row; NULL if there is no row.
    Scalar,
    /// ARRAY(...) of this element type.
    Array {
        /// Element type.
        element_type: redoubt_functions::Oid,
        /// The elements are arrays themselves.
        multidim: bool,
    },
    /// ANY or ALL: compares with each row.
    Quantified {
        /// ANY.
        any: bool,
        /// Computes the left sides, before the subquery runs.
        left: Program,
        /// Compares the left sides with the current row.
        test: Value,
    },
    /// Compares with the single row; NULL if there is none.
    RowCompare {
        /// Computes the left sides.
        left: Program,
        /// The comparison.
        test: Value,
    },
    /// ANY over a subquery that does not depend on the outer row: probes a hash table of its rows.
    HashedAny {
        /// Computes the left sides.
        left: Program,
        /// Left sides, subquery columns, and how they are hashed and compared.
        keys: Vec<HashedKey>,
        /// Compares the left sides with one row, for keys that contain NULLs.
        test: Value,
        /// NULL need not be told from false.
        unknown_is_false: bool,
    },
}

/// One column of a hashed ANY.
#[derive(Debug)]
pub struct HashedKey {
    /// The outer value.
    pub left: Slot,
    /// The subquery's column.
    pub right: Slot,
    /// How they are hashed and compared.
    pub equality: KeyEquality,
}

/// A WITH query that is evaluated into a store.
#[derive(Debug)]
pub struct CtePlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its top node.
    pub root: NodeId,
    /// The columns it writes, in order.
    pub columns: Vec<Slot>,
    /// What it does; one that changes data always runs to its end.
    pub command: CommandType,
    /// Slots it reads that are written outside.
    pub external: SlotSet,
    /// How many init plans were numbered before it, for EXPLAIN.
    pub number: usize,
}
