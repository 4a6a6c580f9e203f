//! WITH queries that keep a store, and subqueries in FROM.

use super::inspect;
use super::level::{LevelPlanner, PlannedLevel};
use super::path;
use crate::builder::Builder;
use crate::slot::{Slot, SlotSet};
use crate::subplan::CtePlan;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Datum;

impl Builder<'_> {
    /// Plans a subquery in FROM, of which only these columns (1-based; 0 for all) are used.
    pub(crate) fn plan_subquery(&mut self, mut query: Query, used: &[i16]) -> PgResult<PlannedLevel> {
        drop_unused_targets(&mut query, used);
        self.plan_level(query, 0.0)
    }

    /// Plans a WITH query, at its first use.
    pub(crate) fn plan_cte(&mut self, number: usize) -> PgResult<()> {
        let Some(cte) = self.ctes[number].definition.take() else { return Ok(()) };
        let query = *cte.query;
        let command = query.command;
        if command != CommandType::Select {
            return self.plan_modifying_cte(number, cte.name, query);
        }
        let planned = if cte.recursive && query.set_operation.is_some() {
            LevelPlanner::new(self, query, 0.0).plan_recursive_union(number)?
        } else {
            self.plan_level(query, 0.0)?
        };
        let path = path::cheapest_total(&planned.paths)
            .cloned()
            .ok_or_else(|| PgError::internal("failed to find a path for a WITH query"))?;
        let root = self.create(&planned.level, &path)?;
        let columns = self.output_slots(root, &planned)?;
        self.subplan_numbers += 1;
        let plan_number = self.subplan_numbers;
        let state = &mut self.ctes[number];
        (state.rows, state.width, state.total_cost) = (path.rows, path.width, path.total);
        state.plan = Some(CtePlan {
            name: cte.name,
            root,
            columns,
            command,
            external: SlotSet::new(),
            number: plan_number,
        });
        Ok(())
    }

    /// Plans the data-modifying WITH queries that nothing reads: they run all the same.
    pub(crate) fn plan_unread_changes(&mut self) -> PgResult<()> {
        for number in 0..self.ctes.len() {
            let definition = &self.ctes[number].definition;
            if definition.as_ref().is_some_and(|cte| cte.query.command != CommandType::Select) {
                self.plan_cte(number)?;
            }
        }
        Ok(())
    }

    /// The slots of a level's visible columns on its top node, computing what is no column.
    pub(crate) fn output_slots(
        &mut self,
        root: crate::node::NodeId,
        planned: &PlannedLevel,
    ) -> PgResult<Vec<Slot>> {
        let mut slots = Vec::new();
        let mut outputs = Vec::new();
        for entry in planned.level.targets.iter().filter(|entry| !entry.junk) {
            match &entry.expr {
                Expr::Var(var) if planned.level.locals.contains(var.rt) => {
                    slots.push(self.column(var.rt, var.attno));
                }
                other => {
                    let slot = self.new_slot();
                    outputs.push((other.clone(), slot));
                    slots.push(slot);
                }
            }
        }
        self.project(root, &outputs)?;
        Ok(slots)
    }
}

/// Replaces targets that nobody reads by NULL (`remove_unused_subquery_outputs`).
fn drop_unused_targets(query: &mut Query, used: &[i16]) {
    if used.contains(&0) || query.set_operation.is_some() || query.distinct.is_some() {
        return;
    }
    let mut visible = 0;
    for at in 0..query.target_list.len() {
        if query.target_list[at].junk {
            continue;
        }
        visible += 1;
        let is_key = query.sort.iter().chain(&query.group_by).any(|key| key.target == at)
            || query
                .windows
                .iter()
                .any(|window| window.partition_by.iter().chain(&window.order_by).any(|key| key.target == at));
        let entry = &mut query.target_list[at];
        if used.contains(&visible)
            || is_key
            || inspect::returns_set(&entry.expr)
            || inspect::is_volatile(&entry.expr)
        {
            continue;
        }
        if matches!(entry.expr, Expr::Const { .. }) {
            continue;
        }
        entry.expr = Expr::Const { value: Datum::Null, ty: entry.expr.ty() };
    }
}
