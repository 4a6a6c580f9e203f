//! A server's catalogs, as far as the analyzer asks for them, in memory.

use crate::Known;
use crate::client::Client;
use redoubt_catalog::rows::CATALOGS;
use redoubt_catalog::{MemoryCatalog, WriteStore, system_catalog};
use redoubt_functions::{ArrayValue, DateOrder, Datum, Oid, Settings, types as t};
use std::sync::Arc;

/// Rows with lower OIDs are in every database.
const FIRST: Oid = 12000;

/// Catalogs, with the condition for what is not in every database.
const SOURCES: &[(&str, &str)] = &[
    ("pg_namespace", "oid"),
    ("pg_class", "oid"),
    ("pg_attribute", "attrelid"),
    ("pg_type", "oid"),
    ("pg_proc", "oid"),
    ("pg_operator", "oid"),
    ("pg_opclass", "oid"),
    ("pg_opfamily", "oid"),
    ("pg_amop", "oid"),
    ("pg_amproc", "oid"),
    ("pg_cast", "oid"),
    ("pg_aggregate", "aggfnoid::oid"),
    ("pg_attrdef", "oid"),
    ("pg_constraint", "oid"),
    ("pg_index", "indexrelid"),
    ("pg_inherits", "inhrelid"),
    ("pg_sequence", "seqrelid"),
    ("pg_rewrite", "oid"),
    ("pg_enum", "oid"),
    ("pg_range", "rngtypid"),
    ("pg_collation", "oid"),
    ("pg_policy", "oid"),
    ("pg_depend", "refobjid"),
];

/// The catalogs, the search path and the settings of a session. `None` when they cannot be read, as
/// in a failed transaction.
pub fn known(client: &mut Client) -> Option<Known> {
    let rows = client
        .query("select s::regnamespace::oid from unnest(current_schemas(true)) with ordinality u(s, n) order by n")
        .ok()?;
    let path = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    let before = client.query("show search_path").ok()?[0][0].clone();
    let catalog = MemoryCatalog::new();
    // Deparsed text must qualify all names; inside a transaction only its own session sees its work.
    client.query("set search_path = ''").ok()?;
    for (name, key) in SOURCES {
        import(client, &catalog, name, key)?;
    }
    client.query(&format!("set search_path = {before}")).ok()?;
    let settings = Settings { date_order: date_order(client)?, ..Settings::default() };
    Some(Known { catalog, path, settings })
}

fn date_order(client: &mut Client) -> Option<DateOrder> {
    let style = client.query("show datestyle").ok()?[0][0].clone();
    Some(match style.rsplit(' ').next() {
        Some("YMD") => DateOrder::Ymd,
        Some("DMY") => DateOrder::Dmy,
        _ => DateOrder::Mdy,
    })
}

fn import(client: &mut Client, catalog: &MemoryCatalog, name: &str, key: &str) -> Option<()> {
    let columns = CATALOGS.iter().find(|catalog| catalog.name == name).unwrap();
    let system = system_catalog(columns.oid).unwrap();
    let shown: Vec<String> =
        columns.columns.iter().map(|(column, oid)| expression(name, column, *oid)).collect();
    let mut condition = format!("{key} >= {FIRST}");
    if name == "pg_depend" {
        condition += " and deptype = 'i' and refclassid = 1259 and classid = 1259";
    }
    let sql = format!("select {} from pg_catalog.{name} where {condition}", shown.join(", "));
    let rows = client.query(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    for row in rows {
        let values: Vec<Datum> = row
            .iter()
            .zip(columns.columns)
            .map(|(value, (_, oid))| match value.strip_prefix('=') {
                Some(value) => parse(value, *oid),
                None => Datum::Null,
            })
            .collect();
        // Some of them are among the facts already.
        let _ = catalog.insert(system, &values);
    }
    Some(())
}

/// What is read for a column: text behind `=`, or nothing for NULL.
fn expression(catalog: &str, column: &str, oid: Oid) -> String {
    let value = match (catalog, column) {
        ("pg_attrdef", "adbin") => "pg_get_expr(adbin, adrelid)".to_owned(),
        ("pg_constraint", "conbin") => "pg_get_expr(conbin, conrelid)".to_owned(),
        ("pg_index", "indpred") => "pg_get_expr(indpred, indrelid)".to_owned(),
        ("pg_index", "indexprs") => {
            "(select string_agg(pg_get_indexdef(indexrelid, n::int, false), chr(1) order by n) \
             from unnest(indkey::int2[]) with ordinality k(a, n) where a = 0 and indexprs is not null)"
                .to_owned()
        }
        ("pg_rewrite", "ev_action") => {
            "case when rulename = '_RETURN' then rtrim(pg_get_viewdef(ev_class), ';') else '' end".to_owned()
        }
        ("pg_rewrite", "ev_qual") => "''".to_owned(),
        ("pg_proc", "proargdefaults") => "pg_get_expr(proargdefaults, 0)".to_owned(),
        _ if matches!(oid, t::PG_NODE_TREE | t::ANYARRAY | t::ACLITEM_ARRAY) => "null::text".to_owned(),
        _ if oid == t::REGPROC => format!("{column}::oid::text"),
        _ => format!("{column}::text"),
    };
    format!("coalesce('=' || {value}, '')")
}

fn parse(text: &str, oid: Oid) -> Datum {
    let element = |oid| match oid {
        t::OIDVECTOR | t::OID_ARRAY => t::OID,
        t::INT2VECTOR | t::INT2_ARRAY => t::INT2,
        t::CHAR_ARRAY => t::CHAR,
        t::FLOAT4_ARRAY => t::FLOAT4,
        _ => t::TEXT,
    };
    match oid {
        t::BOOL => Datum::Bool(text == "true"),
        t::CHAR => Datum::Char(text.bytes().next().unwrap_or(0)),
        t::INT2 => Datum::Int2(text.parse().unwrap()),
        t::INT4 => Datum::Int4(text.parse().unwrap()),
        t::INT8 => Datum::Int8(text.parse().unwrap()),
        t::FLOAT4 => Datum::Float4(text.parse().unwrap()),
        t::OID | t::XID | t::REGPROC => Datum::Oid(text.parse().unwrap()),
        t::OIDVECTOR | t::INT2VECTOR => {
            let element = element(oid);
            let elems = text.split_whitespace().map(|item| parse(item, element)).collect();
            Datum::Array(Arc::new(ArrayValue::vector(element, elems)))
        }
        t::OID_ARRAY | t::INT2_ARRAY | t::CHAR_ARRAY | t::TEXT_ARRAY | t::FLOAT4_ARRAY => {
            let element = element(oid);
            let elems = items(text).iter().map(|item| parse(item, element)).collect();
            Datum::Array(Arc::new(ArrayValue::from_elems(element, elems)))
        }
        _ => Datum::text(text),
    }
}

/// The elements of an array's text.
fn items(text: &str) -> Vec<String> {
    let inner = text.trim_start_matches(|c| c != '{').trim_start_matches('{').trim_end_matches('}');
    if inner.is_empty() {
        return Vec::new();
    }
    let mut items = vec![String::new()];
    let mut quoted = false;
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let item = items.last_mut().unwrap();
        match c {
            '"' => quoted = !quoted,
            '\\' => item.extend(chars.next()),
            ',' if !quoted => items.push(String::new()),
            c => item.push(c),
        }
    }
    items
}
