//! Sequential scans, a page at a time.
//!
//! The page is copied under one short latch, and everything else happens on the copy: visibility, which may
//! have to load status pages, and handing rows out. So a scan never holds a latch between rows, and nobody who
//! prunes a page has to wait for those who read it.

use std::sync::Arc;

use redoubt_buffer::{Access, BlockNo};
use redoubt_error::PgResult;
use redoubt_page::{Page, PageId};
use redoubt_txn::{Snapshot, ViewCache};

use crate::heap::Heap;
use crate::heap::page::{Item, item};
use crate::tuple::{Tid, TupleRef, mask};

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards higher places, or keys.
    Forward,
    /// Towards lower ones.
    Backward,
}

/// A scan over a range of a table's blocks. Can turn round at any row, as cursors do.
pub struct HeapScan {
    heap: Arc<Heap>,
    snapshot: Snapshot,
    access: Access,
    first: BlockNo,
    /// One past the last.
    end: BlockNo,
    /// The block whose copy is in `page`.
    block: Option<BlockNo>,
    page: Page,
    /// The row handed out last, if it has long values.
    whole: Vec<u8>,
    /// The slots (from 1) of that block that the snapshot sees.
    visible: Vec<u16>,
    /// Where in `visible` the row handed out last is; beyond either end when the block is done.
    at: isize,
    /// All rows have been handed out in this direction.
    done: Option<Direction>,
    cache: ViewCache,
}

impl Heap {
    /// Whether so many blocks are too much to read through the pool: as in PostgreSQL, a scan of more than a
    /// quarter of it must not push everything else out. Who divides a scan asks for the whole of it, and then
    /// calls [`HeapScan::once`] on the parts.
    pub fn is_large(&self, blocks: BlockNo) -> bool {
        blocks as usize > self.pool().capacity_pages() / 4
    }
}

impl HeapScan {
    /// A scan over the whole table as it is now.
    pub fn new(heap: Arc<Heap>, snapshot: Snapshot) -> Self {
        let end = heap.nblocks();
        Self::over(heap, snapshot, 0, end)
    }

    /// A scan over the blocks from `first` to before `end`.
    pub fn over(heap: Arc<Heap>, snapshot: Snapshot, first: BlockNo, end: BlockNo) -> Self {
        let end = end.min(heap.nblocks());
        let is_large = heap.is_large(end.saturating_sub(first));
        let access = if is_large { Access::Once } else { Access::Normal };
        Self {
            heap,
            snapshot,
            access,
            first: first.min(end),
            end,
            block: None,
            page: Page::absent(PageId::new(0)),
            whole: Vec::new(),
            visible: Vec::new(),
            at: 0,
            done: None,
            cache: ViewCache::default(),
        }
    }

    /// Keeps the scan from pushing other pages out of the pool, however small it is.
    pub fn once(mut self) -> Self {
        self.access = Access::Once;
        self
    }

    /// Starts over, from either end.
    pub fn rewind(&mut self) {
        self.block = None;
        self.done = None;
    }

    /// The next row that the snapshot sees, or nothing at the end; then the other direction starts from that end.
    ///
    /// # Errors
    /// What the volume says.
    #[inline]
    pub fn next(&mut self, direction: Direction) -> PgResult<Option<(Tid, TupleRef<'_>)>> {
        let step = if direction == Direction::Forward { 1 } else { -1 };
        self.at += step;
        while self.current_slot().is_none() {
            if !self.next_page(direction)? {
                return Ok(None);
            }
        }
        let slot = self.current_slot().expect("the loop ends with one");
        let block = self.block.expect("a row is in a block");
        let Item::Tuple(mut tuple) = item(&self.page, slot) else { unreachable!("only rows are visible") };
        if tuple.has(mask::EXTERNAL) {
            self.whole.clear();
            self.whole.extend_from_slice(tuple.bytes());
            self.heap.complete(&mut self.whole)?;
            tuple = TupleRef::new(&self.whole).expect("completing leaves the header");
        }
        Ok(Some((Tid::new(block, slot), tuple)))
    }

    #[inline]
    fn current_slot(&self) -> Option<u16> {
        self.block?;
        usize::try_from(self.at).ok().and_then(|at| self.visible.get(at)).copied()
    }

    /// Loads the next block in this direction; false when there is none.
    fn next_page(&mut self, direction: Direction) -> PgResult<bool> {
        let next = match (self.block, direction) {
            (Some(block), Direction::Forward) => Some(block + 1),
            (Some(block), Direction::Backward) => block.checked_sub(1),
            // At one of the ends: where the scan turns round, or starts.
            (None, Direction::Forward) if self.done != Some(Direction::Forward) => Some(self.first),
            (None, Direction::Backward) if self.done != Some(Direction::Backward) => self.end.checked_sub(1),
            (None, _) => None,
        };
        match next.filter(|block| (self.first..self.end).contains(block)) {
            Some(block) => {
                self.load(block)?;
                self.at = if direction == Direction::Forward { 0 } else { self.visible.len() as isize - 1 };
                Ok(true)
            }
            None => {
                self.block = None;
                self.done = Some(direction);
                Ok(false)
            }
        }
    }

    fn load(&mut self, block: BlockNo) -> PgResult<()> {
        let pin = self.heap.pin_for(block, self.access)?;
        self.page.copy_from(&pin.read());
        drop(pin);
        self.block = Some(block);
        self.visible.clear();
        let (page, snapshot, cache, visible) =
            (&self.page, &self.snapshot, &mut self.cache, &mut self.visible);
        for slot in 1..=page.slot_count() {
            if let Item::Tuple(tuple) = item(page, slot) {
                let stamps = tuple.stamps();
                if self.heap.retry(|| snapshot.sees(&stamps, cache))? {
                    visible.push(slot);
                }
            }
        }
        Ok(())
    }
}
