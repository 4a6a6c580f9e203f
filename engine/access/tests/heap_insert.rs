//! Inserting, fetching and scanning, and what a crash leaves of it.

use std::sync::Arc;
use std::thread;

use redoubt_access::{
    Direction, Engine, FetchBuf, Heap, HeapScan, InsertOptions, TableId, Tid, TupleRef, deform, form_tuple,
};
use redoubt_buffer::{MemVolume, PageVolume, RelNode};
use redoubt_functions::{Attribute, Datum, TupleDesc, types};
use redoubt_txn::{Isolation, Snapshot, Txn, Xid};

const TABLE: TableId = TableId { database: 5, relation: 16_384 };

fn desc() -> TupleDesc {
    TupleDesc::new(vec![Attribute::new("id", types::INT8), Attribute::new("name", types::TEXT)])
}

fn row(id: i64, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    form_tuple(&desc(), &[Datum::Int8(id), Datum::text(name)], &mut out).unwrap();
    out
}

fn id(tuple: TupleRef<'_>) -> i64 {
    let mut values = Vec::new();
    deform(tuple, &desc(), 1, &mut values).unwrap();
    values[0].as_int8().unwrap()
}

fn begin(engine: &Engine) -> Txn {
    engine.txns().begin(&engine.txns().connect(1), Isolation::ReadCommitted)
}

fn all(heap: &Arc<Heap>, snapshot: Snapshot) -> Vec<i64> {
    let mut scan = HeapScan::new(heap.clone(), snapshot);
    let mut ids = Vec::new();
    while let Some((_, tuple)) = scan.next(Direction::Forward).unwrap() {
        ids.push(id(tuple));
    }
    ids
}

fn table() -> (Arc<Engine>, MemVolume, Arc<Heap>) {
    let (engine, volume) = Engine::in_memory().unwrap();
    let heap = engine.create_heap(RelNode(20_000), TABLE, Xid::INVALID).unwrap();
    (engine, volume, heap)
}

#[test]
fn rows_come_back_in_the_order_they_went_in() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    let mut tids = Vec::new();
    for n in 0..1000 {
        tids.push(heap.insert(&txn, &mut row(n, &"x".repeat(50)), InsertOptions::default()).unwrap());
    }
    let mut rows: Vec<_> = (1000..5000).map(|n| row(n, &"y".repeat(50))).collect();
    heap.multi_insert(&txn, &mut rows, InsertOptions::default(), &mut tids).unwrap();
    assert!(tids.is_sorted() && tids[0] == Tid::new(0, 1));
    assert!(all(&heap, txn.statement_snapshot().unwrap()).is_empty(), "a command does not see itself");
    txn.advance_command().unwrap();
    let other = begin(&engine);
    assert!(all(&heap, other.statement_snapshot().unwrap()).is_empty());
    assert_eq!(all(&heap, txn.statement_snapshot().unwrap()), (0..5000).collect::<Vec<_>>());
    txn.commit().unwrap();
    let snapshot = other.statement_snapshot().unwrap();
    assert_eq!(all(&heap, snapshot.clone()), (0..5000).collect::<Vec<_>>());
    let mut buf = FetchBuf::default();
    for (n, &tid) in tids.iter().enumerate() {
        assert!(heap.fetch(tid, &snapshot, &mut buf).unwrap());
        assert_eq!(id(buf.tuple()), n as i64);
        assert_eq!(heap.fetch_from_index(tid, &snapshot, &mut buf).unwrap(), Some(tid));
    }
    for nowhere in [Tid::INVALID, Tid::new(0, 999), Tid::new(9999, 1)] {
        assert!(!heap.fetch(nowhere, &snapshot, &mut buf).unwrap());
        assert_eq!(heap.fetch_from_index(nowhere, &snapshot, &mut buf).unwrap(), None);
    }
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn a_scan_turns_round_anywhere() {
    let (engine, _, heap) = table();
    let txn = begin(&engine);
    for n in 0..500 {
        heap.insert(&txn, &mut row(n, &"z".repeat(100)), InsertOptions::default()).unwrap();
    }
    txn.advance_command().unwrap();
    let mut scan = HeapScan::new(heap, txn.statement_snapshot().unwrap()).once();
    let mut at = -1i64;
    let mut next = |direction| scan.next(direction).unwrap().map(|(_, tuple)| id(tuple));
    // Steps of changing length, over both ends.
    for step in [3i64, -2, 200, -150, 600, -1, -700, 5, 1000, -3, 2] {
        for _ in 0..step.abs() {
            let direction = if step > 0 { Direction::Forward } else { Direction::Backward };
            at = (at + step.signum()).clamp(-1, 500);
            let expect = (0..500).contains(&at).then_some(at);
            assert_eq!(next(direction), expect);
        }
    }
}

