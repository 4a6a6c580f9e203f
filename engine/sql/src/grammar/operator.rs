//! Operators: their names and how tightly they bind (gram.y's precedence declarations).

use super::expr::Mode;
use crate::cursor::Cursor;
use crate::tree::OpName;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

/// How tightly an operator binds, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Or,
    And,
    Not,
    Is,
    Comparison,
    /// BETWEEN, IN, LIKE, ILIKE, SIMILAR.
    Between,
    /// All operators without a level of their own.
    Operator,
    Additive,
    Multiplicative,
    Power,
    At,
    Collate,
    UnaryMinus,
    Typecast,
    /// Tighter than any operator.
    Primary,
}

impl Level {
    /// The next tighter level: what the right operand of a left-associative operator may be.
    pub(crate) fn tighter(self) -> Level {
        use Level::*;
        match self {
            Or => And,
            And => Not,
            Not => Is,
            Is => Comparison,
            Comparison => Between,
            Between => Operator,
            Operator => Additive,
            Additive => Multiplicative,
            Multiplicative => Power,
            Power => At,
            At => Collate,
            Collate => UnaryMinus,
            UnaryMinus => Typecast,
            Typecast | Primary => Primary,
        }
    }

    pub(crate) fn is_nonassociative(self) -> bool {
        matches!(self, Level::Is | Level::Comparison | Level::Between)
    }
}

/// The level of the operator that comes next, if one does.
pub(crate) fn infix_level(c: &Cursor<'_>, mode: Mode) -> Option<Level> {
    let full = mode == Mode::Full;
    Some(match c.peek() {
        Token::Eq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::Neq => Level::Comparison,
        Token::Plus | Token::Minus => Level::Additive,
        Token::Mul | Token::Div | Token::Mod => Level::Multiplicative,
        Token::Caret => Level::Power,
        Token::DoubleColon => Level::Typecast,
        Token::CustomBinaryOperator(op) if op != ".." => Level::Operator,
        Token::Word(_) => match c.word()? {
            "or" if full => Level::Or,
            "and" if full => Level::And,
            "is" => Level::Is,
            "isnull" | "notnull" if full => Level::Is,
            "between" | "in" | "like" | "ilike" if full => Level::Between,
            "similar" if full && c.at_nth(1, "to") => Level::Between,
            "not"
                if full && matches!(c.word_nth(1), Some("between" | "in" | "like" | "ilike" | "similar")) =>
            {
                Level::Between
            }
            "operator" if *c.peek_nth(1) == Token::LParen => Level::Operator,
            "at" if full && c.at_nth(1, "time") => Level::At,
            "collate" if full => Level::Collate,
            _ => return None,
        },
        _ => return None,
    })
}

impl Cursor<'_> {
    /// An operator symbol that is next, if any (all_Op).
    fn operator_symbol(&self) -> Option<&str> {
        Some(match self.peek() {
            Token::Eq => "=",
            Token::Lt => "<",
            Token::Gt => ">",
            Token::LtEq => "<=",
            Token::GtEq => ">=",
            Token::Neq => "<>",
            Token::Plus => "+",
            Token::Minus => "-",
            Token::Mul => "*",
            Token::Div => "/",
            Token::Mod => "%",
            Token::Caret => "^",
            Token::CustomBinaryOperator(op) if op != ".." => op,
            _ => return None,
        })
    }

    /// `op` or `OPERATOR(schema.op)` (qual_all_Op).
    pub(crate) fn operator_name(&mut self) -> PgResult<OpName> {
        if self.eat("operator") {
            self.expect_lparen()?;
            let name = self.any_operator()?;
            self.expect_rparen()?;
            return Ok(name);
        }
        self.any_operator_bare()
    }

    /// `schema.op` (any_operator).
    pub(crate) fn any_operator(&mut self) -> PgResult<OpName> {
        let mut schema = Vec::new();
        while matches!(self.peek(), Token::Word(_)) {
            schema.push(self.col_id()?);
            self.expect_token(&Token::Period)?;
        }
        let bare = self.any_operator_bare()?;
        Ok(OpName { schema, symbol: bare.symbol })
    }

    fn any_operator_bare(&mut self) -> PgResult<OpName> {
        match self.operator_symbol().map(OpName::bare) {
            Some(name) => {
                self.advance();
                Ok(name)
            }
            None => self.unexpected(),
        }
    }
}
