//! One segment: what it counts, when it answers, what it refuses.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;
use redoubt_page::{Lsn, MembershipEpoch, PageId, PgId, VolumeEpoch};

use super::rng::Rng;
use super::{lsn, member, run_of, six};
use crate::batch::RecordBatch;
use crate::control::ControlState;
use crate::geometry::Membership;
use crate::history::History;
use crate::ids::{ControlToken, Origin, PersistToken, RequestId, SegmentId, VolumeId};
use crate::message::*;
use crate::refusal::Refusal;
use crate::segment::{Output, RestorePoint, SegmentCore};

pub(super) const WRITER: Origin = Origin::new(1);
pub(super) const OTHER: Origin = Origin::new(2);
pub(super) const REQUEST: RequestId = RequestId::new(40);

pub(super) fn address() -> Address {
    Address { pg: PgId::new(0), segment: SegmentId::new(1) }
}

pub(super) fn epoch(raw: u64) -> VolumeEpoch {
    VolumeEpoch::new(raw)
}

fn create(volume_epoch: u64, membership: Arc<Membership>) -> CreateSegment {
    CreateSegment {
        to: address(),
        request: REQUEST,
        volume: VolumeId::new([1; 16]),
        segment_pages: 100,
        volume_epoch: epoch(volume_epoch),
        history: Arc::new(History::new(epoch(volume_epoch))),
        membership,
    }
}

/// A segment just created under volume epoch 3.
pub(super) fn segment() -> SegmentCore {
    let control = ControlState::created(&create(3, six(1))).expect("a member");
    SegmentCore::restore(control, RestorePoint::default())
}

pub(super) fn append_at(volume: u64, vdl: u64, batch: Option<RecordBatch>) -> Append {
    Append {
        to: address(),
        epochs: Epochs { volume: epoch(volume), membership: MembershipEpoch::new(1) },
        vdl: lsn(vdl),
        pg_tail: lsn(vdl),
        read_floor: lsn(0),
        batch,
    }
}

pub(super) fn append(core: &mut SegmentCore, prev: u64, first: u64, last: u64) {
    core.on_append(WRITER, append_at(3, 0, Some(run_of(prev, first, last))));
}

/// The outputs, one word each: `log 1: 5..9`, `control 1`, `ack@1 9`, `no@2 Behind...`.
pub(super) fn said(core: &mut SegmentCore) -> String {
    let mut words = String::new();
    while let Some(output) = core.poll_output() {
        let separator = if words.is_empty() { "" } else { ", " };
        let written = match output {
            Output::PersistRecords { token, batch: Some(b), .. } => {
                write!(words, "{separator}log {token}: {}..{}", b.summary().first(), b.summary().last())
            }
            Output::PersistRecords { token, batch: None, positions } => {
                write!(words, "{separator}log {token}: VDL {}", positions.vdl)
            }
            Output::PersistControl { token, .. } => write!(words, "{separator}control {token}"),
            Output::Discard { token } => write!(words, "{separator}discard {token}"),
            Output::HistoryInForce { scl, .. } => write!(words, "{separator}history, SCL {scl}"),
            Output::ServePage { to, .. } => write!(words, "{separator}page@{to}"),
            Output::ServeRecords { to, after, upto, .. } => {
                write!(words, "{separator}records@{to} {after}..{upto}")
            }
            Output::ServeImages { to, offer } => {
                let Images { at, pg_tail, above, first_page, .. } = offer;
                write!(words, "{separator}images@{to} {above}..{pg_tail} at {at} from {first_page}")
            }
            Output::StageImages { is_first, images, .. } => {
                write!(words, "{separator}stage {}{}", if is_first { "anew " } else { "" }, images.len())
            }
            Output::CommitImages { token, point } => {
                write!(words, "{separator}commit {token}: {} at {}", point.linked, point.persisted_vdl)
            }
            Output::Send { to, message } => {
                write!(words, "{separator}{}@{to} {}", name(&message), what(&message))
            }
        };
        written.expect("a string takes everything");
    }
    words
}

fn name(message: &Message) -> &'static str {
    match message {
        Message::AppendAck(_) => "ack",
        Message::Refused(_) => "no",
        Message::SealReport(_) => "report",
        Message::HistoryWritten(_) => "history",
        Message::MembershipWritten(_) => "membership",
        Message::Status(_) => "status",
        Message::AskImages(_) => "ask",
        _ => "something else",
    }
}

