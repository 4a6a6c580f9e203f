//! Compiled expressions: flat programs over the frame's slots.
//!
//! A program is a list of steps that the executor runs from the first to the last, with forward
//! jumps for everything that SQL evaluates lazily (AND, OR, CASE, COALESCE). It follows the idea
//! of PostgreSQL's `ExprState` steps (src/include/executor/execExpr.h); the difference is that
//! operands are frame slots, so columns need no fetch step and constants cost nothing: their slots
//! are filled in when the frame is made. A program never recurses, however deep its expression was.

use crate::slot::Slot;
use crate::subplan::SubPlanId;
use redoubt_analyze::query::ColumnType;
use redoubt_functions::{Oid, ScalarFn, TupleDesc};
use std::sync::Arc;

/// A compiled expression or list of them.
#[derive(Debug, Default, Clone)]
pub struct Program {
    /// The steps.
    pub steps: Box<[Step]>,
}

impl Program {
    /// Adds another program behind this one; its jumps move with it.
    pub fn append(&mut self, other: Program) {
        if self.steps.is_empty() {
            *self = other;
            return;
        }
        let base = self.steps.len() as u32;
        let mut steps = std::mem::take(&mut self.steps).into_vec();
        steps.extend(other.steps.into_vec().into_iter().map(|mut step| {
            match &mut step {
                Step::And { end, .. } | Step::Or { end, .. } => *end += base,
                Step::Jump(to) | Step::JumpUnless { to, .. } | Step::JumpIfNotNull { to, .. } => *to += base,
                _ => {}
            }
            step
        }));
        self.steps = steps.into();
    }
}

/// An expression with the slot that holds its value once its program has run.
#[derive(Debug, Clone)]
pub struct Value {
    /// What to run first; empty for a column, parameter or constant.
    pub program: Program,
    /// Where the value is then.
    pub slot: Slot,
}

impl Value {
    /// A value that needs no computing.
    pub fn of(slot: Slot) -> Value {
        Value { program: Program::default(), slot }
    }
}

/// What a call site passes to its function besides the arguments.
#[derive(Debug, Clone)]
pub struct CallSite {
    /// Actual argument types.
    pub arg_types: Box<[Oid]>,
    /// The result's type.
    pub result_type: Oid,
    /// The columns of a column definition list, for a function in FROM.
    pub result_desc: Option<TupleDesc>,
    /// The collation the function runs under.
    pub collation: Oid,
    /// Written with VARIADIC, or an array was built for a VARIADIC parameter.
    pub variadic: bool,
    /// `pg_proc.oid`, for privileges and messages.
    pub proc_oid: Oid,
    /// `pg_proc.proname`.
    pub name: Arc<str>,
}

/// The number of a call site in `Plan::call_sites`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteId(pub u32);

/// A comparison between two numbers of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Built-in operators that have a step of their own: the interpreter computes them in place,
/// without gathering arguments. All are strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastOp {
    /// Any mixture of int2, int4 and int8.
    Int(Comparison),
    /// float8 against float8; NaN is equal to itself and above all others.
    Float(Comparison),
    /// Two texts in the C collation, or two names.
    Text(Comparison),
    /// Two oids.
    Oid(Comparison),
    /// Two dates.
    Date(Comparison),
    /// Two timestamps, with or without time zone.
    Timestamp(Comparison),
    /// Two booleans.
    Bool(Comparison),
    /// int4 + int4.
    Int4Add,
    /// int4 - int4.
    Int4Sub,
    /// int4 * int4.
    Int4Mul,
    /// A sum with an int8 on at least one side.
    Int8Add,
    /// A difference with an int8 on at least one side.
    Int8Sub,
    /// A product with an int8 on at least one side.
    Int8Mul,
}

