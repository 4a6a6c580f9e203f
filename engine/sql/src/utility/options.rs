//! Lists of options: WITH (...), EXPLAIN (...), COPY's and others.

use crate::cursor::Cursor;
use crate::keywords::{self, Category};
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// `(name = value, ns.name = value, name)` (reloptions).
    pub(crate) fn reloptions(&mut self) -> PgResult<Vec<DefElem>> {
        self.expect_lparen()?;
        let list = self.comma_list(|c| {
            let pos = c.pos();
            let mut name = c.col_label()?;
            let mut namespace = None;
            if c.eat_token(&Token::Period) {
                namespace = Some(name);
                name = c.col_label()?;
            }
            let value = if c.eat_token(&Token::Eq) { Some(c.def_arg()?) } else { None };
            Ok(DefElem { namespace, name, value, pos })
        })?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// `WITH (...)`, if present; the older `WITH OIDS` forms are refused or ignored as PostgreSQL
    /// does.
    pub(super) fn with_reloptions(&mut self) -> PgResult<Vec<DefElem>> {
        if self.eat("with") {
            return self.reloptions();
        }
        self.eat_phrase(&["without", "oids"])?;
        Ok(Vec::new())
    }

    /// `(name = value, ...)` (definition).
    pub(super) fn definition(&mut self) -> PgResult<Vec<DefElem>> {
        self.expect_lparen()?;
        let list = self.comma_list(|c| {
            let pos = c.pos();
            let name = c.col_label()?;
            let value = if c.eat_token(&Token::Eq) { Some(c.def_arg()?) } else { None };
            Ok(DefElem { namespace: None, name, value, pos })
        })?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// An option's value (def_arg).
    fn def_arg(&mut self) -> PgResult<DefValue> {
        match self.peek() {
            Token::Number(..) => self.numeric_value(),
            Token::Plus | Token::Minus if matches!(self.peek_nth(1), Token::Number(..)) => {
                self.numeric_value()
            }
            Token::Word(_) => {
                if self.eat("none") {
                    return Ok(DefValue::None);
                }
                let reserved = self.word().is_some_and(|w| keywords::category(w) == Some(Category::Reserved));
                if reserved {
                    return Ok(DefValue::String(self.col_label()?.name.to_string()));
                }
                Ok(DefValue::Type(self.function_type()?))
            }
            _ if self.peek_string().is_some() => Ok(DefValue::String(self.string()?)),
            _ => Ok(DefValue::Operator(self.operator_name()?)),
        }
    }

    fn numeric_value(&mut self) -> PgResult<DefValue> {
        let text = self.numeric_only()?;
        Ok(match text.parse() {
            Ok(i) => DefValue::Integer(i),
            Err(_) => DefValue::Number(text),
        })
    }

    /// TRUE, FALSE, ON, a word or a string (opt_boolean_or_string).
    pub(super) fn boolean_or_string(&mut self) -> PgResult<String> {
        if self.at_any(&["true", "false", "on"]) {
            return Ok(self.col_label()?.name.to_string());
        }
        match self.peek_string() {
            Some(_) => self.string(),
            None => Ok(self.non_reserved_word()?.name.to_string()),
        }
    }

    /// `(name [value], ...)` of EXPLAIN, VACUUM, ANALYZE, REINDEX (utility_option_list).
    pub(super) fn utility_options(&mut self) -> PgResult<Vec<DefElem>> {
        self.expect_lparen()?;
        let list = self.comma_list(|c| {
            let pos = c.pos();
            let name = match c.at_any(&["analyze", "analyse"]) {
                true => {
                    c.advance();
                    Ident { name: "analyze".into(), pos }
                }
                false => c.non_reserved_word()?,
            };
            let value = match c.peek() {
                Token::Comma | Token::RParen => None,
                Token::Number(..) | Token::Plus | Token::Minus => Some(c.numeric_value()?),
                _ => Some(DefValue::String(c.boolean_or_string()?)),
            };
            Ok(DefElem { namespace: None, name, value, pos })
        })?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// `(name [value | * | (list)], ...)` of COPY (copy_generic_opt_list).
    pub(super) fn copy_options(&mut self) -> PgResult<Vec<DefElem>> {
        self.expect_lparen()?;
        let list = self.comma_list(|c| {
            let pos = c.pos();
            let name = c.col_label()?;
            let value = match c.peek() {
                Token::Comma | Token::RParen => None,
                Token::Number(..) | Token::Plus | Token::Minus => Some(c.numeric_value()?),
                Token::Mul => {
                    c.advance();
                    Some(DefValue::Star)
                }
                Token::LParen => {
                    c.advance();
                    let items = c.comma_list(|c| Ok(DefValue::String(c.boolean_or_string()?)))?;
                    c.expect_rparen()?;
                    Some(DefValue::List(items))
                }
                _ => Some(DefValue::String(c.boolean_or_string()?)),
            };
            Ok(DefElem { namespace: None, name, value, pos })
        })?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// An option that the grammar makes itself.
    pub(super) fn option(name: &str, value: Option<DefValue>, pos: usize) -> DefElem {
        DefElem { namespace: None, name: Ident { name: name.into(), pos }, value, pos }
    }

    /// Takes the words of one of the objects listed, if the first of them is next. Where some of
    /// an object's words are there, the first that is not is the error.
    pub(super) fn object_words<T: std::marker::Copy>(
        &mut self,
        objects: &[(&[&str], T)],
    ) -> PgResult<Option<T>> {
        if let Some((words, object)) = objects.iter().find(|(words, _)| self.at_seq(words)) {
            words.iter().for_each(|_| self.advance());
            return Ok(Some(*object));
        }
        let matching =
            |words: &[&str]| words.iter().enumerate().take_while(|(n, word)| self.at_nth(*n, word)).count();
        match objects.iter().map(|(words, _)| matching(words)).max() {
            None | Some(0) => Ok(None),
            Some(words) => self.unexpected_nth(words),
        }
    }

    /// CASCADE or RESTRICT.
    pub(super) fn drop_behavior(&mut self) -> DropBehavior {
        if self.eat("cascade") {
            return DropBehavior::Cascade;
        }
        self.eat("restrict");
        DropBehavior::Restrict
    }

    /// IF EXISTS.
    pub(super) fn if_exists(&mut self) -> PgResult<bool> {
        if !self.eat("if") {
            return Ok(false);
        }
        self.expect("exists")?;
        Ok(true)
    }

    /// IF NOT EXISTS.
    pub(super) fn if_not_exists(&mut self) -> PgResult<bool> {
        if !self.eat("if") {
            return Ok(false);
        }
        self.expect_seq(&["not", "exists"])?;
        Ok(true)
    }
}