fn what(message: &Message) -> String {
    match message {
        Message::AppendAck(m) => alloc::format!("{}", m.scl),
        Message::Refused(m) => alloc::format!("{:?}", m.reason),
        Message::SealReport(m) => alloc::format!("{} of {}", m.scl, m.volume_epoch),
        Message::HistoryWritten(m) => alloc::format!("{} of {}", m.scl, m.history_epoch),
        Message::MembershipWritten(m) => alloc::format!("{}", m.membership_epoch),
        Message::Status(m) => alloc::format!("{}", m.scl),
        Message::AskImages(m) => alloc::format!("{}..{} at {}", m.above, m.first_page, m.at),
        _ => String::new(),
    }
}

pub(super) fn check(core: &mut SegmentCore, expected: &str) {
    assert_eq!(said(core), expected);
}

pub(super) fn persisted(core: &mut SegmentCore, token: u64) {
    core.on_persisted(PersistToken::new(token));
}

fn control_persisted(core: &mut SegmentCore, token: u64) {
    core.on_control_persisted(ControlToken::new(token));
}

fn seal(core: &mut SegmentCore, volume_epoch: u64) {
    let seal = Seal { to: address(), request: REQUEST, volume_epoch: epoch(volume_epoch) };
    core.on_message(OTHER, Message::Seal(seal));
}

fn write_history(core: &mut SegmentCore, volume_epoch: u64, history: &History) {
    let write = WriteHistory {
        to: address(),
        request: REQUEST,
        volume_epoch: epoch(volume_epoch),
        history: Arc::new(history.clone()),
    };
    core.on_message(OTHER, Message::WriteHistory(write));
}

#[test]
fn an_acknowledgement_follows_the_flush() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    check(&mut core, "log 1: 1..5");
    append(&mut core, 5, 6, 9);
    check(&mut core, "log 2: 6..9");
    assert_eq!(core.scl(), Lsn::ZERO);
    persisted(&mut core, 1);
    check(&mut core, "ack@1 5");
    append(&mut core, 9, 10, 12);
    persisted(&mut core, 3);
    check(&mut core, "log 3: 10..12, ack@1 12");
}

#[test]
fn gaps_are_not_counted_over() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    append(&mut core, 9, 10, 12);
    append(&mut core, 20, 21, 22);
    persisted(&mut core, 3);
    check(&mut core, "log 1: 1..5, log 2: 10..12, log 3: 21..22, ack@1 5");
    assert!(core.has_gap());
    let question = core.gap_question(address()).expect("it may ask");
    assert_eq!((question.scl, question.upto), (lsn(5), lsn(9)));
    // A peer sends more than the gap; only what is missing goes to the log.
    let fill = Fill {
        to: address(),
        epochs: Epochs { volume: epoch(3), membership: MembershipEpoch::new(1) },
        source: FillSource::Peer,
        batch: run_of(3, 4, 15),
    };
    core.on_message(OTHER, Message::Fill(fill));
    check(&mut core, "log 4: 6..9, log 5: 13..15");
    persisted(&mut core, 5);
    check(&mut core, "ack@2 15, ack@1 15");
    append(&mut core, 15, 16, 20);
    persisted(&mut core, 6);
    check(&mut core, "log 6: 16..20, ack@1 22");
    assert!(!core.has_gap());
}

#[test]
fn repeated_records_are_answered_not_logged() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    append(&mut core, 0, 1, 5);
    check(&mut core, "log 1: 1..5, ack@1 0");
    persisted(&mut core, 1);
    append(&mut core, 0, 1, 5);
    append(&mut core, 2, 3, 8);
    check(&mut core, "ack@1 5, ack@1 5, log 2: 6..8");
}

#[test]
fn contradictions_are_refused() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    append(&mut core, 8, 9, 10);
    check(&mut core, "log 1: 1..5, log 2: 9..10");
    // (previous, first, last): another successor of a record held, or one that ends inside what is held.
    for (prev, first, last) in [(3, 6, 7), (7, 11, 12), (5, 6, 8)] {
        append(&mut core, prev, first, last);
        let expected = if (prev, first) == (5, 6) { "log 3: 6..8" } else { "no@1 BadRecords" };
        check(&mut core, expected);
    }
    let foreign = super::batch_of(1, 10, &[(11, 10, true)]);
    core.on_append(WRITER, append_at(3, 0, Some(foreign)));
    check(&mut core, "no@1 BadRecords");
    let floor_above_vdl = Append { read_floor: lsn(5), ..append_at(3, 4, None) };
    core.on_append(WRITER, floor_above_vdl);
    check(&mut core, "no@1 BadRecords");
}

