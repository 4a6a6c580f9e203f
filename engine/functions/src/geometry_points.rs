//! Points, lines and line segments. Comparisons allow for a small error (PostgreSQL's `EPSILON`),
//! arithmetic reports overflow as that of `float8` does.

use crate::args::{FromDatum, IntoDatum, builtins};
use crate::float_ops::{add, div, mul, overflow, sub};
use crate::geometry::{Geometry, Point};
use crate::{Datum, compare};
use redoubt_error::{PgError, PgResult, code};

/// Numbers that differ by no more are the same.
pub(crate) const EPSILON: f64 = 1.0E-06;

pub(crate) fn is_zero(a: f64) -> bool {
    a.abs() <= EPSILON
}

pub(crate) fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= EPSILON
}

pub(crate) fn below(a: f64, b: f64) -> bool {
    a + EPSILON < b
}

pub(crate) fn at_most(a: f64, b: f64) -> bool {
    a <= b + EPSILON
}

/// Equal as `float8` values are: NaN is equal to itself.
pub(crate) fn exactly(a: f64, b: f64) -> bool {
    compare::cmp_float(a, b).is_eq()
}

impl FromDatum<'_> for Point {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Geometry(value) => match **value {
                Geometry::Point(point) => Ok(point),
                _ => Err(datum.mismatch("point")),
            },
            other => Err(other.mismatch("point")),
        }
    }
}

impl IntoDatum for Point {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Geometry::Point(self).into_datum())
    }
}

/// `lseg` as an argument or result.
#[derive(Clone, Copy)]
struct Lseg([Point; 2]);

impl FromDatum<'_> for Lseg {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Geometry(value) => match **value {
                Geometry::Lseg(ends) => Ok(Lseg(ends)),
                _ => Err(datum.mismatch("lseg")),
            },
            other => Err(other.mismatch("lseg")),
        }
    }
}

impl IntoDatum for Lseg {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Geometry::Lseg(self.0).into_datum())
    }
}

/// `line` as an argument or result.
#[derive(Clone, Copy)]
struct Line([f64; 3]);

impl FromDatum<'_> for Line {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match datum {
            Datum::Geometry(value) => match **value {
                Geometry::Line(line) => Ok(Line(line)),
                _ => Err(datum.mismatch("line")),
            },
            other => Err(other.mismatch("line")),
        }
    }
}

impl IntoDatum for Line {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Geometry::Line(self.0).into_datum())
    }
}

/// Whether two points are the same; with a NaN in them only exactly the same.
pub(crate) fn same(a: Point, b: Point) -> bool {
    if [a.x, a.y, b.x, b.y].iter().any(|number| number.is_nan()) {
        return exactly(a.x, b.x) && exactly(a.y, b.y);
    }
    near(a.x, b.x) && near(a.y, b.y)
}

/// The distance, computed as PostgreSQL's `pg_hypot` does, so that the last digit agrees.
pub(crate) fn distance(a: Point, b: Point) -> PgResult<f64> {
    let (x, y) = (sub::<f64, f64, f64>(a.x, b.x)?, sub::<f64, f64, f64>(a.y, b.y)?);
    if x.is_infinite() || y.is_infinite() {
        return Ok(f64::INFINITY);
    }
    if x.is_nan() || y.is_nan() {
        return Ok(f64::NAN);
    }
    let (x, y) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
    if y == 0.0 {
        return Ok(x);
    }
    let ratio = y / x;
    let result = x * (1.0 + ratio * ratio).sqrt();
    if result.is_infinite() { Err(overflow()) } else { Ok(result) }
}

/// The slope of the line through two points; vertical lines have an infinite one.
pub(crate) fn slope(a: Point, b: Point) -> PgResult<f64> {
    if near(a.x, b.x) {
        return Ok(f64::INFINITY);
    }
    if near(a.y, b.y) {
        return Ok(0.0);
    }
    div(sub::<f64, f64, f64>(a.y, b.y)?, sub::<f64, f64, f64>(a.x, b.x)?)
}

/// The line with a slope through a point.
pub(crate) fn line_through(point: Point, slope: f64) -> PgResult<[f64; 3]> {
    if slope.is_infinite() {
        return Ok([-1.0, 0.0, point.x]);
    }
    if slope == 0.0 {
        return Ok([0.0, -1.0, point.y]);
    }
    let c: f64 = sub(point.y, mul::<f64, f64, f64>(slope, point.x)?)?;
    // No minus zero.
    Ok([slope, -1.0, if c == 0.0 { 0.0 } else { c }])
}

fn construct(x: f64, y: f64) -> Point {
    Point { x, y }
}

fn point_ne(a: Point, b: Point) -> bool {
    !same(a, b)
}

fn left(a: Point, b: Point) -> bool {
    below(a.x, b.x)
}

fn right(a: Point, b: Point) -> bool {
    below(b.x, a.x)
}

fn above(a: Point, b: Point) -> bool {
    below(b.y, a.y)
}

fn under(a: Point, b: Point) -> bool {
    below(a.y, b.y)
}

fn vertical(a: Point, b: Point) -> bool {
    near(a.x, b.x)
}

fn horizontal(a: Point, b: Point) -> bool {
    near(a.y, b.y)
}

pub(crate) fn plus(a: Point, b: Point) -> PgResult<Point> {
    Ok(Point { x: add(a.x, b.x)?, y: add(a.y, b.y)? })
}

