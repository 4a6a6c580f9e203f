//! Vacuum with everything else going on: rows are found through indexes and by scanning alike, at any snapshot and
//! after any crash; what is gone makes room.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Dice, HOT, KEY, NODE, TABLE, all, begin, insert, read, row};
use redoubt_access::{
    AccessMethod, BTree, BTreeScan, Direction, Engine, FetchBuf, Heap, InsertOptions, KeyRange, Tid,
    TmResult, UpdateOptions, VacuumOptions, VacuumStats,
};
use redoubt_buffer::{MemVolume, RelNode};
use redoubt_error::PgResult;
use redoubt_txn::{Isolation, LockWait, Snapshot, Txn, Xid};

const BY_ID: RelNode = RelNode(20_001);
const BY_AMOUNT: RelNode = RelNode(20_002);

/// A table with two indexes.
struct Table {
    engine: Arc<Engine>,
    heap: Arc<Heap>,
    by_id: Arc<BTree>,
    by_amount: Arc<BTree>,
}

fn key(number: i64) -> Vec<u8> {
    (number as u64 ^ 1 << 63).to_be_bytes().to_vec()
}

impl Table {
    fn create() -> (Self, MemVolume) {
        let (engine, volume) = Engine::in_memory().unwrap();
        engine.create_heap(NODE, TABLE, Xid::INVALID).unwrap();
        engine.create_btree(BY_ID, Xid::INVALID).unwrap();
        engine.create_btree(BY_AMOUNT, Xid::INVALID).unwrap();
        (Self::open(engine), volume)
    }

    fn open(engine: Arc<Engine>) -> Self {
        let heap = engine.heap(NODE, TABLE).unwrap();
        let (by_id, by_amount) = (engine.btree(BY_ID).unwrap(), engine.btree(BY_AMOUNT).unwrap());
        Self { engine, heap, by_id, by_amount }
    }

    fn index(&self, tid: Tid, id: i64, amount: i64) -> PgResult<()> {
        self.by_id.insert(&key(id), tid, b"")?;
        self.by_amount.insert(&key(amount), tid, b"")
    }

    fn put(&self, txn: &Txn, id: i64, amount: i64) {
        let tid = insert(&self.heap, txn, id, amount);
        self.index(tid, id, amount).unwrap();
    }

    fn update(
        &self,
        txn: &Txn,
        tid: Tid,
        id: i64,
        amount: i64,
        options: UpdateOptions,
    ) -> PgResult<TmResult> {
        let note = "n".repeat((amount % 90) as usize);
        let updated = self.heap.update(txn, tid, &mut row(id, amount, &note), options, LockWait::Block)?;
        if updated.result == TmResult::Ok && !updated.hot {
            self.index(updated.tid, id, amount)?;
        }
        Ok(updated.result)
    }

    fn vacuum(&self) -> VacuumStats {
        let backend = self.engine.txns().connect(9);
        let options = VacuumOptions { max_dead_rows: 50, ..VacuumOptions::default() };
        let indexes: [Arc<dyn AccessMethod>; 2] = [self.by_id.clone(), self.by_amount.clone()];
        let stats = self.heap.vacuum(&backend, &indexes, options).unwrap();
        self.engine.txns().disconnect(&backend);
        stats
    }

    /// Rows as an index shows them: id and amount.
    fn via(&self, index: &Arc<BTree>, snapshot: &Snapshot, direction: Direction) -> Vec<(i64, i64)> {
        let mut scan = BTreeScan::new(index.clone(), KeyRange::all());
        let (mut buf, mut rows) = (FetchBuf::default(), Vec::new());
        while let Some(entry) = scan.next(direction).unwrap() {
            let (root, entry_key) = (entry.tid, entry.key.to_vec());
            if self.heap.fetch_from_index(root, snapshot, &mut buf).unwrap().is_some() {
                let (id, amount) = read(buf.tuple());
                let column = if Arc::ptr_eq(index, &self.by_id) { id } else { amount };
                assert_eq!(entry_key, key(column), "an entry leads to a row with its key");
                rows.push((id, amount));
            }
        }
        rows
    }

