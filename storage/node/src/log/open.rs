//! Opening a log: from the indexes of its full chunks and a scan of the few that have none.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use redoubt_io::{IoBuf, LogDevice, Storage};
use redoubt_protocol::NodeId;

use super::active::ActiveIndex;
use super::block::{BlockHeader, BlockKind, SECTOR_BYTES, claimed_bytes};
use super::entry::{CopySet, IndexEntry};
use super::error::LogError;
use super::position::Lap;
use super::positions::{POSITIONS_BYTES, decode_positions};
use super::ring::{Chunk, ChunkIndex, Cursor, Log, LogShape, Ring, chunk_name};
use super::scan::{ChunkPlace, FoundBlock, Scan, scan};
use super::sealed::{Footer, SealedIndex};

/// What is read of a chunk to see which lap it is in.
const HEAD_BYTES: usize = 4096;

/// A chunk that was scanned because it has no index.
pub struct Scanned {
    /// Its lap.
    pub lap: Lap,
    /// Its bytes.
    pub bytes: IoBuf,
    /// The blocks in them.
    pub scan: Scan,
}

impl<S: Storage> Log<S> {
    /// Makes a log of its first chunk, which nothing is written to before `begin_lap`.
    ///
    /// # Errors
    /// When the storage fails or has no room.
    pub async fn create(storage: Rc<S>, shape: LogShape) -> Result<Self, LogError> {
        let log = Self::without_chunks(storage, shape);
        log.grow().await?;
        Ok(log)
    }

