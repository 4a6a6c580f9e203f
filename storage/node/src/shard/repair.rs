//! Damage that was met, and its repair from the other nodes of the shard.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_page::{Lsn, Page, PageId, PgId};
use redoubt_protocol::{
    Address, Message, PersistToken, RecordBatch, RequestId, SegmentCore, SegmentId, SharedBytes,
};

use super::create::pages_name;
use super::materialise::MakeError;
use super::{PEERS, Shard};
use crate::error::ShardError;
use crate::log::error::LogError;
use crate::log::lookup::Found;
use crate::log::positions::decode_positions;
use crate::pages::error::StoreError;
use crate::pages::store::PageStore;
use crate::pages::switch::Staged;

/// Images copied together while a store is rebuilt.
const COPY_PAGES: usize = 64;

/// Damage not repaired yet.
#[derive(Default)]
pub(super) struct Damage {
    images: BTreeSet<(usize, PgId, PageId)>,
    blocks: Vec<(usize, PgId, Found)>,
}

impl<S: Storage> Shard<S> {
    /// Takes note of what is wrong with one node's copies.
    pub(super) fn note_damage(&self, slot: usize, pg: PgId, page: PageId, damage: MakeError) {
        let mut noted = self.damage.borrow_mut();
        let is_new = match damage {
            MakeError::DamagedImage | MakeError::BrokenChain => noted.images.insert((slot, pg, page)),
            MakeError::DamagedBlock(found) => {
                let known = noted.blocks.iter().any(|(other, _, known)| {
                    *other == slot
                        && known.chunk.lap == found.chunk.lap
                        && known.entry.first_sector == found.entry.first_sector
                });
                if !known {
                    noted.blocks.push((slot, pg, *found));
                }
                !known
            }
            // It was counted when it was lost.
            MakeError::LostStore | MakeError::Shard(_) => false,
        };
        drop(noted);
        if is_new {
            self.count(|counters| counters.damage_found += 1);
            self.background_wanted.set();
        }
    }

    /// Replaces what is damaged by what other nodes have.
    pub(super) async fn repair(&self) -> Result<(), ShardError> {
        self.rebuild_lost_stores().await?;
        let damage = std::mem::take(&mut *self.damage.borrow_mut());
        for (slot, pg, found) in damage.blocks {
            self.repair_block(slot, pg, &found).await?;
        }
        for (slot, _, page) in damage.images {
            self.repair_image(slot, page).await?;
        }
        self.trust_the_repaired();
        Ok(())
    }

