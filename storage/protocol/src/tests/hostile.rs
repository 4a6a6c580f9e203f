//! Well-formed messages that no honest peer would send, in any order: a machine may refuse, ignore or give
//! up, but nothing panics and no position goes out of order.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MembershipEpoch, PAGE_BYTES, PageId, PgId, VolumeEpoch};

use super::rng::Rng;
use super::{batch_of, lsn, member, six, some_ops};
use crate::batch::{LsnRun, RecordBatch};
use crate::bytes::SharedBytes;
use crate::control::ControlState;
use crate::geometry::{Membership, VolumeGeometry};
use crate::history::{History, VoidedRange};
use crate::ids::{ControlToken, Origin, PersistToken, RequestId, SegmentId, VolumeId};
use crate::message::*;
use crate::opening::{OpeningCore, OpeningState};
use crate::refusal::Refusal;
use crate::segment::{Output, RestorePoint, SegmentCore};
use crate::writer::{NewRecord, WriterCore};

/// Small numbers meet; the largest are where arithmetic ends.
fn number(rng: &mut Rng) -> u64 {
    match rng.below(40) {
        0 => u64::MAX,
        1 => u64::MAX - 1 - rng.below(3) as u64,
        _ => rng.below(40) as u64,
    }
}

fn any_lsn(rng: &mut Rng) -> Lsn {
    lsn(number(rng))
}

fn any_epoch(rng: &mut Rng) -> VolumeEpoch {
    VolumeEpoch::new(if rng.percent(3) { u64::MAX } else { 1 + rng.below(6) as u64 })
}

fn any_epochs(rng: &mut Rng) -> Epochs {
    Epochs { volume: any_epoch(rng), membership: MembershipEpoch::new(rng.below(4) as u64) }
}

fn any_history(rng: &mut Rng) -> Arc<History> {
    loop {
        let mut ranges = Vec::new();
        for _ in 0..rng.below(3) {
            let (after, upto) = (any_lsn(rng), any_lsn(rng));
            ranges.push(VoidedRange { after, upto, epoch: any_epoch(rng) });
        }
        if let Ok(history) = History::from_ranges(any_epoch(rng), ranges) {
            return Arc::new(history);
        }
    }
}

fn any_membership(rng: &mut Rng) -> Arc<Membership> {
    let joining = member(20 + rng.below(3) as u64, number(rng));
    let changed = six(1).replacing(SegmentId::new(1 + rng.below(6) as u64), joining);
    if rng.percent(50) { six(1) } else { Arc::new(changed.expect("a change")) }
}

fn any_batch(rng: &mut Rng) -> RecordBatch {
    let mut at = 1 + rng.below(40) as u64;
    if rng.percent(3) {
        at = u64::MAX - 40;
    }
    let prev = at - 1 - (rng.below(6) as u64).min(at - 1);
    let mut records = Vec::new();
    let mut before = at - 1;
    for _ in 0..1 + rng.below(5) {
        records.push((at, before, rng.percent(30)));
        before = at;
        at += 1 + if rng.percent(30) { rng.below(4) as u64 } else { 0 };
    }
    batch_of(u32::from(rng.percent(5)), prev, &records)
}

fn any_report(rng: &mut Rng, from: Address, volume_epoch: VolumeEpoch) -> SealReport {
    let mut chain = Vec::new();
    for _ in 0..rng.below(4) {
        chain.push(LsnRun { prev_volume: any_lsn(rng), first: any_lsn(rng), last: any_lsn(rng) });
    }
    if rng.percent(70) {
        // Mostly in order, or it would all be refused at once.
        let mut at = rng.below(10) as u64;
        for run in &mut chain {
            let first = at + 1 + rng.below(3) as u64;
            let last = first + rng.below(4) as u64;
            *run = LsnRun { prev_volume: lsn(first - 1), first: lsn(first), last: lsn(last) };
            at = last;
        }
    }
    let base = any_lsn(rng);
    SealReport {
        from,
        request: RequestId::new(1),
        volume_epoch,
        membership: any_membership(rng),
        joined: rng.percent(95),
        clean: rng.percent(95),
        history: any_history(rng),
        scl: chain.last().map_or(base, |r| r.last),
        persisted_vdl: if rng.percent(70) { lsn(0) } else { any_lsn(rng) },
        read_floor: any_lsn(rng),
        chain_base: if rng.percent(70) { lsn(0) } else { base },
        cpls: chain.iter().map(|r| r.last).collect(),
        chain,
    }
}

fn any_refusal(rng: &mut Rng) -> Refusal {
    match rng.below(8) {
        0 => Refusal::Fenced { current: any_epoch(rng) },
        1 => Refusal::NeedHistory { installed: any_epoch(rng) },
        2 => Refusal::StaleMembership { current: MembershipEpoch::new(number(rng)) },
        3 => Refusal::NeedMembership { installed: MembershipEpoch::new(number(rng)) },
        4 => Refusal::LogDead,
        5 => Refusal::BadRecords,
        6 => Refusal::OutOfSpace,
        _ => Refusal::Behind { scl: any_lsn(rng) },
    }
}

