//! Every message through its encoded form, and everything else refused.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MembershipEpoch, PAGE_BYTES, PageId, PgId, VolumeEpoch};

use super::rng::Rng;
use super::{lsn, member, run_of, six};
use crate::batch::LsnRun;
use crate::bytes::SharedBytes;
use crate::codec::DecodeError;
use crate::control::ControlState;
use crate::fuzz::{fuzz_control_state, fuzz_message};
use crate::history::{History, VoidedRange};
use crate::ids::{RequestId, SegmentId, VolumeId};
use crate::message::*;
use crate::refusal::Refusal;
use crate::wire::{FRAME_HEADER_BYTES, body_length};

fn address() -> Address {
    Address { pg: PgId::new(3), segment: SegmentId::new(0x0102_0304_0506_0708) }
}

fn request() -> RequestId {
    RequestId::new(77)
}

fn epoch(raw: u64) -> VolumeEpoch {
    VolumeEpoch::new(raw)
}

fn history() -> Arc<History> {
    let range = |after, upto, by| VoidedRange { after: lsn(after), upto: lsn(upto), epoch: epoch(by) };
    Arc::new(History::from_ranges(epoch(9), vec![range(10, 20, 2), range(30, 40, 5)]).expect("a history"))
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::Fenced { current: epoch(4) },
        Refusal::NeedHistory { installed: epoch(3) },
        Refusal::StaleMembership { current: MembershipEpoch::new(2) },
        Refusal::NeedMembership { installed: MembershipEpoch::new(1) },
        Refusal::Behind { scl: lsn(5) },
        Refusal::BelowReadFloor { floor: lsn(6) },
        Refusal::UnknownSegment,
        Refusal::WrongPage,
        Refusal::BadRecords,
        Refusal::TooManyGaps,
        Refusal::LogDead,
        Refusal::Damaged,
        Refusal::OutOfSpace,
        Refusal::RecordsCollected { floor: lsn(8) },
        Refusal::HistoryTooDeep { linked: lsn(9) },
    ]
}

fn report() -> SealReport {
    SealReport {
        from: address(),
        request: request(),
        volume_epoch: epoch(12),
        membership: six(1),
        joined: true,
        clean: false,
        history: history(),
        scl: lsn(70),
        persisted_vdl: lsn(50),
        read_floor: lsn(45),
        chain_base: lsn(48),
        chain: vec![
            LsnRun { prev_volume: lsn(50), first: lsn(51), last: lsn(60) },
            LsnRun { prev_volume: lsn(64), first: lsn(65), last: lsn(70) },
        ],
        cpls: vec![lsn(52), lsn(60), lsn(69)],
    }
}

fn messages() -> Vec<Message> {
    let epochs = Epochs { volume: epoch(12), membership: MembershipEpoch::new(2) };
    let nested = six(1).replacing(SegmentId::new(6), member(7, 100)).expect("a change");
    let nested = nested.replacing(SegmentId::new(5), member(8, 120)).expect("a nested change");
    let (to, from) = (address(), address());
    let (request, volume_epoch) = (request(), epoch(12));
    let append = Append {
        to,
        epochs,
        vdl: lsn(9),
        pg_tail: lsn(8),
        read_floor: lsn(7),
        batch: Some(run_of(9, 10, 19)),
    };
    let create = CreateSegment {
        to,
        request,
        volume: VolumeId::new([0xa5; 16]),
        segment_pages: 1_310_720,
        volume_epoch,
        history: history(),
        membership: Arc::new(nested.clone()),
    };
    let mut all = vec![
        Message::Append(append.clone()),
        Message::Append(Append { batch: None, ..append }),
        Message::AppendAck(AppendAck { from, volume_epoch, scl: lsn(19) }),
        Message::ReadPage(ReadPage {
            to,
            request,
            epochs,
            page: PageId::MAX,
            read_point: lsn(50),
            pg_tail: lsn(44),
        }),
        Message::PageReply(PageReply { from, request, image: SharedBytes::from(vec![3; PAGE_BYTES]) }),
        Message::Seal(Seal { to, request, volume_epoch }),
        Message::SealReport(Box::new(report())),
        Message::SealReport(Box::new(SealReport { chain: vec![], cpls: vec![], ..report() })),
        Message::WriteHistory(WriteHistory { to, request, volume_epoch, history: history() }),
        Message::HistoryWritten(HistoryWritten {
            from,
            request,
            volume_epoch,
            history_epoch: epoch(9),
            scl: Lsn::MAX,
        }),
        Message::WriteMembership(WriteMembership { to, request, volume_epoch, membership: Arc::new(nested) }),
        Message::MembershipWritten(MembershipWritten {
            from,
            request,
            membership_epoch: MembershipEpoch::new(3),
        }),
        Message::CreateSegment(Box::new(create)),
        Message::FetchRecords(FetchRecords {
            to,
            request,
            volume_epoch,
            after: lsn(3),
            upto: lsn(30),
            max_bytes: 1 << 20,
        }),
        Message::Records(Records { from, request, batch: Some(run_of(0, 1, 2)) }),
        Message::Records(Records { from, request, batch: None }),
        Message::AskGaps(AskGaps { to, from: SegmentId::new(4), epochs, scl: lsn(3), upto: Lsn::MAX }),
        Message::AskStatus(AskStatus { to, request }),
        Message::Status(Status {
            from,
            request,
            volume_epoch,
            history_epoch: epoch(9),
            membership_epoch: MembershipEpoch::new(3),
            scl: lsn(5),
            highest_received: lsn(9),
            persisted_vdl: lsn(4),
            coalesced: lsn(3),
            read_floor: lsn(2),
            joined: false,
            clean: true,
        }),
    ];
    let (at, pg_tail, above) = (lsn(90), lsn(88), lsn(5));
    all.push(Message::AskImages(AskImages {
        to,
        from: SegmentId::new(4),
        epochs,
        source: FillSource::Recovery,
        at,
        pg_tail,
        above,
        first_page: PageId::new(17),
    }));
    for (next_page, count) in [(Some(PageId::MAX), 2), (None, 0)] {
        all.push(Message::Images(Images {
            to,
            from: SegmentId::new(4),
            epochs,
            source: FillSource::Peer,
            at,
            pg_tail,
            above,
            first_page: PageId::new(17),
            next_page,
            images: SharedBytes::from(vec![9; count * PAGE_BYTES]),
        }));
    }
    for source in [FillSource::Recovery, FillSource::Peer] {
        all.push(Message::Fill(Fill { to, epochs, source, batch: run_of(9, 10, 12) }));
    }
    let refused = |reason| Message::Refused(Refused { from, request, reason });
    all.extend(refusals().into_iter().map(refused));
    all
}

