//! `make sqlsmith`: random queries, asked of PostgreSQL and Redoubt; three seeds unless others are named.
//!
//! `sqlsmith [--queries=5000] [SEED...]` fails when Redoubt crashes, hangs, gives an internal error, or runs less than
//! half of what PostgreSQL runs. All seeds together are in `sqlsmith.json`.

use redoubt_conformance::{Smith, SmithScore, Suite};
use std::path::Path;
use std::process::ExitCode;

const SEEDS: [u32; 3] = [1, 2, 3];
const QUERIES: usize = 5000;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sqlsmith: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let (mut queries, mut seeds) = (QUERIES, Vec::new());
    for argument in std::env::args().skip(1) {
        let unknown = || format!("{argument} is neither --queries=N nor a seed");
        match argument.strip_prefix("--queries=") {
            Some(count) => queries = count.parse().map_err(|_error| unknown())?,
            None => seeds.push(argument.parse().map_err(|_error| unknown())?),
        }
    }
    if seeds.is_empty() {
        seeds.extend(SEEDS);
    }
    let suite = Suite::fetch()?;
    let mut smith = Smith::start(&suite)?;
    println!("Relations that Redoubt has not got and no query names: {}", smith.left_out.join(" "));
    let mut all = SmithScore::default();
    for seed in &seeds {
        let queries = smith.queries(*seed, queries)?;
        let score = smith.ask(&queries)?;
        println!("seed {seed}: {}", score.table().lines().take(2).collect::<Vec<_>>().join("; "));
        all.merge(score);
    }
    println!("\n{}", all.table());
    let mut json = all.json();
    json["seeds"] = seeds.into();
    json["relations_left_out"] = smith.left_out.into();
    let text = serde_json::to_string_pretty(&json).map_err(|error| error.to_string())?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sqlsmith.json");
    std::fs::write(&path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(all.holds())
}
