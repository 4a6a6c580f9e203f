//! PostgreSQL's sort algorithm, for the order that it leaves equal rows in.
//!
//! Bentley and McIlroy, "Engineering a Sort Function" (1993): quicksort with a sampled pivot and
//! partition into less, equal and greater; insertion sort for short runs. PostgreSQL adds a test
//! for sorted input (src/include/lib/sort_template.h). The comparison may fail.

use redoubt_error::PgResult;
use std::cmp::Ordering;

/// Runs shorter than this are sorted by insertion.
const INSERTION_MAX: usize = 7;
/// From this length on, the pivot is the median of three medians.
const NINTHER_MIN: usize = 40;

/// Sorts in place.
///
/// # Errors
/// The comparison's; the order is undefined then.
pub(crate) fn sort<T>(
    items: &mut [T],
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<()> {
    let mut items = items;
    loop {
        let len = items.len();
        if len < INSERTION_MAX {
            return insertion_sort(items, compare);
        }
        if is_sorted(items, compare)? {
            return Ok(());
        }
        let pivot = choose_pivot(items, compare)?;
        items.swap(0, pivot);
        let (below, above) = partition(items, compare)?;
        // The shorter part recurses, the longer one goes round the loop.
        let (left, rest) = items.split_at_mut(below);
        let right_start = rest.len() - above;
        let right = &mut rest[right_start..];
        if left.len() <= right.len() {
            if left.len() > 1 {
                sort(left, compare)?;
            }
            if right.len() <= 1 {
                return Ok(());
            }
            items = right;
        } else {
            if right.len() > 1 {
                sort(right, compare)?;
            }
            if left.len() <= 1 {
                return Ok(());
            }
            items = left;
        }
    }
}

fn insertion_sort<T>(
    items: &mut [T],
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<()> {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && compare(&items[at - 1], &items[at])?.is_gt() {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
    Ok(())
}

fn is_sorted<T>(items: &[T], compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<bool> {
    for pair in items.windows(2) {
        if compare(&pair[0], &pair[1])?.is_gt() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn choose_pivot<T>(items: &[T], compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<usize> {
    let len = items.len();
    let middle = len / 2;
    if len <= INSERTION_MAX {
        return Ok(middle);
    }
    let (mut low, mut mid, mut high) = (0, middle, len - 1);
    if len > NINTHER_MIN {
        let step = len / 8;
        low = median(items, low, low + step, low + 2 * step, compare)?;
        mid = median(items, mid - step, mid, mid + step, compare)?;
        high = median(items, high - 2 * step, high - step, high, compare)?;
    }
    median(items, low, mid, high, compare)
}

fn median<T>(
    items: &[T],
    a: usize,
    b: usize,
    c: usize,
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<usize> {
    Ok(if compare(&items[a], &items[b])?.is_lt() {
        if compare(&items[b], &items[c])?.is_lt() {
            b
        } else if compare(&items[a], &items[c])?.is_lt() {
            c
        } else {
            a
        }
    } else if compare(&items[b], &items[c])?.is_gt() {
        b
    } else if compare(&items[a], &items[c])?.is_lt() {
        a
    } else {
        c
    })
}

/// Splits around the pivot at index 0: (how many are less, how many are greater); the equal ones
/// lie between.
fn partition<T>(
    items: &mut [T],
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<(usize, usize)> {
    let len = items.len();
    // Equal ones gather at both ends: [0, a) and (d, len). Less are in [a, b), greater in (c, d].
    let (mut a, mut b) = (1usize, 1usize);
    let (mut c, mut d) = (len as isize - 1, len as isize - 1);
    loop {
        while b as isize <= c {
            let order = compare(&items[b], &items[0])?;
            if order.is_gt() {
                break;
            }
            if order.is_eq() {
                items.swap(a, b);
                a += 1;
            }
            b += 1;
        }
        while b as isize <= c {
            let order = compare(&items[c as usize], &items[0])?;
            if order.is_lt() {
                break;
            }
            if order.is_eq() {
                items.swap(c as usize, d as usize);
                d -= 1;
            }
            c -= 1;
        }
        if b as isize > c {
            break;
        }
        items.swap(b, c as usize);
        b += 1;
        c -= 1;
    }
    let (less, greater) = (b - a, (d - c) as usize);
    swap_runs(items, 0, b - a.min(less), a.min(less));
    let right = greater.min(len - 1 - d as usize);
    swap_runs(items, b, len - right, right);
    Ok((less, greater))
}

/// Swaps two runs of the same length.
fn swap_runs<T>(items: &mut [T], a: usize, b: usize, len: usize) {
    for offset in 0..len {
        items.swap(a + offset, b + offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator, so that runs repeat.
    fn numbers(seed: u64, len: usize, range: u64) -> Vec<u64> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % range
            })
            .collect()
    }

    #[test]
    fn sorts_like_the_standard_library() {
        for seed in 0..200 {
            for (len, range) in [(0, 1), (1, 5), (6, 3), (7, 100), (41, 4), (300, 1000), (1000, 7)] {
                let mut items = numbers(seed, len, range);
                let mut expected = items.clone();
                expected.sort_unstable();
                sort(&mut items, &mut |a, b| Ok(a.cmp(b))).unwrap();
                assert_eq!(items, expected, "seed {seed}, {len} of {range}");
            }
        }
    }
}
