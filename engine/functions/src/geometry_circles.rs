//! Circles.

use crate::Datum;
use crate::args::{FromDatum, IntoDatum, builtins};
use crate::float_ops::{add, div, mul, sub};
use crate::geometry::{Geometry, Point};
use crate::geometry_points::{EPSILON, at_most, below, distance, divided, minus, near, plus, same, times};
use crate::geometry_shapes::{Rect, geometry};
use redoubt_error::PgResult;

/// `circle` as an argument or result.
#[derive(Clone, Copy)]
pub(crate) struct Circle {
    pub(crate) center: Point,
    pub(crate) radius: f64,
}

impl FromDatum<'_> for Circle {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match geometry(datum, "circle")? {
            Geometry::Circle(center, radius) => Ok(Circle { center: *center, radius: *radius }),
            _ => Err(datum.mismatch("circle")),
        }
    }
}

impl IntoDatum for Circle {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Geometry::Circle(self.center, self.radius).into_datum())
    }
}

fn circle_of(center: Point, radius: f64) -> Circle {
    Circle { center, radius }
}

fn circle_center(a: Circle) -> Point {
    a.center
}

fn circle_radius(a: Circle) -> f64 {
    a.radius
}

fn circle_diameter(a: Circle) -> PgResult<f64> {
    mul(a.radius, 2.0)
}

fn circle_area(a: Circle) -> PgResult<f64> {
    mul(mul::<f64, f64, f64>(a.radius, a.radius)?, std::f64::consts::PI)
}

fn circle_distance(a: Circle, b: Circle) -> PgResult<f64> {
    let gap: f64 = sub(distance(a.center, b.center)?, add::<f64, f64, f64>(a.radius, b.radius)?)?;
    Ok(if gap < 0.0 { 0.0 } else { gap })
}

fn point_circle_distance(point: Point, a: Circle) -> PgResult<f64> {
    let gap: f64 = sub(distance(point, a.center)?, a.radius)?;
    Ok(if gap < 0.0 { 0.0 } else { gap })
}

fn circle_point_distance(a: Circle, point: Point) -> PgResult<f64> {
    point_circle_distance(point, a)
}

fn circle_contain_point(a: Circle, point: Point) -> PgResult<bool> {
    Ok(distance(a.center, point)? <= a.radius)
}

fn point_in_circle(point: Point, a: Circle) -> PgResult<bool> {
    circle_contain_point(a, point)
}

fn circle_same(a: Circle, b: Circle) -> bool {
    (a.radius.is_nan() && b.radius.is_nan() || near(a.radius, b.radius)) && same(a.center, b.center)
}

fn circle_overlap(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(distance(a.center, b.center)?, add(a.radius, b.radius)?))
}

fn circle_contain(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(distance(a.center, b.center)?, sub(a.radius, b.radius)?))
}

fn circle_contained(a: Circle, b: Circle) -> PgResult<bool> {
    circle_contain(b, a)
}

/// The outermost coordinates of a circle: left, right, bottom, top.
fn extremes(a: Circle) -> PgResult<[f64; 4]> {
    Ok([
        sub(a.center.x, a.radius)?,
        add(a.center.x, a.radius)?,
        sub(a.center.y, a.radius)?,
        add(a.center.y, a.radius)?,
    ])
}

fn circle_left(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(below(extremes(a)?[1], extremes(b)?[0]))
}

fn circle_overleft(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(extremes(a)?[1], extremes(b)?[1]))
}

fn circle_right(a: Circle, b: Circle) -> PgResult<bool> {
    circle_left(b, a)
}

fn circle_overright(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(extremes(b)?[0], extremes(a)?[0]))
}

fn circle_below(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(below(extremes(a)?[3], extremes(b)?[2]))
}

fn circle_overbelow(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(extremes(a)?[3], extremes(b)?[3]))
}

fn circle_above(a: Circle, b: Circle) -> PgResult<bool> {
    circle_below(b, a)
}

fn circle_overabove(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(extremes(b)?[2], extremes(a)?[2]))
}

// Order and equality of circles are those of their areas.
fn circle_eq(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(near(circle_area(a)?, circle_area(b)?))
}

fn circle_ne(a: Circle, b: Circle) -> PgResult<bool> {
    let (a, b) = (circle_area(a)?, circle_area(b)?);
    Ok(a != b && (a - b).abs() > EPSILON)
}

fn circle_lt(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(below(circle_area(a)?, circle_area(b)?))
}

fn circle_le(a: Circle, b: Circle) -> PgResult<bool> {
    Ok(at_most(circle_area(a)?, circle_area(b)?))
}

fn circle_gt(a: Circle, b: Circle) -> PgResult<bool> {
    circle_lt(b, a)
}

fn circle_ge(a: Circle, b: Circle) -> PgResult<bool> {
    circle_le(b, a)
}

fn circle_add_point(a: Circle, point: Point) -> PgResult<Circle> {
    Ok(Circle { center: plus(a.center, point)?, ..a })
}

fn circle_sub_point(a: Circle, point: Point) -> PgResult<Circle> {
    Ok(Circle { center: minus(a.center, point)?, ..a })
}

fn circle_mul_point(a: Circle, point: Point) -> PgResult<Circle> {
    let scale = distance(point, Point::default())?;
    Ok(Circle { center: times(a.center, point)?, radius: mul(a.radius, scale)? })
}

fn circle_div_point(a: Circle, point: Point) -> PgResult<Circle> {
    let scale = distance(point, Point::default())?;
    Ok(Circle { center: divided(a.center, point)?, radius: div(a.radius, scale)? })
}

fn circle_box(a: Circle) -> PgResult<Rect> {
    let delta: f64 = div(a.radius, 2.0_f64.sqrt())?;
    Ok(Rect {
        high: Point { x: add(a.center.x, delta)?, y: add(a.center.y, delta)? },
        low: Point { x: sub(a.center.x, delta)?, y: sub(a.center.y, delta)? },
    })
}

builtins! {
    "cr_circle" = circle_of: 2;
    "circle_center" = circle_center: 1;
    "circle_radius" = circle_radius: 1;
    "circle_diameter" = circle_diameter: 1;
    "circle_area" = circle_area: 1;
    "circle_distance" = circle_distance: 2;
    "dist_pc" = point_circle_distance: 2;
    "dist_cpoint" = circle_point_distance: 2;
    "circle_contain_pt" = circle_contain_point: 2;
    "pt_contained_circle" = point_in_circle: 2;
    "circle_same" = circle_same: 2;
    "circle_overlap" = circle_overlap: 2;
    "circle_contain" = circle_contain: 2;
    "circle_contained" = circle_contained: 2;
    "circle_left" = circle_left: 2;
    "circle_overleft" = circle_overleft: 2;
    "circle_right" = circle_right: 2;
    "circle_overright" = circle_overright: 2;
    "circle_below" = circle_below: 2;
    "circle_overbelow" = circle_overbelow: 2;
    "circle_above" = circle_above: 2;
    "circle_overabove" = circle_overabove: 2;
    "circle_eq" = circle_eq: 2;
    "circle_ne" = circle_ne: 2;
    "circle_lt" = circle_lt: 2;
    "circle_le" = circle_le: 2;
    "circle_gt" = circle_gt: 2;
    "circle_ge" = circle_ge: 2;
    "circle_add_pt" = circle_add_point: 2;
    "circle_sub_pt" = circle_sub_point: 2;
    "circle_mul_pt" = circle_mul_point: 2;
    "circle_div_pt" = circle_div_point: 2;
    "circle_box" = circle_box: 1;
}
