//! Expressions and type names.
#![allow(missing_docs)] // Fields bear the grammar's own names; variants are documented.

use super::query::Query;
use std::sync::Arc;

/// An identifier, already folded to lower case unless it was quoted, and cut to 63 bytes.
#[derive(Clone, Debug)]
pub struct Ident {
    pub name: Arc<str>,
    /// Byte offset in the statement's text.
    pub pos: usize,
}

impl Ident {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for Ident {}

/// A possibly qualified name: `a`, `a.b`, `a.b.c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Qualifiers first; never empty.
    pub parts: Vec<Ident>,
}

impl ObjectName {
    /// The unqualified name.
    pub fn last(&self) -> &Ident {
        self.parts.last().expect("a name has at least one part")
    }
    /// Where it starts.
    pub fn pos(&self) -> usize {
        self.parts[0].pos
    }
    /// The schema, if one was given.
    pub fn schema(&self) -> Option<&Ident> {
        self.parts.len().checked_sub(2).map(|i| &self.parts[i])
    }
    /// The database, if one was given.
    pub fn catalog(&self) -> Option<&Ident> {
        self.parts.len().checked_sub(3).map(|i| &self.parts[i])
    }
    /// The parts joined by dots, as PostgreSQL's messages print a name list.
    pub fn dotted(&self) -> String {
        self.parts.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// An operator's name, possibly from `OPERATOR(schema.op)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpName {
    /// Schema qualifiers; empty for a bare operator.
    pub schema: Vec<Ident>,
    pub symbol: Arc<str>,
}

impl OpName {
    /// An unqualified operator.
    pub fn bare(symbol: &str) -> Self {
        OpName { schema: Vec::new(), symbol: symbol.into() }
    }
}

/// A literal as the lexer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Fits int4.
    Integer(i32),
    /// Any other number; int8 or numeric by its size.
    Number(Arc<str>),
    /// A string of unknown type.
    String(Arc<str>),
    /// `B'...'` or `X'...'`, with the lower-case letter as its first character.
    BitString(Arc<str>),
    Boolean(bool),
    Null,
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    /// `a`, `a.b`, `a.*`.
    Column(ColumnRef),
    /// `$n`.
    Param {
        number: u32,
        pos: usize,
    },
    Literal {
        value: Literal,
        pos: usize,
    },
    /// A binary operator, or a prefix operator when `left` is absent.
    Op(Box<Op>),
    /// `x op ANY (array)` and `x op ALL (array)`.
    OpArray(Box<OpArray>),
    /// Two or more conjuncts, flattened.
    And {
        args: Vec<Expr>,
        pos: usize,
    },
    /// Two or more disjuncts, flattened.
    Or {
        args: Vec<Expr>,
        pos: usize,
    },
    Not {
        arg: Box<Expr>,
        pos: usize,
    },
    /// IS [NOT] DISTINCT FROM.
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
        pos: usize,
    },
    NullIf {
        left: Box<Expr>,
        right: Box<Expr>,
        pos: usize,
    },
    /// `x [NOT] IN (a, b)`.
    In {
        arg: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
        pos: usize,
    },
    /// `x [NOT] LIKE y [ESCAPE z]`, ILIKE and SIMILAR TO.
    Like(Box<Like>),
    Between(Box<Between>),
    IsNull {
        arg: Box<Expr>,
        negated: bool,
        pos: usize,
    },
    /// IS [NOT] TRUE, FALSE or UNKNOWN (`value` is `None`).
    BooleanTest {
        arg: Box<Expr>,
        value: Option<bool>,
        negated: bool,
        pos: usize,
    },
    SubLink(Box<SubLink>),
    Call(Box<FuncCall>),
    /// CAST(x AS t), `x::t`, `t 'literal'`.
    Cast {
        arg: Box<Expr>,
        type_name: Box<TypeName>,
        pos: usize,
    },
    Collate {
        arg: Box<Expr>,
        collation: ObjectName,
        pos: usize,
    },
    Case(Box<Case>),
    Coalesce {
        args: Vec<Expr>,
        pos: usize,
    },
    MinMax {
        greatest: bool,
        args: Vec<Expr>,
        pos: usize,
    },
    /// ROW(...) or (a, b).
    Row {
        fields: Vec<Expr>,
        explicit: bool,
        pos: usize,
    },
    /// ARRAY[...].
    Array {
        elements: Vec<Expr>,
        pos: usize,
    },
    /// Field selections and subscripts behind an expression.
    Indirection {
        arg: Box<Expr>,
        path: Vec<Indirection>,
    },
    /// CURRENT_DATE and its kin.
    SqlValue {
        function: SqlValue,
        /// Precision in parentheses.
        precision: Option<i32>,
        pos: usize,
    },
    /// GROUPING(...).
    Grouping {
        args: Vec<Expr>,
        pos: usize,
    },
    /// DEFAULT as a value.
    Default {
        pos: usize,
    },
    /// WHERE CURRENT OF cursor.
    CurrentOf {
        cursor: Ident,
        pos: usize,
    },
}

