//! `nextval`, `currval`, `lastval`, `setval` and what the views of sequences ask.

use crate::env::StatementEnv;
use crate::functions::session_functions;
use crate::sequence::{MAX_ROW_BYTES, ROW, SequenceRow, take};
use crate::settings::Parameter;
use redoubt_access::{FetchBuf, Heap, TableId};
use redoubt_catalog::Relation;
use redoubt_catalog::acl::Privileges;
use redoubt_catalog::rows::PgSequence;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, CallContext, Datum, Oid, RecordValue, ScalarFn, TupleDesc, types};
use redoubt_txn::{LockMode, LockTag, LockWait};
use std::sync::{Arc, LazyLock};

/// By C symbol.
pub(crate) const BUILTINS: &[(&str, ScalarFn)] = session_functions! {
    "nextval_oid": nextval;
    "currval_oid": currval;
    "lastval": lastval;
    "setval_oid": setval;
    "setval3_oid": setval;
    "pg_sequence_last_value": last_value;
    "pg_sequence_parameters": parameters;
};

fn nextval(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let sequence = open(env, args[0].as_oid()?)?;
    // An identity column's own sequence is called with a second argument, which no statement can say.
    if args.len() == 1 {
        allowed(env, &sequence, Privileges::USAGE.union(Privileges::UPDATE))?;
    }
    refuse_read_only(env, "nextval()")?;
    let definition = definition(&sequence)?;
    let mut used = env.session.sequences.borrow_mut();
    let known = used.of(sequence.oid, sequence.node);
    lock(env, &sequence, &mut known.locked_in)?;
    let value = if known.last != known.cached {
        known.last += known.increment;
        known.last
    } else {
        let mut taken = None;
        change(env, &sequence, |row| {
            let new = take(row, definition, &sequence.name)?;
            taken = Some(new);
            Ok(new.row)
        })?;
        let taken = taken.expect("a change of the row says what it took");
        known.last = taken.first;
        known.cached = taken.last;
        known.increment = definition.seqincrement;
        taken.first
    };
    known.current = Some(value);
    used.last = Some(sequence.oid);
    Ok(Datum::Int8(value))
}

fn currval(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let sequence = open(env, args[0].as_oid()?)?;
    allowed(env, &sequence, Privileges::SELECT.union(Privileges::USAGE))?;
    let current = env.session.sequences.borrow_mut().of(sequence.oid, sequence.node).current;
    current.map(Datum::Int8).ok_or_else(|| {
        not_ready(format!("currval of sequence \"{}\" is not yet defined in this session", sequence.name))
    })
}

fn lastval(env: &StatementEnv<'_>, _: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    let undefined = || not_ready("lastval is not yet defined in this session".into());
    let last = env.session.sequences.borrow().last.ok_or_else(undefined)?;
    let sequence = env.catalog.relation_by_oid(last)?.ok_or_else(undefined)?;
    allowed(env, &sequence, Privileges::SELECT.union(Privileges::USAGE))?;
    let current = env.session.sequences.borrow_mut().of(last, sequence.node).current;
    current.map(Datum::Int8).ok_or_else(undefined)
}

/// With two arguments or, saying whether the value counts as handed out, three.
fn setval(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let sequence = open(env, args[0].as_oid()?)?;
    let value = args[1].as_int8()?;
    let is_called = args.get(2).map_or(Ok(true), Datum::as_bool)?;
    allowed(env, &sequence, Privileges::UPDATE)?;
    refuse_read_only(env, "setval()")?;
    let definition = definition(&sequence)?;
    let mut used = env.session.sequences.borrow_mut();
    let known = used.of(sequence.oid, sequence.node);
    lock(env, &sequence, &mut known.locked_in)?;
    if !(definition.seqmin..=definition.seqmax).contains(&value) {
        let (low, high) = (definition.seqmin, definition.seqmax);
        return Err(PgError::new(
            code::NUMERIC_VALUE_OUT_OF_RANGE,
            format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({low}..{high})",
                sequence.name
            ),
        ));
    }
    change(env, &sequence, |_| Ok(SequenceRow { last_value: value, log_cnt: 0, is_called }))?;
    if is_called {
        known.current = Some(value);
    }
    known.last = value;
    known.cached = value;
    Ok(Datum::Int8(value))
}

/// What `pg_sequences.last_value` shows: NULL before the first `nextval`.
fn last_value(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let sequence = open(env, args[0].as_oid()?)?;
    allowed(env, &sequence, Privileges::SELECT.union(Privileges::USAGE))?;
    let row = read_row(env, &sequence)?;
    Ok(if row.is_called { Datum::Int8(row.last_value) } else { Datum::Null })
}

