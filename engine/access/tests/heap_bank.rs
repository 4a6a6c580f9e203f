//! Transfers between accounts by several connections: every snapshot shows the same total, found by scanning and by
//! following chains; so does every crash. In the end the pool equals what the log makes.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{Dice, HOT, KEY, NODE, TABLE, all, begin, read, row, table, via_index};
use redoubt_access::{Engine, FetchBuf, Heap, InsertOptions, Tid, TmResult};
use redoubt_error::PgResult;
use redoubt_txn::{Isolation, LockWait, RowLockMode, Snapshot, Txn};

const ACCOUNTS: usize = 40;
const START: i64 = 1000;

struct Bank {
    engine: Arc<Engine>,
    heap: Arc<Heap>,
    roots: Vec<Tid>,
}

enum Outcome {
    Done,
    Lost,
}

impl Bank {
    /// Moves money under READ COMMITTED: waits for the row, goes on with its latest version.
    fn add_latest(
        &self,
        txn: &Txn,
        snapshot: &Snapshot,
        account: usize,
        sum: i64,
        long: bool,
    ) -> PgResult<Outcome> {
        let mut buf = FetchBuf::default();
        let at = self.heap.fetch_from_index(self.roots[account], snapshot, &mut buf)?;
        let Some(tid) = at else { return Ok(Outcome::Lost) };
        let locked = self.heap.lock_latest(txn, tid, RowLockMode::NoKeyUpdate, LockWait::Block, &mut buf)?;
        assert_eq!(locked.result, TmResult::Ok, "nobody deletes accounts");
        self.write(txn, locked.tid, read(buf.tuple()), sum, long)
    }

    /// Moves money under REPEATABLE READ: gives up when somebody else has been there.
    fn add_seen(
        &self,
        txn: &Txn,
        snapshot: &Snapshot,
        account: usize,
        sum: i64,
        long: bool,
    ) -> PgResult<Outcome> {
        let mut buf = FetchBuf::default();
        let at = self.heap.fetch_from_index(self.roots[account], snapshot, &mut buf)?;
        let Some(tid) = at else { return Ok(Outcome::Lost) };
        self.write(txn, tid, read(buf.tuple()), sum, long)
    }

    fn write(
        &self,
        txn: &Txn,
        tid: Tid,
        (id, amount): (i64, i64),
        sum: i64,
        long: bool,
    ) -> PgResult<Outcome> {
        let note = if long { "n".repeat(120) } else { String::new() };
        let updated = self.heap.update(txn, tid, &mut row(id, amount + sum, &note), HOT, LockWait::Block)?;
        match updated.result {
            // Indexes would get an entry for a version on another page; here the chain must stay together, so
            // that roots find it.
            TmResult::Ok if updated.hot => Ok(Outcome::Done),
            TmResult::Ok | TmResult::Updated { .. } => Ok(Outcome::Lost),
            other => panic!("{other:?}"),
        }
    }

    fn transfer(&self, txn: &Txn, dice: &mut Dice) -> PgResult<Outcome> {
        let isolated = txn.isolation() == Isolation::RepeatableRead;
        let (from, to) = (dice.roll(ACCOUNTS as u64) as usize, dice.roll(ACCOUNTS as u64) as usize);
        let sum = dice.roll(50) as i64;
        for (account, sum) in [(from, -sum), (to, sum)] {
            let savepoint = dice.roll(4) == 0;
            if savepoint {
                txn.begin_sub()?;
            }
            let snapshot = txn.statement_snapshot()?;
            let long = dice.roll(3) == 0;
            let outcome = if isolated {
                self.add_seen(txn, &snapshot, account, sum, long)?
            } else {
                self.add_latest(txn, &snapshot, account, sum, long)?
            };
            txn.advance_command()?;
            if savepoint {
                txn.commit_sub();
            }
            if matches!(outcome, Outcome::Lost) {
                return Ok(Outcome::Lost);
            }
        }
        Ok(Outcome::Done)
    }

    fn check(&self, snapshot: &Snapshot) {
        let mut scanned: Vec<i64> = all(&self.heap, snapshot.clone()).iter().map(|&(_, id, _)| id).collect();
        let total: i64 = all(&self.heap, snapshot.clone()).iter().map(|&(_, _, amount)| amount).sum();
        scanned.sort_unstable();
        assert_eq!(scanned, (0..ACCOUNTS as i64).collect::<Vec<_>>(), "{snapshot:?}");
        assert_eq!(total, START * ACCOUNTS as i64, "{snapshot:?}");
        let by_chain: i64 = self
            .roots
            .iter()
            .map(|&root| via_index(&self.heap, root, snapshot).expect("each account is there").1)
            .sum();
        assert_eq!(by_chain, total, "{snapshot:?}");
    }
}

