//! CALL.

use super::sql;
use crate::access::Access;
use crate::privileges::check_execute;
use crate::session::Session;
use redoubt_analyze::query::Expr;
use redoubt_analyze::{AnalyzeContext, Params, analyze_call, visit};
use redoubt_error::PgResult;
use redoubt_exec::{ExecContext, RowEvaluator, Storage};
use redoubt_functions::{CallContext, Datum, TupleDesc};
use redoubt_plan::facts::PlannerContext;
use redoubt_plan::{CatalogFacts, plan_row};
use redoubt_sql::tree::FuncCall;

impl Session {
    /// Calls a procedure in language SQL that has no output.
    pub(crate) fn call_procedure(&mut self, call: &FuncCall) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let env = access.env();
        let found = analyze_call(
            call,
            AnalyzeContext {
                catalog: access.catalog(),
                env: &env,
                path: &access.path,
                params: Params::fixed(Vec::new()),
            },
        )?;
        let mut functions = vec![found.proc_oid];
        for arg in &found.args {
            visit::visit(arg, 0, &mut |node, _| {
                if let Expr::Call(inner) = node {
                    functions.push(inner.proc_oid);
                }
                true
            });
        }
        for function in functions {
            check_execute(&access.catalog(), self.facts.user_oid, function)?;
        }
        let facts = CatalogFacts { view: access.catalog(), env: &env, path: &access.path, host: &access };
        let settings = self.planner_settings();
        let planner = PlannerContext {
            catalog: &facts,
            env: &env,
            settings: &settings,
            params: None,
            tuple_fraction: 0.0,
        };
        let desc = TupleDesc::new(Vec::new());
        let mut evaluator = RowEvaluator::new(plan_row(&found.args, &desc, &planner)?);
        let storage = Storage {
            engine: access.engine(),
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: &access,
            work: self.work(),
            offload: None,
        };
        evaluator.evaluate(&ExecContext { env: &env, storage: &storage }, &[])?;
        let args: Vec<Datum> = (0..found.args.len()).map(|at| evaluator.output(at).clone()).collect();
        let context = CallContext { function: found.proc_oid, ..CallContext::new(&env) };
        let context = context.with_types(&found.arg_types, found.ty.type_oid);
        sql::call(&env, &context, &args).map(drop)
    }
}
