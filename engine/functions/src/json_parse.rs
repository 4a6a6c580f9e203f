//! JSON text to a tree that remembers where in the text each value stands, with the errors of
//! PostgreSQL's parser (`src/common/jsonapi.c`).
//!
//! `json` keeps its text, so functions over it answer with slices of that text; `jsonb` keeps
//! only what the tree says. Both start here.

use redoubt_error::{PgError, PgResult, code};
use std::ops::Range;

/// Deeper values are refused, as PostgreSQL refuses them when its stack ends.
pub(crate) const MAX_DEPTH: usize = 2000;

/// One value of a JSON text.
#[derive(Debug)]
pub(crate) struct Node {
    /// Bytes of the text that the value takes, without the blanks around it.
    pub(crate) span: Range<usize>,
    pub(crate) kind: NodeKind,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    /// A number; its digits are the span.
    Number,
    /// A string without its escapes (see [`Escapes`]).
    String(String),
    Array(Vec<Node>),
    /// Members in the order of the text, duplicates included.
    Object(Vec<(String, Node)>),
}

/// Whether strings are decoded. PostgreSQL's `json_in` does not decode them, so `json` may hold
/// `\u0000` and lone surrogates, which decoding refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// Strings of the tree have their escapes replaced.
    Decode,
    /// Strings of the tree are empty.
    Keep,
}

/// Parses a whole text.
///
/// # Errors
/// `22P02` and `22P05` with PostgreSQL's detail and context lines; `54001` when nested too deeply.
pub(crate) fn parse(text: &str, escapes: Escapes) -> PgResult<Node> {
    let mut parser = Parser::new(text, escapes);
    parser.advance()?;
    let node = parser.value(0)?;
    if parser.token != Token::End {
        return Err(parser.unexpected(Expected::End));
    }
    Ok(node)
}

/// `54001` in the words of PostgreSQL's stack check.
#[cold]
pub(crate) fn too_deep() -> PgError {
    PgError::new(code::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
        "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), \
         after ensuring the platform's stack depth limit is adequate.",
    )
}

/// Length of the number at the start of `text`, when a JSON number is all of it.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (end, valid) = scan_number(digits.as_bytes(), 0);
    valid && end == digits.len()
}

/// Where the number that starts at `at` (behind its sign) ends, and whether it is one.
/// Letters and digits that touch it belong to it, for the error's sake.
fn scan_number(bytes: &[u8], mut at: usize) -> (usize, bool) {
    let digits_from = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut valid = true;
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at += digits_from(at),
        _ => valid = false,
    }
    if bytes.get(at) == Some(&b'.') {
        let count = digits_from(at + 1);
        valid &= count > 0;
        at += 1 + count;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        let count = digits_from(at);
        valid &= count > 0;
        at += count;
    }
    let rest = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
    (at + rest, valid && rest == 0)
}

/// Bytes that belong to a word in error reports.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    String,
    Number,
    True,
    False,
    Null,
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Comma,
    Colon,
    End,
}

/// What the grammar wanted where it found something else.
#[derive(Clone, Copy)]
enum Expected {
    End,
    Value,
    String,
    ArrayNext,
    ObjectFirst,
    ObjectNext,
    Colon,
}

