//! Geometric types: values and their text and binary forms (PostgreSQL's `geo_ops.c`).

use crate::binary::BinaryReader;
use crate::float::{parse_float8_prefix, write_float8};
use crate::io::{TypeIo, invalid_syntax};
use crate::text::is_c_space;
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, code};

/// A point.
#[derive(Clone, Copy, Debug, Default)]
pub struct Point {
    /// Abscissa.
    pub x: f64,
    /// Ordinate.
    pub y: f64,
}

/// A value of a geometric type.
#[derive(Clone, Debug)]
pub enum Geometry {
    /// `point`
    Point(Point),
    /// `lseg`: the ends.
    Lseg([Point; 2]),
    /// `line`: `A`, `B` and `C` of `Ax + By + C = 0`.
    Line([f64; 3]),
    /// `box`: the upper right and the lower left corner.
    Box([Point; 2]),
    /// `path`; never without points.
    Path {
        /// The last point is joined to the first.
        closed: bool,
        /// The points in order.
        points: Vec<Point>,
    },
    /// `polygon`; never without points.
    Polygon(Vec<Point>),
    /// `circle`: center and radius.
    Circle(Point, f64),
}

impl Geometry {
    /// A datum of this value.
    pub(crate) fn into_datum(self) -> Datum {
        Datum::Geometry(self.into())
    }

    /// The numbers that make the value, for storing it; the kind says how many there are.
    pub fn numbers(&self) -> (u8, Vec<f64>) {
        let flat = |points: &[Point]| points.iter().flat_map(|point| [point.x, point.y]).collect();
        match self {
            Geometry::Point(point) => (0, flat(&[*point])),
            Geometry::Lseg(ends) => (1, flat(ends)),
            Geometry::Line(line) => (2, line.to_vec()),
            Geometry::Box(corners) => (3, flat(corners)),
            Geometry::Path { closed: false, points } => (4, flat(points)),
            Geometry::Path { closed: true, points } => (5, flat(points)),
            Geometry::Polygon(points) => (6, flat(points)),
            Geometry::Circle(center, radius) => (7, vec![center.x, center.y, *radius]),
        }
    }

    /// Tells apart whatever can be told apart, NaN being itself.
    pub(crate) fn identity(&self) -> (u8, Vec<u64>) {
        let (kind, numbers) = self.numbers();
        (kind, numbers.iter().map(|number| number.to_bits()).collect())
    }

    /// The value of a kind and its numbers; `None` when they do not make one.
    pub fn from_numbers(kind: u8, numbers: &[f64]) -> Option<Self> {
        let (pairs, rest) = numbers.as_chunks::<2>();
        let points: Vec<_> = pairs.iter().map(|[x, y]| Point { x: *x, y: *y }).collect();
        if kind == 2 {
            return Some(Geometry::Line(numbers.try_into().ok()?));
        }
        match (kind, &points[..], rest) {
            (0, [point], []) => Some(Geometry::Point(*point)),
            (1, [a, b], []) => Some(Geometry::Lseg([*a, *b])),
            (3, [high, low], []) => Some(Geometry::Box([*high, *low])),
            (4 | 5, [_, ..], []) => Some(Geometry::Path { closed: kind == 5, points }),
            (6, [_, ..], []) => Some(Geometry::Polygon(points)),
            (7, [center], [radius]) => Some(Geometry::Circle(*center, *radius)),
            _ => None,
        }
    }
}

/// Reads the parts of a value.
struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
    type_name: &'static str,
}

impl<'a> Reader<'a> {
    fn new(whole: &'a str, type_name: &'static str) -> Self {
        let mut reader = Reader { rest: whole, whole, type_name };
        reader.skip_blanks();
        reader
    }

