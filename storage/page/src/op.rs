//! The closed set of page operations and their encoded form.
//!
//! Adding one is a format change: a node that does not know an operation cannot make its page.

use alloc::vec::Vec;

use crate::ids::PageKind;
use crate::page::{MAX_ITEM_BYTES, MAX_SPECIAL_BYTES, PAGE_BYTES};
use crate::varint::{DecodeError, Reader, put_varint};

/// Where a [`Op::PatchBytes`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchTarget {
    /// Into the item of this slot.
    Slot(u16),
    /// Into the special area.
    Special,
}

/// One change to one page. Borrows its bytes from whoever builds it or from the encoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// The whole page becomes empty, of this kind, with this special area.
    Initialise {
        /// What the engine will keep here.
        kind: PageKind,
        /// The special area, at most [`MAX_SPECIAL_BYTES`]; its length is fixed until the next initialisation.
        special: &'a [u8],
    },
    /// Adds an item.
    InsertItem {
        /// Its slot: with `shift` at most the slot count; without, an unused slot or the slot count.
        slot: u16,
        /// The item; may be empty.
        bytes: &'a [u8],
        /// Whether the slots from `slot` on move up by one (B-tree) or must not be in the way (heap).
        shift: bool,
    },
    /// Gives an item new bytes: in place when they are no longer than the old ones, else moved.
    ReplaceItem {
        /// A slot in use.
        slot: u16,
        /// The new item.
        bytes: &'a [u8],
    },
    /// Removes an item. Unused slots at the end of the array go as well, whatever made them so.
    DeleteItem {
        /// A slot in use.
        slot: u16,
        /// Whether the slots above move down by one, or `slot` stays, unused.
        shift: bool,
    },
    /// Overwrites some bytes of an item or of the special area; lengths do not change.
    PatchBytes {
        /// What to write into.
        target: PatchTarget,
        /// The first byte to overwrite, counted from the target's start.
        offset: u16,
        /// What to write; must end within the target.
        bytes: &'a [u8],
    },
    /// Drops the items of all slots from this one on (a B-tree split's left half).
    TruncateItems {
        /// The new slot count, at most the old one.
        from_slot: u16,
    },
    /// Packs the items and clears the space between. Slot numbers do not change.
    Compact,
    /// Replaces the whole page. The image carries the same page number; its LSN and checksum do not count.
    FullImage {
        /// A sound image, see [`crate::Page::validate`].
        bytes: &'a [u8; PAGE_BYTES],
    },
}

const TAG_INITIALISE: u8 = 1;
const TAG_INSERT: u8 = 2;
const TAG_REPLACE: u8 = 3;
const TAG_DELETE: u8 = 4;
const TAG_PATCH: u8 = 5;
const TAG_TRUNCATE: u8 = 6;
const TAG_COMPACT: u8 = 7;
const TAG_FULL_IMAGE: u8 = 8;
/// Added to a tag: `shift` of an insertion or deletion, the special area of a patch.
const TAG_VARIANT: u8 = 0x10;

