//! What joins cost (`cost_nestloop`, `cost_hashjoin`, `cost_mergejoin` in PostgreSQL's costsize.c).

use super::cost::{Cost, clamp_rows, rescan_cost, sort_cost, spill_pages};
use super::join_size::MatchFactors;
use super::path::Path;
use crate::facts::PlannerSettings;

/// Bytes of a hash table's entry beside its row, as PostgreSQL counts.
const HASH_OVERHEAD_BYTES: f64 = 16.0 + 16.0;

/// What the joins' formulas need besides the two paths.
pub(crate) struct JoinCosting<'c> {
    pub settings: &'c PlannerSettings,
    /// The conditions that are not keys.
    pub quals: Cost,
    /// The search stops at the first match.
    pub single: Option<MatchFactors>,
    /// The inner path finds its rows by an index over the join's columns.
    pub indexed: bool,
}

/// A nested loop.
pub(crate) fn nested_loop(costing: &JoinCosting<'_>, outer: &Path, inner: &Path) -> Cost {
    let settings = costing.settings;
    let rescan = rescan_cost(settings, inner);
    let (outer_rows, inner_rows) = (outer.rows.max(1.0), inner.rows.max(1.0));
    let startup = outer.startup + inner.startup;
    let mut run = outer.total - outer.startup;
    if outer_rows > 1.0 {
        run += (outer_rows - 1.0) * rescan.startup;
    }
    let inner_run = inner.total - inner.startup;
    let rescan_run = rescan.total - rescan.startup;
    let tuples = match costing.single {
        None => {
            run += inner_run;
            if outer_rows > 1.0 {
                run += (outer_rows - 1.0) * rescan_run;
            }
            outer_rows * inner_rows
        }
        Some(factors) => {
            let mut matched = (outer_rows * factors.matched).round_ties_even();
            let mut unmatched = outer_rows - matched;
            let fraction = 2.0 / (factors.matches + 1.0);
            let mut tuples = matched * inner_rows * fraction;
            if costing.indexed {
                run += inner_run * fraction;
                if matched > 1.0 {
                    run += (matched - 1.0) * rescan_run * fraction;
                }
                run += unmatched * rescan_run / inner_rows;
            } else {
                tuples += unmatched * inner_rows;
                run += inner_run;
                if unmatched >= 1.0 {
                    unmatched -= 1.0;
                } else {
                    matched -= 1.0;
                }
                if matched > 0.0 {
                    run += matched * rescan_run * fraction;
                }
                if unmatched > 0.0 {
                    run += unmatched * rescan_run;
                }
            }
            tuples
        }
    };
    let startup = startup + costing.quals.startup;
    run += (settings.cpu_tuple_cost + costing.quals.total) * tuples;
    Cost { startup, total: startup + run }
}

/// The hash table's shape: buckets and batches (`ExecChooseHashTableSize`).
fn hash_table_size(settings: &PlannerSettings, rows: f64, width: i32) -> (f64, f64) {
    let row_bytes = HASH_OVERHEAD_BYTES + f64::from((width + 7) & !7);
    let memory = settings.work_mem_kb as f64 * 1024.0 * settings.hash_mem_multiplier;
    let inner_bytes = rows * row_bytes;
    let power = |n: f64| 2f64.powf(n.max(1.0).log2().ceil());
    let buckets = power(rows.max(1024.0));
    if inner_bytes + buckets * 8.0 > memory {
        let buckets = power((memory / (row_bytes + 8.0)).floor()).min(power(memory / 16.0)).max(1024.0);
        let batches = power((inner_bytes / (memory - buckets * 8.0).max(1.0)).ceil()).max(2.0);
        (buckets, batches)
    } else {
        (buckets, 1.0)
    }
}

/// What a hash join's formula needs besides [`JoinCosting`].
pub(crate) struct HashCosting {
    pub keys: f64,
    /// Cost of comparing the keys of one candidate pair.
    pub key_cost: f64,
    /// Distinct key values of the inner side; `None` if unknown.
    pub inner_distinct: Option<f64>,
    /// Pairs whose keys are equal.
    pub key_matches: f64,
    pub anti: bool,
}

