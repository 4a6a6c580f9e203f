//! Runs the suite's files and specs, one by one in the order of the schedule, each by the suite's own
//! pg_regress through the recording proxy.

use crate::proxy::Proxy;
use crate::recording::{Ended, Exchange};
use crate::suite::{Suite, shown};
use crate::target::{Target, open_directory};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A statement without an answer for this long hangs.
const HANG_LIMIT: Duration = Duration::from_secs(60);
/// A whole file may not take longer than this.
const FILE_LIMIT: Duration = Duration::from_secs(600);

/// One file's run.
pub struct FileRun {
    /// Its name in the schedule.
    pub name: String,
    /// Whether pg_regress found one of the expected outputs.
    pub passed: bool,
    /// What was said, in order.
    pub exchanges: Vec<Exchange>,
    /// How long it took.
    pub took: Duration,
    /// The server process died.
    pub crashed: bool,
    /// A statement, or the whole file, took too long.
    pub hung: bool,
    /// The last lines of the log of a server that died.
    pub log: String,
}

/// One spec's run.
pub type SpecRun = FileRun;

/// Everything that one server's run needs.
pub struct Run {
    suite: Suite,
    target: Target,
    proxy: Proxy,
    database: String,
    /// What the run's first database was to be called, and how many came after it.
    first_database: String,
    databases: usize,
    /// pg_regress's output directory.
    output: PathBuf,
    /// Set-up statements that the server refused.
    pub refused: Vec<String>,
}

impl Run {
    /// Starts a fresh server and sets the database up as pg_regress would.
    pub fn start(
        suite: &Suite,
        target: Target,
        output: PathBuf,
        first_database: &str,
    ) -> Result<Run, String> {
        Run::start_behind(suite, target, output, first_database, Ok)
    }

    /// As [`Run::start`], with something between the recording proxy and the server: `between` is told the server's
    /// port and says where to connect in its place.
    pub fn start_behind(
        suite: &Suite,
        mut target: Target,
        output: PathBuf,
        first_database: &str,
        between: impl FnOnce(u16) -> Result<u16, String>,
    ) -> Result<Run, String> {
        open_directory(&output)?;
        open_directory(&output.join("results"))?;
        target.start_fresh()?;
        let (database, refused) = target.set_up(first_database);
        let proxy =
            Proxy::start(between(target.port)?, HANG_LIMIT).map_err(|error| format!("the proxy: {error}"))?;
        let first_database = first_database.to_string();
        Ok(Run {
            suite: suite.clone(),
            target,
            proxy,
            database,
            first_database,
            databases: 0,
            output,
            refused,
        })
    }

    /// Runs one file of the regression suite.
    pub fn file(&mut self, name: &str) -> Result<FileRun, String> {
        let mut command = self.suite.program("pg_regress");
        command.arg(format!("--inputdir={}", shown(&self.suite.regress())));
        self.one(command, name)
    }

    /// Runs one spec of the isolation suite.
    pub fn spec(&mut self, name: &str) -> Result<SpecRun, String> {
        let mut command = self.suite.program("pg_isolation_regress");
        command.arg(format!("--inputdir={}", shown(&self.suite.isolation())));
        // Seconds after which the tester calls a step stuck: beyond our own limit.
        command.env("PGISOLATIONTIMEOUT", (HANG_LIMIT.as_secs() + 10).to_string());
        let run = self.one(command, name)?;
        if !run.passed {
            self.leave_database()?;
        }
        Ok(run)
    }

    /// A spec that fails while it is set up is not torn down: what it has left is none of the next one's business.
    fn leave_database(&mut self) -> Result<(), String> {
        if !self.target.is_alive() {
            self.revive()?;
        }
        self.databases += 1;
        let wanted = format!("{}_{}", self.first_database, self.databases);
        (self.database, _) = self.target.set_up(&wanted);
        Ok(())
    }

