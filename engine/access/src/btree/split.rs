//! Splits, in two mini-transactions: the node and its new right sibling first, then the parent. In between, the left
//! one says so, everybody finds the right one by going right, and whoever wants to change the left one finishes the
//! split before (as nbtree since PostgreSQL 9.4). A crash in between is no special case.

use redoubt_buffer::{BlockNo, Mtr};
use redoubt_error::PgResult;
use redoubt_page::{Op, PAGE_BYTES, PatchTarget, SLOT_BYTES};

use crate::btree::node::{
    FIRST, INCOMPLETE_SPLIT, Node, inner_item, patch_flags, patch_links, separator, special_of,
};
use crate::btree::{AT_ROOT, BTree, encode_root, root_of};

/// Room for a split in an MTR: the right half as it is, and little else.
const SPLIT_BYTES: usize = 2 * PAGE_BYTES;

/// How full a split leaves the left node, in percent, when entries come in ascending order.
const ASCENDING_FILL: usize = 90;

impl BTree {
    /// Splits a node so that an item of `item_len` bytes for `key` fits after. Does nothing when that is no longer the
    /// right thing; the caller looks again in any case.
    pub(super) fn split(&self, block: BlockNo, key: &[u8], item_len: usize) -> PgResult<()> {
        let pin = self.pin(block)?;
        let (new_block, new_pin) = self.allocate()?;
        let mut mtr = self.pool().begin_mtr(2, SPLIT_BYTES)?;
        let left = mtr.latch(&pin);
        let node = Node::new(mtr.page(left))?;
        if node.is_left_of(key) || node.has_incomplete_split() || mtr.page(left).fits(item_len) {
            drop(mtr);
            self.give_back(new_block);
            return Ok(());
        }
        assert!(node.len() >= 2, "an entry is at most a third of a page");
        let at = split_point(node, key, item_len);
        let bound = match node.level() {
            0 => separator(node.leaf_key(at - 1), node.leaf_key(at)).to_vec(),
            _ => node.bound(at).to_vec(),
        };
        let (right, level) = (node.right(), node.level());
        let high = node.high().unwrap_or_default().to_vec();
        let moved: Vec<Vec<u8>> = (at..node.end()).map(|slot| node.item(slot).to_vec()).collect();

        let new = mtr.latch(&new_pin);
        mtr.change(
            new,
            &Op::Initialise {
                kind: redoubt_buffer::kinds::BTREE_NODE,
                special: &special_of(right, level, 0),
            },
        );
        for (slot, item) in std::iter::once(&high).chain(&moved).enumerate() {
            // A node has fewer items than a page has bytes; the cast is exact.
            mtr.change(new, &Op::InsertItem { slot: slot as u16, bytes: item, shift: false });
        }
        mtr.change(left, &Op::TruncateItems { from_slot: at });
        mtr.change(left, &Op::ReplaceItem { slot: 0, bytes: &bound });
        patch_links(new_block, level, INCOMPLETE_SPLIT, |op| mtr.change(left, op));
        mtr.commit();
        self.was_used(new_block);
        self.finish_split(block)
    }

    /// Tells the parent about the right sibling of a node that was split, unless somebody else has done so.
    pub(super) fn finish_split(&self, block: BlockNo) -> PgResult<()> {
        loop {
            let pin = self.pin(block)?;
            let (bound, right, level) = {
                let page = pin.read();
                let node = Node::new(&page)?;
                if !node.has_incomplete_split() {
                    return Ok(());
                }
                (node.high().unwrap_or_default().to_vec(), node.right(), node.level())
            };
            let (root, root_level) = self.reload_root()?;
            if root_level <= level {
                if root == block {
                    self.grow_root(block)?;
                } else {
                    // A right sibling of the root: the root's own split comes first.
                    self.finish_split(root)?;
                }
                continue;
            }
            if self.add_to_parent(block, &bound, right, level)? {
                return Ok(());
            }
        }
    }

