//! The background: indexes of full chunks, chunks made ahead, records into page images, chunks given back.
//!
//! Chunks go oldest first. Every page with a record in the chunk is brought up to the limit with all its
//! records, those in later chunks included: when their turn comes, the page has nothing left to do. So a page
//! that changes all the time is written about once per round of the ring, and the lazier the round, the less
//! is written.

use std::collections::BTreeMap;

use redoubt_io::Storage;
use redoubt_page::{Lsn, PageId, PgId};
use redoubt_protocol::{RequestId, SegmentCore};

use super::imaging::Outcome;
use super::{Node, RESERVED_CHUNKS, Shard};
use crate::error::ShardError;
use crate::log::ring::Chunk;
use crate::pages::error::StoreError;
use crate::signal::step_back;
use crate::state::put_store;

/// How far records may be made into images, per group of a chunk.
type Limits = BTreeMap<PgId, Lsn>;

/// Why the oldest chunk cannot be made into images yet.
enum Blocked {
    /// VDL and read floor are not known to have reached this.
    ByPositions(Lsn),
    /// Every segment lacks records.
    ByGap,
    /// A peer is being given pages as of a point below what would have to be contained.
    ByPin,
}

impl<S: Storage> Shard<S> {
    /// Works whenever there is something to do in the background, until the handle is closed.
    pub(super) async fn background_loop(&self) -> Result<(), ShardError> {
        self.learn_free_slots().await?;
        while !self.closed.get() {
            self.background_wanted.wait().await;
            self.keep_house().await?;
            self.take_images().await?;
            self.repair().await?;
            self.close_gaps();
            self.recycle_empty();
            while !self.closed.get() && self.should_coalesce() && self.coalesce_oldest().await? {
                self.keep_house().await?;
                self.take_images().await?;
            }
        }
        Ok(())
    }

    /// Indexes of full chunks, and a chunk in stock.
    pub(super) async fn keep_house(&self) -> Result<(), ShardError> {
        while self.log.seal_one().await? {
            step_back().await;
        }
        self.log.keep_free(RESERVED_CHUNKS + 1).await?;
        Ok(())
    }

