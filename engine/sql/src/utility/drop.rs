//! DROP.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

/// Objects that a qualified name identifies.
const BY_NAME: &[(&[&str], ObjectType)] = &[
    (&["access", "method"], ObjectType::AccessMethod),
    (&["collation"], ObjectType::Collation),
    (&["conversion"], ObjectType::Conversion),
    (&["domain"], ObjectType::Domain),
    (&["event", "trigger"], ObjectType::EventTrigger),
    (&["extension"], ObjectType::Extension),
    (&["foreign", "data", "wrapper"], ObjectType::ForeignDataWrapper),
    (&["foreign", "table"], ObjectType::ForeignTable),
    (&["index"], ObjectType::Index),
    (&["language"], ObjectType::Language),
    (&["materialized", "view"], ObjectType::MaterializedView),
    (&["procedural", "language"], ObjectType::Language),
    (&["publication"], ObjectType::Publication),
    (&["schema"], ObjectType::Schema),
    (&["sequence"], ObjectType::Sequence),
    (&["server"], ObjectType::ForeignServer),
    (&["statistics"], ObjectType::Statistics),
    (&["table"], ObjectType::Table),
    (&["text", "search", "configuration"], ObjectType::TextSearchConfiguration),
    (&["text", "search", "dictionary"], ObjectType::TextSearchDictionary),
    (&["text", "search", "parser"], ObjectType::TextSearchParser),
    (&["text", "search", "template"], ObjectType::TextSearchTemplate),
    (&["type"], ObjectType::Type),
    (&["view"], ObjectType::View),
];

