//! Which blocks everybody sees all of: one bit per block, in a fork of the table, and a flag on the block.
//!
//! Vacuum sets both in one mini-transaction; whoever changes a row on the block clears both in his. So the map never
//! says more than is true, which is what index-only scans rely on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use redoubt_buffer::{BlockNo, Fork, Latched, Mtr, PinnedPage, RelKey, RelNode, Relation, Space, kinds};
use redoubt_error::PgResult;
use redoubt_page::{Op, Page, PatchTarget};

use crate::heap::Heap;
use crate::heap::modify::Stop;

const MAP_BYTES: usize = 8000;
const MAP_BLOCKS: u32 = MAP_BYTES as u32 * 8;

const ALL_VISIBLE: u8 = 1;

/// The map of one table; the fork is made by the first vacuum that has something to say.
#[derive(Default)]
pub(super) struct VisibilityMap {
    relation: RwLock<Option<Arc<Relation>>>,
    /// How many bits have been set.
    marked: AtomicU64,
}

impl VisibilityMap {
    pub(super) fn open(space: &Space, node: RelNode) -> PgResult<Self> {
        let relation = space.relation(RelKey { node, fork: Fork::Visibility })?;
        Ok(Self { relation: RwLock::new(relation), marked: AtomicU64::new(0) })
    }

