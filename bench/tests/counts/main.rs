//! What one transaction of pgbench costs the server, by counts and not by time: system calls, flushes, parsed and
//! planned statements, allocations. None may be above what `bench/ceilings.json` has recorded, by more than the
//! margins below.
//!
//! One client runs a short and a long run; what the long one costs more, divided by how many transactions it is
//! longer, is what one costs: connecting, warming up and looking at the counters are in both.
//!
//! `ACCEPT=1 cargo test --profile checked -p redoubt-bench --test counts` records what is now.

mod in_process;
mod tracer;

use in_process::InProcess;
use redoubt_conformance::{Server, metrics, pgbench, say_skipped, scratch_dir, unused_port};
use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracer::{Calls, Tracer};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Transactions of the short run and of the long one.
const SHORT: u32 = 100;
const LONG: u32 = 1100;
/// How often a count that is too high is taken again: another process can only add to it (a thread that is put off
/// its processor while it holds a lock costs others a futex), so that the least is the server's own.
const ATTEMPTS: usize = 3;

/// pgbench's loads and protocols.
const CASES: [(&str, &str); 4] = [
    ("tpcb-like", "simple"),
    ("tpcb-like", "prepared"),
    ("select-only", "simple"),
    ("select-only", "prepared"),
];

/// What one transaction costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cost {
    load: String,
    protocol: String,
    syscalls: f64,
    flushes: f64,
    parses: f64,
    plans: f64,
    allocations: f64,
    allocated_bytes: f64,
}

impl Cost {
    /// By name: the count, what it may exceed its ceiling by as a share, and in absolute terms.
    fn counts(&self) -> [(&'static str, f64, f64, f64); 6] {
        // Of what writes, timing is a part: whether a thread still runs or already sleeps when its work comes, which
        // costs two futexes, and whether records that no commit has followed yet are flushed with the next ones, each
        // flush with buffers of its own. What only reads repeats to a hundredth.
        let [calls, allocations, bytes] =
            if self.load == "select-only" { [0.02, 0.02, 0.02] } else { [0.25, 0.10, 0.30] };
        [
            ("syscalls", self.syscalls, calls, 0.5),
            ("flushes", self.flushes, calls, 0.02),
            // Exact: what the cache holds is not parsed and not planned. A statement of a thousand may be when the
            // catalogs' version has moved.
            ("parses", self.parses, 0.0, 0.005),
            ("plans", self.plans, 0.0, 0.005),
            ("allocations", self.allocations, allocations, 0.5),
            ("allocated_bytes", self.allocated_bytes, bytes, 64.0),
        ]
    }
}

impl Cost {
    /// The greater of each count.
    fn greatest(&self, other: &Cost) -> Cost {
        let round = |a: f64, b: f64| (a.max(b) * 100.0).ceil() / 100.0;
        Cost {
            load: self.load.clone(),
            protocol: self.protocol.clone(),
            syscalls: round(self.syscalls, other.syscalls),
            flushes: round(self.flushes, other.flushes),
            parses: round(self.parses, other.parses),
            plans: round(self.plans, other.plans),
            allocations: round(self.allocations, other.allocations),
            allocated_bytes: round(self.allocated_bytes, other.allocated_bytes),
        }
    }
}

/// The counters of both servers at one moment.
struct State {
    calls: Option<Calls>,
    parses: f64,
    plans: f64,
    allocations: f64,
    allocated_bytes: f64,
}

/// The real server, traced, and one in this process, whose allocations are counted.
struct Counted {
    home: PathBuf,
    real: Server,
    metrics_port: u16,
    tracer: Option<Tracer>,
    inner: InProcess,
    pgbench: PathBuf,
}

impl Counted {
    fn start() -> Counted {
        let (home, metrics_port) = (scratch_dir("counts"), unused_port());
        let metrics = format!("redoubt.metrics_address=127.0.0.1:{metrics_port}");
        // Work that comes by the clock is not a transaction's.
        let arguments = ["-c", "autovacuum=off", "-c", &metrics];
        let real = Server::start_with(&home.join("data"), unused_port(), &arguments);
        let inner = InProcess::start(&home);
        let pgbench = pgbench();
        let tracer = match Tracer::attach(real.pid()) {
            Ok(tracer) => Some(tracer),
            Err(reason) => {
                say_skipped("system calls and flushes for each transaction", &reason);
                None
            }
        };
        let counted = Counted { home, real, metrics_port, tracer, inner, pgbench };
        for server in [&counted.real, &counted.inner.server] {
            counted.run(server, &["-i", "-q", "-s", "1"]);
        }
        counted
    }

    fn run(&self, server: &Server, arguments: &[&str]) {
        let mut command = Command::new(&self.pgbench);
        command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres"]);
        let output = command.args(arguments).arg("postgres").output().expect("pgbench starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pgbench {arguments:?}\n{errors}\n{}", server.log_tail());
    }

