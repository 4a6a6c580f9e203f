//! `avg` and the variance family over floats, and the regression functions, by the method of
//! Youngs and Cramer: sums, and sums of squares of differences from the mean.

use crate::aggregate::{AggState, Combines, Finals, InternalState, Transitions};
use crate::args::builtins;
use crate::float_ops::overflow;
use crate::{ArrayValue, CallContext, Datum, types};
use redoubt_error::{PgError, PgResult};

/// Reads a state array of `N` doubles.
fn doubles<const N: usize>(datum: &Datum, caller: &str) -> PgResult<[f64; N]> {
    let bad = || PgError::internal(format!("{caller}: expected {N}-element float8 array"));
    let Datum::Array(array) = datum else { return Err(bad()) };
    let mut values = [0.0; N];
    if array.elems.len() != N || array.ndim() != 1 {
        return Err(bad());
    }
    for (value, elem) in values.iter_mut().zip(&array.elems) {
        let Datum::Float8(elem) = elem else { return Err(bad()) };
        *value = *elem;
    }
    Ok(values)
}

fn to_array(values: &[f64]) -> Datum {
    let elems = values.iter().map(|value| Datum::Float8(*value)).collect();
    Datum::Array(ArrayValue::from_elems(types::FLOAT8, elems).into())
}

/// One variable: count, sum, sum of squared differences from the mean.
#[derive(Clone, Copy)]
struct Moments([f64; 3]);

/// Two variables: count, sum and squares of x, sum and squares of y, products.
#[derive(Clone, Copy)]
struct Regression([f64; 6]);

impl InternalState for Moments {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(*self)
    }

    fn to_datum(&self) -> Option<Datum> {
        Some(to_array(&self.0))
    }
}

impl InternalState for Regression {
    fn copy(&self) -> Box<dyn InternalState> {
        Box::new(*self)
    }

    fn to_datum(&self) -> Option<Datum> {
        Some(to_array(&self.0))
    }
}

