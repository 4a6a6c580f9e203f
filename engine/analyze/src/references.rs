//! What an expression of DDL depends on: the rows that `pg_depend` gets
//! (PostgreSQL's `recordDependencyOnSingleRelExpr`).

use crate::query::{CallForm, Expr};
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
            Expr::Call(call)
            | Expr::Distinct { equality: call, .. }
            | Expr::NullIf { equality: call, .. }
            | Expr::ScalarArrayOp { call, .. } => found.objects.push(called(&call.form, call.proc_oid)),
            Expr::RowCompare { calls, equalities, .. } => {
                let calls = calls.iter().chain(equalities);
                found.objects.extend(calls.map(|call| called(&call.form, call.proc_oid)));
            }
            Expr::Const { ty, value } => {
                found.objects.push(ObjectAddress::type_(ty.type_oid));
                found.objects.extend(named_by(ty.type_oid, value));
            }
            Expr::Relabel { ty, .. }
            | Expr::CoerceViaIo { ty, .. }
            | Expr::ArrayCoerce { ty, .. }
            | Expr::Array { ty, .. }
            | Expr::Row { ty, .. } => found.objects.push(ObjectAddress::type_(ty.type_oid)),
            Expr::Collate { .. } => {
                found.objects.push(ObjectAddress::new(class::COLLATION, node.ty().collation));
            }
            _ => {}
        }
        true
    });
    found.settle();
    found
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
