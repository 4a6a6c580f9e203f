//! COPY TO: the rows of a table or a query become data.

use super::binary::SIGNATURE;
use super::options::{Columns, CopyFormat, CopyOptions, Header};
use super::{Target, named};
use crate::access::Access;
use crate::client::{Client, Format, OutputColumn};
use crate::run::Planned;
use crate::session::Session;
use redoubt_analyze::Params;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Execution, Storage};
use redoubt_functions::{Datum, Env, io};
use redoubt_sql::tree::{self as ast, Copy, CopySource, DmlStatement};
use redoubt_txn::LockMode;
use std::fs::File;
use std::io::{BufWriter, Write};

impl Session {
    /// Runs COPY TO and says how many rows there were.
    pub(super) fn copy_to(
        &mut self,
        copy: &Copy,
        options: CopyOptions,
        client: &mut dyn Client,
    ) -> PgResult<u64> {
        let access = Access::current(self)?;
        let (planned, force_quote) = match &copy.source {
            CopySource::Relation { name, columns } => {
                let target = Target::find(self, &access, name, columns, LockMode::AccessShare)?;
                target.refuse_kinds_to_read()?;
                let force_quote = target.flags(&options.force_quote, "FORCE_QUOTE")?;
                (self.plan(&select_of(&target), &Params::fixed(Vec::new()))?, force_quote)
            }
            CopySource::Query { statement } => {
                let planned = self.plan(&query_of(statement)?, &Params::fixed(Vec::new()))?;
                let force_quote = named_outputs(&options.force_quote, &planned.columns)?;
                (planned, force_quote)
            }
        };
        let file = super::files::open_to_write(self, copy)?;
        let encoder = Encoder { options, columns: &planned.columns, force_quote };
        match file {
            Some(file) => {
                let mut sink = Sink::File(BufWriter::new(file));
                let rows = self.copy_rows(&planned, &encoder, &mut sink)?;
                sink.flush()?;
                Ok(rows)
            }
            None => {
                let binary = encoder.options.format == CopyFormat::Binary;
                let format = if binary { Format::Binary } else { Format::Text };
                client.copy_out(format, planned.columns.len());
                let rows = self.copy_rows(&planned, &encoder, &mut Sink::Client(client))?;
                client.copy_done();
                Ok(rows)
            }
        }
    }

    fn copy_rows(&self, planned: &Planned, encoder: &Encoder<'_>, sink: &mut Sink<'_>) -> PgResult<u64> {
        let access = Access::current(self)?;
        let env = access.env();
        let datafusion = self.datafusion_for(&planned.plan);
        let storage = Storage {
            engine: &self.facts.instance.engine,
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: &access,
            work: self.work(),
            offload: datafusion.as_ref().map(|datafusion| datafusion as _),
        };
        let context = ExecContext { env: &env, storage: &storage };
        let mut execution = Execution::new(planned.plan.clone(), &[]);
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        encoder.header(&mut out);
        // A binary header leaves together with the first row.
        if encoder.options.format != CopyFormat::Binary && !out.is_empty() {
            sink.put(&out)?;
            out.clear();
        }
        let mut rows = 0;
        while execution.next(&context)? {
            encoder.row(execution.row(), &env, &mut scratch, &mut out)?;
            sink.put(&out)?;
            out.clear();
            rows += 1;
        }
        if encoder.options.format == CopyFormat::Binary {
            out.extend_from_slice(&(-1i16).to_be_bytes());
            sink.put(&out)?;
        }
        Ok(rows)
    }
}

/// Where the data go.
enum Sink<'a> {
    Client(&'a mut dyn Client),
    File(BufWriter<File>),
}

impl Sink<'_> {
    fn put(&mut self, data: &[u8]) -> PgResult<()> {
        match self {
            Sink::Client(client) => client.copy_data(data),
            Sink::File(file) => file.write_all(data).map_err(|error| could_not_write(&error)),
        }
    }

    fn flush(&mut self) -> PgResult<()> {
        match self {
            Sink::Client(_) => Ok(()),
            Sink::File(file) => file.flush().map_err(|error| could_not_write(&error)),
        }
    }
}

fn could_not_write(error: &std::io::Error) -> PgError {
    let code = if error.kind() == std::io::ErrorKind::StorageFull { code::DISK_FULL } else { code::IO_ERROR };
    PgError::new(code, format!("could not write to COPY file: {}", super::os_error(error)))
}

/// `SELECT columns FROM ONLY table`.
fn select_of(target: &Target) -> DmlStatement {
    let targets = target
        .columns
        .iter()
        .map(|at| ast::Target {
            expr: ast::Expr::Column(ast::ColumnRef {
                parts: vec![named(&target.attribute(*at).name)],
                star: false,
                pos: 0,
            }),
            alias: None,
            pos: 0,
        })
        .collect();
    let select = ast::Select {
        distinct: None,
        targets,
        into: None,
        from: vec![ast::TableRef::Relation { relation: target.range_name(), sample: None }],
        where_clause: None,
        group_by: Vec::new(),
        group_distinct: false,
        having: None,
        windows: Vec::new(),
        pos: 0,
    };
    DmlStatement::Select(Box::new(ast::Query {
        with: None,
        body: ast::QueryBody::Select(Box::new(select)),
        order_by: Vec::new(),
        limit: ast::Limit::default(),
        locking: Vec::new(),
        pos: 0,
    }))
}

