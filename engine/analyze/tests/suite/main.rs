//! Whole SQL scripts, statement by statement, beside a real PostgreSQL server: for every statement
//! that is planned, the analyzer's columns, parameter types and errors are compared with the
//! server's, over the catalogs that the server has at that moment.
//!
//! Runs only when `REDOUBT_REFERENCE` holds a server's address (`host:port`, user `postgres`,
//! trusted) and `REDOUBT_SUITE` a directory of scripts, such as PostgreSQL's regression suite;
//! `REDOUBT_SUITE_ONLY` limits it to files (names without `.sql`, separated by commas) and
//! `REDOUBT_SUITE_FIRST` names files that are run first, uncompared. Differences are printed; a
//! statement that the analyzer refuses as not built is no difference.

#[path = "../clauses/client.rs"]
mod client;
#[path = "../clauses/env.rs"]
mod env;
mod import;
mod script;

use client::{Client, ServerError, Shape};
use env::CatalogEnv;
use redoubt_analyze::query::{CommandType, Query, TargetEntry};
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement};
use redoubt_catalog::MemoryCatalog;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, PlainEnv, Settings};
use redoubt_sql::tree::DmlStatement;
use std::collections::BTreeMap;
use std::path::Path;

const DATABASE: &str = "redoubt_suite";

#[derive(Default)]
struct Report {
    same: usize,
    not_built: BTreeMap<String, usize>,
    different: usize,
}

#[test]
fn scripts_are_analyzed_as_by_postgresql() {
    let (Ok(address), Ok(suite)) = (std::env::var("REDOUBT_REFERENCE"), std::env::var("REDOUBT_SUITE"))
    else {
        println!("SKIPPED: REDOUBT_REFERENCE and REDOUBT_SUITE name no server and scripts");
        return;
    };
    let list = |name: &str| -> Vec<String> {
        let value = std::env::var(name).unwrap_or_default();
        value.split(',').filter(|file| !file.is_empty()).map(str::to_owned).collect()
    };
    let mut session = Session::new(&address);
    for file in list("REDOUBT_SUITE_FIRST") {
        session.run(Path::new(&suite), &file, false);
    }
    let mut files = list("REDOUBT_SUITE_ONLY");
    if files.is_empty() {
        let entries = std::fs::read_dir(&suite).unwrap().map(|entry| entry.unwrap().path());
        files = entries.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        files.sort();
    }
    for file in &files {
        session.run(Path::new(&suite), file, true);
    }
    let report = &session.report;
    let not_built: usize = report.not_built.values().sum();
    println!("{} the same, {} different, {not_built} not built:", report.same, report.different);
    let mut reasons: Vec<_> = report.not_built.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (reason, count) in reasons {
        println!("  {count} {reason}");
    }
    assert_eq!(report.different, 0);
}

/// What the analyzer is given.
struct Known {
    catalog: MemoryCatalog,
    path: Vec<Oid>,
    settings: Settings,
}

struct Session {
    client: Client,
    /// The server's catalogs, until something may have changed them.
    known: Option<Known>,
    report: Report,
}

impl Session {
    fn new(address: &str) -> Session {
        let mut admin = Client::connect(address, "postgres");
        admin.query(&format!("drop database if exists {DATABASE} (force)")).unwrap();
        admin
            .query(&format!("create database {DATABASE} template template0 lc_collate 'C' lc_ctype 'C'"))
            .unwrap();
        let mut client = Client::connect(address, DATABASE);
        client.query("set statement_timeout = '5s'; set lock_timeout = '2s'").unwrap();
        Session { client, known: None, report: Report::default() }
    }

    fn run(&mut self, suite: &Path, file: &str, compare: bool) {
        let text = std::fs::read(suite.join(file).with_extension("sql")).expect("the script exists");
        let text = String::from_utf8_lossy(&text).into_owned();
        let (same, different) = (self.report.same, self.report.different);
        for statement in script::statements(&text) {
            self.statement(file, &statement, compare);
        }
        let report = &self.report;
        println!("{file}: {} the same, {} different", report.same - same, report.different - different);
    }

    fn statement(&mut self, file: &str, sql: &str, compare: bool) {
        let parsed = redoubt_sql::parse(sql);
        let dml = parsed.as_ref().ok().and_then(|list| list.first()).and_then(|first| first.kind.as_dml());
        match dml {
            Some(dml) if compare => self.compare(file, sql, &dml),
            Some(_) => {}
            None => self.known = None,
        }
        let _ = self.client.query(sql);
    }

