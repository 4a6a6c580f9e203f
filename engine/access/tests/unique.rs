//! Unique indexes: one living row per key, whoever races whom.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Dice, HOT, KEY, all, begin, insert, row, table};
use redoubt_access::{BTree, Engine, Heap, Inserted, Tid, TmResult, Unique};
use redoubt_buffer::{MemVolume, RelNode};
use redoubt_error::PgResult;
use redoubt_txn::{Isolation, LockWait, Txn, Xid};

fn unique_table() -> (Arc<Engine>, MemVolume, Arc<Heap>, Arc<BTree>) {
    let (engine, volume, heap) = table();
    let index = engine.create_btree(RelNode(20_001), Xid::INVALID).unwrap();
    (engine, volume, heap, index)
}

fn key(id: i64) -> Vec<u8> {
    (id as u64 ^ 1 << 63).to_be_bytes().to_vec()
}

fn put(heap: &Heap, index: &BTree, txn: &Txn, id: i64) -> PgResult<(Tid, Inserted)> {
    let tid = insert(heap, txn, id, 0);
    let inserted = index.insert_unique(txn, heap, &key(id), tid, b"", Unique::Immediate)?;
    Ok((tid, inserted))
}

#[test]
fn a_key_is_free_again_when_its_row_is_dead() {
    let (engine, _, heap, index) = unique_table();
    let txn = begin(&engine);
    let (first, inserted) = put(&heap, &index, &txn, 7).unwrap();
    assert_eq!(inserted, Inserted::Done);
    let (second, inserted) = put(&heap, &index, &txn, 7).unwrap();
    assert_eq!(inserted, Inserted::Conflict(first), "own rows count");
    heap.retract(&txn, second).unwrap();
    txn.advance_command().unwrap();
    // Deleted by the same transaction, the key may be used again.
    assert_eq!(heap.delete(&txn, first, LockWait::NoWait).unwrap(), TmResult::Ok);
    let (third, inserted) = put(&heap, &index, &txn, 7).unwrap();
    assert_eq!(inserted, Inserted::Done);
    txn.commit().unwrap();

    let other = begin(&engine);
    assert_eq!(put(&heap, &index, &other, 7).unwrap().1, Inserted::Conflict(third));
    assert_eq!(index.find_conflict(&other, &heap, &key(7), Tid::INVALID).unwrap(), Some(third));
    assert_eq!(index.find_conflict(&other, &heap, &key(7), third).unwrap(), None);
    assert_eq!(index.find_conflict(&other, &heap, &key(8), Tid::INVALID).unwrap(), None);
    other.abort();

    // An update on the page moves the living version; the entry for the root still finds it.
    let txn = begin(&engine);
    let updated = heap.update(&txn, third, &mut row(7, 1, ""), HOT, LockWait::NoWait).unwrap();
    assert!(updated.hot);
    assert_eq!(put(&heap, &index, &txn, 7).unwrap().1, Inserted::Conflict(updated.tid));
    txn.commit().unwrap();
}

#[test]
fn whoever_comes_second_waits_for_the_first() {
    for commits in [true, false] {
        let (engine, _, heap, index) = unique_table();
        let (first, second) = (begin(&engine), begin(&engine));
        let (tid, _) = put(&heap, &index, &first, 1).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| put(&heap, &index, &second, 1).unwrap().1);
            while engine.locks().blockers(second.backend()).is_empty() {
                thread::yield_now();
            }
            if commits {
                first.commit().unwrap();
            } else {
                first.abort();
            }
            let expect = if commits { Inserted::Conflict(tid) } else { Inserted::Done };
            assert_eq!(waiter.join().unwrap(), expect);
        });
    }
}

#[test]
fn deferred_checks_let_entries_in() {
    let (engine, _, heap, index) = unique_table();
    let txn = begin(&engine);
    let (first, _) = put(&heap, &index, &txn, 1).unwrap();
    let second = insert(&heap, &txn, 1, 0);
    let inserted = index.insert_unique(&txn, &heap, &key(1), second, b"", Unique::Deferred).unwrap();
    assert_eq!(inserted, Inserted::PerhapsDuplicate);
    txn.advance_command().unwrap();
    assert_eq!(index.find_conflict(&txn, &heap, &key(1), second).unwrap(), Some(first));
    assert_eq!(heap.delete(&txn, first, LockWait::NoWait).unwrap(), TmResult::Ok);
    assert_eq!(index.find_conflict(&txn, &heap, &key(1), second).unwrap(), None);
    let third = insert(&heap, &txn, 2, 0);
    let inserted = index.insert_unique(&txn, &heap, &key(2), third, b"", Unique::Deferred).unwrap();
    assert_eq!(inserted, Inserted::Done);
}

