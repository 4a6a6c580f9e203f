//! B-trees against a model, alone and under threads; every tree ends by being checked and compared with the log.

mod common;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Dice, begin};
use parking_lot::Mutex;
use redoubt_access::{BTree, BTreeScan, BulkBuilder, Direction, Engine, KeyRange, MAX_ENTRY_BYTES, Tid};
use redoubt_buffer::{MemVolume, PageVolume, RelNode};
use redoubt_txn::Xid;

const NODE: RelNode = RelNode(30_000);

fn index() -> (Arc<Engine>, MemVolume, Arc<BTree>) {
    let (engine, volume) = Engine::in_memory().unwrap();
    let tree = engine.create_btree(NODE, Xid::INVALID).unwrap();
    (engine, volume, tree)
}

/// A prefix-free key: so many bytes, then an end that no other byte can be.
fn key(number: u64, len: usize) -> Vec<u8> {
    let mut key = format!("{number:06}").into_bytes();
    key.resize(len.max(6), b'~');
    key.push(0);
    key
}

fn tid(number: u64) -> Tid {
    Tid::new((number / 100) as u32, (number % 100) as u16 + 1)
}

fn entries(tree: &Arc<BTree>, range: KeyRange, direction: Direction) -> Vec<(Vec<u8>, Tid)> {
    let mut scan = BTreeScan::new(tree.clone(), range);
    let mut found = Vec::new();
    while let Some(entry) = scan.next(direction).unwrap() {
        found.push((entry.key.to_vec(), entry.tid));
    }
    found
}

fn check_against(tree: &Arc<BTree>, model: &BTreeSet<(Vec<u8>, Tid)>) {
    let model: Vec<_> = model.iter().cloned().collect();
    assert_eq!(tree.check().unwrap(), model);
    assert_eq!(entries(tree, KeyRange::all(), Direction::Forward), model);
    let mut backward = entries(tree, KeyRange::all(), Direction::Backward);
    backward.reverse();
    assert_eq!(backward, model);
}

fn vacuum(engine: &Engine, tree: &BTree, is_dead: impl Fn(Tid) -> bool) -> redoubt_access::IndexVacuum {
    tree.vacuum(&engine.txns().horizon(), &mut |tid| is_dead(tid)).unwrap()
}

#[test]
fn entries_of_all_sizes_in_all_orders() {
    for (seed, max_len) in [(1u64, 8usize), (2, 40), (3, 700), (4, MAX_ENTRY_BYTES - 7)] {
        let (engine, volume, tree) = index();
        let mut dice = Dice(seed);
        let mut model = BTreeSet::new();
        let count = if max_len > 500 { 600 } else { 4000 };
        for n in 0..count {
            let number = match n % 3 {
                0 => n,
                1 => 5000 - n,
                _ => dice.roll(5000),
            };
            let len = 6 + dice.roll(max_len as u64 - 6) as usize;
            let entry = (key(number, len), tid(dice.roll(100_000)));
            if model.insert(entry.clone()) {
                tree.insert(&entry.0, entry.1, b"").unwrap();
            } else {
                assert_eq!(tree.insert(&entry.0, entry.1, b"").unwrap_err().code().as_str(), "XX002");
            }
        }
        check_against(&tree, &model);
        assert!(tree.height() > 0);
        volume.assert_pool_matches(engine.pool());
        let reopened = Engine::open(Arc::new(volume.crashed_at(volume.vdl())), 64, 0).unwrap();
        check_against(&reopened.btree(NODE).unwrap(), &model);
    }
}

#[test]
fn entries_too_long_are_refused() {
    let (_, _, tree) = index();
    tree.insert(&vec![b'k'; MAX_ENTRY_BYTES - 16], tid(1), &[7; 10]).unwrap();
    let error = tree.insert(&vec![b'l'; MAX_ENTRY_BYTES - 15], tid(1), &[7; 10]).unwrap_err();
    assert_eq!(error.code().as_str(), "54000");
    assert_eq!(error.message(), "index row size 2705 exceeds btree version 4 maximum 2704");
    let mut scan = BTreeScan::new(tree, KeyRange::all());
    let entry = scan.next(Direction::Forward).unwrap().unwrap();
    assert_eq!((entry.key.len(), entry.payload), (MAX_ENTRY_BYTES - 16, &[7; 10][..]));
}

