//! `to_tsvector`: text to lexemes by a configuration, which is a parser and a dictionary per kind of token
//! (PostgreSQL's `wparser_def.c`, `ts_parse.c`, `to_tsany.c` and `dict_snowball.c`).
//!
//! The parser knows words and unsigned numbers. Text in which PostgreSQL's may see something larger (a hyphenated
//! word, a number with a sign or point, an address, a path, a tag) is refused with `0A000`: what it would make of
//! that is not guessed. Of the built-in configurations `simple` and `english` are here.

use crate::args::{OidArg, builtins};
use crate::tsvector::{Lexeme, MAX_LEXEME_BYTES, MAX_POSITION, Position, TsVector};
use crate::{CallContext, Oid};
use redoubt_error::{PgError, PgResult, Severity, code};
use rust_stemmers::{Algorithm, Stemmer};

/// Rows of `pg_ts_config`.
const SIMPLE: Oid = 3748;
const ENGLISH: Oid = 13164;

/// Words that the English dictionary leaves out (PostgreSQL's `english.stop`), sorted.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "am", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "did", "do", "does",
    "doing", "don", "down", "during", "each", "few", "for", "from", "further", "had", "has", "have", "having", "he",
    "her", "here", "hers", "herself", "him", "himself", "his", "how", "i", "if", "in", "into", "is", "it", "its",
    "itself", "just", "me", "more", "most", "my", "myself", "no", "nor", "not", "now", "of", "off", "on", "once",
    "only", "or", "other", "our", "ours", "ourselves", "out", "over", "own", "s", "same", "she", "should", "so",
    "some", "such", "t", "than", "that", "the", "their", "theirs", "them", "themselves", "then", "there", "these",
    "they", "this", "those", "through", "to", "too", "under", "until", "up", "very", "was", "we", "were", "what",
    "when", "where", "which", "while", "who", "whom", "why", "will", "with", "you", "your", "yours", "yourself",
    "yourselves",
];

/// A token: letters, letters and digits, or digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Mixed,
    Number,
}

/// In the locale `C` whatever is no ASCII counts as a letter.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || !c.is_ascii()
}

fn is_part(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

/// Characters that make more than a word together with what stands beside them.
fn may_join(c: char) -> bool {
    matches!(c, '-' | '+' | '.' | '@' | '/' | '_' | ':' | '~' | '&' | '<' | '?' | '=' | '%' | '#')
}

/// The next token of some text and what follows it.
fn next_token(text: &str) -> PgResult<Option<(Kind, &str, &str)>> {
    let refuse = || PgError::unsupported("text search parsing of anything but words and unsigned integers");
    let mut rest = text;
    while let Some(c) = rest.chars().next().filter(|c| !is_part(*c)) {
        rest = &rest[c.len_utf8()..];
        if may_join(c) && rest.chars().next().is_some_and(|next| is_part(next) || may_join(next)) {
            return Err(refuse());
        }
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let (token, rest) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
    let kind = match (token.contains(is_letter), token.contains(|c: char| c.is_ascii_digit())) {
        (true, false) => Kind::Word,
        (false, _) => Kind::Number,
        // `1e5` is a number of another kind.
        (true, true) if token.starts_with(|c: char| c.is_ascii_digit()) => return Err(refuse()),
        (true, true) => Kind::Mixed,
    };
    Ok(Some((kind, token, rest)))
}

/// What a configuration does with tokens.
enum Config {
    Simple,
    English(Stemmer),
}

impl Config {
    fn by_oid(oid: Oid) -> PgResult<Config> {
        match oid {
            SIMPLE => Ok(Config::Simple),
            ENGLISH => Ok(Config::English(Stemmer::create(Algorithm::English))),
            _ => Err(PgError::unsupported("a text search configuration other than simple and english")),
        }
    }

    /// The lexeme of a token; `None` for one that is left out.
    fn lexeme(&self, kind: Kind, token: &str) -> Option<Box<str>> {
        let lower = token.to_ascii_lowercase();
        match self {
            Config::English(_) if kind == Kind::Word && STOP_WORDS.binary_search(&lower.as_str()).is_ok() => {
                None
            }
            // PostgreSQL stems nothing that long either.
            Config::English(stemmer) if kind == Kind::Word && lower.len() <= 1000 => {
                Some(stemmer.stem(&lower).into())
            }
            _ => Some(lower.into()),
        }
    }
}

fn to_tsvector(ctx: &CallContext<'_>, config: OidArg, text: &str) -> PgResult<TsVector> {
    let config = Config::by_oid(config.0)?;
    let (mut rest, mut lexemes, mut at) = (text, Vec::new(), 0_u16);
    while let Some((kind, token, after)) = next_token(rest)? {
        rest = after;
        if token.len() >= MAX_LEXEME_BYTES {
            let detail = format!("Words longer than {} characters are ignored.", MAX_LEXEME_BYTES);
            let message = "word is too long to be indexed";
            let notice = PgError::report(Severity::Notice, code::PROGRAM_LIMIT_EXCEEDED, message);
            ctx.env.notice(notice.detail(detail));
            continue;
        }
        // A word that is left out keeps its place.
        at = (at + 1).min(MAX_POSITION);
        if let Some(text) = config.lexeme(kind, token) {
            lexemes.push(Lexeme { text, positions: vec![Position { at, weight: 0 }] });
        }
    }
    TsVector::from_lexemes(lexemes)
}

builtins! {
    "to_tsvector_byid" = to_tsvector: (ctx, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(mut text: &str) -> Option<Vec<&str>> {
        let mut found = Vec::new();
        while let Some((_, token, rest)) = next_token(text).ok()? {
            found.push(token);
            text = rest;
        }
        Some(found)
    }

    #[test]
    fn tokens_are_words_and_numbers() {
        for (text, expect) in [
            ("Rebel spaceships, striking.", Some(vec!["Rebel", "spaceships", "striking"])),
            ("a b12 12 (don't)", Some(vec!["a", "b12", "12", "don", "t"])),
            ("x - y. é", Some(vec!["x", "y", "é"])),
            ("", Some(vec![])),
            ("foo-bar", None),
            ("-1", None),
            ("1.5", None),
            ("12abc", None),
            ("a@b.c", None),
            ("/usr", None),
            ("<b>x", None),
        ] {
            assert_eq!(tokens(text), expect, "{text}");
        }
    }

    #[test]
    fn dictionaries() {
        let english = Config::by_oid(ENGLISH).expect("known");
        let simple = Config::by_oid(SIMPLE).expect("known");
        for (kind, token, stem, lower) in [
            (Kind::Word, "Striking", Some("strike"), "striking"),
            (Kind::Word, "The", None, "the"),
            (Kind::Mixed, "Boxes1", Some("boxes1"), "boxes1"),
            (Kind::Number, "12", Some("12"), "12"),
            // Case is ASCII's alone, as in the locale C.
            (Kind::Word, "É", Some("É"), "É"),
        ] {
            assert_eq!(english.lexeme(kind, token).as_deref(), stem, "{token}");
            assert_eq!(simple.lexeme(kind, token).as_deref(), Some(lower), "{token}");
        }
        assert!(STOP_WORDS.is_sorted());
    }
}
