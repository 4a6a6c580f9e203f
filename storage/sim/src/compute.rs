//! A compute process: it takes an epoch, opens the volume, and writes and reads it. It does not know what the
//! simulation knows; what it is told by segments is all it goes by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use redoubt_page::{Lsn, Op, OpsBuf, Page, PageId, PageKind, VolumeEpoch, apply_op, finish};
use redoubt_protocol::{
    Address, History, Membership, Message, NewRecord, OpeningCore, OpeningState, ReadPage, ReplacementCore,
    RequestId, VolumeGeometry, WriterCore, WriterEvent,
};

use crate::rng::Rng;
use crate::truth::Truth;

/// Requests of reads have this bit in their numbers; the writer's machine counts from one.
const READ_REQUEST: u64 = 1 << 63;

/// A read that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct PendingRead {
    page: PageId,
    at: Lsn,
}

/// What a connection takes at once.
const ROOM_MESSAGES: u32 = 6;
/// After how long it takes as much again.
const ROOM_US: u64 = 400;

/// How much more a connection takes now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    since_us: u64,
    taken: u32,
}

impl Room {
    /// Takes room for one message, if there is any.
    pub fn take(&mut self, now_us: u64) -> bool {
        if now_us >= self.since_us + ROOM_US {
            *self = Room { since_us: now_us, taken: 0 };
        }
        self.taken += 1;
        self.taken <= ROOM_MESSAGES
    }
}

/// See the module.
pub struct Compute {
    /// The volume epoch it took.
    pub epoch: VolumeEpoch,
    /// Whether the process lives.
    pub is_alive: bool,
    /// How often it looks after what was lost.
    pub tick_us: u64,
    opening: OpeningCore,
    has_decided: bool,
    /// Its connections.
    pub rooms: BTreeMap<Address, Room>,
    /// Its writer, once the volume is open.
    pub writer: Option<WriterCore>,
    history: Arc<History>,
    geometry: VolumeGeometry,
    /// Pages as they are in this process's memory.
    pages: BTreeMap<PageId, Page>,
    reads: BTreeMap<RequestId, PendingRead>,
    next_read: u64,
    /// Read points handed out some time ago; the floor follows them.
    points: VecDeque<Lsn>,
    /// Segments that must be replaced.
    pub lost: BTreeSet<Address>,
    /// Replacements under way, one per group at most.
    pub replacements: Vec<ReplacementCore>,
    next_value: u64,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to note.
    Nothing,
    /// VDL rose; so many mini-transactions over several groups are durable now.
    Advanced(u64),
    /// A newer writer exists.
    Fenced,
    /// A page read was answered, rightly.
    Compared,
    /// A page read was refused.
    ReadRefused(&'static str),
}

impl Compute {
    /// A process that has taken an epoch, and begins to open the volume.
    pub fn start(
        epoch: VolumeEpoch,
        tick_us: u64,
        allocation_limit: u64,
        geometry: VolumeGeometry,
        memberships: Vec<Arc<Membership>>,
    ) -> Compute {
        Compute {
            epoch,
            is_alive: true,
            tick_us,
            opening: OpeningCore::start(epoch, allocation_limit, memberships),
            has_decided: false,
            rooms: BTreeMap::new(),
            writer: None,
            history: Arc::new(History::new(epoch)),
            geometry,
            pages: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 1,
            points: VecDeque::new(),
            lost: BTreeSet::new(),
            replacements: Vec::new(),
            next_value: 0,
        }
    }

    /// Plants a wrong variant.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, planted: redoubt_protocol::Planted) {
        self.opening.plant(planted);
    }

    /// Where the opening stands.
    pub fn opening(&self) -> &OpeningState {
        self.opening.state()
    }

    /// What the opening has to send.
    pub fn poll_opening(&mut self) -> Option<(Address, Message)> {
        self.opening.poll_output()
    }

