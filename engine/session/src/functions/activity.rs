//! Sessions and locks as others see them: `pg_stat_activity`, `pg_locks`, and ending a session's work.

use super::{Family, SetFamily, all_rows, columns, row, session_functions, session_sets};
use crate::activity::{Activity, Doing};
use crate::env::StatementEnv;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::{CallContext, Datum, Oid, Rows, types};
use redoubt_txn::{Interrupt, LockInfo, LockTag};

pub(super) const BUILTINS: Family = session_functions! {
    "pg_cancel_backend": cancel;
    "pg_terminate_backend": terminate;
    "pg_stat_get_backend_pid": backend_pid;
    "pg_stat_get_backend_dbid": backend_database;
    "pg_stat_get_backend_userid": backend_user;
    "pg_stat_get_backend_activity": backend_query;
    "pg_stat_get_backend_start": backend_start;
    "pg_stat_get_backend_activity_start": backend_query_start;
    "pg_stat_get_backend_xact_start": backend_xact_start;
    "pg_stat_get_db_numbackends": database_sessions;
};

pub(super) const SETS: SetFamily = session_sets! {
    "pg_stat_get_activity": activity;
    "pg_stat_get_backend_idset": backend_ids;
    "pg_lock_status": locks;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

fn cancel(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    signal(env, args[0].as_int4()?, Interrupt::Cancel)
}

/// `pg_terminate_backend(pid, timeout)`: with a timeout it waits until the session has gone.
fn terminate(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let timeout_ms = args.get(1).map_or(Ok(0), Datum::as_int8)?;
    if timeout_ms < 0 {
        return Err(PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "\"timeout\" must not be negative"));
    }
    if timeout_ms > 0 {
        return Err(PgError::unsupported("pg_terminate_backend with a timeout"));
    }
    signal(env, args[0].as_int4()?, Interrupt::Terminate)
}

fn signal(env: &Env<'_>, pid: i32, interrupt: Interrupt) -> PgResult<Datum> {
    let all = env.facts.instance.activities();
    let Some((_, other)) = all.iter().find(|(known, _)| *known == pid) else {
        let message = format!("PID {pid} is not a PostgreSQL server process");
        env.notices.borrow_mut().push(PgError::report(Severity::Warning, code::WARNING, message));
        return Ok(Datum::Bool(false));
    };
    check_may_signal(env, other.user, interrupt)?;
    Ok(Datum::Bool(env.facts.instance.interrupt(pid, interrupt, None)))
}

/// Whether the current role may interrupt sessions of a user.
///
/// # Errors
/// `42501` when it may not.
pub(crate) fn check_may_signal(env: &Env<'_>, user: Oid, interrupt: Interrupt) -> PgResult<()> {
    const SIGNAL_BACKEND: Oid = 4200;
    if env.catalog.is_superuser(user)? && !env.facts.superuser {
        let message = match interrupt {
            Interrupt::Cancel => "must be a superuser to cancel superuser query",
            _ => "must be a superuser to terminate superuser process",
        };
        return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
    }
    let own = env.facts.user_oid;
    if !env.catalog.has_privileges_of(own, user)? && !env.catalog.has_privileges_of(own, SIGNAL_BACKEND)? {
        let message = match interrupt {
            Interrupt::Cancel => {
                "must be a member of the role whose query is being canceled or member of pg_signal_backend"
            }
            _ => {
                "must be a member of the role whose process is being terminated or member of pg_signal_backend"
            }
        };
        return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
    }
    Ok(())
}

/// A time that may be missing.
fn time(us: i64) -> Datum {
    if us == 0 { Datum::Null } else { Datum::TimestampTz(us) }
}

/// Whether the details of another's session may be seen.
fn may_see(env: &Env<'_>, other: &Activity) -> PgResult<bool> {
    const READ_ALL_STATS: Oid = 3375;
    let own = env.facts.user_oid;
    Ok(env.catalog.has_privileges_of(own, other.user)?
        || env.catalog.has_privileges_of(own, READ_ALL_STATS)?)
}

