//! Boxes, paths and polygons.

use crate::Datum;
use crate::args::{FromDatum, IntoDatum, builtins};
use crate::compare::cmp_float;
use crate::float_ops::{add, div, mul, sub};
use crate::geometry::{Geometry, Point};
use crate::geometry_circles::Circle;
use crate::geometry_points::{at_most, below, distance, divided, minus, near, plus, same, times};
use redoubt_error::{PgError, PgResult, code};

/// The upper right and the lower left corner of the box between two points.
pub(crate) fn corners(a: Point, b: Point) -> [Point; 2] {
    let order = |a: f64, b: f64| if cmp_float(a, b).is_lt() { (b, a) } else { (a, b) };
    let ((right, left), (top, bottom)) = (order(a.x, b.x), order(a.y, b.y));
    [Point { x: right, y: top }, Point { x: left, y: bottom }]
}

/// `box` as an argument or result.
#[derive(Clone, Copy)]
pub(crate) struct Rect {
    pub(crate) high: Point,
    pub(crate) low: Point,
}

/// `path` as an argument.
struct Path<'a> {
    closed: bool,
    points: &'a [Point],
}

/// `polygon` as an argument.
struct Polygon<'a>(&'a [Point]);

/// The geometric value of a datum.
pub(crate) fn geometry<'a>(datum: &'a Datum, expected: &'static str) -> PgResult<&'a Geometry> {
    match datum {
        Datum::Geometry(value) => Ok(value),
        other => Err(other.mismatch(expected)),
    }
}

impl FromDatum<'_> for Rect {
    fn from_datum(datum: &Datum) -> PgResult<Self> {
        match geometry(datum, "box")? {
            Geometry::Box([high, low]) => Ok(Rect { high: *high, low: *low }),
            _ => Err(datum.mismatch("box")),
        }
    }
}

impl IntoDatum for Rect {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Geometry::Box([self.high, self.low]).into_datum())
    }
}

impl<'a> FromDatum<'a> for Path<'a> {
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        match geometry(datum, "path")? {
            Geometry::Path { closed, points } => Ok(Path { closed: *closed, points }),
            _ => Err(datum.mismatch("path")),
        }
    }
}

impl<'a> FromDatum<'a> for Polygon<'a> {
    fn from_datum(datum: &'a Datum) -> PgResult<Self> {
        match geometry(datum, "polygon")? {
            Geometry::Polygon(points) => Ok(Polygon(points)),
            _ => Err(datum.mismatch("polygon")),
        }
    }
}

impl IntoDatum for Geometry {
    fn into_datum(self) -> PgResult<Datum> {
        Ok(Geometry::into_datum(self))
    }
}

fn box_of(a: Point, b: Point) -> Rect {
    let [high, low] = corners(a, b);
    Rect { high, low }
}

fn point_box(point: Point) -> Rect {
    Rect { high: point, low: point }
}

fn box_width(a: Rect) -> PgResult<f64> {
    sub(a.high.x, a.low.x)
}

fn box_height(a: Rect) -> PgResult<f64> {
    sub(a.high.y, a.low.y)
}

fn box_area(a: Rect) -> PgResult<f64> {
    mul(box_width(a)?, box_height(a)?)
}

fn box_center(a: Rect) -> PgResult<Point> {
    Ok(Point {
        x: div(add::<f64, f64, f64>(a.high.x, a.low.x)?, 2.0)?,
        y: div(add::<f64, f64, f64>(a.high.y, a.low.y)?, 2.0)?,
    })
}

fn box_diagonal(a: Rect) -> Geometry {
    Geometry::Lseg([a.high, a.low])
}

fn box_distance(a: Rect, b: Rect) -> PgResult<f64> {
    distance(box_center(a)?, box_center(b)?)
}

fn box_same(a: Rect, b: Rect) -> bool {
    same(a.high, b.high) && same(a.low, b.low)
}

fn box_overlap(a: Rect, b: Rect) -> bool {
    at_most(a.low.x, b.high.x)
        && at_most(b.low.x, a.high.x)
        && at_most(a.low.y, b.high.y)
        && at_most(b.low.y, a.high.y)
}

fn box_contain(a: Rect, b: Rect) -> bool {
    at_most(b.high.x, a.high.x)
        && at_most(a.low.x, b.low.x)
        && at_most(b.high.y, a.high.y)
        && at_most(a.low.y, b.low.y)
}