    /// Opens a log. Returns the chunks that had to be scanned, oldest first: at most the one that was being
    /// written, those whose index was not finished or is damaged, and none of a log never written to.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn open(storage: Rc<S>, shape: LogShape) -> Result<(Self, Vec<Scanned>), LogError> {
        let log = Self::without_chunks(storage, shape);
        log.open_files().await?;
        let places = log.ring.borrow().devices.len() as u32;
        let mut scanned = Vec::new();
        for place in 0..places {
            let Some(lap) = log.lap_of(place).await? else {
                log.ring.borrow_mut().free.push(place);
                continue;
            };
            let chunk = match log.sealed_index(place, lap).await? {
                Some((footer, index)) => chunk(lap, place, &footer, ChunkIndex::Sealed(index)),
                None => {
                    let (bytes, scan) = log.scan_chunk(place, lap).await?;
                    let index = ChunkIndex::Open(log.index_of_scan(&bytes, &scan));
                    let chunk = log.scanned_chunk(lap, place, &scan, index);
                    scanned.push(Scanned { lap, bytes, scan });
                    chunk
                }
            };
            log.ring.borrow_mut().chunks.push_back(Rc::new(chunk));
        }
        scanned.sort_by_key(|chunk| chunk.lap);
        let mut ring = log.ring.borrow_mut();
        ring.chunks.make_contiguous().sort_by_key(|chunk| chunk.lap);
        ring.next_lap = ring.chunks.back().map_or(Lap::new(0), |chunk| chunk.lap);
        drop(ring);
        Ok((log, scanned))
    }

    fn without_chunks(storage: Rc<S>, shape: LogShape) -> Self {
        assert!(shape.chunk_bytes >= super::ring::MIN_CHUNK_BYTES, "a chunk has room for six long records");
        assert!(shape.chunk_bytes.is_multiple_of(redoubt_io::IO_ALIGNMENT), "a chunk is aligned");
        assert!(shape.nodes.len() <= super::block::MAX_NODES, "a log has room for its nodes' counters");
        let ring = Ring {
            chunks: std::collections::VecDeque::new(),
            free: Vec::new(),
            devices: Vec::new(),
            next_lap: Lap::new(0),
            cursor: Cursor::default(),
            writable: false,
            dead: false,
        };
        Self { storage, shape, ring: RefCell::new(ring) }
    }

    /// Opens every chunk file there is. They are made in the order of their numbers.
    async fn open_files(&self) -> Result<(), LogError> {
        let names = self.storage.names().await.map_err(LogError::Unreadable)?;
        let bytes = self.shape.chunk_bytes as u64;
        for place in 0.. {
            let name = chunk_name(place);
            if names.binary_search(&name).is_err() {
                return Ok(());
            }
            let device = self.storage.open_log(&name, bytes).await.map_err(LogError::Unreadable)?;
            self.ring.borrow_mut().devices.push(Rc::new(device));
        }
        Ok(())
    }

    /// The lap a chunk was last begun in, or nothing when it never was. Reads one block where that suffices.
    async fn lap_of(&self, place: u32) -> Result<Option<Lap>, LogError> {
        let device = Rc::clone(&self.ring.borrow().devices[place as usize]);
        let mut head = device.read_at(0, HEAD_BYTES).await.map_err(LogError::Unreadable)?;
        // A node with segments of many groups begins a lap with a longer block.
        if let Some(bytes) = claimed_bytes(&head)
            && (HEAD_BYTES + 1..=self.shape.chunk_bytes).contains(&bytes)
        {
            head = device.read_at(0, bytes).await.map_err(LogError::Unreadable)?;
        }
        let chunk_at = self.chunk_at(place);
        if let Ok((header, _)) = BlockHeader::decode(&head)
            && header.log_id == self.shape.log_id
            && header.offset == chunk_at
        {
            return Ok(Some(header.lap));
        }
        // The first block is damaged, or was never written. Any other block will do.
        let bytes = self.read_chunk(place).await?;
        let mut newest = None;
        let mut at = 0;
        while at < bytes.len() {
            if let Ok((header, _)) = BlockHeader::decode(&bytes[at..])
                && header.log_id == self.shape.log_id
                && header.offset == chunk_at + at as u64
            {
                newest = newest.max(Some(header.lap));
            }
            at += SECTOR_BYTES;
        }
        Ok(newest)
    }

    /// What to keep in memory of a full chunk's index, or nothing when it has none or a damaged one.
    async fn sealed_index(&self, place: u32, lap: Lap) -> Result<Option<(Footer, SealedIndex)>, LogError> {
        let device = Rc::clone(&self.ring.borrow().devices[place as usize]);
        let footer_at = (self.shape.chunk_bytes - SECTOR_BYTES) as u64;
        let bytes = device.read_at(footer_at, SECTOR_BYTES).await.map_err(LogError::Unreadable)?;
        let Some(footer) = Footer::decode(&bytes, self.shape.chunk_bytes) else { return Ok(None) };
        if footer.lap != lap || footer.log_id != self.shape.log_id {
            return Ok(None);
        }
        let summary = device.read_at(footer.summary_at() as u64, footer.summary_bytes as usize).await;
        let summary = summary.map_err(LogError::Unreadable)?;
        Ok(SealedIndex::decode_summary(&footer, &summary).map(|index| (footer, index)))
    }

    async fn read_chunk(&self, place: u32) -> Result<IoBuf, LogError> {
        let device = Rc::clone(&self.ring.borrow().devices[place as usize]);
        device.read_at(0, self.shape.chunk_bytes).await.map_err(LogError::Unreadable)
    }

    /// Reads and scans a whole chunk.
    pub(super) async fn scan_chunk(&self, place: u32, lap: Lap) -> Result<(IoBuf, Scan), LogError> {
        let bytes = self.read_chunk(place).await?;
        let place = ChunkPlace { log_id: self.shape.log_id, lap, file_offset: self.chunk_at(place) };
        let scan = scan(&bytes, place);
        Ok((bytes, scan))
    }

    /// Scans a chunk that has an index, for the blocks that are no records.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn rescan(&self, chunk: &Chunk) -> Result<Scanned, LogError> {
        let (bytes, scan) = self.scan_chunk(chunk.place, chunk.lap).await?;
        Ok(Scanned { lap: chunk.lap, bytes, scan })
    }

    fn scanned_chunk(&self, lap: Lap, place: u32, scan: &Scan, index: ChunkIndex) -> Chunk {
        let mut node_blocks = [0; super::block::MAX_NODES];
        for block in &scan.blocks {
            if let Some(slot) = self.slot_of(block.header.node) {
                node_blocks[slot] = node_blocks[slot].max(block.header.sequence + 1);
            }
        }
        Chunk {
            lap,
            place,
            index: RefCell::new(index),
            data_end: Cell::new(scan.end),
            node_blocks: Cell::new(node_blocks),
            sealing: Cell::new(false),
        }
    }

    /// A node's place in the list of nodes.
    pub fn slot_of(&self, node: NodeId) -> Option<usize> {
        self.shape.nodes.iter().position(|member| *member == node)
    }

    /// The index of the records a scan found.
    pub(super) fn index_of_scan(&self, bytes: &[u8], scan: &Scan) -> ActiveIndex {
        let mut index = ActiveIndex::default();
        let records: Vec<&FoundBlock> =
            scan.blocks.iter().filter(|block| block.header.kind == BlockKind::Records).collect();
        let mut rest = records.as_slice();
        while let Some(first) = rest.first() {
            let (copies, stride) = self.copies_from(bytes, rest);
            if !copies.is_empty() {
                index_block_copies(&mut index, bytes, first, copies, stride);
            }
            rest = &rest[copies.len().max(1)..];
        }
        index
    }

    /// The nodes whose copies of the first block lie behind one another from there on, and their stride.
    fn copies_from(&self, bytes: &[u8], blocks: &[&FoundBlock]) -> (CopySet, usize) {
        let first = blocks[0];
        let mut copies = CopySet::default();
        let Some(slot) = self.slot_of(first.header.node) else { return (copies, 0) };
        copies.insert(slot);
        let stride = super::block::block_bytes(first.payload.len());
        let mut last_slot = slot;
        for (step, block) in blocks.iter().enumerate().skip(1) {
            let Some(slot) = self.slot_of(block.header.node) else { break };
            let continues = slot > last_slot
                && block.at == first.at + step * stride
                && bytes[block.payload.clone()] == bytes[first.payload.clone()];
            if !continues {
                break;
            }
            copies.insert(slot);
            last_slot = slot;
        }
        (copies, stride)
    }
}

fn chunk(lap: Lap, place: u32, footer: &Footer, index: ChunkIndex) -> Chunk {
    Chunk {
        lap,
        place,
        index: RefCell::new(index),
        data_end: Cell::new(footer.data_end as usize),
        node_blocks: Cell::new(footer.node_blocks),
        sealing: Cell::new(true),
    }
}

fn index_block_copies(
    index: &mut ActiveIndex,
    bytes: &[u8],
    block: &FoundBlock,
    copies: CopySet,
    stride: usize,
) {
    let payload = &bytes[block.payload.clone()];
    let Some((_, body)) = decode_positions(payload) else { return };
    let mut rest = redoubt_page::records(body);
    loop {
        let record_at = body.len() - rest.rest().len() + POSITIONS_BYTES;
        // The block's checksum matched, so this is what was written, and only whole records are.
        let Some(Ok(record)) = rest.next() else { break };
        let entry = IndexEntry {
            page: record.page_id(),
            lsn: record.lsn(),
            copies,
            first_sector: (block.at / SECTOR_BYTES) as u32,
            stride_sectors: (stride / SECTOR_BYTES) as u32,
            payload_bytes: payload.len() as u32,
            record_at: record_at as u32,
        };
        index.add(record.header().pg, entry);
    }
}
