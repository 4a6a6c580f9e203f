//! VACUUM, ANALYZE, LOCK, TRUNCATE and other statements about what is stored.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn vacuum(&mut self) -> PgResult<UtilityStatement> {
        self.expect("vacuum")?;
        let mut options = Vec::new();
        if *self.peek() == Token::LParen {
            options = self.utility_options()?;
        } else {
            for words in
                [["full", "full"], ["freeze", "freeze"], ["verbose", "verbose"], ["analyze", "analyse"]]
            {
                let pos = self.pos();
                if self.at_any(&words) {
                    self.advance();
                    options.push(Self::option(words[0], None, pos));
                }
            }
        }
        let relations = self.vacuum_relations()?;
        Ok(UtilityStatement::Vacuum(Vacuum { is_vacuum: true, options, relations }))
    }

    pub(super) fn analyze(&mut self) -> PgResult<UtilityStatement> {
        self.expect_one(&["analyze", "analyse"])?;
        let pos = self.pos();
        let options = if *self.peek() == Token::LParen {
            self.utility_options()?
        } else if self.eat("verbose") {
            vec![Self::option("verbose", None, pos)]
        } else {
            Vec::new()
        };
        let relations = self.vacuum_relations()?;
        Ok(UtilityStatement::Vacuum(Vacuum { is_vacuum: false, options, relations }))
    }

    fn vacuum_relations(&mut self) -> PgResult<Vec<VacuumRelation>> {
        if !self.at_col_id() {
            return Ok(Vec::new());
        }
        self.comma_list(|c| {
            Ok(VacuumRelation { name: c.qualified_name()?, columns: c.optional_column_list()? })
        })
    }

    pub(super) fn cluster(&mut self) -> PgResult<UtilityStatement> {
        self.expect("cluster")?;
        let mut verbose = self.eat("verbose");
        if *self.peek() == Token::LParen {
            let options = self.utility_options()?;
            verbose = options.iter().any(|o| {
                o.name.as_str() == "verbose" && !matches!(o.string().as_deref(), Some("false" | "off" | "0"))
            });
        }
        if !self.at_col_id() {
            return Ok(UtilityStatement::Cluster { verbose, relation: None, index: None });
        }
        let first = self.qualified_name()?;
        if self.eat("on") {
            // The order from before 8.4: index ON table.
            let index = first.last().clone();
            let relation = Some(self.qualified_name()?);
            return Ok(UtilityStatement::Cluster { verbose, relation, index: Some(index) });
        }
        let index = if self.eat("using") { Some(self.col_id()?) } else { None };
        Ok(UtilityStatement::Cluster { verbose, relation: Some(first), index })
    }

    pub(super) fn reindex(&mut self) -> PgResult<UtilityStatement> {
        self.expect("reindex")?;
        let mut options = if *self.peek() == Token::LParen { self.utility_options()? } else { Vec::new() };
        let kind = match self.expect_one(&["index", "table", "schema", "system", "database"])? {
            "index" => ReindexKind::Index,
            "table" => ReindexKind::Table,
            "schema" => ReindexKind::Schema,
            "system" => ReindexKind::System,
            _ => ReindexKind::Database,
        };
        let pos = self.pos();
        if self.eat("concurrently") {
            options.push(Self::option("concurrently", None, pos));
        }
        let name = Some(self.qualified_name()?);
        Ok(UtilityStatement::Reindex { kind, options, name })
    }

    pub(super) fn refresh(&mut self) -> PgResult<UtilityStatement> {
        self.expect_seq(&["refresh", "materialized", "view"])?;
        let concurrently = self.eat("concurrently");
        let name = self.qualified_name()?;
        let with_data = self.with_data()?;
        Ok(UtilityStatement::RefreshMaterializedView { concurrently, name, with_data })
    }

    /// WITH [NO] DATA; with, if nothing is said.
    pub(super) fn with_data(&mut self) -> PgResult<bool> {
        if !self.eat("with") {
            return Ok(true);
        }
        let no = self.eat("no");
        self.expect("data")?;
        Ok(!no)
    }

    pub(super) fn lock(&mut self) -> PgResult<UtilityStatement> {
        self.expect("lock")?;
        self.eat("table");
        let relations = self.comma_list(Self::relation_expr)?;
        let mode = match self.eat("in") {
            true => {
                let mode = self.lock_mode()?;
                self.expect("mode")?;
                mode
            }
            false => LockMode::AccessExclusive,
        };
        let nowait = self.eat("nowait");
        Ok(UtilityStatement::Lock { relations, mode, nowait })
    }

    fn lock_mode(&mut self) -> PgResult<LockMode> {
        Ok(match self.expect_one(&["access", "row", "share", "exclusive"])? {
            "access" => match self.expect_one(&["share", "exclusive"])? {
                "share" => LockMode::AccessShare,
                _ => LockMode::AccessExclusive,
            },
            "row" => match self.expect_one(&["share", "exclusive"])? {
                "share" => LockMode::RowShare,
                _ => LockMode::RowExclusive,
            },
            "exclusive" => LockMode::Exclusive,
            _ => {
                if self.eat("update") {
                    self.expect("exclusive")?;
                    LockMode::ShareUpdateExclusive
                } else if self.eat("row") {
                    self.expect("exclusive")?;
                    LockMode::ShareRowExclusive
                } else {
                    LockMode::Share
                }
            }
        })
    }

    pub(super) fn truncate(&mut self) -> PgResult<UtilityStatement> {
        self.expect("truncate")?;
        self.eat("table");
        let relations = self.comma_list(Self::relation_expr)?;
        let restart_identity = match self.at_any(&["continue", "restart"]) {
            true => {
                let word = self.expect_one(&["continue", "restart"])?;
                self.expect("identity")?;
                word == "restart"
            }
            false => false,
        };
        let behavior = self.drop_behavior();
        Ok(UtilityStatement::Truncate { relations, restart_identity, behavior })
    }

    pub(super) fn discard(&mut self) -> PgResult<UtilityStatement> {
        self.expect("discard")?;
        let target = match self.expect_one(&["all", "plans", "sequences", "temp", "temporary"])? {
            "all" => DiscardTarget::All,
            "plans" => DiscardTarget::Plans,
            "sequences" => DiscardTarget::Sequences,
            _ => DiscardTarget::Temp,
        };
        Ok(UtilityStatement::Discard(target))
    }

    pub(super) fn simple_statement(&mut self) -> PgResult<UtilityStatement> {
        self.expect("checkpoint")?;
        Ok(UtilityStatement::Checkpoint)
    }

    pub(super) fn load(&mut self) -> PgResult<UtilityStatement> {
        self.expect("load")?;
        Ok(UtilityStatement::Load { file: self.string()? })
    }

    pub(super) fn listen(&mut self) -> PgResult<UtilityStatement> {
        self.expect("listen")?;
        Ok(UtilityStatement::Listen { channel: self.col_id()? })
    }

    pub(super) fn unlisten(&mut self) -> PgResult<UtilityStatement> {
        self.expect("unlisten")?;
        let channel = if self.eat_token(&Token::Mul) { None } else { Some(self.col_id()?) };
        Ok(UtilityStatement::Unlisten { channel })
    }

    pub(super) fn notify(&mut self) -> PgResult<UtilityStatement> {
        self.expect("notify")?;
        let channel = self.col_id()?;
        let payload = if self.eat_token(&Token::Comma) { Some(self.string()?) } else { None };
        Ok(UtilityStatement::Notify { channel, payload })
    }
}
