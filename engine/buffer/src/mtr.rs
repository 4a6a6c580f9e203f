//! Mini-transactions: the only way to change a page.
//!
//! An [`Mtr`] latches pages, applies operations to them at once through [`redoubt_page::apply_op`], and collects
//! the operations, one record per page. Its commit appends all records under consecutive LSNs, stamps the
//! pages, and lets go of the latches. Others see all of it or nothing, and so does recovery.

use std::cell::RefCell;
use std::mem;

use redoubt_error::PgResult;
use redoubt_page::{Lsn, MAX_MTR_BYTES, MAX_MTR_PAGES, Op, Page, apply_op, finish};

use crate::blocking::blocking;
use crate::latch::{PinnedPage, WriteLatch};
use crate::pool::BufferPool;
use crate::volume::{Budget, PageChange};

/// A page latched by an [`Mtr`]; valid only with that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latched(usize);

/// A mini-transaction.
///
/// # Panics
/// Dropping one that has changed a page without committing it: the page in memory would differ from the log.
/// During a panic that ends the process, which is the only safe thing left.
pub struct Mtr<'p> {
    pool: &'p BufferPool,
    budget: Option<Budget>,
    budget_bytes: usize,
    budget_records: usize,
    ops_bytes: usize,
    pages: Vec<LatchedPage>,
    /// The first `used` are this MTR's; those behind keep their allocations for the next.
    changes: Vec<PageChange>,
    used: usize,
}

struct LatchedPage {
    latch: Option<WriteLatch>,
    change: Option<usize>,
    #[cfg(debug_assertions)]
    before: Option<Page>,
}

