//! Settings, search path, encodings: `current_setting`, `set_config`, `pg_settings`' rows.

use super::{Family, SetFamily, all_rows, columns, row, session_functions, session_sets, text_or_null};
use crate::env::StatementEnv;
use crate::settings::table::{Kind, Unit};
use crate::settings::{DEFINITIONS, Parameter, table};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, CallContext, Datum, Rows, types};
use std::sync::Arc;

pub(super) const BUILTINS: Family = session_functions! {
    "pg_reload_conf": reload_configuration;
    "show_config_by_name": current_setting;
    "show_config_by_name_missing_ok": current_setting;
    "set_config_by_name": set_config;
    "current_schema": current_schema;
    "current_schemas": current_schemas;
    "current_query": current_query;
    "getdatabaseencoding": utf8;
    "pg_client_encoding": utf8;
    "PG_encoding_to_char": encoding_name;
    "PG_char_to_encoding": encoding_number;
    "pg_encoding_max_length_sql": encoding_length;
    "pg_settings_get_flags": setting_flags;
};

pub(super) const SETS: SetFamily = session_sets! {
    "show_all_settings": all_settings;
    "show_all_file_settings": file_settings;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

/// Reads the configuration again; the server's log says how that went.
fn reload_configuration(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    env.facts.instance.reload();
    Ok(Datum::Bool(true))
}

fn current_setting(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let name = args[0].as_str()?;
    let missing_ok = matches!(args.get(1), Some(Datum::Bool(true)));
    env.access.check_may_examine(name)?;
    let shown = match &*env.session.changed_settings.borrow() {
        Some(changed) => changed.show(name),
        None => env.session.settings.show(name),
    };
    match shown {
        Ok(text) => Ok(Datum::text(text)),
        Err(error) if missing_ok && error.code() == code::UNDEFINED_OBJECT => Ok(Datum::Null),
        Err(error) => Err(error),
    }
}

/// `set_config(name, value, is_local)`. A NULL value is the default, a NULL `is_local` false.
fn set_config(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    if args[0].is_null() {
        return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, "SET requires parameter name"));
    }
    let name = args[0].as_str()?;
    if Parameter::by_name(name) == Some(Parameter::TransactionIsolation) {
        return Err(PgError::unsupported("set_config of transaction_isolation"));
    }
    if let Some(Parameter::Role | Parameter::SessionAuthorization) = Parameter::by_name(name) {
        return Err(PgError::unsupported(format!("set_config of {name}")));
    }
    let value = if args[1].is_null() { None } else { Some(args[1].as_str()?) };
    let local = !args[2].is_null() && args[2].as_bool()?;
    let session = env.session;
    let mut changed = session.changed_settings.take().unwrap_or_else(|| Box::new(session.settings.clone()));
    let result = changed
        .set(name, value, local, session.setting_level(), env.facts.superuser)
        .and_then(|()| changed.show(name));
    session.changed_settings.replace(Some(changed));
    Ok(Datum::text(result?))
}

/// The schema that unqualified new objects go to.
fn current_schema(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    let Ok(oid) = env.access.creation_namespace() else { return Ok(Datum::Null) };
    let Some(oid) = oid.or_else(|| env.access.own_temporary_schema()) else { return Ok(Datum::Null) };
    Ok(env.catalog.namespace_by_oid(oid)?.map_or(Datum::Null, |schema| Datum::Text(schema.nspname.clone())))
}

/// The schemas searched; those that are searched without having been named only if asked for.
fn current_schemas(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let implicit = args[0].as_bool()?;
    let named = env.session.settings.search_path();
    let mut names = Vec::new();
    for oid in env.path {
        let Some(schema) = env.catalog.namespace_by_oid(*oid)? else { continue };
        let is_named = named.iter().any(|name| {
            *name == *schema.nspname || (name == "$user" && *env.facts.current_user == *schema.nspname)
        });
        if implicit || is_named {
            names.push(Datum::Text(schema.nspname.clone()));
        }
    }
    Ok(Datum::Array(Arc::new(ArrayValue::from_elems(types::NAME, names))))
}

/// The text that the client sent is not kept.
fn current_query(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Err(PgError::unsupported("current_query"))
}

fn utf8(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::text("UTF8"))
}

/// PostgreSQL's encodings by number, with the bytes of their longest character
/// (src/include/mb/pg_wchar.h).
const ENCODINGS: [(&str, i32); 42] = [
    ("SQL_ASCII", 1),
    ("EUC_JP", 3),
    ("EUC_CN", 2),
    ("EUC_KR", 3),
    ("EUC_TW", 4),
    ("EUC_JIS_2004", 3),
    ("UTF8", 4),
    ("MULE_INTERNAL", 4),
    ("LATIN1", 1),
    ("LATIN2", 1),
    ("LATIN3", 1),
    ("LATIN4", 1),
    ("LATIN5", 1),
    ("LATIN6", 1),
    ("LATIN7", 1),
    ("LATIN8", 1),
    ("LATIN9", 1),
    ("LATIN10", 1),
    ("WIN1256", 1),
    ("WIN1258", 1),
    ("WIN866", 1),
    ("WIN874", 1),
    ("KOI8R", 1),
    ("WIN1251", 1),
    ("WIN1252", 1),
    ("ISO_8859_5", 1),
    ("ISO_8859_6", 1),
    ("ISO_8859_7", 1),
    ("ISO_8859_8", 1),
    ("WIN1250", 1),
    ("WIN1253", 1),
    ("WIN1254", 1),
    ("WIN1255", 1),
    ("WIN1257", 1),
    ("KOI8U", 1),
    ("SJIS", 2),
    ("BIG5", 2),
    ("GBK", 2),
    ("UHC", 2),
    ("GB18030", 4),
    ("JOHAB", 3),
    ("SHIFT_JIS_2004", 2),
];

