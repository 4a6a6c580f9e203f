//! What to build next: the errors that we give and PostgreSQL does not, counted.

use crate::compare::{Compared, Expected};
use crate::recording::Exchange;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// SQLSTATEs of errors that only follow from an earlier one: an object that could not be made, a
/// transaction that has failed.
const CONSEQUENCES: &[&str] = &["42P01", "42703", "42704", "3F000", "25P02", "34000", "26000", "3B001"];

/// Counted error messages.
#[derive(Default)]
pub struct Todo {
    counts: BTreeMap<(String, String), Entry>,
    others: usize,
}

#[derive(Default)]
struct Entry {
    count: usize,
    files: BTreeSet<String>,
}

impl Todo {
    /// Counts what went wrong in one file.
    pub fn add(&mut self, file: &str, expected: &[Expected], ours: &[Exchange], compared: &[Compared]) {
        for (expected, &compared) in expected.iter().zip(compared) {
            let Compared::Differs(at) = compared else { continue };
            match ours[at].errors.iter().find(|error| !expected.first.errors.contains(error)) {
                Some((code, message)) => {
                    let entry = self.counts.entry((code.clone(), without_names(message))).or_default();
                    entry.count += 1;
                    entry.files.insert(file.to_string());
                }
                None => self.others += 1,
            }
        }
    }

    /// The most frequent ones, with the files they are in.
    pub fn list(&self, limit: usize) -> String {
        let (mut own, mut following): (Vec<_>, Vec<_>) =
            self.counts.iter().partition(|((code, _), _)| !CONSEQUENCES.contains(&code.as_str()));
        let mut out = format!(
            "Errors of ours in statements that PostgreSQL answers otherwise: count, files, SQLSTATE, message.\n\
             {} more statements differ without an error of ours.\n\n",
            self.others
        );
        for (title, list) in
            [("", &mut own), ("\nThese mostly follow from the ones above:\n", &mut following)]
        {
            out.push_str(title);
            list.sort_by_key(|(name, entry)| (std::cmp::Reverse(entry.count), *name));
            for ((code, message), entry) in list.iter().take(limit) {
                let some: Vec<&str> = entry.files.iter().take(3).map(String::as_str).collect();
                // Writing to a String cannot fail.
                let _written = writeln!(
                    out,
                    "{:>6} {:>4}  {code}  {message}  ({})",
                    entry.count,
                    entry.files.len(),
                    some.join(", ")
                );
            }
        }
        out
    }
}

/// A message with what stands in double quotes left out, so that equal ones count together.
fn without_names(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let parts = line.split('"').enumerate();
    parts.map(|(index, part)| if index % 2 == 0 { part } else { "\"…\"" }).collect()
}
