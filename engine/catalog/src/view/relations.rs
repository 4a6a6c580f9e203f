//! Schemas, relations, indexes and constraints by OID and by name.

use super::CatalogView;
use crate::cache::{KeyRef, Lookup};
use crate::index_oids as index;
use crate::relation::{Index, Relation};
use crate::rows::{PgClass, PgConstraint, PgInherits, PgNamespace};
use crate::store::{probe_list, probe_one};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

impl CatalogView<'_> {
    /// The schema with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn namespace_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgNamespace>>> {
        let key = KeyRef::oid(Lookup::NamespaceByOid, oid);
        self.row(key, index::NAMESPACE_OID, &[Datum::Oid(oid)])
    }

    /// The schema with this name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn namespace_by_name(&self, name: &str) -> PgResult<Option<Arc<PgNamespace>>> {
        let key = KeyRef::name(Lookup::NamespaceByName, 0, name);
        let oid = self.oid(key, |store| {
            let row: Option<PgNamespace> = probe_one(store, index::NAMESPACE_NAME, &[Datum::text(name)])?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.namespace_by_oid(oid))
    }

    /// The relation with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn relation_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<Relation>>> {
        let key = KeyRef::oid(Lookup::RelationByOid, oid);
        self.object(key, |store| Relation::load(store, self.database(), oid))
    }

    /// The relation of this name in this schema.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn relation_by_name(&self, schema: Oid, name: &str) -> PgResult<Option<Arc<Relation>>> {
        let oid = self.relation_oid(schema, name)?;
        oid.map_or(Ok(None), |oid| self.relation_by_oid(oid))
    }

    /// The OID of the relation of this name in this schema.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn relation_oid(&self, schema: Oid, name: &str) -> PgResult<Option<Oid>> {
        self.oid(KeyRef::name(Lookup::RelationByName, schema, name), |store| {
            let key = [Datum::text(name), Datum::Oid(schema)];
            let row: Option<PgClass> = probe_one(store, index::CLASS_NAME, &key)?;
            Ok(row.map(|row| row.oid))
        })
    }

    /// The first relation of this name in the schemas of `path`, in order.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn relation_in_path(&self, path: &[Oid], name: &str) -> PgResult<Option<Arc<Relation>>> {
        for schema in path {
            if let Some(oid) = self.relation_oid(*schema, name)? {
                return self.relation_by_oid(oid);
            }
        }
        Ok(None)
    }

    /// Whether the relation's bare name finds it along `path`.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn relation_is_visible(&self, path: &[Oid], relation: &Relation) -> PgResult<bool> {
        for schema in path {
            if let Some(oid) = self.relation_oid(*schema, &relation.name)? {
                return Ok(oid == relation.oid);
            }
        }
        Ok(false)
    }

    /// Whether the catalogs still describe the relation as `known` does: nothing in it changed.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn is_current(&self, known: &Arc<Relation>) -> PgResult<bool> {
        Ok(self.relation_by_oid(known.oid)?.is_some_and(|now| Arc::ptr_eq(&now, known)))
    }

    /// The index with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn index_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<Index>>> {
        let key = KeyRef::oid(Lookup::IndexByOid, oid);
        self.object(key, |store| Index::load(store, self.database(), oid))
    }

    /// All indexes of a relation, in order of OID.
    ///
    /// # Errors
    /// Those of reading pages; `XX000` when one has gone, which its table's lock forbids.
    pub fn indexes_of(&self, relation: &Relation) -> PgResult<Vec<Arc<Index>>> {
        let find = |oid: &Oid| {
            let missing = || PgError::internal(format!("cache lookup failed for index {oid}"));
            self.index_by_oid(*oid)?.ok_or_else(missing)
        };
        relation.indexes.iter().map(find).collect()
    }

    /// The constraint with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn constraint_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgConstraint>>> {
        let key = KeyRef::oid(Lookup::ConstraintByOid, oid);
        self.row(key, index::CONSTRAINT_OID, &[Datum::Oid(oid)])
    }

    /// Tables that inherit from, or are partitions of, this one; direct children only, in order of OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn children_of(&self, parent: Oid) -> PgResult<Arc<Vec<Arc<PgInherits>>>> {
        let found = self.object(KeyRef::oid(Lookup::ChildrenByParent, parent), |store| {
            let mut rows: Vec<PgInherits> = probe_list(store, index::INHERITS_PARENT, &[Datum::Oid(parent)])?;
            rows.sort_unstable_by_key(|row| row.inhrelid);
            Ok(Some(rows.into_iter().map(Arc::new).collect::<Vec<_>>()))
        })?;
        Ok(found.expect("a list is never absent"))
    }
}
