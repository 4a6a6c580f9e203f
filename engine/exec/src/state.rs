//! What nodes remember between rows.

use crate::aggregate::AggregateState;
use crate::cte::RecursiveState;
use crate::hash_join::HashJoinState;
use crate::merge_append::MergeAppendState;
use crate::project_set::ProjectSetState;
use crate::scan_function::FunctionScanState;
use crate::set_op::SetOpState;
use crate::storage::{IndexCursor, TableCursor};
use redoubt_functions::Datum;

/// A saved row: values of the slots that a node keeps.
pub(crate) type SavedRow = Box<[Datum]>;

/// The state of one node.
#[derive(Default)]
pub(crate) enum State {
    /// Not started, or started over.
    #[default]
    Fresh,
    /// Has delivered all there is.
    Done,
    /// The next child, row or list entry.
    Next(usize),
    /// Rows kept, and the next one to deliver. `complete`: the input is at its end.
    Rows { rows: Vec<SavedRow>, next: usize, complete: bool },
    /// LIMIT: rows delivered so far, how many in all; the last row's tie keys.
    Limit { delivered: u64, count: Option<u64>, last: Option<SavedRow> },
    /// Adjacent duplicates: the last row's keys.
    Keys(SavedRow),
    /// A nested loop with an outer row in the frame.
    Nested { matched: bool },
    /// A table being read.
    Table(Box<TableCursor>),
    /// An index being read.
    Index(Box<IndexCursor>),
    /// Functions in FROM.
    Function(Box<FunctionScanState>),
    /// Set-returning functions in a target list.
    ProjectSet(Box<ProjectSetState>),
    /// Aggregation.
    Aggregate(Box<AggregateState>),
    /// A hash join.
    HashJoin(Box<HashJoinState>),
    /// A merge of sorted inputs.
    MergeAppend(Box<MergeAppendState>),
    /// WITH RECURSIVE.
    Recursive(Box<RecursiveState>),
    /// INTERSECT, EXCEPT.
    SetOp(Box<SetOpState>),
}

impl State {
    /// Goes back to the first row without computing anything again, if the state allows it.
    pub(crate) fn rewind(&mut self) -> bool {
        match self {
            State::Rows { next, .. } => {
                *next = 0;
                true
            }
            _ => false,
        }
    }
}
