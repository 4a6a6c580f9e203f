//! The settings that steer the planner, and which of them are not at their defaults.

use crate::access::Access;
use crate::session::Session;
use crate::settings::{Parameter, Source, value};
use redoubt_error::PgResult;
use redoubt_plan::CatalogFacts;
use redoubt_plan::facts::{PlannerContext, PlannerSettings};

/// What `EXPLAIN (SETTINGS)` looks at, in the order in which it shows them.
const SHOWN: &[Parameter] = &[
    Parameter::CpuIndexTupleCost,
    Parameter::CpuOperatorCost,
    Parameter::CpuTupleCost,
    Parameter::CursorTupleFraction,
    Parameter::EffectiveCacheSize,
    Parameter::EnableBitmapscan,
    Parameter::EnableHashagg,
    Parameter::EnableHashjoin,
    Parameter::EnableIndexonlyscan,
    Parameter::EnableIndexscan,
    Parameter::EnableMaterial,
    Parameter::EnableMergejoin,
    Parameter::EnableNestloop,
    Parameter::EnableSeqscan,
    Parameter::EnableSort,
    Parameter::EnableTidscan,
    Parameter::FromCollapseLimit,
    Parameter::HashMemMultiplier,
    Parameter::JoinCollapseLimit,
    Parameter::RandomPageCost,
    Parameter::SearchPath,
    Parameter::SeqPageCost,
    Parameter::WorkMem,
];

impl Session {
    /// The planner's settings as the session has them.
    pub(crate) fn planner_settings(&self) -> PlannerSettings {
        use Parameter as P;
        let settings = &self.settings;
        PlannerSettings {
            seq_page_cost: settings.real(P::SeqPageCost),
            random_page_cost: settings.real(P::RandomPageCost),
            cpu_tuple_cost: settings.real(P::CpuTupleCost),
            cpu_index_tuple_cost: settings.real(P::CpuIndexTupleCost),
            cpu_operator_cost: settings.real(P::CpuOperatorCost),
            effective_cache_size_pages: settings.int(P::EffectiveCacheSize) as f64,
            work_mem_kb: settings.int(P::WorkMem),
            hash_mem_multiplier: settings.real(P::HashMemMultiplier),
            cursor_tuple_fraction: settings.real(P::CursorTupleFraction),
            from_collapse_limit: settings.int(P::FromCollapseLimit) as usize,
            join_collapse_limit: settings.int(P::JoinCollapseLimit) as usize,
            enable_seqscan: settings.bool(P::EnableSeqscan),
            enable_indexscan: settings.bool(P::EnableIndexscan),
            enable_indexonlyscan: settings.bool(P::EnableIndexonlyscan),
            enable_bitmapscan: settings.bool(P::EnableBitmapscan),
            enable_tidscan: settings.bool(P::EnableTidscan),
            enable_sort: settings.bool(P::EnableSort),
            enable_hashagg: settings.bool(P::EnableHashagg),
            enable_nestloop: settings.bool(P::EnableNestloop),
            enable_material: settings.bool(P::EnableMaterial),
            enable_mergejoin: settings.bool(P::EnableMergejoin),
            enable_hashjoin: settings.bool(P::EnableHashjoin),
        }
    }

    /// Calls `plan` with what planning needs to know.
    pub(crate) fn with_planner<R>(
        &self,
        access: &Access<'_>,
        settings: &PlannerSettings,
        plan: impl FnOnce(&PlannerContext<'_>) -> PgResult<R>,
    ) -> PgResult<R> {
        let env = access.env();
        let facts = CatalogFacts { view: access.catalog(), env: &env, path: &access.path, host: access };
        plan(&PlannerContext { catalog: &facts, env: &env, settings, params: None, tuple_fraction: 0.0 })
    }

    /// The settings of planning that differ from what is built in, with their values as SHOW has them.
    pub(crate) fn changed_planner_settings(&self) -> Vec<(&'static str, String)> {
        let changed = |parameter: &&Parameter| {
            let (value, _, source) = self.settings.row(**parameter);
            source != Source::Default && value != default_text(**parameter)
        };
        SHOWN
            .iter()
            .filter(changed)
            .map(|parameter| (parameter.definition().name, self.settings.show_parameter(*parameter)))
            .collect()
    }
}

/// A parameter's built-in value, as `pg_settings` shows values.
fn default_text(parameter: Parameter) -> String {
    let definition = parameter.definition();
    value::show_raw(&value::parse(definition, definition.default).expect("defaults are valid"))
}
