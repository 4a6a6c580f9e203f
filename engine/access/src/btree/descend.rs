//! Finding nodes. One latch at a time, and none while a page is fetched: a node that was split meanwhile is found by
//! going right, as Lehman and Yao have it.

use redoubt_buffer::{BlockNo, PinnedPage};
use redoubt_error::{PgError, PgResult, code};

use crate::btree::node::{NONE, Node};
use crate::btree::{BTree, corrupted};

/// A node that was found, not latched.
pub(super) struct Found {
    pub(super) block: BlockNo,
    pub(super) pin: PinnedPage,
}

impl BTree {
    /// The node at `level` where `key` belongs.
    pub(super) fn find(&self, key: &[u8], level: u16) -> PgResult<Found> {
        let mut block = self.root_for(level)?;
        loop {
            let pin = self.pin(block)?;
            let page = pin.read();
            let node = Node::new(&page)?;
            if node.is_left_of(key) {
                block = right_of(node, &page)?;
            } else if node.level() > level {
                block = node.child(node.child_slot(key));
            } else if node.level() == level {
                drop(page);
                return Ok(Found { block, pin });
            } else {
                return Err(corrupted(&page, "a level is missing above it"));
            }
        }
    }

    /// The leaf with the last entry below `key` (nothing: the last of all), if there is one, and that leaf's lower
    /// bound (nothing: it is the first). Whatever is below `key` and not on it is below the bound.
    pub(super) fn find_before(&self, key: Option<&[u8]>) -> PgResult<(Found, Option<Vec<u8>>)> {
        let mut block = self.root_for(0)?;
        let mut bound = Vec::new();
        loop {
            let pin = self.pin(block)?;
            let page = pin.read();
            let node = Node::new(&page)?;
            if node.is_passed_by(key) {
                // What a deleted node had between its bounds belongs to its right sibling now.
                if !node.is_deleted() {
                    bound = node.high().unwrap_or_default().to_vec();
                }
                block = right_of(node, &page)?;
            } else if node.level() > 0 {
                let slot = match key {
                    Some(key) => node.child_slot_before(key),
                    None => node.end() - 1,
                };
                // The first child of a node starts where the node does.
                if !node.bound(slot).is_empty() {
                    bound = node.bound(slot).to_vec();
                }
                block = node.child(slot);
            } else {
                drop(page);
                return Ok((Found { block, pin }, (!bound.is_empty()).then_some(bound)));
            }
        }
    }

    /// Where to start looking for a node at `level`.
    fn root_for(&self, level: u16) -> PgResult<BlockNo> {
        let (block, root_level) = self.cached_root();
        if root_level >= level {
            return Ok(block);
        }
        let (block, root_level) = self.reload_root()?;
        if root_level >= level {
            return Ok(block);
        }
        Err(PgError::new(code::INDEX_CORRUPTED, format!("an index has no level {level}, only {root_level}")))
    }
}

/// The right sibling of a node that has one.
pub(super) fn right_of(node: Node<'_>, page: &redoubt_page::Page) -> PgResult<BlockNo> {
    match node.right() {
        NONE => Err(corrupted(page, "it has no right sibling")),
        right => Ok(right),
    }
}
