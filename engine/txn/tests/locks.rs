//! Heavyweight locks and row locks: who gets what, who waits, who is told that nobody can.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use redoubt_buffer::{BufferPool, MemVolume, RelNode, Space};
use redoubt_error::PgResult;
use redoubt_txn::{
    Backend, Interrupt, Isolation, LockLife, LockMode, LockOutcome, LockTag, LockWait, RowKey, RowLockMode,
    Txn, TxnManager,
};

fn open(volume: &MemVolume) -> TxnManager {
    let pool = BufferPool::new(Arc::new(volume.clone()), 256);
    TxnManager::open(Arc::new(Space::create(&pool, 1).unwrap())).unwrap()
}

fn begin(txns: &TxnManager, pid: i32) -> Txn {
    let backend = txns.connect(pid);
    backend.set_deadlock_timeout(Duration::from_millis(20));
    txns.begin(&backend, Isolation::ReadCommitted)
}

fn table(relation: u32) -> LockTag {
    LockTag::Relation { database: 1, relation }
}

fn lock(txn: &Txn, tag: LockTag, mode: LockMode) -> PgResult<LockOutcome> {
    txn.lock(tag, mode, LockWait::Block)
}

fn try_lock(txn: &Txn, tag: LockTag, mode: LockMode) -> bool {
    txn.lock(tag, mode, LockWait::NoWait).unwrap() != LockOutcome::NotAvailable
}

/// Returns once `backend` waits for a lock.
fn until_waiting(txns: &TxnManager, backend: &Backend) {
    while txns.locks().blockers(backend).is_empty() {
        thread::yield_now();
    }
}

#[test]
fn conflicting_modes_exclude_each_other() {
    for held in LockMode::ALL {
        for wanted in LockMode::ALL {
            let txns = open(&MemVolume::new());
            let (a, b) = (begin(&txns, 1), begin(&txns, 2));
            assert_eq!(lock(&a, table(5), held).unwrap(), LockOutcome::Acquired);
            assert_eq!(lock(&a, table(5), held).unwrap(), LockOutcome::AlreadyHeld);
            assert_eq!(try_lock(&b, table(5), wanted), !held.conflicts_with(wanted), "{held:?} {wanted:?}");
            assert!(try_lock(&a, table(6), LockMode::AccessExclusive));
            a.abort();
            assert!(try_lock(&b, table(5), wanted));
            b.abort();
            assert!(txns.locks().list().is_empty());
        }
    }
}

#[test]
fn locks_end_with_their_subtransaction() {
    let txns = open(&MemVolume::new());
    let (a, b) = (begin(&txns, 1), begin(&txns, 2));
    lock(&a, table(1), LockMode::Share).unwrap();
    a.begin_sub().unwrap();
    lock(&a, table(2), LockMode::AccessExclusive).unwrap();
    a.begin_sub().unwrap();
    lock(&a, table(1), LockMode::AccessExclusive).unwrap();
    lock(&a, table(3), LockMode::RowExclusive).unwrap();
    a.commit_sub();
    assert!(!try_lock(&b, table(3), LockMode::Share), "its parent has it");
    a.abort_sub();
    assert!(try_lock(&b, table(3), LockMode::Share));
    assert!(try_lock(&b, table(2), LockMode::Share));
    assert!(try_lock(&b, table(1), LockMode::Share));
    assert!(!try_lock(&b, table(1), LockMode::RowExclusive), "the outer lock stays");
    a.abort();
    assert!(try_lock(&b, table(1), LockMode::RowExclusive));
}

#[test]
fn session_locks_outlive_transactions_and_are_counted() {
    let txns = open(&MemVolume::new());
    let (a, b) = (begin(&txns, 1), begin(&txns, 2));
    let tag = LockTag::Advisory { database: 1, key1: 0, key2: 7, kind: 1 };
    let mode = LockMode::Exclusive;
    for _ in 0..2 {
        txns.locks().acquire(a.backend(), tag, mode, LockLife::Session, LockWait::Block).unwrap();
    }
    lock(&a, tag, mode).unwrap();
    assert!(txns.locks().release_one(a.backend(), tag, mode));
    a.commit().unwrap();
    assert!(!try_lock(&b, tag, mode));
    assert!(txns.locks().release_one(a.backend(), tag, mode));
    assert!(!txns.locks().release_one(a.backend(), tag, mode));
    assert!(try_lock(&b, tag, mode));
}

