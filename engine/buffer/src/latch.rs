//! Pins and latches: how a page is kept in the pool, and how its bytes are guarded while they are read.
//!
//! A pin is a reference count on the frame; the pool drops a frame only when the table's own reference is
//! the last one. A latch is a short reader-writer lock on the page's bytes. Write latches exist only inside
//! an [`crate::Mtr`].

use std::ops::Deref;
use std::sync::Arc;

use parking_lot::lock_api::ArcRwLockWriteGuard;
use parking_lot::{RawRwLock, RwLock, RwLockReadGuard};
use redoubt_page::{Page, PageId};

pub(crate) type Frame = Arc<RwLock<Page>>;

/// A page that stays in the pool for as long as this lives. Cheap to clone.
#[derive(Clone)]
pub struct PinnedPage {
    id: PageId,
    frame: Frame,
}

impl PinnedPage {
    pub(crate) fn new(id: PageId, frame: Frame) -> Self {
        Self { id, frame }
    }

    /// The page's number.
    #[inline]
    pub fn id(&self) -> PageId {
        self.id
    }

    /// Latches the page for reading. Waits only for whoever is changing the page right now.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_> {
        let guard = self.frame.read();
        ReadGuard { guard, _held: Held::count() }
    }

    /// Whether both are pins of the same page.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.frame, &other.frame)
    }

    #[inline]
    pub(crate) fn latch_exclusively(&self) -> WriteLatch {
        let guard = RwLock::write_arc(&self.frame);
        WriteLatch { guard, _held: Held::count() }
    }

    #[inline]
    pub(crate) fn try_latch_exclusively(&self) -> Option<WriteLatch> {
        let guard = RwLock::try_write_arc(&self.frame)?;
        Some(WriteLatch { guard, _held: Held::count() })
    }
}

impl std::fmt::Debug for PinnedPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PinnedPage({})", self.id)
    }
}

/// A page latched for reading.
pub struct ReadGuard<'a> {
    guard: RwLockReadGuard<'a, Page>,
    _held: Held,
}

impl Deref for ReadGuard<'_> {
    type Target = Page;

    #[inline]
    fn deref(&self) -> &Page {
        &self.guard
    }
}

/// A page latched for changing; owned by the mini-transaction that changes it.
pub(crate) struct WriteLatch {
    pub(crate) guard: ArcRwLockWriteGuard<RawRwLock, Page>,
    _held: Held,
}

/// Counts the latches of the current thread, in debug builds only.
struct Held(());

#[cfg(debug_assertions)]
thread_local! {
    static LATCHES_HELD: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Held {
    #[inline]
    fn count() -> Self {
        #[cfg(debug_assertions)]
        LATCHES_HELD.with(|held| held.set(held.get() + 1));
        Held(())
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        LATCHES_HELD.with(|held| held.set(held.get() - 1));
    }
}

/// Holds the locking rules where breaking them would otherwise only be a rare deadlock.
#[inline]
pub(crate) fn assert_no_latch_held(before: &str) {
    #[cfg(debug_assertions)]
    LATCHES_HELD.with(|held| assert_eq!(held.get(), 0, "{before} while holding a page latch"));
    #[cfg(not(debug_assertions))]
    let _ = before;
}
