//! Changing pages. The writer, the nodes and the readers all come through here.
//!
//! Everything is a pure function of the page's bytes and the operation: no clock, no I/O, no allocation, so that
//! nodes at the same LSN hold identical bytes. The one place where an implementation could be tempted to
//! differ, the packing of items, happens at a point and in an order that the bytes alone decide.

use crate::ids::{Lsn, PageId};
use crate::op::{Op, PatchTarget};
use crate::page::{
    AT_CHECKSUM, AT_FREE_END, AT_FREE_START, AT_GARBAGE, AT_KIND, AT_LSN, AT_PAGE_ID, AT_SLOT_COUNT,
    AT_SPECIAL_START, AT_UNUSED_SLOTS, AT_VERSION, MAX_SPECIAL_BYTES, PAGE_BYTES, PAGE_HEADER_BYTES,
    PAGE_VERSION, Page, PageError, SLOT_BYTES,
};
use crate::record::RecordRef;

/// What [`apply`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The page is now at the record's LSN.
    Done,
    /// The page was at or above it already; nothing was changed.
    AlreadyIn,
}

/// Why a page cannot take a change. The page is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The record belongs to another page.
    #[error("record for page {record_page} applied to page {page}")]
    WrongPage {
        /// The page at hand.
        page: PageId,
        /// The page in the record's header, or in a full image.
        record_page: u64,
    },
    /// The record was made for another version of the page.
    #[error("record {lsn} follows {prev_page_lsn} on page {page}, which is at {page_lsn}")]
    ChainBroken {
        /// The page.
        page: PageId,
        /// The version at hand.
        page_lsn: Lsn,
        /// The record.
        lsn: Lsn,
        /// The version the record was made for.
        prev_page_lsn: Lsn,
    },
    /// Only an initialisation or a full image makes a page out of nothing.
    #[error("the page is not initialised")]
    NotInitialised,
    /// The slot lies beyond those there are, or beyond where one may be added.
    #[error("slot {slot} of a page with {slot_count}")]
    NoSuchSlot {
        /// What was asked for.
        slot: u16,
        /// How many there are.
        slot_count: u16,
    },
    /// The operation needs an item, and the slot holds none.
    #[error("slot {0} is unused")]
    SlotUnused(u16),
    /// The operation needs an unused slot, and there is an item.
    #[error("slot {0} is in use")]
    SlotInUse(u16),
    /// Not enough space, even after packing.
    #[error("{needed_bytes} bytes needed, {available_bytes} available")]
    NoSpace {
        /// Item and slot.
        needed_bytes: usize,
        /// What packing would make available.
        available_bytes: usize,
    },
    /// A patch that ends outside its target.
    #[error("patch of bytes {start}..{end} in {len_bytes}")]
    PatchOutside {
        /// The first byte.
        start: usize,
        /// One past the last byte.
        end: usize,
        /// The target's length.
        len_bytes: usize,
    },
    /// A special area longer than a page has room for.
    #[error("a special area of {0} bytes")]
    SpecialTooLong(usize),
    /// The page, or a full image, contradicts itself.
    #[error("{0}")]
    Damaged(#[from] PageError),
}

/// Applies a record: checks that it belongs here, applies its operations, and moves the page's LSN.
///
/// # Errors
/// [`ApplyError`]; the page is then unchanged, even if an operation in the middle was the one refused.
pub fn apply(page: &mut Page, record: &RecordRef<'_>) -> Result<Applied, ApplyError> {
    let header = record.header();
    if page.page_id() != header.page_id {
        return Err(ApplyError::WrongPage { page: page.page_id(), record_page: header.page_id.get() });
    }
    let page_lsn = page.lsn();
    if page_lsn >= header.lsn {
        return Ok(Applied::AlreadyIn);
    }
    if page_lsn != header.prev_page_lsn {
        return Err(ApplyError::ChainBroken {
            page: header.page_id,
            page_lsn,
            lsn: header.lsn,
            prev_page_lsn: header.prev_page_lsn,
        });
    }
    let mut ops = record.ops();
    let first = ops.next().expect("a decoded record has an operation");
    if ops.is_empty() {
        apply_op(page, &first)?;
    } else {
        // One operation is atomic by itself. For several, keep the page to go back to: a copy on the stack
        // costs about as much as one operation, and a half-applied page would pass every later check.
        let before: [u8; PAGE_BYTES] = *page.bytes();
        if let Err(error) = apply_op(page, &first).and_then(|()| ops.try_for_each(|op| apply_op(page, &op))) {
            *page.bytes_mut() = before;
            return Err(error);
        }
    }
    finish(page, header.lsn);
    Ok(Applied::Done)
}

