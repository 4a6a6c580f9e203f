//! Making page images current on every node of the shard.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::join_all;
use redoubt_io::Storage;
use redoubt_page::{Lsn, Page, PageId, PgId};
use redoubt_protocol::{SegmentCore, SegmentId};

use super::materialise::MakeError;
use super::{Node, Shard};
use crate::error::ShardError;
use crate::pages::error::StoreError;
use crate::pages::switch::Staged;
use crate::signal::step_back;

/// Images written to the stores together.
const STAGE_PAGES: usize = 32;
/// Images after which the stores are flushed although the chunk is not done, so that a device is never asked
/// to take very much at once while a commit waits for it.
const FLUSH_PAGES: usize = 512;

/// How making images ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every node whose store is whole has them.
    All,
    /// There was no room, or a page has no undamaged copy: the records are still needed.
    NotAll,
}

/// Images on their way into the stores.
struct Imaging {
    /// Per node, what is staged; nothing when its store is lost.
    staged: Vec<Option<Staged>>,
    images: Vec<Page>,
    since_flush: usize,
}

impl<S: Storage> Shard<S> {
    /// Brings the images of these pages up to their limits on every node, and says in the same switch what is
    /// contained in them.
    pub(super) async fn make_images(
        &self,
        pages: BTreeMap<PageId, (PgId, Lsn)>,
        applied: BTreeMap<PgId, Lsn>,
    ) -> Result<Outcome, ShardError> {
        let has_store = |node: &Node<S>| (!node.needs_rebuild.get()).then(Staged::default);
        let mut imaging = Imaging {
            staged: self.nodes.iter().map(has_store).collect(),
            images: Vec::with_capacity(STAGE_PAGES),
            since_flush: 0,
        };
        let mut outcome = Outcome::All;
        for (page, (pg, limit)) in pages {
            match self.image_for_all(pg, page, limit).await? {
                Image::Newer(image) => imaging.images.push(image),
                Image::Same => {}
                Image::Unmakable => outcome = Outcome::NotAll,
            }
            if outcome == Outcome::All && imaging.images.len() == STAGE_PAGES {
                outcome = self.stage(&mut imaging).await?;
            }
            if outcome == Outcome::NotAll {
                break;
            }
            step_back().await;
        }
        if outcome == Outcome::All {
            outcome = self.stage(&mut imaging).await?;
        }
        if outcome == Outcome::NotAll {
            for (node, staged) in self.nodes.iter().zip(imaging.staged) {
                staged.into_iter().for_each(|staged| node.store.borrow().abandon(staged));
            }
            return Ok(outcome);
        }
        self.switch(imaging.staged, &applied).await
    }

    /// The page as of the limit, sealed, unless all images have all of that already. Made of the first node's
    /// copies that are undamaged; nodes at the same LSN hold identical bytes. That one node has nothing newer to make
    /// says nothing of the others: a crash may have come when some stores had switched, or one may have been full.
    async fn image_for_all(&self, pg: PgId, page: PageId, limit: Lsn) -> Result<Image, ShardError> {
        let mut any_damage = false;
        for slot in 0..self.nodes.len() {
            if self.nodes[slot].needs_rebuild.get() || !self.holds(slot, pg, limit) {
                continue;
            }
            match self.image_from(slot, pg, page, limit).await {
                Ok((_, false)) if !any_damage && self.is_alike(slot, pg, page).await? => {
                    return Ok(Image::Same);
                }
                Ok((mut image, _)) => {
                    image.seal(page);
                    return Ok(Image::Newer(image));
                }
                Err(MakeError::Shard(error)) => return Err(error),
                Err(damage) => {
                    any_damage = true;
                    self.note_damage(slot, pg, page, damage);
                }
            }
        }
        self.count(|counters| counters.damage_unrepairable += 1);
        Ok(Image::Unmakable)
    }

    /// Whether a node's segment holds every record of a group up to here.
    fn holds(&self, slot: usize, pg: PgId, upto: Lsn) -> bool {
        let node = &self.nodes[slot];
        let (by_group, segments) = (node.by_group.borrow(), node.segments.borrow());
        let core = by_group.get(&pg).and_then(|segment| segments.get(segment));
        core.is_some_and(|core| core.scl() >= upto)
    }

