//! The volume as the engine sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use redoubt_page::{Lsn, OpsBuf, Page, PageId, PgId, VolumeEpoch};
use redoubt_protocol::{Address, Budget, NewRecord, NodeId, SegmentView};

use crate::core::Core;
use crate::error::VolumeError;
use crate::membership::ChangeStatus;

pub use redoubt_protocol::AppendedMtr;

/// A record of a mini-transaction before it has a number: the page, the version of the page it changes, and
/// what it changes.
#[derive(Debug, Default)]
pub struct PendingRecord {
    /// The page.
    pub page: PageId,
    /// The LSN of the page before this record.
    pub prev_page_lsn: Lsn,
    /// The operations; at least one.
    pub ops: OpsBuf,
}

/// Leave to append one mini-transaction. Given back when it is dropped unused.
#[must_use = "a reservation is used by `append`"]
pub struct Reservation {
    core: Arc<Core>,
    budget: Option<Budget>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.take() {
            self.core.writing.lock().writer.release(budget);
            self.core.room.notify_all();
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reservation").field(&self.budget).finish()
    }
}

/// A volume that this process writes. Clones share it.
#[derive(Clone)]
pub struct Volume {
    core: Arc<Core>,
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Volume").field("vdl", &self.vdl()).finish_non_exhaustive()
    }
}

impl Volume {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The page as of `at`, a durable position that this instance has established. A page that no record up
    /// to there has changed is absent: not initialised, LSN zero. Blocks.
    ///
    /// # Errors
    /// When this instance is fenced, when no segment can answer, or when every copy is damaged.
    ///
    /// # Panics
    /// When `at` is above the durable end of the log.
    pub fn read_page(&self, page: PageId, at: Lsn) -> Result<Page, VolumeError> {
        self.core.read_page(page, at)
    }

    /// Leave to append one mini-transaction of up to so many records with so many encoded bytes of operations.
    /// This is where back-pressure is felt: it blocks while too much is not durable yet, so it is asked
    /// for before any page is latched.
    ///
    /// # Errors
    /// When this instance is fenced or its volume has failed.
    pub fn reserve(&self, records: u32, bytes: u32) -> Result<Reservation, VolumeError> {
        let mut writing = self.core.writing.lock();
        loop {
            if let Some(error) = self.core.waiters.ended() {
                return Err(error);
            }
            if let Some(budget) = writing.writer.reserve(records, u64::from(bytes)) {
                return Ok(Reservation { core: Arc::clone(&self.core), budget: Some(budget) });
            }
            self.core.room.wait(&mut writing);
        }
    }

    /// As `reserve`, but nothing instead of waiting.
    ///
    /// # Errors
    /// As `reserve`.
    pub fn try_reserve(&self, records: u32, bytes: u32) -> Result<Option<Reservation>, VolumeError> {
        if let Some(error) = self.core.waiters.ended() {
            return Err(error);
        }
        let budget = self.core.writing.lock().writer.reserve(records, u64::from(bytes));
        Ok(budget.map(|budget| Reservation { core: Arc::clone(&self.core), budget: Some(budget) }))
    }

    /// Appends one mini-transaction: contiguous numbers, the last one a consistency point. Calls `stamp` with
    /// each record's place and number, in order and before any of them can be durable. Called with the pages
    /// latched: waits for nothing but the other appenders, and cannot fail.
    ///
    /// # Panics
    /// When there are no records, more than were reserved, or one for a page that `reserve_pages` has not
    /// been asked about.
    pub fn append(
        &self,
        mut reservation: Reservation,
        records: &mut [PendingRecord],
        stamp: impl FnMut(usize, Lsn),
    ) -> AppendedMtr {
        assert!(Arc::ptr_eq(&self.core, &reservation.core), "a reservation is used where it was made");
        let budget = reservation.budget.take().expect("a reservation is used once");
        let mut writing = self.core.writing.lock();
        let segment_pages = self.core.segment_pages;
        for record in records.iter() {
            writing.mark(PgId::new((record.page.get() / segment_pages) as u32), true);
        }
        writing.redo_bytes += records.iter().map(|record| record.ops.as_bytes().len() as u64).sum::<u64>();
        let new = records.iter().map(|record| NewRecord {
            page: record.page,
            prev_page_lsn: record.prev_page_lsn,
            ops: record.ops.as_bytes(),
        });
        let appended = writing.writer.append(budget, new, stamp);
        drop(writing);
        self.core.ring();
        appended
    }

    /// The durable end of the log: the highest consistency point that no crash can lose. One atomic load.
    pub fn vdl(&self) -> Lsn {
        self.core.waiters.vdl()
    }

    /// Waits until the durable end has reached `lsn`.
    ///
    /// # Errors
    /// When this instance is fenced or its volume has failed. That never means that `lsn` was not made
    /// durable: whoever waits is left in doubt.
    pub async fn wait_durable(&self, lsn: Lsn) -> Result<(), VolumeError> {
        self.core.waiters.wait(lsn).await
    }

