//! The writer's side: one connection to each node, dialled again whenever it ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quinn::Endpoint;
use redoubt_client::{Receiver, Transport};
use redoubt_protocol::{FillSource, Message, NodeId};
use tokio::runtime::Runtime;

use crate::addresses::Addresses;
use crate::endpoint;
use crate::error::{LinkError, QuicError};
use crate::lanes::{self, LaneStreams, send_from};
use crate::outbox::Outbox;
use crate::peers::{Backoff, dial};
use crate::tls::{Identity, MemberName};

/// The most records fetched for one node at once.
const LOAD_BYTES: usize = 1 << 20;
/// Messages that may wait for one node.
const MAX_WAITING: usize = 16 * 1024;
/// How often positions that moved are announced, and the fencing of this writer is looked for.
const TICK: Duration = Duration::from_millis(250);
/// Every so many ticks whatever made no progress is sent again.
const TICKS_PER_RESEND: u32 = 4;

/// See the module.
pub struct QuicTransport {
    links: HashMap<NodeId, Arc<NodeLink>>,
    /// Given up without waiting when the transport is dropped.
    runtime: Mutex<Option<Runtime>>,
}

/// The connection to one node.
struct NodeLink {
    node: NodeId,
    changes: Outbox,
    reads: Outbox,
    receiver: Receiver,
    is_up: AtomicBool,
}

impl QuicTransport {
    /// Begins to dial the nodes, on threads of its own.
    ///
    /// # Errors
    /// When the identity does not serve, or there are no sockets or threads.
    pub fn start(
        identity: &Identity,
        nodes: &[NodeId],
        addresses: Arc<dyn Addresses>,
        receiver: &Receiver,
    ) -> Result<Arc<Self>, QuicError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("redoubt-quic")
            .enable_all()
            .build()?;
        let endpoint = {
            let _inside = runtime.enter();
            endpoint::open(identity, None)?
        };
        let mut links = HashMap::new();
        for node in nodes {
            let link = Arc::new(NodeLink {
                node: *node,
                changes: Outbox::new(MAX_WAITING),
                reads: Outbox::new(MAX_WAITING),
                receiver: receiver.clone(),
                is_up: AtomicBool::new(false),
            });
            receiver.disconnected(*node);
            links.insert(*node, Arc::clone(&link));
            let (endpoint, addresses) = (endpoint.clone(), Arc::clone(&addresses));
            runtime.spawn(keep_connected(link, endpoint, identity.name(), addresses));
        }
        let ticking = receiver.clone();
        runtime.spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut count = 0_u32;
            loop {
                interval.tick().await;
                count = count.wrapping_add(1);
                ticking.tick(count.is_multiple_of(TICKS_PER_RESEND));
            }
        });
        Ok(Arc::new(Self { links, runtime: Mutex::new(Some(runtime)) }))
    }

    /// Whether there is a connection to a node at the moment.
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.links.get(&node).is_some_and(|link| link.is_up.load(Ordering::Acquire))
    }

    /// Ends all connections. What waits to be sent is not sent.
    pub fn stop(&self) {
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Transport for QuicTransport {
    fn send(&self, node: NodeId, message: Message) {
        let Some(link) = self.links.get(&node) else { return };
        let is_read = matches!(message, Message::ReadPage(_));
        if (is_read || matches!(message, Message::AskStatus(_))) && !link.is_up.load(Ordering::Acquire) {
            // Asked elsewhere, or again; by the time there is a connection nobody waits for the answer.
            return;
        }
        let outbox = if is_read { &link.reads } else { &link.changes };
        // What does not fit is lost, as it would be on a network that is overloaded.
        outbox.push(message);
    }

    fn ring(&self) {
        self.links.values().for_each(|link| link.changes.ring());
    }
}

async fn keep_connected(
    link: Arc<NodeLink>,
    endpoint: Endpoint,
    own: MemberName,
    addresses: Arc<dyn Addresses>,
) {
    let mut backoff = Backoff::default();
    loop {
        let ended = match dial(&endpoint, &*addresses, link.node).await {
            Ok(connection) => match lanes::open(&connection, own).await {
                Ok(lanes) => {
                    tracing::info!(node = link.node.get(), "connected to storage node");
                    backoff.reset();
                    // Reads that were meant for an earlier connection have been asked elsewhere.
                    link.reads.clear();
                    link.is_up.store(true, Ordering::Release);
                    link.receiver.connected(link.node);
                    let ended = serve(&link, lanes).await;
                    connection.close(0u32.into(), b"");
                    link.is_up.store(false, Ordering::Release);
                    link.receiver.disconnected(link.node);
                    tracing::warn!(node = link.node.get(), %ended, "lost storage node");
                    ended
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        tracing::debug!(node = link.node.get(), %ended, "storage node is not reachable");
        link.reads.clear();
        backoff.wait().await;
    }
}

/// Carries messages both ways until the connection ends, and says why it did.
async fn serve(link: &NodeLink, lanes: lanes::Lanes) -> LinkError {
    let LaneStreams { send, receive } = lanes.changes;
    let of_node = |node: NodeId| node == link.node;
    let load = |messages: &mut Vec<Message>| {
        link.receiver.load(&of_node, LOAD_BYTES, messages);
    };
    let (send_reads, receive_reads) = (lanes.reads.send, lanes.reads.receive);
    tokio::select! {
        ended = send_from(send, &link.changes, load) => ended,
        ended = send_from(send_reads, &link.reads, |_| {}) => ended,
        ended = receive_into(receive, link) => ended,
        ended = receive_into(receive_reads, link) => ended,
    }
}

/// What a node may say to a writer: answers, and to a recovery what it is to pass on to another segment.
fn may_hear(message: &Message) -> bool {
    match message {
        Message::AskImages(ask) => ask.source == FillSource::Recovery,
        Message::Images(images) => images.source == FillSource::Recovery,
        message => !message.is_to_segment(),
    }
}

async fn receive_into(mut stream: crate::frames::FrameReader, link: &NodeLink) -> LinkError {
    let mut messages = Vec::new();
    loop {
        if let Err(error) = stream.read(&mut messages).await {
            return error;
        }
        if !messages.iter().all(may_hear) {
            return LinkError::Rules("a node does not say that to a writer");
        }
        link.receiver.deliver(&mut messages);
    }
}
