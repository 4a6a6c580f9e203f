//! The typed query tree: what the analyzer makes and every executor reads.
//!
//! It follows PostgreSQL's `Query` (src/include/nodes/parsenodes.h, primnodes.h) in substance:
//! names are resolved to range-table indexes and attribute numbers, every expression knows its
//! type, and every cast is explicit. Whoever executes the tree resolves nothing by name.

use redoubt_error::PgError;
use redoubt_functions::{Oid, TupleDesc};
use std::sync::Arc;

pub use crate::query_expr::*;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandType {
    /// SELECT, VALUES, TABLE.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// One analyzed SELECT, INSERT, UPDATE or DELETE, or a subquery of one.
#[derive(Clone, Debug)]
pub struct Query {
    /// What it does.
    pub command: CommandType,
    /// Range table. `Var::rt` and `result_relation` index it.
    pub rtable: Vec<RangeTblEntry>,
    /// FROM list and WHERE.
    pub jointree: FromExpr,
    /// Output columns, `junk` ones included (sort keys, UPDATE's assignments carry `target_attno`).
    pub target_list: Vec<TargetEntry>,
    /// The range-table index that INSERT, UPDATE or DELETE changes.
    pub result_relation: Option<usize>,
    /// INSERT's ON CONFLICT clause.
    pub on_conflict: Option<OnConflict>,
    /// RETURNING columns; empty when there is none.
    pub returning: Vec<TargetEntry>,
    /// GROUP BY items (`SortGroupClause`s over target entries), flattened.
    pub group_by: Vec<SortGroup>,
    /// Expanded grouping sets, each a list of indexes into `group_by`; `None` for plain GROUP BY.
    pub grouping_sets: Option<Vec<Vec<usize>>>,
    /// HAVING.
    pub having: Option<Expr>,
    /// Whether the query aggregates (aggregates present, or GROUP BY, or HAVING).
    pub has_aggs: bool,
    /// Window definitions that `Expr::WindowFunc::window` indexes.
    pub windows: Vec<WindowClause>,
    /// Whether a set-returning function stands in the target list.
    pub has_target_srfs: bool,
    /// DISTINCT (all non-junk columns) or DISTINCT ON.
    pub distinct: Option<Distinct>,
    /// ORDER BY.
    pub sort: Vec<SortGroup>,
    /// OFFSET, int8.
    pub limit_offset: Option<Expr>,
    /// LIMIT, int8; a NULL constant is LIMIT ALL.
    pub limit_count: Option<Expr>,
    /// FETCH FIRST ... WITH TIES.
    pub with_ties: bool,
    /// FOR UPDATE and its kin.
    pub row_marks: Vec<RowMark>,
    /// WITH queries, in order of definition.
    pub ctes: Vec<Cte>,
    /// UNION, INTERSECT, EXCEPT; leaves are subqueries in the range table.
    pub set_operation: Option<SetOperation>,
    /// Primary keys by which columns that are not grouped by are determined: the query is good as long as they are.
    pub constraint_deps: Vec<Oid>,
}

/// One entry of the range table.
#[derive(Clone, Debug)]
pub struct RangeTblEntry {
    /// What it stands for.
    pub kind: RteKind,
    /// The alias, or the relation's name: what an error message and EXPLAIN call it.
    pub alias: Arc<str>,
    /// Column names after aliasing; dropped columns are present with an empty name.
    pub column_names: Vec<Arc<str>>,
    /// Column types, typmods and collations, in step with `column_names`.
    pub columns: Vec<ColumnType>,
    /// May refer to earlier FROM items.
    pub lateral: bool,
    /// A view with `security_barrier`: conditions from outside must not be tried on rows it would hide.
    pub security_barrier: bool,
    /// Named in FROM (or the target of DML), as opposed to made by the analyzer.
    pub in_from_clause: bool,
    /// Privileges the statement needs on it; a relation only.
    pub required_perms: Perms,
    /// Attribute numbers (1-based) read, and written, for column privileges.
    pub selected_columns: Vec<i16>,
    /// Attribute numbers inserted or updated.
    pub modified_columns: Vec<i16>,
    /// The relation whose privileges count: the relation itself, the view that a subquery
    /// stands for, or 0 when nothing is to be checked.
    pub perms_relid: Oid,
    /// The role whose privileges count: 0 is the current user; inside a view it is the view's owner.
    pub check_as_user: Oid,
    /// TABLESAMPLE, of a table.
    pub sample: Option<Box<TableSample>>,
}

/// `TABLESAMPLE method (percent) [REPEATABLE (seed)]`. Its expressions read no columns.
#[derive(Clone, Debug)]
pub struct TableSample {
    /// How rows are chosen.
    pub method: SampleMethod,
    /// The percentage, `float4`; with REPEATABLE the seed, `float8`.
    pub args: Vec<Expr>,
}

/// PostgreSQL's own sampling methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleMethod {
    /// Row by row.
    Bernoulli,
    /// Block by block.
    System,
}

