//! The buffer pool: which pages are in memory, fetching them, and dropping them again.
//!
//! It never writes a page. What is dropped is what the storage tier can make again: a page whose LSN is at
//! or below the durable end (storage.md, Reading). See the README for the locking rules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};
use redoubt_error::PgResult;
use redoubt_page::{Lsn, Page, PageId};
use rustc_hash::FxHashMap;

use crate::blocking::blocking;
use crate::latch::{Frame, PinnedPage, assert_no_latch_held};
use crate::mtr::Mtr;
use crate::volume::PageVolume;

/// How often a frame must be passed over before it goes, at most; as in PostgreSQL's clock.
const MAX_USAGE: u8 = 4;
/// Shards hold at least so many frames, so that a small pool is not split into useless parts.
const MIN_SHARD_FRAMES: usize = 64;
const MAX_SHARDS: usize = 128;

/// Whether a page is likely to be wanted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Like any other: the more often, the longer it stays.
    Normal,
    /// Once, in a scan larger than the pool: it leaves first.
    Once,
}

/// The pages in memory. Cheap to clone; all clones are the same pool.
#[derive(Clone)]
pub struct BufferPool {
    inner: Arc<PoolInner>,
}

struct PoolInner {
    volume: Arc<dyn PageVolume>,
    shards: Box<[Shard]>,
    shard_bits: u32,
    read_points: Mutex<ReadPoints>,
    pages_fetched: AtomicU64,
    pages_dropped: AtomicU64,
    mtrs: AtomicU64,
}

/// The read points of the fetches under way, and the floor announced to the volume.
#[derive(Default)]
struct ReadPoints {
    in_flight: BTreeMap<Lsn, u32>,
    announced: Lsn,
}

struct Shard {
    table: RwLock<Table>,
    /// Pages asked for that were here; on the cache line that the lock has just been taken on.
    hits: AtomicU64,
    capacity: usize,
}

#[derive(Default)]
struct Table {
    places: FxHashMap<PageId, usize>,
    slots: Vec<Slot>,
    hand: usize,
    loading: FxHashMap<PageId, Arc<Loading>>,
}

struct Slot {
    id: PageId,
    frame: Frame,
    usage: AtomicU8,
}

/// A fetch under way; whoever else wants the page waits here instead of fetching it a second time.
#[derive(Default)]
struct Loading {
    done: Mutex<bool>,
    finished: Condvar,
}

/// Counters since the pool was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Pages in memory now.
    pub pages: usize,
    /// Pages asked for that were in memory.
    pub hits: u64,
    /// Pages fetched from the volume.
    pub pages_fetched: u64,
    /// Pages dropped to make room.
    pub pages_dropped: u64,
    /// Mini-transactions appended.
    pub mtrs: u64,
}

impl BufferPool {
    /// A pool that keeps about `shared_buffers_pages` pages of `volume`. It exceeds that rather than fail
    /// when everything is pinned or not durable yet.
    pub fn new(volume: Arc<dyn PageVolume>, shared_buffers_pages: usize) -> Self {
        let shards = (shared_buffers_pages / MIN_SHARD_FRAMES).clamp(1, MAX_SHARDS);
        let shard_bits = shards.ilog2();
        let shards = 1usize << shard_bits;
        let capacity = shared_buffers_pages.div_ceil(shards).max(4);
        let shards = (0..shards)
            .map(|_| Shard { table: RwLock::default(), hits: AtomicU64::new(0), capacity })
            .collect();
        Self {
            inner: Arc::new(PoolInner {
                volume,
                shards,
                shard_bits,
                read_points: Mutex::default(),
                pages_fetched: AtomicU64::new(0),
                pages_dropped: AtomicU64::new(0),
                mtrs: AtomicU64::new(0),
            }),
        }
    }

    /// About how many pages it keeps.
    pub fn capacity_pages(&self) -> usize {
        self.inner.shards.iter().map(|shard| shard.capacity).sum()
    }

    /// The volume underneath.
    pub fn volume(&self) -> &Arc<dyn PageVolume> {
        &self.inner.volume
    }

    /// The durable end of the log.
    #[inline]
    pub fn vdl(&self) -> Lsn {
        self.inner.volume.vdl()
    }

    /// Waits, announced, until `lsn` is durable.
    ///
    /// # Errors
    /// When this instance is fenced; that never means that `lsn` was not made durable.
    pub fn wait_durable(&self, lsn: Lsn) -> PgResult<()> {
        if self.vdl() >= lsn {
            return Ok(());
        }
        blocking(|| self.inner.volume.wait_durable_blocking(lsn))
    }

