//! Functions in language SQL (PostgreSQL's src/backend/executor/functions.c): the statements of the body, run one
//! after the other; the rows of the last are the value.

use super::cache::CallShape;
use super::result::{Shape, mismatch, shape_of_result};
use super::{argument_types, called, deeper};
use crate::access::{Access, PG_CATALOG};
use crate::env::StatementEnv;
use crate::plan_cache::CachedPlan;
use crate::run::Planned;
use crate::session::Session;
use crate::settings::split_identifiers;
use parking_lot::Mutex;
use redoubt_analyze::query::{CommandType, Query};
use redoubt_analyze::{
    AnalyzeContext, Params, VariableName, VariableNames, analyze_statement, coerce_results, output_types,
};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult};
use redoubt_exec::{ExecContext, Execution, Storage};
use redoubt_functions::{CallContext, Datum, Oid, Rows};
use redoubt_sql::tree::DmlStatement;
use redoubt_txn::Snapshot;
use std::sync::Arc;

/// Functions below came with the system; their bodies' names are in `pg_catalog`.
const FIRST_NORMAL_OID: Oid = 16384;

/// A function, ready to be called with arguments of certain types.
pub(crate) struct SqlFunction {
    row: Arc<PgProc>,
    statements: Vec<BodyStatement>,
    params: Params,
    shape: Shape,
    /// How messages call what it returns.
    declared: String,
}

/// One statement of a body.
pub(crate) struct BodyStatement {
    /// What it says.
    pub dml: DmlStatement,
    /// Its plan, and the names and types of its columns.
    ready: Mutex<Option<(Arc<CachedPlan>, Columns)>>,
}

type Columns = Arc<[(Arc<str>, Oid)]>;

/// The statements of a function's body.
///
/// # Errors
/// Those of syntax; `0A000` for what is no query.
pub(crate) fn statements_of(row: &PgProc) -> PgResult<Vec<BodyStatement>> {
    let text = match &row.prosqlbody {
        None => row.prosrc.to_string(),
        Some(body) => match body.strip_prefix("RETURN ") {
            Some(value) => format!("SELECT {value}"),
            None => body.trim_start_matches("BEGIN ATOMIC").trim_end_matches("END").to_string(),
        },
    };
    let statements = redoubt_sql::parse(&text)?;
    let read = |statement: redoubt_sql::tree::Statement| {
        let tag = statement.kind.tag();
        let dml = statement.kind.as_dml();
        let dml = dml.ok_or_else(|| PgError::unsupported(format!("{tag} in a function in language SQL")))?;
        Ok(BodyStatement { dml, ready: Mutex::new(None) })
    };
    statements.into_iter().map(read).collect()
}

/// What the body may call the arguments.
pub(crate) fn argument_names(row: &PgProc) -> VariableNames {
    let qualifier = row.proname.clone();
    let inputs: Vec<Arc<str>> = match (&row.proargmodes, &row.proargnames) {
        (_, None) => Vec::new(),
        (None, Some(names)) => names.clone(),
        (Some(modes), Some(names)) => {
            let is_input = |mode: &char| matches!(mode, 'i' | 'b' | 'v');
            modes.iter().zip(names).filter(|(mode, _)| is_input(mode)).map(|(_, name)| name.clone()).collect()
        }
    };
    let name = |name| VariableName { qualifier: qualifier.clone(), qualified_only: false, name };
    VariableNames { names: inputs.into_iter().map(name).collect(), columns_win: true }
}

/// A call that gives one value.
pub(super) fn call(env: &StatementEnv<'_>, context: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let mut value = None;
    let function = prepare(env, context, args)?;
    run(env, &function, args, &mut |row| {
        value = Some(row);
        false
    })?;
    // A function that returns nothing returns NULL.
    Ok(value.unwrap_or(Datum::Null))
}

/// A call that gives any number of them.
pub(super) fn call_set(env: &StatementEnv<'_>, context: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let mut rows = Vec::new();
    let function = prepare(env, context, args)?;
    run(env, &function, args, &mut |row| {
        rows.push(row);
        true
    })?;
    Ok(Box::new(rows.into_iter().map(Ok)))
}

