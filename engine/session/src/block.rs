//! The transaction block: what BEGIN, COMMIT, SAVEPOINT and their kin do in which state.
//!
//! PostgreSQL's rules (src/backend/access/transam/xact.c) as a table without side effects: a
//! command goes in, what to do to the transaction, a warning and the command tag come out.

use redoubt_error::{PgError, PgResult, Severity, code};

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// No transaction.
    #[default]
    Idle,
    /// A transaction that ends with the query message (several statements in one message).
    Implicit,
    /// Inside BEGIN ... COMMIT.
    Block,
    /// Inside BEGIN ... COMMIT after an error: only the end, or a savepoint, is left.
    Failed,
}

/// A transaction control statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// BEGIN, START TRANSACTION.
    Begin {
        /// Spelt START TRANSACTION.
        start: bool,
    },
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(&'a str),
    /// RELEASE.
    Release(&'a str),
    /// ROLLBACK TO.
    RollbackTo(&'a str),
}

/// What to do to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Start a transaction if none runs yet.
    Start,
    /// Commit it; with AND CHAIN a new one of the same kind starts.
    Commit {
        /// Start the next.
        chain: bool,
    },
    /// Abort it; with AND CHAIN a new one of the same kind starts.
    Abort {
        /// Start the next.
        chain: bool,
    },
    /// Start a subtransaction, which becomes this level (1 is the first).
    Push(usize),
    /// Commit the subtransactions from this level up.
    Release(usize),
    /// Abort the subtransactions from this level up and start this level anew.
    RollbackTo(usize),
}

/// The result of a control statement.
#[derive(Debug)]
pub struct Outcome {
    /// What to do.
    pub action: Action,
    /// What to tell the client besides.
    pub warning: Option<PgError>,
    /// The command tag.
    pub tag: &'static str,
}

/// The state and the names of the savepoints that are open.
#[derive(Debug, Default)]
pub struct Block {
    state: State,
    savepoints: Vec<String>,
}

impl Block {
    /// Where the session stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// How many subtransactions are open.
    pub fn depth(&self) -> usize {
        self.savepoints.len()
    }

    /// The status byte of ReadyForQuery.
    pub fn status(&self) -> u8 {
        match self.state {
            State::Idle | State::Implicit => b'I',
            State::Block => b'T',
            State::Failed => b'E',
        }
    }

    /// A statement outside a block starts a transaction that ends with its message.
    pub fn begin_implicit(&mut self) {
        if self.state == State::Idle {
            self.state = State::Implicit;
        }
    }

    /// The implicit transaction has ended.
    pub fn end_implicit(&mut self) {
        if self.state == State::Implicit {
            self.state = State::Idle;
        }
    }

    /// A statement failed. Returns what is to be aborted: the whole transaction outside a block,
    /// the innermost subtransaction, or the transaction, inside one.
    pub fn fail(&mut self) -> State {
        let before = self.state;
        self.state = match before {
            State::Idle | State::Implicit => State::Idle,
            State::Block | State::Failed => State::Failed,
        };
        before
    }

    /// The whole transaction is gone, whatever the block was.
    pub fn reset(&mut self) {
        *self = Block::default();
    }

    /// Fails for what may not run in a failed block.
    pub fn check_not_failed(&self) -> PgResult<()> {
        if self.state != State::Failed {
            return Ok(());
        }
        Err(PgError::new(
            code::IN_FAILED_SQL_TRANSACTION,
            "current transaction is aborted, commands ignored until end of transaction block",
        ))
    }

    /// Fails for what must not run inside a block (`VACUUM`, `CREATE DATABASE`).
    pub fn check_outside(&self, statement: &str) -> PgResult<()> {
        if self.state == State::Idle {
            return Ok(());
        }
        Err(PgError::new(
            code::ACTIVE_SQL_TRANSACTION,
            format!("{statement} cannot run inside a transaction block"),
        ))
    }

    /// Carries out a control statement on the state, and says what it means for the transaction.
    pub fn control(&mut self, control: Control<'_>) -> PgResult<Outcome> {
        match control {
            Control::Begin { start } => self.begin(if start { "START TRANSACTION" } else { "BEGIN" }),
            Control::Commit { chain } => self.end(true, chain),
            Control::Rollback { chain } => self.end(false, chain),
            Control::Savepoint(name) => {
                self.check_not_failed()?;
                self.require_block("SAVEPOINT")?;
                self.savepoints.push(name.to_string());
                Ok(done(Action::Push(self.savepoints.len()), "SAVEPOINT"))
            }
            Control::Release(name) => {
                self.check_not_failed()?;
                self.require_block("RELEASE SAVEPOINT")?;
                let index = self.find(name)?;
                self.savepoints.truncate(index);
                Ok(done(Action::Release(index + 1), "RELEASE"))
            }
            Control::RollbackTo(name) => {
                self.require_block("ROLLBACK TO SAVEPOINT")?;
                let index = self.find(name)?;
                self.savepoints.truncate(index + 1);
                self.state = State::Block;
                Ok(done(Action::RollbackTo(index + 1), "ROLLBACK"))
            }
        }
    }

    fn begin(&mut self, tag: &'static str) -> PgResult<Outcome> {
        self.check_not_failed()?;
        if self.state == State::Block {
            let warning = warning(code::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
            return Ok(Outcome { action: Action::Nothing, warning: Some(warning), tag });
        }
        self.state = State::Block;
        Ok(done(Action::Start, tag))
    }

    fn end(&mut self, commit: bool, chain: bool) -> PgResult<Outcome> {
        let tag = if commit { "COMMIT" } else { "ROLLBACK" };
        let in_block = matches!(self.state, State::Block | State::Failed);
        if chain && !in_block {
            return Err(PgError::new(
                code::NO_ACTIVE_SQL_TRANSACTION,
                format!("{tag} AND CHAIN can only be used in transaction blocks"),
            ));
        }
        let commits = commit && self.state != State::Failed;
        let action = match self.state {
            State::Idle => Action::Nothing,
            _ if commits => Action::Commit { chain },
            _ => Action::Abort { chain },
        };
        self.savepoints.clear();
        self.state = if chain { State::Block } else { State::Idle };
        let warning = (!in_block)
            .then(|| warning(code::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
        let tag = if commit && commits { "COMMIT" } else { "ROLLBACK" };
        Ok(Outcome { action, warning, tag })
    }

    fn require_block(&self, statement: &str) -> PgResult<()> {
        match self.state {
            State::Block | State::Failed => Ok(()),
            State::Idle | State::Implicit => Err(PgError::new(
                code::NO_ACTIVE_SQL_TRANSACTION,
                format!("{statement} can only be used in transaction blocks"),
            )),
        }
    }

    /// The innermost savepoint of this name.
    fn find(&self, name: &str) -> PgResult<usize> {
        self.savepoints.iter().rposition(|savepoint| savepoint == name).ok_or_else(|| {
            PgError::new(code::S_E_INVALID_SPECIFICATION, format!("savepoint \"{name}\" does not exist"))
        })
    }
}

fn done(action: Action, tag: &'static str) -> Outcome {
    Outcome { action, warning: None, tag }
}

fn warning(code: redoubt_error::SqlState, message: &str) -> PgError {
    PgError::report(Severity::Warning, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs commands and prints, for each, its tag, action, warning or error, and the state after.
    fn run(commands: &[&str]) -> Vec<String> {
        let mut block = Block::default();
        let mut lines = Vec::new();
        for command in commands {
            let (verb, name) = command.split_once(' ').unwrap_or((command, ""));
            let control = match verb {
                "begin" => Control::Begin { start: false },
                "commit" => Control::Commit { chain: name == "chain" },
                "rollback" => Control::Rollback { chain: name == "chain" },
                "savepoint" => Control::Savepoint(name),
                "release" => Control::Release(name),
                "to" => Control::RollbackTo(name),
                "implicit" => {
                    block.begin_implicit();
                    continue;
                }
                _ => {
                    block.fail();
                    continue;
                }
            };
            let line = match block.control(control) {
                Ok(Outcome { action, warning, tag }) => {
                    let warning = warning.map(|w| format!(" ({})", w.message())).unwrap_or_default();
                    format!("{tag} {action:?}{warning} {}", block.status() as char)
                }
                Err(error) => format!("{} {}", error.code(), error.message()),
            };
            lines.push(line);
        }
        lines
    }

    fn check(commands: &[&str], expect: &[&str]) {
        assert_eq!(run(commands), expect, "{commands:?}");
    }

    /// Tags, warnings and errors as PostgreSQL 15.18 gives them.
    #[test]
    fn blocks() {
        check(
            &["begin", "begin", "commit", "commit"],
            &[
                "BEGIN Start T",
                "BEGIN Nothing (there is already a transaction in progress) T",
                "COMMIT Commit { chain: false } I",
                "COMMIT Nothing (there is no transaction in progress) I",
            ],
        );
        check(
            &["begin", "error", "begin", "commit"],
            &[
                "BEGIN Start T",
                "25P02 current transaction is aborted, commands ignored until end of transaction block",
                "ROLLBACK Abort { chain: false } I",
            ],
        );
        check(&["rollback"], &["ROLLBACK Nothing (there is no transaction in progress) I"]);
        check(&["commit chain"], &["25P01 COMMIT AND CHAIN can only be used in transaction blocks"]);
        check(
            &["begin", "commit chain", "error", "rollback chain"],
            &["BEGIN Start T", "COMMIT Commit { chain: true } T", "ROLLBACK Abort { chain: true } T"],
        );
        check(&["implicit", "begin"], &["BEGIN Start T"]);
        check(
            &["implicit", "commit"],
            &["COMMIT Commit { chain: false } (there is no transaction in progress) I"],
        );
        check(
            &["implicit", "rollback"],
            &["ROLLBACK Abort { chain: false } (there is no transaction in progress) I"],
        );
    }

    #[test]
    fn savepoints() {
        check(&["savepoint a"], &["25P01 SAVEPOINT can only be used in transaction blocks"]);
        check(&["implicit", "savepoint a"], &["25P01 SAVEPOINT can only be used in transaction blocks"]);
        check(&["release a"], &["25P01 RELEASE SAVEPOINT can only be used in transaction blocks"]);
        check(
            &["begin", "savepoint a", "savepoint b", "savepoint a", "to b", "release a", "to b", "release x"],
            &[
                "BEGIN Start T",
                "SAVEPOINT Push(1) T",
                "SAVEPOINT Push(2) T",
                "SAVEPOINT Push(3) T",
                "ROLLBACK RollbackTo(2) T",
                "RELEASE Release(1) T",
                "3B001 savepoint \"b\" does not exist",
                "3B001 savepoint \"x\" does not exist",
            ],
        );
        check(
            &["begin", "savepoint a", "error", "savepoint b", "release a", "to a", "commit"],
            &[
                "BEGIN Start T",
                "SAVEPOINT Push(1) T",
                "25P02 current transaction is aborted, commands ignored until end of transaction block",
                "25P02 current transaction is aborted, commands ignored until end of transaction block",
                "ROLLBACK RollbackTo(1) T",
                "COMMIT Commit { chain: false } I",
            ],
        );
    }
}
