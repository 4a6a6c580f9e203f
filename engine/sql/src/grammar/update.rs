//! UPDATE and DELETE.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn update(&mut self, with: Option<With>) -> PgResult<Update> {
        let pos = self.pos();
        self.expect("update")?;
        let relation = self.target_relation()?;
        self.expect("set")?;
        let set = self.comma_list(Self::assignment)?;
        let from = if self.eat("from") { self.table_refs()? } else { Vec::new() };
        let where_clause = self.where_or_current()?;
        let returning = self.returning()?;
        Ok(Update { with, relation, set, from, where_clause, returning, pos })
    }

    pub(super) fn delete(&mut self, with: Option<With>) -> PgResult<Delete> {
        let pos = self.pos();
        self.expect_seq(&["delete", "from"])?;
        let relation = self.target_relation()?;
        let using = if self.eat("using") { self.table_refs()? } else { Vec::new() };
        let where_clause = self.where_or_current()?;
        let returning = self.returning()?;
        Ok(Delete { with, relation, using, where_clause, returning, pos })
    }

    /// The relation changed; SET is no alias here unless AS says so.
    fn target_relation(&mut self) -> PgResult<RelationName> {
        let mut relation = self.relation_expr()?;
        if self.eat("as") || (self.at_col_id() && !self.at("set")) {
            relation.alias = Some(Alias { name: self.col_id()?, columns: Vec::new() });
        }
        Ok(relation)
    }

    /// `a = x` or `(a, b) = (x, y)`.
    pub(super) fn assignment(&mut self) -> PgResult<Assignment> {
        if self.eat_token(&Token::LParen) {
            let targets = self.comma_list(Self::assign_target)?;
            self.expect_rparen()?;
            self.expect_token(&Token::Eq)?;
            return Ok(Assignment::Multiple { targets, source: self.expr()? });
        }
        let target = self.assign_target()?;
        self.expect_token(&Token::Eq)?;
        Ok(Assignment::Single { target, value: self.expr()? })
    }

    fn where_or_current(&mut self) -> PgResult<Option<Expr>> {
        if !self.eat("where") {
            return Ok(None);
        }
        let pos = self.pos();
        if self.eat_seq(&["current", "of"]) {
            return Ok(Some(Expr::CurrentOf { cursor: self.col_id()?, pos }));
        }
        self.expr().map(Some)
    }
}