/// The function as it is now.
fn prepare(env: &StatementEnv<'_>, context: &CallContext<'_>, args: &[Datum]) -> PgResult<Arc<SqlFunction>> {
    let row = called(env, context)?;
    let arguments = argument_types(&row, context, args);
    let result = if context.result_type == 0 { row.prorettype } else { context.result_type };
    let shape = CallShape { function: row.oid, arguments, result };
    if let Some(known) = env.session.routines.find(&shape, &row) {
        return Ok(known);
    }
    let startup = |error: PgError| {
        in_body(error, &row).context(format!("SQL function \"{}\" during startup", row.proname))
    };
    let function = Arc::new(SqlFunction::new(env, &row, &shape).map_err(startup)?);
    env.session.routines.keep(shape, row.clone(), function.clone());
    Ok(function)
}

/// A position in an error is one in the body, which the client has not sent.
fn in_body(error: PgError, row: &PgProc) -> PgError {
    if error.fields().position.is_some() { error.in_internal_query(&*row.prosrc) } else { error }
}

impl SqlFunction {
    fn new(env: &StatementEnv<'_>, row: &Arc<PgProc>, call: &CallShape) -> PgResult<SqlFunction> {
        let context =
            AnalyzeContext { catalog: env.catalog, env, path: env.path, params: Params::fixed(Vec::new()) };
        let outputs = output_types(row, &call.arguments, context)?;
        Ok(SqlFunction {
            statements: statements_of(row)?,
            params: Params::named(call.arguments.clone(), Arc::new(argument_names(row))),
            shape: shape_of_result(&env.catalog, row, call.result, outputs)?,
            declared: env.catalog.format_type(call.result, None, env.path)?,
            row: row.clone(),
        })
    }

    /// How the body sees the catalogs. A function that changes nothing sees what its caller sees.
    fn access<'s>(&self, session: &'s Session, callers: Option<&Snapshot>) -> PgResult<Access<'s>> {
        let mut access = match callers {
            Some(snapshot) => Access::new(session, snapshot.clone())?,
            None => Access::current(session)?,
        };
        if let Some(path) = body_path(&access, &self.row)? {
            access.path = path;
        }
        Ok(access)
    }

    /// The plan of a statement.
    fn plan(
        &self,
        session: &Session,
        callers: Option<&Snapshot>,
        statement: &BodyStatement,
        is_last: bool,
    ) -> PgResult<(Planned, Columns)> {
        let look = || self.access(session, callers);
        let ready = statement.ready.lock().clone();
        if let Some((cached, columns)) = ready
            && let Some(planned) = session.reuse_under(&cached, look)?
        {
            return Ok((planned, columns));
        }
        let mut columns: Columns = Arc::new([]);
        let planned = session.plan_locked(look, |access| {
            let env = access.env();
            let context =
                |params| AnalyzeContext { catalog: access.catalog(), env: &env, path: &access.path, params };
            let (mut query, params) = analyze_statement(&statement.dml, context(self.params.clone()))?;
            if is_last {
                check_result(&mut query, &self.shape, &self.declared, context(self.params.clone()))?;
            }
            columns = columns_of(&query);
            session.plan_by_rows(access, query, &params)
        })?;
        let cached = session.to_keep(&look()?, &planned);
        *statement.ready.lock() = cached.map(|cached| (Arc::new(cached), columns.clone()));
        Ok((planned, columns))
    }
}

/// The search path of a body, if it is not its caller's.
pub(crate) fn body_path(access: &Access<'_>, row: &PgProc) -> PgResult<Option<Vec<Oid>>> {
    let setting = row.proconfig.iter().flatten().find_map(|setting| setting.strip_prefix("search_path="));
    if let Some(names) = setting {
        let names = split_identifiers(names)
            .ok_or_else(|| PgError::internal(format!("the search path of {} is damaged", row.proname)))?;
        return access.path_of(&names).map(Some);
    }
    // One that is being made has no OID yet.
    let built_in = (1..FIRST_NORMAL_OID).contains(&row.oid);
    let fixed = built_in || row.prosqlbody.is_some();
    Ok(fixed.then(|| vec![PG_CATALOG]))
}

fn columns_of(query: &Query) -> Columns {
    let outputs = if query.command == CommandType::Select { &query.target_list } else { &query.returning };
    let shown = outputs.iter().filter(|entry| !entry.junk);
    shown.map(|entry| (entry.name.clone(), entry.expr.ty().type_oid)).collect()
}

