//! Scans: the leaves of a plan.

use crate::node::{Filter, NodeId, SetCall};
use crate::program::{Program, Value};
use crate::slot::Slot;
use redoubt_analyze::query::{Expr, SampleMethod};
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// What a scan of a table delivers, and where.
#[derive(Clone, Debug, Default)]
pub struct ScanColumns {
    /// The range-table entry scanned.
    pub range: usize,
    /// `pg_class.oid`.
    pub relid: Oid,
    /// User columns: attribute number (1-based) and slot, ascending by number.
    pub columns: Box<[(i16, Slot)]>,
    /// System columns: attribute number (negative) and slot.
    pub system: Box<[(i16, Slot)]>,
    /// The whole row as a composite.
    pub whole_row: Option<Slot>,
    /// The type of that composite.
    pub row_type: Oid,
}

/// A table read from end to end.
#[derive(Debug)]
pub struct SeqScan {
    /// What is read.
    pub scan: ScanColumns,
    /// TABLESAMPLE: which rows are passed over.
    pub sample: Option<Sample>,
}

/// TABLESAMPLE of a scan.
#[derive(Debug)]
pub struct Sample {
    /// How rows are chosen.
    pub method: SampleMethod,
    /// `float4`, from 0 to 100.
    pub percent: Value,
    /// REPEATABLE's seed, `float8`.
    pub seed: Option<Value>,
    /// Both for EXPLAIN.
    pub exprs: Vec<Expr>,
}

/// One end of an index condition, or a search for NULLs.
#[derive(Debug)]
pub struct IndexCondition {
    /// Key column of the index, from 0.
    pub column: usize,
    /// What is asked of it.
    pub test: IndexTest,
}

/// What an index condition asks of its column.
#[derive(Debug)]
pub enum IndexTest {
    /// Compares with a value: B-tree strategy 1 `<`, 2 `<=`, 3 `=`, 4 `>=`, 5 `>`.
    Compare {
        /// The strategy.
        strategy: u8,
        /// The value; NULL matches nothing.
        value: Value,
        /// Its type, which may differ from the column's within the operator family.
        type_oid: Oid,
    },
    /// `column = ANY (array)`.
    AnyOf {
        /// The array.
        array: Value,
        /// Its element type.
        type_oid: Oid,
    },
    /// IS NULL.
    IsNull,
    /// IS NOT NULL.
    NotNull,
}

/// A table read by an index.
#[derive(Debug)]
pub struct IndexScan {
    /// What is read.
    pub scan: ScanColumns,
    /// The index.
    pub index: Arc<crate::facts::IndexFacts>,
    /// Conditions that position the scan or are checked on index entries.
    pub conditions: Vec<IndexCondition>,
    /// The conditions as expressions, for EXPLAIN and for checking again.
    pub recheck: Filter,
    /// Read from the high end.
    pub backward: bool,
    /// Columns come from the index entry where the page is all-visible: an index-only scan.
    pub index_only: bool,
}

/// Rows of the pages that a bitmap names, in page order.
#[derive(Debug)]
pub struct BitmapHeapScan {
    /// What is read.
    pub scan: ScanColumns,
    /// The bitmap.
    pub bitmap: NodeId,
    /// The index conditions, checked again on the rows.
    pub recheck: Filter,
}

/// A bitmap of the rows that an index finds.
#[derive(Debug)]
pub struct BitmapIndexScan {
    /// The table, for its key values' types.
    pub relid: Oid,
    /// The index.
    pub index: Arc<crate::facts::IndexFacts>,
    /// Conditions.
    pub conditions: Vec<IndexCondition>,
    /// The conditions as expressions, for EXPLAIN.
    pub exprs: Vec<Expr>,
}

/// Rows read by ctid.
#[derive(Debug)]
pub struct TidScan {
    /// What is read.
    pub scan: ScanColumns,
    /// The ctids, or arrays of them.
    pub tids: Vec<(Value, bool)>,
    /// The conditions, for EXPLAIN.
    pub exprs: Vec<Expr>,
}

/// Functions in FROM, side by side.
#[derive(Debug)]
pub struct FunctionScan {
    /// The range-table entry.
    pub range: usize,
    /// The calls.
    pub functions: Vec<ScanFunction>,
    /// WITH ORDINALITY: where the row number goes.
    pub ordinality: Option<Slot>,
}

/// One function of a FunctionScan.
#[derive(Debug)]
pub struct ScanFunction {
    /// The call; its value is the whole row for a function of several columns.
    pub call: ScanCall,
    /// Where each column goes; a column that nobody reads has no slot.
    pub columns: Box<[Option<Slot>]>,
    /// The value is a composite that is taken apart.
    pub composite: bool,
    /// What the query expects of rows that describe themselves: the types of their columns. Empty where the
    /// function's definition says what they are.
    pub expected: Box<[redoubt_functions::Oid]>,
}

/// A function in FROM returns a set or one value.
#[derive(Debug)]
pub enum ScanCall {
    /// A set.
    Set(SetCall),
    /// One value: the set of that.
    Scalar(Value),
}

/// VALUES lists.
#[derive(Debug)]
pub struct ValuesScan {
    /// The range-table entry.
    pub range: usize,
    /// One per row.
    pub rows: Vec<ValuesRow>,
    /// Columns that are read: column index and slot.
    pub columns: Box<[(usize, Slot)]>,
}

/// One row of a VALUES list.
#[derive(Debug)]
pub enum ValuesRow {
    /// Nothing but constants: in step with `ValuesScan::columns`.
    Constant(Box<[Datum]>),
    /// Computed; the program writes the columns' slots itself.
    Computed(Program),
}

/// A reader of a WITH query's store, or of the working table.
#[derive(Debug)]
pub struct CteScan {
    /// The range-table entry.
    pub range: usize,
    /// The number in `Plan::ctes`.
    pub cte: usize,
    /// Columns that are read: column index in the store and slot.
    pub columns: Box<[(usize, Slot)]>,
    /// Expressions for EXPLAIN are found by the range-table entry.
    pub name: Arc<str>,
    /// Of a working table: the slot that stands for its contents, so that what depends on them starts over when
    /// they change.
    pub work: Option<Slot>,
}
