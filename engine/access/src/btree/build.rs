//! Building an index from entries in order: leaves from left to right, each written once, and the levels above as
//! they fill.

use std::sync::Arc;

use redoubt_buffer::{BlockNo, PinnedPage, kinds};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, PAGE_BYTES, PAGE_HEADER_BYTES, PatchTarget, SLOT_BYTES};

use crate::btree::insert::Entry;
use crate::btree::node::{NONE, SPECIAL_BYTES, inner_item, separator, special_of, split_leaf_item};
use crate::btree::{AT_ROOT, BTree, encode_root};
use crate::tuple::Tid;

/// How full leaves are made, in percent, as in PostgreSQL.
const LEAF_FILL: usize = 90;
/// Bytes for items, their slots, and the high key.
const CAPACITY: usize = PAGE_BYTES - PAGE_HEADER_BYTES - SPECIAL_BYTES - SLOT_BYTES;
/// The child's number before an inner item's bound.
const CHILD_BYTES: usize = 4;
/// How full inner nodes are made.
const INNER_FILL: usize = 70;

/// Fills a new index. Nobody else uses it meanwhile.
pub struct BulkBuilder {
    tree: Arc<BTree>,
    /// From the leaves up: the node of each level that is being filled.
    levels: Vec<Filling>,
    leaf_fill: usize,
    last: Vec<u8>,
}

struct Filling {
    block: BlockNo,
    pin: PinnedPage,
    items: Vec<Vec<u8>>,
    bytes: usize,
}

impl Filling {
    fn new((block, pin): (BlockNo, PinnedPage)) -> Self {
        Self { block, pin, items: Vec::new(), bytes: 0 }
    }
}

impl BulkBuilder {
    /// Starts filling a tree that has just been created. `fillfactor` is that of the leaves, in percent.
    ///
    /// # Errors
    /// What the volume says.
    pub fn new(tree: Arc<BTree>, fillfactor: Option<u8>) -> PgResult<Self> {
        let (root, level) = tree.cached_root();
        assert_eq!(level, 0, "only a new index is filled");
        let leaf = Filling::new((root, tree.pin(root)?));
        assert_eq!(leaf.pin.read().slot_count(), 1, "only an empty index is filled");
        let leaf_fill = fillfactor.map_or(LEAF_FILL, |percent| usize::from(percent.clamp(10, 100)));
        Ok(Self { tree, levels: vec![leaf], leaf_fill, last: Vec::new() })
    }

    /// Adds an entry, which comes behind all that were added before: by key, and by place where keys are equal.
    ///
    /// # Errors
    /// `54000` when the entry is too long, or what the volume says.
    ///
    /// # Panics
    /// When the order is wrong.
    pub fn add(&mut self, key: &[u8], tid: Tid, payload: &[u8]) -> PgResult<()> {
        let entry = Entry::new(key, tid, payload)?;
        assert!(self.last < entry.full, "entries are added in order");
        if self.is_full(0, entry.item.len()) {
            let bound = separator(&self.last, &entry.full).to_vec();
            self.close(0, &bound)?;
        }
        self.push(0, entry.item);
        self.last = entry.full;
        Ok(())
    }

    /// Writes what is left, and makes the tree usable.
    ///
    /// # Errors
    /// What the volume says.
    pub fn finish(self) -> PgResult<()> {
        let top = self.levels.len() - 1;
        for level in 0..=top {
            self.write(level, NONE, &[])?;
        }
        let level = u16::try_from(top).map_err(|_| PgError::new(code::INTERNAL_ERROR, "too many levels"))?;
        let root = self.levels[top].block;
        let meta_pin = self.tree.pin_meta()?;
        let mut mtr = self.tree.pool().begin_mtr(1, 64)?;
        let meta = mtr.latch(&meta_pin);
        let bytes = encode_root(root, level);
        let target = PatchTarget::Special;
        mtr.change(meta, &Op::PatchBytes { target, offset: AT_ROOT as u16, bytes: &bytes });
        mtr.commit();
        self.tree.remember_root(root, level);
        for filling in &self.levels {
            self.tree.was_used(filling.block);
        }
        Ok(())
    }

    fn push(&mut self, level: usize, item: Vec<u8>) {
        let filling = &mut self.levels[level];
        filling.bytes += item.len() + SLOT_BYTES;
        filling.items.push(item);
    }

    fn is_full(&self, level: usize, item_len: usize) -> bool {
        let fill = CAPACITY * if level == 0 { self.leaf_fill } else { INNER_FILL } / 100;
        let filling = &self.levels[level];
        filling.bytes + item_len + SLOT_BYTES > fill && filling.items.len() >= 2
    }

    /// Writes the node being filled on `level`, whose successor starts at `bound`, and starts that one.
    fn close(&mut self, level: usize, bound: &[u8]) -> PgResult<()> {
        let mut bound = bound.to_vec();
        let mut next = Filling::new(self.tree.allocate()?);
        // The high key has to fit as well. Two entries and the longest high key always do.
        while self.levels[level].bytes + bound.len() > CAPACITY {
            let filling = &mut self.levels[level];
            let moved = filling.items.pop().expect("two entries fit with any high key");
            filling.bytes -= moved.len() + SLOT_BYTES;
            bound = match (level, filling.items.last()) {
                (0, Some(last)) => separator(split_leaf_item(last).0, split_leaf_item(&moved).0).to_vec(),
                _ => moved[CHILD_BYTES..].to_vec(),
            };
            next.bytes += moved.len() + SLOT_BYTES;
            next.items.insert(0, moved);
        }
        self.write(level, next.block, &bound)?;
        let child = next.block;
        let closed = std::mem::replace(&mut self.levels[level], next);
        self.tree.was_used(closed.block);
        if self.levels.len() == level + 1 {
            self.levels.push(Filling::new(self.tree.allocate()?));
            self.push(level + 1, inner_item(closed.block, &[]));
        }
        let item = inner_item(child, &bound);
        if self.is_full(level + 1, item.len()) {
            self.close(level + 1, &bound)?;
        }
        self.push(level + 1, item);
        Ok(())
    }

    fn write(&self, level: usize, right: BlockNo, high: &[u8]) -> PgResult<()> {
        let filling = &self.levels[level];
        let mut mtr = self.tree.pool().begin_mtr(1, 2 * PAGE_BYTES)?;
        let page = mtr.latch(&filling.pin);
        let level = u16::try_from(level).expect("a tree has few levels");
        let special = special_of(right, level, 0);
        mtr.change(page, &Op::Initialise { kind: kinds::BTREE_NODE, special: &special });
        mtr.change(page, &Op::InsertItem { slot: 0, bytes: high, shift: false });
        for (slot, item) in (1..).zip(&filling.items) {
            mtr.change(page, &Op::InsertItem { slot, bytes: item, shift: false });
        }
        mtr.commit();
        Ok(())
    }
}
