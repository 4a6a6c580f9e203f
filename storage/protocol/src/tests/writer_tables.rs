//! One writer: how it numbers, what it sends, when it believes.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MembershipEpoch, PageId, PgId, VolumeEpoch, records};

use super::rng::Rng;
use super::{lsn, member, six, some_ops};
use crate::geometry::VolumeGeometry;
use crate::history::History;
use crate::ids::{RequestId, SegmentId};
use crate::message::*;
use crate::refusal::Refusal;
use crate::writer::{GroupStart, MIN_UNACKED_BYTES, NewRecord, WriterCore, WriterEvent, WriterStart};

const EPOCH: VolumeEpoch = VolumeEpoch::new(3);

/// A writer of two groups of a hundred pages, recovered at VDL 9, with 10 to 50 voided.
fn start() -> WriterStart {
    let history = History::new(VolumeEpoch::new(1));
    let history = history.extended(EPOCH, lsn(9), lsn(50)).expect("a history");
    let group = |first, tail| GroupStart { membership: six(first), tail: lsn(tail) };
    WriterStart {
        volume_epoch: EPOCH,
        geometry: VolumeGeometry::new(100).expect("a geometry"),
        history: Arc::new(history),
        vdl: lsn(9),
        read_floor: lsn(4),
        groups: vec![group(1, 9), group(7, 6)],
        allocation_limit: 100,
        max_unacked_bytes: MIN_UNACKED_BYTES,
        max_straggler_bytes: 0,
    }
}

fn to(segment: u64) -> Address {
    Address { pg: PgId::new(((segment - 1) / 6) as u32), segment: SegmentId::new(segment) }
}

/// Connects a segment that has the history and holds everything up to `scl`.
fn connect(core: &mut WriterCore, segment: u64, scl: u64) {
    core.on_connected(to(segment));
    assert!(matches!(core.poll_send(to(segment)), Some(Message::AskStatus(_))));
    core.on_message(&Message::Status(status(segment, scl, 3, 1)));
}

fn status(segment: u64, scl: u64, history: u64, membership: u64) -> Status {
    Status {
        from: to(segment),
        request: RequestId::new(1),
        volume_epoch: VolumeEpoch::new(history),
        history_epoch: VolumeEpoch::new(history),
        membership_epoch: MembershipEpoch::new(membership),
        scl: lsn(scl),
        highest_received: lsn(scl),
        persisted_vdl: lsn(0),
        coalesced: lsn(0),
        read_floor: lsn(0),
        joined: true,
        clean: true,
    }
}

fn writer() -> WriterCore {
    let mut core = WriterCore::open(start());
    (1..=6).for_each(|s| connect(&mut core, s, 9));
    (7..=12).for_each(|s| connect(&mut core, s, 6));
    core
}

/// Appends one mini-transaction that changes these pages; returns its first and last LSN.
fn append(core: &mut WriterCore, pages: &[u64]) -> (u64, u64) {
    let ops = some_ops();
    let budget = core.reserve(pages.len() as u32, (ops.as_bytes().len() * pages.len()) as u64);
    let records = pages.iter().map(|page| NewRecord {
        page: PageId::new(*page),
        prev_page_lsn: Lsn::ZERO,
        ops: ops.as_bytes(),
    });
    let mtr = core.append(budget.expect("there is room"), records, |_, _| {});
    (mtr.first.get(), mtr.cpl.get())
}

fn ack(core: &mut WriterCore, segment: u64, scl: u64) -> WriterEvent {
    core.on_message(&Message::AppendAck(AppendAck { from: to(segment), volume_epoch: EPOCH, scl: lsn(scl) }))
}

fn acks(core: &mut WriterCore, segments: core::ops::RangeInclusive<u64>, scl: u64) {
    segments.for_each(|s| _ = ack(core, s, scl));
}

fn appends(core: &mut WriterCore, segment: u64) -> Vec<Append> {
    let mut sent = Vec::new();
    while let Some(message) = core.poll_send(to(segment)) {
        let Message::Append(append) = message else { panic!("not an append: {message:?}") };
        sent.push(append);
    }
    sent
}

