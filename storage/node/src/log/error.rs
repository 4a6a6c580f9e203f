//! What can go wrong with a log.

use std::io;

/// Why the log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A write or a flush failed. What is durable is unknown; this log is dead and nothing is tried again.
    #[error("the log failed: {0}")]
    Failed(io::Error),
    /// The log failed before.
    #[error("the log is dead after a failed flush")]
    Dead,
    /// No chunk is free and the file may not grow, or the device has no room for it to.
    #[error("no space left in the log")]
    Full,
    /// The state of the nodes, this many bytes, leaves no room for records in a chunk.
    #[error("the chunks of the log are too small for {0} bytes of node state")]
    ChunkTooSmall(usize),
    /// One copy of a block is not what was written.
    #[error("a block of the log is damaged")]
    Rot,
    /// Reading failed.
    #[error("reading the log failed: {0}")]
    Unreadable(io::Error),
}

impl LogError {
    /// The error for a failure to grow: having no room is not a failure of the log.
    pub(super) fn from_growing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error),
        }
    }
}
