//! How many rows a join yields (`calc_joinrel_size_estimate`, `compute_semi_anti_join_factors`).

use super::clause::Clause;
use super::cost::clamp_rows;
use super::equivalence::strip_relabel;
use super::level::LevelPlanner;
use super::relset::RelSet;
use crate::join::JoinType;
use redoubt_analyze::query::Expr;
use redoubt_error::PgResult;
use std::rc::Rc;

/// What semi, anti and single-match joins expect of their inner side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatchFactors {
    /// The fraction of outer rows that have a match.
    pub matched: f64,
    /// Matches of an outer row that has any.
    pub matches: f64,
}

impl LevelPlanner<'_, '_> {
    /// Rows of a join, given the rows of its inputs and all clauses it tests.
    pub(crate) fn join_rows(
        &self,
        join: JoinType,
        (outer_rows, inner_rows): (f64, f64),
        (outer, inner): (&RelSet, &RelSet),
        clauses: &[Rc<Clause>],
    ) -> PgResult<f64> {
        let outer_join = !matches!(join, JoinType::Inner | JoinType::Semi);
        let own: Vec<Rc<Clause>> =
            clauses.iter().filter(|clause| !outer_join || !clause.pushed_down).cloned().collect();
        let pushed: Vec<Rc<Clause>> =
            clauses.iter().filter(|clause| outer_join && clause.pushed_down).cloned().collect();
        let pushed_selectivity = self.clauses_selectivity(&pushed)?;
        let rows = match join {
            JoinType::Inner => outer_rows * inner_rows * self.clauses_selectivity(&own)?,
            JoinType::Left => {
                (outer_rows * inner_rows * self.clauses_selectivity(&own)?).max(outer_rows)
                    * pushed_selectivity
            }
            JoinType::Right => {
                (outer_rows * inner_rows * self.clauses_selectivity(&own)?).max(inner_rows)
                    * pushed_selectivity
            }
            JoinType::Full => {
                (outer_rows * inner_rows * self.clauses_selectivity(&own)?).max(outer_rows).max(inner_rows)
                    * pushed_selectivity
            }
            JoinType::Semi => outer_rows * self.semi_selectivity(&own, outer, inner, inner_rows)?,
            JoinType::Anti => {
                outer_rows
                    * (1.0 - self.semi_selectivity(&own, outer, inner, inner_rows)?)
                    * pushed_selectivity
            }
        };
        Ok(clamp_rows(rows))
    }

    /// The fraction of outer rows that have a match (`eqjoinsel_semi`, without common values).
    fn semi_selectivity(
        &self,
        clauses: &[Rc<Clause>],
        outer: &RelSet,
        inner: &RelSet,
        inner_rows: f64,
    ) -> PgResult<f64> {
        let mut product = 1.0;
        for clause in clauses {
            let side = clause.joins(outer, inner);
            product *= match (&clause.equality, clause.sides(), side) {
                (Some(_), Some((left, right)), Some(left_is_outer)) => {
                    let (outer, inner) = if left_is_outer { (left, right) } else { (right, left) };
                    // No more rows than the inner join of the same inputs has.
                    let inner_join = inner_rows * self.clause_selectivity(clause)?;
                    self.semi_equality(outer, inner, inner_rows)?.min(inner_join)
                }
                _ => self.clause_selectivity(clause)?,
            };
        }
        Ok(product.clamp(0.0, 1.0))
    }

    fn semi_equality(&self, outer: &Expr, inner: &Expr, inner_rows: f64) -> PgResult<f64> {
        let known = |expr: &Expr| -> PgResult<bool> {
            Ok(self
                .column_facts(strip_relabel(expr))?
                .is_some_and(|facts| facts.unique || facts.stats.is_some_and(|stats| stats.distinct != 0.0)))
        };
        let (outer_distinct, stats) = self.distinct_values(outer)?;
        let inner_distinct = self.distinct_values(inner)?.0.min(inner_rows);
        let nulls = stats.map_or(0.0, |stats| stats.null_fraction);
        if !known(outer)? || !known(inner)? {
            return Ok(0.5 * (1.0 - nulls));
        }
        let share = if outer_distinct <= inner_distinct || inner_distinct <= 0.0 {
            1.0
        } else {
            inner_distinct / outer_distinct
        };
        Ok(share * (1.0 - nulls))
    }

    pub(crate) fn match_factors(
        &self,
        join: JoinType,
        (outer, inner): (&RelSet, &RelSet),
        inner_rows: f64,
        clauses: &[Rc<Clause>],
    ) -> PgResult<MatchFactors> {
        let outer_join = !matches!(join, JoinType::Inner | JoinType::Semi);
        let own: Vec<Rc<Clause>> =
            clauses.iter().filter(|clause| !outer_join || !clause.pushed_down).cloned().collect();
        let matched = self.semi_selectivity(&own, outer, inner, inner_rows)?;
        let all = self.clauses_selectivity(&own)?;
        let matches = if matched > 0.0 { (all * inner_rows / matched).max(1.0) } else { 1.0 };
        Ok(MatchFactors { matched, matches })
    }
}
