//! PREPARE, EXECUTE and DEALLOCATE; the statements are those of the extended protocol.
//!
//! A statement is planned without the values of its parameters, so that all its runs count as generic ones.

use crate::access::Access;
use crate::client::{Client, OutputColumn};
use crate::env::StatementEnv;
use crate::extended::Prepared;
use crate::functions::{SetFamily, all_rows, columns, row, session_sets};
use crate::run::Planned;
use crate::session::Session;
use redoubt_analyze::query::{Expr, TargetEntry};
use redoubt_analyze::{
    AnalyzeContext, Params, Place, analyze_default, analyze_expression, analyze_statement, resolve_type_name,
    visit, without_position,
};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Execution, Storage};
use redoubt_functions::{ArrayValue, Attribute, CallContext, Datum, Env, Oid, Rows, types};
use redoubt_sql::tree::{self as ast, Execute, Ident, Statement, StatementKind, TypeName};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Session {
    /// PREPARE.
    pub(crate) fn prepare_named(
        &mut self,
        name: &Ident,
        types: &[TypeName],
        statement: &Statement,
        text: &str,
    ) -> PgResult<()> {
        if name.as_str().is_empty() {
            let message = "invalid statement name: must not be empty";
            return Err(PgError::new(code::INVALID_PSTATEMENT_DEFINITION, message));
        }
        if self.prepared.contains_key(name.as_str()) {
            let message = format!("prepared statement \"{}\" already exists", name.as_str());
            return Err(PgError::new(code::DUPLICATE_PSTATEMENT, message));
        }
        self.ensure_transaction()?;
        let mut declared = Vec::with_capacity(types.len());
        {
            let access = Access::current(self)?;
            let env = access.env();
            for name in types {
                declared.push(resolve_type_name(name, analysis(&access, &env))?.0);
            }
        }
        self.keep_prepared(name.as_str(), text, Some(statement.clone()), &declared, true)
    }

    /// DEALLOCATE; without a name, of all.
    pub(crate) fn deallocate(&mut self, name: Option<&Ident>) -> PgResult<()> {
        match name {
            None => self.prepared.clear(),
            Some(name) => {
                if self.prepared.remove(name.as_str()).is_none() {
                    return Err(missing(name.as_str()));
                }
            }
        }
        Ok(())
    }

    /// The columns that EXECUTE returns; nothing if it returns no rows.
    pub(crate) fn columns_of_execute(&self, execute: &Execute) -> PgResult<Option<Arc<[OutputColumn]>>> {
        let prepared = self.find_prepared(execute.name.as_str())?;
        Ok(prepared.returns_rows().then(|| prepared.columns.clone()))
    }

    /// EXECUTE: runs the statement and gives its own command tag.
    pub(crate) fn execute_named(&mut self, execute: &Execute, client: &mut dyn Client) -> PgResult<String> {
        let (prepared, planned, params) = self.bind_execute(execute)?;
        let columns =
            if prepared.returns_rows() { self.announce(&planned.columns, client)? } else { Arc::from([]) };
        prepared.runs.fetch_add(1, Ordering::Relaxed);
        let tag = self.run_plan(&planned, &params, &columns, client)?;
        self.adopt_changed_settings();
        Ok(tag)
    }

    /// The statement that EXECUTE names, its plan, and the values of its parameters.
    pub(crate) fn bind_execute(
        &mut self,
        execute: &Execute,
    ) -> PgResult<(Arc<Prepared>, Planned, Vec<Datum>)> {
        let name = execute.name.as_str();
        let prepared = self.find_prepared(name)?;
        if prepared.dml.is_none() {
            return Err(PgError::unsupported("EXECUTE of a statement that is not planned"));
        }
        self.ensure_transaction()?;
        let params = self.execute_params(name, &prepared, &execute.params)?;
        // Positions in another statement's text say nothing about this one.
        let planned = self.planned_again(&prepared).map_err(without_position)?;
        Ok((prepared, planned, params))
    }

    /// A plan for these values of the parameters alone: what EXPLAIN EXECUTE shows.
    pub(crate) fn plan_with_values(&self, prepared: &Prepared, values: &[Datum]) -> PgResult<Planned> {
        let dml =
            prepared.dml.as_ref().ok_or_else(|| PgError::internal("only planned statements have plans"))?;
        let access = Access::current(self)?;
        let env = access.env();
        let mut context = analysis(&access, &env);
        context.params = Params::fixed(prepared.param_types.to_vec());
        let (mut query, params) = analyze_statement(dml, context)?;
        visit::rewrite_query(&mut query, 0, &mut |node, _| {
            if let Expr::Param { number, ty } = node
                && let Some(value) = values.get(*number as usize - 1)
            {
                *node = Expr::Const { value: value.clone(), ty: *ty };
            }
            true
        });
        let again = query.clone();
        self.plan_query(&access, query, &params, 0.0, || Ok(again))
    }

    fn execute_params(&self, name: &str, prepared: &Prepared, raw: &[ast::Expr]) -> PgResult<Vec<Datum>> {
        let types = &prepared.param_types;
        // Too many are no error where none is expected, as in PostgreSQL.
        if types.is_empty() {
            return Ok(Vec::new());
        }
        if raw.len() != types.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(PgError::new(code::SYNTAX_ERROR, message).detail(format!(
                "Expected {} parameters but got {}.",
                types.len(),
                raw.len()
            )));
        }
        let access = Access::current(self)?;
        let env = access.env();
        let mut targets = Vec::with_capacity(raw.len());
        for (index, (raw, type_oid)) in raw.iter().zip(types.iter()).enumerate() {
            targets.push(TargetEntry {
                expr: parameter(&access, &env, raw, *type_oid, index)?,
                name: "".into(),
                junk: false,
                target_attno: 0,
                origin: (0, 0),
            });
        }
        self.values_of(&access, targets)
    }

    /// The values of expressions that refer to nothing: the one row of a SELECT of them.
    fn values_of(&self, access: &Access<'_>, targets: Vec<TargetEntry>) -> PgResult<Vec<Datum>> {
        let env = access.env();
        let select = redoubt_sql::parse("SELECT 1")?.pop().and_then(|statement| statement.kind.as_dml());
        let select = select.ok_or_else(|| PgError::internal("SELECT is a query"))?;
        let (mut query, _) = analyze_statement(&select, analysis(access, &env))?;
        query.target_list = targets;
        let settings = self.planner_settings();
        let plan =
            Arc::new(self.with_planner(access, &settings, |context| redoubt_plan::plan(query, context))?);
        let storage = Storage {
            engine: &self.facts.instance.engine,
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: access,
            work: self.work(),
            offload: None,
        };
        let mut execution = Execution::new(plan, &[]);
        if !execution.next(&ExecContext { env: &env, storage: &storage })? {
            return Err(PgError::internal("a SELECT without FROM has one row"));
        }
        Ok(execution.row().to_vec())
    }
}

