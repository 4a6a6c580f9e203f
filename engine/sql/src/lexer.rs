//! Text to tokens, by the rules of PostgreSQL's scanner (src/backend/parser/scan.l).
//!
//! The tokens are sqlparser's, in sqlparser's stream; their segmentation is PostgreSQL's, which
//! differs from sqlparser's own tokenizer in operators (`@-`, `|&`), numbers, dollar quotes,
//! continued strings and escapes. Every span's columns are byte offsets plus one, all on line 1,
//! so that a span is a range of the text without any table of lines.

mod strings;

use redoubt_error::{PgError, PgResult, Severity, code};
use sqlparser::ast::DollarQuotedString;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Word};

/// The longest identifier, in bytes (NAMEDATALEN - 1).
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// What lexing yields.
#[derive(Debug)]
pub struct Lexed {
    /// The tokens, without white space and comments.
    pub tokens: Vec<TokenWithSpan>,
    /// Notices about truncated identifiers.
    pub notices: Vec<PgError>,
    /// What stopped the scanner. It counts only if the grammar gets as far as here: an earlier
    /// syntax error comes first.
    pub error: Option<PgError>,
}

/// The bytes of the text that a token's span covers.
pub fn byte_range(span: Span) -> std::ops::Range<usize> {
    span.start.column as usize - 1..span.end.column as usize - 1
}

fn span(start: usize, end: usize) -> Span {
    let at = |offset: usize| Location { line: 1, column: offset as u64 + 1 };
    Span { start: at(start), end: at(end) }
}

/// Splits a query string into tokens.
pub fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, tokens: Vec::new(), notices: Vec::new() };
    let error = lexer.run().err();
    Lexed { tokens: lexer.tokens, notices: lexer.notices, error }
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    tokens: Vec<TokenWithSpan>,
    notices: Vec<PgError>,
}

pub(crate) fn is_ident_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

pub(crate) fn is_ident_part(b: u8) -> bool {
    is_ident_start(b) || b.is_ascii_digit() || b == b'$'
}

fn is_operator_char(b: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&b)
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

