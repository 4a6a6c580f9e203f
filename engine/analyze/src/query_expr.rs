//! The typed expressions of a query tree; see [`crate::query`].

use crate::query::{ColumnType, Query};
use redoubt_functions::{Datum, Oid, ScalarFn};
use std::sync::Arc;

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

/// Where something stands in the statement's text. Positions tell no nodes apart: all are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position(Option<u32>);

impl Position {
    /// A byte offset.
    pub fn at(offset: usize) -> Position {
        Position(u32::try_from(offset).ok())
    }

    /// The byte offset, if it is known.
    pub fn offset(self) -> Option<usize> {
        self.0.map(|offset| offset as usize)
    }
}

impl PartialEq for Position {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Position {}

impl std::hash::Hash for Position {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
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
    /// Where it was written, for errors that are found later.
    pub position: Position,
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
    /// The last argument is the array of a VARIADIC parameter: written with the key word, or built of
    /// the arguments. Functions with VARIADIC "any" need to know.
    pub variadic: bool,
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
    /// SQL's own syntax: EXTRACT, OVERLAY, AT TIME ZONE and the like.
    SqlSyntax,
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
