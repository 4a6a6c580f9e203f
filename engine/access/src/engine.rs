//! The engine's floor as one handle: pool, space, transactions, and the open tables and indexes.

use std::sync::Arc;

use parking_lot::RwLock;
use redoubt_buffer::{BufferPool, MemVolume, PageVolume, RelKey, RelNode, Space};
use redoubt_error::PgResult;
use redoubt_txn::{LockManager, TxnManager, Xid};
use rustc_hash::FxHashMap;

use crate::access_method::{AccessMethod, IndexKind};
use crate::btree::BTree;
use crate::gist::Gist;
use crate::heap::{Heap, TableId};

/// What upper layers hold in an `Arc` and build on.
pub struct Engine {
    pool: BufferPool,
    space: Arc<Space>,
    txns: TxnManager,
    heaps: RwLock<FxHashMap<RelNode, Arc<Heap>>>,
    btrees: RwLock<FxHashMap<RelNode, Arc<BTree>>>,
    gists: RwLock<FxHashMap<RelNode, Arc<Gist>>>,
}

impl Engine {
    /// Opens a volume, formatting it if it is empty. Whatever was running when it was last used has failed.
    ///
    /// # Errors
    /// What the volume says, or `XX001` when it holds something else.
    pub fn open(
        volume: Arc<dyn PageVolume>,
        shared_buffers_pages: usize,
        system_identifier: u64,
    ) -> PgResult<Arc<Self>> {
        let pool = BufferPool::new(volume, shared_buffers_pages);
        let space = if Space::is_formatted(&pool)? {
            Space::open(&pool)?
        } else {
            Space::create(&pool, system_identifier)?
        };
        let space = Arc::new(space);
        let txns = TxnManager::open(space.clone())?;
        Ok(Arc::new(Self {
            pool,
            space,
            txns,
            heaps: RwLock::default(),
            btrees: RwLock::default(),
            gists: RwLock::default(),
        }))
    }

    /// An engine over a new volume in memory, for tests; and that volume, which can check it and crash.
    ///
    /// # Errors
    /// None that a new volume in memory could cause.
    pub fn in_memory() -> PgResult<(Arc<Self>, MemVolume)> {
        let volume = MemVolume::new();
        let engine = Self::open(Arc::new(volume.clone()), 1024, 1)?;
        Ok((engine, volume))
    }

    /// The buffer pool.
    pub fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// The space allocator.
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// The transactions.
    pub fn txns(&self) -> &TxnManager {
        &self.txns
    }

    /// The heavyweight locks.
    pub fn locks(&self) -> &LockManager {
        self.txns.locks()
    }

    /// Makes an empty table, which goes again if `creator` fails ([`Xid::INVALID`]: which stays whatever happens).
    ///
    /// # Errors
    /// `58P02` when there is such storage already, or what the volume says.
    pub fn create_heap(&self, node: RelNode, table: TableId, creator: Xid) -> PgResult<Arc<Heap>> {
        self.space.create_relation(RelKey::main(node), creator.get())?;
        self.heaps.write().remove(&node);
        self.heap(node, table)
    }

    /// Opens a table. Everybody gets the same handle; `table` is what messages and `pg_locks` call it.
    ///
    /// # Errors
    /// `58P01` when there is no such storage, or what the volume says.
    pub fn heap(&self, node: RelNode, table: TableId) -> PgResult<Arc<Heap>> {
        if let Some(heap) = self.heaps.read().get(&node) {
            return Ok(heap.clone());
        }
        let opened = Arc::new(Heap::open(self.space.clone(), self.txns.clone(), node, table)?);
        Ok(self.heaps.write().entry(node).or_insert(opened).clone())
    }

    /// Makes an empty B-tree, which goes again if `creator` fails. To fill it from sorted entries, see
    /// [`crate::BulkBuilder`].
    ///
    /// # Errors
    /// `58P02` when there is such storage already, or what the volume says.
    pub fn create_btree(&self, node: RelNode, creator: Xid) -> PgResult<Arc<BTree>> {
        self.space.create_relation(RelKey::main(node), creator.get())?;
        let tree = Arc::new(BTree::create(self.space.clone(), self.txns.clone(), node)?);
        self.btrees.write().insert(node, tree.clone());
        Ok(tree)
    }

    /// Opens a B-tree. Everybody gets the same handle.
    ///
    /// # Errors
    /// `58P01` when there is no such storage, or what the volume says.
    pub fn btree(&self, node: RelNode) -> PgResult<Arc<BTree>> {
        if let Some(tree) = self.btrees.read().get(&node) {
            return Ok(tree.clone());
        }
        let opened = Arc::new(BTree::open(self.space.clone(), self.txns.clone(), node)?);
        Ok(self.btrees.write().entry(node).or_insert(opened).clone())
    }

    /// Makes an empty generalized search tree, which goes again if `creator` fails.
    ///
    /// # Errors
    /// `58P02` when there is such storage already, or what the volume says.
    pub fn create_gist(&self, node: RelNode, creator: Xid) -> PgResult<Arc<Gist>> {
        self.space.create_relation(RelKey::main(node), creator.get())?;
        let tree = Arc::new(Gist::create(self.space.clone(), self.txns.clone(), node)?);
        self.gists.write().insert(node, tree.clone());
        Ok(tree)
    }

    /// Opens a generalized search tree. Everybody gets the same handle.
    ///
    /// # Errors
    /// `58P01` when there is no such storage, or what the volume says.
    pub fn gist(&self, node: RelNode) -> PgResult<Arc<Gist>> {
        if let Some(tree) = self.gists.read().get(&node) {
            return Ok(tree.clone());
        }
        let opened = Arc::new(Gist::open(self.space.clone(), self.txns.clone(), node)?);
        Ok(self.gists.write().entry(node).or_insert(opened).clone())
    }

    /// Opens an index of either kind.
    ///
    /// # Errors
    /// `58P01` when there is no such storage, or what the volume says.
    pub fn index(&self, node: RelNode, kind: IndexKind) -> PgResult<Arc<dyn AccessMethod>> {
        Ok(match kind {
            IndexKind::BTree => self.btree(node)?,
            IndexKind::Gist => self.gist(node)?,
        })
    }

    /// Marks the storage of a table or index as dropped by transaction `dropper`; it goes once that has
    /// committed and nobody can see the time before.
    ///
    /// # Errors
    /// `58P01` when there is none, or what the volume says.
    pub fn drop_storage(&self, node: RelNode, dropper: Xid) -> PgResult<()> {
        for key in self.space.relation_keys().into_iter().filter(|key| key.node == node) {
            self.space.drop_relation(key, dropper.get())?;
        }
        Ok(())
    }

    /// Frees the storage of what was dropped for good and of what failed transactions created. To be called
    /// when the engine opens and after transactions that created or dropped something.
    ///
    /// # Errors
    /// What the volume says.
    pub fn sweep_storage(&self) -> PgResult<usize> {
        let freed = self.txns.sweep_relations()?;
        if freed > 0 {
            let exists = |node: &RelNode| matches!(self.space.relation(RelKey::main(*node)), Ok(Some(_)));
            self.heaps.write().retain(|node, _| exists(node));
            self.btrees.write().retain(|node, _| exists(node));
            self.gists.write().retain(|node, _| exists(node));
        }
        Ok(freed)
    }
}
