//! COPY, in its present and its two older syntaxes.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn copy(&mut self) -> PgResult<UtilityStatement> {
        self.expect("copy")?;
        let mut options = Vec::new();
        if *self.peek() == Token::LParen {
            return self.copy_query();
        }
        let pos = self.pos();
        if self.eat("binary") {
            options.push(Self::option("format", Some(DefValue::String("binary".into())), pos));
        }
        let name = self.qualified_name()?;
        let columns = self.optional_column_list()?;
        let is_from = self.expect_one(&["from", "to"])? == "from";
        let (filename, is_program) = self.copy_file(is_from)?;
        self.old_delimiters(&mut options)?;
        self.copy_option_list(&mut options)?;
        let where_pos = self.pos();
        let where_clause = if self.eat("where") { Some(self.expr()?) } else { None };
        if where_clause.is_some() && !is_from {
            let error = PgError::new(code::SYNTAX_ERROR, "WHERE clause not allowed with COPY TO");
            return Err(error.at(Some(where_pos)));
        }
        let source = CopySource::Relation { name, columns };
        Ok(UtilityStatement::Copy(Copy { source, is_from, is_program, filename, options, where_clause }))
    }

    fn copy_query(&mut self) -> PgResult<UtilityStatement> {
        self.expect_lparen()?;
        let start = self.pos();
        let kind = self.dml_statement()?.into();
        let statement =
            Box::new(Statement { text_range: start..self.end_of_last(), kind, notices: Vec::new() });
        self.expect_rparen()?;
        self.expect("to")?;
        let (filename, is_program) = self.copy_file(false)?;
        let mut options = Vec::new();
        self.copy_option_list(&mut options)?;
        Ok(UtilityStatement::Copy(Copy {
            source: CopySource::Query { statement },
            is_from: false,
            is_program,
            filename,
            options,
            where_clause: None,
        }))
    }

    /// A file name, STDIN or STDOUT (either word, whatever the direction), or a program.
    fn copy_file(&mut self, _is_from: bool) -> PgResult<(Option<String>, bool)> {
        let pos = self.pos();
        let is_program = self.eat("program");
        if self.at_any(&["stdin", "stdout"]) {
            if is_program {
                let error = PgError::new(code::SYNTAX_ERROR, "STDIN/STDOUT not allowed with PROGRAM");
                return Err(error.at(Some(pos)));
            }
            self.advance();
            return Ok((None, false));
        }
        Ok((Some(self.string()?), is_program))
    }

    /// `[USING] DELIMITERS '...'`, from before 7.3.
    fn old_delimiters(&mut self, options: &mut Vec<DefElem>) -> PgResult<()> {
        let pos = self.pos();
        if self.at_seq(&["using", "delimiters"]) || self.at("delimiters") {
            self.eat("using");
            self.advance();
            options.push(Self::option("delimiter", Some(DefValue::String(self.string()?)), pos));
        }
        Ok(())
    }

    fn copy_option_list(&mut self, options: &mut Vec<DefElem>) -> PgResult<()> {
        self.eat("with");
        if *self.peek() == Token::LParen {
            options.extend(self.copy_options()?);
            return Ok(());
        }
        while let Some(option) = self.old_copy_option()? {
            options.push(option);
        }
        Ok(())
    }

    /// One option of the syntax from before 9.0.
    fn old_copy_option(&mut self) -> PgResult<Option<DefElem>> {
        let pos = self.pos();
        let text = |s: &str| Some(DefValue::String(s.into()));
        let (name, value) = match self.word() {
            Some("binary") => ("format", text("binary")),
            Some("csv") => ("format", text("csv")),
            Some("freeze") => ("freeze", text("true")),
            Some("header") => ("header", text("true")),
            Some(word @ ("delimiter" | "null" | "quote" | "escape" | "encoding")) => {
                let name = match word {
                    "delimiter" => "delimiter",
                    "null" => "null",
                    "quote" => "quote",
                    "escape" => "escape",
                    _ => "encoding",
                };
                self.advance();
                if name != "encoding" {
                    self.eat("as");
                }
                let value = DefValue::String(self.string()?);
                return Ok(Some(Self::option(name, Some(value), pos)));
            }
            Some("force") => return self.force_option(pos).map(Some),
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(Self::option(name, value, pos)))
    }

    fn force_option(&mut self, pos: usize) -> PgResult<DefElem> {
        self.expect("force")?;
        let name = match self.expect_one(&["quote", "not", "null"])? {
            "quote" => "force_quote",
            "null" => "force_null",
            _ => {
                self.expect("null")?;
                "force_not_null"
            }
        };
        if name == "force_quote" && self.eat_token(&Token::Mul) {
            return Ok(Self::option(name, Some(DefValue::Star), pos));
        }
        let columns = self.comma_list(Self::col_id)?;
        let list = columns.into_iter().map(|c| DefValue::String(c.name.to_string())).collect();
        Ok(Self::option(name, Some(DefValue::List(list)), pos))
    }
}
