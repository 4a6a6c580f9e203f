//! WITH queries kept in a store, and recursion.

use crate::execution::{Cx, Execution};
use crate::state::{SavedRow, State};
use redoubt_analyze::query::CommandType;
use redoubt_error::PgResult;
use redoubt_plan::node::{GroupKey, NodeId, RecursiveUnion};
use redoubt_plan::scan::CteScan;
use rustc_hash::FxHashMap;

/// The rows of one WITH query, read as far as anyone has asked.
#[derive(Default)]
pub(crate) struct CteStore {
    rows: Vec<SavedRow>,
    complete: bool,
}

impl Execution {
    /// Reads the store; at its end the query itself is asked for one more row.
    pub(crate) fn next_cte_scan(&mut self, cx: &Cx<'_>, id: NodeId, node: &CteScan) -> PgResult<bool> {
        let at = match self.states[id.index()] {
            State::Next(at) => at,
            _ => 0,
        };
        if at >= self.ctes[node.cte].rows.len() && !self.read_cte(cx, node.cte)? {
            return Ok(false);
        }
        self.put(id, State::Next(at + 1));
        for (column, slot) in &node.columns {
            let value = self.ctes[node.cte].rows[at][*column].clone();
            self.frame[slot.index()] = value;
        }
        Ok(true)
    }

    /// Fetches one row into the store.
    fn read_cte(&mut self, cx: &Cx<'_>, cte: usize) -> PgResult<bool> {
        if self.ctes[cte].complete {
            return Ok(false);
        }
        let plan = cx.plan.ctes[cte].as_ref().expect("a WITH query that is read has a plan");
        if !self.next_row(cx, plan.root)? {
            self.ctes[cte].complete = true;
            return Ok(false);
        }
        let row = self.save(&plan.columns);
        self.ctes[cte].rows.push(row);
        Ok(true)
    }

    /// WITH queries that change data run to their end whether anyone reads them or not.
    pub(crate) fn finish_modifying_ctes(&mut self, cx: &Cx<'_>) -> PgResult<()> {
        for cte in 0..cx.plan.ctes.len() {
            let modifies = cx.plan.ctes[cte].as_ref().is_some_and(|plan| plan.command != CommandType::Select);
            while modifies && self.read_cte(cx, cte)? {}
        }
        Ok(())
    }

    /// The working table: what the last round of a recursive query yielded.
    pub(crate) fn next_work_table_scan(&mut self, id: NodeId, node: &CteScan) -> PgResult<bool> {
        let at = match self.states[id.index()] {
            State::Next(at) => at,
            _ => 0,
        };
        let Some(row) = self.work_tables[node.cte].get(at) else { return Ok(false) };
        for (column, slot) in &node.columns {
            self.frame[slot.index()] = row[*column].clone();
        }
        self.put(id, State::Next(at + 1));
        Ok(true)
    }

    /// The start term once, then the recursive term over the rows of the round before, until a round
    /// yields nothing. The working table is apart from the store that readers of the query share.
    pub(crate) fn next_recursive_union(
        &mut self,
        cx: &Cx<'_>,
        id: NodeId,
        node: &RecursiveUnion,
    ) -> PgResult<bool> {
        let mut state = match self.take(id) {
            State::Recursive(state) => state,
            _ => {
                self.work_tables[node.cte].clear();
                Box::default()
            }
        };
        let result = self.recurse(cx, node, &mut state);
        self.put(id, State::Recursive(state));
        result
    }

    fn recurse(&mut self, cx: &Cx<'_>, node: &RecursiveUnion, state: &mut RecursiveState) -> PgResult<bool> {
        loop {
            let term = if state.in_step { node.step } else { node.start };
            while self.next_row(cx, term)? {
                if let Some(keys) = &node.distinct
                    && !self.is_new(cx, keys, state)?
                {
                    continue;
                }
                state.produced.push(self.save(&node.columns));
                return Ok(true);
            }
            if state.produced.is_empty() {
                return Ok(false);
            }
            self.work_tables[node.cte] = std::mem::take(&mut state.produced);
            state.in_step = true;
            self.reset(cx, node.step);
        }
    }

    /// Starts a subtree over, keeping nothing: the working table has changed under it.
    fn reset(&mut self, cx: &Cx<'_>, id: NodeId) {
        self.states[id.index()] = State::Fresh;
        for subplan in &cx.plan.nodes[id.index()].init_plans {
            self.init_values[subplan.index()] = None;
        }
        for child in redoubt_plan::children(&cx.plan.nodes[id.index()].kind) {
            self.reset(cx, child);
        }
    }

    fn is_new(&mut self, cx: &Cx<'_>, keys: &[GroupKey], state: &mut RecursiveState) -> PgResult<bool> {
        let hash = self.hash_keys(keys);
        for seen in state.seen.get(&hash).into_iter().flatten() {
            if self.same_keys(cx, keys, seen)? {
                return Ok(false);
            }
        }
        let values = self.key_values(keys);
        state.seen.entry(hash).or_default().push(values);
        Ok(true)
    }
}

/// A recursive query's progress.
#[derive(Default)]
pub(crate) struct RecursiveState {
    /// The start term is done.
    in_step: bool,
    /// Rows of the round that is running.
    produced: Vec<SavedRow>,
    /// UNION: all rows so far.
    seen: FxHashMap<u64, Vec<SavedRow>>,
}
