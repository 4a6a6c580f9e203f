//! What sessions count for `/metrics`. The handles are made once; counting is one atomic addition, and
//! nothing at all when no recorder is installed.

use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

/// Kinds of statements, by the first word of the command tag; the last stands for all others.
const KINDS: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "BEGIN", "other"];

/// The counters of one server.
pub(crate) struct Measures {
    commits: Counter,
    rollbacks: Counter,
    commit_wait: Histogram,
    statements: [Counter; KINDS.len()],
    parses: Counter,
    plans: Counter,
}

impl Measures {
    pub(crate) fn new() -> Measures {
        describe_counter!("redoubt_commits_total", "Transactions committed.");
        describe_counter!("redoubt_rollbacks_total", "Transactions rolled back.");
        describe_counter!("redoubt_statements_total", "Statements completed, by kind.");
        describe_counter!(
            "redoubt_parses_total",
            "Statements' texts parsed; a plan that is used again needs none."
        );
        describe_counter!("redoubt_plans_total", "Statements planned; a plan that is used again is not.");
        describe_histogram!(
            "redoubt_commit_wait_seconds",
            "Time from a commit until a write quorum had it, where somebody waited."
        );
        describe_counter!("redoubt_datafusion_subtrees_total", "Parts of plans that DataFusion has run.");
        // It is there before the first one.
        counter!("redoubt_datafusion_subtrees_total").increment(0);
        Measures {
            commits: counter!("redoubt_commits_total"),
            rollbacks: counter!("redoubt_rollbacks_total"),
            commit_wait: histogram!("redoubt_commit_wait_seconds"),
            statements: KINDS.map(|kind| counter!("redoubt_statements_total", "kind" => kind.to_lowercase())),
            parses: counter!("redoubt_parses_total"),
            plans: counter!("redoubt_plans_total"),
        }
    }

    pub(crate) fn committed(&self) {
        self.commits.increment(1);
    }

    pub(crate) fn rolled_back(&self) {
        self.rollbacks.increment(1);
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.commit_wait.record(time);
    }

    /// A statement's text is about to be parsed.
    pub(crate) fn parsing(&self) {
        self.parses.increment(1);
    }

    /// A statement is about to be planned.
    pub(crate) fn planning(&self) {
        self.plans.increment(1);
    }

    /// A statement has been completed with this tag.
    pub(crate) fn completed(&self, tag: &str) {
        let word = tag.split(' ').next().unwrap_or_default();
        let known = KINDS.iter().position(|kind| *kind == word).unwrap_or(KINDS.len() - 1);
        self.statements[known].increment(1);
    }
}
