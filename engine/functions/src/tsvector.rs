//! `tsvector`: sorted lexemes with their positions (PostgreSQL's `tsvector.c` and `tsvector_parser.c`).

use crate::binary::{BinaryReader, client_text};
use crate::io::TypeIo;
use crate::text::is_c_space;
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, code};

/// The longest lexeme, in bytes.
pub(crate) const MAX_LEXEME_BYTES: usize = (1 << 11) - 1;
/// The last position; later ones count as this one.
pub(crate) const MAX_POSITION: u16 = (1 << 14) - 1;
/// Positions kept of one lexeme.
const MAX_POSITIONS: usize = 256;
/// The longest text of all lexemes and positions, in bytes.
const MAX_TEXT_BYTES: usize = (1 << 20) - 1;

/// Where a lexeme stands, and how much it weighs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// 1 to 16383.
    pub at: u16,
    /// 3 for `A` to 0 for `D`.
    pub weight: u8,
}

/// A lexeme and where it stands; without positions nothing is known of that.
#[derive(Clone, Debug)]
pub struct Lexeme {
    /// The lexeme.
    pub text: Box<str>,
    /// In ascending order, none twice.
    pub positions: Vec<Position>,
}

/// A `tsvector`: lexemes in the order of their bytes, none twice.
#[derive(Clone, Debug, Default)]
pub struct TsVector {
    /// The lexemes.
    pub lexemes: Vec<Lexeme>,
}

/// `tsvector`
pub(crate) static TSVECTOR_IO: TypeIo = TypeIo {
    input: |text, _, _| TsVector::parse(text).map(TsVector::into_datum),
    output: |datum, _, out| {
        out.extend(of(datum)?.text().into_bytes());
        Ok(())
    },
    recv: |bytes, _, _| TsVector::from_bytes(bytes).map(TsVector::into_datum),
    send: |datum, _: &dyn Env, out| {
        out.extend(of(datum)?.to_bytes());
        Ok(())
    },
};

fn of(datum: &Datum) -> PgResult<&TsVector> {
    match datum {
        Datum::TsVector(value) => Ok(value),
        other => Err(other.mismatch("tsvector")),
    }
}

/// The weight that a letter stands for.
pub(crate) fn weight_of(letter: u8) -> Option<u8> {
    match letter.to_ascii_uppercase() {
        b'A' => Some(3),
        b'B' => Some(2),
        b'C' => Some(1),
        b'D' => Some(0),
        _ => None,
    }
}

/// A word of a `tsvector` or `tsquery` and what follows it.
pub(crate) struct Word<'a> {
    pub(crate) text: String,
    pub(crate) rest: &'a str,
}

fn syntax_error(of_query: bool, whole: &str) -> PgError {
    let kind = if of_query { "tsquery" } else { "tsvector" };
    PgError::new(code::SYNTAX_ERROR, format!("syntax error in {kind}: \"{whole}\""))
}

/// Reads a word, quoted or not, from where blanks have been skipped. In a query operators end it.
///
/// # Errors
/// `42601` for malformed words.
pub(crate) fn read_word<'a>(text: &'a str, of_query: bool, whole: &str) -> PgResult<Word<'a>> {
    let malformed = || syntax_error(of_query, whole);
    let is_operator = |c: char| of_query && matches!(c, '!' | '&' | '|' | '(' | ')');
    let mut word = String::new();
    let mut chars = text.char_indices().peekable();
    let quoted = text.starts_with('\'');
    if quoted {
        chars.next();
    } else if text.starts_with(is_operator) {
        return Err(malformed());
    }
    let mut is_first = true;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) => word.push(escaped),
                None => {
                    let message = format!("there is no escaped character: \"{whole}\"");
                    return Err(PgError::new(code::SYNTAX_ERROR, message));
                }
            },
            '\'' if quoted => {
                if chars.next_if(|(_, next)| *next == '\'').is_none() {
                    if word.is_empty() {
                        return Err(malformed());
                    }
                    return Ok(Word { text: word, rest: &text[at + 1..] });
                }
                word.push('\'');
            }
            // A colon that starts a word is part of it in a vector.
            ':' if !quoted && (of_query || !is_first) => {
                return if word.is_empty() {
                    Err(malformed())
                } else {
                    Ok(Word { text: word, rest: &text[at..] })
                };
            }
            _ if !quoted && (is_c_space(c) || is_operator(c)) => {
                return Ok(Word { text: word, rest: &text[at..] });
            }
            _ => word.push(c),
        }
        is_first = false;
    }
    if quoted { Err(malformed()) } else { Ok(Word { text: word, rest: "" }) }
}

