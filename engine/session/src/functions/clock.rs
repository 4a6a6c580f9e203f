//! The server's own times and transactions: `pg_postmaster_start_time`, `pg_current_xact_id`,
//! `pg_current_wal_lsn`, `pg_sleep`.

use super::{Family, session_functions};
use crate::env::StatementEnv;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{CallContext, Datum, types};
use std::time::{Duration, Instant};

pub(super) const BUILTINS: Family = session_functions! {
    "pg_postmaster_start_time": start_time;
    "pg_conf_load_time": start_time;
    "pg_current_xact_id": xact_id;
    "pg_current_xact_id_if_assigned": xact_id_if_assigned;
    "pg_xact_status": xact_status;
    "pg_current_wal_lsn": durable_position;
    "pg_current_wal_flush_lsn": durable_position;
    "pg_current_wal_insert_lsn": durable_position;
    "pg_is_in_recovery": no;
    "pg_is_wal_replay_paused": not_in_recovery;
    "pg_wal_replay_pause": not_in_recovery;
    "pg_wal_replay_resume": not_in_recovery;
    "pg_last_wal_receive_lsn": null;
    "pg_last_wal_replay_lsn": null;
    "pg_last_xact_replay_timestamp": null;
    "pg_sleep": sleep;
    "pg_jit_available": no;
    "pg_trigger_depth": trigger_depth;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

/// Settings are read once, when the server starts.
fn start_time(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::TimestampTz(env.facts.instance.started_us()))
}

fn xact_id(env: &Env<'_>, context: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    // A subtransaction answers with the transaction's own number, which it makes sure there is.
    let txn = env.session.txn();
    let own = txn.xid()?;
    Ok(number_of(context, txn.top_xid().unwrap_or(own)))
}

fn xact_id_if_assigned(env: &Env<'_>, context: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(env.session.txn().top_xid().map_or(Datum::Null, |xid| number_of(context, xid)))
}

/// A transaction's number: `xid8`, or for `txid_current` and its kin, which share these functions, `bigint`.
fn number_of(context: &Context<'_>, xid: redoubt_txn::Xid) -> Datum {
    match context.result_type {
        types::INT8 => Datum::Int8(xid.get() as i64),
        _ => Datum::Xid8(xid.get()),
    }
}

fn xact_status(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    // `txid_status` has the same number as a bigint.
    let number = match args[0] {
        Datum::Xid8(number) => number,
        Datum::Int8(number) => number as u64,
        _ => return Err(args[0].mismatch("xid8")),
    };
    let txns = env.facts.instance.engine.txns();
    let xid = redoubt_txn::Xid::new(number);
    if xid >= txns.next_xid() {
        let message = format!("transaction ID {number} is in the future");
        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
    }
    // The first numbers mean no transaction.
    if number < 3 {
        return Ok(Datum::Null);
    }
    Ok(Datum::text(match txns.state_blocking(xid)? {
        redoubt_txn::XidState::Running(_) => "in progress",
        redoubt_txn::XidState::Committed(_) => "committed",
        redoubt_txn::XidState::Aborted => "aborted",
    }))
}

fn durable_position(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Lsn(env.facts.instance.durable_end().get()))
}

fn no(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Bool(false))
}

fn null(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Null)
}

fn not_in_recovery(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, "recovery is not in progress")
        .hint("Recovery control functions can only be executed during recovery."))
}

/// Sleeps on the session's interrupts, so that a cancel ends it at once.
fn sleep(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    /// Longer than any session lives.
    const MAX_SECONDS: f64 = 1e9;
    let seconds = args[0].as_float8()?;
    if seconds > 0.0 {
        let until = Instant::now() + Duration::from_secs_f64(seconds.min(MAX_SECONDS));
        let interrupts = env.facts.backend.interrupts();
        redoubt_buffer::blocking(|| {
            while Instant::now() < until {
                env.facts.backend.check_for_interrupts()?;
                interrupts.wait(Some(until), || false);
            }
            Ok::<(), PgError>(())
        })?;
    }
    env.facts.backend.check_for_interrupts()?;
    Ok(Datum::Void)
}

fn trigger_depth(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Int4(0))
}