/// `a.b.c`, the last possibly a star.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    pub parts: Vec<Ident>,
    /// Ends in `.*`, or is a bare `*`.
    pub star: bool,
    pub pos: usize,
}

/// An operator applied.
#[derive(Clone, Debug)]
pub struct Op {
    pub name: OpName,
    pub left: Option<Expr>,
    pub right: Expr,
    /// Where the operator stands.
    pub pos: usize,
}

/// `x op ANY|ALL (array)`.
#[derive(Clone, Debug)]
pub struct OpArray {
    pub name: OpName,
    pub left: Expr,
    pub right: Expr,
    pub any: bool,
    pub pos: usize,
}

/// Which pattern match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    Like,
    ILike,
    Similar,
}

/// A pattern match.
#[derive(Clone, Debug)]
pub struct Like {
    pub kind: LikeKind,
    pub negated: bool,
    pub arg: Expr,
    pub pattern: Expr,
    pub escape: Option<Expr>,
    pub pos: usize,
}

/// `x [NOT] BETWEEN [SYMMETRIC] a AND b`.
#[derive(Clone, Debug)]
pub struct Between {
    pub arg: Expr,
    pub low: Expr,
    pub high: Expr,
    pub negated: bool,
    pub symmetric: bool,
    pub pos: usize,
}

/// A subquery in an expression.
#[derive(Clone, Debug)]
pub struct SubLink {
    pub kind: SubLinkKind,
    pub query: Query,
    pub pos: usize,
}

/// What is asked of the subquery.
#[derive(Clone, Debug)]
pub enum SubLinkKind {
    Exists,
    /// `x op ANY (...)`; IN has operator `=` and `is_in`.
    Any {
        test: Expr,
        op: OpName,
        is_in: bool,
    },
    /// `x op ALL (...)`.
    All {
        test: Expr,
        op: OpName,
    },
    Scalar,
    Array,
}

/// A function call.
#[derive(Clone, Debug)]
pub struct FuncCall {
    pub name: ObjectName,
    pub args: Vec<FuncArg>,
    /// `f(*)`.
    pub star: bool,
    pub distinct: bool,
    /// VARIADIC before the last argument.
    pub variadic: bool,
    pub order_by: Vec<SortBy>,
    /// The ORDER BY came in WITHIN GROUP.
    pub within_group: bool,
    pub filter: Option<Expr>,
    pub over: Option<WindowSpec>,
    /// Written in SQL's special syntax (EXTRACT, OVERLAY, ...), and to be printed so.
    pub sql_syntax: bool,
    pub pos: usize,
}

impl FuncCall {
    /// A plain call of a function in `pg_catalog` that the grammar made out of special syntax.
    pub fn system(name: &str, args: Vec<Expr>, pos: usize) -> Self {
        let part = |n: &str| Ident { name: n.into(), pos };
        FuncCall {
            name: ObjectName { parts: vec![part("pg_catalog"), part(name)] },
            args: args.into_iter().map(|value| FuncArg { name: None, value }).collect(),
            star: false,
            distinct: false,
            variadic: false,
            order_by: Vec::new(),
            within_group: false,
            filter: None,
            over: None,
            sql_syntax: true,
            pos,
        }
    }
}

/// One argument, named or not.
#[derive(Clone, Debug)]
pub struct FuncArg {
    /// `name => value`.
    pub name: Option<Ident>,
    pub value: Expr,
}

/// CASE.
#[derive(Clone, Debug)]
pub struct Case {
    pub arg: Option<Expr>,
    pub whens: Vec<CaseWhen>,
    pub otherwise: Option<Expr>,
    pub pos: usize,
}

/// WHEN ... THEN ...
#[derive(Clone, Debug)]
pub struct CaseWhen {
    pub condition: Expr,
    pub result: Expr,
    pub pos: usize,
}

