//! Taking pages that a peer gives in the place of records.
//!
//! They are looked into and staged in the page store by the background loop, a message at a time, flushed; one switch
//! makes all of them current together with the segment's new position. Before that nobody sees them, and a process
//! that ends has none: the next one asks for them anew, group by group.

use redoubt_io::Storage;
use redoubt_page::{Lsn, PAGE_BYTES, Page};
use redoubt_protocol::{ControlToken, SegmentId, SharedBytes};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::Shard;
use crate::error::ShardError;
use crate::pages::error::StoreError;
use crate::pages::switch::Staged;

/// What a segment's machine wants done with pages, in order.
pub(super) enum Arrival {
    /// Put these aside.
    Stage {
        /// The node.
        slot: usize,
        /// Its segment.
        segment: SegmentId,
        /// Whether those before are dropped.
        is_first: bool,
        /// The numbers they may have.
        pages: Range<u64>,
        /// The highest LSN of one of them.
        upto: Lsn,
        /// The pages.
        images: SharedBytes,
    },
    /// Make what was put aside current.
    Commit {
        /// The node.
        slot: usize,
        /// Its segment.
        segment: SegmentId,
        /// To be completed.
        token: ControlToken,
        /// What the pages contain.
        linked: Lsn,
    },
}

/// Pages put aside, by node and segment, and the store they are in.
pub(super) type Taken = BTreeMap<(usize, SegmentId), (u64, Staged)>;

impl<S: Storage> Shard<S> {
    pub(super) fn queue_arrival(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push_back(arrival);
        self.background_wanted.set();
    }

    /// Carries out what has arrived.
    pub(super) async fn take_images(&self) -> Result<(), ShardError> {
        loop {
            let Some(arrival) = self.arrivals.borrow_mut().pop_front() else { break };
            match arrival {
                Arrival::Stage { slot, segment, is_first, pages, upto, images } => {
                    if is_first {
                        self.drop_taken(slot, segment);
                        let store_id = self.nodes[slot].store.borrow().store_id();
                        self.taken.borrow_mut().insert((slot, segment), (store_id, Staged::default()));
                    }
                    let sealed = sealed_pages(&images, pages, upto);
                    self.stage_taken(slot, segment, sealed).await?;
                }
                Arrival::Commit { slot, segment, token, linked } => {
                    self.commit_taken(slot, segment, token, linked).await?;
                }
            }
        }
        self.drop_what_nobody_wants();
        Ok(())
    }

    /// What was put aside for a segment, unless its store has been replaced since.
    fn take_taken(&self, slot: usize, segment: SegmentId) -> Option<Staged> {
        let (store_id, staged) = self.taken.borrow_mut().remove(&(slot, segment))?;
        let node = &self.nodes[slot];
        let is_usable = !node.needs_rebuild.get() && node.knows_slots.get();
        (is_usable && node.store.borrow().store_id() == store_id).then_some(staged)
    }

    fn drop_taken(&self, slot: usize, segment: SegmentId) {
        if let Some(staged) = self.take_taken(slot, segment) {
            self.nodes[slot].store.borrow().abandon(staged);
        }
    }

    /// Puts pages aside, durably. Nothing when they are damaged.
    async fn stage_taken(
        &self,
        slot: usize,
        segment: SegmentId,
        sealed: Option<Vec<Page>>,
    ) -> Result<(), ShardError> {
        let Some(mut staged) = self.take_taken(slot, segment) else {
            return self.abandon_images(slot, segment, None);
        };
        let Some(sealed) = sealed else {
            self.count(|counters| counters.damage_found += 1);
            return self.abandon_images(slot, segment, Some(staged));
        };
        let store = Rc::clone(&self.nodes[slot].store.borrow());
        match store.stage(&mut staged, &sealed).await {
            Ok(()) => store.flush().await?,
            Err(StoreError::Full) => return self.abandon_images(slot, segment, Some(staged)),
            Err(error) => return Err(error.into()),
        }
        self.count(|counters| counters.peer_images += sealed.len() as u64);
        self.taken.borrow_mut().insert((slot, segment), (store.store_id(), staged));
        let mut segments = self.nodes[slot].segments.borrow_mut();
        if let Some(core) = segments.get_mut(&segment) {
            core.on_images_staged();
            self.take_outputs(slot, core);
        }
        drop(segments);
        self.deliver();
        Ok(())
    }

