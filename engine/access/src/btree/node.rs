//! What lies on a node's page.
//!
//! ```text
//! special   0 u32 right sibling (0: none), 4 u16 level (0: leaf), 6 u16 flags, 8 u64 deleting transaction
//! slot 0    high key: the lower bound of the right sibling; empty on the rightmost node of a level
//! slots 1.. leaf: u16 length, key and place (that many bytes), payload
//!           inner: u32 child, then the lower bound of what is below it; empty on a level's first entry
//! ```
//!
//! Every key on a node is at or above its lower bound and below its high key. Bounds are cut to as few
//! bytes as tell the two sides apart.

use std::cmp::Ordering;

use redoubt_buffer::fields::{u16_at, u32_at, u64_at};
use redoubt_buffer::{BlockNo, kinds};
use redoubt_error::PgResult;
use redoubt_page::{Op, Page, PatchTarget};
use redoubt_txn::Xid;

use crate::btree::{TID_BYTES, corrupted, tid_of};
use crate::tuple::Tid;

pub(super) const SPECIAL_BYTES: usize = 16;
/// No sibling: block 0 is the meta page.
pub(super) const NONE: BlockNo = 0;

/// The node was taken out of the tree; whoever comes here goes right.
pub(super) const DELETED: u16 = 1;
/// The parent does not know the right sibling yet.
pub(super) const INCOMPLETE_SPLIT: u16 = 2;
/// The block has never been a node, or is one no more.
pub(super) const FREE: u16 = 4;

/// The first slot behind the high key.
pub(super) const FIRST: u16 = 1;

const AT_FLAGS: u16 = 6;

/// A node's special area.
pub(super) fn special_of(right: BlockNo, level: u16, flags: u16) -> [u8; SPECIAL_BYTES] {
    let mut special = [0; SPECIAL_BYTES];
    special[..4].copy_from_slice(&right.to_le_bytes());
    special[4..6].copy_from_slice(&level.to_le_bytes());
    special[6..8].copy_from_slice(&flags.to_le_bytes());
    special
}

/// The special area of a block that is not in use; `since` is the number given out next.
pub(super) fn special_of_free(since: Xid) -> [u8; SPECIAL_BYTES] {
    let mut special = special_of(NONE, 0, FREE);
    special[8..].copy_from_slice(&since.get().to_le_bytes());
    special
}

/// A page read as a node.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    page: &'a Page,
}

impl<'a> Node<'a> {
    #[inline]
    pub(super) fn new(page: &'a Page) -> PgResult<Self> {
        if page.kind() != kinds::BTREE_NODE || page.special().len() != SPECIAL_BYTES {
            return Err(corrupted(page, "it is not a B-tree node"));
        }
        Ok(Self { page })
    }

    /// The right sibling, or [`NONE`].
    pub(super) fn right(self) -> BlockNo {
        u32_at(self.page.special(), 0)
    }

    /// 0 for leaves.
    #[inline]
    pub(super) fn level(self) -> u16 {
        u16_at(self.page.special(), 4)
    }

    fn flags(self) -> u16 {
        u16_at(self.page.special(), usize::from(AT_FLAGS))
    }

    #[inline]
    pub(super) fn is_deleted(self) -> bool {
        self.flags() & DELETED != 0
    }

    pub(super) fn is_free(self) -> bool {
        self.flags() & FREE != 0
    }

    pub(super) fn has_incomplete_split(self) -> bool {
        self.flags() & INCOMPLETE_SPLIT != 0
    }

    /// No transaction from here on can have learnt of the node while it was in the tree.
    pub(super) fn deleted_by(self) -> Xid {
        Xid::new(u64_at(self.page.special(), 8))
    }

