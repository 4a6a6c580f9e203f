//! Arrays: shape, concatenation, subscripts and slices, filling.

use crate::args::{arg, builtins};
use crate::composite::{Dimension, MAX_DIMENSIONS, element_count, size_limit, too_many_dimensions};
use crate::{ArrayValue, CallContext, Datum, Oid, types};
use redoubt_error::{PgError, PgResult, code};
use std::sync::Arc;

fn subscript_error(message: &str) -> PgError {
    PgError::new(code::ARRAY_SUBSCRIPT_ERROR, message)
}

/// The dimension with this one-based number.
fn dimension(array: &ArrayValue, number: i32) -> Option<&Dimension> {
    array.dims.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

fn lower(array: &ArrayValue, number: i32) -> Option<i32> {
    dimension(array, number).map(|dim| dim.lower)
}

fn upper(array: &ArrayValue, number: i32) -> Option<i32> {
    dimension(array, number).map(|dim| dim.lower.wrapping_add(dim.len).wrapping_sub(1))
}

fn length(array: &ArrayValue, number: i32) -> Option<i32> {
    dimension(array, number).map(|dim| dim.len)
}

fn ndims(array: &ArrayValue) -> Option<i32> {
    (!array.dims.is_empty()).then_some(array.ndim() as i32)
}

fn cardinality(array: &ArrayValue) -> i32 {
    array.elems.len() as i32
}

fn dims_text(array: &ArrayValue) -> Option<String> {
    if array.dims.is_empty() {
        return None;
    }
    let one = |dim: &Dimension| format!("[{}:{}]", dim.lower, i64::from(dim.lower) + i64::from(dim.len) - 1);
    Some(array.dims.iter().map(one).collect())
}

/// The element type of an array argument, also when it is NULL.
///
/// # Errors
/// `XX000` when the argument's type is unknown or no array.
pub(crate) fn element_type(ctx: &CallContext<'_>, index: usize) -> PgResult<Oid> {
    let array_type = ctx.arg_type(index)?;
    match ctx.env.type_info(array_type)? {
        Some(info) if info.elem != 0 => Ok(info.elem),
        _ => Err(PgError::new(code::INVALID_PARAMETER_VALUE, "input data type is not an array")),
    }
}

/// The array argument, an empty one for NULL.
fn array_or_empty(ctx: &CallContext<'_>, args: &[Datum], index: usize) -> PgResult<Arc<ArrayValue>> {
    match arg::<Option<&Arc<ArrayValue>>>(args, index)? {
        Some(array) => Ok(array.clone()),
        None => Ok(Arc::new(ArrayValue::empty(element_type(ctx, index)?))),
    }
}

#[cold]
fn not_one_dimensional() -> PgError {
    PgError::new(code::DATA_EXCEPTION, "argument must be empty or one-dimensional array")
}

#[cold]
fn integer_overflow() -> PgError {
    crate::integer_ops::out_of_range("integer")
}

fn append(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let array = array_or_empty(ctx, args, 0)?;
    let elem: &Datum = arg(args, 1)?;
    let (lower, mut elems) = match array.dims[..] {
        [] => (1, Vec::new()),
        [dim] => {
            dim.lower.checked_add(dim.len).ok_or_else(integer_overflow)?;
            (dim.lower, array.elems.clone())
        }
        _ => return Err(not_one_dimensional()),
    };
    elems.push(elem.clone());
    element_count(&[Dimension { len: elems.len() as i32, lower }])?;
    Ok(Datum::Array(ArrayValue::with_lower(array.elem_type, elems, lower).into()))
}

/// The new element takes the old lower bound, so that the array keeps it.
fn prepend(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let array = array_or_empty(ctx, args, 1)?;
    let elem: &Datum = arg(args, 0)?;
    let lower = match array.dims[..] {
        [] => 1,
        [dim] => {
            dim.lower.checked_sub(1).ok_or_else(integer_overflow)?;
            dim.lower
        }
        _ => return Err(not_one_dimensional()),
    };
    let elems: Vec<Datum> = std::iter::once(elem).chain(&array.elems).cloned().collect();
    element_count(&[Dimension { len: elems.len() as i32, lower }])?;
    Ok(Datum::Array(ArrayValue::with_lower(array.elem_type, elems, lower).into()))
}

fn incompatible(detail: String) -> PgError {
    subscript_error("cannot concatenate incompatible arrays").detail(detail)
}

/// `array || array`: along the first dimension; an array of one dimension less counts as one
/// element of the other.
fn concat(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let [a, b] = args else { return Err(PgError::internal("array_cat takes two arguments")) };
    let (left, right) = match (a, b) {
        (Datum::Array(left), Datum::Array(right)) => (left, right),
        (Datum::Null, other) | (other, Datum::Null) => return Ok(other.clone()),
        (other, _) => return Err(other.mismatch("array")),
    };
    if left.elem_type != right.elem_type {
        let name = |oid| ctx.env.type_name(oid, -1);
        return Err(PgError::new(code::DATATYPE_MISMATCH, "cannot concatenate incompatible arrays").detail(
            format!(
                "Arrays with element types {} and {} are not compatible for concatenation.",
                name(left.elem_type)?,
                name(right.elem_type)?
            ),
        ));
    }
    match (left.ndim(), right.ndim()) {
        (_, 0) => return Ok(a.clone()),
        (0, _) => return Ok(b.clone()),
        (m, n) if m.abs_diff(n) > 1 => {
            return Err(incompatible(format!(
                "Arrays of {m} and {n} dimensions are not compatible for concatenation."
            )));
        }
        _ => {}
    }
    let dims = concatenated_dims(left, right)?;
    let elems: Vec<Datum> = left.elems.iter().chain(&right.elems).cloned().collect();
    Ok(Datum::Array(ArrayValue::with_dims(left.elem_type, &dims, elems)?.into()))
}

fn concatenated_dims(left: &ArrayValue, right: &ArrayValue) -> PgResult<Vec<Dimension>> {
    let (m, n) = (left.ndim(), right.ndim());
    let (mut dims, added, inner): (Vec<Dimension>, i32, &[Dimension]) = if m == n {
        (left.dims.to_vec(), right.dims[0].len, &right.dims[1..])
    } else if m < n {
        (right.dims.to_vec(), 1, &left.dims)
    } else {
        (left.dims.to_vec(), 1, &right.dims)
    };
    if dims[1..] != *inner {
        return Err(incompatible(if m == n {
            "Arrays with differing element dimensions are not compatible for concatenation.".to_owned()
        } else {
            "Arrays with differing dimensions are not compatible for concatenation.".to_owned()
        }));
    }
    dims[0].len = dims[0].len.checked_add(added).ok_or_else(size_limit)?;
    Ok(dims)
}

/// Reads an `int4[]` of dimensions or bounds for `array_fill`.
fn shape(array: &ArrayValue) -> PgResult<Vec<i32>> {
    if array.ndim() > 1 {
        return Err(subscript_error("wrong number of array subscripts")
            .detail("Dimension array must be one dimensional."));
    }
    let value = |datum: &Datum| match datum {
        Datum::Null => Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null")),
        other => other.as_int4(),
    };
    array.elems.iter().map(value).collect()
}

fn fill(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let null =
        || PgError::new(code::NULL_VALUE_NOT_ALLOWED, "dimension array or low bound array cannot be null");
    let value: &Datum = arg(args, 0)?;
    let lens = arg::<Option<&ArrayValue>>(args, 1)?.ok_or_else(null)?;
    if args.get(2).is_some_and(Datum::is_null) {
        return Err(null());
    }
    let lens = shape(lens)?;
    if lens.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions(lens.len()));
    }
    let lowers = if args.len() > 2 {
        let lowers = shape(arg::<Option<&ArrayValue>>(args, 2)?.ok_or_else(null)?)?;
        if lowers.len() != lens.len() {
            return Err(subscript_error("wrong number of array subscripts")
                .detail("Low bound array has different size than dimensions array."));
        }
        lowers
    } else {
        vec![1; lens.len()]
    };
    let dims: Vec<Dimension> =
        lens.into_iter().zip(lowers).map(|(len, lower)| Dimension { len, lower }).collect();
    let count = element_count(&dims)?;
    let array = ArrayValue::with_dims(ctx.arg_type(0)?, &dims, vec![value.clone(); count])?;
    Ok(Datum::Array(array.into()))
}

