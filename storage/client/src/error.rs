//! What can go wrong with a volume, as the engine sees it.

use redoubt_page::{Lsn, PageId, VolumeEpoch};
use redoubt_protocol::{DecodeError, Undecided};

/// Why a volume did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A newer writer has opened the volume. This one is over. A commit in doubt may have become durable:
    /// this never means that it was aborted.
    #[error("this writer was fenced by a newer one (volume epoch {by})")]
    Fenced {
        /// The epoch that fences this writer.
        by: VolumeEpoch,
    },
    /// Too few segments answer. A commit in doubt may have become durable.
    #[error("the volume is not available: {0}")]
    Unavailable(String),
    /// Every segment that could answer has a damaged copy of the page.
    #[error("every copy of page {page} that can be read as of {at} is damaged")]
    Corrupt {
        /// The page.
        page: PageId,
        /// The read point.
        at: Lsn,
    },
    /// The read point is below what is still kept.
    #[error("page {page} is no longer kept as of {at}; the read floor is {floor}")]
    ReadPointTooOld {
        /// The page.
        page: PageId,
        /// The read point.
        at: Lsn,
        /// The lowest read point still served.
        floor: Lsn,
    },
    /// The nodes have no room for another protection group.
    #[error("no space left for another protection group")]
    OutOfSpace,
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Why a volume could not be made or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no volume here.
    #[error("there is no volume here")]
    Absent,
    /// There is one already.
    #[error("a volume exists here already")]
    Exists,
    /// A newer opener has overtaken this one.
    #[error("another writer is opening the volume (volume epoch {by})")]
    Overtaken {
        /// Its epoch.
        by: VolumeEpoch,
    },
    /// Too few segments answered in time.
    #[error("the volume is not available: {0}")]
    Unavailable(String),
    /// Nothing can be decided on what the segments report.
    #[error("the volume cannot be recovered: {0}")]
    Undecided(#[from] Undecided),
    /// The metadata store failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Why the metadata store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Someone else changed the value first.
    #[error("the cluster's metadata were changed by another process")]
    Conflict,
    /// What is stored is damaged, or of another version.
    #[error("the cluster's metadata are damaged: {0}")]
    Damaged(String),
    /// The store cannot be reached, or failed.
    #[error("the metadata store failed: {0}")]
    Failed(String),
}

impl From<DecodeError> for MetadataError {
    fn from(error: DecodeError) -> Self {
        Self::Damaged(error.to_string())
    }
}
