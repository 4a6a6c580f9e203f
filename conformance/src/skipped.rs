//! Tests that a machine cannot run say so.

use std::io::Write;

/// Tells the terminal (the test harness swallows what a passing test prints) and the summary of `make test` that
/// something was not tested, and why.
pub fn say_skipped(what: &str, reason: &str) {
    let line = format!("SKIPPED: {what}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    if let Some(path) = std::env::var_os("REDOUBT_SKIPPED") {
        let summary = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        summary.and_then(|mut file| file.write_all(line.as_bytes())).expect("the summary can be written");
    }
}