    fn compare(&mut self, file: &str, sql: &str, dml: &DmlStatement) {
        let theirs = match self.client.describe(sql) {
            Ok(shape) => Ok(shape),
            Err(error) if matches!(error.code.as_str(), "25P02" | "57014") => return,
            Err(error) => Err(error),
        };
        let mut answer = self.answer(sql, dml, &theirs);
        if matches!(&answer, Some(Answer::Different(..))) {
            // A function may have made tables; what a transaction has not committed only it can see.
            self.known = None;
            answer = self.answer(sql, dml, &theirs);
        }
        match answer {
            None => {}
            Some(Answer::Same) => self.report.same += 1,
            Some(Answer::NotBuilt(what)) => *self.report.not_built.entry(what).or_default() += 1,
            Some(Answer::Different(theirs, ours)) => {
                self.report.different += 1;
                println!("{file}: {sql}\n  PostgreSQL: {theirs}\n  ours:       {ours}");
            }
        }
    }

    fn answer(
        &mut self,
        sql: &str,
        dml: &DmlStatement,
        theirs: &Result<Shape, ServerError>,
    ) -> Option<Answer> {
        if self.known.is_none() {
            self.known = import::known(&mut self.client);
        }
        let known = self.known.as_ref()?;
        let ours = match known.analyze(dml) {
            Ok((query, params)) => known.shape(&query, &params),
            Err(error) if not_built(&error) => return Some(Answer::NotBuilt(error.message().to_owned())),
            Err(error) => failure(sql, &error),
        };
        let theirs = match theirs {
            Ok(shape) => {
                let params: Vec<String> = shape.params.iter().map(|oid| known.type_name(*oid, -1)).collect();
                let column = |(name, oid, typmod): &(String, u32, i32)| {
                    format!("{name} {}", known.type_name(*oid, *typmod))
                };
                let columns: Vec<String> = shape.columns.iter().map(column).collect();
                format!("{params:?} ({})", columns.join(", "))
            }
            Err(error) => show_error(error),
        };
        Some(if ours == theirs { Answer::Same } else { Answer::Different(theirs, ours) })
    }
}

/// How a comparison came out.
enum Answer {
    Same,
    NotBuilt(String),
    /// The server's, ours.
    Different(String, String),
}

fn not_built(error: &PgError) -> bool {
    error.code() == code::FEATURE_NOT_SUPPORTED && error.message().ends_with("not supported yet")
}

impl Known {
    fn analyze(&self, dml: &DmlStatement) -> PgResult<(Query, Params)> {
        let (catalog, path) = (&self.catalog, &self.path[..]);
        let env = CatalogEnv { catalog, path, plain: PlainEnv::new(self.settings.clone(), 0) };
        let params = Params::variable(Vec::new());
        analyze_statement(dml, AnalyzeContext { catalog: catalog.view(), env: &env, path, params })
    }

    fn type_name(&self, oid: Oid, typmod: i32) -> String {
        self.catalog.view().format_type(oid, Some(typmod), &self.path).unwrap()
    }

    fn shape(&self, query: &Query, params: &Params) -> String {
        let output = if query.command == CommandType::Select { &query.target_list } else { &query.returning };
        let column = |entry: &TargetEntry| {
            // The protocol shows a domain as the type under it.
            let ty = entry.expr.ty();
            let (oid, typmod) = self.catalog.view().base_type(ty.type_oid, ty.typmod).unwrap();
            format!("{} {}", entry.name, self.type_name(oid, typmod))
        };
        let columns: Vec<String> = output.iter().filter(|entry| !entry.junk).map(column).collect();
        let params: Vec<String> = params.types().iter().map(|oid| self.type_name(*oid, -1)).collect();
        format!("{params:?} ({})", columns.join(", "))
    }
}

fn failure(sql: &str, error: &PgError) -> String {
    let fields = error.fields();
    let position = fields.position.map_or(0, |offset| sql[..offset.min(sql.len())].chars().count() + 1);
    show_error(&ServerError {
        code: fields.code.to_string(),
        message: fields.message.clone(),
        position,
        detail: fields.detail.clone(),
        hint: fields.hint.clone(),
    })
}

fn show_error(error: &ServerError) -> String {
    format!(
        "{} at {}: {} {} {}",
        error.code,
        error.position,
        error.message,
        error.detail.as_deref().unwrap_or_default(),
        error.hint.as_deref().unwrap_or_default()
    )
}
