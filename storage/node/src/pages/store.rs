//! One node's page images: read by many, changed by one, never in place.
//!
//! New images and the index nodes that lead to them go to free slots; then one superblock makes all of
//! them current, together with how far each segment's records are contained in them. Whatever was current
//! before stays whole until that superblock is durable.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use redoubt_io::{IoBuf, PageDevice};
use redoubt_page::{Lsn, PAGE_BYTES, Page, PageId};
use redoubt_protocol::SegmentId;

use crate::lru::Lru;

use super::error::StoreError;
use super::index::{IndexNode, MAX_HEIGHT, capacity, step};
use super::slots::{RESERVED_SLOTS, Slot, SlotMap};
use super::superblock::{PageRef, Superblock, decode_table};

/// The page images of one node. One task changes it, any number read.
pub struct PageStore<D> {
    pub(super) device: D,
    pub(super) current: RefCell<Superblock>,
    pub(super) applied: RefCell<BTreeMap<SegmentId, Lsn>>,
    pub(super) slots: RefCell<SlotMap>,
    pub(super) nodes: RefCell<Lru<Slot, Rc<IndexNode>>>,
    readers: Rc<RefCell<BTreeMap<u64, u32>>>,
}

/// A reader at work: the slots current when it began are not used again before it is dropped.
pub struct Reading {
    sequence: u64,
    readers: Rc<RefCell<BTreeMap<u64, u32>>>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.readers.borrow_mut();
        let count = readers.get_mut(&self.sequence).expect("a reader was counted when it began");
        *count -= 1;
        if *count == 0 {
            readers.remove(&self.sequence);
        }
    }
}

impl<D: PageDevice> PageStore<D> {
    /// Makes an empty store on a device whose contents do not matter.
    ///
    /// # Errors
    /// When the device fails or has no room.
    pub async fn create(device: D, store_id: u64, cached_nodes: usize) -> Result<Self, StoreError> {
        let store = Self::with(device, Superblock::first(store_id), BTreeMap::new(), cached_nodes);
        store.device.grow(u64::from(RESERVED_SLOTS) * PAGE_BYTES as u64).await?;
        // The other superblock may be left from an earlier life of the file; it must not win.
        store.write_run(Slot::new(1), &[&[0; PAGE_BYTES]]).await?;
        let first = store.current.borrow().encode();
        store.write_run(Slot::new(0), &[&first]).await?;
        store.device.flush().await.map_err(StoreError::FlushFailed)?;
        Ok(store)
    }

    /// Opens a store as of its last switch. Reading works at once; changing needs `find_free_slots` first.
    ///
    /// # Errors
    /// `Lost` when neither superblock is whole or it belongs to another store, `Io` when the device fails.
    pub async fn open(device: D, store_id: u64, cached_nodes: usize) -> Result<Self, StoreError> {
        let mut newest: Option<Superblock> = None;
        for turn in 0..u64::from(RESERVED_SLOTS) {
            let bytes = device.read_at(turn * PAGE_BYTES as u64, PAGE_BYTES).await?;
            let Some(found) = Superblock::decode(&bytes) else { continue };
            if found.store_id == store_id && newest.as_ref().is_none_or(|best| best.sequence < found.sequence)
            {
                newest = Some(found);
            }
        }
        let superblock = newest.ok_or(StoreError::Lost("neither superblock can be read"))?;
        let store = Self::with(device, superblock, BTreeMap::new(), cached_nodes);
        store.load_table().await?;
        Ok(store)
    }

    fn with(
        device: D,
        superblock: Superblock,
        applied: BTreeMap<SegmentId, Lsn>,
        cached_nodes: usize,
    ) -> Self {
        let slots = SlotMap::new(superblock.slot_count);
        Self {
            device,
            current: RefCell::new(superblock),
            applied: RefCell::new(applied),
            slots: RefCell::new(slots),
            nodes: RefCell::new(Lru::new(cached_nodes)),
            readers: Rc::default(),
        }
    }

    async fn load_table(&self) -> Result<(), StoreError> {
        let table = self.current.borrow().table.clone();
        for page in table {
            let bytes = self.read_slot(page.slot).await?;
            let entries = decode_table(&bytes).ok_or(StoreError::Lost("the table of applied records"))?;
            self.applied.borrow_mut().extend(entries);
        }
        Ok(())
    }