/// One step. `out` is where the result goes; jumps name the index of the next step.
#[derive(Debug, Clone)]
pub enum Step {
    /// Copies a slot.
    Copy {
        /// Source.
        from: Slot,
        /// Destination.
        to: Slot,
    },
    /// Calls a function on `count` consecutive slots.
    Call {
        /// The function.
        function: ScalarFn,
        /// First argument.
        args: Slot,
        /// Number of arguments.
        count: u16,
        /// NULL if any argument is.
        strict: bool,
        /// Result.
        out: Slot,
        /// Call site.
        site: SiteId,
    },
    /// A built-in operator computed in place.
    Fast {
        /// Which.
        op: FastOp,
        /// Left operand.
        left: Slot,
        /// Right operand.
        right: Slot,
        /// Result.
        out: Slot,
    },
    /// Fails with `0A000`: a call of a function that has no implementation here. Only reached
    /// when the call is, so that an unused branch does no harm.
    Unsupported(Arc<str>),
    /// Goes on elsewhere.
    Jump(u32),
    /// Goes on elsewhere unless the condition is true.
    JumpUnless {
        /// Condition.
        condition: Slot,
        /// Target.
        to: u32,
    },
    /// Goes on elsewhere if the value is not NULL.
    JumpIfNotNull {
        /// Value.
        value: Slot,
        /// Target.
        to: u32,
    },
    /// Ends the program with "no" unless the condition is true: one conjunct of a filter.
    Require(Slot),
    /// One argument of an AND; jumps behind it as soon as the answer is false.
    And {
        /// The argument.
        arg: Slot,
        /// The conjunction so far.
        out: Slot,
        /// Whether this is the first argument.
        first: bool,
        /// Behind the AND.
        end: u32,
    },
    /// One argument of an OR; jumps behind it as soon as the answer is true.
    Or {
        /// The argument.
        arg: Slot,
        /// The disjunction so far.
        out: Slot,
        /// Whether this is the first argument.
        first: bool,
        /// Behind the OR.
        end: u32,
    },
    /// NOT.
    Not {
        /// Argument.
        arg: Slot,
        /// Result.
        out: Slot,
    },
    /// IS [NOT] NULL of a value that is not a row.
    IsNull {
        /// Argument.
        arg: Slot,
        /// IS NOT NULL.
        negated: bool,
        /// Result.
        out: Slot,
    },
    /// IS [NOT] NULL of a row: all fields are, or none is.
    RowIsNull {
        /// Argument.
        arg: Slot,
        /// IS NOT NULL.
        negated: bool,
        /// Result.
        out: Slot,
    },
    /// IS [NOT] TRUE, FALSE, UNKNOWN.
    BooleanTest {
        /// Argument.
        arg: Slot,
        /// `None` for UNKNOWN.
        value: Option<bool>,
        /// IS NOT.
        negated: bool,
        /// Result.
        out: Slot,
    },
    /// IS [NOT] DISTINCT FROM. Two NULLs are equal, one is not; the equality function decides the rest.
    Distinct {
        /// The equality function.
        function: ScalarFn,
        /// Its two arguments.
        args: Slot,
        /// IS NOT DISTINCT FROM.
        negated: bool,
        /// Result.
        out: Slot,
        /// Call site.
        site: SiteId,
    },
    /// NULLIF.
    NullIf {
        /// The equality function.
        function: ScalarFn,
        /// Its two arguments.
        args: Slot,
        /// Result.
        out: Slot,
        /// Call site.
        site: SiteId,
    },
    /// GREATEST or LEAST over consecutive slots.
    MinMax {
        /// GREATEST.
        greatest: bool,
        /// First argument.
        args: Slot,
        /// Number of arguments.
        count: u16,
        /// Their type.
        type_oid: Oid,
        /// Result.
        out: Slot,
    },
    /// `scalar op ANY|ALL (array)`.
    ArrayOp(Box<ArrayOp>),
    /// ARRAY[...] over consecutive slots.
    MakeArray {
        /// First element.
        args: Slot,
        /// Number of elements.
        count: u32,
        /// Element type.
        element_type: Oid,
        /// Elements are arrays of one dimension fewer.
        multidim: bool,
        /// Result.
        out: Slot,
    },
    /// ROW(...) over consecutive slots.
    MakeRow(Box<MakeRow>),
    /// A field of a composite; NULL if the composite is.
    Field {
        /// The composite.
        arg: Slot,
        /// Attribute number, 1-based.
        field: i16,
        /// Result.
        out: Slot,
    },
    /// `a[i]`, `a[i:j]`.
    Subscript(Box<SubscriptOp>),
    /// A cast by way of text.
    ViaText {
        /// Argument.
        arg: Slot,
        /// Its type.
        from: Oid,
        /// Result type.
        to: Oid,
        /// Result's modifier.
        typmod: i32,
        /// Result.
        out: Slot,
    },
    /// A cast of every element of an array.
    ArrayCast(Box<ArrayCast>),
    /// Row-wise `<`, `<=`, `>`, `>=`: compares consecutive pairs and stops at the first that differ.
    RowCompare(Box<RowCompare>),
    /// A subquery's value.
    SubPlan {
        /// Which.
        id: SubPlanId,
        /// Result.
        out: Slot,
    },
    /// Checks a value against a domain's constraints; it passes through unchanged.
    CheckDomain {
        /// Value of the base type.
        arg: Slot,
        /// The domain.
        domain: Oid,
        /// Result.
        out: Slot,
    },
}

/// `scalar op ANY|ALL (array)`.
#[derive(Debug, Clone)]
pub struct ArrayOp {
    /// The element operator.
    pub function: ScalarFn,
    /// Strict.
    pub strict: bool,
    /// Its argument pair; the scalar is in the first.
    pub args: Slot,
    /// The array.
    pub array: Slot,
    /// ANY, as opposed to ALL.
    pub any: bool,
    /// Result.
    pub out: Slot,
    /// Call site.
    pub site: SiteId,
    /// For a long constant list and the default equality: probe a hash table that is built at
    /// the first use. The type to hash by, and the number of the cache in the execution.
    pub hashed: Option<(Oid, u32)>,
}

