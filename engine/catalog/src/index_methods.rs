//! What each index access method can do: the facts that PostgreSQL's handlers give (`IndexAmRoutine`), which DDL checks
//! and `pg_indexam_has_property` and its like report. They hold for methods, too, that no index can be made with here.

use crate::view::{BTREE, GIST, HASH};
use redoubt_access::IndexKind;
use redoubt_functions::Oid;

/// An index access method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexMethod {
    /// `pg_am.oid`.
    pub oid: Oid,
    /// Entries lie in the order of values: ASC, DESC and NULLS FIRST mean something.
    pub can_order: bool,
    /// Rows can be had in the order of an operator's result.
    pub can_order_by_operator: bool,
    /// A scan may turn round.
    pub can_go_backward: bool,
    /// UNIQUE.
    pub can_be_unique: bool,
    /// More than one key column.
    pub can_have_columns: bool,
    /// INCLUDE.
    pub can_include: bool,
    /// Lists of values are looked for by the method itself.
    pub searches_arrays: bool,
    /// IS NULL and IS NOT NULL.
    pub searches_nulls: bool,
    /// CLUSTER.
    pub can_cluster: bool,
    /// Rows one by one; otherwise only bitmaps.
    pub gives_rows: bool,
}

/// All of them.
pub const INDEX_METHODS: &[IndexMethod] = &[
    IndexMethod {
        oid: BTREE,
        can_order: true,
        can_order_by_operator: false,
        can_go_backward: true,
        can_be_unique: true,
        can_have_columns: true,
        can_include: true,
        searches_arrays: true,
        searches_nulls: true,
        can_cluster: true,
        gives_rows: true,
    },
    IndexMethod { oid: HASH, can_go_backward: true, gives_rows: true, ..NOTHING },
    IndexMethod {
        oid: GIST,
        can_order_by_operator: true,
        can_have_columns: true,
        can_include: true,
        searches_nulls: true,
        can_cluster: true,
        gives_rows: true,
        ..NOTHING
    },
    IndexMethod { oid: GIN, can_have_columns: true, ..NOTHING },
    IndexMethod { oid: BRIN, can_have_columns: true, searches_nulls: true, ..NOTHING },
    IndexMethod {
        oid: SPGIST,
        can_order_by_operator: true,
        can_include: true,
        searches_nulls: true,
        gives_rows: true,
        ..NOTHING
    },
];

/// `pg_am.oid` of GIN, BRIN and SP-GiST.
const GIN: Oid = 2742;
const BRIN: Oid = 3580;
const SPGIST: Oid = 4000;

const NOTHING: IndexMethod = IndexMethod {
    oid: 0,
    can_order: false,
    can_order_by_operator: false,
    can_go_backward: false,
    can_be_unique: false,
    can_have_columns: false,
    can_include: false,
    searches_arrays: false,
    searches_nulls: false,
    can_cluster: false,
    gives_rows: false,
};

impl IndexMethod {
    /// The method with this `pg_am.oid`, if it is an index's.
    pub fn by_oid(oid: Oid) -> Option<&'static IndexMethod> {
        INDEX_METHODS.iter().find(|method| method.oid == oid)
    }

    /// How its entries lie on pages; none if no index can be made with it yet.
    pub fn kind(&self) -> Option<IndexKind> {
        match self.oid {
            BTREE | HASH => Some(IndexKind::BTree),
            GIST => Some(IndexKind::Gist),
            _ => None,
        }
    }
}
