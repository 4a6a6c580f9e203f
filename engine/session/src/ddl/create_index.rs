//! CREATE INDEX.

use super::index_columns::IndexColumns;
use super::storage_options::btree_options;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewIndex};
use redoubt_catalog::{BTREE, Relation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::CreateIndex;
use redoubt_txn::LockMode;

/// The most columns an index may have (PostgreSQL's `INDEX_MAX_KEYS`).
const MAX_INDEX_COLUMNS: usize = 32;

impl Session {
    /// Makes an index, and fills it before anybody can see it.
    pub(crate) fn create_index(&mut self, create: &CreateIndex) -> PgResult<()> {
        if create.concurrently {
            return Err(PgError::unsupported("CREATE INDEX CONCURRENTLY"));
        }
        self.ensure_transaction()?;
        self.make_index(create).map(|_| ())
    }

    /// Makes an index in a transaction that runs, and gives its OID; none if IF NOT EXISTS found one.
    pub(crate) fn make_index(&self, create: &CreateIndex) -> PgResult<Option<Oid>> {
        // Readers go on; writers wait until the index is there for all.
        let table = self.lock_existing(&create.relation.name, LockMode::Share)?;
        let access = Access::current(self)?;
        check_indexable(&table)?;
        self.check_owner(&access, &table)?;
        self.check_method(&access, create)?;
        super::check_tablespace(create.tablespace.as_ref())?;
        check_column_count(create.columns.len() + create.include.len())?;
        let columns = IndexColumns::resolve(
            &access,
            &table,
            &create.columns,
            &create.include,
            create.where_clause.as_ref(),
        )?;
        let name = match &create.name {
            Some(name) => name.name.to_string(),
            None => {
                let addition = columns.name_addition();
                let catalog = access.catalog();
                catalog.choose_relation_name(&table.name, Some(&addition), "idx", table.namespace, false)?
            }
        };
        if create.if_not_exists && access.catalog().relation_oid(table.namespace, &name)?.is_some() {
            self.note(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists, skipping"));
            return Ok(None);
        }
        let new = NewIndex {
            unique: create.unique,
            nulls_not_distinct: create.nulls_not_distinct,
            options: btree_options(None, &create.options)?,
            ..new_index(name, table.oid, columns)
        };
        let oid = Ddl::new(access.store(), &access.path).create_index(&new, None)?;
        self.build_index(table.oid, oid)?;
        Ok(Some(oid))
    }

    fn check_method(&self, access: &Access<'_>, create: &CreateIndex) -> PgResult<()> {
        let Some(method) = &create.method else { return Ok(()) };
        // `rtree` was another name of GiST once.
        let name = if method.as_str() == "rtree" { "gist" } else { method.as_str() };
        match access.catalog().access_method_by_name(name)? {
            Some(row) if row.oid == BTREE => Ok(()),
            Some(row) if row.amtype == 'i' => {
                Err(PgError::unsupported(format!("index access method \"{name}\"")))
            }
            _ => {
                let message = format!("access method \"{name}\" does not exist");
                Err(PgError::new(code::UNDEFINED_OBJECT, message))
            }
        }
    }
}

/// A plain B-tree index over resolved columns.
pub(crate) fn new_index(name: String, table: Oid, columns: IndexColumns) -> NewIndex {
    NewIndex {
        key_columns: columns.key_columns,
        predicate: columns.predicate,
        expression_columns: columns.references.columns,
        referenced: columns.references.objects,
        ..NewIndex::btree(name, table, columns.columns)
    }
}

/// Which kinds of relation have indexes.
pub(crate) fn check_indexable(table: &Relation) -> PgResult<()> {
    let what = match table.kind {
        'r' | 'm' => return Ok(()),
        'p' => return Err(PgError::unsupported("indexes of partitioned tables")),
        'v' => "views",
        'i' | 'I' => "indexes",
        'S' => "sequences",
        'c' => "composite types",
        'f' => "foreign tables",
        _ => "TOAST tables",
    };
    let message = format!("cannot create index on relation \"{}\"", table.name);
    Err(PgError::new(code::WRONG_OBJECT_TYPE, message)
        .detail(format!("This operation is not supported for {what}.")))
}

/// The limit on columns.
pub(crate) fn check_column_count(all: usize) -> PgResult<()> {
    if all <= MAX_INDEX_COLUMNS {
        return Ok(());
    }
    let message = format!("cannot use more than {MAX_INDEX_COLUMNS} columns in an index");
    Err(PgError::new(code::TOO_MANY_COLUMNS, message))
}
