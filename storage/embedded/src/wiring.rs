//! The transport within one process: a message is handed over, and a batch is fetched when it can be written.

use std::sync::Arc;

use redoubt_client::{Receiver, Transport};
use redoubt_node::{Cargo, Outbound, ShardHandle};
use redoubt_page::Lsn;
use redoubt_protocol::{Message, NodeId, Origin};

/// The one writer of an embedded cluster.
pub(crate) const WRITER: Origin = Origin::new(1);

/// Carries a writer's messages to the shard that hosts all nodes.
pub(crate) struct ShardTransport {
    pub(crate) handle: ShardHandle,
}

impl Transport for ShardTransport {
    fn send(&self, _node: NodeId, message: Message) {
        // The shard finds the node by the segment that the message names.
        self.handle.send(WRITER, message);
    }

    fn ring(&self) {
        self.handle.ring(WRITER);
    }
}

/// What has gathered in a volume, as a shard fetches it.
pub(crate) struct VolumeCargo {
    pub(crate) receiver: Receiver,
}

impl Cargo for VolumeCargo {
    fn load(&self, max_bytes: usize, messages: &mut Vec<Message>) -> bool {
        self.receiver.load(&|_| true, max_bytes, messages)
    }

    fn read_floor(&self) -> Lsn {
        self.receiver.read_floor()
    }

    fn positions_wanted(&self, lsn: Lsn) {
        self.receiver.positions_wanted(lsn);
    }
}

/// The way back.
pub(crate) struct VolumeOutbound {
    pub(crate) receiver: Receiver,
}

impl Outbound for VolumeOutbound {
    fn deliver(&self, to: Origin, messages: &mut Vec<Message>) {
        debug_assert_eq!(to, WRITER, "an embedded cluster has one writer");
        self.receiver.deliver(messages);
    }
}

/// Joins a volume's receiver to a shard's handle.
pub(crate) fn connect(handle: &ShardHandle, receiver: &Receiver) -> Arc<ShardTransport> {
    handle.set_cargo(WRITER, Arc::new(VolumeCargo { receiver: receiver.clone() }));
    Arc::new(ShardTransport { handle: handle.clone() })
}
