//! Relations on the flat volume: who owns which pages.
//!
//! The volume is one sequence of pages, cut into extents of 16. A relation is a set of extents, found through
//! its root page, which is found through the relation directory. Everything is kept in pages and changed
//! through mini-transactions, so that a crash at any consistency point leaves it whole.
//!
//! ```text
//! page 0         control page: ceilings, frontier, head of the free list, counters
//! page 1..       directory pages, chained; one entry per relation fork
//! other extents  a relation's: its first page is the root, the rest are blocks 0, 1, 2, ...
//! ```
//!
//! Creation and removal are transactional by sweeping, not by undo: an entry names the transaction that
//! created it and the one that dropped it, and [`Space::sweep`] frees what belongs to nobody (storage.md,
//! "Relations on the flat volume").

mod control;
mod directory;
mod extents;
mod relation;
mod sweep;

pub use control::{Ceiling, Register};
pub use relation::Relation;
pub use sweep::Fate;

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, PageId, PageKind, PatchTarget};

use crate::latch::PinnedPage;
use crate::pool::{Access, BufferPool};
use control::Control;
use directory::Directory;
use extents::Allocator;

/// Pages in an extent.
pub const EXTENT_PAGES: u64 = 16;

/// A block's number within its relation, from 0.
pub type BlockNo = u32;

/// The number that names a relation's storage (`pg_class.relfilenode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelNode(pub u32);

/// Which of the sequences of blocks that one relation consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fork {
    /// The rows, or the index.
    Main = 0,
    /// How much room there is in each block.
    FreeSpace = 1,
    /// Which blocks everybody sees all of.
    Visibility = 2,
    /// Values too long for their rows.
    Overflow = 3,
}

impl Fork {
    /// All forks.
    pub const ALL: [Self; 4] = [Self::Main, Self::FreeSpace, Self::Visibility, Self::Overflow];
}

/// One fork of one relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelKey {
    /// The relation's storage.
    pub node: RelNode,
    /// The fork.
    pub fork: Fork,
}

impl RelKey {
    /// The main fork of `node`.
    pub const fn main(node: RelNode) -> Self {
        Self { node, fork: Fork::Main }
    }
}

/// Transaction status pages; the first of the numbers below [`FIRST_ORDINARY_NODE`] that this crate knows.
pub const TRANSACTION_STATUS_NODE: RelNode = RelNode(1);
/// Numbers below are given out by hand, in this crate and in the catalog's bootstrap facts.
pub const FIRST_ORDINARY_NODE: u32 = 16384;

/// The space allocator of one volume.
pub struct Space {
    pool: BufferPool,
    control: Control,
    /// Held while extents change hands; README, rule 5.
    allocator: Mutex<Allocator>,
    directory: RwLock<Directory>,
}

impl Space {
    /// Makes an empty volume ready for use.
    ///
    /// # Errors
    /// When the volume is not empty, or what the volume says.
    pub fn create(pool: &BufferPool, system_identifier: u64) -> PgResult<Self> {
        control::format(pool, system_identifier)?;
        Self::open(pool)
    }

    /// Whether anything was ever written to the volume.
    ///
    /// # Errors
    /// What the volume says.
    pub fn is_formatted(pool: &BufferPool) -> PgResult<bool> {
        Ok(pool.pin(control::CONTROL_PAGE)?.read().is_initialised())
    }

    /// Opens the volume: reads the control page and the directory.
    ///
    /// # Errors
    /// When the volume was never formatted, is damaged, or cannot be read.
    pub fn open(pool: &BufferPool) -> PgResult<Self> {
        let control = Control::open(pool)?;
        let allocator = Mutex::new(Allocator::open(&control));
        let directory = RwLock::new(Directory::open(pool)?);
        Ok(Self { pool: pool.clone(), control, allocator, directory })
    }

    /// The pool through which everything here goes.
    pub fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// The number given when the volume was made.
    pub fn system_identifier(&self) -> u64 {
        self.control.system_identifier()
    }

    /// The value below which ids of this kind may have been used, or may be used without asking again.
    pub fn ceiling(&self, which: Ceiling) -> u64 {
        self.control.ceiling(which)
    }

    /// Raises a ceiling to at least `to` and returns it. The record precedes whatever the caller does
    /// beneath it, so nothing has to be waited for.
    ///
    /// # Errors
    /// What the volume says.
    pub fn raise_ceiling(&self, which: Ceiling, to: u64) -> PgResult<u64> {
        self.control.raise_ceiling(&self.pool, which, to)
    }

    /// A number that upper layers keep on the control page; 0 until set.
    pub fn register(&self, which: Register) -> u64 {
        self.control.register(which)
    }

    /// Sets such a number.
    ///
    /// # Errors
    /// What the volume says.
    pub fn set_register(&self, which: Register, value: u64) -> PgResult<()> {
        self.control.set_register(&self.pool, which, value)
    }

    /// Makes an empty relation fork that belongs to transaction `creator` (0: to everybody, for good).
    ///
    /// # Errors
    /// When there is one already, or what the volume says.
    pub fn create_relation(&self, key: RelKey, creator: u64) -> PgResult<Arc<Relation>> {
        directory::create_relation(self, key, creator)
    }

