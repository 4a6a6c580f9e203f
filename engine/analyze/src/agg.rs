//! Aggregates and GROUPING: where they may stand, which query they belong to, and that nothing
//! ungrouped is used beside them (PostgreSQL's src/backend/parser/parse_agg.c).

use crate::analyzer::{Analyzer, Place};
use crate::equal::same_expr;
use crate::query::{Aggregate, Expr, Query, RangeTblEntry, RteKind, Var};
use crate::target::first_position;
use crate::visit;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree as ast;
use std::cell::RefCell;

/// A GROUPING call that waits for its level's GROUP BY. `Expr::Grouping::keys` holds nothing but its
/// number until then.
#[derive(Debug)]
pub(crate) struct GroupingCall {
    /// The arguments, as the level they belong to sees them, with where they stand.
    args: Vec<(Expr, usize)>,
    /// Where the call stands.
    position: usize,
}

/// What is being placed, for messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    Aggregate,
    Grouping,
    Window,
}

impl Placed {
    fn words(self) -> &'static str {
        match self {
            Placed::Aggregate => "aggregate functions",
            Placed::Grouping => "grouping operations",
            Placed::Window => "window functions",
        }
    }
}

/// How a place is called where something is not allowed in it; `None` where it is allowed.
fn refused_place(place: Place, placed: Placed) -> Option<&'static str> {
    let window = placed == Placed::Window;
    Some(match place {
        Place::SelectTarget | Place::OrderBy | Place::DistinctOn | Place::Other => return None,
        Place::Having if window => "HAVING",
        Place::WindowPartition | Place::WindowOrder | Place::WindowFrame if window => "window definitions",
        Place::Having | Place::WindowPartition | Place::WindowOrder => return None,
        // Named by the frame's mode.
        Place::WindowFrame => "",
        Place::JoinOn | Place::JoinUsing => "JOIN conditions",
        Place::FromSubselect => "FROM clause of their own query level",
        Place::FromFunction => "functions in FROM",
        Place::Where => "WHERE",
        Place::Filter => "FILTER",
        Place::InsertTarget => "INSERT",
        Place::UpdateSource => "UPDATE",
        Place::GroupBy => "GROUP BY",
        Place::Limit => "LIMIT",
        Place::Offset => "OFFSET",
        Place::Returning => "RETURNING",
        Place::Values | Place::SingleValues => "VALUES",
        Place::CheckConstraint => "check constraints",
        Place::ColumnDefault => "DEFAULT expressions",
        Place::GeneratedColumn => "column generation expressions",
        Place::IndexExpression => "index expressions",
        Place::IndexPredicate => "index predicates",
        Place::AlterTransform => "transform expressions",
        Place::ExecuteParameter => "EXECUTE parameters",
        Place::CallArgument => "CALL arguments",
        Place::CopyWhere => "COPY FROM WHERE conditions",
    })
}