#[test]
fn ranges_in_both_directions() {
    let (_, _, tree) = index();
    let mut model = BTreeSet::new();
    let mut dice = Dice(77);
    for _ in 0..3000 {
        let entry = (key(dice.roll(400) * 2, 6), tid(dice.roll(10_000)));
        if model.insert(entry.clone()) {
            tree.insert(&entry.0, entry.1, b"").unwrap();
        }
    }
    for round in 0..500 {
        let (a, b) = (key(dice.roll(820), 6), key(dice.roll(820), 6));
        let bound = |kind: u64, key: &[u8]| match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(key.to_vec()),
            _ => Bound::Excluded(key.to_vec()),
        };
        let (low, high) = (bound(dice.roll(3), &a), bound(dice.roll(3), &b));
        let within = |key: &Vec<u8>| {
            let above = match &low {
                Bound::Unbounded => true,
                Bound::Included(low) => key >= low,
                Bound::Excluded(low) => key > low,
            };
            above
                && match &high {
                    Bound::Unbounded => true,
                    Bound::Included(high) => key <= high,
                    Bound::Excluded(high) => key < high,
                }
        };
        let as_slice = |bound: &Bound<Vec<u8>>| match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => Bound::Included(key.clone()),
            Bound::Excluded(key) => Bound::Excluded(key.clone()),
        };
        let (low_key, high_key) = (as_slice(&low), as_slice(&high));
        let range =
            KeyRange::new(low_key.as_ref().map(|key| &key[..]), high_key.as_ref().map(|key| &key[..]));
        let mut expect: Vec<_> = model.iter().filter(|(key, _)| within(key)).cloned().collect();
        assert_eq!(entries(&tree, range.clone(), Direction::Forward), expect, "{range:?}");
        // Steps to and fro, over both ends.
        let mut scan = BTreeScan::new(tree.clone(), range.clone());
        let mut at = -1i64;
        for _ in 0..60 {
            let steps = dice.roll(200) as i64 - 100;
            let direction = if steps > 0 { Direction::Forward } else { Direction::Backward };
            if round % 2 == 0 && at == -1 && steps <= 0 {
                continue;
            }
            for _ in 0..steps.abs() {
                at = (at + steps.signum()).clamp(-1, expect.len() as i64);
                let found = scan.next(direction).unwrap().map(|entry| (entry.key.to_vec(), entry.tid));
                let wanted = usize::try_from(at).ok().and_then(|at| expect.get(at)).cloned();
                if round % 2 == 0 || at >= 0 {
                    assert_eq!(found, wanted);
                } else {
                    at = if found.is_some() { expect.len() as i64 - 1 } else { at };
                    break;
                }
            }
            if round % 2 == 1 && at == -1 {
                break;
            }
        }
        expect.reverse();
        assert_eq!(entries(&tree, range, Direction::Backward), expect);
    }
}

#[test]
fn marks_are_places() {
    let (_, _, tree) = index();
    for n in 0..1000 {
        tree.insert(&key(n, 6), tid(n), b"p").unwrap();
    }
    let mut scan = BTreeScan::new(tree, KeyRange::new(Bound::Included(&key(100, 6)), Bound::Unbounded));
    let next = |scan: &mut BTreeScan| scan.next(Direction::Forward).unwrap().map(|entry| entry.tid);
    assert_eq!(next(&mut scan), Some(tid(100)));
    let mark = scan.mark();
    let after: Vec<_> = (0..899).map(|_| next(&mut scan)).collect();
    assert_eq!(after.last(), Some(&Some(tid(999))));
    assert_eq!(next(&mut scan), None);
    scan.restore(&mark);
    assert_eq!(next(&mut scan), Some(tid(101)));
}

