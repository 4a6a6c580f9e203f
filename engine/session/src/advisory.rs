//! Advisory locks: `pg_advisory_lock` and its kin (PostgreSQL's src/backend/utils/adt/lockfuncs.c).

use crate::env::StatementEnv;
use crate::functions::{Family, session_functions};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::{CallContext, Datum};
use redoubt_txn::{LockLife, LockMode, LockOutcome, LockTag, LockWait};

const ALONE: LockMode = LockMode::Exclusive;
const SHARED: LockMode = LockMode::Share;

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

pub(crate) const BUILTINS: Family = session_functions! {
    "pg_advisory_lock_int8": |env, _, args| lock(env, args, ALONE, true);
    "pg_advisory_lock_int4": |env, _, args| lock(env, args, ALONE, true);
    "pg_advisory_lock_shared_int8": |env, _, args| lock(env, args, SHARED, true);
    "pg_advisory_lock_shared_int4": |env, _, args| lock(env, args, SHARED, true);
    "pg_advisory_xact_lock_int8": |env, _, args| lock(env, args, ALONE, false);
    "pg_advisory_xact_lock_int4": |env, _, args| lock(env, args, ALONE, false);
    "pg_advisory_xact_lock_shared_int8": |env, _, args| lock(env, args, SHARED, false);
    "pg_advisory_xact_lock_shared_int4": |env, _, args| lock(env, args, SHARED, false);
    "pg_try_advisory_lock_int8": |env, _, args| try_lock(env, args, ALONE, true);
    "pg_try_advisory_lock_int4": |env, _, args| try_lock(env, args, ALONE, true);
    "pg_try_advisory_lock_shared_int8": |env, _, args| try_lock(env, args, SHARED, true);
    "pg_try_advisory_lock_shared_int4": |env, _, args| try_lock(env, args, SHARED, true);
    "pg_try_advisory_xact_lock_int8": |env, _, args| try_lock(env, args, ALONE, false);
    "pg_try_advisory_xact_lock_int4": |env, _, args| try_lock(env, args, ALONE, false);
    "pg_try_advisory_xact_lock_shared_int8": |env, _, args| try_lock(env, args, SHARED, false);
    "pg_try_advisory_xact_lock_shared_int4": |env, _, args| try_lock(env, args, SHARED, false);
    "pg_advisory_unlock_int8": |env, _, args| unlock(env, args, ALONE);
    "pg_advisory_unlock_int4": |env, _, args| unlock(env, args, ALONE);
    "pg_advisory_unlock_shared_int8": |env, _, args| unlock(env, args, SHARED);
    "pg_advisory_unlock_shared_int4": |env, _, args| unlock(env, args, SHARED);
    "pg_advisory_unlock_all": unlock_all;
};

/// One key of 64 bits, or two of 32: they never meet.
fn tag(env: &Env<'_>, args: &[Datum]) -> PgResult<LockTag> {
    let (key1, key2, kind) = match args {
        [key] => {
            let key = key.as_int8()? as u64;
            ((key >> 32) as u32, key as u32, 1)
        }
        [first, second] => (first.as_int4()? as u32, second.as_int4()? as u32, 2),
        _ => return Err(PgError::internal("an advisory lock has one key or two")),
    };
    Ok(LockTag::Advisory { database: env.facts.database, key1, key2, kind })
}

fn acquire(
    env: &Env<'_>,
    args: &[Datum],
    mode: LockMode,
    for_session: bool,
    wait: LockWait,
) -> PgResult<LockOutcome> {
    let tag = tag(env, args)?;
    if for_session {
        let locks = env.facts.instance.engine.txns().locks();
        locks.acquire(&env.facts.backend, tag, mode, LockLife::Session, wait)
    } else {
        env.session.txn().lock(tag, mode, wait)
    }
}

fn lock(env: &Env<'_>, args: &[Datum], mode: LockMode, for_session: bool) -> PgResult<Datum> {
    acquire(env, args, mode, for_session, LockWait::Block)?;
    Ok(Datum::Void)
}

fn try_lock(env: &Env<'_>, args: &[Datum], mode: LockMode, for_session: bool) -> PgResult<Datum> {
    let outcome = acquire(env, args, mode, for_session, LockWait::NoWait)?;
    Ok(Datum::Bool(outcome != LockOutcome::NotAvailable))
}

fn unlock(env: &Env<'_>, args: &[Datum], mode: LockMode) -> PgResult<Datum> {
    let tag = tag(env, args)?;
    let had = env.facts.instance.engine.txns().locks().release_one(&env.facts.backend, tag, mode);
    if !had {
        let message = format!("you don't own a lock of type {}", mode.name());
        env.notices.borrow_mut().push(PgError::report(Severity::Warning, code::WARNING, message));
    }
    Ok(Datum::Bool(had))
}

fn unlock_all(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    env.facts.instance.engine.txns().locks().release_session(&env.facts.backend);
    Ok(Datum::Void)
}
