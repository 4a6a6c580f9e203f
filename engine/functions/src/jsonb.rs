//! `jsonb` values: order, hash, index key and stored form.

use crate::hash::{Width, hash_bytes, hash_numeric, hash_u32};
use crate::json_parse::{Escapes, MAX_DEPTH, Node, NodeKind, parse, too_deep};
use crate::numeric::Numeric;
use crate::{Datum, PlainEnv, io, types};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;
use std::sync::LazyLock;

/// A `jsonb` value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jsonb {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A finite number; it keeps its trailing zeros.
    Number(Numeric),
    /// A string.
    String(Box<str>),
    /// An array.
    Array(Vec<Jsonb>),
    /// An object: members by ascending length of the key, then by the key's bytes; no key twice.
    Object(Vec<(Box<str>, Jsonb)>),
}

/// The greatest length or offset of a part in the stored form, and so of a string (PostgreSQL's `JENTRY_OFFLENMASK`).
const MAX_PART_BYTES: usize = 0x0FFF_FFFF;
/// The most elements or members (PostgreSQL's `JB_CMASK`).
const MAX_PARTS: usize = 0x0FFF_FFFF;

/// Order of keys in an object.
pub(crate) fn key_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

fn limit(message: &str) -> PgError {
    PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message)
}

impl Jsonb {
    /// Reads JSON text.
    ///
    /// # Errors
    /// `22P02` and `22P05` for malformed text, `54000` for what is too large.
    pub(crate) fn from_text(text: &str) -> PgResult<Self> {
        Self::from_node(parse(text, Escapes::Decode)?, text)
    }

    /// The value of a parsed text.
    pub(crate) fn from_node(node: Node, text: &str) -> PgResult<Self> {
        Ok(match node.kind {
            NodeKind::Null => Jsonb::Null,
            NodeKind::Bool(value) => Jsonb::Bool(value),
            NodeKind::Number => Jsonb::Number(crate::numeric_io::parse(&text[node.span])?),
            NodeKind::String(value) => Jsonb::string(value)?,
            NodeKind::Array(items) => {
                let items: PgResult<Vec<_>> =
                    items.into_iter().map(|item| Self::from_node(item, text)).collect();
                Self::array(items?)?
            }
            NodeKind::Object(members) => {
                let mut converted = Vec::with_capacity(members.len());
                for (key, value) in members {
                    check_string(&key)?;
                    converted.push((key.into_boxed_str(), Self::from_node(value, text)?));
                }
                Self::object(converted)?
            }
        })
    }

    /// A string.
    ///
    /// # Errors
    /// `54000` when it is too long.
    pub(crate) fn string(value: impl Into<Box<str>>) -> PgResult<Self> {
        let value = value.into();
        check_string(&value)?;
        Ok(Jsonb::String(value))
    }

    /// An array.
    ///
    /// # Errors
    /// `54000` for too many elements.
    pub(crate) fn array(items: Vec<Jsonb>) -> PgResult<Self> {
        if items.len() > MAX_PARTS {
            let message = format!("number of jsonb array elements exceeds the maximum allowed ({MAX_PARTS})");
            return Err(limit(&message));
        }
        Ok(Jsonb::Array(items))
    }

    /// An object out of members in any order; of equal keys the last one counts.
    ///
    /// # Errors
    /// `54000` for too many members.
    pub(crate) fn object(mut members: Vec<(Box<str>, Jsonb)>) -> PgResult<Self> {
        if members.len() > MAX_PARTS {
            let message = format!("number of jsonb object pairs exceeds the maximum allowed ({MAX_PARTS})");
            return Err(limit(&message));
        }
        // The sort is stable, so that after turning the list round the first of equals is the last given.
        members.reverse();
        members.sort_by(|a, b| key_order(&a.0, &b.0));
        members.dedup_by(|later, first| later.0 == first.0);
        Ok(Jsonb::Object(members))
    }

    /// A datum of this value.
    pub(crate) fn into_datum(self) -> Datum {
        Datum::Jsonb(self.into())
    }

