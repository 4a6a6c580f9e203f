//! The index of a chunk that is full: sorted on disk, with fences and a Bloom filter in memory.
//!
//! It lies at the end of its chunk: blocks of entries, a summary, and a footer in the last sector. All of
//! it is derived from the records, so it is written once, not once per node: whatever of it cannot be
//! read is made again from a scan.

use redoubt_page::{Lsn, PageId, PgId};

use super::active::{ActiveIndex, LsnRanges};
use super::block::{MAX_NODES, SECTOR_BYTES};
use super::bytes::{u32_at, u64_at};
use super::entry::{ENTRY_BYTES, IndexEntry};
use super::page_hash::page_bits;
use super::position::{Lap, LogId};

/// Bytes of an index block: what one look-up reads.
pub const INDEX_BLOCK_BYTES: usize = 4096;
/// Entries in an index block, after its checksum, count and padding.
const ENTRIES_PER_BLOCK: usize = (INDEX_BLOCK_BYTES - 32) / ENTRY_BYTES;
/// Bits of the filter per page, and the most bytes it may take.
const FILTER_BITS_PER_PAGE: usize = 10;
const FILTER_MAX_BYTES: usize = 32 * 1024;
const FILTER_PROBES: u32 = 6;
const SUMMARY_MAGIC: u32 = u32::from_le_bytes(*b"RdSm");
const FOOTER_MAGIC: u32 = u32::from_le_bytes(*b"RdFt");

/// What a full chunk's last sector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The log's identity.
    pub log_id: LogId,
    /// The chunk's lap.
    pub lap: Lap,
    /// Where the last block ends, in bytes from the chunk's start.
    pub data_end: u32,
    /// Where the index begins, in bytes from the chunk's start.
    pub index_at: u32,
    /// How many index blocks there are.
    pub index_blocks: u32,
    /// Bytes of the summary, which follows the index blocks.
    pub summary_bytes: u32,
    /// How many blocks each node has in the chunk.
    pub node_blocks: [u32; MAX_NODES],
}

/// What is kept in memory of a full chunk's index.
#[derive(Debug)]
pub struct SealedIndex {
    index_at: u32,
    /// The first page of each index block.
    fences: Vec<PageId>,
    filter: Vec<u64>,
    ranges: LsnRanges,
}

/// The most bytes the index of a chunk can take with this many entries and groups, footer included.
pub fn index_room(entries: usize, groups: usize) -> usize {
    let blocks = entries.div_ceil(ENTRIES_PER_BLOCK);
    let filter = filter_bytes(entries);
    let summary = (32 + blocks * 8 + filter + groups * 20).div_ceil(SECTOR_BYTES) * SECTOR_BYTES;
    blocks * INDEX_BLOCK_BYTES + summary + SECTOR_BYTES + INDEX_BLOCK_BYTES
}

fn filter_bytes(pages: usize) -> usize {
    (pages * FILTER_BITS_PER_PAGE).div_ceil(64).max(1).next_power_of_two().min(FILTER_MAX_BYTES / 8) * 8
}

/// Makes the index of a full chunk: what to keep in memory, and the bytes to write so that they end with
/// the chunk. Nothing when it does not fit behind the blocks.
pub fn build(index: &ActiveIndex, chunk_bytes: usize, footer: &Footer) -> Option<(SealedIndex, Vec<u8>)> {
    let entries = index.sorted();
    let mut pages = 0;
    let mut previous = None;
    for entry in &entries {
        pages += usize::from(previous.replace(entry.page) != Some(entry.page));
    }
    let mut filter = vec![0_u64; filter_bytes(pages) / 8];
    let mut fences = Vec::with_capacity(entries.len().div_ceil(ENTRIES_PER_BLOCK));
    let mut bytes = Vec::new();
    for block in entries.chunks(ENTRIES_PER_BLOCK) {
        fences.push(block[0].page);
        for entry in block {
            filter_add(&mut filter, entry.page);
        }
        push_index_block(&mut bytes, block);
    }
    let sealed = SealedIndex { index_at: 0, fences, filter, ranges: index.ranges().clone() };
    let summary = sealed.encode_summary();
    let used = bytes.len() + summary.len() + SECTOR_BYTES;
    let index_at = chunk_bytes.checked_sub(used)?;
    let footer = Footer {
        index_at: u32::try_from(index_at).expect("a chunk is smaller than 4 GiB"),
        index_blocks: sealed.fences.len() as u32,
        summary_bytes: summary.len() as u32,
        ..*footer
    };
    if footer.data_end > footer.index_at {
        return None;
    }
    bytes.extend_from_slice(&summary);
    bytes.extend_from_slice(&footer.encode());
    Some((SealedIndex { index_at: footer.index_at, ..sealed }, bytes))
}

