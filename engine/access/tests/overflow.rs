//! Values longer than a page: stored in pieces, shared by versions, gone with the last of them.

mod common;

use std::sync::Arc;
use std::thread;

use common::{Dice, HOT, NODE, TABLE, begin, desc, table};
use redoubt_access::{
    Direction, Engine, FetchBuf, Heap, HeapScan, InsertOptions, Tid, TmResult, TupleRef, VacuumOptions,
    deform, form_tuple,
};
use redoubt_buffer::{Fork, RelKey};
use redoubt_functions::Datum;
use redoubt_txn::{LockWait, RowLockMode, Snapshot, Txn};

/// A text that tells where a piece is missing or misplaced.
fn text(seed: u64, len: usize) -> String {
    (0..).flat_map(|n: u64| format!("{} ", n * 7 + seed).into_bytes()).take(len).map(char::from).collect()
}

fn row(id: i64, amount: i64, note: &str) -> Vec<u8> {
    let mut out = Vec::new();
    form_tuple(&desc(), &[Datum::Int8(id), Datum::Int8(amount), Datum::text(note)], &mut out).unwrap();
    out
}

fn note(tuple: TupleRef<'_>) -> String {
    let mut values = Vec::new();
    deform(tuple, &desc(), 3, &mut values).unwrap();
    values[2].as_str().unwrap().to_owned()
}

fn put(heap: &Heap, txn: &Txn, id: i64, note: &str) -> Tid {
    heap.insert(txn, &mut row(id, 0, note), InsertOptions::default()).unwrap()
}

fn update(heap: &Heap, txn: &Txn, tid: Tid, amount: i64, note: &str) -> Tid {
    let updated = heap.update(txn, tid, &mut row(1, amount, note), HOT, LockWait::Block).unwrap();
    assert_eq!(updated.result, TmResult::Ok);
    updated.tid
}

fn notes(heap: &Arc<Heap>, snapshot: Snapshot) -> Vec<String> {
    let mut scan = HeapScan::new(heap.clone(), snapshot);
    let mut found = Vec::new();
    while let Some((_, tuple)) = scan.next(Direction::Forward).unwrap() {
        found.push(note(tuple));
    }
    found
}

/// Blocks of the fork that has the pieces.
fn overflow_blocks(engine: &Engine) -> u32 {
    let key = RelKey { node: NODE, fork: Fork::Overflow };
    engine.space().relation(key).unwrap().map_or(0, |fork| fork.nblocks())
}

fn vacuum(engine: &Engine, heap: &Heap) {
    heap.vacuum(&engine.txns().connect(9), &[], VacuumOptions::default()).unwrap();
}

#[test]
fn values_of_every_length_come_back() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let lengths = [0, 100, 3900, 3990, 4100, 8000, 8090, 8099, 8100, 8101, 16_200, 100_000, 1_000_000];
    let texts: Vec<String> = lengths.iter().map(|&len| text(len as u64, len)).collect();
    let tids: Vec<Tid> = (0..).zip(&texts).map(|(id, text)| put(&heap, &txn, id, text)).collect();
    let mut rows: Vec<Vec<u8>> = (0..).zip(&texts).map(|(id, text)| row(id, 1, text)).collect();
    heap.multi_insert(&txn, &mut rows, InsertOptions::default(), &mut Vec::new()).unwrap();
    txn.commit().unwrap();
    let reader = begin(&engine);
    let snapshot = reader.statement_snapshot().unwrap();
    let twice: Vec<String> = texts.iter().chain(&texts).cloned().collect();
    assert_eq!(notes(&heap, snapshot.clone()), twice);
    let mut buf = FetchBuf::default();
    for (tid, text) in tids.iter().zip(&texts) {
        assert!(heap.fetch(*tid, &snapshot, &mut buf).unwrap());
        assert_eq!(&note(buf.tuple()), text);
        assert_eq!(heap.fetch_from_index(*tid, &snapshot, &mut buf).unwrap(), Some(*tid));
        assert_eq!(&note(buf.tuple()), text);
        let locked = heap.lock_tuple(&reader, *tid, RowLockMode::Update, LockWait::NoWait, &mut buf).unwrap();
        assert_eq!((locked, &note(buf.tuple())), (TmResult::Ok, text));
    }
    assert!(heap.nblocks() < 8, "long values are elsewhere");
    volume.assert_pool_matches(engine.pool());
    let reopened = Engine::open(Arc::new(volume.crashed_at(*volume.cpls().last().unwrap())), 64, 0).unwrap();
    let heap = reopened.heap(NODE, TABLE).unwrap();
    assert_eq!(notes(&heap, begin(&reopened).statement_snapshot().unwrap()), twice);
}

