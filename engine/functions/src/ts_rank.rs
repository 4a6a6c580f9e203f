//! `ts_rank` and `ts_rank_cd`: how well a vector satisfies a query (PostgreSQL's `tsrank.c`).
//!
//! `ts_rank` weighs how often words occur and, for AND, how close together. `ts_rank_cd` is cover density ranking
//! (Clarke, Cormack and Tudhope, "Relevance Ranking for One to Three Term Queries", 1999): shortest stretches of the
//! text that satisfy the query. Both compute in the same mixture of `f32` and `f64` as PostgreSQL, digit for digit.

use crate::args::builtins;
use crate::ts_match::{Document, Found, Places, candidates, matches};
use crate::tsquery::{Join, Node, QueryWord, TsQuery};
use crate::tsvector::{Lexeme, MAX_POSITION, Position, TsVector};
use crate::{ArrayValue, Datum};
use redoubt_error::{PgError, PgResult, code};

/// What positions of the weights D, C, B and A count.
const WEIGHTS: [f32; 4] = [0.1, 0.2, 0.4, 1.0];

/// Bits of the argument `normalization`.
mod method {
    /// Divide by 1 + the logarithm of the length.
    pub(super) const LOG_LENGTH: i32 = 1;
    /// Divide by the length.
    pub(super) const LENGTH: i32 = 2;
    /// Divide by the mean harmonic distance between covers.
    pub(super) const COVER_DISTANCE: i32 = 4;
    /// Divide by the number of lexemes.
    pub(super) const LEXEMES: i32 = 8;
    /// Divide by 1 + the logarithm of the number of lexemes.
    pub(super) const LOG_LEXEMES: i32 = 16;
    /// Divide by itself + 1.
    pub(super) const ITSELF: i32 = 32;
}

/// The weights that a caller gives; a negative one stands for the usual one.
fn weights_of(array: &ArrayValue) -> PgResult<[f32; 4]> {
    let wrong = |message: &str| Err(PgError::new(code::ARRAY_SUBSCRIPT_ERROR, message));
    if array.dims.len() != 1 {
        return wrong("array of weight must be one-dimensional");
    }
    if array.elems.len() < WEIGHTS.len() {
        return wrong("array of weight is too short");
    }
    if array.elems.iter().any(Datum::is_null) {
        return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, "array of weight must not contain nulls"));
    }
    let mut weights = WEIGHTS;
    for (weight, elem) in weights.iter_mut().zip(&array.elems) {
        let given = elem.as_float4()?;
        if given >= 0.0 {
            *weight = given;
        }
        if *weight > 1.0 {
            return Err(PgError::new(code::INVALID_PARAMETER_VALUE, "weight out of range"));
        }
    }
    Ok(weights)
}

/// Positions, or lexemes where those are unknown.
fn text_length(vector: &TsVector) -> usize {
    vector.lexemes.iter().map(|lexeme| lexeme.positions.len().max(1)).sum()
}

/// The words of a query in the order in which PostgreSQL keeps them: right operands first.
fn words_of<'q>(node: &'q Node, words: &mut Vec<&'q QueryWord>) {
    match node {
        Node::Word(word) => words.push(word),
        Node::Not(operand) => words_of(operand, words),
        Node::Join(_, left, right) => {
            words_of(right, words);
            words_of(left, words);
        }
    }
}

/// The words of a query, sorted, each text once.
fn unique_words(node: &Node) -> Vec<&QueryWord> {
    let mut words = Vec::new();
    words_of(node, &mut words);
    words.sort_by(|a, b| a.text.as_bytes().cmp(b.text.as_bytes()));
    words.dedup_by(|later, first| later.text == first.text);
    words
}

/// How much two words count that stand so far from each other.
fn word_distance(distance: i32) -> f32 {
    if distance > 100 {
        return 1e-30;
    }
    (1.0 / (1.005 + 0.05 * libm::exp(f64::from(distance as f32) / 1.5 - 2.0))) as f32
}

