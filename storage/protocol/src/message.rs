//! Every message between compute and segments and between segments, as typed values. `docs/protocol.md`
//! describes the encoded form byte by byte.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MembershipEpoch, PageId, PgId, VolumeEpoch};

use crate::batch::{LsnRun, RecordBatch};
use crate::bytes::SharedBytes;
use crate::geometry::Membership;
use crate::history::History;
use crate::ids::{RequestId, SegmentId, VolumeId};
use crate::refusal::Refusal;

/// Which segment a message is to, or from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Its protection group.
    pub pg: PgId,
    /// The segment.
    pub segment: SegmentId,
}

/// The fencing numbers that every request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// The writer's incarnation.
    pub volume: VolumeEpoch,
    /// The protection group's membership.
    pub membership: MembershipEpoch,
}

/// Writer to segment: records to keep, and how far the volume has come. Answered by `AppendAck` once the
/// records are durable, or by `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The segment.
    pub to: Address,
    /// The writer's fencing numbers.
    pub epochs: Epochs,
    /// The VDL when the batch left; persisted with it.
    pub vdl: Lsn,
    /// The last record of this protection group at or below `vdl`.
    pub pg_tail: Lsn,
    /// The lowest read point that any live instance may still ask for; at most `vdl`.
    pub read_floor: Lsn,
    /// The records. None is a notice of the positions alone.
    pub batch: Option<RecordBatch>,
}

/// Segment to whom it may concern: what it durably holds without a gap. Sent when that changes, asked or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendAck {
    /// The segment.
    pub from: Address,
    /// The volume epoch in force when the records became durable. An acknowledgement of an older epoch
    /// than the writer's does not count.
    pub volume_epoch: VolumeEpoch,
    /// The segment's SCL.
    pub scl: Lsn,
}

/// Segment to asker: why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The segment.
    pub from: Address,
    /// The request refused; zero for an `Append` or a `Fill`, which have no number.
    pub request: RequestId,
    /// The reason.
    pub reason: Refusal,
}

/// Instance to segment: a page as of a read point. Answered by `PageReply`, or by `Refused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPage {
    /// The segment.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
    /// The instance's fencing numbers.
    pub epochs: Epochs,
    /// The page.
    pub page: PageId,
    /// A VDL that the instance has established.
    pub read_point: Lsn,
    /// The last record of the protection group at or below some VDL that is **not below** `read_point`.
    pub pg_tail: Lsn,
}

/// Segment to instance: the page's image as of the read point asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageReply {
    /// The segment.
    pub from: Address,
    /// The request answered.
    pub request: RequestId,
    /// The page, checksum set.
    pub image: SharedBytes,
}

/// Recovery to segment: promise to refuse every older epoch, then tell what you hold. Answered by
/// `SealReport` once the promise is durable, or by `Refused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The segment.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
    /// The epoch to promise.
    pub volume_epoch: VolumeEpoch,
}

/// Segment to recovery: what it held when its promise had become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealReport {
    /// The segment.
    pub from: Address,
    /// The request answered.
    pub request: RequestId,
    /// The epoch promised.
    pub volume_epoch: VolumeEpoch,
    /// The newest membership durable here.
    pub membership: Arc<Membership>,
    /// Whether the segment has once reached its join point, and so counts in quorums.
    pub joined: bool,
    /// Whether everything in the range re-reads from media; a segment with rot is not a clean voter.
    pub clean: bool,
    /// The history durable here, under which everything below is meant.
    pub history: Arc<History>,
    /// The last record durably held and linked without a gap.
    pub scl: Lsn,
    /// The highest VDL persisted here.
    pub persisted_vdl: Lsn,
    /// The read floor persisted here.
    pub read_floor: Lsn,
    /// The last linked record at or below `persisted_vdl`, from which `chain` goes on.
    pub chain_base: Lsn,
    /// The linked records above `persisted_vdl`, in rising order; the last one is `scl` unless empty.
    pub chain: Vec<LsnRun>,
    /// Which of those end a mini-transaction, in rising order.
    pub cpls: Vec<Lsn>,
}

/// Recovery or writer to segment: replace your history by this whole one. Also promises the epoch.
/// Answered by `HistoryWritten` once durable, or by `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteHistory {
    /// The segment.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
    /// The epoch of the recovery or writer that sends it.
    pub volume_epoch: VolumeEpoch,
    /// The history. Its own epoch may be older than `volume_epoch`, when recovery brings a segment to the
    /// history it starts from: up to it, or back from one whose recovery never opened.
    pub history: Arc<History>,
}

