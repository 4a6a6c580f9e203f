//! The judges: tests that look at the project from outside, through the real binary and PostgreSQL's
//! real clients (see `tests/`). This library starts, kills and questions servers for them.

pub mod noting;
mod server;

pub use server::{Exit, Server, pgbench, psql_version, redoubt_binary, scratch_dir, unused_port};
