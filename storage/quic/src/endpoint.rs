//! Sockets, and how connections behave.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Endpoint, EndpointConfig, MtuDiscoveryConfig, ServerConfig, TokioRuntime};
use quinn::{TransportConfig, VarInt};

use crate::error::QuicError;
use crate::tls::Identity;

/// A connection on which nothing has come for so long is given up.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// Something is sent at least this often, so that silence means failure.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// What a round trip is taken for until one has been measured. A member that is still starting hears none of the first
/// packets: with QUIC's default of 333 ms they would be repeated after one and three seconds.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(20);
/// What a stream may have under way. More would only wait in the other end's memory; less would keep a fast
/// network idle.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// What is taken over from a sender before it is really sent: beyond it the sender gathers.
const SEND_WINDOW_BYTES: u64 = 4 << 20;
/// The largest datagram tried. Loopback and large frames take it; elsewhere the search finds less.
const MAX_DATAGRAM_BYTES: u16 = 16 * 1024;

/// Streams of each connection.
pub(crate) const LANES: u32 = 2;

fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_DATAGRAM_BYTES);
    config
        .max_idle_timeout(Some(IDLE_LIMIT.try_into().expect("a few seconds can be encoded")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(FIRST_ROUND_TRIP)
        .max_concurrent_bidi_streams(VarInt::from_u32(LANES))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(LANES * STREAM_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(mtu));
    Arc::new(config)
}

/// How this member dials.
pub(crate) fn client_config(identity: &Identity) -> Result<ClientConfig, QuicError> {
    let mut config = ClientConfig::new(Arc::new(identity.client_config()?));
    config.transport_config(transport());
    Ok(config)
}

/// A socket to dial from, and to be dialled at when `listen` is given. Must be called within a runtime.
pub(crate) fn open(identity: &Identity, listen: Option<SocketAddr>) -> Result<Endpoint, QuicError> {
    let server = match listen {
        None => None,
        Some(_) => {
            let mut config = ServerConfig::with_crypto(Arc::new(identity.server_config()?));
            config.transport_config(transport());
            Some(config)
        }
    };
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(MAX_DATAGRAM_BYTES).expect("within what a datagram can be");
    let address = listen.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
    let socket = UdpSocket::bind(address).map_err(|source| QuicError::Listen { address, source })?;
    let mut endpoint = Endpoint::new(config, server, socket, Arc::new(TokioRuntime))?;
    endpoint.set_default_client_config(client_config(identity)?);
    Ok(endpoint)
}
