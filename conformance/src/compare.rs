//! Which statements of a file had the same answer from us as from PostgreSQL.
//!
//! PostgreSQL's run is recorded twice, in clusters whose object and transaction numbers start
//! differently. What the two recordings say alike must be said so by us too, to the letter. A number
//! in which they differ (an OID, a process id, a time) is one that no server can repeat: any number
//! does there. A line in which they differ otherwise must only be of the same kind.

use crate::recording::{Ended, Exchange};

/// One statement of the reference with PostgreSQL's two recordings of it.
pub struct Expected {
    /// The first recording.
    pub first: Exchange,
    /// The second, or nothing if it has no such statement.
    pub second: Option<Exchange>,
}

/// What became of one statement of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Our exchange with this index has the same text and the same answer.
    Same(usize),
    /// Our exchange with this index has the same text and another answer.
    Differs(usize),
    /// We never got there, or sent something else.
    Missing,
}

/// Pairs the two recordings of the reference.
pub fn pair(first: Vec<Exchange>, second: &[Exchange]) -> Vec<Expected> {
    let partners = align(&first, second);
    first
        .into_iter()
        .zip(partners)
        .map(|(first, partner)| Expected { first, second: partner.map(|at| second[at].clone()) })
        .collect()
}

/// Judges every statement of the reference, in order. Statements are aligned by their texts, so that
/// one that psql sends more or less (as `\d` does after an error) costs no others.
pub fn compare(expected: &[Expected], ours: &[Exchange]) -> Vec<Compared> {
    let first: Vec<&Exchange> = expected.iter().map(|expected| &expected.first).collect();
    let partners = align(&first, ours);
    expected
        .iter()
        .zip(partners)
        .map(|(expected, partner)| match partner {
            None => Compared::Missing,
            Some(at) if same(expected, &ours[at]) => Compared::Same(at),
            Some(at) => Compared::Differs(at),
        })
        .collect()
}

fn same(expected: &Expected, ours: &Exchange) -> bool {
    let first = &expected.first;
    let second = expected.second.as_ref().unwrap_or(first);
    if ours.ended != first.ended && ours.ended != Ended::Answered {
        return false;
    }
    if !same_text(&first.statement, &second.statement, &ours.statement) {
        return false;
    }
    if first.answer.len() != second.answer.len() {
        // Not even the number of rows repeats; an answer of the same kind is all there is to ask.
        return kinds(&first.answer) == kinds(&ours.answer);
    }
    first.answer.len() == ours.answer.len()
        && first.answer.iter().zip(&second.answer).zip(&ours.answer).all(|((a, b), c)| same_text(a, b, c))
}

/// The kinds of an answer's lines, repeated ones once.
fn kinds(answer: &[String]) -> Vec<&str> {
    let mut kinds: Vec<&str> = answer.iter().map(|line| kind(line)).collect();
    kinds.dedup();
    kinds
}

fn kind(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// Whether `ours` says what both recordings say.
fn same_text(first: &str, second: &str, ours: &str) -> bool {
    if first == second {
        return first == ours;
    }
    let (a, b, c) = (words(first), words(second), words(ours));
    let only_numbers_differ =
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || (is_number(a) && is_number(b)));
    if only_numbers_differ {
        return a.len() == c.len()
            && a.iter().zip(&b).zip(&c).all(|((a, b), c)| if a == b { a == c } else { is_number(c) });
    }
    kind(first) == kind(ours) && first.matches('\u{1f}').count() == ours.matches('\u{1f}').count()
}

/// A text cut between digits and everything else.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(&byte) = rest.as_bytes().first() {
        let digits = byte.is_ascii_digit();
        let end = rest.bytes().position(|byte| byte.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        words.push(word);
        rest = tail;
    }
    words
}

fn is_number(word: &str) -> bool {
    word.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// The text by which statements are aligned: long numbers, which may be OIDs, count as equal here
/// (and are compared in earnest afterwards).
fn key(statement: &str) -> String {
    words(statement)
        .into_iter()
        .map(|word| if is_number(word) && word.len() >= 4 { "#" } else { word })
        .collect()
}

/// The longest common subsequence by text: for every left one the index of its right partner.
fn align<E: std::borrow::Borrow<Exchange>>(left: &[E], right: &[Exchange]) -> Vec<Option<usize>> {
    let a: Vec<String> = left.iter().map(|exchange| key(&exchange.borrow().statement)).collect();
    let b: Vec<String> = right.iter().map(|exchange| key(&exchange.statement)).collect();
    let width = b.len() + 1;
    // lengths[i][j]: of the common subsequence of a[i..] and b[j..].
    let mut lengths = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i] == b[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let mut partners = vec![None; a.len()];
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            partners[i] = Some(j);
            i += 1;
            j += 1;
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    partners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(statement: &str, answer: &str) -> Exchange {
        Exchange {
            statement: statement.into(),
            answer: answer.lines().map(str::to_string).collect(),
            ..Exchange::default()
        }
    }

    fn check(first: &[(&str, &str)], second: &[(&str, &str)], ours: &[(&str, &str)], expect: &[Compared]) {
        let list = |of: &[(&str, &str)]| of.iter().map(|(s, a)| exchange(s, a)).collect::<Vec<_>>();
        assert_eq!(compare(&pair(list(first), &list(second)), &list(ours)), expect, "{ours:?}");
    }

    #[test]
    fn what_postgresql_repeats_must_be_said_to_the_letter() {
        use Compared::{Differs, Missing, Same};
        let first = [("SELECT 1", "row 1\ntag SELECT 1"), ("SELECT 2", "row 2")];
        check(&first, &first, &first, &[Same(0), Same(1)]);
        check(&first, &first, &[("SELECT 1", "row 1"), ("SELECT 2", "row 3")], &[Differs(0), Differs(1)]);
        check(&first, &first, &[("SELECT 2", "row 2")], &[Missing, Same(0)]);
        check(&first, &first, &[("x", ""), ("SELECT 1", "row 1\ntag SELECT 1")], &[Same(1), Missing]);
        check(&first, &first, &[], &[Missing, Missing]);
    }

    #[test]
    fn numbers_that_postgresql_does_not_repeat_may_be_any() {
        use Compared::{Differs, Same};
        let first = [("SELECT 16390", "row t16390 a"), ("b", "error x")];
        let second = [("SELECT 40010", "row t40010 a"), ("b", "row 12:01")];
        check(&first, &second, &[("SELECT 99999", "row t7 a"), ("b", "error z")], &[Same(0), Same(1)]);
        check(&first, &second, &[("SELECT 99999", "row t7 b"), ("b", "tag")], &[Differs(0), Differs(1)]);
        check(&first, &second, &[("SELECT 99999", "row tx a"), ("b", "error")], &[Differs(0), Same(1)]);
    }
}
