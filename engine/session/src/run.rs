//! Planned statements: text to plan, plan to rows.

use crate::access::Access;
use crate::client::{Client, Format, OutputColumn};
use crate::executor::Origin;
use crate::privileges::guarded_functions;
use crate::session::Session;
use crate::vacuum::Changes;
use redoubt_analyze::query::{CommandType, Perms, Query};
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement};
use redoubt_error::{PgError, PgResult};
use redoubt_exec::{ExecContext, Execution, Storage};
use redoubt_functions::{Datum, Oid};
use redoubt_plan::facts::{PlannerContext, PlannerSettings};
use redoubt_plan::node::{NodeKind, Plan};
use redoubt_plan::range::RangeKind;
use redoubt_sql::tree::DmlStatement;
use redoubt_txn::{LockMode, LockOutcome, LockTag, LockWait};
use std::sync::Arc;

/// A statement analyzed and planned, with the state of the catalogs it is good for.
#[derive(Clone)]
pub(crate) struct Planned {
    pub plan: Arc<Plan>,
    pub param_types: Arc<[Oid]>,
    pub columns: Arc<[OutputColumn]>,
    /// Functions it calls that not everybody may call.
    pub guarded_functions: Arc<[Oid]>,
}

/// How often a plan may turn out stale before its locks are held.
const MAX_REPLANS: usize = 100;
/// Statements whose estimated cost is above this announce that they will keep their thread.
const LONG_STATEMENT_COST: f64 = 10_000.0;

impl Session {
    /// Plans a statement of the client's and locks its tables. The session must be in a transaction.
    pub(crate) fn plan(&self, statement: &DmlStatement, params: &Params) -> PgResult<Planned> {
        self.plan_for(statement, params, Origin::Client)
    }

    /// As [`Session::plan`], for a statement of the client's or the server's own.
    pub(crate) fn plan_for(
        &self,
        statement: &DmlStatement,
        params: &Params,
        origin: Origin,
    ) -> PgResult<Planned> {
        self.plan_locked(
            || Access::current(self),
            |access| self.plan_under(access, statement, params, origin),
        )
    }

    /// As [`Session::plan`], for a client that is expected to fetch this share of the rows; 0 is all of them.
    pub(crate) fn plan_part(
        &self,
        statement: &DmlStatement,
        params: &Params,
        fraction: f64,
    ) -> PgResult<Planned> {
        self.plan_locked(
            || Access::current(self),
            |access| self.plan_part_under(access, statement, params, fraction, Origin::Client),
        )
    }

    /// Plans and locks, until the plan is one that was good when its locks were granted.
    pub(crate) fn plan_locked<'s>(
        &'s self,
        look: impl Fn() -> PgResult<Access<'s>>,
        mut make: impl FnMut(&Access<'s>) -> PgResult<Planned>,
    ) -> PgResult<Planned> {
        for _ in 0..MAX_REPLANS {
            let access = look()?;
            let version = access.catalog().version();
            let planned = make(&access)?;
            self.check_privileges(&access, &planned)?;
            self.check_read_only(&planned.plan)?;
            let some_new = self.lock_tables(&access, &planned.plan)?;
            // What changed before the locks were granted shows in the catalogs now. Where versions cannot tell
            // (the transaction has changed catalogs itself), only a plan made under its locks is sure to be good.
            let unchanged = version.is_some() && Access::current(self)?.catalog().version() == version;
            if unchanged || !some_new {
                return Ok(planned);
            }
        }
        Err(PgError::internal("the catalogs change faster than the statement can be planned"))
    }

    /// Plans a statement without locking anything or asking for privileges.
    pub(crate) fn plan_under(
        &self,
        access: &Access<'_>,
        statement: &DmlStatement,
        params: &Params,
        origin: Origin,
    ) -> PgResult<Planned> {
        self.plan_part_under(access, statement, params, 0.0, origin)
    }

    fn plan_part_under(
        &self,
        access: &Access<'_>,
        statement: &DmlStatement,
        params: &Params,
        fraction: f64,
        origin: Origin,
    ) -> PgResult<Planned> {
        self.facts.instance.measures.planning();
        let env = access.env();
        let analyzed = || {
            let context = AnalyzeContext {
                catalog: access.catalog(),
                env: &env,
                path: &access.path,
                params: params.clone(),
            };
            analyze_statement(statement, context)
        };
        let (query, params) = analyzed()?;
        match origin {
            Origin::Client => self.plan_query(access, query, &params, fraction, || Ok(analyzed()?.0)),
            Origin::Server => self.plan_by_rows(access, query, &params),
        }
    }

