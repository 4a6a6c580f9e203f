//! The facts files: the system catalogs' rows as a new PostgreSQL database has them (facts/README.md).

use crate::acl::AclItem;
use crate::rows::{CatalogColumns, CatalogRow, PgProc, PgRewrite, array_datum, element_type};
use crate::sql_bodies::sql_body;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, types as t};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

macro_rules! facts {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), include_str!(concat!("../facts/", stringify!($name), ".tsv"))),)*]
    };
}

/// Catalogs that are not empty in a new database, with their rows' text.
static FACTS: &[(&str, &str)] = facts![
    pg_aggregate,
    pg_am,
    pg_amop,
    pg_amproc,
    pg_attribute,
    pg_auth_members,
    pg_authid,
    pg_cast,
    pg_class,
    pg_collation,
    pg_constraint,
    pg_conversion,
    pg_database,
    pg_depend,
    pg_extension,
    pg_index,
    pg_init_privs,
    pg_language,
    pg_namespace,
    pg_opclass,
    pg_operator,
    pg_opfamily,
    pg_proc,
    pg_range,
    pg_rewrite,
    pg_tablespace,
    pg_ts_config,
    pg_ts_config_map,
    pg_ts_dict,
    pg_ts_parser,
    pg_ts_template,
    pg_type,
];

/// `pg_language.oid` of `sql`.
const SQL_LANGUAGE: Oid = 14;

/// The rows that a new database has in this catalog, in the files' order.
///
/// # Panics
/// If a file does not fit its catalog: the files are part of the program.
pub fn rows(catalog: &CatalogColumns) -> Vec<Vec<Datum>> {
    match parse(catalog) {
        Ok(rows) => rows,
        Err(error) => panic!("facts of {}: {}", catalog.name, error.message()),
    }
}

/// As [`rows`], as row structs.
///
/// # Panics
/// As [`rows`].
pub fn typed<R: CatalogRow>() -> Vec<R> {
    let typed: PgResult<Vec<R>> = rows(&R::CATALOG).iter().map(|row| R::from_datums(row)).collect();
    typed.expect("the facts have the row struct's types")
}

fn parse(catalog: &CatalogColumns) -> PgResult<Vec<Vec<Datum>>> {
    let Some((_, text)) = FACTS.iter().find(|(name, _)| *name == catalog.name) else {
        return Ok(Vec::new());
    };
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    if !header.split('\t').eq(catalog.columns.iter().map(|(name, _)| *name)) {
        return Err(PgError::internal("the header does not name the catalog's columns"));
    }
    let mut rows = Vec::with_capacity(text.len() / 64);
    for line in lines {
        let mut row = Vec::with_capacity(catalog.columns.len());
        for (value, (_, type_oid)) in line.split('\t').zip(catalog.columns) {
            row.push(if value == "\\N" { Datum::Null } else { parse_value(&unescape(value)?, *type_oid)? });
        }
        if row.len() != catalog.columns.len() {
            return Err(PgError::internal(format!("wrong number of columns: {line}")));
        }
        if catalog.oid == PgProc::CATALOG.oid {
            add_body(&mut row);
        } else if catalog.oid == PgRewrite::CATALOG.oid {
            add_view(&mut row)?;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Gives a function in language SQL our body.
fn add_body(row: &mut [Datum]) {
    const PROLANG: usize = 4;
    const PROSRC: usize = 25;
    debug_assert_eq!(PgProc::CATALOG.columns[PROSRC].0, "prosrc");
    if let (Datum::Oid(oid), Datum::Oid(SQL_LANGUAGE)) = (&row[0], &row[PROLANG]) {
        row[PROSRC] = Datum::text(sql_body(*oid).expect("every SQL function has a body"));
    }
}

/// Gives a system view our query.
fn add_view(row: &mut [Datum]) -> PgResult<()> {
    const EV_CLASS: usize = 2;
    const EV_ACTION: usize = 7;
    debug_assert_eq!(PgRewrite::CATALOG.columns[EV_ACTION].0, "ev_action");
    let view = relation_name(row[EV_CLASS].as_oid()?);
    let body = view.and_then(crate::system_views::body);
    row[EV_ACTION] = Datum::text(body.ok_or_else(|| PgError::internal("a view has no query"))?);
    Ok(())
}

/// The name of a relation by OID.
fn relation_name(oid: Oid) -> Option<&'static str> {
    static NAMES: LazyLock<FxHashMap<Oid, &str>> = LazyLock::new(|| {
        let classes =
            FACTS.iter().find(|(catalog, _)| *catalog == "pg_class").expect("there are relations").1;
        let name = |line: &'static str| {
            let mut columns = line.split('\t');
            Some((columns.next()?.parse().ok()?, columns.next()?))
        };
        classes.lines().skip(1).filter_map(name).collect()
    });
    NAMES.get(&oid).copied()
}

/// Undoes COPY's escapes.
fn unescape(value: &str) -> PgResult<String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') => '\\',
                other => return Err(PgError::internal(format!("unknown escape {other:?}"))),
            },
            c => c,
        });
    }
    Ok(out)
}

