//! Statements that define objects: what their texts mean, carried out by the catalogs' primitives. A file for
//! each kind of object.

mod create_table;
mod drop;
mod find_object;
mod object_names;
mod owner;
mod query_references;
mod schema;
mod sequence;
mod sequence_options;
mod view;

use crate::access::Access;
use crate::session::Session;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::ObjectName;

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
        Ok(Place { namespace, name: name.last().name.to_string() })
    }

    /// Tells the client something that it may want to know.
    pub(crate) fn note(&self, code: redoubt_error::SqlState, message: String) {
        self.notices.borrow_mut().push(PgError::report(Severity::Notice, code, message));
    }
}