    /// Makes what was put aside current, together with what it contains.
    async fn commit_taken(
        &self,
        slot: usize,
        segment: SegmentId,
        token: ControlToken,
        linked: Lsn,
    ) -> Result<(), ShardError> {
        let Some(staged) = self.take_taken(slot, segment) else {
            return self.abandon_images(slot, segment, None);
        };
        let store = Rc::clone(&self.nodes[slot].store.borrow());
        match store.switch(staged, &[(segment, linked)]).await {
            Ok(()) => {}
            Err(StoreError::Full) => return self.abandon_images(slot, segment, None),
            Err(StoreError::Lost(_)) => {
                self.lose_store(slot);
                return self.abandon_images(slot, segment, None);
            }
            Err(error) => return Err(error.into()),
        }
        // What the segment says from here on must not outlive this switch (rule 11).
        self.note_switches().await;
        let mut segments = self.nodes[slot].segments.borrow_mut();
        if let Some(core) = segments.get_mut(&segment) {
            core.on_images_committed(token);
            self.take_outputs(slot, core);
        }
        drop(segments);
        self.write_wanted.set();
        self.background_wanted.set();
        self.deliver();
        Ok(())
    }

    fn abandon_images(
        &self,
        slot: usize,
        segment: SegmentId,
        staged: Option<Staged>,
    ) -> Result<(), ShardError> {
        if let Some(staged) = staged {
            self.nodes[slot].store.borrow().abandon(staged);
        }
        if let Some(core) = self.nodes[slot].segments.borrow_mut().get_mut(&segment) {
            core.abandon_images();
        }
        Ok(())
    }

    /// Pages whose source fell silent, or whose segment was given up.
    fn drop_what_nobody_wants(&self) {
        let is_wanted = |(slot, segment): &(usize, SegmentId)| {
            let segments = self.nodes[*slot].segments.borrow();
            segments.get(segment).is_some_and(|core| core.image_progress().is_some())
        };
        let unwanted: Vec<(usize, SegmentId)> =
            self.taken.borrow().keys().filter(|place| !is_wanted(place)).copied().collect();
        unwanted.into_iter().for_each(|(slot, segment)| self.drop_taken(slot, segment));
    }
}

/// The pages of a message, each one whole, in its place and no newer than all of them may be; nothing when one is not.
fn sealed_pages(images: &[u8], pages: Range<u64>, upto: Lsn) -> Option<Vec<Page>> {
    let mut lowest = pages.start;
    let checked = images.chunks(PAGE_BYTES).map(|image| {
        let sealed = Page::from_slice(image).ok()?;
        let number = sealed.page_id();
        let mut content = sealed.clone();
        let is_sound = (lowest..pages.end).contains(&number.get())
            && content.unseal(number).is_ok()
            && content.lsn() <= upto;
        lowest = number.get().saturating_add(1);
        is_sound.then_some(sealed)
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_page::{Op, PageId, PageKind, apply_op, finish};

    fn page(number: u64, lsn: u64) -> Vec<u8> {
        let mut page = Page::absent(PageId::new(number));
        apply_op(&mut page, &Op::Initialise { kind: PageKind::new(7), special: &[] }).expect("a new page");
        finish(&mut page, Lsn::new(lsn));
        page.seal(PageId::new(number));
        page.bytes().to_vec()
    }

    #[test]
    fn pages_are_whole_rising_and_in_their_place() {
        let mut damaged = page(4, 9);
        damaged[5000] ^= 1;
        let check = |images: &[Vec<u8>], is_sound: bool, why: &str| {
            let found = sealed_pages(&images.concat(), 3..6, Lsn::new(10));
            assert_eq!(found.map(|pages| pages.len()), is_sound.then_some(images.len()), "{why}");
        };
        check(&[], true, "none at all");
        check(&[page(3, 9), page(5, 10)], true, "as they should be");
        check(&[page(5, 9), page(3, 9)], false, "falling");
        check(&[page(3, 9), page(3, 9)], false, "twice the same");
        check(&[page(2, 9)], false, "below the range");
        check(&[page(6, 9)], false, "above the range");
        check(&[page(3, 11)], false, "newer than the point");
        check(&[damaged], false, "not what was sent");
        check(&[page(3, 9)[..4000].to_vec()], false, "half a page");
    }
}
