//! INSERT and ON CONFLICT.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn insert(&mut self, with: Option<With>) -> PgResult<Insert> {
        let pos = self.pos();
        self.expect_seq(&["insert", "into"])?;
        let name = self.qualified_name()?;
        let alias = match self.eat("as") {
            true => Some(Alias { name: self.col_id()?, columns: Vec::new() }),
            false => None,
        };
        let relation = RelationName { name, inherit: true, alias };
        let mut insert = Insert {
            with,
            relation,
            columns: Vec::new(),
            source: None,
            overriding_system: None,
            on_conflict: None,
            returning: Vec::new(),
            pos,
        };
        self.insert_source(&mut insert)?;
        if self.at("on") {
            insert.on_conflict = Some(self.on_conflict()?);
        }
        insert.returning = self.returning()?;
        Ok(insert)
    }

    fn insert_source(&mut self, insert: &mut Insert) -> PgResult<()> {
        if self.eat("default") {
            return self.expect("values");
        }
        // Two parentheses can only open a query.
        if *self.peek() == Token::LParen && *self.peek_nth(1) != Token::LParen && !self.query_behind_parens()
        {
            self.advance();
            insert.columns = self.comma_list(Self::assign_target)?;
            self.expect_rparen()?;
        }
        if self.eat("overriding") {
            insert.overriding_system = Some(self.expect_one(&["system", "user"])? == "system");
            self.expect("value")?;
        }
        insert.source = Some(self.query()?);
        Ok(())
    }

    /// A column with the subscripts and fields behind it.
    pub(super) fn assign_target(&mut self) -> PgResult<AssignTarget> {
        let column = self.col_id()?;
        let path = self.indirection()?;
        Ok(AssignTarget { column, path })
    }

    /// RETURNING, if present.
    pub(super) fn returning(&mut self) -> PgResult<Vec<Target>> {
        if self.eat("returning") { self.target_list() } else { Ok(Vec::new()) }
    }

    fn on_conflict(&mut self) -> PgResult<OnConflict> {
        let pos = self.pos();
        self.expect_seq(&["on", "conflict"])?;
        let target_pos = self.pos();
        let target = if self.eat("on") {
            self.expect("constraint")?;
            Some(ConflictTarget::Constraint { name: self.col_id()?, pos: target_pos })
        } else if *self.peek() == Token::LParen {
            self.advance();
            let elements = self.comma_list(Self::index_element)?;
            self.expect_rparen()?;
            let where_clause = if self.eat("where") { Some(self.expr()?) } else { None };
            Some(ConflictTarget::Columns { elements, where_clause, pos: target_pos })
        } else {
            None
        };
        self.expect("do")?;
        let update = match self.expect_one(&["nothing", "update"])? {
            "nothing" => None,
            _ => {
                self.expect("set")?;
                let set = self.comma_list(Self::assignment)?;
                let where_clause = if self.eat("where") { Some(self.expr()?) } else { None };
                Some(ConflictUpdate { set, where_clause })
            }
        };
        Ok(OnConflict { target, update, pos })
    }

    /// A column or expression of an index, with its collation, operator class and order.
    pub(crate) fn index_element(&mut self) -> PgResult<IndexElement> {
        let pos = self.pos();
        let expr = match self.peek() {
            Token::LParen => {
                self.advance();
                let expr = self.expr()?;
                self.expect_rparen()?;
                expr
            }
            _ if self.at_col_id()
                && *self.peek_nth(1) != Token::LParen
                && *self.peek_nth(1) != Token::Period =>
            {
                Expr::column(self.col_id()?)
            }
            _ => self.windowless_call()?,
        };
        let collation = if self.eat("collate") { Some(self.any_name()?) } else { None };
        let mut opclass_options = Vec::new();
        let is_order = self.at("nulls") && matches!(self.word_nth(1), Some("first" | "last"));
        let opclass = match !is_order && self.at_col_id() {
            true => Some(self.any_name()?),
            false => None,
        };
        if opclass.is_some() && *self.peek() == Token::LParen {
            opclass_options = self.reloptions()?;
        }
        let direction = if self.eat("asc") {
            SortDirection::Asc
        } else if self.eat("desc") {
            SortDirection::Desc
        } else {
            SortDirection::Default
        };
        let nulls_first = self.nulls_order()?;
        Ok(IndexElement { expr, collation, opclass, opclass_options, direction, nulls_first, pos })
    }
}
