//! Trees printed as SQL: `printed/*.txt` holds what PostgreSQL's `pg_get_viewdef` and `pg_get_expr` print.
//! Lines that start with `|` are the plain text, with `~` the pretty one where it differs.

use crate::client::Client;
use crate::env::CatalogEnv;
use crate::schema;
use redoubt_analyze::query::{Expr, Query};
use redoubt_analyze::{
    AnalyzeContext, DeparseContext, Params, Place, TableShape, analyze_expression, analyze_statement,
    deparse_expr, deparse_query,
};
use redoubt_catalog::MemoryCatalog;
use redoubt_functions::{Oid, PlainEnv, Settings};
use std::path::PathBuf;
use std::sync::Arc;

const USER_PATH: [Oid; 2] = [schema::PG_CATALOG, schema::PUBLIC];
const SYSTEM_PATH: [Oid; 1] = [schema::PG_CATALOG];

/// Checks a file's cases, after asking the reference server for its answers anew if there is one.
fn compare(file: &str, ask: impl Fn(&mut Client, &str) -> [String; 2], ours: impl Fn(&str) -> [String; 2]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clauses/printed").join(file);
    let mut text = std::fs::read_to_string(&path).unwrap();
    if let Ok(address) = std::env::var("REDOUBT_REFERENCE") {
        let mut client = reference(&address, file.trim_end_matches(".txt"));
        let statements = text.lines().filter(|line| !line.starts_with(['|', '~']));
        text = statements.map(|line| block(line, |sql| ask(&mut client, sql))).collect();
        std::fs::write(&path, &text).unwrap();
    }
    let statements = text.lines().filter(|line| !line.starts_with(['|', '~']));
    let printed: String = statements.map(|line| block(line, &ours)).collect();
    let wrong: Vec<(&str, &str)> =
        text.lines().zip(printed.lines()).filter(|(want, got)| want != got).collect();
    assert!(wrong.is_empty() && text == printed, "first difference: {:?}\n{printed}", wrong.first());
}

/// A case as the file has it.
fn block(line: &str, answer: impl FnOnce(&str) -> [String; 2]) -> String {
    let mut out = format!("{line}\n");
    if line.is_empty() || line.starts_with('#') {
        return out;
    }
    let [plain, pretty] = answer(line);
    let mut add = |mark: char, text: &str| text.lines().for_each(|line| out += &format!("{mark}{line}\n"));
    add('|', &plain);
    if pretty != plain {
        add('~', &pretty);
    }
    out
}

fn reference(address: &str, name: &str) -> Client {
    let database = format!("redoubt_printed_{name}");
    let mut admin = Client::connect(address, "postgres");
    admin.query(&format!("drop database if exists {database}")).unwrap();
    admin.query(&format!("create database {database}")).unwrap();
    let mut client = Client::connect(address, &database);
    client.query(schema::STATEMENTS).unwrap();
    client
}

fn env<'a>(catalog: &'a MemoryCatalog, path: &'a [Oid]) -> CatalogEnv<'a> {
    CatalogEnv { catalog, path, plain: PlainEnv::new(Settings::default(), 0) }
}

