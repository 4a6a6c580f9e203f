//! Opening a shard: from the newest lap of its log and the superblocks of its page stores.

use std::collections::BTreeMap;
use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_page::Lsn;
use redoubt_protocol::{
    Address, ControlState, NodeId, RecordBatch, RestorePoint, SegmentCore, SegmentId, SharedBytes,
};

use super::create::pages_name;
use super::{Node, Shard, ShardIdentity, ShardOptions};
use crate::error::ShardError;
use crate::inbox::{Outbound, ShardHandle};
use crate::log::block::BlockKind;
use crate::log::open::Scanned;
use crate::log::position::Lap;
use crate::log::positions::decode_positions;
use crate::log::ring::Log;
use crate::pages::error::StoreError;
use crate::pages::store::PageStore;
use crate::state::{NodeState, SegmentState};

/// A node's memory as far as the log gives it back.
pub(crate) struct Remembered {
    pub(crate) state: NodeState,
    /// Something of the node that had been flushed cannot be read.
    has_rot: bool,
    /// The lap in which its state begins. None when no lap has it whole any more: the node has forgotten its
    /// promises, so it holds no segment.
    pub(crate) since: Option<Lap>,
}

impl<S: Storage> Shard<S> {
    /// Opens a shard. Nothing is replayed: images, indexes and positions are as they were, and a recovery
    /// of the volume decides what of the newest records counts.
    ///
    /// # Errors
    /// `Absent`, or when the storage fails or so much is damaged that no node remembers anything.
    pub async fn open(
        storage: Rc<S>,
        options: ShardOptions,
        handle: ShardHandle,
        outbound: Box<dyn Outbound>,
    ) -> Result<Self, ShardError> {
        let identity = ShardIdentity::read(&*storage).await?.ok_or(ShardError::Absent)?;
        let (log, mut scanned) = Log::open(Rc::clone(&storage), identity.shape(&options)).await?;
        let mut memories = Vec::new();
        for (slot, (id, _)) in identity.nodes.iter().enumerate() {
            memories.push(remember(&log, &mut scanned, *id, slot).await?);
        }
        let Some(oldest_needed) = memories.iter().filter_map(|memory| memory.since).min() else {
            return Err(ShardError::Unusable("no node's memory can be read".into()));
        };
        remind(&mut memories, &identity);
        let mut nodes = Vec::new();
        for ((id, store_id), memory) in identity.nodes.iter().zip(&memories) {
            let node = open_node(&*storage, *id, *store_id, memory, &options).await?;
            restore_segments(&log, &mut scanned, &node, memory).await?;
            nodes.push(node);
        }
        let shard = Self::assemble(storage, log, nodes, options, identity, handle, outbound);
        shard.make_first_room(oldest_needed).await?;
        shard.begin_lap().await?;
        Ok(shard)
    }

    /// Sees to it that a lap can be begun. The chunks with the nodes' memory must stay until it has.
    async fn make_first_room(&self, keep: Lap) -> Result<(), ShardError> {
        self.learn_free_slots().await?;
        let may_go = |chunk: &crate::log::ring::Chunk| chunk.lap < keep;
        for chunk in self.log.full_chunks() {
            let (lap, is_done) = (chunk.lap, may_go(&chunk) && self.is_in_images(&chunk));
            drop(chunk);
            if is_done {
                self.log.recycle(lap);
            }
        }
        while self.log.chunks_left() == 0 {
            let oldest = self.log.full_chunks().into_iter().next();
            if !oldest.is_some_and(|chunk| may_go(&chunk)) || !self.coalesce_oldest().await? {
                return Err(ShardError::Unusable("its log is full and nothing can be freed".into()));
            }
        }
        Ok(())
    }

