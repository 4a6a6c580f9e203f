//! One connection's state: transaction block, portals, prepared statements, settings.
//!
//! The wire front end makes an [`Instance`] once and a [`Session`] per connection, calls the session
//! with each message, and receives the answers through its [`Client`]. A session is synchronous; see
//! ARCHITECTURE.md, "How a session runs".

mod access;
mod activity;
mod advisory;
mod block;
mod client;
mod copy;
mod current_role;
mod cursor;
mod ddl;
mod domain_check;
mod env;
mod executor;
mod explain;
mod extended;
mod functions;
mod instance;
mod internal_plan;
mod login;
mod measures;
mod notify;
mod options;
mod plan_cache;
mod plan_catalog;
mod planner_settings;
mod prepared;
mod privileges;
mod routine;
mod run;
pub mod scram;
mod sequence;
mod sequence_functions;
mod session;
pub mod settings;
mod show;
mod simple;
mod table_locks;
mod temporary;
mod timekeeper;
mod utility;
mod vacuum;
mod waiting;
mod work;

pub use client::{Client, CopyData, Format, OutputColumn};
pub use instance::{Durability, Instance};
pub use login::LoginSecret;
pub use redoubt_buffer::{blocking, set_blocking_hook};
pub use session::{EncryptionFacts, Session, SessionStart};
