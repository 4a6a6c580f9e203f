//! Updating and deleting rows, with what READ COMMITTED does about rows that changed meanwhile.

use super::{ModifyTableState, Target, deliver_system, index_entries, row_place};
use crate::exec::Exec;
use crate::recheck::Candidate;
use crate::referential;
use crate::table::deform_into;
use redoubt_access::{FetchBuf, Tid, TmResult, UpdateOptions, form_tuple, same_columns};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use redoubt_plan::Slot;
use redoubt_plan::modify::ModifyTable;
use redoubt_txn::{CommandId, Isolation, LockWait, RowLockMode};

/// What to do about a row that could not be changed.
enum Next {
    /// Leave it.
    Skip,
    /// Try this version of it, whose values are in the slots now.
    Retry(Tid),
}

impl ModifyTableState {
    /// Replaces the child's current row.
    pub(super) fn update<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        target: &mut Target,
    ) -> PgResult<bool> {
        let mut tid = row_place(x, node)?;
        loop {
            self.fetch_old(x, node, target, tid)?;
            self.make_new(x, node, target)?;
            let old = target.old.tuple();
            let new = redoubt_access::TupleRef::new(&target.tuple).expect("a formed row has a header");
            let differs = |columns: &[bool]| -> PgResult<bool> {
                Ok(columns.contains(&true) && !same_columns(old, new, columns)?)
            };
            let options = UpdateOptions {
                key_changed: differs(&node.referable)?,
                indexed_changed: differs(&node.indexed)?,
                insert: target.insert_options(),
            };
            let heap = target.table.table.heap.clone();
            let updated = heap.update(x.ctx.storage.txn, tid, &mut target.tuple, options, LockWait::Block)?;
            if updated.result == TmResult::Ok {
                if !updated.hot {
                    index_entries::insert_all(x, node, target, updated.tid, None)?;
                }
                referential::row_updated(x, node)?;
                deliver_system(x, node, updated.tid, &target.tuple)?;
                return Ok(true);
            }
            let mode = if options.key_changed { RowLockMode::Update } else { RowLockMode::NoKeyUpdate };
            match self.after_failure(x, node, target, tid, updated.result, mode)? {
                Next::Skip => return Ok(false),
                Next::Retry(newer) => tid = newer,
            }
        }
    }

    /// Deletes the child's current row.
    pub(super) fn delete<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        target: &mut Target,
    ) -> PgResult<bool> {
        let mut tid = row_place(x, node)?;
        loop {
            let heap = target.table.table.heap.clone();
            let result = heap.delete(x.ctx.storage.txn, tid, LockWait::Block)?;
            if result == TmResult::Ok {
                if node.returning || !node.rules.referenced_by.is_empty() {
                    self.fetch_old(x, node, target, tid)?;
                }
                referential::row_deleted(x, node)?;
                let bytes =
                    if node.returning_system.is_empty() { Vec::new() } else { target.old.bytes().to_vec() };
                deliver_system(x, node, tid, &bytes)?;
                return Ok(true);
            }
            match self.after_failure(x, node, target, tid, result, RowLockMode::Update)? {
                Next::Skip => return Ok(false),
                Next::Retry(newer) => tid = newer,
            }
        }
    }

    /// Fetches the version to be changed and takes it apart.
    fn fetch_old(&self, x: &mut Exec<'_>, node: &ModifyTable, target: &mut Target, tid: Tid) -> PgResult<()> {
        if !target.table.table.heap.fetch_any(tid, &mut target.old)? {
            return Err(PgError::new(code::DATA_CORRUPTED, format!("there is no row at {tid}")));
        }
        let first = node.old_row.ok_or_else(|| PgError::internal("UPDATE and DELETE keep the old row"))?;
        let desc = &target.table.desc;
        let columns: Vec<(i16, Slot)> = (0..desc.len()).map(|at| (at as i16 + 1, first.plus(at))).collect();
        deform_into(target.old.tuple(), desc, &columns, &mut x.frame)
    }

    /// Makes the new row: the old one with the assigned columns, checked.
    fn make_new<'a>(&self, x: &mut Exec<'a>, node: &'a ModifyTable, target: &mut Target) -> PgResult<()> {
        let old = node.old_row.expect("UPDATE keeps the old row");
        let count = target.table.desc.len();
        for at in 0..count {
            let value = x.get(old.plus(at)).clone();
            x.set(node.new_row.plus(at), value);
        }
        for &(attno, slot) in &node.assigned {
            let value = x.get(slot).clone();
            x.set(node.new_row.plus(attno as usize - 1), value);
        }
        x.run(&node.generated)?;
        x.check_row(node, &target.table.table)?;
        let first = node.new_row.index();
        form_tuple(&target.table.desc, &x.frame[first..first + count], &mut target.tuple)
    }

    /// Somebody else has been at the row: decides what becomes of it.
    fn after_failure<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        target: &mut Target,
        tid: Tid,
        result: TmResult,
        mode: RowLockMode,
    ) -> PgResult<Next> {
        let txn = x.ctx.storage.txn;
        match result {
            TmResult::Ok | TmResult::WouldBlock => unreachable!("the change waits until it is done"),
            TmResult::Invisible => Err(PgError::internal("attempted to change an invisible tuple")),
            TmResult::SelfModified { cmax } => self_modified(cmax, txn.command()).map(|()| Next::Skip),
            TmResult::Deleted { .. } if txn.isolation() == Isolation::ReadCommitted => Ok(Next::Skip),
            TmResult::Deleted { .. } => Err(concurrent("delete")),
            TmResult::Updated { .. } if txn.isolation() != Isolation::ReadCommitted => {
                Err(concurrent("update"))
            }
            TmResult::Updated { .. } => {
                let heap = target.table.table.heap.clone();
                let mut newest = FetchBuf::default();
                let locked = heap.lock_latest(txn, tid, mode, LockWait::Block, &mut newest)?;
                match locked.result {
                    TmResult::Ok => self.recheck_row(x, node, locked.tid, &newest),
                    TmResult::SelfModified { cmax } => {
                        self_modified(cmax, txn.command()).map(|()| Next::Skip)
                    }
                    TmResult::Deleted { .. } => Ok(Next::Skip),
                    other => {
                        Err(PgError::internal(format!("unexpected outcome of locking a row: {other:?}")))
                    }
                }
            }
        }
    }

    /// Runs the statement's condition on the newest version; its values take the row's place.
    fn recheck_row<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        tid: Tid,
        newest: &FetchBuf,
    ) -> PgResult<Next> {
        let mut candidates = x.current_candidates(&node.marks)?;
        candidates.insert(node.range, Candidate::Row { tid, bytes: newest.bytes().to_vec() });
        let child = self.child.id();
        let Some(values) = x.recheck(child, candidates)? else { return Ok(Next::Skip) };
        if self.original.is_none() {
            self.original = Some(x.read_live(child));
        }
        x.write_live(child, values);
        Ok(Next::Retry(tid))
    }
}

/// A row that this command has changed already is left alone: another joined row came first.
fn self_modified(cmax: CommandId, command: CommandId) -> PgResult<()> {
    if cmax == command {
        return Ok(());
    }
    Err(PgError::new(
        code::TRIGGERED_DATA_CHANGE_VIOLATION,
        "tuple to be updated was already modified by an operation triggered by the current command",
    )
    .hint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows."))
}

/// `40001`.
pub(super) fn concurrent(what: &str) -> PgError {
    PgError::new(
        code::T_R_SERIALIZATION_FAILURE,
        format!("could not serialize access due to concurrent {what}"),
    )
}

/// Copies the columns of a row from one range of slots to another.
pub(super) fn copy_row(x: &mut Exec<'_>, from: Slot, to: Slot, count: usize) {
    for at in 0..count {
        let value: Datum = x.get(from.plus(at)).clone();
        x.set(to.plus(at), value);
    }
}
