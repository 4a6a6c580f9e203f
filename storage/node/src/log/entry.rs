//! Where the copies of one record are: the entry of every index of the log.

use redoubt_page::{Lsn, PageId};

use super::block::SECTOR_BYTES;

/// The nodes of a log that hold a copy, by their places in its list of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CopySet(u8);

impl CopySet {
    /// A set from its bits; bit `n` stands for the node in place `n`.
    pub const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// The set's bits.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Adds the node in this place.
    pub fn insert(&mut self, slot: usize) {
        self.0 |= 1 << slot;
    }

    /// Whether the node in this place holds a copy.
    pub const fn contains(self, slot: usize) -> bool {
        self.0 & (1 << slot) != 0
    }

    /// How many copies there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no copy at all.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Which of the copies, in the order in which they lie, is that of the node in this place.
    pub const fn rank(self, slot: usize) -> usize {
        (self.0 & ((1 << slot) - 1)).count_ones() as usize
    }

    /// The places of the nodes that hold a copy, ascending.
    pub fn slots(self) -> impl Iterator<Item = usize> {
        (0..8).filter(move |slot| self.contains(*slot))
    }
}

/// One record in one chunk: which page it changes, and where each of its copies lies.
///
/// The copies of a block lie behind one another at a fixed stride, so that one entry serves all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The page the record changes.
    pub page: PageId,
    /// The record's number.
    pub lsn: Lsn,
    /// The nodes that hold it.
    pub copies: CopySet,
    /// The sector, counted from the chunk's start, at which the first copy of the block begins.
    pub first_sector: u32,
    /// Sectors from one copy to the next.
    pub stride_sectors: u32,
    /// Bytes of the block's payload.
    pub payload_bytes: u32,
    /// Where the record begins in the payload.
    pub record_at: u32,
}

/// Bytes of an entry on disk.
pub const ENTRY_BYTES: usize = 32;

impl IndexEntry {
    /// Where this node's copy of the block begins, in bytes from the chunk's start.
    pub fn block_at(&self, slot: usize) -> usize {
        debug_assert!(self.copies.contains(slot), "asked for a copy that was not written");
        (self.first_sector as usize + self.copies.rank(slot) * self.stride_sectors as usize) * SECTOR_BYTES
    }

    /// The entry as it is stored.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        let page_and_copies = self.page.get() << 8 | u64::from(self.copies.get());
        out[0..8].copy_from_slice(&page_and_copies.to_le_bytes());
        out[8..16].copy_from_slice(&self.lsn.get().to_le_bytes());
        out[16..20].copy_from_slice(&self.first_sector.to_le_bytes());
        out[20..24].copy_from_slice(&self.stride_sectors.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[28..32].copy_from_slice(&self.record_at.to_le_bytes());
        out
    }

    /// Reads a stored entry; its checksum is that of the index block it lies in.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let page_and_copies = super::bytes::u64_at(bytes, 0);
        Self {
            page: PageId::new(page_and_copies >> 8),
            lsn: Lsn::new(super::bytes::u64_at(bytes, 8)),
            copies: CopySet::new(page_and_copies as u8),
            first_sector: super::bytes::u32_at(bytes, 16),
            stride_sectors: super::bytes::u32_at(bytes, 20),
            payload_bytes: super::bytes::u32_at(bytes, 24),
            record_at: super::bytes::u32_at(bytes, 28),
        }
    }
}
