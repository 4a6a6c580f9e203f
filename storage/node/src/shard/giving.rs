//! Giving pages to a peer that is further behind than this node's log reaches back.
//!
//! The machine decides what is given (`storage/protocol`, `segment/images.rs`); here the pages are made, a message
//! at a time, in the read loop. For so long no durable image may pass the point as of which they are: the background
//! loop asks `pinned`. A peer that stops asking is forgotten after some looks, and so is everybody when records
//! wait for space: whoever asks on begins anew then, as of a later point.

use std::collections::BTreeSet;
use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_page::{Lsn, PAGE_BYTES, PageId, PgId};
use redoubt_protocol::{Address, Epochs, Images, Message, Origin, SegmentCore, SegmentId, SharedBytes};

use super::Shard;
use super::materialise::MakeError;
use super::read_loop::Job;
use crate::error::ShardError;
use crate::pages::error::StoreError;

/// The most pages in a message; no more than an eighth of what is kept in memory, either.
const MESSAGE_PAGES: usize = 128;
/// The most of them that have to be made of records: that takes much longer than to read an image.
const MADE_PAGES: usize = 32;
/// The most stored pages that are looked at for one.
const LOOK_PAGES: usize = 1024;
/// A peer that has not asked for so many looks has gone. In a cluster of processes there are six in a second.
const PATIENCE_LOOKS: u64 = 30;
/// A segment that lacks records of more than so many chunks is given pages, even if all of the records are left: a page
/// that changes all the time is sent once.
const RECORD_CHUNKS: usize = 8;

/// A peer that is being given pages.
pub(super) struct Giving {
    /// Whose pages.
    segment: SegmentId,
    /// Who gets them.
    asker: SegmentId,
    at: Lsn,
    above: Lsn,
    /// The look at which it asked last.
    asked_at: u64,
    /// A message is being made: what is asked again meanwhile is answered by it.
    is_making: bool,
    /// The pages with records in the log that are no part of the images, once that was looked up.
    in_log: Option<Rc<BTreeSet<PageId>>>,
}

impl<S: Storage> Shard<S> {
    /// Queues the making of a message, unless one is being made for this peer.
    pub(super) fn give_images(&self, slot: usize, to: Origin, offer: Images) {
        let looks = self.handle.looks();
        let mut all = self.giving.borrow_mut();
        let is_it = |g: &Giving| (g.segment, g.asker) == (offer.from, offer.to.segment);
        let at = all.iter().position(is_it).unwrap_or_else(|| {
            all.push(Giving::to(&offer));
            all.len() - 1
        });
        let giving = &mut all[at];
        if (giving.at, giving.above) != (offer.at, offer.above) {
            *giving = Giving { is_making: giving.is_making, ..Giving::to(&offer) };
        }
        giving.asked_at = looks;
        if !std::mem::replace(&mut giving.is_making, true) {
            drop(all);
            self.queue_read(Job::Images { slot, to, offer });
        }
    }

    /// Pages in the place of records that a peer asked for, when the log has them no more.
    pub(super) fn offer_images(
        &self,
        slot: usize,
        to: Origin,
        peer: Address,
        epochs: Epochs,
        asked: (SegmentId, Lsn),
    ) {
        let (segment, above) = asked;
        let mut segments = self.nodes[slot].segments.borrow_mut();
        let Some(core) = segments.get_mut(&segment) else { return };
        core.offer_images(to, peer, epochs, above);
        self.take_outputs(slot, core);
    }

    /// Whether a peer that lacks records above this one is better off with pages: the records are still here, but
    /// those that have been made into images fill many chunks.
    pub(super) fn is_far_behind(&self, pg: PgId, above: Lsn, coalesced: Lsn) -> bool {
        above < coalesced && self.log.chunks_with(pg, above, coalesced).len() > RECORD_CHUNKS
    }

    /// Makes a message and sends it.
    pub(super) async fn serve_images(
        &self,
        slot: usize,
        to: Origin,
        offer: Images,
    ) -> Result<(), ShardError> {
        let made = self.collect_images(slot, &offer).await;
        for giving in self.giving.borrow_mut().iter_mut() {
            let is_it = (giving.segment, giving.asker) == (offer.from, offer.to.segment);
            giving.is_making &= !is_it;
        }
        if let Some((images, next_page)) = made? {
            let images = SharedBytes::from(images);
            self.outgoing.borrow_mut().push(to, Message::Images(Images { images, next_page, ..offer }));
        }
        Ok(())
    }

