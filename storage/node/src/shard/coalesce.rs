//! The background: indexes of full chunks, chunks made ahead, records into page images, chunks given back.
//!
//! Chunks go oldest first. Every page with a record in the chunk is brought up to the limit with all its
//! records, those in later chunks included: when their turn comes, the page has nothing left to do. So a page
//! that changes all the time is written about once per round of the ring, and the lazier the round, the less
//! is written.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use redoubt_io::Storage;
use redoubt_page::{Lsn, Page, PageId, PgId};
use redoubt_protocol::{RequestId, SegmentId};

use super::materialise::MakeError;
use super::{RESERVED_CHUNKS, Shard};
use crate::error::ShardError;
use crate::log::error::LogError;
use crate::log::ring::Chunk;
use crate::pages::error::StoreError;
use crate::pages::switch::Staged;
use crate::signal::step_back;

/// Images written to the stores together.
const STAGE_PAGES: usize = 32;
/// Images after which the stores are flushed although the chunk is not done, so that a device is never asked
/// to take very much at once while a commit waits for it.
const FLUSH_PAGES: usize = 512;

/// How far records may be made into images, per group of a chunk.
type Limits = BTreeMap<PgId, Lsn>;

/// Why the oldest chunk cannot be made into images yet.
enum Blocked {
    /// VDL and read floor are not known to have reached this.
    ByPositions(Lsn),
    /// A segment lacks records.
    ByGap,
}

impl<S: Storage> Shard<S> {
    /// Works whenever there is something to do in the background, until the handle is closed.
    pub(super) async fn background_loop(&self) -> Result<(), ShardError> {
        self.learn_free_slots().await?;
        while !self.closed.get() {
            self.background_wanted.wait().await;
            self.keep_house().await?;
            self.repair().await?;
            self.close_gaps();
            self.recycle_empty();
            while !self.closed.get() && self.should_coalesce() && self.coalesce_oldest().await? {
                self.keep_house().await?;
            }
        }
        Ok(())
    }

