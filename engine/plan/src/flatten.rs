//! Numbering: every range-table entry of every query level gets a number of its own.
//!
//! After this pass a `Var` says by its number alone which column of which entry it means, whatever
//! level it stands in: `levels_up` is 0 everywhere, and expressions can be moved between levels
//! freely. (PostgreSQL's planner adjusts `varlevelsup` and range-table offsets at each such move.)
//! Aggregates and GROUPING keep their `levels_up`, relative to where they stand.
//! WITH queries that are used once are put in the place of their use here, as PostgreSQL's
//! `inline_cte` does (src/backend/optimizer/plan/subselect.c).

use crate::builder::{Builder, CteState};
use crate::node::Permission;
use crate::planner::sublink::outer_columns;
use crate::range::{PlanRange, RangeKind};
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};

/// One query level as its inner levels see it.
pub(crate) struct Level {
    /// The number of the level's first range-table entry.
    base: usize,
    /// Its WITH queries.
    ctes: Vec<CteUse>,
}

/// What a reference to a WITH query turns into.
#[derive(Clone)]
enum CteUse {
    /// The query itself, not yet numbered, to be copied in.
    Inline(Query),
    /// A store, by number.
    Stored(usize),
}

impl Builder<'_> {
    /// Numbers a whole statement and notes which columns are used.
    pub(crate) fn flatten_statement(&mut self, query: &mut Query) -> PgResult<()> {
        self.flatten(query, &mut Vec::new())?;
        self.note_used(query);
        Ok(())
    }

    /// Notes the columns that the query's expressions refer to.
    pub(crate) fn note_used(&mut self, query: &Query) {
        walk::visit_query(query, 0, &mut |expr, _| {
            if let Expr::Var(var) = expr {
                self.used.entry(var.rt).or_default().insert(var.attno);
                if var.attno == 0 {
                    self.row_types.insert(var.rt, var.type_oid);
                }
            }
            true
        });
    }

    fn flatten(&mut self, query: &mut Query, outer: &mut Vec<Level>) -> PgResult<()> {
        let base = self.ranges.len();
        for (index, entry) in query.rtable.iter().enumerate() {
            self.add_range(entry, index);
        }
        outer.push(Level { base, ctes: Vec::new() });
        let result = self.flatten_level(query, outer, base);
        outer.pop();
        result
    }

    fn flatten_level(&mut self, query: &mut Query, outer: &mut Vec<Level>, base: usize) -> PgResult<()> {
        for cte in std::mem::take(&mut query.ctes) {
            let usage = self.flatten_cte(cte, outer)?;
            outer.last_mut().expect("the level was pushed").ctes.push(usage);
        }
        for index in 0..query.rtable.len() {
            self.flatten_entry(&mut query.rtable[index], outer, base + index)?;
        }
        for item in &mut query.jointree.items {
            shift_from_item(item, base);
        }
        if let Some(result) = &mut query.result_relation {
            *result += base;
        }
        if let Some(excluded) = query.on_conflict.as_mut().and_then(|conflict| conflict.excluded_rt.as_mut())
        {
            *excluded += base;
        }
        for mark in &mut query.row_marks {
            mark.rt += base;
        }
        if let Some(operation) = &mut query.set_operation {
            shift_set_operation(operation, base);
        }
        self.flatten_own_exprs(query, outer)
    }

    /// Renumbers the expressions that belong to this level, not those of its range table (which
    /// `flatten_entry` has done).
    fn flatten_own_exprs(&mut self, query: &mut Query, outer: &mut Vec<Level>) -> PgResult<()> {
        let rtable = std::mem::take(&mut query.rtable);
        let mut failure = None;
        walk::rewrite_query(query, 0, &mut |expr, _| match self.flatten_node(expr, outer) {
            Ok(descend) => descend && failure.is_none(),
            Err(error) => {
                failure.get_or_insert(error);
                false
            }
        });
        query.rtable = rtable;
        failure.map_or(Ok(()), Err)
    }

    fn flatten_expr(&mut self, expr: &mut Expr, outer: &mut Vec<Level>) -> PgResult<()> {
        let mut failure = None;
        walk::rewrite(expr, 0, &mut |expr, _| match self.flatten_node(expr, outer) {
            Ok(descend) => descend && failure.is_none(),
            Err(error) => {
                failure.get_or_insert(error);
                false
            }
        });
        failure.map_or(Ok(()), Err)
    }

    /// Renumbers one node; says whether the walker should go on to its children.
    fn flatten_node(&mut self, expr: &mut Expr, outer: &mut Vec<Level>) -> PgResult<bool> {
        match expr {
            Expr::Var(var) => {
                let level = outer
                    .len()
                    .checked_sub(1 + var.levels_up)
                    .ok_or_else(|| PgError::internal("bogus varlevelsup in a column reference"))?;
                var.rt += outer[level].base;
                var.levels_up = 0;
                Ok(true)
            }
            Expr::SubLink(link) => {
                for test in &mut link.tests {
                    self.flatten_expr(&mut test.left, outer)?;
                    for arg in &mut test.call.args {
                        self.flatten_expr(arg, outer)?;
                    }
                }
                self.flatten(&mut link.query, outer)?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    fn flatten_entry(
        &mut self,
        entry: &mut RangeTblEntry,
        outer: &mut Vec<Level>,
        range: usize,
    ) -> PgResult<()> {
        match &mut entry.kind {
            RteKind::Subquery(inner) => self.flatten(inner, outer),
            RteKind::Function { functions, .. } => {
                functions.iter_mut().try_for_each(|function| self.flatten_expr(&mut function.call, outer))
            }
            RteKind::Values(rows) => {
                rows.iter_mut().flatten().try_for_each(|value| self.flatten_expr(value, outer))
            }
            RteKind::Cte { levels_up, index, self_reference, outer: reads, .. } => {
                let level = outer
                    .len()
                    .checked_sub(1 + *levels_up)
                    .ok_or_else(|| PgError::internal("bad levelsup for a CTE"))?;
                match outer[level].ctes.get(*index).cloned() {
                    Some(CteUse::Stored(number)) => {
                        (*levels_up, *index) = (0, number);
                        // Whoever asks what the query around depends on cannot see the definition any more.
                        let definition = self.ctes[number].definition.as_ref();
                        *reads = definition.map_or_else(Vec::new, |cte| outer_columns(&cte.query));
                        self.ranges[range].kind = if *self_reference {
                            RangeKind::WorkTable(number)
                        } else {
                            RangeKind::Cte(number)
                        };
                        Ok(())
                    }
                    Some(CteUse::Inline(mut query)) => {
                        let inner_levels = outer.split_off(level + 1);
                        let result = self.flatten(&mut query, outer);
                        shift_levels(&mut query, inner_levels.len());
                        outer.extend(inner_levels);
                        entry.kind = RteKind::Subquery(Box::new(query));
                        self.ranges[range].kind = RangeKind::Subquery;
                        result
                    }
                    // The term of a recursive query refers to the query that is being numbered.
                    None => Err(PgError::internal("reference to an unknown WITH query")),
                }
            }
            RteKind::Relation { .. } | RteKind::Join | RteKind::Excluded => Ok(()),
        }
    }

    fn flatten_cte(&mut self, mut cte: Cte, outer: &mut Vec<Level>) -> PgResult<CteUse> {
        if may_inline(&cte)? {
            return Ok(CteUse::Inline(*cte.query));
        }
        let number = self.ctes.len();
        self.ctes.push(CteState {
            definition: None,
            plan: None,
            rows: 0.0,
            width: 0,
            total_cost: 0.0,
            work: None,
        });
        if cte.recursive {
            // Its own query must find it while it is numbered.
            outer.last_mut().expect("the level was pushed").ctes.push(CteUse::Stored(number));
        }
        let result = self.flatten(&mut cte.query, outer);
        if cte.recursive {
            outer.last_mut().expect("the level was pushed").ctes.pop();
        }
        result?;
        self.note_used(&cte.query);
        self.ctes[number].definition = Some(cte);
        Ok(CteUse::Stored(number))
    }

    fn add_range(&mut self, entry: &RangeTblEntry, local: usize) {
        if entry.perms_relid != 0 {
            let relkind = match &entry.kind {
                RteKind::Relation { relkind, .. } => *relkind,
                _ => 'v',
            };
            self.permissions.push(Permission {
                relid: entry.perms_relid,
                relkind,
                check_as_user: entry.check_as_user,
                perms: entry.required_perms,
                selected: entry.selected_columns.clone(),
                modified: entry.modified_columns.clone(),
            });
        }
        let kind = match &entry.kind {
            RteKind::Relation { relid, relkind, desc } => {
                RangeKind::Relation { relid: *relid, relkind: *relkind, desc: desc.clone() }
            }
            RteKind::Subquery(_) => RangeKind::Subquery,
            RteKind::Join => RangeKind::Join,
            RteKind::Function { .. } => RangeKind::Function,
            RteKind::Values(_) => RangeKind::Values,
            RteKind::Cte { .. } => RangeKind::Cte(usize::MAX),
            RteKind::Excluded => RangeKind::NewRow,
        };
        self.ranges.push(PlanRange {
            alias: entry.alias.clone(),
            column_names: entry.column_names.clone(),
            columns: entry.columns.clone(),
            kind,
            sample: entry.sample.clone(),
        });
        self.local_index.push(local);
    }
}

/// PostgreSQL's conditions for replacing the references to a WITH query by the query.
fn may_inline(cte: &Cte) -> PgResult<bool> {
    let wanted = match cte.materialized {
        Some(true) => false,
        Some(false) => cte.references > 0,
        None => cte.references == 1,
    };
    // Volatile calls must run exactly once.
    let volatile = walk::any_in_query(
        &cte.query,
        &mut |expr, _| matches!(expr, Expr::Call(call) if call.volatility == 'v'),
    );
    let simple = !cte.recursive
        && cte.query.command == CommandType::Select
        && cte.query.row_marks.is_empty()
        && !volatile;
    // A level finds its aggregates in the tree, which a stored query is not part of.
    let computed_outside = walk::any_in_query(&cte.query, &mut |expr, depth| own_level(expr) > depth);
    if computed_outside && !(simple && cte.references == 1) {
        return Err(PgError::unsupported("an aggregate of an outer query in a WITH query that is kept"));
    }
    Ok(simple && (wanted || computed_outside))
}

/// How many levels up an aggregate or GROUPING belongs.
fn own_level(expr: &Expr) -> usize {
    match expr {
        Expr::Aggregate(aggregate) => aggregate.levels_up,
        Expr::Grouping { levels_up, .. } => *levels_up,
        _ => 0,
    }
}

/// Says of a query that is put some levels further in that what it has of outer levels is that much further out.
fn shift_levels(query: &mut Query, by: usize) {
    walk::rewrite_query(query, 0, &mut |expr, depth| {
        match expr {
            Expr::Aggregate(aggregate) if aggregate.levels_up > depth => aggregate.levels_up += by,
            Expr::Grouping { levels_up, .. } if *levels_up > depth => *levels_up += by,
            _ => {}
        }
        true
    });
}

fn shift_from_item(item: &mut FromItem, base: usize) {
    match item {
        FromItem::Rte(range) => *range += base,
        FromItem::Join { left, right, rt, .. } => {
            *rt += base;
            shift_from_item(left, base);
            shift_from_item(right, base);
        }
    }
}

fn shift_set_operation(operation: &mut SetOperation, base: usize) {
    match operation {
        SetOperation::Leaf(range) => *range += base,
        SetOperation::Node { left, right, .. } => {
            shift_set_operation(left, base);
            shift_set_operation(right, base);
        }
    }
}