    /// The images of one message, and where the next goes on. Nothing when they cannot be made any more as of the
    /// point that was asked for, or are damaged: the peer asks again, or elsewhere.
    async fn collect_images(
        &self,
        slot: usize,
        offer: &Images,
    ) -> Result<Option<(Vec<u8>, Option<PageId>)>, ShardError> {
        let (pg, node) = (offer.to.pg, &self.nodes[slot]);
        let Some(end) = node.segments.borrow().get(&offer.from).map(|core| core.control().pages().end) else {
            return Ok(None);
        };
        let in_log = self.changed_in_log(slot, offer).await?;
        let store = Rc::clone(&node.store.borrow());
        let first = offer.first_page.get();
        let stored = match store.page_ids_in(first..end, LOOK_PAGES).await {
            Ok(stored) => stored,
            Err(StoreError::Lost(_)) => {
                self.lose_store(slot);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let full = stored.last().filter(|_| stored.len() == LOOK_PAGES);
        let stop = full.map_or(end, |last| last.get() + 1);
        let mut pages: BTreeSet<PageId> = stored.into_iter().collect();
        let logged = |page: &&PageId| (first..stop).contains(&page.get());
        pages.extend(in_log.iter().filter(logged));
        let (mut images, mut made_count) = (Vec::new(), 0);
        let most_pages = (self.options.cached_pages / 8).clamp(1, MESSAGE_PAGES);
        for page in pages {
            if images.len() >= most_pages * PAGE_BYTES || made_count == MADE_PAGES {
                return Ok(Some((images, Some(page))));
            }
            made_count += usize::from(in_log.contains(&page));
            let made = match in_log.contains(&page) {
                true => self.make_page(slot, pg, page, offer.at).await.map(|made| made.page.clone()),
                false => self.stored_image(slot, page).await,
            };
            // Nothing held newer images back while nobody asked.
            if self.contained(slot, pg) > offer.at {
                return Ok(None);
            }
            match made {
                Ok(mut image) if image.lsn() > offer.above => {
                    image.seal(page);
                    images.extend_from_slice(image.bytes());
                }
                Ok(_) => {}
                Err(MakeError::Shard(error)) => return Err(error),
                Err(damage) => {
                    self.note_damage(slot, pg, page, damage);
                    return Ok(None);
                }
            }
        }
        Ok(Some((images, (stop < end).then(|| PageId::new(stop)))))
    }

    /// The pages with records in the log above the images and at or below the point; looked up once per peer and point.
    async fn changed_in_log(&self, slot: usize, offer: &Images) -> Result<Rc<BTreeSet<PageId>>, ShardError> {
        let is_it = |g: &&mut Giving| (g.segment, g.asker, g.at) == (offer.from, offer.to.segment, offer.at);
        let known = self.giving.borrow_mut().iter_mut().find(is_it).and_then(|g| g.in_log.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let (pg, contained) = (offer.to.pg, self.contained(slot, offer.to.pg));
        let mut pages = BTreeSet::new();
        for chunk in self.log.chunks_with(pg, contained, offer.at) {
            for entry in self.log.entries(&chunk).await? {
                let is_above = entry.lsn > contained && entry.lsn <= offer.at;
                if is_above && entry.copies.contains(slot) && self.holds_page(slot, offer.from, entry.page) {
                    pages.insert(entry.page);
                }
            }
        }
        let pages = Rc::new(pages);
        if let Some(giving) = self.giving.borrow_mut().iter_mut().find(is_it) {
            giving.in_log = Some(Rc::clone(&pages));
        }
        Ok(pages)
    }

    fn holds_page(&self, slot: usize, segment: SegmentId, page: PageId) -> bool {
        let segments = self.nodes[slot].segments.borrow();
        segments.get(&segment).is_some_and(|core| core.control().pages().contains(&page.get()))
    }

    /// The lowest point as of which any node gives pages of a group: images stay at or below it.
    pub(super) fn pinned(&self, pg: PgId) -> Option<Lsn> {
        let of_node = |node: &super::Node<S>| {
            let segment = node.by_group.borrow().get(&pg).copied()?;
            node.segments.borrow().get(&segment).and_then(SegmentCore::image_pin)
        };
        self.nodes.iter().filter_map(of_node).min()
    }

    /// Forgets peers that do not ask any more; all of them when records wait for space that images would free.
    pub(super) fn forget_givings(&self) {
        let (looks, is_starved) = (self.handle.looks(), self.starved.get());
        let mut giving = self.giving.borrow_mut();
        if giving.is_empty() {
            return;
        }
        giving.retain(|g| g.is_making || (!is_starved && looks <= g.asked_at + PATIENCE_LOOKS));
        for node in &self.nodes {
            for (segment, core) in node.segments.borrow_mut().iter_mut() {
                if core.image_pin().is_some() && giving.iter().all(|g| g.segment != *segment) {
                    core.release_images();
                    self.background_wanted.set();
                }
            }
        }
    }
}

impl Giving {
    fn to(offer: &Images) -> Self {
        Self {
            segment: offer.from,
            asker: offer.to.segment,
            at: offer.at,
            above: offer.above,
            asked_at: 0,
            is_making: false,
            in_log: None,
        }
    }
}
