//! Tables: row versions on slotted pages, as PostgreSQL's heap.
//!
//! See `README.md` for the page, the chains of versions, and the locking rules.

mod delete;
mod fetch;
mod free_space;
mod in_place;
mod insert;
mod liveness;
mod lock;
mod modify;
mod overflow;
mod page;
mod prune;
mod scan;
mod update;
mod vacuum;
mod versions;
mod visibility_map;

pub use fetch::FetchBuf;
pub use insert::InsertOptions;
pub use liveness::Liveness;
pub use lock::LockedRow;
pub use modify::TmResult;
pub use scan::{Direction, HeapScan};
pub use update::{UpdateOptions, Updated};
pub use vacuum::{VacuumOptions, VacuumStats};
pub use versions::{RowChain, RowVersions};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use redoubt_buffer::{
    Access, BlockNo, BufferPool, Fork, PinnedPage, RelKey, RelNode, Relation, Space, kinds,
};
use redoubt_error::PgResult;
use redoubt_txn::{StatusMissing, TxnManager};

use free_space::FreeSpace;
use visibility_map::VisibilityMap;

/// The longest row version, header included; PostgreSQL's is 8160.
pub const MAX_TUPLE_BYTES: usize = redoubt_page::MAX_ITEM_BYTES - page::SPECIAL_BYTES;

/// What messages and `pg_locks` call a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableId {
    /// OID of the database.
    pub database: u32,
    /// OID of the table.
    pub relation: u32,
}

/// Where connections insert: each prefers the page it used last, so that they do not crowd on one.
const TARGETS: usize = 16;
const NO_TARGET: u32 = u32::MAX;

/// A table's storage. All users share one handle per table, through [`crate::Engine::heap`].
pub struct Heap {
    space: Arc<Space>,
    txns: TxnManager,
    table: TableId,
    main: Arc<Relation>,
    map: VisibilityMap,
    free: FreeSpace,
    /// Values too long for their rows, once there are any.
    overflow: Mutex<Option<Arc<Heap>>>,
    /// Whether this is such a fork itself.
    is_overflow: bool,
    targets: [AtomicU32; TARGETS],
}

impl Heap {
    pub(crate) fn open(space: Arc<Space>, txns: TxnManager, node: RelNode, table: TableId) -> PgResult<Self> {
        Self::open_fork(space, txns, RelKey::main(node), table)
    }

    fn open_fork(space: Arc<Space>, txns: TxnManager, key: RelKey, table: TableId) -> PgResult<Self> {
        let main = space.existing_relation(key)?;
        let is_overflow = key.fork == Fork::Overflow;
        let map = if is_overflow { VisibilityMap::default() } else { VisibilityMap::open(&space, key.node)? };
        let (free, overflow) = (FreeSpace::default(), Mutex::new(None));
        let targets = std::array::from_fn(|_| AtomicU32::new(NO_TARGET));
        Ok(Self { space, txns, table, main, map, free, overflow, is_overflow, targets })
    }

    /// Its storage's number.
    pub fn node(&self) -> RelNode {
        self.main.key().node
    }

    /// What messages call it.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// How many blocks it has.
    pub fn nblocks(&self) -> BlockNo {
        self.main.nblocks()
    }

    fn pool(&self) -> &BufferPool {
        self.space.pool()
    }

    fn pin(&self, block: BlockNo) -> PgResult<PinnedPage> {
        self.space.pin(&self.main, block)
    }

    fn pin_for(&self, block: BlockNo, access: Access) -> PgResult<PinnedPage> {
        self.space.pin_for(&self.main, block, access)
    }

    /// Adds an empty page at the end.
    fn extend(&self) -> PgResult<(BlockNo, PinnedPage)> {
        self.space.extend(&self.main, kinds::HEAP, &[0; page::SPECIAL_BYTES])
    }

    fn target(&self, backend: u32) -> Option<BlockNo> {
        let block = self.targets[backend as usize % TARGETS].load(Ordering::Relaxed);
        (block < self.nblocks()).then_some(block)
    }

    fn set_target(&self, backend: u32, block: BlockNo) {
        self.targets[backend as usize % TARGETS].store(block, Ordering::Relaxed);
    }

    /// Calls `attempt` until it does not ask for a status page. `attempt` has released its latches by then.
    fn retry<T>(&self, mut attempt: impl FnMut() -> Result<T, StatusMissing>) -> PgResult<T> {
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(missing) => self.txns.load_status(missing)?,
            }
        }
    }
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Heap({:?}, {} blocks)", self.node(), self.nblocks())
    }
}
