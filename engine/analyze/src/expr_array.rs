//! Arrays and composites: ARRAY[...], subscripts, slices and field selection
//! (PostgreSQL's transformArrayExpr, transformIndirection, ParseComplexProjection).

use crate::analyzer::Analyzer;
use crate::coerce::Coercion;
use crate::query::{ColumnType, Expr, RteKind};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

impl Analyzer<'_> {
    /// ARRAY[...]. `target` is the array type, element type and modifier that a cast around it asks
    /// for.
    pub(crate) fn array(
        &mut self,
        elements: &[ast::Expr],
        target: Option<(Oid, Oid, i32)>,
        position: usize,
    ) -> PgResult<Expr> {
        let place = self.place();
        let mut analyzed = Vec::with_capacity(elements.len());
        let mut multidim = false;
        for element in elements {
            let expr = match element {
                // Nested constructors become one multidimensional array.
                ast::Expr::Array { elements, pos } => {
                    multidim = true;
                    self.array(elements, target, *pos)?
                }
                other => self.expr(other, place)?,
            };
            multidim |= {
                let oid = expr.ty().type_oid;
                oid != types::UNKNOWN
                    && self.type_info(oid)?.is_array()
                    && !matches!(oid, types::OIDVECTOR | types::INT2VECTOR)
            };
            analyzed.push((expr, element.location()));
        }
        let (array_type, element_type, coerce_to, typmod) = match target {
            Some((array, element, typmod)) => {
                (array, element, if multidim { array } else { element }, typmod)
            }
            None => self.array_types(&analyzed, position)?,
        };
        let mut coerced = Vec::with_capacity(analyzed.len());
        for (expr, at) in analyzed {
            let source = expr.ty().type_oid;
            let (context, explicit) =
                if target.is_some() { (Coercion::Explicit, true) } else { (Coercion::Implicit, false) };
            let expr = if target.is_some() {
                match self.coerce_to_target(expr, coerce_to, typmod, context, explicit, Some(at))? {
                    Some(expr) => expr,
                    None => {
                        return Err(PgError::new(
                            code::CANNOT_COERCE,
                            format!(
                                "cannot cast type {} to {}",
                                self.type_name(source)?,
                                self.type_name(coerce_to)?
                            ),
                        )
                        .at(Some(at)));
                    }
                }
            } else {
                self.coerce_to_common(expr, coerce_to, "ARRAY", at)?
            };
            coerced.push(expr);
        }
        let ty = ColumnType { typmod, ..self.plain_type(array_type)? };
        Ok(Expr::Array { elements: coerced, element_type, multidim, ty })
    }

    /// Array type, element type, the type elements are cast to, and modifier.
    fn array_types(&self, elements: &[(Expr, usize)], position: usize) -> PgResult<(Oid, Oid, Oid, i32)> {
        if elements.is_empty() {
            return Err(PgError::new(code::INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
                .at(Some(position)));
        }
        let with_positions: Vec<(&Expr, usize)> = elements.iter().map(|(expr, at)| (expr, *at)).collect();
        let common = self.select_common_type(&with_positions, "ARRAY")?;
        if self.type_info(common)?.is_array() && !matches!(common, types::OIDVECTOR | types::INT2VECTOR) {
            let element = self.type_info(common)?.elem;
            return Ok((common, element, common, -1));
        }
        match self.catalog.array_type(common)? {
            Some(array) => Ok((array, common, common, -1)),
            None => Err(PgError::new(
                code::UNDEFINED_OBJECT,
                format!("could not find array type for data type {}", self.type_name(common)?),
            )
            .at(Some(position))),
        }
    }

    /// Subscripts and fields behind an expression, from left to right. Neighbouring subscripts
    /// belong to one reference.
    pub(crate) fn indirection(&mut self, arg: &ast::Expr, path: &[ast::Indirection]) -> PgResult<Expr> {
        let place = self.place();
        let mut value = self.expr(arg, place)?;
        let mut subscripts: Vec<&ast::Indirection> = Vec::new();
        for step in path {
            match step {
                ast::Indirection::Index(_) | ast::Indirection::Slice(..) => subscripts.push(step),
                ast::Indirection::Star => {
                    return Err(PgError::new(
                        code::SYNTAX_ERROR,
                        "row expansion via \"*\" is not supported here",
                    )
                    .at(Some(arg.location())));
                }
                ast::Indirection::Field(name) => {
                    value = self.subscript(value, &std::mem::take(&mut subscripts), arg.location())?;
                    let type_oid = value.ty().type_oid;
                    let relation = self.whole_row_name(&value);
                    value = match self.field_of(value, &name.name)? {
                        Some(field) => field,
                        None => return Err(self.missing_field(relation, type_oid, name, arg.location())?),
                    };
                }
            }
        }
        self.subscript(value, &subscripts, arg.location())
    }

    /// The FROM item that a value is the whole row of.
    fn whole_row_name(&self, value: &Expr) -> Option<Arc<str>> {
        match value {
            Expr::Var(var) if var.attno == 0 => {
                Some(self.level_up(var.levels_up).rtable[var.rt].alias.clone())
            }
            _ => None,
        }
    }

    fn missing_field(
        &self,
        relation: Option<Arc<str>>,
        type_oid: Oid,
        name: &ast::Ident,
        position: usize,
    ) -> PgResult<PgError> {
        if let Some(relation) = relation {
            let message = format!("column {relation}.{} does not exist", name.name);
            return Ok(PgError::new(code::UNDEFINED_COLUMN, message).at(Some(position)));
        }
        if type_oid == types::RECORD {
            return Ok(PgError::new(
                code::UNDEFINED_COLUMN,
                format!("could not identify column \"{}\" in record data type", name.name),
            )
            .at(Some(position)));
        }
        let type_name = self.type_name(type_oid)?;
        if self.is_composite(type_oid)? {
            return Ok(PgError::new(
                code::UNDEFINED_COLUMN,
                format!("column \"{}\" not found in data type {type_name}", name.name),
            )
            .at(Some(position)));
        }
        Ok(PgError::new(
            code::WRONG_OBJECT_TYPE,
            format!(
                "column notation .{} applied to type {type_name}, which is not a composite type",
                name.name
            ),
        )
        .at(Some(position)))
    }

    fn subscript(&mut self, value: Expr, steps: &[&ast::Indirection], position: usize) -> PgResult<Expr> {
        if steps.is_empty() {
            return Ok(value);
        }
        let container = value.ty();
        let base = self.catalog.base_type(container.type_oid, container.typmod)?;
        let info = self.type_info(base.0)?;
        if matches!(base.0, types::JSONB) {
            return self.jsonb_subscript(value, steps);
        }
        if info.elem == 0 {
            return Err(PgError::new(
                code::DATATYPE_MISMATCH,
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    self.type_name(container.type_oid)?
                ),
            )
            .at(Some(position)));
        }
        let element = info.elem;
        let slice = steps.iter().any(|step| matches!(step, ast::Indirection::Slice(..)));
        const MAX_DIMENSIONS: usize = 6;
        if steps.len() > MAX_DIMENSIONS {
            return Err(PgError::new(
                code::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "number of array dimensions ({}) exceeds the maximum allowed ({MAX_DIMENSIONS})",
                    steps.len()
                ),
            ));
        }
        let mut indexes = Vec::with_capacity(steps.len());
        for step in steps {
            indexes.push(match step {
                // Among slices a single subscript is an upper bound over a lower bound of 1.
                ast::Indirection::Index(index) if slice => {
                    let one = crate::coerce::constant(redoubt_functions::Datum::Int4(1), types::INT4);
                    (Some(one), Some(self.index(index)?))
                }
                ast::Indirection::Index(index) => (None, Some(self.index(index)?)),
                ast::Indirection::Slice(lower, upper) => {
                    let lower = lower.as_ref().map(|lower| self.index(lower)).transpose()?;
                    (lower, upper.as_ref().map(|upper| self.index(upper)).transpose()?)
                }
                _ => unreachable!("only subscripts are gathered"),
            });
        }
        let result = if slice { base.0 } else { element };
        let ty = ColumnType { typmod: base.1, collation: container.collation, ..self.plain_type(result)? };
        Ok(Expr::Subscript { arg: Box::new(value), indexes, slice, ty })
    }

    /// Subscripts of a `jsonb`: keys as text, indexes as integers (`jsonb_subscript_transform`).
    fn jsonb_subscript(&mut self, value: Expr, steps: &[&ast::Indirection]) -> PgResult<Expr> {
        let mut indexes = Vec::with_capacity(steps.len());
        for step in steps {
            let raw = match step {
                ast::Indirection::Index(raw) => raw,
                ast::Indirection::Slice(lower, upper) => {
                    let position = upper.as_ref().or(lower.as_ref()).map(|bound| bound.location());
                    let message = "jsonb subscript does not support slices";
                    return Err(PgError::new(code::DATATYPE_MISMATCH, message).at(position));
                }
                _ => unreachable!("only subscripts are gathered"),
            };
            indexes.push((None, Some(self.jsonb_index(raw)?)));
        }
        let ty = self.plain_type(types::JSONB)?;
        Ok(Expr::Subscript { arg: Box::new(value), indexes, slice: false, ty })
    }

    fn jsonb_index(&mut self, raw: &ast::Expr) -> PgResult<Expr> {
        let (place, position) = (self.place(), raw.location());
        let expr = self.expr(raw, place)?;
        let source = expr.ty().type_oid;
        if source == types::UNKNOWN {
            let text =
                self.coerce_to_target(expr, types::TEXT, -1, Coercion::Implicit, false, Some(position))?;
            return text.ok_or_else(|| PgError::internal("a literal is no text"));
        }
        let mut found = None;
        for target in [types::INT4, types::TEXT] {
            let cast =
                self.coerce_to_target(expr.clone(), target, -1, Coercion::Implicit, false, Some(position))?;
            let Some(cast) = cast else { continue };
            if found.replace(cast).is_some() {
                let hint = "jsonb subscript must be coercible to only one type, integer or text.";
                return Err(self.jsonb_index_error(source, position)?.hint(hint));
            }
        }
        let hint = "jsonb subscript must be coercible to either integer or text.";
        match found {
            Some(index) => Ok(index),
            None => Err(self.jsonb_index_error(source, position)?.hint(hint)),
        }
    }

    fn jsonb_index_error(&self, source: Oid, position: usize) -> PgResult<PgError> {
        let message = format!("subscript type {} is not supported", self.type_name(source)?);
        Ok(PgError::new(code::DATATYPE_MISMATCH, message).at(Some(position)))
    }

    fn index(&mut self, raw: &ast::Expr) -> PgResult<Expr> {
        let place = self.place();
        let position = raw.location();
        let expr = self.expr(raw, place)?;
        match self.coerce_to_target(expr, types::INT4, -1, Coercion::Assignment, false, Some(position))? {
            Some(expr) => Ok(expr),
            None => Err(PgError::new(code::DATATYPE_MISMATCH, "array subscript must have type integer")
                .at(Some(position))),
        }
    }

    /// The field of a composite value, if it has one of this name.
    pub(crate) fn field_of(&mut self, arg: Expr, name: &str) -> PgResult<Option<Expr>> {
        let ty = arg.ty();
        // Fields of a ROW(...) constructor have no names; a whole-row variable's are its columns.
        if let Expr::Var(var) = &arg
            && var.attno == 0
        {
            let level = &self.levels[self.levels.len() - 1 - var.levels_up];
            let entry = &level.rtable[var.rt];
            let index = entry.column_names.iter().position(|column| &**column == name);
            if let Some(index) = index {
                let column = entry.columns[index];
                let dropped =
                    matches!(&entry.kind, RteKind::Relation { desc, .. } if desc.attrs[index].dropped);
                if !dropped {
                    return Ok(Some(Expr::Var(crate::query::Var {
                        attno: index as i16 + 1,
                        type_oid: column.type_oid,
                        typmod: column.typmod,
                        collation: column.collation,
                        ..*var
                    })));
                }
            }
        }
        // ROW(...) calls its fields f1, f2 and so on.
        if let Expr::Row { fields, .. } = &arg
            && ty.type_oid == types::RECORD
        {
            let mut names = (1..=fields.len()).map(|number| format!("f{number}"));
            return Ok(names.position(|field| field == name).map(|index| fields[index].clone()));
        }
        if ty.type_oid == types::RECORD {
            let Some(fields) = self.record_fields(&arg)? else { return Ok(None) };
            let found = fields.iter().position(|(field, _)| &**field == name);
            return Ok(found.map(|index| Expr::FieldSelect {
                arg: Box::new(arg),
                field: index as i16 + 1,
                ty: fields[index].1,
            }));
        }
        if !self.is_composite(ty.type_oid)? {
            return Ok(None);
        }
        let desc = self.catalog.composite_desc(ty.type_oid)?;
        let found = desc.attrs.iter().position(|attribute| !attribute.dropped && &*attribute.name == name);
        Ok(found.map(|index| {
            let attribute = &desc.attrs[index];
            let ty = ColumnType {
                type_oid: attribute.type_oid,
                typmod: attribute.typmod,
                collation: attribute.collation,
            };
            Expr::FieldSelect { arg: Box::new(arg), field: index as i16 + 1, ty }
        }))
    }
}