    /// Appends a damaged block's records again, for the node that lost them.
    async fn repair_block(&self, slot: usize, pg: PgId, found: &Found) -> Result<(), ShardError> {
        for other in found.entry.copies.slots().filter(|other| *other != slot) {
            let copy = match self.log.read_copy(&found.chunk, &found.entry, other).await {
                Ok(copy) => copy,
                Err(LogError::Rot | LogError::Unreadable(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some((positions, records)) = decode_positions(copy.payload()) else { continue };
            let Ok(batch) = RecordBatch::parse(SharedBytes::from(records.to_vec())) else { continue };
            let Some(segment) = self.nodes[slot].by_group.borrow().get(&pg).copied() else { return Ok(()) };
            // No machine waits for this: the token completes nothing.
            let token = PersistToken::new(0);
            self.pending.borrow_mut().push_records(slot, segment, pg, token, Some(batch), positions);
            self.write_wanted.set();
            self.count(|counters| counters.damage_repaired += 1);
            return Ok(());
        }
        Ok(())
    }

    /// Writes another node's image of a page in place of a damaged one.
    async fn repair_image(&self, slot: usize, page: PageId) -> Result<(), ShardError> {
        if self.nodes[slot].needs_rebuild.get() {
            return Ok(());
        }
        let store = Rc::clone(&self.nodes[slot].store.borrow());
        if let Ok(Some(_)) = store.read(page).await {
            // It has been replaced in the meantime, or it was the records that were at fault.
            return Ok(());
        }
        let others = (0..self.nodes.len()).filter(|other| *other != slot);
        for other in others.filter(|other| !self.nodes[*other].needs_rebuild.get()) {
            let peer = Rc::clone(&self.nodes[other].store.borrow());
            if !self.is_as_new(&peer, other, &store, slot) {
                continue;
            }
            let Ok(Some(mut image)) = peer.read(page).await else { continue };
            image.seal(page);
            let mut staged = Staged::default();
            match store.stage(&mut staged, &[image]).await {
                Ok(()) => {}
                Err(StoreError::Full) => {
                    store.abandon(staged);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            match store.switch(staged, &[]).await {
                Ok(()) => {}
                Err(StoreError::Full) => return Ok(()),
                Err(StoreError::Lost(_)) => {
                    self.lose_store(slot);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            self.count(|counters| counters.damage_repaired += 1);
            return Ok(());
        }
        Ok(())
    }

    /// Makes the page stores that were lost anew, from a node whose store is whole.
    async fn rebuild_lost_stores(&self) -> Result<(), ShardError> {
        for slot in 0..self.nodes.len() {
            if !self.nodes[slot].needs_rebuild.get() {
                continue;
            }
            for other in 0..self.nodes.len() {
                if self.nodes[other].needs_rebuild.get() {
                    continue;
                }
                match self.copy_store(slot, other).await {
                    Ok(()) => break,
                    Err(ShardError::Store(StoreError::Full)) => {}
                    // It may be the peer's index that is damaged. The next look at it will tell.
                    Err(ShardError::Store(StoreError::Lost(_))) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Copies a whole store under a new identity, and puts it in the place of a lost one.
    async fn copy_store(&self, slot: usize, from: usize) -> Result<(), ShardError> {
        let peer = Rc::clone(&self.nodes[from].store.borrow());
        let mut identity = self.identity.borrow().clone();
        let (id, store_id) = &mut identity.nodes[slot];
        let old_name = pages_name(*id, *store_id);
        *store_id = store_id.wrapping_add(1);
        let name = pages_name(*id, *store_id);
        // What an earlier attempt left is of no use.
        self.storage.remove(&name).await?;
        let device = self.storage.open_pages(&name).await?;
        let store = PageStore::create(device, *store_id, self.options.cached_index_nodes).await?;
        let mut staged = Staged::default();
        let mut images: Vec<Page> = Vec::new();
        let pages = peer.page_ids().await;
        if let Err(StoreError::Lost(_)) = pages {
            self.lose_store(from);
        }
        for page in pages? {
            images.push(self.sealed_image(from, page).await?);
            if images.len() == COPY_PAGES {
                store.stage(&mut staged, &images).await?;
                images.clear();
            }
        }
        store.stage(&mut staged, &images).await?;
        let applied = self.applied_at(slot, from, &peer);
        store.switch(staged, &applied).await?;
        identity.write(&*self.storage).await?;
        *self.identity.borrow_mut() = identity;
        *self.nodes[slot].store.borrow_mut() = Rc::new(store);
        self.note_applied(slot, applied);
        self.deliver();
        self.nodes[slot].needs_rebuild.set(false);
        self.nodes[slot].knows_slots.set(true);
        self.count(|counters| counters.damage_repaired += 1);
        Ok(self.storage.remove(&old_name).await?)
    }

    /// Lets segments that hold less than their peers ask the one that holds most (gossip, within the shard).
    pub(super) fn close_gaps(&self) {
        let mut best: BTreeMap<PgId, (Lsn, Address)> = BTreeMap::new();
        for node in &self.nodes {
            for core in node.segments.borrow().values() {
                let address = core.control().address;
                let known = best.entry(address.pg).or_insert((core.scl(), address));
                if core.scl() > known.0 {
                    *known = (core.scl(), address);
                }
            }
        }
        let mut questions = Vec::new();
        for node in &self.nodes {
            for core in node.segments.borrow().values() {
                let (scl, peer) = best[&core.control().address.pg];
                // What is on its way to the disk needs no asking for.
                if core.scl() < scl && core.unflushed_count() == 0 {
                    questions.extend(core.gap_question(peer));
                }
            }
        }
        for question in questions {
            self.take_message(PEERS, Message::AskGaps(question));
        }
        self.deliver();
    }

    /// The image of a page as the node in `from` has it, sealed; from another node when its own is damaged.
    async fn sealed_image(&self, from: usize, page: PageId) -> Result<Page, ShardError> {
        let others = (0..self.nodes.len()).filter(|other| *other != from);
        for slot in std::iter::once(from).chain(others) {
            if self.nodes[slot].needs_rebuild.get() {
                continue;
            }
            let store = Rc::clone(&self.nodes[slot].store.borrow());
            if !self.is_as_new(&store, slot, &self.nodes[from].store.borrow(), from) {
                continue;
            }
            match store.read(page).await {
                Ok(Some(mut image)) => {
                    image.seal(page);
                    return Ok(image);
                }
                Ok(None) | Err(StoreError::Rot(_) | StoreError::Lost(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Lost("no node has an undamaged image").into())
    }

    /// Whether the images of the node in `slot` contain all that those of another do. Stores switch to the same
    /// images, unless one has had no room for them, or a crash came between the switches of two: an image from one
    /// that is behind would lack records that are nowhere else any more.
    fn is_as_new(
        &self,
        store: &PageStore<S::Pages>,
        slot: usize,
        than: &PageStore<S::Pages>,
        other: usize,
    ) -> bool {
        let wanted = self.applied_at(slot, other, than);
        wanted.iter().all(|(segment, lsn)| store.applied(*segment) >= *lsn)
    }

    /// How far the records of one node's segments are contained in the images of another.
    fn applied_at(&self, slot: usize, from: usize, peer: &PageStore<S::Pages>) -> Vec<(SegmentId, Lsn)> {
        let (ours, theirs) = (self.nodes[slot].by_group.borrow(), self.nodes[from].by_group.borrow());
        let of_peer = |(pg, segment): (&PgId, &SegmentId)| Some((*segment, peer.applied(*theirs.get(pg)?)));
        ours.iter().filter_map(of_peer).collect()
    }

    /// A segment whose log was found damaged counts again once it has everything its peers have, and has
    /// promised anew.
    fn trust_the_repaired(&self) {
        for node in self.nodes.iter().filter(|node| !node.needs_rebuild.get()) {
            let mut segments = node.segments.borrow_mut();
            for core in segments.values_mut().filter(|core| !core.status(RequestId::new(0)).clean) {
                let pg = core.control().address.pg;
                let is_current = core.control().history.epoch() == core.control().volume_epoch;
                let is_behind =
                    |other: &SegmentCore| other.control().address.pg == pg && other.scl() > core.scl();
                let others = self.nodes.iter().filter(|other| other.id != node.id);
                let behind = others
                    .map(|other| other.segments.borrow())
                    .any(|segments| segments.values().any(is_behind));
                // Peers in other shards are not at hand: what the writer says must exist is the measure then.
                let positions = core.persisted_positions();
                let is_told = positions.volume_epoch == core.control().volume_epoch;
                let is_complete = is_told && core.scl() >= positions.pg_tail;
                let is_alone = self.nodes.len() == 1 && core.control().membership.members().len() > 1;
                if is_current && !behind && !core.has_gap() && (is_complete || !is_alone) {
                    core.set_clean(true);
                    self.count(|counters| counters.damage_repaired += 1);
                }
            }
        }
    }
}
