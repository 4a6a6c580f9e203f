//! Reading a chunk whose index is not there: block by block, trusting nothing but checksums.
//!
//! Three things look alike to a careless reader and are kept apart here. The **tail** is where writing
//! stopped: whatever follows was never flushed. A **torn** block was being written when the process died,
//! and nobody was told of it. A **rotten** block was flushed, perhaps acknowledged, and is now unreadable.
//! The blocks that survive tell the last two apart, because each records how much of every node's part of
//! the lap had been flushed when it was made.
//!
//! The scan does not stop at the first bad sector. The block behind it may be another node's copy of the
//! same records, and the last batch before a crash is both flushed and recorded as flushed by nobody. It
//! goes on sector by sector to the end of the chunk. A block of another lap is never accepted, and a lap
//! is never written to by two openings of the log, so nothing stale can be found this way.

use std::ops::Range;

use redoubt_protocol::NodeId;

use super::block::{BlockHeader, BlockKind, MAX_NODES, SECTOR_BYTES, block_bytes};
use super::bytes::u32_at;
use super::position::{Lap, LogId, LogPosition};
use super::ring::STATE_HEADER_BYTES;

/// Which chunk the scanned bytes are said to be.
#[derive(Clone, Copy, Debug)]
pub struct ChunkPlace {
    /// The log's identity.
    pub log_id: LogId,
    /// The lap whose blocks are wanted.
    pub lap: Lap,
    /// Where the chunk begins in the file, in bytes.
    pub file_offset: u64,
}

/// One block the scan accepted.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// The block's header.
    pub header: BlockHeader,
    /// Where its payload lies in the scanned bytes.
    pub payload: Range<usize>,
    /// Where the block begins in the scanned bytes.
    pub at: usize,
}

/// What one chunk's bytes were found to hold.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The accepted blocks, in the order in which they lie.
    pub blocks: Vec<FoundBlock>,
    /// Where the last accepted block ends, in bytes from the chunk's start.
    pub end: usize,
    /// Ranges before `end` in which no block could be read.
    pub unreadable: Vec<Range<usize>>,
    /// The highest flushed position any block recorded.
    pub flushed: LogPosition,
    /// Per node of the log, the highest number of flushed blocks any block recorded.
    pub flushed_blocks: [u32; MAX_NODES],
}

/// Reads every block of the lap in `bytes`, a chunk from its beginning.
pub fn scan(bytes: &[u8], place: ChunkPlace) -> Scan {
    let mut found = Scan::default();
    let mut at = 0;
    while at + SECTOR_BYTES <= bytes.len() {
        let Some((header, payload_bytes)) = accepted(&bytes[at..], place, at) else {
            at += SECTOR_BYTES;
            continue;
        };
        if found.end < at {
            found.unreadable.push(found.end..at);
        }
        found.flushed = found.flushed.max(header.flushed);
        for (most, count) in found.flushed_blocks.iter_mut().zip(header.flushed_blocks) {
            *most = (*most).max(count);
        }
        let payload_at = at + super::block::HEADER_BYTES;
        found.blocks.push(FoundBlock { header, payload: payload_at..payload_at + payload_bytes, at });
        at += block_bytes(payload_bytes);
        found.end = at;
    }
    found
}

/// The block at the start of `bytes`, if it is one that was written here in this lap.
fn accepted(bytes: &[u8], place: ChunkPlace, at: usize) -> Option<(BlockHeader, usize)> {
    let (header, payload) = BlockHeader::decode(bytes).ok()?;
    let ours = header.log_id == place.log_id
        && header.lap == place.lap
        && header.offset == place.file_offset + at as u64;
    ours.then_some((header, payload.len()))
}

impl Scan {
    /// Whether a block of this node was flushed in this lap and cannot be read now.
    ///
    /// `slot` is the node's place in the log's list of nodes. `flushed_at_least` is what a later lap or a
    /// footer knows of the number of its blocks; zero when nothing does.
    pub fn has_rot(&self, node: NodeId, slot: usize, flushed_at_least: u32) -> bool {
        let flushed = self.flushed_blocks[slot].max(flushed_at_least);
        let mut present = vec![false; flushed as usize];
        for block in self.blocks.iter().filter(|block| block.header.node == node) {
            if let Some(seen) = present.get_mut(block.header.sequence as usize) {
                *seen = true;
            }
        }
        present.contains(&false)
    }

    /// The parts of the node's state at the beginning of the lap, unless one of them is missing.
    pub fn state_of<'a>(&self, bytes: &'a [u8], node: NodeId) -> Option<Vec<&'a [u8]>> {
        let blocks = self.blocks_of(node).filter(|block| block.header.kind == BlockKind::State);
        let payloads: Vec<&[u8]> = blocks.map(|block| &bytes[block.payload.clone()]).collect();
        let count = payloads.first()?.first_chunk::<4>().map(|count| u32::from_le_bytes(*count))?;
        let parts: Option<Vec<&[u8]>> =
            payloads.iter().map(|payload| payload.get(STATE_HEADER_BYTES..)).collect();
        parts.filter(|parts| parts.len() == count as usize)
    }

    /// How many blocks each node had in the lap before this one, if any node's state can still be read. All of
    /// them had been flushed when this lap began.
    pub fn counts_before(&self, bytes: &[u8]) -> Option<[u32; MAX_NODES]> {
        let block = self.blocks.iter().find(|block| block.header.kind == BlockKind::State)?;
        let counts = bytes[block.payload.clone()].get(4..STATE_HEADER_BYTES)?;
        Some(std::array::from_fn(|at| u32_at(counts, 4 * at)))
    }

    /// The blocks of one node, in order.
    pub fn blocks_of(&self, node: NodeId) -> impl Iterator<Item = &FoundBlock> {
        self.blocks.iter().filter(move |block| block.header.node == node)
    }
}
