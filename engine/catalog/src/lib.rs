//! The system catalogs: PostgreSQL's `pg_*` tables as ordinary tables on ordinary pages, and the typed,
//! cached lookups that the analyzer, the executors and sessions make in them.
//!
//! See README.md for how lookups stay true while transactions change the catalogs.

pub mod acl;
mod cache;
pub mod ddl;
mod facts;
mod index_key;
pub mod index_oids;
mod invalidation;
mod key_words;
pub mod memory;
pub mod names;
mod nodes;

pub mod regnames;
mod relation;
pub mod rows;
mod sql_bodies;
mod store;
mod system;
pub mod type_names;
mod view;

pub use cache::{Key, Pending};
pub use memory::MemoryCatalog;
pub use relation::{
    ColumnDefault, Index, IndexColumn, Relation, has_storage, join_expressions, missing_value,
    split_expressions,
};
pub use store::{RowId, Store, Visit, WriteStore};
pub use system::{SystemCatalog, SystemIndex, is_system_relation, system_catalog, system_catalogs};
pub use view::{BTREE, Catalog, CatalogView, HASH, SessionCatalog, SortOperators, Type};
