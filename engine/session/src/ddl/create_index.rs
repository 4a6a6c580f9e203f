//! CREATE INDEX.

use super::index_columns::IndexColumns;
use super::storage_options::index_options;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{Ddl, NewIndex};
use redoubt_catalog::{GIST, IndexMethod, Relation};
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
        super::check_tablespace(create.tablespace.as_ref())?;
        check_column_count(create.columns.len() + create.include.len())?;
        let method = method_of(&access, create)?;
        let columns = IndexColumns::resolve(&access, &table, method, create)?;
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
            method: method.oid,
            options: index_options(method.oid, None, &create.options)?,
            ..new_index(name, table.oid, columns)
        };
        let oid = Ddl::new(access.store(), &access.path).create_index(&new, None)?;
        self.build_index(table.oid, oid)?;
        Ok(Some(oid))
    }
}

/// The access method of an index to be made, which can do what is asked of it.
fn method_of(access: &Access<'_>, create: &CreateIndex) -> PgResult<&'static IndexMethod> {
    // `rtree` was another name of GiST once.
    let name = match create.method.as_ref().map_or("btree", |method| method.as_str()) {
        "rtree" => "gist",
        name => name,
    };
    let row = access.catalog().access_method_by_name(name)?;
    let method = row.as_ref().filter(|row| row.amtype == 'i').and_then(|row| IndexMethod::by_oid(row.oid));
    let Some(method) = method else {
        let (code, message) = match row {
            Some(row) if row.amtype != 'i' => {
                (code::WRONG_OBJECT_TYPE, format!("access method \"{name}\" is not of type INDEX"))
            }
            _ => (code::UNDEFINED_OBJECT, format!("access method \"{name}\" does not exist")),
        };
        return Err(PgError::new(code, message));
    };
    let lacks = [
        (create.unique && !method.can_be_unique, "unique indexes"),
        (!create.include.is_empty() && !method.can_include, "included columns"),
        (create.columns.len() > 1 && !method.can_have_columns, "multicolumn indexes"),
    ];
    if let Some((_, what)) = lacks.iter().find(|(lacks, _)| *lacks) {
        return Err(method_lacks(name, what));
    }
    if method.kind().is_none() {
        return Err(PgError::unsupported(format!("index access method \"{name}\"")));
    }
    if method.oid == GIST && !create.include.is_empty() {
        return Err(PgError::unsupported("INCLUDE in GiST indexes"));
    }
    Ok(method)
}

/// `0A000` in PostgreSQL's words.
pub(crate) fn method_lacks(name: &str, what: &str) -> PgError {
    PgError::new(code::FEATURE_NOT_SUPPORTED, format!("access method \"{name}\" does not support {what}"))
}

/// A plain index over resolved columns, a B-tree unless the caller says otherwise.
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
