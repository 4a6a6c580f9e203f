//! sqlsmith: random queries, generated from PostgreSQL's catalogs by Debian's sqlsmith, and asked of PostgreSQL and
//! Redoubt alike. Answers are not compared: most depend on times, numbers and order.

use crate::recording::{Ended, Exchange};
use crate::reference::readable_copy;
use crate::regress::Run;
use crate::server::{redoubt_binary, scratch_dir, unused_port};
use crate::suite::{Suite, fetched};
use crate::target::Target;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Both servers with the tables of the suite's first file, and sqlsmith.
pub struct Smith {
    suite: Suite,
    /// Where sqlsmith is unpacked.
    program: PathBuf,
    home: PathBuf,
    postgres: Run,
    redoubt: Run,
    /// Tables and views of PostgreSQL's that Redoubt has not got.
    pub left_out: Vec<String>,
}

/// What became of one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran.
    Ran,
    /// It gave an error: SQLSTATE and message.
    Failed(String, String),
    /// The server ended.
    Crashed,
    /// Nothing was heard for too long.
    Hung,
}

/// What became of one seed's queries, or of several seeds'.
#[derive(Default)]
pub struct SmithScore {
    /// Queries asked.
    pub asked: usize,
    /// Of these PostgreSQL ran so many.
    pub theirs: usize,
    /// And of those Redoubt ran so many.
    pub both: usize,
    /// Queries at which Redoubt ended.
    pub crashes: Vec<String>,
    /// Queries that Redoubt did not answer.
    pub hangs: Vec<String>,
    /// Queries with `XX000` where PostgreSQL has none, and the message.
    pub internal: Vec<(String, String)>,
    /// Features refused with `0A000` in queries that PostgreSQL runs.
    pub unsupported: BTreeMap<String, usize>,
    /// Other errors in queries that PostgreSQL runs: SQLSTATE and message.
    pub others: BTreeMap<(String, String), usize>,
}

impl Smith {
    /// Fetches sqlsmith, starts both servers and makes the tables.
    pub fn start(suite: &Suite) -> Result<Smith, String> {
        let program = fetched("sqlsmith")?;
        let home = scratch_dir("sqlsmith");
        let copy = readable_copy(suite, &home)?;
        let start = |target: Target, name: &str, suite: &Suite| -> Result<Run, String> {
            let mut run = Run::start(suite, target, home.join(format!("{name}-output")), "regression")?;
            for first in suite.files()?.iter().take(1) {
                run.file(first)?;
            }
            Ok(run)
        };
        let target = Target::postgres(&copy, &[], home.join("postgres"), unused_port());
        let postgres = start(target, "postgres", &copy)?;
        let target = Target::redoubt(&copy, redoubt_binary(), home.join("redoubt"), unused_port());
        let redoubt = start(target, "redoubt", &copy)?;
        let left_out = leave_out(&postgres, &redoubt)?;
        Ok(Smith { suite: copy, program, home, postgres, redoubt, left_out })
    }

