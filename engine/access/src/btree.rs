//! B-link trees over memory-comparable keys (Lehman and Yao, 1981; PostgreSQL's nbtree).
//!
//! An entry is a key, the place of a row, and optionally a payload (the columns of an index-only scan). The tree
//! orders entries by the bytes of the key followed by the place, so all are different, and knows nothing of types.
//! See `README.md` for the node, the splits, and the locking rules.

mod build;
mod check;
mod descend;
mod insert;
mod node;
mod scan;
mod split;
mod unique;
mod vacuum;

pub use build::BulkBuilder;
pub use insert::Inserted;
pub use scan::{BTreeScan, IndexEntry, KeyRange, ScanMark};
pub use unique::Unique;
pub use vacuum::IndexVacuum;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redoubt_buffer::fields::{u16_at, u32_at};
use redoubt_buffer::{BlockNo, BufferPool, PinnedPage, RelKey, RelNode, Relation, Space, kinds};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, Page, PatchTarget};
use redoubt_txn::TxnManager;

use crate::free_blocks::FreeBlocks;
use crate::tuple::Tid;

/// The longest entry, place and payload included; PostgreSQL's limit, a third of a page.
pub const MAX_ENTRY_BYTES: usize = 2704;

/// Bytes of a place at the end of an entry's key.
pub(crate) const TID_BYTES: usize = 6;

const META_BLOCK: BlockNo = 0;
const META_MAGIC: u32 = 0x5265_4274;
const META_BYTES: usize = 16;
const AT_ROOT: usize = 4;
const AT_LEVEL: usize = 8;

/// An index's storage. All users share one handle per index, through [`crate::Engine::btree`].
pub struct BTree {
    space: Arc<Space>,
    txns: TxnManager,
    main: Arc<Relation>,
    /// The root as last seen: block and level. An old one is still a good place to start, only lower.
    root: AtomicU64,
    free: FreeBlocks,
}

impl BTree {
    /// Makes the meta page and an empty root in a new relation.
    pub(crate) fn create(space: Arc<Space>, txns: TxnManager, node: RelNode) -> PgResult<Self> {
        let main = space.existing_relation(RelKey::main(node))?;
        let mut special = [0; META_BYTES];
        special[..4].copy_from_slice(&META_MAGIC.to_le_bytes());
        let (meta_block, meta) = space.extend(&main, kinds::BTREE_META, &special)?;
        assert_eq!(meta_block, META_BLOCK, "the relation was empty");
        let special = node::special_of(node::NONE, 0, 0);
        let (root, pin) = space.extend(&main, kinds::BTREE_NODE, &special)?;
        let mut mtr = space.pool().begin_mtr(2, 128)?;
        let (root_page, meta_page) = (mtr.latch(&pin), mtr.latch(&meta));
        mtr.change(root_page, &Op::InsertItem { slot: 0, bytes: &[], shift: false });
        mtr.change(
            meta_page,
            &Op::PatchBytes {
                target: PatchTarget::Special,
                offset: AT_ROOT as u16,
                bytes: &encode_root(root, 0),
            },
        );
        mtr.commit();
        drop((pin, meta));
        Self::open(space, txns, node)
    }

    pub(crate) fn open(space: Arc<Space>, txns: TxnManager, node: RelNode) -> PgResult<Self> {
        let main = space.existing_relation(RelKey::main(node))?;
        let tree = Self { space, txns, main, root: AtomicU64::new(0), free: FreeBlocks::default() };
        tree.reload_root()?;
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
    pub fn height(&self) -> u16 {
        self.cached_root().1
    }

    fn pool(&self) -> &BufferPool {
        self.space.pool()
    }

    fn pin(&self, block: BlockNo) -> PgResult<PinnedPage> {
        self.space.pin(&self.main, block)
    }

    fn pin_meta(&self) -> PgResult<PinnedPage> {
        self.pin(META_BLOCK)
    }

    /// Block and level of the root as last seen.
    #[inline]
    fn cached_root(&self) -> (BlockNo, u16) {
        let word = self.root.load(Ordering::Acquire);
        ((word >> 16) as BlockNo, word as u16)
    }

    fn remember_root(&self, block: BlockNo, level: u16) {
        self.root.store(u64::from(block) << 16 | u64::from(level), Ordering::Release);
    }

    /// Block and level of the root as the meta page has them.
    fn reload_root(&self) -> PgResult<(BlockNo, u16)> {
        let meta = self.pin_meta()?;
        let (block, level) = root_of(&meta.read())?;
        self.remember_root(block, level);
        Ok((block, level))
    }

    /// A block for a new node, pinned: one that was freed, or a new one. Ends with [`BTree::was_used`] or
    /// [`BTree::give_back`]; until then vacuum leaves it alone.
    fn allocate(&self) -> PgResult<(BlockNo, PinnedPage)> {
        if let Some(block) = self.free.take() {
            return Ok((block, self.pin(block)?));
        }
        // Vacuum may find the block before it is used; it takes it for one that was deleted just now.
        let special = node::special_of_free(self.txns.next_xid());
        let (block, pin) = self.space.extend(&self.main, kinds::BTREE_NODE, &special)?;
        self.free.took_new(block);
        Ok((block, pin))
    }

    /// The block is a node of the tree now.
    fn was_used(&self, block: BlockNo) {
        self.free.was_used(block);
    }

    /// The block was not needed.
    fn give_back(&self, block: BlockNo) {
        self.free.give_back(block);
    }
}

impl std::fmt::Debug for BTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BTree({:?}, {} blocks)", self.node(), self.nblocks())
    }
}

fn root_of(meta: &Page) -> PgResult<(BlockNo, u16)> {
    let special = meta.special();
    if meta.kind() != kinds::BTREE_META || special.len() != META_BYTES || u32_at(special, 0) != META_MAGIC {
        return Err(corrupted(meta, "it is not a B-tree's meta page"));
    }
    Ok((u32_at(special, AT_ROOT), u16_at(special, AT_LEVEL)))
}

/// The meta page's bytes at [`AT_ROOT`].
fn encode_root(block: BlockNo, level: u16) -> [u8; 6] {
    let mut bytes = [0; 6];
    bytes[..4].copy_from_slice(&block.to_le_bytes());
    bytes[4..].copy_from_slice(&level.to_le_bytes());
    bytes
}

/// `XX002`: a page of the index does not hold what it should.
#[cold]
fn corrupted(page: &Page, what: &str) -> PgError {
    PgError::new(code::INDEX_CORRUPTED, format!("index page {} is damaged: {what}", page.page_id()))
}

/// The bytes by which an entry is ordered: its key, then its place.
fn full_key(key: &[u8], tid: Tid, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(key);
    out.extend_from_slice(&tid.block.to_be_bytes());
    out.extend_from_slice(&tid.slot.to_be_bytes());
}

/// The place at the end of an entry's key.
fn tid_of(full_key: &[u8]) -> Tid {
    let bytes = full_key.last_chunk::<TID_BYTES>().expect("an entry ends with a place");
    let [a, b, c, d, high, low] = *bytes;
    Tid::new(u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]))
}
