//! One round of one cell on one peer.

use crate::accounting::{Used, device_flushes, loopback_bytes, memory_kb, used};
use crate::cell::{Cell, Load};
use crate::idle;
use crate::peer::Peer;
use crate::pgbench;
use crate::sysbench::Sysbench;
use redoubt_conformance::Suite;
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often memory is looked at during a round.
const LOOK: Duration = Duration::from_millis(500);

/// What the program that makes the load says of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Transactions that were carried out.
    pub transactions: u64,
    /// Transactions that failed.
    pub failed: u64,
    /// Transactions in a second, connecting not counted.
    pub tps: f64,
    /// Latencies: the median, and those that 95 and 99 of 100 transactions do not exceed, in milliseconds.
    pub latency_ms: [f64; 3],
}

/// What one round was.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Measurement {
    /// Transactions that were carried out.
    pub transactions: u64,
    /// Transactions that failed.
    pub failed: u64,
    /// Transactions in a second.
    pub tps: f64,
    /// Median, 95th and 99th percentile of latency, in milliseconds.
    pub latency_ms: [f64; 3],
    /// Processor time of all server processes for one transaction, in microseconds.
    pub cpu_us_per_transaction: f64,
    /// Log made for one transaction, in bytes, counted once and not once a copy.
    pub log_bytes_per_transaction: f64,
    /// Bytes that all server processes sent to storage for one transaction.
    pub written_bytes_per_transaction: f64,
    /// Bytes over the loopback device for one transaction: clients' and copies' traffic together.
    #[serde(default)]
    pub wire_bytes_per_transaction: f64,
    /// Flushes of the disk's cache for one transaction, all copies' together; none if the kernel does not count them.
    #[serde(default)]
    pub flushes_per_transaction: Option<f64>,
    /// The most memory that was seen, in KiB.
    pub peak_memory_kb: u64,
    /// Why the run came to no end, if it did not.
    #[serde(default)]
    pub trouble: Option<String>,
}

impl Measurement {
    /// Runs the cell and takes the figures. A load that the peer does not carry out is a failure that is noted.
    pub fn take(
        suite: &Suite,
        sysbench: Option<&Sysbench>,
        peer: &Peer,
        cell: &Cell,
        seconds: u32,
    ) -> Result<Measurement, String> {
        let roots = peer.roots();
        let idle = idle::open(peer.port(), cell.idle)?;
        let prepared = match (cell.load, sysbench) {
            (Load::Sysbench(script), Some(sysbench)) => sysbench.prepare(peer, script, cell.clients),
            _ => Ok(()),
        };
        let log_before = peer.log_bytes(suite)?;
        let before = State::now(peer, &roots);
        let (stop, stopped) = channel::<()>();
        let watched = roots.clone();
        let watcher = std::thread::spawn(move || {
            let mut peak = memory_kb(&watched);
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(memory_kb(&watched));
            }
            peak
        });
        let run = prepared.and_then(|()| match (cell.load, sysbench) {
            (Load::Sysbench(script), Some(sysbench)) => sysbench.run(peer, script, cell.clients, seconds),
            (Load::Sysbench(_), None) => Err("sysbench is not there".into()),
            _ => pgbench::run(suite, peer, cell, seconds),
        });
        let after = State::now(peer, &roots);
        drop(stop);
        let peak_memory_kb = watcher.join().map_err(|_| "the watcher of memory died".to_string())?;
        drop(idle);
        let log_after = peer.log_bytes(suite)?;
        let (run, trouble) = match run {
            Ok(run) => (run, None),
            Err(trouble) => (Run { failed: 1, ..Run::default() }, Some(trouble)),
        };
        let each =
            |after: u64, before: u64| after.saturating_sub(before) as f64 / run.transactions.max(1) as f64;
        Ok(Measurement {
            transactions: run.transactions,
            failed: run.failed,
            tps: run.tps,
            latency_ms: run.latency_ms,
            cpu_us_per_transaction: each(after.used.cpu_us, before.used.cpu_us),
            log_bytes_per_transaction: each(log_after, log_before),
            written_bytes_per_transaction: each(after.used.written_bytes, before.used.written_bytes),
            wire_bytes_per_transaction: each(after.wire_bytes, before.wire_bytes),
            flushes_per_transaction: after
                .flushes
                .zip(before.flushes)
                .map(|(after, before)| each(after, before)),
            peak_memory_kb,
            trouble,
        })
    }
}

/// What the kernel has counted at one moment.
struct State {
    used: Used,
    wire_bytes: u64,
    flushes: Option<u64>,
}

impl State {
    fn now(peer: &Peer, roots: &[u32]) -> State {
        State { used: used(roots), wire_bytes: loopback_bytes(), flushes: device_flushes(&peer.home) }
    }
}
