//! What the engine knows about a type: the columns of `pg_type` that functions need.

use crate::type_table::BUILTIN_TYPES;
use crate::{Oid, types};
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// One type, with the meaning and the names of `pg_type`'s columns (less their `typ` prefix).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// The type's OID.
    pub oid: Oid,
    /// `typname`, without schema and without quotes.
    pub name: Cow<'static, str>,
    /// Bytes, or -1 for a variable length, or -2 for a C string.
    pub len: i16,
    /// Passed by value in PostgreSQL; clients see it in `RowDescription` only through `len`.
    pub byval: bool,
    /// `b`ase, `c`omposite, `d`omain, `e`num, `p`seudo, `r`ange or `m`ultirange.
    pub typtype: char,
    /// The category that steers implicit casts.
    pub category: char,
    /// Preferred member of its category.
    pub preferred: bool,
    /// Element delimiter in array text.
    pub delim: char,
    /// Alignment in PostgreSQL's tuples: `c`, `s`, `i` or `d`.
    pub align: char,
    /// `p`lain, `e`xternal, `m`ain or e`x`tended.
    pub storage: char,
    /// Element type of an array (or of a fixed-length type that can be subscripted), or 0.
    pub elem: Oid,
    /// The array type over this type, or 0.
    pub array: Oid,
    /// A domain's base type, or 0.
    pub basetype: Oid,
    /// The typmod that a domain applies to its base type, or -1.
    pub typmod: i32,
    /// `pg_class` OID of a composite type's relation, or 0.
    pub relation: Oid,
    /// `typinput`.
    pub input: Oid,
    /// `typoutput`.
    pub output: Oid,
    /// `typreceive`, or 0.
    pub receive: Oid,
    /// `typsend`, or 0.
    pub send: Oid,
    /// `typmodin`, or 0.
    pub modin: Oid,
    /// `typmodout`, or 0.
    pub modout: Oid,
    /// The type's default collation, or 0 when it is not collatable.
    pub collation: Oid,
}

impl TypeInfo {
    /// True for arrays proper (`int4[]`, also `oidvector`), false for subscriptable base types
    /// such as `point` and `name`.
    pub fn is_array(&self) -> bool {
        self.elem != 0 && self.len == -1
    }

    /// True for `varchar`, `bpchar` and the other collatable types.
    pub fn is_collatable(&self) -> bool {
        self.collation != 0
    }
}

/// A type's description, borrowed from the static table or shared by the catalog.
#[derive(Clone, Debug)]
pub enum TypeRef {
    /// A built-in type.
    Builtin(&'static TypeInfo),
    /// A type that the catalog knows: composite, domain, enum, range or array of those.
    Catalog(Arc<TypeInfo>),
}

impl Deref for TypeRef {
    type Target = TypeInfo;

    fn deref(&self) -> &TypeInfo {
        match self {
            TypeRef::Builtin(info) => info,
            TypeRef::Catalog(info) => info,
        }
    }
}

/// Looks a built-in type up by OID; `None` means that the catalog must be asked.
pub fn builtin_type(oid: Oid) -> Option<&'static TypeInfo> {
    let at = BUILTIN_TYPES.binary_search_by_key(&oid, |info| info.oid).ok()?;
    Some(&BUILTIN_TYPES[at])
}

/// Looks a built-in type up by its `pg_type.typname` (`int4`, `_int4`, `bpchar`), which all live
/// in `pg_catalog`.
pub fn builtin_type_by_name(name: &str) -> Option<&'static TypeInfo> {
    static BY_NAME: LazyLock<rustc_hash::FxHashMap<&'static str, &'static TypeInfo>> =
        LazyLock::new(|| BUILTIN_TYPES.iter().map(|info| (&*info.name, info)).collect());
    BY_NAME.get(name).copied()
}

/// Every built-in type, in OID order.
pub fn builtin_types() -> &'static [TypeInfo] {
    BUILTIN_TYPES
}

/// The array type over a built-in type, or 0 when there is none.
pub fn builtin_array_of(element: Oid) -> Oid {
    builtin_type(element).map_or(0, |info| info.array)
}

/// True for the types whose values are `Datum::Text`.
pub fn is_string_type(oid: Oid) -> bool {
    matches!(
        oid,
        types::TEXT
            | types::VARCHAR
            | types::BPCHAR
            | types::NAME
            | types::UNKNOWN
            | types::CSTRING
            | types::JSON
            | types::XML
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_complete() {
        assert!(BUILTIN_TYPES.is_sorted_by_key(|info| info.oid));
        assert_eq!(builtin_type(types::INT4).unwrap().array, types::INT4_ARRAY);
        assert_eq!(builtin_type_by_name("_text").unwrap().oid, types::TEXT_ARRAY);
        for info in BUILTIN_TYPES {
            if info.array != 0 {
                let array = builtin_type(info.array).expect("array type is built in");
                assert_eq!(array.elem, info.oid, "{}", info.name);
                assert!(array.is_array(), "{}", array.name);
            }
        }
        assert!(!builtin_type(types::NAME).unwrap().is_array());
        assert!(builtin_type(types::OIDVECTOR).unwrap().is_array());
    }
}
