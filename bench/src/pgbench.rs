//! Running pgbench, and reading what it says.

use crate::cell::Cell;
use crate::figures::percentile;
use crate::measurement::Run;
use crate::peer::{Peer, output_of};
use redoubt_conformance::Suite;
use std::path::Path;
use std::time::Instant;

/// Fills the tables (`pgbench -i`); says how many seconds that took.
pub fn load(suite: &Suite, peer: &Peer, scale: u32) -> Result<f64, String> {
    let started = Instant::now();
    let mut command = suite.program("pgbench");
    command.args(["-i", "-q", "-s", &scale.to_string()]).args(connection(peer));
    output_of(&mut command)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Runs a cell for some seconds. Latencies are taken from pgbench's own log of every transaction.
pub fn run(suite: &Suite, peer: &Peer, cell: &Cell, seconds: u32) -> Result<Run, String> {
    let directory = redoubt_conformance::scratch_dir("pgbench");
    let prefix = directory.join("log");
    let mut command = suite.program("pgbench");
    command.args(["-n", "-b", cell.load.script(), "-M", cell.protocol.as_str()]);
    command.args(["-c", &cell.clients.to_string(), "-j", "2", "-T", &seconds.to_string()]);
    command.arg("-l").arg(format!("--log-prefix={}", prefix.display())).args(connection(peer));
    let said = output_of(&mut command);
    let latencies = read_logs(&directory);
    std::fs::remove_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut run = parse(&said?)?;
    let mut latencies = latencies?;
    latencies.sort_unstable();
    run.latency_ms = [50.0, 95.0, 99.0].map(|share| percentile(&latencies, share) as f64 / 1000.0);
    Ok(run)
}

fn connection(peer: &Peer) -> Vec<String> {
    ["-h", "127.0.0.1", "-p", &peer.port().to_string(), "-U", "postgres", "postgres"]
        .map(str::to_string)
        .to_vec()
}

/// The latencies in a directory's logs, in microseconds: the third field of every line. Transactions that failed have
/// a word there.
fn read_logs(directory: &Path) -> Result<Vec<u64>, String> {
    let mut latencies = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        latencies.extend(
            text.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok()),
        );
    }
    Ok(latencies)
}

/// Reads pgbench's report.
fn parse(text: &str) -> Result<Run, String> {
    let number = |name: &str| -> Option<f64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim_start().split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?.parse().ok()
    };
    let missing = |name: &str| format!("pgbench does not say \"{name}\":\n{text}");
    let needed = |name: &str| number(name).ok_or_else(|| missing(name));
    Ok(Run {
        transactions: needed("number of transactions actually processed:")? as u64,
        failed: needed("number of failed transactions:")? as u64,
        tps: needed("tps =")?,
        latency_ms: [0.0; 3],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let check = |text: &str, expect: Option<(u64, u64, f64)>| {
            let got = parse(text).ok().map(|run| (run.transactions, run.failed, run.tps));
            assert_eq!(got, expect, "{text}");
        };
        check(
            "number of transactions actually processed: 842\nnumber of failed transactions: 3 (0.356%)\n\
             latency average = 2.281 ms\ntps = 876.794722 (without initial connection time)\n",
            Some((842, 3, 876.794722)),
        );
        check("number of transactions actually processed: 842\n", None);
        check("", None);
    }
}
