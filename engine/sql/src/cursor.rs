//! A place in the token stream, with the small questions that every grammar rule asks of it.

use crate::keywords::{self, Category};
use crate::lexer::{Lexed, bare_word, byte_range, lex};
use crate::tree::{Ident, ObjectName};
use redoubt_error::{PgError, PgResult, code};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Word};
use std::cell::Cell;
use std::ops::Range;

/// How deeply expressions, parentheses and subqueries may nest. PostgreSQL's limit is its stack;
/// ours is a count, chosen so that parsing, analysis and planning fit a session's stack.
pub const MAX_NESTING: usize = 1_000;

/// How high an expression's tree may be. A chain of operators (`1 + 1 + ...`) is a tree as high as
/// the chain is long; AND, OR, IN and VALUES lists are flat and do not count.
pub const MAX_EXPRESSION_HEIGHT: usize = 2_500;

/// How long a chain of set operations or joins may be, for the same reason.
pub const MAX_QUERY_CHAIN: usize = 1_000;

/// PostgreSQL's error for what does not fit its stack.
pub fn too_deep() -> PgError {
    PgError::new(code::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
        "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), \
         after ensuring the platform's stack depth limit is adequate.",
    )
}

/// The token stream and the text behind it.
pub(crate) struct Cursor<'t> {
    pub(crate) text: &'t str,
    stream: Parser<'static>,
    depth: usize,
    /// The greatest height of the expressions read since the one being read began.
    pub(crate) height: usize,
    /// The last run of parentheses that was measured, as token indexes.
    paren_run: Cell<(usize, usize)>,
    /// What stopped the scanner; it stands at the end of the tokens.
    lexical_error: Option<PgError>,
}

impl<'t> Cursor<'t> {
    /// Lexes the text and stands before its first token.
    pub(crate) fn new(text: &'t str) -> Self {
        Self::from_lexed(text, lex(text))
    }

    pub(crate) fn from_lexed(text: &'t str, lexed: Lexed) -> Self {
        const DIALECT: &PostgreSqlDialect = &PostgreSqlDialect {};
        let stream = Parser::new(DIALECT).with_tokens_with_locations(lexed.tokens);
        Cursor { text, stream, depth: 0, height: 0, paren_run: Cell::new((0, 0)), lexical_error: lexed.error }
    }

    /// The end of the text must be next, and the scanner must have reached it.
    pub(crate) fn expect_end(&self) -> PgResult<()> {
        if self.at_end() && self.lexical_error.is_none() { Ok(()) } else { self.unexpected() }
    }

