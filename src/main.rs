//! `redoubt`: the one binary.

mod config;
mod control;
mod ctl;
mod directory;
mod inspect;
mod members;
mod metrics;
mod node;
mod processes;
mod server;
mod settings;
mod signals;
mod writer;

use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
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
    /// Starts a cluster: an engine and six storage nodes over one directory, in this process or in one each.
    Start(Start),
    /// Runs one storage node of a cluster of processes.
    Node(NodeArguments),
    /// Runs the engine of a cluster of processes. A second one fences the first.
    Writer(WriterArguments),
    /// Shows what a cluster is doing.
    Ctl(ctl::Arguments),
}

/// Arguments of `redoubt start`.
#[derive(Args, Clone)]
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
    /// Pages of 8 KiB in a segment of the volume, which grows by six segments, a protection group, at a time; only for
    /// a directory that is new. 1310720 (10 GiB) by default.
    #[arg(long, value_name = "PAGES", value_parser = clap::value_parser!(u64).range(1024..))]
    segment_pages: Option<u64>,
    /// Runs engine and storage nodes as processes of their own, which this one owns.
    #[arg(long)]
    processes: bool,
    /// With --processes: starts this storage node again, in the foreground.
    #[arg(long, value_name = "N", requires = "processes", conflicts_with = "writer")]
    node: Option<u16>,
    /// With --processes: starts the writer again, in the foreground.
    #[arg(long, requires = "processes")]
    writer: bool,
}

/// Arguments of `redoubt node`.
#[derive(Args)]
struct NodeArguments {
    /// The cluster's directory.
    #[arg(short = 'D', long = "pgdata", value_name = "DIR")]
    directory: PathBuf,
    /// The node's number.
    #[arg(long)]
    id: u16,
    /// Its availability zone; must be the one the cluster knows.
    #[arg(long)]
    zone: Option<char>,
    /// Address and port to listen on; a free port of the loopback interface by default.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// A setting, as in postgresql.conf; may be given several times.
    #[arg(short = 'c', value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Stops when standard input ends.
    #[arg(long, hide = true)]
    owned: bool,
}

/// Arguments of `redoubt writer`.
#[derive(Args)]
struct WriterArguments {
    #[command(flatten)]
    start: Start,
    /// Refuses to start while another writer is alive on this machine.
    #[arg(long)]
    exclusive: bool,
    /// Stops when standard input ends.
    #[arg(long, hide = true)]
    owned: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(is_terminal).with_target(false).init();
    let done = match &arguments.command {
        Command::Start(start) if start.processes => processes::run(start),
        Command::Start(start) => server::run(start),
        Command::Node(arguments) => node::run(arguments),
        Command::Writer(arguments) => writer::run(arguments),
        Command::Ctl(arguments) => ctl::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redoubt: {error}");
            ExitCode::FAILURE
        }
    }
}
