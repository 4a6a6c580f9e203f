//! The typed query tree: what the analyzer makes and every executor reads.
//!
//! It follows PostgreSQL's `Query` (src/include/nodes/parsenodes.h, primnodes.h) in substance:
//! names are resolved to range-table indexes and attribute numbers, every expression knows its
//! type, and every cast is explicit. Whoever executes the tree resolves nothing by name.

use redoubt_error::PgError;
use redoubt_functions::{Datum, Oid, ScalarFn, TupleDesc};
use std::sync::Arc;

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
    /// Named in FROM (or the target of DML), as opposed to made by the analyzer.
    pub in_from_clause: bool,
    /// Privileges the statement needs on it; a relation only.
    pub required_perms: Perms,
    /// Attribute numbers (1-based) read, and written, for column privileges.
    pub selected_columns: Vec<i16>,
    /// Attribute numbers inserted or updated.
    pub modified_columns: Vec<i16>,
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

/// A typed expression. `ty()` gives its type; nothing in it is resolved by name.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A constant.
    Const {
        /// The value, of exactly this type.
        value: Datum,
        /// Its type.
        ty: ColumnType,
    },
    /// A column of a range-table entry.
    Var(Var),
    /// `$n` of a prepared statement (1-based).
    Param {
        /// Number.
        number: usize,
        /// Type.
        ty: ColumnType,
    },
    /// A call of a function, operator or cast function: they differ only in how EXPLAIN and
    /// pg_get_viewdef print them.
    Call(Box<Call>),
    /// A binary-compatible cast: same datum, other type label.
    Relabel {
        /// Argument.
        arg: Box<Expr>,
        /// Result type.
        ty: ColumnType,
        /// Explicit in the text.
        explicit: bool,
    },
    /// A cast through the types' text output and input functions.
    CoerceViaIo {
        /// Argument.
        arg: Box<Expr>,
        /// Result type.
        ty: ColumnType,
        /// Explicit in the text.
        explicit: bool,
    },
    /// An element-wise cast of an array; `element` has a `CaseTest` in place of the element.
    ArrayCoerce {
        /// Argument.
        arg: Box<Expr>,
        /// Cast applied to each element.
        element: Box<Expr>,
        /// Result type.
        ty: ColumnType,
    },
    /// AND of two or more.
    And(Vec<Expr>),
    /// OR of two or more.
    Or(Vec<Expr>),
    /// NOT.
    Not(Box<Expr>),
    /// IS [NOT] NULL; on a row, PostgreSQL's all-fields rule.
    IsNull {
        /// Argument.
        arg: Box<Expr>,
        /// IS NOT NULL.
        negated: bool,
        /// The argument is a composite value.
        row: bool,
    },
    /// IS [NOT] TRUE/FALSE/UNKNOWN.
    BooleanTest {
        /// Argument.
        arg: Box<Expr>,
        /// `None` is UNKNOWN.
        value: Option<bool>,
        /// IS NOT.
        negated: bool,
    },
    /// IS [NOT] DISTINCT FROM, by an equality operator.
    Distinct {
        /// The equality call.
        equality: Box<Call>,
        /// IS NOT DISTINCT FROM.
        negated: bool,
    },
    /// NULLIF by an equality operator.
    NullIf {
        /// The equality call.
        equality: Box<Call>,
        /// Result type (of the first argument).
        ty: ColumnType,
    },
    /// CASE. With `arg`, each WHEN compares a `CaseTest` with its value.
    Case {
        /// The argument of a simple CASE.
        arg: Option<Box<Expr>>,
        /// Condition and result.
        whens: Vec<(Expr, Expr)>,
        /// ELSE (a NULL constant if absent).
        otherwise: Box<Expr>,
        /// Result type.
        ty: ColumnType,
    },
    /// The value under test inside CASE or an array element cast.
    CaseTest(ColumnType),
    /// COALESCE.
    Coalesce {
        /// Arguments.
        args: Vec<Expr>,
        /// Result type.
        ty: ColumnType,
    },
    /// GREATEST or LEAST.
    MinMax {
        /// GREATEST.
        greatest: bool,
        /// Arguments.
        args: Vec<Expr>,
        /// Result type.
        ty: ColumnType,
    },
    /// `left op ANY|ALL (array)`; long IN lists of constants become this.
    ScalarArrayOp {
        /// The element operator; its arguments are the scalar and the array.
        call: Box<Call>,
        /// ANY (true) or ALL.
        any: bool,
    },
    /// ARRAY[...].
    Array {
        /// Elements (arrays themselves if `multidim`).
        elements: Vec<Expr>,
        /// Element type.
        element_type: Oid,
        /// Elements are sub-arrays.
        multidim: bool,
        /// Result type.
        ty: ColumnType,
    },
    /// ROW(...).
    Row {
        /// Fields.
        fields: Vec<Expr>,
        /// RECORD or a named composite.
        ty: ColumnType,
    },
    /// Row-wise comparison `(a, b) < (c, d)`.
    RowCompare {
        /// Per column: the operator call over both sides (`<` family), most significant first.
        calls: Vec<Call>,
        /// Per column: the equality call.
        equalities: Vec<Call>,
        /// Which comparison.
        op: RowCompareOp,
    },
    /// Field of a composite value.
    FieldSelect {
        /// Composite argument.
        arg: Box<Expr>,
        /// Attribute number, 1-based.
        field: i16,
        /// Result type.
        ty: ColumnType,
    },
    /// `a[i]`, `a[i:j]`.
    Subscript {
        /// Container.
        arg: Box<Expr>,
        /// Per dimension: lower (slices only) and upper.
        indexes: Vec<(Option<Expr>, Option<Expr>)>,
        /// A slice.
        slice: bool,
        /// Result type.
        ty: ColumnType,
    },
    /// An aggregate call; its argument expressions see the rows below the aggregation.
    Aggregate(Box<Aggregate>),
    /// GROUPING(...).
    Grouping {
        /// Indexes into `group_by`.
        keys: Vec<usize>,
        /// Levels up.
        levels_up: usize,
    },
    /// A window function call.
    WindowFunc(Box<WindowFunc>),
    /// A subquery as an expression.
    SubLink(Box<SubLink>),
    /// NEXT VALUE-like and session functions (CURRENT_DATE, CURRENT_USER, ...).
    SqlValue {
        /// Which.
        function: SqlValueFunction,
        /// Type and typmod.
        ty: ColumnType,
    },
    /// DEFAULT in VALUES of an INSERT, before it is replaced by the column's default.
    SetToDefault(ColumnType),
    /// `expr COLLATE x`.
    Collate {
        /// Argument.
        arg: Box<Expr>,
        /// Collation.
        collation: Oid,
    },
}