    /// Looks at what the opening has come to. Returns whether the volume has just been opened.
    pub fn look(&mut self, truth: &mut Truth, max_straggler_bytes: u64) -> bool {
        if let Some(decision) = self.opening.decision().filter(|_| !self.has_decided) {
            truth.decided(self.epoch, decision);
            self.has_decided = true;
        }
        if self.writer.is_some() || *self.opening.state() != OpeningState::Open {
            return false;
        }
        let start = self.opening.writer_start(
            self.geometry,
            redoubt_protocol::MIN_UNACKED_BYTES,
            max_straggler_bytes,
        );
        let start = start.expect("an open volume has a start");
        truth.opened(&start);
        self.history = Arc::clone(&start.history);
        for page in truth.pages() {
            self.pages.insert(page, truth.page_at(&self.history, page, start.vdl));
        }
        self.points.push_back(start.vdl);
        let writer = WriterCore::open(start);
        for (pg, membership) in (0..writer.group_count()).filter_map(|pg| {
            let pg = redoubt_page::PgId::new(pg as u32);
            Some((pg, Arc::clone(writer.membership(pg)?)))
        }) {
            self.replacements.extend(ReplacementCore::resume(pg, &membership));
        }
        self.writer = Some(writer);
        true
    }

    /// Lets both machines look after what was lost.
    pub fn tick(&mut self) {
        match &mut self.writer {
            Some(writer) => writer.on_tick(),
            None => self.opening.on_tick(),
        }
    }

    /// Handles a message from a segment.
    pub fn on_message(&mut self, message: &Message, truth: &mut Truth) -> Heard {
        if let Some(heard) = self.take_read(message, truth) {
            return heard;
        }
        let Some(writer) = &mut self.writer else {
            self.opening.on_message(message);
            return if matches!(self.opening.state(), OpeningState::Fenced(_)) {
                Heard::Fenced
            } else {
                Heard::Nothing
            };
        };
        if let Message::Status(status) = message {
            self.replacements.iter_mut().for_each(|r| r.on_created(status));
        }
        let event = writer.on_message(message);
        truth.saw_vcl(self.epoch, writer.vdl(), writer.vcl());
        match event {
            WriterEvent::VdlAdvanced => Heard::Advanced(truth.acknowledged(self.epoch, writer.vdl())),
            WriterEvent::Fenced { .. } => Heard::Fenced,
            WriterEvent::SegmentFailed(address, redoubt_protocol::Refusal::UnknownSegment) => {
                self.lost.insert(address);
                Heard::Nothing
            }
            WriterEvent::Contradiction(from) if !truth.is_damaged(from.segment) => {
                panic!("a segment contradicts the writer of epoch {}: {message:?}", self.epoch)
            }
            _ => Heard::Nothing,
        }
    }

    fn take_read(&mut self, message: &Message, truth: &Truth) -> Option<Heard> {
        match message {
            Message::PageReply(reply) => {
                let Some(read) = self.reads.remove(&reply.request) else { return Some(Heard::Nothing) };
                let mut found = Page::from_slice(&reply.image).expect("an image of a page's length");
                let sealed = found.unseal(read.page);
                assert!(sealed.is_ok(), "{:?} sent page {} damaged", reply.from, read.page);
                let expected = truth.page_at(&self.history, read.page, read.at);
                assert!(
                    found == expected,
                    "page {} as of {} from {:?} is as of LSN {}, not {}",
                    read.page,
                    read.at,
                    reply.from,
                    found.lsn(),
                    expected.lsn()
                );
                Some(Heard::Compared)
            }
            Message::Refused(refused) if refused.request.get() & READ_REQUEST != 0 => {
                self.reads.remove(&refused.request);
                Some(Heard::ReadRefused(match refused.reason {
                    redoubt_protocol::Refusal::Behind { .. } => "read refused: behind",
                    redoubt_protocol::Refusal::BelowReadFloor { .. } => "read refused: below the floor",
                    redoubt_protocol::Refusal::Damaged => "read refused: damaged",
                    _ => "read refused: epoch or segment",
                }))
            }
            _ => None,
        }
    }

