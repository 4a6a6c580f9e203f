//! Sequence options.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

const STARTS: &[&str] = &[
    "as",
    "cache",
    "cycle",
    "no",
    "increment",
    "maxvalue",
    "minvalue",
    "owned",
    "sequence",
    "start",
    "restart",
];

impl Cursor<'_> {
    /// Any number of options.
    pub(super) fn sequence_options(&mut self) -> PgResult<Vec<SequenceOption>> {
        let mut options = Vec::new();
        while self.at_any(STARTS) {
            options.push(self.sequence_option()?);
        }
        Ok(options)
    }

    /// `(options)`, if a parenthesis is next.
    pub(super) fn parenthesised_sequence_options(&mut self) -> PgResult<Vec<SequenceOption>> {
        if !self.eat_token(&Token::LParen) {
            return Ok(Vec::new());
        }
        let options = self.sequence_options()?;
        if options.is_empty() {
            return self.unexpected();
        }
        self.expect_rparen()?;
        Ok(options)
    }

    pub(super) fn sequence_option(&mut self) -> PgResult<SequenceOption> {
        use SequenceOptionKind as K;
        let pos = self.pos();
        let kind = match self.expect_one(&[
            "as",
            "cache",
            "cycle",
            "no",
            "increment",
            "maxvalue",
            "minvalue",
            "owned",
            "sequence",
            "start",
            "restart",
        ])? {
            "as" => K::As(self.type_name()?),
            "cache" => K::Cache(self.numeric_only()?),
            "cycle" => K::Cycle(true),
            "no" => match self.expect_one(&["maxvalue", "minvalue", "cycle"])? {
                "maxvalue" => K::MaxValue(None),
                "minvalue" => K::MinValue(None),
                _ => K::Cycle(false),
            },
            "increment" => {
                self.eat("by");
                K::Increment(self.numeric_only()?)
            }
            "maxvalue" => K::MaxValue(Some(self.numeric_only()?)),
            "minvalue" => K::MinValue(Some(self.numeric_only()?)),
            "owned" => {
                self.expect("by")?;
                match self.at("none") {
                    true => K::OwnedBy(ObjectName { parts: vec![self.col_label()?] }),
                    false => K::OwnedBy(self.any_name()?),
                }
            }
            "sequence" => {
                self.expect("name")?;
                K::SequenceName(self.any_name()?)
            }
            "start" => {
                self.eat("with");
                K::Start(self.numeric_only()?)
            }
            _ => {
                let with = self.eat("with");
                let number = matches!(self.peek(), Token::Number(..) | Token::Plus | Token::Minus);
                K::Restart(if with || number { Some(self.numeric_only()?) } else { None })
            }
        };
        Ok(SequenceOption { kind, pos })
    }
}
