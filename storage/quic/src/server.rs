//! A node's side: it is dialled by writers and peers, and dials its peers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, Incoming};
use redoubt_node::{Outbound, ShardHandle};
use redoubt_protocol::{FillSource, Message, NodeId};
use tokio::runtime::Runtime;

use crate::addresses::Addresses;
use crate::endpoint;
use crate::error::{LinkError, QuicError};
use crate::frames::FrameReader;
use crate::lanes::{self, Lane, send_from};
use crate::peers;
use crate::switchboard::{Connected, Switchboard};
use crate::tls::{Identity, MemberName, is_certified};

/// How often a node looks whether it lacks something that a peer has.
const GOSSIP_INTERVAL: Duration = Duration::from_millis(200);
/// How long a member may take to say who it is.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// See the module. Serves until it is dropped.
pub struct NodeServer {
    switchboard: Switchboard,
    address: SocketAddr,
    endpoint: Endpoint,
    own: MemberName,
    runtime: Option<Runtime>,
}

impl NodeServer {
    /// Opens the socket. Nobody is served before `serve`.
    ///
    /// # Errors
    /// When the address is taken, or the identity does not serve.
    pub fn bind(identity: &Identity, listen: SocketAddr, shard: ShardHandle) -> Result<Self, QuicError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("redoubt-quic")
            .enable_all()
            .build()?;
        let endpoint = {
            let _inside = runtime.enter();
            endpoint::open(identity, Some(listen))?
        };
        let address = endpoint.local_addr()?;
        let own = identity.name();
        Ok(Self { switchboard: Switchboard::new(shard), address, endpoint, own, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way from the shard to whoever is connected.
    pub fn outbound(&self) -> impl Outbound + Send + 'static {
        self.switchboard.clone()
    }

    /// Begins to serve, and to dial the peers.
    pub fn serve(&self, peers: &[NodeId], addresses: &Arc<dyn Addresses>) {
        let Some(runtime) = &self.runtime else { return };
        let (endpoint, switchboard) = (self.endpoint.clone(), self.switchboard.clone());
        runtime.spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let switchboard = switchboard.clone();
                tokio::spawn(async move { welcome(incoming, switchboard).await });
            }
        });
        for peer in peers.iter().filter(|peer| MemberName::Node(**peer) != self.own) {
            runtime.spawn(peers::keep_connected(
                self.switchboard.clone(),
                self.endpoint.clone(),
                self.own,
                *peer,
                Arc::clone(addresses),
            ));
        }
        let shard = self.switchboard.shard().clone();
        runtime.spawn(async move {
            let mut interval = tokio::time::interval(GOSSIP_INTERVAL);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                shard.gossip();
            }
        });
    }
}

impl Drop for NodeServer {
    fn drop(&mut self) {
        self.endpoint.close(0u32.into(), b"");
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves one member until its connection ends.
async fn welcome(incoming: Incoming, switchboard: Switchboard) {
    let from = incoming.remote_address();
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(%from, %error, "a connection was refused");
            return;
        }
    };
    let greeting = tokio::time::timeout(GREETING_LIMIT, lanes::accept(&connection)).await;
    let ended = match greeting {
        Err(_) => LinkError::Rules("it does not say who it is"),
        Ok(Err(error)) => error,
        Ok(Ok((member, _))) if !is_certified(&connection, member) => {
            LinkError::Stranger("its certificate is another member's")
        }
        Ok(Ok((member, lanes))) => {
            tracing::debug!(%member, %from, "connected");
            let connected = switchboard.connect(member, None);
            let ended = serve(&switchboard, &connected, lanes).await;
            switchboard.disconnect(&connected);
            ended
        }
    };
    if matches!(ended, LinkError::Stranger(_) | LinkError::Rules(_) | LinkError::Decode(_)) {
        tracing::warn!(%from, %ended, "a connection was closed");
    }
    connection.close(0u32.into(), b"");
}

async fn serve(switchboard: &Switchboard, connected: &Connected, lanes: lanes::Lanes) -> LinkError {
    tokio::select! {
        ended = send_from(lanes.changes.send, &connected.changes, |_| {}) => ended,
        ended = send_from(lanes.reads.send, &connected.reads, |_| {}) => ended,
        ended = receive(lanes.changes.receive, Lane::Changes, switchboard, connected) => ended,
        ended = receive(lanes.reads.receive, Lane::Reads, switchboard, connected) => ended,
    }
}

async fn receive(
    mut stream: FrameReader,
    lane: Lane,
    switchboard: &Switchboard,
    connected: &Connected,
) -> LinkError {
    let mut messages = Vec::new();
    loop {
        if let Err(error) = stream.read(&mut messages).await {
            return error;
        }
        if !messages.iter().all(|message| may_say(connected.member, lane, message)) {
            return LinkError::Rules("this member may not say that");
        }
        match lane {
            Lane::Reads => {
                for message in messages.drain(..) {
                    if let Message::ReadPage(read) = &message {
                        connected.begin_read(read.request).await;
                    }
                    switchboard.shard().send(connected.origin, message);
                }
            }
            Lane::Changes => {
                // What a fill is answered with says nothing to a peer.
                messages.retain(|message| !matches!(message, Message::AppendAck(_) | Message::Refused(_)));
                connected.inbound.put(&mut messages).await;
                switchboard.shard().ring(connected.origin);
            }
        }
    }
}

/// Only the writer's certificate may change anything; peers may only ask for what they lack. Whether a
/// writer is still *the* writer is decided by its epoch.
fn may_say(member: MemberName, lane: Lane, message: &Message) -> bool {
    match (member, lane) {
        (MemberName::Writer, Lane::Reads) => matches!(message, Message::ReadPage(_)),
        (MemberName::Writer, Lane::Changes) => match message {
            Message::Fill(fill) => fill.source == FillSource::Recovery,
            // A recovery passes on what one node asks another, and what that one answers.
            Message::AskImages(ask) => ask.source == FillSource::Recovery,
            Message::Images(images) => images.source == FillSource::Recovery,
            Message::Append(_)
            | Message::Seal(_)
            | Message::WriteHistory(_)
            | Message::WriteMembership(_)
            | Message::CreateSegment(_)
            | Message::FetchRecords(_)
            | Message::AskStatus(_) => true,
            _ => false,
        },
        (MemberName::Node(_), Lane::Changes) => match message {
            Message::AskImages(ask) => ask.source == FillSource::Peer,
            Message::AskGaps(_) | Message::AppendAck(_) | Message::Refused(_) => true,
            _ => false,
        },
        (MemberName::Node(_), Lane::Reads) => false,
    }
}
