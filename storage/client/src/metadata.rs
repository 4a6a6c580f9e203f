//! What is known about a volume outside of it: who it is, its writer's epoch, which segments make up which
//! group. Small, rarely changed, changed by compare-and-set. Nothing on the way of the data asks it.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use redoubt_page::VolumeEpoch;
use redoubt_protocol::{NodeId, VolumeId, Zone};

use crate::error::MetadataError;

/// A value as it was read: the number rises with every change of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revised {
    /// What to expect when changing it.
    pub revision: u64,
    /// The value.
    pub value: Vec<u8>,
}

/// A strongly consistent store of small values. Embedded it is a few control files; in a cluster, etcd.
pub trait MetadataStore: Send + Sync {
    /// The value of a key, or nothing.
    ///
    /// # Errors
    /// When the store cannot be reached or the value is damaged, which is not the same as absent.
    fn read(&self, key: &str) -> Result<Option<Revised>, MetadataError>;

    /// Sets a key that is still as it was: absent, or at this revision. Durable when it returns. Gives the
    /// new revision.
    ///
    /// # Errors
    /// `Conflict` when it is not, in which case nothing was changed; otherwise it may have been.
    fn compare_and_set(&self, key: &str, expected: Option<u64>, value: &[u8]) -> Result<u64, MetadataError>;
}

/// A store in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryMetadata {
    values: Mutex<BTreeMap<String, Revised>>,
}

impl MetadataStore for MemoryMetadata {
    fn read(&self, key: &str) -> Result<Option<Revised>, MetadataError> {
        Ok(self.values.lock().get(key).cloned())
    }

    fn compare_and_set(&self, key: &str, expected: Option<u64>, value: &[u8]) -> Result<u64, MetadataError> {
        let mut values = self.values.lock();
        let current = values.get(key).map(|revised| revised.revision);
        if current != expected {
            return Err(MetadataError::Conflict);
        }
        let revision = current.unwrap_or(0) + 1;
        values.insert(key.to_owned(), Revised { revision, value: value.to_vec() });
        Ok(revision)
    }
}

/// The volume's key.
pub(crate) const VOLUME_KEY: &str = "volume";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16 + 8 + 8 + 8 + 8 + 4 + 2;

/// A protection group's key.
pub(crate) fn group_key(pg: u32) -> String {
    format!("group-{pg:08}")
}

/// What is stored of the volume itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeRecord {
    pub(crate) volume: VolumeId,
    /// Pages in each segment; fixed.
    pub(crate) segment_pages: u64,
    /// How many LSNs may be above the allocation base; fixed, as every recovery voids that many.
    pub(crate) allocation_limit: u64,
    /// The newest writer's epoch.
    pub(crate) volume_epoch: VolumeEpoch,
    /// The identity that the next segment gets. Raised before the segment is made: none is used twice.
    pub(crate) next_segment: u64,
    /// How many protection groups there are.
    pub(crate) groups: u32,
    /// The nodes that new groups are put on.
    pub(crate) nodes: Vec<(NodeId, Zone)>,
}

impl VolumeRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.volume.get());
        for number in [self.segment_pages, self.allocation_limit, self.volume_epoch.get(), self.next_segment]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.groups.to_le_bytes());
        out.extend_from_slice(&(self.nodes.len() as u16).to_le_bytes());
        for (node, zone) in &self.nodes {
            out.extend_from_slice(&node.get().to_le_bytes());
            out.push(zone.get());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MetadataError> {
        let damaged = || MetadataError::Damaged("the volume's record".into());
        let (head, nodes) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(damaged)?;
        if head[0] != VERSION {
            return Err(MetadataError::Damaged(format!("record version {} is not known here", head[0])));
        }
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let count = u16::from_le_bytes([head[53], head[54]]);
        let (nodes, []) = nodes.as_chunks::<3>() else { return Err(damaged()) };
        if nodes.len() != usize::from(count) {
            return Err(damaged());
        }
        let node =
            |entry: &[u8; 3]| (NodeId::new(u16::from_le_bytes([entry[0], entry[1]])), Zone::new(entry[2]));
        Ok(Self {
            volume: VolumeId::new(head[1..17].try_into().expect("sixteen bytes")),
            segment_pages: number(17),
            allocation_limit: number(25),
            volume_epoch: VolumeEpoch::new(number(33)),
            next_segment: number(41),
            groups: u32::from_le_bytes(head[49..53].try_into().expect("four bytes")),
            nodes: nodes.iter().map(node).collect(),
        })
    }
}