#[test]
fn positions_are_persisted_alone_when_they_are_news() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    persisted(&mut core, 1);
    said(&mut core);
    core.on_append(WRITER, append_at(3, 5, None));
    check(&mut core, "log 2: VDL 5");
    assert_eq!(core.coalesce_limit(), Lsn::ZERO);
    persisted(&mut core, 2);
    check(&mut core, "ack@1 5");
    assert_eq!(core.coalesce_limit(), lsn(5));
    core.on_append(WRITER, append_at(3, 5, None));
    check(&mut core, "ack@1 5");
}

#[test]
fn a_seal_fences_what_is_not_yet_durable() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    append(&mut core, 5, 6, 9);
    persisted(&mut core, 1);
    check(&mut core, "log 1: 1..5, log 2: 6..9, ack@1 5");
    seal(&mut core, 4);
    check(&mut core, "discard 2, control 1");
    append(&mut core, 9, 10, 11);
    check(&mut core, "no@1 Fenced { current: VolumeEpoch(4) }");
    persisted(&mut core, 2);
    check(&mut core, "");
    control_persisted(&mut core, 1);
    check(&mut core, "report@2 5 of 4");
    seal(&mut core, 4);
    check(&mut core, "report@2 5 of 4");
    seal(&mut core, 3);
    check(&mut core, "no@2 Fenced { current: VolumeEpoch(4) }");
    // Sealed is not open: nothing is taken before the epoch's history is here.
    core.on_append(WRITER, append_at(4, 0, Some(run_of(5, 6, 9))));
    check(&mut core, "no@1 NeedHistory { installed: VolumeEpoch(3) }");
}

#[test]
fn an_overtaken_promise_is_not_reported() {
    let mut core = segment();
    seal(&mut core, 4);
    seal(&mut core, 5);
    control_persisted(&mut core, 1);
    check(&mut core, "control 1, control 2, no@2 Fenced { current: VolumeEpoch(5) }");
    control_persisted(&mut core, 2);
    check(&mut core, "report@2 0 of 5");
}

#[test]
fn reports_tell_the_chain_above_the_persisted_vdl() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    core.on_append(WRITER, append_at(3, 3, Some(run_of(5, 6, 9))));
    append(&mut core, 12, 13, 14);
    persisted(&mut core, 3);
    seal(&mut core, 4);
    control_persisted(&mut core, 1);
    let mut report = None;
    while let Some(output) = core.poll_output() {
        if let Output::Send { message: Message::SealReport(found), .. } = output {
            report = Some(found);
        }
    }
    let report = report.expect("a report");
    assert_eq!((report.scl, report.persisted_vdl, report.chain_base), (lsn(9), lsn(3), lsn(3)));
    let runs: Vec<_> = report.chain.iter().map(|r| (r.prev_volume, r.first, r.last)).collect();
    assert_eq!(runs, [(lsn(3), lsn(4), lsn(9))]);
    assert_eq!(report.cpls, [lsn(5), lsn(9)]);
}

#[test]
fn a_history_voids_what_it_says() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    append(&mut core, 5, 6, 9);
    append(&mut core, 12, 13, 14);
    persisted(&mut core, 3);
    said(&mut core);
    let history = History::new(epoch(3)).extended(epoch(4), lsn(7), lsn(100)).expect("a history");
    write_history(&mut core, 4, &history);
    check(&mut core, "control 1");
    assert_eq!(core.scl(), lsn(9), "nothing happens before it is durable");
    control_persisted(&mut core, 1);
    check(&mut core, "history, SCL 7, history@2 7 of 4");
    assert!(!core.has_gap());
    core.on_append(WRITER, append_at(4, 0, Some(run_of(7, 8, 9))));
    check(&mut core, "no@1 BadRecords");
    let live = super::batch_of(0, 7, &[(101, 7, true)]);
    core.on_append(WRITER, append_at(4, 0, Some(live)));
    check(&mut core, "log 4: 101..101");
    write_history(&mut core, 3, &History::new(epoch(3)));
    check(&mut core, "no@2 Fenced { current: VolumeEpoch(4) }");
    write_history(&mut core, 4, &history);
    check(&mut core, "history@2 7 of 4");
}

