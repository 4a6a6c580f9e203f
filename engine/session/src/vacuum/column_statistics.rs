//! Statistics of a column from a sample of its values: what ANALYZE stores in `pg_statistic`.
//!
//! The estimators are PostgreSQL's (`src/backend/commands/analyze.c`): the number of distinct values by Haas and
//! Stokes ("Duj1", IBM Research Report RJ 10025, 1998), most common values only where the sample says with some
//! certainty that they are more common than the rest, a histogram of equal heights over the others, and the
//! correlation between values and places.

use redoubt_functions::{Datum, Oid, compare};

/// Values longer than this are counted, but not compared or stored, in bytes.
pub(super) const WIDE_BYTES: usize = 1024;

/// What a sample says about a column.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnStatistics {
    /// Fraction of NULLs.
    pub null_fraction: f64,
    /// Average width of the other values, in bytes.
    pub width: i32,
    /// `pg_statistic.stadistinct`: a count, or negative a fraction of the rows, or 0 for unknown.
    pub distinct: f64,
    /// Most common values and their fractions of all rows, most common first.
    pub common: Vec<(Datum, f64)>,
    /// Bounds of a histogram of equal heights over the values that are not most common; empty if there is none.
    pub histogram: Vec<Datum>,
    /// Correlation of values with places; none if all values are one.
    pub correlation: Option<f64>,
}

/// A sampled column.
pub(super) struct Sample<'a> {
    /// Its type, which has an order if `is_sortable`.
    pub type_oid: Oid,
    /// Whether its values can be compared.
    pub is_sortable: bool,
    /// Values in the order of their places, each with its width in bytes.
    pub values: &'a [(Datum, usize)],
    /// Rows of the whole table.
    pub table_rows: f64,
    /// The statistics target: most common values and histogram bins at most.
    pub target: usize,
}

/// A run of equal values among the sorted ones.
struct Run {
    first: usize,
    count: usize,
}

/// Computes a column's statistics.
pub(super) fn compute(sample: &Sample<'_>) -> ColumnStatistics {
    let rows = sample.values.len();
    let present: Vec<(usize, &Datum, usize)> = sample
        .values
        .iter()
        .enumerate()
        .filter(|(_, (value, _))| !value.is_null())
        .map(|(place, (value, width))| (place, value, *width))
        .collect();
    if rows == 0 {
        return ColumnStatistics::default();
    }
    let nulls = rows - present.len();
    let mut statistics =
        ColumnStatistics { null_fraction: nulls as f64 / rows as f64, ..ColumnStatistics::default() };
    if present.is_empty() {
        return statistics;
    }
    let total_width: usize = present.iter().map(|(_, _, width)| width).sum();
    statistics.width = (total_width as f64 / present.len() as f64).round() as i32;
    if !sample.is_sortable {
        return statistics;
    }
    let mut sorted: Vec<(usize, &Datum)> = present
        .iter()
        .filter(|(_, _, width)| *width <= WIDE_BYTES)
        .map(|(place, value, _)| (*place, *value))
        .collect();
    let wide = present.len() - sorted.len();
    if sorted.is_empty() {
        // Wide values are taken to be distinct.
        statistics.distinct = -(1.0 - statistics.null_fraction);
        return statistics;
    }
    sorted.sort_by(|a, b| compare::cmp(sample.type_oid, a.1, b.1).then(a.0.cmp(&b.0)));
    let runs = runs_of(sample.type_oid, &sorted);
    statistics.distinct = distinct(sample, present.len(), wide, &runs, statistics.null_fraction);
    let mut common = most_common(sample, rows, wide, &runs, statistics.distinct, statistics.null_fraction);
    common.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
    statistics.common =
        common.iter().map(|run| (sorted[run.first].1.clone(), run.count as f64 / rows as f64)).collect();
    statistics.histogram = histogram(sample.target, &sorted, &runs, &common);
    statistics.correlation = if runs.len() > 1 { correlation(&sorted) } else { None };
    statistics
}

fn runs_of(type_oid: Oid, sorted: &[(usize, &Datum)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, (_, value)) in sorted.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if compare::cmp(type_oid, sorted[run.first].1, value).is_eq() => run.count += 1,
            _ => runs.push(Run { first: index, count: 1 }),
        }
    }
    runs
}

