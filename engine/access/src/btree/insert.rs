//! Insertion of entries that need not be unique.

use redoubt_buffer::{Latched, Mtr};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::Op;

use crate::btree::descend::right_of;
use crate::btree::node::{Node, leaf_item};
use crate::btree::{BTree, MAX_ENTRY_BYTES, corrupted, full_key};
use crate::tuple::Tid;

/// What came of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The entry is in.
    Done,
    /// It is not: this row has the same key.
    Conflict(Tid),
    /// It is in, and there may be another with the same key: to be checked again at the end.
    PerhapsDuplicate,
}

/// An entry on its way in.
pub(super) struct Entry {
    /// Key and place.
    pub(super) full: Vec<u8>,
    /// The leaf's item.
    pub(super) item: Vec<u8>,
}

impl Entry {
    /// Makes an entry.
    ///
    /// # Errors
    /// `54000` when it is longer than [`MAX_ENTRY_BYTES`].
    pub(super) fn new(key: &[u8], tid: Tid, payload: &[u8]) -> PgResult<Self> {
        let mut full = Vec::with_capacity(key.len() + crate::btree::TID_BYTES);
        full_key(key, tid, &mut full);
        let bytes = full.len() + payload.len();
        if bytes > MAX_ENTRY_BYTES {
            let message = format!("index row size {bytes} exceeds btree version 4 maximum {MAX_ENTRY_BYTES}");
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message).hint(
                "Values larger than 1/3 of a buffer page cannot be indexed.\n\
                 Consider a function index of an MD5 hash of the value, or use full text indexing.",
            ));
        }
        let item = leaf_item(&full, payload);
        Ok(Self { full, item })
    }

    /// Room for the insertion in an MTR.
    pub(super) fn mtr_bytes(&self) -> usize {
        self.item.len() + 16
    }
}

/// What an attempt at inserting came to.
pub(super) enum Attempt {
    Done,
    /// The node's split has to be finished first.
    FinishSplit,
    /// The node has to be split first.
    Split,
}

impl BTree {
    /// Inserts an entry. Keys of one index are prefix-free: none begins with all of another, which
    /// `redoubt_functions::key` sees to.
    ///
    /// # Errors
    /// `54000` when the entry is too long, `XX002` when the index is damaged or has the entry already, or what the
    /// volume says.
    pub fn insert(&self, key: &[u8], tid: Tid, payload: &[u8]) -> PgResult<()> {
        let entry = Entry::new(key, tid, payload)?;
        let mut found = self.find(&entry.full, 0)?;
        loop {
            let mut mtr = self.pool().begin_mtr(1, entry.mtr_bytes())?;
            let page = mtr.latch(&found.pin);
            let node = Node::new(mtr.page(page))?;
            if node.is_left_of(&entry.full) {
                let right = right_of(node, mtr.page(page))?;
                drop(mtr);
                found.pin = self.pin(right)?;
                found.block = right;
                continue;
            }
            match self.try_insert(&mut mtr, page, &entry)? {
                Attempt::Done => {
                    mtr.commit();
                    return Ok(());
                }
                Attempt::FinishSplit => {
                    drop(mtr);
                    self.finish_split(found.block)?;
                }
                Attempt::Split => {
                    drop(mtr);
                    self.split(found.block, &entry.full, entry.item.len())?;
                }
            }
        }
    }

    /// Puts the entry on a latched leaf to which it belongs, if it fits.
    pub(super) fn try_insert(&self, mtr: &mut Mtr<'_>, page: Latched, entry: &Entry) -> PgResult<Attempt> {
        let node = Node::new(mtr.page(page))?;
        if node.has_incomplete_split() {
            return Ok(Attempt::FinishSplit);
        }
        if !mtr.page(page).fits(entry.item.len()) {
            return Ok(Attempt::Split);
        }
        let slot = node.lower_bound(&entry.full);
        if slot < node.end() && node.leaf_key(slot) == entry.full {
            return Err(corrupted(mtr.page(page), "it has an entry for that row already"));
        }
        mtr.change(page, &Op::InsertItem { slot, bytes: &entry.item, shift: true });
        Ok(Attempt::Done)
    }
}