/// First and last LSN of what is sent.
fn ranges(core: &mut WriterCore, segment: u64) -> Vec<(u64, u64)> {
    let batches = appends(core, segment).into_iter().filter_map(|a| a.batch);
    batches.map(|b| (b.summary().first().get(), b.summary().last().get())).collect()
}

#[test]
fn records_are_numbered_and_linked() {
    let mut core = writer();
    assert_eq!(append(&mut core, &[1, 150, 2]), (51, 53), "above everything voided");
    assert_eq!(append(&mut core, &[160]), (54, 54));
    let (mut links, mut cpls) = (Vec::new(), Vec::new());
    for segment in [1, 7] {
        let [append] = &appends(&mut core, segment)[..] else { panic!("one batch each") };
        assert_eq!((append.vdl, append.read_floor), (lsn(9), lsn(4)));
        let batch = append.batch.as_ref().expect("records");
        for record in records(batch.bytes()) {
            let header = *record.expect("a record").header();
            links.push((header.lsn.get(), header.prev_pg_lsn.get(), header.prev_volume_lsn.get()));
            cpls.extend(header.flags.is_cpl().then_some(header.lsn.get()));
        }
    }
    assert_eq!(links, [(51, 9, 9), (53, 51, 52), (52, 6, 51), (54, 52, 53)]);
    assert_eq!(cpls, [53, 54]);
}

/// With PGCLs 103 and 104 over all records, VCL is 104: a group without newer records holds nothing back.
#[test]
fn vcl_and_vdl_follow_pgcls() {
    // Acknowledged in group 0 and 1; then VCL, VDL, and the groups' tails.
    let table = [
        (51, 6, 51, 9, [9, 6]),
        (53, 6, 51, 9, [9, 6]),
        (53, 52, 53, 53, [53, 52]),
        (53, 54, 54, 54, [53, 54]),
        // The newest mini-transaction lies in group 0 and spans 55 to 57.
        (55, 54, 55, 54, [53, 54]),
        (56, 54, 56, 54, [53, 54]),
        (57, 54, 57, 57, [57, 54]),
    ];
    for (zero, one, vcl, vdl, tails) in table {
        let mut core = writer();
        append(&mut core, &[1, 150, 2]);
        append(&mut core, &[160]);
        append(&mut core, &[1, 2, 3]);
        acks(&mut core, 1..=4, zero);
        acks(&mut core, 7..=10, one);
        assert_eq!((core.vcl(), core.vdl()), (lsn(vcl), lsn(vdl)), "{zero} {one}");
        let found = [0, 1].map(|pg| core.pg_tail(PgId::new(pg)).expect("a group").get());
        assert_eq!(found, tails, "{zero} {one}");
    }
}

#[test]
fn four_of_six_are_needed() {
    let mut core = writer();
    append(&mut core, &[1]);
    let events: Vec<WriterEvent> = [1, 2, 2, 3, 4, 5].map(|s| ack(&mut core, s, 51)).to_vec();
    let nothing = WriterEvent::Nothing;
    assert_eq!(events, [nothing, nothing, nothing, nothing, WriterEvent::VdlAdvanced, nothing]);
    assert_eq!(core.pgcl(PgId::new(0)), Some(lsn(51)));
    assert_eq!(core.complete_segments(PgId::new(0), lsn(51)).count(), 5);
    assert_eq!(core.complete_segments(PgId::new(1), lsn(51)).count(), 6, "an idle group is complete");
}

#[test]
fn acknowledgements_that_do_not_count() {
    let mut core = writer();
    append(&mut core, &[1]);
    let from = to(1);
    let old = AppendAck { from, volume_epoch: VolumeEpoch::new(2), scl: lsn(51) };
    assert_eq!(core.on_ack(&old), WriterEvent::Nothing);
    assert_eq!(core.segments(PgId::new(0)).next().map(|s| s.scl), Some(lsn(9)));
    assert_eq!(ack(&mut core, 1, 52), WriterEvent::Contradiction(from), "more than was written");
    let stranger = Address { segment: SegmentId::new(99), ..from };
    let ack = AppendAck { from: stranger, volume_epoch: EPOCH, scl: lsn(51) };
    assert_eq!(core.on_ack(&ack), WriterEvent::Nothing);
    let newer = AppendAck { from, volume_epoch: VolumeEpoch::new(4), scl: lsn(51) };
    assert_eq!(core.on_ack(&newer), WriterEvent::Fenced { by: VolumeEpoch::new(4) });
    acks(&mut core, 1..=6, 51);
    assert_eq!(core.vdl(), lsn(9), "a fenced writer acknowledges nothing more");
    assert!(core.poll_send(from).is_none());
}

