//! What a server answers to one query, and when two answers are the same.

use crate::messages::{Message, error_fields};
use std::cmp::Ordering;

/// How far apart floats may lie, relative to the larger: sums of them depend on the order of their terms.
const FLOAT_TOLERANCE: f64 = 1e-12;
/// `pg_type.oid` of `float4` and `float8`.
const FLOATS: [u32; 2] = [700, 701];

type Row = Vec<Option<String>>;

/// An answer to one simple query.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// Names and types of columns.
    columns: Vec<(String, u32)>,
    rows: Vec<Row>,
    tag: String,
    /// SQLSTATE and message.
    pub error: Option<(String, String)>,
}

impl Answer {
    /// Takes one message in.
    pub(super) fn take(&mut self, message: &Message<'_>) -> Option<()> {
        match message.kind {
            b'T' => self.columns = columns(message.body)?,
            b'D' => self.rows.push(row(message.body)?),
            b'C' => self.tag = String::from_utf8_lossy(message.body).trim_end_matches('\0').to_string(),
            b'E' => {
                let fields = error_fields(message.body);
                let field =
                    |code: u8| fields.iter().find(|f| f.0 == code).map_or_else(String::new, |f| f.1.clone());
                self.error = Some((field(b'C'), field(b'M')));
            }
            _ => {}
        }
        Some(())
    }

    /// Whether two answers are the same; without an order, rows may come in any.
    pub(super) fn agrees_with(&self, other: &Answer, ordered: bool) -> bool {
        if self.error.is_some() || other.error.is_some() {
            return self.error == other.error;
        }
        if self.columns != other.columns || self.tag != other.tag || self.rows.len() != other.rows.len() {
            return false;
        }
        let same = |a: &[Row], b: &[Row]| a.iter().zip(b).all(|(a, b)| self.same_row(a, b));
        if ordered {
            return same(&self.rows, &other.rows);
        }
        let (mut mine, mut theirs) = (self.rows.clone(), other.rows.clone());
        mine.sort_by(|a, b| self.compare(a, b));
        theirs.sort_by(|a, b| self.compare(a, b));
        same(&mine, &theirs)
    }

    fn is_float(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|(_, type_oid)| FLOATS.contains(type_oid))
    }

    fn same_row(&self, a: &Row, b: &Row) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).enumerate().all(|(column, (a, b))| {
                a == b || (self.is_float(column) && is_near(a.as_deref(), b.as_deref()))
            })
    }

    /// By the columns that must be equal first, so that floats that differ a little meet their like.
    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let exact = |row: &Row| -> Vec<Option<String>> {
            row.iter()
                .enumerate()
                .filter(|(at, _)| !self.is_float(*at))
                .map(|(_, cell)| cell.clone())
                .collect()
        };
        let floats = |row: &Row| -> Vec<f64> {
            let cells = row.iter().enumerate().filter(|(at, _)| self.is_float(*at));
            cells.map(|(_, cell)| cell.as_deref().and_then(|c| c.parse().ok()).unwrap_or(f64::NAN)).collect()
        };
        exact(a).cmp(&exact(b)).then_with(|| {
            let pairs = floats(a).into_iter().zip(floats(b));
            pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        })
    }

    /// As a person reads it.
    pub(super) fn shown(&self) -> String {
        const ROWS: usize = 12;
        if let Some((state, message)) = &self.error {
            return format!("ERROR {state}: {message}\n");
        }
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".into());
        let line = |row: &Row| row.iter().map(cell).collect::<Vec<_>>().join(" | ");
        let mut out: String = self.rows.iter().take(ROWS).map(|row| line(row) + "\n").collect();
        if self.rows.len() > ROWS {
            out.push_str(&format!("and {} rows more\n", self.rows.len() - ROWS));
        }
        out + &self.tag + "\n"
    }
}

fn is_near(a: Option<&str>, b: Option<&str>) -> bool {
    let parse = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    let (Some(a), Some(b)) = (parse(a), parse(b)) else { return false };
    let finite = a.is_finite() && b.is_finite();
    a == b || (finite && (a - b).abs() <= FLOAT_TOLERANCE * a.abs().max(b.abs()))
}

/// RowDescription: name, table, attribute, type, length, modifier, format.
fn columns(body: &[u8]) -> Option<Vec<(String, u32)>> {
    let (count, mut rest) = (u16::from_be_bytes(body.get(..2)?.try_into().ok()?), body.get(2..)?);
    let mut columns = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let type_oid = rest.get(end + 7..end + 11)?.try_into().ok()?;
        columns.push((name, u32::from_be_bytes(type_oid)));
        rest = rest.get(end + 19..)?;
    }
    Some(columns)
}

/// DataRow: cells with their lengths, -1 for NULL.
fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = (u16::from_be_bytes(body.get(..2)?.try_into().ok()?), body.get(2..)?);
    let mut row = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let length = i32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        rest = &rest[4..];
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let cell = String::from_utf8_lossy(rest.get(..length)?).into_owned();
                rest = &rest[length..];
                Some(cell)
            }
        });
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: &[&[&str]]) -> Answer {
        let rows = rows.iter().map(|row| row.iter().map(|cell| Some(cell.to_string())).collect());
        Answer {
            columns: vec![("a".into(), 25), ("b".into(), 701)],
            rows: rows.collect(),
            tag: "SELECT".into(),
            error: None,
        }
    }

    #[test]
    fn answers_agree_as_multisets_and_floats_nearly() {
        let check = |a: &[&[&str]], b: &[&[&str]], ordered: bool, expect: bool| {
            assert_eq!(answer(a).agrees_with(&answer(b), ordered), expect, "{a:?} {b:?}");
        };
        check(&[&["x", "1"], &["y", "2"]], &[&["x", "1"], &["y", "2"]], true, true);
        check(&[&["x", "1"], &["y", "2"]], &[&["y", "2"], &["x", "1"]], true, false);
        check(&[&["x", "1"], &["y", "2"]], &[&["y", "2"], &["x", "1"]], false, true);
        check(&[&["x", "1"], &["x", "1"]], &[&["x", "1"], &["x", "2"]], false, false);
        check(&[&["x", "1"]], &[&["x", "1"], &["x", "1"]], false, false);
        check(&[&["x", "0.1"]], &[&["x", "0.10000000000000002"]], true, true);
        check(&[&["x", "0.1"]], &[&["x", "0.1000000001"]], true, false);
        check(&[&["x", "NaN"]], &[&["x", "NaN"]], true, true);
        check(&[&["x", "Infinity"]], &[&["x", "1e308"]], true, false);
        check(&[&["1", "1"]], &[&["1.0", "1"]], true, false);
        let failed =
            |message: &str| Answer { error: Some(("22012".into(), message.into())), ..Answer::default() };
        assert!(failed("division by zero").agrees_with(&failed("division by zero"), true));
        assert!(!failed("division by zero").agrees_with(&failed("out of range"), true));
        assert!(!failed("division by zero").agrees_with(&answer(&[]), true));
    }
}
