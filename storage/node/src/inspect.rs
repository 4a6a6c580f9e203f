//! Reading what a node has stored, for people: nothing is written, nothing is repaired, and what is damaged is said to be.
//!
//! The storage must not be in use: a shard that runs recycles chunks and slots under a reader that it does not
//! know of.

use std::fmt::Write;
use std::rc::Rc;

use redoubt_io::Storage;
use redoubt_page::{Lsn, Page, PageId, PgId, apply, decode_record_prefix, describe, describe_page};
use redoubt_protocol::NodeId;

use crate::error::ShardError;
use crate::log::block::{BlockKind, SECTOR_BYTES, block_bytes};
use crate::log::error::LogError;
use crate::log::open::Scanned;
use crate::log::positions::decode_positions;
use crate::log::ring::{Chunk, Log};
use crate::log::scan::FoundBlock;
use crate::pages::store::PageStore;
use crate::shard::{Remembered, ShardIdentity, ShardOptions, pages_name, remember};
use crate::state::SegmentState;

/// A shard's files, opened to be read.
pub struct Inspector<S: Storage> {
    storage: Rc<S>,
    identity: ShardIdentity,
    log: Log<S>,
    scanned: Vec<Scanned>,
}

impl<S: Storage> Inspector<S> {
    /// Opens the shard in a storage, as far as its log can be read.
    ///
    /// # Errors
    /// `Absent`, or when the storage fails.
    pub async fn open(storage: Rc<S>) -> Result<Self, ShardError> {
        let identity = ShardIdentity::read(&*storage).await?.ok_or(ShardError::Absent)?;
        let shape = identity.shape(&ShardOptions::default());
        let (log, scanned) = Log::open(Rc::clone(&storage), shape).await?;
        Ok(Self { storage, identity, log, scanned })
    }

    /// The nodes whose files these are.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.identity.nodes.iter().map(|(node, _)| *node)
    }

    /// A page as this node has it: its durable image, every record above that up to `upto`, and what comes of them.
    /// Without `upto`, as far as the node knows that all is durable.
    ///
    /// # Errors
    /// `Unusable` when the node holds nothing of the page's group, or its state or image cannot be read; when the
    /// storage fails.
    pub async fn page(
        &mut self,
        node: NodeId,
        page: PageId,
        upto: Option<Lsn>,
    ) -> Result<String, ShardError> {
        let slot = self.slot(node)?;
        let memory = remember(&self.log, &mut self.scanned, node, slot).await?;
        let (pg, segment) = segment_of(&memory, page)?;
        let mut text = describe_segment(node, segment);
        let store_id = self.identity.nodes[slot].1;
        let name = pages_name(node, store_id);
        if !self.storage.names().await?.contains(&name) {
            return Err(ShardError::Unusable(format!("its page store {name} is missing")));
        }
        let device = self.storage.open_pages(&name).await?;
        let store = PageStore::open(device, store_id, 0).await?;
        let applied = store.applied(segment.control.address.segment);
        let image = store.read(page).await?;
        let _ = writeln!(text, "images of the group contain every record up to {applied}");
        let image = image.unwrap_or_else(|| {
            text.push_str("there is no image of this page yet\n");
            Page::absent(page)
        });
        let upto = upto.unwrap_or_else(|| self.known_durable(node, &memory, segment));
        self.bring_on(&mut text, slot, pg, segment, image, upto).await?;
        Ok(text)
    }

    /// Applies a page's records above its image and describes each, and the page in the end.
    async fn bring_on(
        &self,
        text: &mut String,
        slot: usize,
        pg: PgId,
        segment: &SegmentState,
        mut image: Page,
        upto: Lsn,
    ) -> Result<(), ShardError> {
        let found = self.log.find(pg, image.page_id(), image.lsn(), upto).await?;
        for places in found.chunk_by(|a, b| a.entry.lsn == b.entry.lsn) {
            let lsn = places[0].entry.lsn;
            if segment.control.history.is_voided(lsn) {
                let _ = writeln!(text, "record {lsn} was voided by a recovery");
                continue;
            }
            let Some(place) = places.iter().find(|place| place.entry.copies.contains(slot)) else {
                let _ = writeln!(text, "record {lsn} is MISSING on this node; others have it");
                break;
            };
            let copy = match self.log.read_copy(&place.chunk, &place.entry, slot).await {
                Ok(copy) => copy,
                Err(LogError::Rot) => {
                    let _ = writeln!(text, "record {lsn} is DAMAGED on this node");
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            let bytes = copy.payload().get(place.entry.record_at as usize..);
            let Some((record, _)) = bytes.and_then(|bytes| decode_record_prefix(bytes).ok()) else {
                let _ = writeln!(text, "record {lsn} is not where the index says: DAMAGED");
                break;
            };
            let _ = writeln!(text, "{}", describe(&record));
            if let Err(error) = apply(&mut image, &record) {
                let _ = writeln!(text, "it cannot be applied: {error}");
                break;
            }
        }
        let _ = writeln!(text, "{}", describe_page(&image));
        Ok(())
    }

    /// The highest VDL that the node has persisted: with its promises, or with records since.
    fn known_durable(&self, node: NodeId, memory: &Remembered, segment: &SegmentState) -> Lsn {
        let mut vdl = segment.point.persisted_vdl;
        let recent = self.scanned.iter().filter(|chunk| memory.since.is_none_or(|since| chunk.lap >= since));
        for chunk in recent {
            let own = chunk.scan.blocks_of(node).filter(|block| is_records_of(block, segment));
            for block in own {
                let positions = decode_positions(&chunk.bytes[block.payload.clone()]);
                vdl = positions.map_or(vdl, |(positions, _)| vdl.max(positions.vdl));
            }
        }
        vdl
    }

    /// The blocks of a node's log that hold records with numbers in `from..=upto`, and these records. Where a stretch
    /// of a chunk can be read as no block, it is said.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn log(&self, node: NodeId, from: Lsn, upto: Lsn) -> Result<String, ShardError> {
        self.slot(node)?;
        let mut text = String::new();
        for chunk in self.log.chunks() {
            let overlaps = chunk.ranges().iter().any(|(_, low, high)| *low <= upto && *high >= from);
            if overlaps {
                let scanned = self.log.rescan(&chunk).await?;
                describe_chunk(&mut text, &chunk, &scanned, node, from, upto);
            }
        }
        if text.is_empty() {
            let _ = writeln!(text, "the log of node {node} holds no record from {from} to {upto}");
        }
        Ok(text)
    }

    fn slot(&self, node: NodeId) -> Result<usize, ShardError> {
        let slot = self.identity.nodes.iter().position(|(other, _)| *other == node);
        slot.ok_or_else(|| ShardError::Unusable(format!("there is no node {node} here")))
    }
}