    /// Plans a query of the client's, for the executor that is chosen. `fraction` is the share of its rows that is
    /// expected to be fetched, 0 for all of them; `again` gives the query once more, for the other executor's plan.
    pub(crate) fn plan_query(
        &self,
        access: &Access<'_>,
        query: Query,
        params: &Params,
        fraction: f64,
        again: impl FnOnce() -> PgResult<Query>,
    ) -> PgResult<Planned> {
        let guarded_functions = guarded_functions(&access.catalog(), &query)?.into();
        let plan = |query, settings: &PlannerSettings| {
            self.with_planner(access, settings, |context| {
                redoubt_plan::plan(query, &PlannerContext { tuple_fraction: fraction, ..*context })
            })
        };
        let by_rows = plan(query, &self.planner_settings())?;
        let chosen = self.choose_executor(by_rows, fraction, |settings| plan(again()?, settings))?;
        self.described(access, chosen, params, guarded_functions)
    }

    /// Plans an analyzed statement of the server's own, for the row executor.
    pub(crate) fn plan_by_rows(
        &self,
        access: &Access<'_>,
        query: Query,
        params: &Params,
    ) -> PgResult<Planned> {
        let guarded_functions = guarded_functions(&access.catalog(), &query)?.into();
        let settings = self.planner_settings();
        let plan = self.with_planner(access, &settings, |context| redoubt_plan::plan(query, context))?;
        self.described(access, plan, params, guarded_functions)
    }

    /// A plan with what is told of it to clients.
    fn described(
        &self,
        access: &Access<'_>,
        plan: Plan,
        params: &Params,
        guarded_functions: Arc<[Oid]>,
    ) -> PgResult<Planned> {
        let mut columns = Vec::with_capacity(plan.columns.len());
        for column in &plan.columns {
            // Clients are told of the type under a domain.
            let (type_oid, typmod) = access.catalog().base_type(column.ty.type_oid, column.ty.typmod)?;
            columns.push(OutputColumn {
                name: column.name.clone(),
                table_oid: column.origin.0,
                attribute: column.origin.1,
                type_oid,
                type_length: access.catalog().type_info_must(type_oid)?.len,
                typmod,
                format: Format::Text,
            });
        }
        let (plan, param_types) = (Arc::new(plan), params.types().into());
        Ok(Planned { plan, param_types, columns: columns.into(), guarded_functions })
    }

    /// Locks every table of a plan as strongly as its use asks for; says whether some lock is new.
    pub(crate) fn lock_tables(&self, access: &Access<'_>, plan: &Plan) -> PgResult<bool> {
        let mut any_new = false;
        for range in &plan.ranges {
            let RangeKind::Relation { relid, .. } = range.kind else { continue };
            let perms =
                plan.permissions.iter().filter(|p| p.relid == relid).fold(0, |all, p| all | p.perms.0);
            let writes = perms & (Perms::INSERT.0 | Perms::UPDATE.0 | Perms::DELETE.0) != 0;
            let mode = match writes {
                true if locks_rows_only(plan, relid) => LockMode::RowShare,
                true => LockMode::RowExclusive,
                false => LockMode::AccessShare,
            };
            any_new |= self.lock_relation(access, relid, mode)?;
            if let Some(relation) = access.catalog().relation_by_oid(relid)? {
                self.check_not_others_temporary(access, &relation)?;
                self.check_populated(&relation)?;
            }
        }
        for node in &plan.nodes {
            let NodeKind::ModifyTable(modify) = &node.kind else { continue };
            // Foreign keys are looked up and acted on in the other table, as PostgreSQL's triggers do.
            let others = modify.rules.foreign_keys.iter().map(|key| key.referenced);
            for relid in others.chain(modify.rules.referenced_by.iter().map(|key| key.table)) {
                any_new |= self.lock_relation(access, relid, LockMode::RowShare)?;
            }
        }
        Ok(any_new)
    }

