//! Making and opening a volume: the driver of the protocol's opening machine.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redoubt_page::{Lsn, VolumeEpoch};
use redoubt_protocol::{
    History, Message, NodeId, OpeningCore, OpeningState, SegmentId, VolumeGeometry, VolumeId, WriterCore,
    Zone,
};

use crate::core::Core;
use crate::error::{MetadataError, OpenError, VolumeError};
use crate::growth::{create_messages, name_group, plan_group, read_groups, read_volume};
use crate::membership;
use crate::metadata::{MetadataStore, VOLUME_KEY, VolumeRecord};
use crate::transport::Transport;
use crate::volume::Volume;

/// What is unanswered for this long is asked again.
const TICK: Duration = Duration::from_millis(250);
/// How long a volume is waited for that too few segments answer for.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// What a volume is made with; fixed for good.
#[derive(Clone, Debug)]
pub struct VolumeShape {
    /// Random, unique.
    pub volume: VolumeId,
    /// Pages in each segment.
    pub segment_pages: u64,
    /// How many LSNs may be above the allocation base.
    pub allocation_limit: u64,
    /// The nodes that every protection group has a segment on, and their zones.
    pub nodes: Vec<(NodeId, Zone)>,
}

/// How a volume is written.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// The cap on bytes that no write quorum has acknowledged.
    pub max_unacked_bytes: u64,
    /// How many bytes that a write quorum holds are kept for slower segments.
    pub max_straggler_bytes: u64,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { max_unacked_bytes: 32 << 20, max_straggler_bytes: 64 << 20 }
    }
}

/// Where a transport hands in what nodes send. Clones share it. Made before the volume, because nodes answer
/// while it is being opened.
#[derive(Clone, Default)]
pub struct Receiver {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Set once the volume is open; from then on messages go there.
    core: OnceLock<Arc<Core>>,
    early: Mutex<VecDeque<Message>>,
    arrived: Condvar,
    failed: Mutex<Option<String>>,
    /// Nodes that the transport has no connection to.
    unreachable: Mutex<HashSet<NodeId>>,
}

impl Receiver {
    /// A receiver for a volume that is about to be opened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes messages in, and leaves the vector empty. Does not block for long.
    pub fn deliver(&self, messages: &mut Vec<Message>) {
        if let Some(core) = self.shared.core.get() {
            core.take(messages);
            messages.clear();
            return;
        }
        self.shared.early.lock().extend(messages.drain(..));
        self.shared.arrived.notify_all();
    }

    /// Appends what is to be sent to the nodes for which `wanted` is true, up to about `max_bytes` of records,
    /// every copy counted; with zero, only what carries no records. Returns whether something is left.
    pub fn load(
        &self,
        wanted: &dyn Fn(NodeId) -> bool,
        max_bytes: usize,
        messages: &mut Vec<Message>,
    ) -> bool {
        self.shared.core.get().is_some_and(|core| core.load(wanted, max_bytes, messages))
    }

    /// The lowest read point that may still be asked for.
    pub fn read_floor(&self) -> Lsn {
        self.shared.core.get().map_or(Lsn::ZERO, |core| core.read_floor())
    }

    /// The nodes cannot free space before they know that VDL and read floor have reached `lsn`.
    pub fn positions_wanted(&self, lsn: Lsn) {
        if let Some(core) = self.shared.core.get() {
            core.positions_wanted(lsn);
        }
    }

    /// A connection to a node stands, a new one perhaps: whatever was under way on an earlier one is lost.
    pub fn connected(&self, node: NodeId) {
        self.shared.unreachable.lock().remove(&node);
        if let Some(core) = self.shared.core.get() {
            core.set_reachable(node, true);
        }
    }

    /// There is no connection to a node.
    pub fn disconnected(&self, node: NodeId) {
        self.shared.unreachable.lock().insert(node);
        if let Some(core) = self.shared.core.get() {
            core.set_reachable(node, false);
        }
    }

