//! The GiST classes of points, boxes, polygons and circles: an R-tree over the boxes around them.
//!
//! A key is four numbers: right, top, left, bottom. Comparisons leave room for the geometric operators' tolerance and
//! for rounding; NaN, which is above all numbers, makes a key that fits everything.

use crate::Datum;
use crate::compare::cmp_float;
use crate::geometry::{Geometry, Point};
use crate::geometry_points::EPSILON;
use crate::geometry_shapes::geometry;
use crate::gist::{GistClass, Penalty};
use redoubt_error::PgResult;
use std::cmp::Ordering;

/// The class.
pub(crate) static BOXES: Boxes = Boxes;

#[derive(Debug)]
pub(crate) struct Boxes;

#[derive(Clone, Copy, Debug)]
struct Extent {
    high: [f64; 2],
    low: [f64; 2],
}

/// What is left of a damaged key: it says nothing.
const EVERYTHING: Extent = Extent { high: [f64::INFINITY; 2], low: [f64::NEG_INFINITY; 2] };

const X: usize = 0;
const Y: usize = 1;

impl Extent {
    fn read(key: &[u8]) -> Extent {
        let (numbers, []) = key.as_chunks::<8>() else { return EVERYTHING };
        match numbers {
            [right, top, left, bottom] => {
                let number = |bytes: &[u8; 8]| f64::from_le_bytes(*bytes);
                Extent { high: [number(right), number(top)], low: [number(left), number(bottom)] }
            }
            _ => EVERYTHING,
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        self.high.iter().chain(&self.low).for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    }

    fn of_points(points: &[Point]) -> Extent {
        let mut points =
            points.iter().map(|point| Extent { high: [point.x, point.y], low: [point.x, point.y] });
        let first = points.next().unwrap_or(EVERYTHING);
        points.fold(first, Extent::and)
    }

    fn of(value: &Geometry) -> Extent {
        match value {
            Geometry::Point(point) => Extent::of_points(&[*point]),
            Geometry::Lseg(ends) | Geometry::Box(ends) => Extent::of_points(ends),
            Geometry::Path { points, .. } | Geometry::Polygon(points) => Extent::of_points(points),
            Geometry::Circle(center, radius) => {
                let corner = |by: f64| Point { x: center.x + by, y: center.y + by };
                Extent::of_points(&[corner(*radius), corner(-radius)])
            }
            Geometry::Line(_) => EVERYTHING,
        }
    }

    fn and(self, other: Extent) -> Extent {
        let most = |a: f64, b: f64| if cmp_float(a, b).is_lt() { b } else { a };
        let least = |a: f64, b: f64| if cmp_float(a, b).is_gt() { b } else { a };
        Extent {
            high: [most(self.high[X], other.high[X]), most(self.high[Y], other.high[Y])],
            low: [least(self.low[X], other.low[X]), least(self.low[Y], other.low[Y])],
        }
    }

    /// Length of a side; endless sides have no length worth comparing.
    fn side(self, axis: usize) -> f64 {
        let side = self.high[axis] - self.low[axis];
        if side.is_nan() { 0.0 } else { side }
    }

    fn area(self) -> f64 {
        let area = self.side(X) * self.side(Y);
        if area.is_nan() { 0.0 } else { area }
    }

    fn margin(self) -> f64 {
        self.side(X) + self.side(Y)
    }

    fn center(self, axis: usize) -> f64 {
        self.low[axis] / 2.0 + self.high[axis] / 2.0
    }
}

/// Whether `a <= b` may hold for the numbers that these stand for.
fn may_be_at_most(a: f64, b: f64) -> bool {
    let slack = 2.0 * EPSILON + 1e-12 * a.abs().max(b.abs());
    // Not-a-number is never refused.
    !matches!(a.partial_cmp(&(b + slack)), Some(Ordering::Greater))
}

fn may_overlap(a: Extent, b: Extent) -> bool {
    [X, Y]
        .iter()
        .all(|&axis| may_be_at_most(a.low[axis], b.high[axis]) && may_be_at_most(b.low[axis], a.high[axis]))
}

fn may_contain(a: Extent, b: Extent) -> bool {
    [X, Y]
        .iter()
        .all(|&axis| may_be_at_most(b.high[axis], a.high[axis]) && may_be_at_most(a.low[axis], b.low[axis]))
}

impl GistClass for Boxes {
    fn compress(&self, value: &Datum, out: &mut Vec<u8>) -> PgResult<()> {
        Extent::of(geometry(value, "a geometric value")?).write(out);
        Ok(())
    }

