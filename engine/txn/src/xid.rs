//! Numbers of transactions and of commands within them.

use std::fmt;

/// A transaction's or subtransaction's number. 64 bits: never reused, never frozen.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid(u64);

impl Xid {
    /// No transaction.
    pub const INVALID: Self = Self(0);
    /// What the bootstrap facts were written by: always committed, before everything.
    pub const BOOTSTRAP: Self = Self(1);
    /// Always committed, before everything; for rows whose writer no longer matters.
    pub const FROZEN: Self = Self(2);
    /// The first that is given out.
    pub const FIRST_NORMAL: Self = Self(3);
    /// Above all that can exist.
    pub const MAX: Self = Self(u64::MAX);

    /// Wraps the bare number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether it is a transaction at all.
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }

    /// Whether it was given out, so that its fate is on a status page.
    pub const fn is_normal(self) -> bool {
        self.0 >= Self::FIRST_NORMAL.0
    }

    /// The 32 bits that PostgreSQL's `xid` type shows.
    pub const fn low_bits(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A command's number within its transaction, from 0. A command does not see what it does itself.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(u32);

impl CommandId {
    /// The first command.
    pub const FIRST: Self = Self(0);
    /// Above all commands: with it, a snapshot sees everything its own transaction has done.
    pub const MAX: Self = Self(u32::MAX);

    /// Wraps the bare number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