/// `stadistinct`.
fn distinct(sample: &Sample<'_>, present: usize, wide: usize, runs: &[Run], null_fraction: f64) -> f64 {
    let seen = runs.len() + wide;
    let once = runs.iter().filter(|run| run.count == 1).count() + wide;
    let estimate = if once == seen {
        // Nothing was met twice: taken to be unique.
        return -(1.0 - null_fraction);
    } else if once == 0 {
        // Everything was met twice: taken to be all there is.
        seen as f64
    } else {
        let (n, d, f1) = (present as f64, seen as f64, once as f64);
        let total = sample.table_rows * (1.0 - null_fraction);
        let estimate = if total > 0.0 { n * d / (n - f1 + f1 * n / total) } else { d };
        estimate.max(d).min(total.max(d)).round()
    };
    // A number that grows with the table is kept as a fraction of it.
    if estimate > 0.1 * sample.table_rows { -(estimate / sample.table_rows) } else { estimate }
}

/// The runs that are worth a place among the most common values.
fn most_common<'r>(
    sample: &Sample<'_>,
    rows: usize,
    wide: usize,
    runs: &'r [Run],
    distinct: f64,
    null_fraction: f64,
) -> Vec<&'r Run> {
    let mut candidates: Vec<&Run> = runs.iter().filter(|run| run.count > 1).collect();
    if candidates.len() == runs.len() && wide == 0 && distinct > 0.0 && runs.len() <= sample.target {
        // The sample holds every value there is.
        return candidates;
    }
    candidates.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
    candidates.truncate(sample.target);
    let kept = significant(sample, rows, &candidates, distinct, null_fraction);
    candidates.truncate(kept);
    candidates
}

/// How many of the candidates, most common first, are more common than the values that are not kept, beyond
/// what the sample's chance explains (two standard deviations of a hypergeometric distribution).
fn significant(
    sample: &Sample<'_>,
    rows: usize,
    candidates: &[&Run],
    distinct: f64,
    null_fraction: f64,
) -> usize {
    let total = sample.table_rows;
    let n = rows as f64;
    if n >= total || total <= 1.0 {
        return candidates.len();
    }
    let distinct = if distinct < 0.0 { -distinct * total } else { distinct };
    let mut kept = candidates.len();
    let mut sum: f64 = candidates.iter().take(kept.saturating_sub(1)).map(|run| run.count as f64).sum();
    while kept > 0 {
        let others = distinct - (kept as f64 - 1.0);
        let mut selectivity = (1.0 - sum / n - null_fraction).clamp(0.0, 1.0);
        if others > 1.0 {
            selectivity /= others;
        }
        let expected = total * selectivity;
        let variance = n * expected * (total - expected) * (total - n) / (total * total * (total - 1.0));
        let count = candidates[kept - 1].count as f64;
        if count > selectivity * n + 2.0 * variance.max(0.0).sqrt() + 0.5 {
            break;
        }
        kept -= 1;
        if kept > 0 {
            sum -= candidates[kept - 1].count as f64;
        }
    }
    kept
}

/// Bounds of bins of equal height over what is not among the most common values.
fn histogram(target: usize, sorted: &[(usize, &Datum)], runs: &[Run], common: &[&Run]) -> Vec<Datum> {
    let bounds = (runs.len() - common.len()).min(target + 1);
    if bounds < 2 {
        return Vec::new();
    }
    let mut skipped: Vec<(usize, usize)> = common.iter().map(|run| (run.first, run.count)).collect();
    skipped.sort_unstable();
    let mut skipped = skipped.into_iter().peekable();
    let mut rest: Vec<&Datum> = Vec::with_capacity(sorted.len());
    let mut index = 0;
    while index < sorted.len() {
        match skipped.next_if(|(first, _)| *first == index) {
            Some((_, count)) => index += count,
            None => {
                rest.push(sorted[index].1);
                index += 1;
            }
        }
    }
    (0..bounds).map(|bound| rest[bound * (rest.len() - 1) / (bounds - 1)].clone()).collect()
}