/// The query in COPY (query) TO.
fn query_of(statement: &ast::Statement) -> PgResult<DmlStatement> {
    let refuse = |message: &str| Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
    let Some(dml) = statement.kind.as_dml() else {
        return refuse("COPY (SELECT INTO) is not supported");
    };
    if let DmlStatement::Select(query) = &dml
        && let ast::QueryBody::Select(select) = &query.body
        && select.into.is_some()
    {
        return refuse("COPY (SELECT INTO) is not supported");
    }
    let returns = match &dml {
        DmlStatement::Select(_) => true,
        DmlStatement::Insert(insert) => !insert.returning.is_empty(),
        DmlStatement::Update(update) => !update.returning.is_empty(),
        DmlStatement::Delete(delete) => !delete.returning.is_empty(),
    };
    if returns { Ok(dml) } else { refuse("COPY query must have a RETURNING clause") }
}

/// The result columns that FORCE_QUOTE names.
fn named_outputs(named: &Columns, columns: &[OutputColumn]) -> PgResult<Vec<bool>> {
    let names = match named {
        Columns::None => return Ok(vec![false; columns.len()]),
        Columns::All => return Ok(vec![true; columns.len()]),
        Columns::Named(names) => names,
    };
    let mut flags = vec![false; columns.len()];
    for name in names {
        match columns.iter().position(|column| *column.name == **name) {
            Some(at) => flags[at] = true,
            None => {
                let message = format!("column \"{name}\" does not exist");
                return Err(PgError::new(code::UNDEFINED_COLUMN, message));
            }
        }
    }
    Ok(flags)
}

/// Turns rows into bytes.
struct Encoder<'a> {
    options: CopyOptions,
    columns: &'a [OutputColumn],
    force_quote: Vec<bool>,
}

impl Encoder<'_> {
    fn header(&self, out: &mut Vec<u8>) {
        match self.options.format {
            CopyFormat::Binary => {
                out.extend_from_slice(SIGNATURE);
                // No flags, and no extension.
                out.extend_from_slice(&[0; 8]);
            }
            _ if self.options.header == Header::No => {}
            format => {
                for (at, column) in self.columns.iter().enumerate() {
                    if at > 0 {
                        out.push(self.options.delimiter);
                    }
                    match format {
                        CopyFormat::Csv => self.put_csv(column.name.as_bytes(), false, out),
                        _ => self.put_text(column.name.as_bytes(), out),
                    }
                }
                out.push(b'\n');
            }
        }
    }

    fn row(&self, values: &[Datum], env: &dyn Env, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> PgResult<()> {
        if self.options.format == CopyFormat::Binary {
            return self.binary_row(values, env, scratch, out);
        }
        for (at, (value, column)) in values.iter().zip(self.columns).enumerate() {
            if at > 0 {
                out.push(self.options.delimiter);
            }
            if value.is_null() {
                out.extend_from_slice(self.options.null.as_bytes());
                continue;
            }
            scratch.clear();
            io::output(value, column.type_oid, env, scratch)?;
            match self.options.format {
                CopyFormat::Csv => self.put_csv(scratch, self.force_quote[at], out),
                _ => self.put_text(scratch, out),
            }
        }
        out.push(b'\n');
        Ok(())
    }

    fn binary_row(
        &self,
        values: &[Datum],
        env: &dyn Env,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> PgResult<()> {
        out.extend_from_slice(&(values.len() as i16).to_be_bytes());
        for (value, column) in values.iter().zip(self.columns) {
            if value.is_null() {
                out.extend_from_slice(&(-1i32).to_be_bytes());
                continue;
            }
            scratch.clear();
            io::send(value, column.type_oid, env, scratch)?;
            out.extend_from_slice(&(scratch.len() as i32).to_be_bytes());
            out.extend_from_slice(scratch);
        }
        Ok(())
    }

    fn put_text(&self, text: &[u8], out: &mut Vec<u8>) {
        for &byte in text {
            let escaped = match byte {
                8 => b'b',
                12 => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                11 => b'v',
                b'\\' => b'\\',
                other if other == self.options.delimiter => other,
                other => {
                    out.push(other);
                    continue;
                }
            };
            out.extend_from_slice(&[b'\\', escaped]);
        }
    }

    fn put_csv(&self, text: &[u8], force: bool, out: &mut Vec<u8>) {
        let CopyOptions { delimiter, quote, escape, null, .. } = &self.options;
        let special = |byte: &u8| *byte == *delimiter || *byte == *quote || matches!(*byte, b'\n' | b'\r');
        let quoted = force
            || text == null.as_bytes()
            // Alone on its line it would end the data.
            || (self.columns.len() == 1 && text == b"\\.")
            || text.iter().any(special);
        if !quoted {
            out.extend_from_slice(text);
            return;
        }
        out.push(*quote);
        for &byte in text {
            if byte == *quote || byte == *escape {
                out.push(*escape);
            }
            out.push(byte);
        }
        out.push(*quote);
    }
}
