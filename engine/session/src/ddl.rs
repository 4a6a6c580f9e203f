//! Statements that define objects: what their texts mean, carried out by the catalogs' primitives. A file for
//! each kind of object.

mod acl_update;
mod add_constraint;
mod alter_column;
mod alter_table;
mod check_constraint;
mod create_index;
mod create_table;
mod drop;
mod find_object;
mod foreign_key;
mod grant;
mod index_build;
mod index_columns;
mod key_constraint;
mod lookup;
mod membership;
mod new_column;
mod object_names;
mod owner;
mod privilege_names;
mod query_references;
mod role;
mod row_check;
mod schema;
mod sequence;
mod sequence_options;
mod serial;
mod storage_options;
mod truncate;
mod view;

use crate::access::Access;
use crate::session::Session;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{Ident, ObjectName};

/// The schema of an object to be made or dropped.
pub(crate) struct Place {
    pub namespace: Oid,
    pub name: String,
}

impl Session {
    /// Where a new relation goes.
    pub(crate) fn place_for(&self, access: &Access<'_>, name: &ObjectName) -> PgResult<Place> {
        let namespace = match name.schema() {
            None => access.creation_namespace()?,
            Some(schema) => match access.catalog().namespace_by_name(schema.as_str())? {
                Some(namespace) => namespace.oid,
                None => {
                    let message = format!("schema \"{}\" does not exist", schema.name);
                    return Err(PgError::new(code::INVALID_SCHEMA_NAME, message).at(Some(name.pos())));
                }
            },
        };
        const PG_CATALOG: Oid = 11;
        if namespace == PG_CATALOG {
            let message = format!("permission denied to create \"pg_catalog.{}\"", name.last().name);
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message)
                .detail("System catalog modifications are currently disallowed."));
        }
        access.check_may_create_in(namespace)?;
        Ok(Place { namespace, name: name.last().name.to_string() })
    }

    /// Tells the client something that it may want to know.
    pub(crate) fn note(&self, code: redoubt_error::SqlState, message: String) {
        self.notices.borrow_mut().push(PgError::report(Severity::Notice, code, message));
    }
}

/// There is one place where data is.
pub(crate) fn check_tablespace(name: Option<&Ident>) -> PgResult<()> {
    match name {
        Some(name) if name.as_str() != "pg_default" => Err(PgError::unsupported("tablespaces")),
        _ => Ok(()),
    }
}

/// Whether a type is a domain.
pub(crate) fn is_domain(access: &Access<'_>, type_oid: Oid) -> PgResult<bool> {
    Ok(access.catalog().type_info_must(type_oid)?.typtype == 'd')
}
