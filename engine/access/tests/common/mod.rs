//! What the heap's tests share: a table of (id, amount, note), and reading it.
#![allow(dead_code)]

use std::sync::Arc;

use redoubt_access::{
    Direction, Engine, FetchBuf, Heap, HeapScan, InsertOptions, TableId, Tid, TupleRef, UpdateOptions,
    deform, form_tuple,
};
use redoubt_buffer::{MemVolume, RelNode};
use redoubt_functions::{Attribute, Datum, TupleDesc, types};
use redoubt_txn::{Isolation, Snapshot, Txn, Xid};

pub const TABLE: TableId = TableId { database: 5, relation: 16_384 };
pub const NODE: RelNode = RelNode(20_000);

/// An update that leaves keys and indexes alone.
pub const HOT: UpdateOptions =
    UpdateOptions { key_changed: false, indexed_changed: false, insert: InsertOptions { fillfactor: 100 } };
/// An update that changes a key.
pub const KEY: UpdateOptions = UpdateOptions { key_changed: true, indexed_changed: true, ..HOT };

pub fn desc() -> TupleDesc {
    TupleDesc::new(vec![
        Attribute::new("id", types::INT8),
        Attribute::new("amount", types::INT8),
        Attribute::new("note", types::TEXT),
    ])
}

pub fn row(id: i64, amount: i64, note: &str) -> Vec<u8> {
    let mut out = Vec::new();
    form_tuple(&desc(), &[Datum::Int8(id), Datum::Int8(amount), Datum::text(note)], &mut out).unwrap();
    out
}

pub fn read(tuple: TupleRef<'_>) -> (i64, i64) {
    let mut values = Vec::new();
    deform(tuple, &desc(), 2, &mut values).unwrap();
    (values[0].as_int8().unwrap(), values[1].as_int8().unwrap())
}

pub fn begin(engine: &Engine) -> Txn {
    engine.txns().begin(&engine.txns().connect(1), Isolation::ReadCommitted)
}

pub fn all(heap: &Arc<Heap>, snapshot: Snapshot) -> Vec<(Tid, i64, i64)> {
    let mut scan = HeapScan::new(heap.clone(), snapshot);
    let mut rows = Vec::new();
    while let Some((tid, tuple)) = scan.next(Direction::Forward).unwrap() {
        let (id, amount) = read(tuple);
        rows.push((tid, id, amount));
    }
    rows
}

pub fn table() -> (Arc<Engine>, MemVolume, Arc<Heap>) {
    let (engine, volume) = Engine::in_memory().unwrap();
    let heap = engine.create_heap(NODE, TABLE, Xid::INVALID).unwrap();
    (engine, volume, heap)
}

pub fn insert(heap: &Heap, txn: &Txn, id: i64, amount: i64) -> Tid {
    heap.insert(txn, &mut row(id, amount, ""), InsertOptions::default()).unwrap()
}

/// What the snapshot shows of the row that an index entry for `root` leads to.
pub fn via_index(heap: &Heap, root: Tid, snapshot: &Snapshot) -> Option<(Tid, i64)> {
    let mut buf = FetchBuf::default();
    let tid = heap.fetch_from_index(root, snapshot, &mut buf).unwrap()?;
    Some((tid, read(buf.tuple()).1))
}

/// A small generator, so that runs repeat.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}
