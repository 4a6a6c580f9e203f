//! `redoubt`: the one binary.

mod config;
mod directory;
mod metrics;
mod server;

use clap::{Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// A PostgreSQL-compatible database whose log is the database.
#[derive(Parser)]
#[command(name = "redoubt", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a cluster in this process: an engine and six storage nodes over one directory.
    Start(Start),
}

/// Arguments of `redoubt start`.
#[derive(Args)]
struct Start {
    /// The data directory; made and initialised if it is missing or empty.
    #[arg(short = 'D', long = "pgdata", value_name = "DIR")]
    directory: PathBuf,
    /// TCP port; overrides the setting `port`.
    #[arg(short, long)]
    port: Option<u16>,
    /// Address to listen on; may be given several times; overrides the setting `listen_addresses`.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<IpAddr>,
    /// A setting, as in postgresql.conf; may be given several times.
    #[arg(short = 'c', value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    let Command::Start(start) = arguments.command;
    match server::run(&start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redoubt: {error}");
            ExitCode::FAILURE
        }
    }
}