/// Moves the page to `lsn`, after the operations of that record were applied one by one.
///
/// # Panics
/// When the page is at or above `lsn`, or not initialised: whoever assigned the LSN got the order wrong.
pub fn finish(page: &mut Page, lsn: Lsn) {
    assert!(page.lsn() < lsn, "page {} is at {} and cannot go to {lsn}", page.page_id(), page.lsn());
    assert!(page.is_initialised(), "page {} goes to {lsn} and is not initialised", page.page_id());
    page.put_u64(AT_LSN, lsn.get());
    page.put_u32(AT_CHECKSUM, 0);
}

/// Applies one operation. The page's LSN stays; [`finish`] moves it.
///
/// # Errors
/// [`ApplyError`]; the page is then unchanged.
pub fn apply_op(page: &mut Page, op: &Op<'_>) -> Result<(), ApplyError> {
    match *op {
        Op::Initialise { kind, special } => initialise(page, kind.get(), special),
        Op::InsertItem { slot, bytes, shift } => insert_item(page, slot, bytes, shift),
        Op::ReplaceItem { slot, bytes } => replace_item(page, slot, bytes),
        Op::DeleteItem { slot, shift } => delete_item(page, slot, shift),
        Op::PatchBytes { target, offset, bytes } => patch_bytes(page, target, offset, bytes),
        Op::TruncateItems { from_slot } => truncate_items(page, from_slot),
        Op::Compact => {
            let mut space = Space::load(page)?;
            space.compact(page, None)?;
            space.store(page);
            Ok(())
        }
        Op::FullImage { bytes } => full_image(page, bytes),
    }
}

fn initialise(page: &mut Page, kind: u8, special: &[u8]) -> Result<(), ApplyError> {
    if special.len() > MAX_SPECIAL_BYTES {
        return Err(ApplyError::SpecialTooLong(special.len()));
    }
    let special_start = PAGE_BYTES - special.len();
    let bytes = page.bytes_mut();
    let (lsn, page_id) = (AT_LSN..AT_LSN + 8, AT_PAGE_ID..AT_PAGE_ID + 8);
    bytes[..lsn.start].fill(0);
    bytes[page_id.end..special_start].fill(0);
    bytes[special_start..].copy_from_slice(special);
    bytes[AT_VERSION] = PAGE_VERSION;
    bytes[AT_KIND] = kind;
    page.put_u16(AT_SPECIAL_START, to_u16(special_start));
    Space::empty(special_start).store(page);
    Ok(())
}

fn insert_item(page: &mut Page, slot: u16, item: &[u8], shift: bool) -> Result<(), ApplyError> {
    let mut space = Space::load(page)?;
    let index = usize::from(slot);
    if index > space.slot_count {
        return Err(space.no_such_slot(slot));
    }
    let reuse = !shift && index < space.slot_count;
    if reuse && space.slot(page, index)?.is_some() {
        return Err(ApplyError::SlotInUse(slot));
    }
    if reuse {
        space.unused_slots = space.unused_slots.checked_sub(1).ok_or(COUNTERS)?;
    }
    space.make_room(page, item.len() + if reuse { 0 } else { SLOT_BYTES }, None)?;
    if !reuse {
        let at = PAGE_HEADER_BYTES + index * SLOT_BYTES;
        page.bytes_mut().copy_within(at..space.free_start, at + SLOT_BYTES);
        space.set_slot_count(space.slot_count + 1);
    }
    space.place(page, index, item);
    space.store(page);
    Ok(())
}

