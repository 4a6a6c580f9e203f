//! What all clones of a volume share: the writer's machine under one short lock, and what hangs on it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use redoubt_page::{Lsn, PgId};
use redoubt_protocol::{
    Address, Append, AskStatus, Message, NodeId, Refusal, RequestId, SegmentId, SegmentView, Status,
    WriterCore, WriterEvent,
};

use crate::error::VolumeError;
use crate::membership::{Changes, Unreachable};
use crate::metadata::MetadataStore;
use crate::reads::Reads;
use crate::transport::Transport;
use crate::waiters::{Due, Waiters};

/// Requests of reads have this bit in their numbers; the writer's machine counts from one.
pub(crate) const READ_REQUEST: u64 = 1 << 63;
/// Requests to make segments.
pub(crate) const CREATE_REQUEST: u64 = 1 << 62;

/// See the module.
pub(crate) struct Core {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) waiters: Waiters,
    pub(crate) reads: Reads,
    pub(crate) writing: Mutex<Writing>,
    /// Room may have become free for another mini-transaction.
    pub(crate) room: Condvar,
    /// The position that nodes wait to hear has been reached; the highest number when none does.
    wanted: AtomicU64,
    /// The floor the engine wants; it reaches the nodes with the next batch.
    read_floor: AtomicU64,
    /// The transport was rung and has not fetched yet.
    is_rung: AtomicBool,
    /// Held while the volume grows, so that one group is made at a time.
    pub(crate) growing: Mutex<()>,
    /// Answers to requests to make segments.
    pub(crate) created: Mutex<HashMap<RequestId, Option<Status>>>,
    pub(crate) creation_answered: Condvar,
    /// Changes of membership.
    pub(crate) changes: Changes,
    pub(crate) segment_pages: u64,
    /// Pages there is a group for.
    pub(crate) page_count: AtomicU64,
}

/// What is known of a group without asking the writer's machine.
#[derive(Clone, Copy, Debug, Default)]
struct Dirty {
    is_listed: bool,
    /// Records were appended since everything was last sent.
    has_records: bool,
}

/// The writer's machine and which groups have something to send.
pub(crate) struct Writing {
    pub(crate) writer: WriterCore,
    /// Where each segment is.
    pub(crate) nodes: HashMap<SegmentId, NodeId>,
    /// Groups with something to send, and which those are.
    dirty: VecDeque<PgId>,
    is_dirty: Vec<Dirty>,
    announce: bool,
    /// Bytes of changes appended since the volume was opened, once and not per copy.
    pub(crate) redo_bytes: u64,
    /// The highest position that nodes wanted to hear of and were told.
    announced: u64,
    /// VDL and read floor at the last tick that announced them.
    ticked: (Lsn, Lsn),
    /// Segments that cannot serve, and why.
    pub(crate) failed: Vec<(Address, Refusal)>,
    /// Nodes to which there is no connection.
    pub(crate) unreachable: Unreachable,
}

impl Writing {
    /// A group has something to send, records perhaps.
    pub(crate) fn mark(&mut self, pg: PgId, has_records: bool) {
        let at = pg.get() as usize;
        if self.is_dirty.len() <= at {
            self.is_dirty.resize(at + 1, Dirty::default());
        }
        let dirty = &mut self.is_dirty[at];
        dirty.has_records |= has_records;
        if !std::mem::replace(&mut dirty.is_listed, true) {
            self.dirty.push_back(pg);
        }
    }

    fn mark_all(&mut self) {
        for pg in 0..self.writer.group_count() {
            self.mark(PgId::new(pg as u32), false);
        }
    }

    /// Loads what there is for one group, one message per segment in turn, so that the copies of a batch lie
    /// together. Returns whether nothing is left.
    fn load_group(
        &mut self,
        pg: PgId,
        wanted: &dyn Fn(NodeId) -> bool,
        max_bytes: usize,
        loaded_bytes: &mut usize,
        messages: &mut Vec<Message>,
    ) -> bool {
        let segments: Vec<SegmentId> = self.writer.segments(pg).map(|view| view.segment).collect();
        loop {
            let (mut is_done, mut is_left) = (true, false);
            for segment in &segments {
                let to = Address { pg, segment: *segment };
                if !self.nodes.get(segment).is_some_and(|node| wanted(*node)) {
                    is_left |= self.writer.has_pending(to);
                    continue;
                }
                let Some(message) = self.writer.poll_send(to) else { continue };
                if let Message::Append(Append { batch: Some(batch), .. }) = &message {
                    *loaded_bytes += batch.bytes().len();
                }
                messages.push(message);
                is_done = false;
            }
            if is_done {
                return !is_left;
            }
            if *loaded_bytes >= max_bytes {
                return false;
            }
        }
    }

    /// A group's segments exist: they are asked for their positions and then sent what they lack.
    pub(crate) fn connect_group(&mut self, pg: PgId) {
        let Some(membership) = self.writer.membership(pg).cloned() else { return };
        for member in membership.members() {
            self.nodes.insert(member.segment, member.node);
            self.writer.on_connected(Address { pg, segment: member.segment });
        }
        self.mark(pg, true);
    }
}