#[test]
fn versions_share_what_did_not_change() {
    let (engine, _, heap) = table();
    let long = text(1, 50_000);
    let txn = begin(&engine);
    let mut tid = put(&heap, &txn, 1, &long);
    txn.commit().unwrap();
    let blocks = overflow_blocks(&engine);
    for amount in -9..0 {
        let txn = begin(&engine);
        tid = update(&heap, &txn, tid, amount, &long);
        txn.commit().unwrap();
        // Only what the latest version refers to is safe from vacuum.
        drop(begin(&engine).statement_snapshot().unwrap());
        vacuum(&engine, &heap);
        assert_eq!(notes(&heap, begin(&engine).statement_snapshot().unwrap()).concat(), long);
    }
    let reader = begin(&engine);
    let first = reader.statement_snapshot().unwrap();
    for amount in 1..50 {
        let txn = begin(&engine);
        tid = update(&heap, &txn, tid, amount, &long);
        txn.commit().unwrap();
    }
    assert_eq!(overflow_blocks(&engine), blocks, "nothing was stored again");
    let txn = begin(&engine);
    let other = text(2, 50_000);
    tid = update(&heap, &txn, tid, 50, &other);
    txn.commit().unwrap();
    vacuum(&engine, &heap);
    assert_eq!(notes(&heap, first.clone()), [long]);
    let second = reader.statement_snapshot().unwrap();
    assert_eq!(notes(&heap, second.clone()).concat(), other);
    let txn = begin(&engine);
    update(&heap, &txn, tid, 51, "short");
    txn.commit().unwrap();
    drop(first);
    vacuum(&engine, &heap);
    assert_eq!(notes(&heap, second.clone()), [other]);
    drop(second);
    vacuum(&engine, &heap);
    let before = overflow_blocks(&engine);
    let txn = begin(&engine);
    put(&heap, &txn, 2, &text(3, 90_000));
    txn.commit().unwrap();
    assert_eq!(overflow_blocks(&engine), before, "the room of the old pieces is used again");
}

#[test]
fn failed_transactions_leave_values_alone() {
    let (engine, _, heap) = table();
    let (long, other) = (text(1, 30_000), text(2, 30_000));
    let txn = begin(&engine);
    let tid = put(&heap, &txn, 1, &long);
    txn.commit().unwrap();
    for _ in 0..3 {
        let txn = begin(&engine);
        txn.begin_sub().unwrap();
        update(&heap, &txn, tid, 1, &other);
        txn.abort_sub();
        assert_eq!(heap.delete(&txn, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
        let own = put(&heap, &txn, 2, &other);
        heap.retract(&txn, own).unwrap();
        txn.abort();
        vacuum(&engine, &heap);
        assert_eq!(notes(&heap, begin(&engine).statement_snapshot().unwrap()).concat(), long);
    }
    // What was taken back, or lost a race, is not kept by the transaction's success.
    let (winner, loser) = (begin(&engine), begin(&engine));
    let latest = update(&heap, &winner, tid, 1, &long);
    winner.commit().unwrap();
    let lost = heap.update(&loser, tid, &mut row(1, 1, &other), HOT, LockWait::Block).unwrap();
    assert!(matches!(lost.result, TmResult::Updated { .. }));
    let own = put(&heap, &loser, 2, &other);
    heap.retract(&loser, own).unwrap();
    assert_eq!(heap.delete(&loser, latest, LockWait::Block).unwrap(), TmResult::Ok);
    loser.commit().unwrap();
    drop(begin(&engine).statement_snapshot().unwrap());
    vacuum(&engine, &heap);
    let fork = engine.space().existing_relation(RelKey { node: NODE, fork: Fork::Overflow }).unwrap();
    for block in 0..fork.nblocks() {
        assert_eq!(engine.space().pin(&fork, block).unwrap().read().slot_count(), 0, "block {block}");
    }
}

#[test]
fn writers_readers_and_vacuum_together() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let tids: Vec<Tid> = (0..6).map(|id| put(&heap, &txn, id, &text(0, 9000))).collect();
    txn.commit().unwrap();
    thread::scope(|scope| {
        for (seed, &root) in (1..).zip(&tids) {
            let (engine, heap) = (&engine, &heap);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                let (mut tid, mut mine) = (root, text(0, 9000));
                for _ in 0..60 {
                    let txn = begin(engine);
                    let len = 3000 + dice.roll(30_000) as usize;
                    let new = if dice.roll(2) == 0 { mine.clone() } else { text(dice.roll(100), len) };
                    let at = update(heap, &txn, tid, 0, &new);
                    if dice.roll(3) == 0 {
                        txn.abort();
                    } else {
                        txn.commit().unwrap();
                        (tid, mine) = (at, new);
                    }
                    let reader = begin(engine);
                    let snapshot = reader.statement_snapshot().unwrap();
                    let mut buf = FetchBuf::default();
                    assert!(heap.fetch(tid, &snapshot, &mut buf).unwrap());
                    assert_eq!(note(buf.tuple()), mine);
                    if dice.roll(6) == 0 && seed == 1 {
                        vacuum(engine, heap);
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..40 {
                let reader = begin(&engine);
                assert_eq!(notes(&heap, reader.statement_snapshot().unwrap()).len(), 6);
            }
        });
    });
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn a_row_changed_where_it_lies_by_many() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let tid = put(&heap, &txn, 1, "sequence");
    txn.commit().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let changed = heap.modify_in_place(tid, 200, |old| {
                        let (id, amount) = common::read(old);
                        Ok(Some(row(id, amount + 1, "sequence")))
                    });
                    assert!(changed.unwrap().is_some());
                }
            });
        }
    });
    let mut buf = FetchBuf::default();
    assert!(heap.fetch_any(tid, &mut buf).unwrap());
    assert_eq!(common::read(buf.tuple()), (1, 2000));
    assert_eq!(heap.modify_in_place(tid, 200, |_| Ok(None)).unwrap(), None);
    let too_long = heap.modify_in_place(tid, 200, |_| Ok(Some(row(1, 1, &text(1, 300)))));
    assert_eq!(too_long.unwrap_err().code().as_str(), "54000");
    volume.assert_pool_matches(engine.pool());
}
