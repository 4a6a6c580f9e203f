//! `make bench`: Redoubt and PostgreSQL side by side, on one machine, in one run.
//!
//! Every cell (a load, a protocol, a number of clients) is run on every peer in turn, for several short rounds, and
//! only ratios within a round are compared: the machine's mood changes between rounds, less within one. See
//! `bench/README.md`.

mod accounting;
mod cell;
mod chart;
mod figures;
mod idle;
mod measurement;
mod peer;
mod pgbench;
mod postgres;
mod processes;
mod recovery;
mod redoubt;
mod report;
mod results;
mod sysbench;
mod tpch;
mod tpch_queries;

use cell::{Cell, Load, Plan};
use clap::Parser;
use measurement::Measurement;
use peer::{Peer, PeerName};
use redoubt_conformance::Suite;
use results::Results;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use sysbench::Sysbench;

/// Redoubt beside PostgreSQL, in one run.
#[derive(Parser, Debug)]
struct Arguments {
    /// Few cells and short rounds, for a first look.
    #[arg(long)]
    quick: bool,
    /// Only cells and peers with one of these words in their names, separated by commas: `tpcb/simple/8`,
    /// `select`, `redoubt-embedded`. Peers that are not named take part if no peer is.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of one round of one cell on one peer.
    #[arg(long)]
    seconds: Option<u32>,
    /// Rounds.
    #[arg(long)]
    rounds: Option<u32>,
    /// pgbench's scale.
    #[arg(long)]
    scale: Option<u32>,
    /// Begin anew, whatever an interrupted run of the same commit and settings has left.
    #[arg(long)]
    fresh: bool,
    /// Also kill -9 each peer after so many seconds of load, and measure how long it takes to be ready again.
    #[arg(long, value_delimiter = ',')]
    kill_after_seconds: Vec<u32>,
    /// Scale factors at which the 22 queries of TPC-H are run.
    #[arg(long, value_delimiter = ',')]
    tpch: Vec<f64>,
    /// Where results go.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("bench: {failed} transactions or queries failed; the results name them");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; says how many transactions and queries failed.
fn run(arguments: &Arguments) -> Result<u64, String> {
    let plan = Plan::new(
        arguments.quick,
        arguments.seconds,
        arguments.rounds,
        arguments.scale,
        &arguments.kill_after_seconds,
    );
    let names: Vec<PeerName> = PeerName::chosen(&arguments.only);
    let mut cells: Vec<Cell> = plan.cells(&arguments.only);
    if cells.is_empty() && plan.kill_after_seconds.is_empty() && arguments.tpch.is_empty() {
        return Err(format!("no cell is called {}", arguments.only.join(" or ")));
    }
    let suite = Suite::fetch()?;
    let mut results = Results::open(&arguments.results, &plan, &suite.version, arguments.fresh)?;
    let sysbench = fetch_sysbench(&suite, &mut cells, &mut results)?;
    let home = Home::new()?;
    let suite = postgres::reachable(suite, &home.0)?;
    let mut peers = Vec::new();
    for name in &names {
        eprintln!("starting {name}");
        peers.push(Peer::start(*name, &suite, &home.0.join(name.as_str()))?);
    }
    for peer in &mut peers {
        if results.load_time(peer.name).is_none() {
            eprintln!("loading {} at scale {}", peer.name, plan.scale);
        }
        let seconds = pgbench::load(&suite, peer, plan.scale)?;
        results.note_load(peer, seconds)?;
    }
    measure_cells(&suite, sysbench.as_ref(), &plan, &cells, &mut peers, &mut results)?;
    for seconds in &plan.kill_after_seconds {
        for peer in &mut peers {
            if results
                .recoveries()
                .iter()
                .any(|(name, after, _)| name == peer.name.as_str() && after == seconds)
            {
                continue;
            }
            eprintln!("kill -9 of {} after {seconds} s of load", peer.name);
            let ready = recovery::measure(&suite, peer, *seconds, plan.clients_of_kill)?;
            results.note_recovery(peer.name, *seconds, ready)?;
        }
    }
    for scale_factor in &arguments.tpch {
        tpch::run(&suite, &peers, *scale_factor, &mut results)?;
    }
    println!("{}\n{}", report::table(&results), report::tpch_table(&results));
    results.write_charts()?;
    println!("results: {}", results.path().display());
    Ok(results.failed())
}

/// sysbench, if a cell is its own. Where it cannot be had those cells are skipped, and the results say so.
fn fetch_sysbench(
    suite: &Suite,
    cells: &mut Vec<Cell>,
    results: &mut Results,
) -> Result<Option<Sysbench>, String> {
    let is_its = |cell: &Cell| matches!(cell.load, Load::Sysbench(_));
    if !cells.iter().any(is_its) {
        return Ok(None);
    }
    match Sysbench::fetch(suite) {
        Ok(sysbench) => Ok(Some(sysbench)),
        Err(reason) => {
            eprintln!("SKIPPED: sysbench: {reason}");
            cells.retain(|cell| !is_its(cell));
            results.note_skipped(&format!("sysbench: {reason}"))?;
            Ok(None)
        }
    }
}

fn measure_cells(
    suite: &Suite,
    sysbench: Option<&Sysbench>,
    plan: &Plan,
    cells: &[Cell],
    peers: &mut [Peer],
    results: &mut Results,
) -> Result<(), String> {
    let total = plan.rounds as usize * cells.len() * peers.len();
    let (mut done, mut measured_now, started) = (0, 0, Instant::now());
    for round in 0..plan.rounds {
        for cell in cells {
            for peer in peers.iter_mut() {
                if !results.has(cell, round, peer.name) {
                    let progress = report::progress(done, total, measured_now, started.elapsed());
                    eprint!("\r\x1b[K{progress}  round {} {cell} {}", round + 1, peer.name);
                    let measured = Measurement::take(suite, sysbench, peer, cell, plan.seconds)?;
                    if let Some(trouble) = &measured.trouble {
                        eprintln!("\r\x1b[K{cell} on {}: {trouble}", peer.name);
                    }
                    results.note(cell, round, peer.name, measured)?;
                    measured_now += 1;
                }
                done += 1;
            }
        }
    }
    eprintln!("\r\x1b[K{}", report::progress(done, total, measured_now, started.elapsed()));
    Ok(())
}

/// Where the peers' data is; removed at the end.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Home, String> {
        let path = redoubt_conformance::scratch_dir("bench");
        remove_orphans(&path)?;
        open_to_all(&path)?;
        Ok(Home(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("bench: {}: {error}", self.0.display());
        }
    }
}

/// Removes what benches have left that were killed: directories beside `own`, called the same but for the process id,
/// which is nobody's now.
fn remove_orphans(own: &Path) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", own.display());
    let Some(parent) = own.parent() else { return Ok(()) };
    for entry in std::fs::read_dir(parent).map_err(explain)? {
        let entry = entry.map_err(explain)?;
        let name = entry.file_name();
        let of = name
            .to_str()
            .and_then(|name| name.strip_prefix("redoubt-bench-")?.split('-').next()?.parse().ok());
        if of.is_some_and(|pid: u32| !accounting::is_running(pid)) {
            std::fs::remove_dir_all(entry.path()).map_err(explain)?;
        }
    }
    Ok(())
}

/// PostgreSQL may run as another user than the bench.
fn open_to_all(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("{}: {error}", path.display()))
}
