//! The shape of rows: attributes and tuple descriptors.

use crate::{Datum, Oid};
use std::sync::Arc;

/// One column of a relation, composite type or result (`pg_attribute`).
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Column name.
    pub name: Arc<str>,
    /// Data type; 0 for a dropped column.
    pub type_oid: Oid,
    /// Type modifier, -1 for none.
    pub typmod: i32,
    /// Collation, 0 when the type is not collatable.
    pub collation: Oid,
    /// Declared NOT NULL.
    pub not_null: bool,
    /// Dropped: the slot stays, its value reads as NULL.
    pub dropped: bool,
    /// A default or generation expression exists.
    pub has_default: bool,
    /// `attidentity`: `a`lways, by `d`efault, or a zero byte.
    pub identity: u8,
    /// `attgenerated`: `s`tored, or a zero byte.
    pub generated: u8,
    /// The value that rows older than the column's addition show.
    pub missing: Option<Datum>,
}

impl Attribute {
    /// A plain, nullable column without default.
    pub fn new(name: impl Into<Arc<str>>, type_oid: Oid) -> Self {
        Attribute {
            name: name.into(),
            type_oid,
            typmod: -1,
            collation: crate::builtin_type(type_oid).map_or(0, |info| info.collation),
            not_null: false,
            dropped: false,
            has_default: false,
            identity: 0,
            generated: 0,
            missing: None,
        }
    }

    /// The same column with a type modifier.
    pub fn with_typmod(mut self, typmod: i32) -> Self {
        self.typmod = typmod;
        self
    }
}

/// The columns of a row, in attribute order, dropped ones included. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct TupleDesc {
    /// The columns.
    pub attrs: Arc<[Attribute]>,
}

impl TupleDesc {
    /// A descriptor over the given columns.
    pub fn new(attrs: impl Into<Arc<[Attribute]>>) -> Self {
        TupleDesc { attrs: attrs.into() }
    }

    /// Number of columns, dropped ones included.
    pub fn len(&self) -> usize {
        self.attrs.len()
    }

    /// True when there are no columns at all.
    pub fn is_empty(&self) -> bool {
        self.attrs.is_empty()
    }

    /// Index of the live column with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.attrs.iter().position(|attr| !attr.dropped && &*attr.name == name)
    }
}
