//! Sizes on storage and how they are written: `pg_relation_size` and its kin, `pg_size_pretty`.

use super::{Family, session_functions};
use crate::env::StatementEnv;
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::rows::PgClass;
use redoubt_catalog::{Relation, database_pages, has_storage};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Relations;

use redoubt_functions::numeric::Numeric;
use redoubt_functions::{CallContext, Datum, Oid, builtin, io, types};
use std::sync::Arc;

pub(super) const BUILTINS: Family = session_functions! {
    "pg_relation_size": relation_size;
    "pg_table_size": table_size;
    "pg_indexes_size": indexes_size;
    "pg_total_relation_size": total_size;
    "pg_database_size_oid": database_size_by_oid;
    "pg_database_size_name": database_size_by_name;
    "pg_tablespace_size_oid": tablespace_size_by_oid;
    "pg_tablespace_size_name": tablespace_size_by_name;
    "pg_tablespace_location": tablespace_location;
    "pg_relation_filenode": relation_filenode;
    "pg_size_pretty": size_pretty;
    "pg_size_pretty_numeric": size_pretty_numeric;
    "pg_size_bytes": size_bytes;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

/// Bytes of a page, which is also the unit that storage grows by.
const PAGE_BYTES: i64 = 8192;
const DEFAULT_TABLESPACE: Oid = 1663;
const GLOBAL_TABLESPACE: Oid = 1664;

/// Pages of a relation's main fork; a view has none.
fn pages(env: &Env<'_>, relation: &Relation) -> PgResult<i64> {
    if !has_storage(relation.kind) {
        return Ok(0);
    }
    if matches!(relation.kind, 'i' | 'I') {
        return match env.catalog.index_by_oid(relation.oid)? {
            Some(index) => Ok(i64::from(index.open(env.access.engine())?.nblocks())),
            None => Ok(0),
        };
    }
    Ok(i64::from(env.access.open(relation.oid)?.heap.nblocks()))
}

fn relation(env: &Env<'_>, args: &[Datum]) -> PgResult<Option<Arc<Relation>>> {
    env.catalog.relation_by_oid(args[0].as_oid()?)
}

fn relation_size(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let fork = args[1].as_str()?;
    let Some(relation) = relation(env, args)? else { return Ok(Datum::Null) };
    match fork {
        "main" => Ok(Datum::Int8(pages(env, &relation)? * PAGE_BYTES)),
        // Free space and visibility are kept in the main fork's own pages; nothing is unlogged.
        "fsm" | "vm" | "init" => Ok(Datum::Int8(0)),
        _ => Err(PgError::new(code::INVALID_PARAMETER_VALUE, "invalid fork name")
            .hint("Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\".")),
    }
}

fn table_size(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match relation(env, args)? {
        Some(relation) => Ok(Datum::Int8(pages(env, &relation)? * PAGE_BYTES)),
        None => Ok(Datum::Null),
    }
}

fn index_pages(env: &Env<'_>, relation: &Relation) -> PgResult<i64> {
    let mut sum = 0;
    for index in env.catalog.indexes_of(relation)? {
        sum += i64::from(index.open(env.access.engine())?.nblocks());
    }
    Ok(sum)
}

fn indexes_size(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match relation(env, args)? {
        Some(relation) => Ok(Datum::Int8(index_pages(env, &relation)? * PAGE_BYTES)),
        None => Ok(Datum::Null),
    }
}

fn total_size(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match relation(env, args)? {
        Some(relation) => {
            Ok(Datum::Int8((pages(env, &relation)? + index_pages(env, &relation)?) * PAGE_BYTES))
        }
        None => Ok(Datum::Null),
    }
}

fn database_size_by_oid(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    match env.catalog.database_by_oid(oid)? {
        Some(_) => database_size(env, oid),
        None => Ok(Datum::Null),
    }
}

fn database_size_by_name(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let name = args[0].as_str()?;
    match env.catalog.database_by_name(name)? {
        Some(row) => database_size(env, row.oid),
        None => {
            let message = format!("database \"{name}\" does not exist");
            Err(PgError::new(code::UNDEFINED_DATABASE, message))
        }
    }
}

/// The relations of a database that are its own.
fn database_size(env: &Env<'_>, oid: Oid) -> PgResult<Datum> {
    const READ_ALL_STATS: Oid = 3375;
    if oid != env.facts.database
        && let Some(row) = env.catalog.database_by_oid(oid)?
    {
        let acl = row.datacl.as_ref();
        let held = env.catalog.privileges(env.facts.user_oid, AclObject::Database, row.datdba, acl)?;
        if !held.contains(Privileges::CONNECT)
            && !env.catalog.has_privileges_of(env.facts.user_oid, READ_ALL_STATS)?
        {
            let message = format!("permission denied for database {}", row.datname);
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
        }
    }
    Ok(Datum::Int8(database_pages(env.access.store(), oid)? * PAGE_BYTES))
}

fn sum_sizes(env: &Env<'_>, wanted: impl Fn(&PgClass) -> bool) -> PgResult<i64> {
    let mut sum = 0;
    for class in env.catalog.scan::<PgClass>()? {
        if wanted(&class)
            && has_storage(class.relkind)
            && let Some(relation) = env.catalog.relation_by_oid(class.oid)?
        {
            sum += pages(env, &relation)?;
        }
    }
    Ok(sum * PAGE_BYTES)
}

fn tablespace_size_by_oid(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    match env.catalog.tablespace_by_oid(oid)? {
        Some(_) => tablespace_size(env, oid),
        None => Ok(Datum::Null),
    }
}

fn tablespace_size_by_name(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let name = args[0].as_str()?;
    match env.catalog.tablespace_by_name(name)? {
        Some(row) => tablespace_size(env, row.oid),
        None => {
            let message = format!("tablespace \"{name}\" does not exist");
            Err(PgError::new(code::UNDEFINED_OBJECT, message))
        }
    }
}

/// Shared relations are in `pg_global`, all others in `pg_default`, whose size is told as far as it
/// is the current database's.
fn tablespace_size(env: &Env<'_>, oid: Oid) -> PgResult<Datum> {
    match oid {
        GLOBAL_TABLESPACE => Ok(Datum::Int8(sum_sizes(env, |class| class.relisshared)?)),
        DEFAULT_TABLESPACE => Ok(Datum::Int8(sum_sizes(env, |class| !class.relisshared)?)),
        _ => Err(PgError::unsupported("the size of a tablespace")),
    }
}

/// Tablespaces are names only: all is in one volume.
fn tablespace_location(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    if oid != 0 && env.catalog.tablespace_by_oid(oid)?.is_none() {
        let message = format!("tablespace with OID {oid} does not exist");
        return Err(PgError::new(code::UNDEFINED_OBJECT, message));
    }
    Ok(Datum::text(""))
}

fn relation_filenode(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(match relation(env, args)?.filter(|relation| has_storage(relation.kind)) {
        Some(relation) => Datum::Oid(relation.class.relfilenode),
        None => Datum::Null,
    })
}

/// The units of `pg_size_pretty`, and beyond which number of the unit before the next one is used.
const UNITS: [(&str, u32); 6] = [("bytes", 0), ("kB", 10), ("MB", 20), ("GB", 30), ("TB", 40), ("PB", 50)];
/// A number below this (20 kB less one half) stays in its unit.
const PRETTY_LIMIT: i128 = 10 * 1024;

fn size_pretty(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::text(pretty(i128::from(args[0].as_int8()?))))
}

