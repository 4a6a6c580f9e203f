//! Finding and reading records of the log.

use std::rc::Rc;

use redoubt_io::{IoBuf, LogDevice, Storage, Stretch};
use redoubt_page::{Lsn, PageId, PgId};

use super::block::{BlockError, BlockHeader, HEADER_BYTES};
use super::entry::IndexEntry;
use super::error::LogError;
use super::ring::{Chunk, ChunkIndex, Log};
use super::sealed::{INDEX_BLOCK_BYTES, read_index_block};

/// A record that was found: the chunk it lies in, which stays as it is while this exists, and where.
#[derive(Clone, Debug)]
pub struct Found {
    /// The chunk.
    pub chunk: Rc<Chunk>,
    /// The record's place.
    pub entry: IndexEntry,
}

/// One verified copy of a block.
#[derive(Debug)]
pub struct BlockCopy {
    buffer: IoBuf,
    payload_bytes: usize,
}

impl BlockCopy {
    /// The block's payload.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[HEADER_BYTES..HEADER_BYTES + self.payload_bytes]
    }
}

impl<S: Storage> Log<S> {
    /// Every place of a record of this page with a number in `(above, upto]`, in rising order of numbers.
    /// A record that was written more than once is there more than once, the newest place first.
    ///
    /// # Errors
    /// When the device fails. A damaged index is no error: it is made again from the records.
    pub async fn find(&self, pg: PgId, page: PageId, above: Lsn, upto: Lsn) -> Result<Vec<Found>, LogError> {
        let mut found = Vec::new();
        for chunk in self.chunks_with(pg, above, upto) {
            let wanted = |entry: &IndexEntry| entry.page == page && entry.lsn > above && entry.lsn <= upto;
            let blocks = match &*chunk.index.borrow() {
                ChunkIndex::Open(index) => {
                    index.for_each_of(page, |entry| {
                        if wanted(entry) {
                            found.push(Found { chunk: Rc::clone(&chunk), entry: *entry });
                        }
                    });
                    continue;
                }
                ChunkIndex::Sealed(index) => index.blocks_of(page),
            };
            for block in blocks {
                for entry in self.index_block(&chunk, block).await? {
                    if wanted(&entry) {
                        found.push(Found { chunk: Rc::clone(&chunk), entry });
                    }
                }
            }
        }
        found.sort_by_key(|found| (found.entry.lsn, std::cmp::Reverse(found.chunk.lap)));
        Ok(found)
    }

    /// The chunks that may hold records of the group with numbers in `(above, upto]`, oldest first.
    pub fn chunks_with(&self, pg: PgId, above: Lsn, upto: Lsn) -> Vec<Rc<Chunk>> {
        let ring = self.ring.borrow();
        let overlaps =
            |chunk: &&Rc<Chunk>| chunk.range_of(pg).is_some_and(|(low, high)| low <= upto && high > above);
        ring.chunks.iter().filter(overlaps).map(Rc::clone).collect()
    }

    /// All entries of a chunk, by page and record number.
    ///
    /// # Errors
    /// As `find`.
    pub async fn entries(&self, chunk: &Rc<Chunk>) -> Result<Vec<IndexEntry>, LogError> {
        let blocks = match &*chunk.index.borrow() {
            ChunkIndex::Open(index) => return Ok(index.sorted()),
            ChunkIndex::Sealed(index) => index.block_count(),
        };
        let mut entries = Vec::new();
        for block in 0..blocks {
            entries.extend(self.index_block(chunk, block).await?);
        }
        Ok(entries)
    }

    /// The entries of one index block of a full chunk; made again from a scan when they are damaged.
    async fn index_block(&self, chunk: &Rc<Chunk>, block: usize) -> Result<Vec<IndexEntry>, LogError> {
        let at = match &*chunk.index.borrow() {
            ChunkIndex::Sealed(index) => index.block_at(block),
            ChunkIndex::Open(_) => panic!("only a sealed chunk has index blocks"),
        };
        let read = self.device(chunk).read_at(at as u64, INDEX_BLOCK_BYTES).await;
        let bytes = read.map_err(LogError::Unreadable)?;
        if let Some(entries) = read_index_block(&bytes) {
            return Ok(entries.collect());
        }
        // The whole chunk's entries are in rising order as those of the block would be; the caller filters.
        let (bytes, scan) = self.scan_chunk(chunk.place, chunk.lap).await?;
        Ok(self.index_of_scan(&bytes, &scan).sorted())
    }