fn is_records_of(block: &FoundBlock, segment: &SegmentState) -> bool {
    block.header.kind == BlockKind::Records && block.header.segment == segment.control.address.segment
}

/// The group of a page, and the node's segment of it.
fn segment_of(memory: &Remembered, page: PageId) -> Result<(PgId, &SegmentState), ShardError> {
    let segments = &memory.state.segments;
    let Some(any) = segments.values().next() else {
        return Err(ShardError::Unusable("the node remembers no segment".into()));
    };
    let pg = any.control.geometry.pg_of(page);
    let segment = segments.values().find(|segment| segment.control.address.pg == pg);
    segment.map(|segment| (pg, segment)).ok_or_else(|| {
        ShardError::Unusable(format!("page {page} is of group {pg}, of which the node holds no segment"))
    })
}

/// Whose page it is: node, segment and group.
fn describe_segment(node: NodeId, segment: &SegmentState) -> String {
    let control = &segment.control;
    let pages = control.geometry.pages_of(control.address.pg);
    let others = control.membership.members().iter().filter(|member| member.node != node);
    let others: Vec<String> =
        others.map(|member| format!("{} on node {}", member.segment, member.node)).collect();
    format!(
        "segment {} on node {node}, of group {} with pages {} to {}; the others are {}\n",
        control.address.segment,
        control.address.pg,
        pages.start,
        pages.end - 1,
        others.join(", "),
    )
}

/// The blocks of one node in a chunk, as far as they hold records of the stretch.
fn describe_chunk(text: &mut String, chunk: &Chunk, scanned: &Scanned, node: NodeId, from: Lsn, upto: Lsn) {
    let _ = writeln!(text, "chunk file {} in lap {}", chunk.place, chunk.lap.get());
    for range in &scanned.scan.unreadable {
        let (first, sectors) = (range.start / SECTOR_BYTES, range.len() / SECTOR_BYTES);
        let _ = writeln!(text, "  sectors {first} and on, {sectors} in all: no readable block");
    }
    for block in scanned.scan.blocks_of(node).filter(|block| block.header.kind == BlockKind::Records) {
        let Some((positions, body)) = decode_positions(&scanned.bytes[block.payload.clone()]) else {
            continue;
        };
        let wanted: Vec<String> = redoubt_page::records(body)
            .map_while(Result::ok)
            .filter(|record| (from..=upto).contains(&record.lsn()))
            .map(|record| describe(&record))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let header = &block.header;
        let _ = writeln!(
            text,
            "  block {} of node {node} at sector {}, {} sectors, segment {}, flushed up to {}: epoch {}, VDL {}, tail {}, read floor {}",
            header.sequence,
            block.at / SECTOR_BYTES,
            block_bytes(block.payload.len()) / SECTOR_BYTES,
            header.segment,
            header.flushed.get(),
            positions.volume_epoch,
            positions.vdl,
            positions.pg_tail,
            positions.read_floor,
        );
        for record in wanted {
            for line in record.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
}