/// Drops the last `count` elements of the first dimension.
fn trim(array: &ArrayValue, count: i32) -> PgResult<ArrayValue> {
    let total = array.dims.first().map_or(0, |dim| dim.len);
    if count < 0 || count > total {
        return Err(PgError::new(
            code::ARRAY_ELEMENT_ERROR,
            format!("number of elements to trim must be between 0 and {total}"),
        ));
    }
    let last = array.dims.first().map(|dim| i64::from(dim.lower) + i64::from(total - count) - 1);
    let upper = last.and_then(|last| i32::try_from(last).ok());
    slice(array, &[(None, upper)])
}

/// The part of an array between pairs of bounds, inclusive; a missing bound is the array's own.
/// Bounds outside are cut; no overlap, or more pairs than dimensions, give the empty array.
/// Lower bounds of the result are 1.
///
/// # Errors
/// `54000` when a limit is passed, which a slice of a valid array cannot do.
pub fn slice(array: &ArrayValue, bounds: &[(Option<i32>, Option<i32>)]) -> PgResult<ArrayValue> {
    if array.dims.is_empty() || array.ndim() < bounds.len() {
        return Ok(ArrayValue::empty(array.elem_type));
    }
    // Zero-based first and past-the-end positions of each dimension.
    let mut ranges = Vec::with_capacity(array.ndim());
    for (at, dim) in array.dims.iter().enumerate() {
        let (from, to) = bounds.get(at).copied().unwrap_or((None, None));
        let relative = |bound: i32| i64::from(bound) - i64::from(dim.lower);
        let first = from.map_or(0, |bound| relative(bound).max(0));
        let end = to.map_or(i64::from(dim.len), |bound| (relative(bound) + 1).min(i64::from(dim.len)));
        if first >= end {
            return Ok(ArrayValue::empty(array.elem_type));
        }
        ranges.push(first as usize..end as usize);
    }
    let mut elems = Vec::new();
    collect_slice(array, &ranges, 0, 0, &mut elems);
    let dims: Vec<Dimension> =
        ranges.iter().map(|range| Dimension { len: range.len() as i32, lower: 1 }).collect();
    ArrayValue::with_dims(array.elem_type, &dims, elems)
}

