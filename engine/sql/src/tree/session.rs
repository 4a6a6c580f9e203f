//! Transactions and settings.
#![allow(missing_docs)] // Fields bear the grammar's own names; types and variants are documented.

use super::expr::*;

/// BEGIN, COMMIT and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionStatement {
    /// BEGIN.
    Begin(TransactionModes),
    /// START TRANSACTION.
    Start(TransactionModes),
    /// COMMIT or END [AND CHAIN].
    Commit {
        chain: bool,
    },
    /// ROLLBACK or ABORT [AND CHAIN].
    Rollback {
        chain: bool,
    },
    Savepoint(Ident),
    Release(Ident),
    RollbackTo(Ident),
    /// PREPARE TRANSACTION.
    PrepareTransaction(String),
    CommitPrepared(String),
    RollbackPrepared(String),
}

/// ISOLATION LEVEL, READ ONLY, DEFERRABLE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionModes {
    pub isolation: Option<IsolationLevel>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

/// The four levels by name; READ UNCOMMITTED behaves as READ COMMITTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl IsolationLevel {
    /// As the setting `transaction_isolation` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            IsolationLevel::ReadUncommitted => "read uncommitted",
            IsolationLevel::ReadCommitted => "read committed",
            IsolationLevel::RepeatableRead => "repeatable read",
            IsolationLevel::Serializable => "serializable",
        }
    }
}

/// SET and RESET.
#[derive(Clone, Debug)]
pub struct SetStatement {
    /// SET LOCAL.
    pub local: bool,
    pub action: SetAction,
}

/// What SET does.
#[derive(Clone, Debug)]
pub enum SetAction {
    /// SET name = values. TIME ZONE, NAMES, ROLE and so on come under their setting's name.
    Value {
        name: String,
        values: Vec<SetValue>,
    },
    /// SET name TO DEFAULT.
    Default {
        name: String,
    },
    /// SET name FROM CURRENT (of CREATE FUNCTION).
    FromCurrent {
        name: String,
    },
    /// RESET name.
    Reset {
        name: String,
    },
    ResetAll,
    /// SET TRANSACTION.
    Transaction(TransactionModes),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION.
    SessionCharacteristics(TransactionModes),
    /// SET TRANSACTION SNAPSHOT.
    TransactionSnapshot(String),
}

/// One value of SET.
#[derive(Clone, Debug)]
pub enum SetValue {
    /// A string or a bare word.
    String(String),
    Integer(i32),
    /// Any other number, as written.
    Number(String),
    /// SET TIME ZONE INTERVAL '...': the type (with its typmod) and the string.
    Interval {
        type_name: TypeName,
        text: String,
    },
}

impl SetValue {
    /// The value as text.
    pub fn text(&self) -> String {
        match self {
            SetValue::String(s) | SetValue::Number(s) => s.clone(),
            SetValue::Integer(i) => i.to_string(),
            SetValue::Interval { text, .. } => text.clone(),
        }
    }
}
