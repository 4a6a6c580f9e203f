//! What the expressions and queries that the catalogs keep depend on: the rows that `pg_depend` gets
//! (PostgreSQL's `recordDependencyOnSingleRelExpr` and `recordDependencyOnExpr`).

use crate::query::{CallForm, Expr, Query, RteKind};
use crate::visit;
use redoubt_catalog::ddl::{ObjectAddress, class};
use redoubt_functions::{Datum, Oid, types};

/// The columns and objects that an expression over one table refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Attribute numbers of the table's columns, ascending, each once; 0 stands for its whole row.
    pub columns: Vec<i16>,
    /// Functions, operators, types and collations.
    pub objects: Vec<ObjectAddress>,
}

impl References {
    /// Adds what another expression refers to.
    pub fn add(&mut self, other: References) {
        self.columns.extend(other.columns);
        self.objects.extend(other.objects);
        self.settle();
    }

    fn settle(&mut self) {
        self.columns.sort_unstable();
        self.columns.dedup();
        self.objects.sort_unstable();
        self.objects.dedup();
    }
}

/// What an expression whose columns are `Var`s with `rt` 0 refers to.
pub fn references_of(expr: &Expr) -> References {
    let mut found = References::default();
    visit::visit(expr, 0, &mut |node, _| {
        match node {
            Expr::Var(var) if var.attno >= 0 => found.columns.push(var.attno),
            node => note(node, &mut found.objects),
        }
        true
    });
    found.settle();
    found
}

/// Everything that a query names: relations with the columns that are read, functions, operators, types and
/// collations. What a view inside it reads is that view's own business.
pub fn references_of_query(query: &Query) -> Vec<ObjectAddress> {
    let mut found = Vec::new();
    let mut own = query.clone();
    visit::each_query(&mut own, 0, &mut |query, _| {
        let constraints = query.constraint_deps.iter();
        found.extend(constraints.map(|oid| ObjectAddress::new(class::CONSTRAINT, *oid)));
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

/// What one node names, columns apart.
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
        Expr::Const { ty, value } => {
            found.push(ObjectAddress::type_(ty.type_oid));
            found.extend(named_by(ty.type_oid, value));
        }
        Expr::Relabel { ty, .. }
        | Expr::CoerceViaIo { ty, .. }
        | Expr::ArrayCoerce { ty, .. }
        | Expr::Array { ty, .. }
        | Expr::Row { ty, .. } => found.push(ObjectAddress::type_(ty.type_oid)),
        Expr::Collate { .. } => found.push(ObjectAddress::new(class::COLLATION, node.ty().collation)),
        _ => {}
    }
}

/// The object that a constant of a reg* type names: `nextval('s'::regclass)` depends on `s`.
fn named_by(type_oid: Oid, value: &Datum) -> Option<ObjectAddress> {
    let class = match type_oid {
        types::REGCLASS => class::RELATION,
        types::REGTYPE => class::TYPE,
        types::REGPROC | types::REGPROCEDURE => class::PROC,
        types::REGOPER | types::REGOPERATOR => class::OPERATOR,
        _ => return None,
    };
    value.as_oid().ok().map(|oid| ObjectAddress::new(class, oid))
}

fn called(form: &CallForm, function: Oid) -> ObjectAddress {
    match form {
        CallForm::Operator { oid, .. } => ObjectAddress::new(class::OPERATOR, *oid),
        _ => ObjectAddress::new(class::PROC, function),
    }
}