    /// The queries that sqlsmith makes of a seed.
    pub fn queries(&self, seed: u32, count: usize) -> Result<Vec<String>, String> {
        let (port, database) = self.postgres.address();
        let mut command = Command::new(self.program.join("usr/bin/sqlsmith"));
        self.suite.clean_environment(&mut command);
        let libraries = std::fs::read_dir(self.program.join("usr/lib"));
        let libraries = libraries.into_iter().flatten().flatten().map(|entry| entry.path());
        let joined = std::env::join_paths(libraries).map_err(|error| error.to_string())?;
        command.env("LD_LIBRARY_PATH", joined);
        command.arg(format!("--target=host=127.0.0.1 port={port} user=postgres dbname={database}"));
        command.args([format!("--seed={seed}"), format!("--max-queries={count}"), "--dry-run".to_string()]);
        let output = command.output().map_err(|error| format!("sqlsmith: {error}"))?;
        if !output.status.success() {
            return Err(format!("sqlsmith: {}", String::from_utf8_lossy(&output.stderr).trim_end()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let queries = text.split(";\n").map(str::trim).filter(|query| !query.is_empty());
        Ok(queries.map(str::to_string).collect())
    }

    /// Asks both servers.
    pub fn ask(&mut self, queries: &[String]) -> Result<SmithScore, String> {
        let script = self.home.join("queries.sql");
        let theirs = outcomes(&mut self.postgres, queries, &script)?;
        let ours = outcomes(&mut self.redoubt, queries, &script)?;
        let mut score = SmithScore::default();
        for ((query, theirs), ours) in queries.iter().zip(theirs).zip(ours) {
            score.add(query, &theirs, ours);
        }
        Ok(score)
    }
}

/// Drops what Redoubt has not got from PostgreSQL's database, and names it: every query would name some of it, and
/// say nothing but that it is missing. The view that sqlsmith itself reads stays.
fn leave_out(postgres: &Run, redoubt: &Run) -> Result<Vec<String>, String> {
    let relations = |run: &Run| -> Result<Vec<String>, String> {
        let list = "SELECT relkind::text || ' ' || relnamespace::regnamespace || '.' || quote_ident(relname)
            FROM pg_class WHERE relkind IN ('r', 'v', 'm') AND relnamespace <> 'pg_toast'::regnamespace ORDER BY 1";
        Ok(run.sql(list)?.lines().map(str::to_string).collect())
    };
    let (theirs, ours) = (relations(postgres)?, relations(redoubt)?);
    let mut left_out = Vec::new();
    for relation in theirs.iter().filter(|relation| !ours.contains(relation)) {
        let (kind, name) = relation.split_once(' ').unwrap_or_default();
        if name == "information_schema.tables" {
            continue;
        }
        let kind = match kind {
            "v" => "VIEW",
            "m" => "MATERIALIZED VIEW",
            _ => "TABLE",
        };
        // It may have gone with another one.
        postgres.sql(&format!(
            "SET client_min_messages = error; SET allow_system_table_mods = on; DROP {kind} IF EXISTS {name} CASCADE"
        ))?;
        left_out.push(name.to_string());
    }
    Ok(left_out)
}

/// Asks one server, each query in a transaction that is rolled back, with sqlsmith's own limit of a second.
fn outcomes(run: &mut Run, queries: &[String], script: &Path) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::with_capacity(queries.len());
    while outcomes.len() < queries.len() {
        let mut text =
            String::from("\\o /dev/null\nset statement_timeout = '1s';\nset client_min_messages = error;\n");
        for query in &queries[outcomes.len()..] {
            // Writing to a String cannot fail.
            let _written = writeln!(text, "begin;\n{query};\nrollback;");
        }
        std::fs::write(script, text).map_err(|error| format!("{}: {error}", script.display()))?;
        let before = outcomes.len();
        // The two settings come first, then three statements a query.
        let asked = run.script(script)?;
        let answers = asked.get(2..).unwrap_or_default().chunks(3).filter_map(|three| three.get(1));
        outcomes.extend(answers.map(outcome));
        if outcomes.len() == before {
            return Err("the server does not answer".to_string());
        }
    }
    Ok(outcomes)
}

fn outcome(exchange: &Exchange) -> Outcome {
    match (exchange.ended, exchange.errors.first()) {
        (Ended::Lost, _) => Outcome::Crashed,
        (Ended::Hung, _) => Outcome::Hung,
        (_, Some((code, message))) => {
            Outcome::Failed(code.clone(), message.lines().next().unwrap_or_default().to_string())
        }
        (_, None) => Outcome::Ran,
    }
}

impl SmithScore {
    /// Counts a query.
    pub fn add(&mut self, query: &str, theirs: &Outcome, ours: Outcome) {
        let they_ran = *theirs == Outcome::Ran;
        self.asked += 1;
        self.theirs += usize::from(they_ran);
        match ours {
            Outcome::Ran => self.both += usize::from(they_ran),
            Outcome::Crashed => self.crashes.push(query.to_string()),
            Outcome::Hung => self.hangs.push(query.to_string()),
            Outcome::Failed(code, message) => {
                let theirs_too = matches!(theirs, Outcome::Failed(their_code, _) if *their_code == code);
                if code == "XX000" && !theirs_too {
                    self.internal.push((query.to_string(), message.clone()));
                }
                if they_ran && code == "0A000" {
                    let feature = message.trim_end_matches(" is not supported yet").to_string();
                    *self.unsupported.entry(feature).or_default() += 1;
                } else if they_ran {
                    *self.others.entry((code, message)).or_default() += 1;
                }
            }
        }
    }

    /// Adds another score.
    pub fn merge(&mut self, other: SmithScore) {
        self.asked += other.asked;
        self.theirs += other.theirs;
        self.both += other.both;
        self.crashes.extend(other.crashes);
        self.hangs.extend(other.hangs);
        self.internal.extend(other.internal);
        for (feature, count) in other.unsupported {
            *self.unsupported.entry(feature).or_default() += count;
        }
        for (error, count) in other.others {
            *self.others.entry(error).or_default() += count;
        }
    }

    /// Whether nothing went wrong, and at least half of what PostgreSQL runs ran.
    pub fn holds(&self) -> bool {
        self.crashes.is_empty()
            && self.hangs.is_empty()
            && self.internal.is_empty()
            && self.both * 2 >= self.theirs
    }

    /// The score in words.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{} queries: PostgreSQL runs {}, of which Redoubt runs {}\ncrashes {}, hangs {}, internal errors {}\n",
            self.asked,
            self.theirs,
            self.both,
            self.crashes.len(),
            self.hangs.len(),
            self.internal.len()
        );
        // Writing to a String cannot fail.
        for query in self.crashes.iter().chain(&self.hangs) {
            let _written = writeln!(out, "CRASH or HANG: {query}");
        }
        for (query, message) in &self.internal {
            let _written = writeln!(out, "XX000 {message}: {query}");
        }
        let _written = writeln!(out, "\nNot supported, in queries that PostgreSQL runs:");
        let mut features: Vec<_> = self.unsupported.iter().collect();
        features.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        for (feature, count) in features {
            let _written = writeln!(out, "{count:>6}  {feature}");
        }
        let _written = writeln!(out, "\nOther errors in queries that PostgreSQL runs:");
        let mut others: Vec<_> = self.others.iter().collect();
        others.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        for ((code, message), count) in others.into_iter().take(40) {
            let _written = writeln!(out, "{count:>6}  {code}  {message}");
        }
        out
    }

