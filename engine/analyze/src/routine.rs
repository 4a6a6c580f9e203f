//! The results of statements in functions, cast to what the function is declared to return
//! (PostgreSQL's `check_sql_fn_retval`).

use crate::analyzer::Place;
use crate::coerce::Coercion;
use crate::query::{Call, CommandType, Expr, Query};
use crate::statement::AnalyzeContext;
use crate::visit;
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree as ast;

/// Casts the output columns of a statement to declared types, where they are not such values as they stand.
/// Returns the place of the first that cannot be cast, or `None` when all is well. The statement has as many columns.
///
/// # Errors
/// `0A000` where a cast would have to be computed above the query; those of reading the catalogs.
pub fn coerce_results(
    query: &mut Query,
    declared: &[Oid],
    context: AnalyzeContext<'_>,
) -> PgResult<Option<usize>> {
    let mut analyzer = context.analyzer();
    let in_place = query.set_operation.is_none() && query.distinct.is_none();
    // Rows are ordered or grouped by these: they must stay as they are.
    let keys: Vec<usize> = query.sort.iter().chain(&query.group_by).map(|key| key.target).collect();
    let outputs = match query.command {
        CommandType::Select => &mut query.target_list,
        _ => &mut query.returning,
    };
    let shown = outputs.iter_mut().enumerate().filter(|(_, entry)| !entry.junk);
    for (at, ((place, entry), wanted)) in shown.zip(declared).enumerate() {
        let found = entry.expr.ty().type_oid;
        if found == *wanted || is_same_value(&analyzer, found, *wanted)? {
            continue;
        }
        if !analyzer.can_coerce_types(&[found], &[*wanted], Coercion::Assignment)? {
            return Ok(Some(at));
        }
        if !in_place || keys.contains(&place) {
            return Err(PgError::unsupported("casting the result of such a query in a function"));
        }
        let expr = entry.expr.clone();
        let typmod = -1;
        let cast = analyzer.coerce_to_target(expr, *wanted, typmod, Coercion::Assignment, false, None)?;
        entry.expr = cast.ok_or_else(|| PgError::internal("a cast was found but does not apply"))?;
    }
    Ok(None)
}

/// Values of one type are values of the other as they stand. What becomes a domain's must be checked.
fn is_same_value(analyzer: &crate::analyzer::Analyzer<'_>, found: Oid, wanted: Oid) -> PgResult<bool> {
    if analyzer.catalog.type_info_must(wanted)?.typtype == 'd' {
        return Ok(false);
    }
    Ok(wanted != types::RECORD && analyzer.catalog.is_binary_coercible(found, wanted)?)
}

/// The types of a function's output parameters in a call with arguments of these types; `None` if it has none.
///
/// # Errors
/// Those of resolving polymorphic types.
pub fn output_types(
    proc: &PgProc,
    arg_types: &[Oid],
    context: AnalyzeContext<'_>,
) -> PgResult<Option<Vec<Oid>>> {
    let found = context.analyzer().output_columns(proc, arg_types)?;
    Ok(found.map(|(_, columns)| columns.into_iter().map(|column| column.type_oid).collect()))
}

/// A call of a procedure with its arguments, cast to its parameters' types.
///
/// # Errors
/// `42883` when there is none, `42809` for what is no procedure; those of the arguments.
pub fn analyze_call(call: &ast::FuncCall, context: AnalyzeContext<'_>) -> PgResult<Call> {
    let mut analyzer = context.analyzer();
    let raw = ast::Expr::Call(Box::new(call.clone()));
    let value = analyzer.in_level(|analyzer| analyzer.expr(&raw, Place::CallArgument));
    let value = value.map_err(|error| match error.message().strip_prefix("function ") {
        // The procedure itself, as opposed to a function among its arguments.
        Some(rest) if error.code() == code::UNDEFINED_FUNCTION && error.fields().position == Some(call.pos) => {
            let hint = "No procedure matches the given name and argument types. You might need to add explicit \
                        type casts.";
            PgError::new(code::UNDEFINED_FUNCTION, format!("procedure {rest}")).hint(hint).at(Some(call.pos))
        }
        _ => error,
    })?;
    let found = match value {
        Expr::Call(found) => Some(*found),
        _ => None,
    };
    let proc = match &found {
        Some(found) => Some(analyzer.proc_must(found.proc_oid)?),
        None => None,
    };
    let (Some(found), Some(_)) = (found, proc.as_ref().filter(|proc| proc.prokind == 'p')) else {
        let actual: Vec<Oid> = match &proc {
            Some(proc) => proc.proargtypes.clone(),
            None => Vec::new(),
        };
        let signature = analyzer.signature(&call.name.dotted(), &actual, &[])?;
        return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("{signature} is not a procedure"))
            .hint("To call a function, use SELECT.")
            .at(Some(call.pos)));
    };
    let mut nested = None;
    for arg in &found.args {
        visit::visit(arg, 0, &mut |node, _| {
            if let Expr::Call(inner) = node {
                nested.get_or_insert_with(Vec::new).push((inner.proc_oid, inner.position));
            }
            true
        });
    }
    for (oid, position) in nested.into_iter().flatten() {
        let proc = analyzer.proc_must(oid)?;
        if proc.prokind == 'p' {
            let signature = analyzer.signature(&proc.proname, &proc.proargtypes, &[])?;
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("{signature} is a procedure"))
                .hint("To call a procedure, use CALL.")
                .at(position));
        }
    }
    Ok(found)
}
