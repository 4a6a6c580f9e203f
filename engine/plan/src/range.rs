//! Range-table entries of a plan: what EXPLAIN and error messages need to know about them.

use crate::subplan::SubPlanId;
use redoubt_analyze::query::{ColumnType, Expr, TableSample};
use redoubt_functions::{Oid, TupleDesc};
use std::sync::Arc;

/// One range-table entry, numbered over all query levels of the statement.
#[derive(Clone, Debug)]
pub struct PlanRange {
    /// Alias.
    pub alias: Arc<str>,
    /// Column names.
    pub column_names: Vec<Arc<str>>,
    /// Column types.
    pub columns: Vec<ColumnType>,
    /// What it is.
    pub kind: RangeKind,
    /// TABLESAMPLE, of a table.
    pub sample: Option<Box<TableSample>>,
}

/// What a range-table entry stands for once it is planned.
#[derive(Clone, Debug)]
pub enum RangeKind {
    /// A table.
    Relation {
        /// `pg_class.oid`.
        relid: Oid,
        /// `pg_class.relkind`.
        relkind: char,
        /// Descriptor.
        desc: TupleDesc,
    },
    /// A subquery.
    Subquery,
    /// A join; nothing refers to it.
    Join,
    /// Functions.
    Function,
    /// VALUES lists.
    Values,
    /// A WITH query, by its number in the plan.
    Cte(usize),
    /// The working table of a recursive WITH query.
    WorkTable(usize),
    /// Values computed by an inner node (aggregates, window functions, sets); EXPLAIN prints the
    /// expressions in their place.
    Computed(Vec<Expr>),
    /// A row that is being inserted or updated.
    NewRow,
    /// A subquery in an expression: in expressions that are kept for EXPLAIN, a column of such a range
    /// stands for the subquery's value.
    SubPlan(SubPlanId),
}
