//! What a stored query depends on: the rows that `pg_depend` gets for a view.

use redoubt_analyze::query::{CallForm, Expr, Query, RteKind};
use redoubt_analyze::visit;
use redoubt_catalog::ddl::{ObjectAddress, class};
use redoubt_functions::Oid;

/// Everything that the query names: relations with the columns that are read, functions, operators, types
/// and collations. What a view inside it reads is that view's own business.
pub(crate) fn references_of_query(query: &Query) -> Vec<ObjectAddress> {
    let mut found = Vec::new();
    let mut own = query.clone();
    visit::each_query(&mut own, 0, &mut |query, _| {
        for entry in &mut query.rtable {
            if entry.perms_relid == 0 {
                continue;
            }
            found.push(ObjectAddress::relation(entry.perms_relid));
            let columns = entry.selected_columns.iter().filter(|attnum| **attnum > 0);
            found.extend(columns.map(|attnum| ObjectAddress::column(entry.perms_relid, *attnum)));
            if matches!(entry.kind, RteKind::Subquery(_)) {
                // The parent walks on after this: there is nothing left to walk into.
                entry.kind = RteKind::Excluded;
            }
        }
    });
    visit::visit_query(&own, 0, &mut |node, _| {
        note(node, &mut found);
        true
    });
    found.sort_unstable();
    found.dedup();
    found
}

fn note(node: &Expr, found: &mut Vec<ObjectAddress>) {
    match node {
        Expr::Call(call)
        | Expr::Distinct { equality: call, .. }
        | Expr::NullIf { equality: call, .. }
        | Expr::ScalarArrayOp { call, .. } => found.push(called(&call.form, call.proc_oid)),
        Expr::RowCompare { calls, equalities, .. } => {
            found.extend(calls.iter().chain(equalities).map(|call| called(&call.form, call.proc_oid)));
        }
        Expr::Aggregate(aggregate) => found.push(ObjectAddress::new(class::PROC, aggregate.proc_oid)),
        Expr::WindowFunc(function) => found.push(ObjectAddress::new(class::PROC, function.proc_oid)),
        Expr::Const { ty, .. }
        | Expr::Relabel { ty, .. }
        | Expr::CoerceViaIo { ty, .. }
        | Expr::ArrayCoerce { ty, .. }
        | Expr::Array { ty, .. }
        | Expr::Row { ty, .. } => found.push(ObjectAddress::type_(ty.type_oid)),
        Expr::Collate { .. } => found.push(ObjectAddress::new(class::COLLATION, node.ty().collation)),
        _ => {}
    }
}

fn called(form: &CallForm, function: Oid) -> ObjectAddress {
    match form {
        CallForm::Operator { oid, .. } => ObjectAddress::new(class::OPERATOR, *oid),
        _ => ObjectAddress::new(class::PROC, function),
    }
}
