//! Arrays: comparison, containment, search and replacement, conversion from and to text.

use crate::args::{arg, builtins};
use crate::string_ops::value_text;
use crate::{ArrayValue, CallContext, Datum, Oid, compare, types};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;
use std::sync::Arc;

/// Arrays of one element type compare by [`compare::cmp`].
fn order(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Ordering> {
    let (a, b): (&ArrayValue, &ArrayValue) = (arg(args, 0)?, arg(args, 1)?);
    check_same_type(a, b, "cannot compare arrays of different element types")?;
    compare::check_ordered(a.elem_type, ctx.env)?;
    Ok(compare::cmp(types::ANYARRAY, &args[0], &args[1]))
}

fn check_same_type(a: &ArrayValue, b: &ArrayValue, message: &str) -> PgResult<()> {
    if a.elem_type != b.elem_type {
        return Err(PgError::new(code::DATATYPE_MISMATCH, message));
    }
    Ok(())
}

macro_rules! comparisons {
    ($($name:ident = $test:expr;)*) => {$(
        fn $name(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
            order(ctx, args).map($test)
        }
    )*};
}

comparisons! {
    array_eq = |order| Datum::Bool(order.is_eq());
    array_ne = |order| Datum::Bool(order.is_ne());
    array_lt = |order| Datum::Bool(order.is_lt());
    array_le = |order| Datum::Bool(order.is_le());
    array_gt = |order| Datum::Bool(order.is_gt());
    array_ge = |order| Datum::Bool(order.is_ge());
    array_cmp = |order| Datum::Int4(order as i32);
}

fn array_larger(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(args[usize::from(order(ctx, args)?.is_le())].clone())
}

fn array_smaller(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(args[usize::from(order(ctx, args)?.is_ge())].clone())
}

/// Every element of `b` occurs in `a`; NULLs match nothing.
fn contains_all(ctx: &CallContext<'_>, a: &ArrayValue, b: &ArrayValue) -> PgResult<bool> {
    check_same_type(a, b, "cannot compare arrays of different element types")?;
    compare::check_ordered(a.elem_type, ctx.env)?;
    Ok(b.elems.iter().all(|wanted| occurs(a, wanted)))
}

fn occurs(array: &ArrayValue, wanted: &Datum) -> bool {
    !wanted.is_null()
        && array.elems.iter().any(|elem| !elem.is_null() && compare::eq(array.elem_type, elem, wanted))
}

fn contains(ctx: &CallContext<'_>, a: &ArrayValue, b: &ArrayValue) -> PgResult<bool> {
    contains_all(ctx, a, b)
}

fn contained(ctx: &CallContext<'_>, a: &ArrayValue, b: &ArrayValue) -> PgResult<bool> {
    contains_all(ctx, b, a)
}

fn overlap(ctx: &CallContext<'_>, a: &ArrayValue, b: &ArrayValue) -> PgResult<bool> {
    check_same_type(a, b, "cannot compare arrays of different element types")?;
    compare::check_ordered(a.elem_type, ctx.env)?;
    Ok(b.elems.iter().any(|wanted| occurs(a, wanted)))
}

/// Elements are equal, NULL to NULL too.
fn same(elem_type: Oid, a: &Datum, b: &Datum) -> bool {
    match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => compare::eq(elem_type, a, b),
        _ => false,
    }
}

/// The subscripts at which a value occurs, from a subscript on.
fn matches<'a>(
    array: &'a ArrayValue,
    wanted: &'a Datum,
    from: Option<i32>,
) -> impl Iterator<Item = i32> + 'a {
    let lower = array.dims.first().map_or(1, |dim| dim.lower);
    array
        .elems
        .iter()
        .enumerate()
        .map(move |(at, elem)| (lower + at as i32, elem))
        .filter(move |(subscript, elem)| {
            from.is_none_or(|from| *subscript >= from) && same(array.elem_type, wanted, elem)
        })
        .map(|(subscript, _)| subscript)
}

fn searchable(ctx: &CallContext<'_>, array: &ArrayValue) -> PgResult<()> {
    if array.ndim() > 1 {
        return Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            "searching for elements in multidimensional arrays is not supported",
        ));
    }
    compare::check_ordered(array.elem_type, ctx.env)
}

fn position(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(array) = arg::<Option<&ArrayValue>>(args, 0)? else { return Ok(Datum::Null) };
    searchable(ctx, array)?;
    let wanted: &Datum = arg(args, 1)?;
    if array.dims.is_empty() || (wanted.is_null() && !array.has_nulls()) {
        return Ok(Datum::Null);
    }
    let from = match args.get(2) {
        Some(Datum::Null) => {
            return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, "initial position must not be null"));
        }
        Some(from) => Some(from.as_int4()?),
        None => None,
    };
    Ok(matches(array, wanted, from).next().map_or(Datum::Null, Datum::Int4))
}

