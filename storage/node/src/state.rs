//! What a node remembers besides records: the promises and positions of its segments, as items in the blocks
//! of the log.
//!
//! Every lap begins with all of it, so that opening need not look behind the newest lap; what changes
//! later in the lap is written whole as it changes. A history is one value per volume epoch, so it is
//! stored once per node and lap, and segments name it by its epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use redoubt_page::{Lsn, VolumeEpoch};
use redoubt_protocol::{ControlState, History, RestorePoint, SegmentId, VoidedRange};

use crate::log::bytes::{u32_at, u64_at};

const HISTORY: u8 = 1;
const SEGMENT: u8 = 2;
const STORE: u8 = 3;
/// Bytes of an item before its contents: what it is, and how long.
const ITEM_HEADER_BYTES: usize = 5;
/// Bytes of a segment's item before its control state.
const SEGMENT_HEADER_BYTES: usize = 56;
/// The most bytes of items in one part of a state, unless one item is longer.
const PART_BYTES: usize = 16 * 1024;

/// A segment as its node remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentState {
    /// Identity and promises.
    pub control: ControlState,
    /// Positions. Of no meaning in a block that was written because a promise changed.
    pub point: RestorePoint,
}

/// A node's memory, as read back from the log.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// Its segments.
    pub segments: BTreeMap<SegmentId, SegmentState>,
    /// The identity of its page store, and the last switch that is known to have become durable. A store that
    /// stands at an older one is a lost one.
    pub store: (u64, u64),
    histories: BTreeMap<VolumeEpoch, Arc<History>>,
}

/// Why items could not be read although their block is undamaged: they were written by another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of a node cannot be read: {0}")]
pub struct StateError(&'static str);

/// Appends the item of a history.
pub fn put_history(out: &mut Vec<u8>, history: &History) {
    let mut item = Vec::with_capacity(8 + history.ranges().len() * 24);
    item.extend_from_slice(&history.epoch().get().to_le_bytes());
    for range in history.ranges() {
        for number in [range.after.get(), range.upto.get(), range.epoch.get()] {
            item.extend_from_slice(&number.to_le_bytes());
        }
    }
    put_item(out, HISTORY, &item);
}

/// Appends the item of a segment. Its history must be written before it in the same lap.
pub fn put_segment(out: &mut Vec<u8>, control: &ControlState, point: &RestorePoint) {
    let epoch = control.history.epoch();
    let mut item = Vec::with_capacity(512);
    let positions = [
        point.linked,
        point.persisted_vdl,
        point.pg_tail,
        point.read_floor,
        point.coalesced,
        point.collected,
    ];
    item.extend_from_slice(&epoch.get().to_le_bytes());
    positions.iter().for_each(|lsn| item.extend_from_slice(&lsn.get().to_le_bytes()));
    let bare = ControlState { history: Arc::new(History::new(epoch)), ..control.clone() };
    bare.encode(&mut item);
    put_item(out, SEGMENT, &item);
}

/// Appends the item of a page store: its identity and the number of its last switch.
pub fn put_store(out: &mut Vec<u8>, store: (u64, u64)) {
    let mut item = store.0.to_le_bytes().to_vec();
    item.extend_from_slice(&store.1.to_le_bytes());
    put_item(out, STORE, &item);
}

fn put_item(out: &mut Vec<u8>, tag: u8, item: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&u32::try_from(item.len()).expect("an item is short").to_le_bytes());
    out.extend_from_slice(item);
}

/// A node's whole memory, in parts of moderate size.
pub fn encode_state<'a>(
    store: (u64, u64),
    segments: impl Iterator<Item = (&'a ControlState, RestorePoint)>,
) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut histories = BTreeMap::new();
    put_store(&mut parts[0], store);
    for (control, point) in segments {
        if parts.last().is_some_and(|part| part.len() >= PART_BYTES) {
            parts.push(Vec::new());
        }
        let part = parts.last_mut().expect("there is a first part");
        if histories.insert(control.history.epoch(), ()).is_none() {
            put_history(part, &control.history);
        }
        put_segment(part, control, &point);
    }
    parts
}

impl NodeState {
    /// Takes in the items of one block.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn take(&mut self, mut items: &[u8]) -> Result<(), StateError> {
        while !items.is_empty() {
            let (header, rest) =
                items.split_at_checked(ITEM_HEADER_BYTES).ok_or(StateError("an item is cut off"))?;
            let (item, rest) =
                rest.split_at_checked(u32_at(header, 1) as usize).ok_or(StateError("an item is cut off"))?;
            match header[0] {
                HISTORY => self.take_history(item)?,
                SEGMENT => self.take_segment(item)?,
                STORE if item.len() == 16 => self.store = (u64_at(item, 0), u64_at(item, 8)),
                _ => return Err(StateError("an unknown item")),
            }
            items = rest;
        }
        Ok(())
    }

    fn take_history(&mut self, item: &[u8]) -> Result<(), StateError> {
        let (epoch, ranges) = item.split_at_checked(8).ok_or(StateError("a history is cut off"))?;
        let (ranges, []) = ranges.as_chunks::<24>() else {
            return Err(StateError("a history is cut off"));
        };
        let ranges = ranges.iter().map(|range| VoidedRange {
            after: Lsn::new(u64_at(range, 0)),
            upto: Lsn::new(u64_at(range, 8)),
            epoch: VolumeEpoch::new(u64_at(range, 16)),
        });
        let epoch = VolumeEpoch::new(u64_at(epoch, 0));
        let history = History::from_ranges(epoch, ranges.collect());
        self.histories.insert(epoch, Arc::new(history.map_err(|_| StateError("a history"))?));
        Ok(())
    }

    fn take_segment(&mut self, item: &[u8]) -> Result<(), StateError> {
        let (head, control) =
            item.split_at_checked(SEGMENT_HEADER_BYTES).ok_or(StateError("a segment is cut off"))?;
        let lsn = |at: usize| Lsn::new(u64_at(head, 8 + at * 8));
        let point = RestorePoint {
            linked: lsn(0),
            persisted_vdl: lsn(1),
            pg_tail: lsn(2),
            read_floor: lsn(3),
            coalesced: lsn(4),
            collected: lsn(5),
        };
        let bare = ControlState::decode(control).map_err(|_| StateError("a segment's promises"))?;
        let history = self.histories.get(&VolumeEpoch::new(u64_at(head, 0)));
        let history = Arc::clone(history.ok_or(StateError("a segment's history is missing"))?);
        let control = ControlState { history, ..bare };
        // A later block in the lap has the newer promises, and the lap's beginning the newer positions.
        let point = self.segments.get(&control.address.segment).map_or(point, |known| known.point);
        self.segments.insert(control.address.segment, SegmentState { control, point });
        Ok(())
    }
}
