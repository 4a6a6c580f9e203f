//! Changing a page store: images are staged, then one superblock makes them current.

use std::collections::BTreeMap;
use std::rc::Rc;

use redoubt_io::PageDevice;
use redoubt_page::{Lsn, PAGE_BYTES, Page, PageId};
use redoubt_protocol::SegmentId;

use crate::log::bytes::u32_at;

use super::error::StoreError;
use super::index::{FANOUT, IndexNode, capacity};
use super::slots::Slot;
use super::store::PageStore;
use super::superblock::{PageRef, Superblock, encode_table};

/// The most slots written in one go.
const RUN_PAGES: usize = 32;
/// A full page file grows by an eighth, within these bounds.
const MIN_GROWTH_SLOTS: u32 = 128;
const MAX_GROWTH_SLOTS: u32 = 8192;

/// Images written to free slots that no superblock knows yet. Must be given to `switch` or `abandon`.
#[derive(Debug, Default)]
pub struct Staged {
    pages: BTreeMap<PageId, PageRef>,
}

impl Staged {
    /// How many pages were staged.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing was staged.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

/// Pages of a change under way: what is to be written, and what it makes superfluous.
#[derive(Default)]
struct Change {
    writes: Vec<(Slot, Vec<u8>)>,
    superfluous: Vec<Slot>,
}

impl<D: PageDevice> PageStore<D> {
    /// Writes sealed images to free slots. Nobody sees them before the switch.
    ///
    /// # Errors
    /// `Full` when there is no room; what is staged already stays staged.
    pub async fn stage(&self, staged: &mut Staged, images: &[Page]) -> Result<(), StoreError> {
        let mut run: Vec<(Slot, &[u8])> = Vec::with_capacity(images.len());
        for image in images {
            let slot = self.take_slot().await?;
            let checksum = u32_at(image.bytes(), 0);
            let before = staged.pages.insert(image.page_id(), PageRef { slot, checksum });
            if let Some(before) = before {
                self.slots.borrow_mut().release(before.slot);
            }
            run.push((slot, image.bytes()));
        }
        self.write_slots(&run).await
    }

    /// Gives up what was staged.
    pub fn abandon(&self, staged: Staged) {
        let mut slots = self.slots.borrow_mut();
        staged.pages.into_values().for_each(|page| slots.release(page.slot));
    }

    /// Makes the staged images current, together with how far segments' records are contained in them.
    /// Durable when it returns.
    ///
    /// # Errors
    /// `Full` when there is no room for the index (nothing is changed then), `FlushFailed` after which this
    /// store must not be used.
    pub async fn switch(&self, staged: Staged, applied: &[(SegmentId, Lsn)]) -> Result<(), StoreError> {
        let mut change = Change::default();
        let next = match self.prepare(&staged, applied, &mut change).await {
            Ok(next) => next,
            Err(error) => {
                let mut slots = self.slots.borrow_mut();
                change.writes.iter().for_each(|(slot, _)| slots.release(*slot));
                drop(slots);
                self.abandon(staged);
                return Err(error);
            }
        };
        let writes: Vec<(Slot, &[u8])> =
            change.writes.iter().map(|(slot, bytes)| (*slot, bytes.as_slice())).collect();
        self.write_slots(&writes).await?;
        self.device.flush().await.map_err(StoreError::FlushFailed)?;
        let turn = Slot::new((next.sequence % 2) as u32);
        self.write_run(turn, &[&next.encode()]).await?;
        self.device.flush().await.map_err(StoreError::FlushFailed)?;
        let sequence = next.sequence;
        *self.current.borrow_mut() = next;
        for (segment, lsn) in applied {
            self.applied.borrow_mut().insert(*segment, *lsn);
        }
        let mut slots = self.slots.borrow_mut();
        slots.retire(sequence, change.superfluous);
        slots.free_up_to(self.unobserved_sequence());
        Ok(())
    }

    async fn prepare(
        &self,
        staged: &Staged,
        applied: &[(SegmentId, Lsn)],
        change: &mut Change,
    ) -> Result<Superblock, StoreError> {
        let mut next = self.current.borrow().clone();
        next.sequence += 1;
        if !staged.is_empty() {
            (next.root, next.height) = self.rewrite_index(&next, staged, change).await?;
        }
        if !applied.is_empty() {
            let mut all = self.applied.borrow().clone();
            all.extend(applied.iter().copied());
            let all: Vec<(SegmentId, Lsn)> = all.into_iter().collect();
            change.superfluous.extend(next.table.iter().map(|page| page.slot));
            next.table = Vec::new();
            for bytes in encode_table(&all) {
                let slot = self.take_slot().await?;
                next.table.push(PageRef { slot, checksum: u32_at(&bytes, 0) });
                change.writes.push((slot, bytes));
            }
        }
        next.slot_count = self.slots.borrow().count();
        Ok(next)
    }

