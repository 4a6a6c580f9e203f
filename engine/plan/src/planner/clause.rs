//! Conditions of WHERE and ON, one conjunct each, with what the join search needs to know of them.
//!
//! PostgreSQL's `RestrictInfo` (src/include/nodes/pathnodes.h).

use super::relset::RelSet;
use redoubt_analyze::query::{Call, CallForm, Expr};
use redoubt_functions::Oid;
use std::cell::Cell;

/// One conjunct.
#[derive(Debug)]
pub(crate) struct Clause {
    pub expr: Expr,
    /// Relations of this query level that it mentions.
    pub relids: RelSet,
    /// Relations that must be joined before it may be tested.
    pub required: RelSet,
    /// Relations on each side of a binary operator; empty for other shapes.
    pub left: RelSet,
    pub right: RelSet,
    /// Came from WHERE or an inner join, or sank below an outer join: not an outer join's own.
    pub pushed_down: bool,
    /// Outer joins must be done before it is tested.
    pub delayed: bool,
    /// For an outer join's own condition: the relations of its preserved side.
    pub outer_relids: RelSet,
    /// Mentions no relation of this level and nothing volatile.
    pub constant: bool,
    /// An equality that joins the two sides.
    pub equality: Option<Equality>,
    /// The equivalence class it was made from, and the constant-free rest.
    pub class: Option<usize>,
    /// Selectivity as an inner join's or a restriction's condition, once estimated.
    pub selectivity: Cell<f64>,
    /// A number that tells it from all others of the level.
    pub serial: usize,
}

/// An equality `left = right` between disjoint sets of relations.
#[derive(Clone, Debug)]
pub(crate) struct Equality {
    pub operator: Oid,
    pub left_type: Oid,
    pub right_type: Oid,
    /// B-tree families in which the operator is equality: it can be merged by.
    pub families: Vec<Oid>,
    /// It can be hashed by.
    pub hashable: bool,
}

impl Clause {
    /// The call of an operator clause with two operands.
    pub(crate) fn operator(&self) -> Option<(&Call, Oid)> {
        operator_of(&self.expr)
    }

    /// The two sides of a binary operator clause.
    pub(crate) fn sides(&self) -> Option<(&Expr, &Expr)> {
        self.operator().map(|(call, _)| (&call.args[0], &call.args[1]))
    }

    /// Whether it may be used as a join key between these two sides, and if so whether its left
    /// operand is computed from the outer one.
    pub(crate) fn joins(&self, outer: &RelSet, inner: &RelSet) -> Option<bool> {
        if self.left.is_empty() || self.right.is_empty() {
            return None;
        }
        if self.left.is_subset_of(outer) && self.right.is_subset_of(inner) {
            Some(true)
        } else if self.left.is_subset_of(inner) && self.right.is_subset_of(outer) {
            Some(false)
        } else {
            None
        }
    }
}

/// The call and operator OID of a binary operator expression.
pub(crate) fn operator_of(expr: &Expr) -> Option<(&Call, Oid)> {
    match expr {
        Expr::Call(call) if call.args.len() == 2 => match call.form {
            CallForm::Operator { oid, .. } => Some((call, oid)),
            _ => None,
        },
        _ => None,
    }
}

/// Splits a condition into its conjuncts.
pub(crate) fn conjuncts(expr: Expr, into: &mut Vec<Expr>) {
    match expr {
        Expr::And(args) => args.into_iter().for_each(|arg| conjuncts(arg, into)),
        Expr::Const { value: redoubt_functions::Datum::Bool(true), .. } => {}
        other => into.push(other),
    }
}
