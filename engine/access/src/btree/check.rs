//! Checking a whole index, as PostgreSQL's amcheck does.

use redoubt_buffer::BlockNo;
use redoubt_error::PgResult;
use redoubt_page::Page;

use crate::btree::node::{FIRST, NONE, Node};
use crate::btree::{BTree, TID_BYTES, corrupted, tid_of};
use crate::tuple::Tid;

/// One level, as found by following right links.
struct Level {
    /// Blocks from left to right, with lower bounds.
    nodes: Vec<(BlockNo, Vec<u8>)>,
    /// Nodes that the level above need not know yet: right of an incomplete split.
    unknown: Vec<BlockNo>,
}

impl BTree {
    /// Checks order, bounds and links of every node, and returns all entries in order. Nobody may change the index
    /// meanwhile.
    ///
    /// # Errors
    /// `XX002` for the first thing found wrong, or what the volume says.
    pub fn check(&self) -> PgResult<Vec<(Vec<u8>, Tid)>> {
        let (root, top) = self.reload_root()?;
        let mut entries = Vec::new();
        let mut first = root;
        let mut above: Option<Vec<(BlockNo, Vec<u8>)>> = None;
        for level in (0..=top).rev() {
            let mut children = Vec::new();
            let found = self.check_level(first, level, &mut children, &mut entries)?;
            if let Some(known) = above {
                let expect: Vec<_> =
                    found.nodes.iter().filter(|(block, _)| !found.unknown.contains(block)).cloned().collect();
                if known != expect {
                    let pin = self.pin(first)?;
                    return Err(corrupted(&pin.read(), "the level above it knows other children"));
                }
            }
            first = children.first().map_or(NONE, |(child, _)| *child);
            above = Some(children);
        }
        Ok(entries)
    }

    fn check_level(
        &self,
        first: BlockNo,
        level: u16,
        children: &mut Vec<(BlockNo, Vec<u8>)>,
        entries: &mut Vec<(Vec<u8>, Tid)>,
    ) -> PgResult<Level> {
        let mut found = Level { nodes: Vec::new(), unknown: Vec::new() };
        let (mut block, mut low) = (first, Vec::new());
        while block != NONE {
            let pin = self.pin(block)?;
            let page = pin.read();
            let node = Node::new(&page)?;
            if node.level() != level || node.is_deleted() || node.is_free() {
                return Err(corrupted(&page, "it does not belong to its level"));
            }
            check_order(&page, node, &low)?;
            for slot in FIRST..node.end() {
                if level > 0 {
                    // A node's first bound is the node's own.
                    let bound = if slot == FIRST { &low[..] } else { node.bound(slot) };
                    children.push((node.child(slot), bound.to_vec()));
                } else {
                    let full = node.leaf_key(slot);
                    entries.push((full[..full.len() - TID_BYTES].to_vec(), tid_of(full)));
                }
            }
            found.nodes.push((block, low.clone()));
            if node.has_incomplete_split() {
                found.unknown.push(node.right());
            }
            block = node.right();
            match node.high() {
                Some(high) => low = high.to_vec(),
                None if block != NONE => return Err(corrupted(&page, "it has a sibling and no high key")),
                None => (),
            }
        }
        Ok(found)
    }
}

/// Keys ascend, at or above `low` and below the high key.
fn check_order(page: &Page, node: Node<'_>, low: &[u8]) -> PgResult<()> {
    let mut last: Option<&[u8]> = None;
    for slot in FIRST..node.end() {
        let key = if node.level() == 0 { node.leaf_key(slot) } else { node.bound(slot) };
        let is_first_bound = node.level() > 0 && slot == FIRST;
        if node.level() == 0 && key.len() < TID_BYTES {
            return Err(corrupted(page, "an entry without a place"));
        }
        if last.is_some_and(|last| last >= key) {
            return Err(corrupted(page, "entries are out of order"));
        }
        if key < low && !is_first_bound || node.high().is_some_and(|high| key >= high) {
            return Err(corrupted(page, "an entry lies outside the node's bounds"));
        }
        last = Some(key);
    }
    if node.level() > 0 && node.len() == 0 {
        return Err(corrupted(page, "an inner node without children"));
    }
    Ok(())
}
