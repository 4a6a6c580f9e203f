//! The writer's side of the protocol: number records, keep and send them, and learn what is durable.
//!
//! SCL -> PGCL -> VCL -> VDL (SIGMOD 2017, section 4.1; SIGMOD 2018, section 2.3). The writer alone
//! allocates LSNs. Sending is pulled: a connection that has room asks for the next message, so that a batch
//! fills until it really leaves and no timer is needed.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MAX_MTR_BYTES, MAX_RECORD_HEADER_BYTES, PageId, PgId, RecordFlags, RecordHeader};
use redoubt_page::{VolumeEpoch, encoded_len};

use crate::geometry::{Membership, VolumeGeometry};
use crate::history::History;
use crate::message::*;
use crate::planted::{Bugs, Planted};
use crate::refusal::Refusal;

mod group;
mod link;

use group::Group;
pub use positions::SegmentView;

/// How far above the allocation base LSNs may be allocated, unless a volume was created with another limit
/// (SIGMOD 2017, section 4.2.1). A recovery voids as many, so both must use the volume's own.
pub const LSN_ALLOCATION_LIMIT: u64 = 10_000_000;

/// The least cap on unacknowledged bytes: one mini-transaction of any size must fit.
pub const MIN_UNACKED_BYTES: u64 = 2 * MAX_MTR_BYTES as u64;

/// Once an open batch holds this much it is closed and the next one begun.
const BATCH_TARGET_BYTES: usize = 512 * 1024;

/// Where a writer begins: what a recovery decided, or a volume just created.
#[derive(Clone, Debug)]
pub struct WriterStart {
    /// The writer's incarnation.
    pub volume_epoch: VolumeEpoch,
    /// How the volume's pages are divided.
    pub geometry: VolumeGeometry,
    /// The history written under `volume_epoch`.
    pub history: Arc<History>,
    /// The recovered VDL; zero for a volume just created.
    pub vdl: Lsn,
    /// The read floor to begin with, at most `vdl`.
    pub read_floor: Lsn,
    /// The protection groups, in order of their numbers from zero.
    pub groups: Vec<GroupStart>,
    /// LSNs that may be allocated above the base; the volume's own, see `LSN_ALLOCATION_LIMIT`.
    pub allocation_limit: u64,
    /// The cap on bytes that no write quorum has acknowledged; at least `MIN_UNACKED_BYTES`.
    pub max_unacked_bytes: u64,
    /// How many bytes that a write quorum already holds are kept for slower segments.
    pub max_straggler_bytes: u64,
}

/// A protection group as a writer finds it.
#[derive(Clone, Debug)]
pub struct GroupStart {
    /// Its segments and quorums.
    pub membership: Arc<Membership>,
    /// Its last record at or below the recovered VDL.
    pub tail: Lsn,
}

/// A record to append: a page, the version of the page it changes, and encoded operations.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The page.
    pub page: PageId,
    /// The LSN of the page before this record.
    pub prev_page_lsn: Lsn,
    /// Encoded operations.
    pub ops: &'a [u8],
}

/// Leave to append one mini-transaction of at most so many records and bytes. Taken before any page is
/// latched, because after its first record a mini-transaction cannot fail or wait.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a budget is used by `append` or given back by `release`"]
pub struct Budget {
    records: u64,
    bytes: u64,
}

/// The LSNs that a mini-transaction got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedMtr {
    /// Its first record.
    pub first: Lsn,
    /// Its last record, a consistency point: the mini-transaction is durable when VDL reaches it.
    pub cpl: Lsn,
}

/// What a message changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterEvent {
    /// Nothing that the driver must act on.
    Nothing,
    /// VDL rose: commits at or below it are durable.
    VdlAdvanced,
    /// The segment now has to be sent something: ask `poll_send`.
    Wake(Address),
    /// A newer writer exists. This one is over: it acknowledges nothing more, ever.
    Fenced {
        /// The epoch that fences it.
        by: VolumeEpoch,
    },
    /// A newer membership than the writer's is installed at a segment; read it from the metadata store.
    StaleMembership(Address),
    /// The segment cannot serve and must be looked after; nothing is sent to it until `on_connected`.
    SegmentFailed(Address, Refusal),
    /// The segment says what cannot be true: an SCL above everything written, or that good records are bad.
    Contradiction(Address),
}