    fn invalid(&self) -> PgError {
        invalid_syntax(self.type_name, self.whole)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_c_space);
    }

    fn take(&mut self, delimiter: char) -> bool {
        match self.rest.strip_prefix(delimiter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, delimiter: char) -> PgResult<()> {
        if self.take(delimiter) { Ok(()) } else { Err(self.invalid()) }
    }

    fn finish(&self) -> PgResult<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.invalid()) }
    }

    fn number(&mut self) -> PgResult<f64> {
        let (value, rest) = parse_float8_prefix(self.rest)?.ok_or_else(|| self.invalid())?;
        self.rest = rest;
        Ok(value)
    }

    /// `(x,y)`, with or without the parentheses.
    fn pair(&mut self) -> PgResult<Point> {
        self.skip_blanks();
        let in_parentheses = self.take('(');
        let x = self.number()?;
        self.expect(',')?;
        let y = self.number()?;
        if in_parentheses {
            self.expect(')')?;
            self.skip_blanks();
        }
        Ok(Point { x, y })
    }

    /// So many points in brackets, parentheses or neither; answers whether it was brackets.
    fn points(&mut self, count: usize, may_be_open: bool) -> PgResult<(bool, Vec<Point>)> {
        self.skip_blanks();
        let mut depth = 0;
        let open = self.rest.starts_with('[');
        if open {
            if !may_be_open {
                return Err(self.invalid());
            }
            depth += 1;
            self.rest = &self.rest[1..];
        } else if let Some(inner) = self.rest.strip_prefix('(') {
            let inner = inner.trim_start_matches(is_c_space);
            // A parenthesis around everything, unless it belongs to the first of several points.
            if inner.starts_with('(') || !self.rest[1..].contains('(') {
                depth += 1;
                self.rest = inner;
            }
        }
        let mut points = Vec::with_capacity(count);
        for _ in 0..count {
            points.push(self.pair()?);
            self.take(',');
        }
        while depth > 0 {
            let closed = self.take(')') || (open && depth == 1 && self.take(']'));
            if !closed {
                return Err(self.invalid());
            }
            depth -= 1;
            self.skip_blanks();
        }
        Ok((open, points))
    }

    fn two_points(mut self, may_be_open: bool) -> PgResult<[Point; 2]> {
        let (_, points) = self.points(2, may_be_open)?;
        self.finish()?;
        Ok([points[0], points[1]])
    }
}

/// The points that a path or polygon has, by its commas.
fn point_count(text: &str) -> Option<usize> {
    let commas = text.bytes().filter(|byte| *byte == b',').count();
    if commas % 2 == 1 { Some(commas.div_ceil(2)) } else { None }
}

fn parse_point(text: &str) -> PgResult<Geometry> {
    let mut reader = Reader::new(text, "point");
    let point = reader.pair()?;
    reader.finish()?;
    Ok(Geometry::Point(point))
}

fn parse_lseg(text: &str) -> PgResult<Geometry> {
    Reader::new(text, "lseg").two_points(true).map(Geometry::Lseg)
}

fn parse_box(text: &str) -> PgResult<Geometry> {
    let [a, b] = Reader::new(text, "box").two_points(false)?;
    Ok(Geometry::Box(crate::geometry_shapes::corners(a, b)))
}

fn bad_line(message: &str) -> PgError {
    PgError::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid line specification: {message}"))
}

fn parse_line(text: &str) -> PgResult<Geometry> {
    let mut reader = Reader::new(text, "line");
    if !reader.take('{') {
        let [a, b] = reader.two_points(true)?;
        if crate::geometry_points::same(a, b) {
            return Err(bad_line("must be two distinct points"));
        }
        let slope = crate::geometry_points::slope(a, b)?;
        return crate::geometry_points::line_through(a, slope).map(Geometry::Line);
    }
    let a = reader.number()?;
    reader.expect(',')?;
    let b = reader.number()?;
    reader.expect(',')?;
    let c = reader.number()?;
    reader.expect('}')?;
    reader.skip_blanks();
    reader.finish()?;
    if crate::geometry_points::is_zero(a) && crate::geometry_points::is_zero(b) {
        return Err(bad_line("A and B cannot both be zero"));
    }
    Ok(Geometry::Line([a, b, c]))
}

fn parse_path(text: &str) -> PgResult<Geometry> {
    let mut reader = Reader::new(text, "path");
    let count = point_count(text).ok_or_else(|| reader.invalid())?;
    // A single parenthesis at the start is around the whole.
    let wrapped = reader.rest.starts_with('(') && !reader.rest[1..].contains('(');
    if wrapped {
        reader.rest = &reader.rest[1..];
    }
    let (open, points) = reader.points(count, true)?;
    if wrapped {
        reader.expect(')')?;
        reader.skip_blanks();
    }
    reader.finish()?;
    Ok(Geometry::Path { closed: !open, points })
}

fn parse_polygon(text: &str) -> PgResult<Geometry> {
    let mut reader = Reader::new(text, "polygon");
    let count = point_count(text).ok_or_else(|| reader.invalid())?;
    let (_, points) = reader.points(count, false)?;
    reader.finish()?;
    Ok(Geometry::Polygon(points))
}

