//! WITH (...) of tables and indexes: which parameters there are, and what values they take
//! (PostgreSQL's reloptions.c).
//!
//! A parameter is taken only if it is obeyed, or if nothing there is could go against it: rows are never frozen (their
//! transaction numbers have 64 bits), no statement runs in parallel workers. Values that would ask for more are refused
//! with 0A000.

use redoubt_catalog::{GIST, HASH};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, parse_bool};
use redoubt_sql::tree::DefElem;
use std::sync::Arc;

/// What a parameter's value must be.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Int(i64, i64),
    Real(f64, f64),
    OneOf(&'static [&'static str]),
    /// As the kind says, but only these values are what happens.
    Only(&'static Kind, &'static [&'static str]),
}

/// Lowest value of `autovacuum_vacuum_insert_threshold` and `log_autovacuum_min_duration`: never.
const NEVER: &[&str] = &["-1"];
const OFF: &[&str] = &["off", "false", "no", "0"];
const CLEANUP: Kind = Kind::OneOf(&["auto", "on", "off", "true", "false", "yes", "no", "1", "0"]);

const TABLE: &[(&str, Kind)] = &[
    ("fillfactor", Kind::Int(10, 100)),
    ("toast_tuple_target", Kind::Only(&Kind::Int(128, 8160), &[])),
    ("parallel_workers", Kind::Int(0, 1024)),
    ("user_catalog_table", Kind::Only(&Kind::Bool, OFF)),
    ("vacuum_index_cleanup", Kind::Only(&CLEANUP, &["auto", "on", "true", "yes", "1"])),
    ("vacuum_truncate", Kind::Bool),
    ("autovacuum_enabled", Kind::Bool),
    ("autovacuum_vacuum_threshold", Kind::Int(0, i32::MAX as i64)),
    ("autovacuum_vacuum_insert_threshold", Kind::Int(-1, i32::MAX as i64)),
    ("autovacuum_analyze_threshold", Kind::Int(0, i32::MAX as i64)),
    // Vacuum is not slowed down by what it costs, so that the limit of that cost never comes into play.
    ("autovacuum_vacuum_cost_limit", Kind::Int(1, 10000)),
    ("autovacuum_vacuum_cost_delay", Kind::Only(&Kind::Real(0.0, 100.0), &["0"])),
    ("autovacuum_vacuum_scale_factor", Kind::Real(0.0, 100.0)),
    ("autovacuum_vacuum_insert_scale_factor", Kind::Real(0.0, 100.0)),
    ("autovacuum_analyze_scale_factor", Kind::Real(0.0, 100.0)),
    ("autovacuum_freeze_min_age", Kind::Int(0, 1_000_000_000)),
    ("autovacuum_freeze_max_age", Kind::Int(100_000, 2_000_000_000)),
    ("autovacuum_freeze_table_age", Kind::Int(0, 2_000_000_000)),
    ("autovacuum_multixact_freeze_min_age", Kind::Int(0, 1_000_000_000)),
    ("autovacuum_multixact_freeze_max_age", Kind::Int(10_000, 2_000_000_000)),
    ("autovacuum_multixact_freeze_table_age", Kind::Int(0, 2_000_000_000)),
    ("log_autovacuum_min_duration", Kind::Only(&Kind::Int(-1, i32::MAX as i64), NEVER)),
];

const BTREE_OPTIONS: &[(&str, Kind)] =
    &[("fillfactor", Kind::Int(10, 100)), ("deduplicate_items", Kind::Bool)];
/// An index is built by insertions; to buffer them or not leaves no trace.
const GIST_OPTIONS: &[(&str, Kind)] =
    &[("fillfactor", Kind::Int(10, 100)), ("buffering", Kind::OneOf(&["on", "off", "auto"]))];
const HASH_OPTIONS: &[(&str, Kind)] = &[("fillfactor", Kind::Int(10, 100))];

/// Parameters that TOAST tables have as well.
fn is_toast_option(name: &str) -> bool {
    name.starts_with("autovacuum_") && !name.contains("analyze")
        || matches!(name, "vacuum_index_cleanup" | "vacuum_truncate" | "log_autovacuum_min_duration")
}

/// `reloptions` of a table: those before, overridden by the new ones.
///
/// # Errors
/// `22023` for what is no parameter, or a value that it cannot have.
pub(crate) fn table_options(
    before: Option<&[Arc<str>]>,
    options: &[DefElem],
) -> PgResult<Option<Vec<Arc<str>>>> {
    merged(before, options, TABLE)
}

/// `reloptions` of an index with this access method.
///
/// # Errors
/// As for [`table_options`].
pub(crate) fn index_options(
    method: Oid,
    before: Option<&[Arc<str>]>,
    options: &[DefElem],
) -> PgResult<Option<Vec<Arc<str>>>> {
    let known = match method {
        HASH => HASH_OPTIONS,
        GIST => GIST_OPTIONS,
        _ => BTREE_OPTIONS,
    };
    merged(before, options, known)
}

/// `reloptions` without some parameters.
pub(crate) fn without(before: Option<&[Arc<str>]>, options: &[DefElem]) -> Option<Vec<Arc<str>>> {
    let gone = |option: &str| options.iter().any(|reset| has_name(option, reset.name.as_str()));
    let left: Vec<Arc<str>> =
        before.unwrap_or_default().iter().filter(|option| !gone(option)).cloned().collect();
    (!left.is_empty()).then_some(left)
}

fn has_name(option: &str, name: &str) -> bool {
    option.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
}

fn merged(
    before: Option<&[Arc<str>]>,
    options: &[DefElem],
    known: &[(&str, Kind)],
) -> PgResult<Option<Vec<Arc<str>>>> {
    let mut all = without(before, options).unwrap_or_default();
    let mut given: Vec<&str> = Vec::new();
    for option in options {
        let name = option.name.as_str();
        if let Some(space) = &option.namespace {
            check_toast(space.as_str(), name)?;
            // There are no TOAST tables: long values lie in a fork of the table itself.
            continue;
        }
        if given.contains(&name) {
            let message = format!("parameter \"{name}\" specified more than once");
            return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
        }
        given.push(name);
        if name == "oids" {
            if option.string().is_some_and(|value| value == "false") {
                continue;
            }
            let message = "tables declared WITH OIDS are not supported";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        let Some((_, kind)) = known.iter().find(|(known, _)| *known == name) else {
            return Err(unrecognized(name));
        };
        let value = option.string().unwrap_or_else(|| "true".into());
        check_value(name, &value, *kind)?;
        all.push(format!("{name}={value}").into());
    }
    Ok((!all.is_empty()).then_some(all))
}

fn check_toast(space: &str, name: &str) -> PgResult<()> {
    if space != "toast" {
        let message = format!("unrecognized parameter namespace \"{space}\"");
        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
    }
    if is_toast_option(name) { Ok(()) } else { Err(unrecognized(name)) }
}

fn unrecognized(name: &str) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, format!("unrecognized parameter \"{name}\""))
}