    /// As `wait_durable`, blocking the thread.
    ///
    /// # Errors
    /// As `wait_durable`.
    pub fn wait_durable_blocking(&self, lsn: Lsn) -> Result<(), VolumeError> {
        self.core.waiters.wait_blocking(lsn)
    }

    /// Why this instance is over, if it is: fenced, say.
    pub fn ended(&self) -> Option<VolumeError> {
        self.core.waiters.ended()
    }

    /// Promises that this instance reads no page at a position below `lsn` any more. It never falls.
    pub fn set_read_floor(&self, lsn: Lsn) {
        self.core.set_read_floor(lsn);
    }

    /// Makes sure that there is a protection group for every page up to and including `up_to`. Blocks when one
    /// has to be made.
    ///
    /// # Errors
    /// When the volume cannot grow, or this instance is fenced.
    pub fn reserve_pages(&self, up_to: PageId) -> Result<(), VolumeError> {
        if up_to.get() < self.core.page_count.load(Ordering::Acquire) {
            return Ok(());
        }
        self.core.grow(up_to)
    }

    /// How many pages there is a protection group for.
    pub fn page_count(&self) -> u64 {
        self.core.page_count.load(Ordering::Acquire)
    }

    /// The writer's incarnation.
    pub fn volume_epoch(&self) -> VolumeEpoch {
        self.core.writing.lock().writer.volume_epoch()
    }

    /// Where everything stands.
    pub fn status(&self) -> VolumeStatus {
        let count = self.core.writing.lock().writer.group_count() as u32;
        // Changes come before `writing` in the order of locks.
        let changes: Vec<_> = (0..count).map(|pg| self.core.changes.of(PgId::new(pg))).collect();
        let writing = self.core.writing.lock();
        let writer = &writing.writer;
        let groups = (0..count).map(PgId::new).map(|pg| {
            let segments = writer.segments(pg).map(|view| SegmentStatus {
                node: writing.nodes.get(&view.segment).copied().unwrap_or_default(),
                failed: writing
                    .failed
                    .iter()
                    .find(|(address, _)| *address == Address { pg, segment: view.segment })
                    .filter(|_| !view.ready)
                    .map(|(_, reason)| reason.to_string()),
                view,
            });
            GroupStatus {
                pg,
                pgcl: writer.pgcl(pg).unwrap_or(Lsn::ZERO),
                tail: writer.pg_tail(pg).unwrap_or(Lsn::ZERO),
                membership_epoch: writer.membership(pg).map_or(0, |membership| membership.epoch().get()),
                change: changes[pg.get() as usize],
                segments: segments.collect(),
            }
        });
        VolumeStatus {
            volume_epoch: writer.volume_epoch(),
            vdl: writer.vdl(),
            vcl: writer.vcl(),
            next_lsn: writer.next_lsn(),
            read_floor: writer.read_floor(),
            unacked_bytes: writer.unacked_bytes(),
            redo_bytes: writing.redo_bytes,
            hedged_reads: self.core.reads.hedged.load(Ordering::Relaxed),
            damaged_reads: self.core.reads.damaged.load(Ordering::Relaxed),
            groups: groups.collect(),
        }
    }
}

/// Where a volume stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeStatus {
    /// The writer's incarnation.
    pub volume_epoch: VolumeEpoch,
    /// The durable end of the log.
    pub vdl: Lsn,
    /// Up to where every record is durable.
    pub vcl: Lsn,
    /// The number the next record gets.
    pub next_lsn: Lsn,
    /// The lowest read point that may still be asked for.
    pub read_floor: Lsn,
    /// Bytes of records that no write quorum has acknowledged.
    pub unacked_bytes: u64,
    /// Bytes of changes appended since the volume was opened: what each copy's records hold.
    pub redo_bytes: u64,
    /// Reads for which a second segment was asked because the first was slow or refused.
    pub hedged_reads: u64,
    /// Answers to reads that were damaged.
    pub damaged_reads: u64,
    /// The protection groups.
    pub groups: Vec<GroupStatus>,
}

/// Where a protection group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub pg: PgId,
    /// What a write quorum holds.
    pub pgcl: Lsn,
    /// Its last record at or below the durable end.
    pub tail: Lsn,
    /// Its membership's epoch.
    pub membership_epoch: u64,
    /// The change of membership under way.
    pub change: Option<ChangeStatus>,
    /// Its segments.
    pub segments: Vec<SegmentStatus>,
}

/// Where a segment stands, as the writer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStatus {
    /// Its node.
    pub node: NodeId,
    /// Its identity, SCL, and whether it takes records.
    pub view: SegmentView,
    /// Why it does not, if it said so.
    pub failed: Option<String>,
}
