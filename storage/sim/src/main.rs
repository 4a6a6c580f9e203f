//! Runs seeds: one with a readable trace, or many, counted.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use redoubt_sim::{Coverage, Fault, MUST_HAPPEN, Options, Script, Trace, run, shrink};

const USAGE: &str = "redoubt-sim --seed N [--without fault,fault] [--script name] | --seeds A..B [--without ...] [--script ...]";

enum Wanted {
    One(u64),
    Many(Range<u64>),
}

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)) {
        Ok((Wanted::One(seed), options)) => one(seed, &options),
        Ok((Wanted::Many(seeds), options)) => many(seeds, &options),
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut arguments: impl Iterator<Item = String>) -> Result<(Wanted, Options), String> {
    let (mut wanted, mut options) = (None, Options::default());
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
        match name.as_str() {
            "--seed" => wanted = Some(Wanted::One(number(&value)?)),
            "--seeds" => {
                let (first, end) = value.split_once("..").ok_or_else(|| format!("{value:?} is no range"))?;
                wanted = Some(Wanted::Many(number(first)?..number(end)?));
            }
            "--without" => {
                for word in value.split(',') {
                    let found = Fault::ALL.iter().find(|fault| fault.word() == word);
                    options.without.push(*found.ok_or_else(|| format!("{word:?} is no fault"))?);
                }
            }
            "--script" => {
                let found = Script::ALL.iter().find(|script| script.word() == value);
                options.script = Some(*found.ok_or_else(|| format!("{value:?} is no script"))?);
            }
            _ => return Err(format!("{name:?} is not known")),
        }
    }
    wanted.map(|wanted| (wanted, options)).ok_or_else(|| "a seed is needed".to_owned())
}

/// Replays a seed, and says which faults it needs to fail.
fn one(seed: u64, options: &Options) -> ExitCode {
    let outcome = run(seed, options, Trace::Print);
    println!("\nseed {seed}: {}; {} events", outcome.plan, outcome.events);
    print_coverage(&outcome.coverage);
    let Some(failure) = outcome.failure else {
        println!("seed {seed} found nothing");
        return ExitCode::SUCCESS;
    };
    println!("seed {seed} FAILED: {failure}");
    if options.script.is_some() {
        return ExitCode::FAILURE;
    }
    let without = shrink(seed, options);
    let words: Vec<&str> = without.iter().map(|fault| fault.word()).collect();
    let needed: Vec<String> =
        redoubt_sim::FaultPlan::draw(seed, &without).present().map(|f| f.to_string()).collect();
    println!("it fails with {} alone: --without {}", needed.join(", "), words.join(","));
    ExitCode::FAILURE
}

/// Runs a range of seeds on all processors.
fn many(seeds: Range<u64>, options: &Options) -> ExitCode {
    let (next, started) = (AtomicU64::new(seeds.start), Instant::now());
    let total = Mutex::new((Coverage::default(), 0_u64, Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(seed, options, Trace::Off);
                    let mut total = total.lock().expect("nobody panics with it");
                    total.0.merge(&outcome.coverage);
                    total.1 += outcome.events;
                    if let Some(failure) = outcome.failure {
                        println!("seed {seed} FAILED: {failure}");
                        total.2.push(seed);
                    }
                }
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let (coverage, events, mut failed) = total.into_inner().expect("nobody panicked with it");
    print_coverage(&coverage);
    let count = seeds.end.saturating_sub(seeds.start);
    println!(
        "{count} seeds, {events} events in {seconds:.1} s: {:.0} events a second",
        events as f64 / seconds
    );
    let absent: Vec<&str> = MUST_HAPPEN.iter().copied().filter(|what| coverage.count(what) == 0).collect();
    let is_drawn = options.without.is_empty() && options.script.is_none();
    if !absent.is_empty() && is_drawn && count >= 100 {
        println!("never happened: {}", absent.join("; "));
        return ExitCode::FAILURE;
    }
    failed.sort_unstable();
    if let Some(seed) = failed.first() {
        println!("{} seeds FAILED; replay with: make sim SEED={seed}", failed.len());
        return ExitCode::FAILURE;
    }
    println!("nothing was found");
    ExitCode::SUCCESS
}

fn print_coverage(coverage: &Coverage) {
    coverage.iter().for_each(|(what, count)| println!("{count:>10}  {what}"));
}