    /// Reads this node's copy of the block an entry leads to, and checks that it is what was written there.
    ///
    /// # Errors
    /// `Rot` when it is not, `Unreadable` when the device fails to read.
    ///
    /// # Panics
    /// When the entry says that the node has no copy.
    pub async fn read_copy(
        &self,
        chunk: &Rc<Chunk>,
        entry: &IndexEntry,
        slot: usize,
    ) -> Result<BlockCopy, LogError> {
        let (at, len) = (entry.block_at(slot), HEADER_BYTES + entry.payload_bytes as usize);
        let buffer = self.device(chunk).read_at(at as u64, len).await.map_err(LogError::Unreadable)?;
        self.check_copy(chunk, entry, slot, buffer)
    }

    /// The same for several entries of one chunk, of which each may be rotten alone. They are read together, at most
    /// [`redoubt_io::SHIPMENT_BYTES`].
    ///
    /// # Errors
    /// `Unreadable` when the device fails to read.
    pub async fn read_copies(
        &self,
        chunk: &Rc<Chunk>,
        entries: &[IndexEntry],
        slot: usize,
    ) -> Result<Vec<Result<BlockCopy, LogError>>, LogError> {
        let stretch = |entry: &IndexEntry| Stretch {
            offset: entry.block_at(slot) as u64,
            len: HEADER_BYTES + entry.payload_bytes as usize,
        };
        let stretches: Vec<Stretch> = entries.iter().map(stretch).collect();
        let read = self.device(chunk).read_stretches(&stretches).await.map_err(LogError::Unreadable)?;
        let check = |(entry, bytes): (&IndexEntry, Vec<u8>)| {
            self.check_copy(chunk, entry, slot, IoBuf::from_slice(&bytes))
        };
        Ok(entries.iter().zip(read).map(check).collect())
    }

    fn check_copy(
        &self,
        chunk: &Chunk,
        entry: &IndexEntry,
        slot: usize,
        buffer: IoBuf,
    ) -> Result<BlockCopy, LogError> {
        let at = entry.block_at(slot);
        let (header, payload) = match BlockHeader::decode(&buffer) {
            Ok(block) => block,
            Err(BlockError::NotABlock | BlockError::Damaged) => return Err(LogError::Rot),
        };
        let ours = header.log_id == self.shape.log_id
            && header.lap == chunk.lap
            && header.offset == self.chunk_at(chunk.place) + at as u64
            && header.node == self.shape.nodes[slot]
            && payload.len() == entry.payload_bytes as usize;
        if !ours {
            return Err(LogError::Rot);
        }
        let payload_bytes = payload.len();
        Ok(BlockCopy { buffer, payload_bytes })
    }
}

impl Chunk {
    /// The lowest and highest record of a group in the chunk.
    pub fn range_of(&self, pg: PgId) -> Option<(Lsn, Lsn)> {
        match &*self.index.borrow() {
            ChunkIndex::Open(index) => index.ranges().get(&pg).copied(),
            ChunkIndex::Sealed(index) => index.ranges().get(&pg).copied(),
        }
    }

    /// The lowest and highest record of every group in the chunk.
    pub fn ranges(&self) -> Vec<(PgId, Lsn, Lsn)> {
        let list = |ranges: &super::active::LsnRanges| {
            ranges.iter().map(|(pg, (low, high))| (*pg, *low, *high)).collect()
        };
        match &*self.index.borrow() {
            ChunkIndex::Open(index) => list(index.ranges()),
            ChunkIndex::Sealed(index) => list(index.ranges()),
        }
    }
}
