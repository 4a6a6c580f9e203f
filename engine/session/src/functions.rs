//! Functions that need the session: who and where one is, settings, names of types.
//!
//! They are registered by C symbol like all built-ins, and reach their session through
//! [`Env::as_any`](redoubt_functions::Env::as_any).

use crate::session::SessionFacts;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{CallContext, Datum, ScalarFn, builtin};

/// A built-in function of any crate, by C symbol.
pub(crate) fn find(source: &str) -> Option<ScalarFn> {
    SESSION_FUNCTIONS
        .iter()
        .chain(crate::waiting::WAITING)
        .find(|(name, _)| *name == source)
        .map(|(_, function)| *function)
        .or_else(|| builtin(source))
}

const SESSION_FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("pgsql_version", version),
    ("current_database", current_database),
    ("current_user", session_user),
    ("session_user", session_user),
    ("pg_backend_pid", backend_pid),
    ("format_type", format_type),
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

fn format_type(context: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (oid, typmod) = (&args[0], &args[1]);
    if oid.is_null() {
        return Ok(Datum::Null);
    }
    let typmod = if typmod.is_null() { -1 } else { typmod.as_int4()? };
    Ok(Datum::text(context.env.type_name(oid.as_oid()?, typmod)?))
}