/// The correlation of ranks with places.
fn correlation(sorted: &[(usize, &Datum)]) -> Option<f64> {
    let n = sorted.len() as f64;
    // Places are made dense, so that both sides run over 0..n.
    let mut places: Vec<usize> = sorted.iter().map(|(place, _)| *place).collect();
    places.sort_unstable();
    let sum_products: f64 = sorted
        .iter()
        .enumerate()
        .map(|(rank, (place, _))| {
            let dense = places.binary_search(place).expect("every place is among the places");
            rank as f64 * dense as f64
        })
        .sum();
    let sum = (n - 1.0) * n / 2.0;
    let sum_squares = (n - 1.0) * n * (2.0 * n - 1.0) / 6.0;
    let spread = n * sum_squares - sum * sum;
    (spread > 0.0).then(|| (n * sum_products - sum * sum) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_functions::types;

    fn of(values: &[Option<i32>], table_rows: f64) -> ColumnStatistics {
        let values: Vec<(Datum, usize)> =
            values.iter().map(|value| (value.map_or(Datum::Null, Datum::Int4), 4)).collect();
        let sample =
            Sample { type_oid: types::INT4, is_sortable: true, values: &values, table_rows, target: 100 };
        compute(&sample)
    }

    #[test]
    fn a_key_is_unique_and_in_order() {
        let values: Vec<Option<i32>> = (0..1000).map(Some).collect();
        let statistics = of(&values, 1000.0);
        assert_eq!(statistics.distinct, -1.0);
        assert_eq!(statistics.correlation, Some(1.0));
        assert!(statistics.common.is_empty());
        assert_eq!(statistics.histogram.len(), 101);
        assert!(matches!(statistics.histogram[0], Datum::Int4(0)));
        assert!(matches!(statistics.histogram[100], Datum::Int4(999)));
        let backwards: Vec<Option<i32>> = (0..1000).rev().map(Some).collect();
        assert_eq!(of(&backwards, 1000.0).correlation, Some(-1.0));
    }

    #[test]
    fn few_values_are_all_most_common() {
        let values: Vec<Option<i32>> =
            (0..900).map(|i| if i % 3 == 0 { None } else { Some(i % 3) }).collect();
        let statistics = of(&values, 90_000.0);
        assert_eq!(statistics.distinct, 2.0);
        assert!((statistics.null_fraction - 1.0 / 3.0).abs() < 1e-9);
        let fractions: Vec<f64> = statistics.common.iter().map(|(_, fraction)| *fraction).collect();
        assert_eq!(fractions, [300.0 / 900.0, 300.0 / 900.0]);
        assert!(statistics.histogram.is_empty());
    }

    #[test]
    fn one_value_that_stands_out() {
        // Half of the rows are 7, the others nearly all different.
        let values: Vec<Option<i32>> =
            (0..2000).map(|i| Some(if i % 2 == 0 { 7 } else { 1000 + (i / 4) })).collect();
        let statistics = of(&values, 1_000_000.0);
        assert_eq!(statistics.common.len(), 1);
        assert!(matches!(statistics.common[0], (Datum::Int4(7), fraction) if (fraction - 0.5).abs() < 1e-9));
        assert!(statistics.histogram.len() > 50);
        assert!(!statistics.histogram.iter().any(|value| matches!(value, Datum::Int4(7))));
    }

    #[test]
    fn nothing_and_nothing_but_nulls() {
        let nothing = of(&[], 0.0);
        assert_eq!((nothing.null_fraction, nothing.distinct, nothing.histogram.len()), (0.0, 0.0, 0));
        let statistics = of(&[None, None], 2.0);
        assert_eq!((statistics.null_fraction, statistics.distinct), (1.0, 0.0));
    }

    /// The number of distinct values is within a factor of two over uniform draws from a known number.
    #[test]
    fn distinct_values_of_uniform_draws() {
        let mut state = 42u64;
        let mut draw = |limit: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % limit) as i32
        };
        for distinct in [10u64, 300, 5_000] {
            let values: Vec<Option<i32>> = (0..3000).map(|_| Some(draw(distinct))).collect();
            let got = of(&values, 1_000_000.0).distinct;
            let got = if got < 0.0 { -got * 1_000_000.0 } else { got };
            let ratio = got / distinct as f64;
            assert!((0.5..2.0).contains(&ratio), "{got} for {distinct}");
        }
    }
}
