//! The two superblocks: the one write that makes a set of new page images, and the records they contain,
//! current together.
//!
//! They take turns. The one with the higher number whose checksum matches is current; the other is what
//! was current before, and stays untouched until the next turn.

use redoubt_page::{Lsn, PAGE_BYTES};
use redoubt_protocol::SegmentId;

use crate::log::bytes::{u32_at, u64_at};

use super::slots::Slot;

const MAGIC: u32 = u32::from_le_bytes(*b"RdSb");
const TABLE_MAGIC: u32 = u32::from_le_bytes(*b"RdAp");
const VERSION: u32 = 1;
/// Where the references to the table of applied records begin, and how many there is room for.
const TABLE_AT: usize = 64;
const MAX_TABLE_PAGES: usize = (PAGE_BYTES - TABLE_AT) / 8;
/// Segments in one page of the table.
const SEGMENTS_PER_PAGE: usize = (PAGE_BYTES - 16) / 16;

/// A page of the store together with the checksum it must have: a stale image has another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRef {
    /// Where the image is.
    pub slot: Slot,
    /// Its checksum, as stored in its first four bytes.
    pub checksum: u32,
}

/// What the store holds as of one switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The store's random identity, drawn when it is made.
    pub store_id: u64,
    /// The number of the switch; zero for a store just made.
    pub sequence: u64,
    /// The root of the index; slot zero when there is no page yet.
    pub root: PageRef,
    /// Levels of the index.
    pub height: u32,
    /// Slots the store has ever used, superblocks included.
    pub slot_count: u32,
    /// The pages of the table of applied records.
    pub table: Vec<PageRef>,
}

impl Superblock {
    /// The superblock of a store without pages.
    pub fn first(store_id: u64) -> Self {
        Self {
            store_id,
            sequence: 0,
            root: PageRef::default(),
            height: 0,
            slot_count: super::slots::RESERVED_SLOTS,
            table: Vec::new(),
        }
    }

    /// The superblock as it is stored.
    ///
    /// # Panics
    /// When there are more than some 500,000 segments on one node.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.table.len() <= MAX_TABLE_PAGES, "a node holds at most {MAX_TABLE_PAGES} table pages");
        let mut out = vec![0; PAGE_BYTES];
        out[4..8].copy_from_slice(&MAGIC.to_le_bytes());
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.height.to_le_bytes());
        out[16..24].copy_from_slice(&self.store_id.to_le_bytes());
        out[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        put_ref(&mut out, 32, self.root);
        out[40..44].copy_from_slice(&self.slot_count.to_le_bytes());
        out[44..48].copy_from_slice(&(self.table.len() as u32).to_le_bytes());
        for (at, page) in self.table.iter().enumerate() {
            put_ref(&mut out, TABLE_AT + at * 8, *page);
        }
        seal(&mut out);
        out
    }

    /// Reads a superblock; nothing when the bytes are none, or are damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if !is_sealed(bytes, MAGIC) || u32_at(bytes, 8) != VERSION {
            return None;
        }
        let tables = u32_at(bytes, 44) as usize;
        if tables > MAX_TABLE_PAGES {
            return None;
        }
        Some(Self {
            height: u32_at(bytes, 12),
            store_id: u64_at(bytes, 16),
            sequence: u64_at(bytes, 24),
            root: ref_at(bytes, 32),
            slot_count: u32_at(bytes, 40),
            table: (0..tables).map(|at| ref_at(bytes, TABLE_AT + at * 8)).collect(),
        })
    }
}

/// The pages of a table of applied records: up to where each segment's records are in the page images.
pub fn encode_table(applied: &[(SegmentId, Lsn)]) -> Vec<Vec<u8>> {
    applied
        .chunks(SEGMENTS_PER_PAGE)
        .map(|segments| {
            let mut out = vec![0; PAGE_BYTES];
            out[4..8].copy_from_slice(&TABLE_MAGIC.to_le_bytes());
            out[8..12].copy_from_slice(&(segments.len() as u32).to_le_bytes());
            for (at, (segment, lsn)) in segments.iter().enumerate() {
                let at = 16 + at * 16;
                out[at..at + 8].copy_from_slice(&segment.get().to_le_bytes());
                out[at + 8..at + 16].copy_from_slice(&lsn.get().to_le_bytes());
            }
            seal(&mut out);
            out
        })
        .collect()
}

/// Reads one page of the table of applied records; nothing when it is damaged.
pub fn decode_table(bytes: &[u8]) -> Option<Vec<(SegmentId, Lsn)>> {
    if !is_sealed(bytes, TABLE_MAGIC) {
        return None;
    }
    let count = (u32_at(bytes, 8) as usize).min(SEGMENTS_PER_PAGE);
    let entries = (0..count).map(|at| 16 + at * 16);
    Some(entries.map(|at| (SegmentId::new(u64_at(bytes, at)), Lsn::new(u64_at(bytes, at + 8)))).collect())
}

/// Writes the checksum of a store's own page (not of a volume's page, which seals itself).
pub fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[4..]);
    bytes[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// Whether bytes are a whole page of the store that begins with this magic number and is undamaged.
pub fn is_sealed(bytes: &[u8], magic: u32) -> bool {
    bytes.len() == PAGE_BYTES && u32_at(bytes, 4) == magic && crc32c::crc32c(&bytes[4..]) == u32_at(bytes, 0)
}

/// Reads a reference.
pub fn ref_at(bytes: &[u8], at: usize) -> PageRef {
    PageRef { slot: Slot::new(u32_at(bytes, at)), checksum: u32_at(bytes, at + 4) }
}

/// Writes a reference.
pub fn put_ref(bytes: &mut [u8], at: usize, page: PageRef) {
    bytes[at..at + 4].copy_from_slice(&page.slot.get().to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&page.checksum.to_le_bytes());
}
