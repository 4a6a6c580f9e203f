//! Plans: immutable trees of physical nodes over one frame of slots.
//!
//! A plan holds nothing that an execution changes, so one plan serves any number of executions in
//! any number of sessions at once. Nodes live in an arena and name their children by number; the
//! executor keeps its per-node state beside it under the same numbers.

use crate::aggregate::Aggregation;
use crate::join::{HashJoin, MergeJoin, NestedLoop};
use crate::modify::{LockRows, ModifyTable};
use crate::program::{CallSite, Program, SiteId, Value};
use crate::range::PlanRange;
use crate::scan::{
    BitmapHeapScan, BitmapIndexScan, CteScan, FunctionScan, IndexScan, SeqScan, TidScan, ValuesScan,
};
use crate::slot::{Slot, SlotSet};
use crate::subplan::{CtePlan, SubPlan, SubPlanId};
use crate::window::Windowing;
use redoubt_analyze::query::{ColumnType, CommandType, Expr, Perms, SetOp};
use redoubt_functions::{Datum, Oid, ScalarFn, SrfFn};
use std::sync::Arc;

/// The number of a node in `Plan::nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node's index in the arena.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One statement, ready to run any number of times.
#[derive(Debug)]
pub struct Plan {
    /// What the statement does.
    pub command: CommandType,
    /// All nodes of all query levels.
    pub nodes: Vec<PlanNode>,
    /// The top node.
    pub root: NodeId,
    /// What the frame holds when an execution starts: constants, and NULL elsewhere.
    pub frame: Vec<Datum>,
    /// The slots that take the values of `$1`, `$2`, ...; `None` for one that is not used.
    pub params: Vec<Option<Slot>>,
    /// Call sites by [`SiteId`].
    pub call_sites: Vec<CallSite>,
    /// Subqueries in expressions.
    pub subplans: Vec<SubPlan>,
    /// WITH queries that are kept in a store of their own; `None` for one that nobody reads.
    pub ctes: Vec<Option<CtePlan>>,
    /// Every range-table entry of every level.
    pub ranges: Vec<PlanRange>,
    /// The visible columns of the result; empty for DML without RETURNING.
    pub columns: Vec<OutputColumn>,
    /// Visible columns lie in consecutive slots from here.
    pub first_column: Slot,
    /// Number of array caches that executions must keep.
    pub array_caches: u32,
    /// Privileges to check before execution.
    pub permissions: Vec<Permission>,
    /// Whether the statement changes anything or locks rows.
    pub read_only: bool,
}

/// A visible column of the result.
#[derive(Clone, Debug)]
pub struct OutputColumn {
    /// Name.
    pub name: Arc<str>,
    /// Type.
    pub ty: ColumnType,
    /// Table and attribute it comes from unchanged, or zeros.
    pub origin: (Oid, i16),
}

/// Privileges that a statement needs on a relation.
#[derive(Clone, Debug)]
pub struct Permission {
    /// The relation.
    pub relid: Oid,
    /// Its kind, for the message.
    pub relkind: char,
    /// The role whose privileges count; 0 for the current user.
    pub check_as_user: Oid,
    /// Privileges on the whole table.
    pub perms: Perms,
    /// Columns that must be readable.
    pub selected: Vec<i16>,
    /// Columns that must be writable.
    pub modified: Vec<i16>,
}

/// One node.
#[derive(Debug)]
pub struct PlanNode {
    /// What it does.
    pub kind: NodeKind,
    /// Rows that do not satisfy it are skipped.
    pub filter: Option<Filter>,
    /// Computed for every row that is delivered.
    pub project: Program,
    /// Init plans of this query level, to be forgotten when the node is rescanned with new inputs.
    pub init_plans: Vec<SubPlanId>,
    /// Slots written in this subtree and read above it: what a node that holds rows back must save,
    /// and what an outer join sets to NULL.
    pub live: Box<[Slot]>,
    /// Slots read in this subtree but written outside it.
    pub external: SlotSet,
    /// The planner's estimate.
    pub estimate: Estimate,
    /// What the node delivers, for EXPLAIN VERBOSE.
    pub output: Vec<Expr>,
}