/// Rounds half away from zero, one unit after another, as dbsize.c does.
fn pretty(size: i128) -> String {
    if size.abs() < PRETTY_LIMIT {
        return format!("{size} bytes");
    }
    // From here on numbers are twice the size in the unit, so that halves are exact.
    let mut size = size / (1 << 9);
    for (at, (unit, _)) in UNITS.iter().enumerate().skip(1) {
        if at == UNITS.len() - 1 || size.abs() < 2 * PRETTY_LIMIT - 1 {
            let rounded = (size + size.signum()) / 2;
            return format!("{rounded} {unit}");
        }
        size /= 1 << 10;
    }
    unreachable!("the last unit takes every size")
}

fn size_pretty_numeric(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let size = args[0].as_numeric()?;
    let text = size.to_string();
    let whole = text.split('.').next().unwrap_or_default();
    match whole.parse::<i128>() {
        // Below the first limit the fraction is shown as it is.
        Ok(number) if number.abs() < PRETTY_LIMIT => Ok(Datum::text(format!("{text} bytes"))),
        Ok(number) => Ok(Datum::text(pretty(number))),
        Err(_) => Err(PgError::unsupported("pg_size_pretty of so large a number")),
    }
}

fn size_bytes(env: &Env<'_>, context: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let text = args[0].as_str()?;
    let invalid = || PgError::new(code::INVALID_PARAMETER_VALUE, format!("invalid size: \"{text}\""));
    let trimmed = text.trim();
    let end = number_length(trimmed).ok_or_else(invalid)?;
    let (number, unit) = trimmed.split_at(end);
    let unit = unit.trim();
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "bytes" | "b" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        "tb" => 40,
        "pb" => 50,
        _ => {
            return Err(invalid()
                .detail(format!("Invalid size unit: \"{unit}\"."))
                .hint("Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."));
        }
    };
    let number = io::input(types::NUMERIC, -1, number, env)?;
    let bytes = Datum::numeric(number.as_numeric()?.times(&Numeric::from(1_i64 << shift))?);
    let to_int8 = builtin("numeric_int8").ok_or_else(|| PgError::internal("numeric_int8 is missing"))?;
    to_int8(context, &[bytes])
}

/// How many bytes at the start are a number: digits, a point, an exponent.
fn number_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        let exponent = if bytes.len() > at + 1 + sign { digits(at + 1 + sign) } else { 0 };
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expectations taken from PostgreSQL 15.18.
    #[test]
    fn sizes_are_written_with_units() {
        let check = |size: i64, expect: &str| assert_eq!(pretty(i128::from(size)), expect, "{size}");
        check(10, "10 bytes");
        check(10239, "10239 bytes");
        check(10240, "10 kB");
        check(10485247, "10239 kB");
        check(10485248, "10 MB");
        check(-10240, "-10 kB");
        check(1_000_000_000, "954 MB");
        check(1_000_000_000_000_000_000, "888 PB");
    }
}
