//! Compares thousands of generated inputs and calls with a real PostgreSQL 15 server.
//!
//! Runs only when `REDOUBT_REFERENCE` holds the server's address (`host:port`, user `postgres`,
//! trust authentication, C locale, UTF8); otherwise every test prints SKIPPED and passes.
//! `REDOUBT_REFERENCE_ONLY` limits the function test to symbols that contain it, and
//! `REDOUBT_REFERENCE_CASES` sets the number of calls per function.

mod aggregates;
mod client;
mod datetime_texts;
mod pools;
mod regex_texts;

use client::{Answer, Client};
use redoubt_error::PgResult;
use redoubt_functions::random::Prng;
use redoubt_functions::timezone::Zone;
use redoubt_functions::{
    ByteaOutput, CallContext, DateFormat, DateOrder, Datum, IntervalStyle, PlainEnv, Settings, builtin, io,
    types,
};

/// Session settings under which both sides run.
struct Setup {
    zone: &'static str,
    date_style: (&'static str, DateFormat, DateOrder),
    interval_style: (&'static str, IntervalStyle),
    bytea_output: (&'static str, ByteaOutput),
    extra_float_digits: i32,
}

const SETUPS: &[Setup] = &[
    Setup {
        zone: "UTC",
        date_style: ("ISO, MDY", DateFormat::Iso, DateOrder::Mdy),
        interval_style: ("postgres", IntervalStyle::Postgres),
        bytea_output: ("hex", ByteaOutput::Hex),
        extra_float_digits: 1,
    },
    Setup {
        zone: "America/New_York",
        date_style: ("Postgres, DMY", DateFormat::Postgres, DateOrder::Dmy),
        interval_style: ("postgres_verbose", IntervalStyle::PostgresVerbose),
        bytea_output: ("escape", ByteaOutput::Escape),
        extra_float_digits: 0,
    },
    Setup {
        zone: "Asia/Kolkata",
        date_style: ("SQL, MDY", DateFormat::Sql, DateOrder::Mdy),
        interval_style: ("sql_standard", IntervalStyle::SqlStandard),
        bytea_output: ("hex", ByteaOutput::Hex),
        extra_float_digits: -3,
    },
    Setup {
        zone: "Europe/Dublin",
        date_style: ("German, YMD", DateFormat::German, DateOrder::Ymd),
        interval_style: ("iso_8601", IntervalStyle::Iso8601),
        bytea_output: ("hex", ByteaOutput::Hex),
        extra_float_digits: 3,
    },
    Setup {
        zone: "FOO+3:30BAR",
        date_style: ("Postgres, MDY", DateFormat::Postgres, DateOrder::Mdy),
        interval_style: ("postgres", IntervalStyle::Postgres),
        bytea_output: ("hex", ByteaOutput::Hex),
        extra_float_digits: -15,
    },
];

impl Setup {
    fn apply(&self, client: &mut Client) {
        for (name, value) in [
            ("timezone", self.zone),
            ("datestyle", self.date_style.0),
            ("intervalstyle", self.interval_style.0),
            ("bytea_output", self.bytea_output.0),
            ("extra_float_digits", &self.extra_float_digits.to_string()),
        ] {
            client.query(&format!("set {name} = '{value}'")).unwrap();
        }
    }

    fn env(&self) -> PlainEnv {
        let settings = Settings {
            date_format: self.date_style.1,
            date_order: self.date_style.2,
            interval_style: self.interval_style.1,
            timezone: Zone::load(self.zone).expect("a known zone"),
            extra_float_digits: self.extra_float_digits,
            bytea_output: self.bytea_output.1,
            ..Settings::default()
        };
        PlainEnv::new(settings, redoubt_functions::timestamp::now_us())
    }
}

fn connect() -> Option<Client> {
    match std::env::var("REDOUBT_REFERENCE") {
        Ok(address) => {
            let mut client = Client::connect(&address);
            client.query("set statement_timeout = '10s'").unwrap();
            SETUPS[0].apply(&mut client);
            Some(client)
        }
        Err(_) => {
            println!("SKIPPED: REDOUBT_REFERENCE names no reference server");
            None
        }
    }
}

fn env() -> PlainEnv {
    SETUPS[0].env()
}

fn quote(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// One cell or error in a comparable form.
fn show_server(answer: &Answer) -> String {
    match answer {
        Ok(rows) => {
            let cells: Vec<&str> = rows.iter().map(|row| row[0].as_deref().unwrap_or("NULL")).collect();
            cells.join(" | ")
        }
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

fn show_ours(result: PgResult<Datum>, type_oid: u32, env: &PlainEnv) -> String {
    let text = match result {
        Ok(Datum::Null) => return "NULL".to_owned(),
        Ok(Datum::Void) => return String::new(),
        Ok(datum) => io::output_string(&datum, type_oid, env),
        Err(error) => Err(error),
    };
    text.unwrap_or_else(|error| format!("{} {}", error.code(), error.message()))
}

/// Collects differences and shows the first few of each kind.
#[derive(Default)]
struct Report {
    compared: usize,
    not_built: usize,
    differences: Vec<(String, String)>,
}

impl Report {
    fn compare(&mut self, group: &str, what: impl Fn() -> String, ours: &str, server: &str) {
        if ours.starts_with("0A000") && ours.ends_with("is not supported yet") {
            self.not_built += 1;
            return;
        }
        self.compared += 1;
        if ours != server {
            let (ours, server) = (ours.chars().take(300), server.chars().take(300));
            let line = format!(
                "  {}\n     ours: {}\n   server: {}",
                what(),
                ours.collect::<String>(),
                server.collect::<String>()
            );
            self.differences.push((group.to_owned(), line));
        }
    }

    fn finish(self) {
        let mut groups: Vec<(&str, usize)> = Vec::new();
        for (group, line) in &self.differences {
            let shown = match groups.iter_mut().find(|known| known.0 == group) {
                Some(known) => {
                    known.1 += 1;
                    known.1
                }
                None => {
                    groups.push((group, 1));
                    1
                }
            };
            if shown <= 6 {
                println!("{group}\n{line}");
            }
        }
        println!(
            "{} compared, {} not built, {} differ in {:?}",
            self.compared,
            self.not_built,
            self.differences.len(),
            groups
        );
        assert!(self.differences.is_empty());
    }
}

#[test]
fn text_formats() {
    let Some(mut client) = connect() else { return };
    let mut report = Report::default();
    for setup in SETUPS {
        setup.apply(&mut client);
        compare_texts(&mut client, &setup.env(), &mut report);
    }
    report.finish();
}

fn compare_texts(client: &mut Client, env: &PlainEnv, report: &mut Report) {
    let only = std::env::var("REDOUBT_REFERENCE_ONLY").unwrap_or_default();
    for info in redoubt_functions::builtin_types().iter().filter(|info| info.name.contains(&only)) {
        let mut inputs: Vec<String> = pools::pool(info.oid).into_iter().map(str::to_owned).collect();
        inputs.extend(pools::hostile(info.oid).into_iter().map(str::to_owned));
        inputs.extend(generated(info.oid));
        // The moment of the query is the server's own.
        inputs.retain(|text| !text.starts_with("now"));
        let queries: Vec<String> = inputs
            .iter()
            .map(|text| format!("select {}::pg_catalog.\"{}\"", quote(text), info.name))
            .collect();
        for (text, answer) in inputs.iter().zip(client.pipeline(&queries)) {
            let ours = show_ours(io::input(info.oid, -1, text, env), info.oid, env);
            report.compare(&info.name, || text.clone(), &ours, &show_server(&answer));
        }
    }
}

/// Random number-like texts.
fn generated(type_oid: u32) -> Vec<String> {
    let mut random = Prng::from_seed(u64::from(type_oid));
    let mut draw = |limit: u64| random.next_u64() % limit;
    match type_oid {
        types::FLOAT8 => (0..3000)
            .map(|_| match draw(3) {
                0 => format!("{}.{}e{}", draw(10), draw(1000), draw(600) as i64 - 300),
                1 => format!("{}", f64::from_bits(draw(u64::MAX)).clamp(-1e300, 1e300)),
                _ => format!("{}e{}", draw(1 << 53), draw(60) as i64 - 30),
            })
            .filter(|text| !text.contains("NaN"))
            .collect(),
        types::FLOAT4 => {
            (0..3000).map(|_| format!("{}.{}e{}", draw(10), draw(100_000), draw(74) as i64 - 37)).collect()
        }
        types::NUMERIC => (0..1000)
            .map(|_| format!("{}.{:05}e{}", draw(100_000), draw(100_000), draw(60) as i64 - 30))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn binary_formats() {
    let Some(mut client) = connect() else { return };
    let env = env();
    let mut report = Report::default();
    for info in redoubt_functions::builtin_types() {
        for text in pools::pool(info.oid) {
            let Ok(datum) = io::input(info.oid, -1, text, &env) else { continue };
            let Some(answer) = server_send(&mut client, info.send, &info.name, text) else { continue };
            let mut bytes = Vec::new();
            let ours = match io::send(&datum, info.oid, &env, &mut bytes) {
                Ok(()) => {
                    let back = io::recv(info.oid, -1, &bytes, &env);
                    assert_eq!(
                        show_ours(back, info.oid, &env),
                        show_ours(Ok(datum.clone()), info.oid, &env),
                        "{} does not survive its binary form",
                        info.name
                    );
                    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("\\x{hex}")
                }
                Err(error) => format!("{} {}", error.code(), error.message()),
            };
            report.compare(&info.name, || text.to_owned(), &ours, &show_server(&answer));
        }
    }
    report.finish();
}

fn server_send(client: &mut Client, send: u32, type_name: &str, text: &str) -> Option<Answer> {
    let name = client.query(&format!("select proname from pg_proc where oid = {send}")).ok()?;
    let name = name.first()?[0].clone()?;
    let answer = client.query(&format!("select {name}({}::pg_catalog.\"{type_name}\")", quote(text)));
    answer.is_ok().then_some(answer)
}

/// Where this crate means to differ, or where the answer is the C library's and not PostgreSQL's.
fn is_expected(symbol: &str, ours: &str, server: &str) -> bool {
    match symbol {
        // Older C libraries' cube root is off by one in the last digit.
        "dcbrt" => true,
        // The server converts an infinite intermediate result to the least integer.
        "width_bucket_float8" => server == "-2147483648",
        // Version 15 lets the difference of far-off timestamps wrap around, and counts the age of
        // infinity from its bit pattern; later versions report errors or infinity.
        "timestamp_mi" | "timestamp_age" | "timestamptz_age" => ours.starts_with("22008"),
        // Near the end of time version 15 rounds the epoch to milliseconds.
        "extract_timestamp" | "extract_timestamptz" => ours.starts_with("92243180"),
        // This library has no catalog to name types from.
        "format_type" => ours == "???",
        // Refused outside aggregates, which this library does not know about.
        "int4_avg_combine" => server.contains("non-aggregate context"),
        _ => false,
    }
}

/// A function of the reference server that this crate implements.
#[derive(Clone)]
struct Function {
    symbol: String,
    name: String,
    args: Vec<u32>,
    result: u32,
    strict: bool,
}

fn functions(client: &mut Client) -> Vec<Function> {
    let only = std::env::var("REDOUBT_REFERENCE_ONLY").unwrap_or_default();
    let rows = client
        .query(
            "select prosrc, proname, array_to_string(proargtypes::oid[], ','), prorettype, proisstrict \
             from pg_proc where prolang = 12 and prokind = 'f' and provolatile <> 'v' and not proretset and proname not in ('now', 'transaction_timestamp', 'statement_timestamp') \
             and provariadic = 0 order by prosrc, oid",
        )
        .unwrap();
    rows.into_iter()
        .map(|row| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut cell = || cells.next().unwrap();
            Function {
                symbol: cell(),
                name: cell(),
                args: cell()
                    .split(',')
                    .filter(|oid| !oid.is_empty())
                    .map(|oid| oid.parse().unwrap())
                    .collect(),
                result: cell().parse().unwrap(),
                strict: cell() == "t",
            }
        })
        .filter(|function| builtin(&function.symbol).is_some() && function.symbol.contains(&only))
        .collect()
}

/// The concrete type that stands for a polymorphic one.
fn concrete_type(oid: u32, element: u32, array: u32) -> u32 {
    match oid {
        types::ANYELEMENT | types::ANYCOMPATIBLE | types::ANYNONARRAY | types::ANYCOMPATIBLENONARRAY => {
            element
        }
        types::ANYARRAY | types::ANYCOMPATIBLEARRAY => array,
        types::ANY => element,
        other => other,
    }
}

/// Replaces polymorphic types by concrete ones; `None` when the function cannot be tested so.
fn concrete(function: &Function, element: u32, array: u32) -> Option<(Vec<u32>, u32)> {
    let pick = |oid: u32| match oid {
        types::ANYELEMENT | types::ANYCOMPATIBLE | types::ANYNONARRAY | types::ANYCOMPATIBLENONARRAY => {
            element
        }
        types::ANYARRAY | types::ANYCOMPATIBLEARRAY => array,
        types::ANY => element,
        other => other,
    };
    let args: Vec<u32> = function.args.iter().map(|&oid| pick(oid)).collect();
    let result = pick(function.result);
    let known = args.iter().all(|&oid| !pools::pool(oid).is_empty());
    (known && io_built(result)).then_some((args, result))
}

fn io_built(type_oid: u32) -> bool {
    type_oid == types::VOID || !pools::pool(type_oid).is_empty() || type_oid == types::CSTRING
}

#[test]
fn function_calls() {
    let Some(mut client) = connect() else { return };
    let cases: usize =
        std::env::var("REDOUBT_REFERENCE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let mut report = Report::default();
    let (mut tested, mut others) = (0, Vec::new());
    for function in functions(&mut client) {
        let polymorphic = function.args.iter().any(|&oid| {
            redoubt_functions::builtin_type(oid)
                .is_some_and(|info| info.typtype == 'p' && oid != types::CSTRING)
        });
        let instances: &[(u32, u32)] = if polymorphic {
            &[
                (types::INT4, types::INT4_ARRAY),
                (types::TEXT, types::TEXT_ARRAY),
                (types::NUMERIC, types::NUMERIC_ARRAY),
            ]
        } else {
            &[(0, 0)]
        };
        for &(element, array) in instances {
            if let Some((args, result)) = concrete(&function, element, array) {
                tested += 1;
                compare_calls(&mut client, &mut report, &function, &args, result, cases, &SETUPS[0].env());
                others.push((function.clone(), args, result));
            }
        }
    }
    // Again under other settings, which few functions depend on.
    for setup in &SETUPS[1..3] {
        setup.apply(&mut client);
        for (function, args, result) in &others {
            compare_calls(&mut client, &mut report, function, args, *result, cases / 5, &setup.env());
        }
    }
    println!("{tested} signatures tested");
    report.finish();
}

fn compare_calls(
    client: &mut Client,
    report: &mut Report,
    function: &Function,
    arg_types: &[u32],
    result: u32,
    cases: usize,
    env: &PlainEnv,
) {
    let core = builtin(&function.symbol).unwrap();
    let calls = argument_lists(function, arg_types, cases);
    let queries: Vec<String> = calls.iter().map(|call| sql_call(function, arg_types, call)).collect();
    for ((call, answer), sql) in calls.iter().zip(client.pipeline(&queries)).zip(&queries) {
        let parsed: PgResult<Vec<Datum>> = call
            .iter()
            .zip(arg_types)
            .map(|(text, &oid)| text.map_or(Ok(Datum::Null), |text| io::input(oid, -1, text, env)))
            .collect();
        let ours = match parsed {
            Ok(args) if function.strict && args.iter().any(Datum::is_null) => Ok(Datum::Null),
            Ok(args) => core(&CallContext::new(env).with_types(arg_types, result), &args),
            Err(error) => Err(error),
        };
        let ours = show_ours(ours, result, env);
        let server = show_server(&answer);
        if ours == server || !is_expected(&function.symbol, &ours, &server) {
            report.compare(&function.symbol, || sql.clone(), &ours, &server);
        }
    }
}

/// Texts that suit a function's argument.
fn text_pool(symbol: &str, index: usize) -> Vec<&'static str> {
    let temporal = ["date", "time", "interval", "extract"].iter().any(|prefix| symbol.starts_with(prefix));
    if symbol.contains("regex") {
        let replaces = symbol.contains("replace");
        match index {
            0 => regex_texts::TEXTS.to_vec(),
            1 => regex_texts::PATTERNS.to_vec(),
            2 if replaces => regex_texts::REPLACEMENTS.to_vec(),
            _ => regex_texts::FLAGS.to_vec(),
        }
    } else if symbol.contains("similar") {
        if index == 0 { regex_texts::SIMILAR.to_vec() } else { vec!["", "\\", "#", "a", "##", "é"] }
    } else if symbol.contains("like") && index == 1 {
        pools::patterns().to_vec()
    } else if temporal
        && (symbol.contains("extract") || symbol.contains("part") || symbol.contains("trunc"))
        && index == 0
    {
        pools::units().to_vec()
    } else if symbol.contains("zone") {
        pools::zones().to_vec()
    } else {
        pools::pool(types::TEXT)
    }
}

/// Every combination of arguments when there are few, otherwise a seeded random choice.
fn argument_lists(function: &Function, arg_types: &[u32], cases: usize) -> Vec<Vec<Option<&'static str>>> {
    let pools: Vec<Vec<Option<&'static str>>> = arg_types
        .iter()
        .enumerate()
        .map(|(index, &oid)| {
            let texts =
                if oid == types::TEXT { text_pool(&function.symbol, index) } else { pools::pool(oid) };
            // Results of many megabytes only cost time.
            let makes_long = matches!(&*function.symbol, "repeat" | "lpad" | "rpad");
            let texts: Vec<_> = texts
                .into_iter()
                .filter(|text| !makes_long || oid != types::INT4 || text.len() < 6)
                .collect();
            let mut pool: Vec<_> = texts.into_iter().map(Some).collect();
            if !function.strict {
                pool.push(None);
            }
            pool
        })
        .collect();
    let total = pools.iter().map(Vec::len).try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX);
    let seed =
        function.symbol.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = Prng::from_seed(seed);
    (0..total.min(cases))
        .map(|case| {
            let mut rest = case;
            pools
                .iter()
                .map(|pool| {
                    let at = if total <= cases {
                        let at = rest % pool.len();
                        rest /= pool.len();
                        at
                    } else {
                        (random.next_u64() % pool.len() as u64) as usize
                    };
                    pool[at]
                })
                .collect()
        })
        .collect()
}

fn sql_call(function: &Function, arg_types: &[u32], call: &[Option<&str>]) -> String {
    let args: Vec<String> = call
        .iter()
        .zip(arg_types)
        .map(|(text, &oid)| {
            let name = &redoubt_functions::builtin_type(oid).expect("a built-in type").name;
            let value = text.map_or("NULL".to_owned(), quote);
            format!("{value}::pg_catalog.\"{name}\"")
        })
        .collect();
    format!("select pg_catalog.\"{}\"({})", function.name, args.join(", "))
}
