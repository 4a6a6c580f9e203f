//! What can go wrong with a page store.

use std::io;

use redoubt_page::PageId;

/// Why a page store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The image of one page is not what was written. A peer has it.
    #[error("the stored image of page {0} is damaged")]
    Rot(PageId),
    /// Something without which no image can be found is damaged. Peers have everything.
    #[error("the page store is damaged: {0}")]
    Lost(&'static str),
    /// The device has no room for another image. Nothing was changed.
    #[error("no space left for page images")]
    Full,
    /// A flush failed: what was written before it may or may not be there, and nothing is tried again.
    #[error("a flush of the page store failed: {0}")]
    FlushFailed(io::Error),
    /// Another operation of the device failed.
    #[error("page store: {0}")]
    Io(io::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}