impl<'a> Op<'a> {
    /// Appends the encoded form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Op::Initialise { kind, special } => {
                out.push(TAG_INITIALISE);
                out.push(kind.get());
                put_slice(out, special);
            }
            Op::InsertItem { slot, bytes, shift } => {
                out.push(TAG_INSERT | if shift { TAG_VARIANT } else { 0 });
                put_varint(out, u64::from(slot));
                put_slice(out, bytes);
            }
            Op::ReplaceItem { slot, bytes } => {
                out.push(TAG_REPLACE);
                put_varint(out, u64::from(slot));
                put_slice(out, bytes);
            }
            Op::DeleteItem { slot, shift } => {
                out.push(TAG_DELETE | if shift { TAG_VARIANT } else { 0 });
                put_varint(out, u64::from(slot));
            }
            Op::PatchBytes { target, offset, bytes } => {
                match target {
                    PatchTarget::Slot(slot) => {
                        out.push(TAG_PATCH);
                        put_varint(out, u64::from(slot));
                    }
                    PatchTarget::Special => out.push(TAG_PATCH | TAG_VARIANT),
                }
                put_varint(out, u64::from(offset));
                put_slice(out, bytes);
            }
            Op::TruncateItems { from_slot } => {
                out.push(TAG_TRUNCATE);
                put_varint(out, u64::from(from_slot));
            }
            Op::Compact => out.push(TAG_COMPACT),
            Op::FullImage { bytes } => {
                out.push(TAG_FULL_IMAGE);
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Reads one operation off the front.
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        const SHIFTED_INSERT: u8 = TAG_INSERT | TAG_VARIANT;
        const SHIFTED_DELETE: u8 = TAG_DELETE | TAG_VARIANT;
        const SPECIAL_PATCH: u8 = TAG_PATCH | TAG_VARIANT;
        let tag = reader.byte()?;
        Ok(match tag {
            TAG_INITIALISE => Op::Initialise {
                kind: PageKind::new(reader.byte()?),
                special: reader.slice("special area length", MAX_SPECIAL_BYTES)?,
            },
            TAG_INSERT | SHIFTED_INSERT => Op::InsertItem {
                slot: reader.u16("slot")?,
                bytes: item(reader)?,
                shift: tag == SHIFTED_INSERT,
            },
            TAG_REPLACE => Op::ReplaceItem { slot: reader.u16("slot")?, bytes: item(reader)? },
            TAG_DELETE | SHIFTED_DELETE => {
                Op::DeleteItem { slot: reader.u16("slot")?, shift: tag == SHIFTED_DELETE }
            }
            TAG_PATCH | SPECIAL_PATCH => Op::PatchBytes {
                target: if tag == SPECIAL_PATCH {
                    PatchTarget::Special
                } else {
                    PatchTarget::Slot(reader.u16("slot")?)
                },
                offset: reader.u16("patch offset")?,
                bytes: reader.slice("patch length", MAX_SPECIAL_BYTES)?,
            },
            TAG_TRUNCATE => Op::TruncateItems { from_slot: reader.u16("slot")? },
            TAG_COMPACT => Op::Compact,
            TAG_FULL_IMAGE => Op::FullImage {
                bytes: reader.take(PAGE_BYTES)?.try_into().map_err(|_| DecodeError::Truncated)?,
            },
            other => return Err(DecodeError::UnknownOp(other)),
        })
    }
}

/// The encoded operations of one record to be, appended one after the other into one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpsBuf {
    bytes: Vec<u8>,
}

impl OpsBuf {
    /// An empty buffer, which allocates at its first operation.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// An empty buffer with room for `capacity_bytes`.
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity_bytes) }
    }

    /// Takes encoded operations, checking each.
    ///
    /// # Errors
    /// What is wrong with the first bytes that are not an operation.
    pub fn from_encoded(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        Ops::checked(&bytes)?;
        Ok(Self { bytes })
    }

    /// Appends one operation.
    ///
    /// # Panics
    /// When an item or special area is longer than a page can hold; such an operation could not be applied.
    pub fn push(&mut self, op: &Op<'_>) {
        op.encode(&mut self.bytes);
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoded length; a record takes up to [`crate::MAX_OPS_BYTES`].
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The encoded operations.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The operations, in order.
    pub fn iter(&self) -> Ops<'_> {
        Ops::trusted(&self.bytes)
    }

    /// Forgets the operations and keeps the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl<'a> IntoIterator for &'a OpsBuf {
    type Item = Op<'a>;
    type IntoIter = Ops<'a>;

    fn into_iter(self) -> Ops<'a> {
        self.iter()
    }
}

/// The operations of a record, in order. Exists only over bytes that were checked or that we encoded.
#[derive(Clone, Debug)]
pub struct Ops<'a> {
    reader: Reader<'a>,
}

impl<'a> Ops<'a> {
    /// Walks all operations once, so that iterating later cannot fail.
    pub(crate) fn checked(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            Op::decode(&mut reader)?;
        }
        Ok(Self::trusted(bytes))
    }

    /// Over bytes that [`Ops::checked`] has accepted before.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes) }
    }

    /// Whether no operation is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    #[inline]
    fn next(&mut self) -> Option<Op<'a>> {
        if self.reader.is_empty() {
            return None;
        }
        Some(Op::decode(&mut self.reader).expect("the operations were checked when they were taken in"))
    }
}

fn item<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    reader.slice("item length", MAX_ITEM_BYTES)
}

fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    assert!(bytes.len() <= MAX_SPECIAL_BYTES, "nothing on a page has {} bytes", bytes.len());
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
