//! Definitions of functions: `pg_get_functiondef` and its parts (PostgreSQL's ruleutils.c).

use super::{Family, session_functions};
use crate::env::StatementEnv;
use redoubt_analyze::DeparseContext;
use redoubt_catalog::names::{quote_identifier, quote_qualified};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{CallContext, Datum, Oid, quote_literal};
use std::fmt::Write;

pub(super) const BUILTINS: Family = session_functions! {
    "pg_get_function_arguments": arguments;
    "pg_get_function_identity_arguments": identity_arguments;
    "pg_get_function_result": result;
    "pg_get_function_arg_default": argument_default;
    "pg_get_functiondef": definition;
    "pg_get_function_sqlbody": sql_body;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

fn arguments(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match env.catalog.proc_by_oid(args[0].as_oid()?)? {
        Some(row) => Ok(Datum::text(argument_list(env, &row, Shown::WithDefaults)?)),
        None => Ok(Datum::Null),
    }
}

fn identity_arguments(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match env.catalog.proc_by_oid(args[0].as_oid()?)? {
        Some(row) => Ok(Datum::text(argument_list(env, &row, Shown::Identity)?)),
        None => Ok(Datum::Null),
    }
}

fn result(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match env.catalog.proc_by_oid(args[0].as_oid()?)?.filter(|row| row.prokind != 'p') {
        Some(row) => Ok(Datum::text(result_type(env, &row)?)),
        None => Ok(Datum::Null),
    }
}

/// Which of a function's arguments are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// All but the columns of RETURNS TABLE, with defaults.
    WithDefaults,
    /// What identifies the function: no defaults, and no outputs except of procedures.
    Identity,
    /// The columns of RETURNS TABLE.
    TableColumns,
}

/// One argument as `pg_proc` has it.
struct Argument<'a> {
    type_oid: Oid,
    mode: char,
    name: Option<&'a str>,
    /// Its position among the arguments that a call gives.
    input: Option<usize>,
}

fn arguments_of(row: &PgProc) -> Vec<Argument<'_>> {
    let types = row.proallargtypes.as_ref().unwrap_or(&row.proargtypes);
    let mut inputs = 0;
    types
        .iter()
        .enumerate()
        .map(|(at, type_oid)| {
            let mode = row.proargmodes.as_ref().and_then(|modes| modes.get(at)).copied().unwrap_or('i');
            let name = row.proargnames.as_ref().and_then(|names| names.get(at)).map(|name| &**name);
            let is_input = matches!(mode, 'i' | 'b' | 'v');
            let input = is_input.then_some(inputs);
            inputs += usize::from(is_input);
            Argument { type_oid: *type_oid, mode, name: name.filter(|name| !name.is_empty()), input }
        })
        .collect()
}