    /// To be called at an interval of some round trips by a transport that can lose messages, or whose nodes
    /// hear of positions only when they are told: announces positions that moved, asks whether this writer is
    /// fenced, and with `resend` sends again what made no progress.
    pub fn tick(&self, resend: bool) {
        if let Some(core) = self.shared.core.get() {
            core.tick(resend);
        }
    }

    /// The nodes are gone for good: whoever waits for the volume is told so.
    pub fn fail(&self, reason: String) {
        *self.shared.failed.lock() = Some(reason.clone());
        self.shared.arrived.notify_all();
        if let Some(core) = self.shared.core.get() {
            core.end(VolumeError::Unavailable(reason));
        }
    }

    /// Waits for a message until the deadline.
    fn next(&self, deadline: Instant) -> Option<Message> {
        let mut early = self.shared.early.lock();
        loop {
            if let Some(message) = early.pop_front() {
                return Some(message);
            }
            if self.shared.failed.lock().is_some() {
                return None;
            }
            if self.shared.arrived.wait_until(&mut early, deadline).timed_out() {
                return early.pop_front();
            }
        }
    }

    fn failure(&self) -> Option<String> {
        self.shared.failed.lock().clone()
    }
}

impl Volume {
    /// Makes a volume with one protection group, and opens it.
    ///
    /// # Errors
    /// `Exists`, or when the nodes or the metadata store do not answer.
    pub fn create(
        shape: &VolumeShape,
        options: WriterOptions,
        metadata: Arc<dyn MetadataStore>,
        transport: Arc<dyn Transport>,
        receiver: &Receiver,
    ) -> Result<Self, OpenError> {
        let record = VolumeRecord {
            volume: shape.volume,
            segment_pages: shape.segment_pages,
            allocation_limit: shape.allocation_limit,
            volume_epoch: VolumeEpoch::new(1),
            next_segment: 1,
            groups: 0,
            nodes: shape.nodes.clone(),
        };
        match metadata.compare_and_set(VOLUME_KEY, None, &record.encode()) {
            Ok(_) => {}
            // An attempt that did not get as far as its first group left nothing but this.
            Err(MetadataError::Conflict) => {
                let (left, _) = read_volume(&*metadata).map_err(into_open_error)?;
                if left.groups > 0 || left.nodes != record.nodes {
                    return Err(OpenError::Exists);
                }
            }
            Err(error) => return Err(error.into()),
        }
        create_first_group(&*metadata, &*transport, receiver)?;
        Self::open(options, metadata, transport, receiver)
    }

    /// Opens a volume: takes the next epoch, seals, recovers, voids. There is no redo replay.
    ///
    /// # Errors
    /// When there is no volume, another opener is faster, or too few segments answer.
    pub fn open(
        options: WriterOptions,
        metadata: Arc<dyn MetadataStore>,
        transport: Arc<dyn Transport>,
        receiver: &Receiver,
    ) -> Result<Self, OpenError> {
        let record = take_epoch(&*metadata)?;
        let memberships = read_groups(&*metadata, record.groups)?;
        if memberships.is_empty() {
            return Err(OpenError::Absent);
        }
        let nodes: HashMap<SegmentId, NodeId> = memberships
            .iter()
            .flat_map(|membership| membership.members())
            .map(|member| (member.segment, member.node))
            .collect();
        let mut opening = OpeningCore::start(record.volume_epoch, record.allocation_limit, memberships);
        run_opening(&mut opening, &nodes, &*transport, receiver)?;
        let geometry = VolumeGeometry::new(record.segment_pages)
            .ok_or_else(|| MetadataError::Damaged("the volume's segments have no pages".into()))?;
        let start = opening.writer_start(geometry, options.max_unacked_bytes, options.max_straggler_bytes);
        let writer = WriterCore::open(start.expect("the opening is done"));
        let core = Arc::new(Core::new(writer, record.segment_pages, transport, metadata));
        if receiver.shared.core.set(Arc::clone(&core)).is_err() {
            panic!("a receiver serves one volume");
        }
        // Looked at after the core can be found: who comes or goes from here on tells it.
        let unreachable = receiver.shared.unreachable.lock();
        unreachable.iter().for_each(|node| core.set_reachable(*node, false));
        drop(unreachable);
        if let Some(reason) = receiver.failure() {
            core.end(VolumeError::Unavailable(reason));
        }
        core.ring();
        membership::start(&core);
        Ok(Self::new(core))
    }
}

