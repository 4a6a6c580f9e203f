//! One block of the log: the unit that is written, checked and read.
//!
//! A block starts on a sector boundary and belongs to one node and one segment. Everything needed to
//! decide whether it is what it claims to be is in its header, so that a scan trusts nothing else: not a
//! directory, not the block before it. The byte diagram is in this crate's README.

use redoubt_protocol::{NodeId, SegmentId};

use super::bytes::{u16_at, u32_at, u64_at};
use super::position::{Lap, LogId, LogPosition};

/// What a device is assumed to write whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;
/// Bytes of a block before its payload.
pub const HEADER_BYTES: usize = 96;
/// The most nodes one log can host: each has a counter in every header.
pub const MAX_NODES: usize = 8;

const MAGIC: u32 = u32::from_le_bytes(*b"RdLg");
const CRC_AT: usize = 4;
const CHECKED_FROM: usize = 8;

/// What a block's payload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BlockKind {
    /// A part of the node's state as it was when the lap began; its first blocks in every lap.
    State = 1,
    /// Redo records of one segment, with the points that travelled with them.
    Records = 2,
    /// What changed of the node's state since the lap began: a segment's promises, say.
    Items = 3,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::State,
            2 => Self::Records,
            3 => Self::Items,
            _ => return None,
        })
    }
}

/// Everything before a block's payload, except magic and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The log this block was written to; blocks of an earlier log in the same file differ in it.
    pub log_id: LogId,
    /// How many chunks the log had begun when this block's chunk was begun.
    pub lap: Lap,
    /// Where in the file the block was meant to go, in bytes: a misdirected write betrays itself.
    pub offset: u64,
    /// Everything below this position was flushed when the block was made.
    pub flushed: LogPosition,
    /// The segment the payload belongs to; zero for a node's own blocks.
    pub segment: SegmentId,
    /// The node that stores the block.
    pub node: NodeId,
    /// What the payload is.
    pub kind: BlockKind,
    /// Bytes of payload.
    pub length: u32,
    /// How many blocks this node had in this lap before this one.
    pub sequence: u32,
    /// For each node of the log, how many of its blocks in this lap were flushed when this one was made.
    pub flushed_blocks: [u32; MAX_NODES],
}

/// Why bytes are not a block. Corrupt is not absent: see `scan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// Too few bytes, no magic, or a length that reaches past the end.
    NotABlock,
    /// A block's beginning, but its checksum does not match.
    Damaged,
}

/// Bytes a block with this much payload takes up in the log: header and payload in whole sectors.
pub const fn block_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).div_ceil(SECTOR_BYTES) * SECTOR_BYTES
}

/// How long the block at the start of `bytes` says it is, in whole sectors; nothing checks that yet.
pub fn claimed_bytes(bytes: &[u8]) -> Option<usize> {
    (bytes.len() >= HEADER_BYTES && u32_at(bytes, 0) == MAGIC)
        .then(|| block_bytes(u32_at(bytes, 52) as usize))
}

impl BlockHeader {
    /// Writes header and payload, which is given in two parts, to `out`, which must be exactly as long as
    /// `block_bytes` says.
    pub fn encode(&self, payload: [&[u8]; 2], out: &mut [u8]) {
        let payload_bytes = payload[0].len() + payload[1].len();
        assert_eq!(out.len(), block_bytes(payload_bytes), "a block fills its sectors");
        assert_eq!(self.length as usize, payload_bytes, "a block's header states its payload's length");
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[8..16].copy_from_slice(&self.log_id.get().to_le_bytes());
        out[16..24].copy_from_slice(&self.lap.get().to_le_bytes());
        out[24..32].copy_from_slice(&self.offset.to_le_bytes());
        out[32..40].copy_from_slice(&self.flushed.get().to_le_bytes());
        out[40..48].copy_from_slice(&self.segment.get().to_le_bytes());
        out[48..50].copy_from_slice(&self.node.get().to_le_bytes());
        out[50] = self.kind as u8;
        out[51] = 0;
        out[52..56].copy_from_slice(&self.length.to_le_bytes());
        out[56..60].copy_from_slice(&self.sequence.to_le_bytes());
        out[60..64].fill(0);
        for (at, count) in self.flushed_blocks.iter().enumerate() {
            out[64 + 4 * at..68 + 4 * at].copy_from_slice(&count.to_le_bytes());
        }
        let (middle, end) = (HEADER_BYTES + payload[0].len(), HEADER_BYTES + payload_bytes);
        out[HEADER_BYTES..middle].copy_from_slice(payload[0]);
        out[middle..end].copy_from_slice(payload[1]);
        out[end..].fill(0);
        let crc = crc32c::crc32c(&out[CHECKED_FROM..end]);
        out[CRC_AT..CHECKED_FROM].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the block at the start of `bytes`, which may go on behind it.
    ///
    /// # Errors
    /// `NotABlock` when no block begins here, `Damaged` when one does but its checksum does not match.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), BlockError> {
        if bytes.len() < HEADER_BYTES || u32_at(bytes, 0) != MAGIC {
            return Err(BlockError::NotABlock);
        }
        let length = u32_at(bytes, 52);
        let end = HEADER_BYTES + length as usize;
        if end > bytes.len() {
            return Err(BlockError::Damaged);
        }
        if crc32c::crc32c(&bytes[CHECKED_FROM..end]) != u32_at(bytes, CRC_AT) {
            return Err(BlockError::Damaged);
        }
        let kind = BlockKind::from_byte(bytes[50]).ok_or(BlockError::NotABlock)?;
        let mut flushed_blocks = [0; MAX_NODES];
        for (at, count) in flushed_blocks.iter_mut().enumerate() {
            *count = u32_at(bytes, 64 + 4 * at);
        }
        let header = Self {
            log_id: LogId::new(u64_at(bytes, 8)),
            lap: Lap::new(u64_at(bytes, 16)),
            offset: u64_at(bytes, 24),
            flushed: LogPosition::new(u64_at(bytes, 32)),
            segment: SegmentId::new(u64_at(bytes, 40)),
            node: NodeId::new(u16_at(bytes, 48)),
            kind,
            length,
            sequence: u32_at(bytes, 56),
            flushed_blocks,
        };
        Ok((header, &bytes[HEADER_BYTES..end]))
    }
}