/// A recovery may take back a history whose recovery never opened; nothing else goes back.
#[test]
fn histories_are_ordered_by_their_writer_first() {
    let mut core = segment();
    let unopened = History::new(epoch(3)).extended(epoch(4), lsn(7), lsn(100)).expect("a history");
    let (base, last) = (History::new(epoch(3)), History::new(epoch(3)));
    let last = last.extended(epoch(5), lsn(9), lsn(120)).expect("a history");
    // Who writes which; what is in force afterwards.
    let table =
        [(4, &unopened, 4), (5, &base, 3), (5, &unopened, 4), (5, &base, 4), (5, &last, 5), (5, &base, 5)];
    for (at, (writer, history, expected)) in (1..).zip(table) {
        write_history(&mut core, writer, history);
        control_persisted(&mut core, at);
        said(&mut core);
        assert_eq!(core.control().history.epoch(), epoch(expected), "row {at}");
    }
    write_history(&mut core, 5, &History::new(epoch(6)));
    check(&mut core, "no@2 BadRecords");
}

#[test]
fn recovery_copies_need_the_promise_only() {
    let mut core = segment();
    seal(&mut core, 4);
    control_persisted(&mut core, 1);
    said(&mut core);
    let fill = |volume: u64, source| Fill {
        to: address(),
        epochs: Epochs { volume: epoch(volume), membership: MembershipEpoch::new(1) },
        source,
        batch: run_of(0, 1, 3),
    };
    let table = [
        (3, FillSource::Recovery, "no@2 Fenced { current: VolumeEpoch(4) }"),
        (5, FillSource::Recovery, "no@2 NeedHistory { installed: VolumeEpoch(3) }"),
        (4, FillSource::Peer, "no@2 NeedHistory { installed: VolumeEpoch(3) }"),
        (4, FillSource::Recovery, "log 1: 1..3"),
    ];
    for (volume, source, expected) in table {
        core.on_message(OTHER, Message::Fill(fill(volume, source)));
        check(&mut core, expected);
    }
    persisted(&mut core, 1);
    check(&mut core, "ack@2 3");
    let fetch = |volume: u64, upto: u64| FetchRecords {
        to: address(),
        request: REQUEST,
        volume_epoch: epoch(volume),
        after: lsn(0),
        upto: lsn(upto),
        max_bytes: 100,
    };
    for (volume, upto, expected) in [
        (4, 3, "records@2 0..3"),
        (4, 4, "no@2 Behind { scl: Lsn(3) }"),
        (3, 3, "no@2 Fenced { current: VolumeEpoch(4) }"),
    ] {
        core.on_message(OTHER, Message::FetchRecords(fetch(volume, upto)));
        check(&mut core, expected);
    }
}

#[test]
fn who_may_read() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    core.on_append(WRITER, Append { read_floor: lsn(3), ..append_at(3, 5, None) });
    persisted(&mut core, 2);
    said(&mut core);
    let epochs = |volume: u64, membership: u64| Epochs {
        volume: epoch(volume),
        membership: MembershipEpoch::new(membership),
    };
    // Epochs, page, read point, tail of the group; what is wrong with it.
    let table = [
        (epochs(3, 1), 7, 5, 5, None),
        // An idle group: the volume has gone on, this group has not.
        (epochs(3, 1), 7, 900, 5, None),
        (epochs(3, 1), 7, 4, 900, None),
        (epochs(3, 1), 7, 900, 6, Some(Refusal::Behind { scl: lsn(5) })),
        (epochs(3, 1), 7, 2, 2, Some(Refusal::BelowReadFloor { floor: lsn(3) })),
        (epochs(3, 1), 100, 5, 5, Some(Refusal::WrongPage)),
        (epochs(2, 1), 7, 5, 5, Some(Refusal::Fenced { current: epoch(3) })),
        (epochs(4, 1), 7, 5, 5, Some(Refusal::NeedHistory { installed: epoch(3) })),
        (epochs(3, 0), 7, 5, 5, Some(Refusal::StaleMembership { current: MembershipEpoch::new(1) })),
        (epochs(3, 2), 7, 5, 5, Some(Refusal::NeedMembership { installed: MembershipEpoch::new(1) })),
    ];
    for (epochs, page, read_point, pg_tail, refusal) in table {
        let read = ReadPage {
            to: address(),
            request: REQUEST,
            epochs,
            page: PageId::new(page),
            read_point: lsn(read_point),
            pg_tail: lsn(pg_tail),
        };
        assert_eq!(core.admit_read(&read).err(), refusal, "{read:?}");
    }
    let read = ReadPage {
        to: address(),
        request: REQUEST,
        epochs: epochs(3, 1),
        page: PageId::new(7),
        read_point: lsn(5),
        pg_tail: lsn(5),
    };
    core.on_message(OTHER, Message::ReadPage(read));
    check(&mut core, "page@2");
    core.set_clean(false);
    core.on_message(OTHER, Message::ReadPage(read));
    check(&mut core, "no@2 Damaged");
}

