//! Generalized search trees against a model, alone and under threads; every tree ends by being checked and compared
//! with the log.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Dice, begin};
use parking_lot::Mutex;
use redoubt_access::{Engine, Gist, GistColumns, GistCondition, GistSearch, GistTest, Tid, gist_key};
use redoubt_buffer::{MemVolume, RelNode};
use redoubt_functions::{Datum, Geometry, Point, gist_class};
use redoubt_txn::Xid;

const NODE: RelNode = RelNode(30_000);
/// The strategy of `&&`.
const OVERLAPS: i16 = 3;

/// Two columns: a box, and a point that may be NULL.
fn columns() -> Arc<GistColumns> {
    let class = |symbol| gist_class(symbol).unwrap();
    Arc::new([class("gist_box_consistent"), class("gist_point_consistent")])
}

fn index() -> (Arc<Engine>, MemVolume, Arc<Gist>) {
    let (engine, volume) = Engine::in_memory().unwrap();
    let tree = engine.create_gist(NODE, Xid::INVALID).unwrap();
    (engine, volume, tree)
}

/// A row: lower left corner and side of the box, and the point's abscissa.
type Row = ((u64, u64, u64), Option<u64>);

fn row(dice: &mut Dice, range: u64) -> Row {
    let corner = (dice.roll(range), dice.roll(range), dice.roll(3));
    (corner, (dice.roll(4) > 0).then(|| dice.roll(range)))
}

fn square((x, y, side): (f64, f64, f64)) -> Datum {
    let high = Point { x: x + side, y: y + side };
    Datum::Geometry(Geometry::Box([high, Point { x, y }]).into())
}

fn key(((x, y, side), at): Row) -> Vec<u8> {
    let point =
        at.map_or(Datum::Null, |at| Datum::Geometry(Geometry::Point(Point { x: at as f64, y: 0.0 }).into()));
    let mut key = Vec::new();
    let values = [square((x as f64, y as f64, side as f64)), point];
    gist_key(&columns(), values.iter(), &mut key).unwrap();
    key
}

fn tid(number: u64) -> Tid {
    Tid::new((number / 100) as u32, (number % 100) as u16 + 1)
}

/// A search for boxes that overlap a square whose sides no box touches.
#[derive(Clone, Copy)]
struct Query {
    x: f64,
    y: f64,
    side: f64,
    has_point: Option<bool>,
}

impl Query {
    fn roll(dice: &mut Dice, range: u64) -> Query {
        let mut number = |below: u64| dice.roll(below) as f64 + 0.5;
        let (x, y, side) = (number(range), number(range), number(range / 4).floor());
        let has_point = [None, None, Some(true), Some(false)][dice.roll(4) as usize];
        Query { x, y, side, has_point }
    }

    fn finds(self, ((x, y, side), at): Row) -> bool {
        let (x, y, side) = (x as f64, y as f64, side as f64);
        let overlaps =
            x < self.x + self.side && self.x < x + side && y < self.y + self.side && self.y < y + side;
        overlaps && self.has_point.is_none_or(|wanted| at.is_some() == wanted)
    }

    fn conditions(self) -> Vec<GistCondition> {
        let mut query = Vec::new();
        columns()[0].compress(&square((self.x, self.y, self.side)), &mut query).unwrap();
        let mut conditions =
            vec![GistCondition { column: 0, test: GistTest::Operator { strategy: OVERLAPS, query } }];
        if let Some(has_point) = self.has_point {
            let test = if has_point { GistTest::NotNull } else { GistTest::IsNull };
            conditions.push(GistCondition { column: 1, test });
        }
        conditions
    }

    fn run(self, tree: &Arc<Gist>) -> Vec<Tid> {
        let mut search = GistSearch::new(tree.clone(), columns(), self.conditions());
        let mut found = Vec::new();
        while let Some(tid) = search.next().unwrap() {
            found.push(tid);
        }
        found
    }
}

fn check_against(tree: &Arc<Gist>, model: &BTreeSet<(Tid, Row)>, dice: &mut Dice, range: u64) {
    let mut entries = tree.check(&columns()).unwrap();
    entries.sort_by_key(|(_, tid)| *tid);
    let expected: Vec<(Vec<u8>, Tid)> = model.iter().map(|(tid, row)| (key(*row), *tid)).collect();
    assert_eq!(entries, expected);
    for _ in 0..20 {
        let query = Query::roll(dice, range);
        let mut found = query.run(tree);
        found.sort_unstable();
        let expected: Vec<Tid> =
            model.iter().filter(|(_, row)| query.finds(*row)).map(|(tid, _)| *tid).collect();
        assert_eq!(found, expected);
    }
}

fn vacuum(engine: &Engine, tree: &Gist, is_dead: impl Fn(Tid) -> bool) -> redoubt_access::IndexVacuum {
    tree.vacuum(&engine.txns().horizon(), &mut |tid| is_dead(tid)).unwrap()
}

