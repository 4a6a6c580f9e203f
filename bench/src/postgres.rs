//! PostgreSQL as a peer: alone, or with streaming standbys of which a quorum is waited for.

use crate::peer::output_of;
use crate::processes::{Owned, ending_with_us};
use redoubt_conformance::{Suite, shown, unused_port};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Nobody: the user that PostgreSQL, which refuses root, runs as when we are root.
const UNPRIVILEGED: &str = "65534";
/// How many of the standbys must have written what is acknowledged: with the primary, four of six.
const STANDBYS_WAITED_FOR: u32 = 3;

/// A primary and its standbys.
pub struct Postgres {
    suite: Suite,
    home: PathBuf,
    port: u16,
    standbys: Vec<Owned>,
    primary: Option<Owned>,
    settings: Vec<String>,
}

impl Postgres {
    /// Initialises and starts a cluster with so many standbys below `home`.
    pub fn start(suite: &Suite, home: &Path, standbys: u32) -> Result<Postgres, String> {
        std::fs::create_dir_all(home).map_err(|error| format!("{}: {error}", home.display()))?;
        if is_root() {
            output_of(Command::new("chown").args([UNPRIVILEGED, &shown(home)]))?;
        }
        let mut settings: Vec<String> =
            ["listen_addresses=127.0.0.1", "max_connections=2200", "shared_buffers=128MB"]
                .map(str::to_string)
                .to_vec();
        settings.push(format!("unix_socket_directories={}", shown(home)));
        let mut server = Postgres {
            suite: suite.clone(),
            home: home.to_path_buf(),
            port: unused_port(),
            standbys: Vec::new(),
            primary: None,
            settings,
        };
        let data = shown(&home.join("primary"));
        let initialise = ["-D", &data, "-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8"];
        output_of(server.program("initdb").args(initialise))?;
        server.start_primary()?;
        for number in 1..=standbys {
            let standby = server.start_standby(number)?;
            server.standbys.push(standby);
        }
        if standbys > 0 {
            let names: Vec<String> = (1..=standbys).map(|number| format!("s{number}")).collect();
            let quorum = format!("synchronous_standby_names=ANY {STANDBYS_WAITED_FOR} ({})", names.join(","));
            server.settings.push(quorum);
            server.primary.take();
            server.start_primary()?;
        }
        Ok(server)
    }

    /// Where the primary listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmasters.
    pub fn roots(&self) -> Vec<u32> {
        self.primary.iter().chain(&self.standbys).map(Owned::pid).collect()
    }

    /// Settings that are not the defaults.
    pub fn settings(&self) -> Vec<String> {
        self.settings.clone()
    }

    /// `kill -9` of the primary, and its start.
    pub fn kill_and_start(&mut self) -> Result<(), String> {
        self.primary.take();
        self.start_primary()
    }

    fn start_primary(&mut self) -> Result<(), String> {
        let command = self.postmaster("primary", self.port, &[]);
        self.primary = Some(Owned::start(command, &self.home.join("primary.log"))?);
        self.wait(self.port)
    }

    fn start_standby(&self, number: u32) -> Result<Owned, String> {
        let name = format!("s{number}");
        let data = shown(&self.home.join(&name));
        let primary = self.port.to_string();
        output_of(
            self.program("pg_basebackup")
                .args(["-D", &data, "-h", "127.0.0.1", "-p", &primary])
                .args(["-U", "postgres", "-X", "stream", "-c", "fast", "-R"]),
        )?;
        let port = unused_port();
        let from = format!(
            "primary_conninfo=host=127.0.0.1 port={} user=postgres application_name={name}",
            self.port
        );
        let log = self.home.join(format!("{name}.log"));
        let standby = Owned::start(self.postmaster(&name, port, &[&from]), &log)?;
        self.wait(port)?;
        Ok(standby)
    }

    fn postmaster(&self, directory: &str, port: u16, more: &[&str]) -> Command {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.home.join(directory)).args(["-p", &port.to_string()]);
        let settings = self.settings.iter().map(String::as_str).chain(more.iter().copied());
        command.args(settings.flat_map(|setting| ["-c", setting]));
        command
    }

    /// Waits until a postmaster takes connections.
    fn wait(&self, port: u16) -> Result<(), String> {
        let started = std::time::Instant::now();
        loop {
            let mut ask = self.suite.program("psql");
            ask.args(["-XAtq", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres"]);
            match output_of(ask.args(["-d", "postgres", "-c", "SELECT 1"])) {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed().as_secs() > 60 => return Err(error),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// A program of the server's, run by nobody if we are root.
    fn program(&self, name: &str) -> Command {
        let mut command = ending_with_us();
        if is_root() {
            command.args(["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups"]);
        }
        command.arg(self.suite.bin().join(name));
        self.suite.clean_environment(&mut command);
        command.current_dir(&self.home);
        command
    }
}

/// The programs where those who run them can reach them: root's home, where they may have been unpacked, is closed to
/// the user that the server runs as, so that it gets a copy.
pub fn reachable(suite: Suite, home: &Path) -> Result<Suite, String> {
    if !is_root() {
        return Ok(suite);
    }
    let copy = home.join("suite");
    output_of(Command::new("cp").arg("-R").arg(&suite.root).arg(&copy))?;
    Ok(suite.at(copy))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
