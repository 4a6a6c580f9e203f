//! Keys of several columns: each column's length and its class's bytes, or that it is NULL.
//!
//! NULL above the leaves means that all below are NULL. A column that is not NULL there may have NULLs below it all the
//! same.

use redoubt_error::PgResult;
use redoubt_functions::{Datum, GistClass, Penalty};

/// The operator classes of an index's columns.
pub type GistColumns = [&'static dyn GistClass];

/// In place of a length.
const NULL: u16 = u16::MAX;

/// What is looked for in one column.
#[derive(Clone, Debug)]
pub struct GistCondition {
    /// The column, from 0.
    pub column: usize,
    /// What is asked of it.
    pub test: GistTest,
}

/// What is asked of a column.
#[derive(Clone, Debug)]
pub enum GistTest {
    /// `column operator query`.
    Operator {
        /// The operator's strategy in the operator family.
        strategy: i16,
        /// The key of the query, as the class makes it.
        query: Vec<u8>,
    },
    /// IS NULL.
    IsNull,
    /// IS NOT NULL.
    NotNull,
}

/// Makes a row's key from its columns' values, replacing `out`.
///
/// # Errors
/// `XX000` for a value of another type than the class's.
pub fn gist_key<'v>(
    columns: &GistColumns,
    values: impl Iterator<Item = &'v Datum>,
    out: &mut Vec<u8>,
) -> PgResult<()> {
    out.clear();
    let mut key = Vec::new();
    for (class, value) in columns.iter().zip(values) {
        key.clear();
        match value {
            Datum::Null => push(None, out),
            value => {
                class.compress(value, &mut key)?;
                push(Some(&key), out);
            }
        }
    }
    Ok(())
}

fn push(part: Option<&[u8]>, out: &mut Vec<u8>) {
    // Keys are shorter than a page; a class that made a longer one is stopped by the limit on entries.
    let len = part.map_or(NULL, |part| u16::try_from(part.len()).unwrap_or(NULL - 1));
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(part.unwrap_or(&[]));
}

/// The columns of a key. What is missing of a damaged one is NULL.
fn parts(mut key: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (len, rest) = key.split_first_chunk::<2>()?;
        let len = u16::from_le_bytes(*len);
        if len == NULL {
            key = rest;
            return Some(None);
        }
        let (part, rest) = rest.split_at_checked(usize::from(len)).unwrap_or((rest, &[]));
        key = rest;
        Some(Some(part))
    })
}

/// The key that stands for what both stand for.
pub(super) fn united(columns: &GistColumns, a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(a.len().max(b.len()));
    let mut both = Vec::new();
    for (class, (a, b)) in columns.iter().zip(parts(a).zip(parts(b))) {
        match (a, b) {
            (Some(a), Some(b)) => {
                both.clear();
                both.extend_from_slice(a);
                class.unite(&mut both, b);
                push(Some(&both), &mut out);
            }
            (one, other) => push(one.or(other), &mut out),
        }
    }
    out
}

/// The key that stands for all of these.
pub(super) fn union_of<'k>(columns: &GistColumns, mut keys: impl Iterator<Item = &'k [u8]>) -> Vec<u8> {
    let first = keys.next().unwrap_or_default().to_vec();
    keys.fold(first, |all, key| united(columns, &all, key))
}

/// Whether the first entry is the better place for a value: the columns are asked one after the other.
pub(super) fn is_better(columns: &GistColumns, a: &[u8], b: &[u8], added: &[u8]) -> bool {
    for ((class, added), (a, b)) in columns.iter().zip(parts(added)).zip(parts(a).zip(parts(b))) {
        let penalty = |key: Option<&[u8]>| -> Penalty {
            match (key, added) {
                (Some(key), Some(added)) => class.penalty(key, added),
                (None, None) => (0.0, 0.0),
                // NULLs are kept among themselves.
                _ => (f64::INFINITY, 0.0),
            }
        };
        let (a, b) = (penalty(a), penalty(b));
        let order = a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
        if order.is_ne() {
            return order.is_lt();
        }
    }
    false
}

/// Divides keys into two groups, true for those of the second: by the first column that tells them apart.
pub(super) fn pick_split(columns: &GistColumns, keys: &[&[u8]]) -> Vec<bool> {
    for (at, class) in columns.iter().enumerate() {
        let of_column: Vec<Option<&[u8]>> = keys.iter().map(|key| parts(key).nth(at).flatten()).collect();
        if of_column.windows(2).all(|pair| pair[0] == pair[1]) {
            continue;
        }
        if of_column.iter().any(Option::is_none) {
            return of_column.iter().map(Option::is_none).collect();
        }
        let of_column: Vec<&[u8]> = of_column.into_iter().flatten().collect();
        return class.pick_split(&of_column);
    }
    // All are equal.
    (0..keys.len()).map(|at| at >= keys.len() / 2).collect()
}

/// Whether all conditions may hold for what a key stands for.
pub(super) fn consistent(
    columns: &GistColumns,
    key: &[u8],
    conditions: &[GistCondition],
    is_leaf: bool,
) -> bool {
    conditions.iter().all(|condition| {
        let Some(class) = columns.get(condition.column) else { return true };
        match (&condition.test, parts(key).nth(condition.column).flatten()) {
            (GistTest::Operator { strategy, query }, Some(part)) => {
                class.consistent(part, *strategy, query, is_leaf)
            }
            (GistTest::Operator { .. } | GistTest::NotNull, None) => false,
            (GistTest::NotNull, Some(_)) => true,
            (GistTest::IsNull, part) => part.is_none() || !is_leaf,
        }
    })
}
