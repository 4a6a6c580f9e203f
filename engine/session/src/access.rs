//! One statement's way to catalogs and tables: a snapshot, the catalogs under it, the environment.

use crate::env::StatementEnv;
use crate::session::{Session, SessionFacts};
use redoubt_access::TableId;
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::{CatalogView, PageStore};
use redoubt_error::{PgError, PgResult};
use redoubt_exec::{OpenTable, Relations};
use redoubt_functions::Oid;
use redoubt_txn::{Isolation, Snapshot};
use std::sync::Arc;

/// `pg_namespace.oid` of `pg_catalog`.
pub(crate) const PG_CATALOG: Oid = 11;
/// What a session calls its own temporary schema.
pub(crate) const PG_TEMP: &str = "pg_temp";

/// Everything that a statement reads through; borrowed from the session while it runs.
pub(crate) struct Access<'a> {
    pub(crate) session: &'a Session,
    store: PageStore<'a>,
    /// Rows are read as of this.
    pub snapshot: Snapshot,
    /// Catalogs are read as of now, whatever the isolation level: an older state of them with the
    /// transaction's own changes on top would contradict itself.
    catalog_snapshot: Snapshot,
    pub path: Vec<Oid>,
    /// Where unqualified new objects go.
    creation: Creation,
    /// The session's temporary schema, if it has one.
    pub(crate) temporary_schema: Option<Oid>,
}

/// The first schema that `search_path` names.
#[derive(Clone, Copy)]
enum Creation {
    Nowhere,
    Schema(Oid),
    /// `pg_temp`, which may not be there yet.
    Temporary,
}

impl<'a> Access<'a> {
    /// As of a snapshot. The session must be in a transaction.
    pub(crate) fn new(session: &'a Session, snapshot: Snapshot) -> PgResult<Access<'a>> {
        let catalog_snapshot = session.txn().latest_snapshot()?;
        Access::with(session, snapshot, catalog_snapshot)
    }

    fn with(session: &'a Session, snapshot: Snapshot, catalog_snapshot: Snapshot) -> PgResult<Access<'a>> {
        let store = PageStore::new(
            &session.facts.instance.engine,
            &session.facts.instance.catalog,
            &session.catalog,
            session.txn(),
            &catalog_snapshot,
        );
        let mut access = Access {
            session,
            store,
            snapshot,
            catalog_snapshot,
            path: Vec::new(),
            creation: Creation::Nowhere,
            temporary_schema: None,
        };
        access.find_schemas()?;
        Ok(access)
    }

    /// As of now: what a new statement sees.
    pub(crate) fn current(session: &'a Session) -> PgResult<Access<'a>> {
        let snapshot = session.txn().statement_snapshot()?;
        match session.txn().isolation() {
            // The statement's snapshot is the latest there is.
            Isolation::ReadCommitted => Access::with(session, snapshot.clone(), snapshot),
            Isolation::RepeatableRead => Access::new(session, snapshot),
        }
    }

    /// The rows of the catalogs, to read and to change.
    pub(crate) fn store(&self) -> &PageStore<'a> {
        &self.store
    }

    /// The catalogs.
    pub(crate) fn catalog(&self) -> CatalogView<'_> {
        self.session.catalog.view_of(&self.store, self.catalog_snapshot.lsn())
    }

    pub(crate) fn engine(&self) -> &std::sync::Arc<redoubt_access::Engine> {
        &self.session.facts.instance.engine
    }

    /// What functions may know about the session.
    pub(crate) fn facts(&self) -> &SessionFacts {
        &self.session.facts
    }

    /// The name of the session's database.
    pub(crate) fn database_name(&self) -> &str {
        &self.session.facts.database_name
    }

    /// What functions see.
    pub(crate) fn env(&self) -> StatementEnv<'_> {
        StatementEnv {
            session: self.session,
            access: self,
            facts: &self.session.facts,
            catalog: self.catalog(),
            path: &self.path,
            formats: self.session.settings.formats().clone(),
            random: &self.session.random,
            notices: &self.session.notices,
        }
    }