    /// Opens a relation fork, if there is one.
    ///
    /// # Errors
    /// What the volume says.
    pub fn relation(&self, key: RelKey) -> PgResult<Option<Arc<Relation>>> {
        let (root, cached) = match self.directory.read().find(key) {
            Some(entry) => (entry.root, entry.relation.clone()),
            None => return Ok(None),
        };
        if let Some(relation) = cached {
            return Ok(Some(relation));
        }
        let opened = Arc::new(Relation::open(&self.pool, key, root)?);
        // Two may open it at once; all must use the same handle, for its length is kept there.
        Ok(self.directory.write().find_mut(key).map(|entry| entry.relation.get_or_insert(opened).clone()))
    }

    /// Opens a relation fork that must be there.
    ///
    /// # Errors
    /// `58P01` when it is not, or what the volume says.
    pub fn existing_relation(&self, key: RelKey) -> PgResult<Arc<Relation>> {
        self.relation(key)?.ok_or_else(|| {
            let RelKey { node: RelNode(node), fork } = key;
            PgError::new(code::UNDEFINED_FILE, format!("relation storage {node} ({fork:?}) does not exist"))
        })
    }

    /// Marks a relation fork as dropped by transaction `dropper`. It stays usable; [`Space::sweep`] frees it
    /// once the drop has committed and nobody can see the time before it.
    ///
    /// # Errors
    /// `58P01` when there is none, or what the volume says.
    pub fn drop_relation(&self, key: RelKey, dropper: u64) -> PgResult<()> {
        directory::mark_dropped(self, key, dropper)
    }

    /// All relation forks there are, dropped or not, in no order.
    pub fn relation_keys(&self) -> Vec<RelKey> {
        self.directory.read().keys()
    }

    /// How many blocks a relation has.
    pub fn nblocks(&self, relation: &Relation) -> BlockNo {
        relation.nblocks()
    }

    /// The page that holds `block`.
    ///
    /// # Errors
    /// When the extent map has to be read and cannot be, or the relation has no such block.
    #[inline]
    pub fn page_of(&self, relation: &Relation, block: BlockNo) -> PgResult<PageId> {
        relation.page_of(&self.pool, block)
    }

    /// Pins a block.
    ///
    /// # Errors
    /// What the volume says.
    #[inline]
    pub fn pin(&self, relation: &Relation, block: BlockNo) -> PgResult<PinnedPage> {
        self.pool.pin(self.page_of(relation, block)?)
    }

    /// Pins a block, saying how it will be used.
    ///
    /// # Errors
    /// What the volume says.
    #[inline]
    pub fn pin_for(&self, relation: &Relation, block: BlockNo, access: Access) -> PgResult<PinnedPage> {
        self.pool.pin_for(self.page_of(relation, block)?, access)
    }

    /// Adds one block, empty and initialised with `kind` and `special`, and pins it.
    ///
    /// # Errors
    /// `54000` when the relation has as many blocks as there can be, or what the volume says.
    pub fn extend(
        &self,
        relation: &Relation,
        kind: PageKind,
        special: &[u8],
    ) -> PgResult<(BlockNo, PinnedPage)> {
        let _tail = relation.tail.lock();
        let block = relation.nblocks();
        let fresh = extents::ensure_extent(self, relation, block)?;
        let id = relation.page_of_unchecked(&self.pool, block)?;
        let untouched = fresh && block >= relation.high_water();
        let page = if untouched { self.pool.pin_untouched(id)? } else { self.pool.pin(id)? };
        let root = self.pool.pin(relation.root())?;
        let mut mtr = self.pool.begin_mtr(2, 128 + special.len())?;
        let (root, latched) = (mtr.latch(&root), mtr.latch(&page));
        let length = relation.encode_length(block + 1);
        let target = PatchTarget::Special;
        mtr.change(root, &Op::PatchBytes { target, offset: relation::AT_NBLOCKS, bytes: &length });
        mtr.change(latched, &Op::Initialise { kind, special });
        mtr.commit();
        relation.set_length(block + 1);
        Ok((block, page))
    }

    /// Cuts a relation to `nblocks` blocks. Its extents stay its own. The caller sees to it that nobody
    /// uses the blocks that go.
    ///
    /// # Errors
    /// What the volume says.
    pub fn truncate(&self, relation: &Relation, nblocks: BlockNo) -> PgResult<()> {
        let _tail = relation.tail.lock();
        if nblocks >= relation.nblocks() {
            return Ok(());
        }
        let root = self.pool.pin(relation.root())?;
        let mut mtr = self.pool.begin_mtr(1, 64)?;
        let root = mtr.latch(&root);
        let length = relation.encode_length(nblocks);
        let target = PatchTarget::Special;
        mtr.change(root, &Op::PatchBytes { target, offset: relation::AT_NBLOCKS, bytes: &length });
        mtr.commit();
        relation.set_length(nblocks);
        Ok(())
    }

    /// Frees the relations that belong to nobody any more; see [`Fate`]. Returns how many went.
    ///
    /// # Errors
    /// What `fate` or the volume says. What was freed until then stays freed.
    pub fn sweep(&self, fate: &mut dyn FnMut(u64) -> PgResult<Fate>) -> PgResult<usize> {
        sweep::sweep(self, fate)
    }

    /// The first page of an extent.
    fn first_page(extent: u64) -> PageId {
        PageId::new(extent * EXTENT_PAGES)
    }
}

/// `XX001`: a page that storage vouches for does not hold what it should.
pub(crate) fn damaged(page: PageId, what: &str) -> PgError {
    PgError::new(code::DATA_CORRUPTED, format!("page {page} is damaged: {what}"))
}
