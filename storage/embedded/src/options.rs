//! How an embedded cluster is made and run.

use redoubt_client::WriterOptions;
use redoubt_node::ShardOptions;
use redoubt_protocol::{LSN_ALLOCATION_LIMIT, VolumeGeometry};

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// Blocking calls on a few threads; the log bypasses the page cache where the file system allows it.
    Portable,
    /// The same, with the log in the page cache as well.
    PortableCached,
}

/// What to do when the shard cannot go on, a flush having failed, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Say so in one line and stop the process: what is durable is known only from media.
    StopProcess,
    /// Tell everyone who waits for the volume, and leave the rest to the caller.
    FailVolume,
}

/// How an embedded cluster is made and run.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    /// Pages in each segment; fixed when the cluster is made.
    pub segment_pages: u64,
    /// How many LSNs may be above the allocation base; fixed when the cluster is made.
    pub allocation_limit: u64,
    /// The log and the caches of the six nodes.
    pub shard: ShardOptions,
    /// Back-pressure.
    pub writer: WriterOptions,
    /// What carries the bytes.
    pub device: DeviceKind,
    /// What to do when the shard cannot go on.
    pub on_failure: OnFailure,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            segment_pages: VolumeGeometry::DEFAULT_SEGMENT_PAGES,
            allocation_limit: LSN_ALLOCATION_LIMIT,
            shard: ShardOptions::default(),
            writer: WriterOptions::default(),
            device: DeviceKind::Portable,
            on_failure: OnFailure::StopProcess,
        }
    }
}