fn box_contained(a: Rect, b: Rect) -> bool {
    box_contain(b, a)
}

/// Whether a point is in a box, here without any tolerance.
fn box_contain_point(a: Rect, point: Point) -> bool {
    a.high.x >= point.x && a.low.x <= point.x && a.high.y >= point.y && a.low.y <= point.y
}

fn point_in_box(point: Point, a: Rect) -> bool {
    box_contain_point(a, point)
}

fn box_left(a: Rect, b: Rect) -> bool {
    below(a.high.x, b.low.x)
}

fn box_overleft(a: Rect, b: Rect) -> bool {
    at_most(a.high.x, b.high.x)
}

fn box_right(a: Rect, b: Rect) -> bool {
    below(b.high.x, a.low.x)
}

fn box_overright(a: Rect, b: Rect) -> bool {
    at_most(b.low.x, a.low.x)
}

fn box_below(a: Rect, b: Rect) -> bool {
    below(a.high.y, b.low.y)
}

fn box_overbelow(a: Rect, b: Rect) -> bool {
    at_most(a.high.y, b.high.y)
}

fn box_above(a: Rect, b: Rect) -> bool {
    below(b.high.y, a.low.y)
}

fn box_overabove(a: Rect, b: Rect) -> bool {
    at_most(b.low.y, a.low.y)
}

fn box_below_eq(a: Rect, b: Rect) -> bool {
    at_most(a.high.y, b.low.y)
}

fn box_above_eq(a: Rect, b: Rect) -> bool {
    at_most(b.high.y, a.low.y)
}

// Order and equality of boxes are those of their areas.
fn box_eq(a: Rect, b: Rect) -> PgResult<bool> {
    Ok(near(box_area(a)?, box_area(b)?))
}

fn box_lt(a: Rect, b: Rect) -> PgResult<bool> {
    Ok(below(box_area(a)?, box_area(b)?))
}

fn box_le(a: Rect, b: Rect) -> PgResult<bool> {
    Ok(at_most(box_area(a)?, box_area(b)?))
}

fn box_gt(a: Rect, b: Rect) -> PgResult<bool> {
    box_lt(b, a)
}

fn box_ge(a: Rect, b: Rect) -> PgResult<bool> {
    box_le(b, a)
}

fn box_add(a: Rect, point: Point) -> PgResult<Rect> {
    Ok(Rect { high: plus(a.high, point)?, low: plus(a.low, point)? })
}

fn box_sub(a: Rect, point: Point) -> PgResult<Rect> {
    Ok(Rect { high: minus(a.high, point)?, low: minus(a.low, point)? })
}

fn box_mul(a: Rect, point: Point) -> PgResult<Rect> {
    Ok(box_of(times(a.high, point)?, times(a.low, point)?))
}

fn box_div(a: Rect, point: Point) -> PgResult<Rect> {
    Ok(box_of(divided(a.high, point)?, divided(a.low, point)?))
}

fn greater(a: f64, b: f64) -> f64 {
    if cmp_float(a, b).is_gt() { a } else { b }
}

fn lesser(a: f64, b: f64) -> f64 {
    if cmp_float(a, b).is_lt() { a } else { b }
}

fn box_intersect(a: Rect, b: Rect) -> Option<Rect> {
    box_overlap(a, b).then(|| Rect {
        high: Point { x: lesser(a.high.x, b.high.x), y: lesser(a.high.y, b.high.y) },
        low: Point { x: greater(a.low.x, b.low.x), y: greater(a.low.y, b.low.y) },
    })
}

fn bound_box(a: Rect, b: Rect) -> Rect {
    Rect {
        high: Point { x: greater(a.high.x, b.high.x), y: greater(a.high.y, b.high.y) },
        low: Point { x: lesser(a.low.x, b.low.x), y: lesser(a.low.y, b.low.y) },
    }
}

/// The smallest box around points.
fn around(points: &[Point]) -> Rect {
    points.iter().map(|point| point_box(*point)).reduce(bound_box).unwrap_or(point_box(Point::default()))
}

fn box_polygon(a: Rect) -> Geometry {
    let corner = |x, y| Point { x, y };
    Geometry::Polygon(vec![a.low, corner(a.low.x, a.high.y), a.high, corner(a.high.x, a.low.y)])
}

