//! The log: a ring of chunks, written to by all nodes of a shard together.
//!
//! One task appends; any number read. What is appended in one call goes to the device in one write and is
//! made durable by one flush, whichever nodes and segments it belongs to. A chunk is one preallocated file,
//! so that the log can grow while it is written to.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use redoubt_io::{IO_ALIGNMENT, IoBuf, LogDevice, Storage};
use redoubt_page::PgId;
use redoubt_protocol::{NodeId, Positions, SegmentId, SharedBytes};

use super::active::ActiveIndex;
use super::block::{BlockHeader, BlockKind, HEADER_BYTES, MAX_NODES, SECTOR_BYTES, block_bytes};
use super::entry::{CopySet, IndexEntry};
use super::error::LogError;
use super::position::{Lap, LogId, LogPosition};
use super::positions::{POSITIONS_BYTES, encode_positions};
use super::sealed::{Footer, SealedIndex, build, index_room};

/// The most payload that is put into one block, unless a single record is longer: what one damaged sector
/// can cost a node, and what reading one record reads.
pub const BLOCK_PAYLOAD_BYTES: usize = 16 * 1024 - HEADER_BYTES;
/// The smallest chunk: six copies of the longest record, the nodes' state, and the index.
pub const MIN_CHUNK_BYTES: usize = 1024 * 1024;

/// What a log is made with; the same ever after, except for the cap.
#[derive(Clone, Debug)]
pub struct LogShape {
    /// The log's identity.
    pub log_id: LogId,
    /// Bytes of a chunk, a multiple of 4096.
    pub chunk_bytes: usize,
    /// The most chunks the log may grow to.
    pub max_chunks: u32,
    /// The nodes that share the log; at most `MAX_NODES`.
    pub nodes: Vec<NodeId>,
}

/// One payload and the nodes that store it, each in a block of its own.
#[derive(Clone, Debug)]
pub struct Group {
    /// What the payload is.
    pub kind: BlockKind,
    /// The nodes, by their places in the log's list.
    pub copies: CopySet,
    /// Per place, the segment that the node's block belongs to.
    pub segments: [SegmentId; MAX_NODES],
    /// The protection group of the records; of no meaning for other kinds.
    pub pg: PgId,
    /// The positions that travelled with records; they come first in the payload.
    pub positions: Option<Positions>,
    /// The rest of the payload.
    pub body: SharedBytes,
    /// How many records there are in the body.
    pub record_count: u32,
}

impl Group {
    fn payload_bytes(&self) -> usize {
        self.body.len() + if self.positions.is_some() { POSITIONS_BYTES } else { 0 }
    }

    fn stride_bytes(&self) -> usize {
        block_bytes(self.payload_bytes())
    }

    fn bytes(&self) -> usize {
        self.stride_bytes() * self.copies.len()
    }
}

/// One chunk of the ring.
#[derive(Debug)]
pub struct Chunk {
    /// Its number in the order of beginning.
    pub lap: Lap,
    /// The number of the file it lies in.
    pub place: u32,
    pub(super) index: RefCell<ChunkIndex>,
    /// Where its last block ends, once it is full.
    pub(super) data_end: Cell<usize>,
    pub(super) node_blocks: Cell<[u32; MAX_NODES]>,
    pub(super) sealing: Cell<bool>,
}

/// A chunk's index: in memory while it fills, then on disk.
#[derive(Debug)]
pub enum ChunkIndex {
    /// In memory.
    Open(ActiveIndex),
    /// On disk, with only a summary in memory.
    Sealed(SealedIndex),
}

/// Where the next block goes, and what is durable before it.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub end: usize,
    pub flushed: LogPosition,
    pub node_blocks: [u32; MAX_NODES],
    pub flushed_blocks: [u32; MAX_NODES],
}

pub(super) struct Ring<D> {
    /// Oldest first. The last one is being written to, unless none was begun since opening.
    pub chunks: VecDeque<Rc<Chunk>>,
    /// Files that hold nothing needed.
    pub free: Vec<u32>,
    /// The files, by number.
    pub devices: Vec<Rc<D>>,
    pub next_lap: Lap,
    pub cursor: Cursor,
    /// Whether the last chunk was begun by this opening.
    pub writable: bool,
    pub dead: bool,
}

/// The log of one shard.
pub struct Log<S: Storage> {
    pub(super) storage: Rc<S>,
    pub(super) shape: LogShape,
    pub(super) ring: RefCell<Ring<S::Log>>,
}

/// The name of a chunk's file.
pub(super) fn chunk_name(place: u32) -> String {
    format!("log/chunk-{place:05}")
}

impl<S: Storage> Log<S> {
    /// The nodes that share the log.
    pub fn nodes(&self) -> &[NodeId] {
        &self.shape.nodes
    }

