//! Comparing and hashing key values.

use crate::exec::Exec;
use crate::interpret::is_true;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, compare};
use redoubt_plan::node::{KeyEquality, SortKey};
use rustc_hash::FxHasher;
use std::cmp::Ordering;
use std::hash::Hasher;

/// Whether two key values fall into one group: NULLs do.
pub(crate) fn same_key(x: &Exec<'_>, equality: &KeyEquality, left: &Datum, right: &Datum) -> PgResult<bool> {
    match (left, right) {
        (Datum::Null, Datum::Null) => Ok(true),
        (Datum::Null, _) | (_, Datum::Null) => Ok(false),
        _ => equal_values(x, equality, left, right),
    }
}

/// Whether two values that are not NULL are equal.
#[inline]
pub(crate) fn equal_values(
    x: &Exec<'_>,
    equality: &KeyEquality,
    left: &Datum,
    right: &Datum,
) -> PgResult<bool> {
    match &equality.function {
        None => Ok(compare::eq(equality.type_oid, left, right)),
        Some((function, site)) => {
            Ok(is_true(&function(&x.call_context(*site), &[left.clone(), right.clone()])?))
        }
    }
}

/// Compares two values by one key of a sort order.
#[inline]
pub(crate) fn compare_key(x: &Exec<'_>, key: &SortKey, left: &Datum, right: &Datum) -> PgResult<Ordering> {
    let order = match (left.is_null(), right.is_null()) {
        (true, true) => return Ok(Ordering::Equal),
        (true, false) => return Ok(if key.nulls_first { Ordering::Less } else { Ordering::Greater }),
        (false, true) => return Ok(if key.nulls_first { Ordering::Greater } else { Ordering::Less }),
        (false, false) => match &key.less {
            None => compare::cmp(key.type_oid, left, right),
            Some((less, site)) => {
                let context = x.call_context(*site);
                if is_true(&less(&context, &[left.clone(), right.clone()])?) {
                    Ordering::Less
                } else if is_true(&less(&context, &[right.clone(), left.clone()])?) {
                    Ordering::Greater
                } else {
                    Ordering::Equal
                }
            }
        },
    };
    Ok(if key.descending { order.reverse() } else { order })
}

/// A hash of key values, each with its type. Integers of all widths hash alike.
pub(crate) fn hash_keys<'d>(keys: impl Iterator<Item = (u32, &'d Datum)>) -> u64 {
    let mut hasher = FxHasher::default();
    for (type_oid, value) in keys {
        compare::hash(type_oid, value, &mut hasher);
    }
    // The table uses the top bits, which a multiplicative hash of a small number leaves thin.
    let hash = hasher.finish();
    hash ^ (hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