fn activity(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&ACTIVITY_COLUMNS);
    let only = if args[0].is_null() { None } else { Some(args[0].as_int4()?) };
    let backends = env.facts.instance.engine.txns().backends();
    let mut rows = Vec::new();
    for (pid, seen) in env.facts.instance.activities() {
        if only.is_some_and(|only| only != pid) {
            continue;
        }
        let mut fields = vec![Datum::Null; ACTIVITY_COLUMNS.len()];
        fields[0] = Datum::Oid(seen.database);
        fields[1] = Datum::Int4(pid);
        fields[2] = Datum::Oid(seen.user);
        fields[3] = Datum::text(seen.application_name.as_str());
        fields[17] = Datum::text("client backend");
        if may_see(env, &seen)? {
            let backend = backends.iter().find(|backend| backend.pid() == pid);
            fields[4] = Datum::text(seen.doing.as_str());
            fields[5] = Datum::text(seen.query.as_str());
            let waits = backend.and_then(|backend| backend.waits_for());
            if let Some(tag) = waits {
                fields[6] = Datum::text("Lock");
                fields[7] = Datum::text(tag.type_name());
            } else if seen.doing != Doing::Active {
                fields[6] = Datum::text("Client");
                fields[7] = Datum::text("ClientRead");
            }
            fields[8] = time(seen.transaction_start_us);
            fields[9] = time(seen.query_start_us);
            fields[10] = time(seen.session_start_us);
            fields[11] = time(seen.state_change_us);
            fields[14] = Datum::Int4(seen.client_address.map_or(-1, |(_, port)| i32::from(port)));
            fields[18] = Datum::Bool(seen.encryption.is_some());
            if let Some(encryption) = &seen.encryption {
                fields[19] = Datum::text(encryption.version.as_str());
                fields[20] = Datum::text(encryption.cipher.as_str());
                let bits = if encryption.cipher.contains("AES_128") { 128 } else { 256 };
                fields[21] = Datum::Int4(bits);
            }
            let short = |xid: redoubt_txn::Xid| Datum::Oid(xid.get() as u32);
            fields[15] = backend.and_then(|backend| backend.top_xid()).map_or(Datum::Null, short);
            fields[16] = backend.and_then(|backend| backend.xmin()).map_or(Datum::Null, short);
        } else {
            fields[5] = Datum::text("<insufficient privilege>");
        }
        rows.push(row(&desc, fields));
    }
    Ok(all_rows(rows))
}

const ACTIVITY_COLUMNS: [(&str, Oid); 30] = [
    ("datid", types::OID),
    ("pid", types::INT4),
    ("usesysid", types::OID),
    ("application_name", types::TEXT),
    ("state", types::TEXT),
    ("query", types::TEXT),
    ("wait_event_type", types::TEXT),
    ("wait_event", types::TEXT),
    ("xact_start", types::TIMESTAMPTZ),
    ("query_start", types::TIMESTAMPTZ),
    ("backend_start", types::TIMESTAMPTZ),
    ("state_change", types::TIMESTAMPTZ),
    ("client_addr", types::INET),
    ("client_hostname", types::TEXT),
    ("client_port", types::INT4),
    ("backend_xid", types::XID),
    ("backend_xmin", types::XID),
    ("backend_type", types::TEXT),
    ("ssl", types::BOOL),
    ("sslversion", types::TEXT),
    ("sslcipher", types::TEXT),
    ("sslbits", types::INT4),
    ("ssl_client_dn", types::TEXT),
    ("ssl_client_serial", types::NUMERIC),
    ("ssl_issuer_dn", types::TEXT),
    ("gss_auth", types::BOOL),
    ("gss_princ", types::TEXT),
    ("gss_enc", types::BOOL),
    ("leader_pid", types::INT4),
    ("query_id", types::INT8),
];

/// Sessions are numbered from 1, in order of process id.
fn numbered(env: &Env<'_>, args: &[Datum]) -> PgResult<Option<(i32, Activity)>> {
    let mut all = env.facts.instance.activities();
    let at = usize::try_from(args[0].as_int4()?).ok().and_then(|number| number.checked_sub(1));
    Ok(at.filter(|at| *at < all.len()).map(|at| all.swap_remove(at)))
}

