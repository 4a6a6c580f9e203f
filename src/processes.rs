//! `redoubt start --processes`: a cluster of real processes on this machine, six storage nodes and a writer, owned
//! by this one.
//!
//! It stays in the foreground, restarts nobody, and stops everybody when it is told to stop. A member may be killed
//! and started again by hand; the log says how.

use crate::directory::{self, Found, Mode};
use crate::members::{Cluster, NodeEntry};
use crate::server;
use crate::{NodeArguments, Start, WriterArguments, node, signals, writer};
use redoubt_io::{DirectoryLock, LockError};
use redoubt_quic::MemberName;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long members have to stop by themselves.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How often it is looked whether the writer is ready, or somebody has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Starts a whole cluster, or one member of it again. The error is the one line that the user sees.
pub(crate) fn run(start: &Start) -> Result<(), String> {
    if let Some(id) = start.node {
        let (directory, settings) = (start.directory.clone(), start.settings.clone());
        let arguments = NodeArguments { directory, id, zone: None, listen: None, settings, owned: false };
        return node::run(&arguments);
    }
    if start.writer {
        let arguments = WriterArguments { start: start.clone(), exclusive: true, owned: false };
        return writer::run(&arguments);
    }
    let found = directory::examine(&start.directory, Mode::Processes)?;
    server::check_start(start, &found)?;
    let (cluster, _lock) = prepare(&start.directory, &found)?;
    let members = Members::start(start, &cluster)?;
    members.attend(&cluster)
}

/// Takes the directory, and initialises it when it is new: certificates and description here, the volume by the writer.
fn prepare(directory: &Path, found: &Found) -> Result<(Cluster, DirectoryLock), String> {
    if *found != Found::Cluster {
        directory::begin(directory, server::DEFAULT_CONFIGURATION, redoubt_wire::DEFAULT_HBA_FILE)
            .map_err(|error| format!("could not make directory \"{}\": {error}", directory.display()))?;
    }
    let lock = DirectoryLock::acquire(directory).map_err(|error| match error {
        LockError::Held { .. } => {
            format!("directory \"{}\" is in use by another server", directory.display())
        }
        other => other.to_string(),
    })?;
    let cluster = match found {
        Found::Cluster => Cluster::read(directory)?,
        Found::Empty | Found::Unfinished => Cluster::make(directory)?,
    };
    Ok((cluster, lock))
}

/// The processes this one owns.
struct Members {
    running: Vec<(MemberName, Child)>,
}

impl Members {
    fn start(start: &Start, cluster: &Cluster) -> Result<Self, String> {
        let binary =
            std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
        let mut members = Self { running: Vec::new() };
        for entry in &cluster.nodes {
            members.spawn(MemberName::Node(entry.node()), &binary, &node_line(start, entry))?;
        }
        members.spawn(MemberName::Writer, &binary, &writer_line(start))?;
        Ok(members)
    }

    fn spawn(&mut self, member: MemberName, binary: &Path, arguments: &[String]) -> Result<(), String> {
        let shown: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        tracing::info!("{member}: {} {}", quoted(&binary.display().to_string()), shown.join(" "));
        let spawned = Command::new(binary)
            .args(arguments)
            .arg("--owned")
            // Held open as long as this process lives; a member whose owner has gone stops.
            .stdin(Stdio::piped())
            // A Ctrl-C is for this process, which stops the members in their order.
            .process_group(0)
            .spawn();
        match spawned {
            Ok(child) => {
                self.running.push((member, child));
                Ok(())
            }
            Err(error) => {
                self.stop();
                Err(format!("{member} could not be started: {error}"))
            }
        }
    }

    /// Waits for the end of this process's time, and says who has ended before.
    fn attend(mut self, cluster: &Cluster) -> Result<(), String> {
        let (tell, told) = mpsc::channel();
        std::thread::Builder::new()
            .name("redoubt-signals".into())
            .spawn(move || {
                signals::wait(false);
                // The receiver lives as long as this process attends to anything.
                let _ = tell.send(());
            })
            .map_err(|error| format!("could not start threads: {error}"))?;
        let writer_home = cluster.member_dir(MemberName::Writer);
        let mut was_ready = false;
        loop {
            let is_over = told.recv_timeout(LOOK) != Err(mpsc::RecvTimeoutError::Timeout);
            if is_over {
                break;
            }
            was_ready = was_ready || writer::is_ready(&writer_home);
            for (member, status) in self.reap() {
                tracing::warn!("{member} has ended: {}; it is not started again", describe(status));
                if !was_ready && !status.success() {
                    self.stop();
                    return Err(format!("{member} ended while the cluster was starting"));
                }
            }
        }
        tracing::info!("stopping the cluster");
        self.stop();
        Ok(())
    }

    /// Takes those who have ended off the list.
    fn reap(&mut self) -> Vec<(MemberName, ExitStatus)> {
        let mut ended = Vec::new();
        self.running.retain_mut(|(member, child)| match child.try_wait() {
            Ok(Some(status)) => {
                ended.push((*member, status));
                false
            }
            Ok(None) | Err(_) => true,
        });
        ended
    }

    /// Stops the writer, then the nodes: what it still has to say is heard.
    fn stop(&mut self) {
        self.stop_those(|member| member == MemberName::Writer);
        self.stop_those(|_| true);
    }

    fn stop_those(&mut self, wanted: impl Fn(MemberName) -> bool) {
        for (_, child) in self.running.iter_mut().filter(|(member, _)| wanted(*member)) {
            // Closing its standard input tells it to stop.
            drop(child.stdin.take());
        }
        let deadline = std::time::Instant::now() + STOP_LIMIT;
        while self.running.iter().any(|(member, _)| wanted(*member)) && std::time::Instant::now() < deadline {
            self.reap();
            std::thread::park_timeout(LOOK);
        }
        for (member, child) in self.running.iter_mut().filter(|(member, _)| wanted(*member)) {
            tracing::warn!("{member} did not stop in time and is killed");
            let _ = child.kill();
            let _ = child.wait();
        }
        self.running.retain(|(member, _)| !wanted(*member));
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The arguments that start a node by hand.
fn node_line(start: &Start, entry: &NodeEntry) -> Vec<String> {
    let directory = start.directory.display().to_string();
    let (id, zone) = (entry.id.to_string(), entry.zone.to_string());
    let mut line = ["node", "-D", &directory, "--id", &id, "--zone", &zone].map(String::from).to_vec();
    add_settings(&mut line, start);
    line
}

/// The arguments that start the writer by hand.
fn writer_line(start: &Start) -> Vec<String> {
    let mut line: Vec<String> =
        ["writer", "-D", &start.directory.display().to_string()].map(String::from).to_vec();
    if let Some(port) = start.port {
        line.extend(["-p".into(), port.to_string()]);
    }
    for address in &start.listen {
        line.extend(["--listen".into(), address.to_string()]);
    }
    if let Some(pages) = start.segment_pages {
        line.extend(["--segment-pages".into(), pages.to_string()]);
    }
    add_settings(&mut line, start);
    line
}

fn add_settings(line: &mut Vec<String>, start: &Start) {
    for setting in &start.settings {
        line.extend(["-c".into(), setting.clone()]);
    }
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn lines_can_be_pasted() {
        let check = |argument: &str, expect: &str| assert_eq!(quoted(argument), expect);
        check("/data/node-1", "/data/node-1");
        check("work_mem=64MB", "work_mem=64MB");
        check("a b", "'a b'");
        check("it's", "'it'\\''s'");
        check("", "''");
    }
}
