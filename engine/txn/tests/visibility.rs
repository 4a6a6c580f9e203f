//! Snapshots, commits and crashes: visibility order is commit-LSN order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;
use redoubt_buffer::{BufferPool, Lsn, MemVolume, PageVolume, RelKey, RelNode, Space};
use redoubt_txn::{CommandId, Isolation, Snapshot, Stamps, Txn, TxnManager, View, ViewCache, Xid, XidState};

fn open(volume: &MemVolume) -> TxnManager {
    let pool = BufferPool::new(Arc::new(volume.clone()), 256);
    let space =
        if Space::is_formatted(&pool).unwrap() { Space::open(&pool) } else { Space::create(&pool, 1) };
    TxnManager::open(Arc::new(space.unwrap())).unwrap()
}

fn view(txns: &TxnManager, snapshot: &Snapshot, xid: Xid) -> View {
    loop {
        match snapshot.view(xid) {
            Ok(view) => return view,
            Err(missing) => txns.load_status(missing).unwrap(),
        }
    }
}

fn begin(txns: &TxnManager) -> Txn {
    txns.begin(&txns.connect(1), Isolation::ReadCommitted)
}

#[test]
fn a_snapshot_sees_what_is_durable_and_no_more() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let (writer, reader) = (begin(&txns), begin(&txns));
    let xid = writer.xid().unwrap();
    let before = reader.statement_snapshot().unwrap();
    assert_eq!(view(&txns, &before, xid), View::Invisible);
    volume.hold();
    let lsn = writer.commit().unwrap();
    // Appended, but a crash could erase it: nobody sees it, and the state says where it is.
    let in_doubt = reader.statement_snapshot().unwrap();
    assert_eq!(view(&txns, &in_doubt, xid), View::Invisible);
    assert_eq!(txns.state(xid), Ok(XidState::Committed(lsn)));
    assert_eq!(in_doubt.in_progress(), [xid]);
    volume.release(None);
    let after = reader.statement_snapshot().unwrap();
    assert_eq!(view(&txns, &after, xid), View::Committed);
    for old in [&before, &in_doubt] {
        assert_eq!(view(&txns, old, xid), View::Invisible);
    }
}

#[test]
fn a_connection_waits_for_what_it_has_built_on() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let backend = txns.connect(1);
    let first = txns.begin(&backend, Isolation::ReadCommitted);
    let xid = first.xid().unwrap();
    volume.hold();
    let lsn = first.commit().unwrap();
    assert_eq!(backend.dependency(), lsn);
    let second = txns.begin(&backend, Isolation::RepeatableRead);
    let has_snapshot = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let snapshot = second.statement_snapshot().unwrap();
            has_snapshot.store(true, Ordering::SeqCst);
            snapshot
        });
        // Another connection does not wait.
        let other = begin(&txns);
        assert_eq!(view(&txns, &other.statement_snapshot().unwrap(), xid), View::Invisible);
        assert!(!has_snapshot.load(Ordering::SeqCst));
        volume.release(None);
        assert_eq!(view(&txns, &waiter.join().unwrap(), xid), View::Committed);
    });
    // A transaction that wrote nothing may be acknowledged when what it saw is durable.
    assert_eq!(second.commit().unwrap(), lsn);
}

#[test]
fn own_rows_by_command() {
    let txns = open(&MemVolume::new());
    let txn = begin(&txns);
    let early = txn.statement_snapshot().unwrap();
    let xid = txn.xid().unwrap();
    let cmin = txn.command_for_write();
    let made = Stamps { xmin: xid, cmin, xmax: Xid::INVALID, cmax: CommandId::FIRST };
    let sees =
        |snapshot: &Snapshot, stamps: &Stamps| snapshot.sees(stamps, &mut ViewCache::default()).unwrap();
    assert!(!sees(&early, &made), "a command does not see its own rows");
    txn.advance_command().unwrap();
    txn.advance_command().unwrap();
    assert_eq!(txn.command(), CommandId::new(1), "a command that wrote nothing is not counted");
    let next = txn.statement_snapshot().unwrap();
    assert!(sees(&next, &made));
    assert!(sees(&early.at_command(txn.command()), &made), "an old snapshot recognises its own later number");
    let deleted = Stamps { xmax: xid, cmax: txn.command_for_write(), ..made };
    assert!(sees(&next, &deleted), "the deleting command still sees the row");
    txn.advance_command().unwrap();
    assert!(!sees(&txn.statement_snapshot().unwrap(), &deleted));
}