/// Segment to recovery or writer: the history durable here, and the SCL that is left under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryWritten {
    /// The segment.
    pub from: Address,
    /// The request answered.
    pub request: RequestId,
    /// The epoch promised.
    pub volume_epoch: VolumeEpoch,
    /// The epoch of the history durable here.
    pub history_epoch: VolumeEpoch,
    /// The segment's SCL under that history. It may have fallen.
    pub scl: Lsn,
}

/// Writer to segment: install this membership if it is newer. Answered by `MembershipWritten` once
/// durable, or by `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteMembership {
    /// The segment.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
    /// The writer's incarnation.
    pub volume_epoch: VolumeEpoch,
    /// The membership.
    pub membership: Arc<Membership>,
}

/// Segment to writer: the membership durable here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipWritten {
    /// The segment.
    pub from: Address,
    /// The request answered.
    pub request: RequestId,
    /// The epoch of the membership durable here.
    pub membership_epoch: MembershipEpoch,
}

/// Writer to node: create an empty segment, durably, before the metadata store names it. Creating one that
/// exists changes nothing. Answered by `Status`, or by `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSegment {
    /// The segment to create.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
    /// The volume.
    pub volume: VolumeId,
    /// Pages in each segment of the volume.
    pub segment_pages: u64,
    /// The writer's incarnation.
    pub volume_epoch: VolumeEpoch,
    /// The history in force.
    pub history: Arc<History>,
    /// The protection group's membership.
    pub membership: Arc<Membership>,
}

/// Recovery to segment: send back linked records of a range. Answered by `Records`, or by `Refused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRecords {
    /// The segment.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
    /// The asker's incarnation; the segment must have promised exactly this one.
    pub volume_epoch: VolumeEpoch,
    /// Records above this one,
    pub after: Lsn,
    /// up to this one,
    pub upto: Lsn,
    /// and no more bytes than this, but at least one record.
    pub max_bytes: u32,
}

/// Segment to recovery: records of the range asked for, from its start on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The segment.
    pub from: Address,
    /// The request answered.
    pub request: RequestId,
    /// The records; none when the range holds none.
    pub batch: Option<RecordBatch>,
}

/// On whose behalf records, or pages in their place, are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillSource {
    /// A recovery copies records to a write quorum, before its history is written.
    Recovery,
    /// A peer closes a gap (gossip). Needs the history of the epoch, as an append does.
    Peer,
}

/// Recovery or peer to segment: records that it lacks. Answered as `Append` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The segment.
    pub to: Address,
    /// The sender's fencing numbers.
    pub epochs: Epochs,
    /// Who sends it.
    pub source: FillSource,
    /// The records.
    pub batch: RecordBatch,
}

/// Segment to peer: send me records above my SCL, up to the one from which I hold on. Answered by `Fill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskGaps {
    /// The peer.
    pub to: Address,
    /// The segment that asks.
    pub from: SegmentId,
    /// The asker's fencing numbers.
    pub epochs: Epochs,
    /// The asker's SCL.
    pub scl: Lsn,
    /// The last record of the gap when the asker holds records above it, or the highest possible LSN.
    pub upto: Lsn,
}

/// Segment to peer: go on with the images that you began to send. Answered by `Images`: the next ones, or
/// the first ones as of a later point when the earlier one cannot be served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskImages {
    /// The peer.
    pub to: Address,
    /// The segment that asks.
    pub from: SegmentId,
    /// The asker's fencing numbers.
    pub epochs: Epochs,
    /// On whose behalf.
    pub source: FillSource,
    /// As of this VDL, or zero: as of one of the peer's choice, from the first page on,
    pub at: Lsn,
    /// and this last record of the group at or below it, both as the peer gave them,
    pub pg_tail: Lsn,
    /// the pages with records above this one,
    pub above: Lsn,
    /// from this page on.
    pub first_page: PageId,
}

/// Peer to segment: whole pages in the place of records that the peer's log no longer has. The first ones
/// answer `AskGaps`, the others `AskImages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// The segment.
    pub to: Address,
    /// The peer.
    pub from: SegmentId,
    /// The epochs under which the question was admitted.
    pub epochs: Epochs,
    /// On whose behalf they are sent. A recovery passes questions and answers on.
    pub source: FillSource,
    /// The pages are as of this VDL.
    pub at: Lsn,
    /// The last record of the group at or below `at`.
    pub pg_tail: Lsn,
    /// Pages without a record above this one are left out: the asker has them.
    pub above: Lsn,
    /// The images are those of the pages from this one on,
    pub first_page: PageId,
    /// up to and without this one, from which to go on; none when these were the last.
    pub next_page: Option<PageId>,
    /// Whole sealed pages one after the other, in rising order; perhaps none.
    pub images: SharedBytes,
}

