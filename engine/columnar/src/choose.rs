//! Which parts of a plan DataFusion runs.

use crate::evaluate::Surroundings;
use crate::translate::{Refusal, Translator, depends_on_order};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::PlainEnv;
use redoubt_plan::{NodeId, NodeKind, Plan, children};
use std::sync::Arc;

/// The name that EXPLAIN shows.
pub const NAME: &str = "DataFusion";

/// What the planner's estimate of a plan is multiplied by when DataFusion runs it, to be compared with a plan
/// for the row executor. The README has the measurements behind it.
pub const COST_FACTOR: f64 = 0.5;

/// Gives a whole plan to DataFusion.
///
/// # Errors
/// `0A000` naming what has no translation.
pub fn offload_all(plan: Plan) -> PgResult<Plan> {
    let plan = Arc::new(plan);
    if let Err(Refusal(what)) = translatable(&plan, plan.root) {
        return Err(unsupported(&what));
    }
    let mut plan = unshared(plan);
    let root = plan.root;
    plan.offload(root, NAME);
    Ok(plan)
}

/// Gives those subtrees of a plan to DataFusion that it can run and that aggregate or join enough: their
/// estimated cost is at least `min_cost`. What is expected not to fit in `memory_bytes`, and cannot be spilled, is
/// left to the row executor. Says whether there was one.
pub fn offload_parts(plan: Plan, min_cost: f64, memory_bytes: usize) -> (Plan, bool) {
    let plan = Arc::new(plan);
    let mut chosen = Vec::new();
    let limits = Limits { min_cost, memory_bytes: memory_bytes as f64 };
    choose(&plan, plan.root, &limits, &mut chosen);
    let mut plan = unshared(plan);
    for node in &chosen {
        plan.offload(*node, NAME);
    }
    (plan, !chosen.is_empty())
}

/// The plan again, when nobody else has it any more.
fn unshared(plan: Arc<Plan>) -> Plan {
    Arc::try_unwrap(plan).expect("what examined the plan is gone")
}

pub(crate) fn unsupported(what: &str) -> PgError {
    PgError::unsupported(format!("{what} in DataFusion"))
        .hint("redoubt.executor = auto leaves to the row executor what DataFusion cannot run.")
}

/// What a subtree must cost and may need to be given away.
struct Limits {
    min_cost: f64,
    memory_bytes: f64,
}

/// The largest subtrees worth giving away, from the top.
fn choose(plan: &Arc<Plan>, node: NodeId, limits: &Limits, chosen: &mut Vec<NodeId>) {
    let here = &plan.nodes[node.index()];
    if here.estimate.total < limits.min_cost {
        return;
    }
    let fits = held_bytes(plan, node) <= limits.memory_bytes;
    if fits && pays(plan, node) && translatable(plan, node).is_ok() {
        chosen.push(node);
        return;
    }
    let children = match &here.kind {
        // What is started again and again is no place to start another executor.
        NodeKind::NestedLoop(join) => vec![join.outer],
        // The row executor would compute only the rows that are asked for.
        NodeKind::Limit(_) if !blocks(plan, children(&here.kind)[0]) => Vec::new(),
        kind => children(kind),
    };
    children.into_iter().for_each(|child| choose(plan, child, limits, chosen));
}

/// Whether a node takes in all of its input before its first row.
fn blocks(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.nodes[node.index()].kind, NodeKind::Sort { .. })
}

/// Whether a subtree aggregates or joins; a mere scan is no faster for going through Arrow.
fn pays(plan: &Plan, node: NodeId) -> bool {
    let kind = &plan.nodes[node.index()].kind;
    matches!(kind, NodeKind::Aggregate(_) | NodeKind::HashJoin(_) | NodeKind::Unique { .. })
        || children(kind).into_iter().any(|child| pays(plan, child))
}

/// About how much memory a subtree holds at once that cannot be spilled: the tables of its joins, and groups whose
/// states have no form outside.
fn held_bytes(plan: &Plan, node: NodeId) -> f64 {
    /// Per row of a join's table: its hash and chain.
    const ROW_BYTES: f64 = 32.0;
    /// Per group and call.
    const STATE_BYTES: f64 = 240.0;
    let table = |inner: NodeId| {
        let estimate = plan.nodes[inner.index()].estimate;
        estimate.rows * (f64::from(estimate.width) + ROW_BYTES)
    };
    let kind = &plan.nodes[node.index()].kind;
    let own = match kind {
        NodeKind::HashJoin(join) => table(join.inner),
        NodeKind::NestedLoop(join) => table(join.inner),
        NodeKind::Aggregate(aggregation) if depends_on_order(node, aggregation) => {
            aggregation.groups.max(1.0) * aggregation.calls.len() as f64 * STATE_BYTES
        }
        _ => 0.0,
    };
    own + children(kind).into_iter().map(|child| held_bytes(plan, child)).sum::<f64>()
}

/// Whether a subtree can be translated: it is, without tables and with the values known so far.
fn translatable(plan: &Arc<Plan>, node: NodeId) -> Result<(), Refusal> {
    let env = PlainEnv::default();
    let around = Arc::new(Surroundings { plan: plan.clone(), frame: plan.frame.clone(), env });
    let mut translator = Translator::new(&around, None, None, 1);
    match translator.translate(node) {
        Ok(_) => Ok(()),
        // A LIMIT that is wrong is reported when it is computed.
        Err(_) if translator.error.is_some() => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
