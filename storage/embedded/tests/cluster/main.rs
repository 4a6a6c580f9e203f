//! An embedded cluster from the outside: what the engine may rely on.

mod basics;
mod failures;
mod inspecting;
mod kills;
mod model;
mod opening;
mod recycling;
mod rot;

use redoubt_io::forgetting::ForgettingStorage;
use redoubt_io::{Storage, block_on};

/// Bytes of all logs and page files.
pub fn storage_size(storage: &ForgettingStorage) -> usize {
    let names = block_on(storage.names()).expect("names are known");
    names.iter().filter_map(|name| storage.durable(name)).map(|bytes| bytes.len()).sum()
}