/// Anyone to segment: how are you? Answered by `Status`. As the answer carries the epoch promised, a read
/// quorum of answers renews a writer's read lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskStatus {
    /// The segment.
    pub to: Address,
    /// Echoed in the answer.
    pub request: RequestId,
}

/// A segment's positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The segment.
    pub from: Address,
    /// The request answered.
    pub request: RequestId,
    /// The newest volume epoch durably promised.
    pub volume_epoch: VolumeEpoch,
    /// The epoch of the history durable here.
    pub history_epoch: VolumeEpoch,
    /// The epoch of the membership durable here.
    pub membership_epoch: MembershipEpoch,
    /// The SCL.
    pub scl: Lsn,
    /// The highest record received, linked or not.
    pub highest_received: Lsn,
    /// The highest VDL persisted here.
    pub persisted_vdl: Lsn,
    /// Durable page images include records up to here.
    pub coalesced: Lsn,
    /// The lowest read point served.
    pub read_floor: Lsn,
    /// Whether the segment counts in quorums.
    pub joined: bool,
    /// Whether everything re-reads from media.
    pub clean: bool,
}

/// Any message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// See [`Append`].
    Append(Append),
    /// See [`AppendAck`].
    AppendAck(AppendAck),
    /// See [`Refused`].
    Refused(Refused),
    /// See [`ReadPage`].
    ReadPage(ReadPage),
    /// See [`PageReply`].
    PageReply(PageReply),
    /// See [`Seal`].
    Seal(Seal),
    /// See [`SealReport`].
    SealReport(Box<SealReport>),
    /// See [`WriteHistory`].
    WriteHistory(WriteHistory),
    /// See [`HistoryWritten`].
    HistoryWritten(HistoryWritten),
    /// See [`WriteMembership`].
    WriteMembership(WriteMembership),
    /// See [`MembershipWritten`].
    MembershipWritten(MembershipWritten),
    /// See [`CreateSegment`].
    CreateSegment(Box<CreateSegment>),
    /// See [`FetchRecords`].
    FetchRecords(FetchRecords),
    /// See [`Records`].
    Records(Records),
    /// See [`Fill`].
    Fill(Fill),
    /// See [`AskGaps`].
    AskGaps(AskGaps),
    /// See [`AskStatus`].
    AskStatus(AskStatus),
    /// See [`Status`].
    Status(Status),
    /// See [`AskImages`].
    AskImages(AskImages),
    /// See [`Images`].
    Images(Images),
}

impl Message {
    /// Whether the message is to a segment, which answers it, if only by a refusal. What is from a segment is never
    /// answered: two nodes that know nothing of each other's segments would go on for ever.
    pub fn is_to_segment(&self) -> bool {
        !matches!(
            self,
            Message::AppendAck(_)
                | Message::Refused(_)
                | Message::PageReply(_)
                | Message::SealReport(_)
                | Message::HistoryWritten(_)
                | Message::MembershipWritten(_)
                | Message::Records(_)
                | Message::Status(_)
        )
    }

    /// The segment that the message is to, or from.
    pub fn address(&self) -> Address {
        match self {
            Message::Append(m) => m.to,
            Message::AppendAck(m) => m.from,
            Message::Refused(m) => m.from,
            Message::ReadPage(m) => m.to,
            Message::PageReply(m) => m.from,
            Message::Seal(m) => m.to,
            Message::SealReport(m) => m.from,
            Message::WriteHistory(m) => m.to,
            Message::HistoryWritten(m) => m.from,
            Message::WriteMembership(m) => m.to,
            Message::MembershipWritten(m) => m.from,
            Message::CreateSegment(m) => m.to,
            Message::FetchRecords(m) => m.to,
            Message::Records(m) => m.from,
            Message::Fill(m) => m.to,
            Message::AskGaps(m) => m.to,
            Message::AskStatus(m) => m.to,
            Message::Status(m) => m.from,
            Message::AskImages(m) => m.to,
            Message::Images(m) => m.to,
        }
    }
}