fn collect_slice(
    array: &ArrayValue,
    ranges: &[std::ops::Range<usize>],
    depth: usize,
    offset: usize,
    elems: &mut Vec<Datum>,
) {
    let base = offset * array.dims[depth].len as usize;
    for at in ranges[depth].clone() {
        if depth + 1 == ranges.len() {
            elems.push(array.elems[base + at].clone());
        } else {
            collect_slice(array, ranges, depth + 1, base + at, elems);
        }
    }
}

#[cold]
fn out_of_bounds() -> PgError {
    subscript_error("array subscript out of range")
}

/// `array[subscripts] = value`: a one-dimensional array grows to reach the subscript, filled up
/// with NULLs; an empty one gets that one element.
///
/// # Errors
/// `2202E` for a wrong number of subscripts or one out of range, `54000` for limits.
pub fn assign_element(array: &ArrayValue, subscripts: &[i32], value: Datum) -> PgResult<ArrayValue> {
    if subscripts.is_empty() || subscripts.len() > MAX_DIMENSIONS {
        return Err(subscript_error("wrong number of array subscripts"));
    }
    if array.dims.is_empty() {
        let dims: Vec<Dimension> = subscripts.iter().map(|&lower| Dimension { len: 1, lower }).collect();
        return ArrayValue::with_dims(array.elem_type, &dims, vec![value]);
    }
    if array.ndim() != subscripts.len() {
        return Err(subscript_error("wrong number of array subscripts"));
    }
    let mut result = array.clone();
    if let [dim] = array.dims[..] {
        let at = i64::from(subscripts[0]) - i64::from(dim.lower);
        let grown = grow(&mut result, dim, at, at)?;
        result.elems[grown] = value;
        return Ok(result);
    }
    let mut offset = 0usize;
    for (dim, &subscript) in array.dims.iter().zip(subscripts) {
        let at = i64::from(subscript) - i64::from(dim.lower);
        if at < 0 || at >= i64::from(dim.len) {
            return Err(out_of_bounds());
        }
        offset = offset * dim.len as usize + at as usize;
    }
    result.elems[offset] = value;
    Ok(result)
}

