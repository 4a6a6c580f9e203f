//! Arrays: construction, subscripts, `op ANY|ALL`, element casts.

use super::is_true;
use crate::exec::Exec;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, Datum, Dimension, Jsonb, MAX_DIMENSIONS, element_count};
use redoubt_plan::program::{ArrayCast, ArrayOp, SubscriptOp};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// The elements of a long constant list, for probing.
#[derive(Debug)]
pub(crate) struct ArrayCache {
    has_null: bool,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Int(FxHashSet<i64>),
    Text(FxHashSet<Arc<str>>),
}

/// ARRAY[...].
pub(crate) fn make(elements: &[Datum], element_type: u32, multidim: bool) -> PgResult<Datum> {
    if !multidim {
        return Ok(Datum::Array(Arc::new(ArrayValue::from_elems(element_type, elements.to_vec()))));
    }
    let mut inner: Option<Vec<Dimension>> = None;
    let (mut elems, mut count) = (Vec::new(), 0);
    for element in elements {
        let sub = match element {
            // NULL and empty sub-arrays count as empty ones.
            Datum::Null => None,
            Datum::Array(array) => Some(array).filter(|array| array.ndim() > 0),
            other => return Err(other.mismatch("array")),
        };
        let dims: Vec<Dimension> = sub.map(|array| array.dims.to_vec()).unwrap_or_default();
        match &inner {
            None => inner = Some(dims),
            Some(known) if *known == dims => {}
            Some(_) => {
                return Err(PgError::new(
                    code::ARRAY_SUBSCRIPT_ERROR,
                    "multidimensional arrays must have array expressions with matching dimensions",
                ));
            }
        }
        if let Some(array) = sub {
            elems.extend(array.elems.iter().cloned());
        }
        count += 1;
    }
    let inner = inner.unwrap_or_default();
    if inner.is_empty() {
        return Ok(Datum::Array(Arc::new(ArrayValue::empty(element_type))));
    }
    let mut dims = vec![Dimension { len: count, lower: 1 }];
    dims.extend(inner);
    Ok(Datum::Array(Arc::new(ArrayValue::with_dims(element_type, &dims, elems)?)))
}

/// `a[i]`, `a[i:j]`.
pub(super) fn subscript(op: &SubscriptOp, frame: &[Datum]) -> PgResult<Datum> {
    let container = &frame[op.container.index()];
    let array = match container {
        Datum::Null => return Ok(Datum::Null),
        Datum::Array(array) => array,
        Datum::Jsonb(value) => return jsonb_subscript(value, op, frame),
        _ => return Err(PgError::unsupported("subscripting a value that is no array")),
    };
    let subscript = |slot: Option<redoubt_plan::Slot>| -> PgResult<Option<Option<i32>>> {
        match slot.map(|slot| &frame[slot.index()]) {
            None => Ok(None),
            Some(Datum::Null) => Ok(Some(None)),
            Some(Datum::Int4(value)) => Ok(Some(Some(*value))),
            Some(other) => Err(other.mismatch("int4")),
        }
    };
    let (mut lowers, mut uppers) = (Vec::new(), Vec::new());
    for (lower, upper) in &op.indexes {
        let (lower, upper) = (subscript(*lower)?, subscript(*upper)?);
        if lower == Some(None) || upper == Some(None) {
            return Ok(Datum::Null);
        }
        lowers.push(lower.flatten());
        uppers.push(upper.flatten());
    }
    if op.slice {
        return slice(array, &lowers, &uppers);
    }
    let subscripts: Vec<i32> = uppers.into_iter().flatten().collect();
    Ok(array.get(&subscripts).cloned().unwrap_or(Datum::Null))
}

/// `j['a'][0]`: NULL where the path leads nowhere.
fn jsonb_subscript(value: &Jsonb, op: &SubscriptOp, frame: &[Datum]) -> PgResult<Datum> {
    let mut found = value;
    for (_, index) in &op.indexes {
        let part = match index.map(|slot| &frame[slot.index()]) {
            Some(Datum::Int4(index)) => found.at_step(&index.to_string()),
            Some(Datum::Text(key)) => found.at_step(key),
            _ => None,
        };
        let Some(part) = part else { return Ok(Datum::Null) };
        found = part;
    }
    Ok(Datum::Jsonb(Arc::new(found.clone())))
}