    /// The lower bound of the right sibling; nothing on the rightmost node.
    #[inline]
    pub(super) fn high(self) -> Option<&'a [u8]> {
        self.page.item(0).filter(|high| !high.is_empty())
    }

    /// Whether `key` belongs to a node further right.
    #[inline]
    pub(super) fn is_left_of(self, key: &[u8]) -> bool {
        self.is_deleted() || self.high().is_some_and(|high| key >= high)
    }

    /// Whether the last entry below `key` (nothing: the last of all) lies further right.
    pub(super) fn is_passed_by(self, key: Option<&[u8]>) -> bool {
        self.is_deleted() || self.high().is_some_and(|high| key.is_none_or(|key| high < key))
    }

    /// One past the last slot.
    #[inline]
    pub(super) fn end(self) -> u16 {
        self.page.slot_count()
    }

    /// How many entries there are.
    pub(super) fn len(self) -> u16 {
        self.end().saturating_sub(FIRST)
    }

    pub(super) fn item(self, slot: u16) -> &'a [u8] {
        self.page.item(slot).unwrap_or(&[])
    }

    /// The key and place of a leaf's entry.
    #[inline]
    pub(super) fn leaf_key(self, slot: u16) -> &'a [u8] {
        split_leaf_item(self.item(slot)).0
    }

    /// The place of a leaf's entry.
    pub(super) fn tid(self, slot: u16) -> Tid {
        let key = self.leaf_key(slot);
        if key.len() < TID_BYTES { Tid::INVALID } else { tid_of(key) }
    }

    /// The child of an inner entry.
    pub(super) fn child(self, slot: u16) -> BlockNo {
        self.item(slot).first_chunk().map_or(NONE, |bytes| u32::from_le_bytes(*bytes))
    }

    /// The lower bound of an inner entry.
    #[inline]
    pub(super) fn bound(self, slot: u16) -> &'a [u8] {
        self.item(slot).get(4..).unwrap_or(&[])
    }

    #[inline]
    fn key(self, slot: u16) -> &'a [u8] {
        if self.level() == 0 { self.leaf_key(slot) } else { self.bound(slot) }
    }

    /// The first slot whose key is at or above `key`; [`Node::end`] when all are below.
    #[inline]
    pub(super) fn lower_bound(self, key: &[u8]) -> u16 {
        let (mut low, mut high) = (FIRST, self.end().max(FIRST));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle).cmp(key) == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The slot of the child where `key` is: the last whose bound is at or below it.
    #[inline]
    pub(super) fn child_slot(self, key: &[u8]) -> u16 {
        let slot = self.lower_bound(key);
        let is_exact = slot < self.end() && self.bound(slot) == key;
        if is_exact { slot } else { slot.saturating_sub(1).max(FIRST) }
    }

    /// The slot of the child where the last key below `key` is, if there is one.
    pub(super) fn child_slot_before(self, key: &[u8]) -> u16 {
        self.lower_bound(key).saturating_sub(1).max(FIRST)
    }
}

/// A leaf's item: key with place, and payload.
#[inline]
pub(super) fn split_leaf_item(item: &[u8]) -> (&[u8], &[u8]) {
    match item.split_first_chunk::<2>() {
        Some((len, rest)) => {
            rest.split_at_checked(usize::from(u16::from_le_bytes(*len))).unwrap_or((rest, &[]))
        }
        None => (&[], &[]),
    }
}

/// Makes a leaf's item.
pub(super) fn leaf_item(full_key: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(full_key.len()).expect("the length was checked");
    let mut item = Vec::with_capacity(2 + full_key.len() + payload.len());
    item.extend_from_slice(&len.to_le_bytes());
    item.extend_from_slice(full_key);
    item.extend_from_slice(payload);
    item
}

/// Makes an inner node's item.
pub(super) fn inner_item(child: BlockNo, bound: &[u8]) -> Vec<u8> {
    let mut item = Vec::with_capacity(4 + bound.len());
    item.extend_from_slice(&child.to_le_bytes());
    item.extend_from_slice(bound);
    item
}

/// The shortest bytes above `left` and at or below `right`: a bound between the two.
pub(super) fn separator<'a>(left: &[u8], right: &'a [u8]) -> &'a [u8] {
    debug_assert!(left < right, "entries are different and in order");
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    &right[..(common + 1).min(right.len())]
}

/// Sets a node's right sibling and flags.
pub(super) fn patch_links(right: BlockNo, level: u16, flags: u16, apply: impl FnOnce(&Op<'_>)) {
    let special = special_of(right, level, flags);
    apply(&Op::PatchBytes { target: PatchTarget::Special, offset: 0, bytes: &special[..8] });
}

/// Sets a node's flags.
pub(super) fn patch_flags(flags: u16, apply: impl FnOnce(&Op<'_>)) {
    apply(&Op::PatchBytes { target: PatchTarget::Special, offset: AT_FLAGS, bytes: &flags.to_le_bytes() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_as_short_as_can_be() {
        for (left, right, expect) in [
            ("a", "b", "b"),
            ("abcd", "abxy", "abx"),
            ("ab", "abc", "abc"),
            ("abc", "abd", "abd"),
            ("", "zzz", "z"),
        ] {
            let found = separator(left.as_bytes(), right.as_bytes());
            assert_eq!(found, expect.as_bytes());
            assert!(left.as_bytes() < found && found <= right.as_bytes());
        }
    }
}
