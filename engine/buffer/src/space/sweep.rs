//! Freeing the extents of relations that belong to nobody.
//!
//! A relation goes piece by piece, from its end: each mini-transaction takes some extents off its map and
//! puts them on the free list, and the last one removes the directory entry together with the root. A crash
//! in between leaves a shorter relation that the next sweep goes on with.

use redoubt_error::PgResult;
use redoubt_page::{Op, PageId};

use crate::fields::u64_at;
use crate::kinds;
use crate::latch::PinnedPage;
use crate::mtr::{Latched, Mtr};
use crate::space::control::{self, patch_u64};
use crate::space::extents::{Allocator, FREE_PAGE_EXTENTS};
use crate::space::relation::{DIRECT, FRESH, SINGLES, extent_entry};
use crate::space::{EXTENT_PAGES, Fork, RelKey, Space};

/// What became of a transaction, as far as relations are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Running, or committed while somebody may still see the time before it.
    Unsettled,
    /// It failed: what it created goes, what it dropped stays.
    Aborted,
    /// Committed, and everybody sees that: what it dropped goes.
    Settled,
}

/// Extents that one MTR moves to the free list; each costs two small operations.
const BATCH: usize = 128;

pub(super) fn sweep(space: &Space, fate: &mut dyn FnMut(u64) -> PgResult<Fate>) -> PgResult<usize> {
    let unsettled = space.directory.read().unsettled();
    let mut freed = 0;
    for (key, creator, dropper) in unsettled {
        let creation = if creator == 0 { Fate::Settled } else { fate(creator)? };
        let removal = if dropper == 0 { Fate::Aborted } else { fate(dropper)? };
        if creation == Fate::Aborted || removal == Fate::Settled {
            freed += free_with_forks(space, key)?;
            continue;
        }
        let mut directory = space.directory.write();
        let Some(entry) = directory.find_mut(key) else { continue };
        // Settled questions are not asked again, unless somebody has asked a new one meanwhile.
        if creation == Fate::Settled {
            entry.creator = 0;
        }
        if removal == Fate::Aborted && entry.dropper == dropper {
            entry.dropper = 0;
        }
    }
    Ok(freed)
}

/// Frees a relation fork; with the main fork, the others go too, for they have no creator of their own. The
/// main fork goes last, so that a crash in between does not leave the others behind.
fn free_with_forks(space: &Space, key: RelKey) -> PgResult<usize> {
    let forks = if key.fork == Fork::Main { &Fork::ALL[..] } else { &[key.fork] };
    let mut freed = 0;
    for &fork in forks.iter().rev() {
        freed += usize::from(free_relation(space, RelKey { fork, ..key })?);
    }
    Ok(freed)
}

/// Frees a relation fork, if there is such a one.
fn free_relation(space: &Space, key: RelKey) -> PgResult<bool> {
    let Some(relation) = space.relation(key)? else { return Ok(false) };
    let mut allocator = space.allocator.lock();
    while shorten(space, &mut allocator, relation.root())? {}
    let (page, slot) = {
        let directory = space.directory.read();
        let entry = directory.find(key).expect("entries go under the allocator's lock");
        (entry.page, entry.slot)
    };
    let entry_pin = space.pool.pin(page)?;
    let first_extent = relation.root().get() / EXTENT_PAGES;
    let freeing = Freeing::plan(space, &allocator, vec![first_extent])?;
    let mut mtr = space.pool.begin_mtr(FREEING_RECORDS + 1, 256)?;
    let head = freeing.apply(&mut mtr, space);
    let page = mtr.latch(&entry_pin);
    mtr.change(page, &Op::DeleteItem { slot, shift: false });
    mtr.commit();
    allocator.free_head = head;
    space.directory.write().remove(key);
    Ok(true)
}

