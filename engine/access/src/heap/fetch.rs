//! Fetching single rows: by place, and through a chain of versions as an index entry points to it.

use redoubt_error::PgResult;
use redoubt_page::Page;
use redoubt_txn::{Snapshot, StatusMissing, ViewCache, Xid};

use crate::heap::Heap;
use crate::heap::page::{Item, item};
use crate::tuple::{Tid, TupleRef, mask};

/// Where a fetched row version is copied to; reused from fetch to fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchBuf {
    bytes: Vec<u8>,
    cache: ViewCache,
}

impl FetchBuf {
    /// The row version fetched last.
    ///
    /// # Panics
    /// When none has been.
    pub fn tuple(&self) -> TupleRef<'_> {
        TupleRef::new(&self.bytes).expect("a row version was fetched")
    }

    /// Its bytes, header included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes, to be completed.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn fill(&mut self, tuple: TupleRef<'_>) {
        self.bytes.clear();
        self.bytes.extend_from_slice(tuple.bytes());
    }
}

impl Heap {
    /// Copies the row version at exactly this place into `buf`, if there is one that the snapshot sees.
    ///
    /// # Errors
    /// What the volume says.
    pub fn fetch(&self, tid: Tid, snapshot: &Snapshot, buf: &mut FetchBuf) -> PgResult<bool> {
        if tid.block >= self.nblocks() {
            return Ok(false);
        }
        let pin = self.pin(tid.block)?;
        let found = self.retry(|| {
            let page = pin.read();
            let Item::Tuple(tuple) = item(&page, tid.slot) else { return Ok(false) };
            let sees = snapshot.sees(&tuple.stamps(), &mut buf.cache)?;
            if sees {
                buf.fill(tuple);
            }
            Ok(sees)
        })?;
        if found {
            self.complete(&mut buf.bytes)?;
        }
        Ok(found)
    }

    /// Copies the version that the snapshot sees of the row that an index entry points to into `buf`, and returns its
    /// place.
    ///
    /// # Errors
    /// What the volume says.
    pub fn fetch_from_index(
        &self,
        root: Tid,
        snapshot: &Snapshot,
        buf: &mut FetchBuf,
    ) -> PgResult<Option<Tid>> {
        if root.block >= self.nblocks() {
            return Ok(None);
        }
        let pin = self.pin(root.block)?;
        let found = self.retry(|| {
            let page = pin.read();
            let cache = &mut buf.cache;
            match visible_in_chain(&page, root.slot, |tuple| snapshot.sees(&tuple.stamps(), cache))? {
                None => Ok(None),
                Some((slot, tuple)) => {
                    buf.fill(tuple);
                    Ok(Some(Tid::new(root.block, slot)))
                }
            }
        })?;
        if found.is_some() {
            self.complete(&mut buf.bytes)?;
        }
        Ok(found)
    }

    /// Copies the row version at this place, whoever sees it. Somebody has to see it, though, lest its long values
    /// be gone.
    ///
    /// # Errors
    /// What the volume says.
    pub fn fetch_any(&self, tid: Tid, buf: &mut FetchBuf) -> PgResult<bool> {
        let found = self.fetch_short(tid, buf)?;
        if found {
            self.complete(&mut buf.bytes)?;
        }
        Ok(found)
    }

    /// As [`Heap::fetch_any`], with references instead of long values.
    pub(super) fn fetch_short(&self, tid: Tid, buf: &mut FetchBuf) -> PgResult<bool> {
        if tid.block >= self.nblocks() {
            return Ok(false);
        }
        let pin = self.pin(tid.block)?;
        let page = pin.read();
        let Item::Tuple(tuple) = item(&page, tid.slot) else { return Ok(false) };
        buf.fill(tuple);
        Ok(true)
    }
}

/// Walks the chain that starts in `root` (a slot from 1) and returns the first version that `wanted` accepts.
pub(super) fn visible_in_chain<'a>(
    page: &'a Page,
    root: u16,
    mut wanted: impl FnMut(TupleRef<'a>) -> Result<bool, StatusMissing>,
) -> Result<Option<(u16, TupleRef<'a>)>, StatusMissing> {
    for (slot, tuple) in Chain::new(page, root) {
        if wanted(tuple)? {
            return Ok(Some((slot, tuple)));
        }
    }
    Ok(None)
}

/// The versions of one row on one page, oldest first.
pub(super) struct Chain<'a> {
    page: &'a Page,
    next: Option<u16>,
    /// Whoever made the next version must be who replaced the last: otherwise the replacing was taken back and
    /// the slot has been used for something else.
    replaced_by: Option<Xid>,
    /// A page has no longer chain, unless it is damaged.
    left: u16,
}

impl<'a> Chain<'a> {
    pub(super) fn new(page: &'a Page, root: u16) -> Self {
        Self { page, next: Some(root), replaced_by: None, left: page.slot_count() }
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = (u16, TupleRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.next.take()?;
        self.left = self.left.checked_sub(1)?;
        match item(self.page, slot) {
            Item::Redirect(first) if self.replaced_by.is_none() => {
                // Only the root can be a redirect, and what it points to is heap-only.
                self.next = Some(first);
                self.replaced_by = Some(Xid::INVALID);
                self.next()
            }
            Item::Tuple(tuple) => {
                match self.replaced_by {
                    // An index entry never points to a heap-only version: this one took the place of the row.
                    None if tuple.has(mask::HEAP_ONLY) => return None,
                    Some(Xid::INVALID) if !tuple.has(mask::HEAP_ONLY) => return None,
                    Some(xmax) if xmax != Xid::INVALID && tuple.xmin() != xmax => return None,
                    _ => (),
                }
                if tuple.has(mask::HOT_UPDATED) {
                    self.next = Some(tuple.ctid().slot);
                    self.replaced_by = Some(tuple.xmax());
                }
                Some((slot, tuple))
            }
            Item::Redirect(_) | Item::Dead | Item::Unused => None,
        }
    }
}