/// Reads `:1A,2B` behind a word.
fn read_positions<'a>(mut rest: &'a str, whole: &str) -> PgResult<(Vec<Position>, &'a str)> {
    let malformed = || syntax_error(false, whole);
    let mut positions: Vec<Position> = Vec::new();
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(malformed());
        }
        let at = rest[..digits].parse::<u64>().unwrap_or(u64::MAX).min(MAX_POSITION.into()) as u16;
        if at == 0 {
            let message = format!("wrong position info in tsvector: \"{whole}\"");
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        rest = &rest[digits..];
        let mut position = Position { at, weight: 0 };
        loop {
            match rest.as_bytes().first() {
                Some(letter @ (b'a'..=b'c' | b'A'..=b'C' | b'*')) => {
                    if position.weight != 0 {
                        return Err(malformed());
                    }
                    position.weight = if *letter == b'*' { 3 } else { weight_of(*letter).unwrap_or(0) };
                }
                Some(b'd' | b'D') => {
                    if position.weight != 0 {
                        return Err(malformed());
                    }
                }
                _ => break,
            }
            rest = &rest[1..];
        }
        positions.push(position);
        match rest.chars().next() {
            Some(',') => rest = &rest[1..],
            Some(c) if !is_c_space(c) => return Err(malformed()),
            _ => return Ok((positions, rest)),
        }
    }
}

/// Sorts positions; of those at the same place the heaviest stays.
fn unique_positions(positions: &mut Vec<Position>) {
    positions.sort_by(|a, b| a.at.cmp(&b.at).then(b.weight.cmp(&a.weight)));
    positions.dedup_by(|later, first| later.at == first.at);
    positions.truncate(MAX_POSITIONS);
}

