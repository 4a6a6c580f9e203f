//! `LIKE`, `ILIKE` and their escape functions, on strings and on `bytea`.

use crate::args::builtins;
use redoubt_error::{PgError, PgResult, code};

/// What matching a text against the rest of a pattern tells.
enum Outcome {
    Match,
    /// This start of the text does not match; a later one may.
    Mismatch,
    /// The text ended too early: no later start can match either.
    TooShort,
}

#[cold]
fn dangling_escape() -> PgError {
    PgError::new(code::INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character")
}

/// How bytes compare and how wide a character is.
#[derive(Clone, Copy)]
struct Rules {
    fold_case: bool,
    utf8: bool,
}

impl Rules {
    #[inline]
    fn fold(self, byte: u8) -> u8 {
        if self.fold_case { byte.to_ascii_lowercase() } else { byte }
    }

    /// Bytes of the first character of a non-empty text.
    #[inline]
    fn char_len(self, text: &[u8]) -> usize {
        if !self.utf8 || text[0] < 0x80 {
            return 1;
        }
        1 + text[1..].iter().take_while(|byte| (0x80..0xC0).contains(*byte)).count()
    }

    /// Matches by bytes, which is right for UTF-8 because no character is part of another. The
    /// recursion is as deep as the pattern has runs of `%`.
    fn matches(self, mut text: &[u8], mut pattern: &[u8]) -> PgResult<Outcome> {
        if pattern == b"%" {
            return Ok(Outcome::Match);
        }
        while !text.is_empty() && !pattern.is_empty() {
            match pattern[0] {
                b'\\' => {
                    let Some(&literal) = pattern.get(1) else { return Err(dangling_escape()) };
                    if self.fold(literal) != self.fold(text[0]) {
                        return Ok(Outcome::Mismatch);
                    }
                    (text, pattern) = (&text[1..], &pattern[2..]);
                }
                b'%' => return self.matches_after_percent(text, &pattern[1..]),
                b'_' => (text, pattern) = (&text[self.char_len(text)..], &pattern[1..]),
                literal => {
                    if self.fold(literal) != self.fold(text[0]) {
                        return Ok(Outcome::Mismatch);
                    }
                    (text, pattern) = (&text[1..], &pattern[1..]);
                }
            }
        }
        if !text.is_empty() {
            return Ok(Outcome::Mismatch);
        }
        let rest = pattern.iter().position(|byte| *byte != b'%');
        Ok(if rest.is_none() { Outcome::Match } else { Outcome::TooShort })
    }

    /// `pattern` follows a `%`: tries every place where its next literal occurs.
    fn matches_after_percent(self, mut text: &[u8], mut pattern: &[u8]) -> PgResult<Outcome> {
        // Wildcards in a row: each underscore takes one character.
        while let Some(&wildcard) = pattern.first() {
            match wildcard {
                b'%' => {}
                b'_' if text.is_empty() => return Ok(Outcome::TooShort),
                b'_' => text = &text[self.char_len(text)..],
                _ => break,
            }
            pattern = &pattern[1..];
        }
        let Some(&first) = pattern.first() else { return Ok(Outcome::Match) };
        let literal = if first == b'\\' { *pattern.get(1).ok_or_else(dangling_escape)? } else { first };
        while !text.is_empty() {
            if self.fold(text[0]) == self.fold(literal) {
                match self.matches(text, pattern)? {
                    Outcome::Mismatch => {}
                    decided => return Ok(decided),
                }
            }
            text = &text[self.char_len(text)..];
        }
        Ok(Outcome::TooShort)
    }
}

fn run(text: &[u8], pattern: &[u8], fold_case: bool, utf8: bool) -> PgResult<bool> {
    Ok(matches!(Rules { fold_case, utf8 }.matches(text, pattern)?, Outcome::Match))
}

/// `LIKE` on strings; a backslash escapes.
///
/// # Errors
/// `22025` when the pattern ends with the escape character.
pub(crate) fn like(text: &str, pattern: &str) -> PgResult<bool> {
    run(text.as_bytes(), pattern.as_bytes(), false, true)
}

fn not_like(text: &str, pattern: &str) -> PgResult<bool> {
    like(text, pattern).map(|found| !found)
}

/// `ILIKE`; in the C locale only ASCII letters have two cases.
///
/// # Errors
/// As [`like`].
pub(crate) fn ilike(text: &str, pattern: &str) -> PgResult<bool> {
    run(text.as_bytes(), pattern.as_bytes(), true, true)
}

fn not_ilike(text: &str, pattern: &str) -> PgResult<bool> {
    ilike(text, pattern).map(|found| !found)
}

fn bytea_like(text: &[u8], pattern: &[u8]) -> PgResult<bool> {
    run(text, pattern, false, false)
}

fn bytea_not_like(text: &[u8], pattern: &[u8]) -> PgResult<bool> {
    bytea_like(text, pattern).map(|found| !found)
}

#[cold]
fn bad_escape() -> PgError {
    PgError::new(code::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
        .hint("Escape string must be empty or one character.")
}

/// `LIKE ... ESCAPE`: rewrites a pattern so that the backslash escapes.
fn like_escape(pattern: &str, escape: &str) -> PgResult<String> {
    let mut chars = escape.chars();
    let (escape, more) = (chars.next(), chars.next());
    if more.is_some() {
        return Err(bad_escape());
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    match escape {
        None => out = pattern.replace('\\', "\\\\"),
        Some('\\') => out.push_str(pattern),
        Some(escape) => {
            let mut after_escape = false;
            for c in pattern.chars() {
                if c == escape && !after_escape {
                    out.push('\\');
                    after_escape = true;
                    continue;
                }
                if c == '\\' && !after_escape {
                    out.push('\\');
                }
                out.push(c);
                after_escape = false;
            }
        }
    }
    Ok(out)
}

fn like_escape_bytea(pattern: &[u8], escape: &[u8]) -> PgResult<Vec<u8>> {
    let mut out = Vec::with_capacity(pattern.len() + 8);
    match *escape {
        [] => {
            for &byte in pattern {
                if byte == b'\\' {
                    out.push(b'\\');
                }
                out.push(byte);
            }
        }
        [b'\\'] => out.extend_from_slice(pattern),
        [escape] => {
            let mut after_escape = false;
            for &byte in pattern {
                if byte == escape && !after_escape {
                    out.push(b'\\');
                    after_escape = true;
                    continue;
                }
                if byte == b'\\' && !after_escape {
                    out.push(b'\\');
                }
                out.push(byte);
                after_escape = false;
            }
        }
        _ => return Err(bad_escape()),
    }
    Ok(out)
}

builtins! {
    "textlike" = like: 2;
    "textnlike" = not_like: 2;
    "texticlike" = ilike: 2;
    "texticnlike" = not_ilike: 2;
    "namelike" = like: 2;
    "namenlike" = not_like: 2;
    "nameiclike" = ilike: 2;
    "nameicnlike" = not_ilike: 2;
    "bytealike" = bytea_like: 2;
    "byteanlike" = bytea_not_like: 2;
    "like_escape" = like_escape: 2;
    "like_escape_bytea" = like_escape_bytea: 2;
}
