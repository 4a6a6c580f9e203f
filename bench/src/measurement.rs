//! One round of one cell on one peer.

use crate::accounting::{memory_kb, used};
use crate::cell::Cell;
use crate::idle;
use crate::peer::Peer;
use crate::pgbench;
use redoubt_conformance::Suite;
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often memory is looked at during a round.
const LOOK: Duration = Duration::from_millis(500);

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
    /// The most memory that was seen, in KiB.
    pub peak_memory_kb: u64,
}

impl Measurement {
    /// Runs the cell and takes the figures.
    pub fn take(suite: &Suite, peer: &Peer, cell: &Cell, seconds: u32) -> Result<Measurement, String> {
        let roots = peer.roots();
        let idle = idle::open(peer.port(), cell.idle)?;
        let log_before = peer.log_bytes(suite)?;
        let before = used(&roots);
        let (stop, stopped) = channel::<()>();
        let watched = roots.clone();
        let watcher = std::thread::spawn(move || {
            let mut peak = memory_kb(&watched);
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(memory_kb(&watched));
            }
            peak
        });
        let run = pgbench::run(suite, peer, cell, seconds);
        drop(stop);
        let peak_memory_kb = watcher.join().map_err(|_| "the watcher of memory died".to_string())?;
        let run = run?;
        let after = used(&roots);
        drop(idle);
        let log_after = peer.log_bytes(suite)?;
        let each = |total: u64| total as f64 / run.transactions.max(1) as f64;
        Ok(Measurement {
            transactions: run.transactions,
            failed: run.failed,
            tps: run.tps,
            latency_ms: run.latency_ms,
            cpu_us_per_transaction: each(after.cpu_us.saturating_sub(before.cpu_us)),
            log_bytes_per_transaction: each(log_after.saturating_sub(log_before)),
            written_bytes_per_transaction: each(after.written_bytes.saturating_sub(before.written_bytes)),
            peak_memory_kb,
        })
    }
}
