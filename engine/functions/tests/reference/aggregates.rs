//! Aggregates and set-returning functions against the reference server.

use crate::client::Client;
use crate::{Report, concrete_type, connect, env, pools, quote, show_ours, show_server, text_pool};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::aggregate::{final_function, transition};
use redoubt_functions::random::Prng;
use redoubt_functions::{
    AggState, CallContext, Datum, PlainEnv, builtin, builtin_type, io, set_returning, types,
};

/// One row of `pg_aggregate`, as far as a plain aggregate needs it.
struct Aggregate {
    name: String,
    args: Vec<u32>,
    result: u32,
    transition: String,
    strict: bool,
    finalize: String,
    final_strict: bool,
    state_type: u32,
    initial: Option<String>,
}

fn aggregates(client: &mut Client) -> Vec<Aggregate> {
    let only = std::env::var("REDOUBT_REFERENCE_ONLY").unwrap_or_default();
    let rows = client
        .query(
            "select a.proname, array_to_string(a.proargtypes::oid[], ','), a.prorettype, t.prosrc, t.proisstrict, \
             coalesce(f.prosrc, ''), coalesce(f.proisstrict, false), aggtranstype::oid, agginitval \
             from pg_aggregate join pg_proc a on a.oid = aggfnoid join pg_proc t on t.oid = aggtransfn \
             left join pg_proc f on f.oid = aggfinalfn where aggkind = 'n' order by a.oid",
        )
        .unwrap();
    rows.into_iter()
        .map(|row| {
            let text = |at: usize| row[at].clone().unwrap_or_default();
            Aggregate {
                name: text(0),
                args: text(1)
                    .split(',')
                    .filter(|oid| !oid.is_empty())
                    .map(|oid| oid.parse().unwrap())
                    .collect(),
                result: text(2).parse().unwrap(),
                transition: text(3),
                strict: text(4) == "t",
                finalize: text(5),
                final_strict: text(6) == "t",
                state_type: text(7).parse().unwrap(),
                initial: row[8].clone(),
            }
        })
        .filter(|aggregate| aggregate.name.contains(&only))
        .collect()
}

/// Runs an aggregate as an executor does.
fn run(
    aggregate: &Aggregate,
    arg_types: &[u32],
    result: u32,
    rows: &[Vec<Datum>],
    env: &PlainEnv,
) -> PgResult<Datum> {
    let ctx = CallContext::new(env).with_types(arg_types, result);
    let initial = match &aggregate.initial {
        Some(text) => io::input(aggregate.state_type, -1, text, env)?,
        None => Datum::Null,
    };
    let mut state = AggState::Value(initial);
    for row in rows {
        if aggregate.strict {
            if row.iter().any(Datum::is_null) {
                continue;
            }
            if state.is_null() && aggregate.state_type != types::INTERNAL {
                state = AggState::Value(row[0].clone());
                continue;
            }
        }
        match transition(&aggregate.transition) {
            Some(step) => step(&ctx, &mut state, row)?,
            None => {
                let step = builtin(&aggregate.transition)
                    .ok_or_else(|| PgError::unsupported(&aggregate.transition))?;
                let mut args = vec![state.to_datum().expect("an SQL value")];
                args.extend_from_slice(row);
                let mut types = vec![result];
                types.extend_from_slice(arg_types);
                state = AggState::Value(step(&CallContext::new(env).with_types(&types, result), &args)?);
            }
        }
    }
    if aggregate.finalize.is_empty() {
        return Ok(state.to_datum().expect("an SQL value"));
    }
    if aggregate.final_strict && state.is_null() {
        return Ok(Datum::Null);
    }
    match final_function(&aggregate.finalize) {
        Some(finish) => finish(&ctx, &state, &[]),
        None => {
            let finish =
                builtin(&aggregate.finalize).ok_or_else(|| PgError::unsupported(&aggregate.finalize))?;
            finish(&ctx, &[state.to_datum().expect("an SQL value")])
        }
    }
}

#[test]
fn aggregate_calls() {
    let Some(mut client) = connect() else { return };
    let env = env();
    let mut report = Report::default();
    for aggregate in aggregates(&mut client) {
        let known = transition(&aggregate.transition).is_some() || builtin(&aggregate.transition).is_some();
        for (element, array) in [(types::INT4, types::INT4_ARRAY), (types::TEXT, types::TEXT_ARRAY)] {
            let polymorphic =
                aggregate.args.iter().any(|&oid| builtin_type(oid).is_some_and(|info| info.typtype == 'p'));
            if !known || (element == types::TEXT && !polymorphic) {
                continue;
            }
            let args: Vec<u32> =
                aggregate.args.iter().map(|&oid| concrete_type(oid, element, array)).collect();
            let result = match aggregate.result {
                types::ANYARRAY if aggregate.args[0] == types::ANYNONARRAY => array,
                other => concrete_type(other, element, array),
            };
            let pools: Vec<Vec<&str>> = args.iter().map(|&oid| pools::pool(oid)).collect();
            if pools.iter().all(|pool| !pool.is_empty()) {
                compare(&mut client, &mut report, &aggregate, &args, result, &pools, &env);
            }
        }
    }
    report.finish();
}

