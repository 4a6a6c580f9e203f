//! Operators over `jsonb`: comparison, containment, existence, concatenation, and casts to plain types.

use crate::args::{FromDatum, arg, builtins};
use crate::hash::Width;
use crate::numeric::Numeric;
use crate::{ArrayValue, CallContext, Datum, Jsonb, json_text};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;

fn cmp(a: &Jsonb, b: &Jsonb) -> i32 {
    a.compare(b) as i32
}

fn eq(a: &Jsonb, b: &Jsonb) -> bool {
    a.compare(b).is_eq()
}

fn ne(a: &Jsonb, b: &Jsonb) -> bool {
    a.compare(b).is_ne()
}

fn lt(a: &Jsonb, b: &Jsonb) -> bool {
    a.compare(b) == Ordering::Less
}

fn le(a: &Jsonb, b: &Jsonb) -> bool {
    a.compare(b).is_le()
}

fn gt(a: &Jsonb, b: &Jsonb) -> bool {
    a.compare(b) == Ordering::Greater
}

fn ge(a: &Jsonb, b: &Jsonb) -> bool {
    a.compare(b).is_ge()
}

fn hash(value: &Jsonb) -> i32 {
    value.hash(Width::Short) as i32
}

fn hash_extended(value: &Jsonb, seed: i64) -> i64 {
    value.hash(Width::Long(seed as u64)) as i64
}

/// Whether `whole` holds everything in `part`. An array holds a scalar that is one of its elements.
fn contains(whole: &Jsonb, part: &Jsonb) -> bool {
    match (whole, part) {
        (Jsonb::Array(items), scalar) if scalar.is_scalar() => items.iter().any(|item| item == scalar),
        _ => contains_nested(whole, part),
    }
}

fn contains_nested(whole: &Jsonb, part: &Jsonb) -> bool {
    match (whole, part) {
        (Jsonb::Object(_), Jsonb::Object(members)) => members
            .iter()
            .all(|(key, value)| whole.member(key).is_some_and(|found| contains_nested(found, value))),
        (Jsonb::Array(items), Jsonb::Array(wanted)) => wanted.iter().all(|wanted| {
            items
                .iter()
                .any(|item| if wanted.is_scalar() { item == wanted } else { contains_nested(item, wanted) })
        }),
        _ => whole == part,
    }
}

fn contained(part: &Jsonb, whole: &Jsonb) -> bool {
    contains(whole, part)
}

/// Whether a string is a key of the object, an element of the array, or the scalar itself.
fn exists(value: &Jsonb, key: &str) -> bool {
    let is_key = |item: &Jsonb| matches!(item, Jsonb::String(text) if &**text == key);
    match value {
        Jsonb::Object(_) => value.member(key).is_some(),
        Jsonb::Array(items) => items.iter().any(is_key),
        scalar => is_key(scalar),
    }
}

fn exists_any(value: &Jsonb, keys: &ArrayValue) -> bool {
    keys.elems.iter().any(|key| matches!(key, Datum::Text(key) if exists(value, key)))
}

fn exists_all(value: &Jsonb, keys: &ArrayValue) -> bool {
    keys.elems.iter().all(|key| !matches!(key, Datum::Text(key) if !exists(value, key)))
}

/// Objects merge, everything else becomes one array.
fn concat(a: &Jsonb, b: &Jsonb) -> PgResult<Jsonb> {
    if let (Jsonb::Object(a), Jsonb::Object(b)) = (a, b) {
        return Jsonb::object(a.iter().chain(b).cloned().collect());
    }
    let items = |value: &Jsonb| match value {
        Jsonb::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    let mut all = items(a);
    all.extend(items(b));
    Jsonb::array(all)
}

fn pretty(value: &Jsonb) -> String {
    let mut out = String::new();
    json_text::write_pretty(value, &mut out);
    out
}

fn strip_nulls(value: &Jsonb) -> Jsonb {
    match value {
        Jsonb::Array(items) => Jsonb::Array(items.iter().map(strip_nulls).collect()),
        Jsonb::Object(members) => Jsonb::Object(
            members
                .iter()
                .filter(|(_, value)| *value != Jsonb::Null)
                .map(|(key, value)| (key.clone(), strip_nulls(value)))
                .collect(),
        ),
        scalar => scalar.clone(),
    }
}

/// The error of a cast between `jsonb` and a type that its value is not of.
fn cannot_cast(value: &Jsonb, target: &str) -> PgError {
    let kind = match value {
        Jsonb::Null => "null",
        Jsonb::String(_) => "string",
        Jsonb::Number(_) => "numeric",
        Jsonb::Bool(_) => "boolean",
        Jsonb::Array(_) => "array",
        Jsonb::Object(_) => "object",
    };
    PgError::new(code::INVALID_PARAMETER_VALUE, format!("cannot cast jsonb {kind} to type {target}"))
}

fn to_bool(value: &Jsonb) -> PgResult<bool> {
    match value {
        Jsonb::Bool(value) => Ok(*value),
        other => Err(cannot_cast(other, "boolean")),
    }
}

fn number<'a>(value: &'a Jsonb, target: &str) -> PgResult<&'a Numeric> {
    match value {
        Jsonb::Number(value) => Ok(value),
        other => Err(cannot_cast(other, target)),
    }
}

fn to_numeric(value: &Jsonb) -> PgResult<Numeric> {
    number(value, "numeric").cloned()
}

/// Converts the number as a cast from `numeric` does.
fn through(cast: &str, target: &str, ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let number = number(FromDatum::from_datum(arg(args, 0)?)?, target)?.clone();
    let cast = crate::builtin(cast).ok_or_else(|| PgError::internal("a cast of numeric is missing"))?;
    cast(ctx, &[Datum::numeric(number)])
}

fn to_int2(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    through("numeric_int2", "smallint", ctx, args)
}

fn to_int4(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    through("numeric_int4", "integer", ctx, args)
}

fn to_int8(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    through("numeric_int8", "bigint", ctx, args)
}

fn to_float4(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    through("numeric_float4", "real", ctx, args)
}

fn to_float8(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    through("numeric_float8", "double precision", ctx, args)
}

builtins! {
    "jsonb_cmp" = cmp: 2;
    "jsonb_eq" = eq: 2;
    "jsonb_ne" = ne: 2;
    "jsonb_lt" = lt: 2;
    "jsonb_le" = le: 2;
    "jsonb_gt" = gt: 2;
    "jsonb_ge" = ge: 2;
    "jsonb_hash" = hash: 1;
    "jsonb_hash_extended" = hash_extended: 2;
    "jsonb_contains" = contains: 2;
    "jsonb_contained" = contained: 2;
    "jsonb_exists" = exists: 2;
    "jsonb_exists_any" = exists_any: 2;
    "jsonb_exists_all" = exists_all: 2;
    "jsonb_concat" = concat: 2;
    "jsonb_pretty" = pretty: 1;
    "jsonb_strip_nulls" = strip_nulls: 1;
    "jsonb_bool" = to_bool: 1;
    "jsonb_numeric" = to_numeric: 1;
    "jsonb_int2" = to_int2;
    "jsonb_int4" = to_int4;
    "jsonb_int8" = to_int8;
    "jsonb_float4" = to_float4;
    "jsonb_float8" = to_float8;
}