/// Whether the last statement gives what the function is declared to return; casts its columns to that.
///
/// # Errors
/// `42P13` when it does not.
pub(crate) fn check_result(
    query: &mut Query,
    shape: &Shape,
    declared: &str,
    context: AnalyzeContext<'_>,
) -> PgResult<()> {
    if matches!(shape, Shape::Void) {
        return Ok(());
    }
    let columns = columns_of(query);
    if query.command != CommandType::Select && columns.is_empty() {
        return Err(no_rows(declared));
    }
    let found: Vec<Oid> = columns.iter().map(|(_, oid)| *oid).collect();
    let Some(wanted) = shape.wanted(&found) else { return Ok(()) };
    let shown = |oid| context.catalog.format_type(oid, None, context.path);
    match shape {
        Shape::Scalar(_) if found.len() != 1 => {
            return Err(mismatch(declared, "Final statement must return exactly one column."));
        }
        _ if found.len() < wanted.len() => {
            return Err(mismatch(declared, "Final statement returns too few columns."));
        }
        _ if found.len() > wanted.len() => {
            return Err(mismatch(declared, "Final statement returns too many columns."));
        }
        _ => {}
    }
    let again = AnalyzeContext {
        catalog: context.catalog,
        env: context.env,
        path: context.path,
        params: context.params.clone(),
    };
    let Some(at) = coerce_results(query, &wanted, again)? else { return Ok(()) };
    let actual = shown(found[at])?;
    Err(match shape {
        Shape::Scalar(_) => mismatch(declared, format!("Actual return type is {actual}.")),
        _ => {
            let wanted = shown(wanted[at])?;
            let detail =
                format!("Final statement returns {actual} instead of {wanted} at column {}.", at + 1);
            mismatch(declared, detail)
        }
    })
}

/// The error of a body that ends in nothing that gives rows.
pub(crate) fn no_rows(declared: &str) -> PgError {
    mismatch(declared, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.")
}

/// Runs the body. `each` takes the function's values, and says whether it wants more.
fn run(
    env: &StatementEnv<'_>,
    function: &SqlFunction,
    args: &[Datum],
    each: &mut dyn FnMut(Datum) -> bool,
) -> PgResult<()> {
    deeper(env, || {
        let Some(last) = function.statements.len().checked_sub(1) else {
            return match function.shape {
                Shape::Void => Ok(()),
                _ => Err(no_rows(&function.declared)),
            };
        };
        for (at, statement) in function.statements.iter().enumerate() {
            run_statement(env, function, statement, at == last, args, each).map_err(|error| {
                let line = format!("SQL function \"{}\" statement {}", function.row.proname, at + 1);
                in_body(error, &function.row).context(line)
            })?;
        }
        Ok(())
    })
}

fn run_statement(
    env: &StatementEnv<'_>,
    function: &SqlFunction,
    statement: &BodyStatement,
    is_last: bool,
    args: &[Datum],
    each: &mut dyn FnMut(Datum) -> bool,
) -> PgResult<()> {
    let session = env.session;
    let callers = match function.row.provolatile {
        'v' => {
            // It sees what the statements before it have done, its caller's so far among them.
            session.txn().advance_command()?;
            None
        }
        _ => Some(&env.access.snapshot),
    };
    let (planned, columns) = function.plan(session, callers, statement, is_last)?;
    let plan = &planned.plan;
    if callers.is_some() && !plan.read_only {
        let tag = match plan.command {
            CommandType::Select => "SELECT FOR UPDATE",
            CommandType::Insert => "INSERT",
            CommandType::Update => "UPDATE",
            CommandType::Delete => "DELETE",
        };
        let message = format!("{tag} is not allowed in a non-volatile function");
        return Err(PgError::new(redoubt_error::code::FEATURE_NOT_SUPPORTED, message));
    }
    let access = function.access(session, callers)?;
    let body_env = access.env();
    let storage = Storage {
        engine: access.engine(),
        txn: session.txn(),
        snapshot: access.snapshot.clone(),
        relations: &access,
        work: session.work(),
        offload: None,
    };
    let context = ExecContext { env: &body_env, storage: &storage };
    let mut execution = Execution::new(plan.clone(), args);
    let gives = is_last && !matches!(function.shape, Shape::Void);
    let mut wants_more = gives;
    while execution.next(&context)? {
        if !wants_more {
            continue;
        }
        wants_more = each(function.shape.value(execution.row(), &columns));
        // What only reads need not be read to its end.
        if !wants_more && plan.read_only {
            break;
        }
    }
    session.count_changes(plan, execution.processed());
    Ok(())
}