#[test]
fn the_total_never_changes() {
    let (engine, volume, heap) = table();
    let txn = begin(&engine);
    // Mostly empty pages, so that there is room for the versions that held snapshots keep.
    let sparse = InsertOptions { fillfactor: 10 };
    let new = |id: usize| heap.insert(&txn, &mut row(id as i64, START, &"n".repeat(120)), sparse).unwrap();
    let roots = (0..ACCOUNTS).map(new).collect();
    let opened = txn.commit().unwrap();
    let bank = Bank { engine: engine.clone(), heap, roots };
    let (running, done, lost) = (AtomicBool::new(true), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=4u64)
            .map(|seed| {
                let (bank, done, lost) = (&bank, &done, &lost);
                scope.spawn(move || {
                    let mut dice = Dice(seed * 0x1234_5677);
                    let backend = bank.engine.txns().connect(seed as i32);
                    backend.set_deadlock_timeout(Duration::from_millis(1));
                    for _ in 0..700 {
                        let isolation =
                            [Isolation::ReadCommitted, Isolation::RepeatableRead][dice.roll(2) as usize];
                        let txn = bank.engine.txns().begin(&backend, isolation);
                        match bank.transfer(&txn, &mut dice) {
                            Ok(Outcome::Done) if dice.roll(10) > 0 => {
                                txn.commit().unwrap();
                                done.fetch_add(1, Ordering::Relaxed);
                            }
                            Ok(_) => {
                                txn.abort();
                                lost.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                assert_eq!(error.code().as_str(), "40P01");
                                txn.abort();
                            }
                        }
                    }
                })
            })
            .collect();
        for seed in 0..2 {
            let (bank, running) = (&bank, &running);
            scope.spawn(move || {
                let backend = bank.engine.txns().connect(100 + seed);
                let txn = bank.engine.txns().begin(&backend, Isolation::ReadCommitted);
                let mut old = Vec::new();
                let mut dice = Dice(seed as u64 + 99);
                while running.load(Ordering::SeqCst) {
                    let snapshot = txn.statement_snapshot().unwrap();
                    bank.check(&snapshot);
                    old.push(snapshot);
                    // Old snapshots stay right, too.
                    bank.check(&old[dice.roll(old.len() as u64) as usize]);
                    if old.len() > 4 {
                        old.swap_remove(dice.roll(5) as usize);
                    }
                }
            });
        }
        let ended: Vec<_> = workers.into_iter().map(|thread| thread.join()).collect();
        running.store(false, Ordering::SeqCst);
        ended.into_iter().for_each(|result| result.unwrap());
    });
    // How many lose to others depends on how fast the machine is; that enough were done for the checks to
    // mean something does not.
    assert!(done.into_inner() > 100, "{lost:?} lost");
    volume.assert_pool_matches(engine.pool());
    assert!(engine.locks().list().is_empty() && engine.txns().row_locks().is_empty());

    let cpls = volume.cpls();
    let after = cpls.partition_point(|&cpl| cpl < opened);
    for &cpl in cpls[after..].iter().step_by(307).chain(cpls.last()) {
        let engine = Engine::open(Arc::new(volume.crashed_at(cpl)), 64, 0).unwrap();
        let heap = engine.heap(NODE, TABLE).unwrap();
        let bank = Bank { engine: engine.clone(), heap, roots: bank.roots.clone() };
        bank.check(&begin(&engine).statement_snapshot().unwrap());
        // Nothing of before the crash stands in anybody's way.
        let txn = begin(&engine);
        let snapshot = txn.statement_snapshot().unwrap();
        for &root in &bank.roots {
            let (tid, amount) = via_index(&bank.heap, root, &snapshot).unwrap();
            let id = all(&bank.heap, snapshot.clone()).iter().find(|row| row.0 == tid).unwrap().1;
            let changed =
                bank.heap.update(&txn, tid, &mut row(id, amount, ""), KEY, LockWait::NoWait).unwrap();
            assert_eq!(changed.result, TmResult::Ok);
        }
        txn.commit().unwrap();
    }
}
