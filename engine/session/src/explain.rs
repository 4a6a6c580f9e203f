//! EXPLAIN: a statement's plan, and with ANALYZE what running it took.

use crate::access::Access;
use crate::client::{Client, Format, OutputColumn};
use crate::options::option_boolean;
use crate::run::{Planned, fetch};
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_analyze::Params;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Execution;
use redoubt_functions::{Datum, types};
use redoubt_plan::explain::{ExplainContext, ExplainFormat, ExplainOptions, Measurements, Report, explain};
use redoubt_sql::tree::{
    CreateTableAs, CreateTableAsSource, DefElem, DmlStatement, Explain, StatementKind, UtilityStatement,
};
use std::time::Instant;

/// EXPLAIN's options, checked.
struct Options {
    shown: ExplainOptions,
    analyze: bool,
    settings: bool,
}

impl Session {
    /// EXPLAIN. The client has been told the columns.
    pub(crate) fn explain(&mut self, statement: &Explain, client: &mut dyn Client) -> PgResult<()> {
        let options = options(&statement.options)?;
        self.ensure_transaction()?;
        let started = Instant::now();
        let (planned, params) = self.explained_plan(&statement.statement.kind, options.analyze)?;
        let planning_ms = milliseconds(started);
        let measured = match options.analyze {
            true => Some(self.measure(&planned, &params, options.shown.timing, client)?),
            false => None,
        };
        let settings = if options.settings { self.changed_planner_settings() } else { Vec::new() };
        let access = Access::current(self)?;
        let env = access.env();
        let context = ExplainContext { catalog: access.catalog(), env: &env, path: &access.path };
        let report =
            Report { measured: measured.as_ref(), planning_ms: Some(planning_ms), settings: &settings };
        // Both formats are text already.
        let columns = [OutputColumn { type_oid: types::TEXT, ..columns(statement)[0].clone() }];
        for line in explain(&planned.plan, &options.shown, &report, &context)? {
            client.data_row(&columns, &[Datum::text(line)], &env)?;
        }
        Ok(())
    }

    /// The plan of what is explained, and the values of its parameters.
    fn explained_plan(
        &mut self,
        statement: &StatementKind,
        analyze: bool,
    ) -> PgResult<(Planned, Vec<Datum>)> {
        let dml: DmlStatement = match statement {
            StatementKind::Utility(utility) => match &**utility {
                UtilityStatement::Execute(execute) => {
                    let (prepared, _, params) = self.bind_execute(execute)?;
                    return Ok((self.plan_with_values(&prepared, &params)?, params));
                }
                UtilityStatement::DeclareCursor(declare) => {
                    let fraction = self.settings.real(Parameter::CursorTupleFraction);
                    let dml = DmlStatement::Select(declare.query.clone());
                    return Ok((self.plan_part(&dml, &Params::fixed(Vec::new()), fraction)?, Vec::new()));
                }
                // What is shown is the query; nothing is made.
                UtilityStatement::CreateTableAs(CreateTableAs {
                    source: CreateTableAsSource::Query(query),
                    ..
                }) if !analyze => DmlStatement::Select(query.clone()),
                other => return Err(PgError::unsupported(format!("EXPLAIN {}", other.tag()))),
            },
            planned => planned
                .as_dml()
                .ok_or_else(|| PgError::internal("a statement is either planned or a utility"))?,
        };
        Ok((self.plan(&dml, &Params::fixed(Vec::new()))?, Vec::new()))
    }

    /// Runs the plan and throws its rows away.
    fn measure(
        &self,
        planned: &Planned,
        params: &[Datum],
        timing: bool,
        client: &mut dyn Client,
    ) -> PgResult<Measurements> {
        let access = Access::current(self)?;
        let mut execution = Execution::measured(planned.plan.clone(), params, timing);
        let started = Instant::now();
        let run = || fetch(self, &access, &mut execution, None, u64::MAX, client);
        redoubt_buffer::blocking(run)?;
        let mut measured = execution.measurements();
        measured.execution_ms = milliseconds(started);
        Ok(measured)
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The one column of the answer: text, or JSON in one row.
pub(crate) fn columns(statement: &Explain) -> [OutputColumn; 1] {
    let json = options(&statement.options).is_ok_and(|options| options.shown.format == ExplainFormat::Json);
    [OutputColumn {
        name: "QUERY PLAN".into(),
        table_oid: 0,
        attribute: 0,
        type_oid: if json { types::JSON } else { types::TEXT },
        type_length: -1,
        typmod: -1,
        format: Format::Text,
    }]
}

fn options(elements: &[DefElem]) -> PgResult<Options> {
    let mut shown = ExplainOptions::default();
    let (mut analyze, mut settings, mut wal) = (false, false, false);
    let (mut timing, mut summary, mut buffers) = (None, None, false);
    for element in elements {
        match element.name.as_str() {
            "analyze" => analyze = option_boolean(element)?,
            "verbose" => shown.verbose = option_boolean(element)?,
            "costs" => shown.costs = option_boolean(element)?,
            "buffers" => buffers = option_boolean(element)?,
            "wal" => wal = option_boolean(element)?,
            "settings" => settings = option_boolean(element)?,
            "timing" => timing = Some(option_boolean(element)?),
            "summary" => summary = Some(option_boolean(element)?),
            "format" => shown.format = format(element)?,
            other => {
                let message = format!("unrecognized EXPLAIN option \"{other}\"");
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(element.pos)));
            }
        }
    }
    let needs_analyze = |option: &str| {
        let message = format!("EXPLAIN option {option} requires ANALYZE");
        Err(PgError::new(code::INVALID_PARAMETER_VALUE, message))
    };
    if wal && !analyze {
        return needs_analyze("WAL");
    }
    if timing == Some(true) && !analyze {
        return needs_analyze("TIMING");
    }
    if wal {
        return Err(PgError::unsupported("EXPLAIN option WAL"));
    }
    if buffers {
        return Err(PgError::unsupported("EXPLAIN option BUFFERS"));
    }
    shown.timing = timing.unwrap_or(analyze);
    shown.summary = summary.unwrap_or(analyze);
    Ok(Options { shown, analyze, settings })
}

fn format(element: &DefElem) -> PgResult<ExplainFormat> {
    let text = element.string().ok_or_else(|| {
        PgError::new(code::SYNTAX_ERROR, format!("{} requires a parameter", element.name.as_str()))
    })?;
    match text.as_str() {
        "text" => Ok(ExplainFormat::Text),
        "json" => Ok(ExplainFormat::Json),
        "xml" | "yaml" => Err(PgError::unsupported(format!("EXPLAIN format {}", text.to_ascii_uppercase()))),
        _ => {
            let message =
                format!("unrecognized value for EXPLAIN option \"{}\": \"{text}\"", element.name.as_str());
            Err(PgError::new(code::INVALID_PARAMETER_VALUE, message).at(Some(element.pos)))
        }
    }
}
