//! Every row of a table with its versions, for building an index: what a new index must lead to.
//!
//! An index serves the snapshots that are already taken as well, so rows that only those see belong into it; and it
//! leads to the root of a chain of versions, not to the version (PostgreSQL's `heapam_index_build_range_scan`).

use std::sync::Arc;

use redoubt_buffer::{Access, BlockNo};
use redoubt_error::PgResult;
use redoubt_page::{Page, PageId};
use redoubt_txn::{Horizon, StatusMissing, Txn, XidState};

use crate::heap::Heap;
use crate::heap::fetch::Chain;
use crate::heap::page::{Item, item};
use crate::heap::prune::is_dead;
use crate::tuple::{Tid, TupleRef, mask};

/// A version of a row that somebody sees or may come to see.
#[derive(Clone, Copy, Debug)]
struct Version {
    slot: u16,
    /// Nobody has deleted or replaced it.
    live: bool,
}

/// One row as [`RowVersions::next`] gives it.
#[derive(Debug)]
pub struct RowChain<'a> {
    /// Where index entries point.
    pub root: Tid,
    /// Its versions that somebody may see, oldest first; the last is the newest. Never empty.
    pub versions: &'a [Vec<u8>],
    /// Whether the newest version is alive, so that it counts for uniqueness.
    pub live: bool,
}

/// A pass over all rows of a table that anybody may see. The caller's lock keeps writers out; what the own transaction
/// has changed is seen as changed.
pub struct RowVersions<'a> {
    heap: Arc<Heap>,
    txn: &'a Txn,
    horizon: Horizon,
    block: BlockNo,
    end: BlockNo,
    page: Page,
    /// The next slot of the page to look at, from 1.
    slot: u16,
    versions: Vec<Vec<u8>>,
}

impl<'a> RowVersions<'a> {
    /// Over the whole table as it is now.
    pub fn new(heap: Arc<Heap>, txn: &'a Txn) -> Self {
        let end = heap.nblocks();
        let horizon = heap.txns.horizon();
        let page = Page::absent(PageId::new(0));
        RowVersions { heap, txn, horizon, block: 0, end, page, slot: u16::MAX, versions: Vec::new() }
    }

    /// The next row, in physical order of roots.
    ///
    /// # Errors
    /// What the volume says.
    pub fn next(&mut self) -> PgResult<Option<RowChain<'_>>> {
        loop {
            if self.slot == u16::MAX || self.slot > self.page.slot_count() {
                if self.block == self.end {
                    return Ok(None);
                }
                let pin = self.heap.pin_for(self.block, Access::Once)?;
                self.page.copy_from(&pin.read());
                self.block += 1;
                self.slot = 1;
                continue;
            }
            let root = self.slot;
            self.slot += 1;
            let is_root = match item(&self.page, root) {
                Item::Tuple(tuple) => !tuple.has(mask::HEAP_ONLY),
                Item::Redirect(_) => true,
                Item::Dead | Item::Unused => false,
            };
            if !is_root {
                continue;
            }
            let found = self.heap.retry(|| visible_versions(&self.page, root, self.txn, &self.horizon))?;
            let Some(newest) = found.last().copied() else { continue };
            self.versions.clear();
            for version in &found {
                let Item::Tuple(tuple) = item(&self.page, version.slot) else { unreachable!("it was one") };
                let mut bytes = tuple.bytes().to_vec();
                self.heap.complete(&mut bytes)?;
                self.versions.push(bytes);
            }
            let root = Tid::new(self.block - 1, root);
            return Ok(Some(RowChain { root, versions: &self.versions, live: newest.live }));
        }
    }
}

/// The versions of a chain that are not dead for everybody.
fn visible_versions(
    page: &Page,
    root: u16,
    txn: &Txn,
    horizon: &Horizon,
) -> Result<Vec<Version>, StatusMissing> {
    let mut found = Vec::with_capacity(1);
    for (slot, tuple) in Chain::new(page, root) {
        if !is_dead(tuple, horizon)? && !has_failed(tuple, txn)? {
            found.push(Version { slot, live: is_live(tuple, txn)? });
        }
    }
    Ok(found)
}

/// Whether the transaction that made the version has failed.
fn has_failed(tuple: TupleRef<'_>, txn: &Txn) -> Result<bool, StatusMissing> {
    Ok(txn.state_of(tuple.xmin())? == XidState::Aborted)
}

/// Whether nobody has ended the version, or whoever has tried failed.
fn is_live(tuple: TupleRef<'_>, txn: &Txn) -> Result<bool, StatusMissing> {
    let xmax = tuple.xmax();
    Ok(!xmax.is_valid() || txn.state_of(xmax)? == XidState::Aborted)
}
