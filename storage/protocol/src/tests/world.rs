//! A small world: segments with disks that lose what was not flushed, writers that do not know they are
//! fenced, openers that race, and a network that drops, repeats and reorders.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, PageId, PgId, VolumeEpoch};

use super::checkers::Truth;
use super::rng::Rng;
use super::{six, some_ops};
use crate::batch::RecordBatch;
use crate::bytes::SharedBytes;
use crate::control::ControlState;
use crate::geometry::{Membership, VolumeGeometry};
use crate::history::History;
use crate::ids::{Origin, PersistToken, RequestId, VolumeId};
use crate::message::*;
use crate::opening::{OpeningCore, OpeningState};
use crate::planted::Planted;
use crate::recovery::Undecided;
use crate::refusal::Refusal;
use crate::replacement::ReplacementCore;
use crate::segment::{Output, Positions, RecordsFor, RestorePoint, SegmentCore};
use crate::writer::{GroupStart, MIN_UNACKED_BYTES, NewRecord, WriterCore, WriterEvent, WriterStart};

pub(crate) const GROUPS: usize = 2;
pub(crate) const SEGMENT_PAGES: u64 = 16;
/// Small, so that writers run into it.
pub(crate) const ALLOCATION_LIMIT: u64 = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Segment(usize),
    Writer(usize),
    Opener(usize),
}

impl Party {
    pub(crate) fn origin(self) -> Origin {
        Origin::new(match self {
            Party::Segment(at) => at as u64,
            Party::Writer(at) => 1_000_000 + at as u64,
            Party::Opener(at) => 2_000_000 + at as u64,
        })
    }

    fn of(origin: Origin) -> Party {
        let raw = origin.get();
        match raw / 1_000_000 {
            0 => Party::Segment(raw as usize),
            1 => Party::Writer((raw - 1_000_000) as usize),
            _ => Party::Opener((raw - 2_000_000) as usize),
        }
    }
}

/// What is durable at a segment.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) control: ControlState,
    pub(crate) log: Vec<(Option<RecordBatch>, Positions)>,
    /// An index checkpoint: the restore point, and the log position from which frames must be read again.
    pub(crate) checkpoint: RestorePoint,
    /// Records up to here are in page images; the log need not have them.
    pub(crate) images_to: Lsn,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) disk: Disk,
    pub(crate) core: Option<SegmentCore>,
    /// Written and not yet flushed, in order.
    pub(crate) log_writes: VecDeque<(PersistToken, Option<RecordBatch>, Positions)>,
    pub(crate) control_writes: VecDeque<(crate::ids::ControlToken, ControlState)>,
    /// Images put aside that are about to become the segment's.
    pub(crate) image_commits: VecDeque<(crate::ids::ControlToken, RestorePoint)>,
    /// Admitted requests for records, not yet read from the log.
    pub(crate) serving: VecDeque<Output>,
    pub(crate) log_dead: bool,
    /// Its flushes take long.
    pub(crate) slow: bool,
}

