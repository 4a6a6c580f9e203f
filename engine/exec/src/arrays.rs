//! Hash tables over the arrays of long `= ANY (...)` lists.

use redoubt_functions::{ArrayValue, Datum, Oid, compare};
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;
use std::sync::Arc;

/// One table per call site, made at its first use and again when the array changes.
pub(crate) struct ArrayCaches {
    caches: Vec<Option<ArrayCache>>,
}

struct ArrayCache {
    array: Arc<ArrayValue>,
    buckets: FxHashMap<u64, Vec<u32>>,
    has_null: bool,
}

impl ArrayCaches {
    pub(crate) fn new(count: u32) -> ArrayCaches {
        ArrayCaches { caches: (0..count).map(|_| None).collect() }
    }

    /// `value = ANY (array)` by the type's default equality; `value` is not NULL.
    pub(crate) fn probe(&mut self, number: u32, type_oid: Oid, array: &Arc<ArrayValue>, value: &Datum) -> Datum {
        let slot = &mut self.caches[number as usize];
        let fresh = slot.as_ref().is_some_and(|cache| Arc::ptr_eq(&cache.array, array));
        if !fresh {
            *slot = Some(ArrayCache::new(type_oid, array.clone()));
        }
        let cache = slot.as_ref().expect("just made");
        let found = cache.buckets.get(&hash(type_oid, value)).is_some_and(|bucket| {
            bucket.iter().any(|at| compare::eq(type_oid, value, &array.elems[*at as usize]))
        });
        match (found, cache.has_null) {
            (true, _) => Datum::Bool(true),
            (false, true) => Datum::Null,
            (false, false) => Datum::Bool(false),
        }
    }
}

impl ArrayCache {
    fn new(type_oid: Oid, array: Arc<ArrayValue>) -> ArrayCache {
        let mut buckets: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
        for (at, element) in array.elems.iter().enumerate().filter(|(_, element)| !element.is_null()) {
            buckets.entry(hash(type_oid, element)).or_default().push(at as u32);
        }
        ArrayCache { has_null: array.has_nulls(), buckets, array }
    }
}

/// A value's hash, consistent with the type's equality.
pub(crate) fn hash(type_oid: Oid, value: &Datum) -> u64 {
    let mut hasher = FxHasher::default();
    compare::hash(type_oid, value, &mut hasher);
    hasher.finish()
}