fn positions(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(array) = arg::<Option<&ArrayValue>>(args, 0)? else { return Ok(Datum::Null) };
    searchable(ctx, array)?;
    let found = matches(array, arg(args, 1)?, None).map(Datum::Int4).collect();
    Ok(Datum::Array(ArrayValue::from_elems(types::INT4, found).into()))
}

fn remove(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(array) = arg::<Option<&Arc<ArrayValue>>>(args, 0)? else { return Ok(Datum::Null) };
    let wanted: &Datum = arg(args, 1)?;
    if array.dims.is_empty() {
        return Ok(args[0].clone());
    }
    if array.ndim() > 1 {
        return Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            "removing elements from multidimensional arrays is not supported",
        ));
    }
    compare::check_ordered(array.elem_type, ctx.env)?;
    let kept: Vec<Datum> =
        array.elems.iter().filter(|elem| !same(array.elem_type, elem, wanted)).cloned().collect();
    let lower = array.dims[0].lower;
    Ok(Datum::Array(ArrayValue::with_lower(array.elem_type, kept, lower).into()))
}

fn replace(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(array) = arg::<Option<&Arc<ArrayValue>>>(args, 0)? else { return Ok(Datum::Null) };
    let (wanted, replacement): (&Datum, &Datum) = (arg(args, 1)?, arg(args, 2)?);
    compare::check_ordered(array.elem_type, ctx.env)?;
    let mut result = ArrayValue::clone(array);
    for elem in &mut result.elems {
        if same(array.elem_type, elem, wanted) {
            *elem = replacement.clone();
        }
    }
    Ok(Datum::Array(result.into()))
}

/// `width_bucket(operand, thresholds)`: how many thresholds are not greater than the operand.
fn width_bucket(ctx: &CallContext<'_>, operand: &Datum, thresholds: &ArrayValue) -> PgResult<i32> {
    if thresholds.ndim() > 1 {
        return Err(PgError::new(code::ARRAY_SUBSCRIPT_ERROR, "thresholds must be one-dimensional array"));
    }
    if thresholds.has_nulls() {
        return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs"));
    }
    compare::check_ordered(thresholds.elem_type, ctx.env)?;
    let not_greater = |bound: &Datum| compare::cmp(thresholds.elem_type, operand, bound).is_ge();
    Ok(thresholds.elems.partition_point(not_greater) as i32)
}

/// `array_to_string`: NULL elements are skipped, or shown as the third argument.
fn to_text(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (Some(array), Some(separator)) =
        (arg::<Option<&ArrayValue>>(args, 0)?, arg::<Option<&str>>(args, 1)?)
    else {
        return Ok(Datum::Null);
    };
    let null_text = if args.len() > 2 { arg::<Option<&str>>(args, 2)? } else { None };
    let mut out = String::new();
    let mut first = true;
    for elem in &array.elems {
        let text = match (elem.is_null(), null_text) {
            (true, None) => continue,
            (true, Some(null_text)) => null_text.into(),
            (false, _) => value_text(ctx, elem, array.elem_type)?,
        };
        if !first {
            out.push_str(separator);
        }
        first = false;
        out.push_str(&text);
    }
    crate::text::check_allocation(out.len() + 4)?;
    Ok(Datum::text(out))
}

/// The fields of a text: split at a separator, into characters when it is NULL, or not at all
/// when it is empty. Fields equal to `null_text` are NULL.
pub(crate) fn split_text(text: &str, separator: Option<&str>, null_text: Option<&str>) -> Vec<Datum> {
    let field = |part: &str| if Some(part) == null_text { Datum::Null } else { Datum::text(part) };
    match separator {
        None => text.chars().map(|c| field(c.encode_utf8(&mut [0; 4]))).collect(),
        _ if text.is_empty() => Vec::new(),
        Some("") => vec![field(text)],
        Some(separator) => text.split(separator).map(field).collect(),
    }
}

fn from_text(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(text) = arg::<Option<&str>>(args, 0)? else { return Ok(Datum::Null) };
    let null_text = if args.len() > 2 { arg::<Option<&str>>(args, 2)? } else { None };
    let elems = split_text(text, arg::<Option<&str>>(args, 1)?, null_text);
    Ok(Datum::Array(ArrayValue::from_elems(types::TEXT, elems).into()))
}

builtins! {
    "array_eq" = array_eq;
    "array_ne" = array_ne;
    "array_lt" = array_lt;
    "array_le" = array_le;
    "array_gt" = array_gt;
    "array_ge" = array_ge;
    "btarraycmp" = array_cmp;
    "array_larger" = array_larger;
    "array_smaller" = array_smaller;
    "arraycontains" = contains: (ctx, 2);
    "arraycontained" = contained: (ctx, 2);
    "arrayoverlap" = overlap: (ctx, 2);
    "array_position" = position;
    "array_position_start" = position;
    "array_positions" = positions;
    "array_remove" = remove;
    "array_replace" = replace;
    "width_bucket_array" = width_bucket: (ctx, 2);
    "array_to_text" = to_text;
    "array_to_text_null" = to_text;
    "text_to_array" = from_text;
    "text_to_array_null" = from_text;
}
