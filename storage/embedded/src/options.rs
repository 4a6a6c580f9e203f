//! How an embedded cluster is made and run.

use redoubt_client::WriterOptions;
use redoubt_io::{Device, IO_ALIGNMENT};
use redoubt_node::ShardOptions;
use redoubt_node::log::ring::MIN_CHUNK_BYTES;
use redoubt_protocol::{LSN_ALLOCATION_LIMIT, MIN_UNACKED_BYTES, VolumeGeometry};

use crate::cluster::ClusterError;

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
    /// What carries the bytes; `redoubt_io::IoMethod` finds out what there is.
    pub device: Device,
    /// What to do when the shard cannot go on.
    pub on_failure: OnFailure,
}

/// The least bytes a log may be limited to. Batches of the largest size, six copies each, for several groups at
/// once, must fit several times: what is fetched together says nothing yet of its own durability, without
/// which its space cannot be freed.
pub const MIN_LOG_BYTES: u64 = 64 << 20;

impl EmbeddedOptions {
    /// Checks that a cluster can work with these options.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), ClusterError> {
        let chunk_bytes = self.shard.chunk_bytes;
        let checks = [
            (VolumeGeometry::new(self.segment_pages).is_some(), "segments have too few pages"),
            (self.allocation_limit >= 1_000_000, "the allocation limit is below a million"),
            (self.shard.log_bytes >= MIN_LOG_BYTES, "the log may not be limited to less than 64 MiB"),
            (self.shard.log_bytes / 8 >= chunk_bytes as u64, "the log has room for fewer than eight chunks"),
            (chunk_bytes.is_multiple_of(IO_ALIGNMENT), "the size of chunks is no multiple of 4096"),
            ((MIN_CHUNK_BYTES..1 << 32).contains(&chunk_bytes), "chunks are below 1 MiB or above 4 GiB"),
            (self.writer.max_unacked_bytes >= MIN_UNACKED_BYTES, "too few unacknowledged bytes are allowed"),
        ];
        match checks.into_iter().find(|(is_good, _)| !is_good) {
            Some((_, problem)) => Err(ClusterError::Options(problem)),
            None => Ok(()),
        }
    }
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            segment_pages: VolumeGeometry::DEFAULT_SEGMENT_PAGES,
            allocation_limit: LSN_ALLOCATION_LIMIT,
            shard: ShardOptions::default(),
            writer: WriterOptions::default(),
            device: Device::Portable,
            on_failure: OnFailure::StopProcess,
        }
    }
}