/// Row comparison operators that are not plain conjunctions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowCompareOp {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
}

/// A column reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Var {
    /// Index into the range table of the query `levels_up` levels up.
    pub rt: usize,
    /// 1-based column; 0 is the whole row; negative are system columns (-1 ctid, -2 xmin,
    /// -3 cmin, -4 xmax, -5 cmax, -6 tableoid).
    pub attno: i16,
    /// `pg_type.oid`.
    pub type_oid: Oid,
    /// Type modifier.
    pub typmod: i32,
    /// Collation.
    pub collation: Oid,
    /// 0 for this query.
    pub levels_up: usize,
}

/// A function call, with all that is needed to make it.
#[derive(Clone, Debug)]
pub struct Call {
    /// `pg_proc.oid`.
    pub proc_oid: Oid,
    /// Its implementation; `None` when it is not built in (the executor reports 0A000, or runs
    /// a language handler).
    pub function: Option<ScalarFn>,
    /// `pg_proc.proname`, for messages and EXPLAIN.
    pub name: Arc<str>,
    /// NULL in, NULL out.
    pub strict: bool,
    /// `pg_proc.provolatile`: 'i', 's' or 'v'.
    pub volatility: char,
    /// Returns a set.
    pub returns_set: bool,
    /// Arguments, coerced to the declared types; defaults and VARIADIC arrays filled in.
    pub args: Vec<Expr>,
    /// Actual argument types.
    pub arg_types: Vec<Oid>,
    /// Result.
    pub ty: ColumnType,
    /// Collation the function should use.
    pub input_collation: Oid,
    /// How it was written.
    pub form: CallForm,
    /// Byte offset in the statement, for run-time errors and EXPLAIN-less messages.
    pub position: Option<usize>,
}

/// How a call was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallForm {
    /// `f(x)`.
    Function,
    /// `a op b` or `op a`, with the operator's oid and name.
    Operator {
        /// `pg_operator.oid`.
        oid: Oid,
        /// Symbol.
        symbol: Arc<str>,
    },
    /// An explicit cast.
    ExplicitCast,
    /// An implicit cast.
    ImplicitCast,
}

/// An aggregate call.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// `pg_proc.oid` of the aggregate.
    pub proc_oid: Oid,
    /// Name.
    pub name: Arc<str>,
    /// Arguments (direct arguments of ordered-set aggregates first).
    pub args: Vec<Expr>,
    /// Number of direct arguments.
    pub direct_args: usize,
    /// Actual argument types.
    pub arg_types: Vec<Oid>,
    /// `count(*)`.
    pub star: bool,
    /// DISTINCT.
    pub distinct: bool,
    /// ORDER BY inside the call.
    pub order_by: Vec<OrderKey>,
    /// FILTER.
    pub filter: Option<Expr>,
    /// Result.
    pub ty: ColumnType,
    /// Collation for its transition function.
    pub input_collation: Oid,
    /// The query level it aggregates at.
    pub levels_up: usize,
    /// Byte offset.
    pub position: Option<usize>,
}

