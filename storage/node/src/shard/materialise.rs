//! A page as of a read point: its newest durable image, and the records above it.

use std::collections::BTreeMap;
use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_page::{ApplyError, Lsn, Page, PageId, PgId, apply, decode_record_prefix};

use super::{CachedPage, Shard};
use crate::error::ShardError;
use crate::log::block::block_bytes;
use crate::log::entry::IndexEntry;
use crate::log::error::LogError;
use crate::log::lookup::{BlockCopy, Found};
use crate::log::position::Lap;
use crate::pages::error::StoreError;

/// Bytes of blocks that are read at a time for the records in them.
const AHEAD_BYTES: usize = 1 << 20;

/// Why a page could not be made from what one node holds.
#[derive(Debug)]
pub(super) enum MakeError {
    /// The node's image is damaged, or newer than the read point, which damage to its positions would explain.
    DamagedImage,
    /// The node's copy of a block is damaged.
    DamagedBlock(Box<Found>),
    /// A record is missing, or cannot be applied.
    BrokenChain,
    /// The node's page store is lost, and is being made anew.
    LostStore,
    /// Something that is no matter of one page.
    Shard(ShardError),
}

impl From<ApplyError> for MakeError {
    fn from(_: ApplyError) -> Self {
        Self::BrokenChain
    }
}

impl<S: Storage> Shard<S> {
    /// Makes a page of what the node in `slot` holds: every record up to `upto` is in it, none above.
    ///
    /// # Errors
    /// What is wrong with the node's copies; another node has others.
    pub(super) async fn make_page(
        &self,
        slot: usize,
        pg: PgId,
        page: PageId,
        upto: Lsn,
    ) -> Result<Rc<CachedPage>, MakeError> {
        loop {
            let contained = self.contained(slot, pg);
            let made = self.try_make_page(slot, pg, page, upto, contained).await;
            // Others go on without a node whose store is lost, and give up records that its old images lack.
            if self.nodes[slot].needs_rebuild.get() {
                return Err(MakeError::LostStore);
            }
            // Once images contain more, the records that went into them may be recycled, under a search that has
            // begun as well: what it made could lack some. Then again, from the newer image.
            if self.contained(slot, pg) == contained {
                return Ok(self.remember(page, made?, upto));
            }
        }
    }

    /// Up to where the images of a node contain a group's records. All above is in the log.
    pub(super) fn contained(&self, slot: usize, pg: PgId) -> Lsn {
        let node = &self.nodes[slot];
        let segment = node.by_group.borrow().get(&pg).copied();
        segment.map_or(Lsn::ZERO, |segment| node.store.borrow().applied(segment))
    }

    async fn try_make_page(
        &self,
        slot: usize,
        pg: PgId,
        page: PageId,
        upto: Lsn,
        contained: Lsn,
    ) -> Result<Page, MakeError> {
        let cached = self.cache.borrow_mut().get(page).cloned();
        // A page that is complete to less than the images cannot be brought on: what it lacks may be gone.
        let is_usable =
            |cached: &Rc<CachedPage>| cached.complete_to <= upto && cached.complete_to >= contained;
        if let Some(cached) = cached.filter(is_usable) {
            if cached.complete_to == upto {
                return Ok(cached.page.clone());
            }
            let made = self.apply_records(slot, pg, cached.page.clone(), cached.complete_to, upto).await;
            if let Ok(made) = made {
                return Ok(made);
            }
            // Perhaps the node has records that its older image would not need. From the beginning, then.
        }
        let image = self.stored_image(slot, page).await?;
        let above = image.lsn();
        if above > upto {
            return Err(MakeError::DamagedImage);
        }
        self.apply_records(slot, pg, image, above, upto).await
    }

    /// The durable image on one node; a page that was never stored has none of its records in.
    pub(super) async fn stored_image(&self, slot: usize, page: PageId) -> Result<Page, MakeError> {
        let store = Rc::clone(&self.nodes[slot].store.borrow());
        match store.read(page).await {
            Ok(image) => Ok(image.unwrap_or_else(|| Page::absent(page))),
            Err(StoreError::Rot(_)) => Err(MakeError::DamagedImage),
            Err(StoreError::Lost(_)) => {
                self.lose_store(slot);
                Err(MakeError::LostStore)
            }
            Err(error) => Err(MakeError::Shard(error.into())),
        }
    }

    fn remember(&self, page: PageId, image: Page, complete_to: Lsn) -> Rc<CachedPage> {
        let made = Rc::new(CachedPage { page: image, complete_to });
        let mut cache = self.cache.borrow_mut();
        let newer = cache.get(page).is_some_and(|cached| cached.complete_to > complete_to);
        if !newer {
            cache.insert(page, Rc::clone(&made));
        }
        made
    }

