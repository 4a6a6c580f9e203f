//! Changing the catalogs: the primitives that CREATE, ALTER and DROP are made of.
//!
//! They keep the catalogs consistent with each other (rows, dependencies, owners) and check names; what a
//! statement's text means, who may do it, and the locks that it takes first are the callers' business.

mod address;
mod columns;
mod comments;
mod constraints;
mod databases;
mod default_privileges;
mod delete;
mod dependency;
mod describe;
mod foreign_keys;
mod functions;
mod indexes;
mod objects;
mod relations;
mod roles;
mod schemas;
mod sequences;
mod statistics;
mod types;
mod views;

pub use address::{DependencyKind, ObjectAddress};
pub use columns::{NewColumn, system_column};
pub use constraints::NewConstraint;
pub use databases::NewDatabase;
pub use default_privileges::same_items;
pub use delete::{Behavior, Dropped};
pub use foreign_keys::NewForeignKey;
pub use functions::NewFunction;
pub use indexes::{NewIndex, NewIndexColumn};
pub use objects::ObjectTies;
pub use relations::NewRelation;
pub use roles::NewRole;
pub use sequences::NewSequence;
pub use types::{NewDomain, NewEnumLabel};

use crate::rows::CatalogRow;
use crate::store::{RowId, WriteStore, catalog_of, probe_rows};
use crate::view::CatalogView;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid};

/// OIDs of the catalogs, for [`ObjectAddress`].
pub mod class {
    #![allow(missing_docs)] // Each names its catalog.
    use redoubt_functions::Oid;

    pub const TYPE: Oid = 1247;
    pub const ATTRIBUTE: Oid = 1249;
    pub const PROC: Oid = 1255;
    pub const RELATION: Oid = 1259;
    pub const ROLE: Oid = 1260;
    pub const DATABASE: Oid = 1262;
    pub const TABLESPACE: Oid = 1213;
    pub const ACCESS_METHOD: Oid = 2601;
    pub const AMOP: Oid = 2602;
    pub const AMPROC: Oid = 2603;
    pub const ATTRDEF: Oid = 2604;
    pub const CAST: Oid = 2605;
    pub const CONSTRAINT: Oid = 2606;
    pub const CONVERSION: Oid = 2607;
    pub const LANGUAGE: Oid = 2612;
    pub const NAMESPACE: Oid = 2615;
    pub const OPCLASS: Oid = 2616;
    pub const OPERATOR: Oid = 2617;
    pub const REWRITE: Oid = 2618;
    pub const TRIGGER: Oid = 2620;
    pub const OPFAMILY: Oid = 2753;
    pub const EXTENSION: Oid = 3079;
    pub const POLICY: Oid = 3256;
    pub const STATISTIC_EXT: Oid = 3381;
    pub const COLLATION: Oid = 3456;
    pub const TS_DICT: Oid = 3600;
    pub const TS_PARSER: Oid = 3601;
    pub const TS_CONFIG: Oid = 3602;
    pub const TS_TEMPLATE: Oid = 3764;
    pub const EVENT_TRIGGER: Oid = 3466;
    pub const FOREIGN_DATA_WRAPPER: Oid = 2328;
    pub const FOREIGN_SERVER: Oid = 1417;
    pub const PUBLICATION: Oid = 6104;
    pub const DEFAULT_ACL: Oid = 826;
}

/// Objects with lower OIDs belong to the system: they are never dropped, and nothing needs to record
/// that it depends on them (PostgreSQL's `FirstUnpinnedObjectId`).
pub const FIRST_UNPINNED_OID: Oid = 12000;

/// The schema `pg_catalog`.
pub const PG_CATALOG: Oid = 11;

/// The longest name, in bytes (PostgreSQL's `NAMEDATALEN - 1`).
pub const MAX_NAME_BYTES: usize = 63;

/// One statement's changes.
#[derive(Clone, Copy)]
pub struct Ddl<'a> {
    store: &'a dyn WriteStore,
    path: &'a [Oid],
}