fn rank_all(weights: &[f32; 4], vector: &TsVector, node: &Node) -> f32 {
    let words = unique_words(node);
    if words.len() < 2 {
        return rank_any(weights, vector, node);
    }
    /// Where a word without positions is taken to stand: nowhere near the others.
    const UNKNOWN: [Position; 1] = [Position { at: MAX_POSITION, weight: 0 }];
    let weight = |position: &Position| weights[usize::from(position.weight)];
    let mut result = -1.0_f32;
    let mut found: Vec<Option<&[Position]>> = vec![None; words.len()];
    let is_unknown = |positions: &[Position]| std::ptr::eq(positions, UNKNOWN.as_slice());
    for (at, word) in words.iter().enumerate() {
        for lexeme in candidates(vector, word) {
            let here: &[Position] =
                if lexeme.positions.is_empty() { const { &UNKNOWN } } else { &lexeme.positions };
            let here_unknown = lexeme.positions.is_empty();
            found[at] = Some(here);
            for there in found[..at].iter().flatten() {
                let unknown = here_unknown || is_unknown(there);
                for a in here {
                    for b in *there {
                        let mut distance = i32::from(a.at.abs_diff(b.at));
                        if distance == 0 && !unknown {
                            continue;
                        }
                        if distance == 0 {
                            distance = i32::from(MAX_POSITION) + 1;
                        }
                        let product = weight(a) * weight(b) * word_distance(distance);
                        let current = f64::from(product).sqrt() as f32;
                        result = if result < 0.0 {
                            current
                        } else {
                            (1.0 - (1.0 - f64::from(result)) * (1.0 - f64::from(current))) as f32
                        };
                    }
                }
            }
        }
    }
    result
}

fn rank_any(weights: &[f32; 4], vector: &TsVector, node: &Node) -> f32 {
    /// The sum of 1/n², to which the weights of a word's occurrences add up at most.
    const LIMIT: f64 = 1.644_934_066_85;
    let words = unique_words(node);
    let mut result = 0.0_f32;
    for lexeme in words.iter().flat_map(|word| candidates(vector, word)) {
        let of_positions: Vec<f32> =
            lexeme.positions.iter().map(|position| weights[usize::from(position.weight)]).collect();
        let of_positions = if of_positions.is_empty() { vec![weights[0]] } else { of_positions };
        let (mut sum, mut best, mut best_at) = (0.0_f32, -1.0_f32, 0);
        for (at, weight) in of_positions.into_iter().enumerate() {
            sum += weight / ((at + 1) * (at + 1)) as f32;
            if weight > best {
                (best, best_at) = (weight, at);
            }
        }
        let counted = best + sum - best / ((best_at + 1) * (best_at + 1)) as f32;
        result = (f64::from(result) + f64::from(counted) / LIMIT) as f32;
    }
    if words.is_empty() { result } else { result / words.len() as f32 }
}

fn rank(weights: &[f32; 4], vector: &TsVector, query: &TsQuery, normalization: i32) -> f32 {
    let (Some(node), lexemes) = (&query.0, vector.lexemes.len()) else { return 0.0 };
    if lexemes == 0 {
        return 0.0;
    }
    let mut result = match node {
        Node::Join(Join::And | Join::Phrase(_), ..) => rank_all(weights, vector, node),
        _ => rank_any(weights, vector, node),
    };
    if result < 0.0 {
        result = 1e-20;
    }
    let length = text_length(vector);
    let by_logarithm =
        |result: f32, count: usize| (f64::from(result) / (((count + 1) as f64).ln() / 2.0_f64.ln())) as f32;
    if normalization & method::LOG_LENGTH != 0 {
        result = by_logarithm(result, length);
    }
    if normalization & method::LENGTH != 0 {
        result /= length as f32;
    }
    if normalization & method::LEXEMES != 0 {
        result /= lexemes as f32;
    }
    if normalization & method::LOG_LEXEMES != 0 {
        result = by_logarithm(result, lexemes);
    }
    if normalization & method::ITSELF != 0 {
        result /= result + 1.0;
    }
    result
}

/// A place of the text where words of the query stand.
struct Entry {
    position: Position,
    /// Numbers of the query's words that it is an occurrence of.
    words: Vec<usize>,
}

/// The words of a query as far as a stretch of the text has them.
struct Stretch<'q> {
    words: &'q [&'q QueryWord],
    /// Positions per word, unordered.
    seen: Vec<Vec<i32>>,
}

