//! The volume as the engine sees it: pages as of a position, mini-transactions appended, the durable end of the
//! log.
//!
//! The machines of `redoubt-protocol` decide; this crate holds the writer's under one short lock, carries its
//! messages over a [`Transport`], wakes those who wait, and asks a second segment when the first is slow. It
//! knows nothing of disks, and nothing of what the engine keeps in its pages. See this crate's README.

mod core;
mod error;
mod growth;
mod membership;
mod metadata;
mod opening;
mod reads;
mod transport;
mod volume;
mod waiters;

pub use error::{MetadataError, OpenError, VolumeError};
pub use membership::{ChangeStatus, ChangeStep};
pub use metadata::{MemoryMetadata, MetadataStore, Revised};
pub use opening::{Receiver, VolumeShape, WriterOptions};
pub use transport::Transport;
pub use volume::{AppendedMtr, GroupStatus, PendingRecord, Reservation, SegmentStatus, Volume, VolumeStatus};
