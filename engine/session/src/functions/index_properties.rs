//! What access methods, indexes and their columns can do: `pg_indexam_has_property` and its like (PostgreSQL's
//! amutils.c). NULL answers questions that make no sense, of what is not there, or that are put to the wrong function.

use super::{Family, session_functions};
use crate::env::StatementEnv;
use redoubt_catalog::{BTREE, GIST, Index, IndexMethod};
use redoubt_error::PgResult;
use redoubt_functions::{CallContext, Datum, Oid};

pub(super) const BUILTINS: Family = session_functions! {
    "pg_indexam_has_property": of_method;
    "pg_index_has_property": of_index;
    "pg_index_column_has_property": of_column;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

fn answer(found: Option<bool>) -> PgResult<Datum> {
    Ok(found.map_or(Datum::Null, Datum::Bool))
}

fn of_method(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let property = args[1].as_str()?.to_ascii_lowercase();
    let Some(method) = IndexMethod::by_oid(args[0].as_oid()?) else { return Ok(Datum::Null) };
    answer(match property.as_str() {
        "can_order" => Some(method.can_order),
        "can_unique" => Some(method.can_be_unique),
        "can_multi_col" => Some(method.can_have_columns),
        "can_exclude" => Some(method.gives_rows),
        "can_include" => Some(method.can_include),
        _ => None,
    })
}

fn of_index(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let property = args[1].as_str()?.to_ascii_lowercase();
    let Some((_, method)) = index_of(env, args[0].as_oid()?)? else { return Ok(Datum::Null) };
    answer(match property.as_str() {
        "clusterable" => Some(method.can_cluster),
        "index_scan" => Some(method.gives_rows),
        // Every method makes bitmaps.
        "bitmap_scan" => Some(true),
        "backward_scan" => Some(method.can_go_backward),
        _ => None,
    })
}

fn index_of(env: &Env<'_>, oid: Oid) -> PgResult<Option<(std::sync::Arc<Index>, &'static IndexMethod)>> {
    let Some(index) = env.catalog.index_by_oid(oid)? else { return Ok(None) };
    Ok(IndexMethod::by_oid(index.method).map(|method| (index, method)))
}

fn of_column(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let property = args[2].as_str()?.to_ascii_lowercase();
    let Datum::Int4(number) = args[1] else { return Ok(Datum::Null) };
    let Some((index, method)) = index_of(env, args[0].as_oid()?)? else { return Ok(Datum::Null) };
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let Some((at, column)) = at.and_then(|at| Some((at, index.columns.get(at)?))) else {
        return Ok(Datum::Null);
    };
    let is_key = at < index.key_columns;
    let ordered = |holds: bool| is_key.then_some(method.can_order && holds);
    answer(match property.as_str() {
        "asc" => ordered(!column.descending),
        "desc" => ordered(column.descending),
        "nulls_first" => ordered(column.nulls_first),
        "nulls_last" => ordered(!column.nulls_first),
        "orderable" => Some(is_key && method.can_order),
        "distance_orderable" => Some(is_key && orders_by_distance(env, method.oid, column.opfamily)?),
        "returnable" => Some(gives_back(env, method.oid, column.opfamily, is_key)?),
        "search_array" => is_key.then_some(method.searches_arrays),
        "search_nulls" => is_key.then_some(method.searches_nulls),
        _ => None,
    })
}

/// Whether an operator class orders rows by an operator's result. Only methods that indexes can be made with matter.
fn orders_by_distance(env: &Env<'_>, method: Oid, family: Oid) -> PgResult<bool> {
    /// GiST's support function for that.
    const DISTANCE: i16 = 8;
    match method {
        GIST => Ok(env.catalog.procs_of_family(family)?.iter().any(|row| row.amprocnum == DISTANCE)),
        _ => Ok(false),
    }
}

/// Whether the index gives the column's values back.
fn gives_back(env: &Env<'_>, method: Oid, family: Oid, is_key: bool) -> PgResult<bool> {
    /// GiST's support functions: what makes a stored key of a value, and a value of a stored key.
    const COMPRESS: i16 = 3;
    const FETCH: i16 = 9;
    match method {
        BTREE => Ok(true),
        GIST if !is_key => Ok(true),
        GIST => {
            let rows = env.catalog.procs_of_family(family)?;
            let has = |number| rows.iter().any(|row| row.amprocnum == number);
            Ok(has(FETCH) || !has(COMPRESS))
        }
        _ => Ok(false),
    }
}