    /// Appends one mini-transaction that changes these pages, when there is room for it. Each page gets an item that
    /// names the writer, the mini-transaction and the page.
    pub fn append(&mut self, pages: &[PageId], padding: usize, truth: &mut Truth) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        let mut records = Vec::new();
        self.next_value += 1;
        for page in pages {
            let mut image = self.pages.get(page).cloned().unwrap_or_else(|| Page::absent(*page));
            let prev_page_lsn = image.lsn();
            let mut text = format!("e{} m{} p{page} ", self.epoch, self.next_value).into_bytes();
            text.resize(text.len() + padding, b'.');
            let ops = put_first(&mut image, &text);
            records.push((*page, prev_page_lsn, ops, image));
        }
        let bytes: usize = records.iter().map(|(_, _, ops, _)| ops.len_bytes()).sum();
        let Some(budget) = writer.reserve(records.len() as u32, bytes as u64) else { return false };
        let new = records.iter().map(|(page, prev_page_lsn, ops, _)| NewRecord {
            page: *page,
            prev_page_lsn: *prev_page_lsn,
            ops: ops.as_bytes(),
        });
        let mut numbers = Vec::new();
        writer.append(budget, new, |_, lsn| numbers.push(lsn));
        let mut told = Vec::new();
        for ((page, _, _, mut image), lsn) in records.into_iter().zip(numbers) {
            finish(&mut image, lsn);
            let pg = self.geometry.pg_of(page);
            self.pages.insert(page, image.clone());
            told.push((lsn, pg, image));
        }
        truth.appended(self.epoch, told);
        true
    }

    /// Asks a segment for a page as of a read point that is not below the floor.
    pub fn read(&mut self, to: Address, page: PageId, rng: &mut Rng) -> Option<Message> {
        let writer = self.writer.as_ref()?;
        let (vdl, floor) = (writer.vdl(), writer.read_floor());
        // Mostly now; else a point that this writer once established.
        let older = self.points.iter().filter(|p| **p >= floor).nth(rng.below(4)).copied();
        self.read_at(to, page, if rng.permille(700) { vdl } else { older.unwrap_or(vdl) })
    }

    /// Asks a segment for a page as of a VDL of this writer.
    pub fn read_at(&mut self, to: Address, page: PageId, at: Lsn) -> Option<Message> {
        let writer = self.writer.as_ref()?;
        let (epochs, pg_tail) = (writer.epochs(to)?, writer.pg_tail(to.pg)?);
        let request = RequestId::new(READ_REQUEST | self.next_read);
        self.next_read += 1;
        self.reads.insert(request, PendingRead { page, at });
        Some(Message::ReadPage(ReadPage { to, request, epochs, page, read_point: at, pg_tail }))
    }

    /// Remembers the present VDL as a point that reads may still ask for, and lets the floor follow.
    pub fn move_floor(&mut self, keep: usize) {
        let Some(writer) = &mut self.writer else { return };
        if self.points.back() != Some(&writer.vdl()) {
            self.points.push_back(writer.vdl());
        }
        while self.points.len() > keep {
            self.points.pop_front();
        }
        if let Some(floor) = self.points.front().filter(|floor| **floor > writer.read_floor()) {
            writer.set_read_floor(*floor);
        }
    }

    /// Forgets reads that are not answered any more.
    pub fn forget_reads(&mut self) {
        self.reads.clear();
    }

    /// Reads not answered yet.
    pub fn open_reads(&self) -> usize {
        self.reads.len()
    }
}

/// Puts an item first on a page, which is begun anew when it is full.
fn put_first(image: &mut Page, text: &[u8]) -> OpsBuf {
    let mut ops = OpsBuf::new();
    let mut push = |op: Op<'_>, image: &mut Page| {
        apply_op(image, &op).expect("the operation fits");
        ops.push(&op);
    };
    if !image.is_initialised() || !image.fits(text.len()) {
        push(Op::Initialise { kind: PageKind::new(7), special: b"special" }, image);
    }
    push(Op::InsertItem { slot: 0, bytes: text, shift: true }, image);
    ops
}
