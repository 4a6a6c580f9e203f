//! Literals, plain and with a type in front (AexprConst).

use super::types::interval_precision;
use crate::cursor::Cursor;
use crate::keywords::{self, Category};
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// A number, string or bit string, if one is next.
    pub(super) fn literal(&mut self) -> PgResult<Option<Expr>> {
        let pos = self.pos();
        let value = match self.peek() {
            Token::Number(digits, _) => match digits.parse::<i32>() {
                Ok(i) => Literal::Integer(i),
                Err(_) => Literal::Number(digits.as_str().into()),
            },
            Token::SingleQuotedByteStringLiteral(s) => Literal::BitString(format!("b{s}").into()),
            Token::HexStringLiteral(s) => Literal::BitString(format!("x{s}").into()),
            Token::NationalStringLiteral(s) => {
                // N'...' is NCHAR '...', a character string of no particular length.
                let value = Literal::String(s.as_str().into());
                self.advance();
                let arg = Box::new(Expr::Literal { value, pos: pos + 1 });
                let type_name = Box::new(TypeName::system("bpchar", Vec::new(), pos));
                return Ok(Some(Expr::Cast { arg, type_name, pos }));
            }
            _ => match self.peek_string() {
                Some(s) => Literal::String(s.into()),
                None => return Ok(None),
            },
        };
        self.advance();
        Ok(Some(Expr::Literal { value, pos }))
    }

    /// `type 'string'`, if that is what comes next.
    pub(crate) fn typed_literal(&mut self) -> PgResult<Option<Expr>> {
        if !self.at_typed_literal() {
            return Ok(None);
        }
        if self.at("interval") {
            return self.interval_literal().map(Some);
        }
        let type_name = self.const_type_name()?;
        self.literal_of_type(type_name).map(Some)
    }

    /// The string behind a type name.
    pub(super) fn literal_of_type(&mut self, type_name: TypeName) -> PgResult<Expr> {
        let pos = self.pos();
        let value = Literal::String(self.string()?.into());
        let arg = Box::new(Expr::Literal { value, pos });
        let pos = type_name.pos;
        Ok(Expr::Cast { arg, type_name: Box::new(type_name), pos })
    }

    /// `INTERVAL '...' fields` or `INTERVAL(p) '...'`: the fields stand behind the string.
    fn interval_literal(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect("interval")?;
        let precision = self.optional_precision()?;
        let literal_pos = self.pos();
        let value = Literal::String(self.string()?.into());
        let type_name = match precision {
            Some(precision) => interval_precision(precision, pos),
            None => self.interval_fields(pos)?,
        };
        let arg = Box::new(Expr::Literal { value, pos: literal_pos });
        Ok(Expr::Cast { arg, type_name: Box::new(type_name), pos })
    }

    /// Whether a type name with a string behind it comes next.
    fn at_typed_literal(&self) -> bool {
        let Some(word) = self.word() else {
            return false;
        };
        match keywords::category(word) {
            Some(Category::ColumnName) => self.at_keyword_type_literal(word),
            None | Some(Category::Unreserved) => match word {
                "double" => self.at_nth(1, "precision") && self.at_string_nth(2),
                _ => false,
            },
            _ => false,
        }
    }

    fn at_keyword_type_literal(&self, word: &str) -> bool {
        let string_or_paren = |n| self.at_string_nth(n) || *self.peek_nth(n) == Token::LParen;
        match word {
            "int" | "integer" | "smallint" | "bigint" | "real" | "boolean" => self.at_string_nth(1),
            "float" | "decimal" | "dec" | "numeric" | "varchar" | "interval" => string_or_paren(1),
            "bit" | "char" | "character" | "nchar" => {
                string_or_paren(1) || (self.at_nth(1, "varying") && string_or_paren(2))
            }
            "national" => matches!(self.word_nth(1), Some("char" | "character")),
            "time" | "timestamp" => {
                string_or_paren(1)
                    || self.at_nth(1, "without")
                    || (self.at_nth(1, "with") && self.at_nth(2, "time"))
            }
            _ => false,
        }
    }
}