    fn one(&mut self, mut command: Command, name: &str) -> Result<FileRun, String> {
        if !self.target.is_alive() {
            self.revive()?;
        }
        command.args(["--use-existing", "--host=127.0.0.1", "--user=postgres"]);
        command.arg(format!("--port={}", self.proxy.port)).arg(format!("--dbname={}", self.database));
        command.arg(format!("--bindir={}", shown(&self.suite.bin())));
        command.arg(format!("--dlpath={}", shown(&self.suite.libraries())));
        command.arg(format!("--outputdir={}", shown(&self.output))).arg(name);
        let started = Instant::now();
        let passed = self.finish(command)?;
        let took = started.elapsed();
        let mut exchanges = self.proxy.take();
        let names = self.path_names();
        for exchange in &mut exchanges {
            exchange.rename_paths(&names);
        }
        let mut run = FileRun {
            name: name.to_string(),
            passed: passed == Some(true),
            took,
            crashed: false,
            hung: passed.is_none() || exchanges.iter().any(|exchange| exchange.ended == Ended::Hung),
            log: String::new(),
            exchanges,
        };
        run.crashed = !self.target.is_alive() || run.exchanges.iter().any(|e| e.ended == Ended::Lost);
        if run.crashed {
            run.log = self.target.log_tail(12);
        }
        if run.hung {
            // What hangs may hold locks that the next file needs.
            self.target.kill();
        }
        Ok(run)
    }

    /// Runs a script of psql's, to its end or until the connection is lost.
    pub fn script(&mut self, path: &Path) -> Result<Vec<Exchange>, String> {
        if !self.target.is_alive() {
            self.revive()?;
        }
        let mut command = self.suite.program("psql");
        command.args(["-X", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", &self.database, "-p"]);
        command.arg(self.proxy.port.to_string()).arg("-f").arg(path);
        if self.finish(command)?.is_none() {
            self.target.kill();
        }
        Ok(self.proxy.take())
    }

    /// Runs statements in the run's database, unrecorded.
    pub fn sql(&self, sql: &str) -> Result<String, String> {
        self.target.sql(&self.database, sql)
    }

    /// The server's port and database, for clients that are not recorded.
    pub fn address(&self) -> (u16, &str) {
        (self.target.port, &self.database)
    }

    /// Waits for pg_regress; `None` if it took too long and was killed with its psql.
    fn finish(&self, mut command: Command) -> Result<Option<bool>, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(&self.output);
        let mut child = command.process_group(0).spawn().map_err(|error| format!("pg_regress: {error}"))?;
        let group = format!("-{}", child.id());
        let (send, receive) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            // The receiver may have given up on us, which needs no answer.
            let _heard = send.send(child.wait());
        });
        let ended = receive.recv_timeout(FILE_LIMIT);
        if ended.is_err() {
            let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
            killed.map_err(|error| format!("kill: {error}"))?;
        }
        waiter.join().map_err(|_panic| "waiting for pg_regress failed".to_string())?;
        match ended {
            Ok(status) => Ok(Some(status.map_err(|error| format!("pg_regress: {error}"))?.success())),
            Err(_) => Ok(None),
        }
    }

    /// Starts a dead server again on its data, or on fresh data if it cannot.
    fn revive(&mut self) -> Result<(), String> {
        if let Err(error) = self.target.start() {
            eprintln!("the server does not start again on its data:\n{error}");
            self.target.start_fresh()?;
            self.target.set_up(&self.database);
        }
        Ok(())
    }

    /// What directories of this run are called in recordings.
    fn path_names(&self) -> Vec<(String, &'static str)> {
        vec![
            (shown(&self.output), "@outputdir@"),
            (shown(&self.suite.regress()), "@inputdir@"),
            (shown(&self.suite.isolation()), "@inputdir@"),
            (shown(&self.suite.libraries()), "@libdir@"),
        ]
    }

    /// The differences pg_regress found since the run began.
    pub fn differences(&self) -> String {
        fs::read(self.output.join("regression.diffs"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}
