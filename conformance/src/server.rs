//! A Redoubt server as a user runs it: a process, a directory, a port.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to be ready before the test fails.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The binary under test: `REDOUBT_BIN`, or the one that cargo built beside this test.
pub fn redoubt_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("REDOUBT_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test has a path");
    let profile = test.ancestors().find(|path| path.ends_with("deps")).and_then(Path::parent);
    let binary = profile.expect("test binaries live in <profile>/deps").join("redoubt");
    assert!(binary.exists(), "{} is not built; run `make test`, or cargo build first", binary.display());
    binary
}

/// A port nobody listens on at the moment.
pub fn unused_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a free port").port()
}

/// A fresh directory for one test, removed by the system's own rules if a test dies.
pub fn scratch_dir(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("redoubt-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(unique);
    fs::create_dir_all(&path).expect("a scratch directory");
    path
}

/// The version psql says it has.
pub fn psql_version() -> String {
    let output =
        Command::new("psql").arg("--version").output().expect("psql is installed (make test installs it)");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// The path of pgbench: PostgreSQL's server package, unpacked privately.
pub fn pgbench() -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/fetch-postgresql");
    let output = Command::new(tool).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("pgbench")
}

/// A running server. It is killed when dropped, if it is a process of its own.
pub struct Server {
    /// Nothing when it runs in the test's own process.
    child: Option<Child>,
    /// Its data directory.
    pub dir: PathBuf,
    /// Its port.
    pub port: u16,
    /// From start to the first answer.
    pub ready_after: Duration,
}

/// How a server that was not expected to live ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Server {
    /// Starts `redoubt start` and waits until it answers a query.
    pub fn start(dir: &Path) -> Server {
        Server::start_with(dir, unused_port(), &[])
    }

    /// The same with a port and further arguments.
    pub fn start_with(dir: &Path, port: u16, arguments: &[&str]) -> Server {
        Server::start_by(Server::command(dir, port, arguments), dir, port)
    }

    /// Starts a server by a command that runs `redoubt start` on this directory and port, and waits until it answers.
    pub fn start_by(mut command: Command, dir: &Path, port: u16) -> Server {
        let started = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(log_file(dir)).spawn().expect("the binary starts");
        let child = Some(child);
        let mut server = Server { child, dir: dir.to_path_buf(), port, ready_after: Duration::ZERO };
        server.wait_until_ready();
        server.ready_after = started.elapsed();
        server
    }

    /// A server that runs in this process and listens on this port; `dir` is for its sockets. Whoever started it ends it.
    pub fn in_this_process(dir: &Path, port: u16) -> Server {
        let mut server = Server { child: None, dir: dir.to_path_buf(), port, ready_after: Duration::ZERO };
        server.wait_until_ready();
        server
    }

    /// The command line that starts a server on `dir`.
    pub fn command(dir: &Path, port: u16, arguments: &[&str]) -> Command {
        let mut command = Command::new(redoubt_binary());
        command.arg("start").arg("-D").arg(dir).arg("-p").arg(port.to_string());
        command.args(["-c", &format!("unix_socket_directories={}", dir.parent().unwrap_or(dir).display())]);
        command.args(arguments);
        command
    }

    /// Runs a start that must fail, to its end.
    pub fn start_that_fails(dir: &Path, port: u16, arguments: &[&str]) -> Exit {
        let output = Server::command(dir, port, arguments).output().expect("the binary starts");
        Exit { code: output.status.code(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + READY_LIMIT;
        // pg_isready has no waiting mode, so it is asked again, with a growing patience of its own:
        // its connection attempt is what takes the time while the server is not listening yet.
        while Instant::now() < deadline {
            let ended =
                self.child.as_mut().map(|child| child.try_wait().expect("the child can be waited for"));
            if let Some(Some(status)) = ended {
                panic!("the server ended while starting ({status}):\n{}", self.log_tail());
            }
            if self.is_ready() && self.try_psql("SELECT 1").is_ok() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("the server was not ready within {READY_LIMIT:?}:\n{}", self.log_tail());
    }

    /// What `pg_isready` says.
    pub fn is_ready(&self) -> bool {
        let port = self.port.to_string();
        let status = Command::new("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
        status.expect("pg_isready is installed").success()
    }

    /// psql with this server's address and no start-up file.
    pub fn psql_command(&self) -> Command {
        let mut command = Command::new("psql");
        command.args([
            "-X",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
            "-d",
            "postgres",
        ]);
        command.env("PGCONNECT_TIMEOUT", "10").env_remove("PGOPTIONS");
        command
    }

    /// Runs SQL through psql; the rows, unaligned, or the error text.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        let output = self.psql_command().args(["-Atq", "-v", "ON_ERROR_STOP=1", "-c", sql]).output();
        text_of(output.expect("psql is installed"))
    }

    /// Runs SQL that must succeed.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|error| panic!("{sql}\n{error}\n{}", self.log_tail()))
    }

    /// `kill -9`.
    pub fn kill(mut self) -> PathBuf {
        self.process().kill().expect("the server can be killed");
        self.process().wait().expect("the server ends");
        self.dir.clone()
    }

    /// SIGTERM; returns the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success(), "the server was gone before it was stopped:\n{}", self.log_tail());
        let status = self.process().wait().expect("the server ends");
        status.code().or(status.signal().map(|signal| 128 + signal))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server is a process of its own").id()
    }

    fn process(&mut self) -> &mut Child {
        self.child.as_mut().expect("the server is a process of its own")
    }

    /// What the servers on this directory have written to standard error so far.
    pub fn log(dir: &Path) -> String {
        fs::read_to_string(log_path(dir)).unwrap_or_default()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let Ok(file) = fs::File::open(log_path(&self.dir)) else { return String::new() };
        let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is fine: `kill` and `stop` end here too.
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn log_path(dir: &Path) -> PathBuf {
    dir.with_extension("log")
}

fn log_file(dir: &Path) -> fs::File {
    fs::OpenOptions::new().create(true).append(true).open(log_path(dir)).expect("a log file")
}

fn text_of(output: Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
