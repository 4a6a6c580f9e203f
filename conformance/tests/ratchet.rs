//! What passes of PostgreSQL's suites must go on passing: the files and specs that
//! `conformance/passing/` lists are run again. Without a network, and with no suite fetched before,
//! the test says SKIPPED and why.

use redoubt_conformance::{
    FileRun, Run, Suite, Target, redoubt_binary, say_skipped, scratch_dir, unused_port,
};
use std::path::Path;

fn listed(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("passing").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_string).collect()
}

fn start(suite: &Suite, database: &str) -> Run {
    let home = scratch_dir("ratchet");
    let target = Target::redoubt(suite, redoubt_binary(), home.join("server"), unused_port());
    Run::start(suite, target, home.join("output"), database).unwrap_or_else(|error| panic!("{error}"))
}

/// Why a run is not a pass, if it is not.
fn fault(run: &FileRun) -> Option<String> {
    let what = match (run.crashed, run.hung, run.passed) {
        (true, _, _) => format!("crashes the server:\n{}", run.log),
        (false, true, _) => "hangs".to_string(),
        (false, false, false) => "fails".to_string(),
        (false, false, true) => return None,
    };
    Some(format!("{} {what}", run.name))
}

#[test]
fn what_passed_passes() {
    let suite = match Suite::fetch() {
        Ok(suite) => suite,
        Err(reason) => {
            say_skipped("the ratchet of PostgreSQL's suites", &reason);
            return;
        }
    };
    let mut faults = Vec::new();
    let mut regression = start(&suite, "regression");
    let (scheduled, files) = (suite.files().expect("the schedule"), listed("files"));
    // The schedule's first makes the tables that the others read, and is run whether it passes or not.
    let run = scheduled.iter().enumerate().filter(|(index, name)| *index == 0 || files.contains(name));
    for (_, name) in run {
        let run = regression.file(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        faults.extend(fault(&run).filter(|_| files.contains(name)));
    }
    let mut differences = regression.differences();
    drop(regression);
    let specs = listed("specs");
    if !specs.is_empty() {
        let mut isolation = start(&suite, "isolation_regression");
        for name in &specs {
            faults.extend(fault(&isolation.spec(name).unwrap_or_else(|error| panic!("{name}: {error}"))));
        }
        differences.push_str(&isolation.differences());
    }
    let gone: Vec<&String> = files.iter().filter(|name| !scheduled.contains(name)).collect();
    assert!(gone.is_empty(), "listed, but not in the suite: {gone:?}");
    assert!(faults.is_empty(), "{}\n{differences}", faults.join("\n"));
}
