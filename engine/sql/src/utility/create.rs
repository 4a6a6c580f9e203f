//! CREATE: which object, and the simpler kinds.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

/// Objects whose CREATE is recognised but not built.
const NOT_YET: &[(&[&str], &str)] = &[
    (&["access", "method"], "CREATE ACCESS METHOD"),
    (&["aggregate"], "CREATE AGGREGATE"),
    (&["cast"], "CREATE CAST"),
    (&["collation"], "CREATE COLLATION"),
    (&["constraint", "trigger"], "CREATE TRIGGER"),
    (&["conversion"], "CREATE CONVERSION"),
    (&["default", "conversion"], "CREATE CONVERSION"),
    (&["event", "trigger"], "CREATE EVENT TRIGGER"),
    (&["foreign", "data"], "CREATE FOREIGN DATA WRAPPER"),
    (&["foreign", "table"], "CREATE FOREIGN TABLE"),
    (&["language"], "CREATE LANGUAGE"),
    (&["operator", "class"], "CREATE OPERATOR CLASS"),
    (&["operator", "family"], "CREATE OPERATOR FAMILY"),
    (&["operator"], "CREATE OPERATOR"),
    (&["policy"], "CREATE POLICY"),
    (&["procedural"], "CREATE LANGUAGE"),
    (&["publication"], "CREATE PUBLICATION"),
    (&["rule"], "CREATE RULE"),
    (&["server"], "CREATE SERVER"),
    (&["statistics"], "CREATE STATISTICS"),
    (&["subscription"], "CREATE SUBSCRIPTION"),
    (&["text"], "CREATE TEXT SEARCH"),
    (&["transform"], "CREATE TRANSFORM"),
    (&["trigger"], "CREATE TRIGGER"),
    (&["trusted"], "CREATE LANGUAGE"),
    (&["user", "mapping"], "CREATE USER MAPPING"),
];