/// One step behind an expression.
#[derive(Clone, Debug)]
pub enum Indirection {
    /// `.name`.
    Field(Ident),
    /// `.*`.
    Star,
    /// `[i]`.
    Index(Expr),
    /// `[i:j]`.
    Slice(Option<Expr>, Option<Expr>),
}

/// Functions that are called without parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlValue {
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

/// A key of ORDER BY, or of an index.
#[derive(Clone, Debug)]
pub struct SortBy {
    pub expr: Expr,
    pub direction: SortDirection,
    /// NULLS FIRST (true), NULLS LAST (false).
    pub nulls_first: Option<bool>,
    /// Where the USING operator stands, if any.
    pub pos: Option<usize>,
}

/// ASC, DESC or USING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortDirection {
    Default,
    Asc,
    Desc,
    Using(OpName),
}

/// OVER (...), OVER name, or one definition of the WINDOW clause.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// `OVER name`, or the name defined by WINDOW.
    pub name: Option<Ident>,
    /// The window that this one copies from: `(name ...)`.
    pub refname: Option<Ident>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortBy>,
    pub frame: Option<Frame>,
    pub pos: usize,
}

/// A frame clause.
#[derive(Clone, Debug)]
pub struct Frame {
    pub mode: FrameMode,
    pub start: FrameBound,
    /// `None` when BETWEEN was not used.
    pub end: Option<FrameBound>,
    pub exclude: FrameExclude,
    pub pos: usize,
}

/// ROWS, RANGE or GROUPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameMode {
    Rows,
    Range,
    Groups,
}

/// One end of a frame.
#[derive(Clone, Debug)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// EXCLUDE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameExclude {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct TypeName {
    /// Possibly qualified; the grammar's own types come as `pg_catalog.x`.
    pub name: ObjectName,
    /// `numeric(10, 2)`: the expressions in parentheses.
    pub typmods: Vec<Expr>,
    /// The modifier of an interval restricted to some fields, without a precision; `typmods` is
    /// empty then.
    pub interval_typmod: Option<i32>,
    /// Array bounds, one per dimension, `None` for `[]`.
    pub array_bounds: Vec<Option<i32>>,
    pub setof: bool,
    /// `table.column%TYPE`.
    pub pct_type: bool,
    pub pos: usize,
}

impl Expr {
    /// A column by its bare name.
    pub fn column(name: Ident) -> Expr {
        let pos = name.pos;
        Expr::Column(ColumnRef { parts: vec![name], star: false, pos })
    }

    /// Where the expression starts, by PostgreSQL's `exprLocation` rules: the leftmost of the
    /// node's own position and its first argument's.
    pub fn location(&self) -> usize {
        match self {
            Expr::Column(c) => c.pos,
            Expr::Param { pos, .. }
            | Expr::Literal { pos, .. }
            | Expr::Not { pos, .. }
            | Expr::NullIf { pos, .. }
            | Expr::Coalesce { pos, .. }
            | Expr::MinMax { pos, .. }
            | Expr::Row { pos, .. }
            | Expr::Array { pos, .. }
            | Expr::SqlValue { pos, .. }
            | Expr::Grouping { pos, .. }
            | Expr::Default { pos }
            | Expr::CurrentOf { pos, .. } => *pos,
            Expr::Op(op) => match &op.left {
                Some(left) => op.pos.min(left.location()),
                None => op.pos,
            },
            Expr::OpArray(op) => op.pos.min(op.left.location()),
            Expr::And { args, pos } | Expr::Or { args, pos } => args[0].location().min(*pos),
            Expr::Distinct { left, pos, .. } => left.location().min(*pos),
            Expr::In { arg, pos, .. }
            | Expr::IsNull { arg, pos, .. }
            | Expr::BooleanTest { arg, pos, .. }
            | Expr::Collate { arg, pos, .. } => arg.location().min(*pos),
            Expr::Like(l) => l.arg.location().min(l.pos),
            Expr::Between(b) => b.arg.location().min(b.pos),
            Expr::SubLink(s) => match &s.kind {
                SubLinkKind::Any { test, .. } | SubLinkKind::All { test, .. } => test.location().min(s.pos),
                _ => s.pos,
            },
            Expr::Call(c) => match c.args.first() {
                Some(arg) => c.pos.min(arg.value.location()),
                None => c.pos,
            },
            Expr::Cast { arg, type_name, pos } => arg.location().min(type_name.pos).min(*pos),
            Expr::Case(c) => c.pos,
            Expr::Indirection { arg, .. } => arg.location(),
        }
    }
}