/// Moves up to [`BATCH`] extents from the end of a relation's map to the free list. Returns whether anything
/// but the root's own extent was left.
fn shorten(space: &Space, allocator: &mut Allocator, root: PageId) -> PgResult<bool> {
    let root_pin = space.pool.pin(root)?;
    let Some((holder, empty_map)) = last_holder(space, &root_pin)? else { return Ok(false) };
    let (extents, left) = {
        let page = holder.read();
        // The root's first entry is the extent that it is in itself; it goes last, with the directory entry.
        let keep = u16::from(holder.is_same(&root_pin));
        let first = page.slot_count().saturating_sub(BATCH as u16).max(keep);
        // A map page empties entirely before its parent's pointer to it goes, so only the root's direct
        // extents and a map's own entries are taken here.
        let first = if empty_map { page.slot_count() - 1 } else { first };
        let entries = (first..page.slot_count()).map(|slot| extent_entry(&page, slot));
        (entries.map(|entry| Ok(entry? & !FRESH)).collect::<PgResult<Vec<_>>>()?, first)
    };
    let freeing = Freeing::plan(space, allocator, extents)?;
    let mut mtr = space.pool.begin_mtr(FREEING_RECORDS + 1, 256 + BATCH * 32)?;
    let head = freeing.apply(&mut mtr, space);
    let page = mtr.latch(&holder);
    mtr.change(page, &Op::TruncateItems { from_slot: left });
    mtr.commit();
    allocator.free_head = head;
    Ok(true)
}

/// The page that holds the relation's last entries, and whether its last entry is a map page that is empty
/// by now. Nothing when only the root's own extent is left.
fn last_holder(space: &Space, root: &PinnedPage) -> PgResult<Option<(PinnedPage, bool)>> {
    let mut holder = root.clone();
    // How many levels of map pages are below the holder's last entry.
    let mut levels = {
        let page = root.read();
        match u64::from(page.slot_count()) {
            0 | 1 => return Ok(None),
            count if count <= DIRECT => return Ok(Some((root.clone(), false))),
            count if count <= DIRECT + SINGLES => 1,
            _ => 2,
        }
    };
    loop {
        let child = {
            let page = holder.read();
            extent_entry(&page, page.slot_count() - 1)? & !FRESH
        };
        let child = space.pool.pin(Space::first_page(child))?;
        if child.read().slot_count() == 0 {
            return Ok(Some((holder, true)));
        }
        holder = child;
        levels -= 1;
        if levels == 0 {
            return Ok(Some((holder, false)));
        }
    }
}

/// Extents about to go on the free list.
struct Freeing {
    /// The page of the list that takes those that it has room for.
    head: Option<PinnedPage>,
    /// Extents for that page.
    listed: Vec<u64>,
    /// When there is no such room: the extent whose first page becomes the list's new head, and what it takes.
    new_head: Option<(PinnedPage, Vec<u64>)>,
    old_head: u64,
}

/// The control page, the old head, the new head.
const FREEING_RECORDS: usize = 3;

impl Freeing {
    fn plan(space: &Space, allocator: &Allocator, mut extents: Vec<u64>) -> PgResult<Self> {
        let old_head = allocator.free_head;
        let head = match old_head {
            0 => None,
            id => Some(space.pool.pin(PageId::new(id))?),
        };
        let room = head.as_ref().map_or(0, |pin| FREE_PAGE_EXTENTS - pin.read().slot_count());
        let rest = extents.split_off(extents.len().min(usize::from(room)));
        let new_head = match rest.split_first() {
            Some((first, rest)) => Some((space.pool.pin(Space::first_page(*first))?, rest.to_vec())),
            None => None,
        };
        Ok(Self { head, listed: extents, new_head, old_head })
    }

    /// Writes it down, and returns the list's head from then on.
    fn apply(&self, mtr: &mut Mtr<'_>, space: &Space) -> u64 {
        let put = |mtr: &mut Mtr<'_>, page: Latched, extents: &[u64]| {
            for extent in extents {
                let slot = mtr.page(page).slot_count();
                mtr.change(page, &Op::InsertItem { slot, bytes: &extent.to_le_bytes(), shift: false });
            }
        };
        let mut head_number = self.old_head;
        if let Some((pin, _)) = &self.new_head {
            head_number = pin.id().get();
            let page = mtr.latch(space.control.page());
            debug_assert_eq!(u64_at(mtr.page(page).special(), control::AT_FREE_HEAD), self.old_head);
            mtr.change(page, &patch_u64(control::AT_FREE_HEAD, &head_number.to_le_bytes()));
        }
        if let (Some(pin), false) = (&self.head, self.listed.is_empty()) {
            let page = mtr.latch(pin);
            put(mtr, page, &self.listed);
        }
        if let Some((pin, rest)) = &self.new_head {
            let page = mtr.latch(pin);
            let special = self.old_head.to_le_bytes();
            mtr.change(page, &Op::Initialise { kind: kinds::FREE_EXTENTS, special: &special });
            put(mtr, page, rest);
        }
        head_number
    }
}
