//! What the pool needs from a volume: pages as of a position, room in the log, and the log's end.

use redoubt_error::PgResult;
use redoubt_page::{Lsn, Page, PageId};

/// The change of one page within a mini-transaction, before it has an LSN: the page, the version of it that
/// the operations were applied to, and the operations.
pub use redoubt_client::PendingRecord as PageChange;

/// Permission to append up to so many records and bytes of operations, obtained before any latch.
#[derive(Debug)]
pub struct Budget {
    /// Records that may be appended.
    pub records: u32,
    /// Encoded bytes of operations that may be appended.
    pub bytes: u32,
    /// What the volume over storage nodes gave; a volume in memory gives nothing.
    pub(crate) reservation: Option<redoubt_client::Reservation>,
}

/// Where a mini-transaction has gone in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its first record.
    pub first: Lsn,
    /// Its last record, which is its consistency point.
    pub cpl: Lsn,
}

/// A volume as the pool sees it. `redoubt_client::Volume` is one; [`crate::MemVolume`] is another.
pub trait PageVolume: Send + Sync + 'static {
    /// The page as of `at`, a durable position established by this instance. May block.
    ///
    /// # Errors
    /// When this instance is fenced, or no segment can answer, or the page is damaged everywhere.
    fn read_page(&self, id: PageId, at: Lsn) -> PgResult<Page>;

    /// Waits until the log may take so much more. Called without any latch held; may block.
    ///
    /// # Errors
    /// When this instance is fenced, or the volume cannot be written.
    fn reserve(&self, records: u32, bytes: u32) -> PgResult<Budget>;

    /// As [`PageVolume::reserve`], but nothing instead of waiting.
    ///
    /// # Errors
    /// As [`PageVolume::reserve`].
    fn try_reserve(&self, records: u32, bytes: u32) -> PgResult<Option<Budget>> {
        self.reserve(records, bytes).map(Some)
    }

    /// Appends one mini-transaction. Calls `stamp(i, lsn)` for each record in order, before the log's durable end
    /// can pass any of them. Called with the pages latched: waits for nothing and cannot fail.
    fn append(
        &self,
        budget: Budget,
        changes: &mut [PageChange],
        stamp: &mut dyn FnMut(usize, Lsn),
    ) -> Appended;

    /// The durable end of the log: the highest consistency point that no crash can lose. One atomic load.
    fn vdl(&self) -> Lsn;

    /// Waits until the durable end has reached `lsn`. May block.
    ///
    /// # Errors
    /// When this instance is fenced; that never means that `lsn` was not made durable.
    fn wait_durable_blocking(&self, lsn: Lsn) -> PgResult<()>;

    /// Promises that no page will be read at a position below `lsn` any more.
    fn set_read_floor(&self, lsn: Lsn);

    /// Makes sure that the volume has pages up to and including `up_to`. May block.
    ///
    /// # Errors
    /// When the volume cannot grow.
    fn reserve_pages(&self, up_to: PageId) -> PgResult<()>;
}
