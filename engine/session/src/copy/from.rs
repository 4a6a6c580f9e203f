//! COPY FROM: the data's rows become rows of the table.
//!
//! What happens to a row is an INSERT of parameters, planned as any other; the executor is fed with
//! one row of parameters after the other.

use super::binary::BinaryRows;
use super::fields::Fields;
use super::input::{Input, Source};
use super::lines::{Lines, bad_format};
use super::options::{Columns, CopyFormat, CopyOptions, Header};
use super::{Target, named};
use crate::access::Access;
use crate::client::{Client, Format};
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_analyze::query::Expr;
use redoubt_analyze::{AnalyzeContext, Params, Place, TableShape, analyze_condition, analyze_statement};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Feed, RowSource, Storage};
use redoubt_functions::{Attribute, Datum, Env, Oid, io};
use redoubt_plan::node::Plan;
use redoubt_sql::tree::{self as ast, Copy};
use redoubt_txn::LockMode;
use std::sync::Arc;

/// Longest part of the data that an error's context shows, in bytes.
const SHOWN_BYTES: usize = 100;

impl Session {
    /// Runs COPY FROM into a table and says how many rows there were.
    pub(super) fn copy_from(
        &mut self,
        copy: &Copy,
        options: CopyOptions,
        name: &ast::ObjectName,
        columns: &[ast::Ident],
        client: &mut dyn Client,
    ) -> PgResult<u64> {
        let access = Access::current(self)?;
        let target = Target::find(self, &access, name, columns, LockMode::RowExclusive)?;
        target.refuse_kinds_to_fill()?;
        if self.settings.bool(Parameter::TransactionReadOnly) {
            let message = "cannot execute COPY FROM in a read-only transaction";
            return Err(PgError::new(code::READ_ONLY_SQL_TRANSACTION, message));
        }
        let access = Access::current(self)?;
        let plan = self.plan_copy_from(&access, copy, &target)?;
        let columns = target.read_columns(&options)?;
        let input = match super::files::open_to_read(self, copy)? {
            Some(file) => Input::new(Source::File(file)),
            None => {
                let format = match options.format {
                    CopyFormat::Binary => Format::Binary,
                    CopyFormat::Text | CopyFormat::Csv => Format::Text,
                };
                client.copy_in(format, columns.len())?;
                Input::new(Source::Client { client, facts: &self.facts })
            }
        };
        let env = access.env();
        let mut rows = CopyRows::new(input, options, columns, target.relation.name.clone(), &env);
        let storage = Storage {
            engine: &self.facts.instance.engine,
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: &access,
            work: self.work(),
            offload: None,
        };
        let context = ExecContext { env: &env, storage: &storage };
        let inserted =
            Feed::new(plan.clone())?.run(&context, &mut rows).map_err(|error| rows.explain(error))?;
        self.count_changes(&plan, inserted);
        Ok(inserted)
    }

    fn plan_copy_from(&self, access: &Access<'_>, copy: &Copy, target: &Target) -> PgResult<Arc<Plan>> {
        let env = access.env();
        let analysis = |params: Params| AnalyzeContext {
            catalog: access.catalog(),
            env: &env,
            path: &access.path,
            params,
        };
        let condition = match &copy.where_clause {
            None => None,
            Some(raw) => {
                let shape = TableShape {
                    name: target.relation.name.clone(),
                    relid: target.relation.oid,
                    desc: target.relation.desc.clone(),
                    row_type: target.relation.class.reltype,
                };
                let context = analysis(Params::fixed(Vec::new()));
                let expr = analyze_condition(raw, Place::CopyWhere, "WHERE", &shape, context)?;
                check_condition(&expr, target)?;
                Some(expr)
            }
        };
        let types: Vec<Oid> = target.columns.iter().map(|at| target.attribute(*at).type_oid).collect();
        let insert = insert_of_parameters(target);
        let (query, _) =
            analyze_statement(&ast::DmlStatement::Insert(Box::new(insert)), analysis(Params::fixed(types)))?;
        let settings = self.planner_settings();
        let plan = self
            .with_planner(access, &settings, |context| redoubt_plan::plan_copy(query, condition, context))?;
        self.check_permissions(&access, &plan)?;
        self.check_read_only(&plan)?;
        self.lock_tables(access, &plan)?;
        Ok(Arc::new(plan))
    }
}

