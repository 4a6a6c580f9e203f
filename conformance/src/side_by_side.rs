//! The same queries to Redoubt and to PostgreSQL, and what their answers say of each other.

use crate::raw_client::{Message, RawClient};
use crate::{RandomQueries, TABLES};

/// Settings of both sessions: no query may hold the run up.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET client_min_messages = error; SET jit = off";
/// What a query that was stopped says.
const QUERY_CANCELED: &str = "57014";

/// Two sessions over the same tables.
pub struct SideBySide {
    ours: RawClient,
    theirs: RawClient,
}

/// How two answers compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The same rows, in whatever order.
    Same,
    /// Both refuse, with the same SQLSTATE.
    Refused,
    /// Redoubt says that it does not support something that PostgreSQL does.
    Unsupported(String),
    /// One of them took too long.
    TimedOut,
    /// What differs.
    Different(String),
}

/// What one seed's queries came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Queries with the same rows.
    pub same: usize,
    /// Queries that both refuse.
    pub refused: usize,
    /// Queries that only PostgreSQL supports.
    pub unsupported: usize,
    /// Queries that took too long on either side.
    pub timed_out: usize,
    /// The others, each with what differs.
    pub different: Vec<(String, String)>,
}

impl SideBySide {
    /// Sessions with two servers, in whose `postgres` databases the tables are made.
    pub fn new(our_port: u16, their_port: u16) -> Result<SideBySide, String> {
        let mut both =
            SideBySide { ours: RawClient::session(our_port), theirs: RawClient::session(their_port) };
        for client in [&mut both.ours, &mut both.theirs] {
            for text in [SETTINGS, TABLES] {
                if let Some(error) = client.query(text).iter().find(|message| message.kind == b'E') {
                    return Err(format!("{}: {text}", error.error()));
                }
            }
        }
        Ok(both)
    }

    /// Runs a seed's first queries. An error when a server is gone.
    pub fn run(&mut self, seed: u64, count: usize) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for query in RandomQueries::new(seed).take(count) {
            match self.ask(&query)? {
                Answers::Same => tally.same += 1,
                Answers::Refused => tally.refused += 1,
                Answers::Unsupported(_) => tally.unsupported += 1,
                Answers::TimedOut => tally.timed_out += 1,
                Answers::Different(what) => tally.different.push((query, what)),
            }
        }
        Ok(tally)
    }

    /// One query to both.
    pub fn ask(&mut self, query: &str) -> Result<Answers, String> {
        let answer = |client: &mut RawClient, name: &str| {
            let messages = client.query(query);
            match messages.last() {
                Some(last) if last.kind == b'Z' => Ok(messages),
                _ => Err(format!("{name} closed the connection on: {query}")),
            }
        };
        let (theirs, ours) = (answer(&mut self.theirs, "PostgreSQL")?, answer(&mut self.ours, "Redoubt")?);
        Ok(compare(&theirs, &ours))
    }
}

fn compare(theirs: &[Message], ours: &[Message]) -> Answers {
    let error = |messages: &[Message]| messages.iter().find(|message| message.kind == b'E').cloned();
    let state = |error: &Message| error.field(b'C').unwrap_or_default();
    match (error(theirs), error(ours)) {
        (None, None) => {
            let (theirs, ours) = (rows(theirs), rows(ours));
            if theirs == ours { Answers::Same } else { Answers::Different(difference(&theirs, &ours)) }
        }
        (Some(a), Some(b)) if state(&a) == state(&b) => Answers::Refused,
        (a, b) if [&a, &b].into_iter().flatten().any(|error| state(error) == QUERY_CANCELED) => {
            Answers::TimedOut
        }
        (None, Some(error)) if state(&error) == "0A000" => Answers::Unsupported(error.error()),
        (a, b) => {
            let says = |error: Option<Message>| error.map_or_else(|| "rows".into(), |error| error.error());
            Answers::Different(format!("PostgreSQL: {}; Redoubt: {}", says(a), says(b)))
        }
    }
}

/// The rows as text, sorted.
fn rows(messages: &[Message]) -> Vec<String> {
    let mut rows: Vec<String> = messages
        .iter()
        .filter(|message| message.kind == b'D')
        .map(|row| row.values().into_iter().map(shown).collect::<Vec<_>>().join("|"))
        .collect();
    rows.sort_unstable();
    rows
}

fn shown(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "NULL".into(), |value| plain_number(&String::from_utf8_lossy(value)).into())
}

/// A value; a decimal number without the zeros at its end or the sign of zero. Of numbers that are equal, which one
/// stands for all of them is up to the plan: 1.0 or 1.00, 0 or -0.
pub fn plain_number(text: &str) -> &str {
    if text == "-0" {
        return "0";
    }
    let is_decimal = text.contains('.') && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
    if is_decimal { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn difference(theirs: &[String], ours: &[String]) -> String {
    let only = |these: &[String], others: &[String]| {
        let found: Vec<&str> = these
            .iter()
            .filter(|row| others.binary_search(row).is_err())
            .map(String::as_str)
            .take(3)
            .collect();
        found.join(" / ")
    };
    format!(
        "PostgreSQL: {} rows, only there: {}; Redoubt: {} rows, only there: {}",
        theirs.len(),
        only(theirs, ours),
        ours.len(),
        only(ours, theirs)
    )
}
