//! The page images of a node. Format and rules are in this crate's README.

pub mod error;
pub mod index;
mod many;
pub mod slots;
pub mod store;
pub mod superblock;
pub mod switch;
