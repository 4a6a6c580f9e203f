//! Nodes that change tables or lock rows.

use crate::facts::{IndexFacts, TableRules};
use crate::node::{Filter, NodeId};
use crate::program::{Program, Value};
use crate::slot::Slot;
use redoubt_analyze::query::{CommandType, LockStrength, LockWait};
use redoubt_functions::Oid;
use std::sync::Arc;

/// INSERT, UPDATE or DELETE.
#[derive(Debug)]
pub struct ModifyTable {
    /// The rows to insert, or the target rows to change.
    pub child: NodeId,
    /// Which.
    pub operation: CommandType,
    /// The target.
    pub relid: Oid,
    /// Its range-table entry.
    pub range: usize,
    /// UPDATE, DELETE: the target row's ctid.
    pub ctid: Option<Slot>,
    /// The new row, one slot per attribute. INSERT: the child writes it.
    pub new_row: Slot,
    /// UPDATE, DELETE, ON CONFLICT: the existing row, one slot per attribute.
    pub old_row: Option<Slot>,
    /// UPDATE: attributes assigned and where the child puts their values.
    pub assigned: Vec<(i16, Slot)>,
    /// What the rows must obey.
    pub rules: Arc<TableRules>,
    /// Computes stored generated columns in the new row.
    pub generated: Program,
    /// COPY FROM ... WHERE over the new row: rows that do not satisfy it are left out.
    pub condition: Option<Value>,
    /// CHECK constraints over the new row: a result of false fails.
    pub checks: Vec<(Arc<str>, Value)>,
    /// Indexes.
    pub indexes: Vec<IndexMaintenance>,
    /// Per attribute: some index needs it, in a column, an expression or a predicate.
    pub indexed: Vec<bool>,
    /// Per attribute: other tables may refer to it, by a unique index that is neither partial nor on
    /// expressions.
    pub referable: Vec<bool>,
    /// ON CONFLICT.
    pub conflict: Option<Conflict>,
    /// RETURNING is present: the node delivers a row per changed row, computed by its projection.
    pub returning: bool,
    /// System columns of the changed row that RETURNING reads.
    pub returning_system: Vec<(i16, Slot)>,
    /// Counts rows for the command tag (false inside a WITH query).
    pub sets_tag: bool,
    /// Other relations of the statement, for checking a row again after a concurrent update.
    pub marks: Vec<SourceMark>,
}

/// How one index of the target is kept.
#[derive(Debug)]
pub struct IndexMaintenance {
    /// The index.
    pub index: Arc<IndexFacts>,
    /// Computes expression columns over the new row.
    pub program: Program,
    /// Column values over the new row.
    pub columns: Vec<Slot>,
    /// A partial index's predicate over the new row.
    pub predicate: Option<Value>,
}

/// ON CONFLICT.
#[derive(Debug)]
pub struct Conflict {
    /// Arbitrating indexes as positions in `ModifyTable::indexes`; empty for any unique index.
    pub arbiters: Vec<usize>,
    /// DO UPDATE.
    pub update: Option<ConflictUpdate>,
}

/// ON CONFLICT DO UPDATE.
#[derive(Debug)]
pub struct ConflictUpdate {
    /// `excluded.*`, one slot per attribute.
    pub excluded: Slot,
    /// The existing row's system columns that the clauses read.
    pub system: Vec<(i16, Slot)>,
    /// WHERE.
    pub condition: Option<Filter>,
    /// Computes the assigned columns.
    pub set: Program,
    /// Assigned attributes and the slots of their values.
    pub assigned: Vec<(i16, Slot)>,
}

/// How to find another relation's current row again when the statement's condition is rechecked.
#[derive(Debug)]
pub struct SourceMark {
    /// The range-table entry.
    pub range: usize,
    /// Its ctid, or `None` for a row that is only held in slots.
    pub ctid: Option<Slot>,
    /// Its table; 0 if it is none.
    pub relid: Oid,
    /// Where the row's values are.
    pub slots: Vec<Slot>,
}

/// FOR UPDATE and its kin.
#[derive(Debug)]
pub struct LockRows {
    /// Input.
    pub child: NodeId,
    /// Which rows to lock.
    pub locks: Vec<RowLock>,
    /// The other relations.
    pub marks: Vec<SourceMark>,
}

/// One relation's rows to lock.
#[derive(Debug)]
pub struct RowLock {
    /// The range-table entry.
    pub range: usize,
    /// The table.
    pub relid: Oid,
    /// The row's ctid; NULL if null-extended.
    pub ctid: Slot,
    /// Strength.
    pub strength: LockStrength,
    /// What to do when it is locked.
    pub wait: LockWait,
}
