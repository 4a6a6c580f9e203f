//! BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin.

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    pub(super) fn transaction(&mut self) -> PgResult<UtilityStatement> {
        use TransactionStatement as T;
        let word = self.expect_one(&[
            "abort",
            "begin",
            "start",
            "commit",
            "end",
            "rollback",
            "savepoint",
            "release",
        ])?;
        let statement = match word {
            "begin" => {
                self.work();
                T::Begin(self.optional_transaction_modes()?)
            }
            "start" => {
                self.expect("transaction")?;
                T::Start(self.optional_transaction_modes()?)
            }
            "savepoint" => T::Savepoint(self.col_id()?),
            "release" => {
                self.savepoint_word();
                T::Release(self.col_id()?)
            }
            "commit" if self.eat("prepared") => T::CommitPrepared(self.string()?),
            "rollback" if self.eat("prepared") => T::RollbackPrepared(self.string()?),
            "commit" | "end" => {
                self.work();
                T::Commit { chain: self.and_chain()? }
            }
            _ => {
                self.work();
                if word == "rollback" && self.eat("to") {
                    self.savepoint_word();
                    T::RollbackTo(self.col_id()?)
                } else {
                    T::Rollback { chain: self.and_chain()? }
                }
            }
        };
        Ok(UtilityStatement::Transaction(statement))
    }

    fn work(&mut self) {
        if self.at_any(&["work", "transaction"]) {
            self.advance();
        }
    }

    /// SAVEPOINT is noise here, unless it is the savepoint's own name.
    fn savepoint_word(&mut self) {
        if self.at("savepoint") && self.at_col_id_nth(1) {
            self.advance();
        }
    }

    fn and_chain(&mut self) -> PgResult<bool> {
        if !self.eat("and") {
            return Ok(false);
        }
        let no = self.eat("no");
        self.expect("chain")?;
        Ok(!no)
    }

    fn optional_transaction_modes(&mut self) -> PgResult<TransactionModes> {
        match self.at_transaction_mode() {
            true => self.transaction_modes(),
            false => Ok(TransactionModes::default()),
        }
    }

    fn at_transaction_mode(&self) -> bool {
        self.at_any(&["isolation", "read", "deferrable", "not"])
    }

    /// One or more modes; commas between them are optional.
    pub(super) fn transaction_modes(&mut self) -> PgResult<TransactionModes> {
        let mut modes = TransactionModes::default();
        loop {
            match self.expect_one(&["isolation", "read", "deferrable", "not"])? {
                "isolation" => {
                    self.expect("level")?;
                    modes.isolation = Some(self.isolation_level()?);
                }
                "read" => modes.read_only = Some(self.expect_one(&["only", "write"])? == "only"),
                "deferrable" => modes.deferrable = Some(true),
                _ => {
                    self.expect("deferrable")?;
                    modes.deferrable = Some(false);
                }
            }
            if !self.eat_token(&Token::Comma) && !self.at_transaction_mode() {
                return Ok(modes);
            }
        }
    }

    fn isolation_level(&mut self) -> PgResult<IsolationLevel> {
        Ok(match self.expect_one(&["read", "repeatable", "serializable"])? {
            "read" => match self.expect_one(&["uncommitted", "committed"])? {
                "committed" => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            },
            "repeatable" => {
                self.expect("read")?;
                IsolationLevel::RepeatableRead
            }
            _ => IsolationLevel::Serializable,
        })
    }
}
