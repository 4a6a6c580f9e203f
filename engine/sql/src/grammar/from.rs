//! FROM: relations, functions, subqueries, joins (table_ref).

use crate::cursor::{Cursor, MAX_QUERY_CHAIN, too_deep};
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

/// What parentheses in FROM held.
enum TableParen {
    Query(Query),
    Table(TableRef),
}

impl Cursor<'_> {
    pub(crate) fn table_refs(&mut self) -> PgResult<Vec<TableRef>> {
        self.comma_list(Self::table_ref)
    }

    /// A FROM item with the joins behind it.
    fn table_ref(&mut self) -> PgResult<TableRef> {
        let first = self.table_primary()?;
        self.joins(first, false)
    }

    /// Joins behind `left`. The right side of a join that still waits for its ON takes the joins
    /// that come first (`until_condition`).
    fn joins(&mut self, mut left: TableRef, until_condition: bool) -> PgResult<TableRef> {
        for _ in 0..MAX_QUERY_CHAIN {
            let pos = self.pos();
            if self.eat("cross") {
                self.expect("join")?;
                let right = self.table_primary()?;
                left = join(JoinKind::Inner, false, left, right, pos);
                continue;
            }
            if self.eat("natural") {
                let kind = self.join_kind()?;
                let right = self.table_primary()?;
                left = join(kind, true, left, right, pos);
                continue;
            }
            if !self.at_any(&["join", "inner", "left", "right", "full"]) {
                return Ok(left);
            }
            let kind = self.join_kind()?;
            let first = self.table_primary()?;
            let right = self.nested(|c| c.joins(first, true))?;
            let TableRef::Join(mut joined) = join(kind, false, left, right, pos) else { unreachable!() };
            self.join_condition(&mut joined)?;
            left = TableRef::Join(joined);
            if until_condition && self.at_any(&["on", "using"]) {
                return Ok(left);
            }
        }
        Err(too_deep())
    }

    /// `[INNER | LEFT [OUTER] | ...] JOIN`.
    fn join_kind(&mut self) -> PgResult<JoinKind> {
        let kind = match self.expect_one(&["join", "inner", "left", "right", "full"])? {
            "join" => return Ok(JoinKind::Inner),
            "inner" => JoinKind::Inner,
            "left" => JoinKind::Left,
            "right" => JoinKind::Right,
            _ => JoinKind::Full,
        };
        if kind != JoinKind::Inner {
            self.eat("outer");
        }
        self.expect("join")?;
        Ok(kind)
    }

    fn join_condition(&mut self, join: &mut Join) -> PgResult<()> {
        if self.eat("using") {
            join.using = self.column_list()?;
            if self.eat("as") {
                join.using_alias = Some(self.col_id()?);
            }
            return Ok(());
        }
        self.expect("on")?;
        join.on = Some(self.expr()?);
        Ok(())
    }

    fn table_primary(&mut self) -> PgResult<TableRef> {
        let pos = self.pos();
        if *self.peek() == Token::LParen {
            return match self.table_paren()? {
                TableParen::Query(query) => self.subquery(query, false, pos),
                TableParen::Table(table) => self.aliased_join(table),
            };
        }
        let lateral = self.eat("lateral");
        if lateral && *self.peek() == Token::LParen {
            let pos = self.pos();
            let query = self.query_in_parens()?;
            return self.subquery(query, true, pos);
        }
        if self.at_seq(&["rows", "from"]) && *self.peek_nth(2) == Token::LParen {
            return self.rows_from(lateral, pos);
        }
        if self.at("xmltable") && *self.peek_nth(1) == Token::LParen {
            return Err(PgError::unsupported("XMLTABLE").at(Some(self.pos())));
        }
        if lateral || self.at_table_function() {
            return self.table_function(lateral, pos);
        }
        if self.at_type_function_name() && !self.at_col_id() {
            return self.unexpected_nth(1);
        }
        let mut relation = self.relation_expr()?;
        relation.alias = self.optional_alias()?;
        let sample = match self.at("tablesample") {
            true => Some(Box::new(self.table_sample()?)),
            false => None,
        };
        Ok(TableRef::Relation { relation, sample })
    }

    fn subquery(&mut self, query: Query, lateral: bool, pos: usize) -> PgResult<TableRef> {
        let Some(alias) = self.optional_alias()? else {
            let (what, example) = match query.body {
                QueryBody::Values { .. } => ("VALUES", "VALUES"),
                _ => ("subquery", "SELECT"),
            };
            let error = PgError::new(code::SYNTAX_ERROR, format!("{what} in FROM must have an alias"));
            return Err(error.hint(format!("For example, FROM ({example} ...) [AS] foo.")).at(Some(pos)));
        };
        Ok(TableRef::Subquery { lateral, query: Box::new(query), alias: Some(alias), pos })
    }

    /// A join in parentheses may carry an alias.
    fn aliased_join(&mut self, table: TableRef) -> PgResult<TableRef> {
        let TableRef::Join(mut join) = table else { return Ok(table) };
        if join.alias.is_none() {
            join.alias = self.optional_alias()?;
        }
        Ok(TableRef::Join(join))
    }

    /// A query or a join in parentheses.
    fn table_paren(&mut self) -> PgResult<TableParen> {
        self.nested(|c| {
            c.expect_lparen()?;
            if c.at_query_start() {
                let query = c.query()?;
                c.expect_rparen()?;
                return Ok(TableParen::Query(query));
            }
            let pos = c.pos();
            let first = if *c.peek() == Token::LParen {
                match c.table_paren()? {
                    TableParen::Query(inner) if *c.peek() == Token::RParen || c.at_query_continuation() => {
                        let query = c.query_from(inner, None, pos)?;
                        c.expect_rparen()?;
                        return Ok(TableParen::Query(query));
                    }
                    TableParen::Query(inner) => c.subquery(inner, false, pos)?,
                    TableParen::Table(inner) => c.aliased_join(inner)?,
                }
            } else {
                c.table_primary()?
            };
            let table = c.joins(first, false)?;
            if !matches!(table, TableRef::Join(_)) {
                return c.unexpected();
            }
            c.expect_rparen()?;
            Ok(TableParen::Table(table))
        })
    }

    /// `[ONLY] name [*]`.
    pub(crate) fn relation_expr(&mut self) -> PgResult<RelationName> {
        if self.eat("only") {
            let parenthesised = self.eat_token(&Token::LParen);
            let name = self.qualified_name()?;
            if parenthesised {
                self.expect_rparen()?;
            }
            return Ok(RelationName { name, inherit: false, alias: None });
        }
        let name = self.qualified_name()?;
        self.eat_token(&Token::Mul);
        Ok(RelationName { name, inherit: true, alias: None })
    }

    /// `[AS] name [(columns)]`.
    fn optional_alias(&mut self) -> PgResult<Option<Alias>> {
        if !self.eat("as") && !self.at_col_id() {
            return Ok(None);
        }
        let name = self.col_id()?;
        let columns = self.optional_column_list()?;
        Ok(Some(Alias { name, columns }))
    }

    /// Whether a function call comes next, as opposed to a relation.
    fn at_table_function(&self) -> bool {
        if self.at_any(&["only"]) {
            return false;
        }
        let mut n = 1;
        while *self.peek_nth(n) == Token::Period && matches!(self.peek_nth(n + 1), Token::Word(_)) {
            n += 2;
        }
        let is_call = matches!(self.peek(), Token::Word(_)) && *self.peek_nth(n) == Token::LParen;
        is_call || self.at_sql_value() || self.at("cast") || self.at_seq(&["collation", "for"])
    }

    fn at_sql_value(&self) -> bool {
        self.at_any(&[
            "current_date",
            "current_time",
            "current_timestamp",
            "localtime",
            "localtimestamp",
            "current_role",
            "current_user",
            "session_user",
            "user",
            "current_catalog",
            "current_schema",
        ])
    }

    fn table_function(&mut self, lateral: bool, pos: usize) -> PgResult<TableRef> {
        let call = self.windowless_call()?;
        let ordinality = self.eat_seq(&["with", "ordinality"]);
        let mut function = TableFunction {
            lateral,
            calls: vec![(call, Vec::new())],
            rows_from: false,
            ordinality,
            alias: None,
            columns: Vec::new(),
            pos,
        };
        self.function_alias(&mut function)?;
        Ok(TableRef::Function(Box::new(function)))
    }

    /// A call that may have no OVER, FILTER or WITHIN GROUP (func_expr_windowless).
    pub(crate) fn windowless_call(&mut self) -> PgResult<Expr> {
        if let Some(value) = self.sql_value()? {
            return Ok(value);
        }
        let pos = self.pos();
        if self.at("current_schema") && *self.peek_nth(1) != Token::LParen {
            self.advance();
            return Ok(Expr::SqlValue { function: SqlValue::CurrentSchema, precision: None, pos });
        }
        if self.at("cast") {
            return self.cast();
        }
        if self.at_seq(&["collation", "for"]) {
            return self.collation_for();
        }
        if !self.at("exists")
            && !self.at("grouping")
            && let Some(special) = self.special_syntax()?
        {
            return Ok(special);
        }
        let name = self.function_name()?;
        Ok(Expr::Call(Box::new(self.application(name)?)))
    }

    fn rows_from(&mut self, lateral: bool, pos: usize) -> PgResult<TableRef> {
        self.expect_seq(&["rows", "from"])?;
        self.expect_lparen()?;
        let calls = self.comma_list(|c| {
            let call = c.windowless_call()?;
            let columns = match c.eat("as") {
                true => {
                    c.expect_lparen()?;
                    let columns = c.comma_list(Self::column_definition)?;
                    c.expect_rparen()?;
                    columns
                }
                false => Vec::new(),
            };
            Ok((call, columns))
        })?;
        self.expect_rparen()?;
        let ordinality = self.eat_seq(&["with", "ordinality"]);
        let mut function = TableFunction {
            lateral,
            calls,
            rows_from: true,
            ordinality,
            alias: None,
            columns: Vec::new(),
            pos,
        };
        self.function_alias(&mut function)?;
        Ok(TableRef::Function(Box::new(function)))
    }

    /// An alias with column names or with a column definition list.
    fn function_alias(&mut self, function: &mut TableFunction) -> PgResult<()> {
        let with_as = self.eat("as");
        if with_as && *self.peek() == Token::LParen {
            self.advance();
            function.columns = self.comma_list(Self::column_definition)?;
            return self.expect_rparen();
        }
        if !with_as && !self.at_col_id() {
            return Ok(());
        }
        let name = self.col_id()?;
        let mut alias = Alias { name, columns: Vec::new() };
        if self.eat_token(&Token::LParen) {
            // A name followed by a comma or parenthesis is a plain list of names.
            let plain = self.at_col_id() && matches!(self.peek_nth(1), Token::Comma | Token::RParen);
            if plain {
                alias.columns = self.comma_list(Self::col_id)?;
            } else {
                function.columns = self.comma_list(Self::column_definition)?;
            }
            self.expect_rparen()?;
        }
        function.alias = Some(alias);
        Ok(())
    }

    fn column_definition(&mut self) -> PgResult<ColumnDefinition> {
        let name = self.col_id()?;
        let type_name = self.type_name()?;
        let collation = if self.eat("collate") { Some(self.any_name()?) } else { None };
        Ok(ColumnDefinition { name, type_name, collation })
    }

    fn table_sample(&mut self) -> PgResult<TableSample> {
        self.expect("tablesample")?;
        let pos = self.pos();
        let method = self.function_name()?;
        self.expect_lparen()?;
        let args = self.expr_list()?;
        self.expect_rparen()?;
        let repeatable = match self.eat("repeatable") {
            true => {
                self.expect_lparen()?;
                let seed = self.expr()?;
                self.expect_rparen()?;
                Some(seed)
            }
            false => None,
        };
        Ok(TableSample { method, args, repeatable, pos })
    }
}

fn join(kind: JoinKind, natural: bool, left: TableRef, right: TableRef, pos: usize) -> TableRef {
    TableRef::Join(Box::new(Join {
        kind,
        natural,
        left,
        right,
        using: Vec::new(),
        using_alias: None,
        on: None,
        alias: None,
        pos,
    }))
}
