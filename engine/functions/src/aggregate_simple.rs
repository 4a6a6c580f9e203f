//! Aggregates over integers and booleans: `count`, `sum` and `avg` of `int2` and `int4`, and
//! the moving forms of `bool_and` and `bool_or`. The first are the hot ones, done in place.

use crate::aggregate::{AggState, Finals, InternalState, Transitions};
use crate::args::builtins;
use crate::integer_ops::out_of_range;
use crate::numeric::Numeric;
use crate::{ArrayValue, CallContext, Datum, types};
use redoubt_error::{PgError, PgResult};

/// `count(*)` and `count(x)`: an `int8` that starts at 0.
fn count(_: &CallContext<'_>, state: &mut AggState, _: &[Datum]) -> PgResult<()> {
    let AggState::Value(Datum::Int8(count)) = state else { return Err(bad_state("int8inc")) };
    *count = count.checked_add(1).ok_or_else(|| out_of_range("bigint"))?;
    Ok(())
}

fn uncount(_: &CallContext<'_>, state: &mut AggState, _: &[Datum]) -> PgResult<()> {
    let AggState::Value(Datum::Int8(count)) = state else { return Err(bad_state("int8dec")) };
    *count = count.checked_sub(1).ok_or_else(|| out_of_range("bigint"))?;
    Ok(())
}

#[cold]
fn bad_state(symbol: &str) -> PgError {
    PgError::internal(format!("{symbol}: unexpected aggregate state"))
}

/// An `int2` or `int4` argument.
fn small_int(args: &[Datum]) -> PgResult<Option<i64>> {
    match args.first() {
        Some(Datum::Int4(value)) => Ok(Some(i64::from(*value))),
        Some(Datum::Int2(value)) => Ok(Some(i64::from(*value))),
        Some(Datum::Null) => Ok(None),
        other => Err(other.map_or_else(|| bad_state("int4_sum"), |datum| datum.mismatch("int4"))),
    }
}

/// `sum(int2)` and `sum(int4)`: NULL until the first value; 64 bits are enough for 2^32 rows.
fn sum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let Some(value) = small_int(args)? else { return Ok(()) };
    match state {
        AggState::Value(Datum::Int8(sum)) => *sum = sum.wrapping_add(value),
        AggState::Value(datum @ Datum::Null) => *datum = Datum::Int8(value),
        _ => return Err(bad_state("int4_sum")),
    }
    Ok(())
}

/// `avg(int2)`, `avg(int4)` and the moving sums: count and sum, declared as `int8[2]`.
#[derive(Clone, Copy)]
struct CountAndSum {
    count: i64,
    sum: i64,
}

impl CountAndSum {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Array(array) => match array.elems[..] {
                [Datum::Int8(count), Datum::Int8(sum)] => Ok(CountAndSum { count, sum }),
                _ => Err(PgError::internal("expected 2-element int8 array")),
            },
            _ => Err(PgError::internal("expected 2-element int8 array")),
        }
    }

    fn to_array(self) -> Datum {
        let elems = vec![Datum::Int8(self.count), Datum::Int8(self.sum)];
        Datum::Array(ArrayValue::from_elems(types::INT8, elems).into())
    }

    fn average(self) -> PgResult<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        Numeric::from(self.sum).divide(&Numeric::from(self.count)).map(Datum::numeric)
    }

    fn sum(self) -> Datum {
        if self.count == 0 { Datum::Null } else { Datum::Int8(self.sum) }
    }
}

impl InternalState for CountAndSum {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(*self)
    }

    fn to_datum(&self) -> Option<Datum> {
        Some(self.to_array())
    }
}

fn accumulate(state: &mut AggState, args: &[Datum], sign: i64) -> PgResult<()> {
    let state = state.get_or_make(CountAndSum::from_datum)?;
    if let Some(value) = small_int(args)? {
        state.count += sign;
        state.sum = state.sum.wrapping_add(sign * value);
    }
    Ok(())
}

fn avg_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    accumulate(state, args, 1)
}

fn avg_accum_inverse(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    accumulate(state, args, -1)
}

fn count_and_sum(state: &AggState) -> PgResult<CountAndSum> {
    match state {
        AggState::Value(datum) => CountAndSum::from_datum(datum),
        internal => internal.get().copied().ok_or_else(|| bad_state("int8_avg")),
    }
}

fn avg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    if state.is_null() {
        return Ok(Datum::Null);
    }
    count_and_sum(state)?.average()
}

fn moving_sum_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    if state.is_null() {
        return Ok(Datum::Null);
    }
    count_and_sum(state).map(CountAndSum::sum)
}