    /// The strategies are PostgreSQL's `stratnum.h`; points have their own from 28 on.
    fn consistent(&self, key: &[u8], strategy: i16, query: &[u8], is_leaf: bool) -> bool {
        let (key, query) = (Extent::read(key), Extent::read(query));
        // The least that a value's far side can be, and the most that its near side can.
        let far = |axis: usize| if is_leaf { key.high[axis] } else { key.low[axis] };
        let near = |axis: usize| if is_leaf { key.low[axis] } else { key.high[axis] };
        match strategy {
            1 => may_be_at_most(far(X), query.low[X]),
            2 => may_be_at_most(far(X), query.high[X]),
            4 => may_be_at_most(query.low[X], near(X)),
            5 => may_be_at_most(query.high[X], near(X)),
            6 | 7 => may_contain(key, query),
            9 => may_be_at_most(far(Y), query.high[Y]),
            10 | 29 => may_be_at_most(far(Y), query.low[Y]),
            11 | 30 => may_be_at_most(query.high[Y], near(Y)),
            12 => may_be_at_most(query.low[Y], near(Y)),
            // Overlaps, is contained by a box, a polygon or a circle.
            3 | 8 | 28 | 48 | 68 => may_overlap(key, query),
            _ => true,
        }
    }

    fn unite(&self, key: &mut Vec<u8>, other: &[u8]) {
        let both = Extent::read(key).and(Extent::read(other));
        key.clear();
        both.write(key);
    }

    fn penalty(&self, key: &[u8], added: &[u8]) -> Penalty {
        let key = Extent::read(key);
        let both = key.and(Extent::read(added));
        let more = |after: f64, before: f64| if after == before { 0.0 } else { after - before };
        (more(both.area(), key.area()), more(both.margin(), key.margin()))
    }

    /// In the middle of the centers, along the axis where the two halves overlap least.
    fn pick_split(&self, keys: &[&[u8]]) -> Vec<bool> {
        let extents: Vec<Extent> = keys.iter().map(|key| Extent::read(key)).collect();
        let along = |axis: usize| {
            let mut order: Vec<usize> = (0..extents.len()).collect();
            order.sort_by(|&a, &b| cmp_float(extents[a].center(axis), extents[b].center(axis)));
            let (first, second) = order.split_at(extents.len() / 2);
            let around =
                |part: &[usize]| part.iter().map(|&at| extents[at]).reduce(Extent::and).unwrap_or(EVERYTHING);
            let (a, b) = (around(first), around(second));
            let common = Extent {
                high: [a.high[X].min(b.high[X]), a.high[Y].min(b.high[Y])],
                low: [a.low[X].max(b.low[X]), a.low[Y].max(b.low[Y])],
            };
            let overlap = common.side(X).max(0.0) * common.side(Y).max(0.0);
            let cost = (overlap, a.area() + b.area(), a.margin() + b.margin());
            let mut is_second = vec![false; extents.len()];
            second.iter().for_each(|&at| is_second[at] = true);
            (cost, is_second)
        };
        let (by_x, by_y) = (along(X), along(Y));
        let order = by_x.0.partial_cmp(&by_y.0).unwrap_or(Ordering::Equal);
        if order.is_le() { by_x.1 } else { by_y.1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(x: f64, y: f64, width: f64) -> Vec<u8> {
        let mut out = Vec::new();
        Extent { high: [x + width, y + width], low: [x, y] }.write(&mut out);
        out
    }

    #[test]
    fn a_key_that_stands_for_a_value_is_consistent_with_whatever_the_value_is() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 20) as f64
        };
        for _ in 0..2000 {
            let value = key(next(), next(), next() / 4.0);
            let mut around = value.clone();
            BOXES.unite(&mut around, &key(next(), next(), next() / 4.0));
            let query = key(next(), next(), next() / 4.0);
            for strategy in (1..=12).chain([28, 29, 30, 48, 68]) {
                if BOXES.consistent(&value, strategy, &query, true) {
                    assert!(BOXES.consistent(&around, strategy, &query, false), "strategy {strategy}");
                }
            }
        }
    }

    #[test]
    fn a_split_leaves_neither_side_empty() {
        for count in 2..30 {
            let keys: Vec<Vec<u8>> = (0..count).map(|at| key(f64::from(at % 3), 5.0, 0.0)).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let sides = BOXES.pick_split(&keys);
            assert!(sides.contains(&true) && sides.contains(&false), "{count} keys");
        }
    }

    #[test]
    fn not_a_number_is_found() {
        let nan = key(f64::NAN, 1.0, 0.0);
        let mut around = key(3.0, 1.0, 0.0);
        BOXES.unite(&mut around, &nan);
        for is_leaf in [true, false] {
            assert!(BOXES.consistent(&around, 6, &nan, is_leaf));
        }
    }
}