/// ROW(...).
#[derive(Debug, Clone)]
pub struct MakeRow {
    /// First field.
    pub args: Slot,
    /// Number of fields.
    pub count: u32,
    /// RECORD or a named composite.
    pub type_oid: Oid,
    /// The fields' descriptor.
    pub desc: TupleDesc,
    /// Result.
    pub out: Slot,
}

/// A subscripted value.
#[derive(Debug, Clone)]
pub struct SubscriptOp {
    /// The container.
    pub container: Slot,
    /// The container's type, and the result's.
    pub container_type: Oid,
    /// The result's type.
    pub ty: ColumnType,
    /// Lower and upper subscripts.
    pub indexes: Box<[(Option<Slot>, Option<Slot>)]>,
    /// A slice.
    pub slice: bool,
    /// Result.
    pub out: Slot,
}

/// A cast applied to each element of an array.
#[derive(Debug, Clone)]
pub struct ArrayCast {
    /// The array.
    pub arg: Slot,
    /// Where the element is put.
    pub element: Slot,
    /// The cast.
    pub cast: Value,
    /// Element type of the result.
    pub element_type: Oid,
    /// Result.
    pub out: Slot,
}

/// Row-wise comparison.
#[derive(Debug, Clone)]
pub struct RowCompare {
    /// Per column: equality to find the deciding column, and the comparison that decides there.
    pub columns: Box<[RowCompareColumn]>,
    /// Whether equal rows satisfy the comparison.
    pub or_equal: bool,
    /// Result.
    pub out: Slot,
}

/// One column of a row-wise comparison.
#[derive(Debug, Clone)]
pub struct RowCompareColumn {
    /// Computes both operands (run only when the columns before are equal).
    pub operands: Program,
    /// The argument pair.
    pub args: Slot,
    /// Equality.
    pub equal: ScalarFn,
    /// Call site of the equality.
    pub equal_site: SiteId,
    /// `<` or `>`.
    pub compare: ScalarFn,
    /// Call site of the comparison.
    pub compare_site: SiteId,
}

impl FastOp {
    /// The fast form of a function, by `pg_proc.oid`; its operands then need not be adjacent.
    pub fn of_function(proc_oid: Oid) -> Option<FastOp> {
        use Comparison::*;
        Some(match proc_oid {
            60 => FastOp::Bool(Eq),
            84 => FastOp::Bool(Ne),
            63 | 65 | 158 | 159 | 467 | 474 | 852 | 1850 | 1856 => FastOp::Int(Eq),
            144 | 145 | 164 | 165 | 468 | 475 | 853 | 1851 | 1857 => FastOp::Int(Ne),
            64 | 66 | 160 | 161 | 469 | 476 | 854 | 1852 | 1858 => FastOp::Int(Lt),
            146 | 147 | 162 | 163 | 470 | 477 | 855 | 1853 | 1859 => FastOp::Int(Gt),
            148 | 149 | 166 | 167 | 471 | 478 | 856 | 1854 | 1860 => FastOp::Int(Le),
            150 | 151 | 168 | 169 | 472 | 479 | 857 | 1855 | 1861 => FastOp::Int(Ge),
            177 => FastOp::Int4Add,
            181 => FastOp::Int4Sub,
            141 => FastOp::Int4Mul,
            463 | 1274 | 1278 => FastOp::Int8Add,
            464 | 1275 | 1279 => FastOp::Int8Sub,
            465 | 1276 | 1280 => FastOp::Int8Mul,
            293 => FastOp::Float(Eq),
            294 => FastOp::Float(Ne),
            295 => FastOp::Float(Lt),
            296 => FastOp::Float(Le),
            297 => FastOp::Float(Gt),
            298 => FastOp::Float(Ge),
            _ => return FastOp::of_other_function(proc_oid),
        })
    }

    fn of_other_function(proc_oid: Oid) -> Option<FastOp> {
        use Comparison::*;
        Some(match proc_oid {
            62 | 67 => FastOp::Text(Eq),
            157 | 659 => FastOp::Text(Ne),
            740 => FastOp::Text(Lt),
            741 => FastOp::Text(Le),
            742 => FastOp::Text(Gt),
            743 => FastOp::Text(Ge),
            184 => FastOp::Oid(Eq),
            185 => FastOp::Oid(Ne),
            716 => FastOp::Oid(Lt),
            717 => FastOp::Oid(Le),
            1638 => FastOp::Oid(Gt),
            1639 => FastOp::Oid(Ge),
            1086 => FastOp::Date(Eq),
            1087 => FastOp::Date(Lt),
            1088 => FastOp::Date(Le),
            1089 => FastOp::Date(Gt),
            1090 => FastOp::Date(Ge),
            1091 => FastOp::Date(Ne),
            1152 | 2052 => FastOp::Timestamp(Eq),
            1153 | 2053 => FastOp::Timestamp(Ne),
            1154 | 2054 => FastOp::Timestamp(Lt),
            1155 | 2055 => FastOp::Timestamp(Le),
            1156 | 2056 => FastOp::Timestamp(Ge),
            1157 | 2057 => FastOp::Timestamp(Gt),
            _ => return None,
        })
    }
}
