//! Heavyweight locks: on relations and other named things, with queues, deadlock detection and lifetimes.
//!
//! PostgreSQL's eight modes and its queueing (`backend/storage/lmgr/README`). Weak locks on relations, which
//! every statement takes, stay with the backend (its "fast path"): they cost one uncontended mutex and touch
//! nothing shared until somebody wants a lock that conflicts with them.

mod deadlock;
mod held;
mod manager;
mod shard;

pub use manager::{LockInfo, LockManager};

pub(crate) use held::HeldLocks;

use std::fmt;

use crate::xid::Xid;

/// PostgreSQL's table lock modes, weakest first, under its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LockMode {
    /// SELECT.
    AccessShare = 1,
    /// SELECT FOR UPDATE and its kin.
    RowShare = 2,
    /// INSERT, UPDATE, DELETE, MERGE.
    RowExclusive = 3,
    /// VACUUM, ANALYZE, CREATE INDEX CONCURRENTLY.
    ShareUpdateExclusive = 4,
    /// CREATE INDEX.
    Share = 5,
    /// CREATE TRIGGER.
    ShareRowExclusive = 6,
    /// REFRESH MATERIALIZED VIEW CONCURRENTLY; also what a transaction has on its own number.
    Exclusive = 7,
    /// ALTER TABLE, DROP TABLE, TRUNCATE.
    AccessExclusive = 8,
}

impl LockMode {
    /// All modes, weakest first.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// The name in `pg_locks` and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// Whether one backend must wait for another that has `other` (documentation, "Conflicting Lock Modes").
    pub const fn conflicts_with(self, other: Self) -> bool {
        self.conflicts().has(other)
    }

    const fn conflicts(self) -> Modes {
        // Bit n stands for mode n; each row is the documentation's table.
        Modes(match self {
            Self::AccessShare => 0b1_0000_0000,
            Self::RowShare => 0b1_1000_0000,
            Self::RowExclusive => 0b1_1110_0000,
            Self::ShareUpdateExclusive => 0b1_1111_0000,
            Self::Share => 0b1_1101_1000,
            Self::ShareRowExclusive => 0b1_1111_1000,
            Self::Exclusive => 0b1_1111_1100,
            Self::AccessExclusive => 0b1_1111_1110,
        })
    }

    /// Modes that conflict with none of each other: they may stay with the backend.
    const fn is_weak(self) -> bool {
        (self as u8) < Self::ShareUpdateExclusive as u8
    }

    /// Modes that conflict with some weak one.
    const fn is_strong(self) -> bool {
        (self as u8) > Self::ShareUpdateExclusive as u8
    }
}

/// A set of modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Modes(u16);

impl Modes {
    const WEAK: Self = Self(0b1110);

    const fn of(mode: LockMode) -> Self {
        Self(1 << mode as u8)
    }

    const fn has(self, mode: LockMode) -> bool {
        self.0 & 1 << mode as u8 != 0
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn iter(self) -> impl Iterator<Item = LockMode> {
        LockMode::ALL.into_iter().filter(move |&mode| self.has(mode))
    }
}

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockTag {
    /// A table, index, sequence or view; database 0 for shared ones.
    Relation {
        /// OID of the database.
        database: u32,
        /// OID of the relation.
        relation: u32,
    },
    /// A row, while somebody queues for it.
    Tuple {
        /// OID of the database.
        database: u32,
        /// OID of the relation.
        relation: u32,
        /// Block.
        block: u32,
        /// Slot, from 1.
        slot: u16,
    },
    /// A transaction: its owner has it until it ends.
    Transaction(Xid),
    /// A transaction that need not have a number.
    VirtualTransaction {
        /// The backend's number.
        backend: u32,
        /// The backend's count of transactions.
        local: u32,
    },
    /// Any other database object.
    Object {
        /// OID of the database.
        database: u32,
        /// OID of the catalog that describes it.
        class: u32,
        /// Its OID.
        object: u32,
        /// Its column, or 0.
        sub: u16,
    },
    /// Whatever the application means by it.
    Advisory {
        /// OID of the database.
        database: u32,
        /// High half of the key, or the first of two keys.
        key1: u32,
        /// Low half of the key, or the second of two keys.
        key2: u32,
        /// 1 for one key of 64 bits, 2 for two of 32.
        kind: u16,
    },
}

impl LockTag {
    /// Whether weak locks on it may stay with the backend.
    const fn has_fast_path(&self) -> bool {
        matches!(self, Self::Relation { .. })
    }

    /// The name in `pg_locks.locktype`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Relation { .. } => "relation",
            Self::Tuple { .. } => "tuple",
            Self::Transaction(_) => "transactionid",
            Self::VirtualTransaction { .. } => "virtualxid",
            Self::Object { .. } => "object",
            Self::Advisory { .. } => "advisory",
        }
    }
}

/// As messages name it.
impl fmt::Display for LockTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relation { database, relation } => write!(f, "relation {relation} of database {database}"),
            Self::Tuple { database, relation, block, slot } => {
                write!(f, "tuple ({block},{slot}) of relation {relation} of database {database}")
            }
            Self::Transaction(xid) => write!(f, "transaction {}", xid.low_bits()),
            Self::VirtualTransaction { backend, local } => write!(f, "virtual transaction {backend}/{local}"),
            Self::Object { database, class, object, .. } => {
                write!(f, "object {object} of class {class} of database {database}")
            }
            Self::Advisory { database, key1, key2, kind } => {
                write!(f, "advisory lock [{database},{key1},{key2},{kind}]")
            }
        }
    }
}

/// What to do when a lock cannot be had at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Queue for it.
    Block,
    /// Answer [`LockOutcome::NotAvailable`].
    NoWait,
}

/// What came of asking for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// Granted now.
    Acquired,
    /// The backend had this mode already.
    AlreadyHeld,
    /// Somebody else has a conflicting one, and waiting was not asked for.
    NotAvailable,
}

/// How long a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockLife {
    /// To the end of the subtransaction at this depth (1: the transaction), or its parent's if it ends well.
    Transaction {
        /// See [`crate::Txn::nesting`].
        depth: u32,
    },
    /// Until released as often as it was acquired, or to the end of the connection.
    Session,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_the_documented_ones() {
        // Rows and columns from AccessShare to AccessExclusive.
        let table =
            ["       x", "      xx", "    xxxx", "   xxxxx", "  xx xxx", "  xxxxxx", " xxxxxxx", "xxxxxxxx"];
        for (mode, row) in LockMode::ALL.into_iter().zip(table) {
            let found: String = LockMode::ALL
                .map(|other| if mode.conflicts_with(other) { 'x' } else { ' ' })
                .iter()
                .collect();
            assert_eq!(found, row, "{mode:?}");
        }
    }

    #[test]
    fn weak_modes_conflict_with_strong_ones_only() {
        for weak in LockMode::ALL.into_iter().filter(|mode| mode.is_weak()) {
            for mode in LockMode::ALL {
                assert!(!weak.conflicts_with(mode) || mode.is_strong(), "{weak:?} {mode:?}");
            }
        }
    }
}
