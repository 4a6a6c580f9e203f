//! String constants: standard, escape (`E''`), Unicode (`U&''`), and continued ones.

use super::{Lexer, is_blank};
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Lexer<'_> {
    /// `'...'`, with `prefix` bytes of letters before the quote.
    pub(super) fn standard_string(
        &mut self,
        start: usize,
        prefix: usize,
        make: fn(String) -> Token,
    ) -> PgResult<()> {
        self.at += prefix;
        let message = match self.bytes[start] {
            b'b' | b'B' => "unterminated bit string literal",
            b'x' | b'X' => "unterminated hexadecimal string literal",
            _ => "unterminated quoted string",
        };
        let value = self.quoted_body(start, message)?;
        self.push(make(value), start);
        Ok(())
    }

    /// Reads from the opening quote to behind the closing one, and on through continuations.
    fn quoted_body(&mut self, start: usize, unterminated: &str) -> PgResult<String> {
        let mut value = String::new();
        loop {
            self.at += 1;
            loop {
                let rest = &self.text[self.at..];
                let Some(quote) = rest.find('\'') else {
                    self.at = self.bytes.len();
                    return Err(self.error_from(start, unterminated));
                };
                value.push_str(&rest[..quote]);
                self.at += quote + 1;
                if self.peek(0) != b'\'' {
                    break;
                }
                value.push('\'');
                self.at += 1;
            }
            if !self.continued() {
                return Ok(value);
            }
        }
    }

    /// Whether the string goes on behind white space with a newline in it; moves to its quote.
    fn continued(&mut self) -> bool {
        let mut at = self.at;
        let mut newline = false;
        loop {
            match self.bytes.get(at) {
                Some(b) if is_blank(*b) => {
                    newline |= matches!(b, b'\n' | b'\r');
                    at += 1;
                }
                // A comment may stand between the parts once a newline has been seen or follows.
                Some(b'-') if self.bytes.get(at + 1) == Some(&b'-') => {
                    while self.bytes.get(at).is_some_and(|b| !matches!(b, b'\n' | b'\r')) {
                        at += 1;
                    }
                }
                Some(b'\'') if newline => {
                    self.at = at;
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// `E'...'`.
    pub(super) fn escape_string(&mut self, start: usize) -> PgResult<()> {
        let mut value: Vec<u8> = Vec::new();
        let mut surrogate: Option<u32> = None;
        self.at += 1;
        loop {
            self.at += 1;
            loop {
                let Some(&b) = self.bytes.get(self.at) else {
                    return Err(self.error_from(start, "unterminated quoted string"));
                };
                if surrogate.is_some() && !(b == b'\\' && matches!(self.peek(1), b'u' | b'U')) {
                    let at = self.at;
                    self.at += self.char_len();
                    return Err(self.error_from(at, "invalid Unicode surrogate pair"));
                }
                match b {
                    b'\'' if self.peek(1) == b'\'' => {
                        value.push(b'\'');
                        self.at += 2;
                    }
                    b'\'' => break,
                    b'\\' => self.escape(start, &mut value, &mut surrogate)?,
                    _ => {
                        value.push(b);
                        self.at += 1;
                    }
                }
            }
            self.at += 1;
            if !self.continued() {
                break;
            }
        }
        let value = String::from_utf8(value).map_err(|e| invalid_utf8(&e).at(Some(start)))?;
        if value.contains('\0') {
            return Err(invalid_bytes("0x00").at(Some(start)));
        }
        self.push(Token::EscapedStringLiteral(value), start);
        Ok(())
    }

    /// One backslash escape.
    fn escape(&mut self, start: usize, value: &mut Vec<u8>, surrogate: &mut Option<u32>) -> PgResult<()> {
        let at = self.at;
        let Some(&b) = self.bytes.get(at + 1) else {
            self.at = self.bytes.len();
            return Err(self.error_from(start, "unterminated quoted string"));
        };
        self.at += 2;
        let plain = match b {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0'..=b'7' => {
                self.at -= 1;
                let digits = self.take_digits(3, 8);
                (u32::from_str_radix(digits, 8).unwrap_or(0) & 0xff) as u8
            }
            b'x' if self.peek(0).is_ascii_hexdigit() => {
                let digits = self.take_digits(2, 16);
                u8::from_str_radix(digits, 16).unwrap_or(0)
            }
            b'u' | b'U' => {
                let want = if b == b'u' { 4 } else { 8 };
                let digits = self.take_digits(want, 16);
                if digits.len() != want {
                    let hint = "Unicode escapes must be \\uXXXX or \\UXXXXXXXX.";
                    let error = PgError::new(code::INVALID_ESCAPE_SEQUENCE, "invalid Unicode escape");
                    return Err(error.hint(hint).at(Some(at)));
                }
                let point = u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
                let near = |e: PgError| self.error_from(at, e.message());
                if let Some(c) = combine(point, surrogate, at).map_err(near)? {
                    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                return Ok(());
            }
            other => other,
        };
        value.push(plain);
        Ok(())
    }

    fn take_digits(&mut self, most: usize, radix: u32) -> &str {
        let start = self.at;
        while self.at - start < most && (self.peek(0) as char).is_digit(radix) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// `U&'...'` and `U&"..."`, with the UESCAPE clause that may follow.
    pub(super) fn unicode_token(&mut self, start: usize) -> PgResult<()> {
        self.at += 2;
        let body_start = self.at + 1;
        let is_string = self.peek(0) == b'\'';
        let raw = if is_string {
            self.quoted_body(start, "unterminated quoted string")?
        } else {
            let name = self.quoted_identifier_body(start)?;
            if name.is_empty() {
                return Err(self.error_from(start, "zero-length delimited identifier"));
            }
            name
        };
        let escape = self.uescape()?;
        let value = decode_unicode(&raw, escape, body_start)?;
        if is_string {
            self.push(Token::UnicodeStringLiteral(value), start);
        } else {
            let name = self.truncate(value);
            self.push(Token::make_word(&name, Some('"')), start);
        }
        Ok(())
    }

    /// `UESCAPE 'c'`, if it is next; the default is a backslash.
    fn uescape(&mut self) -> PgResult<char> {
        let back = self.at;
        if !self.skip_blank()?
            || !self.text[self.at..].get(..7).is_some_and(|w| w.eq_ignore_ascii_case("uescape"))
        {
            self.at = back;
            return Ok('\\');
        }
        self.at += 7;
        self.skip_blank()?;
        let start = self.at;
        if self.peek(0) != b'\'' {
            self.at += self.char_len();
            self.skip_ident_part();
            return Err(self.error_from(start, "UESCAPE must be followed by a simple string literal"));
        }
        let text = self.quoted_body(start, "unterminated quoted string")?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None)
                if !c.is_ascii_hexdigit() && !matches!(c, '+' | '\'' | '"') && !c.is_ascii_whitespace() =>
            {
                Ok(c)
            }
            _ => Err(self.error_from(start, "invalid Unicode escape character")),
        }
    }
}

/// Adds a code point to what may be the first half of a surrogate pair.
fn combine(point: u32, surrogate: &mut Option<u32>, at: usize) -> PgResult<Option<char>> {
    match (surrogate.take(), point) {
        (Some(first), 0xdc00..=0xdfff) => {
            let point = 0x10000 + ((first - 0xd800) << 10) + (point - 0xdc00);
            Ok(char::from_u32(point))
        }
        (Some(_), _) | (None, 0xdc00..=0xdfff) => Err(invalid_surrogate(at)),
        (None, 0xd800..=0xdbff) => {
            *surrogate = Some(point);
            Ok(None)
        }
        (None, point) => match char::from_u32(point) {
            Some('\0') | None => {
                let error = PgError::new(code::SYNTAX_ERROR, "invalid Unicode escape value");
                Err(error.at(Some(at)))
            }
            found => Ok(found),
        },
    }
}

/// Replaces `\XXXX` and `\+XXXXXX`; `at` is where the text starts, for error positions.
fn decode_unicode(raw: &str, escape: char, at: usize) -> PgResult<String> {
    let mut value = String::with_capacity(raw.len());
    let mut surrogate = None;
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let here = at + (raw.len() - rest.len());
        rest = &rest[c.len_utf8()..];
        if c != escape {
            if surrogate.is_some() {
                return Err(invalid_surrogate(here));
            }
            value.push(c);
            continue;
        }
        if let Some(after) = rest.strip_prefix(escape) {
            if surrogate.is_some() {
                return Err(invalid_surrogate(here));
            }
            value.push(escape);
            rest = after;
            continue;
        }
        let (digits, len) = match rest.strip_prefix('+') {
            Some(long) => (long.get(..6), 7),
            None => (rest.get(..4), 4),
        };
        let Some(digits) = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) else {
            let hint = format!("Unicode escapes must be {escape}XXXX or {escape}+XXXXXX.");
            let error = PgError::new(code::SYNTAX_ERROR, "invalid Unicode escape");
            return Err(error.hint(hint).at(Some(here)));
        };
        let point = u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
        value.extend(combine(point, &mut surrogate, here)?);
        rest = &rest[len..];
    }
    match surrogate {
        Some(_) => Err(invalid_surrogate(at + raw.len())),
        None => Ok(value),
    }
}

fn invalid_surrogate(at: usize) -> PgError {
    PgError::new(code::SYNTAX_ERROR, "invalid Unicode surrogate pair").at(Some(at))
}

fn invalid_bytes(bytes: &str) -> PgError {
    let text = format!("invalid byte sequence for encoding \"UTF8\": {bytes}");
    PgError::new(code::CHARACTER_NOT_IN_REPERTOIRE, text)
}

fn invalid_utf8(error: &std::string::FromUtf8Error) -> PgError {
    let from = error.utf8_error().valid_up_to();
    let bytes = &error.as_bytes()[from..];
    let len = error.utf8_error().error_len().unwrap_or(bytes.len()).max(1);
    let shown: Vec<String> = bytes[..len].iter().map(|b| format!("0x{b:02x}")).collect();
    invalid_bytes(&shown.join(" "))
}