#[test]
fn subtransactions_share_the_fate_they_have_earned() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let (txn, other) = (begin(&txns), begin(&txns));
    let top = txn.xid().unwrap();
    txn.begin_sub().unwrap();
    txn.begin_sub().unwrap();
    let inner = txn.xid().unwrap();
    let outer = Xid::new(inner.get() - 1);
    assert_eq!(top.get() + 2, inner.get(), "parents get their numbers first");
    txn.commit_sub();
    assert_eq!(txn.xid().unwrap(), outer);
    txn.commit_sub();
    txn.begin_sub().unwrap();
    let failed = txn.xid().unwrap();
    let own = txn.statement_snapshot().unwrap();
    assert_eq!([top, outer, inner, failed].map(|xid| view(&txns, &own, xid)), [View::Own; 4]);
    txn.abort_sub();
    assert_eq!(view(&txns, &own, failed), View::Invisible);
    assert!(txn.is_own(inner) && !txn.is_own(failed));
    txn.begin_sub().unwrap();
    let open_sub = txn.xid().unwrap();
    txn.commit().unwrap();
    let snapshot = other.statement_snapshot().unwrap();
    let reopened = open(&volume);
    let late = begin(&reopened);
    for (xid, expect) in [
        (top, View::Committed),
        (outer, View::Committed),
        (inner, View::Committed),
        (failed, View::Invisible),
        (open_sub, View::Committed),
    ] {
        assert_eq!(view(&txns, &snapshot, xid), expect, "{xid}");
        assert_eq!(
            view(&reopened, &late.statement_snapshot().unwrap(), xid),
            expect,
            "{xid} after a restart"
        );
    }
}

#[test]
fn repeatable_read_keeps_its_first_snapshot() {
    let txns = open(&MemVolume::new());
    let reader = txns.begin(&txns.connect(1), Isolation::RepeatableRead);
    let first = reader.statement_snapshot().unwrap();
    let writer = begin(&txns);
    let xid = writer.xid().unwrap();
    writer.commit().unwrap();
    assert_eq!(view(&txns, &reader.statement_snapshot().unwrap(), xid), View::Invisible);
    assert_eq!(view(&txns, &reader.latest_snapshot().unwrap(), xid), View::Committed);
    assert_eq!(first.lsn(), reader.statement_snapshot().unwrap().lsn());
}

#[test]
fn a_crash_at_any_point_aborts_what_had_not_committed_and_reuses_no_number() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    // Each transaction's number, commit position if any, and the log's end when it got its number.
    let mut history: Vec<(Xid, Option<Lsn>, Lsn)> = Vec::new();
    let mut open_ones = Vec::new();
    for round in 0..9000u64 {
        let txn = begin(&txns);
        let xid = txn.xid().unwrap();
        let given_out = volume.last_lsn();
        match round % 7 {
            0 => txn.abort(),
            1 if round % 1000 < 20 => {
                open_ones.push(txn);
                history.push((xid, None, given_out));
                continue;
            }
            _ => {
                let lsn = txn.commit().unwrap();
                history.push((xid, Some(lsn), given_out));
                continue;
            }
        }
        history.push((xid, None, given_out));
    }
    assert!(open_ones.len() > 10);
    for cpl in volume.cpls().iter().skip(3).step_by(397).chain([&volume.last_lsn()]) {
        let crashed = open(&volume.crashed_at(*cpl));
        let snapshot = begin(&crashed).statement_snapshot().unwrap();
        for &(xid, committed, given_out) in &history {
            let survives = committed.is_some_and(|lsn| lsn <= *cpl);
            let expect = if survives { View::Committed } else { View::Invisible };
            assert_eq!(view(&crashed, &snapshot, xid), expect, "{xid} at {cpl}");
            // Whatever was written under a number lies above the record that allowed it.
            assert!(given_out > *cpl || xid < crashed.next_xid(), "{xid} could be given out again at {cpl}");
        }
    }
}

