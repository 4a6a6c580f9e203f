//! A storage node: it keeps the records of its segments in a log, turns them into page images in the
//! background, and answers reads from both.
//!
//! The machines of `redoubt-protocol` decide; this crate stores. Several nodes may share one log and one
//! thread: a shard. What is on disk, and the rules for changing it, are in this crate's README.

mod error;
mod inbox;
mod inspect;
pub mod log;
mod lru;
pub mod pages;
mod shard;
mod signal;
mod state;

pub use error::ShardError;
pub use inbox::{Cargo, Counters, Outbound, ShardHandle};
pub use inspect::Inspector;
pub use shard::{Shard, ShardIdentity, ShardOptions};
