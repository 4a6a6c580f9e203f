//! Updates, deletions and row locks: who gets what, and what others see.

mod common;

use std::thread;

use common::{HOT, KEY, all, begin, insert, row, table, via_index};
use redoubt_access::{FetchBuf, Heap, Tid, TmResult, Updated};
use redoubt_buffer::PageVolume;
use redoubt_txn::{LockWait, RowLockMode, Txn};

fn update(heap: &Heap, txn: &Txn, tid: Tid, amount: i64) -> Updated {
    heap.update(txn, tid, &mut row(1, amount, ""), HOT, LockWait::NoWait).unwrap()
}

#[test]
fn an_update_makes_a_chain_that_index_entries_find() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let root = insert(&heap, &txn, 1, 0);
    txn.commit().unwrap();
    let old = begin(&engine);
    let old_snapshot = old.statement_snapshot().unwrap();
    let mut tid = root;
    for amount in 1..=3 {
        let txn = begin(&engine);
        let updated = update(&heap, &txn, tid, amount);
        assert_eq!((updated.result, updated.hot), (TmResult::Ok, true));
        assert_eq!(update(&heap, &txn, tid, 9).result, TmResult::SelfModified { cmax: txn.command() });
        txn.commit().unwrap();
        let gone = begin(&engine);
        let expect = TmResult::Updated { ctid: updated.tid, xmax: gone.xid().unwrap() };
        let TmResult::Updated { ctid, .. } = heap.delete(&gone, tid, LockWait::NoWait).unwrap() else {
            panic!("not {expect:?}")
        };
        assert_eq!(ctid, updated.tid);
        tid = updated.tid;
    }
    assert_eq!(via_index(&heap, root, &old_snapshot), Some((root, 0)));
    let now = begin(&engine);
    assert_eq!(via_index(&heap, root, &now.statement_snapshot().unwrap()), Some((tid, 3)));
    assert_eq!(
        via_index(&heap, tid, &now.statement_snapshot().unwrap()),
        None,
        "no index entry points there"
    );
    assert_eq!(all(&heap, now.statement_snapshot().unwrap()), [(tid, 1, 3)]);
    assert_eq!(all(&heap, old_snapshot), [(root, 1, 0)]);
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn deletion_by_command_and_by_transaction() {
    let (engine, _, heap) = table();
    let txn = begin(&engine);
    let tid = insert(&heap, &txn, 1, 0);
    assert_eq!(heap.delete(&txn, tid, LockWait::NoWait).unwrap(), TmResult::Invisible, "by the same command");
    txn.advance_command().unwrap();
    let before = txn.statement_snapshot().unwrap();
    assert_eq!(heap.delete(&txn, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
    txn.advance_command().unwrap();
    assert_eq!(heap.delete(&txn, tid, LockWait::NoWait).unwrap(), TmResult::Invisible, "by an earlier one");
    assert_eq!(all(&heap, before).len(), 1);
    assert!(all(&heap, txn.statement_snapshot().unwrap()).is_empty());
    txn.commit().unwrap();

    let txn = begin(&engine);
    let tid = insert(&heap, &txn, 2, 0);
    txn.commit().unwrap();
    let (a, b) = (begin(&engine), begin(&engine));
    assert_eq!(heap.delete(&a, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
    assert_eq!(heap.delete(&b, tid, LockWait::NoWait).unwrap(), TmResult::WouldBlock);
    a.abort();
    assert_eq!(heap.delete(&b, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
    let xmax = b.xid().unwrap();
    b.commit().unwrap();
    let c = begin(&engine);
    assert_eq!(heap.delete(&c, tid, LockWait::NoWait).unwrap(), TmResult::Deleted { xmax });
}

#[test]
fn a_failed_subtransaction_gives_rows_back() {
    let (engine, _, heap) = table();
    let txn = begin(&engine);
    let tid = insert(&heap, &txn, 1, 10);
    txn.advance_command().unwrap();
    for _ in 0..300 {
        txn.begin_sub().unwrap();
        assert_eq!(update(&heap, &txn, tid, 11).result, TmResult::Ok);
        txn.advance_command().unwrap();
        txn.abort_sub();
    }
    assert_eq!(all(&heap, txn.statement_snapshot().unwrap()), [(tid, 1, 10)]);
    assert_eq!(heap.nblocks(), 1, "what failed was pruned away");
    assert_eq!(update(&heap, &txn, tid, 12).result, TmResult::Ok);
    txn.commit().unwrap();
    let snapshot = begin(&engine).statement_snapshot().unwrap();
    assert_eq!(via_index(&heap, tid, &snapshot).unwrap().1, 12);
}

#[test]
fn rows_that_do_not_fit_move() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let tids: Vec<Tid> = (0..40).map(|id| insert(&heap, &txn, id, 0)).collect();
    txn.commit().unwrap();
    let txn = begin(&engine);
    for (id, &tid) in tids.iter().enumerate() {
        let long = "m".repeat(1500);
        let moved = heap.update(&txn, tid, &mut row(id as i64, 1, &long), HOT, LockWait::NoWait).unwrap();
        assert_eq!((moved.result, moved.hot), (TmResult::Ok, moved.tid.block == 0));
    }
    txn.commit().unwrap();
    assert!(heap.nblocks() >= 8);
    let snapshot = begin(&engine).statement_snapshot().unwrap();
    let mut found: Vec<i64> = all(&heap, snapshot).iter().map(|&(_, id, _)| id).collect();
    found.sort_unstable();
    assert_eq!(found, (0..40).collect::<Vec<_>>());
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn an_often_updated_row_stays_on_its_page() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let root = insert(&heap, &txn, 1, 0);
    txn.commit().unwrap();
    let mut tid = root;
    for amount in 1..5000 {
        let txn = begin(&engine);
        let updated = update(&heap, &txn, tid, amount);
        assert!(updated.hot && updated.tid.block == 0, "update {amount}");
        tid = updated.tid;
        if amount % 3 == 0 {
            txn.commit().unwrap();
        } else {
            txn.abort();
            let snapshot = begin(&engine).statement_snapshot().unwrap();
            tid = via_index(&heap, root, &snapshot).unwrap().0;
        }
    }
    let snapshot = begin(&engine).statement_snapshot().unwrap();
    assert_eq!(via_index(&heap, root, &snapshot), Some((tid, 4998)));
    assert_eq!(all(&heap, snapshot).len(), 1);
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn a_held_snapshot_keeps_its_version_from_being_pruned() {
    let (engine, _, heap) = table();
    let txn = begin(&engine);
    let root = insert(&heap, &txn, 1, 0);
    txn.commit().unwrap();
    let reader = begin(&engine);
    let mut held = Vec::new();
    let mut tid = root;
    for amount in 1..2000 {
        if amount % 100 == 0 {
            held.push((amount - 1, reader.statement_snapshot().unwrap()));
        }
        let txn = begin(&engine);
        tid = update(&heap, &txn, tid, amount).tid;
        txn.commit().unwrap();
        if !tid.is_valid() {
            unreachable!("nobody else updates the row");
        }
        for (expect, snapshot) in &held {
            let seen: Vec<i64> = all(&heap, snapshot.clone()).iter().map(|&(_, _, amount)| amount).collect();
            assert_eq!(seen, [*expect]);
        }
        if held.len() == 3 {
            held.remove(0);
        }
    }
}

#[test]
fn locks_and_updates_exclude_each_other_by_mode() {
    use RowLockMode::{KeyShare, NoKeyUpdate, Share, Update};
    let modes = [KeyShare, Share, NoKeyUpdate, Update];
    for held in modes {
        for wanted in modes {
            let (engine, _, heap) = table();
            let txn = begin(&engine);
            let tid = insert(&heap, &txn, 1, 0);
            txn.commit().unwrap();
            let (a, b) = (begin(&engine), begin(&engine));
            let mut buf = FetchBuf::default();
            let mut lock =
                |txn: &Txn, mode| heap.lock_tuple(txn, tid, mode, LockWait::NoWait, &mut buf).unwrap();
            let expect = if held.conflicts_with(wanted) { TmResult::WouldBlock } else { TmResult::Ok };
            assert_eq!(lock(&a, held), TmResult::Ok);
            assert_eq!(lock(&b, wanted), expect, "{held:?} {wanted:?}");
            b.abort();
            // Updates and deletions are locks, too.
            let b = begin(&engine);
            for (mode, options) in [(NoKeyUpdate, HOT), (Update, KEY)] {
                b.begin_sub().unwrap();
                let expect = if held.conflicts_with(mode) { TmResult::WouldBlock } else { TmResult::Ok };
                let found =
                    heap.update(&b, tid, &mut row(1, 1, ""), options, LockWait::NoWait).unwrap().result;
                assert_eq!(found, expect, "{held:?} {mode:?}");
                b.abort_sub();
            }
            assert_eq!(heap.delete(&b, tid, LockWait::NoWait).unwrap(), TmResult::WouldBlock);
            a.commit().unwrap();
            assert_eq!(heap.delete(&b, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
            b.commit().unwrap();
            assert!(engine.txns().row_locks().is_empty());
        }
    }
}

#[test]
fn a_key_share_lock_survives_updates_that_leave_the_key_alone() {
    let (engine, _, heap) = table();
    let txn = begin(&engine);
    let tid = insert(&heap, &txn, 1, 0);
    txn.commit().unwrap();
    let mut buf = FetchBuf::default();
    let (locker, late_locker, updater) = (begin(&engine), begin(&engine), begin(&engine));
    let mut key_share =
        |txn: &Txn| heap.lock_tuple(txn, tid, RowLockMode::KeyShare, LockWait::NoWait, &mut buf).unwrap();
    assert_eq!(key_share(&locker), TmResult::Ok);
    let second = update(&heap, &updater, tid, 1).tid;
    assert_eq!(key_share(&late_locker), TmResult::Ok, "although it is being updated");
    updater.commit().unwrap();
    let deleter = begin(&engine);
    for holder in [locker, late_locker] {
        assert_eq!(heap.delete(&deleter, second, LockWait::NoWait).unwrap(), TmResult::WouldBlock);
        holder.commit().unwrap();
    }
    assert_eq!(heap.delete(&deleter, second, LockWait::NoWait).unwrap(), TmResult::Ok);
}

#[test]
fn whoever_waited_goes_on_with_the_latest_version() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let tid = insert(&heap, &txn, 1, 0);
    txn.commit().unwrap();
    let (first, second) = (begin(&engine), begin(&engine));
    let latest = update(&heap, &first, tid, 1).tid;
    volume.hold();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut buf = FetchBuf::default();
            let locked =
                heap.lock_latest(&second, tid, RowLockMode::Update, LockWait::Block, &mut buf).unwrap();
            (locked, common::read(buf.tuple()))
        });
        while engine.locks().blockers(second.backend()).is_empty() {
            thread::yield_now();
        }
        let lsn = first.commit().unwrap();
        let (locked, values) = waiter.join().unwrap();
        assert_eq!((locked.result, locked.tid, locked.moved, values), (TmResult::Ok, latest, true, (1, 1)));
        assert_eq!(second.backend().dependency(), lsn, "it builds on a commit that is not durable");
        assert!(volume.vdl() < lsn);
        volume.release(None);
    });
    assert_eq!(heap.delete(&second, latest, LockWait::NoWait).unwrap(), TmResult::Ok);
    second.commit().unwrap();
    let third = begin(&engine);
    let mut buf = FetchBuf::default();
    let gone = heap.lock_latest(&third, tid, RowLockMode::Share, LockWait::Block, &mut buf).unwrap();
    assert!(matches!(gone.result, TmResult::Deleted { .. }), "{gone:?}");
}

#[test]
fn an_insertion_taken_back_is_dead_at_once() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let tid = insert(&heap, &txn, 1, 0);
    heap.retract(&txn, tid).unwrap();
    txn.advance_command().unwrap();
    assert!(all(&heap, txn.statement_snapshot().unwrap()).is_empty());
    let keep = insert(&heap, &txn, 2, 0);
    txn.commit().unwrap();
    assert!(heap.update_in_place(keep, &row(2, 77, "changed where it lies")).unwrap());
    let snapshot = begin(&engine).statement_snapshot().unwrap();
    assert_eq!(all(&heap, snapshot), [(keep, 2, 77)]);
    volume.assert_pool_matches(engine.pool());
}
