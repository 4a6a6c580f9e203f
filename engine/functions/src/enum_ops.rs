//! Functions over enum types.

use crate::args::builtins;
use crate::{ArrayValue, CallContext, Datum, EnumValue, Oid, compare};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;

fn order(args: &[Datum]) -> PgResult<Ordering> {
    match args {
        [Datum::Enum(a), Datum::Enum(b)] => Ok(compare::cmp_enum(a, b)),
        [a, b] => Err(if matches!(a, Datum::Enum(_)) { b } else { a }.mismatch("enum")),
        _ => Err(PgError::internal("enum comparison without two arguments")),
    }
}

macro_rules! comparisons {
    ($($name:ident: $test:ident;)*) => {$(
        fn $name(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
            order(args).map(|order| Datum::Bool(order.$test()))
        }
    )*};
}

comparisons! {
    enum_eq: is_eq;
    enum_ne: is_ne;
    enum_lt: is_lt;
    enum_le: is_le;
    enum_gt: is_gt;
    enum_ge: is_ge;
}

fn enum_cmp(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    order(args).map(|order| Datum::Int4(order as i32))
}

fn enum_larger(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(args[usize::from(order(args)?.is_le())].clone())
}

fn enum_smaller(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(args[usize::from(order(args)?.is_ge())].clone())
}

/// The enum type of a call: its arguments may all be NULL.
fn enum_type(ctx: &CallContext<'_>) -> PgResult<Oid> {
    ctx.arg_types
        .first()
        .copied()
        .filter(|oid| *oid != 0)
        .ok_or_else(|| PgError::unsupported("could not determine actual enum type"))
}

fn end(ctx: &CallContext<'_>, pick: fn(&[EnumValue]) -> Option<&EnumValue>) -> PgResult<Datum> {
    let enum_type = enum_type(ctx)?;
    if let Some(member) = pick(&ctx.env.enum_members(enum_type)?) {
        return Ok(Datum::Enum(*member));
    }
    let name = ctx.env.type_name(enum_type, -1)?;
    Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("enum {name} contains no values")))
}

fn enum_first(ctx: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    end(ctx, |members| members.first())
}

fn enum_last(ctx: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    end(ctx, |members| members.last())
}

/// The members between two, either of which may be NULL for no limit.
fn enum_range_bounds(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let enum_type = enum_type(ctx)?;
    let bound = |at: usize| match args.get(at) {
        None | Some(Datum::Null) => Ok(None),
        Some(Datum::Enum(member)) => Ok(Some(*member)),
        Some(other) => Err(other.mismatch("enum")),
    };
    let (lower, upper) = (bound(0)?, bound(1)?);
    let elems = ctx
        .env
        .enum_members(enum_type)?
        .into_iter()
        .filter(|member| lower.is_none_or(|lower| compare::cmp_enum(member, &lower).is_ge()))
        .filter(|member| upper.is_none_or(|upper| compare::cmp_enum(member, &upper).is_le()))
        .map(Datum::Enum)
        .collect();
    Ok(Datum::Array(ArrayValue::from_elems(enum_type, elems).into()))
}

fn enum_range_all(ctx: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    enum_range_bounds(ctx, &[])
}

builtins! {
    "enum_cmp" = enum_cmp;
    "enum_eq" = enum_eq;
    "enum_first" = enum_first;
    "enum_ge" = enum_ge;
    "enum_gt" = enum_gt;
    "enum_larger" = enum_larger;
    "enum_last" = enum_last;
    "enum_le" = enum_le;
    "enum_lt" = enum_lt;
    "enum_ne" = enum_ne;
    "enum_range_all" = enum_range_all;
    "enum_range_bounds" = enum_range_bounds;
    "enum_smaller" = enum_smaller;
}
