//! The slotted page: its layout, and reading it. What changes a page is in `apply.rs`.
//!
//! `docs/page-format.md` draws the layout. All integers are little endian.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use crate::checksum::page_checksum;
use crate::ids::{Lsn, PageId, PageKind};

/// The unit of reading, caching and checksumming.
pub const PAGE_BYTES: usize = 8192;
/// The header before the slot array.
pub const PAGE_HEADER_BYTES: usize = 40;
/// One slot: the item's offset and length, `u16` each; offset 0 marks a slot that holds nothing.
pub const SLOT_BYTES: usize = 4;
/// The longest special area, which leaves no room for items.
pub const MAX_SPECIAL_BYTES: usize = PAGE_BYTES - PAGE_HEADER_BYTES;
/// The longest item: the only one of a page without a special area.
pub const MAX_ITEM_BYTES: usize = MAX_SPECIAL_BYTES - SLOT_BYTES;
/// The layout written by this version; 0 marks a page that was never initialised.
pub const PAGE_VERSION: u8 = 1;

pub(crate) const AT_CHECKSUM: usize = 0;
pub(crate) const AT_VERSION: usize = 4;
pub(crate) const AT_KIND: usize = 5;
pub(crate) const AT_FLAGS: usize = 6;
pub(crate) const AT_LSN: usize = 8;
pub(crate) const AT_PAGE_ID: usize = 16;
pub(crate) const AT_SLOT_COUNT: usize = 24;
pub(crate) const AT_FREE_START: usize = 26;
pub(crate) const AT_FREE_END: usize = 28;
pub(crate) const AT_SPECIAL_START: usize = 30;
pub(crate) const AT_GARBAGE: usize = 32;
pub(crate) const AT_UNUSED_SLOTS: usize = 34;
pub(crate) const AT_RESERVED: usize = 36;

/// What is wrong with a page's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not 8 KiB.
    #[error("a page has {PAGE_BYTES} bytes, not {0}")]
    Length(usize),
    /// The checksum does not match: rot, or a torn write.
    #[error("page checksum mismatch: stored {stored:#010x}, computed {computed:#010x}")]
    Checksum {
        /// What the page holds.
        stored: u32,
        /// What its bytes sum to.
        computed: u32,
    },
    /// Another page's bytes: a misdirected write or read.
    #[error("page {found} found where page {wanted} should be")]
    WrongPage {
        /// The page that was asked for.
        wanted: PageId,
        /// The number in the bytes.
        found: u64,
    },
    /// A layout this version does not know.
    #[error("unknown page layout version {0}")]
    Version(u8),
    /// The header's numbers contradict each other or the slots.
    #[error("page structure damaged: {0}")]
    Structure(&'static str),
}

/// One page in memory, owning its 8 KiB. Two pages are equal when their bytes are.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    bytes: Box<[u8; PAGE_BYTES]>,
}

impl Page {
    /// A page that no record has touched: LSN 0, not initialised.
    pub fn absent(page_id: PageId) -> Self {
        let mut page = Self { bytes: zeroed() };
        page.put_u64(AT_PAGE_ID, page_id.get());
        page
    }

    /// Takes bytes as they are; call [`Page::verify`] or [`Page::unseal`] when they come from a disk or a peer.
    pub fn from_box(bytes: Box<[u8; PAGE_BYTES]>) -> Self {
        Self { bytes }
    }

    /// Copies bytes as they are; call [`Page::verify`] or [`Page::unseal`] when they come from a disk or a peer.
    ///
    /// # Errors
    /// [`PageError::Length`] when there are not exactly 8 KiB.
    pub fn from_slice(image: &[u8]) -> Result<Self, PageError> {
        if image.len() != PAGE_BYTES {
            return Err(PageError::Length(image.len()));
        }
        let mut bytes = zeroed();
        bytes.copy_from_slice(image);
        Ok(Self { bytes })
    }

    /// Overwrites this page with another without allocating.
    pub fn copy_from(&mut self, other: &Self) {
        self.bytes.copy_from_slice(&other.bytes[..]);
    }

    /// The same contents under another page's number, for an [`crate::Op::FullImage`] of a copied page.
    pub fn relabelled(&self, page_id: PageId) -> Self {
        let mut copy = self.clone();
        copy.put_u64(AT_PAGE_ID, page_id.get());
        copy.put_u32(AT_CHECKSUM, 0);
        copy
    }

    /// The whole image.
    pub fn bytes(&self) -> &[u8; PAGE_BYTES] {
        &self.bytes
    }

    /// Gives up the image.
    pub fn into_box(self) -> Box<[u8; PAGE_BYTES]> {
        self.bytes
    }

    /// The last record applied; [`Lsn::ZERO`] when none was.
    #[inline]
    pub fn lsn(&self) -> Lsn {
        Lsn::new(self.u64_at(AT_LSN))
    }