impl TsVector {
    /// A vector of lexemes in any order, with duplicates joined.
    pub(crate) fn from_lexemes(mut lexemes: Vec<Lexeme>) -> PgResult<Self> {
        lexemes.sort_by(|a, b| a.text.as_bytes().cmp(b.text.as_bytes()));
        lexemes.dedup_by(|later, first| {
            let same = later.text == first.text;
            if same {
                first.positions.append(&mut later.positions);
            }
            same
        });
        lexemes.iter_mut().for_each(|lexeme| unique_positions(&mut lexeme.positions));
        let vector = TsVector { lexemes };
        let bytes = vector.text_bytes();
        if bytes > MAX_TEXT_BYTES {
            let message =
                format!("string is too long for tsvector ({bytes} bytes, max {MAX_TEXT_BYTES} bytes)");
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(vector)
    }

    fn parse(whole: &str) -> PgResult<Self> {
        let mut lexemes = Vec::new();
        let mut rest = whole.trim_start_matches(is_c_space);
        while !rest.is_empty() {
            let word = read_word(rest, false, whole)?;
            rest = word.rest;
            if word.text.len() >= MAX_LEXEME_BYTES {
                let message =
                    format!("word is too long ({} bytes, max {MAX_LEXEME_BYTES} bytes)", word.text.len());
                return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
            }
            let mut positions = Vec::new();
            if let Some(behind) = rest.strip_prefix(':') {
                (positions, rest) = read_positions(behind, whole)?;
            }
            lexemes.push(Lexeme { text: word.text.into(), positions });
            rest = rest.trim_start_matches(is_c_space);
        }
        Self::from_lexemes(lexemes)
    }

    pub(crate) fn into_datum(self) -> Datum {
        Datum::TsVector(self.into())
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (at, lexeme) in self.lexemes.iter().enumerate() {
            if at > 0 {
                out.push(' ');
            }
            write_quoted(&lexeme.text, &mut out);
            for (at, position) in lexeme.positions.iter().enumerate() {
                out.push(if at == 0 { ':' } else { ',' });
                out.push_str(&position.at.to_string());
                out.push_str(["", "C", "B", "A"][usize::from(position.weight & 3)]);
            }
        }
        out
    }

    /// The binary form, which is also the stored one.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = (self.lexemes.len() as u32).to_be_bytes().to_vec();
        for lexeme in &self.lexemes {
            out.extend_from_slice(lexeme.text.as_bytes());
            out.push(0);
            out.extend((lexeme.positions.len() as u16).to_be_bytes());
            for position in &lexeme.positions {
                out.extend((u16::from(position.weight) << 14 | position.at).to_be_bytes());
            }
        }
        out
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// `08P01`, `22P03` and `22021` for malformed bytes.
    pub fn from_bytes(bytes: &[u8]) -> PgResult<Self> {
        let mut reader = BinaryReader::new(bytes);
        let count = reader.i32()?;
        let mut lexemes = Vec::new();
        for _ in 0..count {
            let rest = reader.rest();
            let len = memchr::memchr(0, rest).ok_or_else(crate::binary::insufficient)?;
            let text = client_text(reader.take(len)?)?.into();
            reader.take(1)?;
            let mut positions = Vec::new();
            for _ in 0..reader.i16()? as u16 {
                let packed = reader.i16()? as u16;
                positions.push(Position { at: packed & MAX_POSITION, weight: (packed >> 14) as u8 });
            }
            lexemes.push(Lexeme { text, positions });
        }
        reader.finish()?;
        Self::from_lexemes(lexemes)
    }

    /// Bytes that lexemes and positions take in PostgreSQL's stored form, which bounds the value.
    fn text_bytes(&self) -> usize {
        self.lexemes.iter().fold(0, |at, lexeme| {
            let end = at + lexeme.text.len();
            match lexeme.positions.len() {
                0 => end,
                count => end.next_multiple_of(2) + 2 + 2 * count,
            }
        })
    }

    /// Appends bytes whose order is PostgreSQL's: by stored size, number of lexemes, then lexeme by lexeme;
    /// those with positions, more positions and later positions come first.
    pub(crate) fn encode_key(&self, out: &mut Vec<u8>) {
        let size = 8 + 4 * self.lexemes.len() + self.text_bytes();
        out.extend((size as u32).to_be_bytes());
        out.extend((self.lexemes.len() as u32).to_be_bytes());
        for lexeme in &self.lexemes {
            out.push(u8::from(lexeme.positions.is_empty()));
            out.extend_from_slice(lexeme.text.as_bytes());
            out.push(0);
            out.extend((!(lexeme.positions.len() as u16)).to_be_bytes());
            for position in &lexeme.positions {
                out.extend((!position.at).to_be_bytes());
                out.push(!position.weight);
            }
        }
    }

    /// The key as bytes of its own.
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        self.encode_key(&mut key);
        key
    }

    /// PostgreSQL's order, which is that of the keys.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }

    /// Where a lexeme stands in the vector.
    pub(crate) fn find(&self, text: &str) -> Option<usize> {
        self.lexemes.binary_search_by(|lexeme| lexeme.text.as_bytes().cmp(text.as_bytes())).ok()
    }
}

/// Appends a lexeme in quotes; quotes and backslashes inside are doubled.
pub(crate) fn write_quoted(text: &str, out: &mut String) {
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
}