fn push_index_block(bytes: &mut Vec<u8>, entries: &[IndexEntry]) {
    let start = bytes.len();
    bytes.resize(start + INDEX_BLOCK_BYTES, 0);
    let block = &mut bytes[start..];
    block[4..8].copy_from_slice(&(entries.len() as u32).to_le_bytes());
    for (at, entry) in entries.iter().enumerate() {
        let at = 32 + at * ENTRY_BYTES;
        block[at..at + ENTRY_BYTES].copy_from_slice(&entry.encode());
    }
    let crc = crc32c::crc32c(&block[4..]);
    block[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// The entries of one index block, or nothing when it is damaged.
pub fn read_index_block(block: &[u8]) -> Option<impl Iterator<Item = IndexEntry>> {
    if block.len() != INDEX_BLOCK_BYTES || crc32c::crc32c(&block[4..]) != u32_at(block, 0) {
        return None;
    }
    let count = (u32_at(block, 4) as usize).min(ENTRIES_PER_BLOCK);
    let (entries, _) = block[32..32 + count * ENTRY_BYTES].as_chunks::<ENTRY_BYTES>();
    Some(entries.iter().map(IndexEntry::decode))
}

fn filter_places(page: PageId, bits: usize) -> impl Iterator<Item = usize> {
    let hash = page_bits(page);
    let (first, step) = (hash as u32 as usize, (hash >> 32) as usize | 1);
    (0..FILTER_PROBES as usize).map(move |probe| first.wrapping_add(probe.wrapping_mul(step)) % bits)
}

fn filter_add(filter: &mut [u64], page: PageId) {
    for place in filter_places(page, filter.len() * 64) {
        filter[place / 64] |= 1 << (place % 64);
    }
}

impl SealedIndex {
    /// The lowest and highest record of each group in the chunk.
    pub fn ranges(&self) -> &LsnRanges {
        &self.ranges
    }

    /// How many index blocks there are.
    pub fn block_count(&self) -> usize {
        self.fences.len()
    }

    /// Where index block `block` begins, in bytes from the chunk's start.
    pub fn block_at(&self, block: usize) -> usize {
        self.index_at as usize + block * INDEX_BLOCK_BYTES
    }

    /// The index blocks in which the page's entries may be; empty when the chunk has none.
    pub fn blocks_of(&self, page: PageId) -> std::ops::Range<usize> {
        let places = filter_places(page, self.filter.len() * 64);
        if places.into_iter().any(|place| self.filter[place / 64] & (1 << (place % 64)) == 0) {
            return 0..0;
        }
        // The page may begin in the last block whose first page is lower.
        let first = self.fences.partition_point(|fence| *fence < page).saturating_sub(1);
        let end = self.fences.partition_point(|fence| *fence <= page);
        first..end.max(first)
    }

    fn encode_summary(&self) -> Vec<u8> {
        let mut out = vec![0; 32];
        out[4..8].copy_from_slice(&SUMMARY_MAGIC.to_le_bytes());
        out[8..12].copy_from_slice(&(self.fences.len() as u32).to_le_bytes());
        out[12..16].copy_from_slice(&(self.filter.len() as u32).to_le_bytes());
        out[16..20].copy_from_slice(&(self.ranges.len() as u32).to_le_bytes());
        self.fences.iter().for_each(|fence| out.extend_from_slice(&fence.get().to_le_bytes()));
        self.filter.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        for (pg, (low, high)) in &self.ranges {
            out.extend_from_slice(&pg.get().to_le_bytes());
            out.extend_from_slice(&low.get().to_le_bytes());
            out.extend_from_slice(&high.get().to_le_bytes());
        }
        out.resize(out.len().div_ceil(SECTOR_BYTES) * SECTOR_BYTES, 0);
        let crc = crc32c::crc32c(&out[4..]);
        out[0..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a summary, the bytes that follow the index blocks; nothing when it is damaged.
    pub fn decode_summary(footer: &Footer, bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 32 || crc32c::crc32c(&bytes[4..]) != u32_at(bytes, 0) {
            return None;
        }
        if u32_at(bytes, 4) != SUMMARY_MAGIC {
            return None;
        }
        let (fences, words) = (u32_at(bytes, 8) as usize, u32_at(bytes, 12) as usize);
        let groups = u32_at(bytes, 16) as usize;
        if 32 + (fences + words) * 8 + groups * 20 > bytes.len() || words == 0 {
            return None;
        }
        let filter_at = 32 + fences * 8;
        let ranges_at = filter_at + words * 8;
        Some(Self {
            index_at: footer.index_at,
            fences: (0..fences).map(|at| PageId::new(u64_at(bytes, 32 + at * 8))).collect(),
            filter: (0..words).map(|at| u64_at(bytes, filter_at + at * 8)).collect(),
            ranges: (0..groups)
                .map(|at| ranges_at + at * 20)
                .map(|at| {
                    let pg = PgId::new(u32_at(bytes, at));
                    (pg, (Lsn::new(u64_at(bytes, at + 4)), Lsn::new(u64_at(bytes, at + 12))))
                })
                .collect(),
        })
    }
}

impl Footer {
    fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut out = [0; SECTOR_BYTES];
        out[4..8].copy_from_slice(&FOOTER_MAGIC.to_le_bytes());
        out[8..16].copy_from_slice(&self.log_id.get().to_le_bytes());
        out[16..24].copy_from_slice(&self.lap.get().to_le_bytes());
        let numbers = [self.data_end, self.index_at, self.index_blocks, self.summary_bytes];
        for (at, number) in numbers.iter().chain(&self.node_blocks).enumerate() {
            out[24 + at * 4..28 + at * 4].copy_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out[4..]);
        out[0..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a chunk's last sector; nothing when it is no footer, or a damaged one.
    pub fn decode(bytes: &[u8], chunk_bytes: usize) -> Option<Self> {
        if bytes.len() != SECTOR_BYTES || u32_at(bytes, 4) != FOOTER_MAGIC {
            return None;
        }
        if crc32c::crc32c(&bytes[4..]) != u32_at(bytes, 0) {
            return None;
        }
        let mut node_blocks = [0; MAX_NODES];
        for (at, count) in node_blocks.iter_mut().enumerate() {
            *count = u32_at(bytes, 40 + at * 4);
        }
        let footer = Self {
            log_id: LogId::new(u64_at(bytes, 8)),
            lap: Lap::new(u64_at(bytes, 16)),
            data_end: u32_at(bytes, 24),
            index_at: u32_at(bytes, 28),
            index_blocks: u32_at(bytes, 32),
            summary_bytes: u32_at(bytes, 36),
            node_blocks,
        };
        let index = u64::from(footer.index_blocks) * INDEX_BLOCK_BYTES as u64;
        let end = u64::from(footer.index_at) + index + u64::from(footer.summary_bytes);
        (end <= (chunk_bytes - SECTOR_BYTES) as u64).then_some(footer)
    }

    /// Where the summary begins, in bytes from the chunk's start.
    pub fn summary_at(&self) -> usize {
        self.index_at as usize + self.index_blocks as usize * INDEX_BLOCK_BYTES
    }
}
