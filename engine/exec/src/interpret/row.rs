//! Composite values.

use super::is_true;
use crate::exec::Exec;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, RecordValue};
use redoubt_plan::program::{MakeRow, RowCompare};
use std::sync::Arc;

/// IS NULL (all fields are NULL) or, negated, IS NOT NULL (no field is). Fields that are rows
/// themselves count by whether they are NULL as a whole.
pub(super) fn is_null(value: &Datum, negated: bool) -> bool {
    match value {
        Datum::Record(record) => record
            .fields
            .iter()
            .zip(record.desc.attrs.iter())
            .filter(|(_, attr)| !attr.dropped)
            .all(|(field, _)| field.is_null() != negated),
        other => other.is_null() != negated,
    }
}

/// A field by attribute number.
pub(super) fn field(value: &Datum, field: i16) -> PgResult<Datum> {
    match value {
        Datum::Null => Ok(Datum::Null),
        Datum::Record(record) => record.fields.get(field as usize - 1).cloned().ok_or_else(|| {
            PgError::new(
                code::DATATYPE_MISMATCH,
                format!("attribute {field} of type record has been dropped or does not exist"),
            )
        }),
        other => Err(other.mismatch("record")),
    }
}

/// Builds a row.
pub(super) fn make(make: &MakeRow, frame: &[Datum]) -> Datum {
    let fields = &frame[make.args.index()..make.args.index() + make.count as usize];
    let mut fields: Vec<Datum> = fields.to_vec();
    fields.resize(make.desc.len(), Datum::Null);
    Datum::Record(Arc::new(RecordValue {
        type_oid: make.type_oid,
        desc: make.desc.clone(),
        fields: fields.into(),
    }))
}

impl<'a> Exec<'a> {
    pub(super) fn row_compare(&mut self, compare: &'a RowCompare) -> PgResult<Datum> {
        for column in &compare.columns {
            self.run(&column.operands)?;
            let pair = &self.frame[column.args.index()..column.args.index() + 2];
            if pair[0].is_null() || pair[1].is_null() {
                return Ok(Datum::Null);
            }
            if !is_true(&(column.equal)(&self.call_context(column.equal_site), pair)?) {
                return (column.compare)(&self.call_context(column.compare_site), pair);
            }
        }
        Ok(Datum::Bool(compare.or_equal))
    }
}