    /// The page that has the bit of `block`, if there is one yet.
    fn pin(&self, space: &Space, block: BlockNo) -> PgResult<Option<PinnedPage>> {
        let relation = self.relation.read().clone();
        match relation {
            Some(relation) if block / MAP_BLOCKS < relation.nblocks() => {
                space.pin(&relation, block / MAP_BLOCKS).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The page that has the bit of `block`, made if need be.
    fn pin_or_extend(&self, space: &Space, node: RelNode, block: BlockNo) -> PgResult<PinnedPage> {
        let relation = {
            let mut relation = self.relation.write();
            match &*relation {
                Some(relation) => relation.clone(),
                None => {
                    let made = space.create_relation(RelKey { node, fork: Fork::Visibility }, 0)?;
                    relation.insert(made).clone()
                }
            }
        };
        while relation.nblocks() <= block / MAP_BLOCKS {
            space.extend(&relation, kinds::VISIBILITY_MAP, &[0; MAP_BYTES])?;
        }
        space.pin(&relation, block / MAP_BLOCKS)
    }
}

fn place_of(block: BlockNo) -> (usize, u8) {
    let index = block % MAP_BLOCKS;
    ((index / 8) as usize, 1 << (index % 8))
}

/// Whether the block's own flag says that everybody sees all rows on it.
pub(super) fn is_all_visible(page: &Page) -> bool {
    page.special().first().is_some_and(|flags| flags & ALL_VISIBLE != 0)
}

/// A block that is about to be changed, with the map page that may have to change with it.
pub(super) struct ChangeTarget {
    pub(super) pin: PinnedPage,
    block: BlockNo,
    map: Option<PinnedPage>,
}

impl ChangeTarget {
    /// Latches the block; asks to start over when its flag was set since it was pinned. Needs room for two
    /// records in the MTR. With several targets, blocks are latched in ascending order.
    pub(super) fn latch(&self, mtr: &mut Mtr<'_>) -> Result<Latched, Stop> {
        let page = mtr.latch(&self.pin);
        if is_all_visible(mtr.page(page)) && self.map.is_none() {
            return Err(Stop::Again);
        }
        Ok(page)
    }

    /// Called with a change of the block's rows, after all blocks are latched: clears the flag and the bit.
    pub(super) fn changed(&self, mtr: &mut Mtr<'_>, page: Latched) {
        if !is_all_visible(mtr.page(page)) {
            return;
        }
        set_flag(mtr, page, false);
        // Two blocks may share the map page.
        let map = mtr.latch_once(self.map.as_ref().expect("looked for when the block was latched"));
        set_bit(mtr, map, self.block, false);
    }
}

fn set_flag(mtr: &mut Mtr<'_>, page: Latched, set: bool) {
    let flags = mtr.page(page).special()[0] & !ALL_VISIBLE | u8::from(set);
    mtr.change(page, &Op::PatchBytes { target: PatchTarget::Special, offset: 0, bytes: &[flags] });
}

fn set_bit(mtr: &mut Mtr<'_>, map: Latched, block: BlockNo, set: bool) {
    let (byte, bit) = place_of(block);
    let old = mtr.page(map).special()[byte];
    let new = if set { old | bit } else { old & !bit };
    // A special area is shorter than a page; the cast is exact.
    mtr.change(map, &Op::PatchBytes { target: PatchTarget::Special, offset: byte as u16, bytes: &[new] });
}

impl Heap {
    pub(super) fn pin_for_change(&self, block: BlockNo) -> PgResult<ChangeTarget> {
        let pin = self.pin(block)?;
        self.for_change(pin, block)
    }

    pub(super) fn for_change(&self, pin: PinnedPage, block: BlockNo) -> PgResult<ChangeTarget> {
        let flagged = is_all_visible(&pin.read());
        let map = if flagged { Some(self.pin_map(block)?) } else { None };
        Ok(ChangeTarget { pin, block, map })
    }

    /// Whether everybody sees all rows of a block: then an index entry that leads there need not be checked.
    ///
    /// # Errors
    /// What the volume says.
    pub fn is_all_visible(&self, block: BlockNo) -> PgResult<bool> {
        let Some(map) = self.map.pin(&self.space, block)? else { return Ok(false) };
        let (byte, bit) = place_of(block);
        let is_set = map.read().special().get(byte).is_some_and(|bits| bits & bit != 0);
        Ok(is_set)
    }

    /// A number that changes before any block is newly said to be seen by everybody.
    ///
    /// Who reads an index entry and finds its block marked afterwards knows that everybody sees the row only if
    /// this did not change in between: otherwise vacuum may have removed the entry, its row, and marked the block
    /// since the entry was read.
    pub fn visibility_marks(&self) -> u64 {
        self.map.marked.load(Ordering::SeqCst)
    }

    /// The map page for vacuum to set a bit in.
    pub(super) fn pin_map(&self, block: BlockNo) -> PgResult<PinnedPage> {
        self.map.pin_or_extend(&self.space, self.node(), block)
    }

    /// Notes on a latched block, and in the map, that everybody sees all its rows.
    pub(super) fn mark_all_visible(
        &self,
        mtr: &mut Mtr<'_>,
        page: Latched,
        map: &PinnedPage,
        block: BlockNo,
    ) {
        // Before the bit can be seen: see `visibility_marks`.
        self.map.marked.fetch_add(1, Ordering::SeqCst);
        set_flag(mtr, page, true);
        let map = mtr.latch(map);
        set_bit(mtr, map, block, true);
    }

    /// Clears the bits of the blocks from `first` to before `end`, which are about to go.
    pub(super) fn forget_all_visible(&self, first: BlockNo, end: BlockNo) -> PgResult<()> {
        for block in (first / MAP_BLOCKS * MAP_BLOCKS..end).step_by(MAP_BLOCKS as usize) {
            let Some(pin) = self.map.pin(&self.space, block)? else { continue };
            let mut mtr = self.pool().begin_mtr(1, MAP_BYTES + 64)?;
            let map = mtr.latch(&pin);
            // Blocks before `first` keep their bits; there are none behind `end`.
            let start = first.max(block);
            let (byte, bit) = place_of(start);
            let mut bytes = mtr.page(map).special()[byte..].to_vec();
            bytes[0] &= bit - 1;
            bytes[1..].fill(0);
            let offset = byte as u16;
            mtr.change(map, &Op::PatchBytes { target: PatchTarget::Special, offset, bytes: &bytes });
            mtr.commit();
        }
        Ok(())
    }

    /// How many blocks the map says everybody sees all of (`pg_class.relallvisible`).
    ///
    /// # Errors
    /// What the volume says.
    pub fn all_visible_blocks(&self) -> PgResult<u32> {
        let mut count = 0;
        for first in (0..self.nblocks()).step_by(MAP_BLOCKS as usize) {
            if let Some(map) = self.map.pin(&self.space, first)? {
                count += map.read().special().iter().map(|bits| bits.count_ones()).sum::<u32>();
            }
        }
        Ok(count)
    }
}
