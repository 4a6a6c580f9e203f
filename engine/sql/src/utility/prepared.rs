//! EXPLAIN, PREPARE, EXECUTE, DEALLOCATE, and cursors.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn explain(&mut self) -> PgResult<UtilityStatement> {
        self.expect("explain")?;
        let mut options = Vec::new();
        // Two parentheses can only open a query.
        if *self.peek() == Token::LParen && *self.peek_nth(1) != Token::LParen && !self.at_query() {
            options = self.utility_options()?;
        } else {
            for words in [["analyze", "analyse"], ["verbose", "verbose"]] {
                let pos = self.pos();
                if self.at_any(&words) {
                    self.advance();
                    options.push(Self::option(words[0], None, pos));
                }
            }
        }
        let start = self.pos();
        let kind = self.explainable()?;
        let statement =
            Box::new(Statement { text_range: start..self.end_of_last(), kind, notices: Vec::new() });
        Ok(UtilityStatement::Explain(Explain { options, statement }))
    }

    /// What EXPLAIN takes (ExplainableStmt).
    fn explainable(&mut self) -> PgResult<StatementKind> {
        let known = ["select", "values", "table", "with", "insert", "update", "delete", "merge", "declare"];
        let known = self.at_any(&known)
            || *self.peek() == Token::LParen
            || self.at_any(&["create", "refresh", "execute"]);
        if !known {
            return self.unexpected();
        }
        Ok(self.statement()?.kind)
    }

    pub(super) fn prepare(&mut self) -> PgResult<UtilityStatement> {
        self.expect("prepare")?;
        if self.at("transaction") && self.at_string_nth(1) {
            self.advance();
            let gid = self.string()?;
            return Ok(UtilityStatement::Transaction(TransactionStatement::PrepareTransaction(gid)));
        }
        let name = self.col_id()?;
        let types = match self.eat_token(&Token::LParen) {
            true => {
                let types = self.comma_list(Self::type_name)?;
                self.expect_rparen()?;
                types
            }
            false => Vec::new(),
        };
        self.expect("as")?;
        let start = self.pos();
        let kind = self.dml_statement()?.into();
        let statement =
            Box::new(Statement { text_range: start..self.end_of_last(), kind, notices: Vec::new() });
        Ok(UtilityStatement::Prepare { name, types, statement })
    }

    pub(super) fn execute_statement(&mut self) -> PgResult<UtilityStatement> {
        self.execute().map(UtilityStatement::Execute)
    }

    pub(super) fn execute(&mut self) -> PgResult<Execute> {
        self.expect("execute")?;
        let name = self.col_id()?;
        let params = match self.eat_token(&Token::LParen) {
            true => {
                let params = self.expr_list()?;
                self.expect_rparen()?;
                params
            }
            false => Vec::new(),
        };
        Ok(Execute { name, params })
    }

    pub(super) fn deallocate(&mut self) -> PgResult<UtilityStatement> {
        self.expect("deallocate")?;
        // PREPARE is noise here, unless it is the statement's own name.
        if self.at("prepare") && (self.at_col_id_nth(1) || self.at_nth(1, "all")) {
            self.advance();
        }
        let name = if self.eat("all") { None } else { Some(self.col_id()?) };
        Ok(UtilityStatement::Deallocate { name })
    }

    pub(super) fn declare(&mut self) -> PgResult<UtilityStatement> {
        self.expect("declare")?;
        let name = self.col_id()?;
        let (mut binary, mut scroll, mut insensitive) = (false, None, None);
        loop {
            match self.expect_one(&["binary", "insensitive", "asensitive", "scroll", "no", "cursor"])? {
                "binary" => binary = true,
                "insensitive" => insensitive = Some(true),
                "asensitive" => insensitive = Some(false),
                "scroll" => scroll = Some(true),
                "no" => {
                    self.expect("scroll")?;
                    scroll = Some(false);
                }
                _ => break,
            }
        }
        let hold = if self.eat_phrase(&["with", "hold"])? {
            true
        } else {
            self.eat_phrase(&["without", "hold"])?;
            false
        };
        self.expect("for")?;
        let start = self.pos();
        let query = Box::new(self.query()?);
        let query_range = start..self.end_of_last();
        Ok(UtilityStatement::DeclareCursor(DeclareCursor {
            name,
            binary,
            scroll,
            insensitive,
            hold,
            query,
            query_range,
        }))
    }

    pub(super) fn close(&mut self) -> PgResult<UtilityStatement> {
        self.expect("close")?;
        let name = if self.eat("all") { None } else { Some(self.col_id()?) };
        Ok(UtilityStatement::ClosePortal { name })
    }

    pub(super) fn fetch(&mut self) -> PgResult<UtilityStatement> {
        let is_move = self.expect_one(&["fetch", "move"])? == "move";
        let direction = self.fetch_direction()?;
        if self.at_any(&["from", "in"]) {
            self.advance();
        }
        let cursor = self.col_id()?;
        Ok(UtilityStatement::Fetch(Fetch { is_move, direction, cursor }))
    }

    fn fetch_direction(&mut self) -> PgResult<FetchDirection> {
        use FetchDirection::*;
        // A direction's word may also be the cursor's name: then nothing stands behind it.
        let is_name = self.at_col_id() && matches!(self.peek_nth(1), Token::EOF | Token::SemiColon);
        if is_name {
            return Ok(Forward(1));
        }
        let word = ["next", "prior", "first", "last", "absolute", "relative", "forward", "backward", "all"]
            .into_iter()
            .find(|w| self.at(w));
        let Some(word) = word else {
            return match self.peek() {
                Token::Number(..) | Token::Plus | Token::Minus => {
                    Ok(Forward(i64::from(self.signed_integer()?)))
                }
                _ => Ok(Forward(1)),
            };
        };
        self.advance();
        Ok(match word {
            "next" => Forward(1),
            "prior" => Backward(1),
            "first" => Absolute(1),
            "last" => Absolute(-1),
            "absolute" => Absolute(i64::from(self.signed_integer()?)),
            "relative" => Relative(i64::from(self.signed_integer()?)),
            "all" => Forward(i64::MAX),
            _ => {
                let all = self.eat("all");
                let count = match self.peek() {
                    _ if all => i64::MAX,
                    Token::Number(..) | Token::Plus | Token::Minus => i64::from(self.signed_integer()?),
                    _ => 1,
                };
                if word == "forward" { Forward(count) } else { Backward(count) }
            }
        })
    }

    pub(super) fn do_block(&mut self) -> PgResult<UtilityStatement> {
        self.expect("do")?;
        let (mut language, mut body) = (None, None);
        loop {
            let pos = self.pos();
            if self.eat("language") {
                language = Some(match self.peek_string().map(str::to_string) {
                    Some(name) => {
                        self.advance();
                        Ident { name: name.into(), pos }
                    }
                    None => self.non_reserved_word()?,
                });
            } else if self.peek_string().is_some() {
                body = Some((self.string()?, pos));
            } else if body.is_none() && language.is_none() {
                return self.unexpected();
            } else {
                break;
            }
        }
        match body {
            Some((body, body_pos)) => Ok(UtilityStatement::Do { language, body, body_pos }),
            None => Err(PgError::new(redoubt_error::code::SYNTAX_ERROR, "no inline code specified")),
        }
    }

    pub(super) fn call_statement(&mut self) -> PgResult<UtilityStatement> {
        self.expect("call")?;
        let name = self.function_name()?;
        let call = self.application(name)?;
        Ok(UtilityStatement::Call(Box::new(call)))
    }
}