fn box_circle(a: Rect) -> PgResult<Circle> {
    let center = box_center(a)?;
    Ok(Circle { center, radius: distance(center, a.high)? })
}

fn path_is_closed(path: Path<'_>) -> bool {
    path.closed
}

fn path_is_open(path: Path<'_>) -> bool {
    !path.closed
}

fn path_close(path: Path<'_>) -> Geometry {
    Geometry::Path { closed: true, points: path.points.to_vec() }
}

fn path_open(path: Path<'_>) -> Geometry {
    Geometry::Path { closed: false, points: path.points.to_vec() }
}

fn path_points(path: Path<'_>) -> i32 {
    path.points.len() as i32
}

// Order and equality of paths are those of their numbers of points.
fn path_eq(a: Path<'_>, b: Path<'_>) -> bool {
    a.points.len() == b.points.len()
}

fn path_lt(a: Path<'_>, b: Path<'_>) -> bool {
    a.points.len() < b.points.len()
}

fn path_le(a: Path<'_>, b: Path<'_>) -> bool {
    a.points.len() <= b.points.len()
}

fn path_gt(a: Path<'_>, b: Path<'_>) -> bool {
    path_lt(b, a)
}

fn path_ge(a: Path<'_>, b: Path<'_>) -> bool {
    path_le(b, a)
}

fn path_length(path: Path<'_>) -> PgResult<f64> {
    let points = path.points;
    let closing = path.closed.then(|| (&points[points.len() - 1], &points[0]));
    let sides = points.iter().zip(points.iter().skip(1));
    closing.into_iter().chain(sides).try_fold(0.0, |sum, (a, b)| add(sum, distance(*a, *b)?))
}

fn path_area(path: Path<'_>) -> PgResult<Option<f64>> {
    if !path.closed {
        return Ok(None);
    }
    let product = mul::<f64, f64, f64>;
    let mut area = 0.0;
    for (at, a) in path.points.iter().enumerate() {
        let b = &path.points[(at + 1) % path.points.len()];
        area = sub(add::<f64, f64, f64>(area, product(a.x, b.y)?)?, product(a.y, b.x)?)?;
    }
    div(area.abs(), 2.0).map(Some)
}

fn path_add(a: Path<'_>, b: Path<'_>) -> Option<Geometry> {
    let open = !a.closed && !b.closed;
    open.then(|| Geometry::Path { closed: false, points: [a.points, b.points].concat() })
}

fn path_with(path: Path<'_>, change: impl Fn(Point) -> PgResult<Point>) -> PgResult<Geometry> {
    let points = path.points.iter().map(|point| change(*point)).collect::<PgResult<_>>()?;
    Ok(Geometry::Path { closed: path.closed, points })
}

fn path_add_point(path: Path<'_>, point: Point) -> PgResult<Geometry> {
    path_with(path, |each| plus(each, point))
}

fn path_sub_point(path: Path<'_>, point: Point) -> PgResult<Geometry> {
    path_with(path, |each| minus(each, point))
}

fn path_mul_point(path: Path<'_>, point: Point) -> PgResult<Geometry> {
    path_with(path, |each| times(each, point))
}

fn path_div_point(path: Path<'_>, point: Point) -> PgResult<Geometry> {
    path_with(path, |each| divided(each, point))
}

fn path_polygon(path: Path<'_>) -> PgResult<Geometry> {
    if path.closed {
        return Ok(Geometry::Polygon(path.points.to_vec()));
    }
    let message = "open path cannot be converted to polygon";
    Err(PgError::new(code::INVALID_PARAMETER_VALUE, message))
}

fn polygon_points(polygon: Polygon<'_>) -> i32 {
    polygon.0.len() as i32
}

fn polygon_box(polygon: Polygon<'_>) -> Rect {
    around(polygon.0)
}

fn polygon_path(polygon: Polygon<'_>) -> Geometry {
    Geometry::Path { closed: true, points: polygon.0.to_vec() }
}

/// The circle around the average of the points, with their average distance as the radius.
fn polygon_circle(polygon: Polygon<'_>) -> PgResult<Circle> {
    let count = polygon.0.len() as f64;
    let sum = polygon.0.iter().try_fold(Point::default(), |sum, point| plus(sum, *point))?;
    let center = Point { x: div(sum.x, count)?, y: div(sum.y, count)? };
    let radii = polygon.0.iter().try_fold(0.0, |sum, point| add(sum, distance(*point, center)?))?;
    Ok(Circle { center, radius: div::<f64, f64, f64>(radii, count)? })
}

