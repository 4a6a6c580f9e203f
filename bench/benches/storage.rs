//! What a storage node and a writer do for each record: applying it to a page, and following the quorum.

use divan::Bencher;
use redoubt_page::{
    Lsn, MembershipEpoch, Op, OpsBuf, Page, PageId, PageKind, PatchTarget, PgId, RecordFlags, RecordHeader,
    RecordRef, VolumeEpoch, apply, decode_record, encode_record,
};
use redoubt_protocol::{
    Address, AppendAck, GroupStart, History, LSN_ALLOCATION_LIMIT, MIN_UNACKED_BYTES, Member, Membership,
    Message, NewRecord, NodeId, RequestId, SegmentId, Status, VolumeGeometry, WriterCore, WriterEvent,
    WriterStart, Zone,
};
use std::sync::Arc;

const EPOCH: VolumeEpoch = VolumeEpoch::new(1);
const GROUP: PgId = PgId::new(0);

fn main() {
    divan::main();
}

fn header(lsn: u64, page: PageId) -> RecordHeader {
    RecordHeader {
        lsn: Lsn::new(lsn),
        page_id: page,
        pg: GROUP,
        prev_pg_lsn: Lsn::new(lsn - 1),
        prev_page_lsn: Lsn::new(lsn - 1),
        prev_volume_lsn: Lsn::new(lsn - 1),
        flags: RecordFlags::CPL,
    }
}

fn encoded(lsn: u64, page: PageId, ops: &[Op<'_>]) -> Vec<u8> {
    let (mut buffer, mut out) = (OpsBuf::new(), Vec::new());
    ops.iter().for_each(|op| buffer.push(op));
    encode_record(&header(lsn, page), buffer.as_bytes(), &mut out);
    out
}

/// A page with 60 rows of 100 bytes.
fn heap_page() -> Page {
    let mut page = Page::absent(PageId::new(7));
    let row = [7; 100];
    let mut ops = vec![Op::Initialise { kind: PageKind::new(1), special: &[] }];
    ops.extend((0..60).map(|slot| Op::InsertItem { slot, bytes: &row, shift: false }));
    let record = encoded(1, page.page_id(), &ops);
    apply(&mut page, &decode(&record)).expect("a good record");
    page
}

fn decode(bytes: &[u8]) -> RecordRef<'_> {
    decode_record(bytes).expect("a whole record")
}

/// A row's counter changed in place, as a node applies it: checked, applied, the page's LSN moved.
#[divan::bench]
fn apply_patch(bencher: Bencher<'_, '_>) {
    let page = heap_page();
    let record = encoded(
        2,
        page.page_id(),
        &[Op::PatchBytes { target: PatchTarget::Slot(30), offset: 16, bytes: &[1; 8] }],
    );
    bencher.with_inputs(|| page.clone()).bench_refs(|page| apply(page, &decode(&record)).expect("applied"));
}

/// A new version of a row, as an update that stays on its page makes it.
#[divan::bench]
fn apply_hot_update(bencher: Bencher<'_, '_>) {
    let page = heap_page();
    let row = [8; 100];
    let ops = [
        Op::PatchBytes { target: PatchTarget::Slot(30), offset: 4, bytes: &[1; 12] },
        Op::InsertItem { slot: 60, bytes: &row, shift: false },
    ];
    let record = encoded(2, page.page_id(), &ops);
    bencher.with_inputs(|| page.clone()).bench_refs(|page| apply(page, &decode(&record)).expect("applied"));
}

fn address(segment: u64) -> Address {
    Address { pg: GROUP, segment: SegmentId::new(segment) }
}

/// A writer of one group, all six segments of which are connected and empty.
fn writer() -> WriterCore {
    let member = |segment: u64| Member {
        segment: SegmentId::new(segment),
        node: NodeId::new(segment as u16),
        zone: Zone::new((segment % 3) as u8),
        join_point: Lsn::ZERO,
    };
    let members = (1..=6).map(member).collect();
    let membership = Membership::uniform(MembershipEpoch::new(1), members).expect("six equal members");
    let mut core = WriterCore::open(WriterStart {
        volume_epoch: EPOCH,
        geometry: VolumeGeometry::new(1 << 20).expect("a geometry"),
        history: Arc::new(History::new(EPOCH)),
        vdl: Lsn::ZERO,
        read_floor: Lsn::ZERO,
        groups: vec![GroupStart { membership: Arc::new(membership), tail: Lsn::ZERO }],
        allocation_limit: LSN_ALLOCATION_LIMIT,
        max_unacked_bytes: MIN_UNACKED_BYTES,
        max_straggler_bytes: 1 << 20,
    });
    for segment in 1..=6 {
        core.on_connected(address(segment));
        assert!(matches!(core.poll_send(address(segment)), Some(Message::AskStatus(_))));
        core.on_message(&Message::Status(Status {
            from: address(segment),
            request: RequestId::new(1),
            volume_epoch: EPOCH,
            history_epoch: EPOCH,
            membership_epoch: MembershipEpoch::new(1),
            scl: Lsn::ZERO,
            highest_received: Lsn::ZERO,
            persisted_vdl: Lsn::ZERO,
            coalesced: Lsn::ZERO,
            read_floor: Lsn::ZERO,
            joined: true,
            clean: true,
        }));
    }
    core
}

/// One commit's way through the writer: numbered, a batch for each of six segments, six acknowledgements, the durable
/// end moved by the fourth.
#[divan::bench]
fn quorum_step(bencher: Bencher<'_, '_>) {
    let mut core = writer();
    let mut ops = OpsBuf::new();
    ops.push(&Op::PatchBytes { target: PatchTarget::Slot(1), offset: 0, bytes: &[7; 100] });
    bencher.bench_local(move || {
        let budget = core.reserve(1, ops.as_bytes().len() as u64).expect("everything is acknowledged");
        let record = NewRecord { page: PageId::new(9), prev_page_lsn: Lsn::ZERO, ops: ops.as_bytes() };
        let cpl = core.append(budget, [record].into_iter(), |_, _| {}).cpl;
        let mut moved = 0;
        for segment in 1..=6 {
            while let Some(message) = core.poll_send(address(segment)) {
                divan::black_box(message);
            }
            let ack = AppendAck { from: address(segment), volume_epoch: EPOCH, scl: cpl };
            moved += u32::from(core.on_ack(&ack) == WriterEvent::VdlAdvanced);
        }
        assert_eq!((moved, core.vdl()), (1, cpl));
    });
}
