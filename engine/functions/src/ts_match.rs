//! `tsvector @@ tsquery` (PostgreSQL's `TS_execute` and `TS_phrase_execute`).
//!
//! Below a phrase operator the answer is not only whether something matches but where. Such an answer
//! may be negated: "everywhere but there". Lexemes without positions make it uncertain.

use crate::tsquery::{Join, Node, QueryWord};
use crate::tsvector::{Lexeme, TsVector};

/// Where a part of a query matches.
#[derive(Default)]
pub(crate) struct Places {
    /// The last position of each match, ascending.
    positions: Vec<i32>,
    /// It matches everywhere else.
    negated: bool,
    /// How many places before its last position a match begins.
    width: i32,
}

impl Places {
    /// Where one word stands.
    pub(crate) fn of_word(mut positions: Vec<i32>) -> Places {
        positions.sort_unstable();
        positions.dedup();
        Places { positions, ..Places::default() }
    }
}

pub(crate) enum Found {
    No,
    Yes(Places),
    /// Positions would be needed and are not there.
    Maybe,
}

/// What the words of a query are looked for in.
pub(crate) trait Document {
    /// Whether a word is there at all.
    fn has(&self, word: &QueryWord) -> bool;

    /// Where it is.
    fn find(&self, word: &QueryWord) -> Found;
}

impl Document for TsVector {
    fn has(&self, word: &QueryWord) -> bool {
        candidates(self, word).any(|lexeme| has_weight(lexeme, word))
    }

    fn find(&self, word: &QueryWord) -> Found {
        find_word(self, word)
    }
}

/// Whether the document satisfies the query.
pub(crate) fn matches(document: &impl Document, node: &Node) -> bool {
    match node {
        Node::Word(word) => document.has(word),
        Node::Not(operand) => !matches(document, operand),
        Node::Join(Join::And, left, right) => matches(document, left) && matches(document, right),
        Node::Join(Join::Or, left, right) => matches(document, left) || matches(document, right),
        // What is uncertain for want of positions counts as no match.
        Node::Join(Join::Phrase(_), ..) => matches!(find(document, node), Found::Yes(_)),
    }
}

/// The lexemes that a word may stand for.
pub(crate) fn candidates<'v>(vector: &'v TsVector, word: &QueryWord) -> impl Iterator<Item = &'v Lexeme> {
    let text = word.text.as_bytes();
    let start = vector.lexemes.partition_point(|lexeme| lexeme.text.as_bytes() < text);
    let len = vector.lexemes[start..]
        .iter()
        .take_while(|lexeme| {
            let found = lexeme.text.as_bytes();
            if word.prefix { found.starts_with(text) } else { found == text }
        })
        .count();
    vector.lexemes[start..start + len].iter()
}

/// Whether a lexeme has one of the wanted weights somewhere. One without positions has them all.
fn has_weight(lexeme: &Lexeme, word: &QueryWord) -> bool {
    word.weights == 0
        || lexeme.positions.is_empty()
        || lexeme.positions.iter().any(|position| word.weights & 1 << position.weight != 0)
}

fn find_word(vector: &TsVector, word: &QueryWord) -> Found {
    let mut positions = Vec::new();
    for lexeme in candidates(vector, word) {
        if lexeme.positions.is_empty() {
            return Found::Maybe;
        }
        let wanted = |weight: u8| word.weights == 0 || word.weights & 1 << weight != 0;
        let places = lexeme.positions.iter().filter(|position| wanted(position.weight));
        positions.extend(places.map(|position| i32::from(position.at)));
    }
    if positions.is_empty() {
        return Found::No;
    }
    Found::Yes(Places::of_word(positions))
}

/// Which positions of two lists to keep.
#[derive(Clone, Copy)]
struct Keep {
    both: bool,
    left_only: bool,
    right_only: bool,
}

