//! Plans of the statements that the executor makes up: what foreign keys do to the rows that refer to a key.

use crate::executor::Origin;
use crate::plan_cache::CachedPlan;
use crate::session::Session;
use redoubt_analyze::Params;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;
use redoubt_plan::Plan;
use std::collections::HashMap;
use std::sync::Arc;

/// Plans that are remembered per session.
const MAX_PLANS: usize = 256;

/// Plans by text and parameter types.
#[derive(Default)]
pub(crate) struct InternalPlans(HashMap<(String, Vec<Oid>), CachedPlan>);

impl Session {
    /// A plan for a statement of the server's own, its tables locked. All names in the text are qualified.
    pub(crate) fn internal_plan(&self, text: &str, types: &[Oid]) -> PgResult<Arc<Plan>> {
        let key = (text.to_string(), types.to_vec());
        let known = self.internal_plans.borrow_mut().0.remove(&key);
        if let Some(cached) = known
            && let Some(planned) = self.reuse(&cached)?
        {
            self.internal_plans.borrow_mut().0.insert(key, cached);
            return Ok(planned.plan);
        }
        let statements = redoubt_sql::parse(text)?;
        let dml = match statements.as_slice() {
            [statement] => statement.kind.as_dml(),
            _ => None,
        };
        let dml = dml.ok_or_else(|| PgError::internal("an internal statement cannot be planned"))?;
        let (planned, cached) = self.plan_to_keep(&dml, &Params::fixed(types.to_vec()), Origin::Server)?;
        if let Some(cached) = cached {
            let mut plans = self.internal_plans.borrow_mut();
            if plans.0.len() >= MAX_PLANS {
                plans.0.clear();
            }
            plans.0.insert(key, cached);
        }
        Ok(planned.plan)
    }
}
