//! Scripted accidents, each the shortest way to lose data if one rule is broken. Every script is played with
//! the machines as they are, which must come through, and with the rule broken, which must be noticed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redoubt_page::{PageId, PgId};

use super::world::{Party, SEGMENT_PAGES, World};
use crate::ids::SegmentId;
use crate::message::Message;
use crate::opening::OpeningState;
use crate::planted::Planted;
use crate::replacement::{ReplacementCore, ReplacementState};

/// The segments of group 1.
const A: usize = 6;
const B: usize = 7;
const C: usize = 8;
const D: usize = 9;
const E: usize = 10;
const F: usize = 11;

/// A world at rest, with one writer that is connected everywhere.
fn world(planted: Planted) -> World {
    let mut world = World::new(1, planted, false);
    for node in 0..world.nodes.len() {
        world.pump(0, node);
    }
    calm(&mut world, &[A, B, C, D, E, F]);
    world
}

fn may_pass(party: Party, nodes: &[usize]) -> bool {
    !matches!(party, Party::Segment(at) if at >= A && !nodes.contains(&at))
}

/// Delivers whatever concerns group 0 or the given nodes of group 1, and flushes it, until nothing moves.
fn calm(world: &mut World, nodes: &[usize]) {
    loop {
        let at =
            world.network.iter().position(|(from, to, _)| may_pass(*from, nodes) && may_pass(*to, nodes));
        let Some(at) = at else { return };
        world.deliver(at, false);
        for node in (0..world.nodes.len()).filter(|n| may_pass(Party::Segment(*n), nodes)) {
            world.flush(node, 100);
            world.flush_control(node);
            world.serve(node);
        }
    }
}

/// The writer appends one record to group 1 and sends it to these nodes, where it arrives and stays unflushed.
fn append_and_deliver(world: &mut World, writer: usize, nodes: &[usize]) {
    world.append_to(writer, &[PageId::new(SEGMENT_PAGES)]);
    send_and_deliver(world, writer, nodes);
}

fn send_and_deliver(world: &mut World, writer: usize, nodes: &[usize]) {
    for node in nodes {
        world.pump(writer, *node);
        let arrived =
            |m: &(Party, Party, Message)| (m.0, m.1) == (Party::Writer(writer), Party::Segment(*node));
        while let Some(at) = world.network.iter().position(arrived) {
            world.deliver(at, false);
        }
    }
}

fn flush(world: &mut World, nodes: &[usize]) {
    nodes.iter().for_each(|n| world.flush(*n, 100));
}

/// Somebody takes over, reaching these nodes of group 1 only, and decides.
fn take_over(world: &mut World, nodes: &[usize]) {
    world.start_opener();
    world.blocked.clear();
    calm(world, nodes);
    tick_openers(world);
}

fn tick_openers(world: &mut World) {
    for at in 0..world.openers.len() {
        world.openers[at].core.on_tick();
        world.drain_opener(at);
    }
}

/// Everything is reachable again: the volume opens and all segments agree.
fn finish(world: &mut World) {
    for _ in 0..40 {
        calm(world, &[A, B, C, D, E, F, 12]);
        tick_openers(world);
        let writer = world.writers.len() - 1;
        world.writers[writer].core.on_tick();
        for node in 0..world.nodes.len() {
            world.gossip(node);
            world.pump(writer, node);
        }
    }
    let opened = world.openers.iter().all(|o| *o.core.state() == OpeningState::Open);
    let states: alloc::vec::Vec<_> = world.openers.iter().map(|o| o.core.state().clone()).collect();
    assert!(opened, "the volume did not open: {states:?} {:?}", world.openers[0].core.decision());
    world.truth.check_converged(&world.nodes, &world.memberships);
}

/// A record is on D, E and F and in A's queue when A is sealed by an opener that reaches A, B and C. If A's
/// flush still counted, the old writer would have its write quorum and the opener would know nothing of it.
fn flush_completes_after_seal(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[A, D, E, F]);
    flush(&mut world, &[D, E, F]);
    world.start_opener();
    world.blocked.clear();
    for node in [A, B, C] {
        let seal = |m: &(Party, Party, Message)| m.1 == Party::Segment(node) && m.0 == Party::Opener(0);
        let at = world.network.iter().position(seal).expect("a seal is under way");
        world.deliver(at, false);
        world.flush_control(node);
    }
    calm(&mut world, &[B, C]);
    let report = |m: &(Party, Party, Message)| m.0 == Party::Segment(A) && m.1 == Party::Opener(0);
    let at = world.network.iter().position(report).expect("A has reported");
    world.deliver(at, false);
    tick_openers(&mut world);
    flush(&mut world, &[A]);
    calm(&mut world, &[A, B, C, D, E, F]);
    finish(&mut world);
}

