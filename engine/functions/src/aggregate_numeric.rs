//! `sum`, `avg` and the variance family over `numeric` and `int8`, and the variance family over
//! the smaller integers: exact sums of values and of squares.

use crate::aggregate::{AggState, Combines, Finals, InternalState, Transitions};
use crate::numeric::{Kind, Numeric};
use crate::{CallContext, Datum};
use redoubt_error::{PgError, PgResult};

/// Sums of integers in 128 bits, which no number of rows can overflow (squares: of `int4`).
#[derive(Clone, Copy, Default)]
struct IntSums {
    count: i64,
    sum: i128,
    squares: i128,
}

impl InternalState for IntSums {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(*self)
    }
}

/// Sums of numerics. NaN and infinities are counted apart, so that they can be taken back.
#[derive(Clone, Default)]
struct NumericSums {
    count: i64,
    sum: Sum,
    /// Only kept for the variance family.
    squares: Option<Sum>,
    /// The largest scale seen and how often, to know whether removing a row shrinks it.
    max_scale: i32,
    max_scale_count: i64,
    nans: i64,
    pos_infs: i64,
    neg_infs: i64,
}

impl InternalState for NumericSums {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(self.clone())
    }
}

/// A running exact sum: an integer count of `10^-scale` while it fits in 128 bits, a `Numeric`
/// for whatever does not.
#[derive(Clone, Default)]
struct Sum {
    scale: i32,
    units: i128,
    rest: Option<Numeric>,
}

impl Sum {
    fn add(&mut self, value: &Numeric, negate: bool) {
        if let Some((units, scale)) = value.to_units()
            && self.align(scale)
        {
            let factor = 10i128.pow((self.scale - scale) as u32);
            let shifted = units.checked_mul(factor).map(|units| if negate { -units } else { units });
            if let Some(sum) = shifted.and_then(|units| self.units.checked_add(units)) {
                self.units = sum;
                return;
            }
        }
        let value = if negate { value.clone().negated() } else { value.clone() };
        self.rest = Some(match &self.rest {
            Some(rest) => rest.add_finite(&value),
            None => value,
        });
    }

    /// Raises the scale; false when the units would not fit any more.
    fn align(&mut self, scale: i32) -> bool {
        if scale <= self.scale {
            return self.scale - scale <= 18;
        }
        let shift = scale - self.scale;
        let factor = if shift <= 18 { Some(10i128.pow(shift as u32)) } else { None };
        match factor.and_then(|factor| self.units.checked_mul(factor)) {
            Some(units) => {
                self.units = units;
                self.scale = scale;
                true
            }
            None => false,
        }
    }

    fn total(&self) -> Numeric {
        let units = Numeric::from_units(self.units, self.scale);
        self.rest.as_ref().map_or(units.clone(), |rest| rest.add_finite(&units))
    }
}

impl NumericSums {
    fn new(with_squares: bool) -> Self {
        NumericSums { squares: with_squares.then(Sum::default), ..Default::default() }
    }

    fn count_special(&mut self, kind: Kind, sign: i64) -> bool {
        match kind {
            Kind::NaN => self.nans += sign,
            Kind::PosInf => self.pos_infs += sign,
            Kind::NegInf => self.neg_infs += sign,
            _ => return false,
        }
        true
    }

    fn add(&mut self, value: &Numeric) {
        if self.count_special(value.kind, 1) {
            return;
        }
        if value.dscale > self.max_scale {
            self.max_scale = value.dscale;
            self.max_scale_count = 1;
        } else if value.dscale == self.max_scale {
            self.max_scale_count += 1;
        }
        self.count += 1;
        self.sum.add(value, false);
        if let Some(squares) = &mut self.squares {
            squares.add(&value.mul_finite(value), false);
        }
    }

    /// Takes a row back; false when the result's scale could no longer be told.
    fn remove(&mut self, value: &Numeric) -> bool {
        if self.count_special(value.kind, -1) {
            return true;
        }
        if value.dscale == self.max_scale {
            if self.max_scale_count > 1 || self.max_scale == 0 {
                self.max_scale_count -= 1;
            } else if self.count == 1 {
                (self.max_scale, self.max_scale_count) = (0, 0);
            } else {
                return false;
            }
        }
        self.count -= 1;
        if self.count == 0 {
            self.sum = Sum::default();
            self.squares = self.squares.as_ref().map(|_| Sum::default());
            return true;
        }
        self.sum.add(value, true);
        if let Some(squares) = &mut self.squares {
            squares.add(&value.mul_finite(value), true);
        }
        true
    }

