//! What waits to be written to the log, in order.

use std::collections::VecDeque;

use redoubt_page::PgId;
use redoubt_protocol::{ControlToken, PersistToken, Positions, RecordBatch, SegmentId, SharedBytes};

use crate::log::block::{BlockKind, MAX_NODES};
use crate::log::entry::CopySet;
use crate::log::ring::{BLOCK_PAYLOAD_BYTES, Group};

/// How far back an intent looks for an equal one of another node.
const LOOK_BACK: usize = 8;

/// A machine's intent to have something on disk, and which nodes share it.
#[derive(Clone, Debug)]
pub struct Intent {
    /// What is to be written.
    pub content: Content,
    /// The nodes, by their places.
    pub copies: CopySet,
    /// Per place, the segment.
    pub segments: [SegmentId; MAX_NODES],
    /// Per place, the token to complete.
    pub tokens: [u64; MAX_NODES],
}

/// What is to be written.
#[derive(Clone, Debug)]
pub enum Content {
    /// Records, or positions alone.
    Records {
        /// The group of the segments.
        pg: PgId,
        /// The records.
        batch: Option<RecordBatch>,
        /// Logged beside them.
        positions: Positions,
    },
    /// Items of a node's memory: a segment's promises, perhaps a history, or the state of the page store.
    Items {
        /// The items.
        items: Vec<u8>,
        /// Why they are written.
        reason: Reason,
    },
}

/// Why items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A segment is being made.
    NewSegment,
    /// A segment's machine wants its promises stored.
    Promise,
    /// The page store has switched.
    Switch,
}

/// What became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Completed {
    /// A new segment's state.
    Created(usize, SegmentId),
    /// Positions of a segment, without records.
    Positions(usize, SegmentId, PersistToken),
    /// Records of a segment.
    Records(usize, SegmentId, PersistToken),
    /// A segment's promises.
    Control(usize, SegmentId, ControlToken),
    /// That a node's page store has switched.
    Switch(usize),
}

impl Completed {
    /// The node's place, and the segment if it is about one.
    pub fn place(&self) -> (usize, SegmentId) {
        match *self {
            Self::Switch(slot) => (slot, SegmentId::new(0)),
            Self::Created(slot, segment)
            | Self::Positions(slot, segment, _)
            | Self::Records(slot, segment, _)
            | Self::Control(slot, segment, _) => (slot, segment),
        }
    }

    /// Whether this one, which sorts behind the other, says all that the other does.
    pub fn supersedes(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.place() == other.place()
    }
}

/// Intents not written yet. Promises go first: they are small, and are never held up by a lack of space.
#[derive(Debug, Default)]
pub struct Pending {
    /// Promises, and positions alone.
    promises: VecDeque<Intent>,
    /// Records, with the positions they came with.
    records: VecDeque<Intent>,
    /// What an earlier attempt had no space for; goes before other records. Some of an intent's records may have
    /// been written already.
    carried: Load,
}

/// Intents taken to be written together, and the groups they make.
#[derive(Debug, Default)]
pub struct Load {
    /// The groups, in order.
    pub groups: Vec<Group>,
    /// Per group, the intent it completes, if it is the intent's last.
    completes: Vec<Option<Intent>>,
    /// How many groups at the front may use space that is kept back from records.
    urgent_count: usize,
}

fn same_records(intent: &Intent, pg: PgId, batch: Option<&RecordBatch>, positions: &Positions) -> bool {
    let Content::Records { pg: other_pg, batch: other, positions: other_positions } = &intent.content else {
        return false;
    };
    let same_batch = match (other, batch) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            std::ptr::eq(a.bytes().as_ptr(), b.bytes().as_ptr()) && a.bytes().len() == b.bytes().len()
        }
        _ => false,
    };
    *other_pg == pg && same_batch && other_positions == positions
}

impl Pending {
    /// Adds an intent to log records. An equal one of another node is written in one group with it.
    pub fn push_records(
        &mut self,
        slot: usize,
        segment: SegmentId,
        pg: PgId,
        token: PersistToken,
        batch: Option<RecordBatch>,
        positions: Positions,
    ) {
        // Positions alone are as small as promises, and what they say may be what frees space for records.
        let queue = if batch.is_none() { &mut self.promises } else { &mut self.records };
        for intent in queue.iter_mut().rev().take(LOOK_BACK) {
            if intent.copies.contains(slot) && intent.segments[slot] == segment {
                break;
            }
            if !intent.copies.contains(slot) && same_records(intent, pg, batch.as_ref(), &positions) {
                intent.add(slot, segment, token.get());
                return;
            }
        }
        let content = Content::Records { pg, batch, positions };
        queue.push_back(Intent::of(slot, segment, token.get(), content));
    }

    /// Adds an intent to store a segment's promises.
    pub fn push_control(&mut self, slot: usize, segment: SegmentId, token: ControlToken, items: Vec<u8>) {
        let content = Content::Items { items, reason: Reason::Promise };
        self.promises.push_back(Intent::of(slot, segment, token.get(), content));
    }

    /// Adds that a node's page store has switched.
    pub fn push_switch(&mut self, slot: usize, items: Vec<u8>) {
        let content = Content::Items { items, reason: Reason::Switch };
        self.promises.push_back(Intent::of(slot, SegmentId::new(0), 0, content));
    }

    /// Adds the first state of a new segment.
    pub fn push_new_segment(&mut self, slot: usize, segment: SegmentId, items: Vec<u8>) {
        let content = Content::Items { items, reason: Reason::NewSegment };
        self.promises.push_back(Intent::of(slot, segment, 0, content));
    }

