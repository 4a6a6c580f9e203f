//! One execution of a plan: the frame, the nodes' states, and the loop that asks for rows.

use crate::arrays::ArrayCaches;
use crate::cte::CteStore;
use crate::state::{SavedRow, State};
use crate::storage::Storage;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Env};
use redoubt_plan::node::{NodeId, NodeKind, Plan};
use redoubt_plan::slot::Slot;
use std::sync::Arc;

/// What an execution works with, besides its own state: the same for one call of [`Execution::next`].
#[derive(Clone, Copy)]
pub(crate) struct Cx<'a> {
    pub plan: &'a Plan,
    pub env: &'a dyn Env,
    pub storage: &'a Storage<'a>,
}

/// What the session lends to each call.
#[derive(Clone, Copy)]
pub struct ExecContext<'a> {
    /// Session and catalog, for functions.
    pub env: &'a dyn Env,
    /// Tables under the statement's snapshot.
    pub storage: &'a Storage<'a>,
}

/// A plan being executed. It owns nothing of the session, so that a portal can keep it.
pub struct Execution {
    plan: Arc<Plan>,
    /// All values of the statement; nodes write, expressions read.
    pub(crate) frame: Vec<Datum>,
    pub(crate) states: Vec<State>,
    /// Remembered values of init plans, by subplan number.
    pub(crate) init_values: Vec<Option<Datum>>,
    /// Hash tables of hashed subplans, by subplan number.
    pub(crate) hashed_subplans: Vec<Option<crate::subplan::HashedRows>>,
    pub(crate) ctes: Vec<CteStore>,
    /// The rows of the last round of recursive queries, by WITH query number.
    pub(crate) work_tables: Vec<Vec<SavedRow>>,
    pub(crate) array_caches: ArrayCaches,
    pub(crate) processed: u64,
    finished: bool,
}