    /// Appends as many of the groups as fit into the chunk that is being written, in order, with one write
    /// and one flush, and returns how many. They are durable and can be found when it returns. None means
    /// that a new lap must be begun first.
    ///
    /// # Errors
    /// Any error kills the log: what is durable is unknown from then on, and nothing is tried again.
    pub async fn append(&self, groups: &[Group]) -> Result<usize, LogError> {
        let (count, at, buffer) = {
            let mut ring = self.ring.borrow_mut();
            if ring.dead {
                return Err(LogError::Dead);
            }
            let count = self.how_many_fit(&ring, groups);
            if count == 0 {
                return Ok(0);
            }
            let at = ring.cursor.end;
            (count, at, self.encode(&mut ring, &groups[..count]))
        };
        self.write_and_flush(at, buffer).await?;
        let mut ring = self.ring.borrow_mut();
        let ring = &mut *ring;
        let chunk = ring.chunks.back().expect("a chunk is being written");
        let ChunkIndex::Open(index) = &mut *chunk.index.borrow_mut() else {
            panic!("the chunk being written has its index in memory");
        };
        let mut at = at;
        for group in &groups[..count] {
            add_to_index(index, group, at);
            at += group.bytes();
        }
        Ok(count)
    }

    /// How many of the groups fit behind one another, the index of the chunk included.
    fn how_many_fit(&self, ring: &Ring<S::Log>, groups: &[Group]) -> usize {
        if !ring.writable {
            return 0;
        }
        let chunk = ring.chunks.back().expect("a chunk is being written");
        let ChunkIndex::Open(index) = &*chunk.index.borrow() else { return 0 };
        let (mut end, mut entries) = (ring.cursor.end, index.entry_count());
        let mut pgs = index.group_count();
        let fits = |group: &&Group| {
            end += group.bytes();
            entries += group.record_count as usize;
            pgs += 1;
            end.next_multiple_of(IO_ALIGNMENT) + index_room(entries, pgs) <= self.shape.chunk_bytes
        };
        groups.iter().take_while(fits).count()
    }

    /// Lays the groups out behind the cursor, and moves it.
    fn encode(&self, ring: &mut Ring<S::Log>, groups: &[Group]) -> IoBuf {
        let chunk = ring.chunks.back().expect("a chunk is being written");
        // What is written together ends on the boundary that direct I/O wants, so that no later write touches
        // a device block that holds something durable.
        let bytes: usize = groups.iter().map(Group::bytes).sum();
        let mut buffer = IoBuf::zeroed(bytes.next_multiple_of(IO_ALIGNMENT));
        let chunk_at = self.chunk_at(chunk.place);
        let (lap, flushed, flushed_blocks) = (chunk.lap, ring.cursor.flushed, ring.cursor.flushed_blocks);
        let mut out_at = 0;
        for group in groups {
            let stride = group.stride_bytes();
            for slot in group.copies.slots() {
                let header = BlockHeader {
                    log_id: self.shape.log_id,
                    lap,
                    offset: chunk_at + (ring.cursor.end + out_at) as u64,
                    flushed,
                    segment: group.segments[slot],
                    node: self.shape.nodes[slot],
                    kind: group.kind,
                    length: group.payload_bytes() as u32,
                    sequence: ring.cursor.node_blocks[slot],
                    flushed_blocks,
                };
                ring.cursor.node_blocks[slot] += 1;
                let positions = group.positions.as_ref().map(encode_positions);
                let head: &[u8] = positions.as_ref().map_or(&[], |positions| positions);
                header.encode([head, &group.body], &mut buffer[out_at..out_at + stride]);
                out_at += stride;
            }
        }
        ring.cursor.end += buffer.len();
        buffer
    }

    /// Writes at the given offset of the current chunk, flushes, and notes what is durable.
    async fn write_and_flush(&self, at: usize, buffer: IoBuf) -> Result<(), LogError> {
        let (device, lap) = {
            let ring = self.ring.borrow();
            let chunk = ring.chunks.back().expect("a chunk is being written");
            (Rc::clone(&ring.devices[chunk.place as usize]), chunk.lap)
        };
        let flushed = device.write_at_and_flush(at as u64, buffer).await;
        let mut ring = self.ring.borrow_mut();
        if let Err(error) = flushed {
            ring.dead = true;
            return Err(LogError::Failed(error));
        }
        let cursor = &mut ring.cursor;
        cursor.flushed = self.position(lap, cursor.end);
        cursor.flushed_blocks = cursor.node_blocks;
        Ok(())
    }

