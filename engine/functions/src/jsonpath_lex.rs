//! Tokens of the `jsonpath` language (PostgreSQL's `jsonpath_scan.l`).

use redoubt_error::{PgError, PgResult, code};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A word: a key, a key word or a method, without escapes.
    Word(String),
    String(String),
    Integer(String),
    Number(String),
    /// `$name` or `$"name"`.
    Variable(String),
    /// `&&`, `==`, `(` and so on.
    Symbol(&'static str),
    End,
}

/// A token and what an error message shows of it.
#[derive(Clone, Debug)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    /// Empty at the end of the input, and where PostgreSQL's scanner believes itself there.
    pub(crate) shown: String,
}

/// Longer symbols come before their beginnings.
const SYMBOLS: [&str; 32] = [
    "&&", "||", "**", "<=", "==", "<>", "!=", ">=", "!", "<", ">", "?", "%", "$", ".", "[", "]", "{", "}",
    "(", ")", "|", "&", "=", "@", "#", ",", "*", ":", "-", "+", "/",
];

fn is_special(byte: u8) -> bool {
    b"?%$.[]{}()|&!=<>@#,*:-+/".contains(&byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0C)
}

/// Bytes that words are made of.
fn is_other(byte: u8) -> bool {
    !is_special(byte) && !is_blank(byte) && !matches!(byte, b'\\' | b'"')
}

/// `42601`, with the text at which it was seen.
pub(crate) fn error_at(message: &str, shown: &str) -> PgError {
    let text = if shown.is_empty() {
        format!("{message} at end of jsonpath input")
    } else {
        format!("{message} at or near \"{shown}\" of jsonpath input")
    };
    PgError::new(code::SYNTAX_ERROR, text)
}

/// `22P02` with a detail.
pub(crate) fn invalid(code: redoubt_error::SqlState, detail: impl Into<String>) -> PgError {
    PgError::new(code, "invalid input syntax for type jsonpath").detail(detail)
}