fn check_value(name: &str, value: &str, kind: Kind) -> PgResult<()> {
    let invalid = |what: &str| {
        let message = format!("invalid value for {what} option \"{name}\": {value}");
        PgError::new(code::INVALID_PARAMETER_VALUE, message)
    };
    let out_of_range = |detail: String| {
        let message = format!("value {value} out of bounds for option \"{name}\"");
        PgError::new(code::INVALID_PARAMETER_VALUE, message).detail(detail)
    };
    match kind {
        Kind::Bool if parse_bool(value).is_some() => Ok(()),
        Kind::Bool => Err(invalid("boolean")),
        Kind::Int(low, high) => {
            let number: i64 = value.parse().map_err(|_| invalid("integer"))?;
            if (low..=high).contains(&number) {
                return Ok(());
            }
            Err(out_of_range(format!("Valid values are between \"{low}\" and \"{high}\".")))
        }
        Kind::Real(low, high) => {
            let number: f64 = value.parse().map_err(|_| invalid("floating point"))?;
            if (low..=high).contains(&number) {
                return Ok(());
            }
            Err(out_of_range(format!("Valid values are between \"{low:.6}\" and \"{high:.6}\".")))
        }
        Kind::OneOf(values) if values.contains(&value.to_lowercase().as_str()) => Ok(()),
        // PostgreSQL names only the canonical ones of its enumerations.
        Kind::OneOf(_) => Err(invalid("enum").detail("Valid values are \"on\", \"off\", and \"auto\".")),
        Kind::Only(kind, obeyed) => {
            check_value(name, value, *kind)?;
            if obeyed.contains(&value.to_lowercase().as_str()) {
                return Ok(());
            }
            Err(PgError::unsupported(format!("storage parameter {name} with the value {value}")))
        }
    }
}