fn any_address(rng: &mut Rng) -> Address {
    Address { pg: PgId::new(rng.below(3) as u32), segment: SegmentId::new(rng.below(14) as u64) }
}

/// A message to a segment, often one that it has to take.
fn any_request(rng: &mut Rng, core: &SegmentCore) -> Message {
    let to = Address { pg: PgId::new(0), segment: SegmentId::new(1) };
    let (request, volume_epoch) = (RequestId::new(9), any_epoch(rng));
    let mut epochs = any_epochs(rng);
    if rng.percent(75) {
        epochs = core.control().epochs();
    }
    if rng.percent(30) && core.scl() < lsn(1 << 40) {
        let first = core.scl().max(core.control().history.end()).get().saturating_add(1);
        if first < 1 << 40 {
            let batch = batch_of(0, core.scl().get(), &[(first, first - 1, true), (first + 1, first, false)]);
            let source = if rng.percent(50) { FillSource::Peer } else { FillSource::Recovery };
            return Message::Fill(Fill { to, epochs, source, batch });
        }
    }
    match rng.below(13) {
        0..=2 => Message::Append(Append {
            to,
            epochs,
            vdl: any_lsn(rng),
            pg_tail: lsn(rng.below(9) as u64),
            read_floor: lsn(rng.below(9) as u64),
            batch: rng.percent(90).then(|| any_batch(rng)),
        }),
        3 => Message::Seal(Seal { to, request, volume_epoch }),
        4 => Message::WriteHistory(WriteHistory { to, request, volume_epoch, history: any_history(rng) }),
        5 => {
            let membership = any_membership(rng);
            Message::WriteMembership(WriteMembership { to, request, volume_epoch, membership })
        }
        6 => {
            let source = if rng.percent(50) { FillSource::Peer } else { FillSource::Recovery };
            Message::Fill(Fill { to, epochs, source, batch: any_batch(rng) })
        }
        7 => Message::ReadPage(ReadPage {
            to,
            request,
            epochs,
            page: PageId::new(rng.below(300) as u64),
            read_point: any_lsn(rng),
            pg_tail: any_lsn(rng),
        }),
        8 => {
            let (after, upto) = (any_lsn(rng), any_lsn(rng));
            Message::FetchRecords(FetchRecords { to, request, volume_epoch, after, upto, max_bytes: 1 })
        }
        9 => {
            let (scl, upto) = (any_lsn(rng), any_lsn(rng));
            Message::AskGaps(AskGaps { to, from: SegmentId::new(2), epochs, scl, upto })
        }
        10 => Message::AskImages(AskImages {
            to,
            from: SegmentId::new(2),
            epochs,
            source: if rng.percent(50) { FillSource::Peer } else { FillSource::Recovery },
            at: any_lsn(rng),
            pg_tail: any_lsn(rng),
            above: any_lsn(rng),
            first_page: PageId::new(rng.below(120) as u64),
        }),
        11 => any_images(rng, to, epochs),
        _ => Message::AskStatus(AskStatus { to, request }),
    }
}

fn any_images(rng: &mut Rng, to: Address, epochs: Epochs) -> Message {
    let first_page = if rng.percent(60) { 0 } else { rng.below(110) as u64 };
    let next_page = rng.percent(30).then(|| PageId::new(first_page + 1 + rng.below(50) as u64));
    let at = any_lsn(rng);
    Message::Images(Images {
        to,
        from: SegmentId::new(2 + rng.below(2) as u64),
        epochs,
        source: if rng.percent(50) { FillSource::Peer } else { FillSource::Recovery },
        at,
        pg_tail: if rng.percent(70) { at } else { any_lsn(rng) },
        above: if rng.percent(70) { Lsn::ZERO } else { any_lsn(rng) },
        first_page: PageId::new(first_page),
        next_page,
        images: SharedBytes::from(alloc::vec![0; rng.below(3) * PAGE_BYTES]),
    })
}

