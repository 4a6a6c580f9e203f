//! The system catalogs: PostgreSQL's `pg_*` tables as ordinary tables on ordinary pages, and the typed,
//! cached lookups that the analyzer, the executors and sessions make in them.
//!
//! | to | call |
//! |---|---|
//! | make the catalogs of a new volume | [`bootstrap()`] |
//! | connect | [`Catalog::session`] → [`SessionCatalog`] |
//! | look things up | [`PageStore::new`], its `view()` → [`CatalogView`]; without a volume [`MemoryCatalog::view`] |
//! | change things | [`ddl::Ddl::new`] over a [`PageStore`] or a [`MemoryCatalog`] |
//! | end a transaction | [`SessionCatalog::begin_commit`], [`SessionCatalog::transaction_ended`] |
//! | make and drop databases | [`ddl::Ddl::create_database`] and [`copy_database`]; [`drop_database_storage`] |
//! | read a catalog as a table | it is one: its relation's `node` names an ordinary heap |
//!
//! README.md says how lookups stay true while transactions change the catalogs.

pub mod acl;
mod bootstrap;
mod cache;
mod database_storage;
pub mod ddl;
mod facts;
mod index_key;
mod index_methods;
pub mod index_oids;
mod invalidation;
mod key_words;
pub mod memory;
pub mod names;
mod nodes;
mod oids;
mod page_index;
mod pages;

pub mod regnames;
mod relation;
pub mod rows;
mod sql_bodies;
mod store;
mod system;
mod system_views;
pub mod type_names;
mod view;

pub use bootstrap::{CATALOG_VERSION, bootstrap};
pub use cache::{Key, Pending};
pub use database_storage::{copy_database, database_pages, drop_database_storage};
pub use index_methods::{INDEX_METHODS, IndexMethod};
pub use memory::MemoryCatalog;
pub use nodes::{POSTGRES, TEMPLATE0, TEMPLATE1};
pub use pages::PageStore;
pub use relation::{
    ColumnDefault, Index, IndexColumn, Relation, has_storage, join_expressions, missing_value,
    split_expressions,
};
pub use store::{RowId, Store, Visit, WriteStore};
pub use system::{SystemCatalog, SystemIndex, is_system_relation, system_catalog, system_catalogs};
pub use view::{BTREE, Catalog, CatalogView, GIST, HASH, SessionCatalog, SortOperators, Type};
