//! Cases with PostgreSQL's recorded answers.

use crate::client::{Client, ServerError, Shape};
use crate::{analyze, schema};
use redoubt_analyze::Params;
use redoubt_analyze::query::{CommandType, Query};
use redoubt_catalog::MemoryCatalog;
use redoubt_error::{PgError, code};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Answers are indented under their statement.
const INDENT: &str = "    ";

#[test]
fn answers_are_those_of_postgresql() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clauses/cases");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut reference = std::env::var("REDOUBT_REFERENCE").ok().map(|address| Reference::new(&address));
    let catalog = schema::catalog();
    let (mut compared, mut not_built, mut differences) = (0, 0, String::new());
    for file in files {
        let mut text = std::fs::read_to_string(&file).unwrap();
        if let Some(reference) = &mut reference {
            text = reference.refresh(&text);
            std::fs::write(&file, &text).unwrap();
        }
        for (sql, expected) in cases(&text) {
            compared += 1;
            match ours(&catalog, &sql) {
                Answer::NotBuilt(what) => {
                    not_built += 1;
                    println!("NOT BUILT: {what}: {sql}");
                }
                Answer::Given(answer) if answer != expected => {
                    let name = file.file_name().unwrap().to_string_lossy().into_owned();
                    write!(differences, "{name}: {sql}\n  PostgreSQL:\n{expected}  ours:\n{answer}").unwrap();
                }
                Answer::Given(_) => {}
            }
        }
    }
    println!("{compared} statements compared, {not_built} not built");
    assert!(differences.is_empty(), "{differences}");
}

/// Statements, one per line, with the indented lines that follow.
fn cases(text: &str) -> Vec<(String, String)> {
    let mut cases: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(answer) = line.strip_prefix(INDENT) {
            let (_, expected) = cases.last_mut().expect("an answer follows its statement");
            writeln!(expected, "{INDENT}{answer}").unwrap();
        } else if !line.is_empty() && !line.starts_with('#') {
            cases.push((line.to_owned(), String::new()));
        }
    }
    cases
}

enum Answer {
    Given(String),
    NotBuilt(String),
}

fn ours(catalog: &MemoryCatalog, sql: &str) -> Answer {
    Answer::Given(match analyze(catalog, sql) {
        Ok((query, params)) => shape(catalog, &query, &params),
        Err(error)
            if error.code() == code::FEATURE_NOT_SUPPORTED
                && error.message().ends_with("not supported yet") =>
        {
            return Answer::NotBuilt(error.message().to_owned());
        }
        Err(error) => failure(sql, &error),
    })
}

fn shape(catalog: &MemoryCatalog, query: &Query, params: &Params) -> String {
    let name = |oid, typmod: i32| {
        let path = [schema::PG_CATALOG, schema::PUBLIC];
        catalog.view().format_type(oid, Some(typmod), &path).unwrap()
    };
    let output = if query.command == CommandType::Select { &query.target_list } else { &query.returning };
    let columns: Vec<(String, String)> = output
        .iter()
        .filter(|entry| !entry.junk)
        .map(|entry| (entry.name.to_string(), name(entry.expr.ty().type_oid, entry.expr.ty().typmod)))
        .collect();
    let params: Vec<String> = params.types().iter().map(|oid| name(*oid, -1)).collect();
    show_shape(&params, &columns)
}

fn show_shape(params: &[String], columns: &[(String, String)]) -> String {
    let mut out = String::new();
    if !params.is_empty() {
        writeln!(out, "{INDENT}parameters {}", params.join(", ")).unwrap();
    }
    let columns: Vec<String> = columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
    writeln!(out, "{INDENT}({})", columns.join(", ")).unwrap();
    out
}

fn failure(sql: &str, error: &PgError) -> String {
    let fields = error.fields();
    // PostgreSQL counts characters from 1.
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
    let mut out = format!("{INDENT}{} at {}: {}\n", error.code, error.position, error.message);
    for (label, text) in [("DETAIL", &error.detail), ("HINT", &error.hint)] {
        if let Some(text) = text {
            writeln!(out, "{INDENT}{label}: {text}").unwrap();
        }
    }
    out
}

/// A server with the schema in a database of its own.
struct Reference {
    client: Client,
    type_names: BTreeMap<(u32, i32), String>,
}

impl Reference {
    fn new(address: &str) -> Reference {
        let mut admin = Client::connect(address, "postgres");
        admin.query("drop database if exists redoubt_analyze").unwrap();
        admin.query("create database redoubt_analyze").unwrap();
        let mut client = Client::connect(address, "redoubt_analyze");
        client.query(schema::STATEMENTS).unwrap();
        Reference { client, type_names: BTreeMap::new() }
    }

    fn refresh(&mut self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines().filter(|line| !line.starts_with(INDENT)) {
            writeln!(out, "{line}").unwrap();
            if !line.is_empty() && !line.starts_with('#') {
                let answer = match self.client.describe(line) {
                    Ok(shape) => self.show(&shape),
                    Err(error) => show_error(&error),
                };
                out.push_str(&answer);
            }
        }
        out
    }

    fn show(&mut self, shape: &Shape) -> String {
        let params: Vec<String> = shape.params.iter().map(|oid| self.type_name(*oid, -1)).collect();
        let mut columns = Vec::new();
        for (name, oid, typmod) in &shape.columns {
            columns.push((name.clone(), self.type_name(*oid, *typmod)));
        }
        show_shape(&params, &columns)
    }

    fn type_name(&mut self, oid: u32, typmod: i32) -> String {
        if let Some(known) = self.type_names.get(&(oid, typmod)) {
            return known.clone();
        }
        let rows = self.client.query(&format!("select format_type({oid}, {typmod})")).unwrap();
        self.type_names.entry((oid, typmod)).or_insert_with(|| rows[0][0].clone()).clone()
    }
}