impl Stretch<'_> {
    fn clear(&mut self) {
        self.seen.iter_mut().for_each(Vec::clear);
    }

    fn add(&mut self, entry: &Entry) {
        for word in &entry.words {
            self.seen[*word].push(i32::from(entry.position.at));
        }
    }

    fn positions(&self, word: &QueryWord) -> &[i32] {
        let at = self.words.iter().position(|known| std::ptr::eq(*known, word));
        at.map_or(&[], |at| &self.seen[at])
    }
}

impl Document for Stretch<'_> {
    fn has(&self, word: &QueryWord) -> bool {
        !self.positions(word).is_empty()
    }

    fn find(&self, word: &QueryWord) -> Found {
        match self.positions(word) {
            [] => Found::No,
            positions => Found::Yes(Places::of_word(positions.to_vec())),
        }
    }
}

/// Every place of the text where a word of the query stands, in order.
fn entries_of(vector: &TsVector, words: &[&QueryWord]) -> Vec<Entry> {
    let mut found: Vec<(Position, *const Lexeme, usize)> = Vec::new();
    for (number, word) in words.iter().enumerate() {
        for lexeme in candidates(vector, word) {
            let wanted = |position: &&Position| word.weights == 0 || word.weights & 1 << position.weight != 0;
            let places = lexeme.positions.iter().filter(wanted);
            found.extend(places.map(|position| (*position, std::ptr::from_ref(lexeme), number)));
        }
    }
    found.sort_by_key(|(position, lexeme, _)| (position.at, position.weight, *lexeme));
    let mut entries: Vec<Entry> = Vec::new();
    let mut last = None;
    for (position, lexeme, word) in found {
        match entries.last_mut() {
            Some(entry) if last == Some((position.at, position.weight, lexeme)) => entry.words.push(word),
            _ => entries.push(Entry { position, words: vec![word] }),
        }
        last = Some((position.at, position.weight, lexeme));
    }
    entries
}

/// A shortest stretch that satisfies the query: its first and last entries.
struct Cover {
    first: usize,
    last: usize,
    /// Where the search for the next one starts.
    next: usize,
}

/// The first cover that begins at an entry from `start` on.
fn cover(entries: &[Entry], node: &Node, stretch: &mut Stretch<'_>, mut start: usize) -> Option<Cover> {
    while start < entries.len() {
        stretch.clear();
        let mut upper = (start..entries.len()).filter(|at| {
            stretch.add(&entries[*at]);
            matches(stretch, node)
        });
        let last = upper.next()?;
        stretch.clear();
        let mut lower = (start..=last).rev().filter(|at| {
            stretch.add(&entries[*at]);
            matches(stretch, node)
        });
        if let Some(first) = lower.next() {
            return Some(Cover { first, last, next: first + 1 });
        }
        start += 1;
    }
    None
}

fn rank_covers(weights: &[f32; 4], vector: &TsVector, query: &TsQuery, normalization: i32) -> f32 {
    let Some(node) = &query.0 else { return 0.0 };
    let mut words = Vec::new();
    words_of(node, &mut words);
    let entries = entries_of(vector, &words);
    if entries.is_empty() {
        return 0.0;
    }
    let mut stretch = Stretch { words: &words, seen: vec![Vec::new(); words.len()] };
    let place = |at: usize| f64::from(entries[at].position.at);
    let (mut result, mut inverse_distances, mut before, mut covers) = (0.0_f64, 0.0_f64, 0.0_f64, 0_u32);
    let mut start = 0;
    while let Some(found) = cover(&entries, node, &mut stretch, start) {
        let inside = &entries[found.first..=found.last];
        let inverse_weights: f64 =
            inside.iter().map(|entry| 1.0 / f64::from(weights[usize::from(entry.position.weight)])).sum();
        let density = inside.len() as f64 / inverse_weights;
        let width = place(found.last) - place(found.first);
        let steps = found.last - found.first;
        // Where positions are at their limit, half of the cover is taken for noise.
        let noise = if width < steps as f64 { (steps / 2) as f64 } else { width - steps as f64 };
        result += density / (1.0 + noise);
        let centre = (place(found.last) + place(found.first)) / 2.0;
        if covers > 0 && centre > before {
            inverse_distances += 1.0 / (centre - before);
        }
        before = centre;
        covers += 1;
        start = found.next;
    }
    let (length, lexemes) = (text_length(vector) as f64, vector.lexemes.len() as f64);
    if normalization & method::LOG_LENGTH != 0 {
        result /= (length + 1.0).ln();
    }
    if normalization & method::LENGTH != 0 {
        result /= length;
    }
    if normalization & method::COVER_DISTANCE != 0 && covers > 0 && inverse_distances > 0.0 {
        result /= f64::from(covers) / inverse_distances;
    }
    if normalization & method::LEXEMES != 0 {
        result /= lexemes;
    }
    if normalization & method::LOG_LEXEMES != 0 {
        result /= (lexemes + 1.0).ln() / 2.0_f64.ln();
    }
    if normalization & method::ITSELF != 0 {
        result /= result + 1.0;
    }
    result as f32
}

