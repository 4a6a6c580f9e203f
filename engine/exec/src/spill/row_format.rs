//! Rows in temporary files.
//!
//! A row is its values, one after the other, as tables store them (`redoubt_access::value`), with two
//! differences: there is `void`, and records keep their columns' names, which live in the format of the
//! file's holder and not in the file.
//!
//! ```text
//! 70          void
//! 71          record: type u32, its columns' number among the format's descriptors u32, then the fields
//! 72          array that contains records: element type u32, dimensions u8,
//!             each length i32 and lower bound i32, then the elements
//! other       as in tables
//! ```

use redoubt_access::value::{self, Values};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{ArrayValue, Attribute, Datum, Dimension, RecordValue, TupleDesc};
use std::sync::Arc;

const VOID: u8 = 0x70;
const RECORD: u8 = 0x71;
const ARRAY: u8 = 0x72;

/// Writes and reads the rows of one holder.
#[derive(Debug, Default)]
pub(crate) struct RowFormat {
    /// The columns of all records met.
    descs: Vec<TupleDesc>,
}

impl RowFormat {
    /// Appends a row.
    ///
    /// # Errors
    /// `54000` for values nested too deeply.
    pub(crate) fn write<'d>(
        &mut self,
        row: impl IntoIterator<Item = &'d Datum>,
        out: &mut Vec<u8>,
    ) -> PgResult<()> {
        row.into_iter().try_for_each(|value| self.write_value(value, out))
    }

    fn write_value(&mut self, value: &Datum, out: &mut Vec<u8>) -> PgResult<()> {
        match value {
            Datum::Void => out.push(VOID),
            Datum::Record(record) => {
                let desc = self.number_of(&record.desc);
                out.push(RECORD);
                out.extend(record.type_oid.to_le_bytes());
                out.extend(desc.to_le_bytes());
                self.write(&record.fields[..], out)?;
            }
            Datum::Array(array) if array.elems.iter().any(|elem| matches!(elem, Datum::Record(_))) => {
                out.push(ARRAY);
                out.extend(array.elem_type.to_le_bytes());
                out.push(array.dims.len() as u8);
                for dim in &array.dims {
                    out.extend(dim.len.to_le_bytes());
                    out.extend(dim.lower.to_le_bytes());
                }
                self.write(&array.elems, out)?;
            }
            other => value::encode(other, out)?,
        }
        Ok(())
    }

    fn number_of(&mut self, desc: &TupleDesc) -> u32 {
        let same = |known: &TupleDesc| {
            Arc::ptr_eq(&known.attrs, &desc.attrs)
                || known.attrs.len() == desc.attrs.len()
                    && known.attrs.iter().zip(desc.attrs.iter()).all(|(a, b)| same_column(a, b))
        };
        let at = self.descs.iter().position(same).unwrap_or_else(|| {
            self.descs.push(desc.clone());
            self.descs.len() - 1
        });
        at as u32
    }

    /// Reads a row of so many values.
    ///
    /// # Errors
    /// `XX001` for a file that is not what was written.
    pub(crate) fn read(&self, bytes: &[u8], width: usize, row: &mut Vec<Datum>) -> PgResult<()> {
        let mut bytes = bytes;
        for _ in 0..width {
            row.push(self.read_value(&mut bytes)?);
        }
        if bytes.is_empty() { Ok(()) } else { Err(damaged()) }
    }

    fn read_value(&self, bytes: &mut &[u8]) -> PgResult<Datum> {
        match bytes.first() {
            Some(&VOID) => {
                *bytes = &bytes[1..];
                Ok(Datum::Void)
            }
            Some(&RECORD) => {
                *bytes = &bytes[1..];
                let type_oid = u32::from_le_bytes(take(bytes)?);
                let desc = u32::from_le_bytes(take(bytes)?) as usize;
                let desc = self.descs.get(desc).ok_or_else(damaged)?.clone();
                let fields =
                    (0..desc.len()).map(|_| self.read_value(bytes)).collect::<PgResult<Box<[Datum]>>>()?;
                Ok(Datum::Record(Arc::new(RecordValue { type_oid, desc, fields })))
            }
            Some(&ARRAY) => {
                *bytes = &bytes[1..];
                let mut array = ArrayValue::empty(u32::from_le_bytes(take(bytes)?));
                let [dims] = take(bytes)?;
                let mut count = 1;
                for _ in 0..dims {
                    let len = i32::from_le_bytes(take(bytes)?);
                    let lower = i32::from_le_bytes(take(bytes)?);
                    count *= len.max(0) as usize;
                    array.dims.push(Dimension { len, lower });
                }
                array.elems = (0..count).map(|_| self.read_value(bytes)).collect::<PgResult<_>>()?;
                Ok(Datum::Array(Arc::new(array)))
            }
            _ => {
                let mut values = Values::new(bytes);
                let length = values.raw()?.len();
                let (value, rest) = bytes.split_at(length);
                *bytes = rest;
                Values::new(value).read()
            }
        }
    }
}

fn same_column(a: &Attribute, b: &Attribute) -> bool {
    a.name == b.name && a.type_oid == b.type_oid && a.typmod == b.typmod && a.dropped == b.dropped
}

fn take<const N: usize>(bytes: &mut &[u8]) -> PgResult<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    *bytes = rest;
    Ok(*taken)
}

#[cold]
fn damaged() -> PgError {
    PgError::new(redoubt_error::code::DATA_CORRUPTED, "a row in a temporary file is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(names: &[&str], fields: Vec<Datum>) -> Datum {
        let attrs: Vec<Attribute> = names.iter().map(|name| Attribute::new(*name, 23)).collect();
        let desc = TupleDesc::new(attrs);
        Datum::Record(Arc::new(RecordValue { type_oid: 2249, desc, fields: fields.into() }))
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let mut format = RowFormat::default();
        let inner = record(&["x"], vec![Datum::Int4(7)]);
        let row = [
            Datum::Void,
            Datum::Null,
            Datum::text("a text"),
            record(&["a", "b"], vec![Datum::Int4(1), inner.clone()]),
            Datum::Array(Arc::new(ArrayValue::with_lower(2249, vec![inner.clone(), Datum::Null], -3))),
            Datum::Array(Arc::new(ArrayValue::from_elems(23, vec![Datum::Int4(-1), Datum::Int4(1 << 20)]))),
        ];
        for _ in 0..3 {
            let mut bytes = Vec::new();
            format.write(&row, &mut bytes).unwrap();
            let mut read = Vec::new();
            format.read(&bytes, row.len(), &mut read).unwrap();
            assert_eq!(format!("{read:?}"), format!("{row:?}"));
        }
        assert_eq!(format.descs.len(), 2, "equal columns are kept once");
    }
}
