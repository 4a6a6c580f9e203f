//! The extended query protocol: prepared statements and portals.

use crate::access::Access;
use crate::block::State;
use crate::client::{Client, Format, OutputColumn};
use crate::executor::Origin;
use crate::plan_cache::CachedPlan;
use crate::run::{Planned, fetch, tag};
use crate::session::Session;
use redoubt_analyze::Params;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Execution;
use redoubt_functions::{Datum, Oid, io};
use redoubt_plan::range::RangeKind;
use redoubt_sql::tree::{DmlStatement, Statement, StatementKind, UtilityStatement};
use redoubt_txn::Snapshot;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A prepared statement.
pub(crate) struct Prepared {
    pub(crate) text: Arc<str>,
    /// `None` for an empty text.
    pub(crate) statement: Option<Statement>,
    pub(crate) dml: Option<DmlStatement>,
    /// Types that the client declared; 0 leaves one to be found out.
    declared: Vec<Oid>,
    /// The plan, and when it is good.
    planned: parking_lot::Mutex<Option<CachedPlan>>,
    /// What Describe tells: fixed when the statement is prepared.
    pub(crate) param_types: Arc<[Oid]>,
    pub(crate) columns: Arc<[OutputColumn]>,
    /// When it was prepared, microseconds since 2000-01-01 UTC.
    pub(crate) prepared_us: i64,
    /// By PREPARE, not by a Parse message.
    pub(crate) from_sql: bool,
    /// How often it has been run.
    pub(crate) runs: AtomicU64,
}

/// A bound statement, running or about to.
pub(crate) struct Portal {
    prepared: Arc<Prepared>,
    planned: Option<Planned>,
    params: Vec<Datum>,
    columns: Arc<[OutputColumn]>,
    /// Formats that Bind asked for.
    formats: Box<[i16]>,
    /// Made by the first Execute, kept while rows are left.
    running: Option<(Execution, Snapshot)>,
    finished: bool,
}

impl Portal {
    /// Whether it has rows of this relation still to give.
    pub(crate) fn reads(&self, relation: Oid) -> bool {
        let is_it =
            |kind: &RangeKind| matches!(kind, RangeKind::Relation { relid, .. } if *relid == relation);
        self.running.is_some()
            && self
                .planned
                .as_ref()
                .is_some_and(|plan| plan.plan.ranges.iter().any(|range| is_it(&range.kind)))
    }
}

impl Session {
    /// Parse: prepares a statement under a name; the unnamed one is replaced.
    ///
    /// # Errors
    /// After any error the client has been told, and the connection skips to Sync.
    pub fn parse(&mut self, name: &str, text: &str, types: &[Oid], client: &mut dyn Client) -> PgResult<()> {
        self.begin_message();
        let result = self.start_statement_timer().and_then(|()| self.prepare(name, text, types));
        if result.is_ok() {
            client.parse_complete();
        }
        self.settle_extended(result, text, client)
    }

    fn prepare(&mut self, name: &str, text: &str, types: &[Oid]) -> PgResult<()> {
        self.facts.instance.measures.parsing();
        let mut statements = redoubt_sql::parse(text)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        self.keep_prepared(name, text, statements.pop(), types, false)
    }

