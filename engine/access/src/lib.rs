//! Tables and indexes over the page engine.
//!
//! What upper crates use:
//!
//! | to | call |
//! |---|---|
//! | open everything | [`Engine::open`] over a volume, [`Engine::in_memory`] in tests; keep the `Arc<Engine>` |
//! | make a row's bytes | [`form_tuple`] from a `TupleDesc` and `Datum`s |
//! | read a row's bytes | [`TupleRef::new`], then [`deform`] or [`deform_needed`]; system columns from [`TupleRef`] |
//! | tables | [`Engine::create_heap`], [`Engine::heap`] → [`Heap`]: `insert`, `multi_insert`, `fetch`, `fetch_from_index` |
//! | scan | [`HeapScan::new`], [`HeapScan::next`] in either [`Direction`] |
//! | drop | [`Engine::drop_storage`], then [`Engine::sweep_storage`] after the transaction |
//!
//! Transactions, snapshots and locks are `redoubt_txn`'s; everything here takes its `Txn` and `Snapshot`.

mod engine;
mod heap;
mod tuple;
pub mod value;

pub use engine::Engine;
pub use heap::{
    Direction, FetchBuf, Heap, HeapScan, InsertOptions, LockedRow, MAX_TUPLE_BYTES, TableId, TmResult,
    UpdateOptions, Updated,
};
pub use tuple::{HEADER_BYTES, MAX_COLUMNS, Tid, TupleRef, deform, deform_needed, form_tuple, same_columns};
