//! SELECT, INSERT, UPDATE, DELETE.
#![allow(missing_docs)] // Fields bear the grammar's own names; types are documented.

use super::expr::*;
use super::utility::IntoClause;

/// What can be analyzed and planned: the statements that PREPARE accepts.
#[derive(Clone, Debug)]
pub enum DmlStatement {
    Select(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

/// A query expression: a SELECT, VALUES or set operation with what stands around it.
#[derive(Clone, Debug)]
pub struct Query {
    pub with: Option<With>,
    pub body: QueryBody,
    pub order_by: Vec<SortBy>,
    pub limit: Limit,
    pub locking: Vec<Locking>,
    pub pos: usize,
}

/// The inner part of a query.
#[derive(Clone, Debug)]
pub enum QueryBody {
    Select(Box<Select>),
    /// VALUES (...), (...).
    Values {
        rows: Vec<Vec<Expr>>,
        pos: usize,
    },
    SetOp(Box<SetOperation>),
}

/// UNION, INTERSECT, EXCEPT.
#[derive(Clone, Debug)]
pub struct SetOperation {
    pub op: SetOperator,
    pub all: bool,
    pub left: Query,
    pub right: Query,
}

/// Which set operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

impl SetOperator {
    /// The keyword.
    pub fn as_str(self) -> &'static str {
        match self {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        }
    }
}

/// OFFSET and LIMIT (or FETCH FIRST).
#[derive(Clone, Debug, Default)]
pub struct Limit {
    pub offset: Option<Expr>,
    /// LIMIT ALL is a NULL literal.
    pub count: Option<Expr>,
    pub with_ties: bool,
}

impl Limit {
    /// Whether neither clause was given.
    pub fn is_empty(&self) -> bool {
        self.offset.is_none() && self.count.is_none()
    }
}

/// SELECT proper.
#[derive(Clone, Debug)]
pub struct Select {
    pub distinct: Option<Distinct>,
    pub targets: Vec<Target>,
    pub into: Option<IntoClause>,
    pub from: Vec<TableRef>,
    pub where_clause: Option<Expr>,
    pub group_by: Vec<GroupBy>,
    pub group_distinct: bool,
    pub having: Option<Expr>,
    pub windows: Vec<WindowSpec>,
    pub pos: usize,
}

/// DISTINCT or DISTINCT ON (...).
#[derive(Clone, Debug)]
pub enum Distinct {
    All,
    On(Vec<Expr>),
}

/// One output column, or `*`.
#[derive(Clone, Debug)]
pub struct Target {
    pub expr: Expr,
    pub alias: Option<Ident>,
    pub pos: usize,
}

/// An item of GROUP BY.
#[derive(Clone, Debug)]
pub enum GroupBy {
    Expr(Expr),
    /// `()`.
    Empty {
        pos: usize,
    },
    Rollup {
        items: Vec<Expr>,
        pos: usize,
    },
    Cube {
        items: Vec<Expr>,
        pos: usize,
    },
    Sets {
        items: Vec<GroupBy>,
        pos: usize,
    },
}

/// WITH.
#[derive(Clone, Debug)]
pub struct With {
    pub recursive: bool,
    pub ctes: Vec<Cte>,
    pub pos: usize,
}

/// One WITH query.
#[derive(Clone, Debug)]
pub struct Cte {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub materialized: Option<bool>,
    pub query: DmlStatement,
    /// SEARCH {BREADTH|DEPTH} FIRST BY ... SET ...
    pub search: Option<CteSearch>,
    /// CYCLE ... SET ... USING ...
    pub cycle: Option<CteCycle>,
    pub pos: usize,
}

/// SEARCH clause of a recursive query.
#[derive(Clone, Debug)]
pub struct CteSearch {
    pub breadth_first: bool,
    pub columns: Vec<Ident>,
    pub sequence: Ident,
    pub pos: usize,
}

/// CYCLE clause of a recursive query.
#[derive(Clone, Debug)]
pub struct CteCycle {
    pub columns: Vec<Ident>,
    pub mark: Ident,
    /// Mark value and default, if given.
    pub values: Option<(Expr, Expr)>,
    pub path: Ident,
    pub pos: usize,
}

/// A named relation.
#[derive(Clone, Debug)]
pub struct RelationName {
    pub name: ObjectName,
    /// Children too; false for ONLY.
    pub inherit: bool,
    pub alias: Option<Alias>,
}

/// An alias with optional column names.
#[derive(Clone, Debug)]
pub struct Alias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

/// A column definition list entry of a function in FROM.
#[derive(Clone, Debug)]
pub struct ColumnDefinition {
    pub name: Ident,
    pub type_name: TypeName,
    pub collation: Option<ObjectName>,
}

/// One item of FROM.
#[derive(Clone, Debug)]
pub enum TableRef {
    Relation { relation: RelationName, sample: Option<Box<TableSample>> },
    Subquery { lateral: bool, query: Box<Query>, alias: Option<Alias>, pos: usize },
    Function(Box<TableFunction>),
    Join(Box<Join>),
}

/// Functions in FROM.
#[derive(Clone, Debug)]
pub struct TableFunction {
    pub lateral: bool,
    /// Each call with its own column definition list (ROWS FROM only).
    pub calls: Vec<(Expr, Vec<ColumnDefinition>)>,
    pub rows_from: bool,
    pub ordinality: bool,
    pub alias: Option<Alias>,
    /// `AS (a int, b text)` after the item.
    pub columns: Vec<ColumnDefinition>,
    pub pos: usize,
}

/// TABLESAMPLE.
#[derive(Clone, Debug)]
pub struct TableSample {
    pub method: ObjectName,
    pub args: Vec<Expr>,
    pub repeatable: Option<Expr>,
    pub pos: usize,
}

/// A join.
#[derive(Clone, Debug)]
pub struct Join {
    pub kind: JoinKind,
    pub natural: bool,
    pub left: TableRef,
    pub right: TableRef,
    pub using: Vec<Ident>,
    /// `USING (...) AS alias`.
    pub using_alias: Option<Ident>,
    pub on: Option<Expr>,
    pub alias: Option<Alias>,
    pub pos: usize,
}

/// Kinds of join; CROSS is an inner join without a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// FOR UPDATE and its kin.
#[derive(Clone, Debug)]
pub struct Locking {
    pub strength: LockStrength,
    pub of: Vec<ObjectName>,
    pub wait: LockWait,
    pub pos: usize,
}

/// Row lock strengths, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockStrength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

impl LockStrength {
    /// The clause as PostgreSQL's messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            LockStrength::KeyShare => "FOR KEY SHARE",
            LockStrength::Share => "FOR SHARE",
            LockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
            LockStrength::Update => "FOR UPDATE",
        }
    }
}

