//! Taking extents from the free list or the frontier, and attaching them to relations.
//!
//! Taking and attaching is one mini-transaction: an extent always has exactly one owner.

use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, PageId};

use crate::fields::u64_at;
use crate::kinds;
use crate::latch::PinnedPage;
use crate::mtr::{Latched, Mtr};
use crate::pool::BufferPool;
use crate::space::control::{self, Control, patch_u64};
use crate::space::relation::{FANOUT, FRESH, Place, Relation, extent_entry};
use crate::space::{BlockNo, EXTENT_PAGES, Space, damaged};

/// Extent numbers that one page of the free list holds.
pub(super) const FREE_PAGE_EXTENTS: u16 = FANOUT as u16;

/// What the control page says about free extents, kept in memory under the allocator's lock.
pub(super) struct Allocator {
    /// The first extent that was never used.
    pub(super) frontier: u64,
    /// The first page of the free list; 0 when there is none.
    pub(super) free_head: u64,
}

impl Allocator {
    pub(super) fn open(control: &Control) -> Self {
        let page = control.page().read();
        Self {
            frontier: u64_at(page.special(), control::AT_FRONTIER),
            free_head: u64_at(page.special(), control::AT_FREE_HEAD),
        }
    }
}

/// Extents about to be taken: decided before any latch, written down by [`Taking::apply`].
pub(super) struct Taking {
    /// Entries for the new owner, fresh bit included.
    pub(super) entries: Vec<u64>,
    frontier: u64,
    free_head: u64,
    /// The page of the free list that loses its last entries, and how many it keeps.
    shortened: Option<(PinnedPage, u16)>,
}

/// Room that [`Taking::apply`] needs in its MTR.
pub(super) const TAKING_RECORDS: usize = 2;
pub(super) const TAKING_BYTES: usize = 64;

impl Taking {
    /// Decides where `count` extents come from. The caller holds the allocator's lock until it has called
    /// [`Taking::finish`] or given up.
    pub(super) fn plan(pool: &BufferPool, allocator: &Allocator, count: usize) -> PgResult<Self> {
        let mut taking = Self {
            entries: Vec::with_capacity(count),
            frontier: allocator.frontier,
            free_head: allocator.free_head,
            shortened: None,
        };
        if taking.free_head != 0 {
            taking.plan_from_free_list(pool, count)?;
        }
        while taking.entries.len() < count {
            taking.entries.push(taking.frontier | FRESH);
            taking.frontier += 1;
        }
        if taking.frontier > allocator.frontier {
            let last = (taking.frontier * EXTENT_PAGES).checked_sub(1).and_then(PageId::try_new);
            let last =
                last.ok_or_else(|| PgError::new(code::DISK_FULL, "the volume has no page numbers left"))?;
            pool.volume().reserve_pages(last)?;
        }
        Ok(taking)
    }

    fn plan_from_free_list(&mut self, pool: &BufferPool, count: usize) -> PgResult<()> {
        let head =
            PageId::try_new(self.free_head).ok_or_else(|| damaged(PageId::new(0), "free list head"))?;
        let pin = pool.pin(head)?;
        let page = pin.read();
        if page.kind() != kinds::FREE_EXTENTS || page.special().len() != 8 {
            return Err(damaged(head, "it is not a page of the free list"));
        }
        if page.slot_count() == 0 {
            // The list's page itself is the first page of a free extent.
            self.entries.push(head.get() / EXTENT_PAGES);
            self.free_head = u64_at(page.special(), 0);
            return Ok(());
        }
        let mut left = page.slot_count();
        while self.entries.len() < count && left > 0 {
            left -= 1;
            self.entries.push(extent_entry(&page, left)? & !FRESH);
        }
        drop(page);
        self.shortened = Some((pin, left));
        Ok(())
    }

