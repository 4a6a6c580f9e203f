//! Selectivities: what share of rows a condition lets through.
//!
//! After PostgreSQL's clausesel.c and selfuncs.c, with its default constants where there are no
//! statistics.

use super::clause::{Clause, operator_of};
use super::equivalence::strip_relabel;
use super::level::{BaseKind, LevelPlanner};
use crate::facts::ColumnStats;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid, compare, types};
use std::rc::Rc;
use std::sync::Arc;

const DEFAULT_EQ: f64 = 0.005;
const DEFAULT_INEQ: f64 = 1.0 / 3.0;
const DEFAULT_RANGE_INEQ: f64 = 0.005;
const DEFAULT_MATCH: f64 = 0.005;
const DEFAULT_UNKNOWN: f64 = 0.005;
const DEFAULT_NUM_DISTINCT: f64 = 200.0;

/// A column of a base table with its statistics.
pub(crate) struct ColumnFacts {
    pub stats: Option<Arc<ColumnStats>>,
    /// Rows of its relation.
    pub tuples: f64,
    /// A unique index on it alone.
    pub unique: bool,
    pub type_oid: Oid,
    pub is_bool: bool,
}

impl LevelPlanner<'_, '_> {
    /// The selectivity of a list of conjuncts, ranges over one column paired up.
    pub(crate) fn clauses_selectivity(&self, clauses: &[Rc<Clause>]) -> PgResult<f64> {
        let mut product = 1.0;
        let mut ranges: Vec<(Expr, Option<f64>, Option<f64>)> = Vec::new();
        for clause in clauses {
            let selectivity = self.clause_selectivity(clause)?;
            match self.range_end(&clause.expr)? {
                Some((column, lower)) => {
                    let slot =
                        match ranges.iter_mut().find(|(known, _, _)| crate::equal::same(known, &column)) {
                            Some(slot) => slot,
                            None => {
                                ranges.push((column, None, None));
                                ranges.last_mut().expect("just pushed")
                            }
                        };
                    let end = if lower { &mut slot.1 } else { &mut slot.2 };
                    *end = Some(end.map_or(selectivity, |known: f64| known.min(selectivity)));
                }
                None => product *= selectivity,
            }
        }
        for (column, lower, upper) in ranges {
            product *= match (lower, upper) {
                (Some(lower), Some(upper)) => self.range_selectivity(&column, lower, upper)?,
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => 1.0,
            };
        }
        Ok(product.clamp(0.0, 1.0))
    }

    fn range_selectivity(&self, column: &Expr, lower: f64, upper: f64) -> PgResult<f64> {
        if lower == DEFAULT_INEQ || upper == DEFAULT_INEQ {
            return Ok(DEFAULT_RANGE_INEQ);
        }
        let nulls = self.column_facts(column)?.and_then(|facts| facts.stats).map_or(0.0, |s| s.null_fraction);
        let between = lower + upper - 1.0 + nulls;
        Ok(if between <= 0.0 { if between < -0.01 { DEFAULT_RANGE_INEQ } else { 1.0e-10 } } else { between })
    }

    /// Whether the expression bounds a column by a constant: the column, and whether from below.
    fn range_end(&self, expr: &Expr) -> PgResult<Option<(Expr, bool)>> {
        let Some((call, operator)) = operator_of(expr) else { return Ok(None) };
        let Some(facts) = self.builder.ctx.catalog.operator(operator)? else { return Ok(None) };
        let greater = match facts.restrict_estimator.as_deref() {
            Some("scalarltsel" | "scalarlesel") => false,
            Some("scalargtsel" | "scalargesel") => true,
            _ => return Ok(None),
        };
        let (left, right) = (&call.args[0], &call.args[1]);
        let left_local = !self.local_relids(left).is_empty();
        let right_local = !self.local_relids(right).is_empty();
        Ok(match (left_local, right_local) {
            (true, false) => Some((strip_relabel(left).clone(), greater)),
            (false, true) => Some((strip_relabel(right).clone(), !greater)),
            _ => None,
        })
    }

    /// The selectivity of one clause, remembered.
    pub(crate) fn clause_selectivity(&self, clause: &Clause) -> PgResult<f64> {
        let known = clause.selectivity.get();
        if known >= 0.0 {
            return Ok(known);
        }
        let selectivity = if clause.constant {
            constant_selectivity(&clause.expr)
        } else {
            self.selectivity(&clause.expr)?
        };
        clause.selectivity.set(selectivity);
        Ok(selectivity)
    }

