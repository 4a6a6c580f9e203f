//! Functions, operators, casts, aggregates and languages.

use super::CatalogView;
use crate::cache::{KeyRef, Lookup};
use crate::index_oids as index;
use crate::rows::{PgAggregate, PgCast, PgLanguage, PgOperator, PgProc};
use crate::store::probe_one;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

impl CatalogView<'_> {
    /// The function with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn proc_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgProc>>> {
        self.row(KeyRef::oid(Lookup::ProcByOid, oid), index::PROC_OID, &[Datum::Oid(oid)])
    }

    /// All functions of this name, in all schemas.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn procs_by_name(&self, name: &str) -> PgResult<Arc<Vec<Arc<PgProc>>>> {
        self.list(KeyRef::name(Lookup::ProcsByName, 0, name), index::PROC_NAME, &[Datum::text(name)])
    }

    /// What makes a function an aggregate.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn aggregate(&self, proc: Oid) -> PgResult<Option<Arc<PgAggregate>>> {
        self.row(KeyRef::oid(Lookup::AggregateByProc, proc), index::AGGREGATE_FNOID, &[Datum::Oid(proc)])
    }

    /// The operator with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn operator_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgOperator>>> {
        self.row(KeyRef::oid(Lookup::OperatorByOid, oid), index::OPERATOR_OID, &[Datum::Oid(oid)])
    }

    /// All operators of this name, in all schemas, prefix ones included (`oprleft` 0).
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn operators_by_name(&self, name: &str) -> PgResult<Arc<Vec<Arc<PgOperator>>>> {
        let key = KeyRef::name(Lookup::OperatorsByName, 0, name);
        self.list(key, index::OPERATOR_NAME, &[Datum::text(name)])
    }

    /// The cast between two types; domains and binary-compatible pseudo-types are the caller's
    /// business.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn cast(&self, source: Oid, target: Oid) -> PgResult<Option<Arc<PgCast>>> {
        let key = KeyRef::pair(Lookup::CastByTypes, source, target);
        self.row(key, index::CAST_SOURCE_TARGET, &[Datum::Oid(source), Datum::Oid(target)])
    }

    /// The language with this OID.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn language_by_oid(&self, oid: Oid) -> PgResult<Option<Arc<PgLanguage>>> {
        self.row(KeyRef::oid(Lookup::LanguageByOid, oid), index::LANGUAGE_OID, &[Datum::Oid(oid)])
    }

    /// The language with this name.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn language_by_name(&self, name: &str) -> PgResult<Option<Arc<PgLanguage>>> {
        let oid = self.oid(KeyRef::name(Lookup::LanguageByName, 0, name), |store| {
            let row: Option<PgLanguage> = probe_one(store, index::LANGUAGE_NAME, &[Datum::text(name)])?;
            Ok(row.map(|row| row.oid))
        })?;
        oid.map_or(Ok(None), |oid| self.language_by_oid(oid))
    }
}
