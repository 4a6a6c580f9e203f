//! What an execution works with: session, storage, transaction.

use crate::offload::Offload;
use crate::spill::Work;
use redoubt_access::{BTree, Engine, Gist, GistColumns, Heap, Tid};
use redoubt_buffer::RelNode;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Env, Oid};
use redoubt_plan::Plan;
use redoubt_plan::facts::{IndexFacts, IndexForm};
use redoubt_txn::{Snapshot, Txn};
use std::sync::Arc;

/// What the session lends to each call. An execution may be resumed under another context of the
/// same transaction (a cursor's next FETCH).
#[derive(Clone, Copy)]
pub struct ExecContext<'a> {
    /// Session and catalog, for functions.
    pub env: &'a dyn Env,
    /// Tables under the statement's snapshot.
    pub storage: &'a Storage<'a>,
}

/// What a statement may do to tables, and as which transaction.
pub struct Storage<'a> {
    /// Pool, space, open tables.
    pub engine: &'a Arc<Engine>,
    /// The transaction.
    pub txn: &'a Txn,
    /// What the statement sees.
    pub snapshot: Snapshot,
    /// Tables by OID.
    pub relations: &'a dyn Relations,
    /// What it may hold in memory and in temporary files.
    pub work: Work,
    /// Runs what plans give to another executor; `None` where plans give nothing away.
    pub offload: Option<&'a dyn Offload>,
}

/// Opens tables by `pg_class.oid`.
pub trait Relations {
    /// The table's storage and name.
    ///
    /// # Errors
    /// `XX000` when there is no such table, which the statement's lock forbids; those of reading pages.
    fn open(&self, relid: Oid) -> PgResult<OpenTable>;

    /// Plans a statement that the executor has made up: a foreign key's action, as the table's owner
    /// and with these parameter types. Plans may be kept as any others.
    ///
    /// # Errors
    /// `0A000` where that is not provided; those of analyzing and planning.
    fn plan_internal(&self, text: &str, param_types: &[Oid]) -> PgResult<Arc<Plan>> {
        let _ = (text, param_types);
        Err(PgError::unsupported("changing rows that foreign keys refer to"))
    }
}

/// An index open for new entries.
pub(crate) enum OpenIndex {
    /// Entries in the order of their keys' bytes.
    BTree(Arc<BTree>),
    /// Entries under keys that stand for several values.
    Gist(Arc<Gist>, Arc<GistColumns>),
}

impl OpenIndex {
    /// A row with this key that is alive for `txn` and is not `own` ([`BTree::find_conflict`]). Keys that stand for
    /// several values are never unique.
    pub(crate) fn find_conflict(
        &self,
        txn: &Txn,
        heap: &Heap,
        key: &[u8],
        own: Tid,
    ) -> PgResult<Option<Tid>> {
        match self {
            OpenIndex::BTree(tree) => tree.find_conflict(txn, heap, key, own),
            OpenIndex::Gist(..) => Ok(None),
        }
    }
}

impl Storage<'_> {
    /// An index for new entries.
    pub(crate) fn open_for_entries(&self, index: &IndexFacts) -> PgResult<OpenIndex> {
        Ok(match &index.form {
            IndexForm::Searched(columns) => OpenIndex::Gist(self.open_gist(index.storage)?, columns.clone()),
            _ => OpenIndex::BTree(self.open_index(index.storage)?),
        })
    }

    /// A generalized search tree, by the number of its storage.
    pub(crate) fn open_gist(&self, storage: u32) -> PgResult<Arc<Gist>> {
        self.engine.gist(RelNode(storage))
    }

    /// A B-tree, by the number of its storage.
    pub(crate) fn open_index(&self, storage: u32) -> PgResult<Arc<BTree>> {
        self.engine.btree(RelNode(storage))
    }
}

/// An open table.
#[derive(Clone)]
pub struct OpenTable {
    /// Its rows.
    pub heap: Arc<Heap>,
    /// Its name, for messages.
    pub name: Arc<str>,
    /// Its schema's name, for messages.
    pub schema: Arc<str>,
    /// How full insertions make a page, in percent.
    pub fillfactor: u8,
}

impl ExecContext<'_> {
    /// Fails if the session was asked to stop. One load when it was not.
    ///
    /// # Errors
    /// `57014` and the like.
    #[inline]
    pub(crate) fn check_for_interrupts(&self) -> PgResult<()> {
        self.storage.txn.backend().check_for_interrupts()
    }
}