fn backend_ids(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Rows> {
    let count = env.facts.instance.activities().len() as i32;
    Ok(Box::new((1..=count).map(|number| Ok(Datum::Int4(number)))))
}

fn backend_pid(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(numbered(env, args)?.map_or(Datum::Null, |(pid, _)| Datum::Int4(pid)))
}

fn backend_database(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(numbered(env, args)?.map_or(Datum::Null, |(_, seen)| Datum::Oid(seen.database)))
}

fn backend_user(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(numbered(env, args)?.map_or(Datum::Null, |(_, seen)| Datum::Oid(seen.user)))
}

fn backend_query(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::text(match numbered(env, args)? {
        None => "<backend information not available>".to_string(),
        Some((_, seen)) if !may_see(env, &seen)? => "<insufficient privilege>".to_string(),
        Some((_, seen)) => seen.query,
    }))
}

fn backend_start(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(numbered(env, args)?.map_or(Datum::Null, |(_, seen)| time(seen.session_start_us)))
}

fn backend_query_start(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(numbered(env, args)?.map_or(Datum::Null, |(_, seen)| time(seen.query_start_us)))
}

fn backend_xact_start(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(numbered(env, args)?.map_or(Datum::Null, |(_, seen)| time(seen.transaction_start_us)))
}

fn database_sessions(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let database = args[0].as_oid()?;
    let all = env.facts.instance.activities();
    Ok(Datum::Int4(all.iter().filter(|(_, seen)| seen.database == database).count() as i32))
}

const LOCK_COLUMNS: [(&str, Oid); 16] = [
    ("locktype", types::TEXT),
    ("database", types::OID),
    ("relation", types::OID),
    ("page", types::INT4),
    ("tuple", types::INT2),
    ("virtualxid", types::TEXT),
    ("transactionid", types::XID),
    ("classid", types::OID),
    ("objid", types::OID),
    ("objsubid", types::INT2),
    ("virtualtransaction", types::TEXT),
    ("pid", types::INT4),
    ("mode", types::TEXT),
    ("granted", types::BOOL),
    ("fastpath", types::BOOL),
    ("waitstart", types::TIMESTAMPTZ),
];

fn locks(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&LOCK_COLUMNS);
    let list = env.facts.instance.engine.txns().locks().list();
    Ok(all_rows(list.iter().map(|lock| row(&desc, lock_fields(lock))).collect()))
}

fn lock_fields(lock: &LockInfo) -> Vec<Datum> {
    let mut fields = vec![Datum::Null; LOCK_COLUMNS.len()];
    fields[0] = Datum::text(lock.tag.type_name());
    match lock.tag {
        LockTag::Relation { database, relation } => {
            fields[1] = Datum::Oid(database);
            fields[2] = Datum::Oid(relation);
        }
        LockTag::Tuple { database, relation, block, slot } => {
            fields[1] = Datum::Oid(database);
            fields[2] = Datum::Oid(relation);
            fields[3] = Datum::Int4(block as i32);
            fields[4] = Datum::Int2(slot as i16);
        }
        LockTag::Transaction(xid) => fields[6] = Datum::Oid(xid.get() as u32),
        LockTag::VirtualTransaction { backend, local } => {
            fields[5] = Datum::text(format!("{backend}/{local}"));
        }
        LockTag::Object { database, class, object, sub } => {
            fields[1] = Datum::Oid(database);
            fields[7] = Datum::Oid(class);
            fields[8] = Datum::Oid(object);
            fields[9] = Datum::Int2(sub as i16);
        }
        LockTag::Advisory { database, key1, key2, kind } => {
            fields[1] = Datum::Oid(database);
            fields[7] = Datum::Oid(key1);
            fields[8] = Datum::Oid(key2);
            fields[9] = Datum::Int2(kind as i16);
        }
    }
    fields[10] = Datum::text(format!("{}/{}", lock.backend.id().get(), lock.backend.local_xid()));
    fields[11] = Datum::Int4(lock.backend.pid());
    fields[12] = Datum::text(format!("{:?}Lock", lock.mode));
    fields[13] = Datum::Bool(lock.granted);
    fields[14] = Datum::Bool(lock.fast_path);
    fields
}
