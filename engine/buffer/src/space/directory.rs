//! The relation directory: from a relation's number to its root page.
//!
//! Its pages are chained and read whole when the volume is opened; look-ups then need no page. An entry of 32
//! bytes is at least 240 to the page, so ten thousand relations are forty pages.

use std::sync::Arc;

use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, Page, PageId, PatchTarget};
use rustc_hash::FxHashMap;

use crate::fields::{u32_at, u64_at};
use crate::kinds;
use crate::pool::BufferPool;
use crate::space::control::patch_u64;
use crate::space::extents::{TAKING_BYTES, TAKING_RECORDS, Taking};
use crate::space::relation::{FRESH, ROOT_SPECIAL_BYTES, Relation};
use crate::space::{EXTENT_PAGES, Fork, RelKey, RelNode, Space, damaged};

/// The head of the chain, in the control page's extent.
pub(super) const FIRST_DIRECTORY_PAGE: PageId = PageId::new(1);

const AT_NODE: usize = 0;
const AT_FORK: usize = 4;
const AT_ROOT: usize = 8;
const AT_CREATOR: usize = 16;
const AT_DROPPER: usize = 24;
const ENTRY_BYTES: usize = 32;

/// One relation fork as the directory knows it.
pub(super) struct Entry {
    pub(super) root: PageId,
    /// The transaction whose failure undoes the creation; 0 when that is settled.
    pub(super) creator: u64,
    /// The last transaction that dropped it; 0 when none has, or it failed.
    pub(super) dropper: u64,
    pub(super) page: PageId,
    pub(super) slot: u16,
    pub(super) relation: Option<Arc<Relation>>,
}

/// The directory in memory.
#[derive(Default)]
pub(super) struct Directory {
    entries: FxHashMap<RelKey, Entry>,
    pages: Vec<PageId>,
    /// Pages below this index were full when last looked at.
    first_with_room: usize,
}

impl Directory {
    pub(super) fn open(pool: &BufferPool) -> PgResult<Self> {
        let mut directory = Self::default();
        let mut next = Some(FIRST_DIRECTORY_PAGE);
        while let Some(id) = next {
            let pin = pool.pin(id)?;
            let page = pin.read();
            if page.kind() != kinds::DIRECTORY || page.special().len() != 8 || directory.pages.contains(&id) {
                return Err(damaged(id, "it is not a directory page"));
            }
            directory.pages.push(id);
            for (slot, item) in page.items() {
                let (key, entry) = decode(&page, slot, item)?;
                if directory.entries.insert(key, entry).is_some() {
                    return Err(damaged(id, "a relation has two entries"));
                }
            }
            next = match u64_at(page.special(), 0) {
                0 => None,
                number => Some(PageId::try_new(number).ok_or_else(|| damaged(id, "next directory page"))?),
            };
        }
        Ok(directory)
    }

    pub(super) fn find(&self, key: RelKey) -> Option<&Entry> {
        self.entries.get(&key)
    }

    pub(super) fn find_mut(&mut self, key: RelKey) -> Option<&mut Entry> {
        self.entries.get_mut(&key)
    }

    pub(super) fn keys(&self) -> Vec<RelKey> {
        self.entries.keys().copied().collect()
    }

    /// The entries whose creation or removal is not settled: key, creator, dropper.
    pub(super) fn unsettled(&self) -> Vec<(RelKey, u64, u64)> {
        let unsettled = self.entries.iter().filter(|(_, entry)| entry.creator != 0 || entry.dropper != 0);
        unsettled.map(|(key, entry)| (*key, entry.creator, entry.dropper)).collect()
    }

    pub(super) fn remove(&mut self, key: RelKey) {
        let entry = self.entries.remove(&key).expect("a relation is removed once");
        let page =
            self.pages.iter().position(|&page| page == entry.page).expect("entries are on known pages");
        self.first_with_room = self.first_with_room.min(page);
    }
}

fn decode(page: &Page, slot: u16, item: &[u8]) -> PgResult<(RelKey, Entry)> {
    let broken = || damaged(page.page_id(), "directory entry");
    if item.len() != ENTRY_BYTES {
        return Err(broken());
    }
    let fork = *Fork::ALL.get(usize::from(item[AT_FORK])).ok_or_else(broken)?;
    let key = RelKey { node: RelNode(u32_at(item, AT_NODE)), fork };
    let root = PageId::try_new(u64_at(item, AT_ROOT)).ok_or_else(broken)?;
    let (creator, dropper) = (u64_at(item, AT_CREATOR), u64_at(item, AT_DROPPER));
    Ok((key, Entry { root, creator, dropper, page: page.page_id(), slot, relation: None }))
}

fn encode(key: RelKey, root: PageId, creator: u64) -> [u8; ENTRY_BYTES] {
    let mut item = [0; ENTRY_BYTES];
    item[AT_NODE..AT_NODE + 4].copy_from_slice(&key.node.0.to_le_bytes());
    item[AT_FORK] = key.fork as u8;
    item[AT_ROOT..AT_ROOT + 8].copy_from_slice(&root.get().to_le_bytes());
    item[AT_CREATOR..AT_CREATOR + 8].copy_from_slice(&creator.to_le_bytes());
    item
}