#[test]
fn allocation_is_limited() {
    let mut core = writer();
    // The base is 50, the end of the voided range, although VDL is 9: 51 to 150 may be allocated.
    assert!(core.can_allocate(100, 0) && !core.can_allocate(101, 0));
    let pages: Vec<u64> = (0..60).collect();
    append(&mut core, &pages);
    let held = core.reserve(40, 0).expect("the rest");
    assert_eq!(core.reserve(1, 0), None, "the rest is taken");
    core.release(held);
    assert!(core.reserve(40, 0).is_some_and(|b| {
        core.release(b);
        true
    }));
    acks(&mut core, 1..=4, 110);
    assert_eq!((core.vdl(), core.can_allocate(100, 0), core.can_allocate(101, 0)), (lsn(110), true, false));
}

#[test]
fn unacknowledged_bytes_are_limited() {
    let mut core = writer();
    let all = core.reserve(1, MIN_UNACKED_BYTES * 2).expect("the first one always passes");
    assert_eq!(core.reserve(1, 1), None);
    core.release(all);
    append(&mut core, &[1, 150]);
    let unacked = core.unacked_bytes();
    assert!(unacked > 0);
    assert!(core.can_allocate(1, MIN_UNACKED_BYTES - unacked));
    assert!(!core.can_allocate(1, MIN_UNACKED_BYTES - unacked + 1));
    (1..=12).for_each(|s| _ = appends(&mut core, s));
    acks(&mut core, 1..=4, 51);
    assert!(core.unacked_bytes() < unacked);
    acks(&mut core, 7..=10, 52);
    assert_eq!(core.unacked_bytes(), 0);
}

#[test]
fn a_batch_fills_until_it_leaves() {
    let mut core = writer();
    append(&mut core, &[1]);
    append(&mut core, &[2]);
    assert_eq!(ranges(&mut core, 1), [(51, 52)]);
    append(&mut core, &[3]);
    append(&mut core, &[4]);
    assert_eq!(ranges(&mut core, 2), [(51, 52), (53, 54)]);
    assert_eq!(ranges(&mut core, 1), [(53, 54)]);
    assert!(!core.has_pending(to(1)) && core.has_pending(to(3)));
}

#[test]
fn what_is_lost_is_sent_again() {
    let mut core = writer();
    append(&mut core, &[1]);
    assert_eq!(ranges(&mut core, 1), [(51, 51)]);
    append(&mut core, &[2]);
    assert_eq!(ranges(&mut core, 1), [(52, 52)]);
    core.on_tick();
    assert_eq!(ranges(&mut core, 1), [], "it may still be on its way");
    core.on_tick();
    assert_eq!(ranges(&mut core, 1), [(51, 51), (52, 52)]);
    ack(&mut core, 1, 51);
    core.on_disconnected(to(1));
    append(&mut core, &[3]);
    assert_eq!(ranges(&mut core, 1), []);
    connect(&mut core, 1, 51);
    assert_eq!(ranges(&mut core, 1), [(52, 52), (53, 53)], "from above its SCL on");
}

#[test]
fn batches_wait_for_slower_segments_within_bounds() {
    for (max_straggler_bytes, expected) in [(0, vec![]), (1 << 20, vec![(51, 51)])] {
        let mut core = WriterCore::open(WriterStart { max_straggler_bytes, ..start() });
        (1..=6).for_each(|s| connect(&mut core, s, 9));
        append(&mut core, &[1]);
        (1..=4).for_each(|s| _ = appends(&mut core, s));
        acks(&mut core, 1..=4, 51);
        assert_eq!(core.unacked_bytes(), 0, "they count no longer");
        assert_eq!(ranges(&mut core, 5), expected, "{max_straggler_bytes}");
    }
}

