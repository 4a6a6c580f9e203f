//! The results of a run: kept in a file after every measurement, so that an interrupted run goes on.

use crate::cell::{Cell, Plan};
use crate::chart;
use crate::figures::Spread;
use crate::measurement::Measurement;
use crate::peer::{Peer, PeerName};
use crate::tpch::Answered;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Content {
    commit: String,
    postgresql: String,
    scale: u32,
    seconds: u32,
    cores: usize,
    /// By peer: settings that are not its defaults.
    settings: Vec<(String, Vec<String>)>,
    /// By peer: seconds of each `pgbench -i`.
    loads: Vec<(String, f64)>,
    rounds: Vec<Round>,
    /// By peer: after so many seconds of load, seconds until it was ready again.
    recoveries: Vec<(String, u32, f64)>,
    /// By scale factor: TPC-H's queries.
    #[serde(default)]
    tpch: Vec<(f64, Vec<Answered>)>,
    /// What could not be run here, and why.
    #[serde(default)]
    skipped: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Round {
    cell: String,
    round: u32,
    peer: String,
    #[serde(flatten)]
    measured: Measurement,
}

/// The results, and where they are kept.
pub struct Results {
    path: PathBuf,
    content: Content,
}

impl Results {
    /// Those that a run of this commit and plan has left, or none.
    pub fn open(directory: &Path, plan: &Plan, postgresql: &str, fresh: bool) -> Result<Results, String> {
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let commit = commit();
        let path = directory.join(format!("{commit}-{}.json", plan.label()));
        let mut content = Content {
            commit,
            postgresql: postgresql.into(),
            scale: plan.scale,
            seconds: plan.seconds,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            ..Content::default()
        };
        if !fresh && path.exists() {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            content = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(Results { path, content })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The commit that was measured, and PostgreSQL's version.
    pub fn versions(&self) -> (&str, &str) {
        (&self.content.commit, &self.content.postgresql)
    }

    /// Whether a round of a cell has been run on a peer.
    pub fn has(&self, cell: &Cell, round: u32, peer: PeerName) -> bool {
        let cell = cell.to_string();
        self.content.rounds.iter().any(|r| r.cell == cell && r.round == round && r.peer == peer.as_str())
    }

    /// Keeps a round.
    pub fn note(
        &mut self,
        cell: &Cell,
        round: u32,
        peer: PeerName,
        measured: Measurement,
    ) -> Result<(), String> {
        let (cell, peer) = (cell.to_string(), peer.as_str().to_string());
        self.content.rounds.push(Round { cell, round, peer, measured });
        self.save()
    }

    /// Keeps how long the tables took to fill, and the peer's settings.
    pub fn note_load(&mut self, peer: &Peer, seconds: f64) -> Result<(), String> {
        let name = peer.name.as_str().to_string();
        self.content.settings.retain(|(known, _)| *known != name);
        self.content.settings.push((name.clone(), peer.settings()));
        self.content.loads.push((name, seconds));
        self.save()
    }

    /// The median of the seconds that `pgbench -i` took.
    pub fn load_time(&self, peer: PeerName) -> Option<Spread> {
        let of_peer = self.content.loads.iter().filter(|(name, _)| name == peer.as_str());
        Spread::of(of_peer.map(|(_, seconds)| *seconds).collect())
    }

    /// Keeps how long a peer took to be ready after kill -9.
    pub fn note_recovery(&mut self, peer: PeerName, after_seconds: u32, ready: f64) -> Result<(), String> {
        self.content.recoveries.push((peer.as_str().to_string(), after_seconds, ready));
        self.save()
    }

    /// Seconds of load before kill -9, and how long it took to be ready then.
    pub fn recoveries(&self) -> &[(String, u32, f64)] {
        &self.content.recoveries
    }

    /// Keeps that something could not be run, and why.
    pub fn note_skipped(&mut self, what: &str) -> Result<(), String> {
        if !self.content.skipped.iter().any(|known| known == what) {
            self.content.skipped.push(what.to_string());
        }
        self.save()
    }

    /// What could not be run, and why.
    pub fn skipped(&self) -> &[String] {
        &self.content.skipped
    }

    /// Runs that came to no end: cell, peer and why.
    pub fn troubles(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let of = |round: &'_ Round| round.measured.trouble.is_some();
        self.content
            .rounds
            .iter()
            .filter(move |round| of(round))
            .map(|round| (&*round.cell, &*round.peer, round.measured.trouble.as_deref().unwrap_or_default()))
    }

    /// The cells there are measurements of, in the order in which they were first run.
    pub fn cells(&self) -> Vec<String> {
        let mut cells: Vec<String> = Vec::new();
        for round in &self.content.rounds {
            if !cells.contains(&round.cell) {
                cells.push(round.cell.clone());
            }
        }
        cells
    }

    /// A figure of a cell on a peer over all rounds.
    pub fn spread(&self, cell: &str, peer: PeerName, figure: impl Fn(&Measurement) -> f64) -> Option<Spread> {
        let of_cell = self.content.rounds.iter().filter(|r| r.cell == cell && r.peer == peer.as_str());
        Spread::of(of_cell.map(|round| figure(&round.measured)).collect())
    }

    /// A figure of a peer against another's in the same round, over all rounds that both have run.
    pub fn ratio(
        &self,
        cell: &str,
        peer: PeerName,
        against: PeerName,
        figure: impl Fn(&Measurement) -> f64,
    ) -> Option<Spread> {
        let find = |name: PeerName, number: u32| {
            self.content
                .rounds
                .iter()
                .find(|r| r.cell == cell && r.round == number && r.peer == name.as_str())
                .map(|round| figure(&round.measured))
        };
        let most = self.content.rounds.iter().map(|round| round.round).max()?;
        let ratios = (0..=most).filter_map(|number| Some(find(peer, number)? / find(against, number)?));
        Spread::of(ratios.collect())
    }

    /// Keeps how a query of TPC-H went on all peers, in place of what was known of it.
    pub fn note_answers(&mut self, scale_factor: f64, answered: Vec<Answered>) -> Result<(), String> {
        let known = self.content.tpch.iter().position(|(factor, _)| *factor == scale_factor);
        let known = known.unwrap_or_else(|| {
            self.content.tpch.push((scale_factor, Vec::new()));
            self.content.tpch.len() - 1
        });
        let all = &mut self.content.tpch[known].1;
        all.retain(|old| !answered.iter().any(|new| new.query == old.query));
        all.extend(answered);
        self.save()
    }

    /// Whether it is known how a query went on all of these peers.
    pub fn has_answers(&self, scale_factor: f64, query: u32, peers: &[Peer]) -> bool {
        let known = self.content.tpch.iter().find(|(factor, _)| *factor == scale_factor);
        peers.iter().all(|peer| {
            known.is_some_and(|(_, all)| all.iter().any(|a| a.query == query && a.peer == peer.name.as_str()))
        })
    }

    /// TPC-H's queries by scale factor.
    pub fn tpch(&self) -> &[(f64, Vec<Answered>)] {
        &self.content.tpch
    }

    /// Transactions that failed, and queries that failed or were answered wrongly, all in all.
    pub fn failed(&self) -> u64 {
        let transactions: u64 = self.content.rounds.iter().map(|round| round.measured.failed).sum();
        let queries = self.content.tpch.iter().flat_map(|(_, all)| all).filter(|a| a.trouble.is_some());
        transactions + queries.count() as u64
    }

    /// Draws the charts beside the file.
    pub fn write_charts(&self) -> Result<(), String> {
        for (name, svg) in chart::all(self) {
            let path = self.path.with_extension(format!("{name}.svg"));
            std::fs::write(&path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// Written beside and moved, so that an interruption leaves one state or the other.
    fn save(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.content).map_err(|error| error.to_string())?;
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, text + "\n")
            .and_then(|()| std::fs::rename(&beside, &self.path))
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// The commit of the checkout, marked if it has changes.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".into() };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}-changed"),
    }
}
