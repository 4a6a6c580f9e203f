//! Names of objects: `format_type`, `pg_get_userbyid`, and the `pg_*_is_visible` family.

use super::{Family, session_functions};
use crate::env::StatementEnv;
use redoubt_catalog::rows::{
    PgCollation, PgConversion, PgOpclass, PgOperator, PgOpfamily, PgProc, PgStatisticExt, PgTsConfig,
    PgTsDict, PgTsParser, PgTsTemplate,
};
use redoubt_error::PgResult;
use redoubt_functions::{CallContext, Datum, Oid};
use std::sync::Arc;

pub(super) const BUILTINS: Family = session_functions! {
    "format_type": format_type;
    "pg_get_userbyid": user_by_id;
    "pg_table_is_visible": table_is_visible;
    "pg_type_is_visible": type_is_visible;
    "pg_function_is_visible": function_is_visible;
    "pg_operator_is_visible": operator_is_visible;
    "pg_opclass_is_visible": opclass_is_visible;
    "pg_opfamily_is_visible": opfamily_is_visible;
    "pg_collation_is_visible": collation_is_visible;
    "pg_conversion_is_visible": conversion_is_visible;
    "pg_statistics_obj_is_visible": statistics_is_visible;
    "pg_ts_parser_is_visible": ts_parser_is_visible;
    "pg_ts_dict_is_visible": ts_dict_is_visible;
    "pg_ts_template_is_visible": ts_template_is_visible;
    "pg_ts_config_is_visible": ts_config_is_visible;
    "pg_my_temp_schema": my_temp_schema;
    "pg_is_other_temp_schema": is_other_temp_schema;
};

fn format_type(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let typmod = if args[1].is_null() { None } else { Some(args[1].as_int4()?) };
    Ok(Datum::text(env.catalog.format_type(args[0].as_oid()?, typmod, env.path)?))
}

fn user_by_id(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    Ok(match env.catalog.role_by_oid(oid)? {
        Some(role) => Datum::Text(role.rolname.clone()),
        None => Datum::text(format!("unknown (OID={oid})")),
    })
}

fn answer(visible: Option<bool>) -> PgResult<Datum> {
    Ok(visible.map_or(Datum::Null, Datum::Bool))
}

fn table_is_visible(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    answer(match env.catalog.relation_by_oid(args[0].as_oid()?)? {
        Some(relation) => Some(env.catalog.relation_is_visible(env.path, &relation)?),
        None => None,
    })
}

fn type_is_visible(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    answer(match env.catalog.type_by_oid(oid)? {
        Some(row) => {
            Some(env.catalog.type_in_path(env.path, &row.typname)?.is_some_and(|seen| seen.oid == oid))
        }
        None => None,
    })
}

fn function_is_visible(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    let Some(row) = env.catalog.proc_by_oid(oid)? else { return Ok(Datum::Null) };
    let namesakes = env.catalog.procs_by_name(&row.proname)?;
    let same = |other: &&Arc<PgProc>| other.proargtypes == row.proargtypes;
    let namesakes = namesakes.iter().filter(same).map(|other| (other.pronamespace, other.oid));
    answer(Some(first_in_path(env.path, namesakes.collect()) == Some(oid)))
}

fn operator_is_visible(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    let Some(row) = env.catalog.operator_by_oid(oid)? else { return Ok(Datum::Null) };
    let namesakes = env.catalog.operators_by_name(&row.oprname)?;
    let same = |other: &&Arc<PgOperator>| (other.oprleft, other.oprright) == (row.oprleft, row.oprright);
    let namesakes = namesakes.iter().filter(same).map(|other| (other.oprnamespace, other.oid));
    answer(Some(first_in_path(env.path, namesakes.collect()) == Some(oid)))
}

/// The object found first along a path, of several with one name in different schemas.
fn first_in_path(path: &[Oid], namesakes: Vec<(Oid, Oid)>) -> Option<Oid> {
    path.iter()
        .find_map(|schema| namesakes.iter().find(|(namespace, _)| namespace == schema).map(|(_, oid)| *oid))
}

/// Visibility of the kinds of object that few look up by name: their catalogs are read.
macro_rules! visible_by_scan {
    ($($function:ident: $row:ty, $schema:ident, $name:ident $(, $method:ident)?;)*) => {$(
        fn $function(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
            let oid = args[0].as_oid()?;
            let rows: Vec<$row> = env.catalog.scan()?;
            let Some(own) = rows.iter().find(|row| row.oid == oid) else { return Ok(Datum::Null) };
            let same = |row: &&$row| row.$name == own.$name $(&& row.$method == own.$method)?;
            let namesakes = rows.iter().filter(same).map(|row| (row.$schema, row.oid));
            answer(Some(first_in_path(env.path, namesakes.collect()) == Some(oid)))
        }
    )*};
}

visible_by_scan! {
    opclass_is_visible: PgOpclass, opcnamespace, opcname, opcmethod;
    opfamily_is_visible: PgOpfamily, opfnamespace, opfname, opfmethod;
    collation_is_visible: PgCollation, collnamespace, collname;
    conversion_is_visible: PgConversion, connamespace, conname;
    statistics_is_visible: PgStatisticExt, stxnamespace, stxname;
    ts_parser_is_visible: PgTsParser, prsnamespace, prsname;
    ts_dict_is_visible: PgTsDict, dictnamespace, dictname;
    ts_template_is_visible: PgTsTemplate, tmplnamespace, tmplname;
    ts_config_is_visible: PgTsConfig, cfgnamespace, cfgname;
}

/// The session's own temporary schema, 0 while it has none.
fn my_temp_schema(env: &StatementEnv<'_>, _: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Oid(own_temp_schema(env)?.unwrap_or(0)))
}

fn own_temp_schema(env: &StatementEnv<'_>) -> PgResult<Option<Oid>> {
    for oid in env.path {
        let row = env.catalog.namespace_by_oid(*oid)?;
        if row.is_some_and(|row| row.nspname.starts_with("pg_temp_")) {
            return Ok(Some(*oid));
        }
    }
    Ok(None)
}

fn is_other_temp_schema(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = args[0].as_oid()?;
    let temporary = env
        .catalog
        .namespace_by_oid(oid)?
        .is_some_and(|row| row.nspname.starts_with("pg_temp_") || row.nspname.starts_with("pg_toast_temp_"));
    Ok(Datum::Bool(temporary && own_temp_schema(env)? != Some(oid)))
}
