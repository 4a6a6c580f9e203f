//! One relation fork: its length, and which pages its blocks are.
//!
//! The root page is the first page of the relation's first extent, so block `b` is page `b + 1` of the
//! relation, counted through its extents in order. The root's items are extent numbers, 8 bytes each:
//!
//! ```text
//! slots 0..48     extents themselves
//! slots 48..80    map pages, each with 672 extents
//! slots 80..656   map pages, each with 672 map pages
//! ```
//!
//! A map page is the first page of an extent of its own; what the other 15 cost is page numbers only.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Page, PageId};

use crate::fields::{u32_at, u64_at};
use crate::kinds;
use crate::pool::BufferPool;
use crate::space::{BlockNo, EXTENT_PAGES, RelKey, RelNode, Space, damaged};

pub(super) const DIRECT: u64 = 48;
pub(super) const SINGLES: u64 = 32;
pub(super) const DOUBLES: u64 = 576;
pub(super) const FANOUT: u64 = 672;

/// Set in an extent's entry when none of its pages had ever been written when it was attached.
pub(super) const FRESH: u64 = 1 << 63;

const AT_NODE: usize = 0;
const AT_FORK: usize = 4;
pub(super) const AT_NBLOCKS: u16 = 8;
const AT_HIGH_WATER: usize = 12;
pub(super) const ROOT_SPECIAL_BYTES: usize = 32;

/// An open relation fork. All users of one volume share one handle per fork, through [`Space::relation`].
pub struct Relation {
    key: RelKey,
    root: PageId,
    nblocks: AtomicU32,
    /// Blocks from here on were never written through this relation.
    high_water: AtomicU32,
    extents: ExtentTable,
    /// Held by whoever makes the relation longer or shorter; README, rule 5.
    pub(super) tail: Mutex<()>,
}

/// Where an extent's number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the root.
    Direct { slot: u16 },
    /// In a map page that the root points to.
    Single { root_slot: u16, slot: u16 },
    /// In a map page that a map page points to.
    Double { root_slot: u16, middle_slot: u16, slot: u16 },
}

impl Place {
    /// The place of a relation's `index`th extent; nothing beyond what a root can reach.
    pub(super) fn of(index: u64) -> Option<Self> {
        // Each quotient is bounded by the constants above; the casts are exact.
        if index < DIRECT {
            return Some(Place::Direct { slot: index as u16 });
        }
        let index = index - DIRECT;
        if index < SINGLES * FANOUT {
            return Some(Place::Single {
                root_slot: (DIRECT + index / FANOUT) as u16,
                slot: (index % FANOUT) as u16,
            });
        }
        let index = index - SINGLES * FANOUT;
        let (map, slot) = (index / FANOUT, (index % FANOUT) as u16);
        (map < DOUBLES * FANOUT).then_some(Place::Double {
            root_slot: (DIRECT + SINGLES + map / FANOUT) as u16,
            middle_slot: (map % FANOUT) as u16,
            slot,
        })
    }
}

impl Relation {
    pub(super) fn new(key: RelKey, root: PageId) -> Self {
        Self {
            key,
            root,
            nblocks: AtomicU32::new(0),
            high_water: AtomicU32::new(0),
            extents: ExtentTable::default(),
            tail: Mutex::new(()),
        }
    }

    pub(super) fn open(pool: &BufferPool, key: RelKey, root: PageId) -> PgResult<Self> {
        let relation = Self::new(key, root);
        let pin = pool.pin(root)?;
        let page = pin.read();
        let special = page.special();
        if page.kind() != kinds::RELATION_ROOT || special.len() != ROOT_SPECIAL_BYTES {
            return Err(damaged(root, "it is not a relation's root"));
        }
        if u32_at(special, AT_NODE) != key.node.0 || special[AT_FORK] != key.fork as u8 {
            return Err(damaged(root, "it is another relation's root"));
        }
        relation.nblocks.store(u32_at(special, usize::from(AT_NBLOCKS)), Ordering::Release);
        relation.high_water.store(u32_at(special, AT_HIGH_WATER), Ordering::Release);
        for slot in 0..page.slot_count().min(DIRECT as u16) {
            relation.extents.set(u64::from(slot), extent_entry(&page, slot)?);
        }
        drop(page);
        Ok(relation)
    }

