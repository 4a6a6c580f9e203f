//! The cumulative statistics system's functions. Rows changed per table are counted (`vacuum/counters.rs`);
//! the rest answers as PostgreSQL's do with `track_counts = off`: counters are 0, times are missing, what other
//! parts of the server would list (archiver, replication, progress of commands) is empty.

use super::{Family, SetFamily, all_rows, columns, row, session_functions, session_sets};
use crate::env::StatementEnv;
use crate::vacuum::Counted;
use redoubt_error::PgResult;
use redoubt_functions::numeric::Numeric;
use redoubt_functions::{CallContext, Datum, Rows, types};

macro_rules! answers {
    ($($function:ident: $($symbol:literal),* $(,)?;)*) => {
        session_functions! { $($($symbol: $function;)*)* }
    };
}

#[rustfmt::skip]
pub(super) const BUILTINS: Family = answers! {
    zero:
        "pg_stat_get_numscans", "pg_stat_get_tuples_returned", "pg_stat_get_tuples_fetched",
        "pg_stat_get_tuples_hot_updated", "pg_stat_get_live_tuples", "pg_stat_get_blocks_fetched",
        "pg_stat_get_blocks_hit", "pg_stat_get_vacuum_count", "pg_stat_get_autovacuum_count",
        "pg_stat_get_analyze_count", "pg_stat_get_autoanalyze_count", "pg_stat_get_db_xact_commit",
        "pg_stat_get_db_xact_rollback", "pg_stat_get_db_blocks_fetched", "pg_stat_get_db_blocks_hit",
        "pg_stat_get_db_tuples_returned", "pg_stat_get_db_tuples_fetched",
        "pg_stat_get_db_tuples_inserted", "pg_stat_get_db_tuples_updated",
        "pg_stat_get_db_tuples_deleted", "pg_stat_get_db_conflict_all",
        "pg_stat_get_db_conflict_tablespace", "pg_stat_get_db_conflict_lock",
        "pg_stat_get_db_conflict_snapshot", "pg_stat_get_db_conflict_bufferpin",
        "pg_stat_get_db_conflict_startup_deadlock", "pg_stat_get_db_temp_files",
        "pg_stat_get_db_temp_bytes", "pg_stat_get_db_deadlocks", "pg_stat_get_db_sessions",
        "pg_stat_get_db_sessions_abandoned", "pg_stat_get_db_sessions_fatal",
        "pg_stat_get_db_sessions_killed", "pg_stat_get_bgwriter_timed_checkpoints",
        "pg_stat_get_bgwriter_requested_checkpoints", "pg_stat_get_bgwriter_buf_written_checkpoints",
        "pg_stat_get_bgwriter_buf_written_clean", "pg_stat_get_bgwriter_maxwritten_clean",
        "pg_stat_get_buf_written_backend", "pg_stat_get_buf_fsync_backend", "pg_stat_get_buf_alloc",
        "pg_stat_get_xact_numscans", "pg_stat_get_xact_tuples_returned",
        "pg_stat_get_xact_tuples_fetched", "pg_stat_get_xact_tuples_inserted",
        "pg_stat_get_xact_tuples_updated", "pg_stat_get_xact_tuples_deleted",
        "pg_stat_get_xact_tuples_hot_updated", "pg_stat_get_xact_blocks_fetched",
        "pg_stat_get_xact_blocks_hit";
    zero_float:
        "pg_stat_get_db_blk_read_time", "pg_stat_get_db_blk_write_time", "pg_stat_get_db_session_time",
        "pg_stat_get_db_active_time", "pg_stat_get_db_idle_in_transaction_time",
        "pg_stat_get_checkpoint_write_time", "pg_stat_get_checkpoint_sync_time";
    null:
        "pg_stat_get_last_vacuum_time", "pg_stat_get_last_autovacuum_time",
        "pg_stat_get_last_analyze_time", "pg_stat_get_last_autoanalyze_time",
        "pg_stat_get_db_checksum_failures", "pg_stat_get_db_checksum_last_failure",
        "pg_stat_get_db_stat_reset_time", "pg_stat_get_bgwriter_stat_reset_time",
        "pg_stat_get_function_calls", "pg_stat_get_function_total_time",
        "pg_stat_get_function_self_time", "pg_stat_get_xact_function_calls",
        "pg_stat_get_xact_function_total_time", "pg_stat_get_xact_function_self_time",
        "pg_stat_get_snapshot_timestamp";
    nothing:
        "pg_stat_clear_snapshot", "pg_stat_force_next_flush", "pg_stat_reset", "pg_stat_reset_shared",
        "pg_stat_reset_single_table_counters", "pg_stat_reset_single_function_counters",
        "pg_stat_reset_slru";
    inserted: "pg_stat_get_tuples_inserted";
    updated: "pg_stat_get_tuples_updated";
    deleted: "pg_stat_get_tuples_deleted";
    dead: "pg_stat_get_dead_tuples";
    changed_since_analyze: "pg_stat_get_mod_since_analyze";
    inserted_since_vacuum: "pg_stat_get_ins_since_vacuum";
    archiver: "pg_stat_get_archiver";
    wal: "pg_stat_get_wal";
    null_record: "pg_stat_get_wal_receiver";
};