impl Analyzer<'_> {
    /// Refuses what may not stand in a place.
    pub(crate) fn check_place(&self, placed: Placed, up: usize, position: usize) -> PgResult<()> {
        let level = self.level_up(up);
        let place = level.place.unwrap_or(Place::Other);
        let Some(refused) = refused_place(place, placed) else { return Ok(()) };
        let refused = if refused.is_empty() { level.scope.frame_words } else { refused };
        let code = if placed == Placed::Window { code::WINDOWING_ERROR } else { code::GROUPING_ERROR };
        let message = format!("{} are not allowed in {refused}", placed.words());
        Err(PgError::new(code, message).at(Some(position)))
    }

    /// Finds the level of an aggregate call and checks that it may stand there
    /// (`transformAggregateCall`, `check_agglevels_and_constraints`).
    pub(crate) fn register_aggregate(&mut self, aggregate: &mut Aggregate, position: usize) -> PgResult<()> {
        let mut parts: Vec<&Expr> = aggregate.args.iter().collect();
        parts.extend(aggregate.order_by.iter().map(|key| &key.expr));
        parts.extend(&aggregate.filter);
        let up = self.level_of_arguments(&parts)?;
        aggregate.levels_up = up;
        self.check_place(Placed::Aggregate, up, position)?;
        let index = self.levels.len() - 1 - up;
        self.levels[index].has_aggs = true;
        Ok(())
    }

    /// The innermost level that any of these refers to, 0 if none (`check_agg_arguments`).
    fn level_of_arguments(&self, parts: &[&Expr]) -> PgResult<usize> {
        let mut min_var: Option<usize> = None;
        let mut min_agg: Option<usize> = None;
        let mut error = None;
        let least = |min: &mut Option<usize>, level: usize| *min = Some(min.map_or(level, |m| m.min(level)));
        for part in parts {
            visit::visit(part, 0, &mut |node, depth| {
                match node {
                    Expr::Var(var) if var.levels_up >= depth => least(&mut min_var, var.levels_up - depth),
                    Expr::Aggregate(_) | Expr::Grouping { .. } => {
                        if let Some(up) = aggregation_level(node).and_then(|up| up.checked_sub(depth)) {
                            least(&mut min_agg, up);
                        }
                    }
                    Expr::WindowFunc(function) if depth == 0 && error.is_none() => {
                        let message = "aggregate function calls cannot contain window function calls";
                        error = Some(PgError::new(code::GROUPING_ERROR, message).at(function.position));
                    }
                    Expr::Call(call) if call.returns_set && depth == 0 && error.is_none() => {
                        let message = "aggregate function calls cannot contain set-returning function calls";
                        let hint =
                            "You might be able to move the set-returning function into a LATERAL FROM item.";
                        error = Some(
                            PgError::new(code::FEATURE_NOT_SUPPORTED, message).hint(hint).at(call.position),
                        );
                    }
                    _ => {}
                }
                true
            });
        }
        if let Some(error) = error {
            return Err(error);
        }
        let up = match (min_var, min_agg) {
            (Some(var), Some(agg)) => var.min(agg),
            (Some(level), None) | (None, Some(level)) => level,
            (None, None) => 0,
        };
        if min_agg == Some(up) {
            let own = |node: &Expr, depth: usize| aggregation_level(node) == Some(up + depth);
            let position = parts.iter().find_map(|part| {
                let grouping = || self.grouping_position(part, up);
                first_position(part, &own).or_else(grouping)
            });
            let message = "aggregate function calls cannot be nested";
            return Err(PgError::new(code::GROUPING_ERROR, message).at(position));
        }
        Ok(up)
    }

    /// Where a GROUPING call of a level stands in an expression.
    fn grouping_position(&self, expr: &Expr, up: usize) -> Option<usize> {
        let mut found = None;
        visit::visit(expr, 0, &mut |node, depth| {
            if let Expr::Grouping { keys, levels_up } = node
                && *levels_up == up + depth
            {
                found = self.level_up(up).scope.grouping_calls.get(keys[0]).map(|call| call.position);
            }
            found.is_none()
        });
        found
    }

    /// GROUPING(...): its arguments are matched with GROUP BY when that is known
    /// (`transformGroupingFunc`).
    pub(crate) fn grouping_func(&mut self, args: &[ast::Expr], position: usize) -> PgResult<Expr> {
        const MAX_ARGS: usize = 31;
        if args.len() > MAX_ARGS {
            let message = "GROUPING must have fewer than 32 arguments";
            return Err(PgError::new(code::TOO_MANY_ARGUMENTS, message).at(Some(position)));
        }
        let place = self.place();
        let mut analyzed = Vec::with_capacity(args.len());
        for arg in args {
            analyzed.push((self.expr(arg, place)?, arg.location()));
        }
        let parts: Vec<&Expr> = analyzed.iter().map(|(arg, _)| arg).collect();
        let up = self.level_of_arguments(&parts)?;
        self.check_place(Placed::Grouping, up, position)?;
        for (arg, _) in &mut analyzed {
            visit::rewrite(arg, 0, &mut |node, depth| {
                if let Expr::Var(var) = node
                    && var.levels_up >= depth + up
                {
                    var.levels_up -= up;
                }
                true
            });
        }
        let index = self.levels.len() - 1 - up;
        let level = &mut self.levels[index];
        level.has_aggs = true;
        level.scope.grouping_calls.push(GroupingCall { args: analyzed, position });
        Ok(Expr::Grouping { keys: vec![level.scope.grouping_calls.len() - 1], levels_up: up })
    }

    /// With aggregation, output columns and HAVING may use grouped columns only; GROUPING calls get
    /// their keys (`parseCheckAggregates`).
    pub(crate) fn check_grouping(&mut self, query: &mut Query) -> PgResult<()> {
        let groups = !query.group_by.is_empty() || query.grouping_sets.is_some() || query.having.is_some();
        if !query.has_aggs && !groups {
            return Ok(());
        }
        query.has_aggs = true;
        self.settle_grouping_calls(query)?;
        let keys: Vec<&Expr> = query.group_by.iter().map(|key| &query.target_list[key.target].expr).collect();
        // With grouping sets, only columns that are in all of them determine others.
        let common: Vec<Var> = keys
            .iter()
            .enumerate()
            .filter(|(index, _)| {
                query.grouping_sets.as_ref().is_none_or(|sets| sets.iter().all(|set| set.contains(index)))
            })
            .filter_map(|(_, key)| if let Expr::Var(var) = key { Some(*var) } else { None })
            .collect();
        let determining = RefCell::default();
        let check =
            Ungrouped { analyzer: self, query, keys: &keys, common: &common, determining: &determining };
        for entry in &query.target_list {
            check.check(&entry.expr)?;
        }
        query.having.iter().try_for_each(|having| check.check(having))?;
        let recursive =
            |entry: &RangeTblEntry| matches!(entry.kind, RteKind::Cte { self_reference: true, .. });
        if query.rtable.iter().any(recursive) {
            let own = |node: &Expr, depth: usize| matches!(node, Expr::Aggregate(a) if a.levels_up == depth);
            let mut exprs = query.target_list.iter().map(|entry| &entry.expr).chain(&query.having);
            if let Some(position) = exprs.find_map(|expr| first_position(expr, &own)) {
                let message = "aggregate functions are not allowed in a recursive query's recursive term";
                return Err(PgError::new(code::INVALID_RECURSION, message).at(Some(position)));
            }
        }
        query.constraint_deps = determining.into_inner();
        Ok(())
    }

    /// GROUPING's arguments must be GROUP BY items (`finalize_grouping_exprs`).
    fn settle_grouping_calls(&mut self, query: &mut Query) -> PgResult<()> {
        let calls = std::mem::take(&mut self.level().scope.grouping_calls);
        if calls.is_empty() {
            return Ok(());
        }
        let mut settled = Vec::with_capacity(calls.len());
        for call in &calls {
            let mut keys = Vec::with_capacity(call.args.len());
            for (arg, position) in &call.args {
                let same =
                    |key: &crate::query::SortGroup| same_expr(&query.target_list[key.target].expr, arg);
                let Some(key) = query.group_by.iter().position(same) else {
                    let message =
                        "arguments to GROUPING must be grouping expressions of the associated query level";
                    return Err(PgError::new(code::GROUPING_ERROR, message).at(Some(*position)));
                };
                keys.push(key);
            }
            settled.push(keys);
        }
        let mut settle = |node: &mut Expr, depth: usize| {
            if let Expr::Grouping { keys, levels_up } = node
                && *levels_up == depth
            {
                *keys = settled[keys[0]].clone();
            }
            true
        };
        for entry in &mut query.target_list {
            visit::rewrite(&mut entry.expr, 0, &mut settle);
        }
        if let Some(having) = &mut query.having {
            visit::rewrite(having, 0, &mut settle);
        }
        Ok(())
    }
}