impl SampleMethod {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            SampleMethod::Bernoulli => "bernoulli",
            SampleMethod::System => "system",
        }
    }
}

/// A column's type in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// `pg_type.oid`.
    pub type_oid: Oid,
    /// Type modifier, -1 if none.
    pub typmod: i32,
    /// Collation, 0 if the type has none.
    pub collation: Oid,
}

/// What a range-table entry stands for.
#[derive(Clone, Debug)]
pub enum RteKind {
    /// A table, catalog or sequence; column n is attribute n+1.
    Relation {
        /// `pg_class.oid`.
        relid: Oid,
        /// `pg_class.relkind`.
        relkind: char,
        /// The descriptor at analysis time.
        desc: TupleDesc,
    },
    /// A subquery in FROM, a view, or a leaf of a set operation.
    Subquery(Box<Query>),
    /// A JOIN; its columns are expressions over the two sides (merged USING columns are
    /// COALESCEs for full joins). Vars never point at joins: the analyzer expands them.
    Join,
    /// Functions in FROM; several for ROWS FROM.
    Function {
        /// The calls, each with the columns it yields.
        functions: Vec<RangeFunction>,
        /// WITH ORDINALITY adds an int8 column at the end.
        with_ordinality: bool,
    },
    /// VALUES lists.
    Values(Vec<Vec<Expr>>),
    /// A reference to a WITH query.
    Cte {
        /// Its name.
        name: Arc<str>,
        /// How many query levels up it is defined.
        levels_up: usize,
        /// Index in that level's `ctes`.
        index: usize,
        /// Inside its own recursive term: reads the working table.
        self_reference: bool,
        /// What its query reads from outside of itself. Empty until the planner takes the definition out of the
        /// tree; from then on only this tells that the reference depends on an outer row.
        outer: Vec<Expr>,
    },
    /// The `excluded` row of ON CONFLICT DO UPDATE.
    Excluded,
}

/// One function of a FROM item.
#[derive(Clone, Debug)]
pub struct RangeFunction {
    /// The call.
    pub call: Expr,
    /// The columns it contributes.
    pub columns: Vec<ColumnType>,
}

/// Privilege bits, as `ACL_*` in PostgreSQL's parsenodes.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perms(pub u32);

impl Perms {
    /// INSERT.
    pub const INSERT: Perms = Perms(1);
    /// SELECT.
    pub const SELECT: Perms = Perms(1 << 1);
    /// UPDATE (also needed by FOR UPDATE).
    pub const UPDATE: Perms = Perms(1 << 2);
    /// DELETE.
    pub const DELETE: Perms = Perms(1 << 3);
    /// Both sets.
    pub fn with(self, other: Perms) -> Perms {
        Perms(self.0 | other.0)
    }
    /// Whether all bits of `other` are here.
    pub fn has(self, other: Perms) -> bool {
        self.0 & other.0 == other.0
    }
}

/// FROM list plus WHERE.
#[derive(Clone, Debug, Default)]
pub struct FromExpr {
    /// Comma-separated items; an inner join of them all.
    pub items: Vec<FromItem>,
    /// WHERE.
    pub quals: Option<Expr>,
}

/// One item of FROM.
#[derive(Clone, Debug)]
pub enum FromItem {
    /// A range-table entry by itself.
    Rte(usize),
    /// A join of two items.
    Join {
        /// Kind.
        kind: JoinKind,
        /// Left side.
        left: Box<FromItem>,
        /// Right side.
        right: Box<FromItem>,
        /// ON (USING and NATURAL are turned into it).
        quals: Option<Expr>,
        /// The join's own range-table entry, for its alias.
        rt: usize,
        /// The columns that USING or NATURAL compared, for printing the join; `quals` compares them.
        using: Vec<Arc<str>>,
    },
}

/// Kinds of join in the tree; semi and anti joins are the planner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// INNER (CROSS too).
    Inner,
    /// LEFT OUTER.
    Left,
    /// RIGHT OUTER.
    Right,
    /// FULL OUTER.
    Full,
}

/// An output column.
#[derive(Clone, Debug)]
pub struct TargetEntry {
    /// The value.
    pub expr: Expr,
    /// Column name shown to the client.
    pub name: Arc<str>,
    /// Not shown: a sort or grouping key only.
    pub junk: bool,
    /// INSERT, UPDATE, ON CONFLICT: the attribute number assigned (1-based); 0 otherwise.
    pub target_attno: i16,
    /// Origin for RowDescription: table oid and attribute number, 0 if not a plain column.
    pub origin: (Oid, i16),
}

