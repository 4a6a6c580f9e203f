//! SELECT, VALUES, TABLE, set operations, WITH, and what stands behind them.

use super::operator::Level;
use crate::cursor::{Cursor, MAX_QUERY_CHAIN, too_deep};
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

/// Words that end an empty target list.
const AFTER_TARGETS: &[&str] = &[
    "into",
    "from",
    "where",
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
];

impl Cursor<'_> {
    pub(crate) fn at_query_start(&self) -> bool {
        self.at_query_start_nth(0)
    }

    pub(super) fn at_query_start_nth(&self, n: usize) -> bool {
        match self.word_nth(n) {
            Some("select" | "table") => true,
            Some("with") => !matches!(self.word_nth(n + 1), Some("time" | "ordinality")),
            Some("values") => *self.peek_nth(n + 1) == Token::LParen,
            _ => false,
        }
    }

    /// Whether a query starts here, perhaps in parentheses.
    pub(crate) fn at_query(&self) -> bool {
        self.at_query_start() || (*self.peek() == Token::LParen && self.query_behind_parens())
    }

    /// Whether what comes next goes on with a query that was in parentheses.
    pub(super) fn at_query_continuation(&self) -> bool {
        self.at_any(&["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"])
    }

    /// A query without parentheses around it, or with (SelectStmt).
    pub(crate) fn query(&mut self) -> PgResult<Query> {
        let pos = self.pos();
        let with = if self.at("with") { Some(self.with_clause()?) } else { None };
        let operand = self.set_operand()?;
        self.query_from(operand, with, pos)
    }

    /// The rest of a query whose first operand has been read.
    pub(super) fn query_from(&mut self, operand: Query, with: Option<With>, pos: usize) -> PgResult<Query> {
        let mut query = self.set_operations(operand, 1)?;
        self.query_options(&mut query)?;
        if let Some(with) = with {
            if query.with.is_some() {
                return Err(syntax_error("multiple WITH clauses not allowed", with.pos));
            }
            query.with = Some(with);
            query.pos = pos;
        }
        Ok(query)
    }

    /// Operands and set operators; INTERSECT (2) binds tighter than UNION and EXCEPT (1).
    fn set_operations(&mut self, mut left: Query, level: u8) -> PgResult<Query> {
        for _ in 0..MAX_QUERY_CHAIN {
            let (op, own) = match self.word() {
                Some("union") => (SetOperator::Union, 1),
                Some("except") => (SetOperator::Except, 1),
                Some("intersect") => (SetOperator::Intersect, 2),
                _ => return Ok(left),
            };
            if own < level {
                return Ok(left);
            }
            self.advance();
            let all = self.eat("all");
            if !all {
                self.eat("distinct");
            }
            let right = self.set_operand()?;
            let right = self.nested(|c| c.set_operations(right, own + 1))?;
            let pos = left.pos;
            let body = QueryBody::SetOp(Box::new(SetOperation { op, all, left, right }));
            left = bare_query(body, pos);
        }
        Err(too_deep())
    }

    /// One operand of a set operation: SELECT, VALUES, TABLE, or a query in parentheses.
    fn set_operand(&mut self) -> PgResult<Query> {
        let pos = self.pos();
        match self.word() {
            Some("select") => Ok(bare_query(QueryBody::Select(Box::new(self.select()?)), pos)),
            Some("values") => {
                self.advance();
                let rows = self.comma_list(|c| {
                    c.expect_lparen()?;
                    let row = c.expr_list()?;
                    c.expect_rparen()?;
                    Ok(row)
                })?;
                Ok(bare_query(QueryBody::Values { rows, pos }, pos))
            }
            Some("table") => {
                self.advance();
                let relation = self.relation_expr()?;
                let star = Expr::Column(ColumnRef { parts: Vec::new(), star: true, pos });
                let select = Select {
                    targets: vec![Target { expr: star, alias: None, pos }],
                    from: vec![TableRef::Relation { relation, sample: None }],
                    ..empty_select(pos)
                };
                Ok(bare_query(QueryBody::Select(Box::new(select)), pos))
            }
            _ if *self.peek() == Token::LParen => self.nested(|c| {
                c.expect_lparen()?;
                let query = if *c.peek() == Token::LParen {
                    let pos = c.pos();
                    let operand = c.set_operand()?;
                    c.query_from(operand, None, pos)?
                } else if c.at_query_start() {
                    c.query()?
                } else {
                    return c.unexpected();
                };
                c.expect_rparen()?;
                Ok(query)
            }),
            _ => self.unexpected(),
        }
    }

    fn select(&mut self) -> PgResult<Select> {
        let pos = self.pos();
        self.expect("select")?;
        let mut select = empty_select(pos);
        if self.eat("distinct") {
            select.distinct = Some(match self.eat("on") {
                true => {
                    self.expect_lparen()?;
                    let keys = self.expr_list()?;
                    self.expect_rparen()?;
                    Distinct::On(keys)
                }
                false => Distinct::All,
            });
        } else {
            self.eat("all");
        }
        let empty = self.at_end()
            || matches!(self.peek(), Token::RParen | Token::SemiColon)
            || self.at_any(AFTER_TARGETS);
        if select.distinct.is_some() || !empty {
            select.targets = self.target_list()?;
        }
        if self.eat("into") {
            select.into = Some(self.select_into_table()?);
        }
        if self.eat("from") {
            select.from = self.table_refs()?;
        }
        if self.eat("where") {
            select.where_clause = Some(self.expr()?);
        }
        if self.eat("group") {
            self.expect("by")?;
            select.group_distinct = self.eat("distinct");
            if !select.group_distinct {
                self.eat("all");
            }
            select.group_by = self.comma_list(Self::group_by_item)?;
        }
        if self.eat("having") {
            select.having = Some(self.expr()?);
        }
        if self.eat("window") {
            select.windows = self.window_definitions()?;
        }
        Ok(select)
    }

    /// The output columns of SELECT and RETURNING.
    pub(crate) fn target_list(&mut self) -> PgResult<Vec<Target>> {
        self.comma_list(|c| {
            let pos = c.pos();
            if c.eat_token(&Token::Mul) {
                let expr = Expr::Column(ColumnRef { parts: Vec::new(), star: true, pos });
                return Ok(Target { expr, alias: None, pos });
            }
            let expr = c.expr()?;
            let alias = if c.eat("as") { Some(c.col_label()?) } else { c.bare_label() };
            Ok(Target { expr, alias, pos })
        })
    }

    /// SELECT INTO's table.
    fn select_into_table(&mut self) -> PgResult<IntoClause> {
        let mut persistence = Persistence::Permanent;
        if self.at_any(&["local", "global"]) && matches!(self.word_nth(1), Some("temp" | "temporary")) {
            self.advance();
        }
        if self.at_any(&["temp", "temporary"]) {
            self.advance();
            persistence = Persistence::Temporary;
        } else if self.eat("unlogged") {
            persistence = Persistence::Unlogged;
        }
        self.eat("table");
        let name = self.qualified_name()?;
        Ok(IntoClause {
            name,
            columns: Vec::new(),
            persistence,
            access_method: None,
            options: Vec::new(),
            on_commit: OnCommit::None,
            tablespace: None,
        })
    }

    fn group_by_item(&mut self) -> PgResult<GroupBy> {
        let pos = self.pos();
        if *self.peek() == Token::LParen && *self.peek_nth(1) == Token::RParen {
            self.advance();
            self.advance();
            return Ok(GroupBy::Empty { pos });
        }
        let is_call = *self.peek_nth(1) == Token::LParen;
        if is_call && self.at_any(&["rollup", "cube"]) {
            let rollup = self.at("rollup");
            self.advance();
            self.expect_lparen()?;
            let items = self.expr_list()?;
            self.expect_rparen()?;
            return Ok(if rollup { GroupBy::Rollup { items, pos } } else { GroupBy::Cube { items, pos } });
        }
        if self.at("grouping") && *self.peek_nth(1) != Token::LParen {
            self.expect_seq(&["grouping", "sets"])?;
            self.expect_lparen()?;
            let items = self.nested(|c| c.comma_list(Self::group_by_item))?;
            self.expect_rparen()?;
            return Ok(GroupBy::Sets { items, pos });
        }
        Ok(GroupBy::Expr(self.expr()?))
    }

    /// ORDER BY, LIMIT, OFFSET, FETCH and FOR behind a query.
    fn query_options(&mut self, query: &mut Query) -> PgResult<()> {
        let pos = self.pos();
        let order_by = if self.at("order") { self.order_by()? } else { Vec::new() };
        if !order_by.is_empty() {
            if !query.order_by.is_empty() {
                return Err(syntax_error("multiple ORDER BY clauses not allowed", pos));
            }
            query.order_by = order_by;
        }
        let locking = self.locking_clauses()?;
        let limit_pos = self.pos();
        let limit = self.limit_clauses()?;
        let locking = if locking.is_empty() { self.locking_clauses()? } else { locking };
        query.locking.extend(locking);
        self.add_limit(query, limit, limit_pos)
    }

    fn add_limit(&mut self, query: &mut Query, limit: Limit, pos: usize) -> PgResult<()> {
        if limit.offset.is_some() {
            if query.limit.offset.is_some() {
                return Err(syntax_error("multiple OFFSET clauses not allowed", pos));
            }
            query.limit.offset = limit.offset;
        }
        if limit.count.is_some() {
            if query.limit.count.is_some() {
                return Err(syntax_error("multiple LIMIT clauses not allowed", pos));
            }
            query.limit.count = limit.count;
            query.limit.with_ties = limit.with_ties;
        }
        if limit.with_ties {
            if query.order_by.is_empty() {
                return Err(PgError::new(
                    code::SYNTAX_ERROR,
                    "WITH TIES cannot be specified without ORDER BY clause",
                ));
            }
            if query.locking.iter().any(|l| l.wait == LockWait::Skip) {
                return Err(PgError::new(
                    code::SYNTAX_ERROR,
                    "SKIP LOCKED and WITH TIES options cannot be used together",
                ));
            }
        }
        Ok(())
    }

    /// ORDER BY ..., with its keywords.
    pub(crate) fn order_by(&mut self) -> PgResult<Vec<SortBy>> {
        self.expect_seq(&["order", "by"])?;
        self.comma_list(|c| {
            let expr = c.expr()?;
            let mut pos = None;
            let direction = if c.eat("using") {
                pos = Some(c.pos());
                SortDirection::Using(c.operator_name()?)
            } else if c.eat("asc") {
                SortDirection::Asc
            } else if c.eat("desc") {
                SortDirection::Desc
            } else {
                SortDirection::Default
            };
            let nulls_first = c.nulls_order()?;
            Ok(SortBy { expr, direction, nulls_first, pos })
        })
    }

    /// NULLS FIRST or NULLS LAST.
    pub(crate) fn nulls_order(&mut self) -> PgResult<Option<bool>> {
        if !(self.at("nulls") && matches!(self.word_nth(1), Some("first" | "last"))) {
            return Ok(None);
        }
        self.advance();
        Ok(Some(self.expect_one(&["first", "last"])? == "first"))
    }

    fn limit_clauses(&mut self) -> PgResult<Limit> {
        let mut limit = Limit::default();
        loop {
            if limit.offset.is_none() && self.eat("offset") {
                limit.offset = Some(self.expr()?);
                if self.at_any(&["row", "rows"]) {
                    self.advance();
                }
            } else if limit.count.is_none() && self.at("limit") {
                limit.count = Some(self.limit_count()?);
            } else if limit.count.is_none() && self.eat("fetch") {
                (limit.count, limit.with_ties) = self.fetch_first()?;
            } else {
                return Ok(limit);
            }
        }
    }

    fn limit_count(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect("limit")?;
        let value_pos = self.pos();
        let count = match self.eat("all") {
            true => Expr::Literal { value: Literal::Null, pos: value_pos },
            false => self.expr()?,
        };
        if self.eat_token(&Token::Comma) {
            self.expr()?;
            let error = syntax_error("LIMIT #,# syntax is not supported", pos);
            return Err(error.hint("Use separate LIMIT and OFFSET clauses."));
        }
        Ok(count)
    }

    /// FIRST n ROWS ONLY | WITH TIES, behind FETCH.
    fn fetch_first(&mut self) -> PgResult<(Option<Expr>, bool)> {
        let pos = self.pos();
        self.expect_one(&["first", "next"])?;
        let count = match self.at_any(&["row", "rows"]) {
            true => Expr::Literal { value: Literal::Integer(1), pos },
            false => self.expr_at(Level::UnaryMinus, super::expr::Mode::Full)?,
        };
        self.expect_one(&["row", "rows"])?;
        if self.eat("only") {
            return Ok((Some(count), false));
        }
        self.expect_seq(&["with", "ties"])?;
        Ok((Some(count), true))
    }

    fn locking_clauses(&mut self) -> PgResult<Vec<Locking>> {
        let mut clauses = Vec::new();
        if self.eat_seq(&["for", "read", "only"]) {
            return Ok(clauses);
        }
        while self.at("for") {
            let pos = self.pos();
            self.advance();
            let strength = match self.expect_one(&["update", "no", "share", "key"])? {
                "update" => LockStrength::Update,
                "share" => LockStrength::Share,
                "no" => {
                    self.expect_seq(&["key", "update"])?;
                    LockStrength::NoKeyUpdate
                }
                _ => {
                    self.expect("share")?;
                    LockStrength::KeyShare
                }
            };
            let of = match self.eat("of") {
                true => self.comma_list(Self::qualified_name)?,
                false => Vec::new(),
            };
            let wait = if self.eat("nowait") {
                LockWait::Error
            } else if self.eat_phrase(&["skip", "locked"])? {
                LockWait::Skip
            } else {
                LockWait::Block
            };
            clauses.push(Locking { strength, of, wait, pos });
        }
        Ok(clauses)
    }

    /// WITH ..., with its keyword.
    pub(crate) fn with_clause(&mut self) -> PgResult<With> {
        let pos = self.pos();
        self.expect("with")?;
        // RECURSIVE may also be the name of the first query.
        let is_name = *self.peek_nth(1) == Token::LParen || self.at_nth(1, "as");
        let recursive = !is_name && self.eat("recursive");
        let ctes = self.comma_list(|c| c.nested(Self::common_table_expr))?;
        Ok(With { recursive, ctes, pos })
    }

    fn common_table_expr(&mut self) -> PgResult<Cte> {
        let name = self.col_id()?;
        let pos = name.pos;
        let columns = self.optional_column_list()?;
        self.expect("as")?;
        let materialized = if self.eat("materialized") {
            Some(true)
        } else if self.eat_phrase(&["not", "materialized"])? {
            Some(false)
        } else {
            None
        };
        self.expect_lparen()?;
        let query = self.dml_statement()?;
        self.expect_rparen()?;
        let search = if self.at("search") { Some(self.search_clause()?) } else { None };
        let cycle = if self.at("cycle") { Some(self.cycle_clause()?) } else { None };
        Ok(Cte { name, columns, materialized, query, search, cycle, pos })
    }

    fn search_clause(&mut self) -> PgResult<CteSearch> {
        let pos = self.pos();
        self.expect("search")?;
        let breadth_first = self.expect_one(&["depth", "breadth"])? == "breadth";
        self.expect_seq(&["first", "by"])?;
        let columns = self.comma_list(Self::col_id)?;
        self.expect("set")?;
        let sequence = self.col_id()?;
        Ok(CteSearch { breadth_first, columns, sequence, pos })
    }

    fn cycle_clause(&mut self) -> PgResult<CteCycle> {
        let pos = self.pos();
        self.expect("cycle")?;
        let columns = self.comma_list(Self::col_id)?;
        self.expect("set")?;
        let mark = self.col_id()?;
        let values = match self.eat("to") {
            true => {
                let value = self.expr_at(Level::Primary, super::expr::Mode::Full)?;
                self.expect("default")?;
                let default = self.expr_at(Level::Primary, super::expr::Mode::Full)?;
                Some((value, default))
            }
            false => None,
        };
        self.expect("using")?;
        let path = self.col_id()?;
        Ok(CteCycle { columns, mark, values, path, pos })
    }

    /// SELECT, INSERT, UPDATE or DELETE, perhaps behind WITH (PreparableStmt).
    pub(crate) fn dml_statement(&mut self) -> PgResult<DmlStatement> {
        if !self.at("with") {
            return match self.word() {
                Some("insert") => Ok(DmlStatement::Insert(Box::new(self.insert(None)?))),
                Some("update") => Ok(DmlStatement::Update(Box::new(self.update(None)?))),
                Some("delete") => Ok(DmlStatement::Delete(Box::new(self.delete(None)?))),
                Some("merge") => Err(PgError::unsupported("MERGE").at(Some(self.pos()))),
                _ => Ok(DmlStatement::Select(Box::new(self.query()?))),
            };
        }
        let pos = self.pos();
        let with = Some(self.with_clause()?);
        match self.word() {
            Some("insert") => Ok(DmlStatement::Insert(Box::new(self.insert(with)?))),
            Some("update") => Ok(DmlStatement::Update(Box::new(self.update(with)?))),
            Some("delete") => Ok(DmlStatement::Delete(Box::new(self.delete(with)?))),
            Some("merge") => Err(PgError::unsupported("MERGE").at(Some(self.pos()))),
            _ => {
                let operand = self.set_operand()?;
                Ok(DmlStatement::Select(Box::new(self.query_from(operand, with, pos)?)))
            }
        }
    }
}

fn syntax_error(message: &str, pos: usize) -> PgError {
    PgError::new(code::SYNTAX_ERROR, message).at(Some(pos))
}

fn bare_query(body: QueryBody, pos: usize) -> Query {
    Query { with: None, body, order_by: Vec::new(), limit: Limit::default(), locking: Vec::new(), pos }
}

fn empty_select(pos: usize) -> Select {
    Select {
        distinct: None,
        targets: Vec::new(),
        into: None,
        from: Vec::new(),
        where_clause: None,
        group_by: Vec::new(),
        group_distinct: false,
        having: None,
        windows: Vec::new(),
        pos,
    }
}
