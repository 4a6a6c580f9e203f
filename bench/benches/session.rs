//! What a session does for a statement it has met before, and what a row costs on its way to the client.

use bytes::BytesMut;
use divan::Bencher;
use redoubt_access::Engine;
use redoubt_catalog::Catalog;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, PlainEnv, Settings as Formats, types};
use redoubt_page::Lsn;
use redoubt_session::settings::Settings;
use redoubt_session::{Client, CopyData, Durability, Format, Instance, OutputColumn, Session, SessionStart};
use redoubt_wire::{Drain, Output};
use std::pin::Pin;
use std::sync::Arc;

fn main() {
    divan::main();
}

/// Everything is durable at once, in memory.
struct AtOnce;

impl Durability for AtOnce {
    fn vdl(&self) -> Lsn {
        Lsn::MAX
    }

    fn wait(&self, _lsn: Lsn) -> Pin<Box<dyn Future<Output = PgResult<()>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A client that takes everything and keeps nothing.
struct Nobody;

impl Drain for Nobody {
    fn drain(&mut self, buffer: &mut BytesMut, _hold: Lsn) -> PgResult<()> {
        buffer.clear();
        Ok(())
    }

    fn receive(&mut self, _data: &mut Vec<u8>) -> PgResult<CopyData> {
        Ok(CopyData::Done)
    }
}

/// A session beside a table of a thousand accounts.
fn session(client: &mut Output<Nobody>) -> (Arc<Instance>, Session) {
    let (engine, _volume) = Engine::in_memory().expect("an engine");
    redoubt_catalog::bootstrap(&engine).expect("catalogs");
    let mut settings = Settings::default();
    settings
        .set_base("autovacuum", "off", redoubt_session::settings::Source::CommandLine)
        .expect("a known setting");
    let instance = Instance::new(engine, Catalog::new(), settings, Box::new(AtOnce));
    let parameters = ["user", "database"].map(|name| (name.to_string(), "postgres".to_string())).to_vec();
    let start = SessionStart { parameters, client_address: None, encryption: None };
    let mut session = Session::start(&instance, start).expect("a session");
    for statement in [
        "CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))",
        "INSERT INTO accounts SELECT n, 1, 0, '' FROM generate_series(1, 1000) AS n",
        "ANALYZE accounts",
    ] {
        run(&mut session, client, statement);
    }
    (instance, session)
}

/// Runs a statement that must succeed.
fn run(session: &mut Session, client: &mut Output<Nobody>, statement: &str) {
    client.parts().0.clear();
    session.simple_query(statement, client).expect("the session goes on");
    let answer = &client.parts().0[..];
    assert!(
        answer.first().is_some_and(|kind| *kind != b'E'),
        "{statement}: {}",
        String::from_utf8_lossy(answer)
    );
}

/// A point query as text, its plan kept: normalised, its literal lifted, run, answered.
#[divan::bench]
fn statement_cache_hit(bencher: Bencher<'_, '_>) {
    let mut client = Output::new(Nobody);
    let (_instance, mut session) = session(&mut client);
    let statements: Vec<String> =
        (1..=1000).map(|aid| format!("SELECT abalance FROM accounts WHERE aid = {aid};")).collect();
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 337) % statements.len();
        run(&mut session, &mut client, &statements[at]);
    });
}

/// The same, planned each time: what the cache saves.
#[divan::bench]
fn statement_cache_miss(bencher: Bencher<'_, '_>) {
    let mut client = Output::new(Nobody);
    let (_instance, mut session) = session(&mut client);
    let mut at = 0u64;
    bencher.bench_local(|| {
        at += 1;
        // Another name of the column each time is another statement.
        let statement = format!("SELECT abalance AS a{at} FROM accounts WHERE aid = {};", at % 1000 + 1);
        run(&mut session, &mut client, &statement);
    });
}

/// Only the first half of it: the text's tokens and its literals.
#[divan::bench]
fn normalise(bencher: Bencher<'_, '_>) {
    let text = "SELECT abalance FROM accounts WHERE aid = 4711;";
    bencher.bench_local(|| redoubt_sql::normalise(divan::black_box(text)).expect("one statement"));
}

/// One row of pgbench's accounts as a DataRow message, as text.
#[divan::bench]
fn data_row_encode(bencher: Bencher<'_, '_>) {
    let column = |name: &str, type_oid, type_length| OutputColumn {
        name: name.into(),
        table_oid: 16_384,
        attribute: 1,
        type_oid,
        type_length,
        typmod: -1,
        format: Format::Text,
    };
    let columns = [
        column("aid", types::INT4, 4),
        column("bid", types::INT4, 4),
        column("abalance", types::INT4, 4),
        column("filler", types::TEXT, -1),
    ];
    let values = [Datum::Int4(123_456), Datum::Int4(1), Datum::Int4(-4711), Datum::text(" ".repeat(84))];
    let env = PlainEnv::new(Formats::default(), 0);
    let mut client = Output::new(Nobody);
    bencher.bench_local(|| {
        client.parts().0.clear();
        client.data_row(&columns, &values, &env).expect("encoded");
    });
}