/// A run of records of one mini-transaction in one protection group, in LSN order.
#[derive(Clone, Copy, Debug)]
struct Run {
    group: u32,
    first: Lsn,
    last: Lsn,
    ends_mtr: bool,
}

/// See the module.
#[derive(Debug)]
pub struct WriterCore {
    volume_epoch: VolumeEpoch,
    geometry: VolumeGeometry,
    history: Arc<History>,
    allocation_limit: u64,
    max_unacked_bytes: u64,
    max_straggler_bytes: u64,
    /// The last record appended, or the recovered VDL: what the next record follows in the volume.
    last: Lsn,
    next: Lsn,
    vcl: Lsn,
    vdl: Lsn,
    read_floor: Lsn,
    groups: Vec<Group>,
    /// Records above VDL.
    runs: VecDeque<Run>,
    /// How many runs at the front lie at or below VCL,
    complete_runs: usize,
    /// and how many of those up to and including the last that ends a mini-transaction.
    durable_runs: usize,
    unacked_bytes: u64,
    reserved_records: u64,
    reserved_bytes: u64,
    fenced_by: Option<VolumeEpoch>,
    next_request: u64,
    bugs: Bugs,
}

impl WriterCore {
    /// A writer for a volume whose history of this epoch is on a write quorum of every protection group.
    ///
    /// # Panics
    /// When the start contradicts itself: these are the opener's own facts, not a peer's.
    pub fn open(start: WriterStart) -> WriterCore {
        assert!(start.history.epoch() == start.volume_epoch, "a writer opens under its own epoch's history");
        assert!(start.max_unacked_bytes >= MIN_UNACKED_BYTES, "the cap is below one mini-transaction");
        assert!(start.allocation_limit > 0, "a writer needs LSNs to allocate");
        let groups = start.groups.into_iter().enumerate().map(|(at, group)| {
            assert!(group.tail <= start.vdl, "a group's tail is above VDL");
            Group::open(PgId::new(u32::try_from(at).expect("groups are numbered")), group)
        });
        let core = WriterCore {
            volume_epoch: start.volume_epoch,
            geometry: start.geometry,
            allocation_limit: start.allocation_limit,
            max_unacked_bytes: start.max_unacked_bytes,
            max_straggler_bytes: start.max_straggler_bytes,
            last: start.vdl,
            next: start.history.end().max(start.vdl).next(),
            vcl: start.vdl,
            vdl: start.vdl,
            read_floor: start.read_floor,
            groups: groups.collect(),
            history: start.history,
            runs: VecDeque::new(),
            complete_runs: 0,
            durable_runs: 0,
            unacked_bytes: 0,
            reserved_records: 0,
            reserved_bytes: 0,
            fenced_by: None,
            next_request: 1,
            bugs: Bugs::default(),
        };
        core.check_order();
        core
    }