#[test]
fn waiters_are_served_in_order() {
    let txns = open(&MemVolume::new());
    let holder = begin(&txns, 1);
    lock(&holder, table(1), LockMode::RowExclusive).unwrap();
    let order = AtomicU64::new(0);
    let (strong, weak) = (begin(&txns, 2), begin(&txns, 3));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            lock(&strong, table(1), LockMode::AccessExclusive).unwrap();
            let place = order.fetch_add(1, Ordering::SeqCst);
            strong.abort();
            place
        });
        until_waiting(&txns, strong.backend());
        // Compatible with the holder, but not with the one who was first.
        let second = scope.spawn(|| {
            lock(&weak, table(1), LockMode::AccessShare).unwrap();
            order.fetch_add(1, Ordering::SeqCst)
        });
        until_waiting(&txns, weak.backend());
        assert_eq!(txns.locks().list().iter().filter(|lock| !lock.granted).count(), 2);
        // Whoever has a lock already goes ahead of those that wait for it.
        assert!(try_lock(&holder, table(1), LockMode::AccessShare));
        holder.commit().unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (0, 1));
    });
}

#[test]
fn timeouts_and_interrupts_end_a_wait() {
    let txns = open(&MemVolume::new());
    let holder = begin(&txns, 1);
    lock(&holder, table(1), LockMode::AccessExclusive).unwrap();
    let waiter = begin(&txns, 2);
    waiter.backend().set_lock_timeout(Duration::from_millis(1));
    let error = lock(&waiter, table(1), LockMode::AccessShare).unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.message()),
        ("55P03", "canceling statement due to lock timeout")
    );
    waiter.backend().set_lock_timeout(Duration::ZERO);
    let xid = holder.xid().unwrap();
    thread::scope(|scope| {
        for waits_for_row in [false, true] {
            let (txn, waits_for_row) = (&waiter, waits_for_row);
            let waiting = scope.spawn(move || {
                if waits_for_row { txn.wait_for(xid) } else { lock(txn, table(1), LockMode::Share).map(drop) }
            });
            until_waiting(&txns, waiter.backend());
            waiter.backend().interrupts().raise(Interrupt::Cancel);
            assert_eq!(waiting.join().unwrap().unwrap_err().code().as_str(), "57014");
        }
    });
    holder.abort();
    assert!(try_lock(&waiter, table(1), LockMode::AccessExclusive));
    waiter.abort();
    assert!(txns.locks().list().is_empty(), "{:?}", txns.locks().list());
}

#[test]
fn a_deadlock_ends_one_of_its_members() {
    let txns = open(&MemVolume::new());
    let (a, b) = (begin(&txns, 11), begin(&txns, 22));
    lock(&a, table(1), LockMode::AccessExclusive).unwrap();
    lock(&b, table(2), LockMode::AccessExclusive).unwrap();
    a.backend().set_deadlock_timeout(Duration::from_secs(100));
    thread::scope(|scope| {
        let patient = scope.spawn(|| lock(&a, table(2), LockMode::RowExclusive));
        until_waiting(&txns, a.backend());
        let error = lock(&b, table(1), LockMode::Share).unwrap_err();
        assert_eq!((error.code().as_str(), error.message()), ("40P01", "deadlock detected"));
        assert_eq!(
            error.fields().detail.as_deref(),
            Some(
                "Process 22 waits for ShareLock on relation 1 of database 1; blocked by process 11.\n\
                 Process 11 waits for RowExclusiveLock on relation 2 of database 1; blocked by process 22."
            )
        );
        b.abort();
        assert_eq!(patient.join().unwrap().unwrap(), LockOutcome::Acquired);
    });
}

#[test]
fn a_deadlock_over_rows_and_tables() {
    let txns = open(&MemVolume::new());
    let (a, b) = (begin(&txns, 11), begin(&txns, 22));
    let (xid_a, _) = (a.xid().unwrap(), b.xid().unwrap());
    lock(&b, table(2), LockMode::AccessExclusive).unwrap();
    a.backend().set_deadlock_timeout(Duration::from_secs(100));
    thread::scope(|scope| {
        let patient = scope.spawn(|| lock(&a, table(2), LockMode::RowExclusive));
        until_waiting(&txns, a.backend());
        let error = b.wait_for(xid_a).unwrap_err();
        let detail = error.fields().detail.clone().unwrap();
        assert!(detail.starts_with(&format!(
            "Process 22 waits for ShareLock on transaction {xid_a}; blocked by process 11.\n"
        )));
        b.abort();
        patient.join().unwrap().unwrap();
        // A wait for somebody who has ended is no wait.
        a.wait_for(redoubt_txn::Xid::new(xid_a.get() + 1)).unwrap();
    });
}

