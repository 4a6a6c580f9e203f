//! Generalized search trees (Hellerstein, Naughton and Pfeffer, 1995), searched while they are split (Kornacker, Mohan
//! and Hellerstein, "Concurrency and Recovery in Generalized Search Trees", 1997; PostgreSQL's gist).
//!
//! An inner entry has a child and a key that stands for everything below it; what keys mean is the business of operator
//! classes ([`redoubt_functions::GistClass`]), one per column. See `README.md` for splits and the locking rules.

mod check;
mod insert;
mod keys;
mod node;
mod search;
mod split;
mod vacuum;

pub use keys::{GistColumns, GistCondition, GistTest, gist_key};
pub use search::GistSearch;

use std::sync::Arc;

use parking_lot::Mutex;
use redoubt_buffer::{BlockNo, BufferPool, PinnedPage, RelKey, RelNode, Relation, Space, kinds};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::Page;
use redoubt_txn::TxnManager;

use crate::free_blocks::FreeBlocks;
use crate::gist::node::{FREE, Links, Node};

/// The longest entry, place included: so long that two halves of a split node, and the keys that change with them,
/// always find room.
pub const MAX_GIST_ENTRY_BYTES: usize = 2000;

/// The root stays where it is: when it is split, its entries go to two new nodes below it.
const ROOT: BlockNo = 0;

/// A GiST index's storage. All users share one handle per index, through [`crate::Engine::gist`].
pub struct Gist {
    space: Arc<Space>,
    txns: TxnManager,
    main: Arc<Relation>,
    free: FreeBlocks,
    /// Held by whoever changes inner nodes.
    structure: Mutex<()>,
}

impl Gist {
    /// Makes an empty root in a new relation.
    pub(crate) fn create(space: Arc<Space>, txns: TxnManager, node: RelNode) -> PgResult<Self> {
        let main = space.existing_relation(RelKey::main(node))?;
        let (root, _) = space.extend(&main, kinds::GIST_NODE, &Links::at_level(0).encode())?;
        assert_eq!(root, ROOT, "the relation was empty");
        Self::open(space, txns, node)
    }

    pub(crate) fn open(space: Arc<Space>, txns: TxnManager, node: RelNode) -> PgResult<Self> {
        let main = space.existing_relation(RelKey::main(node))?;
        let tree = Self { space, txns, main, free: FreeBlocks::default(), structure: Mutex::default() };
        Node::new(&tree.pin(ROOT)?.read())?;
        Ok(tree)
    }

    /// Its storage's number.
    pub fn node(&self) -> RelNode {
        self.main.key().node
    }

    /// How many blocks it has.
    pub fn nblocks(&self) -> BlockNo {
        self.main.nblocks()
    }

    /// How many levels there are above the leaves.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    pub fn height(&self) -> PgResult<u16> {
        let pin = self.pin(ROOT)?;
        let page = pin.read();
        Ok(Node::new(&page)?.links().level)
    }

    fn pool(&self) -> &BufferPool {
        self.space.pool()
    }

    fn pin(&self, block: BlockNo) -> PgResult<PinnedPage> {
        self.space.pin(&self.main, block)
    }

    /// A block for a new node, pinned: one that was freed, or a new one.
    fn allocate(&self) -> PgResult<(BlockNo, PinnedPage)> {
        if let Some(block) = self.free.take() {
            return Ok((block, self.pin(block)?));
        }
        // Vacuum may find the block before it is used; it takes it for one that was deleted just now.
        let special = Links { flags: FREE, deleted_by: self.txns.next_xid(), ..Links::at_level(0) };
        let (block, pin) = self.space.extend(&self.main, kinds::GIST_NODE, &special.encode())?;
        self.free.took_new(block);
        Ok((block, pin))
    }
}

impl std::fmt::Debug for Gist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gist({:?}, {} blocks)", self.node(), self.nblocks())
    }
}

/// `XX002`: a page of the index does not hold what it should.
#[cold]
fn corrupted(page: &Page, what: &str) -> PgError {
    PgError::new(code::INDEX_CORRUPTED, format!("index page {} is damaged: {what}", page.page_id()))
}
