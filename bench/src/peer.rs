//! Who takes part: PostgreSQL alone, PostgreSQL with as many synchronous copies as we have, and Redoubt in one process
//! and in many.

use crate::postgres::Postgres;
use crate::redoubt::Redoubt;
use redoubt_conformance::Suite;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A peer's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerName {
    /// One PostgreSQL server.
    PgSingle,
    /// A primary that waits for any three of five streaming standbys: six copies, four of them written.
    PgQuorum,
    /// `redoubt start`.
    Embedded,
    /// `redoubt start --processes`.
    Processes,
}

impl PeerName {
    /// All of them, in the order in which rounds go.
    pub const ALL: [PeerName; 4] =
        [PeerName::PgSingle, PeerName::PgQuorum, PeerName::Embedded, PeerName::Processes];

    /// Its name in results and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            PeerName::PgSingle => "pg-single",
            PeerName::PgQuorum => "pg-4-of-6",
            PeerName::Embedded => "redoubt-embedded",
            PeerName::Processes => "redoubt-processes",
        }
    }

    /// The peer of that name.
    pub fn by_name(name: &str) -> Option<PeerName> {
        PeerName::ALL.into_iter().find(|peer| peer.as_str() == name)
    }

    /// Those that are named among the words, or all.
    pub fn chosen(words: &[String]) -> Vec<PeerName> {
        let named: Vec<PeerName> =
            PeerName::ALL.into_iter().filter(|peer| words.iter().any(|word| word == peer.as_str())).collect();
        if named.is_empty() { PeerName::ALL.to_vec() } else { named }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

enum Server {
    Postgres(Postgres),
    Redoubt(Redoubt),
}

/// A peer that runs.
pub struct Peer {
    /// Who it is.
    pub name: PeerName,
    /// Where its data is.
    pub home: PathBuf,
    server: Server,
}

impl Peer {
    /// Makes its data below `home` and starts it.
    pub fn start(name: PeerName, suite: &Suite, home: &Path) -> Result<Peer, String> {
        let server = match name {
            PeerName::PgSingle => Server::Postgres(Postgres::start(suite, home, 0)?),
            PeerName::PgQuorum => Server::Postgres(Postgres::start(suite, home, 5)?),
            PeerName::Embedded => Server::Redoubt(Redoubt::start(home, false)?),
            PeerName::Processes => Server::Redoubt(Redoubt::start(home, true)?),
        };
        let peer = Peer { name, home: home.to_path_buf(), server };
        peer.wait_until_ready(suite)?;
        Ok(peer)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        match &self.server {
            Server::Postgres(server) => server.port(),
            Server::Redoubt(server) => server.port(),
        }
    }

    /// The processes whose descendants do its work.
    pub fn roots(&self) -> Vec<u32> {
        match &self.server {
            Server::Postgres(server) => server.roots(),
            Server::Redoubt(server) => vec![server.root()],
        }
    }

    /// Settings it was started with, as they go into the results.
    pub fn settings(&self) -> Vec<String> {
        match &self.server {
            Server::Postgres(server) => server.settings(),
            Server::Redoubt(server) => server.settings(),
        }
    }

    /// Bytes of log made so far: PostgreSQL's WAL, our redo, each counted once and not once a copy.
    pub fn log_bytes(&self, suite: &Suite) -> Result<u64, String> {
        match &self.server {
            Server::Postgres(_) => {
                let text = self.sql(suite, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")?;
                text.parse().map_err(|_| format!("not a number of bytes: {text}"))
            }
            Server::Redoubt(server) => server.redo_bytes(),
        }
    }

    /// Ends all its processes as a power failure does, and starts the one that clients talk to again. The
    /// standbys of a quorum go on.
    pub fn kill_and_start(&mut self) -> Result<(), String> {
        match &mut self.server {
            Server::Postgres(server) => server.kill_and_start(),
            Server::Redoubt(server) => server.kill_and_start(),
        }
    }

    /// Waits until it answers a query.
    pub fn wait_until_ready(&self, suite: &Suite) -> Result<(), String> {
        let started = std::time::Instant::now();
        loop {
            let answer = self.sql(suite, "SELECT 1");
            match answer {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed().as_secs() > 120 => {
                    return Err(format!("{} was not ready within two minutes: {error}", self.name));
                }
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// One statement through psql.
    pub fn sql(&self, suite: &Suite, sql: &str) -> Result<String, String> {
        let mut psql = suite.program("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]).args(self.address());
        output_of(&mut psql)
    }

    /// The arguments by which PostgreSQL's programs find it.
    pub fn address(&self) -> Vec<String> {
        ["-h", "127.0.0.1", "-p", &self.port().to_string(), "-U", "postgres", "-d", "postgres"]
            .map(str::to_string)
            .to_vec()
    }
}

/// What a program that must succeed prints.
pub fn output_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{command:?}: {}", text(&output.stderr)))
    }
}
