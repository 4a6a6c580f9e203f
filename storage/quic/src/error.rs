//! What can go wrong between members.

use std::io;
use std::path::PathBuf;

use redoubt_protocol::DecodeError;

/// Why members cannot speak with one another.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// A certificate or key cannot be read or written.
    #[error("\"{}\": {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key is not what it should be.
    #[error("certificates: {0}")]
    Certificates(String),
    /// The socket cannot be opened.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Threads or sockets cannot be had.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a connection ended. The member that dialled tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("it does not say where it listens")]
    NoAddress,
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
    #[error("it does not speak the protocol: {0}")]
    Decode(#[from] DecodeError),
    #[error("it is not who it should be: {0}")]
    Stranger(&'static str),
    #[error("it broke the rules: {0}")]
    Rules(&'static str),
    #[error("it closed the connection")]
    Closed,
}
