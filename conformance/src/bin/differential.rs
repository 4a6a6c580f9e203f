//! `make differential`: random queries to Redoubt and to PostgreSQL, which have to give the same answers.
//!
//! `--seeds a..b` and `--queries n` say how many; each seed's tables are made anew. Every difference is printed with
//! the query and ends the run with a failure.

use redoubt_conformance::{
    SideBySide, Suite, Tally, Target, readable_copy, redoubt_binary, scratch_dir, unused_port,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments().and_then(|(seeds, queries)| run(seeds, queries)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(std::ops::Range<u64>, usize), String> {
    let (mut seeds, mut queries) = (0..5, 300);
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} wants a value"))?;
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{option} {value}: {error}"));
        match option.as_str() {
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or_else(|| format!("{option} wants a..b"))?;
                seeds = number(from)?..number(to)?;
            }
            "--queries" => queries = number(&value)? as usize,
            _ => return Err(format!("{option} is not an option")),
        }
    }
    Ok((seeds, queries))
}

fn run(seeds: std::ops::Range<u64>, queries: usize) -> Result<bool, String> {
    let suite = Suite::fetch()?;
    let home = scratch_dir("differential");
    let mut theirs =
        Target::postgres(&readable_copy(&suite, &home)?, &[], home.join("postgresql"), unused_port());
    let mut ours = Target::redoubt(&suite, redoubt_binary(), home.join("redoubt"), unused_port());
    let mut clean = true;
    for seed in seeds {
        theirs.start_fresh()?;
        ours.start_fresh()?;
        let mut both = SideBySide::new(ours.port, theirs.port)?;
        let tally = both.run(seed, queries).map_err(|error| format!("seed {seed}: {error}"))?;
        clean &= report(seed, &tally);
    }
    Ok(clean)
}

fn report(seed: u64, tally: &Tally) -> bool {
    for (query, what) in &tally.different {
        println!("seed {seed}: {what}\n  {query}");
    }
    println!(
        "seed {seed}: {} same, {} refused by both, {} unsupported, {} timed out, {} different",
        tally.same,
        tally.refused,
        tally.unsupported,
        tally.timed_out,
        tally.different.len()
    );
    tally.different.is_empty()
}