static PARAMETERS: LazyLock<TupleDesc> = LazyLock::new(|| {
    let column = |(name, type_oid)| Attribute::new(name, type_oid);
    let columns = [
        ("start_value", types::INT8),
        ("minimum_value", types::INT8),
        ("maximum_value", types::INT8),
        ("increment", types::INT8),
        ("cycle_option", types::BOOL),
        ("cache_size", types::INT8),
        ("data_type", types::OID),
    ];
    TupleDesc::new(columns.map(column).to_vec())
});

fn parameters(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let sequence = open(env, args[0].as_oid()?)?;
    let any = Privileges::SELECT.union(Privileges::UPDATE).union(Privileges::USAGE);
    allowed(env, &sequence, any)?;
    let row = definition(&sequence)?;
    Ok(Datum::Record(Arc::new(RecordValue {
        type_oid: types::RECORD,
        desc: PARAMETERS.clone(),
        fields: vec![
            Datum::Int8(row.seqstart),
            Datum::Int8(row.seqmin),
            Datum::Int8(row.seqmax),
            Datum::Int8(row.seqincrement),
            Datum::Bool(row.seqcycle),
            Datum::Int8(row.seqcache),
            Datum::Oid(row.seqtypid),
        ]
        .into(),
    })))
}

fn open(env: &StatementEnv<'_>, oid: Oid) -> PgResult<Arc<Relation>> {
    let relation = env
        .catalog
        .relation_by_oid(oid)?
        .ok_or_else(|| PgError::internal(format!("could not open relation with OID {oid}")))?;
    if relation.kind != 'S' {
        let message = format!("\"{}\" is not a sequence", relation.name);
        return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
    }
    Ok(relation)
}

fn definition(sequence: &Relation) -> PgResult<&PgSequence> {
    let missing = || PgError::internal(format!("cache lookup failed for sequence {}", sequence.oid));
    sequence.sequence.as_ref().ok_or_else(missing)
}

/// Any one of `privileges` is enough.
fn allowed(env: &StatementEnv<'_>, sequence: &Relation, privileges: Privileges) -> PgResult<()> {
    if env.facts.superuser {
        return Ok(());
    }
    let held = env.catalog.privileges_on_relation(env.facts.user_oid, sequence)?;
    if held.intersection(privileges).is_empty() {
        let message = format!("permission denied for sequence {}", sequence.name);
        return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
    }
    Ok(())
}

fn refuse_read_only(env: &StatementEnv<'_>, what: &str) -> PgResult<()> {
    if env.session.settings.bool(Parameter::TransactionReadOnly) {
        let message = format!("cannot execute {what} in a read-only transaction");
        return Err(PgError::new(code::READ_ONLY_SQL_TRANSACTION, message));
    }
    Ok(())
}

/// Keeps ALTER and DROP away until the transaction ends; asked for once in each.
fn lock(env: &StatementEnv<'_>, sequence: &Relation, locked_in: &mut Option<u32>) -> PgResult<()> {
    let local = env.facts.backend.local_xid();
    if *locked_in != Some(local) {
        let tag = LockTag::Relation { database: env.facts.database, relation: sequence.oid };
        env.session.txn().lock(tag, LockMode::RowExclusive, LockWait::Block)?;
        *locked_in = Some(local);
    }
    Ok(())
}

fn heap(env: &StatementEnv<'_>, sequence: &Relation) -> PgResult<Arc<Heap>> {
    let table = TableId { database: env.facts.database, relation: sequence.oid };
    env.facts.instance.engine.heap(sequence.node, table)
}

/// Changes the row at once and for all; the session's client hears of nothing later before it is durable.
fn change(
    env: &StatementEnv<'_>,
    sequence: &Relation,
    make: impl FnOnce(SequenceRow) -> PgResult<SequenceRow>,
) -> PgResult<()> {
    let heap = heap(env, sequence)?;
    let changed =
        heap.modify_in_place(ROW, MAX_ROW_BYTES, |old| make(SequenceRow::read(old)?)?.form().map(Some))?;
    let lsn = changed.expect("the row is always written");
    env.facts.backend.depend_on(lsn);
    Ok(())
}

fn read_row(env: &StatementEnv<'_>, sequence: &Relation) -> PgResult<SequenceRow> {
    let mut found = FetchBuf::default();
    if !heap(env, sequence)?.fetch_any(ROW, &mut found)? {
        let message = format!("sequence \"{}\" has no row", sequence.name);
        return Err(PgError::new(code::DATA_CORRUPTED, message));
    }
    SequenceRow::read(found.tuple())
}

fn not_ready(message: String) -> PgError {
    PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}