#[test]
fn a_segment_that_missed_the_recovery_gets_the_history_first() {
    let mut core = WriterCore::open(start());
    core.on_connected(to(1));
    core.poll_send(to(1));
    append(&mut core, &[1]);
    // It counts voided records: its SCL means nothing yet.
    assert_eq!(core.on_message(&Message::Status(status(1, 30, 2, 1))), WriterEvent::Wake(to(1)));
    assert_eq!(core.segments(PgId::new(0)).next().map(|s| s.scl), Some(Lsn::ZERO));
    let Some(Message::WriteHistory(write)) = core.poll_send(to(1)) else { panic!("the history is due") };
    assert_eq!((write.volume_epoch, write.history.end()), (EPOCH, lsn(50)));
    assert!(core.poll_send(to(1)).is_none(), "nothing else before it is durable");
    core.on_tick();
    assert!(matches!(core.poll_send(to(1)), Some(Message::WriteHistory(_))), "asked again when lost");
    let written = HistoryWritten {
        from: to(1),
        request: write.request,
        volume_epoch: EPOCH,
        history_epoch: EPOCH,
        scl: lsn(9),
    };
    assert_eq!(core.on_message(&Message::HistoryWritten(written)), WriterEvent::Wake(to(1)));
    assert!(matches!(core.poll_send(to(1)), Some(Message::AskStatus(_))));
    core.on_message(&Message::Status(status(1, 9, 3, 1)));
    assert_eq!(ranges(&mut core, 1), [(51, 51)]);
}

#[test]
fn refusals_are_acted_on() {
    let refused = |reason| Message::Refused(Refused { from: to(1), request: RequestId::new(0), reason });
    let table = [
        (
            Refusal::Fenced { current: VolumeEpoch::new(4) },
            WriterEvent::Fenced { by: VolumeEpoch::new(4) },
            false,
        ),
        (Refusal::Fenced { current: EPOCH }, WriterEvent::Nothing, true),
        (Refusal::NeedHistory { installed: VolumeEpoch::new(1) }, WriterEvent::Wake(to(1)), true),
        (Refusal::NeedMembership { installed: MembershipEpoch::new(0) }, WriterEvent::Wake(to(1)), true),
        (Refusal::LogDead, WriterEvent::SegmentFailed(to(1), Refusal::LogDead), false),
        (Refusal::UnknownSegment, WriterEvent::SegmentFailed(to(1), Refusal::UnknownSegment), false),
        (Refusal::BadRecords, WriterEvent::Contradiction(to(1)), true),
        (Refusal::OutOfSpace, WriterEvent::Nothing, true),
    ];
    for (reason, expected, goes_on) in table {
        let mut core = writer();
        append(&mut core, &[1]);
        assert_eq!(core.on_message(&refused(reason)), expected, "{reason}");
        assert_eq!(core.has_pending(to(1)), goes_on, "{reason}");
    }
}

#[test]
fn positions_are_announced_without_records() {
    let mut core = writer();
    append(&mut core, &[1]);
    (1..=6).for_each(|s| _ = appends(&mut core, s));
    acks(&mut core, 1..=4, 51);
    core.set_read_floor(lsn(51));
    core.announce_positions();
    let [only] = &appends(&mut core, 1)[..] else { panic!("one notice") };
    assert_eq!(
        (only.vdl, only.pg_tail, only.read_floor, only.batch.is_none()),
        (lsn(51), lsn(51), lsn(51), true)
    );
}