    /// The page's number.
    #[inline]
    pub fn page_id(&self) -> PageId {
        // The mask keeps damaged bytes from panicking here; `verify` reports them.
        PageId::new(self.u64_at(AT_PAGE_ID) & PageId::MAX.get())
    }

    /// What the engine keeps here.
    #[inline]
    pub fn kind(&self) -> PageKind {
        PageKind::new(self.bytes[AT_KIND])
    }

    /// Whether an [`crate::Op::Initialise`] or [`crate::Op::FullImage`] has been applied.
    #[inline]
    pub fn is_initialised(&self) -> bool {
        self.bytes[AT_VERSION] != 0
    }

    /// How many slots there are, unused ones included.
    #[inline]
    pub fn slot_count(&self) -> u16 {
        self.u16_at(AT_SLOT_COUNT)
    }

    /// How many of the slots hold nothing.
    #[inline]
    pub fn unused_slot_count(&self) -> u16 {
        self.u16_at(AT_UNUSED_SLOTS)
    }

    /// The item in `slot`; nothing when the slot is unused, does not exist, or points outside the page.
    #[inline]
    pub fn item(&self, slot: u16) -> Option<&[u8]> {
        if slot >= self.slot_count() {
            return None;
        }
        let (offset, len) = self.slot_at(slot)?;
        if offset < PAGE_HEADER_BYTES { None } else { self.bytes.get(offset..offset + len) }
    }

    /// The items in slot order, with their slots; unused slots are skipped.
    pub fn items(&self) -> impl Iterator<Item = (u16, &[u8])> {
        (0..self.slot_count()).filter_map(|slot| Some((slot, self.item(slot)?)))
    }

    /// The special area at the end of the page; empty when the page is not initialised.
    #[inline]
    pub fn special(&self) -> &[u8] {
        if !self.is_initialised() {
            return &[];
        }
        self.bytes.get(usize::from(self.u16_at(AT_SPECIAL_START))..).unwrap_or(&[])
    }

    /// Bytes between the slot array and the items.
    #[inline]
    pub fn free_bytes(&self) -> usize {
        usize::from(self.u16_at(AT_FREE_END).saturating_sub(self.u16_at(AT_FREE_START)))
    }

    /// Bytes that would be free after a compaction.
    #[inline]
    pub fn reclaimable_free_bytes(&self) -> usize {
        self.free_bytes() + usize::from(self.u16_at(AT_GARBAGE))
    }

    /// Whether an item of `len` bytes and a slot for it fit, possibly after a compaction, which the
    /// insertion then does by itself.
    #[inline]
    pub fn fits(&self, len: usize) -> bool {
        self.is_initialised() && len.saturating_add(SLOT_BYTES) <= self.reclaimable_free_bytes()
    }

    /// The lowest slot that holds nothing, if there is one below the slot count. Costs nothing when there is none.
    pub fn first_unused_slot(&self) -> Option<u16> {
        if self.unused_slot_count() == 0 {
            return None;
        }
        (0..self.slot_count()).find(|&slot| matches!(self.slot_at(slot), Some((0, _))))
    }

    /// Writes the checksum; the last step before the image leaves memory.
    ///
    /// # Panics
    /// When the page is not `page_id`: the caller is about to write it to the wrong place.
    pub fn seal(&mut self, page_id: PageId) {
        assert_eq!(self.page_id(), page_id, "a page is sealed under its own number");
        let checksum = page_checksum(&self.bytes);
        self.put_u32(AT_CHECKSUM, checksum);
    }

    /// Checks a sealed image: checksum, page number, layout version, header.
    ///
    /// # Errors
    /// The first thing found wrong. A caller repairs from a peer; it never treats the page as absent.
    pub fn verify(&self, page_id: PageId) -> Result<(), PageError> {
        let (stored, computed) = (self.u32_at(AT_CHECKSUM), page_checksum(&self.bytes));
        if stored != computed {
            return Err(PageError::Checksum { stored, computed });
        }
        self.check_number(page_id)?;
        self.check_header()
    }

    /// [`Page::verify`], then back to the form in memory, whose checksum field is zero.
    ///
    /// # Errors
    /// As [`Page::verify`]; the page is unchanged then.
    pub fn unseal(&mut self, page_id: PageId) -> Result<(), PageError> {
        self.verify(page_id)?;
        self.put_u32(AT_CHECKSUM, 0);
        Ok(())
    }