/// A, B and C have promised a newer epoch; A restarts; then the old writer reaches A, D, E and F.
fn promise_survives_restart(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[D, E, F]);
    flush(&mut world, &[D, E, F]);
    take_over(&mut world, &[A, B, C]);
    world.kill(A);
    world.restart(A);
    // The writer reconnects, is told the positions, and sends what A lacks.
    for _ in 0..3 {
        send_and_deliver(&mut world, 0, &[A]);
        flush(&mut world, &[A]);
        let answer = |m: &(Party, Party, Message)| m.0 == Party::Segment(A) && m.1 == Party::Writer(0);
        while let Some(at) = world.network.iter().position(answer) {
            world.deliver(at, false);
        }
    }
    calm(&mut world, &[D, E, F]);
    finish(&mut world);
}

/// As the first script, but A's log is flushed before its promise is: what A reports must be what it held
/// when the promise was durable, and nothing may be acknowledged in between and left out.
fn report_is_taken_after_promise(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[A, D, E, F]);
    flush(&mut world, &[D, E, F]);
    world.start_opener();
    world.blocked.clear();
    let seal = |m: &(Party, Party, Message)| m.1 == Party::Segment(A) && m.0 == Party::Opener(0);
    let at = world.network.iter().position(seal).expect("a seal is under way");
    world.deliver(at, false);
    flush(&mut world, &[A]);
    world.flush_control(A);
    calm(&mut world, &[A, B, C]);
    tick_openers(&mut world);
    calm(&mut world, &[A, B, C, D, E, F]);
    finish(&mut world);
}

/// A record that only A held is voided by a recovery that B took part in. Then a copy of it arrives at B,
/// sent by A in answer to B's gossip before all that.
fn late_gossip_revives_nothing(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[A]);
    flush(&mut world, &[A]);
    let question = world.nodes[B].core.as_ref().and_then(|c| c.gap_question(world.nodes[A].address));
    let question = question.expect("B may ask");
    world.with_node(A, |core| core.on_message(Party::Segment(B).origin(), Message::AskGaps(question)));
    world.serve(A);
    let fill = |m: &(Party, Party, Message)| matches!(m.2, Message::Fill(_));
    let at = world.network.iter().position(fill).expect("A answers");
    let late = world.network.remove(at);
    take_over(&mut world, &[B, C, D, E, F]);
    for _ in 0..3 {
        calm(&mut world, &[B, C, D, E, F]);
        tick_openers(&mut world);
    }
    assert_eq!(*world.openers[0].core.state(), OpeningState::Open);
    world.network.insert(0, late);
    world.deliver(0, false);
    flush(&mut world, &[B]);
    world.append_to(1, &[PageId::new(SEGMENT_PAGES)]);
    finish(&mut world);
}

/// A record is acknowledged by A, B, C and F. Then F is being replaced by the empty G, and the next opener
/// reaches D, E and G only.
fn joiner_counts_late(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[A, B, C, F]);
    flush(&mut world, &[A, B, C, F]);
    calm(&mut world, &[A, B, C, F]);
    let mut machine = world.begin_replacement(0, PgId::new(1), SegmentId::new(1 + F as u64));
    go_on(&mut world, &mut machine);
    let g = world.nodes.len() - 1;
    take_over(&mut world, &[D, E, g]);
    finish(&mut world);
}

/// F is about to be replaced by G, which joins at what is durable. Before the change is installed A, B, C and F take
/// another record. G gets all up to its join point from D and E, and so counts when the next opener reaches these three.
fn nothing_passes_the_join_point(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[A, B, C, D, E, F]);
    flush(&mut world, &[A, B, C, D, E, F]);
    calm(&mut world, &[A, B, C, D, E, F]);
    let mut machine = world.begin_replacement(0, PgId::new(1), SegmentId::new(1 + F as u64));
    append_and_deliver(&mut world, 0, &[A, B, C, F]);
    flush(&mut world, &[A, B, C, F]);
    calm(&mut world, &[A, B, C, F]);
    assert_eq!(go_on(&mut world, &mut machine), ReplacementState::Settling);
    let g = world.nodes.len() - 1;
    for _ in 0..10 {
        for node in [D, E, g] {
            world.pump(0, node);
        }
        // They hear of the membership, but not of the record.
        world.network.retain(|(_, to, m)| {
            !matches!((to, m), (Party::Segment(at), Message::Append(_)) if [D, E, g].contains(at))
        });
        world.gossip(g);
        world.network.retain(|(_, to, _)| may_pass(*to, &[D, E, g]));
        calm(&mut world, &[D, E, g]);
        world.writers[0].core.on_tick();
    }
    let joined = world.nodes[g].core.as_ref().is_some_and(|core| core.control().joined);
    assert!(joined, "it did not get to its join point");
    world.network.clear();
    take_over(&mut world, &[D, E, g]);
    finish(&mut world);
}