/// A message from a segment.
fn any_answer(rng: &mut Rng, epoch: VolumeEpoch) -> Message {
    let (from, request) = (any_address(rng), RequestId::new(rng.below(30) as u64));
    let volume_epoch = if rng.percent(70) { epoch } else { VolumeEpoch::new(1 + rng.below(9) as u64) };
    let history_epoch = if rng.percent(70) { epoch } else { any_epoch(rng) };
    let membership_epoch = MembershipEpoch::new(rng.below(4) as u64);
    match rng.below(7) {
        0 | 1 => Message::AppendAck(AppendAck { from, volume_epoch, scl: any_lsn(rng) }),
        2 => Message::Refused(Refused { from, request, reason: any_refusal(rng) }),
        3 => Message::HistoryWritten(HistoryWritten {
            from,
            request,
            volume_epoch,
            history_epoch,
            scl: any_lsn(rng),
        }),
        4 => Message::MembershipWritten(MembershipWritten { from, request, membership_epoch }),
        5 => Message::Records(Records { from, request, batch: rng.percent(80).then(|| any_batch(rng)) }),
        _ => Message::Status(Status {
            from,
            request,
            volume_epoch,
            history_epoch,
            membership_epoch,
            scl: any_lsn(rng),
            highest_received: any_lsn(rng),
            persisted_vdl: any_lsn(rng),
            coalesced: any_lsn(rng),
            read_floor: any_lsn(rng),
            joined: true,
            clean: true,
        }),
    }
}

#[test]
fn a_segment_takes_anything() {
    let mut rng = Rng::new(31);
    let (mut linked, mut imaged) = (0, 0);
    for _ in 0..1_500 {
        let create = CreateSegment {
            to: Address { pg: PgId::new(0), segment: SegmentId::new(1) },
            request: RequestId::new(0),
            volume: VolumeId::new([1; 16]),
            segment_pages: 100,
            volume_epoch: VolumeEpoch::new(2),
            history: Arc::new(History::new(VolumeEpoch::new(2))),
            membership: six(1),
        };
        let control = ControlState::created(&create).expect("a member");
        let mut core = SegmentCore::restore(control, RestorePoint::default());
        let (mut logged, mut stored) = (PersistToken::new(0), ControlToken::new(0));
        let (mut committing, mut is_staged) = (None, false);
        for _ in 0..120 {
            core.on_message(Origin::new(rng.below(3) as u64), any_request(&mut rng, &core));
            while let Some(output) = core.poll_output() {
                match output {
                    Output::PersistRecords { token, .. } => logged = token,
                    Output::PersistControl { token, .. } => stored = token,
                    Output::CommitImages { token, .. } => committing = Some(token),
                    Output::StageImages { .. } => is_staged = true,
                    _ => {}
                }
            }
            if is_staged && rng.percent(80) {
                core.on_images_staged();
            }
            if rng.percent(40) {
                core.on_persisted(logged);
            }
            if rng.percent(40) {
                core.on_control_persisted(stored);
            }
            if rng.percent(10) {
                core.on_coalesced(core.coalesce_limit());
            }
            if let Some(token) = committing.take_if(|_| rng.percent(50)) {
                core.on_images_committed(token);
                imaged += 1;
            }
            core.image_question();
        }
        linked += u32::from(core.scl() > Lsn::ZERO);
    }
    assert!(linked > 700, "only {linked} segments ever linked a record");
    assert!(imaged > 100, "only {imaged} times were images taken in");
}

#[test]
fn an_opener_takes_anything_and_so_does_its_writer() {
    let mut rng = Rng::new(32);
    let (mut decided, mut opened) = (0, 0);
    for _ in 0..3_000 {
        let epoch = VolumeEpoch::new(7);
        let mut core = OpeningCore::start(epoch, 100, [six(1)].to_vec());
        for segment in 1..=6 {
            let from = Address { pg: PgId::new(0), segment: SegmentId::new(segment) };
            let mut report = any_report(&mut rng, from, epoch);
            if rng.percent(90) {
                report.membership = six(1);
            }
            core.on_message(&Message::SealReport(Box::new(report)));
        }
        decided += u32::from(core.decision().is_some());
        for _ in 0..150 {
            core.on_message(&any_answer(&mut rng, epoch));
            if rng.percent(10) {
                core.on_tick();
            }
            while core.poll_output().is_some() {}
        }
        if *core.state() != OpeningState::Open {
            continue;
        }
        opened += 1;
        let geometry = VolumeGeometry::new(100).expect("a geometry");
        let start = core.writer_start(geometry, crate::writer::MIN_UNACKED_BYTES, 0).expect("open");
        feed_writer(&mut rng, WriterCore::open(start));
    }
    assert!(decided > 300 && opened > 30, "{decided} decided, {opened} opened");
}

fn feed_writer(rng: &mut Rng, mut core: WriterCore) {
    let ops = some_ops();
    let epoch = core.volume_epoch();
    for _ in 0..200 {
        let to = any_address(rng);
        match rng.below(6) {
            0 => core.on_connected(to),
            1 => _ = core.poll_send(to),
            2 => core.on_tick(),
            3 => {
                if let Some(budget) = core.reserve(1, ops.as_bytes().len() as u64) {
                    let page = PageId::new(rng.below(100) as u64);
                    let record = NewRecord { page, prev_page_lsn: Lsn::ZERO, ops: ops.as_bytes() };
                    core.append(budget, [record].into_iter(), |_, _| {});
                }
            }
            _ => _ = core.on_message(&any_answer(rng, epoch)),
        }
    }
}