    /// Checks everything that the bytes say about themselves, except the checksum: the header, every
    /// slot, that no two items overlap, and that the free-space counters are exact.
    ///
    /// # Errors
    /// [`PageError::Version`] or [`PageError::Structure`].
    pub fn validate(&self) -> Result<(), PageError> {
        self.check_header()?;
        if !self.is_initialised() {
            return Ok(());
        }
        let (free_end, special_start) = (self.u16_at(AT_FREE_END), self.u16_at(AT_SPECIAL_START));
        let (mut live_bytes, mut unused) = (0usize, 0u16);
        let mut taken = [0u64; PAGE_BYTES / 64];
        for slot in 0..self.slot_count() {
            let (offset, len) = self.slot_at(slot).ok_or(PageError::Structure("slot array"))?;
            if offset == 0 {
                if len != 0 {
                    return Err(PageError::Structure("an unused slot has a length"));
                }
                unused += 1;
                continue;
            }
            if offset < usize::from(free_end) || offset + len > usize::from(special_start) {
                return Err(PageError::Structure("an item lies outside the items"));
            }
            if len == 0 && offset != usize::from(special_start) {
                return Err(PageError::Structure("an empty item is not at the items' end"));
            }
            for at in offset..offset + len {
                let (word, bit) = (&mut taken[at / 64], 1u64 << (at % 64));
                if *word & bit != 0 {
                    return Err(PageError::Structure("two items overlap"));
                }
                *word |= bit;
            }
            live_bytes += len;
        }
        if unused != self.unused_slot_count() {
            return Err(PageError::Structure("unused slot count"));
        }
        if self.slot_count() > 0 && matches!(self.slot_at(self.slot_count() - 1), Some((0, _))) {
            return Err(PageError::Structure("the last slot is unused"));
        }
        if live_bytes + usize::from(self.u16_at(AT_GARBAGE)) != usize::from(special_start - free_end) {
            return Err(PageError::Structure("garbage count"));
        }
        Ok(())
    }

    pub(crate) fn check_number(&self, page_id: PageId) -> Result<(), PageError> {
        let found = self.u64_at(AT_PAGE_ID);
        if found == page_id.get() { Ok(()) } else { Err(PageError::WrongPage { wanted: page_id, found }) }
    }

    /// The header alone: known version, and boundaries in their order.
    fn check_header(&self) -> Result<(), PageError> {
        match self.bytes[AT_VERSION] {
            0 => {
                // A page that was never initialised has nothing but its number.
                let number = AT_PAGE_ID..AT_PAGE_ID + 8;
                let blank = self
                    .bytes
                    .iter()
                    .enumerate()
                    .skip(AT_VERSION)
                    .all(|(at, &byte)| byte == 0 || number.contains(&at));
                if blank { Ok(()) } else { Err(PageError::Structure("contents before initialisation")) }
            }
            PAGE_VERSION => {
                let [slots, start, end, special, garbage] =
                    [AT_SLOT_COUNT, AT_FREE_START, AT_FREE_END, AT_SPECIAL_START, AT_GARBAGE]
                        .map(|at| usize::from(self.u16_at(at)));
                if start != PAGE_HEADER_BYTES + slots * SLOT_BYTES {
                    return Err(PageError::Structure("end of the slot array"));
                }
                if !(start <= end && end <= special && special <= PAGE_BYTES) {
                    return Err(PageError::Structure("boundaries out of order"));
                }
                if garbage > special - end || usize::from(self.unused_slot_count()) > slots {
                    return Err(PageError::Structure("counters"));
                }
                if self.u16_at(AT_FLAGS) != 0 || self.u32_at(AT_RESERVED) != 0 {
                    return Err(PageError::Structure("reserved bits"));
                }
                Ok(())
            }
            other => Err(PageError::Version(other)),
        }
    }

    /// The raw slot: offset (0 when unused) and length. `slot` must be below the slot count of a sound page.
    #[inline]
    pub(crate) fn slot_at(&self, slot: u16) -> Option<(usize, usize)> {
        let at = PAGE_HEADER_BYTES + usize::from(slot) * SLOT_BYTES;
        let bytes = self.bytes.get(at..at + SLOT_BYTES)?;
        let offset = u16::from_le_bytes([bytes[0], bytes[1]]);
        let len = u16::from_le_bytes([bytes[2], bytes[3]]);
        Some((usize::from(offset), usize::from(len)))
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; PAGE_BYTES] {
        &mut self.bytes
    }

    #[inline]
    pub(crate) fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    #[inline]
    pub(crate) fn put_u16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn u32_at(&self, at: usize) -> u32 {
        let mut field = [0; 4];
        field.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(field)
    }

    pub(crate) fn put_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn u64_at(&self, at: usize) -> u64 {
        let mut field = [0; 8];
        field.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_le_bytes(field)
    }

    #[inline]
    pub(crate) fn put_u64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("page_id", &self.page_id())
            .field("lsn", &self.lsn())
            .field("kind", &self.kind())
            .field("slots", &self.slot_count())
            .field("free_bytes", &self.free_bytes())
            .finish_non_exhaustive()
    }
}

/// Zeroes on the heap directly, without 8 KiB of stack in unoptimised builds.
fn zeroed() -> Box<[u8; PAGE_BYTES]> {
    match vec![0; PAGE_BYTES].into_boxed_slice().try_into() {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("the vector was made with the page's length"),
    }
}
