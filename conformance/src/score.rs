//! The score: by file, in total, as a table and as JSON.

use crate::compare::{Compared, Expected, compare};
use crate::recording::Exchange;
use crate::regress::{FileRun, SpecRun};
use serde_json::{Value, json};
use std::fmt::Write;

/// One file's result.
pub struct FileScore {
    /// Its name in the schedule.
    pub name: String,
    /// pg_regress found one of the expected outputs.
    pub passed: bool,
    /// pg_regress is content because the file ended itself early; PostgreSQL's run went on.
    pub skipped: bool,
    /// Statements answered as PostgreSQL answers them.
    pub matched: usize,
    /// Statements in PostgreSQL's run.
    pub total: usize,
    /// The server died or hung.
    pub crashed: bool,
    /// A statement got no answer in time.
    pub hung: bool,
    /// Errors with SQLSTATE XX000 where PostgreSQL has none: statement and message.
    pub internal: Vec<String>,
    /// Statements answered alike from the same state whose transaction state is then another.
    pub wrong_states: usize,
    /// Milliseconds.
    pub took_ms: u128,
}

/// Everything of one run.
#[derive(Default)]
pub struct Score {
    /// Version of the suite and of PostgreSQL.
    pub version: String,
    /// The commit that was judged.
    pub commit: String,
    /// Files in the order of the schedule.
    pub files: Vec<FileScore>,
    /// Specs with their verdicts.
    pub specs: Vec<(String, bool)>,
    /// Specs in which the server died or hung.
    pub spec_crashes: usize,
    /// Specs that hung.
    pub spec_hangs: usize,
    /// Errors with SQLSTATE XX000 in specs.
    pub spec_internal: usize,
    /// Set-up statements of pg_regress that the server refused.
    pub refused: Vec<String>,
}

/// Judges one file; also returns what became of each statement.
pub fn judge(run: &FileRun, expected: &[Expected]) -> (FileScore, Vec<Compared>) {
    let compared = compare(expected, &run.exchanges);
    let (mut matched, mut wrong_states, mut internal) = (0, 0, Vec::new());
    let mut claimed = vec![false; run.exchanges.len()];
    // Before the first statement no transaction is open, here or there.
    let mut states_agreed = true;
    for (expected, &compared) in expected.iter().zip(&compared) {
        let at = match compared {
            Compared::Same(at) => {
                matched += 1;
                at
            }
            Compared::Differs(at) => at,
            Compared::Missing => {
                states_agreed = false;
                continue;
            }
        };
        claimed[at] = is_internal(&expected.first);
        let agree = run.exchanges[at].state == expected.first.state;
        if states_agreed && !agree && matches!(compared, Compared::Same(_)) {
            wrong_states += 1;
        }
        states_agreed = agree;
    }
    for (exchange, also_theirs) in run.exchanges.iter().zip(claimed) {
        if is_internal(exchange) && !also_theirs {
            let message =
                exchange.errors.iter().find(|error| error.0 == "XX000").map_or("", |error| &error.1);
            internal.push(format!("{}: {message}", first_line(&exchange.statement)));
        }
    }
    let missing = compared.iter().filter(|&&compared| compared == Compared::Missing).count();
    // Some files end themselves when the server lacks a feature, and that output is among the expected
    // ones. It proves nothing about us where PostgreSQL went on.
    let skipped = run.passed && missing * 2 > expected.len();
    let score = FileScore {
        name: run.name.clone(),
        passed: run.passed && !skipped,
        skipped,
        matched,
        total: expected.len(),
        crashed: run.crashed,
        hung: run.hung,
        internal,
        wrong_states,
        took_ms: run.took.as_millis(),
    };
    (score, compared)
}

pub(crate) fn is_internal(exchange: &Exchange) -> bool {
    exchange.errors.iter().any(|error| error.0 == "XX000")
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim()
}

