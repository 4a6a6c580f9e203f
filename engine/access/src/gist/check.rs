//! What must hold in an index that nobody is changing.

use std::collections::BTreeSet;

use redoubt_buffer::BlockNo;
use redoubt_error::PgResult;

use crate::gist::keys::{GistColumns, united};
use crate::gist::node::Node;
use crate::gist::{Gist, ROOT, corrupted};
use crate::tuple::Tid;

impl Gist {
    /// Reads the whole index, and gives its entries as they come. Every node is reached once, its level is one below
    /// its parent's, and its parent's key stands for all it has.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    pub fn check(&self, columns: &GistColumns) -> PgResult<Vec<(Vec<u8>, Tid)>> {
        let mut entries = Vec::new();
        let mut seen: BTreeSet<BlockNo> = BTreeSet::new();
        let mut nodes: Vec<(BlockNo, Option<(u16, Vec<u8>)>)> = vec![(ROOT, None)];
        while let Some((block, parent)) = nodes.pop() {
            let pin = self.pin(block)?;
            let page = pin.read();
            let node = Node::new(&page)?;
            if !seen.insert(block) {
                return Err(corrupted(&page, "two entries lead to it"));
            }
            if node.is_deleted() {
                return Err(corrupted(&page, "it is in the tree and deleted"));
            }
            let level = node.links().level;
            for slot in 0..node.len() {
                if let Some((above, key)) = &parent {
                    if level + 1 != *above {
                        return Err(corrupted(&page, "it is not on the level below its parent's"));
                    }
                    if united(columns, key, node.key(slot)) != *key {
                        return Err(corrupted(&page, "its parent's key does not stand for all it has"));
                    }
                }
                match level {
                    0 => entries.push((node.key(slot).to_vec(), node.tid(slot))),
                    _ => nodes.push((node.child(slot), Some((level, node.key(slot).to_vec())))),
                }
            }
        }
        Ok(entries)
    }
}