pub(super) fn create_relation(space: &Space, key: RelKey, creator: u64) -> PgResult<Arc<Relation>> {
    let pool = &space.pool;
    // The allocator's lock comes before the directory's, and covers the directory's pages too.
    let mut allocator = space.allocator.lock();
    if space.directory.read().find(key).is_some() {
        let RelKey { node: RelNode(node), fork } = key;
        let message = format!("relation storage {node} ({fork:?}) already exists");
        return Err(PgError::new(code::DUPLICATE_FILE, message));
    }
    let (directory_page, taken_for_directory) = match page_with_room(space)? {
        Some(page) => (page, None),
        None => {
            let added = add_page(space, &mut allocator)?;
            (added, Some(added))
        }
    };
    if let Some(added) = taken_for_directory {
        space.directory.write().pages.push(added);
    }
    let taking = Taking::plan(pool, &allocator, 1)?;
    let extent = taking.entries[0];
    let root = Space::first_page(extent & !FRESH);
    let root_pin = if extent & FRESH != 0 { pool.pin_untouched(root)? } else { pool.pin(root)? };
    let entry_pin = pool.pin(directory_page)?;
    let mut mtr = pool.begin_mtr(TAKING_RECORDS + 2, TAKING_BYTES + 256)?;
    taking.apply(&mut mtr, &space.control);
    let (entry_page, root_page) = (mtr.latch(&entry_pin), mtr.latch(&root_pin));
    let slot = mtr.page(entry_page).first_unused_slot().unwrap_or(mtr.page(entry_page).slot_count());
    let mut special = [0; ROOT_SPECIAL_BYTES];
    special[..4].copy_from_slice(&key.node.0.to_le_bytes());
    special[4] = key.fork as u8;
    mtr.change(root_page, &Op::Initialise { kind: kinds::RELATION_ROOT, special: &special });
    mtr.change(root_page, &Op::InsertItem { slot: 0, bytes: &extent.to_le_bytes(), shift: false });
    mtr.change(entry_page, &Op::InsertItem { slot, bytes: &encode(key, root, creator), shift: false });
    mtr.commit();
    taking.finish(&mut allocator);
    let relation = Arc::new(Relation::new(key, root));
    relation.set_extent(0, extent);
    let entry =
        Entry { root, creator, dropper: 0, page: directory_page, slot, relation: Some(relation.clone()) };
    space.directory.write().entries.insert(key, entry);
    Ok(relation)
}

/// A directory page with room for an entry, if there is one. The caller holds the allocator's lock, under
/// which alone entries come and go.
fn page_with_room(space: &Space) -> PgResult<Option<PageId>> {
    loop {
        let (at, id) = {
            let directory = space.directory.read();
            match directory.pages.get(directory.first_with_room) {
                Some(&id) => (directory.first_with_room, id),
                None => return Ok(None),
            }
        };
        if space.pool.pin(id)?.read().fits(ENTRY_BYTES) {
            return Ok(Some(id));
        }
        space.directory.write().first_with_room = at + 1;
    }
}

/// Chains one more page to the directory: the next one of the last page's extent, or the first of a new one.
fn add_page(space: &Space, allocator: &mut super::Allocator) -> PgResult<PageId> {
    let pool = &space.pool;
    let last = *space.directory.read().pages.last().expect("the directory has a first page");
    let beside = last.get() + 1;
    let taking = match beside % EXTENT_PAGES {
        0 => Some(Taking::plan(pool, allocator, 1)?),
        _ => None,
    };
    let id = match &taking {
        Some(taking) => Space::first_page(taking.entries[0] & !FRESH),
        None => PageId::new(beside),
    };
    let (last_pin, pin) = (pool.pin(last)?, pool.pin(id)?);
    let mut mtr = pool.begin_mtr(TAKING_RECORDS + 2, TAKING_BYTES + 64)?;
    if let Some(taking) = &taking {
        taking.apply(&mut mtr, &space.control);
    }
    let (last_page, page) = (mtr.latch(&last_pin), mtr.latch(&pin));
    mtr.change(page, &Op::Initialise { kind: kinds::DIRECTORY, special: &[0; 8] });
    mtr.change(last_page, &patch_u64(0, &id.get().to_le_bytes()));
    mtr.commit();
    if let Some(taking) = &taking {
        taking.finish(allocator);
    }
    Ok(id)
}

pub(super) fn mark_dropped(space: &Space, key: RelKey, dropper: u64) -> PgResult<()> {
    let _allocator = space.allocator.lock();
    let place = space.directory.read().find(key).map(|entry| (entry.page, entry.slot));
    let Some((page, slot)) = place else {
        return space.existing_relation(key).map(drop);
    };
    let pin = space.pool.pin(page)?;
    let mut mtr = space.pool.begin_mtr(1, 64)?;
    let page = mtr.latch(&pin);
    let target = PatchTarget::Slot(slot);
    mtr.change(page, &Op::PatchBytes { target, offset: AT_DROPPER as u16, bytes: &dropper.to_le_bytes() });
    mtr.commit();
    space.directory.write().find_mut(key).expect("entries go under the allocator's lock").dropper = dropper;
    Ok(())
}
