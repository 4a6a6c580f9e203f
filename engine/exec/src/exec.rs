//! Executions: a plan being run.

use crate::context::ExecContext;
use crate::cte::CteState;
use crate::instrument::Meter;
use crate::interpret::ArrayCache;
use crate::node::PlanState;
use crate::recheck::Candidates;
use crate::referential::EventQueue;
use crate::spill::tuple_store::TupleStore;
use crate::subplan::SubPlanState;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::explain::Measurements;
use redoubt_plan::{Plan, Slot};
use std::sync::Arc;

/// What an execution keeps besides its nodes' own state.
#[derive(Default)]
pub(crate) struct Runtime {
    pub frame: Vec<Datum>,
    pub arrays: Vec<Option<ArrayCache>>,
    pub subplans: Vec<Option<Box<SubPlanState>>>,
    pub ctes: Vec<Option<Box<CteState>>>,
    /// Working tables of recursive WITH queries.
    pub work_tables: Vec<TupleStore>,
    /// Rows changed, for the command tag.
    pub processed: u64,
    /// Foreign keys to look after when the statement is done.
    pub events: EventQueue,
    /// What EXPLAIN ANALYZE measures.
    pub meter: Option<Box<Meter>>,
}

/// An execution while it runs: plan, circumstances, frame.
pub(crate) struct Exec<'a> {
    pub plan: &'a Plan,
    /// The same, for those who keep it; absent where there are only expressions to compute.
    pub shared_plan: Option<&'a Arc<Plan>>,
    pub ctx: &'a ExecContext<'a>,
    pub frame: Vec<Datum>,
    pub arrays: Vec<Option<ArrayCache>>,
    pub subplans: Vec<Option<Box<SubPlanState>>>,
    pub ctes: Vec<Option<Box<CteState>>>,
    /// Working tables of recursive WITH queries.
    pub work_tables: Vec<TupleStore>,
    pub processed: u64,
    /// While a row is checked again: the rows that the FROM items deliver.
    pub candidates: Option<Candidates>,
    /// Foreign keys to look after when the statement is done.
    pub events: EventQueue,
    /// What EXPLAIN ANALYZE measures; absent otherwise.
    pub meter: Option<Box<Meter>>,
}

impl<'a> Exec<'a> {
    pub(crate) fn resume(plan: &'a Plan, ctx: &'a ExecContext<'a>, runtime: Runtime) -> Self {
        let Runtime { frame, arrays, subplans, ctes, work_tables, processed, events, meter } = runtime;
        Exec {
            plan,
            shared_plan: None,
            ctx,
            frame,
            arrays,
            subplans,
            ctes,
            work_tables,
            processed,
            candidates: None,
            events,
            meter,
        }
    }

    pub(crate) fn suspend(self) -> Runtime {
        let Exec { frame, arrays, subplans, ctes, work_tables, processed, events, meter, .. } = self;
        Runtime { frame, arrays, subplans, ctes, work_tables, processed, events, meter }
    }

    /// Reads a slot.
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> &Datum {
        &self.frame[slot.index()]
    }

    /// Writes a slot.
    #[inline]
    pub(crate) fn set(&mut self, slot: Slot, value: Datum) {
        self.frame[slot.index()] = value;
    }
}

/// An execution of a plan: a portal's state. It holds no borrow, so it may be kept between calls.
pub struct Execution {
    plan: Arc<Plan>,
    runtime: Runtime,
    root: PlanState,
    done: bool,
}

impl Execution {
    /// Prepares an execution. `params` are the values of `$1`, `$2`, ...
    pub fn new(plan: Arc<Plan>, params: &[Datum]) -> Execution {
        let mut frame = plan.frame.clone();
        for (slot, value) in plan.params.iter().zip(params) {
            if let Some(slot) = slot {
                frame[slot.index()] = value.clone();
            }
        }
        let mut arrays = Vec::new();
        arrays.resize_with(plan.array_caches as usize, || None);
        let mut subplans = Vec::new();
        subplans.resize_with(plan.subplans.len(), || None);
        let mut ctes = Vec::new();
        ctes.resize_with(plan.ctes.len(), || None);
        let root = PlanState::new(&plan, plan.root);
        let mut work_tables = Vec::new();
        work_tables.resize_with(plan.ctes.len(), TupleStore::default);
        let runtime = Runtime { frame, arrays, subplans, ctes, work_tables, ..Runtime::default() };
        Execution { plan, runtime, root, done: false }
    }

    /// As [`Execution::new`], measuring rows and loops of every node and, with `timing`, times.
    pub fn measured(plan: Arc<Plan>, params: &[Datum], timing: bool) -> Execution {
        let meter = Box::new(Meter::new(plan.nodes.len(), timing));
        let mut execution = Execution::new(plan, params);
        execution.runtime.meter = Some(meter);
        execution
    }

    /// What was measured so far; nothing unless the execution was made to measure.
    pub fn measurements(&mut self) -> Measurements {
        match &mut self.runtime.meter {
            Some(meter) => Measurements { nodes: meter.finish(), execution_ms: 0.0 },
            None => Measurements::default(),
        }
    }

    /// The state before the first row, for what drives the plan's nodes itself.
    pub(crate) fn into_runtime(self) -> Runtime {
        self.runtime
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Fetches the next row of the result; false at the end, and ever after.
    ///
    /// # Errors
    /// Those of the statement. After an error the execution must be dropped.
    pub fn next(&mut self, ctx: &ExecContext<'_>) -> PgResult<bool> {
        if self.done {
            return Ok(false);
        }
        let mut exec = Exec::resume(&self.plan, ctx, std::mem::take(&mut self.runtime));
        exec.shared_plan = Some(&self.plan);
        let found = self.root.next(&mut exec).and_then(|found| {
            if !found {
                exec.finish_ctes()?;
                exec.run_events()?;
            }
            Ok(found)
        });
        self.runtime = exec.suspend();
        self.done = !matches!(found, Ok(true));
        found
    }

    /// The visible columns of the current row.
    pub fn row(&self) -> &[Datum] {
        let first = self.plan.first_column.index();
        &self.runtime.frame[first..first + self.plan.columns.len()]
    }

    /// Rows inserted, updated or deleted so far, for the command tag.
    pub fn processed(&self) -> u64 {
        self.runtime.processed
    }
}
