//! One protection group as the writer sees it: its batches, its segments, its PGCL.

use super::*;

use super::link::{Link, LinkState, SendContext};
use super::positions::SegmentView;
use crate::batch::{BatchBuilder, RecordBatch};
use crate::ids::SegmentId;
use redoubt_page::MembershipEpoch;

#[derive(Debug)]
pub(super) struct Group {
    pg: PgId,
    membership: Arc<Membership>,
    /// A membership on its way: writes must meet its quorum too until it is in force.
    pending: Option<Arc<Membership>>,
    /// A membership that is about to be named: PGCL must not pass its join point without its write quorum.
    expected: Option<Arc<Membership>>,
    links: Vec<Link>,
    /// Records that have not left yet.
    open: BatchBuilder,
    /// Batches that some segment may still have to be sent, oldest first.
    kept: VecDeque<RecordBatch>,
    /// The number of the oldest kept batch, counted from the writer's start.
    first_seq: u64,
    /// How many batches at the front PGCL covers: kept only for stragglers.
    covered: usize,
    covered_bytes: u64,
    /// The group's last record.
    last: Lsn,
    pgcl: Lsn,
    /// The group's last record at or below VDL.
    tail: Lsn,
}

impl Group {
    pub(super) fn open(pg: PgId, start: GroupStart) -> Group {
        let epoch = start.membership.epoch();
        let links = start.membership.members().iter().map(|m| Link::new(m.segment, epoch));
        Group {
            pg,
            links: links.collect(),
            membership: start.membership,
            pending: None,
            expected: None,
            open: BatchBuilder::default(),
            kept: VecDeque::new(),
            first_seq: 0,
            covered: 0,
            covered_bytes: 0,
            last: start.tail,
            pgcl: start.tail,
            tail: start.tail,
        }
    }

    pub(super) fn last(&self) -> Lsn {
        self.last
    }

    pub(super) fn pgcl(&self) -> Lsn {
        self.pgcl
    }

    pub(super) fn tail(&self) -> Lsn {
        self.tail
    }

    pub(super) fn set_tail(&mut self, tail: Lsn) {
        assert!(tail > self.tail && tail <= self.pgcl, "tail {tail} is out of order");
        self.tail = tail;
    }

