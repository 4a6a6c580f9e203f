//! Arrays and rows in expressions: making them, taking them apart.

use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, Datum, Dimension, Oid, RecordValue};
use redoubt_plan::program::{MakeRow, SubscriptOp};
use std::sync::Arc;

/// `row IS [NOT] NULL`: all fields are NULL, or none is. A NULL row counts as all NULL.
pub(crate) fn row_is_null(value: &Datum, negated: bool) -> bool {
    match value {
        Datum::Record(record) => record.fields.iter().all(|field| field.is_null() != negated),
        other => other.is_null() != negated,
    }
}

/// ARRAY[...]. Elements that are arrays become the inner dimensions and must agree in shape.
pub(crate) fn make_array(elements: &[Datum], element_type: Oid, multidim: bool) -> PgResult<Datum> {
    if !multidim {
        return Ok(Datum::Array(Arc::new(ArrayValue::from_elems(element_type, elements.to_vec()))));
    }
    let mismatch = || {
        PgError::new(
            code::ARRAY_SUBSCRIPT_ERROR,
            "multidimensional arrays must have array expressions with matching dimensions",
        )
    };
    let mut inner: Option<Vec<Dimension>> = None;
    let mut values = Vec::new();
    let (mut arrays, mut empty) = (0, 0);
    for element in elements {
        // NULL arrays count as empty ones.
        let array = match element {
            Datum::Null => {
                empty += 1;
                continue;
            }
            Datum::Array(array) => array,
            other => return Err(other.mismatch("array")),
        };
        if array.elems.is_empty() {
            empty += 1;
            continue;
        }
        match &inner {
            None => inner = Some(array.dims.to_vec()),
            Some(dims) if dims[..] == array.dims[..] => {}
            Some(_) => return Err(mismatch()),
        }
        arrays += 1;
        values.extend(array.elems.iter().cloned());
    }
    let Some(inner) = inner else { return Ok(Datum::Array(Arc::new(ArrayValue::empty(element_type)))) };
    if empty > 0 {
        return Err(mismatch());
    }
    let mut dims = vec![Dimension { len: arrays, lower: 1 }];
    dims.extend(inner);
    Ok(Datum::Array(Arc::new(ArrayValue::with_dims(element_type, &dims, values)?)))
}

/// ROW(...).
pub(crate) fn make_row(row: &MakeRow, fields: &[Datum]) -> Datum {
    Datum::Record(Arc::new(RecordValue {
        type_oid: row.type_oid,
        desc: row.desc.clone(),
        fields: fields.into(),
    }))
}

/// A field by attribute number; NULL of a NULL row.
pub(crate) fn field(value: &Datum, number: i16) -> PgResult<Datum> {
    match value {
        Datum::Null => Ok(Datum::Null),
        Datum::Record(record) => record
            .fields
            .get(number as usize - 1)
            .cloned()
            .ok_or_else(|| PgError::internal(format!("attribute number {number} exceeds number of columns"))),
        other => Err(other.mismatch("record")),
    }
}

/// `a[i]` and `a[i:j]`. Any NULL subscript, and a subscript outside, gives NULL; a slice outside
/// gives the empty array.
pub(crate) fn subscript(op: &SubscriptOp, frame: &[Datum]) -> PgResult<Datum> {
    let array = match &frame[op.container.index()] {
        Datum::Null => return Ok(Datum::Null),
        Datum::Array(array) => array,
        _ => return Err(PgError::unsupported("subscripting of this type")),
    };
    let read = |slot: Option<redoubt_plan::slot::Slot>| -> PgResult<Option<Option<i32>>> {
        match slot.map(|slot| &frame[slot.index()]) {
            None => Ok(Some(None)),
            Some(Datum::Null) => Ok(None),
            Some(value) => Ok(Some(Some(value.as_int4()?))),
        }
    };
    let mut bounds = Vec::with_capacity(op.indexes.len());
    for (lower, upper) in &op.indexes {
        match (read(*lower)?, read(*upper)?) {
            (Some(lower), Some(upper)) => bounds.push((lower, upper)),
            _ => return Ok(Datum::Null),
        }
    }
    if op.slice {
        return slice(array, &bounds);
    }
    let subscripts: Vec<i32> = bounds.iter().filter_map(|(_, upper)| *upper).collect();
    Ok(array.get(&subscripts).cloned().unwrap_or(Datum::Null))
}

fn slice(array: &ArrayValue, bounds: &[(Option<i32>, Option<i32>)]) -> PgResult<Datum> {
    let empty = || Ok(Datum::Array(Arc::new(ArrayValue::empty(array.elem_type))));
    if bounds.len() > array.dims.len() || array.elems.is_empty() {
        return empty();
    }
    // Dimensions without bounds are taken whole; bounds are cut to what there is.
    let mut ranges = Vec::with_capacity(array.dims.len());
    for (index, dim) in array.dims.iter().enumerate() {
        let (lower, upper) = bounds.get(index).copied().unwrap_or((None, None));
        let last = dim.lower + dim.len - 1;
        let (from, to) = (lower.unwrap_or(dim.lower).max(dim.lower), upper.unwrap_or(last).min(last));
        if from > to {
            return empty();
        }
        ranges.push((from - dim.lower, to - from + 1));
    }
    let mut elements = Vec::new();
    gather(array, &ranges, 0, 0, &mut elements);
    let dims: Vec<Dimension> = ranges.iter().map(|(_, len)| Dimension { len: *len, lower: 1 }).collect();
    Ok(Datum::Array(Arc::new(ArrayValue::with_dims(array.elem_type, &dims, elements)?)))
}

/// Appends the elements of the sub-box, in row-major order.
fn gather(array: &ArrayValue, ranges: &[(i32, i32)], dimension: usize, offset: usize, out: &mut Vec<Datum>) {
    let Some((from, len)) = ranges.get(dimension) else {
        out.push(array.elems[offset].clone());
        return;
    };
    for at in *from..from + len {
        let next = offset * array.dims[dimension].len as usize + at as usize;
        gather(array, ranges, dimension + 1, next, out);
    }
}
