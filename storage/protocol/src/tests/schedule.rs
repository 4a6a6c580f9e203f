//! Random schedules: a writer, two groups of six segments, kills, recoveries, zombie writers, and a network
//! that loses, repeats and reorders. Safety first, then heal, then liveness.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::rng::Rng;
use super::world::World;
use crate::opening::OpeningState;
use crate::planted::Planted;

/// How likely each kind of step is. Drawn per seed: uniform weights hide bugs.
#[derive(Clone, Copy, Debug)]
struct Weights {
    deliver: usize,
    lose: usize,
    repeat: usize,
    flush: usize,
    control: usize,
    append: usize,
    pump: usize,
    tick: usize,
    gossip: usize,
    kill: usize,
    restart: usize,
    open: usize,
    end: usize,
    read: usize,
    block: usize,
    checkpoint: usize,
    fail: usize,
    change: usize,
    bounce: usize,
    delay: usize,
    trim: usize,
}

impl Weights {
    fn draw(rng: &mut Rng) -> Weights {
        let mut between = |low: usize, high: usize| low + rng.below(high - low + 1);
        Weights {
            deliver: between(80, 250),
            lose: between(0, 40),
            repeat: between(0, 30),
            flush: between(20, 120),
            control: between(10, 80),
            append: between(5, 40),
            pump: between(10, 60),
            tick: between(5, 30),
            gossip: between(0, 12),
            kill: between(0, 4),
            restart: between(2, 12),
            open: between(0, 3),
            end: between(0, 1),
            read: between(0, 12),
            block: between(0, 10),
            checkpoint: between(0, 5),
            fail: between(0, 1),
            change: between(0, 24),
            bounce: between(0, 8),
            delay: between(0, 30),
            trim: between(0, 6),
        }
    }

    fn pick(&self, rng: &mut Rng) -> usize {
        let weights = [
            self.deliver,
            self.lose,
            self.repeat,
            self.flush,
            self.control,
            self.append,
            self.pump,
            self.tick,
            self.gossip,
            self.kill,
            self.restart,
            self.open,
            self.end,
            self.read,
            self.block,
            self.checkpoint,
            self.fail,
            self.change,
            self.bounce,
            self.delay,
            self.trim,
        ];
        let mut left = rng.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        unreachable!("the weights add up")
    }
}

fn step(world: &mut World, weights: &Weights) {
    let action = weights.pick(&mut world.rng);
    let node = world.rng.below(world.nodes.len());
    // Mostly the newest writer; now and then one that may be fenced and not know.
    let newest = world.writers.len() - 1;
    let writer = if world.rng.percent(70) { newest } else { newest - world.rng.below(newest.min(3) + 1) };
    let alive = world.writers[writer].alive;
    assert!(world.network.len() < 50_000, "the network fills up");
    match action {
        0..=2 if world.network.is_empty() => {}
        0 => {
            for _ in 0..world.network.len().min(4) {
                let at = pick_message(world);
                world.deliver(at, false);
            }
        }
        1 => {
            let at = world.rng.below(world.network.len());
            world.network.swap_remove(at);
        }
        2 => {
            let at = world.rng.below(world.network.len());
            world.deliver(at, true);
        }
        3 if world.nodes[node].slow && world.rng.percent(90) => {}
        3 => {
            let count = 1 + world.rng.below(8);
            world.flush(node, count);
            world.serve(node);
        }
        4 => world.flush_control(node),
        5 if alive => world.append(writer),
        6 => (0..world.nodes.len()).for_each(|n| world.pump(writer, n)),
        7 => tick(world),
        8 => {
            world.gossip(node);
            world.serve(node);
        }
        9 => world.kill(node),
        10 => world.restart(node),
        11 => open(world),
        12 => end_someone(world, writer),
        13 if alive => world.read(writer, node),
        14 => world.block(writer, node),
        15 => world.checkpoint(node),
        16 if world.rng.percent(10) => world.fail_log(node),
        17 => world.change_membership(),
        18 => {
            world.kill(node);
            world.restart(node);
        }
        19 => delay(world),
        20 => world.trim(node),
        _ => {}
    }
}

/// Older messages are likelier, so that most arrive nearly in order and some very late.
fn pick_message(world: &mut World) -> usize {
    let count = world.network.len();
    let window = if world.rng.percent(80) { count.min(12) } else { count };
    world.rng.below(window)
}

fn tick(world: &mut World) {
    for writer in &mut world.writers {
        writer.core.on_tick();
    }
    for at in 0..world.openers.len() {
        if world.openers[at].alive {
            world.openers[at].core.on_tick();
            world.drain_opener(at);
        }
    }
    for at in 0..world.nodes.len() {
        world.serve(at);
    }
    let idle = world.rng.percent(20);
    if let Some(writer) = world.writers.last_mut().filter(|_| idle) {
        let vdl = writer.core.vdl();
        if vdl > writer.core.read_floor() {
            writer.core.set_read_floor(vdl);
        }
        writer.core.announce_positions();
    }
}

/// A message goes astray, or one that did turns up.
fn delay(world: &mut World) {
    if world.limbo.len() > 200 || (world.rng.percent(40) && !world.limbo.is_empty()) {
        let at = world.rng.below(world.limbo.len());
        let late = world.limbo.swap_remove(at);
        world.network.insert(0, late);
    } else if !world.network.is_empty() {
        let at = world.rng.below(world.network.len());
        let message = world.network.remove(at);
        world.limbo.push(message);
    }
}

/// Somebody takes over. Mostly when nobody else is at it: openers that always overtake each other never
/// get to the end.
fn open(world: &mut World) {
    let busy = world
        .openers
        .iter()
        .any(|o| o.alive && !matches!(o.core.state(), OpeningState::Fenced(_) | OpeningState::Open));
    if !busy || world.rng.percent(4) {
        world.start_opener();
    }
}

