//! Whether conditions imply others: for partial indexes.
//!
//! A small part of PostgreSQL's predtest.c: a predicate is implied if each of its conjuncts is one
//! of the conditions, or says NOT NULL of something that a strict condition mentions, or is an
//! inequality with a constant that a tighter one with a constant implies.

use super::clause::operator_of;
use super::equivalence::strip_relabel;
use super::inspect;
use super::level::LevelPlanner;
use crate::equal::same;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, compare};
use std::cmp::Ordering;

impl LevelPlanner<'_, '_> {
    /// Whether the predicate holds wherever all the conditions do.
    pub(crate) fn implies(&self, conditions: &[&Expr], predicate: &Expr) -> PgResult<bool> {
        match predicate {
            Expr::And(parts) => {
                for part in parts {
                    if !self.implies(conditions, part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expr::Or(parts) => {
                for part in parts {
                    if self.implies(conditions, part)? {
                        return Ok(true);
                    }
                }
                self.implied_by_one(conditions, predicate)
            }
            _ => self.implied_by_one(conditions, predicate),
        }
    }

    fn implied_by_one(&self, conditions: &[&Expr], predicate: &Expr) -> PgResult<bool> {
        for condition in conditions {
            if same(condition, predicate) || implies_not_null(condition, predicate) {
                return Ok(true);
            }
            if let Expr::And(parts) = condition {
                let parts: Vec<&Expr> = parts.iter().collect();
                if self.implied_by_one(&parts, predicate)? {
                    return Ok(true);
                }
            }
            if self.comparison_implies(condition, predicate)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `x < 3` implies `x < 5`, `x = 4` implies `x > 2`, and so on, within one B-tree family.
    fn comparison_implies(&self, condition: &Expr, predicate: &Expr) -> PgResult<bool> {
        let (Some(known), Some(wanted)) = (self.comparison(condition)?, self.comparison(predicate)?) else {
            return Ok(false);
        };
        let comparable = known.family == wanted.family
            && same(&known.column, &wanted.column)
            && std::mem::discriminant(&known.value) == std::mem::discriminant(&wanted.value);
        if !comparable {
            return Ok(false);
        }
        let order = compare::cmp(wanted.type_oid, &known.value, &wanted.value);
        Ok(strategy_implies(known.strategy, wanted.strategy, order))
    }

    /// The parts of `column op constant`.
    fn comparison(&self, expr: &Expr) -> PgResult<Option<Comparison>> {
        let Some((call, operator)) = operator_of(expr) else { return Ok(None) };
        let catalog = self.builder.ctx.catalog;
        let (column, value, operator) = match (strip_relabel(&call.args[0]), strip_relabel(&call.args[1])) {
            (column, Expr::Const { value, .. }) => (column, value, operator),
            (Expr::Const { value, .. }, column) => {
                let commutator = catalog.operator(operator)?.map_or(0, |facts| facts.commutator);
                (column, value, commutator)
            }
            _ => return Ok(None),
        };
        if value.is_null() {
            return Ok(None);
        }
        let Some(member) = catalog.btree_members(operator)?.first().copied() else { return Ok(None) };
        Ok(Some(Comparison {
            family: member.family,
            strategy: member.strategy,
            type_oid: member.right_type,
            column: column.clone(),
            value: value.clone(),
        }))
    }
}

struct Comparison {
    family: redoubt_functions::Oid,
    strategy: u8,
    type_oid: redoubt_functions::Oid,
    column: Expr,
    value: Datum,
}

/// Whether `x known a` implies `x wanted b`, where `order` is how a compares with b. Strategies are
/// 1 `<`, 2 `<=`, 3 `=`, 4 `>=`, 5 `>`.
fn strategy_implies(known: u8, wanted: u8, order: Ordering) -> bool {
    match (known, wanted) {
        (1 | 2 | 3, 2) | (1, 1) => order.is_le(),
        (2 | 3, 1) => order.is_lt(),
        (3 | 4 | 5, 4) | (5, 5) => order.is_ge(),
        (3 | 4, 5) => order.is_gt(),
        (3, 3) => order.is_eq(),
        _ => false,
    }
}

/// `x IS NOT NULL` follows from a condition that is not true for a NULL x.
fn implies_not_null(condition: &Expr, predicate: &Expr) -> bool {
    let Expr::IsNull { arg, negated: true, row: false } = predicate else { return false };
    let Expr::Var(wanted) = strip_relabel(arg) else { return false };
    inspect::rejects_nulls(condition, &|var| var.rt == wanted.rt && var.attno == wanted.attno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_imply_exactly_what_holds() {
        let holds = |strategy: u8, x: i32, bound: i32| match strategy {
            1 => x < bound,
            2 => x <= bound,
            3 => x == bound,
            4 => x >= bound,
            _ => x > bound,
        };
        for known in 1..=5 {
            for wanted in 1..=5 {
                for a in -3..=3 {
                    for b in -3..=3 {
                        if strategy_implies(known, wanted, a.cmp(&b)) {
                            let sound = (-10..=10).all(|x| !holds(known, x, a) || holds(wanted, x, b));
                            assert!(sound, "{known} {a} must not imply {wanted} {b}");
                        }
                    }
                }
            }
        }
    }
}
