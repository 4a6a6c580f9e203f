//! Aggregates that keep their input: `array_agg`, `string_agg` and the ordered-set aggregates.
//!
//! Ordered-set aggregates are fed in the order of their WITHIN GROUP clause: the executor sorts
//! the rows, as it does for an ORDER BY inside any aggregate call.

use crate::aggregate::{AggState, Finals, InternalState, Transitions};
use crate::compare;
use crate::composite::{Dimension, MAX_DIMENSIONS, too_many_dimensions};
use crate::{ArrayValue, CallContext, Datum, Oid};
use redoubt_error::{PgError, PgResult, code};

/// Values in order of arrival, NULLs included.
#[derive(Clone)]
struct Values {
    elem_type: Oid,
    values: Vec<Datum>,
    /// Bytes behind the values.
    payload_bytes: usize,
}

impl InternalState for Values {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(self.clone())
    }

    fn grown_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Datum>() + self.payload_bytes
    }
}

fn argument(args: &[Datum]) -> PgResult<&Datum> {
    args.first().ok_or_else(|| PgError::internal("aggregate called without its argument"))
}

fn array_agg(ctx: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let values = state
        .get_or_make(|_| Ok(Values { elem_type: ctx.arg_type(0)?, values: Vec::new(), payload_bytes: 0 }))?;
    let value = argument(args)?;
    values.payload_bytes += value.payload_bytes();
    values.values.push(value.clone());
    Ok(())
}

fn array_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    let Some(values) = state.get::<Values>() else { return Ok(Datum::Null) };
    if values.values.len() > crate::MAX_ARRAY_SIZE {
        return Err(crate::composite::size_limit());
    }
    let array = ArrayValue::from_elems(values.elem_type, values.values.clone());
    Ok(Datum::Array(array.into()))
}

/// `array_agg` over arrays: all inputs must have the same shape.
#[derive(Clone)]
struct Arrays {
    elem_type: Oid,
    dims: smallvec::SmallVec<[Dimension; 2]>,
    elems: Vec<Datum>,
    count: i32,
}

impl InternalState for Arrays {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(self.clone())
    }

    fn grown_bytes(&self) -> usize {
        self.elems.capacity() * size_of::<Datum>()
    }
}

fn array_agg_array(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let bad = |code, message: &str| Err(PgError::new(code, message));
    let array = match argument(args)? {
        Datum::Array(array) => array,
        _ => return bad(code::NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays"),
    };
    if array.dims.is_empty() && state.is_null() {
        return bad(code::ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
    }
    let arrays = state.get_or_make(|_| {
        if array.ndim() + 1 > MAX_DIMENSIONS {
            return Err(too_many_dimensions(array.ndim() + 1));
        }
        Ok(Arrays { elem_type: array.elem_type, dims: array.dims.clone(), elems: Vec::new(), count: 0 })
    })?;
    if arrays.dims != array.dims {
        return bad(code::ARRAY_SUBSCRIPT_ERROR, "cannot accumulate arrays of different dimensionality");
    }
    arrays.elems.extend_from_slice(&array.elems);
    arrays.count += 1;
    Ok(())
}

fn array_agg_array_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    let Some(arrays) = state.get::<Arrays>() else { return Ok(Datum::Null) };
    let mut dims = vec![Dimension { len: arrays.count, lower: 1 }];
    dims.extend_from_slice(&arrays.dims);
    let array = ArrayValue::with_dims(arrays.elem_type, &dims, arrays.elems.clone())?;
    Ok(Datum::Array(array.into()))
}

/// Text or bytes joined so far.
#[derive(Clone, Default)]
struct Joined {
    bytes: Vec<u8>,
}

impl InternalState for Joined {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(self.clone())
    }

    fn grown_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// The payload of a `text` or `bytea`; `None` for NULL.
fn payload(datum: Option<&Datum>) -> PgResult<Option<&[u8]>> {
    match datum {
        Some(Datum::Text(text)) => Ok(Some(text.as_bytes())),
        Some(Datum::Bytea(bytes)) => Ok(Some(bytes)),
        Some(Datum::Null) | None => Ok(None),
        Some(other) => Err(other.mismatch("text")),
    }
}

/// The delimiter goes before every value but the first; NULL values are skipped.
fn string_agg(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let Some(value) = payload(args.first())? else { return Ok(()) };
    let is_first = state.is_null();
    let joined = state.get_or_make(|_| Ok(Joined::default()))?;
    if !is_first && let Some(delimiter) = payload(args.get(1))? {
        joined.bytes.extend_from_slice(delimiter);
    }
    joined.bytes.extend_from_slice(value);
    crate::text::check_allocation(joined.bytes.len() + 4)
}

fn string_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    match state.get::<Joined>() {
        Some(joined) => crate::io::into_string(joined.bytes.clone()).map(Datum::text),
        None => Ok(Datum::Null),
    }
}

fn bytea_string_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    Ok(state.get::<Joined>().map_or(Datum::Null, |joined| Datum::Bytea(joined.bytes.as_slice().into())))
}

/// Ordered-set aggregates ignore NULL inputs.
fn ordered_set(ctx: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    if argument(args)?.is_null() {
        return Ok(());
    }
    array_agg(ctx, state, args)
}

