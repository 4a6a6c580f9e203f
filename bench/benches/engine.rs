//! What the engine does for each row, over a volume in memory: changing a page, finding a key, adding one, a new
//! version of a row, and telling who sees it.

use divan::Bencher;
use redoubt_access::{
    BTree, BTreeScan, Direction, Engine, FetchBuf, Heap, InsertOptions, KeyRange, TableId, Tid, TmResult,
    UpdateOptions, form_tuple,
};
use redoubt_buffer::{RelNode, kinds};
use redoubt_functions::{Attribute, Datum, TupleDesc, types};
use redoubt_page::{Op, PageId, PatchTarget};
use redoubt_txn::{Backend, CommandId, Isolation, LockWait, Stamps, ViewCache, Xid};
use std::sync::Arc;

const TABLE: TableId = TableId { database: 5, relation: 16_384 };
/// Entries of the index: three levels.
const ENTRIES: u64 = 100_000;

fn main() {
    divan::main();
}

struct Table {
    engine: Arc<Engine>,
    heap: Arc<Heap>,
    backend: Arc<Backend>,
}

fn table() -> Table {
    let (engine, _volume) = Engine::in_memory().expect("an engine");
    let heap = engine.create_heap(RelNode(20_000), TABLE, Xid::INVALID).expect("a table");
    let backend = engine.txns().connect(1);
    Table { engine, heap, backend }
}

fn row(id: i64, amount: i64) -> Vec<u8> {
    let desc = TupleDesc::new(vec![
        Attribute::new("id", types::INT8),
        Attribute::new("amount", types::INT8),
        Attribute::new("filler", types::TEXT),
    ]);
    let mut out = Vec::new();
    let values = [
        Datum::Int8(id),
        Datum::Int8(amount),
        Datum::text("filler of some eighty bytes, as pgbench's accounts have it: no more than that"),
    ];
    form_tuple(&desc, &values, &mut out).expect("a row");
    out
}

/// A row that is there and committed.
fn inserted(table: &Table) -> Tid {
    let txn = table.engine.txns().begin(&table.backend, Isolation::ReadCommitted);
    let tid = table.heap.insert(&txn, &mut row(1, 0), InsertOptions::default()).expect("inserted");
    txn.commit().expect("committed");
    tid
}

/// One page latched, eight bytes changed, the record appended.
#[divan::bench]
fn mtr(bencher: Bencher<'_, '_>) {
    let table = table();
    let space = table.engine.pool();
    let id = PageId::new(1 << 20);
    let pin = space.pin(id).expect("a page");
    let mut make = space.begin_mtr(1, 256).expect("log space");
    let page = make.latch(&pin);
    make.change(page, &Op::Initialise { kind: kinds::HEAP, special: &[] });
    make.change(page, &Op::InsertItem { slot: 0, bytes: &[0; 64], shift: false });
    make.commit();
    let mut count = 0u64;
    bencher.bench_local(|| {
        count += 1;
        let mut mtr = space.begin_mtr(1, 64).expect("log space");
        let page = mtr.latch(&pin);
        let target = PatchTarget::Slot(0);
        mtr.change(page, &Op::PatchBytes { target, offset: 8, bytes: &count.to_le_bytes() });
        mtr.commit()
    });
}

/// A key as the order-preserving encoding makes them: eight bytes.
fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn place(number: u64) -> Tid {
    Tid::new((number / 100) as u32, (number % 100) as u16 + 1)
}

fn index() -> (Arc<Engine>, Arc<BTree>) {
    let (engine, _volume) = Engine::in_memory().expect("an engine");
    let tree = engine.create_btree(RelNode(30_000), Xid::INVALID).expect("an index");
    for number in 0..ENTRIES {
        tree.insert(&key(number * 2), place(number), b"").expect("inserted");
    }
    (engine, tree)
}

/// Numbers that jump about, and repeat from run to run.
fn next(number: &mut u64) -> u64 {
    *number = (*number * 48_271) % 0x7fff_ffff;
    *number
}

#[divan::bench]
fn btree_search(bencher: Bencher<'_, '_>) {
    let (_engine, tree) = index();
    let mut number = 1;
    bencher.bench_local(|| {
        let wanted = key(next(&mut number) % ENTRIES * 2);
        let mut scan = BTreeScan::new(tree.clone(), KeyRange::prefix(&wanted));
        scan.next(Direction::Forward).expect("read").expect("the key is there").tid
    });
}

#[divan::bench(sample_count = 50, sample_size = 500)]
fn btree_insert(bencher: Bencher<'_, '_>) {
    let (_engine, tree) = index();
    let (mut number, mut count) = (1, 0);
    bencher.bench_local(|| {
        count += 1;
        // Between two that are there; places differ, so that no entry comes twice.
        let between = key(next(&mut number) % ENTRIES * 2 + 1);
        tree.insert(&between, place(ENTRIES + count), b"").expect("inserted");
    });
}

/// One transaction that makes a new version of a row on the row's own page, with its commit record.
#[divan::bench(sample_count = 50, sample_size = 200)]
fn heap_update(bencher: Bencher<'_, '_>) {
    let table = table();
    let mut tid = inserted(&table);
    let options =
        UpdateOptions { key_changed: false, indexed_changed: false, insert: InsertOptions::default() };
    let mut bytes = row(1, 1);
    bencher.bench_local(|| {
        let txn = table.engine.txns().begin(&table.backend, Isolation::ReadCommitted);
        let updated = table.heap.update(&txn, tid, &mut bytes, options, LockWait::Block).expect("updated");
        assert_eq!(updated.result, TmResult::Ok);
        tid = updated.tid;
        txn.commit().expect("committed")
    });
}

/// A row fetched through an index's entry: pinned, looked at, copied.
#[divan::bench]
fn heap_fetch(bencher: Bencher<'_, '_>) {
    let table = table();
    let tid = inserted(&table);
    let txn = table.engine.txns().begin(&table.backend, Isolation::ReadCommitted);
    let snapshot = txn.statement_snapshot().expect("a snapshot");
    let mut buffer = FetchBuf::default();
    bencher.bench_local(|| table.heap.fetch_from_index(tid, &snapshot, &mut buffer).expect("read"));
}

/// Whether a snapshot sees a version that a committed transaction has made, its fate not yet looked up.
#[divan::bench]
fn visibility(bencher: Bencher<'_, '_>) {
    let table = table();
    let maker = table.engine.txns().begin(&table.backend, Isolation::ReadCommitted);
    let xmin = maker.xid().expect("a number");
    maker.commit().expect("committed");
    let txn = table.engine.txns().begin(&table.backend, Isolation::ReadCommitted);
    let snapshot = txn.statement_snapshot().expect("a snapshot");
    let stamps = Stamps { xmin, cmin: CommandId::FIRST, xmax: Xid::INVALID, cmax: CommandId::FIRST };
    bencher
        .bench_local(|| snapshot.sees(divan::black_box(&stamps), &mut ViewCache::default()).expect("known"));
}