    /// Neither array nor object.
    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self, Jsonb::Array(_) | Jsonb::Object(_))
    }

    /// The member of an object with this key.
    pub(crate) fn member(&self, key: &str) -> Option<&Jsonb> {
        let Jsonb::Object(members) = self else { return None };
        let at = members.binary_search_by(|(name, _)| key_order(name, key)).ok()?;
        Some(&members[at].1)
    }

    /// The element of an array at an index from 0, or from the end when negative.
    pub(crate) fn element(&self, index: i64) -> Option<&Jsonb> {
        let Jsonb::Array(items) = self else { return None };
        let at = if index < 0 { index + items.len() as i64 } else { index };
        items.get(usize::try_from(at).ok()?)
    }

    /// The name that `jsonb_typeof` answers.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Jsonb::Null => "null",
            Jsonb::Bool(_) => "boolean",
            Jsonb::Number(_) => "number",
            Jsonb::String(_) => "string",
            Jsonb::Array(_) => "array",
            Jsonb::Object(_) => "object",
        }
    }

    /// The text inside a string, the text form of anything else, nothing for `null`.
    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Jsonb::Null => None,
            Jsonb::String(value) => Some(value.to_string()),
            other => Some(other.to_text()),
        }
    }

    /// The text form on one line.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        crate::json_text::write_jsonb(self, &mut out);
        out
    }

    /// Where a kind of value stands in the order.
    fn rank(&self) -> u8 {
        match self {
            Jsonb::Null => 0,
            Jsonb::String(_) => 1,
            Jsonb::Number(_) => 2,
            Jsonb::Bool(_) => 3,
            Jsonb::Array(_) => 4,
            Jsonb::Object(_) => 5,
        }
    }

    /// PostgreSQL's order of whole values. A scalar that is the whole value counts as an array of
    /// one element that precedes real arrays of one element, so that the empty array comes first.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Jsonb::Array(items), scalar) if scalar.is_scalar() => {
                if items.is_empty() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (scalar, Jsonb::Array(items)) if scalar.is_scalar() => {
                if items.is_empty() {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            _ => self.compare_nested(other),
        }
    }

    fn compare_nested(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Jsonb::Bool(a), Jsonb::Bool(b)) => a.cmp(b),
            (Jsonb::Number(a), Jsonb::Number(b)) => a.cmp(b),
            (Jsonb::String(a), Jsonb::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Jsonb::Array(a), Jsonb::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
                let orders = a.iter().zip(b).map(|(a, b)| a.compare_nested(b));
                orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }),
            (Jsonb::Object(a), Jsonb::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
                let orders = a
                    .iter()
                    .zip(b)
                    .map(|(a, b)| a.0.as_bytes().cmp(b.0.as_bytes()).then_with(|| a.1.compare_nested(&b.1)));
                orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Appends bytes whose order is [`Jsonb::compare`]'s.
    pub(crate) fn encode_key(&self, out: &mut Vec<u8>) {
        if self.is_scalar() {
            // An array of one element, marked as smaller than a real one.
            out.push(4);
            out.extend_from_slice(&1_u32.to_be_bytes());
            out.push(0);
        }
        self.encode_nested_key(out);
    }

    fn encode_nested_key(&self, out: &mut Vec<u8>) {
        out.push(self.rank());
        match self {
            Jsonb::Null => {}
            Jsonb::Bool(value) => out.push(u8::from(*value)),
            Jsonb::Number(value) => value.encode_key(out),
            Jsonb::String(value) => {
                out.extend_from_slice(value.as_bytes());
                out.push(0);
            }
            Jsonb::Array(items) => {
                out.extend_from_slice(&(items.len() as u32).to_be_bytes());
                out.push(1);
                items.iter().for_each(|item| item.encode_nested_key(out));
            }
            Jsonb::Object(members) => {
                out.extend_from_slice(&(members.len() as u32).to_be_bytes());
                for (key, value) in members {
                    out.extend_from_slice(key.as_bytes());
                    out.push(0);
                    value.encode_nested_key(out);
                }
            }
        }
    }

    /// PostgreSQL's hash, `jsonb_hash` and `jsonb_hash_extended`.
    pub(crate) fn hash(&self, width: Width) -> u64 {
        let mut state = match width {
            Width::Short => 0,
            Width::Long(seed) => seed,
        };
        if self.is_scalar() {
            mark(&mut state, ARRAY_FLAG, width);
        }
        self.hash_into(&mut state, width);
        if matches!(width, Width::Short) { u64::from(state as u32) } else { state }
    }

    fn hash_into(&self, state: &mut u64, width: Width) {
        let seed = match width {
            Width::Short => 0,
            Width::Long(seed) => seed,
        };
        let scalar = match self {
            Jsonb::Array(items) => {
                mark(state, ARRAY_FLAG, width);
                items.iter().for_each(|item| item.hash_into(state, width));
                return;
            }
            Jsonb::Object(members) => {
                mark(state, OBJECT_FLAG, width);
                for (key, value) in members {
                    fold(state, hash_bytes(key.as_bytes(), width), width);
                    value.hash_into(state, width);
                }
                return;
            }
            Jsonb::Null => seed.wrapping_add(1),
            Jsonb::Bool(value) if seed != 0 => hash_u32(u32::from(*value), width),
            Jsonb::Bool(value) => {
                if *value {
                    2
                } else {
                    4
                }
            }
            Jsonb::Number(value) => hash_numeric(value, width),
            Jsonb::String(value) => hash_bytes(value.as_bytes(), width),
        };
        fold(state, scalar, width);
    }
}

