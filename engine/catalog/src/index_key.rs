//! Keys of the system indexes: memory-comparable bytes.

use crate::system::{SystemCatalog, SystemIndex};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, key};

/// The key of a row in an index.
pub(crate) fn index_key(catalog: &SystemCatalog, index: &SystemIndex, row: &[Datum]) -> PgResult<Vec<u8>> {
    let values = index.key.iter().map(|column| (*column, &row[*column]));
    encode(catalog, values)
}

/// The beginning that all keys have whose first columns are `values`.
pub(crate) fn index_prefix(
    catalog: &SystemCatalog,
    index: &SystemIndex,
    values: &[Datum],
) -> PgResult<Vec<u8>> {
    encode(catalog, index.key.iter().copied().zip(values))
}

fn encode<'a>(
    catalog: &SystemCatalog,
    columns: impl Iterator<Item = (usize, &'a Datum)>,
) -> PgResult<Vec<u8>> {
    let mut bytes = Vec::with_capacity(32);
    for (column, value) in columns {
        key::encode(catalog.columns.columns[column].1, value, false, false, &mut bytes)?;
    }
    Ok(bytes)
}