#[test]
fn searches_find_what_was_inserted_and_not_removed() {
    // Many equal keys, few equal keys; tight and spare leaves.
    for (seed, range, spare) in [(1, 6, 0), (2, 40, 0), (3, 1000, 800), (4, 1000, 7000)] {
        let (engine, volume, tree) = index();
        let mut dice = Dice(seed);
        let mut model: BTreeSet<(Tid, Row)> = BTreeSet::new();
        for round in 0..4 {
            for n in 0..700 {
                let (tid, row) = (tid(round * 1000 + n), row(&mut dice, range));
                tree.insert(&columns(), &key(row), tid, spare).unwrap();
                model.insert((tid, row));
            }
            check_against(&tree, &model, &mut dice, range);
            let dead: BTreeSet<Tid> =
                model.iter().filter(|_| dice.roll(2) == 0).map(|(tid, _)| *tid).collect();
            let stats = vacuum(&engine, &tree, |tid| dead.contains(&tid));
            assert_eq!(stats.entries_removed, dead.len() as u64);
            model.retain(|(tid, _)| !dead.contains(tid));
            assert_eq!(stats.entries_left, model.len() as u64);
            check_against(&tree, &model, &mut dice, range);
        }
        assert!(tree.height().unwrap() > 0);
        volume.assert_pool_matches(engine.pool());
    }
}

#[test]
fn blocks_of_empty_leaves_are_used_again() {
    let (engine, volume, tree) = index();
    let mut dice = Dice(9);
    for n in 0..3000 {
        tree.insert(&columns(), &key(row(&mut dice, 500)), tid(n), 0).unwrap();
    }
    let blocks = tree.nblocks();
    let stats = vacuum(&engine, &tree, |_| true);
    assert!(stats.pages_deleted > 0, "{stats:?}");
    // A transaction later, nobody can be on his way to them.
    for _ in 0..2 {
        let txn = begin(&engine);
        txn.xid().unwrap();
        txn.commit().unwrap();
        drop(begin(&engine).statement_snapshot().unwrap());
    }
    assert!(vacuum(&engine, &tree, |_| false).pages_free > 0);
    let mut model = BTreeSet::new();
    for n in 0..3000 {
        let (tid, row) = (tid(n), row(&mut dice, 500));
        tree.insert(&columns(), &key(row), tid, 0).unwrap();
        model.insert((tid, row));
    }
    assert!(tree.nblocks() < blocks + blocks / 2, "{} after {blocks}", tree.nblocks());
    check_against(&tree, &model, &mut dice, 500);
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn threads_insert_remove_and_search() {
    const THREADS: u64 = 4;
    const RANGE: u64 = 300;
    let (engine, volume, tree) = index();
    // Entries that are surely there, for searches to be checked against.
    let sure: Mutex<BTreeSet<(Tid, Row)>> = Mutex::default();
    let dead: Mutex<BTreeSet<Tid>> = Mutex::default();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let inserters: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (engine, tree, sure, dead) = (&engine, &tree, &sure, &dead);
                scope.spawn(move || {
                    let mut dice = Dice(thread + 1);
                    let mut own = Vec::new();
                    for n in 0..1500_u64 {
                        let entry = (tid(n * THREADS + thread), row(&mut dice, RANGE));
                        // A running transaction keeps blocks on its way from being used for something else.
                        let txn = begin(engine);
                        txn.xid().unwrap();
                        tree.insert(&columns(), &key(entry.1), entry.0, 0).unwrap();
                        txn.commit().unwrap();
                        sure.lock().insert(entry);
                        own.push(entry);
                        if dice.roll(3) == 0 {
                            let gone = own.swap_remove(dice.roll(own.len() as u64) as usize);
                            sure.lock().remove(&gone);
                            dead.lock().insert(gone.0);
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
                    let query = Query::roll(&mut dice, RANGE);
                    let found = query.run(tree);
                    let after = sure.lock().clone();
                    let distinct: BTreeSet<Tid> = found.iter().copied().collect();
                    assert_eq!(distinct.len(), found.len(), "nothing twice");
                    for entry in before.iter().filter(|entry| query.finds(entry.1) && after.contains(entry)) {
                        assert!(distinct.contains(&entry.0), "{entry:?} was there all the time");
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
    check_against(&tree, &model, &mut Dice(77), RANGE);
    volume.assert_pool_matches(engine.pool());
}

#[test]
fn a_crash_anywhere_leaves_a_sound_tree() {
    let (engine, volume, tree) = index();
    let mut dice = Dice(4242);
    // What is in, by the log's end at that time.
    let mut history: Vec<(u64, Tid, Row)> = Vec::new();
    let start = volume.last_lsn();
    for n in 0..1200 {
        let row = row(&mut dice, 300);
        tree.insert(&columns(), &key(row), tid(n), 0).unwrap();
        history.push((volume.last_lsn().get(), tid(n), row));
    }
    let removed = volume.last_lsn();
    let is_dead = |tid: Tid| tid.block < 10;
    vacuum(&engine, &tree, is_dead);
    for cpl in volume.cpls().into_iter().filter(|&cpl| cpl >= start).step_by(11) {
        let crashed = Engine::open(Arc::new(volume.crashed_at(cpl)), 64, 0).unwrap();
        let tree = crashed.gist(NODE).unwrap();
        let found: BTreeSet<Tid> = tree.check(&columns()).unwrap().into_iter().map(|(_, tid)| tid).collect();
        let mut model = BTreeSet::new();
        for (lsn, tid, row) in &history {
            if found.contains(tid) {
                assert!(*lsn <= cpl.get(), "{tid:?} at {cpl}");
                model.insert((*tid, *row));
            } else {
                assert!(*lsn > cpl.get() || cpl > removed && is_dead(*tid), "{tid:?} at {cpl}");
            }
        }
        for n in 0..60 {
            let (tid, row) = (tid(500_000 + n), row(&mut dice, 300));
            tree.insert(&columns(), &key(row), tid, 0).unwrap();
            model.insert((tid, row));
        }
        check_against(&tree, &model, &mut dice, 300);
    }
}
