//! Which parser a statement's first words choose.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

type Rule = fn(&mut Cursor<'_>) -> PgResult<UtilityStatement>;

/// First word and parser, but for the words that `Cursor::statement_kind` handles itself.
const RULES: &[(&str, Rule)] = &[
    ("abort", |c| c.transaction()),
    ("alter", |c| c.alter()),
    ("analyse", |c| c.analyze()),
    ("analyze", |c| c.analyze()),
    ("begin", |c| c.transaction()),
    ("call", |c| c.call_statement()),
    ("checkpoint", |c| c.simple_statement()),
    ("close", |c| c.close()),
    ("cluster", |c| c.cluster()),
    ("comment", |c| c.comment()),
    ("commit", |c| c.transaction()),
    ("copy", |c| c.copy()),
    ("create", |c| c.create()),
    ("deallocate", |c| c.deallocate()),
    ("declare", |c| c.declare()),
    ("discard", |c| c.discard()),
    ("do", |c| c.do_block()),
    ("drop", |c| c.drop()),
    ("end", |c| c.transaction()),
    ("execute", |c| c.execute_statement()),
    ("explain", |c| c.explain()),
    ("fetch", |c| c.fetch()),
    ("grant", |c| c.grant()),
    ("import", |c| c.not_yet("IMPORT FOREIGN SCHEMA")),
    ("listen", |c| c.listen()),
    ("load", |c| c.load()),
    ("lock", |c| c.lock()),
    ("merge", |c| c.not_yet("MERGE")),
    ("move", |c| c.fetch()),
    ("notify", |c| c.notify()),
    ("prepare", |c| c.prepare()),
    ("reassign", |c| c.reassign_owned()),
    ("refresh", |c| c.refresh()),
    ("reindex", |c| c.reindex()),
    ("release", |c| c.transaction()),
    ("reset", |c| c.reset()),
    ("revoke", |c| c.grant()),
    ("rollback", |c| c.transaction()),
    ("savepoint", |c| c.transaction()),
    ("security", |c| c.not_yet("SECURITY LABEL")),
    ("set", |c| c.set_statement()),
    ("show", |c| c.show()),
    ("start", |c| c.transaction()),
    ("truncate", |c| c.truncate()),
    ("unlisten", |c| c.unlisten()),
    ("vacuum", |c| c.vacuum()),
];

impl Cursor<'_> {
    /// One statement, up to its semicolon or the end of the text.
    pub(crate) fn statement(&mut self) -> PgResult<Statement> {
        let start = self.pos();
        let kind = self.statement_kind()?;
        let text_range = start..self.end_of_last();
        Ok(Statement { text_range, kind, notices: Vec::new() })
    }

    fn statement_kind(&mut self) -> PgResult<StatementKind> {
        let is_dml = self.at_any(&["select", "values", "table", "with", "insert", "update", "delete"]);
        if is_dml || *self.peek() == Token::LParen {
            let start = self.pos();
            let dml = self.dml_statement()?;
            return Ok(self.select_into(dml, start));
        }
        let Some(word) = self.word() else { return self.unexpected() };
        match RULES.binary_search_by(|(first, _)| first.cmp(&word)) {
            Ok(i) => Ok(StatementKind::Utility(Box::new(RULES[i].1(self)?))),
            Err(_) => self.unexpected(),
        }
    }

    /// SELECT INTO is a way to write CREATE TABLE AS.
    fn select_into(&mut self, dml: DmlStatement, start: usize) -> StatementKind {
        let DmlStatement::Select(mut query) = dml else { return dml.into() };
        match take_into(&mut query) {
            None => StatementKind::Query(query),
            Some(into) => StatementKind::Utility(Box::new(UtilityStatement::CreateTableAs(CreateTableAs {
                into,
                source: CreateTableAsSource::Query(query),
                with_data: true,
                if_not_exists: false,
                materialized_view: false,
                select_into: true,
                query_range: start..self.end_of_last(),
            }))),
        }
    }

    /// A statement that is recognised by its first words but not built: skips to its end.
    pub(super) fn not_yet(&mut self, what: &'static str) -> PgResult<UtilityStatement> {
        let mut depth = 0usize;
        while !self.at_end() {
            match self.peek() {
                Token::SemiColon if depth == 0 => break,
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.advance();
        }
        Ok(UtilityStatement::NotYet { what })
    }
}

/// Takes the INTO clause out of the leftmost SELECT, where the grammar allows it.
fn take_into(query: &mut Query) -> Option<IntoClause> {
    match &mut query.body {
        QueryBody::Select(select) => select.into.take(),
        QueryBody::SetOp(op) => take_into(&mut op.left),
        QueryBody::Values { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rules_are_sorted() {
        assert!(super::RULES.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
