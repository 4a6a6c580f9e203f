//! What a function's last statement must give, and how its columns become the function's value
//! (PostgreSQL's `check_sql_fn_retval`).

use redoubt_catalog::CatalogView;
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, Datum, Oid, RecordValue, TupleDesc, types};
use std::sync::Arc;

/// The value of a function.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// None.
    Void,
    /// One value of a type.
    Scalar(Oid),
    /// A row of a composite type or of output parameters.
    Row { type_oid: Oid, desc: TupleDesc },
    /// A row that the caller describes.
    AnyRow,
}

/// What a function returns in a call whose result has this type.
pub(crate) fn shape_of_result(
    catalog: &CatalogView<'_>,
    row: &PgProc,
    result: Oid,
    outputs: Option<Vec<Oid>>,
) -> PgResult<Shape> {
    if result == types::VOID {
        return Ok(Shape::Void);
    }
    if result == types::RECORD {
        let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else { return Ok(Shape::AnyRow) };
        let names = output_names(row);
        let attributes = outputs.iter().zip(names).map(|(oid, name)| Attribute::new(name, *oid));
        let mut attributes: Vec<Attribute> = attributes.collect();
        for attribute in &mut attributes {
            attribute.collation = catalog.type_info_must(attribute.type_oid)?.collation;
        }
        return Ok(Shape::Row { type_oid: types::RECORD, desc: TupleDesc::new(attributes) });
    }
    let base = catalog.type_info_must(catalog.base_type(result, -1)?.0)?;
    if base.typtype == 'c' && base.oid == result {
        let desc = catalog.composite_desc(result)?;
        return Ok(Shape::Row { type_oid: result, desc });
    }
    Ok(Shape::Scalar(result))
}

/// The names of output parameters.
fn output_names(row: &PgProc) -> Vec<Arc<str>> {
    let (Some(modes), names) = (&row.proargmodes, &row.proargnames) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, mode) in modes.iter().enumerate() {
        if matches!(mode, 'o' | 'b' | 't') {
            let name = names.as_ref().and_then(|names| names.get(at)).filter(|name| !name.is_empty());
            let name = name.cloned().unwrap_or_else(|| format!("column{}", found.len() + 1).into());
            found.push(name);
        }
    }
    found
}

impl Shape {
    /// The types of the columns that the last statement must have, given those that it has; `None` for any.
    pub(crate) fn wanted(&self, found: &[Oid]) -> Option<Vec<Oid>> {
        match self {
            Shape::Void => None,
            Shape::Scalar(oid) => Some(vec![*oid]),
            Shape::AnyRow => None,
            // One column of the composite type itself is the row.
            Shape::Row { type_oid, .. } if found.len() == 1 && found[0] == *type_oid => Some(found.to_vec()),
            Shape::Row { desc, .. } => {
                Some(desc.attrs.iter().filter(|attr| !attr.dropped).map(|attr| attr.type_oid).collect())
            }
        }
    }

    /// Makes the function's value of a row of its last statement, whose columns have these names and types.
    pub(crate) fn value(&self, row: &[Datum], columns: &[(Arc<str>, Oid)]) -> Datum {
        match self {
            Shape::Void => Datum::Void,
            Shape::Scalar(_) => row[0].clone(),
            Shape::Row { type_oid, .. } if row.len() == 1 && columns[0].1 == *type_oid => row[0].clone(),
            Shape::Row { type_oid, desc } => {
                let mut values = row.iter();
                let field = |attribute: &Attribute| match attribute.dropped {
                    true => Datum::Null,
                    false => values.next().cloned().unwrap_or(Datum::Null),
                };
                let fields: Box<[Datum]> = desc.attrs.iter().map(field).collect();
                Datum::Record(Arc::new(RecordValue { type_oid: *type_oid, desc: desc.clone(), fields }))
            }
            Shape::AnyRow if row.len() == 1 && matches!(row[0], Datum::Record(_)) => row[0].clone(),
            Shape::AnyRow => {
                let attributes: Vec<Attribute> =
                    columns.iter().map(|(name, oid)| Attribute::new(name.clone(), *oid)).collect();
                Datum::Record(Arc::new(RecordValue {
                    type_oid: types::RECORD,
                    desc: TupleDesc::new(attributes),
                    fields: row.into(),
                }))
            }
        }
    }
}

/// The error of a body that does not give what the function is declared to return.
pub(crate) fn mismatch(declared: &str, detail: impl Into<String>) -> PgError {
    let message = format!("return type mismatch in function declared to return {declared}");
    PgError::new(code::INVALID_FUNCTION_DEFINITION, message).detail(detail)
}
