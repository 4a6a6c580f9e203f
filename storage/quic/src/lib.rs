//! Storage nodes and their writer as processes of their own: the messages of `redoubt-protocol` over QUIC
//! with mutual TLS.
//!
//! Who speaks is decided by certificates that the cluster's own authority signed; what is said is decided by the
//! protocol's machines. This crate carries frames, holds queues within bounds, and dials again. It joins
//! client and node, which know nothing of each other. See this crate's README.

mod addresses;
mod endpoint;
mod error;
mod frames;
mod inbound;
mod lanes;
mod outbox;
mod peers;
mod server;
mod switchboard;
pub mod tls;
mod transport;

pub use addresses::Addresses;
pub use error::QuicError;
pub use server::NodeServer;
pub use tls::{Identity, MemberName};
pub use transport::QuicTransport;
