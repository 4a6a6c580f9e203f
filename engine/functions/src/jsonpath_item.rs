//! The values that a `jsonpath` evaluation passes from step to step.
//!
//! `.keyvalue()` shows an identifier of each object: the number of its base object (the root, the
//! variables, an object that the path made) and its offset in PostgreSQL's stored form of that base.
//! So an item knows its offset, which [`end_of`] computes by the rules of `jsonb_util.c`.

use crate::Jsonb;
use crate::numeric::Numeric;
use std::borrow::Cow;

/// Identifiers of objects in different base objects are this far apart.
const OBJECT_ID_UNIT: i64 = 10_000_000_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    value: Cow<'a, Jsonb>,
    /// The number of the base object.
    base: i64,
    /// Bytes from the start of the base object.
    offset: usize,
}

impl<'a> Item<'a> {
    /// The whole of a base object.
    pub(crate) fn root(value: &'a Jsonb, base: i64) -> Self {
        Item { value: Cow::Borrowed(value), base, offset: 0 }
    }

    /// A value that the path computed.
    pub(crate) fn made(value: Jsonb) -> Self {
        Self::made_base(value, 0)
    }

    /// An object that the path made, which is a base object of its own.
    pub(crate) fn made_base(value: Jsonb, base: i64) -> Self {
        Item { value: Cow::Owned(value), base, offset: 0 }
    }

    pub(crate) fn value(&self) -> &Jsonb {
        &self.value
    }

    pub(crate) fn into_value(self) -> Jsonb {
        self.value.into_owned()
    }

    pub(crate) fn is_array(&self) -> bool {
        matches!(*self.value, Jsonb::Array(_))
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(*self.value, Jsonb::Object(_))
    }

    pub(crate) fn is_container(&self) -> bool {
        !self.value.is_scalar()
    }

    pub(crate) fn array_len(&self) -> Option<usize> {
        match &*self.value {
            Jsonb::Array(items) => Some(items.len()),
            _ => None,
        }
    }

    pub(crate) fn object_id(&self) -> i64 {
        self.base * OBJECT_ID_UNIT + self.offset as i64
    }

    /// The parts of a container: elements, or the values of members.
    pub(crate) fn parts(&self) -> Vec<Item<'a>> {
        (0..part_count(&self.value)).filter_map(|at| self.part(at)).collect()
    }

    pub(crate) fn element(&self, at: usize) -> Option<Item<'a>> {
        if self.is_array() { self.part(at) } else { None }
    }

    pub(crate) fn member(&self, key: &str) -> Option<Item<'a>> {
        let Jsonb::Object(members) = &*self.value else { return None };
        let at = members.binary_search_by(|(name, _)| crate::jsonb::key_order(name, key)).ok()?;
        self.part(at)
    }

    fn part(&self, at: usize) -> Option<Item<'a>> {
        let value = match &self.value {
            Cow::Borrowed(value) => Cow::Borrowed(part_of(value, at)?),
            Cow::Owned(value) => Cow::Owned(part_of(value, at)?.clone()),
        };
        // Only containers ever show where they are.
        let offset = if value.is_scalar() { 0 } else { offset_of(&self.value, self.offset, at) };
        Some(Item { value, base: self.base, offset })
    }
}

fn part_count(value: &Jsonb) -> usize {
    match value {
        Jsonb::Array(items) => items.len(),
        Jsonb::Object(members) => members.len(),
        _ => 0,
    }
}

fn part_of(value: &Jsonb, at: usize) -> Option<&Jsonb> {
    match value {
        Jsonb::Array(items) => items.get(at),
        Jsonb::Object(members) => members.get(at).map(|(_, value)| value),
        _ => None,
    }
}

/// Where a container's first value would go: behind the header, the entries and the keys.
fn values_start(value: &Jsonb, start: usize) -> usize {
    match value {
        Jsonb::Object(members) => {
            start + 4 + 8 * members.len() + members.iter().map(|(key, _)| key.len()).sum::<usize>()
        }
        other => start + 4 + 4 * part_count(other),
    }
}

fn aligned(at: usize) -> usize {
    at.next_multiple_of(4)
}

/// Where a part of a container that starts at `start` starts.
fn offset_of(container: &Jsonb, start: usize, part: usize) -> usize {
    let before = (0..part).filter_map(|at| part_of(container, at));
    aligned(before.fold(values_start(container, start), |at, value| end_of(value, at)))
}

/// Where a value ends that is stored at `at`, or behind the padding that it needs.
fn end_of(value: &Jsonb, at: usize) -> usize {
    match value {
        Jsonb::Null | Jsonb::Bool(_) => at,
        Jsonb::String(text) => at + text.len(),
        Jsonb::Number(number) => aligned(at) + stored_bytes(number),
        container => {
            let start = aligned(at);
            let parts = (0..part_count(container)).filter_map(|at| part_of(container, at));
            parts.fold(values_start(container, start), |at, value| end_of(value, at))
        }
    }
}

/// The size of PostgreSQL's stored `numeric`: length word, header of two or four bytes, digits.
fn stored_bytes(number: &Numeric) -> usize {
    let is_short = number.dscale <= 63 && (-64..=63).contains(&number.weight);
    4 + if is_short { 2 } else { 4 } + 2 * number.digits.len()
}
