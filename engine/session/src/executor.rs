//! The choice between the row executor and DataFusion (`redoubt.executor`).

use crate::session::Session;
use crate::settings::Parameter;
use redoubt_columnar::{COST_FACTOR, DataFusion, offload_all, offload_parts};
use redoubt_error::PgResult;
use redoubt_plan::Plan;
use redoubt_plan::facts::PlannerSettings;

/// Where a statement that is planned comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The client: the setting says who runs it.
    Client,
    /// The server itself; the row executor runs it, whatever the setting.
    Server,
}

impl Session {
    /// DataFusion for a plan that gives parts of itself away; most do not, and are spared the work.
    pub(crate) fn datafusion_for(&self, plan: &Plan) -> Option<DataFusion> {
        plan.offloaded().next().is_some().then(|| self.datafusion())
    }

    /// DataFusion under the session's settings.
    fn datafusion(&self) -> DataFusion {
        let memory_kib = self.settings.int(Parameter::RedoubtDatafusionMem);
        DataFusion {
            memory_bytes: memory_kib as usize * 1024,
            spill_directory: crate::work::directory(&self.settings),
            forced: self.datafusion_only(),
            spill_bytes: self.work().file_bytes,
        }
    }

    /// Whether every query of the client must run in DataFusion.
    pub(crate) fn datafusion_only(&self) -> bool {
        self.settings.text(Parameter::RedoubtExecutor) == "datafusion"
    }

    /// A plan with the parts in it that DataFusion is to run. `fraction` is the share of the rows that is expected to
    /// be fetched, 0 for all of them; `replan` plans the same statement under other settings.
    ///
    /// # Errors
    /// `0A000` when DataFusion must run all of it and cannot; those of planning.
    pub(crate) fn choose_executor(
        &self,
        plan: Plan,
        fraction: f64,
        replan: impl FnOnce(&PlannerSettings) -> PgResult<Plan>,
    ) -> PgResult<Plan> {
        let total = |plan: &Plan| plan.nodes[plan.root.index()].estimate.total;
        if self.datafusion_only() {
            return offload_all(replan(&self.columnar_settings())?);
        }
        let min_cost = self.settings.real(Parameter::RedoubtDatafusionAboveCost);
        let by_rows = self.settings.text(Parameter::RedoubtExecutor) == "row";
        // Who fetches a part of the rows may never ask for the rest, and batches are computed whole.
        let in_part = fraction > 0.0;
        if by_rows || in_part || !plan.read_only || min_cost < 0.0 || total(&plan) < min_cost {
            return Ok(plan);
        }
        // Only a costly statement is planned twice.
        let (other, gives_away) =
            offload_parts(replan(&self.columnar_settings())?, min_cost, self.datafusion().memory_bytes);
        let saved: f64 = other
            .offloaded()
            .map(|(node, _)| other.nodes[node.index()].estimate.total * (1.0 - COST_FACTOR))
            .sum();
        Ok(if gives_away && total(&other) - saved < total(&plan) { other } else { plan })
    }

    /// Settings under which the planner makes the plans that DataFusion can run: tables read from end to end,
    /// joined and grouped by hashing.
    fn columnar_settings(&self) -> PlannerSettings {
        PlannerSettings {
            enable_indexscan: false,
            enable_indexonlyscan: false,
            enable_bitmapscan: false,
            enable_tidscan: false,
            enable_mergejoin: false,
            enable_nestloop: false,
            enable_seqscan: true,
            enable_hashjoin: true,
            enable_hashagg: true,
            enable_sort: true,
            ..self.planner_settings()
        }
    }
}