    fn merge(&mut self, other: &Self) {
        self.nans += other.nans;
        self.pos_infs += other.pos_infs;
        self.neg_infs += other.neg_infs;
        if other.count == 0 {
            return;
        }
        match other.max_scale.cmp(&self.max_scale) {
            std::cmp::Ordering::Greater => {
                (self.max_scale, self.max_scale_count) = (other.max_scale, other.max_scale_count);
            }
            std::cmp::Ordering::Equal => self.max_scale_count += other.max_scale_count,
            std::cmp::Ordering::Less => {}
        }
        self.count += other.count;
        self.sum.add(&other.sum.total(), false);
        if let (Some(mine), Some(theirs)) = (&mut self.squares, &other.squares) {
            mine.add(&theirs.total(), false);
        }
    }

    fn total_count(&self) -> i64 {
        self.count + self.nans + self.pos_infs + self.neg_infs
    }

    /// The sum, or what NaN and infinities make of it; `None` without any row.
    fn sum(&self) -> Option<Numeric> {
        if self.total_count() == 0 {
            return None;
        }
        Some(if self.nans > 0 || (self.pos_infs > 0 && self.neg_infs > 0) {
            Numeric::nan()
        } else if self.pos_infs > 0 {
            Numeric::infinity(false)
        } else if self.neg_infs > 0 {
            Numeric::infinity(true)
        } else {
            let total = self.sum.total();
            let scale = total.dscale.max(self.max_scale);
            total.with_dscale(scale)
        })
    }
}

fn wrong_state() -> PgError {
    PgError::internal("unexpected state of a numeric aggregate")
}

/// The value of an integer argument; `None` for NULL.
fn integer(args: &[Datum]) -> PgResult<Option<i64>> {
    match args.first() {
        Some(Datum::Int8(value)) => Ok(Some(*value)),
        Some(Datum::Int4(value)) => Ok(Some(i64::from(*value))),
        Some(Datum::Int2(value)) => Ok(Some(i64::from(*value))),
        Some(Datum::Null) => Ok(None),
        _ => Err(wrong_state()),
    }
}

fn int_accumulate(state: &mut AggState, args: &[Datum], squares: bool, sign: i64) -> PgResult<()> {
    let sums = state.get_or_make(|_| Ok(IntSums::default()))?;
    if let Some(value) = integer(args)? {
        sums.count += sign;
        sums.sum += i128::from(sign) * i128::from(value);
        if squares {
            sums.squares += i128::from(sign) * i128::from(value) * i128::from(value);
        }
    }
    Ok(())
}

fn int_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    int_accumulate(state, args, true, 1)
}

fn int_accum_inverse(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    int_accumulate(state, args, true, -1)
}

fn int8_avg_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    int_accumulate(state, args, false, 1)
}

fn int8_avg_accum_inverse(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    int_accumulate(state, args, false, -1)
}

fn accumulate(state: &mut AggState, args: &[Datum], squares: bool) -> PgResult<()> {
    let sums = state.get_or_make(|_| Ok(NumericSums::new(squares)))?;
    match args.first() {
        Some(Datum::Numeric(value)) => sums.add(value),
        Some(Datum::Int8(value)) => sums.add(&Numeric::from(*value)),
        Some(Datum::Null) => {}
        _ => return Err(wrong_state()),
    }
    Ok(())
}

fn numeric_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    accumulate(state, args, true)
}

fn numeric_avg_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    accumulate(state, args, false)
}

fn numeric_accum_inverse(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let sums = state.get_or_make(|_| Err::<NumericSums, _>(wrong_state()))?;
    let undone = match args.first() {
        Some(Datum::Numeric(value)) => sums.remove(value),
        Some(Datum::Int8(value)) => sums.remove(&Numeric::from(*value)),
        Some(Datum::Null) => true,
        _ => return Err(wrong_state()),
    };
    if !undone {
        *state = AggState::Value(Datum::Null);
    }
    Ok(())
}

fn numeric_sum(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    match state.get::<NumericSums>().and_then(NumericSums::sum) {
        Some(sum) => sum.checked().map(Datum::numeric),
        None => Ok(Datum::Null),
    }
}

fn numeric_avg(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    let Some(sums) = state.get::<NumericSums>() else { return Ok(Datum::Null) };
    match sums.sum() {
        Some(sum) => sum.checked()?.divide(&Numeric::from(sums.count.max(1))).map(Datum::numeric),
        None => Ok(Datum::Null),
    }
}

fn int_sum(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    Ok(match state.get::<IntSums>() {
        Some(sums) if sums.count > 0 => Datum::numeric(Numeric::from(sums.sum)),
        _ => Datum::Null,
    })
}

fn int_avg(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    match state.get::<IntSums>() {
        Some(sums) if sums.count > 0 => {
            Numeric::from(sums.sum).divide(&Numeric::from(sums.count)).map(Datum::numeric)
        }
        _ => Ok(Datum::Null),
    }
}

/// Which member of the variance family.
#[derive(Clone, Copy)]
struct Spread {
    sample: bool,
    root: bool,
}

