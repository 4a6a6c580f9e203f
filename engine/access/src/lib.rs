//! Tables and indexes over the page engine.
//!
//! What upper crates use:
//!
//! | to | call |
//! |---|---|
//! | open everything | [`Engine::open`] over a volume, [`Engine::in_memory`] in tests; keep the `Arc<Engine>` |
//! | make a row's bytes | [`form_tuple`] from a `TupleDesc` and `Datum`s |
//! | read a row's bytes | [`TupleRef::new`], then [`deform`] or [`deform_needed`]; system columns from [`TupleRef`] |
//! | tables | [`Engine::create_heap`], [`Engine::heap`] → [`Heap`]: `insert`, `multi_insert`, `fetch`, `update`, `delete`, `lock_tuple`, `lock_latest` |
//! | scan | [`HeapScan::new`], [`HeapScan::next`] in either [`Direction`]; for index builds [`RowVersions`] |
//! | indexes | [`Engine::create_btree`], [`Engine::btree`] → [`BTree`]: `insert`, `insert_unique`, `find_conflict`; [`BulkBuilder`] |
//! | other indexes | [`Engine::create_gist`], [`Engine::gist`] → [`Gist`]: `insert`; [`GistSearch`] under [`GistCondition`]s |
//! | look up | [`BTreeScan::new`] over a [`KeyRange`] of `redoubt_functions::key` bytes; each entry's row: [`Heap::fetch_from_index`] |
//! | drop | [`Engine::drop_storage`], then [`Engine::sweep_storage`] after the transaction |
//!
//! Index entries point to the root of a row's chain of versions. After an [`Heap::update`] that answers `hot`, indexes
//! stay as they are; after any other, each gets an entry for the new place. A statement holds its snapshot for as long
//! as it works with places that it has found.
//!
//! Transactions, snapshots and locks are `redoubt_txn`'s; everything here takes its `Txn` and `Snapshot`.

mod access_method;
mod btree;
mod engine;
mod free_blocks;
mod gist;
mod heap;
mod tuple;
pub mod value;

pub use access_method::{AccessMethod, IndexKind};
pub use btree::{
    BTree, BTreeScan, BulkBuilder, IndexEntry, IndexVacuum, Inserted, KeyRange, MAX_ENTRY_BYTES, ScanMark,
    Unique,
};
pub use engine::Engine;
pub use gist::{Gist, GistColumns, GistCondition, GistSearch, GistTest, MAX_GIST_ENTRY_BYTES, gist_key};
pub use heap::{
    Direction, FetchBuf, Heap, HeapScan, InsertOptions, Liveness, LockedRow, MAX_TUPLE_BYTES, RowChain,
    RowVersions, TableId, TmResult, UpdateOptions, Updated, VacuumOptions, VacuumStats,
};
pub use tuple::{HEADER_BYTES, MAX_COLUMNS, Tid, TupleRef, deform, deform_needed, form_tuple, same_columns};
