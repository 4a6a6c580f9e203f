//! Micro-benchmark: pgbench's transactions on the bare page engine, over a volume in memory.
//!
//! `cargo run --release -p redoubt-access --example tpcb [threads] [seconds]`

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redoubt_access::{
    BTree, BTreeScan, BulkBuilder, Direction, Engine, FetchBuf, Heap, HeapScan, InsertOptions, KeyRange,
    TableId, TmResult, UpdateOptions, deform, form_tuple,
};
use redoubt_buffer::RelNode;
use redoubt_error::PgResult;
use redoubt_functions::{Attribute, Datum, TupleDesc, types};
use redoubt_txn::{Isolation, LockMode, LockTag, LockWait, RowLockMode, Txn, Xid};

const ACCOUNTS: u64 = 100_000;

struct Table {
    heap: Arc<Heap>,
    index: Option<Arc<BTree>>,
    desc: TupleDesc,
    oid: u32,
}

fn key(id: i32) -> [u8; 5] {
    let [a, b, c, d] = (id as u32 ^ 0x8000_0000).to_be_bytes();
    [1, a, b, c, d]
}

impl Table {
    fn create(engine: &Engine, oid: u32, rows: u64, filler: usize, indexed: bool) -> PgResult<Self> {
        let desc = TupleDesc::new(vec![
            Attribute::new("id", types::INT4),
            Attribute::new("balance", types::INT4),
            Attribute::new("filler", types::TEXT),
        ]);
        let heap = engine.create_heap(RelNode(oid), TableId { database: 5, relation: oid }, Xid::INVALID)?;
        let backend = engine.txns().connect(1);
        let txn = engine.txns().begin(&backend, Isolation::ReadCommitted);
        let mut tids = Vec::new();
        for chunk in (0..rows).collect::<Vec<_>>().chunks(1000) {
            let mut tuples = Vec::new();
            for &id in chunk {
                let mut tuple = Vec::new();
                let values = [Datum::Int4(id as i32), Datum::Int4(0), Datum::text(" ".repeat(filler))];
                form_tuple(&desc, &values, &mut tuple)?;
                tuples.push(tuple);
            }
            heap.multi_insert(&txn, &mut tuples, InsertOptions::default(), &mut tids)?;
        }
        let mut index = None;
        if indexed {
            let tree = engine.create_btree(RelNode(oid + 1), Xid::INVALID)?;
            let mut builder = BulkBuilder::new(tree.clone(), None)?;
            for (id, &tid) in tids.iter().enumerate() {
                builder.add(&key(id as i32), tid, b"")?;
            }
            builder.finish()?;
            index = Some(tree);
        }
        txn.commit()?;
        Ok(Self { heap, index, desc, oid })
    }

    fn lock(&self, txn: &Txn, mode: LockMode) -> PgResult<()> {
        for relation in [self.oid, self.oid + 1] {
            txn.lock(LockTag::Relation { database: 5, relation }, mode, LockWait::Block)?;
        }
        Ok(())
    }

    /// SELECT balance WHERE id = ...
    fn select(&self, txn: &Txn, id: i32, scratch: &mut Scratch) -> PgResult<i32> {
        self.lock(txn, LockMode::AccessShare)?;
        let snapshot = txn.statement_snapshot()?;
        let range = KeyRange::new(Bound::Included(&key(id)), Bound::Included(&key(id)));
        let mut scan = BTreeScan::new(self.index.clone().expect("an indexed table"), range);
        while let Some(entry) = scan.next(Direction::Forward)? {
            if self.heap.fetch_from_index(entry.tid, &snapshot, &mut scratch.buf)?.is_some() {
                scratch.values.clear();
                deform(scratch.buf.tuple(), &self.desc, 2, &mut scratch.values)?;
                return scratch.values[1].as_int4();
            }
        }
        panic!("row {id} is there");
    }

    /// UPDATE SET balance = balance + delta WHERE id = ...
    fn update(&self, txn: &Txn, id: i32, delta: i32, scratch: &mut Scratch) -> PgResult<()> {
        self.lock(txn, LockMode::RowExclusive)?;
        let snapshot = txn.statement_snapshot()?;
        let mut scan =
            BTreeScan::new(self.index.clone().expect("an indexed table"), KeyRange::prefix(&key(id)));
        let mut found = None;
        while let Some(entry) = scan.next(Direction::Forward)? {
            found = self.heap.fetch_from_index(entry.tid, &snapshot, &mut scratch.buf)?;
            if found.is_some() {
                break;
            }
        }
        let mut tid = found.expect("the row is there");
        let options = UpdateOptions {
            key_changed: false,
            indexed_changed: false,
            insert: InsertOptions { fillfactor: 100 },
        };
        loop {
            scratch.values.clear();
            deform(scratch.buf.tuple(), &self.desc, 3, &mut scratch.values)?;
            let balance = scratch.values[1].as_int4()? + delta;
            scratch.values[1] = Datum::Int4(balance);
            form_tuple(&self.desc, &scratch.values, &mut scratch.row)?;
            let updated = self.heap.update(txn, tid, &mut scratch.row, options, LockWait::Block)?;
            match updated.result {
                TmResult::Ok => {
                    if !updated.hot {
                        self.index.as_ref().expect("indexed").insert(&key(id), updated.tid, b"")?;
                    }
                    break;
                }
                TmResult::Updated { .. } => {
                    let mode = RowLockMode::NoKeyUpdate;
                    tid = self.heap.lock_latest(txn, tid, mode, LockWait::Block, &mut scratch.buf)?.tid;
                }
                other => panic!("{other:?}"),
            }
        }
        txn.advance_command()
    }
}

