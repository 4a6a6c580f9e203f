//! What all indexes have in common, whatever their pages look like.

use redoubt_buffer::BlockNo;
use redoubt_error::PgResult;
use redoubt_txn::Horizon;

use crate::btree::{BTree, IndexVacuum};
use crate::gist::Gist;
use crate::tuple::Tid;

/// How an index's entries lie on pages. Several of PostgreSQL's access methods may use one kind: hash indexes are
/// B-trees of hash codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// In the order of their keys' bytes.
    BTree,
    /// Under keys that stand for what is below them.
    Gist,
}

/// An open index, for whoever does not put questions to it.
pub trait AccessMethod: Send + Sync {
    /// How many blocks it has.
    fn nblocks(&self) -> BlockNo;

    /// How many levels there are above the leaves.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    fn height(&self) -> PgResult<u16>;

    /// Removes the entries whose rows `is_dead` names. One at a time per index.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    fn vacuum(&self, horizon: &Horizon, is_dead: &mut dyn FnMut(Tid) -> bool) -> PgResult<IndexVacuum>;
}

impl AccessMethod for BTree {
    fn nblocks(&self) -> BlockNo {
        BTree::nblocks(self)
    }

    fn height(&self) -> PgResult<u16> {
        Ok(BTree::height(self))
    }

    fn vacuum(&self, horizon: &Horizon, is_dead: &mut dyn FnMut(Tid) -> bool) -> PgResult<IndexVacuum> {
        BTree::vacuum(self, horizon, is_dead)
    }
}

impl AccessMethod for Gist {
    fn nblocks(&self) -> BlockNo {
        Gist::nblocks(self)
    }

    fn height(&self) -> PgResult<u16> {
        Gist::height(self)
    }

    fn vacuum(&self, horizon: &Horizon, is_dead: &mut dyn FnMut(Tid) -> bool) -> PgResult<IndexVacuum> {
        Gist::vacuum(self, horizon, is_dead)
    }
}