    /// The selectivity of a condition.
    pub(crate) fn selectivity(&self, expr: &Expr) -> PgResult<f64> {
        let result = match expr {
            Expr::Const { value: Datum::Bool(true), .. } => 1.0,
            Expr::Const { .. } => 0.0,
            Expr::And(args) => {
                let mut product = 1.0;
                for arg in args {
                    product *= self.selectivity(arg)?;
                }
                product
            }
            Expr::Or(args) => {
                let mut sum: f64 = 0.0;
                for arg in args {
                    let one = self.selectivity(arg)?;
                    sum = sum + one - sum * one;
                }
                sum
            }
            Expr::Not(arg) => 1.0 - self.selectivity(arg)?,
            Expr::Var(_) => match self.column_facts(expr)? {
                Some(facts) => equal_selectivity(&facts, Some(&Datum::Bool(true))),
                None => 0.5,
            },
            Expr::IsNull { arg, negated, .. } => {
                let nulls = match self.column_facts(arg)?.and_then(|facts| facts.stats) {
                    Some(stats) => stats.null_fraction,
                    None => DEFAULT_UNKNOWN,
                };
                if *negated { 1.0 - nulls } else { nulls }
            }
            Expr::BooleanTest { arg, value, negated } => {
                self.boolean_test_selectivity(arg, *value, *negated)?
            }
            Expr::ScalarArrayOp { call, any } => self.array_selectivity(call, *any)?,
            Expr::Distinct { equality, negated } => {
                let equal = self.operator_selectivity(equality, "eqsel")?;
                if *negated { equal } else { 1.0 - equal }
            }
            Expr::Call(call) => match &call.form {
                CallForm::Operator { oid, .. } if call.args.len() == 2 => {
                    self.call_selectivity(call, *oid)?
                }
                _ => 1.0 / 3.0,
            },
            Expr::Relabel { arg, .. } => self.selectivity(arg)?,
            _ => 0.5,
        };
        Ok(result.clamp(0.0, 1.0))
    }

    fn boolean_test_selectivity(&self, arg: &Expr, value: Option<bool>, negated: bool) -> PgResult<f64> {
        let Some(value) = value else {
            return Ok(if negated { 1.0 - DEFAULT_UNKNOWN } else { DEFAULT_UNKNOWN });
        };
        let truth = self.selectivity(arg)?;
        Ok(if value != negated { truth } else { 1.0 - truth })
    }

    fn call_selectivity(&self, call: &Call, operator: Oid) -> PgResult<f64> {
        let Some(facts) = self.builder.ctx.catalog.operator(operator)? else { return Ok(0.5) };
        let relids = self.local_relids(&Expr::Call(Box::new(call.clone())));
        let estimator = if relids.len() > 1 {
            facts.join_estimator.as_deref()
        } else {
            facts.restrict_estimator.as_deref()
        };
        match estimator {
            Some(name) => self.operator_selectivity(call, name),
            None => Ok(0.5),
        }
    }

    fn operator_selectivity(&self, call: &Call, estimator: &str) -> PgResult<f64> {
        let (left, right) = (&call.args[0], &call.args[1]);
        Ok(match estimator {
            "eqsel" => self.equality_selectivity(left, right)?,
            "neqsel" => 1.0 - self.equality_selectivity(left, right)? - self.null_fraction(left, right)?,
            "eqjoinsel" => self.join_equality_selectivity(left, right)?,
            "neqjoinsel" => 1.0 - self.join_equality_selectivity(left, right)?,
            "scalarltsel" | "scalarlesel" => self.inequality_selectivity(left, right, false)?,
            "scalargtsel" | "scalargesel" => self.inequality_selectivity(left, right, true)?,
            "scalarltjoinsel" | "scalarlejoinsel" | "scalargtjoinsel" | "scalargejoinsel" => DEFAULT_INEQ,
            "likesel" | "regexeqsel" | "icregexeqsel" | "iclikesel" | "prefixsel" => DEFAULT_MATCH,
            "nlikesel" | "regexnesel" | "icregexnesel" | "icnlikesel" => 1.0 - DEFAULT_MATCH,
            "likejoinsel" | "regexeqjoinsel" => DEFAULT_MATCH,
            "contsel" | "arraycontsel" | "rangesel" | "multirangesel" => 0.001,
            "areasel" => 0.005,
            "matchingsel" | "matchingjoinsel" => 0.010,
            _ => 0.5,
        })
    }