pub(crate) fn minus(a: Point, b: Point) -> PgResult<Point> {
    Ok(Point { x: sub(a.x, b.x)?, y: sub(a.y, b.y)? })
}

/// The product of complex numbers: scales and rotates.
pub(crate) fn times(a: Point, b: Point) -> PgResult<Point> {
    let product = mul::<f64, f64, f64>;
    Ok(Point {
        x: sub(product(a.x, b.x)?, product(a.y, b.y)?)?,
        y: add(product(a.x, b.y)?, product(a.y, b.x)?)?,
    })
}

pub(crate) fn divided(a: Point, b: Point) -> PgResult<Point> {
    let product = mul::<f64, f64, f64>;
    let divisor: f64 = add(product(b.x, b.x)?, product(b.y, b.y)?)?;
    let x: f64 = add(product(a.x, b.x)?, product(a.y, b.y)?)?;
    let y: f64 = sub(product(a.y, b.x)?, product(a.x, b.y)?)?;
    Ok(Point { x: div(x, divisor)?, y: div(y, divisor)? })
}

fn lseg_construct(a: Point, b: Point) -> Lseg {
    Lseg([a, b])
}

fn lseg_length(a: Lseg) -> PgResult<f64> {
    distance(a.0[0], a.0[1])
}

fn lseg_center(a: Lseg) -> PgResult<Point> {
    let [a, b] = a.0;
    Ok(Point { x: div(add::<f64, f64, f64>(a.x, b.x)?, 2.0)?, y: div(add::<f64, f64, f64>(a.y, b.y)?, 2.0)? })
}

fn lseg_eq(a: Lseg, b: Lseg) -> bool {
    same(a.0[0], b.0[0]) && same(a.0[1], b.0[1])
}

fn lseg_ne(a: Lseg, b: Lseg) -> bool {
    !lseg_eq(a, b)
}

fn lseg_lt(a: Lseg, b: Lseg) -> PgResult<bool> {
    Ok(below(lseg_length(a)?, lseg_length(b)?))
}

fn lseg_le(a: Lseg, b: Lseg) -> PgResult<bool> {
    Ok(at_most(lseg_length(a)?, lseg_length(b)?))
}

fn lseg_gt(a: Lseg, b: Lseg) -> PgResult<bool> {
    lseg_lt(b, a)
}

fn lseg_ge(a: Lseg, b: Lseg) -> PgResult<bool> {
    let (a, b) = (lseg_length(a)?, lseg_length(b)?);
    Ok(a + EPSILON >= b)
}

fn lseg_vertical(a: Lseg) -> bool {
    near(a.0[0].x, a.0[1].x)
}

fn lseg_horizontal(a: Lseg) -> bool {
    near(a.0[0].y, a.0[1].y)
}

fn lseg_parallel(a: Lseg, b: Lseg) -> PgResult<bool> {
    Ok(near(slope(a.0[0], a.0[1])?, slope(b.0[0], b.0[1])?))
}

fn line_of_points(a: Point, b: Point) -> PgResult<Line> {
    if same(a, b) {
        let message = "invalid line specification: must be two distinct points";
        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
    }
    line_through(a, slope(a, b)?).map(Line)
}

fn line_vertical(line: Line) -> bool {
    is_zero(line.0[1])
}

fn line_horizontal(line: Line) -> bool {
    is_zero(line.0[0])
}

/// Whether two lines are the same: their parameters are proportional.
fn line_eq(a: Line, b: Line) -> PgResult<bool> {
    let (a, b) = (a.0, b.0);
    if a.iter().chain(&b).any(|number| number.is_nan()) {
        return Ok(a.iter().zip(&b).all(|(a, b)| exactly(*a, *b)));
    }
    let ratio = match (0..3).find(|at| !is_zero(b[*at])) {
        Some(at) => div(a[at], b[at])?,
        None => 1.0,
    };
    for at in 0..3 {
        if !near(a[at], mul::<f64, f64, f64>(ratio, b[at])?) {
            return Ok(false);
        }
    }
    Ok(true)
}

builtins! {
    "construct_point" = construct: 2;
    "point_eq" = same: 2;
    "point_ne" = point_ne: 2;
    "point_left" = left: 2;
    "point_right" = right: 2;
    "point_above" = above: 2;
    "point_below" = under: 2;
    "point_vert" = vertical: 2;
    "point_horiz" = horizontal: 2;
    "point_distance" = distance: 2;
    "point_slope" = slope: 2;
    "point_add" = plus: 2;
    "point_sub" = minus: 2;
    "point_mul" = times: 2;
    "point_div" = divided: 2;
    "lseg_construct" = lseg_construct: 2;
    "lseg_length" = lseg_length: 1;
    "lseg_center" = lseg_center: 1;
    "lseg_eq" = lseg_eq: 2;
    "lseg_ne" = lseg_ne: 2;
    "lseg_lt" = lseg_lt: 2;
    "lseg_le" = lseg_le: 2;
    "lseg_gt" = lseg_gt: 2;
    "lseg_ge" = lseg_ge: 2;
    "lseg_vertical" = lseg_vertical: 1;
    "lseg_horizontal" = lseg_horizontal: 1;
    "lseg_parallel" = lseg_parallel: 2;
    "line_construct_pp" = line_of_points: 2;
    "line_vertical" = line_vertical: 1;
    "line_horizontal" = line_horizontal: 1;
    "line_eq" = line_eq: 2;
}
