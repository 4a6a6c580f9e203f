//! What the names in statements stand for.

use crate::access::Access;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::ObjectName;
use std::sync::Arc;

impl Access<'_> {
    /// The relation of this name, if there is one; a schema that does not exist has none.
    ///
    /// # Errors
    /// `0A000` for a name in another database; those of reading pages.
    pub(crate) fn find_relation(&self, name: &ObjectName) -> PgResult<Option<Arc<Relation>>> {
        self.check_database_of(name)?;
        let catalog = self.catalog();
        match name.schema() {
            None => catalog.relation_in_path(&self.path, name.last().as_str()),
            Some(schema) => match self.schema_oid(schema.as_str())? {
                Some(namespace) => {
                    self.check_schema_usage(namespace)?;
                    catalog.relation_by_name(namespace, name.last().as_str())
                }
                None => Ok(None),
            },
        }
    }

    /// The relation of this name.
    ///
    /// # Errors
    /// `42P01` when there is none, `3F000` when there is no such schema.
    pub(crate) fn relation_named(&self, name: &ObjectName) -> PgResult<Arc<Relation>> {
        if let Some(relation) = self.find_relation(name)? {
            return Ok(relation);
        }
        if let Some(schema) = name.schema() {
            self.schema_named(schema.as_str())?;
        }
        let name = relation_words(name);
        Err(PgError::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")))
    }

    /// The relation with this OID, which must be there.
    pub(crate) fn relation_by_oid(&self, oid: Oid) -> PgResult<Arc<Relation>> {
        let found = self.catalog().relation_by_oid(oid)?;
        found.ok_or_else(|| PgError::internal(format!("could not open relation with OID {oid}")))
    }

    /// The schema of this name.
    ///
    /// # Errors
    /// `3F000` when there is none.
    pub(crate) fn schema_named(&self, name: &str) -> PgResult<Oid> {
        self.schema_oid(name)?.ok_or_else(|| {
            PgError::new(code::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
        })
    }

    fn check_database_of(&self, name: &ObjectName) -> PgResult<()> {
        match name.catalog() {
            Some(database) if database.as_str() != self.database_name() => {
                let name = name.dotted();
                Err(PgError::new(
                    code::FEATURE_NOT_SUPPORTED,
                    format!("cross-database references are not implemented: \"{name}\""),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// A relation's name in messages: with its schema if one was said.
pub(crate) fn relation_words(name: &ObjectName) -> String {
    match name.schema() {
        Some(schema) => format!("{}.{}", schema.name, name.last().name),
        None => name.last().name.to_string(),
    }
}

/// The detail of an error about a relation of a kind that an operation is not for.
pub(crate) fn not_for(kind: char) -> String {
    let kinds = match kind {
        'r' => "tables",
        'i' => "indexes",
        'S' => "sequences",
        't' => "TOAST tables",
        'v' => "views",
        'm' => "materialized views",
        'c' => "composite types",
        'f' => "foreign tables",
        'p' => "partitioned tables",
        _ => "partitioned indexes",
    };
    format!("This operation is not supported for {kinds}.")
}

/// What messages call a relation of a kind.
pub(crate) fn kind_word(kind: char) -> &'static str {
    match kind {
        'S' => "sequence",
        'i' | 'I' => "index",
        'v' => "view",
        'm' => "materialized view",
        'c' => "type",
        'f' => "foreign table",
        _ => "table",
    }
}