/// PostgreSQL's isolation test `deadlock-soft`: the queue's order alone makes the cycle.
#[test]
fn a_soft_deadlock_is_resolved_by_reordering() {
    let txns = open(&MemVolume::new());
    let [d1, d2, e1, e2] = [1, 2, 3, 4].map(|pid| begin(&txns, pid));
    for txn in [&d1, &e1, &e2] {
        txn.backend().set_deadlock_timeout(Duration::from_secs(100));
    }
    lock(&d1, table(1), LockMode::AccessShare).unwrap();
    lock(&d2, table(2), LockMode::AccessShare).unwrap();
    thread::scope(|scope| {
        let e1_waits = scope.spawn(|| lock(&e1, table(1), LockMode::AccessExclusive));
        until_waiting(&txns, e1.backend());
        let e2_waits = scope.spawn(|| lock(&e2, table(2), LockMode::AccessExclusive));
        until_waiting(&txns, e2.backend());
        let d1_waits = scope.spawn(|| lock(&d1, table(2), LockMode::AccessShare));
        until_waiting(&txns, d1.backend());
        // d2 waits for e1 (ahead of it), e1 for d1, d1 for e2 (ahead of it), e2 for d2: d1 goes first, though d2 looks.
        let d2_waits = scope.spawn(|| lock(&d2, table(1), LockMode::AccessShare));
        d1_waits.join().unwrap().unwrap();
        d1.commit().unwrap();
        e1_waits.join().unwrap().unwrap();
        e1.commit().unwrap();
        d2_waits.join().unwrap().unwrap();
        d2.commit().unwrap();
        e2_waits.join().unwrap().unwrap();
    });
}

/// PostgreSQL's isolation test `deadlock-soft-2`: one waiter has to overtake two.
#[test]
fn a_soft_deadlock_that_takes_two_reversals() {
    let txns = open(&MemVolume::new());
    let [s1, s2, s3, s4] = [1, 2, 3, 4].map(|pid| begin(&txns, pid));
    for txn in [&s2, &s3, &s4] {
        txn.backend().set_deadlock_timeout(Duration::from_secs(100));
    }
    lock(&s1, table(1), LockMode::ShareUpdateExclusive).unwrap();
    lock(&s2, table(2), LockMode::AccessShare).unwrap();
    thread::scope(|scope| {
        let s2_waits = scope.spawn(|| lock(&s2, table(1), LockMode::ShareUpdateExclusive));
        until_waiting(&txns, s2.backend());
        let s3_waits = scope.spawn(|| lock(&s3, table(2), LockMode::AccessExclusive));
        until_waiting(&txns, s3.backend());
        let s4_waits = scope.spawn(|| lock(&s4, table(2), LockMode::AccessExclusive));
        until_waiting(&txns, s4.backend());
        lock(&s1, table(2), LockMode::ShareUpdateExclusive).unwrap();
        s1.commit().unwrap();
        s2_waits.join().unwrap().unwrap();
        s2.commit().unwrap();
        s3_waits.join().unwrap().unwrap();
        s3.commit().unwrap();
        s4_waits.join().unwrap().unwrap();
    });
}

/// The last to wait closes two cycles, and only one of them goes away when a queue is reordered.
#[test]
fn a_hard_deadlock_behind_a_soft_one() {
    let txns = open(&MemVolume::new());
    let [last, soft, ahead, hard] = [1, 2, 3, 4].map(|pid| begin(&txns, pid));
    for txn in [&soft, &ahead, &hard] {
        txn.backend().set_deadlock_timeout(Duration::from_secs(100));
    }
    lock(&soft, table(1), LockMode::AccessShare).unwrap();
    lock(&hard, table(1), LockMode::AccessShare).unwrap();
    lock(&last, table(2), LockMode::AccessShare).unwrap();
    lock(&last, table(3), LockMode::AccessExclusive).unwrap();
    thread::scope(|scope| {
        let ahead_waits = scope.spawn(|| lock(&ahead, table(2), LockMode::AccessExclusive));
        until_waiting(&txns, ahead.backend());
        let soft_waits = scope.spawn(|| lock(&soft, table(2), LockMode::AccessShare));
        until_waiting(&txns, soft.backend());
        let hard_waits = scope.spawn(|| lock(&hard, table(3), LockMode::AccessShare));
        until_waiting(&txns, hard.backend());
        // last -> soft -> (queued behind) ahead -> last, and last -> hard -> last.
        let error = lock(&last, table(1), LockMode::AccessExclusive).unwrap_err();
        assert_eq!(error.code().as_str(), "40P01");
        last.abort();
        hard_waits.join().unwrap().unwrap();
        ahead_waits.join().unwrap().unwrap();
        ahead.commit().unwrap();
        soft_waits.join().unwrap().unwrap();
    });
}