fn replace_item(page: &mut Page, slot: u16, item: &[u8]) -> Result<(), ApplyError> {
    let mut space = Space::load(page)?;
    let (offset, old_len) = space.item(page, slot)?;
    let index = usize::from(slot);
    if item.len() <= old_len {
        // The freed tail stays behind the item as garbage; the item does not move.
        space.garbage =
            space.garbage.checked_add(old_len - item.len()).filter(|&g| g <= PAGE_BYTES).ok_or(COUNTERS)?;
        page.bytes_mut()[offset..offset + item.len()].copy_from_slice(item);
        let offset = if item.is_empty() { space.special_start } else { offset };
        put_slot(page, index, offset, item.len());
    } else {
        space.release(offset, old_len)?;
        space.make_room(page, item.len(), Some(index))?;
        space.place(page, index, item);
    }
    space.store(page);
    Ok(())
}

fn delete_item(page: &mut Page, slot: u16, shift: bool) -> Result<(), ApplyError> {
    let mut space = Space::load(page)?;
    let (offset, len) = space.item(page, slot)?;
    space.release(offset, len)?;
    let at = PAGE_HEADER_BYTES + usize::from(slot) * SLOT_BYTES;
    if shift {
        page.bytes_mut().copy_within(at + SLOT_BYTES..space.free_start, at);
        space.set_slot_count(space.slot_count - 1);
    } else {
        page.bytes_mut()[at..at + SLOT_BYTES].fill(0);
        space.unused_slots += 1;
    }
    space.trim(page);
    space.store(page);
    Ok(())
}

fn patch_bytes(page: &mut Page, target: PatchTarget, offset: u16, patch: &[u8]) -> Result<(), ApplyError> {
    let space = Space::load(page)?;
    let (target_start, len_bytes) = match target {
        PatchTarget::Slot(slot) => space.item(page, slot)?,
        PatchTarget::Special => (space.special_start, PAGE_BYTES - space.special_start),
    };
    let start = usize::from(offset);
    let end = start + patch.len();
    if end > len_bytes {
        return Err(ApplyError::PatchOutside { start, end, len_bytes });
    }
    page.bytes_mut()[target_start + start..target_start + end].copy_from_slice(patch);
    Ok(())
}

fn truncate_items(page: &mut Page, from_slot: u16) -> Result<(), ApplyError> {
    let mut space = Space::load(page)?;
    let first = usize::from(from_slot);
    if first > space.slot_count {
        return Err(space.no_such_slot(from_slot));
    }
    for index in first..space.slot_count {
        match space.slot(page, index)? {
            Some((offset, len)) => space.release(offset, len)?,
            None => space.unused_slots = space.unused_slots.checked_sub(1).ok_or(COUNTERS)?,
        }
    }
    space.set_slot_count(first);
    space.trim(page);
    space.store(page);
    Ok(())
}

fn full_image(page: &mut Page, image: &[u8; PAGE_BYTES]) -> Result<(), ApplyError> {
    let before: [u8; PAGE_BYTES] = *page.bytes();
    let (page_id, lsn) = (page.page_id(), page.lsn());
    page.bytes_mut().copy_from_slice(image);
    let sound = page.check_number(page_id).and_then(|()| page.validate());
    if sound.is_err() || !page.is_initialised() {
        *page.bytes_mut() = before;
        return Err(sound.map_or_else(ApplyError::Damaged, |()| ApplyError::NotInitialised));
    }
    page.put_u64(AT_LSN, lsn.get());
    page.put_u32(AT_CHECKSUM, 0);
    Ok(())
}

const COUNTERS: ApplyError = ApplyError::Damaged(PageError::Structure("counters"));