#[test]
fn many_dead_versions_of_one_key() {
    let (engine, volume, heap, index) = unique_table();
    for id in 0..40 {
        let txn = begin(&engine);
        put(&heap, &index, &txn, id).unwrap();
        txn.commit().unwrap();
    }
    // More entries with one key than a leaf holds.
    for round in 0..1200 {
        let txn = begin(&engine);
        let (_, inserted) = put(&heap, &index, &txn, 1000).unwrap();
        assert_eq!(inserted, Inserted::Done, "{round}");
        if round % 50 == 49 {
            let (_, again) = put(&heap, &index, &txn, 1000).unwrap();
            assert!(matches!(again, Inserted::Conflict(_)));
        }
        txn.abort();
    }
    assert!(index.nblocks() > 4);
    assert_eq!(index.check().unwrap().len(), 1240);
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn races_leave_one_row_per_key() {
    const KEYS: u64 = 30;
    let (engine, volume, heap, index) = unique_table();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=4u64)
            .map(|seed| {
                let (engine, heap, index) = (&engine, &heap, &index);
                scope.spawn(move || {
                    let mut dice = Dice(seed * 0xabcdef);
                    let backend = engine.txns().connect(seed as i32);
                    backend.set_deadlock_timeout(Duration::from_millis(1));
                    let mut wins = 0;
                    for _ in 0..500 {
                        let txn = engine.txns().begin(&backend, Isolation::ReadCommitted);
                        let done = work(&txn, heap, index, &mut dice);
                        match done {
                            Ok(true) if dice.roll(5) > 0 => {
                                txn.commit().unwrap();
                                wins += 1;
                            }
                            Ok(_) => txn.abort(),
                            Err(error) => {
                                assert_eq!(error.code().as_str(), "40P01");
                                txn.abort();
                            }
                        }
                    }
                    assert!(wins > 20);
                })
            })
            .collect();
        scope.spawn(|| {
            let reader = begin(&engine);
            while running.load(Ordering::SeqCst) {
                let snapshot = reader.statement_snapshot().unwrap();
                let rows = all(&heap, snapshot);
                let ids: BTreeSet<i64> = rows.iter().map(|row| row.1).collect();
                assert_eq!(ids.len(), rows.len(), "{rows:?}");
            }
        });
        let ended: Vec<_> = workers.into_iter().map(|thread| thread.join()).collect();
        running.store(false, Ordering::SeqCst);
        ended.into_iter().for_each(|result| result.unwrap());
    });
    index.check().unwrap();
    volume.assert_pool_matches(engine.pool());

    /// Inserts, moves or deletes a few rows; false when it lost a race for a key.
    fn work(txn: &Txn, heap: &Arc<Heap>, index: &BTree, dice: &mut Dice) -> PgResult<bool> {
        for _ in 0..=dice.roll(3) {
            let id = dice.roll(KEYS) as i64;
            // Held while its rows are being worked on, as a statement does.
            let snapshot = txn.statement_snapshot()?;
            let rows = all(heap, snapshot.clone());
            match rows.iter().find(|row| row.1 == id) {
                None => {
                    let (tid, inserted) = put(heap, index, txn, id)?;
                    if inserted != Inserted::Done {
                        // As ON CONFLICT does: the row was never there, and the transaction goes on.
                        heap.retract(txn, tid)?;
                    }
                }
                Some(&(tid, _, _)) if dice.roll(2) == 0 => {
                    let result = heap.delete(txn, tid, LockWait::Block)?;
                    if result != TmResult::Ok {
                        return Ok(false);
                    }
                }
                Some(&(tid, _, _)) => {
                    let moved_to = dice.roll(KEYS) as i64;
                    let updated = heap.update(txn, tid, &mut row(moved_to, 0, ""), KEY, LockWait::Block)?;
                    if updated.result != TmResult::Ok {
                        return Ok(false);
                    }
                    let inserted = index.insert_unique(
                        txn,
                        heap,
                        &key(moved_to),
                        updated.tid,
                        b"",
                        Unique::Immediate,
                    )?;
                    if inserted != Inserted::Done {
                        return Ok(false);
                    }
                }
            }
            txn.advance_command()?;
        }
        Ok(true)
    }
}