    /// Begins a new lap, which starts with every node's state. `states` holds, per place in the list of
    /// nodes, the parts of the state.
    ///
    /// # Errors
    /// `Full` when no chunk is free and the file may not grow; otherwise as `append`.
    pub async fn begin_lap(&self, states: &[Vec<Vec<u8>>]) -> Result<(), LogError> {
        assert_eq!(states.len(), self.shape.nodes.len(), "every node states where it stands");
        if self.ring.borrow().dead {
            return Err(LogError::Dead);
        }
        if self.ring.borrow().free.is_empty() {
            self.grow().await?;
        }
        let groups = {
            let ring = self.ring.borrow();
            let counts = if ring.writable { ring.cursor.node_blocks } else { self.last_counts(&ring) };
            state_groups(states, &counts)
        };
        let bytes: usize = groups.iter().map(Group::bytes).sum();
        if bytes + index_room(0, 0) > self.shape.chunk_bytes / 2 {
            return Err(LogError::ChunkTooSmall(bytes));
        }
        let buffer = {
            let mut ring = self.ring.borrow_mut();
            let ring = &mut *ring;
            if ring.writable {
                let full = ring.chunks.back().expect("a chunk is being written");
                full.data_end.set(ring.cursor.end);
                full.node_blocks.set(ring.cursor.node_blocks);
            }
            let place = ring.free.pop().ok_or(LogError::Full)?;
            ring.next_lap = ring.next_lap.next();
            ring.chunks.push_back(Rc::new(Chunk {
                lap: ring.next_lap,
                place,
                index: RefCell::new(ChunkIndex::Open(ActiveIndex::default())),
                data_end: Cell::new(0),
                node_blocks: Cell::default(),
                sealing: Cell::new(false),
            }));
            ring.writable = true;
            ring.cursor = Cursor { flushed: self.position(ring.next_lap, 0), ..Cursor::default() };
            self.encode(ring, &groups)
        };
        self.write_and_flush(0, buffer).await
    }

    /// How many blocks each node has in the newest chunk.
    fn last_counts(&self, ring: &Ring<S::Log>) -> [u32; MAX_NODES] {
        ring.chunks.back().map_or([0; MAX_NODES], |chunk| chunk.node_blocks.get())
    }

    /// Adds a file for one more chunk.
    ///
    /// # Errors
    /// `Full` at the cap or when the device has no room.
    pub async fn grow(&self) -> Result<(), LogError> {
        let place = self.ring.borrow().devices.len() as u32;
        if place >= self.shape.max_chunks {
            return Err(LogError::Full);
        }
        let device = self.storage.open_log(&chunk_name(place), self.shape.chunk_bytes as u64).await;
        let device = device.map_err(LogError::from_growing)?;
        let mut ring = self.ring.borrow_mut();
        // Two tasks may have grown the log at once; the file is the same one then.
        if ring.devices.len() == place as usize {
            ring.devices.push(Rc::new(device));
            ring.free.push(place);
        }
        Ok(())
    }

    /// Writes the index of the oldest full chunk that has none on disk yet, and returns whether there was
    /// one.
    ///
    /// # Errors
    /// When the device fails; the index stays in memory then.
    pub async fn seal_one(&self) -> Result<bool, LogError> {
        let Some(chunk) = self.next_to_seal() else { return Ok(false) };
        let footer = Footer {
            log_id: self.shape.log_id,
            lap: chunk.lap,
            data_end: chunk.data_end.get() as u32,
            index_at: 0,
            index_blocks: 0,
            summary_bytes: 0,
            node_blocks: chunk.node_blocks.get(),
        };
        let built = match &*chunk.index.borrow() {
            ChunkIndex::Open(index) => build(index, self.shape.chunk_bytes, &footer),
            ChunkIndex::Sealed(_) => return Ok(true),
        };
        // After damage a scan may find more entries than there is room for; such a chunk keeps its index in
        // memory until it is recycled.
        let Some((sealed, bytes)) = built else { return Ok(true) };
        let device = self.device(&chunk);
        let at = (self.shape.chunk_bytes - bytes.len()) as u64;
        device.write_at_and_flush(at, IoBuf::from_slice(&bytes)).await.map_err(LogError::Failed)?;
        *chunk.index.borrow_mut() = ChunkIndex::Sealed(sealed);
        Ok(true)
    }

    fn next_to_seal(&self) -> Option<Rc<Chunk>> {
        let ring = self.ring.borrow();
        let full = ring.chunks.len() - usize::from(ring.writable);
        let chunk = ring.chunks.iter().take(full).find(|chunk| !chunk.sealing.get())?;
        chunk.sealing.set(true);
        Some(Rc::clone(chunk))
    }

    /// How many full chunks still have their index in memory.
    pub fn unsealed_chunks(&self) -> usize {
        let ring = self.ring.borrow();
        let full = ring.chunks.len() - usize::from(ring.writable);
        let open = |chunk: &&Rc<Chunk>| matches!(&*chunk.index.borrow(), ChunkIndex::Open(_));
        ring.chunks.iter().take(full).filter(open).count()
    }