/// The header's numbers about space, loaded and checked once per operation, stored once at its end.
///
/// An operation works on this copy and fails before it writes to the page; that is how it stays atomic.
struct Space {
    slot_count: usize,
    unused_slots: usize,
    free_start: usize,
    free_end: usize,
    special_start: usize,
    garbage: usize,
}

impl Space {
    const fn empty(special_start: usize) -> Self {
        Self {
            slot_count: 0,
            unused_slots: 0,
            free_start: PAGE_HEADER_BYTES,
            free_end: special_start,
            special_start,
            garbage: 0,
        }
    }

    #[inline]
    fn load(page: &Page) -> Result<Self, ApplyError> {
        let version = page.bytes()[AT_VERSION];
        if version != PAGE_VERSION {
            return Err(if version == 0 {
                ApplyError::NotInitialised
            } else {
                PageError::Version(version).into()
            });
        }
        let field = |at| usize::from(page.u16_at(at));
        let space = Self {
            slot_count: field(AT_SLOT_COUNT),
            unused_slots: field(AT_UNUSED_SLOTS),
            free_start: field(AT_FREE_START),
            free_end: field(AT_FREE_END),
            special_start: field(AT_SPECIAL_START),
            garbage: field(AT_GARBAGE),
        };
        let ordered = space.free_start == PAGE_HEADER_BYTES + space.slot_count * SLOT_BYTES
            && space.free_start <= space.free_end
            && space.free_end <= space.special_start
            && space.special_start <= PAGE_BYTES
            && space.garbage <= space.special_start - space.free_end
            && space.unused_slots <= space.slot_count;
        if ordered { Ok(space) } else { Err(PageError::Structure("boundaries").into()) }
    }

    #[inline]
    fn store(&self, page: &mut Page) {
        page.put_u16(AT_SLOT_COUNT, to_u16(self.slot_count));
        page.put_u16(AT_UNUSED_SLOTS, to_u16(self.unused_slots));
        page.put_u16(AT_FREE_START, to_u16(self.free_start));
        page.put_u16(AT_FREE_END, to_u16(self.free_end));
        page.put_u16(AT_GARBAGE, to_u16(self.garbage));
    }

    fn no_such_slot(&self, slot: u16) -> ApplyError {
        ApplyError::NoSuchSlot { slot, slot_count: to_u16(self.slot_count) }
    }

    fn set_slot_count(&mut self, slot_count: usize) {
        self.slot_count = slot_count;
        self.free_start = PAGE_HEADER_BYTES + slot_count * SLOT_BYTES;
    }

    /// Where the item of a slot below the slot count is, or nothing when the slot is unused.
    #[inline]
    fn slot(&self, page: &Page, index: usize) -> Result<Option<(usize, usize)>, ApplyError> {
        debug_assert!(index < self.slot_count, "callers check the slot");
        let (offset, len) = page.slot_at(to_u16(index)).ok_or(PageError::Structure("slot array"))?;
        if offset == 0 {
            return Ok(None);
        }
        if offset < self.free_end || offset + len > self.special_start {
            return Err(PageError::Structure("an item lies outside the items").into());
        }
        Ok(Some((offset, len)))
    }

    /// Where the item of any slot is; an error when there is none.
    #[inline]
    fn item(&self, page: &Page, slot: u16) -> Result<(usize, usize), ApplyError> {
        if usize::from(slot) >= self.slot_count {
            return Err(self.no_such_slot(slot));
        }
        self.slot(page, usize::from(slot))?.ok_or(ApplyError::SlotUnused(slot))
    }

    /// Gives an item's bytes back: to the free space when they border on it, else to the garbage.
    #[inline]
    fn release(&mut self, offset: usize, len: usize) -> Result<(), ApplyError> {
        if offset == self.free_end {
            self.free_end += len;
        } else {
            self.garbage += len;
        }
        // Only overlapping items can free more bytes than there are.
        if self.garbage > self.special_start - self.free_end { Err(COUNTERS) } else { Ok(()) }
    }