fn compare(
    client: &mut Client,
    report: &mut Report,
    aggregate: &Aggregate,
    args: &[u32],
    result: u32,
    pools: &[Vec<&str>],
    env: &PlainEnv,
) {
    let mut random = Prng::from_seed(aggregate.name.len() as u64);
    let mut draw = |limit: usize| (random.next_u64() % limit as u64) as usize;
    for case in 0..25 {
        // Small pools now and then, so that values repeat.
        let reach = if case % 2 == 0 { usize::MAX } else { 6 };
        let rows: Vec<Vec<Option<&str>>> = (0..draw(7))
            .map(|_| {
                pools.iter().map(|pool| (draw(6) > 0).then(|| pool[draw(pool.len().min(reach))])).collect()
            })
            .collect();
        let sql = sql(aggregate, args, &rows);
        let answer = client.query(&sql);
        let parsed: PgResult<Vec<Vec<Datum>>> = rows
            .iter()
            .map(|row| {
                row.iter()
                    .zip(args)
                    .map(|(text, &oid)| text.map_or(Ok(Datum::Null), |text| io::input(oid, -1, text, env)))
                    .collect()
            })
            .collect();
        let ours = parsed.and_then(|rows| run(aggregate, args, result, &rows, env));
        let ours = show_ours(ours, result, env);
        report.compare(
            &format!("{} {}", aggregate.name, aggregate.transition),
            || sql.clone(),
            &ours,
            &show_server(&answer),
        );
    }
}

fn sql(aggregate: &Aggregate, args: &[u32], rows: &[Vec<Option<&str>>]) -> String {
    let columns: Vec<String> = (0..args.len()).map(|at| format!("c{at}")).collect();
    let literal = |text: &Option<&str>, oid: u32| {
        let name = &builtin_type(oid).unwrap().name;
        format!("{}::pg_catalog.\"{name}\"", text.map_or("NULL".to_owned(), quote))
    };
    let mut lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let cells: Vec<String> = row.iter().zip(args).map(|(text, &oid)| literal(text, oid)).collect();
            std::iter::once(at.to_string()).chain(cells).collect::<Vec<_>>().join(", ")
        })
        .collect();
    if lines.is_empty() {
        // A row that is filtered away, so that columns have types.
        let nulls: Vec<String> = args.iter().map(|&oid| literal(&None, oid)).collect();
        lines.push(std::iter::once("-1".to_owned()).chain(nulls).collect::<Vec<_>>().join(", "));
    }
    let call = if columns.is_empty() {
        format!("{}(*)", aggregate.name)
    } else {
        format!("pg_catalog.\"{}\"({} order by o)", aggregate.name, columns.join(", "))
    };
    let header: Vec<String> = std::iter::once("o".to_owned()).chain(columns).collect();
    format!("select {call} from (values ({})) v({}) where o >= 0", lines.join("), ("), header.join(", "))
}

#[test]
fn set_returning_calls() {
    let Some(mut client) = connect() else { return };
    let env = env();
    let mut report = Report::default();
    let rows = client
        .query(
            "select prosrc, proname, array_to_string(proargtypes::oid[], ','), prorettype, proisstrict \
             from pg_proc where prolang = 12 and proretset and prokind = 'f' and provariadic = 0 order by oid",
        )
        .unwrap();
    for row in rows {
        let text = |at: usize| row[at].clone().unwrap_or_default();
        if text(0) == "pg_timezone_names" {
            // The server lists zones in the order of its directories.
            continue;
        }
        let Some(function) = set_returning(&text(0)) else { continue };
        let args: Vec<u32> = text(2)
            .split(',')
            .filter(|oid| !oid.is_empty())
            .map(|oid| concrete_type(oid.parse().unwrap(), types::INT4, types::INT4_ARRAY))
            .collect();
        let result = concrete_type(text(3).parse().unwrap(), types::INT4, types::INT4_ARRAY);
        let pools: Vec<Vec<&str>> = args
            .iter()
            .enumerate()
            .map(|(at, &oid)| if oid == types::TEXT { text_pool(&text(0), at) } else { pools::pool(oid) })
            .collect();
        if pools.iter().any(Vec::is_empty) {
            continue;
        }
        let mut random = Prng::from_seed(3);
        for _ in 0..if text(0).contains("regex") { 2000 } else { 120 } {
            let call: Vec<&str> =
                pools.iter().map(|pool| pool[(random.next_u64() % pool.len() as u64) as usize]).collect();
            let literals: Vec<String> = call
                .iter()
                .zip(&args)
                .map(|(text, &oid)| {
                    format!("{}::pg_catalog.\"{}\"", quote(text), builtin_type(oid).unwrap().name)
                })
                .collect();
            let sql = format!("select pg_catalog.\"{}\"({}) limit 20", text(1), literals.join(", "));
            let answer = client.query(&sql);
            let ours = call
                .iter()
                .zip(&args)
                .map(|(text, &oid)| io::input(oid, -1, text, &env))
                .collect::<PgResult<Vec<_>>>()
                .and_then(|values| function(&CallContext::new(&env).with_types(&args, result), &values))
                .and_then(|rows| rows.take(20).collect::<PgResult<Vec<_>>>());
            let ours = match ours {
                Ok(rows) => rows
                    .into_iter()
                    .map(|row| show_ours(Ok(row), result, &env))
                    .collect::<Vec<_>>()
                    .join(" | "),
                Err(error) => show_ours(Err(error), result, &env),
            };
            report.compare(&text(0), || sql.clone(), &ours, &show_server(&answer));
        }
    }
    report.finish();
}