impl Execution {
    /// Starts a plan with the values of `$1`, `$2`, ...
    pub fn new(plan: Arc<Plan>, params: &[Datum]) -> Execution {
        let mut frame = plan.frame.clone();
        for (slot, value) in plan.params.iter().zip(params) {
            if let Some(slot) = slot {
                frame[slot.index()] = value.clone();
            }
        }
        Execution {
            frame,
            states: plan.nodes.iter().map(|_| State::Fresh).collect(),
            init_values: vec![None; plan.subplans.len()],
            hashed_subplans: plan.subplans.iter().map(|_| None).collect(),
            ctes: plan.ctes.iter().map(|_| CteStore::default()).collect(),
            work_tables: vec![Vec::new(); plan.ctes.len()],
            array_caches: ArrayCaches::new(plan.array_caches),
            processed: 0,
            finished: false,
            plan,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Fetches the next row of the result; `false` at the end, and ever after.
    ///
    /// # Errors
    /// Whatever the statement runs into. An execution that has failed must not be used again.
    pub fn next(&mut self, context: &ExecContext<'_>) -> PgResult<bool> {
        if self.finished {
            return Ok(false);
        }
        let plan = self.plan.clone();
        let cx = Cx { plan: &plan, env: context.env, storage: context.storage };
        if self.next_row(&cx, plan.root)? {
            return Ok(true);
        }
        self.finished = true;
        self.finish_modifying_ctes(&cx)?;
        Ok(false)
    }

    /// The visible columns of the current row.
    pub fn row(&self) -> &[Datum] {
        let first = self.plan.first_column.index();
        &self.frame[first..first + self.plan.columns.len()]
    }

    /// Rows inserted, updated or deleted so far, for the command tag.
    pub fn processed(&self) -> u64 {
        self.processed
    }

    /// Fetches the next row of a node: its values are in the frame when this says `true`.
    pub(crate) fn next_row(&mut self, cx: &Cx<'_>, id: NodeId) -> PgResult<bool> {
        let node = &cx.plan.nodes[id.index()];
        loop {
            cx.env.check_interrupts()?;
            if !self.advance(cx, id, &node.kind)? {
                return Ok(false);
            }
            if let Some(filter) = &node.filter
                && !self.run(cx, &filter.program)?
            {
                continue;
            }
            if !node.project.steps.is_empty() {
                self.run(cx, &node.project)?;
            }
            return Ok(true);
        }
    }

    fn advance(&mut self, cx: &Cx<'_>, id: NodeId, kind: &NodeKind) -> PgResult<bool> {
        match kind {
            NodeKind::Result { child, once } => self.next_result(cx, id, *child, once.as_ref()),
            NodeKind::ProjectSet(node) => self.next_project_set(cx, id, node),
            NodeKind::SeqScan(node) => self.next_seq_scan(cx, id, node),
            NodeKind::IndexScan(node) => self.next_index_scan(cx, id, node),
            NodeKind::TidScan(node) => self.next_tid_scan(cx, id, node),
            NodeKind::SubqueryScan { child, .. } => self.next_row(cx, *child),
            NodeKind::FunctionScan(node) => self.next_function_scan(cx, id, node),
            NodeKind::ValuesScan(node) => self.next_values_scan(cx, id, node),
            NodeKind::CteScan(node) => self.next_cte_scan(cx, id, node),
            NodeKind::WorkTableScan(node) => self.next_work_table_scan(id, node),
            NodeKind::NestedLoop(node) => self.next_nested_loop(cx, id, node),
            NodeKind::HashJoin(node) => self.next_hash_join(cx, id, node),
            NodeKind::MergeJoin(node) => self.next_merge_join(cx, id, node),
            NodeKind::Hash(child) => self.next_row(cx, *child),
            NodeKind::Material(child) => self.next_material(cx, id, *child),
            NodeKind::Sort { child, keys, bound } => self.next_sort(cx, id, *child, keys, bound.as_ref()),
            NodeKind::Limit(node) => self.next_limit(cx, id, node),
            NodeKind::Unique { child, keys } | NodeKind::Group { child, keys } => {
                self.next_unique(cx, id, *child, keys)
            }
            NodeKind::Aggregate(node) => self.next_aggregate(cx, id, node),
            NodeKind::Append(children) => self.next_append(cx, id, children),
            NodeKind::MergeAppend { children, keys } => self.next_merge_append(cx, id, children, keys),
            NodeKind::SetOp(node) => self.next_set_op(cx, id, node),
            NodeKind::RecursiveUnion(node) => self.next_recursive_union(cx, id, node),
            NodeKind::LockRows(node) => self.next_lock_rows(cx, id, node),
            NodeKind::ModifyTable(node) => self.next_modify(cx, id, node),
            NodeKind::Window(_) => Err(redoubt_error::PgError::unsupported("window functions")),
            NodeKind::BitmapHeapScan(_)
            | NodeKind::BitmapIndexScan(_)
            | NodeKind::BitmapAnd(_)
            | NodeKind::BitmapOr(_) => Err(redoubt_error::PgError::unsupported("bitmap scans")),
        }
    }

    /// Makes a node start over. What does not depend on anything outside the subtree is kept where
    /// it was computed (sorted rows, hash tables) and only rewound.
    pub(crate) fn rescan(&mut self, cx: &Cx<'_>, id: NodeId) {
        let node = &cx.plan.nodes[id.index()];
        if node.external.is_empty() && self.states[id.index()].rewind() {
            return;
        }
        self.states[id.index()] = State::Fresh;
        for subplan in &node.init_plans {
            self.init_values[subplan.index()] = None;
        }
        for child in redoubt_plan::children(&node.kind) {
            self.rescan(cx, child);
        }
    }

    /// Takes a node's state out, to be put back by [`Execution::put`]: nodes change their state while
    /// they call others.
    pub(crate) fn take(&mut self, id: NodeId) -> State {
        std::mem::replace(&mut self.states[id.index()], State::Fresh)
    }

    pub(crate) fn put(&mut self, id: NodeId, state: State) {
        self.states[id.index()] = state;
    }

    /// Copies slots out of the frame.
    pub(crate) fn save(&self, slots: &[Slot]) -> Box<[Datum]> {
        slots.iter().map(|slot| self.frame[slot.index()].clone()).collect()
    }

    /// Writes slots back.
    pub(crate) fn restore(&mut self, slots: &[Slot], values: &[Datum]) {
        for (slot, value) in slots.iter().zip(values) {
            self.frame[slot.index()] = value.clone();
        }
    }

    /// Sets slots to NULL: an outer join's missing side.
    pub(crate) fn set_null(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.frame[slot.index()] = Datum::Null;
        }
    }
}
