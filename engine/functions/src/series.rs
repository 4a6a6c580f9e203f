//! `generate_series` and `generate_subscripts`.

use crate::args::arg;
use crate::numeric::Numeric;
use crate::set_returning::{Family, Rows};
use crate::{ArrayValue, CallContext, Datum};
use redoubt_error::{PgError, PgResult, code};

#[cold]
fn invalid(message: String) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

#[cold]
pub(crate) fn zero_step() -> PgError {
    invalid("step size cannot equal zero".to_owned())
}

/// Integers from `start` to `stop`; a series that would leave the type's range just ends.
struct IntSeries {
    next: Option<i64>,
    stop: i64,
    step: i64,
    wide: bool,
}

impl Iterator for IntSeries {
    type Item = PgResult<Datum>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.next?;
        if (self.step > 0 && value > self.stop) || (self.step < 0 && value < self.stop) {
            self.next = None;
            return None;
        }
        self.next = value.checked_add(self.step);
        Some(Ok(if self.wide { Datum::Int8(value) } else { Datum::Int4(value as i32) }))
    }
}

fn int_series(start: i64, stop: i64, step: i64, wide: bool) -> PgResult<Rows> {
    if step == 0 {
        return Err(zero_step());
    }
    Ok(Box::new(IntSeries { next: Some(start), stop, step, wide }))
}

fn series_int4(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let step = if args.len() > 2 { arg::<i32>(args, 2)? } else { 1 };
    int_series(arg::<i32>(args, 0)?.into(), arg::<i32>(args, 1)?.into(), step.into(), false)
}

fn series_int8(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let step = if args.len() > 2 { arg::<i64>(args, 2)? } else { 1 };
    int_series(arg(args, 0)?, arg(args, 1)?, step, true)
}

struct NumericSeries {
    next: Numeric,
    stop: Numeric,
    step: Numeric,
}

impl Iterator for NumericSeries {
    type Item = PgResult<Datum>;

    fn next(&mut self) -> Option<Self::Item> {
        let past = if self.step.signum() > 0 { self.next > self.stop } else { self.next < self.stop };
        if past {
            return None;
        }
        let following = self.next.add_finite(&self.step);
        let value = std::mem::replace(&mut self.next, following);
        Some(value.checked().map(Datum::numeric))
    }
}

fn series_numeric(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let finite = |value: &Numeric, what: &str| {
        if value.is_nan() {
            Err(invalid(format!("{what} cannot be NaN")))
        } else if value.is_infinite() {
            Err(invalid(format!("{what} cannot be infinity")))
        } else {
            Ok(value.clone())
        }
    };
    let next = finite(arg(args, 0)?, "start value")?;
    let stop = finite(arg(args, 1)?, "stop value")?;
    let step = if args.len() > 2 { finite(arg(args, 2)?, "step size")? } else { Numeric::one() };
    if step.is_zero() {
        return Err(zero_step());
    }
    Ok(Box::new(NumericSeries { next, stop, step }))
}

/// The subscripts of one dimension of an array, optionally backwards.
fn subscripts(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let array: &ArrayValue = arg(args, 0)?;
    let dimension: i32 = arg(args, 1)?;
    let reverse = args.len() > 2 && arg::<bool>(args, 2)?;
    let dim =
        usize::try_from(dimension).ok().and_then(|at| at.checked_sub(1)).and_then(|at| array.dims.get(at));
    let Some(dim) = dim else { return Ok(Box::new(std::iter::empty())) };
    let (first, last) = (i64::from(dim.lower), i64::from(dim.lower) + i64::from(dim.len) - 1);
    if reverse { int_series(last, first, -1, false) } else { int_series(first, last, 1, false) }
}

/// The elements of an array in storage order.
fn unnest(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let array: &std::sync::Arc<ArrayValue> = arg(args, 0)?;
    let array = array.clone();
    Ok(Box::new((0..array.elems.len()).map(move |at| Ok(array.elems[at].clone()))))
}

/// `string_to_table`. Not strict: a NULL text gives no rows.
fn text_to_table(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let Some(text) = arg::<Option<&str>>(args, 0)? else { return Ok(Box::new(std::iter::empty())) };
    let null_text = if args.len() > 2 { arg::<Option<&str>>(args, 2)? } else { None };
    let fields = crate::array_search::split_text(text, arg::<Option<&str>>(args, 1)?, null_text);
    Ok(Box::new(fields.into_iter().map(Ok)))
}

pub(crate) static SET_RETURNING: Family = &[
    ("generate_series_int4", series_int4),
    ("generate_series_step_int4", series_int4),
    ("generate_series_int8", series_int8),
    ("generate_series_step_int8", series_int8),
    ("generate_series_numeric", series_numeric),
    ("generate_series_step_numeric", series_numeric),
    ("generate_subscripts", subscripts),
    ("generate_subscripts_nodir", subscripts),
    ("array_unnest", unnest),
    ("text_to_table", text_to_table),
    ("text_to_table_null", text_to_table),
];
