//! Functions that users write: the way from a call to the language that the function is in.

mod cache;
mod check;
mod procedure;
mod result;
mod sql;

pub(crate) use cache::Routines;
pub(crate) use check::print_body;
pub(crate) use sql::argument_names;

use crate::env::StatementEnv;
use crate::functions::{Family, SetFamily, session_functions, session_sets};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{CallContext, Datum, Oid};
use std::sync::Arc;

/// Languages' handlers, by the C symbols of PostgreSQL's.
pub(crate) const HANDLERS: Family = session_functions! {
    "fmgr_sql": sql::call;
};

/// The same for set-returning functions.
pub(crate) const SET_HANDLERS: SetFamily = session_sets! {
    "fmgr_sql": sql::call_set;
};

/// How deep functions may call each other. Each level plans and runs statements on the session's stack.
const MAX_DEPTH: u32 = 64;

/// The function that is called.
fn called(env: &StatementEnv<'_>, context: &CallContext<'_>) -> PgResult<Arc<PgProc>> {
    let oid: Oid = context.function;
    let row = env.catalog.proc_by_oid(oid)?;
    row.ok_or_else(|| PgError::internal(format!("cache lookup failed for function {oid}")))
}

/// Runs a function's body one level deeper.
fn deeper<T>(env: &StatementEnv<'_>, run: impl FnOnce() -> PgResult<T>) -> PgResult<T> {
    let depth = &env.session.routines.depth;
    if depth.get() >= MAX_DEPTH {
        return Err(PgError::new(code::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
            "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the \
             platform's stack depth limit is adequate.",
        ));
    }
    depth.set(depth.get() + 1);
    let result = run();
    depth.set(depth.get() - 1);
    result
}

/// The types of a call's arguments; the declared ones where the caller does not know.
fn argument_types(row: &PgProc, context: &CallContext<'_>, args: &[Datum]) -> Vec<Oid> {
    if context.arg_types.len() == args.len() { context.arg_types.to_vec() } else { row.proargtypes.clone() }
}