/// NOWAIT, SKIP LOCKED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockWait {
    Block,
    Skip,
    Error,
}

/// INSERT.
#[derive(Clone, Debug)]
pub struct Insert {
    pub with: Option<With>,
    pub relation: RelationName,
    /// Target columns; empty for all.
    pub columns: Vec<AssignTarget>,
    /// `None` is DEFAULT VALUES.
    pub source: Option<Query>,
    /// OVERRIDING SYSTEM VALUE (`Some(true)`) or USER VALUE.
    pub overriding_system: Option<bool>,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<Target>,
    pub pos: usize,
}

/// A column assigned to, with subscripts and fields behind it.
#[derive(Clone, Debug)]
pub struct AssignTarget {
    pub column: Ident,
    pub path: Vec<Indirection>,
}

/// ON CONFLICT.
#[derive(Clone, Debug)]
pub struct OnConflict {
    pub target: Option<ConflictTarget>,
    /// `None` is DO NOTHING.
    pub update: Option<ConflictUpdate>,
    pub pos: usize,
}

/// What ON CONFLICT names.
#[derive(Clone, Debug)]
pub enum ConflictTarget {
    Columns { elements: Vec<IndexElement>, where_clause: Option<Expr>, pos: usize },
    Constraint { name: Ident, pos: usize },
}

/// One column or expression of an index or of ON CONFLICT.
#[derive(Clone, Debug)]
pub struct IndexElement {
    pub expr: Expr,
    pub collation: Option<ObjectName>,
    pub opclass: Option<ObjectName>,
    pub opclass_options: Vec<super::utility::DefElem>,
    pub direction: SortDirection,
    pub nulls_first: Option<bool>,
    pub pos: usize,
}

/// DO UPDATE SET ... WHERE ...
#[derive(Clone, Debug)]
pub struct ConflictUpdate {
    pub set: Vec<Assignment>,
    pub where_clause: Option<Expr>,
}

/// One item of SET.
#[derive(Clone, Debug)]
pub enum Assignment {
    /// `a = x`.
    Single { target: AssignTarget, value: Expr },
    /// `(a, b) = ROW(x, y)` or a subquery.
    Multiple { targets: Vec<AssignTarget>, source: Expr },
}

/// UPDATE.
#[derive(Clone, Debug)]
pub struct Update {
    pub with: Option<With>,
    pub relation: RelationName,
    pub set: Vec<Assignment>,
    pub from: Vec<TableRef>,
    pub where_clause: Option<Expr>,
    pub returning: Vec<Target>,
    pub pos: usize,
}

/// DELETE.
#[derive(Clone, Debug)]
pub struct Delete {
    pub with: Option<With>,
    pub relation: RelationName,
    pub using: Vec<TableRef>,
    pub where_clause: Option<Expr>,
    pub returning: Vec<Target>,
    pub pos: usize,
}