#[test]
fn a_lock_brings_the_commit_that_released_it() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let (a, b, c) = (begin(&txns, 1), begin(&txns, 2), begin(&txns, 3));
    a.xid().unwrap();
    lock(&a, table(1), LockMode::AccessExclusive).unwrap();
    lock(&a, table(2), LockMode::RowExclusive).unwrap();
    volume.hold();
    let lsn = a.commit().unwrap();
    lock(&b, table(3), LockMode::AccessShare).unwrap();
    assert!(b.backend().dependency() < lsn);
    lock(&b, table(1), LockMode::AccessShare).unwrap();
    assert_eq!(b.backend().dependency(), lsn, "after a strong lock");
    lock(&c, table(2), LockMode::Share).unwrap();
    assert_eq!(c.backend().dependency(), lsn, "a strong lock after a weak one");
}

#[test]
fn rows_are_locked_by_mode_and_followed_to_their_successors() {
    let txns = open(&MemVolume::new());
    let (a, b, c) = (begin(&txns, 1), begin(&txns, 2), begin(&txns, 3));
    let [xid_a, xid_b, xid_c] = [&a, &b, &c].map(|txn| txn.xid().unwrap());
    let rows = txns.row_locks();
    let key = |slot| RowKey { node: RelNode(1), block: 0, slot };
    assert!(rows.try_lock(&a, xid_a, key(1), RowLockMode::KeyShare).is_empty());
    assert!(rows.try_lock(&b, xid_b, key(1), RowLockMode::Share).is_empty());
    assert_eq!(rows.try_lock(&c, xid_c, key(1), RowLockMode::NoKeyUpdate), [xid_b]);
    assert_eq!(rows.in_the_way(&c, key(1), RowLockMode::Update), [xid_a, xid_b]);
    b.abort();
    assert!(rows.in_the_way(&c, key(1), RowLockMode::NoKeyUpdate).is_empty());
    rows.carry_over(&c, key(1), key(2));
    assert_eq!(rows.in_the_way(&c, key(2), RowLockMode::Update), [xid_a]);
    assert_eq!(rows.held_by(&a, key(2)), Some(RowLockMode::KeyShare));
    a.begin_sub().unwrap();
    let sub = a.xid().unwrap();
    assert!(rows.try_lock(&a, sub, key(3), RowLockMode::Update).is_empty());
    assert_eq!(rows.try_lock(&c, xid_c, key(3), RowLockMode::KeyShare), [sub]);
    a.abort_sub();
    assert!(rows.try_lock(&c, xid_c, key(3), RowLockMode::KeyShare).is_empty());
    a.commit().unwrap();
    c.commit().unwrap();
    assert!(rows.is_empty());
}

/// Threads that lock tables at random, in any order: at no time do two conflict, and everybody finishes or is told
/// of a deadlock.
#[test]
fn random_locking_never_grants_conflicting_modes() {
    const TABLES: u64 = 4;
    let txns = open(&MemVolume::new());
    let holders: Vec<[AtomicU64; 9]> = (0..TABLES).map(|_| Default::default()).collect();
    thread::scope(|scope| {
        for seed in 1..=6u64 {
            let (txns, holders) = (&txns, &holders);
            scope.spawn(move || {
                let mut dice = seed * 0x9e37_79b9;
                let mut roll = move |sides: u64| {
                    dice ^= dice << 13;
                    dice ^= dice >> 7;
                    dice ^= dice << 17;
                    dice % sides
                };
                let backend = txns.connect(seed as i32);
                backend.set_deadlock_timeout(Duration::from_millis(2));
                for _ in 0..400 {
                    let txn = txns.begin(&backend, Isolation::ReadCommitted);
                    let mut held = Vec::new();
                    for _ in 0..=roll(3) {
                        let (place, mode) = (roll(TABLES), LockMode::ALL[roll(8) as usize]);
                        match lock(&txn, table(place as u32), mode) {
                            Ok(LockOutcome::AlreadyHeld) => continue,
                            Ok(_) => held.push((place as usize, mode)),
                            Err(error) => {
                                assert_eq!(error.code().as_str(), "40P01");
                                break;
                            }
                        }
                        holders[place as usize][mode as usize].fetch_add(1, Ordering::SeqCst);
                        for other in LockMode::ALL.into_iter().filter(|&other| mode.conflicts_with(other)) {
                            let own =
                                held.iter().filter(|&&held| held == (place as usize, other)).count() as u64;
                            let all = holders[place as usize][other as usize].load(Ordering::SeqCst);
                            assert!(all <= own, "{mode:?} beside another's {other:?}");
                        }
                    }
                    for &(place, mode) in &held {
                        holders[place][mode as usize].fetch_sub(1, Ordering::SeqCst);
                    }
                    txn.abort();
                }
            });
        }
    });
    assert!(txns.locks().list().is_empty());
}
