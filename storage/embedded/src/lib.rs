//! A whole cluster in one process: six storage nodes on one thread, sharing one log, and the volume on them.
//!
//! This is where client and node, which know nothing of each other, are put together. Six copies on one
//! device protect against rot, not against the loss of the device.

mod cluster;
mod metadata;
mod options;
mod shard_thread;
mod shared_metadata;
mod wiring;

pub use cluster::{ClusterError, ClusterHandle, EmbeddedCluster};
pub use metadata::ControlFileMetadata;
pub use options::{EmbeddedOptions, MIN_LOG_BYTES, OnFailure};
pub use shard_thread::{ShardThread, new_identity, random};
pub use shared_metadata::SharedFileMetadata;