    /// Writes the taking down. The control page is latched before every other page.
    pub(super) fn apply(&self, mtr: &mut Mtr<'_>, control: &Control) {
        let page = mtr.latch(control.page());
        let special = mtr.page(page).special();
        let frontier_moved = u64_at(special, control::AT_FRONTIER) != self.frontier;
        let head_moved = u64_at(special, control::AT_FREE_HEAD) != self.free_head;
        if frontier_moved {
            mtr.change(page, &patch_u64(control::AT_FRONTIER, &self.frontier.to_le_bytes()));
        }
        if head_moved {
            mtr.change(page, &patch_u64(control::AT_FREE_HEAD, &self.free_head.to_le_bytes()));
        }
        if let Some((pin, left)) = &self.shortened {
            let list = mtr.latch(pin);
            mtr.change(list, &Op::TruncateItems { from_slot: *left });
        }
    }

    /// Makes the taking known to the next one.
    pub(super) fn finish(&self, allocator: &mut Allocator) {
        allocator.frontier = self.frontier;
        allocator.free_head = self.free_head;
    }
}

/// Sees to it that the extent of `block` is attached; returns whether it was fresh. The caller holds the
/// relation's `tail`.
pub(super) fn ensure_extent(space: &Space, relation: &Relation, block: BlockNo) -> PgResult<bool> {
    let index = (u64::from(block) + 1) / EXTENT_PAGES;
    if let Some(entry) = relation.extent(&space.pool, index)? {
        return Ok(entry & FRESH != 0);
    }
    let place = match Place::of(index) {
        Some(place) if block < BlockNo::MAX => place,
        _ => {
            let message = format!("cannot extend relation beyond {block} blocks");
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
    };
    let entry = attach_extent(space, relation, place)?;
    relation.set_extent(index, entry);
    Ok(entry & FRESH != 0)
}

/// Takes an extent, and one for every map page that is missing on the way to its entry, in one MTR.
fn attach_extent(space: &Space, relation: &Relation, place: Place) -> PgResult<u64> {
    let pool = &space.pool;
    let mut allocator = space.allocator.lock();
    let path = existing_path(pool, relation, place)?;
    let missing = path_slots(place).len() - path.len();
    let taking = Taking::plan(pool, &allocator, 1 + missing)?;
    let mut new_maps = Vec::with_capacity(missing);
    for entry in &taking.entries[..missing] {
        let first = Space::first_page(entry & !FRESH);
        new_maps.push(if entry & FRESH != 0 { pool.pin_untouched(first)? } else { pool.pin(first)? });
    }
    let mut mtr = pool.begin_mtr(TAKING_RECORDS + path.len() + missing, TAKING_BYTES + 64 * (1 + missing))?;
    taking.apply(&mut mtr, &space.control);
    let mut holders: Vec<Latched> = path.iter().map(|pin| mtr.latch(pin)).collect();
    for pin in &new_maps {
        let map = mtr.latch(pin);
        mtr.change(map, &Op::Initialise { kind: kinds::EXTENT_MAP, special: &[] });
        holders.push(map);
    }
    // From the deepest page that existed on, each page gets one entry: the next page's extent, and the last
    // page the extent itself.
    let slots = path_slots(place);
    for (position, entry) in (path.len() - 1..slots.len()).zip(&taking.entries) {
        let op = Op::InsertItem { slot: slots[position], bytes: &entry.to_le_bytes(), shift: false };
        mtr.change(holders[position], &op);
    }
    mtr.commit();
    taking.finish(&mut allocator);
    Ok(*taking.entries.last().expect("at least one extent was taken"))
}

/// The slots on the way from the root to the entry at `place`.
fn path_slots(place: Place) -> Vec<u16> {
    match place {
        Place::Direct { slot } => vec![slot],
        Place::Single { root_slot, slot } => vec![root_slot, slot],
        Place::Double { root_slot, middle_slot, slot } => vec![root_slot, middle_slot, slot],
    }
}

/// The root and the map pages on that way, as far as they exist.
fn existing_path(pool: &BufferPool, relation: &Relation, place: Place) -> PgResult<Vec<PinnedPage>> {
    let slots = path_slots(place);
    let mut path = vec![pool.pin(relation.root())?];
    for &slot in &slots[..slots.len() - 1] {
        let page = path.last().expect("the root is there").read();
        if slot >= page.slot_count() {
            break;
        }
        let child = Space::first_page(extent_entry(&page, slot)? & !FRESH);
        drop(page);
        path.push(pool.pin(child)?);
    }
    Ok(path)
}