fn argument_list(env: &Env<'_>, row: &PgProc, shown: Shown) -> PgResult<String> {
    let all = arguments_of(row);
    let defaults = if shown == Shown::WithDefaults { default_texts(env, row)? } else { Vec::new() };
    let first_default = usize::try_from(row.pronargs).unwrap_or(0).saturating_sub(defaults.len());
    // An ordered-set aggregate's arguments are direct ones, then those of WITHIN GROUP.
    let order_by_at = match env.catalog.aggregate(row.oid)?.filter(|_| row.prokind == 'a') {
        Some(aggregate) if matches!(aggregate.aggkind, 'o' | 'h') => {
            Some(usize::try_from(aggregate.aggnumdirectargs).unwrap_or(0))
        }
        _ => None,
    };
    let mut out = String::new();
    let mut printed = 0;
    let mut again = None;
    for argument in &all {
        let wanted = match shown {
            Shown::TableColumns => argument.mode == 't',
            Shown::Identity if row.prokind != 'p' => !matches!(argument.mode, 't' | 'o'),
            _ => argument.mode != 't',
        };
        if !wanted {
            continue;
        }
        if order_by_at == Some(printed) {
            out += if printed > 0 { " ORDER BY " } else { "ORDER BY " };
        } else if printed > 0 {
            out += ", ";
        }
        let mut text = match argument.mode {
            'o' => "OUT ",
            'b' => "INOUT ",
            'v' => "VARIADIC ",
            'i' if row.prokind == 'p' => "IN ",
            _ => "",
        }
        .to_string();
        if let Some(name) = argument.name {
            text += &quote_identifier(name);
            text.push(' ');
        }
        text += &env.catalog.format_type(argument.type_oid, None, env.path)?;
        let default =
            argument.input.and_then(|at| at.checked_sub(first_default)).and_then(|at| defaults.get(at));
        if let Some(default) = default {
            write!(text, " DEFAULT {default}").expect("a String takes all writes");
        }
        out += &text;
        printed += 1;
        again = Some((argument.mode, text));
    }
    // A variadic direct argument stands for the ones that are sorted by, too.
    if let (Some(at), Some(('v', text))) = (order_by_at, &again)
        && at == printed
    {
        write!(out, " ORDER BY {text}").expect("a String takes all writes");
    }
    Ok(out)
}

/// The defaults of the last arguments, printed.
fn default_texts(env: &Env<'_>, row: &PgProc) -> PgResult<Vec<String>> {
    let Some(stored) = &row.proargdefaults else { return Ok(Vec::new()) };
    let printer = DeparseContext { catalog: env.catalog, env, path: env.path, pretty: false };
    split_list(stored).iter().map(|text| printer.stored_expression(text, None)).collect()
}

/// Splits a list of expressions at its outermost commas.
fn split_list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quote) = (0_i32, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ',' | '\u{1}') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("there is always one").push(c);
    }
    parts.into_iter().map(|part| part.trim().to_string()).collect()
}

fn result_type(env: &Env<'_>, row: &PgProc) -> PgResult<String> {
    let table = row.proargmodes.as_ref().is_some_and(|modes| modes.contains(&'t'));
    if row.proretset && table {
        return Ok(format!("TABLE({})", argument_list(env, row, Shown::TableColumns)?));
    }
    let name = env.catalog.format_type(row.prorettype, None, env.path)?;
    Ok(if row.proretset { format!("SETOF {name}") } else { name })
}

fn argument_default(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(row) = env.catalog.proc_by_oid(args[0].as_oid()?)? else { return Ok(Datum::Null) };
    let number = args[1].as_int4()?;
    let all = arguments_of(&row);
    let argument =
        usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).and_then(|at| all.get(at));
    let Some(input) = argument.and_then(|argument| argument.input) else { return Ok(Datum::Null) };
    let defaults = default_texts(env, &row)?;
    let first = usize::try_from(row.pronargs).unwrap_or(0).saturating_sub(defaults.len());
    let found = input.checked_sub(first).and_then(|at| defaults.get(at));
    Ok(found.map_or(Datum::Null, |text| Datum::text(text.as_str())))
}

fn sql_body(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let row = env.catalog.proc_by_oid(args[0].as_oid()?)?;
    Ok(row.and_then(|row| row.prosqlbody.clone()).map_or(Datum::Null, Datum::Text))
}

const INTERNAL_LANGUAGE: Oid = 12;
const C_LANGUAGE: Oid = 13;