fn analysis<'a>(access: &'a Access<'_>, env: &'a dyn Env) -> AnalyzeContext<'a> {
    AnalyzeContext { catalog: access.catalog(), env, path: &access.path, params: Params::fixed(Vec::new()) }
}

/// A parameter of EXECUTE, coerced as an assignment coerces.
fn parameter(
    access: &Access<'_>,
    env: &dyn Env,
    raw: &ast::Expr,
    type_oid: Oid,
    index: usize,
) -> PgResult<Expr> {
    let given = analyze_expression(raw, Place::ExecuteParameter, None, analysis(access, env))?;
    let column = Attribute::new("", type_oid);
    analyze_default(raw, &column, analysis(access, env)).map_err(|error| {
        if error.code() != code::DATATYPE_MISMATCH {
            return error;
        }
        let names = env
            .type_name(given.ty().type_oid, -1)
            .and_then(|given| Ok((given, env.type_name(type_oid, -1)?)));
        let Ok((given, wanted)) = names else { return error };
        let message = format!(
            "parameter ${} of type {given} cannot be coerced to the expected type {wanted}",
            index + 1
        );
        PgError::new(code::DATATYPE_MISMATCH, message)
            .hint("You will need to rewrite or cast the expression.")
            .at(Some(raw.location()))
    })
}

/// `26000`.
pub(crate) fn missing(name: &str) -> PgError {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_string()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    PgError::new(code::INVALID_SQL_STATEMENT_NAME, message)
}

impl Prepared {
    /// Whether running it delivers rows.
    pub(crate) fn returns_rows(&self) -> bool {
        let selects = matches!(self.statement.as_ref().map(|s| &s.kind), Some(StatementKind::Query(_)));
        selects || !self.columns.is_empty()
    }
}

pub(crate) const SETS: SetFamily = session_sets! {
    "pg_prepared_statement": prepared_statements;
};

const COLUMNS: [(&str, Oid); 7] = [
    ("name", types::TEXT),
    ("statement", types::TEXT),
    ("prepare_time", types::TIMESTAMPTZ),
    ("parameter_types", types::REGTYPE_ARRAY),
    ("from_sql", types::BOOL),
    ("generic_plans", types::INT8),
    ("custom_plans", types::INT8),
];

fn prepared_statements(env: &StatementEnv<'_>, _: &CallContext<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&COLUMNS);
    // The unnamed statement belongs to the protocol.
    let named = env.session.prepared.iter().filter(|(name, _)| !name.is_empty());
    let rows = named.map(|(name, prepared)| {
        let params = prepared.param_types.iter().map(|oid| Datum::Oid(*oid)).collect();
        let fields = vec![
            Datum::text(name.as_str()),
            Datum::Text(prepared.text.clone()),
            Datum::TimestampTz(prepared.prepared_us),
            Datum::Array(Arc::new(ArrayValue::from_elems(types::REGTYPE, params))),
            Datum::Bool(prepared.from_sql),
            Datum::Int8(prepared.runs.load(Ordering::Relaxed) as i64),
            Datum::Int8(0),
        ];
        row(&desc, fields)
    });
    Ok(all_rows(rows.collect()))
}
