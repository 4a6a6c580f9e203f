//! The `reg*` types: names to OIDs and back along the search path
//! (PostgreSQL's src/backend/utils/adt/regproc.c).

use redoubt_catalog::{CatalogView, quote_identifier};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, RegKind};

/// The text of a `reg*` value; `None` when there is no such object.
pub(crate) fn name(catalog: CatalogView<'_>, path: &[Oid], kind: RegKind, oid: Oid) -> PgResult<Option<String>> {
    match kind {
        RegKind::Class => match catalog.relation_by_oid(oid)? {
            Some(relation) => catalog.relation_name(&relation, path).map(Some),
            None => Ok(None),
        },
        RegKind::Type => match catalog.type_info(oid)? {
            Some(_) => catalog.format_type(oid, None, path).map(Some),
            None => Ok(None),
        },
        RegKind::Namespace => Ok(catalog.namespace_by_oid(oid)?.map(|row| quote_identifier(&row.nspname))),
        RegKind::Role => Ok(catalog.role_by_oid(oid)?.map(|row| quote_identifier(&row.rolname))),
        RegKind::Proc => {
            let Some(proc) = catalog.proc_by_oid(oid)? else { return Ok(None) };
            let all = catalog.procs_by_name(&proc.proname)?;
            let mut visible = all.iter().filter(|other| path.contains(&other.pronamespace));
            // A bare name must find this function and no other.
            let alone = visible.next().is_some_and(|first| first.oid == oid) && visible.next().is_none();
            let schema = (!alone).then_some(proc.pronamespace);
            catalog.quote_in_schema(schema, &proc.proname).map(Some)
        }
        RegKind::Procedure => match catalog.proc_by_oid(oid)? {
            Some(proc) => catalog.function_signature(&proc, path).map(Some),
            None => Ok(None),
        },
        RegKind::Oper => Ok(catalog.operator_by_oid(oid)?.map(|row| row.oprname.to_string())),
        RegKind::Operator => {
            let Some(row) = catalog.operator_by_oid(oid)? else { return Ok(None) };
            let side = |oid: Oid| match oid {
                0 => Ok("NONE".to_string()),
                oid => catalog.format_type(oid, None, path),
            };
            Ok(Some(format!("{}({},{})", row.oprname, side(row.oprleft)?, side(row.oprright)?)))
        }
        RegKind::Collation => {
            let Some(row) = catalog.collation_by_oid(oid)? else { return Ok(None) };
            let all = catalog.collations_by_name(&row.collname)?;
            let first = path.iter().find_map(|schema| all.iter().find(|other| other.collnamespace == *schema));
            let schema = first.is_none_or(|first| first.oid != oid).then_some(row.collnamespace);
            catalog.quote_in_schema(schema, &row.collname).map(Some)
        }
        RegKind::Config | RegKind::Dictionary => Err(PgError::unsupported("names of text search objects")),
    }
}

/// The object that a `reg*` text names; `None` when there is none.
pub(crate) fn lookup(catalog: CatalogView<'_>, path: &[Oid], kind: RegKind, text: &str) -> PgResult<Option<Oid>> {
    if kind == RegKind::Type {
        return type_by_text(catalog, path, text);
    }
    let parts = split_qualified(text)?;
    let (schema, name) = match parts.as_slice() {
        [name] => (None, name.as_str()),
        [schema, name] => (Some(schema.as_str()), name.as_str()),
        _ => {
            let message = format!("improper qualified name (too many dotted names): {text}");
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
    };
    let path = match schema {
        None => path.to_vec(),
        Some(schema) => match catalog.namespace_by_name(schema)? {
            Some(namespace) => vec![namespace.oid],
            None => return Ok(None),
        },
    };
    match kind {
        RegKind::Class => Ok(catalog.relation_in_path(&path, name)?.map(|relation| relation.oid)),
        RegKind::Namespace => Ok(catalog.namespace_by_name(name)?.map(|row| row.oid)),
        RegKind::Role => Ok(catalog.role_by_name(name)?.map(|row| row.oid)),
        RegKind::Proc => {
            let all = catalog.procs_by_name(name)?;
            let mut found = all.iter().filter(|proc| path.contains(&proc.pronamespace));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(PgError::new(
                    code::AMBIGUOUS_FUNCTION,
                    format!("more than one function named \"{text}\""),
                )),
                (found, _) => Ok(found.map(|proc| proc.oid)),
            }
        }
        RegKind::Collation => {
            let all = catalog.collations_by_name(name)?;
            Ok(path.iter().find_map(|schema| all.iter().find(|row| row.collnamespace == *schema)).map(|row| row.oid))
        }
        RegKind::Type => unreachable!("types were handled above"),
        RegKind::Procedure | RegKind::Oper | RegKind::Operator | RegKind::Config | RegKind::Dictionary => {
            Err(PgError::unsupported("input of this reg type"))
        }
    }
}

/// A type as `regtype` input has it: any spelling that SQL allows.
fn type_by_text(catalog: CatalogView<'_>, path: &[Oid], text: &str) -> PgResult<Option<Oid>> {
    let parsed = redoubt_sql::parse_type_name(text)?;
    let name = parsed.name.last();
    let found = match parsed.name.schema() {
        None => catalog.type_in_path(path, &name.name)?,
        Some(schema) => match catalog.namespace_by_name(&schema.name)? {
            Some(namespace) => catalog.type_by_name(namespace.oid, &name.name)?,
            None => None,
        },
    };
    match found {
        Some(found) if parsed.array_bounds.is_empty() => Ok(Some(found.oid)),
        Some(found) => catalog.array_type(found.oid),
        None => Ok(None),
    }
}

/// Splits `a."B".c` into its parts, folding what is not quoted.
fn split_qualified(text: &str) -> PgResult<Vec<String>> {
    let invalid = || PgError::new(code::INVALID_NAME, "invalid name syntax");
    crate::settings::split_names(text, '.').filter(|parts| !parts.is_empty()).ok_or_else(invalid)
}
