//! A volume in this process's memory: the whole log, and pages rebuilt from it.
//!
//! It keeps every record ever appended and nothing else that matters, so it is the judge of the engine's
//! tests: whatever the pool holds must equal what [`redoubt_page::apply`] makes of the log, and a crash is
//! nothing but a shorter log.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_page::{
    Lsn, Page, PageId, PgId, RecordFlags, RecordHeader, RecordRef, apply, decode_record, encode_record,
};
use rustc_hash::FxHashMap;

use crate::volume::{Appended, Budget, PageChange, PageVolume};

/// A volume in memory. Cheap to clone; all clones are the same volume.
#[derive(Clone, Default)]
pub struct MemVolume {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    durable: Condvar,
}

#[derive(Default)]
struct State {
    /// Encoded records, one after the other.
    log: Vec<u8>,
    /// Where each record is in `log`, in LSN order: record `lsn` is at index `lsn - 1`.
    ends: Vec<usize>,
    cpls: Vec<Lsn>,
    pages: FxHashMap<PageId, PageHistory>,
    vdl: Lsn,
    read_floor: Lsn,
    /// While set, appending does not move the durable end.
    held: bool,
    fenced: bool,
}

#[derive(Default)]
struct PageHistory {
    lsns: Vec<Lsn>,
    /// The newest version built so far, so that reading a page is not quadratic in its age.
    image: Option<Page>,
}

impl State {
    fn last_lsn(&self) -> Lsn {
        Lsn::new(self.ends.len() as u64)
    }

    fn record(&self, lsn: Lsn) -> RecordRef<'_> {
        let index = usize::try_from(lsn.get() - 1).expect("the log fits into memory");
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        decode_record(&self.log[start..self.ends[index]]).expect("what was encoded decodes")
    }

    /// Builds a page as of `at` by applying its records, from the cached image when that is not too new.
    fn build(&self, id: PageId, at: Lsn) -> Page {
        let Some(history) = self.pages.get(&id) else { return Page::absent(id) };
        let mut page = match &history.image {
            Some(image) if image.lsn() <= at => image.clone(),
            _ => Page::absent(id),
        };
        let from = history.lsns.partition_point(|&lsn| lsn <= page.lsn());
        for &lsn in history.lsns[from..].iter().take_while(|&&lsn| lsn <= at) {
            apply(&mut page, &self.record(lsn)).expect("the log applies to its own pages");
        }
        page
    }
}

impl MemVolume {
    /// An empty volume whose appends are durable at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends stop being durable until [`MemVolume::release`]: commits stay in doubt.
    pub fn hold(&self) {
        self.inner.state.lock().held = true;
    }

    /// Makes everything up to `lsn` durable, or everything there is; what comes later is held still when a
    /// position was given.
    pub fn release(&self, up_to: Option<Lsn>) {
        let mut state = self.inner.state.lock();
        state.held = up_to.is_some();
        let limit = up_to.unwrap_or(Lsn::MAX);
        let reached = state.cpls.partition_point(|&cpl| cpl <= limit);
        if reached > 0 {
            state.vdl = state.vdl.max(state.cpls[reached - 1]);
        }
        drop(state);
        self.inner.durable.notify_all();
    }

    /// From now on this instance may neither read nor write, as when another writer has taken over.
    pub fn fence(&self) {
        self.inner.state.lock().fenced = true;
        self.inner.durable.notify_all();
    }

    /// The last record's position.
    pub fn last_lsn(&self) -> Lsn {
        self.inner.state.lock().last_lsn()
    }

    /// All consistency points, in order: the places where a crash can leave the log.
    pub fn cpls(&self) -> Vec<Lsn> {
        self.inner.state.lock().cpls.clone()
    }