const BOTH: Keep = Keep { both: true, left_only: false, right_only: false };
const LEFT_ONLY: Keep = Keep { both: false, left_only: true, right_only: false };
const RIGHT_ONLY: Keep = Keep { both: false, left_only: false, right_only: true };
const ALL: Keep = Keep { both: true, left_only: true, right_only: true };

/// Merges two lists of positions, each moved by an offset.
fn merge(left: &Places, right: &Places, keep: Keep, left_offset: i32, right_offset: i32) -> Vec<i32> {
    let mut lefts = left.positions.iter().map(|at| at + left_offset).peekable();
    let mut rights = right.positions.iter().map(|at| at + right_offset).peekable();
    let mut merged = Vec::new();
    loop {
        let (at, kept) = match (lefts.peek().copied(), rights.peek().copied()) {
            (None, None) => return merged,
            (Some(a), Some(b)) if a == b => {
                lefts.next();
                rights.next();
                (b, keep.both)
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                lefts.next();
                (a, keep.left_only)
            }
            (_, Some(b)) => {
                rights.next();
                (b, keep.right_only)
            }
            (Some(_), None) => unreachable!("a left position without a right one is taken above"),
        };
        if kept && at > 0 {
            merged.push(at);
        }
    }
}

/// Matches at these positions; none of them unless negated.
fn places(positions: Vec<i32>, negated: bool, width: i32) -> Found {
    if positions.is_empty() && !negated {
        Found::No
    } else {
        Found::Yes(Places { positions, negated, width })
    }
}

fn find(document: &impl Document, node: &Node) -> Found {
    match node {
        Node::Word(word) => document.find(word),
        Node::Not(operand) => match find(document, operand) {
            Found::No => Found::Yes(Places { negated: true, ..Places::default() }),
            Found::Yes(found) if !found.positions.is_empty() => {
                Found::Yes(Places { negated: !found.negated, ..found })
            }
            Found::Yes(_) => Found::No,
            Found::Maybe => Found::Maybe,
        },
        Node::Join(Join::Or, left, right) => match (find(document, left), find(document, right)) {
            (Found::No, Found::No) => Found::No,
            (Found::Maybe, _) | (_, Found::Maybe) => Found::Maybe,
            (left, right) => {
                let inside = |found| if let Found::Yes(places) = found { places } else { Places::default() };
                either(&inside(left), &inside(right))
            }
        },
        Node::Join(join, left, right) => {
            let left = match find(document, left) {
                Found::No => return Found::No,
                found => found,
            };
            match (left, find(document, right)) {
                (_, Found::No) => Found::No,
                (Found::Yes(left), Found::Yes(right)) => both(&left, &right, *join),
                _ => Found::Maybe,
            }
        }
    }
}

/// How far the positions of two operands move so that both end where the wider one does.
fn alignment(left: &Places, right: &Places) -> (i32, i32, i32) {
    let width = left.width.max(right.width);
    (width - left.width, width - right.width, width)
}

fn both(left: &Places, right: &Places, join: Join) -> Found {
    let (left_offset, right_offset, width) = match join {
        Join::Phrase(distance) => {
            let distance = i32::from(distance);
            (distance + right.width, 0, distance + left.width + right.width)
        }
        _ => alignment(left, right),
    };
    let merged = |keep| merge(left, right, keep, left_offset, right_offset);
    match (left.negated, right.negated) {
        (true, true) => places(merged(ALL), true, width),
        (true, false) => places(merged(RIGHT_ONLY), false, width),
        (false, true) => places(merged(LEFT_ONLY), false, width),
        (false, false) => places(merged(BOTH), false, width),
    }
}

fn either(left: &Places, right: &Places) -> Found {
    let (left_offset, right_offset, width) = alignment(left, right);
    let merged = |keep| merge(left, right, keep, left_offset, right_offset);
    match (left.negated, right.negated) {
        (true, true) => places(merged(BOTH), true, width),
        (true, false) => places(merged(LEFT_ONLY), true, width),
        (false, true) => places(merged(RIGHT_ONLY), true, width),
        (false, false) => places(merged(ALL), false, width),
    }
}
