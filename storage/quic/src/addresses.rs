//! Where members can be reached.

use std::net::SocketAddr;

use redoubt_protocol::NodeId;

/// Says where a node listens. Asked before every attempt to connect, because a node that was started again may
/// listen elsewhere; never asked while a connection stands.
pub trait Addresses: Send + Sync {
    /// The node's address; nothing while it is not known.
    fn address(&self, node: NodeId) -> Option<SocketAddr>;
}