    fn state(&self) -> State {
        let names = ["redoubt_parses_total", "redoubt_plans_total"];
        let [parses, plans] = metrics(self.metrics_port, names).expect("the server counts");
        let heap = ALLOCATOR.stats();
        State {
            calls: self.tracer.as_ref().map(Tracer::calls),
            parses,
            plans,
            allocations: (heap.allocations + heap.reallocations) as f64,
            allocated_bytes: heap.bytes_allocated as f64,
        }
    }

    /// What so many transactions of a load cost, connecting included.
    fn spent(&self, load: &str, protocol: &str, transactions: u32) -> State {
        let before = self.state();
        let count = transactions.to_string();
        for server in [&self.real, &self.inner.server] {
            self.run(server, &["-n", "-b", load, "-M", protocol, "-t", &count, "--random-seed=7"]);
        }
        let after = self.state();
        State {
            calls: after.calls.zip(before.calls).map(|(after, before)| after.beyond(&before)),
            parses: after.parses - before.parses,
            plans: after.plans - before.plans,
            allocations: after.allocations - before.allocations,
            allocated_bytes: after.allocated_bytes - before.allocated_bytes,
        }
    }

    /// What one transaction of a load costs, and its system calls by name.
    fn cost(&self, load: &str, protocol: &str) -> (Cost, String) {
        let (short, long) = (self.spent(load, protocol, SHORT), self.spent(load, protocol, LONG));
        let each = |long: f64, short: f64| ((long - short) / f64::from(LONG - SHORT)).max(0.0);
        let calls = long.calls.zip(short.calls);
        let calls = calls.map(|(long, short)| long.each_beyond(&short, LONG - SHORT)).unwrap_or_default();
        let cost = Cost {
            load: load.into(),
            protocol: protocol.into(),
            syscalls: calls.total(),
            flushes: calls.flushes(),
            parses: each(long.parses, short.parses),
            plans: each(long.plans, short.plans),
            allocations: each(long.allocations, short.allocations),
            allocated_bytes: each(long.allocated_bytes, short.allocated_bytes),
        };
        (cost, calls.to_string())
    }
}

impl Counted {
    /// What is recorded: of several counts of each the greatest.
    fn ceilings(&self) -> Vec<Cost> {
        let of_case = |(load, protocol)| {
            let counts = (0..ATTEMPTS).map(|_| self.cost(load, protocol).0);
            counts.reduce(|a, b| a.greatest(&b)).expect("there are attempts")
        };
        CASES.into_iter().map(of_case).collect()
    }
}

fn ceilings_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ceilings.json")
}

/// What is too much of a cost.
fn excess(cost: &Cost, ceiling: &Cost) -> String {
    let mut out = String::new();
    for ((name, count, ..), (_, most, share, absolute)) in cost.counts().into_iter().zip(ceiling.counts()) {
        if count > most * (1.0 + share) + absolute {
            // Writing to a String cannot fail.
            let _written = writeln!(
                out,
                "{} {}: {count:.2} {name} a transaction, {most:.2} recorded",
                cost.load, cost.protocol
            );
        }
    }
    out
}

#[test]
fn transactions_cost_no_more_than_recorded() {
    let counted = Counted::start();
    let accept = std::env::var_os("ACCEPT").is_some();
    let text = std::fs::read_to_string(ceilings_path()).unwrap_or_default();
    if accept {
        assert!(counted.tracer.is_some(), "what cannot be counted here cannot be recorded here");
        let text = serde_json::to_string_pretty(&counted.ceilings()).expect("numbers can be written");
        std::fs::write(ceilings_path(), text + "\n").expect("bench/ceilings.json can be written");
        return;
    }
    let ceilings: Vec<Cost> = serde_json::from_str(&text).expect("bench/ceilings.json can be read");
    let mut faults = String::new();
    for (load, protocol) in CASES {
        let ceiling = ceilings.iter().find(|ceiling| ceiling.load == load && ceiling.protocol == protocol);
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let (cost, calls) = counted.cost(load, protocol);
            println!("{cost:?}\n    {calls}");
            last = match ceiling {
                Some(ceiling) => excess(&cost, ceiling),
                None => format!("{load} {protocol} has no ceiling\n"),
            };
            if last.is_empty() {
                break;
            }
            last.push_str(&format!("    {calls}\n"));
        }
        faults.push_str(&last);
    }
    assert!(faults.is_empty(), "\n{faults}If that is as it should be, ACCEPT=1 records it.");
    let home = counted.home.clone();
    drop(counted);
    std::fs::remove_dir_all(&home).expect("the servers' directory can be removed");
}
