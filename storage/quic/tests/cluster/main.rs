//! A volume on six nodes that are reached over QUIC, each with a shard, a storage and a socket of its own.

mod failures;
mod gossip;
#[allow(dead_code)] // Shared with the tests of another crate, which use more of it.
#[path = "../../../embedded/tests/cluster/model.rs"]
mod model;
mod nodes;
mod strangers;
mod wiped;