/// Extends a one-dimensional array to hold positions `first` to `last` (relative to its lower
/// bound); returns where `first` is now.
fn grow(array: &mut ArrayValue, dim: Dimension, first: i64, last: i64) -> PgResult<usize> {
    let before = (-first).max(0);
    let after = (last + 1 - i64::from(dim.len)).max(0);
    let len = i64::from(dim.len) + before + after;
    let lower = i64::from(dim.lower) - before;
    let grown = Dimension {
        len: i32::try_from(len).map_err(|_| size_limit())?,
        lower: i32::try_from(lower).map_err(|_| size_limit())?,
    };
    element_count(&[grown])?;
    array.elems.splice(0..0, std::iter::repeat_n(Datum::Null, before as usize));
    array.elems.extend(std::iter::repeat_n(Datum::Null, after as usize));
    array.dims[0] = grown;
    Ok((first + before) as usize)
}

/// `array[from:to, ...] = source`: the slice must exist, or extend a one-dimensional array; the
/// source must have at least as many elements. A missing bound is the array's own.
///
/// # Errors
/// `2202E` for bounds that do not fit, `54000` for limits.
pub fn assign_slice(
    array: &ArrayValue,
    bounds: &[(Option<i32>, Option<i32>)],
    source: &ArrayValue,
) -> PgResult<ArrayValue> {
    if bounds.is_empty() || bounds.len() > MAX_DIMENSIONS {
        return Err(subscript_error("wrong number of array subscripts"));
    }
    let too_small = || subscript_error("source array too small");
    if array.dims.is_empty() {
        return slice_of_empty(array.elem_type, bounds, source);
    }
    if array.ndim() < bounds.len() {
        return Err(subscript_error("wrong number of array subscripts"));
    }
    let mut result = array.clone();
    let mut ranges = Vec::with_capacity(array.ndim());
    for (at, dim) in array.dims.iter().enumerate() {
        let (from, to) = bounds.get(at).copied().unwrap_or((None, None));
        let from = from.unwrap_or(dim.lower);
        let to = to.unwrap_or(dim.lower + dim.len - 1);
        if from > to {
            return Err(subscript_error("upper bound cannot be less than lower bound"));
        }
        let relative = |bound: i32| i64::from(bound) - i64::from(dim.lower);
        let (first, last) = (relative(from), relative(to));
        if array.ndim() == 1 {
            let count = (last - first + 1) as usize;
            let start = grow(&mut result, *dim, first, last)?;
            let values = source.elems.get(..count).ok_or_else(too_small)?;
            result.elems[start..start + count].clone_from_slice(values);
            return Ok(result);
        }
        if first < 0 || last >= i64::from(dim.len) {
            return Err(out_of_bounds());
        }
        ranges.push(first as usize..last as usize + 1);
    }
    let count = ranges.iter().map(ExactSizeIterator::len).product();
    let mut values = source.elems.get(..count).ok_or_else(too_small)?.iter();
    fill_slice(&mut result, &ranges, 0, 0, &mut values);
    Ok(result)
}

