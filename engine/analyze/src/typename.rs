//! Type names: from what was written to a type and its modifier
//! (PostgreSQL's src/backend/parser/parse_type.c).

use crate::analyzer::Analyzer;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, CallContext, Datum, Oid, builtin, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

impl Analyzer<'_> {
    /// The schema that was named, which must exist.
    pub(crate) fn explicit_namespace(&self, name: &str, position: usize) -> PgResult<Oid> {
        match self.namespace_named(name)? {
            Some(namespace) => Ok(namespace),
            None => Err(PgError::new(code::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
                .at(Some(position))),
        }
    }

    /// The type and its modifier, -1 if none (`typenameTypeIdAndMod`).
    pub fn resolve_type_name(&mut self, name: &ast::TypeName) -> PgResult<(Oid, i32)> {
        if name.pct_type {
            return Err(PgError::unsupported("%TYPE").at(Some(name.pos)));
        }
        if name.setof {
            return Err(PgError::new(code::SYNTAX_ERROR, "SETOF is not allowed here").at(Some(name.pos)));
        }
        let found = match name.name.schema() {
            Some(schema) => {
                let namespace = self.explicit_namespace(&schema.name, name.pos)?;
                self.catalog.type_by_name(namespace, &name.name.last().name)?
            }
            None => self.catalog.type_in_path(self.path, &name.name.last().name)?,
        };
        let Some(found) = found else {
            let array = if name.array_bounds.is_empty() { "" } else { "[]" };
            let message = format!("type \"{}{array}\" does not exist", name.name.dotted());
            return Err(PgError::new(code::UNDEFINED_OBJECT, message).at(Some(name.pos)));
        };
        if !found.typisdefined {
            let message = format!("type \"{}\" is only a shell", name.name.dotted());
            return Err(PgError::new(code::UNDEFINED_OBJECT, message).at(Some(name.pos)));
        }
        let typmod = match name.interval_typmod {
            Some(typmod) if name.typmods.is_empty() => typmod,
            _ => self.type_modifier(name, found.oid, found.typmodin)?,
        };
        if name.array_bounds.is_empty() {
            return Ok((found.oid, typmod));
        }
        match self.catalog.array_type(found.oid)? {
            Some(array) => Ok((array, typmod)),
            None => Err(PgError::new(
                code::UNDEFINED_OBJECT,
                format!("type \"{}[]\" does not exist", name.name.dotted()),
            )
            .at(Some(name.pos))),
        }
    }

    /// Runs the type's modifier input function over what stands in parentheses.
    fn type_modifier(&mut self, name: &ast::TypeName, type_oid: Oid, modin: Oid) -> PgResult<i32> {
        if name.typmods.is_empty() {
            return Ok(-1);
        }
        if modin == 0 {
            let message = format!("type modifier is not allowed for type \"{}\"", name.name.dotted());
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(name.pos)));
        }
        let mut words = Vec::with_capacity(name.typmods.len());
        for modifier in &name.typmods {
            words.push(Datum::text(modifier_text(modifier).ok_or_else(|| {
                PgError::new(code::SYNTAX_ERROR, "type modifiers must be simple constants or identifiers")
                    .at(Some(name.pos))
            })?));
        }
        let proc = self.proc_must(modin)?;
        let Some(function) = builtin(&proc.prosrc) else {
            return Err(PgError::unsupported(format!("modifier of type {}", self.type_name(type_oid)?))
                .at(Some(name.pos)));
        };
        let words = Datum::Array(Arc::new(ArrayValue::from_elems(types::CSTRING, words)));
        let arg_types = [types::CSTRING_ARRAY];
        let context = CallContext::new(self.env).with_types(&arg_types, types::INT4);
        function(&context, &[words]).map_err(|error| error.at(Some(name.pos)))?.as_int4()
    }
}

fn modifier_text(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Literal { value, .. } => match value {
            ast::Literal::Integer(number) => Some(number.to_string()),
            ast::Literal::Number(text) | ast::Literal::String(text) => Some(text.to_string()),
            _ => None,
        },
        ast::Expr::Column(column) if column.parts.len() == 1 && !column.star => {
            Some(column.parts[0].name.to_string())
        }
        ast::Expr::Op(op) if op.left.is_none() && &*op.name.symbol == "-" => {
            modifier_text(&op.right).map(|text| format!("-{text}"))
        }
        _ => None,
    }
}
