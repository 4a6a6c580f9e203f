//! The way between a writer and the nodes, as the writer sees it.

use redoubt_protocol::{Message, NodeId};

/// Carries messages to nodes. What comes back is handed to the [`crate::Receiver`] the transport was made
/// with, from any thread.
pub trait Transport: Send + Sync {
    /// Sends a message to a node. It may be lost; it may not be changed.
    fn send(&self, node: NodeId, message: Message);

    /// There is something to fetch with [`crate::Receiver::load`]. The transport fetches it when it can really
    /// send: until then it gathers.
    fn ring(&self);
}