    /// The store's identity.
    pub fn store_id(&self) -> u64 {
        self.current.borrow().store_id
    }

    /// Makes durable what was staged so far; it still counts only after a switch.
    ///
    /// # Errors
    /// `FlushFailed`, after which this store must not be used.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.device.flush().await.map_err(StoreError::FlushFailed)
    }

    /// The numbers of all pages that have an image, ascending.
    ///
    /// # Errors
    /// `Lost` when a node of the index cannot be read.
    pub async fn page_ids(&self) -> Result<Vec<PageId>, StoreError> {
        let (root, height) = {
            let current = self.current.borrow();
            (current.root, current.height)
        };
        let mut pages = Vec::new();
        let mut pending = vec![(root, height, 0)];
        while let Some((at, level, number)) = pending.pop() {
            if !at.slot.is_some() {
                continue;
            }
            let node = self.node(at, level, number).await?;
            for (place, child) in node.present() {
                let below = number * super::index::FANOUT + place as u64;
                match level {
                    1 => pages.extend(PageId::try_new(below)),
                    _ => pending.push((child, level - 1, below)),
                }
            }
        }
        pages.sort_unstable();
        Ok(pages)
    }

    /// The numbers of the pages in a range that have an image, ascending, but no more than so many.
    ///
    /// # Errors
    /// `Lost` when a node of the index cannot be read.
    pub async fn page_ids_in(&self, range: Range<u64>, most: usize) -> Result<Vec<PageId>, StoreError> {
        let _reading = self.begin_reading();
        let (root, height) = {
            let current = self.current.borrow();
            (current.root, current.height)
        };
        let mut pages = Vec::new();
        let mut pending = vec![(root, height, 0)];
        while let Some((at, level, number)) = pending.pop() {
            if !at.slot.is_some() {
                continue;
            }
            let node = self.node(at, level, number).await?;
            let child_pages = capacity(level - 1);
            let first_below = pending.len();
            for (place, child) in node.present() {
                let below = number * super::index::FANOUT + place as u64;
                let first = below.saturating_mul(child_pages);
                if first >= range.end || first.saturating_add(child_pages) <= range.start {
                    continue;
                }
                match level {
                    1 => pages.extend(PageId::try_new(below)),
                    _ => pending.push((child, level - 1, below)),
                }
            }
            // The lowest is taken next.
            pending[first_below..].reverse();
            if pages.len() >= most {
                pages.truncate(most);
                break;
            }
        }
        Ok(pages)
    }

    /// The number of the switch that is current and durable.
    pub fn sequence(&self) -> u64 {
        self.current.borrow().sequence
    }

    /// Up to where a segment's records are contained in the images; zero for one never heard of.
    pub fn applied(&self, segment: SegmentId) -> Lsn {
        self.applied.borrow().get(&segment).copied().unwrap_or(Lsn::ZERO)
    }

    /// Slots in use and slots there are, superblocks included.
    pub fn slot_usage(&self) -> (u32, u32) {
        let slots = self.slots.borrow();
        (slots.in_use(), slots.count())
    }

    /// The image of a page, checked and unsealed, or nothing when there is none.
    ///
    /// # Errors
    /// `Rot` when what is there is not what was written; it is never taken for absent.
    pub async fn read(&self, page: PageId) -> Result<Option<Page>, StoreError> {
        let _reading = self.begin_reading();
        let Some(found) = self.locate(page).await? else { return Ok(None) };
        let bytes = self.read_slot(found.slot).await?;
        check_image(page, found, &bytes).map(Some)
    }

    /// The checksum that the image of a page must have, or nothing when there is no image. Two stores with the same one
    /// have the same image. The image itself is not read.
    ///
    /// # Errors
    /// `Lost` when a node of the index cannot be read.
    pub async fn checksum(&self, page: PageId) -> Result<Option<u32>, StoreError> {
        let _reading = self.begin_reading();
        Ok(self.locate(page).await?.map(|found| found.checksum))
    }

    /// Keeps every slot that is current now from being used again while the result exists.
    pub fn begin_reading(&self) -> Reading {
        let sequence = self.sequence();
        *self.readers.borrow_mut().entry(sequence).or_insert(0) += 1;
        Reading { sequence, readers: Rc::clone(&self.readers) }
    }

    /// The last switch that no reader can look behind any more: what it made superfluous is free.
    pub(super) fn unobserved_sequence(&self) -> u64 {
        self.readers.borrow().keys().next().copied().unwrap_or(u64::MAX)
    }

    pub(super) async fn locate(&self, page: PageId) -> Result<Option<PageRef>, StoreError> {
        let (mut at, height) = {
            let current = self.current.borrow();
            (current.root, current.height)
        };
        if page.get() >= capacity(height) {
            return Ok(None);
        }
        for level in (1..=height).rev() {
            if !at.slot.is_some() {
                return Ok(None);
            }
            let (number, place) = step(page, level);
            at = self.node(at, level, number).await?.get(place);
        }
        Ok(at.slot.is_some().then_some(at))
    }

    /// The node a reference leads to.
    pub(super) async fn node(
        &self,
        at: PageRef,
        level: u32,
        number: u64,
    ) -> Result<Rc<IndexNode>, StoreError> {
        if let Some(node) = self.nodes.borrow_mut().get(at.slot) {
            return Ok(Rc::clone(node));
        }
        let bytes = self.read_slot(at.slot).await?;
        let node = IndexNode::decode(&bytes, level, number, at.checksum);
        let node = Rc::new(node.ok_or(StoreError::Lost("a node of the page index"))?);
        self.nodes.borrow_mut().insert(at.slot, Rc::clone(&node));
        Ok(node)
    }

    /// Walks the index to learn which slots are free. Once, before the first change; its length grows with
    /// the index, a thousandth of the pages.
    ///
    /// # Errors
    /// `Lost` when a node of the index cannot be read.
    pub async fn find_free_slots(&self) -> Result<(), StoreError> {
        let (root, height, table) = {
            let current = self.current.borrow();
            (current.root, current.height, current.table.clone())
        };
        assert!(height <= MAX_HEIGHT, "an index has at most {MAX_HEIGHT} levels");
        let mut slots = SlotMap::new(self.current.borrow().slot_count);
        table.iter().for_each(|page| slots.mark(page.slot));
        let mut pending = Vec::new();
        if root.slot.is_some() {
            slots.mark(root.slot);
            pending.push((root, height, 0));
        }
        while let Some((at, level, number)) = pending.pop() {
            let bytes = self.read_slot(at.slot).await?;
            let node = IndexNode::decode(&bytes, level, number, at.checksum);
            for (place, child) in node.ok_or(StoreError::Lost("a node of the page index"))?.present() {
                slots.mark(child.slot);
                if level > 1 {
                    pending.push((child, level - 1, number * super::index::FANOUT + place as u64));
                }
            }
        }
        *self.slots.borrow_mut() = slots;
        Ok(())
    }

    pub(super) async fn read_slot(&self, slot: Slot) -> Result<IoBuf, StoreError> {
        let offset = self.offset_of(slot)?;
        Ok(self.device.read_at(offset, PAGE_BYTES).await?)
    }

    /// Where a slot begins in the file.
    pub(super) fn offset_of(&self, slot: Slot) -> Result<u64, StoreError> {
        let offset = u64::from(slot.get()) * PAGE_BYTES as u64;
        if offset + PAGE_BYTES as u64 > self.device.len_bytes() {
            return Err(StoreError::Lost("a reference leads past the end of the page file"));
        }
        Ok(offset)
    }

    /// Writes neighbouring slots in one go.
    pub(super) async fn write_run(&self, first: Slot, images: &[&[u8]]) -> Result<(), StoreError> {
        let mut buffer = IoBuf::zeroed(images.len() * PAGE_BYTES);
        for (image, out) in images.iter().zip(buffer.chunks_exact_mut(PAGE_BYTES)) {
            out.copy_from_slice(image);
        }
        Ok(self.device.write_at(u64::from(first.get()) * PAGE_BYTES as u64, buffer).await?)
    }
}

/// The image that a reference leads to, unsealed.
pub(super) fn check_image(page: PageId, found: PageRef, bytes: &[u8]) -> Result<Page, StoreError> {
    let mut image = Page::from_slice(bytes).map_err(|_| StoreError::Rot(page))?;
    if crate::log::bytes::u32_at(bytes, 0) != found.checksum || image.unseal(page).is_err() {
        return Err(StoreError::Rot(page));
    }
    Ok(image)
}