    /// Whether every record of a chunk is contained in durable images on every node.
    pub(super) fn is_in_images(&self, chunk: &crate::log::ring::Chunk) -> bool {
        chunk.ranges().iter().all(|(pg, _, high)| {
            self.nodes.iter().filter(|node| !node.needs_rebuild.get()).all(|node| {
                let segment = node.by_group.borrow().get(pg).copied();
                segment.is_none_or(|segment| node.store.borrow().applied(segment) >= *high)
            })
        })
    }
}

/// Reads a node's memory back: the newest lap that has all of its state, and what changed since.
pub(crate) async fn remember<S: Storage>(
    log: &Log<S>,
    scanned: &mut Vec<Scanned>,
    node: NodeId,
    slot: usize,
) -> Result<Remembered, ShardError> {
    let mut has_rot = false;
    let since = loop {
        let whole = |chunk: &Scanned| chunk.scan.state_of(&chunk.bytes, node).is_some();
        if let Some(since) = scanned.iter().rposition(whole) {
            break since;
        }
        // The state was lost with the beginning of every lap scanned so far. Further back, then.
        has_rot = true;
        let oldest = scanned.first().map(|chunk| chunk.lap);
        let chunks = log.chunks();
        let older = chunks.iter().rev().find(|chunk| oldest.is_none_or(|oldest| chunk.lap < oldest));
        let Some(older) = older else {
            return Ok(Remembered { state: NodeState::default(), has_rot, since: None });
        };
        scanned.insert(0, log.rescan(older).await?);
    };
    let mut state = NodeState::default();
    for at in since..scanned.len() {
        let chunk = &scanned[at];
        let counts = scanned.get(at + 1).and_then(|next| next.scan.counts_before(&next.bytes));
        has_rot |= chunk.scan.has_rot(node, slot, counts.map_or(0, |counts| counts[slot]));
        if at == since {
            for part in chunk.scan.state_of(&chunk.bytes, node).unwrap_or_default() {
                state.take(part)?;
            }
        }
        for block in chunk.scan.blocks_of(node) {
            if block.header.kind == BlockKind::Items {
                // After rot a history may be missing that was written once in the lap.
                has_rot |= state.take(&chunk.bytes[block.payload.clone()]).is_err();
            }
        }
    }
    Ok(Remembered { state, has_rot, since: Some(scanned[since].lap) })
}

/// Lets nodes that have forgotten something of their memory learn it from the others.
///
/// Only rot in the log makes a node forget, and it is no voter until it has been repaired. But it would
/// acknowledge and refuse under what it remembers, so it must not fall behind what it had promised. Whatever a
/// quorum promised is known to enough of the others; what no quorum promised, nobody went on from.
fn remind(memories: &mut [Remembered], identity: &ShardIdentity) {
    let is_sound = |memory: &&Remembered| !memory.has_rot;
    let known: Vec<SegmentState> = match memories.iter().filter(is_sound).count() {
        0 => memories.iter().flat_map(|memory| memory.state.segments.values().cloned()).collect(),
        _ => {
            let sound = memories.iter().filter(is_sound);
            sound.flat_map(|memory| memory.state.segments.values().cloned()).collect()
        }
    };
    for (memory, (id, _)) in memories.iter_mut().zip(&identity.nodes) {
        if !memory.has_rot {
            continue;
        }
        for peer in &known {
            let members = peer.control.membership.members();
            let Some(own) = members.iter().find(|member| member.node == *id) else { continue };
            let address = Address { segment: own.segment, ..peer.control.address };
            let told =
                SegmentState { control: ControlState { address, ..peer.control.clone() }, point: peer.point };
            let state = memory.state.segments.entry(own.segment).or_insert_with(|| told.clone());
            if state.control.volume_epoch < told.control.volume_epoch {
                state.control.volume_epoch = told.control.volume_epoch;
            }
        }
    }
}

