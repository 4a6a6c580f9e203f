//! Pages in memory: the buffer pool, latches, mini-transactions, and the space allocator.
//!
//! What upper crates use:
//!
//! | to | call |
//! |---|---|
//! | get at a page | [`BufferPool::pin`] → [`PinnedPage`], then [`PinnedPage::read`] → [`ReadGuard`] (derefs to `Page`) |
//! | change pages | [`BufferPool::begin_mtr`] → [`Mtr`]: [`Mtr::latch`], [`Mtr::change`], [`Mtr::commit`] |
//! | make, find, grow, drop relations | [`Space`]: `create_relation`, `relation`, `extend`, `pin`, `nblocks`, `drop_relation`, `sweep` |
//! | ids that survive crashes | [`Space::raise_ceiling`] with a [`Ceiling`] |
//! | wait | [`blocking`], around everything that may wait for long |
//! | test without storage nodes | [`MemVolume`], which keeps the log and rebuilds pages from it |
//!
//! The order is always: pin what is needed (may fetch and block), begin the MTR (may block for log space),
//! latch, check, change, commit. Nothing blocks under a latch; debug builds assert it. `README.md` has the
//! locking rules.

mod blocking;
mod client;
pub mod fields;
pub mod kinds;
mod latch;
mod memory;
mod mtr;
mod pool;
mod space;
mod volume;

pub use blocking::{BlockingHook, blocking, set_blocking_hook};
pub use client::report as report_volume_error;
pub use latch::{PinnedPage, ReadGuard};
pub use memory::MemVolume;
pub use mtr::{Latched, Mtr};
pub use pool::{Access, BufferPool, PoolStats};
pub use space::{
    BlockNo, Ceiling, EXTENT_PAGES, FIRST_ORDINARY_NODE, Fate, Fork, Register, RelKey, RelNode, Relation,
    Space, TRANSACTION_STATUS_NODE,
};
pub use volume::{Appended, Budget, PageChange, PageVolume};

pub use redoubt_page::{Lsn, PageId};
