//! PostgreSQL's protocol: sockets, startup, authentication, and the messages of a session.
//!
//! The loop is our own, over pgwire's message types: one read, every whole message carried out,
//! one write (`connection`). See the README beside this crate for what it guards against.

mod connection;
mod door;
mod encode;
mod entry;
mod frame;
mod hba;
mod listener;
mod sasl;
mod startup;
mod tls;

pub use door::{Door, Rules};
pub use encode::{Drain, Output};
pub use hba::{DEFAULT_FILE as DEFAULT_HBA_FILE, HbaRules, Method, Origin};
pub use listener::Listeners;
pub use tls::Tls;