    /// Runs one level deeper; an error when that is too deep. Every recursion of the grammar goes
    /// through here, and the stack grows here when it is short.
    #[recursive::recursive]
    pub(crate) fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> PgResult<T>) -> PgResult<T> {
        if self.depth >= MAX_NESTING {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    // Looking.

    pub(crate) fn peek(&self) -> &Token {
        self.peek_nth(0)
    }

    /// The stream holds no white space, so that the n-th token is found without a walk.
    pub(crate) fn peek_nth(&self, n: usize) -> &Token {
        &self.stream.token_at(self.stream.index() + n).token
    }

    /// How many opening parentheses come next. A run is measured once, however often it is asked
    /// about from inside.
    pub(crate) fn leading_parens(&self) -> usize {
        let at = self.stream.index();
        let (start, end) = self.paren_run.get();
        if (start..end).contains(&at) {
            return end - at;
        }
        let count = (0..).take_while(|n| *self.peek_nth(*n) == Token::LParen).count();
        self.paren_run.set((at, at + count));
        count
    }

    pub(crate) fn at_end(&self) -> bool {
        matches!(self.peek(), Token::EOF)
    }

    /// Bytes of the next token; an empty range at the end of the text.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range_nth(0)
    }

    fn range_nth(&self, n: usize) -> Range<usize> {
        let token = self.stream.token_at(self.stream.index() + n);
        match token.token {
            Token::EOF => self.text.len()..self.text.len(),
            _ => byte_range(token.span),
        }
    }

    /// Where the next token starts.
    pub(crate) fn pos(&self) -> usize {
        self.range().start
    }

    /// Where the last consumed token ends.
    pub(crate) fn end_of_last(&self) -> usize {
        match self.stream.index() {
            0 => 0,
            _ => byte_range(self.stream.get_current_token().span).end,
        }
    }

    /// The next token's word, if it is unquoted.
    pub(crate) fn word(&self) -> Option<&str> {
        bare_word(self.peek())
    }

    pub(crate) fn word_nth(&self, n: usize) -> Option<&str> {
        bare_word(self.peek_nth(n))
    }

    /// Whether the next token is this keyword (lower case).
    pub(crate) fn at(&self, keyword: &str) -> bool {
        self.word() == Some(keyword)
    }

    pub(crate) fn at_nth(&self, n: usize, keyword: &str) -> bool {
        self.word_nth(n) == Some(keyword)
    }

    pub(crate) fn at_any(&self, keywords: &[&str]) -> bool {
        self.word().is_some_and(|w| keywords.contains(&w))
    }

    /// Whether these keywords come next, in this order.
    pub(crate) fn at_seq(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(i, k)| self.at_nth(i, k))
    }

    // Taking.

    pub(crate) fn advance(&mut self) {
        self.stream.advance_token();
    }

    /// Takes the keyword if it is next.
    pub(crate) fn eat(&mut self, keyword: &str) -> bool {
        let found = self.at(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Takes all the keywords or none.
    pub(crate) fn eat_seq(&mut self, keywords: &[&str]) -> bool {
        let found = self.at_seq(keywords);
        if found {
            keywords.iter().for_each(|_| self.advance());
        }
        found
    }

    /// Takes a phrase that its first word decides: the others must follow.
    pub(crate) fn eat_phrase(&mut self, keywords: &[&str]) -> PgResult<bool> {
        if !self.at(keywords[0]) {
            return Ok(false);
        }
        self.expect_seq(keywords)?;
        Ok(true)
    }

    pub(crate) fn expect(&mut self, keyword: &str) -> PgResult<()> {
        if self.eat(keyword) { Ok(()) } else { self.unexpected() }
    }

    pub(crate) fn expect_seq(&mut self, keywords: &[&str]) -> PgResult<()> {
        keywords.iter().try_for_each(|k| self.expect(k))
    }

    pub(crate) fn eat_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> PgResult<()> {
        if self.eat_token(token) { Ok(()) } else { self.unexpected() }
    }

    pub(crate) fn expect_lparen(&mut self) -> PgResult<()> {
        self.expect_token(&Token::LParen)
    }

    pub(crate) fn expect_rparen(&mut self) -> PgResult<()> {
        self.expect_token(&Token::RParen)
    }

    /// Takes one of the keywords.
    pub(crate) fn expect_one(&mut self, keywords: &[&'static str]) -> PgResult<&'static str> {
        match keywords.iter().find(|k| self.at(k)) {
            Some(k) => {
                self.advance();
                Ok(k)
            }
            None => self.unexpected(),
        }
    }

    /// Steps back over the last token.
    pub(crate) fn back(&mut self) {
        self.stream.prev_token();
    }

    // Errors.

    /// PostgreSQL's syntax error at the next token.
    pub(crate) fn unexpected<T>(&self) -> PgResult<T> {
        Err(self.syntax_error_nth(0))
    }

    /// The same at a token further on.
    pub(crate) fn unexpected_nth<T>(&self, n: usize) -> PgResult<T> {
        Err(self.syntax_error_nth(n))
    }

    fn syntax_error_nth(&self, n: usize) -> PgError {
        if let (Token::EOF, Some(error)) = (self.peek_nth(n), &self.lexical_error) {
            return error.clone();
        }
        self.error_at_token(n, "syntax error")
    }

    /// A message of the grammar's own that names the next token.
    pub(crate) fn error_near(&self, message: &str) -> PgError {
        self.error_at_token(0, message)
    }

    fn error_at_token(&self, n: usize, message: &str) -> PgError {
        let range = self.range_nth(n);
        let message = match &self.text[range.clone()] {
            "" => format!("{message} at end of input"),
            near => format!("{message} at or near \"{near}\""),
        };
        PgError::new(code::SYNTAX_ERROR, message).at(Some(range.start))
    }

    // Names.

    fn ident_where(&mut self, allowed: impl Fn(Category) -> bool) -> PgResult<Ident> {
        let pos = self.pos();
        let name = match self.peek() {
            Token::Word(Word { value, quote_style: Some(_), .. }) => value,
            Token::Word(Word { value, .. }) if keywords::category(value).is_none_or(allowed) => value,
            _ => return self.unexpected(),
        };
        let name = name.as_str().into();
        self.advance();
        Ok(Ident { name, pos })
    }

    /// Whether the next token can be a column or table name.
    pub(crate) fn at_col_id(&self) -> bool {
        self.at_col_id_nth(0)
    }

    pub(crate) fn at_col_id_nth(&self, n: usize) -> bool {
        match self.peek_nth(n) {
            Token::Word(Word { quote_style: Some(_), .. }) => true,
            Token::Word(Word { value, .. }) => {
                !matches!(keywords::category(value), Some(Category::Reserved | Category::TypeOrFunction))
            }
            _ => false,
        }
    }

    /// A column or table name (gram.y's ColId).
    pub(crate) fn col_id(&mut self) -> PgResult<Ident> {
        self.ident_where(|c| matches!(c, Category::Unreserved | Category::ColumnName))
    }

    pub(crate) fn at_type_function_name(&self) -> bool {
        match self.peek() {
            Token::Word(Word { quote_style: Some(_), .. }) => true,
            Token::Word(Word { value, .. }) => {
                !matches!(keywords::category(value), Some(Category::Reserved | Category::ColumnName))
            }
            _ => false,
        }
    }

    /// Any word at all (ColLabel).
    pub(crate) fn col_label(&mut self) -> PgResult<Ident> {
        self.ident_where(|_| true)
    }

    /// A function or type name (type_function_name).
    pub(crate) fn type_function_name(&mut self) -> PgResult<Ident> {
        self.ident_where(|c| matches!(c, Category::Unreserved | Category::TypeOrFunction))
    }

    /// NonReservedWord.
    pub(crate) fn non_reserved_word(&mut self) -> PgResult<Ident> {
        self.ident_where(|c| c != Category::Reserved)
    }

    /// A column alias without AS (BareColLabel), if one is next.
    pub(crate) fn bare_label(&mut self) -> Option<Ident> {
        let pos = self.pos();
        let name = match self.peek() {
            Token::Word(Word { value, quote_style: Some(_), .. }) => value.as_str().into(),
            Token::Word(Word { value, .. }) if keywords::is_bare_label(value) => value.as_str().into(),
            _ => return None,
        };
        self.advance();
        Some(Ident { name, pos })
    }

    /// `a.b.c` (any_name, qualified_name).
    pub(crate) fn any_name(&mut self) -> PgResult<ObjectName> {
        let mut parts = vec![self.col_id()?];
        while self.eat_token(&Token::Period) {
            parts.push(self.col_label()?);
        }
        Ok(ObjectName { parts })
    }

    /// A relation's name: at most three parts.
    pub(crate) fn qualified_name(&mut self) -> PgResult<ObjectName> {
        let name = self.any_name()?;
        if name.parts.len() > 3 {
            let message = format!("improper qualified name (too many dotted names): {}", name.dotted());
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(name.pos())));
        }
        Ok(name)
    }

    /// One or more items with commas between them.
    pub(crate) fn comma_list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> PgResult<T>,
    ) -> PgResult<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(a, b, c)` of column names.
    pub(crate) fn column_list(&mut self) -> PgResult<Vec<Ident>> {
        self.expect_lparen()?;
        let list = self.comma_list(Self::col_id)?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// `(a, b)` if a parenthesis is next, else nothing.
    pub(crate) fn optional_column_list(&mut self) -> PgResult<Vec<Ident>> {
        if *self.peek() == Token::LParen { self.column_list() } else { Ok(Vec::new()) }
    }

    // Constants.

    /// The value of a string constant, if one is next (gram.y's Sconst).
    pub(crate) fn peek_string(&self) -> Option<&str> {
        match self.peek() {
            Token::SingleQuotedString(s)
            | Token::EscapedStringLiteral(s)
            | Token::UnicodeStringLiteral(s) => Some(s),
            Token::DollarQuotedString(d) => Some(&d.value),
            _ => None,
        }
    }

    pub(crate) fn at_string_nth(&self, n: usize) -> bool {
        matches!(
            self.peek_nth(n),
            Token::SingleQuotedString(_)
                | Token::EscapedStringLiteral(_)
                | Token::UnicodeStringLiteral(_)
                | Token::DollarQuotedString(_)
        )
    }

    pub(crate) fn string(&mut self) -> PgResult<String> {
        match self.peek_string().map(str::to_string) {
            Some(s) => {
                self.advance();
                Ok(s)
            }
            None => self.unexpected(),
        }
    }

    /// An integer constant that fits int4 (Iconst).
    pub(crate) fn integer(&mut self) -> PgResult<i32> {
        match self.peek() {
            Token::Number(n, _) => match n.parse() {
                Ok(value) => {
                    self.advance();
                    Ok(value)
                }
                Err(_) => self.unexpected(),
            },
            _ => self.unexpected(),
        }
    }

    /// An integer with an optional sign (SignedIconst).
    pub(crate) fn signed_integer(&mut self) -> PgResult<i32> {
        let negative = self.eat_token(&Token::Minus);
        if !negative {
            self.eat_token(&Token::Plus);
        }
        let value = self.integer()?;
        Ok(if negative { -value } else { value })
    }

    /// A number of any size with an optional sign, as text (NumericOnly).
    pub(crate) fn numeric_only(&mut self) -> PgResult<String> {
        let negative = self.eat_token(&Token::Minus);
        if !negative {
            self.eat_token(&Token::Plus);
        }
        match self.peek() {
            Token::Number(n, _) => {
                let text = if negative { format!("-{n}") } else { n.clone() };
                self.advance();
                Ok(text)
            }
            _ => self.unexpected(),
        }
    }
}
