//! Values made of values: arrays and records.

use crate::{Datum, Oid, TupleDesc};
use redoubt_error::{PgError, PgResult, code};

/// The most elements an array may hold (PostgreSQL's `MaxArraySize`).
pub const MAX_ARRAY_SIZE: usize = 134_217_727;

/// The most dimensions an array may have (PostgreSQL's `MAXDIM`).
pub const MAX_DIMENSIONS: usize = 6;

/// One dimension of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Number of subscripts.
    pub len: i32,
    /// The first subscript.
    pub lower: i32,
}

/// An array: dimensions and elements in row-major order.
#[derive(Clone, Debug)]
pub struct ArrayValue {
    /// The elements' type.
    pub elem_type: Oid,
    /// Empty for an empty array.
    pub dims: smallvec::SmallVec<[Dimension; 2]>,
    /// As many as the dimensions' product.
    pub elems: Vec<Datum>,
}

impl ArrayValue {
    /// The empty array, which has no dimensions.
    pub fn empty(elem_type: Oid) -> Self {
        ArrayValue { elem_type, dims: Default::default(), elems: Vec::new() }
    }

    /// A one-dimensional array whose first subscript is 1. No elements make the empty array.
    pub fn from_elems(elem_type: Oid, elems: Vec<Datum>) -> Self {
        Self::with_lower(elem_type, elems, 1)
    }

    /// A one-dimensional array with a chosen first subscript. `oidvector` starts at 0 and keeps
    /// its dimension even when empty, see [`ArrayValue::vector`].
    pub fn with_lower(elem_type: Oid, elems: Vec<Datum>, lower: i32) -> Self {
        if elems.is_empty() {
            return Self::empty(elem_type);
        }
        Self::vector_from(elem_type, elems, lower)
    }

    /// An `oidvector` or `int2vector`: subscripts from 0, always one dimension.
    pub fn vector(elem_type: Oid, elems: Vec<Datum>) -> Self {
        Self::vector_from(elem_type, elems, 0)
    }

    fn vector_from(elem_type: Oid, elems: Vec<Datum>, lower: i32) -> Self {
        assert!(elems.len() <= MAX_ARRAY_SIZE);
        let len = elems.len() as i32;
        ArrayValue { elem_type, dims: smallvec::smallvec![Dimension { len, lower }], elems }
    }

    /// A multi-dimensional array.
    ///
    /// # Errors
    /// `54000` for more than [`MAX_DIMENSIONS`] dimensions or [`MAX_ARRAY_SIZE`] elements,
    /// `2202E` when the dimensions' product is not the number of elements.
    pub fn with_dims(elem_type: Oid, dims: &[Dimension], elems: Vec<Datum>) -> PgResult<Self> {
        if element_count(dims)? != elems.len() {
            return Err(PgError::new(code::ARRAY_SUBSCRIPT_ERROR, "wrong number of array elements"));
        }
        if elems.is_empty() {
            return Ok(Self::empty(elem_type));
        }
        Ok(ArrayValue { elem_type, dims: dims.into(), elems })
    }

    /// Number of dimensions; 0 for the empty array.
    pub fn ndim(&self) -> usize {
        self.dims.len()
    }

    /// True when any element is NULL.
    pub fn has_nulls(&self) -> bool {
        self.elems.iter().any(Datum::is_null)
    }

    /// The element at these subscripts, one per dimension; `None` when out of bounds or when the
    /// number of subscripts is wrong, which SQL reads as NULL.
    pub fn get(&self, subscripts: &[i32]) -> Option<&Datum> {
        if subscripts.len() != self.dims.len() || subscripts.is_empty() {
            return None;
        }
        let mut offset = 0usize;
        for (dim, &subscript) in self.dims.iter().zip(subscripts) {
            let at = i64::from(subscript) - i64::from(dim.lower);
            if at < 0 || at >= i64::from(dim.len) {
                return None;
            }
            offset = offset * dim.len as usize + at as usize;
        }
        self.elems.get(offset)
    }
}

/// The product of the dimensions, checked against PostgreSQL's limits.
///
/// # Errors
/// `54000` when a limit is passed.
pub fn element_count(dims: &[Dimension]) -> PgResult<usize> {
    if dims.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions(dims.len()));
    }
    if dims.is_empty() {
        return Ok(0);
    }
    let mut count = 1usize;
    for dim in dims {
        if dim.len < 0 {
            return Err(size_limit());
        }
        count = count.saturating_mul(dim.len as usize);
        if count > MAX_ARRAY_SIZE {
            return Err(size_limit());
        }
        if dim.lower.checked_add(dim.len).is_none() {
            return Err(PgError::new(
                code::PROGRAM_LIMIT_EXCEEDED,
                format!("array lower bound is too large: {}", dim.lower),
            ));
        }
    }
    Ok(count)
}

/// `54000` for too many dimensions.
pub(crate) fn too_many_dimensions(found: usize) -> PgError {
    PgError::new(
        code::PROGRAM_LIMIT_EXCEEDED,
        format!("number of array dimensions ({found}) exceeds the maximum allowed ({MAX_DIMENSIONS})"),
    )
}

/// `54000` for too many elements.
pub(crate) fn size_limit() -> PgError {
    PgError::new(
        code::PROGRAM_LIMIT_EXCEEDED,
        format!("array size exceeds the maximum allowed ({MAX_ARRAY_SIZE})"),
    )
}

/// A row value: of a named composite type, or an anonymous `record`.
#[derive(Clone, Debug)]
pub struct RecordValue {
    /// The composite type's OID, or `RECORD` (2249).
    pub type_oid: Oid,
    /// Columns, dropped ones included.
    pub desc: TupleDesc,
    /// One value per column; NULL for dropped columns.
    pub fields: Box<[Datum]>,
}