fn analyze(catalog: &MemoryCatalog, sql: &str, path: &[Oid]) -> Query {
    let statements = redoubt_sql::parse(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let statement = statements[0].kind.as_dml().expect("a query");
    let (env, params) = (env(catalog, path), Params::variable(Vec::new()));
    let context = AnalyzeContext { catalog: catalog.view(), env: &env, path, params };
    analyze_statement(&statement, context).unwrap_or_else(|error| panic!("{sql}: {error}")).0
}

fn print(catalog: &MemoryCatalog, query: &Query, path: &[Oid], pretty: bool) -> String {
    let env = env(catalog, path);
    let names: Vec<Arc<str>> =
        query.target_list.iter().filter(|target| !target.junk).map(|target| target.name.clone()).collect();
    let context = DeparseContext { catalog: catalog.view(), env: &env, path, pretty };
    deparse_query(query, Some(&names), context).unwrap() + ";"
}

#[test]
fn views_are_printed_as_postgresql_prints_them() {
    let catalog = schema::catalog();
    let ask = |client: &mut Client, sql: &str| {
        client.query(&format!("create view _v as {sql}")).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = client.query("select pg_get_viewdef('_v'), pg_get_viewdef('_v', true)").unwrap();
        client.query("drop view _v").unwrap();
        [rows[0][0].clone(), rows[0][1].clone()]
    };
    compare("views.txt", ask, |sql| {
        let query = analyze(&catalog, sql, &USER_PATH);
        [false, true].map(|pretty| print(&catalog, &query, &USER_PATH, pretty))
    });
}

/// What is kept of a view is read back with `pg_catalog` alone in the path, and means the same.
#[test]
fn what_is_printed_for_keeping_can_be_read_back() {
    let catalog = schema::catalog();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clauses/printed/views.txt");
    let text = std::fs::read_to_string(path).unwrap();
    for sql in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['|', '~', '#'])) {
        let query = analyze(&catalog, sql, &USER_PATH);
        for pretty in [false, true] {
            let kept = print(&catalog, &query, &SYSTEM_PATH, pretty);
            let again = analyze(&catalog, &kept, &SYSTEM_PATH);
            assert_eq!(print(&catalog, &again, &SYSTEM_PATH, pretty), kept, "{sql}");
        }
    }
}

fn table(catalog: &MemoryCatalog, name: &str) -> TableShape {
    let relation = catalog.view().relation_by_name(schema::PUBLIC, name).unwrap().expect("a table");
    TableShape {
        name: relation.name.clone(),
        relid: relation.oid,
        desc: relation.desc.clone(),
        row_type: relation.class.reltype,
    }
}

fn analyze_in_table(catalog: &MemoryCatalog, sql: &str, shape: &TableShape, path: &[Oid]) -> Expr {
    let raw = redoubt_sql::parse_expression(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let (env, params) = (env(catalog, path), Params::fixed(Vec::new()));
    let context = AnalyzeContext { catalog: catalog.view(), env: &env, path, params };
    analyze_expression(&raw, Place::Other, Some(shape), context)
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The tables' columns stand without a qualifier. Each line is `table: expression`.
#[test]
fn expressions_are_printed_as_postgresql_prints_them() {
    let catalog = schema::catalog();
    let ask = |client: &mut Client, line: &str| {
        let (table, expr) = line.split_once(": ").expect("table: expression");
        // COALESCE makes a condition of any value.
        let add =
            format!("alter table {table} add constraint _c check (coalesce({expr}, null) is null) not valid");
        client.query(&add).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        let rows = client
            .query("select pg_get_expr(conbin, conrelid), pg_get_expr(conbin, conrelid, true) from pg_constraint where conname = '_c'")
            .unwrap();
        client.query(&format!("alter table {table} drop constraint _c")).unwrap();
        [rows[0][0].clone(), rows[0][1].clone()]
    };
    compare("expressions.txt", ask, |line| {
        let (name, expr) = line.split_once(": ").expect("table: expression");
        let shape = table(&catalog, name);
        let condition = format!("coalesce({expr}, null) is null");
        let tree = analyze_in_table(&catalog, &condition, &shape, &USER_PATH);
        let print = |path: &[Oid], pretty, tree: &Expr| {
            let env = env(&catalog, path);
            let context = DeparseContext { catalog: catalog.view(), env: &env, path, pretty };
            deparse_expr(tree, Some(&shape), context).unwrap()
        };
        for pretty in [false, true] {
            let kept = print(&SYSTEM_PATH, pretty, &tree);
            let again = analyze_in_table(&catalog, &kept, &shape, &SYSTEM_PATH);
            assert_eq!(print(&SYSTEM_PATH, pretty, &again), kept, "{line}");
        }
        [print(&USER_PATH, false, &tree), print(&USER_PATH, true, &tree)]
    });
}
