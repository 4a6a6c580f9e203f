//! A shard: one thread's worth of nodes over one log.
//!
//! Three loops share it, and nothing else does, so that there are no locks: the *write loop* takes messages,
//! lets the segments' machines decide, persists and answers; the *read loop* makes pages as of a read
//! point; the *background loop* writes indexes and page images and recycles chunks. An executor with priorities
//! may put them into queues of their own; `run` simply joins them.

mod coalesce;
mod create;
mod giving;
mod gossip;
mod imaging;
mod materialise;
mod open;
mod outgoing;
mod pending;
mod read_loop;
mod repair;
mod taking;
mod write_loop;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_page::{Lsn, Page, PageId, PgId};
use redoubt_protocol::{NodeId, Origin, SegmentCore, SegmentId};

use crate::error::ShardError;
use crate::inbox::{Counters, Outbound, ShardHandle};
use crate::log::ring::Log;
use crate::lru::Lru;
use crate::pages::store::PageStore;
use crate::signal::Signal;

pub use create::ShardIdentity;
pub(crate) use create::pages_name;
pub(crate) use open::{Remembered, remember};

/// How a shard works. What is fixed when it is made is in its identity.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// The most bytes its log may grow to.
    pub log_bytes: u64,
    /// Bytes of a chunk of the log; fixed when the shard is made.
    pub chunk_bytes: usize,
    /// How many chunks may fill up before images are made of the oldest while there is other work.
    pub lazy_chunks: usize,
    /// How many page images are kept in memory.
    pub cached_pages: usize,
    /// How many nodes of its page index each storage node keeps in memory.
    pub cached_index_nodes: usize,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self {
            log_bytes: 2 << 30,
            chunk_bytes: 16 << 20,
            lazy_chunks: 32,
            cached_pages: 1024,
            cached_index_nodes: 256,
        }
    }
}

/// Chunks that records must leave free: what a restart and its recovery need to write before anything can
/// be freed.
const RESERVED_CHUNKS: usize = 2;

/// Where messages between the nodes of the shard come from, and go to.
const PEERS: Origin = Origin::new(u64::MAX);

/// One storage node of a shard.
struct Node<S: Storage> {
    id: NodeId,
    store: RefCell<Rc<PageStore<S::Pages>>>,
    segments: RefCell<BTreeMap<SegmentId, SegmentCore>>,
    /// The segment that holds each group here.
    by_group: RefCell<BTreeMap<PgId, SegmentId>>,
    /// Histories that are stored in the current lap.
    known_histories: RefCell<BTreeSet<redoubt_page::VolumeEpoch>>,
    /// Whether the page store was lost and everything must be fetched from peers.
    needs_rebuild: Cell<bool>,
    /// Whether the page store knows which of its slots are free, and so can be changed.
    knows_slots: Cell<bool>,
}

/// A page in memory: what it was as of a record number.
struct CachedPage {
    page: Page,
    /// Every record of the page up to here is in.
    complete_to: Lsn,
}

/// See the module.
pub struct Shard<S: Storage> {
    storage: Rc<S>,
    log: Log<S>,
    nodes: Vec<Node<S>>,
    options: ShardOptions,
    identity: RefCell<ShardIdentity>,
    is_running: Cell<bool>,
    handle: ShardHandle,
    outbound: Box<dyn Outbound>,
    outgoing: RefCell<outgoing::Outgoing>,
    pending: RefCell<pending::Pending>,
    creating: RefCell<Vec<write_loop::Creation>>,
    /// Peers that are being given pages.
    giving: RefCell<Vec<giving::Giving>>,
    /// Pages that peers gave, to be put aside or made current.
    arrivals: RefCell<std::collections::VecDeque<taking::Arrival>>,
    /// Pages that were put aside.
    taken: RefCell<taking::Taken>,
    reads: RefCell<std::collections::VecDeque<read_loop::Job>>,
    cache: RefCell<Lru<PageId, Rc<CachedPage>>>,
    damage: RefCell<repair::Damage>,
    /// There are reads to serve.
    reads_waiting: Signal,
    /// A chunk filled up, positions moved, space is short, or something is damaged.
    background_wanted: Signal,
    /// A chunk became free, or a repair is to be written.
    write_wanted: Signal,
    /// The write loop waits for space.
    starved: Cell<bool>,
    /// Records that wait for a gap were given up for want of space, and none are taken for now.
    is_cramped: Cell<bool>,
    /// It is in the log that the page stores have switched.
    switch_noted: Signal,
    /// The background loop waits for positions to be persisted, or for a segment to get what it lacks.
    awaits_progress: Cell<bool>,
    /// A peer's records were taken in; more may be missing.
    was_filled: Cell<bool>,
    /// Looks at peers so far: they take turns.
    gossip_round: Cell<u64>,
    closed: Cell<bool>,
    #[cfg(feature = "planted-bugs")]
    planted: Cell<redoubt_protocol::Planted>,
}

impl<S: Storage> Shard<S> {
    /// The way in for other threads.
    pub fn handle(&self) -> ShardHandle {
        self.handle.clone()
    }

    /// Plants a wrong variant into every segment, for the tests that must notice it.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&self, planted: redoubt_protocol::Planted) {
        self.planted.set(planted);
        for node in &self.nodes {
            node.segments.borrow_mut().values_mut().for_each(|core| core.plant(planted));
        }
    }

    /// Runs until the handle is closed, or until something fails that this process must not outlive.
    ///
    /// # Errors
    /// When the log or a page store failed: what is durable is known only from media from then on.
    pub async fn run(&self) -> Result<(), ShardError> {
        self.is_running.set(true);
        let write = self.write_loop();
        let read = self.read_loop();
        let background = self.background_loop();
        futures_util::pin_mut!(write, read, background);
        let done = futures_util::future::try_join3(write, read, background).await;
        done.map(|_| ())
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        self.handle.count(change);
    }

    /// The place of the node that holds a segment.
    fn slot_of_segment(&self, segment: SegmentId) -> Option<usize> {
        self.nodes.iter().position(|node| node.segments.borrow().contains_key(&segment))
    }

    /// The parts of every node's memory, as of now.
    fn states(&self) -> Vec<Vec<Vec<u8>>> {
        let state = |node: &Node<S>| {
            let store = node.store.borrow();
            let segments = node.segments.borrow();
            let items = segments.values().map(|core| (core.control(), core.restore_point()));
            crate::state::encode_state((store.store_id(), store.sequence()), items)
        };
        self.nodes.iter().map(state).collect()
    }

    /// Begins a new lap of the log, in which every node's memory comes first.
    async fn begin_lap(&self) -> Result<(), ShardError> {
        let states = self.states();
        self.log.begin_lap(&states).await?;
        for node in &self.nodes {
            let segments = node.segments.borrow();
            *node.known_histories.borrow_mut() =
                segments.values().map(|core| core.control().history.epoch()).collect();
        }
        let in_use = self.log.chunks().len() as u64;
        self.count(|counters| counters.chunks_in_use = in_use);
        self.background_wanted.set();
        Ok(())
    }
}