/// `INSERT INTO table (columns) OVERRIDING SYSTEM VALUE VALUES ($1, ...)`.
fn insert_of_parameters(target: &Target) -> ast::Insert {
    let columns: Vec<ast::AssignTarget> = target
        .columns
        .iter()
        .map(|at| ast::AssignTarget { column: named(&target.attribute(*at).name), path: Vec::new() })
        .collect();
    let parameters =
        (1..=columns.len() as u32).map(|number| ast::Expr::Param { number, pos: 0 }).collect::<Vec<_>>();
    let source = (!columns.is_empty()).then(|| ast::Query {
        with: None,
        body: ast::QueryBody::Values { rows: vec![parameters], pos: 0 },
        order_by: Vec::new(),
        limit: ast::Limit::default(),
        locking: Vec::new(),
        pos: 0,
    });
    ast::Insert {
        with: None,
        relation: target.range_name(),
        columns,
        source,
        overriding_system: Some(true),
        on_conflict: None,
        returning: Vec::new(),
        pos: 0,
    }
}

/// A condition sees the row before generated columns are computed, and before it is stored.
fn check_condition(condition: &Expr, target: &Target) -> PgResult<()> {
    let mut result = Ok(());
    redoubt_analyze::visit::visit(condition, 0, &mut |node, _| {
        let Expr::Var(var) = node else { return true };
        if var.attno < 0 {
            result = Err(PgError::unsupported("a system column in COPY FROM WHERE"));
        } else if var.attno > 0 {
            let attribute = target.attribute(var.attno as usize - 1);
            if attribute.generated != 0 {
                let message = "generated columns are not supported in COPY FROM WHERE conditions";
                result = Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message)
                    .detail(format!("Column \"{}\" is a generated column.", attribute.name)));
            }
        }
        result.is_ok()
    });
    result
}

/// A column that the data have.
pub(super) struct ReadColumn {
    pub attribute: Attribute,
    pub force_not_null: bool,
    pub force_null: bool,
}

impl Target {
    /// The columns that are read, with what the options say of each.
    fn read_columns(&self, options: &CopyOptions) -> PgResult<Vec<ReadColumn>> {
        let not_null = self.flags(&options.force_not_null, "FORCE_NOT_NULL")?;
        let null = self.flags(&options.force_null, "FORCE_NULL")?;
        let columns = self.columns.iter().zip(not_null).zip(null);
        Ok(columns
            .map(|((at, force_not_null), force_null)| ReadColumn {
                attribute: self.attribute(*at).clone(),
                force_not_null,
                force_null,
            })
            .collect())
    }

    /// Which of the columns copied an option names.
    pub(super) fn flags(&self, named: &Columns, option: &str) -> PgResult<Vec<bool>> {
        let names = match named {
            Columns::None => return Ok(vec![false; self.columns.len()]),
            Columns::All => return Ok(vec![true; self.columns.len()]),
            Columns::Named(names) => names,
        };
        let mut flags = vec![false; self.columns.len()];
        for name in names {
            let at = self.column(name)?;
            match self.columns.iter().position(|column| *column == at) {
                Some(position) => flags[position] = true,
                None => {
                    let message = format!("{option} column \"{name}\" not referenced by COPY");
                    return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message));
                }
            }
        }
        Ok(flags)
    }
}