struct Parser<'a> {
    text: &'a str,
    escapes: Escapes,
    token: Token,
    start: usize,
    end: usize,
    /// The decoded form of the string token.
    string: String,
    line: usize,
    line_start: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, escapes: Escapes) -> Self {
        Parser {
            text,
            escapes,
            token: Token::End,
            start: 0,
            end: 0,
            string: String::new(),
            line: 1,
            line_start: 0,
        }
    }

    fn value(&mut self, depth: usize) -> PgResult<Node> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let start = self.start;
        let kind = match self.token {
            Token::ObjectStart => return self.object(start, depth),
            Token::ArrayStart => return self.array(start, depth),
            Token::String => NodeKind::String(std::mem::take(&mut self.string)),
            Token::Number => NodeKind::Number,
            Token::True => NodeKind::Bool(true),
            Token::False => NodeKind::Bool(false),
            Token::Null => NodeKind::Null,
            _ => return Err(self.unexpected(Expected::Value)),
        };
        let span = start..self.end;
        self.advance()?;
        Ok(Node { span, kind })
    }

    fn array(&mut self, start: usize, depth: usize) -> PgResult<Node> {
        self.advance()?;
        let mut items = Vec::new();
        if self.token != Token::ArrayEnd {
            items.push(self.value(depth + 1)?);
            while self.token == Token::Comma {
                self.advance()?;
                items.push(self.value(depth + 1)?);
            }
        }
        if self.token != Token::ArrayEnd {
            return Err(self.unexpected(Expected::ArrayNext));
        }
        let span = start..self.end;
        self.advance()?;
        Ok(Node { span, kind: NodeKind::Array(items) })
    }

    fn object(&mut self, start: usize, depth: usize) -> PgResult<Node> {
        self.advance()?;
        let mut members = Vec::new();
        match self.token {
            Token::ObjectEnd => {}
            Token::String => {
                members.push(self.member(depth)?);
                while self.token == Token::Comma {
                    self.advance()?;
                    members.push(self.member(depth)?);
                }
            }
            _ => return Err(self.unexpected(Expected::ObjectFirst)),
        }
        if self.token != Token::ObjectEnd {
            return Err(self.unexpected(Expected::ObjectNext));
        }
        let span = start..self.end;
        self.advance()?;
        Ok(Node { span, kind: NodeKind::Object(members) })
    }

    fn member(&mut self, depth: usize) -> PgResult<(String, Node)> {
        if self.token != Token::String {
            return Err(self.unexpected(Expected::String));
        }
        let name = std::mem::take(&mut self.string);
        self.advance()?;
        if self.token != Token::Colon {
            return Err(self.unexpected(Expected::Colon));
        }
        self.advance()?;
        Ok((name, self.value(depth + 1)?))
    }

    /// Reads the next token.
    fn advance(&mut self) -> PgResult<()> {
        let bytes = self.text.as_bytes();
        let mut at = self.end;
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = bytes.get(at) {
            at += 1;
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = at;
            }
        }
        self.start = at;
        let Some(&first) = bytes.get(at) else {
            self.token = Token::End;
            self.end = at;
            return Ok(());
        };
        self.end = at + 1;
        self.token = match first {
            b'{' => Token::ObjectStart,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayStart,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => {
                // The kind matters to error reports from inside the string.
                self.token = Token::String;
                self.string_token()?;
                Token::String
            }
            b'-' | b'0'..=b'9' => {
                self.token = Token::Number;
                let (end, valid) = scan_number(bytes, at + usize::from(first == b'-'));
                self.end = end;
                if !valid {
                    return Err(self.invalid_token());
                }
                Token::Number
            }
            _ => self.word(at)?,
        };
        Ok(())
    }

    fn word(&mut self, at: usize) -> PgResult<Token> {
        let len = self.text.as_bytes()[at..].iter().take_while(|byte| is_word(**byte)).count();
        self.end = at + len.max(1);
        self.token = Token::Null;
        match &self.text[at..self.end] {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.invalid_token()),
        }
    }

    fn string_token(&mut self) -> PgResult<()> {
        let bytes = self.text.as_bytes();
        let mut decoded = String::new();
        let mut high: Option<u32> = None;
        let mut at = self.start + 1;
        loop {
            let Some(&byte) = bytes.get(at) else {
                self.end = at;
                return Err(self.invalid_token());
            };
            match byte {
                b'"' => break,
                0..32 => {
                    self.end = at;
                    return Err(self.fail(format!("Character with value 0x{byte:02x} must be escaped.")));
                }
                b'\\' => at = self.escape(at + 1, &mut decoded, &mut high)?,
                _ => {
                    let len = char_len(byte);
                    self.no_pending_surrogate(high, at)?;
                    if self.escapes == Escapes::Decode {
                        decoded.push_str(&self.text[at..at + len]);
                    }
                    at += len;
                }
            }
        }
        if high.is_some() {
            self.end = at + 1;
            return Err(self.fail("Unicode low surrogate must follow a high surrogate."));
        }
        self.end = at + 1;
        self.string = decoded;
        Ok(())
    }

    /// Reads the escape whose letter is at `at`; answers where the text goes on.
    fn escape(&mut self, at: usize, decoded: &mut String, high: &mut Option<u32>) -> PgResult<usize> {
        let Some(&letter) = self.text.as_bytes().get(at) else {
            self.end = at;
            return Err(self.invalid_token());
        };
        if letter == b'u' {
            return self.unicode_escape(at, decoded, high);
        }
        self.no_pending_surrogate(*high, at)?;
        let char = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => {
                // Only the escape is shown, not the whole string.
                self.start = at;
                self.end = at + char_len(letter);
                let shown = &self.text[self.start..self.end];
                return Err(self.fail(format!("Escape sequence \"\\{shown}\" is invalid.")));
            }
        };
        if self.escapes == Escapes::Decode {
            decoded.push(char);
        }
        Ok(at + 1)
    }

    fn unicode_escape(&mut self, at: usize, decoded: &mut String, high: &mut Option<u32>) -> PgResult<usize> {
        let bytes = self.text.as_bytes();
        let mut unit = 0;
        for at in at + 1..=at + 4 {
            let Some(&byte) = bytes.get(at) else {
                self.end = at;
                return Err(self.invalid_token());
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                self.end = at + char_len(byte);
                return Err(self.fail("\"\\u\" must be followed by four hexadecimal digits."));
            };
            unit = unit * 16 + digit;
        }
        let next = at + 5;
        if self.escapes == Escapes::Keep {
            return Ok(next);
        }
        self.end = next;
        let lone = "Unicode low surrogate must follow a high surrogate.";
        let code_point = match (unit, high.take()) {
            (0xD800..0xDC00, Some(_)) => {
                return Err(self.fail("Unicode high surrogate must not follow a high surrogate."));
            }
            (0xD800..0xDC00, None) => {
                *high = Some(unit);
                return Ok(next);
            }
            (0xDC00..0xE000, Some(first)) => 0x10000 + ((first & 0x3FF) << 10) + (unit & 0x3FF),
            (0xDC00..0xE000, None) | (_, Some(_)) => return Err(self.fail(lone)),
            (0, None) => {
                let error =
                    PgError::new(code::UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence");
                return Err(self.locate(error.detail("\\u0000 cannot be converted to text.")));
            }
            (unit, None) => unit,
        };
        decoded.push(char::from_u32(code_point).ok_or_else(|| self.fail(lone))?);
        Ok(next)
    }

    fn no_pending_surrogate(&mut self, high: Option<u32>, at: usize) -> PgResult<()> {
        if high.is_none() {
            return Ok(());
        }
        self.end = at + char_len(self.text.as_bytes()[at]);
        Err(self.fail("Unicode low surrogate must follow a high surrogate."))
    }

    fn unexpected(&self, expected: Expected) -> PgError {
        if self.token == Token::End {
            return self.fail("The input string ended unexpectedly.");
        }
        let wanted = match expected {
            Expected::End => "end of input",
            Expected::Value => "JSON value",
            Expected::String => "string",
            Expected::ArrayNext => "\",\" or \"]\"",
            Expected::ObjectFirst => "string or \"}\"",
            Expected::ObjectNext => "\",\" or \"}\"",
            Expected::Colon => "\":\"",
        };
        self.fail(format!("Expected {wanted}, but found \"{}\".", &self.text[self.start..self.end]))
    }

    fn invalid_token(&self) -> PgError {
        self.fail(format!("Token \"{}\" is invalid.", &self.text[self.start..self.end]))
    }

    #[cold]
    fn fail(&self, detail: impl Into<String>) -> PgError {
        let message = "invalid input syntax for type json";
        self.locate(PgError::new(code::INVALID_TEXT_REPRESENTATION, message).detail(detail))
    }

    /// Adds the line of the text up to where the error was seen, at most some 50 bytes of it.
    fn locate(&self, error: PgError) -> PgError {
        let mut from = self.line_start;
        while self.end - from >= 50 {
            from += char_len(self.text.as_bytes()[from]);
        }
        if from - self.line_start <= 3 {
            from = self.line_start;
        }
        let before = if from > self.line_start { "..." } else { "" };
        let goes_on = self.token != Token::End
            && self.text.as_bytes().get(self.end).is_some_and(|byte| !matches!(byte, b'\n' | b'\r'));
        let after = if goes_on { "..." } else { "" };
        let shown = &self.text[from..self.end];
        error.context(format!("JSON data, line {}: {before}{shown}{after}", self.line))
    }
}