    fn null_fraction(&self, left: &Expr, right: &Expr) -> PgResult<f64> {
        let column = if self.local_relids(left).is_empty() { right } else { left };
        Ok(self.column_facts(column)?.and_then(|facts| facts.stats).map_or(0.0, |stats| stats.null_fraction))
    }

    fn equality_selectivity(&self, left: &Expr, right: &Expr) -> PgResult<f64> {
        let (column, other) = if self.local_relids(left).is_empty() { (right, left) } else { (left, right) };
        let Some(facts) = self.column_facts(column)? else { return Ok(DEFAULT_EQ) };
        let value = match strip_relabel(other) {
            Expr::Const { value, .. } => Some(value),
            _ => None,
        };
        Ok(equal_selectivity(&facts, value))
    }

    fn inequality_selectivity(&self, left: &Expr, right: &Expr, mut greater: bool) -> PgResult<f64> {
        let (column, other) = if self.local_relids(left).is_empty() {
            greater = !greater;
            (right, left)
        } else {
            (left, right)
        };
        let Some(facts) = self.column_facts(column)? else { return Ok(DEFAULT_INEQ) };
        let Expr::Const { value, .. } = strip_relabel(other) else { return Ok(DEFAULT_INEQ) };
        let Some(stats) = &facts.stats else { return Ok(DEFAULT_INEQ) };
        Ok(histogram_selectivity(stats, &facts, value, greater))
    }

    fn array_selectivity(&self, call: &Call, any: bool) -> PgResult<f64> {
        let operator = match call.form {
            CallForm::Operator { oid, .. } => self.builder.ctx.catalog.operator(oid)?,
            _ => None,
        };
        let estimator = operator.and_then(|facts| facts.restrict_estimator.clone());
        let equality = estimator.as_deref() == Some("eqsel");
        let one = match estimator.as_deref() {
            Some("eqsel") => self.equality_selectivity(&call.args[0], &call.args[1])?,
            Some(name) => self.operator_selectivity(call, name)?,
            None => 0.5,
        };
        let elements = super::cost::array_length(&call.args[1]);
        Ok(if any {
            // Equalities with different constants exclude each other.
            let disjoint = one * elements;
            if equality && disjoint <= 1.0 { disjoint } else { 1.0 - (1.0 - one).powf(elements) }
        } else {
            one.powf(elements)
        })
    }

    fn join_equality_selectivity(&self, left: &Expr, right: &Expr) -> PgResult<f64> {
        let (left, right) = (self.distinct_values(left)?, self.distinct_values(right)?);
        let nulls =
            |facts: &Option<Arc<ColumnStats>>| facts.as_ref().map_or(0.0, |stats| stats.null_fraction);
        let selectivity = (1.0 - nulls(&left.1)) * (1.0 - nulls(&right.1));
        Ok(selectivity / left.0.max(right.0))
    }

    /// The number of distinct values of an expression (`get_variable_numdistinct`).
    pub(crate) fn distinct_values(&self, expr: &Expr) -> PgResult<(f64, Option<Arc<ColumnStats>>)> {
        let Some(facts) = self.column_facts(expr)? else { return Ok((DEFAULT_NUM_DISTINCT, None)) };
        Ok((distinct_of(&facts), facts.stats))
    }

    /// Statistics of a plain column of this level.
    pub(crate) fn column_facts(&self, expr: &Expr) -> PgResult<Option<ColumnFacts>> {
        let Expr::Var(var) = strip_relabel(expr) else { return Ok(None) };
        let Some(base) = self.bases.get(&var.rt) else { return Ok(None) };
        let is_bool = var.type_oid == types::BOOL;
        let mut facts =
            ColumnFacts { stats: None, tuples: base.tuples, unique: false, type_oid: var.type_oid, is_bool };
        if let BaseKind::Table { relid, .. } = base.kind {
            if var.attno > 0 {
                facts.stats = self.builder.ctx.catalog.column_stats(relid, var.attno)?;
                facts.unique = base.indexes.iter().any(|index| {
                    index.unique
                        && index.key_columns == 1
                        && index.columns[0].attno == var.attno
                        && index.predicate.is_none()
                });
            } else if var.attno == -1 {
                facts.unique = true;
            }
        }
        Ok(Some(facts))
    }
}

fn constant_selectivity(expr: &Expr) -> f64 {
    match super::inspect::constant_bool(expr) {
        Some(Some(true)) => 1.0,
        Some(_) => 0.0,
        // Either all rows pass or none: charge as if all did.
        None => 1.0,
    }
}

