//! Removing entries of dead rows, and nodes that have become empty.
//!
//! An empty leaf goes in one mini-transaction: its left neighbour points past it, and its parent gives its
//! range to the right sibling. It keeps its own right link, so whoever is on his way to it goes on from there; the
//! block is used again only when nobody can be on his way any more. The last child of a parent stays.

use redoubt_buffer::{BlockNo, PinnedPage};
use redoubt_error::PgResult;
use redoubt_page::{Op, PatchTarget};
use redoubt_txn::Horizon;

use crate::btree::BTree;
use crate::btree::descend::Found;
use crate::btree::node::{DELETED, FIRST, NONE, Node, patch_links, special_of};
use crate::tuple::Tid;

/// What a pass over an index found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexVacuum {
    /// Entries that stay.
    pub entries_left: u64,
    /// Entries that went.
    pub entries_removed: u64,
    /// Nodes taken out of the tree.
    pub pages_deleted: u32,
    /// Blocks that can be used again.
    pub pages_free: u32,
}

/// Entries removed in one MTR.
const BATCH: usize = 1000;

impl BTree {
    /// Removes the entries whose rows `is_dead` names, takes empty leaves out, and finds blocks to use again. One at a
    /// time per index.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    pub fn vacuum(&self, horizon: &Horizon, is_dead: &mut dyn FnMut(Tid) -> bool) -> PgResult<IndexVacuum> {
        let mut stats = IndexVacuum::default();
        let mut at = self.find(&[], 0)?;
        // A split moves entries only to the right, and empty leaves give their range to the right as well: following
        // right links from the first leaf meets every entry that was there at the start.
        loop {
            let right = self.vacuum_leaf(&at, is_dead, &mut stats)?;
            if right == NONE {
                break;
            }
            at = Found { block: right, pin: self.pin(right)? };
        }
        stats.pages_free = self.find_free_blocks(horizon)?;
        Ok(stats)
    }

    /// Cleans one leaf, and returns the next.
    fn vacuum_leaf(
        &self,
        leaf: &Found,
        is_dead: &mut dyn FnMut(Tid) -> bool,
        stats: &mut IndexVacuum,
    ) -> PgResult<BlockNo> {
        let mut dead = |node: Node<'_>| -> Vec<u16> {
            let slots = (FIRST..node.end()).filter(|&slot| is_dead(node.tid(slot)));
            slots.take(BATCH).collect()
        };
        let (any, right) = {
            let page = leaf.pin.read();
            let node = Node::new(&page)?;
            if node.is_deleted() {
                return Ok(node.right());
            }
            (!dead(node).is_empty(), node.right())
        };
        let mut is_empty = false;
        if any {
            let mut mtr = self.pool().begin_mtr(1, BATCH * 8)?;
            let page = mtr.latch(&leaf.pin);
            // Entries may have come and gone since.
            let slots = dead(Node::new(mtr.page(page))?);
            for &slot in slots.iter().rev() {
                mtr.change(page, &Op::DeleteItem { slot, shift: true });
            }
            stats.entries_removed += slots.len() as u64;
            stats.entries_left += u64::from(Node::new(mtr.page(page))?.len());
            is_empty = Node::new(mtr.page(page))?.len() == 0;
            mtr.commit();
        } else {
            let page = leaf.pin.read();
            let node = Node::new(&page)?;
            stats.entries_left += u64::from(node.len());
            is_empty |= node.len() == 0;
        }
        if is_empty && right != NONE && self.delete_leaf(leaf)? {
            stats.pages_deleted += 1;
        }
        // As it was before the leaf was cleaned: what a split has moved since then was looked at already, and new
        // entries are of living rows. But a split may have come between, so the link is read again.
        let page = leaf.pin.read();
        Ok(Node::new(&page)?.right())
    }

    /// Takes an empty leaf out of the tree, if it still is empty and its parent has a child behind it.
    fn delete_leaf(&self, leaf: &Found) -> PgResult<bool> {
        let Some(high) = self.high_of(&leaf.pin)? else { return Ok(false) };
        let (found, low) = self.find_before(Some(&high))?;
        if found.block != leaf.block || self.height() == 0 {
            return Ok(false);
        }
        let left = match &low {
            Some(low) => Some(self.find_before(Some(low))?.0),
            None => None,
        };
        let low = low.unwrap_or_default();
        let parent = self.find(&low, 1)?;
        let deleted_by = self.txns.next_xid();

        let mut mtr = self.pool().begin_mtr(3, 256 + high.len())?;
        let left_page = left.as_ref().map(|left| mtr.latch(&left.pin));
        let page = mtr.latch(&leaf.pin);
        let parent_page = mtr.latch(&parent.pin);
        let node = Node::new(mtr.page(page))?;
        let right = node.right();
        if node.len() > 0 || node.is_deleted() || node.has_incomplete_split() || right == NONE {
            return Ok(false);
        }
        if let Some(left_page) = left_page {
            let left_node = Node::new(mtr.page(left_page))?;
            let is_left = left_node.right() == leaf.block && left_node.high() == Some(&low[..]);
            if !is_left || left_node.is_deleted() || left_node.has_incomplete_split() {
                return Ok(false);
            }
        }
        let parent_node = Node::new(mtr.page(parent_page))?;
        let slot = parent_node.child_slot(&low);
        let has_both = slot + 1 < parent_node.end()
            && parent_node.child(slot) == leaf.block
            && parent_node.child(slot + 1) == right;
        if parent_node.is_left_of(&low) || !has_both {
            return Ok(false);
        }

        // The entry keeps its bound and leads to the right sibling; that one's own entry goes.
        let target = PatchTarget::Slot(slot);
        mtr.change(parent_page, &Op::PatchBytes { target, offset: 0, bytes: &right.to_le_bytes() });
        mtr.change(parent_page, &Op::DeleteItem { slot: slot + 1, shift: true });
        if let Some(left_page) = left_page {
            patch_links(right, 0, 0, |op| mtr.change(left_page, op));
        }
        let mut special = special_of(right, 0, DELETED);
        special[8..].copy_from_slice(&deleted_by.get().to_le_bytes());
        let target = PatchTarget::Special;
        mtr.change(page, &Op::PatchBytes { target, offset: 0, bytes: &special });
        mtr.commit();
        Ok(true)
    }

    fn high_of(&self, pin: &PinnedPage) -> PgResult<Option<Vec<u8>>> {
        let page = pin.read();
        Ok(Node::new(&page)?.high().map(<[u8]>::to_vec))
    }

    /// Looks at every block for nodes that nobody can be on his way to any more. Returns how many there are.
    fn find_free_blocks(&self, horizon: &Horizon) -> PgResult<u32> {
        for block in 1..self.nblocks() {
            let pin = self.pin(block)?;
            // Held while the page is read: a block that is taken now is not found by us, and one that was used
            // does not look free.
            let mut free = self.free.hold();
            let page = pin.read();
            let node = Node::new(&page)?;
            if (node.is_deleted() || node.is_free()) && node.deleted_by() < horizon.xmin() {
                free.found(block);
            }
        }
        Ok(self.free.len())
    }
}