/// The four forms of a ranking function: with and without weights, with and without normalization.
macro_rules! forms {
    ($($rank:ident: $plain:ident $normalized:ident $weighted:ident $both:ident;)*) => {$(
        fn $plain(vector: &TsVector, query: &TsQuery) -> f32 {
            $rank(&WEIGHTS, vector, query, 0)
        }
        fn $normalized(vector: &TsVector, query: &TsQuery, method: i32) -> f32 {
            $rank(&WEIGHTS, vector, query, method)
        }
        fn $weighted(weights: &ArrayValue, vector: &TsVector, query: &TsQuery) -> PgResult<f32> {
            Ok($rank(&weights_of(weights)?, vector, query, 0))
        }
        fn $both(weights: &ArrayValue, vector: &TsVector, query: &TsQuery, method: i32) -> PgResult<f32> {
            Ok($rank(&weights_of(weights)?, vector, query, method))
        }
    )*};
}

forms! {
    rank: rank_plain rank_normalized rank_weighted rank_both;
    rank_covers: covers_plain covers_normalized covers_weighted covers_both;
}

builtins! {
    "ts_rank_tt" = rank_plain: 2;
    "ts_rank_ttf" = rank_normalized: 3;
    "ts_rank_wtt" = rank_weighted: 3;
    "ts_rank_wttf" = rank_both: 4;
    "ts_rankcd_tt" = covers_plain: 2;
    "ts_rankcd_ttf" = covers_normalized: 3;
    "ts_rankcd_wtt" = covers_weighted: 3;
    "ts_rankcd_wttf" = covers_both: 4;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::arg;
    use crate::{PlainEnv, io, types};

    fn ranked(f: fn(&TsVector, &TsQuery, i32) -> f32, vector: &str, query: &str, method: i32) -> String {
        let read = |type_oid, text| io::input(type_oid, -1, text, &PlainEnv::default()).expect("valid");
        let values = [read(types::TSVECTOR, vector), read(types::TSQUERY, query)];
        let (vector, query) = (arg(&values, 0).expect("a vector"), arg(&values, 1).expect("a query"));
        let rank = Datum::Float4(f(vector, query, method));
        io::output_string(&rank, types::FLOAT4, &PlainEnv::default()).expect("a number")
    }

    /// Expectations are PostgreSQL 15.18's answers.
    #[test]
    fn by_words() {
        for (vector, query, method, expect) in [
            (" a:1 s:2C d g", "a | s", 0, "0.091189064"),
            (" a:1 sa:2C d g", "a | s:*", 0, "0.091189064"),
            (" a:1 s:2B d g", "a & s", 0, "0.19820644"),
            ("a b c", "a & b", 0, "1e-16"),
            ("a:1,2,3 b:7", "a & b & c", 63, "0.00835757"),
        ] {
            assert_eq!(ranked(rank_normalized, vector, query, method), expect, "{vector} {query}");
        }
    }

    #[test]
    fn by_covers() {
        for (vector, query, method, expect) in [
            (" a:1 s:2C d g", "a | s", 0, "0.3"),
            (" a:1 sa:3C sab:2c d g", "a | sa:*", 0, "0.5"),
            (" a:1 s:2A d g", "a <-> s", 0, "0.18181819"),
            (" a:1 s:2,3A d:2A g", "a <2> s:A", 0, "0.09090909"),
            (" a:1 sa:2A sb:2D g", "a <-> s:* <-> sa:A", 0, "0"),
            ("a:1,9,20 b:4,22", "a & b", 63, "0.00038671965"),
        ] {
            assert_eq!(ranked(covers_normalized, vector, query, method), expect, "{vector} {query}");
        }
    }
}
