//! The constraints of domains, checked where a value becomes a domain's (`domain_check_input` in PostgreSQL's
//! src/backend/utils/adt/domains.c).

use crate::env::StatementEnv;
use parking_lot::Mutex;
use redoubt_analyze::{AnalyzeContext, Params, analyze_check, domain_shape};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, RowEvaluator, Storage};
use redoubt_functions::{Datum, Env, Oid};
use redoubt_page::Lsn;
use redoubt_plan::facts::PlannerContext;
use redoubt_plan::{CatalogFacts, plan_row};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The compiled constraints of the domains that a session has met.
#[derive(Default)]
pub(crate) struct DomainChecks {
    known: FxHashMap<Oid, Known>,
}

struct Known {
    /// The state of the catalogs that they were compiled under.
    version: Option<Lsn>,
    rules: Arc<Mutex<Rules>>,
}

struct Rules {
    not_null: bool,
    names: Vec<Arc<str>>,
    /// One output per name. Taken out while they are being checked: a condition may use the domain itself.
    checks: Option<RowEvaluator>,
}

impl Rules {
    /// Nobody is in the middle of checking by them.
    fn is_free(&self) -> bool {
        self.checks.is_some() || self.names.is_empty()
    }
}

impl StatementEnv<'_> {
    /// Checks a value of the type under all domains.
    pub(crate) fn check_domain_value(&self, domain: Oid, value: &Datum) -> PgResult<()> {
        let rules = self.domain_rules(domain)?;
        let refuse = |code, message: String| -> PgResult<()> {
            let row = self.catalog.type_must(domain)?;
            let schema = self.catalog.namespace_by_oid(row.row.typnamespace)?;
            let schema = schema.map_or_else(String::new, |schema| schema.nspname.to_string());
            Err(PgError::new(code, message).data_type(schema, &*row.row.typname))
        };
        if value.is_null() && rules.lock().not_null {
            let shown = self.type_name(domain, -1)?;
            return refuse(code::NOT_NULL_VIOLATION, format!("domain {shown} does not allow null values"));
        }
        let Some(mut checks) = rules.lock().checks.take() else { return Ok(()) };
        let storage = Storage {
            engine: self.access.engine(),
            txn: self.session.txn(),
            snapshot: self.access.snapshot.clone(),
            relations: self.access,
            work: self.session.work(),
            offload: None,
        };
        let context = ExecContext { env: self, storage: &storage };
        let computed = checks.evaluate(&context, std::slice::from_ref(value));
        let failed = computed.map(|()| {
            let rules = rules.lock();
            let failed = |at: &usize| matches!(checks.output(*at), Datum::Bool(false));
            (0..rules.names.len()).find(failed).map(|at| rules.names[at].clone())
        });
        rules.lock().checks = Some(checks);
        match failed? {
            None => Ok(()),
            Some(name) => {
                let shown = self.type_name(domain, -1)?;
                let message = format!("value for domain {shown} violates check constraint \"{name}\"");
                refuse(code::CHECK_VIOLATION, message).map_err(|error| error.constraint(&*name))
            }
        }
    }

    fn domain_rules(&self, domain: Oid) -> PgResult<Arc<Mutex<Rules>>> {
        let version = self.catalog.version();
        if let Some(known) = self.session.domain_checks.borrow().known.get(&domain)
            && known.version.is_some()
            && known.version == version
            && known.rules.lock().is_free()
        {
            return Ok(known.rules.clone());
        }
        let rules = Arc::new(Mutex::new(self.compile_rules(domain)?));
        let known = Known { version, rules: rules.clone() };
        self.session.domain_checks.borrow_mut().known.insert(domain, known);
        Ok(rules)
    }

    /// The rules of a domain and of those under it; theirs come first.
    fn compile_rules(&self, domain: Oid) -> PgResult<Rules> {
        let mut rules = Rules { not_null: false, names: Vec::new(), checks: None };
        let (mut exprs, mut levels) = (Vec::new(), Vec::new());
        let mut at = domain;
        loop {
            let row = self.catalog.type_must(at)?;
            if row.row.typtype != 'd' {
                break;
            }
            rules.not_null |= row.row.typnotnull;
            levels.push((at, row.clone()));
            at = row.row.typbasetype;
        }
        let mut desc = None;
        for (oid, row) in levels.into_iter().rev() {
            let shape = domain_shape(&row.row, &self.catalog)?;
            for constraint in self.catalog.domain_constraints(oid)?.iter() {
                let Some(text) = &constraint.conbin else { continue };
                let raw = redoubt_sql::parse_expression(text)?;
                let path = [crate::access::PG_CATALOG];
                let context = AnalyzeContext {
                    catalog: self.catalog,
                    env: self,
                    path: &path,
                    params: Params::fixed(Vec::new()),
                };
                exprs.push(analyze_check(&raw, &shape, context)?);
                rules.names.push(constraint.conname.clone());
            }
            desc = Some(shape.desc);
        }
        if let Some(desc) = desc.filter(|_| !exprs.is_empty()) {
            let facts = CatalogFacts { view: self.catalog, env: self, path: self.path, host: self.access };
            let settings = self.session.planner_settings();
            let planner = PlannerContext {
                catalog: &facts,
                env: self,
                settings: &settings,
                params: None,
                tuple_fraction: 0.0,
            };
            rules.checks = Some(RowEvaluator::new(plan_row(&exprs, &desc, &planner)?));
        }
        Ok(rules)
    }
}
