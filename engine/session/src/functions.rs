//! Functions that need the session: who and where one is, settings, names of types.
//!
//! They are registered by C symbol like all built-ins, and reach their session through
//! [`Env::as_any`](redoubt_functions::Env::as_any).

use crate::session::SessionFacts;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{CallContext, Datum, ScalarFn, builtin};

use crate::env::StatementEnv;
use redoubt_functions::{Attribute, Oid, RecordValue, Rows, SrfFn, TupleDesc, set_returning, types};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::LazyLock;

mod activity;
mod clock;
mod definitions;
mod index_properties;
mod parameters;
mod privileges;
mod routines;
mod sizes;
mod statistics;
mod visibility;

pub(crate) use activity::check_may_signal;
pub(crate) use parameters::encoding_by_name;

/// A function that reads the session or the catalogs.
pub(crate) type SessionFn = fn(&StatementEnv<'_>, &CallContext<'_>, &[Datum]) -> PgResult<Datum>;
/// A set-returning function that does.
pub(crate) type SessionSetFn = fn(&StatementEnv<'_>, &CallContext<'_>, &[Datum]) -> PgResult<Rows>;

/// Turns functions of the session into entries of the table of built-ins.
macro_rules! session_functions {
    ($($symbol:literal: $function:expr;)*) => {
        &[$((
            $symbol,
            |context: &redoubt_functions::CallContext<'_>, args: &[redoubt_functions::Datum]| {
                const FUNCTION: $crate::functions::SessionFn = $function;
                context.env.call_upper(&FUNCTION, context, args)
            },
        )),*]
    };
}
pub(crate) use session_functions;

/// As [`session_functions`], for set-returning ones.
macro_rules! session_sets {
    ($($symbol:literal: $function:expr;)*) => {
        &[$((
            $symbol,
            |context: &redoubt_functions::CallContext<'_>, args: &[redoubt_functions::Datum]| {
                const FUNCTION: $crate::functions::SessionSetFn = $function;
                context.env.call_upper_set(&FUNCTION, context, args)
            },
        )),*]
    };
}
pub(crate) use session_sets;

/// One family's functions.
pub(crate) type Family = &'static [(&'static str, ScalarFn)];
/// One family's set-returning functions.
pub(crate) type SetFamily = &'static [(&'static str, SrfFn)];

/// The columns of a set-returning function's rows.
pub(crate) fn columns(names_and_types: &[(&str, Oid)]) -> TupleDesc {
    TupleDesc::new(names_and_types.iter().map(|(name, oid)| Attribute::new(*name, *oid)).collect::<Vec<_>>())
}

/// One row of a set-returning function.
pub(crate) fn row(desc: &TupleDesc, fields: Vec<Datum>) -> Datum {
    assert_eq!(desc.len(), fields.len(), "a row has a value for each column");
    Datum::Record(Arc::new(RecordValue {
        type_oid: types::RECORD,
        desc: desc.clone(),
        fields: fields.into_boxed_slice(),
    }))
}

/// Rows that are all there.
pub(crate) fn all_rows(rows: Vec<Datum>) -> Rows {
    Box::new(rows.into_iter().map(Ok))
}

/// A text, or NULL.
fn text_or_null(text: Option<impl Into<Arc<str>>>) -> Datum {
    text.map_or(Datum::Null, Datum::text)
}

/// Every family of the session's functions.
static FAMILIES: &[Family] = &[
    SESSION_FUNCTIONS,
    activity::BUILTINS,
    clock::BUILTINS,
    definitions::BUILTINS,
    index_properties::BUILTINS,
    parameters::BUILTINS,
    privileges::BUILTINS,
    routines::BUILTINS,
    sizes::BUILTINS,
    statistics::BUILTINS,
    visibility::BUILTINS,
    crate::advisory::BUILTINS,
    crate::notify::BUILTINS,
    crate::sequence_functions::BUILTINS,
    crate::waiting::WAITING,
    crate::routine::HANDLERS,
];

static SET_FAMILIES: &[SetFamily] = &[
    activity::SETS,
    definitions::SETS,
    parameters::SETS,
    privileges::SETS,
    statistics::SETS,
    crate::routine::SET_HANDLERS,
    crate::cursor::SETS,
    crate::notify::SETS,
    crate::prepared::SETS,
];

static BY_NAME: LazyLock<FxHashMap<&'static str, ScalarFn>> =
    LazyLock::new(|| FAMILIES.iter().copied().flatten().copied().collect());

static SETS_BY_NAME: LazyLock<FxHashMap<&'static str, SrfFn>> =
    LazyLock::new(|| SET_FAMILIES.iter().copied().flatten().copied().collect());

/// A built-in function of any crate, by C symbol.
pub(crate) fn find(source: &str) -> Option<ScalarFn> {
    BY_NAME.get(source).copied().or_else(|| builtin(source))
}

/// A built-in set-returning function of any crate, by C symbol.
pub(crate) fn find_set(source: &str) -> Option<SrfFn> {
    SETS_BY_NAME.get(source).copied().or_else(|| set_returning(source))
}

const SESSION_FUNCTIONS: Family = &[
    ("pgsql_version", version),
    ("current_database", current_database),
    ("current_user", current_user),
    ("session_user", session_user),
    ("pg_backend_pid", backend_pid),
    ("inet_client_addr", client_address),
];

pub(crate) fn facts<'a>(context: &CallContext<'a>) -> PgResult<&'a SessionFacts> {
    context
        .env
        .as_any()
        .downcast_ref()
        .ok_or_else(|| PgError::internal("a session function was called outside a session"))
}

fn version(_: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    let compiler = concat!("PostgreSQL 15.18 (Redoubt ", env!("CARGO_PKG_VERSION"), ")");
    Ok(Datum::text(format!("{compiler} on {}-{}", std::env::consts::ARCH, std::env::consts::OS)))
}

fn current_database(context: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Text(facts(context)?.database_name.clone()))
}

fn current_user(context: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Text(facts(context)?.current_user.clone()))
}

fn session_user(context: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Text(facts(context)?.session_user.clone()))
}

fn backend_pid(context: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Int4(facts(context)?.backend.pid()))
}

/// NULL over the Unix-domain socket; the type `inet` is not built.
fn client_address(context: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    match facts(context)?.client_address {
        None => Ok(Datum::Null),
        Some(_) => Err(PgError::unsupported("type inet")),
    }
}