fn parse_circle(text: &str) -> PgResult<Geometry> {
    let mut reader = Reader::new(text, "circle");
    let mut depth = 0;
    let angle = reader.take('<');
    if angle {
        depth += 1;
    } else if let Some(inner) = reader.rest.strip_prefix('(') {
        // Of two parentheses the first is around the whole.
        let inner = inner.trim_start_matches(is_c_space);
        if inner.starts_with('(') {
            depth += 1;
            reader.rest = inner;
        }
    }
    let center = reader.pair()?;
    reader.take(',');
    let radius = reader.number()?;
    if radius < 0.0 {
        return Err(reader.invalid());
    }
    while depth > 0 {
        if !reader.take(')') && !reader.take('>') {
            return Err(reader.invalid());
        }
        depth -= 1;
        reader.skip_blanks();
    }
    reader.finish()?;
    Ok(Geometry::Circle(center, radius))
}

fn write_point(point: Point, digits: i32, out: &mut Vec<u8>) {
    out.push(b'(');
    write_float8(point.x, digits, out);
    out.push(b',');
    write_float8(point.y, digits, out);
    out.push(b')');
}

fn write_points(points: &[Point], delimiters: Option<(u8, u8)>, digits: i32, out: &mut Vec<u8>) {
    out.extend(delimiters.map(|(open, _)| open));
    for (at, point) in points.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_point(*point, digits, out);
    }
    out.extend(delimiters.map(|(_, close)| close));
}

fn output(datum: &Datum, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let Datum::Geometry(value) = datum else { return Err(datum.mismatch("geometry")) };
    let digits = env.settings().extra_float_digits;
    match &**value {
        Geometry::Point(point) => write_point(*point, digits, out),
        Geometry::Lseg(ends) => write_points(ends, Some((b'[', b']')), digits, out),
        Geometry::Box(corners) => write_points(corners, None, digits, out),
        Geometry::Path { closed: false, points } => write_points(points, Some((b'[', b']')), digits, out),
        Geometry::Path { closed: true, points } | Geometry::Polygon(points) => {
            write_points(points, Some((b'(', b')')), digits, out);
        }
        Geometry::Line(line) => {
            for (at, number) in line.iter().enumerate() {
                out.push(if at == 0 { b'{' } else { b',' });
                write_float8(*number, digits, out);
            }
            out.push(b'}');
        }
        Geometry::Circle(center, radius) => {
            out.push(b'<');
            write_point(*center, digits, out);
            out.push(b',');
            write_float8(*radius, digits, out);
            out.push(b'>');
        }
    }
    Ok(())
}

fn send(datum: &Datum, _: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let Datum::Geometry(value) = datum else { return Err(datum.mismatch("geometry")) };
    match &**value {
        Geometry::Path { closed, points } => {
            out.push(u8::from(*closed));
            out.extend((points.len() as i32).to_be_bytes());
        }
        Geometry::Polygon(points) => out.extend((points.len() as i32).to_be_bytes()),
        _ => {}
    }
    value.numbers().1.iter().for_each(|number| out.extend(number.to_be_bytes()));
    Ok(())
}

/// Reads so many numbers and nothing behind them.
fn numbers(mut reader: BinaryReader<'_>, count: usize) -> PgResult<Vec<f64>> {
    let mut numbers = Vec::with_capacity(count.min(reader.remaining() / 8));
    for _ in 0..count {
        numbers.push(f64::from_bits(reader.i64()? as u64));
    }
    reader.finish()?;
    Ok(numbers)
}

fn received(kind: u8, numbers: &[f64]) -> PgResult<Datum> {
    let value = Geometry::from_numbers(kind, numbers);
    value.map(Geometry::into_datum).ok_or_else(|| PgError::internal("a geometric value without its numbers"))
}

fn external(what: &str, type_name: &str) -> PgError {
    let message = format!("invalid {what} in external \"{type_name}\" value");
    PgError::new(code::INVALID_BINARY_REPRESENTATION, message)
}

fn receive_line(bytes: &[u8]) -> PgResult<Datum> {
    let line = numbers(BinaryReader::new(bytes), 3)?;
    if crate::geometry_points::is_zero(line[0]) && crate::geometry_points::is_zero(line[1]) {
        let message = "invalid line specification: A and B cannot both be zero";
        return Err(PgError::new(code::INVALID_BINARY_REPRESENTATION, message));
    }
    received(2, &line)
}

