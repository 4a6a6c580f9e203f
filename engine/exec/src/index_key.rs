//! Index entries: values into memory-comparable bytes, as `redoubt_access`'s B-trees want them, and back. A hash index
//! has hash codes instead, which nothing can be had back from.

use redoubt_access::value::{self, Values};
use redoubt_access::{IndexEntry, gist_key};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{CallContext, Datum, Env, Oid, ScalarFn, key, types};
use redoubt_plan::facts::{IndexColumn, IndexFacts, IndexForm};

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

/// Makes the key of a row from its key columns' values, replacing `out`; says whether one is NULL. Nothing if the
/// index has no entry for such a row.
///
/// # Errors
/// `42883` when a column's type has no order, or a part of the value no hash.
pub fn encode_key<'v>(
    index: &IndexFacts,
    env: &dyn Env,
    values: impl Iterator<Item = &'v Datum>,
    out: &mut Vec<u8>,
) -> PgResult<Option<bool>> {
    out.clear();
    let mut has_null = false;
    if let IndexForm::Searched(classes) = &index.form {
        gist_key(classes, values, out)?;
        return Ok(Some(false));
    }
    for (column, value) in index.columns[..index.key_columns].iter().zip(values) {
        has_null |= value.is_null();
        match &index.form {
            IndexForm::Ordered => encode_column(column, value, out)?,
            // No value is equal to NULL, and nothing else is looked for.
            IndexForm::Hashed(_) if value.is_null() => return Ok(None),
            IndexForm::Searched(_) => unreachable!("its key is made at once"),
            IndexForm::Hashed(functions) => {
                let code = hash_code(functions, column, (key_type(column), value), env)?;
                out.extend_from_slice(&code.to_be_bytes());
            }
        }
    }
    Ok(Some(has_null))
}

/// The hash code of a value that is not NULL, by its type's function in the operator family: equal values of several
/// types have one code.
///
/// # Errors
/// `42883` when a part of the value has no hash.
pub(crate) fn hash_code(
    functions: &[(Oid, ScalarFn)],
    column: &IndexColumn,
    (type_oid, value): (Oid, &Datum),
    env: &dyn Env,
) -> PgResult<u32> {
    let of = |wanted: Oid| functions.iter().find(|(oid, _)| *oid == wanted);
    // Values of types that the class takes as they are (varchar as text, any array, any enumeration).
    let function = of(type_oid).or_else(|| of(column.class_type));
    let (_, function) =
        function.ok_or_else(|| PgError::internal(format!("missing support function for type {type_oid}")))?;
    let types = [type_oid];
    let context =
        CallContext { collation: column.collation, ..CallContext::new(env).with_types(&types, types::INT4) };
    match function(&context, std::slice::from_ref(value))? {
        Datum::Int4(code) => Ok(code as u32),
        other => Err(other.mismatch("a hash code")),
    }
}

/// How many of an index's leading columns can be had back from its keys. The others' values are stored along.
pub(crate) fn columns_in_key(index: &IndexFacts) -> usize {
    let keys = &index.columns[..index.key_columns];
    // An operator class of another type writes that type's key: `varchar` by `text_ops`.
    let reversible = |column: &IndexColumn| {
        key::is_reversible(key_type(column)) && (key::is_reversible(column.type_oid) || column.type_oid == 0)
    };
    keys.iter().position(|column| !reversible(column)).unwrap_or(keys.len())
}

/// Makes what is stored along with a key, replacing `out`: the values of the columns that the key does not give
/// back, included ones among them. Nothing if they are too long; such rows are read from the table.
///
/// # Errors
/// Those of storing the values.
pub fn encode_payload<'v>(
    index: &IndexFacts,
    values: impl Iterator<Item = &'v Datum>,
    key_bytes: usize,
    out: &mut Vec<u8>,
) -> PgResult<()> {
    out.clear();
    if !index.is_ordered() {
        return Ok(());
    }
    for value in values.skip(columns_in_key(index)) {
        value::encode(value, out)?;
    }
    if key_bytes + out.len() > MAX_PAIR_BYTES {
        out.clear();
    }
    Ok(())
}

/// Bytes of a key and what is stored along that fit into an entry, with the row's place.
const MAX_PAIR_BYTES: usize = redoubt_access::MAX_ENTRY_BYTES - 16;

/// Reads an entry's values: those of the first `columns` from the key, then, if there are any, those stored along.
/// False if the entry has not all that it should have.
///
/// # Errors
/// `XX002`, `XX001` for a damaged entry.
pub(crate) fn decode_entry(
    index: &IndexFacts,
    columns: usize,
    entry: &IndexEntry<'_>,
    values: &mut Vec<Datum>,
) -> PgResult<bool> {
    values.clear();
    let in_key = columns_in_key(index);
    let mut key = entry.key;
    for column in &index.columns[..in_key.min(columns)] {
        values.push(key::decode(key_type(column), column.descending, &mut key)?);
    }
    if columns > in_key {
        let mut stored = Values::new(entry.payload);
        for _ in in_key..columns {
            if stored.is_empty() {
                return Ok(false);
            }
            values.push(stored.read()?);
        }
    }
    Ok(true)
}