/// A sort key that is an expression by itself.
#[derive(Clone, Debug)]
pub struct OrderKey {
    /// Value.
    pub expr: Expr,
    /// Descending.
    pub descending: bool,
    /// NULLs first.
    pub nulls_first: bool,
    /// Ordering operator.
    pub sort_operator: Oid,
    /// Equality operator.
    pub eq_operator: Oid,
}

/// A window function call.
#[derive(Clone, Debug)]
pub struct WindowFunc {
    /// `pg_proc.oid`.
    pub proc_oid: Oid,
    /// Name.
    pub name: Arc<str>,
    /// Arguments.
    pub args: Vec<Expr>,
    /// Actual argument types.
    pub arg_types: Vec<Oid>,
    /// FILTER (aggregates only).
    pub filter: Option<Expr>,
    /// An aggregate used as a window function.
    pub is_aggregate: bool,
    /// `count(*)`.
    pub star: bool,
    /// Index into `Query::windows`.
    pub window: usize,
    /// Result.
    pub ty: ColumnType,
    /// Collation.
    pub input_collation: Oid,
    /// Byte offset.
    pub position: Option<usize>,
}

/// A subquery in an expression.
#[derive(Clone, Debug)]
pub struct SubLink {
    /// What is asked of it.
    pub kind: SubLinkKind,
    /// The subquery; `Var`s with `levels_up` > 0 make it correlated.
    pub query: Query,
    /// ANY/ALL: one comparison per output column, over the left expression and
    /// `SubLinkKind`'s placeholder (`Expr::Param` is not used: see `SubLinkOutput`).
    pub tests: Vec<SubLinkTest>,
    /// Result type: bool, or the scalar's, or the array's.
    pub ty: ColumnType,
}

/// One column comparison of `x op ANY (SELECT ...)`.
#[derive(Clone, Debug)]
pub struct SubLinkTest {
    /// The left expression, coerced.
    pub left: Expr,
    /// The comparison; its second argument is a `CaseTest` that stands for the subquery's column
    /// (coerced inside the call's argument if need be), its first is `left`.
    pub call: Call,
}

/// What is asked of a subquery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubLinkKind {
    /// EXISTS (...).
    Exists,
    /// `x op ANY (...)`, IN.
    Any,
    /// `x op ALL (...)`, NOT IN.
    All,
    /// A scalar.
    Expr,
    /// ARRAY(...).
    Array,
    /// `(a, b) = (SELECT ...)`: one row, compared by `tests`.
    RowCompare,
}

/// CURRENT_DATE and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SqlValueFunction {
    CurrentDate,
    CurrentTime,
    CurrentTimestamp,
    LocalTime,
    LocalTimestamp,
    CurrentRole,
    CurrentUser,
    User,
    SessionUser,
    CurrentCatalog,
    CurrentSchema,
}

/// A type for booleans.
pub const BOOL_TYPE: ColumnType = ColumnType { type_oid: 16, typmod: -1, collation: 0 };

impl Expr {
    /// The type of the expression.
    pub fn ty(&self) -> ColumnType {
        match self {
            Expr::Const { ty, .. }
            | Expr::Param { ty, .. }
            | Expr::Relabel { ty, .. }
            | Expr::CoerceViaIo { ty, .. }
            | Expr::ArrayCoerce { ty, .. }
            | Expr::NullIf { ty, .. }
            | Expr::Case { ty, .. }
            | Expr::CaseTest(ty)
            | Expr::Coalesce { ty, .. }
            | Expr::MinMax { ty, .. }
            | Expr::Array { ty, .. }
            | Expr::Row { ty, .. }
            | Expr::FieldSelect { ty, .. }
            | Expr::Subscript { ty, .. }
            | Expr::SqlValue { ty, .. }
            | Expr::SetToDefault(ty) => *ty,
            Expr::Var(v) => ColumnType { type_oid: v.type_oid, typmod: v.typmod, collation: v.collation },
            Expr::Call(c) => c.ty,
            Expr::Aggregate(a) => a.ty,
            Expr::WindowFunc(w) => w.ty,
            Expr::SubLink(s) => s.ty,
            Expr::Collate { arg, collation } => ColumnType { collation: *collation, ..arg.ty() },
            Expr::Grouping { .. } => ColumnType { type_oid: 23, typmod: -1, collation: 0 },
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::BooleanTest { .. }
            | Expr::Distinct { .. }
            | Expr::ScalarArrayOp { .. }
            | Expr::RowCompare { .. } => BOOL_TYPE,
        }
    }
}

/// What analysis of one statement yields.
pub type AnalyzeResult = Result<Query, PgError>;
