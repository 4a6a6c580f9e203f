//! What can go wrong with a shard.

use std::io;

use crate::log::error::LogError;
use crate::pages::error::StoreError;
use crate::state::StateError;

/// Why a shard could not be made or opened, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A page store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage below both.
    #[error("storage: {0}")]
    Storage(#[from] io::Error),
    /// There is no shard here.
    #[error("no shard has been made here")]
    Absent,
    /// There is one already.
    #[error("a shard exists here already")]
    Exists,
    /// What identifies the shard, or the memory of its nodes, is damaged or of another version.
    #[error("the shard cannot be opened: {0}")]
    Unusable(String),
}

impl From<StateError> for ShardError {
    fn from(error: StateError) -> Self {
        Self::Unusable(error.to_string())
    }
}