    /// Forgets an intent to log records, unless that has begun: what is half written does no harm, as it is of
    /// an epoch that does not count any more.
    pub fn discard(&mut self, slot: usize, segment: SegmentId, token: PersistToken) {
        for intent in self.records.iter_mut().chain(&mut self.promises) {
            let names = intent.copies.contains(slot)
                && intent.segments[slot] == segment
                && intent.tokens[slot] == token.get()
                && matches!(intent.content, Content::Records { .. });
            if names {
                intent.copies = CopySet::new(intent.copies.get() & !(1 << slot));
            }
        }
        self.records.retain(|intent| !intent.copies.is_empty());
        self.promises.retain(|intent| !intent.copies.is_empty());
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.promises.is_empty() && self.records.is_empty() && self.carried.groups.is_empty()
    }

    /// Whether a promise waits, which may use reserved space.
    pub fn has_promises(&self) -> bool {
        !self.promises.is_empty() || self.carried.urgent_count > 0
    }

    /// Takes everything.
    pub fn take(&mut self) -> Load {
        let mut load = Load::default();
        self.promises.drain(..).for_each(|intent| load.add(intent));
        load.urgent_count = load.groups.len() + std::mem::take(&mut self.carried.urgent_count);
        load.groups.append(&mut self.carried.groups);
        load.completes.append(&mut self.carried.completes);
        self.records.drain(..).for_each(|intent| load.add(intent));
        load
    }

    /// Keeps what was not written, to go before other records.
    pub fn carry(&mut self, load: Load) {
        assert!(self.carried.groups.is_empty(), "what was carried before was taken first");
        self.carried = load;
    }
}

impl Intent {
    fn of(slot: usize, segment: SegmentId, token: u64, content: Content) -> Self {
        let mut intent = Self {
            content,
            copies: CopySet::default(),
            segments: [SegmentId::new(0); MAX_NODES],
            tokens: [0; MAX_NODES],
        };
        intent.add(slot, segment, token);
        intent
    }

    fn add(&mut self, slot: usize, segment: SegmentId, token: u64) {
        self.copies.insert(slot);
        self.segments[slot] = segment;
        self.tokens[slot] = token;
    }

    fn group(&self, kind: BlockKind, pg: PgId, positions: Option<Positions>, body: SharedBytes) -> Group {
        Group { kind, copies: self.copies, segments: self.segments, pg, positions, body, record_count: 0 }
    }
}

impl Load {
    /// How many groups at the front may use space that is kept back from records.
    pub fn urgent_count(&self) -> usize {
        self.urgent_count
    }

    fn add(&mut self, intent: Intent) {
        match &intent.content {
            Content::Items { items, .. } => {
                let body = SharedBytes::from(items.clone());
                self.groups.push(intent.group(BlockKind::Items, PgId::new(0), None, body));
            }
            Content::Records { pg, batch: None, positions } => {
                let body = SharedBytes::from(Vec::new());
                self.groups.push(intent.group(BlockKind::Records, *pg, Some(*positions), body));
            }
            Content::Records { pg, batch: Some(batch), positions } => {
                for (body, record_count) in split(batch) {
                    let group = intent.group(BlockKind::Records, *pg, Some(*positions), body);
                    self.groups.push(Group { record_count, ..group });
                }
            }
        }
        self.completes.resize_with(self.groups.len() - 1, || None);
        self.completes.push(Some(intent));
    }

    /// Takes off the first `count` groups, which are durable, and says what that completes.
    pub fn complete(&mut self, count: usize, completed: &mut Vec<Completed>) {
        self.groups.drain(..count);
        self.urgent_count = self.urgent_count.saturating_sub(count);
        for intent in self.completes.drain(..count).flatten() {
            for slot in intent.copies.slots() {
                let (segment, token) = (intent.segments[slot], intent.tokens[slot]);
                completed.push(match intent.content {
                    Content::Records { batch: None, .. } => {
                        Completed::Positions(slot, segment, PersistToken::new(token))
                    }
                    Content::Records { .. } => Completed::Records(slot, segment, PersistToken::new(token)),
                    Content::Items { reason: Reason::NewSegment, .. } => Completed::Created(slot, segment),
                    Content::Items { reason: Reason::Promise, .. } => {
                        Completed::Control(slot, segment, ControlToken::new(token))
                    }
                    Content::Items { reason: Reason::Switch, .. } => Completed::Switch(slot),
                });
            }
        }
    }
}

/// The records of a batch in parts that fit a block each, unless a single record does not, and how many there
/// are in each.
fn split(batch: &RecordBatch) -> Vec<(SharedBytes, u32)> {
    let bytes = batch.bytes();
    if bytes.len() <= BLOCK_PAYLOAD_BYTES {
        return vec![(bytes.clone(), batch.summary().record_count())];
    }
    let mut parts = Vec::new();
    let (mut start, mut end, mut count) = (0, 0, 0);
    for record in redoubt_page::records(bytes) {
        let record_bytes = record.expect("a batch was decoded when it came in").bytes().len();
        if count > 0 && end - start + record_bytes > BLOCK_PAYLOAD_BYTES {
            parts.push((bytes.slice(start..end), count));
            (start, count) = (end, 0);
        }
        end += record_bytes;
        count += 1;
    }
    parts.push((bytes.slice(start..end), count));
    parts
}
