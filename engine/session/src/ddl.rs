//! Statements that define objects: what their texts mean, carried out by the catalogs' primitives. A file for
//! each kind of object.

mod acl_update;
mod add_constraint;
mod alter_actions;
mod alter_column;
mod alter_function;
mod alter_settings;
mod alter_table;
mod alter_type;
mod check_constraint;
mod comment;
mod create_function;
mod create_index;
mod create_table;
mod create_table_as;
mod database;
mod database_options;
mod database_settings;
mod default_privileges;
mod dependent_texts;
mod domain;
mod domain_rows;
mod drop;
mod find_object;
mod foreign_key;
mod function_options;
mod function_parameters;
mod grant;
mod identity;
mod index_build;
mod index_columns;
mod index_pair;
mod key_constraint;
mod like;
mod lookup;
mod materialized_view;
mod membership;
mod move_object;
mod new_column;
mod object_names;
mod owned;
mod owner;
mod privilege_names;
mod recreate;
mod reindex;
mod rename;
mod rewrite;
mod role;
mod row_check;
mod row_type;
mod schema;
mod sequence;
mod sequence_options;
mod serial;
mod storage_options;
mod stored_text;
mod truncate;
mod type_definition;
mod view;

pub(crate) use database::database_lock;
pub(crate) use stored_text::canonical_query;

use crate::access::{Access, PG_TEMP};
use crate::session::Session;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{Ident, ObjectName, Persistence};

/// The schema of an object to be made.
pub(crate) struct Place {
    pub namespace: Oid,
    pub name: String,
    /// `pg_class.relpersistence` of a relation that is made there: `p`, `u` or `t`.
    pub persistence: char,
}

impl Session {
    /// Where a new relation goes, and how long it lives: what is made in a temporary schema is temporary.
    ///
    /// # Errors
    /// `3F000` when there is no such schema; `42501`; `42P16` when schema and persistence do not go together.
    pub(crate) fn place_for(
        &self,
        access: &Access<'_>,
        name: &ObjectName,
        persistence: Persistence,
    ) -> PgResult<Place> {
        let wrong = |message: &str| PgError::new(code::INVALID_TABLE_DEFINITION, message);
        let temporary = persistence == Persistence::Temporary;
        let schema = match name.schema() {
            None if temporary => None,
            None => access.creation_namespace()?,
            Some(schema) if schema.as_str() == PG_TEMP => None,
            Some(schema) => {
                Some(access.schema_named(schema.as_str()).map_err(|error| error.at(Some(name.pos())))?)
            }
        };
        let named = |persistence| {
            move |namespace| Place { namespace, name: name.last().name.to_string(), persistence }
        };
        let Some(namespace) = schema.filter(|oid| access.own_temporary_schema() != Some(*oid)) else {
            if persistence == Persistence::Unlogged {
                return Err(wrong("only temporary relations may be created in temporary schemas"));
            }
            return self.temporary_schema(access).map(named('t'));
        };
        if access.is_temporary_schema(namespace)? {
            return Err(wrong("cannot create relations in temporary schemas of other sessions"));
        }
        if temporary {
            return Err(wrong("cannot create temporary relation in non-temporary schema"));
        }
        const PG_CATALOG: Oid = 11;
        if namespace == PG_CATALOG {
            let message = format!("permission denied to create \"pg_catalog.{}\"", name.last().name);
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message)
                .detail("System catalog modifications are currently disallowed."));
        }
        access.check_may_create_in(namespace)?;
        let letter = if persistence == Persistence::Unlogged { 'u' } else { 'p' };
        Ok(named(letter)(namespace))
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

/// Tables are heaps.
pub(crate) fn check_access_method(name: Option<&Ident>) -> PgResult<()> {
    match name {
        Some(name) if name.as_str() != "heap" => {
            Err(PgError::unsupported("table access methods other than heap"))
        }
        _ => Ok(()),
    }
}

/// Whether a type is a domain.
pub(crate) fn is_domain(access: &Access<'_>, type_oid: Oid) -> PgResult<bool> {
    Ok(access.catalog().type_info_must(type_oid)?.typtype == 'd')
}
