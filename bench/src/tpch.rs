//! The 22 queries of TPC-H: how long each takes on each peer, and whether its answer is PostgreSQL's.
//!
//! Data and query texts are those of the crate `tpchgen`; the queries' parameters are the specification's validation
//! values (TPC-H 3.0.1, clause 2.4).

use crate::peer::{Peer, PeerName};
use crate::results::Results;
use crate::tpch_queries::query;
use redoubt_conformance::Suite;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Display;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::Instant;
use tpchgen::csv;
use tpchgen::generators as tables;

/// How many queries there are.
pub const QUERIES: u32 = 22;
/// Seconds after which a query is given up.
const LIMIT_SECONDS: u32 = 300;
/// How DataFusion's refusal of a query that it is forced to run ends; it falls back to nothing.
const REFUSAL: &str = " in DataFusion is not supported yet";
/// Times that each query is run on each peer.
const ROUNDS: u32 = 3;

/// The tables, by the specification's clause 1.4, with the keys that it allows.
const SCHEMA: &str = "
CREATE TABLE region (r_regionkey int4 PRIMARY KEY, r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (n_nationkey int4 PRIMARY KEY, n_name char(25) NOT NULL, n_regionkey int4 NOT NULL,
    n_comment varchar(152));
CREATE TABLE part (p_partkey int4 PRIMARY KEY, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL,
    p_brand char(10) NOT NULL, p_type varchar(25) NOT NULL, p_size int4 NOT NULL, p_container char(10) NOT NULL,
    p_retailprice numeric(15,2) NOT NULL, p_comment varchar(23) NOT NULL);
CREATE TABLE supplier (s_suppkey int4 PRIMARY KEY, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL,
    s_nationkey int4 NOT NULL, s_phone char(15) NOT NULL, s_acctbal numeric(15,2) NOT NULL,
    s_comment varchar(101) NOT NULL);
CREATE TABLE partsupp (ps_partkey int4 NOT NULL, ps_suppkey int4 NOT NULL, ps_availqty int4 NOT NULL,
    ps_supplycost numeric(15,2) NOT NULL, ps_comment varchar(199) NOT NULL, PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE customer (c_custkey int4 PRIMARY KEY, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
    c_nationkey int4 NOT NULL, c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL,
    c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL);
CREATE TABLE orders (o_orderkey int8 PRIMARY KEY, o_custkey int4 NOT NULL, o_orderstatus char(1) NOT NULL,
    o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL,
    o_clerk char(15) NOT NULL, o_shippriority int4 NOT NULL, o_comment varchar(79) NOT NULL);
CREATE TABLE lineitem (l_orderkey int8 NOT NULL, l_partkey int4 NOT NULL, l_suppkey int4 NOT NULL,
    l_linenumber int4 NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
    l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL,
    l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL,
    PRIMARY KEY (l_orderkey, l_linenumber));";

/// A query on a peer.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Answered {
    /// The peer's name.
    pub peer: String,
    /// `redoubt.executor`, where there is one.
    pub executor: Option<String>,
    /// 1 to 22.
    pub query: u32,
    /// Seconds of each run; none if it failed.
    pub seconds: Vec<f64>,
    /// What is wrong with it, if something is: another answer than PostgreSQL's, or an error.
    pub trouble: Option<String>,
    /// What the executor that was forced has no counterpart for; it has said so and run nothing.
    #[serde(default)]
    pub refused: Option<String>,
}

/// Loads the data at a scale factor and runs all queries on all peers, in turn. The first peer is PostgreSQL, whose
/// answers are held to be right.
pub fn run(suite: &Suite, peers: &[Peer], scale_factor: f64, results: &mut Results) -> Result<(), String> {
    let Some((first, _)) = peers.split_first() else { return Ok(()) };
    if first.name != PeerName::PgSingle {
        return Err("the answers of TPC-H are compared with pg-single's, which does not take part".into());
    }
    let left: Vec<u32> =
        (1..=QUERIES).filter(|query| !results.has_answers(scale_factor, *query, peers)).collect();
    if left.is_empty() {
        return Ok(());
    }
    for peer in peers {
        // A smaller scale's, unless that was complete before an interruption.
        forget(suite, peer)?;
        eprintln!("TPC-H at scale factor {scale_factor}: loading {}", peer.name);
        load(suite, peer, scale_factor)?;
    }
    let mut answers: HashMap<u32, Vec<String>> = HashMap::new();
    for number in left {
        let text = query(number, scale_factor)?;
        let mut all: Vec<Answered> = Vec::new();
        for round in 0..ROUNDS {
            for peer in peers {
                for executor in executors(suite, peer) {
                    eprint!("\r\x1b[KTPC-H query {number}, round {}, {}", round + 1, peer.name);
                    let at = all.iter().position(|a| a.peer == peer.name.as_str() && a.executor == executor);
                    let at = at.unwrap_or_else(|| {
                        all.push(Answered {
                            peer: peer.name.to_string(),
                            executor: executor.clone(),
                            query: number,
                            seconds: Vec::new(),
                            trouble: None,
                            refused: None,
                        });
                        all.len() - 1
                    });
                    // What fails once is not asked again.
                    if all[at].trouble.is_none() && all[at].refused.is_none() {
                        ask(suite, peer, &text, &mut all[at], &mut answers);
                    }
                }
            }
        }
        results.note_answers(scale_factor, all)?;
    }
    eprintln!("\r\x1b[K");
    Ok(())
}

/// Drops the tables that are there.
fn forget(suite: &Suite, peer: &Peer) -> Result<(), String> {
    peer.sql(
        suite,
        "DROP TABLE IF EXISTS region, nation, part, supplier, partsupp, customer, orders, lineitem",
    )
    .map(drop)
}

/// Runs a query once, and notes how long it took and whether its answer is the one that was first given.
fn ask(
    suite: &Suite,
    peer: &Peer,
    text: &str,
    answered: &mut Answered,
    answers: &mut HashMap<u32, Vec<String>>,
) {
    let mut settings = format!("SET statement_timeout = '{LIMIT_SECONDS}s'; ");
    if let Some(executor) = &answered.executor {
        settings.push_str(&format!("SET redoubt.executor = '{executor}'; "));
    }
    let started = Instant::now();
    match peer.sql(suite, &(settings + text)) {
        Err(error) => {
            let reason = error.lines().find(|line| line.contains("ERROR")).unwrap_or(&error);
            let noted = match reason.contains(REFUSAL) {
                true => &mut answered.refused,
                false => &mut answered.trouble,
            };
            *noted = Some(reason.to_string());
        }
        Ok(rows) => {
            answered.seconds.push(started.elapsed().as_secs_f64());
            // Queries whose ORDER BY leaves ties may give them in any order.
            let mut rows: Vec<String> = rows.lines().map(str::to_string).collect();
            rows.sort_unstable();
            let expected = answers.entry(answered.query).or_insert_with(|| rows.clone());
            if *expected != rows {
                answered.trouble = Some("another answer than PostgreSQL's".into());
            }
        }
    }
}

/// The executors to run on a peer: each of ours, and what is chosen by cost, if there are two.
fn executors(suite: &Suite, peer: &Peer) -> Vec<Option<String>> {
    match peer.sql(suite, "SHOW redoubt.executor") {
        Ok(_) => ["row", "datafusion", "auto"].map(|name| Some(name.to_string())).to_vec(),
        Err(_) => vec![None],
    }
}

fn load(suite: &Suite, peer: &Peer, sf: f64) -> Result<(), String> {
    peer.sql(suite, SCHEMA)?;
    let to = |table: &str| Copying::start(suite, peer, table);
    to("region")?.all(tables::RegionGenerator::new(sf, 1, 1).iter().map(csv::RegionCsv::new))?;
    to("nation")?.all(tables::NationGenerator::new(sf, 1, 1).iter().map(csv::NationCsv::new))?;
    to("part")?.all(tables::PartGenerator::new(sf, 1, 1).iter().map(csv::PartCsv::new))?;
    to("supplier")?.all(tables::SupplierGenerator::new(sf, 1, 1).iter().map(csv::SupplierCsv::new))?;
    to("partsupp")?.all(tables::PartSuppGenerator::new(sf, 1, 1).iter().map(csv::PartSuppCsv::new))?;
    to("customer")?.all(tables::CustomerGenerator::new(sf, 1, 1).iter().map(csv::CustomerCsv::new))?;
    to("orders")?.all(tables::OrderGenerator::new(sf, 1, 1).iter().map(csv::OrderCsv::new))?;
    to("lineitem")?.all(tables::LineItemGenerator::new(sf, 1, 1).iter().map(csv::LineItemCsv::new))?;
    peer.sql(suite, "VACUUM ANALYZE").map(drop)
}

/// A COPY FROM STDIN through psql.
struct Copying {
    psql: std::process::Child,
    table: String,
}

impl Copying {
    fn start(suite: &Suite, peer: &Peer, table: &str) -> Result<Copying, String> {
        let mut psql: Command = suite.program("psql");
        let copy = format!("COPY {table} FROM STDIN (FORMAT csv)");
        psql.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-c", &copy]).args(peer.address());
        let psql = psql.stdin(Stdio::piped()).spawn().map_err(|error| format!("psql: {error}"))?;
        Ok(Copying { psql, table: table.to_string() })
    }

    fn all<R: Display>(mut self, rows: impl Iterator<Item = R>) -> Result<(), String> {
        let pipe = self.psql.stdin.take().ok_or("psql has no standard input")?;
        let mut out = BufWriter::with_capacity(1 << 16, pipe);
        let mut written = Ok(());
        for row in rows {
            written = writeln!(out, "{row}");
            if written.is_err() {
                break;
            }
        }
        let flushed = out.flush();
        // The end of input ends the COPY.
        drop(out);
        let status = self.psql.wait().map_err(|error| error.to_string())?;
        let table = &self.table;
        if !status.success() {
            return Err(format!("COPY {table} failed: {status}"));
        }
        written.and(flushed).map_err(|error| format!("COPY {table}: {error}"))
    }
}
