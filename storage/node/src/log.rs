//! The log of a shard. Its format and its rules are in this crate's README.

pub mod active;
pub mod block;
pub mod bytes;
pub mod entry;
pub mod error;
pub mod lookup;
pub mod open;
pub mod page_hash;
pub mod position;
pub mod positions;
pub mod ring;
pub mod scan;
pub mod sealed;