    /// Applies the node's records in `(above, upto]` that are not voided. A record that the log has for
    /// another node and not for this one is missing: a segment is only asked about what it holds whole.
    pub(super) async fn apply_records(
        &self,
        slot: usize,
        pg: PgId,
        mut page: Page,
        above: Lsn,
        upto: Lsn,
    ) -> Result<Page, MakeError> {
        let found = self.log.find(pg, page.page_id(), above, upto).await;
        let found = found.map_err(|error| MakeError::Shard(error.into()))?;
        let is_wanted = |lsn: Lsn| lsn > page.lsn() && !self.is_voided(slot, pg, lsn);
        let wanted: Vec<&[Found]> =
            found.chunk_by(|a, b| a.entry.lsn == b.entry.lsn).filter(|c| is_wanted(c[0].entry.lsn)).collect();
        let mut ahead = ReadAhead::new(&wanted, slot);
        for copies in wanted {
            let (block, record_at) = self.read_any(slot, copies, &mut ahead).await?;
            let bytes = block.payload().get(record_at..);
            let Some((record, _)) = bytes.and_then(|bytes| decode_record_prefix(bytes).ok()) else {
                return Err(MakeError::DamagedBlock(Box::new(copies[0].clone())));
            };
            apply(&mut page, &record)?;
        }
        Ok(page)
    }

    /// The block of one of the places at which the node has a record, and where in its payload the record begins. A
    /// damaged place may have been replaced by a newer one.
    async fn read_any<'a>(
        &self,
        slot: usize,
        places: &[Found],
        ahead: &'a mut ReadAhead,
    ) -> Result<(&'a BlockCopy, usize), MakeError> {
        let mut undamaged = None;
        for place in places.iter().filter(|place| place.entry.copies.contains(slot)) {
            let block = block_of(place, slot);
            if !ahead.blocks.contains_key(&block) {
                self.read_block(slot, place, ahead).await.map_err(|error| MakeError::Shard(error.into()))?;
            }
            if ahead.blocks[&block].is_some() {
                undamaged = Some((block, place.entry.record_at as usize));
                break;
            }
        }
        let found = undamaged.and_then(|(block, at)| Some((ahead.blocks.get(&block)?.as_ref()?, at)));
        found.ok_or_else(|| MakeError::DamagedBlock(Box::new(places[0].clone())))
    }

    /// Reads a block, and those that are wanted next if it is one that was foreseen.
    async fn read_block(&self, slot: usize, place: &Found, ahead: &mut ReadAhead) -> Result<(), LogError> {
        let window = ahead.window(place, slot);
        let entries: Vec<IndexEntry> = window.iter().map(|place| place.entry).collect();
        let copies = match &entries[..] {
            [entry] => vec![self.log.read_copy(&place.chunk, entry, slot).await],
            entries => self.log.read_copies(&place.chunk, entries, slot).await?,
        };
        for (place, copy) in window.iter().zip(copies) {
            let copy = match copy {
                Ok(copy) => Some(copy),
                Err(LogError::Rot) => None,
                Err(error) => return Err(error),
            };
            ahead.blocks.insert(block_of(place, slot), copy);
        }
        Ok(())
    }

    /// Whether a recovery voided a record, as the node's segment knows it.
    pub(super) fn is_voided(&self, slot: usize, pg: PgId, lsn: Lsn) -> bool {
        let node = &self.nodes[slot];
        let by_group = node.by_group.borrow();
        let segments = node.segments.borrow();
        let core = by_group.get(&pg).and_then(|segment| segments.get(segment));
        core.is_some_and(|core| core.control().history.is_voided(lsn))
    }
}

/// A block: the lap of its chunk, and where it lies in it.
type BlockAt = (Lap, usize);

fn block_of(place: &Found, slot: usize) -> BlockAt {
    (place.chunk.lap, place.entry.block_at(slot))
}

/// The blocks that a page's records lie in, read some at a time: a page that changes all the time has thousands between
/// two images, each in another block.
struct ReadAhead {
    /// A place of every block, in the order in which they are wanted.
    foreseen: Vec<Found>,
    /// The first of them that was not read.
    next: usize,
    /// What was read last; nothing where it was damaged.
    blocks: BTreeMap<BlockAt, Option<BlockCopy>>,
}

impl ReadAhead {
    /// For records with these places each, in order.
    fn new(records: &[&[Found]], slot: usize) -> Self {
        let first =
            |places: &&[Found]| places.iter().find(|place| place.entry.copies.contains(slot)).cloned();
        let mut foreseen: Vec<Found> = records.iter().filter_map(first).collect();
        foreseen.dedup_by_key(|place| block_of(place, slot));
        Self { foreseen, next: 0, blocks: BTreeMap::new() }
    }

    /// What to read when the block at a place is wanted: at least that, and all of one chunk.
    fn window(&mut self, place: &Found, slot: usize) -> Vec<Found> {
        let rest = &self.foreseen[self.next..];
        let Some(skipped) = rest.iter().position(|next| block_of(next, slot) == block_of(place, slot)) else {
            return vec![place.clone()];
        };
        self.blocks.clear();
        let mut bytes = 0;
        let fits = |next: &&Found| {
            bytes += block_bytes(next.entry.payload_bytes as usize);
            next.chunk.lap == place.chunk.lap && bytes <= AHEAD_BYTES
        };
        let mut window: Vec<Found> = rest[skipped..].iter().take_while(fits).cloned().collect();
        if window.is_empty() {
            window.push(place.clone());
        }
        self.next += skipped + window.len();
        window
    }
}