/// Makes the segments of group 0 and names it.
fn create_first_group(
    metadata: &dyn MetadataStore,
    transport: &dyn Transport,
    receiver: &Receiver,
) -> Result<(), OpenError> {
    let (plan, record) = plan_group(metadata, None).map_err(into_open_error)?;
    let history = Arc::new(History::new(VolumeEpoch::ZERO));
    let messages = create_messages(&plan, &record, &history);
    let mut missing: Vec<_> = messages.iter().map(|create| create.request).collect();
    for (create, member) in messages.into_iter().zip(plan.membership.members()) {
        transport.send(member.node, Message::CreateSegment(Box::new(create)));
    }
    let deadline = Instant::now() + GIVE_UP_AFTER;
    while !missing.is_empty() {
        match receiver.next(deadline) {
            Some(Message::Status(status)) => missing.retain(|request| *request != status.request),
            Some(Message::Refused(refused)) => {
                return Err(OpenError::Unavailable(refused.reason.to_string()));
            }
            Some(_) => {}
            None => return Err(unavailable(receiver, "not all nodes made their segments")),
        }
    }
    name_group(metadata, &plan).map_err(into_open_error)
}

/// Takes the next volume epoch, durably, before it is used.
fn take_epoch(metadata: &dyn MetadataStore) -> Result<VolumeRecord, OpenError> {
    let stored = metadata.read(VOLUME_KEY)?.ok_or(OpenError::Absent)?;
    let mut record = VolumeRecord::decode(&stored.value)?;
    record.volume_epoch = record.volume_epoch.next();
    metadata.compare_and_set(VOLUME_KEY, Some(stored.revision), &record.encode())?;
    Ok(record)
}

/// Carries the opening machine's messages until it is done.
fn run_opening(
    opening: &mut OpeningCore,
    nodes: &HashMap<SegmentId, NodeId>,
    transport: &dyn Transport,
    receiver: &Receiver,
) -> Result<(), OpenError> {
    let give_up_at = Instant::now() + GIVE_UP_AFTER;
    let mut next_tick = Instant::now() + TICK;
    loop {
        while let Some((to, message)) = opening.poll_output() {
            if let Some(node) = nodes.get(&to.segment) {
                transport.send(*node, message);
            }
        }
        match opening.state() {
            OpeningState::Open => return Ok(()),
            OpeningState::Fenced(by) => return Err(OpenError::Overtaken { by: *by }),
            OpeningState::Stuck(undecided) => return Err(undecided.clone().into()),
            OpeningState::Sealing | OpeningState::Copying | OpeningState::Voiding => {}
        }
        if receiver.failure().is_some() || Instant::now() >= give_up_at {
            return Err(unavailable(receiver, &format!("recovery stands at {:?}", opening.state())));
        }
        match receiver.next(next_tick) {
            Some(message) => opening.on_message(&message),
            None => {
                opening.on_tick();
                next_tick = Instant::now() + TICK;
            }
        }
    }
}

fn unavailable(receiver: &Receiver, what: &str) -> OpenError {
    OpenError::Unavailable(receiver.failure().unwrap_or_else(|| what.to_owned()))
}

fn into_open_error(error: VolumeError) -> OpenError {
    match error {
        VolumeError::Metadata(error) => error.into(),
        VolumeError::Fenced { by } => OpenError::Overtaken { by },
        error => OpenError::Unavailable(error.to_string()),
    }
}