thread_local! {
    /// Emptied vectors of the last MTR of this thread, so that the next one allocates nothing.
    static SPARE: RefCell<(Vec<LatchedPage>, Vec<PageChange>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl<'p> Mtr<'p> {
    pub(crate) fn begin(pool: &'p BufferPool, max_records: usize, max_bytes: usize) -> PgResult<Self> {
        assert!(max_records <= MAX_MTR_PAGES, "an MTR changes at most {MAX_MTR_PAGES} pages");
        assert!(max_bytes <= MAX_MTR_BYTES, "an MTR has at most {MAX_MTR_BYTES} bytes");
        let volume = pool.volume();
        // Both are bounded above; the casts are exact.
        let (records, bytes) = (max_records as u32, max_bytes as u32);
        let budget = match volume.try_reserve(records, bytes)? {
            Some(budget) => budget,
            None => blocking(|| volume.reserve(records, bytes))?,
        };
        let (pages, changes) = SPARE.with(|spare| mem::take(&mut *spare.borrow_mut()));
        Ok(Self {
            pool,
            budget: Some(budget),
            budget_bytes: max_bytes,
            budget_records: max_records,
            ops_bytes: 0,
            pages,
            changes,
            used: 0,
        })
    }

    /// Latches a page exclusively until the MTR ends. The caller follows the latching order of the
    /// structure that the page belongs to.
    ///
    /// # Panics
    /// When this MTR has the page already, which would otherwise be a deadlock with itself.
    pub fn latch(&mut self, pin: &PinnedPage) -> Latched {
        self.assert_not_latched(pin);
        self.adopt(pin.latch_exclusively())
    }

    /// Latches a page exclusively if nobody has it latched.
    pub fn try_latch(&mut self, pin: &PinnedPage) -> Option<Latched> {
        self.assert_not_latched(pin);
        let latch = pin.try_latch_exclusively()?;
        Some(self.adopt(latch))
    }

    /// As [`Mtr::latch`], unless this MTR has the page already: then that.
    pub fn latch_once(&mut self, pin: &PinnedPage) -> Latched {
        let is_it =
            |page: &LatchedPage| page.latch.as_ref().is_some_and(|latch| latch.guard.page_id() == pin.id());
        match self.pages.iter().position(is_it) {
            Some(place) => Latched(place),
            None => self.adopt(pin.latch_exclusively()),
        }
    }

    /// The page as it is now, with the changes made so far.
    #[inline]
    pub fn page(&self, page: Latched) -> &Page {
        &self.pages[page.0].latch.as_ref().expect("the page was released").guard
    }

    /// Lets go of a page that this MTR has not changed.
    ///
    /// # Panics
    /// When it has.
    pub fn release(&mut self, page: Latched) {
        let latched = &mut self.pages[page.0];
        assert!(latched.change.is_none(), "a changed page stays latched until the MTR commits");
        latched.latch = None;
    }

    /// Applies one operation now and records it.
    ///
    /// # Panics
    /// When the page cannot take the operation or the MTR's budget is used up: the caller checks both before
    /// its first change, for after it there is no way back.
    pub fn change(&mut self, page: Latched, op: &Op<'_>) {
        let latched = &mut self.pages[page.0];
        let image = &mut latched.latch.as_mut().expect("the page was released").guard;
        #[cfg(debug_assertions)]
        latched.before.get_or_insert_with(|| (**image).clone());
        let change = match latched.change {
            Some(change) => change,
            None => {
                assert!(self.used < self.budget_records, "the MTR changes more pages than it reserved");
                if self.used == self.changes.len() {
                    self.changes.push(PageChange::default());
                }
                let change = &mut self.changes[self.used];
                change.page = image.page_id();
                change.prev_page_lsn = image.lsn();
                latched.change = Some(self.used);
                self.used += 1;
                self.used - 1
            }
        };
        if let Err(error) = apply_op(image, op) {
            panic!("page {} cannot take {}: {error}", image.page_id(), redoubt_page::describe_op(op));
        }
        let ops = &mut self.changes[change].ops;
        let len_before = ops.len_bytes();
        ops.push(op);
        self.ops_bytes += ops.len_bytes() - len_before;
        assert!(self.ops_bytes <= self.budget_bytes, "the MTR has more bytes than it reserved");
    }

    /// Whether anything was changed.
    pub fn is_changed(&self) -> bool {
        self.used > 0
    }

    /// Bytes of operations recorded so far.
    pub fn ops_bytes(&self) -> usize {
        self.ops_bytes
    }

    /// Appends the records, stamps the pages, releases the latches; returns the consistency point. Without a
    /// change there is nothing to append, and the answer is [`Lsn::ZERO`].
    pub fn commit(self) -> Lsn {
        self.commit_stamped(|_| ())
    }

    /// As [`Mtr::commit`]; calls `on_cpl` with the consistency point before the durable end can pass it.
    /// It runs inside the append: it must be short, and wait for nothing.
    pub fn commit_stamped(mut self, on_cpl: impl FnOnce(Lsn)) -> Lsn {
        if self.used == 0 {
            return Lsn::ZERO;
        }
        let budget = self.budget.take().expect("an MTR commits once");
        let mut on_cpl = Some(on_cpl);
        let (pages, used) = (&mut self.pages, self.used);
        let appended = self.pool.volume().append(budget, &mut self.changes[..used], &mut |index, lsn| {
            let latched =
                pages.iter_mut().find(|page| page.change == Some(index)).expect("each change has a page");
            finish(&mut latched.latch.as_mut().expect("a changed page is latched").guard, lsn);
            if index + 1 == used {
                on_cpl.take().expect("the last record is stamped once")(lsn);
            }
        });
        assert!(on_cpl.is_none(), "the volume stamps every record");
        #[cfg(debug_assertions)]
        self.check_against_redo();
        self.pool.count_mtr();
        self.forget_changes();
        appended.cpl
    }

    fn adopt(&mut self, latch: WriteLatch) -> Latched {
        self.pages.push(LatchedPage {
            latch: Some(latch),
            change: None,
            #[cfg(debug_assertions)]
            before: None,
        });
        Latched(self.pages.len() - 1)
    }

    fn assert_not_latched(&self, pin: &PinnedPage) {
        debug_assert!(
            self.pages.iter().flat_map(|page| &page.latch).all(|latch| latch.guard.page_id() != pin.id()),
            "{pin:?} is latched already"
        );
    }

    /// Do is redo, checked: the records applied to the images before give the images now, byte for byte.
    #[cfg(debug_assertions)]
    fn check_against_redo(&self) {
        use redoubt_page::{PgId, RecordFlags, RecordHeader, apply, decode_record, encode_record};
        for page in &self.pages {
            let (Some(change), Some(before)) = (page.change, &page.before) else { continue };
            let after: &Page = &page.latch.as_ref().expect("a changed page is latched").guard;
            let change = &self.changes[change];
            let header = RecordHeader {
                lsn: after.lsn(),
                page_id: change.page,
                pg: PgId::new(0),
                prev_pg_lsn: Lsn::ZERO,
                prev_page_lsn: change.prev_page_lsn,
                prev_volume_lsn: Lsn::ZERO,
                flags: RecordFlags::NONE,
            };
            let mut record = Vec::new();
            encode_record(&header, change.ops.as_bytes(), &mut record);
            let mut redone = before.clone();
            let record = decode_record(&record).expect("what was encoded decodes");
            apply(&mut redone, &record).expect("what was done can be redone");
            assert!(redone == *after, "redo of page {} differs from what was done", change.page);
        }
    }

    fn forget_changes(&mut self) {
        for change in &mut self.changes[..self.used] {
            change.ops.clear();
        }
        self.used = 0;
    }
}

impl Drop for Mtr<'_> {
    fn drop(&mut self) {
        assert!(self.used == 0, "an MTR that has changed pages was dropped without being committed");
        self.pages.clear();
        let (pages, changes) = (mem::take(&mut self.pages), mem::take(&mut self.changes));
        // The thread-local may be gone when the thread is ending; then there is no next MTR to save for.
        let _ = SPARE.try_with(|spare| *spare.borrow_mut() = (pages, changes));
    }
}
