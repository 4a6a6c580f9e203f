//! Removing entries of dead rows, and leaves that have become empty.
//!
//! Vacuum walks as a search for everything does. An empty leaf goes in one mini-transaction with its parent's entry; it
//! keeps its split mark and right link, so whoever is on his way to it goes on from there, and the block is used again
//! only when nobody can be on his way any more. Keys above are not narrowed, and a node's last child stays.

use redoubt_buffer::{BlockNo, blocking};
use redoubt_error::PgResult;
use redoubt_page::{Op, PAGE_BYTES, PatchTarget};
use redoubt_txn::Horizon;

use crate::btree::IndexVacuum;
use crate::gist::node::{DELETED, Links, Node};
use crate::gist::search::{Visit, Walk};
use crate::gist::{Gist, ROOT};
use crate::tuple::Tid;

impl Gist {
    /// Removes the entries whose rows `is_dead` names, takes empty leaves out, and finds blocks to use again. One at a
    /// time per index.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    pub fn vacuum(&self, horizon: &Horizon, is_dead: &mut dyn FnMut(Tid) -> bool) -> PgResult<IndexVacuum> {
        let mut stats = IndexVacuum::default();
        let mut walk = Walk::new();
        let mut empty: Vec<BlockNo> = Vec::new();
        while let Some(visit) = walk.next(self)? {
            let left = match self.look(&mut walk, &visit, is_dead)? {
                Look::Nothing => continue,
                Look::Clean(entries) => entries,
                Look::Dead => self.clean(&mut walk, &visit, is_dead, &mut stats)?,
            };
            stats.entries_left += left;
            if left == 0 && visit.block != ROOT {
                empty.push(visit.block);
            }
        }
        if !empty.is_empty() {
            stats.pages_deleted = self.delete_leaves(&empty)?;
        }
        stats.pages_free = self.find_free_blocks(horizon)?;
        Ok(stats)
    }

    /// Enters a node, unless it is a leaf with dead rows' entries: that has to be latched exclusively.
    fn look(&self, walk: &mut Walk, visit: &Visit, is_dead: &mut dyn FnMut(Tid) -> bool) -> PgResult<Look> {
        let page = visit.pin.read();
        let node = Node::new(&page)?;
        if node.is_leaf() && (0..node.len()).any(|slot| is_dead(node.tid(slot))) {
            return Ok(Look::Dead);
        }
        let leaf = walk.enter(visit, &page, &mut |_| true)?;
        Ok(leaf.map_or(Look::Nothing, |leaf| Look::Clean(u64::from(leaf.len()))))
    }

    /// Enters a node and, if it is a leaf, removes dead rows' entries under the same latch; how many others there are.
    /// So nothing is split off in between and missed.
    fn clean(
        &self,
        walk: &mut Walk,
        visit: &Visit,
        is_dead: &mut dyn FnMut(Tid) -> bool,
        stats: &mut IndexVacuum,
    ) -> PgResult<u64> {
        let mut mtr = self.pool().begin_mtr(1, PAGE_BYTES)?;
        let page = mtr.latch(&visit.pin);
        // The root may have become an inner node; it is walked through then.
        let Some(leaf) = walk.enter(visit, mtr.page(page), &mut |_| true)? else { return Ok(1) };
        let dead: Vec<u16> = (0..leaf.len()).filter(|&slot| is_dead(leaf.tid(slot))).collect();
        let left = usize::from(leaf.len()) - dead.len();
        for &slot in dead.iter().rev() {
            mtr.change(page, &Op::DeleteItem { slot, shift: true });
        }
        mtr.commit();
        stats.entries_removed += dead.len() as u64;
        Ok(left as u64)
    }

    /// Takes leaves out of the tree that are empty still; how many.
    fn delete_leaves(&self, empty: &[BlockNo]) -> PgResult<u32> {
        let _structure = match self.structure.try_lock() {
            Some(guard) => guard,
            None => blocking(|| self.structure.lock()),
        };
        let mut deleted = 0;
        let mut inner = vec![ROOT];
        while let Some(block) = inner.pop() {
            let (level, children) = {
                let pin = self.pin(block)?;
                let page = pin.read();
                let node = Node::new(&page)?;
                let children: Vec<BlockNo> = (0..node.len()).map(|slot| node.child(slot)).collect();
                (node.links().level, children)
            };
            match level {
                0 => (),
                1 => {
                    for leaf in children.into_iter().filter(|child| empty.contains(child)) {
                        deleted += u32::from(self.delete_leaf(block, leaf)?);
                    }
                }
                _ => inner.extend(children),
            }
        }
        Ok(deleted)
    }

    /// Takes one leaf out; false if it has entries by now, or its parent no other child. The caller holds the structure.
    fn delete_leaf(&self, parent: BlockNo, leaf: BlockNo) -> PgResult<bool> {
        let (leaf_pin, parent_pin) = (self.pin(leaf)?, self.pin(parent)?);
        let deleted_by = self.txns.next_xid();
        let mut mtr = self.pool().begin_mtr(2, 256)?;
        let leaf_page = mtr.latch(&leaf_pin);
        let parent_page = mtr.latch(&parent_pin);
        let node = Node::new(mtr.page(leaf_page))?;
        let above = Node::new(mtr.page(parent_page))?;
        let slot = (0..above.len()).find(|&slot| above.child(slot) == leaf);
        let Some(slot) = slot.filter(|_| above.len() > 1 && node.len() == 0 && !node.is_deleted()) else {
            return Ok(false);
        };
        let special = Links { flags: DELETED, deleted_by, ..node.links() }.encode();
        mtr.change(leaf_page, &Op::PatchBytes { target: PatchTarget::Special, offset: 0, bytes: &special });
        mtr.change(parent_page, &Op::DeleteItem { slot, shift: true });
        mtr.commit();
        Ok(true)
    }

    /// Looks at every block for nodes that nobody can be on his way to any more. Returns how many there are.
    fn find_free_blocks(&self, horizon: &Horizon) -> PgResult<u32> {
        for block in ROOT + 1..self.nblocks() {
            let pin = self.pin(block)?;
            // Held while the page is read: a block that is taken now is not found by us, and one that was used does
            // not look free.
            let mut free = self.free.hold();
            let page = pin.read();
            let node = Node::new(&page)?;
            if node.is_deleted() && node.links().deleted_by < horizon.xmin() {
                free.found(block);
            }
        }
        Ok(self.free.len())
    }
}

/// What vacuum sees on a node.
enum Look {
    /// It is no leaf.
    Nothing,
    /// A leaf with this many entries, all of living rows.
    Clean(u64),
    /// A leaf with dead rows' entries.
    Dead,
}