/// The data, in one of the forms.
enum Data<'a> {
    Lines { lines: Lines<'a>, fields: Fields },
    Binary { rows: BinaryRows<'a>, bytes: Vec<u8> },
}

/// What an error is about.
enum Concern {
    /// No row in particular.
    Nothing,
    /// A line whose text is not at hand.
    Line(u64),
    /// The current line.
    CurrentLine,
    /// A column of it.
    Column(usize),
}

/// The data's rows, as the executor takes them.
struct CopyRows<'a> {
    data: Data<'a>,
    options: CopyOptions,
    columns: Vec<ReadColumn>,
    table: Arc<str>,
    env: &'a dyn Env,
    concern: Concern,
    started: bool,
}

impl<'a> CopyRows<'a> {
    fn new(
        input: Input<'a>,
        options: CopyOptions,
        columns: Vec<ReadColumn>,
        table: Arc<str>,
        env: &'a dyn Env,
    ) -> CopyRows<'a> {
        let data = match options.format {
            CopyFormat::Binary => Data::Binary { rows: BinaryRows::new(input), bytes: Vec::new() },
            CopyFormat::Text | CopyFormat::Csv => {
                Data::Lines { lines: Lines::new(input, &options), fields: Fields::default() }
            }
        };
        CopyRows { data, options, columns, table, env, concern: Concern::Nothing, started: false }
    }

    /// Adds the CONTEXT line that says where in the data it happened.
    fn explain(&self, error: PgError) -> PgError {
        let number = match &self.data {
            Data::Lines { lines, .. } => lines.number,
            Data::Binary { rows, .. } => rows.number,
        };
        let table = &self.table;
        let line = |number: u64| format!("COPY {table}, line {number}");
        let column = |at: usize| format!("{}, column {}", line(number), self.columns[at].attribute.name);
        let context = match (&self.concern, &self.data) {
            (Concern::Nothing, _) => return error,
            (Concern::Line(number), _) => line(*number),
            (Concern::CurrentLine, Data::Binary { .. }) => line(number),
            (Concern::CurrentLine, Data::Lines { lines, .. }) => {
                format!("{}: \"{}\"", line(number), shown(&String::from_utf8_lossy(lines.line())))
            }
            (Concern::Column(at), Data::Binary { .. }) => column(*at),
            (Concern::Column(at), Data::Lines { lines, fields }) => {
                let text = String::from_utf8_lossy(lines.line());
                match value_of(fields, *at, &text, &self.columns[*at], &self.options) {
                    Some(value) => format!("{}: \"{}\"", column(*at), shown(value)),
                    None => format!("{}: null input", column(*at)),
                }
            }
        };
        error.context(context)
    }

    fn read_row(&mut self, params: &mut Vec<Datum>) -> PgResult<Option<u64>> {
        let CopyRows { data, options, columns, env, concern, .. } = self;
        let (env, options, columns) = (*env, &*options, &*columns);
        match data {
            Data::Lines { lines, fields } => {
                *concern = Concern::Line(lines.number + 1);
                let advanced = lines.advance();
                *concern = Concern::Line(lines.number);
                if !advanced? {
                    return Ok(None);
                }
                *concern = Concern::CurrentLine;
                split(lines, fields, options)?;
                let line = text_of(lines)?;
                if columns.is_empty() {
                    let more = if line.is_empty() { None } else { Some(extra()) };
                    return more.map_or(Ok(Some(lines.number)), Err);
                }
                if fields.len() > columns.len() {
                    return Err(extra());
                }
                for (at, column) in columns.iter().enumerate() {
                    if at >= fields.len() {
                        *concern = Concern::CurrentLine;
                        let name = &column.attribute.name;
                        return Err(bad_format(&format!("missing data for column \"{name}\"")));
                    }
                    *concern = Concern::Column(at);
                    let attribute = &column.attribute;
                    params.push(match value_of(fields, at, line, column, options) {
                        None => io::null_input(attribute.type_oid, env)?,
                        Some(text) => io::input(attribute.type_oid, attribute.typmod, text, env)?,
                    });
                }
                *concern = Concern::CurrentLine;
                Ok(Some(lines.number))
            }
            Data::Binary { rows, bytes } => {
                *concern = Concern::Line(rows.number + 1);
                if !rows.advance(columns.len())? {
                    return Ok(None);
                }
                for (at, column) in columns.iter().enumerate() {
                    *concern = Concern::Column(at);
                    let attribute = &column.attribute;
                    params.push(match rows.field(bytes)? {
                        false => io::null_input(attribute.type_oid, env)?,
                        true => io::recv(attribute.type_oid, attribute.typmod, bytes, env)?,
                    });
                }
                *concern = Concern::CurrentLine;
                Ok(Some(rows.number))
            }
        }
    }

    /// Reads what stands before the first row.
    fn start(&mut self) -> PgResult<()> {
        match &mut self.data {
            Data::Binary { rows, .. } => {
                self.concern = Concern::Nothing;
                rows.header()
            }
            Data::Lines { lines, fields } if self.options.header != Header::No => {
                self.concern = Concern::Line(1);
                if !lines.advance()? || self.options.header == Header::Yes {
                    return Ok(());
                }
                self.concern = Concern::CurrentLine;
                split(lines, fields, &self.options)?;
                match_header(fields, text_of(lines)?, &self.columns, &self.options.null)
            }
            Data::Lines { .. } => Ok(()),
        }
    }
}

