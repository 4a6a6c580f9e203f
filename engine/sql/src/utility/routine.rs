//! Functions, types and domains.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn create_function(&mut self, or_replace: bool) -> PgResult<UtilityStatement> {
        let is_procedure = self.expect_one(&["function", "procedure"])? == "procedure";
        let name = self.function_name()?;
        self.expect_lparen()?;
        let mut params = match self.peek() {
            Token::RParen => Vec::new(),
            _ => self.comma_list(|c| c.function_parameter(true))?,
        };
        self.expect_rparen()?;
        let (mut returns, mut returns_table) = (None, false);
        if !is_procedure && self.eat("returns") {
            if self.eat("table") {
                self.expect_lparen()?;
                params.extend(self.comma_list(|c| {
                    let name = Some(c.type_function_name()?);
                    let type_name = c.function_type()?;
                    Ok(FunctionParameter { name, mode: ParameterMode::Table, type_name, default: None })
                })?);
                self.expect_rparen()?;
                returns_table = true;
            } else {
                returns = Some(self.function_type()?);
            }
        }
        let mut options = Vec::new();
        while let Some(option) = self.function_option()? {
            options.push(option);
        }
        let sql_body = self.sql_body()?;
        Ok(UtilityStatement::CreateFunction(Box::new(CreateFunction {
            or_replace,
            is_procedure,
            name,
            params,
            returns,
            returns_table,
            options,
            sql_body,
        })))
    }

    /// RETURN expr, or BEGIN ATOMIC ... END.
    fn sql_body(&mut self) -> PgResult<Option<SqlBody>> {
        let start = self.pos();
        let mut body =
            SqlBody { range: start..start, is_atomic: false, statements: Vec::new(), texts: Vec::new() };
        if self.at("return") {
            self.body_statement(&mut body)?;
        } else {
            if !self.eat_phrase(&["begin", "atomic"])? {
                return Ok(None);
            }
            body.is_atomic = true;
            while !self.at("end") {
                if self.eat_token(&Token::SemiColon) {
                    continue;
                }
                self.body_statement(&mut body)?;
                self.expect_token(&Token::SemiColon)?;
            }
            self.expect("end")?;
        }
        body.range.end = self.end_of_last();
        Ok(Some(body))
    }

    /// One statement of a body. RETURN reads as the SELECT that it stands for, at the place where it stands.
    fn body_statement(&mut self, body: &mut SqlBody) -> PgResult<()> {
        let start = self.pos();
        let is_return = self.eat("return");
        let statement = match is_return {
            false => self.statement()?,
            true => {
                let from = self.pos();
                self.expr()?;
                let text = format!(
                    "{}SELECT {}",
                    " ".repeat(from.saturating_sub(7)),
                    &self.text[from..self.end_of_last()]
                );
                let mut parsed = crate::parse(&text)?;
                parsed.pop().expect("an expression makes a statement")
            }
        };
        let text = &self.text[start..self.end_of_last()];
        body.texts.push(if is_return { format!("SELECT {}", &text["return".len()..]) } else { text.into() });
        body.statements.push(statement);
        Ok(())
    }

    /// `[mode] [name] type [DEFAULT expr]`.
    pub(super) fn function_parameter(&mut self, with_default: bool) -> PgResult<FunctionParameter> {
        let mode = self.parameter_mode();
        let mut name = None;
        if self.at_parameter_name() {
            name = Some(self.type_function_name()?);
        }
        // The mode may also stand behind the name.
        let mode = if mode == ParameterMode::Default { self.parameter_mode() } else { mode };
        let type_name = self.function_type()?;
        let default = match with_default && (self.at("default") || *self.peek() == Token::Eq) {
            true => {
                self.advance();
                Some(self.expr()?)
            }
            false => None,
        };
        Ok(FunctionParameter { name, mode, type_name, default })
    }

    fn parameter_mode(&mut self) -> ParameterMode {
        let mode = match self.word() {
            Some("in") => ParameterMode::In,
            Some("out") => ParameterMode::Out,
            Some("inout") => ParameterMode::InOut,
            Some("variadic") => ParameterMode::Variadic,
            _ => return ParameterMode::Default,
        };
        self.advance();
        if mode == ParameterMode::In && self.eat("out") { ParameterMode::InOut } else { mode }
    }

    /// A word is a parameter's name if a type (or a mode) can start behind it.
    fn at_parameter_name(&self) -> bool {
        if !self.at_type_function_name() || !matches!(self.peek_nth(1), Token::Word(_)) {
            return false;
        }
        let two_word_type = matches!(
            (self.word(), self.word_nth(1)),
            (Some("double"), Some("precision"))
                | (Some("bit" | "char" | "character" | "nchar" | "national"), Some("varying"))
                | (Some("national"), Some("char" | "character"))
                | (Some("time" | "timestamp"), Some("with" | "without"))
                | (Some("interval"), Some("year" | "month" | "day" | "hour" | "minute" | "second"))
        );
        !two_word_type
            && !self.at_nth(1, "default")
            && !self.at_nth(1, "array")
            && !self.at_nth(1, "order")
            && !self.at("setof")
    }

    /// ALTER FUNCTION's options, behind the function.
    pub(super) fn alter_function_options(
        &mut self,
        object: ObjectType,
        target: ObjectRef,
    ) -> PgResult<UtilityStatement> {
        let mut options = Vec::new();
        while let Some(option) = self.function_option()? {
            if let FunctionOptionKind::As(..) | FunctionOptionKind::Language(_) | FunctionOptionKind::Window =
                option.kind
            {
                return self.unexpected();
            }
            options.push(option);
        }
        if options.is_empty() {
            return self.unexpected();
        }
        self.eat("restrict");
        Ok(UtilityStatement::AlterFunction(AlterFunction { object, target, options }))
    }

    fn function_option(&mut self) -> PgResult<Option<FunctionOption>> {
        use FunctionOptionKind as K;
        let pos = self.pos();
        let Some(word) = self.word() else { return Ok(None) };
        let simple = match word {
            "immutable" => Some(K::Volatility('i')),
            "stable" => Some(K::Volatility('s')),
            "volatile" => Some(K::Volatility('v')),
            "strict" => Some(K::Strict(true)),
            "leakproof" => Some(K::Leakproof(true)),
            "window" => Some(K::Window),
            _ => None,
        };
        if let Some(kind) = simple {
            self.advance();
            return Ok(Some(FunctionOption { kind, pos }));
        }
        let kind = match word {
            "as" => {
                self.advance();
                let at = self.pos();
                let mut parts = vec![self.string()?];
                let begins = literal_start(&self.text[at..], &parts[0]).map(|offset| at + offset);
                if self.eat_token(&Token::Comma) {
                    parts.push(self.string()?);
                }
                K::As(parts, begins)
            }
            "language" => {
                self.advance();
                K::Language(self.boolean_or_string()?)
            }
            "called" => {
                self.expect_seq(&["called", "on", "null", "input"])?;
                K::Strict(false)
            }
            "returns" => {
                self.expect_seq(&["returns", "null", "on", "null", "input"])?;
                K::Strict(true)
            }
            "not" => {
                self.expect_seq(&["not", "leakproof"])?;
                K::Leakproof(false)
            }
            "external" | "security" => {
                self.eat("external");
                self.expect("security")?;
                K::SecurityDefiner(self.expect_one(&["definer", "invoker"])? == "definer")
            }
            "cost" => {
                self.advance();
                K::Cost(self.numeric_only()?)
            }
            "rows" => {
                self.advance();
                K::Rows(self.numeric_only()?)
            }
            "support" => {
                self.advance();
                K::Support(self.any_name()?)
            }
            "parallel" => {
                self.advance();
                K::Parallel(self.col_id()?.name.to_string())
            }
            "set" => {
                self.advance();
                K::Set(SetStatement { local: false, action: self.set_rest_more()? })
            }
            "reset" => K::Set(SetStatement { local: false, action: self.reset_action()? }),
            "transform" => {
                self.advance();
                K::Transform(self.comma_list(|c| {
                    c.expect_seq(&["for", "type"])?;
                    c.type_name()
                })?)
            }
            _ => return Ok(None),
        };
        Ok(Some(FunctionOption { kind, pos }))
    }

    pub(super) fn create_type(&mut self) -> PgResult<UtilityStatement> {
        self.expect("type")?;
        let name = self.any_name()?;
        if self.eat("as") {
            if self.eat("enum") {
                self.expect_lparen()?;
                let labels = match self.peek() {
                    Token::RParen => Vec::new(),
                    _ => self.comma_list(Self::string)?,
                };
                self.expect_rparen()?;
                return Ok(UtilityStatement::CreateType(CreateType::Enum { name, labels }));
            }
            if self.eat("range") {
                let options = self.definition()?;
                return Ok(UtilityStatement::CreateType(CreateType::Range { name, options }));
            }
            self.expect_lparen()?;
            let columns = match self.peek() {
                Token::RParen => Vec::new(),
                _ => self.comma_list(Self::type_attribute)?,
            };
            self.expect_rparen()?;
            return Ok(UtilityStatement::CreateType(CreateType::Composite { name, columns }));
        }
        let options = match self.peek() {
            Token::LParen => Some(self.definition()?),
            _ => None,
        };
        Ok(UtilityStatement::CreateType(CreateType::Base { name, options }))
    }

    /// `name type [COLLATE c]` of a composite type.
    pub(super) fn type_attribute(&mut self) -> PgResult<ColumnDef> {
        let name = self.col_id()?;
        let pos = name.pos;
        let type_name = Some(self.type_name()?);
        let collation = if self.eat("collate") { Some(self.any_name()?) } else { None };
        Ok(ColumnDef {
            name,
            type_name,
            compression: None,
            storage: None,
            collation,
            constraints: Vec::new(),
            pos,
        })
    }

    pub(super) fn create_domain(&mut self) -> PgResult<UtilityStatement> {
        self.expect("domain")?;
        let name = self.any_name()?;
        self.eat("as");
        let type_name = self.type_name()?;
        let (collation, constraints) = self.column_qualifiers()?;
        Ok(UtilityStatement::CreateDomain(CreateDomain { name, type_name, collation, constraints }))
    }

    /// ALTER DOMAIN, behind ALTER; RENAME, OWNER and SET SCHEMA are handled by the caller.
    pub(super) fn alter_domain_command(&mut self) -> PgResult<AlterDomainCommand> {
        use AlterDomainCommand as C;
        Ok(match self.expect_one(&["set", "drop", "add", "validate"])? {
            "set" => match self.expect_one(&["default", "not"])? {
                "default" => C::SetDefault(self.expr()?),
                _ => {
                    self.expect("null")?;
                    C::SetNotNull
                }
            },
            "drop" => match self.expect_one(&["default", "not", "constraint"])? {
                "default" => C::DropDefault,
                "not" => {
                    self.expect("null")?;
                    C::DropNotNull
                }
                _ => {
                    let if_exists = self.if_exists()?;
                    let name = self.col_id()?;
                    C::DropConstraint { name, if_exists, behavior: self.drop_behavior() }
                }
            },
            "add" => C::AddConstraint(self.table_constraint()?),
            _ => {
                self.expect("constraint")?;
                C::ValidateConstraint { name: self.col_id()? }
            }
        })
    }
}

/// Where the characters of a string begin in its literal, if they stand there one for one.
fn literal_start(literal: &str, value: &str) -> Option<usize> {
    let start = match literal.as_bytes().first()? {
        b'\'' => 1,
        b'$' => literal[1..].find('$')? + 2,
        _ => return None,
    };
    literal[start..].starts_with(value).then_some(start)
}