    /// Lets every page store learn which of its slots are free, before the first change.
    pub(super) async fn learn_free_slots(&self) -> Result<(), ShardError> {
        for (slot, node) in self.nodes.iter().enumerate() {
            if node.knows_slots.get() || node.needs_rebuild.get() {
                continue;
            }
            let store = node.store.borrow().clone();
            match store.find_free_slots().await {
                Ok(()) => node.knows_slots.set(true),
                Err(StoreError::Lost(_)) => self.lose_store(slot),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn should_coalesce(&self) -> bool {
        let full = self.log.full_chunks().len();
        // Well before space is short: whether it can be freed may depend on what a writer has yet to say.
        let lazy = self.options.lazy_chunks.min((full + self.log.chunks_left()) / 2);
        full > 0 && (full > lazy || self.starved.get())
    }

    /// Gives back full chunks that hold nothing but what newer ones say as well: those of a short life. The
    /// newest of the full ones stays, in case the memory of a node at the beginning of the current lap rots.
    fn recycle_empty(&self) {
        let mut full = self.log.full_chunks();
        full.pop();
        for chunk in full {
            let (lap, is_done) = (chunk.lap, self.is_in_images(&chunk));
            drop(chunk);
            if is_done && self.log.recycle(lap) {
                self.note_recycled();
            }
        }
    }

    /// A chunk was given back.
    fn note_recycled(&self) {
        self.note_room();
        let in_use = self.log.chunks().len() as u64;
        self.count(|counters| {
            counters.chunks_recycled += 1;
            counters.chunks_in_use = in_use;
        });
        self.write_wanted.set();
    }

    /// Makes images of everything in the oldest full chunk and gives it back. Returns whether that was possible
    /// yet.
    pub(super) async fn coalesce_oldest(&self) -> Result<bool, ShardError> {
        let Some(chunk) = self.log.full_chunks().into_iter().next() else { return Ok(false) };
        let limits = match self.limits(&chunk) {
            Ok(limits) => limits,
            Err(Blocked::ByPositions(lsn)) => {
                // A newer VDL or read floor is needed. When it has been persisted, this is tried again.
                self.awaits_progress.set(true);
                self.handle.want_positions(lsn);
                return Ok(false);
            }
            // It is tried again when the pin is gone.
            Err(Blocked::ByPin) => return Ok(false),
            Err(Blocked::ByGap) => {
                self.awaits_progress.set(true);
                if self.starved.get() && self.forget_waiting() {
                    self.background_wanted.set();
                }
                return Ok(false);
            }
        };
        let (pages, applied) = self.pages_of(&chunk, &limits).await?;
        let lap = chunk.lap;
        drop(chunk);
        if self.make_images(pages, applied).await? == Outcome::NotAll {
            return Ok(false);
        }
        self.note_switches().await;
        let is_free = self.log.recycle(lap);
        if is_free {
            self.note_recycled();
        }
        Ok(is_free)
    }

    /// The log is full, and what waits in it for a gap to close keeps it so, although closing the gap takes space as
    /// well. Returns whether anything was given up.
    fn forget_waiting(&self) -> bool {
        let mut any = false;
        for node in &self.nodes {
            node.segments.borrow_mut().values_mut().for_each(|core| any |= core.forget_waiting());
        }
        self.is_cramped.set(self.is_cramped.get() || any);
        any
    }

    /// Half of the log is free: there is room again for records that wait.
    fn note_room(&self) {
        if self.is_cramped.get() && self.log.chunks_left() >= self.log.full_chunks().len() {
            self.is_cramped.set(false);
            for node in &self.nodes {
                node.segments.borrow_mut().values_mut().for_each(SegmentCore::set_roomy);
            }
        }
    }

    /// How far each group in the chunk may be made into images, if that is as far as the chunk goes.
    ///
    /// A segment that holds less than its neighbours in the shard does not hold them up: it is given their images,
    /// and counts from there.
    fn limits(&self, chunk: &Chunk) -> Result<Limits, Blocked> {
        let mut limits = Limits::new();
        for (pg, _, high) in chunk.ranges() {
            let Some(best) = self.furthest(pg, high)? else { continue };
            // Above that there is nothing but what was voided, or never counted anywhere.
            let needed = high.min(best);
            for node in &self.nodes {
                let Some(known) = self.known_to_stay(node, pg) else { continue };
                if known < needed {
                    return Err(Blocked::ByPositions(needed));
                }
                let lowest = limits.entry(pg).or_insert(best);
                *lowest = (*lowest).min(known);
            }
            if let Some(pin) = self.pinned(pg) {
                if pin < needed {
                    return Err(Blocked::ByPin);
                }
                limits.entry(pg).and_modify(|lowest| *lowest = (*lowest).min(pin));
            }
        }
        Ok(limits)
    }

    /// The highest SCL of a group among the nodes whose images can be gone on from. Nothing when no node holds the
    /// group; blocked while somebody holds records up to `high` that none of these can link.
    fn furthest(&self, pg: PgId, high: Lsn) -> Result<Option<Lsn>, Blocked> {
        let (mut best, mut top): (Option<Lsn>, Lsn) = (None, Lsn::ZERO);
        for node in &self.nodes {
            let (by_group, segments) = (node.by_group.borrow(), node.segments.borrow());
            let Some(core) = by_group.get(&pg).and_then(|segment| segments.get(segment)) else { continue };
            let waits = core.waiting().map(|(first, last, _)| if first <= high { last } else { Lsn::ZERO });
            top = waits.fold(top.max(core.scl()), Lsn::max);
            if !node.needs_rebuild.get() {
                best = best.max(Some(core.scl()));
            }
        }
        match best {
            _ if top > best.unwrap_or_default() && high > best.unwrap_or_default() => Err(Blocked::ByGap),
            best => Ok(best),
        }
    }

    /// Up to where no recovery can void a group's records, and no reader asks for less, as a node knows durably; nothing
    /// of one that is to have no part in the images.
    fn known_to_stay(&self, node: &Node<S>, pg: PgId) -> Option<Lsn> {
        let (by_group, segments) = (node.by_group.borrow(), node.segments.borrow());
        let core = by_group.get(&pg).and_then(|segment| segments.get(segment))?;
        if core.scl() < self.contained_anywhere(pg) {
            // It is adrift, and serves nothing of the group until it has all of it.
            return None;
        }
        // The floor is the living readers' promise, good from when it is heard. A node that restarts without it may
        // be asked for less, and finds its images too new to answer.
        let floor = core.status(RequestId::new(0)).read_floor.max(self.handle.read_floor());
        let persisted = core.persisted_positions().vdl;
        // Under a recovery nobody's read points are left: reads of older epochs are refused, and the next writer
        // begins at a VDL not below this one. Waiting for it to raise the floor would be for ever when its copies are
        // what the space is wanted for.
        let is_recovering = core.control().volume_epoch > core.control().history.epoch();
        Some(if is_recovering { persisted } else { persisted.min(floor) })
    }

    /// The pages with records in the chunk, and what will be contained in the images once they all are up to
    /// their limits: per group the chunk's last record that counts.
    ///
    /// A gap that was closed late, or a repair, put lower records into later chunks. Their pages belong to what
    /// must be done before that can be said.
    async fn pages_of(
        &self,
        chunk: &std::rc::Rc<Chunk>,
        limits: &Limits,
    ) -> Result<(BTreeMap<PageId, (PgId, Lsn)>, BTreeMap<PgId, Lsn>), ShardError> {
        let mut applied: BTreeMap<PgId, Lsn> = BTreeMap::new();
        let mut pages = BTreeMap::new();
        let group_of = |page: PageId| self.group_of(page, limits);
        for entry in self.log.entries(chunk).await? {
            let Some(pg) = group_of(entry.page) else { continue };
            if entry.lsn > limits[&pg] {
                // Giving up the chunk would lose it.
                let is_counted = entry.copies.slots().any(|slot| self.counts(slot, pg, entry.lsn));
                assert!(!is_counted, "record {} counts and is above the limit", entry.lsn);
                continue;
            }
            if self.is_voided_anywhere(pg, entry.lsn) {
                continue;
            }
            pages.insert(entry.page, (pg, limits[&pg]));
            let last = applied.entry(pg).or_insert(entry.lsn);
            *last = entry.lsn.max(*last);
        }
        for later in self.log.chunks().into_iter().filter(|later| later.lap > chunk.lap) {
            let is_lower = |pg: &PgId, low: Lsn| applied.get(pg).is_some_and(|last| low <= *last);
            if !later.ranges().iter().any(|(pg, low, _)| is_lower(pg, *low)) {
                continue;
            }
            for entry in self.log.entries(&later).await? {
                let Some(pg) = group_of(entry.page) else { continue };
                if is_lower(&pg, entry.lsn) && !self.is_voided_anywhere(pg, entry.lsn) {
                    pages.insert(entry.page, (pg, limits[&pg]));
                }
            }
        }
        Ok((pages, applied))
    }

    /// Whether the segment of a node holds this record, linked to all before it: whoever asks it is promised it.
    fn counts(&self, slot: usize, pg: PgId, lsn: Lsn) -> bool {
        let node = &self.nodes[slot];
        let (by_group, segments) = (node.by_group.borrow(), node.segments.borrow());
        let core = by_group.get(&pg).and_then(|segment| segments.get(segment));
        core.is_some_and(|core| lsn <= core.scl() && !core.control().history.is_voided(lsn))
    }

    /// Has it written to the log how far the page stores have come, before the records are given up that an older
    /// superblock would need.
    pub(super) async fn note_switches(&self) {
        if !self.is_running.get() || self.closed.get() {
            // The lap that is about to begin says it.
            return;
        }
        for (slot, node) in self.nodes.iter().enumerate() {
            let store = node.store.borrow();
            let mut items = Vec::new();
            put_store(&mut items, (store.store_id(), store.sequence()));
            self.pending.borrow_mut().push_switch(slot, items);
        }
        self.write_wanted.set();
        self.switch_noted.wait().await;
    }

    fn group_of(&self, page: PageId, limits: &Limits) -> Option<PgId> {
        let segments = self.nodes.iter().find_map(|node| {
            let segments = node.segments.borrow();
            segments.values().next().map(|core| core.control().geometry)
        });
        let pg = segments?.pg_of(page);
        limits.contains_key(&pg).then_some(pg)
    }

    /// Whether a record is voided by the history of the nodes that hold its group.
    pub(super) fn is_voided_anywhere(&self, pg: PgId, lsn: Lsn) -> bool {
        (0..self.nodes.len()).any(|slot| self.is_voided(slot, pg, lsn))
    }
}