/// Takes a replacement as far as it gets without anybody being sent anything.
fn go_on(world: &mut World, machine: &mut ReplacementCore) -> ReplacementState {
    loop {
        let step = machine.next_step(&mut world.writers[0].core).expect("quorums overlap");
        let is_over = world.carry_out(0, machine, step.clone());
        if is_over || matches!(step, ReplacementState::Settling | ReplacementState::Filling) {
            return step;
        }
    }
}

/// Records are acknowledged by A, B, C and D while E and F lag. A's disk is wiped: it returns as the empty G. The
/// logs of its peers do not reach back far enough, so G needs pages. An opener that reaches only E, F and G must
/// wait as long as G is empty, and must find everything once G is complete.
fn wiped_while_two_lag(is_filled: bool) {
    let mut world = world(Planted::None);
    let up = [A, B, C, D];
    for node in [E, F] {
        // The writer keeps nothing for them; what they lack they must get from their peers.
        let address = world.nodes[node].address;
        world.writers[0].core.on_disconnected(address);
    }
    for _ in 0..3 {
        append_and_deliver(&mut world, 0, &up);
        flush(&mut world, &up);
        calm(&mut world, &up);
    }
    // VDL reaches the segments with the next batch; then there is something to be made into images.
    append_and_deliver(&mut world, 0, &up);
    flush(&mut world, &up);
    calm(&mut world, &up);
    let acknowledged = world.writers[0].core.vdl();
    up.iter().for_each(|n| world.trim(*n));
    world.nodes[A].core = None;
    world.nodes[A].log_dead = true;
    let mut machine = world.begin_replacement(0, PgId::new(1), SegmentId::new(1 + A as u64));
    assert_eq!(go_on(&mut world, &mut machine), ReplacementState::Settling);
    let g = world.nodes.len() - 1;
    if is_filled {
        for _ in 0..40 {
            // E and F hear of the membership, but of no record.
            for node in [B, C, D, E, F, g] {
                world.pump(0, node);
            }
            world.network.retain(|(_, to, m)| {
                !matches!((to, m), (Party::Segment(E | F), Message::Append(_) | Message::Fill(_)))
            });
            world.gossip(g);
            calm(&mut world, &[B, C, D, E, F, g]);
            world.writers[0].core.on_tick();
        }
        assert!(world.imaged > 0, "the peers' logs do not reach back");
        let step = go_on(&mut world, &mut machine);
        assert_eq!(
            step,
            ReplacementState::Settling,
            "{:?}",
            world.writers[0].core.segments(PgId::new(1)).collect::<alloc::vec::Vec<_>>()
        );
    }
    world.network.clear();
    take_over(&mut world, &[E, F, g]);
    tick_openers(&mut world);
    let decision = world.openers[0].core.decision().cloned();
    assert_eq!(decision.is_some(), is_filled, "an empty voter counted, or a full one did not");
    assert!(decision.is_none_or(|d| d.vdl >= acknowledged));
    finish(&mut world);
}

/// A record is on D, E and F only, and the next opener reaches A, B and C only.
fn three_are_no_write_quorum(planted: Planted) {
    let mut world = world(planted);
    append_and_deliver(&mut world, 0, &[D, E, F]);
    flush(&mut world, &[D, E, F]);
    calm(&mut world, &[D, E, F]);
    take_over(&mut world, &[A, B, C]);
    finish(&mut world);
}

fn check(planted: Planted, script: fn(Planted)) {
    script(Planted::None);
    let noticed = catch_unwind(AssertUnwindSafe(|| script(planted))).is_err();
    assert!(noticed, "{planted:?} was not noticed");
}

#[test]
fn a_read_quorum_of_acknowledgements_is_too_few() {
    check(Planted::AckAtReadQuorum, three_are_no_write_quorum);
}

#[test]
fn flushes_after_a_seal_do_not_count() {
    check(Planted::EpochCheckedOnlyAtReceipt, flush_completes_after_seal);
}

#[test]
fn promises_survive_restarts() {
    check(Planted::VolatileEpoch, promise_survives_restart);
}

#[test]
fn reports_are_taken_after_the_promise() {
    check(Planted::ReportBeforeSeal, report_is_taken_after_promise);
}

#[test]
fn late_gossip_is_refused() {
    check(Planted::StaleGossipTaken, late_gossip_revives_nothing);
}

#[test]
fn a_joiner_does_not_vote() {
    check(Planted::JoinerCountsEarly, joiner_counts_late);
}

#[test]
fn nothing_is_acknowledged_behind_the_back_of_a_joiner() {
    check(Planted::JoinPointPassed, nothing_passes_the_join_point);
}

#[test]
fn one_wiped_while_two_lag_loses_nothing() {
    wiped_while_two_lag(false);
    wiped_while_two_lag(true);
}