impl RowSource for CopyRows<'_> {
    fn next_row(&mut self, params: &mut Vec<Datum>) -> PgResult<Option<u64>> {
        if !std::mem::replace(&mut self.started, true) {
            self.start()?;
        }
        self.read_row(params)
    }

    fn blame(&mut self, line: u64) {
        self.concern = Concern::Line(line);
    }

    fn all_stored(&mut self) {
        self.concern = Concern::Nothing;
    }
}

fn extra() -> PgError {
    bad_format("extra data after last expected column")
}

fn text_of<'l>(lines: &'l Lines<'_>) -> PgResult<&'l str> {
    std::str::from_utf8(lines.line()).map_err(|_| PgError::internal("a line was checked to be UTF-8"))
}

fn split(lines: &Lines<'_>, fields: &mut Fields, options: &CopyOptions) -> PgResult<()> {
    let CopyOptions { delimiter, null, quote, escape, .. } = options;
    match options.format {
        CopyFormat::Csv => fields.split_csv(text_of(lines)?, *delimiter, null, *quote, *escape),
        _ => fields.split_text(text_of(lines)?, *delimiter, null),
    }
}

/// A field's value, with FORCE_NULL and FORCE_NOT_NULL applied.
fn value_of<'f>(
    fields: &'f Fields,
    at: usize,
    line: &'f str,
    column: &ReadColumn,
    options: &'f CopyOptions,
) -> Option<&'f str> {
    match fields.get(at, line) {
        None if column.force_not_null => Some(&options.null),
        Some(text) if column.force_null && text == options.null => None,
        other => other,
    }
}

/// HEADER MATCH.
fn match_header(fields: &Fields, line: &str, columns: &[ReadColumn], null: &str) -> PgResult<()> {
    if fields.len() != columns.len() {
        let message = format!(
            "wrong number of fields in header line: got {}, expected {}",
            fields.len(),
            columns.len()
        );
        return Err(bad_format(&message));
    }
    for (at, column) in columns.iter().enumerate() {
        let expected = &column.attribute.name;
        let got = match fields.get(at, line) {
            Some(name) if *name == **expected => continue,
            Some(name) => format!("got \"{name}\""),
            None => format!("got null value (\"{null}\")"),
        };
        let message =
            format!("column name mismatch in header line field {}: {got}, expected \"{expected}\"", at + 1);
        return Err(bad_format(&message));
    }
    Ok(())
}

/// Data as a context shows them: not too many.
fn shown(text: &str) -> String {
    if text.len() <= SHOWN_BYTES {
        return text.to_string();
    }
    let mut end = SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}