fn check_string(value: &str) -> PgResult<()> {
    if value.len() <= MAX_PART_BYTES {
        return Ok(());
    }
    let detail = "Due to an implementation restriction, jsonb strings cannot exceed 268435455 bytes.";
    Err(limit("string too long to represent as jsonb string").detail(detail))
}

const ARRAY_FLAG: u32 = 0x4000_0000;
const OBJECT_FLAG: u32 = 0x2000_0000;
const SCALAR_FLAG: u32 = 0x1000_0000;

/// Mixes the start of a container into a hash.
fn mark(state: &mut u64, flag: u32, width: Width) {
    let high = if matches!(width, Width::Short) { 0 } else { u64::from(flag) << 32 };
    *state ^= high | u64::from(flag);
}

/// Mixes a scalar's hash into a hash: both halves are rotated by one bit each.
fn fold(state: &mut u64, hash: u64, width: Width) {
    let low = u64::from((*state as u32).rotate_left(1));
    let high = u64::from(((*state >> 32) as u32).rotate_left(1)) << 32;
    *state = if matches!(width, Width::Short) { low ^ hash } else { (high | low) ^ hash };
}

/// Numbers ask nothing of their environment, but their formats take one.
static ENV: LazyLock<PlainEnv> = LazyLock::new(PlainEnv::default);

const ENTRY_STRING: u32 = 0x0000_0000;
const ENTRY_NUMBER: u32 = 0x1000_0000;
const ENTRY_FALSE: u32 = 0x2000_0000;
const ENTRY_TRUE: u32 = 0x3000_0000;
const ENTRY_NULL: u32 = 0x4000_0000;
const ENTRY_CONTAINER: u32 = 0x5000_0000;
const ENTRY_KIND: u32 = 0x7000_0000;
const ENTRY_HAS_OFFSET: u32 = 0x8000_0000;
const COUNT_MASK: u32 = 0x0FFF_FFFF;
/// Every so many entries hold an offset in place of a length.
const OFFSET_STRIDE: usize = 32;

impl Jsonb {
    /// The stored form: PostgreSQL's `JsonbContainer` (`src/include/utils/jsonb.h`), a header with
    /// flags and a count, one entry of four bytes for each part, then the parts; an object has all
    /// keys before all values. Little-endian, without alignment, numbers in their binary form.
    ///
    /// # Errors
    /// `54000` for a container beyond 256 MB, `54001` for values nested more deeply than input may be.
    pub fn to_bytes(&self) -> PgResult<Vec<u8>> {
        check_depth(self)?;
        let mut out = Vec::new();
        match self {
            Jsonb::Array(_) | Jsonb::Object(_) => write_container(self, &mut out)?,
            scalar => {
                write_parts(ARRAY_FLAG | SCALAR_FLAG, 1, &[Part::Value(scalar)], "array elements", &mut out)?
            }
        }
        Ok(out)
    }

