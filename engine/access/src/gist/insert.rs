//! Insertion: down to the leaf where a key does least harm.
//!
//! Where every key on the way stands for the new one already, and the leaf has room, the leaf alone is changed, and
//! many may do so at once. Everything else is done by one at a time, in one mini-transaction from the leaf up to the
//! last node that changes (`split.rs`).

use redoubt_buffer::{BlockNo, PinnedPage, blocking};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::Op;

use crate::gist::keys::{GistColumns, is_better, united};
use crate::gist::node::{Node, leaf_item};
use crate::gist::{Gist, MAX_GIST_ENTRY_BYTES, ROOT, corrupted};
use crate::tuple::Tid;

/// A node on the way down.
pub(super) struct Step {
    pub(super) block: BlockNo,
    pub(super) pin: PinnedPage,
    /// The LSN of the parent's page when the way led here from it.
    pub(super) parent_lsn: u64,
    /// The slot that leads further down; meaningless on the leaf.
    pub(super) slot: u16,
    /// Whether that slot's key stands for the new one already.
    pub(super) covers: bool,
}

impl Gist {
    /// Inserts an entry: a row's place under its key ([`crate::gist_key`]). Leaves are split when they would have less
    /// than `spare_bytes` left, so that an index that is being built leaves room for what comes later.
    ///
    /// # Errors
    /// `54000` when the entry is too long, `XX002` when the index is damaged, or what the volume says.
    pub fn insert(&self, columns: &GistColumns, key: &[u8], tid: Tid, spare_bytes: usize) -> PgResult<()> {
        let item = leaf_item(tid, key);
        if item.len() > MAX_GIST_ENTRY_BYTES {
            let bytes = item.len();
            let message =
                format!("index row size {bytes} exceeds maximum {MAX_GIST_ENTRY_BYTES} of GiST indexes");
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        if self.insert_into_leaf(columns, key, &item, spare_bytes)? {
            return Ok(());
        }
        let _structure = match self.structure.try_lock() {
            Some(guard) => guard,
            None => blocking(|| self.structure.lock()),
        };
        self.insert_with_structure(columns, key, &item, spare_bytes)
    }

    /// Changes the leaf alone; false if that does not do.
    fn insert_into_leaf(
        &self,
        columns: &GistColumns,
        key: &[u8],
        item: &[u8],
        spare_bytes: usize,
    ) -> PgResult<bool> {
        let Some(path) = self.descend(columns, key)? else { return Ok(false) };
        let (leaf, inner) = path.split_last().expect("the way ends on a leaf");
        if !inner.iter().all(|step| step.covers) {
            return Ok(false);
        }
        let mut mtr = self.pool().begin_mtr(1, item.len() + 16)?;
        let page = mtr.latch(&leaf.pin);
        let node = Node::new(mtr.page(page))?;
        // A leaf that was split since may have a narrower key by now. The root may have become an inner node.
        let is_same = !node.is_deleted() && node.is_leaf() && node.split_since(leaf.parent_lsn).is_none();
        if !is_same || !mtr.page(page).fits(item.len() + spare_bytes) {
            return Ok(false);
        }
        let slot = node.len();
        mtr.change(page, &Op::InsertItem { slot, bytes: item, shift: true });
        mtr.commit();
        Ok(true)
    }

    /// The way down, from the root to a leaf; nothing if it was changed on the way.
    pub(super) fn descend(&self, columns: &GistColumns, key: &[u8]) -> PgResult<Option<Vec<Step>>> {
        let (mut block, mut parent_lsn, mut level) = (ROOT, u64::MAX, None);
        let mut path = Vec::new();
        loop {
            let pin = self.pin(block)?;
            let page = pin.read();
            let node = Node::new(&page)?;
            if node.is_deleted() || node.split_since(parent_lsn).is_some() {
                return Ok(None);
            }
            let links = node.links();
            if level.is_some_and(|above: u16| links.level + 1 != above) {
                return Err(corrupted(&page, "it is not on the level below its parent's"));
            }
            let lsn = page.lsn().get();
            if links.level == 0 {
                drop(page);
                path.push(Step { block, pin, parent_lsn, slot: 0, covers: true });
                return Ok(Some(path));
            }
            let slot =
                best_child(columns, node, key).ok_or_else(|| corrupted(&page, "it has no children"))?;
            let covers = united(columns, node.key(slot), key) == node.key(slot);
            let child = node.child(slot);
            drop(page);
            path.push(Step { block, pin, parent_lsn, slot, covers });
            (block, parent_lsn, level) = (child, lsn, Some(links.level));
        }
    }
}

/// The child where the key does least harm.
fn best_child(columns: &GistColumns, node: Node<'_>, key: &[u8]) -> Option<u16> {
    (0..node.len()).reduce(|best, slot| match is_better(columns, node.key(slot), node.key(best), key) {
        true => slot,
        false => best,
    })
}