    /// A relation that the caller knows to be there.
    pub(crate) fn relation(&self, oid: Oid) -> PgResult<Arc<redoubt_catalog::Relation>> {
        let found = self.catalog().relation_by_oid(oid)?;
        found.ok_or_else(|| PgError::internal(format!("could not open relation with OID {oid}")))
    }

    /// Whether the snapshot that rows are read with is younger than an index.
    pub(crate) fn sees_index(&self, index: Oid) -> PgResult<bool> {
        if self.session.txn().isolation() == Isolation::ReadCommitted {
            return Ok(true);
        }
        // The transaction's own changes show in every state of the catalogs; the index may be one of them.
        if self.session.catalog.has_changes() {
            return Ok(false);
        }
        let store = PageStore::new(
            &self.session.facts.instance.engine,
            &self.session.facts.instance.catalog,
            &self.session.catalog,
            self.session.txn(),
            &self.snapshot,
        );
        let view = self.session.catalog.view_of(&store, self.snapshot.lsn());
        let key = [redoubt_functions::Datum::Oid(index)];
        let rows: Vec<redoubt_catalog::rows::PgIndex> =
            view.probe(redoubt_catalog::index_oids::INDEX_INDEXRELID, &key)?;
        Ok(!rows.is_empty())
    }

    /// Makes the search path of the schemas of `search_path` that exist, `pg_catalog` first unless it is named, and
    /// the temporary schema before it.
    fn find_schemas(&mut self) -> PgResult<()> {
        let mut path = Vec::new();
        let mut creation = Creation::Nowhere;
        if let Some(schema) = self.session.schema_in_making.get() {
            path.push(schema);
            creation = Creation::Schema(schema);
        }
        let temporary = match self.session.temporary.schema_name() {
            Some(name) => self.catalog().namespace_by_name(&name)?.map(|row| row.oid),
            None => None,
        };
        self.temporary_schema = temporary;
        for name in self.session.settings.search_path().iter() {
            let name = if name == "$user" { &*self.session.facts.current_user } else { name.as_str() };
            if name == PG_TEMP {
                if matches!(creation, Creation::Nowhere) {
                    creation = Creation::Temporary;
                }
                path.extend(temporary.filter(|oid| !path.contains(oid)));
                continue;
            }
            if let Some(namespace) = self.catalog().namespace_by_name(name)?
                && !path.contains(&namespace.oid)
                && self.may_use_schema(&namespace)?
            {
                path.push(namespace.oid);
                if matches!(creation, Creation::Nowhere) && namespace.oid != PG_CATALOG {
                    creation = Creation::Schema(namespace.oid);
                }
            }
        }
        if !path.contains(&PG_CATALOG) {
            path.insert(0, PG_CATALOG);
        }
        if let Some(temporary) = temporary.filter(|oid| !path.contains(oid)) {
            path.insert(0, temporary);
        }
        self.path = path;
        self.creation = creation;
        Ok(())
    }

    /// The schemas of a list that exist and may be used, as a function with a search path of its own has them.
    pub(crate) fn path_of(&self, names: &[String]) -> PgResult<Vec<Oid>> {
        let mut path = Vec::new();
        for name in names {
            let name = if name == "$user" { &*self.session.facts.current_user } else { name.as_str() };
            let found = match name {
                PG_TEMP => self.temporary_schema,
                _ => match self.catalog().namespace_by_name(name)? {
                    Some(namespace) if self.may_use_schema(&namespace)? => Some(namespace.oid),
                    _ => None,
                },
            };
            path.extend(found.filter(|oid| !path.contains(oid)));
        }
        if !path.contains(&PG_CATALOG) {
            path.insert(0, PG_CATALOG);
        }
        if let Some(temporary) = self.temporary_schema.filter(|oid| !path.contains(oid)) {
            path.insert(0, temporary);
        }
        Ok(path)
    }

    /// The schema of this name, if there is one; `pg_temp` is the session's own.
    pub(crate) fn schema_oid(&self, name: &str) -> PgResult<Option<Oid>> {
        if name == PG_TEMP && self.temporary_schema.is_some() {
            return Ok(self.temporary_schema);
        }
        Ok(self.catalog().namespace_by_name(name)?.map(|row| row.oid))
    }