    /// Puts the right sibling of `block` into the parent; false when something has to be done, or seen, first.
    fn add_to_parent(&self, block: BlockNo, bound: &[u8], right: BlockNo, level: u16) -> PgResult<bool> {
        let parent = self.find(bound, level + 1)?;
        let pin = self.pin(block)?;
        let item = inner_item(right, bound);
        let mut mtr = self.pool().begin_mtr(2, item.len() + 64)?;
        // From below to above, as everywhere.
        let left_page = mtr.latch(&pin);
        if !Node::new(mtr.page(left_page))?.has_incomplete_split() {
            return Ok(true);
        }
        let page = mtr.latch(&parent.pin);
        let node = Node::new(mtr.page(page))?;
        if node.is_left_of(bound) {
            return Ok(false);
        }
        if node.has_incomplete_split() {
            drop(mtr);
            self.finish_split(parent.block)?;
            return Ok(false);
        }
        if !mtr.page(page).fits(item.len()) {
            drop(mtr);
            self.split(parent.block, bound, item.len())?;
            return Ok(false);
        }
        let slot = node.lower_bound(bound);
        mtr.change(page, &Op::InsertItem { slot, bytes: &item, shift: true });
        clear_flag(&mut mtr, left_page);
        mtr.commit();
        Ok(true)
    }

    /// Puts a new root above a root that was split.
    fn grow_root(&self, old: BlockNo) -> PgResult<()> {
        let (pin, meta_pin) = (self.pin(old)?, self.pin_meta()?);
        let (new_block, new_pin) = self.allocate()?;
        let mut mtr = self.pool().begin_mtr(3, PAGE_BYTES)?;
        let left = mtr.latch(&pin);
        let new = mtr.latch(&new_pin);
        let meta = mtr.latch(&meta_pin);
        let node = Node::new(mtr.page(left))?;
        if !node.has_incomplete_split() || root_of(mtr.page(meta))?.0 != old {
            drop(mtr);
            self.give_back(new_block);
            return Ok(());
        }
        let level = node.level() + 1;
        let items =
            [Vec::new(), inner_item(old, &[]), inner_item(node.right(), node.high().unwrap_or_default())];
        let special = special_of(crate::btree::node::NONE, level, 0);
        mtr.change(new, &Op::Initialise { kind: redoubt_buffer::kinds::BTREE_NODE, special: &special });
        for (slot, item) in items.iter().enumerate() {
            mtr.change(new, &Op::InsertItem { slot: slot as u16, bytes: item, shift: false });
        }
        let bytes = encode_root(new_block, level);
        let target = PatchTarget::Special;
        mtr.change(meta, &Op::PatchBytes { target, offset: AT_ROOT as u16, bytes: &bytes });
        clear_flag(&mut mtr, left);
        mtr.commit();
        self.was_used(new_block);
        self.reload_root()?;
        Ok(())
    }
}

fn clear_flag(mtr: &mut Mtr<'_>, page: redoubt_buffer::Latched) {
    patch_flags(0, |op| mtr.change(page, op));
}

/// The first slot of the right half. Both halves get at least one entry; as far as possible they are equally full
/// with the new item, unless entries come in ascending order.
fn split_point(node: Node<'_>, key: &[u8], item_len: usize) -> u16 {
    let new_at = node.lower_bound(key);
    let size = |slot| node.item(slot).len() + SLOT_BYTES;
    let total: usize = (FIRST..node.end()).map(size).sum();
    let new = item_len + SLOT_BYTES;
    let ascending = node.high().is_none() && new_at == node.end();
    if ascending {
        let limit = PAGE_BYTES * ASCENDING_FILL / 100;
        let mut left = 0;
        for at in FIRST..node.end() {
            left += size(at);
            if left > limit {
                return at.max(FIRST + 1);
            }
        }
        return node.end() - 1;
    }
    let mut left = 0;
    let (mut best, mut best_fullest) = (FIRST + 1, usize::MAX);
    for at in FIRST + 1..node.end() {
        left += size(at - 1);
        let (left, right) = if new_at < at { (left + new, total - left) } else { (left, total - left + new) };
        if left.max(right) < best_fullest {
            (best, best_fullest) = (at, left.max(right));
        }
    }
    best
}