#[test]
fn fill_factor_and_size_limits() {
    let (engine, _, heap) = table();
    let txn = begin(&engine);
    let half = InsertOptions { fillfactor: 50 };
    for n in 0..100 {
        heap.insert(&txn, &mut row(n, &"f".repeat(200)), half).unwrap();
    }
    assert!((5..=7).contains(&heap.nblocks()), "{}", heap.nblocks());
    // Many values, each too short to be moved elsewhere.
    let wide = TupleDesc::new(vec![Attribute::new("c", types::TEXT); 200]);
    let mut too_wide = Vec::new();
    form_tuple(&wide, &vec![Datum::text("w".repeat(50)); 200], &mut too_wide).unwrap();
    let error = heap.insert(&txn, &mut too_wide, half).unwrap_err();
    assert_eq!(error.code().as_str(), "54000");
    assert_eq!(error.message(), "row is too big: size 10234, maximum size 8140");
}

#[test]
fn threads_insert_and_a_crash_keeps_what_was_committed() {
    let (engine, volume, heap) = table();
    let committed = parking_lot::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..4 {
            let (engine, heap, committed) = (&engine, &heap, &committed);
            scope.spawn(move || {
                let backend = engine.txns().connect(thread);
                for round in 0..60 {
                    let txn = engine.txns().begin(&backend, Isolation::ReadCommitted);
                    let ids: Vec<i64> =
                        (0..10).map(|n| i64::from(thread) * 100_000 + round * 10 + n).collect();
                    for &id in &ids {
                        heap.insert(
                            &txn,
                            &mut row(id, &"t".repeat(id as usize % 200)),
                            InsertOptions::default(),
                        )
                        .unwrap();
                    }
                    if round % 4 == 0 {
                        txn.abort();
                    } else {
                        let lsn = txn.commit().unwrap();
                        committed.lock().push((lsn, ids));
                    }
                }
            });
        }
    });
    volume.assert_pool_matches(engine.pool());
    let committed = committed.into_inner();
    let cpls = volume.cpls();
    for &cpl in cpls[10..].iter().step_by(211).chain(cpls.last()) {
        let engine = Engine::open(Arc::new(volume.crashed_at(cpl)), 256, 0).unwrap();
        let heap = engine.heap(RelNode(20_000), TABLE).unwrap();
        let mut found = all(&heap, begin(&engine).statement_snapshot().unwrap());
        found.sort_unstable();
        let mut expect: Vec<i64> =
            committed.iter().filter(|(lsn, _)| *lsn <= cpl).flat_map(|(_, ids)| ids.clone()).collect();
        expect.sort_unstable();
        assert_eq!(found, expect, "after a crash at {cpl}");
        // Life goes on.
        let txn = begin(&engine);
        heap.insert(&txn, &mut row(1, "after"), InsertOptions::default()).unwrap();
        txn.commit().unwrap();
    }
    assert!(volume.vdl() == volume.last_lsn());
}

#[test]
fn a_failed_creator_takes_its_table_along() {
    let (engine, _, _) = table();
    let txn = begin(&engine);
    let other = TableId { relation: 16_385, ..TABLE };
    engine.create_heap(RelNode(20_001), other, txn.xid().unwrap()).unwrap();
    txn.abort();
    assert_eq!(engine.sweep_storage().unwrap(), 1);
    assert_eq!(engine.heap(RelNode(20_001), other).unwrap_err().code().as_str(), "58P01");
    engine.create_heap(RelNode(20_001), other, Xid::INVALID).unwrap();
}