/// A hash join.
pub(crate) fn hash_join(costing: &JoinCosting<'_>, hash: &HashCosting, outer: &Path, inner: &Path) -> Cost {
    let settings = costing.settings;
    let (outer_rows, inner_rows) = (outer.rows.max(1.0), inner.rows.max(1.0));
    let mut startup = outer.startup + inner.total;
    let mut run = outer.total - outer.startup;
    startup += (settings.cpu_operator_cost * hash.keys + settings.cpu_tuple_cost) * inner_rows;
    run += settings.cpu_operator_cost * hash.keys * outer_rows;
    let (buckets, batches) = hash_table_size(settings, inner_rows, inner.width);
    if batches > 1.0 {
        let (outer_pages, inner_pages) =
            (spill_pages(outer_rows, outer.width), spill_pages(inner_rows, inner.width));
        startup += settings.seq_page_cost * inner_pages;
        run += settings.seq_page_cost * (inner_pages + 2.0 * outer_pages);
    }
    let virtual_buckets = buckets * batches;
    let bucket_share = match hash.inner_distinct {
        None => 0.1,
        Some(distinct) => (1.0 / distinct.max(1.0).min(virtual_buckets)).clamp(1.0e-6, 1.0),
    };
    let tuples = match costing.single {
        None => {
            run += hash.key_cost * outer_rows * clamp_rows(inner_rows * bucket_share) * 0.5;
            hash.key_matches
        }
        Some(factors) => {
            let matched = (outer_rows * factors.matched).round_ties_even();
            let fraction = 2.0 / (factors.matches + 1.0);
            run += hash.key_cost * matched * clamp_rows(inner_rows * bucket_share * fraction) * 0.5;
            run += hash.key_cost * (outer_rows - matched) * clamp_rows(inner_rows / virtual_buckets) * 0.05;
            if hash.anti { outer_rows - matched } else { matched }
        }
    };
    startup += costing.quals.startup;
    run += (settings.cpu_tuple_cost + costing.quals.total) * tuples;
    Cost { startup, total: startup + run }
}

/// What a merge join's formula needs besides [`JoinCosting`].
pub(crate) struct MergeCosting {
    pub sort_outer: bool,
    pub sort_inner: bool,
    /// Cost of comparing the keys of one pair.
    pub key_cost: f64,
    /// Pairs whose keys are equal.
    pub key_matches: f64,
    /// Rows of the inner side are met again for equal outer rows, except where one match is enough.
    pub skip_mark_restore: bool,
}

/// A merge join; says too whether the inner side is better materialised.
pub(crate) fn merge_join(
    costing: &JoinCosting<'_>,
    merge: &MergeCosting,
    outer: &Path,
    inner: &Path,
) -> (Cost, bool) {
    let settings = costing.settings;
    let (outer_rows, inner_rows) = (outer.rows.max(1.0), inner.rows.max(1.0));
    let sorted = |path: &Path, sort: bool| {
        if !sort {
            return Cost { startup: path.startup, total: path.total };
        }
        let cost = sort_cost(settings, path.rows, path.width, 0.0);
        Cost { startup: path.total + cost.startup, total: path.total + cost.total }
    };
    let outer_cost = sorted(outer, merge.sort_outer);
    let inner_cost = sorted(inner, merge.sort_inner);
    let mut startup = outer_cost.startup + inner_cost.startup;
    let mut run = outer_cost.total - outer_cost.startup;
    let inner_run = inner_cost.total - inner_cost.startup;
    let rescanned = if merge.skip_mark_restore { 0.0 } else { (merge.key_matches - inner_rows).max(0.0) };
    let ratio = 1.0 + rescanned / inner_rows;
    let bare = inner_run * ratio;
    let materialised = inner_run + settings.cpu_operator_cost * inner_rows * ratio;
    let needs_marks = !merge.skip_mark_restore;
    let material = if !needs_marks {
        false
    } else if settings.enable_material && materialised < bare {
        true
    } else {
        // Without a sort in between, the input may be unable to go back.
        !merge.sort_inner && !supports_marks(inner)
    };
    run += if material { materialised } else { bare };
    let comparisons = merge.key_cost * (outer_rows + inner_rows * ratio);
    run += comparisons;
    startup += costing.quals.startup;
    run += (settings.cpu_tuple_cost + costing.quals.total) * merge.key_matches;
    (Cost { startup, total: startup + run }, material)
}

/// Whether PostgreSQL's node could return to a marked row.
fn supports_marks(path: &Path) -> bool {
    use super::path::PathKind;
    matches!(path.kind, PathKind::IndexScan { .. } | PathKind::Material(_) | PathKind::Sort { .. })
}