/// `(n * sum(x^2) - sum(x)^2) / (n * (n - 1))`, or over `n^2` for a population.
fn spread(count: i64, sum: &Numeric, squares: &Numeric, kind: Spread) -> PgResult<Datum> {
    let n = Numeric::from(count);
    let numerator = n.mul_finite(squares).sub_finite(&sum.mul_finite(sum));
    if numerator.signum() <= 0 {
        return Ok(Datum::numeric(Numeric::zero()));
    }
    let other = Numeric::from(if kind.sample { count - 1 } else { count });
    let divisor = n.mul_finite(&other);
    let scale = numerator.quotient_scale(&divisor);
    let variance = numerator.div_finite(&divisor, scale, true)?;
    let result = if kind.root { variance.sqrt_rounded(scale) } else { variance };
    result.checked().map(Datum::numeric)
}

fn numeric_spread(state: &AggState, kind: Spread) -> PgResult<Datum> {
    let Some(sums) = state.get::<NumericSums>() else { return Ok(Datum::Null) };
    let count = sums.total_count();
    if count == 0 || (kind.sample && count <= 1) {
        return Ok(Datum::Null);
    }
    if count != sums.count {
        return Ok(Datum::numeric(Numeric::nan()));
    }
    let squares = sums.squares.as_ref().ok_or_else(wrong_state)?.total();
    let sum = sums.sum.total();
    let scale = sum.dscale.max(sums.max_scale);
    spread(count, &sum.with_dscale(scale), &squares.with_dscale(2 * scale), kind)
}

fn int_spread(state: &AggState, kind: Spread) -> PgResult<Datum> {
    match state.get::<IntSums>() {
        Some(sums) if sums.count > i64::from(kind.sample) => {
            spread(sums.count, &Numeric::from(sums.sum), &Numeric::from(sums.squares), kind)
        }
        _ => Ok(Datum::Null),
    }
}

macro_rules! spread_finals {
    ($($name:ident = $core:ident, $sample:literal, $root:literal;)*) => {$(
        fn $name(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
            $core(state, Spread { sample: $sample, root: $root })
        }
    )*};
}

spread_finals! {
    numeric_var_samp = numeric_spread, true, false;
    numeric_stddev_samp = numeric_spread, true, true;
    numeric_var_pop = numeric_spread, false, false;
    numeric_stddev_pop = numeric_spread, false, true;
    int_var_samp = int_spread, true, false;
    int_stddev_samp = int_spread, true, true;
    int_var_pop = int_spread, false, false;
    int_stddev_pop = int_spread, false, true;
}

fn numeric_combine(_: &CallContext<'_>, state: &mut AggState, other: &AggState) -> PgResult<()> {
    let Some(theirs) = other.get::<NumericSums>() else { return Ok(()) };
    let mine = state.get_or_make(|_| Ok(NumericSums::new(theirs.squares.is_some())))?;
    mine.merge(theirs);
    Ok(())
}

fn int_combine(_: &CallContext<'_>, state: &mut AggState, other: &AggState) -> PgResult<()> {
    let Some(theirs) = other.get::<IntSums>() else { return Ok(()) };
    let mine = state.get_or_make(|_| Ok(IntSums::default()))?;
    mine.count += theirs.count;
    mine.sum += theirs.sum;
    mine.squares += theirs.squares;
    Ok(())
}

pub(crate) static TRANSITIONS: Transitions = &[
    ("int2_accum", int_accum),
    ("int4_accum", int_accum),
    ("int2_accum_inv", int_accum_inverse),
    ("int4_accum_inv", int_accum_inverse),
    ("int8_avg_accum", int8_avg_accum),
    ("int8_avg_accum_inv", int8_avg_accum_inverse),
    ("int8_accum", numeric_accum),
    ("int8_accum_inv", numeric_accum_inverse),
    ("numeric_accum", numeric_accum),
    ("numeric_avg_accum", numeric_avg_accum),
    ("numeric_accum_inv", numeric_accum_inverse),
];

pub(crate) static FINALS: Finals = &[
    ("numeric_sum", numeric_sum),
    ("numeric_avg", numeric_avg),
    ("numeric_var_samp", numeric_var_samp),
    ("numeric_stddev_samp", numeric_stddev_samp),
    ("numeric_var_pop", numeric_var_pop),
    ("numeric_stddev_pop", numeric_stddev_pop),
    ("numeric_poly_sum", int_sum),
    ("numeric_poly_avg", int_avg),
    ("numeric_poly_var_samp", int_var_samp),
    ("numeric_poly_stddev_samp", int_stddev_samp),
    ("numeric_poly_var_pop", int_var_pop),
    ("numeric_poly_stddev_pop", int_stddev_pop),
];

pub(crate) static COMBINES: Combines = &[
    ("numeric_combine", numeric_combine),
    ("numeric_avg_combine", numeric_combine),
    ("numeric_poly_combine", int_combine),
    ("int8_avg_combine", int_combine),
];