    fn may_use_schema(&self, schema: &redoubt_catalog::rows::PgNamespace) -> PgResult<bool> {
        self.may_in_schema(schema, Privileges::USAGE)
    }

    fn may_in_schema(
        &self,
        schema: &redoubt_catalog::rows::PgNamespace,
        privilege: Privileges,
    ) -> PgResult<bool> {
        let facts = &self.session.facts;
        // A session may do in its own temporary schema what it was allowed to have it for.
        if self.temporary_schema == Some(schema.oid) {
            return Ok(true);
        }
        Ok(facts.superuser || self.role_may_in_schema(facts.user_oid, schema, privilege)?)
    }

    /// Whether a role may do something in a schema.
    pub(crate) fn role_may_in_schema(
        &self,
        role: Oid,
        schema: &redoubt_catalog::rows::PgNamespace,
        privilege: Privileges,
    ) -> PgResult<bool> {
        let acl = schema.nspacl.as_ref();
        let held = self.catalog().privileges(role, AclObject::Schema, schema.nspowner, acl)?;
        Ok(held.contains(privilege))
    }

    /// Whether the current role may look up objects in a schema.
    ///
    /// # Errors
    /// `42501` when it may not.
    pub(crate) fn check_schema_usage(&self, schema: Oid) -> PgResult<()> {
        self.check_in_schema(schema, Privileges::USAGE)
    }

    /// Whether the current role may make objects in a schema.
    ///
    /// # Errors
    /// `42501` when it may not.
    pub(crate) fn check_may_create_in(&self, schema: Oid) -> PgResult<()> {
        self.check_in_schema(schema, Privileges::CREATE)
    }

    /// Whether a schema holds the temporary objects of some session.
    pub(crate) fn is_temporary_schema(&self, schema: Oid) -> PgResult<bool> {
        let row = self.catalog().namespace_by_oid(schema)?;
        Ok(row.is_some_and(|row| row.nspname.starts_with("pg_temp_")))
    }

    fn check_in_schema(&self, schema: Oid, privilege: Privileges) -> PgResult<()> {
        if self.session.facts.superuser {
            return Ok(());
        }
        match self.catalog().namespace_by_oid(schema)? {
            Some(row) if !self.may_in_schema(&row, privilege)? => Err(PgError::new(
                redoubt_error::code::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for schema {}", row.nspname),
            )),
            _ => Ok(()),
        }
    }

    /// Where unqualified new objects go: the first schema of the path that was named; `None` is the temporary one.
    pub(crate) fn creation_namespace(&self) -> PgResult<Option<Oid>> {
        match self.creation {
            Creation::Schema(oid) => Ok(Some(oid)),
            Creation::Temporary => Ok(None),
            Creation::Nowhere => Err(PgError::new(
                redoubt_error::code::UNDEFINED_SCHEMA,
                "no schema has been selected to create in",
            )),
        }
    }
}

impl Relations for Access<'_> {
    fn open(&self, relid: Oid) -> PgResult<OpenTable> {
        let catalog = self.catalog();
        let relation = catalog
            .relation_by_oid(relid)?
            .ok_or_else(|| PgError::internal(format!("could not open relation with OID {relid}")))?;
        let schema: Arc<str> = catalog
            .namespace_by_oid(relation.namespace)?
            .map_or_else(|| "".into(), |row| row.nspname.clone());
        let fillfactor = relation.option("fillfactor").and_then(|text| text.parse().ok()).unwrap_or(100);
        let database = if relation.class.relisshared { 0 } else { self.session.facts.database };
        let table = TableId { database, relation: relid };
        Ok(OpenTable {
            heap: self.session.facts.instance.engine.heap(relation.node, table)?,
            name: relation.name.clone(),
            schema,
            fillfactor,
        })
    }

    fn plan_internal(&self, text: &str, param_types: &[Oid]) -> PgResult<Arc<redoubt_plan::Plan>> {
        self.session.internal_plan(text, param_types)
    }
}