#[test]
fn built_trees_are_like_grown_ones() {
    for (count, max_len, fillfactor) in
        [(0u64, 8usize, None), (1, 8, None), (20_000, 8, None), (3000, 600, Some(50)), (300, 2690, Some(100))]
    {
        let (engine, volume) = Engine::in_memory().unwrap();
        let tree = engine.create_btree(NODE, Xid::INVALID).unwrap();
        let mut dice = Dice(count + 5);
        let mut model = BTreeSet::new();
        for n in 0..count {
            model.insert((key(n / 3, 6 + dice.roll(max_len as u64 - 6) as usize), tid(n)));
        }
        let mut builder = BulkBuilder::new(tree.clone(), fillfactor).unwrap();
        for (key, tid) in &model {
            builder.add(key, *tid, b"").unwrap();
        }
        builder.finish().unwrap();
        check_against(&tree, &model);
        for n in 0..500 {
            let entry = (key(dice.roll(count + 10), 9), tid(1_000_000 + n));
            tree.insert(&entry.0, entry.1, b"").unwrap();
            model.insert(entry);
        }
        check_against(&tree, &model);
        volume.assert_pool_matches(engine.pool());
    }
}

#[test]
fn vacuum_removes_entries_and_empty_leaves_and_their_blocks_are_used_again() {
    let (engine, volume, tree) = index();
    let mut model = BTreeSet::new();
    for n in 0..20_000 {
        tree.insert(&key(n, 20), tid(n), b"").unwrap();
        model.insert((key(n, 20), tid(n)));
    }
    let blocks = tree.nblocks();
    let holder = begin(&engine);
    let held = holder.statement_snapshot().unwrap();
    let consume = || begin(&engine).xid().map(drop).unwrap();
    // A wide gap, and every other one elsewhere.
    let is_dead = |tid: Tid| {
        let n = u64::from(tid.block) * 100 + u64::from(tid.slot) - 1;
        (2000..17_000).contains(&n) || n % 2 == 0
    };
    let before = model.len() as u64;
    model.retain(|(_, tid)| !is_dead(*tid));
    let stats = vacuum(&engine, &tree, is_dead);
    assert_eq!(
        (stats.entries_removed, stats.entries_left),
        (before - model.len() as u64, model.len() as u64)
    );
    assert!(stats.pages_deleted > 50, "{stats:?}");
    check_against(&tree, &model);
    consume();
    assert_eq!(vacuum(&engine, &tree, |_| false).pages_free, 0, "somebody may be on his way to them");
    drop(held);
    // The settled mark follows when snapshots are taken.
    drop(holder.statement_snapshot().unwrap());
    let freed = vacuum(&engine, &tree, |_| false).pages_free;
    assert_eq!(freed, stats.pages_deleted);
    for n in 20_000..30_000 {
        tree.insert(&key(n, 20), tid(n), b"").unwrap();
        model.insert((key(n, 20), tid(n)));
    }
    check_against(&tree, &model);
    assert!(tree.nblocks() <= blocks + 2, "{} after {blocks}", tree.nblocks());
    volume.assert_pool_matches(engine.pool());
    let all_gone = vacuum(&engine, &tree, |_| true);
    assert_eq!(all_gone.entries_left, 0);
    check_against(&tree, &BTreeSet::new());
}