impl Core {
    pub(crate) fn new(
        writer: WriterCore,
        segment_pages: u64,
        transport: Arc<dyn Transport>,
        metadata: Arc<dyn MetadataStore>,
    ) -> Self {
        let (vdl, floor, groups) = (writer.vdl(), writer.read_floor(), writer.group_count());
        let mut writing = Writing {
            writer,
            nodes: HashMap::new(),
            dirty: VecDeque::new(),
            is_dirty: Vec::new(),
            announce: false,
            redo_bytes: 0,
            announced: 0,
            ticked: (vdl, floor),
            failed: Vec::new(),
            unreachable: Unreachable::new(),
        };
        (0..groups).for_each(|pg| writing.connect_group(PgId::new(pg as u32)));
        Self {
            transport,
            metadata,
            waiters: Waiters::new(vdl),
            reads: Reads::default(),
            writing: Mutex::new(writing),
            room: Condvar::new(),
            wanted: AtomicU64::new(u64::MAX),
            read_floor: AtomicU64::new(floor.get()),
            is_rung: AtomicBool::new(false),
            growing: Mutex::new(()),
            created: Mutex::default(),
            creation_answered: Condvar::new(),
            changes: Changes::default(),
            segment_pages,
            page_count: AtomicU64::new(groups as u64 * segment_pages),
        }
    }