/// Ends a process: a writer, or the newest opener.
fn end_someone(world: &mut World, writer: usize) {
    if world.rng.percent(50) {
        world.writers[writer].alive = false;
    } else if let Some(opener) = world.openers.last_mut() {
        opener.alive = false;
    }
}

/// Faults stop. A recovery must open, its writer must be acknowledged, and every segment must converge.
fn heal(world: &mut World) {
    world.blocked.clear();
    let late = core::mem::take(&mut world.limbo);
    world.network.extend(late);
    for writer in &mut world.writers {
        writer.alive = false;
    }
    for opener in &mut world.openers {
        opener.alive = false;
    }
    for at in 0..world.nodes.len() {
        world.restart(at);
    }
    world.start_opener();
    world.blocked.clear();
    let last = world.openers.len() - 1;
    for round in 0.. {
        assert!(round < 300, "recovery does not finish: {:#?}", world.openers[last].core);
        calm_round(world, None);
        if *world.openers[last].core.state() == OpeningState::Open {
            break;
        }
    }
    let writer = world.writers.len() - 1;
    for round in 0..60 {
        if round < 8 {
            world.append(writer);
        }
        calm_round(world, Some(writer));
    }
    world.truth.check_all_acknowledged(world.epoch);
    world.truth.check_converged(&world.nodes, &world.memberships);
}

fn calm_round(world: &mut World, writer: Option<usize>) {
    for node in 0..world.nodes.len() {
        for _ in 0..4 {
            writer.into_iter().for_each(|w| world.pump(w, node));
        }
        world.gossip(node);
    }
    let mut delivered = 0;
    while !world.network.is_empty() {
        delivered += 1;
        assert!(delivered < 20_000, "messages beget messages without end");
        world.deliver(0, false);
        for node in 0..world.nodes.len() {
            world.flush(node, 100);
            world.flush_control(node);
            world.serve(node);
        }
    }
    for writer in &mut world.writers {
        writer.core.on_tick();
    }
    for at in 0..world.openers.len() {
        if world.openers[at].alive {
            world.openers[at].core.on_tick();
            world.drain_opener(at);
        }
    }
}

struct Outcome {
    acknowledged: usize,
    decisions: usize,
    openings: usize,
    served: usize,
    changes: usize,
    imaged: usize,
}

fn run(seed: u64, planted: Planted, per_node_checks: bool, steps: usize) -> Outcome {
    let mut world = World::new(seed, planted, per_node_checks);
    let weights = Weights::draw(&mut world.rng);
    for _ in 0..steps {
        step(&mut world, &weights);
    }
    if std::env::var("REDOUBT_TRACE").is_ok() {
        std::println!(
            "network {} writers {} openers {:?} {weights:?}",
            world.network.len(),
            world.writers.len(),
            world.openers.iter().map(|o| o.core.state().clone()).collect::<alloc::vec::Vec<_>>()
        );
    }
    heal(&mut world);
    Outcome {
        acknowledged: world.truth.acknowledged_count(),
        decisions: world.truth.decisions,
        openings: world.writers.len(),
        served: world.truth.served,
        changes: world.changes,
        imaged: world.imaged,
    }
}

fn seeds() -> u64 {
    std::env::var("REDOUBT_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(150)
}

#[test]
fn schedules_lose_nothing() {
    let first = std::env::var("REDOUBT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut total = Outcome { acknowledged: 0, decisions: 0, openings: 0, served: 0, changes: 0, imaged: 0 };
    for seed in first..first + seeds() {
        std::println!("seed {seed}");
        let outcome = run(seed, Planted::None, true, 6_000);
        total.acknowledged += outcome.acknowledged;
        total.decisions += outcome.decisions;
        total.openings += outcome.openings;
        total.served += outcome.served;
        total.changes += outcome.changes;
        total.imaged += outcome.imaged;
    }
    std::println!(
        "{} records acknowledged, {} recoveries decided, {} volumes opened, {} reads served, {} membership steps, {} segments given images",
        total.acknowledged,
        total.decisions,
        total.openings,
        total.served,
        total.changes,
        total.imaged
    );
    // A schedule that never gets anywhere proves nothing.
    assert!(total.acknowledged as u64 > 20 * seeds() && total.served as u64 > seeds());
    assert!(total.openings as u64 > 2 * seeds());
    assert!(total.changes as u64 > 2 * seeds() && total.imaged as u64 > seeds() / 10);
}

/// How many seeds until a planted bug is noticed.
fn caught_after(planted: Planted, per_node_checks: bool, limit: u64) -> Option<u64> {
    (1..=limit).find(|seed| {
        let attempt = AssertUnwindSafe(|| run(*seed, planted, per_node_checks, 6_000));
        catch_unwind(attempt).is_err()
    })
}

#[test]
fn planted_bugs_are_noticed() {
    let table = [
        (Planted::AckAtReadQuorum, false),
        (Planted::SclOverGaps, false),
        (Planted::AckBeforeFlush, false),
        (Planted::RecoverMinimum, false),
        (Planted::HistoryMerged, false),
        (Planted::HistoryForgotten, false),
        (Planted::VoidOnlySeen, false),
        (Planted::ReadsBehind, false),
        (Planted::VdlIgnoresCpl, false),
    ];
    let limit = std::env::var("REDOUBT_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(400);
    let mut missed = alloc::vec::Vec::new();
    for (planted, per_node_checks) in table {
        match caught_after(planted, per_node_checks, limit) {
            Some(seed) => std::println!("{planted:?} noticed at seed {seed}"),
            None => missed.push(planted),
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