impl<'a> Ddl<'a> {
    /// Changes go to `store`; messages name objects as they must be named along `path`, the schemas of the
    /// search path.
    pub fn new(store: &'a dyn WriteStore, path: &'a [Oid]) -> Self {
        Ddl { store, path }
    }

    /// The catalogs with all changes so far.
    pub fn view(&self) -> CatalogView<'a> {
        self.store.view()
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Those of [`WriteStore::insert`].
    pub fn insert<R: CatalogRow>(&self, row: &R) -> PgResult<RowId> {
        self.store.insert(catalog_of::<R>(), &row.to_datums())
    }

    /// Replaces a row that was read.
    ///
    /// # Errors
    /// Those of [`WriteStore::update`].
    pub fn update<R: CatalogRow>(&self, id: RowId, old: &R, new: &R) -> PgResult<()> {
        self.store.update(catalog_of::<R>(), id, &old.to_datums(), &new.to_datums())?;
        Ok(())
    }

    /// Removes a row that was read.
    ///
    /// # Errors
    /// Those of [`WriteStore::delete`].
    pub fn remove<R: CatalogRow>(&self, id: RowId, old: &R) -> PgResult<()> {
        self.store.delete(catalog_of::<R>(), id, &old.to_datums())
    }

    /// Rows by the leading columns of a system index, with their places.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn find<R: CatalogRow>(&self, index: Oid, key: &[Datum]) -> PgResult<Vec<(RowId, R)>> {
        probe_rows(self.store, index, key)
    }

    /// The row with this OID, which must be there.
    ///
    /// # Errors
    /// `XX000` when it is not; those of reading pages.
    pub fn find_oid<R: CatalogRow>(&self, index: Oid, oid: Oid) -> PgResult<(RowId, R)> {
        self.find(index, &[Datum::Oid(oid)])?
            .pop()
            .ok_or_else(|| PgError::internal(format!("could not find tuple {oid} in {}", R::CATALOG.name)))
    }

    /// Changes the row with this OID.
    ///
    /// # Errors
    /// As for [`Ddl::find_oid`] and [`Ddl::update`].
    pub fn change<R: CatalogRow + Clone>(
        &self,
        index: Oid,
        oid: Oid,
        edit: impl FnOnce(&mut R),
    ) -> PgResult<()> {
        let (id, old) = self.find_oid::<R>(index, oid)?;
        let mut new = old.clone();
        edit(&mut new);
        self.update(id, &old, &new)
    }

    /// Changes the row with this OID where it lies, for everybody and for good; see [`WriteStore::overwrite`].
    ///
    /// # Errors
    /// As for [`Ddl::find_oid`] and [`WriteStore::overwrite`].
    pub fn overwrite<R: CatalogRow + Clone>(
        &self,
        index: Oid,
        oid: Oid,
        edit: impl FnOnce(&mut R),
    ) -> PgResult<()> {
        let (id, old) = self.find_oid::<R>(index, oid)?;
        let mut new = old.clone();
        edit(&mut new);
        self.store.overwrite(catalog_of::<R>(), id, &old.to_datums(), &new.to_datums())
    }

    /// Removes all rows by the leading columns of a system index.
    ///
    /// # Errors
    /// Those of reading and writing pages.
    pub fn remove_all<R: CatalogRow>(&self, index: Oid, key: &[Datum]) -> PgResult<()> {
        for (id, row) in self.find::<R>(index, key)? {
            self.remove(id, &row)?;
        }
        Ok(())
    }

    /// An OID that nothing ever had.
    ///
    /// # Errors
    /// Those of [`WriteStore::allocate_oid`].
    pub fn allocate_oid(&self) -> PgResult<Oid> {
        self.store.allocate_oid()
    }
}

/// A name cut to [`MAX_NAME_BYTES`], between characters.
pub fn truncate_name(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
