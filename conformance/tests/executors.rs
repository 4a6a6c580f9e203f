//! Queries of PostgreSQL's suite in both executors: the answers agree. `make conformance EXECUTOR=datafusion` does it for
//! the whole suite; here are the files that DataFusion runs most of. Without a network, and with no suite fetched
//! before, the test says SKIPPED and why.

use redoubt_conformance::{
    BothExecutors, Run, Suite, Target, redoubt_binary, say_skipped, scratch_dir, unused_port,
};

/// Of the schedule, in its order; the first makes the tables.
const FILES: [&str; 8] =
    ["test_setup", "create_index", "select", "select_distinct", "aggregates", "join", "subselect", "union"];

#[test]
fn the_executors_agree_about_the_suite() {
    let suite = match Suite::fetch() {
        Ok(suite) => suite,
        Err(reason) => {
            say_skipped("the suite's queries in both executors", &reason);
            return;
        }
    };
    let home = scratch_dir("executors");
    let target = Target::redoubt(&suite, redoubt_binary(), home.join("server"), unused_port());
    let mut both = None;
    let run = Run::start_behind(&suite, target, home.join("output"), "regression", |port| {
        let proxy = BothExecutors::start(port).map_err(|error| error.to_string())?;
        let port = proxy.port;
        both = Some(proxy);
        Ok(port)
    });
    let (mut run, both) = (run.expect("a server"), both.expect("a proxy"));
    for name in FILES {
        both.begin(name);
        let file = run.file(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!file.crashed && !file.hung, "{name} crashes or hangs:\n{}", file.log);
    }
    let tally = both.tally();
    for found in &tally.disagreements {
        eprintln!(
            "== {}: {}\n-- row\n{}-- datafusion\n{}",
            found.file, found.statement, found.row, found.datafusion
        );
    }
    assert!(tally.disagreements.is_empty(), "{}", tally.table(20));
    assert!(tally.ran > 150, "too little has run in DataFusion to say anything:\n{}", tally.table(20));
}
