//! `make conformance`: PostgreSQL's own suites, unmodified, over the wire, with an honest score.
//!
//! Without arguments everything is run and `score.json`, `score.svg` and `todo.txt` are written.
//! With names of files, only these are run (after the schedule's first, which makes the tables that
//! the others read) and every difference is shown. `--accept` writes the lists in `passing/`.
//! `--executor=datafusion` asks every query of these files in both executors and compares the answers.

use redoubt_conformance::{
    BothExecutors, Compared, Reference, Run, Score, Suite, Target, Todo, draw, judge, redoubt_binary,
    scratch_dir, unused_port,
};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Compares the executors.
const BOTH: &str = "--executor=datafusion";
/// How many reasons for not running in DataFusion are shown.
const REASONS: usize = 60;

fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let has = |name: &str| options.iter().any(|option| option == name);
    let (accept, both) = (has("--accept"), has(BOTH));
    if let Some(unknown) = options.iter().find(|option| *option != "--accept" && *option != BOTH) {
        eprintln!("conformance: {unknown} is not an option");
        return ExitCode::from(2);
    }
    let result = match (both, names.is_empty()) {
        (true, _) => in_both_executors(&names),
        (false, true) => everything(accept),
        (false, false) => some(&names),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One line that is written over on a terminal and written once elsewhere.
fn progress(text: &str) {
    let mut out = std::io::stderr();
    // Progress that cannot be shown is not worth failing for.
    let _shown = if out.is_terminal() { write!(out, "\r\x1b[K{text}") } else { writeln!(out, "{text}") };
    let _flushed = out.flush();
}

fn crate_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn write(name: &str, content: &str) -> Result<(), String> {
    let path = crate_path(name);
    std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn start(suite: &Suite, home: &Path, name: &str, database: &str) -> Result<Run, String> {
    let target = Target::redoubt(suite, redoubt_binary(), home.join(name), unused_port());
    Run::start(suite, target, home.join(format!("{name}-output")), database)
}

/// What is judged: the checkout's commit, unless `REDOUBT_COMMIT` says what the binary was built from.
fn commit() -> String {
    if let Ok(named) = std::env::var("REDOUBT_COMMIT") {
        return named;
    }
    let output =
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(crate_path("")).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}

fn everything(accept: bool) -> Result<(), String> {
    let suite = Suite::fetch()?;
    println!("PostgreSQL's suite {}", suite.version);
    let reference = Reference::ready(&suite, progress)?;
    print!("{}", reference.proof());
    let home = scratch_dir("conformance");
    let mut score = Score { version: suite.version.clone(), commit: commit(), ..Score::default() };
    let mut todo = Todo::default();
    let mut run = start(&suite, &home, "regress", "regression")?;
    score.refused.clone_from(&run.refused);
    let files = suite.files()?;
    for (index, name) in files.iter().enumerate() {
        progress(&format!("{} of {}: {name}", index + 1, files.len()));
        let file = run.file(name)?;
        let expected = reference.file(name)?;
        let (judged, compared) = judge(&file, &expected);
        if judged.crashed {
            println!("CRASH in {name}, at: {}\n{}", last_statement(&file), file.log);
        }
        if judged.hung {
            println!("HANG in {name}, at: {}", last_statement(&file));
        }
        for internal in &judged.internal {
            println!("XX000 in {name}: {internal}");
        }
        todo.add(name, &expected, &file.exchanges, &compared);
        score.files.push(judged);
    }
    drop(run);
    let mut isolation = start(&suite, &home, "isolation", "isolation_regression")?;
    for name in suite.specs()? {
        progress(&format!("spec {name}"));
        score.add_spec(&isolation.spec(&name)?);
    }
    drop(isolation);
    progress("");
    println!("{}", score.table());
    println!("{}", todo.list(30));
    let json = serde_json::to_string_pretty(&score.json()).map_err(|error| error.to_string())?;
    write("score.json", &(json + "\n"))?;
    write("score.svg", &draw(&score))?;
    write("todo.txt", &todo.list(100))?;
    println!("Everything is in {}", home.display());
    if accept { accept_passing(&score) } else { Ok(()) }
}

/// What the server was asked last: what it died or hung of.
fn last_statement(file: &redoubt_conformance::FileRun) -> String {
    file.exchanges.last().map(|exchange| exchange.statement.trim().to_string()).unwrap_or_default()
}

/// The lists the ratchet holds: what passes now. The first of the schedule is run for its tables
/// whether it passes or not.
fn accept_passing(score: &Score) -> Result<(), String> {
    let list = |names: Vec<&str>| names.into_iter().map(|name| format!("{name}\n")).collect::<String>();
    let files = score.files.iter().filter(|file| file.passed).map(|file| file.name.as_str()).collect();
    let specs = score.specs.iter().filter(|spec| spec.1).map(|spec| spec.0.as_str()).collect();
    write("passing/files", &list(files))?;
    write("passing/specs", &list(specs))
}

/// Runs the named files and shows how each answer differs.
fn some(names: &[String]) -> Result<(), String> {
    let suite = Suite::fetch()?;
    let reference = Reference::ready(&suite, progress)?;
    let scheduled = suite.files()?;
    if let Some(unknown) = names.iter().find(|name| !scheduled.contains(name)) {
        return Err(format!("{unknown} is not in the schedule of the suite"));
    }
    let home = scratch_dir("conformance");
    let mut run = start(&suite, &home, "regress", "regression")?;
    if let Some(first) = scheduled.first().filter(|first| !names.contains(first)) {
        run.file(first)?;
    }
    for name in names {
        let file = run.file(name)?;
        let expected = reference.file(name)?;
        let (score, compared) = judge(&file, &expected);
        for (expected, compared) in expected.iter().zip(&compared) {
            match *compared {
                Compared::Same(_) => {}
                Compared::Missing => println!("== never sent: {}", expected.first.statement.trim()),
                Compared::Differs(at) => {
                    println!("== {}", expected.first.statement.trim());
                    print!("{}", differing(&expected.first.printed(), &file.exchanges[at].printed()));
                }
            }
        }
        let verdict = if score.passed { "passes whole" } else { "does not pass whole" };
        println!("{name}: {} of {} statements, {verdict}", score.matched, score.total);
        if score.crashed || score.hung {
            println!("CRASH or HANG at: {}\n{}", last_statement(&file), file.log);
        }
    }
    println!(
        "pg_regress's own differences are in {}",
        home.join("regress-output/regression.diffs").display()
    );
    Ok(())
}

/// Asks the queries of the named files, or of all, in both executors.
fn in_both_executors(names: &[String]) -> Result<(), String> {
    let suite = Suite::fetch()?;
    let scheduled = suite.files()?;
    if let Some(unknown) = names.iter().find(|name| !scheduled.contains(name)) {
        return Err(format!("{unknown} is not in the schedule of the suite"));
    }
    let home = scratch_dir("executors");
    let target = Target::redoubt(&suite, redoubt_binary(), home.join("regress"), unused_port());
    let mut both = None;
    let mut run = Run::start_behind(&suite, target, home.join("output"), "regression", |port| {
        let proxy = BothExecutors::start(port).map_err(|error| format!("the proxy: {error}"))?;
        let port = proxy.port;
        both = Some(proxy);
        Ok(port)
    })?;
    let both = both.ok_or("the proxy was not started")?;
    // The schedule's first makes the tables that the others read.
    let is_wanted = |(at, name): &(usize, &String)| names.is_empty() || *at == 0 || names.contains(name);
    let files: Vec<&String> = scheduled.iter().enumerate().filter(is_wanted).map(|(_, name)| name).collect();
    let (mut shown, mut fallen) = (0, Vec::new());
    for (index, name) in files.iter().enumerate() {
        progress(&format!("{} of {}: {name}", index + 1, files.len()));
        both.begin(name);
        let file = run.file(name)?;
        if file.crashed || file.hung {
            println!("CRASH or HANG in {name}, at: {}\n{}", last_statement(&file), file.log);
            fallen.push(name.as_str());
        }
        for new in &both.tally().disagreements[shown..] {
            println!("== {}: {}", new.file, new.statement);
            println!("-- row\n{}-- datafusion\n{}", new.row, new.datafusion);
            shown += 1;
        }
    }
    progress("");
    let tally = both.tally();
    println!("{}", tally.table(REASONS));
    match (tally.disagreements.len(), fallen.is_empty()) {
        (0, true) => Ok(()),
        (0, false) => Err(format!("the server fell in {}", fallen.join(", "))),
        (count, _) => Err(format!("the executors disagree about {count} queries")),
    }
}

/// Lines of PostgreSQL's answer that ours lacks (`-`) and the other way round (`+`).
fn differing(theirs: &str, ours: &str) -> String {
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    let same_start = theirs.iter().zip(&ours).take_while(|(a, b)| a == b).count();
    let same_end = theirs[same_start..]
        .iter()
        .rev()
        .zip(ours[same_start..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let part = |sign: char, lines: &[&str]| {
        let lines = &lines[same_start..lines.len() - same_end];
        lines.iter().map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    part('-', &theirs) + &part('+', &ours)
}