impl Lexer<'_> {
    fn run(&mut self) -> PgResult<()> {
        while self.skip_blank()? {
            self.token()?;
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, token: Token, start: usize) {
        self.tokens.push(TokenWithSpan { token, span: span(start, self.at) });
    }

    /// A scanner error that names the text from `start` to where the scanner stands.
    fn error_from(&self, start: usize, message: &str) -> PgError {
        let near = &self.text[start..self.at.max(start)];
        let text = if near.is_empty() {
            format!("{message} at end of input")
        } else {
            format!("{message} at or near \"{near}\"")
        };
        PgError::new(code::SYNTAX_ERROR, text).at(Some(start))
    }

    /// Moves over white space and comments; false at the end of the text.
    fn skip_blank(&mut self) -> PgResult<bool> {
        loop {
            match self.bytes.get(self.at) {
                None => return Ok(false),
                Some(b) if is_blank(*b) => self.at += 1,
                Some(b'-') if self.peek(1) == b'-' => self.skip_line_comment(),
                Some(b'/') if self.peek(1) == b'*' => self.skip_block_comment()?,
                Some(_) => return Ok(true),
            }
        }
    }

    fn skip_line_comment(&mut self) {
        while self.at < self.bytes.len() && !matches!(self.bytes[self.at], b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) -> PgResult<()> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match (self.bytes.get(self.at), self.peek(1)) {
                (None, _) => return Err(self.error_from(start, "unterminated /* comment")),
                (Some(b'/'), b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> PgResult<()> {
        let start = self.at;
        let b = self.bytes[start];
        match b {
            b'\'' => self.standard_string(start, 0, Token::SingleQuotedString),
            b'b' | b'B' if self.peek(1) == b'\'' => {
                self.standard_string(start, 1, Token::SingleQuotedByteStringLiteral)
            }
            b'x' | b'X' if self.peek(1) == b'\'' => self.standard_string(start, 1, Token::HexStringLiteral),
            b'n' | b'N' if self.peek(1) == b'\'' => {
                self.standard_string(start, 1, Token::NationalStringLiteral)
            }
            b'e' | b'E' if self.peek(1) == b'\'' => self.escape_string(start),
            b'u' | b'U' if self.peek(1) == b'&' && matches!(self.peek(2), b'\'' | b'"') => {
                self.unicode_token(start)
            }
            b'"' => self.quoted_identifier(start),
            b'$' => self.dollar(start),
            _ if is_ident_start(b) => {
                self.word(start);
                Ok(())
            }
            b'0'..=b'9' => self.number(start),
            b'.' if self.peek(1).is_ascii_digit() => self.number(start),
            _ if is_operator_char(b) => self.operator(start),
            _ => {
                self.punctuation(start);
                Ok(())
            }
        }
    }

    fn punctuation(&mut self, start: usize) {
        let (token, len) = match (self.bytes[start], self.peek(1)) {
            (b':', b':') => (Token::DoubleColon, 2),
            (b':', b'=') => (Token::Assignment, 2),
            (b'.', b'.') => (Token::CustomBinaryOperator("..".into()), 2),
            (b'(', _) => (Token::LParen, 1),
            (b')', _) => (Token::RParen, 1),
            (b'[', _) => (Token::LBracket, 1),
            (b']', _) => (Token::RBracket, 1),
            (b'.', _) => (Token::Period, 1),
            (b',', _) => (Token::Comma, 1),
            (b';', _) => (Token::SemiColon, 1),
            (b':', _) => (Token::Colon, 1),
            (other, _) => (Token::Char(other as char), 1),
        };
        self.at += len;
        self.push(token, start);
    }

    fn skip_ident_part(&mut self) {
        while self.at < self.bytes.len() && is_ident_part(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    fn word(&mut self, start: usize) {
        self.skip_ident_part();
        let folded = self.text[start..self.at].to_ascii_lowercase();
        let value = self.truncate(folded);
        self.push(Token::make_word(&value, None), start);
    }

    /// Cuts an identifier to the longest that the catalogs hold, with a notice.
    fn truncate(&mut self, mut name: String) -> String {
        if name.len() <= MAX_IDENTIFIER_BYTES {
            return name;
        }
        let cut = (0..=MAX_IDENTIFIER_BYTES).rev().find(|i| name.is_char_boundary(*i)).unwrap_or(0);
        let notice = format!("identifier \"{name}\" will be truncated to \"{}\"", &name[..cut]);
        let notice = PgError::report(Severity::Notice, code::NAME_TOO_LONG, notice);
        self.notices.push(notice);
        name.truncate(cut);
        name
    }

    fn quoted_identifier(&mut self, start: usize) -> PgResult<()> {
        let name = self.quoted_identifier_body(start)?;
        if name.is_empty() {
            return Err(self.error_from(start, "zero-length delimited identifier"));
        }
        let name = self.truncate(name);
        self.push(Token::make_word(&name, Some('"')), start);
        Ok(())
    }

    /// Reads from the opening quote to behind the closing one.
    fn quoted_identifier_body(&mut self, start: usize) -> PgResult<String> {
        let mut name = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let Some(quote) = rest.find('"') else {
                self.at = self.bytes.len();
                return Err(self.error_from(start, "unterminated quoted identifier"));
            };
            name.push_str(&rest[..quote]);
            self.at += quote + 1;
            if self.peek(0) != b'"' {
                return Ok(name);
            }
            name.push('"');
            self.at += 1;
        }
    }

    /// `$1`, `$$...$$`, `$tag$...$tag$`, or a lone `$` for the grammar to reject.
    fn dollar(&mut self, start: usize) -> PgResult<()> {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            if is_ident_start(self.peek(0)) {
                self.skip_ident_part();
                return Err(self.error_from(start, "trailing junk after parameter"));
            }
            let number = self.text[start..self.at].to_string();
            self.push(Token::Placeholder(number), start);
            return Ok(());
        }
        let mut end = start + 1;
        while self.bytes.get(end).is_some_and(|b| {
            (is_ident_start(*b) || b.is_ascii_digit()) && !(end == start + 1 && b.is_ascii_digit())
        }) {
            end += 1;
        }
        if self.bytes.get(end) != Some(&b'$') {
            self.at += 1;
            self.push(Token::Char('$'), start);
            return Ok(());
        }
        let delimiter = &self.text[start..=end];
        let body = end + 1;
        let Some(len) = self.text[body..].find(delimiter) else {
            self.at = self.bytes.len();
            return Err(self.error_from(start, "unterminated dollar-quoted string"));
        };
        let value = self.text[body..body + len].to_string();
        self.at = body + len + delimiter.len();
        self.push(Token::DollarQuotedString(DollarQuotedString { value, tag: None }), start);
        Ok(())
    }

    fn char_len(&self) -> usize {
        self.text[self.at..].chars().next().map_or(0, char::len_utf8)
    }

    fn digits(&mut self) {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
    }

    fn number(&mut self, start: usize) -> PgResult<()> {
        self.digits();
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let signed = matches!(self.peek(1), b'+' | b'-');
            if self.peek(1 + usize::from(signed)).is_ascii_digit() {
                self.at += 1 + usize::from(signed);
                self.digits();
            } else if signed {
                self.at += 2;
                return Err(self.error_from(start, "trailing junk after numeric literal"));
            }
        }
        if is_ident_start(self.peek(0)) {
            self.skip_ident_part();
            return Err(self.error_from(start, "trailing junk after numeric literal"));
        }
        let digits = self.text[start..self.at].to_string();
        self.push(Token::Number(digits, false), start);
        Ok(())
    }

    /// The longest run of operator characters, cut before a comment, and without trailing signs
    /// unless a character is in it that no standard operator has.
    fn operator(&mut self, start: usize) -> PgResult<()> {
        let run = self.bytes[start..].iter().take_while(|b| is_operator_char(**b)).count();
        let mut op = &self.text[start..start + run];
        if let Some(cut) = [op.find("--"), op.find("/*")].into_iter().flatten().min() {
            op = &op[..cut];
        }
        if op.len() > 1 && !op.bytes().any(|b| b"~!@#^&|`?%".contains(&b)) {
            let trimmed = op.trim_end_matches(['+', '-']);
            op = if trimmed.is_empty() { &op[..1] } else { trimmed };
        }
        let op = op.to_string();
        self.at = start + op.len();
        if op.len() > MAX_IDENTIFIER_BYTES {
            return Err(self.error_from(start, "operator too long"));
        }
        let token = match op.as_str() {
            "=>" => Token::RArrow,
            "<=" => Token::LtEq,
            ">=" => Token::GtEq,
            "<>" | "!=" => Token::Neq,
            "=" => Token::Eq,
            "<" => Token::Lt,
            ">" => Token::Gt,
            "+" => Token::Plus,
            "-" => Token::Minus,
            "*" => Token::Mul,
            "/" => Token::Div,
            "%" => Token::Mod,
            "^" => Token::Caret,
            _ => Token::CustomBinaryOperator(op),
        };
        self.push(token, start);
        Ok(())
    }
}

/// The word of a token, if it is one that was not quoted.
pub(crate) fn bare_word(token: &Token) -> Option<&str> {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => Some(value),
        _ => None,
    }
}