/// Bytes of the UTF-8 character that starts with this one.
fn char_len(first: u8) -> usize {
    match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str, escapes: Escapes) -> String {
        match parse(text, escapes) {
            Ok(_) => "ok".to_owned(),
            Err(error) => {
                let fields = error.fields();
                let part = |part: &Option<String>| part.clone().unwrap_or_default();
                format!("{} | {}", part(&fields.detail), part(&fields.context))
            }
        }
    }

    #[test]
    fn errors_are_postgresqls() {
        for (text, expected) in [
            ("", "The input string ended unexpectedly. | JSON data, line 1: "),
            ("nul", "Token \"nul\" is invalid. | JSON data, line 1: nul"),
            ("01", "Token \"01\" is invalid. | JSON data, line 1: 01"),
            ("0x1", "Token \"0x1\" is invalid. | JSON data, line 1: 0x1"),
            ("1.e1", "Token \"1.e1\" is invalid. | JSON data, line 1: 1.e1"),
            ("\"abc", "Token \"\"abc\" is invalid. | JSON data, line 1: \"abc"),
            ("\"a\\v\"", "Escape sequence \"\\v\" is invalid. | JSON data, line 1: \"a\\v..."),
            ("[1,2", "The input string ended unexpectedly. | JSON data, line 1: [1,2"),
            ("[1,]", "Expected JSON value, but found \"]\". | JSON data, line 1: [1,]"),
            ("[1,2]]", "Expected end of input, but found \"]\". | JSON data, line 1: [1,2]]"),
            ("{\"a\":1,}", "Expected string, but found \"}\". | JSON data, line 1: {\"a\":1,}"),
            ("{\"abc\"=1}", "Token \"=\" is invalid. | JSON data, line 1: {\"abc\"=..."),
            ("{1:1}", "Expected string or \"}\", but found \"1\". | JSON data, line 1: {1..."),
            (
                "{\n  \"a\": 1,\n  \"x\": tru }",
                "Token \"tru\" is invalid. | JSON data, line 3:   \"x\": tru...",
            ),
        ] {
            assert_eq!(fault(text, Escapes::Keep), expected, "{text}");
        }
    }

    #[test]
    fn strings_are_decoded_only_on_demand() {
        assert_eq!(fault("\"\\u0000\"", Escapes::Keep), "ok");
        assert_eq!(
            fault("\"\\u0000\"", Escapes::Decode),
            "\\u0000 cannot be converted to text. | JSON data, line 1: \"\\u0000..."
        );
        assert_eq!(fault("\"\\ud83d\"", Escapes::Keep), "ok");
        assert!(fault("\"\\ud83d\"", Escapes::Decode).starts_with("Unicode low surrogate must"));
        let node = parse("\"\\ud83d\\ude04\\n\"", Escapes::Decode).unwrap();
        assert!(matches!(node.kind, NodeKind::String(text) if text == "\u{1F604}\n"));
    }

    #[test]
    fn depth_is_limited() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&deep(MAX_DEPTH), Escapes::Keep).is_ok());
        assert_eq!(parse(&deep(10_000), Escapes::Keep).unwrap_err().code().as_str(), "54001");
    }
}