impl Node {
    pub(crate) fn created(address: Address, control: ControlState) -> Node {
        Node {
            address,
            disk: Disk {
                control,
                log: Vec::new(),
                checkpoint: RestorePoint::default(),
                images_to: Lsn::ZERO,
            },
            core: None,
            log_writes: VecDeque::new(),
            control_writes: VecDeque::new(),
            image_commits: VecDeque::new(),
            serving: VecDeque::new(),
            log_dead: false,
            slow: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) core: WriterCore,
    pub(crate) alive: bool,
}

#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) core: OpeningCore,
    pub(crate) epoch: VolumeEpoch,
    pub(crate) alive: bool,
    pub(crate) decided: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) planted: Planted,
    pub(crate) nodes: Vec<Node>,
    pub(crate) writers: Vec<Writer>,
    pub(crate) openers: Vec<Opener>,
    pub(crate) memberships: Vec<Arc<Membership>>,
    /// The newest volume epoch given out.
    pub(crate) epoch: VolumeEpoch,
    pub(crate) network: Vec<(Party, Party, Message)>,
    /// Messages that arrive very late.
    pub(crate) limbo: Vec<(Party, Party, Message)>,
    pub(crate) blocked: BTreeSet<(Party, Party)>,
    pub(crate) truth: Truth,
    /// Steps of membership changes begun.
    pub(crate) changes: usize,
    /// Per group, a replacement under way, and the writer's epoch.
    pub(crate) changing: [Option<(VolumeEpoch, ReplacementCore)>; GROUPS],
    /// How often a segment was given images in the place of records.
    pub(crate) imaged: usize,
    /// How often a mini-transaction stays within the last group.
    last_group_percent: u64,
    next_request: u64,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Planted, per_node_checks: bool) -> World {
        let memberships: Vec<Arc<Membership>> = (0..GROUPS).map(|g| six(1 + 6 * g as u64)).collect();
        let epoch = VolumeEpoch::new(1);
        let history = Arc::new(History::new(epoch));
        let mut world = World {
            rng: Rng::new(seed),
            planted,
            nodes: Vec::new(),
            writers: Vec::new(),
            openers: Vec::new(),
            memberships,
            epoch,
            network: Vec::new(),
            limbo: Vec::new(),
            blocked: BTreeSet::new(),
            truth: Truth::new(per_node_checks),
            changes: 0,
            changing: [None, None],
            imaged: 0,
            last_group_percent: 0,
            next_request: 1,
        };
        for (pg, membership) in (0_u32..).zip(world.memberships.clone()) {
            for member in membership.members() {
                let address = Address { pg: PgId::new(pg), segment: member.segment };
                let control = ControlState::created(&CreateSegment {
                    to: address,
                    request: RequestId::new(0),
                    volume: VolumeId::new([7; 16]),
                    segment_pages: SEGMENT_PAGES,
                    volume_epoch: epoch,
                    history: Arc::clone(&history),
                    membership: Arc::clone(&membership),
                })
                .expect("a founding member");
                world.nodes.push(Node::created(address, control));
            }
        }
        let slow_percent = 10 * world.rng.below(6) as u64;
        for at in 0..world.nodes.len() {
            world.nodes[at].slow = world.rng.percent(slow_percent);
            world.restart(at);
        }
        world.last_group_percent = 20 * world.rng.below(5) as u64;
        let groups = world
            .memberships
            .iter()
            .map(|membership| GroupStart { membership: Arc::clone(membership), tail: Lsn::ZERO });
        let start = WriterStart {
            volume_epoch: epoch,
            geometry: VolumeGeometry::new(SEGMENT_PAGES).expect("a geometry"),
            history,
            vdl: Lsn::ZERO,
            read_floor: Lsn::ZERO,
            groups: groups.collect(),
            allocation_limit: ALLOCATION_LIMIT,
            max_unacked_bytes: MIN_UNACKED_BYTES,
            max_straggler_bytes: 2_000,
        };
        world.truth.opened(&start);
        world.spawn_writer(start);
        world
    }

    pub(crate) fn spawn_writer(&mut self, start: WriterStart) {
        let mut core = WriterCore::open(start);
        core.plant(self.planted);
        for node in &self.nodes {
            core.on_connected(node.address);
        }
        self.writers.push(Writer { core, alive: true });
    }

    pub(crate) fn start_opener(&mut self) {
        self.epoch = self.epoch.next();
        let mut core = OpeningCore::start(self.epoch, ALLOCATION_LIMIT, self.memberships.clone());
        core.plant(self.planted);
        self.openers.push(Opener { core, epoch: self.epoch, alive: true, decided: false });
        let at = self.openers.len() - 1;
        self.cut_off_opener(at);
        self.drain_opener(at);
    }

    pub(crate) fn node_at(&self, address: Address) -> usize {
        let found = self.nodes.iter().position(|n| n.address == address);
        found.expect("every segment named has a node")
    }

    pub(crate) fn send(&mut self, from: Party, to: Party, message: Message) {
        self.network.push((from, to, message));
    }

    /// Delivers one message, perhaps through its encoded form.
    pub(crate) fn deliver(&mut self, at: usize, keep: bool) {
        let (from, to, message) = if keep { self.network[at].clone() } else { self.network.remove(at) };
        if self.blocked.contains(&(from, to)) {
            return;
        }
        let message = if self.rng.percent(20) {
            let frame = SharedBytes::from(message.to_bytes());
            let decoded = Message::decode(&frame).expect("what was encoded decodes");
            assert_eq!(decoded, message);
            decoded
        } else {
            message
        };
        match to {
            Party::Segment(at) => self.with_node(at, |core| core.on_message(from.origin(), message)),
            Party::Writer(at) => self.deliver_to_writer(at, &message),
            Party::Opener(at) => {
                if self.openers[at].alive {
                    self.openers[at].core.on_message(&message);
                    self.drain_opener(at);
                }
            }
        }
    }

    fn deliver_to_writer(&mut self, at: usize, message: &Message) {
        if !self.writers[at].alive {
            return;
        }
        let event = self.writers[at].core.on_message(message);
        assert!(!matches!(event, WriterEvent::Contradiction(_)), "a segment contradicts: {message:?}");
        if event == WriterEvent::VdlAdvanced {
            let core = &self.writers[at].core;
            self.truth.acknowledged(core.volume_epoch(), core.vdl());
        }
    }

    /// Runs an event on a segment and carries out what it asks for.
    pub(crate) fn with_node(&mut self, at: usize, event: impl FnOnce(&mut SegmentCore)) {
        let Some(core) = &mut self.nodes[at].core else { return };
        event(core);
        let me = Party::Segment(at);
        while let Some(output) = self.nodes[at].core.as_mut().and_then(SegmentCore::poll_output) {
            match output {
                Output::PersistRecords { token, batch, positions } => {
                    self.nodes[at].log_writes.push_back((token, batch, positions));
                }
                Output::PersistControl { token, control } => {
                    self.nodes[at].control_writes.push_back((token, control));
                }
                Output::Discard { .. } | Output::HistoryInForce { .. } => {}
                Output::ServePage { to: _, read } => self.truth.served(&self.nodes[at], &read),
                Output::ServeRecords { .. } => self.nodes[at].serving.push_back(output),
                Output::ServeImages { to, offer } => self.send_images(at, Party::of(to), offer),
                Output::StageImages { .. } => {
                    self.nodes[at].core.iter_mut().for_each(SegmentCore::on_images_staged);
                }
                Output::CommitImages { token, point } => {
                    self.nodes[at].image_commits.push_back((token, point));
                }
                Output::Send { to, message } => {
                    if let Message::AppendAck(ack) = &message {
                        self.truth.acked_by_segment(&self.nodes[at], ack);
                    }
                    self.send(me, Party::of(to), message);
                }
            }
        }
    }

    pub(crate) fn drain_opener(&mut self, at: usize) {
        while let Some((to, message)) = self.openers[at].core.poll_output() {
            let node = self.node_at(to);
            self.send(Party::Opener(at), Party::Segment(node), message);
        }
        let opener = &mut self.openers[at];
        if let Some(decision) = opener.core.decision().filter(|_| !opener.decided) {
            self.truth.decided(opener.epoch, decision);
            opener.decided = true;
        }
        if matches!(opener.core.state(), OpeningState::Stuck(Undecided::NewerMembership(_))) {
            // It would read the metadata store and start again.
            opener.alive = false;
        } else if let OpeningState::Stuck(why) = opener.core.state() {
            panic!("recovery of {:?} is stuck: {why}: {:?}", opener.epoch, opener.core.reports());
        }
        if opener.alive && *opener.core.state() == OpeningState::Open {
            opener.alive = false;
            let geometry = VolumeGeometry::new(SEGMENT_PAGES).expect("a geometry");
            let start = opener.core.writer_start(geometry, MIN_UNACKED_BYTES, 2_000);
            let start = start.expect("an open volume has a start");
            self.truth.opened(&start);
            self.spawn_writer(start);
        }
    }

    /// A writer appends a mini-transaction if it has the room.
    pub(crate) fn append(&mut self, at: usize) {
        let count = 1 + self.rng.below(4);
        let lowest = if self.rng.percent(self.last_group_percent) { GROUPS - 1 } else { 0 };
        let first_page = lowest * SEGMENT_PAGES as usize;
        let page_count = GROUPS * SEGMENT_PAGES as usize - first_page;
        let pages: Vec<PageId> =
            (0..count).map(|_| PageId::new((first_page + self.rng.below(page_count)) as u64)).collect();
        self.append_to(at, &pages);
    }

    /// A writer appends a mini-transaction that changes these pages, if it has the room.
    pub(crate) fn append_to(&mut self, at: usize, pages: &[PageId]) {
        let count = pages.len();
        let ops = some_ops();
        let core = &mut self.writers[at].core;
        let bytes = ops.as_bytes().len() as u64 * count as u64;
        let Some(budget) = core.reserve(count as u32, bytes) else { return };
        let records =
            pages.iter().map(|page| NewRecord { page: *page, prev_page_lsn: Lsn::ZERO, ops: ops.as_bytes() });
        let mut numbers = Vec::new();
        let mtr = core.append(budget, records, |_, lsn| numbers.push(lsn));
        assert_eq!((numbers[0], numbers[count - 1]), (mtr.first, mtr.cpl));
        let epoch = core.volume_epoch();
        let geometry = VolumeGeometry::new(SEGMENT_PAGES).expect("a geometry");
        let records = numbers.iter().zip(pages).map(|(lsn, page)| (*lsn, geometry.pg_of(*page)));
        self.truth.appended(epoch, mtr.cpl, records);
    }

    /// A writer's connection to a node has room.
    pub(crate) fn pump(&mut self, at: usize, node: usize) {
        let to = self.nodes[node].address;
        if !self.writers[at].alive {
            return;
        }
        let pending = self.writers[at].core.has_pending(to);
        let message = self.writers[at].core.poll_send(to);
        let fenced = self.writers[at].core.fenced_by().is_some();
        assert!(message.is_none() || pending || fenced, "something was sent that was not pending");
        if let Some(message) = message {
            self.send(Party::Writer(at), Party::Segment(node), message);
        }
    }

    /// A writer reads a page at its VDL from any segment of the page's group.
    pub(crate) fn read(&mut self, at: usize, node: usize) {
        let core = &self.writers[at].core;
        let to = self.nodes[node].address;
        let (Some(epochs), Some(pg_tail)) = (core.epochs(to), core.pg_tail(to.pg)) else { return };
        let page = PageId::new(u64::from(to.pg.get()) * SEGMENT_PAGES);
        let request = RequestId::new(self.next_request);
        self.next_request += 1;
        let read = ReadPage { to, request, epochs, page, read_point: core.vdl(), pg_tail };
        self.send(Party::Writer(at), Party::Segment(node), Message::ReadPage(read));
    }

    /// Completes a prefix of a node's log writes.
    pub(crate) fn flush(&mut self, at: usize, count: usize) {
        let node = &mut self.nodes[at];
        let mut last = None;
        for _ in 0..count {
            let Some((token, batch, positions)) = node.log_writes.pop_front() else { break };
            node.disk.log.push((batch, positions));
            last = Some(token);
        }
        if let Some(token) = last {
            self.with_node(at, |core| core.on_persisted(token));
        }
    }

    pub(crate) fn flush_control(&mut self, at: usize) {
        self.commit_images(at);
        let Some((token, control)) = self.nodes[at].control_writes.pop_front() else { return };
        self.nodes[at].disk.control = control;
        self.with_node(at, |core| core.on_control_persisted(token));
    }

    /// Reads the records of an admitted request from the log and sends them.
    pub(crate) fn serve(&mut self, at: usize) {
        let Some(Output::ServeRecords { to, answer, epochs, after, upto, .. }) =
            self.nodes[at].serving.pop_front()
        else {
            return;
        };
        let (disk, from) = (self.nodes[at].disk.clone(), self.nodes[at].address);
        let mut after = after;
        for _ in 0..16 {
            let batch = linked_part(&disk, after, upto);
            let last = batch.as_ref().map(|b| b.summary().last());
            let message = match (answer, batch) {
                (RecordsFor::Recovery(request), None) if after < disk.images_to => {
                    let reason = Refusal::RecordsCollected { floor: disk.images_to };
                    Message::Refused(Refused { from, request, reason })
                }
                (RecordsFor::Recovery(request), batch) => Message::Records(Records { from, request, batch }),
                (RecordsFor::Peer(to), Some(batch)) => {
                    Message::Fill(Fill { to, epochs, source: FillSource::Peer, batch })
                }
                (RecordsFor::Peer(peer), None) => {
                    let is_collected = after < disk.images_to;
                    if is_collected {
                        self.with_node(at, |core| core.offer_images(to, peer, epochs, after));
                    }
                    return;
                }
            };
            self.send(Party::Segment(at), Party::of(to), message);
            match (answer, last) {
                (RecordsFor::Peer(_), Some(last)) if last < upto => after = last,
                _ => return,
            }
        }
    }

    /// A segment asks one of its peers for what it lacks.
    pub(crate) fn gossip(&mut self, at: usize) {
        let pg = self.nodes[at].address.pg;
        let peers: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].address.pg == pg).collect();
        let peer = peers[self.rng.below(peers.len())];
        let to = self.nodes[peer].address;
        if let Some((_, ask)) = self.nodes[at].core.as_mut().and_then(SegmentCore::image_question) {
            let source = self.node_at(ask.to);
            return self.send(Party::Segment(at), Party::Segment(source), Message::AskImages(ask));
        }
        let Some(core) = self.nodes[at].core.as_ref().filter(|_| peer != at) else { return };
        if let Some(ask) = core.gap_question(to) {
            self.send(Party::Segment(at), Party::Segment(peer), Message::AskGaps(ask));
        }
    }

    /// Kills a segment's process: what was not flushed is kept in part, or lost.
    pub(crate) fn kill(&mut self, at: usize) {
        let kept = self.rng.below(self.nodes[at].log_writes.len() + 1);
        let control_kept = self.rng.below(self.nodes[at].control_writes.len() + 1);
        let node = &mut self.nodes[at];
        node.core = None;
        for (_, batch, positions) in node.log_writes.drain(..).take(kept) {
            node.disk.log.push((batch, positions));
        }
        if let Some((_, control)) = node.control_writes.drain(..).take(control_kept).next_back() {
            node.disk.control = control;
        }
        node.serving.clear();
        if let Some((_, point)) = node.image_commits.pop_front().filter(|_| control_kept > 0) {
            node.disk.checkpoint = point;
            node.disk.images_to = point.linked;
        }
        node.image_commits.clear();
        let address = node.address;
        if self.rng.percent(50) {
            self.writers.iter_mut().for_each(|w| w.core.on_disconnected(address));
        }
    }

    pub(crate) fn restart(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.core.is_some() || node.log_dead {
            return;
        }
        let mut control = node.disk.control.clone();
        if self.planted == Planted::VolatileEpoch {
            control.volume_epoch = control.history.epoch();
        }
        let checkpoint = node.disk.checkpoint;
        let mut core = SegmentCore::restore(control, checkpoint);
        core.plant(self.planted);
        for (batch, positions) in &node.disk.log {
            let needed = batch.as_ref().filter(|b| b.summary().last() > checkpoint.linked);
            core.restore_batch(needed, *positions).expect("the log is sound");
        }
        node.core = Some(core);
        let address = node.address;
        for writer in self.writers.iter_mut().filter(|w| w.alive) {
            writer.core.on_connected(address);
        }
    }

    /// Takes an index checkpoint: restarts scan the log from here on.
    pub(crate) fn checkpoint(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(core) = &node.core {
            node.disk.checkpoint = core.restore_point();
        }
    }
}

/// The first part of a range of linked, live records that one log frame holds.
fn linked_part(disk: &Disk, after: Lsn, upto: Lsn) -> Option<RecordBatch> {
    let history = &disk.control.history;
    disk.log.iter().filter_map(|(batch, _)| batch.as_ref()).find_map(|batch| {
        let part = batch.slice(after, upto).filter(|p| p.summary().prev_pg_lsn() == after)?;
        match history.first_voided_in(part.summary().first(), part.summary().last()) {
            None => Some(part),
            Some(voided) => part.slice(Lsn::ZERO, voided.checked_sub(1)?),
        }
    })
}