pub(super) const SETS: SetFamily = session_sets! {
    "pg_stat_get_progress_info": none;
    "pg_stat_get_wal_senders": none;
    "pg_stat_get_subscription": none;
    "pg_get_replication_slots": none;
    "pg_show_replication_origin_status": none;
    "pg_stat_get_recovery_prefetch": prefetch;
    "pg_prepared_xact": none;
    "pg_available_extensions": none;
    "pg_available_extension_versions": none;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

/// What is counted of a table.
fn counted(env: &Env<'_>, args: &[Datum], field: impl FnOnce(Counted) -> u64) -> PgResult<Datum> {
    let table = (env.facts.database, args[0].as_oid()?);
    Ok(Datum::Int8(field(env.facts.instance.counters.of(table)) as i64))
}

fn inserted(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    counted(env, args, |counted| counted.total.inserted)
}

fn updated(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    counted(env, args, |counted| counted.total.updated)
}

fn deleted(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    counted(env, args, |counted| counted.total.deleted)
}

fn dead(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    counted(env, args, |counted| counted.dead)
}

fn changed_since_analyze(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    counted(env, args, |counted| counted.changed_since_analyze)
}

fn inserted_since_vacuum(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    counted(env, args, |counted| counted.inserted_since_vacuum)
}

fn zero(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Int8(0))
}

fn zero_float(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Float8(0.0))
}

fn null(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Null)
}

/// There are no counters to reset.
fn nothing(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Void)
}

fn null_record(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Null)
}

fn none(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Rows> {
    Ok(Box::new(std::iter::empty()))
}

fn archiver(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    let desc = columns(&[
        ("archived_count", types::INT8),
        ("last_archived_wal", types::TEXT),
        ("last_archived_time", types::TIMESTAMPTZ),
        ("failed_count", types::INT8),
        ("last_failed_wal", types::TEXT),
        ("last_failed_time", types::TIMESTAMPTZ),
        ("stats_reset", types::TIMESTAMPTZ),
    ]);
    let (zero, null) = (Datum::Int8(0), Datum::Null);
    let fields = vec![zero.clone(), null.clone(), null.clone(), zero, null.clone(), null.clone(), null];
    Ok(row(&desc, fields))
}

fn wal(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    let desc = columns(&[
        ("wal_records", types::INT8),
        ("wal_fpi", types::INT8),
        ("wal_bytes", types::NUMERIC),
        ("wal_buffers_full", types::INT8),
        ("wal_write", types::INT8),
        ("wal_sync", types::INT8),
        ("wal_write_time", types::FLOAT8),
        ("wal_sync_time", types::FLOAT8),
        ("stats_reset", types::TIMESTAMPTZ),
    ]);
    let zero = Datum::Int8(0);
    let fields = vec![
        zero.clone(),
        zero.clone(),
        Datum::numeric(Numeric::zero()),
        zero.clone(),
        zero.clone(),
        zero,
        Datum::Float8(0.0),
        Datum::Float8(0.0),
        Datum::Null,
    ];
    Ok(row(&desc, fields))
}

fn prefetch(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&[
        ("stats_reset", types::TIMESTAMPTZ),
        ("prefetch", types::INT8),
        ("hit", types::INT8),
        ("skip_init", types::INT8),
        ("skip_new", types::INT8),
        ("skip_fpw", types::INT8),
        ("skip_rep", types::INT8),
        ("wal_distance", types::INT4),
        ("block_distance", types::INT4),
        ("io_depth", types::INT4),
    ]);
    let mut fields = vec![Datum::Null];
    fields.extend(std::iter::repeat_n(Datum::Int8(0), 6));
    fields.extend(std::iter::repeat_n(Datum::Int4(0), 3));
    Ok(all_rows(vec![row(&desc, fields)]))
}
