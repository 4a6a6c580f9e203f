//! Functions that tell who waits for whom.

use crate::functions::facts;
use redoubt_error::PgResult;
use redoubt_functions::{ArrayValue, CallContext, Datum, ScalarFn, types};
use std::sync::Arc;

/// By C symbol.
pub(crate) const WAITING: &[(&str, ScalarFn)] =
    &[("pg_blocking_pids", blocking_pids), ("pg_isolation_test_session_is_blocked", is_blocked)];

/// Process ids of the sessions that keep a session from going on.
fn blockers(context: &CallContext<'_>, pid: i32) -> PgResult<Vec<i32>> {
    let txns = facts(context)?.instance.engine.txns();
    let Some(waiting) = txns.backends().into_iter().find(|backend| backend.pid() == pid) else {
        return Ok(Vec::new());
    };
    Ok(txns.locks().blockers(&waiting).iter().map(|backend| backend.pid()).collect())
}

fn blocking_pids(context: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let pids = blockers(context, args[0].as_int4()?)?.into_iter().map(Datum::Int4).collect();
    Ok(Datum::Array(Arc::new(ArrayValue::from_elems(types::INT4, pids))))
}

/// Whether a session waits for one of the interesting ones (for PostgreSQL's isolation tester).
fn is_blocked(context: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let blockers = blockers(context, args[0].as_int4()?)?;
    let Datum::Array(interesting) = &args[1] else { return Ok(Datum::Bool(false)) };
    let blocked =
        interesting.elems.iter().any(|element| matches!(element, Datum::Int4(pid) if blockers.contains(pid)));
    Ok(Datum::Bool(blocked))
}