/// One key of GROUP BY, ORDER BY or DISTINCT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortGroup {
    /// Index into the target list.
    pub target: usize,
    /// Descending.
    pub descending: bool,
    /// NULLs before all other values.
    pub nulls_first: bool,
    /// The ordering operator (`<` or `>` of the type's default btree opclass, or USING's).
    pub sort_operator: Oid,
    /// The equality operator that goes with it.
    pub eq_operator: Oid,
}

/// DISTINCT.
#[derive(Clone, Debug)]
pub enum Distinct {
    /// SELECT DISTINCT: over these keys (all visible columns).
    All(Vec<SortGroup>),
    /// SELECT DISTINCT ON (...).
    On(Vec<SortGroup>),
}

/// One FOR UPDATE/SHARE clause applied to one relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowMark {
    /// Range-table index.
    pub rt: usize,
    /// Strength.
    pub strength: LockStrength,
    /// What to do when the row is locked.
    pub wait: LockWait,
}

/// Row lock strengths, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockStrength {
    /// FOR KEY SHARE.
    KeyShare,
    /// FOR SHARE.
    Share,
    /// FOR NO KEY UPDATE.
    NoKeyUpdate,
    /// FOR UPDATE.
    Update,
}

/// What a row lock does when it must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Waits.
    Block,
    /// NOWAIT: fails with 55P03.
    Error,
    /// SKIP LOCKED.
    Skip,
}

/// A WITH query.
#[derive(Clone, Debug)]
pub struct Cte {
    /// Its name.
    pub name: Arc<str>,
    /// Its query; for a recursive one the set operation of both terms.
    pub query: Box<Query>,
    /// Refers to itself.
    pub recursive: bool,
    /// MATERIALIZED (Some(true)), NOT MATERIALIZED (Some(false)), or unsaid.
    pub materialized: Option<bool>,
    /// How often it is referred to.
    pub references: usize,
    /// Column names and types.
    pub column_names: Vec<Arc<str>>,
    /// In step with the names.
    pub columns: Vec<ColumnType>,
}

/// A tree of UNION, INTERSECT and EXCEPT.
#[derive(Clone, Debug)]
pub enum SetOperation {
    /// A subquery in the range table.
    Leaf(usize),
    /// An operation of two trees.
    Node {
        /// Which.
        op: SetOp,
        /// ALL.
        all: bool,
        /// Left input.
        left: Box<SetOperation>,
        /// Right input.
        right: Box<SetOperation>,
        /// Result columns.
        columns: Vec<ColumnType>,
        /// Grouping keys over the result columns (`target` is the column's index); empty for ALL unions.
        keys: Vec<SortGroup>,
    },
}

/// Set operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// UNION.
    Union,
    /// INTERSECT.
    Intersect,
    /// EXCEPT.
    Except,
}

/// ON CONFLICT.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The unique indexes that arbitrate (inferred by the analyzer); empty for "any".
    pub arbiter_indexes: Vec<Oid>,
    /// DO UPDATE's assignments (`target_attno` set); empty for DO NOTHING.
    pub set: Vec<TargetEntry>,
    /// DO UPDATE (true) or DO NOTHING (false).
    pub do_update: bool,
    /// DO UPDATE's WHERE.
    pub where_clause: Option<Expr>,
    /// The range-table index of `excluded`.
    pub excluded_rt: Option<usize>,
}

/// OVER (...) or a WINDOW clause.
#[derive(Clone, Debug)]
pub struct WindowClause {
    /// Name, if given.
    pub name: Option<Arc<str>>,
    /// PARTITION BY.
    pub partition_by: Vec<SortGroup>,
    /// ORDER BY.
    pub order_by: Vec<SortGroup>,
    /// Frame.
    pub frame: WindowFrame,
}

/// A window frame.
#[derive(Clone, Debug)]
pub struct WindowFrame {
    /// ROWS, RANGE or GROUPS.
    pub mode: FrameMode,
    /// Where it starts.
    pub start: FrameBound,
    /// Where it ends.
    pub end: FrameBound,
    /// EXCLUDE.
    pub exclude: FrameExclude,
}

/// How frame bounds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameMode {
    /// ROWS.
    Rows,
    /// RANGE.
    Range,
    /// GROUPS.
    Groups,
}

/// One end of a frame.
#[derive(Clone, Debug)]
pub enum FrameBound {
    /// UNBOUNDED PRECEDING.
    UnboundedPreceding,
    /// n PRECEDING.
    Preceding(Box<Expr>),
    /// CURRENT ROW.
    CurrentRow,
    /// n FOLLOWING.
    Following(Box<Expr>),
    /// UNBOUNDED FOLLOWING.
    UnboundedFollowing,
}

/// EXCLUDE of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameExclude {
    /// NO OTHERS.
    NoOthers,
    /// CURRENT ROW.
    CurrentRow,
    /// GROUP.
    Group,
    /// TIES.
    Ties,
}

/// What analysis of one statement yields.
pub type AnalyzeResult = Result<Query, PgError>;
