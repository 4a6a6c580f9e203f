//! Who is connected to a node, and the way from its shard to each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use redoubt_node::{Outbound, ShardHandle};
use redoubt_protocol::{Message, NodeId, Origin, RequestId};
use tokio::sync::Notify;

use crate::inbound::Inbound;
use crate::outbox::Outbox;
use crate::tls::MemberName;

/// Answers that may wait for one member.
const MAX_WAITING: usize = 64 * 1024;
/// Page reads of one member that may be under way.
const MAX_READS: usize = 1024;

/// One connection, as the shard sees it.
pub(crate) struct Connected {
    pub(crate) origin: Origin,
    /// Who is at the other end.
    pub(crate) member: MemberName,
    pub(crate) changes: Outbox,
    pub(crate) reads: Outbox,
    pub(crate) inbound: Arc<Inbound>,
    /// Page reads that were not answered yet.
    reading: Mutex<HashSet<RequestId>>,
    read_answered: Notify,
}

impl Connected {
    /// Notes a page read, once there are few enough under way.
    pub(crate) async fn begin_read(&self, request: RequestId) {
        loop {
            {
                let mut reading = self.reading.lock();
                if reading.len() < MAX_READS {
                    reading.insert(request);
                    return;
                }
            }
            self.read_answered.notified().await;
        }
    }

    /// Queues an answer on the stream on which it was asked for.
    fn answer(&self, message: Message) {
        let request = match &message {
            Message::PageReply(reply) => Some(reply.request),
            Message::Refused(refused) => Some(refused.request),
            _ => None,
        };
        if request.is_some_and(|request| self.reading.lock().remove(&request)) {
            self.read_answered.notify_one();
            self.reads.push(message);
        } else {
            self.changes.push(message);
        }
    }
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Switchboard {
    shared: Arc<Shared>,
}

struct Shared {
    shard: ShardHandle,
    connected: Mutex<HashMap<Origin, Arc<Connected>>>,
    /// Connections to peers that this node opened, on which it may ask.
    peers: Mutex<HashMap<NodeId, Origin>>,
    next_origin: AtomicU64,
}

impl Switchboard {
    pub(crate) fn new(shard: ShardHandle) -> Self {
        let shared = Shared {
            shard,
            connected: Mutex::default(),
            peers: Mutex::default(),
            next_origin: AtomicU64::new(1),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn shard(&self) -> &ShardHandle {
        &self.shared.shard
    }

    /// Puts a connection through. `peer` names the node that was dialled, if it was one.
    pub(crate) fn connect(&self, member: MemberName, peer: Option<NodeId>) -> Arc<Connected> {
        let origin = Origin::new(self.shared.next_origin.fetch_add(1, Ordering::Relaxed));
        let connected = Arc::new(Connected {
            origin,
            member,
            changes: Outbox::new(MAX_WAITING),
            reads: Outbox::new(MAX_WAITING),
            inbound: Arc::default(),
            reading: Mutex::default(),
            read_answered: Notify::new(),
        });
        self.shared.shard.set_cargo(origin, Arc::clone(&connected.inbound) as Arc<dyn redoubt_node::Cargo>);
        self.shared.connected.lock().insert(origin, Arc::clone(&connected));
        if let Some(node) = peer {
            self.shared.peers.lock().insert(node, origin);
        }
        connected
    }

    /// Forgets a connection that has ended.
    pub(crate) fn disconnect(&self, connected: &Connected) {
        self.shared.peers.lock().retain(|_, origin| *origin != connected.origin);
        self.shared.connected.lock().remove(&connected.origin);
        self.shared.shard.forget(connected.origin);
    }
}

impl Outbound for Switchboard {
    fn deliver(&self, to: Origin, messages: &mut Vec<Message>) {
        let connected = self.shared.connected.lock().get(&to).cloned();
        match connected {
            Some(connected) => messages.drain(..).for_each(|message| connected.answer(message)),
            // It has gone. Whoever it was asks again.
            None => messages.clear(),
        }
    }

    fn peer(&self, node: NodeId) -> Option<Origin> {
        self.shared.peers.lock().get(&node).copied()
    }
}