    /// Whether every node of the group whose store is whole has the image of a page that this one has.
    async fn is_alike(&self, slot: usize, pg: PgId, page: PageId) -> Result<bool, ShardError> {
        let mut known = None;
        let others = (0..self.nodes.len()).filter(|other| *other != slot);
        for at in std::iter::once(slot).chain(others) {
            let node = &self.nodes[at];
            if node.needs_rebuild.get() || !node.by_group.borrow().contains_key(&pg) {
                continue;
            }
            let store = Rc::clone(&node.store.borrow());
            match store.checksum(page).await {
                Ok(checksum) if *known.get_or_insert(checksum) == checksum => {}
                Ok(_) => return Ok(false),
                Err(StoreError::Lost(_)) => self.lose_store(at),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
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
    async fn stage(&self, imaging: &mut Imaging) -> Result<Outcome, ShardError> {
        let images = std::mem::take(&mut imaging.images);
        if images.is_empty() {
            return Ok(Outcome::All);
        }
        imaging.since_flush += images.len();
        let is_flush_due = imaging.since_flush >= FLUSH_PAGES;
        if is_flush_due {
            imaging.since_flush = 0;
        }
        let work = self.nodes.iter().zip(&mut imaging.staged).map(|(node, staged)| {
            let (store, images) = (node.store.borrow().clone(), &images);
            async move {
                let Some(staged) = staged else { return Ok(()) };
                store.stage(staged, images).await?;
                if is_flush_due { store.flush().await } else { Ok(()) }
            }
        });
        let done = join_all(work).await;
        let written = done.iter().filter(|result| result.is_ok()).count() * images.len();
        self.count(|counters| counters.images_written += written as u64);
        let (outcome, _) = self.judge(done)?;
        imaging.images = images;
        imaging.images.clear();
        self.keep_house().await?;
        Ok(outcome)
    }

    /// Makes staged images current on every node.
    async fn switch(
        &self,
        staged: Vec<Option<Staged>>,
        applied: &BTreeMap<PgId, Lsn>,
    ) -> Result<Outcome, ShardError> {
        let contained: BTreeMap<PgId, Lsn> =
            applied.keys().map(|pg| (*pg, self.contained_anywhere(*pg))).collect();
        let work = self.nodes.iter().zip(staged).map(|(node, staged)| {
            let store = node.store.borrow().clone();
            let applied = node.newly_applied(applied, &contained);
            async move {
                match staged {
                    Some(staged) if !staged.is_empty() || !applied.is_empty() => {
                        store.switch(staged, &applied).await?;
                        Ok(applied)
                    }
                    _ => Ok(Vec::new()),
                }
            }
        });
        let (outcome, done) = self.judge(join_all(work).await)?;
        for (slot, applied) in done.into_iter().enumerate() {
            self.note_applied(slot, applied.unwrap_or_default());
        }
        self.deliver();
        Ok(outcome)
    }

    /// Tells a node's segments what their durable images contain now, be it of their own records or of a neighbour's.
    pub(super) fn note_applied(&self, slot: usize, applied: Vec<(SegmentId, Lsn)>) {
        let mut segments = self.nodes[slot].segments.borrow_mut();
        for (segment, lsn) in applied {
            let Some(core) = segments.get_mut(&segment) else { continue };
            core.on_coalesced(lsn);
            self.take_outputs(slot, core);
        }
        if !self.pending.borrow().is_empty() {
            self.write_wanted.set();
        }
    }

    /// Up to where the images of any node contain a group's records: what the log may have given up. A segment that
    /// does not reach it is adrift: images of what is left in the log do not complete it.
    pub(super) fn contained_anywhere(&self, pg: PgId) -> Lsn {
        let whole = self.nodes.iter().filter(|node| !node.needs_rebuild.get());
        let contained = whole.filter_map(|node| {
            let segment = node.by_group.borrow().get(&pg).copied()?;
            Some(node.store.borrow().applied(segment))
        });
        contained.max().unwrap_or(Lsn::ZERO)
    }

    /// What the results of all nodes amount to. Nodes are independent: what one has no room for, or has lost,
    /// is none of the others' concern.
    fn judge<T>(&self, results: Vec<Result<T, StoreError>>) -> Result<(Outcome, Vec<Option<T>>), ShardError> {
        let mut outcome = Outcome::All;
        let mut done = Vec::with_capacity(results.len());
        for (slot, result) in results.into_iter().enumerate() {
            done.push(match result {
                Ok(value) => Some(value),
                Err(StoreError::Full) => {
                    outcome = Outcome::NotAll;
                    None
                }
                Err(StoreError::Lost(_)) => {
                    self.lose_store(slot);
                    None
                }
                Err(error) => return Err(error.into()),
            });
        }
        Ok((outcome, done))
    }

    /// A node's page store cannot be used any more: it serves nothing until it has been made anew.
    pub(super) fn lose_store(&self, slot: usize) {
        let node = &self.nodes[slot];
        if node.needs_rebuild.replace(true) {
            return;
        }
        node.segments.borrow_mut().values_mut().for_each(|core: &mut SegmentCore| core.set_clean(false));
        self.count(|counters| counters.damage_found += 1);
        self.background_wanted.set();
    }
}

/// What became of a page.
enum Image {
    /// A newer image, sealed.
    Newer(Page),
    /// The stores have it all.
    Same,
    /// Every node's copies are damaged.
    Unmakable,
}

impl<S: Storage> Node<S> {
    /// How far its segments' records will be contained in its images, where that is news, given how far they were
    /// in those of any node.
    fn newly_applied(
        &self,
        applied: &BTreeMap<PgId, Lsn>,
        contained: &BTreeMap<PgId, Lsn>,
    ) -> Vec<(SegmentId, Lsn)> {
        let (store, by_group, segments) =
            (self.store.borrow(), self.by_group.borrow(), self.segments.borrow());
        let newer = |(pg, lsn): (&PgId, &Lsn)| {
            let segment = *by_group.get(pg)?;
            let is_adrift = segments.get(&segment)?.scl() < contained[pg];
            (!is_adrift && *lsn > store.applied(segment)).then_some((segment, *lsn))
        };
        applied.iter().filter_map(newer).collect()
    }
}