fn distinct_of(facts: &ColumnFacts) -> f64 {
    if facts.unique {
        return facts.tuples.max(1.0);
    }
    match &facts.stats {
        Some(stats) if stats.distinct > 0.0 => stats.distinct,
        Some(stats) if stats.distinct < 0.0 => (-stats.distinct * facts.tuples).round_ties_even().max(1.0),
        _ if facts.is_bool => 2.0,
        _ => facts.tuples.clamp(1.0, DEFAULT_NUM_DISTINCT),
    }
}

/// `column = value`, the value known or not.
fn equal_selectivity(facts: &ColumnFacts, value: Option<&Datum>) -> f64 {
    if matches!(value, Some(Datum::Null)) {
        return 0.0;
    }
    if facts.unique && facts.tuples >= 1.0 {
        return 1.0 / facts.tuples;
    }
    let Some(stats) = &facts.stats else { return 1.0 / distinct_of(facts) };
    let common_share: f64 = stats.common.iter().map(|(_, share)| share).sum();
    let distinct = distinct_of(facts);
    let Some(value) = value else {
        let even = (1.0 - stats.null_fraction) / distinct.max(1.0);
        let most = stats.common.first().map_or(1.0, |(_, share)| *share);
        return even.min(most);
    };
    let same_kind = |other: &Datum| std::mem::discriminant(other) == std::mem::discriminant(value);
    if let Some((_, share)) = stats
        .common
        .iter()
        .find(|(common, _)| same_kind(common) && compare::eq(facts.type_oid, common, value))
    {
        return *share;
    }
    let others = distinct - stats.common.len() as f64;
    let rest = (1.0 - common_share - stats.null_fraction).clamp(0.0, 1.0);
    let even = if others > 1.0 { rest / others } else { rest };
    stats.common.last().map_or(even, |(_, share)| even.min(*share))
}

/// `column < value` (or `>`), from the common values and the histogram.
fn histogram_selectivity(stats: &ColumnStats, facts: &ColumnFacts, value: &Datum, greater: bool) -> f64 {
    let same_kind = |other: &Datum| std::mem::discriminant(other) == std::mem::discriminant(value);
    if value.is_null() || !stats.histogram.iter().chain(stats.common.iter().map(|(v, _)| v)).all(same_kind) {
        return DEFAULT_INEQ;
    }
    let below = |other: &Datum| compare::cmp(facts.type_oid, other, value).is_lt();
    let common_share: f64 = stats.common.iter().map(|(_, share)| share).sum();
    let common_passing: f64 = stats
        .common
        .iter()
        .filter(|(other, _)| if greater { !below(other) } else { below(other) })
        .map(|(_, share)| share)
        .sum();
    let bounds = &stats.histogram;
    let histogram = if bounds.len() >= 2 {
        let position = bounds.partition_point(below);
        let share = if position == 0 {
            0.0
        } else if position >= bounds.len() {
            1.0
        } else {
            let within = interpolate(&bounds[position - 1], value, &bounds[position]);
            (position as f64 - 1.0 + within) / (bounds.len() as f64 - 1.0)
        };
        let share = if greater { 1.0 - share } else { share };
        share.clamp(0.0001, 0.9999)
    } else if stats.common.is_empty() {
        return DEFAULT_INEQ;
    } else {
        0.5
    };
    let rest = (1.0 - stats.null_fraction - common_share).max(0.0);
    (rest * histogram + common_passing).clamp(0.0, 1.0)
}

/// Where a value lies between two bounds, 0 to 1.
fn interpolate(low: &Datum, value: &Datum, high: &Datum) -> f64 {
    match (scalar(low), scalar(value), scalar(high)) {
        (Some(low), Some(value), Some(high)) if high > low => ((value - low) / (high - low)).clamp(0.0, 1.0),
        _ => 0.5,
    }
}

fn scalar(value: &Datum) -> Option<f64> {
    Some(match value {
        Datum::Int2(v) => f64::from(*v),
        Datum::Int4(v) => f64::from(*v),
        Datum::Int8(v) => *v as f64,
        Datum::Float4(v) => f64::from(*v),
        Datum::Float8(v) => *v,
        Datum::Oid(v) => f64::from(*v),
        Datum::Date(v) => f64::from(*v),
        Datum::Time(v) | Datum::Timestamp(v) | Datum::TimestampTz(v) => *v as f64,
        _ => return None,
    })
}
