//! What lies on a node's page.
//!
//! ```text
//! special   0 u32 right sibling (0: none), 4 u16 level (0: leaf), 6 u16 flags, 8 u64 split mark,
//!           16 u64 deleting transaction
//! slots     leaf: u32 block and u16 slot of the row, then its key
//!           inner: u32 child, u16 0, then the key of what is below it
//! ```
//!
//! The split mark is above the LSN that the parent's page had before the node was split last: whoever read the parent
//! then, and comes only now, goes right as well.

use redoubt_buffer::fields::{u16_at, u32_at, u64_at};
use redoubt_buffer::{BlockNo, kinds};
use redoubt_error::PgResult;
use redoubt_page::Page;
use redoubt_txn::Xid;

use crate::gist::corrupted;
use crate::tuple::Tid;

pub(super) const SPECIAL_BYTES: usize = 24;
/// No sibling: block 0 is the root.
pub(super) const NONE: BlockNo = 0;
/// The node was taken out of the tree.
pub(super) const DELETED: u16 = 1;
/// The block has never been a node, or is one no more.
pub(super) const FREE: u16 = 4;
/// Bytes of an item before its key.
pub(super) const POINTER_BYTES: usize = 6;

/// A node's special area, apart from its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) right: BlockNo,
    pub(super) level: u16,
    pub(super) flags: u16,
    /// See above.
    pub(super) split_mark: u64,
    /// The number given out next when the node was deleted.
    pub(super) deleted_by: Xid,
}

impl Links {
    /// Of a node that was never split.
    pub(super) fn at_level(level: u16) -> Links {
        Links { right: NONE, level, flags: 0, split_mark: 0, deleted_by: Xid::INVALID }
    }

    pub(super) fn encode(self) -> [u8; SPECIAL_BYTES] {
        let mut special = [0; SPECIAL_BYTES];
        special[..4].copy_from_slice(&self.right.to_le_bytes());
        special[4..6].copy_from_slice(&self.level.to_le_bytes());
        special[6..8].copy_from_slice(&self.flags.to_le_bytes());
        special[8..16].copy_from_slice(&self.split_mark.to_le_bytes());
        special[16..].copy_from_slice(&self.deleted_by.get().to_le_bytes());
        special
    }
}

/// A page read as a node.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    page: &'a Page,
}

impl<'a> Node<'a> {
    pub(super) fn new(page: &'a Page) -> PgResult<Self> {
        if page.kind() != kinds::GIST_NODE || page.special().len() != SPECIAL_BYTES {
            return Err(corrupted(page, "it is not a node of a generalized search tree"));
        }
        Ok(Self { page })
    }

    pub(super) fn links(self) -> Links {
        let special = self.page.special();
        Links {
            right: u32_at(special, 0),
            level: u16_at(special, 4),
            flags: u16_at(special, 6),
            split_mark: u64_at(special, 8),
            deleted_by: Xid::new(u64_at(special, 16)),
        }
    }

    pub(super) fn is_leaf(self) -> bool {
        self.links().level == 0
    }

    pub(super) fn is_deleted(self) -> bool {
        self.links().flags & (DELETED | FREE) != 0
    }

    /// The right sibling, if it was split off since the parent was read, when its page had this LSN.
    pub(super) fn split_since(self, parent_lsn: u64) -> Option<BlockNo> {
        let links = self.links();
        (links.split_mark > parent_lsn && links.right != NONE).then_some(links.right)
    }

    pub(super) fn len(self) -> u16 {
        self.page.slot_count()
    }

    pub(super) fn item(self, slot: u16) -> &'a [u8] {
        self.page.item(slot).unwrap_or(&[])
    }

    pub(super) fn items(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |slot| self.item(slot))
    }

    pub(super) fn key(self, slot: u16) -> &'a [u8] {
        key_of(self.item(slot))
    }

    pub(super) fn child(self, slot: u16) -> BlockNo {
        self.item(slot).first_chunk().map_or(NONE, |bytes| u32::from_le_bytes(*bytes))
    }

    pub(super) fn tid(self, slot: u16) -> Tid {
        match self.item(slot).first_chunk::<POINTER_BYTES>() {
            Some([a, b, c, d, e, f]) => {
                Tid::new(u32::from_le_bytes([*a, *b, *c, *d]), u16::from_le_bytes([*e, *f]))
            }
            None => Tid::INVALID,
        }
    }
}

/// The key of an item.
pub(super) fn key_of(item: &[u8]) -> &[u8] {
    item.get(POINTER_BYTES..).unwrap_or(&[])
}

/// Makes a leaf's item.
pub(super) fn leaf_item(tid: Tid, key: &[u8]) -> Vec<u8> {
    pointer(tid.block, tid.slot, key)
}

/// Makes an inner node's item.
pub(super) fn inner_item(child: BlockNo, key: &[u8]) -> Vec<u8> {
    pointer(child, 0, key)
}

fn pointer(block: u32, slot: u16, key: &[u8]) -> Vec<u8> {
    let mut item = Vec::with_capacity(POINTER_BYTES + key.len());
    item.extend_from_slice(&block.to_le_bytes());
    item.extend_from_slice(&slot.to_le_bytes());
    item.extend_from_slice(key);
    item
}