/// Reads tokens one after the other.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn run(&self, from: usize, belongs: fn(u8) -> bool) -> usize {
        self.text.as_bytes()[from..].iter().take_while(|byte| belongs(**byte)).count()
    }

    /// The next token.
    ///
    /// # Errors
    /// `42601` for malformed tokens, `22P02` and `22P05` for escapes that make no character.
    pub(crate) fn next(&mut self) -> PgResult<Lexeme> {
        loop {
            self.at += self.run(self.at, is_blank);
            if !self.text[self.at..].starts_with("/*") {
                break;
            }
            match self.text[self.at + 2..].find("*/") {
                Some(len) => self.at += 2 + len + 2,
                None => return Err(error_at("unexpected end of comment", "")),
            }
        }
        let Some(first) = self.byte(self.at) else {
            return Ok(Lexeme { token: Token::End, shown: String::new() });
        };
        match first {
            b'"' => {
                let value = self.quoted(self.at + 1)?;
                Ok(Lexeme { token: Token::String(value), shown: "\"".into() })
            }
            b'$' if self.byte(self.at + 1) == Some(b'"') => {
                let value = self.quoted(self.at + 2)?;
                Ok(Lexeme { token: Token::Variable(value), shown: "\"".into() })
            }
            b'$' if self.byte(self.at + 1).is_some_and(is_other) => {
                let end = self.at + 1 + self.run(self.at + 1, is_other);
                let shown = self.text[self.at..end].to_owned();
                self.at = end;
                Ok(Lexeme { token: Token::Variable(shown[1..].to_owned()), shown })
            }
            _ => match self.number()? {
                Some(lexeme) => Ok(lexeme),
                None if is_special(first) => {
                    let rest = &self.text[self.at..];
                    let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                    let symbol =
                        *symbol.ok_or_else(|| PgError::internal("a special character is no symbol"))?;
                    self.at += symbol.len();
                    Ok(Lexeme { token: Token::Symbol(symbol), shown: symbol.to_owned() })
                }
                None => self.word(),
            },
        }
    }

    /// A number, unless a longer word starts here.
    fn number(&mut self) -> PgResult<Option<Lexeme>> {
        let digits = |from: usize| self.run(from.min(self.text.len()), |byte| byte.is_ascii_digit());
        let start = self.at;
        let mut end = start;
        match self.byte(start) {
            Some(b'0') => end += 1,
            Some(b'1'..=b'9') => end += digits(start),
            Some(b'.') if digits(start + 1) > 0 => {}
            _ => return Ok(None),
        }
        let mut is_integer = true;
        if self.byte(end) == Some(b'.') {
            is_integer = false;
            end += 1 + digits(end + 1);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let count = digits(end + 1 + sign);
            if count > 0 {
                is_integer = false;
                end += 1 + sign + count;
            } else if sign == 1 {
                return Err(error_at("invalid numeric literal", &self.text[start..end + 2]));
            }
        }
        if self.byte(end).is_some_and(is_other) {
            let char_len = self.text[end..].chars().next().map_or(1, char::len_utf8);
            // PostgreSQL's scanner goes by bytes, and the longest token wins.
            if self.run(start, is_other) > end + 1 - start {
                return Ok(None);
            }
            let shown = &self.text[start..end + char_len];
            return Err(error_at("trailing junk after numeric literal", shown));
        }
        let shown = self.text[start..end].to_owned();
        self.at = end;
        let token = if is_integer { Token::Integer(shown.clone()) } else { Token::Number(shown.clone()) };
        Ok(Some(Lexeme { token, shown }))
    }

    fn word(&mut self) -> PgResult<Lexeme> {
        let mut value = String::new();
        loop {
            match self.byte(self.at) {
                Some(b'\\') => self.escape(&mut value)?,
                Some(byte) if is_other(byte) => {
                    let end = self.at + self.run(self.at, is_other);
                    value.push_str(&self.text[self.at..end]);
                    self.at = end;
                }
                _ => break,
            }
        }
        // The scanner has just read the blanks behind the word, or has put a symbol back.
        let blanks = self.run(self.at, is_blank);
        let shown = self.text[self.at..self.at + blanks].to_owned();
        Ok(Lexeme { token: Token::Word(value), shown })
    }

    fn quoted(&mut self, from: usize) -> PgResult<String> {
        let mut value = String::new();
        self.at = from;
        loop {
            match self.byte(self.at) {
                None => return Err(error_at("unexpected end of quoted string", "")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => self.escape(&mut value)?,
                Some(_) => {
                    let end = self.at + self.run(self.at, |byte| !matches!(byte, b'\\' | b'"'));
                    value.push_str(&self.text[self.at..end]);
                    self.at = end;
                }
            }
        }
    }

    /// Reads the escape at the current place.
    fn escape(&mut self, value: &mut String) -> PgResult<()> {
        let start = self.at;
        let Some(letter) = self.text[start + 1..].chars().next() else {
            return Err(error_at("unexpected end after backslash", "\\"));
        };
        match letter {
            'u' => return self.unicode(value),
            'x' => {
                let digits = self.text.as_bytes()[start + 2..]
                    .iter()
                    .take(2)
                    .take_while(|byte| byte.is_ascii_hexdigit())
                    .count();
                let end = start + 2 + digits;
                if digits < 2 {
                    return Err(error_at("invalid hex character sequence", &self.text[start..end]));
                }
                let code = u32::from_str_radix(&self.text[start + 2..end], 16).unwrap_or(0);
                self.at = end;
                return push_char(code, value);
            }
            'b' => value.push('\u{8}'),
            'f' => value.push('\u{c}'),
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            'v' => value.push('\u{b}'),
            other => value.push(other),
        }
        self.at = start + 1 + letter.len_utf8();
        Ok(())
    }

    /// A run of `\uXXXX` and `\u{X...}`, which surrogate pairs may not leave.
    fn unicode(&mut self, value: &mut String) -> PgResult<()> {
        let start = self.at;
        let mut high: Option<u32> = None;
        let mut codes = Vec::new();
        while self.text[self.at..].starts_with("\\u") {
            let bytes = self.text.as_bytes();
            let braced = self.byte(self.at + 2) == Some(b'{');
            let first = self.at + 2 + usize::from(braced);
            let most = if braced { 6 } else { 4 };
            let count = bytes[first..].iter().take(most).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let end = first + count;
            let complete = if braced { count > 0 && self.byte(end) == Some(b'}') } else { count == 4 };
            if !complete {
                return Err(error_at("invalid unicode sequence", &self.text[start..end]));
            }
            codes.push(u32::from_str_radix(&self.text[first..end], 16).unwrap_or(0));
            self.at = end + usize::from(braced);
        }
        let lone = "Unicode low surrogate must follow a high surrogate.";
        let fault = |detail: &str| invalid(code::INVALID_TEXT_REPRESENTATION, detail);
        for code in codes {
            match (code, high.take()) {
                (0xD800..0xDC00, Some(_)) => {
                    return Err(fault("Unicode high surrogate must not follow a high surrogate."));
                }
                (0xD800..0xDC00, None) => high = Some(code),
                (0xDC00..0xE000, Some(first)) => {
                    push_char(0x10000 + ((first & 0x3FF) << 10) + (code & 0x3FF), value)?;
                }
                (0xDC00..0xE000, None) | (_, Some(_)) => return Err(fault(lone)),
                (code, None) => push_char(code, value)?,
            }
        }
        if high.is_some() { Err(fault(lone)) } else { Ok(()) }
    }
}

fn push_char(code_point: u32, value: &mut String) -> PgResult<()> {
    if code_point == 0 {
        let error = PgError::new(code::UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence");
        return Err(error.detail("\\u0000 cannot be converted to text."));
    }
    value.push(
        char::from_u32(code_point)
            .ok_or_else(|| PgError::new(code::SYNTAX_ERROR, "invalid Unicode code point"))?,
    );
    Ok(())
}
