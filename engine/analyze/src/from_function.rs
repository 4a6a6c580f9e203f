//! Functions in FROM, ROWS FROM, WITH ORDINALITY and column definition lists
//! (PostgreSQL's transformRangeFunction and addRangeTableEntryForFunction).

use crate::analyzer::{Analyzer, Place};
use crate::group::contains;
use crate::query::{ColumnType, Expr, RangeFunction, RteKind};
use crate::scope::NsItem;
use crate::target::column_name;
use crate::visit;
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// The columns that a function yields.
struct Yield {
    names: Vec<Arc<str>>,
    columns: Vec<ColumnType>,
    /// The type of a whole row: a composite, RECORD, or 0 for a plain value.
    row_type: Oid,
}

impl Analyzer<'_> {
    pub(crate) fn range_function(&mut self, raw: &ast::TableFunction) -> PgResult<NsItem> {
        let calls = expand_unnest(&raw.calls);
        if calls.len() > 1 && !raw.columns.is_empty() {
            let (message, hint) = if raw.rows_from {
                (
                    "ROWS FROM() with multiple functions cannot have a column definition list",
                    "Put a separate column definition list for each function inside ROWS FROM().",
                )
            } else {
                (
                    "UNNEST() with multiple arguments cannot have a column definition list",
                    "Use separate UNNEST() calls inside ROWS FROM(), and attach a column definition list to \
                     each one.",
                )
            };
            return Err(PgError::new(code::SYNTAX_ERROR, message).hint(hint).at(Some(raw.pos)));
        }
        if !raw.columns.is_empty() && raw.ordinality {
            let message = "WITH ORDINALITY cannot be used with a column definition list";
            return Err(PgError::new(code::SYNTAX_ERROR, message)
                .hint("Put the column definition list inside ROWS FROM().")
                .at(Some(raw.columns[0].name.pos)));
        }
        let single = calls.len() == 1;
        let mut functions = Vec::with_capacity(calls.len());
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut columns = Vec::new();
        let mut row_type = types::RECORD;
        let mut first_name: Option<Arc<str>> = None;
        for (call, definitions) in &calls {
            let value = self.at_lateral(true, Place::FromFunction, |a| a.expr(call, Place::FromFunction))?;
            let value = self.resolve_unknown(value, Some(call.location()))?;
            check_nested_sets(&value)?;
            let name = column_name(call, &value);
            let definitions = if definitions.is_empty() { &raw.columns[..] } else { definitions };
            let alias = raw.alias.as_ref().filter(|_| single);
            let column = alias.map_or(&name, |alias| &alias.name.name);
            let yielded = self.function_columns(&value, &name, column, definitions, call.location())?;
            if single && !raw.ordinality {
                row_type = yielded.row_type;
            }
            first_name.get_or_insert(name);
            functions.push(RangeFunction { call: value, columns: yielded.columns.clone() });
            names.extend(yielded.names);
            columns.extend(yielded.columns);
        }
        if raw.ordinality {
            names.push("ordinality".into());
            columns.push(self.plain_type(types::INT8)?);
        }
        let own = |node: &Expr, depth: usize| matches!(node, Expr::Var(var) if var.levels_up == depth);
        let lateral = raw.lateral || functions.iter().any(|function| contains(&function.call, &own));
        let name = first_name.unwrap_or_else(|| "".into());
        let kind = RteKind::Function { functions, with_ordinality: raw.ordinality };
        let mut item = self.add_entry(kind, &name, names, columns, raw.alias.as_ref())?;
        item.row_type = row_type;
        self.level().rtable[item.rt].lateral = lateral;
        Ok(item)
    }

    /// What a function yields, by its result type (`get_expr_result_type`).
    fn function_columns(
        &mut self,
        value: &Expr,
        function: &Arc<str>,
        column: &Arc<str>,
        definitions: &[ast::ColumnDefinition],
        position: usize,
    ) -> PgResult<Yield> {
        let ty = value.ty();
        let proc = match value {
            Expr::Call(call) => Some(self.proc_must(call.proc_oid)?),
            _ => None,
        };
        let refuse = |message: &str| {
            Err(PgError::new(code::SYNTAX_ERROR, message)
                .at(Some(definitions.first().map_or(position, |definition| definition.name.pos))))
        };
        let outputs = match (&proc, value) {
            (Some(proc), Expr::Call(call)) if ty.type_oid == types::RECORD => {
                self.output_columns(proc, &call.arg_types)?
            }
            _ => None,
        };
        if let Some((names, columns)) = outputs {
            if !definitions.is_empty() {
                return refuse("a column definition list is redundant for a function with OUT parameters");
            }
            return Ok(Yield { names, columns, row_type: types::RECORD });
        }
        if ty.type_oid == types::RECORD {
            if definitions.is_empty() {
                return refuse("a column definition list is required for functions returning \"record\"");
            }
            return self.defined_columns(definitions);
        }
        if self.is_composite(ty.type_oid)? {
            if !definitions.is_empty() {
                return refuse(
                    "a column definition list is redundant for a function returning a named composite type",
                );
            }
            let desc = self.catalog.composite_desc(ty.type_oid)?;
            let names =
                desc.attrs.iter().map(|a| if a.dropped { "".into() } else { a.name.clone() }).collect();
            let columns = desc
                .attrs
                .iter()
                .map(|a| ColumnType { type_oid: a.type_oid, typmod: a.typmod, collation: a.collation })
                .collect();
            return Ok(Yield { names, columns, row_type: ty.type_oid });
        }
        if !definitions.is_empty() {
            return refuse("a column definition list is only allowed for functions returning \"record\"");
        }
        if self.type_info(ty.type_oid)?.typtype == 'p' && ty.type_oid != types::VOID {
            let message = format!(
                "function \"{function}\" in FROM has unsupported return type {}",
                self.type_name(ty.type_oid)?
            );
            return Err(PgError::new(code::DATATYPE_MISMATCH, message).at(Some(position)));
        }
        // A single named output parameter gives its name to the column.
        let name = proc.as_deref().and_then(output_name).unwrap_or_else(|| column.clone());
        Ok(Yield { names: vec![name], columns: vec![ty], row_type: 0 })
    }

    /// The columns of a function with several output parameters.
    #[allow(clippy::type_complexity)] // Names and types, which the caller takes apart at once.
    pub(crate) fn output_columns(
        &self,
        proc: &PgProc,
        arg_types: &[Oid],
    ) -> PgResult<Option<(Vec<Arc<str>>, Vec<ColumnType>)>> {
        let (Some(all), Some(modes)) = (&proc.proallargtypes, &proc.proargmodes) else { return Ok(None) };
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for (index, (oid, mode)) in all.iter().zip(modes).enumerate() {
            if !matches!(mode, 'o' | 'b' | 't') {
                continue;
            }
            let name = proc.proargnames.as_ref().and_then(|names| names.get(index));
            let name = name.filter(|name| !name.is_empty()).cloned();
            names.push(name.unwrap_or_else(|| format!("column{}", names.len() + 1).into()));
            let mut declared = proc.proargtypes.clone();
            let oid = self.resolve_generics(arg_types, &mut declared, *oid)?;
            columns.push(self.plain_type(oid)?);
        }
        Ok(if columns.is_empty() { None } else { Some((names, columns)) })
    }

    /// `AS (a int, b text)`.
    fn defined_columns(&mut self, definitions: &[ast::ColumnDefinition]) -> PgResult<Yield> {
        let (mut names, mut columns): (Vec<Arc<str>>, Vec<ColumnType>) = Default::default();
        for definition in definitions {
            let name = &definition.name.name;
            if names.contains(name) {
                let message = format!("column name \"{name}\" specified more than once");
                return Err(PgError::new(code::DUPLICATE_COLUMN, message));
            }
            let (oid, typmod) = self.resolve_type_name(&definition.type_name)?;
            let mut ty = ColumnType { typmod, ..self.plain_type(oid)? };
            let is_record = matches!(oid, types::RECORD | types::RECORD_ARRAY);
            if self.type_info(oid)?.typtype == 'p' && !is_record {
                let message = format!("column \"{name}\" has pseudo-type {}", self.type_name(oid)?);
                return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
            }
            if let Some(collation) = &definition.collation {
                ty.collation = self.resolve_collation(collation, collation.pos())?;
            }
            names.push(name.clone());
            columns.push(ty);
        }
        Ok(Yield { names, columns, row_type: types::RECORD })
    }
}