#[derive(Default)]
struct Scratch {
    buf: FetchBuf,
    values: Vec<Datum>,
    row: Vec<u8>,
}

struct Bank {
    engine: Arc<Engine>,
    accounts: Table,
    tellers: Table,
    branches: Table,
    history: Table,
}

impl Bank {
    fn tpcb(&self, txn: &Txn, roll: u64, scratch: &mut Scratch) -> PgResult<()> {
        let (account, teller) = ((roll % ACCOUNTS) as i32, (roll >> 32) as i32 & 7);
        self.accounts.update(txn, account, 1, scratch)?;
        self.accounts.select(txn, account, scratch)?;
        self.tellers.update(txn, teller, 1, scratch)?;
        self.branches.update(txn, 0, 1, scratch)?;
        self.history.lock(txn, LockMode::RowExclusive)?;
        let values = [Datum::Int4(account), Datum::Int4(1), Datum::text("")];
        form_tuple(&self.history.desc, &values, &mut scratch.row)?;
        self.history.heap.insert(txn, &mut scratch.row, InsertOptions::default())?;
        Ok(())
    }

    fn run(&self, what: &str, threads: usize, time: Duration) {
        let count = AtomicU64::new(0);
        let start = Instant::now();
        thread::scope(|scope| {
            for seed in 0..threads {
                let count = &count;
                scope.spawn(move || {
                    let mut dice = seed as u64 + 0x9e37_79b9_7f4a_7c15;
                    let backend = self.engine.txns().connect(seed as i32);
                    let mut scratch = Scratch::default();
                    while start.elapsed() < time {
                        dice ^= dice << 13;
                        dice ^= dice >> 7;
                        dice ^= dice << 17;
                        let txn = self.engine.txns().begin(&backend, Isolation::ReadCommitted);
                        if what == "select" {
                            self.accounts.select(&txn, (dice % ACCOUNTS) as i32, &mut scratch).unwrap();
                        } else {
                            self.tpcb(&txn, dice, &mut scratch).unwrap();
                        }
                        txn.commit().unwrap();
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let (count, elapsed) = (count.into_inner(), start.elapsed());
        let micros = elapsed.as_secs_f64() * 1e6 * threads as f64 / count as f64;
        println!(
            "{what}: {:.0} per second, {micros:.2} us each, {threads} threads",
            count as f64 / elapsed.as_secs_f64()
        );
    }

    fn scan(&self) {
        for round in 0..3 {
            let txn = self.engine.txns().begin(&self.engine.txns().connect(99), Isolation::ReadCommitted);
            let start = Instant::now();
            let mut scan = HeapScan::new(self.accounts.heap.clone(), txn.statement_snapshot().unwrap());
            let (mut rows, mut sum, mut values) = (0u64, 0i64, Vec::new());
            while let Some((_, tuple)) = scan.next(Direction::Forward).unwrap() {
                rows += 1;
                if round > 0 {
                    values.clear();
                    deform(tuple, &self.accounts.desc, round, &mut values).unwrap();
                    sum += i64::from(values[0].as_int4().unwrap());
                }
            }
            let nanos = start.elapsed().as_nanos() as f64 / rows as f64;
            println!("scan, {round} columns: {rows} rows, {nanos:.1} ns each ({sum})");
        }
    }
}

fn main() -> PgResult<()> {
    let mut args = std::env::args().skip(1);
    let threads = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(1);
    let seconds = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(2);
    let volume = redoubt_buffer::MemVolume::new();
    let engine = Engine::open(Arc::new(volume.clone()), 16_384, 1)?;
    let start = Instant::now();
    let accounts = Table::create(&engine, 20_000, ACCOUNTS, 84, true)?;
    println!("load: {:.0} rows per second", ACCOUNTS as f64 / start.elapsed().as_secs_f64());
    let bank = Bank {
        accounts,
        tellers: Table::create(&engine, 21_000, 10, 84, true)?,
        branches: Table::create(&engine, 22_000, 1, 84, true)?,
        history: Table::create(&engine, 23_000, 0, 0, false)?,
        engine: engine.clone(),
    };
    bank.scan();
    let time = Duration::from_secs(seconds);
    bank.run("select", threads, time);
    let before = volume.log_bytes();
    let mtrs = engine.pool().stats().mtrs;
    let xids = engine.txns().next_xid().get();
    bank.run("tpcb", threads, time);
    let transactions = engine.txns().next_xid().get() - xids;
    println!(
        "redo: {:.0} bytes and {:.1} mini-transactions per transaction",
        (volume.log_bytes() - before) as f64 / transactions as f64,
        (engine.pool().stats().mtrs - mtrs) as f64 / transactions as f64
    );
    bank.scan();
    Ok(())
}