    /// Makes new nodes for every changed path of the index, from the images up to a new root.
    async fn rewrite_index(
        &self,
        current: &Superblock,
        staged: &Staged,
        change: &mut Change,
    ) -> Result<(PageRef, u32), StoreError> {
        let (old_root, old_height) = (current.root, current.height);
        let highest = staged.pages.keys().next_back().expect("something is staged").get();
        let mut height = old_height.max(1);
        while capacity(height) <= highest {
            height += 1;
        }
        // At each level: the numbers of the children that changed, and where they are now.
        let mut children: BTreeMap<u64, PageRef> =
            staged.pages.iter().map(|(page, at)| (page.get(), *at)).collect();
        for level in 1..=height {
            if level == old_height + 1 && old_root.slot.is_some() {
                // The index grew: what was the root is now the first child of something.
                children.entry(0).or_insert(old_root);
            }
            let mut parents = BTreeMap::new();
            let mut rest = children.into_iter().peekable();
            while let Some(&(child, _)) = rest.peek() {
                let number = child / FANOUT;
                let old = self.old_node(current, level, number).await?;
                let mut node = match &old {
                    Some((at, node)) => {
                        change.superfluous.push(at.slot);
                        IndexNode::clone(node)
                    }
                    None => IndexNode::empty(level, number),
                };
                while let Some((child, at)) = rest.next_if(|(child, _)| child / FANOUT == number) {
                    let place = (child % FANOUT) as usize;
                    let before = node.get(place).slot;
                    if level == 1 && before.is_some() {
                        change.superfluous.push(before);
                    }
                    node.set(place, at);
                }
                let slot = self.take_slot().await?;
                let (bytes, checksum) = node.sealed();
                change.writes.push((slot, bytes));
                parents.insert(number, PageRef { slot, checksum });
            }
            children = parents;
        }
        let root = children.remove(&0).expect("the root is node zero of its level");
        Ok((root, height))
    }

    /// The node that the current superblock has at this place, if it has one.
    async fn old_node(
        &self,
        current: &Superblock,
        level: u32,
        number: u64,
    ) -> Result<Option<(PageRef, Rc<IndexNode>)>, StoreError> {
        let above = current.height.checked_sub(level);
        let (Some(above), true) = (above, current.root.slot.is_some()) else { return Ok(None) };
        if number >= FANOUT.saturating_pow(above) {
            return Ok(None);
        }
        let mut at = current.root;
        for step in (0..above).rev() {
            let on_the_way = number / FANOUT.pow(step + 1);
            let node = self.node(at, level + step + 1, on_the_way).await?;
            at = node.get((number / FANOUT.pow(step) % FANOUT) as usize);
            if !at.slot.is_some() {
                return Ok(None);
            }
        }
        Ok(Some((at, self.node(at, level, number).await?)))
    }

    /// A free slot; the file grows when there is none.
    async fn take_slot(&self) -> Result<Slot, StoreError> {
        self.slots.borrow_mut().free_up_to(self.unobserved_sequence());
        let taken = self.slots.borrow_mut().take();
        if let Some(slot) = taken {
            self.nodes.borrow_mut().remove(slot);
            return Ok(slot);
        }
        let count = self.slots.borrow().count();
        let more = (count / 8).clamp(MIN_GROWTH_SLOTS, MAX_GROWTH_SLOTS);
        let grown = count.checked_add(more).ok_or(StoreError::Full)?;
        self.device.grow(u64::from(grown) * PAGE_BYTES as u64).await?;
        let mut slots = self.slots.borrow_mut();
        slots.grow_to(grown);
        Ok(slots.take().expect("the file has just grown"))
    }

    /// Writes images, neighbouring slots together.
    async fn write_slots(&self, pages: &[(Slot, &[u8])]) -> Result<(), StoreError> {
        let mut rest = pages;
        while let Some((first, _)) = rest.first() {
            let neighbours = rest
                .iter()
                .take(RUN_PAGES)
                .enumerate()
                .take_while(|(at, (slot, _))| slot.get() as usize == first.get() as usize + at)
                .count();
            let images: Vec<&[u8]> = rest[..neighbours].iter().map(|(_, bytes)| *bytes).collect();
            self.write_run(*first, &images).await?;
            rest = &rest[neighbours..];
        }
        Ok(())
    }
}
