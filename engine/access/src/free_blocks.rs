//! Blocks of an index that are outside its tree: known in memory alone, and found again by vacuum.

use std::collections::BTreeSet;

use parking_lot::{Mutex, MutexGuard};
use redoubt_buffer::BlockNo;

/// The list. A block between being taken from it and being part of the tree is listed as taken; vacuum looks at a
/// block's state only while holding the list ([`FreeBlocks::hold`]).
#[derive(Default)]
pub(crate) struct FreeBlocks(Mutex<Listed>);

/// What is listed.
#[derive(Default)]
pub(crate) struct Listed {
    /// Those that nobody can be looking at any more.
    available: BTreeSet<BlockNo>,
    /// Those taken for a node that is not in the tree yet.
    taken: Vec<BlockNo>,
}

impl FreeBlocks {
    /// Takes a block, if there is one.
    pub(crate) fn take(&self) -> Option<BlockNo> {
        let mut listed = self.hold();
        let block = listed.available.pop_first();
        listed.taken.extend(block);
        block
    }

    /// A new block, which was just added to the index, is taken.
    pub(crate) fn took_new(&self, block: BlockNo) {
        self.hold().taken.push(block);
    }

    /// The block is a node of the tree now.
    pub(crate) fn was_used(&self, block: BlockNo) {
        self.hold().taken.retain(|&taken| taken != block);
    }

    /// The block was not needed.
    pub(crate) fn give_back(&self, block: BlockNo) {
        let mut listed = self.hold();
        listed.taken.retain(|&taken| taken != block);
        listed.available.insert(block);
    }

    /// The list, which nobody else takes blocks from meanwhile.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Listed> {
        self.0.lock()
    }

    /// How many blocks can be taken.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.hold().available.len()).unwrap_or(u32::MAX)
    }
}

impl Listed {
    /// The block is outside the tree, and nobody can be on his way to it. Nothing if it is listed already.
    pub(crate) fn found(&mut self, block: BlockNo) {
        if !self.taken.contains(&block) {
            self.available.insert(block);
        }
    }
}