    /// Makes `needed_bytes` contiguously free, packing only when there is no other way. The slot `without`, whose
    /// item has been released, is left out of the packing.
    #[inline]
    fn make_room(
        &mut self,
        page: &mut Page,
        needed_bytes: usize,
        without: Option<usize>,
    ) -> Result<(), ApplyError> {
        let contiguous = self.free_end - self.free_start;
        if needed_bytes <= contiguous {
            return Ok(());
        }
        let available_bytes = contiguous + self.garbage;
        if needed_bytes > available_bytes {
            return Err(ApplyError::NoSpace { needed_bytes, available_bytes });
        }
        self.compact(page, without)
    }

    /// Packs the items against the special area, in slot order from the page's end, and clears the rest.
    ///
    /// Clearing keeps deleted rows from outliving a compaction, and images compressible.
    #[inline(never)]
    fn compact(&mut self, page: &mut Page, without: Option<usize>) -> Result<(), ApplyError> {
        let mut live_bytes = 0;
        for index in (0..self.slot_count).filter(|&index| Some(index) != without) {
            live_bytes += self.slot(page, index)?.map_or(0, |(_, len)| len);
        }
        // Exact unless items overlap or the counters are wrong; either would make nodes differ from here on.
        if live_bytes + self.garbage != self.special_start - self.free_end {
            return Err(COUNTERS);
        }
        let mut packed = [0; PAGE_BYTES];
        let mut end = self.special_start;
        for index in (0..self.slot_count).filter(|&index| Some(index) != without) {
            if let Some((offset, len)) = self.slot(page, index)? {
                end -= len;
                packed[end..end + len].copy_from_slice(&page.bytes()[offset..offset + len]);
                put_slot(page, index, if len == 0 { self.special_start } else { end }, len);
            }
        }
        page.bytes_mut()[self.free_start..self.special_start]
            .copy_from_slice(&packed[self.free_start..self.special_start]);
        self.free_end = end;
        self.garbage = 0;
        Ok(())
    }

    /// Writes an item into the free space, which has room, and points its slot there.
    #[inline]
    fn place(&mut self, page: &mut Page, index: usize, item: &[u8]) {
        self.free_end -= item.len();
        debug_assert!(self.free_start <= self.free_end, "room was made");
        page.bytes_mut()[self.free_end..self.free_end + item.len()].copy_from_slice(item);
        // An item without bytes could be passed by the free space when its neighbours go, and would then
        // seem to lie outside the items; at their end it cannot.
        put_slot(page, index, if item.is_empty() { self.special_start } else { self.free_end }, item.len());
    }

    /// Drops unused slots from the array's end; a page without slots has all its space back.
    #[inline]
    fn trim(&mut self, page: &Page) {
        while self.slot_count > 0 && matches!(page.slot_at(to_u16(self.slot_count - 1)), Some((0, _))) {
            self.set_slot_count(self.slot_count - 1);
            // Saturating, because a damaged page must not panic; `load` bounds the counter again.
            self.unused_slots = self.unused_slots.saturating_sub(1);
        }
        if self.slot_count == 0 {
            *self = Self::empty(self.special_start);
        }
    }
}

#[inline]
fn put_slot(page: &mut Page, index: usize, offset: usize, len: usize) {
    let at = PAGE_HEADER_BYTES + index * SLOT_BYTES;
    let (offset, len) = (to_u16(offset).to_le_bytes(), to_u16(len).to_le_bytes());
    page.bytes_mut()[at..at + SLOT_BYTES].copy_from_slice(&[offset[0], offset[1], len[0], len[1]]);
}

/// Offsets, lengths and counts within a page are at most [`PAGE_BYTES`]; the cast is exact.
#[inline]
fn to_u16(value: usize) -> u16 {
    debug_assert!(value <= PAGE_BYTES, "{value} is not within a page");
    value as u16
}