    /// Reads the stored form; `None` when the bytes are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        read_container(bytes, 0)
    }
}

/// A part of a container as it is written.
enum Part<'a> {
    Key(&'a str),
    Value(&'a Jsonb),
}

fn write_container(value: &Jsonb, out: &mut Vec<u8>) -> PgResult<()> {
    match value {
        Jsonb::Array(items) => {
            let parts: Vec<_> = items.iter().map(Part::Value).collect();
            write_parts(ARRAY_FLAG, items.len(), &parts, "array elements", out)
        }
        Jsonb::Object(members) => {
            let keys = members.iter().map(|(key, _)| Part::Key(key));
            let parts: Vec<_> = keys.chain(members.iter().map(|(_, value)| Part::Value(value))).collect();
            write_parts(OBJECT_FLAG, members.len(), &parts, "object elements", out)
        }
        _ => unreachable!("a scalar is no container"),
    }
}

fn write_parts(flags: u32, count: usize, parts: &[Part<'_>], what: &str, out: &mut Vec<u8>) -> PgResult<()> {
    out.extend_from_slice(&(flags | count as u32).to_le_bytes());
    let entries = out.len();
    out.resize(entries + 4 * parts.len(), 0);
    let data = out.len();
    for (at, part) in parts.iter().enumerate() {
        let start = out.len();
        let kind = write_part(part, out)?;
        let end = out.len() - data;
        if end > MAX_PART_BYTES {
            let message = format!("total size of jsonb {what} exceeds the maximum of {MAX_PART_BYTES} bytes");
            return Err(limit(&message));
        }
        let entry = if at % OFFSET_STRIDE == 0 {
            kind | ENTRY_HAS_OFFSET | end as u32
        } else {
            kind | (out.len() - start) as u32
        };
        out[entries + 4 * at..entries + 4 * at + 4].copy_from_slice(&entry.to_le_bytes());
    }
    Ok(())
}

fn write_part(part: &Part<'_>, out: &mut Vec<u8>) -> PgResult<u32> {
    let value = match part {
        Part::Key(key) => {
            out.extend_from_slice(key.as_bytes());
            return Ok(ENTRY_STRING);
        }
        Part::Value(value) => value,
    };
    Ok(match value {
        Jsonb::Null => ENTRY_NULL,
        Jsonb::Bool(false) => ENTRY_FALSE,
        Jsonb::Bool(true) => ENTRY_TRUE,
        Jsonb::Number(number) => {
            io::send(&Datum::numeric(number.clone()), types::NUMERIC, &*ENV, out)?;
            ENTRY_NUMBER
        }
        Jsonb::String(text) => {
            out.extend_from_slice(text.as_bytes());
            ENTRY_STRING
        }
        container => {
            write_container(container, out)?;
            ENTRY_CONTAINER
        }
    })
}

fn read_container(bytes: &[u8], depth: usize) -> Option<Jsonb> {
    let (header, rest) = bytes.split_first_chunk::<4>()?;
    let header = u32::from_le_bytes(*header);
    let count = (header & COUNT_MASK) as usize;
    let is_object = header & OBJECT_FLAG != 0;
    let parts = if is_object { count * 2 } else { count };
    let (entries, data) = rest.split_at_checked(parts.checked_mul(4)?)?;
    if depth > MAX_DEPTH {
        return None;
    }
    let mut start = 0;
    let mut values = Vec::with_capacity(parts);
    for entry in entries.as_chunks::<4>().0 {
        let entry = u32::from_le_bytes(*entry);
        let number = (entry & COUNT_MASK) as usize;
        let end = if entry & ENTRY_HAS_OFFSET != 0 { number } else { start + number };
        values.push(read_part(entry & ENTRY_KIND, data.get(start..end)?, depth)?);
        start = end;
    }
    if start != data.len() {
        return None;
    }
    if !is_object {
        let raw_scalar = header & SCALAR_FLAG != 0;
        return if raw_scalar && count == 1 { values.pop() } else { Some(Jsonb::Array(values)) };
    }
    let behind_keys = values.split_off(count);
    let pair = |(key, value)| match key {
        Jsonb::String(key) => Some((key, value)),
        _ => None,
    };
    let members: Vec<_> = values.into_iter().zip(behind_keys).map(pair).collect::<Option<_>>()?;
    members.is_sorted_by(|a, b| key_order(&a.0, &b.0).is_lt()).then_some(Jsonb::Object(members))
}

fn read_part(kind: u32, bytes: &[u8], depth: usize) -> Option<Jsonb> {
    Some(match kind {
        ENTRY_STRING => Jsonb::String(std::str::from_utf8(bytes).ok()?.into()),
        ENTRY_NUMBER => match io::recv(types::NUMERIC, -1, bytes, &*ENV).ok()? {
            Datum::Numeric(number) => Jsonb::Number((*number).clone()),
            _ => return None,
        },
        ENTRY_FALSE => Jsonb::Bool(false),
        ENTRY_TRUE => Jsonb::Bool(true),
        ENTRY_NULL => Jsonb::Null,
        ENTRY_CONTAINER => read_container(bytes, depth + 1)?,
        _ => return None,
    })
}

/// Refuses values that nest more deeply than input may, since reading them back would be refused.
fn check_depth(value: &Jsonb) -> PgResult<()> {
    fn fits(value: &Jsonb, left: usize) -> bool {
        match value {
            Jsonb::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Jsonb::Object(members) => left > 0 && members.iter().all(|(_, item)| fits(item, left - 1)),
            _ => true,
        }
    }
    if fits(value, MAX_DEPTH + 1) { Ok(()) } else { Err(too_deep()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In ascending order.
    const SORTED: &[&str] = &[
        "[]",
        "null",
        "\"\"",
        "\"a\"",
        "\"ab\"",
        "\"b\"",
        "-1.50",
        "0",
        "10",
        "false",
        "true",
        "[null]",
        "[1]",
        "[true]",
        "[[]]",
        "[{}]",
        "[1, 2]",
        "[1, 3]",
        "{}",
        "{\"a\": 1}",
        "{\"a\": 2}",
        "{\"aa\": 0}",
        "{\"b\": 0}",
        "{\"a\": 1, \"b\": 2}",
    ];

    fn value(text: &str) -> Jsonb {
        Jsonb::from_text(text).unwrap()
    }

    #[test]
    fn order_and_keys_agree() {
        let key = |text: &str| {
            let mut key = Vec::new();
            value(text).encode_key(&mut key);
            key
        };
        for (at, a) in SORTED.iter().enumerate() {
            for (other, b) in SORTED.iter().enumerate() {
                assert_eq!(value(a).compare(&value(b)), at.cmp(&other), "{a} {b}");
                assert_eq!(key(a).cmp(&key(b)), at.cmp(&other), "keys of {a} {b}");
            }
        }
    }

    #[test]
    fn stored_forms_come_back() {
        let wide = format!("[{}]", (0..100).map(|at| at.to_string()).collect::<Vec<_>>().join(", "));
        for text in SORTED.iter().copied().chain([wide.as_str(), "[1.00, [{\"x\": [\"ä\", null]}], false]"])
        {
            let stored = value(text).to_bytes().unwrap();
            assert_eq!(Jsonb::from_bytes(&stored).unwrap().to_text(), text);
            for end in 0..stored.len() {
                let _ = Jsonb::from_bytes(&stored[..end]);
            }
            for at in 0..stored.len() {
                let mut bent = stored.clone();
                bent[at] ^= 0x55;
                // Anything but a panic.
                let _ = Jsonb::from_bytes(&bent);
            }
        }
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        assert_eq!(value("{\"bb\": 1, \"a\": 1, \"a\": 2, \"bb\": 3}").to_text(), "{\"a\": 2, \"bb\": 3}");
    }
}