fn definition(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(row) = env.catalog.proc_by_oid(args[0].as_oid()?)? else { return Ok(Datum::Null) };
    if row.prokind == 'a' {
        let message = format!("\"{}\" is an aggregate function", row.proname);
        return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
    }
    let is_procedure = row.prokind == 'p';
    let schema = env.catalog.namespace_by_oid(row.pronamespace)?;
    let name = quote_qualified(schema.as_ref().map(|schema| &*schema.nspname), &row.proname);
    let mut out = format!(
        "CREATE OR REPLACE {} {name}({})\n",
        if is_procedure { "PROCEDURE" } else { "FUNCTION" },
        argument_list(env, &row, Shown::WithDefaults)?
    );
    if !is_procedure {
        writeln!(out, " RETURNS {}", result_type(env, &row)?).expect("a String takes all writes");
    }
    let language = env.catalog.language_by_oid(row.prolang)?;
    let language = language.map_or_else(|| "???".into(), |language| quote_identifier(&language.lanname));
    writeln!(out, " LANGUAGE {language}").expect("a String takes all writes");
    let options = option_words(env, &row)?;
    if !options.is_empty() {
        writeln!(out, " {}", options.join(" ")).expect("a String takes all writes");
    }
    for setting in row.proconfig.iter().flatten() {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        // Settings that are lists of names hold them quoted already.
        let list = matches!(
            name,
            "search_path" | "temp_tablespaces" | "local_preload_libraries" | "session_preload_libraries"
        );
        let value = if list {
            split_list(value)
                .iter()
                .map(|part| quote_literal(part.trim_matches('"')).to_string())
                .collect::<Vec<_>>()
                .join(", ")
        } else {
            quote_literal(value).to_string()
        };
        writeln!(out, " SET {} TO {value}", quote_identifier(name)).expect("a String takes all writes");
    }
    if let Some(body) = &row.prosqlbody {
        out += body;
    } else {
        out += "AS ";
        if let Some(library) = row.probin.as_ref().filter(|_| row.prolang == C_LANGUAGE) {
            write!(out, "{}, ", quote_literal(library)).expect("a String takes all writes");
        }
        let mut tag = if is_procedure { "$procedure" } else { "$function" }.to_string();
        while row.prosrc.contains(&*tag) {
            tag.push('x');
        }
        write!(out, "{tag}${}{tag}$", row.prosrc).expect("a String takes all writes");
    }
    out.push('\n');
    Ok(Datum::text(out))
}

/// Everything about a function that differs from what CREATE FUNCTION would assume.
fn option_words(env: &Env<'_>, row: &PgProc) -> PgResult<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| words.push(word.to_string());
    if row.prokind == 'w' {
        add("WINDOW");
    }
    match row.provolatile {
        'i' => add("IMMUTABLE"),
        's' => add("STABLE"),
        _ => {}
    }
    match row.proparallel {
        's' => add("PARALLEL SAFE"),
        'r' => add("PARALLEL RESTRICTED"),
        _ => {}
    }
    if row.proisstrict {
        add("STRICT");
    }
    if row.prosecdef {
        add("SECURITY DEFINER");
    }
    if row.proleakproof {
        add("LEAKPROOF");
    }
    let usual_cost = if matches!(row.prolang, INTERNAL_LANGUAGE | C_LANGUAGE) { 1.0 } else { 100.0 };
    if row.procost != usual_cost {
        add(&format!("COST {}", row.procost));
    }
    if row.prorows > 0.0 && row.prorows != 1000.0 {
        add(&format!("ROWS {}", row.prorows));
    }
    if row.prosupport != 0
        && let Some(support) = env.catalog.proc_by_oid(row.prosupport)?
    {
        let schema = env.catalog.namespace_by_oid(support.pronamespace)?;
        let visible = env.path.contains(&support.pronamespace);
        let schema = schema.as_ref().filter(|_| !visible).map(|schema| &*schema.nspname);
        add(&format!("SUPPORT {}", quote_qualified(schema, &support.proname)));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split_list;

    #[test]
    fn lists_are_split_at_outermost_commas() {
        let check = |text: &str, expect: &[&str]| assert_eq!(split_list(text), expect, "{text}");
        check("1, 'a,b', f(1, 2)", &["1", "'a,b'", "f(1, 2)"]);
        check("'it''s, so'", &["'it''s, so'"]);
        check("ARRAY[1,2]\u{1}3", &["ARRAY[1,2]", "3"]);
    }
}