#[test]
fn a_failed_flush_is_the_end() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    said(&mut core);
    core.on_flush_failed();
    persisted(&mut core, 1);
    check(&mut core, "");
    assert_eq!(core.scl(), Lsn::ZERO);
    append(&mut core, 0, 1, 5);
    seal(&mut core, 4);
    check(&mut core, "no@1 LogDead, no@2 LogDead");
}

#[test]
fn a_full_disk_refuses_records_and_keeps_promises() {
    let mut core = segment();
    core.set_out_of_space(true);
    append(&mut core, 0, 1, 5);
    seal(&mut core, 4);
    check(&mut core, "no@1 OutOfSpace, control 1");
    core.set_out_of_space(false);
    control_persisted(&mut core, 1);
    check(&mut core, "report@2 0 of 4");
}

#[test]
fn a_joiner_counts_once_it_has_caught_up() {
    let next = six(1).replacing(SegmentId::new(6), member(7, 5)).expect("a change");
    let to = Address { segment: SegmentId::new(7), ..address() };
    let create = CreateSegment { to, ..create(3, Arc::new(next)) };
    let control = ControlState::created(&create).expect("a member");
    let mut core = SegmentCore::restore(control, RestorePoint::default());
    let send = |core: &mut SegmentCore, prev, first, last| {
        let epochs = Epochs { volume: epoch(3), membership: MembershipEpoch::new(2) };
        let fill = Fill { to, epochs, source: FillSource::Peer, batch: run_of(prev, first, last) };
        core.on_message(OTHER, Message::Fill(fill));
    };
    send(&mut core, 0, 1, 4);
    persisted(&mut core, 1);
    assert!(!core.status(REQUEST).joined);
    send(&mut core, 4, 5, 5);
    persisted(&mut core, 2);
    check(&mut core, "log 1: 1..4, ack@2 4, log 2: 5..5, ack@2 5, control 1");
    assert!(!core.status(REQUEST).joined, "not before it is durable");
    control_persisted(&mut core, 1);
    assert!(core.status(REQUEST).joined);
}

#[test]
fn memberships_only_go_forward() {
    let mut core = segment();
    let next = six(1).replacing(SegmentId::new(6), member(7, 0)).expect("a change");
    for (membership, expected) in
        [(next.clone(), "control 1, membership@2 2"), ((*six(1)).clone(), "membership@2 2")]
    {
        let write = WriteMembership {
            to: address(),
            request: REQUEST,
            volume_epoch: epoch(3),
            membership: Arc::new(membership),
        };
        core.on_message(OTHER, Message::WriteMembership(write));
        control_persisted(&mut core, 1);
        check(&mut core, expected);
    }
    append(&mut core, 0, 1, 5);
    check(&mut core, "no@1 StaleMembership { current: MembershipEpoch(2) }");
}

/// Any log, in any order, with any restart point, gives back what was durable.
#[test]
fn restarts_find_what_was_durable() {
    let mut rng = Rng::new(8);
    for _ in 0..300 {
        let mut core = segment();
        let mut log = Vec::new();
        let (mut at, mut vdl) = (0, 0);
        for _ in 0..1 + rng.below(30) {
            let last = at + 1 + rng.below(5) as u64;
            if rng.percent(80) {
                vdl = if rng.percent(50) { at.min(core.scl().get()).max(vdl) } else { vdl };
                core.on_append(WRITER, append_at(3, vdl, Some(run_of(at, at + 1, last))));
            }
            at = last;
        }
        let mut last = None;
        while let Some(output) = core.poll_output() {
            let Output::PersistRecords { token, batch, positions } = output else { continue };
            last = Some(token);
            log.push((batch, positions));
        }
        last.into_iter().for_each(|t| core.on_persisted(t));
        let point = if rng.percent(50) { core.restore_point() } else { RestorePoint::default() };
        let mut again = SegmentCore::restore(core.control().clone(), point);
        for (batch, positions) in &log {
            let batch = batch.as_ref().filter(|b| b.summary().last() > point.linked);
            again.restore_batch(batch, *positions).expect("a sound log");
        }
        assert_eq!(again.status(REQUEST), core.status(REQUEST));
        for core in [&mut core, &mut again] {
            said(core);
            seal(core, 4);
            control_persisted(core, 1);
        }
        let mut reports = vec![];
        for core in [&mut core, &mut again] {
            while let Some(output) = core.poll_output() {
                reports.extend(match output {
                    Output::Send { message: Message::SealReport(report), .. } => Some(report),
                    _ => None,
                });
            }
        }
        assert_eq!(reports[0], reports[1]);
    }
}
