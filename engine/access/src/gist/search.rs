//! Searches: down into every entry whose key may stand for what is looked for.
//!
//! One latch at a time, and none between nodes. A node that was split after its parent was read says so by its split
//! mark, and its right sibling is looked at as well: so an entry that was there at the start is met exactly once.

use std::sync::Arc;

use redoubt_buffer::{BlockNo, PinnedPage};
use redoubt_error::PgResult;
use redoubt_page::Page;

use crate::gist::keys::{GistColumns, GistCondition, consistent};
use crate::gist::node::Node;
use crate::gist::{Gist, ROOT};
use crate::tuple::Tid;

/// The way through a tree: nodes that are still to be looked at, the next one last, each with the LSN that its parent's
/// page had.
pub(super) struct Walk {
    nodes: Vec<(BlockNo, u64)>,
}

/// A node that the walk has come to.
pub(super) struct Visit {
    pub(super) block: BlockNo,
    pub(super) pin: PinnedPage,
    parent_lsn: u64,
}

impl Walk {
    pub(super) fn new() -> Self {
        Walk { nodes: vec![(ROOT, u64::MAX)] }
    }

    /// The next node. It has to be entered under a latch.
    pub(super) fn next(&mut self, tree: &Gist) -> PgResult<Option<Visit>> {
        let Some((block, parent_lsn)) = self.nodes.pop() else { return Ok(None) };
        Ok(Some(Visit { block, pin: tree.pin(block)?, parent_lsn }))
    }

    /// Decides where to go from a latched node: to what was split off it, and to those of its children whose keys pass
    /// `wanted`. Gives a leaf back, to be looked at under the same latch.
    pub(super) fn enter<'n>(
        &mut self,
        visit: &Visit,
        page: &'n Page,
        wanted: &mut dyn FnMut(&[u8]) -> bool,
    ) -> PgResult<Option<Node<'n>>> {
        let node = Node::new(page)?;
        self.nodes.extend(node.split_since(visit.parent_lsn).map(|right| (right, visit.parent_lsn)));
        if node.is_deleted() {
            return Ok(None);
        }
        if node.is_leaf() {
            return Ok(Some(node));
        }
        let lsn = page.lsn().get();
        let slots = (0..node.len()).rev().filter(|&slot| wanted(node.key(slot)));
        self.nodes.extend(slots.map(|slot| (node.child(slot), lsn)));
        Ok(None)
    }
}

/// A search under conditions that must all hold. It takes no snapshot; whoever runs it holds one while it lasts, which
/// keeps the blocks it will go to from being used for something else.
pub struct GistSearch {
    tree: Arc<Gist>,
    columns: Arc<GistColumns>,
    conditions: Vec<GistCondition>,
    walk: Walk,
    /// Rows found on the leaf looked at last, the next one last.
    found: Vec<Tid>,
}

impl GistSearch {
    /// Starts a search.
    pub fn new(tree: Arc<Gist>, columns: Arc<GistColumns>, conditions: Vec<GistCondition>) -> Self {
        GistSearch { tree, columns, conditions, walk: Walk::new(), found: Vec::new() }
    }

    /// The place of the next row that may satisfy the conditions; whether it does has to be tested on the row.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    pub fn next(&mut self) -> PgResult<Option<Tid>> {
        loop {
            if let Some(tid) = self.found.pop() {
                return Ok(Some(tid));
            }
            let GistSearch { tree, columns, conditions, walk, found } = self;
            let Some(visit) = walk.next(tree)? else { return Ok(None) };
            let page = visit.pin.read();
            let leaf = walk.enter(&visit, &page, &mut |key| consistent(columns, key, conditions, false))?;
            if let Some(leaf) = leaf {
                let slots = (0..leaf.len()).rev();
                let fitting = slots.filter(|&slot| consistent(columns, leaf.key(slot), conditions, true));
                found.extend(fitting.map(|slot| leaf.tid(slot)));
            }
        }
    }
}