    /// The score as JSON.
    pub fn json(&self) -> Value {
        json!({
            "queries": self.asked,
            "run_by_postgresql": self.theirs,
            "run_by_both": self.both,
            "crashes": self.crashes.len(),
            "hangs": self.hangs.len(),
            "internal_errors": self.internal.len(),
            "unsupported": self.unsupported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts() {
        let failed = |code: &str, message: &str| Outcome::Failed(code.to_string(), message.to_string());
        let mut score = SmithScore::default();
        score.add("1", &Outcome::Ran, Outcome::Ran);
        score.add("2", &Outcome::Ran, failed("0A000", "function f is not supported yet"));
        score.add(
            "3",
            &failed("22012", "division by zero"),
            failed("0A000", "function f is not supported yet"),
        );
        assert_eq!((score.asked, score.theirs, score.both), (3, 2, 1));
        assert_eq!(score.unsupported.get("function f"), Some(&1));
        assert!(score.holds());
        score.add("4", &failed("XX000", "cache lookup failed"), failed("XX000", "cache lookup failed"));
        assert!(score.holds());
        score.add("5", &failed("22012", "division by zero"), failed("XX000", "lost"));
        assert!(!score.holds());
        assert_eq!(score.internal, [("5".to_string(), "lost".to_string())]);
    }
}