/// `float8` sums start NULL: the first value becomes the state.
fn float8_sum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    match (&mut *state, args) {
        (AggState::Value(Datum::Float8(sum)), [Datum::Float8(value)]) => {
            *sum = crate::float_ops::add::<f64, f64, f64>(*sum, *value)?;
            Ok(())
        }
        (AggState::Value(sum @ Datum::Null), [value]) => {
            *sum = value.clone();
            Ok(())
        }
        _ => Err(bad_state("float8pl")),
    }
}

/// Moving `bool_and` and `bool_or`: how many values there are, and how many are true.
#[derive(Clone, Copy, Default)]
struct BoolCounts {
    all: i64,
    trues: i64,
}

impl InternalState for BoolCounts {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(*self)
    }
}

fn bool_accumulate(state: &mut AggState, args: &[Datum], sign: i64) -> PgResult<()> {
    let counts = state.get_or_make(|_| Ok(BoolCounts::default()))?;
    if let Some(Datum::Bool(value)) = args.first() {
        counts.all += sign;
        counts.trues += sign * i64::from(*value);
    }
    Ok(())
}

fn bool_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    bool_accumulate(state, args, 1)
}

fn bool_accum_inverse(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    bool_accumulate(state, args, -1)
}

fn bool_final(state: &AggState, decide: fn(&BoolCounts) -> bool) -> Datum {
    match state.get::<BoolCounts>() {
        Some(counts) if counts.all > 0 => Datum::Bool(decide(counts)),
        _ => Datum::Null,
    }
}

fn bool_all_true(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    Ok(bool_final(state, |counts| counts.trues == counts.all))
}

fn bool_any_true(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    Ok(bool_final(state, |counts| counts.trues > 0))
}

pub(crate) static TRANSITIONS: Transitions = &[
    ("int8inc", count),
    ("int8inc_any", count),
    ("int8inc_float8_float8", count),
    ("int8dec", uncount),
    ("int8dec_any", uncount),
    ("int2_sum", sum),
    ("int4_sum", sum),
    ("int2_avg_accum", avg_accum),
    ("int4_avg_accum", avg_accum),
    ("int2_avg_accum_inv", avg_accum_inverse),
    ("int4_avg_accum_inv", avg_accum_inverse),
    ("float8pl", float8_sum),
    ("bool_accum", bool_accum),
    ("bool_accum_inv", bool_accum_inverse),
];

pub(crate) static FINALS: Finals = &[
    ("int8_avg", avg_final),
    ("int2int4_sum", moving_sum_final),
    ("bool_alltrue", bool_all_true),
    ("bool_anytrue", bool_any_true),
];

// The same functions when SQL calls them directly, on arrays.

fn sum_called(state: Option<i64>, value: &Datum) -> PgResult<Option<i64>> {
    let value = small_int(std::slice::from_ref(value))?;
    Ok(match (state, value) {
        (Some(sum), Some(value)) => Some(sum.wrapping_add(value)),
        (sum, value) => sum.or(value),
    })
}

fn accum_called(state: &Datum, value: &Datum, sign: i64) -> PgResult<Datum> {
    let mut state = CountAndSum::from_datum(state)?;
    if let Some(value) = small_int(std::slice::from_ref(value))? {
        state.count += sign;
        state.sum = state.sum.wrapping_add(sign * value);
    }
    Ok(state.to_array())
}

fn avg_accum_called(state: &Datum, value: &Datum) -> PgResult<Datum> {
    accum_called(state, value, 1)
}

fn avg_accum_inverse_called(state: &Datum, value: &Datum) -> PgResult<Datum> {
    accum_called(state, value, -1)
}

fn avg_combine_called(a: &Datum, b: &Datum) -> PgResult<Datum> {
    let (a, b) = (CountAndSum::from_datum(a)?, CountAndSum::from_datum(b)?);
    Ok(CountAndSum { count: a.count + b.count, sum: a.sum.wrapping_add(b.sum) }.to_array())
}

fn avg_called(state: &Datum) -> PgResult<Datum> {
    CountAndSum::from_datum(state)?.average()
}

fn moving_sum_called(state: &Datum) -> PgResult<Datum> {
    CountAndSum::from_datum(state).map(CountAndSum::sum)
}

/// `regr_count`'s transition called directly: only counts.
fn count_pairs_called(count: i64, _: &Datum, _: &Datum) -> PgResult<i64> {
    count.checked_add(1).ok_or_else(|| out_of_range("bigint"))
}

builtins! {
    "int2_sum" = sum_called: 2;
    "int4_sum" = sum_called: 2;
    "int2_avg_accum" = avg_accum_called: 2;
    "int4_avg_accum" = avg_accum_called: 2;
    "int2_avg_accum_inv" = avg_accum_inverse_called: 2;
    "int4_avg_accum_inv" = avg_accum_inverse_called: 2;
    "int4_avg_combine" = avg_combine_called: 2;
    "int8_avg" = avg_called: 1;
    "int2int4_sum" = moving_sum_called: 1;
    "int8inc_float8_float8" = count_pairs_called: 3;
}
