//! Transactions: numbers, status, snapshots, visibility, and locks.
//!
//! What upper crates use:
//!
//! | to | call |
//! |---|---|
//! | open a volume's transactions | [`TxnManager::open`] |
//! | register a connection | [`TxnManager::connect`] → `Arc<`[`Backend`]`>`; [`TxnManager::disconnect`] |
//! | run a transaction | [`TxnManager::begin`] → [`Txn`]; [`Txn::commit`] (appends, never waits), [`Txn::abort`] |
//! | savepoints | [`Txn::begin_sub`], [`Txn::commit_sub`], [`Txn::abort_sub`] |
//! | see | [`Txn::statement_snapshot`] → [`Snapshot`]; [`Snapshot::sees`] a row version's [`Stamps`] |
//! | write | [`Txn::xid`], [`Txn::command_for_write`]; after the statement [`Txn::advance_command`] |
//! | lock things | [`Txn::lock`] a [`LockTag`] in a [`LockMode`]; session-level: [`LockManager::acquire`] with [`LockLife::Session`] |
//! | lock rows | [`RowLocks::try_lock`], under the row's page latch; then [`Txn::wait_for`] whoever is in the way |
//! | remove the dead | [`TxnManager::horizon`] → [`Horizon::all_see`] |
//! | answer the client | when VDL has reached what `commit` returned; for rows and errors within a transaction, [`Backend::dependency`] |
//! | stop | [`Backend::interrupts`] → [`Interrupts::raise`]; [`Backend::check_for_interrupts`] in every loop |
//!
//! `README.md` says how visibility follows from commit LSNs, and has the locking rules.

mod backend;
mod interrupts;
mod locks;
mod manager;
mod rowlocks;
mod snapshot;
mod status;
mod table;
mod transaction;
mod xid;

pub use backend::{Backend, BackendId};
pub use interrupts::{Interrupt, Interrupts};
pub use locks::{LockInfo, LockLife, LockManager, LockMode, LockOutcome, LockTag, LockWait};
pub use manager::TxnManager;
pub use rowlocks::{RowKey, RowLockMode, RowLocks};
pub use snapshot::{Horizon, Snapshot, Stamps, View, ViewCache};
pub use status::StatusMissing;
pub use table::XidState;
pub use transaction::{Isolation, SubId, Txn};
pub use xid::{CommandId, Xid};