fn encoding(args: &[Datum]) -> PgResult<Option<(&'static str, i32)>> {
    Ok(usize::try_from(args[0].as_int4()?).ok().and_then(|number| ENCODINGS.get(number)).copied())
}

fn encoding_name(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::text(encoding(args)?.map_or("", |(name, _)| name)))
}

fn encoding_length(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(encoding(args)?.map_or(Datum::Null, |(_, bytes)| Datum::Int4(bytes)))
}

/// The number of an encoding, -1 if unknown.
fn encoding_number(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Int4(encoding_by_name(args[0].as_str()?).unwrap_or(-1)))
}

/// The number of an encoding, whose name may be written in any case and with any punctuation.
pub(crate) fn encoding_by_name(name: &str) -> Option<i32> {
    let plain = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>()
    };
    let sought = match plain(name).as_str() {
        "unicode" => "utf8".to_string(),
        "iso88591" => "latin1".to_string(),
        "iso88592" => "latin2".to_string(),
        "iso885915" => "latin9".to_string(),
        "windows1252" => "win1252".to_string(),
        "windows1251" => "win1251".to_string(),
        other => other.to_string(),
    };
    ENCODINGS.iter().position(|(name, _)| plain(name) == sought).map(|number| number as i32)
}

/// How a setting is treated otherwise than others; nothing here is.
fn setting_flags(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    match Parameter::by_name(args[0].as_str()?) {
        Some(_) => Ok(Datum::Array(Arc::new(ArrayValue::empty(types::TEXT)))),
        None => Ok(Datum::Null),
    }
}

fn all_settings(env: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&[
        ("name", types::TEXT),
        ("setting", types::TEXT),
        ("unit", types::TEXT),
        ("category", types::TEXT),
        ("short_desc", types::TEXT),
        ("extra_desc", types::TEXT),
        ("context", types::TEXT),
        ("vartype", types::TEXT),
        ("source", types::TEXT),
        ("min_val", types::TEXT),
        ("max_val", types::TEXT),
        ("enumvals", types::TEXT_ARRAY),
        ("boot_val", types::TEXT),
        ("reset_val", types::TEXT),
        ("sourcefile", types::TEXT),
        ("sourceline", types::INT4),
        ("pending_restart", types::BOOL),
    ]);
    let changed = env.session.changed_settings.borrow();
    let settings = changed.as_deref().unwrap_or(&env.session.settings);
    let mut sorted: Vec<Parameter> = table::ALL.to_vec();
    sorted.sort_by_key(|parameter| parameter.definition().name.to_lowercase());
    let mut rows = Vec::with_capacity(DEFINITIONS.len());
    for parameter in sorted {
        if !env.access.may_examine(parameter)? {
            continue;
        }
        let definition = parameter.definition();
        let (setting, reset, source) = settings.row(parameter);
        let (unit, vartype, limits, words) = match definition.kind {
            Kind::Bool => (None, "bool", None, None),
            Kind::Int(least, most, unit) => {
                (unit_name(unit), "integer", Some((least.to_string(), most.to_string())), None)
            }
            Kind::Real(least, most) => (None, "real", Some((least.to_string(), most.to_string())), None),
            Kind::Enum(words) | Kind::Only(words) => (None, "enum", None, Some(words)),
            Kind::Text => (None, "string", None, None),
        };
        let (least, most) = limits.unzip();
        let words = words.map(|words| {
            let words = words.iter().map(|word| Datum::text(*word)).collect();
            Datum::Array(Arc::new(ArrayValue::from_elems(types::TEXT, words)))
        });
        rows.push(row(
            &desc,
            vec![
                Datum::text(definition.name),
                Datum::text(setting),
                text_or_null(unit),
                Datum::text(definition.category),
                Datum::text(definition.description),
                Datum::Null,
                Datum::text(definition.context.as_str()),
                Datum::text(vartype),
                Datum::text(source.as_str()),
                text_or_null(least),
                text_or_null(most),
                words.unwrap_or(Datum::Null),
                Datum::text(definition.default),
                Datum::text(reset),
                Datum::Null,
                Datum::Null,
                Datum::Bool(false),
            ],
        ));
    }
    Ok(all_rows(rows))
}

fn unit_name(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::None => None,
        Unit::Ms => Some("ms"),
        Unit::S => Some("s"),
        Unit::KB => Some("kB"),
        Unit::Pages => Some("8kB"),
    }
}

/// Which line of which file a setting came from is not kept.
fn file_settings(_: &Env<'_>, _: &Context<'_>, _: &[Datum]) -> PgResult<Rows> {
    Err(PgError::unsupported("pg_file_settings"))
}
