//! A binary heap whose comparison may fail, least item on top.
//!
//! Williams's heap (1964) as PostgreSQL's tuplesort.c moves it: which of several equal items is on top
//! decides in which order equal rows come out, and that order is meant to be PostgreSQL's.

use redoubt_error::PgResult;
use std::cmp::Ordering;

/// Adds an item.
///
/// # Errors
/// The comparison's; the heap's order is undefined then.
pub(super) fn insert<T>(
    heap: &mut Vec<T>,
    item: T,
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<()> {
    heap.push(item);
    let mut at = heap.len() - 1;
    while at > 0 {
        let parent = (at - 1) / 2;
        if compare(&heap[at], &heap[parent])?.is_ge() {
            break;
        }
        heap.swap(at, parent);
        at = parent;
    }
    Ok(())
}

/// The top has another value: brings it to its place.
///
/// # Errors
/// As [`insert`].
pub(super) fn sink<T>(
    heap: &mut [T],
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<()> {
    let mut at = 0;
    loop {
        let mut child = 2 * at + 1;
        if child >= heap.len() {
            return Ok(());
        }
        if child + 1 < heap.len() && compare(&heap[child], &heap[child + 1])?.is_gt() {
            child += 1;
        }
        if compare(&heap[at], &heap[child])?.is_le() {
            return Ok(());
        }
        heap.swap(at, child);
        at = child;
    }
}

/// Takes the top off.
///
/// # Errors
/// As [`insert`].
pub(super) fn pop<T>(
    heap: &mut Vec<T>,
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> PgResult<Option<T>> {
    if heap.is_empty() {
        return Ok(None);
    }
    let top = heap.swap_remove(0);
    sink(heap, compare)?;
    Ok(Some(top))
}