#[test]
fn threads_insert_remove_and_scan() {
    const THREADS: u64 = 4;
    let (engine, volume, tree) = index();
    // Entries that are surely there, for scans to be checked against.
    let sure: Mutex<BTreeSet<(Vec<u8>, Tid)>> = Mutex::default();
    let dead: Mutex<BTreeSet<Tid>> = Mutex::default();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let inserters: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (engine, tree, sure, dead) = (&engine, &tree, &sure, &dead);
                scope.spawn(move || {
                    let mut dice = Dice(thread + 1);
                    let mut own = Vec::new();
                    for n in 0..3000u64 {
                        // Ascending, descending, and random; thread 3 has long keys.
                        let number = match thread {
                            0 => n,
                            1 => 9999 - n,
                            _ => dice.roll(10_000),
                        };
                        let len = if thread == 3 { 300 } else { 6 };
                        let entry = (key(number, len), tid(n * THREADS + thread));
                        // A running transaction keeps blocks on its way from being used for something else.
                        let txn = begin(engine);
                        txn.xid().unwrap();
                        tree.insert(&entry.0, entry.1, b"").unwrap();
                        txn.commit().unwrap();
                        sure.lock().insert(entry.clone());
                        own.push(entry);
                        if dice.roll(3) == 0 {
                            let gone = own.swap_remove(dice.roll(own.len() as u64) as usize);
                            sure.lock().remove(&gone);
                            dead.lock().insert(gone.1);
                        }
                    }
                })
            })
            .collect();
        {
            let (tree, engine, dead, running) = (&tree, &engine, &dead, &running);
            scope.spawn(move || {
                while running.load(Ordering::SeqCst) {
                    let now = std::mem::take(&mut *dead.lock());
                    vacuum(engine, tree, |tid| now.contains(&tid));
                    // The settled mark follows when snapshots are taken, so that blocks become free.
                    drop(begin(engine).statement_snapshot().unwrap());
                }
            });
        }
        for seed in 0..2 {
            let (tree, engine, sure, running) = (&tree, &engine, &sure, &running);
            scope.spawn(move || {
                let mut dice = Dice(seed + 100);
                let holder = begin(engine);
                while running.load(Ordering::SeqCst) {
                    let snapshot = holder.statement_snapshot().unwrap();
                    let before = sure.lock().clone();
                    let low = key(dice.roll(10_000), 6);
                    let range = KeyRange::new(Bound::Included(&low), Bound::Unbounded);
                    let (direction, reverse) = if dice.roll(2) == 0 {
                        (Direction::Forward, false)
                    } else {
                        (Direction::Backward, true)
                    };
                    let mut found = entries(tree, range, direction);
                    if reverse {
                        found.reverse();
                    }
                    assert!(found.is_sorted_by(|a, b| a < b), "in order, and nothing twice");
                    let after = sure.lock().clone();
                    let found: BTreeSet<_> = found.into_iter().collect();
                    for entry in before.iter().filter(|entry| entry.0 >= low && after.contains(entry)) {
                        assert!(found.contains(entry), "{entry:?} was there all the time");
                    }
                    drop(snapshot);
                }
            });
        }
        let ended: Vec<_> = inserters.into_iter().map(|thread| thread.join()).collect();
        running.store(false, Ordering::SeqCst);
        ended.into_iter().for_each(|result| result.unwrap());
    });
    let gone = std::mem::take(&mut *dead.lock());
    vacuum(&engine, &tree, |tid| gone.contains(&tid));
    let model = sure.into_inner();
    check_against(&tree, &model);
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn a_crash_anywhere_leaves_a_sound_tree() {
    let (engine, volume, tree) = index();
    let mut dice = Dice(4242);
    // What is in, by the log's end at that time.
    let mut history: Vec<(u64, Vec<u8>, Tid)> = Vec::new();
    let start = volume.last_lsn();
    for n in 0..1500 {
        let entry = (key(dice.roll(2000), 60), tid(n));
        tree.insert(&entry.0, entry.1, b"").unwrap();
        history.push((volume.last_lsn().get(), entry.0, entry.1));
    }
    let removed = volume.last_lsn();
    let is_dead = |tid: Tid| tid.block < 12;
    vacuum(&engine, &tree, is_dead);
    for cpl in volume.cpls().into_iter().filter(|&cpl| cpl >= start).step_by(7) {
        let crashed = Engine::open(Arc::new(volume.crashed_at(cpl)), 64, 0).unwrap();
        let tree = crashed.btree(NODE).unwrap();
        let found: BTreeSet<_> = tree.check().unwrap().into_iter().collect();
        for (lsn, key, tid) in &history {
            let entry = (key.clone(), *tid);
            if *lsn <= cpl.get() && !(cpl > removed && is_dead(*tid)) {
                assert!(found.contains(&entry), "{entry:?} at {cpl}");
            } else if *lsn > cpl.get() + 3 {
                assert!(!found.contains(&entry));
            }
        }
        // Incomplete splits are finished by whoever comes by.
        let mut model = found;
        for n in 0..60 {
            let entry = (key(dice.roll(2000), 60), tid(500_000 + n));
            tree.insert(&entry.0, entry.1, b"").unwrap();
            model.insert(entry);
        }
        check_against(&tree, &model);
    }
}
