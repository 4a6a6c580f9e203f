//! Comparison, equality and hashing by each type's default operator class, in the C collation.

use crate::text::bpchar_key;
use crate::{Datum, Interval, Oid, types};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Compares two values of a type by its default B-tree operator class. NULLs sort last and are
/// equal to each other here; whoever sorts the other way decides before calling.
///
/// # Panics
/// When the values are not of the type or the type has no order: the analyzer has checked both.
pub fn cmp(type_oid: Oid, a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Int4(a), Datum::Int4(b)) => a.cmp(b),
        (Datum::Int8(a), Datum::Int8(b)) => a.cmp(b),
        (Datum::Text(a), Datum::Text(b)) if type_oid == types::BPCHAR => {
            bpchar_key(a).as_bytes().cmp(bpchar_key(b).as_bytes())
        }
        (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Null, _) => Ordering::Greater,
        (_, Datum::Null) => Ordering::Less,
        _ => cmp_other(type_oid, a, b),
    }
}

/// The types that are compared less often.
fn cmp_other(type_oid: Oid, a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Char(a), Datum::Char(b)) => a.cmp(b),
        (Datum::Int2(a), Datum::Int2(b)) => a.cmp(b),
        (Datum::Float4(a), Datum::Float4(b)) => cmp_float(f64::from(*a), f64::from(*b)),
        (Datum::Float8(a), Datum::Float8(b)) => cmp_float(*a, *b),
        (Datum::Oid(a), Datum::Oid(b)) => a.cmp(b),
        (Datum::Xid8(a), Datum::Xid8(b)) => a.cmp(b),
        (Datum::Tid(a), Datum::Tid(b)) => a.cmp(b),
        (Datum::Lsn(a), Datum::Lsn(b)) => a.cmp(b),
        (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
        (Datum::Time(a), Datum::Time(b)) => a.cmp(b),
        (Datum::TimeTz(a), Datum::TimeTz(b)) => a.sort_key().cmp(&b.sort_key()),
        (Datum::Timestamp(a), Datum::Timestamp(b)) => a.cmp(b),
        (Datum::TimestampTz(a), Datum::TimestampTz(b)) => a.cmp(b),
        (Datum::Interval(a), Datum::Interval(b)) => a.sort_key().cmp(&b.sort_key()),
        (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
        (Datum::Macaddr(a), Datum::Macaddr(b)) => a.cmp(b),
        (Datum::Macaddr8(a), Datum::Macaddr8(b)) => a.cmp(b),
        (Datum::Inet(a), Datum::Inet(b)) => a.order(b),
        (Datum::Enum(a), Datum::Enum(b)) => cmp_enum(a, b),
        (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(b),
        (Datum::Bytea(a), Datum::Bytea(b)) => a.cmp(b),
        (Datum::Bit(a), Datum::Bit(b)) => a.bytes.cmp(&b.bytes).then(a.len_bits.cmp(&b.len_bits)),
        (Datum::Jsonb(a), Datum::Jsonb(b)) => a.compare(b),
        // Without an order in SQL; plans ask whether two constants are the same.
        (Datum::JsonPath(a), Datum::JsonPath(b)) => a.to_string().cmp(&b.to_string()),
        (Datum::Geometry(a), Datum::Geometry(b)) => a.identity().cmp(&b.identity()),
        (Datum::TsVector(a), Datum::TsVector(b)) => a.order(b),
        (Datum::TsQuery(a), Datum::TsQuery(b)) => a.order(b),
        (Datum::Array(a), Datum::Array(b)) if type_oid == types::OIDVECTOR => {
            a.elems.len().cmp(&b.elems.len()).then_with(|| cmp_elems(types::OID, &a.elems, &b.elems))
        }
        (Datum::Array(a), Datum::Array(b)) => cmp_elems(a.elem_type, &a.elems, &b.elems)
            .then_with(|| a.ndim().cmp(&b.ndim()))
            .then_with(|| a.dims.iter().map(|dim| dim.len).cmp(b.dims.iter().map(|dim| dim.len)))
            .then_with(|| a.dims.iter().map(|dim| dim.lower).cmp(b.dims.iter().map(|dim| dim.lower))),
        (Datum::Record(a), Datum::Record(b)) => cmp_records(a, b),
        _ => panic!("cannot compare {} with {} as type {type_oid}", a.kind(), b.kind()),
    }
}

/// Equality by the default operator class; consistent with [`cmp`] and [`hash`].
///
/// # Panics
/// As [`cmp`].
#[inline]
pub fn eq(type_oid: Oid, a: &Datum, b: &Datum) -> bool {
    match (a, b) {
        (Datum::Int4(a), Datum::Int4(b)) => a == b,
        (Datum::Int8(a), Datum::Int8(b)) => a == b,
        (Datum::Text(a), Datum::Text(b)) if type_oid != types::BPCHAR => a == b,
        _ => cmp(type_oid, a, b).is_eq(),
    }
}

/// Checks that a type's values can be compared, for functions over elements of any type.
///
/// # Errors
/// `42883` when the type has no default B-tree operator class.
pub fn check_ordered(type_oid: Oid, env: &dyn crate::Env) -> PgResult<()> {
    let unordered = matches!(
        type_oid,
        types::JSON
            | types::XML
            | types::JSONPATH
            | types::POINT
            | types::LSEG
            | types::PATH
            | types::BOX
            | types::POLYGON
            | types::LINE
            | types::CIRCLE
            | types::XID
            | types::CID
            | types::ACLITEM
    );
    if !unordered {
        return Ok(());
    }
    Err(PgError::new(
        code::UNDEFINED_FUNCTION,
        format!("could not identify a comparison function for type {}", env.type_name(type_oid, -1)?),
    ))
}

/// Floats: NaN is equal to itself and greater than everything; zeros are equal.
#[inline]
pub fn cmp_float(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

pub(crate) fn cmp_enum(a: &crate::EnumValue, b: &crate::EnumValue) -> Ordering {
    if a.oid == b.oid { Ordering::Equal } else { a.sort.total_cmp(&b.sort).then(a.oid.cmp(&b.oid)) }
}

fn cmp_elems(elem_type: Oid, a: &[Datum], b: &[Datum]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = cmp(elem_type, a, b);
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Rows compare by their live columns; the executor has checked that their types match.
fn cmp_records(a: &crate::RecordValue, b: &crate::RecordValue) -> Ordering {
    let live = |record: &'_ crate::RecordValue| -> Vec<usize> {
        (0..record.fields.len()).filter(|&at| !record.desc.attrs[at].dropped).collect()
    };
    let (left, right) = (live(a), live(b));
    for (&i, &j) in left.iter().zip(&right) {
        let order = cmp(a.desc.attrs[i].type_oid, &a.fields[i], &b.fields[j]);
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

impl crate::TimeTz {
    /// Order by the moment in UTC, then by zone.
    pub(crate) fn sort_key(&self) -> (i64, i32) {
        (self.time_us + i64::from(self.zone_s) * 1_000_000, self.zone_s)
    }
}

impl Interval {
    /// The whole span in microseconds, months counted as 30 days.
    pub(crate) fn sort_key(&self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * 86_400_000_000 + i128::from(self.usecs)
    }
}

/// Feeds a value to a hasher, so that values that are [`eq`] hash alike.
///
/// # Panics
/// As [`cmp`].
pub fn hash<H: Hasher>(type_oid: Oid, datum: &Datum, state: &mut H) {
    match datum {
        Datum::Null => state.write_u8(0xFF),
        Datum::Void => {}
        Datum::Bool(value) => state.write_u8(u8::from(*value)),
        Datum::Char(value) => state.write_u8(*value),
        Datum::Int2(value) => state.write_i64(i64::from(*value)),
        Datum::Int4(value) => state.write_i64(i64::from(*value)),
        Datum::Int8(value) => state.write_i64(*value),
        Datum::Float4(value) => state.write_u64(float_bits(f64::from(*value))),
        Datum::Float8(value) => state.write_u64(float_bits(*value)),
        Datum::Oid(value) => state.write_u32(*value),
        Datum::Xid8(value) | Datum::Lsn(value) => state.write_u64(*value),
        Datum::Tid(value) => value.hash(state),
        Datum::Date(value) => state.write_i32(*value),
        Datum::Time(value) | Datum::Timestamp(value) | Datum::TimestampTz(value) => state.write_i64(*value),
        Datum::TimeTz(value) => value.sort_key().hash(state),
        Datum::Interval(value) => value.sort_key().hash(state),
        Datum::Uuid(value) => state.write(value),
        Datum::Macaddr(value) => state.write(value),
        Datum::Macaddr8(value) => state.write(value),
        Datum::Inet(value) => state.write_u64(value.hash(crate::hash::Width::Long(0))),
        Datum::Enum(value) => state.write_u32(value.oid),
        Datum::Numeric(value) => value.hash(state),
        Datum::Text(value) if type_oid == types::BPCHAR => bpchar_key(value).hash(state),
        Datum::Text(value) => value.hash(state),
        Datum::Bytea(value) => value.hash(state),
        Datum::Bit(value) => value.hash(state),
        Datum::TsVector(value) => value.key().hash(state),
        Datum::TsQuery(value) => value.key().hash(state),
        Datum::Jsonb(value) => state.write_u64(value.hash(crate::hash::Width::Long(0))),
        // They have no equality that could be hashed.
        Datum::JsonPath(_) | Datum::Geometry(_) => {}
        Datum::Array(array) => {
            for elem in &array.elems {
                hash(array.elem_type, elem, state);
            }
        }
        Datum::Record(record) => {
            for (attr, field) in record.desc.attrs.iter().zip(&record.fields) {
                if !attr.dropped {
                    hash(attr.type_oid, field, state);
                }
            }
        }
    }
}

/// One bit pattern for both zeros and one for every NaN.
#[inline]
fn float_bits(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

/// Comparison cores for Rust types whose order is PostgreSQL's.
pub(crate) mod generic {
    /// The sign of a comparison, as B-tree support functions return it.
    pub(crate) fn sign(order: std::cmp::Ordering) -> i32 {
        order as i32
    }

    pub(crate) fn eq<T: PartialEq>(a: T, b: T) -> bool {
        a == b
    }

    pub(crate) fn ne<T: PartialEq>(a: T, b: T) -> bool {
        a != b
    }

    pub(crate) fn lt<T: PartialOrd>(a: T, b: T) -> bool {
        a < b
    }

    pub(crate) fn le<T: PartialOrd>(a: T, b: T) -> bool {
        a <= b
    }

    pub(crate) fn gt<T: PartialOrd>(a: T, b: T) -> bool {
        a > b
    }

    pub(crate) fn ge<T: PartialOrd>(a: T, b: T) -> bool {
        a >= b
    }

    pub(crate) fn cmp<T: Ord>(a: T, b: T) -> i32 {
        sign(a.cmp(&b))
    }

    pub(crate) fn larger<T: PartialOrd>(a: T, b: T) -> T {
        if a > b { a } else { b }
    }

    pub(crate) fn smaller<T: PartialOrd>(a: T, b: T) -> T {
        if a < b { a } else { b }
    }

    pub(crate) fn eq_as<A: Into<W>, B: Into<W>, W: PartialEq>(a: A, b: B) -> bool {
        a.into() == b.into()
    }

    pub(crate) fn ne_as<A: Into<W>, B: Into<W>, W: PartialEq>(a: A, b: B) -> bool {
        a.into() != b.into()
    }

    pub(crate) fn lt_as<A: Into<W>, B: Into<W>, W: PartialOrd>(a: A, b: B) -> bool {
        a.into() < b.into()
    }

    pub(crate) fn le_as<A: Into<W>, B: Into<W>, W: PartialOrd>(a: A, b: B) -> bool {
        a.into() <= b.into()
    }

    pub(crate) fn gt_as<A: Into<W>, B: Into<W>, W: PartialOrd>(a: A, b: B) -> bool {
        a.into() > b.into()
    }

    pub(crate) fn ge_as<A: Into<W>, B: Into<W>, W: PartialOrd>(a: A, b: B) -> bool {
        a.into() >= b.into()
    }

    pub(crate) fn cmp_as<A: Into<W>, B: Into<W>, W: Ord>(a: A, b: B) -> i32 {
        sign(a.into().cmp(&b.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plans compare constants of every type; none may panic.
    #[test]
    fn constants_of_types_without_an_order_can_be_compared() {
        let env = crate::PlainEnv::default();
        for (type_oid, same, other) in [
            (types::JSONPATH, ["$.a", "lax $.\"a\""], "$.b"),
            (types::POINT, ["(1,2)", "1,2"], "(1,3)"),
            (types::CIRCLE, ["<(1,2),3>", "1,2,3"], "<(1,2),4>"),
            (types::PATH, ["[(1,2)]", "[1,2]"], "((1,2))"),
            (types::POINT, ["(NaN,2)", "nan,2"], "(1,2)"),
        ] {
            let value = |text: &str| crate::io::input(type_oid, -1, text, &env).unwrap();
            assert!(eq(type_oid, &value(same[0]), &value(same[1])), "{same:?}");
            assert!(!eq(type_oid, &value(same[0]), &value(other)), "{other}");
        }
    }
}