    /// Indexes of full chunks, and a chunk in stock.
    async fn keep_house(&self) -> Result<(), ShardError> {
        while self.log.seal_one().await? {
            step_back().await;
        }
        if !self.log.has_free_chunk() && self.log.chunks_left() > RESERVED_CHUNKS {
            match self.log.grow().await {
                Ok(()) | Err(LogError::Full) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Lets every page store learn which of its slots are free, before the first change.
    pub(super) async fn learn_free_slots(&self) -> Result<(), ShardError> {
        for node in self.nodes.iter().filter(|node| !node.knows_slots.get()) {
            let store = node.store.borrow().clone();
            match store.find_free_slots().await {
                Ok(()) => node.knows_slots.set(true),
                Err(StoreError::Lost(_)) => node.needs_rebuild.set(true),
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
                self.awaits_positions.set(true);
                self.handle.want_positions(lsn);
                return Ok(false);
            }
            // Gossip closes the gap, and then this is tried again.
            Err(Blocked::ByGap) => return Ok(false),
        };
        let (pages, applied) = self.pages_of(&chunk, &limits).await?;
        let lap = chunk.lap;
        drop(chunk);
        match self.make_images(pages, applied).await {
            Ok(()) => {}
            Err(ShardError::Store(StoreError::Full)) => return Ok(false),
            Err(error) => return Err(error),
        }
        let is_free = self.log.recycle(lap);
        if is_free {
            self.note_recycled();
        }
        Ok(is_free)
    }

    /// How far each group in the chunk may be made into images, if that is as far as the chunk goes.
    fn limits(&self, chunk: &Chunk) -> Result<Limits, Blocked> {
        let mut limits = Limits::new();
        let told_floor = self.handle.read_floor();
        for (pg, _, high) in chunk.ranges() {
            for node in &self.nodes {
                let by_group = node.by_group.borrow();
                let segments = node.segments.borrow();
                let Some(core) = by_group.get(&pg).and_then(|segment| segments.get(segment)) else {
                    continue;
                };
                // Above SCL there is either what waits for a gap to close, or what was voided.
                let has_gap = core.waiting().next().is_some();
                let needed = if has_gap { high } else { high.min(core.scl()) };
                // The floor is the living readers' promise, good from when it is heard. A node that restarts
                // without it may be asked for less, and finds its images too new to answer.
                let floor = core.status(RequestId::new(0)).read_floor.max(told_floor);
                let known = core.persisted_positions().vdl.min(floor);
                if core.scl() < needed {
                    return Err(Blocked::ByGap);
                }
                if known < needed {
                    return Err(Blocked::ByPositions(needed));
                }
                let lowest = limits.entry(pg).or_insert(Lsn::MAX);
                *lowest = (*lowest).min(known).min(core.scl());
            }
        }
        Ok(limits)
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
            if entry.lsn > limits[&pg] || self.is_voided_anywhere(pg, entry.lsn) {
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

    fn group_of(&self, page: PageId, limits: &Limits) -> Option<PgId> {
        let segments = self.nodes.iter().find_map(|node| {
            let segments = node.segments.borrow();
            segments.values().next().map(|core| core.control().geometry)
        });
        let pg = segments?.pg_of(page);
        limits.contains_key(&pg).then_some(pg)
    }

    /// Whether a record is voided by the history of the nodes that hold its group.
    fn is_voided_anywhere(&self, pg: PgId, lsn: Lsn) -> bool {
        (0..self.nodes.len()).any(|slot| self.is_voided(slot, pg, lsn))
    }

    /// Brings the images of these pages up to their limits on every node, and says in the same switch what is
    /// contained in them.
    async fn make_images(
        &self,
        pages: BTreeMap<PageId, (PgId, Lsn)>,
        applied: BTreeMap<PgId, Lsn>,
    ) -> Result<(), ShardError> {
        let mut staged: Vec<Staged> = self.nodes.iter().map(|_| Staged::default()).collect();
        let mut images = Vec::with_capacity(STAGE_PAGES);
        let mut since_flush = 0;
        let mut result = Ok(());
        for (page, (pg, limit)) in pages {
            match self.image_for_all(pg, page, limit).await {
                Ok(Some(image)) => images.push(image),
                Ok(None) => {}
                Err(error) => result = Err(error),
            }
            if result.is_ok() && images.len() == STAGE_PAGES {
                result = self.stage(&mut staged, &mut images, &mut since_flush).await;
            }
            if result.is_err() {
                break;
            }
            step_back().await;
        }
        if result.is_ok() {
            result = self.stage(&mut staged, &mut images, &mut since_flush).await;
        }
        if let Err(error) = result {
            for (node, staged) in self.nodes.iter().zip(staged) {
                node.store.borrow().abandon(staged);
            }
            return Err(error);
        }
        self.switch(staged, &applied).await
    }

    /// The page as of the limit, sealed, unless the images have all of that already. Made of the first node's
    /// copies that are undamaged; nodes at the same LSN hold identical bytes.
    async fn image_for_all(&self, pg: PgId, page: PageId, limit: Lsn) -> Result<Option<Page>, ShardError> {
        let mut any_damage = false;
        for slot in 0..self.nodes.len() {
            if self.nodes[slot].needs_rebuild.get() || !self.nodes[slot].by_group.borrow().contains_key(&pg) {
                continue;
            }
            match self.image_from(slot, pg, page, limit).await {
                Ok((_, false)) if !any_damage => return Ok(None),
                Ok((mut image, _)) => {
                    image.seal(page);
                    return Ok(Some(image));
                }
                Err(MakeError::Shard(error)) => return Err(error),
                Err(damage) => {
                    any_damage = true;
                    self.note_damage(slot, pg, page, damage);
                }
            }
        }
        Err(ShardError::Unusable(format!("every copy of page {page} is damaged")))
    }

    /// The page as of the limit from one node, and whether that is newer than its image.
    async fn image_from(
        &self,
        slot: usize,
        pg: PgId,
        page: PageId,
        limit: Lsn,
    ) -> Result<(Page, bool), MakeError> {
        let image = self.stored_image(slot, page).await?;
        let before = image.lsn();
        let made = self.apply_records(slot, pg, image, before, limit).await?;
        let is_newer = made.lsn() > before;
        Ok((made, is_newer))
    }

    /// Writes images to all stores, where nobody sees them yet.
    async fn stage(
        &self,
        staged: &mut [Staged],
        images: &mut Vec<Page>,
        since_flush: &mut usize,
    ) -> Result<(), ShardError> {
        if images.is_empty() {
            return Ok(());
        }
        let is_flush_due = *since_flush + images.len() >= FLUSH_PAGES;
        let work = self.nodes.iter().zip(staged).filter(|(node, _)| !node.needs_rebuild.get()).map(
            |(node, staged)| {
                let (store, images) = (node.store.borrow().clone(), &*images);
                async move {
                    store.stage(staged, images).await?;
                    if is_flush_due { store.flush().await } else { Ok(()) }
                }
            },
        );
        let written = try_join_all(work).await?.len() * images.len();
        self.count(|counters| counters.images_written += written as u64);
        *since_flush = if is_flush_due { 0 } else { *since_flush + images.len() };
        images.clear();
        self.keep_house().await
    }

    /// Makes staged images current on every node.
    async fn switch(&self, staged: Vec<Staged>, applied: &BTreeMap<PgId, Lsn>) -> Result<(), ShardError> {
        let work = self.nodes.iter().zip(staged).filter(|(node, _)| !node.needs_rebuild.get()).map(
            |(node, staged)| {
                let store = node.store.borrow().clone();
                let by_group = node.by_group.borrow();
                let newer = |(pg, lsn): (&PgId, &Lsn)| {
                    let segment = *by_group.get(pg)?;
                    (*lsn > store.applied(segment)).then_some((segment, *lsn))
                };
                let applied: Vec<(SegmentId, Lsn)> = applied.iter().filter_map(newer).collect();
                async move {
                    if !staged.is_empty() || !applied.is_empty() {
                        store.switch(staged, &applied).await?;
                    }
                    Ok::<_, StoreError>(applied)
                }
            },
        );
        let done = try_join_all(work).await?;
        let nodes = self.nodes.iter().filter(|node| !node.needs_rebuild.get());
        for (node, applied) in nodes.zip(done) {
            let mut segments = node.segments.borrow_mut();
            for (segment, lsn) in applied {
                if let Some(core) = segments.get_mut(&segment) {
                    core.on_coalesced(lsn);
                }
            }
        }
        Ok(())
    }
}
