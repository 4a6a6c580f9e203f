//! Nodes of the index from page number to slot: a radix tree whose every node is one page of the store.
//!
//! A node is never changed in place. Each reference carries the checksum of what it refers to, so that a
//! write the device lost, which leaves an older and otherwise flawless image behind, is found on reading.

use redoubt_page::{PAGE_BYTES, PageId};

use crate::log::bytes::{u32_at, u64_at};

use super::superblock::{PageRef, is_sealed, put_ref, ref_at, seal};

const MAGIC: u32 = u32::from_le_bytes(*b"RdIx");
const ENTRIES_AT: usize = 64;
/// References in one node.
pub const FANOUT: u64 = ((PAGE_BYTES - ENTRIES_AT) / 8) as u64;
/// Levels needed for 2^48 pages.
pub const MAX_HEIGHT: u32 = 5;

/// One node of the index. At level 1 its references are to page images, above to nodes one level lower.
#[derive(Clone)]
pub struct IndexNode {
    bytes: Vec<u8>,
}

impl IndexNode {
    /// A node without references. `number` counts the nodes of its level from the left.
    pub fn empty(level: u32, number: u64) -> Self {
        let mut bytes = vec![0; PAGE_BYTES];
        bytes[4..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..12].copy_from_slice(&level.to_le_bytes());
        bytes[16..24].copy_from_slice(&number.to_le_bytes());
        Self { bytes }
    }

    /// Reads a node; nothing when the bytes are damaged or belong to another place of the index.
    pub fn decode(bytes: &[u8], level: u32, number: u64, checksum: u32) -> Option<Self> {
        let sound = is_sealed(bytes, MAGIC)
            && u32_at(bytes, 0) == checksum
            && u32_at(bytes, 8) == level
            && u64_at(bytes, 16) == number;
        sound.then(|| Self { bytes: bytes.to_vec() })
    }

    /// The reference in place `at`.
    pub fn get(&self, at: usize) -> PageRef {
        ref_at(&self.bytes, ENTRIES_AT + at * 8)
    }

    /// Sets the reference in place `at`.
    pub fn set(&mut self, at: usize, page: PageRef) {
        put_ref(&mut self.bytes, ENTRIES_AT + at * 8, page);
    }

    /// The references that lead somewhere, with their places.
    pub fn present(&self) -> impl Iterator<Item = (usize, PageRef)> {
        (0..FANOUT as usize).map(|at| (at, self.get(at))).filter(|(_, page)| page.slot.is_some())
    }

    /// The node as it is stored, and its checksum.
    pub fn sealed(mut self) -> (Vec<u8>, u32) {
        seal(&mut self.bytes);
        let checksum = u32_at(&self.bytes, 0);
        (self.bytes, checksum)
    }
}

/// How many pages an index of this height has places for.
pub fn capacity(height: u32) -> u64 {
    FANOUT.checked_pow(height).unwrap_or(u64::MAX)
}

/// The number of the node at `level` on the way to a page, and the place in it to go on from.
pub fn step(page: PageId, level: u32) -> (u64, usize) {
    let below = page.get() / capacity(level - 1);
    (below / FANOUT, (below % FANOUT) as usize)
}