/// The level that an aggregate or GROUPING belongs to, as seen from where it stands.
fn aggregation_level(node: &Expr) -> Option<usize> {
    match node {
        Expr::Aggregate(aggregate) => Some(aggregate.levels_up),
        Expr::Grouping { levels_up, .. } => Some(*levels_up),
        _ => None,
    }
}

/// The search for ungrouped columns.
struct Ungrouped<'q, 'a> {
    analyzer: &'q Analyzer<'a>,
    query: &'q Query,
    /// GROUP BY expressions.
    keys: &'q [&'q Expr],
    /// Plain columns that every grouping set has.
    common: &'q [Var],
    /// The primary keys that columns were found to be determined by.
    determining: &'q RefCell<Vec<Oid>>,
}

impl Ungrouped<'_, '_> {
    fn check(&self, expr: &Expr) -> PgResult<()> {
        let mut result = Ok(());
        visit::visit(expr, 0, &mut |node, depth| {
            if result.is_err() {
                return false;
            }
            match node {
                // What is aggregated here, or further out, has no columns of concern.
                Expr::Aggregate(aggregate) => aggregate.levels_up < depth,
                Expr::Var(var) if var.levels_up == depth => {
                    result = self.check_var(var, depth);
                    false
                }
                // A grouped expression is fine as a whole, but only outside of subqueries.
                _ if depth == 0 && self.keys.iter().any(|key| same_expr(key, node)) => false,
                _ => true,
            }
        });
        result
    }

    fn check_var(&self, var: &Var, depth: usize) -> PgResult<()> {
        let same = |other: &Var| other.rt == var.rt && other.attno == var.attno;
        let grouped =
            self.keys.iter().any(|key| matches!(key, Expr::Var(key) if same(key) && key.levels_up == 0));
        if grouped || self.is_determined(var)? {
            return Ok(());
        }
        let entry = &self.query.rtable[var.rt];
        let column = match var.attno {
            0 => "*",
            attno if attno > 0 => &entry.column_names[attno as usize - 1],
            attno => crate::scope::system_name(attno),
        };
        let message = if depth == 0 {
            format!(
                "column \"{}.{column}\" must appear in the GROUP BY clause or be used in an aggregate function",
                entry.alias
            )
        } else {
            format!("subquery uses ungrouped column \"{}.{column}\" from outer query", entry.alias)
        };
        Err(PgError::new(code::GROUPING_ERROR, message).at(var.position.offset()))
    }

    /// Whether the columns grouped by contain the primary key of the column's table
    /// (`check_functional_grouping`).
    fn is_determined(&self, var: &Var) -> PgResult<bool> {
        let RteKind::Relation { relid, .. } = self.query.rtable[var.rt].kind else { return Ok(false) };
        if self.common.is_empty() {
            return Ok(false);
        }
        let Some(relation) = self.analyzer.catalog.relation_by_oid(relid)? else { return Ok(false) };
        let grouped = |attno: &i16| self.common.iter().any(|key| key.rt == var.rt && key.attno == *attno);
        let determines = relation
            .constraints
            .iter()
            .filter(|constraint| constraint.contype == 'p' && !constraint.condeferrable)
            .find(|constraint| constraint.conkey.as_ref().is_some_and(|columns| columns.iter().all(grouped)));
        let Some(constraint) = determines else { return Ok(false) };
        let mut determining = self.determining.borrow_mut();
        if !determining.contains(&constraint.oid) {
            determining.push(constraint.oid);
        }
        Ok(true)
    }
}