/// The planner's estimate for a node, in PostgreSQL's cost units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Cost before the first row.
    pub startup: f64,
    /// Cost of all rows.
    pub total: f64,
    /// Rows.
    pub rows: f64,
    /// Bytes per row.
    pub width: i32,
}

/// A compiled condition and, for EXPLAIN, what it was compiled from.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Ends with "no" at the first conjunct that is not true.
    pub program: Program,
    /// The conjuncts.
    pub exprs: Vec<Expr>,
}

/// How two keys are compared for equality.
#[derive(Clone, Debug)]
pub struct KeyEquality {
    /// The type whose default operator class decides (and hashes).
    pub type_oid: Oid,
    /// Another equality function, if the query asks for one.
    pub function: Option<(ScalarFn, SiteId)>,
}

/// One key of a sort order.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// Where the value is.
    pub slot: Slot,
    /// Its type.
    pub type_oid: Oid,
    /// Descending.
    pub descending: bool,
    /// NULLs before all others.
    pub nulls_first: bool,
    /// A `<` function other than the type's own (`ORDER BY ... USING`).
    pub less: Option<(ScalarFn, SiteId)>,
    /// The key, for EXPLAIN.
    pub expr: Expr,
    /// The ordering operator, for EXPLAIN's USING.
    pub operator: Oid,
}

/// One key of a grouping.
#[derive(Clone, Debug)]
pub struct GroupKey {
    /// Where the input row has it.
    pub slot: Slot,
    /// How groups are told apart.
    pub equality: KeyEquality,
    /// The key, for EXPLAIN.
    pub expr: Expr,
}

/// The kinds of nodes.
#[derive(Debug)]
pub enum NodeKind {
    /// Delivers one row, or its child's rows, if the condition (evaluated once) is true.
    Result {
        /// Input.
        child: Option<NodeId>,
        /// The condition.
        once: Option<Filter>,
    },
    /// Expands set-returning functions in the target list.
    ProjectSet(ProjectSet),
    /// Reads a table from end to end.
    SeqScan(SeqScan),
    /// Reads a table by an index.
    IndexScan(IndexScan),
    /// Reads the pages of a table that a bitmap names.
    BitmapHeapScan(BitmapHeapScan),
    /// Makes a bitmap from an index.
    BitmapIndexScan(BitmapIndexScan),
    /// Intersects bitmaps.
    BitmapAnd(Vec<NodeId>),
    /// Unites bitmaps.
    BitmapOr(Vec<NodeId>),
    /// Reads rows by ctid.
    TidScan(TidScan),
    /// A subquery in FROM that was not pulled up. It only names the subquery: its columns are
    /// the subquery's slots.
    SubqueryScan {
        /// The subquery.
        child: NodeId,
        /// Its range-table entry.
        range: usize,
    },
    /// Functions in FROM.
    FunctionScan(FunctionScan),
    /// VALUES lists.
    ValuesScan(ValuesScan),
    /// Reads a WITH query's store.
    CteScan(CteScan),
    /// Reads the working table of a recursive WITH query.
    WorkTableScan(CteScan),
    /// For each outer row, the matching inner rows.
    NestedLoop(NestedLoop),
    /// Joins two sorted inputs.
    MergeJoin(MergeJoin),
    /// Probes a hash table of the inner input.
    HashJoin(HashJoin),
    /// The hash table's input, as EXPLAIN shows it.
    Hash(NodeId),
    /// Keeps its input's rows for reading again.
    Material(NodeId),
    /// Sorts.
    Sort {
        /// Input.
        child: NodeId,
        /// Keys, most significant first.
        keys: Vec<SortKey>,
        /// The parent limit's slots, if only that many rows are wanted: (count, offset).
        bound: Option<Bound>,
    },
    /// LIMIT and OFFSET.
    Limit(Limit),
    /// Drops adjacent duplicates.
    Unique {
        /// Sorted input.
        child: NodeId,
        /// What makes two rows equal.
        keys: Vec<GroupKey>,
    },
    /// GROUP BY over sorted input without aggregates.
    Group {
        /// Sorted input.
        child: NodeId,
        /// Keys.
        keys: Vec<GroupKey>,
    },
    /// Aggregates.
    Aggregate(Aggregation),
    /// Window functions.
    Window(Windowing),
    /// All rows of each child in turn.
    Append(Vec<NodeId>),
    /// INTERSECT and EXCEPT over an Append of both inputs.
    SetOp(SetOperationNode),
    /// Repeats the recursive term until it yields nothing new.
    RecursiveUnion(RecursiveUnion),
    /// FOR UPDATE and its kin.
    LockRows(LockRows),
    /// INSERT, UPDATE, DELETE.
    ModifyTable(Box<ModifyTable>),
    /// A subtree that another executor runs as a whole; this node hands its rows on.
    Offload {
        /// The subtree's top node, which says what is computed.
        child: NodeId,
        /// The executor's name, for EXPLAIN.
        executor: &'static str,
    },
}