    /// Which relation fork this is.
    pub fn key(&self) -> RelKey {
        self.key
    }

    /// How many blocks there are.
    #[inline]
    pub fn nblocks(&self) -> BlockNo {
        self.nblocks.load(Ordering::Acquire)
    }

    pub(super) fn root(&self) -> PageId {
        self.root
    }

    pub(super) fn high_water(&self) -> BlockNo {
        self.high_water.load(Ordering::Acquire)
    }

    /// The special area's bytes at [`AT_NBLOCKS`] for a length of `nblocks`.
    pub(super) fn encode_length(&self, nblocks: BlockNo) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&nblocks.to_le_bytes());
        bytes[4..].copy_from_slice(&self.high_water().max(nblocks).to_le_bytes());
        bytes
    }

    /// Publishes a new length. The caller holds `tail`.
    pub(super) fn set_length(&self, nblocks: BlockNo) {
        self.high_water.store(self.high_water().max(nblocks), Ordering::Release);
        self.nblocks.store(nblocks, Ordering::Release);
    }

    #[inline]
    pub(super) fn page_of(&self, pool: &BufferPool, block: BlockNo) -> PgResult<PageId> {
        if block >= self.nblocks() {
            return Err(self.no_such_block(block));
        }
        self.page_of_unchecked(pool, block)
    }

    #[inline]
    pub(super) fn page_of_unchecked(&self, pool: &BufferPool, block: BlockNo) -> PgResult<PageId> {
        let position = u64::from(block) + 1;
        let extent = self.extent(pool, position / EXTENT_PAGES)?.ok_or_else(|| self.no_such_block(block))?;
        Ok(PageId::new((extent & !FRESH) * EXTENT_PAGES + position % EXTENT_PAGES))
    }

    /// The entry of the `index`th extent, fresh bit included; nothing when it is not attached yet.
    #[inline]
    pub(super) fn extent(&self, pool: &BufferPool, index: u64) -> PgResult<Option<u64>> {
        match self.extents.get(index) {
            0 => self.load_extent(pool, index),
            entry => Ok(Some(entry)),
        }
    }

    pub(super) fn set_extent(&self, index: u64, entry: u64) {
        self.extents.set(index, entry);
    }

    /// Reads the map page that has the entry, and remembers all that it has.
    #[cold]
    fn load_extent(&self, pool: &BufferPool, index: u64) -> PgResult<Option<u64>> {
        let Some(place) = Place::of(index) else { return Ok(None) };
        let Some((map, slot)) = self.map_page(pool, place)? else { return Ok(None) };
        let pin = pool.pin(map)?;
        let page = pin.read();
        if map != self.root && page.kind() != kinds::EXTENT_MAP {
            return Err(damaged(map, "it is not an extent map"));
        }
        let first = index - u64::from(slot);
        let entries = if map == self.root { page.slot_count().min(DIRECT as u16) } else { page.slot_count() };
        for at in 0..entries {
            self.extents.set(first + u64::from(at), extent_entry(&page, at)?);
        }
        Ok((slot < entries).then(|| self.extents.get(index)))
    }

    /// The page that has, or will have, the entry at `place`, and its slot there; nothing when that map page
    /// does not exist yet.
    pub(super) fn map_page(&self, pool: &BufferPool, place: Place) -> PgResult<Option<(PageId, u16)>> {
        let child = |page: PageId, slot: u16| -> PgResult<Option<PageId>> {
            let pin = pool.pin(page)?;
            let guard = pin.read();
            if slot >= guard.slot_count() {
                return Ok(None);
            }
            Ok(Some(Space::first_page(extent_entry(&guard, slot)? & !FRESH)))
        };
        Ok(match place {
            Place::Direct { slot } => Some((self.root, slot)),
            Place::Single { root_slot, slot } => child(self.root, root_slot)?.map(|map| (map, slot)),
            Place::Double { root_slot, middle_slot, slot } => match child(self.root, root_slot)? {
                Some(middle) => child(middle, middle_slot)?.map(|map| (map, slot)),
                None => None,
            },
        })
    }

    fn no_such_block(&self, block: BlockNo) -> PgError {
        let RelNode(node) = self.key.node;
        let message =
            format!("block {block} of relation storage {node} does not exist ({} blocks)", self.nblocks());
        PgError::new(code::DATA_CORRUPTED, message)
    }
}