fn slice(array: &ArrayValue, lowers: &[Option<i32>], uppers: &[Option<i32>]) -> PgResult<Datum> {
    let empty = || Datum::Array(Arc::new(ArrayValue::empty(array.elem_type)));
    if lowers.len() > MAX_DIMENSIONS || array.ndim() < lowers.len() || array.ndim() == 0 {
        return Ok(empty());
    }
    let mut ranges = Vec::with_capacity(array.ndim());
    for (at, dim) in array.dims.iter().enumerate() {
        let (first, last) = (dim.lower, dim.lower + dim.len - 1);
        let lower = lowers.get(at).copied().flatten().map_or(first, |lower| lower.max(first));
        let upper = uppers.get(at).copied().flatten().map_or(last, |upper| upper.min(last));
        if lower > upper {
            return Ok(empty());
        }
        ranges.push((lower - first, upper - first));
    }
    let dims: Vec<Dimension> =
        ranges.iter().map(|(lower, upper)| Dimension { len: upper - lower + 1, lower: 1 }).collect();
    let mut elems = Vec::with_capacity(element_count(&dims)?);
    let mut position: Vec<i32> = ranges.iter().map(|(lower, _)| *lower).collect();
    loop {
        let offset = position
            .iter()
            .zip(&array.dims)
            .fold(0usize, |offset, (at, dim)| offset * dim.len as usize + *at as usize);
        elems.push(array.elems[offset].clone());
        let Some(dim) = (0..ranges.len()).rev().find(|&dim| position[dim] < ranges[dim].1) else { break };
        position[dim] += 1;
        for reset in dim + 1..ranges.len() {
            position[reset] = ranges[reset].0;
        }
    }
    Ok(Datum::Array(Arc::new(ArrayValue::with_dims(array.elem_type, &dims, elems)?)))
}

impl<'a> Exec<'a> {
    /// `scalar op ANY|ALL (array)`, with SQL's three-valued logic.
    pub(super) fn array_op(&mut self, op: &'a ArrayOp) -> PgResult<Datum> {
        let array = match &self.frame[op.array.index()] {
            Datum::Null => return Ok(Datum::Null),
            Datum::Array(array) => array.clone(),
            other => return Err(other.mismatch("array")),
        };
        if array.elems.is_empty() {
            return Ok(Datum::Bool(!op.any));
        }
        if op.strict && self.frame[op.args.index()].is_null() {
            return Ok(Datum::Null);
        }
        if let Some((_, cache)) = op.hashed {
            if let Some(answer) = self.probe_array(cache as usize, &array, op.args.index()) {
                return Ok(answer);
            }
        }
        let context = self.call_context(op.site);
        let mut unknown = false;
        for element in &array.elems {
            if op.strict && element.is_null() {
                unknown = true;
                continue;
            }
            self.frame[op.args.index() + 1] = element.clone();
            let pair = &self.frame[op.args.index()..op.args.index() + 2];
            match (op.function)(&context, pair)? {
                Datum::Null => unknown = true,
                answer if is_true(&answer) == op.any => return Ok(Datum::Bool(op.any)),
                _ => {}
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(!op.any) })
    }

    /// Looks the scalar up among the elements of a constant list.
    fn probe_array(&mut self, cache: usize, array: &ArrayValue, scalar: usize) -> Option<Datum> {
        if self.arrays[cache].is_none() {
            self.arrays[cache] = Some(ArrayCache::new(array)?);
        }
        let cache = self.arrays[cache].as_ref()?;
        let found = match (&cache.keys, &self.frame[scalar]) {
            (Keys::Text(set), Datum::Text(value)) => set.contains(value),
            (Keys::Int(set), value) => set.contains(&integer_key(value)?),
            _ => return None,
        };
        Some(match (found, cache.has_null) {
            (true, _) => Datum::Bool(true),
            (false, true) => Datum::Null,
            (false, false) => Datum::Bool(false),
        })
    }

    /// Casts every element.
    pub(super) fn array_cast(&mut self, cast: &'a ArrayCast) -> PgResult<Datum> {
        let array = match &self.frame[cast.arg.index()] {
            Datum::Null => return Ok(Datum::Null),
            Datum::Array(array) => array.clone(),
            other => return Err(other.mismatch("array")),
        };
        let mut elems = Vec::with_capacity(array.elems.len());
        for element in &array.elems {
            self.frame[cast.element.index()] = element.clone();
            elems.push(self.value(&cast.cast)?.clone());
        }
        Ok(Datum::Array(Arc::new(ArrayValue {
            elem_type: cast.element_type,
            dims: array.dims.clone(),
            elems,
        })))
    }
}

impl ArrayCache {
    fn new(array: &ArrayValue) -> Option<ArrayCache> {
        let present = || array.elems.iter().filter(|element| !element.is_null());
        let keys = if present().all(|element| matches!(element, Datum::Text(_))) {
            Keys::Text(
                present()
                    .filter_map(|element| match element {
                        Datum::Text(value) => Some(value.clone()),
                        _ => None,
                    })
                    .collect(),
            )
        } else {
            Keys::Int(present().map(integer_key).collect::<Option<_>>()?)
        };
        Some(ArrayCache { has_null: array.has_nulls(), keys })
    }
}

/// A value of a type that is a number inside.
fn integer_key(value: &Datum) -> Option<i64> {
    Some(match value {
        Datum::Int2(value) => i64::from(*value),
        Datum::Int4(value) => i64::from(*value),
        Datum::Int8(value) | Datum::Timestamp(value) | Datum::TimestampTz(value) => *value,
        Datum::Oid(value) => i64::from(*value),
        Datum::Date(value) => i64::from(*value),
        _ => return None,
    })
}