#[test]
fn messages_survive_their_bytes() {
    let mut kinds = Vec::new();
    for message in messages() {
        let frame = message.to_bytes();
        kinds.push(frame[1]);
        let header = frame.first_chunk().expect("a header");
        assert_eq!(body_length(header), Ok(frame.len() - FRAME_HEADER_BYTES));
        assert_eq!(Message::decode(&SharedBytes::from(frame)), Ok(message));
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (1..=20).collect::<Vec<u8>>(), "every kind is in the table");
}

/// The encoded form is a promise to other builds: these bytes may change only with the version.
#[test]
fn bytes_are_what_they_were() {
    let ack = AppendAck { from: address(), volume_epoch: epoch(12), scl: lsn(0x0a0b) };
    let expected = [
        1, 2, 0, 0, 28, 0, 0, 0, // version, kind, reserved, length
        3, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, // group, segment
        12, 0, 0, 0, 0, 0, 0, 0, // volume epoch
        0x0b, 0x0a, 0, 0, 0, 0, 0, 0, // SCL
    ];
    assert_eq!(Message::AppendAck(ack).to_bytes(), expected);
    let refused =
        Refused { from: address(), request: request(), reason: Refusal::Fenced { current: epoch(4) } };
    let expected = [
        1, 3, 0, 0, 29, 0, 0, 0, 3, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, //
        77, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(Message::Refused(refused).to_bytes(), expected);
}

/// A short digest of bytes (FNV-1a), enough to notice that they changed.
fn digest(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

/// The same for every kind of message: kind, length, digest.
#[test]
fn no_kind_has_changed_its_bytes() {
    let found: Vec<(u8, usize, u32)> =
        messages().iter().map(Message::to_bytes).map(|b| (b[1], b.len(), digest(&b))).collect();
    assert_eq!(found[..], GOLDEN[..]);
}

#[test]
fn the_head_and_the_shared_tail_make_the_frame() {
    for message in messages() {
        let mut head = vec![0xee; 3];
        let tail = message.encode(&mut head);
        let mut frame = head.split_off(3);
        frame.extend_from_slice(tail.as_deref().unwrap_or(&[]));
        assert_eq!(frame, message.to_bytes());
        assert_eq!(head, [0xee; 3]);
    }
}

#[test]
fn frames_are_checked() {
    let frame = |bytes: &[u8]| Message::decode(&SharedBytes::from(bytes.to_vec())).map(|_| ());
    let good = Message::AskStatus(AskStatus { to: address(), request: request() }).to_bytes();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let table = [
        (changed(0, 2), DecodeError::Version(2)),
        (changed(1, 0), DecodeError::Kind(0)),
        (changed(1, 21), DecodeError::Kind(21)),
        (changed(3, 1), DecodeError::OutOfRange { field: "reserved bytes", value: 256 }),
        (changed(4, 19), DecodeError::Trailing(1)),
        (changed(4, 21), DecodeError::Truncated),
        (changed(7, 0xff), DecodeError::OutOfRange { field: "message length", value: 0xff00_0014 }),
        (vec![1, 2, 3], DecodeError::Truncated),
    ];
    for (bytes, expected) in table {
        assert_eq!(frame(&bytes), Err(expected), "{bytes:?}");
    }
}

/// Cut anywhere, with the length mended, a message is refused: nothing is guessed.
#[test]
fn cut_messages_are_refused() {
    for message in messages() {
        let whole = message.to_bytes();
        let mut bytes = whole.clone();
        // What ends in records or an image may be cut where it is still a shorter one.
        let is_open_ended = message.encode(&mut Vec::new()).is_some();
        while bytes.len() > FRAME_HEADER_BYTES {
            bytes.pop();
            let length = (bytes.len() - FRAME_HEADER_BYTES) as u32;
            bytes[4..8].copy_from_slice(&length.to_le_bytes());
            let decoded = Message::decode(&SharedBytes::from(bytes.clone()));
            assert_ne!(decoded.as_ref(), Ok(&message));
            assert!(decoded.is_err() || is_open_ended, "{} of {} bytes", bytes.len(), whole.len());
        }
    }
}

/// Whatever arrives, decoding returns, and what it accepts encodes to the same bytes again.
#[test]
fn damaged_messages_never_panic() {
    let mut rng = Rng::new(5);
    let originals: Vec<Vec<u8>> = messages().iter().map(Message::to_bytes).collect();
    for round in 0..40_000 {
        let mut bytes = originals[round % originals.len()].clone();
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(bytes.len());
            match rng.below(4) {
                0 => bytes[at] = rng.next() as u8,
                1 => bytes[at] = 0xff,
                2 => bytes[at] ^= 1 << rng.below(8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if bytes.len() > FRAME_HEADER_BYTES && rng.percent(70) {
            let length = (bytes.len() - FRAME_HEADER_BYTES) as u32;
            bytes[4..8].copy_from_slice(&length.to_le_bytes());
        }
        fuzz_message(&bytes);
    }
}

#[test]
fn control_states_survive_their_bytes() {
    let Some(Message::CreateSegment(create)) =
        messages().into_iter().find(|m| matches!(m, Message::CreateSegment(_)))
    else {
        panic!("the table has one")
    };
    assert!(ControlState::created(&create).is_err(), "the segment is not of the membership");
    let to = Address { pg: PgId::new(3), segment: SegmentId::new(7) };
    let state = ControlState::created(&CreateSegment { to, ..*create.clone() }).expect("a member");
    assert!(!state.joined, "a joiner does not count yet");
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    assert_eq!(ControlState::decode(&bytes), Ok(state.clone()));
    for len in 0..bytes.len() {
        assert!(ControlState::decode(&bytes[..len]).is_err(), "cut at {len}");
        for damage in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[len] ^= damage;
            fuzz_control_state(&damaged);
        }
    }
    bytes[0] = 9;
    assert_eq!(ControlState::decode(&bytes), Err(DecodeError::Version(9)));
    let founder = Address { pg: PgId::new(3), segment: SegmentId::new(1) };
    let state = ControlState::created(&CreateSegment { to: founder, ..*create.clone() });
    assert!(state.expect("a member").joined, "a founder counts from the start");
    let early = CreateSegment { to: founder, volume_epoch: epoch(8), ..*create };
    assert!(ControlState::created(&early).is_err(), "a history from the future");
}

/// What `no_kind_has_changed_its_bytes` expects, in the order of `messages`.
const GOLDEN: [(u8, usize, u32); 39] = [
    (1, 170, 0xaa22b812),
    (1, 60, 0xbb45c0b8),
    (2, 36, 0x7d01bc5a),
    (4, 68, 0xe1a151b0),
    (5, 8220, 0xa64b3e91),
    (6, 36, 0x09439090),
    (7, 385, 0x1c98ed6c),
    (7, 376, 0x779ca0ad),
    (8, 96, 0x40f37fca),
    (9, 52, 0x5c5c3610),
    (10, 636, 0x2aef6a6c),
    (11, 36, 0x02381f7c),
    (12, 720, 0x505827c6),
    (13, 56, 0x0bc1e33c),
    (14, 50, 0x42199172),
    (14, 28, 0x7382da2c),
    (16, 60, 0x9e83f0ca),
    (17, 28, 0xe6b7290d),
    (18, 94, 0xe74e53aa),
    (19, 77, 0x0895b545),
    (20, 16469, 0xf09cda73),
    (20, 85, 0x732f0709),
    (15, 70, 0x416700b1),
    (15, 70, 0xa196b774),
    (3, 37, 0xaee31c59),
    (3, 37, 0xd8b27367),
    (3, 37, 0x271458b5),
    (3, 37, 0xdb5e333f),
    (3, 37, 0xb769b274),
    (3, 37, 0x6bb38cfe),
    (3, 37, 0x5cb4132b),
    (3, 37, 0xf8d9d052),
    (3, 37, 0x1a229145),
    (3, 37, 0xb6484e6c),
    (3, 37, 0xd7910f5f),
    (3, 37, 0x73b6cc86),
    (3, 37, 0x94ff8d79),
    (3, 37, 0x1c3043a8),
    (3, 37, 0xe017a57a),
];