impl Moments {
    fn add(&mut self, value: f64) -> PgResult<()> {
        let [count, old_sum, mut squares] = self.0;
        let new_count = count + 1.0;
        let sum = old_sum + value;
        if count > 0.0 {
            let delta = value * new_count - sum;
            squares += delta * delta / (new_count * count);
            if sum.is_infinite() || squares.is_infinite() {
                // Infinite inputs make NaN; finite ones that add up to infinity overflow.
                if !old_sum.is_infinite() && !value.is_infinite() {
                    return Err(overflow());
                }
                squares = f64::NAN;
            }
        } else if !value.is_finite() {
            squares = f64::NAN;
        }
        self.0 = [new_count, sum, squares];
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> PgResult<()> {
        let ([n1, s1, q1], [n2, s2, q2]) = (self.0, other.0);
        if n1 == 0.0 {
            self.0 = other.0;
        } else if n2 != 0.0 {
            let count = n1 + n2;
            let sum = crate::float_ops::add::<f64, f64, f64>(s1, s2)?;
            let squares = q1 + q2 + merged_products(n1, n2, s1, s2, s1, s2);
            check_merged(squares, q1, q2)?;
            self.0 = [count, sum, squares];
        }
        Ok(())
    }

    fn average(&self) -> Option<f64> {
        let [count, sum, _] = self.0;
        (count != 0.0).then(|| sum / count)
    }

    fn variance(&self, sample: bool) -> Option<f64> {
        let [count, _, squares] = self.0;
        if sample {
            (count > 1.0).then(|| squares / (count - 1.0))
        } else {
            (count != 0.0).then(|| squares / count)
        }
    }
}

/// What merging two groups adds to a sum of products of differences.
fn merged_products(n1: f64, n2: f64, x1: f64, x2: f64, y1: f64, y2: f64) -> f64 {
    let (dx, dy) = (x1 / n1 - x2 / n2, y1 / n1 - y2 / n2);
    n1 * n2 * dx * dy / (n1 + n2)
}

fn check_merged(merged: f64, a: f64, b: f64) -> PgResult<()> {
    if merged.is_infinite() && !a.is_infinite() && !b.is_infinite() { Err(overflow()) } else { Ok(()) }
}

impl Regression {
    fn add(&mut self, y: f64, x: f64) -> PgResult<()> {
        let [count, old_sx, mut sxx, old_sy, mut syy, mut sxy] = self.0;
        let new_count = count + 1.0;
        let (sx, sy) = (old_sx + x, old_sy + y);
        if count > 0.0 {
            let (dx, dy) = (x * new_count - sx, y * new_count - sy);
            let scale = 1.0 / (new_count * count);
            sxx += dx * dx * scale;
            syy += dy * dy * scale;
            sxy += dx * dy * scale;
            let x_was_finite = !old_sx.is_infinite() && !x.is_infinite();
            let y_was_finite = !old_sy.is_infinite() && !y.is_infinite();
            if ((sx.is_infinite() || sxx.is_infinite()) && x_was_finite)
                || ((sy.is_infinite() || syy.is_infinite()) && y_was_finite)
                || (sxy.is_infinite() && x_was_finite && y_was_finite)
            {
                return Err(overflow());
            }
            for sum in [&mut sxx, &mut syy, &mut sxy] {
                if sum.is_infinite() {
                    *sum = f64::NAN;
                }
            }
        } else {
            if !x.is_finite() {
                (sxx, sxy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (syy, sxy) = (f64::NAN, f64::NAN);
            }
        }
        self.0 = [new_count, sx, sxx, sy, syy, sxy];
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> PgResult<()> {
        let ([n1, sx1, sxx1, sy1, syy1, sxy1], [n2, sx2, sxx2, sy2, syy2, sxy2]) = (self.0, other.0);
        if n1 == 0.0 {
            self.0 = other.0;
        } else if n2 != 0.0 {
            let add = crate::float_ops::add::<f64, f64, f64>;
            let (sx, sy) = (add(sx1, sx2)?, add(sy1, sy2)?);
            let sxx = sxx1 + sxx2 + merged_products(n1, n2, sx1, sx2, sx1, sx2);
            let syy = syy1 + syy2 + merged_products(n1, n2, sy1, sy2, sy1, sy2);
            let sxy = sxy1 + sxy2 + merged_products(n1, n2, sx1, sx2, sy1, sy2);
            check_merged(sxx, sxx1, sxx2)?;
            check_merged(syy, syy1, syy2)?;
            check_merged(sxy, sxy1, sxy2)?;
            self.0 = [n1 + n2, sx, sxx, sy, syy, sxy];
        }
        Ok(())
    }

    /// The result of one regression function; `None` for NULL.
    fn result(&self, function: RegressionFn) -> Option<f64> {
        let [n, sx, sxx, sy, syy, sxy] = self.0;
        if n < 1.0 {
            return None;
        }
        match function {
            RegressionFn::Sxx => Some(sxx),
            RegressionFn::Syy => Some(syy),
            RegressionFn::Sxy => Some(sxy),
            RegressionFn::AvgX => Some(sx / n),
            RegressionFn::AvgY => Some(sy / n),
            RegressionFn::CovarPop => Some(sxy / n),
            RegressionFn::CovarSamp => (n >= 2.0).then(|| sxy / (n - 1.0)),
            RegressionFn::Corr => (sxx != 0.0 && syy != 0.0).then(|| sxy / (sxx * syy).sqrt()),
            RegressionFn::R2 if sxx == 0.0 => None,
            RegressionFn::R2 if syy == 0.0 => Some(1.0),
            RegressionFn::R2 => Some((sxy * sxy) / (sxx * syy)),
            RegressionFn::Slope => (sxx != 0.0).then(|| sxy / sxx),
            RegressionFn::Intercept => (sxx != 0.0).then(|| (sy - sx * sxy / sxx) / n),
        }
    }
}

#[derive(Clone, Copy)]
enum RegressionFn {
    Sxx,
    Syy,
    Sxy,
    AvgX,
    AvgY,
    CovarPop,
    CovarSamp,
    Corr,
    R2,
    Slope,
    Intercept,
}

fn float_arg(datum: Option<&Datum>) -> PgResult<f64> {
    match datum {
        Some(Datum::Float8(value)) => Ok(*value),
        Some(Datum::Float4(value)) => Ok(f64::from(*value)),
        Some(other) => Err(other.mismatch("float8")),
        None => Err(PgError::internal("aggregate called without its argument")),
    }
}

fn accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let moments = state.get_or_make(|datum| doubles(datum, "float8_accum").map(Moments))?;
    moments.add(float_arg(args.first())?)
}

fn regr_accum(_: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let sums = state.get_or_make(|datum| doubles(datum, "float8_regr_accum").map(Regression))?;
    sums.add(float_arg(args.first())?, float_arg(args.get(1))?)
}

fn moments(state: &AggState, caller: &str) -> PgResult<Option<Moments>> {
    match state {
        AggState::Value(Datum::Null) => Ok(None),
        AggState::Value(datum) => doubles(datum, caller).map(|values| Some(Moments(values))),
        internal => Ok(internal.get().copied()),
    }
}

fn regression(state: &AggState, caller: &str) -> PgResult<Option<Regression>> {
    match state {
        AggState::Value(Datum::Null) => Ok(None),
        AggState::Value(datum) => doubles(datum, caller).map(|values| Some(Regression(values))),
        internal => Ok(internal.get().copied()),
    }
}

fn combine(_: &CallContext<'_>, state: &mut AggState, other: &AggState) -> PgResult<()> {
    let Some(theirs) = moments(other, "float8_combine")? else { return Ok(()) };
    state.get_or_make(|datum| doubles(datum, "float8_combine").map(Moments))?.merge(&theirs)
}

fn regr_combine(_: &CallContext<'_>, state: &mut AggState, other: &AggState) -> PgResult<()> {
    let Some(theirs) = regression(other, "float8_regr_combine")? else { return Ok(()) };
    state.get_or_make(|datum| doubles(datum, "float8_regr_combine").map(Regression))?.merge(&theirs)
}

fn nullable(value: Option<f64>) -> Datum {
    value.map_or(Datum::Null, Datum::Float8)
}

/// Defines a final function and its form for direct calls on an array.
macro_rules! moment_finals {
    ($($symbol:literal $name:ident $called:ident = |$m:ident| $body:expr;)*) => {
        $(
            fn $name(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
                Ok(nullable(moments(state, $symbol)?.and_then(|$m| $body)))
            }
            fn $called(state: &Datum) -> PgResult<Datum> {
                let $m = Moments(doubles(state, $symbol)?);
                Ok(nullable($body))
            }
        )*
    };
}

moment_finals! {
    "float8_avg" avg avg_called = |m| m.average();
    "float8_var_pop" var_pop var_pop_called = |m| m.variance(false);
    "float8_var_samp" var_samp var_samp_called = |m| m.variance(true);
    "float8_stddev_pop" stddev_pop stddev_pop_called = |m| m.variance(false).map(f64::sqrt);
    "float8_stddev_samp" stddev_samp stddev_samp_called = |m| m.variance(true).map(f64::sqrt);
}

macro_rules! regression_finals {
    ($($symbol:literal $name:ident $called:ident = $function:ident;)*) => {
        $(
            fn $name(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
                Ok(nullable(regression(state, $symbol)?.and_then(|sums| sums.result(RegressionFn::$function))))
            }
            fn $called(state: &Datum) -> PgResult<Datum> {
                Ok(nullable(Regression(doubles(state, $symbol)?).result(RegressionFn::$function)))
            }
        )*
    };
}

regression_finals! {
    "float8_regr_sxx" sxx sxx_called = Sxx;
    "float8_regr_syy" syy syy_called = Syy;
    "float8_regr_sxy" sxy sxy_called = Sxy;
    "float8_regr_avgx" avgx avgx_called = AvgX;
    "float8_regr_avgy" avgy avgy_called = AvgY;
    "float8_covar_pop" covar_pop covar_pop_called = CovarPop;
    "float8_covar_samp" covar_samp covar_samp_called = CovarSamp;
    "float8_corr" corr corr_called = Corr;
    "float8_regr_r2" r2 r2_called = R2;
    "float8_regr_slope" slope slope_called = Slope;
    "float8_regr_intercept" intercept intercept_called = Intercept;
}

pub(crate) static TRANSITIONS: Transitions =
    &[("float4_accum", accum), ("float8_accum", accum), ("float8_regr_accum", regr_accum)];

pub(crate) static FINALS: Finals = &[
    ("float8_avg", avg),
    ("float8_var_pop", var_pop),
    ("float8_var_samp", var_samp),
    ("float8_stddev_pop", stddev_pop),
    ("float8_stddev_samp", stddev_samp),
    ("float8_regr_sxx", sxx),
    ("float8_regr_syy", syy),
    ("float8_regr_sxy", sxy),
    ("float8_regr_avgx", avgx),
    ("float8_regr_avgy", avgy),
    ("float8_covar_pop", covar_pop),
    ("float8_covar_samp", covar_samp),
    ("float8_corr", corr),
    ("float8_regr_r2", r2),
    ("float8_regr_slope", slope),
    ("float8_regr_intercept", intercept),
];

pub(crate) static COMBINES: Combines = &[("float8_combine", combine), ("float8_regr_combine", regr_combine)];

// The same functions when SQL calls them directly, on arrays.

fn accum_called(state: &Datum, value: &Datum) -> PgResult<Datum> {
    let mut moments = Moments(doubles(state, "float8_accum")?);
    moments.add(float_arg(Some(value))?)?;
    Ok(to_array(&moments.0))
}

fn accum4_called(state: &Datum, value: f32) -> PgResult<Datum> {
    let mut moments = Moments(doubles(state, "float4_accum")?);
    moments.add(f64::from(value))?;
    Ok(to_array(&moments.0))
}

fn combine_called(a: &Datum, b: &Datum) -> PgResult<Datum> {
    let mut moments = Moments(doubles(a, "float8_combine")?);
    moments.merge(&Moments(doubles(b, "float8_combine")?))?;
    Ok(to_array(&moments.0))
}

fn regr_accum_called(state: &Datum, y: f64, x: f64) -> PgResult<Datum> {
    let mut sums = Regression(doubles(state, "float8_regr_accum")?);
    sums.add(y, x)?;
    Ok(to_array(&sums.0))
}

fn regr_combine_called(a: &Datum, b: &Datum) -> PgResult<Datum> {
    let mut sums = Regression(doubles(a, "float8_regr_combine")?);
    sums.merge(&Regression(doubles(b, "float8_regr_combine")?))?;
    Ok(to_array(&sums.0))
}

builtins! {
    "float4_accum" = accum4_called: 2;
    "float8_accum" = accum_called: 2;
    "float8_combine" = combine_called: 2;
    "float8_avg" = avg_called: 1;
    "float8_var_pop" = var_pop_called: 1;
    "float8_var_samp" = var_samp_called: 1;
    "float8_stddev_pop" = stddev_pop_called: 1;
    "float8_stddev_samp" = stddev_samp_called: 1;
    "float8_regr_accum" = regr_accum_called: 3;
    "float8_regr_combine" = regr_combine_called: 2;
    "float8_regr_sxx" = sxx_called: 1;
    "float8_regr_syy" = syy_called: 1;
    "float8_regr_sxy" = sxy_called: 1;
    "float8_regr_avgx" = avgx_called: 1;
    "float8_regr_avgy" = avgy_called: 1;
    "float8_covar_pop" = covar_pop_called: 1;
    "float8_covar_samp" = covar_samp_called: 1;
    "float8_corr" = corr_called: 1;
    "float8_regr_r2" = r2_called: 1;
    "float8_regr_slope" = slope_called: 1;
    "float8_regr_intercept" = intercept_called: 1;
}