impl Cursor<'_> {
    pub(super) fn create(&mut self) -> PgResult<UtilityStatement> {
        self.expect("create")?;
        let or_replace = self.eat_phrase(&["or", "replace"])?;
        if let Some((_, what)) = NOT_YET.iter().find(|(words, _)| self.at_seq(words)) {
            return self.not_yet(what);
        }
        if or_replace {
            return match self.word() {
                Some("function" | "procedure") => self.create_function(true),
                _ => {
                    let persistence = self.persistence();
                    self.create_view(true, persistence)
                }
            };
        }
        match self.word() {
            Some("function" | "procedure") => self.create_function(false),
            Some("unique" | "index") => self.create_index(),
            Some("schema") => self.create_schema(),
            Some("database") => self.create_database(),
            Some("role" | "user" | "group") => self.create_role(),
            Some("type") => self.create_type(),
            Some("domain") => self.create_domain(),
            Some("extension") => self.create_extension(),
            Some("tablespace") => self.create_tablespace(),
            _ => {
                let persistence = self.persistence();
                match self.word() {
                    Some("table") => self.create_table(persistence),
                    Some("sequence") => self.create_sequence(persistence),
                    Some("materialized") => self.create_materialized_view(persistence),
                    Some("view" | "recursive") => self.create_view(false, persistence),
                    _ => self.unexpected(),
                }
            }
        }
    }

    /// TEMP, TEMPORARY, UNLOGGED, and the noise words LOCAL and GLOBAL.
    fn persistence(&mut self) -> Persistence {
        if self.at_any(&["local", "global"]) && matches!(self.word_nth(1), Some("temp" | "temporary")) {
            self.advance();
        }
        if self.eat("temp") || self.eat("temporary") {
            return Persistence::Temporary;
        }
        if self.eat("unlogged") { Persistence::Unlogged } else { Persistence::Permanent }
    }

    fn create_index(&mut self) -> PgResult<UtilityStatement> {
        let unique = self.eat("unique");
        self.expect("index")?;
        let concurrently = self.eat("concurrently");
        let if_not_exists = self.if_not_exists()?;
        let name = if self.at("on") && !if_not_exists { None } else { Some(self.col_id()?) };
        self.expect("on")?;
        let relation = self.relation_expr()?;
        let method = if self.eat("using") { Some(self.col_id()?) } else { None };
        self.expect_lparen()?;
        let columns = self.comma_list(Self::index_element)?;
        self.expect_rparen()?;
        let include = match self.eat("include") {
            true => {
                self.expect_lparen()?;
                let include = self.comma_list(Self::index_element)?;
                self.expect_rparen()?;
                include
            }
            false => Vec::new(),
        };
        let nulls_not_distinct = self.nulls_not_distinct()?;
        let options = if self.eat("with") { self.reloptions()? } else { Vec::new() };
        let tablespace = if self.eat("tablespace") { Some(self.col_id()?) } else { None };
        let where_clause = if self.eat("where") { Some(self.expr()?) } else { None };
        Ok(UtilityStatement::CreateIndex(CreateIndex {
            unique,
            concurrently,
            if_not_exists,
            name,
            relation,
            method,
            columns,
            include,
            nulls_not_distinct,
            options,
            tablespace,
            where_clause,
        }))
    }

    fn create_view(&mut self, or_replace: bool, persistence: Persistence) -> PgResult<UtilityStatement> {
        let recursive = self.eat("recursive");
        self.expect("view")?;
        let name = self.qualified_name()?;
        let columns = match recursive {
            true => self.column_list()?,
            false => self.optional_column_list()?,
        };
        let options = if self.eat("with") { self.reloptions()? } else { Vec::new() };
        self.expect("as")?;
        let start = self.pos();
        let query = Box::new(self.query()?);
        let query_range = start..self.end_of_last();
        let check_option = match self.eat("with") {
            true => {
                let local = self.eat("local");
                if !local {
                    self.eat("cascaded");
                }
                self.expect_seq(&["check", "option"])?;
                Some(if local { CheckOption::Local } else { CheckOption::Cascaded })
            }
            false => None,
        };
        Ok(UtilityStatement::CreateView(CreateView {
            or_replace,
            persistence,
            recursive,
            name,
            columns,
            options,
            query,
            query_range,
            check_option,
        }))
    }

    fn create_materialized_view(&mut self, persistence: Persistence) -> PgResult<UtilityStatement> {
        self.expect_seq(&["materialized", "view"])?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        let columns = self.optional_column_list()?;
        let table = CreateTable {
            name,
            persistence,
            if_not_exists,
            elements: Vec::new(),
            inherits: Vec::new(),
            partition_of: None,
            partition_by: None,
            of_type: None,
            access_method: None,
            options: Vec::new(),
            on_commit: OnCommit::None,
            tablespace: None,
        };
        self.create_table_as(table, columns, true)
    }

    fn create_sequence(&mut self, persistence: Persistence) -> PgResult<UtilityStatement> {
        self.expect("sequence")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        let options = self.sequence_options()?;
        Ok(UtilityStatement::CreateSequence(CreateSequence { name, persistence, if_not_exists, options }))
    }

    fn create_schema(&mut self) -> PgResult<UtilityStatement> {
        self.expect("schema")?;
        let if_not_exists = self.if_not_exists()?;
        let name = if self.at("authorization") { None } else { Some(self.col_id()?) };
        let authorization = if self.eat("authorization") { Some(self.role_spec()?) } else { None };
        let mut elements = Vec::new();
        while self.at_any(&["create", "grant"]) {
            elements.push(self.statement()?);
        }
        if if_not_exists && let Some(first) = elements.first() {
            let message = "CREATE SCHEMA IF NOT EXISTS cannot include schema elements";
            let error = redoubt_error::PgError::new(redoubt_error::code::FEATURE_NOT_SUPPORTED, message);
            return Err(error.at(Some(first.text_range.start)));
        }
        Ok(UtilityStatement::CreateSchema(CreateSchema { name, if_not_exists, authorization, elements }))
    }

    fn create_database(&mut self) -> PgResult<UtilityStatement> {
        self.expect("database")?;
        let name = self.col_id()?;
        self.eat("with");
        let options = self.database_options()?;
        Ok(UtilityStatement::CreateDatabase { name, options })
    }

    /// `name [=] value`, any number of them.
    pub(super) fn database_options(&mut self) -> PgResult<Vec<DefElem>> {
        let mut options = Vec::new();
        while matches!(self.peek(), Token::Word(_)) {
            let pos = self.pos();
            let name = match self.eat_phrase(&["connection", "limit"])? {
                true => Ident { name: "connection_limit".into(), pos },
                false => self.col_id()?,
            };
            self.eat_token(&Token::Eq);
            let is_default = self.eat("default");
            let value = match self.peek() {
                _ if is_default => None,
                Token::Number(..) | Token::Plus | Token::Minus => {
                    let text = self.numeric_only()?;
                    Some(text.parse().map_or(DefValue::Number(text.clone()), DefValue::Integer))
                }
                _ => Some(DefValue::String(self.boolean_or_string()?)),
            };
            options.push(DefElem { namespace: None, name, value, pos });
        }
        Ok(options)
    }

    fn create_extension(&mut self) -> PgResult<UtilityStatement> {
        self.expect("extension")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.col_id()?;
        self.eat("with");
        let mut options = Vec::new();
        while self.at_any(&["schema", "version", "cascade"]) {
            let option = self.col_label()?;
            let pos = option.pos;
            let value = match option.as_str() {
                "cascade" => None,
                "schema" => Some(DefValue::String(self.col_id()?.name.to_string())),
                _ => Some(DefValue::String(self.boolean_or_string()?)),
            };
            options.push(DefElem { namespace: None, name: option, value, pos });
        }
        Ok(UtilityStatement::CreateExtension { name, if_not_exists, options })
    }

    fn create_tablespace(&mut self) -> PgResult<UtilityStatement> {
        self.expect("tablespace")?;
        let name = self.col_id()?;
        let owner = if self.eat("owner") { Some(self.role_spec()?) } else { None };
        self.expect("location")?;
        let location = self.string()?;
        let options = self.with_reloptions()?;
        Ok(UtilityStatement::CreateTablespace { name, owner, location, options })
    }
}