    /// Pins a page, fetching it if it is not here. May block, so no latch may be held when it is not known
    /// to be here.
    ///
    /// # Errors
    /// What the volume says when it cannot supply the page.
    #[inline]
    pub fn pin(&self, id: PageId) -> PgResult<PinnedPage> {
        self.pin_for(id, Access::Normal)
    }

    /// As [`BufferPool::pin`], saying how the page will be used.
    ///
    /// # Errors
    /// What the volume says when it cannot supply the page.
    #[inline]
    pub fn pin_for(&self, id: PageId, access: Access) -> PgResult<PinnedPage> {
        match self.pin_cached(id, access) {
            Some(page) => Ok(page),
            None => self.pin_missing(id, access),
        }
    }

    /// Pins a page if it is here. Never blocks.
    #[inline]
    pub fn pin_cached(&self, id: PageId, access: Access) -> Option<PinnedPage> {
        let shard = self.shard(id);
        let table = shard.table.read();
        let slot = &table.slots[*table.places.get(&id)?];
        slot.touch(access);
        shard.hits.fetch_add(1, Ordering::Relaxed);
        Some(PinnedPage::new(id, slot.frame.clone()))
    }

    /// Pins a page that no record has ever touched, without asking the volume. The space allocator knows
    /// which these are.
    pub(crate) fn pin_untouched(&self, id: PageId) -> PgResult<PinnedPage> {
        let shard = self.shard(id);
        let mut table = shard.table.write();
        if table.places.contains_key(&id) || table.loading.contains_key(&id) {
            // Somebody scans ahead. Installing a page that is being fetched would let it be changed, made durable
            // and dropped before the fetch installs its old version.
            drop(table);
            return self.pin(id);
        }
        let frame = new_frame(Page::absent(id));
        self.install(shard, &mut table, id, frame.clone(), Access::Normal);
        Ok(PinnedPage::new(id, frame))
    }

    /// Starts a mini-transaction that may change up to `max_records` pages with up to `max_bytes` of operations.
    /// Waits for room in the log, so no latch may be held.
    ///
    /// # Errors
    /// When this instance is fenced, or the volume cannot be written.
    pub fn begin_mtr(&self, max_records: usize, max_bytes: usize) -> PgResult<Mtr<'_>> {
        assert_no_latch_held("reserving log space");
        Mtr::begin(self, max_records, max_bytes)
    }

    /// Counters.
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            pages: self.inner.shards.iter().map(|shard| shard.table.read().slots.len()).sum(),
            hits: self.inner.shards.iter().map(|shard| shard.hits.load(Ordering::Relaxed)).sum(),
            pages_fetched: self.inner.pages_fetched.load(Ordering::Relaxed),
            pages_dropped: self.inner.pages_dropped.load(Ordering::Relaxed),
            mtrs: self.inner.mtrs.load(Ordering::Relaxed),
        }
    }

    /// The pages in memory now, for tests and for `pg_buffercache`.
    pub fn cached_pages(&self) -> Vec<PageId> {
        let tables = self.inner.shards.iter().map(|shard| shard.table.read());
        tables.flat_map(|table| table.slots.iter().map(|slot| slot.id).collect::<Vec<_>>()).collect()
    }

    /// Drops every page that may be dropped, whatever its usage.
    pub fn drop_unpinned(&self) {
        for shard in &self.inner.shards {
            let mut table = shard.table.write();
            let vdl = self.vdl();
            let mut place = 0;
            while place < table.slots.len() {
                if table.slots[place].is_droppable(vdl) {
                    table.remove(place);
                } else {
                    place += 1;
                }
            }
        }
    }

    /// Tells the volume which old page versions nobody here will ask for any more.
    pub fn advance_read_floor(&self) {
        let mut points = self.inner.read_points.lock();
        let floor = points.in_flight.keys().next().copied().unwrap_or_else(|| self.vdl());
        if floor > points.announced {
            points.announced = floor;
            self.inner.volume.set_read_floor(floor);
        }
    }

    pub(crate) fn count_mtr(&self) {
        // The floor has to move even when everything is in memory and nothing is ever fetched.
        if self.inner.mtrs.fetch_add(1, Ordering::Relaxed) % 1024 == 1023 {
            self.advance_read_floor();
        }
    }

    #[inline]
    fn shard(&self, id: PageId) -> &Shard {
        // Fibonacci hashing: neighbouring pages go to different shards.
        let hash = id.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.inner.shards[(hash >> 32) as usize & ((1 << self.inner.shard_bits) - 1)]
    }

    #[cold]
    fn pin_missing(&self, id: PageId, access: Access) -> PgResult<PinnedPage> {
        loop {
            let waiting_for = {
                let mut table = self.shard(id).table.write();
                if let Some(&place) = table.places.get(&id) {
                    return Ok(PinnedPage::new(id, table.slots[place].frame.clone()));
                }
                let other = table.loading.get(&id).cloned();
                if other.is_none() {
                    table.loading.insert(id, Arc::default());
                }
                other
            };
            match waiting_for {
                Some(other) => blocking(|| other.wait()),
                None => return self.fetch(id, access),
            }
        }
    }

    /// Fetches a page whose `loading` entry is ours.
    fn fetch(&self, id: PageId, access: Access) -> PgResult<PinnedPage> {
        let shard = self.shard(id);
        let fetching = Fetching { shard, id };
        // The read point is taken after the entry was made: between the two, nobody else can have fetched
        // the page, changed it, and dropped it again.
        let at = self.begin_read();
        let fetched = blocking(|| self.inner.volume.read_page(id, at));
        self.end_read(at);
        let page = fetched?;
        self.inner.pages_fetched.fetch_add(1, Ordering::Relaxed);
        let mut table = shard.table.write();
        assert!(!table.places.contains_key(&id), "only the holder of the loading entry installs a page");
        let frame = new_frame(page);
        self.install(shard, &mut table, id, frame.clone(), access);
        drop(table);
        drop(fetching);
        Ok(PinnedPage::new(id, frame))
    }

    fn begin_read(&self) -> Lsn {
        let mut points = self.inner.read_points.lock();
        let at = self.vdl();
        *points.in_flight.entry(at).or_insert(0) += 1;
        at
    }

    fn end_read(&self, at: Lsn) {
        let mut points = self.inner.read_points.lock();
        let count = points.in_flight.get_mut(&at).expect("a read point ends once");
        *count -= 1;
        if *count == 0 {
            points.in_flight.remove(&at);
        }
    }

    fn install(&self, shard: &Shard, table: &mut Table, id: PageId, frame: Frame, access: Access) {
        let slot = Slot { id, frame, usage: AtomicU8::new(0) };
        slot.touch(access);
        let vdl = self.vdl();
        while table.slots.len() > shard.capacity && table.find_victim(vdl).is_some_and(|at| table.remove(at))
        {
            self.inner.pages_dropped.fetch_add(1, Ordering::Relaxed);
        }
        let victim = if table.slots.len() >= shard.capacity { table.find_victim(vdl) } else { None };
        match victim {
            Some(place) => {
                self.inner.pages_dropped.fetch_add(1, Ordering::Relaxed);
                let old = std::mem::replace(&mut table.slots[place], slot);
                table.places.remove(&old.id);
                table.places.insert(id, place);
            }
            None => {
                table.places.insert(id, table.slots.len());
                table.slots.push(slot);
            }
        }
    }
}

