//! A server under judgement: Redoubt, or PostgreSQL itself as the reference.

use crate::suite::{Suite, shown};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take from its start to its first answer.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Address space of one server: a query that would eat the machine's memory ends in a failed
/// allocation, so that only its own server falls. 4 GiB.
const MEMORY_LIMIT: &str = "--as=4294967296";
/// Nobody: the user that PostgreSQL, which refuses root, runs as when we are root.
const UNPRIVILEGED: &str = "65534";
/// The statements by which pg_regress itself sets its database up (pg_regress.c, `create_database`).
const SETTINGS: &[(&str, &str)] = &[
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("bytea_output", "hex"),
    ("timezone_abbreviations", "Default"),
];

enum Kind {
    Redoubt(PathBuf),
    /// With `pg_resetwal` options that make this cluster's numbers unlike another's.
    Postgres(&'static [&'static str]),
}

/// A server process with its directory and port.
pub struct Target {
    kind: Kind,
    suite: Suite,
    /// Holds the data directory and the log.
    home: PathBuf,
    /// Where it listens.
    pub port: u16,
    child: Option<Child>,
}

impl Target {
    /// Redoubt, as `binary`.
    pub fn redoubt(suite: &Suite, binary: PathBuf, home: PathBuf, port: u16) -> Target {
        Target { kind: Kind::Redoubt(binary), suite: suite.clone(), home, port, child: None }
    }

    /// PostgreSQL from the suite. `reset` goes to pg_resetwal after initdb.
    pub fn postgres(suite: &Suite, reset: &'static [&'static str], home: PathBuf, port: u16) -> Target {
        Target { kind: Kind::Postgres(reset), suite: suite.clone(), home, port, child: None }
    }

    /// Makes a fresh data directory and starts on it.
    pub fn start_fresh(&mut self) -> Result<(), String> {
        self.kill();
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        }
        fs::create_dir_all(&self.home).map_err(|error| format!("{}: {error}", self.home.display()))?;
        if let Kind::Postgres(reset) = self.kind {
            if is_root() {
                run(Command::new("chown").args([UNPRIVILEGED, &shown(&self.home)]))?;
            }
            let data = shown(&data);
            run(self.server("initdb").args(["-D", &data, "-U", "postgres", "-A", "trust"]).args([
                "--no-locale",
                "-E",
                "UTF8",
                "--no-sync",
            ]))?;
            if !reset.is_empty() {
                run(self.server("pg_resetwal").args(["-D", &data]).args(reset))?;
            }
        }
        self.start()
    }

    /// Starts on the directory that is there.
    pub fn start(&mut self) -> Result<(), String> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.map_err(|error| format!("{}: {error}", self.log_path().display()))?;
        let data = shown(&self.data());
        let (port, sockets) =
            (self.port.to_string(), format!("unix_socket_directories={}", shown(&self.home)));
        let mut command = match &self.kind {
            Kind::Redoubt(binary) => {
                let mut command = Command::new("prlimit");
                command.arg(MEMORY_LIMIT).arg(binary).arg("start");
                command
            }
            Kind::Postgres(_) => {
                let mut command = self.server("postgres");
                // What pg_regress's own instance has, and no just-in-time compiler, which would
                // need a library of its own.
                let own =
                    ["max_prepared_transactions=2", "listen_addresses=127.0.0.1", "fsync=off", "jit=off"];
                command.args(own.iter().flat_map(|setting| ["-c", setting]));
                command
            }
        };
        command.args(["-D", &data, "-p", &port, "-c", &sockets]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().map_err(|error| format!("the server: {error}"))?);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline {
            if !self.is_alive() {
                return Err(format!("the server ended while starting:\n{}", self.log_tail(20)));
            }
            if self.sql("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        self.kill();
        Err(format!("the server was not ready within {READY_LIMIT:?}:\n{}", self.log_tail(20)))
    }

    /// Creates `database` and sets it up as pg_regress does. Returns the database to use, which is
    /// `postgres` if a server can make no other, and the statements that failed.
    pub fn set_up(&self, database: &str) -> (String, Vec<String>) {
        let mut failed = Vec::new();
        let mut attempt = |sql: String| {
            let result = self.sql("postgres", &sql);
            if let Err(error) = &result {
                failed.push(format!("{sql}: {}", error.lines().next().unwrap_or_default()));
            }
            result.is_ok()
        };
        let made = attempt(format!("CREATE DATABASE \"{database}\" TEMPLATE=template0"));
        let used = if made { database } else { "postgres" };
        for (name, value) in SETTINGS {
            attempt(format!("ALTER DATABASE \"{used}\" SET {name} TO '{value}'"));
        }
        (used.to_string(), failed)
    }

    /// Runs one statement through psql.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.suite.program("psql");
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
        ]);
        let output = psql.args(["-d", database, "-c", sql]).output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends the process as a power failure does. PostgreSQL's children see that their parent is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A process that has already ended is as good.
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// A program of PostgreSQL's server, run by nobody if we are root. `prlimit` and `setpriv`
    /// exec, so that the process is the server's.
    fn server(&self, name: &str) -> Command {
        let program = self.suite.bin().join(name);
        let mut command = Command::new("prlimit");
        command.arg(MEMORY_LIMIT);
        if is_root() {
            command.args(["setpriv", "--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups"]);
        }
        command.arg(program);
        self.suite.clean_environment(&mut command);
        command.current_dir(&self.home);
        command
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end()))
}

/// Makes a directory that every user may write to, as server and client may be two.
pub(crate) fn open_directory(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(path).map_err(explain)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(explain)
}