/// How many sorted rows are wanted.
#[derive(Clone, Debug)]
pub struct Bound {
    /// LIMIT.
    pub count: Value,
    /// OFFSET.
    pub offset: Option<Value>,
}

/// LIMIT and OFFSET.
#[derive(Debug)]
pub struct Limit {
    /// Input.
    pub child: NodeId,
    /// OFFSET, int8.
    pub offset: Option<Value>,
    /// LIMIT, int8; NULL is no limit.
    pub count: Option<Value>,
    /// WITH TIES: rows equal to the last one by these keys come too.
    pub ties: Option<Vec<GroupKey>>,
}

/// Set-returning functions in a target list: all advance in lock step, and the shorter ones
/// yield NULL until the longest is done.
#[derive(Debug)]
pub struct ProjectSet {
    /// Input.
    pub child: NodeId,
    /// The calls.
    pub calls: Vec<SetCall>,
}

/// A call of a set-returning function.
#[derive(Debug)]
pub struct SetCall {
    /// The function; `None` where it has no implementation: `0A000` when called.
    pub function: Option<SrfFn>,
    /// Computes the arguments.
    pub program: Program,
    /// First argument.
    pub args: Slot,
    /// Number of arguments.
    pub count: u16,
    /// No rows if an argument is NULL.
    pub strict: bool,
    /// Call site.
    pub site: SiteId,
    /// Where each row's value goes.
    pub out: Slot,
    /// The call, for EXPLAIN.
    pub expr: Expr,
}

/// INTERSECT or EXCEPT.
#[derive(Debug)]
pub struct SetOperationNode {
    /// Both inputs, appended: left rows first, told apart by `flag`.
    pub child: NodeId,
    /// INTERSECT or EXCEPT.
    pub op: SetOp,
    /// ALL.
    pub all: bool,
    /// Hashed, as opposed to over sorted input.
    pub hashed: bool,
    /// 0 for a row of the left input, 1 for the right.
    pub flag: Slot,
    /// The columns that make rows equal.
    pub keys: Vec<GroupKey>,
}

/// A recursive WITH query.
#[derive(Debug)]
pub struct RecursiveUnion {
    /// The non-recursive term.
    pub start: NodeId,
    /// The recursive term.
    pub step: NodeId,
    /// The working table's number among `Plan::ctes`.
    pub cte: usize,
    /// The slot that stands for the working table's contents.
    pub work: Slot,
    /// Result columns, which both terms write.
    pub columns: Vec<Slot>,
    /// UNION: what makes two rows equal; `None` for UNION ALL.
    pub distinct: Option<Vec<GroupKey>>,
}