    /// Plants a wrong variant, for the tests that must notice it.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub fn plant(&mut self, planted: Planted) {
        self.bugs = Bugs::planted(planted);
    }

    /// Asks for leave to append up to this many records with up to this many bytes of operations. Nothing
    /// when too many LSNs or bytes are above what is durable: ask again when VDL or an acknowledgement has
    /// moved. This is where back-pressure is felt.
    pub fn reserve(&mut self, records: u32, ops_bytes: u64) -> Option<Budget> {
        let (records, headers) = (u64::from(records), u64::from(records) * MAX_RECORD_HEADER_BYTES as u64);
        let bytes = ops_bytes + headers;
        if !self.can_allocate(records, bytes) {
            return None;
        }
        self.reserved_records += records;
        self.reserved_bytes += bytes;
        Some(Budget { records, bytes })
    }

    /// Whether `records` more LSNs and `bytes` more unacknowledged bytes are allowed now.
    pub fn can_allocate(&self, records: u64, bytes: u64) -> bool {
        let limit = self.allocation_base().checked_add(self.allocation_limit);
        let wanted = self.next.checked_add(self.reserved_records).and_then(|l| l.checked_add(records));
        let numbers = match (limit, wanted) {
            // `wanted` is one above the last LSN that would be allocated.
            (Some(limit), Some(wanted)) => wanted <= limit.next(),
            _ => false,
        };
        let outstanding = self.unacked_bytes + self.reserved_bytes;
        numbers && (outstanding == 0 || outstanding + bytes <= self.max_unacked_bytes)
    }

    /// Gives a budget back unused.
    pub fn release(&mut self, budget: Budget) {
        self.reserved_records -= budget.records;
        self.reserved_bytes -= budget.bytes;
    }

    /// Appends one mini-transaction: contiguous LSNs, the last a consistency point. Calls `stamp` with each
    /// record's place and LSN, so that the caller can finish its pages. Does not wait and cannot fail.
    ///
    /// # Panics
    /// When the records exceed the budget, are none, or change a page of no protection group.
    pub fn append<'a>(
        &mut self,
        budget: Budget,
        records: impl ExactSizeIterator<Item = NewRecord<'a>>,
        mut stamp: impl FnMut(usize, Lsn),
    ) -> AppendedMtr {
        let count = records.len();
        assert!(count > 0, "a mini-transaction has at least one record");
        assert!(count as u64 <= budget.records, "{count} records exceed the budget of {budget:?}");
        let first = self.next;
        let mut bytes = 0;
        for (at, record) in records.enumerate() {
            let is_last = at + 1 == count;
            bytes += self.append_record(&record, is_last);
            stamp(at, self.last);
        }
        assert!(bytes <= budget.bytes, "{bytes} bytes exceed the budget of {budget:?}");
        self.unacked_bytes += bytes;
        self.release(budget);
        self.check_order();
        AppendedMtr { first, cpl: self.last }
    }

    fn append_record(&mut self, record: &NewRecord<'_>, is_last: bool) -> u64 {
        let pg = self.geometry.pg_of(record.page);
        let group = self.groups.get_mut(pg.get() as usize);
        let group = group.expect("a page is appended to only after its protection group was added");
        let header = RecordHeader {
            lsn: self.next,
            page_id: record.page,
            pg,
            prev_pg_lsn: group.last(),
            prev_page_lsn: record.prev_page_lsn,
            prev_volume_lsn: self.last,
            flags: if is_last { RecordFlags::CPL } else { RecordFlags::NONE },
        };
        group.push(&header, record.ops);
        self.last = self.next;
        self.next = self.next.next();
        self.push_run(pg.get(), is_last);
        encoded_len(&header, record.ops.len()) as u64
    }

    /// Extends the newest run by the last record, or begins one.
    fn push_run(&mut self, group: u32, ends_mtr: bool) {
        let lsn = self.last;
        match self.runs.back_mut() {
            Some(run) if run.group == group && !run.ends_mtr => {
                run.last = lsn;
                run.ends_mtr = ends_mtr;
            }
            _ => self.runs.push_back(Run { group, first: lsn, last: lsn, ends_mtr }),
        }
    }

    /// Moves VCL and VDL as far as the PGCLs allow. Returns whether VDL moved.
    fn advance(&mut self) -> bool {
        while let Some(run) = self.runs.get(self.complete_runs) {
            let pgcl = self.groups[run.group as usize].pgcl();
            if pgcl < run.last {
                // Within a run every number is a record of the run's own group.
                if pgcl >= run.first {
                    self.vcl = self.vcl.max(pgcl);
                }
                break;
            }
            self.vcl = run.last;
            self.complete_runs += 1;
            if run.ends_mtr {
                self.durable_runs = self.complete_runs;
            }
        }
        let before = self.vdl;
        self.complete_runs -= self.durable_runs;
        for _ in 0..core::mem::take(&mut self.durable_runs) {
            let Some(run) = self.runs.pop_front() else { break };
            self.groups[run.group as usize].set_tail(run.last);
            self.vdl = run.last;
        }
        if self.bugs.has(Planted::VdlIgnoresCpl) {
            self.vdl = self.vcl;
        }
        self.vdl > before
    }

    /// What is to be sent to a segment next, if anything: call when its connection has room, until nothing
    /// comes back.
    pub fn poll_send(&mut self, to: Address) -> Option<Message> {
        if self.fenced_by.is_some() {
            return None;
        }
        let request = crate::ids::RequestId::new(self.next_request);
        let context = link::SendContext {
            request,
            volume_epoch: self.volume_epoch,
            history: &self.history,
            vdl: self.vdl,
            read_floor: self.read_floor,
        };
        let group = self.groups.get_mut(to.pg.get() as usize)?;
        let message = group.poll_send(to, &context);
        group.release_stragglers(self.max_straggler_bytes);
        self.next_request += 1;
        message
    }

    /// Whether `poll_send` would return something.
    pub fn has_pending(&self, to: Address) -> bool {
        let group = self.groups.get(to.pg.get() as usize);
        self.fenced_by.is_none() && group.is_some_and(|g| g.has_pending(to.segment))
    }

    /// A connection to a segment stands. It is asked for its positions first, then brought up to date.
    pub fn on_connected(&mut self, to: Address) {
        if let Some(group) = self.groups.get_mut(to.pg.get() as usize) {
            group.on_connected(to.segment);
        }
    }

    /// The connection to a segment is gone, and whatever was under way on it.
    pub fn on_disconnected(&mut self, to: Address) {
        if let Some(group) = self.groups.get_mut(to.pg.get() as usize) {
            group.on_disconnected(to.segment);
            group.release_stragglers(self.max_straggler_bytes);
        }
    }

    /// To be called at an interval of the driver's choice (some round trips): whatever was sent to a segment
    /// that made no progress since the last call is sent again, so that no lost message stays lost.
    pub fn on_tick(&mut self) {
        self.groups.iter_mut().for_each(Group::on_tick);
    }

    /// Sends the current VDL, tails and floor to every segment even if no record follows.
    pub fn announce_positions(&mut self) {
        self.groups.iter_mut().for_each(Group::announce_positions);
    }

    /// Handles a message from a segment. Messages that only writers send are ignored.
    pub fn on_message(&mut self, message: &Message) -> WriterEvent {
        match message {
            Message::AppendAck(m) => self.on_ack(m),
            Message::Refused(m) => self.on_refused(m),
            Message::Status(m) => self.on_status(m),
            Message::HistoryWritten(m) => self.on_history_written(m),
            Message::MembershipWritten(m) => self.on_membership_written(m),
            _ => WriterEvent::Nothing,
        }
    }

    /// A segment's durable SCL. Allocates nothing.
    pub fn on_ack(&mut self, ack: &AppendAck) -> WriterEvent {
        if ack.volume_epoch > self.volume_epoch {
            return self.fence(ack.volume_epoch);
        }
        if ack.volume_epoch < self.volume_epoch {
            return WriterEvent::Nothing;
        }
        self.take_scl(ack.from, ack.scl)
    }

    fn take_scl(&mut self, from: Address, scl: Lsn) -> WriterEvent {
        if self.fenced_by.is_some() {
            return WriterEvent::Nothing;
        }
        let Some(group) = self.groups.get_mut(from.pg.get() as usize) else {
            return WriterEvent::Nothing;
        };
        if self.history.is_voided(scl) {
            // A late answer to the recovery, from before its history was there (rule 12).
            return WriterEvent::Nothing;
        }
        if scl > group.last() {
            return WriterEvent::Contradiction(from);
        }
        if !group.take_scl(from.segment, scl) {
            return WriterEvent::Nothing;
        }
        let Some(acked_bytes) = group.raise_pgcl(self.bugs) else { return WriterEvent::Nothing };
        group.release_stragglers(self.max_straggler_bytes);
        self.unacked_bytes -= acked_bytes;
        let advanced = self.advance();
        self.check_order();
        if advanced { WriterEvent::VdlAdvanced } else { WriterEvent::Nothing }
    }

    fn on_refused(&mut self, refused: &Refused) -> WriterEvent {
        if let Refusal::Fenced { current } = refused.reason {
            return if current > self.volume_epoch { self.fence(current) } else { WriterEvent::Nothing };
        }
        match self.groups.get_mut(refused.from.pg.get() as usize) {
            Some(group) => group.on_refused(refused),
            None => WriterEvent::Nothing,
        }
    }

    fn on_status(&mut self, status: &Status) -> WriterEvent {
        if status.volume_epoch > self.volume_epoch {
            return self.fence(status.volume_epoch);
        }
        let Some(group) = self.groups.get_mut(status.from.pg.get() as usize) else {
            return WriterEvent::Nothing;
        };
        if status.history_epoch < self.volume_epoch {
            // Its SCL may count voided records and says nothing yet (rule 12).
            return group.needs_history(status.from);
        }
        let woken = group.is_up_to_date(status.from, status.membership_epoch);
        self.take_scl_of(status.from, status.scl, woken)
    }

    fn on_history_written(&mut self, written: &HistoryWritten) -> WriterEvent {
        if written.volume_epoch > self.volume_epoch {
            return self.fence(written.volume_epoch);
        }
        if written.history_epoch != self.volume_epoch {
            return WriterEvent::Nothing;
        }
        let Some(group) = self.groups.get_mut(written.from.pg.get() as usize) else {
            return WriterEvent::Nothing;
        };
        let woken = group.has_history(written.from);
        self.take_scl_of(written.from, written.scl, woken)
    }

    fn on_membership_written(&mut self, written: &MembershipWritten) -> WriterEvent {
        let Some(group) = self.groups.get_mut(written.from.pg.get() as usize) else {
            return WriterEvent::Nothing;
        };
        let woken = group.is_up_to_date(written.from, written.membership_epoch);
        // A change of membership that just took effect may have moved PGCL.
        let acked_bytes = group.raise_pgcl(self.bugs).unwrap_or(0);
        self.unacked_bytes -= acked_bytes;
        if self.advance() { WriterEvent::VdlAdvanced } else { woken }
    }

    fn take_scl_of(&mut self, from: Address, scl: Lsn, woken: WriterEvent) -> WriterEvent {
        match self.take_scl(from, scl) {
            WriterEvent::Nothing => woken,
            event => event,
        }
    }

    fn fence(&mut self, by: VolumeEpoch) -> WriterEvent {
        self.fenced_by = Some(self.fenced_by.map_or(by, |known| known.max(by)));
        WriterEvent::Fenced { by }
    }

    /// The driver learnt, from the metadata store say, that a newer writer exists.
    pub fn on_fenced(&mut self, by: VolumeEpoch) {
        assert!(by > self.volume_epoch, "a writer is fenced by a newer epoch only");
        self.fence(by);
    }

    /// Adds the next protection group. Its segments exist, durably, and the metadata store names it (rule 13).
    ///
    /// # Panics
    /// When the group would lie beyond the last page number.
    pub fn add_group(&mut self, membership: Arc<Membership>) -> PgId {
        let pg = PgId::new(u32::try_from(self.groups.len()).expect("groups are numbered in 32 bits"));
        assert!(!self.geometry.pages_of(pg).is_empty(), "{pg} would hold no page");
        self.groups.push(Group::open(pg, GroupStart { membership, tail: Lsn::ZERO }));
        pg
    }

    /// Begins a change of membership, which the metadata store already names. Until its epoch is on a
    /// write quorum of both the old and the new membership, records must reach a write quorum of both.
    /// Nothing happens when the membership is not newer.
    ///
    /// # Panics
    /// When the group does not exist.
    pub fn change_membership(&mut self, pg: PgId, membership: Arc<Membership>) {
        self.groups[pg.get() as usize].change_membership(membership);
    }

    /// A membership is about to be named whose join point is the group's PGCL: what becomes durable from here on
    /// meets its write quorum too, long before `change_membership`. None when that came to nothing.
    pub(crate) fn expect_membership(&mut self, pg: PgId, expected: Option<Arc<Membership>>) {
        self.groups[pg.get() as usize].expect_membership(expected);
    }

    /// Raises the lowest read point that any live instance may still ask for.
    ///
    /// # Panics
    /// When it would fall, or rise above VDL.
    pub fn set_read_floor(&mut self, floor: Lsn) {
        assert!(floor >= self.read_floor, "the read floor fell from {} to {floor}", self.read_floor);
        self.read_floor = floor;
        self.check_order();
    }
}

mod positions;