/// Opens a node's page store, or begins an empty one in the place of one that was lost.
async fn open_node<S: Storage>(
    storage: &S,
    id: NodeId,
    store_id: u64,
    remembered: &Remembered,
    options: &ShardOptions,
) -> Result<Node<S>, ShardError> {
    let device = storage.open_pages(&pages_name(id, store_id)).await?;
    let opened = PageStore::open(device, store_id, options.cached_index_nodes).await;
    let (known_id, known_sequence) = remembered.state.store;
    let is_stale = |store: &PageStore<S::Pages>| known_id == store_id && store.sequence() < known_sequence;
    match opened {
        Ok(store) if !is_stale(&store) => Ok(Node::new(id, store)),
        Ok(_) | Err(StoreError::Lost(_)) => {
            // A place-holder: the store that replaces it is made from a peer's, under a new identity.
            let device = storage.open_pages(&format!("pages/lost-{}", id.get())).await?;
            let store = PageStore::create(device, store_id, 0).await?;
            let node = Node::new(id, store);
            node.needs_rebuild.set(true);
            Ok(node)
        }
        Err(error) => Err(error.into()),
    }
}

/// Restores the machines of a node's segments from its memory and the records in the log.
async fn restore_segments<S: Storage>(
    log: &Log<S>,
    scanned: &mut Vec<Scanned>,
    node: &Node<S>,
    remembered: &Remembered,
) -> Result<(), ShardError> {
    let mut cores = BTreeMap::new();
    for (segment, state) in &remembered.state.segments {
        let applied = node.store.borrow().applied(*segment);
        let point = with_images(state.point, applied);
        // Records above the restore point may lie in chunks that are full and were not scanned.
        for chunk in log.chunks_with(state.control.address.pg, point.linked, Lsn::MAX) {
            if scanned.iter().all(|other| other.lap != chunk.lap) {
                let at = scanned.partition_point(|other| other.lap < chunk.lap);
                scanned.insert(at, log.rescan(&chunk).await?);
            }
        }
        let core = SegmentCore::restore(state.control.clone(), point);
        cores.insert(*segment, Restoring { core, applied, is_sound: !remembered.has_rot });
    }
    for chunk in scanned.iter() {
        restore_records(&mut cores, chunk, node.id);
    }
    for Restoring { mut core, applied, is_sound } in cores.into_values() {
        core.on_coalesced(applied.min(core.coalesce_limit()));
        core.set_clean(is_sound && !node.needs_rebuild.get());
        while core.poll_output().is_some() {}
        node.adopt(core);
    }
    Ok(())
}

/// A segment's machine while its records are being fed to it.
struct Restoring {
    core: SegmentCore,
    /// Up to where its records are in images.
    applied: Lsn,
    /// Whether everything read so far made sense.
    is_sound: bool,
}

/// A restore point that takes into account that the images may be newer than the lap's beginning.
fn with_images(point: RestorePoint, applied: Lsn) -> RestorePoint {
    if applied <= point.linked {
        return RestorePoint { coalesced: applied, ..point };
    }
    RestorePoint {
        linked: applied,
        persisted_vdl: point.persisted_vdl.max(applied),
        pg_tail: point.pg_tail.max(applied),
        coalesced: applied,
        // They may have come in the place of records, and then there is no older version of their pages.
        collected: applied,
        ..point
    }
}

/// Feeds the records of one node in a chunk to the machines of its segments, in log order.
fn restore_records(cores: &mut BTreeMap<SegmentId, Restoring>, chunk: &Scanned, node: NodeId) {
    for block in chunk.scan.blocks_of(node).filter(|block| block.header.kind == BlockKind::Records) {
        let Some(restoring) = cores.get_mut(&block.header.segment) else { continue };
        let Some((positions, records)) = decode_positions(&chunk.bytes[block.payload.clone()]) else {
            restoring.is_sound = false;
            continue;
        };
        let batch = match records {
            [] => None,
            records => match RecordBatch::parse(SharedBytes::from(records.to_vec())) {
                Ok(batch) => Some(batch),
                Err(_) => {
                    restoring.is_sound = false;
                    continue;
                }
            },
        };
        restoring.is_sound &= restoring.core.restore_batch(batch.as_ref(), positions).is_ok();
    }
}
