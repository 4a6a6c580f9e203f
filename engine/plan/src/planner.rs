//! The planner: an analyzed query into a plan.
//!
//! One level at a time, bottom up, in PostgreSQL's order (src/backend/optimizer/README): the query
//! is numbered and simplified, conditions are distributed, ways to scan and join are costed, and
//! grouping, windows, DISTINCT, ORDER BY and LIMIT are put on top. The cheapest path then becomes
//! nodes, and a last pass works out which slots live where.

pub(crate) mod base;
mod bitmap;
pub(crate) mod clause;
mod common_conjuncts;
pub(crate) mod cost;
mod create;
pub(crate) mod cte;
mod deconstruct;
pub(crate) mod equivalence;
mod expand;
mod finish;
mod fold;
mod grouping;
mod implied;
mod index_cost;
mod index_paths;
pub(crate) mod inspect;
mod join_cost;
mod join_paths;
mod join_size;
mod joining;
pub(crate) mod level;
mod liveness;
mod modify;
mod order;
pub(crate) mod path;
mod prepare;
mod pullup;
pub(crate) mod relset;
mod select;
pub(crate) mod selectivity;
mod setop;
pub(crate) mod sublink;
mod tid_paths;
mod windows;

use crate::builder::Builder;
use crate::facts::PlannerContext;
use crate::node::{OutputColumn, Plan};
use level::{LevelPlanner, PlannedLevel};
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};

/// Plans one SELECT, INSERT, UPDATE or DELETE.
///
/// # Errors
/// Those of evaluating constant expressions and reading the catalog; `0A000` for what is not
/// supported yet.
pub fn plan(mut query: Query, ctx: &PlannerContext<'_>) -> PgResult<Plan> {
    expand::expand_sql_calls(&mut query, ctx)?;
    let mut builder = Builder::new(ctx);
    builder.flatten_statement(&mut query)?;
    let command = query.command;
    let planned = match command {
        CommandType::Select => builder.plan_top_select(query)?,
        _ => builder.plan_modify(query, true)?,
    };
    builder.plan_unread_changes()?;
    builder.finish(command, planned)
}

/// Plans what COPY FROM does with each row: an INSERT of one row of parameters, to be run with
/// many rows of them. `condition` is its WHERE, over the table's row as range-table entry 0.
///
/// # Errors
/// As [`plan`].
pub fn plan_copy(mut query: Query, condition: Option<Expr>, ctx: &PlannerContext<'_>) -> PgResult<Plan> {
    let mut builder = Builder::new(ctx);
    builder.copy_condition = condition;
    builder.flatten_statement(&mut query)?;
    let planned = builder.plan_modify(query, true)?;
    builder.finish(CommandType::Insert, planned)
}

/// A planned statement: its top node, the visible columns and where they lie.
pub(crate) struct TopPlan {
    pub root: crate::node::NodeId,
    pub columns: Vec<OutputColumn>,
    pub first_column: crate::slot::Slot,
}

impl<'a> Builder<'a> {
    /// Plans a query level; the caller picks a path and makes it a plan.
    pub(crate) fn plan_level(&mut self, query: Query, fraction: f64) -> PgResult<PlannedLevel> {
        let mut planner = LevelPlanner::new(self, query, fraction);
        if planner.query.set_operation.is_some() {
            planner.plan_set_operation()
        } else {
            planner.plan_select()
        }
    }

    /// Plans a SELECT whose visible columns go to consecutive slots.
    fn plan_top_select(&mut self, query: Query) -> PgResult<TopPlan> {
        let visible: Vec<usize> =
            query.target_list.iter().enumerate().filter(|(_, entry)| !entry.junk).map(|(at, _)| at).collect();
        let columns: Vec<OutputColumn> = visible
            .iter()
            .map(|&at| {
                let entry = &query.target_list[at];
                OutputColumn { name: entry.name.clone(), ty: entry.expr.ty(), origin: entry.origin }
            })
            .collect();
        let first_column = self.new_slots(columns.len());
        // A plain column's scan writes straight into the result row.
        for (index, &at) in visible.iter().enumerate() {
            if let Expr::Var(var) = &query.target_list[at].expr {
                self.columns.entry((var.rt, var.attno)).or_insert(first_column.plus(index));
            }
        }
        let fraction = self.ctx.tuple_fraction;
        let planned = self.plan_level(query, fraction)?;
        let path = path::cheapest_fractional(&planned.paths, fraction)
            .cloned()
            .ok_or_else(|| PgError::internal("failed to find a path for the query"))?;
        let root = self.create(&planned.level, &path)?;
        let outputs: Vec<(Expr, crate::slot::Slot)> = visible
            .iter()
            .enumerate()
            .map(|(index, &at)| (planned.level.targets[at].expr.clone(), first_column.plus(index)))
            .collect();
        self.project(root, &outputs)?;
        Ok(TopPlan { root, columns, first_column })
    }

    fn finish(mut self, command: CommandType, top: TopPlan) -> PgResult<Plan> {
        self.fill_scans();
        let ctes = std::mem::take(&mut self.ctes).into_iter().map(|state| state.plan).collect::<Vec<_>>();
        let fixed = self.fixed;
        let mut plan = Plan {
            command,
            nodes: self.nodes,
            root: top.root,
            frame: self.frame,
            params: self.params,
            call_sites: self.call_sites,
            subplans: self.subplans,
            ctes,
            ranges: self.ranges,
            columns: top.columns,
            first_column: top.first_column,
            array_caches: self.array_caches,
            permissions: self.permissions,
            read_only: !self.writes,
        };
        liveness::annotate(&mut plan, &fixed);
        Ok(plan)
    }
}

pub use liveness::children;