    pub(super) fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    pub(super) fn newest_membership(&self) -> &Arc<Membership> {
        self.pending.as_ref().unwrap_or(&self.membership)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = SegmentView> {
        self.links.iter().map(|l| SegmentView { segment: l.segment, scl: l.scl, ready: l.is_ready() })
    }

    pub(super) fn membership_epoch_of(&self, segment: SegmentId) -> Option<MembershipEpoch> {
        self.links.iter().find(|l| l.segment == segment).map(|l| l.membership_epoch)
    }

    fn link(&mut self, segment: SegmentId) -> Option<&mut Link> {
        self.links.iter_mut().find(|l| l.segment == segment)
    }

    pub(super) fn push(&mut self, header: &RecordHeader, ops: &[u8]) {
        if self.open.len_bytes() + encoded_len(header, ops.len()) > BATCH_TARGET_BYTES {
            self.close_batch();
        }
        self.open.push(header, ops);
        self.last = header.lsn;
    }

    fn close_batch(&mut self) {
        if let Some(batch) = self.open.take() {
            self.kept.push_back(batch);
        }
    }

    fn end_seq(&self) -> u64 {
        self.first_seq + self.kept.len() as u64
    }

    pub(super) fn has_pending(&self, segment: SegmentId) -> bool {
        let Some(link) = self.links.iter().find(|l| l.segment == segment) else { return false };
        let records = link.next_seq < self.end_seq() || !self.open.is_empty() || link.announce;
        link.has_question() || (link.is_ready() && records)
    }

    pub(super) fn poll_send(&mut self, to: Address, context: &SendContext<'_>) -> Option<Message> {
        let at = self.links.iter().position(|l| l.segment == to.segment)?;
        let newest = self.pending.as_ref().unwrap_or(&self.membership);
        if !self.links[at].is_ready() {
            return self.links[at].take_question(to, context, newest);
        }
        let batch = self.next_batch(at);
        let link = &mut self.links[at];
        if batch.is_none() && !link.announce {
            return None;
        }
        link.announce = false;
        Some(Message::Append(Append {
            to,
            epochs: Epochs { volume: context.volume_epoch, membership: link.membership_epoch },
            vdl: context.vdl,
            pg_tail: self.tail,
            read_floor: context.read_floor,
            batch,
        }))
    }

    /// The next batch that the segment at `at` was not sent and does not have. Closes the open batch when
    /// its turn comes: this is the moment it really leaves.
    fn next_batch(&mut self, at: usize) -> Option<RecordBatch> {
        loop {
            if self.links[at].next_seq >= self.end_seq() {
                self.close_batch();
            }
            let link = &mut self.links[at];
            // Batches dropped in the meantime are durable on a write quorum; peers will fill them in.
            link.next_seq = link.next_seq.max(self.first_seq);
            let index = usize::try_from(link.next_seq - self.first_seq).expect("batches fit in memory");
            let batch = self.kept.get(index)?;
            link.next_seq += 1;
            if batch.summary().last() > link.scl {
                return Some(batch.clone());
            }
        }
    }

    pub(super) fn on_connected(&mut self, segment: SegmentId) {
        if let Some(link) = self.link(segment) {
            link.state = LinkState::Asking { sent: false };
        }
    }

    pub(super) fn on_disconnected(&mut self, segment: SegmentId) {
        if let Some(link) = self.link(segment) {
            link.state = LinkState::Down;
            link.ticked = None;
        }
    }

    pub(super) fn on_tick(&mut self) {
        let (first_seq, last) = (self.first_seq, self.last);
        for link in &mut self.links {
            if link.on_tick() {
                // Sent again from above its SCL on; `next_batch` skips what it has.
                link.next_seq = first_seq;
                // What it lacks may not be here any more. It is told whom to tell when a peer has filled it.
                link.announce |= link.scl < last;
            }
        }
    }

    pub(super) fn announce_positions(&mut self) {
        self.links.iter_mut().for_each(|l| l.announce = true);
    }

    /// Returns whether the SCL is news.
    pub(super) fn take_scl(&mut self, segment: SegmentId, scl: Lsn) -> bool {
        let Some(link) = self.link(segment) else { return false };
        let news = scl > link.scl;
        link.scl = link.scl.max(scl);
        news
    }

    /// Recomputes PGCL. Returns how many bytes it newly covers, or nothing when it did not move.
    pub(super) fn raise_pgcl(&mut self, bugs: Bugs) -> Option<u64> {
        let links = &self.links;
        let scl = |s: SegmentId| links.iter().find(|l| l.segment == s).map_or(Lsn::ZERO, |l| l.scl);
        let mut reached = self.membership.write().reached(scl);
        let expected = self.expected.iter().filter(|_| !bugs.has(Planted::JoinPointPassed));
        for next in self.pending.iter().chain(expected) {
            reached = reached.min(next.write().reached(scl));
        }
        if bugs.has(Planted::AckAtReadQuorum) {
            reached = self.membership.read().reached(scl);
        }
        if reached <= self.pgcl {
            return None;
        }
        self.pgcl = reached;
        let mut bytes = 0;
        while let Some(batch) = self.kept.get(self.covered) {
            if batch.summary().last() > reached {
                break;
            }
            bytes += batch.bytes().len() as u64;
            self.covered += 1;
        }
        self.covered_bytes += bytes;
        Some(bytes)
    }

    /// Drops batches that a write quorum holds and that no connected segment still has to be sent, or that
    /// are too many to be kept for it.
    pub(super) fn release_stragglers(&mut self, max_bytes: u64) {
        while self.covered > 0 {
            let Some(batch) = self.kept.front() else { break };
            let (seq, last) = (self.first_seq, batch.summary().last());
            let awaited = |l: &Link| l.state != LinkState::Down && l.next_seq <= seq && l.scl < last;
            if self.covered_bytes <= max_bytes && self.links.iter().any(awaited) {
                break;
            }
            self.covered_bytes -= batch.bytes().len() as u64;
            self.covered -= 1;
            self.first_seq += 1;
            self.kept.pop_front();
        }
    }

    pub(super) fn needs_history(&mut self, from: Address) -> WriterEvent {
        let Some(link) = self.link(from.segment) else { return WriterEvent::Nothing };
        if matches!(link.state, LinkState::Down | LinkState::WritingHistory { .. }) {
            return WriterEvent::Nothing;
        }
        link.state = LinkState::WritingHistory { sent: false };
        WriterEvent::Wake(from)
    }

    /// The history is durable at the segment; its membership may still have to be asked for.
    pub(super) fn has_history(&mut self, from: Address) -> WriterEvent {
        let Some(link) = self.link(from.segment) else { return WriterEvent::Nothing };
        if !matches!(link.state, LinkState::WritingHistory { .. }) {
            return WriterEvent::Nothing;
        }
        link.state = LinkState::Asking { sent: false };
        WriterEvent::Wake(from)
    }

    /// The segment has the history, and told the epoch of its membership.
    pub(super) fn is_up_to_date(&mut self, from: Address, membership: MembershipEpoch) -> WriterEvent {
        let newest = self.pending.as_ref().unwrap_or(&self.membership).epoch();
        let first_seq = self.first_seq;
        let Some(link) = self.link(from.segment) else { return WriterEvent::Nothing };
        if link.state == LinkState::Down {
            return WriterEvent::Nothing;
        }
        if membership > newest {
            return WriterEvent::StaleMembership(from);
        }
        link.membership_epoch = membership;
        if membership < newest {
            if matches!(link.state, LinkState::WritingMembership { .. }) {
                return WriterEvent::Nothing;
            }
            link.state = LinkState::WritingMembership { sent: false };
        } else if link.is_ready() {
            return WriterEvent::Nothing;
        } else {
            link.state = LinkState::Ready;
            link.next_seq = first_seq;
            self.settle_membership();
        }
        WriterEvent::Wake(from)
    }

    /// Why a segment did not take what it was sent, and what to do about it.
    pub(super) fn on_refused(&mut self, refused: &Refused) -> WriterEvent {
        let from = refused.from;
        let Some(link) = self.link(from.segment) else { return WriterEvent::Nothing };
        match refused.reason {
            Refusal::NeedHistory { .. } => self.needs_history(from),
            Refusal::NeedMembership { .. } | Refusal::StaleMembership { .. } if link.is_ready() => {
                link.state = LinkState::Asking { sent: false };
                WriterEvent::Wake(from)
            }
            Refusal::UnknownSegment
            | Refusal::LogDead
            | Refusal::Damaged
            | Refusal::HistoryTooDeep { .. } => {
                link.state = LinkState::Down;
                WriterEvent::SegmentFailed(from, refused.reason)
            }
            Refusal::BadRecords | Refusal::WrongPage => WriterEvent::Contradiction(from),
            // Sent again by a later tick: the segment has no room for it now, or answered something else.
            _ => WriterEvent::Nothing,
        }
    }

    pub(super) fn expect_membership(&mut self, expected: Option<Arc<Membership>>) {
        self.expected = expected;
    }

    pub(super) fn change_membership(&mut self, membership: Arc<Membership>) {
        self.expected = self.expected.take().filter(|expected| expected.epoch() > membership.epoch());
        let newest = self.pending.as_ref().unwrap_or(&self.membership);
        if membership.epoch() <= newest.epoch() {
            return;
        }
        assert!(self.pending.is_none(), "{} changes membership one step at a time", self.pg);
        for member in membership.members() {
            if self.link(member.segment).is_none() {
                self.links.push(Link::new(member.segment, self.membership.epoch()));
            }
        }
        self.pending = Some(membership);
        for link in &mut self.links {
            if link.is_ready() {
                link.state = LinkState::WritingMembership { sent: false };
            }
        }
    }

    /// Puts the pending membership in force once its epoch is on a write quorum of both.
    fn settle_membership(&mut self) {
        let Some(pending) = &self.pending else { return };
        let links = &self.links;
        let has =
            |s: SegmentId| links.iter().any(|l| l.segment == s && l.membership_epoch >= pending.epoch());
        if self.membership.write().is_met(has) && pending.write().is_met(has) {
            let settled = Arc::clone(pending);
            self.links.retain(|l| settled.member(l.segment).is_some());
            self.membership = settled;
            self.pending = None;
        }
    }
}