    /// Locks one relation until the transaction ends; says whether the lock is new.
    pub(crate) fn lock_relation(&self, access: &Access<'_>, relid: Oid, mode: LockMode) -> PgResult<bool> {
        let shared =
            access.catalog().relation_by_oid(relid)?.is_some_and(|relation| relation.class.relisshared);
        let database = if shared { 0 } else { self.facts.database };
        match self.txn().lock(LockTag::Relation { database, relation: relid }, mode, LockWait::Block)? {
            LockOutcome::NotAvailable => Err(PgError::internal("a lock that is waited for was not granted")),
            LockOutcome::Acquired => Ok(true),
            LockOutcome::AlreadyHeld => Ok(false),
        }
    }

    /// Runs a plan to its end, sending its rows, and gives the command tag.
    pub(crate) fn run_plan(
        &self,
        planned: &Planned,
        params: &[Datum],
        columns: &[OutputColumn],
        client: &mut dyn Client,
    ) -> PgResult<String> {
        let mut execution = Execution::new(planned.plan.clone(), params);
        let access = Access::current(self)?;
        let cost = planned.plan.nodes[planned.plan.root.index()].estimate.total;
        let mut run = || fetch(self, &access, &mut execution, Some(columns), u64::MAX, client);
        let rows = if cost > LONG_STATEMENT_COST { redoubt_buffer::blocking(run) } else { run() }?;
        self.count_changes(&planned.plan, execution.processed());
        Ok(tag(&planned.plan, rows.0, execution.processed()))
    }
}

impl Session {
    /// Notes for autovacuum how many rows a statement has changed.
    pub(crate) fn count_changes(&self, plan: &Plan, processed: u64) {
        if plan.read_only || processed == 0 {
            return;
        }
        let target = plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::ModifyTable(modify) => Some((modify.relid, modify.operation)),
            _ => None,
        });
        let Some((relid, operation)) = target else { return };
        let changes = match operation {
            CommandType::Insert => Changes { inserted: processed, ..Changes::default() },
            CommandType::Update => Changes { updated: processed, ..Changes::default() },
            CommandType::Delete => Changes { deleted: processed, ..Changes::default() },
            CommandType::Select => return,
        };
        self.facts.instance.counters.changed((self.facts.database, relid), changes);
    }
}

/// Whether a plan that needs the privilege to change a table does no more than lock its rows.
fn locks_rows_only(plan: &Plan, relid: Oid) -> bool {
    let changes = |node: &NodeKind| matches!(node, NodeKind::ModifyTable(modify) if modify.relid == relid);
    !plan.nodes.iter().any(|node| changes(&node.kind))
}

/// Runs on for up to `limit` rows, which are sent if it is said as what; says how many, and whether there may be
/// more.
pub(crate) fn fetch(
    session: &Session,
    access: &Access<'_>,
    execution: &mut Execution,
    columns: Option<&[OutputColumn]>,
    limit: u64,
    client: &mut dyn Client,
) -> PgResult<(u64, bool)> {
    let env = access.env();
    let datafusion = session.datafusion_for(execution.plan());
    let storage = Storage {
        engine: &session.facts.instance.engine,
        txn: session.txn(),
        snapshot: access.snapshot.clone(),
        relations: access,
        work: session.work(),
        offload: datafusion.as_ref().map(|datafusion| datafusion as _),
    };
    let context = ExecContext { env: &env, storage: &storage };
    let mut rows = 0;
    let mut held = redoubt_page::Lsn::ZERO;
    // A query may have rows without columns.
    let is_query = execution.plan().command == CommandType::Select;
    let columns = columns.filter(|columns| !columns.is_empty() || is_query);
    while rows < limit {
        if !execution.next(&context)? {
            return Ok((rows, false));
        }
        rows += 1;
        if let Some(columns) = columns {
            // A row may tell of what a crash could still take back: a sequence's value.
            let needed = session.facts.backend.dependency();
            if needed > held {
                client.hold_until(needed);
                held = needed;
            }
            client.data_row(columns, execution.row(), &env)?;
        }
    }
    Ok((rows, true))
}

/// The command tag of a planned statement.
pub(crate) fn tag(plan: &Plan, rows: u64, processed: u64) -> String {
    match plan.command {
        CommandType::Select => format!("SELECT {rows}"),
        CommandType::Insert => format!("INSERT 0 {processed}"),
        CommandType::Update => format!("UPDATE {processed}"),
        CommandType::Delete => format!("DELETE {processed}"),
    }
}