    /// Tells the transport that there is something to fetch, once.
    pub(crate) fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.transport.ring();
        }
    }

    /// Raises the floor below which the engine reads no more. It reaches the nodes with the next batch.
    pub(crate) fn set_read_floor(&self, lsn: Lsn) {
        let before = self.read_floor.fetch_max(lsn.get(), Ordering::SeqCst);
        // Read after the floor was raised, as `positions_wanted` reads the floor after this was set.
        if before < lsn.get() && lsn.get() >= self.wanted.load(Ordering::SeqCst) {
            self.announce_if_wanted(&mut self.writing.lock());
        }
    }

    /// The nodes cannot free space before they know that VDL and read floor have reached `lsn`. They are told
    /// as soon as that is so, although no record may follow.
    pub(crate) fn positions_wanted(&self, lsn: Lsn) {
        let mut writing = self.writing.lock();
        self.wanted.store(lsn.get(), Ordering::SeqCst);
        self.announce_if_wanted(&mut writing);
    }

    fn announce_if_wanted(&self, writing: &mut Writing) {
        let wanted = self.wanted.load(Ordering::SeqCst);
        if writing.writer.vdl().min(self.read_floor()).get() >= wanted {
            self.wanted.store(u64::MAX, Ordering::SeqCst);
            // Saying the same again would not help.
            writing.announce |= wanted > writing.announced;
            if writing.announce {
                writing.announced = wanted;
                self.ring();
            }
        }
    }

    /// The floor the engine wants.
    pub(crate) fn read_floor(&self) -> Lsn {
        Lsn::new(self.read_floor.load(Ordering::SeqCst))
    }

    /// A connection to a node stands or has ended.
    pub(crate) fn set_reachable(&self, node: NodeId, is_reachable: bool) {
        let mut writing = self.writing.lock();
        match is_reachable {
            true => writing.unreachable.remove(&node),
            false => writing.unreachable.insert(node),
        };
        for pg in (0..writing.writer.group_count() as u32).map(PgId::new) {
            let on_node = |view: &SegmentView| writing.nodes.get(&view.segment) == Some(&node);
            let there: Vec<_> = writing.writer.segments(pg).filter(on_node).collect();
            for view in there {
                let address = Address { pg, segment: view.segment };
                if is_reachable {
                    writing.writer.on_connected(address);
                    writing.mark(pg, true);
                } else {
                    writing.writer.on_disconnected(address);
                }
            }
        }
        drop(writing);
        if is_reachable {
            self.ring();
        }
    }

    /// See `Receiver::tick`.
    pub(crate) fn tick(&self, resend: bool) {
        if self.waiters.ended().is_some() {
            return;
        }
        let mut writing = self.writing.lock();
        if resend {
            writing.writer.on_tick();
            writing.mark_all();
        }
        let positions = (writing.writer.vdl(), self.read_floor().min(writing.writer.vdl()));
        if writing.ticked != positions {
            writing.ticked = positions;
            writing.announce = true;
        }
        // A newer writer has sealed a read quorum of every group, and a write quorum of the first.
        let first = PgId::new(0);
        let segments: Vec<_> = writing.writer.segments(first).collect();
        let questions = segments.iter().filter_map(|view| {
            let to = Address { pg: first, segment: view.segment };
            let question = AskStatus { to, request: RequestId::new(0) };
            Some((*writing.nodes.get(&view.segment)?, Message::AskStatus(question)))
        });
        let questions: Vec<_> = questions.collect();
        drop(writing);
        questions.into_iter().for_each(|(node, question)| self.transport.send(node, question));
        self.ring();
    }

    /// What there is to send to segments on nodes for which `wanted` is true, up to about `max_bytes` of
    /// records, every copy counted; with zero, only what carries no records. Returns whether something is left.
    pub(crate) fn load(
        &self,
        wanted: &dyn Fn(NodeId) -> bool,
        max_bytes: usize,
        messages: &mut Vec<Message>,
    ) -> bool {
        // Cleared first: whatever is added from here on rings again.
        self.is_rung.store(false, Ordering::Release);
        let mut writing = self.writing.lock();
        let writing = &mut *writing;
        let floor = self.read_floor().min(writing.writer.vdl());
        if floor > writing.writer.read_floor() {
            writing.writer.set_read_floor(floor);
        }
        if std::mem::take(&mut writing.announce) {
            writing.writer.announce_positions();
            writing.mark_all();
        }
        let mut loaded_bytes = 0;
        for _ in 0..writing.dirty.len() {
            if max_bytes > 0 && loaded_bytes >= max_bytes {
                break;
            }
            let Some(pg) = writing.dirty.pop_front() else { break };
            let may_load = max_bytes > 0 || !writing.is_dirty[pg.get() as usize].has_records;
            if may_load && writing.load_group(pg, wanted, max_bytes, &mut loaded_bytes, messages) {
                writing.is_dirty[pg.get() as usize] = Dirty::default();
            } else {
                // To the back: VDL moves only when every group's records are sent.
                writing.dirty.push_back(pg);
            }
        }
        !writing.dirty.is_empty()
    }

    /// Takes in what nodes sent.
    pub(crate) fn take(&self, messages: &mut Vec<Message>) {
        let mut for_writer = false;
        messages.retain(|message| {
            let is_for_writer = !self.take_answer(message);
            for_writer |= is_for_writer;
            is_for_writer
        });
        if !for_writer {
            return;
        }
        let mut wake = false;
        let mut fenced = None;
        let mut due = Due::default();
        let mut writing = self.writing.lock();
        let before = (writing.writer.vdl(), writing.writer.unacked_bytes());
        for message in messages.drain(..) {
            writing.note_sound(&message);
            match writing.writer.on_message(&message) {
                WriterEvent::Nothing | WriterEvent::VdlAdvanced => {}
                WriterEvent::Wake(address) => {
                    writing.mark(address.pg, true);
                    wake = true;
                }
                WriterEvent::Fenced { by } => fenced = Some(by),
                WriterEvent::SegmentFailed(address, reason) => writing.note_failed(address, reason),
                WriterEvent::StaleMembership(address) => {
                    let known = writing.writer.membership(address.pg).map(|known| known.epoch());
                    let current = known.unwrap_or_default();
                    writing.note_failed(address, Refusal::StaleMembership { current });
                }
                WriterEvent::Contradiction(address) => {
                    writing.note_failed(address, Refusal::BadRecords);
                }
            }
        }
        let after = (writing.writer.vdl(), writing.writer.unacked_bytes());
        if after.0 > before.0 {
            // Under the lock, so that the end rises in order.
            due = self.waiters.advance(after.0);
            self.announce_if_wanted(&mut writing);
        }
        drop(writing);
        due.wake();
        if after != before {
            self.room.notify_all();
        }
        if let Some(by) = fenced {
            self.end(VolumeError::Fenced { by });
        }
        if wake {
            self.ring();
        }
    }

    /// Takes an answer to a read or to a request to make a segment. Returns whether it was one.
    fn take_answer(&self, message: &Message) -> bool {
        let request = match message {
            Message::PageReply(reply) => reply.request,
            Message::Refused(refused) => refused.request,
            Message::Status(status) => status.request,
            _ => return false,
        };
        if request.get() & READ_REQUEST != 0 {
            self.reads.answer(request, message);
            return true;
        }
        if request.get() & CREATE_REQUEST != 0 {
            let status = if let Message::Status(status) = message { Some(*status) } else { None };
            self.created.lock().insert(request, status);
            self.creation_answered.notify_all();
            return true;
        }
        false
    }

    /// This writer is over: everyone who waits for it is told.
    pub(crate) fn end(&self, error: VolumeError) {
        // The waiters first: a read that is just beginning looks there once it can be found here.
        self.waiters.end(error.clone());
        self.reads.end(&error);
        // Those who wait for room look under this lock whether the end has come.
        drop(self.writing.lock());
        self.room.notify_all();
    }
}

impl Writing {
    /// Whoever answers as a segment does is there, whatever was said before.
    fn note_sound(&mut self, message: &Message) {
        if !self.failed.is_empty() && !matches!(message, Message::Refused(_)) {
            let from = message.address();
            self.failed.retain(|(known, _)| *known != from);
        }
    }

    fn note_failed(&mut self, address: Address, reason: Refusal) {
        self.failed.retain(|(known, _)| *known != address);
        self.failed.push((address, reason));
    }
}