    /// Full chunks, oldest first.
    pub fn full_chunks(&self) -> Vec<Rc<Chunk>> {
        let ring = self.ring.borrow();
        let full = ring.chunks.len() - usize::from(ring.writable);
        ring.chunks.iter().take(full).map(Rc::clone).collect()
    }

    /// All chunks, oldest first.
    pub fn chunks(&self) -> Vec<Rc<Chunk>> {
        self.ring.borrow().chunks.iter().map(Rc::clone).collect()
    }

    /// Chunks that could still be begun: free ones and those the log may grow by, if the device has room.
    pub fn chunks_left(&self) -> usize {
        let ring = self.ring.borrow();
        ring.free.len() + (self.shape.max_chunks as usize).saturating_sub(ring.devices.len())
    }

    /// Chunks that can be begun without making a file first, whatever room the device has.
    pub fn free_chunks(&self) -> usize {
        self.ring.borrow().free.len()
    }

    /// Makes files until so many chunks are free. Returns whether they are: the log may be at its cap, or the
    /// device full.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn keep_free(&self, count: usize) -> Result<bool, LogError> {
        while self.free_chunks() < count {
            match self.grow().await {
                Ok(()) => {}
                Err(LogError::Full) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Gives a full chunk's place back, unless someone is still reading in it. Nothing in it is needed any
    /// more: whoever calls this has durable images of all it holds. Returns whether it was given back.
    pub fn recycle(&self, lap: Lap) -> bool {
        let mut ring = self.ring.borrow_mut();
        let full = ring.chunks.len() - usize::from(ring.writable);
        let found = ring.chunks.iter().take(full).position(|chunk| chunk.lap == lap);
        let Some(at) = found else { return false };
        if Rc::strong_count(&ring.chunks[at]) > 1 {
            return false;
        }
        let chunk = ring.chunks.remove(at).expect("it was just found");
        ring.free.push(chunk.place);
        true
    }

    pub(super) fn device(&self, chunk: &Chunk) -> Rc<S::Log> {
        Rc::clone(&self.ring.borrow().devices[chunk.place as usize])
    }

    /// Where a chunk begins in the log taken as one file, in bytes: what its blocks say of their place.
    pub(super) fn chunk_at(&self, place: u32) -> u64 {
        u64::from(place) * self.shape.chunk_bytes as u64
    }

    pub(super) fn position(&self, lap: Lap, offset: usize) -> LogPosition {
        LogPosition::new(lap.get() * self.shape.chunk_bytes as u64 + offset as u64)
    }
}

/// Bytes of a state block's payload before the node's own: how many parts there are, and how many blocks each
/// node had in the lap before.
pub const STATE_HEADER_BYTES: usize = 4 + 4 * MAX_NODES;

/// One group per part of a node's state.
fn state_groups(states: &[Vec<Vec<u8>>], counts_before: &[u32; MAX_NODES]) -> Vec<Group> {
    let mut groups = Vec::new();
    for (slot, parts) in states.iter().enumerate() {
        let count = u32::try_from(parts.len()).expect("a state has few parts");
        for part in parts {
            let mut copies = CopySet::default();
            copies.insert(slot);
            let mut body = Vec::with_capacity(STATE_HEADER_BYTES + part.len());
            body.extend_from_slice(&count.to_le_bytes());
            counts_before.iter().for_each(|count| body.extend_from_slice(&count.to_le_bytes()));
            body.extend_from_slice(part);
            groups.push(Group {
                kind: BlockKind::State,
                copies,
                segments: [SegmentId::new(0); MAX_NODES],
                pg: PgId::new(0),
                positions: None,
                body: SharedBytes::from(body),
                record_count: 0,
            });
        }
    }
    groups
}

/// Adds a durable group's records to the index.
fn add_to_index(index: &mut ActiveIndex, group: &Group, at: usize) {
    if group.kind != BlockKind::Records {
        return;
    }
    let mut rest = redoubt_page::records(&group.body);
    loop {
        let record_at = group.body.len() - rest.rest().len() + POSITIONS_BYTES;
        let Some(record) = rest.next() else { break };
        let record = record.expect("records are decoded before they are appended");
        let entry = IndexEntry {
            page: record.page_id(),
            lsn: record.lsn(),
            copies: group.copies,
            first_sector: (at / SECTOR_BYTES) as u32,
            stride_sectors: (group.stride_bytes() / SECTOR_BYTES) as u32,
            payload_bytes: group.payload_bytes() as u32,
            record_at: record_at as u32,
        };
        index.add(group.pg, entry);
    }
}