impl Cursor<'_> {
    pub(super) fn drop(&mut self) -> PgResult<UtilityStatement> {
        self.expect("drop")?;
        if let Some(object) = self.object_words(BY_NAME)? {
            let concurrently = object == ObjectType::Index && self.eat("concurrently");
            let if_exists = self.if_exists()?;
            let targets = match object {
                ObjectType::Type | ObjectType::Domain => self.comma_list(Self::type_as_object)?,
                _ => self.comma_list(|c| Ok(ObjectRef::named(c.any_name()?)))?,
            };
            let behavior = self.drop_behavior();
            return Ok(UtilityStatement::Drop(Drop { object, targets, if_exists, behavior, concurrently }));
        }
        match self.word() {
            Some("database") => self.drop_database(),
            Some("tablespace") => {
                self.advance();
                let if_exists = self.if_exists()?;
                Ok(UtilityStatement::DropTablespace { name: self.col_id()?, if_exists })
            }
            Some("owned") => {
                self.expect_seq(&["owned", "by"])?;
                let roles = self.role_list()?;
                Ok(UtilityStatement::DropOwned { roles, behavior: self.drop_behavior() })
            }
            Some("user") if self.at_nth(1, "mapping") => self.not_yet("DROP USER MAPPING"),
            Some("role" | "user" | "group") => {
                self.advance();
                let if_exists = self.if_exists()?;
                Ok(UtilityStatement::DropRole { roles: self.role_list()?, if_exists })
            }
            Some("function" | "procedure" | "routine" | "aggregate") => self.drop_functions(),
            Some("operator") => self.drop_operator(),
            Some("trigger" | "rule" | "policy") => self.drop_of_relation(),
            Some("cast") => self.not_yet("DROP CAST"),
            Some("transform") => self.not_yet("DROP TRANSFORM"),
            Some("subscription") => self.not_yet("DROP SUBSCRIPTION"),
            _ => self.unexpected(),
        }
    }

    /// A type named as types are named elsewhere: `integer` is `pg_catalog.int4`.
    fn type_as_object(&mut self) -> PgResult<ObjectRef> {
        let type_name = self.type_name()?;
        if !type_name.array_bounds.is_empty() {
            return Err(PgError::unsupported("an array type as an object's name").at(Some(type_name.pos)));
        }
        Ok(ObjectRef::named(type_name.name))
    }

    fn drop_database(&mut self) -> PgResult<UtilityStatement> {
        self.expect("database")?;
        let if_exists = self.if_exists()?;
        let name = self.col_id()?;
        self.eat("with");
        let mut force = false;
        if self.eat_token(&Token::LParen) {
            self.comma_list(|c| c.expect("force"))?;
            self.expect_rparen()?;
            force = true;
        }
        Ok(UtilityStatement::DropDatabase { name, if_exists, force })
    }

    fn drop_functions(&mut self) -> PgResult<UtilityStatement> {
        let word = self.expect_one(&["function", "procedure", "routine", "aggregate"])?;
        let object = match word {
            "function" => ObjectType::Function,
            "procedure" => ObjectType::Procedure,
            "routine" => ObjectType::Routine,
            _ => ObjectType::Aggregate,
        };
        let if_exists = self.if_exists()?;
        let targets = match object {
            ObjectType::Aggregate => self.comma_list(Self::aggregate_with_args)?,
            _ => self.comma_list(Self::function_with_args)?,
        };
        let behavior = self.drop_behavior();
        Ok(UtilityStatement::Drop(Drop { object, targets, if_exists, behavior, concurrently: false }))
    }

    fn drop_operator(&mut self) -> PgResult<UtilityStatement> {
        self.expect("operator")?;
        let object = if self.eat("class") {
            ObjectType::OperatorClass
        } else if self.eat("family") {
            ObjectType::OperatorFamily
        } else {
            ObjectType::Operator
        };
        let if_exists = self.if_exists()?;
        let targets = match object {
            ObjectType::Operator => self.comma_list(Self::operator_with_args)?,
            _ => {
                let name = self.any_name()?;
                self.expect("using")?;
                let of = Some(ObjectName { parts: vec![self.col_id()?] });
                vec![ObjectRef { name, args: None, of }]
            }
        };
        let behavior = self.drop_behavior();
        Ok(UtilityStatement::Drop(Drop { object, targets, if_exists, behavior, concurrently: false }))
    }

    fn drop_of_relation(&mut self) -> PgResult<UtilityStatement> {
        let object = match self.expect_one(&["trigger", "rule", "policy"])? {
            "trigger" => ObjectType::Trigger,
            "rule" => ObjectType::Rule,
            _ => ObjectType::Policy,
        };
        let if_exists = self.if_exists()?;
        let target = self.name_on_relation()?;
        let behavior = self.drop_behavior();
        Ok(UtilityStatement::Drop(Drop {
            object,
            targets: vec![target],
            if_exists,
            behavior,
            concurrently: false,
        }))
    }

    /// `name ON relation`.
    pub(super) fn name_on_relation(&mut self) -> PgResult<ObjectRef> {
        let name = ObjectName { parts: vec![self.col_id()?] };
        self.expect("on")?;
        Ok(ObjectRef { name, args: None, of: Some(self.any_name()?) })
    }

    /// `f(types)` or `f`.
    pub(super) fn function_with_args(&mut self) -> PgResult<ObjectRef> {
        let name = self.function_name()?;
        let args = match self.eat_token(&Token::LParen) {
            true => {
                let args = match self.peek() {
                    Token::RParen => Vec::new(),
                    _ => self.comma_list(|c| c.function_parameter(false))?,
                };
                self.expect_rparen()?;
                Some(args)
            }
            false => None,
        };
        Ok(ObjectRef { name, args, of: None })
    }

    /// `a(types)`, `a(*)`, `a(direct ORDER BY types)`.
    pub(super) fn aggregate_with_args(&mut self) -> PgResult<ObjectRef> {
        let name = self.function_name()?;
        self.expect_lparen()?;
        let mut args = Vec::new();
        if !self.eat_token(&Token::Mul) {
            if !self.at("order") {
                args = self.comma_list(|c| c.function_parameter(false))?;
            }
            if self.eat("order") {
                self.expect("by")?;
                args.extend(self.comma_list(|c| c.function_parameter(false))?);
            }
        }
        self.expect_rparen()?;
        Ok(ObjectRef { name, args: Some(args), of: None })
    }

    /// `op (left, right)`, either side perhaps NONE.
    pub(super) fn operator_with_args(&mut self) -> PgResult<ObjectRef> {
        let pos = self.pos();
        let op = self.any_operator()?;
        let mut parts = op.schema;
        parts.push(Ident { name: op.symbol, pos });
        self.expect_lparen()?;
        let mut args = Vec::new();
        for side in 0..2 {
            if side == 1 && *self.peek() == Token::RParen {
                let error = PgError::new(code::SYNTAX_ERROR, "missing argument");
                let hint = "Use NONE to denote the missing argument of a unary operator.";
                return Err(error.hint(hint).at(Some(self.pos())));
            }
            if side == 1 {
                self.expect_token(&Token::Comma)?;
            }
            let type_name = match self.at("none") {
                true => TypeName::plain(ObjectName { parts: vec![self.col_label()?] }, Vec::new()),
                false => self.type_name()?,
            };
            args.push(FunctionParameter {
                name: None,
                mode: ParameterMode::Default,
                type_name,
                default: None,
            });
        }
        self.expect_rparen()?;
        Ok(ObjectRef { name: ObjectName { parts }, args: Some(args), of: None })
    }
}
