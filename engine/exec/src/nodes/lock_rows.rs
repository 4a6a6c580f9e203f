//! LockRows: FOR UPDATE and its kin.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use crate::recheck::{Candidate, Candidates};
use redoubt_access::{FetchBuf, Tid, TmResult};
use redoubt_analyze::query::{LockStrength, LockWait as Wait};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use redoubt_plan::modify::{LockRows, RowLock};
use redoubt_plan::{NodeId, NodeKind, SlotSet};
use redoubt_txn::{Isolation, LockWait, RowLockMode};

pub(crate) struct LockRowsState {
    id: NodeId,
    child: PlanState,
    /// The child's row as it came, while a newer version takes its place.
    original: Option<Vec<Datum>>,
}

/// What came of locking one of a row's tables.
enum Locked {
    /// It is locked as it was found, or there is nothing to lock.
    AsIs,
    /// A newer version is locked.
    Newer(Candidate),
    /// The row is to be left out.
    Skip,
}

impl LockRowsState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        LockRowsState { id, child, original: None }
    }

    /// Locks the current row; false if it is to be left out.
    fn lock_row(&mut self, x: &mut Exec<'_>, node: &LockRows) -> PgResult<bool> {
        let mut newer = Candidates::default();
        for lock in &node.locks {
            match lock_table_row(x, lock)? {
                Locked::AsIs => {}
                Locked::Skip => return Ok(false),
                Locked::Newer(candidate) => {
                    newer.insert(lock.range, candidate);
                }
            }
        }
        if newer.is_empty() {
            return Ok(true);
        }
        let mut candidates = x.current_candidates(&node.marks)?;
        for lock in &node.locks {
            if let Some(candidate) = current_version(x, lock)? {
                candidates.insert(lock.range, candidate);
            }
        }
        candidates.extend(newer);
        let child = self.child.id();
        let Some(values) = x.recheck(child, candidates)? else { return Ok(false) };
        self.original = Some(x.read_live(child));
        x.write_live(child, values);
        Ok(true)
    }
}

fn place(x: &Exec<'_>, lock: &RowLock) -> Option<Tid> {
    match x.get(lock.ctid) {
        Datum::Tid(place) => Some(Tid::new(place.block, place.slot)),
        // Null-extended by an outer join.
        _ => None,
    }
}

fn current_version(x: &Exec<'_>, lock: &RowLock) -> PgResult<Option<Candidate>> {
    let Some(tid) = place(x, lock) else { return Ok(Some(Candidate::Nothing)) };
    let mut buf = FetchBuf::default();
    let table = x.ctx.storage.relations.open(lock.relid)?;
    let found = table.heap.fetch_any(tid, &mut buf)?;
    Ok(found.then(|| Candidate::Row { tid, bytes: buf.bytes().to_vec() }))
}

fn lock_table_row(x: &Exec<'_>, lock: &RowLock) -> PgResult<Locked> {
    let Some(tid) = place(x, lock) else { return Ok(Locked::AsIs) };
    let txn = x.ctx.storage.txn;
    let table = x.ctx.storage.relations.open(lock.relid)?;
    let mode = match lock.strength {
        LockStrength::KeyShare => RowLockMode::KeyShare,
        LockStrength::Share => RowLockMode::Share,
        LockStrength::NoKeyUpdate => RowLockMode::NoKeyUpdate,
        LockStrength::Update => RowLockMode::Update,
    };
    let wait = if lock.wait == Wait::Block { LockWait::Block } else { LockWait::NoWait };
    let mut buf = FetchBuf::default();
    let repeatable = txn.isolation() != Isolation::ReadCommitted;
    let (result, at) = if repeatable {
        (table.heap.lock_tuple(txn, tid, mode, wait, &mut buf)?, tid)
    } else {
        let locked = table.heap.lock_latest(txn, tid, mode, wait, &mut buf)?;
        (locked.result, locked.tid)
    };
    let failure = |what| {
        PgError::new(
            code::T_R_SERIALIZATION_FAILURE,
            format!("could not serialize access due to concurrent {what}"),
        )
    };
    match result {
        TmResult::Ok if at == tid => Ok(Locked::AsIs),
        TmResult::Ok => Ok(Locked::Newer(Candidate::Row { tid: at, bytes: buf.bytes().to_vec() })),
        TmResult::WouldBlock if lock.wait == Wait::Skip => Ok(Locked::Skip),
        TmResult::WouldBlock => Err(PgError::new(
            code::LOCK_NOT_AVAILABLE,
            format!("could not obtain lock on row in relation \"{}\"", table.name),
        )),
        // Changed by this transaction since the statement began: gone, as far as it is concerned.
        TmResult::SelfModified { .. } => Ok(Locked::Skip),
        TmResult::Updated { .. } if repeatable => Err(failure("update")),
        TmResult::Deleted { .. } if repeatable => Err(failure("delete")),
        TmResult::Updated { .. } | TmResult::Deleted { .. } => Ok(Locked::Skip),
        TmResult::Invisible => Err(PgError::internal("attempted to lock invisible tuple")),
    }
}

impl Node for LockRowsState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::LockRows(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        loop {
            x.ctx.check_for_interrupts()?;
            if let Some(values) = self.original.take() {
                x.write_live(self.child.id(), values);
            }
            if !self.child.next(x)? {
                return Ok(false);
            }
            if self.lock_row(x, node)? {
                return Ok(true);
            }
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.original = None;
        self.child.rescan(x, changed)
    }
}
