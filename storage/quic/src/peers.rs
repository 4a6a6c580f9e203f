//! Dialling: the backoff between attempts, and a node's connections to its peers.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint};
use redoubt_protocol::{FillSource, Message, NodeId};

use crate::addresses::Addresses;
use crate::error::LinkError;
use crate::frames::FrameReader;
use crate::lanes::{self, send_from};
use crate::switchboard::{Connected, Switchboard};
use crate::tls::{MemberName, is_certified};

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long to wait before dialling again: longer each time, up to a limit.
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST_WAIT }
    }
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.next = FIRST_WAIT;
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST_WAIT);
    }
}

/// Connects to a node, and makes sure that it is that node.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    addresses: &dyn Addresses,
    node: NodeId,
) -> Result<Connection, LinkError> {
    let address = addresses.address(node).ok_or(LinkError::NoAddress)?;
    let name = MemberName::Node(node);
    let connection = endpoint.connect(address, &name.to_string())?.await?;
    if is_certified(&connection, name) {
        Ok(connection)
    } else {
        Err(LinkError::Stranger("its certificate is another member's"))
    }
}

/// Keeps a connection from a node to one of its peers, on which the node asks for what it lacks.
pub(crate) async fn keep_connected(
    switchboard: Switchboard,
    endpoint: Endpoint,
    own: MemberName,
    peer: NodeId,
    addresses: Arc<dyn Addresses>,
) {
    let mut backoff = Backoff::default();
    loop {
        let ended = match dial(&endpoint, &*addresses, peer).await {
            Ok(connection) => match lanes::open(&connection, own).await {
                Ok(lanes) => {
                    backoff.reset();
                    let connected = switchboard.connect(MemberName::Node(peer), Some(peer));
                    let ended = serve(&switchboard, &connected, lanes).await;
                    switchboard.disconnect(&connected);
                    connection.close(0u32.into(), b"");
                    ended
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        tracing::debug!(peer = peer.get(), %ended, "no connection to peer");
        backoff.wait().await;
    }
}

async fn serve(switchboard: &Switchboard, connected: &Connected, lanes: lanes::Lanes) -> LinkError {
    tokio::select! {
        ended = send_from(lanes.changes.send, &connected.changes, |_| {}) => ended,
        ended = send_from(lanes.reads.send, &connected.reads, |_| {}) => ended,
        ended = receive(lanes.changes.receive, switchboard, connected) => ended,
        ended = receive(lanes.reads.receive, switchboard, connected) => ended,
    }
}

/// Takes the answers of a peer.
async fn receive(mut stream: FrameReader, switchboard: &Switchboard, connected: &Connected) -> LinkError {
    let mut messages = Vec::new();
    loop {
        if let Err(error) = stream.read(&mut messages).await {
            return error;
        }
        messages.retain(|message| match message {
            Message::Fill(fill) => fill.source == FillSource::Peer,
            Message::Images(images) => images.source == FillSource::Peer,
            _ => false,
        });
        connected.inbound.put(&mut messages).await;
        switchboard.shard().ring(connected.origin);
    }
}