/// A function in FROM may return a set, its arguments may not.
fn check_nested_sets(value: &Expr) -> PgResult<()> {
    let mut error = None;
    visit::visit(value, 0, &mut |node, depth| {
        if let Expr::Call(call) = node
            && call.returns_set
            && depth == 0
            && !std::ptr::eq(node, value)
        {
            let message = "set-returning functions must appear at top level of FROM";
            error.get_or_insert(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(call.position));
        }
        error.is_none() && depth == 0
    });
    error.map_or(Ok(()), Err)
}

/// `unnest(a, b)` is short for one call per argument.
fn expand_unnest(
    calls: &[(ast::Expr, Vec<ast::ColumnDefinition>)],
) -> Vec<(ast::Expr, Vec<ast::ColumnDefinition>)> {
    let mut expanded = Vec::with_capacity(calls.len());
    for (call, definitions) in calls {
        match call {
            ast::Expr::Call(unnest)
                if unnest.name.parts.len() == 1
                    && &*unnest.name.last().name == "unnest"
                    && unnest.args.len() > 1
                    && unnest.args.iter().all(|arg| arg.name.is_none())
                    && !unnest.distinct
                    && !unnest.variadic
                    && unnest.order_by.is_empty()
                    && unnest.filter.is_none()
                    && unnest.over.is_none()
                    && definitions.is_empty() =>
            {
                for arg in &unnest.args {
                    let mut single = (**unnest).clone();
                    single.args = vec![arg.clone()];
                    single.name.parts.insert(0, ast::Ident { name: "pg_catalog".into(), pos: unnest.pos });
                    expanded.push((ast::Expr::Call(Box::new(single)), Vec::new()));
                }
            }
            _ => expanded.push((call.clone(), definitions.clone())),
        }
    }
    expanded
}

/// The name of a function's only output parameter (`get_func_result_name`).
fn output_name(proc: &PgProc) -> Option<Arc<str>> {
    let (modes, names) = (proc.proargmodes.as_ref()?, proc.proargnames.as_ref()?);
    let mut outputs = modes.iter().zip(names).filter(|(mode, _)| matches!(mode, 'o' | 'b' | 't'));
    match (outputs.next(), outputs.next()) {
        (Some((_, name)), None) if !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}
