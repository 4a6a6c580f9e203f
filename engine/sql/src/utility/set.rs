//! SET, RESET, SHOW.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn set_statement(&mut self) -> PgResult<UtilityStatement> {
        self.expect("set")?;
        if self.at("constraints") && !matches!(self.peek_nth(1), Token::Eq) && !self.at_nth(1, "to") {
            return self.set_constraints();
        }
        // LOCAL and SESSION may also be the name of a setting: then TO or = stands behind.
        let is_name = matches!(self.peek_nth(1), Token::Eq) || self.at_nth(1, "to");
        let local = self.at("local") && !is_name;
        let session = self.at("session")
            && !is_name
            && !matches!(self.word_nth(1), Some("authorization" | "characteristics"));
        if local || session {
            self.advance();
        }
        let action = if self.eat_seq(&["session", "characteristics"]) {
            self.expect_seq(&["as", "transaction"])?;
            SetAction::SessionCharacteristics(self.transaction_modes()?)
        } else if self.at("transaction") && !matches!(self.peek_nth(1), Token::Eq) && !self.at_nth(1, "to") {
            self.advance();
            match self.eat("snapshot") {
                true => SetAction::TransactionSnapshot(self.string()?),
                false => SetAction::Transaction(self.transaction_modes()?),
            }
        } else {
            self.set_rest_more()?
        };
        Ok(UtilityStatement::Set(SetStatement { local, action }))
    }

    /// What SET sets, as CREATE FUNCTION and ALTER ROLE also say it.
    pub(super) fn set_rest_more(&mut self) -> PgResult<SetAction> {
        let plain = matches!(self.peek_nth(1), Token::Eq | Token::Period) || self.at_nth(1, "to");
        if !plain && let Some(action) = self.set_special()? {
            return Ok(action);
        }
        let name = self.setting_name()?;
        if self.eat_phrase(&["from", "current"])? {
            return Ok(SetAction::FromCurrent { name });
        }
        if !self.eat("to") {
            self.expect_token(&Token::Eq)?;
        }
        if self.eat("default") {
            return Ok(SetAction::Default { name });
        }
        let values = self.comma_list(Self::setting_value)?;
        Ok(SetAction::Value { name, values })
    }

    /// The spellings that name their setting by something else than its name.
    fn set_special(&mut self) -> PgResult<Option<SetAction>> {
        let one = |name: &str, value: String| {
            Ok(Some(SetAction::Value { name: name.into(), values: vec![SetValue::String(value)] }))
        };
        let pos = self.pos();
        match self.word() {
            Some("time") => {
                self.expect_seq(&["time", "zone"])?;
                self.time_zone().map(Some)
            }
            Some("catalog") => {
                self.advance();
                self.string()?;
                let error = PgError::new(code::FEATURE_NOT_SUPPORTED, "current database cannot be changed");
                Err(error.at(Some(pos)))
            }
            Some("schema") => {
                self.advance();
                one("search_path", self.string()?)
            }
            Some("names") => {
                self.advance();
                if self.eat("default") || self.peek_string().is_none() {
                    return Ok(Some(SetAction::Default { name: "client_encoding".into() }));
                }
                one("client_encoding", self.string()?)
            }
            Some("role") => {
                self.advance();
                let value = self.word_or_string()?;
                one("role", value)
            }
            Some("session") => {
                self.expect_seq(&["session", "authorization"])?;
                if self.eat("default") {
                    return Ok(Some(SetAction::Default { name: "session_authorization".into() }));
                }
                let value = self.word_or_string()?;
                one("session_authorization", value)
            }
            Some("xml") => {
                self.expect_seq(&["xml", "option"])?;
                one("xmloption", self.expect_one(&["document", "content"])?.to_uppercase())
            }
            _ => Ok(None),
        }
    }

    fn word_or_string(&mut self) -> PgResult<String> {
        match self.peek_string() {
            Some(_) => self.string(),
            None => Ok(self.non_reserved_word()?.name.to_string()),
        }
    }

    /// `a.b.c`.
    pub(super) fn setting_name(&mut self) -> PgResult<String> {
        let mut name = self.col_id()?.name.to_string();
        while self.eat_token(&Token::Period) {
            name.push('.');
            name.push_str(self.col_id()?.as_str());
        }
        Ok(name)
    }

    fn setting_value(&mut self) -> PgResult<SetValue> {
        match self.peek() {
            Token::Number(..) | Token::Plus | Token::Minus => {
                let text = self.numeric_only()?;
                Ok(match text.parse() {
                    Ok(i) => SetValue::Integer(i),
                    Err(_) => SetValue::Number(text),
                })
            }
            _ => Ok(SetValue::String(self.boolean_or_string()?)),
        }
    }

    fn time_zone(&mut self) -> PgResult<SetAction> {
        let name = "timezone".to_string();
        if self.at_any(&["default", "local"]) {
            self.advance();
            return Ok(SetAction::Default { name });
        }
        let value = match self.peek() {
            Token::Number(..) | Token::Plus | Token::Minus => self.setting_value()?,
            _ if self.at("interval") => match self.typed_literal()? {
                Some(Expr::Cast { arg, type_name, .. }) => match *arg {
                    Expr::Literal { value: Literal::String(text), .. } => {
                        SetValue::Interval { type_name: *type_name, text: text.to_string() }
                    }
                    _ => return self.unexpected(),
                },
                _ => return self.unexpected_nth(1),
            },
            _ if self.peek_string().is_some() => SetValue::String(self.string()?),
            _ => SetValue::String(self.col_id()?.name.to_string()),
        };
        Ok(SetAction::Value { name, values: vec![value] })
    }

    fn set_constraints(&mut self) -> PgResult<UtilityStatement> {
        self.expect("constraints")?;
        let names = match self.eat("all") {
            true => Vec::new(),
            false => self.comma_list(Self::qualified_name)?,
        };
        let deferred = self.expect_one(&["deferred", "immediate"])? == "deferred";
        Ok(UtilityStatement::SetConstraints { names, deferred })
    }

    pub(super) fn reset(&mut self) -> PgResult<UtilityStatement> {
        let action = self.reset_action()?;
        Ok(UtilityStatement::Set(SetStatement { local: false, action }))
    }

    /// RESET ..., also inside ALTER ROLE and ALTER DATABASE.
    pub(super) fn reset_action(&mut self) -> PgResult<SetAction> {
        self.expect("reset")?;
        if self.eat("all") {
            return Ok(SetAction::ResetAll);
        }
        Ok(SetAction::Reset { name: self.shown_name()? })
    }

    /// SET or RESET behind ALTER ROLE or ALTER DATABASE.
    pub(super) fn set_or_reset(&mut self) -> PgResult<SetStatement> {
        if self.at("reset") {
            return Ok(SetStatement { local: false, action: self.reset_action()? });
        }
        self.expect("set")?;
        let action = match self.at("transaction") {
            true => {
                self.advance();
                SetAction::Transaction(self.transaction_modes()?)
            }
            false => self.set_rest_more()?,
        };
        Ok(SetStatement { local: false, action })
    }

    /// A setting as SHOW and RESET name it.
    fn shown_name(&mut self) -> PgResult<String> {
        if self.eat_phrase(&["time", "zone"])? {
            return Ok("timezone".into());
        }
        if self.eat_phrase(&["transaction", "isolation", "level"])? {
            return Ok("transaction_isolation".into());
        }
        if self.eat_seq(&["session", "authorization"]) {
            return Ok("session_authorization".into());
        }
        self.setting_name()
    }

    pub(super) fn show(&mut self) -> PgResult<UtilityStatement> {
        self.expect("show")?;
        let name = match self.eat("all") {
            true => None,
            false => Some(self.shown_name()?),
        };
        Ok(UtilityStatement::Show { name })
    }
}