fn receive_box(bytes: &[u8]) -> PgResult<Datum> {
    let [ax, ay, bx, by] = numbers(BinaryReader::new(bytes), 4)?[..] else {
        return Err(crate::binary::insufficient());
    };
    let corners = crate::geometry_shapes::corners(Point { x: ax, y: ay }, Point { x: bx, y: by });
    Ok(Geometry::Box(corners).into_datum())
}

fn receive_points(bytes: &[u8], type_name: &str) -> PgResult<Datum> {
    let mut reader = BinaryReader::new(bytes);
    let kind = if type_name == "path" { 4 + u8::from(reader.u8()? != 0) } else { 6 };
    let count = usize::try_from(reader.i32()?).ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| external("number of points", type_name))?;
    received(kind, &numbers(reader, count * 2)?)
}

fn receive_circle(bytes: &[u8]) -> PgResult<Datum> {
    let circle = numbers(BinaryReader::new(bytes), 3)?;
    if circle[2] < 0.0 {
        return Err(external("radius", "circle"));
    }
    received(7, &circle)
}

macro_rules! geometric_io {
    ($($(#[$doc:meta])* $name:ident: $parse:path, $receive:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) static $name: TypeIo = TypeIo {
            input: |text, _, _| $parse(text).map(Geometry::into_datum),
            output,
            recv: |bytes, _, _| ($receive)(bytes),
            send,
        };
    )*};
}

geometric_io! {
    /// `point`
    POINT_IO: parse_point, |bytes| received(0, &numbers(BinaryReader::new(bytes), 2)?);
    /// `lseg`
    LSEG_IO: parse_lseg, |bytes| received(1, &numbers(BinaryReader::new(bytes), 4)?);
    /// `line`
    LINE_IO: parse_line, receive_line;
    /// `box`
    BOX_IO: parse_box, receive_box;
    /// `path`
    PATH_IO: parse_path, |bytes| receive_points(bytes, "path");
    /// `polygon`
    POLYGON_IO: parse_polygon, |bytes| receive_points(bytes, "polygon");
    /// `circle`
    CIRCLE_IO: parse_circle, receive_circle;
}

#[cfg(test)]
mod tests {
    use crate::{PlainEnv, io, types};

    #[test]
    fn text_forms() {
        let env = PlainEnv::default();
        for (type_oid, text, expected) in [
            (types::POINT, " ( 1.5 , -2 ) ", "(1.5,-2)"),
            (types::POINT, "3,4", "(3,4)"),
            (types::POINT, "(1,2", "-"),
            (types::LSEG, "[(1,2),(3,4)]", "[(1,2),(3,4)]"),
            (types::LSEG, "1,2,3,4", "[(1,2),(3,4)]"),
            (types::LSEG, "[(1,2),(3,4)", "-"),
            (types::BOX, "(2.0,2.0,0.0,4.0)", "(2,4),(0,2)"),
            (types::BOX, "[1,2,3,4]", "-"),
            (types::LINE, "{0,-1,5}", "{0,-1,5}"),
            (types::LINE, "(0,0), (6,6)", "{1,-1,0}"),
            (types::LINE, "10,-10 ,-5,-4", "{-0.4,-1,-6}"),
            (types::LINE, "{0,0,1}", "-"),
            (types::LINE, "[(1,2),(1,2)]", "-"),
            (types::PATH, "[(1,2),(3,4)]", "[(1,2),(3,4)]"),
            (types::PATH, " ( ( 1,2 ) , ( 3,4 ) )", "((1,2),(3,4))"),
            (types::PATH, "(1,2,3,4)", "((1,2),(3,4))"),
            (types::PATH, "[(,2),(3,4)]", "-"),
            (types::PATH, "((1,2),(3,4", "-"),
            (types::POLYGON, "(2.0,0.0),(2.0,4.0),(0.0,0.0)", "((2,0),(2,4),(0,0))"),
            (types::POLYGON, "0.0", "-"),
            (types::CIRCLE, "<(5,1),3>", "<(5,1),3>"),
            (types::CIRCLE, "((1,2),100)", "<(1,2),100>"),
            (types::CIRCLE, "1,3,5", "<(1,3),5>"),
            (types::CIRCLE, "<(100,200),-10>", "-"),
            (types::CIRCLE, "<(100,200),10>x", "-"),
        ] {
            let shown = io::input(type_oid, -1, text, &env)
                .and_then(|value| io::output_string(&value, type_oid, &env))
                .unwrap_or_else(|_| "-".to_owned());
            assert_eq!(shown, expected, "{text}");
        }
    }
}