impl Table {
    /// Turns the clock until a frame may go; nothing when all are pinned, in use, or not durable yet.
    fn find_victim(&mut self, vdl: Lsn) -> Option<usize> {
        for _ in 0..self.slots.len() * (usize::from(MAX_USAGE) + 1) {
            let place = self.hand % self.slots.len();
            self.hand = place + 1;
            let slot = &self.slots[place];
            let usage = slot.usage.load(Ordering::Relaxed);
            if Arc::strong_count(&slot.frame) > 1 {
                continue;
            }
            if usage > 0 {
                slot.usage.store(usage - 1, Ordering::Relaxed);
            } else if slot.is_droppable(vdl) {
                return Some(place);
            }
        }
        None
    }

    fn remove(&mut self, place: usize) -> bool {
        let old = self.slots.swap_remove(place);
        self.places.remove(&old.id);
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.id, place);
        }
        true
    }
}

impl Slot {
    #[inline]
    fn touch(&self, access: Access) {
        let usage = self.usage.load(Ordering::Relaxed);
        if access == Access::Normal && usage < MAX_USAGE {
            self.usage.store(usage + 1, Ordering::Relaxed);
        }
    }

    /// Whether nobody can reach the frame but through the table, which the caller has locked, and storage
    /// can make the page again.
    fn is_droppable(&self, vdl: Lsn) -> bool {
        Arc::strong_count(&self.frame) == 1 && self.frame.try_read().is_some_and(|page| page.lsn() <= vdl)
    }
}

impl Loading {
    fn wait(&self) {
        let mut done = self.done.lock();
        while !*done {
            self.finished.wait(&mut done);
        }
    }
}

/// Takes the `loading` entry away again, however the fetch ends.
struct Fetching<'a> {
    shard: &'a Shard,
    id: PageId,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        if let Some(loading) = self.shard.table.write().loading.remove(&self.id) {
            *loading.done.lock() = true;
            loading.finished.notify_all();
        }
    }
}

fn new_frame(page: Page) -> Frame {
    Arc::new(RwLock::new(page))
}
