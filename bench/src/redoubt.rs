//! Redoubt as a peer: in one process, or in seven.

use crate::processes::{Owned, ending_with_us};
use redoubt_conformance::{metrics, redoubt_binary, unused_port};
use std::path::{Path, PathBuf};

/// A running cluster.
pub struct Redoubt {
    home: PathBuf,
    port: u16,
    metrics_port: u16,
    processes: bool,
    server: Option<Owned>,
}

impl Redoubt {
    /// Initialises and starts a cluster below `home`.
    pub fn start(home: &Path, processes: bool) -> Result<Redoubt, String> {
        std::fs::create_dir_all(home).map_err(|error| format!("{}: {error}", home.display()))?;
        let (port, metrics_port) = (unused_port(), unused_port());
        let mut server = Redoubt { home: home.to_path_buf(), port, metrics_port, processes, server: None };
        server.start_again()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process that was started.
    pub fn root(&self) -> u32 {
        self.server.as_ref().map_or(0, Owned::pid)
    }

    /// Settings that are not the defaults.
    pub fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            "max_connections=2200".to_string(),
            format!("redoubt.metrics_address=127.0.0.1:{}", self.metrics_port),
            format!("unix_socket_directories={}", self.home.display()),
        ];
        if self.processes {
            settings.push("--processes".into());
        }
        settings
    }

    /// `kill -9` of everything, and its start.
    pub fn kill_and_start(&mut self) -> Result<(), String> {
        self.server.take();
        self.start_again()
    }

    fn start_again(&mut self) -> Result<(), String> {
        let mut command = ending_with_us();
        command
            .arg(redoubt_binary())
            .arg("start")
            .arg("-D")
            .arg(self.home.join("data"))
            .args(["-p", &self.port.to_string()]);
        for setting in self.settings() {
            match setting.strip_prefix("--") {
                Some(_) => command.arg(&setting),
                None => command.args(["-c", &setting]),
            };
        }
        self.server = Some(Owned::start(command, &self.home.join("server.log"))?);
        Ok(())
    }

    /// Bytes of redo made so far, counted once and not once a copy.
    pub fn redo_bytes(&self) -> Result<u64, String> {
        metrics(self.metrics_port, ["redoubt_redo_bytes_total"]).map(|[bytes]| bytes as u64)
    }
}
