//! Making a shard: its identity, an empty log, empty page stores.

use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_protocol::{NodeId, SegmentCore};

use super::{Node, RESERVED_CHUNKS, Shard, ShardOptions};
use crate::error::ShardError;
use crate::inbox::{Outbound, ShardHandle};
use crate::log::block::MAX_NODES;
use crate::log::bytes::{u16_at, u32_at, u64_at};
use crate::log::error::LogError;
use crate::log::position::LogId;
use crate::log::ring::{Log, LogShape, MIN_CHUNK_BYTES};
use crate::lru::Lru;
use crate::pages::store::PageStore;

const IDENTITY_NAME: &str = "shard";
const MAGIC: u32 = u32::from_le_bytes(*b"RdSh");
const VERSION: u32 = 1;

/// What a shard is, for good: written once when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIdentity {
    /// The log's random identity.
    pub log_id: u64,
    /// Bytes of a chunk of the log.
    pub chunk_bytes: usize,
    /// The nodes, and the random identity of each one's page store. One that was lost is replaced under a
    /// new identity, so that an old file is never taken for it.
    pub nodes: Vec<(NodeId, u64)>,
}

impl ShardIdentity {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.log_id.to_le_bytes());
        out.extend_from_slice(&(self.chunk_bytes as u64).to_le_bytes());
        for (node, store_id) in &self.nodes {
            out.extend_from_slice(&node.get().to_le_bytes());
            out.extend_from_slice(&store_id.to_le_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, nodes) = bytes.split_at_checked(24)?;
        let (nodes, []) = nodes.as_chunks::<10>() else { return None };
        let chunk_bytes = usize::try_from(u64_at(head, 16)).ok()?;
        let sound = u32_at(head, 0) == MAGIC
            && u32_at(head, 4) == VERSION
            && (1..=MAX_NODES).contains(&nodes.len())
            && (MIN_CHUNK_BYTES..1 << 32).contains(&chunk_bytes)
            && chunk_bytes.is_multiple_of(redoubt_io::IO_ALIGNMENT);
        sound.then(|| Self {
            log_id: u64_at(head, 8),
            chunk_bytes,
            nodes: nodes.iter().map(|node| (NodeId::new(u16_at(node, 0)), u64_at(node, 2))).collect(),
        })
    }

    /// Reads the identity of the shard in a storage, if there is one.
    ///
    /// # Errors
    /// When the storage fails, or what is there is damaged.
    pub async fn read<S: Storage>(storage: &S) -> Result<Option<Self>, ShardError> {
        let Some(bytes) = storage.read_control(IDENTITY_NAME).await? else { return Ok(None) };
        let identity = Self::decode(&bytes);
        identity.map(Some).ok_or_else(|| ShardError::Unusable("its identity cannot be read".into()))
    }

    pub(super) async fn write<S: Storage>(&self, storage: &S) -> Result<(), ShardError> {
        Ok(storage.write_control(IDENTITY_NAME, &self.encode()).await?)
    }

    pub(crate) fn shape(&self, options: &ShardOptions) -> LogShape {
        let chunks = options.log_bytes / self.chunk_bytes as u64;
        LogShape {
            log_id: LogId::new(self.log_id),
            chunk_bytes: self.chunk_bytes,
            max_chunks: u32::try_from(chunks).unwrap_or(u32::MAX).max(RESERVED_CHUNKS as u32 + 2),
            nodes: self.nodes.iter().map(|(node, _)| *node).collect(),
        }
    }
}

/// The name of a page store's file.
pub(crate) fn pages_name(node: NodeId, store_id: u64) -> String {
    format!("pages/node-{}-{store_id:016x}", node.get())
}

impl<S: Storage> Shard<S> {
    /// Makes a shard without segments. Its identity is written last, so that one half made is made again.
    ///
    /// # Errors
    /// `Exists`, or when the storage fails.
    ///
    /// # Panics
    /// When the identity names no node or too many, or its chunks are too small or not aligned.
    pub async fn create(
        storage: Rc<S>,
        identity: ShardIdentity,
        options: ShardOptions,
        handle: ShardHandle,
        outbound: Box<dyn Outbound>,
    ) -> Result<Self, ShardError> {
        assert!((1..=MAX_NODES).contains(&identity.nodes.len()), "a shard has one to {MAX_NODES} nodes");
        if ShardIdentity::read(&*storage).await?.is_some() {
            return Err(ShardError::Exists);
        }
        let log = Log::create(Rc::clone(&storage), identity.shape(&options)).await?;
        let mut nodes = Vec::new();
        for (id, store_id) in &identity.nodes {
            let device = storage.open_pages(&pages_name(*id, *store_id)).await?;
            let store = PageStore::create(device, *store_id, options.cached_index_nodes).await?;
            let node = Node::new(*id, store);
            node.knows_slots.set(true);
            nodes.push(node);
        }
        let shard = Self::assemble(storage, log, nodes, options, identity, handle, outbound);
        shard.begin_lap().await?;
        if !shard.log.keep_free(RESERVED_CHUNKS).await? {
            return Err(LogError::Full.into());
        }
        let identity = shard.identity.borrow().clone();
        identity.write(&*shard.storage).await?;
        Ok(shard)
    }

    pub(super) fn assemble(
        storage: Rc<S>,
        log: Log<S>,
        nodes: Vec<Node<S>>,
        options: ShardOptions,
        identity: ShardIdentity,
        handle: ShardHandle,
        outbound: Box<dyn Outbound>,
    ) -> Self {
        Self {
            storage,
            log,
            nodes,
            options,
            identity: identity.into(),
            handle,
            outbound,
            outgoing: Default::default(),
            pending: Default::default(),
            creating: Default::default(),
            giving: Default::default(),
            arrivals: Default::default(),
            taken: Default::default(),
            reads: Default::default(),
            cache: Lru::new(options.cached_pages).into(),
            damage: Default::default(),
            reads_waiting: Default::default(),
            background_wanted: Default::default(),
            write_wanted: Default::default(),
            starved: Default::default(),
            is_cramped: Default::default(),
            switch_noted: Default::default(),
            is_running: Default::default(),
            awaits_progress: Default::default(),
            was_filled: Default::default(),
            gossip_round: Default::default(),
            closed: Default::default(),
            #[cfg(feature = "planted-bugs")]
            planted: Default::default(),
        }
    }
}

impl<S: Storage> Node<S> {
    pub(super) fn new(id: NodeId, store: PageStore<S::Pages>) -> Self {
        Self {
            id,
            store: Rc::new(store).into(),
            segments: Default::default(),
            by_group: Default::default(),
            known_histories: Default::default(),
            needs_rebuild: Default::default(),
            knows_slots: Default::default(),
        }
    }

    /// Takes in a segment. One of the same group that was made earlier, and that the group has given up since, goes.
    pub(super) fn adopt(&self, core: SegmentCore) {
        let address = core.control().address;
        let before = self.by_group.borrow_mut().insert(address.pg, address.segment);
        let mut segments = self.segments.borrow_mut();
        segments.insert(address.segment, core);
        if let Some(before) = before.filter(|before| *before != address.segment) {
            segments.remove(&before);
        }
    }
}