fn parse_value(text: &str, type_oid: Oid) -> PgResult<Datum> {
    Ok(match type_oid {
        t::BOOL => Datum::Bool(text == "t"),
        t::CHAR => Datum::Char(text.bytes().next().unwrap_or(0)),
        t::INT2 => Datum::Int2(number(text)?),
        t::INT4 => Datum::Int4(number(text)?),
        t::INT8 => Datum::Int8(number(text)?),
        t::FLOAT4 => Datum::Float4(number(text)?),
        t::OID | t::XID | t::REGPROC => Datum::Oid(number(text)?),
        t::NAME | t::TEXT | t::PG_NODE_TREE => Datum::text(text),
        t::ACLITEM => Datum::text(AclItem::parse(text, role)?.to_string()),
        t::OIDVECTOR | t::INT2VECTOR => {
            let element = element_type(type_oid);
            let elems: PgResult<_> = text.split_whitespace().map(|item| parse_value(item, element)).collect();
            array_datum(type_oid, elems?)
        }
        t::OID_ARRAY | t::INT2_ARRAY | t::CHAR_ARRAY | t::TEXT_ARRAY | t::ACLITEM_ARRAY => {
            let element = element_type(type_oid);
            let items = array_items(text)?;
            let elems: PgResult<_> = items.iter().map(|item| parse_value(item, element)).collect();
            array_datum(type_oid, elems?)
        }
        other => return Err(PgError::internal(format!("no facts of type {other} are expected: {text}"))),
    })
}

fn number<T: std::str::FromStr>(text: &str) -> PgResult<T> {
    text.parse().map_err(|_| PgError::internal(format!("not a number: {text}")))
}

/// Splits a one-dimensional array without NULLs.
fn array_items(text: &str) -> PgResult<Vec<String>> {
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(|| PgError::internal(format!("not an array: {text}")))?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let mut items = vec![String::new()];
    let mut quoted = false;
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let item = items.last_mut().expect("there is always a current item");
        match c {
            '"' => quoted = !quoted,
            '\\' => item.extend(chars.next()),
            ',' if !quoted => items.push(String::new()),
            c => item.push(c),
        }
    }
    Ok(items)
}

/// The OID of a role that every cluster has.
fn role(name: &str) -> PgResult<Oid> {
    let roles = FACTS.iter().find(|(catalog, _)| *catalog == "pg_authid").expect("there are roles").1;
    let found = roles.lines().skip(1).find_map(|line| {
        let mut columns = line.split('\t');
        let oid = columns.next()?;
        (columns.next()? == name).then_some(oid)
    });
    found.map_or_else(|| Err(PgError::internal(format!("unknown role {name}"))), number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{CATALOGS, PgAttribute, PgClass, PgNamespace};

    #[test]
    fn every_file_parses_into_its_catalog() {
        let mut count = 0;
        for catalog in CATALOGS {
            count += rows(catalog).len();
        }
        assert!(count > 10_000, "{count}");
        assert!(FACTS.iter().all(|(name, _)| CATALOGS.iter().any(|catalog| catalog.name == *name)));
    }

    #[test]
    fn row_structs_have_the_catalogs_columns() {
        let attributes: Vec<PgAttribute> = typed();
        for catalog in CATALOGS {
            let found: Vec<_> = attributes
                .iter()
                .filter(|a| a.attrelid == catalog.oid && a.attnum > 0)
                .map(|a| (&*a.attname, a.atttypid))
                .collect();
            assert_eq!(found, catalog.columns, "{}", catalog.name);
        }
        let classes: Vec<PgClass> = typed();
        for class in classes.iter().filter(|class| class.relkind == 'r') {
            assert!(CATALOGS.iter().any(|catalog| catalog.oid == class.oid), "{}", class.relname);
        }
    }

    #[test]
    fn privileges_name_roles_by_oid() {
        let schemas: Vec<PgNamespace> = typed();
        let public = schemas.iter().find(|schema| &*schema.nspname == "public").unwrap();
        let acl = public.nspacl.as_ref().unwrap();
        assert_eq!(acl.0.iter().map(ToString::to_string).collect::<Vec<_>>(), ["6171=UC/6171", "=U/6171"]);
    }
}