    fn check(&self, snapshot: &Snapshot) {
        let mut scanned: Vec<_> =
            all(&self.heap, snapshot.clone()).iter().map(|row| (row.1, row.2)).collect();
        scanned.sort_unstable();
        assert_eq!(self.via(&self.by_id, snapshot, Direction::Forward), scanned, "{snapshot:?}");
        let mut by_amount = self.via(&self.by_amount, snapshot, Direction::Backward);
        by_amount.sort_unstable();
        assert_eq!(by_amount, scanned, "{snapshot:?}");
        let mut buf = FetchBuf::default();
        for block in 0..self.heap.nblocks() {
            let flagged = self.heap.is_all_visible(block).unwrap();
            let tids = (1..200).map(|slot| Tid::new(block, slot));
            let rows: Vec<Tid> = tids.filter(|&tid| self.heap.fetch_any(tid, &mut buf).unwrap()).collect();
            let hidden = rows.iter().find(|&&tid| !self.heap.fetch(tid, snapshot, &mut buf).unwrap());
            if flagged && self.heap.is_all_visible(block).unwrap() {
                assert_eq!(
                    hidden, None,
                    "{snapshot:?} does not see all of a block that everybody sees all of"
                );
            }
        }
    }
}

#[test]
fn what_is_gone_makes_room() {
    let (table, volume) = Table::create();
    let txn = begin(&table.engine);
    (0..3000).for_each(|id| table.put(&txn, id, id * 2));
    txn.commit().unwrap();
    let blocks = table.heap.nblocks();
    let stats = table.vacuum();
    assert_eq!((stats.rows_left, stats.rows_removed, stats.pages_scanned), (3000, 0, blocks));
    assert_eq!(table.heap.all_visible_blocks().unwrap(), blocks);
    assert_eq!(table.vacuum().pages_scanned, 0, "nothing has changed since");

    let txn = begin(&table.engine);
    for (tid, id, _) in all(&table.heap, txn.statement_snapshot().unwrap()) {
        if id % 4 != 0 {
            assert_eq!(table.heap.delete(&txn, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
        }
    }
    let reader = begin(&table.engine);
    let held = reader.statement_snapshot().unwrap();
    txn.commit().unwrap();
    assert_eq!(table.heap.all_visible_blocks().unwrap(), 0);
    let stats = table.vacuum();
    assert_eq!((stats.rows_left, stats.rows_recently_dead, stats.rows_removed), (3000, 2250, 0));
    table.check(&held);
    drop(held);
    let stats = table.vacuum();
    assert_eq!((stats.rows_left, stats.rows_removed, stats.index_entries_removed), (750, 2250, 4500));
    assert!(stats.index_passes > 10, "the list of dead rows is kept short");
    let txn = begin(&table.engine);
    table.check(&txn.statement_snapshot().unwrap());
    (10_000..12_000).for_each(|id| table.put(&txn, id, id));
    txn.commit().unwrap();
    assert!(table.heap.nblocks() <= blocks + 1, "{} blocks after {blocks}", table.heap.nblocks());
    table.check(&begin(&table.engine).statement_snapshot().unwrap());
    volume.assert_pool_matches(table.engine.pool());
}

#[test]
fn an_empty_tail_goes_and_the_table_grows_again() {
    let (table, volume) = Table::create();
    let txn = begin(&table.engine);
    (0..2000).for_each(|id| table.put(&txn, id, id));
    txn.commit().unwrap();
    table.vacuum();
    let blocks = table.heap.nblocks();
    let txn = begin(&table.engine);
    for (tid, id, _) in all(&table.heap, txn.statement_snapshot().unwrap()) {
        if id >= 100 {
            table.heap.delete(&txn, tid, LockWait::NoWait).unwrap();
        }
    }
    txn.commit().unwrap();
    let stats = table.vacuum();
    assert!(stats.empty_tail_pages > blocks / 2, "{stats:?}");
    assert_eq!(table.heap.truncate_empty_tail().unwrap(), stats.empty_tail_pages);
    assert_eq!(table.heap.nblocks(), blocks - stats.empty_tail_pages);
    assert_eq!(table.heap.all_visible_blocks().unwrap(), table.heap.nblocks());
    let txn = begin(&table.engine);
    (5000..7000).for_each(|id| table.put(&txn, id, id));
    assert!(!table.heap.is_all_visible(table.heap.nblocks() - 1).unwrap());
    txn.commit().unwrap();
    table.check(&begin(&table.engine).statement_snapshot().unwrap());
    volume.assert_pool_matches(table.engine.pool());
}

#[test]
fn a_table_without_indexes_needs_one_pass() {
    let (engine, volume, heap) = common::table();
    let txn = begin(&engine);
    let tids: Vec<Tid> = (0..500).map(|id| insert(&heap, &txn, id, 0)).collect();
    txn.commit().unwrap();
    let txn = begin(&engine);
    for &tid in &tids {
        assert_eq!(heap.delete(&txn, tid, LockWait::NoWait).unwrap(), TmResult::Ok);
    }
    txn.commit().unwrap();
    let stats = heap.vacuum(&engine.txns().connect(1), &[], VacuumOptions::default()).unwrap();
    assert_eq!((stats.rows_left, stats.rows_removed, stats.index_passes), (0, 500, 0));
    assert_eq!(stats.empty_tail_pages, heap.nblocks());
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn free_space_is_known_to_the_next_writer() {
    let (table, volume) = Table::create();
    let txn = begin(&table.engine);
    (0..2000).for_each(|id| table.put(&txn, id, id));
    txn.commit().unwrap();
    let txn = begin(&table.engine);
    for (tid, id, _) in all(&table.heap, txn.statement_snapshot().unwrap()) {
        if id < 1500 {
            table.heap.delete(&txn, tid, LockWait::NoWait).unwrap();
        }
    }
    txn.commit().unwrap();
    table.vacuum();
    let engine = Engine::open(Arc::new(volume.crashed_at(volume_end(&volume))), 256, 0).unwrap();
    let next = Table::open(engine);
    let blocks = next.heap.nblocks();
    let txn = begin(&next.engine);
    let tid = next.heap.insert(&txn, &mut row(1, 1, ""), InsertOptions::default()).unwrap();
    assert!(tid.block < blocks / 2, "{tid} of {blocks} blocks");
}

fn volume_end(volume: &MemVolume) -> redoubt_buffer::Lsn {
    *volume.cpls().last().unwrap()
}

#[test]
fn vacuum_beside_everything_else() {
    const ROWS: i64 = 150;
    let (table, volume) = Table::create();
    let txn = begin(&table.engine);
    (0..ROWS).for_each(|id| table.put(&txn, id, 0));
    txn.commit().unwrap();
    let start = volume.last_lsn();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=3u64)
            .map(|seed| {
                let table = &table;
                scope.spawn(move || {
                    let mut dice = Dice(seed * 0x51ed);
                    let backend = table.engine.txns().connect(seed as i32);
                    backend.set_deadlock_timeout(Duration::from_millis(1));
                    for _ in 0..250 {
                        let txn = table.engine.txns().begin(&backend, Isolation::ReadCommitted);
                        match work(&txn, table, &mut dice) {
                            Ok(true) if dice.roll(5) > 0 => drop(txn.commit().unwrap()),
                            Ok(_) => txn.abort(),
                            Err(error) => {
                                assert_eq!(error.code().as_str(), "40P01");
                                txn.abort();
                            }
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while running.load(Ordering::SeqCst) {
                table.vacuum();
            }
        });
        scope.spawn(|| {
            let reader = begin(&table.engine);
            let mut old = reader.statement_snapshot().unwrap();
            let mut dice = Dice(4);
            while running.load(Ordering::SeqCst) {
                let snapshot = reader.statement_snapshot().unwrap();
                table.check(&snapshot);
                table.check(&old);
                if dice.roll(4) == 0 {
                    old = snapshot;
                }
            }
        });
        let ended: Vec<_> = workers.into_iter().map(|thread| thread.join()).collect();
        running.store(false, Ordering::SeqCst);
        ended.into_iter().for_each(|result| result.unwrap());
    });
    table.vacuum();
    table.by_id.check().unwrap();
    volume.assert_pool_matches(table.engine.pool());
    let end = begin(&table.engine).statement_snapshot().unwrap();
    table.check(&end);
    for cpl in volume.cpls().into_iter().filter(|&cpl| cpl > start).step_by(461) {
        let table = Table::open(Engine::open(Arc::new(volume.crashed_at(cpl)), 256, 0).unwrap());
        table.check(&begin(&table.engine).statement_snapshot().unwrap());
        table.vacuum();
        table.check(&begin(&table.engine).statement_snapshot().unwrap());
        let indexed = table.by_id.check().unwrap().len();
        assert_eq!(indexed, table.by_amount.check().unwrap().len());
    }

    fn work(txn: &Txn, table: &Table, dice: &mut Dice) -> PgResult<bool> {
        let snapshot = txn.statement_snapshot()?;
        let rows = all(&table.heap, snapshot.clone());
        for _ in 0..=dice.roll(4) {
            let (tid, id, amount) = rows[dice.roll(rows.len() as u64) as usize];
            let result = match dice.roll(6) {
                0 => {
                    table.put(txn, ROWS + dice.roll(1_000_000) as i64, amount);
                    table.heap.delete(txn, tid, LockWait::Block)?
                }
                1 | 2 => {
                    table.update(txn, tid, id, amount + 1, UpdateOptions { key_changed: false, ..KEY })?
                }
                _ => table.update(txn, tid, id, amount, HOT)?,
            };
            if result != TmResult::Ok {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