/// Several writers and readers: every snapshot is a prefix of the commits in LSN order, snapshots of one
/// connection never go back, and what a horizon allows to remove no snapshot can tell from nothing.
#[test]
fn every_snapshot_is_a_prefix_of_the_commits() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let commits: Mutex<Vec<(Lsn, Xid)>> = Mutex::default();
    let seen: Mutex<Vec<(Lsn, Xid, BTreeSet<Xid>)>> = Mutex::default();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for round in 0..3000 {
                        let txn = begin(&txns);
                        let xid = txn.xid().unwrap();
                        if round % 5 == 0 {
                            txn.abort();
                        } else {
                            commits.lock().push((txn.commit().unwrap(), xid));
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                let backend = txns.connect(2);
                let mut last = Lsn::ZERO;
                while running.load(Ordering::SeqCst) {
                    let txn = txns.begin(&backend, Isolation::ReadCommitted);
                    let snapshot = txn.statement_snapshot().unwrap();
                    assert!(snapshot.lsn() >= last);
                    last = snapshot.lsn();
                    let horizon = txns.horizon();
                    assert!(horizon.lsn() <= snapshot.lsn() && horizon.xmin() <= snapshot.xmin());
                    let xids = (snapshot.xmax().get().saturating_sub(200).max(3)..snapshot.xmax().get())
                        .map(Xid::new);
                    let visible: BTreeSet<Xid> = xids
                        .inspect(|&xid| assert!(xid >= snapshot.xmin() || snapshot.view(xid).is_ok()))
                        .filter(|&xid| view(&txns, &snapshot, xid) == View::Committed)
                        .collect();
                    for &xid in &visible {
                        // The horizon may be behind, never ahead.
                        assert!(!horizon.none_sees(xid).unwrap());
                    }
                    let mut seen = seen.lock();
                    if seen.len() < 5000 {
                        seen.push((snapshot.lsn(), snapshot.xmax(), visible));
                    }
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        running.store(false, Ordering::SeqCst);
    });
    let commits = commits.into_inner();
    for (lsn, xmax, visible) in seen.into_inner() {
        let from = Xid::new(xmax.get().saturating_sub(200).max(3));
        let expect: BTreeSet<Xid> = commits
            .iter()
            .filter(|&&(commit, xid)| commit <= lsn && xid >= from && xid < xmax)
            .map(|&(_, xid)| xid)
            .collect();
        assert_eq!(visible, expect, "the snapshot at {lsn}");
        let missed = commits.iter().find(|&&(commit, xid)| commit <= lsn && xid >= xmax);
        assert_eq!(missed, None, "committed at or below {lsn}, but above {xmax}");
    }
    volume.assert_pool_matches(txns.space().pool());
}

#[test]
fn a_snapshot_holds_the_horizon_back() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let reader = begin(&txns);
    let held = reader.statement_snapshot().unwrap();
    let writer = begin(&txns);
    let xid = writer.xid().unwrap();
    writer.commit().unwrap();
    assert_eq!(txns.horizon().all_see(xid), Ok(false));
    let copy = held.clone();
    drop(held);
    assert_eq!(txns.horizon().all_see(xid), Ok(false));
    drop(copy);
    assert_eq!(txns.horizon().all_see(xid), Ok(true));
    let failed = begin(&txns);
    let failed_xid = failed.xid().unwrap();
    assert_eq!(txns.horizon().none_sees(failed_xid), Ok(false));
    failed.abort();
    assert_eq!(txns.horizon().none_sees(failed_xid), Ok(true));
}

#[test]
fn relations_of_failed_creators_are_swept() {
    let volume = MemVolume::new();
    let txns = open(&volume);
    let exists =
        |txns: &TxnManager, node: u32| txns.space().relation(RelKey::main(RelNode(node))).unwrap().is_some();
    let create = |node: u32| {
        let txn = begin(&txns);
        let creator = txn.xid().unwrap().get();
        txns.space().create_relation(RelKey::main(RelNode(node)), creator).unwrap();
        txn
    };
    create(101).commit().unwrap();
    create(102).abort();
    let running = create(103);
    txns.sweep_relations().unwrap();
    assert_eq!([101, 102, 103].map(|node| exists(&txns, node)), [true, false, true]);
    let reader = begin(&txns);
    let snapshot = reader.statement_snapshot().unwrap();
    let dropper = begin(&txns);
    txns.space().drop_relation(RelKey::main(RelNode(101)), dropper.xid().unwrap().get()).unwrap();
    dropper.commit().unwrap();
    txns.sweep_relations().unwrap();
    assert!(exists(&txns, 101), "a snapshot from before the drop can still read it");
    drop(snapshot);
    txns.sweep_relations().unwrap();
    assert!(!exists(&txns, 101));
    let crashed = open(&volume.crashed_at(volume.vdl()));
    crashed.sweep_relations().unwrap();
    assert!(!exists(&crashed, 103), "the crash ended its creator");
    running.commit().unwrap();
}