    /// The pages that any record has changed.
    pub fn page_ids(&self) -> Vec<PageId> {
        let mut ids: Vec<_> = self.inner.state.lock().pages.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The bytes of all records.
    pub fn log_bytes(&self) -> usize {
        self.inner.state.lock().log.len()
    }

    /// Builds a page from the log alone, with nothing cached.
    pub fn rebuild(&self, id: PageId, at: Lsn) -> Page {
        let state = self.inner.state.lock();
        let mut page = Page::absent(id);
        for &lsn in state.pages.get(&id).map_or(&[][..], |history| &history.lsns) {
            if lsn <= at {
                apply(&mut page, &state.record(lsn)).expect("the log applies to its own pages");
            }
        }
        page
    }

    /// Do is redo: asserts that every page in the pool equals what the log alone makes of it, byte for byte.
    /// Nobody may be changing pages meanwhile.
    ///
    /// # Panics
    /// When a page differs.
    pub fn assert_pool_matches(&self, pool: &crate::BufferPool) {
        for id in pool.cached_pages() {
            let pin = pool.pin(id).expect("a cached page can be pinned");
            let rebuilt = self.rebuild(id, Lsn::MAX);
            rebuilt.validate().expect("a rebuilt page is sound");
            assert!(*pin.read() == rebuilt, "page {id} in the pool differs from the log's");
        }
    }

    /// What a crash at `cpl` leaves: a new volume with the log up to there. `cpl` is a consistency point.
    pub fn crashed_at(&self, cpl: Lsn) -> MemVolume {
        let state = self.inner.state.lock();
        assert!(cpl == Lsn::ZERO || state.cpls.binary_search(&cpl).is_ok(), "{cpl} is no consistency point");
        let records = usize::try_from(cpl.get()).expect("the log fits into memory");
        let bytes = if records == 0 { 0 } else { state.ends[records - 1] };
        let mut left = State {
            log: state.log[..bytes].to_vec(),
            ends: state.ends[..records].to_vec(),
            cpls: state.cpls.iter().copied().take_while(|&point| point <= cpl).collect(),
            vdl: cpl,
            ..State::default()
        };
        for (&id, history) in &state.pages {
            let lsns: Vec<_> = history.lsns.iter().copied().take_while(|&lsn| lsn <= cpl).collect();
            if !lsns.is_empty() {
                left.pages.insert(id, PageHistory { lsns, image: None });
            }
        }
        MemVolume { inner: Arc::new(Inner { state: Mutex::new(left), durable: Condvar::new() }) }
    }
}

fn fenced() -> PgError {
    PgError::report(
        Severity::Fatal,
        code::ADMIN_SHUTDOWN,
        "terminating connection because another writer has taken over",
    )
}

impl PageVolume for MemVolume {
    fn read_page(&self, id: PageId, at: Lsn) -> PgResult<Page> {
        let mut state = self.inner.state.lock();
        if state.fenced {
            return Err(fenced());
        }
        assert!(at <= state.vdl, "page {id} is read at {at}, above the durable end {}", state.vdl);
        assert!(at >= state.read_floor, "page {id} is read at {at}, below the floor {}", state.read_floor);
        let page = state.build(id, at);
        if let Some(history) = state.pages.get_mut(&id) {
            history.image = Some(page.clone());
        }
        Ok(page)
    }

    fn reserve(&self, records: u32, bytes: u32) -> PgResult<Budget> {
        if self.inner.state.lock().fenced {
            Err(fenced())
        } else {
            Ok(Budget { records, bytes, reservation: None })
        }
    }

    fn append(
        &self,
        _budget: Budget,
        changes: &mut [PageChange],
        stamp: &mut dyn FnMut(usize, Lsn),
    ) -> Appended {
        let state = &mut *self.inner.state.lock();
        let first = state.last_lsn().next();
        for (i, change) in changes.iter().enumerate() {
            let lsn = state.last_lsn().next();
            let is_last = i + 1 == changes.len();
            let history = state.pages.entry(change.page).or_default();
            let prev_page_lsn = history.lsns.last().copied().unwrap_or(Lsn::ZERO);
            assert_eq!(
                change.prev_page_lsn, prev_page_lsn,
                "page {} was changed from a stale copy",
                change.page
            );
            history.lsns.push(lsn);
            let header = RecordHeader {
                lsn,
                page_id: change.page,
                pg: PgId::new(0),
                prev_pg_lsn: Lsn::new(lsn.get() - 1),
                prev_page_lsn,
                prev_volume_lsn: Lsn::new(lsn.get() - 1),
                flags: if is_last { RecordFlags::CPL } else { RecordFlags::NONE },
            };
            encode_record(&header, change.ops.as_bytes(), &mut state.log);
            state.ends.push(state.log.len());
            stamp(i, lsn);
        }
        let cpl = state.last_lsn();
        state.cpls.push(cpl);
        if !state.held && !state.fenced {
            state.vdl = cpl;
            self.inner.durable.notify_all();
        }
        Appended { first, cpl }
    }

    fn vdl(&self) -> Lsn {
        self.inner.state.lock().vdl
    }

    fn wait_durable_blocking(&self, lsn: Lsn) -> PgResult<()> {
        let mut state = self.inner.state.lock();
        while state.vdl < lsn {
            if state.fenced {
                return Err(fenced());
            }
            self.inner.durable.wait(&mut state);
        }
        Ok(())
    }

    fn set_read_floor(&self, lsn: Lsn) {
        let mut state = self.inner.state.lock();
        state.read_floor = state.read_floor.max(lsn);
    }

    fn reserve_pages(&self, _up_to: PageId) -> PgResult<()> {
        Ok(())
    }
}
