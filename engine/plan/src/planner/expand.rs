//! Calls of built-in functions in language SQL, replaced by what their bodies compute.
//!
//! A body without FROM becomes an expression, as PostgreSQL's `inline_function` has it
//! (src/backend/optimizer/util/clauses.c). One with FROM becomes a scalar subquery, where
//! PostgreSQL would call its executor for each row: the result is the same, and the planner sees
//! through it.

use crate::facts::{PlannerContext, SqlBody};
use redoubt_analyze::query::*;
use redoubt_analyze::visit;
use redoubt_error::PgResult;
use redoubt_functions::Datum;

/// Expands every call in a statement, before anything else is done to it.
pub(crate) fn expand_sql_calls(query: &mut Query, ctx: &PlannerContext<'_>) -> PgResult<()> {
    let mut failure = None;
    visit::rewrite_query(query, 0, &mut |node, _| {
        if failure.is_none()
            && let Expr::Call(call) = node
            && call.function.is_none()
            && !call.returns_set
        {
            match expand(call, ctx) {
                // The walk goes on into what has come in the call's place.
                Ok(Some(expanded)) => *node = expanded,
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.is_none()
    });
    failure.map_or(Ok(()), Err)
}

fn expand(call: &Call, ctx: &PlannerContext<'_>) -> PgResult<Option<Expr>> {
    let types: Vec<_> = call.args.iter().map(|arg| arg.ty().type_oid).collect();
    let Some(mut body) = ctx.catalog.sql_body(call.proc_oid, &types)? else { return Ok(None) };
    let simple = is_expression(&body.query);
    if !arguments_may_move(call, &mut body, simple) {
        return Ok(None);
    }
    let needs_guard =
        body.strict && !(simple && is_strict_in(&body.query.target_list[0].expr, call.args.len()));
    let value = if simple {
        let mut value = body.query.target_list.swap_remove(0).expr;
        visit::rewrite(&mut value, 0, &mut |node, depth| put_argument(node, depth, &call.args));
        value
    } else {
        let mut query = body.query;
        // A function's value is the first row's, whereas a subquery may have no second one.
        if query.limit_count.is_none() {
            let ty = ColumnType { type_oid: redoubt_functions::types::INT8, typmod: -1, collation: 0 };
            query.limit_count = Some(Expr::Const { value: Datum::Int8(1), ty });
        }
        visit::rewrite_query(&mut query, 1, &mut |node, depth| put_argument(node, depth, &call.args));
        Expr::SubLink(Box::new(SubLink { kind: SubLinkKind::Expr, query, tests: Vec::new(), ty: call.ty }))
    };
    let value = if value.ty() == call.ty {
        value
    } else {
        Expr::Relabel { arg: Box::new(value), ty: call.ty, explicit: false }
    };
    Ok(Some(if needs_guard { guarded(value, call) } else { value }))
}

/// `SELECT expression`, and nothing else.
fn is_expression(query: &Query) -> bool {
    query.rtable.is_empty()
        && query.jointree.items.is_empty()
        && query.jointree.quals.is_none()
        && !query.has_aggs
        && !query.has_target_srfs
        && query.windows.is_empty()
        && query.group_by.is_empty()
        && query.distinct.is_none()
        && query.sort.is_empty()
        && query.limit_count.is_none()
        && query.limit_offset.is_none()
        && query.ctes.is_empty()
        && query.set_operation.is_none()
        && query.target_list.len() == 1
}

/// An argument that is volatile must be evaluated once; one with a subquery, or inside of one, is left
/// where it is unless that is certain to mean the same.
fn arguments_may_move(call: &Call, body: &mut SqlBody, simple: bool) -> bool {
    let mut uses = vec![0_usize; call.args.len()];
    visit::visit_query(&body.query, 0, &mut |node, _| {
        if let Expr::Param { number, .. } = node
            && let Some(count) = uses.get_mut(*number - 1)
        {
            *count += 1;
        }
        true
    });
    call.args.iter().zip(uses).all(|(arg, uses)| {
        let volatile =
            visit::any(arg, &mut |node, _| matches!(node, Expr::Call(call) if call.volatility == 'v'));
        let nested = visit::any(arg, &mut |node, _| {
            matches!(node, Expr::SubLink(_) | Expr::Aggregate(_) | Expr::WindowFunc(_))
        });
        (!volatile || (simple && uses == 1 && !body.strict)) && (!nested || (simple && uses <= 1))
    })
}

/// Puts the argument in the place of a parameter, `depth` levels below where the argument stood.
fn put_argument(node: &mut Expr, depth: usize, args: &[Expr]) -> bool {
    let Expr::Param { number, .. } = node else { return true };
    let mut arg = args[*number - 1].clone();
    visit::rewrite(&mut arg, 0, &mut |inner, at| {
        if let Expr::Var(var) = inner
            && var.levels_up >= at
        {
            var.levels_up += depth;
        }
        true
    });
    *node = arg;
    // What has been put in is the caller's: a parameter in it is another one.
    false
}

/// Whether the value is certainly NULL when any of the parameters is.
fn is_strict_in(value: &Expr, params: usize) -> bool {
    let mut needed = vec![false; params];
    note_strict(value, &mut needed);
    needed.iter().all(|needed| *needed)
}

fn note_strict(value: &Expr, needed: &mut [bool]) {
    match value {
        Expr::Param { number, .. } => needed[*number - 1] = true,
        Expr::Call(call) if call.strict => call.args.iter().for_each(|arg| note_strict(arg, needed)),
        Expr::Relabel { arg, .. } | Expr::CoerceViaIo { arg, .. } | Expr::Collate { arg, .. } => {
            note_strict(arg, needed);
        }
        _ => {}
    }
}

/// `CASE WHEN any argument is null THEN NULL ELSE value END`.
fn guarded(value: Expr, call: &Call) -> Expr {
    let tests: Vec<Expr> = call
        .args
        .iter()
        .filter(|arg| !matches!(arg, Expr::Const { value, .. } if !value.is_null()))
        .map(|arg| Expr::IsNull { arg: Box::new(arg.clone()), negated: false, row: false })
        .collect();
    let condition = match tests.len() {
        0 => return value,
        1 => tests.into_iter().next().expect("there is one"),
        _ => Expr::Or(tests),
    };
    let nothing = Expr::Const { value: Datum::Null, ty: call.ty };
    Expr::Case { arg: None, whens: vec![(condition, nothing)], otherwise: Box::new(value), ty: call.ty }
}