/// The most frequent value, the first of them when several are.
fn mode(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    let Some(values) = state.get::<Values>() else { return Ok(Datum::Null) };
    let mut best: Option<(usize, &Datum)> = None;
    for group in values.values.chunk_by(|a, b| compare::eq(values.elem_type, a, b)) {
        if best.is_none_or(|(count, _)| group.len() > count) {
            best = Some((group.len(), &group[0]));
        }
    }
    Ok(best.map_or(Datum::Null, |(_, value)| value.clone()))
}

/// A percentile's fraction, or `None` for NULL.
fn fraction(datum: Option<&Datum>) -> PgResult<Option<f64>> {
    let fraction = match datum {
        Some(Datum::Float8(value)) => *value,
        Some(Datum::Null) | None => return Ok(None),
        Some(other) => return Err(other.mismatch("float8")),
    };
    if !(0.0..=1.0).contains(&fraction) {
        let shown = crate::float::general_string(fraction, 6);
        return Err(PgError::new(
            code::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("percentile value {shown} is not between 0 and 1"),
        ));
    }
    Ok(Some(fraction))
}

/// The first value whose share of the rows reaches the fraction.
fn discrete(values: &[Datum], fraction: f64) -> Datum {
    let row = (fraction * values.len() as f64).ceil() as usize;
    values.get(row.max(1) - 1).cloned().unwrap_or(Datum::Null)
}

/// The value at the fraction, between the two nearest rows.
fn continuous(values: &[Datum], fraction: f64) -> PgResult<Datum> {
    let place = fraction * (values.len() - 1) as f64;
    let (low, high) = (&values[place.floor() as usize], &values[place.ceil() as usize]);
    let share = place - place.floor();
    if place.floor() == place.ceil() {
        return Ok(low.clone());
    }
    match (low, high) {
        (Datum::Float8(low), Datum::Float8(high)) => Ok(Datum::Float8(low + share * (high - low))),
        _ => Err(low.mismatch("float8")),
    }
}

type Percentile = fn(&[Datum], f64) -> PgResult<Datum>;

fn percentile(state: &AggState, args: &[Datum], pick: Percentile) -> PgResult<Datum> {
    let Some(fraction) = fraction(args.first())? else { return Ok(Datum::Null) };
    match state.get::<Values>() {
        Some(values) if !values.values.is_empty() => pick(&values.values, fraction),
        _ => Ok(Datum::Null),
    }
}

/// The array form: one percentile per fraction, in an array of the same shape.
fn percentiles(state: &AggState, args: &[Datum], result_elem: Oid, pick: Percentile) -> PgResult<Datum> {
    let (Some(Datum::Array(fractions)), Some(values)) = (args.first(), state.get::<Values>()) else {
        return Ok(Datum::Null);
    };
    if values.values.is_empty() {
        return Ok(Datum::Null);
    }
    let elems: Vec<Datum> = fractions
        .elems
        .iter()
        .map(|elem| fraction(Some(elem))?.map_or(Ok(Datum::Null), |at| pick(&values.values, at)))
        .collect::<PgResult<_>>()?;
    Ok(Datum::Array(ArrayValue { elem_type: result_elem, dims: fractions.dims.clone(), elems }.into()))
}

fn elem_type(state: &AggState) -> Oid {
    state.get::<Values>().map_or(0, |values| values.elem_type)
}

fn percentile_disc(_: &CallContext<'_>, state: &AggState, args: &[Datum]) -> PgResult<Datum> {
    percentile(state, args, |values, at| Ok(discrete(values, at)))
}

fn percentile_disc_multi(_: &CallContext<'_>, state: &AggState, args: &[Datum]) -> PgResult<Datum> {
    percentiles(state, args, elem_type(state), |values, at| Ok(discrete(values, at)))
}

fn percentile_cont(_: &CallContext<'_>, state: &AggState, args: &[Datum]) -> PgResult<Datum> {
    percentile(state, args, continuous)
}

fn percentile_cont_multi(_: &CallContext<'_>, state: &AggState, args: &[Datum]) -> PgResult<Datum> {
    percentiles(state, args, elem_type(state), continuous)
}

pub(crate) static TRANSITIONS: Transitions = &[
    ("array_agg_transfn", array_agg),
    ("array_agg_array_transfn", array_agg_array),
    ("string_agg_transfn", string_agg),
    ("bytea_string_agg_transfn", string_agg),
    ("ordered_set_transition", ordered_set),
];

pub(crate) static FINALS: Finals = &[
    ("array_agg_finalfn", array_agg_final),
    ("array_agg_array_finalfn", array_agg_array_final),
    ("string_agg_finalfn", string_agg_final),
    ("bytea_string_agg_finalfn", bytea_string_agg_final),
    ("mode_final", mode),
    ("percentile_disc_final", percentile_disc),
    ("percentile_disc_multi_final", percentile_disc_multi),
    ("percentile_cont_float8_final", percentile_cont),
    ("percentile_cont_float8_multi_final", percentile_cont_multi),
    ("percentile_cont_interval_final", percentile_cont),
    ("percentile_cont_interval_multi_final", percentile_cont_multi),
];
