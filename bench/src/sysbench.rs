//! Running sysbench's OLTP loads over its pgsql driver, and reading what it says.

use crate::figures::percentile;
use crate::measurement::Run;
use crate::peer::{Peer, output_of};
use redoubt_conformance::Suite;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tables, and rows of each. They are made anew before every round, since some loads leave them larger or empty.
const TABLES: u32 = 4;
const ROWS: u32 = 10_000;

/// Debian's sysbench, unpacked.
pub struct Sysbench {
    root: PathBuf,
    libraries: std::ffi::OsString,
}

impl Sysbench {
    /// Fetches it unless it is there.
    ///
    /// # Errors
    /// What is missing, such as a network.
    pub fn fetch(suite: &Suite) -> Result<Sysbench, String> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/fetch-postgresql");
        let root = PathBuf::from(output_of(Command::new(tool).arg("sysbench"))?);
        let mut places: Vec<PathBuf> = Vec::new();
        for libraries in [root.join("usr/lib"), suite.root.join("usr/lib")] {
            let below = std::fs::read_dir(&libraries).into_iter().flatten().flatten();
            places.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        let libraries = std::env::join_paths(places).map_err(|error| error.to_string())?;
        let sysbench = Sysbench { root, libraries };
        output_of(sysbench.command().arg("--version"))?;
        Ok(sysbench)
    }

    /// Makes the tables of a script anew.
    pub fn prepare(&self, peer: &Peer, script: &str, clients: u32) -> Result<(), String> {
        self.script(peer, script, clients, &["cleanup"])?;
        self.script(peer, script, clients, &["prepare"]).map(drop)
    }

    /// Runs a script for some seconds.
    pub fn run(&self, peer: &Peer, script: &str, clients: u32, seconds: u32) -> Result<Run, String> {
        let time = format!("--time={seconds}");
        parse(&self.script(peer, script, clients, &["--histogram=on", &time, "run"])?)
    }

    fn script(&self, peer: &Peer, script: &str, clients: u32, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command();
        command.arg(self.root.join("usr/share/sysbench").join(format!("{script}.lua")));
        command.args(["--db-driver=pgsql", "--pgsql-host=127.0.0.1", "--pgsql-user=postgres"]);
        command.args(["--pgsql-db=postgres", &format!("--pgsql-port={}", peer.port())]);
        command.args([format!("--threads={clients}"), format!("--tables={TABLES}")]);
        command.args([format!("--table-size={ROWS}")]).args(arguments);
        // What is wrong it says on standard output.
        let output = command.output().map_err(|error| format!("sysbench: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines = said.lines().chain(errors.lines()).filter(|line| line.contains("FATAL"));
        Err(format!("sysbench: {}", lines.take(3).collect::<Vec<_>>().join(" ")))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.root.join("usr/bin/sysbench"));
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command.env("LUA_PATH", self.root.join("usr/share/sysbench/?.lua"));
        command.env("PGSSLMODE", "disable");
        command
    }
}

/// Reads sysbench's report. Transactions that met a deadlock or a duplicate key it has tried again: they are no
/// failures, of PostgreSQL neither.
fn parse(text: &str) -> Result<Run, String> {
    let words = |name: &str| -> Option<Vec<f64>> {
        let rest = text.lines().find_map(|line| line.trim_start().strip_prefix(name))?;
        let numbers = rest.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        Some(numbers.filter_map(|word| word.parse().ok()).collect())
    };
    let missing = || format!("sysbench does not say how many transactions there were:\n{text}");
    let transactions = words("transactions:").ok_or_else(missing)?;
    let &[count, tps] = &transactions[..] else { return Err(missing()) };
    let latencies = histogram(text);
    Ok(Run {
        transactions: count as u64,
        failed: 0,
        tps,
        latency_ms: [50.0, 95.0, 99.0].map(|share| percentile(&latencies, share) as f64 / 1000.0),
    })
}

/// The latencies of all transactions, in microseconds and in order, as the histogram's lines `value |*** count` have
/// them.
fn histogram(text: &str) -> Vec<u64> {
    let mut latencies = Vec::new();
    for line in text.lines() {
        let Some((value, bar)) = line.split_once('|') else { continue };
        let value = value.trim().parse::<f64>().ok();
        let count = bar.split_ascii_whitespace().last().and_then(|count| count.parse::<usize>().ok());
        if let Some((value, count)) = value.zip(count) {
            latencies.extend(std::iter::repeat_n((value * 1000.0) as u64, count));
        }
    }
    latencies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let check = |text: &str, expect: Option<(u64, f64, [f64; 3])>| {
            let got = parse(text).ok().map(|run| (run.transactions, run.tps, run.latency_ms));
            assert_eq!(got, expect, "{text}");
        };
        check(
            "Latency histogram (values are in milliseconds)\n       value  ------------- distribution\n\
             \x20      0.500 |****                                     3\n\
             \x20      2.000 |**                                       1\n\
             SQL statistics:\n    transactions:                        4    (1.33 per sec.)\n",
            Some((4, 1.33, [0.5, 2.0, 2.0])),
        );
        check("    transactions:                        0      (0.00 per sec.)\n", Some((0, 0.0, [0.0; 3])));
        check("FATAL: nothing", None);
    }
}