fn fill_slice(
    array: &mut ArrayValue,
    ranges: &[std::ops::Range<usize>],
    depth: usize,
    offset: usize,
    values: &mut std::slice::Iter<'_, Datum>,
) {
    let base = offset * array.dims[depth].len as usize;
    for at in ranges[depth].clone() {
        if depth + 1 < ranges.len() {
            fill_slice(array, ranges, depth + 1, base + at, values);
        } else if let Some(value) = values.next() {
            array.elems[base + at] = value.clone();
        }
    }
}

fn slice_of_empty(
    elem_type: Oid,
    bounds: &[(Option<i32>, Option<i32>)],
    source: &ArrayValue,
) -> PgResult<ArrayValue> {
    let mut dims = Vec::with_capacity(bounds.len());
    for bound in bounds {
        let (Some(from), Some(to)) = *bound else {
            return Err(subscript_error("array slice subscript must provide both boundaries").detail(
                "When assigning to a slice of an empty array value, slice boundaries must be fully specified.",
            ));
        };
        let len = i64::from(to) - i64::from(from) + 1;
        if len <= 0 {
            return Err(subscript_error("upper bound cannot be less than lower bound"));
        }
        dims.push(Dimension { len: i32::try_from(len).map_err(|_| size_limit())?, lower: from });
    }
    let count = element_count(&dims)?;
    let values = source.elems.get(..count).ok_or_else(|| subscript_error("source array too small"))?;
    ArrayValue::with_dims(elem_type, &dims, values.to_vec())
}

/// The argument types of a function, as a list for messages.
fn oidvector_types(ctx: &CallContext<'_>, oids: &ArrayValue) -> PgResult<String> {
    let names = oids.elems.iter().map(|oid| ctx.env.type_name(oid.as_oid()?, -1));
    Ok(names.collect::<PgResult<Vec<_>>>()?.join(", "))
}

fn oidvector_cmp(a: &ArrayValue, b: &ArrayValue) -> i32 {
    let difference = a.elems.len() as i32 - b.elems.len() as i32;
    if difference != 0 {
        return difference;
    }
    let wrap = |array: &ArrayValue| Datum::Array(Arc::new(array.clone()));
    crate::compare::cmp(types::OIDVECTOR, &wrap(a), &wrap(b)) as i32
}

fn oidvector_eq(a: &ArrayValue, b: &ArrayValue) -> bool {
    oidvector_cmp(a, b) == 0
}

fn oidvector_ne(a: &ArrayValue, b: &ArrayValue) -> bool {
    oidvector_cmp(a, b) != 0
}

fn oidvector_lt(a: &ArrayValue, b: &ArrayValue) -> bool {
    oidvector_cmp(a, b) < 0
}

fn oidvector_le(a: &ArrayValue, b: &ArrayValue) -> bool {
    oidvector_cmp(a, b) <= 0
}

fn oidvector_gt(a: &ArrayValue, b: &ArrayValue) -> bool {
    oidvector_cmp(a, b) > 0
}

fn oidvector_ge(a: &ArrayValue, b: &ArrayValue) -> bool {
    oidvector_cmp(a, b) >= 0
}

builtins! {
    "array_lower" = lower: 2;
    "array_upper" = upper: 2;
    "array_length" = length: 2;
    "array_ndims" = ndims: 1;
    "array_dims" = dims_text: 1;
    "array_cardinality" = cardinality: 1;
    "array_append" = append;
    "array_prepend" = prepend;
    "array_cat" = concat;
    "array_fill" = fill;
    "array_fill_with_lower_bounds" = fill;
    "trim_array" = trim: 2;
    "oidvectortypes" = oidvector_types: (ctx, 1);
    "btoidvectorcmp" = oidvector_cmp: 2;
    "oidvectoreq" = oidvector_eq: 2;
    "oidvectorne" = oidvector_ne: 2;
    "oidvectorlt" = oidvector_lt: 2;
    "oidvectorle" = oidvector_le: 2;
    "oidvectorgt" = oidvector_gt: 2;
    "oidvectorge" = oidvector_ge: 2;
}
