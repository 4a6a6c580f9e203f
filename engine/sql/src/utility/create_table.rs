//! CREATE TABLE and CREATE TABLE AS.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// Behind CREATE and the words of its persistence.
    pub(super) fn create_table(&mut self, persistence: Persistence) -> PgResult<UtilityStatement> {
        self.expect("table")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified_name()?;
        let mut table = CreateTable {
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
        if self.eat("of") {
            table.of_type = Some(TypeName::plain(self.any_name()?, Vec::new()));
            table.elements = self.typed_elements()?;
        } else if self.eat_phrase(&["partition", "of"])? {
            let parent = self.qualified_name()?;
            table.elements = self.typed_elements()?;
            table.partition_of = Some((parent, self.partition_bound()?));
        } else if self.at_create_table_as() {
            let columns = self.optional_column_list()?;
            return self.create_table_as(table, columns, false);
        } else {
            self.expect_lparen()?;
            if *self.peek() != Token::RParen {
                table.elements = self.comma_list(Self::table_element)?;
            }
            self.expect_rparen()?;
            if self.eat("inherits") {
                self.expect_lparen()?;
                table.inherits = self.comma_list(Self::qualified_name)?;
                self.expect_rparen()?;
            }
        }
        if self.eat_phrase(&["partition", "by"])? {
            table.partition_by = Some(self.partition_spec()?);
        }
        self.table_options(&mut table)?;
        Ok(UtilityStatement::CreateTable(table))
    }

    /// USING, WITH, ON COMMIT, TABLESPACE.
    fn table_options(&mut self, table: &mut CreateTable) -> PgResult<()> {
        if self.eat("using") {
            table.access_method = Some(self.col_id()?);
        }
        table.options = self.with_reloptions()?;
        if self.eat_phrase(&["on", "commit"])? {
            table.on_commit = match self.expect_one(&["drop", "delete", "preserve"])? {
                "drop" => OnCommit::Drop,
                word => {
                    self.expect("rows")?;
                    if word == "delete" { OnCommit::DeleteRows } else { OnCommit::PreserveRows }
                }
            };
        }
        if self.eat("tablespace") {
            table.tablespace = Some(self.col_id()?);
        }
        Ok(())
    }

    /// Whether the text goes on as CREATE TABLE AS: AS, or options in front of it, or a list of
    /// bare names.
    fn at_create_table_as(&self) -> bool {
        if self.at_any(&["as", "using", "with", "without", "on", "tablespace"]) {
            return true;
        }
        *self.peek() == Token::LParen
            && self.at_col_id_nth(1)
            && matches!(self.peek_nth(2), Token::Comma | Token::RParen)
    }

    /// The rest of CREATE TABLE AS and CREATE MATERIALIZED VIEW, behind the column names.
    pub(super) fn create_table_as(
        &mut self,
        mut table: CreateTable,
        columns: Vec<Ident>,
        materialized_view: bool,
    ) -> PgResult<UtilityStatement> {
        self.table_options(&mut table)?;
        self.expect("as")?;
        let start = self.pos();
        let source = if self.at("execute") && !materialized_view {
            CreateTableAsSource::Execute(self.execute()?)
        } else {
            CreateTableAsSource::Query(Box::new(self.query()?))
        };
        let query_range = start..self.end_of_last();
        let with_data = self.with_data()?;
        let into = IntoClause {
            name: table.name,
            columns,
            persistence: table.persistence,
            access_method: table.access_method,
            options: table.options,
            on_commit: table.on_commit,
            tablespace: table.tablespace,
        };
        Ok(UtilityStatement::CreateTableAs(CreateTableAs {
            into,
            source,
            with_data,
            if_not_exists: table.if_not_exists,
            materialized_view,
            select_into: false,
            query_range,
        }))
    }

    fn table_element(&mut self) -> PgResult<TableElement> {
        if self.at_table_constraint() {
            return Ok(TableElement::Constraint(self.table_constraint()?));
        }
        if self.eat("like") {
            let source = self.qualified_name()?;
            let mut options = Vec::new();
            while self.at_any(&["including", "excluding"]) {
                let including = self.expect_one(&["including", "excluding"])? == "including";
                options.push((self.like_option()?, including));
            }
            return Ok(TableElement::Like(LikeClause { source, options }));
        }
        Ok(TableElement::Column(self.column_def()?))
    }

    fn like_option(&mut self) -> PgResult<LikeOption> {
        let word = self.expect_one(&[
            "comments",
            "compression",
            "constraints",
            "defaults",
            "generated",
            "identity",
            "indexes",
            "statistics",
            "storage",
            "all",
        ])?;
        Ok(match word {
            "comments" => LikeOption::Comments,
            "compression" => LikeOption::Compression,
            "constraints" => LikeOption::Constraints,
            "defaults" => LikeOption::Defaults,
            "generated" => LikeOption::Generated,
            "identity" => LikeOption::Identity,
            "indexes" => LikeOption::Indexes,
            "statistics" => LikeOption::Statistics,
            "storage" => LikeOption::Storage,
            _ => LikeOption::All,
        })
    }

    /// `name type [COMPRESSION x] constraints`.
    pub(super) fn column_def(&mut self) -> PgResult<ColumnDef> {
        let name = self.col_id()?;
        let pos = name.pos;
        let type_name = Some(self.type_name()?);
        let compression = if self.eat("compression") { Some(self.compression_method()?) } else { None };
        let (collation, constraints) = self.column_qualifiers()?;
        Ok(ColumnDef { name, type_name, compression, storage: None, collation, constraints, pos })
    }

    /// A compression method, or DEFAULT.
    pub(super) fn compression_method(&mut self) -> PgResult<Ident> {
        if self.at("default") { self.col_label() } else { self.col_id() }
    }

    /// `(column WITH OPTIONS constraints, ...)` of typed tables and partitions, if present.
    fn typed_elements(&mut self) -> PgResult<Vec<TableElement>> {
        if !self.eat_token(&Token::LParen) {
            return Ok(Vec::new());
        }
        let list = self.comma_list(|c| {
            if c.at_table_constraint() {
                return Ok(TableElement::Constraint(c.table_constraint()?));
            }
            let name = c.col_id()?;
            c.eat_phrase(&["with", "options"])?;
            let pos = name.pos;
            let (collation, constraints) = c.column_qualifiers()?;
            let column = ColumnDef {
                name,
                type_name: None,
                compression: None,
                storage: None,
                collation,
                constraints,
                pos,
            };
            Ok(TableElement::Column(column))
        })?;
        self.expect_rparen()?;
        Ok(list)
    }

    fn partition_spec(&mut self) -> PgResult<PartitionSpec> {
        let strategy = self.col_id()?;
        let pos = strategy.pos;
        self.expect_lparen()?;
        let keys = self.comma_list(Self::index_element)?;
        self.expect_rparen()?;
        Ok(PartitionSpec { strategy, keys, pos })
    }

    /// FOR VALUES ... or DEFAULT.
    pub(super) fn partition_bound(&mut self) -> PgResult<PartitionBound> {
        if self.eat("default") {
            return Ok(PartitionBound::Default);
        }
        self.expect_seq(&["for", "values"])?;
        match self.expect_one(&["in", "from", "with"])? {
            "in" => Ok(PartitionBound::In(self.parenthesised_exprs()?)),
            "from" => {
                let from = self.parenthesised_exprs()?;
                self.expect("to")?;
                Ok(PartitionBound::Range { from, to: self.parenthesised_exprs()? })
            }
            _ => self.hash_bound(),
        }
    }

    fn parenthesised_exprs(&mut self) -> PgResult<Vec<Expr>> {
        self.expect_lparen()?;
        let list = self.expr_list()?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// MODULUS and REMAINDER, in any order.
    fn hash_bound(&mut self) -> PgResult<PartitionBound> {
        self.expect_lparen()?;
        let parts = self.comma_list(|c| Ok((c.non_reserved_word()?, c.integer()?)))?;
        self.expect_rparen()?;
        let (mut modulus, mut remainder) = (None, None);
        for (name, value) in parts {
            let refuse = |message: String| Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(name.pos)));
            let slot = match name.as_str() {
                "modulus" => &mut modulus,
                "remainder" => &mut remainder,
                other => {
                    return refuse(format!("unrecognized hash partition bound specification \"{other}\""));
                }
            };
            if slot.replace(value).is_some() {
                return refuse(format!("{} for hash partition provided more than once", name.as_str()));
            }
        }
        let missing = |what: &str| {
            Err(PgError::new(code::SYNTAX_ERROR, format!("{what} for hash partition must be specified")))
        };
        match (modulus, remainder) {
            (Some(modulus), Some(remainder)) => Ok(PartitionBound::Hash { modulus, remainder }),
            (None, _) => missing("modulus"),
            (_, None) => missing("remainder"),
        }
    }
}