impl Score {
    /// Adds a spec.
    pub fn add_spec(&mut self, run: &SpecRun) {
        self.specs.push((run.name.clone(), run.passed));
        self.spec_crashes += usize::from(run.crashed);
        self.spec_hangs += usize::from(run.hung);
        self.spec_internal += run.exchanges.iter().filter(|exchange| is_internal(exchange)).count();
    }

    /// Files that pass.
    pub fn files_passed(&self) -> usize {
        self.files.iter().filter(|file| file.passed).count()
    }

    /// Specs that pass.
    pub fn specs_passed(&self) -> usize {
        self.specs.iter().filter(|spec| spec.1).count()
    }

    /// Statements that match, and all of them.
    pub fn statements(&self) -> (usize, usize) {
        self.files.iter().fold((0, 0), |sum, file| (sum.0 + file.matched, sum.1 + file.total))
    }

    fn counted(&self, of: impl Fn(&FileScore) -> usize) -> usize {
        self.files.iter().map(of).sum()
    }

    /// Crashes in files and specs.
    pub fn crashes(&self) -> usize {
        self.counted(|file| usize::from(file.crashed)) + self.spec_crashes
    }

    /// Hangs in files and specs.
    pub fn hangs(&self) -> usize {
        self.counted(|file| usize::from(file.hung)) + self.spec_hangs
    }

    /// Errors that no server should give.
    pub fn internal_errors(&self) -> usize {
        self.counted(|file| file.internal.len()) + self.spec_internal
    }

    /// The totals as JSON, with every file and spec.
    pub fn json(&self) -> Value {
        let (matched, total) = self.statements();
        let files: Vec<Value> = self.files.iter().map(file_json).collect();
        let specs: Vec<Value> =
            self.specs.iter().map(|(name, passed)| json!({"name": name, "passed": passed})).collect();
        json!({
            "suite": self.version,
            "commit": self.commit,
            "files_passed": self.files_passed(),
            "files_total": self.files.len(),
            "statements_matched": matched,
            "statements_total": total,
            "specs_passed": self.specs_passed(),
            "specs_total": self.specs.len(),
            "crashes": self.crashes(),
            "hangs": self.hangs(),
            "internal_errors": self.internal_errors(),
            "wrong_transaction_states": self.counted(|file| file.wrong_states),
            "refused_set_up": self.refused,
            "files": files,
            "specs": specs,
        })
    }

    /// The table that is printed.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            let share = percent(file.matched, file.total);
            let verdict = match (file.passed, file.skipped) {
                (true, _) => "passed",
                (false, true) => "skips itself",
                (false, false) => "",
            };
            let trouble =
                [(file.crashed, " CRASH"), (file.hung, " HANG"), (!file.internal.is_empty(), " XX000")];
            let trouble: String = trouble.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
            // Writing to a String cannot fail.
            let _written = writeln!(
                out,
                "{:<24} {:>5} / {:>5}  {share:>5.1} %  {:>6.1} s  {verdict}{trouble}",
                file.name,
                file.matched,
                file.total,
                file.took_ms as f64 / 1000.0,
            );
        }
        let (matched, total) = self.statements();
        let _written = write!(
            out,
            "\nPostgreSQL's suite {} against {}\nfiles       {:>6} / {:>6}\nstatements  {matched:>6} / {total:>6}  ({:.1} %)\n\
             specs       {:>6} / {:>6}\ncrashes {}, hangs {}, internal errors {}, wrong transaction states {}\n",
            self.version,
            self.commit,
            self.files_passed(),
            self.files.len(),
            percent(matched, total),
            self.specs_passed(),
            self.specs.len(),
            self.crashes(),
            self.hangs(),
            self.internal_errors(),
            self.counted(|file| file.wrong_states),
        );
        out
    }
}

fn file_json(file: &FileScore) -> Value {
    json!({
        "name": file.name, "passed": file.passed, "skipped": file.skipped, "matched": file.matched, "total": file.total,
        "crashed": file.crashed, "hung": file.hung, "internal_errors": file.internal,
    })
}

pub(crate) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
