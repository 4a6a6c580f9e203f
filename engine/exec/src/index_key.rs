//! Index keys: values into memory-comparable bytes, as `redoubt_access`'s B-trees want them.

use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid, key, types};
use redoubt_plan::facts::{IndexColumn, IndexFacts};

/// The type by which a column's values are encoded: the operator class's, unless that stands for many.
pub(crate) fn key_type(column: &IndexColumn) -> Oid {
    match column.class_type {
        0 | types::ANYARRAY | types::ANYENUM | types::ANYRANGE | types::RECORD | types::ANYELEMENT => {
            column.type_oid
        }
        class_type => class_type,
    }
}

/// Appends one column's value to a key.
pub(crate) fn encode_column(column: &IndexColumn, value: &Datum, out: &mut Vec<u8>) -> PgResult<()> {
    key::encode(key_type(column), value, column.descending, column.nulls_first, out)
}

/// Makes the key of a row from its key columns' values, replacing `out`; says whether one is NULL.
///
/// # Errors
/// `42883` when a column's type has no order.
pub fn encode_key<'v>(
    index: &IndexFacts,
    values: impl Iterator<Item = &'v Datum>,
    out: &mut Vec<u8>,
) -> PgResult<bool> {
    out.clear();
    let mut has_null = false;
    for (column, value) in index.columns[..index.key_columns].iter().zip(values) {
        has_null |= value.is_null();
        encode_column(column, value, out)?;
    }
    Ok(has_null)
}