impl std::fmt::Debug for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relation({:?}, {} blocks)", self.key, self.nblocks())
    }
}

/// The extent number in `slot`, fresh bit included.
pub(super) fn extent_entry(page: &Page, slot: u16) -> PgResult<u64> {
    match page.item(slot) {
        Some(bytes) if bytes.len() == 8 && u64_at(bytes, 0) & !FRESH <= PageId::MAX.get() / EXTENT_PAGES => {
            Ok(u64_at(bytes, 0))
        }
        _ => Err(damaged(page.page_id(), "an extent number is missing")),
    }
}

/// Extent numbers by index, readable without a lock; 0 where none is known. Grows by doubling parts, which
/// never move.
#[derive(Default)]
struct ExtentTable {
    parts: [OnceLock<Box<[AtomicU64]>>; 26],
}

const FIRST_PART: u64 = 16;

/// The part that has `index`, and the position within it.
#[inline]
fn part_of(index: u64) -> (usize, usize) {
    let part = (index / FIRST_PART + 1).ilog2();
    (part as usize, (index - FIRST_PART * ((1 << part) - 1)) as usize)
}

impl ExtentTable {
    #[inline]
    fn get(&self, index: u64) -> u64 {
        let (part, at) = part_of(index);
        match self.parts.get(part).and_then(OnceLock::get) {
            Some(entries) => entries[at].load(Ordering::Acquire),
            None => 0,
        }
    }

    fn set(&self, index: u64, entry: u64) {
        let (part, at) = part_of(index);
        let entries =
            self.parts[part].get_or_init(|| (0..FIRST_PART << part).map(|_| AtomicU64::new(0)).collect());
        entries[at].store(entry, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extent_has_one_place() {
        for (index, expect) in [
            (0, Some(Place::Direct { slot: 0 })),
            (47, Some(Place::Direct { slot: 47 })),
            (48, Some(Place::Single { root_slot: 48, slot: 0 })),
            (48 + 672, Some(Place::Single { root_slot: 49, slot: 0 })),
            (48 + 32 * 672 - 1, Some(Place::Single { root_slot: 79, slot: 671 })),
            (48 + 32 * 672, Some(Place::Double { root_slot: 80, middle_slot: 0, slot: 0 })),
            (48 + 32 * 672 + 672 * 672, Some(Place::Double { root_slot: 81, middle_slot: 0, slot: 0 })),
            (48 + 32 * 672 + 576 * 672 * 672, None),
        ] {
            assert_eq!(Place::of(index), expect, "{index}");
        }
    }

    #[test]
    fn parts_of_the_extent_table_follow_each_other() {
        let (mut part, mut at) = (0, 0);
        for index in 0..10_000 {
            assert_eq!(part_of(index), (part, at));
            at += 1;
            if at == (FIRST_PART as usize) << part {
                (part, at) = (part + 1, 0);
            }
        }
        // The last extent that a root can reach has a part to be in.
        assert!(part_of(DIRECT + SINGLES * FANOUT + DOUBLES * FANOUT * FANOUT).0 < 26);
    }
}