    /// Prepares a statement under a name.
    ///
    /// # Errors
    /// `42P05` when there is one of this name, and what is wrong with the statement.
    pub(crate) fn keep_prepared(
        &mut self,
        name: &str,
        text: &str,
        statement: Option<Statement>,
        types: &[Oid],
        from_sql: bool,
    ) -> PgResult<()> {
        if !name.is_empty() && self.prepared.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(PgError::new(code::DUPLICATE_PSTATEMENT, message));
        }
        let dml = statement.as_ref().and_then(|statement| statement.kind.as_dml());
        let mut prepared = Prepared {
            text: text.into(),
            statement,
            dml,
            declared: types.to_vec(),
            planned: parking_lot::Mutex::default(),
            param_types: Arc::from([]),
            columns: Arc::from([]),
            prepared_us: self.facts.statement_timestamp_us,
            from_sql,
            runs: AtomicU64::new(0),
        };
        if prepared.dml.is_some() {
            self.block.check_not_failed()?;
            self.ensure_transaction()?;
            let planned = self.planned(&prepared)?;
            prepared.param_types = planned.param_types;
            prepared.columns = planned.columns;
        }
        self.prepared.insert(name.to_string(), Arc::new(prepared));
        Ok(())
    }

    /// The statement's plan: the one made before, if the catalogs are as they were then.
    fn planned(&self, prepared: &Prepared) -> PgResult<Planned> {
        let dml = prepared.dml.as_ref().expect("only planned statements have plans");
        if let Some(cached) = &*prepared.planned.lock()
            && let Some(planned) = self.reuse(cached)?
        {
            return Ok(planned);
        }
        let (planned, cached) =
            self.plan_to_keep(dml, &Params::variable(prepared.declared.clone()), Origin::Client)?;
        *prepared.planned.lock() = cached;
        Ok(planned)
    }

    /// The plan to run a statement by.
    ///
    /// # Errors
    /// `0A000` when its columns are no longer those that the client was told.
    pub(crate) fn planned_again(&self, prepared: &Prepared) -> PgResult<Planned> {
        let planned = self.planned(prepared)?;
        let same = planned.columns.len() == prepared.columns.len()
            && planned.columns.iter().zip(prepared.columns.iter()).all(|(now, told)| {
                (now.type_oid, now.typmod) == (told.type_oid, told.typmod) && now.name == told.name
            });
        if same {
            return Ok(planned);
        }
        Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "cached plan must not change result type"))
    }

    /// Tells a simple query's client the columns of the rows to follow; gives them as the client wants them
    /// sent. In the extended protocol Describe has told them, and Bind has said in which formats.
    pub(crate) fn announce(
        &self,
        columns: &Arc<[OutputColumn]>,
        client: &mut dyn Client,
    ) -> PgResult<Arc<[OutputColumn]>> {
        match &self.portal_formats {
            Some(formats) => with_formats(columns, formats),
            None => {
                client.row_description(columns);
                Ok(columns.clone())
            }
        }
    }

    /// Bind: gives a statement its parameters, as a portal.
    ///
    /// # Errors
    /// As [`Session::parse`].
    pub fn bind<B: AsRef<[u8]>>(
        &mut self,
        portal: &str,
        statement: &str,
        formats: &[i16],
        values: &[Option<B>],
        result_formats: &[i16],
        client: &mut dyn Client,
    ) -> PgResult<()> {
        let text = self.prepared.get(statement).map_or_else(|| "".into(), |prepared| prepared.text.clone());
        let started = self.start_statement_timer();
        let result =
            started.and_then(|()| self.make_portal(portal, statement, formats, values, result_formats));
        if result.is_ok() {
            client.bind_complete();
        }
        self.settle_extended(result, &text, client)
    }

    fn make_portal<B: AsRef<[u8]>>(
        &mut self,
        portal: &str,
        statement: &str,
        formats: &[i16],
        values: &[Option<B>],
        result_formats: &[i16],
    ) -> PgResult<()> {
        let prepared = self.find_prepared(statement)?;
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(PgError::new(code::DUPLICATE_CURSOR, format!("cursor \"{portal}\" already exists")));
        }
        if formats.len() > 1 && formats.len() != values.len() {
            let message = format!(
                "bind message has {} parameter formats but {} parameters",
                formats.len(),
                values.len()
            );
            return Err(PgError::new(code::PROTOCOL_VIOLATION, message));
        }
        if values.len() != prepared.param_types.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                values.len(),
                prepared.param_types.len()
            );
            return Err(PgError::new(code::PROTOCOL_VIOLATION, message));
        }
        let mut bound = Portal {
            columns: with_formats(&prepared.columns, result_formats)?,
            formats: result_formats.into(),
            planned: None,
            params: Vec::with_capacity(values.len()),
            running: None,
            finished: false,
            prepared: prepared.clone(),
        };
        if prepared.dml.is_some() {
            self.block.check_not_failed()?;
            self.ensure_transaction()?;
            let planned = self.planned_again(&prepared)?;
            bound.params = self.read_params(&prepared.param_types, formats, values)?;
            bound.planned = Some(planned);
        }
        self.portals.insert(portal.to_string(), bound);
        Ok(())
    }

    fn read_params<B: AsRef<[u8]>>(
        &self,
        types: &[Oid],
        formats: &[i16],
        values: &[Option<B>],
    ) -> PgResult<Vec<Datum>> {
        let access = Access::current(self)?;
        let env = access.env();
        let mut params = Vec::with_capacity(values.len());
        for (index, (value, type_oid)) in values.iter().zip(types).enumerate() {
            let format = read_format(pick(formats, index))?;
            params.push(match value {
                None => io::null_input(*type_oid, &env)?,
                Some(bytes) => match format {
                    Format::Binary => io::recv(*type_oid, -1, bytes.as_ref(), &env)?,
                    Format::Text => {
                        let text = std::str::from_utf8(bytes.as_ref()).map_err(|_| {
                            PgError::new(
                                code::CHARACTER_NOT_IN_REPERTOIRE,
                                "invalid byte sequence for encoding \"UTF8\"",
                            )
                        })?;
                        io::input(*type_oid, -1, text, &env)?
                    }
                },
            });
        }
        Ok(params)
    }

    /// Describe of a statement.
    ///
    /// # Errors
    /// As [`Session::parse`].
    pub fn describe_statement(&mut self, name: &str, client: &mut dyn Client) -> PgResult<()> {
        let described = self.find_prepared(name).and_then(|prepared| {
            let utility_columns = self.columns_of_utility(&prepared)?;
            client.parameter_description(&prepared.param_types);
            describe_columns(&prepared, utility_columns.as_deref().unwrap_or(&prepared.columns), client);
            Ok(())
        });
        self.settle_extended(described, "", client)
    }

    /// The columns of a statement that runs another: they are known only now.
    fn columns_of_utility(&self, prepared: &Prepared) -> PgResult<Option<Arc<[OutputColumn]>>> {
        match &prepared.statement {
            Some(Statement { kind: StatementKind::Utility(utility), .. }) => match &**utility {
                UtilityStatement::Execute(execute) => self.columns_of_execute(execute),
                UtilityStatement::Fetch(fetch) => self.columns_of_fetch(fetch),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Describe of a portal.
    ///
    /// # Errors
    /// As [`Session::parse`].
    pub fn describe_portal(&mut self, name: &str, client: &mut dyn Client) -> PgResult<()> {
        let described = match self.portals.get(name) {
            None => Err(no_portal(name)),
            Some(portal) => self.columns_of_utility(&portal.prepared).and_then(|columns| {
                let columns = columns.map(|columns| with_formats(&columns, &portal.formats)).transpose()?;
                describe_columns(&portal.prepared, columns.as_deref().unwrap_or(&portal.columns), client);
                Ok(())
            }),
        };
        self.settle_extended(described, "", client)
    }

    /// Execute: up to `limit` rows of a portal, all if it is 0.
    ///
    /// # Errors
    /// As [`Session::parse`].
    pub fn execute(&mut self, name: &str, limit: u64, client: &mut dyn Client) -> PgResult<()> {
        self.begin_message();
        let Some(mut portal) = self.portals.remove(name) else {
            return self.settle_extended(Err(no_portal(name)), "", client);
        };
        let text = portal.prepared.text.clone();
        self.report_running(&text);
        let started = self.start_statement_timer();
        let limit = if limit == 0 { u64::MAX } else { limit };
        let result = started.and_then(|()| self.run_portal(&mut portal, limit, client));
        self.stop_statement_timer();
        if result.is_ok() && self.txn.is_some() {
            self.portals.insert(name.to_string(), portal);
        }
        let settled = self.settle_extended(result, &text, client);
        self.report_waiting();
        settled
    }

    fn run_portal(&mut self, portal: &mut Portal, limit: u64, client: &mut dyn Client) -> PgResult<()> {
        let Some(statement) = &portal.prepared.statement else {
            client.empty_query();
            return Ok(());
        };
        if let StatementKind::Utility(utility) = &statement.kind {
            let text = portal.prepared.text.clone();
            self.portal_formats = Some(portal.formats.clone());
            let tag = self.run_utility(utility, &text, client);
            self.portal_formats = None;
            let tag = tag?;
            self.send_notices(client, &text);
            self.complete(&tag, client);
            return Ok(());
        }
        self.block.check_not_failed()?;
        self.block.begin_implicit();
        self.ensure_transaction()?;
        let planned = portal.planned.clone().expect("a planned statement was planned at Bind");
        if portal.finished {
            self.complete(&tag(&planned.plan, 0, 0), client);
            return Ok(());
        }
        let (mut execution, snapshot) = match portal.running.take() {
            Some(running) => running,
            None => {
                portal.prepared.runs.fetch_add(1, Ordering::Relaxed);
                (Execution::new(planned.plan.clone(), &portal.params), self.txn().statement_snapshot()?)
            }
        };
        let access = Access::new(self, snapshot.clone())?;
        let (rows, more) = fetch(self, &access, &mut execution, Some(&portal.columns[..]), limit, client)?;
        drop(access);
        self.adopt_changed_settings();
        if more {
            portal.running = Some((execution, snapshot));
            client.portal_suspended();
            return Ok(());
        }
        portal.finished = true;
        self.count_changes(&planned.plan, execution.processed());
        let tag = tag(&planned.plan, rows, execution.processed());
        self.txn().advance_command()?;
        let text = portal.prepared.text.clone();
        self.send_notices(client, &text);
        self.complete(&tag, client);
        Ok(())
    }

    /// Close of a statement or portal; one that does not exist is no error.
    ///
    /// # Errors
    /// None.
    pub fn close(&mut self, statement: bool, name: &str, client: &mut dyn Client) -> PgResult<()> {
        if statement {
            self.prepared.remove(name);
        } else {
            self.portals.remove(name);
        }
        client.close_complete();
        Ok(())
    }

    /// Sync: the end of a batch, and of its transaction outside a block.
    ///
    /// # Errors
    /// Fatal ones only.
    pub fn sync(&mut self, client: &mut dyn Client) -> PgResult<()> {
        self.stop_statement_timer();
        let result = self.finish_implicit(client);
        self.settle(result, "", client)
    }

    /// As [`Session::settle`], but an error comes back, so that the connection skips to Sync.
    fn settle_extended(&mut self, result: PgResult<()>, text: &str, client: &mut dyn Client) -> PgResult<()> {
        let failed = result.as_ref().err().cloned();
        if failed.is_some() {
            self.stop_statement_timer();
        }
        self.settle(result, text, client)?;
        match failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(crate) fn find_prepared(&self, name: &str) -> PgResult<Arc<Prepared>> {
        self.prepared.get(name).cloned().ok_or_else(|| crate::prepared::missing(name))
    }

    /// Whether a failed block's end is all that is left.
    pub fn is_failed(&self) -> bool {
        self.block.state() == State::Failed
    }
}

fn no_portal(name: &str) -> PgError {
    PgError::new(code::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

fn describe_columns(prepared: &Prepared, columns: &[OutputColumn], client: &mut dyn Client) {
    let selects = matches!(&prepared.dml, Some(DmlStatement::Select(_)));
    match &prepared.statement {
        Some(Statement { kind: StatementKind::Utility(utility), .. }) => match &**utility {
            UtilityStatement::Execute(_) | UtilityStatement::Fetch(_) if !columns.is_empty() => {
                client.row_description(columns);
            }
            utility => crate::utility::describe(utility, client),
        },
        _ if selects || !columns.is_empty() => client.row_description(columns),
        _ => client.no_data(),
    }
}

/// One format for all, one for each, or none for text.
fn pick(formats: &[i16], index: usize) -> i16 {
    match formats {
        [] => 0,
        [all] => *all,
        each => each.get(index).copied().unwrap_or(0),
    }
}

fn read_format(format: i16) -> PgResult<Format> {
    match format {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => {
            Err(PgError::new(code::INVALID_PARAMETER_VALUE, format!("unsupported format code: {other}")))
        }
    }
}

fn with_formats(columns: &Arc<[OutputColumn]>, formats: &[i16]) -> PgResult<Arc<[OutputColumn]>> {
    if formats.is_empty() {
        return Ok(columns.clone());
    }
    if formats.len() > 1 && formats.len() != columns.len() && !columns.is_empty() {
        let message = format!(
            "bind message has {} result formats but query has {} columns",
            formats.len(),
            columns.len()
        );
        return Err(PgError::new(code::PROTOCOL_VIOLATION, message));
    }
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            Ok(OutputColumn { format: read_format(pick(formats, index))?, ..column.clone() })
        })
        .collect::<PgResult<Vec<_>>>()
        .map(Arc::from)
}
