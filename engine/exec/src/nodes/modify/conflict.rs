//! INSERT ... ON CONFLICT.
//!
//! The arbiting indexes are looked at first. If none has the key, the row goes in; should one of them
//! have got the key meanwhile, the row is taken back and everything starts over (PostgreSQL's
//! speculative insertion, without its waiting token: who loses the race retries).

use super::change::{concurrent, copy_row};
use super::{Target, deliver_system, index_entries, insert};
use crate::exec::Exec;
use crate::referential;
use crate::table::{deform_into, system_column};
use redoubt_access::{FetchBuf, Tid, TmResult, UpdateOptions, form_tuple, same_columns};
use redoubt_error::{PgError, PgResult, code};
use redoubt_plan::Slot;
use redoubt_plan::modify::{Conflict, ConflictUpdate, ModifyTable};
use redoubt_txn::{Isolation, LockWait, RowLockMode};

/// Inserts the new row or does what the clause says about the row in its way.
pub(super) fn insert<'a>(
    x: &mut Exec<'a>,
    node: &'a ModifyTable,
    conflict: &'a Conflict,
    target: &mut Target,
) -> PgResult<bool> {
    loop {
        x.ctx.check_for_interrupts()?;
        if let Some(other) = find(x, node, conflict, target)? {
            match &conflict.update {
                None => {
                    check_visible(x, target, other)?;
                    return Ok(false);
                }
                Some(update) => match update_existing(x, node, update, target, other)? {
                    Some(changed) => return Ok(changed),
                    None => continue,
                },
            }
        }
        let tid = insert::store(x, node, target)?;
        match index_entries::insert_all(x, node, target, tid, Some(&conflict.arbiters))? {
            None => {
                insert::inserted(x, node, target, tid)?;
                return Ok(true);
            }
            Some(index_entries::Refused) => target.table.table.heap.retract(x.ctx.storage.txn, tid)?,
        }
    }
}

/// A living row with the new row's key in an arbiting index.
fn find<'a>(
    x: &mut Exec<'a>,
    node: &'a ModifyTable,
    conflict: &Conflict,
    target: &mut Target,
) -> PgResult<Option<Tid>> {
    for (at, index) in node.indexes.iter().enumerate() {
        let arbitrates =
            conflict.arbiters.contains(&at) || conflict.arbiters.is_empty() && index.index.unique;
        if !arbitrates {
            continue;
        }
        if !index.index.immediate {
            return Err(PgError::new(
                code::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters",
            ));
        }
        let Some(has_null) = index_entries::make_key(x, index, &mut target.key)? else { continue };
        if has_null && !index.index.nulls_not_distinct {
            continue;
        }
        let heap = &target.table.table.heap;
        let found = target.indexes[at].find_conflict(x.ctx.storage.txn, heap, &target.key, Tid::INVALID)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Under repeatable read, a row that the snapshot does not see must not decide anything.
fn check_visible(x: &Exec<'_>, target: &Target, tid: Tid) -> PgResult<()> {
    let txn = x.ctx.storage.txn;
    if txn.isolation() == Isolation::ReadCommitted {
        return Ok(());
    }
    let mut buf = FetchBuf::default();
    let heap = &target.table.table.heap;
    if heap.fetch(tid, &x.ctx.storage.snapshot, &mut buf)? {
        return Ok(());
    }
    // What this command itself has inserted is in the way all the same.
    let own = heap.fetch_any(tid, &mut buf)? && txn.is_own(buf.tuple().xmin());
    if own { Ok(()) } else { Err(concurrent("update")) }
}

/// DO UPDATE. Nothing if the row has gone, so that the insertion must be tried again.
fn update_existing<'a>(
    x: &mut Exec<'a>,
    node: &'a ModifyTable,
    update: &'a ConflictUpdate,
    target: &mut Target,
    tid: Tid,
) -> PgResult<Option<bool>> {
    let txn = x.ctx.storage.txn;
    let heap = target.table.table.heap.clone();
    // PostgreSQL locks as strongly as the assigned columns ask for.
    let assigns_key = update.assigned.iter().any(|(attno, _)| node.referable[*attno as usize - 1]);
    let mode = if assigns_key { RowLockMode::Update } else { RowLockMode::NoKeyUpdate };
    match heap.lock_tuple(txn, tid, mode, LockWait::Block, &mut target.old)? {
        TmResult::Ok => {}
        TmResult::Invisible | TmResult::SelfModified { .. } => return Err(twice()),
        TmResult::Updated { .. } | TmResult::Deleted { .. }
            if txn.isolation() != Isolation::ReadCommitted =>
        {
            return Err(concurrent("update"));
        }
        TmResult::Updated { .. } | TmResult::Deleted { .. } => return Ok(None),
        TmResult::WouldBlock => unreachable!("the lock is waited for"),
    }
    check_visible(x, target, tid)?;
    let count = target.table.desc.len();
    copy_row(x, node.new_row, update.excluded, count);
    let old = node.old_row.ok_or_else(|| PgError::internal("ON CONFLICT DO UPDATE keeps the old row"))?;
    let columns: Vec<(i16, Slot)> = (0..count).map(|at| (at as i16 + 1, old.plus(at))).collect();
    deform_into(target.old.tuple(), &target.table.desc, &columns, &mut x.frame)?;
    for &(attno, slot) in &update.system {
        let value = system_column(attno, node.relid, tid, target.old.tuple());
        x.set(slot, value);
    }
    if let Some(condition) = &update.condition {
        if !x.run(&condition.program)? {
            return Ok(Some(false));
        }
    }
    x.run(&update.set)?;
    copy_row(x, old, node.new_row, count);
    for &(attno, slot) in &update.assigned {
        let value = x.get(slot).clone();
        x.set(node.new_row.plus(attno as usize - 1), value);
    }
    replace(x, node, target, tid)?;
    Ok(Some(true))
}

/// Stores the new row in the place of a locked one.
fn replace<'a>(x: &mut Exec<'a>, node: &'a ModifyTable, target: &mut Target, tid: Tid) -> PgResult<()> {
    x.run(&node.generated)?;
    x.check_row(node, &target.table.table)?;
    let first = node.new_row.index();
    let count = target.table.desc.len();
    form_tuple(&target.table.desc, &x.frame[first..first + count], &mut target.tuple)?;
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
    match updated.result {
        TmResult::Ok => {}
        TmResult::SelfModified { .. } => return Err(twice()),
        other => return Err(PgError::internal(format!("a locked row could not be updated: {other:?}"))),
    }
    if !updated.hot {
        index_entries::insert_all(x, node, target, updated.tid, None)?;
    }
    referential::row_updated(x, node)?;
    deliver_system(x, node, updated.tid, &target.tuple)
}

/// `21000`.
fn twice() -> PgError {
    PgError::new(
        code::CARDINALITY_VIOLATION,
        "ON CONFLICT DO UPDATE command cannot affect row a second time",
    )
    .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}