/// While F is being replaced by G, records must reach a write quorum of both outcomes.
#[test]
fn a_membership_change_needs_both_write_quorums() {
    let pg = PgId::new(0);
    let mut core = writer();
    let next = six(1).replacing(SegmentId::new(6), member(20, 9)).expect("a change");
    core.change_membership(pg, Arc::new(next.clone()));
    let g = Address { pg, segment: SegmentId::new(20) };
    append(&mut core, &[1]);
    for segment in 1..=6 {
        let sent = core.poll_send(to(segment));
        assert!(matches!(sent, Some(Message::WriteMembership(_))), "{sent:?}");
        if segment != 2 {
            core.on_message(&Message::MembershipWritten(MembershipWritten {
                from: to(segment),
                request: RequestId::new(1),
                membership_epoch: MembershipEpoch::new(2),
            }));
        }
    }
    assert_eq!(core.membership(pg).map(|m| m.epoch()), Some(MembershipEpoch::new(2)), "1, 3, 4, 5 have it");
    for segment in [1, 2, 3, 6] {
        ack(&mut core, segment, 51);
    }
    assert_eq!(core.vdl(), lsn(9), "four of ABCDEF, three of ABCDEG");
    core.on_connected(g);
    core.poll_send(g);
    core.on_message(&Message::Status(Status { from: g, ..status(1, 51, 3, 2) }));
    assert_eq!(core.vdl(), lsn(51));
    core.change_membership(pg, Arc::new(next.without(SegmentId::new(6)).expect("complete")));
    for segment in [1, 3, 4, 5] {
        core.poll_send(to(segment));
        core.on_message(&Message::MembershipWritten(MembershipWritten {
            from: to(segment),
            request: RequestId::new(1),
            membership_epoch: MembershipEpoch::new(3),
        }));
    }
    let left: Vec<u64> = core.segments(pg).map(|s| s.segment.get()).collect();
    assert_eq!(left, [1, 2, 3, 4, 5, 20]);
}

#[test]
fn a_volume_grows() {
    let mut core = writer();
    assert_eq!(core.add_group(six(13)), PgId::new(2));
    (13..=18).for_each(|s| connect(&mut core, s, 0));
    append(&mut core, &[250, 1]);
    assert_eq!(ranges(&mut core, 13), [(51, 51)]);
    acks(&mut core, 13..=16, 51);
    acks(&mut core, 1..=4, 52);
    assert_eq!(core.vdl(), lsn(52));
}

/// Random acknowledgements against the definitions of PGCL, VCL and VDL.
#[test]
fn positions_agree_with_their_definitions() {
    let mut rng = Rng::new(21);
    for _ in 0..200 {
        let mut core = writer();
        // Every record: LSN, group; and which end a mini-transaction.
        let (mut written, mut cpls) = (Vec::new(), vec![9]);
        let mut scls = [9, 9, 9, 9, 9, 9, 6, 6, 6, 6, 6, 6];
        for _ in 0..60 {
            if rng.percent(40) && core.can_allocate(8, 1000) {
                let pages: Vec<u64> = (0..1 + rng.below(4)).map(|_| rng.below(200) as u64).collect();
                let (first, cpl) = append(&mut core, &pages);
                written.extend((first..).zip(&pages).map(|(l, page)| (l, page / 100)));
                cpls.push(cpl);
            }
            let segment = rng.below(12);
            let group = segment as u64 / 6;
            let mine: Vec<u64> = written.iter().filter(|w| w.1 == group).map(|w| w.0).collect();
            if !mine.is_empty() {
                let scl = mine[rng.below(mine.len())];
                scls[segment] = scls[segment].max(scl);
                ack(&mut core, segment as u64 + 1, scl);
            }
            let pgcl = |group: u64| {
                let mut six = scls[group as usize * 6..group as usize * 6 + 6].to_vec();
                six.sort_unstable();
                six[2]
            };
            let first_missing = written.iter().find(|(l, group)| *l > pgcl(*group));
            let before = first_missing.map_or(u64::MAX, |(l, _)| *l);
            let vcl = written.iter().map(|w| w.0).filter(|l| *l < before).max().unwrap_or(9);
            let vdl = cpls.iter().copied().filter(|c| *c <= vcl).max().unwrap_or(9);
            assert_eq!((core.vcl(), core.vdl()), (lsn(vcl), lsn(vdl)), "{scls:?} {written:?}");
            for group in [0, 1] {
                let floor = if group == 0 { 9 } else { 6 };
                let tail = written.iter().filter(|w| w.1 == group && w.0 <= vdl).map(|w| w.0).max();
                assert_eq!(core.pg_tail(PgId::new(group as u32)), Some(lsn(tail.unwrap_or(floor))));
            }
        }
    }
}
