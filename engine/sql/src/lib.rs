//! The statement layer: text to statements. It knows no catalog and imports no other engine
//! crate but the error type.
//!
//! [`parse`] gives the statements of a query string as raw trees; see [`tree`] for what they
//! hold. [`parse_expression`] and [`parse_type_name`] read what the catalogs store as text.

pub mod keywords;
pub mod lexer;
pub mod tree;

mod cursor;
mod grammar;
mod normalise;
mod tag;
mod utility;

pub use cursor::{MAX_EXPRESSION_HEIGHT, MAX_NESTING, MAX_QUERY_CHAIN};
pub use normalise::{Lifted, Normalised, normalise};
pub use tree::{Statement, StatementKind, UtilityStatement};

use cursor::Cursor;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

/// The longest query string, in bytes, as PostgreSQL's memory limit has it (1 GB).
pub const MAX_TEXT_BYTES: usize = 1 << 30;

/// Parses a query string: any number of statements with semicolons between them.
///
/// Nothing is executed before all of it has been parsed, so a syntax error in the last statement
/// is reported alone. Errors are PostgreSQL's (42601 and others), with byte positions.
pub fn parse(text: &str) -> PgResult<Vec<Statement>> {
    let mut lexed = lexer::lex(text);
    let mut notices = std::mem::take(&mut lexed.notices);
    let mut cursor = Cursor::from_lexed(text, lexed);
    let mut statements = Vec::new();
    loop {
        while cursor.eat_token(&Token::SemiColon) {}
        if cursor.at_end() {
            cursor.expect_end()?;
            break;
        }
        statements.push(cursor.statement()?);
        if !cursor.at_end() && *cursor.peek() != Token::SemiColon {
            return cursor.unexpected();
        }
    }
    if let Some(first) = statements.first_mut() {
        first.notices = std::mem::take(&mut notices);
    }
    Ok(statements)
}

/// Parses an expression that stands alone, such as a stored default.
pub fn parse_expression(text: &str) -> PgResult<tree::Expr> {
    let mut cursor = Cursor::new(text);
    let expr = cursor.expr()?;
    cursor.expect_end().map(|()| expr)
}

/// Parses a type's name, as `regtype` input and `format_type`'s output have it.
pub fn parse_type_name(text: &str) -> PgResult<tree::TypeName> {
    let mut cursor = Cursor::new(text);
    let type_name = cursor.type_name()?;
    cursor.expect_end().map(|()| type_name)
}