fn polygon_center(polygon: Polygon<'_>) -> PgResult<Point> {
    Ok(polygon_circle(polygon)?.center)
}

/// Whether two polygons have the same points in the same order, from any start, in either direction.
fn polygon_same(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    let count = a.0.len();
    count == b.0.len()
        && (0..count).any(|start| {
            let forward = (0..count).all(|at| same(b.0[(start + at) % count], a.0[at]));
            forward || (0..count).all(|at| same(b.0[(start + count - at) % count], a.0[at]))
        })
}

fn polygon_left(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).high.x < around(b.0).low.x
}

fn polygon_overleft(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).high.x <= around(b.0).high.x
}

fn polygon_right(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).low.x > around(b.0).high.x
}

fn polygon_overright(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).low.x >= around(b.0).low.x
}

fn polygon_below(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).high.y < around(b.0).low.y
}

fn polygon_overbelow(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).high.y <= around(b.0).high.y
}

fn polygon_above(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).low.y > around(b.0).high.y
}

fn polygon_overabove(a: Polygon<'_>, b: Polygon<'_>) -> bool {
    around(a.0).low.y >= around(b.0).low.y
}

builtins! {
    "points_box" = box_of: 2;
    "point_box" = point_box: 1;
    "box_width" = box_width: 1;
    "box_height" = box_height: 1;
    "box_area" = box_area: 1;
    "box_center" = box_center: 1;
    "box_diagonal" = box_diagonal: 1;
    "box_distance" = box_distance: 2;
    "box_same" = box_same: 2;
    "box_overlap" = box_overlap: 2;
    "box_contain" = box_contain: 2;
    "box_contained" = box_contained: 2;
    "box_contain_pt" = box_contain_point: 2;
    "on_pb" = point_in_box: 2;
    "box_left" = box_left: 2;
    "box_overleft" = box_overleft: 2;
    "box_right" = box_right: 2;
    "box_overright" = box_overright: 2;
    "box_below" = box_below: 2;
    "box_overbelow" = box_overbelow: 2;
    "box_above" = box_above: 2;
    "box_overabove" = box_overabove: 2;
    "box_below_eq" = box_below_eq: 2;
    "box_above_eq" = box_above_eq: 2;
    "box_eq" = box_eq: 2;
    "box_lt" = box_lt: 2;
    "box_le" = box_le: 2;
    "box_gt" = box_gt: 2;
    "box_ge" = box_ge: 2;
    "box_add" = box_add: 2;
    "box_sub" = box_sub: 2;
    "box_mul" = box_mul: 2;
    "box_div" = box_div: 2;
    "box_intersect" = box_intersect: 2;
    "boxes_bound_box" = bound_box: 2;
    "box_poly" = box_polygon: 1;
    "box_circle" = box_circle: 1;
    "path_isclosed" = path_is_closed: 1;
    "path_isopen" = path_is_open: 1;
    "path_close" = path_close: 1;
    "path_open" = path_open: 1;
    "path_npoints" = path_points: 1;
    "path_n_eq" = path_eq: 2;
    "path_n_lt" = path_lt: 2;
    "path_n_le" = path_le: 2;
    "path_n_gt" = path_gt: 2;
    "path_n_ge" = path_ge: 2;
    "path_length" = path_length: 1;
    "path_area" = path_area: 1;
    "path_add" = path_add: 2;
    "path_add_pt" = path_add_point: 2;
    "path_sub_pt" = path_sub_point: 2;
    "path_mul_pt" = path_mul_point: 2;
    "path_div_pt" = path_div_point: 2;
    "path_poly" = path_polygon: 1;
    "poly_npoints" = polygon_points: 1;
    "poly_box" = polygon_box: 1;
    "poly_path" = polygon_path: 1;
    "poly_circle" = polygon_circle: 1;
    "poly_center" = polygon_center: 1;
    "poly_same" = polygon_same: 2;
    "poly_left" = polygon_left: 2;
    "poly_overleft" = polygon_overleft: 2;
    "poly_right" = polygon_right: 2;
    "poly_overright" = polygon_overright: 2;
    "poly_below" = polygon_below: 2;
    "poly_overbelow" = polygon_overbelow: 2;
    "poly_above" = polygon_above: 2;
    "poly_overabove" = polygon_overabove: 2;
}
