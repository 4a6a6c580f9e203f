//! What an execution holds back: how much of it in memory, and the rest in temporary files.
//!
//! Whoever keeps rows counts their bytes. Those that can do with less than all of them at once write
//! the rest out when they have as many as `work_mem` allows: [`external_sort`], [`tuple_store`],
//! hash joins and hashed aggregates. Those that cannot are held to the statement's bound, and fail
//! with `53200` where the process would otherwise be the one to die. The README tells which is which.

pub(crate) mod block_file;
pub(crate) mod external_sort;
mod heap;
pub(crate) mod row_format;
pub(crate) mod sorted_row;
pub(crate) mod tuple_store;
mod work;

pub use external_sort::{ExternalSort, Sortable};
pub use work::{Account, Work, WorkSpace};
pub(crate) use work::{Reservation, row_bytes};
